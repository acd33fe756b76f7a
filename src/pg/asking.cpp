// Asking an audience: members, keys, count, facet, estimate, sql.
#include "boundary.hpp"
#include "rule_type.hpp"
#include "select.hpp"

extern "C" {
#include "utils/tuplestore.h"
}

namespace segments {

// What is asked: an audience, a rule, whether the suppressed are left out (unless told otherwise, they are).
struct Question {
    const Audience *audience;
    const Rule *rule; // null: nothing is asked
    bool suppress;
};

static Question question(PG_FUNCTION_ARGS, Oid relation, int suppress_argument)
{
    Question asked = {nullptr, nullptr, true};
    if (!OidIsValid(relation) || PG_ARGISNULL(1))
        return asked;
    asked.audience = audience_of(relation);
    asked.rule = rule_of(PG_GETARG_DATUM(1));
    if (PG_NARGS() > suppress_argument && !PG_ARGISNULL(suppress_argument))
        asked.suppress = PG_GETARG_BOOL(suppress_argument);
    return asked;
}

static Oid relation_argument(PG_FUNCTION_ARGS)
{
    return PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
}

// Puts the first column of every row into a tuplestore: as the row where it is one.
struct Collector {
    DestReceiver receiver;
    Tuplestorestate *store;
    TupleDesc desc;
    bool rows;
};

static bool collect(TupleTableSlot *slot, DestReceiver *receiver)
{
    auto *to = reinterpret_cast<Collector *>(receiver);
    bool null;
    Datum value = slot_getattr(slot, 1, &null);
    if (!to->rows) {
        tuplestore_putvalues(to->store, to->desc, &value, &null);
        return true;
    }
    HeapTupleHeader header = DatumGetHeapTupleHeader(value);
    HeapTupleData tuple = {};
    tuple.t_len = HeapTupleHeaderGetDatumLength(header);
    ItemPointerSetInvalid(&tuple.t_self);
    tuple.t_data = header;
    tuplestore_puttuple(to->store, &tuple);
    return true;
}

// Puts whole rows into a tuplestore.
static bool collect_rows(TupleTableSlot *slot, DestReceiver *receiver)
{
    tuplestore_puttupleslot(reinterpret_cast<Collector *>(receiver)->store, slot);
    return true;
}

static void ignore_start(DestReceiver *, int, TupleDesc) {}
static void ignore_end(DestReceiver *) {}

// All rows at once, for a call in FROM.
static void return_all(PG_FUNCTION_ARGS, const char *sql, bool rows)
{
    InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    if (sql == nullptr)
        return;
    Collector collector = {{collect, ignore_start, ignore_end, ignore_end, DestNone}, result->setResult, result->setDesc, rows};
    run_select(sql, &collector.receiver);
}

// Ends a query whose reader has stopped.
static void abandon(Datum query)
{
    close_select(reinterpret_cast<QueryDesc *>(DatumGetPointer(query)));
}

// Row after row, for a call in the select list: who needs ten rows fetches ten. sql() makes the query's text when it starts.
template <typename Sql> static Datum return_next(PG_FUNCTION_ARGS, Sql &&sql)
{
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    if (SRF_IS_FIRSTCALL()) {
        FuncCallContext *call = SRF_FIRSTCALL_INIT();
        MemoryContext caller = MemoryContextSwitchTo(call->multi_call_memory_ctx);
        if (const char *text = sql()) {
            call->user_fctx = open_select(text);
            RegisterExprContextCallback(result->econtext, abandon, PointerGetDatum(call->user_fctx));
        }
        MemoryContextSwitchTo(caller);
    }
    FuncCallContext *call = SRF_PERCALL_SETUP();
    auto *query = static_cast<QueryDesc *>(call->user_fctx);
    if (TupleTableSlot *row = query ? next_row(query) : nullptr) {
        bool null;
        Datum value = slot_getattr(row, 1, &null);
        if (null)
            SRF_RETURN_NEXT_NULL(call);
        SRF_RETURN_NEXT(call, value);
    }
    if (query != nullptr) {
        UnregisterExprContextCallback(result->econtext, abandon, PointerGetDatum(query));
        close_select(query);
    }
    SRF_RETURN_DONE(call);
}

// Answers a set-returning function the way that suits its caller.
template <typename Sql> static Datum return_set(PG_FUNCTION_ARGS, bool rows, Sql &&sql)
{
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    bool in_from = result != nullptr && IsA(result, ReturnSetInfo) && (result->allowedModes & SFRM_Materialize_Preferred) != 0;
    if (!in_from)
        return return_next(fcinfo, sql);
    return_all(fcinfo, sql(), rows);
    PG_RETURN_NULL();
}

// The first value of the first row.
struct FirstValue {
    DestReceiver receiver;
    std::int64_t value;
};

static bool take(TupleTableSlot *slot, DestReceiver *receiver)
{
    bool null;
    reinterpret_cast<FirstValue *>(receiver)->value = DatumGetInt64(slot_getattr(slot, 1, &null));
    return true;
}

} // namespace segments

extern "C" {

// segments.members(row_type anyelement, rule, suppress) → SETOF anyelement
SEGMENTS_FUNCTION(segments_members)
{
    return segments::return_set(fcinfo, true, [fcinfo]() -> const char * {
        Oid type = getBaseType(get_fn_expr_argtype(fcinfo->flinfo, 0));
        Oid relation = get_typ_typrelid(type);
        if (!OidIsValid(relation))
            ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("%s is not the row type of an audience", format_type_be(type)),
                            errhint("Cast a null to the audience's type: segments.members(NULL::numbers, rule).")));
        segments::Question asked = segments::question(fcinfo, relation, 2);
        return asked.rule ? segments::members_sql(asked.audience, asked.rule, asked.suppress) : nullptr;
    });
}

// segments.keys(audience regclass, rule, suppress) → SETOF bigint
SEGMENTS_FUNCTION(segments_keys)
{
    return segments::return_set(fcinfo, false, [fcinfo]() -> const char * {
        segments::Question asked = segments::question(fcinfo, segments::relation_argument(fcinfo), 2);
        return asked.rule ? segments::keys_sql(asked.audience, asked.rule, asked.suppress) : nullptr;
    });
}

// segments.keys(audience regclass, rule, key_type anyelement, suppress) → SETOF anyelement
SEGMENTS_FUNCTION(segments_typed_keys)
{
    return segments::return_set(fcinfo, false, [fcinfo]() -> const char * {
        segments::Question asked = segments::question(fcinfo, segments::relation_argument(fcinfo), 3);
        Oid type = get_fn_expr_argtype(fcinfo->flinfo, 2);
        return asked.rule ? segments::keys_sql(asked.audience, asked.rule, asked.suppress, type) : nullptr;
    });
}

// segments.count(audience regclass, rule, suppress) → bigint
SEGMENTS_FUNCTION(segments_count)
{
    segments::Question asked = segments::question(fcinfo, segments::relation_argument(fcinfo), 2);
    if (asked.rule == nullptr)
        PG_RETURN_NULL();
    segments::FirstValue count = {{segments::take, segments::ignore_start, segments::ignore_end, segments::ignore_end, DestNone}, 0};
    segments::run_select(segments::select_sql(asked.audience, asked.rule, "count(*)", asked.suppress), &count.receiver);
    PG_RETURN_INT64(count.value);
}

// segments.facet(audience regclass, rule, field text, suppress) → SETOF (value text, members bigint)
SEGMENTS_FUNCTION(segments_facet)
{
    InitMaterializedSRF(fcinfo, 0);
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    segments::Question asked = segments::question(fcinfo, segments::relation_argument(fcinfo), 3);
    if (asked.rule == nullptr)
        PG_RETURN_NULL();
    if (PG_ARGISNULL(2))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("field must not be null")));
    text *field = PG_GETARG_TEXT_PP(2);
    const char *sql = segments::facet_sql(asked.audience, asked.rule, {VARDATA_ANY(field), VARSIZE_ANY_EXHDR(field)}, asked.suppress);
    segments::Collector collector = {{segments::collect_rows, segments::ignore_start, segments::ignore_end, segments::ignore_end, DestNone},
                                     result->setResult, result->setDesc, true};
    segments::run_select(sql, &collector.receiver);
    PG_RETURN_NULL();
}

// segments.estimate(audience regclass, rule) → bigint
SEGMENTS_FUNCTION(segments_estimate)
{
    segments::Question asked = segments::question(fcinfo, segments::relation_argument(fcinfo), 2);
    if (asked.rule == nullptr)
        PG_RETURN_NULL();
    PG_RETURN_INT64(static_cast<int64>(segments::estimate_rows(segments::select_sql(asked.audience, asked.rule, "1", asked.suppress), true)));
}

// segments.sql(audience regclass, rule, suppress) → text
SEGMENTS_FUNCTION(segments_sql)
{
    segments::Question asked = segments::question(fcinfo, segments::relation_argument(fcinfo), 2);
    if (asked.rule == nullptr)
        PG_RETURN_NULL();
    const char *sql = segments::select_sql(asked.audience, asked.rule, "n.*", asked.suppress);
    PG_RETURN_TEXT_P(cstring_to_text(segments::deparse_select(sql)));
}

} // extern "C"
