-- Events of a set are asked as a set, those of one member by the index; a window reads its partitions only.
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
SET timezone = 'UTC';

CREATE TABLE people (id int PRIMARY KEY, plan int NOT NULL) WITH (autovacuum_enabled = false);
INSERT INTO people SELECT i, i % 10 FROM generate_series(1, 5000) i;
CREATE TYPE kind AS ENUM ('sent', 'clicked', 'bought');
CREATE TABLE activity (person_id int, kind kind, at timestamptz, price int) PARTITION BY RANGE (at);
CREATE TABLE activity_old PARTITION OF activity FOR VALUES FROM ('2023-01-01') TO ('2024-01-01') WITH (autovacuum_enabled = false);
CREATE TABLE activity_new PARTITION OF activity FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') WITH (autovacuum_enabled = false);
INSERT INTO activity SELECT i % 4500, (enum_range(NULL::kind))[1 + (i / 4500 + i) % 3], '2023-01-01'::timestamptz + i % 700 * interval '1 day', i % 100 FROM generate_series(1, 40000) i;
CREATE INDEX ON activity (person_id, kind, at);
VACUUM (ANALYZE) people, activity;
SELECT segments.add_events('people', 'activity', 'activity', 'person_id', 'at', 'kind');
SELECT segments.add_event_field('people', 'clicks', '{"event": "clicked"}');

CREATE TABLE rules (name text, rule text);
INSERT INTO rules VALUES
    ('ever', '{"event": "clicked"}'),
    ('never', '{"event": "clicked", "operator": "equal", "value": 0}'),
    ('often', '{"event": "clicked", "operator": "greater", "value": 2}'),
    ('seldom', '{"field": "clicks", "operator": "less", "value": 3}'),
    ('windowed', '{"event": "clicked", "within": {"from": "2024-02-01"}}'),
    ('two in a window', '{"event": "clicked", "within": {"from": "2024-02-01"}, "operator": "greater", "value": 1}'),
    ('filtered', '{"event": "bought", "where": {"condition": "AND", "rules": [{"field": "price", "operator": "greater", "value": 98}]}}'),
    ('sum', '{"event": "bought", "measure": {"sum": "price"}, "operator": "greater", "value": 200}'),
    ('rested', '{"event": "sent", "measure": "last", "operator": "less", "value": "2024-06-01"}'),
    ('recent', '{"event": "sent", "measure": "last", "operator": "greater", "value": "2024-06-01"}'),
    ('sequence', '{"sequence": [{"event": "clicked"}, {"event": "bought", "after": {"at_most": 120, "unit": "day"}}]}'),
    ('unanswered', '{"sequence": [{"event": "sent"}, {"event": "clicked", "after": {"at_most": 120, "unit": "day"}, "not": true}]}'),
    ('two measures', '{"condition": "AND", "rules": [{"event": "sent", "operator": "greater", "value": 2}, {"event": "clicked", "operator": "less", "value": 3}, {"event": "bought"}]}'),
    ('either', '{"condition": "OR", "rules": [{"event": "sent", "operator": "greater", "value": 4}, {"sequence": [{"event": "sent"}, {"event": "bought"}]}, {"event": "bought"}]}');

-- How often a pattern occurs in a query's plan, below the plan nodes of a set.
CREATE FUNCTION occurrences(query text, pattern text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    plan text := '';
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        plan := plan || line || E'\n';
    END LOOP;
    RETURN (SELECT count(*) FROM regexp_matches(plan, pattern, 'g'));
END $$;

-- A set is never asked by a sub-plan, member by member.
SELECT name, form FROM rules, LATERAL (VALUES ('sql', segments.sql('people', rule::segments.rule)),
        ('keys', format('SELECT * FROM segments.keys(''people'', %L)', rule)),
        ('members', format('SELECT * FROM segments.members(NULL::people, %L)', rule)),
        ('matches', CASE WHEN name <> 'either' THEN format('SELECT id FROM people n WHERE segments.matches(n, %L)', rule) END),
        ('not matches', CASE WHEN name NOT IN ('either', 'two measures') THEN format('SELECT id FROM people n WHERE NOT segments.matches(n, %L)', rule) END)) f (form, query)
WHERE query IS NOT NULL AND occurrences(query, 'SubPlan') > 0 ORDER BY name, form;
-- The same members, whichever form.
SELECT name, segments.count('people', rule::segments.rule),
    (SELECT count(*) FROM people n WHERE segments.matches(n, rule::segments.rule)) AS matches,
    (SELECT count(*) FROM segments.keys('people', rule::segments.rule)) AS keys,
    segments.count('people', segments.none_of(rule::segments.rule)) AS others
FROM rules ORDER BY name;

-- Passes over the source: one for what a window asks, whatever the number of measures; plain joins for what one event decides.
SELECT name, occurrences(segments.sql('people', rule::segments.rule), 'activity_new') AS passes FROM rules ORDER BY name;

-- A window that begins in 2024 leaves 2023 unread.
SELECT name, occurrences(segments.sql('people', rule::segments.rule), 'activity_old') > 0 AS reads_2023 FROM rules ORDER BY name;

-- One member: by index, in matches as a constant, nothing of the events is scanned.
SELECT name, occurrences(format('SELECT segments.matches(n, %L) FROM people n WHERE id = 7', rule), 'Seq Scan on activity') AS scans,
    occurrences(format('SELECT segments.matches(n, %L) FROM people n WHERE id = 7', rule), 'Index (Only )?Scan using activity_[a-z0-9_]* on activity') > 0 AS index
FROM rules ORDER BY name;

DROP TABLE people, activity, rules;
