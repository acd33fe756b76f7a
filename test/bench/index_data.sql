-- :n numbers of the demo, and who is on which list; the same once more without a segment index, for rivals; events to come. psql -v n=… -f index_data.sql
\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;
\o /dev/null
SET maintenance_work_mem = '1GB';
CREATE EXTENSION segments;
\ir ../demo/schema.sql
\ir ../demo/data.sql

-- With a column of 200 values. Both tables as if fresh, with no index but the key's.
CREATE TABLE numbers_plain AS SELECT *, (hashint8extended(id, 20) & 2147483647)::int % 200 AS city FROM numbers ORDER BY id;
DROP TABLE numbers, messages;
CREATE TABLE numbers (LIKE numbers_plain);
INSERT INTO numbers SELECT * FROM numbers_plain;
ALTER TABLE numbers ADD PRIMARY KEY (id);
ALTER TABLE numbers_plain ADD PRIMARY KEY (id);

CREATE TABLE events (number_id bigint NOT NULL, kind message_kind NOT NULL, at timestamptz NOT NULL, campaign int NOT NULL);
CREATE TABLE events_plain (LIKE events INCLUDING ALL);

SELECT segments.add_audience('numbers');
SELECT segments.add_membership('numbers', 'list', 'list_members', member => 'number_id', value => 'list_id');
SELECT segments.add_events('numbers', 'events', 'events', member => 'number_id', at => 'at', kind => 'kind');
\o
