// The SQL of single leaves.
#pragma once

#include "bind.hpp"

namespace segments {

// A field leaf, positive operator: its condition and its complement, both NULL exactly when one of `nullable` is.
struct LeafSql {
    const char *condition;
    const char *complement;
    List *nullable;   // SQL of operands (char *); NIL: never NULL
    bool compound;    // condition and complement need parentheses beside AND and OR
    bool disjunction; // condition is an OR
};
LeafSql leaf_sql(const BoundRule *rule, const BoundNode &node, Operator positive);

// What rows of a membership table, by an alias, must satisfy besides belonging to the member; "" when nothing.
const char *membership_condition(const BoundNode &node, const char *alias = "m");

// SQL over n: the member's actual value for a field leaf, as text.
const char *actual_sql(const BoundRule *rule, const BoundNode &node);

// A leaf in English, by labels.
const char *describe_leaf(const BoundNode &node);

} // namespace segments
