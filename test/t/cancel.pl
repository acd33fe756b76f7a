# Statements are cancelled at every moment: by a timeout that grows, and by signals. The session goes on, nothing is left half done, no memory is
# lost, and a statement that would run for hours ends at once. CANCELLATIONS sets how many signals are tried for each statement.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Faults;
use IPC::Run qw(start kill_kill);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $signals = $ENV{CANCELLATIONS} || 20;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nfsync = off\nlog_statement = none\nautovacuum = off");
$node->start;
populate($node);

my $ask = session($node);
my $pid = $ask->('SELECT pg_backend_pid()');
my $whole = q(SELECT broken(); SELECT segments.count('numbers') > 0);

# Runs a statement, with what makes it possible again, a number of times while signals come at random: how many were cancelled, and what else was said.
sub storm {
    my ($statement, $again, $span, $times) = @_;
    my $signaller = start([ 'perl', '-MTime::HiRes=usleep', '-e', 'for (;;) { usleep(1 + rand $ARGV[1]); kill INT => $ARGV[0] or exit }', $pid, int($span * 1_500_000) ]);
    my $said = $ask->(join ";\n", ($statement, $again) x $times);
    kill_kill($signaller, grace => 0);
    usleep 1000;
    return (scalar(() = $said =~ /ERROR:  57014:/g), join ' ', grep { !/^(?:57014|42710|42704|42703|42701|42P01)$/ } $said =~ /(?:ERROR|FATAL|PANIC|server|connection)[: ]+(\w+)/g);
}

my $cancelled = 0;
for (statements()) {
    my ($name, $statement, $again) = @$_;
    $again //= 'SELECT';
    $ask->($again);
    my $began = time;
    my $answer = $ask->($statement);
    my $span = time - $began;
    unlike($answer, qr/ERROR|FATAL/, "$name: done");
    $ask->($again);

    # A timeout that grows until it is long enough.
    my $timeouts = 0;
    for (my $timeout = 1; $timeout < 1000; $timeout += 1 + int $timeout / 4) {
        my $said = within($ask, $timeout, $statement);
        last if $said !~ /ERROR/;
        like($said, qr/ERROR:  57014: canceling statement due to statement timeout/, 'a timeout says so') or last;
        $timeouts++;
        $ask->($again);
    }
    $ask->($again);
    # What is lost is lost again and again: memory that the first storms left with the allocator is not.
    my ($signalled, $others) = storm($statement, $again, $span, $signals);
    my $growth;
    for my $try (1 .. 4) {
        $ask->($again);
        my $before = resident($pid);
        my ($count, $other) = storm($statement, $again, $span, $signals);
        $signalled += $count;
        $others .= $other;
        $ask->($again);
        $growth = resident($pid) - $before;
        last if $growth < 1024;
    }
    is($others, '', 'no other error');
    cmp_ok($growth, '<', 1024, 'memory of the session');
    is($ask->($whole), 't', 'nothing half done');
    is($ask->($statement), $answer, 'the same answer') unless $name =~ /^(?:freeze|create)/;
    $ask->($again);
    note sprintf '%s: %.1f ms, %d timeouts, %d signals, memory %+d kB', $name, $span * 1000, $timeouts, $signalled, $growth;
    $cancelled += $timeouts + $signalled;
}
cmp_ok($cancelled, '>', 10 * $signals, "$cancelled cancellations");
is($ask->('SELECT pg_backend_pid()'), $pid, 'one session all along');

# What would run for hours ends soon.
my $everything = 'numbers a, numbers b, numbers c, rules r';
for (
    [ 'matches at run time', "SELECT count(*) FROM $everything WHERE segments.matches(c, r.rule)" ],
    [ 'matches with sub-selects at run time', "SELECT count(*) FROM $everything, (SELECT rule FROM segments.list WHERE audience = 'numbers'::regclass OFFSET 0) s WHERE segments.matches(c, s.rule)" ],
    [ 'keys', "SELECT count(*) FROM $everything, segments.keys('numbers', r.rule, NULL::bigint)" ],
    [ 'explain', "SELECT count(*) FROM $everything, segments.explain(c, r.rule)" ],
    [ 'of', "SELECT count(*) FROM $everything, segments.of(c)" ],
    [ 'suppressed', "SELECT count(*) FROM $everything, LATERAL (SELECT count(*) FROM numbers n WHERE segments.is_suppressed(n) AND n.id <> a.id) s" ],
    [ 'parsing', "SELECT max(length((repeat(' ', (a.id + b.id)::int) || l.rule)::segments.rule::text)) FROM large l, $everything" ],
    [ 'validate', "SELECT max(v.n) FROM large l, $everything, LATERAL (SELECT count(*) n FROM segments.validate('numbers', (repeat(' ', (a.id + b.id)::int) || l.rule)::json)) v" ],
) {
    my ($name, $statement) = @$_;
    my $began = time;
    like(within($ask, '300ms', $statement), qr/ERROR:  57014/, "$name for hours: cancelled");
    cmp_ok(time - $began, '<', 20, 'and soon');
}

# A cancellation while a value is tried is no fault of the value.
my $slow = q('{"condition":"AND","rules":[{"field":"carrier","operator":"matches_regex","value":"((((a{1,100}){1,100}){1,100}){1,100})"}]}');
for my $statement ("SELECT segments.count('numbers', $slow)", "SELECT * FROM segments.validate('numbers', $slow)") {
    my $said = within($ask, 5, $statement);
    like($said, qr/ERROR:  57014/, 'a regular expression that takes long to read is cancelled');
    unlike($said, qr/DETAIL|HINT/, 'and not to blame');
}

# Nor does one that waits for another's change stay.
my $other = session($node);
$other->(q(BEGIN; SELECT segments.add_field('numbers', 'waited for', '1')));
for my $statement (q(segments.suppress('numbers', sent => 7)), q(segments.alter('numbers who click', '{"everyone":true}')), q(segments.add_field('numbers', 'waiting', '2'))) {
    like(within($ask, '100ms', "SELECT $statement"), qr/ERROR:  57014/, "$statement, waiting: cancelled");
}
$other->('COMMIT');
is($ask->($whole), 't', 'nothing half done');
$other->(undef);
$ask->(undef);

is(server_fell($node), '', 'the server never fell');
$node->stop;
done_testing();
