-- One data set, asked without the segment index and with it, where it can answer: psql -v name=clickers -f data_set.sql
\set ON_ERROR_STOP on
\pset tuples_only on
\pset format unaligned
CREATE FUNCTION pg_temp.is_asked_by_index(rule segments.rule) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE format('EXPLAIN SELECT * FROM segments.keys(%L, %L)', 'numbers', rule) LOOP
        IF line LIKE '%SegmentIndexKeys%' THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END $$;
SELECT meaning, regexp_replace(rule::text, '\s+', ' ', 'g') AS rule FROM data_sets WHERE name = :'name' \gset
SET segments.use_index = off;
SELECT clock_timestamp() AS began \gset
SELECT segments.count('numbers', :'rule') AS members \gset
SELECT round(1000 * extract(epoch FROM clock_timestamp() - :'began')::numeric, 1) AS by_sql \gset
SET segments.use_index = on;
SELECT pg_temp.is_asked_by_index(:'rule') AS indexed \gset
\if :indexed
-- Asked twice: the first time a new session reads the index's directory.
SELECT segments.count('numbers', :'rule') AS again \gset
SELECT clock_timestamp() AS began \gset
SELECT segments.count('numbers', :'rule') AS again \gset
SELECT round(1000 * extract(epoch FROM clock_timestamp() - :'began')::numeric, 2) AS by_index \gset
\else
\set again :members
\endif
SELECT :members = :again AS same \gset
SELECT string_agg(phone, '  ') AS some FROM (SELECT phone FROM segments.members(NULL::numbers, :'rule') LIMIT 4) AS few \gset
\echo
\echo :name: :meaning
\echo '   ' :rule
\if :same
\if :indexed
\echo '   ' :members members in :by_index ms, :by_sql ms without the index: :some ' …'
\else
\echo '   ' :members members in :by_sql ms, by SQL: :some ' …'
\endif
\else
\echo '   ' WRONG: :members members by SQL, :again by the index
\endif
