\echo Use "CREATE EXTENSION segments" to load this file. \quit

-- The schema is a member of the extension: it goes with it, and cannot be one that somebody else owned before.
CREATE SCHEMA segments;
COMMENT ON SCHEMA segments IS 'audience segments: JSON rule trees answered inside the database';

