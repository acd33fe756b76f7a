// What differs between PostgreSQL 15 and 18, written once, as the newest version has it.
#pragma once

#if PG_VERSION_NUM < 150000
#error "segments needs PostgreSQL 15 or newer"
#endif

#if PG_VERSION_NUM < 160000
// Soft errors arrived with 16: before, an input error is an error.
#define ereturn(context, dummy, ...) ereport(ERROR, __VA_ARGS__)
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

} // namespace segments
