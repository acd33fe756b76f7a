-- The segment index answers as SQL does: after every kind of statement, on dense and sparse keys and partitions, with changes taken in and not.
\set ECHO all
SET client_min_messages = warning;
SET timezone = 'UTC';
SET segments.auto_compact = off;
CREATE TYPE kind AS ENUM ('sent', 'clicked', 'opened');
CREATE TYPE level AS ENUM ('low', 'middle', 'high');

-- What is asked: every field by several operators, negations, both semantics.
CREATE TABLE question (rule segments.rule);
INSERT INTO question SELECT r::segments.rule FROM unnest(ARRAY[
    '{"everyone": true}', '{"field": "id", "operator": "less", "value": 1500}', '{"field": "id", "operator": "in", "value": [1, 3, 5000000000001, 77]}',
    '{"field": "country", "operator": "equal", "value": "US"}', '{"field": "country", "operator": "begins_with", "value": "N"}',
    '{"field": "carrier", "operator": "not_equal", "value": "c3"}', '{"field": "carrier", "operator": "is_null"}', '{"field": "carrier", "operator": "in", "value": ["c1", "c2", "none"]}',
    '{"field": "carrier", "operator": "is_empty"}', '{"field": "carrier", "operator": "contains", "value": "C1", "ignore_case": true}', '{"field": "carrier", "operator": "matches_regex", "value": "[13]$"}',
    '{"field": "carrier", "operator": "greater", "value": "c2"}', '{"field": "sent", "operator": "between", "value": [3, 7]}', '{"field": "sent", "operator": "equal", "value": 2.5}',
    '{"field": "sent", "operator": "not_in", "value": [1, 2, 3]}', '{"field": "clicks", "operator": "greater", "value": 2}', '{"field": "clicks", "operator": "less", "value": 1e30}', '{"field": "clicks", "operator": "greater", "value": -1e30}',
    '{"field": "clicks", "operator": "equal", "value": 9223372036854775807}', '{"field": "at", "operator": "less_than_n_days", "value": 30}', '{"field": "at", "operator": "greater_than_n_days", "value": 10}',
    '{"field": "at", "operator": "equal", "value": "infinity-free"}', '{"field": "at", "operator": "between", "value": ["2024-02-01", "2024-04-30"]}', '{"field": "at", "operator": "is_null"}',
    '{"field": "local", "operator": "less", "value": "2024-05-01T12:00:00"}', '{"field": "born", "operator": "greater_or_equal", "value": "1990-01-01"}', '{"field": "rate", "operator": "less", "value": "5.005"}', '{"field": "rate", "operator": "equal", "value": 3.25}',
    '{"field": "score", "operator": "greater", "value": 0.5}', '{"field": "score", "operator": "less_or_equal", "value": 0}', '{"field": "ok", "operator": "equal", "value": true}', '{"field": "ok", "operator": "not_equal", "value": true}',
    '{"field": "level", "operator": "greater_or_equal", "value": "middle"}', '{"field": "tags", "operator": "contains", "value": "t2"}', '{"field": "tags", "operator": "not_contains", "value": "t1"}', '{"field": "tags", "operator": "is_empty"}',
    '{"field": "codes", "operator": "in", "value": [3, 4]}', '{"list": 2}', '{"field": "list", "operator": "not_in", "value": [1, 3, 99]}', '{"field": "list", "operator": "is_empty"}', '{"field": "list", "operator": "is_not_empty"}',
    '{"field": "note", "operator": "equal", "value": 1}', '{"field": "note", "operator": "is_empty"}', '{"event": "sent"}', '{"event": "clicked", "operator": "equal", "value": 0}', '{"event": "sent", "operator": "greater_or_equal", "value": 3}',
    '{"event": "sent", "measure": "last", "operator": "less_than_n_days", "value": 5}', '{"event": "clicked", "measure": "first", "operator": "is_null"}', '{"event": "sent", "measure": "first", "operator": "less", "value": "2024-03-01"}',
    '{"event": "clicked", "within": {"last": 3, "unit": "day"}}', '{"event": "clicked", "within": {"last": 3, "unit": "day"}, "operator": "equal", "value": 0}', '{"event": "sent", "within": {"last": 3, "unit": "day"}, "operator": "greater", "value": 1}',
    '{"condition": "AND", "not": true, "rules": [{"field": "carrier", "operator": "equal", "value": "c1"}, {"condition": "OR", "rules": [{"field": "sent", "operator": "less", "value": 5}, {"list": 1}]}]}',
    '{"condition": "OR", "rules": [{"field": "country", "operator": "equal", "value": "DE"}, {"condition": "AND", "rules": [{"field": "clicks", "operator": "greater", "value": 1}, {"list": 3}, {"event": "sent"}]}]}',
    '{"condition": "AND", "not": true, "rules": [{"field": "carrier", "operator": "equal", "value": "c1"}, {"field": "at", "operator": "less", "value": "2024-03-01"}], "semantics": "sql"}',
    '{"condition": "AND", "rules": [{"field": "carrier", "operator": "not_in", "value": ["c1", "c2"]}, {"field": "rate", "operator": "not_between", "value": [1, 2]}], "semantics": "sql"}',
    '{"condition": "AND", "rules": [{"field": "phone", "operator": "contains", "value": "7"}, {"field": "sent", "operator": "greater", "value": 4}]}']) r WHERE r NOT LIKE '%infinity-free%';
CREATE FUNCTION wrong(what text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    q segments.rule;
    counts record;
    wrong text[] := '{}';
    problem text := (SELECT s.problem FROM segments.index_status s WHERE s.audience = 'people'::regclass);
BEGIN
    FOR q IN SELECT rule FROM question LOOP
        SELECT segments.count_by_index('people', q) AS by_index, segments.count_by_sql('people', q) AS by_sql INTO counts;
        IF counts.by_index <> counts.by_sql THEN
            wrong := wrong || format('%s: index %s, SQL %s', q, counts.by_index, counts.by_sql);
        END IF;
    END LOOP;
    RETURN concat_ws('; ', what || ': ' || cardinality(wrong) || ' wrong', problem, nullif(array_to_string(wrong, E'\n'), ''));
END $$;

CREATE PROCEDURE fill(keys text, partitioned boolean) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'CREATE TABLE people (id bigint PRIMARY KEY, phone text, country text NOT NULL, carrier varchar(10), sent int NOT NULL DEFAULT 0, clicks bigint,
        at timestamptz, local timestamp, born date, rate numeric(6, 2), score float8, ok boolean, level level, tags text[], codes int[])' || CASE WHEN partitioned THEN ' PARTITION BY HASH (id)' ELSE '' END;
    IF partitioned THEN
        CREATE TABLE people_0 PARTITION OF people FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        -- Its columns have other numbers.
        CREATE TABLE people_1 (gone int, tags text[], codes int[], level level, ok boolean, score float8, rate numeric(6, 2), born date, local timestamp, at timestamptz, clicks bigint,
            sent int NOT NULL DEFAULT 0, carrier varchar(10), country text NOT NULL, phone text, id bigint NOT NULL);
        ALTER TABLE people_1 DROP gone;
        ALTER TABLE people ATTACH PARTITION people_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    END IF;
    EXECUTE format('CREATE FUNCTION key(i bigint) RETURNS bigint LANGUAGE sql IMMUTABLE RETURN %s', keys);
    INSERT INTO people SELECT key(i), 'p' || i, ('{US,DE,FR,NL,NO}'::text[])[1 + i % 5], CASE WHEN i % 7 > 0 THEN 'c' || i % 4 WHEN i % 2 = 0 THEN '' END, i % 13, CASE WHEN i % 50 = 0 THEN 9223372036854775807 ELSE i % 5 END,
        CASE WHEN i % 3 > 0 THEN '2024-06-01'::timestamptz - i % 100 * interval '1 day' END, '2024-06-01'::timestamp - i % 90 * interval '7 hours', '1980-01-01'::date + i::int % 10000, CASE WHEN i % 11 = 0 THEN 'NaN' ELSE i % 1000 / 100.0 END,
        CASE i % 6 WHEN 0 THEN '-0' WHEN 1 THEN 'NaN' WHEN 2 THEN '-Infinity' ELSE i / 7.0 - 100 END, CASE WHEN i % 9 > 0 THEN i % 2 = 0 END, ('{low,middle,high}'::level[])[1 + i % 4],
        CASE WHEN i % 8 > 0 THEN ARRAY['t' || i % 3, 't' || i % 5, NULL] WHEN i % 16 = 0 THEN '{}' END, ARRAY[i % 6, i % 4] FROM generate_series(1, 3000) i;
    CREATE TABLE list_members (list int, member bigint, UNIQUE (list, member));
    INSERT INTO list_members SELECT l, key(i) FROM generate_series(1, 5) l, generate_series(1, 3300) i WHERE i % (l * 7) = 0;
    -- No key: twice is possible, and so is nothing.
    CREATE TABLE notes (member bigint, value int);
    INSERT INTO notes SELECT key(i), nullif(i % 3, 2) FROM generate_series(1, 600) i UNION ALL SELECT key(i), 1 FROM generate_series(1, 100) i;
    CREATE TABLE messages (member bigint REFERENCES people ON DELETE CASCADE, kind kind, at timestamptz) PARTITION BY RANGE (at);
    CREATE TABLE messages_old PARTITION OF messages FOR VALUES FROM (MINVALUE) TO ('2024-04-01');
    CREATE TABLE messages_new PARTITION OF messages DEFAULT;
    INSERT INTO messages SELECT key(i % 2500 + 1), ('{sent,sent,clicked,opened}'::kind[])[1 + i % 4], '2024-06-01'::timestamptz - i % 200 * interval '11 hours' FROM generate_series(1, 8000) i;
    PERFORM segments.add_membership('people', 'list', 'list_members', 'member', 'list');
    PERFORM segments.add_membership('people', 'note', 'notes', 'member', 'value');
    PERFORM segments.add_events('people', 'messages', 'messages', 'member', 'at', 'kind');
    PERFORM segments.create_index('people');
    ANALYZE;
END $$;

-- Statements of every kind; keys are key(i), new ones of each round its own.
CREATE PROCEDURE change(round int) LANGUAGE plpgsql AS $$
DECLARE
    step record;
    answer text;
BEGIN
    FOR step IN SELECT * FROM (VALUES
        ('insert', 'INSERT INTO people (id, country, carrier, sent, at, tags, codes, rate, score, level, ok) SELECT key(i), ''IT'', ''new'' || i % 3, i % 13, now(), ''{t9,t1}'', ''{3}'', 1.5, i, ''low'', true FROM generate_series(4001 + 1000 * $1, 4100 + 1000 * $1) i'),
        ('update', 'UPDATE people SET carrier = ''c3'', sent = sent + 1, at = at + interval ''3 days'' WHERE sent % 5 = 1'),
        ('update to NULL', 'UPDATE people SET carrier = NULL, clicks = NULL, rate = NULL, tags = NULL WHERE sent = 3'),
        ('update of what is not indexed', 'UPDATE people SET phone = phone || ''7'' WHERE sent = 4'),
        ('update of arrays', 'UPDATE people SET tags = ''{t2}'', codes = ''{4,4}'' WHERE sent = 5'),
        ('delete', 'DELETE FROM people WHERE sent = 7 AND country = ''FR'''),
        ('insert again', 'INSERT INTO people (id, country) SELECT key(i), ''NZ'' FROM generate_series(1, 3000) i ON CONFLICT DO NOTHING'),
        ('join', 'INSERT INTO list_members SELECT 6, key(i) FROM generate_series(1, 500) i ON CONFLICT DO NOTHING'),
        ('leave', 'DELETE FROM list_members WHERE list = 2 AND member % 3 = 0'),
        ('another list', 'UPDATE list_members SET list = 7 + $1 WHERE list = 3 + 4 * ($1 - 1)'),
        ('swapped lists', 'UPDATE list_members SET list = CASE list WHEN 1 THEN 15 ELSE 1 END WHERE list IN (1, 15)'),
        ('notes', 'INSERT INTO notes SELECT key(i), i % 2 FROM generate_series(300, 900) i'),
        ('a note of two', 'DELETE FROM notes WHERE ctid = (SELECT min(ctid) FROM notes WHERE member = key(5) AND value = 1)'),
        ('notes of nothing', 'DELETE FROM notes WHERE value IS NULL AND member % 2 = 0'),
        ('events', 'INSERT INTO messages SELECT key(i % 3000 + 1), ''clicked'', now() FROM generate_series(1, 700) i ON CONFLICT DO NOTHING'),
        ('earlier events', 'INSERT INTO messages SELECT key(i % 2500 + 1), ''sent'', ''2023-01-01''::timestamptz + i * interval ''1 hour'' FROM generate_series(1, 400) i'),
        ('events of nothing', 'INSERT INTO messages VALUES (NULL, ''sent'', now()), (key(1), NULL, now()), (key(2), ''sent'', NULL)'),
        ('no events', 'DELETE FROM messages WHERE member = key(17)'),
        ('the last event', 'DELETE FROM messages m WHERE at = (SELECT max(at) FROM messages o WHERE o.member = m.member) AND member % 5 = 0'),
        ('other events', 'UPDATE messages SET kind = ''clicked'' WHERE member IN (SELECT key(i) FROM generate_series(600, 650) i)'),
        ('events elsewhere', 'UPDATE messages SET at = at + interval ''90 days'' WHERE member IN (SELECT key(i) FROM generate_series(700, 750) i)'),
        ('keys', 'UPDATE people SET id = id + 5000000000 + 10000 * $1 WHERE id IN (SELECT key(i) FROM generate_series(2600, 2620) i) AND NOT EXISTS (SELECT FROM messages WHERE member = people.id)'),
        ('on conflict', 'INSERT INTO people (id, country, clicks) VALUES (key(1), ''ZZ'', 4), (key(9999), ''ZZ'', 4) ON CONFLICT (id) DO UPDATE SET country = ''XX'''),
        ('merge', 'MERGE INTO people n USING (SELECT key(generate_series(2700, 2760)) AS k) s ON n.id = s.k WHEN MATCHED AND n.sent % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET clicks = 77 WHEN NOT MATCHED THEN INSERT (id, country) VALUES (k, ''MM'')'),
        ('cascade', 'DELETE FROM people WHERE id IN (SELECT key(i) FROM generate_series(100, 140) i)'),
        ('CTEs', 'WITH d AS (DELETE FROM people WHERE id = key(150) RETURNING *), i AS (INSERT INTO people (id, country) VALUES (key(12345 + $1), ''CT'') RETURNING id) INSERT INTO list_members SELECT 2, id FROM i')
    ) steps (what, command) LOOP
        EXECUTE step.command USING round;
        answer := wrong(step.what);
        IF answer NOT LIKE '%: 0 wrong' THEN
            RAISE WARNING '%', answer;
        END IF;
    END LOOP;
END $$;

-- Dense keys.
CALL fill('i', false);
SELECT wrong('built');
CALL change(1);
SELECT segments.compact('people'), wrong('compacted');
SELECT changes FROM segments.index_status;
CALL change(2);
SELECT wrong('changed again');
SELECT segments.compact('people'), wrong('compacted again');

-- What has not happened yet: the members who are concerned are looked up; many of them, and SQL answers.
INSERT INTO messages SELECT id, 'clicked', now() + interval '1 hour' FROM people WHERE id % 40 = 0;
INSERT INTO messages SELECT id, 'sent', now() + interval '1 day' FROM people WHERE id % 50 < 2;
SELECT wrong('events to come');
SELECT segments.compact('people'), wrong('events to come, compacted');
SELECT rule, counts.by_index = counts.by_sql AS same, counts.by_index > 0 AS some FROM (VALUES ('{"event": "sent", "operator": "greater", "value": 2, "as_of": "2024-05-20"}'::segments.rule),
    ('{"event": "clicked", "measure": "last", "operator": "less_than_n_days", "value": 9, "as_of": "2024-05-20"}'), ('{"event": "clicked", "operator": "equal", "value": 0, "as_of": "2024-06-01"}')) r (rule),
    LATERAL (SELECT segments.count_by_index('people', rule) AS by_index, segments.count_by_sql('people', rule) AS by_sql) counts;
DELETE FROM messages WHERE at > now();

-- Statements whose rows do not fit into memory.
SET work_mem = '64kB';
UPDATE people SET clicks = clicks % 7, tags = tags || 't7'::text;
INSERT INTO messages SELECT key(1 + i % 50), 'opened', '2024-05-05' FROM generate_series(1, 20000) i ON CONFLICT DO NOTHING;
UPDATE messages SET at = at - interval '1 day' WHERE kind = 'opened' AND at = '2024-05-05';
INSERT INTO list_members SELECT 30 + i % 10, i FROM generate_series(1, 20000) i;
DELETE FROM list_members WHERE list >= 30;
RESET work_mem;
SELECT wrong('many rows');

-- What is undone is as if it had not been.
BEGIN;
UPDATE people SET sent = 99 WHERE country = 'US';
SELECT wrong('in a transaction');
SAVEPOINT s;
DELETE FROM people WHERE sent < 8;
INSERT INTO people (id, country, carrier) VALUES (700000, 'US', 'never seen');
SELECT wrong('in a savepoint');
ROLLBACK TO s;
SELECT wrong('after it');
INSERT INTO people (id, country, carrier) VALUES (700001, 'US', 'unseen');
SELECT wrong('a new value');
ROLLBACK;
SELECT wrong('rolled back');
INSERT INTO people (id, country, carrier) VALUES (700002, 'US', 'never seen');
SELECT wrong('a new value, to stay');

-- Statements within statements: a row's trigger changes the same table, and asks.
CREATE TABLE seen (by_index bigint, by_sql bigint);
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE people SET clicks = coalesce(clicks % 1000, 0) + 1 WHERE id IN (NEW.id, NEW.id + 1);
    INSERT INTO seen SELECT segments.count_by_index('people', '{"field": "clicks", "operator": "greater", "value": 3}'), segments.count_by_sql('people', '{"field": "clicks", "operator": "greater", "value": 3}');
    RETURN NULL;
END $$;
CREATE TRIGGER meddle AFTER UPDATE OF sent ON people FOR EACH ROW EXECUTE FUNCTION meddle();
UPDATE people SET sent = sent + 1, clicks = 500 WHERE id BETWEEN 200 AND 230;
SELECT count(*) > 20 AS many, count(*) FILTER (WHERE by_index <> by_sql) AS wrong FROM seen;
SELECT wrong('statements within statements');
DROP TRIGGER meddle ON people;

-- Facets and keys.
CREATE FUNCTION facet_by(use text, f text) RETURNS TABLE (value text, members bigint) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('segments.use_index', use, true);
    RETURN QUERY SELECT * FROM segments.facet('people', '{"field": "sent", "operator": "greater", "value": 2}', f);
    PERFORM set_config('segments.use_index', 'on', true);
END $$;
SELECT f, (SELECT count(*) FROM (SELECT * FROM facet_by('force', f) EXCEPT ALL SELECT * FROM facet_by('off', f)) d) AS more,
    (SELECT count(*) FROM (SELECT * FROM facet_by('off', f) EXCEPT ALL SELECT * FROM facet_by('force', f)) d) AS fewer
FROM unnest('{country,carrier,sent,clicks,at,local,born,rate,score,ok,level,tags,codes,list,note}'::text[]) f;
SELECT * FROM facet_by('force', 'country');
-- Groups nested deeper, by a segment in them, than one rule may.
CREATE FUNCTION nested(groups int, innermost text) RETURNS segments.rule LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..groups LOOP
        innermost := format('{"condition": "%s", "rules": [{"field": "sent", "operator": "%s", "value": %s}, %s]}', CASE i % 2 WHEN 0 THEN 'AND' ELSE 'OR' END,
            CASE i % 2 WHEN 0 THEN 'not_equal' ELSE 'equal' END, i % 13, innermost);
    END LOOP;
    RETURN innermost;
END $$;
SELECT segments.create('deep', 'people', nested(40, '{"field": "at", "operator": "between", "value": ["2024-02-01", "2024-04-30"]}'));
SELECT count(*) AS asked, count(*) FILTER (WHERE by_index IS DISTINCT FROM by_sql) AS wrong, min(by_sql) > 0 AS some
FROM (SELECT segments.count_by_index('people', rule) AS by_index, segments.count_by_sql('people', rule) AS by_sql FROM (SELECT nested(n, '{"segment": "deep"}') AS rule FROM generate_series(30, 60, 3) n) r) c;
SELECT segments.drop('deep');
-- Values far from those in the slices, and between them.
BEGIN;
UPDATE people SET sent = CASE abs(hashint8(id)) % 3 WHEN 0 THEN 70000 ELSE sent + 1 END, clicks = CASE abs(hashint8(id)) % 5 WHEN 0 THEN -9 WHEN 1 THEN clicks + 40000 ELSE clicks END;
SELECT f, (SELECT count(*) FROM (SELECT * FROM facet_by('force', f) EXCEPT ALL SELECT * FROM facet_by('off', f)) d) AS more,
    (SELECT count(*) FROM (SELECT * FROM facet_by('off', f) EXCEPT ALL SELECT * FROM facet_by('force', f)) d) AS fewer,
    (SELECT max(value::bigint) - min(value::bigint) > 32768 FROM facet_by('force', f)) AS far
FROM unnest('{sent,clicks}'::text[]) f;
ROLLBACK;
SELECT count(*) FROM segments.keys('people', '{"list": 1}') k FULL JOIN (SELECT n.id FROM people n WHERE segments.matches(n, '{"list": 1}')) m ON k = m.id WHERE k IS NULL OR m.id IS NULL;
SELECT count(*) FROM (SELECT segments.keys('people', '{"list": 1}') OFFSET 0) k FULL JOIN (SELECT n.id FROM people n WHERE segments.matches(n, '{"list": 1}')) m ON k.keys = m.id WHERE k IS NULL OR m.id IS NULL;
SELECT count(*), count(DISTINCT m.id) FROM segments.members(NULL::people, '{"list": 1}') m WHERE NOT segments.matches(m, '{"list": 1}');
EXPLAIN (COSTS OFF) SELECT k FROM segments.keys('people', '{"list": 1}') k;
SET segments.use_index = off;
EXPLAIN (COSTS OFF) SELECT k FROM segments.keys('people', '{"field": "sent", "operator": "equal", "value": 1}') k;
RESET segments.use_index;
-- In the select list, too, a scan gives the keys, alone or beside what is no set; not beside another set.
EXPLAIN (COSTS OFF) SELECT segments.keys('people', '{"list": 1}') + 1 AS next, 'x' AS x LIMIT 3;
EXPLAIN (COSTS OFF) SELECT segments.keys('people', '{"list": 1}', NULL::bigint) AS key ORDER BY 1;
EXPLAIN (COSTS OFF) SELECT segments.keys('people', '{"list": 1}'), generate_series(1, 2);
EXPLAIN (COSTS OFF) SELECT segments.keys('people', '{"list": 1}') WHERE current_setting('timezone') = 'UTC';
EXPLAIN (COSTS OFF) SELECT segments.keys('people', '{"list": 1}'), segments.keys('people', '{"list": 2}');
SET segments.use_index = off;
EXPLAIN (COSTS OFF) SELECT segments.keys('people', '{"list": 1}');
RESET segments.use_index;
CREATE TEMP TABLE wanted AS SELECT n.id FROM people n WHERE segments.matches(n, '{"list": 1}');
CREATE TEMP TABLE way (position serial, query text);
INSERT INTO way (query) VALUES ($$SELECT segments.keys('people', '{"list": 1}')$$), ($$SELECT key FROM (SELECT segments.keys('people', '{"list": 1}', NULL::bigint) AS key, 'x' ORDER BY 1) k$$),
    ($$SELECT segments.keys('people', '{"list": 1}') + 1 - 1$$), ($$SELECT key FROM (SELECT segments.keys('people', '{"list": 1}') AS key, generate_series(1, 2)) k$$),
    ($$SELECT DISTINCT segments.keys('people', '{"list": 1}')$$), ($$SELECT unnest(ARRAY(SELECT segments.keys('people', '{"list": 1}')))$$),
    ($$SELECT id FROM people WHERE id IN (SELECT segments.keys('people', '{"list": 1}'))$$), ($$SELECT id FROM people EXCEPT SELECT id FROM people WHERE id NOT IN (SELECT segments.keys('people', '{"list": 1}'))$$),
    ($$(SELECT segments.keys('people', '{"list": 1}') LIMIT 7) UNION ALL (SELECT segments.keys('people', '{"list": 1}') OFFSET 7)$$),
    ($$SELECT k FROM generate_series(1, 3) i, LATERAL (SELECT segments.keys('people', '{"list": 1}') AS k, i AS j) s WHERE i = j GROUP BY k HAVING count(*) = 3$$),
    ($$(WITH RECURSIVE k (k, i) AS (SELECT segments.keys('people', '{"list": 1}'), 1 UNION ALL SELECT k, i + 1 FROM k WHERE i < 3) SELECT k FROM k GROUP BY k HAVING count(*) = 3)$$),
    ($$SELECT k FROM (SELECT segments.keys('people', '{"list": 1}') AS k, i FROM generate_series(1, 3) i) s GROUP BY k HAVING count(*) = 3$$),
    ($$SELECT segments.keys('people', '{"list": 1}') WHERE current_setting('timezone') = 'UTC'$$);
CREATE FUNCTION differing(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    differing bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM ((TABLE wanted EXCEPT ALL (%1$s)) UNION ALL ((%1$s) EXCEPT ALL TABLE wanted)) d', query) INTO differing;
    RETURN differing;
END $$;
SELECT position FROM way WHERE differing(query) > 0;
SET segments.use_index = force;
SELECT position FROM way WHERE differing(query) > 0;
SELECT count(*) > 100 AS enough FROM wanted;
RESET segments.use_index;
-- Made while the index answered, and asked when it does not.
PREPARE keyed AS SELECT segments.keys('people', '{"list": 1}') AS key;
SET plan_cache_mode = force_generic_plan;
CREATE TEMP TABLE got AS EXECUTE keyed;
SELECT count(*) FROM (TABLE wanted EXCEPT ALL TABLE got) d;
BEGIN;
ALTER TABLE list_members DISABLE TRIGGER ALL;
CREATE TEMP TABLE got_again AS EXECUTE keyed;
SELECT count(*) FROM (TABLE wanted EXCEPT ALL TABLE got_again) d;
SELECT problem FROM segments.index_status WHERE audience = 'people'::regclass;
ROLLBACK;
RESET plan_cache_mode;
-- A scan that is left, and begun again.
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT segments.keys('people', '{"list": 1}') > 0 AS key;
FETCH 2 FROM c;
FETCH BACKWARD 1 FROM c;
MOVE ABSOLUTE 0 IN c;
MOVE ALL IN c;
COMMIT;
DROP FUNCTION differing;
DROP TABLE wanted, way, got;
DEALLOCATE keyed;
-- One member is looked up by his key.
EXPLAIN (COSTS OFF) SELECT m.phone FROM segments.members(NULL::people, '{"field": "sent", "operator": "equal", "value": 1}') m WHERE m.id = 5;
-- A cursor sees what was there when it was opened.
BEGIN;
DECLARE c CURSOR FOR SELECT count(*) OVER () > 0 AS some, k > 0 AS key FROM segments.keys('people', '{"field": "country", "operator": "equal", "value": "US"}') k;
DELETE FROM people WHERE country = 'US';
SELECT segments.count('people', '{"field": "country", "operator": "equal", "value": "US"}');
FETCH 1 FROM c;
ROLLBACK;
-- Suppression and segments go through the index, too.
SELECT segments.suppress('people', '{"field": "carrier", "operator": "equal", "value": "c1"}', reason => 'c1');
SELECT segments.create('americans', 'people', '{"field": "country", "operator": "equal", "value": "US"}');
SELECT (SELECT segments.count('people', '{"segment": "americans"}')) = (SELECT count(*) FROM americans) AS same;
EXPLAIN (COSTS OFF) SELECT k FROM segments.keys('people', '{"segment": "americans"}') k;
SELECT count(*) FROM segments.verify('people', 20);
DROP TABLE people, list_members, notes, messages CASCADE;
DROP FUNCTION key;

-- Partitions.
CALL fill('i', true);
SELECT wrong('built');
CALL change(1);
INSERT INTO people_1 (id, country, carrier) SELECT i, 'P1', 'c9' FROM generate_series(20000, 20400) i WHERE satisfies_hash_partition('people'::regclass, 2, 1, i::bigint);
UPDATE people_1 SET sent = 12, tags = '{t1}' WHERE country = 'P1';
DELETE FROM people_0 WHERE sent = 2;
INSERT INTO messages_new VALUES ((SELECT min(id) FROM people), 'sent', now());
SELECT wrong('partitions by name');
SELECT segments.compact('people'), wrong('compacted');
DROP TABLE people, list_members, notes, messages CASCADE;
DROP FUNCTION key;

-- Keys far apart, below zero too.
CALL fill('(i * 7919 % 1000003) * 5000000001 - 7000000000000', false);
SELECT sparse FROM segments.index_state;
SELECT wrong('built');
CALL change(1);
SELECT segments.compact('people'), wrong('compacted');
CALL change(2);
SELECT wrong('changed again');
SELECT segments.compact('people'), wrong('compacted again');
SELECT count(*) FROM segments.keys('people', '{"list": 1}') k FULL JOIN (SELECT n.id FROM people n WHERE segments.matches(n, '{"list": 1}')) m ON k = m.id WHERE k IS NULL OR m.id IS NULL;
SELECT count(*) FROM segments.verify('people', 20);
DROP TABLE people, list_members, notes, messages CASCADE;
