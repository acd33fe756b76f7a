# A hot standby answers by the segment index what it answers by SQL, while it replays writes, compactions and VACUUM; promoted, it goes on.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $seconds = $ENV{INDEX_SECONDS} || 10;
my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "timezone = 'UTC'\nfsync = off\nautovacuum_naptime = 1s\nmax_standby_streaming_delay = 300s");
$primary->start;
$primary->safe_psql('postgres', <<'SQL');
CREATE EXTENSION segments;
CREATE TABLE numbers (id bigint PRIMARY KEY, carrier text, sent int, clicks int, at timestamptz);
INSERT INTO numbers SELECT i, 'c' || i % 9, i % 11, i % 5, now() - i % 100 * interval '1 day' FROM generate_series(1, 130000) i;
CREATE TABLE list_members (number_id bigint, list int, UNIQUE (number_id, list));
INSERT INTO list_members SELECT i, i % 4 FROM generate_series(1, 60000) i;
CREATE TABLE messages (number_id bigint, kind text, at timestamptz);
INSERT INTO messages SELECT i % 100000, 'click', now() - i % 50 * interval '1 hour' FROM generate_series(1, 150000) i;
SELECT segments.add_membership('numbers', 'list', 'list_members', 'number_id', 'list');
SELECT segments.add_events('numbers', 'messages', 'messages', 'number_id', 'at', 'kind', '{sent,click}');
SELECT segments.create_index('numbers');
CREATE TABLE question (rule segments.rule);
INSERT INTO question VALUES ('{"everyone":true}'), ('{"field":"carrier","operator":"not_equal","value":"c3"}'), ('{"field":"sent","operator":"between","value":[3,6]}'), ('{"list":2}'),
    ('{"field":"list","operator":"is_empty"}'), ('{"event":"click","operator":"greater","value":1}'), ('{"event":"sent","operator":"equal","value":0}'), ('{"field":"at","operator":"less_than_n_days","value":30}');
-- What index and SQL say, in one statement; the last column: whether the index was usable.
CREATE VIEW comparison AS SELECT rule, segments.count_by_index('numbers', rule) AS by_index, segments.count_by_sql('numbers', rule) AS by_sql FROM question;
CREATE PROCEDURE write(round int) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO messages SELECT (random() * 130000)::int, CASE WHEN random() < 0.5 THEN 'sent' ELSE 'click' END, now() FROM generate_series(1, 2000);
    COMMIT;
    UPDATE numbers SET sent = sent + 1, carrier = 'c' || round % 12 WHERE id BETWEEN round * 97 AND round * 97 + 3000;
    COMMIT;
    DELETE FROM list_members WHERE number_id BETWEEN round * 50 AND round * 50 + 200;
    INSERT INTO list_members SELECT i, 5 FROM generate_series(round, round + 500) i ON CONFLICT DO NOTHING;
    DELETE FROM numbers WHERE id % 5000 = round % 5000;
    DELETE FROM messages WHERE number_id = round;
    COMMIT;
END $$;
SQL
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
is($standby->safe_psql('postgres', 'SELECT usable, problem FROM segments.index_status'), 't|', 'usable on the standby');

my ($round, $compared, $end, @wrong) = (0, 0, time + $seconds);
while (time < $end) {
    $round++;
    $primary->safe_psql('postgres', "CALL write($round)");
    $primary->safe_psql('postgres', q(SELECT segments.compact('numbers'))) if $round % 3 == 0;
    $primary->safe_psql('postgres', 'VACUUM segments.delta, segments.slice, segments.slice_entry, numbers, messages') if $round % 5 == 0;
    # Wherever replay is at the moment.
    my $said = $standby->safe_psql('postgres', 'SELECT * FROM comparison');
    $compared += () = $said =~ /^/mg;
    push @wrong, grep { my ($rule, $index, $sql) = split /\|/; $index != $sql } split /\n/, $said;
}
is(join("\n", @wrong), '', "$compared counts while it replays: none wrong");
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
is($standby->safe_psql('postgres', 'SELECT usable, problem FROM segments.index_status'), 't|', 'still usable');
is($standby->safe_psql('postgres', 'SELECT rule, by_index FROM comparison'), $primary->safe_psql('postgres', 'SELECT rule, by_sql FROM comparison'), 'what the primary says by SQL');

# One snapshot, before and after a compaction on the primary has been replayed.
my $session = $standby->background_psql('postgres');
$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
my $before = $session->query_safe('SELECT string_agg(by_index::text, \' \') FROM comparison');
$primary->safe_psql('postgres', q(INSERT INTO messages SELECT i, 'sent', now() FROM generate_series(1, 100000) i; SELECT segments.compact('numbers')));
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
is($session->query_safe('SELECT string_agg(by_index::text, \' \') FROM comparison'), $before, 'a snapshot sees what it saw');
$session->query_safe('COMMIT');
isnt($session->query_safe('SELECT string_agg(by_index::text, \' \') FROM comparison'), $before, 'the next one what was replayed');
$session->quit;

my ($status, $out, $error) = $standby->psql('postgres', q(SELECT segments.compact('numbers')));
like($error, qr/cannot execute .* (?:in a read-only transaction|during recovery)|during recovery/, 'nothing is compacted there');
$standby->promote;
$standby->safe_psql('postgres', q(CALL write(100000); SELECT segments.compact('numbers'); CALL write(100001)));
is($standby->safe_psql('postgres', 'SELECT rule FROM comparison WHERE by_index <> by_sql'), '', 'promoted, it writes its index');
is($standby->safe_psql('postgres', 'SELECT usable, problem FROM segments.index_status'), 't|', 'and uses it');
$standby->stop;
$primary->stop;
done_testing();
