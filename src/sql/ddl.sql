-- Catalog and reality: event triggers -------------------------------------------------------------------------------------------
--
-- PostgreSQL itself knows what segments, field expressions and suppressions use, since each is held by a view. What it cannot know
-- is done here, always by comparing the catalog with what there is, so that a command that was missed is made good by the next one.

-- Brings the catalog rows of one audience up to date with its columns and those of its memberships.
CREATE FUNCTION segments._reconcile(relation regclass) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    seen name[] := (SELECT a.column_names FROM segments.audience a WHERE a.audience = relation);
    present name[] := segments._column_names(relation);
BEGIN
    IF seen <> present THEN
        -- A name that is still there is the same column, even under another number: so it is after a restore.
        FOR i IN 1 .. least(cardinality(seen), cardinality(present)) LOOP
            IF seen[i] <> '' AND present[i] <> '' AND seen[i] <> ALL (present) AND present[i] <> ALL (seen) THEN
                PERFORM segments._follow_rename(relation, seen[i], present[i]);
            END IF;
        END LOOP;
        DELETE FROM segments.field f WHERE f.audience = relation AND f.attnum IS NOT NULL AND f.field <> ALL (present);
        UPDATE segments.field f SET attnum = array_position(present, f.field::name) WHERE f.audience = relation AND f.attnum IS NOT NULL;
        UPDATE segments.audience a SET column_names = present, key_attnum = coalesce(array_position(present, a.key), a.key_attnum)
            WHERE a.audience = relation;
    END IF;

    UPDATE segments.field f SET expression = CASE WHEN f.leaf IS NULL THEN segments._view_expression(f.view) END,
            attnums = segments._view_columns(f.view, relation)
        WHERE f.audience = relation AND f.view IS NOT NULL AND EXISTS (SELECT FROM pg_class c WHERE c.oid = f.view)
          AND (f.expression, f.attnums) IS DISTINCT FROM
              (CASE WHEN f.leaf IS NULL THEN segments._view_expression(f.view) END, segments._view_columns(f.view, relation));

    UPDATE segments.membership m SET member = n.member, member_attnum = segments._find_column(m.membership_table, n.member), value = n.value,
            value_attnum = segments._find_column(m.membership_table, n.value), name_key = n.name_key, name_label = n.name_label, name_archived = n.name_archived,
            name_attnums = CASE WHEN m.names IS NOT NULL THEN ARRAY[segments._find_column(m.names, n.name_key),
                segments._find_column(m.names, n.name_label), segments._find_column(m.names, n.name_archived)] END
        FROM segments.membership o CROSS JOIN LATERAL (SELECT
            segments._present_name(o.membership_table, o.member, o.member_attnum), segments._present_name(o.membership_table, o.value, o.value_attnum),
            segments._present_name(o.names, o.name_key, o.name_attnums[1]), segments._present_name(o.names, o.name_label, o.name_attnums[2]),
            segments._present_name(o.names, o.name_archived, o.name_attnums[3])) n (member, value, name_key, name_label, name_archived)
        WHERE m.audience = relation AND o.audience = relation AND o.field = m.field AND n.member IS NOT NULL AND n.value IS NOT NULL
          AND (m.member, m.member_attnum, m.value, m.value_attnum, m.name_key, m.name_label, m.name_archived, m.name_attnums) IS DISTINCT FROM
              (n.member, segments._find_column(m.membership_table, n.member), n.value, segments._find_column(m.membership_table, n.value),
               n.name_key, n.name_label, n.name_archived,
               CASE WHEN m.names IS NOT NULL THEN ARRAY[segments._find_column(m.names, n.name_key), segments._find_column(m.names, n.name_label),
                                                        segments._find_column(m.names, n.name_archived)] END);

    PERFORM segments._reconcile_events(relation, e.source) FROM segments.event_source e
        WHERE e.audience = relation AND e.column_names <> segments._column_names(e.event_table);

    IF segments._is_restored(relation) THEN
        PERFORM segments.make_audience_functions(relation);
    END IF;
    PERFORM segments._goes_with(u.view, relation)
    FROM (SELECT f.view FROM segments.field f WHERE f.audience = relation AND f.view IS NOT NULL
          UNION ALL SELECT s.view FROM segments.suppression s WHERE s.audience = relation) u (view)
    WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = u.view
                      AND d.refclassid = 'pg_class'::regclass AND d.refobjid = relation AND d.deptype = 'a');
    PERFORM segments._depends_on(u.view, used.views)
    FROM (SELECT s.view, s.rule FROM segments.segment s WHERE s.audience = relation
          UNION ALL SELECT s.view, s.rule FROM segments.suppression s WHERE s.audience = relation) u (view, rule)
    CROSS JOIN LATERAL (SELECT segments._used_views(relation, u.rule)) used (views)
    WHERE EXISTS (SELECT FROM unnest(used.views) used_view WHERE NOT EXISTS (
                      SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = u.view
                      AND d.refclassid = 'pg_class'::regclass AND d.refobjid = used_view AND d.deptype = 'n'));
END $$;
COMMENT ON FUNCTION segments._reconcile(regclass) IS 'internal: brings the catalog up to date with an audience''s columns';

-- Whether an audience comes from a dump and nobody has looked at it since: dependencies are not dumped.
CREATE FUNCTION segments._is_restored(relation regclass) RETURNS boolean
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM pg_proc p JOIN pg_class c ON c.oid = relation
                   WHERE p.pronamespace = 'segments'::regnamespace AND c.reltype = ANY (p.proargtypes) AND NOT EXISTS (
                       SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                       AND d.refclassid = 'pg_class'::regclass AND d.refobjid = relation AND d.deptype = 'a'))
$$;
COMMENT ON FUNCTION segments._is_restored(regclass) IS 'internal: whether an audience was restored and has not been brought up to date';

-- The present name of a column: the name on record where there is such a column, else that of its number.
CREATE FUNCTION segments._present_name(relation regclass, column_name name, number int2) RETURNS name
    LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.attname FROM pg_attribute a
    WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped AND (a.attname = column_name OR a.attnum = number)
    ORDER BY a.attname = column_name DESC LIMIT 1
$$;
COMMENT ON FUNCTION segments._present_name(regclass, name, int2) IS 'internal: present name of a column on record';

-- A column of an audience has another name: stored rules, labels and the key follow.
CREATE FUNCTION segments._follow_rename(relation regclass, old_name name, new_name name) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE segments.segment s SET rule = segments.rename_field(s.rule, old_name, new_name), fields = array_replace(s.fields, old_name::text, new_name::text),
            columns = array_replace(s.columns, old_name, new_name)
        WHERE s.audience = relation AND (old_name = ANY (s.fields) OR old_name = ANY (s.columns));
    UPDATE segments.suppression s SET rule = segments.rename_field(s.rule, old_name, new_name)
        WHERE s.audience = relation AND old_name = ANY (segments.rule_fields(s.rule));
    UPDATE segments.field f SET field = new_name WHERE f.audience = relation AND f.field = old_name AND f.attnum IS NOT NULL;
    UPDATE segments.audience a SET key = new_name WHERE a.audience = relation AND a.key = old_name;
    PERFORM segments._rename_in_index(relation, old_name, new_name);
END $$;
COMMENT ON FUNCTION segments._follow_rename(regclass, name, name) IS 'internal: a column was renamed';

-- After ALTER and the like.
CREATE FUNCTION segments._after_ddl() RETURNS event_trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relation regclass;
    hidden text;
    labels_changed boolean := EXISTS (SELECT FROM pg_event_trigger_ddl_commands() d WHERE d.command_tag = 'ALTER TYPE');
BEGIN
    PERFORM segments._check_switched();
    IF NOT EXISTS (SELECT FROM segments.audience) THEN
        RETURN;
    END IF;
    -- Of the commands of a parallel restore one does what is to be done. The others don't wait: they may have the tables that it needs.
    IF EXISTS (SELECT FROM segments.audience a JOIN pg_class c ON c.oid = a.audience WHERE segments._is_restored(a.audience)) THEN
        PERFORM FROM segments.audience a WHERE a.audience = (SELECT min(f.audience::oid) FROM segments.audience f) FOR UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            RETURN;
        END IF;
    END IF;
    FOR relation IN SELECT a.audience FROM segments.audience a JOIN pg_class c ON c.oid = a.audience LOOP
        PERFORM segments._reconcile(relation);
        IF labels_changed AND EXISTS (SELECT FROM segments.event_source e WHERE e.audience = relation) THEN
            PERFORM segments._check_events_known(relation, format('alter the type of kinds of audience %s', relation));
        END IF;
        SELECT a.attname INTO hidden FROM pg_attribute a
            WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
              AND (EXISTS (SELECT FROM segments.field f WHERE f.audience = relation AND f.field = a.attname AND f.view IS NOT NULL)
                   OR EXISTS (SELECT FROM segments.membership m WHERE m.audience = relation AND m.field = a.attname));
        IF FOUND THEN
            RAISE EXCEPTION USING ERRCODE = '42701', MESSAGE = format('"%s" is a registered field of audience %s', hidden, relation),
                HINT = 'Drop the field, or choose another name for the column.';
        END IF;
    END LOOP;
    -- Functions of an audience bear its name and its key's type.
    FOR relation IN SELECT a.audience FROM segments.audience a JOIN pg_class c ON c.oid = a.audience
                    WHERE EXISTS (SELECT FROM pg_event_trigger_ddl_commands() d WHERE d.command_tag LIKE 'ALTER %'
                                  AND (d.objid = a.audience AND d.classid = 'pg_class'::regclass
                                       OR d.objid = c.relnamespace AND d.classid = 'pg_namespace'::regclass)) LOOP
        PERFORM segments.make_audience_functions(relation);
    END LOOP;
END $$;
COMMENT ON FUNCTION segments._after_ddl() IS 'internal: keeps the catalog in step with ALTER';

-- After DROP and the like: what the catalog says of things that are gone goes too, unless a stored rule needs them.
CREATE FUNCTION segments._after_drop() RETURNS event_trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    dropped oid[];
    relation regclass;
    lost text;
BEGIN
    PERFORM segments._check_dropped_triggers();
    IF NOT EXISTS (SELECT FROM segments.audience) THEN
        RETURN;
    END IF;
    SELECT array_agg(DISTINCT d.objid) INTO dropped FROM pg_event_trigger_dropped_objects() d
    WHERE d.classid = 'pg_class'::regclass
      AND (EXISTS (SELECT FROM segments.audience a WHERE a.audience = d.objid)
           OR EXISTS (SELECT FROM segments.membership m WHERE d.objid IN (m.membership_table, m.names))
           OR EXISTS (SELECT FROM segments.event_source e WHERE e.event_table = d.objid)
           OR EXISTS (SELECT FROM segments.segment s WHERE s.view = d.objid)
           OR EXISTS (SELECT FROM segments.field f WHERE f.view = d.objid)
           OR EXISTS (SELECT FROM segments.suppression s WHERE s.view = d.objid));
    IF dropped IS NULL THEN
        RETURN;
    END IF;

    -- An audience takes everything of it along.
    PERFORM segments._forget_index(d.audience) FROM segments.index_definition d
        WHERE d.audience = ANY (dropped) AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = d.audience);
    DELETE FROM segments.segment s WHERE s.audience = ANY (dropped) AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = s.audience);
    DELETE FROM segments.suppression s WHERE s.audience = ANY (dropped) AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = s.audience);
    DELETE FROM segments.membership m WHERE m.audience = ANY (dropped) AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = m.audience);
    DELETE FROM segments.event_source e WHERE e.audience = ANY (dropped) AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = e.audience);
    DELETE FROM segments.field f WHERE f.audience = ANY (dropped) AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = f.audience);
    DELETE FROM segments.audience a WHERE a.audience = ANY (dropped) AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = a.audience);

    FOR relation IN SELECT a.audience FROM segments.audience a ORDER BY a.audience LOOP
        CONTINUE WHEN NOT EXISTS (
            SELECT WHERE relation = ANY (dropped)
            UNION ALL SELECT FROM segments.membership m WHERE m.audience = relation AND (m.membership_table = ANY (dropped) OR m.names = ANY (dropped))
            UNION ALL SELECT FROM segments.event_source e WHERE e.audience = relation AND e.event_table = ANY (dropped)
            UNION ALL SELECT FROM segments.segment s WHERE s.audience = relation AND s.view = ANY (dropped)
            UNION ALL SELECT FROM segments.field f WHERE f.audience = relation AND f.view = ANY (dropped)
            UNION ALL SELECT FROM segments.suppression s WHERE s.audience = relation AND s.view = ANY (dropped));
        UPDATE segments.audience a SET key = a.key WHERE a.audience = relation;

        -- A suppression ends only by unsuppress, or with its view by name (as pg_restore --clean does it): never as a side effect.
        DELETE FROM segments.suppression s USING pg_event_trigger_dropped_objects() d
            WHERE s.audience = relation AND d.classid = 'pg_class'::regclass AND d.objid = s.view AND d.objsubid = 0 AND d.original;
        SELECT s.reason INTO lost FROM segments.suppression s
            WHERE s.audience = relation AND s.view = ANY (dropped) AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = s.view) ORDER BY 1;
        IF FOUND THEN
            RAISE EXCEPTION USING ERRCODE = '2BP01', MESSAGE = format('cannot drop what suppression "%s" of audience %s uses', lost, relation),
                HINT = 'Use segments.unsuppress() first.';
        END IF;

        DELETE FROM segments.segment s WHERE s.audience = relation AND s.view = ANY (dropped) AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = s.view);
        PERFORM segments._check_unused(relation, format('segment "%s"', u.name), '{}', ARRAY[u.name], 'segments.drop(name, cascade => true) drops the segments that use it too.')
        FROM (SELECT unnest(s.segments) FROM segments.segment s WHERE s.audience = relation
              UNION SELECT unnest(segments.rule_segments(s.rule)) FROM segments.suppression s WHERE s.audience = relation) u (name)
        WHERE NOT EXISTS (SELECT FROM segments.segment s WHERE s.name = u.name);

        PERFORM segments._check_unused(relation, format('field "%s"', f.field), ARRAY[f.field], NULL, 'Alter or drop those first.')
        FROM segments.field f WHERE f.audience = relation AND f.view = ANY (dropped) AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = f.view);
        DELETE FROM segments.field f WHERE f.audience = relation AND f.view = ANY (dropped) AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = f.view);

        FOR lost IN SELECT m.field FROM segments.membership m
                    WHERE m.audience = relation AND (segments._present_name(m.membership_table, m.member, m.member_attnum) IS NULL
                                                     OR segments._present_name(m.membership_table, m.value, m.value_attnum) IS NULL) LOOP
            PERFORM segments._check_unused(relation, format('what membership field "%s" of audience %s is read from', lost, relation), ARRAY[lost], NULL, 'Alter or drop those first.');
            DELETE FROM segments.membership m WHERE m.audience = relation AND m.field = lost;
            PERFORM segments._mark_stale(relation, format('membership field "%s" was dropped', lost), 'm', lost);
        END LOOP;
        FOR lost IN SELECT e.source FROM segments.event_source e
                    WHERE e.audience = relation AND (segments._present_name(e.event_table, e.member, e.member_attnum) IS NULL
                                                     OR segments._present_name(e.event_table, e.at, e.at_attnum) IS NULL
                                                     OR e.kind IS NOT NULL AND segments._present_name(e.event_table, e.kind, e.kind_attnum) IS NULL) LOOP
            DELETE FROM segments.event_source e WHERE e.audience = relation AND e.source = lost;
            PERFORM segments._check_events_known(relation, format('drop what event source "%s" of audience %s is read from', lost, relation));
            PERFORM segments._mark_stale(relation, format('event source "%s" was dropped', lost), 'e', lost);
        END LOOP;
        UPDATE segments.membership m SET names = NULL, name_key = NULL, name_label = NULL, name_archived = NULL, name_attnums = NULL
            WHERE m.audience = relation AND m.names = ANY (dropped) AND segments._present_name(m.names, m.name_key, m.name_attnums[1]) IS NULL;
        UPDATE segments.membership m SET name_label = coalesce(segments._present_name(m.names, m.name_label, m.name_attnums[2]), m.name_key),
                name_archived = segments._present_name(m.names, m.name_archived, m.name_attnums[3])
            WHERE m.audience = relation AND m.names = ANY (dropped);

        PERFORM segments._check_unused(relation, format('column "%s" of audience %s', u.name, relation), ARRAY[u.name::text], NULL, 'Alter or drop those first.')
        FROM unnest((SELECT a.column_names FROM segments.audience a WHERE a.audience = relation)) WITH ORDINALITY u (name, position)
        WHERE u.name <> '' AND segments._present_name(relation, u.name, u.position::int2) IS NULL;
        SELECT a.key INTO lost FROM segments.audience a WHERE a.audience = relation AND segments._present_name(relation, a.key, a.key_attnum) IS NULL;
        IF FOUND THEN
            IF EXISTS (SELECT FROM segments.membership m WHERE m.audience = relation) THEN
                RAISE EXCEPTION USING ERRCODE = '2BP01', MESSAGE = format('cannot drop column "%s": memberships of audience %s refer to it', lost, relation),
                    HINT = 'Use segments.drop_membership() first.';
            END IF;
            IF EXISTS (SELECT FROM segments.event_source e WHERE e.audience = relation) THEN
                RAISE EXCEPTION USING ERRCODE = '2BP01', MESSAGE = format('cannot drop column "%s": event sources of audience %s refer to it', lost, relation),
                    HINT = 'Use segments.drop_events() first.';
            END IF;
            PERFORM segments._check_unused(relation, format('column "%s", by which members of %s are known,', lost, relation), NULL, NULL, 'Drop its segments and lift its suppressions first.');
            PERFORM segments._drop_functions(relation);
            PERFORM segments._forget(relation);
        ELSE
            PERFORM segments._reconcile(relation);
            PERFORM segments._narrow_index(relation);
        END IF;
    END LOOP;
END $$;
COMMENT ON FUNCTION segments._after_drop() IS 'internal: keeps the catalog in step with DROP';

CREATE EVENT TRIGGER segments_after_drop ON sql_drop EXECUTE FUNCTION segments._after_drop();
CREATE EVENT TRIGGER segments_after_ddl ON ddl_command_end
    WHEN TAG IN ('ALTER TABLE', 'ALTER VIEW', 'ALTER MATERIALIZED VIEW', 'ALTER FOREIGN TABLE', 'ALTER TYPE', 'ALTER DOMAIN', 'ALTER SCHEMA',
                 'ALTER FUNCTION', 'ALTER PROCEDURE', 'ALTER ROUTINE', 'ALTER AGGREGATE', 'ALTER OPERATOR', 'ALTER COLLATION', 'ALTER EXTENSION',
                 'CREATE VIEW')
    EXECUTE FUNCTION segments._after_ddl();
ALTER EVENT TRIGGER segments_after_drop ENABLE ALWAYS;
ALTER EVENT TRIGGER segments_after_ddl ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER segments_after_drop IS 'keeps the catalog of segments in step with DROP';
COMMENT ON EVENT TRIGGER segments_after_ddl IS 'keeps the catalog of segments in step with ALTER';
