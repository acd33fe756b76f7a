// Values of a rule as SQL literals of a field's type.
#pragma once

#include "bind.hpp"

namespace segments {

// What coercion needs to know of the rule, and where problems go.
struct Coercion {
    Semantics semantics;
    const char *zone; // SQL literal, or null
    const char *zone_name; // the same, bare
    const char *now;
    List **findings; // null: the first problem is raised
    int found;
    List *checks; // see BoundRule
};

// Reports a problem at path; returns only when problems are collected.
void complain(Coercion &to, int sqlstate, std::string_view path, const char *hint, const char *format, ...) pg_attribute_printf(5, 6);

// Coerces a value to a type; false when a problem was collected. as_numeric is set when an integer field meets a value no integer is.
bool coerce(Coercion &to, const Value &value, FieldType type, BoundValue &result, bool &as_numeric);

// An ISO 8601 instant as a timestamptz literal: in the zone where it has no offset.
bool coerce_instant(Coercion &to, std::string_view text, std::string_view path, const char *&sql);

// The instant at which a day (SQL of a date or timestamp) begins in the zone, or, where it is null, in the session's. Where midnight comes
// twice because clocks are set back, AT TIME ZONE means the second; what follows the day before is the first.
const char *day_start(const char *day, const char *zone);

// An instant before (sign '-') or after ('+') another one: the interval's days and months are steps of the local calendar, in the zone
// (an SQL literal) or, where it is null, in the session's.
const char *shifted_instant(const char *instant, const char *zone, char sign, const char *interval, bool calendar);

// A span as PostgreSQL writes an interval.
const char *interval_text(const Span &span);

} // namespace segments
