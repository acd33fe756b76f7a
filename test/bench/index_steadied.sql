-- What the reader of index_steady.sql saw, beside what it sees of an index made anew, at the same pace: who asks ten times a second finds less in the
-- processor's caches than who does nothing else.
\ir settings.sql
SET segments.use_index = force;
INSERT INTO timing SELECT 'steady', 'size', 0, 'beside the writer', bytes + change_bytes, changes FROM segments.index_status;
SELECT segments.rebuild_index('numbers') \g /dev/null
\set seconds 10
\set form 'made anew'
\ir index_steady.sql
INSERT INTO timing SELECT 'steady', 'count', i, 'again and again', (ask(by_index('[{"event": "clicked"}, {"event": "sent", "operator": "equal", "value": 1}]'))).ms, 0 FROM generate_series(1, 7) i;
INSERT INTO timing SELECT 'steady', 'size', 0, 'made anew', bytes, changes FROM segments.index_status;
\pset format unaligned
\pset tuples_only on
\echo '| | while written to | made anew | ratio | asked again and again |'
\echo '|---|--:|--:|--:|--:|'
WITH median AS (SELECT what, form, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS middle, percentile_cont(0.95) WITHIN GROUP (ORDER BY ms) AS high, max(ms) AS most,
                       max(amount) AS amount FROM timing WHERE part = 'steady' GROUP BY what, form)
SELECT format('| %s | %s | %s | %s | %s |', w.what, CASE w.what WHEN 'size' THEN round(w.middle / 1e6) || ' MB, tables at most ' || round((SELECT max(amount) FROM timing WHERE part = 'steady' AND what = 'count') / 1e6)
              ELSE format('%s ms (95 %%: %s, most: %s)', shown(w.middle), shown(w.high), shown(w.most)) END,
              CASE w.what WHEN 'size' THEN round(a.middle / 1e6) || ' MB' ELSE shown(a.middle) || ' ms' END, round((w.middle / a.middle)::numeric, 2), shown(r.middle) || ' ms')
FROM median w JOIN median a USING (what) LEFT JOIN median r ON r.what = w.what AND r.form = 'again and again'
WHERE w.form = 'beside the writer' AND a.form = 'made anew' ORDER BY w.what;
