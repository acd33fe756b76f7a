# The server is killed under writers and compactions, again and again: after each recovery the segment index and SQL agree, without rebuilding.
# INDEX_ROUNDS sets how often.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Faults;
use IPC::Run qw(start);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $rounds = $ENV{INDEX_ROUNDS} || 4;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nfsync = off\ncheckpoint_timeout = 30s\nautovacuum_naptime = 1s\nmax_prepared_transactions = 5\nsegments.auto_compact = on");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION segments;
CREATE TABLE numbers (id bigint PRIMARY KEY, carrier text, sent int, tags text[]);
INSERT INTO numbers SELECT i, 'c' || i % 9, i % 11, ARRAY['t' || i % 3] FROM generate_series(1, 130000) i;
CREATE TABLE list_members (number_id bigint, list int, UNIQUE (number_id, list));
CREATE TABLE messages (number_id bigint, kind text, at timestamptz);
SELECT segments.add_membership('numbers', 'list', 'list_members', 'number_id', 'list');
SELECT segments.add_events('numbers', 'messages', 'messages', 'number_id', 'at', 'kind', '{sent,click}');
SELECT segments.create_index('numbers');
CREATE TABLE question (rule segments.rule);
INSERT INTO question VALUES ('{"everyone":true}'), ('{"field":"carrier","operator":"in","value":["c3","n1","n2"]}'), ('{"field":"sent","operator":"greater","value":6}'), ('{"list":2}'), ('{"field":"tags","operator":"contains","value":"t2"}'),
    ('{"event":"click","operator":"greater","value":1}'), ('{"event":"sent","operator":"equal","value":0}'), ('{"event":"sent","measure":"last","operator":"is_null"}');
CREATE VIEW comparison AS SELECT rule, segments.count_by_index('numbers', rule) AS by_index, segments.count_by_sql('numbers', rule) AS by_sql FROM question;
SQL
$node->safe_psql('postgres', <<'SQL');
CREATE PROCEDURE work() LANGUAGE plpgsql AS $$
DECLARE
    k int;
BEGIN
    LOOP
        k := random() * 130000;
        CASE (random() * 7)::int
        WHEN 0 THEN INSERT INTO messages SELECT (random() * 130000)::int, CASE WHEN random() < 0.5 THEN 'sent' ELSE 'click' END, now() FROM generate_series(1, 1 + (random() * 3000)::int);
        WHEN 1 THEN UPDATE numbers SET sent = sent + 1, carrier = 'n' || k % 5 WHERE id BETWEEN k AND k + 500;
        WHEN 2 THEN DELETE FROM numbers WHERE id BETWEEN k AND k + 3;
        WHEN 3 THEN INSERT INTO numbers SELECT i, 'c1', 3, '{t2}' FROM generate_series(k, k + 10) i ON CONFLICT DO NOTHING;
        WHEN 4 THEN INSERT INTO list_members SELECT i, k % 4 FROM generate_series(k, k + 300) i ON CONFLICT DO NOTHING;
        WHEN 5 THEN DELETE FROM list_members WHERE number_id BETWEEN k AND k + 100;
        WHEN 6 THEN DELETE FROM messages WHERE number_id BETWEEN k AND k + 5;
        ELSE UPDATE numbers SET tags = tags || ('t' || k % 4) WHERE id = k;
        END CASE;
        IF random() < 0.1 THEN ROLLBACK; ELSE COMMIT; END IF;
    END LOOP;
END $$;
CREATE PROCEDURE keep_compacting() LANGUAGE plpgsql AS $$
BEGIN
    LOOP
        PERFORM segments.compact('numbers');
        COMMIT;
        PERFORM pg_sleep(0.03);
    END LOOP;
END $$;
SQL

for my $round (1 .. $rounds) {
    my @workers = map { start([ 'psql', '-X', '-d', $node->connstr('postgres'), '-c', $_ ], '<', \undef, '>', \my $out, '2>', \my $error) }
        'CALL work()', 'CALL work()', 'CALL keep_compacting()';
    $node->safe_psql('postgres', "BEGIN; INSERT INTO messages SELECT i, 'sent', now() FROM generate_series(1, 50) i; PREPARE TRANSACTION 'held $round'");
    usleep(500_000 + int rand 1_500_000);
    kill_server($node, @workers);
    $node->start;
    is($node->safe_psql('postgres', 'SELECT * FROM comparison WHERE by_index <> by_sql'), '', "round $round: none wrong");
    is($node->safe_psql('postgres', 'SELECT usable, problem FROM segments.index_status'), 't|', 'and usable, without rebuilding');
    $node->psql('postgres', ($round % 2 ? 'COMMIT' : 'ROLLBACK') . " PREPARED 'held $round'");
    is($node->safe_psql('postgres', 'SELECT * FROM comparison WHERE by_index <> by_sql'), '', 'what was prepared is done, or undone');
}
$node->safe_psql('postgres', q(SELECT segments.compact('numbers')));
is($node->safe_psql('postgres', 'SELECT * FROM comparison WHERE by_index <> by_sql'), '', 'compacted: none wrong');
isnt($node->safe_psql('postgres', 'SELECT generation FROM segments.index_status'), '1', 'there were compactions');
$node->stop;
done_testing();
