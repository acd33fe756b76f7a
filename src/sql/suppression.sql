-- Global suppression ------------------------------------------------------------------------------------------------------------

-- Stores a suppression's rule, and a view of it by which PostgreSQL knows what it uses.
CREATE FUNCTION segments._hold_suppression(caller oid, relation regclass, why text, stored segments.rule) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key name := (SELECT a.key FROM segments.audience a WHERE a.audience = relation);
    old_view regclass := (SELECT s.view FROM segments.suppression s WHERE s.audience = relation AND s.reason = why);
    new_view regclass := segments._track(caller, relation, why, segments._select(caller, relation, stored, format('n.%I AS member', key)));
BEGIN
    INSERT INTO segments.suppression (audience, reason, rule, view) VALUES (relation, why, stored, new_view)
        ON CONFLICT (audience, reason) DO UPDATE SET rule = excluded.rule, view = excluded.view;
    PERFORM segments._depends_on(new_view, segments._used_views(relation, stored));
    IF old_view IS NOT NULL THEN
        EXECUTE format('DROP VIEW %s', old_view);
    END IF;
END $$;
COMMENT ON FUNCTION segments._hold_suppression(oid, regclass, text, segments.rule) IS 'internal: stores a suppression''s rule';

CREATE FUNCTION segments._suppress(caller oid, path text, relation regclass, given segments.rule, sent int, sent_field text, click_field text,
                                   why text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM segments._check_owner(caller, relation);
    IF (given IS NULL) = (sent IS NULL) THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'give either a rule or sent',
            HINT = 'sent => 5 means: received at least 5 and never clicked.';
    END IF;
    IF sent < 1 THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('sent must be at least 1, not %s', sent);
    END IF;
    IF coalesce(why, '') = '' OR sent IS NOT NULL AND (sent_field IS NULL OR click_field IS NULL) THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'reason, sent_field and click_field must have a value';
    END IF;
    PERFORM segments._enter(relation);
    -- A counter that is NULL has counted nothing.
    given := coalesce(given, json_build_object('condition', 'AND', 'rules', json_build_array(
        json_build_object('field', sent_field, 'operator', 'greater_or_equal', 'value', sent),
        json_build_object('condition', 'OR', 'rules', json_build_array(
            json_build_object('field', click_field, 'operator', 'equal', 'value', 0),
            json_build_object('field', click_field, 'operator', 'is_null')))))::segments.rule);
    PERFORM segments._hold_suppression(caller, relation, why, segments._storable(caller, relation, NULL, '{}', given));
END $$;
COMMENT ON FUNCTION segments._suppress(oid, text, regclass, segments.rule, int, text, text, text) IS 'internal: segments.suppress';

CREATE FUNCTION segments.suppress(audience regclass, rule segments.rule DEFAULT NULL, sent int DEFAULT NULL, sent_field text DEFAULT 'sent_count',
                                  click_field text DEFAULT 'click_count', reason text DEFAULT 'unresponsive') RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_administer';
COMMENT ON FUNCTION segments.suppress(regclass, segments.rule, int, text, text, text) IS 'leaves out, for a reason, the members of a rule, or those who received at least so many and never clicked; again: another rule for that reason';

CREATE FUNCTION segments._unsuppress(caller oid, path text, relation regclass, why text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    old_view regclass;
BEGIN
    PERFORM segments._check_owner(caller, relation);
    PERFORM segments._check_registered(relation);
    PERFORM segments._enter(relation);
    DELETE FROM segments.suppression s WHERE s.audience = relation AND s.reason = why RETURNING s.view INTO old_view;
    IF old_view IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('audience %s has no suppression for reason "%s"', relation, why);
    END IF;
    EXECUTE format('DROP VIEW %s', old_view);
END $$;
COMMENT ON FUNCTION segments._unsuppress(oid, text, regclass, text) IS 'internal: segments.unsuppress';

CREATE FUNCTION segments.unsuppress(audience regclass, reason text DEFAULT 'unresponsive') RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_administer';
COMMENT ON FUNCTION segments.unsuppress(regclass, text) IS 'lifts the suppression for a reason';

-- The suppressed of every audience that the asking role may read: one query per audience.
CREATE FUNCTION segments.suppressed_members(OUT audience regclass, OUT member text, OUT reasons text[]) RETURNS SETOF record
    LANGUAGE plpgsql STABLE PARALLEL RESTRICTED COST 10000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known segments.audience;
    queries text;
BEGIN
    FOR known IN SELECT a.* FROM segments.audience a JOIN pg_class c ON c.oid = a.audience
                 WHERE has_schema_privilege(c.relnamespace, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
                   AND NOT pg_is_other_temp_schema(c.relnamespace) ORDER BY a.audience LOOP
        SELECT string_agg(segments.select_sql(known.audience, s.rule, format('n.%I::text AS member, %L AS reason', known.key, s.reason), false, true), ' UNION ALL ')
            INTO queries FROM segments.suppression s WHERE s.audience = known.audience;
        IF queries IS NOT NULL THEN
            RETURN QUERY EXECUTE format('SELECT $1, u.member, array_agg(u.reason::text ORDER BY u.reason) FROM (%s) u GROUP BY u.member', queries)
                USING known.audience;
        END IF;
    END LOOP;
END $$;
COMMENT ON FUNCTION segments.suppressed_members() IS 'the rows of segments.suppressed';

CREATE VIEW segments.suppressed AS SELECT s.audience, s.member, s.reasons FROM segments.suppressed_members() s;
COMMENT ON VIEW segments.suppressed IS 'who is suppressed, and why, in every audience that the asking role may read';
