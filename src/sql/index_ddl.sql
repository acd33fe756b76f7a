-- The segment index: following what becomes of its tables -------------------------------------------------------------------------

-- An index that has missed something, or means something else by a name, is used no more. source: a membership field or event source that the index
-- must have for this; null: any index.
CREATE FUNCTION segments._mark_stale(relation regclass, why text, source_kind "char" DEFAULT NULL, source_name text DEFAULT NULL) RETURNS void
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH state AS (
        -- One that is being built anew is waited for.
        SELECT i.id FROM segments.index_state i
        WHERE i.audience = relation AND (source_kind IS NULL OR EXISTS (
            SELECT FROM segments.index_field f JOIN segments.index_source s ON s.id = f.id AND s.source = f.source
            WHERE f.id = i.id AND s.kind = source_kind AND CASE source_kind WHEN 'm' THEN f.name = source_name ELSE starts_with(f.name, source_name || '.') END))
        FOR UPDATE
    )
    INSERT INTO segments.index_stale (id, why)
        SELECT s.id, $2 FROM state s WHERE NOT EXISTS (SELECT FROM segments.index_stale t WHERE t.id = s.id)
$$;
COMMENT ON FUNCTION segments._mark_stale(regclass, text, "char", text) IS 'internal: an audience''s index is used no more';

-- The same for whatever indexes have some tables; why names the table by %s. Seen by a transaction that is older than the index, too.
CREATE FUNCTION segments._mark_tables_stale(tables oid[], why text) RETURNS void
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT segments._latest(format('WITH state AS (SELECT i.id, format(%L, w.relation::regclass) AS why FROM segments.index_state i'
        ' JOIN (SELECT s.id, min(p::oid) FROM segments.index_source s CROSS JOIN LATERAL segments._with_partitions(s.relation) p'
        ' WHERE p = ANY (%L::oid[]) GROUP BY s.id) w (id, relation) ON w.id = i.id FOR UPDATE OF i)'
        ' INSERT INTO segments.index_stale (id, why)'
        ' SELECT s.id, s.why FROM state s WHERE NOT EXISTS (SELECT FROM segments.index_stale t WHERE t.id = s.id)', why, tables))
    WHERE tables <> '{}'
$$;
COMMENT ON FUNCTION segments._mark_tables_stale(oid[], text) IS 'internal: indexes that some tables are in are used no more';

-- Tables that an index keeps may be as they were again by the time that somebody asks: a partition detached and attached, a key dropped and made again.
-- What was changed meanwhile has not been noted, so it is looked at after each command that can do that.
CREATE FUNCTION segments._after_index_ddl() RETURNS event_trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    touched oid[];
    index record;
BEGIN
    IF NOT EXISTS (SELECT FROM segments.index_state) THEN
        RETURN;
    END IF;
    -- With their parents and children; a subscription may be to any table.
    WITH RECURSIVE command AS (
        SELECT d.objid FROM pg_event_trigger_ddl_commands() d WHERE d.classid = 'pg_class'::regclass
    ), up (relation) AS (
        SELECT objid FROM command UNION SELECT i.inhparent FROM up JOIN pg_inherits i ON i.inhrelid = up.relation
    ), down (relation) AS (
        SELECT objid FROM command UNION SELECT i.inhrelid FROM down JOIN pg_inherits i ON i.inhparent = down.relation
    ) SELECT array_agg(u.relation) INTO touched FROM (SELECT relation FROM up UNION SELECT relation FROM down) u;
    FOR index IN SELECT s.audience, segments._index_outdated(s.audience) AS why FROM segments.index_state s
                 WHERE tg_tag LIKE '% SUBSCRIPTION' OR EXISTS (SELECT FROM segments.index_source o WHERE o.id = s.id AND o.relation = ANY (touched)) LOOP
        IF index.why IS NOT NULL THEN
            PERFORM segments._mark_stale(index.audience::regclass, index.why);
        END IF;
    END LOOP;
END $$;
COMMENT ON FUNCTION segments._after_index_ddl() IS 'internal: an index whose tables are not those that it was built from is used no more';
CREATE EVENT TRIGGER segments_after_index_ddl ON ddl_command_end
    WHEN TAG IN ('ALTER TABLE', 'CREATE TABLE', 'CREATE SCHEMA', 'CREATE TABLE AS', 'SELECT INTO', 'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE', 'DROP INDEX', 'CREATE SUBSCRIPTION', 'ALTER SUBSCRIPTION')
    EXECUTE FUNCTION segments._after_index_ddl();
ALTER EVENT TRIGGER segments_after_index_ddl ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER segments_after_index_ddl IS 'sees what becomes of the tables of segment indexes';

-- What can no longer be named goes out of what an index is asked to keep.
CREATE FUNCTION segments._narrow_index(relation regclass) RETURNS void
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    UPDATE segments.index_definition d SET fields = ARRAY(SELECT w.name FROM unnest(d.fields) WITH ORDINALITY w (name, position)
                                                          WHERE w.name IN (SELECT n.name FROM segments._index_names(relation) n) ORDER BY w.position)
    WHERE d.audience = relation AND EXISTS (SELECT FROM unnest(d.fields) w (name) WHERE w.name NOT IN (SELECT n.name FROM segments._index_names(relation) n))
$$;
COMMENT ON FUNCTION segments._narrow_index(regclass) IS 'internal: an index is asked for what there still is';

-- A column, or an event, is called otherwise.
CREATE FUNCTION segments._rename_in_index(relation regclass, old_name text, new_name text) RETURNS void
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    UPDATE segments.index_definition d SET fields = array_replace(d.fields, old_name, new_name) WHERE d.audience = relation AND old_name = ANY (d.fields);
    UPDATE segments.index_field f SET name = new_name FROM segments.index_state i
        WHERE i.audience = relation AND f.id = i.id AND f.source = 0 AND f.name = old_name;
$$;
COMMENT ON FUNCTION segments._rename_in_index(regclass, text, text) IS 'internal: what an index keeps is called otherwise';

-- After ALTER: a trigger that was switched may have missed rows, even if it is switched back. Of a label that names a kind of events, the rows go by
-- another name now.
CREATE FUNCTION segments._check_switched() RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    renamed oid[];
BEGIN
    PERFORM segments._mark_tables_stale(ARRAY(SELECT DISTINCT t.tgrelid FROM pg_trigger t
                                              WHERE t.tgfoid = 'segments.index_change()'::regprocedure AND t.tgenabled <> 'A'),
                                        'triggers of table %s were switched');
    renamed := ARRAY(SELECT d.objid FROM pg_event_trigger_ddl_commands() d WHERE d.command_tag = 'ALTER TYPE' AND segments._renames_label(d.command));
    IF renamed <> '{}' THEN
        PERFORM segments._mark_tables_stale(ARRAY(SELECT e.event_table::oid FROM segments.event_source e
            JOIN pg_attribute a ON a.attrelid = e.event_table AND a.attname = e.kind WHERE segments.base_type(a.atttypid)::oid = ANY (renamed)),
            'kinds of events in table %s were renamed');
    END IF;
END $$;
COMMENT ON FUNCTION segments._check_switched() IS 'internal: marks indexes that an ALTER has made useless';

-- After DROP: the same of triggers that are gone, and may come again.
CREATE FUNCTION segments._check_dropped_triggers() RETURNS void
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT segments._mark_tables_stale(array_agg(DISTINCT r.relation::oid), 'triggers of table %s were dropped')
    FROM pg_event_trigger_dropped_objects() d CROSS JOIN LATERAL to_regclass(format('%I.%I', d.address_names[1], d.address_names[2])) r (relation)
    WHERE d.object_type = 'trigger' AND starts_with(d.address_names[3], 'segments_index_') AND r.relation IS NOT NULL
    HAVING count(*) > 0
$$;
COMMENT ON FUNCTION segments._check_dropped_triggers() IS 'internal: marks indexes whose triggers were dropped';
