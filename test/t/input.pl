# Hostile input: mutated rules, damaged bytes and endless failures are errors that say where, and cost nothing for good.
# MUTATIONS, FAILURES and SEED set how many, and from where.
use strict;
use warnings;
no warnings 'qw';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $mutations = $ENV{MUTATIONS} || 100_000;
my $failures = $ENV{FAILURES} || 20_000;
my $seed = $ENV{SEED} || 1;
note "seed $seed";
srand $seed;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nfsync = off");
$node->start;
my $folder = $node->basedir;

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION segments;
CREATE TYPE mood AS ENUM ('sad', 'fine');
CREATE TABLE people (id int PRIMARY KEY, name text, clicks int, spend numeric(8,2), score float8, active boolean, mood mood,
    born date, seen timestamp, last_sms timestamptz, tags text[], address inet);
CREATE TABLE lists (id int PRIMARY KEY, label text);
INSERT INTO lists VALUES (1, 'one'), (2, 'two');
CREATE TABLE list_members (person int, list_id int);
SELECT segments.add_field('people', 'rate', 'clicks / nullif(spend, 0)');
SELECT segments.add_membership('people', 'list', 'list_members', 'person', 'list_id', 'lists', 'id', 'label');
SELECT segments.create('fine ones', 'people', '{"field":"mood","operator":"equal","value":"fine"}');
SQL

# What is mutated: rules of both dialects that use everything there is.
my @rules = (
    '{"condition":"AND","rules":[{"field":"name","operator":"contains","value":"a%_\\\\","ignore_case":true},{"field":"clicks","operator":"between","value":[1,9007199254740993]}],"semantics":"sql","time_zone":"Europe/Rome","as_of":"2024-03-31T02:30:00Z"}',
    '{"condition":"OR","not":true,"rules":[{"condition":"and","rules":[{"list":1},{"segment":"fine ones"},{"everyone":true}]},{"field":"list","operator":"not_in","value":[1,2]}]}',
    '{"combinator":"and","not":false,"rules":[{"field":"clicks","operator":">=","value":"10.5"},{"field":"clicks","operator":"<","value":"id","valueSource":"field"},{"field":"mood","operator":"in","value":"sad, fine"},{"field":"~","operator":"=","value":1}]}',
    '{"rules":[{"field":"name","operator":"beginsWith","value":"x"},"or",{"field":"name","operator":"null","value":null},"and",{"field":"rate","operator":"!=","value":0.5,"muted":true},"or",{"field":"active","operator":"=","value":true}]}',
    '{"condition":"AND","rules":[{"field":"born","operator":"anniversary_in_n_days","value":3},{"field":"seen","operator":"less_than_n_days","value":30},{"field":"last_sms","operator":"greater","value":"2024-01-31T12:00:00.5+02:00"},{"field":"born","operator":"equal","value":"2024-02-29"}]}',
    '{"combinator":"or","rules":[{"field":"last_sms","operator":"<","value":{"mode":"relative","anchor":"startOfMonth","offset":-1,"unit":"month"}},{"field":"tags","operator":"contains","value":"vip"},{"field":"address","operator":"=","value":"10.0.0.1"}]}',
    '{"condition":"AND","rules":[{"id":"name","operator":"matches_regex","value":"^(a|b){2,3}$"},{"field":"name","operator":"not_in_bucket","value":[0,50],"salt":"s\u00e9"},{"field":"score","operator":"less","value":-1.5e308},{"field":"spend","operator":"in","value":[1,2.50,"3"]}]}',
    '[{"field":"name","operator":"is_empty"},{"field":"tags","operator":"is_not_empty"}]',
);
my @words = map { qq("$_") } qw(AND OR and xor condition combinator rules not field id operator value valueSource value_source ignore_case salt semantics
    time_zone as_of muted valid type input data list segment everyone event measure within sequence equal = != in notIn between is_null contains like greater_than_n_days
    in_bucket equal_n_days doesNotContain nothing name clicks spend score active mood born seen last_sms tags address rate sad fine vip Europe/Rome Mars/Base sql two_valued 2024-02-30 24:00:00
    2024-12-31T23:59:60Z 0001-01-01 1e400 NaN Infinity 10.0.0.300 \u0000 \ud800 \ud83d\ude00 \( [a-z a{2,1} -- ' \" ; % \\\\), '';
push @words, qw(0 -1 1 17 1.5 1e400 -0 99999999999999999999999999 1e-400 true false null [] {} [[]] [null] {"a":1}), '"' . 'x' x 300 . '"', "\x{e9}", "\x{1f600}", "\t", ' ';

# One of these.
sub one { return $_[ rand @_ ] }

# The tokens of a JSON text.
sub tokens { return $_[0] =~ /("(?:[^"\\]|\\.)*"|[-+.\w]+|.)/gs }

# A rule with a few changes: of characters, of tokens, of whole pieces.
sub mutate {
    my ($rule) = @_;
    for (0 .. rand 2) {
        my @part = rand() < 0.3 ? split(//, $rule) : tokens($rule);
        next unless @part;
        my ($at, $way, $span) = (int rand @part, int rand 8, 1 + int rand 6);
        if ($way == 0) { splice @part, $at, $span }
        elsif ($way == 1) { splice @part, $at, 0, @part[ $at .. ($at + $span > $#part ? $#part : $at + $span) ] }
        elsif ($way == 2) { my $other = rand @part; @part[ $at, $other ] = @part[ $other, $at ] }
        elsif ($way == 3) { splice @part, $at, 0, one(@words) }
        elsif ($way == 4) { splice @part, $at, 0, one(tokens(one(@rules))) }
        else { $part[$at] = one(@words) }
        $rule = join '', @part;
    }
    return rand() < 0.02 ? substr($rule, 0, rand length $rule) : rand() < 0.01 ? '[' x (rand 2000) . $rule : $rule;
}

my @mutated = map { mutate(one(@rules)) } 1 .. $mutations;
open my $file, '>:utf8', "$folder/mutated" or die $!;
for (@mutated) {
    (my $line = $_) =~ s/([\\\t\n\r])/$1 eq "\t" ? '\\t' : $1 eq "\n" ? '\\n' : $1 eq "\r" ? '\\r' : '\\\\'/ge;
    print $file "$line\n";
}
close $file;

# Every one: by the type's input; bound to the audience; by validate, which agrees with binding and raises nothing.
$node->safe_psql('postgres', <<SQL);
CREATE TABLE mutated (rule text);
COPY mutated FROM '$folder/mutated';
CREATE TABLE outcome (kind text, n bigint, example text);
DO \$\$
DECLARE
    given text;
    read segments.rule;
    accepted boolean;
    state text;
    detail text;
    problems bigint;
    bad bigint := 0;
    reads bigint := 0;
    binds bigint := 0;
    refused bigint := 0;
    asked bigint := 0;
    kinds jsonb := '{}';
BEGIN
    FOR given IN SELECT rule FROM mutated LOOP
        accepted := false;
        BEGIN
            read := given::segments.rule;
            reads := reads + 1;
            PERFORM segments.check_rule('people', read);
            accepted := true;
            binds := binds + 1;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, detail = PG_EXCEPTION_DETAIL;
            refused := refused + 1;
            IF state NOT IN ('22P02', '22023', '42703', '42883', '22007', '22008', '54000', '42704', '0A000', '2201B', '22003', '22021', '22P05') OR detail !~ '^At [\$]' THEN
                INSERT INTO outcome VALUES ('refused with ' || state || ': ' || SQLERRM || ': ' || detail, 1, given);
            END IF;
        END;
        BEGIN
            SELECT count(*), count(*) FILTER (WHERE path !~ '^[\$]' OR problem = '') INTO problems, bad FROM segments.validate('people', given::json);
            asked := asked + 1;
            IF bad > 0 THEN
                INSERT INTO outcome VALUES ('a problem without a path', bad, given);
            END IF;
            IF accepted <> (problems = 0) THEN
                INSERT INTO outcome VALUES (format('validate says %s, binding %s %s %s', problems, accepted, state, detail), 1, given);
            END IF;
        EXCEPTION WHEN OTHERS THEN
            IF SQLERRM !~ '^(invalid input syntax for type json|unsupported Unicode escape sequence|stack depth limit exceeded)' THEN
                INSERT INTO outcome VALUES ('validate raises ' || SQLSTATE || ': ' || SQLERRM, 1, given);
            END IF;
        END;
    END LOOP;
    INSERT INTO outcome VALUES ('read', reads, NULL), ('bound', binds, NULL), ('refused', refused, NULL), ('validated', asked, NULL);
END \$\$;
SQL
my %count = map { split /\|/ } split /\n/, $node->safe_psql('postgres', 'SELECT kind, n FROM outcome WHERE example IS NULL');
note join ', ', map { "$_ $count{$_}" } sort keys %count;
is($node->safe_psql('postgres', 'SELECT kind, count(*), min(example) FROM outcome WHERE example IS NOT NULL GROUP BY kind ORDER BY 2 DESC LIMIT 20'), '',
    "$mutations mutated rules: each a rule, or an error with its path; validate agrees");
is($count{bound} + $count{refused}, $mutations, 'none was lost');
cmp_ok($count{$_}, '>', $mutations / 200, "many were $_") for qw(read bound refused validated);

# What no integer is, beside one that is: not rounded to the next integer, not out of range.
$node->safe_psql('postgres', q(CREATE TABLE arrays (id int PRIMARY KEY, a int[]); INSERT INTO arrays VALUES (1, '{1,2}')));
for ([ '[3,1.5]', 0 ], [ '[1,1e400]', 1 ], [ '[1.5]', 0 ], [ '[3,2]', 1 ], [ '[3,1.5,2.0]', 1 ]) {
    is($node->safe_psql('postgres', qq(SELECT segments.count('arrays', '{"field":"a","operator":"in","value":$_->[0]}'))), $_->[1], "elements in $_->[0]");
}

# The binary form, damaged: a file of COPY for each.
sub copy_file {
    my ($bytes) = @_;
    return "PGCOPY\n\xff\r\n\0" . pack('NNnN', 0, 0, 1, length $bytes) . $bytes . pack('n', 0xffff);
}
my @damaged = ('', "\0", "\1", "\2{}", "\xff" x 10, "\1" . $rules[0], "\1{\0}", "\1\xc3\x28", "\1\"\xed\xa0\x80\"");
while (@damaged < 3000) {
    my $bytes = "\1" . (rand() < 0.5 ? mutate(one(@rules)) : one(@rules));
    utf8::encode($bytes);
    substr($bytes, rand length $bytes, rand 3) = join '', map { chr rand 256 } 0 .. rand 4 for 0 .. rand 3;
    push @damaged, $bytes;
}
for my $i (0 .. $#damaged) {
    open my $copy, '>:raw', "$folder/damaged.$i" or die $!;
    print $copy copy_file($damaged[$i]);
    close $copy;
}
my $received = $node->safe_psql('postgres', <<SQL);
CREATE TABLE received (i int, state text, message text, detail text);
CREATE TABLE rules (rule segments.rule);
DO \$\$
DECLARE
    state text;
    detail text;
BEGIN
    FOR i IN 0..$#damaged LOOP
        BEGIN
            EXECUTE format('COPY rules FROM %L (FORMAT binary)', '$folder/damaged.' || i);
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
            INSERT INTO received VALUES (i, SQLSTATE, SQLERRM, detail);
        END;
    END LOOP;
END \$\$;
SELECT state, message, i FROM received WHERE state NOT IN ('22P03', '22021', '08P01') AND (state NOT IN ('22P02', '22023', '42883', '54000', '22007', '22008', '0A000') OR detail !~ '^At [\$]') LIMIT 20;
SQL
is($received, '', 'damaged bytes: rules, or errors');
is($node->safe_psql('postgres', 'SELECT (SELECT count(*) FROM received) + (SELECT count(*) FROM rules)'), scalar @damaged, 'each of them');
is($node->safe_psql('postgres', 'SELECT count(*) FROM rules WHERE rule::text::segments.rule <> rule'), '0', 'what was received reads back as itself');
cmp_ok($node->safe_psql('postgres', 'SELECT count(DISTINCT state) FROM received'), '>', 3, 'of many kinds');

# Failures for ever, each kind in a session of its own: what the session holds does not grow.
my $deep = '{"condition":"AND","rules":[' x 65 . '{"list":1}' . ']}' x 65;
sub leaf { return sprintf '{"condition":"AND","rules":[{"field":"clicks","operator":"less","value":5},{"field":"%s","operator":"%s","value":%s}]}', @_ }
my %wrong = (
    'malformed JSON' => '{"condition":"AND","rules":[{"field":"name"',
    'unknown key' => '{"condition":"AND","rules":[{"field":"name","operator":"equal","value":"x","valu":1}]}',
    'unknown field' => leaf('nmae', 'equal', '"x"'),
    'unknown operator' => leaf('name', 'equql', '"x"'),
    'an operator of other types' => leaf('active', 'greater', 'true'),
    'a value' => leaf('clicks', 'equal', '"many"'),
    'an enum' => leaf('mood', 'equal', '"angry"'),
    'inet' => leaf('address', 'equal', '"10.0.0.300"'),
    'a regular expression' => leaf('name', 'matches_regex', '"a{2,1}"'),
    'a date' => leaf('born', 'equal', '"2024-02-30"'),
    'a time zone' => '{"condition":"AND","rules":[{"field":"born","operator":"equal","value":"2024-02-28"}],"time_zone":"Mars/Base"}',
    'a segment' => '{"segment":"nobody"}',
    'a list' => '{"list":77}',
    'depth' => $deep,
);
my $own_memory = q(SELECT sum(kb[1]::int) FROM regexp_matches(pg_read_file('/proc/self/status'), '(?:RssAnon|RssFile):\s*(\d+) kB', 'g') kb);
for my $kind (sort keys %wrong) {
    my $fail = <<SQL;
DO \$\$
DECLARE
    refused int := 0;
BEGIN
    FOR i IN 1..1000 LOOP
        BEGIN
            IF i % 10 = 0 THEN
                PERFORM segments.count('people', '$wrong{$kind}');
            ELSE
                PERFORM segments.check_rule('people', '$wrong{$kind}');
            END IF;
        EXCEPTION WHEN OTHERS THEN
            IF SQLSTATE LIKE '2%' OR SQLSTATE LIKE '42%' OR SQLSTATE = '54000' THEN
                refused := refused + 1;
            END IF;
        END;
    END LOOP;
    ASSERT refused = 1000;
END \$\$;
SQL
    my ($first, $last) = split /\n/, $node->safe_psql('postgres', $fail . "$own_memory;\n" . $fail x ($failures / 1000 - 1) . $own_memory);
    cmp_ok($last - $first, '<', 1024, "memory over $failures failures: $kind");
    note sprintf '%s: %d kB, then %+d', $kind, $first, $last - $first;
}

# Nothing crashed.
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal|was terminated/, 'the server never fell');
$node->stop;
done_testing();
