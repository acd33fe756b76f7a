// Analyses the translator's text. See planner.hpp.
#include "planner.hpp"

#include "boundary.hpp"

extern "C" {
#include "catalog/pg_namespace.h"
#include "optimizer/planner.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "rewrite/rewriteDefine.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/ruleutils.h"
}

namespace segments {

ReadingText::ReadingText(const char *text, const char *what) : text_(text), what_(what)
{
    callback_.callback = point;
    callback_.arg = this;
    callback_.previous = error_context_stack;
    error_context_stack = &callback_;
}

void ReadingText::done()
{
    error_context_stack = callback_.previous;
}

void ReadingText::point(void *argument)
{
    auto *self = static_cast<ReadingText *>(argument);
    int position = geterrposition();
    if (position > 0) {
        errposition(0);
        internalerrposition(position);
        internalerrquery(self->text_);
    }
    errcontext("%s", self->what_);
}

int enter_deparsing()
{
    int level = enter_safe_path();
    static const char *const settings[][2] = {
        {"DateStyle", "ISO, MDY"}, {"IntervalStyle", "postgres"}, {"extra_float_digits", "1"}};
    for (const auto &setting : settings)
        set_config_option(setting[0], setting[1], PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
    return level;
}

// The row, as expressions are parsed: Param $1.
static PgNode *row_param(const Audience *audience)
{
    Param *param = makeNode(Param);
    param->paramkind = PARAM_EXTERN;
    param->paramid = 1;
    param->paramtype = audience->row_type;
    param->paramtypmod = -1;
    param->location = -1;
    return reinterpret_cast<PgNode *>(param);
}

// A column of the row; null where it has none of that name.
static PgNode *row_column(const Audience *audience, const char *name)
{
    for (const Field &field : audience->fields) {
        if (field.source != FieldSource::column || std::string_view(name) != field.name)
            continue;
        FieldSelect *select = makeNode(FieldSelect);
        select->arg = reinterpret_cast<Expr *>(row_param(audience));
        select->fieldnum = field.attnum;
        select->resulttype = field.type;
        select->resulttypmod = field.typmod;
        select->resultcollid = field.collation;
        return reinterpret_cast<PgNode *>(select);
    }
    return nullptr;
}

// What no table in reach has: n, n.* and n.column are the row's.
static PgNode *resolve_row(ParseState *state, ColumnRef *reference, PgNode *found)
{
    if (found != nullptr)
        return nullptr;
    auto *audience = static_cast<const Audience *>(state->p_ref_hook_state);
    auto *first = static_cast<PgNode *>(linitial(reference->fields));
    if (!IsA(first, String) || std::string_view(strVal(first)) != "n")
        return nullptr;
    if (list_length(reference->fields) == 1)
        return row_param(audience);
    if (list_length(reference->fields) != 2)
        return nullptr;
    auto *second = static_cast<PgNode *>(lsecond(reference->fields));
    return IsA(second, A_Star) ? row_param(audience) : row_column(audience, strVal(second));
}

// Teaches the parser the row, where there is one.
static void set_up_parser(ParseState *state, void *audience)
{
    state->p_ref_hook_state = audience;
    if (audience != nullptr)
        state->p_post_columnref_hook = resolve_row;
}

// Analyses one SELECT under the safe path, before rewriting. audience: whose row columns may be of, or null.
static Query *analyse(const char *sql, const Audience *audience)
{
    int level = enter_safe_path();
    ReadingText reading(sql, "SQL of a segments rule");
    List *statements = raw_parser(sql, RAW_PARSE_DEFAULT);
    if (list_length(statements) != 1)
        elog(ERROR, "one statement expected");
    Query *query = parse_analyze_withcb(linitial_node(RawStmt, statements), sql, set_up_parser, const_cast<Audience *>(audience), nullptr);
    reading.done();
    leave_safe_path(level);
    return query;
}

// Rewrites a SELECT: views and row security.
static Query *rewrite(Query *query)
{
    List *rewritten = pg_rewrite_query(query);
    if (list_length(rewritten) != 1)
        elog(ERROR, "one query expected");
    return linitial_node(Query, rewritten);
}

// Whether any query below depends on row security.
static bool has_row_security(PgNode *node, void *)
{
    if (node == nullptr)
        return false;
    if (!IsA(node, Query))
        return walk_expression(node, has_row_security, nullptr);
    auto *query = reinterpret_cast<Query *>(node);
    return query->hasRowSecurity || walk_query(query, has_row_security, nullptr, 0);
}

// A sub-select may hold calls that become sub-selects themselves: the planner is to look for them.
static bool expect_sublinks(PgNode *node, void *)
{
    if (node == nullptr)
        return false;
    if (!IsA(node, Query))
        return walk_expression(node, expect_sublinks, nullptr);
    auto *query = reinterpret_cast<Query *>(node);
    query->hasSubLinks = true;
    return walk_query(query, expect_sublinks, nullptr, 0);
}

ParsedCondition parse_condition(const Audience *audience, const char *sql, Oid check_as_user)
{
    Query *query = analyse(psprintf("SELECT %s", sql), audience);
    ParsedCondition parsed = {nullptr, query->hasSubLinks, false};
    if (query->hasSubLinks) {
        if (OidIsValid(check_as_user))
            setRuleCheckAsUser(reinterpret_cast<PgNode *>(query), check_as_user);
        query = rewrite(query);
        parsed.has_row_security = has_row_security(reinterpret_cast<PgNode *>(query), nullptr);
        expect_sublinks(reinterpret_cast<PgNode *>(query), nullptr);
    }
    parsed.expression = reinterpret_cast<PgNode *>(linitial_node(TargetEntry, query->targetList)->expr);
    return parsed;
}

PlannedStmt *plan_condition(const ParsedCondition &condition)
{
    Query *query = makeNode(Query);
    query->commandType = CMD_SELECT;
    query->canSetTag = true;
    query->hasSubLinks = condition.has_sublinks;
    query->jointree = makeFromExpr(NIL, nullptr);
    auto *expression = static_cast<Expr *>(copyObjectImpl(condition.expression));
    query->targetList = list_make1(makeTargetEntry(expression, 1, pstrdup("value"), false));
    return pg_plan_query(query, "", 0, nullptr);
}

PlannedStmt *plan_select(const char *sql, int cursor_options)
{
    return pg_plan_query(rewrite(analyse(sql, nullptr)), sql, cursor_options, nullptr);
}

// Whether the caller's search_path puts anything before pg_catalog, so that a bare "=" might be somebody else's.
static bool hides_pg_catalog()
{
    ListCell *cell;
    foreach (cell, fetch_search_path(true))
        if (!isAnyTempNamespace(lfirst_oid(cell)))
            return lfirst_oid(cell) != PG_CATALOG_NAMESPACE;
    return false;
}

char *deparse_select(const char *sql)
{
    Query *query = analyse(sql, nullptr);
    const char *path = hides_pg_catalog() ? pstrdup(GetConfigOption("search_path", false, false)) : nullptr;
    int level = enter_deparsing();
    if (path != nullptr)
        set_config_option("search_path", path, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
    char *text = pg_get_querydef(query, false);
    leave_safe_path(level);
    return text + strspn(text, " ");
}

} // namespace segments
