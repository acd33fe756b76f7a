# From an older version of PostgreSQL: by pg_upgrade, and by a dump. Segments, fields, memberships and suppressions live on.
# Where an older version is at hand, and the extension installed in it, OLDER_PG_CONFIG leads there.
use strict;
use warnings;
use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'OLDER_PG_CONFIG leads to no older version' unless $ENV{OLDER_PG_CONFIG};
chomp(my $older_bin = `$ENV{OLDER_PG_CONFIG} --bindir`);
chomp(my $newer_bin = `pg_config --bindir`);
my @alike = (extra => [ '--locale=C.UTF-8', '--encoding=UTF8', '--data-checksums' ]);

my $older = PostgreSQL::Test::Cluster->new('older', install_path => dirname($older_bin));
$older->init(@alike);
$older->append_conf('postgresql.conf', "timezone = 'UTC'\nfsync = off");
$older->start;
$older->safe_psql('postgres', 'CREATE ROLE app LOGIN; CREATE ROLE reader LOGIN; CREATE DATABASE shop OWNER app');

# A minor version may be newer than what the newer version at hand knows of: then it cannot even restore a plain table.
my $restored = newer('restored');
$restored->start;
$older->safe_psql('postgres', 'CREATE TABLE plain (id int)');
my $plain = PostgreSQL::Test::Utils::tempdir . '/plain';
system_or_bail("$newer_bin/pg_dump", '-f', $plain, '-t', 'plain', '-d', $older->connstr('postgres'));
my ($unknown, undef, $why) = $restored->psql('postgres', "\\i $plain", on_error_stop => 1);
plan skip_all => "the newer version does not restore a plain table of the older one: " . (split /\n/, $why)[0] if $unknown;

$older->safe_psql('shop', 'CREATE EXTENSION segments');
$older->safe_psql('shop', <<'SQL', extra_params => [ '-U', 'app' ]);
CREATE SCHEMA sms;
CREATE TABLE sms.numbers (gone int, id bigint PRIMARY KEY, carrier text, gone_too int, sent_count int, click_count int, seen timestamptz);
ALTER TABLE sms.numbers DROP COLUMN gone, DROP COLUMN gone_too;
INSERT INTO sms.numbers SELECT i, (ARRAY['AT&T', 'Verizon', NULL])[i % 3 + 1], i % 11, i % 5, timestamptz '2024-01-01Z' + i * interval '1 day' FROM generate_series(1, 2000) i;
CREATE TABLE lists (id int PRIMARY KEY, name text, archived boolean);
INSERT INTO lists VALUES (1, 'Leads', false), (2, 'Gone', true);
CREATE TABLE list_members (gone int, list_id int, number_id bigint);
ALTER TABLE list_members DROP COLUMN gone;
INSERT INTO list_members SELECT i % 2 + 1, i FROM generate_series(1, 900) i;
CREATE INDEX ON list_members (number_id, list_id);
CREATE FUNCTION ratio(int, int) RETURNS numeric LANGUAGE sql IMMUTABLE RETURN $1::numeric / nullif($2, 0);
SELECT segments.add_field('sms.numbers', 'rate', 'ratio(click_count, sent_count)', 'Rate', 'Number');
SELECT segments.add_membership('sms.numbers', 'list', 'list_members', 'number_id', 'list_id', 'lists', 'id', 'name', 'archived');
SELECT segments.create('rated', 'sms.numbers', '{"field":"rate","operator":"greater","value":0.2}');
SELECT segments.create('leads', 'sms.numbers', '{"condition":"AND","rules":[{"segment":"rated"},{"list":1},
    {"field":"seen","operator":"greater","value":"2024-02-01"}]}', '{carrier,id}', description => 'rated "leads"');
SELECT segments.suppress('sms.numbers', sent => 8);
SELECT segments.suppress('sms.numbers', '{"list":2}', reason => 'opted out');
GRANT SELECT ON leads TO reader;
CREATE VIEW asking AS SELECT n.id FROM segments.members(NULL::sms.numbers, '{"segment":"leads"}') n;
SQL

# What there is to lose: the catalog, but for numbers of columns, and every answer.
my $questions = <<'SQL';
SELECT audience, key FROM segments.audience;
SELECT audience, field, expression, label, category, view FROM segments.field;
SELECT audience, field, membership_table, member, value, names, name_key, name_label, name_archived FROM segments.membership;
SELECT * FROM segments.segment ORDER BY name;
SELECT * FROM segments.suppression ORDER BY reason;
SELECT s.name, c.reloptions, has_table_privilege('reader', c.oid, 'SELECT'), c.relowner::regrole, obj_description(c.oid) FROM segments.segment s JOIN pg_class c ON c.oid = s.view ORDER BY 1;
SELECT count(*), sum(id) FROM leads;
SELECT count(*), sum(id) FROM rated;
SELECT count(*), sum(id) FROM asking;
SELECT count(*), md5(string_agg(s::text, ',' ORDER BY member)) FROM segments.suppressed s;
SELECT segments.count('sms.numbers', '{"list":1}'), segments.count('sms.numbers', '{"list":1}', false);
SELECT array_agg(k ORDER BY k) FROM segments.keys('sms.numbers', '{"condition":"AND","rules":[{"segment":"leads"},{"field":"id","operator":"less","value":100}]}') k;
SELECT * FROM segments.targets('sms.numbers');
SELECT * FROM segments.fields('sms.numbers');
SQL
my $before = $older->safe_psql('shop', $questions);
like($before, qr/^[1-9]\d*\|\d+\n[1-9]\d*\|\d+\n[1-9]\d*\|\d+\n[1-9]\d*\|/m, 'the older database has something to lose');

# Compares what a newer server has, and works on in it.
sub check_newer {
    my ($node, $how) = @_;
    is($node->safe_psql('shop', $questions), $before, "$how: the same catalog and answers");
    unlike($node->safe_psql('shop', 'EXPLAIN SELECT * FROM asking'), qr/Function Scan/, "$how: members is inlined");
    like($node->safe_psql('shop', q(EXPLAIN SELECT FROM sms.numbers n WHERE segments.matches(n, '{"field":"id","operator":"equal","value":7}'))),
        qr/Index Cond: \(id = '?7/, "$how: a constant rule is planned");
    my ($status, undef, $error) = $node->psql('shop', 'DROP TABLE list_members CASCADE', extra_params => [ '-U', 'app' ]);
    like($error, qr/cannot drop what suppression "opted out" of audience sms\.numbers uses/, "$how: suppressions are held");
    $node->safe_psql('shop', <<'SQL', extra_params => [ '-U', 'app' ]);
ALTER TABLE sms.numbers RENAME sent_count TO received;
ALTER TABLE list_members RENAME list_id TO list;
SELECT segments.rebuild('sms.numbers');
SELECT segments.create('more', 'sms.numbers', '{"condition":"OR","rules":[{"segment":"leads"},{"list":1}]}');
SQL
    is($node->safe_psql('shop', q(SELECT count(*) FROM leads)), $node->safe_psql('shop', 'SELECT count(*) FROM asking'), "$how: columns are renamed");
    cmp_ok($node->safe_psql('shop', 'SELECT count(*) FROM more'), '>', 0, "$how: segments are created");
}

# A server of the newer version.
sub newer {
    my $node = PostgreSQL::Test::Cluster->new($_[0]);
    $node->init(@alike);
    $node->append_conf('postgresql.conf', "timezone = 'UTC'\nfsync = off");
    return $node;
}

$restored->safe_psql('postgres', 'CREATE ROLE app LOGIN; CREATE ROLE reader LOGIN');
my $dump = PostgreSQL::Test::Utils::tempdir . '/shop';
$restored->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $older->connstr('shop') ], 'the newer pg_dump dumps the older database');
$restored->command_ok([ 'pg_restore', '--create', '--exit-on-error', '-d', 'postgres', $dump ], 'pg_restore');
check_newer($restored, 'restored');
$restored->stop;

$older->stop;
my $upgraded = newer('upgraded');
chdir(PostgreSQL::Test::Utils::tempdir) or die;
command_ok(
    [   'pg_upgrade', '--no-sync', '-d', $older->data_dir, '-D', $upgraded->data_dir, '-b', $older_bin, '-B', $newer_bin,
        '-s', $upgraded->host, '-p', $older->port, '-P', $upgraded->port ],
    'pg_upgrade');
$upgraded->start;
check_newer($upgraded, 'upgraded');

done_testing();
