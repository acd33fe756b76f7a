# The server is killed in the midst of administration, again and again: after each recovery the catalog and what it speaks of agree, and work goes on.
# ROUNDS and SEED set how often, and from where.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Faults;
use IPC::Run qw(start finish);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $rounds = $ENV{ROUNDS} || 20;
my $seed = $ENV{SEED} || time;
note "seed $seed";
srand $seed;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nfsync = off\nautovacuum_naptime = 1s");
$node->start;
populate($node);

# The look itself sees what is not whole.
for my $harm (q(DELETE FROM segments.segment WHERE name = 'numbers who click'), q(UPDATE segments.segment SET rule = '{"everyone":true}' WHERE name = 'people who are keen'),
    q(DELETE FROM segments.suppression), q(DELETE FROM segments.field), q(DELETE FROM segments.membership), q(DELETE FROM segments.event_source), q(DELETE FROM segments.audience),
    q(UPDATE segments.membership SET membership_table = 1), q(UPDATE segments.event_source SET at = 'kind'), q(UPDATE segments.field SET view = 1), q(UPDATE segments.suppression SET view = 1), q(UPDATE segments.segment SET view = oid FROM pg_class WHERE relname = 'pg_stats' AND name = 'people who are keen'))
{
    my ($status, $out, $error) = $node->psql('postgres', "BEGIN; $harm; SELECT broken(); ROLLBACK");
    isnt("$out$error", '', "seen: $harm");
}
is($node->safe_psql('postgres', 'SELECT broken()'), '', 'whole to begin with');

# One change after another, at random: each in a transaction, some in one together. What is refused is refused for a reason.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE done (round int, kind text, state text, message text);
CREATE PROCEDURE work(round int, rounds int) LANGUAGE plpgsql AS $$
DECLARE
    audience text;
    kind text;
    command text;
    state text;
    message text;
    kinds text[] := '{create,create,create,alter,alter,rename,drop,drop_cascade,suppress,suppress,unsuppress,add_field,add_field,drop_field,
        add_membership,drop_membership,rebuild,freeze,rename_column,rename_back,rename_table,label,table,drop_table,
        add_events,add_events,drop_events,add_event_field,add_event_field,rename_event_column,rename_event_column_back}';
BEGIN
    LOOP
        audience := (ARRAY['numbers', 'people'])[1 + floor(random() * 2)];
        kind := kinds[1 + floor(random() * cardinality(kinds))];
        command := CASE kind
            WHEN 'create' THEN 'SELECT segments.create(segment(), audience, rule(), columns => ''{id}'', description => ''again'')'
            WHEN 'alter' THEN 'SELECT segments.alter(segment(), rule())'
            WHEN 'rename' THEN 'SELECT segments.rename(segment(), segment())'
            WHEN 'drop' THEN 'SELECT segments.drop(segment())'
            WHEN 'drop_cascade' THEN 'SELECT segments.drop(segment(), cascade => true)'
            WHEN 'suppress' THEN 'SELECT segments.suppress(audience, rule(), reason => ''reason '' || any3())'
            WHEN 'unsuppress' THEN 'SELECT segments.unsuppress(audience, ''reason '' || any3())'
            WHEN 'add_field' THEN 'SELECT segments.add_field(audience, ''field '' || any3(), ''coalesce(sent_count, 0) + '' || any3())'
            WHEN 'drop_field' THEN 'SELECT segments.drop_field(audience, ''field '' || any3())'
            WHEN 'add_membership' THEN 'SELECT segments.add_membership(audience, ''membership '' || any3(), table_lists, ''member'', ''list_id'', ''lists'', ''id'', ''name'')'
            WHEN 'drop_membership' THEN 'SELECT segments.drop_membership(audience, ''membership '' || any3())'
            WHEN 'add_events' THEN format('SELECT segments.add_events(audience, ''log '' || any3(), table_events, ''member'', ''at'', ''kind'', %L)',
                (ARRAY['{sent,click}', '{click}', '{sent,open}'])[any3()::int])
            WHEN 'drop_events' THEN 'SELECT segments.drop_events(audience, ''log '' || any3())'
            WHEN 'add_event_field' THEN format('SELECT segments.add_event_field(audience, ''field '' || any3(), %L)',
                replace((ARRAY['{"event":"E"}', '{"event":"E","measure":{"sum":"price"}}', '{"event":"E","where":{"condition":"AND","rules":[{"field":"price","operator":"greater","value":1}]}}'])[any3()::int], 'E', event()))
            WHEN 'rename_event_column' THEN 'ALTER TABLE table_events RENAME COLUMN price TO cost'
            WHEN 'rename_event_column_back' THEN 'ALTER TABLE table_events RENAME COLUMN cost TO price'
            WHEN 'rebuild' THEN 'SELECT segments.rebuild(audience)'
            WHEN 'freeze' THEN 'SELECT segments.freeze(audience, rule(), ''list'', any3())'
            WHEN 'label' THEN 'SELECT segments.add_field(audience, ''sent_count'', label => ''Sent '' || any3())'
            WHEN 'rename_column' THEN 'ALTER TABLE audience RENAME COLUMN carrier TO provider'
            WHEN 'rename_back' THEN 'ALTER TABLE audience RENAME COLUMN provider TO carrier'
            WHEN 'rename_table' THEN 'ALTER TABLE table_lists RENAME COLUMN list_id TO list_no; ALTER TABLE table_lists RENAME COLUMN list_no TO list_id'
            WHEN 'table' THEN 'CREATE TABLE more (id int PRIMARY KEY, n int); SELECT segments.add_audience(''more''), segments.add_field(''more'', ''double'', ''n * 2'');'
                || ' SELECT segments.create(''more of them'', ''more'', ''{"field":"double","operator":"greater","value":2}''), segments.suppress(''more'', ''{"field":"n","operator":"equal","value":1}'')'
            WHEN 'drop_table' THEN 'DROP TABLE more CASCADE' END;
        command := regexp_replace(command, '\maudience\M', CASE WHEN command LIKE 'ALTER%' THEN audience ELSE format('%L', audience) END, 'g');
        command := regexp_replace(command, '\mtable_lists\M', CASE WHEN command LIKE 'ALTER%' THEN audience || '_lists' ELSE format('%L', audience || '_lists') END, 'g');
        command := regexp_replace(command, '\mtable_events\M', CASE WHEN command LIKE 'ALTER%' THEN audience || '_events' ELSE format('%L', audience || '_events') END, 'g');
        command := replace(replace(command, 'segment()', format('segment(%L)', audience)), 'rule()', format('rule(%L)', audience));
        BEGIN
            EXECUTE command;
            INSERT INTO done VALUES (round, kind);
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
            INSERT INTO done VALUES (round, kind, state, message);
        END;
        IF random() < 0.7 THEN
            COMMIT;
        END IF;
    END LOOP;
END $$;
CREATE FUNCTION any3() RETURNS text LANGUAGE sql VOLATILE AS 'SELECT (1 + floor(random() * 3))::int::text';
CREATE FUNCTION event() RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT (ARRAY['sent', 'log.open', 'log.click', 'log ' || any3() || '.sent', 'log ' || any3() || '.click'])[1 + floor(random() * 5)] $$;
CREATE FUNCTION segment(audience text) RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT format('%s %s', audience, 1 + floor(random() * 6)) $$;
CREATE FUNCTION rule(audience text) RETURNS segments.rule LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN format('{"condition":"%s","rules":[%s,%s]}', (ARRAY['AND', 'OR'])[1 + floor(random() * 2)], leaf(audience), leaf(audience))::segments.rule;
END $$;
CREATE FUNCTION leaf(audience text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN CASE floor(random() * 10)
        WHEN 0 THEN format('{"segment":"%s"}', segment(audience))
        WHEN 1 THEN format('{"field":"field %s","operator":"greater","value":%s}', any3(), any3())
        WHEN 2 THEN format('{"field":"membership %s","operator":"in","value":[%s]}', any3(), any3())
        WHEN 3 THEN format('{"field":"carrier","operator":"equal","value":"Verizon"}')
        WHEN 4 THEN format('{"field":"rate","operator":"less","value":0.%s}', any3())
        WHEN 5 THEN format('{"field":"list","operator":"not_in","value":[%s,%s]}', any3(), any3())
        WHEN 6 THEN format('{"event":"%s","measure":{"sum":"price"},"operator":"less","value":%s}', event(), any3())
        WHEN 7 THEN format('{"sequence":[{"event":"%s"},{"event":"%s","where":{"condition":"AND","rules":[{"field":"price","operator":"greater","value":0}]}}]}', event(), event())
        ELSE format('{"field":"sent_count","operator":"greater","value":%s}', any3()) END;
END $$;
SQL

for my $round (1 .. $rounds) {
    my $worker = start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', "SELECT setseed(@{[ rand ]})", '-c', "CALL work($round, $rounds)" ], '>', \my $out, '2>', \my $error);
    $node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM done WHERE round = $round)") or die "no work is done: $error";
    my $delay = int rand 600_000;
    usleep $delay;
    kill_server($node, $worker);
    $node->start;
    my $left = $node->safe_psql('postgres', 'SELECT broken()');
    is($left, '', sprintf 'round %d, killed after %d ms: whole', $round, $delay / 1000);
    last if $left ne '';
}

# Refusals have a reason; of each kind, some were done.
is($node->safe_psql('postgres', q(SELECT DISTINCT kind, state, message FROM done WHERE state NOT IN ('42P07', '42704', '42703', '2BP01', '42P17', '42701', '22023', '42P01', '42710', '42723', '23505') LIMIT 20)), '', 'what was refused was refused for a reason');
is($node->safe_psql('postgres', q(SELECT string_agg(DISTINCT d.kind, ' ' ORDER BY d.kind) FROM done d WHERE d.kind NOT IN (SELECT kind FROM done WHERE state IS NULL))), '', 'all kinds of changes were made')
    if $rounds >= 20;
note $node->safe_psql('postgres', 'SELECT count(*), count(state), count(DISTINCT round) FROM done');
note $node->safe_psql('postgres', 'SELECT kind, count(*) - count(state) AS done, count(state) AS refused FROM done GROUP BY kind ORDER BY kind');
note $node->safe_psql('postgres', 'SELECT state, count(*), min(message) FROM done WHERE state IS NOT NULL GROUP BY state ORDER BY state');

# Work goes on.
$node->safe_psql('postgres', <<'SQL');
SELECT segments.create('afterwards', 'numbers', '{"field":"sent_count","operator":"greater","value":3}');
SELECT segments.suppress('numbers', sent => 5), segments.add_field('numbers', 'afterwards', 'sent_count * 2'), segments.rebuild('numbers');
SQL
is($node->safe_psql('postgres', 'SELECT broken()'), '', 'work goes on');
is(server_fell($node), '', 'the server fell by no other hand');
$node->stop;
done_testing();
