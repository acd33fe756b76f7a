# Sessions of ordinary roles, each with nothing on its search_path: the extension is installed, described, named, asked.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nfsync = off\nsearch_path = ''");
$node->start;

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE app LOGIN;
CREATE ROLE analyst LOGIN;
CREATE ROLE bi LOGIN;
CREATE ROLE tenant LOGIN;
CREATE DATABASE shop;
SQL

# Only a superuser installs it; anybody may have the schema's name first, and then it is not taken over.
my ($status, $out, $error) = $node->psql('postgres', 'CREATE EXTENSION segments', extra_params => [ '-U', 'app' ]);
like($error, qr/permission denied to create extension "segments"/, 'an ordinary role does not install it');
$node->safe_psql('postgres', 'CREATE SCHEMA segments AUTHORIZATION app');
($status, $out, $error) = $node->psql('postgres', 'CREATE EXTENSION segments');
like($error, qr/schema "segments" already exists/, 'a schema that somebody owned before is refused');
$node->safe_psql('shop', 'CREATE EXTENSION segments; CREATE SCHEMA app AUTHORIZATION app; CREATE SCHEMA analyst AUTHORIZATION analyst; GRANT USAGE ON SCHEMA app, analyst TO PUBLIC');

# Runs commands as a role in a session of its own.
sub as {
    my ($role, $sql) = @_;
    my ($status, $out, $error) = $node->psql('shop', $sql, extra_params => [ '-U', $role ], on_error_stop => 1);
    return $status ? ($error =~ /ERROR:\s+(.*)/)[0] : $out;
}

is(as('app', <<'SQL'), '', 'the owner describes');
CREATE TABLE app.numbers (id bigint PRIMARY KEY, tenant text, sent_count int, click_count int);
INSERT INTO app.numbers SELECT i, CASE WHEN i % 2 = 0 THEN 'tenant' ELSE 'other' END, i % 7, i % 5 FROM pg_catalog.generate_series(1, 40) i;
CREATE TABLE app.lists (id int PRIMARY KEY, name text);
INSERT INTO app.lists VALUES (1, 'News');
CREATE TABLE app.list_members (number_id bigint, list_id int);
INSERT INTO app.list_members SELECT i, 1 FROM pg_catalog.generate_series(1, 20) i;
DO $$
BEGIN
    PERFORM segments.add_field('app.numbers', 'rate', 'click_count::numeric / nullif(sent_count, 0)');
    PERFORM segments.add_membership('app.numbers', 'list', 'app.list_members', 'number_id', 'list_id', 'app.lists', 'id', 'name');
    PERFORM segments.suppress('app.numbers', sent => 3);
END $$;
SQL
like(as('app', q(SELECT segments.create('a', 'app.numbers', '{"everyone":true}'))), qr/no schema has been selected to create in/, 'a view needs a schema');
is(as('app', q(SET search_path = app; SELECT segments.create('clickers', 'numbers', '{"field":"click_count","operator":"greater","value":2}', security_invoker => false))),
    'clickers', 'the owner names a segment');
is(as('app', q(SELECT pg_catalog.count(*) FROM app.clickers)), '16', 'and reads it');
is(as('app', q(SELECT segments.count('app.numbers', '{"condition":"AND","rules":[{"segment":"clickers"},{"list":1},{"field":"rate","operator":"greater","value":0.5}]}'))),
    as('app', q(SELECT pg_catalog.count(*) FROM app.numbers n JOIN app.list_members m ON m.number_id = n.id WHERE click_count > 2 AND click_count::numeric / nullif(sent_count, 0) > 0.5)),
    'rules of all kinds of fields');
is(as('app', q(SELECT pg_catalog.count(*) FROM segments.suppressed)), as('app', q(SELECT pg_catalog.count(*) FROM app.numbers WHERE sent_count >= 3 AND click_count = 0)), 'the suppressed');
is(as('app', q(SELECT pg_catalog.count(*) FROM segments.members(NULL::app.numbers, '{"list":1}'))),
    as('app', q(SELECT pg_catalog.count(*) FROM segments.keys('app.numbers', '{"list":1}'))), 'members and keys');

# Somebody else: may look at what is described, reads nothing.
is(as('analyst', q(SELECT name FROM segments.list)), 'clickers', 'the list is open');
is(as('analyst', q(SELECT pg_catalog.count(*) FROM segments.fields('app.numbers'))), '6', 'so are the fields');
is(as('analyst', q(SELECT segments.count('app.numbers', '{"everyone":true}'))), 'permission denied for table numbers', 'the members are not');
is(as('analyst', q(SELECT segments.suppress('app.numbers', sent => 1))), 'must be owner of table app.numbers', 'nor may anybody suppress');
is(as('analyst', q(SELECT pg_catalog.count(*) FROM segments.suppressed)), '0', 'nor see who is');
is(as('analyst', q(SELECT segments.builder('app.numbers'))), 'permission denied for table lists', 'nor the names of lists');
# With SELECT: names segments of one's own, which their owner's later redefinition reaches.
as('app', 'GRANT SELECT ON app.numbers, app.list_members, app.lists TO analyst');
is(as('analyst', q(SET search_path = analyst; SELECT segments.create('keen', 'app.numbers', '{"condition":"AND","rules":[{"field":"rate","operator":"greater","value":1},{"segment":"clickers"}]}', '{id}'))),
    'keen', 'an analyst names a segment');
my $keen = as('analyst', 'SELECT pg_catalog.count(*) FROM analyst.keen');
is(as('app', q(SELECT segments.add_field('app.numbers', 'rate', '0'))), '', 'the owner redefines a field');
is(as('analyst', 'SELECT pg_catalog.count(*) FROM analyst.keen'), '0', 'which the analyst\'s segment follows');
as('app', q(SELECT segments.add_field('app.numbers', 'rate', 'click_count::numeric / nullif(sent_count, 0)')));
is(as('analyst', 'SELECT pg_catalog.count(*) FROM analyst.keen'), $keen, 'and back');
is(as('app', q(SELECT segments.alter('keen', '{"everyone":true}'))), 'must be owner of view analyst.keen', 'its rule is the analyst\'s');
is(as('app', q(SELECT segments.drop_field('app.numbers', 'rate'))), 'cannot drop field "rate" because stored rules use it', 'and holds its field');

# BI reads the view and nothing else; a tenant under row security reads its own rows.
as('app', 'GRANT SELECT ON app.clickers TO bi');
is(as('bi', 'SELECT pg_catalog.count(*) FROM app.clickers'), '16', 'BI reads the view');
is(as('bi', 'SELECT pg_catalog.count(*) FROM app.numbers'), 'permission denied for table numbers', 'and no table');
is(as('app', <<'SQL'), '', 'row security');
GRANT SELECT ON app.numbers TO tenant;
ALTER TABLE app.numbers ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON app.numbers USING (tenant = CURRENT_USER);
SQL
is(as('tenant', q(SELECT segments.count('app.numbers', '{"field":"click_count","operator":"greater","value":2}'))),
    as('tenant', q(SELECT pg_catalog.count(*) FROM app.numbers WHERE click_count > 2)), 'a tenant counts its own rows');
is(as('tenant', q(SELECT pg_catalog.bool_and(member::bigint % 2 = 0) FROM segments.suppressed)), 't', 'and sees its own suppressed');
is(as('bi', 'SELECT pg_catalog.count(*) FROM app.clickers'), '16', 'a view with its owner\'s rights is not under it');

# A role that acts through somebody's function acts as that somebody.
is(as('app', <<'SQL'), '', 'a function with the owner\'s rights');
CREATE FUNCTION app.stop_after(n int) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$ SELECT segments.suppress('app.numbers', sent => n) $$;
SQL
is(as('bi', 'SELECT app.stop_after(5)'), '', 'lets others choose N');
is(as('app', q(SELECT rule::json #>> '{rules,0,value}' FROM segments.suppression)), '5', 'as its owner');

$node->stop;
done_testing();
