# Plans across sessions: what one session changes, another's cached plans follow at once; a fresh session plans a view like any other.
use strict;
use warnings;
use IPC::Run qw(start pump finish timeout);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('plans');
$node->init;
$node->start;
$node->safe_psql('postgres', q{
    CREATE EXTENSION segments;
    CREATE TABLE numbers (id bigint PRIMARY KEY, sent_count int NOT NULL, click_count int NOT NULL);
    INSERT INTO numbers SELECT i, i % 10, i % 4 FROM generate_series(1, 1000) AS i;
    CREATE TABLE list_members (list int, number bigint, PRIMARY KEY (list, number));
    INSERT INTO list_members SELECT 1, i FROM generate_series(1, 100) AS i;
    ANALYZE;
    SELECT segments.add_audience('numbers');
    SELECT segments.add_field('numbers', 'score', 'click_count');
    SELECT segments.add_membership('numbers', 'list', 'list_members', member => 'number', value => 'list');
    SELECT segments.create('scored', 'numbers', '{"field": "score", "operator": "equal", "value": 3}');
    CREATE VIEW by_hand AS SELECT * FROM segments.members(NULL::numbers, '{"field": "sent_count", "operator": "equal", "value": 3}');
});

# A session that stays.
my ($in, $out, $errors) = ('', '', '');
my $session = start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out, '2>', \$errors, timeout(180));

# What it answers.
sub ask
{
    my ($query) = @_;
    $out = $errors = '';
    $in .= "$query;\n\\echo done\n";
    pump $session until $out =~ /^done$/m;
    $out =~ s/done\n//;
    chomp $out;
    return $errors ne '' ? $errors : $out;
}

ask('SET plan_cache_mode = force_generic_plan');
my %prepared = (
    'matches, constant' => q{SELECT count(*) FROM numbers n WHERE segments.matches(n, '{"field": "score", "operator": "equal", "value": 3}')},
    'members' => q{SELECT count(*) FROM segments.members(NULL::numbers, '{"field": "score", "operator": "equal", "value": 3}')},
    'keys' => q{SELECT count(*) FROM segments.keys('numbers', '{"field": "score", "operator": "equal", "value": 3}')},
    'a segment in a rule' => q{SELECT count(*) FROM numbers n WHERE segments.matches(n, '{"segment": "scored"}') AND NOT segments.is_suppressed(n)},
    'the view' => 'SELECT count(*) FROM scored',
);
ask("PREPARE p$_ AS " . $prepared{(sort keys %prepared)[$_]}) for 0 .. keys(%prepared) - 1;
ask('PREPARE of (bigint) AS SELECT count(*) FROM numbers n, segments.of(n) WHERE id = $1');
ask(q{CREATE TEMP TABLE rules AS SELECT '{"field": "score", "operator": "equal", "value": 3}'::segments.rule AS rule});
ask('PREPARE at_run_time AS SELECT count(*) FROM numbers n JOIN rules r ON segments.matches(n, r.rule)');

# Every prepared statement's count; the first two do not heed suppression.
sub counts
{
    my ($what, $members, $heeded) = @_;
    my @names = sort keys %prepared;
    for my $i (0 .. $#names) {
        is(ask("EXECUTE p$i"), $names[$i] eq 'matches, constant' ? $members : $heeded, "$what: $names[$i]");
    }
    is(ask('EXECUTE at_run_time'), $members, "$what: at run time");
}

counts('at first', 250, 250);
is(ask('EXECUTE of (3)'), 1, 'at first: of');

$node->safe_psql('postgres', q{SELECT segments.add_field('numbers', 'score', 'sent_count')});
counts('a field redefined', 100, 100);
is(ask('EXECUTE of (7)'), 0, 'a field redefined: of');

$node->safe_psql('postgres', q{SELECT segments.suppress('numbers', '{"list": 1}', reason => 'tests')});
counts('suppression begun', 100, 90);
is(ask('EXECUTE of (13)'), 0, 'suppression begun: of');
$node->safe_psql('postgres', q{SELECT segments.suppress('numbers', '{"field": "id", "operator": "less_or_equal", "value": 500}', reason => 'tests')});
counts('suppression changed', 100, 50);
$node->safe_psql('postgres', q{SELECT segments.unsuppress('numbers', 'tests')});
counts('suppression lifted', 100, 100);
is(ask('EXECUTE of (13)'), 1, 'suppression lifted: of');

$node->safe_psql('postgres', q{SELECT segments.alter('scored', '{"field": "id", "operator": "less_or_equal", "value": 7}')});
is(ask('EXECUTE of (7)'), 1, 'a segment altered: of');
is(ask('SELECT count(*) FROM scored'), 7, 'a segment altered: its view');

# A statement that has begun goes on with its own answer; the next one sees the change.
ask('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
$node->safe_psql('postgres', q{INSERT INTO numbers VALUES (5000, 3, 3)});
is(ask(q{SELECT segments.count('numbers', '{"field": "score", "operator": "equal", "value": 3}')}), 100, 'a snapshot holds');
ask('COMMIT');
is(ask(q{SELECT segments.count('numbers', '{"field": "score", "operator": "equal", "value": 3}')}), 101, 'until its transaction ends');

$in .= "\\q\n";
finish $session;

# A session that has never called the library before.
unlike($node->safe_psql('postgres', 'EXPLAIN SELECT * FROM by_hand WHERE id = 3 LIMIT 1'), qr/Function Scan/, 'fresh session: a view of members has no function scan');
like($node->safe_psql('postgres', 'EXPLAIN SELECT * FROM by_hand WHERE id = 3 LIMIT 1'), qr/Index Scan using numbers_pkey/, 'fresh session: one index scan');
is($node->safe_psql('postgres', 'SELECT count(*) FROM by_hand'), 101, 'fresh session: its members');
unlike($node->safe_psql('postgres', q{EXPLAIN SELECT * FROM numbers n WHERE segments.matches(n, '{"list": 1}')}), qr/matches|SubPlan/, 'fresh session: matches');

# Counts and estimates as the statistics have it, and cancelling.
my ($status, $stdout, $stderr) = $node->psql('postgres', q{SET statement_timeout = '200ms'; SELECT segments.add_field('numbers', 'slow', 'CASE WHEN pg_sleep(0.01) IS NULL THEN 0 ELSE 1 END');
    SELECT segments.count('numbers', '{"field": "slow", "operator": "equal", "value": 1}')});
like($stderr, qr/canceling statement due to statement timeout/, 'count can be cancelled');
for my $query (q{SELECT count(*) FROM segments.keys('numbers', '{"field": "slow", "operator": "equal", "value": 1}')},
    q{SELECT segments.keys('numbers', '{"field": "slow", "operator": "equal", "value": 1}')},
    q{SELECT count(*) FROM numbers n, (VALUES ('{"field": "slow", "operator": "equal", "value": 1}'::segments.rule)) r (rule) WHERE segments.matches(n, r.rule)}) {
    ($status, $stdout, $stderr) = $node->psql('postgres', "SET statement_timeout = '200ms'; $query");
    like($stderr, qr/canceling statement due to statement timeout/, "cancelled: $query");
}

# The audience's functions are dumped, and restored they still keep nothing from being dropped.
my $dump = $node->basedir . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ], 'dumps');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('restored'), $dump ], 'restores');
unlike($node->safe_psql('restored', 'EXPLAIN SELECT * FROM by_hand WHERE id = 3'), qr/Function Scan/, 'restored: members in FROM is part of the query');
is($node->safe_psql('restored', 'SELECT count(*) FROM by_hand'), 101, 'restored: the same members');
$node->safe_psql('restored', 'DROP VIEW by_hand; DROP TABLE numbers CASCADE');
is($node->safe_psql('restored', q{SELECT count(*) FROM pg_proc WHERE proname IN ('members_of', 'keys_of')}), 0, 'restored: functions go with their audience');
$node->safe_psql('restored', q{CREATE TABLE plain (id int PRIMARY KEY); SELECT segments.add_audience('plain')});
$node->safe_psql('restored', 'DROP TABLE plain');
is($node->safe_psql('restored', q{SELECT count(*) FROM pg_proc WHERE proname IN ('members_of', 'keys_of')}), 0, 'without CASCADE too');
$node->safe_psql('restored', q{CREATE TABLE plain (id int PRIMARY KEY); SELECT segments.add_audience('plain'); DROP EXTENSION segments});
is($node->safe_psql('restored', q{SELECT count(*) FROM pg_proc WHERE proname IN ('members_of', 'keys_of')}), 0, 'and with the extension');

$node->stop;
done_testing();
