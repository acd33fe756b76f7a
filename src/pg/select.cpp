// Runs SELECTs. See select.hpp.
#include "select.hpp"

extern "C" {
#include "nodes/parsenodes.h"
#include "tcop/dest.h"
#include "utils/snapmgr.h"
}

namespace segments {

static QueryDesc *start(const char *sql, int cursor_options, DestReceiver *receiver, int flags)
{
    PlannedStmt *plan = plan_select(sql, cursor_options);
    QueryDesc *query = CreateQueryDesc(plan, sql, GetActiveSnapshot(), InvalidSnapshot, receiver, nullptr, nullptr, 0);
    ExecutorStart(query, flags);
    return query;
}

static void finish(QueryDesc *query)
{
    ExecutorFinish(query);
    ExecutorEnd(query);
    FreeQueryDesc(query);
}

void run_select(const char *sql, DestReceiver *receiver)
{
    QueryDesc *query = start(sql, CURSOR_OPT_PARALLEL_OK, receiver, 0);
    run_to_end(query);
    finish(query);
}

QueryDesc *open_select(const char *sql)
{
    return start(sql, 0, None_Receiver, 0);
}

TupleTableSlot *next_row(QueryDesc *query)
{
    PushActiveSnapshot(query->snapshot);
    MemoryContext caller = MemoryContextSwitchTo(query->estate->es_query_cxt);
    ResetPerTupleExprContext(query->estate);
    TupleTableSlot *row = ExecProcNode(query->planstate);
    MemoryContextSwitchTo(caller);
    PopActiveSnapshot();
    return TupIsNull(row) ? nullptr : row;
}

void close_select(QueryDesc *query)
{
    finish(query);
}

double estimate_rows(const char *sql, bool checked)
{
    if (!checked)
        return plan_select(sql, 0)->planTree->plan_rows;
    QueryDesc *query = start(sql, 0, None_Receiver, EXEC_FLAG_EXPLAIN_ONLY);
    double rows = query->plannedstmt->planTree->plan_rows;
    ExecutorEnd(query);
    FreeQueryDesc(query);
    return rows;
}

char *members_sql(const Audience *audience, const Rule *rule, bool suppress)
{
    return select_sql(audience, rule, psprintf("(n.*)::%s", audience->name), suppress);
}

// The key's type, under its domains.
static Oid key_type(const Audience *audience)
{
    if (audience->key == nullptr)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("audience %s has no key", audience->name),
                        errhint("Name the column that identifies a member: segments.add_audience(audience, key).")));
    return getBaseType(audience->key_type);
}

Oid check_key_type(const Audience *audience, Oid type)
{
    Oid actual = key_type(audience);
    if (!OidIsValid(type) && actual != INT2OID && actual != INT4OID && actual != INT8OID)
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("key \"%s\" of audience %s is of type %s, not an integer", audience->key, audience->name, format_type_be(actual)),
                        errhint("Give the key's type: segments.keys(audience, rule, NULL::%s).", format_type_be(actual))));
    if (OidIsValid(type) && getBaseType(type) != actual)
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("key \"%s\" of audience %s is of type %s, not %s", audience->key, audience->name, format_type_be(actual),
                               format_type_be(type)),
                        errhint("Give the key's type: segments.keys(audience, rule, NULL::%s).", format_type_be(actual))));
    return OidIsValid(type) ? actual : INT8OID;
}

char *keys_sql(const Audience *audience, const Rule *rule, bool suppress, Oid type)
{
    check_key_type(audience, type);
    return select_sql(audience, rule, psprintf(OidIsValid(type) ? "n.%s" : "n.%s::int8", quote_identifier(audience->key)), suppress);
}

char *members_by_keys_sql(const Audience *audience, Datum rule, bool suppress)
{
    return psprintf("SELECT (n.*)::%s FROM segments.keys(%u::regclass, %s::segments.rule, %s) k JOIN %s n ON n.%s = k", audience->name, audience->relation,
                    quote_literal_cstr(TextDatumGetCString(rule)), suppress ? "true" : "false", audience->name, quote_identifier(audience->key));
}

} // namespace segments
