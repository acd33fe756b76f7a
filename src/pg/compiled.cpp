// Compiled expressions over a row. See compiled.hpp.
#include "compiled.hpp"

#include "row.hpp"

extern "C" {
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "storage/lmgr.h"
#include "utils/datum.h"
#include "utils/rls.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"
}

namespace segments {

// Changes, seen by this backend, of relations and functions that compiled expressions use.
static std::uint64_t relation_generation = 1;
static HTAB *watched = nullptr;

static void relation_changed(Datum, Oid relation)
{
    if (!OidIsValid(relation) || hash_search(watched, &relation, HASH_FIND, nullptr) != nullptr)
        relation_generation++;
}

static void function_changed(Datum, int, uint32)
{
    relation_generation++;
}

// Has changes of a relation noticed.
static void watch(Oid relation)
{
    if (watched == nullptr) {
        HASHCTL control = {};
        control.keysize = control.entrysize = sizeof(Oid);
        control.hcxt = CacheMemoryContext;
        watched = hash_create("segments relations in use", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
        CacheRegisterRelcacheCallback(relation_changed, Datum(0));
        CacheRegisterSyscacheCallback(PROCOID, function_changed, Datum(0));
    }
    hash_search(watched, &relation, HASH_ENTER, nullptr);
}

static Epoch current_epoch(bool transient)
{
    return {catalog_generation(), relation_generation, GetUserId(), row_security, transient ? TransactionXmin : InvalidTransactionId};
}

HeapTupleHeader row_argument(PG_FUNCTION_ARGS, Oid *row_type, std::int32_t *typmod)
{
    if (!PG_ARGISNULL(0)) {
        HeapTupleHeader row = PG_GETARG_HEAPTUPLEHEADER(0);
        *row_type = HeapTupleHeaderGetTypeId(row);
        *typmod = HeapTupleHeaderGetTypMod(row);
        return row;
    }
    *row_type = getBaseType(get_fn_expr_argtype(fcinfo->flinfo, 0));
    *typmod = -1;
    if (*row_type == RECORDOID)
        ereport(ERROR, (errcode(ERRCODE_INDETERMINATE_DATATYPE), errmsg("could not determine the row type of a null record"),
                        errhint("Give the row a type: a table's row, or a null cast to a table's type.")));
    return nullptr;
}

Member *make_member(Oid row_type, std::int32_t typmod)
{
    auto *member = static_cast<Member *>(palloc0(sizeof(Member)));
    member->row_type = row_type;
    member->typmod = typmod;
    TupleDesc shared = lookup_rowtype_tupdesc(row_type, typmod);
    member->slot = MakeSingleTupleTableSlot(CreateTupleDescCopy(shared), &TTSOpsHeapTuple);
    ReleaseTupleDesc(shared);
    ItemPointerSetInvalid(&member->tuple.t_self);
    member->context = CreateStandaloneExprContext();
    member->parameter = makeParamList(1);
    member->parameter->params[0].ptype = row_type;
    Oid relation = get_typ_typrelid(row_type);
    if (OidIsValid(relation))
        watch(relation);
    return member;
}

void set_row(Member *member, HeapTupleHeader row)
{
    member->parameter->params[0].value = PointerGetDatum(row);
    member->parameter->params[0].isnull = row == nullptr;
    if (row == nullptr) {
        ExecStoreAllNullTuple(member->slot);
        return;
    }
    member->tuple.t_len = HeapTupleHeaderGetDatumLength(row);
    member->tuple.t_data = row;
    ExecStoreHeapTuple(&member->tuple, member->slot, false);
}

Holder *make_holder(MemoryContext parent, const char *name)
{
    auto *holder = static_cast<Holder *>(MemoryContextAllocZero(parent, sizeof(Holder)));
    holder->context = AllocSetContextCreateInternal(parent, name, ALLOCSET_DEFAULT_SIZES);
    holder->epoch = current_epoch(false);
    return holder;
}

bool is_current(Holder *holder)
{
    ListCell *cell;
    foreach (cell, holder->relations)
        LockRelationOid(lfirst_oid(cell), AccessShareLock);
    return holder->epoch == current_epoch(holder->transient);
}

void reset(Holder *holder)
{
    MemoryContextReset(holder->context);
    holder->relations = NIL;
    holder->transient = false;
    holder->epoch = current_epoch(false);
}

// Plans a condition that has sub-selects.
static PlannedStmt *plan(Holder *holder, const ParsedCondition &parsed)
{
    PlannedStmt *planned = plan_condition(parsed);
    MemoryContext caller = MemoryContextSwitchTo(holder->context);
    ListCell *cell;
    foreach (cell, planned->relationOids) {
        watch(lfirst_oid(cell));
        holder->relations = list_append_unique_oid(holder->relations, lfirst_oid(cell));
    }
    planned = static_cast<PlannedStmt *>(copyObjectImpl(planned));
    MemoryContextSwitchTo(caller);
    if (planned->transientPlan) {
        holder->transient = true;
        holder->epoch.transient = TransactionXmin;
    }
    return planned;
}

// The expression over a slot that holds the row. Copied whole first: an ExprState points at its constants, and those that came of parsing
// lie in the caller's memory.
static ExprState *prepare(const Member *member, PgNode *expression)
{
    expression = static_cast<PgNode *>(copyObjectImpl(expression));
    Var *row = makeVar(1, 0, member->row_type, member->typmod, InvalidOid, 0);
    auto *planned = expression_planner(reinterpret_cast<Expr *>(substitute_row(nullptr, expression, reinterpret_cast<PgNode *>(row))));
    convert_saop_to_hashed_saop(reinterpret_cast<PgNode *>(planned));
    // A copy: substitution shares the values of constants with the parsed condition, which lives shorter.
    return ExecInitExpr(static_cast<Expr *>(copyObjectImpl(planned)), nullptr);
}

const Compiled *compile(Holder *holder, const Member *member, const Audience *audience, const char *sql)
{
    // What parsing and planning leave behind goes with the caller's memory.
    ParsedCondition parsed = parse_condition(audience, sql, InvalidOid);
    auto *compiled = static_cast<Compiled *>(MemoryContextAllocZero(holder->context, sizeof(Compiled)));
    get_typlenbyval(exprType(parsed.expression), &compiled->length, &compiled->by_value);
    if (parsed.has_sublinks) {
        compiled->plan = plan(holder, parsed);
        return compiled;
    }
    MemoryContext caller = MemoryContextSwitchTo(holder->context);
    compiled->state = prepare(member, parsed.expression);
    MemoryContextSwitchTo(caller);
    return compiled;
}

// Runs the query of an expression with sub-selects.
static Datum run(Member *member, const Compiled *compiled, bool *null)
{
    QueryDesc *query = CreateQueryDesc(compiled->plan, "", GetActiveSnapshot(), InvalidSnapshot, None_Receiver, member->parameter, nullptr, 0);
    ExecutorStart(query, 0);
    MemoryContext caller = MemoryContextSwitchTo(query->estate->es_query_cxt);
    TupleTableSlot *row = ExecProcNode(query->planstate);
    Datum value = slot_getattr(row, 1, null);
    MemoryContextSwitchTo(member->context->ecxt_per_tuple_memory);
    if (!*null)
        value = datumCopy(value, compiled->by_value, compiled->length);
    MemoryContextSwitchTo(caller);
    ExecutorFinish(query);
    ExecutorEnd(query);
    FreeQueryDesc(query);
    return value;
}

Datum evaluate(Member *member, const Compiled *compiled, bool *null)
{
    ResetExprContext(member->context);
    if (compiled->plan != nullptr)
        return run(member, compiled, null);
    member->context->ecxt_scantuple = member->slot;
    return ExecEvalExprSwitchContext(compiled->state, member->context, null);
}

} // namespace segments
