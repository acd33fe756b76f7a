-- The type segments.rule --------------------------------------------------------------------------------------------------

CREATE TYPE segments.rule;

CREATE FUNCTION segments.rule_in(cstring) RETURNS segments.rule
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'segments_rule_in';
CREATE FUNCTION segments.rule_out(segments.rule) RETURNS cstring
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_rule_out';
CREATE FUNCTION segments.rule_recv(internal) RETURNS segments.rule
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'segments_rule_recv';
CREATE FUNCTION segments.rule_send(segments.rule) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_rule_send';
COMMENT ON FUNCTION segments.rule_in(cstring) IS 'I/O';
COMMENT ON FUNCTION segments.rule_out(segments.rule) IS 'I/O';
COMMENT ON FUNCTION segments.rule_recv(internal) IS 'I/O';
COMMENT ON FUNCTION segments.rule_send(segments.rule) IS 'I/O';

CREATE TYPE segments.rule (
    INPUT = segments.rule_in,
    OUTPUT = segments.rule_out,
    RECEIVE = segments.rule_recv,
    SEND = segments.rule_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = int4,
    STORAGE = extended
);
COMMENT ON TYPE segments.rule IS 'an audience question as a rule tree: JSON in, canonical JSON out';

-- Casts. Assignment only: a text beside a rule is not silently one.
CREATE FUNCTION segments.rule(text) RETURNS segments.rule
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'segments_rule_from_text';
CREATE FUNCTION segments.rule(json) RETURNS segments.rule
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'segments_rule_from_text';
CREATE FUNCTION segments.rule(jsonb) RETURNS segments.rule
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'segments_rule_from_jsonb';
CREATE FUNCTION segments.json(segments.rule) RETURNS json
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_rule_to_json';
CREATE FUNCTION segments.jsonb(segments.rule) RETURNS jsonb
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_rule_to_jsonb';
COMMENT ON FUNCTION segments.rule(text) IS 'a rule from JSON text';
COMMENT ON FUNCTION segments.rule(json) IS 'a rule from JSON';
COMMENT ON FUNCTION segments.rule(jsonb) IS 'a rule from JSON';
COMMENT ON FUNCTION segments.json(segments.rule) IS 'the rule''s canonical form';
COMMENT ON FUNCTION segments.jsonb(segments.rule) IS 'the rule''s canonical form';
CREATE CAST (text AS segments.rule) WITH FUNCTION segments.rule(text) AS ASSIGNMENT;
CREATE CAST (json AS segments.rule) WITH FUNCTION segments.rule(json) AS ASSIGNMENT;
CREATE CAST (jsonb AS segments.rule) WITH FUNCTION segments.rule(jsonb) AS ASSIGNMENT;
CREATE CAST (segments.rule AS json) WITH FUNCTION segments.json(segments.rule) AS ASSIGNMENT;
CREATE CAST (segments.rule AS jsonb) WITH FUNCTION segments.jsonb(segments.rule) AS ASSIGNMENT;
COMMENT ON CAST (text AS segments.rule) IS 'reads a rule from JSON text';
COMMENT ON CAST (json AS segments.rule) IS 'reads a rule from JSON';
COMMENT ON CAST (jsonb AS segments.rule) IS 'reads a rule from JSON';
COMMENT ON CAST (segments.rule AS json) IS 'the canonical form as JSON';
COMMENT ON CAST (segments.rule AS jsonb) IS 'the canonical form as JSON';

-- Comparing: rules are equal when their canonical forms are the same text; the order is that text's, bytewise.
CREATE FUNCTION segments.rule_eq(segments.rule, segments.rule) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_rule_eq';
CREATE FUNCTION segments.rule_ne(segments.rule, segments.rule) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_rule_ne';
CREATE FUNCTION segments.rule_lt(segments.rule, segments.rule) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_rule_lt';
CREATE FUNCTION segments.rule_le(segments.rule, segments.rule) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_rule_le';
CREATE FUNCTION segments.rule_gt(segments.rule, segments.rule) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_rule_gt';
CREATE FUNCTION segments.rule_ge(segments.rule, segments.rule) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_rule_ge';
CREATE FUNCTION segments.rule_cmp(segments.rule, segments.rule) RETURNS int4
    LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_rule_cmp';
CREATE FUNCTION segments.rule_hash(segments.rule) RETURNS int4
    LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_rule_hash';
CREATE FUNCTION segments.rule_hash_extended(segments.rule, int8) RETURNS int8
    LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_rule_hash_extended';
COMMENT ON FUNCTION segments.rule_eq(segments.rule, segments.rule) IS 'implementation of = operator';
COMMENT ON FUNCTION segments.rule_ne(segments.rule, segments.rule) IS 'implementation of <> operator';
COMMENT ON FUNCTION segments.rule_lt(segments.rule, segments.rule) IS 'implementation of < operator';
COMMENT ON FUNCTION segments.rule_le(segments.rule, segments.rule) IS 'implementation of <= operator';
COMMENT ON FUNCTION segments.rule_gt(segments.rule, segments.rule) IS 'implementation of > operator';
COMMENT ON FUNCTION segments.rule_ge(segments.rule, segments.rule) IS 'implementation of >= operator';
COMMENT ON FUNCTION segments.rule_cmp(segments.rule, segments.rule) IS 'less-equal-greater';
COMMENT ON FUNCTION segments.rule_hash(segments.rule) IS 'hash';
COMMENT ON FUNCTION segments.rule_hash_extended(segments.rule, int8) IS 'hash';

-- In pg_catalog, so that "a = b" finds them whatever the search_path; the operator classes are made of these.
CREATE OPERATOR pg_catalog.= (LEFTARG = segments.rule, RIGHTARG = segments.rule, FUNCTION = segments.rule_eq,
    COMMUTATOR = OPERATOR(pg_catalog.=), NEGATOR = OPERATOR(pg_catalog.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
CREATE OPERATOR pg_catalog.<> (LEFTARG = segments.rule, RIGHTARG = segments.rule, FUNCTION = segments.rule_ne,
    COMMUTATOR = OPERATOR(pg_catalog.<>), NEGATOR = OPERATOR(pg_catalog.=), RESTRICT = neqsel, JOIN = neqjoinsel);
CREATE OPERATOR pg_catalog.< (LEFTARG = segments.rule, RIGHTARG = segments.rule, FUNCTION = segments.rule_lt,
    COMMUTATOR = OPERATOR(pg_catalog.>), NEGATOR = OPERATOR(pg_catalog.>=), RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
CREATE OPERATOR pg_catalog.<= (LEFTARG = segments.rule, RIGHTARG = segments.rule, FUNCTION = segments.rule_le,
    COMMUTATOR = OPERATOR(pg_catalog.>=), NEGATOR = OPERATOR(pg_catalog.>), RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
CREATE OPERATOR pg_catalog.> (LEFTARG = segments.rule, RIGHTARG = segments.rule, FUNCTION = segments.rule_gt,
    COMMUTATOR = OPERATOR(pg_catalog.<), NEGATOR = OPERATOR(pg_catalog.<=), RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
CREATE OPERATOR pg_catalog.>= (LEFTARG = segments.rule, RIGHTARG = segments.rule, FUNCTION = segments.rule_ge,
    COMMUTATOR = OPERATOR(pg_catalog.<=), NEGATOR = OPERATOR(pg_catalog.<), RESTRICT = scalargesel, JOIN = scalargejoinsel);

CREATE OPERATOR CLASS segments.rule_ops DEFAULT FOR TYPE segments.rule USING btree AS
    OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
    FUNCTION 1 segments.rule_cmp(segments.rule, segments.rule);
CREATE OPERATOR CLASS segments.rule_ops DEFAULT FOR TYPE segments.rule USING hash AS
    OPERATOR 1 pg_catalog.=,
    FUNCTION 1 segments.rule_hash(segments.rule),
    FUNCTION 2 segments.rule_hash_extended(segments.rule, int8);

-- And in the extension's own schema, for who names it: OPERATOR(segments.=).
CREATE OPERATOR segments.= (LEFTARG = segments.rule, RIGHTARG = segments.rule, FUNCTION = segments.rule_eq,
    COMMUTATOR = OPERATOR(segments.=), NEGATOR = OPERATOR(segments.<>), RESTRICT = eqsel, JOIN = eqjoinsel);
CREATE OPERATOR segments.<> (LEFTARG = segments.rule, RIGHTARG = segments.rule, FUNCTION = segments.rule_ne,
    COMMUTATOR = OPERATOR(segments.<>), NEGATOR = OPERATOR(segments.=), RESTRICT = neqsel, JOIN = neqjoinsel);
CREATE OPERATOR segments.< (LEFTARG = segments.rule, RIGHTARG = segments.rule, FUNCTION = segments.rule_lt,
    COMMUTATOR = OPERATOR(segments.>), NEGATOR = OPERATOR(segments.>=), RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
CREATE OPERATOR segments.<= (LEFTARG = segments.rule, RIGHTARG = segments.rule, FUNCTION = segments.rule_le,
    COMMUTATOR = OPERATOR(segments.>=), NEGATOR = OPERATOR(segments.>), RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
CREATE OPERATOR segments.> (LEFTARG = segments.rule, RIGHTARG = segments.rule, FUNCTION = segments.rule_gt,
    COMMUTATOR = OPERATOR(segments.<), NEGATOR = OPERATOR(segments.<=), RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
CREATE OPERATOR segments.>= (LEFTARG = segments.rule, RIGHTARG = segments.rule, FUNCTION = segments.rule_ge,
    COMMUTATOR = OPERATOR(segments.<=), NEGATOR = OPERATOR(segments.<), RESTRICT = scalargesel, JOIN = scalargejoinsel);
COMMENT ON OPERATOR CLASS segments.rule_ops USING btree IS 'rules in the order of their canonical text';
COMMENT ON OPERATOR CLASS segments.rule_ops USING hash IS 'rules by their canonical text';
COMMENT ON OPERATOR pg_catalog.= (segments.rule, segments.rule) IS 'equal';
COMMENT ON OPERATOR pg_catalog.<> (segments.rule, segments.rule) IS 'not equal';
COMMENT ON OPERATOR pg_catalog.< (segments.rule, segments.rule) IS 'less than';
COMMENT ON OPERATOR pg_catalog.<= (segments.rule, segments.rule) IS 'less than or equal';
COMMENT ON OPERATOR pg_catalog.> (segments.rule, segments.rule) IS 'greater than';
COMMENT ON OPERATOR pg_catalog.>= (segments.rule, segments.rule) IS 'greater than or equal';
COMMENT ON OPERATOR segments.= (segments.rule, segments.rule) IS 'equal';
COMMENT ON OPERATOR segments.<> (segments.rule, segments.rule) IS 'not equal';
COMMENT ON OPERATOR segments.< (segments.rule, segments.rule) IS 'less than';
COMMENT ON OPERATOR segments.<= (segments.rule, segments.rule) IS 'less than or equal';
COMMENT ON OPERATOR segments.> (segments.rule, segments.rule) IS 'greater than';
COMMENT ON OPERATOR segments.>= (segments.rule, segments.rule) IS 'greater than or equal';

-- Composing.
CREATE FUNCTION segments.all_of(VARIADIC rules segments.rule[]) RETURNS segments.rule
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'segments_all_of';
CREATE FUNCTION segments.any_of(VARIADIC rules segments.rule[]) RETURNS segments.rule
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'segments_any_of';
CREATE FUNCTION segments.none_of(VARIADIC rules segments.rule[]) RETURNS segments.rule
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'segments_none_of';
COMMENT ON FUNCTION segments.all_of(segments.rule[]) IS 'the rule that holds where all of these hold';
COMMENT ON FUNCTION segments.any_of(segments.rule[]) IS 'the rule that holds where at least one of these holds';
COMMENT ON FUNCTION segments.none_of(segments.rule[]) IS 'the rule that holds where none of these holds';

-- Looking into a rule; what the catalog's functions need.
CREATE FUNCTION segments.rule_fields(rule segments.rule) RETURNS text[]
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'segments_rule_fields';
CREATE FUNCTION segments.rule_segments(rule segments.rule) RETURNS text[]
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'segments_rule_segments';
CREATE FUNCTION segments.rename_field(rule segments.rule, old_name text, new_name text) RETURNS segments.rule
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'segments_rename_field';
CREATE FUNCTION segments.rename_segment(rule segments.rule, old_name text, new_name text) RETURNS segments.rule
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'segments_rename_segment';
CREATE FUNCTION segments.with_time_zone(rule segments.rule, zone text) RETURNS segments.rule
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'segments_with_time_zone';
COMMENT ON FUNCTION segments.rule_fields(segments.rule) IS 'fields that the rule names, sorted';
COMMENT ON FUNCTION segments.rule_segments(segments.rule) IS 'segments that the rule names, sorted';
COMMENT ON FUNCTION segments.rename_field(segments.rule, text, text) IS 'the rule with a field''s name replaced';
COMMENT ON FUNCTION segments.rename_segment(segments.rule, text, text) IS 'the rule with a segment''s name replaced';
COMMENT ON FUNCTION segments.with_time_zone(segments.rule, text) IS 'the rule with this time zone, unless it has one';

