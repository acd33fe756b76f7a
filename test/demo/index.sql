-- The segment index of the numbers, made where there is none yet.
\set ON_ERROR_STOP on
\pset tuples_only on
\pset format unaligned
SELECT NOT EXISTS (SELECT FROM segments.index_status WHERE audience = 'numbers'::regclass AND usable) AS missing \gset
\if :missing
\echo
\echo 'The segment index: SELECT segments.create_index(\'numbers\', \'{country,carrier,sent_count,click_count,last_sent_at,last_clicked_at,created_at,list,sent,clicked}\')'
\o /dev/null
SELECT segments.drop_index(audience) FROM segments.index_status WHERE audience = 'numbers'::regclass;
\o
SELECT clock_timestamp() AS began \gset
SELECT segments.create_index('numbers', '{country,carrier,sent_count,click_count,last_sent_at,last_clicked_at,created_at,list,sent,clicked}') \g /dev/null
SELECT round(extract(epoch FROM clock_timestamp() - :'began')::numeric, 1) AS took, pg_size_pretty(bytes) AS size, members
FROM segments.index_status WHERE audience = 'numbers'::regclass \gset
\echo '   ' :members members in :took s, :size
\endif
