-- React Query Builder's match modes on arrays and JSON arrays: each answer beside SQL written by hand, in every form.
\set QUIET on
CREATE TYPE mood AS ENUM ('sad', 'fine', 'great');
CREATE DOMAIN label AS text;
CREATE TABLE people (id int PRIMARY KEY, city text, tags text[], codes varchar(5)[], nums int[], moods mood[], labels label[], days date[], grid int[],
    items jsonb, old json, rows jsonb[]);
INSERT INTO people VALUES
(1, 'a', '{a,b}', '{a,b}', '{1,2,3}', '{sad,great}', '{x,y}', '{2024-02-29,2024-03-01}', '{{1,2},{3,4}}',
 '[{"n": 1, "s": "x", "ok": true, "tags": ["p", "q"]}, {"n": 10, "s": "y", "ok": false, "tags": []}]', '["a", "b"]', ARRAY['{"n": 1}', '{"n": 2}']::jsonb[]),
(2, 'b', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '[]', '[]', '{}'),
(3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(4, 'a', '{a,a,NULL}', '{a,NULL}', '{5,NULL}', '{fine,NULL}', '{NULL}', '{NULL,infinity}', '{{1,1}}', '["x", "y", 5, null, true]', '[1, 2, "2"]',
 ARRAY['5', NULL]::jsonb[]),
(5, 'c', '{NULL}', '{c}', '{2147483647,7,7,7}', '{great}', '{x}', '{2024-02-29}', '{7}', '{"n": 1, "s": "x"}', '"a"', ARRAY['{"n": "1"}']::jsonb[]),
(6, '10', '{"a%","","A b",c}', '{10}', '{10}', '{sad,sad}', '{10}', '{-infinity}', '{0}',
 '[{"n": "10", "s": 10}, {"n": 2.50, "s": null}, {"s": "10"}, {"n": 1e2, "a.b": {"c": 1}}]', '{}', ARRAY['{"n": 10}', '[1]']::jsonb[]);

-- The members of a rule, in every form; an error where the forms disagree or the rule and its complement do not split the audience.
CREATE FUNCTION ids(rule text) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
    constant int[]; other int[]; outside int[];
BEGIN
    EXECUTE format('SELECT array_agg(id ORDER BY id) FROM people n WHERE segments.matches(n, %L)', rule) INTO constant;
    SELECT array_agg(n.id ORDER BY n.id) INTO other FROM (SELECT ids.rule::segments.rule AS rule OFFSET 0) AS asked JOIN people n ON segments.matches(n, asked.rule);
    IF other IS DISTINCT FROM constant THEN RAISE 'run-time: %, constant: %', other, constant; END IF;
    SELECT array_agg(key ORDER BY key) INTO other FROM segments.keys('people', rule::segments.rule) AS key;
    IF other IS DISTINCT FROM constant THEN RAISE 'keys: %, matches: %', other, constant; END IF;
    EXECUTE 'SELECT array_agg(id ORDER BY id) FROM (' || segments.sql('people', rule::segments.rule) || ') AS s' INTO other;
    IF other IS DISTINCT FROM constant THEN RAISE 'sql: %, matches: %', other, constant; END IF;
    IF rule::segments.rule::text !~ 'semantics' THEN
        SELECT array_agg(n.id ORDER BY n.id) INTO outside FROM segments.members(NULL::people, segments.none_of(rule::segments.rule)) AS n;
        SELECT array_agg(id ORDER BY id) INTO other FROM people WHERE id <> ALL (coalesce(constant, '{}'));
        IF other IS DISTINCT FROM outside THEN RAISE 'complement: %, outside: %', outside, other; END IF;
        SELECT array_agg(n.id ORDER BY n.id) INTO outside FROM people n WHERE NOT segments.matches(n, ids.rule::segments.rule);
        IF other IS DISTINCT FROM outside THEN RAISE 'NOT matches: %, outside: %', outside, other; END IF;
    END IF;
    RETURN coalesce(constant, '{}');
END $$;
-- A rule of one leaf: a mode, with its threshold where it has one, and a list of leaves in AND over one element.
CREATE FUNCTION match(field text, mode text, leaves text, root text DEFAULT '') RETURNS text LANGUAGE sql
RETURN format('{"combinator":"and","rules":[{"field":"%s","operator":"=","match":{"mode":"%s"%s},"value":{"combinator":"and","rules":[%s]}}]%s}',
    field, split_part(mode, ' ', 1), coalesce(',"threshold":' || nullif(split_part(mode, ' ', 2), ''), ''), leaves, root);
CREATE FUNCTION element(operator text, value text DEFAULT 'null', field text DEFAULT '') RETURNS text LANGUAGE sql
RETURN format('{"field":"%s","operator":"%s","value":%s}', field, operator, value);
CREATE TABLE compared (what text, got int[], want int[]);
CREATE FUNCTION compare(what text, rule text, condition text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE want int[];
BEGIN
    EXECUTE 'SELECT array_agg(id ORDER BY id) FROM people WHERE ' || condition INTO want;
    INSERT INTO compared VALUES (what, ids(rule), coalesce(want, '{}'));
END $$;

\o /dev/null
-- Every mode. No element: neither all nor any share of them; none, and a count of 0.
SELECT compare('all', match('tags', 'all', element('=', '"a"')), 'false');
SELECT compare('all, negative', match('tags', 'all', element('!=', '"b"')), 'id IN (4, 5, 6)');
SELECT compare('all, is_null', match('tags', 'all', element('null')), 'id = 5');
SELECT compare('some', match('tags', 'some', element('=', '"a"')), 'id IN (1, 4)');
SELECT compare('some, negative', match('tags', 'some', element('!=', '"a"')), 'id IN (1, 4, 5, 6)');
SELECT compare('none', match('tags', 'none', element('=', '"a"')), 'id IN (2, 3, 5, 6)');
SELECT compare('none, negative', match('tags', 'none', element('!=', '"a"')), 'id IN (2, 3)');
SELECT compare('atLeast 0', match('tags', 'atLeast 0', element('=', '"a"')), 'true');
SELECT compare('atLeast 1', match('tags', 'atLeast 1', element('=', '"a"')), 'id IN (1, 4)');
SELECT compare('atLeast 1.5', match('tags', 'atLeast 1.5', element('=', '"a"')), 'id = 4');
SELECT compare('atLeast 2', match('tags', 'ATLEAST 2', element('=', '"a"')), 'id = 4');
SELECT compare('atMost 0', match('tags', 'atMost 0', element('=', '"a"')), 'id IN (2, 3, 5, 6)');
SELECT compare('atMost 1', match('tags', 'atmost 1.0', element('=', '"a"')), 'id <> 4');
SELECT compare('exactly 0', match('tags', 'exactly 0', element('=', '"a"')), 'id IN (2, 3, 5, 6)');
SELECT compare('exactly 2', match('tags', 'exactly 2e0', element('=', '"a"')), 'id = 4');
SELECT compare('exactly 1.5', match('tags', 'exactly 1.5', element('=', '"a"')), 'false');
SELECT compare('atLeast 0.5', match('tags', 'atLeast 0.5', element('=', '"a"')), 'id IN (1, 4)');
SELECT compare('atLeast 0.51', match('tags', 'atLeast 0.51', element('=', '"a"')), 'id = 4');
SELECT compare('atMost 0.5', match('tags', 'atMost 0.5', element('=', '"a"')), 'id IN (1, 5, 6)');
SELECT compare('exactly 0.5', match('tags', 'exactly 0.50', element('=', '"a"')), 'id = 1');
SELECT compare('exactly 2/3', match('tags', 'exactly 0.6666666666666666', element('=', '"a"')), 'id = 4');
-- In semantics "sql" as the builder's export: NULL where it counts the elements of nothing, which "not" does not make true; rows of a grid.
SELECT compare('sql: all', match('tags', 'all', element('!=', '"b"'), ',"semantics":"sql"'),
    $$(select count(*) from unnest(tags) as elem_alias where elem_alias != 'b') = array_length(tags, 1)$$);
SELECT compare('sql: not all', format('{"semantics":"sql","condition":"AND","not":true,"rules":[%s]}', match('tags', 'all', element('!=', '"b"'))::segments.rule),
    $$not ((select count(*) from unnest(tags) as elem_alias where elem_alias != 'b') = array_length(tags, 1))$$);
SELECT compare('sql: not none', format('{"semantics":"sql","condition":"AND","not":true,"rules":[%s]}', match('tags', 'none', element('!=', '"b"'))::segments.rule),
    $$not (not exists (select 1 from unnest(tags) as elem_alias where elem_alias != 'b'))$$);
SELECT compare('sql: share', match('tags', 'atMost 0.5', element('!=', '"b"'), ',"semantics":"sql"'),
    $$(select count(*)::float / array_length(tags, 1) from unnest(tags) as elem_alias where elem_alias != 'b') <= 0.5$$);
SELECT compare('sql: not share', format('{"semantics":"sql","condition":"AND","not":true,"rules":[%s]}', match('tags', 'atMost 0.5', element('!=', '"b"'))::segments.rule),
    $$not ((select count(*)::float / array_length(tags, 1) from unnest(tags) as elem_alias where elem_alias != 'b') <= 0.5)$$);
SELECT compare('sql: grid', match('grid', 'all', element('>', '0'), ',"semantics":"sql"'),
    $$(select count(*) from unnest(grid) as elem_alias where elem_alias > 0) = array_length(grid, 1)$$);
SELECT compare('grid', match('grid', 'all', element('>', '0')), $$0 < ALL (grid) AND grid <> '{}'$$);
-- Types of elements.
SELECT compare('varchar', match('codes', 'some', element('in', '"a,c"')), $$codes && '{a,c}'$$);
SELECT compare('integer', match('nums', 'atLeast 3', element('between', '[2, 7]')), 'id = 5');
SELECT compare('integer, fraction', match('nums', 'some', element('<', '1.5')), '1 = ANY (nums)');
SELECT compare('integer, equal to a fraction', match('nums', 'some', element('=', '1.5')), 'false');
SELECT compare('integer, too large', match('nums', 'all', element('<', '2147483648')), $$id IN (1, 5, 6)$$);
SELECT compare('enum', match('moods', 'all', element('>', '"sad"')), 'id = 5');
SELECT compare('enum, negative', match('moods', 'all', element('!=', '"sad"')), 'id IN (4, 5)');
SELECT compare('domain', match('labels', 'some', element('beginsWith', '"x"')), $$'x' = ANY (labels)$$);
SELECT compare('date', match('days', 'all', element('<=', '"2024-02-29"')), 'id IN (5, 6)');
SELECT compare('day operator', match('days', 'some', element('anniversary_in_n_days', '1'), ',"as_of":"2024-02-28T12:00:00Z"'), 'id IN (1, 5)');
SELECT compare('bucket', match('tags', 'some', element('in_bucket', '[0, 100]')), $$id IN (1, 4, 6)$$);
SELECT compare('text, literal', match('tags', 'some', element('endsWith', '"%"')), 'id = 6');
SELECT compare('text, case', match('tags', 'some', '{"field":"","operator":"=","value":"a B","ignore_case":true}'), 'id = 6');
SELECT compare('empty', match('tags', 'some', element('is_empty')), 'id IN (4, 5, 6)');
-- Groups over one and the same element; another field of the member as the value.
SELECT compare('one element', match('nums', 'some', element('>', '2') || ',' || element('<', '5')), '3 = ANY (nums)');
SELECT compare('not', match('nums', 'some', format('{"combinator":"or","not":true,"rules":[%s,%s]}', element('<', '5'), element('null'))), 'id IN (4, 5, 6)');
SELECT compare('independent combinators', match('nums', 'all', format('{"rules":[%s,"or",%s,"and",%s]}', element('=', '10'), element('>', '0'), element('<', '4'))), 'id IN (1, 6)');
SELECT compare('field', match('tags', 'some', '{"field":"","operator":"=","value":"city","valueSource":"field"}'), 'city = ANY (tags)');
SELECT compare('field of a number', match('nums', 'exactly 1', '{"field":"","operator":">","value":"id","valueSource":"field"}'), 'id IN (4, 6)');
-- JSON arrays: elements and their properties have the type of the value. What is no array has no elements.
SELECT compare('json', match('old', 'some', element('=', '"a"')), 'id = 1');
SELECT compare('json, text of numbers', match('old', 'atLeast 2', element('=', '"2"')), 'id = 4');
SELECT compare('json, numbers', match('old', 'exactly 1', element('=', '2')), 'id = 4');
SELECT compare('jsonb, text', match('items', 'all', element('!=', '"z"')), 'id IN (1, 4, 6)');
SELECT compare('jsonb, null', match('items', 'exactly 1', element('null')), 'id = 4');
SELECT compare('jsonb, booleans', match('items', 'some', element('=', 'true')), 'id = 4');
SELECT compare('property, number', match('items', 'some', element('>', '5', 'n')), 'id IN (1, 6)');
SELECT compare('property, number given as text', match('items', 'some', element('between', '"2,9"', 'n')), 'id = 6');
SELECT compare('property, exact', match('items', 'some', element('in', '[2.5, 7]', 'n')), 'id = 6');
SELECT compare('property, text', match('items', 'atLeast 0.5', element('=', '"10"', 's')), 'id = 6');
SELECT compare('property, text pattern', match('items', 'some', element('beginsWith', '1', 's')), 'id = 6');
SELECT compare('property, boolean', match('items', 'exactly 0.5', element('=', 'true', 'ok')), 'id = 1');
SELECT compare('property, absent', match('items', 'atLeast 1', element('null', 'null', 'ok')), 'id IN (4, 6)');
SELECT compare('property, negative', match('items', 'none', element('!=', '"x"', 's')), 'id IN (2, 3, 5)');
SELECT compare('property, odd name', match('items', 'some', element('notNull', 'null', 'a.b')), 'id = 6');
SELECT compare('property, field', match('items', 'some', '{"field":"n","operator":"=","value":"id","valueSource":"field"}'), 'id = 1');
SELECT compare('property, text field', match('items', 'some', '{"field":"s","operator":"=","value":"city","valueSource":"field"}'), 'id = 6');
SELECT compare('nested', match('items', 'some', '{"field":"tags","operator":"=","match":{"mode":"all"},"value":{"combinator":"or","rules":[{"field":"","operator":"=","value":"p"},{"field":"","operator":"=","value":"q"}]}}'), 'id = 1');
SELECT compare('nested, none', match('items', 'atLeast 2', '{"field":"tags","match":{"mode":"none"},"value":{"rules":[{"field":"","operator":"=","value":"p"}]}}'), 'id IN (4, 6)');
SELECT compare('array of jsonb', match('rows', 'some', element('>=', '1', 'n')), 'id IN (1, 6)');
SELECT compare('array of jsonb, whole', match('rows', 'some', element('=', '5')), 'id = 4');
SELECT compare('jsonb in semantics sql', format('{"semantics":"sql","condition":"AND","not":true,"rules":[%s]}', match('items', 'all', element('!=', '"z"'))::segments.rule), 'id = 4');
\o
SELECT what, got, want FROM compared WHERE got <> want;
SELECT count(*) AS compared, count(*) FILTER (WHERE got <> '{}') AS found FROM compared;

-- Of the events that a rule asks about, within a rule's groups, and with nothing to be trusted on search_path.
CREATE TABLE orders (person int, at timestamptz, items jsonb, sizes int[]);
CREATE INDEX ON orders (person, at);
INSERT INTO orders VALUES (1, '2024-01-01', '[{"n": 1}, {"n": 2}]', '{1,2}'), (1, '2024-01-02', '[]', NULL), (4, '2024-01-01', NULL, '{3}'), (6, '2024-01-01', '[{"n": 7}]', '{3,9}');
SELECT segments.add_audience('people');
SELECT segments.add_events('people', 'order', 'orders', member => 'person', at => 'at');
SELECT ids('{"event":"order","where":{"combinator":"and","rules":[{"field":"items","match":{"mode":"all"},"value":{"combinator":"and","rules":[{"field":"n","operator":">","value":1}]}}]}}') AS all_of_an_order,
       ids('{"event":"order","operator":">=","value":2,"where":{"rules":[{"field":"sizes","match":{"mode":"none"},"value":{"rules":[{"field":"","operator":">","value":2}]}}]}}') AS two_orders;
SELECT segments.add_event_field('people', 'big', '{"event":"order","where":{"combinator":"and","rules":[{"field":"sizes","match":{"mode":"atLeast","threshold":0.5},"value":{"combinator":"and","rules":[{"field":"","operator":">","value":2}]}}]}}');
ALTER TABLE orders RENAME COLUMN sizes TO widths;
SELECT array_agg(id ORDER BY id) FROM people n WHERE segments.matches(n, '{"field":"big","operator":"=","value":1}');
CREATE SCHEMA hostile;
CREATE FUNCTION hostile.unnest(text[]) RETURNS SETOF text LANGUAGE sql AS 'SELECT NULL::text';
CREATE FUNCTION hostile.jsonb_typeof(jsonb) RETURNS text LANGUAGE sql AS 'SELECT NULL::text';
CREATE FUNCTION hostile.equal(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR hostile.= (LEFTARG = text, RIGHTARG = text, FUNCTION = hostile.equal);
SET search_path = hostile, pg_catalog, public;
SELECT ids(match('tags', 'some', element('=', '"a"'))) AS tags, ids(match('items', 'some', element('>', '5', 'n'))) AS items;
RESET search_path;

-- In words, and one by one.
SELECT segments.describe('people', match('tags', 'atLeast 2', element('contains', '"vip"'))::segments.rule);
SELECT segments.describe('people', match('items', 'atMost 0.5', element('>', '5', 'n') || ',' || element('=', '"x"', 's'))::segments.rule);
SELECT segments.describe('people', match('tags', 'none', '{"combinator":"or","not":true,"rules":[{"field":"","operator":"null"},{"field":"","operator":"=","value":"a"}]}')::segments.rule);
SELECT e.* FROM people n, segments.explain(n, format('{"condition":"OR","rules":[%s,%s]}', match('tags', 'some', element('=', '"a"'))::segments.rule,
    match('nums', 'all', element('<', '3'))::segments.rule)::segments.rule) e WHERE id IN (1, 3) ORDER BY id, path;

-- Stored: read again as it is printed, renamed with its column, and with a column that an element is compared with.
SELECT segments.create('tagged', 'people', match('tags', 'some', '{"field":"","operator":"=","value":"city","valueSource":"field"}')::segments.rule);
SELECT id FROM tagged ORDER BY id;
ALTER TABLE people RENAME COLUMN tags TO words;
ALTER TABLE people RENAME COLUMN city TO town;
SELECT rule, fields FROM segments.list WHERE name = 'tagged';
SELECT id FROM tagged ORDER BY id;
SELECT rule::text::segments.rule = rule AS same FROM segments.list WHERE name = 'tagged';

-- What is refused.
CREATE FUNCTION refusal(rule text) RETURNS TABLE (state text, message text, detail text, hint text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM segments.check_rule('people', rule::segments.rule);
    state := 'accepted';
    RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN NEXT;
END $$;
\x on
\t on
SELECT * FROM refusal(match('town', 'some', element('=', '"a"')));
SELECT * FROM refusal(match('wrods', 'some', element('=', '"a"')));
SELECT * FROM refusal(match('words', 'any', element('=', '"a"')));
SELECT * FROM refusal(match('words', 'atLeast', element('=', '"a"')));
SELECT * FROM refusal(match('words', 'atLeast -1', element('=', '"a"')));
SELECT * FROM refusal(match('words', 'some', ''));
SELECT * FROM refusal(match('words', 'some', '{"everyone":true}'));
SELECT * FROM refusal(match('words', 'some', element('=', '"a"', 'name')));
SELECT * FROM refusal(match('words', 'some', element('=', 'true')));
SELECT * FROM refusal(match('nums', 'some', element('contains', '1')));
SELECT * FROM refusal(match('nums', 'some', element('=', '"one"')));
SELECT * FROM refusal(match('moods', 'some', element('=', '"grat"')));
SELECT * FROM refusal(match('words', 'some', '{"field":"","operator":"=","value":"id","valueSource":"field"}'));
SELECT * FROM refusal(match('words', 'some', '{"field":"","match":{"mode":"all"},"value":{"rules":[{"field":"","operator":"null"}]}}'));
SELECT * FROM refusal(match('items', 'some', element('n_days_ago', '1', 'n')));
SELECT * FROM refusal(match('items', 'some', element('<', 'true', 'n')));
SELECT * FROM refusal('{"combinator":"and","rules":[{"field":"words","operator":"=","match":{"mode":"some"},"value":"a"}]}');
\x off
\t off
SELECT path, problem FROM segments.validate('people', '{"combinator":"and","rules":[{"field":"town","match":{"mode":"all"},"value":{"rules":[{"field":"","operator":"null"}]}},
    {"field":"words","match":{"mode":"all"},"value":{"combinator":"and","rules":[{"field":"x","operator":"=","value":1},{"field":"","operator":"n_days_ago","value":1},{"field":"","operator":"=","value":"nothing","valueSource":"field"}]}}]}');
