// Tests for NULL that are decided by NOT NULL. See nulls.hpp.
//
// "country <> 'US' OR country IS NULL" takes two index scans where "country <> 'US'" takes one, and versions before 17 do not see that
// they are the same.
#include "nulls.hpp"

extern "C" {
#include "catalog/pg_class.h"
#include "parser/parsetree.h"
}

namespace segments {

// Whether an outer join can null-extend a table of the query.
static bool can_be_extended(PgNode *node, int table, bool below_nullable)
{
    if (node == nullptr)
        return false;
    if (IsA(node, RangeTblRef))
        return below_nullable && reinterpret_cast<RangeTblRef *>(node)->rtindex == table;
    if (IsA(node, FromExpr)) {
        ListCell *cell;
        foreach (cell, reinterpret_cast<FromExpr *>(node)->fromlist)
            if (can_be_extended(static_cast<PgNode *>(lfirst(cell)), table, below_nullable))
                return true;
        return false;
    }
    auto *join = reinterpret_cast<JoinExpr *>(node);
    bool left = join->jointype == JOIN_RIGHT || join->jointype == JOIN_FULL, right = join->jointype == JOIN_LEFT || join->jointype == JOIN_FULL;
    return can_be_extended(join->larg, table, below_nullable || left) || can_be_extended(join->rarg, table, below_nullable || right);
}

struct NotNull {
    int table;
    TupleDesc desc;
};

static PgNode *decide(PgNode *node, void *context)
{
    auto *known = static_cast<NotNull *>(context);
    if (node == nullptr)
        return nullptr;
    if (IsA(node, NullTest)) {
        auto *test = reinterpret_cast<NullTest *>(node);
        auto *var = reinterpret_cast<Var *>(test->arg);
        if (IsA(var, Var) && var->varlevelsup == 0 && var->varno == known->table && var->varattno > 0 && !test->argisrow &&
            is_not_null(known->desc, var->varattno))
            return makeBoolConst(test->nulltesttype == IS_NOT_NULL, false);
    }
    return mutate_expression(node, decide, context);
}

PgNode *drop_null_tests(PlannerInfo *root, PgNode *row, PgNode *condition)
{
    auto *var = reinterpret_cast<Var *>(row);
    if (!IsA(var, Var) || var->varattno != 0 || var->varlevelsup != 0 || var->varno > list_length(root->parse->rtable))
        return condition;
    RangeTblEntry *table = rt_fetch(var->varno, root->parse->rtable);
    // A child of plain inheritance may lack its parent's NOT NULL.
    bool whole = table->rtekind == RTE_RELATION && (!table->inh || table->relkind == RELKIND_PARTITIONED_TABLE);
    if (!whole || table->relkind == RELKIND_VIEW || can_be_extended(reinterpret_cast<PgNode *>(root->parse->jointree), var->varno, false))
        return condition;
    Relation relation = relation_open(table->relid, AccessShareLock);
    NotNull known = {var->varno, RelationGetDescr(relation)};
    condition = decide(condition, &known);
    relation_close(relation, NoLock);
    return condition;
}

} // namespace segments
