-- Asking ---------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION segments.matches_support(internal) RETURNS internal
    LANGUAGE c STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_matches_support';
COMMENT ON FUNCTION segments.matches_support(internal) IS 'planner support: a call with a constant rule becomes the rule''s condition';

CREATE FUNCTION segments.matches(member record, rule segments.rule) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE COST 100 SUPPORT segments.matches_support AS 'MODULE_PATHNAME', 'segments_matches';
CREATE FUNCTION segments.is_suppressed(member record) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE COST 100 SUPPORT segments.matches_support AS 'MODULE_PATHNAME', 'segments_is_suppressed';
CREATE FUNCTION segments.is_suppressed(member record, heed boolean) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE COST 100 SUPPORT segments.matches_support AS 'MODULE_PATHNAME', 'segments_is_suppressed';
COMMENT ON FUNCTION segments.matches(record, segments.rule) IS 'whether a member is in the segment that a rule means';
COMMENT ON FUNCTION segments.is_suppressed(record) IS 'whether a member is globally suppressed';
COMMENT ON FUNCTION segments.is_suppressed(record, boolean) IS 'the same, or false where heed is false';

-- Sets of members.
CREATE FUNCTION segments.asking_support(internal) RETURNS internal
    LANGUAGE c STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_asking_support';
COMMENT ON FUNCTION segments.asking_support(internal) IS 'planner support: estimates, and inlining of members and keys in FROM';

CREATE FUNCTION segments.members(row_type anyelement, rule segments.rule, suppress boolean DEFAULT true) RETURNS SETOF anyelement
    LANGUAGE c STABLE PARALLEL RESTRICTED COST 10000 SUPPORT segments.asking_support AS 'MODULE_PATHNAME', 'segments_members';
CREATE FUNCTION segments.keys(audience regclass, rule segments.rule, suppress boolean DEFAULT true) RETURNS SETOF bigint
    LANGUAGE c STABLE PARALLEL RESTRICTED COST 10000 SUPPORT segments.asking_support AS 'MODULE_PATHNAME', 'segments_keys';
CREATE FUNCTION segments.keys(audience regclass, rule segments.rule, key_type anyelement, suppress boolean DEFAULT true) RETURNS SETOF anyelement
    LANGUAGE c STABLE PARALLEL RESTRICTED COST 10000 SUPPORT segments.asking_support AS 'MODULE_PATHNAME', 'segments_typed_keys';
COMMENT ON FUNCTION segments.members(anyelement, segments.rule, boolean) IS 'members of an audience that are in a rule''s segment, as rows: members(NULL::numbers, rule)';
COMMENT ON FUNCTION segments.keys(regclass, segments.rule, boolean) IS 'integer keys of the members that are in a rule''s segment';
COMMENT ON FUNCTION segments.keys(regclass, segments.rule, anyelement, boolean) IS 'keys, of any type, of the members that are in a rule''s segment: keys(audience, rule, NULL::uuid)';

-- Numbers and words.
CREATE FUNCTION segments.count(audience regclass, rule segments.rule DEFAULT '{"everyone": true}', suppress boolean DEFAULT true) RETURNS bigint
    LANGUAGE c STABLE PARALLEL RESTRICTED COST 100000 AS 'MODULE_PATHNAME', 'segments_count';
CREATE FUNCTION segments.facet(audience regclass, rule segments.rule, field text, suppress boolean DEFAULT true, OUT value text, OUT members bigint)
    RETURNS SETOF record
    LANGUAGE c STABLE PARALLEL RESTRICTED COST 100000 ROWS 100 AS 'MODULE_PATHNAME', 'segments_facet';
CREATE FUNCTION segments.estimate(audience regclass, rule segments.rule) RETURNS bigint
    LANGUAGE c STABLE PARALLEL RESTRICTED COST 10000 AS 'MODULE_PATHNAME', 'segments_estimate';
CREATE FUNCTION segments.sql(audience regclass, rule segments.rule, suppress boolean DEFAULT true) RETURNS text
    LANGUAGE c STABLE PARALLEL RESTRICTED COST 1000 AS 'MODULE_PATHNAME', 'segments_sql';
COMMENT ON FUNCTION segments.count(regclass, segments.rule, boolean) IS 'how many members are in a rule''s segment';
COMMENT ON FUNCTION segments.facet(regclass, segments.rule, text, boolean) IS 'the values of a field among the members of a rule''s segment, and how many have each; a member counts once for each of its lists, or different elements';
COMMENT ON FUNCTION segments.estimate(regclass, segments.rule) IS 'how many members the planner expects in a rule''s segment, without counting';
COMMENT ON FUNCTION segments.sql(regclass, segments.rule, boolean) IS 'the SELECT that a rule means; it runs as it stands';

-- What an audience's members and keys are inlined by.
CREATE FUNCTION segments.make_audience_functions(audience regclass) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_make_audience_functions';
REVOKE EXECUTE ON FUNCTION segments.make_audience_functions(regclass) FROM PUBLIC;
COMMENT ON FUNCTION segments.make_audience_functions(regclass) IS 'internal: makes the functions that members and keys of an audience become in FROM';

-- One member.
CREATE FUNCTION segments.explain(member record, rule segments.rule, OUT path text, OUT condition text, OUT holds boolean, OUT actual text)
    RETURNS SETOF record
    LANGUAGE c STABLE PARALLEL RESTRICTED COST 10000 ROWS 10 AS 'MODULE_PATHNAME', 'segments_explain';
CREATE FUNCTION segments.of(member record) RETURNS SETOF text
    LANGUAGE c STABLE PARALLEL RESTRICTED COST 10000 ROWS 10 AS 'MODULE_PATHNAME', 'segments_of';
COMMENT ON FUNCTION segments.explain(record, segments.rule) IS 'why a member is in a rule''s segment or not: each leaf, whether it holds, and the member''s actual value; then each reason for suppression';
COMMENT ON FUNCTION segments.of(record) IS 'named segments that a member is in; none for the suppressed';
