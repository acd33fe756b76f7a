-- matches() wherever it stands: in every place of a query, with constant rules and with rules from a table, it gives the same answer.
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';

CREATE TABLE people (id int PRIMARY KEY, country text, score int, born date, tags text[], gone int, seen timestamptz) WITH (autovacuum_enabled = false);
ALTER TABLE people DROP COLUMN gone;
INSERT INTO people VALUES
    (1, 'US', 5, '2000-02-29', '{a,b}', '2024-01-01 10:00Z'), (2, 'GB', NULL, NULL, '{}', NULL), (3, NULL, 0, '1990-06-15', NULL, '2024-03-01 10:00Z'),
    (4, 'US', 9, '1985-01-01', '{b}', '2024-01-02 00:00Z'), (5, 'DE', -3, NULL, '{c}', '2023-12-31 23:59Z'), (6, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE list_members (list int, person int);
INSERT INTO list_members VALUES (1, 1), (1, 2), (1, 2), (2, 3), (2, 1), (3, 99), (NULL, 4), (1, NULL);
ANALYZE people, list_members;
SELECT segments.add_audience('people');
SELECT segments.add_membership('people', 'list', 'list_members', member => 'person', value => 'list');
SELECT segments.add_field('people', 'double', 'score * 2');
SELECT segments.add_field('people', 'lists', '(SELECT count(DISTINCT list) FROM list_members m WHERE m.person = people.id)');
SELECT segments.add_field('people', 'shown', 'concat(people)');

CREATE TABLE rules (name text PRIMARY KEY, rule segments.rule);
INSERT INTO rules VALUES
    ('everyone', '{"everyone": true}'),
    ('equal', '{"field": "country", "operator": "equal", "value": "US"}'),
    ('not equal', '{"field": "country", "operator": "not_equal", "value": "US"}'),
    ('greater', '{"field": "score", "operator": "greater", "value": 0}'),
    ('in', '{"field": "score", "operator": "in", "value": [0, 5, 7, 8, 10, 11, 12, 13, 14, 15, 16]}'),
    ('not in', '{"field": "score", "operator": "not_in", "value": [0, 5, 7, 8, 10, 11, 12, 13, 14, 15, 16]}'),
    ('is null', '{"field": "score", "operator": "is_null"}'),
    ('array', '{"field": "tags", "operator": "contains", "value": "b"}'),
    ('empty array', '{"field": "tags", "operator": "is_empty"}'),
    ('day', '{"field": "seen", "operator": "less_or_equal", "value": "2024-01-01"}'),
    ('expression', '{"field": "double", "operator": "less", "value": 10}'),
    ('whole row', '{"field": "shown", "operator": "contains", "value": "{a,b}"}'),
    ('sub-select', '{"field": "lists", "operator": "greater", "value": 1}'),
    ('list', '{"list": 1}'),
    ('no list', '{"field": "list", "operator": "is_empty"}'),
    ('list or column', '{"condition": "OR", "rules": [{"list": 2}, {"field": "score", "operator": "greater", "value": 8}]}'),
    ('list, not list', '{"condition": "AND", "rules": [{"list": 1}, {"condition": "AND", "not": true, "rules": [{"list": 2}]}]}'),
    ('nested', '{"condition": "OR", "not": true, "rules": [{"field": "country", "operator": "equal", "value": "US"}, {"condition": "AND", "rules": [{"field": "score", "operator": "is_null"}, {"list": 1}]}]}'),
    ('sql semantics', '{"semantics": "sql", "condition": "AND", "not": true, "rules": [{"field": "score", "operator": "greater", "value": 0}]}');

-- Members by a condition that says %s where the call stands; each place tells who is in, who is out, who is neither.
CREATE TABLE places (place text PRIMARY KEY, query text);
INSERT INTO places VALUES
    ('WHERE', 'SELECT n.id FROM people n WHERE %s'),
    ('WHERE, under AND', 'SELECT n.id FROM people n WHERE n.id > 0 AND (%s AND n.id < 100)'),
    ('WHERE, under OR', 'SELECT n.id FROM people n WHERE n.id < 0 OR %s'),
    ('WHERE, IS TRUE', 'SELECT n.id FROM people n WHERE (%s) IS TRUE'),
    ('WHERE, NOT NOT', 'SELECT n.id FROM people n WHERE NOT (n.id < 0 OR NOT (%s))'),
    ('WHERE, compared', 'SELECT n.id FROM people n WHERE (%s) = (n.id > 0)'),
    ('WHERE, twice', 'SELECT n.id FROM people n WHERE %1$s AND NOT NOT %1$s'),
    ('select list', 'SELECT id FROM (SELECT n.id, %s AS holds FROM people n OFFSET 0) s WHERE holds'),
    ('select list, pulled up', 'SELECT id FROM (SELECT n.id, %s AS holds FROM people n) s WHERE holds'),
    ('select list and WHERE', 'SELECT n.id FROM people n WHERE %1$s ORDER BY (%1$s)'),
    ('CASE', 'SELECT n.id FROM people n WHERE CASE WHEN %s THEN true ELSE false END'),
    ('CASE in select list', 'SELECT id FROM (SELECT n.id, CASE WHEN %s THEN 1 END AS holds FROM people n) s WHERE holds = 1'),
    ('coalesce', 'SELECT n.id FROM people n WHERE coalesce(%s, false)'),
    ('FILTER', 'SELECT unnest(array_agg(n.id) FILTER (WHERE %s)) FROM people n'),
    ('HAVING', 'SELECT n.id FROM people n GROUP BY n.id HAVING %s'),
    ('GROUP BY', 'SELECT unnest(ids) FROM (SELECT %s AS holds, array_agg(n.id) AS ids FROM people n GROUP BY 1) s WHERE holds'),
    ('DISTINCT ON', 'SELECT id FROM (SELECT DISTINCT ON (n.id) n.id, %s AS holds FROM people n ORDER BY n.id) s WHERE holds'),
    ('ON', 'SELECT n.id FROM people p JOIN people n ON n.id = p.id AND %s'),
    ('LEFT JOIN ON', 'SELECT n.id FROM people p LEFT JOIN people n ON n.id = p.id AND %s WHERE n.id IS NOT NULL'),
    ('RIGHT JOIN ON', 'SELECT p.id FROM people n RIGHT JOIN people p ON n.id = p.id AND %s WHERE n.id IS NOT NULL'),
    ('FULL JOIN ON', 'SELECT p.id FROM people n FULL JOIN people p ON n.id = p.id AND %s WHERE n.id IS NOT NULL AND p.id IS NOT NULL'),
    ('LEFT JOIN WHERE', 'SELECT n.id FROM people p LEFT JOIN people n ON n.id = p.id WHERE %s'),
    ('EXISTS', 'SELECT p.id FROM people p WHERE EXISTS (SELECT FROM people n WHERE n.id = p.id AND %s)'),
    ('EXISTS, under OR', 'SELECT p.id FROM people p WHERE p.id < 0 OR EXISTS (SELECT FROM people n WHERE n.id = p.id AND %s)'),
    ('EXISTS and WHERE', 'SELECT n.id FROM people n WHERE %1$s AND (n.id < 0 OR EXISTS (SELECT FROM people p, people n WHERE n.id = p.id AND %1$s))'),
    ('NOT EXISTS', 'SELECT p.id FROM people p WHERE NOT EXISTS (SELECT FROM people n WHERE n.id = p.id AND NOT coalesce(%s, false))'),
    ('IN', 'SELECT p.id FROM people p WHERE p.id IN (SELECT n.id FROM people n WHERE %s)'),
    ('of an outer query', 'SELECT n.id FROM people n WHERE EXISTS (SELECT FROM people p WHERE p.id = 1 AND %s)'),
    ('of an outer query, scalar', 'SELECT n.id FROM people n WHERE (SELECT %s FROM people p WHERE p.id = 1)'),
    ('LATERAL', 'SELECT n.id FROM people n, LATERAL (SELECT count(*) AS c FROM people p WHERE p.id < 3 AND %s) s WHERE s.c = 2'),
    ('UNION ALL', 'SELECT id FROM (SELECT n.id, %1$s AS holds FROM people n UNION ALL SELECT n.id + 1000, NOT %1$s FROM people n) s WHERE holds AND id < 1000'),
    ('CTE', 'WITH n AS MATERIALIZED (SELECT * FROM people) SELECT n.id FROM n JOIN people USING (id) WHERE segments.matches(people, ''{"everyone": true}'') AND EXISTS (SELECT FROM people n WHERE n.id = people.id AND %s)'),
    ('window', 'SELECT id FROM (SELECT n.id, count(*) FILTER (WHERE %s) OVER (PARTITION BY n.id) AS c FROM people n) s WHERE c = 1'),
    ('FOR UPDATE', 'SELECT n.id FROM people n WHERE %s FOR UPDATE'),
    ('VALUES', 'SELECT n.id FROM people n, LATERAL (VALUES (%s)) v (holds) WHERE holds'),
    ('function in FROM', 'SELECT n.id FROM people n, LATERAL generate_series(1, (%s)::int) g');

CREATE FUNCTION ids(query text) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
    ids int[];
BEGIN
    EXECUTE format('SELECT coalesce(array_agg(id ORDER BY id), ''{}'') FROM (%s) AS found (id)', query) INTO ids;
    RETURN ids;
END $$;

-- Who is in, by a table of rules; and the complement.
SELECT r.name, ARRAY(SELECT n.id FROM people n WHERE segments.matches(n, r.rule) ORDER BY n.id) AS holds,
       ARRAY(SELECT n.id FROM people n WHERE NOT segments.matches(n, r.rule) ORDER BY n.id) AS complement
FROM rules r ORDER BY r.name COLLATE "C";

-- Where a place says anything else, with a constant or from the table, of the rule or its complement.
CREATE FUNCTION differences() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    p places;
    r rules;
    call text;
    want int[];
    got int[];
BEGIN
    FOR r IN SELECT * FROM rules ORDER BY name LOOP
        FOREACH call IN ARRAY ARRAY['segments.matches(n, %L)', 'NOT segments.matches(n, %L)',
                                    'segments.matches(n, (SELECT rule FROM rules WHERE name = %L))', 'NOT segments.matches(n, (SELECT rule FROM rules WHERE name = %L))'] LOOP
            want := ids(format('SELECT n.id FROM people n JOIN rules r ON r.name = %L WHERE %s', r.name,
                               CASE WHEN call LIKE 'NOT%' THEN 'NOT ' ELSE '' END || 'segments.matches(n, r.rule)'));
            FOR p IN SELECT * FROM places LOOP
                got := ids(format(p.query, format(call, CASE WHEN call LIKE '%rules%' THEN r.name ELSE r.rule::text END)));
                IF got <> want THEN
                    RETURN NEXT format('%s, %s, %s: %s, not %s', r.name, p.place, call, got, want);
                END IF;
            END LOOP;
        END LOOP;
    END LOOP;
END $$;
SELECT * FROM differences();
-- By another role, with its own rows of the lists: nothing else either.
CREATE ROLE regress_segments_reader;
GRANT SELECT, UPDATE ON people, list_members, rules, places TO regress_segments_reader;
ALTER TABLE list_members ENABLE ROW LEVEL SECURITY;
CREATE POLICY one ON list_members USING (person <> 2);
SET ROLE regress_segments_reader;
SELECT * FROM differences();
SELECT ARRAY(SELECT n.id FROM people n, rules r WHERE segments.matches(n, r.rule) AND r.name = 'list' ORDER BY n.id);
RESET ROLE;
DROP POLICY one ON list_members;
ALTER TABLE list_members DISABLE ROW LEVEL SECURITY;

-- Nulls.
SELECT segments.matches(NULL::people, '{"field": "country", "operator": "not_equal", "value": "US"}'), segments.matches(NULL::people, '{"field": "country", "operator": "equal", "value": "US"}');
SELECT name, segments.matches(NULL::people, rule) FROM rules ORDER BY name COLLATE "C" LIMIT 4;
SELECT segments.matches(n, NULL) IS NULL, segments.matches(n, (SELECT rule FROM rules WHERE name = 'none')) IS NULL FROM people n WHERE id = 1;
SELECT n.id, segments.matches(p, r.rule) FROM people n LEFT JOIN people p ON p.id = n.id AND p.id < 2 JOIN rules r ON r.name = 'not equal' ORDER BY 1 LIMIT 2;
SELECT segments.matches(NULL::record, (SELECT rule FROM rules WHERE name = 'everyone'));

-- Rows of other kinds: of a composite type, a domain, anonymous, of a function, of a column.
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS pair CHECK ((VALUE).a > 0);
\set pair '{"condition": "AND", "rules": [{"field": "a", "operator": "greater", "value": 1}, {"field": "b", "operator": "equal", "value": "x"}]}'
INSERT INTO rules VALUES ('pair', :'pair');
SELECT segments.matches(ROW(2, 'x')::pair, :'pair'), segments.matches(ROW(2, 'x')::pair, rule), segments.matches(ROW(2, 'x')::positive, rule), segments.matches(ROW(1, 'x')::positive, :'pair')
FROM rules WHERE name = 'pair';
SELECT segments.matches(s, :'pair'), segments.matches(s, rule) FROM (VALUES (2, 'x'), (2, 'y'), (NULL, 'x')) s (a, b), rules WHERE name = 'pair';
SELECT segments.matches(s, :'pair'), segments.matches(s, rule) FROM (SELECT id AS a, 'x'::text AS b FROM people ORDER BY id LIMIT 2) s, rules WHERE name = 'pair';
SELECT segments.matches(ROW(2, 'x'), '{"field": "f1", "operator": "equal", "value": 2}'), segments.matches(ROW(2, 'x'), :'pair');
CREATE FUNCTION make_pair(a int) RETURNS pair LANGUAGE plpgsql VOLATILE AS $$ BEGIN RETURN (a, 'x'::text); END $$;
SELECT segments.matches(make_pair(id), :'pair') FROM people ORDER BY id LIMIT 2;
CREATE TABLE holders (id int, p pair);
INSERT INTO holders VALUES (1, (2, 'x')), (2, NULL), (3, (NULL, 'x'));
SELECT segments.matches(s.p, :'pair'), segments.matches((s.h).p, :'pair') FROM (SELECT ROW(2, 'x')::pair AS p, h FROM holders h WHERE id = 3 OFFSET 0) s;
SELECT id, segments.matches(p, :'pair'), NOT segments.matches(p, :'pair'), segments.matches(p, rule) FROM holders, rules WHERE name = 'pair' ORDER BY id;
SELECT segments.matches(n, '{"field": "nope", "operator": "equal", "value": 1}') FROM people n;
SELECT segments.matches(n, rule) FROM people n, rules WHERE name = 'pair';

-- Inheritance: a child's rows, and its own columns.
CREATE TABLE staff (salary int) INHERITS (people);
INSERT INTO staff VALUES (7, 'US', 3, NULL, NULL, NULL, 1000);
SELECT n.id FROM people n WHERE segments.matches(n, '{"field": "country", "operator": "equal", "value": "US"}') ORDER BY 1;
SELECT n.id FROM people n JOIN rules ON name = 'equal' WHERE segments.matches(n, rule) ORDER BY 1;
SELECT n.id FROM staff n WHERE segments.matches(n, '{"field": "salary", "operator": "equal", "value": 1000}');
SELECT n.id FROM staff n WHERE segments.matches(n::people, '{"field": "country", "operator": "equal", "value": "US"}');
SELECT n.id FROM staff n WHERE segments.matches(n, '{"list": 1}');
DROP TABLE staff;

-- Triggers, constraints, PL/pgSQL.
CREATE TABLE guarded (country text, CHECK (segments.matches(guarded, '{"field": "country", "operator": "in", "value": ["US", "GB"]}')));
INSERT INTO guarded VALUES ('US'), ('GB');
INSERT INTO guarded VALUES ('DE');
SELECT count(*) FROM guarded n WHERE segments.matches(n, '{"field": "country", "operator": "equal", "value": "US"}');
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'new: %', NEW.country; RETURN NEW; END $$;
CREATE TRIGGER tell BEFORE INSERT ON guarded FOR EACH ROW WHEN (segments.matches(NEW, '{"field": "country", "operator": "equal", "value": "GB"}')) EXECUTE FUNCTION tell();
INSERT INTO guarded VALUES ('US'), ('GB');
DO $$
DECLARE
    person people;
    anonymous record;
    rule segments.rule;
    found text[] := '{}';
BEGIN
    FOR rule IN SELECT r.rule FROM rules r WHERE name IN ('equal', 'list', 'expression') ORDER BY name LOOP
        FOR person IN SELECT * FROM people LOOP
            IF segments.matches(person, rule) THEN
                found := found || person.id::text;
            END IF;
        END LOOP;
    END LOOP;
    FOR anonymous IN SELECT id, country FROM people LOOP
        IF segments.matches(anonymous, '{"field": "country", "operator": "equal", "value": "US"}') THEN
            found := found || ('record ' || anonymous.id);
        END IF;
    END LOOP;
    -- What changes in the meantime is seen.
    person.id := 4;
    rule := '{"list": 1}';
    FOR i IN 1..3 LOOP
        found := found || segments.matches(person, rule)::text;
        INSERT INTO list_members VALUES (1, 4);
    END LOOP;
    DELETE FROM list_members m WHERE m.person = 4 AND m.list = 1;
    found := found || segments.matches(person, rule)::text;
    RAISE WARNING '%', found;
END $$;

-- More rules than are kept compiled; long rules, compressed and out of line.
SELECT count(*) FROM people n, generate_series(1, 3000) AS i
WHERE segments.matches(n, format('{"field": "id", "operator": "equal", "value": %s}', i % 1500)::segments.rule);
CREATE TABLE long_rules (rule segments.rule);
INSERT INTO long_rules SELECT format('{"field": "id", "operator": "in", "value": [%s]}', string_agg(i::text, ',')) ::segments.rule FROM generate_series(3, 5000) AS i;
ALTER TABLE long_rules ALTER rule SET STORAGE EXTERNAL;
INSERT INTO long_rules SELECT format('{"field": "id", "operator": "in", "value": [%s]}', string_agg(i::text, ',')) ::segments.rule FROM generate_series(4, 5000) AS i;
SELECT array_agg(n.id ORDER BY n.id) FROM people n, long_rules r WHERE segments.matches(n, r.rule) GROUP BY r.ctid ORDER BY 1;

-- Parallel workers evaluate it too.
CREATE TABLE many AS SELECT i AS id, i % 10 AS score FROM generate_series(1, 20000) AS i;
ANALYZE many;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET plan_cache_mode = force_generic_plan;
PREPARE in_parallel (segments.rule) AS SELECT count(*) FROM many n WHERE segments.matches(n, $1);
EXPLAIN (COSTS OFF) EXECUTE in_parallel ('{"field": "score", "operator": "greater", "value": 6}');
EXECUTE in_parallel ('{"field": "score", "operator": "greater", "value": 6}');
RESET plan_cache_mode;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;

-- A redefinition inside the transaction, seen by a prepared plan and by run-time calls.
BEGIN;
PREPARE doubled AS SELECT array_agg(n.id ORDER BY n.id), (SELECT array_agg(n.id ORDER BY n.id) FROM people n, rules r WHERE r.name = 'expression' AND segments.matches(n, r.rule))
FROM people n WHERE segments.matches(n, '{"field": "double", "operator": "less", "value": 10}');
EXECUTE doubled;
SELECT segments.add_field('people', 'double', 'score - 100');
EXECUTE doubled;
ROLLBACK;
EXECUTE doubled;

-- Suppression.
SELECT segments.suppress('people', '{"condition": "OR", "rules": [{"list": 2}, {"field": "country", "operator": "equal", "value": "DE"}]}', reason => 'tests');
SELECT n.id, segments.is_suppressed(n) FROM people n ORDER BY 1;
SELECT array_agg(n.id ORDER BY n.id) FROM people n WHERE segments.is_suppressed(n);
SELECT array_agg(n.id ORDER BY n.id) FROM people n WHERE NOT segments.is_suppressed(n);
DO $$
DECLARE
    person people;
BEGIN
    FOR person IN SELECT * FROM people ORDER BY id LOOP
        IF segments.is_suppressed(person) THEN
            RAISE WARNING 'suppressed: %', person.id;
        END IF;
    END LOOP;
END $$;
SELECT segments.is_suppressed(ROW(1, 2)), segments.is_suppressed(h), segments.is_suppressed(NULL::people) FROM holders h LIMIT 1;
SELECT segments.unsuppress('people', 'tests');
EXPLAIN (COSTS OFF) SELECT n.id FROM people n WHERE NOT segments.is_suppressed(n);

DROP OWNED BY regress_segments_reader;
DROP ROLE regress_segments_reader;
