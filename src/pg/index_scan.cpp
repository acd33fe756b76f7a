// A call of segments.keys in FROM as a scan of the segment index: rows as they are asked for, no tuplestore. See asking_call.hpp.
//
// Whether the index can answer is looked at when the plan is made, and again when it runs: what has changed meanwhile, SQL answers.
#include "asking_call.hpp"
#include "boundary.hpp"
#include "index_program.hpp"
#include "rule_type.hpp"
#include "select.hpp"

extern "C" {
#include "commands/explain.h"
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#endif
#include "nodes/extensible.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "utils/datum.h"
}

namespace segments {

static set_rel_pathlist_hook_type previous_hook = nullptr;

// The scan while it runs.
struct KeyScan {
    CustomScanState state;
    Oid audience;
    Datum rule;
    bool suppress;
    Oid type;          // of the keys
    bool started;
    Answer *answer;    // by the index
    KeyCursor cursor;
    QueryDesc *query;  // by SQL
    const char *why;   // by SQL: for this reason
};

static PgNode *create_state(CustomScan *plan);
static CustomScanMethods scan_methods = {"SegmentIndexKeys", create_state};

// Plan --------------------------------------------------------------------------------------------------------------------------------

static Plan *make_plan(PlannerInfo *, RelOptInfo *rel, CustomPath *path, List *targets, List *clauses, List *)
{
    auto *scan = makeNode(CustomScan);
    auto *column = makeVar(rel->relid, 1, linitial_node(Const, path->custom_private)->consttype, -1, InvalidOid, 0);
    // The first of the private constants is of the keys' type.
    scan->scan.plan.targetlist = targets;
    scan->scan.plan.qual = extract_actual_clauses(clauses, false);
    scan->scan.scanrelid = 0;
    scan->flags = path->flags;
    scan->custom_private = path->custom_private;
    scan->custom_scan_tlist = list_make1(makeTargetEntry(reinterpret_cast<Expr *>(column), 1, pstrdup("keys"), false));
    scan->custom_relids = bms_make_singleton(static_cast<int>(rel->relid));
    scan->methods = &scan_methods;
    return &scan->scan.plan;
}

static CustomPathMethods path_methods = {"SegmentIndexKeys", make_plan, nullptr};

// The call that a function in FROM is, if it is one of keys alone.
static const FuncExpr *only_call(const RangeTblEntry *table)
{
    if (table->rtekind != RTE_FUNCTION || table->funcordinality || list_length(table->functions) != 1)
        return nullptr;
    auto *call = reinterpret_cast<FuncExpr *>(linitial_node(RangeTblFunction, table->functions)->funcexpr);
    if (call == nullptr || !IsA(call, FuncExpr) || !call->funcretset)
        return nullptr;
    char *name = get_func_name(call->funcid);
    if (name == nullptr || std::string_view(name) != "keys" || get_func_namespace(call->funcid) != get_namespace_oid("segments", true))
        return nullptr;
    return call;
}

static void add_path_of_index(PlannerInfo *root, RelOptInfo *rel, Index relid, RangeTblEntry *table)
{
    if (previous_hook != nullptr)
        previous_hook(root, rel, relid, table);
    const FuncExpr *function = rel->reloptkind == RELOPT_BASEREL ? only_call(table) : nullptr;
    if (function == nullptr || !bms_is_empty(rel->lateral_relids))
        return;
    Call call = read_call(function);
    double rows = call.audience == nullptr ? -1 : index_rows(call);
    if (rows < 0)
        return;
    Oid type = check_key_type(call.audience, call.key_type);
    auto *path = makeNode(CustomPath);
    path->path.pathtype = T_CustomScan;
    path->path.parent = rel;
    path->path.pathtarget = rel->reltarget;
    path->path.rows = rel->rows;
    // The slices are read before the first row comes; then a row costs little.
    path->path.startup_cost = 10 * cpu_operator_cost;
    path->path.total_cost = path->path.startup_cost + rows * cpu_operator_cost + rel->baserestrictcost.per_tuple * rows;
    path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
    path->methods = &path_methods;
    std::int16_t length;
    bool by_value;
    get_typlenbyval(type, &length, &by_value);
    auto *rule = makeConst(rule_type(), -1, InvalidOid, -1, datumCopy(call.rule_datum, false, -1), false, false);
    path->custom_private =
        list_make4(makeConst(type, -1, InvalidOid, length, Datum(0), true, by_value), makeConst(OIDOID, -1, InvalidOid, sizeof(Oid), ObjectIdGetDatum(call.audience->relation), false, true),
                   rule, makeBoolConst(call.suppress, false));
    rel->pathlist = NIL;
    rel->partial_pathlist = NIL;
    add_path(rel, &path->path);
    // A plan of another catalog, or audience, is made anew.
    root->glob->relationOids = lappend_oid(lappend_oid(root->glob->relationOids, catalog_relation()), call.audience->relation);
}

// Execution ---------------------------------------------------------------------------------------------------------------------------

static TupleTableSlot *next_row_of(ScanState *state)
{
    auto *scan = reinterpret_cast<KeyScan *>(state);
    TupleTableSlot *slot = state->ss_ScanTupleSlot;
    ExecClearTuple(slot);
    slot->tts_isnull[0] = false;
    if (scan->answer != nullptr) {
        std::int64_t key;
        if (!next_key(scan->cursor, &key))
            return slot;
        slot->tts_values[0] = key_datum(key, scan->type);
        return ExecStoreVirtualTuple(slot);
    }
    TupleTableSlot *row = next_row(scan->query);
    if (row == nullptr)
        return slot;
    slot->tts_values[0] = slot_getattr(row, 1, &slot->tts_isnull[0]);
    return ExecStoreVirtualTuple(slot);
}

static bool recheck(ScanState *, TupleTableSlot *)
{
    return true;
}

// Asks the index, or else starts the query.
static void start(KeyScan *scan)
{
    MemoryContext caller = MemoryContextSwitchTo(scan->state.ss.ps.state->es_query_cxt);
    const Audience *audience = audience_of(scan->audience);
    auto *answer = static_cast<Answer *>(palloc0(sizeof(Answer)));
    scan->cursor = {};
    if (ask_index(audience, scan->rule, scan->suppress, true, *answer, &scan->why)) {
        scan->answer = answer;
        scan->cursor.members = &answer->members;
    } else {
        scan->query = open_select(keys_sql(audience, rule_of(scan->rule), scan->suppress, scan->type == INT8OID ? InvalidOid : scan->type));
    }
    scan->started = true;
    MemoryContextSwitchTo(caller);
}

static void begin(CustomScanState *state, EState *, int)
{
    auto *scan = reinterpret_cast<KeyScan *>(state);
    List *constants = castNode(CustomScan, state->ss.ps.plan)->custom_private;
    scan->type = linitial_node(Const, constants)->consttype;
    scan->audience = DatumGetObjectId(lsecond_node(Const, constants)->constvalue);
    scan->rule = lthird_node(Const, constants)->constvalue;
    scan->suppress = DatumGetBool(lfourth_node(Const, constants)->constvalue);
}

static TupleTableSlot *execute(CustomScanState *state)
{
    auto *scan = reinterpret_cast<KeyScan *>(state);
    if (!scan->started)
        start(scan);
    return ExecScan(&state->ss, next_row_of, recheck);
}

static void stop(KeyScan *scan)
{
    if (scan->query != nullptr)
        close_select(scan->query);
    scan->query = nullptr;
}

static void end(CustomScanState *state)
{
    stop(reinterpret_cast<KeyScan *>(state));
}

// From the first row again: the members are the same, as the snapshot is.
static void rescan(CustomScanState *state)
{
    auto *scan = reinterpret_cast<KeyScan *>(state);
    ExecScanReScan(&state->ss);
    if (scan->answer != nullptr) {
        scan->cursor = {};
        scan->cursor.members = &scan->answer->members;
        return;
    }
    stop(scan);
    scan->started = false;
}

static void explain(CustomScanState *state, List *, ExplainState *es)
{
    auto *scan = reinterpret_cast<KeyScan *>(state);
    ExplainPropertyText("Audience", get_rel_name(scan->audience), es);
    ExplainPropertyText("Rule", TextDatumGetCString(scan->rule), es);
    if (scan->why != nullptr)
        ExplainPropertyText("Asked by SQL", scan->why, es);
}

static CustomExecMethods exec_methods = {.CustomName = "SegmentIndexKeys",
                                         .BeginCustomScan = begin,
                                         .ExecCustomScan = execute,
                                         .EndCustomScan = end,
                                         .ReScanCustomScan = rescan,
                                         .MarkPosCustomScan = nullptr,
                                         .RestrPosCustomScan = nullptr,
                                         .EstimateDSMCustomScan = nullptr,
                                         .InitializeDSMCustomScan = nullptr,
                                         .ReInitializeDSMCustomScan = nullptr,
                                         .InitializeWorkerCustomScan = nullptr,
                                         .ShutdownCustomScan = nullptr,
                                         .ExplainCustomScan = explain};

static PgNode *create_state(CustomScan *)
{
    auto *scan = static_cast<KeyScan *>(palloc0(sizeof(KeyScan)));
    scan->state.ss.ps.type = T_CustomScanState;
    scan->state.methods = &exec_methods;
#if PG_VERSION_NUM >= 160000
    scan->state.slotOps = &TTSOpsVirtual;
#endif
    return reinterpret_cast<PgNode *>(scan);
}

void define_index_scan()
{
    if (GetCustomScanMethods(scan_methods.CustomName, true) == nullptr)
        RegisterCustomScanMethods(&scan_methods);
    previous_hook = set_rel_pathlist_hook;
    set_rel_pathlist_hook = add_path_of_index;
}

} // namespace segments
