-- Members out of the index, and facets. Prints Markdown.
\ir settings.sql
SET segments.use_index = force;
CREATE TEMP TABLE way (position int, what text, query text, per_row boolean);
CREATE TEMP TABLE unused AS SELECT rule FROM question WHERE name = 'unused';
INSERT INTO way SELECT position, what, format(query, rule), per_row FROM unused, (VALUES
    (1, 'keys() in FROM', 'SELECT count(*) FROM segments.keys(''numbers'', %L, suppress => false) k', true),
    (2, 'keys() in the select list', 'SELECT count(*) FROM (SELECT segments.keys(''numbers'', %L, suppress => false) OFFSET 0) k', true),
    (3, 'members()', 'SELECT count(*) FROM segments.members(NULL::numbers, %L, suppress => false) n', true),
    (4, 'keys() in FROM, LIMIT 1', 'SELECT * FROM segments.keys(''numbers'', %L, suppress => false) k LIMIT 1', false),
    (5, 'keys() in the select list, LIMIT 1', 'SELECT segments.keys(''numbers'', %L, suppress => false) LIMIT 1', false),
    (6, 'facet of 200 values', 'SELECT count(*) FROM segments.facet(''numbers'', %L, ''city'', suppress => false) f', false),
    (7, 'facet of 200 values, everyone', 'SELECT count(*) FROM segments.facet(''numbers'', ''{"everyone": true}'', ''city'', suppress => false) f', false),
    (8, 'facet of carriers', 'SELECT count(*) FROM segments.facet(''numbers'', %L, ''carrier'', suppress => false) f', false)) w (position, what, query, per_row);
DO $$
DECLARE
    w record;
BEGIN
    FOR round IN 0..rounds() LOOP
        FOR w IN SELECT * FROM way ORDER BY hashtext(what || round) LOOP
            INSERT INTO timing SELECT 'out', w.what, w.position, round = 0, once(w.query);
        END LOOP;
    END LOOP;
END $$;
SELECT segments.count('numbers', rule::segments.rule, suppress => false) AS members FROM unused \gset
\pset format unaligned
\pset tuples_only on
\echo '| of' :members 'members | ms | ns a row |'
\echo '|---|--:|--:|'
SELECT format('| %s | %s | %s |', what, shown(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)),
              CASE WHEN per_row THEN round((1000000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) / :members)::numeric, 1) END)
FROM timing JOIN way USING (what, position) WHERE part = 'out' AND form = 'false' GROUP BY position, what, per_row ORDER BY position;
