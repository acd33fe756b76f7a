-- Building: seven fields and the lists, then all that the other parts ask.
\ir settings.sql
\pset tuples_only on
\pset format unaligned
\echo '| building | s | MB | slices |'
\echo '|---|--:|--:|--:|'
SELECT once($$SELECT segments.create_index('numbers', '{country,carrier,sent_count,click_count,last_sent_at,last_clicked_at,created_at,list}')$$) AS ms \gset
SELECT format('| seven fields and %s lists | %s | %s | %s |', (SELECT count(*) FROM lists), round((:ms / 1000)::numeric, 1), round(bytes / 1e6), slices) FROM segments.index_status;
SELECT segments.drop_index('numbers') \g /dev/null
VACUUM segments.slice, segments.slice_entry, segments.delta, segments.dictionary, segments.index_state;
SELECT once($$SELECT segments.create_index('numbers', '{country,carrier,sent_count,click_count,last_sent_at,last_clicked_at,created_at,list,city,events.sent,events.clicked}')$$) AS ms \gset
SELECT format('| and one of 200 values, and events, of which there are none yet | %s | %s | %s |', round((:ms / 1000)::numeric, 1), round(bytes / 1e6), slices) FROM segments.index_status;
VACUUM segments.slice, segments.slice_entry, segments.delta, segments.dictionary, segments.index_state;
