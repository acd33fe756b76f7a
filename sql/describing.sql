-- Describing the data: audiences, fields, memberships; what a rule builder is told.
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
CREATE TYPE mood AS ENUM ('sad', 'fine');
CREATE DOMAIN flag AS boolean;
CREATE TABLE people (id int PRIMARY KEY, name text, sent int, clicks int, mood mood, active flag, born date, seen timestamptz, tags text[]);
INSERT INTO people VALUES (1, 'Ann', 4, 1, 'fine', true, '1990-05-01', '2024-05-01', '{a}'), (2, 'Bob', 0, 0, 'sad', false, NULL, NULL, NULL),
    (3, 'Cy', 5, 5, NULL, NULL, '2000-01-01', '2024-01-01', '{a,b}');
CREATE TABLE lists (id int PRIMARY KEY, title text, old boolean);
INSERT INTO lists VALUES (1, 'News', false), (2, 'Spring "sale"', true), (3, NULL, NULL);
CREATE TABLE list_members (person int, list int, PRIMARY KEY (person, list));
INSERT INTO list_members VALUES (1, 1), (2, 1), (3, 2);
CREATE VIEW ids AS SELECT array_agg(id ORDER BY id) AS ids FROM people;

-- Any relation has its columns, unregistered.
SELECT field, label, category, type, source FROM segments.fields('people');
SELECT count(*) FROM segments.audience;

-- Audiences.
SELECT segments.add_audience('people');
SELECT audience, key, column_names FROM segments.audience;
SELECT segments.add_audience('people', 'name');
SELECT key FROM segments.audience;
SELECT segments.add_audience('people');
SELECT key FROM segments.audience;
CREATE VIEW adults AS SELECT * FROM people WHERE born < '2005-01-01';
CREATE MATERIALIZED VIEW frozen AS SELECT * FROM people;
CREATE TABLE parts (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE keyless (a int);
CREATE SEQUENCE seq;
SELECT segments.add_audience('adults', 'id');
SELECT segments.add_audience('frozen', key => 'id');
SELECT segments.add_audience('parts', 'id');
SELECT audience, key FROM segments.audience ORDER BY audience::text;
\x on
\t on
SELECT * FROM refusal($$SELECT segments.add_audience('keyless')$$);
SELECT * FROM refusal($$SELECT segments.add_audience('keyless', 'b')$$);
SELECT * FROM refusal($$SELECT segments.add_audience('parts_pkey')$$);
SELECT * FROM refusal($$SELECT segments.add_audience('seq', 'last_value')$$);
SELECT * FROM refusal($$SELECT segments.add_audience(NULL)$$);
SELECT * FROM refusal($$SELECT segments.add_audience('nobody')$$);
SELECT * FROM refusal($$SELECT segments.add_audience(4294967295::regclass)$$);
SELECT * FROM refusal($$SELECT segments.add_field('keyless', 'x', 'a + 1')$$);
\t off
\x off
SELECT segments.drop_audience('parts');
SELECT segments.drop_audience('frozen');
SELECT segments.drop_audience('adults');

-- Fields: labels of columns, expressions over the row.
SELECT segments.add_field('people', 'sent', label => 'Sent count', category => 'Number');
SELECT segments.add_field('people', 'rate', 'round(100.0 * clicks / nullif(n.sent, 0))', label => 'Click rate', category => 'Number');
SELECT segments.add_field('people', 'lists', '(SELECT count(*) FROM list_members m WHERE m.person = people.id)');
SELECT segments.add_field('people', 'lists', '(SELECT count(*) FROM list_members m WHERE m.person = n.id)');
SELECT segments.add_field('people', 'whole', 'n::text');
SELECT field, expression, label, category FROM segments.field ORDER BY field COLLATE "C";
SELECT id, segments.matches(p, '{"field":"rate","operator":"greater","value":20}') AS rate,
       segments.matches(p, '{"field":"lists","operator":"equal","value":1}') AS lists FROM people p ORDER BY id;
-- An expression is read under the search_path of who gives it, and means the same under any other.
CREATE SCHEMA other;
CREATE FUNCTION other.twice(int) RETURNS int LANGUAGE sql IMMUTABLE RETURN $1 * 2;
SET search_path = other, public;
SELECT segments.add_field('people', 'doubled', 'twice(clicks)');
RESET search_path;
SELECT expression FROM segments.field WHERE field = 'doubled';
SELECT id FROM people p WHERE segments.matches(p, '{"field":"doubled","operator":"equal","value":10}');
-- Again: redefined, in cached plans too; relabelled.
PREPARE rated AS SELECT id FROM people p WHERE segments.matches(p, '{"field":"rate","operator":"greater","value":20}') ORDER BY id;
EXECUTE rated;
SELECT segments.add_field('people', 'rate', 'clicks * 100', 'Clicks %');
EXECUTE rated;
SELECT segments.add_field('people', 'rate', label => 'Rate', category => 'Number');
SELECT field, expression, label, category FROM segments.field WHERE field = 'rate';
\x on
\t on
SELECT * FROM refusal($$SELECT segments.add_field('people', 'sent', 'clicks')$$);
SELECT * FROM refusal($$SELECT segments.add_field('people', 'nothing')$$);
SELECT * FROM refusal($$SELECT segments.add_field('people', '', '1')$$);
SELECT * FROM refusal($$SELECT segments.add_field('people', NULL, '1')$$);
SELECT * FROM refusal($$SELECT segments.add_field('people', 'x', 'nobody + 1')$$);
SELECT * FROM refusal($$SELECT segments.add_field('people', 'x', 'count(*)')$$);
SELECT * FROM refusal($$SELECT segments.add_field('people', 'x', 'generate_series(1, 2)')$$);
SELECT * FROM refusal($$SELECT segments.add_field('people', 'x', 'sum(sent) OVER ()')$$);
SELECT * FROM refusal($$SELECT segments.add_field('people', 'x', 'id, id')$$);
SELECT * FROM refusal($$SELECT segments.add_field('people', 'x', 'id); DROP TABLE lists; --')$$);
SELECT * FROM refusal($$SELECT segments.add_field('people', 'x', '')$$);
\t off
\x off

-- Memberships.
SELECT segments.add_membership('people', 'list', 'list_members', member => 'person', value => 'list', names => 'lists', name_label => 'title', name_archived => 'old');
SELECT segments.add_membership('people', 'bare', 'list_members', 'person', 'list');
SELECT field, membership_table, member, value, names, name_key, name_label, name_archived FROM segments.membership ORDER BY field;
SELECT segments.add_field('people', 'list', label => 'Lists', category => 'Number');
SELECT segments.add_membership('people', 'list', 'list_members', 'person', 'list', 'lists', 'id', 'title', 'old');
SELECT id FROM people p WHERE segments.matches(p, '{"list":2}');
\x on
\t on
CREATE TABLE notes (person text, list point, id int);
SELECT * FROM refusal($$SELECT segments.add_membership('people', 'x', 'notes', 'person', 'id')$$);
SELECT * FROM refusal($$SELECT segments.add_membership('people', 'x', 'notes', 'nobody', 'id')$$);
SELECT * FROM refusal($$SELECT segments.add_membership('people', 'x', 'notes', 'id', 'nothing')$$);
SELECT * FROM refusal($$SELECT segments.add_membership('people', 'x', 'notes', 'id', 'list')$$);
SELECT * FROM refusal($$SELECT segments.add_membership('people', 'x', 'notes', NULL, 'id')$$);
SELECT * FROM refusal($$SELECT segments.add_membership('people', 'x', NULL, 'id', 'id')$$);
SELECT * FROM refusal($$SELECT segments.add_membership('people', 'x', 'list_members_pkey', 'person', 'list')$$);
SELECT * FROM refusal($$SELECT segments.add_membership('people', 'x', 'list_members', 'person', 'list', name_key => 'id')$$);
SELECT * FROM refusal($$SELECT segments.add_membership('people', 'x', 'list_members', 'person', 'list', 'notes')$$);
SELECT * FROM refusal($$SELECT segments.add_membership('people', 'x', 'list_members', 'person', 'list', 'notes', 'person')$$);
SELECT * FROM refusal($$SELECT segments.add_membership('people', 'x', 'list_members', 'person', 'list', 'lists', 'id', 'nothing')$$);
SELECT * FROM refusal($$SELECT segments.add_membership('people', 'x', 'list_members', 'person', 'list', 'lists', 'id', 'title', 'title')$$);
SELECT * FROM refusal($$SELECT segments.add_membership('people', 'name', 'list_members', 'person', 'list')$$);
SELECT * FROM refusal($$SELECT segments.add_membership('people', 'rate', 'list_members', 'person', 'list')$$);
SELECT * FROM refusal($$SELECT segments.add_field('people', 'list', '1')$$);
SELECT * FROM refusal($$SELECT segments.add_audience('people', 'name')$$);
\t off
\x off
SELECT field, label, category, type, operators, source FROM segments.fields('people');

-- What the builders load.
SELECT filter FROM json_array_elements(segments.builder('people')) filter WHERE filter ->> 'id' IN ('sent', 'name', 'mood', 'active', 'seen', 'list', 'bare');
SELECT filter ->> 'id' AS id, filter ->> 'type' AS type, filter ->> 'input' AS input, filter ->> 'optgroup' AS optgroup
FROM json_array_elements(segments.builder('people', 'jqqb')) filter;
SELECT optgroup ->> 'label' AS optgroup, field ->> 'name' AS name, field ->> 'label' AS label, field ->> 'inputType' AS input_type, field ->> 'valueEditorType' AS editor,
       field ->> 'values' AS values
FROM json_array_elements(segments.builder('people', dialect => 'RQB')) optgroup, json_array_elements(optgroup -> 'options') field;
SELECT string_agg(operator ->> 'name', ' ' ORDER BY position) AS operators, string_agg(operator ->> 'name', ' ') FILTER (WHERE operator ->> 'arity' = 'unary') AS unary
FROM json_array_elements(segments.builder('keyless', 'rqb')) field, json_array_elements(field -> 'operators') WITH ORDINALITY o (operator, position);
-- Every operator that a builder is told of is one that the field has.
SELECT filter ->> 'id' AS field, operator FROM json_array_elements(segments.builder('people')) filter, json_array_elements_text(filter -> 'operators') operator
WHERE operator LIKE 'is\_%' AND NOT EXISTS (SELECT FROM segments.fields('people') f WHERE f.field = filter ->> 'id' AND operator = ANY (f.operators));
SELECT * FROM segments.targets('people');
SELECT * FROM segments.lists('people', 'list');
-- A domain over a domain is as the type under both; any other type is its own.
CREATE DOMAIN temper AS mood;
CREATE DOMAIN outlook AS temper;
CREATE DOMAIN flag_again AS flag;
SELECT type, segments.base_type(type), segments.builder_type(type), segments.enum_labels(type),
       segments.choices('people', 'any', type, 'expression', 'value', 'label') IS NOT NULL AS choices
FROM unnest('{outlook,mood,flag_again,text}'::regtype[]) type;
-- Relative dates in words.
SELECT segments.describe('people', format('{"field":"seen","operator":">=","value":{"mode":"relative","anchor":"%s","offset":%s,"unit":"%s"}}', anchor, amount,
                                          unit)::segments.rule)
FROM (VALUES ('now', -1, 'month'), ('now', -3, 'quarter'), ('startOfWeek', 1, 'day'), ('endOfYear', 2, 'hour'), ('startOfDay', 0, 'day')) v (anchor, amount, unit);
\x on
\t on
SELECT * FROM refusal($$SELECT segments.fields('list_members_pkey')$$);
SELECT * FROM refusal($$SELECT segments.builder('seq')$$);
SELECT * FROM refusal($$SELECT segments.builder('people', 'kendo')$$);
SELECT * FROM refusal($$SELECT * FROM segments.lists('people', 'mood')$$);

-- Drops are refused while a stored rule uses what goes.
\t off
\x off
SELECT segments.create('rated', 'people', '{"field":"rate","operator":"greater","value":20}');
SELECT segments.suppress('people', '{"list":2}', reason => 'opted out');
\x on
\t on
SELECT * FROM refusal($$SELECT segments.drop_field('people', 'rate')$$);
SELECT * FROM refusal($$SELECT segments.drop_membership('people', 'list')$$);
SELECT * FROM refusal($$SELECT segments.drop_audience('people')$$);
SELECT * FROM refusal($$SELECT segments.drop_field('people', 'nothing')$$);
SELECT * FROM refusal($$SELECT segments.drop_membership('people', 'rate')$$);
SELECT * FROM refusal($$SELECT segments.drop_field('keyless', 'a')$$);
SELECT * FROM refusal($$SELECT segments.drop_audience('keyless')$$);
-- A redefinition under which a stored rule could not be asked.
SELECT * FROM refusal($$SELECT segments.add_field('people', 'rate', 'n.tags')$$);
\t off
\x off
SELECT expression FROM segments.field WHERE field = 'rate';
SELECT segments.drop_field('people', 'sent');
SELECT segments.drop_membership('people', 'bare');
SELECT segments.drop('rated');
SELECT segments.unsuppress('people', 'opted out');
SELECT segments.drop_audience('people');
SELECT (SELECT count(*) FROM segments.audience) AS audiences, (SELECT count(*) FROM segments.field) AS fields, (SELECT count(*) FROM segments.membership) AS memberships,
       (SELECT count(*) FROM pg_views WHERE schemaname = 'segments') AS views;

-- Hostile names are data.
CREATE TABLE "we""ird; drop table people; --" ("select" int PRIMARY KEY, "a""b" text, "n" int, "from.x" int, "ééééééééééééééééééééééééééééééé" int);
CREATE TABLE "lists '""" ("to" int, "a""b" text);
INSERT INTO "we""ird; drop table people; --" VALUES (1, 'x', 1, 1, 1), (2, 'y', 2, 2, 2);
INSERT INTO "lists '""" VALUES (1, 'it''s "1"');
SELECT segments.add_field('"we""ird; drop table people; --"', 'f"''; drop table people; --', '"n" + "from.x" + "select"', 'l"''', 'c"''');
SELECT segments.add_field('"we""ird; drop table people; --"', repeat('é', 40), '"ééééééééééééééééééééééééééééééé"');
SELECT segments.add_membership('"we""ird; drop table people; --"', 'in "', '"lists ''"""', 'to', 'a"b');
SELECT segments.create('seg"''; --', '"we""ird; drop table people; --"',
    '{"condition":"AND","rules":[{"field":"f\"''; drop table people; --","operator":"equal","value":3},{"field":"in \"","operator":"in","value":["it''s \"1\""]},
      {"field":"éééééééééééééééééééééééééééééééééééééééé","operator":"equal","value":1},{"field":"a\"b","operator":"equal","value":"x"}]}');
SELECT * FROM "seg""'; --";
SELECT field, expression FROM segments.field ORDER BY field COLLATE "C";
SELECT json_array_length(segments.builder('"we""ird; drop table people; --"'));
SELECT segments.freeze('"we""ird; drop table people; --"', '{"everyone":true}', 'in "', 'x''"');
SELECT * FROM segments.targets('"we""ird; drop table people; --"');
SELECT count(*) FROM people;
