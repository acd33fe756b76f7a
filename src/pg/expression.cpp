// Field expressions. See planner.hpp.
#include "planner.hpp"

#include "boundary.hpp"

extern "C" {
#include "access/attnum.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "utils/ruleutils.h"
}

namespace segments {

// What the parser is told: the audience under alias n, and its own name, which means the same row.
struct Scope {
    ParseState *outermost;
    ParseNamespaceItem *row;
    const char *schema;
    const char *relation;
};

// How many queries lie between a place and the expression itself.
static int levels_up(const ParseState *state, const ParseState *outermost)
{
    int levels = 0;
    for (; state != outermost; state = state->parentParseState)
        levels++;
    return levels;
}

// The relation's own name, schema-qualified or not, in front of a column or alone, means the row.
static PgNode *resolve_own_name(ParseState *state, ColumnRef *reference, PgNode *found)
{
    if (found != nullptr)
        return nullptr;
    auto *scope = static_cast<Scope *>(state->p_ref_hook_state);
    List *fields = reference->fields;
    auto name_at = [&](int position) {
        auto *node = static_cast<PgNode *>(list_nth(fields, position));
        return IsA(node, String) ? std::string_view(strVal(node)) : std::string_view();
    };
    int length = list_length(fields), qualifiers = length - 1;
    int levels = levels_up(state, scope->outermost);
    if (length == 3 && (name_at(0) != scope->schema || name_at(1) != scope->relation))
        return nullptr;
    if (length <= 2 && name_at(0) != scope->relation)
        return nullptr;
    if (length > 3)
        return nullptr;
    auto *last = static_cast<PgNode *>(llast(fields));
    if (qualifiers == 0 || IsA(last, A_Star))
        return reinterpret_cast<PgNode *>(makeWholeRowVar(scope->row->p_rte, scope->row->p_rtindex, levels, true));
    return scanNSItemForColumn(state, scope->row, levels, strVal(last), reference->location);
}

// The one expression of "SELECT <text>"; anything beside it is refused.
static PgNode *only_expression(List *statements)
{
    if (list_length(statements) == 1) {
        PgNode *statement = linitial_node(RawStmt, statements)->stmt;
        if (IsA(statement, SelectStmt)) {
            auto *select = reinterpret_cast<SelectStmt *>(statement);
            bool bare = select->op == SETOP_NONE && !select->distinctClause && !select->intoClause && !select->fromClause &&
                        !select->whereClause && !select->groupClause && !select->havingClause && !select->windowClause &&
                        !select->valuesLists && !select->sortClause && !select->limitOffset && !select->limitCount &&
                        !select->lockingClause && !select->withClause;
            if (bare && list_length(select->targetList) == 1) {
                ResTarget *target = linitial_node(ResTarget, select->targetList);
                bool star = IsA(target->val, ColumnRef) && IsA(llast(reinterpret_cast<ColumnRef *>(target->val)->fields), A_Star);
                if (target->name == nullptr && !star)
                    return target->val;
            }
        }
    }
    ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("a field is one SQL expression"),
                    errhint("Write what would stand in a SELECT list, without an alias; put a query in parentheses.")));
}

// Columns under the names that they are to be resolved by.
static List *alias_columns(TupleDesc desc, const char *const *column_names)
{
    List *names = NIL;
    for (int i = 0; i < desc->natts; i++) {
        Form_pg_attribute column = TupleDescAttr(desc, i);
        const char *name = column_names[i] && *column_names[i] ? column_names[i] : NameStr(column->attname);
        if (!column->attisdropped)
            names = lappend(names, makeString(pstrdup(name)));
    }
    return names;
}

// Refuses what is more than one scalar of the row's own.
static void check_scalar(const ParseState *state, PgNode *expression)
{
    if (state->p_hasAggs)
        ereport(ERROR, (errcode(ERRCODE_GROUPING_ERROR), errmsg("aggregate functions are not allowed in a field's expression"),
                        errhint("Put the aggregate into a sub-select: (SELECT count(*) FROM ... WHERE ...).")));
    if (state->p_hasWindowFuncs)
        ereport(ERROR, (errcode(ERRCODE_WINDOWING_ERROR), errmsg("window functions are not allowed in a field's expression")));
    if (state->p_hasTargetSRFs || expression_returns_set(expression))
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("set-returning functions are not allowed in a field's expression")));
    Oid type = exprType(expression);
    char kind = get_typtype(getBaseType(type));
    if (kind == TYPTYPE_PSEUDO || kind == TYPTYPE_COMPOSITE)
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("a field's expression must give a scalar value, not %s", format_type_be(type))));
}

// Columns of the audience in an expression, sub-selects included.
struct UsedColumns {
    int levels_up;
    Bitmapset *attnums;
};

static bool collect_columns(PgNode *node, void *context)
{
    auto *used = static_cast<UsedColumns *>(context);
    if (node == nullptr)
        return false;
    if (IsA(node, Query)) {
        used->levels_up++;
        walk_query(reinterpret_cast<Query *>(node), collect_columns, context, 0);
        used->levels_up--;
        return false;
    }
    if (!IsA(node, Var))
        return walk_expression(node, collect_columns, context);
    auto *var = reinterpret_cast<Var *>(node);
    if (static_cast<int>(var->varlevelsup) != used->levels_up)
        return false;
    if (var->varattno < 0)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("system columns are not allowed in a field's expression")));
    if (var->varattno > 0)
        used->attnums = bms_add_member(used->attnums, var->varattno);
    return false;
}

char *canonical_expression(Oid oid, const char *sql, const char *const *column_names, Oid *type, std::int32_t *typmod, Oid *collation,
                           Bitmapset **attnums)
{
    Relation relation = relation_open(oid, AccessShareLock);
    char *text = psprintf("SELECT %s", sql);
    ReadingText reading(text, "expression of a field");
    PgNode *raw = only_expression(raw_parser(text, RAW_PARSE_DEFAULT));

    Scope scope = {};
    ParseState *state = make_parsestate(nullptr);
    state->p_sourcetext = text;
    List *columns = column_names ? alias_columns(RelationGetDescr(relation), column_names) : NIL;
    scope.outermost = state;
    scope.row = addRangeTableEntryForRelation(state, relation, AccessShareLock, makeAlias("n", columns), true, true);
    scope.schema = get_namespace_name(RelationGetNamespace(relation));
    scope.relation = pstrdup(RelationGetRelationName(relation));
    addNSItemToQuery(state, scope.row, false, true, true);
    state->p_ref_hook_state = &scope;
    state->p_post_columnref_hook = resolve_own_name;

    PgNode *expression = transformExpr(state, raw, EXPR_KIND_OTHER);
    if (exprType(expression) == UNKNOWNOID)
        expression = coerce_type(state, expression, UNKNOWNOID, TEXTOID, -1, COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1);
    assign_expr_collations(state, expression);
    check_scalar(state, expression);
    UsedColumns used = {0, nullptr};
    collect_columns(expression, &used);
    free_parsestate(state);
    reading.done();

    if (type != nullptr)
        *type = exprType(expression);
    if (typmod != nullptr)
        *typmod = exprTypmod(expression);
    if (collation != nullptr)
        *collation = exprCollation(expression);
    if (attnums != nullptr)
        *attnums = used.attnums;

    int level = enter_deparsing();
    char *canonical = deparse_expression(expression, deparse_context_for("n", oid), true, false);
    leave_safe_path(level);
    relation_close(relation, NoLock);
    return canonical;
}

} // namespace segments
