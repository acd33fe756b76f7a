// What the parts of the translator share: translate.cpp writes groups and fields, event_sql.cpp what asks events.
#pragma once

#include "bind.hpp"
#include "translate.hpp"

namespace segments {

// More left joins than this would burden the planner; further memberships under OR are asked by correlated EXISTS.
constexpr int max_joins = 24;

// Joins that a SELECT needs besides the audience itself.
struct Joins {
    List *tables = NIL; // char *: the sub-select of each join
    List *events = NIL; // EventJoin *, of event_sql.cpp: one pass over each event source and window
    const List *passes = NIL; // the same, where it is known already which there will be
};

// Where a condition stands.
struct Place {
    Form form;
    bool negated;
    bool conjunct; // reached from WHERE through AND alone: EXISTS becomes a semi-join there
    Joins *joins;  // null: one row is asked, not a set
};

// Appends the condition of a node, parenthesised where it needs to be.
void emit(StringInfo out, const BoundRule *rule, const BoundNode &node, Place place);

// The alias of a join with this sub-select; equal sub-selects share one.
const char *join_alias(Joins *joins, char *table);

} // namespace segments
