# Writers, compactions, VACUUM, and those who look, all at once: index and SQL give the same under every snapshot of every isolation level.
# INDEX_SECONDS sets how long; SEED from where; SHAPES which of the audiences. For a release: INDEX_SECONDS=120.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Faults qw(server_fell);
use IndexTorture;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{SEED} || time;
my @shapes = $ENV{SHAPES} ? split /,/, $ENV{SHAPES} : shapes();
my $seconds = ($ENV{INDEX_SECONDS} || 20) / @shapes;
my $enough = 1000;
note "seed $seed";
seeded($seed);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', settings());
$node->start;
for my $shape (@shapes) {
    torture_database($node, $shape, $shape);
    # Half of the shapes are compacted by whoever writes much, too.
    my $crowd = start_crowd($node, $shape, $shape, $seconds, auto_compact => $shape =~ /hash|sparse/);
    watch_crowd($crowd, $seconds, $enough);
    my %said = end_crowd($node, $crowd);
    end_prepared($node);
    my ($asked, $indexed, $wrong, $errors) = crowd_answers(%said);
    my %refused;
    $refused{$_}++ for map { /ERROR:  (\w+)/g } values %said;
    is(join("\n", @$wrong), '', "$shape: none wrong");
    is(join("\n", @$errors), '', "$shape: no error that was not to be expected");
    cmp_ok($indexed, '>=', $enough, "$shape: the index was asked");
    is(last_look($node, $shape), '', "$shape: right in the end, and usable");
    note sprintf '%s: %d comparisons in %.0f s, %d of them by the index alone; %d compactions; refused: %s', $shape, $asked, $seconds, $indexed, scalar(() = $said{compactor} =~ /^t$/mg),
        join ' ', map { "$_ $refused{$_}" } sort keys %refused;
}
is(server_fell($node), '', 'the server never fell');
$node->stop;
done_testing();
