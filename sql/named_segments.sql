-- Named segments: views of plain SQL, used like lists.
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
SET TimeZone = 'Europe/Berlin';
CREATE TABLE numbers (id bigint PRIMARY KEY, country text, sent_count int, click_count int, last_sent_at timestamptz);
INSERT INTO numbers SELECT i, (ARRAY['US', 'DE', NULL])[i % 3 + 1], i % 7, i % 4, timestamptz '2024-06-01 12:00+00' - i * interval '1 day'
FROM generate_series(1, 60) i;
CREATE TABLE lists (id int PRIMARY KEY, name text);
INSERT INTO lists VALUES (1, 'News'), (2, 'Frozen');
CREATE TABLE list_members (number_id bigint, list_id int, PRIMARY KEY (number_id, list_id));
INSERT INTO list_members SELECT i, 1 FROM generate_series(1, 60, 2) i;

-- The audience is registered by its primary key; the view is where CREATE VIEW would put it.
CREATE SCHEMA marketing;
SET search_path = marketing, public;
SELECT segments.create('clickers', 'numbers', '{"field":"click_count","operator":"greater","value":0}', description => 'clicked once or more');
RESET search_path;
SELECT name, view, audience, rule, description, fields, segments FROM segments.list;
SELECT audience, key FROM segments.audience;
SELECT obj_description('marketing.clickers'::regclass), reloptions FROM pg_class WHERE oid = 'marketing.clickers'::regclass;
-- Before 16, a view of one table shows its alias at every column.
SELECT regexp_replace(pg_get_viewdef('marketing.clickers'), '\mn\.(?=\w)', '', 'g') AS view;
SELECT count(*), (SELECT count(*) FROM numbers WHERE click_count > 0) AS by_hand FROM marketing.clickers;

-- Columns chosen, lists, nesting, diamonds.
SELECT segments.add_membership('numbers', 'list', 'list_members', 'number_id', 'list_id', 'lists', 'id', 'name');
SELECT segments.create('readers', 'numbers', '{"condition":"AND","rules":[{"segment":"clickers"},{"list":1}]}', columns => '{country,id}');
SELECT segments.create('germans', 'numbers', '{"condition":"AND","rules":[{"segment":"clickers"},{"field":"country","operator":"equal","value":"DE"}]}', '{id}', false);
SELECT segments.create('either', 'numbers', '{"condition":"OR","rules":[{"segment":"readers"},{"segment":"germans"}]}', '{id}');
SELECT segments.create('rest', 'numbers', '{"condition":"AND","not":true,"rules":[{"segment":"either"}]}', '{id}');
\d readers
SELECT reloptions FROM pg_class WHERE relname = 'germans';
SELECT pg_get_viewdef('either');
SELECT (SELECT count(*) FROM either) AS either, (SELECT count(*) FROM rest) AS rest,
       (SELECT count(*) FROM numbers n WHERE click_count > 0 AND (country = 'DE' OR EXISTS (SELECT FROM list_members WHERE number_id = n.id))) AS by_hand;
SELECT name, fields, segments FROM segments.list ORDER BY name;
-- A nested segment keeps its zone, whoever asks.
SELECT segments.create('may', 'numbers', '{"field":"last_sent_at","operator":"equal","value":"2024-05-12"}', '{id}');
SET TimeZone = 'Pacific/Auckland';
SELECT rule FROM segments.list WHERE name = 'may';
SELECT * FROM may;
SELECT segments.create('may_too', 'numbers', '{"segment":"may"}', '{id}');
SELECT id FROM may_too;
SET TimeZone = 'Europe/Berlin';

-- alter keeps OID, owner, grants, options, columns and comment, and reaches the segments that nest this one.
CREATE ROLE regress_segments_analyst;
GRANT SELECT ON readers TO regress_segments_analyst;
ALTER VIEW readers SET (security_barrier = true);
ALTER VIEW readers RENAME COLUMN country TO land;
SELECT 'readers'::regclass::oid AS oid \gset
SELECT segments.alter('clickers', '{"field":"click_count","operator":"greater","value":2}');
SELECT oid = :oid AS same, reloptions, relacl::text LIKE '%regress_segments_analyst=r/%' AS granted FROM pg_class WHERE relname = 'readers';
SELECT count(*), (SELECT count(*) FROM numbers n WHERE click_count > 2 AND EXISTS (SELECT FROM list_members WHERE number_id = n.id)) AS by_hand FROM readers;
SELECT land FROM readers ORDER BY id LIMIT 1;
SELECT (SELECT count(*) FROM either) + (SELECT count(*) FROM rest) AS everyone;
-- So does redefining a field, or a list's tables.
SELECT segments.add_field('numbers', 'rate', 'click_count');
SELECT segments.alter('germans', '{"field":"rate","operator":"greater","value":1}');
SELECT count(*) FROM germans;
SELECT segments.add_field('numbers', 'rate', 'sent_count');
SELECT count(*) FROM germans;
CREATE TABLE other_members AS SELECT * FROM list_members WHERE false;
SELECT segments.add_membership('numbers', 'list', 'other_members', 'number_id', 'list_id', 'lists', 'id', 'name');
SELECT count(*) FROM readers;
SELECT segments.add_membership('numbers', 'list', 'list_members', 'number_id', 'list_id', 'lists', 'id', 'name');
SELECT count(*) FROM readers;
-- A list that is gone since does not stand in the way.
DELETE FROM lists WHERE id = 1;
SELECT segments.rebuild('numbers');
SELECT count(*) FROM readers;
INSERT INTO lists VALUES (1, 'News');

-- Renaming a segment renames its view and what other rules call it; a renamed view keeps its segment.
SELECT segments.rename('clickers', 'Clickers, "all"');
SELECT name, view, rule FROM segments.list WHERE name ~ 'Clickers' OR 'Clickers, "all"' = ANY (segments) ORDER BY name;
ALTER VIEW marketing."Clickers, ""all""" RENAME TO renamed;
ALTER VIEW marketing.renamed SET SCHEMA public;
SELECT segments.alter('Clickers, "all"', '{"field":"click_count","operator":"greater","value":0}');
SELECT name, view FROM segments.list WHERE name ~ 'Clickers';
SELECT segments.rename('Clickers, "all"', 'clickers');
SELECT name, view FROM segments.list WHERE name = 'clickers';
SELECT count(*) FROM renamed;

-- Used like lists: targets, freeze.
SELECT * FROM segments.targets('numbers');
SELECT segments.freeze('numbers', '{"segment":"germans"}', 'list', '2') AS written, (SELECT count(*) FROM germans) AS members;
SELECT segments.freeze('numbers', '{"segment":"germans"}', 'list', '2');
INSERT INTO list_members VALUES (1000, 2);
SELECT count(*) FROM list_members WHERE list_id = 2;
-- Triggers of the membership table see the caller's search_path.
CREATE TABLE marketing.audit (number_id bigint);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit VALUES (NEW.number_id); RETURN NEW; END $$;
CREATE TRIGGER note BEFORE INSERT ON list_members FOR EACH ROW EXECUTE FUNCTION note();
SET search_path = marketing, public;
SELECT segments.freeze('numbers', '{"field":"id","operator":"in","value":[2,4]}', 'list', '1');
SELECT * FROM audit ORDER BY 1;
RESET search_path;

-- What is refused.
SELECT segments.create(repeat('é', 31), 'numbers', '{"everyone":true}', '{id}');
CREATE TABLE people (id int PRIMARY KEY);
CREATE TABLE keyless (id int);
\x on
\t on
SELECT * FROM refusal($$SELECT segments.create(repeat('é', 32), 'numbers', '{"everyone":true}')$$);
SELECT * FROM refusal($$SELECT segments.create('', 'numbers', '{"everyone":true}')$$);
SELECT * FROM refusal($$SELECT segments.create(NULL, 'numbers', '{"everyone":true}')$$);
SELECT * FROM refusal($$SELECT segments.create('x', NULL, '{"everyone":true}')$$);
SELECT * FROM refusal($$SELECT segments.create('x', 'numbers', NULL)$$);
SELECT * FROM refusal($$SELECT segments.create('clickers', 'numbers', '{"everyone":true}')$$);
SELECT * FROM refusal($$SELECT segments.create('lists', 'numbers', '{"everyone":true}')$$);
SELECT * FROM refusal($$SELECT segments.create('x', 'numbers', '{"field":"nothing","operator":"equal","value":1}')$$);
SELECT * FROM refusal($$SELECT segments.create('x', 'numbers', '{"segment":"nobody"}')$$);
SELECT * FROM refusal($$SELECT segments.create('x', 'numbers', '{"list":99}')$$);
SELECT * FROM refusal($$SELECT segments.create('x', 'numbers', '{"segment":"x"}')$$);
SELECT * FROM refusal($$SELECT segments.create('x', 'people', '{"segment":"clickers"}')$$);
SELECT * FROM refusal($$SELECT segments.create('x', 'keyless', '{"everyone":true}')$$);
SELECT * FROM refusal($$SELECT segments.create('x', 'numbers', '{"everyone":true}', '{}')$$);
SELECT * FROM refusal($$SELECT segments.create('x', 'numbers', '{"everyone":true}', '{id,nothing}')$$);
SELECT * FROM refusal($$SELECT segments.create('x', 'numbers', '{"everyone":true}', '{id,id}')$$);
SELECT * FROM refusal($$SET search_path = nowhere; SELECT segments.create('x', 'public.numbers', '{"everyone":true}')$$);
SELECT * FROM refusal($$SELECT segments.alter('nobody', '{"everyone":true}')$$);
SELECT * FROM refusal($$SELECT segments.alter('clickers', NULL)$$);
SELECT * FROM refusal($$SELECT segments.alter('clickers', '{"segment":"clickers"}')$$);
SELECT * FROM refusal($$SELECT segments.alter('clickers', '{"condition":"OR","rules":[{"segment":"may"},{"segment":"rest"}]}')$$);
SELECT * FROM refusal($$SELECT segments.rename('nobody', 'x')$$);
SELECT * FROM refusal($$SELECT segments.rename('clickers', 'readers')$$);
SELECT * FROM refusal($$SELECT segments.rename('clickers', repeat('x', 64))$$);
SELECT * FROM refusal($$SELECT segments.drop('nobody')$$);
SELECT * FROM refusal($$SELECT segments.drop('clickers')$$);
SELECT * FROM refusal($$SELECT segments.rebuild('people')$$);
SELECT * FROM refusal($$SELECT segments.freeze('numbers', '{"everyone":true}', 'country', '1')$$);
SELECT * FROM refusal($$SELECT segments.freeze('numbers', '{"everyone":true}', 'list', 'one')$$);
SELECT * FROM refusal($$SELECT segments.freeze('numbers', '{"everyone":true}', 'list', NULL)$$);
\t off
\x off
-- Nothing was half done.
SELECT count(*) FROM segments.list;
SELECT count(*) FROM segments.audience;

-- drop: refused while another uses it; cascade insists, but not on what a suppression needs.
CREATE VIEW report AS SELECT count(*) FROM rest;
SELECT segments.create('unused', 'numbers', '{"everyone":true}');
SELECT segments.drop('unused');
SELECT to_regclass('unused');
SELECT segments.suppress('numbers', '{"segment":"germans"}', reason => 'germans');
\x on
\t on
SELECT * FROM refusal($$SELECT segments.drop('rest')$$);
SELECT * FROM refusal($$SELECT segments.drop('germans', cascade => true)$$);
\t off
\x off
SELECT segments.unsuppress('numbers', 'germans');
SELECT segments.drop('clickers', cascade => true);
SELECT name FROM segments.list ORDER BY name;
SELECT to_regclass('report'), to_regclass('renamed'), to_regclass('either');
DROP TABLE numbers CASCADE;
SELECT * FROM segments.list;
DROP ROLE regress_segments_analyst;
