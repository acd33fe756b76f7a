# Each of the ways in which a segment index could miss a change, or mean another table by its numbers, is noticed: SQL answers, index_status says why,
# and compact() or rebuild_index() repairs. What only looks like one is not taken for one.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Faults qw(server_fell);
use IndexTorture;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 'logical');
$node->append_conf('postgresql.conf', settings() . "segments.auto_compact = off\nmax_replication_slots = 10");
$node->start;

my $lists = q(CREATE TABLE lists (member bigint NOT NULL, list int NOT NULL, PRIMARY KEY (member, list)); INSERT INTO lists SELECT i, i % 3 FROM generate_series(1, 60) i; SELECT segments.add_membership('aud', 'list', 'lists', 'member', 'list'));
my $visits = q(CREATE TABLE visits (member bigint, at timestamptz) PARTITION BY RANGE (at); CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM ('2024-01-01Z') TO ('2024-02-01Z'); CREATE TABLE visits_2 PARTITION OF visits FOR VALUES FROM ('2024-02-01Z') TO ('2024-03-01Z'); )
    . q(INSERT INTO visits SELECT i, '2024-01-05Z'::timestamptz + i * interval '1 day' FROM generate_series(1, 50) i; SELECT segments.add_events('aud', 'visits', 'visits', 'member', 'at'));
my $index = q(SELECT segments.create_index('aud'));
my $again = join '; ', map { "ALTER TABLE aud ENABLE ALWAYS TRIGGER segments_index_$_" } qw(before insert update delete truncate);
my $five = q({"field":"n","operator":"equal","value":5});
my $seen = q({"event":"visits"});

my $cluster = 'CREATE INDEX extra ON %1$s ((1)); CLUSTER %1$s USING extra; DO $$ BEGIN EXECUTE format(\'DROP INDEX %%s\', (SELECT oid::regclass FROM pg_class WHERE relname = \'extra\')); END $$';

# Scenarios of a table of the audience, a list and an event each.
sub rewritten {
    my ($how, $command) = @_;
    return map { "== $how of $_\na: $lists; $visits; $index\n? $five\na: " . sprintf($command, $_) . "\nx? rewritten: $five\n" } qw(aud lists visits_1);
}
sub rewritten_within {
    my ($how, $command) = @_;
    return map {
        my $table = $_;
        "== $how of $table\na: $index; INSERT INTO aud VALUES (1001, 5, 'new'), (1002, 5, 'w1')\na: BEGIN; INSERT INTO aud VALUES (1003, 5, 'undone'); ROLLBACK; INSERT INTO aud VALUES (1004, 5, 'new')\n? $five\nb: SELECT compare('$five')\n"
            . "c: BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT compare('$five')\nc: COMMIT\na: " . sprintf($command, $table) . "\n"
            . ($table eq 'segments.slice' ? "x? segments.slice was rewritten: $five\n" : "? $five\n") . "a: UPDATE aud SET n = 5, word = 'newer' WHERE id IN (7, 1002)\n? $five\n? " . q({"field":"word","operator":"begins_with","value":"new"}) . "\n"
            . "a: SELECT segments.compact('aud')\n? $five\n";
    } index_tables();
}

scenarios($node, join "\n", <<SCENES, rewritten('VACUUM FULL', 'VACUUM FULL %s'), rewritten('CLUSTER', $cluster), rewritten_within('VACUUM FULL', 'VACUUM FULL %s'), rewritten_within('CLUSTER', $cluster));
== a trigger is disabled
a: $index
? $five
a: ALTER TABLE aud DISABLE TRIGGER segments_index_update; UPDATE aud SET n = 5 WHERE id < 10
x? triggers: $five

== triggers are disabled and enabled again
a: $index
? $five
b: SELECT compare('$five')
a: BEGIN; ALTER TABLE aud DISABLE TRIGGER ALL; UPDATE aud SET n = 5 WHERE id < 10; $again; COMMIT
x? triggers: $five

== triggers are disabled and enabled again by a savepoint that is undone
a: $index
a: BEGIN; SAVEPOINT s; ALTER TABLE aud DISABLE TRIGGER ALL; UPDATE aud SET n = 5 WHERE id < 10; $again; ROLLBACK TO s; UPDATE aud SET n = 5 WHERE id < 3; COMMIT
? $five

== triggers are enabled as pg_restore --disable-triggers does
a: $index
a: ALTER TABLE aud DISABLE TRIGGER ALL; INSERT INTO aud VALUES (1001, 5, 'w'); ALTER TABLE aud ENABLE TRIGGER ALL
x? triggers: $five

== triggers are disabled on a partition and enabled again
a: $visits; $index
? $seen
a: ALTER TABLE visits_1 DISABLE TRIGGER ALL; INSERT INTO visits_1 VALUES (70, '2024-01-15Z'); @{[ $again =~ s/TABLE aud/TABLE visits_1/gr ]}
x? triggers: $seen

== a trigger fires for replicas only, and again always
a: $index
a: ALTER TABLE aud ENABLE REPLICA TRIGGER segments_index_insert; INSERT INTO aud VALUES (1001, 5, 'w'); ALTER TABLE aud ENABLE ALWAYS TRIGGER segments_index_insert
x? triggers: $five

== event triggers fire for replicas, too
a: $index
a: SET session_replication_role = replica; ALTER TABLE aud DISABLE TRIGGER ALL; UPDATE aud SET n = 5 WHERE id < 10; $again; RESET session_replication_role
x? triggers: $five

== a trigger is dropped
a: $index
? $five
a: DROP TRIGGER segments_index_insert ON aud; INSERT INTO aud VALUES (1001, 5, 'w')
x? triggers: $five

== a trigger is dropped and made again as it was
a: $index
a: DO \$\$ DECLARE made text := pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'segments_index_insert'; BEGIN DROP TRIGGER segments_index_insert ON aud; INSERT INTO aud VALUES (1001, 5, 'w'); EXECUTE made; ALTER TABLE aud ENABLE ALWAYS TRIGGER segments_index_insert; END \$\$
x? triggers: $five

== a trigger is renamed and named back
a: $index
a: ALTER TRIGGER segments_index_insert ON aud RENAME TO other; INSERT INTO aud VALUES (1001, 5, 'w'); ALTER TRIGGER other ON aud RENAME TO segments_index_insert
? $five

== writes of a replica
a: $lists; $index
a: SET session_replication_role = replica; INSERT INTO aud VALUES (1001, 5, 'replica'); UPDATE aud SET n = 5 WHERE id = 1; DELETE FROM aud WHERE id = 15; DELETE FROM lists WHERE member = 2
? $five
? {"condition":"OR","rules":[{"list":2},{"field":"word","operator":"equal","value":"replica"}]}

== the type of a column changes
a: $index
? $five
a: ALTER TABLE aud ALTER n TYPE bigint; UPDATE aud SET n = 5 WHERE id < 10
x? rewritten: $five

== the type of a column changes where no row need be written
a: ALTER TABLE aud ALTER word TYPE varchar(50); $index
a: ALTER TABLE aud ALTER word TYPE text; UPDATE aud SET n = 5, word = repeat('x', 60) WHERE id < 10
x? altered: $five

== the type of a column changes, and back
a: ALTER TABLE aud ADD money numeric(8,2) DEFAULT 1; $index
a: ALTER TABLE aud ALTER money TYPE numeric(12,2); UPDATE aud SET money = 999999.99 WHERE id < 10; ALTER TABLE aud ALTER money TYPE numeric(8,2); UPDATE aud SET money = 5 WHERE id = 20
a: SELECT segments.compact('aud')
? {"field":"money","operator":"greater","value":1}

== a column is dropped
a: $index
? $five
a: ALTER TABLE aud DROP word; UPDATE aud SET n = 5 WHERE id < 10
x? dropped: $five

== a column that is not kept comes and goes
a: ALTER TABLE aud ADD note text; SELECT segments.create_index('aud', '{n,word}')
a: ALTER TABLE aud DROP note, ADD other int DEFAULT 7; UPDATE aud SET n = 5, other = 8 WHERE id < 10; INSERT INTO aud VALUES (1001, 5, 'w', 9)
? $five

== columns are renamed
a: $lists; $visits; $index
a: ALTER TABLE aud RENAME n TO number; ALTER TABLE lists RENAME list TO list_id; ALTER TABLE visits RENAME member TO who; ALTER TABLE aud RENAME id TO key; UPDATE aud SET number = 5 WHERE key < 10; INSERT INTO visits VALUES (80, '2024-01-15Z'); INSERT INTO lists VALUES (81, 2)
? {"condition":"OR","rules":[{"field":"number","operator":"equal","value":5},{"list":2},{"event":"visits"}]}

== tables are renamed and moved
a: $lists; $index
a: CREATE SCHEMA elsewhere; ALTER TABLE lists RENAME TO memberships; ALTER TABLE memberships SET SCHEMA elsewhere; INSERT INTO elsewhere.memberships VALUES (81, 2)
? {"list":2}

== a label that names a kind of events is renamed
a: CREATE TYPE kind AS ENUM ('sent', 'click'); CREATE TABLE log (member bigint, at timestamptz, kind kind); INSERT INTO log SELECT i, '2024-01-01Z', 'sent' FROM generate_series(1, 20) i; SELECT segments.add_events('aud', 'log', 'log', 'member', 'at', 'kind'); $index
? {"event":"sent"}
a: ALTER TYPE kind RENAME VALUE 'sent' TO 'delivered'; INSERT INTO log VALUES (30, '2024-01-01Z', 'delivered')
x? renamed: {"event":"delivered"}

== labels of kinds change places
a: CREATE TYPE kind AS ENUM ('sent', 'click'); CREATE TABLE log (member bigint, at timestamptz, kind kind); INSERT INTO log SELECT i, '2024-01-01Z', 'sent' FROM generate_series(1, 20) i; SELECT segments.add_events('aud', 'log', 'log', 'member', 'at', 'kind'); $index
b: SELECT compare('{"event":"sent"}')
a: BEGIN; ALTER TYPE kind RENAME VALUE 'sent' TO 'x'; ALTER TYPE kind RENAME VALUE 'click' TO 'sent'; ALTER TYPE kind RENAME VALUE 'x' TO 'click'; COMMIT; INSERT INTO log VALUES (30, '2024-01-01Z', 'sent')
x? renamed: {"event":"sent"}

== a partition comes
a: $visits; $index
? $seen
a: CREATE TABLE visits_3 PARTITION OF visits FOR VALUES FROM ('2024-03-01Z') TO ('2024-04-01Z'); INSERT INTO visits VALUES (80, '2024-03-05Z'); INSERT INTO visits_3 VALUES (81, '2024-03-05Z')
x? visits_3: $seen
a: INSERT INTO visits_3 VALUES (82, '2024-03-05Z'); DELETE FROM visits_3 WHERE member = 80
? $seen

== a table with rows is attached
a: $visits; $index
b: SELECT compare('$seen')
a: CREATE TABLE more (at timestamptz, gone int, member bigint); ALTER TABLE more DROP gone; INSERT INTO more VALUES ('2024-03-05Z', 80); ALTER TABLE visits ATTACH PARTITION more FOR VALUES FROM ('2024-03-01Z') TO ('2024-04-01Z')
x? more: $seen
a: INSERT INTO more VALUES ('2024-03-06Z', 81); UPDATE more SET member = 82 WHERE member = 80
? $seen

== a partition is detached
a: $visits; $index
? $seen
a: ALTER TABLE visits DETACH PARTITION visits_1; DELETE FROM visits_1
x? partitions: $seen

== a partition is detached concurrently, beside an older snapshot
a: $visits; $index
? $seen
b: BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT compare('$seen')
a&: ALTER TABLE visits DETACH PARTITION visits_1 CONCURRENTLY
b: SELECT 1 / (compare('$seen') !~ 'WRONG')::int
b: COMMIT
a.:
x? partitions: $seen

== a partition is detached, changed, and attached again
a: $visits; $index
? $seen
b: SELECT compare('$seen')
a: ALTER TABLE visits DETACH PARTITION visits_1; DELETE FROM visits_1 WHERE member < 5; INSERT INTO visits_1 VALUES (80, '2024-01-15Z'); ALTER TABLE visits ATTACH PARTITION visits_1 FOR VALUES FROM ('2024-01-01Z') TO ('2024-02-01Z')
x? .: $seen

== the same in one transaction
a: $visits; $index
a: BEGIN; ALTER TABLE visits DETACH PARTITION visits_1; DELETE FROM visits_1 WHERE member < 5; ALTER TABLE visits ATTACH PARTITION visits_1 FOR VALUES FROM ('2024-01-01Z') TO ('2024-02-01Z'); COMMIT
x? .: $seen

== a partition is dropped
a: $visits; $index
? $seen
a: DROP TABLE visits_1
x? partitions: $seen

== a table is truncated, beside older snapshots
a: $lists; $index
b: BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT compare('$five')
b: COMMIT; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1
c: BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1
? {"list":1}
b: COMMIT; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1
c: COMMIT; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1
a: TRUNCATE lists; INSERT INTO lists VALUES (7, 1)
b: SELECT 1 / (compare('{"list":1}') !~ 'WRONG')::int
a: SELECT segments.compact('aud')
b: SELECT 1 / (compare('{"list":1}') !~ 'WRONG')::int; COMMIT
c: SELECT 1 / (compare('{"list":1}') !~ 'WRONG')::int; COMMIT
? {"list":1}
a: TRUNCATE lists
x? truncated: {"list":1}

== a partition is truncated
a: $visits; $index
? $seen
a: TRUNCATE visits_1
x? truncated: $seen

== tables are truncated one after the other in a transaction
a: $lists; $visits; $index
a: BEGIN; TRUNCATE lists; INSERT INTO lists VALUES (7, 1); TRUNCATE visits, lists; INSERT INTO visits VALUES (7, '2024-01-15Z'); COMMIT
x? truncated: {"condition":"OR","rules":[{"list":1},{"event":"visits"}]}

== a table is no longer logged, and logged again
a: $lists; $index
a: ALTER TABLE lists SET UNLOGGED; DELETE FROM lists WHERE member < 5
a: SELECT 1 / (compare('{"list":1}') ~ 'permanent')::int
a: ALTER TABLE lists SET LOGGED
x? .: {"list":1}

== a table gets a child
a: $lists; $index
a: CREATE TABLE child () INHERITS (lists); INSERT INTO child VALUES (90, 1)
a: SELECT 1 / (compare('{"list":1}') ~ 'child')::int
a: UPDATE lists SET list = 2 WHERE list = 1; DROP TABLE child
a: SELECT 1 / (compare('{"list":2}') !~ 'WRONG')::int
a: SELECT segments.compact('aud'), segments.rebuild_index('aud')
? {"list":2}

== a table gets a child as a new schema's element
a: $lists; $index
a: CREATE SCHEMA elements CREATE TABLE child () INHERITS (public.lists); INSERT INTO elements.child VALUES (90, 1); UPDATE lists SET list = 2 WHERE list = 1; DROP SCHEMA elements CASCADE
x? .: {"list":2}

== a table gets a parent, and loses it
a: $lists; $index
a: CREATE TABLE parent (member bigint NOT NULL, list int NOT NULL); ALTER TABLE lists INHERIT parent
a: DELETE FROM parent WHERE member < 30; UPDATE parent SET list = 1 WHERE member = 35
a: SELECT 1 / (compare('{"list":1}') !~ 'WRONG')::int
a: ALTER TABLE lists NO INHERIT parent
x? .: {"list":1}

== a table becomes a partition, and is none any more
a: CREATE TABLE labels (member bigint, label text); INSERT INTO labels VALUES (1, 'x'); SELECT segments.add_membership('aud', 'label', 'labels', 'member', 'label'); $index
a: CREATE TABLE all_labels (member bigint, label text) PARTITION BY LIST (label); ALTER TABLE all_labels ATTACH PARTITION labels DEFAULT; INSERT INTO all_labels VALUES (2, 'x')
a: SELECT 1 / (compare('{"field":"label","operator":"equal","value":"x"}') !~ 'WRONG')::int
a: ALTER TABLE all_labels DETACH PARTITION labels
x? .: {"field":"label","operator":"equal","value":"x"}

== an audience becomes a partition, and is none any more
a: $index
a: CREATE TABLE audiences (id bigint NOT NULL, n int, word text) PARTITION BY RANGE (id); ALTER TABLE audiences ATTACH PARTITION aud DEFAULT; INSERT INTO audiences VALUES (1001, 5, 'w')
a: SELECT 1 / (compare('$five') !~ 'WRONG')::int
a: ALTER TABLE audiences DETACH PARTITION aud
x? .: $five

== the key is unique no more
a: CREATE UNIQUE INDEX other ON aud (n, id); $index
? $five
a: ALTER TABLE aud DROP CONSTRAINT aud_pkey; INSERT INTO aud VALUES (5, 25, 'twice')
a: SELECT 1 / (compare('$five') ~ 'unique')::int
a: DELETE FROM aud WHERE word = 'twice'; ALTER TABLE aud ADD PRIMARY KEY (id)
x? unique: $five

== lists are unique no more
a: $lists; $index
a: ALTER TABLE lists DROP CONSTRAINT lists_pkey; INSERT INTO lists SELECT * FROM lists
b: DELETE FROM lists WHERE ctid IN (SELECT min(ctid) FROM lists GROUP BY member, list) AND member < 30
? {"list":1}
a: DELETE FROM lists WHERE ctid IN (SELECT min(ctid) FROM lists WHERE member >= 30 GROUP BY member, list); ALTER TABLE lists ADD PRIMARY KEY (member, list); DELETE FROM lists WHERE member > 40
? {"list":1}

== what the index keeps is described otherwise
a: $lists; $visits; $index
a: CREATE TABLE others (member bigint, list int); INSERT INTO others VALUES (3, 1); SELECT segments.add_membership('aud', 'list', 'others', 'member', 'list')
x? redefined: {"list":1}
a: CREATE TABLE calls (member bigint, at timestamptz); INSERT INTO calls VALUES (3, '2024-01-15Z'); SELECT segments.add_events('aud', 'visits', 'calls', 'member', 'at')
x? redefined: $seen
a: SELECT segments.drop_membership('aud', 'list')
x? dropped: $seen

== a table of the index is dropped
a: $lists; $index
a: DROP TABLE lists
x? dropped: $five

== the tablespace of a table changes
a: $lists; $index
a: SET allow_in_place_tablespaces = on
a: CREATE TABLESPACE elsewhere LOCATION ''
a: ALTER TABLE lists SET TABLESPACE elsewhere; INSERT INTO lists VALUES (90, 1)
x? rewritten: {"list":1}
a: DROP TABLE lists CASCADE; DROP TABLESPACE elsewhere

== an index that nobody sees yet, and one that is no more
a: $index
? $five
b: BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1
a: SELECT segments.drop_index('aud'); UPDATE aud SET n = 5 WHERE id < 10; $index; UPDATE aud SET n = 6 WHERE id = 3
b: SELECT 1 / (compare('$five') !~ 'WRONG')::int
b: COMMIT
? $five
SCENES

# A subscription ---------------------------------------------------------------------------------------------------------------------------

# Its worker fires no triggers for each statement: while it is there, SQL answers; and when it is gone, what it brought has not been noted.
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init;
$subscriber->append_conf('postgresql.conf', settings() . 'segments.auto_compact = off');
$subscriber->start;
my $tables = "CREATE TABLE lists (member bigint, list int, PRIMARY KEY (member, list)); CREATE TABLE aud (id bigint PRIMARY KEY, n int)";
$node->safe_psql('postgres', "$tables; INSERT INTO aud SELECT i, i % 10 FROM generate_series(1, 100) i; INSERT INTO lists SELECT i, 1 FROM generate_series(1, 10) i; CREATE PUBLICATION p FOR TABLE lists; CREATE PUBLICATION none");
$subscriber->safe_psql('postgres', "CREATE EXTENSION segments; $tables; INSERT INTO aud SELECT i, i % 10 FROM generate_series(1, 100) i; SELECT segments.add_membership('aud', 'list', 'lists', 'member', 'list'), segments.create_index('aud')");
sub on_subscriber { return $subscriber->safe_psql('postgres', q(SELECT segments.count_by_index('aud', '{"list":1}') || ' ' || segments.count_by_sql('aud', '{"list":1}') || ' ' || coalesce(problem, '') FROM segments.index_status)) }
my $connection = $node->connstr . ' dbname=postgres';
my %ends = ('DROP SUBSCRIPTION' => 'DROP SUBSCRIPTION s', 'SET PUBLICATION' => 'ALTER SUBSCRIPTION s SET PUBLICATION none', 'DROP PUBLICATION' => 'ALTER SUBSCRIPTION s ADD PUBLICATION none; ALTER SUBSCRIPTION s DROP PUBLICATION p');
is(on_subscriber(), '0 0 ', 'before a subscription');
for my $end (sort keys %ends) {
    my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM lists');
    $subscriber->safe_psql('postgres', 'TRUNCATE lists');
    $subscriber->safe_psql('postgres', q(SELECT segments.rebuild_index('aud')));
    $subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION s CONNECTION '$connection' PUBLICATION p");
    like(on_subscriber(), qr/^(\d+) \1 table lists is subscribed to/, "$end: a subscription is noticed");
    $subscriber->wait_for_subscription_sync($node, 's');
    is(on_subscriber(), "$before $before table lists is subscribed to", "$end: what was copied");
    $node->safe_psql('postgres', "INSERT INTO lists SELECT (SELECT max(member) FROM lists) + i, 1 FROM generate_series(1, 7) i; DELETE FROM lists WHERE member = (SELECT min(member) FROM lists)");
    $node->wait_for_catchup('s');
    my $now = $node->safe_psql('postgres', 'SELECT count(*) FROM lists');
    is(on_subscriber(), "$now $now table lists is subscribed to", "$end: what was streamed");
    $subscriber->safe_psql('postgres', $ends{$end});
    like(on_subscriber(), qr/^$now $now ./, "$end: what was streamed has not been noted, and that is noticed");
    $subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION IF EXISTS s');
    $subscriber->safe_psql('postgres', q(SELECT segments.compact('aud')));
    is(on_subscriber(), "$now $now ", "$end: compact() repairs");
}

is(server_fell($node) . server_fell($subscriber), '', 'the servers never fell');
$subscriber->stop;
$node->stop;
done_testing();
