// Finds calls in a query. See call_sites.hpp.
#include "call_sites.hpp"

extern "C" {
#include "access/transam.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
}

namespace segments {

struct Search {
    Oid function;
    CallSites *sites;
    bool below;
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
    }
    return walk_expression(node, look_anywhere, context);
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
    if (IsA(node, FuncExpr) && reinterpret_cast<FuncExpr *>(node)->funcid == search->function) {
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

CallSites find_calls(PlannerInfo *root, Oid function)
{
    CallSites sites = {false, false, true, true, InvalidOid};
    Search search = {function, &sites, false, true};
    note_roles(&search, root->parse);
    look_in_jointree(reinterpret_cast<PgNode *>(root->parse->jointree), &search);
    // The rest of the query, but for sub-selects in FROM and WITH, which are planned by themselves.
    Query rest = *root->parse;
    rest.jointree = nullptr;
    walk_query(&rest, look_anywhere, &search, QTW_IGNORE_RC_SUBQUERIES);
    look_anywhere(reinterpret_cast<PgNode *>(root->append_rel_list), &search);
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
