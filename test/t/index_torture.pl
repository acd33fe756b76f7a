# Whatever can be done to the tables of a segment index is done, at random: after every statement, also within open transactions and within triggers,
# index and tables give the same to every rule. SEED and STEPS set from where, and how long; SHAPES which of the audiences.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Faults qw(server_fell older_than);
use IndexTorture;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $steps = $ENV{STEPS} || 60;
my @seeds = $ENV{SEED} ? ($ENV{SEED}) : (1, time);
my @fields = qw(n money ratio flag day word mood who tags nums list label twice id);

for my $shape ($ENV{SHAPES} ? split /,/, $ENV{SHAPES} : shapes()) {
    my $node = PostgreSQL::Test::Cluster->new($shape);
    $node->init;
    $node->append_conf('postgresql.conf', settings() . 'segments.auto_compact = off');
    $node->start;
    for my $seed (@seeds) {
        my $database = $shape . int $seed;
        torture_database($node, $database, $shape, nested => 1);
        is(play($node, $database, $shape, int $seed), '', "$shape, seed @{[ int $seed ]}: none wrong");
    }
    is(server_fell($node), '', "$shape: the server never fell");
    $node->stop;
}
done_testing();

# Some statements in a database, and what was wrong after them.
sub play {
    my ($node, $database, $shape, $seed) = @_;
    seeded($seed);
    my %sessions = map { $_ => talk($node, $database) } qw(a b);
    $_->("SET lock_timeout = '30ms'; SET client_min_messages = warning") for values %sessions;
    my ($in, $level, @savepoints, @prepared, $maybe_stale, @script, %done, $wrong) = (0, '');
    my ($asked, $indexed, $sets, $cold) = (0, 0, 0, 0);
    my $began = time;

    # Runs a statement; true where it was done.
    my $run = sub {
        my ($session, $sql) = @_;
        push @script, "-- $session\n$sql;";
        my $said = $sessions{$session}->($sql);
        my $bad = unexpected($said);
        $wrong = "after $script[-1]: $bad" if $bad ne '';
        return $said !~ /ERROR:/;
    };
    # Who truncates keeps all others waiting; after an error, a transaction does nothing more.
    my $excused = sub { return ($in || @prepared) && $_[0] =~ /ERROR:  (?:55P03|25P02)/ };
    # Compares in a session; what is not wrong is counted.
    my $check = sub {
        my ($who, $said) = @_;
        return if $excused->($said);
        my ($a, $i, $bad) = answers($said);
        my ($problem) = $said =~ /^\d+\|\d+\|([^|]*)\|/m;
        $bad = "no answer: $said" if $a == 0;
        # Where keys lie far apart, an index that was built of few may have taken them for near, until it is built anew.
        $maybe_stale = 1 if $shape eq 'sparse' && ($problem // '') =~ /lies too far/;
        # Some servers don't tell of a MERGE into a partitioned table what it did, where a trigger before rows may have changed it.
        $maybe_stale = 1 if $shape =~ /hash|range/ && ($problem // '') =~ /^a MERGE may have moved rows of table aud\b/;
        $bad = "not usable: $problem" if $bad eq '' && ($problem // '') ne '' && !$maybe_stale;
        $wrong //= "$who, after " . ($script[-1] // 'nothing') . ": $bad" if $bad ne '';
        $asked += $a;
        $indexed += $i;
    };

    for my $step (1 .. $steps) {
        my $chance = number(100);
        if (@prepared && number(3) == 0) {
            $run->('b', pick('COMMIT', 'ROLLBACK') . " PREPARED '" . pop(@prepared) . "'");
        } elsif (!$in && $chance < 25) {
            $level = pick('READ COMMITTED', 'READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE');
            $run->('a', "BEGIN ISOLATION LEVEL $level");
            ($in, @savepoints) = (1);
        } elsif (!$in && $chance < 32 || $maybe_stale && !$in) {
            my $command = pick('compact', 'compact', 'rebuild_index');
            $maybe_stale = 0 if $run->('a', "SELECT segments.$command('aud')") && !@prepared;
        } elsif (!$in && $chance < 36) {
            $run->('a', 'VACUUM ' . pick(index_tables(), 'aud', 'events'));
        } elsif (number(60) == 0) {
            $maybe_stale = 1;
            my $table = pick('lists', 'labels', 'visits', 'events', $shape eq 'plain' ? 'events' : 'events_1', 'aud CASCADE');
            # An audience of nobody is no test for long.
            $run->('a', "TRUNCATE $table" . ($table =~ /aud/ ? ";\n" . population() : ''));
        } elsif ($chance < 40) {
            $run->('a', "INSERT INTO events SELECT 1, id, " . pick("now() + interval '3 days'", "'infinity'") . ", 'click' FROM aud WHERE id BETWEEN -5 AND 20");
        } elsif ($chance < 43) {
            $run->('a', "DELETE FROM events WHERE at > now()");
        } elsif ($chance < 45 && $level !~ /REPEATABLE|SERIALIZABLE/) {
            $run->('a', "SELECT segments.compact('aud')");
        } elsif ($in && $chance < 52) {
            $run->('a', 'COMMIT');
            $in = 0;
        } elsif ($in && $chance < 56) {
            $run->('a', 'ROLLBACK');
            $in = 0;
        } elsif ($in && $chance < 59 && !@prepared) {
            push @prepared, "p$step" if $run->('a', "PREPARE TRANSACTION 'p$step'");
            $in = 0;
        } elsif ($in && $chance < 67) {
            push @savepoints, "s$step";
            $run->('a', "SAVEPOINT s$step");
        } elsif ($in && @savepoints && $chance < 74) {
            $run->('a', "ROLLBACK TO $savepoints[-1]");
        } elsif ($in && @savepoints && $chance < 77) {
            $run->('a', 'RELEASE ' . pop @savepoints);
        } else {
            my ($kind, $statement) = statement($shape);
            my $session = pick('a', 'a', 'a', 'b');
            my @wishes = map { pick('', '', $_) } qw(noise look skip change update insert delete others fail statement);
            $run->($session, "SET torture.nested = '" . (number(2) ? '' : join(' ', @wishes)) . "'") if $in == 0 || $session eq 'b';
            if ($run->($session, $statement)) {
                $done{$kind}++;
            } elsif ($in && $session eq 'a') {
                if (@savepoints && number(2)) {
                    $run->('a', "ROLLBACK TO $savepoints[-1]");
                } else {
                    $run->('a', 'ROLLBACK');
                    $in = 0;
                }
            }
        }
        # An error elsewhere in a transaction ends it.
        if ($in && $sessions{a}->('SELECT 1') =~ /25P02/) {
            $run->('a', 'ROLLBACK');
            $in = 0;
        }
        $level = '' unless $in;
        $check->('a', $sessions{a}->('SELECT * FROM compare()'));
        $check->('b', $sessions{b}->('SELECT * FROM compare()')) if number(4) == 0;
        if (number(12) == 0) {
            # A session that knows nothing yet.
            $cold++;
            my $anew = talk($node, $database);
            $check->('anew', $anew->("SET lock_timeout = '30ms'; SELECT * FROM compare()"));
            $anew->(undef);
        }
        if (number(3) == 0) {
            $sets++;
            my $said = $sessions{a}->("SELECT compare_sets(@{[ number(28) ]}, '@{[ pick(@fields) ]}')");
            $wrong //= "sets, after $script[-1]: $said" if $said ne '' && !$excused->($said);
        }
        last if defined $wrong;
    }
    $run->('a', 'ROLLBACK') if $in;
    $_->(undef) for values %sessions;
    $node->safe_psql($database, "ROLLBACK PREPARED '$_'") for defined $wrong ? () : @prepared;
    if (!defined $wrong) {
        my $bad = last_look($node, $database);
        $wrong = "at the end: $bad" if $bad ne '';
    }
    my $looks = $node->safe_psql($database, 'SELECT last_value FROM looks');
    note sprintf '%s, seed %d: %d statements in %.1f s, of %d kinds; %d comparisons by count, %d of them by the index alone, and %d looks from triggers; %d of sets; %d sessions anew',
        $shape, $seed, scalar @script, time - $began, scalar keys %done, $asked, $indexed, $looks, $sets, $cold;
    # Where a MERGE may make it stale, that is at times until the transaction ends.
    my $least = $shape =~ /hash|range/ && older_than($node, 15 => 21, 16 => 17, 17 => 13, 18 => 8) ? 0.2 : 0.4;
    cmp_ok($indexed, '>', $asked * $least, "$shape, seed $seed: the index was asked") unless defined $wrong;
    return '' unless defined $wrong;
    # All that led there.
    my $log = PostgreSQL::Test::Utils::tempdir() . "/$database.sql";
    PostgreSQL::Test::Utils::append_to_file($log, join("\n", @script) . "\n");
    diag "the last statements, of those in $log:\n" . join "\n", @script[ ($#script > 12 ? $#script - 12 : 0) .. $#script ];
    return $wrong;
}
