# Whatever version one comes from, ALTER EXTENSION UPDATE ends at what a fresh install has: object by object, with definition, comment and rights.
use strict;
use warnings;
use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;

# A line for each member of the extension and each part of it. search_path is empty, so that every name is qualified.
my $objects = <<'SQL';
SET search_path = '';
WITH member AS (
    SELECT d.classid, d.objid, (pg_catalog.pg_identify_object(d.classid, d.objid, 0)).*, pg_catalog.obj_description(d.objid, c.relname) AS comment
    FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = d.classid JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
    WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e' AND e.extname = 'segments'
), relation AS (
    SELECT m.identity, c.* FROM member m JOIN pg_catalog.pg_class c ON m.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND c.oid = m.objid
)
SELECT line FROM (
    SELECT pg_catalog.format('%s %s: %s', m.type, m.identity, m.comment) FROM member m
    UNION ALL
    SELECT pg_catalog.format('function %s: %s, rights %s, support %s', m.identity,
        CASE WHEN p.prokind <> 'a' THEN pg_catalog.pg_get_functiondef(p.oid) END, p.proacl, p.prosupport)
    FROM member m JOIN pg_catalog.pg_proc p ON m.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND p.oid = m.objid
    UNION ALL
    SELECT pg_catalog.format('%s of kind %s, rights %s, options %s, %s', r.identity, r.relkind, r.relacl, r.reloptions,
        CASE WHEN r.relkind = 'v' THEN pg_catalog.pg_get_viewdef(r.oid) END)
    FROM relation r
    UNION ALL
    SELECT pg_catalog.format('column %s.%s: number %s, %s, not null %s, default %s, rights %s, storage %s: %s', r.identity, a.attname, a.attnum,
        pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attacl, a.attstorage,
        pg_catalog.col_description(r.oid, a.attnum))
    FROM relation r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
    UNION ALL
    SELECT pg_catalog.format('constraint %s on %s: %s', c.conname, r.identity, pg_catalog.pg_get_constraintdef(c.oid))
    FROM relation r JOIN pg_catalog.pg_constraint c ON c.conrelid = r.oid
    UNION ALL
    SELECT pg_catalog.format('index %s', pg_catalog.pg_get_indexdef(i.indexrelid)) FROM relation r JOIN pg_catalog.pg_index i ON i.indrelid = r.oid
    UNION ALL
    SELECT pg_catalog.format('trigger, enabled %s: %s', t.tgenabled, pg_catalog.pg_get_triggerdef(t.oid))
    FROM relation r JOIN pg_catalog.pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal
    UNION ALL
    SELECT pg_catalog.format('data of %s dumped: %s', r.identity, e.extcondition[pg_catalog.array_position(e.extconfig, r.oid)])
    FROM relation r JOIN pg_catalog.pg_extension e ON e.extname = 'segments' WHERE r.oid = ANY (e.extconfig)
    UNION ALL
    SELECT pg_catalog.format('rights on %s as installed: %s', m.identity, i.initprivs)
    FROM member m JOIN pg_catalog.pg_init_privs i ON (i.classoid, i.objoid) = (m.classid, m.objid)
    UNION ALL
    SELECT pg_catalog.format('type %s: %s', m.identity, pg_catalog.concat_ws(' ', t.typlen, t.typbyval, t.typtype, t.typcategory, t.typispreferred,
        t.typinput, t.typoutput, t.typreceive, t.typsend, t.typanalyze, t.typsubscript, t.typalign, t.typstorage, t.typacl))
    FROM member m JOIN pg_catalog.pg_type t ON m.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND t.oid = m.objid
    UNION ALL
    SELECT pg_catalog.format('operator %s: %s', m.identity, pg_catalog.concat_ws(' ', o.oprcanmerge, o.oprcanhash,
        o.oprcom::pg_catalog.regoperator, o.oprnegate::pg_catalog.regoperator, o.oprcode, o.oprrest, o.oprjoin))
    FROM member m JOIN pg_catalog.pg_operator o ON m.classid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND o.oid = m.objid
    UNION ALL
    SELECT pg_catalog.format('cast %s: %s %s %s', m.identity, c.castfunc::pg_catalog.regprocedure, c.castcontext, c.castmethod)
    FROM member m JOIN pg_catalog.pg_cast c ON m.classid = 'pg_catalog.pg_cast'::pg_catalog.regclass AND c.oid = m.objid
    UNION ALL
    SELECT pg_catalog.format('operator class %s: default %s, %s', m.identity, c.opcdefault, c.opcintype::pg_catalog.regtype)
    FROM member m JOIN pg_catalog.pg_opclass c ON m.classid = 'pg_catalog.pg_opclass'::pg_catalog.regclass AND c.oid = m.objid
    UNION ALL
    SELECT pg_catalog.format('strategy %s of %s: %s', s.amopstrategy, m.identity, s.amopopr::pg_catalog.regoperator)
    FROM member m JOIN pg_catalog.pg_amop s ON m.classid = 'pg_catalog.pg_opfamily'::pg_catalog.regclass AND s.amopfamily = m.objid
    UNION ALL
    SELECT pg_catalog.format('support %s of %s: %s', s.amprocnum, m.identity, s.amproc::pg_catalog.regprocedure)
    FROM member m JOIN pg_catalog.pg_amproc s ON m.classid = 'pg_catalog.pg_opfamily'::pg_catalog.regclass AND s.amprocfamily = m.objid
    UNION ALL
    SELECT pg_catalog.format('event trigger %s: on %s, tags %s, %s, enabled %s', t.evtname, t.evtevent, t.evttags, t.evtfoid::pg_catalog.regprocedure, t.evtenabled)
    FROM member m JOIN pg_catalog.pg_event_trigger t ON m.classid = 'pg_catalog.pg_event_trigger'::pg_catalog.regclass AND t.oid = m.objid
    UNION ALL
    SELECT pg_catalog.format('schema %s: rights %s', m.identity, n.nspacl)
    FROM member m JOIN pg_catalog.pg_namespace n ON m.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND n.oid = m.objid
) lines (line)
ORDER BY line COLLATE "C"
SQL

# What an installation by these commands has.
sub objects_after {
    my ($commands) = @_;
    $node->safe_psql('postgres', 'CREATE DATABASE installed');
    $node->safe_psql('installed', $commands);
    my $found = $node->safe_psql('installed', $objects);
    $node->safe_psql('postgres', 'DROP DATABASE installed');
    return $found;
}

my $fresh = objects_after('CREATE EXTENSION segments');
like($fresh, qr/^function .*segments\.matches\(/m, 'functions are compared');
like($fresh, qr/^function segments\.matches\(pg_catalog\.record,segments\.rule\): (?s:.{1,200}) COST \d+ (?s:.{1,200})rights .*, support segments\./m, 'with cost, rights and support function');
like($fresh, qr/^column segments\.segment\.rule: number \d+, segments\.rule, not null t,/m, 'columns are compared');
like($fresh, qr/^table segments\.segment: named segments/m, 'comments are compared');
like($fresh, qr/^type segments\.rule: /m, 'types are compared');
like($fresh, qr/^event trigger .* on sql_drop/m, 'event triggers are compared');
is(objects_after('CREATE EXTENSION segments'), $fresh, 'two fresh installs are the same');

# A comparison must see what differs.
for my $change (
    'ALTER FUNCTION segments.matches(record, segments.rule) COST 1',
    'ALTER FUNCTION segments.matches(record, segments.rule) VOLATILE',
    'GRANT INSERT ON segments.segment TO PUBLIC',
    q(ALTER TABLE segments.segment ALTER description SET DEFAULT ''),
    q(COMMENT ON COLUMN segments.segment.rule IS 'another'))
{
    isnt(objects_after("CREATE EXTENSION segments; $change"), $fresh, "noticed: $change");
}

# Every released version that a delta starts from.
my %released = map { m{segments--([^/]+?)--[^/]+\.sql$} ? ($1 => 1) : () } glob(dirname(__FILE__) . '/../../src/sql/segments--*--*.sql');
for my $version (sort keys %released) {
    is(objects_after("CREATE EXTENSION segments VERSION '$version'; ALTER EXTENSION segments UPDATE"), $fresh, "updated from $version: as a fresh install");
}

done_testing();
