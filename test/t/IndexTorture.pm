# What the tests of the segment index share: an audience with every kind of field in several shapes, rules that between them ask all of it, a
# comparison of index and tables under one snapshot, and random statements.
package IndexTorture;
use strict;
use warnings;
use Exporter 'import';
use IPC::Run qw(start);
use Faults qw(session older_than);
use PostgreSQL::Test::Utils;
use Time::HiRes qw(usleep);
our @EXPORT = qw(settings torture_database shapes statement start_crowd watch_crowd end_crowd end_prepared last_look population seeded pick number talk scenarios answers crowd_answers unexpected index_tables);

# What the servers of these tests have in common.
sub settings {
    # Little memory, so that what a statement changed is read back from files.
    return "work_mem = '64kB'\ntimezone = 'UTC'\nfsync = off\nautovacuum_naptime = 1s\nmax_prepared_transactions = 20\nmax_worker_processes = 16\nlog_lock_waits = on\nlog_error_verbosity = verbose\n";
}

# The tables that an index consists of.
sub index_tables {
    return map { "segments.$_" } qw(slice slice_entry delta dictionary index_state index_stale index_source index_field);
}

# Members that there are or may be, by number.
my $members = 700;

# Before the minor releases of November 2026, PostgreSQL may crash where a MERGE into a partitioned table updates after it has inserted, and a trigger sees
# the new rows as a table: it copies another row, which may be gone.
my $merge_crashes;

# How an audience may lie: its key dense or sparse, its tables whole or in parts.
sub shapes { return qw(plain hash range sparse) }

my %keys = (
    # Both sides of zero, and of what a chunk holds.
    dense => q(SELECT CASE WHEN i < 300 THEN i - 100 WHEN i < 500 THEN 61440 + i - 400 ELSE 122880 + i - 500 END::bigint),
    sparse => q(SELECT CASE i WHEN 0 THEN -9223372036854775808 WHEN 1 THEN 9223372036854775807 ELSE hashint8extended(i, 7) END),
);

# Columns of the audience; those of its partitions stand in another order.
my @columns = (
    'n int', 'big bigint', 'money numeric(8,2)', 'ratio float8', 'flag boolean', 'day date', 'local timestamp', 'instant timestamptz', 'word text', 'mood mood',
    'who uuid', 'tags text[]', 'nums int[]', 'note text', 'twice int GENERATED ALWAYS AS (n * 2) STORED',
);
my $names = join ', ', map { /^(\w+)/ } grep { !/GENERATED/ } @columns;

# The tables of a shape. Events and visits are in months everywhere but where the audience is plain.
sub tables {
    my ($shape) = @_;
    my $columns = join ', ', @columns;
    my $shuffled = join ', ', 'gone int', reverse(@columns), 'gone_too int';
    my $sql = "CREATE TABLE aud (id bigint PRIMARY KEY, $columns)" . ($shape eq 'hash' ? ' PARTITION BY HASH (id)' : $shape eq 'range' ? ' PARTITION BY RANGE (id)' : '') . ";\n";
    my %parts =
        $shape eq 'hash' ? map { ("aud_$_" => "FOR VALUES WITH (MODULUS 3, REMAINDER $_)") } 0 .. 2
      : $shape eq 'range' ? (aud_0 => 'FOR VALUES FROM (MINVALUE) TO (0)', aud_1 => 'FOR VALUES FROM (0) TO (61440)', aud_2 => 'DEFAULT')
      :                     ();
    for my $part (sort keys %parts) {
        # One partition is itself in parts.
        my $deeper = $part eq 'aud_1' ? ' PARTITION BY HASH (id)' : '';
        $sql .= "CREATE TABLE $part ($shuffled, id bigint NOT NULL)$deeper;\nALTER TABLE $part DROP COLUMN gone, DROP COLUMN gone_too;\n";
        $sql .= "CREATE TABLE ${part}_$_ PARTITION OF $part FOR VALUES WITH (MODULUS 2, REMAINDER $_);\n" for $deeper ? (0, 1) : ();
        $sql .= "ALTER TABLE aud ATTACH PARTITION $part $parts{$part};\n";
    }
    my $cascade = 'REFERENCES aud ON DELETE CASCADE ON UPDATE CASCADE';
    if ($shape eq 'plain') {
        $sql .= "CREATE TABLE events (price int, member bigint $cascade, at timestamptz, kind kind);\nCREATE TABLE visits (member bigint, at timestamptz);\n";
        $sql .= "CREATE TABLE lists (member bigint, list int, since date, PRIMARY KEY (member, list));\n";
    } else {
        $sql .= "CREATE TABLE events (price int, member bigint $cascade, at timestamptz, kind kind) PARTITION BY RANGE (at);\n";
        $sql .= "CREATE TABLE visits (member bigint, at timestamptz) PARTITION BY RANGE (at);\n";
        for my $table (qw(events visits)) {
            $sql .= "CREATE TABLE ${table}_old PARTITION OF $table FOR VALUES FROM (MINVALUE) TO (:'month'::timestamptz - interval '3 months');\n";
            $sql .= "CREATE TABLE ${table}_$_ PARTITION OF $table FOR VALUES FROM (:'month'::timestamptz - interval '$_ months') TO (:'month'::timestamptz - interval '$_ months' + interval '1 month');\n"
                for 0 .. 3;
            $sql .= "CREATE TABLE ${table}_rest PARTITION OF $table DEFAULT;\n";
        }
        $sql .= "CREATE TABLE lists (member bigint $cascade, list int, since date, PRIMARY KEY (member, list)) PARTITION BY HASH (member);\n";
        $sql .= "CREATE TABLE lists_$_ PARTITION OF lists FOR VALUES WITH (MODULUS 2, REMAINDER $_);\n" for 0, 1;
    }
    return $sql . "CREATE TABLE labels (member bigint, label text);\nCREATE INDEX ON events (member);\nCREATE INDEX ON labels (member);\nCREATE INDEX ON visits (member);\n";
}

# Rules over every field. By semantics, operators and NOT.
my @rules = (
    '{"everyone":true}',
    '{"condition":"AND","rules":[{"field":"n","operator":"between","value":[2,7]},{"field":"big","operator":"greater","value":-5000000000}]}',
    '{"semantics":"sql","condition":"AND","not":true,"rules":[{"field":"n","operator":"not_in","value":[1,3,5]},{"field":"word","operator":"equal","value":"w1"}]}',
    '{"condition":"OR","rules":[{"field":"big","operator":"less_or_equal","value":0},{"field":"n","operator":"is_null"}]}',
    '{"condition":"OR","rules":[{"field":"money","operator":"less","value":10.5},{"field":"money","operator":"equal","value":77.77}]}',
    '{"semantics":"sql","condition":"OR","rules":[{"field":"money","operator":"not_between","value":[3,40.25]},{"field":"ratio","operator":"equal","value":0}]}',
    '{"condition":"AND","rules":[{"field":"ratio","operator":"greater","value":-1.5},{"field":"flag","operator":"not_equal","value":true}]}',
    '{"semantics":"sql","condition":"OR","not":true,"rules":[{"field":"flag","operator":"equal","value":true},{"field":"day","operator":"is_null"}]}',
    '{"condition":"OR","rules":[{"field":"day","operator":"less_than_n_days","value":40},{"field":"day","operator":"in_next_n_days","value":400}]}',
    '{"condition":"AND","rules":[{"field":"local","operator":"greater_than_n_days","value":10},{"field":"local","operator":"greater","value":"2020-02-02"}]}',
    '{"time_zone":"America/New_York","condition":"OR","rules":[{"field":"instant","operator":"less_than_n_days","value":20},{"field":"instant","operator":"is_null"}]}',
    '{"semantics":"sql","condition":"AND","not":true,"rules":[{"field":"instant","operator":"less","value":"2024-06-01T10:00:00Z"}]}',
    '{"condition":"OR","rules":[{"field":"word","operator":"begins_with","value":"w"},{"field":"word","operator":"is_empty"}]}',
    '{"condition":"AND","not":true,"rules":[{"field":"word","operator":"in","value":["w1","w2","new 3"]},{"field":"mood","operator":"not_equal","value":"low"}]}',
    '{"semantics":"sql","condition":"OR","rules":[{"field":"word","operator":"not_contains","value":"new"},{"field":"mood","operator":"greater","value":"low"}]}',
    '{"condition":"OR","rules":[{"field":"who","operator":"equal","value":"00000000-0000-0000-0000-000000000002"},{"field":"who","operator":"is_null"}]}',
    '{"condition":"AND","rules":[{"field":"tags","operator":"contains","value":"t1"},{"field":"tags","operator":"not_in","value":["t3","new 1"]}]}',
    '{"semantics":"sql","condition":"OR","not":true,"rules":[{"field":"nums","operator":"in","value":[3,4]},{"field":"tags","operator":"is_empty"}]}',
    '{"condition":"AND","not":true,"rules":[{"field":"nums","operator":"is_not_empty"},{"field":"twice","operator":"greater_or_equal","value":6}]}',
    '{"condition":"OR","rules":[{"field":"list","operator":"in","value":[1,4]},{"field":"list","operator":"is_empty"}]}',
    '{"condition":"AND","rules":[{"field":"list","operator":"not_equal","value":2},{"field":"label","operator":"not_in","value":["l1","new 2"]}]}',
    '{"semantics":"sql","condition":"AND","not":true,"rules":[{"field":"label","operator":"contains","value":"l2"}]}',
    '{"condition":"AND","rules":[{"field":"id","operator":"between","value":[-20,61450]},{"condition":"OR","not":true,"rules":[{"field":"n","operator":"equal","value":4},{"list":3}]}]}',
    '{"condition":"OR","rules":[{"event":"open","operator":"greater_or_equal","value":2},{"event":"sent","operator":"equal","value":0}]}',
    '{"condition":"AND","rules":[{"event":"click","measure":"last","operator":"greater_than_n_days","value":25},{"event":"click","measure":"first","operator":"less","value":"2099-01-01"}]}',
    '{"condition":"OR","rules":[{"event":"sent","within":{"last":30,"unit":"day"}},{"event":"open","within":{"last":60,"unit":"day"},"operator":"equal","value":0}]}',
    '{"semantics":"sql","condition":"AND","not":true,"rules":[{"event":"visits","operator":"less","value":2},{"event":"visits","measure":"last","operator":"is_null"}]}',
    '{"condition":"OR","rules":[{"field":"note","operator":"contains","value":"7"},{"condition":"AND","rules":[{"field":"n","operator":"less","value":3},{"event":"click","measure":{"sum":"price"},"operator":"greater","value":3}]}]}',
);

# Fills the tables, once they are empty. Some of those that events and lists speak of are no members.
sub population {
    my $there = $members * 4 / 5;
    return <<SQL;
INSERT INTO aud (id, $names) SELECT m.* FROM generate_series(0, $there - 1) i, made(k(i), 1) m;
INSERT INTO lists SELECT DISTINCT k(h(i, 2, $there)), h(i, 3, 6) FROM generate_series(1, 600) i ON CONFLICT DO NOTHING;
INSERT INTO labels SELECT k(h(i, 4, $members)), word(i, 5, 'l') FROM generate_series(1, 600) i;
INSERT INTO events SELECT h(i, 6, 9), k(h(i, 7, $there)), happened(i, 8), kind(i, 9) FROM generate_series(1, 1500) i;
INSERT INTO visits SELECT k(h(i, 10, $members)), happened(i, 11) FROM generate_series(1, 700) i
SQL
}

# Makes a database of a shape, with an index; nested: with triggers of the user's own, which do what torture.nested says; members: how many.
sub torture_database {
    my ($node, $database, $shape, %options) = @_;
    $members = $options{members} // 700;
    $merge_crashes = older_than($node, 15 => 20, 16 => 16, 17 => 12, 18 => 7);
    $node->safe_psql('postgres', "CREATE DATABASE $database") if $database ne 'postgres';
    my $key = $shape eq 'sparse' ? $keys{sparse} : $keys{dense};
    $node->safe_psql($database, "SELECT date_trunc('month', now()) AS month \\gset\n" . <<SQL);
CREATE EXTENSION segments;
CREATE TYPE mood AS ENUM ('low', 'fair', 'high');
CREATE TYPE kind AS ENUM ('sent', 'open', 'click');
@{[ tables($shape) ]}
CREATE VIEW seen AS SELECT id, n, word, flag FROM aud;
-- Whatever is drawn, is drawn by number and salt: the same everywhere, whatever random() gives.
CREATE FUNCTION h(i bigint, salt int, below int) RETURNS int IMMUTABLE LANGUAGE sql AS \$\$ SELECT abs(hashint8extended(\$1, \$2) % \$3)::int \$\$;
CREATE FUNCTION k(i int) RETURNS bigint IMMUTABLE LANGUAGE sql AS \$\$ $key \$\$;
CREATE FUNCTION word(i bigint, salt int, prefix text) RETURNS text IMMUTABLE LANGUAGE sql AS
    \$\$ SELECT CASE WHEN h(i, salt, 7) = 0 THEN NULL WHEN h(i, salt + 1, 40) = 0 THEN 'new ' || h(i, salt, 10) WHEN h(i, salt + 2, 60) = 0 THEN '' ELSE prefix || h(i, salt + 3, 5) END \$\$;
CREATE FUNCTION moment(i bigint, salt int) RETURNS timestamptz STABLE LANGUAGE sql AS
    \$\$ SELECT CASE h(i, salt, 50) WHEN 0 THEN NULL WHEN 1 THEN 'infinity' WHEN 2 THEN '-infinity' WHEN 3 THEN now() + h(i, salt + 1, 90) * interval '1 day'
        WHEN 4 THEN date_trunc('day', now()) ELSE now() - h(i, salt + 1, 400) * interval '7 hours 11 minutes' - h(i, salt + 2, 1000000) * interval '1 microsecond' END \$\$;
-- When an event was: never after now, unless it is asked for.
CREATE FUNCTION happened(i bigint, salt int) RETURNS timestamptz STABLE LANGUAGE sql AS
    \$\$ SELECT CASE h(i, salt, 30) WHEN 0 THEN NULL WHEN 1 THEN now() WHEN 2 THEN now() - interval '30 days' WHEN 3 THEN '-infinity' ELSE now() - h(i, salt + 1, 300) * interval '7 hours 3 seconds' END \$\$;
CREATE FUNCTION made(key bigint, salt int, OUT id bigint, @{[ join ', ', map { my ($name, $type) = /^(\w+) (\S+)/; "OUT $name $type" } grep { !/GENERATED/ } @columns ]})
    STABLE LANGUAGE sql AS \$\$
    SELECT \$1, CASE WHEN h(\$1, \$2, 9) > 0 THEN h(\$1, \$2 + 1, 12) - 2 END, CASE h(\$1, \$2, 11) WHEN 0 THEN NULL WHEN 1 THEN 9223372036854775807 WHEN 2 THEN -9223372036854775808 ELSE h(\$1, \$2 + 2, 2000000000) * 10::bigint - 10000000000 END,
        CASE h(\$1, \$2 + 3, 13) WHEN 0 THEN NULL WHEN 1 THEN 'NaN' WHEN 2 THEN 77.77 WHEN 3 THEN -999999.99 ELSE h(\$1, \$2 + 4, 10000) / 100.0 END,
        CASE h(\$1, \$2 + 5, 13) WHEN 0 THEN NULL WHEN 1 THEN 'NaN' WHEN 2 THEN '-infinity' WHEN 3 THEN '-0' WHEN 4 THEN 0 WHEN 5 THEN 'infinity' ELSE (h(\$1, \$2 + 6, 1000) - 500) / 7.0::float8 END,
        CASE h(\$1, \$2 + 7, 3) WHEN 0 THEN NULL WHEN 1 THEN true ELSE false END, moment(\$1, \$2 + 8)::date, moment(\$1, \$2 + 9)::timestamp, moment(\$1, \$2 + 10),
        word(\$1, \$2 + 11, 'w'), (ARRAY['low', 'fair', 'high', NULL])[h(\$1, \$2 + 12, 4) + 1]::mood, CASE WHEN h(\$1, \$2 + 13, 4) > 0 THEN ('00000000-0000-0000-0000-00000000000' || h(\$1, \$2 + 13, 4))::uuid END,
        CASE h(\$1, \$2 + 14, 5) WHEN 0 THEN NULL WHEN 1 THEN '{}' ELSE ARRAY[word(\$1, \$2 + 15, 't'), word(\$1, \$2 + 16, 't'), word(\$1, \$2 + 17, 't')] END,
        CASE h(\$1, \$2 + 18, 5) WHEN 0 THEN NULL WHEN 1 THEN '{NULL}' WHEN 2 THEN '{{1,2},{3,4}}' ELSE ARRAY[h(\$1, \$2 + 19, 6), h(\$1, \$2 + 20, 6)] END,
        'note ' || h(\$1, \$2 + 21, 1000)
\$\$;
CREATE FUNCTION kind(i bigint, salt int) RETURNS kind IMMUTABLE LANGUAGE sql AS \$\$ SELECT (ARRAY['sent', 'open', 'click', 'sent', NULL])[h(i, salt, 5) + 1]::kind \$\$;
@{[ population() ]};
ANALYZE;
SELECT segments.add_membership('aud', 'list', 'lists', 'member', 'list'), segments.add_membership('aud', 'label', 'labels', 'member', 'label');
SELECT segments.add_events('aud', 'log', 'events', 'member', 'at', 'kind'), segments.add_events('aud', 'visits', 'visits', 'member', 'at');
SELECT segments.create_index('aud');

CREATE TABLE rules (id int PRIMARY KEY, rule segments.rule);
INSERT INTO rules VALUES @{[ join ', ', map { "($_, '$rules[$_]')" } 0 .. $#rules ]};
SET client_min_messages = error;
@{[ comparison() ]}
@{[ $options{nested} ? nested() : '' ]}
SQL
    return;
}

# What compares. Under one snapshot: that of the statement that calls it.
sub comparison {
    return <<'SQL';
-- How often this transaction has gone through the audience: where there is no more than before, the index alone has answered.
CREATE TABLE parts_of_audience AS WITH parts AS (SELECT 'aud'::regclass::oid AS part UNION SELECT p.relid FROM pg_partition_tree('aud') p)
    SELECT part FROM parts UNION SELECT i.indexrelid FROM parts p JOIN pg_index i ON i.indrelid = p.part;
CREATE FUNCTION scans() RETURNS bigint VOLATILE LANGUAGE sql AS $$ SELECT coalesce(sum(pg_stat_get_xact_numscans(part)), 0) FROM parts_of_audience $$;
CREATE FUNCTION keys_by_index(rule segments.rule) RETURNS bigint[] STABLE LANGUAGE sql SET segments.use_index = 'force' AS $$ SELECT array_agg(key ORDER BY key) FROM segments.keys('aud', rule, false) key $$;
CREATE FUNCTION keys_by_sql(rule segments.rule) RETURNS bigint[] STABLE LANGUAGE sql SET segments.use_index = 'off' AS $$ SELECT array_agg(key ORDER BY key) FROM segments.keys('aud', rule, false) key $$;
CREATE FUNCTION members_by_index(rule segments.rule) RETURNS text STABLE LANGUAGE sql SET segments.use_index = 'force' AS $$ SELECT md5(string_agg(m::text, E'\n' ORDER BY m.id)) FROM segments.members(NULL::aud, rule, false) m $$;
CREATE FUNCTION members_by_sql(rule segments.rule) RETURNS text STABLE LANGUAGE sql SET segments.use_index = 'off' AS $$ SELECT md5(string_agg(m::text, E'\n' ORDER BY m.id)) FROM segments.members(NULL::aud, rule, false) m $$;
-- Of values that are equal, any may speak for all.
CREATE FUNCTION facet_rows(rule segments.rule, field text) RETURNS SETOF text STABLE LANGUAGE sql AS $$ SELECT regexp_replace(f::text, '^\(-0,', '(0,') FROM segments.facet('aud', rule, field, false) f $$;
CREATE FUNCTION facet_by_index(rule segments.rule, field text) RETURNS text[] STABLE LANGUAGE sql SET segments.use_index = 'force' AS $$ SELECT array_agg(f ORDER BY f COLLATE "C") FROM facet_rows(rule, field) f $$;
CREATE FUNCTION facet_by_sql(rule segments.rule, field text) RETURNS text[] STABLE LANGUAGE sql SET segments.use_index = 'off' AS $$ SELECT array_agg(f ORDER BY f COLLATE "C") FROM facet_rows(rule, field) f $$;

-- Each rule by index and by SQL; what differs. indexed: how many the index alone has answered.
CREATE FUNCTION compare(OUT asked int, OUT indexed int, OUT problem text, OUT wrong text) STABLE LANGUAGE plpgsql AS $$
DECLARE
    r record;
    before bigint;
    by_index bigint;
    by_sql bigint;
BEGIN
    asked := 0;
    indexed := 0;
    FOR r IN SELECT * FROM rules ORDER BY id LOOP
        before := scans();
        by_index := segments.count_by_index('aud', r.rule);
        asked := asked + 1;
        indexed := indexed + CASE WHEN scans() = before THEN 1 ELSE 0 END;
        by_sql := segments.count_by_sql('aud', r.rule);
        IF by_index <> by_sql THEN
            wrong := concat_ws(', ', wrong, format('rule %s: %s by the index, %s by SQL', r.id, by_index, by_sql));
        END IF;
    END LOOP;
    SELECT s.problem INTO problem FROM segments.index_status s WHERE s.audience = 'aud'::regclass;
END $$;

-- Members, keys and a facet of some rules.
CREATE FUNCTION compare_sets(chosen int, field text) RETURNS text STABLE LANGUAGE plpgsql AS $$
DECLARE
    wrong text;
    chosen_rule segments.rule := (SELECT rule FROM rules WHERE id = chosen);
BEGIN
    IF keys_by_index(chosen_rule) IS DISTINCT FROM keys_by_sql(chosen_rule) THEN
        wrong := concat_ws(', ', wrong, format('keys of rule %s', chosen));
    END IF;
    IF members_by_index(chosen_rule) IS DISTINCT FROM members_by_sql(chosen_rule) THEN
        wrong := concat_ws(', ', wrong, format('members of rule %s', chosen));
    END IF;
    IF facet_by_index(chosen_rule, field) IS DISTINCT FROM facet_by_sql(chosen_rule, field) THEN
        wrong := concat_ws(', ', wrong, format('facet of rule %s by %s: %s', chosen, field, (SELECT array_agg(d) FROM (
            (SELECT 'index ' || f FROM unnest(facet_by_index(chosen_rule, field)) f EXCEPT ALL SELECT 'index ' || f FROM unnest(facet_by_sql(chosen_rule, field)) f) UNION ALL
            (SELECT 'SQL ' || f FROM unnest(facet_by_sql(chosen_rule, field)) f EXCEPT ALL SELECT 'SQL ' || f FROM unnest(facet_by_index(chosen_rule, field)) f)) d (d))));
    END IF;
    RETURN wrong;
END $$;

-- Within a statement, where nobody reads what comes back: as a warning, and counted.
CREATE SEQUENCE looks;
CREATE FUNCTION look(place text) RETURNS void VOLATILE LANGUAGE plpgsql AS $$
DECLARE
    found record;
BEGIN
    SELECT * INTO found FROM compare();
    IF found.wrong IS NOT NULL THEN
        RAISE WARNING 'WRONG in %: %', place, found.wrong;
    END IF;
    PERFORM nextval('looks');
END $$;
SQL
}

# Triggers of the user's own, before and after those of the index: they change what is being changed, and look.
sub nested {
    my $sql = <<'SQL';
CREATE TABLE noise (x int);
CREATE SEQUENCE glances;
CREATE FUNCTION wish() RETURNS text STABLE LANGUAGE sql AS $$ SELECT current_setting('torture.nested', true) $$;
CREATE FUNCTION before_statement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF wish() ~ 'noise' THEN
        INSERT INTO noise VALUES (1);
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION before_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF wish() ~ 'skip' AND TG_OP <> 'DELETE' AND h(NEW.id, 1, 5) = 0 THEN
        RETURN NULL;
    END IF;
    IF wish() ~ 'change' AND TG_OP <> 'DELETE' THEN
        NEW.n := h(NEW.id, NEW.n, 9);
        NEW.word := 'nested ' || NEW.n;
    END IF;
    IF wish() ~ 'look' AND h(CASE WHEN TG_OP = 'DELETE' THEN OLD.id ELSE NEW.id END, 5, 30) = 0 THEN
        PERFORM look('a row trigger before');
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
-- Writes what the statement is writing, or another table of the index; sometimes in vain.
CREATE FUNCTION disturb(key bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    wish text := wish();
BEGIN
    IF wish ~ 'update' THEN
        UPDATE aud SET n = coalesce(n, 0) + 1, word = 'nested ' || h(key, 3, 5), tags = ARRAY['nested'], mood = 'high' WHERE id = key;
    END IF;
    IF wish ~ 'insert' THEN
        INSERT INTO aud (id, n, word) VALUES (key + 1, h(key, 1, 9), 'nested') ON CONFLICT DO NOTHING;
    END IF;
    IF wish ~ 'delete' THEN
        DELETE FROM aud WHERE id = key AND h(key, 2, 3) = 0;
    END IF;
    IF wish ~ 'others' THEN
        INSERT INTO labels VALUES (key, 'nested ' || h(key, 4, 3)), (key, 'l1');
        DELETE FROM labels WHERE member = key AND label = 'l2';
        INSERT INTO visits VALUES (key, now());
        INSERT INTO lists SELECT key, 5 WHERE EXISTS (SELECT FROM aud WHERE id = key) ON CONFLICT DO NOTHING;
    END IF;
    IF wish ~ 'fail' THEN
        BEGIN
            INSERT INTO aud (id, n, word) VALUES (key + 2, 3, 'failed') ON CONFLICT DO NOTHING;
            UPDATE aud SET n = 3, word = 'failed ' || n WHERE id = key;
            INSERT INTO labels VALUES (key, 'failed');
            RAISE EXCEPTION USING ERRCODE = 'P0002';
        EXCEPTION WHEN no_data_found THEN
            NULL;
        END;
    END IF;
END $$;
CREATE FUNCTION after_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() = 1 THEN
        PERFORM disturb(CASE WHEN TG_OP = 'DELETE' THEN OLD.id ELSE NEW.id END);
        IF wish() ~ 'look' AND h(CASE WHEN TG_OP = 'DELETE' THEN OLD.id ELSE NEW.id END, 6, 30) = 0 THEN
            PERFORM look('a row trigger after');
        END IF;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION after_statement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() = 1 AND wish() ~ 'statement' THEN
        PERFORM disturb(id) FROM (SELECT id FROM aud ORDER BY h(id, 9, 1000000) LIMIT 3) a;
    END IF;
    -- Each look asks every rule; of the statements of triggers there are thousands.
    IF wish() ~ 'look' AND (pg_trigger_depth() = 1 OR nextval('glances') % 25 = 0) THEN
        PERFORM look('trigger ' || TG_NAME);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER b_row BEFORE INSERT OR UPDATE OR DELETE ON aud FOR EACH ROW EXECUTE FUNCTION before_row();
CREATE TRIGGER c_row AFTER INSERT OR UPDATE OR DELETE ON aud FOR EACH ROW EXECUTE FUNCTION after_row();
SQL
    for my $table (qw(aud lists labels events visits)) {
        $sql .= "CREATE TRIGGER a_before BEFORE INSERT OR UPDATE OR DELETE ON $table FOR EACH STATEMENT EXECUTE FUNCTION before_statement();\n"
            . "CREATE TRIGGER a_after AFTER INSERT OR UPDATE OR DELETE ON $table FOR EACH STATEMENT EXECUTE FUNCTION after_statement();\n"
            . "CREATE TRIGGER z_after AFTER INSERT OR UPDATE OR DELETE ON $table FOR EACH STATEMENT EXECUTE FUNCTION after_statement();\n";
    }
    return $sql;
}

# A session in a database.
sub talk {
    my ($node, $database) = @_;
    return session($node, database => $database, each => 180);
}

# Written scenarios --------------------------------------------------------------------------------------------------------------------------

# Plays scenarios, each in a database of its own with an audience of a hundred. A line begins with
#   ==          a title
#   a:          a statement in session a; it must not fail
#   a! regex:   one whose error is like this
#   a&:         one that is not waited for; a.: what became of it
#   ?           a rule: the index is used and gives what SQL gives, in every session that is open and in a new one
#   x? regex:   a rule: the index is not used, for this reason; then compact() or rebuild_index() makes it usable again
sub scenarios {
    my ($node, $text) = @_;
    $node->safe_psql('postgres', 'CREATE DATABASE scene');
    $node->safe_psql('scene', <<'SQL');
CREATE EXTENSION segments;
CREATE TABLE aud (id bigint PRIMARY KEY, n int, word text);
INSERT INTO aud SELECT i, i % 10, 'w' || i % 3 FROM generate_series(1, 100) i;
CREATE FUNCTION keys(rule segments.rule) RETURNS text STABLE LANGUAGE sql AS $$ SELECT md5(string_agg(key::text, ',' ORDER BY key)) FROM segments.keys('aud', rule, false) key $$;
CREATE FUNCTION keys_by_index(rule segments.rule) RETURNS text STABLE LANGUAGE sql SET segments.use_index = 'force' AS $$ SELECT keys(rule) $$;
CREATE FUNCTION keys_by_sql(rule segments.rule) RETURNS text STABLE LANGUAGE sql SET segments.use_index = 'off' AS $$ SELECT keys(rule) $$;
CREATE FUNCTION compare(rule segments.rule) RETURNS text STABLE LANGUAGE sql AS $$
    SELECT CASE WHEN i <> s THEN format('WRONG: %s by the index, %s by SQL', i, s) WHEN keys_by_index(rule) IS DISTINCT FROM keys_by_sql(rule) THEN 'WRONG: other keys' ELSE s || ' members' END
        || coalesce(', not used: ' || (SELECT problem FROM segments.index_status WHERE audience = 'aud'::regclass), '')
    FROM (SELECT segments.count_by_index('aud', rule) i, segments.count_by_sql('aud', rule) s) c
$$;
SQL
    my ($title, %sessions, $played, @failed, $asked, $scene);
    my $finish = sub {
        return unless defined $title;
        $_->(undef) for values %sessions;
        %sessions = ();
        push @failed, 'nothing was asked' unless $asked;
        Test::More::is(join("\n", @failed), '', $title);
        $node->safe_psql('postgres', "DROP DATABASE $scene WITH (FORCE)");
        @failed = ();
    };
    my $session = sub { return $sessions{ $_[0] } //= talk($node, $scene) };
    # Notes what is not as it should be; of errors, what they say.
    my $note = sub {
        my ($what, $said) = @_;
        push @failed, "$what: " . join ' ', $said =~ /^(?!HINT|DETAIL|CONTEXT|LOCATION)(?=WRONG|\d|.*(?:ERROR|FATAL|psql)).*/mg;
    };
    # Asks in all sessions and a new one.
    my $ask = sub {
        my ($rule, $wanted) = @_;
        local $sessions{anew} = talk($node, $scene);
        for my $name (sort keys %sessions) {
            my $said = $sessions{$name}->("SELECT compare('$rule')");
            $asked++;
            $note->("$name asks $rule", $said) if $said !~ $wanted;
        }
        $sessions{anew}->(undef);
    };
    for (split /\n/, $text) {
        next if /^\s*(?:#|$)/;
        if (/^== (.*)/) {
            my $next = $1;
            $finish->();
            ($title, $scene, $asked) = ($next, 'scene' . ++$played, 0);
            $node->safe_psql('postgres', "CREATE DATABASE $scene TEMPLATE scene");
        } elsif (my ($name, $mark, $error, $sql) = /^(\w+)([!&.]?)( .*?)?:(?: (.*))?$/) {
            my $said = $session->($name)->($sql // 'SELECT', $mark eq '&');
            if ($mark eq '!') {
                $error =~ s/^ //;
                $note->("$name: not $error: $sql", "ERROR: $said") unless $said =~ /ERROR:.*$error/;
            } elsif ($said =~ /ERROR:|FATAL:|psql:|server closed/) {
                $note->($mark eq '.' ? "$name, waited for" : "$name: $sql", $said);
            }
        } elsif (/^\? (.*)/) {
            $ask->($1, qr/^\d+ members$/m);
        } elsif (/^x\? (.*?): (\{.*)/) {
            my ($reason, $rule) = ($1, $2);
            $ask->($rule, qr/^\d+ members, not used: .*$reason/m);
            my $repair = $played % 2 ? 'compact' : 'rebuild_index';
            my $said = $session->('a')->("SELECT segments.$repair('aud')");
            $note->($repair, $said) if $said =~ /ERROR:/;
            $ask->($rule, qr/^\d+ members$/m);
        } else {
            die "not understood: $_";
        }
    }
    $finish->();
    return;
}

# Random statements -----------------------------------------------------------------------------------------------------------------------

my $salt;

# Every number that is drawn comes from here.
sub seeded {
    my ($seed) = @_;
    srand $seed;
    $salt = 100;
    return;
}

sub number { return int rand $_[0] }
sub pick { return $_[ number(scalar @_) ] }

# Some members, as a condition: few, a stretch of numbers, or a share of all.
sub some_members {
    my ($column) = @_;
    return pick(
        "$column = k(@{[ number($members) ]})",
        "$column IN (k(@{[ number($members) ]}), k(@{[ number($members) ]}), k(@{[ number($members) ]}))",
        do { my $first = number($members); "$column IN (SELECT k(i) FROM generate_series($first, $first + @{[ number(60) ]}) i)" },
        "h($column, @{[ $salt++ ]}, @{[ 5 + number(100) ]}) = 0",
    );
}

sub somebody { return "k(@{[ number($members) ]})" }

# New values for some columns.
sub changes {
    my $s = $salt++;
    my @all = map { "$_ = (made(id, $s)).$_" } split /, /, $names;
    return pick("n = n + 1", "n = coalesce(n, 0) - 1, word = 'w1'", "note = note || '!'", "word = 'new @{[ number(10) ]}', tags = tags || 'new @{[ number(3) ]}'::text", "mood = NULL, who = NULL, flag = NOT flag",
        "money = -money, ratio = -ratio", "instant = now(), local = local - interval '1 day', day = day + 1", "nums = ARRAY[@{[ number(6) ]}], big = -coalesce(nullif(big, -9223372036854775808), 5)",
        join(', ', @all), pick(@all), pick(@all), "id = id");
}

sub new_rows {
    my $first = number($members);
    return "SELECT m.* FROM generate_series($first, $first + @{[ number(pick(2, 20, 200)) ]}) i, made(k(i), @{[ $salt += 30 ]}) m";
}

# Rows by COPY.
sub copied {
    my ($table, @rows) = @_;
    my $text = join '', map { join('\t', map { $_ // 'nil' } @$_) . '\n' } @rows;
    return "COPY $table FROM PROGRAM 'printf \"$text\"' (NULL 'nil')";
}

# Parts of tables that are written directly, by shape.
sub part_of {
    my ($table, $shape) = @_;
    my @parts = $shape eq 'plain' || $shape eq 'sparse' && $table eq 'aud' ? ()
      : $table eq 'aud' ? map({ "aud_$_" } 0 .. 2)
      : $table eq 'lists' ? map({ "lists_$_" } 0, 1)
      :                     map { "${table}_$_" } 0 .. 3, 'old', 'rest';
    push @parts, 'aud_1_0', 'aud_1_1' if $table eq 'aud' && @parts;
    return pick($table, @parts);
}

# Statements of each kind: a kind is drawn, then one of it.
my %kinds = (
    'insert members' => sub { "INSERT INTO aud (id, $names) @{[ new_rows() ]} ON CONFLICT DO NOTHING" },
    'insert duplicates' => sub { "INSERT INTO aud (id, $names) @{[ new_rows() ]}" },
    'insert into a view' => sub { "INSERT INTO seen VALUES (@{[ somebody() ]}, 5, 'new 4', true) ON CONFLICT (id) DO UPDATE SET flag = NULL" },
    'update members' => sub { "UPDATE aud SET @{[ changes() ]} WHERE @{[ some_members('id') ]}" },
    'update all members' => sub { "UPDATE aud SET @{[ changes() ]}" },
    'update a part' => sub { "UPDATE @{[ part_of('aud', $_[0]) ]} SET @{[ changes() ]} WHERE @{[ some_members('id') ]}" },
    'delete a part' => sub { "DELETE FROM @{[ part_of('aud', $_[0]) ]} WHERE @{[ some_members('id') ]}" },
    'update keys' => sub {
        my ($one, $other, $i) = (somebody(), somebody(), number($members - 20));
        pick("UPDATE aud SET id = $one WHERE id = $other",
            "UPDATE aud a SET id = k(i + 3), n = 8 FROM generate_series($i, $i + 10) i WHERE a.id = k(i) AND NOT EXISTS (SELECT FROM aud b WHERE b.id = k(i + 3))",
            # Two members change places.
            "UPDATE aud SET id = 777777777 WHERE id = $one;\nUPDATE aud SET id = $one WHERE id = $other;\nUPDATE aud SET id = $other WHERE id = 777777777");
    },
    'delete members' => sub { "DELETE FROM aud WHERE @{[ some_members('id') ]}" },
    'delete and return' => sub {
        my $same = $names =~ s/\bn\b/n + 1/r;
        "WITH gone AS (DELETE FROM aud WHERE @{[ some_members('id') ]} RETURNING *) INSERT INTO aud (id, $names) SELECT id, $same FROM gone LIMIT @{[ number(20) ]}";
    },
    'many at once' => sub {
        "WITH a AS (UPDATE aud SET @{[ changes() ]} WHERE id < 0 RETURNING id), b AS (DELETE FROM lists WHERE member IN (SELECT id FROM a) RETURNING member),"
            . " c AS (INSERT INTO labels SELECT id, 'new @{[ number(10) ]}' FROM a), d AS (DELETE FROM aud WHERE id BETWEEN 100 AND 110 RETURNING id) INSERT INTO visits SELECT id, now() FROM d";
    },
    'upsert' => sub {
        "INSERT INTO aud (id, $names) @{[ new_rows() ]} ON CONFLICT (id) DO UPDATE SET "
            . pick('n = excluded.n', 'word = excluded.word, tags = excluded.tags', 'n = aud.n + 1, mood = excluded.mood', 'note = excluded.note') . pick('', ' WHERE aud.n > 3');
    },
    'upsert lists' => sub { "INSERT INTO lists SELECT id, @{[ number(6) ]} FROM aud WHERE @{[ some_members('id') ]} ON CONFLICT (member, list) DO UPDATE SET list = lists.list + 1" },
    'merge members' => sub {
        my $values = join ', ', map { "s.$_" } split /, /, $names;
        "MERGE INTO aud a USING (@{[ new_rows() ]}) s ON a.id = s.id WHEN MATCHED AND a.n % 3 = 0 THEN DELETE WHEN MATCHED AND a.n % 3 = 1 THEN UPDATE SET n = s.n, word = s.word, tags = s.tags"
            . " WHEN MATCHED THEN DO NOTHING"
            . ($merge_crashes && $_[0] =~ /hash|range/ ? '' : " WHEN NOT MATCHED THEN INSERT (id, $names) VALUES (s.id, $values)");
    },
    'merge lists' => sub {
        "MERGE INTO lists l USING (SELECT a.id AS member, @{[ number(6) ]} AS list FROM aud a WHERE @{[ some_members('a.id') ]}) s ON l.member = s.member AND l.list = s.list"
            . " WHEN MATCHED AND h(l.member, @{[ $salt++ ]}, 2) = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET list = l.list + 10 WHEN NOT MATCHED THEN INSERT (member, list) VALUES (s.member, s.list)";
    },
    'merge labels' => sub {
        my $i = number($members);
        "MERGE INTO labels l USING (SELECT k(i) AS member FROM generate_series($i, $i + 9) i) s ON l.member = s.member WHEN MATCHED AND l.label = 'l1' THEN DELETE"
            . " WHEN MATCHED THEN UPDATE SET label = 'l@{[ number(5) ]}' WHEN NOT MATCHED THEN INSERT VALUES (s.member, 'new @{[ number(10) ]}')";
    },
    'join lists' => sub { "INSERT INTO lists SELECT id, @{[ number(6) ]} FROM aud WHERE @{[ some_members('id') ]} ON CONFLICT DO NOTHING" },
    'change lists' => sub {
        pick("UPDATE lists SET list = list + 1 WHERE @{[ some_members('member') ]}", "UPDATE lists SET since = now() WHERE @{[ some_members('member') ]}",
            "UPDATE lists SET member = @{[ somebody() ]} WHERE member = @{[ somebody() ]}");
    },
    'leave lists' => sub { "DELETE FROM @{[ part_of('lists', $_[0]) ]} WHERE @{[ some_members('member') ]}" . pick('', " AND list = @{[ number(6) ]}") },
    'leave and join' => sub { "WITH gone AS (DELETE FROM lists WHERE @{[ some_members('member') ]} RETURNING *) INSERT INTO lists SELECT * FROM gone LIMIT @{[ number(6) ]}" },
    'label' => sub {
        my $i = number($members);
        "INSERT INTO labels SELECT k(i), word(i, @{[ $salt += 5 ]}, 'l') FROM generate_series($i, $i + @{[ number(30) ]}) i";
    },
    'change labels' => sub {
        pick("UPDATE labels SET label = word(member, @{[ $salt += 5 ]}, 'l') WHERE @{[ some_members('member') ]}", "UPDATE labels SET label = label WHERE @{[ some_members('member') ]}",
            "UPDATE labels a SET member = b.member FROM labels b WHERE a.label = 'l1' AND b.label = 'l2' AND b.member BETWEEN 0 AND 20");
    },
    'remove labels' => sub { pick("DELETE FROM labels WHERE @{[ some_members('member') ]}", 'DELETE FROM labels WHERE ctid IN (SELECT min(ctid) FROM labels GROUP BY member, label HAVING count(*) > 1)') },
    'events' => sub {
        "INSERT INTO events SELECT h(i, @{[ $salt++ ]}, 9), a.id, happened(i, @{[ $salt += 2 ]}), kind(i, @{[ $salt++ ]})"
            . " FROM (SELECT id, row_number() OVER () + @{[ number(1000) ]} AS i FROM aud WHERE @{[ some_members('id') ]}) a";
    },
    'one event' => sub {
        "INSERT INTO @{[ $_[0] eq 'plain' ? 'events' : pick('events', 'events_0') ]} SELECT 3, id, @{[ pick('now()', q(greatest(now() - interval '1 hour', date_trunc('month', now())))) ]}, '@{[ pick(qw(sent open click)) ]}'"
            . " FROM aud WHERE @{[ some_members('id') ]} LIMIT 1";
    },
    'change events' => sub {
        my $those = some_members('member');
        pick("UPDATE events SET price = price + 1 WHERE $those", "UPDATE events SET kind = kind(price, @{[ $salt++ ]}) WHERE $those", "UPDATE events SET at = happened(price, @{[ $salt += 2 ]}) WHERE $those",
            "UPDATE events SET member = (SELECT id FROM aud ORDER BY h(id, @{[ $salt++ ]}, 1000000) LIMIT 1) WHERE $those");
    },
    'remove events' => sub {
        my $those = some_members('member');
        pick("DELETE FROM @{[ part_of('events', $_[0]) ]} WHERE $those", "DELETE FROM events e WHERE $those AND at = (SELECT max(at) FROM events l WHERE l.member = e.member)");
    },
    'visits' => sub {
        my $i = number($members);
        "INSERT INTO visits SELECT k(i), happened(i, @{[ $salt += 2 ]}) FROM generate_series($i, $i + @{[ number(40) ]}) i";
    },
    'change visits' => sub {
        my $those = some_members('member');
        pick("UPDATE visits SET at = at - interval '3 days' WHERE $those", "DELETE FROM @{[ part_of('visits', $_[0]) ]} WHERE $those", "DELETE FROM visits v WHERE at = (SELECT max(at) FROM visits l WHERE l.member = v.member) AND $those");
    },
    'copy' => sub {
        pick(copied('aud (id, n, word, tags, mood, ratio)', map { [ 200000 + number(50) + 50 * $_, number(9), pick('w1', 'new 5', undef), pick('{t1,t3}', '{}', undef), pick('low', undef), pick('NaN', 1.5) ] } 0 .. number(10)),
            copied('labels', map { [ 61440 + number(50) - 25, pick('l1', 'l2', 'new 6', undef) ] } 0 .. number(20)),
            copied('visits', map { [ pick(number(100), undef), pick('2024-01-05 10:00Z', undef) ] } 0 .. number(20)));
    },
    'a loop' => sub {
        "DO \$\$ DECLARE r record; BEGIN FOR r IN SELECT id FROM aud WHERE @{[ some_members('id') ]} LOOP UPDATE aud SET n = n + 1, word = 'new @{[ number(10) ]}' WHERE id = r.id; INSERT INTO visits VALUES (r.id, now());"
            . " BEGIN INSERT INTO labels VALUES (r.id, 'failed @{[ number(3) ]}'); DELETE FROM aud WHERE id = r.id; PERFORM 1 / (h(r.id, 1, 2)); EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END \$\$";
    },
    'a cursor' => sub {
        "DO \$\$ DECLARE c CURSOR FOR SELECT * FROM aud WHERE @{[ some_members('id') ]} FOR UPDATE; BEGIN FOR r IN c LOOP IF h(r.id, @{[ $salt++ ]}, 2) = 0 THEN DELETE FROM aud WHERE CURRENT OF c;"
            . ' ELSE UPDATE aud SET n = 4, tags = NULL WHERE CURRENT OF c; END IF; END LOOP; END $$';
    },
);

# A statement that changes what the index keeps, and its kind.
sub statement {
    my ($shape, $wanted) = @_;
    my $kind = $wanted // pick(sort keys %kinds);
    return ($kind, $kinds{$kind}->($shape));
}

# A transaction for those who write side by side: some statements, some of them in vain.
sub transaction {
    my ($shape, $mark) = @_;
    return 'TRUNCATE ' . pick(qw(lists labels visits events)) . ";\n" if number(300) == 0;
    my @body;
    for (0 .. number(5)) {
        my (undef, $statement) = statement($shape);
        # Whoever changes everybody keeps all others waiting.
        redo if $statement =~ /^UPDATE aud SET (?!.*WHERE)/;
        push @body, pick('', '', "SAVEPOINT s;\n") . "$statement;\n" . pick('', '', '', "SAVEPOINT r;\nROLLBACK TO r;\n", "ROLLBACK TO s;\n");
    }
    return $body[-1] =~ s/.*SAVEPOINT.*\n|ROLLBACK TO.*\n//gr if number(3) == 0;
    my $end = pick('COMMIT', 'COMMIT', 'COMMIT', 'ROLLBACK', 'PREPARE');
    $end = "PREPARE TRANSACTION '$mark';\n" . pick('COMMIT', 'ROLLBACK') . " PREPARED '$mark'" if $end eq 'PREPARE';
    return 'BEGIN ISOLATION LEVEL ' . pick('READ COMMITTED', 'READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE') . ";\n" . join('', @body) . "$end;\n";
}

# A crowd: writers, who look in the midst of their transactions, a compactor, a vacuumer, and those who look. Each is a psql that does what stands in a file.
sub start_crowd {
    my ($node, $database, $shape, $seconds, %options) = @_;
    my (%crowd, %script);
    my $folder = $options{folder} // PostgreSQL::Test::Utils::tempdir();
    my $look = 'SELECT * FROM compare();';
    my $set = sub { "SELECT compare_sets(@{[ number(28) ]}, '@{[ pick(qw(n flag word mood tags list label)) ]}');" };
    for my $writer (1 .. $options{writers} // 3) {
        $script{"writer$writer"} = join "\n", "SET lock_timeout = '2s';", $options{auto_compact} ? () : 'SET segments.auto_compact = off;', map { transaction($shape, "w$writer.$_") . (number(15) == 0 ? "$look\n" : '') } 1 .. $seconds * 40;
    }
    # As many members of one chunk as make a compaction write it anew.
    $script{bulk} = join "\n", map { ("UPDATE aud SET n = n + 1, word = 'w' || n % 5 WHERE id > 122880 AND h(id, $_, 10) < 8;", "INSERT INTO visits SELECT id, now() FROM aud WHERE id > 122880;", 'SELECT pg_sleep(0.5);') } 1 .. $seconds * 2 if $members > 8000;
    $script{compactor} = "SELECT segments.compact('aud');\nSELECT pg_sleep(0.05);\n" x ($seconds * 20);
    $script{vacuumer} = join "\n", map { "VACUUM $_;\nSELECT pg_sleep(0.1);" } (index_tables(), 'aud', 'events') x (1 + $seconds);
    for my $level ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE', 'SERIALIZABLE READ ONLY DEFERRABLE') {
        $script{"checker $level"} = join "\n", map { "BEGIN ISOLATION LEVEL $level;\n$look\nSELECT pg_sleep(@{[ pick(0, 0.02, 0.2) ]});\n$look\n@{[ $set->() ]}\n$look\nCOMMIT;" } 1 .. $seconds * 20;
    }
    # Who looks once, and goes.
    $script{newcomers} = "\\c\n$look\n" x ($seconds * 20);
    delete @script{ grep { !/$options{only}/ } keys %script } if $options{only};
    for my $who (keys %script) {
        my $file = "$folder/" . ($who =~ s/ /_/gr) . number(1_000_000_000);
        PostgreSQL::Test::Utils::append_to_file("$file.sql", "$script{$who}\n");
        $crowd{$who} = [ start([ 'psql', '-XAtq', '-d', $node->connstr($database) . ' application_name=crowd', '-v', 'VERBOSITY=verbose', '-f', "$file.sql" ], '>', "$file.out", '2>&1'), "$file.out" ];
    }
    return \%crowd;
}

# Lets a crowd be for a time, and on for up to a minute while the index alone has answered fewer comparisons than are enough: a table may wait to be
# truncated, or an index to be rebuilt, for longer than the crowd was to be there.
sub watch_crowd {
    my ($crowd, $seconds, $enough) = @_;
    my $until = time + 60;
    sleep $seconds;
    sleep 1 while time < $until && (crowd_answers(map { $_ => slurp_file($crowd->{$_}[1]) } keys %$crowd))[1] < $enough;
    return;
}

# Ends a crowd (undef: its server is gone already): what each has said, by name.
sub end_crowd {
    my ($node, $crowd) = @_;
    for (values %$crowd) {
        eval { $_->[0]->kill_kill(grace => 1) };
    }
    if ($node) {
        # Most leave by themselves. A signal to one who reads from a program would end that first, which looks like a crash.
        my $here = q(FROM pg_stat_activity WHERE application_name = 'crowd');
        for (1 .. 30) {
            last if $node->safe_psql('postgres', "SELECT count(*) $here") eq '0';
            usleep 100_000;
        }
        $node->psql('postgres', "SELECT pg_terminate_backend(pid, 10000) $here") for 1, 2;
    }
    return map { $_ => slurp_file($crowd->{$_}[1]) } keys %$crowd;
}

# Ends what was prepared and left.
sub end_prepared {
    my ($node) = @_;
    for my $line (split /\n/, $node->safe_psql('postgres', 'SELECT database, gid FROM pg_prepared_xacts')) {
        my ($database, $mark) = split /\|/, $line;
        $node->safe_psql($database, pick('COMMIT', 'ROLLBACK') . " PREPARED '$mark'");
    }
    return;
}

# Compares when all is over, before and after compactions, with rules at random, too, and goes on: what is wrong, or hinders.
sub last_look {
    my ($node, $database) = @_;
    my $session = talk($node, $database);
    my $said = join "\n", map { $session->($_) } ("SELECT * FROM compare()", "SELECT segments.compact('aud')", "SELECT * FROM compare()", "SELECT * FROM segments.verify('aud', 30)",
        "INSERT INTO labels VALUES (1, 'afterwards'); UPDATE aud SET n = 3, word = 'afterwards' WHERE id BETWEEN 0 AND 20", "SELECT * FROM compare()", "SELECT segments.rebuild_index('aud')", "SELECT * FROM compare()");
    $session->(undef);
    (undef, undef, my $wrong) = answers($said);
    return join "\n", grep { $_ ne '' } $wrong, $said =~ /^.*(?:ERROR|FATAL|psql|\{).*/mg, $said =~ /^\d+\|\d+\|.+\|\z/m;
}

# Errors that random statements may meet, by SQLSTATE: they, or whoever waits for whom, are to blame. What is left is not.
sub unexpected {
    my ($said) = @_;
    my @unexpected = grep { !/(?:ERROR|FATAL): +(?:23505|23503|23514|24000|25P02|40001|40P01|55P03|57014|21000|27000|3B001|42704: prepared transaction|25P01|22003: (?:integer|bigint)|57P01)/ }
        grep { /ERROR:|FATAL:|PANIC:|WRONG/ && !/^.*DETAIL/ } split /\n/, $said;
    return join "\n", @unexpected;
}

# Reads the rows of compare(): how many were asked, of the index, and what is wrong.
sub answers {
    my ($said) = @_;
    my ($asked, $indexed, @wrong) = (0, 0);
    for (split /\n/, $said) {
        next unless /^(\d+)\|(\d+)\|([^|]*)\|(.*)$/;
        $asked += $1;
        $indexed += $2;
        push @wrong, $4 if $4 ne '';
    }
    return ($asked, $indexed, join '; ', @wrong);
}

# The same of a whole crowd, by who said what: comparisons, those by the index alone, what was wrong, and errors that were not to be expected.
sub crowd_answers {
    my (%said) = @_;
    my ($asked, $indexed, @wrong, @errors) = (0, 0);
    for my $who (sort keys %said) {
        my ($a, $i, $wrong) = answers($said{$who});
        $asked += $a;
        $indexed += $i;
        push @wrong, "$who: $wrong" if $wrong ne '';
        push @wrong, map { "$who: $_" } $said{$who} =~ /^(?:keys|members|facet) of rule.*/mg;
        my $errors = unexpected($said{$who});
        push @errors, "$who: $errors" if $errors ne '';
    }
    return ($asked, $indexed, \@wrong, \@errors);
}

1;
