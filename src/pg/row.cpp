// Row arguments: what they are, and putting them into expressions. See row.hpp.
#include "row.hpp"

extern "C" {
#include "catalog/pg_class.h"
#include "optimizer/optimizer.h"
#include "optimizer/clauses.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
}

namespace segments {

// The table that a Var is of and its query, or null. A call can come with a query that is not its own: see call_sites.hpp.
static RangeTblEntry *table_of(PlannerInfo *root, const Var *var, Query **query)
{
    for (Index level = 0; level < var->varlevelsup && root != nullptr; level++)
        root = root->parent_root;
    if (root == nullptr || IS_SPECIAL_VARNO(var->varno) || var->varno > list_length(root->parse->rtable))
        return nullptr;
    *query = root->parse;
    return rt_fetch(var->varno, root->parse->rtable);
}

// Columns of an anonymous row: of a sub-select, VALUES, a join, a function.
static TupleDesc describe_table(RangeTblEntry *table, int varno)
{
    List *names, *columns;
    expand_table(table, varno, &names, &columns);
    TupleDesc desc = CreateTemplateTupleDesc(list_length(columns));
    for (int i = 0; i < desc->natts; i++) {
        auto *column = static_cast<PgNode *>(list_nth(columns, i));
        AttrNumber attnum = static_cast<AttrNumber>(i + 1);
        TupleDescInitEntry(desc, attnum, strVal(list_nth(names, i)), exprType(column), exprTypmod(column), 0);
        TupleDescInitEntryCollation(desc, attnum, exprCollation(column));
        TupleDescAttr(desc, i)->attisdropped = !IsA(column, Var);
    }
    return desc;
}

bool row_type_of(PlannerInfo *root, PgNode *row, RowType &found)
{
    found = {getBaseType(exprType(row)), -1, nullptr};
    if (found.type != RECORDOID) {
        if (get_typtype(found.type) != TYPTYPE_COMPOSITE)
            return false;
        found.desc = lookup_rowtype_tupdesc_copy(found.type, -1);
        return true;
    }
    if (IsA(row, PlaceHolderVar))
        row = reinterpret_cast<PgNode *>(reinterpret_cast<PlaceHolderVar *>(row)->phexpr);
    if (!IsA(row, Var)) {
        found.desc = get_expr_result_tupdesc(row, true);
        return found.desc != nullptr;
    }
    auto *var = reinterpret_cast<Var *>(row);
    Query *query;
    RangeTblEntry *table = var->varattno == 0 ? table_of(root, var, &query) : nullptr;
    if (table == nullptr || table->rtekind == RTE_RELATION)
        return false;
    found.desc = describe_table(table, var->varno);
    return true;
}

bool can_repeat(PgNode *row)
{
    switch (nodeTag(row)) {
    case T_Var:
    case T_Const:
    case T_Param:
        return true;
    case T_RowExpr:
        return !contain_volatile_functions(row) && !contain_subplans(row);
    case T_PlaceHolderVar:
        return can_repeat(reinterpret_cast<PgNode *>(reinterpret_cast<PlaceHolderVar *>(row)->phexpr));
    case T_FieldSelect:
        return can_repeat(reinterpret_cast<PgNode *>(reinterpret_cast<FieldSelect *>(row)->arg));
    case T_ConvertRowtypeExpr:
        return can_repeat(reinterpret_cast<PgNode *>(reinterpret_cast<ConvertRowtypeExpr *>(row)->arg));
    case T_RelabelType:
        return can_repeat(reinterpret_cast<PgNode *>(reinterpret_cast<RelabelType *>(row)->arg));
    default:
        return false;
    }
}

struct Substitution {
    PlannerInfo *root;
    PgNode *row;
    int levels_up;
};

// The row as seen from a sub-select this deep.
static PgNode *at_level(PgNode *node, int levels_up)
{
    auto *copied = static_cast<PgNode *>(copyObjectImpl(node));
    if (levels_up > 0)
        IncrementVarSublevelsUp(copied, levels_up, 0);
    return copied;
}

// The expression that gives a column inside a row constructor; null where it has none of this type.
static PgNode *element_of(PgNode *row, const FieldSelect *select)
{
    if (!IsA(row, RowExpr))
        return nullptr;
    auto *constructor = reinterpret_cast<RowExpr *>(row);
    if (select->fieldnum > list_length(constructor->args))
        return nullptr;
    auto *element = static_cast<PgNode *>(list_nth(constructor->args, select->fieldnum - 1));
    return exprType(element) == select->resulttype ? element : nullptr;
}

// A column of the row.
static PgNode *column_of(const Substitution &to, const FieldSelect *select)
{
    PgNode *row = to.row;
    // A whole-row Var of this query: its column. One of an outer query must stay whole: that query may have been promised it already.
    if (IsA(row, Var) && reinterpret_cast<Var *>(row)->varattno == 0 && reinterpret_cast<Var *>(row)->varlevelsup == 0) {
        auto *var = static_cast<Var *>(copyObjectImpl(row));
        var->varattno = select->fieldnum;
        var->vartype = select->resulttype;
        var->vartypmod = select->resulttypmod;
        var->varcollid = select->resultcollid;
        var->varlevelsup = static_cast<Index>(to.levels_up);
        var->varnosyn = static_cast<Index>(var->varno);
        var->varattnosyn = select->fieldnum;
        return reinterpret_cast<PgNode *>(var);
    }
    if (PgNode *element = element_of(row, select))
        return at_level(element, to.levels_up);
    // A constructed row that an outer join may make NULL: so may each of its elements be.
    if (IsA(row, PlaceHolderVar)) {
        auto *holder = reinterpret_cast<PlaceHolderVar *>(row);
        if (PgNode *element = element_of(reinterpret_cast<PgNode *>(holder->phexpr), select)) {
            // One that is NULL by itself when the tables below are needs no holder.
            Relids tables = pull_varnos(to.root, element);
            if (!bms_is_empty(tables) && bms_is_subset(tables, holder->phrels) && !contain_nonstrict_functions(element))
                return at_level(null_extended(element, tables, holder), to.levels_up);
            auto *single = static_cast<PlaceHolderVar *>(copyObjectImpl(holder));
            single->phexpr = static_cast<Expr *>(copyObjectImpl(element));
            single->phid = ++to.root->glob->lastPHId;
            return at_level(reinterpret_cast<PgNode *>(single), to.levels_up);
        }
    }
    auto *whole = static_cast<FieldSelect *>(copyObjectImpl(select));
    whole->arg = reinterpret_cast<Expr *>(at_level(row, to.levels_up));
    return reinterpret_cast<PgNode *>(whole);
}

static bool is_row_param(const void *node)
{
    return node != nullptr && IsA(node, Param);
}

// The only Params in a parsed condition are the row's.
static PgNode *substitute(PgNode *node, void *context)
{
    auto *to = static_cast<Substitution *>(context);
    if (node == nullptr)
        return nullptr;
    if (IsA(node, FieldSelect) && is_row_param(reinterpret_cast<FieldSelect *>(node)->arg))
        return column_of(*to, reinterpret_cast<FieldSelect *>(node));
    if (is_row_param(node))
        return at_level(to->row, to->levels_up);
    if (IsA(node, Query)) {
        to->levels_up++;
        Query *query = mutate_query(reinterpret_cast<Query *>(node), substitute, context, 0);
        to->levels_up--;
        return reinterpret_cast<PgNode *>(query);
    }
    return mutate_expression(node, substitute, context);
}

PgNode *substitute_row(PlannerInfo *root, PgNode *expression, PgNode *row)
{
    Substitution to = {root, row, 0};
    return substitute(expression, &to);
}

// Whether a view in the query shows whole rows of a type: then a row cannot tell whether the view's owner or its reader asks.
static bool shown_by_view(const Query *query, Oid row_type)
{
    ListCell *cell;
    foreach (cell, query->rtable) {
        auto *table = static_cast<RangeTblEntry *>(lfirst(cell));
        if (table->relkind != RELKIND_VIEW || !OidIsValid(table->relid))
            continue;
        Relation view = relation_open(table->relid, AccessShareLock);
        bool shown = false;
        for (int i = 0; i < RelationGetNumberOfAttributes(view); i++)
            shown = shown || getBaseType(TupleDescAttr(RelationGetDescr(view), i)->atttypid) == row_type;
        relation_close(view, NoLock);
        if (shown)
            return true;
    }
    return false;
}

// The role that a view's uses in a query are checked as; InvalidOid where they differ.
static Oid common_role(Query *query, Oid view)
{
    Oid role = InvalidOid;
    bool first = true;
    ListCell *cell;
    foreach (cell, query->rtable) {
        auto *table = static_cast<RangeTblEntry *>(lfirst(cell));
        Oid own;
        if (table->relid != view || !checked_as(query, table, &own))
            continue;
        if (!first && own != role)
            return InvalidOid;
        role = own;
        first = false;
    }
    return role;
}

Oid role_of_row(PlannerInfo *root, PgNode *row, Oid row_type)
{
    if (IsA(row, PlaceHolderVar))
        row = reinterpret_cast<PgNode *>(reinterpret_cast<PlaceHolderVar *>(row)->phexpr);
    Query *query = root->parse;
    Oid role = InvalidOid;
    if (IsA(row, Var) && reinterpret_cast<Var *>(row)->varattno == 0) {
        RangeTblEntry *table = table_of(root, reinterpret_cast<Var *>(row), &query);
        if (table == nullptr || !checked_as(query, table, &role))
            return InvalidOid;
    } else if (IsA(row, RowExpr)) {
        // What was a view's row before its query became part of this one.
        role = common_role(query, get_typ_typrelid(row_type));
    }
    return OidIsValid(role) && shown_by_view(query, row_type) ? InvalidOid : role;
}

} // namespace segments
