-- The catalog: what is registered. Dumped with the database; written by the extension's functions only. ------------------
-- Relations are named by OID (regclass: dumped by name), columns by number beside their name, so that a rename is noticed.

CREATE TABLE segments.audience (
    audience     regclass PRIMARY KEY,
    key          name NOT NULL,      -- column that identifies a member
    key_attnum   int2 NOT NULL,
    column_names name[] NOT NULL     -- by attribute number, as last seen; '' for a dropped one
);
COMMENT ON TABLE segments.audience IS 'registered audiences: relations whose rows are members';
COMMENT ON COLUMN segments.audience.audience IS 'the relation';
COMMENT ON COLUMN segments.audience.key IS 'column that identifies a member';
COMMENT ON COLUMN segments.audience.key_attnum IS 'its attribute number';
COMMENT ON COLUMN segments.audience.column_names IS 'column names by attribute number, as last seen: how a rename is noticed';

CREATE TABLE segments.field (
    audience   regclass,
    field      text,
    attnum     int2,    -- a label for this column; else
    expression text,    -- SQL over row alias n, deparsed and fully qualified
    attnums    int2[],  -- columns that the expression uses
    label      text,
    category   text,
    view       regclass,-- holds the expression for PostgreSQL: what it uses cannot go, and follows every rename
    leaf       text,    -- the event leaf that the field stands for, canonical
    PRIMARY KEY (audience, field),
    CHECK (num_nonnulls(attnum, expression, leaf) = 1)
);
COMMENT ON TABLE segments.field IS 'registered fields: expressions over an audience''s row, measures of its events, and labels for its columns';
COMMENT ON COLUMN segments.field.leaf IS 'the event leaf, without operator and value, that the field stands for';
COMMENT ON COLUMN segments.field.attnum IS 'the column that is labelled; null for an expression or an event leaf';
COMMENT ON COLUMN segments.field.expression IS 'SQL over the audience''s row n, fully qualified; null for a labelled column or an event leaf';
COMMENT ON COLUMN segments.field.attnums IS 'attribute numbers of the columns that the expression uses';
COMMENT ON COLUMN segments.field.label IS 'what people call it';
COMMENT ON COLUMN segments.field.view IS 'view that holds the expression, so that PostgreSQL knows what it uses';
COMMENT ON COLUMN segments.field.category IS 'the group under which a rule builder shows it';

CREATE TABLE segments.membership (
    audience         regclass,
    field            text,
    membership_table regclass NOT NULL,
    member           name NOT NULL,   -- column that equals the audience's key
    member_attnum    int2 NOT NULL,
    value            name NOT NULL,   -- column of the list, tag, …
    value_attnum     int2 NOT NULL,
    names            regclass,        -- where the values' names are
    name_key         name,
    name_label       name,
    name_archived    name,
    name_attnums     int2[],          -- of name_key, name_label, name_archived
    label            text,
    category         text,
    PRIMARY KEY (audience, field)
);
COMMENT ON TABLE segments.membership IS 'membership fields: tables of (member, value), such as lists and tags';
COMMENT ON COLUMN segments.membership.member IS 'column of the membership table that equals the audience''s key';
COMMENT ON COLUMN segments.membership.value IS 'column of the membership table that holds the list, tag, …';
COMMENT ON COLUMN segments.membership.label IS 'what people call the field';
COMMENT ON COLUMN segments.membership.category IS 'the group under which a rule builder shows it';
COMMENT ON COLUMN segments.membership.names IS 'table that names the values, or null';

CREATE TABLE segments.event_source (
    audience      regclass,
    source        text,
    event_table   regclass NOT NULL,
    member        name NOT NULL,   -- column that equals the audience's key
    member_attnum int2 NOT NULL,
    at            name NOT NULL,   -- column of the time
    at_attnum     int2 NOT NULL,
    kind          name,            -- column of the kind; null: all events are of one kind
    kind_attnum   int2,
    kinds         text[],          -- names of the kinds; null: the labels of the column's enum, or the source's name
    column_names  name[] NOT NULL, -- of the event table by attribute number, as last seen; '' for a dropped one
    PRIMARY KEY (audience, source)
);
COMMENT ON TABLE segments.event_source IS 'event sources: tables of one row per event; segments.events() shows them';
COMMENT ON COLUMN segments.event_source.member IS 'column of the event table that equals the audience''s key';
COMMENT ON COLUMN segments.event_source.at IS 'column of the event table that says when';
COMMENT ON COLUMN segments.event_source.kind IS 'column of the event table that says what, or null where all events are of one kind';
COMMENT ON COLUMN segments.event_source.kinds IS 'names of the kinds; null where they are the labels of an enum, or the source''s name is the only one';
COMMENT ON COLUMN segments.event_source.column_names IS 'column names of the event table by attribute number, as last seen: how a rename is noticed';

CREATE TABLE segments.segment (
    name             text PRIMARY KEY,
    view             regclass NOT NULL UNIQUE,
    audience         regclass NOT NULL,
    rule             segments.rule NOT NULL,
    columns          name[] NOT NULL,  -- columns of the audience, in the order of the view's
    security_invoker boolean NOT NULL,
    description      text,
    fields           text[] NOT NULL,
    segments         text[] NOT NULL
);
CREATE INDEX segment_audience ON segments.segment (audience);
COMMENT ON TABLE segments.segment IS 'named segments; segments.list shows them';
COMMENT ON COLUMN segments.segment.columns IS 'columns of the audience, in the order of the view''s';
COMMENT ON COLUMN segments.segment.fields IS 'fields that the rule names';
COMMENT ON COLUMN segments.segment.segments IS 'segments that the rule names';

CREATE TABLE segments.suppression (
    audience regclass,
    reason   text,
    rule     segments.rule NOT NULL,
    view     regclass NOT NULL,       -- holds the rule for PostgreSQL: what it uses cannot go
    PRIMARY KEY (audience, reason)
);
COMMENT ON TABLE segments.suppression IS 'global suppression: one rule per audience and reason';
COMMENT ON COLUMN segments.suppression.view IS 'view that holds the rule, so that PostgreSQL knows what it uses';

-- Plans and caches that depend on the catalog hang on the relation segments.audience: any change in it, or in another
-- catalog table, invalidates that one.
CREATE FUNCTION segments.catalog_changed() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'segments_catalog_changed';
COMMENT ON FUNCTION segments.catalog_changed() IS 'trigger on the catalog tables: what was planned from them is planned again';

CREATE TRIGGER catalog_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON segments.audience
    FOR EACH STATEMENT EXECUTE FUNCTION segments.catalog_changed();
CREATE TRIGGER catalog_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON segments.field
    FOR EACH STATEMENT EXECUTE FUNCTION segments.catalog_changed();
CREATE TRIGGER catalog_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON segments.membership
    FOR EACH STATEMENT EXECUTE FUNCTION segments.catalog_changed();
CREATE TRIGGER catalog_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON segments.event_source
    FOR EACH STATEMENT EXECUTE FUNCTION segments.catalog_changed();
CREATE TRIGGER catalog_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON segments.segment
    FOR EACH STATEMENT EXECUTE FUNCTION segments.catalog_changed();
CREATE TRIGGER catalog_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON segments.suppression
    FOR EACH STATEMENT EXECUTE FUNCTION segments.catalog_changed();

-- What describes a temporary relation ends with it.
DO $$
DECLARE
    kept text := '%I IN (SELECT oid FROM pg_catalog.pg_class WHERE relpersistence <> ''t'')';
BEGIN
    PERFORM pg_catalog.pg_extension_config_dump('segments.audience', pg_catalog.format('WHERE ' || kept, 'audience'));
    PERFORM pg_catalog.pg_extension_config_dump('segments.field', pg_catalog.format('WHERE ' || kept, 'audience'));
    PERFORM pg_catalog.pg_extension_config_dump('segments.membership', pg_catalog.format('WHERE ' || kept || ' AND ' || kept, 'audience', 'membership_table'));
    PERFORM pg_catalog.pg_extension_config_dump('segments.event_source', pg_catalog.format('WHERE ' || kept || ' AND ' || kept, 'audience', 'event_table'));
    PERFORM pg_catalog.pg_extension_config_dump('segments.segment', pg_catalog.format('WHERE ' || kept, 'view'));
    PERFORM pg_catalog.pg_extension_config_dump('segments.suppression', pg_catalog.format('WHERE ' || kept, 'view'));
END $$;

