-- Fills an empty database: psql -v n=1000000 -f load.sql
\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;
\o /dev/null
CREATE EXTENSION segments;
\ir schema.sql
\ir data.sql
\ir messages.sql
\ir register.sql
\ir data_sets.sql
