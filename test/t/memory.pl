# Memory runs out at one allocation after another, in PostgreSQL or in this library: an error that says so, after which the same session gives the
# same answers; nothing is left half done, nothing crashes. DENSITY sets how close the allocations lie that fail.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Faults;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $density = $ENV{DENSITY} || 4;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nfsync = off\nlog_statement = none\nautovacuum = off\njit = off");
my $library = $node->basedir . '/memory.so';
chomp(my $headers = `pg_config --includedir-server`);
system_or_bail('cc', '-shared', '-fPIC', '-O1', "-I$headers", '-o', $library, "$FindBin::RealBin/memory.c");
{
    local $ENV{LD_PRELOAD} = $library;
    $node->start;
}
populate($node);

# A statement of which an allocation fails, then once more without; both undone. How they ended, and how many allocations there were.
$node->safe_psql('postgres', <<SQL);
CREATE FUNCTION fail_at(bigint) RETURNS bigint LANGUAGE c AS '$library', 'fail_at';
CREATE FUNCTION answer(statement text) RETURNS text LANGUAGE plpgsql AS \$\$
DECLARE
    answer text;
BEGIN
    IF statement LIKE 'SELECT%' THEN
        EXECUTE statement INTO answer;
    ELSE
        EXECUTE statement;
    END IF;
    RETURN hashtext(answer);
END \$\$;
CREATE FUNCTION attempt(statement text, n bigint, OUT ended text, OUT allocations bigint, OUT ended_afterwards text) LANGUAGE plpgsql AS \$\$
DECLARE
    detail text;
BEGIN
    BEGIN
        PERFORM fail_at(n);
        ended := answer(statement);
        allocations := fail_at(0);
        RAISE SQLSTATE 'ZZ000';
    EXCEPTION WHEN SQLSTATE 'ZZ000' THEN
    WHEN OTHERS THEN
        PERFORM fail_at(0);
        GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
        -- More ways of PostgreSQL to say so: of a regular expression, of a library to be loaded, of a setting.
        ended := CASE WHEN SQLSTATE = '53200' OR SQLSTATE = '22023' AND SQLERRM LIKE 'invalid value for parameter %' OR SQLERRM LIKE '%out of memory%' OR SQLSTATE = '58P01' AND SQLERRM LIKE 'could not load library%' THEN '53200'
            ELSE format('%s %s %s', SQLSTATE, SQLERRM, hashtext(detail)) END;
    END;
    BEGIN
        ended_afterwards := answer(statement);
        RAISE SQLSTATE 'ZZ000';
    EXCEPTION WHEN SQLSTATE 'ZZ000' THEN
    WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
        ended_afterwards := format('%s %s %s', SQLSTATE, SQLERRM, hashtext(detail));
    END;
END \$\$;
SQL

my $ask;
my ($failed, $ended) = (0, 0);

# Lets allocations of a statement fail, the next further away by one in so many, each in a new session or all in one: what went wrong.
sub sweep {
    my ($statement, $steps, $cold, $expected) = @_;
    my $wrong = '';
    for (my $n = 1;; $n += 1 + int $n / $steps) {
        if ($cold) {
            $ask->(undef);
            $ask = session($node);
            # Since 18, PostgreSQL crashes when it fills its cache of types for the first time after that has failed halfway.
            $ask->("SELECT '{}'::int[] = '{}'") if $node->pg_version >= 18;
        }
        my $said = $ask->("SELECT ended, allocations, ended_afterwards FROM attempt(\$statement\$$statement\$statement\$, $n)");
        # Where PostgreSQL changes its settings, it ends the session.
        if ($said =~ /FATAL:  53200.*LOCATION:  guc_/s) {
            $ended++;
            $ask = session($node);
            next;
        }
        my ($end, $allocations, $afterwards) = split /\|/, $said, 3;
        $failed++ if $end eq '53200';
        $wrong .= "$n: $said\n" unless ($end eq '53200' || $end eq $expected) && ($afterwards // '') eq $expected;
        last if length $wrong > 2000 || $end ne '53200' && (!$allocations || $allocations < $n);
    }
    return $wrong;
}

my @statements = (statements(), [ 'refuse', q(SELECT segments.count('numbers', format('{"condition":"AND","rules":[{"field":"carrier","%s":1}]}', repeat('long', 10000))::segments.rule)) ]);
push @statements, [ 'a soft error', q(SELECT pg_input_is_valid(rule, 'segments.rule') FROM large) ] if $node->pg_version >= 16;
for (@statements) {
    my ($name, $statement, $again) = @$_;
    $ask = session($node);
    $ask->($again) if $again;
    my $expected = '';
    my $began;
    for (1 .. 2) {
        $began = time;
        ($expected) = split /\|/, $ask->("SELECT ended, allocations, ended_afterwards FROM attempt(\$statement\$$statement\$statement\$, 0)");
    }
    my $span = time - $began;
    my $before = $failed;
    my $steps = $span < 0.03 ? $density : 1 + int $density / 8;
    is(sweep($statement, $steps, 0, $expected), '', "$name: out of memory is what it says");
    if ($name =~ /^(?:read|validate) much|jsonb|all_of/) {
        my $resident = resident($ask->('SELECT pg_backend_pid()'));
        is(sweep($statement, $steps, 0, $expected), '', 'again');
        cmp_ok(resident($ask->('SELECT pg_backend_pid()')) - $resident, '<', 1024, 'no memory is lost');
    }
    is(sweep($statement, 1 + int $density / 8, 1, $expected), '', 'also in a new session') if $span < 0.1;
    is($ask->('SELECT broken()'), '', 'nothing half done');
    note sprintf '%s: %d failures, %.1f s', $name, $failed - $before, time - $began;
    $ask->($again) if $again;
    $ask->(undef);
}
note "$failed failures; PostgreSQL ended $ended sessions";
cmp_ok($failed, '>', 500, 'memory ran out many times');

is(server_fell($node), '', 'the server never fell');
$node->stop;
done_testing();
