-- Event sources and event fields in the catalog: adding, replacing, dropping, and what DDL does to them.
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
CREATE TYPE message_kind AS ENUM ('sent', 'click');
CREATE DOMAIN what AS varchar(20);
CREATE TABLE people (id bigint PRIMARY KEY, code uuid NOT NULL, name text);
INSERT INTO people SELECT i, md5(i::text)::uuid, 'p' || i FROM generate_series(1, 6) i;
CREATE TABLE messages (gone int, person int, at timestamptz, kind message_kind, campaign int, url text);
ALTER TABLE messages DROP COLUMN gone;
INSERT INTO messages SELECT p, '2024-03-01Z'::timestamptz + i * interval '1 day', CASE WHEN i % 3 = 0 THEN 'click' ELSE 'sent' END::message_kind, i % 2, 'u' || i
    FROM generate_series(1, 4) p, generate_series(1, p * 2) i;
CREATE TABLE visits (person bigint, seen timestamp, what what, pages smallint);
INSERT INTO visits VALUES (5, '2024-03-05', 'view', 3), (6, '2024-03-06', 'search', NULL);
CREATE TABLE purchases (person bigint, at timestamptz, price numeric) PARTITION BY RANGE (at);
CREATE TABLE purchases_2024 PARTITION OF purchases FOR VALUES FROM ('2024-01-01Z') TO ('2025-01-01Z');
INSERT INTO purchases VALUES (1, '2024-03-03Z', 10), (1, '2024-03-04Z', 2.50), (2, '2024-03-03Z', NULL), (NULL, '2024-03-03Z', 7), (99, '2024-03-03Z', 7);

-- Each way to say what happened. The audience is registered by its primary key.
SELECT count(*) FROM segments.events('people');
SELECT segments.add_events('people', 'messages', 'messages', 'person', 'at', 'kind');
SELECT segments.add_events('people', 'visits', 'visits', member => 'person', at => 'seen', kind => 'what', kinds => '{view,search}');
SELECT segments.add_events('people', 'purchase', 'purchases', 'person', 'at');
SELECT segments.add_events('people', 'shop', 'purchases', 'person', 'at', kinds => '{order}');
SELECT audience, key FROM segments.audience;
SELECT * FROM segments.events();
SELECT source, member_attnum, at_attnum, kind, kind_attnum, kinds, column_names FROM segments.event_source ORDER BY source;
SELECT e.event, segments.count('people', json_build_object('event', e.event)::segments.rule)
FROM unnest('{sent,click,messages.click,view,visits.search,purchase,purchase.purchase,order}'::text[]) e(event);

-- Views, materialized views, foreign tables; a domain over timestamptz; an enum of which some kinds are meant.
CREATE DOMAIN instant AS timestamptz;
CREATE VIEW late AS SELECT person, at::instant AS at, kind FROM messages WHERE at > '2024-03-03Z';
CREATE MATERIALIZED VIEW early AS SELECT person::smallint AS person, at, kind::text::char(10) AS kind FROM messages WHERE at < '2024-03-03Z';
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE away (person bigint, at timestamptz) SERVER nowhere;
SELECT segments.add_events('people', 'late', 'late', 'person', 'at', 'kind', '{click}');
SELECT segments.add_events('people', 'early', 'early', 'person', 'at', 'kind', '{sent}');
SELECT segments.add_events('people', 'away', 'away', 'person', 'at');
SELECT source, kind, event_table FROM segments.events('people') WHERE source IN ('late', 'early', 'away');
SELECT e.event, segments.count('people', json_build_object('event', e.event)::segments.rule) FROM unnest('{late.click,early.sent}'::text[]) e(event);
-- Now two sources share a kind's name.
SELECT * FROM refusal($$SELECT segments.count('people', '{"event":"click"}')$$);
SELECT segments.drop_events('people', source) FROM unnest('{late,early,away,shop}'::name[]) source;
SELECT segments.count('people', '{"event":"click"}');

-- What is refused, and then nothing has changed.
CREATE TABLE before AS SELECT * FROM segments.event_source;
CREATE TABLE nokey (id bigint);
CREATE SEQUENCE counter;
CREATE TABLE odd (person text, day date, kind int, at timestamptz, address inet);
\x on
\t on
SELECT r.* FROM (VALUES ($$NULL, 'x', 'visits', 'person', 'seen'$$), ($$'people', NULL, 'visits', 'person', 'seen'$$), ($$'people', '', 'visits', 'person', 'seen'$$),
    ($$'people', 'x', NULL, 'person', 'seen'$$), ($$'people', 'x', 'visits', NULL, 'seen'$$), ($$'people', 'x', 'visits', 'person', NULL$$),
    ($$'people', 'x', 'visits', 'nobody', 'seen'$$), ($$'people', 'x', 'visits', 'person', 'never'$$), ($$'people', 'x', 'visits', 'person', 'seen', 'nothing'$$),
    ($$'people', 'x', 'counter', 'last_value', 'seen'$$), ($$'nokey', 'x', 'visits', 'person', 'seen'$$),
    ($$'people', 'x', 'odd', 'person', 'at'$$), ($$'people', 'x', 'odd', 'kind', 'day'$$), ($$'people', 'x', 'odd', 'kind', 'at', 'kind', '{1}'$$),
    ($$'people', 'x', 'odd', 'kind', 'at', 'address', '{::1}'$$), ($$'people', 'x', 'visits', 'person', 'seen', 'what'$$),
    ($$'people', 'x', 'visits', 'person', 'seen', 'what', '{}'$$), ($$'people', 'x', 'visits', 'person', 'seen', 'what', '{a,NULL}'$$),
    ($$'people', 'x', 'visits', 'person', 'seen', 'what', '{a,""}'$$), ($$'people', 'x', 'visits', 'person', 'seen', 'what', '{a,b,a}'$$),
    ($$'people', 'x', 'visits', 'person', 'seen', NULL, '{a,b}'$$), ($$'people', 'x', 'visits', 'person', 'seen', NULL, '{}'$$),
    ($$'people', 'x', 'messages', 'person', 'at', 'kind', '{sent,clicked}'$$)) c(arguments),
    LATERAL refusal(format('SELECT segments.add_events(%s)', c.arguments)) r;
-- A name has one meaning: source.kind of one source is no kind of another.
SELECT * FROM refusal($$SELECT segments.add_events('people', 'x', 'visits', 'person', 'seen', 'what', '{messages.click}')$$);
SELECT * FROM refusal($$SELECT segments.add_events('people', 'x', 'visits', 'person', 'seen', 'what', '{a,x.a}')$$);
SELECT * FROM refusal($$SELECT segments.drop_events('people', 'nothing')$$);
SELECT * FROM refusal($$SELECT segments.drop_events('nokey', 'x')$$);
\t off
\x off
SELECT count(*) AS same FROM (TABLE before INTERSECT TABLE segments.event_source) s;
SELECT count(*) AS audiences FROM segments.audience;

-- Event fields: fields like any other.
SELECT segments.add_event_field('people', 'sends', '{"event":"sent"}', 'Sent count');
SELECT segments.add_event_field('people', 'clicks', '{"measure":"count","event":"messages.click"}');
SELECT segments.add_event_field('people', 'last_sent', '{"event":"sent","measure":"last"}', label => 'Last received');
SELECT segments.add_event_field('people', 'recent', '{"event":"sent","within":{"last":30,"unit":"day"},"where":{"condition":"AND","rules":[{"field":"campaign","operator":"equal","value":1}]}}');
SELECT segments.add_event_field('people', 'spent', '{"event":"purchase","measure":{"sum":"price"}}');
SELECT segments.add_event_field('people', 'pages', '{"event":"view","measure":{"max":"pages"}}');
SELECT segments.add_event_field('people', 'mean', '{"event":"view","measure":{"avg":"pages"}}');
SELECT segments.add_field('people', 'spent', label => 'Spent', category => 'Money');
SELECT field, leaf, label, category, expression IS NULL AS no_expression FROM segments.field ORDER BY field;
SELECT field, label, category, type, source FROM segments.fields('people') WHERE source = 'event';
SELECT f ->> 'id' AS id, f ->> 'label' AS label, f ->> 'optgroup' AS optgroup, f ->> 'type' AS type, f ->> 'input' AS input
FROM json_array_elements(segments.builder('people')) f WHERE f ->> 'id' IN ('sends', 'last_sent', 'spent', 'pages');
SELECT o ->> 'name' AS name, o ->> 'inputType' AS input
FROM json_array_elements(segments.builder('people', 'rqb')) g, json_array_elements(g -> 'options') o WHERE o ->> 'name' IN ('sends', 'last_sent', 'spent', 'pages');
SELECT r.rule, segments.count('people', r.rule::segments.rule)
FROM (VALUES ('{"field":"sends","operator":"equal","value":0}'), ('{"field":"clicks","operator":"less","value":"sends","value_source":"field"}'), ('{"field":"spent","operator":"equal","value":"12.50"}'),
    ('{"field":"spent","operator":"is_null"}'), ('{"field":"last_sent","operator":"is_null"}'), ('{"field":"pages","operator":"greater","value":2}')) r(rule);
\x on
\t on
SELECT r.* FROM (VALUES ($$'people', NULL, '{"event":"sent"}'$$), ($$'people', '', '{"event":"sent"}'$$), ($$'people', 'name', '{"event":"sent"}'$$), ($$'people', 'x', NULL$$),
    ($$'people', 'x', '{"event":"sended"}'$$), ($$'people', 'x', '{"event":"sent","measure":{"sum":"costs"}}'$$), ($$'people', 'x', '{"event":"sent","measure":{"sum":"url"}}'$$),
    ($$'people', 'x', '{"event":"sent","operator":"equal","value":1}'$$), ($$'people', 'x', '{"everyone":true}'$$), ($$'people', 'x', '[]'$$),
    ($$'people', 'x', '{"event":"sent","within":{"last":0,"unit":"day"}}'$$),
    ($$'people', 'x', '{"event":"sent","where":{"condition":"AND","rules":[{"field":"nothing","operator":"equal","value":1}]}}'$$), ($$'nokey', 'x', '{"event":"sent"}'$$)) c(arguments),
    LATERAL refusal(format('SELECT segments.add_event_field(%s)', c.arguments)) r;
\t off
\x off
-- Expressions and event fields replace each other; memberships bear their own names.
CREATE TABLE tags (person bigint, tag text);
SELECT segments.add_membership('people', 'tag', 'tags', 'person', 'tag');
SELECT state, message FROM refusal($$SELECT segments.add_event_field('people', 'tag', '{"event":"sent"}')$$);
SELECT state, message FROM refusal($$SELECT segments.add_membership('people', 'sends', 'tags', 'person', 'tag')$$);
SELECT segments.create('spenders', 'people', '{"field":"spent","operator":"greater","value":5}', '{id}');
SELECT segments.add_field('people', 'spent', 'id * 2');
SELECT source FROM segments.fields('people') WHERE field = 'spent';
SELECT count(*) FROM spenders;
SELECT segments.add_event_field('people', 'spent', '{"event":"purchase","measure":{"sum":"price"},"within":{"from":"2024-03-04"}}', 'Spent');
SELECT source, label, category FROM segments.fields('people') WHERE field = 'spent';
SELECT count(*) FROM spenders;
SELECT segments.add_event_field('people', 'spent', '{"event":"purchase","measure":{"max":"price"}}', 'Spent');
SELECT * FROM spenders;
SELECT * FROM refusal($$SELECT segments.add_event_field('people', 'spent', '{"event":"purchase","measure":"last"}')$$);
-- Counters that come from events suppress as well.
SELECT segments.suppress('people', sent => 5, sent_field => 'sends', click_field => 'clicks');
SELECT segments.suppress('people', sent => 1, sent_field => 'sends', click_field => 'clicks', reason => 'never');
SELECT * FROM segments.suppressed;
SELECT segments.unsuppress('people', reason) FROM segments.suppression;

-- Used, they cannot go.
SELECT segments.create('clickers', 'people', '{"event":"click"}', '{id}');
SELECT segments.create('viewers', 'people', '{"sequence":[{"event":"view","where":{"condition":"AND","rules":[{"field":"pages","operator":"greater","value":1}]}},{"event":"visits.search","not":true}]}', '{id}');
SELECT segments.create('best', 'people', '{"condition":"OR","rules":[{"segment":"clickers"},{"field":"recent","operator":"greater","value":0}]}', '{id}');
SELECT segments.suppress('people', '{"event":"search"}', reason => 'searched');
\x on
\t on
SELECT r.* FROM unnest(ARRAY[$$drop_events('people', 'messages')$$, $$drop_events('people', 'visits')$$, $$drop_events('people', 'purchase')$$,
    $$drop_field('people', 'spent')$$, $$drop_field('people', 'recent')$$, $$drop_audience('people')$$]) call, LATERAL refusal('SELECT segments.' || call) r;
-- A source is replaced only by one that has what is used.
SELECT * FROM refusal($$SELECT segments.add_events('people', 'messages', 'messages', 'person', 'at', 'kind', '{sent}')$$);
SELECT * FROM refusal($$SELECT segments.add_events('people', 'visits', 'messages', 'person', 'at', 'kind')$$);
SELECT * FROM refusal($$SELECT segments.add_events('people', 'visits', 'messages', 'person', 'at', 'url', '{view,search}')$$);
SELECT * FROM refusal($$SELECT segments.add_events('people', 'purchase', 'visits', 'person', 'seen', kinds => '{purchase}')$$);
\t off
\x off
CREATE TABLE archive (LIKE messages);
INSERT INTO archive SELECT 5, '2024-03-01Z', kind, 1, 'a' FROM unnest(enum_range(NULL::message_kind)) kind;
SELECT segments.add_events('people', 'messages', 'archive', 'person', 'at', 'kind', '{sent,click}');
SELECT array_agg(id) FROM clickers;
SELECT segments.keys('people', '{"field":"sends","operator":"equal","value":1}');
SELECT state FROM refusal('DROP TABLE archive');
SELECT segments.add_events('people', 'messages', 'messages', 'person', 'at', 'kind');
DROP TABLE archive;
SELECT array_agg(id ORDER BY id) FROM clickers;
-- A kind that is no longer the only one of its name: stored rules go on meaning what they meant.
CREATE TABLE web (person bigint, at timestamptz, kind text);
INSERT INTO web VALUES (5, '2024-03-01Z', 'click');
SELECT segments.add_events('people', 'web', 'web', 'person', 'at', 'kind', '{click,view}');
SELECT name, rule FROM segments.list ORDER BY name;
SELECT segments.rebuild('people');
SELECT array_agg(id ORDER BY id) FROM clickers;
SELECT state, message FROM refusal($$SELECT segments.drop_events('people', 'web')$$);
SELECT segments.rebuild('people');

-- Renames: of tables, columns, schemas.
CREATE VIEW state AS
SELECT name || ': ' || rule AS stored FROM segments.list
UNION ALL SELECT 'suppressed, ' || reason || ': ' || rule FROM segments.suppression
UNION ALL SELECT 'field ' || field || ': ' || leaf FROM segments.field WHERE leaf IS NOT NULL
UNION ALL SELECT format('source %s: %s %s %s %s', source, event_table, member, at, kind) FROM segments.event_source;
CREATE TABLE answers AS SELECT (SELECT array_agg(id ORDER BY id) FROM best) AS best, (SELECT array_agg(id) FROM viewers) AS viewers,
    (SELECT array_agg(s::text ORDER BY s) FROM segments.suppressed s) AS suppressed, segments.count('people', '{"field":"spent","operator":"greater","value":5}', false) AS spenders;
CREATE VIEW same AS SELECT best = (SELECT array_agg(id ORDER BY id) FROM best) AND viewers = (SELECT array_agg(id) FROM viewers) AND
    suppressed = (SELECT array_agg(s::text ORDER BY s) FROM segments.suppressed s) AND
    spenders = segments.count('people', '{"field":"spent","operator":"greater","value":5}', false) AS same FROM answers;
SELECT * FROM answers;
ALTER TABLE messages RENAME person TO member;
ALTER TABLE messages RENAME at TO "when";
ALTER TABLE messages RENAME kind TO "kind ""k""";
ALTER TABLE messages RENAME campaign TO "Campaign";
ALTER TABLE visits RENAME pages TO page_count;
ALTER TABLE purchases RENAME price TO paid;
ALTER TABLE visits RENAME TO "Visits";
CREATE SCHEMA log;
ALTER TABLE messages SET SCHEMA log;
ALTER TYPE message_kind RENAME TO kinds;
SELECT stored FROM state ORDER BY stored COLLATE "C";
SELECT same FROM same;
SELECT segments.rebuild('people');
SELECT same FROM same;
-- The audience's own column of a name that an event table renames stays.
ALTER TABLE people ADD COLUMN page_count int;
SELECT segments.create('own', 'people', '{"condition":"AND","rules":[{"field":"page_count","operator":"is_null"},{"event":"visits.view","measure":{"distinct":"page_count"},"operator":"equal","value":1}]}', '{id}');
ALTER TABLE "Visits" RENAME page_count TO pages;
SELECT rule FROM segments.list WHERE name = 'own';
SELECT segments.drop('own');

-- DROP of what rules and fields use.
SET client_min_messages = warning;
SELECT r.state, r.message FROM unnest(ARRAY['DROP TABLE log.messages', 'DROP TABLE purchases', 'DROP TABLE "Visits" CASCADE', 'ALTER TABLE purchases DROP COLUMN paid',
    'ALTER TABLE log.messages DROP COLUMN "when"', 'ALTER TABLE "Visits" DROP COLUMN pages', 'ALTER TABLE log.messages ALTER "Campaign" TYPE text',
    'ALTER TABLE people DROP COLUMN id', 'DROP TYPE kinds']) command, LATERAL refusal(command) r;
RESET client_min_messages;
-- Kinds of an enum are called by its labels: those in use keep their names, and no other source's kind gets one.
\x on
\t on
SELECT * FROM refusal($$ALTER TYPE kinds ADD VALUE 'search'$$);
SELECT * FROM refusal($$ALTER TYPE kinds RENAME VALUE 'click' TO 'clicked'$$);
SELECT * FROM refusal($$SELECT segments.add_audience('people', 'code')$$);
\t off
\x off
ALTER TYPE kinds ADD VALUE 'opened' BEFORE 'click';
SELECT kind FROM segments.events('people') WHERE source = 'messages';
SELECT segments.count('people', '{"event":"opened","operator":"equal","value":0}', false);
ALTER TYPE kinds RENAME VALUE 'opened' TO 'read';
SELECT kind FROM segments.events('people') WHERE source = 'messages';
-- CASCADE takes fields and segments, and then the source.
SELECT segments.unsuppress('people', reason) FROM segments.suppression;
SET client_min_messages = warning;
ALTER TABLE purchases DROP COLUMN paid CASCADE;
DROP TABLE log.messages CASCADE;
RESET client_min_messages;
SELECT stored FROM state ORDER BY stored COLLATE "C";
-- Unused sources go with their tables, and their columns.
SELECT segments.drop('viewers');
SELECT segments.drop_field('people', field) FROM unnest('{pages,mean}'::text[]) field;
ALTER TABLE purchases DROP COLUMN person;
SELECT source FROM segments.event_source ORDER BY source;
DROP TABLE "Visits";
ALTER TABLE web DROP COLUMN kind;
SELECT count(*) FROM segments.event_source;
SELECT * FROM segments.fields('people') WHERE source = 'event';

-- Another key: event fields are read by it.
CREATE TABLE logins (code uuid, person bigint, at timestamptz);
INSERT INTO logins SELECT code, id + 1, '2024-03-01Z' FROM people WHERE id < 3;
SELECT segments.drop_membership('people', 'tag');
SELECT segments.add_events('people', 'login', 'logins', 'person', 'at');
SELECT segments.add_event_field('people', 'logins', '{"event":"login"}');
SELECT segments.create('users', 'people', '{"field":"logins","operator":"equal","value":1}', '{id}');
SELECT array_agg(id ORDER BY id) FROM users;
SELECT message FROM refusal($$SELECT segments.add_audience('people', 'code')$$);
ALTER TABLE people ADD COLUMN number bigint;
UPDATE people SET number = id - 1;
SELECT segments.add_audience('people', 'number');
SELECT array_agg(id ORDER BY id) FROM users;
SELECT pg_get_viewdef(view) ~ 'e\.person = n\.number' AS by_number FROM segments.field WHERE field = 'logins';

-- The audience takes its events along: dropped, forgotten, or temporary.
BEGIN;
SELECT segments.drop('users'), segments.drop_audience('people');
SELECT count(*) FROM segments.event_source;
SELECT count(*) FROM segments.field;
SELECT relname FROM pg_class WHERE relnamespace = 'segments'::regnamespace AND relname ~ '^people';
ROLLBACK;
BEGIN;
SET client_min_messages = warning;
DROP TABLE people CASCADE;
RESET client_min_messages;
SELECT count(*) FROM segments.event_source;
ROLLBACK;
BEGIN;
SET LOCAL client_min_messages = warning;
DROP SCHEMA public CASCADE;
SELECT count(*) FROM segments.event_source;
ROLLBACK;
CREATE TEMPORARY TABLE mine (id int PRIMARY KEY);
CREATE TEMPORARY TABLE my_events (member int, at timestamptz);
INSERT INTO mine VALUES (1), (2);
INSERT INTO my_events VALUES (2, '2024-03-01Z');
SELECT segments.add_events('mine', 'my', 'my_events', 'member', 'at');
SELECT segments.add_event_field('mine', 'mys', '{"event":"my"}');
SELECT segments.create('mine_active', 'mine', '{"field":"mys","operator":"greater","value":0}');
TABLE mine_active;
DISCARD TEMP;
SELECT count(*) FROM segments.events() WHERE source = 'my';
SELECT segments.add_event_field('people', 'logins', '{"event":"login"}');
SELECT count(*) FROM segments.event_source WHERE source = 'my';

-- Who may.
CREATE ROLE regress_events_owner;
CREATE ROLE regress_events_plain;
GRANT ALL ON SCHEMA public TO regress_events_owner, regress_events_plain;
SET ROLE regress_events_owner;
CREATE TABLE numbers (id bigint PRIMARY KEY);
INSERT INTO numbers VALUES (1), (2);
CREATE TABLE hits (number bigint, at timestamptz);
INSERT INTO hits VALUES (2, '2024-03-01Z');
SELECT segments.add_events('numbers', 'hit', 'hits', 'number', 'at');
SELECT segments.add_event_field('numbers', 'hits', '{"event":"hit"}');
SELECT segments.create('hit', 'numbers', '{"field":"hits","operator":"greater","value":0}');
GRANT SELECT ON numbers, hit TO regress_events_plain;
SET ROLE regress_events_plain;
SELECT r.* FROM unnest(ARRAY[$$add_events('numbers', 'x', 'hits', 'number', 'at')$$, $$drop_events('numbers', 'hit')$$, $$add_event_field('numbers', 'x', '{"event":"hit"}')$$,
    $$drop_field('numbers', 'hits')$$]) call, LATERAL refusal('SELECT segments.' || call) r;
SELECT source, kind FROM segments.events('numbers');
SELECT state, message FROM refusal($$SELECT segments.count('numbers', '{"event":"hit"}')$$);
SELECT state, message FROM refusal('SELECT count(*) FROM hit');
SELECT state, message FROM refusal($$INSERT INTO segments.event_source SELECT * FROM segments.event_source$$);
SELECT state, message FROM refusal($$SELECT segments._event_names('numbers')$$);
RESET ROLE;
GRANT SELECT ON hits TO regress_events_plain;
SET ROLE regress_events_plain;
SELECT count(*), segments.count('numbers', '{"event":"hit"}') FROM hit;
RESET ROLE;
-- Events that a policy hides have not happened, whatever way one asks.
ALTER TABLE hits ENABLE ROW LEVEL SECURITY;
SET ROLE regress_events_plain;
SELECT count(*), segments.count('numbers', '{"event":"hit"}'), segments.count('numbers', '{"field":"hits","operator":"greater","value":0}') AS by_field,
    (SELECT count(*) FROM segments.keys('numbers', '{"event":"hit"}')) AS keys, (SELECT count(*) FROM segments.members(NULL::numbers, '{"event":"hit"}')) AS members,
    (SELECT count(*) FROM numbers n WHERE segments.matches(n, '{"event":"hit"}')) AS matches, (SELECT count(*) FROM numbers n, segments.of(n)) AS of FROM hit;
RESET ROLE;
SELECT segments.count('numbers', '{"event":"hit"}');
-- A superuser may describe what others own; what that makes reads with the rights of who asks.
SELECT segments.add_event_field('numbers', 'last_hit', '{"event":"hit","measure":"last"}');
SELECT segments.drop_field('numbers', 'last_hit');

SET client_min_messages = warning;
DROP OWNED BY regress_events_owner, regress_events_plain CASCADE;
DROP ROLE regress_events_owner, regress_events_plain;
SELECT count(*) FROM segments.event_source e LEFT JOIN pg_class c ON c.oid = e.event_table WHERE c.oid IS NULL;
