// What can't be NULL in the query at hand.
#pragma once

#include "planner.hpp"

namespace segments {

// The condition without tests for NULL of columns of `row` that are NOT NULL, where no outer join can make a NULL of them.
PgNode *drop_null_tests(PlannerInfo *root, PgNode *row, PgNode *condition);

} // namespace segments
