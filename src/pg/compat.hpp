// What differs between PostgreSQL 15 and 18, written once, as the newest version has it.
#pragma once

#if PG_VERSION_NUM < 150000
#error "segments needs PostgreSQL 15 or newer"
#endif

#if PG_VERSION_NUM < 160000
// Soft errors arrived with 16: before, an input error is an error.
#define ereturn(context, dummy, ...) ereport(ERROR, __VA_ARGS__)
#endif

#if PG_VERSION_NUM < 180000
// Since 18 a library says its name and version.
#define PG_MODULE_MAGIC_EXT(...) PG_MODULE_MAGIC
#endif

// PostgreSQL's node macros say Node, which in namespace segments is a rule's.
#undef nodeTag
#define nodeTag(node) (((const ::Node *)(node))->type)
#ifdef newNode
#undef newNode
inline ::Node *newNode(std::size_t size, NodeTag tag)
{
    auto *node = static_cast<::Node *>(palloc0(size));
    node->type = tag;
    return node;
}
#endif

extern "C" {
#include "catalog/pg_proc.h"
#include "executor/executor.h"
#include "nodes/pathnodes.h"
#include "optimizer/prep.h"
#include "parser/parse_relation.h"
#include "rewrite/rewriteManip.h"
#include "utils/acl.h"
}

namespace segments {

// PostgreSQL's Node; Node alone is a rule's.
using PgNode = ::Node;

// Tree walks: before 16 their callbacks are declared without parameters, which is no C++.
using Walker = bool (*)(PgNode *node, void *context);
using Mutator = PgNode *(*)(PgNode *node, void *context);

#if PG_VERSION_NUM < 160000
template <typename Bare, typename Callback> Bare bare_callback(Callback callback)
{
    return reinterpret_cast<Bare>(reinterpret_cast<void (*)()>(callback));
}
inline bool walk_expression(PgNode *node, Walker walker, void *context)
{
    return expression_tree_walker(node, bare_callback<bool (*)()>(walker), context);
}
inline bool walk_query(Query *query, Walker walker, void *context, int flags)
{
    return query_tree_walker(query, bare_callback<bool (*)()>(walker), context, flags);
}
inline PgNode *mutate_expression(PgNode *node, Mutator mutator, void *context)
{
    return expression_tree_mutator(node, bare_callback<PgNode *(*)()>(mutator), context);
}
inline Query *mutate_query(Query *query, Mutator mutator, void *context, int flags)
{
    return query_tree_mutator(query, bare_callback<PgNode *(*)()>(mutator), context, flags);
}
#else
inline bool walk_expression(PgNode *node, Walker walker, void *context)
{
    return expression_tree_walker(node, walker, context);
}
inline bool walk_query(Query *query, Walker walker, void *context, int flags)
{
    return query_tree_walker(query, walker, context, flags);
}
inline PgNode *mutate_expression(PgNode *node, Mutator mutator, void *context)
{
    return expression_tree_mutator(node, mutator, context);
}
inline Query *mutate_query(Query *query, Mutator mutator, void *context, int flags)
{
    return query_tree_mutator(query, mutator, context, flags);
}
#endif

// Whether rights on a table of a query are checked, and as whom (InvalidOid: the current user).
inline bool checked_as(const Query *query, const RangeTblEntry *table, Oid *role)
{
#if PG_VERSION_NUM < 160000
    (void)query;
    *role = table->checkAsUser;
    return table->rtekind == RTE_RELATION && table->requiredPerms != 0;
#else
    if (table->perminfoindex == 0)
        return false;
    auto *permissions = list_nth_node(RTEPermissionInfo, query->rteperminfos, static_cast<int>(table->perminfoindex) - 1);
    *role = permissions->checkAsUser;
    return permissions->requiredPerms != 0;
#endif
}

// Names and Vars of a table's columns, dropped ones included.
inline void expand_table(RangeTblEntry *table, int varno, List **names, List **columns)
{
#if PG_VERSION_NUM < 180000
    expandRTE(table, varno, 0, -1, true, names, columns);
#else
    expandRTE(table, varno, 0, VAR_RETURNING_DEFAULT, -1, true, names, columns);
#endif
}

// Runs a started query to its end, once.
inline void run_to_end(QueryDesc *query)
{
#if PG_VERSION_NUM < 180000
    ExecutorRun(query, ForwardScanDirection, 0, true);
#else
    ExecutorRun(query, ForwardScanDirection, 0);
#endif
}

// Whether the current user may execute a function.
inline bool may_execute(Oid function)
{
#if PG_VERSION_NUM < 160000
    return pg_proc_aclcheck(function, GetUserId(), ACL_EXECUTE) == ACLCHECK_OK;
#else
    return object_aclcheck(ProcedureRelationId, function, GetUserId(), ACL_EXECUTE) == ACLCHECK_OK;
#endif
}

// Tables and joins below a node of the join tree.
inline Relids tables_below(PgNode *node)
{
#if PG_VERSION_NUM < 160000
    return get_relids_in_jointree(node, true);
#else
    return get_relids_in_jointree(node, true, true);
#endif
}

// Whether a column holds no NULL.
inline bool is_not_null(TupleDesc desc, AttrNumber attnum)
{
#if PG_VERSION_NUM < 180000
    return TupleDescAttr(desc, attnum - 1)->attnotnull;
#else
    return TupleDescCompactAttr(desc, attnum - 1)->attnullability == ATTNULLABLE_VALID;
#endif
}

// An expression over some tables as it is where outer joins have null-extended them as a placeholder says.
inline PgNode *null_extended(PgNode *node, Relids tables, const PlaceHolderVar *holder)
{
#if PG_VERSION_NUM < 160000
    (void)tables;
    (void)holder;
    return node;
#else
    return add_nulling_relids(node, tables, holder->phnullingrels);
#endif
}

} // namespace segments
