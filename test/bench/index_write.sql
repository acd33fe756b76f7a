-- Statements on tables with the index and without it, in turns.
\ir settings.sql
\ir index_incoming.sql
SET synchronous_commit = off;
SELECT format('DROP INDEX %s', indexrelid::regclass) FROM pg_index WHERE indrelid = 'numbers_plain'::regclass AND NOT indisprimary \gexec

-- What PostgreSQL itself takes to hand over old and new rows: triggers that look at none of them.
DROP TABLE IF EXISTS numbers_seen;
CREATE TABLE numbers_seen (LIKE numbers_plain INCLUDING ALL);
INSERT INTO numbers_seen SELECT * FROM numbers_plain ORDER BY id;
VACUUM ANALYZE numbers_seen;
CREATE OR REPLACE FUNCTION look_at_none() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER seen AFTER UPDATE ON numbers_seen REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION look_at_none();
DROP TABLE IF EXISTS events_seen;
CREATE TABLE events_seen (LIKE events_plain INCLUDING ALL);
CREATE TRIGGER seen AFTER INSERT ON events_seen REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION look_at_none();

-- Members to change: other ones in each round.
DROP TABLE IF EXISTS touched;
CREATE TABLE touched AS
SELECT amount, round, 1 + floor((i + random()) * :n / amount)::bigint % :n AS id
FROM unnest(ARRAY[least(10000, :n / 20), least(200000, :n / 5)]) amount, generate_series(0, rounds()) round, generate_series(0, amount - 1) i;
CREATE INDEX ON touched (amount, round) INCLUDE (id);
VACUUM ANALYZE touched;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_seqscan = off;

CREATE TEMP TABLE statement (position int GENERATED ALWAYS AS IDENTITY, what text, target text, batch int, total int, query text);
INSERT INTO statement (what, target, batch, total)
SELECT format('%s events, %s a statement', to_char(total, 'FM9,999,999'), to_char(batch, 'FM9,999,999')), target, batch, total
FROM (VALUES (100, least(100000, :n / 20)), (10000, least(500000, :n / 10)), (:n / 10, :n / 10)) v (batch, total), unnest('{events_plain,events,events_seen}'::text[]) target;
INSERT INTO statement (what, target, query)
SELECT format('UPDATE of %s rows', to_char(amount, 'FM9,999,999')), target,
       format('UPDATE %s n SET click_count = click_count + 1, last_clicked_at = now() FROM touched t WHERE t.amount = %s AND t.round = :round AND n.id = t.id', target, amount)
FROM (SELECT DISTINCT amount FROM touched ORDER BY amount) a, unnest('{numbers_plain,numbers,numbers_seen}'::text[]) target;

DO $$
DECLARE
    s record;
    wal pg_lsn;
    began timestamptz;
BEGIN
    FOR round IN 0..rounds() LOOP
        FOR s IN SELECT * FROM statement ORDER BY what, hashtext(target || round) LOOP
            COMMIT;
            wal := pg_current_wal_insert_lsn();
            began := clock_timestamp();
            IF s.target = 'events' THEN
                CALL insert_events(s.batch, s.total);
            ELSIF s.target = 'events_plain' THEN
                CALL insert_events_plain(s.batch, s.total);
            ELSIF s.target = 'events_seen' THEN
                CALL insert_events_seen(s.batch, s.total);
            ELSE
                EXECUTE replace(s.query, ':round', round::text);
            END IF;
            COMMIT;
            IF round > 0 THEN
                INSERT INTO timing VALUES ('write', s.what, s.position, s.target, 1000 * extract(epoch FROM clock_timestamp() - began), pg_current_wal_insert_lsn() - wal);
            END IF;
        END LOOP;
        PERFORM segments.compact('numbers');
        COMMIT;
    END LOOP;
END $$;
DROP TABLE numbers_seen;
