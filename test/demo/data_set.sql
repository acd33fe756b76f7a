-- One data set, asked with the segment index and without: psql -v name=clickers -f data_set.sql
\set ON_ERROR_STOP on
\pset tuples_only on
\pset format unaligned
SELECT meaning, regexp_replace(rule::text, '\s+', ' ', 'g') AS rule FROM data_sets WHERE name = :'name' \gset
SET segments.use_index = off;
SELECT clock_timestamp() AS began \gset
SELECT segments.count('numbers', :'rule') AS members \gset
SELECT round(1000 * extract(epoch FROM clock_timestamp() - :'began')::numeric, 1) AS by_sql \gset
-- Asked twice: the first time a new session reads the index's directory.
SET segments.use_index = on;
SELECT segments.count('numbers', :'rule') AS again \gset
SELECT clock_timestamp() AS began \gset
SELECT segments.count('numbers', :'rule') AS again \gset
SELECT round(1000 * extract(epoch FROM clock_timestamp() - :'began')::numeric, 2) AS by_index \gset
SELECT :members = :again AS same \gset
SELECT string_agg(phone, '  ') AS some FROM (SELECT phone FROM segments.members(NULL::numbers, :'rule') LIMIT 4) AS few \gset
\echo
\echo :name: :meaning
\echo '   ' :rule
\if :same
\echo '   ' :members members in :by_index ms, :by_sql ms without the index: :some ' …'
\else
\echo '   ' WRONG: :members members by SQL, :again by the index
\endif
