# Calendar arithmetic of its own for the naive evaluator: instants and local times are microseconds since 1970, zones are read from TZif files.
# Where a local time is skipped or repeated it chooses as PostgreSQL does. events.pl compares all of it with PostgreSQL's own.
package Calendar;
use strict;
use warnings;
use Exporter 'import';
our @EXPORT = qw(SECOND MINUTE HOUR DAY days_of date_of local_time instant add step truncate_to day_of iso transitions);

use constant { SECOND => 1_000_000, MINUTE => 60_000_000, HOUR => 3_600_000_000, DAY => 86_400_000_000 };

sub floor_div { my ($a, $b) = @_; return ($a - $a % $b) / $b }

# Days since 1970-01-01 of a date of the Gregorian calendar, and back.
sub days_of {
    my ($y, $m, $d) = @_;
    $y-- if $m <= 2;
    my $era = floor_div($y, 400);
    my $of_era = $y - $era * 400;
    my $of_year = int((153 * ($m + ($m > 2 ? -3 : 9)) + 2) / 5) + $d - 1;
    return $era * 146097 + $of_era * 365 + int($of_era / 4) - int($of_era / 100) + $of_year - 719468;
}

sub date_of {
    my $days = $_[0] + 719468;
    my $era = floor_div($days, 146097);
    my $of_era = $days - $era * 146097;
    my $year = int(($of_era - int($of_era / 1460) + int($of_era / 36524) - int($of_era / 146096)) / 365);
    my $of_year = $of_era - (365 * $year + int($year / 4) - int($year / 100));
    my $month = int((5 * $of_year + 2) / 153);
    my $m = $month + ($month < 10 ? 3 : -9);
    return ($year + $era * 400 + ($m <= 2 ? 1 : 0), $m, $of_year - int((153 * $month + 2) / 5) + 1);
}

sub days_in_month { my ($y, $m) = @_; return $m == 12 ? 31 : days_of($y, $m + 1, 1) - days_of($y, $m, 1) }

# Zones ---------------------------------------------------------------------------------------------------------------------------
my %zones;

# Seconds of an offset or a time of day in a POSIX zone string.
sub seconds_of {
    my ($sign, $h, $m, $s) = $_[0] =~ /^([-+]?)(\d+)(?::(\d+))?(?::(\d+))?$/ or die "time $_[0]";
    return ($sign eq "-" ? -1 : 1) * ($h * 3600 + ($m // 0) * 60 + ($s // 0));
}

# The second of a rule such as M3.5.0/2 in a year, before which the offset was as given.
sub rule_second {
    my ($rule, $year, $offset) = @_;
    my ($m, $week, $day, $time) = $rule =~ m{^M(\d+)\.(\d)\.(\d)(?:/(.+))?$} or die "rule $rule";
    my $first = days_of($year, $m, 1);
    my $date = $first + ($day - ($first + 4) % 7) % 7 + 7 * ($week - 1);
    $date -= 7 while $date >= $first + days_in_month($year, $m);
    return $date * 86400 + seconds_of($time // '2') - $offset;
}

# Reads a zone: the seconds at which its offset changes, and the offsets between them.
sub zone {
    my ($name) = @_;
    return $zones{$name} //= do {
        our $folder //= (grep { -d } split(/\n/, `\${PG_CONFIG:-pg_config} --sharedir` =~ s{\n}{/timezone\n}r), '/usr/share/zoneinfo')[0];
        open my $file, '<:raw', "$folder/$name" or die "$folder/$name: $!";
        my $data = do { local $/; <$file> };
        my $counts = sub { unpack 'x20 N6', substr $data, $_[0], 44 };
        my ($ut, $std, $leaps, $times, $types, $chars) = $counts->(0);
        my $second = 44 + $times * 5 + $types * 6 + $chars + $leaps * 8 + $std + $ut;
        ($ut, $std, $leaps, $times, $types, $chars) = $counts->($second);
        my $at = $second + 44;
        my @times = unpack "q>$times", substr $data, $at, $times * 8;
        my @kinds = unpack "C$times", substr $data, $at + $times * 8, $times;
        my @offsets = map { unpack 'l>', substr $data, $at + $times * 9 + $_ * 6, 4 } 0 .. $types - 1;
        my @offset = ($offsets[0], map { $offsets[$_] } @kinds);
        my ($posix) = substr($data, $at + $times * 9 + $types * 6 + $chars + $leaps * 12 + $std + $ut) =~ /^\n(.*)\n/;
        # After the last change listed, the rule of the footer.
        if ($posix =~ /^(?:<[^>]+>|[A-Za-z]+)([-+\d:]+)(?:<[^>]+>|[A-Za-z]+)([-+\d:]*),([^,]+),([^,]+)$/) {
            my ($standard, $start, $end) = (-seconds_of($1), $3, $4);
            my $summer = length $2 ? -seconds_of($2) : $standard + 3600;
            my $last = @times ? $times[-1] : 0;
            for my $year ((date_of(floor_div($last, 86400)))[0] .. 2060) {
                for (sort { $a->[0] <=> $b->[0] } [rule_second($start, $year, $standard), $summer], [rule_second($end, $year, $summer), $standard]) {
                    next if $_->[0] <= $last;
                    push @times, $_->[0];
                    push @offset, $_->[1];
                }
            }
        }
        { times => \@times, offset => \@offset };
    };
}

# How many changes of offset lie at or before a second.
sub changes_until {
    my ($zone, $second) = @_;
    my ($low, $high) = (0, scalar @{ $zone->{times} });
    while ($low < $high) {
        my $middle = int(($low + $high) / 2);
        if ($zone->{times}[$middle] <= $second) { $low = $middle + 1 } else { $high = $middle }
    }
    return $low;
}

# Instants within some days of one at which a zone's offset changes.
sub transitions {
    my ($instant, $days, $name) = @_;
    return grep { abs($_ - $instant) < $days * DAY } map { $_ * SECOND } @{ zone($name)->{times} };
}

# The local time of an instant.
sub local_time {
    my ($instant, $name) = @_;
    my $zone = zone($name);
    return $instant + $zone->{offset}[changes_until($zone, floor_div($instant, SECOND))] * SECOND;
}

# The instant of a local time. Like PostgreSQL: the first change after the day before; a skipped time is read with the offset before the change,
# a repeated one with the offset after it.
sub instant {
    my ($local, $name) = @_;
    my $zone = zone($name);
    my $second = floor_div($local, SECOND);
    my $next = changes_until($zone, $second - 86400);
    my $before = $zone->{offset}[$next];
    return $local - $before * SECOND if $next == @{ $zone->{times} };
    my ($after, $change) = ($zone->{offset}[$next + 1], $zone->{times}[$next]);
    my $is_before = $second - $before < $change && $second - $after < $change;
    my $is_after = $second - $before > $change && $second - $after >= $change;
    my $offset = $is_before ? $before : $is_after ? $after : $after > $before ? $before : $after;
    return $local - $offset * SECOND;
}

# Steps ---------------------------------------------------------------------------------------------------------------------------
my %length = (minute => MINUTE, hour => HOUR, day => DAY, week => 7 * DAY);
my %months = (month => 1, quarter => 3, year => 12);

# A local time some units later, or earlier; a month's day is clamped to its end.
sub add {
    my ($local, $n, $unit) = @_;
    return $local + $n * $length{$unit} if $length{$unit};
    my $days = floor_div($local, DAY);
    my ($y, $m, $d) = date_of($days);
    my $month = $y * 12 + $m - 1 + $n * $months{$unit};
    ($y, $m) = (floor_div($month, 12), $month % 12 + 1);
    my $last = days_in_month($y, $m);
    return days_of($y, $m, $d > $last ? $last : $d) * DAY + $local - $days * DAY;
}

# An instant some units later, or earlier: minutes and hours are lengths, the others steps of the calendar.
sub step {
    my ($instant, $n, $unit, $zone) = @_;
    return $instant + $n * $length{$unit} if $unit eq 'minute' || $unit eq 'hour';
    return instant(add(local_time($instant, $zone), $n, $unit), $zone);
}

sub day_of { return floor_div($_[0], DAY) }

# The beginning of a local time's day, week (Monday), month, quarter or year.
sub truncate_to {
    my ($local, $unit) = @_;
    my $days = day_of($local);
    return $days * DAY if $unit eq 'day';
    return ($days - ($days + 3) % 7) * DAY if $unit eq 'week';
    my ($y, $m) = date_of($days);
    $m = $unit eq 'year' ? 1 : $unit eq 'quarter' ? $m - ($m - 1) % 3 : $m;
    return days_of($y, $m, 1) * DAY;
}

# ISO 8601, with as many digits after the second as it takes.
sub iso {
    my ($local, $separator) = @_;
    my $days = day_of($local);
    my $rest = $local - $days * DAY;
    my $text = sprintf '%04d-%02d-%02d%s%02d:%02d:%02d', date_of($days), $separator // ' ', int($rest / HOUR), int($rest / MINUTE) % 60, int($rest / SECOND) % 60;
    my $fraction = $rest % SECOND;
    return $fraction ? $text . (sprintf('.%06d', $fraction) =~ s/0+$//r) : $text;
}

1;
