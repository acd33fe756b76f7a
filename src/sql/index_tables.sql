-- The segment index: its tables, and what is done in C++ --------------------------------------------------------------------------
--
-- Its data are rows of ordinary tables, members of the extension: PostgreSQL's own snapshots, write-ahead log and backups hold for them, and they are
-- never dumped, like an index's. Only what was asked for is.

CREATE TABLE segments.index_definition (
    audience regclass PRIMARY KEY,
    fields   text[]              -- null: every field that can be indexed
);
COMMENT ON TABLE segments.index_definition IS 'segment indexes as they were asked for; segments.index_status shows them';
COMMENT ON COLUMN segments.index_definition.audience IS 'the audience';
COMMENT ON COLUMN segments.index_definition.fields IS 'columns, membership fields and events that are indexed; null for all that can be';

CREATE TABLE segments.index_state (
    audience   oid PRIMARY KEY,
    id         int4 NOT NULL,
    generation int8,                 -- null until it is built
    sparse     boolean NOT NULL DEFAULT false,
    structure  int8,
    slice_file oid,
    built      timestamptz,
    members    int8,
    compacted  int8
);
COMMENT ON TABLE segments.index_state IS 'segment indexes that have data; one without is not used';
COMMENT ON COLUMN segments.index_state.audience IS 'the audience';
COMMENT ON COLUMN segments.index_state.id IS 'number by which the other tables know the index: each rebuilding gives another';
COMMENT ON COLUMN segments.index_state.generation IS 'which slices and entries are the present ones; null until there are any';
COMMENT ON COLUMN segments.index_state.sparse IS 'whether the keys are too far apart to be the members'' positions';
COMMENT ON COLUMN segments.index_state.structure IS 'files, columns, partitions and triggers of its tables, as a number: the index is used while they are the same';
COMMENT ON COLUMN segments.index_state.slice_file IS 'file of segments.slice in which the places on record are right';
COMMENT ON COLUMN segments.index_state.built IS 'when it was built';
COMMENT ON COLUMN segments.index_state.members IS 'how many members it had when slices were last written';
COMMENT ON COLUMN segments.index_state.compacted IS 'number of the last change that is in the slices';

-- Rows are only ever added: so nobody who writes waits for another because of it.
CREATE TABLE segments.index_stale (
    id  int4 NOT NULL,
    why text NOT NULL
);
ALTER TABLE segments.index_stale ALTER why SET STORAGE PLAIN;
COMMENT ON TABLE segments.index_stale IS 'segment indexes that may have missed changes and are used no more';
COMMENT ON COLUMN segments.index_stale.id IS 'the index';
COMMENT ON COLUMN segments.index_stale.why IS 'what happened';

CREATE TABLE segments.index_source (
    id         int4,
    source     int2,
    kind       "char" NOT NULL,      -- a: the audience itself, m: a membership table, e: an event table
    relation   oid NOT NULL,
    member     int2 NOT NULL,
    value      int2 NOT NULL,
    at         int2 NOT NULL,
    event_kind int2 NOT NULL,
    PRIMARY KEY (id, source)
);
COMMENT ON TABLE segments.index_source IS 'tables that segment indexes are made from';
COMMENT ON COLUMN segments.index_source.id IS 'the index';
COMMENT ON COLUMN segments.index_source.source IS 'number of the source; 0 is the audience';
COMMENT ON COLUMN segments.index_source.kind IS 'a: the audience, m: a membership table, e: an event table';
COMMENT ON COLUMN segments.index_source.relation IS 'the table';
COMMENT ON COLUMN segments.index_source.member IS 'attribute number of the audience''s key, or of the column that equals it';
COMMENT ON COLUMN segments.index_source.value IS 'attribute number of a membership''s list, tag, …; 0 elsewhere';
COMMENT ON COLUMN segments.index_source.at IS 'attribute number of the time of events; 0 elsewhere';
COMMENT ON COLUMN segments.index_source.event_kind IS 'attribute number of the kind of events; 0 where there is none';

CREATE TABLE segments.index_field (
    id        int4,
    field     int2,
    source    int2 NOT NULL,
    kind      "char" NOT NULL,
    name      text NOT NULL,
    attnum    int2 NOT NULL,
    type      oid NOT NULL,
    typmod    int4 NOT NULL,
    "collation" oid NOT NULL,
    event     text,
    PRIMARY KEY (id, field)
);
COMMENT ON TABLE segments.index_field IS 'what segment indexes keep of their sources';
COMMENT ON COLUMN segments.index_field.id IS 'the index';
COMMENT ON COLUMN segments.index_field.field IS 'number of the field, from 1';
COMMENT ON COLUMN segments.index_field.source IS 'number of its source';
COMMENT ON COLUMN segments.index_field.kind IS 'how it is kept: i, d, t, z, n, f, b as integer, date, timestamp, timestamptz, numeric, float, boolean; c by a dictionary, a an array, m a membership; k, <, > number, first and last of events';
COMMENT ON COLUMN segments.index_field.name IS 'column, membership field, or source and kind of events with a dot between';
COMMENT ON COLUMN segments.index_field.attnum IS 'attribute number of the column that is kept';
COMMENT ON COLUMN segments.index_field.type IS 'its type, that under a domain; of an array, that of the elements';
COMMENT ON COLUMN segments.index_field.typmod IS 'modifier of the type';
COMMENT ON COLUMN segments.index_field."collation" IS 'collation of the column';
COMMENT ON COLUMN segments.index_field.event IS 'kind of the events; null where the source has but one, or the field is of no events';

-- Data: rows are written and read by their place, a page each or several to a page, and never out of line.
-- Statistics of them serve nobody, and reading them for ANALYZE is dear.
CREATE TABLE segments.slice (data bytea NOT NULL)
    WITH (autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_threshold = 2000000000);
ALTER TABLE segments.slice ALTER data SET STORAGE PLAIN;
COMMENT ON TABLE segments.slice IS 'one bit of each of some members: 7680 bytes, after index, chunk and tag';
COMMENT ON COLUMN segments.slice.data IS 'index, chunk and tag of 4 bytes each, then the bits';

CREATE TABLE segments.slice_entry (
    id    int4,
    field int2,
    code  int4,
    chunk int4,
    data  bytea NOT NULL,
    PRIMARY KEY (id, field, code, chunk)
) WITH (autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_threshold = 2000000000);
ALTER TABLE segments.slice_entry ALTER data SET STORAGE PLAIN;
COMMENT ON TABLE segments.slice_entry IS 'where the slices of a field and chunk are, and how they are to be read';
COMMENT ON COLUMN segments.slice_entry.id IS 'the index';
COMMENT ON COLUMN segments.slice_entry.field IS 'number of the field; 0: the members that exist';
COMMENT ON COLUMN segments.slice_entry.code IS 'code of a value in the dictionary, where each has its own set of members; else 0';
COMMENT ON COLUMN segments.slice_entry.chunk IS 'number of the chunk of members';
COMMENT ON COLUMN segments.slice_entry.data IS 'encoding, range, and places of the slices, or the members themselves where they are few';

-- Dead rows cost every reader until they are vacuumed, however many live ones there are.
CREATE TABLE segments.delta (
    id   int4 NOT NULL,
    seq  int8 NOT NULL,
    data bytea NOT NULL
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_insert_threshold = -1,
        autovacuum_analyze_threshold = 2000000000);
ALTER TABLE segments.delta ALTER data SET STORAGE PLAIN;
COMMENT ON TABLE segments.delta IS 'what statements changed since slices were written';
COMMENT ON COLUMN segments.delta.id IS 'the index';
COMMENT ON COLUMN segments.delta.seq IS 'order of changes; 0: events that are added, which need none';
COMMENT ON COLUMN segments.delta.data IS 'members and values, packed';

CREATE TABLE segments.dictionary (
    id    int4 NOT NULL,
    field int2 NOT NULL,
    code  int4 NOT NULL,
    value text NOT NULL
);
CREATE INDEX dictionary_field ON segments.dictionary (id, field);
COMMENT ON TABLE segments.dictionary IS 'values of fields that are kept by a code';
COMMENT ON COLUMN segments.dictionary.id IS 'the index';
COMMENT ON COLUMN segments.dictionary.field IS 'number of the field';
COMMENT ON COLUMN segments.dictionary.code IS 'the code: never another value''s';
COMMENT ON COLUMN segments.dictionary.value IS 'the value as text';

CREATE SEQUENCE segments.index_id AS int4;
CREATE SEQUENCE segments.index_generation;
CREATE SEQUENCE segments.delta_sequence CACHE 1;
CREATE SEQUENCE segments.dictionary_code AS int4 START 65536;
COMMENT ON SEQUENCE segments.index_id IS 'numbers of segment indexes';
COMMENT ON SEQUENCE segments.index_generation IS 'generations of segment indexes';
COMMENT ON SEQUENCE segments.delta_sequence IS 'order of changes';
COMMENT ON SEQUENCE segments.dictionary_code IS 'codes of values that came after the building';

CREATE TRIGGER catalog_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON segments.index_definition
    FOR EACH STATEMENT EXECUTE FUNCTION segments.catalog_changed();

DO $$
BEGIN
    PERFORM pg_catalog.pg_extension_config_dump('segments.index_definition',
        'WHERE audience IN (SELECT oid FROM pg_catalog.pg_class WHERE relpersistence <> ''t'')');
END $$;

-- What is done in C++.
CREATE FUNCTION segments.index_change() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_index_change';
CREATE FUNCTION segments._build_index(relation regclass) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_build_index';
CREATE FUNCTION segments._compact_index(relation regclass) RETURNS boolean
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_compact_index';
CREATE FUNCTION segments._await_compaction(id int4) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_await_compaction';
COMMENT ON FUNCTION segments._await_compaction(int4) IS 'internal: waits until nobody compacts an index, and keeps others from it until the transaction ends';
CREATE FUNCTION segments._index_problem(relation regclass) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_index_problem';
CREATE FUNCTION segments._index_outdated(relation regclass) RETURNS text
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_index_outdated';
COMMENT ON FUNCTION segments._index_outdated(regclass) IS 'internal: what has become of an index''s tables since it was built; null where they are the same';
CREATE FUNCTION segments._index_usage(relation regclass, OUT slices int8, OUT bytes int8, OUT changes int8, OUT change_bytes int8)
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_index_usage';
CREATE FUNCTION segments._nearest(word text, names text[]) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'segments_nearest';
CREATE FUNCTION segments._keep_writers_off(relation oid) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_keep_writers_off';
CREATE FUNCTION segments._goes_with_extension(trigger oid) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_goes_with_extension';
CREATE FUNCTION segments._renames_label(command pg_ddl_command) RETURNS boolean
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_renames_label';
CREATE FUNCTION segments._latest(command text) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_latest';
COMMENT ON FUNCTION segments.index_change() IS 'trigger on the tables of segment indexes: notes what a statement changed';
COMMENT ON FUNCTION segments._build_index(regclass) IS 'internal: fills an index from its tables';
COMMENT ON FUNCTION segments._compact_index(regclass) IS 'internal: takes an index''s changes into its slices; false where another does it already';
COMMENT ON FUNCTION segments._index_problem(regclass) IS 'internal: why an index cannot be used now; null where it can';
COMMENT ON FUNCTION segments._index_usage(regclass) IS 'internal: what an index takes up';
COMMENT ON FUNCTION segments._nearest(text, text[]) IS 'internal: the name nearest to a word; null where none is near';
COMMENT ON FUNCTION segments._keep_writers_off(oid) IS 'internal: nobody writes to a table until the transaction ends';
COMMENT ON FUNCTION segments._goes_with_extension(oid) IS 'internal: dropping the extension drops a trigger without CASCADE';
COMMENT ON FUNCTION segments._renames_label(pg_ddl_command) IS 'internal: whether a command renames a label of an enum';
COMMENT ON FUNCTION segments._latest(text) IS 'internal: runs a command under a snapshot of this moment';
