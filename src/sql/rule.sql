-- The type segments.rule ---------------------------------------------------------------------------------------------

CREATE TYPE segments.rule;

CREATE FUNCTION segments.rule_in(cstring) RETURNS segments.rule
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_rule_in';
CREATE FUNCTION segments.rule_out(segments.rule) RETURNS cstring
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_rule_out';

CREATE TYPE segments.rule (
    INPUT = segments.rule_in,
    OUTPUT = segments.rule_out,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = int4,
    STORAGE = extended
);
