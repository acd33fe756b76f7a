# What the fault tests share: two audiences with everything registered on them, a look at whether the catalog and what it speaks of agree,
# statements that use all there is, and a session that outlives their errors.
package Faults;
use strict;
use warnings;
use Exporter 'import';
use IPC::Run qw(start pump finish timer);
use PostgreSQL::Test::Utils;
use Time::HiRes qw(usleep);
our @EXPORT = qw(populate statements session within resident server_fell older_than kill_server);

# Fills a database. broken() has a row for each thing that is not whole: none, whatever happened.
sub populate {
    my ($node) = @_;
    $node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION segments;
CREATE TABLE lists (id int PRIMARY KEY, name text);
INSERT INTO lists SELECT i, 'list ' || i FROM generate_series(1, 5) i;
DO $$
DECLARE
    audience text;
BEGIN
    FOREACH audience IN ARRAY '{numbers,people}'::text[] LOOP
        EXECUTE format('CREATE TABLE %s (id bigint PRIMARY KEY, carrier text, sent_count int, click_count int, last_sent timestamptz)', audience);
        EXECUTE format($q$INSERT INTO %s SELECT i, (ARRAY['AT&T', 'Verizon', NULL])[i %% 3 + 1], i %% 11, i %% 5, now() - i * interval '1 hour' FROM generate_series(1, 1000) i$q$, audience);
        EXECUTE format('CREATE TABLE %s_lists (member bigint, list_id int)', audience);
        EXECUTE format('CREATE INDEX ON %s_lists (member, list_id)', audience);
        EXECUTE format('INSERT INTO %s_lists SELECT i, i %% 5 + 1 FROM generate_series(1, 500) i', audience);
        PERFORM segments.add_field(audience::regclass, 'rate', 'click_count::numeric / nullif(sent_count, 0)');
        PERFORM segments.add_membership(audience::regclass, 'list', (audience || '_lists')::regclass, 'member', 'list_id', 'lists', 'id', 'name');
        EXECUTE format('CREATE TABLE %s_events (member bigint, kind text, at timestamptz, price int)', audience);
        EXECUTE format('INSERT INTO %s_events SELECT i %% 300, (ARRAY[''sent'', ''click'', ''open''])[i %% 3 + 1], now() - i * interval ''1 hour'', i %% 4 FROM generate_series(1, 1000) i', audience);
        PERFORM segments.add_events(audience::regclass, 'log', (audience || '_events')::regclass, 'member', 'at', 'kind', '{sent,click,open}');
        PERFORM segments.add_event_field(audience::regclass, 'spent', '{"event":"log.click","measure":{"sum":"price"}}');
        PERFORM segments.create(audience || ' who click', audience::regclass, '{"field":"click_count","operator":"greater","value":1}');
        PERFORM segments.create(audience || ' who are keen', audience::regclass,
            format('{"condition":"AND","rules":[{"segment":"%s who click"},{"field":"list","operator":"in","value":[3,4]},{"field":"rate","operator":"greater","value":0.2}]}', audience)::segments.rule, '{id,carrier}');
        PERFORM segments.suppress(audience::regclass, sent => 8);
        PERFORM segments.suppress(audience::regclass, '{"list":5}', reason => 'opted out');
    END LOOP;
END $$;
SELECT segments.create_index('numbers');
CREATE TABLE more (id int PRIMARY KEY);
CREATE TABLE rules (id int PRIMARY KEY, rule segments.rule);
INSERT INTO rules SELECT i, format('{"condition":"AND","rules":[{"field":"sent_count","operator":"greater","value":%s},{"field":"list","operator":"not_in","value":[%s]},{"field":"rate","operator":"less","value":0.%s}]}',
    i % 3, i % 5 + 1, i % 7)::segments.rule FROM generate_series(1, 20) i;
-- As many nodes as a rule may have.
CREATE TABLE large (rule text);
INSERT INTO large SELECT '{"condition":"AND","rules":[' || string_agg(format('{"field":"carrier","operator":"%s","value":"%s"}', (ARRAY['not_equal', 'contains', 'not_begins_with'])[i % 3 + 1], i), ',') || ']}'
    FROM generate_series(1, 9999) i;

CREATE FUNCTION broken() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    segment record;
    differing bigint;
BEGIN
    RETURN QUERY SELECT format('audience %s', a.audience) FROM segments.audience a
        WHERE NOT EXISTS (SELECT FROM pg_attribute t WHERE t.attrelid = a.audience AND t.attnum = a.key_attnum AND t.attname = a.key)
           OR a.column_names IS DISTINCT FROM segments._column_names(a.audience);
    RETURN QUERY SELECT format('field %s of %s', f.field, f.audience) FROM segments.field f
        WHERE NOT EXISTS (SELECT FROM segments.audience a WHERE a.audience = f.audience)
           OR f.attnum IS NOT NULL AND f.attnum IS DISTINCT FROM segments._find_column(f.audience, f.field::name)
           OR f.attnum IS NULL AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = f.view AND c.relkind = 'v');
    RETURN QUERY SELECT format('membership %s of %s', m.field, m.audience) FROM segments.membership m
        WHERE NOT EXISTS (SELECT FROM segments.audience a WHERE a.audience = m.audience)
           OR m.member_attnum IS DISTINCT FROM segments._find_column(m.membership_table, m.member)
           OR m.value_attnum IS DISTINCT FROM segments._find_column(m.membership_table, m.value)
           OR m.names IS NOT NULL AND m.name_attnums[1] IS DISTINCT FROM segments._find_column(m.names, m.name_key);
    RETURN QUERY SELECT format('event source %s of %s', e.source, e.audience) FROM segments.event_source e
        WHERE NOT EXISTS (SELECT FROM segments.audience a WHERE a.audience = e.audience)
           OR e.member_attnum IS DISTINCT FROM segments._find_column(e.event_table, e.member) OR e.at_attnum IS DISTINCT FROM segments._find_column(e.event_table, e.at)
           OR e.kind_attnum IS DISTINCT FROM segments._find_column(e.event_table, e.kind) OR e.column_names IS DISTINCT FROM segments._column_names(e.event_table);
    RETURN QUERY SELECT format('suppression %s of %s', s.reason, s.audience) FROM segments.suppression s
        WHERE NOT EXISTS (SELECT FROM segments.audience a WHERE a.audience = s.audience)
           OR NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = s.view AND c.relkind = 'v');
    RETURN QUERY SELECT format('segment %s', s.name) FROM segments.segment s
        WHERE NOT EXISTS (SELECT FROM segments.audience a WHERE a.audience = s.audience)
           OR NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = s.view AND c.relkind = 'v' AND c.relname = s.name)
           OR NOT (s.fields @> segments.rule_fields(s.rule) AND s.fields <@ segments.rule_fields(s.rule))
           OR NOT (s.segments @> segments.rule_segments(s.rule) AND s.segments <@ segments.rule_segments(s.rule))
           OR (SELECT count(*) FROM pg_attribute t WHERE t.attrelid = s.view AND t.attnum > 0) <> cardinality(s.columns)
           OR EXISTS (SELECT FROM unnest(s.columns) c WHERE segments._find_column(s.audience, c) IS NULL);

    -- What a stored rule names is there, and cannot go.
    RETURN QUERY SELECT format('a rule of %s names field %s', u.audience, f) FROM (SELECT audience, rule FROM segments.segment UNION ALL SELECT audience, rule FROM segments.suppression) u,
            unnest(segments.rule_fields(u.rule)) f
        WHERE segments._find_column(u.audience, f::name) IS NULL AND NOT EXISTS (SELECT FROM segments.field r WHERE r.audience = u.audience AND r.field = f)
          AND NOT EXISTS (SELECT FROM segments.membership m WHERE m.audience = u.audience AND m.field = f);
    RETURN QUERY SELECT format('a rule or field of %s names event %s', u.audience, e) FROM (SELECT audience, segments.rule_events(rule) FROM segments.segment
            UNION ALL SELECT audience, segments.rule_events(rule) FROM segments.suppression
            UNION ALL SELECT audience, ARRAY[segments.measure_event(leaf)] FROM segments.field WHERE leaf IS NOT NULL) u (audience, events), unnest(u.events) e
        WHERE e <> ALL (segments._event_names(u.audience));
    RETURN QUERY SELECT format('a rule of %s names segment %s', u.audience, n) FROM (SELECT audience, rule FROM segments.segment UNION ALL SELECT audience, rule FROM segments.suppression) u,
            unnest(segments.rule_segments(u.rule)) n
        WHERE NOT EXISTS (SELECT FROM segments.segment s WHERE s.name = n AND s.audience = u.audience);
    RETURN QUERY SELECT format('view %s does not depend on %s', u.view, used) FROM (SELECT audience, rule, view FROM segments.segment UNION ALL SELECT audience, rule, view FROM segments.suppression) u,
            unnest(segments._used_views(u.audience, u.rule)) used
        WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = u.view AND d.refclassid = 'pg_class'::regclass AND d.refobjid = used AND d.deptype = 'n');

    -- Nothing is in the schema that nobody speaks of, and no function is missing.
    RETURN QUERY SELECT format('relation %s of nobody', c.oid::regclass) FROM pg_class c
        WHERE c.relnamespace = 'segments'::regnamespace AND c.relkind = 'v'
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
          AND c.oid NOT IN (SELECT f.view FROM segments.field f WHERE f.view IS NOT NULL UNION ALL SELECT s.view FROM segments.suppression s);
    RETURN QUERY SELECT format('function %s of nobody', p.oid::regprocedure) FROM pg_proc p
        WHERE p.pronamespace = 'segments'::regnamespace AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
          AND NOT EXISTS (SELECT FROM segments.audience a JOIN pg_class c ON c.oid = a.audience WHERE c.reltype = p.proargtypes[0]);
    RETURN QUERY SELECT format('audience %s without %s', a.audience, needed) FROM segments.audience a JOIN pg_class c ON c.oid = a.audience, unnest('{members_of,keys_of}'::text[]) needed
        WHERE NOT EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = 'segments'::regnamespace AND p.proname = needed AND p.proargtypes[0] = c.reltype);

    -- Indexes: what is on record is whole, and their answers are those of SQL.
    RETURN QUERY SELECT format('index data %s of nobody', u.id) FROM (SELECT id FROM segments.index_source UNION SELECT id FROM segments.index_field UNION SELECT id FROM segments.slice_entry
            UNION SELECT id FROM segments.delta UNION SELECT id FROM segments.dictionary) u WHERE u.id NOT IN (SELECT id FROM segments.index_state);
    RETURN QUERY SELECT format('index of %s: %s by index %s, by SQL %s', d.audience, q.rule, segments.count_by_index(d.audience, q.rule::text::segments.rule), segments.count_by_sql(d.audience, q.rule::text::segments.rule))
        FROM segments.index_definition d, (VALUES ('{"field":"carrier","operator":"not_equal","value":"Verizon"}'::json), ('{"field":"sent_count","operator":"greater","value":5}'),
            ('{"event":"log.click"}'), ('{"list":2}')) q (rule)
        WHERE CASE WHEN NOT EXISTS (SELECT FROM segments.validate(d.audience, q.rule))
            THEN segments.count_by_index(d.audience, q.rule::text::segments.rule) <> segments.count_by_sql(d.audience, q.rule::text::segments.rule) END;

    -- A view's rows are those of its rule.
    FOR segment IN SELECT s.* FROM segments.segment s ORDER BY s.name LOOP
        EXECUTE format('SELECT count(*) FROM ((SELECT id FROM %1$s EXCEPT ALL SELECT segments.keys(%2$L, %3$L)) UNION ALL (SELECT segments.keys(%2$L, %3$L) EXCEPT ALL SELECT id FROM %1$s)) d',
            segment.view, segment.audience, segment.rule) INTO differing;
        IF differing > 0 THEN
            RETURN NEXT format('view %s: %s rows are not its rule''s', segment.view, differing);
        END IF;
    END LOOP;

    -- What the extension shows can be read.
    IF (SELECT count(*) FROM segments.list) <> (SELECT count(*) FROM segments.segment) THEN
        RETURN NEXT 'segments.list';
    END IF;
    PERFORM FROM segments.suppressed;
    PERFORM FROM segments.audience a, segments.targets(a.audience);
    PERFORM FROM segments.audience a, segments.fields(a.audience);
END $$;
SQL
    return;
}

# Statements, each with what makes it possible again after it was done, or was not. For an audience: numbers.
sub statements {
    my $rule = q('{"condition":"AND","rules":[{"segment":"numbers who click"},{"field":"list","operator":"in","value":[1,2,3]},{"condition":"OR","not":true,"rules":[)
        . q({"field":"carrier","operator":"contains","value":"izo"},{"field":"last_sent","operator":"greater_than_n_days","value":9},{"field":"rate","operator":"less","value":0.5}]}]}');
    my $indexed = q('{"condition":"AND","rules":[{"field":"carrier","operator":"contains","value":"izo"},{"list":2},{"event":"log.sent"},{"field":"last_sent","operator":"greater_than_n_days","value":3}]}');
    my $changes = q(WITH a AS (UPDATE numbers SET carrier = 'carrier ' || id % 7, sent_count = sent_count + 1 WHERE id < 50), b AS (INSERT INTO numbers_lists SELECT i, 2 FROM generate_series(600, 620) i),)
        . q( c AS (DELETE FROM numbers_lists WHERE member < 20) INSERT INTO numbers_events SELECT i, 'sent', now() - interval '1 hour' FROM generate_series(1, 100) i);
    my $no_segment = q(SELECT segments.drop('made', cascade => true) FROM segments.list WHERE name = 'made');
    my $a_segment = qq(SELECT segments.create('made', 'numbers', $rule) WHERE NOT EXISTS (SELECT FROM segments.list WHERE name = 'made'));
    my $no_field = q(SELECT segments.drop_field('numbers', 'made') FROM segments.field WHERE field = 'made');
    my $a_field = q(SELECT segments.add_field('numbers', 'made', 'sent_count + 1') WHERE NOT EXISTS (SELECT FROM segments.field WHERE field = 'made'));
    my $no_membership = q(SELECT segments.drop_membership('numbers', 'joined') FROM segments.membership WHERE field = 'joined');
    my $a_membership = q(SELECT segments.add_membership('numbers', 'joined', 'numbers_lists', 'member', 'list_id', 'lists', 'id', 'name') WHERE NOT EXISTS (SELECT FROM segments.membership WHERE field = 'joined'));
    my $no_events = q(SELECT segments.drop_events('numbers', 'made') FROM segments.event_source WHERE source = 'made');
    my $some_events = q(SELECT segments.add_events('numbers', 'made', 'numbers_events', 'member', 'at') WHERE NOT EXISTS (SELECT FROM segments.event_source WHERE source = 'made'));
    my $no_suppression = q(SELECT segments.unsuppress('numbers', 'made') FROM segments.suppression WHERE reason = 'made');
    my $a_suppression = qq(SELECT segments.suppress('numbers', $rule, reason => 'made') WHERE NOT EXISTS (SELECT FROM segments.suppression WHERE reason = 'made'));
    my $no_audience = q(SELECT segments.drop_audience('more') FROM segments.audience WHERE audience = to_regclass('more'));
    my $an_audience = q(SELECT segments.add_audience('more') WHERE NOT EXISTS (SELECT FROM segments.audience WHERE audience = to_regclass('more')));
    return (
        [ 'matches', "SELECT count(*) FROM numbers n WHERE segments.matches(n, $rule)" ],
        [ 'matches at run time', 'SELECT count(*) FROM numbers n, rules r WHERE segments.matches(n, r.rule)' ],
        [ 'matches of a record', q(SELECT count(*) FROM (SELECT n.id, n.carrier FROM numbers n) r WHERE segments.matches(r, '{"field":"carrier","operator":"begins_with","value":"V"}')) ],
        [ 'matches in the select list', "SELECT count(m) FROM (SELECT segments.matches(n, $rule) m FROM numbers n OFFSET 0) t" ],
        [ 'members', "SELECT count(*) FROM segments.members(NULL::numbers, $rule)" ],
        [ 'members at run time', 'SELECT count(*) FROM rules r, segments.members(NULL::numbers, r.rule)' ],
        [ 'keys', "SELECT sum(k) FROM segments.keys('numbers', $rule) k" ],
        [ 'keys at run time', q(SELECT sum(k) FROM rules r, segments.keys('numbers', r.rule, NULL::bigint) k) ],
        [ 'count', "SELECT segments.count('numbers', $rule)" ],
        [ 'estimate', "SELECT segments.estimate('numbers', $rule)" ],
        [ 'explain', "SELECT count(e.actual) FROM numbers n, segments.explain(n, $rule) e WHERE n.id < 100" ],
        [ 'of', 'SELECT count(*) FROM numbers n, segments.of(n) WHERE n.id < 100' ],
        [ 'is_suppressed', 'SELECT count(*) FROM numbers n WHERE segments.is_suppressed(n)' ],
        [ 'sql', "SELECT segments.sql('numbers', $rule)" ],
        [ 'describe', "SELECT segments.describe('numbers', $rule)" ],
        [ 'validate', "SELECT count(*) FROM segments.validate('numbers', $rule)" ],
        [ 'validate what is wrong', q{SELECT count(*) FROM segments.validate('numbers', '[{"field":"carier","operator":"equal","value":1},{"field":"carrier","operator":"matches_regex","value":"("},{"list":7},{"segment":"nobody"}]')} ],
        [ 'validate much', q(SELECT count(*) FROM large, segments.validate('numbers', rule::json)) ],
        [ 'read much', 'SELECT max(length((rule::segments.rule)::text)) FROM large' ],
        [ 'ask much', q(SELECT segments.count('numbers', (SELECT rule::segments.rule FROM large))) ],
        [ 'all_of', "SELECT segments.all_of($rule, segments.none_of($rule, $rule))" ],
        [ 'jsonb', "SELECT count(DISTINCT rule::jsonb::segments.rule) FROM rules" ],
        [ 'list and targets', q(SELECT (SELECT count(rule) FROM segments.list), (SELECT count(*) FROM segments.targets('numbers'))) ],
        [ 'fields and builder', q(SELECT count(*), length(segments.builder('numbers')::text) FROM segments.fields('numbers')) ],
        [ 'views', 'SELECT (SELECT count(*) FROM "numbers who are keen"), (SELECT count(*) FROM segments.suppressed)' ],
        [ 'create', "SELECT segments.create('made', 'numbers', $rule, description => 'anew')", $no_segment ],
        [ 'alter', "SELECT segments.alter('numbers who click', (SELECT rule FROM rules WHERE id = 1)), segments.alter('numbers who click', (SELECT rule FROM rules WHERE id = 2))" ],
        [ 'rename', "SELECT segments.rename('made', 'remade'), segments.rename('remade', 'made')", $a_segment ],
        [ 'drop', "SELECT segments.drop('made')", $a_segment ],
        [ 'drop a cascade', "SELECT segments.drop('made', cascade => true)", qq($a_segment; SELECT segments.create('of made', 'numbers', '{"segment":"made"}') WHERE NOT EXISTS (SELECT FROM segments.list WHERE name = 'of made')) ],
        [ 'suppress', "SELECT segments.suppress('numbers', $rule, reason => 'made')", $no_suppression ],
        [ 'suppress again', "SELECT segments.suppress('numbers', sent => 8)" ],
        [ 'unsuppress', "SELECT segments.unsuppress('numbers', 'made')", $a_suppression ],
        [ 'add a field', "SELECT segments.add_field('numbers', 'made', 'click_count * 2', 'Made')", $no_field ],
        [ 'redefine a field', "SELECT segments.add_field('numbers', 'rate', 'click_count::numeric / nullif(sent_count, 0)')" ],
        [ 'drop a field', "SELECT segments.drop_field('numbers', 'made')", $a_field ],
        [ 'add a membership', "SELECT segments.add_membership('numbers', 'joined', 'numbers_lists', 'member', 'list_id', 'lists', 'id', 'name')", $no_membership ],
        [ 'drop a membership', "SELECT segments.drop_membership('numbers', 'joined')", $a_membership ],
        [ 'add events', "SELECT segments.add_events('numbers', 'made', 'numbers_events', 'member', 'at')", $no_events ],
        [ 'replace events', "SELECT segments.add_events('numbers', 'log', 'numbers_events', 'member', 'at', 'kind', '{sent,click,open}')" ],
        [ 'drop events', "SELECT segments.drop_events('numbers', 'made')", $some_events ],
        [ 'add an event field', q(SELECT segments.add_event_field('numbers', 'made', '{"event":"sent","measure":"last"}')), $no_field ],
        [ 'add an audience', "SELECT segments.add_audience('more')", $no_audience ],
        [ 'drop an audience', "SELECT segments.drop_audience('more')", $an_audience ],
        [ 'freeze', "SELECT segments.freeze('numbers', $rule, 'list', '4')", 'DELETE FROM numbers_lists WHERE list_id = 4' ],
        [ 'rebuild', "SELECT segments.rebuild('numbers')" ],
        [ 'count by index', "SELECT segments.count('numbers', $indexed)" ],
        [ 'keys by index', "SELECT sum(k) FROM segments.keys('numbers', $indexed) k" ],
        [ 'members by index', "SELECT count(*) FROM segments.members(NULL::numbers, $indexed)" ],
        [ 'facet', "SELECT string_agg(f::text, ' ') FROM segments.facet('numbers', $indexed, 'carrier') f" ],
        [ 'note changes', $changes ],
        [ 'ask after changes', "DO \$do\$ BEGIN $changes; PERFORM segments.count('numbers', $indexed, false); END \$do\$" ],
        [ 'compact', "DO \$do\$ BEGIN $changes; DELETE FROM numbers_events WHERE member < 9; PERFORM segments.compact('numbers'); END \$do\$" ],
        [ 'make an index', "SELECT segments.create_index('people')", "SELECT segments.drop_index('people') FROM segments.index_definition WHERE audience = 'people'::regclass" ],
        [ 'rebuild an index', "SELECT segments.rebuild_index('numbers')" ],
        [ 'drop an index', "SELECT segments.drop_index('people')", "SELECT segments.create_index('people') WHERE NOT EXISTS (SELECT FROM segments.index_definition WHERE audience = 'people'::regclass)" ],
        [ 'rename a column', 'ALTER TABLE numbers RENAME COLUMN carrier TO provider', q(DO $$ BEGIN ALTER TABLE numbers RENAME COLUMN provider TO carrier; EXCEPTION WHEN undefined_column THEN END $$) ],
        [ 'drop a table', 'DROP TABLE few CASCADE', q(SET client_min_messages = error; CREATE TABLE IF NOT EXISTS few (id int PRIMARY KEY, n int); SELECT segments.add_field('few', 'twice', 'n * 2'); RESET client_min_messages) ],
    );
}

# A session of psql: a function that runs statements in it and gives what psql says, on both channels. It ends with undef. database: postgres where
# nothing is said; each: seconds that a statement may take, else all of them together 120.
sub session {
    my ($node, %options) = @_;
    my ($in, $out, $turn, $timer) = ('', '', 0, timer($options{each} // 120));
    my $psql = start([ 'psql', '-XAtq', '-d', $node->connstr($options{database} // 'postgres'), '-v', 'VERBOSITY=verbose' ], '<', \$in, '>', \$out, '2>&1', $timer);
    return sub {
        my ($sql, $later) = @_;
        unless (defined $sql) {
            $in .= "\\q\n";
            return finish($psql);
        }
        $turn++;
        $timer->start if $options{each};
        $in .= "$sql;\n\\echo end of turn $turn\n";
        # Who is not waited for gets under way, and answers with the next.
        if ($later) {
            $psql->pump_nb;
            usleep 200_000;
            return '';
        }
        while ($out !~ s/^end of turn $turn\n//m) {
            die "psql takes too long: $sql" if $timer->is_expired;
            return $out unless $psql->pumpable;
            pump($psql);
        }
        my $said = $out;
        $out = '';
        $said =~ s/^end of turn \d+\n//mg;
        $said =~ s/\n\z//;
        return $said;
    };
}

# What a session says to statements that may take no longer than a timeout each. Nor may what lifts the timeout: it is said again until it is done.
sub within {
    my ($ask, $timeout, $statement) = @_;
    my $said = $ask->("SET statement_timeout = '$timeout'; $statement");
    1 while $ask->('RESET statement_timeout') =~ /ERROR/;
    return $said;
}

# The memory of a process in kB, without what it shares with others.
sub resident {
    my ($pid) = @_;
    open my $file, '<', "/proc/$pid/status" or die "process $pid: $!";
    my ($kb) = join('', <$file>) =~ /RssAnon:\s*(\d+) kB/ or die "process $pid has no memory";
    return $kb;
}

# What the server's log says of processes that died.
sub server_fell {
    my ($node) = @_;
    return join '', grep { /PANIC|terminated by signal|was terminated|TRAP:/ } split /^/, PostgreSQL::Test::Utils::slurp_file($node->logfile);
}

# Whether a server is older than the minor release of its major one.
sub older_than {
    my ($node, %minors) = @_;
    my ($major, $minor) = $node->safe_psql('postgres', 'SHOW server_version_num') =~ /^(\d\d)(\d{4})$/;
    return ($minors{$major} // 0) > $minor;
}

# The state and the parent of a process.
sub process {
    my ($pid) = @_;
    open my $file, '<', "/proc/$pid/stat" or return;
    return (<$file> // '') =~ /^\d+ \(.*\) (\S) (\d+) /;
}

# A process and those it started.
sub family {
    my ($pid) = @_;
    return ($pid, grep { ((process($_))[1] // 0) == $pid } map { m{(\d+)} } glob '/proc/[0-9]*');
}

# Kills a server and all its children at once, sees the clients end, and leaves it so that it can be started.
sub kill_server {
    my ($node, @clients) = @_;
    my ($postmaster, @children) = family(slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/);
    $node->kill9;
    kill 'KILL', @children;
    finish($_) for @clients;
    usleep 1000 while grep { ((process($_))[0] // 'Z') ne 'Z' } $postmaster, @children;
    # They are dead; but PostgreSQL takes one that its parent has not yet asked after for alive.
    unlink $node->data_dir . '/postmaster.pid', $node->host . '/.s.PGSQL.' . $node->port . '.lock';
}

1;
