// Where calls of a function stand in the query that is being planned.
//
// A support function gets a call's arguments and a query, not the place of the call; and the query may be the wrong one: the planner
// simplifies the WHERE clause of an EXISTS with the outer query in hand, and that of a CHECK constraint with no call in the query.
#pragma once

#include "planner.hpp"

namespace segments {

struct CallSites {
    bool here;   // the query itself may hold the call: by name, or in an SQL function that may be inlined
    bool below;  // an EXISTS in its expressions may
    bool filter; // every call here stands where NULL and false are the same: WHERE or ON, alone or under AND and OR
    bool in_window; // a call stands inside a window function: the planner has copied those already, so sub-plans must not appear there
    PgNode *home; // the FromExpr or JoinExpr that is being simplified, where the call is a demand of its condition; else null
    bool negated; // the demand is the call's complement
    bool one_role; // all tables, those of EXISTS included, are checked as one role:
    Oid role;
};
CallSites find_calls(PlannerInfo *root, Oid function);

// Announces that sub-selects appear in the query's expressions, and maybe in those of its sub-selects.
void announce_sublinks(PlannerInfo *root);

} // namespace segments
