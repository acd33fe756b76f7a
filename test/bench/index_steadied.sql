-- What the reader of index_steady.sql saw, beside an index made anew.
\ir settings.sql
SET segments.use_index = force;
SELECT segments.rebuild_index('numbers') \g /dev/null
INSERT INTO timing SELECT 'steady', 'count', i, 'made anew', (ask(by_index('[{"event": "clicked"}, {"event": "sent", "operator": "equal", "value": 1}]'))).ms, 0 FROM generate_series(1, 7) i;
INSERT INTO timing SELECT 'steady', 'size', 0, 'made anew', bytes, changes FROM segments.index_status;
\pset format unaligned
\pset tuples_only on
\echo '| | while written to | made anew | ratio |'
\echo '|---|--:|--:|--:|'
WITH median AS (SELECT what, form = 'made anew' AS anew, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS middle, percentile_cont(0.95) WITHIN GROUP (ORDER BY ms) AS high, max(ms) AS most,
                       max(amount) AS amount FROM timing WHERE part = 'steady' GROUP BY what, anew)
SELECT format('| %s | %s | %s | %s |', what, CASE what WHEN 'size' THEN round(w.middle / 1e6) || ' MB, tables at most ' || round((SELECT max(amount) FROM timing WHERE part = 'steady' AND what = 'count') / 1e6)
              ELSE format('%s ms (95 %%: %s, most: %s)', shown(w.middle), shown(w.high), shown(w.most)) END,
              CASE what WHEN 'size' THEN round(a.middle / 1e6) || ' MB' ELSE shown(a.middle) || ' ms' END, round((w.middle / a.middle)::numeric, 2))
FROM median w JOIN median a USING (what) WHERE NOT w.anew AND a.anew ORDER BY what;
