-- What index_write.sql took, as Markdown.
\ir settings.sql
\pset format unaligned
\pset tuples_only on
\echo '| statements | without, ms | with, ms | ratio | speed | WAL without, MB | with, MB | ratio | a trigger that does nothing, ratio |'
\echo '|---|--:|--:|--:|--:|--:|--:|--:|--:|'
WITH median AS (SELECT what, min(position) AS position, CASE WHEN form LIKE '%\_plain' THEN 'plain' WHEN form LIKE '%\_seen' THEN 'seen' ELSE 'index' END AS way,
                       percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS ms, percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) / 1e6 AS mb
                FROM timing WHERE part = 'write' GROUP BY what, way)
SELECT format('| %s | %s | %s | %s | %s %% | %s | %s | %s | %s |', p.what, CASE WHEN w.mb IS NULL THEN round(p.ms::numeric, 4)::text ELSE shown(p.ms) END,
              CASE WHEN w.mb IS NULL THEN round(w.ms::numeric, 4)::text ELSE shown(w.ms) END, round((w.ms / p.ms)::numeric, 2),
              round(100 * p.ms / w.ms), round(p.mb::numeric, 2), round(w.mb::numeric, 2), round((w.mb / p.mb)::numeric, 2), round((s.ms / p.ms)::numeric, 2))
FROM median p JOIN median w USING (what) LEFT JOIN median s ON s.what = p.what AND s.way = 'seen' WHERE p.way = 'plain' AND w.way = 'index' ORDER BY p.position;
