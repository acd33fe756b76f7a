# A hot standby answers everything, follows what changes on the primary, and refuses to write as PostgreSQL does.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "timezone = 'UTC'\nfsync = off");
$primary->start;
$primary->safe_psql('postgres', <<'SQL');
CREATE EXTENSION segments;
CREATE TABLE numbers (id bigint PRIMARY KEY, carrier text, sent_count int, click_count int);
INSERT INTO numbers SELECT i, (ARRAY['AT&T', 'Verizon', NULL])[i % 3 + 1], i % 11, i % 5 FROM generate_series(1, 2000) i;
CREATE TABLE lists (id int PRIMARY KEY, name text);
INSERT INTO lists VALUES (0, 'none'), (1, 'some');
CREATE TABLE list_members (number_id bigint, list_id int);
INSERT INTO list_members SELECT i, i % 2 FROM generate_series(1, 500) i;
ANALYZE;
SELECT segments.add_field('numbers', 'rate', 'click_count::numeric / nullif(sent_count, 0)');
SELECT segments.add_membership('numbers', 'list', 'list_members', 'number_id', 'list_id', 'lists', 'id', 'name');
SELECT segments.create('clickers', 'numbers', '{"field":"click_count","operator":"greater","value":2}');
SELECT segments.create('keen', 'numbers', '{"condition":"AND","rules":[{"segment":"clickers"},{"list":1},{"field":"rate","operator":"greater","value":0.3}]}', '{id}');
SELECT segments.suppress('numbers', sent => 8);
SQL
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));

# Both give the same to every question.
my $rule = q('{"condition":"AND","rules":[{"segment":"clickers"},{"list":1}]}');
my %questions = (
    'matches' => "SELECT count(*), sum(id) FROM numbers n WHERE segments.matches(n, $rule)",
    'matches at run time' => "SELECT count(*), sum(id) FROM numbers n, segments.list s WHERE segments.matches(n, s.rule)",
    'members' => "SELECT * FROM segments.members(NULL::numbers, $rule) ORDER BY id",
    'keys' => "SELECT array_agg(k ORDER BY k) FROM segments.keys('numbers', $rule) k",
    'keys of a type' => "SELECT array_agg(k ORDER BY k) FROM segments.keys('numbers', $rule, NULL::bigint) k",
    'count' => "SELECT segments.count('numbers', $rule), segments.count('numbers', $rule, false), segments.count('numbers')",
    'estimate' => "SELECT segments.estimate('numbers', $rule)",
    'explain' => "SELECT n.id, e.* FROM numbers n, segments.explain(n, $rule) e WHERE id < 10 ORDER BY id, path",
    'sql' => "SELECT segments.sql('numbers', $rule)",
    'validate' => q(SELECT * FROM segments.validate('numbers', '{"condition":"AND","rules":[{"field":"carier","operator":"equal","value":1},{"list":7}]}')),
    'describe' => "SELECT segments.describe('numbers', $rule)",
    'views' => 'SELECT count(*), sum(id) FROM clickers UNION ALL SELECT count(*), sum(id) FROM keen',
    'suppressed' => 'SELECT * FROM segments.suppressed ORDER BY member',
    'is_suppressed' => 'SELECT count(*) FROM numbers n WHERE segments.is_suppressed(n)',
    'of' => 'SELECT n.id, o FROM numbers n, segments.of(n) o WHERE n.id < 100 ORDER BY 1, 2',
    'list' => 'SELECT * FROM segments.list ORDER BY name',
    'fields' => q(SELECT * FROM segments.fields('numbers')),
    'builder' => q(SELECT segments.builder('numbers'), segments.builder('numbers', 'rqb')),
    'targets' => q(SELECT * FROM segments.targets('numbers')),
);
for my $name (sort keys %questions) {
    my $answer = $standby->safe_psql('postgres', $questions{$name});
    isnt($answer, '', "$name: an answer");
    is($answer, $primary->safe_psql('postgres', $questions{$name}), 'that of the primary');
}

# A session there sees what was replayed in its very next statement: with what it has cached, prepared and planned.
my $session = $standby->background_psql('postgres');
my $counts = q(SELECT concat_ws(' ', segments.count('numbers'), (SELECT count(*) FROM segments.members(NULL::numbers, '{"everyone":true}')), (SELECT count(*) FROM clickers),
    (SELECT count(*) FROM segments.suppressed), (SELECT count(*) FROM numbers n WHERE segments.is_suppressed(n)), (SELECT count(*) FROM numbers n WHERE segments.matches(n, '{"segment":"clickers"}'))));
sub here { return $session->query($_[0]) =~ s/\s+$//r }
here("PREPARE counts AS $counts");
here('SET plan_cache_mode = force_generic_plan');
my $before = here('EXECUTE counts') && here('EXECUTE counts');
for my $change (q(segments.suppress('numbers', sent => 2)), q(segments.suppress('numbers', '{"list":1}', reason => 'opted out')), q(segments.unsuppress('numbers')),
    q(segments.alter('clickers', '{"field":"click_count","operator":"greater","value":3}')), q(segments.add_field('numbers', 'rate', 'sent_count')))
{
    $primary->safe_psql('postgres', "SELECT $change");
    $primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
    my $after = here('EXECUTE counts');
    is($after, $primary->safe_psql('postgres', $counts), "$change: seen at once");
    isnt($after, $before, 'and a change') unless $change =~ /add_field/;
    $before = $after;
}
$session->quit;

# Nothing is written there.
for my $call (q(create('x', 'numbers', '{"everyone":true}')), q(alter('keen', '{"everyone":true}')), q(rename('keen', 'x')), q(drop('keen')), q(rebuild('numbers')),
    q(suppress('numbers', sent => 1)), q(unsuppress('numbers', 'opted out')), q(add_field('numbers', 'x', '1')), q(add_audience('numbers')), q(drop_field('numbers', 'rate')),
    q(drop_audience('numbers')), q(freeze('numbers', '{"everyone":true}', 'list', '1')))
{
    my ($status, $out, $error) = $standby->psql('postgres', "\\set VERBOSITY verbose\nSELECT segments.$call");
    like($error, qr/ERROR:  25006: cannot execute .* (?:in a read-only transaction|during recovery)|ERROR:  55000: .*during recovery/, "$call is refused");
}

# Promoted, it is a primary like any other.
$standby->promote;
is($standby->safe_psql('postgres', q(SELECT segments.create('x', 'numbers', '{"segment":"keen"}', '{id}'))), 'x', 'promoted, it names segments');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM x'), $standby->safe_psql('postgres', 'SELECT count(*) FROM keen'), 'that can be asked');

$standby->stop;
$primary->stop;
done_testing();
