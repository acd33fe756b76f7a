-- Events: sources and the fields that stand for what they measure ---------------------------------------------------------------

CREATE FUNCTION segments.rule_events(rule segments.rule) RETURNS text[]
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_rule_events';
CREATE FUNCTION segments.rename_event(rule segments.rule, old_name text, new_name text) RETURNS segments.rule
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_rename_event';
CREATE FUNCTION segments.rename_event(leaf text, old_name text, new_name text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_rename_measure_event';
CREATE FUNCTION segments.rename_event_column(rule segments.rule, events text[], old_name text, new_name text) RETURNS segments.rule
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_rename_event_column';
CREATE FUNCTION segments.rename_event_column(leaf text, events text[], old_name text, new_name text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_rename_measure_column';
CREATE FUNCTION segments.canonical_measure(leaf text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_canonical_measure';
CREATE FUNCTION segments.measure_event(leaf text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_measure_event';
CREATE FUNCTION segments.measure_sql(audience regclass, leaf text) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 1000 AS 'MODULE_PATHNAME', 'segments_measure_sql';
COMMENT ON FUNCTION segments.rule_events(segments.rule) IS 'events that a rule names, as it names them';
COMMENT ON FUNCTION segments.rename_event(segments.rule, text, text) IS 'a rule with an event called otherwise';
COMMENT ON FUNCTION segments.rename_event(text, text, text) IS 'an event field''s leaf with its event called otherwise';
COMMENT ON FUNCTION segments.rename_event_column(segments.rule, text[], text, text) IS 'a rule with a column of some events called otherwise';
COMMENT ON FUNCTION segments.rename_event_column(text, text[], text, text) IS 'an event field''s leaf with a column of some events called otherwise';
COMMENT ON FUNCTION segments.canonical_measure(text) IS 'an event field''s leaf in canonical form';
COMMENT ON FUNCTION segments.measure_event(text) IS 'the event that an event field''s leaf names';
COMMENT ON FUNCTION segments.measure_sql(regclass, text) IS 'SQL over the audience''s row n: the value of what an event field''s leaf measures';

-- The aggregate that sequences become. steps says of which steps an event is one: a bit each, or, for more than 63, a flag each.
CREATE FUNCTION segments.sequence_add(state internal, at timestamptz, steps bigint, spans interval[], zone text, last_absent boolean, now timestamptz)
    RETURNS internal LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_sequence_add';
CREATE FUNCTION segments.sequence_add(state internal, at timestamptz, steps boolean[], spans interval[], zone text, last_absent boolean, now timestamptz)
    RETURNS internal LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_sequence_add';
CREATE FUNCTION segments.sequence_start(state internal) RETURNS timestamptz
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_sequence_start';
CREATE AGGREGATE segments.sequence(at timestamptz, steps bigint, spans interval[], zone text, last_absent boolean, now timestamptz)
    (SFUNC = segments.sequence_add, STYPE = internal, SSPACE = 128, FINALFUNC = segments.sequence_start, PARALLEL = SAFE);
CREATE AGGREGATE segments.sequence(at timestamptz, steps boolean[], spans interval[], zone text, last_absent boolean, now timestamptz)
    (SFUNC = segments.sequence_add, STYPE = internal, SSPACE = 256, FINALFUNC = segments.sequence_start, PARALLEL = SAFE);
COMMENT ON FUNCTION segments.sequence_add(internal, timestamptz, bigint, interval[], text, boolean, timestamptz) IS 'part of segments.sequence: adds an event';
COMMENT ON FUNCTION segments.sequence_add(internal, timestamptz, boolean[], interval[], text, boolean, timestamptz) IS 'part of segments.sequence: adds an event';
COMMENT ON FUNCTION segments.sequence_start(internal) IS 'part of segments.sequence: its result';
COMMENT ON AGGREGATE segments.sequence(timestamptz, bigint, interval[], text, boolean, timestamptz)
    IS 'when the latest run of a sequence begins: steps has a bit for each step that an event is one of, spans says how much later than the one before each may be, in the calendar of zone; last_absent: the last must not happen in that time, which has passed';
COMMENT ON AGGREGATE segments.sequence(timestamptz, boolean[], interval[], text, boolean, timestamptz)
    IS 'the same for any number of steps: a flag for each';

-- Labels of an enum in their order; null for another type.
CREATE FUNCTION segments.enum_labels(type regtype) RETURNS text[]
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = segments.base_type(type)
$$;
COMMENT ON FUNCTION segments.enum_labels(regtype) IS 'labels of an enum in their order; null for another type';

-- Kinds of a source.
CREATE FUNCTION segments.event_kinds(source segments.event_source) RETURNS text[]
    LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN source.kinds IS NOT NULL THEN source.kinds
                WHEN source.kind IS NULL THEN ARRAY[source.source]
                ELSE (SELECT segments.enum_labels(a.atttypid) FROM pg_attribute a WHERE a.attrelid = source.event_table AND a.attname = source.kind) END
$$;
COMMENT ON FUNCTION segments.event_kinds(segments.event_source) IS 'kinds of an event source';

-- What rules may call events: the kind alone, which several sources may share, and source.kind.
CREATE FUNCTION segments._events(relation regclass) RETURNS TABLE (name text, source text, kind text, qualified boolean)
    LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT n.name, e.source, k.kind, n.qualified
    FROM segments.event_source e CROSS JOIN LATERAL unnest(segments.event_kinds(e)) k (kind)
    CROSS JOIN LATERAL (VALUES (k.kind, false), (e.source || '.' || k.kind, true)) n (name, qualified)
    WHERE e.audience = relation
$$;
COMMENT ON FUNCTION segments._events(regclass) IS 'internal: what rules may call events';

-- The names that mean events of one source, or of any: no other source may have a kind that goes by its name alone.
CREATE FUNCTION segments._event_names(relation regclass, source_name text DEFAULT NULL) RETURNS text[]
    LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(u.name), '{}')
    FROM (SELECT n.name, min(n.source) FROM segments._events(relation) n GROUP BY n.name HAVING count(*) = 1) u (name, source)
    WHERE u.source = source_name OR source_name IS NULL
$$;
COMMENT ON FUNCTION segments._event_names(regclass, text) IS 'internal: what rules may call the events of a source';

-- After events have gone or changed their names: refuses that where stored rules or fields use them.
CREATE FUNCTION segments._check_events_known(relation regclass, doing text) RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known text[] := segments._event_names(relation);
    users text := (SELECT string_agg(format('%s ("%s")', u.what, array_to_string(u.events, '", "')), ', ' ORDER BY u.what)
        FROM (SELECT s.what, ARRAY(SELECT e FROM unnest(s.events) e WHERE e <> ALL (known))
              FROM (SELECT format('segment "%s"', s.name), segments.rule_events(s.rule) FROM segments.segment s WHERE s.audience = relation
                    UNION ALL
                    SELECT format('suppression "%s"', s.reason), segments.rule_events(s.rule) FROM segments.suppression s WHERE s.audience = relation
                    UNION ALL
                    SELECT format('field "%s"', f.field), ARRAY[segments.measure_event(f.leaf)] FROM segments.field f
                    WHERE f.audience = relation AND f.leaf IS NOT NULL) s (what, events)) u (what, events)
        WHERE u.events <> '{}');
BEGIN
    IF users IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '2BP01', MESSAGE = format('cannot %s because stored rules or fields use it', doing),
            DETAIL = format('Used by %s.', users), HINT = 'Alter or drop those first.';
    END IF;
END $$;
COMMENT ON FUNCTION segments._check_events_known(regclass, text) IS 'internal: an error where stored rules use events that are not there';

-- What stored rules and fields call events, changed.
CREATE FUNCTION segments._rename_event(relation regclass, old_name text, new_name text) RETURNS void
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    UPDATE segments.segment s SET rule = segments.rename_event(s.rule, old_name, new_name)
        WHERE s.audience = relation AND old_name = ANY (segments.rule_events(s.rule));
    UPDATE segments.suppression s SET rule = segments.rename_event(s.rule, old_name, new_name)
        WHERE s.audience = relation AND old_name = ANY (segments.rule_events(s.rule));
    UPDATE segments.field f SET leaf = segments.rename_event(f.leaf, old_name, new_name)
        WHERE f.audience = relation AND segments.measure_event(f.leaf) = old_name;
    UPDATE segments.index_definition d SET fields = array_replace(d.fields, old_name, new_name)
        WHERE d.audience = relation AND old_name = ANY (d.fields)
          AND 4 = (SELECT min(n.rank) FROM segments._index_names(relation) n WHERE n.name = old_name);
$$;
COMMENT ON FUNCTION segments._rename_event(regclass, text, text) IS 'internal: stored rules call an event otherwise';

-- Checks the columns of a source, and the kinds that it is to have.
CREATE FUNCTION segments._check_events(relation regclass, source segments.event_source) RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    at_type regtype := segments._column_type(source.event_table, source.at_attnum);
    kind_type regtype := segments._column_type(source.event_table, source.kind_attnum);
    labels text[] := segments.enum_labels(kind_type);
    wrong text;
BEGIN
    PERFORM segments._check_comparable(source.event_table, source.member, relation, (SELECT a.key FROM segments.audience a WHERE a.audience = relation));
    IF segments.builder_type(at_type) <> 'datetime' THEN
        RAISE EXCEPTION USING ERRCODE = '42804', MESSAGE = format('column "%s" of %s is of type %s, not timestamptz', source.at, source.event_table, at_type),
            HINT = 'The time of an event is of type timestamptz, or timestamp, which is read in the rule''s zone.';
    END IF;
    IF source.kinds = '{}' OR array_position(source.kinds, NULL) IS NOT NULL OR '' = ANY (source.kinds) THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'kinds must be names', HINT = 'Leave kinds out, or name each kind of event.';
    END IF;
    SELECT k.kind INTO wrong FROM unnest(source.kinds) k (kind) GROUP BY k.kind HAVING count(*) > 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('kind "%s" is given twice', wrong);
    END IF;
    IF source.kind IS NULL THEN
        IF cardinality(source.kinds) > 1 THEN
            RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'several kinds, but no column that tells them apart', HINT = 'Give kind, the column.';
        END IF;
        RETURN;
    END IF;
    IF labels IS NULL THEN
        IF (SELECT t.typcategory FROM pg_type t WHERE t.oid = kind_type) <> 'S' THEN
            RAISE EXCEPTION USING ERRCODE = '42804', MESSAGE = format('column "%s" of %s is of type %s, not text or an enum', source.kind, source.event_table, kind_type);
        END IF;
        IF source.kinds IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('the kinds in column "%s" of %s must be named', source.kind, source.event_table),
                HINT = 'Give kinds: ARRAY[''sent'', ''clicked'']. Those of an enum are known by themselves.';
        END IF;
        RETURN;
    END IF;
    SELECT k.kind INTO wrong FROM unnest(source.kinds) k (kind) WHERE k.kind <> ALL (labels);
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '22P02', MESSAGE = format('"%s" is no label of column "%s" of %s', wrong, source.kind, source.event_table),
            HINT = format('Its labels are %s.', array_to_string(labels, ', '));
    END IF;
END $$;
COMMENT ON FUNCTION segments._check_events(regclass, segments.event_source) IS 'internal: an error unless an event source makes sense';

CREATE FUNCTION segments._add_events(caller oid, path text, relation regclass, source_name name, source_table regclass, member_name name,
                                     at_name name, kind_name name, kind_names text[]) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    new segments.event_source;
    known segments.event_source;
    replaced boolean;
    shared record;
    clash record;
BEGIN
    PERFORM segments._check_owner(caller, relation);
    PERFORM segments._enter(relation);
    IF source_name IS NULL OR source_table IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = format('%s must not be null', CASE WHEN source_name IS NULL THEN 'source' ELSE 'event_table' END);
    END IF;
    IF source_name = '' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'a source''s name must not be empty';
    END IF;
    PERFORM segments._hold(source_table);
    new := ROW(relation, source_name, source_table, member_name, segments._column(source_table, member_name), at_name,
               segments._column(source_table, at_name), kind_name, CASE WHEN kind_name IS NOT NULL THEN segments._column(source_table, kind_name) END,
               kind_names, segments._column_names(source_table));
    PERFORM segments._check_events(relation, new);

    -- Stored rules go on meaning what they meant where a kind is no longer the only one of its name.
    FOR shared IN SELECT k.kind, min(e.source) AS source FROM segments.event_source e CROSS JOIN LATERAL unnest(segments.event_kinds(e)) k (kind)
                  WHERE e.audience = relation AND e.source <> source_name AND k.kind = ANY (segments.event_kinds(new)) GROUP BY k.kind HAVING count(*) = 1 LOOP
        IF NOT EXISTS (SELECT FROM segments.event_source e WHERE e.audience = relation AND e.source = source_name AND shared.kind = ANY (segments.event_kinds(e))) THEN
            PERFORM segments._rename_event(relation, shared.kind, shared.source || '.' || shared.kind);
        END IF;
    END LOOP;
    DELETE FROM segments.event_source e WHERE e.audience = relation AND e.source = source_name RETURNING * INTO known;
    replaced := FOUND;
    INSERT INTO segments.event_source SELECT new.*;
    SELECT q.name, q.source, q.kind, o.source AS other_source, o.kind AS other_kind INTO clash
        FROM segments._events(relation) q JOIN segments._events(relation) o ON o.name = q.name AND (o.source, o.kind) <> (q.source, q.kind)
        WHERE q.qualified LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '42710', MESSAGE = format('event "%s" would have two meanings', clash.name),
            DETAIL = format('Kind "%s" of source "%s", and kind "%s" of source "%s".', clash.kind, clash.source, clash.other_kind, clash.other_source),
            HINT = 'Give the source another name.';
    END IF;
    IF replaced THEN
        PERFORM segments._check_events_known(relation, format('replace event source "%s"', source_name));
        PERFORM segments._rebind_event_fields(caller, relation);
        PERFORM segments._rewrite(caller, relation, NULL, NULL);
        IF (known.event_table, known.member, known.at, known.kind) IS DISTINCT FROM (new.event_table, new.member, new.at, new.kind) THEN
            PERFORM segments._mark_stale(relation, format('event source "%s" was redefined', source_name), 'e', source_name);
        END IF;
        PERFORM segments._narrow_index(relation);
    END IF;
END $$;
COMMENT ON FUNCTION segments._add_events(oid, text, regclass, name, regclass, name, name, name, text[]) IS 'internal: segments.add_events';

CREATE FUNCTION segments.add_events(audience regclass, source name, event_table regclass, member name, at name, kind name DEFAULT NULL,
                                    kinds text[] DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_administer';
COMMENT ON FUNCTION segments.add_events(regclass, name, regclass, name, name, name, text[]) IS 'adds a table of one row per event: whose, when, and of which kind; a later call replaces it';

CREATE FUNCTION segments._drop_events(caller oid, path text, relation regclass, source_name name) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM segments._check_owner(caller, relation);
    PERFORM segments._check_registered(relation);
    PERFORM segments._enter(relation);
    IF NOT EXISTS (SELECT FROM segments.event_source e WHERE e.audience = relation AND e.source = source_name) THEN
        RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('audience %s has no event source "%s"', relation, source_name),
            HINT = 'segments.events() lists the events that there are.';
    END IF;
    DELETE FROM segments.event_source e WHERE e.audience = relation AND e.source = source_name;
    PERFORM segments._check_events_known(relation, format('drop event source "%s"', source_name));
    PERFORM segments._mark_stale(relation, format('event source "%s" was dropped', source_name), 'e', source_name);
    PERFORM segments._narrow_index(relation);
END $$;
COMMENT ON FUNCTION segments._drop_events(oid, text, regclass, name) IS 'internal: segments.drop_events';

CREATE FUNCTION segments.drop_events(audience regclass, source name) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_administer';
COMMENT ON FUNCTION segments.drop_events(regclass, name) IS 'drops an event source, not its table; refused while a stored rule or a field uses it';

CREATE FUNCTION segments.events(audience regclass DEFAULT NULL)
    RETURNS TABLE (audience regclass, source text, kind text, event_table regclass, member name, at name)
    LANGUAGE sql STABLE PARALLEL SAFE COST 1000 ROWS 20 SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.audience, e.source, k.kind, e.event_table, e.member, e.at
    FROM segments.event_source e JOIN pg_class a ON a.oid = e.audience JOIN pg_class t ON t.oid = e.event_table
    CROSS JOIN LATERAL unnest(segments.event_kinds(e)) WITH ORDINALITY k (kind, position)
    WHERE e.audience = events.audience OR events.audience IS NULL
    ORDER BY e.audience::text, e.source, k.position
$$;
COMMENT ON FUNCTION segments.events(regclass) IS 'the events of an audience, or of all: each source and kind, and where they are';

-- The SQL of an event field, bound with a role's rights.
CREATE FUNCTION segments._measure_sql(caller oid, relation regclass, leaf text) RETURNS text
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT segments._as(caller, format('SELECT segments.measure_sql(%s::oid, %L)', relation::oid, leaf))
$$;
COMMENT ON FUNCTION segments._measure_sql(oid, regclass, text) IS 'internal: SQL of an event field';

-- Reads event fields anew, after what they measure has changed.
CREATE FUNCTION segments._rebind_event_fields(caller oid, relation regclass) RETURNS void
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT segments._store_field(caller, relation, f.field, segments._measure_sql(caller, relation, f.leaf), f.leaf, f.label, f.category)
    FROM segments.field f WHERE f.audience = relation AND f.leaf IS NOT NULL
$$;
COMMENT ON FUNCTION segments._rebind_event_fields(oid, regclass) IS 'internal: reads event fields anew';

CREATE FUNCTION segments._add_event_field(caller oid, path text, relation regclass, field_name text, event_leaf json, field_label text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    canonical text;
BEGIN
    PERFORM segments._check_owner(caller, relation);
    PERFORM segments._enter(relation);
    PERFORM segments._check_field_name(relation, field_name);
    IF EXISTS (SELECT FROM segments.membership m WHERE m.audience = relation AND m.field = field_name) THEN
        RAISE EXCEPTION USING ERRCODE = '42710', MESSAGE = format('"%s" is a membership field of %s', field_name, relation);
    END IF;
    IF event_leaf IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'leaf must not be null';
    END IF;
    canonical := segments.canonical_measure(event_leaf::text);
    PERFORM segments._store_field(caller, relation, field_name, segments._measure_sql(caller, relation, canonical), canonical, field_label, NULL);
END $$;
COMMENT ON FUNCTION segments._add_event_field(oid, text, regclass, text, json, text) IS 'internal: segments.add_event_field';

CREATE FUNCTION segments.add_event_field(audience regclass, field text, leaf json, label text DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_administer';
COMMENT ON FUNCTION segments.add_event_field(regclass, text, json, text) IS 'adds a field that is what an event leaf without operator and value measures; a later call replaces it';

-- The columns of an event table have changed: what calls them by name follows.
CREATE FUNCTION segments._reconcile_events(relation regclass, source_name text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known segments.event_source;
    present name[];
    events text[] := segments._event_names(relation, source_name);
BEGIN
    SELECT * INTO known FROM segments.event_source e WHERE e.audience = relation AND e.source = source_name;
    present := segments._column_names(known.event_table);
    -- A name that is still there is the same column, even under another number: so it is after a restore.
    FOR i IN 1 .. least(cardinality(known.column_names), cardinality(present)) LOOP
        CONTINUE WHEN known.column_names[i] = '' OR present[i] = '' OR known.column_names[i] = ANY (present) OR present[i] = ANY (known.column_names);
        UPDATE segments.segment s SET rule = segments.rename_event_column(s.rule, events, known.column_names[i], present[i])
            WHERE s.audience = relation AND segments.rule_events(s.rule) && events;
        UPDATE segments.suppression s SET rule = segments.rename_event_column(s.rule, events, known.column_names[i], present[i])
            WHERE s.audience = relation AND segments.rule_events(s.rule) && events;
        UPDATE segments.field f SET leaf = segments.rename_event_column(f.leaf, events, known.column_names[i], present[i])
            WHERE f.audience = relation AND segments.measure_event(f.leaf) = ANY (events);
    END LOOP;
    UPDATE segments.event_source e SET column_names = present,
            member = coalesce(segments._present_name(e.event_table, e.member, e.member_attnum), e.member),
            at = coalesce(segments._present_name(e.event_table, e.at, e.at_attnum), e.at),
            kind = CASE WHEN e.kind IS NOT NULL THEN coalesce(segments._present_name(e.event_table, e.kind, e.kind_attnum), e.kind) END
        WHERE e.audience = relation AND e.source = source_name;
    UPDATE segments.event_source e SET member_attnum = coalesce(segments._find_column(e.event_table, e.member), e.member_attnum),
            at_attnum = coalesce(segments._find_column(e.event_table, e.at), e.at_attnum),
            kind_attnum = coalesce(segments._find_column(e.event_table, e.kind), e.kind_attnum)
        WHERE e.audience = relation AND e.source = source_name;
END $$;
COMMENT ON FUNCTION segments._reconcile_events(regclass, text) IS 'internal: an event table''s columns have changed';
