-- Describing the data: audiences, fields, memberships ---------------------------------------------------------------------------
--
-- What changes the catalog runs as the extension's owner: the public function is segments_administer, which calls the function
-- of the same name with a leading underscore; see src/pg/administer.cpp. Those take the role that called and its search_path.

CREATE FUNCTION segments._as(role oid, command text, path text DEFAULT 'pg_catalog, pg_temp') RETURNS text
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_as';
CREATE FUNCTION segments._create_view(role oid, schema text, view text, command text) RETURNS regclass
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_create_view';
CREATE FUNCTION segments._replace_view(role oid, view regclass, command text) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_replace_view';
CREATE FUNCTION segments._view_expression(view regclass) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_view_expression';
CREATE FUNCTION segments._hold(relation regclass) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_check_relation';
CREATE FUNCTION segments._comparable(one oid, other oid) RETURNS boolean
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_comparable';
CREATE FUNCTION segments._goes_with(view regclass, relation regclass) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_goes_with';
CREATE FUNCTION segments._depends_on(view regclass, views regclass[]) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_depends_on';
COMMENT ON FUNCTION segments._as(oid, text, text) IS 'internal: runs a command as a role under a search_path; the first column of its first row';
COMMENT ON FUNCTION segments._create_view(oid, text, text, text) IS 'internal: a view whose query is parsed with a role''s rights';
COMMENT ON FUNCTION segments._replace_view(oid, regclass, text) IS 'internal: replaces the query of a view, parsed with a role''s rights';
COMMENT ON FUNCTION segments._view_expression(regclass) IS 'internal: the first column of a view over one relation n, deparsed';
COMMENT ON FUNCTION segments._hold(regclass) IS 'internal: keeps a table or view in place until the transaction ends';
COMMENT ON FUNCTION segments._comparable(oid, oid) IS 'internal: whether values of two types can be equal';
COMMENT ON FUNCTION segments._goes_with(regclass, regclass) IS 'internal: dropping the relation or the extension drops the view without CASCADE';
COMMENT ON FUNCTION segments._depends_on(regclass, regclass[]) IS 'internal: a segment''s view depends on those of the segments that it names';

CREATE FUNCTION segments.canonical_expression(audience regclass, expression text) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 1000 AS 'MODULE_PATHNAME', 'segments_canonical_expression';
COMMENT ON FUNCTION segments.canonical_expression(regclass, text) IS 'a field''s expression as it is stored: over the audience''s row n, fully qualified';

-- Names of a relation's columns by attribute number; '' for dropped ones.
CREATE FUNCTION segments._column_names(relation regclass) RETURNS name[]
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(CASE WHEN a.attisdropped THEN '' ELSE a.attname END ORDER BY a.attnum), '{}')
    FROM pg_attribute a WHERE a.attrelid = relation AND a.attnum > 0
$$;
COMMENT ON FUNCTION segments._column_names(regclass) IS 'internal: a relation''s columns by attribute number';

-- The number of a column, or null.
CREATE FUNCTION segments._find_column(relation regclass, column_name name) RETURNS int2
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.attnum FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = column_name AND a.attnum > 0 AND NOT a.attisdropped
$$;
COMMENT ON FUNCTION segments._find_column(regclass, name) IS 'internal: number of a column, or null';

-- The number of a column that must be there.
CREATE FUNCTION segments._column(relation regclass, column_name name) RETURNS int2
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found int2 := segments._find_column(relation, column_name);
BEGIN
    IF column_name IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = format('a column of %s must be named', relation);
    END IF;
    IF found IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42703', MESSAGE = format('column "%s" of relation %s does not exist', column_name, relation);
    END IF;
    RETURN found;
END $$;
COMMENT ON FUNCTION segments._column(regclass, name) IS 'internal: number of a column, or an error';

-- The type of a column.
CREATE FUNCTION segments._column_type(relation regclass, number int2) RETURNS regtype
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.atttypid::regtype FROM pg_attribute a WHERE a.attrelid = relation AND a.attnum = number
$$;
COMMENT ON FUNCTION segments._column_type(regclass, int2) IS 'internal: type of a column';

-- The column of a primary key of one column, or null.
CREATE FUNCTION segments._primary_key(relation regclass) RETURNS name
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = relation AND i.indisprimary AND i.indnkeyatts = 1
$$;
COMMENT ON FUNCTION segments._primary_key(regclass) IS 'internal: column of the primary key, where it is one';

-- Two columns whose values are compared must be comparable.
CREATE FUNCTION segments._check_comparable(one regclass, column_one name, other regclass, column_other name) RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    type_one regtype := segments._column_type(one, segments._column(one, column_one));
    type_other regtype := segments._column_type(other, segments._column(other, column_other));
BEGIN
    IF NOT segments._comparable(type_one, type_other) THEN
        RAISE EXCEPTION USING ERRCODE = '42804',
            MESSAGE = format('column "%s" of %s cannot be compared with column "%s" of %s', column_one, one, column_other, other),
            DETAIL = format('They are of type %s and %s.', type_one, type_other);
    END IF;
END $$;
COMMENT ON FUNCTION segments._check_comparable(regclass, name, regclass, name) IS 'internal: an error unless two columns are comparable';

-- Only its owner may describe an audience.
CREATE FUNCTION segments._check_owner(caller oid, relation regclass) RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    theirs pg_class;
BEGIN
    IF relation IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'audience must not be null';
    END IF;
    SELECT * INTO theirs FROM pg_class c WHERE c.oid = relation;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '42P01', MESSAGE = format('relation %s does not exist', relation);
    END IF;
    IF NOT pg_has_role(caller, theirs.relowner, 'USAGE') THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('must be owner of %s %s',
            CASE theirs.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' ELSE 'table' END, relation);
    END IF;
END $$;
COMMENT ON FUNCTION segments._check_owner(oid, regclass) IS 'internal: an error unless a role owns a relation';

-- Takes rows out of the catalog that describe relations which are gone without a trace, as temporary ones are.
CREATE FUNCTION segments._sweep() RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM (SELECT a.audience FROM segments.audience a UNION ALL SELECT s.view FROM segments.segment s
                                UNION ALL SELECT m.membership_table FROM segments.membership m
                                UNION ALL SELECT e.event_table FROM segments.event_source e) u (relation)
                   WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = u.relation)) THEN
        RETURN;
    END IF;
    DELETE FROM segments.segment s WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = s.view);
    DELETE FROM segments.suppression s WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = s.audience);
    DELETE FROM segments.membership m WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = m.audience)
                                         OR NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = m.membership_table);
    DELETE FROM segments.event_source e WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = e.audience)
                                           OR NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = e.event_table);
    DELETE FROM segments.field f WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = f.audience);
    PERFORM segments._forget_index(d.audience) FROM segments.index_definition d WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = d.audience);
    DELETE FROM segments.audience a WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = a.audience);
END $$;
COMMENT ON FUNCTION segments._sweep() IS 'internal: forgets relations that are gone';

-- Registers an audience where that is still to be done, and makes writers of its catalog rows take turns: whoever comes second in
-- READ COMMITTED sees what the first did, in REPEATABLE READ gets a serialization failure.
CREATE FUNCTION segments._enter(relation regclass, key_name name DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF relation IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'audience must not be null';
    END IF;
    PERFORM segments._hold(relation);
    PERFORM segments._sweep();
    IF NOT EXISTS (SELECT FROM segments.audience a WHERE a.audience = relation) THEN
        key_name := coalesce(key_name, segments._primary_key(relation));
        IF key_name IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('%s has no primary key of one column', relation),
                HINT = 'Name the column that identifies a member: segments.add_audience(audience, key).';
        END IF;
        INSERT INTO segments.audience AS a (audience, key, key_attnum, column_names)
            VALUES (relation, key_name, segments._column(relation, key_name), segments._column_names(relation))
            ON CONFLICT DO NOTHING;
        IF FOUND THEN
            PERFORM segments.make_audience_functions(relation);
        END IF;
    END IF;
    UPDATE segments.audience a SET key = a.key WHERE a.audience = relation;
    PERFORM segments._reconcile(relation);
END $$;
COMMENT ON FUNCTION segments._enter(regclass, name) IS 'internal: registers an audience and takes the turn to write its catalog rows';

-- A name for a view of ours: readable where it can be.
CREATE FUNCTION segments._view_name(relation regclass, what text) RETURNS name
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    base text := (SELECT c.relname FROM pg_class c WHERE c.oid = relation) || '.' || what;
    candidate text := base;
    attempt int := 1;
BEGIN
    WHILE octet_length(candidate) > 63 OR to_regclass(format('segments.%I', candidate)) IS NOT NULL LOOP
        candidate := CASE WHEN octet_length(base) > 50 THEN md5(base) ELSE base END || CASE WHEN attempt > 1 THEN ' ' || attempt ELSE '' END;
        attempt := attempt + 1;
    END LOOP;
    RETURN candidate;
END $$;
COMMENT ON FUNCTION segments._view_name(regclass, text) IS 'internal: a free name for a view of the extension''s own';

-- Creates a view by which PostgreSQL knows what an expression or a suppression rule uses: it cannot go, and follows renames.
CREATE FUNCTION segments._track(caller oid, relation regclass, what text, command text) RETURNS regclass
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    temporary boolean := (SELECT c.relpersistence = 't' FROM pg_class c WHERE c.oid = relation);
    view regclass := segments._create_view(caller, CASE WHEN temporary THEN 'pg_temp' ELSE 'segments' END, segments._view_name(relation, what), command);
BEGIN
    PERFORM segments._goes_with(view, relation);
    RETURN view;
END $$;
COMMENT ON FUNCTION segments._track(oid, regclass, text, text) IS 'internal: a view by which PostgreSQL knows what is used';

-- What uses fields, segments, or the audience as a whole (both null): names for an error message.
CREATE FUNCTION segments._users(relation regclass, field_names text[], segment_names text[]) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(u.what, ', ' ORDER BY u.what) FROM (
        SELECT format('segment "%s"', s.name) FROM segments.segment s
        WHERE s.audience = relation AND (s.fields && field_names OR s.segments && segment_names OR field_names IS NULL AND segment_names IS NULL)
          AND s.name <> ALL (coalesce(segment_names, '{}'))
        UNION ALL
        SELECT format('suppression "%s"', s.reason) FROM segments.suppression s
        WHERE s.audience = relation AND (segments.rule_fields(s.rule) && field_names OR segments.rule_segments(s.rule) && segment_names
                                         OR field_names IS NULL AND segment_names IS NULL)
    ) u (what)
$$;
COMMENT ON FUNCTION segments._users(regclass, text[], text[]) IS 'internal: the stored rules that use something';

-- Refuses to take away what stored rules use.
CREATE FUNCTION segments._check_unused(relation regclass, what text, field_names text[], segment_names text[], hint text) RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    users text := segments._users(relation, field_names, segment_names);
BEGIN
    IF users IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '2BP01', MESSAGE = format('cannot drop %s because stored rules use it', what),
            DETAIL = format('Used by %s.', users), HINT = hint;
    END IF;
END $$;
COMMENT ON FUNCTION segments._check_unused(regclass, text, text[], text[], text) IS 'internal: an error where stored rules use something';

-- A field's name must be sayable and must not hide a column.
CREATE FUNCTION segments._check_field_name(relation regclass, field_name text) RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF field_name IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'field must not be null';
    END IF;
    IF field_name = '' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'a field''s name must not be empty';
    END IF;
    IF EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = field_name AND a.attnum > 0 AND NOT a.attisdropped) THEN
        RAISE EXCEPTION USING ERRCODE = '42701', MESSAGE = format('"%s" is a column of %s', field_name, relation),
            HINT = 'A column is a field by itself; choose another name.';
    END IF;
END $$;
COMMENT ON FUNCTION segments._check_field_name(regclass, text) IS 'internal: an error unless a field may bear this name';

-- Audiences.

CREATE FUNCTION segments._add_audience(caller oid, path text, relation regclass, key_name name) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known segments.audience;
    list segments.membership;
    source segments.event_source;
BEGIN
    PERFORM segments._check_owner(caller, relation);
    PERFORM segments._enter(relation, key_name);
    SELECT * INTO known FROM segments.audience a WHERE a.audience = relation;
    key_name := coalesce(key_name, segments._primary_key(relation), known.key);
    IF key_name = known.key THEN
        RETURN;
    END IF;
    UPDATE segments.audience a SET key = key_name, key_attnum = segments._column(relation, key_name) WHERE a.audience = relation;
    PERFORM segments._mark_stale(relation, 'members have another key');
    FOR list IN SELECT * FROM segments.membership m WHERE m.audience = relation LOOP
        PERFORM segments._check_comparable(list.membership_table, list.member, relation, key_name);
    END LOOP;
    FOR source IN SELECT * FROM segments.event_source e WHERE e.audience = relation LOOP
        PERFORM segments._check_comparable(source.event_table, source.member, relation, key_name);
    END LOOP;
    PERFORM segments._rebind_event_fields(caller, relation);
    PERFORM segments.make_audience_functions(relation);
    PERFORM segments._rewrite(caller, relation, NULL::text[], NULL::text[]);
END $$;
COMMENT ON FUNCTION segments._add_audience(oid, text, regclass, name) IS 'internal: segments.add_audience';

CREATE FUNCTION segments.add_audience(audience regclass, key name DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_administer';
COMMENT ON FUNCTION segments.add_audience(regclass, name) IS 'registers a relation whose rows are members, identified by its primary key or another column';

-- Drops what make_audience_functions made.
CREATE FUNCTION segments._drop_functions(relation regclass) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    theirs regprocedure;
BEGIN
    FOR theirs IN SELECT p.oid FROM pg_proc p JOIN pg_class c ON c.oid = relation
                  WHERE p.pronamespace = 'segments'::regnamespace AND (p.prorettype = c.reltype OR c.reltype = ANY (p.proargtypes)) LOOP
        EXECUTE format('DROP FUNCTION %s', theirs);
    END LOOP;
END $$;
COMMENT ON FUNCTION segments._drop_functions(regclass) IS 'internal: drops the functions of an audience';

-- Takes an audience and all that describes it out of the catalog.
CREATE FUNCTION segments._forget(relation regclass) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    gone regclass;
BEGIN
    PERFORM segments._forget_index(relation);
    FOR gone IN DELETE FROM segments.field f WHERE f.audience = relation RETURNING f.view LOOP
        IF EXISTS (SELECT FROM pg_class c WHERE c.oid = gone) THEN
            EXECUTE format('DROP VIEW %s', gone);
        END IF;
    END LOOP;
    DELETE FROM segments.membership m WHERE m.audience = relation;
    DELETE FROM segments.event_source e WHERE e.audience = relation;
    DELETE FROM segments.audience a WHERE a.audience = relation;
END $$;
COMMENT ON FUNCTION segments._forget(regclass) IS 'internal: takes an audience out of the catalog';

CREATE FUNCTION segments._drop_audience(caller oid, path text, relation regclass) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM segments._check_owner(caller, relation);
    PERFORM segments._check_registered(relation);
    PERFORM segments._enter(relation);
    PERFORM segments._check_unused(relation, format('audience %s', relation), NULL, NULL, 'Drop its segments and lift its suppressions first.');
    PERFORM segments._drop_functions(relation);
    PERFORM segments._forget(relation);
END $$;
COMMENT ON FUNCTION segments._drop_audience(oid, text, regclass) IS 'internal: segments.drop_audience';

CREATE FUNCTION segments.drop_audience(audience regclass) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_administer';
COMMENT ON FUNCTION segments.drop_audience(regclass) IS 'forgets an audience, its fields and memberships; refused while stored rules use it';

-- Fields.

-- Labels a column.
CREATE FUNCTION segments._label_column(relation regclass, field_name text, field_label text, field_category text) RETURNS void
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO segments.field (audience, field, attnum, label, category)
        VALUES (relation, field_name, segments._column(relation, field_name::name), field_label, field_category)
        ON CONFLICT (audience, field) DO UPDATE SET attnum = excluded.attnum, label = excluded.label, category = excluded.category
$$;
COMMENT ON FUNCTION segments._label_column(regclass, text, text, text) IS 'internal: labels a column';

-- Stores a field that is SQL over the audience's row n (for an event field, of its leaf), held by a view; what uses it is written anew.
CREATE FUNCTION segments._store_field(caller oid, relation regclass, field_name text, source text, event_leaf text, field_label text,
                                      field_category text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known segments.field;
    new_view regclass := segments._track(caller, relation, field_name, format('SELECT %s AS value FROM %s n', source, relation));
BEGIN
    SELECT * INTO known FROM segments.field f WHERE f.audience = relation AND f.field = field_name;
    INSERT INTO segments.field (audience, field, expression, attnums, label, category, view, leaf)
        VALUES (relation, field_name, CASE WHEN event_leaf IS NULL THEN segments._view_expression(new_view) END,
                segments._view_columns(new_view, relation), field_label, field_category, new_view, event_leaf)
        ON CONFLICT (audience, field) DO UPDATE SET expression = excluded.expression, attnums = excluded.attnums, label = excluded.label,
                                                    category = excluded.category, view = excluded.view, leaf = excluded.leaf;
    IF known.view IS NOT NULL THEN
        PERFORM segments._rewrite(caller, relation, ARRAY[field_name], '{}');
        EXECUTE format('DROP VIEW %s', known.view);
    END IF;
END $$;
COMMENT ON FUNCTION segments._store_field(oid, regclass, text, text, text, text, text) IS 'internal: a field that is held by a view';

CREATE FUNCTION segments._add_field(caller oid, path text, relation regclass, field_name text, source text, field_label text,
                                    field_category text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known segments.field;
BEGIN
    PERFORM segments._check_owner(caller, relation);
    PERFORM segments._enter(relation);
    IF source IS NULL AND segments._find_column(relation, field_name::name) IS NOT NULL AND octet_length(field_name) <= 63 THEN
        PERFORM segments._label_column(relation, field_name, field_label, field_category);
        RETURN;
    END IF;
    PERFORM segments._check_field_name(relation, field_name);
    SELECT * INTO known FROM segments.field f WHERE f.audience = relation AND f.field = field_name;
    IF source IS NULL AND known.view IS NOT NULL THEN
        UPDATE segments.field f SET label = field_label, category = field_category WHERE f.audience = relation AND f.field = field_name;
        RETURN;
    END IF;
    IF source IS NULL THEN
        UPDATE segments.membership m SET label = field_label, category = field_category WHERE m.audience = relation AND m.field = field_name;
        IF FOUND THEN
            RETURN;
        END IF;
        RAISE EXCEPTION USING ERRCODE = '42703', MESSAGE = format('"%s" is no column of %s', field_name, relation),
            HINT = 'Give the expression that the field stands for.';
    END IF;
    IF EXISTS (SELECT FROM segments.membership m WHERE m.audience = relation AND m.field = field_name) THEN
        RAISE EXCEPTION USING ERRCODE = '42710', MESSAGE = format('"%s" is a membership field of %s', field_name, relation);
    END IF;

    source := segments._as(caller, format('SELECT segments.canonical_expression(%s::pg_catalog.oid, %L)', relation::oid, source), path);
    PERFORM segments._store_field(caller, relation, field_name, source, NULL, field_label, field_category);
END $$;
COMMENT ON FUNCTION segments._add_field(oid, text, regclass, text, text, text, text) IS 'internal: segments.add_field';

-- Columns of a relation that a view uses.
CREATE FUNCTION segments._view_columns(view regclass, relation regclass) RETURNS int2[]
    LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(DISTINCT d.refobjsubid::int2 ORDER BY d.refobjsubid::int2), '{}')
    FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    WHERE r.ev_class = view AND d.refclassid = 'pg_class'::regclass AND d.refobjid = relation AND d.refobjsubid > 0
$$;
COMMENT ON FUNCTION segments._view_columns(regclass, regclass) IS 'internal: columns of a relation that a view uses';

CREATE FUNCTION segments.add_field(audience regclass, field text, expression text DEFAULT NULL, label text DEFAULT NULL,
                                   category text DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_administer';
COMMENT ON FUNCTION segments.add_field(regclass, text, text, text, text) IS 'adds a field that is an SQL expression over the audience''s row n, or labels a column; again: redefines it';

CREATE FUNCTION segments._drop_field(caller oid, path text, relation regclass, field_name text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known segments.field;
BEGIN
    PERFORM segments._check_owner(caller, relation);
    PERFORM segments._check_registered(relation);
    PERFORM segments._enter(relation);
    SELECT * INTO known FROM segments.field f WHERE f.audience = relation AND f.field = field_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '42703', MESSAGE = format('field "%s" of audience %s is not registered', field_name, relation);
    END IF;
    IF known.view IS NOT NULL THEN
        PERFORM segments._check_unused(relation, format('field "%s"', field_name), ARRAY[field_name], NULL, 'Alter or drop those first.');
    END IF;
    DELETE FROM segments.field f WHERE f.audience = relation AND f.field = field_name;
    IF known.view IS NOT NULL THEN
        EXECUTE format('DROP VIEW %s', known.view);
    END IF;
    PERFORM segments._narrow_index(relation);
END $$;
COMMENT ON FUNCTION segments._drop_field(oid, text, regclass, text) IS 'internal: segments.drop_field';

-- An unregistered audience has nothing to drop.
CREATE FUNCTION segments._check_registered(relation regclass) RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM segments.audience a WHERE a.audience = relation) THEN
        RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('%s is not a registered audience', relation);
    END IF;
END $$;
COMMENT ON FUNCTION segments._check_registered(regclass) IS 'internal: an error unless an audience is registered';

CREATE FUNCTION segments.drop_field(audience regclass, field text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_administer';
COMMENT ON FUNCTION segments.drop_field(regclass, text) IS 'drops a registered field or a column''s label; refused while a stored rule uses the field';

-- Memberships.

CREATE FUNCTION segments._add_membership(caller oid, path text, relation regclass, field_name text, list_table regclass, member_name name,
                                         value_name name, name_table regclass, key_name name, label_name name, archived_name name) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known segments.membership;
BEGIN
    PERFORM segments._check_owner(caller, relation);
    PERFORM segments._enter(relation);
    PERFORM segments._check_field_name(relation, field_name);
    IF EXISTS (SELECT FROM segments.field f WHERE f.audience = relation AND f.field = field_name) THEN
        RAISE EXCEPTION USING ERRCODE = '42710', MESSAGE = format('field "%s" of audience %s is no membership', field_name, relation);
    END IF;
    IF list_table IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'membership_table must not be null';
    END IF;
    PERFORM segments._hold(list_table);
    PERFORM segments._check_comparable(list_table, member_name, relation, (SELECT a.key FROM segments.audience a WHERE a.audience = relation));
    PERFORM segments._check_comparable(list_table, value_name, list_table, value_name);
    IF name_table IS NULL THEN
        IF coalesce(key_name, label_name, archived_name) IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'name_key, name_label and name_archived are columns of names: give names';
        END IF;
    ELSE
        PERFORM segments._hold(name_table);
        key_name := coalesce(key_name, segments._primary_key(name_table));
        IF key_name IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('name_key is missing: %s has no primary key of one column', name_table);
        END IF;
        label_name := coalesce(label_name, key_name);
        PERFORM segments._check_comparable(name_table, key_name, list_table, value_name);
        IF archived_name IS NOT NULL AND segments._column_type(name_table, segments._column(name_table, archived_name)) <> 'boolean'::regtype THEN
            RAISE EXCEPTION USING ERRCODE = '42804', MESSAGE = format('column "%s" of %s is not a boolean', archived_name, name_table);
        END IF;
    END IF;

    DELETE FROM segments.membership m WHERE m.audience = relation AND m.field = field_name RETURNING * INTO known;
    INSERT INTO segments.membership (audience, field, membership_table, member, member_attnum, value, value_attnum, names, name_key,
                                     name_label, name_archived, name_attnums, label, category)
        VALUES (relation, field_name, list_table, member_name, segments._column(list_table, member_name), value_name,
                segments._column(list_table, value_name), name_table, key_name, label_name, archived_name,
                CASE WHEN name_table IS NOT NULL THEN
                    ARRAY[segments._column(name_table, key_name), segments._column(name_table, label_name), segments._find_column(name_table, archived_name)] END,
                known.label, known.category);
    IF known.field IS NOT NULL THEN
        PERFORM segments._rewrite(caller, relation, ARRAY[field_name], '{}');
        IF (known.membership_table, known.member, known.value) <> (list_table, member_name, value_name) THEN
            PERFORM segments._mark_stale(relation, format('membership field "%s" was redefined', field_name), 'm', field_name);
        END IF;
    END IF;
END $$;
COMMENT ON FUNCTION segments._add_membership(oid, text, regclass, text, regclass, name, name, regclass, name, name, name) IS 'internal: segments.add_membership';

CREATE FUNCTION segments.add_membership(audience regclass, field text, membership_table regclass, member name, value name,
                                        names regclass DEFAULT NULL, name_key name DEFAULT NULL, name_label name DEFAULT NULL,
                                        name_archived name DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_administer';
COMMENT ON FUNCTION segments.add_membership(regclass, text, regclass, name, name, regclass, name, name, name) IS 'adds a field of lists or tags: a table of (member, value), and where the values'' names are; again: redefines it';

CREATE FUNCTION segments._drop_membership(caller oid, path text, relation regclass, field_name text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM segments._check_owner(caller, relation);
    PERFORM segments._check_registered(relation);
    PERFORM segments._enter(relation);
    IF NOT EXISTS (SELECT FROM segments.membership m WHERE m.audience = relation AND m.field = field_name) THEN
        RAISE EXCEPTION USING ERRCODE = '42703', MESSAGE = format('audience %s has no membership field "%s"', relation, field_name);
    END IF;
    PERFORM segments._check_unused(relation, format('membership field "%s"', field_name), ARRAY[field_name], NULL, 'Alter or drop those first.');
    DELETE FROM segments.membership m WHERE m.audience = relation AND m.field = field_name;
    PERFORM segments._mark_stale(relation, format('membership field "%s" was dropped', field_name), 'm', field_name);
    PERFORM segments._narrow_index(relation);
END $$;
COMMENT ON FUNCTION segments._drop_membership(oid, text, regclass, text) IS 'internal: segments.drop_membership';

CREATE FUNCTION segments.drop_membership(audience regclass, field text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_administer';
COMMENT ON FUNCTION segments.drop_membership(regclass, text) IS 'drops a membership field, not its table; refused while a stored rule uses it';
