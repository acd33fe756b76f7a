-- The translator, seen from SQL ---------------------------------------------------------------------------------------------

CREATE FUNCTION segments.select_sql(audience regclass, rule segments.rule, targets text, suppress boolean, stored boolean DEFAULT false) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 1000 AS 'MODULE_PATHNAME', 'segments_select_sql';
CREATE FUNCTION segments.check_rule(audience regclass, rule segments.rule) RETURNS void
    LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 1000 AS 'MODULE_PATHNAME', 'segments_check_rule';
CREATE FUNCTION segments.validate(audience regclass, rule json, OUT path text, OUT problem text, OUT hint text) RETURNS SETOF record
    LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 1000 ROWS 10 AS 'MODULE_PATHNAME', 'segments_validate';
CREATE FUNCTION segments.describe(audience regclass, rule segments.rule) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 1000 AS 'MODULE_PATHNAME', 'segments_describe';
CREATE FUNCTION segments.type_operators(type regtype) RETURNS text[]
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'segments_type_operators';
CREATE FUNCTION segments.membership_operators() RETURNS text[]
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_membership_operators';
COMMENT ON FUNCTION segments.select_sql(regclass, segments.rule, text, boolean, boolean) IS 'the SELECT of these targets over the audience''s row n that the rule means; read it under search_path pg_catalog, pg_temp';
COMMENT ON FUNCTION segments.check_rule(regclass, segments.rule) IS 'raises an error unless the rule can be asked of the audience';
COMMENT ON FUNCTION segments.validate(regclass, json) IS 'every problem of a rule at once, for a rule builder; no row: it can be asked';
COMMENT ON FUNCTION segments.describe(regclass, segments.rule) IS 'the rule as an English sentence, by the fields'' labels';
COMMENT ON FUNCTION segments.type_operators(regtype) IS 'canonical names of the operators that a field of this type has';
COMMENT ON FUNCTION segments.membership_operators() IS 'canonical names of the operators that a membership field has';

