// From SQL text of the translator to expressions and plans.
#pragma once

#include "translate.hpp"

extern "C" {
#include "nodes/pathnodes.h"
#include "nodes/plannodes.h"
}

namespace segments {

// Parses a condition (or any scalar SQL) over row n into an expression on `row` (of the audience's row type), with row security and
// views inside it expanded; relations that it reads are checked as check_as_user (InvalidOid: the current user).
// has_sublinks, has_row_security: set when the expression contains sub-selects, or depends on row security.
struct ParsedCondition {
    PgNode *expression; // over Param $1 of the row type
    bool has_sublinks;
    bool has_row_security;
};
ParsedCondition parse_condition(const Audience *audience, const char *sql, Oid check_as_user);

// The plan of a parsed condition: one row, one column, row as parameter $1.
PlannedStmt *plan_condition(const ParsedCondition &condition);

// The plan of a SELECT of the translator's, made with the current user's rights.
PlannedStmt *plan_select(const char *sql, int cursor_options);

// A SELECT of the translator's as PostgreSQL writes it down: fully qualified, so that it runs anywhere.
char *deparse_select(const char *sql);

// A field's expression: parsed once under the caller's search_path with the audience's columns in reach, and given back deparsed,
// fully qualified, over row alias n. Raises an error unless it is one scalar value without aggregates or set-returning functions.
// column_names: names to resolve columns by (index attnum - 1), or null for the relation's present ones.
// type, typmod, collation (may be null): what it gives. attnums (may be null): the audience's columns that it uses.
char *canonical_expression(Oid relation, const char *sql, const char *const *column_names, Oid *type, std::int32_t *typmod,
                           Oid *collation, Bitmapset **attnums);

// Enters the safe path with the settings that PostgreSQL's own dumps use, so that what is deparsed reads back everywhere.
// Left by leave_safe_path.
int enter_deparsing();

// Points errors into text that PostgreSQL is reading for us, not into the caller's statement.
class ReadingText {
public:
    ReadingText(const char *text, const char *what);
    void done();

private:
    static void point(void *argument);
    ErrorContextCallback callback_;
    const char *text_, *what_;
};

} // namespace segments
