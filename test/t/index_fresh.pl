# Many small changes: the first who looks at them need not ask the commit log about each, which writers have done while the pages were at hand. Who looks
# again need not read the pages of which the visibility map says what it said before, and reads those again of which it does not.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $changes = 30000;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\njit = off\nsegments.auto_compact = off");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION segments;
CREATE TABLE people (id bigint PRIMARY KEY);
CREATE TABLE clicks (person bigint, at timestamptz);
INSERT INTO people SELECT generate_series(1, 1000);
SELECT segments.add_audience('people'), segments.add_events('people', 'clicked', 'clicks', 'person', 'at'), segments.create_index('people');
SQL
$node->safe_psql('postgres', "DO \$\$ BEGIN FOR i IN 1..$changes LOOP INSERT INTO clicks VALUES (1 + i % 500, now()); IF i % 7 = 0 THEN ROLLBACK; ELSE COMMIT; END IF; END LOOP; END \$\$");

my $commit_log = "SELECT sum(blks_hit) FROM pg_stat_slru WHERE name IN ('Xact', 'transaction')";
my $question = q(SELECT count(*), sum(k) FROM segments.keys('people', '{"event": "clicked", "operator": "equal", "value": 51}') k);
my $before = $node->safe_psql('postgres', $commit_log);
my $members = $node->safe_psql('postgres', "SET segments.use_index = force; $question");
my $asked = $node->safe_psql('postgres', $commit_log) - $before;
cmp_ok($asked, '<', $changes / 2, "the commit log is asked about few of $changes changes");
is($members, $node->safe_psql('postgres', "SET segments.use_index = off; $question"), 'and only what was committed counts');
note "it was asked $asked times";

# Buffers that a count reads, once everything is known; and what it counts.
my $session = $node->background_psql('postgres');
sub look {
    my ($rule) = @_;
    my $buffers = 0;
    for (1 .. 2) {
        my $plan = $session->query_safe(qq(EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT segments.count('people', '$rule')));
        ($buffers) = $plan =~ /Buffers: shared hit=(\d+)/;
    }
    return ($buffers, $session->query_safe("SELECT segments.count('people', '$rule')"));
}
$session->query_safe('SET segments.use_index = force');
my $rule = '{"event": "clicked", "operator": "greater", "value": 51}';
my $pages = $node->safe_psql('postgres', q(SELECT pg_relation_size('segments.delta') / current_setting('block_size')::int));
my ($read, $count) = look($rule);
cmp_ok($read, '>', $pages, "$pages pages are looked at");
$node->safe_psql('postgres', 'VACUUM segments.delta');
($read, my $same) = look($rule);
cmp_ok($read, '<', $pages / 2, "after VACUUM they need not be: $read buffers");
is($same, $count, 'and the count is the same');
$node->safe_psql('postgres', 'INSERT INTO clicks SELECT 1 + i % 500, now() FROM generate_series(1, 5000) i');
is((look($rule))[1], $node->safe_psql('postgres', "SET segments.use_index = off; SELECT segments.count('people', '$rule')"), 'what was written since counts');
$node->safe_psql('postgres', q(SELECT segments.compact('people')));
$node->safe_psql('postgres', 'VACUUM segments.delta');
is((look($rule))[1], $node->safe_psql('postgres', "SET segments.use_index = off; SELECT segments.count('people', '$rule')"), 'so it does after compaction');
$session->quit;

$node->stop;
done_testing();
