-- The cost of the rules path beside SQL written by hand, on the demo data: psql -v rounds=7 -f rules.sql. Rivals take turns within each round;
-- medians and ratios. Prints Markdown.
\ir settings.sql

CREATE TEMP TABLE timing (what text, position int, form text, ms float8);

-- Milliseconds that a query takes, planning included.
CREATE FUNCTION pg_temp.took(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    began timestamptz := clock_timestamp();
BEGIN
    EXECUTE query;
    RETURN 1000 * extract(epoch FROM clock_timestamp() - began);
END $$;

-- Milliseconds that PostgreSQL's planner takes; for matches, the translation of the rule is part of it.
CREATE FUNCTION pg_temp.planned(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON, SUMMARY) ' || query INTO plan;
    RETURN plan -> 0 ->> 'Planning Time';
END $$;

-- Milliseconds that its executor takes.
CREATE FUNCTION pg_temp.executed(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) ' || query INTO plan;
    RETURN plan -> 0 ->> 'Execution Time';
END $$;

-- Data sets: executed.
CREATE TEMP TABLE question AS
SELECT position, name, rule::text AS rule, by_hand FROM data_sets;
DO $$
DECLARE
    q record;
BEGIN
    FOR round IN 0..current_setting('bench.rounds')::int LOOP
        FOR q IN SELECT * FROM question, LATERAL (VALUES
                ('by hand', format('SELECT count(*) FROM numbers n WHERE %s', by_hand)),
                ('matches', format('SELECT count(*) FROM numbers n WHERE segments.matches(n, %L)', rule)),
                ('members', format('SELECT count(*) FROM segments.members(NULL::numbers, %L, suppress => false) n', rule)),
                ('keys', format('SELECT count(*) FROM segments.keys(''numbers'', %L, suppress => false)', rule)),
                ('count', format('SELECT segments.count(''numbers'', %L, suppress => false)', rule))) f (form, query)
            ORDER BY position, hashtext(form || round) LOOP
            IF round > 0 THEN -- the first warms up
                INSERT INTO timing VALUES (q.name, q.position, q.form, pg_temp.executed(q.query));
            ELSE
                PERFORM pg_temp.executed(q.query);
            END IF;
        END LOOP;
    END LOOP;
END $$;
\echo '### Executing the data sets, ms'
\echo
\pset format unaligned
\pset fieldsep ' | '
\echo '| data set | members | by hand | matches | ratio | members() | ratio | keys() | ratio | count() | ratio |'
\pset tuples_only on
\echo '|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|'
WITH median AS (SELECT what, min(position) AS position, form, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS ms FROM timing GROUP BY what, form),
     wide AS (SELECT what, min(position) AS position, max(ms) FILTER (WHERE form = 'by hand') AS hand, max(ms) FILTER (WHERE form = 'matches') AS matches,
                     max(ms) FILTER (WHERE form = 'members') AS members, max(ms) FILTER (WHERE form = 'keys') AS keys,
                     max(ms) FILTER (WHERE form = 'count') AS count FROM median GROUP BY what)
SELECT format('| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |', what, segments.count('numbers', (SELECT rule::segments.rule FROM data_sets WHERE name = what), false),
              round(hand::numeric, 1), round(matches::numeric, 1), round((matches / hand)::numeric, 2), round(members::numeric, 1),
              round((members / hand)::numeric, 2), round(keys::numeric, 1), round((keys / hand)::numeric, 2), round(count::numeric, 1), round((count / hand)::numeric, 2))
FROM wide ORDER BY position;
\echo

-- Planning, by number of leaves.
TRUNCATE timing;
CREATE TEMP TABLE size AS
SELECT leaves, '{"condition":"OR","rules":[' || string_agg(format('{"field":"sent_count","operator":"equal","value":%s}', i + 100), ',') || ']}' AS rule,
       string_agg(format('(sent_count = %s)', i + 100), ' OR ') AS by_hand
FROM (VALUES (1), (3), (12), (100), (500)) s (leaves), generate_series(1, leaves) i GROUP BY leaves;
DO $$
DECLARE
    q record;
BEGIN
    FOR round IN 0..5 * current_setting('bench.rounds')::int LOOP
        FOR q IN SELECT * FROM size, LATERAL (VALUES
                ('by hand', format('SELECT 1 FROM numbers n WHERE %s', by_hand)),
                ('matches', format('SELECT 1 FROM numbers n WHERE segments.matches(n, %L)', rule))) f (form, query)
            ORDER BY leaves, hashtext(form || round) LOOP
            INSERT INTO timing SELECT q.leaves, q.leaves, q.form, pg_temp.planned(q.query);
        END LOOP;
    END LOOP;
END $$;
\echo '### Planning, ms'
\echo
\echo '| leaves | by hand | matches | overhead |'
\echo '|--:|--:|--:|--:|'
WITH median AS (SELECT position, form, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS ms FROM timing GROUP BY position, form)
SELECT format('| %s | %s | %s | %s |', h.position, round(h.ms::numeric, 3), round(m.ms::numeric, 3), round((m.ms - h.ms)::numeric, 3))
FROM median h JOIN median m USING (position) WHERE h.form = 'by hand' AND m.form = 'matches' ORDER BY position;
\echo

-- Everything else.
TRUNCATE timing;
CREATE TEMP TABLE campaign_rule AS
SELECT '{"condition":"AND","rules":[{"field":"click_count","operator":"greater","value":0},{"field":"sent_count","operator":"less","value":50},{"field":"country","operator":"not_equal","value":"DE"}]}'::segments.rule AS rule;
ANALYZE campaign_rule;
DO $$
DECLARE
    large text := '{"condition":"OR","rules":[' || repeat('{"field":"sent_count","operator":"equal","value":1},', 9998) || '{"field":"sent_count","operator":"equal","value":1}]}';
BEGIN
    FOR i IN 1..1000 LOOP
        PERFORM segments.create('bench ' || i, 'numbers', format('{"condition":"AND","rules":[{"field":"sent_count","operator":"equal","value":%s},{"field":"country","operator":"equal","value":"DE"}]}', i % 20)::segments.rule);
    END LOOP;
    FOR round IN 0..current_setting('bench.rounds')::int LOOP
        INSERT INTO timing VALUES
            ('rule from a table, 3 leaves, all members', 1, '', pg_temp.took('SELECT count(*) FROM numbers n JOIN campaign_rule r ON segments.matches(n, r.rule)')),
            ('reading a rule of 10,000 nodes', 2, '', pg_temp.took(format('SELECT segments.rule_hash(%L::text::segments.rule)', large))),
            ('segments.of one member, 1,000 segments', 3, '', pg_temp.took('SELECT segments.of(n) FROM numbers n WHERE id = 4711')),
            ('segments.list, 1,000 segments', 4, '', pg_temp.took('SELECT * FROM segments.list')),
            ('segments.estimate', 5, '', pg_temp.took('SELECT segments.estimate(''numbers'', ''{"field":"click_count","operator":"greater","value":0}'')')),
            ('segments.explain one member', 6, '', pg_temp.took('SELECT e.* FROM numbers n, segments.explain(n, ''{"field":"click_count","operator":"greater","value":0}'') e WHERE id = 4711'));
    END LOOP;
END $$;
\echo '### Other'
\echo
\echo '| what | median ms |'
\echo '|---|--:|'
SELECT format('| %s | %s |', what, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)::numeric, 2)) FROM timing GROUP BY what, position ORDER BY position;
\echo
SELECT format('Rule from a table: %s million members a second on one core.',
              round(((SELECT count(*) FROM numbers) / percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) / 1000)::numeric, 1)) FROM timing WHERE position = 1;
