-- The oracle: see README.md. Prints TAP. Variable: trees, a file of the generator's to ask instead of the stored trees.
\set ON_ERROR_STOP on
\set QUIET on
\pset tuples_only on
\pset format unaligned
SET timezone = 'UTC';
SET jit = off;
SET client_min_messages = warning;
\o /dev/null
CREATE EXTENSION IF NOT EXISTS segments;
\ir fixture.sql
\o

CREATE TEMP TABLE line (position int GENERATED ALWAYS AS IDENTITY, tree json);
\if :{?trees}
\set lines `cat :'trees'`
INSERT INTO line (tree) SELECT lines::json FROM regexp_split_to_table(:'lines', E'\n') AS lines;
\else
\copy line (tree) FROM 'accepted.jsonl' WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')
\copy line (tree) FROM 'match.jsonl' WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')
\copy line (tree) FROM 'refused.jsonl' WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')
\endif
CREATE TEMP TABLE tree AS
SELECT position, tree ->> 'id' AS id, tree ->> 'dialect' AS dialect, (tree -> 'rules')::text AS rule, tree ->> 'refused' IS NOT NULL AS refused,
       tree ->> 'sql' AS sql, ARRAY(SELECT json_array_elements_text(tree -> 'ids')::int) AS ids
FROM line;
ALTER TABLE tree ADD PRIMARY KEY (position);

-- Asked with suppress => false: a suppression that is heeded all the same would show in every answer.
SELECT segments.suppress('seg_fixture', '{"field": "id", "operator": "less_or_equal", "value": 200}', reason => 'tests') \g /dev/null

SELECT segments.create_index('seg_fixture') \g /dev/null
CREATE FUNCTION pg_temp.indexed(rule text) RETURNS SETOF bigint LANGUAGE sql SET segments.use_index = force AS $$
    SELECT segments.keys('seg_fixture', rule::segments.rule, suppress => false)
$$;

-- The ids that a rule selects, in every form; an error where they disagree.
CREATE FUNCTION pg_temp.ask(rule text) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
    constant int[];
    run_time int[];
    keys int[];
    members int[];
    indexed int[];
BEGIN
    EXECUTE format('SELECT array_agg(n.id ORDER BY n.id) FROM seg_fixture n WHERE segments.matches(n, %L)', rule) INTO constant;
    -- As if from a table: behind OFFSET 0 the planner does not see a constant.
    SELECT array_agg(n.id ORDER BY n.id) INTO run_time
    FROM (SELECT ask.rule::segments.rule AS rule OFFSET 0) AS asked JOIN seg_fixture n ON segments.matches(n, asked.rule);
    EXECUTE format('SELECT array_agg(key ORDER BY key) FROM segments.keys(''seg_fixture'', %L, suppress => false) AS key', rule) INTO keys;
    EXECUTE format('SELECT array_agg(n.id ORDER BY n.id) FROM segments.members(NULL::seg_fixture, %L, suppress => false) AS n', rule) INTO members;
    SELECT array_agg(key ORDER BY key) INTO indexed FROM pg_temp.indexed(rule) AS key;
    IF indexed IS DISTINCT FROM constant THEN
        RAISE 'by index: %, matches: %', indexed, constant;
    ELSIF run_time IS DISTINCT FROM constant THEN
        RAISE 'run-time matches: %, constant: %', run_time, constant;
    ELSIF keys IS DISTINCT FROM constant THEN
        RAISE 'keys: %, matches: %', keys, constant;
    ELSIF members IS DISTINCT FROM constant THEN
        RAISE 'members: %, matches: %', members, constant;
    END IF;
    RETURN coalesce(constant, '{}');
END $$;

-- The ids that an exporter's SQL selects.
CREATE FUNCTION pg_temp.ids_of(sql text) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
    ids int[];
BEGIN
    EXECUTE 'SELECT array_agg(id ORDER BY id) FROM seg_fixture WHERE ' || sql INTO ids;
    RETURN coalesce(ids, '{}');
END $$;
\if :{?trees}
UPDATE tree SET ids = pg_temp.ids_of(sql) WHERE NOT refused;
\endif

-- Null where the tree's answer in semantics "sql" is the libraries'.
CREATE FUNCTION pg_temp.problem_sql(tree tree) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    ids int[];
BEGIN
    ids := pg_temp.ask('{"semantics": "sql", ' || substr(tree.rule, 2));
    RETURN CASE WHEN ids <> tree.ids THEN format('got %s, want %s', ids, tree.ids) END;
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate || ' ' || sqlerrm;
END $$;

-- Null where the tree and its complement split the audience in the default semantics.
CREATE FUNCTION pg_temp.problem_split(tree tree) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    inside int[];
    outside int[];
BEGIN
    inside := pg_temp.ask(tree.rule);
    outside := pg_temp.ask(format('{"condition": "AND", "not": true, "rules": [%s]}', tree.rule::segments.rule));
    RETURN CASE WHEN ARRAY(SELECT unnest(inside || outside) ORDER BY 1) <> ARRAY(SELECT id FROM seg_fixture ORDER BY id)
           THEN format('inside %s, outside %s', inside, outside) END;
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate || ' ' || sqlerrm;
END $$;

-- Null where the tree is refused, with the place in it.
CREATE FUNCTION pg_temp.problem_refused(tree tree) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    RETURN 'taken as ' || tree.rule::segments.rule::text;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN CASE WHEN sqlstate <> '22023' OR NOT starts_with(detail, 'At $') THEN format('%s %s (%s)', sqlstate, sqlerrm, detail) END;
END $$;

SELECT CASE WHEN problem IS NULL THEN 'ok' ELSE 'not ok' END || format(' - %s %s', id, how) || coalesce(E'\n# ' || rule || E'\n# ' || problem, '')
FROM tree,
     LATERAL (SELECT 'semantics sql', pg_temp.problem_sql(tree) WHERE NOT refused
              UNION ALL SELECT 'splits the table', pg_temp.problem_split(tree) WHERE NOT refused
              UNION ALL SELECT 'is refused', pg_temp.problem_refused(tree) WHERE refused) AS tested (how, problem)
ORDER BY position;
