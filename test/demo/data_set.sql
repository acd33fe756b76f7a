-- One data set, asked: psql -v name=clickers -f data_set.sql
\set ON_ERROR_STOP on
\pset tuples_only on
\pset format unaligned
SELECT meaning, regexp_replace(rule::text, '\s+', ' ', 'g') AS rule FROM data_sets WHERE name = :'name' \gset
SELECT clock_timestamp() AS began \gset
SELECT segments.count('numbers', :'rule') AS members \gset
SELECT round(1000 * extract(epoch FROM clock_timestamp() - :'began')::numeric, 1) AS took \gset
SELECT string_agg(phone, '  ') AS some FROM (SELECT phone FROM segments.members(NULL::numbers, :'rule') LIMIT 4) AS few \gset
\echo
\echo :name: :meaning
\echo '   ' :rule
\echo '   ' :members members in :took ms: :some ' …'
