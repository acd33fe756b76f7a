// Field expressions. See planner.hpp.
#include "planner.hpp"

namespace segments {

char *canonical_expression(Oid, const char *, const char *const *, Oid *, std::int32_t *, Oid *, Bitmapset **)
{
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("field expressions are not supported")));
}

} // namespace segments
