# A hot standby compares while it replays what writers, compactions and VACUUM do on the primary. What it answers is right, or cancelled by recovery.
# INDEX_SECONDS and SEED set how long, and from where.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Faults qw(server_fell session);
use IndexTorture;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my @shapes = $ENV{SHAPES} ? split /,/, $ENV{SHAPES} : qw(plain sparse);
my $seconds = ($ENV{INDEX_SECONDS} || 16) / @shapes;
my $seed = $ENV{SEED} || time;
my $enough = 250;
note "seed $seed";
seeded($seed);

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', settings() . "wal_keep_size = '8GB'");
$primary->start;
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
# Replay waits for those who look, but not for ever.
$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = '300ms'\nhot_standby_feedback = off");
$standby->start;

# What the standby says, once nothing that is replayed cancels it.
sub here {
    my ($shape, $sql) = @_;
    my ($status, $said, $error);
    for (1 .. 50) {
        ($status, $said, $error) = $standby->psql($shape, $sql, on_error_stop => 1);
        last unless $status && $error =~ /conflict with recovery/;
        usleep 200_000;
    }
    die "$sql: $error" if $status;
    return $said;
}

my $sets = "SELECT md5(string_agg(keys_by_index(rule)::text, ' ' ORDER BY id)) FROM rules WHERE id <> 8 AND id <> 9 AND id <> 10 AND id < 23";
for my $shape (@shapes) {
    torture_database($primary, $shape, $shape, members => $shape eq 'plain' ? 9000 : 700);
    $primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
    my $writers = start_crowd($primary, $shape, $shape, $seconds, only => qr/writer|bulk|compactor|vacuumer/);
    my $lookers = start_crowd($standby, $shape, $shape, $seconds, only => qr/checker R|newcomers/);
    watch_crowd($lookers, $seconds, $enough);
    my %said = end_crowd($standby, $lookers);
    my %written = end_crowd($primary, $writers);
    my ($asked, $indexed, $wrong, $errors) = crowd_answers(%said);
    is(join("\n", @$wrong), '', "$shape: none wrong");
    is(join("\n", grep { !/conflict with recovery/ } @$errors), '', "$shape: no error that was not to be expected");
    cmp_ok($indexed, '>=', $enough, "$shape: the index was asked");
    end_prepared($primary);
    # The background may still be building anew what is stale.
    my ($there, $here);
    for (1 .. 50) {
        $primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
        ($there, $here) = ($primary->safe_psql($shape, 'SELECT * FROM compare()'), here($shape, 'SELECT * FROM compare()'));
        last if $here eq $there;
        usleep 200_000;
    }
    is($here, $there, "$shape: in the end as on the primary");
    is(here($shape, $sets), $primary->safe_psql($shape, $sets), "$shape: the same members");
    note sprintf '%s: %d comparisons in %.0f s on the standby, %d of them by the index alone; %d compactions on the primary; %d cancelled by recovery', $shape, $asked, $seconds, $indexed,
        scalar(() = $written{compactor} =~ /^t$/mg), scalar(() = join('', values %said) =~ /conflict with recovery/g);
}

# A snapshot there sees what it saw, by the index, whatever compactions and VACUUM are replayed meanwhile. VACUUM gives the end of a file back under a lock,
# for which recovery cancels whoever has asked the table by SQL in his transaction: that is left out for those tables, and with it autovacuum.
$standby->append_conf('postgresql.conf', "hot_standby_feedback = on\nwal_receiver_status_interval = '1s'");
$standby->reload;
$primary->append_conf('postgresql.conf', 'autovacuum = off');
$primary->reload;
$primary->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type LIKE 'autovacuum%')") or die 'autovacuum does not end';
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
for my $shape (@shapes) {
    my $old = session($standby, database => $shape);
    my $look = "SELECT * FROM compare(); $sets";
    # The first look finds those in the tables of whom only they know, and keeps them: from then on the index alone answers as many questions as it ever will.
    $old->("BEGIN ISOLATION LEVEL REPEATABLE READ; $look");
    my $seen = $old->($look);
    $primary->poll_query_until('postgres', 'SELECT backend_xmin IS NOT NULL FROM pg_stat_replication') or die 'the standby tells nothing of its snapshots';
    for my $round (1 .. 3) {
        $primary->safe_psql($shape, "UPDATE aud SET n = n % 50 + 1; SELECT segments.compact('aud')");
        $primary->safe_psql($shape, 'VACUUM segments.slice, segments.slice_entry, segments.delta');
        $primary->safe_psql($shape, 'VACUUM (TRUNCATE off) segments.index_state, aud');
        $primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
        is($old->($look), $seen, "$shape: an older snapshot, after compaction $round");
    }
    $old->('COMMIT');
    is($old->($look), $primary->safe_psql($shape, $look), "$shape: a newer one");
    $old->(undef);
}

# Nothing is written there; promoted, it goes on as a primary.
my ($status, undef, $error) = $standby->psql($shapes[0], "SELECT segments.compact('aud')");
like($error, qr/read-only transaction|during recovery/, 'no compaction on a standby');
$standby->promote;
for my $shape (@shapes) {
    is(last_look($standby, $shape), '', "$shape: promoted, it is right");
}
is(server_fell($primary) . server_fell($standby), '', 'the servers never fell');
$standby->stop;
$primary->stop;
done_testing();
