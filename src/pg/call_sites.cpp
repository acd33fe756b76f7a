// Finds calls in a query. See call_sites.hpp.
#include "call_sites.hpp"

extern "C" {
#include "access/transam.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "nodes/nodeFuncs.h"
}

namespace segments {

struct Search {
    Oid function;
    CallSites *sites;
    bool below;
    bool in_window;
    bool first_table;
};

// Whether a function is the one looked for, or may turn into it when it is inlined.
static bool may_be_call(Oid function, void *context)
{
    if (function == static_cast<Search *>(context)->function)
        return true;
    if (function < FirstNormalObjectId)
        return false;
    HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
    if (!HeapTupleIsValid(tuple))
        return false;
    auto *form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
    bool inlined = form->prolang == SQLlanguageId && !form->proretset;
    ReleaseSysCache(tuple);
    return inlined;
}

// Notes the roles of a query's tables.
static void note_roles(Search *search, Query *query)
{
    ListCell *cell;
    foreach (cell, query->rtable) {
        Oid role;
        if (!checked_as(query, static_cast<RangeTblEntry *>(lfirst(cell)), &role))
            continue;
        if (search->first_table)
            search->sites->role = role;
        else if (search->sites->role != role)
            search->sites->one_role = false;
        search->first_table = false;
    }
}

// Calls in an expression, any of which may see its NULL.
static bool look_anywhere(PgNode *node, void *context)
{
    auto *search = static_cast<Search *>(context);
    if (node == nullptr)
        return false;
    // Other sub-selects than those of EXISTS are simplified with a query of their own.
    if (IsA(node, SubLink) && reinterpret_cast<SubLink *>(node)->subLinkType != EXISTS_SUBLINK)
        return look_anywhere(reinterpret_cast<SubLink *>(node)->testexpr, context);
    if (IsA(node, Query)) {
        auto *query = reinterpret_cast<Query *>(node);
        bool below = search->below;
        search->below = true;
        note_roles(search, query);
        walk_query(query, look_anywhere, context, 0);
        search->below = below;
        return false;
    }
    if (check_functions_in_node(node, may_be_call, context)) {
        if (search->below)
            search->sites->below = true;
        else
            search->sites->here = true;
        search->sites->filter = false;
        search->sites->in_window = search->sites->in_window || search->in_window;
    }
    bool in_window = search->in_window;
    search->in_window = in_window || IsA(node, WindowFunc);
    walk_expression(node, look_anywhere, context);
    search->in_window = in_window;
    return false;
}

static bool is_call(PgNode *node, const Search *search)
{
    return IsA(node, FuncExpr) && reinterpret_cast<FuncExpr *>(node)->funcid == search->function;
}

// Calls in a condition of which only "true" counts.
static void look_in_condition(PgNode *node, Search *search)
{
    if (node == nullptr)
        return;
    if (IsA(node, List) || (IsA(node, BoolExpr) && reinterpret_cast<BoolExpr *>(node)->boolop != NOT_EXPR)) {
        ListCell *cell;
        foreach (cell, IsA(node, List) ? reinterpret_cast<List *>(node) : reinterpret_cast<BoolExpr *>(node)->args)
            look_in_condition(static_cast<PgNode *>(lfirst(cell)), search);
        return;
    }
    if (is_call(node, search)) {
        search->sites->here = true;
        look_anywhere(reinterpret_cast<PgNode *>(reinterpret_cast<FuncExpr *>(node)->args), search);
        return;
    }
    look_anywhere(node, search);
}

// Calls in WHERE and ON.
static void look_in_jointree(PgNode *node, Search *search)
{
    if (node == nullptr)
        return;
    if (IsA(node, FromExpr)) {
        auto *from = reinterpret_cast<FromExpr *>(node);
        ListCell *cell;
        foreach (cell, from->fromlist)
            look_in_jointree(static_cast<PgNode *>(lfirst(cell)), search);
        look_in_condition(from->quals, search);
    } else if (IsA(node, JoinExpr)) {
        auto *join = reinterpret_cast<JoinExpr *>(node);
        look_in_jointree(join->larg, search);
        look_in_jointree(join->rarg, search);
        look_in_condition(join->quals, search);
    }
}

// What the conditions that a WHERE demands are: calls, complements of calls, or others with calls in them.
struct Demands {
    int calls, complements, others;
};

static void count_demands(PgNode *node, const Search *search, Demands *demands)
{
    if (node == nullptr)
        return;
    if (is_andclause(node)) {
        ListCell *cell;
        foreach (cell, reinterpret_cast<BoolExpr *>(node)->args)
            count_demands(static_cast<PgNode *>(lfirst(cell)), search, demands);
        return;
    }
    PgNode *complement = is_notclause(node) ? static_cast<PgNode *>(linitial(reinterpret_cast<BoolExpr *>(node)->args)) : nullptr;
    if (is_call(node, search)) {
        demands->calls++;
        return;
    }
    if (complement != nullptr && is_call(complement, search)) {
        demands->complements++;
        return;
    }
    CallSites found = {};
    Search apart = {search->function, &found, false, false, true};
    look_anywhere(node, &apart);
    demands->others += found.here || found.below;
}

// Finds the WHERE or ON that is being simplified: the first, in the planner's order, that still holds calls. Those that are done are
// lists. True when it was found; home is set when its demands are calls alone, or complements alone.
static bool find_home(PgNode *node, const Search *search)
{
    if (node == nullptr || IsA(node, RangeTblRef))
        return false;
    PgNode *quals;
    if (IsA(node, FromExpr)) {
        auto *from = reinterpret_cast<FromExpr *>(node);
        ListCell *cell;
        foreach (cell, from->fromlist)
            if (find_home(static_cast<PgNode *>(lfirst(cell)), search))
                return true;
        quals = from->quals;
    } else {
        auto *join = reinterpret_cast<JoinExpr *>(node);
        if (find_home(join->larg, search) || find_home(join->rarg, search))
            return true;
        quals = join->quals;
    }
    if (quals == nullptr || IsA(quals, List))
        return false;
    Demands demands = {};
    count_demands(quals, search, &demands);
    if (demands.calls + demands.complements + demands.others == 0)
        return false;
    if (demands.others == 0 && (demands.calls == 0 || demands.complements == 0)) {
        search->sites->home = node;
        search->sites->negated = demands.complements > 0;
    }
    return true;
}

CallSites find_calls(PlannerInfo *root, Oid function)
{
    CallSites sites = {};
    sites.filter = sites.one_role = true;
    Search search = {function, &sites, false, false, true};
    Query *query = root->parse;
    note_roles(&search, query);

    // The query apart from WHERE and ON, and from sub-selects in FROM and WITH, which are planned by themselves.
    Query rest = *query;
    rest.jointree = nullptr;
    walk_query(&rest, look_anywhere, &search, QTW_IGNORE_RC_SUBQUERIES);
    look_anywhere(reinterpret_cast<PgNode *>(root->append_rel_list), &search);
    if (!sites.here && !sites.below && query->commandType == CMD_SELECT && query->rowMarks == NIL)
        find_home(reinterpret_cast<PgNode *>(query->jointree), &search);
    look_in_jointree(reinterpret_cast<PgNode *>(query->jointree), &search);
    return sites;
}

static bool announce(PgNode *node, void *context)
{
    if (node == nullptr)
        return false;
    if (!IsA(node, Query))
        return walk_expression(node, announce, context);
    auto *query = reinterpret_cast<Query *>(node);
    query->hasSubLinks = true;
    return walk_query(query, announce, context, 0);
}

void announce_sublinks(PlannerInfo *root)
{
    root->parse->hasSubLinks = true;
    walk_query(root->parse, announce, nullptr, QTW_IGNORE_RC_SUBQUERIES);
}

} // namespace segments
