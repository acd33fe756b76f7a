# An audience on another server, by postgres_fdw: the remote server is sent the whole rule, and the answers are its own.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($remote, $local) = map { PostgreSQL::Test::Cluster->new($_) } qw(remote local);
for ($remote, $local) {
    $_->init;
    $_->append_conf('postgresql.conf', "timezone = 'UTC'\nfsync = off");
    $_->start;
}
plan skip_all => 'postgres_fdw is not installed'
    unless $local->safe_psql('postgres', q(SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'));

# The remote server has no segments: it is asked plain SQL.
my $columns = 'id bigint NOT NULL, carrier text, sent_count int, click_count int, active boolean, spend numeric(8,2), seen timestamptz, born date, tags text[]';
$remote->safe_psql('postgres', <<SQL);
CREATE TABLE numbers ($columns, PRIMARY KEY (id));
INSERT INTO numbers SELECT i, (ARRAY['AT&T', 'Verizon', '100%_\\', NULL])[i % 4 + 1], i % 11, i % 5, i % 3 = 0, i / 7.0, timestamptz '2024-01-01Z' + i * interval '1 hour',
    date '1980-01-01' + i, ARRAY['t' || i % 3] FROM generate_series(1, 2000) i;
ANALYZE numbers;
SQL
my ($host, $port) = ($remote->host, $remote->port);
$local->safe_psql('postgres', <<SQL);
CREATE EXTENSION postgres_fdw;
CREATE EXTENSION segments;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'postgres');
CREATE USER MAPPING FOR CURRENT_USER SERVER elsewhere;
CREATE FOREIGN TABLE numbers ($columns) SERVER elsewhere;
SELECT segments.add_audience('numbers', 'id');
SELECT segments.add_field('numbers', 'weight', 'click_count * 3 + sent_count');
SELECT segments.add_field('numbers', 'rate', 'click_count::numeric / nullif(sent_count, 0)');
CREATE TABLE list_members (number_id bigint, list_id int);
INSERT INTO list_members SELECT i, i % 2 FROM generate_series(1, 500) i;
SELECT segments.add_membership('numbers', 'list', 'list_members', 'number_id', 'list_id');
SELECT segments.create('clickers', 'numbers', '{"field":"click_count","operator":"greater","value":2}', '{id}');
SQL

# How a query is sent, what is left to do here, and what it gives.
sub asked {
    my ($query) = @_;
    my $plan = $local->safe_psql('postgres', "EXPLAIN (VERBOSE, COSTS OFF) $query");
    my ($sent) = $plan =~ /Remote SQL: (.*)/;
    return ($sent, $plan =~ /^\s*(?:Filter|Join Filter|One-Time Filter): (.*)/m ? $1 : '', $local->safe_psql('postgres', $query));
}

sub leaf { return sprintf '{"field":"%s","operator":"%s","value":%s}', @_ }
my @rules = (
    [ leaf('carrier', 'equal', '"AT&T"'), q(carrier = 'AT&T') ],
    [ leaf('carrier', 'not_equal', '"AT&T"'), q(carrier IS DISTINCT FROM 'AT&T') ],
    [ leaf('carrier', 'in', '["AT&T","Verizon"]'), q(carrier IN ('AT&T', 'Verizon')) ],
    [ leaf('sent_count', 'between', '[2,5]'), 'sent_count BETWEEN 2 AND 5' ],
    [ leaf('click_count', 'not_between', '[1,3]'), 'click_count NOT BETWEEN 1 AND 3' ],
    [ leaf('active', 'equal', 'true'), 'active' ],
    [ leaf('spend', 'greater', '99.95'), 'spend > 99.95' ],
    [ leaf('seen', 'greater_or_equal', '"2024-02-01T00:00:00Z"'), q(seen >= '2024-02-01Z') ],
    [ leaf('born', 'less', '"1982-01-01"'), q(born < '1982-01-01') ],
    [ '{"field":"carrier","operator":"is_null"}', 'carrier IS NULL' ],
    [ leaf('weight', 'greater', '12'), 'click_count * 3 + sent_count > 12' ],
    [ '{"segment":"clickers"}', 'click_count > 2' ],
    [ '{"condition":"OR","not":true,"rules":[' . join(',', leaf('carrier', 'equal', '"Verizon"'), '{"condition":"AND","rules":[' . leaf('sent_count', 'greater', 8) . ',' . leaf('click_count', 'equal', 0) . ']}') . ']}',
        q((carrier = 'Verizon' OR sent_count > 8 AND click_count = 0) IS NOT TRUE) ],
);
for (@rules) {
    my ($rule, $condition) = @$_;
    my $expected = $remote->safe_psql('postgres', "SELECT count(*), sum(id) FROM numbers WHERE $condition");
    my ($sent, $left, $answer) = asked("SELECT id FROM numbers n WHERE segments.matches(n, '$rule')");
    ok($sent =~ / WHERE / && $left eq '', "the whole condition is sent: $condition") or diag("sent: $sent; left here: $left");
    ($sent, $left, $answer) = asked("SELECT count(*), sum(id) FROM numbers n WHERE segments.matches(n, '$rule')");
    is($answer, $expected, 'and gives what is there');
    like($sent, qr/SELECT count\(\*\), sum\(id\)/, 'counted there');
    ($sent, $left, $answer) = asked("SELECT count(*), sum(id) FROM segments.members(NULL::numbers, '$rule')");
    ok($answer eq $expected && $sent =~ / WHERE / && $left eq '', 'members') or diag("sent: $sent; left here: $left; $answer");
    is($local->safe_psql('postgres', "SELECT segments.count('numbers', '$rule') || '|' || (SELECT sum(k) FROM segments.keys('numbers', '$rule') k)"), $expected, 'count and keys');
}
my ($sent, $left, $answer) = asked('SELECT count(*) FROM clickers');
ok($sent =~ /WHERE .*click_count > 2/ && $left eq '', 'so is a segment\'s view');
is($answer, '800', 'with its count');

# What postgres_fdw sends nowhere (sub-selects, now(), NULLIF, functions that another server may not have) is left here and answers the same.
for ([ '{"list":1}', 'id <= 500 AND id % 2 = 1' ], [ leaf('rate', 'greater', '0.5'), 'click_count::numeric / nullif(sent_count, 0) > 0.5' ], [ leaf('seen', 'less_than_n_days', 100000), 'true' ],
    [ leaf('carrier', 'contains', '"%_"'), q(strpos(carrier, '%_') > 0) ], [ leaf('tags', 'contains', '"t1"'), q('t1' = ANY (tags)) ])
{
    my ($rule, $condition) = @$_;
    my $expected = $remote->safe_psql('postgres', "SELECT count(*), sum(id) FROM numbers WHERE $condition");
    is($local->safe_psql('postgres', "SELECT count(*), sum(id) FROM numbers n WHERE segments.matches(n, '$rule')"), $expected, "answered here: $condition");
    is($local->safe_psql('postgres', "SELECT segments.count('numbers', '$rule')"), $expected =~ s/\|.*//r, 'counted');
}

# The suppressed are left out there as well.
$local->safe_psql('postgres', q(SELECT segments.suppress('numbers', sent => 8)));
($sent, $left, $answer) = asked(q(SELECT count(*) FROM segments.members(NULL::numbers, '{"everyone":true}')));
ok($sent =~ /WHERE .*sent_count/ && $left eq '', 'suppression is sent') or diag("sent: $sent; left here: $left");
is($answer, $remote->safe_psql('postgres', 'SELECT count(*) FROM numbers WHERE NOT (sent_count >= 8 AND click_count = 0)'), 'and leaves them out');

$_->stop for $local, $remote;
done_testing();
