-- What rules mean: NULLs and complements, numbers, days and zones, text, arrays, memberships. Each answer beside SQL written by hand.
\set QUIET on
SET TimeZone = 'America/New_York';
SET DateStyle = 'SQL, DMY';
CREATE EXTENSION citext;
CREATE DOMAIN label AS text CHECK (value <> 'forbidden');
CREATE TYPE mood AS ENUM ('sad', 'fine', 'great');
CREATE TABLE people (id int PRIMARY KEY, name text, code char(4), nick citext, small int2, clicks int, big bigint, spend numeric(8,2), score float8,
    ratio float4, active boolean, mood mood, born date, seen timestamp, last_sms timestamptz, tags text[], days date[], labels label[], address inet, ref uuid);
INSERT INTO people (id) VALUES (0);
INSERT INTO people VALUES
(1, 'Ann', 'US', 'Annie', 1, 0, 9007199254740993, 10.00, 0.1, 0.1, true, 'sad', '2024-02-29', '2024-03-10 02:30', '2024-03-10 06:59:59.999999+00', '{a,b}', '{2024-01-01}', '{x,y}', '10.0.0.1', '00000000-0000-0000-0000-000000000001'),
(2, 'ann', 'DE', 'ANNIE', 2, 1, 9007199254740992, 10.25, 0.3, 0.3, false, 'fine', '2024-02-28', '2024-03-10 00:00', '2024-03-10 05:00:00+00', '{}', '{}', '{}', '10.0.0.2', '00000000-0000-0000-0000-000000000002'),
(3, '100%', 'F', 'x', -1, 10, 9223372036854775807, 0, 'NaN', 'NaN', true, 'great', '2023-02-28', '2024-03-10 23:59:59.999999', '2024-03-11 03:59:59.999999+00', '{NULL,b}', NULL, '{y}', '::1', NULL),
(4, 'a_b\c', '', '', 32767, 2147483647, -9223372036854775808, -0.01, 'Infinity', 'Infinity', NULL, NULL, 'infinity', '2024-03-11 00:00', '2024-03-11 04:00:00+00', '{A}', '{2024-01-02,2024-01-01}', NULL, NULL, NULL),
(5, '', NULL, NULL, 0, 5, 0, 99999.99, '-Infinity', 0, NULL, 'sad', '0044-03-15 BC', '-infinity', 'infinity', NULL, NULL, NULL, NULL, NULL);

-- The members of a rule; and a check that it and its complement split the audience, in the form of a filter and exactly.
CREATE FUNCTION ids(rule text) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE found int[]; others int[]; whole int;
BEGIN
    EXECUTE segments.select_sql('people', rule::segments.rule, 'array_agg(n.id ORDER BY n.id)', false) INTO found;
    EXECUTE segments.select_sql('people', segments.none_of(rule::segments.rule), 'array_agg(n.id ORDER BY n.id)', false) INTO others;
    SELECT count(*) INTO whole FROM people;
    IF coalesce(found, '{}') && coalesce(others, '{}') OR coalesce(cardinality(found), 0) + coalesce(cardinality(others), 0) <> whole THEN
        RAISE 'rule and complement do not split the audience: % %', found, others;
    END IF;
    RETURN coalesce(found, '{}');
END $$;
CREATE FUNCTION leaf(field text, operator text, value text DEFAULT 'null', root text DEFAULT '') RETURNS int[] LANGUAGE sql
RETURN ids(format('{"condition":"AND","rules":[{"field":"%s","operator":"%s","value":%s}]%s}', field, operator, value, root));
-- What SQL written by hand finds.
CREATE FUNCTION hand(condition text) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE found int[];
BEGIN
    EXECUTE 'SELECT array_agg(id ORDER BY id) FROM people WHERE ' || condition INTO found;
    RETURN coalesce(found, '{}');
END $$;
CREATE TABLE compared (what text, got int[], want int[]);
CREATE FUNCTION compare(what text, got int[], condition text) RETURNS void LANGUAGE sql AS $$ INSERT INTO compared VALUES ($1, $2, hand($3)) $$;

\o /dev/null
-- Negative operators hold where the positive twin does not: NULLs included.
SELECT compare('not_equal', leaf('name', 'not_equal', '"Ann"'), $$name IS DISTINCT FROM 'Ann'$$);
SELECT compare('not_in', leaf('clicks', 'not_in', '[0,1]'), $$clicks NOT IN (0,1) OR clicks IS NULL$$);
SELECT compare('not_between', leaf('clicks', 'not_between', '[0,5]'), $$clicks NOT BETWEEN 0 AND 5 OR clicks IS NULL$$);
SELECT compare('not_contains', leaf('name', 'not_contains', '"n"'), $$name NOT LIKE '%n%' OR name IS NULL$$);
SELECT compare('is_empty', leaf('name', 'is_empty'), $$name = '' OR name IS NULL$$);
SELECT compare('is_not_empty', leaf('name', 'is_not_empty'), $$name <> ''$$);
SELECT compare('is_null', leaf('name', 'is_null'), $$name IS NULL$$);
SELECT compare('is_not_null', leaf('name', 'is_not_null'), $$name IS NOT NULL$$);
SELECT compare('not group', ids('{"condition":"AND","not":true,"rules":[{"field":"clicks","operator":"greater","value":5}]}'), 'clicks <= 5 OR clicks IS NULL');
SELECT compare('not or', ids('{"condition":"OR","not":true,"rules":[{"field":"clicks","operator":"greater","value":5},{"field":"name","operator":"not_equal","value":"Ann"}]}'),
    $$(clicks <= 5 OR clicks IS NULL) AND name = 'Ann'$$);
SELECT compare('everyone', ids('{"everyone":true}'), 'true');
SELECT compare('nobody', ids('{"condition":"AND","not":true,"rules":[{"everyone":true}]}'), 'false');

-- Numbers keep their value, whatever its type.
SELECT compare('2^53+1', leaf('big', 'equal', '9007199254740993'), 'id = 1');
SELECT compare('2^63-1', leaf('big', 'equal', '"9223372036854775807"'), 'id = 3');
SELECT compare('beyond', leaf('big', 'less', '9223372036854775808'), 'big IS NOT NULL');
SELECT compare('10.5 equals nothing', leaf('clicks', 'equal', '10.5'), 'false');
SELECT compare('less 0.5', leaf('clicks', 'less', '0.5'), 'clicks < 1');
SELECT compare('not less 0.5', leaf('clicks', 'greater_or_equal', '0.5'), 'clicks >= 1');
SELECT compare('1e1', leaf('clicks', 'equal', '1e1'), 'clicks = 10');
SELECT compare('5.0', leaf('clicks', 'equal', '5.0'), 'clicks = 5');
SELECT compare('in mixed', leaf('clicks', 'in', '[0,10.5,99999999999]'), 'clicks = 0');
SELECT compare('small', leaf('small', 'greater', '40000'), 'false');
SELECT compare('small in', leaf('small', 'in', '[32767,-1]'), 'small IN (32767,-1)');
SELECT compare('numeric', leaf('spend', 'equal', '10.250'), 'spend = 10.25');
SELECT compare('numeric not rounded', leaf('spend', 'equal', '10.2501'), 'false');
SELECT compare('float', leaf('score', 'equal', '0.1'), 'id = 1');
SELECT compare('float greater', leaf('score', 'greater', '1e300'), 'id IN (3,4)');
SELECT compare('float4 is compared as float8', leaf('ratio', 'equal', '0.1'), 'false');
SELECT compare('boolean', leaf('active', 'equal', '1'), 'active');
SELECT compare('not boolean', leaf('active', 'not_equal', '"true"'), 'active IS NOT TRUE');
SELECT compare('boolean in', leaf('active', 'in', '[true,false]'), 'active IS NOT NULL');
SELECT compare('enum', leaf('mood', 'greater', '"sad"'), $$mood IN ('fine','great')$$);
SELECT compare('inet', leaf('address', 'less', '"10.0.0.2"'), 'id = 1');
SELECT compare('uuid', leaf('ref', 'in', '["00000000000000000000000000000001"]'), 'id = 1');

-- Text is literal and knows its case.
SELECT compare('percent', leaf('name', 'contains', '"0%"'), 'id = 3');
SELECT compare('underscore', leaf('name', 'begins_with', '"a_"'), 'id = 4');
SELECT compare('backslash', leaf('name', 'ends_with', '"\\c"'), 'id = 4');
SELECT compare('case', leaf('name', 'equal', '"Ann"'), 'id = 1');
SELECT compare('ignore case', ids('{"field":"name","operator":"in","value":["ANN","x"],"ignore_case":true}'), 'id IN (1,2)');
SELECT compare('ignore case begins', ids('{"field":"name","operator":"begins_with","value":"A_","ignore_case":true}'), 'id = 4');
SELECT compare('ignore case regex', ids('{"field":"name","operator":"matches_regex","value":"^A","ignore_case":true}'), 'id IN (1,2,4)');
SELECT compare('regex', leaf('name', 'not_matches_regex', '"^[aA]"'), $$name !~ '^[aA]' OR name IS NULL$$);
SELECT compare('char(n)', leaf('code', 'equal', '"US"'), 'id = 1');
SELECT compare('char(n) ends', leaf('code', 'ends_with', '"S"'), 'id = 1');
SELECT compare('char(n) empty', leaf('code', 'is_empty'), $$code = '' OR code IS NULL$$);
SELECT compare('citext', leaf('nick', 'equal', '"annie"'), 'id IN (1,2)');
SELECT compare('citext begins', leaf('nick', 'begins_with', '"aNN"'), 'id IN (1,2)');
SELECT compare('citext in', leaf('nick', 'in', '["X","y"]'), 'id = 3');
SELECT compare('number as text', leaf('name', 'not_equal', '100'), 'true');
SELECT compare('in_bucket', leaf('name', 'in_bucket', '[0,50]'), $$get_byte(decode(md5(':' || name), 'hex'), 0) * 16777216::bigint + get_byte(decode(md5(':' || name), 'hex'), 1) * 65536
    + get_byte(decode(md5(':' || name), 'hex'), 2) * 256 + get_byte(decode(md5(':' || name), 'hex'), 3) - 100 * ((get_byte(decode(md5(':' || name), 'hex'), 0) * 16777216::bigint
    + get_byte(decode(md5(':' || name), 'hex'), 1) * 65536 + get_byte(decode(md5(':' || name), 'hex'), 2) * 256 + get_byte(decode(md5(':' || name), 'hex'), 3)) / 100) < 50$$);
SELECT compare('in_bucket splits', ids('{"condition":"OR","rules":[{"field":"id","operator":"in_bucket","value":[0,30],"salt":"s"},{"field":"id","operator":"in_bucket","value":[30,100],"salt":"s"}]}'), 'true');

-- A date is the whole day in the rule's zone, else the session's. 10 March 2024 has 23 hours in New York.
SELECT compare('day', leaf('last_sms', 'equal', '"2024-03-10"'), $$last_sms >= '2024-03-10 00:00 America/New_York' AND last_sms < '2024-03-11 00:00 America/New_York'$$);
SELECT compare('day members', leaf('last_sms', 'equal', '"2024-03-10"'), 'id IN (1,2,3)');
SELECT compare('day in UTC', leaf('last_sms', 'equal', '"2024-03-10"', ',"time_zone":"UTC"'), 'id IN (1,2)');
SELECT compare('less', leaf('last_sms', 'less', '"2024-03-10"'), 'false');
SELECT compare('less_or_equal', leaf('last_sms', 'less_or_equal', '"2024-03-10"'), 'id IN (1,2,3)');
SELECT compare('greater', leaf('last_sms', 'greater', '"2024-03-10"'), 'id IN (4,5)');
SELECT compare('greater_or_equal', leaf('last_sms', 'greater_or_equal', '"2024-03-11"'), 'id IN (4,5)');
SELECT compare('between days', leaf('last_sms', 'between', '["2024-03-10","2024-03-10"]'), 'id IN (1,2,3)');
SELECT compare('in days', leaf('last_sms', 'in', '["2024-03-11","2024-03-09","2024-03-10T00:00:00"]'), 'id IN (2,4)');
SELECT compare('not in days', leaf('last_sms', 'not_in', '["2024-03-11","2024-03-10"]'), 'id IN (0,5)');
SELECT compare('instant', leaf('last_sms', 'equal', '"2024-03-11T03:59:59.999999Z"'), 'id = 3');
SELECT compare('offset', leaf('last_sms', 'equal', '"2024-03-10 06:00:00+01:00"'), 'id = 2');
SELECT compare('local', leaf('last_sms', 'equal', '"2024-03-10T00:00"'), 'id = 2');
SELECT compare('local in UTC', leaf('last_sms', 'equal', '"2024-03-10T05:00"', ',"time_zone":"UTC"'), 'id = 2');
SELECT compare('timestamp day', leaf('seen', 'equal', '"2024-03-10"'), 'id IN (1,2,3)');
SELECT compare('timestamp greater', leaf('seen', 'greater', '"2024-03-10"'), 'id = 4');
SELECT compare('timestamp with offset', leaf('seen', 'equal', '"2024-03-10T05:00:00Z"'), 'id = 2');
SELECT compare('timestamp with offset, zoned', leaf('seen', 'equal', '"2024-03-10T08:00:00Z"', ',"time_zone":"Asia/Tokyo"'), 'false');
SELECT compare('date', leaf('born', 'between', '["2023-02-28","2024-02-28"]'), 'id IN (2,3)');
SELECT compare('date with time', leaf('born', 'equal', '"2024-02-28T12:00:00"'), 'id = 2');

-- Days from now.
SELECT compare('older than', leaf('last_sms', 'greater_than_n_days', '1', ',"as_of":"2024-03-12T00:00:00-04:00"'), $$last_sms < '2024-03-11 00:00 America/New_York'$$);
SELECT compare('older over 23 hours', leaf('last_sms', 'greater_than_n_days', '1', ',"as_of":"2024-03-11T00:00:00-04:00"'), 'false');
SELECT compare('older, a bit later', leaf('last_sms', 'greater_than_n_days', '1', ',"as_of":"2024-03-11T00:00:00.000001-04:00"'), 'id = 2');
SELECT compare('older in UTC', leaf('last_sms', 'greater_than_n_days', '1', ',"as_of":"2024-03-11T05:00:00.000001Z","time_zone":"UTC"'), 'id = 2');
SELECT compare('within', leaf('last_sms', 'less_than_n_days', '1', ',"as_of":"2024-03-11T04:00:00Z"'), 'id IN (1,2,3,4)');
SELECT compare('on the day', leaf('last_sms', 'equal_n_days', '2', ',"as_of":"2024-03-12T12:00:00Z"'), 'id IN (1,2,3)');
SELECT compare('on the day in Tokyo', leaf('last_sms', 'equal_n_days', '2', ',"as_of":"2024-03-12T12:00:00Z","time_zone":"Asia/Tokyo"'), 'id IN (1,2)');
SELECT compare('next', leaf('last_sms', 'in_next_n_days', '1', ',"as_of":"2024-03-10T05:00:00Z"'), 'id IN (1,3,4)');
SELECT compare('date older', leaf('born', 'greater_than_n_days', '1', ',"as_of":"2024-03-01T12:00:00Z"'), 'id IN (2,3,5)');
SELECT compare('date on the day', leaf('born', 'equal_n_days', '1', ',"as_of":"2024-03-01T12:00:00Z"'), 'id = 1');
SELECT compare('date next', leaf('born', 'in_next_n_days', '2', ',"as_of":"2024-02-27T12:00:00Z"'), 'id IN (1,2)');
SELECT compare('timestamp older', leaf('seen', 'greater_than_n_days', '1', ',"as_of":"2024-03-12T04:00:00Z"'), 'id IN (1,2,3,5)');
SELECT compare('timestamp older, zoned', leaf('seen', 'greater_than_n_days', '1', ',"as_of":"2024-03-12T00:00:00Z","time_zone":"UTC"'), 'id IN (1,2,3,5)');
SELECT compare('timestamp on the day', leaf('seen', 'equal_n_days', '1', ',"as_of":"2024-03-12T00:00:00Z","time_zone":"UTC"'), 'id = 4');
SELECT compare('anniversary', leaf('born', 'anniversary_in_n_days', '1', ',"as_of":"2023-02-27T12:00:00Z"'), 'id IN (1,2,3)');
SELECT compare('anniversary in a leap year', leaf('born', 'anniversary_in_n_days', '1', ',"as_of":"2024-02-27T12:00:00Z"'), 'id IN (2,3)');
SELECT compare('anniversary on 29 February', leaf('born', 'anniversary_in_n_days', '1', ',"as_of":"2024-02-28T12:00:00Z"'), 'id = 1');
SELECT compare('anniversary of an instant', leaf('last_sms', 'anniversary_in_n_days', '0', ',"as_of":"2030-03-10T12:00:00Z","time_zone":"UTC"'), 'id IN (1,2)');
SELECT compare('now itself', leaf('last_sms', 'greater_than_n_days', '30'), $$last_sms < now() - interval '30 days'$$);

-- Relative dates of React Query Builder.
CREATE FUNCTION relative(field text, operator text, anchor text, "offset" int, unit text, zone text) RETURNS int[] LANGUAGE sql RETURN
    ids(format('{"combinator":"and","rules":[{"field":"%s","operator":"%s","value":{"mode":"relative","anchor":"%s","offset":%s,"unit":"%s"}}],"as_of":"2024-03-10T12:00:00Z"%s}',
        field, operator, anchor, "offset", unit, ',"time_zone":"' || zone || '"'));
SELECT compare('start of day', relative('last_sms', '=', 'startOfDay', 0, 'day', 'America/New_York'), 'id = 2');
SELECT compare('end of day', relative('last_sms', '=', 'endOfDay', 0, 'day', 'America/New_York'), 'id = 3');
SELECT compare('start of week is Monday', relative('last_sms', '=', 'startOfWeek', 1, 'week', 'America/New_York'), 'id = 4');
SELECT compare('hours are exact', relative('last_sms', '=', 'startOfDay', 23, 'hour', 'America/New_York'), 'id = 4');
SELECT compare('now', relative('last_sms', '<', 'now', -1, 'day', 'UTC'), 'false');
SELECT compare('month', relative('born', '<', 'startOfMonth', 0, 'day', 'UTC'), 'id IN (1,2,3,5)');
SELECT compare('quarter', relative('seen', '>=', 'endOfQuarter', -1, 'quarter', 'UTC'), 'id IN (1,2,3,4)');

-- Arrays.
SELECT compare('contains', leaf('tags', 'contains', '"b"'), 'id IN (1,3)');
SELECT compare('not_contains', leaf('tags', 'not_contains', '"b"'), 'id IN (0,2,4,5)');
SELECT compare('any of', leaf('tags', 'in', '["a","A"]'), 'id IN (1,4)');
SELECT compare('equal has it', leaf('tags', 'equal', '"a"'), 'id = 1');
SELECT compare('empty array', leaf('tags', 'is_empty'), 'id IN (0,2,5)');
SELECT compare('not empty array', leaf('tags', 'is_not_empty'), 'id IN (1,3,4)');
SELECT compare('array of dates', leaf('days', 'contains', '"2024-01-01"'), 'id IN (1,4)');

SELECT compare('array of a domain', leaf('labels', 'contains', '"x"'), 'id = 1');
SELECT compare('array of a domain, any', leaf('labels', 'not_in', '["y"]'), 'id IN (0,2,4,5)');

-- Comparing fields.
CREATE FUNCTION fields(field text, operator text, value text) RETURNS int[] LANGUAGE sql RETURN
    ids(format('{"combinator":"and","rules":[{"field":"%s","operator":"%s","value":"%s","valueSource":"field"}]}', field, operator, value));
SELECT compare('field less', fields('small', '<', 'clicks'), 'small < clicks');
SELECT compare('field not equal', fields('small', '!=', 'clicks'), 'small IS DISTINCT FROM clicks OR small IS NULL');
SELECT compare('field between', fields('small', 'notBetween', 'clicks,big'), 'NOT COALESCE(small BETWEEN clicks AND big, false)');
SELECT compare('field in', fields('small', 'in', 'clicks,big'), 'small = clicks OR small = big');
SELECT compare('field in, SQL', ARRAY(SELECT id FROM people n WHERE segments.matches(n,
    '{"semantics":"sql","combinator":"and","not":true,"rules":[{"field":"small","operator":"in","value":"clicks,big","valueSource":"field"}]}') ORDER BY id), 'NOT small IN (clicks, big)');
SELECT compare('field begins', fields('name', 'beginsWith', 'name'), 'name IS NOT NULL');
SELECT compare('field dates', fields('born', '<', 'last_sms'), 'born < last_sms');

\o
SELECT what, got, want FROM compared WHERE got IS DISTINCT FROM want;
SELECT count(*) AS compared FROM compared;
DROP TABLE people, compared;
DROP FUNCTION ids, leaf, hand, compare, relative, fields;
DROP TYPE mood;
DROP DOMAIN label;
DROP EXTENSION citext;
