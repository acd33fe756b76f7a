# Dumped and restored: segments, fields, memberships and suppressions live on, whatever became of column numbers.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nfsync = off");
$node->start;
my $folder = PostgreSQL::Test::Utils::tempdir;

# A database with all that can be registered, by a role that owns the tables. Dropped columns shift what a restore numbers.
$node->safe_psql('postgres', 'CREATE ROLE app LOGIN; CREATE ROLE reader LOGIN; CREATE DATABASE shop OWNER app; CREATE DATABASE copy OWNER app');
$node->safe_psql('shop', 'CREATE EXTENSION segments');
$node->safe_psql('shop', <<'SQL', extra_params => [ '-U', 'app' ]);
CREATE SCHEMA "we ""ird";
CREATE TABLE "we ""ird".numbers (gone int, id bigint PRIMARY KEY, gone_too int, "select" text, sent_count int, click_count int, seen date);
ALTER TABLE "we ""ird".numbers DROP COLUMN gone, DROP COLUMN gone_too;
INSERT INTO "we ""ird".numbers SELECT i, 'x' || i, i % 7, i % 3, '2024-01-01' FROM generate_series(1, 50) i;
CREATE TABLE zlists (gone int, id int PRIMARY KEY, name text, archived boolean);
ALTER TABLE zlists DROP COLUMN gone;
INSERT INTO zlists VALUES (1, 'a', false), (2, 'b', true);
CREATE TABLE list_members (gone int, number_id bigint, list_id int);
ALTER TABLE list_members DROP COLUMN gone;
INSERT INTO list_members SELECT i, i % 2 + 1 FROM generate_series(1, 20) i;
CREATE INDEX ON list_members (number_id, list_id);
CREATE FUNCTION ratio(int, int) RETURNS numeric LANGUAGE sql IMMUTABLE RETURN $1::numeric / nullif($2, 0);
SELECT segments.add_field('"we ""ird".numbers', 'rate', 'ratio(click_count, sent_count)', 'Rate', 'Number');
SELECT segments.add_field('"we ""ird".numbers', 'select', label => 'Select');
SELECT segments.add_membership('"we ""ird".numbers', 'list', 'list_members', 'number_id', 'list_id', 'zlists', 'id', 'name', 'archived');
CREATE TABLE messages (gone int, kind text, number_id bigint, sent_at timestamptz, price numeric);
ALTER TABLE messages DROP COLUMN gone;
INSERT INTO messages SELECT (ARRAY['sent', 'click'])[i % 2 + 1], i % 9, '2024-01-01Z', i FROM generate_series(1, 40) i;
CREATE TYPE act AS ENUM ('call', 'chat');
CREATE TABLE "Acts" (number_id bigint, at timestamp, act act);
INSERT INTO "Acts" SELECT i, '2024-01-01', 'chat' FROM generate_series(1, 5) i;
SELECT segments.add_events('"we ""ird".numbers', 'sms', 'messages', 'number_id', 'sent_at', 'kind', '{sent,click}');
SELECT segments.add_events('"we ""ird".numbers', 'support', '"Acts"', 'number_id', 'at', 'act');
SELECT segments.add_event_field('"we ""ird".numbers', 'spent', '{"event":"sms.click","measure":{"sum":"price"},"where":{"condition":"AND","rules":[{"field":"price","operator":"less","value":30}]}}', 'Spent');
SELECT segments.add_event_field('"we ""ird".numbers', 'chats', '{"event":"chat"}');
SELECT segments.create('chatty', '"we ""ird".numbers', '{"condition":"AND","rules":[{"field":"chats","operator":"greater","value":0},{"event":"click","where":{"condition":"AND","rules":[{"field":"price","operator":"greater","value":1}]}},{"field":"spent","operator":"greater","value":10}]}');
SELECT segments.create('zebra', '"we ""ird".numbers', '{"field":"rate","operator":"greater","value":0.2}');
SELECT segments.create('ant', '"we ""ird".numbers', '{"condition":"AND","rules":[{"segment":"zebra"},{"list":1}]}', '{select,id}', false, 'it''s "so"');
SELECT segments.suppress('"we ""ird".numbers', sent => 6);
SELECT segments.suppress('"we ""ird".numbers', '{"list":2}', reason => 'opt "out"');
SELECT segments.suppress('"we ""ird".numbers', '{"condition":"AND","rules":[{"segment":"zebra"},{"field":"id","operator":"equal","value":50}]}', reason => 'nested');
GRANT SELECT ON ant TO reader;
CREATE VIEW audience AS SELECT id FROM segments.members(NULL::"we ""ird".numbers, '{"segment":"ant"}');
SQL
# A temporary audience is nobody else's business.
my $session = $node->background_psql('shop');
$session->query_safe(q(CREATE TEMPORARY TABLE mine (id int PRIMARY KEY); SELECT segments.create('mine_all', 'mine', '{"everyone":true}');
    SELECT segments.add_field('mine', 'double', 'id * 2'); SELECT segments.add_membership('mine', 'list', 'list_members', 'number_id', 'list_id');
    SELECT segments.add_events('mine', 'sms', 'messages', 'number_id', 'sent_at', 'kind', '{sent}'); SELECT segments.add_event_field('mine', 'sends', '{"event":"sent"}'); SELECT segments.suppress('mine', '{"field":"double","operator":"equal","value":2}')));

# Everything that the catalog says, but for numbers of columns.
my $catalog = <<'SQL';
SET search_path = '';
SELECT a.audience, a.key, pg_catalog.array_remove(a.column_names, '') FROM segments.audience a WHERE a.audience::text !~ 'mine' ORDER BY 1;
SELECT f.audience, f.field, f.expression, f.label, f.category, f.view, f.leaf FROM segments.field f WHERE f.audience::text !~ 'mine' ORDER BY f.field;
SELECT m.audience, m.field, m.membership_table, m.member, m.value, m.names, m.name_key, m.name_label, m.name_archived FROM segments.membership m WHERE m.audience::text !~ 'mine';
SELECT e.audience, e.source, e.event_table, e.member, e.at, e.kind, e.kinds, pg_catalog.array_remove(e.column_names, '') FROM segments.event_source e WHERE e.audience::text !~ 'mine' ORDER BY e.source;
SELECT * FROM segments.segment WHERE audience::text !~ 'mine' ORDER BY name;
SELECT * FROM segments.suppression WHERE audience::text !~ 'mine' ORDER BY reason;
SELECT s.name, pg_catalog.pg_get_viewdef(s.view), pg_catalog.obj_description(s.view), c.reloptions, c.relacl, c.relowner::pg_catalog.regrole
FROM segments.segment s JOIN pg_catalog.pg_class c ON c.oid = s.view WHERE s.audience::text !~ 'mine' ORDER BY s.name;
SQL
my $answers = <<'SQL';
SELECT array_agg(id ORDER BY id) FROM ant;
SELECT array_agg(id ORDER BY id) FROM zebra;
SELECT array_agg(id ORDER BY id) FROM audience;
SELECT array_agg(id ORDER BY id) FROM chatty;
SELECT segments.count('"we ""ird".numbers', '{"event":"chat","operator":"equal","value":0}');
SELECT * FROM segments.events('"we ""ird".numbers');
SELECT array_agg((member, reasons)::text ORDER BY member) FROM segments.suppressed WHERE audience::text !~ 'mine';
SELECT segments.count('"we ""ird".numbers', '{"list":2}', false);
SELECT * FROM segments.targets('"we ""ird".numbers');
SELECT * FROM segments.fields('"we ""ird".numbers');
SELECT segments.builder('"we ""ird".numbers', 'rqb');
SQL
my ($catalog_before, $answers_before) = ($node->safe_psql('shop', $catalog), $node->safe_psql('shop', $answers));
like($answers_before, qr/^\{2,4,8,10,16,20\}\n/, 'the database has something to lose');

# Compares a restored database, and works on in it.
sub check_restored {
    my ($how) = @_;
    is($node->safe_psql('copy', $catalog), $catalog_before, "$how: the same catalog");
    is($node->safe_psql('copy', $answers), $answers_before, "$how: the same answers");
    is($node->safe_psql('copy', q(SELECT count(*) FROM segments.audience WHERE audience::text ~ '^[0-9]')), '0', "$how: no dangling audience");
    unlike($node->safe_psql('copy', q(EXPLAIN SELECT * FROM audience)), qr/Function Scan/, "$how: members is inlined");
}

# A plain dump by psql, and again from the restored database: the second dump says what the first said.
command_ok([ 'pg_dump', '-f', "$folder/plain.sql", $node->connstr('shop') ], 'pg_dump, plain');
command_ok([ 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('copy'), '-f', "$folder/plain.sql" ], 'psql restores it');
check_restored('plain');
command_ok([ 'pg_dump', '-Fc', '-f', "$folder/again", $node->connstr('copy') ], 'pg_dump of the restored');

# Over what is there.
command_ok([ 'pg_restore', '--clean', '--if-exists', '--exit-on-error', '-d', $node->connstr('copy'), "$folder/again" ], 'pg_restore --clean');
check_restored('clean');

# By several workers.
$node->safe_psql('postgres', 'DROP DATABASE copy; CREATE DATABASE copy OWNER app');
command_ok([ 'pg_restore', '-j', '3', '--exit-on-error', '-d', $node->connstr('copy'), "$folder/again" ], 'pg_restore --jobs');
check_restored('parallel');

# The restored database keeps its catalog in step.
$node->safe_psql('copy', <<'SQL', extra_params => [ '-U', 'app' ]);
ALTER TABLE "we ""ird".numbers RENAME click_count TO clicks;
ALTER TABLE list_members RENAME list_id TO list;
ALTER FUNCTION ratio(int, int) RENAME TO quotient;
ALTER TABLE messages RENAME price TO paid;
ALTER TABLE messages RENAME sent_at TO at;
SELECT segments.rebuild('"we ""ird".numbers');
SQL
is($node->safe_psql('copy', 'SELECT array_agg(id ORDER BY id) FROM ant'), '{2,4,8,10,16,20}', 'renames after a restore');
is($node->safe_psql('copy', 'SELECT expression FROM segments.field WHERE expression IS NOT NULL'), 'public.quotient(n.clicks, n.sent_count)', 'expressions follow');
is($node->safe_psql('copy', q(SELECT leaf FROM segments.field WHERE field = 'spent')),
    '{"event":"sms.click","measure":{"sum":"paid"},"where":{"condition":"AND","rules":[{"field":"paid","operator":"less","value":30}]}}', 'event fields follow');
is($node->safe_psql('copy', 'SELECT array_agg(id ORDER BY id) FROM chatty'), '{2,4}', 'and so does what rules say of events');
is($node->safe_psql('copy', q(SELECT attnums FROM segments.field WHERE field = 'spent')), '{1}', 'columns are known by their new numbers');
my ($status, undef, $error) = $node->psql('copy', 'DROP VIEW zebra', extra_params => [ '-U', 'app' ]);
like($error, qr/cannot drop view zebra because other objects depend on it/, 'nested segments are still held');
($status, undef, $error) = $node->psql('copy', 'DROP TABLE list_members CASCADE', extra_params => [ '-U', 'app' ]);
like($error, qr/cannot drop what suppression "opt "out"" of audience .* uses/, 'suppressions are still held');
$node->safe_psql('copy', <<'SQL', extra_params => [ '-U', 'app' ]);
DROP VIEW audience;
SELECT segments.drop('chatty');
SELECT segments.drop('zebra', true) FROM (SELECT segments.unsuppress('"we ""ird".numbers', 'nested')) u;
DROP TABLE "we ""ird".numbers;
SQL
is($node->safe_psql('copy', q(SELECT count(*) FROM segments.audience)), '0', 'the audience goes with all of it, without CASCADE');

# The schema alone, and data alone into it.
$node->safe_psql('postgres', 'DROP DATABASE copy; CREATE DATABASE copy OWNER app');
command_ok([ 'pg_restore', '--schema-only', '--exit-on-error', '-d', $node->connstr('copy'), "$folder/again" ], 'pg_restore --schema-only');
command_ok([ 'pg_restore', '--data-only', '--exit-on-error', '-d', $node->connstr('copy'), "$folder/again" ], 'pg_restore --data-only');
is($node->safe_psql('copy', $answers), $answers_before, 'data only: the same answers');

$session->quit;
done_testing();
