// Asking about one member: explain says why it is in a segment or not, of says which named segments it is in.
#include "boundary.hpp"
#include "compiled.hpp"
#include "rule_type.hpp"

extern "C" {
#include "catalog/pg_class.h"
#include "utils/hsearch.h"
#include "utils/tuplestore.h"
}

namespace segments {

static ReturnSetInfo *begin_result(PG_FUNCTION_ARGS)
{
    InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
    return reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
}

static void put(ReturnSetInfo *result, Datum *values, bool *nulls)
{
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

// One row of explain. actual: SQL that gives text, or null.
static void explain_condition(ReturnSetInfo *result, Holder *holder, Member *member, const Audience *audience, const char *path,
                              const char *description, const char *condition, const char *actual)
{
    Datum values[4] = {CStringGetTextDatum(path), CStringGetTextDatum(description), Datum(0), Datum(0)};
    bool nulls[4] = {false, false, false, true};
    values[2] = evaluate(member, compile(holder, member, audience, condition), &nulls[2]);
    if (actual != nullptr)
        values[3] = evaluate(member, compile(holder, member, audience, actual), &nulls[3]);
    put(result, values, nulls);
}

// Every leaf of the rule, then every reason for suppression.
static void explain(PG_FUNCTION_ARGS)
{
    ReturnSetInfo *result = begin_result(fcinfo);
    if (PG_ARGISNULL(1))
        return;
    const Rule *rule = rule_of(PG_GETARG_DATUM(1));
    Oid row_type;
    std::int32_t typmod;
    HeapTupleHeader row = row_argument(fcinfo, &row_type, &typmod);
    Member *member = make_member(row_type, typmod);
    const Audience *audience = audience_of_row(row_type, typmod, member->slot->tts_tupleDescriptor);
    List *leaves = rule_leaves(audience, rule);
    Holder *holder = make_holder(CurrentMemoryContext, "segments explain");
    MemoryContext leaf_context = AllocSetContextCreateInternal(CurrentMemoryContext, "segments explain leaf", ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(leaf_context);
    set_row(member, row);
    ListCell *cell;
    foreach (cell, leaves) {
        auto *leaf = static_cast<Leaf *>(lfirst(cell));
        explain_condition(result, holder, member, audience, leaf->path, leaf->description, leaf->condition, leaf->actual);
        reset(holder);
        MemoryContextReset(leaf_context);
        CHECK_FOR_INTERRUPTS();
    }
    for (const Suppression &suppression : audience->suppressions)
        explain_condition(result, holder, member, audience, "suppressed", suppression.reason,
                          condition_sql(audience, suppression.rule, Form::exact, true), nullptr);
    MemoryContextSwitchTo(caller);
}

// The named segments of an audience, compiled: kept by this backend from one call to the next.
struct SegmentsOfAudience {
    MemoryContext context;
    Holder *holder;
    Member *member;
    const Compiled *suppressed;
    int count;
    struct Named {
        Datum name; // text
        const Compiled *condition;
    } *segments;
};

struct KeptSegments {
    Oid relation;
    SegmentsOfAudience *segments; // null: none, or in use
};
static HTAB *kept = nullptr;

static KeptSegments *kept_for(Oid relation)
{
    if (kept == nullptr) {
        HASHCTL control = {};
        control.keysize = sizeof(Oid);
        control.entrysize = sizeof(KeptSegments);
        control.hcxt = CacheMemoryContext;
        kept = hash_create("segments by audience", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
    }
    bool found;
    auto *entry = static_cast<KeptSegments *>(hash_search(kept, &relation, HASH_ENTER, &found));
    if (!found)
        entry->segments = nullptr;
    return entry;
}

// Compiles everything, in a context below the caller's.
static SegmentsOfAudience *compile_segments(Oid row_type, Oid relation)
{
    MemoryContext context = AllocSetContextCreateInternal(CurrentMemoryContext, "segments of an audience", ALLOCSET_DEFAULT_SIZES);
    auto *all = static_cast<SegmentsOfAudience *>(MemoryContextAllocZero(context, sizeof(SegmentsOfAudience)));
    all->context = context;
    all->holder = make_holder(context, "compiled segments");
    MemoryContext caller = MemoryContextSwitchTo(context);
    all->member = make_member(row_type, -1);
    MemoryContextSwitchTo(caller);

    const Audience *audience = audience_of(relation);
    const char *suppressed = suppression_sql(audience, Form::filter);
    all->suppressed = suppressed ? compile(all->holder, all->member, audience, suppressed) : nullptr;
    List *named = segments_of(relation);
    all->segments = static_cast<SegmentsOfAudience::Named *>(
        MemoryContextAlloc(context, sizeof(SegmentsOfAudience::Named) * (list_length(named) + 1)));
    MemoryContext one = AllocSetContextCreateInternal(CurrentMemoryContext, "compiling a segment", ALLOCSET_DEFAULT_SIZES);
    ListCell *cell;
    foreach (cell, named) {
        auto *segment = static_cast<NamedSegment *>(lfirst(cell));
        MemoryContextSwitchTo(context);
        Datum name = CStringGetTextDatum(segment->name);
        MemoryContextSwitchTo(one);
        const char *sql = condition_sql(audience, segment->rule, Form::filter, true);
        all->segments[all->count++] = {name, compile(all->holder, all->member, audience, sql)};
        MemoryContextReset(one);
        CHECK_FOR_INTERRUPTS();
    }
    MemoryContextSwitchTo(caller);
    return all;
}

static bool holds(Member *member, const Compiled *condition)
{
    bool null;
    Datum value = evaluate(member, condition, &null);
    return !null && DatumGetBool(value);
}

// Every named segment that the member is in; none for who is suppressed.
static void list_segments(PG_FUNCTION_ARGS)
{
    ReturnSetInfo *result = begin_result(fcinfo);
    Oid row_type;
    std::int32_t typmod;
    HeapTupleHeader row = row_argument(fcinfo, &row_type, &typmod);
    Oid relation = row_type == RECORDOID ? InvalidOid : get_typ_typrelid(row_type);
    if (!OidIsValid(relation) || get_rel_relkind(relation) == RELKIND_COMPOSITE_TYPE)
        return;

    // While in use, what is kept belongs to this call: an error drops it, and a call within this one makes its own.
    SegmentsOfAudience *all = kept_for(relation)->segments;
    kept_for(relation)->segments = nullptr;
    if (all != nullptr)
        MemoryContextSetParent(all->context, CurrentMemoryContext);
    if (all != nullptr && !is_current(all->holder)) {
        MemoryContextDelete(all->context);
        all = nullptr;
    }
    if (all == nullptr)
        all = compile_segments(row_type, relation);

    set_row(all->member, row);
    if (all->suppressed == nullptr || !holds(all->member, all->suppressed)) {
        bool nulls[1] = {false};
        for (int i = 0; i < all->count; i++)
            if (holds(all->member, all->segments[i].condition))
                put(result, &all->segments[i].name, nulls);
    }

    if (kept_for(relation)->segments == nullptr) {
        MemoryContextSetParent(all->context, CacheMemoryContext);
        kept_for(relation)->segments = all;
    }
}

} // namespace segments

extern "C" {

// segments.explain(member record, rule) → SETOF (path, condition, holds, actual)
SEGMENTS_FUNCTION(segments_explain)
{
    segments::explain(fcinfo);
    PG_RETURN_NULL();
}

// segments.of(member record) → SETOF text
SEGMENTS_FUNCTION(segments_of)
{
    segments::list_segments(fcinfo);
    PG_RETURN_NULL();
}

} // extern "C"
