// Calls of segments.members and segments.keys, while their query is planned.
#pragma once

#include "catalog.hpp"

namespace segments {

// A call whose arguments are known.
struct Call {
    const Audience *audience; // null: not known
    Datum rule_datum;
    const Rule *rule;
    bool suppress;
    bool keys;
    Oid key_type; // of keys with a type; else InvalidOid
};

Call read_call(const FuncExpr *call);

// index_scan.cpp: has calls of keys, which a segment index can answer, planned as a scan of it.
void define_index_scan();

// Rows that the index would give for a call; -1 where it is not to answer.
double index_rows(const Call &call);

} // namespace segments
