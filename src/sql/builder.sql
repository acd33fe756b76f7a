-- What a rule builder shows: fields, choices, targets ----------------------------------------------------------------------------

-- Refuses what has no rows.
CREATE FUNCTION segments.check_relation(relation regclass) RETURNS void
    LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'segments_check_relation';
COMMENT ON FUNCTION segments.check_relation(regclass) IS 'raises an error unless a relation is a table or view';

-- What a field can be asked, in the order of the columns, then of the names.
CREATE FUNCTION segments.fields(audience regclass)
    RETURNS TABLE (field text, label text, category text, type regtype, operators text[], source text)
    LANGUAGE plpgsql STABLE PARALLEL RESTRICTED COST 1000 ROWS 20 SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM segments.check_relation(fields.audience);
    RETURN QUERY
    SELECT u.field, coalesce(u.label, u.field), u.category, u.type::regtype, u.operators, u.source
    FROM (
        SELECT a.attname::text, f.label, f.category, a.atttypid, segments.type_operators(a.atttypid), 'column', a.attnum::int
        FROM pg_attribute a LEFT JOIN segments.field f ON f.audience = a.attrelid AND f.field = a.attname AND f.view IS NULL
        WHERE a.attrelid = fields.audience AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT f.field, f.label, f.category, a.atttypid, segments.type_operators(a.atttypid),
               CASE WHEN f.leaf IS NULL THEN 'expression' ELSE 'event' END, 10000
        FROM segments.field f JOIN pg_attribute a ON a.attrelid = f.view AND a.attnum = 1 WHERE f.audience = fields.audience
        UNION ALL
        SELECT m.field, m.label, m.category, a.atttypid, segments.membership_operators(), 'membership', 20000
        FROM segments.membership m JOIN pg_attribute a ON a.attrelid = m.membership_table AND a.attname = m.value
        WHERE m.audience = fields.audience
    ) u (field, label, category, type, operators, source, position)
    ORDER BY u.position, u.field COLLATE "C";
END $$;
COMMENT ON FUNCTION segments.fields(regclass) IS 'the fields of an audience: columns, expressions, measures of events, memberships';

-- The values of a membership field and their names, archived ones too; as far as the asking role may read them.
CREATE FUNCTION segments.lists(audience regclass, field text, OUT value json, OUT label text, OUT archived boolean) RETURNS SETOF record
    LANGUAGE plpgsql STABLE PARALLEL RESTRICTED COST 10000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    list segments.membership;
BEGIN
    SELECT m.* INTO list FROM segments.membership m WHERE m.audience = lists.audience AND m.field = lists.field;
    IF list.field IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42703', MESSAGE = format('audience %s has no membership field "%s"', lists.audience, lists.field);
    END IF;
    RETURN QUERY EXECUTE CASE WHEN list.names IS NULL
        THEN format('SELECT to_json(d.v), d.v::text, false FROM (SELECT DISTINCT m.%1$I FROM %2$s m WHERE m.%1$I IS NOT NULL) d (v) ORDER BY d.v::text',
                    list.value, list.membership_table)
        ELSE format('SELECT to_json(t.%1$I), coalesce(t.%2$I::text, t.%1$I::text), %3$s FROM %4$s t WHERE t.%1$I IS NOT NULL ORDER BY 2, t.%1$I::text',
                    list.name_key, list.name_label, CASE WHEN list.name_archived IS NULL THEN 'false' ELSE format('coalesce(t.%I, false)', list.name_archived) END, list.names)
        END;
END $$;
COMMENT ON FUNCTION segments.lists(regclass, text) IS 'the lists (tags, …) of a membership field: value, name, whether archived';

-- The type under a domain, or under several; any other is its own.
CREATE FUNCTION segments.base_type(type regtype) RETURNS regtype
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE domain (type) AS (
        SELECT type::oid
        UNION ALL
        SELECT t.typbasetype FROM domain d JOIN pg_type t ON t.oid = d.type AND t.typtype = 'd'
    )
    SELECT t.oid::regtype FROM domain d JOIN pg_type t ON t.oid = d.type AND t.typtype <> 'd'
$$;
COMMENT ON FUNCTION segments.base_type(regtype) IS 'the type under a domain';

-- The values that a rule builder offers for a field; null where one types them.
CREATE FUNCTION segments.choices(audience regclass, field text, type regtype, source text, value_key text, label_key text) RETURNS json
    LANGUAGE plpgsql STABLE PARALLEL RESTRICTED COST 10000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    base regtype := segments.base_type(type);
BEGIN
    IF source = 'membership' THEN
        IF EXISTS (SELECT FROM segments.membership m WHERE m.audience = choices.audience AND m.field = choices.field AND m.names IS NULL) THEN
            RETURN NULL;
        END IF;
        -- React Query Builder's names are strings.
        RETURN (SELECT coalesce(json_agg(CASE WHEN l.archived
                           THEN json_build_object(value_key, v.value, label_key, l.label || ' (archived)', 'archived', true)
                           ELSE json_build_object(value_key, v.value, label_key, l.label) END), '[]')
                FROM segments.lists(choices.audience, choices.field) l
                CROSS JOIN LATERAL (SELECT CASE value_key WHEN 'name' THEN to_json(l.value #>> '{}') ELSE l.value END) v (value));
    END IF;
    IF base = 'boolean'::regtype THEN
        RETURN json_build_array(json_build_object(value_key, 'true', label_key, 'yes'), json_build_object(value_key, 'false', label_key, 'no'));
    END IF;
    RETURN (SELECT json_agg(json_build_object(value_key, e.enumlabel, label_key, e.enumlabel) ORDER BY e.enumsortorder)
            FROM pg_enum e WHERE e.enumtypid = base);
END $$;
COMMENT ON FUNCTION segments.choices(regclass, text, regtype, text, text, text) IS 'the values that a rule builder offers for a field';

-- What a rule builder calls a type.
CREATE FUNCTION segments.builder_type(type regtype) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN t.oid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN 'integer'
                WHEN t.oid IN ('numeric'::regtype, 'float4'::regtype, 'float8'::regtype) THEN 'double'
                WHEN t.oid = 'date'::regtype THEN 'date'
                WHEN t.oid IN ('time'::regtype, 'timetz'::regtype) THEN 'time'
                WHEN t.oid IN ('timestamp'::regtype, 'timestamptz'::regtype) THEN 'datetime'
                WHEN t.oid = 'boolean'::regtype THEN 'boolean'
                ELSE 'string' END
    FROM segments.base_type(type) t (oid)
$$;
COMMENT ON FUNCTION segments.builder_type(regtype) IS 'what jQuery QueryBuilder calls a type';

-- React Query Builder's name of an operator.
CREATE FUNCTION segments.rqb_operator(operator text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((SELECT o.theirs FROM (VALUES ('equal', '='), ('not_equal', '!='), ('less', '<'), ('less_or_equal', '<='), ('greater', '>'),
        ('greater_or_equal', '>='), ('between', 'between'), ('not_between', 'notBetween'), ('in', 'in'), ('not_in', 'notIn'),
        ('begins_with', 'beginsWith'), ('not_begins_with', 'doesNotBeginWith'), ('contains', 'contains'), ('not_contains', 'doesNotContain'),
        ('ends_with', 'endsWith'), ('not_ends_with', 'doesNotEndWith'), ('is_null', 'null'), ('is_not_null', 'notNull')) o (ours, theirs)
        WHERE o.ours = operator), operator)
$$;
COMMENT ON FUNCTION segments.rqb_operator(text) IS 'React Query Builder''s name of an operator';

-- jQuery QueryBuilder's "filters".
CREATE FUNCTION segments.jqqb_filters(audience regclass) RETURNS json
    LANGUAGE sql STABLE PARALLEL RESTRICTED COST 10000 SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(json_agg(json_strip_nulls(json_build_object(
        'id', f.field,
        'field', f.field,
        'label', f.label,
        'optgroup', f.category,
        'type', b.type,
        'input', CASE WHEN c.choices IS NOT NULL THEN CASE WHEN b.type = 'boolean' THEN 'radio' ELSE 'select' END ELSE 'text' END,
        'values', c.choices,
        'multiple', CASE WHEN f.source = 'membership' AND c.choices IS NOT NULL THEN true END,
        'value_separator', CASE WHEN c.choices IS NULL AND 'in' = ANY (f.operators) THEN ',' END,
        'operators', to_json(f.operators),
        'default_operator', CASE WHEN f.source = 'membership' THEN 'in' END)) ORDER BY f.position), '[]')
    FROM segments.fields(jqqb_filters.audience) WITH ORDINALITY f (field, label, category, type, operators, source, position)
    CROSS JOIN LATERAL (SELECT segments.builder_type(f.type)) b (type)
    CROSS JOIN LATERAL (SELECT segments.choices(jqqb_filters.audience, f.field, f.type, f.source, 'value', 'label')) c (choices)
$$;
COMMENT ON FUNCTION segments.jqqb_filters(regclass) IS 'what jQuery QueryBuilder takes as filters';

-- React Query Builder's "fields": option groups where there are categories.
CREATE FUNCTION segments.rqb_fields(audience regclass) RETURNS json
    LANGUAGE sql STABLE PARALLEL RESTRICTED COST 10000 SET search_path = pg_catalog, pg_temp AS $$
    WITH shown AS (
        SELECT f.category, f.position, json_strip_nulls(json_build_object(
            'name', f.field,
            'value', f.field,
            'label', f.label,
            'inputType', CASE b.type WHEN 'integer' THEN 'number' WHEN 'double' THEN 'number' WHEN 'date' THEN 'date' WHEN 'time' THEN 'time'
                                     WHEN 'datetime' THEN 'datetime-local' ELSE 'text' END,
            'valueEditorType', CASE WHEN c.choices IS NULL THEN 'text' WHEN f.source = 'membership' THEN 'multiselect' ELSE 'select' END,
            'values', c.choices,
            'defaultOperator', CASE WHEN f.source = 'membership' THEN 'in' END,
            'operators', (SELECT json_agg(CASE WHEN o.name IN ('is_empty', 'is_not_empty', 'is_null', 'is_not_null')
                                               THEN json_build_object('name', o.theirs, 'value', o.theirs, 'label', o.label, 'arity', 'unary')
                                               ELSE json_build_object('name', o.theirs, 'value', o.theirs, 'label', o.label) END ORDER BY o.position)
                          FROM (SELECT u.name, segments.rqb_operator(u.name), replace(u.name, '_', ' '), u.position
                                FROM unnest(f.operators) WITH ORDINALITY u (name, position)) o (name, theirs, label, position)))) AS field
        FROM segments.fields(rqb_fields.audience) WITH ORDINALITY f (field, label, category, type, operators, source, position)
        CROSS JOIN LATERAL (SELECT segments.builder_type(f.type)) b (type)
        CROSS JOIN LATERAL (SELECT segments.choices(rqb_fields.audience, f.field, f.type, f.source, 'name', 'label')) c (choices)
    )
    SELECT CASE WHEN EXISTS (SELECT FROM shown s WHERE s.category IS NOT NULL)
        THEN (SELECT json_agg(json_build_object('label', g.category, 'options', g.fields) ORDER BY g.position)
              FROM (SELECT coalesce(s.category, 'Other'), json_agg(s.field ORDER BY s.position), min(s.position)
                    FROM shown s GROUP BY 1) g (category, fields, position))
        ELSE (SELECT coalesce(json_agg(s.field ORDER BY s.position), '[]') FROM shown s) END
$$;
COMMENT ON FUNCTION segments.rqb_fields(regclass) IS 'what React Query Builder takes as fields';

CREATE FUNCTION segments.builder(audience regclass, dialect text DEFAULT 'jqqb') RETURNS json
    LANGUAGE plpgsql STABLE PARALLEL RESTRICTED COST 10000 SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF lower(dialect) = 'jqqb' THEN
        RETURN segments.jqqb_filters(audience);
    ELSIF lower(dialect) = 'rqb' THEN
        RETURN segments.rqb_fields(audience);
    END IF;
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('dialect "%s" is not known', dialect),
        HINT = 'It is jqqb (jQuery QueryBuilder) or rqb (React Query Builder).';
END $$;
COMMENT ON FUNCTION segments.builder(regclass, text) IS 'what jQuery QueryBuilder (filters) or React Query Builder (fields) is configured with';

-- All lists and segments together: what a campaign editor's list field shows.
CREATE FUNCTION segments.targets(audience regclass) RETURNS TABLE (kind text, name text, archived boolean, leaf json)
    LANGUAGE sql STABLE PARALLEL RESTRICTED COST 10000 SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.kind, t.name, t.archived, t.leaf
    FROM (
        SELECT 1, m.field, 'list', l.label, l.archived, json_build_object('field', m.field, 'operator', 'in', 'value', json_build_array(l.value))
        FROM segments.membership m CROSS JOIN LATERAL segments.lists(m.audience, m.field) l WHERE m.audience = targets.audience
        UNION ALL
        SELECT 2, NULL, 'segment', s.name, false, json_build_object('segment', s.name) FROM segments.segment s WHERE s.audience = targets.audience
    ) t (position, field, kind, name, archived, leaf)
    ORDER BY t.position, t.field, t.name
$$;
COMMENT ON FUNCTION segments.targets(regclass) IS 'all lists and segments of an audience; leaf goes straight into a rule';
