-- Events that came since slices were written: many are added up in slices, few by their values; asked once, and again.
SET segments.auto_compact = off;
CREATE TABLE people (id bigint PRIMARY KEY);
INSERT INTO people SELECT generate_series(1, 70000);
CREATE TABLE visits (person_id bigint, kind text, at timestamptz);
CREATE INDEX ON visits (person_id, kind, at);
-- Nobody yet in the second chunk; in the first some have up to three.
INSERT INTO visits SELECT 1 + i * 7 % 50000, 'came', '2025-01-01Z'::timestamptz + i * interval '1 minute' FROM generate_series(1, 40000) i;
INSERT INTO visits SELECT 1 + i * 49 % 50000, 'came', '2025-03-01Z'::timestamptz + i * interval '1 minute' FROM generate_series(1, 20000) i;
INSERT INTO visits SELECT 1 + i * 49 % 50000, 'came', '2025-05-01Z'::timestamptz + i * interval '1 minute' FROM generate_series(1, 9000) i;
ANALYZE people, visits;
SELECT segments.add_events('people', 'visits', 'visits', 'person_id', 'at', 'kind', ARRAY['came', 'went']);
SELECT segments.create_index('people');

-- How many of these rules have other members by the index than by SQL; each is asked three times.
CREATE FUNCTION wrong() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    rule text;
    expected bigint;
    result bigint := 0;
BEGIN
    FOR rule IN SELECT format(r, k) FROM unnest(ARRAY['came', 'went']) k, unnest(ARRAY[
            '{"event": "%s", "operator": "equal", "value": 0}', '{"event": "%s", "operator": "greater_or_equal", "value": 2}', '{"event": "%s", "operator": "in", "value": [0, 3, 4, 9, 50001]}',
            '{"event": "%s", "measure": "first", "operator": "less", "value": "2025-02-01"}', '{"event": "%s", "measure": "first", "operator": "greater_or_equal", "value": "2025-09-01"}',
            '{"event": "%s", "measure": "last", "operator": "less", "value": "2025-06-01"}', '{"event": "%s", "measure": "last", "operator": "greater", "value": "2025-09-02T12:00:00"}',
            '{"event": "%s", "within": {"from": "2025-09-02"}}']) r LOOP
        SET LOCAL segments.use_index = off;
        expected := segments.count('people', rule::segments.rule);
        SET LOCAL segments.use_index = force;
        FOR i IN 1..3 LOOP
            result := result + (segments.count('people', rule::segments.rule) <> expected)::int;
        END LOOP;
    END LOOP;
    RETURN CASE WHEN (SELECT usable FROM segments.index_status) THEN result END;
END $$;
SELECT wrong();
-- Many at once, to the second chunk too, and of a kind that there was not.
INSERT INTO visits SELECT 1 + i * 11 % 70000, CASE WHEN i % 3 = 0 THEN 'went' ELSE 'came' END, '2025-09-01Z'::timestamptz + i * interval '5 seconds' FROM generate_series(1, 30000) i;
SELECT wrong(), count(*) FROM visits;
-- A few after the many, then more than stand by themselves.
DO $$ BEGIN FOR i IN 1..40 LOOP INSERT INTO visits VALUES (i * 1500, CASE WHEN i % 2 = 0 THEN 'went' ELSE 'came' END, '2025-10-01Z'); END LOOP; END $$;
SELECT wrong();
INSERT INTO visits SELECT 1 + i * 13 % 70000, CASE WHEN i % 2 = 0 THEN 'went' ELSE 'came' END, '2024-09-01Z'::timestamptz + i * interval '5 seconds' FROM generate_series(1, 9000) i;
SELECT wrong();
-- A look after each of many statements, of few events and more: where only the number is asked for, they join those who came before; else what came lately
-- stands by itself, in order or not, until it is much. One member has ever more.
CREATE FUNCTION wrong_on_the_way(rules text[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    result bigint := 0;
BEGIN
    FOR i IN 1..40 LOOP
        INSERT INTO visits SELECT 1 + (i * 7919 + j * 37) % 60000, 'came', '2025-10-01T12:00Z'::timestamptz + j * interval '1 second' FROM generate_series(1, (ARRAY[1, 20, 60, 150, 400])[i % 5 + 1]) j
            UNION ALL SELECT 5, 'came', '2025-10-01T12:00Z' FROM generate_series(1, i % 3);
        FOR looks IN 0..i % 3 LOOP
            result := result + (SELECT count(*) FROM people_counted('force', rules) JOIN people_counted('off', rules) o USING (rule) WHERE people_counted.members <> o.members);
        END LOOP;
    END LOOP;
    RETURN result;
END $$;
CREATE FUNCTION people_counted(way text, rules text[]) RETURNS TABLE (rule text, members bigint) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('segments.use_index', way, true);
    RETURN QUERY SELECT r, segments.count('people', r::segments.rule) FROM unnest(rules) r;
END $$;
SELECT wrong_on_the_way(ARRAY['{"event": "came", "operator": "greater", "value": 2}', '{"event": "came", "operator": "greater", "value": 20}', '{"event": "came", "operator": "in", "value": [0, 3, 8, 16, 32, 40]}']);
SELECT wrong_on_the_way(ARRAY['{"event": "came", "operator": "greater", "value": 2}', '{"event": "came", "measure": "last", "operator": "greater", "value": "2025-10-01T12:00:30"}']);
SELECT count(*) FROM visits WHERE person_id = 5;
-- Several of a member in a statement; as many as take slices of their own; times far from the others; none.
INSERT INTO visits SELECT 1 + i % 3000, 'came', '2025-10-02Z'::timestamptz + i * interval '1 second' FROM generate_series(1, 9000) i;
INSERT INTO visits SELECT 777, 'went', '2025-10-03Z' FROM generate_series(1, 50000) i;
INSERT INTO visits SELECT 1 + i * 17, 'came', CASE WHEN i % 2 = 0 THEN '1901-01-01Z' ELSE '2025-11-01Z' END::timestamptz FROM generate_series(1, 4000) i;
INSERT INTO visits SELECT 1 + i * 19, 'went', CASE WHEN i % 2 = 0 THEN '-infinity' ELSE NULL END::timestamptz FROM generate_series(1, 2000) i;
SELECT wrong();
BEGIN;
INSERT INTO visits SELECT i, 'went', '2025-11-02Z' FROM generate_series(1, 60000) i;
SELECT wrong();
SAVEPOINT one;
INSERT INTO visits SELECT i, 'went', '2025-11-03Z' FROM generate_series(1, 60000) i;
SELECT wrong();
ROLLBACK TO one;
SELECT wrong();
ROLLBACK;
SELECT wrong();
-- Members who are looked up, beside events that are added up.
DELETE FROM visits WHERE person_id % 100 = 1;
SELECT wrong();
INSERT INTO visits SELECT i, 'came', '2025-11-04Z' FROM generate_series(1, 20000) i;
SELECT wrong();
SELECT segments.compact('people'), wrong();
ANALYZE visits;
INSERT INTO visits SELECT i, 'went', '2025-11-05Z' FROM generate_series(1, 40000) i;
SELECT wrong(), (SELECT count(*) FROM segments.verify('people', 20));
SELECT segments.compact('people'), wrong();
-- What adds up is noted without a number; what does not has one.
SELECT count(*) FROM segments.delta;
INSERT INTO visits VALUES (1, 'came', '2025-11-06Z');
INSERT INTO visits VALUES (2, 'came', '2025-11-06Z'), (3, 'went', '2025-11-06Z');
SELECT count(*), max(seq) FROM segments.delta;
DELETE FROM visits WHERE person_id = 1;
INSERT INTO people VALUES (0);
SELECT count(*), count(DISTINCT seq) FILTER (WHERE seq > 0) AS numbered FROM segments.delta;
SELECT wrong();
DROP TABLE people, visits;
DROP FUNCTION wrong, wrong_on_the_way, people_counted;
