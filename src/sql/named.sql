-- Named segments ----------------------------------------------------------------------------------------------------------------

-- Refuses a rule by which a segment would contain itself, naming the way round.
CREATE FUNCTION segments._check_cycle(segment_name text, new_rule segments.rule) RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    users text[];
    used text[];
    trail text[] := ARRAY[segment_name];
    at text := segment_name;
BEGIN
    WITH RECURSIVE nested (user_name, name) AS (
        SELECT segment_name, u FROM unnest(segments.rule_segments(new_rule)) u
        UNION
        SELECT s.name, u FROM nested JOIN segments.segment s ON s.name = nested.name CROSS JOIN unnest(s.segments) u WHERE s.name <> segment_name
    )
    SELECT array_agg(n.user_name), array_agg(n.name) INTO users, used FROM nested n;
    IF array_position(used, segment_name) IS NULL THEN
        RETURN;
    END IF;
    LOOP
        at := users[array_position(used, at)];
        trail := at || trail;
        EXIT WHEN at = segment_name;
    END LOOP;
    RAISE EXCEPTION USING ERRCODE = '42P17', MESSAGE = format('segment "%s" would contain itself', segment_name),
        DETAIL = 'The way round: ' || array_to_string(trail, ' -> ') || '.', HINT = 'Segments may nest, but not in a circle.';
END $$;
COMMENT ON FUNCTION segments._check_cycle(text, segments.rule) IS 'internal: an error if a segment would contain itself';

-- Who stores a rule needs SELECT on the columns that it gives and asks.
CREATE FUNCTION segments._check_select(caller oid, relation regclass, column_list name[], new_rule segments.rule) RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT has_table_privilege(caller, relation, 'SELECT') AND EXISTS (
        SELECT FROM pg_attribute a LEFT JOIN segments.field f ON f.audience = a.attrelid AND f.field = ANY (segments.rule_fields(new_rule))
        WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped AND NOT has_column_privilege(caller, relation, a.attnum, 'SELECT')
          AND (a.attname = ANY (column_list) OR a.attname = ANY (segments.rule_fields(new_rule)) OR a.attnum = ANY (f.attnums)))
    THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('permission denied for audience %s', relation);
    END IF;
END $$;
COMMENT ON FUNCTION segments._check_select(oid, regclass, name[], segments.rule) IS 'internal: an error unless a role may read what a rule asks';

-- A rule as it is stored: with the session's time zone, so that its members never depend on who asks. An error unless it can be asked.
CREATE FUNCTION segments._storable(caller oid, relation regclass, segment_name text, column_list name[], given segments.rule) RETURNS segments.rule
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    stored segments.rule := segments.with_time_zone(given, current_setting('TimeZone'));
BEGIN
    IF given IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'rule must not be null';
    END IF;
    IF segment_name IS NOT NULL THEN
        PERFORM segments._check_cycle(segment_name, stored);
    END IF;
    PERFORM segments._as(caller, format('SELECT segments.check_rule(%s::oid, %L)', relation::oid, stored));
    PERFORM segments._check_select(caller, relation, column_list, stored);
    RETURN stored;
END $$;
COMMENT ON FUNCTION segments._storable(oid, regclass, text, name[], segments.rule) IS 'internal: a rule as it is stored, or an error';

-- The SELECT of a stored rule.
CREATE FUNCTION segments._select(caller oid, relation regclass, stored segments.rule, targets text) RETURNS text
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT segments._as(caller, format('SELECT segments.select_sql(%s::oid, %L, %L, false, true)', relation::oid, stored, targets))
$$;
COMMENT ON FUNCTION segments._select(oid, regclass, segments.rule, text) IS 'internal: the SELECT of a stored rule';

-- The query of a segment's view. names: the view's columns, in the order of column_list.
CREATE FUNCTION segments._view_query(caller oid, relation regclass, stored segments.rule, column_list name[], names name[]) RETURNS text
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT segments._select(caller, relation, stored, (SELECT string_agg(format('n.%I AS %I', c.given, c.shown), ', ' ORDER BY c.position)
                                                       FROM unnest(column_list, names) WITH ORDINALITY c (given, shown, position)))
        || ' AND NOT segments.is_suppressed(n.*)'
$$;
COMMENT ON FUNCTION segments._view_query(oid, regclass, segments.rule, name[], name[]) IS 'internal: the query of a segment''s view';

-- The views of the fields and segments that a rule names. The rule's own view depends on them: PostgreSQL refuses to drop them, and
-- dumps them first.
CREATE FUNCTION segments._used_views(relation regclass, stored segments.rule) RETURNS regclass[]
    LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(u.view), '{}')
    FROM (SELECT s.view FROM segments.segment s WHERE s.name = ANY (segments.rule_segments(stored))
          UNION ALL
          SELECT f.view FROM segments.field f WHERE f.audience = relation AND f.field = ANY (segments.rule_fields(stored)) AND f.view IS NOT NULL) u (view)
$$;
COMMENT ON FUNCTION segments._used_views(regclass, segments.rule) IS 'internal: views of the fields and segments that a rule names';

-- Writes the views anew that use changed fields or segments, directly or through other segments; all where both are null. A rule that
-- can no longer be asked is an error. What is the audience owner's runs with no more than the owner's rights, whoever calls.
CREATE FUNCTION segments._rewrite(caller oid, relation regclass, changed_fields text[], changed_segments text[]) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    owner oid := (SELECT c.relowner FROM pg_class c WHERE c.oid = relation);
    role oid := CASE WHEN pg_has_role(caller, owner, 'USAGE') THEN owner ELSE caller END;
    affected text[];
    segment segments.segment;
    suppression segments.suppression;
BEGIN
    WITH RECURSIVE found (name) AS (
        SELECT s.name FROM segments.segment s
        WHERE s.audience = relation AND (s.fields && changed_fields OR s.name = ANY (changed_segments) OR changed_fields IS NULL AND changed_segments IS NULL)
        UNION
        SELECT s.name FROM found JOIN segments.segment s ON found.name = ANY (s.segments)
    )
    SELECT coalesce(array_agg(f.name), '{}') INTO affected FROM found f;
    FOR segment IN SELECT s.* FROM segments.segment s JOIN pg_class c ON c.oid = s.view
                   WHERE s.name = ANY (affected) AND NOT pg_is_other_temp_schema(c.relnamespace) ORDER BY s.name LOOP
        PERFORM segments._replace_view(role, segment.view, segments._view_query(role, relation, segment.rule, segment.columns,
            (SELECT array_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = segment.view AND a.attnum > 0)));
        PERFORM segments._depends_on(segment.view, segments._used_views(relation, segment.rule));
    END LOOP;
    FOR suppression IN SELECT s.* FROM segments.suppression s
                       WHERE s.audience = relation AND (changed_fields IS NULL AND changed_segments IS NULL
                             OR segments.rule_fields(s.rule) && changed_fields OR segments.rule_segments(s.rule) && affected) LOOP
        PERFORM segments._hold_suppression(role, relation, suppression.reason, suppression.rule);
    END LOOP;
END $$;
COMMENT ON FUNCTION segments._rewrite(oid, regclass, text[], text[]) IS 'internal: writes views of segments and suppressions anew';

-- A segment's name: that of its view, too.
CREATE FUNCTION segments._check_segment_name(segment_name text) RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF segment_name IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'a segment''s name must not be null';
    END IF;
    IF segment_name = '' THEN
        RAISE EXCEPTION USING ERRCODE = '42602', MESSAGE = 'a segment''s name must not be empty';
    END IF;
    IF octet_length(segment_name) > current_setting('max_identifier_length')::int THEN
        RAISE EXCEPTION USING ERRCODE = '42622', MESSAGE = format('segment name "%s" is too long', segment_name),
            DETAIL = format('It is the name of a view, so at most %s bytes.', current_setting('max_identifier_length'));
    END IF;
    IF EXISTS (SELECT FROM segments.segment s WHERE s.name = segment_name) THEN
        RAISE EXCEPTION USING ERRCODE = '42710', MESSAGE = format('segment "%s" already exists', segment_name);
    END IF;
END $$;
COMMENT ON FUNCTION segments._check_segment_name(text) IS 'internal: an error unless a new segment may bear this name';

-- The segment of a name whose view the caller owns, with the turn to change it.
CREATE FUNCTION segments._own_segment(caller oid, segment_name text) RETURNS segments.segment
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    segment segments.segment;
BEGIN
    IF segment_name IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'a segment''s name must not be null';
    END IF;
    SELECT * INTO segment FROM segments.segment s WHERE s.name = segment_name;
    IF FOUND THEN
        BEGIN
            PERFORM segments._check_owner(caller, segment.view);
            PERFORM segments._enter(segment.audience);
        EXCEPTION WHEN undefined_table THEN
            NULL; -- somebody was quicker
        END;
        SELECT * INTO segment FROM segments.segment s WHERE s.name = segment_name;
    END IF;
    IF segment.name IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('segment "%s" does not exist', segment_name), HINT = 'segments.list shows the segments that there are.';
    END IF;
    RETURN segment;
END $$;
COMMENT ON FUNCTION segments._own_segment(oid, text) IS 'internal: a segment that a role may change';

CREATE FUNCTION segments._create(caller oid, path text, segment_name text, relation regclass, given segments.rule, column_list name[],
                                 invoker boolean, about text) RETURNS regclass
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    stored segments.rule;
    home text := segments._as(caller, 'SELECT pg_catalog.current_schema()', path);
    temporary boolean := (SELECT c.relpersistence = 't' FROM pg_class c WHERE c.oid = relation);
    missing name;
    created regclass;
BEGIN
    PERFORM segments._enter(relation);
    PERFORM segments._check_segment_name(segment_name);
    column_list := coalesce(column_list, array_remove(segments._column_names(relation), ''));
    IF cardinality(column_list) = 0 THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'a segment''s view needs at least one column';
    END IF;
    PERFORM segments._column(relation, c) FROM unnest(column_list) c;
    SELECT c INTO missing FROM unnest(column_list) c GROUP BY c HAVING count(*) > 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '42701', MESSAGE = format('column "%s" is given twice', missing);
    END IF;
    stored := segments._storable(caller, relation, segment_name, column_list, given);
    home := CASE WHEN temporary THEN 'pg_temp' ELSE home END;
    IF home IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '3F000', MESSAGE = 'no schema has been selected to create in';
    END IF;

    PERFORM segments._as(caller, format('CREATE %s VIEW %I.%I WITH (security_invoker = %s) AS %s',
                                        CASE WHEN temporary THEN 'TEMPORARY' END, home, segment_name, coalesce(invoker, true),
                                        segments._view_query(caller, relation, stored, column_list, column_list)));
    created := format('%I.%I', home, segment_name)::regclass;
    IF about IS NOT NULL THEN
        PERFORM segments._as(caller, format('COMMENT ON VIEW %s IS %L', created, about));
    END IF;
    INSERT INTO segments.segment (name, view, audience, rule, columns, security_invoker, description, fields, segments)
        VALUES (segment_name, created, relation, stored, column_list, coalesce(invoker, true), about, segments.rule_fields(stored),
                segments.rule_segments(stored));
    PERFORM segments._depends_on(created, segments._used_views(relation, stored));
    RETURN created;
END $$;
COMMENT ON FUNCTION segments._create(oid, text, text, regclass, segments.rule, name[], boolean, text) IS 'internal: segments.create';

CREATE FUNCTION segments.create(name text, audience regclass, rule segments.rule, columns name[] DEFAULT NULL,
                                security_invoker boolean DEFAULT true, description text DEFAULT NULL) RETURNS regclass
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_administer';
COMMENT ON FUNCTION segments.create(text, regclass, segments.rule, name[], boolean, text) IS 'creates a named segment: a view of its members, where CREATE VIEW would put it';

CREATE FUNCTION segments._alter(caller oid, path text, segment_name text, given segments.rule) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    segment segments.segment := segments._own_segment(caller, segment_name);
    stored segments.rule := segments._storable(caller, segment.audience, segment_name, segment.columns, given);
BEGIN
    UPDATE segments.segment s SET rule = stored, fields = segments.rule_fields(stored), segments = segments.rule_segments(stored)
        WHERE s.name = segment_name;
    PERFORM segments._rewrite(caller, segment.audience, '{}', ARRAY[segment_name]);
END $$;
COMMENT ON FUNCTION segments._alter(oid, text, text, segments.rule) IS 'internal: segments.alter';

CREATE FUNCTION segments.alter(name text, rule segments.rule) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_administer';
COMMENT ON FUNCTION segments.alter(text, segments.rule) IS 'gives a segment another rule; its view keeps owner, grants and options';

CREATE FUNCTION segments._rename(caller oid, path text, segment_name text, new_name text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    segment segments.segment := segments._own_segment(caller, segment_name);
BEGIN
    PERFORM segments._check_segment_name(new_name);
    UPDATE segments.segment s SET name = new_name WHERE s.name = segment_name;
    UPDATE segments.segment s SET rule = segments.rename_segment(s.rule, segment_name, new_name), segments = array_replace(s.segments, segment_name, new_name)
        WHERE segment_name = ANY (s.segments);
    UPDATE segments.suppression s SET rule = segments.rename_segment(s.rule, segment_name, new_name)
        WHERE segment_name = ANY (segments.rule_segments(s.rule));
    IF (SELECT c.relname FROM pg_class c WHERE c.oid = segment.view) = segment_name THEN
        PERFORM segments._as(caller, format('ALTER VIEW %s RENAME TO %I', segment.view, new_name));
    END IF;
END $$;
COMMENT ON FUNCTION segments._rename(oid, text, text, text) IS 'internal: segments.rename';

CREATE FUNCTION segments.rename(name text, new_name text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_administer';
COMMENT ON FUNCTION segments.rename(text, text) IS 'renames a segment, its view, and what other rules call it';

CREATE FUNCTION segments._drop(caller oid, path text, segment_name text, all_users boolean) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    segment segments.segment := segments._own_segment(caller, segment_name);
    doomed text[] := ARRAY[segment_name];
    views text;
BEGIN
    IF all_users THEN
        WITH RECURSIVE found (name) AS (
            SELECT segment_name
            UNION
            SELECT s.name FROM found JOIN segments.segment s ON found.name = ANY (s.segments)
        )
        SELECT array_agg(f.name) INTO doomed FROM found f;
    END IF;
    PERFORM segments._check_unused(segment.audience, format('segment "%s"', segment_name), '{}', doomed,
        CASE WHEN all_users THEN 'Lift the suppression first.' ELSE 'Use segments.drop(name, cascade => true) to drop the segments that use it too.' END);
    SELECT string_agg(s.view::text, ', ') INTO views FROM segments.segment s WHERE s.name = ANY (doomed);
    IF all_users THEN
        EXECUTE format('DROP VIEW %s CASCADE', views);
    ELSE
        PERFORM segments._as(caller, format('DROP VIEW %s', views));
    END IF;
    DELETE FROM segments.segment s WHERE s.name = ANY (doomed);
END $$;
COMMENT ON FUNCTION segments._drop(oid, text, text, boolean) IS 'internal: segments.drop';

CREATE FUNCTION segments.drop(name text, cascade boolean DEFAULT false) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_administer';
COMMENT ON FUNCTION segments.drop(text, boolean) IS 'drops a segment and its view; refused while others use it, unless with cascade';

CREATE FUNCTION segments._rebuild(caller oid, path text, relation regclass) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM segments._check_owner(caller, relation);
    PERFORM segments._check_registered(relation);
    PERFORM segments._enter(relation);
    PERFORM segments.make_audience_functions(relation);
    PERFORM segments._rewrite(caller, relation, NULL::text[], NULL::text[]);
END $$;
COMMENT ON FUNCTION segments._rebuild(oid, text, regclass) IS 'internal: segments.rebuild';

CREATE FUNCTION segments.rebuild(audience regclass) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_administer';
COMMENT ON FUNCTION segments.rebuild(regclass) IS 'writes the views of an audience''s segments anew from their rules';

CREATE VIEW segments.list AS
    SELECT s.name, s.view, s.audience, s.rule, s.description, s.fields, s.segments
    FROM segments.segment s JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) s.view;
COMMENT ON VIEW segments.list IS 'named segments: view, audience, rule, description, and the fields and segments that the rule names';

-- Writes as the role that asks, under its own search_path, since triggers of the membership table may depend on it: so all is qualified.
CREATE FUNCTION segments.freeze(audience regclass, rule segments.rule, field text, value text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $$
#variable_conflict use_variable
DECLARE
    list segments.membership;
    key_type text;
    value_type text;
    written bigint;
BEGIN
    IF audience IS NULL OR rule IS NULL OR field IS NULL OR value IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'audience, rule, field and value must not be null';
    END IF;
    SELECT m.* INTO list FROM segments.membership m
        WHERE m.audience OPERATOR(pg_catalog.=) audience AND m.field OPERATOR(pg_catalog.=) field;
    IF list.field IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42703',
            MESSAGE = pg_catalog.format('audience %s has no membership field "%s"', audience, field);
    END IF;
    SELECT pg_catalog.format_type(a.atttypid, a.atttypmod) INTO value_type FROM pg_catalog.pg_attribute a
        WHERE a.attrelid OPERATOR(pg_catalog.=) list.membership_table AND a.attname OPERATOR(pg_catalog.=) list.value;
    SELECT pg_catalog.format_type(t.atttypid, NULL) INTO key_type
        FROM segments.audience a JOIN pg_catalog.pg_attribute t ON t.attrelid OPERATOR(pg_catalog.=) a.audience AND t.attname OPERATOR(pg_catalog.=) a.key
        WHERE a.audience OPERATOR(pg_catalog.=) audience;
    EXECUTE pg_catalog.format(
        'INSERT INTO %1$s (%2$I, %3$I) SELECT k, $3::%4$s FROM segments.keys($1, $2, NULL::%5$s) k'
        ' WHERE NOT EXISTS (SELECT FROM %1$s m WHERE m.%2$I = k AND m.%3$I = $3::%4$s)%6$s',
        list.membership_table, list.member, list.value, value_type, key_type,
        (SELECT CASE WHEN c.relkind IN ('r', 'p') THEN ' ON CONFLICT DO NOTHING' END FROM pg_catalog.pg_class c
         WHERE c.oid OPERATOR(pg_catalog.=) list.membership_table))
        USING audience, rule, value;
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END $$;
COMMENT ON FUNCTION segments.freeze(regclass, segments.rule, text, text) IS 'writes who is in now, without the suppressed, into a list; gives the number of rows written';
