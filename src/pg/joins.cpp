// EXISTS into joins. See joins.hpp.
//
// PostgreSQL turns EXISTS in WHERE into joins before it simplifies functions, so those that a call stood for would stay sub-plans, asked
// row by row. Here they get the same treatment later: while a WHERE or ON is simplified, the tables that it is about have been dealt with,
// and how they are joined is not yet looked at. Only what is simple is joined: one table, in a SELECT without row locks.
#include "joins.hpp"

extern "C" {
#include "catalog/pg_inherits.h"
#include "nodes/bitmapset.h"
#include "optimizer/optimizer.h"
#include "optimizer/prep.h"
#include "optimizer/subselect.h"
#include "parser/parsetree.h"
}

namespace segments {

// Whether a sub-select reads one plain table, or another sub-select.
static bool reads_one_table(const SubLink *sublink)
{
    auto *query = reinterpret_cast<Query *>(sublink->subselect);
    if (sublink->subLinkType != EXISTS_SUBLINK || list_length(query->rtable) != 1 || list_length(query->jointree->fromlist) != 1)
        return false;
    RTEKind kind = linitial_node(RangeTblEntry, query->rtable)->rtekind;
    return (kind == RTE_RELATION || kind == RTE_SUBQUERY) && IsA(linitial(query->jointree->fromlist), RangeTblRef);
}

// What the planner does to conditions before it looks at them.
static PgNode *preprocess(PlannerInfo *root, PgNode *condition)
{
    condition = eval_const_expressions(root, condition);
    condition = reinterpret_cast<PgNode *>(canonicalize_qual(reinterpret_cast<Expr *>(condition), false));
    convert_saop_to_hashed_saop(condition);
    condition = SS_process_sublinks(root, condition, true);
    if (root->query_level > 1)
        condition = SS_replace_correlation_vars(root, condition);
    return reinterpret_cast<PgNode *>(make_ands_implicit(reinterpret_cast<Expr *>(condition)));
}

// The join of the table of one EXISTS with a part of the query; null where it is about something else, or no join.
static PgNode *join_table(PlannerInfo *root, PgNode *part, SubLink *sublink, bool negated)
{
    JoinExpr *join = convert_EXISTS_sublink_to_join(root, sublink, negated, tables_below(part));
    if (join == nullptr)
        return nullptr;
    // Not the last of the range table: some minor versions add an entry for an anti-join itself.
    auto *table = rt_fetch(castNode(RangeTblRef, join->rarg)->rtindex, root->parse->rtable);
    table->inh = table->inh && table->rtekind == RTE_RELATION && has_subclass(table->relid);
    if (table->securityQuals != NIL)
        root->qual_security_level = Max(root->qual_security_level, static_cast<Index>(list_length(table->securityQuals)));
    join->quals = preprocess(root, join->quals);
    join->larg = part;
    return reinterpret_cast<PgNode *>(join);
}

// Joins one EXISTS below home; false where that can't be. An outer join, or an anti-join, takes what its ON demands on its nullable side only.
static bool join_below(PlannerInfo *root, PgNode *home, SubLink *sublink, bool negated)
{
    if (!reads_one_table(sublink))
        return false;
    if (IsA(home, FromExpr)) {
        auto *from = reinterpret_cast<FromExpr *>(home);
        auto *part = list_length(from->fromlist) == 1 ? static_cast<PgNode *>(linitial(from->fromlist))
                                                      : reinterpret_cast<PgNode *>(makeFromExpr(from->fromlist, nullptr));
        PgNode *joined = join_table(root, part, sublink, negated);
        if (joined != nullptr)
            from->fromlist = list_make1(joined);
        return joined != nullptr;
    }
    auto *outer = reinterpret_cast<JoinExpr *>(home);
    JoinType type = outer->jointype;
    for (PgNode **part : {&outer->larg, &outer->rarg}) {
        bool own = part == &outer->larg ? type == JOIN_RIGHT : type == JOIN_LEFT || type == JOIN_ANTI;
        if (!own && type != JOIN_INNER && type != JOIN_SEMI)
            continue;
        if (PgNode *joined = join_table(root, *part, sublink, negated)) {
            *part = joined;
            return true;
        }
    }
    return false;
}

PgNode *join_memberships(PlannerInfo *root, PgNode *home, PgNode *condition)
{
    List *rest = NIL;
    ListCell *cell;
    foreach (cell, make_ands_implicit(reinterpret_cast<Expr *>(condition))) {
        auto *part = static_cast<PgNode *>(lfirst(cell));
        bool negated = is_notclause(part);
        auto *demanded = negated ? reinterpret_cast<PgNode *>(get_notclausearg(reinterpret_cast<Expr *>(part))) : part;
        if (!IsA(demanded, SubLink) || !join_below(root, home, reinterpret_cast<SubLink *>(demanded), negated))
            rest = lappend(rest, part);
    }
    return reinterpret_cast<PgNode *>(make_ands_explicit(rest));
}

} // namespace segments
