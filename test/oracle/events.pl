#!/usr/bin/perl
# Events and sequences against a naive evaluator: random logs of events and random rules from a seed, answered by plain loops over each member's
# events, asked in every form. It shares nothing with the extension, and its calendar is its own (Calendar.pm). Runs psql on the database of the
# environment, in one transaction that is rolled back; prints TAP.
# environment: SEED (a fresh one), RULES per seed; BATCH=n runs the n-th batch of that one seed alone.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use IPC::Open2;
use Calendar;

$| = 1;
my $rules_per_batch = 100;
my $rules = $ENV{RULES} // 1000;
my ($sent, $received);
my $psql = open2($received, $sent, 'psql', '-qXAt', '-F', "\t", '-v', 'ON_ERROR_STOP=1');

# Runs SQL; gives the rows.
sub ask {
    print $sent $_[0], "\n\\echo -- done\n";
    $sent->flush;
    my @rows;
    while (defined(my $line = <$received>)) {
        chomp $line;
        return @rows if $line eq '-- done';
        push @rows, [split /\t/, $line, -1];
    }
    print "not ok - psql ended\n# after: ", substr($_[0], 0, 2000) =~ s/\n/\n# /gr, "\n";
    exit 1;
}

sub pick { return $_[int rand @_] }
sub chance { return rand() < $_[0] }
sub quoted { return "'" . $_[0] =~ s/'/''/gr . "'" }
sub json_text { return '"' . $_[0] =~ s/([\\"])/\\$1/gr . '"' }

# What there is ---------------------------------------------------------------------------------------------------------------------
my @zones = qw(UTC Europe/Berlin America/New_York Asia/Kathmandu Australia/Lord_Howe America/St_Johns Pacific/Apia America/Santiago Atlantic/Azores);
# Where calendars are awkward: local times on, before and after which a day is skipped, an hour is, or repeats; ends of months.
my @moments = (
    ['Europe/Berlin', 2024, 3, 31, '3:30'], ['Europe/Berlin', 2024, 4, 1, '2:30'], ['Europe/Berlin', 2024, 4, 30, '2:30'],
    ['Europe/Berlin', 2024, 10, 27, '2:30'], ['Europe/Berlin', 2024, 10, 28, '2:00'], ['Europe/Berlin', 2025, 1, 27, '2:59'],
    ['America/New_York', 2024, 3, 11, '2:30'], ['America/New_York', 2024, 3, 17, '2:00'], ['America/New_York', 2024, 11, 3, '1:30'],
    ['America/New_York', 2024, 11, 4, '1:30'], ['America/New_York', 2024, 5, 31, '0:00'], ['Australia/Lord_Howe', 2024, 4, 7, '1:45'],
    ['Australia/Lord_Howe', 2024, 4, 8, '1:45'], ['Australia/Lord_Howe', 2024, 10, 7, '2:15'], ['America/St_Johns', 2024, 3, 11, '2:15'],
    ['America/St_Johns', 2023, 11, 12, '1:10'], ['Pacific/Apia', 2011, 12, 31, '10:00'], ['Pacific/Apia', 2012, 1, 1, '0:00'],
    ['Asia/Kathmandu', 2024, 5, 31, '0:00'], ['Asia/Kathmandu', 2023, 2, 28, '23:59'], ['UTC', 2024, 2, 29, '12:00'], ['UTC', 2025, 2, 28, '12:00'],
    ['UTC', 2024, 3, 31, '0:00'], ['UTC', 2024, 12, 31, '23:59'], ['America/Santiago', 2024, 9, 9, '0:00'], ['America/Santiago', 2024, 9, 15, '0:30'],
    ['America/Santiago', 2024, 4, 7, '23:30'], ['Atlantic/Azores', 2024, 10, 27, '0:30'], ['Atlantic/Azores', 2024, 10, 28, '0:30'], ['Atlantic/Azores', 2024, 3, 31, '0:10'],
);
my %steps = (minute => [1, 30, 60, 90, 1440], hour => [1, 2, 24, 25, 48], day => [1, 1, 2, 3, 7, 30], week => [1, 2, 4], month => [1, 1, 2, 3, 12],
    quarter => [1, 2, 4], year => [1, 1, 2]);
my @units = sort keys %steps;
# Few, so that an event is often just so much later than another.
my %chains = (minute => [60], hour => [1, 24], day => [1, 2], week => [1], month => [1], quarter => [1], year => [1]);

# The columns of every event table, and what is written into them. Numbers but float ones are tenths here.
my %type = (n => 'int', big => 'bigint', amount => 'numeric', score => 'float8', url => 'text', level => 'level', flag => 'boolean', due => 'date',
    seen => 'timestamptz', noted => 'timestamp');
my @columns = sort keys %type;
my @levels = qw(low middle high);
my @texts = ('', 'a', 'A', 'ab', 'aB%', 'a_b', 'a\\b', '%', "O'Brien", 'sale', 'b"q');
my @tenths = (-30, -10, 0, 10, 20, 20, 50, 100);
my @bigs = (-10, 0, 10, 100, 90071992547409920, 90071992547409930);
my @amounts = (-15, 0, 1, 5, 10, 25, 25, 999);
my @scores = (-1.5, 0, 0.25, 0.5, 1, 2.5, 10);

# Sources: the table, its columns, its kinds (named: said to add_events; else an enum's labels, or the source's own name), and those of its rows.
# The kind click is of two sources.
my %source = (
    messages => { table => 'message_log', member => 'member', at => 'at', at_type => 'timestamptz', kind => 'kind', kinds => [qw(sent open click)],
        rows => [qw(sent sent open click bounce)], named => 1 },
    site     => { table => 'site_log', member => 'who', at => 'at', at_type => 'timestamptz', kind => 'what', kinds => [qw(view click signup)],
        rows => [qw(view view click signup)] },
    orders   => { table => 'orders', member => 'buyer', at => 'bought', at_type => 'timestamp', kinds => ['purchase'], named => 1 },
    visits   => { table => 'visits', member => 'member', at => 'came', at_type => 'timestamptz', kinds => ['visits'] },
);
my @sources = sort keys %source;
my @kinds = map { my $name = $_; map { [$name, $_] } @{ $source{$name}{kinds} } } @sources;

# Kinds with more events, so that chains come about; or any.
sub some_kind { return chance($_[0]) ? @{ pick(['orders', 'purchase'], ['visits', 'visits'], ['messages', 'sent'], ['site', 'view']) } : @{ pick(@kinds) } }

my $setup = do {
    my $columns = join ', ', map { "$_ $type{$_}" . ($type{$_} eq 'text' ? ' COLLATE "C"' : '') } @columns;
    <<"SQL" };
SET client_min_messages = warning;
SET datestyle = 'SQL, DMY';
SET jit = off;
CREATE EXTENSION IF NOT EXISTS segments;
BEGIN;
CREATE SCHEMA naive;
SET LOCAL search_path = naive;
CREATE TYPE level AS ENUM ('low', 'middle', 'high');
CREATE TYPE deed AS ENUM ('view', 'click', 'signup');
CREATE TABLE people (id int PRIMARY KEY, carrier text COLLATE "C");
CREATE TABLE message_log (id int, member bigint, at timestamptz, kind text, $columns);
CREATE INDEX ON message_log (member, kind, at);
CREATE TABLE site_log (id int, who int, what deed, at timestamptz, $columns) PARTITION BY RANGE (at);
CREATE TABLE site_log_a PARTITION OF site_log FOR VALUES FROM ('2024-03-31') TO ('2024-10-28');
CREATE TABLE site_log_b PARTITION OF site_log DEFAULT;
CREATE TABLE orders (id int, bought timestamp, buyer int, $columns);
CREATE INDEX ON orders (buyer, bought);
CREATE TABLE visits (id int, $columns, came timestamptz, member int);
CREATE FUNCTION naive.got(query text) RETURNS text LANGUAGE plpgsql AS \$\$
DECLARE
    ids int[];
    detail text;
BEGIN
    EXECUTE query INTO ids;
    RETURN coalesce(ids, '{}')::text;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN replace(format('%s %s: %s', SQLSTATE, SQLERRM, detail), E'\\n', ' ');
END \$\$;
CREATE TABLE answer (position int PRIMARY KEY, rule text, ids int[], forms text[]);
CREATE TABLE form (form text, query text);
INSERT INTO form VALUES
('matches, constant', 'SELECT array_agg(person.id ORDER BY person.id) FROM people person WHERE segments.matches(person, %1\$L)'),
('complement of NOT matches', 'SELECT array_agg(id ORDER BY id) FROM people WHERE id NOT IN (SELECT person.id FROM people person WHERE NOT segments.matches(person, %1\$L))'),
('matches, run-time', 'SELECT array_agg(person.id ORDER BY person.id) FROM answer a JOIN people person ON segments.matches(person, a.rule::segments.rule) WHERE a.position = %2\$s'),
('matches in the select list', 'SELECT array_agg(id ORDER BY id) FROM (SELECT id, segments.matches(person, %1\$L) AS holds FROM people person OFFSET 0) s WHERE holds'),
('members', 'SELECT array_agg(person.id ORDER BY person.id) FROM segments.members(NULL::people, %1\$L, suppress => false) person'),
('keys', 'SELECT array_agg(key ORDER BY key) FROM segments.keys(''people'', %1\$L, suppress => false) key'),
('count', 'SELECT ARRAY[segments.count(''people'', %1\$L, suppress => false)]'),
('keys, by index', 'SELECT array_agg(key ORDER BY key) FROM naive.indexed(%1\$L) key'),
('sql', 'SELECT naive.of_sql(segments.sql(''people'', %1\$L, suppress => false))'),
('canonical form', 'SELECT array_agg(person.id ORDER BY person.id) FROM people person WHERE segments.matches(person, (%1\$L::segments.rule)::text::segments.rule)'),
('complement of none_of', 'SELECT array_agg(id ORDER BY id) FROM people WHERE id NOT IN (SELECT key FROM segments.keys(''people'', segments.none_of(%1\$L)) key)'),
('explain', 'SELECT array_agg(person.id ORDER BY person.id) FROM people person WHERE (SELECT holds FROM segments.explain(person, %1\$L) WHERE path = ''\$.rules[0]'')'),
('view', 'SELECT array_agg(id ORDER BY id) FROM %1\$I');
CREATE FUNCTION naive.indexed(rule text) RETURNS SETOF bigint LANGUAGE sql SET segments.use_index = force AS \$\$
    SELECT segments.keys('people', rule::segments.rule, suppress => false)
\$\$;
CREATE FUNCTION naive.of_sql(query text) RETURNS int[] LANGUAGE plpgsql AS \$\$
DECLARE
    ids int[];
BEGIN
    EXECUTE format('SELECT array_agg(id ORDER BY id) FROM (%s) s', query) INTO ids;
    RETURN ids;
END \$\$;
SQL
my $register = join "\n", map {
    my ($name, $s) = ($_, $source{$_});
    "SELECT segments.add_events('people', '$name', '$s->{table}', member => '$s->{member}', at => '$s->{at}'"
        . ($s->{kind} ? ", kind => '$s->{kind}'" : '') . ($s->{named} ? ", kinds => '{" . join(',', @{ $s->{kinds} }) . "}'" : '') . ');'
} @sources;

# A batch: a moment, a log of events around it, named segments, derived fields, rules ------------------------------------------------
my ($moment, $home, @batch_zones, $session_zone, @people, @strangers, @instants, %segment, @derived, $real_now);

sub some_zone { return pick(@batch_zones) }

# An instant of interest: a step or two from the moment or from another event, on a bound or a microsecond beside it.
sub some_instant {
    my $near = @instants && chance(0.4) ? pick(@instants) : $moment;
    return $near if chance(0.08);
    my $unit = pick(@units);
    my $n = pick(@{ $steps{$unit} });
    my $instant = step($near, chance($near == $moment ? 0.85 : 0.5) ? -$n : $n, $unit, some_zone());
    if (chance(0.15)) {
        my $zone = some_zone();
        my @changes = transitions($near, 200, $zone);
        $instant = pick(@changes) + pick(0, 0, -HOUR, HOUR, DAY, -30 * MINUTE) if @changes;
    }
    if (chance(0.1)) {
        my $zone = some_zone();
        $instant = instant(truncate_to(local_time($instant, $zone), pick(qw(day week month quarter year))), $zone);
    }
    return $instant + pick(0, 0, 0, 1, -1, 0, int rand HOUR);
}

sub new_batch {
    %segment = @derived = @instants = ();
    if (chance(0.15)) {
        ($moment, $home) = ($real_now, pick(@zones));
    }
    elsif (chance(0.3)) {
        ($moment, $home) = (Calendar::days_of(2015, 1, 1) * DAY + int(rand 5500) * DAY + int(rand DAY), pick(@zones));
    }
    else {
        my ($zone, $y, $m, $d, $time) = @{ pick(@moments) };
        my ($hour, $minute) = split /:/, $time;
        ($moment, $home) = (instant(days_of($y, $m, $d) * DAY + $hour * HOUR + $minute * MINUTE, $zone) + pick(0, 0, 1, 123456, 999999), $zone);
    }
    @batch_zones = ($home, $home, pick(@zones), pick(@zones));
    $session_zone = some_zone();
    my $id = 0;
    @people = map { { id => $_, carrier => chance(0.2) ? undef : pick(qw(A T V)), events => {} } } 1 .. 40;
    # Some events are nobody's, or of somebody who is no member.
    @strangers = ({ id => undef, events => {} }, { id => 9999, events => {} });
    for my $person (@people, @strangers) {
        my $count = chance(0.1) ? 0 : pick(1 .. 12, 8 .. 12);
        my @own;
        for (1 .. $count) {
            my $name = pick(@sources);
            my $s = $source{$name};
            my $at = @own && chance(0.12) ? pick(@own) : some_instant();
            if (@own && chance(0.4)) {
                my $unit = pick(@units);
                $at = step(pick(@own), pick(-1, 1) * pick(@{ $chains{$unit} }), $unit, some_zone()) + pick(0, 0, 0, 1, -1);
            }
            push @instants, $at;
            push @own, $at;
            my %event = (id => ++$id, source => $name, at => $at);
            # A local time of the log is at times one that its zone skips.
            $event{at} = chance(0.2) ? $at + HOUR : local_time($at, $home) if $s->{at_type} eq 'timestamp';
            $event{at} = undef if chance(0.02);
            $event{kind} = chance(0.03) ? undef : pick(@{ $s->{rows} }) if $s->{rows};
            my %value = (n => sub { pick(@tenths) }, big => sub { pick(@bigs) }, amount => sub { pick(@amounts) }, score => sub { pick(@scores) },
                url => sub { pick(@texts) }, level => sub { int rand 3 }, flag => sub { int rand 2 }, due => sub { day_of(local_time(some_instant(), $home)) },
                seen => \&some_instant, noted => sub { local_time(some_instant(), $home) });
            $event{$_} = chance(0.2) ? undef : $value{$_}->() for @columns;
            push @{ $person->{events}{$name} }, \%event;
        }
    }
}

sub tenths { my ($v) = @_; return ($v < 0 ? '-' : '') . int(abs($v) / 10) . ($v % 10 ? '.' . abs($v) % 10 : '') }

# A column's value as COPY takes it.
sub shown {
    my ($type, $value) = @_;
    return '\N' unless defined $value;
    return tenths($value) . (chance(0.3) ? $value % 10 ? '0' : '.00' : '') if $type eq 'numeric';
    return tenths($value) if $type eq 'int' || $type eq 'bigint';
    return $value =~ s/\\/\\\\/gr if $type eq 'text';
    return $levels[$value] if $type eq 'level';
    return $value ? 't' : 'f' if $type eq 'boolean';
    return substr iso($value * DAY), 0, 10 if $type eq 'date';
    return iso($value) . ($type eq 'timestamptz' ? '+00' : '') if $type =~ /^timestamp/;
    return $value;
}

# The rows of a source as COPY or INSERT take them.
sub event_row {
    my ($name, $member, $event) = @_;
    my $s = $source{$name};
    return join "\t", $event->{id}, $member // '\N', shown($s->{at_type}, $event->{at}), ($s->{kind} ? $event->{kind} // '\N' : ()), map { shown($type{$_}, $event->{$_}) } @columns;
}

sub event_columns { my ($s) = @_; return join ', ', 'id', $s->{member}, $s->{at}, $s->{kind} // (), @columns }

sub load {
    my $sql = "SET LOCAL timezone = '$session_zone';\nTRUNCATE people, message_log, site_log, orders, visits;\nCOPY people FROM STDIN;\n"
        . join('', map { "$_->{id}\t" . ($_->{carrier} // '\N') . "\n" } @people) . "\\.\n";
    for my $name (@sources) {
        my $s = $source{$name};
        $sql .= "COPY $s->{table} (" . event_columns($s) . ") FROM STDIN;\n";
        for my $person (@people, @strangers) { $sql .= event_row($name, $person->{id}, $_) . "\n" for @{ $person->{events}{$name} // [] } }
        $sql .= "\\.\n";
    }
    $sql .= "SELECT segments.create_index('people');\n";
    return $sql;
}

# Conditions: {json: operator and value, test: function of a value and now to 1, 0 or undef} ------------------------------------------
# $c: what a rule says at its root: zone, as_of, sql (three-valued), rqb.
my %negative = (equal => 'not_equal', between => 'not_between', in => 'not_in', begins_with => 'not_begins_with', contains => 'not_contains',
    ends_with => 'not_ends_with', is_empty => 'is_not_empty', is_null => 'is_not_null');
my %rqb_name = (equal => '=', not_equal => '!=', less => '<', less_or_equal => '<=', greater => '>', greater_or_equal => '>=', not_in => 'notIn',
    not_between => 'notBetween', begins_with => 'beginsWith', not_contains => 'doesNotContain', is_null => 'null', is_not_null => 'notNull');

sub negation { my ($truth) = @_; return defined $truth ? 1 - $truth : undef }

# A relative date: (JSON, function of now).
sub relative {
    my ($c) = @_;
    my $unit = pick(@units);
    my $n = chance(0.3) ? 0 : pick(@{ $steps{$unit} }) * pick(-1, -1, -1, 1);
    my $anchor = pick('now', 'now', map { ("startOf$_", "endOf$_") } qw(Day Week Month Quarter Year));
    my $at = sub {
        my $local = local_time($_[0], $c->{zone});
        if ($anchor =~ /^(start|end)Of(.*)/) {
            $local = truncate_to($local, lc $2);
            $local = add($local, 1, lc $2) - 1 if $1 eq 'end';
        }
        elsif ($unit eq 'minute' || $unit eq 'hour') {
            return step($_[0], $n, $unit, $c->{zone});
        }
        return step(instant($local, $c->{zone}), $n, $unit, $c->{zone}) if $unit eq 'minute' || $unit eq 'hour';
        return instant(add($local, $n, $unit), $c->{zone});
    };
    return ("{\"mode\":\"relative\",\"anchor\":\"$anchor\",\"offset\":$n,\"unit\":\"$unit\"}", $at);
}

# A moment as a value: {json, cmp: how an instant (a local time, for a field of type timestamp) stands to it, now}. A day is all of its times.
sub time_value {
    my ($c, $type) = @_;
    my $zone = $c->{zone};
    my $at = some_instant();
    my $form = pick(qw(day day local offset offset relative));
    if ($form eq 'relative') {
        my ($json, $of) = relative($c);
        my %memo;
        return { json => $json, cmp => sub { my $v = $memo{ $_[1] } //= $of->($_[1]); $v = local_time($v, $zone) if $type eq 'timestamp'; $_[0] <=> $v } };
    }
    my $local = local_time($at, $zone);
    if ($form eq 'day') {
        my $day = day_of($local);
        my $json = '"' . substr(iso($local), 0, 10) . '"';
        if ($c->{sql} && !$c->{window}) {
            my $midnight = $type eq 'timestamp' ? $day * DAY : instant($day * DAY, $zone);
            return { json => $json, cmp => sub { $_[0] <=> $midnight } };
        }
        return { json => $json, cmp => sub { day_of($type eq 'timestamp' ? $_[0] : local_time($_[0], $zone)) <=> $day } };
    }
    if ($form eq 'local') {
        my $v = $type eq 'timestamp' ? $local : instant($local, $zone);
        return { json => '"' . iso($local, pick(' ', 'T')) . '"', cmp => sub { $_[0] <=> $v } };
    }
    my ($text, $shift) = @{ pick(['Z', 0], ['+05:45', 345], ['-03:30', -210], ['+00', 0]) };
    my $v = $type eq 'timestamptz' ? $at : $c->{sql} && !$c->{window} ? $at + $shift * MINUTE : $local;
    return { json => '"' . iso($at + $shift * MINUTE, pick(' ', 'T')) . "$text\"", cmp => sub { $_[0] <=> $v } };
}

# A condition on a date, timestamp or timestamptz that counts days from now.
sub days_condition {
    my ($c, $type) = @_;
    my $zone = $c->{zone};
    my $op = pick(qw(greater_than_n_days less_than_n_days equal_n_days in_next_n_days anniversary_in_n_days));
    my $n = pick(0, 1, 1, 2, 3, 7, 29, 30, 31, 60, 365);
    my $test = sub {
        my ($v, $now) = @_;
        return undef unless defined $v;
        my $today = day_of(local_time($now, $zone));
        $v = instant($v, $zone) if $type eq 'timestamp';
        my $day = $type eq 'date' ? $v : day_of(local_time($v, $zone));
        return $day == $today - $n ? 1 : 0 if $op eq 'equal_n_days';
        if ($op eq 'anniversary_in_n_days') {
            my (undef, $m, $d) = Calendar::date_of($day);
            my ($year, $month, $mday) = Calendar::date_of($today + $n);
            return 1 if $m == $month && $d == $mday;
            return $m == 2 && $d == 29 && $month == 2 && $mday == 28 && Calendar::days_in_month($year, 2) == 28 ? 1 : 0;
        }
        my $from = $type eq 'date' ? $today - $n : step($now, -$n, 'day', $zone);
        my $to = $type eq 'date' ? $today + $n : step($now, $n, 'day', $zone);
        my $here = $type eq 'date' ? $today : $now;
        return $v < $from ? 1 : 0 if $op eq 'greater_than_n_days';
        return $v >= $from && $v <= $here ? 1 : 0 if $op eq 'less_than_n_days';
        return $v > $here && $v <= $to ? 1 : 0;
    };
    return { json => "\"operator\":\"$op\",\"value\":$n", test => $c->{sql} ? $test : sub { $test->(@_) // 0 } };
}

# Values to compare with, as JSON and with how a value stands to them.
sub given_value {
    my ($c, $type, $no_blank) = @_;
    return time_value($c, $type) if $type =~ /^timestamp/;
    if ($type eq 'date') {
        my $v = day_of(local_time(some_instant(), $home));
        return { json => '"' . substr(iso($v * DAY), 0, 10) . '"', cmp => sub { $_[0] <=> $v } };
    }
    if ($type eq 'text') {
        my $v = pick(grep { length || !$no_blank } @texts);
        return { json => json_text($v), v => $v, cmp => sub { $_[0] cmp $v } };
    }
    if ($type eq 'level') { my $v = int rand 3; return { json => "\"$levels[$v]\"", cmp => sub { $_[0] <=> $v } } }
    if ($type eq 'boolean') { my $v = int rand 2; return { json => $v ? 'true' : 'false', cmp => sub { $_[0] <=> $v } } }
    if ($type eq 'count') {
        my $text = pick(0, 0, 1, 1, 1, 2, 2, 3, 4, '1.5', '1e1', -1);
        return { json => chance(0.1) ? "\" $text\"" : $text, cmp => sub { $_[0] <=> $text } };
    }
    my @tenths_here = $type eq 'bigint' ? @bigs : $type eq 'numeric' ? @amounts : @tenths;
    my @pool = $type eq 'float8' ? (@scores, 0.1, 3, 2.75) : ((map { tenths($_) } @tenths_here), '0.5', '2.5', '1e1', '0.25', 4, '99999999999999999999');
    my $text = pick(@pool);
    my $v = $type eq 'float8' ? $text + 0 : $text * 10;
    return { json => chance(0.1) ? "\"$text\"" : $text, cmp => sub { $_[0] <=> $v } };
}

# Any condition that a type has; nullable: is_null is one.
sub condition {
    my ($c, $type, $nullable) = @_;
    return days_condition($c, $type) if !$c->{plain} && ($type =~ /^timestamp/ || $type eq 'date') && chance(0.35);
    my @ops = ('equal', 'in', $nullable ? 'is_null' : ());
    push @ops, qw(less less_or_equal greater greater_or_equal between) if $type ne 'boolean';
    push @ops, qw(greater_or_equal less equal) if $type eq 'count';
    push @ops, qw(begins_with contains ends_with is_empty) if $type eq 'text';
    my $op = pick(@ops);
    my $negated = exists $negative{$op} && chance(0.35);
    # React Query Builder drops blanks from lists.
    my $blank = $c->{rqb} && ($op eq 'between' || $op eq 'in');
    my @given = map { given_value($c, $type, $blank) } 1 .. ($op eq 'between' ? 2 : $op eq 'in' ? 1 + int rand 3 : 1);
    my @cmp = map { $_->{cmp} } @given;
    my $part = $given[0]{v};
    my $positive = sub {
        my ($v, $now) = @_;
        return defined $v ? 0 : 1 if $op eq 'is_null';
        return defined $v ? $v eq '' ? 1 : 0 : $c->{sql} ? undef : 1 if $op eq 'is_empty';
        return undef unless defined $v;
        return (grep { $_->($v, $now) == 0 } @cmp) ? 1 : 0 if $op eq 'equal' || $op eq 'in';
        return $cmp[0]->($v, $now) >= 0 && $cmp[1]->($v, $now) <= 0 ? 1 : 0 if $op eq 'between';
        if ($type eq 'text' && defined $part) {
            return index($v, $part) == 0 ? 1 : 0 if $op eq 'begins_with';
            return index($v, $part) >= 0 ? 1 : 0 if $op eq 'contains';
            return length $v >= length $part && substr($v, length($v) - length $part) eq $part ? 1 : 0 if $op eq 'ends_with';
        }
        my $order = $cmp[0]->($v, $now);
        return ($op eq 'less' ? $order < 0 : $op eq 'less_or_equal' ? $order <= 0 : $op eq 'greater' ? $order > 0 : $order >= 0) ? 1 : 0;
    };
    my $name = $negated ? $negative{$op} : $op;
    $name = $rqb_name{$name} if $c->{rqb} && $rqb_name{$name};
    my $list = join ',', map { $_->{json} } @given;
    my $value = $op eq 'is_null' || $op eq 'is_empty' ? '' : $op eq 'between' || $op eq 'in' ? ",\"value\":[$list]" : ",\"value\":$list";
    my $test = sub {
        my $truth = $positive->(@_);
        $truth //= 0 unless $c->{sql};
        return $negated ? negation($truth) : $truth;
    };
    return { json => "\"operator\":\"$name\"$value", test => $test };
}

# Groups: {json, test: function of a row and now} -------------------------------------------------------------------------------------
sub group {
    my ($c, $most, $not, $part) = @_;
    my $any = chance(0.5);
    my @parts = map { $part->() } 1 .. 1 + int rand $most;
    my $test = sub {
        my ($row, $now) = @_;
        my ($unknown, $truth) = (0, $any ? 0 : 1);
        for (@parts) {
            my $one = $_->{test}->($row, $now);
            if (!defined $one) { $unknown = 1; next }
            if ($one == ($any ? 1 : 0)) { $truth = $any ? 1 : 0; $unknown = 0; last }
        }
        $truth = undef if $unknown;
        return $not ? negation($truth) : $truth;
    };
    my $word = $any ? 'OR' : 'AND';
    my $json = ($c->{rqb} ? '"combinator":"' . lc $word . '"' : "\"condition\":\"$word\"") . ($not ? ',"not":true' : '') . ',"rules":[' . join(',', map { $_->{json} } @parts) . ']';
    return { json => "{$json}", open => $json, test => $test, parts => \@parts, not => $not };
}

# The time of an event, in a rule's zone.
sub time_of {
    my ($event, $zone) = @_;
    return $event->{at} if $source{ $event->{source} }{at_type} eq 'timestamptz' || !defined $event->{at};
    return $event->{$zone} //= instant($event->{at}, $zone);
}

sub where_leaf {
    my ($c, $name) = @_;
    my $s = $source{$name};
    if ($c->{rqb} && chance(0.1)) {
        my ($op, $word) = @{ pick(['less', '<'], ['equal', '='], ['not_equal', '!=']) };
        my $test = sub {
            my ($e) = @_;
            my $truth = !defined $e->{n} || !defined $e->{big} ? undef : ($op eq 'less' ? $e->{n} < $e->{big} : $e->{n} == $e->{big}) ? 1 : 0;
            $truth //= 0 unless $c->{sql};
            return $op eq 'not_equal' ? negation($truth) : $truth;
        };
        return { json => "{\"field\":\"n\",\"operator\":\"$word\",\"value\":\"big\",\"valueSource\":\"field\"}", test => $test };
    }
    # Where no zone is known yet, nothing whose meaning hangs on it.
    my $column = $c->{plain} ? pick(qw(n big amount score url level flag due)) : pick(@columns, 'url', 'n', 'at', $s->{kind} ? 'kind' : ());
    my ($field, $type) = $column eq 'at' ? ($s->{at}, $s->{at_type}) : $column eq 'kind' ? ($s->{kind}, '') : ($column, $type{$column});
    if ($column eq 'kind') {
        my $kind = pick(@{ $s->{kinds} });
        return { json => "{\"field\":\"$field\",\"operator\":\"equal\",\"value\":\"$kind\"}", test => sub { defined $_[0]{kind} ? $_[0]{kind} eq $kind ? 1 : 0 : $c->{sql} ? undef : 0 } };
    }
    my $condition = condition($c, $type, 1);
    return { json => "{\"field\":\"$field\",$condition->{json}}", test => sub { $condition->{test}->($_[0]{$column}, $_[1]) } };
}

sub where {
    my ($c, $name, $depth) = @_;
    $depth //= 0;
    return group($c, 3, chance(0.25), sub { $depth < 2 && chance(0.2) ? where($c, $name, $depth + 1) : where_leaf($c, $name) });
}

# A window: (JSON, function of an instant and now).
sub window {
    my ($c) = @_;
    if ($c->{plain} || chance(0.55)) {
        my $unit = pick(@units);
        my $n = pick(@{ $steps{$unit} });
        my %memo;
        return ("{\"last\":$n,\"unit\":\"$unit\"}", sub { $_[0] >= ($memo{"$_[1] $c->{zone}"} //= step($_[1], -$n, $unit, $c->{zone})) && $_[0] <= $_[1] });
    }
    my %all = (%$c, window => 1);
    my ($from, $to) = map { time_value(\%all, 'timestamptz') } 1 .. 2;
    $to = $from if chance(0.1);
    my $which = pick(qw(both both both from to));
    my @json = ($which ne 'to' ? "\"from\":$from->{json}" : (), $which ne 'from' ? "\"to\":$to->{json}" : ());
    return ('{' . join(',', @json) . '}', sub { ($which eq 'to' || $from->{cmp}->(@_) >= 0) && ($which eq 'from' || $to->{cmp}->(@_) <= 0) });
}

# Which events: (JSON's beginning, function of a member and now to events, with their times in {time}); window: a function as above or undef.
sub events_of {
    my ($c, $name, $kind, $filtered) = @_;
    my $bare = $kind ne 'click' && chance(0.7);
    my ($where_json, $where) = ('', undef);
    if (chance($filtered)) {
        $where = where($c, $name);
        $where_json = ",\"where\":$where->{json}";
    }
    my $events = sub {
        my ($member, $now) = @_;
        my @events;
        for my $event (@{ $member->{events}{$name} // [] }) {
            next if $source{$name}{kind} && (!defined $event->{kind} || $event->{kind} ne $kind);
            my $time = time_of($event, $c->{zone});
            next if !defined $time || $time > $now;
            next if $where && !$where->{test}->($event, $now);
            push @events, [$time, $event];
        }
        return @events;
    };
    return ('"event":"' . ($bare ? $kind : "$name.$kind") . '"', $where_json, $events);
}

# The value of a measure over values, and its type.
sub measured {
    my ($measure, $column_type, @values) = @_;
    return scalar @values if $measure eq 'count';
    my @sorted = $column_type eq 'text' ? sort { $a cmp $b } @values : sort { $a <=> $b } @values;
    return $sorted[0] if $measure eq 'min' || $measure eq 'first';
    return $sorted[-1] if $measure eq 'max' || $measure eq 'last';
    if ($measure eq 'distinct') { my %seen; $seen{$_} = 1 for @values; return scalar keys %seen }
    my $sum = 0;
    $sum += $_ for @values;
    return $sum if $measure eq 'sum';
    return undef unless @values;
    return $column_type eq 'float8' ? $sum / @values : [$sum, scalar @values];
}

# A measure over a member's events: {json: without operator, type: of the measure, value: function of a member and now, zone}.
sub measure {
    my ($c) = @_;
    my ($name, $kind) = some_kind(0.4);
    my ($event, $where, $events) = events_of($c, $name, $kind, 0.35);
    my ($window_json, $window) = chance(0.5) ? window($c) : ();
    my $measure = pick(qw(count count count first last last sum min max avg distinct));
    my $column = $measure =~ /^(count|first|last)$/ ? 'at'
        : $measure eq 'sum' || $measure eq 'avg' ? pick(qw(n big amount score))
        : $measure eq 'distinct' ? pick(@columns, 'url') : pick(grep { $_ ne 'flag' } @columns);
    my $column_type = $column eq 'at' ? 'timestamptz' : $type{$column};
    # bigint: only for the numbers that it is compared with.
    my $type = $measure eq 'count' || $measure eq 'distinct' ? 'count' : $measure !~ /^(sum|avg)$/ || $column eq 'score' || $column eq 'big' ? $column_type : 'numeric';
    my $json = $event . ($measure eq 'count' ? chance(0.5) ? ',"measure":"count"' : '' : $column eq 'at' ? ",\"measure\":\"$measure\"" : ",\"measure\":{\"$measure\":\"$column\"}")
        . (defined $window ? ",\"within\":$window_json" : '') . $where;
    my $value = sub {
        my ($member, $now) = @_;
        my @events = grep { !$window || $window->($_->[0], $now) } $events->($member, $now);
        return measured($measure, $column_type, grep { defined } map { $column eq 'at' ? $_->[0] : $_->[1]{$column} } @events);
    };
    return { json => $json, type => $type, value => $value, average => $measure eq 'avg' && $type ne 'float8', count => $measure eq 'count', nullable => $type ne 'count' };
}

# A condition on a measure: an average stays a fraction, compared by multiplying.
sub measure_condition {
    my ($c, $measure) = @_;
    my $condition = condition($c, $measure->{type}, $measure->{nullable});
    return ($condition->{json}, sub { $condition->{test}->($measure->{value}->(@_), $_[1]) }) unless $measure->{average};
    return ($condition->{json}, sub {
        my $average = $measure->{value}->(@_);
        return $condition->{test}->(defined $average ? Fraction->new(@$average) : undef, $_[1]);
    });
}

sub event_leaf {
    my ($c) = @_;
    my $measure = measure($c);
    return { json => "{$measure->{json}}", test => sub { $measure->{value}->(@_) >= 1 ? 1 : 0 } } if $measure->{count} && chance(0.25);
    my ($json, $test) = measure_condition($c, $measure);
    return { json => "{$measure->{json},$json}", test => $test };
}

# A sequence: at each step the times at which a chain so far may end.
sub sequence_leaf {
    my ($c) = @_;
    my $count = pick(2, 2, 2, 3, 3, 4);
    my $not = chance(0.45);
    my ($window_json, $window) = chance(0.4) ? window($c) : ();
    my (@json, @steps);
    for my $i (1 .. $count) {
        my ($event, $where, $events) = events_of($c, some_kind(0.75), 0.25);
        my %step = (events => $events);
        my $json = "$event$where";
        if ($i > 1 && chance(0.6)) {
            my $unit = pick(@units);
            my $n = pick(@{ $chains{$unit} });
            $step{after} = sub { step($_[0], $n, $unit, $c->{zone}) };
            $json .= ",\"after\":{\"at_most\":$n,\"unit\":\"$unit\"}";
        }
        $json .= ',"not":true' if $not && $i == $count;
        push @json, "{$json}";
        push @steps, \%step;
    }
    my $test = sub {
        my ($member, $now) = @_;
        my @ends;
        for my $i (0 .. $#steps) {
            my @times = map { $_->[0] } $steps[$i]{events}->($member, $now);
            my $after = $steps[$i]{after};
            if ($not && $i == $#steps) {
                for my $end (@ends) {
                    my $until = $after ? $after->($end) : undef;
                    next if $after && $until > $now;
                    return 1 unless grep { $_ > $end && (!$after || $_ <= $until) } @times;
                }
                return 0;
            }
            @times = grep { $window->($_, $now) } @times if $window;
            @times = grep { my $time = $_; grep { $_ < $time && (!$after || $time <= $after->($_)) } @ends } @times if $i;
            @ends = @times;
        }
        return @ends ? 1 : 0;
    };
    return { json => '{"sequence":[' . join(',', @json) . ']' . (defined $window ? ",\"within\":$window_json" : '') . '}', test => $test };
}

# Whether an as_of governs already.
our $fixed = 0;

# The answer of a whole rule for a member.
sub answer_of {
    my ($rule, $member) = @_;
    local $fixed = defined $rule->{as_of};
    return $rule->{test}->($member, $rule->{as_of} // $real_now) ? 1 : 0;
}

sub leaf {
    my ($c) = @_;
    my $which = rand;
    return sequence_leaf($c) if $which < 0.2;
    my @named = sort keys %segment;
    if ($which < 0.3 && @named) {
        my $name = pick(@named);
        my $rule = $segment{$name};
        my $test = sub {
            my ($member, $now) = @_;
            return $rule->{test}->($member, $now) ? 1 : 0 if $fixed || !defined $rule->{as_of};
            local $fixed = 1;
            return $rule->{test}->($member, $rule->{as_of}) ? 1 : 0;
        };
        return { json => "{\"segment\":\"$name\"}", test => $test };
    }
    if ($which < 0.4 && @derived) {
        my $field = pick(@derived);
        # A derived field is its leaf, in the zone and the semantics of the rule that names it.
        my %measure = (%$field, value => sub { @{ $field->{c} }{qw(zone sql)} = @$c{qw(zone sql)}; return $field->{value}->(@_) });
        my ($json, $test) = measure_condition($c, \%measure);
        return { json => "{\"field\":\"$field->{name}\",$json}", test => $test };
    }
    if ($which < 0.47) {
        my $condition = condition($c, 'text', 1);
        return { json => "{\"field\":\"carrier\",$condition->{json}}", test => sub { $condition->{test}->($_[0]{carrier}, $_[1]) } };
    }
    return event_leaf($c);
}

sub rule_group {
    my ($c, $depth) = @_;
    return group($c, $depth ? 3 : 4, chance(0.25), sub { $depth < 3 && chance(0.2) ? rule_group($c, $depth + 1) : leaf($c) });
}

# A whole rule: {json, test, root keys}.
sub rule {
    my ($stored) = @_;
    my %c = (rqb => chance(0.25), sql => chance(0.12), zone => chance(0.8) ? some_zone() : undef);
    my @keys;
    push @keys, '"semantics":"sql"' if $c{sql};
    push @keys, "\"time_zone\":\"$c{zone}\"" if $c{zone};
    $c{zone} //= $session_zone;
    my $as_of = chance($stored ? 0.3 : $moment == $real_now ? 0.3 : 0.97) ? chance($stored ? 0.3 : 0.8) ? $moment : some_instant() : undef;
    push @keys, '"as_of":"' . iso($as_of) . 'Z"' if defined $as_of;
    my $group = chance(0.3) ? do { my $leaf = leaf(\%c); group(\%c, 1, 0, sub { $leaf }) } : rule_group(\%c, 0);
    my $root = join '', map { ",$_" } @keys;
    return { json => "{$group->{open}$root}", test => $group->{test}, as_of => $as_of, root => $root, group => $group, c => \%c };
}

# A field that stands for a measure.
sub new_field {
    my ($name) = @_;
    my %c = (plain => 1);
    my $measure = measure(\%c);
    return { %$measure, name => $name, c => \%c };
}

# Asking, and making small what was answered otherwise ------------------------------------------------------------------------------
sub members_of { my ($rule) = @_; return '{' . join(',', map { $_->{id} } grep { answer_of($rule, $_) } @people) . '}' }

# What the database says to a rule in a form.
sub got {
    my ($form, $json) = @_;
    my $rule = quoted($json);
    my @rows = ask("DELETE FROM answer WHERE position = 0; INSERT INTO answer (position, rule) VALUES (0, $rule);
        SELECT naive.got(format(query, $rule, 0)) FROM form WHERE form = " . quoted($form) . ';');
    return $rows[0][0];
}

sub differs {
    my ($rule, $form) = @_;
    my $want = members_of($rule);
    $want = '{' . (() = $want =~ /\d+/g) . '}' if $form eq 'count';
    my $got = got($form, $rule->{json});
    return $got eq $want ? undef : $got;
}

# The smallest part of a rule that is still answered otherwise.
sub shrunk {
    my ($rule, $form) = @_;
    for my $part (@{ $rule->{group}{parts} }) {
        my $group = $part->{parts} ? $part : { open => ($rule->{c}{rqb} ? '"combinator":"and"' : '"condition":"AND"') . ",\"rules\":[$part->{json}]", test => $part->{test} };
        my %smaller = (%$rule, group => $group, test => $part->{test}, json => "{$group->{open}$rule->{root}}");
        return shrunk(\%smaller, $form) if defined differs(\%smaller, $form);
    }
    return $rule;
}

# A report of a difference: who, what, and SQL that shows it with as few events as possible. The oracle's own tables are taken for granted.
sub reproduction {
    my ($rule, $form, $batch) = @_;
    my ($as_given, $json) = ($form, $rule->{json});
    $form = 'matches, constant' if defined differs($rule, 'matches, constant');
    $rule = shrunk($rule, $form);
    my $got = differs($rule, $form) // return;
    my %got = map { $_ => 1 } $got =~ /^\{/ ? $got =~ /\d+/g : ();
    my ($member) = $form eq 'count' ? () : grep { answer_of($rule, $_) != ($got{ $_->{id} } ? 1 : 0) } @people;
    my @lines = ("rule: $rule->{json}" . ($rule->{json} eq $json ? '' : ', a part of what was asked'), 'naive: ' . members_of($rule), "got:   $got");
    # A segment may name an earlier one.
    for my $name (reverse sort keys %segment) { push @lines, "segment $name: $segment{$name}{json}" if grep { /"$name"/ } @lines }
    push @lines, map { "field $_->{name}: {$_->{json}}" } grep { my $name = $_->{name}; grep { /"$name"/ } @lines } @derived;
    if ($member && $got =~ /^\{/) {
        my $wrong = sub {
            my $now = differs($rule, $form) // return 0;
            return ($now =~ /\b$member->{id}\b/ ? 1 : 0) != answer_of($rule, $member);
        };
        ask('SAVEPOINT smaller;');
        my %all = %{ $member->{events} };
        for my $name (@sources) {
            for my $event (@{ $member->{events}{$name} // [] }) {
                my @kept = @{ $member->{events}{$name} };
                $member->{events}{$name} = [grep { $_ != $event } @kept];
                ask("SAVEPOINT one; DELETE FROM $source{$name}{table} WHERE id = $event->{id};");
                if ($wrong->()) { ask('RELEASE one;') }
                else { ask('ROLLBACK TO one;'); $member->{events}{$name} = \@kept }
            }
        }
        push @lines, "member $member->{id}: naive says " . (answer_of($rule, $member) ? 'in' : 'not in');
        push @lines, "SET timezone = '$session_zone'; INSERT INTO people VALUES ($member->{id}, " . (defined $member->{carrier} ? "'$member->{carrier}'" : 'NULL') . ');';
        for my $name (@sources) {
            push @lines, map {
                my @values = map { $_ eq '\N' ? 'NULL' : quoted($_ =~ s/\\\\/\\/gr) } split /\t/, event_row($name, $member->{id}, $_), -1;
                "INSERT INTO $source{$name}{table} (" . event_columns($source{$name}) . ') VALUES (' . join(', ', @values) . ');'
            } @{ $member->{events}{$name} // [] };
        }
        ask('ROLLBACK TO smaller;');
        $member->{events} = \%all;
    }
    return "# in batch $batch, $as_given:\n" . join('', map { "#   $_\n" } @lines);
}

# One batch of rules in one round trip: adds to the counts of each form, and to the reports.
sub run_batch {
    my ($batch, $count, $counts, $reports) = @_;
    new_batch();
    my $sql = "SAVEPOINT batch;\n" . load();
    for (1 .. 3) {
        my $field = new_field("measured_$_");
        $sql .= "SELECT segments.add_event_field('people', '$field->{name}', " . quoted("{$field->{json}}") . ", 'Measured');\n";
        push @derived, $field;
    }
    my (@asked, @all);
    for (1 .. 3) {
        my $rule = rule(1);
        $sql .= "SELECT segments.create('segment_$_', 'people', " . quoted($rule->{json}) . ");\n";
        $segment{"segment_$_"} = $rule;
        push @asked, { rule => $rule, text => "segment_$_", forms => ['view'] };
    }
    push @asked, map { my $rule = rule(); { rule => $rule, text => $rule->{json}, forms => [forms_of($rule)] } } 1 .. $count;
    $sql .= "DELETE FROM answer;\nCOPY answer FROM STDIN;\n";
    for my $i (0 .. $#asked) {
        my $ask = $asked[$i];
        $sql .= join("\t", $i + 1, $ask->{text} =~ s/\\/\\\\/gr, members_of($ask->{rule}), '{' . join(',', map { "\"$_\"" } @{ $ask->{forms} }) . '}') . "\n";
        $counts->{$_}{asked}++ for @{ $ask->{forms} };
    }
    $sql .= "\\.\n\\o\nSELECT position, form, got FROM answer JOIN form ON form = ANY (forms), naive.got(format(query, rule, position)) AS got
        WHERE got <> CASE form WHEN 'count' THEN ARRAY[cardinality(ids)] ELSE ids END::text ORDER BY length(rule), position, form;\n";
    my %reported;
    for my $row (ask("\\o /dev/null\n$sql")) {
        my ($position, $form) = @$row;
        $counts->{$form}{wrong}++;
        next if $reported{$position}++ || @$reports >= ($ENV{REPORTS} // 5);
        push @$reports, $form eq 'view' ? "# in batch $batch: view of $asked[$position - 1]{rule}{json}: got $row->[2], naive " . members_of($asked[$position - 1]{rule}) . "\n"
            : reproduction($asked[$position - 1]{rule}, $form, $batch) // "# in batch $batch: $form, $asked[$position - 1]{text}: got $row->[2], another time not\n";
    }
    ask('ROLLBACK TO batch; RELEASE batch;');
}

# The forms in which a rule is asked: as a constant, and some of the others.
sub forms_of {
    my ($rule) = @_;
    my @others = ('matches, run-time', 'matches in the select list', 'members', 'keys', 'keys, by index', 'count', 'sql', 'canonical form');
    # What is neither true nor false is in no complement.
    push @others, 'complement of NOT matches', 'complement of none_of' unless $rule->{c}{sql};
    my @parts = @{ $rule->{group}{parts} };
    push @others, 'explain', 'explain' if @parts == 1 && !$parts[0]{parts} && !$rule->{group}{not};
    my %forms = ('matches, constant' => 1);
    $forms{ pick(@others) } = 1 for 1 .. 3;
    return sort keys %forms;
}

# The calendar beside PostgreSQL's, on random input.
sub check_calendar {
    my ($seed) = @_;
    my (@rows, @differences);
    my $sql = "CREATE TABLE step (n int, zone text, at timestamptz, local timestamp, by interval, moved text, there text, back text, days text);\nCOPY step FROM STDIN;\n";
    for my $n (1 .. 5000) {
        $moment = days_of(2010, 1, 1) * DAY + int(rand 7000) * DAY + int(rand DAY);
        @batch_zones = @zones;
        @instants = ();
        my ($zone, $unit) = (some_zone(), pick(grep { !/minute|hour/ } @units));
        my $at = some_instant();
        $at = pick(transitions($at, 400, $zone), $at) + pick(0, 1, -1, HOUR, -HOUR, 1800 * SECOND, int(rand 2 * DAY) - DAY);
        my $local = local_time($at, $zone) + pick(0, HOUR, -HOUR, 30 * MINUTE);
        my $by = pick(-1, 1) * pick(@{ $steps{$unit} });
        my $interval = $unit eq 'quarter' ? 3 * $by . ' month' : "$by $unit";
        $sql .= join("\t", $n, $zone, iso($at) . '+00', iso($local), $interval, map { iso($_) } step($at, $by, $unit, $zone), local_time($at, $zone), instant($local, $zone)) . "\t"
            . join(' ', map { iso(truncate_to($local, $_)) } qw(day week month quarter year)) . "\n";
    }
    $sql .= "\\.\n";
    my $same = sub { "to_char($_[0], 'YYYY-MM-DD HH24:MI:SS') || CASE WHEN extract(microsecond FROM $_[0])::int % 1000000 <> 0 THEN rtrim(to_char($_[0], '.US'), '0') ELSE '' END" };
    my $utc = sub { $same->("(($_[0]) AT TIME ZONE 'UTC')") };
    my $cuts = join " || ' ' || ", map { $same->("date_trunc('$_', local)") } qw(day week month quarter year);
    $sql .= "SELECT n, zone, at AT TIME ZONE 'UTC', local, by, moved, there, back, days FROM step WHERE moved <> " . $utc->('(at AT TIME ZONE zone + by) AT TIME ZONE zone')
        . ' OR there <> ' . $same->('(at AT TIME ZONE zone)') . ' OR back <> ' . $utc->('local AT TIME ZONE zone') . " OR days <> $cuts;\n";
    @differences = ask($sql);
    print @differences ? 'not ok' : 'ok', " - 5000 random steps over zones are PostgreSQL's, seed $seed\n";
    print '# ', join(', ', @$_), "\n" for @differences[0 .. ($#differences < 9 ? $#differences : 9)];
}

ask("\\o /dev/null\n$setup\n\\o");
$real_now = (ask("SELECT (extract(epoch FROM now()) * 1000000)::bigint;"))[0][0];
my $fresh = $ENV{SEED} // time;
srand $fresh;
check_calendar($fresh);
ask("\\o /dev/null\n$register\n\\o");
for my $seed ($ENV{BATCH} || $fresh == 1 ? $fresh : (1, $fresh)) {
    my (%counts, @reports);
    for my $batch ($ENV{BATCH} ? $ENV{BATCH} : 1 .. int(($rules + $rules_per_batch - 1) / $rules_per_batch)) {
        # Each batch by itself can be had again.
        srand $seed * 1000 + $batch;
        run_batch($batch, $rules_per_batch, \%counts, \@reports);
    }
    for my $form (sort keys %counts) {
        my $wrong = $counts{$form}{wrong} // 0;
        print $wrong ? 'not ok' : 'ok', " - events, $form: $counts{$form}{asked} random rules as plain loops answer them, seed $seed", $wrong ? ", $wrong otherwise" : '', "\n";
    }
    print @reports;
}
ask('ROLLBACK;');

# An exact average: compared with a number by multiplying.
package Fraction;
use overload '<=>' => sub { my ($self, $other, $swapped) = @_; my $order = $self->[0] <=> $other * $self->[1]; return $swapped ? -$order : $order };
sub new { my ($class, $sum, $count) = @_; return bless [$sum, $count], $class }
