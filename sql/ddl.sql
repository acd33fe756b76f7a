-- Ordinary DDL beside the catalog: what it renames is renamed there, what it drops goes or is refused.
\set SHOW_CONTEXT never
CREATE EXTENSION segments;
SET TimeZone = 'UTC';
CREATE TABLE numbers (id bigint PRIMARY KEY, country text, sent_count int, click_count int, spare int);
INSERT INTO numbers SELECT i, 'DE', i % 7, i % 4 FROM generate_series(1, 20) i;
CREATE TABLE lists (id int PRIMARY KEY, name text, archived boolean);
INSERT INTO lists VALUES (1, 'News', false), (2, 'Old', true);
CREATE TABLE list_members (number_id bigint, list_id int, PRIMARY KEY (number_id, list_id));
INSERT INTO list_members SELECT i, 1 + i % 2 FROM generate_series(1, 10) i;
CREATE TABLE costs (country text, cost numeric);
SELECT segments.add_field('numbers', 'sent_count', label => 'Sent');
SELECT segments.add_field('numbers', 'spare', label => 'Spare');
SELECT segments.add_field('numbers', 'rate', 'click_count::numeric / nullif(sent_count, 0)');
SELECT segments.add_field('numbers', 'cost', '(SELECT c.cost FROM costs c WHERE c.country = n.country)');
SELECT segments.add_membership('numbers', 'list', 'list_members', 'number_id', 'list_id', 'lists', 'id', 'name', 'archived');
SELECT segments.create('clickers', 'numbers', '{"condition":"AND","rules":[{"field":"click_count","operator":"greater","value":0},{"field":"sent_count","operator":"greater","value":"click_count","value_source":"field"}]}',
                       '{id,sent_count}');
SELECT segments.create('best', 'numbers', '{"condition":"AND","rules":[{"segment":"clickers"},{"field":"rate","operator":"greater","value":0.2}]}', '{id,click_count}');
SELECT segments.suppress('numbers', sent => 6);
SELECT segments.suppress('numbers', '{"list":2}', reason => 'old');
CREATE VIEW state AS
SELECT name || ': ' || rule AS stored FROM segments.list
UNION ALL SELECT 'suppressed, ' || reason || ': ' || rule FROM segments.suppression
UNION ALL SELECT 'field ' || field || ': ' || coalesce(expression, label) FROM segments.field
UNION ALL SELECT format('membership %s: %s %s %s, %s %s %s %s', field, membership_table, member, value, names, name_key, name_label, name_archived) FROM segments.membership
UNION ALL SELECT format('audience %s: %s %s', audience, key, column_names) FROM segments.audience;
CREATE TABLE answers AS SELECT (SELECT array_agg(id ORDER BY id) FROM best) AS best, (SELECT array_agg(member ORDER BY member) FROM segments.suppressed) AS suppressed;
CREATE VIEW same AS SELECT best IS NOT DISTINCT FROM (SELECT array_agg(id ORDER BY id) FROM best) AND
    suppressed IS NOT DISTINCT FROM (SELECT array_agg(member ORDER BY member) FROM segments.suppressed) AS same FROM answers;
SELECT stored FROM state ORDER BY stored COLLATE "C";

-- Renames: columns, tables, schemas; what is rewritten later is rewritten right.
ALTER TABLE numbers RENAME COLUMN click_count TO "clicks ""n""";
ALTER TABLE numbers RENAME sent_count TO sent;
ALTER TABLE numbers RENAME id TO number;
ALTER TABLE list_members RENAME number_id TO member;
ALTER TABLE list_members RENAME list_id TO value;
ALTER TABLE lists RENAME name TO title;
ALTER TABLE lists RENAME id TO key;
ALTER TABLE lists RENAME archived TO old;
ALTER TABLE costs RENAME cost TO price;
ALTER TABLE costs RENAME TO prices;
CREATE SCHEMA shop;
ALTER TABLE numbers SET SCHEMA shop;
ALTER SCHEMA shop RENAME TO "Shop";
ALTER TABLE "Shop".numbers RENAME TO phones;
ALTER TABLE list_members RENAME TO members;
ALTER VIEW best RENAME TO the_best;
SELECT stored FROM state ORDER BY stored COLLATE "C";
SELECT column_name FROM information_schema.columns WHERE table_name = 'the_best';
ALTER VIEW the_best RENAME TO best;
SELECT same FROM same;
SELECT segments.rebuild('"Shop".phones');
SELECT same FROM same;
SELECT count(*) FROM "Shop".phones n WHERE segments.matches(n, '{"condition":"AND","rules":[{"segment":"best"},{"field":"cost","operator":"is_null"}]}');
SELECT segments.add_field('"Shop".phones', 'rate', '"clicks ""n"""::numeric / nullif(sent, 0)');
SELECT same FROM same;
SELECT count(*), (SELECT count(*) FROM segments.keys('"Shop".phones', '{"segment":"clickers"}')) AS keys
FROM segments.members(NULL::"Shop".phones, '{"segment":"clickers"}');
SELECT jsonb_array_length(segments.builder('"Shop".phones')::jsonb), (SELECT array_agg(name) FROM segments.targets('"Shop".phones'));
-- Swapped names.
BEGIN;
ALTER TABLE "Shop".phones RENAME sent TO x;
ALTER TABLE "Shop".phones RENAME "clicks ""n""" TO sent;
ALTER TABLE "Shop".phones RENAME x TO "clicks ""n""";
SELECT rule FROM segments.list WHERE name = 'clickers';
SELECT segments.rebuild('"Shop".phones');
SELECT same FROM same;
ROLLBACK;
SELECT rule FROM segments.list WHERE name = 'clickers';
-- A new column is a field; one that a registered field would hide is refused.
ALTER TABLE "Shop".phones ADD COLUMN carrier text;
SELECT field FROM segments.fields('"Shop".phones') WHERE field = 'carrier';
ALTER TABLE "Shop".phones ADD COLUMN rate int;
ALTER TABLE "Shop".phones RENAME carrier TO list;

-- What stored rules use cannot go, even by CASCADE where a suppression would end with it.
ALTER TABLE "Shop".phones DROP COLUMN sent;
ALTER TABLE "Shop".phones DROP COLUMN sent CASCADE;
ALTER TABLE "Shop".phones DROP COLUMN number CASCADE;
ALTER TABLE "Shop".phones ALTER COLUMN sent TYPE text;
ALTER TABLE members DROP COLUMN value;
DROP TABLE members CASCADE;
DROP TABLE prices;
DROP VIEW clickers;
DROP TABLE "Shop".phones;
SELECT same FROM same;
-- What nothing needs goes without a word.
ALTER TABLE "Shop".phones DROP COLUMN spare;
SELECT field FROM segments.field ORDER BY field;
ALTER TABLE lists DROP COLUMN old;
SELECT name_label, name_archived FROM segments.membership;
ALTER TABLE lists DROP COLUMN title;
SELECT name_label FROM segments.membership;
DROP TABLE lists;
SELECT names, name_key, name_label FROM segments.membership;
DROP TABLE prices CASCADE;
SELECT field FROM segments.field ORDER BY field;
DROP VIEW best;
SELECT name FROM segments.list ORDER BY name;
DROP VIEW clickers;
SELECT name FROM segments.list ORDER BY name;
-- CASCADE takes the segments that nest a dropped one, and fields.
SELECT segments.create('a', '"Shop".phones', '{"field":"rate","operator":"greater","value":0}');
SELECT segments.create('b', '"Shop".phones', '{"segment":"a"}');
DROP VIEW a CASCADE;
SELECT name FROM segments.list ORDER BY name;
SELECT segments.create('a', '"Shop".phones', '{"field":"rate","operator":"greater","value":0}');
SELECT segments.unsuppress('"Shop".phones');
ALTER TABLE "Shop".phones DROP COLUMN sent CASCADE;
SELECT name FROM segments.list ORDER BY name;
SELECT field FROM segments.field;
SELECT segments.unsuppress('"Shop".phones', 'old');
DROP TABLE members;
SELECT count(*) FROM segments.membership;
-- The key.
SELECT segments.create('a', '"Shop".phones', '{"everyone":true}', '{country}');
ALTER TABLE "Shop".phones DROP COLUMN number;
SELECT segments.drop('a');
ALTER TABLE "Shop".phones DROP COLUMN number;
SELECT count(*) FROM segments.audience;

-- A field's function.
CREATE FUNCTION double(int) RETURNS int LANGUAGE sql IMMUTABLE RETURN $1 * 2;
CREATE TABLE people (id int PRIMARY KEY, n int);
INSERT INTO people VALUES (1, 1), (2, 2);
SELECT segments.add_field('people', 'doubled', 'double(n.n)');
SELECT segments.create('two', 'people', '{"field":"doubled","operator":"equal","value":2}');
ALTER FUNCTION double(int) RENAME TO twice;
SELECT expression FROM segments.field;
SELECT id FROM people p WHERE segments.matches(p, '{"segment":"two"}');
DROP FUNCTION twice(int);
-- An audience that is a view; columns through inheritance.
CREATE VIEW adults AS SELECT * FROM people;
SELECT segments.add_audience('adults', 'id');
SELECT segments.create('grown', 'adults', '{"field":"n","operator":"equal","value":2}');
ALTER VIEW adults RENAME COLUMN n TO age;
SELECT rule FROM segments.list WHERE name = 'grown';
CREATE TABLE parent (id int, n int);
CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent);
SELECT segments.create('kids', 'child', '{"field":"n","operator":"equal","value":2}');
ALTER TABLE parent RENAME COLUMN n TO years;
SELECT rule FROM segments.list WHERE name = 'kids';
DROP SCHEMA "Shop" CASCADE;
DROP TABLE parent CASCADE;
-- The audience takes everything of it along.
SELECT segments.suppress('people', '{"segment":"two"}');
DROP TABLE people CASCADE;
SELECT (SELECT count(*) FROM segments.audience) AS audiences, (SELECT count(*) FROM segments.field) AS fields, (SELECT count(*) FROM segments.segment) AS segments,
       (SELECT count(*) FROM segments.suppression) AS suppressions, (SELECT count(*) FROM pg_views WHERE schemaname = 'segments') AS views;

-- Temporary audiences end with their session, or before.
CREATE TEMPORARY TABLE mine (id int PRIMARY KEY, n int);
INSERT INTO mine VALUES (1, 1), (2, 2);
SELECT segments.add_field('mine', 'doubled', 'n.n * 2');
SELECT segments.create('my_two', 'mine', '{"field":"doubled","operator":"equal","value":4}');
SELECT segments.suppress('mine', '{"field":"id","operator":"equal","value":1}');
SELECT * FROM my_two;
ALTER TABLE mine RENAME n TO "N";
SELECT expression FROM segments.field;
SELECT count(*) FROM segments.members(NULL::mine, '{"everyone":true}');
DISCARD TEMP;
SELECT * FROM segments.list;
CREATE TABLE people (id int PRIMARY KEY, n int);
SELECT segments.add_field('people', 'doubled', 'n.n * 2');
SELECT segments.suppress('people', '{"field":"doubled","operator":"equal","value":2}');
SELECT segments.create('my_two', 'people', '{"everyone":true}');
SELECT audience FROM segments.audience;
SELECT count(*) FROM segments.suppression;

-- The extension goes with what is its own; what people made, such as a segment's view, needs CASCADE.
DROP EXTENSION segments;
DROP VIEW my_two, state;
DROP EXTENSION segments;
SELECT to_regclass('my_two'), to_regclass('people'), to_regnamespace('segments');
CREATE EXTENSION segments;
SELECT segments.add_field('people', 'doubled', 'n.n * 2');
SELECT segments.create('my_two', 'people', '{"field":"doubled","operator":"equal","value":4}');
SET client_min_messages = warning;
DROP EXTENSION segments CASCADE;
SELECT to_regclass('my_two'), to_regclass('people'), to_regnamespace('segments');
CREATE EXTENSION segments;
SELECT count(*) FROM segments.audience;
