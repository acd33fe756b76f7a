-- Random rules of the default semantics, answered by naive.pl's plain loops, asked here in every form. Prints TAP. Variables: seed,
-- and file: what naive.pl printed for it.
\set ON_ERROR_STOP on
\set QUIET on
\pset tuples_only on
\pset format unaligned
-- None of these must matter: the rules bring their zone, dates are ISO 8601.
SET timezone = 'America/Chicago';
SET datestyle = 'SQL, DMY';
SET client_min_messages = warning;
\o /dev/null
CREATE EXTENSION IF NOT EXISTS segments;
DROP SCHEMA IF EXISTS naive CASCADE;
CREATE SCHEMA naive;
SET search_path = naive;
CREATE TYPE level AS ENUM ('low', 'middle', 'high');
CREATE TABLE people (id int PRIMARY KEY, name text COLLATE "C", sent int, clicks bigint, spend numeric, active boolean, level level, born date,
    last timestamptz, tags text[]);
CREATE TABLE list_members (list int, member int, PRIMARY KEY (list, member));
CREATE TABLE answer (position int GENERATED ALWAYS AS IDENTITY, rule text, ids int[]);
SELECT segments.add_membership('people', 'list', 'list_members', member => 'member', value => 'list');
SET datestyle = 'ISO';
\i :file
SET datestyle = 'SQL, DMY';
SELECT segments.create_index('people');
\o

CREATE FUNCTION naive.indexed(rule text) RETURNS SETOF bigint LANGUAGE sql SET segments.use_index = force AS $$
    SELECT segments.keys('people', rule::segments.rule, suppress => false)
$$;

CREATE FUNCTION naive.ids(query text) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
    ids int[];
BEGIN
    EXECUTE query INTO ids;
    RETURN coalesce(ids, '{}');
END $$;

-- Every form, as a query for an array of ids; %1$L is the rule.
CREATE TABLE form (form text, query text);
INSERT INTO form VALUES
('matches, constant', 'SELECT array_agg(n.id ORDER BY n.id) FROM people n WHERE segments.matches(n, %1$L)'),
('matches, negated twice', 'SELECT array_agg(n.id ORDER BY n.id) FROM people n WHERE NOT (NOT segments.matches(n, %1$L))'),
('complement of NOT matches', 'SELECT array_agg(id ORDER BY id) FROM people WHERE id NOT IN (SELECT n.id FROM people n WHERE NOT segments.matches(n, %1$L))'),
('matches in the select list', 'SELECT array_agg(id ORDER BY id) FROM (SELECT id, segments.matches(n, %1$L) AS holds FROM people n OFFSET 0) s WHERE holds'),
('matches, run-time', 'SELECT array_agg(n.id ORDER BY n.id) FROM (VALUES (%1$L::segments.rule)) r (rule) JOIN people n ON segments.matches(n, r.rule)'),
('members', 'SELECT array_agg(n.id ORDER BY n.id) FROM segments.members(NULL::people, %1$L, suppress => false) n'),
('keys', 'SELECT array_agg(key ORDER BY key) FROM segments.keys(''people'', %1$L, suppress => false) key'),
('keys, by index', 'SELECT array_agg(key ORDER BY key) FROM naive.indexed(%1$L) key'),
('canonical form', 'SELECT array_agg(n.id ORDER BY n.id) FROM people n WHERE segments.matches(n, (%1$L::segments.rule)::text::segments.rule)'),
('complement of none_of', 'SELECT array_agg(id ORDER BY id) FROM people WHERE id NOT IN (SELECT key FROM segments.keys(''people'', segments.none_of(%1$L)) key)');

-- A line for each form; rules that it answers otherwise below it.
SELECT CASE WHEN count(*) FILTER (WHERE wrong IS NOT NULL) = 0 THEN 'ok' ELSE 'not ok' END
    || format(' - %s: %s random rules as plain loops answer them, seed %s', form, count(*), :'seed')
    || coalesce(string_agg(E'\n# ' || wrong, '' ORDER BY length(wrong)) FILTER (WHERE length(wrong) < 2000), '')
FROM (SELECT form, CASE WHEN got IS DISTINCT FROM ids THEN format('%s: got %s, want %s', rule, got, ids) END AS wrong
      FROM form, answer, LATERAL naive.ids(format(query, rule)) AS got OFFSET 0) compared
GROUP BY form ORDER BY form;
\o /dev/null
DROP SCHEMA naive CASCADE;
