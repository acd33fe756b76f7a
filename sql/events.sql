-- Events: what is not for random rules to find. Those are in test/oracle/events.pl.
\pset format unaligned
SET client_min_messages = warning;
SET timezone = 'UTC';

CREATE TABLE people (id int PRIMARY KEY, name text);
INSERT INTO people VALUES (1, 'Ada'), (2, 'Bob'), (3, 'Cid');
CREATE TABLE activity (person_id int, kind text, at timestamptz, price numeric, url text);
INSERT INTO activity VALUES (1, 'x''a', '2024-01-01', 5, 'a'), (1, 'a', '2024-01-02', 7, 'b'), (2, 'a', '2024-01-01', NULL, 'a'), (2, 'x''a', '2024-01-02', 1, 'sale'), (3, 'a', '2024-01-03', 2, 'c');
SELECT segments.add_events('people', 'activity', 'activity', 'person_id', 'at', 'kind', ARRAY['x''a', 'a', 'no "such"']);
SELECT segments.add_event_field('people', 'acts', '{"event": "a"}', 'Acts');

-- A kind is told from one whose quoted name ends like it.
SELECT keys FROM segments.keys('people', '{"sequence": [{"event": "x''a"}, {"event": "a"}]}') keys;
SELECT count(*) FROM segments.keys('people', '{"condition": "OR", "rules": [{"event": "x''a", "measure": {"sum": "price"}, "operator": "greater", "value": 5}, {"event": "a"}]}');
SELECT count(*) FROM segments.keys('people', '{"event": "no \"such\"", "operator": "equal", "value": 0}');

-- Any number of steps: events a day apart, as many as steps, one fewer, and on another member one in the wrong order.
CREATE TABLE walk (person_id int, kind text, at timestamptz);
INSERT INTO walk SELECT p, 'step ' || i, '2023-01-01'::timestamptz + (CASE WHEN p = 3 AND i IN (70, 71) THEN 141 - i ELSE i END) * interval '1 day'
FROM generate_series(1, 3) p, generate_series(1, 100) i WHERE NOT (p = 2 AND i = 64);
SELECT segments.add_events('people', 'walk', 'walk', 'person_id', 'at', 'kind', (SELECT array_agg('step ' || i) FROM generate_series(1, 101) i));
CREATE FUNCTION walk(steps int, within_days int, ends text DEFAULT '') RETURNS segments.rule LANGUAGE sql STABLE AS $$
    SELECT format('{"sequence": [%s%s]}', string_agg(format('{"event": "step %s"%s}', i, CASE WHEN i > 1 THEN format(', "after": {"at_most": %s, "unit": "day"}', within_days) END), ', ' ORDER BY i), ends)::segments.rule
    FROM generate_series(1, steps) i
$$;
SELECT steps, (SELECT array_agg(k) FROM segments.keys('people', walk(steps, 1)) k) AS a_day, (SELECT array_agg(k ORDER BY k) FROM segments.keys('people', walk(steps, 2)) k) AS two_days
FROM unnest('{2,62,63,64,65,69,70,71,100}'::int[]) steps;
SELECT (SELECT array_agg(k) FROM segments.keys('people', walk(100, 1, ', {"event": "step 101", "not": true}')) k) AS and_no_more,
       (SELECT array_agg(k) FROM segments.keys('people', walk(63, 1, ', {"event": "step 64", "not": true, "after": {"at_most": 1, "unit": "week"}}')) k) AS no_64th;

-- The aggregate itself, as segments.sql shows it.
SELECT segments.sequence(at, CASE kind WHEN 'x''a' THEN 1 ELSE 2 END, '{"1 day"}', 'UTC', false, now()) FROM activity WHERE person_id = 1;
SELECT segments.sequence(at, CASE kind WHEN 'x''a' THEN 1 ELSE 2 END, '{NULL}', NULL, false, now()) FROM activity WHERE person_id = 2;
SELECT segments.sequence(at, ARRAY[kind = 'a', kind = 'x''a'], '{NULL}', NULL, true, now()) FROM activity WHERE person_id = 3;
SELECT segments.sequence(at, 1, '{}', NULL, false, now()) FROM activity;
SELECT segments.sequence(at, '{true}'::boolean[], '{NULL}', NULL, false, now()) FROM activity;
SELECT segments.sequence(at, '{true,NULL}'::boolean[], '{NULL}', NULL, false, now()) FROM activity;
SELECT segments.sequence(NULL::timestamptz, 1, '{NULL}', NULL, false, now()) IS NULL AS of_nothing;

-- In words.
SELECT segments.describe('people', rule) FROM unnest(ARRAY[
    '{"event": "a"}',
    '{"event": "a", "measure": "last", "operator": "greater_than_n_days", "value": 30}',
    '{"event": "a", "measure": {"sum": "price"}, "within": {"last": 1, "unit": "month"}, "where": {"condition": "OR", "rules": [{"field": "price", "operator": "greater", "value": 7}, {"field": "url", "operator": "contains", "value": "sale"}]}, "operator": "less", "value": 7.5}',
    '{"event": "a", "measure": {"distinct": "url"}, "within": {"from": "2024-01-01", "to": "2024-06-30"}, "operator": "between", "value": [1, 3]}',
    '{"field": "acts", "operator": "greater", "value": 2}',
    '{"sequence": [{"event": "a"}, {"event": "x''a", "after": {"at_most": 7, "unit": "day"}}, {"event": "a", "not": true}], "within": {"last": 2, "unit": "month"}}']::segments.rule[]) rule;

-- Why: the count, time or value found; of a sequence when its latest run begins.
SELECT p.id, e.* FROM people p, segments.explain(p, '{"condition": "OR", "rules": [{"event": "a", "operator": "greater", "value": 1}, {"event": "a", "measure": "first", "operator": "less", "value": "2024-01-02"},
    {"event": "a", "measure": {"avg": "price"}, "operator": "is_null"}, {"field": "acts", "operator": "equal", "value": 1}, {"sequence": [{"event": "x''a"}, {"event": "a"}]}]}') e ORDER BY p.id, e.path;

-- Every problem at once.
SELECT * FROM segments.validate('people', '{"condition": "AND", "rules": [{"event": "b"}, {"event": "a", "measure": {"sum": "url"}, "operator": "greater", "value": 1},
    {"event": "a", "measure": {"max": "prize"}, "operator": "greater", "value": 1}, {"event": "a", "operator": "is_null"}, {"event": "a", "operator": "contains", "value": "x"}, {"event": "a", "measure": "last", "operator": "less", "value": "soon"},
    {"event": "a", "within": {"from": "2024-02-30"}}, {"event": "a", "where": {"condition": "AND", "rules": [{"field": "price", "operator": "equal", "value": "dear"}, {"field": "id", "operator": "equal", "value": 1}]}},
    {"sequence": [{"event": "a"}, {"event": "c", "where": {"condition": "AND", "rules": [{"field": "url", "operator": "greater_than_n_days", "value": 1}]}}]}]}');

-- A suppression of what happened: in every answer, in the same transaction.
SELECT segments.suppress('people', '{"event": "a", "operator": "greater", "value": 1}', reason => 'enough');
BEGIN;
SELECT segments.count('people');
INSERT INTO activity VALUES (3, 'a', '2024-02-01', 1, 'd');
SELECT segments.count('people'), (SELECT count(*) FROM people p WHERE segments.is_suppressed(p));
ROLLBACK;
SELECT segments.count('people');

DROP TABLE people, activity, walk CASCADE;
