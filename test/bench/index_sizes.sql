-- The questions without lists, of an audience of :size members made of the numbers.
\ir settings.sql
SET segments.use_index = force;
DROP TABLE IF EXISTS sized;
SELECT count(*) AS n, set_config('bench.size', :'size', false) FROM numbers_plain \gset
CREATE TABLE sized AS SELECT id + :n * k AS id, country, carrier, sent_count, click_count, last_sent_at, last_clicked_at, created_at
FROM generate_series(0, (:size - 1) / :n) k, numbers_plain WHERE id + :n * k <= :size ORDER BY 1;
ALTER TABLE sized ADD PRIMARY KEY (id);
VACUUM ANALYZE sized;
SELECT segments.add_audience('sized') \g /dev/null
SELECT segments.create_index('sized') \g /dev/null
DO $$
BEGIN
    FOR round IN 1..rounds() LOOP
        INSERT INTO timing
        SELECT 'sizes', q.name, q.position, current_setting('bench.size'), a.ms, a.members
        FROM question q, ask(replace(by_index(q.rule), '''numbers''', '''sized''')) a WHERE q.kernel NOT LIKE '%l%';
    END LOOP;
END $$;
SELECT segments.drop_index('sized') \g /dev/null
SELECT segments.drop_audience('sized') \g /dev/null
