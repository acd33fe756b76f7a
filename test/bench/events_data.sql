-- :members members and about :events events in monthly partitions over two years, skewed by member and towards today.
\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;
\o /dev/null
CREATE EXTENSION IF NOT EXISTS segments;
CREATE TABLE people (id int PRIMARY KEY, country text NOT NULL, plan int NOT NULL);
INSERT INTO people SELECT i, (ARRAY['US','DE','FR','GB','IN'])[1 + (hashint4(i) & 3)], hashint4(i + 7) & 15 FROM generate_series(1, :members) i;
CREATE INDEX ON people (plan);

CREATE TYPE event_kind AS ENUM ('sent', 'clicked', 'purchased', 'unsubscribed');
CREATE TABLE activity (person_id int NOT NULL, kind event_kind NOT NULL, at timestamptz NOT NULL, campaign int NOT NULL, price numeric(8,2)) PARTITION BY RANGE (at);
SELECT format('CREATE TABLE activity_%s PARTITION OF activity FOR VALUES FROM (%L) TO (%L)', to_char(m, 'YYYYMM'), m, m + interval '1 month')
FROM generate_series(date_trunc('month', now()) - interval '24 months', date_trunc('month', now()), interval '1 month') m \gexec
-- Half of the events are those of a tenth of the members; each later month has more than the one before.
SELECT setseed(0.5);
INSERT INTO activity
SELECT 1 + floor(:members * power(random(), 2.2))::int % :members,
       CASE WHEN k < 0.86 THEN 'sent' WHEN k < 0.97 THEN 'clicked' WHEN k < 0.995 THEN 'purchased' ELSE 'unsubscribed' END::event_kind,
       now() - power(random(), 1.4) * interval '720 days', floor(random() * 200)::int, CASE WHEN k BETWEEN 0.97 AND 0.995 THEN (random() * 100)::numeric(8,2) END
FROM (SELECT random() AS k FROM generate_series(1, :events)) e;
CREATE INDEX ON activity (person_id, kind, at);
VACUUM ANALYZE people;
VACUUM ANALYZE activity;
SELECT segments.add_events('people', 'activity', 'activity', 'person_id', 'at', 'kind');
\o
