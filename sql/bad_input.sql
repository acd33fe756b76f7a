-- What a rule may not say: SQLSTATE, path, what was found, hint.
CREATE TYPE mood AS ENUM ('sad', 'fine');
CREATE TABLE people (id int PRIMARY KEY, name text, clicks int, spend numeric(8,2), score float8, active boolean, mood mood,
    born date, seen timestamp, last_sms timestamptz, tags text[], address inet, place point);
CREATE FUNCTION refusal(rule text, audience text DEFAULT 'people') RETURNS TABLE (state text, message text, detail text, hint text)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM segments.check_rule(audience::regclass, rule::segments.rule);
    state := 'accepted';
    RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN NEXT;
END $$;
-- A leaf in an AND.
CREATE FUNCTION leaf(field text, operator text, value text) RETURNS text LANGUAGE sql
RETURN format('{"condition":"AND","rules":[{"field":"%s","operator":"%s","value":%s}]}', field, operator, value);
\x on
\t on

-- The text.
SELECT * FROM refusal('');
SELECT * FROM refusal('{"condition":"AND","rules":[');
SELECT * FROM refusal('17');
SELECT * FROM refusal('{"condition":"AND","rules":[{"field":"na\u0000me","operator":"equal","value":"x"}]}');
SELECT * FROM refusal('{"condition":"AND","condition":"OR","rules":[{"list":1}]}');
-- Groups.
SELECT * FROM refusal('{"condition":"AND","rules":[]}');
SELECT * FROM refusal('{"combinator":"and","rules":[{"field":"name","operator":"=","value":"x","muted":true}]}');
SELECT * FROM refusal('{"condition":"NAND","rules":[{"list":1}]}');
SELECT * FROM refusal('{"condition":"AND","combinator":"and","rules":[{"list":1}]}');
SELECT * FROM refusal('{"condition":"AND","rules":[{"combinator":"or","rules":[{"list":1}]}]}');
SELECT * FROM refusal('{"condition":"AND","rulez":[{"list":1}]}');
SELECT * FROM refusal('{"condition":"AND","not":1,"rules":[{"list":1}]}');
SELECT * FROM refusal('{"condition":"AND","valid":false,"rules":[{"list":1}]}');
SELECT * FROM refusal('{"rules":[{"field":"name","operator":"equal","value":"x"},{"field":"name","operator":"equal","value":"y"}]}');
-- Other builders' rules.
SELECT * FROM refusal('{"logic":"and","filters":[]}');
SELECT * FROM refusal('{"type":"group","children1":[]}');
SELECT * FROM refusal('{"$and":[]}');
SELECT * FROM refusal('{"==":[{"var":"a"},1]}');
SELECT * FROM refusal('["clicks",">",1]');
-- Leaves.
SELECT * FROM refusal(leaf('nmae', 'equal', '"x"'));
SELECT * FROM refusal(leaf('xyzzy', 'equal', '"x"'));
SELECT * FROM refusal(leaf('name', 'equql', '"x"'));
SELECT * FROM refusal(leaf('name', 'like', '"x"'));
SELECT * FROM refusal(leaf('name', 'xor', '"x"'));
SELECT * FROM refusal('{"condition":"AND","rules":[{"field":"name","operator":"equal","value":"x","valu":"y"}]}');
SELECT * FROM refusal('{"combinator":"and","rules":[{"field":"name","value":"x"}]}');
SELECT * FROM refusal(leaf('name', 'in', '[]'));
SELECT * FROM refusal(leaf('clicks', 'between', '[1]'));
SELECT * FROM refusal(leaf('name', 'equal', 'null'));
SELECT * FROM refusal(leaf('name', 'in', '["a",null]'));
SELECT * FROM refusal(leaf('born', 'greater_than_n_days', '-1'));
SELECT * FROM refusal(leaf('born', 'greater_than_n_days', '1.5'));
SELECT * FROM refusal(leaf('name', 'in_bucket', '[0,101]'));
SELECT * FROM refusal(leaf('name', 'matches_regex', '"("'));
-- Operators that the type does not have.
SELECT * FROM refusal(leaf('clicks', 'contains', '1'));
SELECT * FROM refusal(leaf('active', 'less', 'true'));
SELECT * FROM refusal(leaf('mood', 'begins_with', '"s"'));
SELECT * FROM refusal(leaf('name', 'greater_than_n_days', '3'));
SELECT * FROM refusal(leaf('tags', 'is_null', 'null'));
SELECT * FROM refusal(leaf('tags', 'begins_with', '"x"'));
SELECT * FROM refusal(leaf('place', 'equal', '"(1,2)"'));
SELECT * FROM refusal(leaf('place', 'is_null', 'null'));
SELECT * FROM refusal('{"condition":"AND","rules":[{"field":"clicks","operator":"equal","value":1,"ignore_case":true}]}');
-- Values of the wrong type.
SELECT r.* FROM unnest('{"\"\"","\"abc\"","\"0x10\"","\"NaN\"","\"Infinity\"","true","{}"}'::text[]) v, refusal(leaf('clicks', 'equal', v)) r;
SELECT * FROM refusal(leaf('clicks', 'in', '[1,"two",3]'));
SELECT * FROM refusal(leaf('spend', 'equal', '"ten"'));
SELECT * FROM refusal(leaf('score', 'equal', '"1e400"'));
SELECT * FROM refusal(leaf('active', 'equal', '2'));
SELECT * FROM refusal(leaf('active', 'equal', '"yes"'));
SELECT * FROM refusal(leaf('mood', 'equal', '"fin"'));
SELECT * FROM refusal(leaf('address', 'equal', '"10.0.0.300"'));
SELECT * FROM refusal(leaf('born', 'less', '"13/05/2024"'));
SELECT * FROM refusal(leaf('born', 'less', '20240513'));
SELECT * FROM refusal(leaf('seen', 'less', '"2024-02-30"'));
SELECT * FROM refusal(leaf('last_sms', 'less', '"2024-02-03T25:00:00"'));
SELECT * FROM refusal('{"combinator":"and","rules":[{"field":"name","operator":"=","value":"clicks","valueSource":"field"}]}');
SELECT * FROM refusal('{"combinator":"and","rules":[{"field":"name","operator":"=","value":"nmae","valueSource":"field"}]}');
-- Root keys.
SELECT * FROM refusal('{"condition":"AND","rules":[{"everyone":true}],"time_zone":"Europe/Pariss"}');
SELECT * FROM refusal('{"condition":"AND","rules":[{"everyone":true}],"as_of":"yesterday"}');
SELECT * FROM refusal('{"condition":"AND","rules":[{"everyone":true}],"semantics":"fuzzy"}');
-- Not there.
SELECT * FROM refusal('{"segment":"nobody"}');
SELECT * FROM refusal('{"list":17}');
SELECT * FROM refusal('{"event":"click"}');
SELECT * FROM refusal('{"sequence":[{"event":"sent"},{"event":"click"}]}');
SELECT * FROM refusal('{"everyone":true}', 'people_pkey');
-- Names are data.
SELECT * FROM refusal('{"condition":"AND","rules":[{"field":"\"; drop table people","operator":"equal","value":"x"}]}');
\x off
-- Legal, though odd.
SELECT v AS rule, r.state FROM unnest(ARRAY[leaf('clicks', 'equal', '10.5'), leaf('clicks', 'equal', '" 7 "'), leaf('clicks', 'in', '[1,99999999999999999999]'),
    leaf('name', 'equal', '17'), leaf('active', 'equal', '1'), leaf('active', 'equal', '"false"'), leaf('born', 'between', '["2024-02-01","2024-01-01"]'),
    leaf('name', 'equal', '"''; drop table people; --"'), leaf('name', 'contains', '"100%_\\"')]) v, refusal(v) r;
\t off

-- Depth and size.
CREATE FUNCTION nested(depth int) RETURNS text LANGUAGE sql RETURN
    repeat('{"condition":"AND","not":true,"rules":[', depth) || '{"field":"clicks","operator":"equal","value":1}' || repeat(']}', depth);
CREATE FUNCTION wide(nodes int) RETURNS text LANGUAGE sql RETURN
    '{"condition":"OR","rules":[' || repeat('{"field":"clicks","operator":"equal","value":1},', nodes - 2) || '{"field":"clicks","operator":"equal","value":1}]}';
SELECT state, detail FROM refusal(nested(64));
SELECT state, left(detail, 40) AS detail, hint FROM refusal(nested(65));
SELECT state, left(detail, 40) AS detail, hint FROM refusal(repeat('[', 100000));
SELECT state FROM refusal(wide(10000));
SELECT state, left(detail, 40) AS detail FROM refusal(wide(10001));
SELECT state FROM refusal(leaf('clicks', 'in', '[' || repeat('1,', 99999) || '1]'));
SELECT state, left(detail, 40) AS detail FROM refusal(leaf('clicks', 'in', '[' || repeat('1,', 100000) || '1]'));
SELECT state FROM refusal(leaf('name', 'equal', '"' || repeat('x', 17000000) || '"'));

-- validate: every problem at once, none for a good rule, text that is no rule at all.
SELECT * FROM segments.validate('people', '{"condition":"AND","rules":[{"field":"nmae","operator":"equal","value":"x"},{"field":"clicks","operator":"less","value":"many"},
    {"condition":"OR","rules":[{"field":"name","operator":"likes","value":"x"},{"field":"born","operator":"less","value":"2024-02-30"},{"field":"address","operator":"equal","value":"nowhere"}]},
    {"segment":"nobody"},{"field":"name","operator":"matches_regex","value":"("}]}');
SELECT * FROM segments.validate('people', '{"condition":"AND","rules":[{"field":"name","operator":"equal","value":"x"}]}');
SELECT * FROM segments.validate('people', '{"condition":"AND","rules":[]}');
SELECT * FROM segments.validate('people', '17');
DROP TABLE people;
DROP TYPE mood;
DROP FUNCTION refusal, leaf, nested, wide;
