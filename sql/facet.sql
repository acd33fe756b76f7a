-- segments.facet: how a field's values are spread over the members of a rule.
\pset format unaligned
SET client_min_messages = warning;
SET timezone = 'UTC';

CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE people (id int PRIMARY KEY, country text, score numeric, mood mood, tags text[], born timestamptz, notes json, active boolean);
INSERT INTO people SELECT i, (ARRAY['US', 'DE', 'FR', NULL])[1 + i % 4], CASE WHEN i % 3 > 0 THEN (i % 5)::numeric(5, 2) END, (enum_range(NULL::mood))[1 + i % 3],
    CASE WHEN i % 5 > 0 THEN ARRAY['a', 'a', CASE WHEN i % 2 = 0 THEN 'b' END] END, '2024-01-01'::timestamptz + i % 2 * interval '1 day', '{}', i % 7 > 0
FROM generate_series(1, 60) i;
CREATE TABLE list_members (person_id int, list text);
INSERT INTO list_members SELECT i, 'odd' FROM generate_series(1, 99, 2) i UNION ALL SELECT i, 'tenth' FROM generate_series(0, 99, 10) i, generate_series(1, 2) UNION ALL SELECT 5, NULL;
CREATE TABLE activity (person_id int, kind text, at timestamptz);
INSERT INTO activity SELECT i, 'click', '2024-01-01'::timestamptz + j * interval '1 day' FROM generate_series(1, 40) i, generate_series(1, 3) j WHERE j <= i % 4;
SELECT segments.add_field('people', 'first', 'left(n.country, 1)');
SELECT segments.add_membership('people', 'list', 'list_members', 'person_id', 'list');
SELECT segments.add_events('people', 'activity', 'activity', 'person_id', 'at', 'kind', '{click}');
SELECT segments.add_event_field('people', 'clicks', '{"event": "click"}');
SELECT segments.add_event_field('people', 'clicks by the 2nd', '{"event": "click", "within": {"to": "2024-01-02"}}');

SELECT * FROM segments.facet('people', '{"everyone": true}', 'country');
SELECT * FROM segments.facet('people', '{"field": "mood", "operator": "not_equal", "value": "sad"}', 'score');
SELECT * FROM segments.facet('people', '{"field": "id", "operator": "less", "value": 20}', 'tags');
SELECT * FROM segments.facet('people', '{"everyone": true}', 'list');
SELECT * FROM segments.facet('people', '{"list": "odd"}', 'list');
SELECT * FROM segments.facet('people', '{"everyone": true}', 'clicks');
-- A day is one of the rule's zone, in a field of events too; other events of the rule are another matter.
SELECT * FROM segments.facet('people', '{"condition": "AND", "rules": [{"event": "click", "operator": "greater", "value": 1}], "time_zone": "Asia/Tokyo"}', 'clicks by the 2nd');
SELECT * FROM segments.facet('people', '{"condition": "AND", "rules": [{"event": "click", "operator": "greater", "value": 1}], "time_zone": "America/New_York"}', 'clicks by the 2nd');
SELECT * FROM segments.facet('people', '{"field": "id", "operator": "less", "value": 0}', 'country');
SELECT * FROM segments.facet('people', NULL, 'country');

-- Every field beside SQL written by hand, with a rule and its complement, with the suppressed and without.
SELECT segments.suppress('people', '{"field": "active", "operator": "equal", "value": false}', reason => 'inactive');
CREATE TABLE compared AS
SELECT f.field, r.rule, s.suppress, (SELECT jsonb_object_agg(coalesce(value, 'null'), members) FROM segments.facet('people', r.rule, f.field, s.suppress)) AS facet
FROM segments.fields('people') f, (VALUES ('{"field": "id", "operator": "greater", "value": 20}'::segments.rule), ('{"condition": "OR", "rules": [{"event": "click"}, {"list": "odd"}]}')) a (asked),
     LATERAL (VALUES (asked), (segments.none_of(asked))) r (rule), (VALUES (true), (false)) s (suppress) WHERE f.field <> 'notes';
SELECT field, bool_and(facet IS NOT DISTINCT FROM by_hand) AS same, count(*) FROM compared, LATERAL (
    SELECT jsonb_object_agg(coalesce(v, 'null'), c) FROM (
        SELECT v, count(*) FROM people n CROSS JOIN LATERAL (
            SELECT DISTINCT e FROM unnest(n.tags) e WHERE field = 'tags' AND e IS NOT NULL
            UNION ALL SELECT DISTINCT m.list FROM list_members m WHERE field = 'list' AND m.person_id = n.id AND m.list IS NOT NULL
            UNION ALL SELECT CASE field WHEN 'id' THEN n.id::text WHEN 'country' THEN n.country WHEN 'score' THEN n.score::text WHEN 'mood' THEN n.mood::text WHEN 'born' THEN n.born::text
                                        WHEN 'active' THEN n.active::text WHEN 'first' THEN left(n.country, 1)
                                        WHEN 'clicks' THEN (SELECT count(*) FROM activity a WHERE a.person_id = n.id)::text
                                        WHEN 'clicks by the 2nd' THEN (SELECT count(*) FROM activity a WHERE a.person_id = n.id AND a.at < '2024-01-03')::text END
            WHERE field NOT IN ('tags', 'list')) u (v)
        WHERE segments.matches(n, rule) AND (n.active OR NOT suppress) GROUP BY v) g (v, c)) h (by_hand)
GROUP BY field ORDER BY field COLLATE "C";

-- Refusals.
SELECT * FROM segments.facet('people', '{"everyone": true}', 'contry');
SELECT * FROM segments.facet('people', '{"everyone": true}', 'notes');
SELECT * FROM segments.facet('people', '{"everyone": true}', NULL);
CREATE ROLE regress_facet;
GRANT SELECT (id, country) ON people TO regress_facet;
SET ROLE regress_facet;
SELECT count(*) FROM segments.facet('people', '{"everyone": true}', 'country', false);
SELECT count(*) FROM segments.facet('people', '{"everyone": true}', 'score', false);
SELECT count(*) FROM segments.facet('people', '{"everyone": true}', 'clicks', false);
RESET ROLE;
DROP OWNED BY regress_facet;
DROP ROLE regress_facet;
DROP TABLE people, list_members, activity, compared CASCADE;
