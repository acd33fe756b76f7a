-- Events to come: a tenth as many as there are members.
CREATE UNLOGGED TABLE IF NOT EXISTS incoming (i int PRIMARY KEY, number_id bigint NOT NULL, kind message_kind NOT NULL, campaign int NOT NULL);
SELECT (SELECT count(*) FROM numbers) AS n \gset
INSERT INTO incoming
SELECT i, floor(random() * :n)::bigint, CASE WHEN random() < 0.85 THEN 'sent' ELSE 'clicked' END::message_kind, i % 40
FROM generate_series(1, :n / 10) i WHERE NOT EXISTS (SELECT FROM incoming);
VACUUM ANALYZE incoming;

-- Inserts :total of them into a table, :batch at a time, a transaction each: of other members every time, and of the last minute.
SELECT format($$CREATE OR REPLACE PROCEDURE insert_%1$s(batch int, total int) LANGUAGE plpgsql AS 'DECLARE
    shift bigint := floor(random() * %2$s);
BEGIN
    FOR start IN 0..total - 1 BY batch LOOP
        INSERT INTO %1$s SELECT 1 + (number_id + shift) %% %2$s, kind, now() - i %% 60000 * interval ''1 millisecond'', campaign
        FROM incoming WHERE i > start AND i <= start + batch;
        COMMIT;
    END LOOP;
END'$$, target, :n) FROM unnest('{events,events_plain,events_seen}'::text[]) target \gexec
