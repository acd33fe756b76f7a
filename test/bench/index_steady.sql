-- A reader: :seconds of counts, ten a second; form: what goes on meanwhile.
\ir settings.sql
SET segments.use_index = force;
SELECT set_config('bench.seconds', :'seconds', false), set_config('bench.form', :'form', false) \g /dev/null
DO $$
DECLARE
    began timestamptz := clock_timestamp();
    query text := by_index('[{"event": "clicked"}, {"event": "sent", "operator": "equal", "value": 1}]');
BEGIN
    PERFORM once(query);
    WHILE clock_timestamp() < began + current_setting('bench.seconds')::int * interval '1 second' LOOP
        INSERT INTO timing SELECT 'steady', 'count', extract(epoch FROM clock_timestamp() - began), current_setting('bench.form'), once(query),
            pg_total_relation_size('segments.slice') + pg_total_relation_size('segments.slice_entry') + pg_total_relation_size('segments.delta');
        COMMIT;
        PERFORM pg_sleep(0.1);
        COMMIT; -- now() is the transaction's
    END LOOP;
END $$;
