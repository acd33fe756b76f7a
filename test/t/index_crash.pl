# The server is killed in the midst of writers and compactions, again and again: after each recovery the index gives what SQL gives, and work goes on.
# INDEX_ROUNDS and SEED set how often, and from where; SHAPES which of the audiences. For a release: INDEX_ROUNDS=10.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Faults qw(server_fell kill_server);
use IndexTorture;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $rounds = $ENV{INDEX_ROUNDS} || 3;
my $seed = $ENV{SEED} || time;
my @shapes = $ENV{SHAPES} ? split /,/, $ENV{SHAPES} : qw(plain sparse hash);
note "seed $seed";
seeded($seed);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', settings() . "wal_level = replica\nfull_page_writes = on");
$node->start;
# One of them large: more is changed of a chunk than is kept as changes.
torture_database($node, $_, $_, members => $_ eq 'plain' ? 9000 : 700) for reverse @shapes;
for my $round (1 .. $rounds) {
    my $shape = $shapes[ $round % @shapes ];
    my $crowd = start_crowd($node, $shape, $shape, 6, only => qr/writer|bulk|compactor|vacuumer/, auto_compact => 1);
    my $delay = 500_000 + number(2_500_000);
    usleep $delay;
    # Sometimes what was written since stands in no file but the log.
    $node->safe_psql('postgres', 'CHECKPOINT') if $round % 2;
    usleep number(200_000);
    kill_server($node);
    my %said = end_crowd(undef, $crowd);
    $node->start;
    my $said = $node->safe_psql($shape, 'SELECT * FROM compare()');
    my ($asked, $indexed, $wrong) = answers($said);
    is($wrong, '', sprintf 'round %d, %s, killed after %d ms: none wrong', $round, $shape, $delay / 1000);
    end_prepared($node);
    is(last_look($node, $shape), '', 'nor later');
    my $errors = join "\n", grep { $_ ne '' } map { unexpected($_) =~ s/.*(?:FATAL:  57P02|server closed|connection to server).*\n?//gr } values %said;
    is($errors, '', 'no error that was not to be expected');
    note sprintf '%d compactions, %d of %d comparisons by the index alone', scalar(() = $said{compactor} =~ /^t$/mg), $indexed, $asked;
    last if $wrong ne '';
}
is(server_fell($node), '', 'the server fell by no other hand');
$node->stop;
done_testing();
