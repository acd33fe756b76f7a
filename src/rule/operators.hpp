// The operator table: names, inputs, twins; and the words of relative dates.
#pragma once

#include <optional>

#include "rule.hpp"

namespace segments {

struct OperatorInfo {
    Operator op;
    const char *name; // canonical
    int inputs;       // 0, 1, 2; -1: one or more
    bool negative;    // holds exactly when its twin does not
    Operator twin;    // the positive (or negative) counterpart; itself where there is none
};

const OperatorInfo &operator_info(Operator op);

// Whether an operator's value is a number of days, or two buckets of 0 to 100.
bool takes_days(Operator op);
bool takes_buckets(Operator op);

// The operator of a name or alias of the jQuery QueryBuilder or React Query Builder families, in any case.
std::optional<Operator> find_operator(std::string_view name);

// The canonical name nearest to a word that is no operator's, or "" where none is near.
std::string_view nearest_operator(std::string_view word);

// The words of measures, such as count and sum.
const char *measure_name(Measure measure);
std::optional<Measure> find_measure(std::string_view name);

// The words of match modes, such as atLeast; found in any case, as React Query Builder does.
const char *match_mode_name(MatchMode mode);
std::optional<MatchMode> find_match_mode(std::string_view name);

// The words of a relative date, such as startOfDay and day.
const char *anchor_name(Anchor anchor);
const char *unit_name(Unit unit);
std::optional<Anchor> find_anchor(std::string_view name);
std::optional<Unit> find_unit(std::string_view name);

} // namespace segments
