-- Asking ---------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION segments.matches_support(internal) RETURNS internal
    LANGUAGE c STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_matches_support';
COMMENT ON FUNCTION segments.matches_support(internal) IS 'planner support: a call with a constant rule becomes the rule''s condition';

CREATE FUNCTION segments.matches(member record, rule segments.rule) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE COST 1000 SUPPORT segments.matches_support AS 'MODULE_PATHNAME', 'segments_matches';
CREATE FUNCTION segments.is_suppressed(member record) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE COST 1000 SUPPORT segments.matches_support AS 'MODULE_PATHNAME', 'segments_is_suppressed';
COMMENT ON FUNCTION segments.matches(record, segments.rule) IS 'whether a member is in the segment that a rule means';
COMMENT ON FUNCTION segments.is_suppressed(record) IS 'whether a member is globally suppressed';
