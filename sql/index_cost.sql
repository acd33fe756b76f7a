-- segments.use_index = on: the index where it costs less. A rule of which a b-tree gives a few rows is not worth many slices.
SET segments.auto_compact = off;
CREATE TABLE people (id bigint PRIMARY KEY, rare int, seen timestamptz NOT NULL);
INSERT INTO people SELECT i, i % 100000, '2026-01-01Z'::timestamptz + i * 7919 % 1000003 * interval '1 second' FROM generate_series(1, 300000::bigint) i;
CREATE INDEX ON people (rare);
VACUUM (ANALYZE) people;
SELECT segments.create_index('people');

-- Times before none of which nobody was seen: as many passes over the slices as there are times.
CREATE FUNCTION times(tail text) RETURNS segments.rule LANGUAGE sql RETURN (
    SELECT format('{"condition": "AND", "rules": [{"condition": "OR", "rules": [%s]}, %s]}',
                  string_agg(format('{"field": "seen", "operator": "less", "value": "%s"}', to_char('2026-01-05'::timestamp + i * interval '5 minutes 3 seconds', 'YYYY-MM-DD"T"HH24:MI:SS')), ', '), tail)::segments.rule
    FROM generate_series(1, 200) i);
CREATE FUNCTION by_index(rule segments.rule) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE format('EXPLAIN SELECT * FROM segments.keys(%L, %L)', 'people', rule) LOOP
        IF line LIKE '%SegmentIndexKeys%' THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END $$;
-- The same members by the index, by SQL and by whatever is chosen, the first time and later.
CREATE FUNCTION members(rule segments.rule) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found bigint[];
BEGIN
    found := segments.count('people', rule) || found;
    found := segments.count('people', rule) || found;
    SET LOCAL segments.use_index = off;
    found := segments.count('people', rule) || found;
    SET LOCAL segments.use_index = force;
    found := segments.count('people', rule) || found;
    SET LOCAL segments.use_index = on;
    found := segments.count('people', rule) || found;
    RETURN CASE WHEN found[1] = ALL (found) THEN found[1] END;
END $$;

SELECT members(times('{"field": "rare", "operator": "equal", "value": 5}')), by_index(times('{"field": "rare", "operator": "equal", "value": 5}'));
SELECT members(times('{"field": "id", "operator": "in", "value": [7, 77, 777, 7777]}')), by_index(times('{"field": "id", "operator": "in", "value": [7, 77, 777, 7777]}'));
-- Many rows; and few slices.
SELECT members(times('{"field": "rare", "operator": "less", "value": 50000}')), by_index(times('{"field": "rare", "operator": "less", "value": 50000}'));
SELECT members('{"field": "rare", "operator": "equal", "value": 5}'), by_index('{"field": "rare", "operator": "equal", "value": 5}');
SET segments.use_index = force;
SELECT by_index(times('{"field": "rare", "operator": "equal", "value": 5}'));
RESET segments.use_index;

-- The planner's guess does not count where the index knows better: nobody has looked at the table since.
UPDATE people SET rare = 6 WHERE id <= 100000;
SELECT members(times('{"field": "rare", "operator": "equal", "value": 6}')), by_index(times('{"field": "rare", "operator": "equal", "value": 6}'));
-- Nor what the index knew a hundred answers ago.
UPDATE people SET rare = 5 WHERE id <= 100000;
SELECT count(segments.count('people', times('{"field": "rare", "operator": "equal", "value": 5}')) ORDER BY i) FROM generate_series(1, 100) i;
SELECT members(times('{"field": "rare", "operator": "equal", "value": 5}')), by_index(times('{"field": "rare", "operator": "equal", "value": 5}'));
DROP TABLE people;
DROP FUNCTION times, by_index, members;
