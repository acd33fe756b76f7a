// Memberships of a condition as joins of the query that it is put into.
#pragma once

#include "call_sites.hpp"

namespace segments {

// Makes semi- and anti-joins of the [NOT] EXISTS that the condition demands, and gives the rest of it. home: the FROM or JOIN whose
// WHERE or ON demands the condition, and is being simplified.
PgNode *join_memberships(PlannerInfo *root, PgNode *home, PgNode *condition);

} // namespace segments
