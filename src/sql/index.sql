-- The segment index: what can be indexed ------------------------------------------------------------------------------------------

-- The modifier of a type under its domains.
CREATE FUNCTION segments._base_typmod(type oid, typmod int4) RETURNS int4
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE domain (type, typmod) AS (
        SELECT type, typmod
        UNION ALL
        SELECT t.typbasetype, t.typtypmod FROM domain d JOIN pg_type t ON t.oid = d.type AND t.typtype = 'd'
    )
    SELECT d.typmod FROM domain d JOIN pg_type t ON t.oid = d.type AND t.typtype <> 'd'
$$;
COMMENT ON FUNCTION segments._base_typmod(oid, int4) IS 'internal: modifier of a type under a domain';

-- How values of a type that is no domain are kept, or null. A numeric of at most 18 digits is an integer of 64 bits.
CREATE FUNCTION segments._index_kind(type oid, typmod int4) RETURNS "char"
    LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN type IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN 'i'
        WHEN type = 'date'::regtype THEN 'd'
        WHEN type = 'timestamp'::regtype THEN 't'
        WHEN type = 'timestamptz'::regtype THEN 'z'
        WHEN type = 'numeric'::regtype THEN
            CASE WHEN typmod >= 4 AND ((typmod - 4) >> 16) & 65535 <= 18 AND (typmod - 4) & 2047 <= 18 THEN 'n' END
        WHEN type IN ('float4'::regtype, 'float8'::regtype) THEN 'f'
        WHEN type = 'bool'::regtype THEN 'b'
        WHEN type IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'name'::regtype, '"char"'::regtype, 'uuid'::regtype, 'inet'::regtype,
                      'cidr'::regtype, 'macaddr'::regtype, 'macaddr8'::regtype) THEN 'c'
        WHEN EXISTS (SELECT FROM pg_type t WHERE t.oid = type AND t.typtype = 'e') THEN 'c'
        WHEN EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid JOIN pg_type t ON t.oid = d.objid
                     WHERE d.classid = 'pg_type'::regclass AND d.objid = type AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
                       AND e.extname = 'citext' AND t.typname = 'citext') THEN 'c'
        WHEN EXISTS (SELECT FROM pg_type t WHERE t.typarray = type
                     AND (t.typtype = 'e' OR t.oid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'text'::regtype, 'varchar'::regtype,
                                                       'uuid'::regtype))) THEN 'a'
    END::"char"
$$;
COMMENT ON FUNCTION segments._index_kind(oid, int4) IS 'internal: how an index keeps values of a type; null where it cannot';

-- A relation and its partitions of every level.
CREATE FUNCTION segments._with_partitions(relation regclass) RETURNS SETOF regclass
    LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT relation UNION SELECT p.relid FROM pg_partition_tree(relation) p
$$;
COMMENT ON FUNCTION segments._with_partitions(regclass) IS 'internal: a table and its partitions';

-- Why the changes of a relation cannot be followed, or null. Statement triggers have no transition tables on what is no table, see the rows of
-- their own table only under inheritance, and don't fire for what is written through a partitioned table above.
CREATE FUNCTION segments._index_obstacle(relation regclass) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN c.relkind = 'v' THEN format('%s is a view', relation)
        WHEN c.relkind = 'm' THEN format('%s is a materialized view', relation)
        WHEN c.relkind = 'f' THEN format('%s is a foreign table', relation)
        WHEN c.oid < 16384 THEN format('%s is a system catalog', relation)
        WHEN c.relpersistence = 't' THEN format('%s is a temporary table', relation)
        WHEN c.relispartition THEN format('%s is a partition', relation)
        WHEN c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE relation IN (i.inhparent, i.inhrelid)) THEN format('%s inherits, or is inherited from', relation)
        WHEN EXISTS (SELECT FROM pg_subscription_rel r WHERE r.srrelid IN (SELECT segments._with_partitions(relation))) THEN
            format('Rows of %s come by a subscription', relation)
        ELSE (SELECT min(CASE WHEN p.relkind = 'f' THEN format('%s is a foreign table', p.oid::regclass)
                              WHEN p.relkind = 'r' AND p.relpersistence <> 'p' THEN format('%s is an unlogged table', p.oid::regclass) END)
              FROM pg_class p WHERE p.oid IN (SELECT segments._with_partitions(relation)))
    END
    FROM pg_class c WHERE c.oid = relation
$$;
COMMENT ON FUNCTION segments._index_obstacle(regclass) IS 'internal: why the changes of a relation cannot be followed; null where they can';

-- All that an index of an audience could keep, in the order in which it would, and why it cannot; the kinds of events once each.
CREATE FUNCTION segments._index_candidates(relation regclass)
    RETURNS TABLE (item text, name text, source_kind "char", source_name text, source_relation oid, member int2, value int2, at int2, event_kind int2,
                   kind "char", attnum int2, type oid, typmod int4, "collation" oid, event text, obstacle text)
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 50 SET search_path = pg_catalog, pg_temp AS $$
    WITH col AS (
        SELECT a.*, b.type AS base_type, b.typmod AS base_typmod, segments._index_kind(b.type, b.typmod) AS kind,
               format_type(a.atttypid, a.atttypmod) AS type_name,
               -- Rows that are routed to a partition reach transition tables before its generated columns are worked out.
               CASE WHEN a.attgenerated = 'v' THEN 'virtual' WHEN a.attgenerated = 's' AND r.relkind = 'p' THEN 'partitioned' END AS unseen
        FROM pg_attribute a JOIN pg_class r ON r.oid = a.attrelid
        CROSS JOIN LATERAL (SELECT segments.base_type(a.atttypid)::oid, segments._base_typmod(a.atttypid, a.atttypmod)) b (type, typmod)
        WHERE a.attnum > 0 AND NOT a.attisdropped
          AND a.attrelid IN (SELECT relation UNION SELECT m.membership_table FROM segments.membership m WHERE m.audience = relation
                             UNION SELECT e.event_table FROM segments.event_source e WHERE e.audience = relation)
    )
    SELECT u.source_kind || ':' || u.name, u.name, u.source_kind::"char", u.source_name, u.source_relation, u.member, u.value, u.at, u.event_kind,
           u.kind::"char", u.attnum, u.type, u.typmod, u.collation, u.event, u.obstacle
    FROM (
        SELECT 1, c.attnum::text COLLATE "C", c.attnum::bigint, c.attname::text, 'a', NULL::text, relation::oid, key.attnum, 0::int2, 0::int2, 0::int2, c.kind, c.attnum,
               CASE WHEN c.kind = 'a' THEN (SELECT t.typelem FROM pg_type t WHERE t.oid = c.base_type) ELSE c.base_type END, c.base_typmod, c.attcollation,
               NULL::text,
               CASE WHEN c.unseen = 'virtual' THEN 'It is a virtual generated column.'
                    WHEN c.unseen = 'partitioned' THEN 'It is a generated column of a partitioned table: triggers do not see its values.'
                    WHEN c.kind IS NULL THEN format('It is of type %s.', c.type_name) END
        FROM segments.audience a JOIN col key ON key.attrelid = relation AND key.attname = a.key JOIN col c ON c.attrelid = relation AND c.attnum <> key.attnum
        WHERE a.audience = relation
        UNION ALL
        SELECT 2, m.field COLLATE "C", 0, m.field, 'm', m.field, m.membership_table::oid, member.attnum, value.attnum, 0::int2, 0::int2, 'm', value.attnum,
               value.base_type, value.base_typmod, value.attcollation, NULL,
               CASE WHEN member.kind IS DISTINCT FROM 'i' THEN format('Column "%s" of %s is of type %s.', m.member, m.membership_table, member.type_name)
                    WHEN coalesce(member.unseen, value.unseen) IS NOT NULL THEN format('Columns of %s are generated ones, which triggers do not see.', m.membership_table)
                    WHEN value.kind IS NULL OR value.kind NOT IN ('i', 'c') THEN
                        format('Column "%s" of %s is of type %s.', m.value, m.membership_table, value.type_name)
                    ELSE segments._index_obstacle(m.membership_table) || '.' END
        FROM segments.membership m JOIN col member ON member.attrelid = m.membership_table AND member.attname = m.member
        JOIN col value ON value.attrelid = m.membership_table AND value.attname = m.value
        WHERE m.audience = relation
        UNION ALL
        SELECT 3, e.source COLLATE "C", k.position, e.source || '.' || k.kind, 'e', e.source, e.event_table::oid, member.attnum, 0::int2, at.attnum,
               coalesce(kind.attnum, 0::int2), 'k', at.attnum, at.base_type, -1, 0::oid, CASE WHEN e.kind IS NOT NULL THEN k.kind END,
               CASE WHEN member.kind IS DISTINCT FROM 'i' THEN format('Column "%s" of %s is of type %s.', e.member, e.event_table, member.type_name)
                    WHEN at.base_type <> 'timestamptz'::regtype THEN format('Column "%s" of %s is of type %s.', e.at, e.event_table, at.type_name)
                    WHEN coalesce(member.unseen, at.unseen, kind.unseen) IS NOT NULL THEN format('Columns of %s are generated ones, which triggers do not see.', e.event_table)
                    WHEN kind.base_type NOT IN ('text'::regtype, 'varchar'::regtype) AND segments.enum_labels(kind.base_type) IS NULL THEN
                        format('Column "%s" of %s is of type %s.', e.kind, e.event_table, kind.type_name)
                    WHEN EXISTS (SELECT FROM pg_collation l WHERE l.oid = kind.attcollation AND NOT l.collisdeterministic) THEN
                        format('The collation of column "%s" of %s takes different texts for equal.', e.kind, e.event_table)
                    WHEN count(*) OVER (PARTITION BY e.source || '.' || k.kind) > 1 THEN 'Another event has the same name.'
                    ELSE segments._index_obstacle(e.event_table) || '.' END
        FROM segments.event_source e JOIN col member ON member.attrelid = e.event_table AND member.attname = e.member
        JOIN col at ON at.attrelid = e.event_table AND at.attname = e.at
        LEFT JOIN col kind ON kind.attrelid = e.event_table AND kind.attname = e.kind
        CROSS JOIN LATERAL unnest(segments.event_kinds(e)) WITH ORDINALITY k (kind, position)
        WHERE e.audience = relation AND (e.kind IS NULL OR kind.attnum IS NOT NULL)
    ) u (part, part_name, position, name, source_kind, source_name, source_relation, member, value, at, event_kind, kind, attnum, type, typmod, "collation",
         event, obstacle)
    ORDER BY u.part, CASE WHEN u.part > 1 THEN u.part_name END, u.position
$$;
COMMENT ON FUNCTION segments._index_candidates(regclass) IS 'internal: what an index of an audience could keep';

-- By what names one asks for it, best first; item is null where it needs no keeping, as the key, or where it cannot be.
CREATE FUNCTION segments._index_names(relation regclass) RETURNS TABLE (name text, rank int, item text, obstacle text)
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 50 SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.attname::text, 1, CASE WHEN a.attname <> k.key THEN 'a:' || a.attname END, NULL::text
    FROM segments.audience k JOIN pg_attribute a ON a.attrelid = k.audience AND a.attnum > 0 AND NOT a.attisdropped WHERE k.audience = relation
    UNION ALL
    SELECT m.field, 2, 'm:' || m.field, NULL FROM segments.membership m WHERE m.audience = relation
    UNION ALL
    SELECT f.field, 3, e.item, CASE WHEN f.leaf IS NULL THEN 'It is an expression.'
                                    WHEN f.leaf::jsonb ?| '{where,within}' OR coalesce(f.leaf::jsonb -> 'measure', '"count"') NOT IN ('"count"', '"first"', '"last"')
                                        THEN 'It measures more than number, first or last of all events of a kind.' END
    FROM segments.field f
    LEFT JOIN LATERAL (SELECT 'e:' || v.source || '.' || v.kind FROM segments._events(relation) v
                       WHERE v.name = f.leaf::jsonb ->> 'event' ORDER BY v.qualified LIMIT 1) e (item) ON true
    WHERE f.audience = relation AND f.attnum IS NULL
    UNION ALL
    SELECT v.name, CASE WHEN v.qualified THEN 5 ELSE 4 END, 'e:' || v.source || '.' || v.kind,
           CASE WHEN count(*) OVER (PARTITION BY v.name, v.qualified) > 1 THEN 'Several sources have events of this name.' END
    FROM segments._events(relation) v
$$;
COMMENT ON FUNCTION segments._index_names(regclass) IS 'internal: what an audience''s index may be asked to keep, by name';

-- Whether a role may have triggers made on a table.
CREATE FUNCTION segments._may_trigger(role oid, relation oid) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_has_role(role, c.relowner, 'USAGE') OR has_table_privilege(role, c.oid, 'TRIGGER') FROM pg_class c WHERE c.oid = relation
$$;
COMMENT ON FUNCTION segments._may_trigger(oid, oid) IS 'internal: whether a role may have triggers made on a table';

-- The items that an index is to keep. Where fields were named, an error for one that it cannot.
CREATE FUNCTION segments._index_items(caller oid, relation regclass, wanted text[]) RETURNS text[]
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wish text;
    known record;
    items text[] := '{}';
BEGIN
    IF wanted IS NULL THEN
        RETURN coalesce((SELECT array_agg(c.item) FROM segments._index_candidates(relation) c
                         WHERE c.obstacle IS NULL AND (c.source_kind = 'a' OR segments._may_trigger(caller, c.source_relation))), '{}');
    END IF;
    FOREACH wish IN ARRAY wanted LOOP
        SELECT n.item, n.rank = 4 AND n.obstacle IS NOT NULL AS ambiguous, coalesce(n.obstacle, c.obstacle) AS obstacle, c.source_kind, c.source_relation INTO known
            FROM segments._index_names(relation) n LEFT JOIN segments._index_candidates(relation) c ON c.item = n.item
            WHERE n.name = wish ORDER BY n.rank LIMIT 1;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = '42703', MESSAGE = format('"%s" is no field or event of audience %s', wish, relation),
                HINT = coalesce('Did you mean "' || segments._nearest(wish, ARRAY(SELECT n.name FROM segments._index_names(relation) n)) || '"?',
                                'segments.fields() lists an audience''s fields, segments.events() its events.');
        END IF;
        IF known.ambiguous THEN
            RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('event "%s" of audience %s is ambiguous', wish, relation), DETAIL = known.obstacle,
                HINT = (SELECT format('Say %s.', string_agg(format('"%s.%s"', v.source, v.kind), ' or ' ORDER BY v.source COLLATE "C"))
                        FROM segments._events(relation) v WHERE v.name = wish AND NOT v.qualified);
        END IF;
        IF known.obstacle IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = format('"%s" of audience %s cannot be indexed', wish, relation), DETAIL = known.obstacle,
                HINT = 'Leave it out: rules that name it are answered without the index.';
        END IF;
        IF known.source_kind <> 'a' AND NOT segments._may_trigger(caller, known.source_relation) THEN
            RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('permission denied to make triggers on table %s', known.source_relation::regclass),
                DETAIL = format('Changes of "%s" are followed by triggers.', wish), HINT = 'Its owner can grant TRIGGER.';
        END IF;
        CONTINUE WHEN known.item IS NULL OR known.item = ANY (items);
        items := items || known.item;
    END LOOP;
    RETURN items;
END $$;
COMMENT ON FUNCTION segments._index_items(oid, regclass, text[]) IS 'internal: what an index is to keep';

-- Refuses an audience that cannot have an index.
CREATE FUNCTION segments._check_indexable(relation regclass) RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    obstacle text := segments._index_obstacle(relation);
    key_name name := (SELECT a.key FROM segments.audience a WHERE a.audience = relation);
    key_number int2 := segments._column(relation, key_name);
    key_type regtype := segments._column_type(relation, key_number);
BEGIN
    IF obstacle IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = format('audience %s cannot have a segment index', relation), DETAIL = format('%s.', obstacle),
            HINT = CASE WHEN (SELECT c.relispartition FROM pg_class c WHERE c.oid = relation) THEN 'The partitioned table above it can have one.'
                        ELSE 'An ordinary table, or a partitioned one of ordinary tables, can have one.' END;
    END IF;
    IF segments.base_type(key_type) NOT IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN
        RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = format('audience %s cannot have a segment index', relation),
            DETAIL = format('Its key "%s" is of type %s.', key_name, key_type), HINT = 'The members'' key must be smallint, integer or bigint.';
    END IF;
    IF EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attnum = key_number AND a.attgenerated = 'v')
       OR NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attnum = key_number AND a.attnotnull)
       OR EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = relation AND c.contype = 'n' AND NOT c.convalidated AND key_number = ANY (c.conkey))
       OR NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = relation AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
                      AND i.indnkeyatts = 1 AND i.indkey[0] = key_number) THEN
        RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = format('audience %s cannot have a segment index', relation),
            DETAIL = format('Nothing keeps its key "%s" unique and not null.', key_name),
            HINT = 'Make the key NOT NULL, with a primary key or a unique constraint that is not deferrable.';
    END IF;
END $$;
COMMENT ON FUNCTION segments._check_indexable(regclass) IS 'internal: an error unless an audience can have an index';

-- What an index is made from must be the latest state of its tables.
CREATE FUNCTION segments._check_isolation(doing text) RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
        RAISE EXCEPTION USING ERRCODE = '25001', MESSAGE = format('cannot %s in a transaction of isolation level %s', doing, upper(current_setting('transaction_isolation'))),
            HINT = 'Use READ COMMITTED.';
    END IF;
END $$;
COMMENT ON FUNCTION segments._check_isolation(text) IS 'internal: an error unless each statement sees the latest state';

-- Making and dropping -----------------------------------------------------------------------------------------------------------------

-- Keeps writers off some tables and their partitions until the transaction ends: everyone does so in the order of OIDs.
CREATE FUNCTION segments._lock_for_index(relations oid[]) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM segments._keep_writers_off(r.oid) FROM (SELECT DISTINCT u.oid FROM unnest(relations) u (oid) ORDER BY 1) r;
    -- Partitions neither come nor go any more.
    PERFORM segments._keep_writers_off(r.oid)
    FROM (SELECT DISTINCT c.oid FROM unnest(relations) u CROSS JOIN LATERAL segments._with_partitions(u) p JOIN pg_class c ON c.oid = p
          WHERE c.oid <> ALL (relations) AND c.relkind IN ('r', 'p') ORDER BY 1) r;
END $$;
COMMENT ON FUNCTION segments._lock_for_index(oid[]) IS 'internal: keeps writers off tables of an index';

-- The triggers that each table of an index has.
CREATE FUNCTION segments._index_triggers() RETURNS TABLE (name name, type int2, old_rows name, new_rows name, definition text)
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 5 SET search_path = pg_catalog, pg_temp AS $$
    VALUES ('segments_index_before'::name, 30::int2, NULL::name, NULL::name, 'BEFORE INSERT OR UPDATE OR DELETE ON %s'),
           ('segments_index_insert', 4, NULL, 'new_rows', 'AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows'),
           ('segments_index_update', 16, 'old_rows', 'new_rows', 'AFTER UPDATE ON %s REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows'),
           ('segments_index_delete', 8, 'old_rows', NULL, 'AFTER DELETE ON %s REFERENCING OLD TABLE AS old_rows'),
           ('segments_index_truncate', 32, NULL, NULL, 'AFTER TRUNCATE ON %s')
$$;
COMMENT ON FUNCTION segments._index_triggers() IS 'internal: the triggers of an index''s tables';

-- Gives tables the triggers that the indexes on record need, and takes away others of ours.
CREATE FUNCTION segments._set_index_triggers(relations oid[]) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    needed oid[] := ARRAY(SELECT DISTINCT p::oid FROM segments.index_source s CROSS JOIN LATERAL segments._with_partitions(s.relation) p);
    relation regclass;
    known record;
    switched text;
BEGIN
    FOR relation IN SELECT c.oid FROM pg_class c WHERE c.oid = ANY (relations) AND c.relkind IN ('r', 'p') ORDER BY c.oid LOOP
        FOR known IN SELECT t.tgname FROM pg_trigger t LEFT JOIN segments._index_triggers() i ON i.name = t.tgname
                     WHERE t.tgrelid = relation AND t.tgfoid = 'segments.index_change()'::regprocedure
                       AND (relation <> ALL (needed) OR i.name IS NULL OR t.tgqual IS NOT NULL OR t.tgattr <> ''::int2vector
                            OR (t.tgtype, t.tgoldtable, t.tgnewtable) IS DISTINCT FROM (i.type, i.old_rows, i.new_rows)) LOOP
            EXECUTE format('DROP TRIGGER %I ON %s', known.tgname, relation);
        END LOOP;
        CONTINUE WHEN relation <> ALL (needed);
        FOR known IN SELECT i.* FROM segments._index_triggers() i
                     WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = relation AND t.tgname = i.name
                                       AND t.tgfoid = 'segments.index_change()'::regprocedure) LOOP
            EXECUTE format('CREATE TRIGGER %I ' || known.definition || ' FOR EACH STATEMENT EXECUTE FUNCTION segments.index_change()', known.name, relation);
            PERFORM segments._goes_with_extension(t.oid) FROM pg_trigger t WHERE t.tgrelid = relation AND t.tgname = known.name;
        END LOOP;
        SELECT string_agg(format('ENABLE ALWAYS TRIGGER %I', t.tgname), ', ') INTO switched FROM pg_trigger t
            WHERE t.tgrelid = relation AND t.tgfoid = 'segments.index_change()'::regprocedure AND t.tgenabled <> 'A';
        IF switched IS NOT NULL THEN
            EXECUTE format('ALTER TABLE ONLY %s %s', relation, switched);
        END IF;
    END LOOP;
END $$;
COMMENT ON FUNCTION segments._set_index_triggers(oid[]) IS 'internal: gives tables the triggers that indexes need';

-- Deletes the data of an index. A slice begins with the number of its index, lowest byte first.
CREATE FUNCTION segments._drop_index_data(id int4) RETURNS void
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM segments.slice_entry e WHERE e.id = $1;
    DELETE FROM segments.index_stale s WHERE s.id = $1;
    DELETE FROM segments.delta d WHERE d.id = $1;
    DELETE FROM segments.dictionary d WHERE d.id = $1;
    DELETE FROM segments.index_field f WHERE f.id = $1;
    DELETE FROM segments.index_source s WHERE s.id = $1;
    DELETE FROM segments.slice s WHERE substring(s.data, 1, 4) =
        (SELECT substring(b, 4, 1) || substring(b, 3, 1) || substring(b, 2, 1) || substring(b, 1, 1) FROM int4send($1) b);
$$;
COMMENT ON FUNCTION segments._drop_index_data(int4) IS 'internal: deletes the data of an index';

-- Takes what an index has away, but not its definition; its tables that are still there, whose writers now wait.
CREATE FUNCTION segments._empty_index(relation regclass) RETURNS oid[]
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    number int4;
    tables oid[];
BEGIN
    SELECT i.id INTO number FROM segments.index_state i WHERE i.audience = relation;
    tables := ARRAY(SELECT DISTINCT c.oid FROM segments.index_source s JOIN pg_class c ON c.oid = s.relation WHERE s.id = number);
    PERFORM segments._lock_for_index(tables);
    tables := ARRAY(SELECT DISTINCT p::oid FROM unnest(tables) t CROSS JOIN LATERAL segments._with_partitions(t) p);
    -- What a compaction writes must be seen to be deleted.
    PERFORM segments._await_compaction(number);
    DELETE FROM segments.index_state i WHERE i.audience = relation;
    IF number IS NOT NULL THEN
        PERFORM segments._drop_index_data(number);
    END IF;
    RETURN tables;
END $$;
COMMENT ON FUNCTION segments._empty_index(regclass) IS 'internal: takes an index''s data away';

-- Forgets an index: definition, data and triggers.
CREATE FUNCTION segments._forget_index(relation regclass) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM segments.index_definition d WHERE d.audience = relation;
    -- After a restore there are triggers, but no record of their tables.
    PERFORM segments._set_index_triggers(segments._empty_index(relation) || ARRAY(
        SELECT p::oid FROM segments.audience a CROSS JOIN LATERAL segments._with_partitions(a.audience) p WHERE a.audience = relation
        UNION SELECT p FROM segments.membership m CROSS JOIN LATERAL segments._with_partitions(m.membership_table) p WHERE m.audience = relation
        UNION SELECT p FROM segments.event_source e CROSS JOIN LATERAL segments._with_partitions(e.event_table) p WHERE e.audience = relation));
END $$;
COMMENT ON FUNCTION segments._forget_index(regclass) IS 'internal: takes an index away';

-- Lays an index out anew, with triggers, and fills it.
CREATE FUNCTION segments._fill_index(caller oid, relation regclass, wanted text[]) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    former oid[] := segments._empty_index(relation);
    locked oid[] := former;
    items text[];
    tables oid[];
    number int4 := nextval('segments.index_id');
BEGIN
    -- What there is to keep is sure once the tables can change no more.
    LOOP
        PERFORM segments._check_indexable(relation);
        items := segments._index_items(caller, relation, wanted);
        tables := ARRAY(SELECT relation::oid UNION SELECT c.source_relation FROM segments._index_candidates(relation) c WHERE c.item = ANY (items));
        EXIT WHEN tables <@ locked;
        PERFORM segments._lock_for_index(tables);
        locked := locked || tables;
    END LOOP;

    INSERT INTO segments.index_source (id, source, kind, relation, member, value, at, event_kind)
        SELECT number, 0, 'a', relation, a.key_attnum, 0, 0, 0 FROM segments.audience a WHERE a.audience = relation;
    WITH kept AS (
        SELECT c.*, CASE WHEN c.source_kind = 'a' THEN 0
                       ELSE dense_rank() OVER (ORDER BY c.source_kind = 'a' DESC, c.source_kind = 'm' DESC, c.source_name COLLATE "C")
                            - CASE WHEN bool_or(c.source_kind = 'a') OVER () THEN 1 ELSE 0 END END AS source
        FROM segments._index_candidates(relation) WITH ORDINALITY c
        WHERE c.item = ANY (items)
    ), sources AS (
        INSERT INTO segments.index_source (id, source, kind, relation, member, value, at, event_kind)
            SELECT DISTINCT number, k.source, k.source_kind, k.source_relation, k.member, k.value, k.at, k.event_kind FROM kept k WHERE k.source > 0
    )
    INSERT INTO segments.index_field (id, field, source, kind, name, attnum, type, typmod, "collation", event)
        SELECT number, row_number() OVER (ORDER BY k.ordinality, p.position), k.source, coalesce(p.kind, k.kind), k.name, k.attnum,
               coalesce(p.type, k.type), k.typmod, k.collation, k.event
        FROM kept k LEFT JOIN (VALUES (1, 'k'::"char", 'int8'::regtype::oid), (2, '<', 'timestamptz'::regtype), (3, '>', 'timestamptz'::regtype))
            p (position, kind, type) ON k.source_kind = 'e';
    PERFORM segments._set_index_triggers(former || ARRAY(SELECT p::oid FROM unnest(tables) t CROSS JOIN LATERAL segments._with_partitions(t) p));
    INSERT INTO segments.index_state (audience, id) VALUES (relation, number);
    PERFORM segments._build_index(relation);
END $$;
COMMENT ON FUNCTION segments._fill_index(oid, regclass, text[]) IS 'internal: makes the data of an index';

CREATE FUNCTION segments._create_index(caller oid, path text, relation regclass, wanted text[]) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM segments._check_owner(caller, relation);
    PERFORM segments._check_isolation('create a segment index');
    IF array_position(wanted, NULL) IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'fields must not contain null';
    END IF;
    IF wanted = '{}' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'fields must name at least one field',
            HINT = 'Leave fields out to have every field that can be indexed.';
    END IF;
    PERFORM segments._enter(relation);
    IF EXISTS (SELECT FROM segments.index_definition d WHERE d.audience = relation) THEN
        RAISE EXCEPTION USING ERRCODE = '42710', MESSAGE = format('audience %s already has a segment index', relation),
            HINT = 'segments.rebuild_index() makes its data anew; for other fields use segments.drop_index() first.';
    END IF;
    INSERT INTO segments.index_definition (audience, fields) VALUES (relation, wanted);
    PERFORM segments._fill_index(caller, relation, wanted);
    PERFORM segments._tell_left_out(caller, relation, wanted);
END $$;
COMMENT ON FUNCTION segments._create_index(oid, text, regclass, text[]) IS 'internal: segments.create_index';

-- Says what was left out of an index of every field because the caller may not have triggers made.
CREATE FUNCTION segments._tell_left_out(caller oid, relation regclass, wanted text[]) RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    lacking record;
BEGIN
    IF wanted IS NOT NULL THEN
        RETURN;
    END IF;
    FOR lacking IN SELECT c.source_relation::regclass AS relation, string_agg(format('"%s"', c.name), ', ' ORDER BY c.name COLLATE "C") AS names
                   FROM segments._index_candidates(relation) c
                   WHERE c.obstacle IS NULL AND c.source_kind <> 'a' AND NOT segments._may_trigger(caller, c.source_relation)
                   GROUP BY c.source_relation ORDER BY c.source_relation LOOP
        RAISE NOTICE USING MESSAGE = format('the segment index leaves out %s', lacking.names),
            DETAIL = format('Changes would be followed by triggers on %s.', lacking.relation), HINT = 'Its owner can grant TRIGGER.';
    END LOOP;
END $$;
COMMENT ON FUNCTION segments._tell_left_out(oid, regclass, text[]) IS 'internal: says what an index leaves out for want of rights';

CREATE FUNCTION segments.create_index(audience regclass, fields text[] DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_administer';
COMMENT ON FUNCTION segments.create_index(regclass, text[]) IS 'makes the segment index of an audience: of these columns, membership fields and events, or of all that can be indexed';

-- An audience that is to have an index.
CREATE FUNCTION segments._check_has_index(relation regclass) RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM segments.index_definition d WHERE d.audience = relation) THEN
        RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('audience %s has no segment index', relation),
            HINT = 'segments.create_index() makes one.';
    END IF;
END $$;
COMMENT ON FUNCTION segments._check_has_index(regclass) IS 'internal: an error unless an audience has an index';

CREATE FUNCTION segments._drop_index(caller oid, path text, relation regclass) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM segments._check_owner(caller, relation);
    PERFORM segments._check_isolation('drop a segment index');
    PERFORM segments._check_has_index(relation);
    PERFORM segments._enter(relation);
    PERFORM segments._check_has_index(relation);
    PERFORM segments._forget_index(relation);
END $$;
COMMENT ON FUNCTION segments._drop_index(oid, text, regclass) IS 'internal: segments.drop_index';

CREATE FUNCTION segments.drop_index(audience regclass) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_administer';
COMMENT ON FUNCTION segments.drop_index(regclass) IS 'drops the segment index of an audience';

-- What a definition names and is no more goes out of it without a word; what can be indexed no more, with one.
CREATE FUNCTION segments._revise_definition(relation regclass) RETURNS text[]
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted text[] := (SELECT d.fields FROM segments.index_definition d WHERE d.audience = relation);
    wish record;
BEGIN
    IF wanted IS NULL THEN
        RETURN NULL;
    END IF;
    FOR wish IN SELECT w.name, n.name IS NOT NULL AS known, n.obstacle
                FROM unnest(wanted) w (name)
                LEFT JOIN LATERAL (SELECT n.name, coalesce(n.obstacle, c.obstacle) FROM segments._index_names(relation) n
                                   LEFT JOIN segments._index_candidates(relation) c ON c.item = n.item
                                   WHERE n.name = w.name ORDER BY n.rank LIMIT 1) n (name, obstacle) ON true
                WHERE n.name IS NULL OR n.obstacle IS NOT NULL LOOP
        wanted := array_remove(wanted, wish.name);
        IF wish.known THEN
            RAISE NOTICE USING MESSAGE = format('"%s" of audience %s cannot be indexed any more', wish.name, relation), DETAIL = wish.obstacle;
        END IF;
    END LOOP;
    UPDATE segments.index_definition d SET fields = wanted WHERE d.audience = relation AND d.fields <> wanted;
    RETURN wanted;
END $$;
COMMENT ON FUNCTION segments._revise_definition(regclass) IS 'internal: the fields of an index that are still there';

CREATE FUNCTION segments._rebuild_index(caller oid, path text, relation regclass) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted text[];
BEGIN
    PERFORM segments._check_owner(caller, relation);
    PERFORM segments._check_isolation('rebuild a segment index');
    PERFORM segments._check_has_index(relation);
    PERFORM segments._enter(relation);
    PERFORM segments._check_has_index(relation);
    wanted := segments._revise_definition(relation);
    PERFORM segments._fill_index(caller, relation, wanted);
    PERFORM segments._tell_left_out(caller, relation, wanted);
END $$;
COMMENT ON FUNCTION segments._rebuild_index(oid, text, regclass) IS 'internal: segments.rebuild_index';

CREATE FUNCTION segments.rebuild_index(audience regclass) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_administer';
COMMENT ON FUNCTION segments.rebuild_index(regclass) IS 'makes the data and the triggers of a segment index anew: after a restore, and where segments.index_status names a problem';

-- Where a setting keeps an index from being used, nothing is wrong with it.
CREATE FUNCTION segments._is_stale(relation regclass) RETURNS boolean
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT segments._index_problem(relation) IS NOT NULL AND coalesce(current_setting('old_snapshot_threshold', true), '-1') = '-1'
$$;
COMMENT ON FUNCTION segments._is_stale(regclass) IS 'internal: whether an index cannot be used until it is made anew';

-- An index that cannot be used any more is made anew.
CREATE FUNCTION segments._compact(caller oid, path text, relation regclass) RETURNS boolean
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM segments._check_owner(caller, relation);
    PERFORM segments._check_has_index(relation);
    IF NOT segments._is_stale(relation) THEN
        RETURN segments._compact_index(relation);
    END IF;
    PERFORM segments._check_isolation('rebuild a segment index');
    PERFORM segments._enter(relation);
    -- Somebody may have done it meanwhile.
    IF NOT segments._is_stale(relation) THEN
        RETURN segments._compact_index(relation);
    END IF;
    PERFORM segments._rebuild_index(caller, path, relation);
    RETURN true;
END $$;
COMMENT ON FUNCTION segments._compact(oid, text, regclass) IS 'internal: segments.compact';

CREATE FUNCTION segments.compact(audience regclass) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_administer';
COMMENT ON FUNCTION segments.compact(regclass) IS 'takes what has changed into the slices of a segment index, or makes it anew where it cannot be used any more; false: another is at it';

-- What the background does: it compacts, and builds anew what is of no use. Since a build keeps writers waiting, one that takes longer than a moment
-- is left to compact() and rebuild_index().
CREATE FUNCTION segments._tend_index(relation regclass) RETURNS boolean
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    most CONSTANT bigint := 256 * 1024 * 1024;
BEGIN
    IF NOT segments._is_stale(relation) THEN
        RETURN segments._compact_index(relation);
    END IF;
    IF (SELECT coalesce(sum(pg_relation_size(p)), 0) > most
        FROM (SELECT DISTINCT w.p FROM segments.index_state i JOIN segments.index_source s ON s.id = i.id
              CROSS JOIN LATERAL segments._with_partitions(s.relation) w (p) WHERE i.audience = _tend_index.relation) t (p)) THEN
        RETURN false;
    END IF;
    PERFORM set_config('lock_timeout', '1s', true);
    RETURN (SELECT segments._compact(c.relowner, '', relation) FROM pg_class c WHERE c.oid = relation);
EXCEPTION WHEN OTHERS THEN
    RAISE LOG USING MESSAGE = format('the segment index of audience %s was not tended: %s', relation, SQLERRM), ERRCODE = SQLSTATE;
    RETURN false;
END $$;
COMMENT ON FUNCTION segments._tend_index(regclass) IS 'internal: compacts an index, or builds it anew, in the background; false where that is not possible now';
