// Asking an audience: members, keys, count, facet, estimate, sql. By its segment index where it has one that can answer, else by SQL.
#include "boundary.hpp"
#include "index_facet.hpp"
#include "index_program.hpp"
#include "rule_type.hpp"
#include "select.hpp"

extern "C" {
#include "utils/tuplestore.h"
}

namespace segments {

// What is asked: an audience, a rule, whether the suppressed are left out (unless told otherwise, they are).
struct Question {
    const Audience *audience; // null: nothing is asked
    Datum rule;
    bool suppress;

    const Rule *tree() const { return rule_of(rule); }
};

static Question question(PG_FUNCTION_ARGS, Oid relation, int suppress_argument)
{
    Question asked = {nullptr, Datum(0), true};
    if (!OidIsValid(relation) || PG_ARGISNULL(1))
        return asked;
    asked.audience = audience_of(relation);
    asked.rule = PG_GETARG_DATUM(1);
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

// Where the rows of a call come from: keys of the index, or a query; neither, where nothing is asked.
struct Source {
    const Answer *keys;
    Oid key_type;
    const char *sql;
    bool rows; // the query's one column is the row
};

// All rows at once, for a call in FROM.
static void return_all(PG_FUNCTION_ARGS, const Source &source)
{
    InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    if (source.keys != nullptr) {
        KeyCursor cursor = {};
        cursor.members = &source.keys->members;
        bool null = false;
        for (std::int64_t key; next_key(cursor, &key);) {
            Datum value = key_datum(key, source.key_type);
            tuplestore_putvalues(result->setResult, result->setDesc, &value, &null);
        }
    }
    if (source.sql == nullptr)
        return;
    Collector collector = {{collect, ignore_start, ignore_end, ignore_end, DestNone}, result->setResult, result->setDesc, source.rows};
    run_select(source.sql, &collector.receiver);
}

// A call in the select list, between its rows.
struct Stream {
    Source source;
    KeyCursor cursor;
    QueryDesc *query;
};

// Ends a query whose reader has stopped.
static void abandon(Datum query)
{
    close_select(reinterpret_cast<QueryDesc *>(DatumGetPointer(query)));
}

// Row after row, for a call in the select list: who needs ten rows fetches ten. open() says where they come from when the call starts.
template <typename Open> static Datum return_next(PG_FUNCTION_ARGS, Open &&open)
{
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    if (SRF_IS_FIRSTCALL()) {
        FuncCallContext *call = SRF_FIRSTCALL_INIT();
        MemoryContext caller = MemoryContextSwitchTo(call->multi_call_memory_ctx);
        auto *stream = static_cast<Stream *>(palloc0(sizeof(Stream)));
        stream->source = open();
        if (stream->source.keys != nullptr)
            stream->cursor.members = &stream->source.keys->members;
        if (stream->source.sql != nullptr) {
            stream->query = open_select(stream->source.sql);
            RegisterExprContextCallback(result->econtext, abandon, PointerGetDatum(stream->query));
        }
        call->user_fctx = stream;
        MemoryContextSwitchTo(caller);
    }
    FuncCallContext *call = SRF_PERCALL_SETUP();
    auto *stream = static_cast<Stream *>(call->user_fctx);
    if (stream->source.keys != nullptr) {
        std::int64_t key;
        if (next_key(stream->cursor, &key))
            SRF_RETURN_NEXT(call, key_datum(key, stream->source.key_type));
        SRF_RETURN_DONE(call);
    }
    if (TupleTableSlot *row = stream->query ? next_row(stream->query) : nullptr) {
        bool null;
        Datum value = slot_getattr(row, 1, &null);
        if (null)
            SRF_RETURN_NEXT_NULL(call);
        SRF_RETURN_NEXT(call, value);
    }
    if (stream->query != nullptr) {
        UnregisterExprContextCallback(result->econtext, abandon, PointerGetDatum(stream->query));
        close_select(stream->query);
    }
    SRF_RETURN_DONE(call);
}

// Answers a set-returning function the way that suits its caller.
template <typename Open> static Datum return_set(PG_FUNCTION_ARGS, Open &&open)
{
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    bool in_from = result != nullptr && IsA(result, ReturnSetInfo) && (result->allowedModes & SFRM_Materialize_Preferred) != 0;
    if (!in_from)
        return return_next(fcinfo, open);
    return_all(fcinfo, open());
    PG_RETURN_NULL();
}

// Keys as a type; InvalidOid: as bigint.
static Source keys_source(const Question &asked, Oid type)
{
    Source source = {};
    if (asked.audience == nullptr)
        return source;
    source.key_type = check_key_type(asked.audience, type);
    auto *answer = static_cast<Answer *>(palloc0(sizeof(Answer)));
    const char *why;
    if (ask_index(asked.audience, asked.rule, asked.suppress, true, *answer, &why))
        source.keys = answer;
    else
        source.sql = keys_sql(asked.audience, asked.tree(), asked.suppress, type);
    return source;
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
    return segments::return_set(fcinfo, [fcinfo]() -> segments::Source {
        Oid type = getBaseType(get_fn_expr_argtype(fcinfo->flinfo, 0));
        Oid relation = get_typ_typrelid(type);
        if (!OidIsValid(relation))
            ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("%s is not the row type of an audience", format_type_be(type)),
                            errhint("Cast a null to the audience's type: segments.members(NULL::numbers, rule).")));
        segments::Question asked = segments::question(fcinfo, relation, 2);
        segments::Source source = {};
        source.rows = true;
        if (asked.audience == nullptr)
            return source;
        const char *why;
        source.sql = segments::index_answers(asked.audience, asked.rule, asked.suppress, &why)
                         ? segments::members_by_keys_sql(asked.audience, asked.rule, asked.suppress)
                         : segments::members_sql(asked.audience, asked.tree(), asked.suppress);
        return source;
    });
}

// segments.keys(audience regclass, rule, suppress) → SETOF bigint
SEGMENTS_FUNCTION(segments_keys)
{
    return segments::return_set(fcinfo, [fcinfo] {
        return segments::keys_source(segments::question(fcinfo, segments::relation_argument(fcinfo), 2), InvalidOid);
    });
}

// segments.keys(audience regclass, rule, key_type anyelement, suppress) → SETOF anyelement
SEGMENTS_FUNCTION(segments_typed_keys)
{
    return segments::return_set(fcinfo, [fcinfo] {
        return segments::keys_source(segments::question(fcinfo, segments::relation_argument(fcinfo), 3), get_fn_expr_argtype(fcinfo->flinfo, 2));
    });
}

// segments.count(audience regclass, rule, suppress) → bigint
SEGMENTS_FUNCTION(segments_count)
{
    segments::Question asked = segments::question(fcinfo, segments::relation_argument(fcinfo), 2);
    if (asked.audience == nullptr)
        PG_RETURN_NULL();
    MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "segments count", ALLOCSET_DEFAULT_SIZES), caller = MemoryContextSwitchTo(work);
    segments::Answer answer;
    const char *why;
    int64 total;
    if (segments::ask_index(asked.audience, asked.rule, asked.suppress, false, answer, &why)) {
        total = answer.members.total;
    } else {
        segments::FirstValue count = {{segments::take, segments::ignore_start, segments::ignore_end, segments::ignore_end, DestNone}, 0};
        segments::run_select(segments::select_sql(asked.audience, asked.tree(), "count(*)", asked.suppress), &count.receiver);
        total = count.value;
    }
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(work);
    PG_RETURN_INT64(total);
}

// segments.facet(audience regclass, rule, field text, suppress) → SETOF (value text, members bigint)
SEGMENTS_FUNCTION(segments_facet)
{
    InitMaterializedSRF(fcinfo, 0);
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    segments::Question asked = segments::question(fcinfo, segments::relation_argument(fcinfo), 3);
    if (asked.audience == nullptr)
        PG_RETURN_NULL();
    if (PG_ARGISNULL(2))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("field must not be null")));
    text *field = PG_GETARG_TEXT_PP(2);
    std::string_view name(VARDATA_ANY(field), VARSIZE_ANY_EXHDR(field));
    if (segments::facet_by_index(asked.audience, asked.rule, name, asked.suppress, result->setResult, result->setDesc))
        PG_RETURN_NULL();
    const char *sql = segments::facet_sql(asked.audience, asked.tree(), name, asked.suppress);
    segments::Collector collector = {{segments::collect_rows, segments::ignore_start, segments::ignore_end, segments::ignore_end, DestNone},
                                     result->setResult, result->setDesc, true};
    segments::run_select(sql, &collector.receiver);
    PG_RETURN_NULL();
}

// segments.estimate(audience regclass, rule) → bigint
SEGMENTS_FUNCTION(segments_estimate)
{
    segments::Question asked = segments::question(fcinfo, segments::relation_argument(fcinfo), 2);
    if (asked.audience == nullptr)
        PG_RETURN_NULL();
    PG_RETURN_INT64(static_cast<int64>(segments::estimate_rows(segments::select_sql(asked.audience, asked.tree(), "1", asked.suppress), true)));
}

// segments.sql(audience regclass, rule, suppress) → text
SEGMENTS_FUNCTION(segments_sql)
{
    segments::Question asked = segments::question(fcinfo, segments::relation_argument(fcinfo), 2);
    if (asked.audience == nullptr)
        PG_RETURN_NULL();
    const char *sql = segments::select_sql(asked.audience, asked.tree(), "n.*", asked.suppress);
    PG_RETURN_TEXT_P(cstring_to_text(segments::deparse_select(sql)));
}

} // extern "C"
