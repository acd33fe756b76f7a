# Building, compacting, writing and asking a segment index are cancelled at every moment, and run out of room in files: the session goes on, nothing is
# half done, no answer is wrong. CANCELLATIONS sets how many signals are tried for each statement.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Faults qw(session within resident server_fell);
use IndexTorture qw(settings index_tables);
use IPC::Run qw(start kill_kill);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $signals = $ENV{CANCELLATIONS} || 20;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--wal-segsize=1']);
$node->append_conf('postgresql.conf', settings() . "log_statement = none\nautovacuum = off\nsegments.auto_compact = off\nmin_wal_size = 2MB\nmax_wal_size = 64MB");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION segments;
CREATE TABLE aud (id bigint PRIMARY KEY, n int, big bigint, word text, tags int[]);
INSERT INTO aud SELECT i * 7, i % 100, hashint8extended(i, 1), 'w' || i % 50, ARRAY[i % 7, i % 11] FROM generate_series(1, 40000) i;
CREATE TABLE lists (member bigint, list int, PRIMARY KEY (member, list));
INSERT INTO lists SELECT i * 7, i % 20 FROM generate_series(1, 30000) i;
CREATE TABLE visits (member bigint, at timestamptz);
INSERT INTO visits SELECT i % 15000 * 7, '2024-01-01Z'::timestamptz + i * interval '1 minute' FROM generate_series(1, 50000) i;
SELECT segments.add_membership('aud', 'list', 'lists', 'member', 'list'), segments.add_events('aud', 'visits', 'visits', 'member', 'at');
ANALYZE;
CREATE TABLE rules (rule segments.rule);
INSERT INTO rules VALUES ('{"everyone":true}'), ('{"condition":"OR","rules":[{"field":"n","operator":"less","value":10},{"field":"big","operator":"greater","value":0}]}'), ('{"list":3}'),
    ('{"condition":"AND","not":true,"rules":[{"field":"word","operator":"begins_with","value":"w1"},{"event":"visits","operator":"less","value":4}]}'), ('{"field":"tags","operator":"contains","value":5}');
-- A row for each thing that is not whole.
CREATE FUNCTION broken() RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT format('%s: %s by the index, %s by SQL', rule, i, s) FROM (SELECT rule, segments.count_by_index('aud', rule) i, segments.count_by_sql('aud', rule) s FROM rules OFFSET 0) c WHERE i <> s;
    RETURN QUERY SELECT format('rows of %s that belong to nothing', t) FROM (SELECT 'slice_entry' t, id FROM segments.slice_entry UNION ALL SELECT 'delta', id FROM segments.delta UNION ALL SELECT 'dictionary', id FROM segments.dictionary
        UNION ALL SELECT 'index_source', id FROM segments.index_source UNION ALL SELECT 'index_field', id FROM segments.index_field
        UNION ALL SELECT 'slice', ('x' || encode(substring(data, 4, 1) || substring(data, 3, 1) || substring(data, 2, 1) || substring(data, 1, 1), 'hex'))::bit(32)::int FROM segments.slice) r
        WHERE id NOT IN (SELECT id FROM segments.index_state) GROUP BY t;
    RETURN QUERY SELECT format('trigger %s of %s', tgname, tgrelid::regclass) FROM pg_trigger WHERE tgname LIKE 'segments%' AND NOT EXISTS (SELECT FROM segments.index_source WHERE relation = tgrelid);
    RETURN QUERY SELECT format('index of %s without %s', d.audience, CASE WHEN i.audience IS NULL THEN 'state' ELSE 'data' END) FROM segments.index_definition d LEFT JOIN segments.index_state i ON i.audience = d.audience WHERE i.generation IS NULL;
    RETURN QUERY SELECT problem FROM segments.index_status WHERE NOT usable;
END $$;
SQL

my $change = q(UPDATE aud SET n = n + 1, word = 'w' || n WHERE id % 10 = 0; UPDATE visits SET at = at - interval '1 second' WHERE member % 50 = 0; INSERT INTO lists SELECT i * 7, 21 FROM generate_series(1, 15000, 7) i ON CONFLICT DO NOTHING; DELETE FROM lists WHERE member % 500 = 3);
my $none = "SELECT segments.drop_index('aud') FROM segments.index_definition";
my $one = "SELECT segments.create_index('aud') WHERE NOT EXISTS (SELECT FROM segments.index_definition)";
my @statements = (
    [ 'create_index', "SELECT segments.create_index('aud')", $none ],
    [ 'drop_index', "SELECT segments.drop_index('aud')", $one ],
    [ 'rebuild_index', "SELECT segments.rebuild_index('aud')", $one ],
    [ 'compact', "SELECT segments.compact('aud')", "$one; $change" ],
    [ 'write', 'UPDATE aud SET n = 1, tags = NULL', "$one" ],
    [ 'write lists', 'UPDATE lists SET list = list + 100', "$one; UPDATE lists SET list = list % 100" ],
    [ 'count', q(SELECT count(segments.count_by_index('aud', rule)) FROM rules), $one ],
    [ 'count changes', q(SELECT count(segments.count_by_index('aud', rule)) FROM rules), "$one; UPDATE aud SET n = n + 1 WHERE id % 50 = 0" ],
    [ 'keys', q(SELECT count(*) FROM rules, segments.keys('aud', rule, false)), $one ],
);

my $ask = session($node);
my $pid = $ask->('SELECT pg_backend_pid()');
my $cancelled = 0;
for (@statements) {
    my ($name, $statement, $again) = @$_;
    $ask->("SET segments.use_index = force; $again");
    my $began = time;
    my $answer = $ask->($statement);
    my $span = time - $began;
    unlike($answer, qr/ERROR|FATAL/, "$name: done");
    is($ask->('SELECT broken()'), '', "$name: whole");
    # A timeout that grows until it is long enough.
    my ($timeouts, @bad) = (0);
    for (my $timeout = 1; $timeout < 3000; $timeout += 1 + int $timeout / 2) {
        $ask->($again);
        my $said = within($ask, $timeout, $statement);
        last if $said !~ /ERROR/;
        $timeouts++;
        push @bad, "$timeout ms: $said" if $said !~ /ERROR:  57014: canceling statement due to statement timeout/;
        my $broken = $ask->('SELECT broken()');
        push @bad, "$timeout ms: $broken" if $broken ne '';
    }
    is(join("\n", @bad), '', "$name: after $timeouts timeouts, none wrong");
    # Signals at random; what is lost each time is lost again and again.
    my ($signalled, $others, $growth, $before) = (0, '');
    for my $try (1 .. 3) {
        $before = resident($pid);
        my $signaller = start([ 'perl', '-MTime::HiRes=usleep', '-e', 'for (;;) { usleep(1 + rand $ARGV[1]); kill INT => $ARGV[0] or exit }', $pid, int($span * 1_500_000) ]);
        my $said = $ask->(join ";\n", ($statement, $again) x int(1 + $signals / 3));
        kill_kill($signaller, grace => 0);
        usleep 1000;
        $signalled += () = $said =~ /ERROR:  57014:/g;
        $others .= join ' ', grep { !/^(?:57014|42710|42704|25P02)$/ } $said =~ /(?:ERROR|FATAL|PANIC|server|connection)[: ]+(\w+)/g;
        $ask->($again);
        $growth = resident($pid) - $before;
        last if $growth < 2048;
    }
    is($others, '', "$name: after $signalled signals, no other error");
    cmp_ok($growth, '<', 2048, "$name: memory of the session");
    is($ask->('SELECT broken()'), '', "$name: whole");
    $cancelled += $timeouts + $signalled;
    note sprintf '%s: %.0f ms, %d timeouts, %d signals, memory %+d kB', $name, $span * 1000, $timeouts, $signalled, $growth;
}
cmp_ok($cancelled, '>', 4 * @statements, "$cancelled cancellations");
is($ask->('SELECT pg_backend_pid()'), $pid, 'one session all along');

# Two builds at once, and a build that waits for a writer: cancelled, they leave nothing.
my $other = session($node);
$other->("$one; BEGIN; UPDATE aud SET n = 1 WHERE id = 1");
for my $statement ("SELECT segments.rebuild_index('aud')", "SELECT segments.drop_index('aud')") {
    like(within($ask, '100ms', $statement), qr/ERROR:  57014/, "$statement, waiting for a writer: cancelled");
}
# A compaction waits for nobody.
unlike(within($ask, '5s', "SELECT segments.compact('aud')"), qr/ERROR/, 'a compaction waits for no writer');
$other->("SELECT segments.compact('aud')");
is(within($ask, '5s', "SELECT segments.compact('aud')"), 'f', 'nor for another compaction');
$other->('COMMIT');
is($ask->('SELECT broken()'), '', 'whole');
$other->(undef);
$ask->(undef);
is(server_fell($node), '', 'the server never fell');

# No room ----------------------------------------------------------------------------------------------------------------------------------

# Files may grow to a size, and no further: as on a disk that is full. New processes inherit the limit from the postmaster.
SKIP: {
    my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
    my $limit = sub { return system('prlimit', "--fsize=$_[0]:unlimited", '--pid', $postmaster) == 0 };
    skip 'NO LIMIT OF FILES CAN BE SET HERE: building and compacting without room is not tested', 1 unless $limit->('unlimited');
    $node->safe_psql('postgres', "$none; ALTER TABLE aud ADD c1 bigint, ADD c2 bigint, ADD c3 bigint, ADD c4 bigint, ADD c5 bigint; UPDATE aud SET c1 = hashint8extended(id, 1), c2 = hashint8extended(id, 2), c3 = hashint8extended(id, 3), c4 = hashint8extended(id, 4), c5 = hashint8extended(id, 5)");
    $node->safe_psql('postgres', "VACUUM FULL segments.slice; $one");
    my $size = $node->safe_psql('postgres', q(SELECT pg_relation_size('segments.slice')));
    note "segments.slice: $size bytes";
    my $refused = 0;
    for my $share (0.3, 0.9, 1.5) {
        # The tables of users are larger, and not written to here but for a few rows.
        for my $statement ("SELECT segments.rebuild_index('aud')", "SELECT segments.compact('aud')", "SELECT segments.drop_index('aud'), segments.create_index('aud')") {
            $node->safe_psql('postgres', "$one; UPDATE aud SET n = n + 1, c1 = c1 + 1 WHERE id % 9 = 0") if $statement =~ /compact/;
            $limit->(int($size * $share)) or die;
            my ($status, undef, $error) = $node->psql('postgres', $statement);
            $limit->('unlimited') or die;
            $refused++ if $status;
            like($error, qr/^$|could not (?:extend|write)/, sprintf('%.2f of the room, %s: %s', $share, $statement, $error eq '' ? 'done' : 'refused'));
            is($node->safe_psql('postgres', 'SELECT broken()'), '', 'whole');
            $node->safe_psql('postgres', 'VACUUM segments.slice');
        }
    }
    cmp_ok($refused, '>', 2, "$refused times there was no room");
    # A writer for whose changes there is no room fails, and has changed nothing.
    $node->safe_psql('postgres', 'VACUUM FULL segments.delta');
    $limit->(8192 * 3);
    my ($status, undef, $error) = $node->psql('postgres', 'UPDATE visits SET at = at + interval \'1 day\'');
    $limit->('unlimited');
    like($error, qr/could not (?:extend|write)/, 'no room for changes');
    is($node->safe_psql('postgres', 'SELECT broken()'), '', 'whole');
}
like(server_fell($node), qr/^$|File too large/, 'the server never fell');
$node->stop;
done_testing();
