// A call of segments.keys as a scan of the segment index: in FROM rows come as they are asked for, without a tuplestore; in the select list without what
// ProjectSet takes for each. See asking_call.hpp.
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
#include "optimizer/planner.h"
#include "optimizer/restrictinfo.h"
#include "utils/acl.h"
#include "utils/datum.h"
}

namespace segments {

static set_rel_pathlist_hook_type previous_hook = nullptr;
static create_upper_paths_hook_type previous_upper_hook = nullptr;

// The scan while it runs.
struct KeyScan {
    CustomScanState state;
    Oid audience;
    Datum rule;
    bool suppress;
    Oid type;          // of the keys
    bool bare;         // rows are keys: nothing is left out or worked out of them
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
    // What a row has: the key, as the query names it. The first of the private values is the call.
    auto *key = castNode(FuncExpr, linitial(path->custom_private));
    auto *column = rel->rtekind == RTE_FUNCTION
                       ? reinterpret_cast<Expr *>(makeVar(static_cast<int>(rel->relid), 1, key->funcresulttype, -1, InvalidOid, 0))
                       : reinterpret_cast<Expr *>(key);
    // Where nobody reads the key (count(*)), to leave it out would cost more than to hand it on.
    if (targets == NIL)
        targets = list_make1(makeTargetEntry(column, 1, pstrdup("keys"), false));
    scan->scan.plan.targetlist = targets;
    scan->scan.plan.qual = extract_actual_clauses(clauses, false);
    scan->scan.scanrelid = 0;
    scan->flags = path->flags;
    auto *function = makeConst(OIDOID, -1, InvalidOid, sizeof(Oid), ObjectIdGetDatum(key->funcid), false, true);
    scan->custom_private = lcons(function, list_copy_tail(path->custom_private, 1));
    scan->custom_scan_tlist = list_make1(makeTargetEntry(column, 1, pstrdup("keys"), false));
    scan->custom_relids = bms_copy(rel->relids);
    scan->methods = &scan_methods;
    return &scan->scan.plan;
}

static CustomPathMethods path_methods = {"SegmentIndexKeys", make_plan, nullptr};

// A call of keys, where an expression is one.
static FuncExpr *call_of_keys(PgNode *node)
{
    auto *call = reinterpret_cast<FuncExpr *>(node);
    if (node == nullptr || !IsA(node, FuncExpr) || !call->funcretset)
        return nullptr;
    char *name = get_func_name(call->funcid);
    if (name == nullptr || std::string_view(name) != "keys" || get_func_namespace(call->funcid) != get_namespace_oid("segments", true))
        return nullptr;
    return call;
}

// A path that scans the index; null where that is not to answer the call. cost: of what else is done with each row.
static CustomPath *path_of_index(PlannerInfo *root, RelOptInfo *rel, PathTarget *target, FuncExpr *function, double cost)
{
    Call call = read_call(function);
    double rows = call.audience == nullptr ? -1 : index_rows(call);
    if (rows < 0)
        return nullptr;
    Oid type = check_key_type(call.audience, call.key_type);
    auto *path = makeNode(CustomPath);
    path->path.pathtype = T_CustomScan;
    path->path.parent = rel;
    path->path.pathtarget = target;
    path->path.rows = rows;
    // The slices are read before the first row comes; then a row costs little.
    path->path.startup_cost = 10 * cpu_operator_cost;
    path->path.total_cost = path->path.startup_cost + rows * (cpu_operator_cost + cost);
    path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
    path->methods = &path_methods;
    std::int16_t length;
    bool by_value;
    get_typlenbyval(type, &length, &by_value);
    path->custom_private = list_make5(function, makeConst(type, -1, InvalidOid, length, Datum(0), true, by_value),
                                      makeConst(OIDOID, -1, InvalidOid, sizeof(Oid), ObjectIdGetDatum(call.audience->relation), false, true),
                                      makeConst(rule_type(), -1, InvalidOid, -1, datumCopy(call.rule_datum, false, -1), false, false), makeBoolConst(call.suppress, false));
    // A plan of another catalog, or audience, is made anew.
    root->glob->relationOids = lappend_oid(lappend_oid(root->glob->relationOids, catalog_relation()), call.audience->relation);
    return path;
}

// A call in FROM.
static void scan_from(PlannerInfo *root, RelOptInfo *rel, Index relid, RangeTblEntry *table)
{
    if (previous_hook != nullptr)
        previous_hook(root, rel, relid, table);
    if (rel->reloptkind != RELOPT_BASEREL || table->rtekind != RTE_FUNCTION || table->funcordinality || list_length(table->functions) != 1 ||
        !bms_is_empty(rel->lateral_relids))
        return;
    FuncExpr *call = call_of_keys(linitial_node(RangeTblFunction, table->functions)->funcexpr);
    CustomPath *path = call ? path_of_index(root, rel, rel->reltarget, call, rel->baserestrictcost.per_tuple) : nullptr;
    if (path == nullptr)
        return;
    path->path.rows = rel->rows;
    rel->pathlist = NIL;
    rel->partial_pathlist = NIL;
    add_path(rel, &path->path);
}

// The one call of keys among a target's expressions, no other of which returns a set; else null.
static FuncExpr *only_set(const PathTarget *target)
{
    FuncExpr *found = nullptr;
    ListCell *cell;
    foreach (cell, target->exprs) {
        auto *expression = static_cast<PgNode *>(lfirst(cell));
        if (!expression_returns_set(expression))
            continue;
        FuncExpr *call = found == nullptr ? call_of_keys(expression) : nullptr;
        if (call == nullptr)
            return nullptr;
        found = call;
    }
    return found;
}

// Puts a scan in place of a ProjectSet of one row: a query without FROM, which has keys in its select list, and nothing else that is a set.
static void scan_select_list(PlannerInfo *root, Path **place)
{
    for (;;) {
        if (IsA(*place, LimitPath))
            place = &reinterpret_cast<LimitPath *>(*place)->subpath;
        else if (IsA(*place, ProjectionPath))
            place = &reinterpret_cast<ProjectionPath *>(*place)->subpath;
        else if (IsA(*place, SortPath))
            place = &reinterpret_cast<SortPath *>(*place)->subpath;
        else
            break;
    }
    if (!IsA(*place, ProjectSetPath))
        return;
    const Path *row = reinterpret_cast<ProjectSetPath *>(*place)->subpath;
    if (IsA(row, ProjectionPath))
        row = reinterpret_cast<const ProjectionPath *>(row)->subpath;
    if (!IsA(row, GroupResultPath) || reinterpret_cast<const GroupResultPath *>(row)->quals != NIL)
        return;
    FuncExpr *call = only_set((*place)->pathtarget);
    CustomPath *path = call ? path_of_index(root, (*place)->parent, (*place)->pathtarget, call, 0) : nullptr;
    if (path != nullptr)
        *place = &path->path;
}

static void scan_select_lists(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input, RelOptInfo *output, void *extra)
{
    if (previous_upper_hook != nullptr)
        previous_upper_hook(root, stage, input, output, extra);
    if (stage != UPPERREL_FINAL || !root->parse->hasTargetSRFs || root->parse->commandType != CMD_SELECT)
        return;
    ListCell *cell;
    foreach (cell, output->pathlist)
        scan_select_list(root, reinterpret_cast<Path **>(&lfirst(cell)));
}

// Execution ---------------------------------------------------------------------------------------------------------------------------

// The next key of the index in a virtual slot of one column, which is empty after the last.
static inline TupleTableSlot *next_key_of(KeyScan *scan, TupleTableSlot *slot)
{
    std::int64_t key;
    if (!next_key(scan->cursor, &key))
        return ExecClearTuple(slot);
    slot->tts_values[0] = key_datum(key, scan->type);
    slot->tts_isnull[0] = false;
    slot->tts_flags &= static_cast<std::uint16_t>(~TTS_FLAG_EMPTY);
    slot->tts_nvalid = 1;
    return slot;
}

static TupleTableSlot *next_row_of(ScanState *state)
{
    auto *scan = reinterpret_cast<KeyScan *>(state);
    TupleTableSlot *slot = state->ss_ScanTupleSlot;
    if (scan->answer != nullptr)
        return next_key_of(scan, slot);
    ExecClearTuple(slot);
    slot->tts_isnull[0] = false;
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

static void begin(CustomScanState *state, EState *estate, int)
{
    auto *scan = reinterpret_cast<KeyScan *>(state);
    scan->bare = state->ss.ps.qual == nullptr && state->ss.ps.ps_ProjInfo == nullptr && estate->es_epq_active == nullptr;
    List *constants = castNode(CustomScan, state->ss.ps.plan)->custom_private;
    Oid function = DatumGetObjectId(linitial_node(Const, constants)->constvalue);
    if (!may_execute(function))
        aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FUNCTION, get_func_name(function));
    scan->type = lsecond_node(Const, constants)->consttype;
    scan->audience = DatumGetObjectId(lthird_node(Const, constants)->constvalue);
    scan->rule = lfourth_node(Const, constants)->constvalue;
    scan->suppress = DatumGetBool(list_nth_node(Const, constants, 4)->constvalue);
}

static TupleTableSlot *execute(CustomScanState *state)
{
    auto *scan = reinterpret_cast<KeyScan *>(state);
    if (!scan->started)
        start(scan);
    if (scan->bare && scan->answer != nullptr)
        return next_key_of(scan, state->ss.ss_ScanTupleSlot);
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
    set_rel_pathlist_hook = scan_from;
    previous_upper_hook = create_upper_paths_hook;
    create_upper_paths_hook = scan_select_lists;
}

} // namespace segments
