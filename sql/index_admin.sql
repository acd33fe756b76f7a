-- Segment indexes: what they may be made of, their triggers, who may make them, and what DDL does to them.
\set SHOW_CONTEXT never
CREATE EXTENSION segments;
SET TimeZone = 'UTC';
CREATE FUNCTION refusal(command text) RETURNS TABLE (state text, message text, detail text, hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE command;
    state := 'accepted';
    RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN NEXT;
END $$;
CREATE TYPE color AS ENUM ('red', 'green');
CREATE TYPE happening AS ENUM ('open', 'click', 'other');
CREATE DOMAIN score AS numeric(5,2);
CREATE TABLE numbers (
    id bigint PRIMARY KEY, small int2, whole int4, day date, local timestamp, instant timestamptz, exact numeric(18,4), domain score, real float4, double float8,
    flag boolean, word text, short varchar(20), fixed char(3), who uuid, address inet, net cidr, hardware macaddr, paint color, tags text[], paints color[], counts int8[],
    loose numeric, wide numeric(20,2), document jsonb, pause interval, days date[], fixeds char(3)[]);
INSERT INTO numbers SELECT i, i % 5, i % 7, '2024-01-01'::date + i, '2024-01-01'::timestamp + i * interval '1 hour', '2024-01-01Z'::timestamptz + i * interval '7 hours',
    i / 4.0, i % 9 / 2.0, i / 3.0, i * 1.5, i % 3 = 0, 'w' || i % 6, CASE WHEN i % 4 > 0 THEN 's' || i % 3 END, i % 2, NULL, '10.0.0.1'::inet + i % 3, NULL, NULL,
    CASE i % 3 WHEN 0 THEN 'red' WHEN 1 THEN 'green' END::color, ARRAY['t' || i % 3, 't' || i % 5], '{red}', ARRAY[i % 4]
    FROM generate_series(1, 300) i;
CREATE TABLE list_members (number_id bigint, list_id int, PRIMARY KEY (number_id, list_id));
INSERT INTO list_members SELECT i, i % 4 FROM generate_series(1, 200) i;
CREATE TABLE tagged (number_id int, tag text, weight float8);
INSERT INTO tagged SELECT i % 90, 'tag ' || i % 7, i FROM generate_series(1, 300) i;
CREATE VIEW tagged_too AS SELECT * FROM tagged;
CREATE TABLE messages (number_id bigint, at timestamptz, kind happening) PARTITION BY RANGE (at);
CREATE TABLE messages_24 PARTITION OF messages FOR VALUES FROM ('2024-01-01Z') TO ('2025-01-01Z') PARTITION BY LIST (kind);
CREATE TABLE messages_24_click PARTITION OF messages_24 FOR VALUES IN ('click');
CREATE TABLE messages_24_rest PARTITION OF messages_24 DEFAULT;
CREATE TABLE messages_rest PARTITION OF messages DEFAULT;
INSERT INTO messages SELECT i % 120, '2024-03-01Z'::timestamptz + i * interval '9 hours', (enum_range(NULL::happening))[1 + i % 3] FROM generate_series(1, 900) i;
CREATE TABLE visits (number_id int, at timestamptz);
INSERT INTO visits SELECT i % 50, '2024-03-01Z'::timestamptz + i * interval '5 hours' FROM generate_series(1, 200) i;
CREATE TABLE calls (number_id bigint, at timestamp);
SELECT segments.add_membership('numbers', 'list', 'list_members', 'number_id', 'list_id');
SELECT segments.add_membership('numbers', 'tag', 'tagged', 'number_id', 'tag');
SELECT segments.add_membership('numbers', 'weight', 'tagged', 'number_id', 'weight');
SELECT segments.add_membership('numbers', 'tag too', 'tagged_too', 'number_id', 'tag');
SELECT segments.add_events('numbers', 'message', 'messages', 'number_id', 'at', 'kind', '{open,click}');
SELECT segments.add_events('numbers', 'visit', 'visits', 'number_id', 'at');
SELECT segments.add_events('numbers', 'call', 'calls', 'number_id', 'at');
SELECT segments.add_event_field('numbers', 'clicks', '{"event":"click"}');
SELECT segments.add_event_field('numbers', 'last_open', '{"event":"open","measure":"last"}');
SELECT segments.add_event_field('numbers', 'recent clicks', '{"event":"click","within":{"last":30,"unit":"day"}}');
SELECT segments.add_field('numbers', 'twice', 'whole * 2');
CREATE VIEW kept AS SELECT i.audience::regclass, f.field, s.relation::regclass AS relation, f.kind, f.name, f.type::regtype AS type, f.event
    FROM segments.index_state i JOIN segments.index_field f ON f.id = i.id JOIN segments.index_source s ON s.id = f.id AND s.source = f.source;
CREATE VIEW triggers AS SELECT t.tgrelid::regclass AS relation, count(*), bool_and(t.tgenabled = 'A' AND t.tgfoid = 'segments.index_change()'::regprocedure AND EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_trigger'::regclass AND d.objid = t.oid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'x')) AS right
    FROM pg_trigger t WHERE t.tgname LIKE 'segments\_index\_%' GROUP BY t.tgrelid;
CREATE VIEW status AS SELECT audience, usable, problem FROM segments.index_status;
CREATE VIEW remains AS SELECT (SELECT count(*) FROM segments.index_definition) AS definitions, (SELECT count(*) FROM segments.index_state) AS states,
    (SELECT count(*) FROM segments.index_source) AS sources, (SELECT count(*) FROM segments.index_field) AS fields, (SELECT count(*) FROM segments.slice) AS slices,
    (SELECT count(*) FROM segments.slice_entry) AS entries, (SELECT count(*) FROM segments.delta) AS deltas, (SELECT count(*) FROM segments.dictionary) AS dictionary,
    (SELECT coalesce(sum(count), 0) FROM triggers) AS triggers;

-- Everything that can be; a null definition says so.
SELECT segments.create_index('numbers');
SELECT field, relation, kind, name, type, event FROM kept ORDER BY field;
SELECT DISTINCT s.source, s.kind, s.relation::regclass, s.member, s.value, s.at, s.event_kind FROM segments.index_source s ORDER BY 1;
SELECT * FROM triggers ORDER BY relation::text COLLATE "C";
SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 'messages_24'::regclass AND tgname LIKE 'segments%' ORDER BY tgname;
SELECT audience, fields, members, generation > 0 AS generation, built IS NOT NULL AS built, usable, problem FROM segments.index_status;
SELECT * FROM segments.index_definition;
SELECT count(*) FROM segments.progress;
SELECT * FROM segments.verify('numbers', 60);
SELECT segments.compact('numbers');
SELECT segments.drop_index('numbers');
SELECT * FROM remains;

-- By name: columns, membership fields, event fields and events; the key needs no keeping, and nothing is kept twice.
SELECT segments.create_index('numbers', '{word,id,list,word,clicks,message.click,open,visit}');
SELECT field, kind, name, event FROM kept ORDER BY field;
SELECT * FROM segments.index_definition;
SELECT * FROM segments.verify('numbers', 40);
SELECT segments.drop_index('numbers');

\x on
\t on
SELECT * FROM refusal($$SELECT segments.create_index('numbers', '{wrod}')$$);
SELECT * FROM refusal($$SELECT segments.create_index('numbers', '{zzzzzzzz}')$$);
SELECT * FROM refusal($$SELECT segments.create_index('numbers', '{word,NULL}')$$);
SELECT * FROM refusal($$SELECT segments.create_index('numbers', '{}')$$);
SELECT * FROM refusal($$SELECT segments.create_index('numbers', '{twice}')$$);
SELECT * FROM refusal($$SELECT segments.create_index('numbers', '{document}')$$);
SELECT * FROM refusal($$SELECT segments.create_index('numbers', '{wide}')$$);
SELECT * FROM refusal($$SELECT segments.create_index('numbers', '{weight}')$$);
SELECT * FROM refusal($$SELECT segments.create_index('numbers', '{tag too}')$$);
SELECT * FROM refusal($$SELECT segments.create_index('numbers', '{call}')$$);
SELECT * FROM refusal($$SELECT segments.create_index('numbers', '{recent clicks}')$$);
SELECT * FROM refusal($$SELECT segments.create_index(NULL)$$);
SELECT * FROM refusal($$SELECT segments.drop_index('numbers')$$);
SELECT * FROM refusal($$SELECT segments.rebuild_index('numbers')$$);
SELECT * FROM refusal($$SELECT segments.compact('numbers')$$);
SELECT * FROM refusal($$SELECT * FROM segments.verify('numbers')$$);
SELECT * FROM refusal($$SELECT * FROM segments.verify(NULL)$$);
SELECT segments.add_events('numbers', 'mail', 'messages', 'number_id', 'at', 'kind', '{open}');
SELECT * FROM refusal($$SELECT segments.create_index('numbers', '{open}')$$);
SELECT segments.drop_events('numbers', 'mail');

-- Audiences that cannot have one.
CREATE VIEW seen AS SELECT * FROM numbers;
SELECT segments.add_audience('seen', 'id');
SELECT * FROM refusal($$SELECT segments.create_index('seen')$$);
CREATE MATERIALIZED VIEW stored AS SELECT id, whole FROM numbers;
SELECT segments.add_audience('stored', 'id');
SELECT * FROM refusal($$SELECT segments.create_index('stored')$$);
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE far (id int) SERVER nowhere;
SELECT segments.add_audience('far', 'id');
SELECT * FROM refusal($$SELECT segments.create_index('far')$$);
CREATE TEMPORARY TABLE passing (id int PRIMARY KEY);
SELECT * FROM refusal($$SELECT segments.create_index('passing')$$);
CREATE UNLOGGED TABLE quick (id int PRIMARY KEY);
SELECT * FROM refusal($$SELECT segments.create_index('quick')$$);
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent);
SELECT * FROM refusal($$SELECT segments.create_index('parent')$$);
SELECT * FROM refusal($$SELECT segments.create_index('child')$$);
CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE UNLOGGED TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
SELECT * FROM refusal($$SELECT segments.create_index('parts')$$);
SELECT segments.add_audience('parts_1', 'id');
SELECT * FROM refusal($$SELECT segments.create_index('parts_1')$$);
CREATE TABLE far_parts (id int NOT NULL) PARTITION BY RANGE (id);
CREATE FOREIGN TABLE far_parts_1 PARTITION OF far_parts FOR VALUES FROM (0) TO (100) SERVER nowhere;
SELECT segments.add_audience('far_parts', 'id');
SELECT * FROM refusal($$SELECT segments.create_index('far_parts')$$);
CREATE TABLE people (name text PRIMARY KEY);
SELECT * FROM refusal($$SELECT segments.create_index('people')$$);
CREATE TABLE nullable (id int UNIQUE);
SELECT segments.add_audience('nullable', 'id');
SELECT * FROM refusal($$SELECT segments.create_index('nullable')$$);
CREATE TABLE double (id int NOT NULL, n int);
CREATE UNIQUE INDEX ON double (id) WHERE n > 0;
CREATE UNIQUE INDEX ON double (id, n);
CREATE UNIQUE INDEX ON double ((id + 1));
SELECT segments.add_audience('double', 'id');
SELECT * FROM refusal($$SELECT segments.create_index('double')$$);
CREATE TABLE later (id int PRIMARY KEY DEFERRABLE);
SELECT * FROM refusal($$SELECT segments.create_index('later')$$);
CREATE UNIQUE INDEX ON later (id) INCLUDE (id);
SELECT * FROM refusal($$SELECT segments.create_index('later')$$);
CREATE TABLE bare (n int);
SELECT * FROM refusal($$SELECT segments.create_index('bare')$$);
SELECT * FROM refusal($$SELECT segments.create_index('later')$$);
\t off
\x off
SELECT segments.drop_index('later');
-- Registers the audience; a partitioned one has triggers on its partitions.
CREATE DOMAIN key AS int;
CREATE TABLE sold (id key PRIMARY KEY, n int) PARTITION BY RANGE (id);
CREATE TABLE sold_1 PARTITION OF sold FOR VALUES FROM (0) TO (100);
INSERT INTO sold SELECT i, i % 3 FROM generate_series(1, 50) i;
SELECT segments.create_index('sold');
SELECT audience, key FROM segments.audience WHERE audience = 'sold'::regclass;
SELECT * FROM triggers ORDER BY relation::text COLLATE "C";
SELECT * FROM segments.verify('sold', 20);
SELECT segments.drop_index('sold');

-- Only the latest state of its tables will do.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM refusal($$SELECT segments.create_index('numbers')$$);
COMMIT;
SELECT segments.create_index('numbers', '{word,list,clicks,visit}');
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT * FROM refusal($$SELECT segments.rebuild_index('numbers')$$);
SELECT * FROM refusal($$SELECT segments.drop_index('numbers')$$);
COMMIT;
SELECT state, hint FROM refusal($$SELECT segments.create_index('numbers')$$);
-- Nor while a statement is at work on them.
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM segments.rebuild_index('numbers'); RETURN NULL; END $$;
CREATE TRIGGER meddle AFTER INSERT ON numbers FOR EACH ROW EXECUTE FUNCTION meddle();
SELECT state, message FROM refusal($$INSERT INTO numbers (id) VALUES (1000)$$);
DROP TRIGGER meddle ON numbers;
-- It is all undone with the transaction.
BEGIN;
SELECT segments.drop_index('numbers');
ROLLBACK;
SELECT * FROM status;
BEGIN;
SELECT segments.create_index('sold');
ROLLBACK;
SELECT * FROM triggers ORDER BY relation::text COLLATE "C";

-- Two indexes on one table share its triggers: they go with the last.
CREATE TABLE shops (id int PRIMARY KEY);
SELECT segments.add_membership('shops', 'list', 'list_members', 'number_id', 'list_id');
SELECT segments.create_index('shops');
SELECT segments.drop_index('numbers');
SELECT * FROM triggers ORDER BY relation::text COLLATE "C";
SELECT segments.drop_index('shops');
SELECT * FROM remains;

-- Renames are followed.
SELECT segments.create_index('numbers', '{word,list,clicks,visit,whole,open}');
ALTER TABLE numbers RENAME word TO "the ""word""";
ALTER TABLE list_members RENAME list_id TO list;
ALTER TABLE visits RENAME TO "Visits";
SELECT * FROM segments.index_definition;
SELECT name FROM kept WHERE kind = 'c';
SELECT * FROM status;
SELECT * FROM segments.verify('numbers', 20);
ALTER TABLE "Visits" RENAME TO visits;
ALTER TABLE numbers RENAME "the ""word""" TO word;
-- Another event of the name: what was asked for says which it means.
SELECT segments.add_events('numbers', 'mail', 'messages', 'number_id', 'at', 'kind', '{open}');
SELECT * FROM segments.index_definition;
SELECT segments.drop_events('numbers', 'mail');

-- What is dropped goes from what was asked for, and what the index kept of it is not used any more.
SELECT segments.add_events('numbers', 'visit', 'visits', 'number_id', 'at');
SELECT segments.add_membership('numbers', 'list', 'list_members', 'number_id', 'list');
SELECT * FROM status;
SELECT segments.drop_field('numbers', 'clicks');
SELECT * FROM segments.index_definition;
SELECT * FROM status;
SELECT segments.drop_membership('numbers', 'list');
SELECT * FROM segments.index_definition;
SELECT * FROM status;
SELECT state, message, detail FROM refusal($$SELECT * FROM segments.verify('numbers')$$);
SELECT segments.compact('numbers');
SELECT * FROM status;
SELECT * FROM triggers ORDER BY relation::text COLLATE "C";
SELECT segments.drop_events('numbers', 'visit');
SELECT * FROM segments.index_definition;
SELECT * FROM status;
SET client_min_messages = warning;
ALTER TABLE numbers DROP COLUMN whole CASCADE;
RESET client_min_messages;
SELECT * FROM segments.index_definition;
SELECT segments.rebuild_index('numbers');
SELECT * FROM status;
SELECT name FROM kept ORDER BY field;
-- The same by DROP of what they are read from.
SELECT segments.drop_index('numbers');
SELECT segments.add_membership('numbers', 'list', 'list_members', 'number_id', 'list');
SELECT segments.add_events('numbers', 'visit', 'visits', 'number_id', 'at');
SELECT segments.create_index('numbers', '{word,list,visit,tag}');
DROP TABLE visits;
SELECT * FROM segments.index_definition;
SELECT * FROM status;
SELECT segments.rebuild_index('numbers');
ALTER TABLE list_members DROP COLUMN list;
SELECT * FROM segments.index_definition;
SELECT * FROM status;
SELECT segments.rebuild_index('numbers');
SELECT name FROM kept ORDER BY field;
-- A field that means something else now.
ALTER TABLE list_members ADD list int;
SELECT segments.add_membership('numbers', 'tag', 'list_members', 'number_id', 'list');
SELECT * FROM status;
SELECT segments.rebuild_index('numbers');
SELECT relation, kind, name, type FROM kept WHERE kind = 'm';
SELECT segments.drop_index('numbers');
SELECT segments.create_index('numbers', '{word,message.click}');
SELECT segments.add_events('numbers', 'message', 'messages_24_rest', 'number_id', 'at', 'kind', '{open,click}');
SELECT * FROM status;
SELECT segments.add_events('numbers', 'message', 'messages', 'number_id', 'at', 'kind', '{open,click}');
-- What cannot be indexed any more, too.
ALTER TABLE numbers ALTER word TYPE jsonb USING to_jsonb(word);
SELECT segments.rebuild_index('numbers');
SELECT * FROM segments.index_definition;
SELECT name FROM kept ORDER BY field;
ALTER TABLE numbers ALTER word TYPE text USING word #>> '{}';
-- Another key.
ALTER TABLE numbers ADD other int;
UPDATE numbers SET other = 1000 - id;
ALTER TABLE numbers ALTER other SET NOT NULL, ADD UNIQUE (other);
SELECT segments.rebuild_index('numbers');
SELECT segments.add_audience('numbers', 'other');
SELECT * FROM status;
SELECT segments.add_audience('numbers', 'id');
SELECT segments.drop_index('numbers');

-- Triggers that were switched, even if they are switched back.
SELECT segments.create_index('numbers', '{short,tag,open,click}');
ALTER TABLE numbers ADD CONSTRAINT positive CHECK (id > 0);
ALTER TABLE numbers DISABLE TRIGGER segments_index_insert, ENABLE ALWAYS TRIGGER segments_index_insert;
SELECT * FROM status;
ALTER TABLE messages_24_click DISABLE TRIGGER USER;
ALTER TABLE messages_24_click ENABLE ALWAYS TRIGGER segments_index_insert, ENABLE ALWAYS TRIGGER segments_index_update,
    ENABLE ALWAYS TRIGGER segments_index_delete, ENABLE ALWAYS TRIGGER segments_index_truncate, ENABLE ALWAYS TRIGGER segments_index_before;
SELECT * FROM status;
SELECT segments.rebuild_index('numbers');
SELECT * FROM status;
ALTER TABLE numbers DISABLE TRIGGER ALL;
ALTER TABLE numbers ENABLE TRIGGER ALL;
SELECT * FROM triggers WHERE NOT "right";
SELECT * FROM status;
SELECT segments.rebuild_index('numbers');
ALTER TABLE numbers ENABLE REPLICA TRIGGER segments_index_delete;
SELECT * FROM status;
SELECT segments.rebuild_index('numbers');
SELECT * FROM triggers ORDER BY relation::text COLLATE "C";
BEGIN ISOLATION LEVEL REPEATABLE READ;
ALTER TABLE numbers DISABLE TRIGGER segments_index_delete;
COMMIT;
SELECT * FROM status;
SELECT segments.rebuild_index('numbers');
DROP TRIGGER segments_index_truncate ON messages_rest;
SELECT * FROM status;
SELECT segments.rebuild_index('numbers');
-- One that only looks like ours is put right.
DROP TRIGGER segments_index_insert ON numbers;
CREATE TRIGGER segments_index_insert AFTER INSERT ON numbers FOR EACH STATEMENT EXECUTE FUNCTION segments.index_change();
CREATE TRIGGER meddle AFTER INSERT ON numbers FOR EACH STATEMENT EXECUTE FUNCTION segments.index_change();
SELECT segments.rebuild_index('numbers');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'numbers'::regclass AND tgfoid = 'segments.index_change()'::regprocedure;
SELECT * FROM status;
-- A label that names a kind of events; one that does not, or another type's, does no harm.
ALTER TYPE color RENAME VALUE 'red' TO 'crimson';
ALTER TYPE happening ADD VALUE 'more';
ALTER TYPE happening RENAME VALUE 'other' TO 'rest';
SELECT * FROM status;
SELECT segments.rebuild_index('numbers');
-- Partitions come and go.
CREATE TABLE messages_23 PARTITION OF messages FOR VALUES FROM ('2023-01-01Z') TO ('2024-01-01Z');
SELECT usable FROM status;
SELECT segments.rebuild_index('numbers');
SELECT * FROM triggers ORDER BY relation::text COLLATE "C";
SELECT * FROM status;
ALTER TABLE messages DETACH PARTITION messages_23;
SELECT usable FROM status;
SELECT segments.compact('numbers');
SELECT * FROM status;
SELECT * FROM segments.verify('numbers', 30);
DROP TABLE messages_23;

-- Rights. Whoever makes an index owns the audience, and may have triggers made on the other tables.
SELECT segments.drop_index('numbers');
CREATE ROLE regress_segments_owner;
CREATE ROLE regress_segments_asker;
GRANT CREATE ON SCHEMA public TO regress_segments_owner;
ALTER TABLE numbers OWNER TO regress_segments_owner;
SET ROLE regress_segments_owner;
SELECT segments.create_index('numbers');
RESET ROLE;
SELECT DISTINCT relation::text COLLATE "C" AS relation FROM kept ORDER BY 1;
SELECT segments.drop_index('numbers');
GRANT TRIGGER ON messages TO regress_segments_owner;
SET ROLE regress_segments_owner;
SELECT state, message, detail, hint FROM refusal($$SELECT segments.create_index('numbers', '{short,tag}')$$);
SELECT segments.create_index('numbers', '{short,click}');
SELECT segments.rebuild_index('numbers');
SELECT segments.compact('numbers');
SELECT audience, fields, usable FROM segments.index_status;
SELECT * FROM segments.index_definition;
RESET ROLE;
SELECT * FROM triggers ORDER BY relation::text COLLATE "C";
SET ROLE regress_segments_asker;
SELECT audience FROM segments.index_status;
SELECT state, message FROM refusal($$SELECT segments.create_index('numbers')$$);
SELECT state, message FROM refusal($$SELECT segments.drop_index('numbers')$$);
SELECT state, message FROM refusal($$SELECT segments.rebuild_index('numbers')$$);
SELECT state, message FROM refusal($$SELECT segments.compact('numbers')$$);
SELECT state, message FROM refusal($$SELECT segments.index_fields('numbers')$$);
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'segments'::regnamespace AND c.relkind IN ('r', 'S') AND c.relname ~ '^(index|slice|delta|dictionary)'
    AND (c.relkind = 'r' AND has_table_privilege(c.oid, 'SELECT') OR c.relkind = 'S' AND has_sequence_privilege(c.oid, 'USAGE, SELECT')) ORDER BY 1;
RESET ROLE;
GRANT SELECT (id, short) ON numbers TO regress_segments_asker;
SET ROLE regress_segments_asker;
SELECT audience FROM segments.index_status;
RESET ROLE;
GRANT SELECT ON numbers TO regress_segments_asker;
SET ROLE regress_segments_asker;
SELECT audience, fields, usable FROM segments.index_status;
SELECT kind, leaf FROM segments.index_questions('numbers');
SELECT * FROM segments.verify('numbers', 20);
RESET ROLE;
ALTER TABLE numbers OWNER TO CURRENT_USER;
DROP OWNED BY regress_segments_owner, regress_segments_asker;
DROP ROLE regress_segments_owner, regress_segments_asker;

-- Indexes that a superuser makes on tables of the index: what takes the executor to keep is refused when it would have to be kept.
CREATE TABLE words (id bigint PRIMARY KEY, word text);
INSERT INTO words VALUES (1, 'old'), (2, 'old');
SELECT segments.add_audience('words');
SELECT segments.create_index('words');
CREATE INDEX more_dictionary ON segments.dictionary (value);
INSERT INTO words VALUES (3, 'new');
DROP INDEX segments.more_dictionary;
CREATE INDEX more_dictionary ON segments.dictionary ((length(value)));
SELECT * FROM refusal($$INSERT INTO words VALUES (4, 'newer')$$);
INSERT INTO words VALUES (5, 'new');
DROP INDEX segments.more_dictionary;
CREATE INDEX more_entries ON segments.slice_entry (chunk) WHERE id > 0;
SELECT state, message FROM refusal($$SELECT segments.rebuild_index('words')$$);
DROP INDEX segments.more_entries;
CREATE INDEX more_reasons ON segments.index_stale ((id + 1));
SELECT state, message FROM refusal($$TRUNCATE words$$);
DROP INDEX segments.more_reasons;
INSERT INTO words VALUES (4, 'newer');
SELECT segments.compact('words');
SELECT segments.facet('words', '{"everyone":true}', 'word');
SELECT segments.drop_audience('words');
DROP TABLE words;

-- drop_audience, DROP TABLE, and DROP EXTENSION without CASCADE.
SELECT segments.create_index('sold');
SELECT segments.drop_audience('sold');
SELECT * FROM triggers ORDER BY relation::text COLLATE "C";
DROP TABLE numbers CASCADE;
SELECT * FROM remains;
SELECT segments.create_index('sold');
SELECT segments.add_membership('shops', 'list', 'list_members', 'number_id', 'list');
SELECT segments.create_index('shops');
DROP VIEW kept, triggers, status, remains;
DROP EXTENSION segments;
SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'segments%';
SELECT count(*) FROM list_members;
