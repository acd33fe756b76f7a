-- Proof: a segment index beside the SQL that rules mean --------------------------------------------------------------------------

CREATE FUNCTION segments.count_by_index(audience regclass, rule segments.rule) RETURNS bigint
    LANGUAGE sql STABLE PARALLEL RESTRICTED COST 100000 SET search_path = pg_catalog, pg_temp SET segments.use_index = 'force' AS $$
    SELECT segments.count(audience, rule, false)
$$;
CREATE FUNCTION segments.count_by_sql(audience regclass, rule segments.rule) RETURNS bigint
    LANGUAGE sql STABLE PARALLEL RESTRICTED COST 100000 SET search_path = pg_catalog, pg_temp SET segments.use_index = 'off' AS $$
    SELECT segments.count(audience, rule, false)
$$;
COMMENT ON FUNCTION segments.count_by_index(regclass, segments.rule) IS 'how many members are in a rule''s segment, by the segment index wherever that is possible';
COMMENT ON FUNCTION segments.count_by_sql(regclass, segments.rule) IS 'how many members are in a rule''s segment, without the segment index';

-- What the fields of an index can be asked: the leaf's beginning, operators, and some of the values that there are, as the asking role sees them.
CREATE FUNCTION segments.index_questions(audience regclass) RETURNS TABLE (kind "char", leaf jsonb, operators text[], choices jsonb)
    LANGUAGE plpgsql STABLE PARALLEL RESTRICTED COST 10000 ROWS 50 SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    source record;
    columns text;
    sampled jsonb[];
BEGIN
    FOR source IN
        SELECT u.relation, array_agg(u.name) AS names, array_agg(u.kind) AS kinds, array_agg(u.column_name) AS columns, array_agg(u.type) AS types
        FROM (SELECT f.kind, coalesce(a.attname, f.name) AS name, f.field,
                     coalesce(m.membership_table, e.event_table, index_questions.audience) AS relation,
                     coalesce(m.value, e.at, a.attname) AS column_name, CASE WHEN f.kind = 'k' THEN 'int8'::regtype::oid ELSE coalesce(a.atttypid, f.type) END AS type
              FROM unnest(segments.index_fields(index_questions.audience)) f
              LEFT JOIN segments.membership m ON f.kind = 'm' AND m.audience = index_questions.audience AND m.field = f.name
              LEFT JOIN segments.event_source e ON f.kind IN ('k', '<', '>') AND e.audience = index_questions.audience
                  AND f.name = e.source || '.' || coalesce(f.event, e.source)
              LEFT JOIN pg_attribute a ON f.kind NOT IN ('m', 'k', '<', '>') AND a.attrelid = index_questions.audience AND a.attnum = f.attnum AND NOT a.attisdropped
             ) u
        WHERE u.column_name IS NOT NULL AND has_table_privilege(u.relation, 'SELECT')
        GROUP BY u.relation
    LOOP
        SELECT string_agg(format('(SELECT jsonb_agg(DISTINCT c.v) FROM unnest(array_agg(to_jsonb(n.%I))) c (v) WHERE jsonb_typeof(c.v) <> ''null'')', c.name), ', '
                          ORDER BY c.position)
            INTO columns FROM unnest(source.columns) WITH ORDINALITY c (name, position);
        -- Of a large table some pages are enough.
        EXECUTE format('SELECT ARRAY[%s] FROM (SELECT * FROM (SELECT * FROM %s n%s) n ORDER BY random() LIMIT 100) n', columns, source.relation,
                       (SELECT ' TABLESAMPLE SYSTEM (' || round((100.0 * 20000 / sum(p.reltuples))::numeric, 6) || ')' FROM pg_class p
                        WHERE p.oid IN (SELECT source.relation UNION SELECT t.relid FROM pg_partition_tree(source.relation) t) AND p.relkind = 'r'
                        HAVING sum(p.reltuples) > 100000)) INTO sampled;
        RETURN QUERY
            SELECT q.kind, CASE q.kind WHEN 'k' THEN jsonb_build_object('event', q.name) WHEN '<' THEN jsonb_build_object('event', q.name, 'measure', 'first')
                                       WHEN '>' THEN jsonb_build_object('event', q.name, 'measure', 'last') ELSE jsonb_build_object('field', q.name) END,
                   CASE WHEN q.kind = 'm' THEN segments.membership_operators()
                        ELSE ARRAY(SELECT o FROM unnest(segments.type_operators(q.type)) o WHERE q.kind NOT IN ('k', '<', '>') OR o NOT LIKE '%bucket'
                                   AND (q.kind <> 'k' OR o NOT LIKE '%null')) END,
                   CASE WHEN q.kind = 'k' THEN '[0, 1, 2, 3, 5, 10]' ELSE
                       (SELECT jsonb_agg(w.v) FROM (SELECT v FROM jsonb_array_elements(q.found) v WHERE q.kind <> 'a'
                                                    UNION ALL
                                                    SELECT v FROM jsonb_array_elements(q.found) a CROSS JOIN LATERAL jsonb_array_elements(a) v WHERE q.kind = 'a') w (v)
                        WHERE jsonb_typeof(w.v) <> 'null' AND CASE WHEN q.kind IN ('i', 'n', 'f') THEN jsonb_typeof(w.v) = 'number'
                                                                   WHEN q.kind IN ('d', 't', 'z', '<', '>') THEN w.v #>> '{}' ~ '^\d{4}-[-0-9T:.+Z]*$' ELSE true END) END
            FROM unnest(source.kinds, source.names, source.types, sampled) q (kind, name, type, found);
    END LOOP;
END $$;
COMMENT ON FUNCTION segments.index_questions(regclass) IS 'what the fields of a segment index can be asked: operators, and some of the values that there are';

CREATE FUNCTION segments.verify(audience regclass, rules int DEFAULT 100, OUT rule segments.rule, OUT by_index bigint, OUT by_sql bigint) RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE COST 100000 ROWS 10 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    status record;
    kinds "char"[];
    leaves jsonb[];
    operators jsonb[];
    choices jsonb[];
    node jsonb;
    nodes jsonb[];
    pick int;
    op text;
    picked jsonb[];
    word text;
    drawn int := 0;
    wanted int;
    first int;
    last int;
BEGIN
    IF audience IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'audience must not be null';
    END IF;
    SELECT s.usable, s.problem INTO status FROM segments.index_status s WHERE s.audience = verify.audience;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('audience %s has no segment index', audience), HINT = 'segments.create_index() makes one.';
    END IF;
    IF NOT status.usable THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('the segment index of audience %s cannot be used now', audience), DETAIL = format('%s.', status.problem),
            HINT = 'segments.rebuild_index() makes it anew.';
    END IF;
    SELECT array_agg(q.kind), array_agg(q.leaf), array_agg(to_jsonb(q.operators)), array_agg(coalesce(q.choices, '[]')) INTO kinds, leaves, operators, choices
        FROM segments.index_questions(audience) q;

    WHILE drawn < rules LOOP
        drawn := drawn + 1;
        nodes := '{}';
        wanted := 1 + floor(random() * 6);
        WHILE cardinality(nodes) < wanted LOOP
            IF kinds IS NULL THEN
                nodes := nodes || '{"everyone": true}'::jsonb;
                CONTINUE;
            END IF;
            pick := 1 + floor(random() * cardinality(kinds));
            op := operators[pick] ->> floor(random() * jsonb_array_length(operators[pick]))::int;
            CONTINUE WHEN op LIKE '%bucket' AND random() < 0.8;
            -- Values that there are, or are nearly.
            picked := ARRAY(SELECT CASE
                    WHEN kinds[pick] IN ('i', 'n', 'f', 'k') AND random() < 0.3 THEN
                        to_jsonb((w.v #>> '{}')::numeric + (ARRAY[-1, 1, 0.5, -100, 7])[1 + floor(random() * 5)::int])
                    WHEN kinds[pick] IN ('d', 't', 'z', '<', '>') AND random() < 0.3 THEN to_jsonb(left(w.v #>> '{}', 10))
                    WHEN kinds[pick] IN ('d', 't', 'z', '<', '>') AND random() < 0.1 THEN
                        jsonb_build_object('mode', 'relative', 'anchor', 'startOfDay', 'offset', -floor(random() * 100)::int, 'unit', 'day')
                    WHEN operators[pick] ? 'begins_with' AND random() < 0.1 THEN to_jsonb(upper(w.v #>> '{}'))
                    ELSE w.v END
                FROM (SELECT c FROM jsonb_array_elements(choices[pick]) c ORDER BY random() LIMIT 1 + floor(random() * 6)) w (v));
            word := picked[1] #>> '{}';
            node := leaves[pick] || jsonb_build_object('operator', op);
            CASE
                WHEN op IN ('is_null', 'is_not_null', 'is_empty', 'is_not_empty') THEN
                    NULL;
                WHEN op LIKE '%n\_days' THEN
                    node := node || jsonb_build_object('value', floor(random() * random() * 400)::int);
                WHEN op IN ('in_bucket', 'not_in_bucket') THEN
                    first := floor(random() * 100);
                    node := node || jsonb_build_object('value', jsonb_build_array(first, first + floor(random() * (101 - first))::int));
                WHEN picked = '{}' THEN
                    CONTINUE WHEN NOT operators[pick] ?| '{is_null,is_empty}';
                    node := node || jsonb_build_object('operator', CASE WHEN operators[pick] ? 'is_null' THEN 'is_null' ELSE 'is_empty' END);
                WHEN op IN ('between', 'not_between') THEN
                    node := node || jsonb_build_object('value', jsonb_build_array(picked[1], picked[cardinality(picked)]));
                WHEN op IN ('in', 'not_in') THEN
                    node := node || jsonb_build_object('value', to_jsonb(picked));
                WHEN operators[pick] ? 'begins_with' AND op NOT IN ('equal', 'not_equal', 'less', 'less_or_equal', 'greater', 'greater_or_equal') THEN
                    node := node || jsonb_build_object('value', CASE
                        WHEN op LIKE '%begins\_with' THEN left(word, 1 + floor(random() * 3)::int)
                        WHEN op LIKE '%ends\_with' THEN right(word, 1 + floor(random() * 3)::int)
                        WHEN op LIKE '%contains' THEN substr(word, 1 + floor(random() * 3)::int, 2)
                        ELSE '^' || regexp_replace(left(word, 2), '[^a-zA-Z0-9]', '.', 'g') END);
                ELSE
                    node := node || jsonb_build_object('value', picked[1]);
            END CASE;
            IF node ? 'value' AND operators[pick] ? 'begins_with' AND op NOT LIKE '%bucket' AND random() < 0.1 THEN
                node := node || '{"ignore_case": true}';
            END IF;
            IF node ? 'event' AND random() < 0.1 THEN
                node := node || jsonb_build_object('within', jsonb_build_object('last', 1 + floor(random() * random() * 200)::int, 'unit', 'day'));
            END IF;
            nodes := nodes || node;
        END LOOP;
        -- Some neighbours at a time become a group, until there is but one.
        LOOP
            first := 1 + floor(random() * cardinality(nodes));
            last := least(cardinality(nodes), first + 1 + floor(random() * 3)::int);
            node := jsonb_build_object('condition', CASE WHEN random() < 0.5 THEN 'AND' ELSE 'OR' END, 'not', random() < 0.2, 'rules', to_jsonb(nodes[first:last]));
            nodes := nodes[1:first - 1] || node || nodes[last + 1:];
            EXIT WHEN cardinality(nodes) = 1;
        END LOOP;
        node := nodes[1]
            || CASE WHEN random() < 0.25 THEN '{"semantics": "sql"}'::jsonb ELSE '{}' END
            || CASE WHEN random() < 0.3 THEN jsonb_build_object('time_zone', (ARRAY['UTC', 'Europe/Berlin', 'America/New_York'])[1 + floor(random() * 3)::int]) ELSE '{}' END
            || CASE WHEN random() < 0.1 THEN jsonb_build_object('as_of', now() - random() * interval '100 days') ELSE '{}' END;
        CONTINUE WHEN EXISTS (SELECT FROM segments.validate(audience, node::json));
        rule := node;
        -- Both under the snapshot of this statement.
        SELECT segments.count_by_index(audience, verify.rule), segments.count_by_sql(audience, verify.rule) INTO by_index, by_sql;
        IF by_index <> by_sql THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;
COMMENT ON FUNCTION segments.verify(regclass, int) IS 'draws random rules over what a segment index keeps and gives those that it answers otherwise than SQL does: none';
