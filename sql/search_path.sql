-- Installed and used with nothing on search_path; and with a hostile schema before pg_catalog: the answers are the same.
SET search_path = '';
CREATE EXTENSION segments;
CREATE SCHEMA app;
CREATE TABLE app.people (id int PRIMARY KEY, name text, clicks int, last_sms timestamptz, tags text[]);
INSERT INTO app.people SELECT i, 'n' || i, i % 5, now() - i * interval '1 day', ARRAY['t' || i % 3] FROM generate_series(1, 100) AS i;
CREATE TABLE app.lists (id int PRIMARY KEY, name text, archived boolean);
INSERT INTO app.lists VALUES (1, 'one', false), (2, 'two', true);
CREATE TABLE app.list_members (list int, person int, PRIMARY KEY (list, person));
INSERT INTO app.list_members SELECT 1, i FROM generate_series(1, 50) AS i;
CREATE TABLE app.messages (person int, at timestamptz, kind text, price int);
INSERT INTO app.messages SELECT 50 + i, now() - i * interval '1 day', k, i
    FROM generate_series(1, 30) AS i, unnest('{sent,click}'::text[]) k WHERE k OPERATOR(pg_catalog.=) 'sent' OR i OPERATOR(pg_catalog.<) 5;

CREATE FUNCTION app.ask() RETURNS TABLE (what text, answer text) LANGUAGE plpgsql AS $$
DECLARE
    rule segments.rule := '{"condition":"OR","rules":[{"field":"clicks","operator":"between","value":[3,4]},{"field":"name","operator":"in","value":["n1","n2"]},
        {"field":"last_sms","operator":"less_than_n_days","value":10},{"field":"tags","operator":"contains","value":"t9"},
        {"condition":"AND","rules":[{"list":1},{"field":"rate","operator":"less","value":0.1}]},
        {"event":"sent","measure":{"sum":"price"},"within":{"last":20,"unit":"day"},"where":{"condition":"AND","rules":[{"field":"price","operator":"greater","value":10}]},"operator":"greater_or_equal","value":15},
        {"condition":"AND","rules":[{"field":"sends","operator":"equal","value":1},{"sequence":[{"event":"click"},{"event":"sent","after":{"at_most":1,"unit":"day"},"not":true}]}]}]}';
BEGIN
    RETURN QUERY VALUES
        ('count', segments.count('app.people', rule)::text),
        ('keys', (SELECT pg_catalog.count(*)::text FROM segments.keys('app.people', rule))),
        ('members', (SELECT pg_catalog.count(*)::text FROM segments.members(NULL::app.people, rule))),
        ('matches', (SELECT pg_catalog.count(*)::text FROM app.people n WHERE segments.matches(n, rule))),
        ('not matches', (SELECT pg_catalog.count(*)::text FROM app.people n WHERE NOT segments.matches(n, rule))),
        ('of', (SELECT pg_catalog.string_agg(s, ',') FROM app.people n, segments.of(n) s WHERE n.id OPERATOR(pg_catalog.=) 4)),
        ('explain', (SELECT pg_catalog.string_agg(e.holds::text, ',') FROM app.people n, segments.explain(n, rule) e WHERE n.id OPERATOR(pg_catalog.=) 4)),
        ('suppressed', (SELECT pg_catalog.count(*)::text FROM segments.suppressed)),
        ('view', (SELECT pg_catalog.count(*)::text FROM app.clickers)),
        ('validate', (SELECT pg_catalog.count(*)::text FROM segments.validate('app.people', rule::json))),
        ('targets', (SELECT pg_catalog.count(*)::text FROM segments.targets('app.people'))),
        ('describe', segments.describe('app.people', rule)),
        ('facets', (SELECT pg_catalog.string_agg(field || ':' || (SELECT pg_catalog.sum(f.members) FROM segments.facet('app.people', rule, field) f)::text, ' ' ORDER BY field)
                    FROM segments.fields('app.people'))),
        ('estimated', (segments.estimate('app.people', rule) OPERATOR(pg_catalog.>) 0)::text);
    EXECUTE 'SELECT pg_catalog.count(*)::text FROM (' || segments.sql('app.people', rule) || ') s' INTO answer;
    what := 'sql';
    RETURN NEXT;
END $$;

SELECT segments.add_field('app.people', 'rate', 'clicks / 10.0');
SELECT segments.add_membership('app.people', 'list', 'app.list_members', 'person', 'list', 'app.lists', 'id', 'name', 'archived');
SELECT segments.add_events('app.people', 'messages', 'app.messages', 'person', 'at', 'kind', '{sent,click}');
SELECT segments.add_event_field('app.people', 'sends', '{"event":"sent"}');
SELECT segments.suppress('app.people', '{"field":"id","operator":"greater","value":90}', reason => 'old');
SELECT segments.create('nowhere', 'app.people', '{"everyone":true}');
SET search_path = app;
SELECT segments.create('clickers', 'people', '{"field":"clicks","operator":"greater","value":0}');
SET search_path = '';
SELECT pg_catalog.regexp_replace(pg_catalog.pg_get_viewdef('app.clickers'::regclass), '\mn\.(?=\w)', '', 'g') AS view;
CREATE TEMP TABLE calm AS SELECT * FROM app.ask();
TABLE calm;

-- Whatever answers here answers wrong.
CREATE SCHEMA evil;
CREATE FUNCTION evil.no(int, int) RETURNS boolean LANGUAGE sql RETURN false;
CREATE FUNCTION evil.no(text, text) RETURNS boolean LANGUAGE sql RETURN false;
CREATE FUNCTION evil.no(timestamptz, timestamptz) RETURNS boolean LANGUAGE sql RETURN false;
CREATE FUNCTION evil.no(text[], text[]) RETURNS boolean LANGUAGE sql RETURN true;
CREATE OPERATOR evil.= (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.no);
CREATE OPERATOR evil.>= (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.no);
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.no);
CREATE OPERATOR evil.>= (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = evil.no);
CREATE OPERATOR evil.@> (LEFTARG = text[], RIGHTARG = text[], FUNCTION = evil.no);
CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql RETURN 'infinity'::timestamptz;
CREATE FUNCTION evil.count(text) RETURNS bigint LANGUAGE sql RETURN -1;
CREATE AGGREGATE evil.count(*) (SFUNC = pg_catalog.int8inc, STYPE = bigint, INITCOND = '-100');
CREATE AGGREGATE evil.sum(int) (SFUNC = pg_catalog.int4pl, STYPE = int, INITCOND = '-100');
CREATE FUNCTION evil.no(int8, int8) RETURNS boolean LANGUAGE sql RETURN false;
CREATE OPERATOR evil.>= (LEFTARG = int8, RIGHTARG = int8, FUNCTION = evil.no);
CREATE OPERATOR evil.<= (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = evil.no);
CREATE TYPE evil.integer AS (x text);
CREATE TABLE evil.people (id int);
SET search_path = evil, pg_catalog, app;
SELECT what, answer FROM app.ask() EXCEPT SELECT what, answer FROM calm;
SELECT segments.add_field('app.people', 'rate', 'clicks / 10.0');
SELECT segments.add_events('app.people', 'messages', 'app.messages', 'person', 'at', 'kind', '{sent,click}');
SELECT segments.add_event_field('app.people', 'sends', '{"event":"sent"}');
SELECT segments.rebuild('app.people');
SELECT what, answer FROM app.ask() EXCEPT SELECT what, answer FROM calm;
SELECT segments.alter('clickers', '{"condition":"AND","rules":[{"field":"clicks","operator":"equal","value":3},{"field":"rate","operator":"greater_or_equal","value":0.3}]}');
SET search_path = '';
SELECT pg_catalog.regexp_replace(pg_catalog.pg_get_viewdef('app.clickers'::regclass), '\mn\.(?=\w)', '', 'g') AS view;
SELECT pg_catalog.count(*) FROM app.clickers;

SET client_min_messages = warning;
DROP SCHEMA app, evil CASCADE;
SELECT * FROM segments.list;
