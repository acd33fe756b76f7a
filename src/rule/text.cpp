// Small readers of values: names, decimal numbers, ISO 8601.
#include "text.hpp"

#include <algorithm>
#include <array>

namespace segments {

namespace {

bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? char(c + 32) : c;
}

constexpr std::size_t longest_word = 64; // longer ones are not compared: no typo makes them

// The number of insertions, deletions, replacements and swaps of neighbours between two words of at most longest_word bytes.
std::size_t edit_distance(std::string_view a, std::string_view b)
{
    std::array<std::array<std::size_t, longest_word + 1>, 3> rows;
    for (std::size_t j = 0; j <= b.size(); j++)
        rows[0][j] = j;
    for (std::size_t i = 1; i <= a.size(); i++) {
        auto &row = rows[i % 3];
        const auto &above = rows[(i + 2) % 3];
        const auto &above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); j++) {
            const char x = lower(a[i - 1]), y = lower(b[j - 1]);
            row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y)});
            if (i > 1 && j > 1 && x == lower(b[j - 2]) && lower(a[i - 2]) == y)
                row[j] = std::min(row[j], above2[j - 2] + 1);
        }
    }
    return rows[a.size() % 3][b.size()];
}

} // namespace

// A third of the word may be wrong, but not all of it.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates)
{
    if (word.empty() || word.size() > longest_word)
        return {};
    std::string_view best;
    std::size_t best_distance = std::min(word.size() - 1, (word.size() + 2) / 3) + 1;
    for (const std::string_view candidate : candidates) {
        const std::size_t size = candidate.size();
        if (size == 0 || size > longest_word || size + best_distance <= word.size() || word.size() + best_distance <= size)
            continue;
        const std::size_t distance = edit_distance(word, candidate);
        if (distance >= best_distance)
            continue;
        best = candidate;
        best_distance = distance;
    }
    return best;
}

namespace {

constexpr long largest_plain_exponent = 400; // beyond any float8

// Reads the digits of an exponent, as far as they can matter.
long read_exponent(std::string_view digits, bool negative)
{
    long exponent = 0;
    for (const char c : digits)
        exponent = std::min(exponent * 10 + (c - '0'), 100000000L);
    return negative ? -exponent : exponent;
}

// Takes digits from the front of text.
std::string_view take_digits(std::string_view &text)
{
    std::size_t n = 0;
    while (n < text.size() && is_digit(text[n]))
        n++;
    const std::string_view digits = text.substr(0, n);
    text.remove_prefix(n);
    return digits;
}

// Takes one character of a set from the front of text, or '\0'.
char take_one(std::string_view &text, std::string_view set)
{
    if (text.empty() || set.find(text.front()) == std::string_view::npos)
        return '\0';
    const char c = text.front();
    text.remove_prefix(1);
    return c;
}

} // namespace

std::optional<Decimal> parse_decimal(std::string_view text)
{
    constexpr std::string_view blanks = " \t\n\r\f\v";
    const std::size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos)
        return std::nullopt;
    text = text.substr(first, text.find_last_not_of(blanks) - first + 1);

    const bool negative = take_one(text, "+-") == '-';
    const std::string_view number = text;
    std::string_view whole = take_digits(text);
    std::string_view fraction;
    if (take_one(text, "."))
        fraction = take_digits(text);
    if (whole.empty() && fraction.empty())
        return std::nullopt;
    long exponent = 0;
    if (take_one(text, "eE")) {
        const bool down = take_one(text, "+-") == '-';
        const std::string_view digits = take_digits(text);
        if (digits.empty())
            return std::nullopt;
        exponent = read_exponent(digits, down);
    }
    if (!text.empty())
        return std::nullopt;

    std::string digits(whole);
    digits += fraction;
    if (digits.find_first_not_of('0') == std::string::npos)
        return Decimal{"0", true};
    std::string sign(negative ? "-" : "");
    if (exponent > largest_plain_exponent || exponent < -largest_plain_exponent)
        return Decimal{sign.append(number), false};

    // Move the point by the exponent, then drop the zeros that say nothing.
    const long point = static_cast<long>(whole.size()) + exponent;
    if (point <= 0)
        digits.insert(0, static_cast<std::size_t>(1 - point), '0');
    else if (point > static_cast<long>(digits.size()))
        digits.append(static_cast<std::size_t>(point) - digits.size(), '0');
    std::string before = digits.substr(0, static_cast<std::size_t>(std::max(point, 1L)));
    std::string after = digits.substr(before.size());
    before.erase(0, std::min(before.find_first_not_of('0'), before.size() - 1));
    after.erase(after.find_last_not_of('0') + 1);
    if (after.empty())
        return Decimal{sign + before, true};
    return Decimal{sign + before + "." + after, false};
}

namespace {

// Takes exactly n digits from the front of text; -1 where they are not there.
int take_number(std::string_view &text, std::size_t n)
{
    if (text.size() < n || !std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(n), is_digit))
        return -1;
    int number = 0;
    for (std::size_t i = 0; i < n; i++)
        number = number * 10 + (text[i] - '0');
    text.remove_prefix(n);
    return number;
}

int days_of_month(int year, int month)
{
    constexpr int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

// Appends a number in at least `width` digits.
void append_number(std::string &out, int number, std::size_t width)
{
    const std::string digits = std::to_string(number);
    out.append(width > digits.size() ? width - digits.size() : 0, '0').append(digits);
}

struct Moment {
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, microsecond = 0;
};

// Carries a fraction that was rounded up to a whole second into seconds, minutes, … years.
void carry(Moment &m)
{
    if (m.microsecond < 1000000)
        return;
    m.microsecond = 0;
    if (++m.second < 60)
        return;
    m.second = 0;
    if (++m.minute < 60)
        return;
    m.minute = 0;
    if (++m.hour < 24)
        return;
    m.hour = 0;
    if (++m.day <= days_of_month(m.year, m.month))
        return;
    m.day = 1;
    if (++m.month <= 12)
        return;
    m.month = 1;
    m.year++;
}

// Reads the digits after a second's point as microseconds, rounded half up; a million means a whole second.
int microseconds(std::string_view digits)
{
    int micro = 0;
    for (std::size_t i = 0; i < 6; i++)
        micro = micro * 10 + (i < digits.size() ? digits[i] - '0' : 0);
    return micro + (digits.size() > 6 && digits[6] >= '5');
}

// Reads "Z", "+HH", "+HHMM", "+HH:MM" or "+HH:MM:SS"; nothing at all is no offset.
IsoError take_offset(std::string_view &text, std::string &out)
{
    if (text.empty())
        return IsoError::none;
    if (take_one(text, "Zz")) {
        out = "+00:00";
        return text.empty() ? IsoError::none : IsoError::syntax;
    }
    const char sign = take_one(text, "+-");
    const int hours = take_number(text, 2);
    if (sign == '\0' || hours < 0)
        return IsoError::syntax;
    int minutes = 0, seconds = 0;
    if (!text.empty()) {
        const bool colon = take_one(text, ":") != '\0';
        minutes = take_number(text, 2);
        if (colon && take_one(text, ":"))
            seconds = take_number(text, 2);
    }
    if (minutes < 0 || seconds < 0 || !text.empty())
        return IsoError::syntax;
    if (hours > 15 || minutes > 59 || seconds > 59)
        return IsoError::range;
    out = sign;
    append_number(out, hours, 2);
    append_number(out += ':', minutes, 2);
    if (seconds > 0)
        append_number(out += ':', seconds, 2);
    return IsoError::none;
}

} // namespace

IsoError parse_iso(std::string_view text, IsoDate &out)
{
    out = IsoDate();
    Moment m;
    m.year = take_number(text, 4);
    if (m.year < 0 || !take_one(text, "-") || (m.month = take_number(text, 2)) < 0 || !take_one(text, "-") ||
        (m.day = take_number(text, 2)) < 0)
        return IsoError::syntax;
    const bool has_time = !text.empty();
    if (has_time) {
        if (!take_one(text, "Tt ") || (m.hour = take_number(text, 2)) < 0 || !take_one(text, ":") ||
            (m.minute = take_number(text, 2)) < 0)
            return IsoError::syntax;
        if (take_one(text, ":")) {
            if ((m.second = take_number(text, 2)) < 0)
                return IsoError::syntax;
            if (take_one(text, ".")) {
                const std::string_view digits = take_digits(text);
                if (digits.empty())
                    return IsoError::syntax;
                m.microsecond = microseconds(digits);
            }
        }
    }
    std::string offset;
    const IsoError error = take_offset(text, offset);
    if (error == IsoError::syntax)
        return error;
    if (error == IsoError::range || m.year < 1 || m.month < 1 || m.month > 12 || m.day < 1 ||
        m.day > days_of_month(m.year, m.month) || m.hour > 23 || m.minute > 59 || m.second > 59)
        return IsoError::range;
    carry(m);
    if (m.year > 9999)
        return IsoError::range;

    append_number(out.date, m.year, 4);
    append_number(out.date += '-', m.month, 2);
    append_number(out.date += '-', m.day, 2);
    if (has_time) {
        append_number(out.time, m.hour, 2);
        append_number(out.time += ':', m.minute, 2);
        append_number(out.time += ':', m.second, 2);
        if (m.microsecond > 0)
            append_number(out.time += '.', m.microsecond, 6);
    }
    out.offset = offset;
    return IsoError::none;
}

} // namespace segments
