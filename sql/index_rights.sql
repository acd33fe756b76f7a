-- The segment index tells a role nothing that SQL would not: each gets the same values and the same errors, with it and without. And only owners keep one.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET client_min_messages = warning;
CREATE ROLE regress_index_owner;
CREATE ROLE regress_index_reader;
CREATE ROLE regress_index_columns;
CREATE ROLE regress_index_partial;
CREATE ROLE regress_index_outside;
CREATE ROLE regress_index_bypass BYPASSRLS;
CREATE ROLE regress_index_blind;
CREATE SCHEMA inside AUTHORIZATION regress_index_owner;
CREATE SCHEMA lists AUTHORIZATION regress_index_owner;
CREATE SCHEMA helpers;
GRANT USAGE ON SCHEMA helpers TO PUBLIC;
GRANT USAGE ON SCHEMA inside TO regress_index_reader, regress_index_columns, regress_index_partial, regress_index_bypass, regress_index_blind;
GRANT USAGE ON SCHEMA lists TO regress_index_reader, regress_index_columns, regress_index_bypass, regress_index_outside, regress_index_blind;

SET ROLE regress_index_owner;
CREATE TABLE inside.numbers (id bigint PRIMARY KEY, tenant int, score int, carrier text, secret text);
INSERT INTO inside.numbers SELECT i, i % 2, i % 7, 'c' || i % 4, CASE WHEN i % 5 = 0 THEN 'x' END FROM generate_series(1, 400) i;
CREATE TABLE lists.members (number bigint, list int, tenant int, PRIMARY KEY (number, list));
INSERT INTO lists.members SELECT i, l, i % 3 FROM generate_series(1, 3) l, generate_series(1, 400) i WHERE i % (l + 2) = 0;
CREATE TABLE lists.tags (number bigint, tag text);
INSERT INTO lists.tags SELECT i % 90, 't' || i % 6 FROM generate_series(1, 300) i;
CREATE TABLE inside.messages (number bigint, at timestamptz, kind text, tenant int) PARTITION BY RANGE (at);
CREATE TABLE inside.messages_1 PARTITION OF inside.messages FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE inside.messages_2 PARTITION OF inside.messages FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
INSERT INTO inside.messages SELECT i % 250, '2024-01-01'::timestamptz + i * interval '1 hour', (ARRAY['sent', 'click'])[1 + i / 3 % 2], i % 2 FROM generate_series(1, 1200) i;
SELECT segments.add_membership('inside.numbers', 'list', 'lists.members', 'number', 'list');
SELECT segments.add_membership('inside.numbers', 'tag', 'lists.tags', 'number', 'tag');
SELECT segments.add_events('inside.numbers', 'message', 'inside.messages', 'number', 'at', 'kind', '{sent,click}');
SET search_path = inside;
SELECT segments.create('vip', 'numbers', '{"condition":"AND","rules":[{"list":1},{"field":"score","operator":"greater","value":2}]}', '{id}');
SELECT segments.create('vip_of_owner', 'numbers', '{"condition":"AND","rules":[{"list":1},{"field":"score","operator":"greater","value":2}]}', '{id,score}', security_invoker => false);
RESET search_path;
SELECT segments.create_index('inside.numbers');
-- Something that is not compacted, too.
UPDATE inside.numbers SET score = 6, secret = 'y' WHERE id % 40 = 0;
INSERT INTO lists.members VALUES (1, 2, 0), (1, 3, 0);
INSERT INTO inside.messages VALUES (1, '2024-02-02', 'click', 0), (2, '2024-02-02', 'click', 1);
GRANT SELECT ON inside.numbers, lists.members, lists.tags, inside.messages TO regress_index_reader, regress_index_bypass, regress_index_outside;
GRANT SELECT (id, score, carrier) ON inside.numbers TO regress_index_columns;
GRANT SELECT ON lists.members TO regress_index_columns;
GRANT SELECT ON inside.numbers, inside.messages TO regress_index_partial;
GRANT SELECT ON inside.vip, inside.vip_of_owner TO PUBLIC;
RESET ROLE;

CREATE TABLE helpers.question (number int GENERATED ALWAYS AS IDENTITY, about text, rule text);
INSERT INTO helpers.question (about, rule) VALUES
    ('everyone', '{"everyone":true}'), ('score', '{"field":"score","operator":"greater","value":3}'), ('secret', '{"field":"secret","operator":"equal","value":"x"}'),
    ('list', '{"list":2}'), ('no list', '{"condition":"AND","rules":[{"field":"carrier","operator":"equal","value":"c1"},{"field":"list","operator":"is_empty"}]}'),
    ('tag', '{"field":"tag","operator":"in","value":["t1","t5"]}'), ('event', '{"event":"click","operator":"greater","value":1}'),
    ('list and event', '{"condition":"AND","not":true,"rules":[{"list":1},{"event":"sent","measure":"last","operator":"greater","value":"2024-02-01"}]}'), ('segment', '{"segment":"vip"}');
GRANT SELECT ON helpers.question TO PUBLIC;

-- What a query gives under a setting of use_index: a value, or an error.
CREATE FUNCTION helpers.answer(query text, use_index text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    PERFORM pg_catalog.set_config('segments.use_index', use_index, true);
    EXECUTE query INTO result;
    PERFORM pg_catalog.set_config('segments.use_index', 'on', true);
    RETURN coalesce(result, 'null');
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE FUNCTION helpers.ways(rule text) RETURNS TABLE (way text, query text) LANGUAGE sql AS $$
    SELECT way, replace(replace(query, '$rule', quote_literal(rule)), '$audience', (SELECT c.oid::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'inside' AND c.relname = 'numbers') || '::oid::regclass')
    FROM (VALUES ('count', 'SELECT segments.count($audience, $rule)'),
        ('count, not suppressed', 'SELECT segments.count($audience, $rule, false)'),
        ('keys', 'SELECT md5(string_agg(k::text, '' '' ORDER BY k)) FROM segments.keys($audience, $rule) k'),
        ('keys of a type', 'SELECT md5(string_agg(k::text, '' '' ORDER BY k)) FROM segments.keys($audience, $rule, NULL::bigint) k'),
        ('keys, one by one', 'SELECT count(*) FROM (SELECT segments.keys($audience, $rule)) k'),
        ('keys, joined', 'SELECT count(*) FROM helpers.question q, segments.keys($audience, $rule) k WHERE k = q.number'),
        ('members', 'SELECT count(*) || '' '' || sum(n.id) FROM segments.members(NULL::inside.numbers, $rule) n'),
        ('members'' scores', 'SELECT count(*) || '' '' || sum(n.score) FROM segments.members(NULL::inside.numbers, $rule) n WHERE n.id < 300'),
        ('whole members', 'SELECT md5(string_agg(n::text, '' '' ORDER BY n.id)) FROM segments.members(NULL::inside.numbers, $rule) n'),
        ('members, one by one', 'SELECT count(*) FROM (SELECT segments.members(NULL::inside.numbers, $rule)) n'),
        ('facet of carrier', 'SELECT string_agg(value || '' '' || members, '', '' ORDER BY value) FROM segments.facet($audience, $rule, ''carrier'')'),
        ('facet of secret', 'SELECT string_agg(value || '' '' || members, '', '' ORDER BY value) FROM segments.facet($audience, $rule, ''secret'')'),
        ('facet of list', 'SELECT string_agg(value || '' '' || members, '', '' ORDER BY value) FROM segments.facet($audience, $rule, ''list'')'),
        ('facet of tag', 'SELECT string_agg(value || '' '' || members, '', '' ORDER BY value) FROM segments.facet($audience, $rule, ''tag'')')) w (way, query)
$$;
-- As the role that asks: what SQL says, by what it is answered, and the ways in which it matters.
CREATE FUNCTION helpers.asked() RETURNS TABLE (about text, means text, answer text, differs text) LANGUAGE plpgsql AS $$
DECLARE
    q record;
    w record;
    by_sql text;
BEGIN
    FOR q IN SELECT * FROM helpers.question ORDER BY number LOOP
        about := q.about;
        differs := NULL;
        FOR w IN SELECT * FROM helpers.ways(q.rule) LOOP
            by_sql := helpers.answer(w.query, 'off');
            IF w.way = 'count' THEN
                answer := by_sql;
            END IF;
            -- What is cached is asked, too.
            differs := concat_ws('; ', differs, (SELECT string_agg(format('%s, %s: %s, SQL: %s', w.way, a.use_index, a.answer, by_sql), '; ')
                FROM (SELECT u, helpers.answer(w.query, u) FROM unnest('{force,on,force}'::text[]) u) a (use_index, answer) WHERE a.answer <> by_sql));
        END LOOP;
        means := helpers.answer('EXPLAIN (FORMAT json) ' || (SELECT query FROM helpers.ways(q.rule) WHERE way = 'keys'), 'force');
        means := CASE WHEN means LIKE '%SegmentIndexKeys%' THEN 'index' WHEN means LIKE '[%' THEN 'SQL' ELSE left(means, 5) END;
        differs := nullif(differs, '');
        RETURN NEXT;
    END LOOP;
END $$;

-- Nobody reads or writes what the index keeps; nor calls what is internal.
SELECT c.relname, has_table_privilege('regress_index_reader', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') AS any FROM pg_class c
    WHERE c.relnamespace = 'segments'::regnamespace AND c.relkind = 'r' AND c.relname IN ('slice', 'slice_entry', 'delta', 'dictionary', 'index_state', 'index_source', 'index_field') ORDER BY 1;
SELECT c.relname, has_sequence_privilege('regress_index_reader', c.oid, 'USAGE, SELECT, UPDATE') AS any FROM pg_class c WHERE c.relnamespace = 'segments'::regnamespace AND c.relkind = 'S' ORDER BY 1;
SELECT has_table_privilege('regress_index_reader', 'segments.index_definition', 'SELECT') AS definition, has_table_privilege('regress_index_reader', 'segments.index_definition', 'INSERT, UPDATE, DELETE, TRUNCATE') AS write_definition;
SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'segments'::regnamespace AND p.proname ~ '^_.*(index|stale|writers|latest|trigger)' AND has_function_privilege('regress_index_reader', p.oid, 'EXECUTE');
SET ROLE regress_index_reader;
SELECT count(*) FROM segments.dictionary;
SELECT count(*) FROM segments.slice;
SELECT count(*) FROM segments.delta;
SELECT segments.index_change();

-- Nor makes, drops or tends the index of others: reading is not owning.
CREATE TEMPORARY VIEW attempt AS SELECT command, helpers.answer(format('SELECT segments.%s(''inside.numbers'')', command), 'on') FROM unnest('{create_index,drop_index,rebuild_index,compact}'::text[]) command;
SELECT * FROM attempt;
DROP VIEW attempt;
SET ROLE regress_index_bypass;
SELECT helpers.answer(format('SELECT segments.%s(''inside.numbers'')', command), 'on') FROM unnest('{create_index,drop_index,rebuild_index,compact}'::text[]) command;
SET ROLE regress_index_blind;
SELECT helpers.answer(format('SELECT segments.%s(''inside.numbers'')', command), 'on') FROM unnest('{create_index,drop_index,rebuild_index,compact}'::text[]) command;
SELECT helpers.answer($$SELECT segments.index_fields('inside.numbers')$$, 'on');
SELECT helpers.answer($$SELECT count(*) FROM segments.verify('inside.numbers')$$, 'on');
-- A trigger of one's own with the index's function notes nothing.
RESET ROLE;
GRANT CREATE ON SCHEMA helpers TO regress_index_blind;
SET ROLE regress_index_blind;
CREATE TABLE helpers.own (id bigint PRIMARY KEY, score int);
CREATE TRIGGER own AFTER INSERT ON helpers.own REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION segments.index_change();
INSERT INTO helpers.own VALUES (1, 1);
SELECT segments.create_index('helpers.own');
INSERT INTO helpers.own VALUES (2, 1);
SELECT segments.count('helpers.own', '{"field":"score","operator":"equal","value":1}'), segments.compact('helpers.own');

-- index_status tells of audiences that one may read.
SELECT audience, usable FROM segments.index_status;
SET ROLE regress_index_reader;
SELECT audience, usable FROM segments.index_status;
SET ROLE regress_index_columns;
SELECT audience, usable FROM segments.index_status;
SET ROLE regress_index_owner;
SELECT audience, usable FROM segments.index_status;
SET ROLE regress_index_blind;
SELECT segments.drop_index('helpers.own');
DROP TABLE helpers.own;

-- All rights; those to some columns; not those to memberships; none to the schema; none at all.
SET ROLE regress_index_owner;
SELECT * FROM helpers.asked();
SET ROLE regress_index_reader;
SELECT * FROM helpers.asked();
SET ROLE regress_index_columns;
SELECT * FROM helpers.asked();
SET ROLE regress_index_partial;
SELECT * FROM helpers.asked();
SET ROLE regress_index_outside;
SELECT * FROM helpers.asked();
SET ROLE regress_index_blind;
SELECT * FROM helpers.asked();

-- The same rule by several roles in one session: what was made for one is not another's.
SET segments.use_index = force;
PREPARE counted(segments.rule) AS SELECT segments.count('inside.numbers', $1);
PREPARE keyed AS SELECT count(*) FROM segments.keys('inside.numbers', '{"list":2}') k;
PREPARE listed AS SELECT count(keys) FROM (SELECT segments.keys('inside.numbers', '{"list":2}') OFFSET 0) k;
PREPARE rows AS SELECT count(*) FROM segments.members(NULL::inside.numbers, '{"list":2}') n;
SET plan_cache_mode = force_generic_plan;
SET ROLE regress_index_owner;
EXECUTE counted('{"list":2}');
EXECUTE keyed;
EXECUTE listed;
EXECUTE rows;
SET ROLE regress_index_partial;
EXECUTE counted('{"list":2}');
EXECUTE keyed;
EXECUTE listed;
EXECUTE rows;
SET ROLE regress_index_outside;
EXECUTE counted('{"list":2}');
EXECUTE keyed;
EXECUTE listed;
EXECUTE rows;
SET ROLE regress_index_reader;
EXECUTE counted('{"list":2}');
EXECUTE keyed;
EXECUTE listed;
EXECUTE rows;
-- Nor after rights have gone, or come.
SET ROLE regress_index_owner;
REVOKE SELECT ON lists.members FROM regress_index_reader;
SET ROLE regress_index_reader;
EXECUTE counted('{"list":2}');
EXECUTE keyed;
EXECUTE listed;
EXECUTE rows;
SET ROLE regress_index_owner;
GRANT SELECT ON lists.members TO regress_index_reader;
SET ROLE regress_index_reader;
EXECUTE counted('{"list":2}');
EXECUTE keyed;
EXECUTE listed;
EXECUTE rows;

-- A function with its owner's rights, and one with the caller's within it.
SET ROLE regress_index_owner;
CREATE FUNCTION inside.count_for(rule text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN helpers.answer(format('SELECT segments.count(''inside.numbers'', %L)', rule), 'force'); END $$;
CREATE FUNCTION inside.keys_for(rule text) RETURNS SETOF bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN QUERY SELECT k FROM segments.keys('inside.numbers', rule::segments.rule) k; END $$;
GRANT EXECUTE ON FUNCTION inside.count_for(text), inside.keys_for(text) TO regress_index_blind;
SET ROLE regress_index_blind;
SELECT inside.count_for('{"list":2}'), helpers.answer($$SELECT segments.count('inside.numbers', '{"list":2}')$$, 'force'), inside.count_for('{"list":2}'), (SELECT count(*) FROM inside.keys_for('{"list":2}'));
-- A cursor that a function opened goes on by its owner's rights.
BEGIN;
DECLARE c CURSOR FOR SELECT count(*) FROM inside.keys_for('{"list":2}');
SELECT helpers.answer($$SELECT segments.count('inside.numbers', '{"list":2}')$$, 'force');
FETCH c;
COMMIT;

-- Segments' views: by the rights of who asks, or of the owner.
CREATE FUNCTION pg_temp.views() RETURNS TABLE (role name, use_index text, vip text, vip_of_owner text) LANGUAGE sql AS $$
    SELECT current_user, u, helpers.answer('SELECT count(*) FROM inside.vip', u), helpers.answer('SELECT count(*) || '' '' || sum(score) FROM inside.vip_of_owner', u) FROM unnest('{off,force}'::text[]) u $$;
SET ROLE regress_index_owner;
SELECT * FROM pg_temp.views();
SET ROLE regress_index_reader;
SELECT * FROM pg_temp.views();
SET ROLE regress_index_partial;
SELECT * FROM pg_temp.views();
SET ROLE regress_index_blind;
SELECT * FROM pg_temp.views();

-- Row security of the audience: enabled, it is the reader's; forced, the owner's too; never who bypasses it.
SET ROLE regress_index_owner;
CREATE POLICY even ON inside.numbers USING (tenant = 0);
ALTER TABLE inside.numbers ENABLE ROW LEVEL SECURITY;
SELECT * FROM helpers.asked();
SET ROLE regress_index_reader;
SELECT * FROM helpers.asked();
SELECT audience, usable, problem FROM segments.index_status;
EXECUTE counted('{"list":2}');
EXECUTE keyed;
EXECUTE listed;
EXECUTE rows;
SET ROLE regress_index_bypass;
SELECT * FROM helpers.asked();
EXECUTE counted('{"list":2}');
EXECUTE keyed;
EXECUTE listed;
EXECUTE rows;
SET ROLE regress_index_reader;
EXECUTE counted('{"list":2}');
SET row_security = off;
SELECT * FROM helpers.asked();
EXECUTE keyed;
EXECUTE rows;
RESET row_security;
SET ROLE regress_index_partial;
SELECT * FROM helpers.asked();
SET ROLE regress_index_owner;
SELECT * FROM pg_temp.views();
ALTER TABLE inside.numbers FORCE ROW LEVEL SECURITY;
SELECT * FROM helpers.asked();
SELECT * FROM pg_temp.views();
SELECT inside.count_for('{"list":2}');
SET ROLE regress_index_reader;
SELECT * FROM pg_temp.views();
-- Built while it applies to the owner, the index has all rows all the same.
SET ROLE regress_index_owner;
SELECT segments.rebuild_index('inside.numbers');
UPDATE inside.numbers SET score = 0 WHERE id < 10;
SELECT segments.compact('inside.numbers');
SELECT * FROM helpers.asked() WHERE about IN ('everyone', 'score', 'list');
SET ROLE regress_index_bypass;
SELECT * FROM helpers.asked() WHERE about IN ('everyone', 'score', 'list');
SET ROLE regress_index_owner;
ALTER TABLE inside.numbers NO FORCE ROW LEVEL SECURITY;
ALTER TABLE inside.numbers DISABLE ROW LEVEL SECURITY;
SET ROLE regress_index_reader;
EXECUTE counted('{"list":2}');
EXECUTE keyed;
EXECUTE listed;
EXECUTE rows;
-- The scan is a call of the function.
RESET ROLE;
BEGIN;
REVOKE EXECUTE ON FUNCTION segments.keys(regclass, segments.rule, boolean) FROM public;
SET LOCAL ROLE regress_index_reader;
SAVEPOINT s;
EXECUTE keyed;
ROLLBACK TO s;
EXECUTE listed;
ROLLBACK;
SET ROLE regress_index_reader;

-- Of a membership table.
SET ROLE regress_index_owner;
CREATE POLICY positive ON lists.members USING (tenant > 0);
ALTER TABLE lists.members ENABLE ROW LEVEL SECURITY;
SELECT * FROM helpers.asked() WHERE means <> 'index' OR differs <> '';
SET ROLE regress_index_reader;
SELECT * FROM helpers.asked();
SET ROLE regress_index_bypass;
SELECT * FROM helpers.asked() WHERE means <> 'index' OR differs <> '';
SET ROLE regress_index_reader;
SELECT * FROM pg_temp.views();
SET ROLE regress_index_owner;
ALTER TABLE lists.members FORCE ROW LEVEL SECURITY;
SELECT * FROM helpers.asked();
SELECT * FROM pg_temp.views();
ALTER TABLE lists.members NO FORCE ROW LEVEL SECURITY;
ALTER TABLE lists.members DISABLE ROW LEVEL SECURITY;

-- Of events; of a partition alone, it is nothing to who asks the whole.
CREATE POLICY positive ON inside.messages USING (tenant > 0);
ALTER TABLE inside.messages ENABLE ROW LEVEL SECURITY;
SET ROLE regress_index_reader;
SELECT * FROM helpers.asked() WHERE about LIKE '%event' OR means <> 'index' OR differs <> '';
SET ROLE regress_index_owner;
SELECT * FROM helpers.asked() WHERE means <> 'index' OR differs <> '';
ALTER TABLE inside.messages FORCE ROW LEVEL SECURITY;
SELECT * FROM helpers.asked() WHERE about LIKE '%event' OR means <> 'index' OR differs <> '';
ALTER TABLE inside.messages NO FORCE ROW LEVEL SECURITY;
ALTER TABLE inside.messages DISABLE ROW LEVEL SECURITY;
CREATE POLICY none ON inside.messages_1 USING (false);
ALTER TABLE inside.messages_1 ENABLE ROW LEVEL SECURITY;
ALTER TABLE inside.messages_1 FORCE ROW LEVEL SECURITY;
SET ROLE regress_index_reader;
SELECT * FROM helpers.asked() WHERE about LIKE '%event' OR means <> 'index' OR differs <> '';

-- Suppression by a membership: who may not read that, asks as without the index.
SET ROLE regress_index_owner;
SELECT segments.suppress('inside.numbers', '{"field":"tag","operator":"equal","value":"t1"}', reason => 'tagged');
SELECT * FROM helpers.asked() WHERE about IN ('everyone', 'score') OR differs <> '';
SET ROLE regress_index_reader;
SELECT * FROM helpers.asked() WHERE about IN ('everyone', 'score') OR differs <> '';
SET ROLE regress_index_partial;
SELECT * FROM helpers.asked() WHERE about IN ('everyone', 'score') OR differs <> '';
SET ROLE regress_index_outside;
SELECT * FROM helpers.asked() WHERE about IN ('everyone', 'score') OR differs <> '';

RESET ROLE;
RESET segments.use_index;
-- Writers need no right to the index's tables.
CREATE ROLE regress_index_writer;
GRANT USAGE ON SCHEMA inside, lists TO regress_index_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON inside.numbers, lists.members, inside.messages TO regress_index_writer;
SET ROLE regress_index_writer;
INSERT INTO inside.numbers VALUES (1001, 0, 5, 'new', 'z');
UPDATE inside.numbers SET carrier = 'newer' WHERE id = 7;
DELETE FROM lists.members WHERE number = 9;
INSERT INTO inside.messages VALUES (1001, '2024-02-02', 'click', 0);
RESET ROLE;
SELECT * FROM helpers.asked() WHERE means <> 'index' OR differs <> '';
SELECT * FROM segments.verify('inside.numbers', 20);

DROP OWNED BY regress_index_owner, regress_index_reader, regress_index_columns, regress_index_partial, regress_index_outside, regress_index_bypass, regress_index_blind, regress_index_writer CASCADE;
DROP ROLE regress_index_owner, regress_index_reader, regress_index_columns, regress_index_partial, regress_index_outside, regress_index_bypass, regress_index_blind, regress_index_writer;
