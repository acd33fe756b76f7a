-- members, keys, count, estimate, sql, explain, of.
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';

CREATE TABLE numbers (gone int, id bigint PRIMARY KEY, country text, sent_count int NOT NULL, click_count int) WITH (autovacuum_enabled = false);
ALTER TABLE numbers DROP COLUMN gone;
INSERT INTO numbers SELECT i, (ARRAY['US', 'GB', 'DE'])[1 + i % 3], i % 20, CASE WHEN i % 10 = 0 THEN i % 7 END FROM generate_series(1, 10000) AS i;
CREATE INDEX ON numbers (sent_count);
CREATE TABLE list_members (list int, number bigint, PRIMARY KEY (list, number)) WITH (autovacuum_enabled = false);
INSERT INTO list_members SELECT i % 4, i FROM generate_series(1, 10000, 3) AS i;
CREATE TABLE tagged (tag text, number bigint) WITH (autovacuum_enabled = false);
INSERT INTO tagged SELECT 'tag ' || i % 5, i FROM generate_series(1, 10000, 2) AS i;
VACUUM (ANALYZE) numbers, list_members, tagged;
\set sent '{"field": "sent_count", "operator": "equal", "value": 3}'
\set clickers '{"field": "click_count", "operator": "greater", "value": 0}'
\set list '{"list": 2}'
\set tag_or_sent '{"condition": "OR", "rules": [{"field": "tag", "operator": "equal", "value": "tag 1"}, {"field": "sent_count", "operator": "equal", "value": 3}]}'

CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query; END $$;

-- An audience that nobody has registered.
SELECT segments.count('numbers'), segments.count('numbers', :'sent'), segments.count('numbers', rule => :'clickers', suppress => false), segments.count(NULL), segments.count('numbers', NULL);
SELECT segments.keys('numbers', :'sent') LIMIT 3;
SELECT * FROM segments.keys('numbers', :'sent') AS k ORDER BY k LIMIT 3;
SELECT segments.members(NULL::numbers, :'sent') LIMIT 2;
SELECT * FROM segments.members(NULL::numbers, :'sent') ORDER BY id LIMIT 2;
SELECT (segments.members(row_type => NULL::numbers, rule => :'sent', suppress => true)).country LIMIT 1;
SELECT * FROM plan('SELECT * FROM segments.members(NULL::numbers, ''{"everyone": true}'')');
SELECT segments.estimate('numbers', :'sent'), segments.estimate('numbers', '{"everyone": true}'), segments.estimate('numbers', NULL);
SELECT segments.sql('numbers', '{"condition": "AND", "rules": [{"field": "sent_count", "operator": "equal", "value": 3}, {"field": "country", "operator": "not_equal", "value": "it''s"}]}');
SELECT count(*) FROM segments.keys('numbers', NULL), segments.members(NULL::numbers, NULL);

-- An index serves it.
SELECT pg_stat_force_next_flush();
SELECT pg_stat_reset_single_table_counters('numbers'::regclass), pg_stat_reset_single_table_counters('numbers_sent_count_idx'::regclass);
SELECT segments.count('numbers', :'sent'), (SELECT count(*) FROM segments.keys('numbers', :'sent')), (SELECT count(*) FROM segments.members(NULL::numbers, :'sent')), (SELECT count(*) FROM (SELECT segments.keys('numbers', :'sent')) s);
SELECT pg_stat_force_next_flush();
SELECT pg_stat_get_numscans('numbers'::regclass) AS seq_scans, pg_stat_get_numscans('numbers_sent_count_idx'::regclass) > 3 AS index_scans;
-- Who reads three rows fetches three: a later row would be an error.
CREATE VIEW fragile AS SELECT id, 1 / (5 - id) AS broken FROM generate_series(1, 10) AS id;
SELECT segments.add_audience('fragile', 'id');
SELECT segments.keys('fragile', '{"field": "broken", "operator": "greater_or_equal", "value": 0}') LIMIT 3;
BEGIN;
DECLARE early CURSOR FOR SELECT segments.keys('fragile', '{"field": "broken", "operator": "greater_or_equal", "value": 0}');
FETCH 2 FROM early;
FETCH 2 FROM early;
FETCH 2 FROM early;
ROLLBACK;
BEGIN;
DECLARE held CURSOR WITH HOLD FOR SELECT segments.keys('numbers', :'sent') LIMIT 4;
FETCH 1 FROM held;
COMMIT;
FETCH 4 FROM held;
CLOSE held;
-- The statement's own snapshot: what it writes itself, it does not see.
WITH written AS (INSERT INTO numbers VALUES (20000, 'US', 3, 0) RETURNING id) SELECT segments.count('numbers', :'sent'), (SELECT id FROM written);
SELECT segments.count('numbers', :'sent');
DELETE FROM numbers WHERE id = 20000;

-- Registered, members and keys in FROM are part of the query.
SELECT segments.add_audience('numbers');
SELECT segments.add_membership('numbers', 'list', 'list_members', member => 'number', value => 'list');
SELECT segments.add_membership('numbers', 'tag', 'tagged', member => 'number', value => 'tag');
SELECT * FROM plan($$SELECT * FROM segments.members(NULL::numbers, '{"field": "sent_count", "operator": "equal", "value": 3}')$$);
SELECT * FROM plan($$SELECT * FROM segments.members(NULL::numbers, '{"field": "sent_count", "operator": "equal", "value": 3}') WHERE id = 3 LIMIT 1$$);
SELECT * FROM plan($$SELECT * FROM segments.members(NULL::numbers, '{"list": 2}', suppress => false) m WHERE m.id = 6 LIMIT 1$$);
SELECT * FROM plan($$SELECT k FROM segments.keys('numbers', '{"field": "sent_count", "operator": "equal", "value": 3}') k WHERE k < 100$$);
SELECT * FROM plan($$SELECT count(*) FROM list_members JOIN segments.keys('numbers', '{"field": "sent_count", "operator": "equal", "value": 3}') k ON k = number$$);
SELECT * FROM segments.members(NULL::numbers, :'sent') WHERE id = 3 LIMIT 1;
SELECT k FROM segments.keys('numbers', :'sent') k WHERE k < 100 ORDER BY 1;
ALTER TABLE numbers ADD COLUMN added int DEFAULT 7;
SELECT * FROM segments.members(NULL::numbers, :'sent') WHERE id = 3;
ALTER TABLE numbers DROP COLUMN added;
SELECT * FROM segments.members(NULL::numbers, :'sent') WHERE id = 3;
-- Two memberships under OR without an index to ask a member's by: a set of its own.
SELECT * FROM plan($$SELECT count(*) FROM segments.keys('numbers', '{"field": "tag", "operator": "equal", "value": "tag 1"}')$$);
SELECT * FROM plan(format('SELECT count(*) FROM segments.keys(''numbers'', %L)', :'tag_or_sent'));
SELECT count(*) FROM segments.keys('numbers', :'tag_or_sent');
SELECT count(*) FROM numbers n WHERE n.sent_count = 3 OR EXISTS (SELECT FROM tagged WHERE number = n.id AND tag = 'tag 1');
-- Everywhere else they are functions, with the same rows.
SELECT count(*) FROM segments.keys('numbers', :'sent') WITH ORDINALITY AS k (key, position) WHERE key = 20 * position - 17;
SELECT count(*), count(b) FROM ROWS FROM (segments.keys('numbers', :'sent'), generate_series(1, 3)) AS t (a, b);
SELECT count(*) FROM (SELECT segments.keys('numbers', :'sent')) s;
SELECT r.rule ->> 'value', count(*) FROM (VALUES ('{"field": "sent_count", "operator": "equal", "value": 3}'::jsonb), ('{"field": "sent_count", "operator": "equal", "value": 4}')) AS r (rule),
    segments.keys('numbers', r.rule::segments.rule) k GROUP BY 1 ORDER BY 1;
-- Views, prepared statements, PL/pgSQL, writing.
CREATE VIEW three AS SELECT * FROM segments.members(NULL::numbers, '{"field": "sent_count", "operator": "equal", "value": 3}');
SELECT * FROM plan('SELECT * FROM three WHERE id = 23');
SELECT * FROM three WHERE id = 23;
PREPARE keys (segments.rule) AS SELECT count(*) FROM segments.keys('numbers', $1);
SELECT * FROM plan(format('EXECUTE keys (%L)', :'sent'));
EXECUTE keys (:'sent');
SET plan_cache_mode = force_generic_plan;
SELECT * FROM plan(format('EXECUTE keys (%L)', :'sent'));
EXECUTE keys (:'sent');
RESET plan_cache_mode;
CREATE FUNCTION count_keys(rule segments.rule) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM segments.keys('numbers', rule)); END $$;
SELECT count_keys(:'sent'), count_keys(:'list');
CREATE TABLE kept AS SELECT id FROM segments.members(NULL::numbers, :'sent');
SELECT count(*) FROM kept;
BEGIN;
DELETE FROM numbers USING segments.keys('numbers', :'sent') k WHERE id = k;
SELECT segments.count('numbers', :'sent');
ROLLBACK;
-- Columns and tables change their names.
ALTER TABLE numbers RENAME TO "Phone numbers";
SELECT * FROM plan($$SELECT * FROM segments.members(NULL::"Phone numbers", '{"list": 2}') WHERE id = 6$$);
SELECT count(*) FROM segments.keys('"Phone numbers"', :'sent');
SELECT id FROM three WHERE id = 23;
ALTER TABLE "Phone numbers" RENAME TO numbers;
ALTER TABLE numbers RENAME COLUMN id TO key;
SELECT count(*) FROM segments.keys('numbers', :'sent') k JOIN numbers ON key = k;
ALTER TABLE numbers RENAME COLUMN key TO id;
-- They keep nothing from being dropped.
BEGIN;
DROP VIEW three;
DROP TABLE numbers;
SELECT proname FROM pg_proc WHERE proname IN ('members_of', 'keys_of') AND proargtypes::text NOT LIKE '%' || (SELECT reltype FROM pg_class WHERE relname = 'fragile') || '%';
ROLLBACK;

-- Suppression: left out, unless told otherwise.
SELECT segments.suppress('numbers', '{"field": "country", "operator": "equal", "value": "US"}', reason => 'country');
SELECT segments.suppress('numbers', '{"list": 1}', reason => 'opted out');
SELECT segments.count('numbers', :'sent'), (SELECT count(*) FROM segments.keys('numbers', :'sent')), (SELECT count(*) FROM segments.members(NULL::numbers, :'sent')),
       (SELECT count(*) FROM (SELECT segments.keys('numbers', :'sent')) s), (SELECT count(*) FROM three),
       (SELECT count(*) FROM numbers n WHERE sent_count = 3 AND country <> 'US' AND NOT EXISTS (SELECT FROM list_members WHERE list = 1 AND number = id));
SELECT segments.count('numbers', :'sent', false), (SELECT count(*) FROM segments.keys('numbers', :'sent', false)), (SELECT count(*) FROM segments.members(NULL::numbers, :'sent', false)),
       (SELECT count(*) FROM (SELECT segments.keys('numbers', :'sent', false)) s);
SELECT segments.count('numbers', :'sent', NULL) = segments.count('numbers', :'sent'), (SELECT count(*) FROM segments.keys('numbers', :'sent', NULL::boolean)) = segments.count('numbers', :'sent');
SELECT bool_or(p LIKE '%Anti Join%') AS joined, bool_or(p LIKE '%SubPlan%') AS sub_plan, bool_or(p LIKE '%Function Scan%') AS function_scan
FROM plan($$SELECT * FROM segments.members(NULL::numbers, '{"field": "sent_count", "operator": "equal", "value": 3}') WHERE id = 3$$) AS p;
SELECT segments.sql('numbers', :'sent');
SELECT segments.sql('numbers', :'sent', suppress => false);

-- Keys of every type.
CREATE TABLE people (id uuid PRIMARY KEY, name text);
INSERT INTO people SELECT md5(i::text)::uuid, 'name ' || i FROM generate_series(1, 3) AS i;
CREATE TABLE words (word text PRIMARY KEY, n int);
INSERT INTO words VALUES ('one', 1), ('two', 2);
CREATE DOMAIN small_key AS smallint;
CREATE TABLE smalls (id small_key PRIMARY KEY);
INSERT INTO smalls VALUES (1), (2);
SELECT segments.keys('people', '{"field": "name", "operator": "ends_with", "value": "2"}', NULL::uuid);
SELECT * FROM segments.keys('words', '{"everyone": true}', key_type => NULL::text) ORDER BY 1;
SELECT segments.keys('words', '{"everyone": true}', NULL::text, suppress => false) ORDER BY 1;
SELECT segments.keys('smalls', '{"everyone": true}'), segments.keys('smalls', '{"everyone": true}', NULL::smallint), segments.keys('smalls', '{"everyone": true}', NULL::small_key);
SELECT segments.keys('people', '{"everyone": true}');
SELECT segments.keys('people', '{"everyone": true}', NULL::text);
SELECT * FROM segments.keys('numbers', '{"everyone": true}', NULL::int);
CREATE TABLE keyless (a int, b int, PRIMARY KEY (a, b));
SELECT segments.keys('keyless', '{"everyone": true}');
SELECT segments.count('keyless'), (SELECT count(*) FROM segments.members(NULL::keyless, '{"everyone": true}'));
SELECT segments.add_audience('keyless', 'b');
SELECT segments.keys('keyless', '{"everyone": true}');
SELECT segments.add_audience('words');
SELECT proname FROM pg_proc WHERE pronamespace = 'segments'::regnamespace AND (SELECT reltype FROM pg_class WHERE relname = 'words') = ANY (proargtypes) ORDER BY 1;
SELECT segments.members(1, '{"everyone": true}');
SELECT segments.members(NULL::int4range, '{"everyone": true}');
CREATE TYPE pair AS (a int, b text);
SELECT * FROM segments.members(NULL::pair, '{"everyone": true}');
SELECT segments.count('numbers_sent_count_idx');
SELECT segments.count('numbers', '{"field": "nope", "operator": "equal", "value": 1}');
SELECT * FROM segments.keys('numbers', '{"field": "nope", "operator": "equal", "value": 1}');
SELECT segments.keys('numbers', '{"field": "nope", "operator": "equal", "value": 1}');
SELECT segments.estimate('numbers', '{"field": "nope", "operator": "equal", "value": 1}');
-- Temporary, partitioned, a view, a materialized view.
CREATE TEMP TABLE passing (id int PRIMARY KEY, n int);
INSERT INTO passing VALUES (1, 1), (2, 2);
SELECT segments.count('passing', '{"field": "n", "operator": "equal", "value": 2}'), (SELECT n FROM segments.members(NULL::passing, '{"field": "n", "operator": "equal", "value": 2}'));
SELECT segments.add_audience('passing');
SELECT k FROM segments.keys('passing', '{"everyone": true}') k ORDER BY 1;
DROP TABLE passing;
CREATE MATERIALIZED VIEW summary AS SELECT country AS id, count(*) AS members FROM numbers GROUP BY country;
SELECT segments.keys('summary', '{"field": "members", "operator": "greater", "value": 3333}', NULL::text) ORDER BY 1;
SELECT segments.add_audience('summary', 'id');
SELECT segments.keys('summary', '{"field": "members", "operator": "greater", "value": 3333}', NULL::text) ORDER BY 1;

-- Rights: the invoker's.
CREATE ROLE regress_segments_reader;
GRANT SELECT ON numbers, three TO regress_segments_reader;
SET ROLE regress_segments_reader;
SELECT segments.count('numbers', :'sent', suppress => false);
SELECT segments.estimate('numbers', :'sent');
SELECT segments.count('numbers', :'sent');
SELECT segments.count('numbers', :'list', suppress => false);
SELECT count(*) FROM segments.keys('numbers', :'list', suppress => false);
SELECT segments.count('people');
SELECT segments.estimate('people', '{"everyone": true}');
SELECT segments.keys('people', '{"everyone": true}', NULL::uuid);
SELECT * FROM segments.members(NULL::people, '{"everyone": true}');
SELECT segments.make_audience_functions('numbers');
RESET ROLE;
GRANT SELECT ON list_members TO regress_segments_reader;
ALTER TABLE numbers ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON numbers USING (id < 100);
SET ROLE regress_segments_reader;
SELECT segments.count('numbers', :'sent', false), (SELECT count(*) FROM segments.keys('numbers', :'sent', false)), (SELECT count(*) FROM segments.members(NULL::numbers, :'sent', false)),
       (SELECT count(*) FROM (SELECT segments.keys('numbers', :'sent', false)) s), segments.estimate('numbers', '{"everyone": true}') < 200;
RESET ROLE;
DROP POLICY few ON numbers;
ALTER TABLE numbers DISABLE ROW LEVEL SECURITY;

-- Why one is in, or not.
\set why '{"condition": "AND", "rules": [{"field": "sent_count", "operator": "greater", "value": 3}, {"condition": "OR", "not": true, "rules": [{"list": 2}, {"field": "click_count", "operator": "is_null"}]}, {"field": "country", "operator": "not_equal", "value": "US"}]}'
SELECT e.* FROM numbers n, segments.explain(n, :'why') e WHERE id = 6;
SELECT e.* FROM numbers n, segments.explain(n, :'why') e WHERE id = 10;
SELECT (segments.explain(member => n, rule => :'why')).holds FROM numbers n WHERE id = 13;
SELECT * FROM segments.explain(ROW(1, 'x'::text), '{"field": "f2", "operator": "equal", "value": "x"}');
SELECT * FROM segments.explain(NULL::people, '{"field": "name", "operator": "not_equal", "value": "x"}');
SELECT * FROM segments.explain(NULL::people, NULL);
SELECT segments.explain(n, '{"field": "nope", "operator": "equal", "value": "x"}') FROM numbers n LIMIT 1;

-- Which named segments one is in.
SELECT segments.create('b clickers', 'numbers', :'clickers'), segments.create('a list', 'numbers', :'list'), segments.create('c both', 'numbers', '{"condition": "AND", "rules": [{"segment": "b clickers"}, {"segment": "a list"}]}');
SELECT id, ARRAY(SELECT segments.of(n)) FROM numbers n WHERE id IN (10, 2, 1, 13, 40) ORDER BY id;
SELECT segments.suppress('numbers', '{"field": "id", "operator": "equal", "value": 40}', reason => 'one');
SELECT id, segments.of(n) FROM numbers n WHERE id IN (10, 40) ORDER BY id;
BEGIN;
SELECT segments.alter('b clickers', '{"everyone": true}');
SELECT id, segments.of(n) FROM numbers n WHERE id = 10;
INSERT INTO list_members VALUES (2, 10) ON CONFLICT DO NOTHING;
SELECT id, segments.of(n) FROM numbers n WHERE id = 10 ORDER BY 2;
ROLLBACK;
SELECT id, segments.of(n) FROM numbers n WHERE id = 10;
SELECT segments.of(NULL::numbers), segments.of(p) FROM people p LIMIT 1;
SELECT count(*) FROM segments.of(ROW(1, 2));
-- A field that asks of itself: a call within the call.
CREATE FUNCTION segment_count(n numbers) RETURNS bigint LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN (SELECT count(*) FROM segments.of(n)); END $$;
SELECT segments.add_field('words', 'segments', '(SELECT segment_count(m) FROM numbers m WHERE m.id = 9 + words.n)');
SELECT segments.create('of others', 'words', '{"field": "segments", "operator": "greater", "value": 0}');
SELECT word, segments.of(w) FROM words w ORDER BY 1;
SET ROLE regress_segments_reader;
SELECT id, segments.of(n) FROM numbers n WHERE id = 10;
RESET ROLE;

DROP OWNED BY regress_segments_reader;
DROP ROLE regress_segments_reader;
