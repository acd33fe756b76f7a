-- What the rivals took, as Markdown.
\ir settings.sql
\pset format unaligned
\pset fieldsep ' | '
\pset tuples_only on
\echo '| segment | leaves | members | index | kernels | ratio | by hand | factor | DuckDB | factor |'
\echo '|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|'
CREATE FUNCTION pg_temp.factor(of float8) RETURNS text LANGUAGE sql AS $$ SELECT CASE WHEN of < 10 THEN round(of::numeric, 2) ELSE round(of::numeric) END::text $$;
CREATE TEMP VIEW wide AS
WITH median AS (SELECT position, form, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS ms, min(amount) AS least, max(amount) AS most
                FROM timing WHERE part = 'counts' GROUP BY position, form)
SELECT position, max(ms) FILTER (WHERE form = 'index') AS index, max(ms) FILTER (WHERE form = 'kernels') AS kernels, max(ms) FILTER (WHERE form = 'by hand') AS hand,
       max(ms) FILTER (WHERE form = 'DuckDB') AS duck, min(least) AS least, max(most) AS most
FROM median GROUP BY position;
SELECT format('| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |', name, leaves, CASE WHEN least = most THEN most::text ELSE least || ' to ' || most || '!' END,
              round(index::numeric, 3), round(kernels::numeric, 3), round((index / kernels)::numeric, 2), shown(hand), pg_temp.factor(hand / index), shown(duck), pg_temp.factor(duck / index))
FROM wide JOIN question USING (position) ORDER BY position;
SELECT format('| geometric mean | | | %s | %s | %s | %s | %s | %s | %s |', round(exp(avg(ln(index)))::numeric, 3), round(exp(avg(ln(kernels)))::numeric, 3),
              round(exp(avg(ln(index / kernels)))::numeric, 2), shown(exp(avg(ln(hand)))), pg_temp.factor(exp(avg(ln(hand / index)))), shown(exp(avg(ln(duck)))),
              pg_temp.factor(exp(avg(ln(duck / index)))))
FROM wide;
\echo
SELECT format('Above twice the kernels and 0.1 ms: %s.', coalesce(string_agg(name, ', ' ORDER BY position), 'none'))
FROM wide JOIN question USING (position) WHERE index > 2 * kernels + 0.1;
