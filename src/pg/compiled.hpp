// Conditions and values over one row, compiled once and asked row after row.
#pragma once

#include "planner.hpp"

extern "C" {
#include "executor/executor.h"
}

namespace segments {

// The row that is asked about.
struct Member {
    Oid row_type;
    std::int32_t typmod;
    TupleTableSlot *slot;
    HeapTupleData tuple;
    ExprContext *context;
    ParamListInfo parameter; // the row again, for conditions that are planned as queries
};

// The row given as argument 0, which may be null, and its type: an error where a null record leaves that open.
HeapTupleHeader row_argument(FunctionCallInfo fcinfo, Oid *row_type, std::int32_t *typmod);

// Makes room for rows of a type, in CurrentMemoryContext.
Member *make_member(Oid row_type, std::int32_t typmod);

// The row to ask about next; null: a row of NULLs. It must live until it has been asked.
void set_row(Member *member, HeapTupleHeader row);

// An expression over the row; one with sub-selects is a small query.
struct Compiled {
    ExprState *state;
    PlannedStmt *plan; // or null
    std::int16_t length;
    bool by_value;
};

// What compiled expressions depend on; a holder drops them when it changes.
struct Epoch {
    std::uint64_t catalog;
    std::uint64_t relations;
    Oid role;
    bool row_security;
    TransactionId transient; // where a plan holds for this xmin only
    bool operator==(const Epoch &) const = default;
};

// Holds compiled expressions in one memory context.
struct Holder {
    MemoryContext context;
    Epoch epoch;
    List *relations; // that plans read
    bool transient;
};

// Makes a holder below a memory context.
Holder *make_holder(MemoryContext parent, const char *name);

// Whether all that the holder holds is good for use now; takes the locks that its plans need.
bool is_current(Holder *holder);

// Empties it.
void reset(Holder *holder);

// Compiles SQL over the audience's row n, for rows of the member's type, into the holder.
const Compiled *compile(Holder *holder, const Member *member, const Audience *audience, const char *sql);

// The value for the member's row; a value by reference lives until the next one is asked for.
Datum evaluate(Member *member, const Compiled *compiled, bool *null);

} // namespace segments
