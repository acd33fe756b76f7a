-- A list of two million memberships over an audience of one million, at work_mem 4MB: in AND, OR and NOT, against the join written by hand.
-- Counts must agree; times are told, not judged: five times the hand-written join is the mark. Prints TAP.
\set ON_ERROR_STOP on
\set QUIET on
\pset tuples_only on
\pset format unaligned
SET client_min_messages = warning;
\o /dev/null
CREATE EXTENSION segments;
CREATE TABLE people (id bigint PRIMARY KEY, sent int NOT NULL);
INSERT INTO people SELECT i, hashint8(i) & 15 FROM generate_series(1, 1000000) AS i;
-- Two million on list 1, every second of them one of the people.
CREATE TABLE list_members (list int, person bigint, PRIMARY KEY (list, person));
INSERT INTO list_members SELECT 1, i FROM generate_series(1, 3999999, 2) AS i;
INSERT INTO list_members SELECT 2, i FROM generate_series(1, 1000000, 50) AS i;
CREATE INDEX ON list_members (person, list);
VACUUM (ANALYZE) people, list_members;
SELECT segments.add_audience('people');
SELECT segments.add_membership('people', 'list', 'list_members', member => 'person', value => 'list');
\o
SET work_mem = '4MB';

-- Counts by a query, in the better of two runs.
CREATE FUNCTION pg_temp.timed(query text, OUT members bigint, OUT milliseconds numeric) LANGUAGE plpgsql AS $$
DECLARE
    began timestamptz;
    took numeric;
BEGIN
    FOR i IN 1..2 LOOP
        began := clock_timestamp();
        EXECUTE query INTO members;
        took := round(1000 * extract(epoch FROM clock_timestamp() - began), 1);
        milliseconds := least(milliseconds, took);
    END LOOP;
END $$;

CREATE TEMP TABLE question (name text, rule text, by_hand text);
INSERT INTO question VALUES
('AND', '{"condition": "AND", "rules": [{"list": 1}, {"field": "sent", "operator": "less", "value": 8}]}',
 'SELECT count(*) FROM people n JOIN list_members m ON m.list = 1 AND m.person = n.id WHERE n.sent < 8'),
('OR', '{"condition": "OR", "rules": [{"list": 1}, {"field": "sent", "operator": "less", "value": 8}]}',
 'SELECT count(*) FROM people n LEFT JOIN list_members m ON m.list = 1 AND m.person = n.id WHERE m.person IS NOT NULL OR n.sent < 8'),
('NOT', '{"condition": "AND", "not": true, "rules": [{"list": 1}]}',
 'SELECT count(*) FROM people n LEFT JOIN list_members m ON m.list = 1 AND m.person = n.id WHERE m.person IS NULL'),
('two lists', '{"condition": "OR", "rules": [{"list": 1}, {"list": 2}]}',
 'SELECT count(*) FROM people n LEFT JOIN list_members a ON a.list = 1 AND a.person = n.id LEFT JOIN list_members b ON b.list = 2 AND b.person = n.id
  WHERE a.person IS NOT NULL OR b.person IS NOT NULL');

CREATE TEMP TABLE form (position int, name text, query text);
INSERT INTO form VALUES
(1, 'count', 'SELECT segments.count(''people'', %L)'),
(2, 'keys', 'SELECT count(*) FROM segments.keys(''people'', %L)'),
(3, 'members', 'SELECT count(*) FROM segments.members(NULL::people, %L)'),
(4, 'matches', 'SELECT count(*) FROM people n WHERE segments.matches(n, %L)');

WITH hand AS MATERIALIZED (SELECT question.*, timed.* FROM question, pg_temp.timed(by_hand))
SELECT format('%s - %s in %s: %s of %s members; %s ms, by hand %s ms, ratio %s',
              CASE WHEN asked.members = hand.members THEN 'ok' ELSE 'not ok' END, form.name, hand.name, asked.members, hand.members,
              asked.milliseconds, hand.milliseconds, round(asked.milliseconds / hand.milliseconds, 2))
FROM hand, form, LATERAL pg_temp.timed(format(form.query, hand.rule)) AS asked
ORDER BY hand.name, form.position;
