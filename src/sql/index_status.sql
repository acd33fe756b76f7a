-- The segment index: looking at it ------------------------------------------------------------------------------------------------

CREATE TYPE segments.index_status_row AS (
    audience     regclass,
    fields       text[],
    members      bigint,
    generation   bigint,
    built        timestamptz,
    slices       bigint,
    bytes        bigint,
    changes      bigint,
    change_bytes bigint,
    usable       boolean,
    problem      text
);
COMMENT ON TYPE segments.index_status_row IS 'a row of segments.index_status';

CREATE FUNCTION segments._index_status_rows(caller oid, path text) RETURNS segments.index_status_row[]
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known record;
    usage record;
    problem text;
    result segments.index_status_row[] := '{}';
BEGIN
    FOR known IN SELECT d.audience, coalesce(k.fields, d.fields) AS fields, i.members, i.generation, i.built
                 FROM segments.index_definition d JOIN pg_class c ON c.oid = d.audience LEFT JOIN segments.index_state i ON i.audience = d.audience
                 LEFT JOIN LATERAL (SELECT array_agg(f.name ORDER BY f.field) FROM segments.index_field f
                                    WHERE f.id = i.id AND f.kind NOT IN ('<', '>')) k (fields) ON true
                 WHERE has_table_privilege(caller, c.oid, 'SELECT') AND NOT pg_is_other_temp_schema(c.relnamespace) ORDER BY d.audience LOOP
        usage := NULL;
        IF known.generation IS NULL THEN
            problem := 'not built: use segments.rebuild_index()';
            SELECT NULL::bigint AS slices, NULL::bigint AS bytes, NULL::bigint AS changes, NULL::bigint AS change_bytes INTO usage;
        ELSE
            problem := segments._index_problem(known.audience);
            SELECT u.* INTO usage FROM segments._index_usage(known.audience) u;
        END IF;
        result := result || ROW(known.audience, known.fields, known.members, known.generation, known.built, usage.slices, usage.bytes, usage.changes,
                                usage.change_bytes, problem IS NULL, problem)::segments.index_status_row;
    END LOOP;
    RETURN result;
END $$;
COMMENT ON FUNCTION segments._index_status_rows(oid, text) IS 'internal: segments.index_status_rows';

CREATE FUNCTION segments.index_status_rows() RETURNS segments.index_status_row[]
    LANGUAGE c STABLE PARALLEL RESTRICTED COST 10000 AS 'MODULE_PATHNAME', 'segments_administer';
COMMENT ON FUNCTION segments.index_status_rows() IS 'the rows of segments.index_status';

CREATE VIEW segments.index_status AS
    SELECT s.audience, s.fields, s.members, s.generation, s.built, s.slices, s.bytes, s.changes, s.change_bytes, s.usable, s.problem
    FROM pg_catalog.unnest(segments.index_status_rows()) s;
COMMENT ON VIEW segments.index_status IS 'segment indexes of the audiences that the asking role may read: what they keep, their size, and whether they are used now, or why not';
COMMENT ON COLUMN segments.index_status.audience IS 'the audience';
COMMENT ON COLUMN segments.index_status.fields IS 'columns, membership fields and events that are kept';
COMMENT ON COLUMN segments.index_status.members IS 'how many members there were when slices were last written';
COMMENT ON COLUMN segments.index_status.generation IS 'grows whenever slices are written';
COMMENT ON COLUMN segments.index_status.built IS 'when it was built';
COMMENT ON COLUMN segments.index_status.slices IS 'how many slices there are';
COMMENT ON COLUMN segments.index_status.bytes IS 'bytes of slices and what leads to them';
COMMENT ON COLUMN segments.index_status.changes IS 'how many changes have not been taken into slices';
COMMENT ON COLUMN segments.index_status.change_bytes IS 'bytes of those';
COMMENT ON COLUMN segments.index_status.usable IS 'whether it is used now';
COMMENT ON COLUMN segments.index_status.problem IS 'why not';

-- What an index keeps, for who may read the audience.
CREATE FUNCTION segments._index_fields(caller oid, path text, relation regclass) RETURNS segments.index_field[]
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT has_table_privilege(caller, relation, 'SELECT') THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('permission denied for audience %s', relation);
    END IF;
    RETURN (SELECT array_agg(f ORDER BY f.field) FROM segments.index_state i JOIN segments.index_field f ON f.id = i.id WHERE i.audience = relation);
END $$;
COMMENT ON FUNCTION segments._index_fields(oid, text, regclass) IS 'internal: segments.index_fields';

CREATE FUNCTION segments.index_fields(audience regclass) RETURNS segments.index_field[]
    LANGUAGE c STABLE PARALLEL RESTRICTED COST 1000 AS 'MODULE_PATHNAME', 'segments_administer';
COMMENT ON FUNCTION segments.index_fields(regclass) IS 'what the segment index of an audience keeps; null where there is none';

-- A segment index that is being built reports like CREATE INDEX, but gives no command.
CREATE VIEW segments.progress AS
    SELECT p.pid, p.relid::pg_catalog.regclass AS audience,
           CASE p.param10 WHEN 0 THEN 'reading the audience' WHEN 1 THEN 'reading memberships' ELSE 'reading events' END AS phase, p.param13 AS done,
           NULLIF(p.param12, 0) AS total
    FROM pg_catalog.pg_stat_get_progress_info('CREATE INDEX') p
    WHERE p.datid OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
      AND p.param1 OPERATOR(pg_catalog.=) 0 AND p.param7 OPERATOR(pg_catalog.=) 0 AND p.relid OPERATOR(pg_catalog.<>) 0;
COMMENT ON VIEW segments.progress IS 'segment indexes that are being built';
COMMENT ON COLUMN segments.progress.pid IS 'the backend that builds it';
COMMENT ON COLUMN segments.progress.audience IS 'the audience';
COMMENT ON COLUMN segments.progress.phase IS 'what is being done';
COMMENT ON COLUMN segments.progress.done IS 'rows read so far';
COMMENT ON COLUMN segments.progress.total IS 'rows to be read, where that is known';
