-- Counts after changes that are not in the slices yet, and taking them in. Prints Markdown.
\ir settings.sql
\ir index_incoming.sql
SET synchronous_commit = off;
SET segments.use_index = force;

CREATE TEMP TABLE asked AS SELECT by_index('[{"event": "clicked"}, {"event": "sent", "operator": "equal", "value": 1}]') AS query;

-- The first count, and the median of those after it.
CREATE FUNCTION pg_temp.count_now(round int, "position" int, what text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    first float8 := once((SELECT query FROM asked));
    later float8 := (ask((SELECT query FROM asked))).ms;
BEGIN
    IF round > 0 THEN
        INSERT INTO timing VALUES ('fresh', what, position, 'first', first), ('fresh', what, position, 'later', later);
    END IF;
END $$;

-- form: rows of changes that are left, and whether slices were written.
CREATE FUNCTION pg_temp.take_in(round int, "position" int, what text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    wal pg_lsn := pg_current_wal_insert_lsn();
    before bigint := (SELECT i.generation FROM segments.index_status i);
    ms float8 := once('SELECT segments.compact(''numbers'')');
BEGIN
    IF round > 0 THEN
        INSERT INTO timing SELECT 'taken in', what, position, CASE WHEN i.generation <> before THEN 'slices' WHEN pg_current_wal_insert_lsn() - wal > 10000 THEN 'merged' ELSE 'nothing to gain' END, ms, pg_current_wal_insert_lsn() - wal
        FROM segments.index_status i;
    END IF;
END $$;

-- From slices to slices: a tenth of the members' number of events is more than compaction keeps beside them.
SELECT (SELECT count(*) FROM numbers) AS n \gset
SELECT least(1000, :n / 1000) AS few, least(100000, :n / 100) AS many, least(10000, :n / 1000) AS batch, :n / 20 AS half, :n / 10 AS whole,
       'FM9,999,999' AS says \gset
-- Dead rows of changes cost every reader: they are vacuumed away as autovacuum does.
CREATE TEMP TABLE step (step int GENERATED ALWAYS AS IDENTITY, command text);
INSERT INTO step (command)
SELECT unnest(ARRAY[
    format('CALL insert_events(%s, %s)', whole, whole),
    'SELECT segments.compact(''numbers'')', 'VACUUM segments.delta, segments.slice, segments.slice_entry',
    'SELECT ask(query) FROM asked',
    -- As many statements on a table of no index: what they put out of the processor's caches is not the index's.
    format('CALL insert_events_plain(1, %s)', few),
    'SELECT pg_temp.count_now($1, 1, ''all in slices'')',
    format('CALL insert_events(1, %s)', few),
    format('SELECT pg_temp.count_now($1, 2, ''%s one-row inserts'')', to_char(few, says)),
    format('CALL insert_events(1, %s)', many - few),
    format('SELECT pg_temp.count_now($1, 3, ''%s one-row inserts'')', to_char(many, says)),
    format('SELECT pg_temp.take_in($1, 1, ''%s one-row inserts'')', to_char(many, says)), 'VACUUM segments.delta, segments.slice, segments.slice_entry',
    format('CALL insert_events(%s, %s)', batch, batch),
    format('SELECT pg_temp.take_in($1, 2, ''%s events beside %s merged'')', to_char(batch, says), to_char(many, says)), 'VACUUM segments.delta, segments.slice, segments.slice_entry',
    format('CALL insert_events(%s, %s)', batch, half - many - batch),
    format('SELECT pg_temp.count_now($1, 4, ''%s events, %s merged'')', to_char(half, says), to_char(many + batch, says)),
    format('SELECT pg_temp.take_in($1, 3, ''%s events, %s merged before'')', to_char(half, says), to_char(many + batch, says)), 'VACUUM segments.delta, segments.slice, segments.slice_entry',
    format('SELECT pg_temp.count_now($1, 5, ''%s events, all merged'')', to_char(half, says)),
    format('CALL insert_events(%s, %s)', whole, whole - half),
    'SELECT segments.compact(''numbers'')', 'VACUUM segments.delta, segments.slice, segments.slice_entry',
    'SELECT once(query) FROM asked',
    format('CALL insert_events(%s, %s)', batch, whole),
    format('SELECT pg_temp.count_now($1, 6, ''%s events in batches of %s'')', to_char(whole, says), to_char(batch, says)),
    format('SELECT pg_temp.take_in($1, 4, ''%s events in batches of %s'')', to_char(whole, says), to_char(batch, says)), 'VACUUM segments.delta, segments.slice, segments.slice_entry',
    -- As many as are brought together without being put into slices.
    format('CALL insert_events(%s, %s)', few / 10, half),
    format('SELECT pg_temp.take_in($1, 5, ''%s events in batches of %s'')', to_char(half, says), to_char(few / 10, says))])
FROM (VALUES (:few, :many, :batch, :half, :whole, :'says')) v (few, many, batch, half, whole, says);
\o /dev/null
SELECT replace(command, '$1', round::text) FROM generate_series(0, rounds()) round, step ORDER BY round, step \gexec
\o
\pset format unaligned
\pset tuples_only on
\echo '| since slices were written | first count, ms | more than in slices | later counts, ms | in slices x |'
\echo '|---|--:|--:|--:|--:|'
WITH median AS (SELECT what, position, form, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS ms FROM timing WHERE part = 'fresh' GROUP BY what, position, form),
     base AS (SELECT min(ms) FILTER (WHERE form = 'first') AS first, min(ms) FILTER (WHERE form = 'later') AS later FROM median WHERE position = 1)
SELECT format('| %s | %s | %s | %s | %s |', f.what, shown(f.ms), shown(f.ms - base.first), shown(l.ms), round((l.ms / base.later)::numeric, 1))
FROM median f JOIN median l USING (position), base WHERE f.form = 'first' AND l.form = 'later' ORDER BY position;
\echo
\echo '| compact() after | ms | WAL, MB | how |'
\echo '|---|--:|--:|---|'
SELECT format('| %s | %s | %s | %s |', what, shown(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)), round((percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) / 1e6)::numeric, 1),
              string_agg(DISTINCT form, ', ')) FROM timing WHERE part = 'taken in' GROUP BY position, what ORDER BY position;
