-- Who may do what. Roles without any privilege of the extension's owner describe, name, suppress and ask.
\set SHOW_CONTEXT never
CREATE ROLE regress_segments_owner;
CREATE ROLE regress_segments_member IN ROLE regress_segments_owner;
CREATE ROLE regress_segments_asker;
CREATE ROLE regress_segments_bi;
CREATE ROLE regress_segments_rls;
CREATE ROLE regress_segments_mallory;
GRANT CREATE ON SCHEMA public TO regress_segments_owner, regress_segments_asker, regress_segments_mallory;
CREATE SCHEMA home AUTHORIZATION regress_segments_asker;

SET ROLE regress_segments_owner;
CREATE TABLE numbers (id bigint PRIMARY KEY, tenant int, sent_count int, click_count int, secret text);
INSERT INTO numbers SELECT i, i % 2, i % 7, i % 5, 'x' FROM generate_series(1, 20) i;
CREATE TABLE list_members (number_id bigint, list_id int);
INSERT INTO list_members SELECT i, 1 FROM generate_series(1, 10) i;
SELECT segments.add_audience('numbers');
SELECT segments.add_field('numbers', 'rate', 'click_count::numeric / nullif(sent_count, 0)');
SELECT segments.add_membership('numbers', 'list', 'list_members', 'number_id', 'list_id');
SELECT segments.suppress('numbers', sent => 3);
SELECT segments.create('clickers', 'numbers', '{"field":"click_count","operator":"greater","value":0}', '{id}');
SELECT relname, pg_get_userbyid(relowner) FROM pg_class WHERE oid IN (SELECT view FROM segments.list);
-- A member of the owning role may as well.
SET ROLE regress_segments_member;
SELECT segments.alter('clickers', '{"field":"click_count","operator":"greater","value":1}');
SELECT segments.add_field('numbers', 'tenant', label => 'Tenant');

-- Anybody else may look, but describe nothing.
SET ROLE regress_segments_asker;
SELECT name, segments FROM segments.list;
SELECT field FROM segments.fields('numbers');
SELECT segments.add_audience('numbers');
SELECT segments.add_field('numbers', 'x', '1');
SELECT segments.drop_field('numbers', 'rate');
SELECT segments.add_membership('numbers', 'x', 'list_members', 'number_id', 'list_id');
SELECT segments.drop_membership('numbers', 'list');
SELECT segments.suppress('numbers', sent => 1);
SELECT segments.unsuppress('numbers');
SELECT segments.drop_audience('numbers');
SELECT segments.rebuild('numbers');
SELECT segments.alter('clickers', '{"everyone":true}');
SELECT segments.rename('clickers', 'x');
SELECT segments.drop('clickers');
SELECT segments.drop('clickers', true);
SELECT segments.freeze('numbers', '{"everyone":true}', 'list', '2');
SELECT count(*) FROM segments.suppressed;
-- A segment needs SELECT on what it shows and asks, and CREATE on the schema.
SELECT segments.create('mine', 'numbers', '{"everyone":true}', '{id}');
SET ROLE regress_segments_owner;
GRANT SELECT (id, tenant, click_count) ON numbers TO regress_segments_asker;
SET ROLE regress_segments_asker;
SELECT segments.create('mine', 'numbers', '{"everyone":true}');
SELECT segments.create('mine', 'numbers', '{"field":"secret","operator":"equal","value":"x"}', '{id}');
SELECT segments.create('mine', 'numbers', '{"field":"rate","operator":"greater","value":0}', '{id}');
SET search_path = home, public;
SELECT segments.create('mine', 'numbers', '{"field":"click_count","operator":"greater","value":0}', '{id}');
SELECT segments.create('nested', 'numbers', '{"segment":"mine"}', '{id}');
SET search_path = segments;
SELECT segments.create('intruder', 'public.numbers', '{"everyone":true}', '{id}');
RESET search_path;
SELECT name, view FROM segments.list ORDER BY name;
SELECT segments.alter('mine', '{"field":"click_count","operator":"greater","value":1}');
-- Its owner's redefinition reaches views of other owners, and leaves them theirs.
SET ROLE regress_segments_owner;
SELECT segments.rebuild('numbers');
SELECT relname, pg_get_userbyid(relowner) FROM pg_class WHERE oid IN (SELECT view FROM segments.list) ORDER BY relname;
SELECT segments.drop('mine');
SET ROLE regress_segments_asker;
SELECT segments.rename('mine', 'still mine');
SELECT segments.drop('still mine', cascade => true);
SELECT name FROM segments.list;

-- A BI role that may read nothing but the view.
SET ROLE regress_segments_owner;
SELECT segments.create('for_bi', 'numbers', '{"condition":"AND","rules":[{"segment":"clickers"},{"list":1}]}', '{id}', security_invoker => false);
SELECT segments.create('not_for_bi', 'numbers', '{"segment":"clickers"}', '{id}');
GRANT SELECT ON for_bi, not_for_bi TO regress_segments_bi;
SET ROLE regress_segments_bi;
SELECT array_agg(id ORDER BY id) FROM for_bi;
SELECT count(*) FROM not_for_bi;
SELECT count(*) FROM numbers;
SELECT * FROM segments.suppressed;
-- A role under row security sees its own rows only.
SET ROLE regress_segments_owner;
GRANT SELECT ON numbers, list_members, not_for_bi TO regress_segments_rls;
ALTER TABLE numbers ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenants ON numbers FOR SELECT TO regress_segments_rls USING (tenant = 1);
SELECT array_agg(id ORDER BY id) FROM not_for_bi;
SELECT array_agg(member ORDER BY member) FROM segments.suppressed;
SET ROLE regress_segments_rls;
SELECT array_agg(id ORDER BY id) FROM not_for_bi;
SELECT array_agg(member ORDER BY member) FROM segments.suppressed;

-- Nobody reaches the inside.
SET ROLE regress_segments_mallory;
SELECT segments._as('postgres'::regrole, 'SELECT 1');
SELECT segments._create(10, '', 'x', 'numbers', '{"everyone":true}', NULL, true, NULL);
SELECT segments._create_view(10, 'segments', 'x', 'SELECT 1');
INSERT INTO segments.suppression SELECT * FROM segments.suppression;
UPDATE segments.field SET expression = 'evil()';
DELETE FROM segments.segment;
TRUNCATE segments.audience;
SELECT segments.catalog_changed();
CREATE VIEW segments.x AS SELECT 1;
-- A function of one's own, in an expression, a domain or a rule's value, never runs as somebody else: not when stored, not when
-- written anew by others, not in event triggers.
CREATE TABLE ran (who name DEFAULT current_user);
GRANT INSERT ON ran TO PUBLIC;
CREATE FUNCTION evil(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.ran DEFAULT VALUES; RETURN true; END $$;
CREATE DOMAIN evil_text AS text CHECK (evil(VALUE));
CREATE TYPE evil_pair AS (a evil_text, b int);
CREATE TABLE trap (id int PRIMARY KEY, pair evil_pair);
SELECT segments.add_field('trap', 'x', $$ ('(boo,1)'::evil_pair).b $$);
SELECT segments.create('trapped', 'trap', '{"condition":"AND","rules":[{"field":"pair","operator":"equal","value":"(boo,1)"},{"field":"x","operator":"equal","value":1}]}');
SELECT segments.create('nested', 'trap', '{"segment":"trapped"}');
SELECT segments.suppress('trap', '{"field":"pair","operator":"equal","value":"(boo,2)"}');
SELECT segments.add_field('trap', 'x', $$ ('(boo,2)'::evil_pair).b $$);
SELECT segments.alter('trapped', '{"field":"pair","operator":"equal","value":"(boo,3)"}');
SELECT segments.rebuild('trap');
ALTER TABLE trap RENAME pair TO two;
SELECT segments.rename('trapped', 'caught');
RESET ROLE;
SELECT segments.rebuild('trap');
SELECT segments.add_audience('trap', 'two');
SELECT segments.add_audience('trap');
SET ROLE regress_segments_mallory;
SELECT json_array_length(segments.builder('trap'));
SELECT segments.drop('caught', true);
SELECT count(*) > 0 AS ran, array_agg(DISTINCT who) FROM ran;
-- SET ROLE is not to be had inside either.
CREATE FUNCTION up(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'RESET ROLE'; RETURN true; END $$;
CREATE DOMAIN up_text AS text CHECK (up(VALUE));
CREATE TYPE up_pair AS (a up_text, b int);
SELECT segments.add_field('trap', 'up', $$ ('(boo,1)'::up_pair).b $$);
-- An error leaves one who one was.
SELECT segments.create('x', 'trap', '{"field":"nothing","operator":"equal","value":1}');
SELECT current_user, current_setting('search_path');
DO $$
BEGIN
    PERFORM segments.create('x', 'trap', '{"field":"nothing","operator":"equal","value":1}');
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE '%, %', current_user, current_setting('search_path');
END $$;
RESET ROLE;

-- What the extension is made of.
SELECT p.oid::regprocedure FROM pg_proc p WHERE pronamespace = 'segments'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL;
SELECT c.oid::regclass FROM pg_class c WHERE relnamespace = 'segments'::regnamespace AND relkind IN ('r', 'v') AND obj_description(c.oid, 'pg_class') IS NULL
    AND EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e');
SELECT p.oid::regprocedure FROM pg_proc p WHERE pronamespace = 'segments'::regnamespace AND proname LIKE '\_%' AND has_function_privilege('public', p.oid, 'EXECUTE');
SELECT p.oid::regprocedure FROM pg_proc p WHERE pronamespace = 'segments'::regnamespace AND prosecdef ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE pronamespace = 'segments'::regnamespace AND lanname IN ('sql', 'plpgsql') AND proconfig IS NULL AND EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
ORDER BY p.oid::regprocedure::text COLLATE "C";

-- Views by which PostgreSQL knows what is used read with nobody's rights but the reader's, and nobody may read them.
SELECT c.oid::regclass, reloptions, relacl FROM pg_class c WHERE relnamespace = 'segments'::regnamespace AND relkind = 'v'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') ORDER BY c.oid::regclass::text COLLATE "C";

SET client_min_messages = warning;
DROP TABLE numbers, trap CASCADE;
DROP OWNED BY regress_segments_owner, regress_segments_asker, regress_segments_mallory, regress_segments_bi, regress_segments_rls CASCADE;
DROP ROLE regress_segments_member, regress_segments_owner, regress_segments_asker, regress_segments_bi, regress_segments_rls, regress_segments_mallory;
SELECT (SELECT count(*) FROM segments.audience) AS audiences, (SELECT count(*) FROM segments.segment) AS segments, (SELECT count(*) FROM segments.suppression) AS suppressions;
