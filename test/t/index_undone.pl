# Whatever could leave a segment index behind its tables is noticed, or harmless: in every session, old and new, it answers as SQL does, and index_status says whether it is used.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Only the cases of which the name matches.
my $only = $ENV{INDEX_CASES} // '';
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 'logical');
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nfsync = off\nautovacuum = off\njit = off\nsegments.auto_compact = off\nwal_retrieve_retry_interval = 100ms");
$node->start;

# Each case has a copy of this database.
my $tables = <<'SQL';
CREATE TYPE level AS ENUM ('low', 'middle', 'high');
CREATE TYPE kind AS ENUM ('sent', 'click', 'other');
CREATE TABLE people (id bigint CONSTRAINT people_key PRIMARY KEY, name varchar(20), level level, score int, seen timestamptz, note text);
CREATE TABLE list_members (person bigint, list int, CONSTRAINT list_members_key PRIMARY KEY (person, list));
CREATE TABLE events (person bigint, kind kind, at timestamptz) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
CREATE TABLE events_3 PARTITION OF events FOR VALUES FROM ('2024-03-01') TO ('2024-04-01');
CREATE INDEX events_person ON events (person);
CREATE TABLE visits (person bigint, at timestamptz);
SQL
$node->safe_psql('postgres', 'CREATE DATABASE base');
$node->safe_psql('base', $tables . <<'SQL');
CREATE EXTENSION segments;
INSERT INTO people SELECT i, 'n' || i % 9, (enum_range(NULL::level))[1 + i % 3], i % 11, timestamptz '2024-01-01' + i * interval '1 hour' FROM generate_series(1, 900) i;
INSERT INTO list_members SELECT i, l FROM generate_series(1, 3) l, generate_series(1, 900) i WHERE i % (l * 3) = 0;
INSERT INTO events SELECT 1 + i % 800, (enum_range(NULL::kind))[1 + i / 7 % 3], timestamptz '2024-01-01' + i * interval '53 minutes' FROM generate_series(1, 2400) i;
INSERT INTO visits SELECT 1 + i % 300, timestamptz '2024-02-01' + i * interval '3 hours' FROM generate_series(1, 500) i;
SELECT segments.add_membership('people', 'list', 'list_members', 'person', 'list');
SELECT segments.add_events('people', 'message', 'events', 'person', 'at', 'kind');
SELECT segments.add_events('people', 'visit', 'visits', 'person', 'at');
SELECT segments.create_index('people');

CREATE TABLE question (number int GENERATED ALWAYS AS IDENTITY, audience regclass, rule text);
INSERT INTO question (audience, rule) VALUES ('people', '{"everyone":true}'), ('people', '{"field":"name","operator":"in","value":["n3","new"]}'),
    ('people', '{"field":"score","operator":"greater","value":5}'), ('people', '{"field":"level","operator":"equal","value":"low"}'), ('people', '{"list":2}'),
    ('people', '{"event":"click","operator":"greater_or_equal","value":2}'), ('people', '{"event":"sent","measure":"last","operator":"less","value":"2024-02-15"}'),
    ('people', '{"condition":"AND","rules":[{"field":"list","operator":"is_empty"},{"event":"visit","operator":"equal","value":0},{"field":"seen","operator":"greater","value":"2024-01-05"}]}');
CREATE FUNCTION answer(audience regclass, rule text, by_index boolean) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN by_index THEN segments.count_by_index(audience, rule::segments.rule) ELSE segments.count_by_sql(audience, rule::segments.rule) END;
EXCEPTION WHEN OTHERS THEN
    RETURN 'E' || SQLSTATE;
END $$;
-- In one statement: where the index answers otherwise, what index_status says, and what SQL answers.
CREATE VIEW said AS WITH c AS MATERIALIZED (SELECT number, rule, answer(audience, rule, true) AS by_index, answer(audience, rule, false) AS by_sql FROM question)
    SELECT concat(string_agg(format('%s: index %s, SQL %s', rule, by_index, by_sql), ', ' ORDER BY number) FILTER (WHERE by_index <> by_sql)) AS wrong,
        (SELECT concat(string_agg(problem, ', ' ORDER BY audience)) FROM segments.index_status) AS problem, string_agg(by_sql, ' ' ORDER BY number) AS answers
    FROM c;
-- Writes to every table, in every way.
CREATE PROCEDURE write(round int) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO people SELECT 1000 * round + i, CASE WHEN i % 3 = 0 THEN 'new' END, 'low', i, '2024-02-01' FROM generate_series(1, 40) i;
    UPDATE people SET score = score + 2, name = 'n3' WHERE id % 7 = round % 7;
    DELETE FROM people WHERE id % 101 = round;
    INSERT INTO list_members SELECT i, 2 FROM generate_series(100 * round, 100 * round + 60) i ON CONFLICT DO NOTHING;
    INSERT INTO list_members SELECT i, 4 FROM generate_series(100 * round, 100 * round + 60) i ON CONFLICT DO NOTHING;
    DELETE FROM list_members WHERE person % 13 = round;
    UPDATE list_members SET list = 5 + round WHERE list = 3 AND person % 5 = 0;
    INSERT INTO events SELECT 1000 * round + i % 40, 'click', '2024-03-04' FROM generate_series(1, 80) i;
    INSERT INTO events_2 SELECT i, 'click', '2024-02-03' FROM generate_series(1, 900, 6 + round) i;
    INSERT INTO events SELECT i, 'sent', '2024-03-03' FROM generate_series(1, 900, 9 + round) i;
    DELETE FROM events WHERE person % 17 = round;
    UPDATE events SET at = at + interval '29 days' WHERE person % 19 = round AND at < '2024-03-01' AND at >= '2024-02-02';
    DELETE FROM visits WHERE person % 3 = round % 3;
END $$;
SQL

# ALTER TABLE's clause for each of an index's triggers.
sub each_trigger { my ($what) = @_; return join ', ', map { "$what TRIGGER segments_index_$_" } qw(before insert update delete truncate) }

# What `said` says, at its nth time from the end: that the index is right; and used or, by a regular expression, why not. Returns SQL's answers.
sub right {
    my ($out, $problem, $what, $nth) = @_;
    my @rows = grep { /\|.*\|/ } split /\n/, $out;
    my ($wrong, $why, $answers) = ($rows[ -($nth // 1) ] // '') =~ /^(.*)\|(.*)\|(.*?)\s*$/;
    return fail("$what: $out") && '' unless defined $answers;
    if (defined $problem) { like("$wrong|$why", qr/^\|.*(?:$problem)/, $what) }
    else { is("$wrong|$why", '|', $what) }
    return $answers;
}

# Runs commands in a session of their own, and gives what they say; one that fails is a test that does.
sub run_in {
    my ($db, $sql) = @_;
    my ($status, $out, $error) = $node->psql($db, $sql, on_error_stop => 1);
    fail("$sql: $error") if $status;
    return $out;
}

my $ask = 'SELECT * FROM said';
my $old_snapshot = 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class';
my $number = 0;

# One way in which an index could be left behind. Names:
# before: what goes before; sql: what is done; run: the same as code that is given the database; problem: why the index is not used then ('': whether it is or not); same: no answer
# changes; errors: how many questions can't be asked any more; write: what is written then, with %d for the round; repair: by what the index is usable; after: code at the end
sub noticed {
    my ($name, %case) = @_;
    return if $only && $name !~ /$only/i;
    my $db = 'case_' . ++$number;
    my $write = $case{write} // 'CALL write(%d)';
    my $repair = $case{repair} // ($number % 2 ? 'compact' : 'rebuild_index');
    $repair = "SELECT segments.$repair(audience) FROM segments.index_definition" unless $repair =~ / /;
    $repair =~ s/\$db/$db/g;
    $node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE base");
    run_in($db, $case{before}) if $case{before};
    # Sessions that have the index in their caches; one whose snapshot is older than the change.
    my $watcher = $node->background_psql($db);
    my $older = $node->background_psql($db);
    my $before = right($watcher->query_safe($ask), undef, "$name: usable before");
    $older->query_safe($ask);
    $older->query_safe($old_snapshot);
    if ($case{run}) { $case{run}->($db) }
    else { right(run_in($db, "$ask;\n$case{sql};\n$ask"), $case{problem}, "$name: in the session") }
    my $after = right($watcher->query_safe($ask), $case{problem}, "$name: in another");
    right($older->query_safe($ask), '', "$name: by an older snapshot");
    $older->query_safe('COMMIT');
    if ($case{same}) { is($after, $before, "$name: the same answers") }
    else { isnt($after, $before, "$name: other answers") }
    is(scalar(() = $after =~ /E/g), $case{errors} // 0, "$name: what can't be asked");

    my $written = run_in($db, "$ask; " . sprintf($write, 1) . "; $ask");
    right($written, $case{problem}, "$name: in a new session", 2);
    right($written, $case{problem}, "$name: written, in the session");
    right($watcher->query_safe($ask), $case{problem}, "$name: written, in another");
    $older->query_safe($old_snapshot);
    # Its triggers fire for whoever writes.
    my $again = run_in($db, "$ask; $repair; $ask; SET session_replication_role = replica; " . sprintf($write, 2) . "; $ask");
    my $repaired = right($again, undef, "$name: repaired", 2);
    isnt(right($again, undef, "$name: written again"), $repaired, "$name: and a change");
    right($older->query_safe($ask), '', "$name: repaired, by an older snapshot");
    $older->query_safe('COMMIT');
    right($watcher->query_safe($ask), undef, "$name: written again, in another");
    $_->quit for $watcher, $older;
    $case{after}->($db) if $case{after};
    $node->safe_psql('postgres', "DROP DATABASE $db");
}

# Triggers -----------------------------------------------------------------------------------------------------------------------------
my $missed = q(INSERT INTO people SELECT i, 'n3', 'low', 9 FROM generate_series(12001, 12050) i; DELETE FROM list_members WHERE list = 2 AND person % 4 = 0;
    INSERT INTO events SELECT i, 'click', '2024-01-09' FROM generate_series(1, 900) i; UPDATE people SET score = 8 WHERE score = 2);
my $switched = 'triggers of table (?:public\.)?%s were switched';
for ([ 'people', 'ALL', 'ENABLE TRIGGER ALL' ], [ 'people', 'USER', each_trigger('ENABLE ALWAYS') ], [ 'list_members', 'USER', 'ENABLE TRIGGER USER' ],
    [ 'list_members', 'segments_index_delete', 'ENABLE ALWAYS TRIGGER segments_index_delete' ], [ 'ONLY events', 'segments_index_insert', 'ENABLE ALWAYS TRIGGER segments_index_insert' ],
    [ 'events_1', 'ALL', each_trigger('ENABLE ALWAYS') ])
{
    my ($table, $which, $enable) = @$_;
    my $rows = $table eq 'events_1' ? q(DELETE FROM events_1 WHERE kind = 'click') : $missed;
    noticed("$table: triggers $which disabled, and $enable", sql => "ALTER TABLE $table DISABLE TRIGGER $which; $rows; ALTER TABLE $table $enable", problem => sprintf($switched, $table =~ s/ONLY //r));
}
noticed('nothing', sql => 'SELECT 1', same => 1);
noticed('triggers disabled', sql => "ALTER TABLE people DISABLE TRIGGER ALL; $missed", problem => sprintf($switched, 'people'));
noticed('triggers disabled and enabled always, in a transaction', sql => "BEGIN; ALTER TABLE people DISABLE TRIGGER USER; $missed; $ask; ALTER TABLE people " . each_trigger('ENABLE ALWAYS') . '; COMMIT',
    problem => sprintf($switched, 'people'));
noticed('triggers disabled and enabled always, in replica mode', sql => "SET session_replication_role = replica; ALTER TABLE people DISABLE TRIGGER USER; $missed; ALTER TABLE people " . each_trigger('ENABLE ALWAYS'),
    problem => sprintf($switched, 'people'));
noticed('triggers disabled by a role that only owns the table', before => 'CREATE ROLE keeper; ALTER TABLE people OWNER TO keeper',
    sql => "SET ROLE keeper; ALTER TABLE people DISABLE TRIGGER USER; INSERT INTO people SELECT i, 'n3' FROM generate_series(12001, 12050) i; ALTER TABLE people " . each_trigger('ENABLE ALWAYS') . '; RESET ROLE',
    problem => sprintf($switched, 'people'), after => sub { run_in($_[0], 'DROP OWNED BY keeper CASCADE; DROP ROLE keeper') });
noticed('triggers disabled, rolled back to a savepoint', sql => "BEGIN; SAVEPOINT s; ALTER TABLE people DISABLE TRIGGER ALL; $missed; $ask; ROLLBACK TO s; $missed; COMMIT");
noticed('a trigger dropped', sql => "DROP TRIGGER segments_index_insert ON people; $missed", problem => 'triggers of table (?:public\.)?people were dropped');
noticed('a trigger of a partition dropped', sql => q(DROP TRIGGER segments_index_delete ON events_1; DELETE FROM events_1 WHERE kind = 'click'), problem => 'triggers of table (?:public\.)?events_1 were dropped');
noticed('a trigger dropped and created', sql => "DROP TRIGGER segments_index_insert ON events; $missed;
    CREATE TRIGGER segments_index_insert AFTER INSERT ON events REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION segments.index_change();
    ALTER TABLE ONLY events ENABLE ALWAYS TRIGGER segments_index_insert", problem => 'triggers of table (?:public\.)?events were dropped');
noticed('a trigger renamed and renamed back', sql => "ALTER TRIGGER segments_index_insert ON people RENAME TO other; $missed; ALTER TRIGGER other ON people RENAME TO segments_index_insert");
noticed('written by a replica', sql => "SET session_replication_role = replica; $missed");
noticed('COPY', sql => "COPY people FROM STDIN;\n3001\tn3\tlow\t9\t2024-02-02\t\\N\n3002\tn3\tlow\t9\t2024-02-02\t\\N\n\\.\n");

# Columns ------------------------------------------------------------------------------------------------------------------------------
my $changed = 'rewritten, truncated or altered, or its partitions changed';
noticed('an integer column widened', sql => 'ALTER TABLE people ALTER score TYPE bigint', problem => $changed, same => 1);
noticed('a column of another type', sql => 'ALTER TABLE people ALTER score TYPE smallint USING score % 7', problem => $changed);
noticed('a column of another type, without rewriting', sql => 'ALTER TABLE people ALTER name TYPE text', problem => $changed, same => 1);
noticed('a column of another collation', sql => 'ALTER TABLE people ALTER name TYPE varchar(20) COLLATE "C"', problem => $changed, same => 1);
noticed('a column of another type and back', sql => q(ALTER TABLE people ALTER seen TYPE timestamp; UPDATE people SET seen = '2024-01-02' WHERE score < 4; SET timezone = 'Asia/Tokyo';
    ALTER TABLE people ALTER seen TYPE timestamptz; RESET timezone), problem => $changed);
noticed('a column of another type and back, without rewriting', sql => q(ALTER TABLE people ALTER seen TYPE timestamp; UPDATE people SET seen = '2024-01-02' WHERE score < 4; ALTER TABLE people ALTER seen TYPE timestamptz), problem => '');
noticed('another type of a membership\'s value', sql => 'ALTER TABLE list_members ALTER list TYPE bigint USING list + 1', problem => $changed);
noticed('another type of an event\'s member', sql => 'ALTER TABLE events ALTER person TYPE int', problem => $changed, same => 1);
noticed('a column dropped', sql => 'ALTER TABLE people DROP score', problem => 'a column of people that it keeps was dropped', errors => 1, write => q(UPDATE people SET name = CASE %d WHEN 1 THEN 'n3' END WHERE id < 500));
noticed('a column dropped and another of its name added', sql => 'ALTER TABLE people DROP score; ALTER TABLE people ADD score int DEFAULT 6', problem => 'a column of people that it keeps was dropped',
    write => q(INSERT INTO people (id, name, score) SELECT 9000 * %d + i, 'n3', 4 FROM generate_series(1, 9) i));
my $scored = 'UPDATE people SET score = 3 * %d';
noticed('the value of a membership dropped', sql => 'ALTER TABLE list_members DROP list', problem => 'membership field "list" was dropped', errors => 2, write => $scored);
noticed('a membership table dropped', sql => 'DROP TABLE list_members', problem => 'membership field "list" was dropped', errors => 2, write => $scored);
noticed('the kind of events dropped', sql => 'ALTER TABLE events DROP kind', problem => 'event source "message" was dropped', errors => 2, write => $scored);
noticed('the time of events dropped', sql => 'ALTER TABLE visits DROP at', problem => 'event source "visit" was dropped', errors => 1, write => $scored);
noticed('columns that are not indexed', same => 1,
    sql => 'ALTER TABLE visits ADD page text; ALTER TABLE people ALTER note SET DEFAULT 7; ALTER TABLE list_members ADD extra int; ALTER TABLE events ADD extra text; ALTER TABLE people ADD more int DEFAULT 3; ALTER TABLE people DROP more');
noticed('columns renamed', sql => q(ALTER TABLE people RENAME name TO title; ALTER TABLE people RENAME id TO key; ALTER TABLE list_members RENAME person TO who; ALTER TABLE list_members RENAME list TO what;
    ALTER TABLE events RENAME person TO who; ALTER TABLE events RENAME at TO "when"; ALTER TABLE events RENAME kind TO what; UPDATE question SET rule = replace(rule, '"name"', '"title"')), same => 1,
    write => q(UPDATE people SET title = 'n' || key %% 5, score = score + %d; DELETE FROM list_members WHERE what = 2 AND who %% 3 = %1$d; INSERT INTO events SELECT i, 'click', '2024-01-05' FROM generate_series(1, 99) i;
        UPDATE events SET what = 'sent' WHERE who %% 9 = %1$d; DELETE FROM people WHERE key %% 9 = %1$d));
noticed('columns swapped', sql => q(ALTER TABLE people RENAME name TO x; ALTER TABLE people RENAME note TO name; ALTER TABLE people RENAME x TO note), write => q(UPDATE people SET name = 'n3', note = 'n3' WHERE score = 4 + %d));
noticed('tables renamed and moved', sql => q(ALTER TABLE people RENAME TO persons; ALTER TABLE list_members RENAME TO members; ALTER TABLE events RENAME TO messages; ALTER TABLE events_1 RENAME TO january;
    CREATE SCHEMA elsewhere; ALTER TABLE january SET SCHEMA elsewhere; ALTER TABLE members SET SCHEMA elsewhere), same => 1,
    write => q(UPDATE persons SET score = score + %d; DELETE FROM elsewhere.members WHERE list = 2 AND person %% 3 = %1$d; INSERT INTO elsewhere.january SELECT i, 'click', '2024-01-05' FROM generate_series(1, 99) i;
        UPDATE messages SET kind = 'sent' WHERE person %% 9 = %1$d));
my $renamed = 'kinds of events in table (?:public\.)?events were renamed';
noticed('a kind of events renamed', sql => q(ALTER TYPE kind RENAME VALUE 'click' TO 'tap'), problem => $renamed, errors => 1, write => q(INSERT INTO events SELECT i, 'tap', '2024-01-05' FROM generate_series(1, 99) i; UPDATE people SET score = 4 * %d));
noticed('a kind of events renamed and back', problem => $renamed, sql => q(ALTER TYPE kind RENAME VALUE 'click' TO 'tap'; INSERT INTO events SELECT i, 'tap', '2024-01-05' FROM generate_series(1, 900) i; ALTER TYPE kind RENAME VALUE 'tap' TO 'click'));
noticed('kinds of events swapped', problem => $renamed, sql => q(ALTER TYPE kind RENAME VALUE 'click' TO 'x'; ALTER TYPE kind RENAME VALUE 'sent' TO 'click'; ALTER TYPE kind RENAME VALUE 'x' TO 'sent'));
noticed('a kind of events added', sql => q(ALTER TYPE kind ADD VALUE 'more' BEFORE 'sent'), same => 1);
noticed('a label of the audience renamed', sql => q(ALTER TYPE level RENAME VALUE 'low' TO 'lowest'; UPDATE question SET rule = replace(rule, '"low"', '"lowest"')), problem => '', same => 1,
    write => q(UPDATE people SET level = 'lowest' WHERE score = %d));
noticed('labels of the audience swapped', sql => q(ALTER TYPE level RENAME VALUE 'low' TO 'x'; ALTER TYPE level RENAME VALUE 'high' TO 'low'; ALTER TYPE level RENAME VALUE 'x' TO 'high'; UPDATE people SET level = 'low' WHERE score < 3), problem => '');

# Files --------------------------------------------------------------------------------------------------------------------------------
noticed("VACUUM FULL of $_", sql => "VACUUM FULL $_", problem => $changed, same => 1) for qw(people list_members events_2);
noticed("CLUSTER of $_->[0]", sql => "CLUSTER $_->[0] USING $_->[1]", problem => $changed, same => 1)
    for [ 'people', 'people_key' ], [ 'list_members', 'list_members_key' ], [ 'events_1', 'events_1_person_idx' ];
noticed('VACUUM FULL of segments.slice', sql => 'VACUUM FULL segments.slice', problem => 'segments.slice was rewritten', same => 1);
noticed('VACUUM FULL of the other tables of the index', before => 'CALL write(7)', same => 1, sql => join ';', map { "VACUUM FULL segments.$_; $ask" } qw(slice_entry delta dictionary index_state index_source index_field index_definition));
noticed('CLUSTER, VACUUM, ANALYZE and REINDEX', before => 'CALL write(7)', sql => 'CLUSTER segments.slice_entry USING slice_entry_pkey; CLUSTER segments.dictionary USING dictionary_field; VACUUM; ANALYZE; REINDEX SCHEMA segments; REINDEX TABLE people', same => 1);
noticed("$_ set unlogged", sql => "ALTER TABLE $_ SET UNLOGGED", problem => "table $_ is not permanent", same => 1, repair => "ALTER TABLE $_ SET LOGGED; SELECT segments.compact('people')") for qw(people list_members);
noticed('an audience set unlogged and logged', sql => "ALTER TABLE people SET UNLOGGED; $missed; ALTER TABLE people SET LOGGED", problem => 'is not permanent');
noticed("TRUNCATE of $_", sql => "TRUNCATE $_", problem => "table $_ was truncated|$changed") for qw(people list_members events events_1);
noticed('TRUNCATE, and rows again', sql => "TRUNCATE people; $missed", problem => "table people was truncated|$changed");
noticed("TRUNCATE of $_, rolled back", sql => "BEGIN; TRUNCATE $_; $ask; ROLLBACK", same => 1) for qw(people list_members events_1);
noticed('TRUNCATE, rolled back to a savepoint', sql => "BEGIN; $ask; SAVEPOINT s; TRUNCATE people; $missed; $ask; ROLLBACK TO s; $ask; $missed; $ask; COMMIT");

# Partitions and inheritance -----------------------------------------------------------------------------------------------------------
my $april = q(FOR VALUES FROM ('2024-04-01') TO ('2024-05-01'));
my $january = q(FOR VALUES FROM ('2024-01-01') TO ('2024-02-01'));
noticed('a partition attached', sql => "CREATE TABLE events_4 (LIKE events); INSERT INTO events_4 SELECT i, 'click', '2024-04-04' FROM generate_series(1, 900) i; ALTER TABLE events ATTACH PARTITION events_4 $april", problem => 'triggers of table events_4 are missing');
noticed('a partition attached, rolled back', sql => "BEGIN; CREATE TABLE events_4 (LIKE events); INSERT INTO events_4 SELECT i, 'click', '2024-04-04' FROM generate_series(1, 900) i; ALTER TABLE events ATTACH PARTITION events_4 $april; $ask; ROLLBACK", same => 1);
noticed('a partition created', sql => "CREATE TABLE events_4 PARTITION OF events $april", problem => 'triggers of table events_4 are missing', same => 1);
noticed('a partition created and written to', sql => "CREATE TABLE events_4 PARTITION OF events $april; INSERT INTO events_4 SELECT i, 'click', '2024-04-04' FROM generate_series(1, 900) i", problem => 'triggers of table events_4 are missing');
noticed('a partition detached', sql => 'ALTER TABLE events DETACH PARTITION events_1', problem => $changed);
noticed('a partition detached concurrently', sql => 'ALTER TABLE events DETACH PARTITION events_1 CONCURRENTLY', problem => $changed);
noticed('a partition dropped', sql => 'DROP TABLE events_1', problem => $changed);
noticed('a partition detached and attached', sql => "ALTER TABLE events DETACH PARTITION events_1; ALTER TABLE events ATTACH PARTITION events_1 $january", same => 1, problem => '');
noticed('a partition detached, written to, and attached', problem => '', sql => "ALTER TABLE events DETACH PARTITION events_1; INSERT INTO events_1 SELECT i, 'click', '2024-01-09' FROM generate_series(1, 900) i;
    DELETE FROM events_1 WHERE kind = 'sent'; ALTER TABLE events ATTACH PARTITION events_1 $january");
noticed('a partition detached, its triggers switched off and on, and attached', problem => '', sql => q(ALTER TABLE events DETACH PARTITION events_1; ALTER TABLE events_1 DISABLE TRIGGER USER;
    INSERT INTO events_1 SELECT i, 'click', '2024-01-09' FROM generate_series(1, 900) i; ALTER TABLE events_1 ) . each_trigger('ENABLE ALWAYS') . "; ALTER TABLE events ATTACH PARTITION events_1 $january");
noticed('an empty partition created and dropped', sql => "CREATE TABLE events_4 PARTITION OF events $april; $missed; DROP TABLE events_4", problem => '');
noticed('a partition created, written to and dropped', sql => "CREATE TABLE events_4 PARTITION OF events $april; INSERT INTO events SELECT i, 'click', '2024-04-04' FROM generate_series(1, 900) i;
    UPDATE events SET at = '2024-04-05' WHERE person % 5 = 0; UPDATE events SET at = '2024-03-05' WHERE at > '2024-04-01' AND person % 3 = 0; DROP TABLE events_4", problem => '');
noticed('an inheritance child', sql => q(CREATE TABLE child () INHERITS (people); INSERT INTO child SELECT i, 'n3' FROM generate_series(5001, 5050) i), problem => 'table people has inheritance children|triggers of table child are missing',
    repair => "DROP TABLE child; SELECT segments.rebuild_index('people')");
noticed('an inheritance child, changed by its parent, and dropped', problem => '',
    sql => q(CREATE TABLE child () INHERITS (people); INSERT INTO child SELECT i, 'n2', 'low', i % 9 FROM generate_series(5001, 5050) i; INSERT INTO child SELECT * FROM people WHERE id <= 50; UPDATE people SET name = 'n3' WHERE score % 2 = 0;
        DELETE FROM people WHERE score = 5; DROP TABLE child));
noticed('an inheritance child, changed by its parent, and disinherited', problem => '',
    sql => q(CREATE TABLE child () INHERITS (list_members); INSERT INTO child SELECT i, 2 FROM generate_series(1, 500) i; UPDATE list_members SET list = 7 WHERE list = 2 AND person % 7 = 0;
        DELETE FROM list_members WHERE person % 5 = 0; ALTER TABLE child NO INHERIT list_members));

# Keys ---------------------------------------------------------------------------------------------------------------------------------
noticed('the key of the audience dropped', sql => 'ALTER TABLE people DROP CONSTRAINT people_key', same => 1, problem => 'its key is not unique', repair => "ALTER TABLE people ADD PRIMARY KEY (id); SELECT segments.compact('people')");
noticed('the key of the audience dropped, rows twice, and added', same => 1, problem => '', sql => q(ALTER TABLE people DROP CONSTRAINT people_key; INSERT INTO people SELECT id, 'n3', 'low', 9 FROM people WHERE id % 5 = 0;
    DELETE FROM people WHERE ctid IN (SELECT max(ctid) FROM people GROUP BY id HAVING count(*) > 1); ALTER TABLE people ADD PRIMARY KEY (id); UPDATE people SET score = 9 WHERE id = 7));
noticed('the key of the audience nullable, and not any more', problem => '', sql => q(ALTER TABLE people DROP CONSTRAINT people_key; ALTER TABLE people ALTER id DROP NOT NULL; INSERT INTO people VALUES (NULL, 'n3'); UPDATE people SET id = 7000 WHERE id IS NULL;
    UPDATE people SET id = NULL WHERE id = 5; DELETE FROM people WHERE id IS NULL; ALTER TABLE people ADD PRIMARY KEY (id)));
noticed('another key beside', sql => 'ALTER TABLE people ADD UNIQUE (id); ALTER TABLE people DROP CONSTRAINT people_key', same => 1);
my $twice = q(ALTER TABLE list_members DROP CONSTRAINT list_members_key; INSERT INTO list_members SELECT * FROM list_members WHERE list = 2; DELETE FROM list_members WHERE ctid IN (SELECT max(ctid) FROM list_members GROUP BY person, list HAVING count(*) > 1);
    DELETE FROM list_members WHERE list = 2 AND person % 7 = 0);
noticed('the key of a membership dropped', sql => $twice);
noticed('the key of a membership dropped, rows twice, and added', sql => "$twice; ALTER TABLE list_members ADD CONSTRAINT list_members_key PRIMARY KEY (person, list)");

# Two indexes on one table -------------------------------------------------------------------------------------------------------------
my $second = q(CREATE TABLE others (id int PRIMARY KEY, size int); INSERT INTO others SELECT i, i % 7 FROM generate_series(1, 700) i;
    SELECT segments.add_membership('others', 'list', 'list_members', 'person', 'list'), segments.add_events('others', 'message', 'events', 'person', 'at', 'kind'); SELECT segments.create_index('others');
    INSERT INTO question (audience, rule) VALUES ('others', '{"everyone":true}'), ('others', '{"list":2}'), ('others', '{"field":"list","operator":"is_empty"}'), ('others', '{"event":"click","operator":"greater","value":1}'));
noticed('two audiences of one membership and event table', before => $second, sql => $missed);
noticed('a trigger of two audiences dropped', before => $second, sql => "DROP TRIGGER segments_index_insert ON events; $missed", problem => 'triggers of table \S+ were dropped, triggers of table \S+ were dropped');
noticed('one index of two dropped', before => $second, sql => "SELECT segments.drop_index('others'); $missed");
noticed('one audience of two dropped', before => $second, sql => "DROP TABLE others; DELETE FROM question WHERE number > 8; $missed");
noticed('one index of two built anew', before => $second, sql => "VACUUM FULL list_members; SELECT segments.rebuild_index('others'); $missed; SELECT segments.compact('people')");

# Subscriptions ------------------------------------------------------------------------------------------------------------------------
unless ($only && 'subscription' !~ /$only/i) {
    my $publisher = PostgreSQL::Test::Cluster->new('publisher');
    $publisher->init(allows_streaming => 'logical');
    $publisher->append_conf('postgresql.conf', "timezone = 'UTC'\nfsync = off\nautovacuum = off");
    $publisher->start;
    $publisher->safe_psql('postgres', $tables . 'CREATE PUBLICATION a FOR TABLE people; CREATE PUBLICATION m FOR TABLE list_members; CREATE PUBLICATION e FOR TABLE events; CREATE PUBLICATION r FOR TABLE events WITH (publish_via_partition_root)');
    my $connection = $publisher->connstr('postgres') =~ s/'/''/gr;
    my $arriving = 20000;
    my $subscribe = sub {
        my ($db, $publication, $with) = @_;
        run_in($db, "CREATE SUBSCRIPTION $db CONNECTION '$connection application_name=$db' PUBLICATION $publication WITH ($with)");
    };
    # Sends rows of its own, and waits until they are there.
    my $send = sub {
        my ($db) = @_;
        $arriving += 1000;
        $publisher->safe_psql('postgres', "INSERT INTO people SELECT $arriving + i, 'n3', 'low', 9 FROM generate_series(1, 50) i; INSERT INTO list_members SELECT $arriving + i, 2 FROM generate_series(1, 50) i;
            INSERT INTO list_members SELECT i, $arriving FROM generate_series(1, 900, 7) i; INSERT INTO events SELECT i, 'click', '2024-02-09' FROM generate_series(1, 900) i; DELETE FROM people WHERE id < $arriving");
        $publisher->wait_for_catchup($db);
    };
    for ([ 'the audience', 'a' ], [ 'a membership table', 'm' ], [ 'partitions of events', 'e' ], [ 'partitioned events', 'r' ]) {
        my ($what, $publication) = @$_;
        noticed("a subscription to $what", run => sub { $subscribe->($_[0], $publication, 'copy_data = false'); $send->($_[0]) }, problem => 'table \w+ is subscribed to', repair => q(DROP SUBSCRIPTION $db; SELECT segments.rebuild_index('people')));
        noticed("a subscription to $what, dropped", run => sub { $subscribe->($_[0], $publication, 'copy_data = false'); $send->($_[0]); run_in($_[0], "DROP SUBSCRIPTION $_[0]") }, problem => '');
    }
    noticed('a subscription without its publication any more', problem => '', repair => q(DROP SUBSCRIPTION $db; SELECT segments.rebuild_index('people')),
        run => sub { $subscribe->($_[0], 'a, m', 'copy_data = false'); $send->($_[0]); run_in($_[0], "ALTER SUBSCRIPTION $_[0] DROP PUBLICATION a") });
    noticed('a subscription that copies what is there', problem => '',
        run => sub { $subscribe->($_[0], 'a', 'copy_data = true'); $node->wait_for_subscription_sync($publisher, $_[0], $_[0]); run_in($_[0], "DROP SUBSCRIPTION $_[0]") });
    $publisher->stop;
}

$node->stop;
done_testing();
