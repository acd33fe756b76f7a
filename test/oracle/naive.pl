#!/usr/bin/perl
# A naive evaluator of the default, two-valued semantics: random rows and random rules from a seed, each rule answered by plain loops over the
# rows. It shares nothing with the extension. Prints SQL that loads the rows (table people, list_members) and the answers (table answer: rule, ids).
# usage: naive.pl SEED RULES
use strict;
use warnings;
use utf8;
use Math::BigFloat;
use Time::Local qw(timegm);
binmode STDOUT, ':encoding(UTF-8)';

my ($seed, $rules) = @ARGV;
srand $seed;

my $now = timegm(0, 30, 12, 15, 4, 124);    # 2024-05-15 12:30:00 UTC, the rules' as_of
my %offset = ('UTC' => 0, 'Asia/Kolkata' => 19800, 'Etc/GMT+9' => -32400);
my @labels = qw(low middle high);

sub pick { return $_[int rand @_] }
sub chance { return rand() < $_[0] }

# Rows ----------------------------------------------------------------------------------------------------------------------------
my @texts = ('', 'a', 'A', 'ab', 'aB%', 'a_b', 'a\\b', '%', "O'Brien", 'Zoë', '日本', ' a', '10', 'b"q');
my @numbers = qw(-3 -1 0 1 2 5 10 100 9007199254740993 9007199254740992);
my @decimals = qw(-1.5 0 0.1 0.25 1 2.5 10 99.99);
my @tags = ('a', 'b', 'B', 'vip', '');

# Seconds since 1970 of an interesting time around now.
sub some_time { return $now - pick(0, 1, 59, 3600, 43200) * pick(1, -1) - 86400 * pick(0, 0, 1, 2, 7, 29, 30, 31, 365) - pick(0, 0, 19800, 45000) }

my @rows;
for my $id (1 .. 60) {
    my %row = (id => $id);
    my $maybe = sub { chance(0.2) ? undef : $_[0] };
    $row{name}    = $maybe->(pick(@texts));
    $row{sent}    = $maybe->(pick(@numbers[0 .. 7]));
    $row{clicks}  = $maybe->(pick(@numbers));
    $row{spend}   = $maybe->(pick(@decimals));
    $row{active}  = $maybe->(pick(0, 1));
    $row{level}   = $maybe->(int rand 3);
    $row{born}    = $maybe->(int(some_time() / 86400) * 86400);
    $row{last}    = $maybe->(some_time());
    $row{tags}    = $maybe->([map { chance(0.15) ? undef : pick(@tags) } 1 .. int rand 4]);
    $row{list}    = [grep { chance(0.3) } 1 .. 4];
    push @rows, \%row;
}

# Dates ---------------------------------------------------------------------------------------------------------------------------
sub iso { my @t = gmtime $_[0]; return sprintf '%04d-%02d-%02d %02d:%02d:%02d', $t[5] + 1900, $t[4] + 1, @t[3, 2, 1, 0] }
sub iso_day { return substr iso($_[0]), 0, 10 }
# Midnight, in local seconds, of the local day of an instant.
sub day { my ($instant, $offset) = @_; my $local = $instant + $offset; return $local - $local % 86400 }

# Leaves: each gives (JSON, function of a row that says whether the positive operator holds) ------------------------------------------
sub json_text { my ($text) = @_; $text =~ s/([\\"])/\\$1/g; return "\"$text\"" }
sub number { return Math::BigFloat->new($_[0]) }

my %compare = (
    equal => sub { $_[0] == 0 }, less => sub { $_[0] < 0 }, less_or_equal => sub { $_[0] <= 0 },
    greater => sub { $_[0] > 0 }, greater_or_equal => sub { $_[0] >= 0 });
my %negative = (equal => 'not_equal', between => 'not_between', in => 'not_in', begins_with => 'not_begins_with', contains => 'not_contains',
    ends_with => 'not_ends_with', is_empty => 'is_not_empty', is_null => 'is_not_null', in_bucket => 'not_in_bucket');

# Ordered comparison of any kind: values as the row has them, cmp orders them, show writes one as JSON.
sub ordered_leaf {
    my ($field, $values, $cmp, $show, $orders) = @_;
    my $op = pick('equal', 'in', 'is_null', $orders ? (qw(less less_or_equal greater greater_or_equal between)) : ());
    return ($op, undef, sub { !defined $_[0]{$field} }) if $op eq 'is_null';
    my @given = map { pick(@$values) } 1 .. ($op eq 'between' ? 2 : $op eq 'in' ? 1 + int rand 4 : 1);
    my @json = map { $show->($_) } @given;
    my $json = $op eq 'between' || $op eq 'in' ? '[' . join(',', @json) . ']' : $json[0];
    my $holds = sub {
        my $value = $_[0]{$field};
        return 0 unless defined $value;
        return scalar grep { $cmp->($value, $_) == 0 } @given if $op eq 'in';
        return $cmp->($value, $given[0]) >= 0 && $cmp->($value, $given[1]) <= 0 if $op eq 'between';
        return $compare{$op}->($cmp->($value, $given[0]));
    };
    return ($op, $json, $holds);
}

sub text_leaf {
    my ($field) = @_;
    # The column's collation is "C": bytes.
    my $cmp = sub { my ($a, $b) = @_; utf8::encode($a); utf8::encode($b); $a cmp $b };
    return ordered_leaf($field, \@texts, $cmp, \&json_text, 1) if chance(0.4);
    my $op = pick(qw(begins_with contains ends_with is_empty));
    return ($op, undef, sub { !defined $_[0]{$field} || $_[0]{$field} eq '' }) if $op eq 'is_empty';
    my $part = pick(@texts, 'b', '_', 'O');
    my $holds = sub {
        my $value = $_[0]{$field};
        return 0 unless defined $value && length $value >= length $part;
        return substr($value, 0, length $part) eq $part if $op eq 'begins_with';
        return substr($value, length($value) - length $part) eq $part if $op eq 'ends_with';
        return index($value, $part) >= 0;
    };
    return ($op, json_text($part), $holds);
}

sub number_leaf {
    my ($field, @values) = @_;
    my $show = sub { chance(0.2) ? "\" $_[0] \"" : $_[0] };
    return ordered_leaf($field, [@values, '2.5', '0.1', '1e1', '99999999999999999999'], sub { number($_[0])->bcmp(number($_[1])) }, $show, 1);
}

# A date field against days.
sub date_leaf {
    my ($field) = @_;
    my @days = map { int(some_time() / 86400) * 86400 } 1 .. 5;
    return ordered_leaf($field, \@days, sub { $_[0] <=> $_[1] }, sub { '"' . iso_day($_[0]) . '"' }, 1);
}

# An instant against days (whole ones), local times and instants with an offset.
sub instant_leaf {
    my ($field, $zone) = @_;
    my $offset = $offset{$zone};
    my $op = pick(qw(equal less less_or_equal greater greater_or_equal between in));
    my @given = map {
        my $at = some_time();
        my $form = int rand 3;
        my $midnight = day($at, $offset);
        $form == 0 ? { from => $midnight - $offset, to => $midnight - $offset + 86400 - 1, json => '"' . iso_day($midnight) . '"' }
      : $form == 1 ? { from => $at, to => $at, json => '"' . iso($at + $offset) . '"' }
      :              { from => $at, to => $at, json => '"' . (iso($at + 7200) =~ s/ /T/r) . '+02:00"' };
    } 1 .. ($op eq 'between' ? 2 : $op eq 'in' ? 1 + int rand 3 : 1);
    my @json = map { $_->{json} } @given;
    my $json = $op eq 'between' || $op eq 'in' ? '[' . join(',', @json) . ']' : $json[0];
    my $holds = sub {
        my $value = $_[0]{$field};
        return 0 unless defined $value;
        return scalar grep { $value >= $_->{from} && $value <= $_->{to} } @given if $op eq 'in' || $op eq 'equal';
        return $value >= $given[0]{from} && $value <= $given[1]{to} if $op eq 'between';
        return $op eq 'less' ? $value < $given[0]{from} : $op eq 'less_or_equal' ? $value <= $given[0]{to}
             : $op eq 'greater' ? $value > $given[0]{to} : $value >= $given[0]{from};
    };
    return ($op, $json, $holds);
}

# Days from now; zones here have no daylight saving, so a calendar day is 24 hours.
sub days_leaf {
    my ($field, $zone) = @_;
    my $offset = $offset{$zone};
    my $op = pick(qw(greater_than_n_days less_than_n_days equal_n_days in_next_n_days));
    my $n = pick(0, 1, 2, 7, 29, 30, 31, 365);
    my $is_date = $field eq 'born';
    my $today = day($now, $offset);
    my ($reference, $back, $ahead) = $is_date ? ($today, $today - $n * 86400, $today + $n * 86400) : ($now, $now - $n * 86400, $now + $n * 86400);
    my $holds = sub {
        my $value = $_[0]{$field};
        return 0 unless defined $value;
        return $value < $back if $op eq 'greater_than_n_days';
        return $value >= $back && $value <= $reference if $op eq 'less_than_n_days';
        return $value > $reference && $value <= $ahead if $op eq 'in_next_n_days';
        return ($is_date ? $value : day($value, $offset)) == $today - $n * 86400;
    };
    return ($op, $n, $holds);
}

# Arrays and memberships: sets, in which NULL is nobody's element.
sub set_leaf {
    my ($field, @values) = @_;
    my $op = pick(qw(contains in equal is_empty));
    my $show = $field eq 'list' ? sub { $_[0] } : \&json_text;
    return ($op, undef, sub { !defined $_[0]{$field} || !@{ $_[0]{$field} } }) if $op eq 'is_empty';
    my @given = map { pick(@values) } 1 .. ($op eq 'in' ? 1 + int rand 3 : 1);
    my $json = $op eq 'in' ? '[' . join(',', map { $show->($_) } @given) . ']' : $show->($given[0]);
    my $holds = sub {
        for my $element (@{ $_[0]{$field} // [] }) {
            return 1 if defined $element && grep { $_ eq $element } @given;
        }
        return 0;
    };
    return ($op, $json, $holds);
}

# A leaf: (JSON, function of a row).
sub leaf {
    my ($zone) = @_;
    my $field = pick(qw(name name sent clicks spend active level born last last tags list));
    my @leaf =
        $field eq 'name'   ? text_leaf($field)
      : $field eq 'sent'   ? number_leaf($field, @numbers[0 .. 7])
      : $field eq 'clicks' ? number_leaf($field, @numbers)
      : $field eq 'spend'  ? number_leaf($field, @decimals)
      : $field eq 'active' ? ordered_leaf($field, [0, 1], sub { $_[0] <=> $_[1] }, sub { $_[0] ? pick('true', '1', '"true"') : pick('false', '0', '"false"') }, 0)
      : $field eq 'level'  ? ordered_leaf($field, [0, 1, 2], sub { $_[0] <=> $_[1] }, sub { "\"$labels[$_[0]]\"" }, 1)
      : $field eq 'born'   ? (chance(0.5) ? date_leaf($field) : days_leaf($field, $zone))
      : $field eq 'last'   ? (chance(0.5) ? instant_leaf($field, $zone) : days_leaf($field, $zone))
      : $field eq 'tags'   ? set_leaf($field, @tags)
      :                      set_leaf($field, 1 .. 5);
    my ($op, $json, $holds) = @leaf;
    my $negated = exists $negative{$op} && chance(0.4);
    $op = $negative{$op} if $negated;
    my $value = defined $json ? ",\"value\":$json" : '';
    my $test = $negated ? sub { !$holds->($_[0]) } : $holds;
    return ("{\"field\":\"$field\",\"operator\":\"$op\"$value}", $test);
}

# A group: the root keys only at depth 0.
sub group {
    my ($depth, $zone) = @_;
    my ($any, $not) = (chance(0.5), chance(0.3));
    my (@json, @tests);
    for (1 .. 1 + int rand 4) {
        my ($json, $test) = $depth < 4 && chance(0.3) ? group($depth + 1, $zone) : leaf($zone);
        push @json, $json;
        push @tests, $test;
    }
    my $test = sub {
        my ($row) = @_;
        my $count = grep { $_->($row) } @tests;
        my $holds = $any ? $count > 0 : $count == @tests;
        return $not ? !$holds : $holds;
    };
    my $condition = $any ? 'OR' : 'AND';
    my $root = $depth ? '' : ",\"time_zone\":\"$zone\",\"as_of\":\"2024-05-15T12:30:00Z\"";
    return ("{\"condition\":\"$condition\"" . ($not ? ',"not":true' : '') . ',"rules":[' . join(',', @json) . "]$root}", $test);
}

# SQL -----------------------------------------------------------------------------------------------------------------------------
sub copied { my ($value) = @_; return '\N' unless defined $value; $value =~ s/\\/\\\\/g; return $value }
sub array { my ($array) = @_; return undef unless $array; return '{' . join(',', map { my $e = $_; defined $e ? do { $e =~ s/([\\"])/\\$1/g; "\"$e\"" } : 'NULL' } @$array) . '}' }

print "COPY people (id, name, sent, clicks, spend, active, level, born, last, tags) FROM STDIN;\n";
for my $row (@rows) {
    print join("\t", map { copied($_) } $row->{id}, $row->{name}, $row->{sent}, $row->{clicks}, $row->{spend},
        defined $row->{active} ? ($row->{active} ? 't' : 'f') : undef, defined $row->{level} ? $labels[$row->{level}] : undef,
        defined $row->{born} ? iso_day($row->{born}) : undef, defined $row->{last} ? iso($row->{last}) . '+00' : undef, array($row->{tags})), "\n";
}
print "\\.\nCOPY list_members (list, member) FROM STDIN;\n";
for my $row (@rows) {
    print "$_\t$row->{id}\n" for @{ $row->{list} };
}
print "\\.\nCOPY answer (rule, ids) FROM STDIN;\n";
for (1 .. $rules) {
    my ($json, $test) = group(0, pick(sort keys %offset));
    print copied($json), "\t{", join(',', map { $_->{id} } grep { $test->($_) } @rows), "}\n";
}
print "\\.\n";
