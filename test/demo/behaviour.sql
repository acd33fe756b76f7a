-- What a data set that asks events is as SQL, and its plan: psql -v name=won -f behaviour.sql
\set ON_ERROR_STOP on
\pset tuples_only on
\pset format unaligned
SET jit = off;
SELECT segments.sql('numbers', rule::text::segments.rule, suppress => false) AS sql FROM data_sets WHERE name = :'name' \gset
\echo
\echo :name', as SQL:'
\echo :sql
\echo
\echo :name', its plan:'
EXPLAIN (COSTS OFF) :sql;
