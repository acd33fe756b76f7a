// Running a SELECT of the translator's: as the calling statement sees the data, with the calling role's rights.
#pragma once

#include "planner.hpp"

extern "C" {
#include "executor/executor.h"
}

namespace segments {

// Runs it to its end; parallel workers may help.
void run_select(const char *sql, DestReceiver *receiver);

// Runs it row by row; whoever stops early closes it.
QueryDesc *open_select(const char *sql);
TupleTableSlot *next_row(QueryDesc *query); // null after the last
void close_select(QueryDesc *query);

// Rows that the planner expects of it; checked: it is an error where the calling role may not read what it reads.
double estimate_rows(const char *sql, bool checked);

// What asks a whole audience: n's columns as one value, or its key. An error where the audience has no key of a fitting type.
char *members_sql(const Audience *audience, const Rule *rule, bool suppress);
char *keys_sql(const Audience *audience, const Rule *rule, bool suppress, Oid type); // InvalidOid: as bigint

// The key's type, under its domains: an error unless it is `type`, or, where that is InvalidOid, an integer.
Oid check_key_type(const Audience *audience, Oid type);

// SELECT of members as rows, by their keys: for who has an index that gives those.
char *members_by_keys_sql(const Audience *audience, Datum rule, bool suppress);

} // namespace segments
