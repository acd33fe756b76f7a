// The row argument of a call while its query is planned.
#pragma once

#include "planner.hpp"

namespace segments {

struct RowType {
    Oid type; // RECORDOID for an anonymous record
    std::int32_t typmod;
    TupleDesc desc;
};

// What a row argument's columns are; false where only its value will tell.
bool row_type_of(PlannerInfo *root, PgNode *row, RowType &found);

// Whether the row may be evaluated once for every column that is asked of it.
bool can_repeat(PgNode *row);

// The expression with the row in place of Param $1, columns of it in place of their selection.
PgNode *substitute_row(PlannerInfo *root, PgNode *expression, PgNode *row);

// Whose rights a call on this row has: the owner's of the view that it stands in, or InvalidOid, the current user's.
Oid role_of_row(PlannerInfo *root, PgNode *row, Oid row_type);

} // namespace segments
