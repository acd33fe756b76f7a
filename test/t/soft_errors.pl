# Since PostgreSQL 16, input that is no rule is an error that a caller can take instead of being interrupted.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
plan skip_all => 'PostgreSQL 16 or newer' if $node->pg_version < 16;
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION segments; CREATE TABLE rules (id int, rule segments.rule)');

sub answers {
    my ($query, $expected, $name) = @_;
    is($node->safe_psql('postgres', $query), $expected, $name);
}

answers(q(SELECT pg_input_is_valid('{"list":1}', 'segments.rule')), 't', 'a rule is valid');
answers(q(SELECT pg_input_is_valid('{"everyone":true}', 'segments.rule')), 't', 'so is everyone');
for my $refused ('', '{', '[]', '{"list":1', '{"field":"a"}', '{"field":"a","operator":"equal","value":1,"value":2}', '{"condition":"XOR","rules":[]}',
    '{"condition":"AND","rules":[{"field":"a","operator":"no such","value":1}]}', '"x"', 'null', '{"list":"\u0000"}', '[' x 100000)
{
    answers("SELECT pg_input_is_valid('$refused', 'segments.rule')", 'f', 'no rule: ' . substr($refused, 0, 80));
}

# What the hard error says, the soft one says.
my $refused = q('{"condition":"AND","rules":[{"list":1},{"field":"a","operator":"no such","value":1}]}');
my ($status, undef, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT $refused\::segments.rule");
my ($hard) = $error =~ /ERROR:  ([0-9A-Z]{5}: .*)/;
answers("SELECT sql_error_code || ': ' || message FROM pg_input_error_info($refused, 'segments.rule')", $hard, 'the same code and message');
answers("SELECT detail LIKE 'At \$.rules[1]%' FROM pg_input_error_info($refused, 'segments.rule')", 't', 'with the path');
answers("SELECT hint <> '' FROM pg_input_error_info($refused, 'segments.rule')", 't', 'and a hint');
answers(q(SELECT message IS NULL FROM pg_input_error_info('{"list":1}', 'segments.rule')), 't', 'nothing to say of a rule');

# Many of them in one statement, and in an array.
answers(q(SELECT count(*) FILTER (WHERE pg_input_is_valid(repeat('[', i), 'segments.rule')), count(*) FROM generate_series(1, 5000) i), '0|5000', 'many in a statement');
answers(q(SELECT pg_input_is_valid('{"{}"}', 'segments.rule[]'), pg_input_is_valid('{"{\"list\":1}"}', 'segments.rule[]')), 'f|t', 'in an array');

# COPY goes on without them.
SKIP: {
    skip 'COPY takes soft errors since 17', 1 if $node->pg_version < 17;
    $node->safe_psql('postgres', qq(SET client_min_messages = error; COPY rules FROM stdin (ON_ERROR ignore);\n1\t{"list":1}\n2\t{"list":\n3\t{"list":3}\n\\.\n));
    answers('SELECT array_agg(id ORDER BY id) FROM rules', '{1,3}', 'COPY ignores what is no rule');
}

done_testing();
