// Small readers of values: names, decimal numbers, ISO 8601.
#pragma once

#include <optional>

#include "rule.hpp"

namespace segments {

// The candidate with the smallest edit distance to word (ASCII case ignored), or "" where none is near enough to be a typo.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

// A decimal number, exactly: JSON numbers and numeric strings with blanks around them. Neither hex, NaN nor Infinity.
struct Decimal {
    std::string
        text; // plain decimal notation where its exponent is small, else as given; no leading "+", blanks or needless zeros
    bool integral; // whole number in plain digits: text matches -?[0-9]+
};
std::optional<Decimal> parse_decimal(std::string_view text);

// ISO 8601: a date, or date and time with 'T' or blank, optional seconds, fraction (to the microsecond, rounded) and 'Z' or offset.
struct IsoDate {
    std::string date;   // YYYY-MM-DD
    std::string time;   // HH:MM:SS[.ffffff]; "" for a date alone
    std::string offset; // "+HH:MM[:SS]" or "-..."; "" where none was given
};
enum class IsoError : std::uint8_t { none, syntax, range }; // range: a day, hour or offset that does not exist
IsoError parse_iso(std::string_view text, IsoDate &out);

} // namespace segments
