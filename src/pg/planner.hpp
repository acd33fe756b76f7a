// From SQL text of the translator to expressions inside a plan.
#pragma once

#include "translate.hpp"

namespace segments {

// Parses and rewrites a condition over row n into an expression on `row` (of the audience's row type), with row security and
// views inside it expanded; relations that it reads are checked as check_as_user (InvalidOid: the current user).
// has_sublinks, has_row_security: set when the expression contains sub-selects, or depends on row security.
struct ParsedCondition {
    Node *expression; // over Param $1 of the row type
    bool has_sublinks;
    bool has_row_security;
};
ParsedCondition parse_condition(const Audience *audience, const char *sql, Oid check_as_user);

// A field's expression: parsed once under the caller's search_path with the audience's columns in reach, and given back deparsed,
// fully qualified, over row alias n. Raises an error unless it is one scalar value without aggregates or set-returning functions.
// column_names: names to resolve columns by (index attnum - 1), or null for the relation's present ones.
// type, typmod, collation (may be null): what it gives. attnums (may be null): the audience's columns that it uses.
char *canonical_expression(Oid relation, const char *sql, const char *const *column_names, Oid *type, std::int32_t *typmod,
                           Oid *collation, Bitmapset **attnums);

} // namespace segments
