// members and keys in FROM become part of the query around them.
//
// PostgreSQL inlines plain SQL functions in FROM, so every registered audience has two: segments.members_of and segments.keys_of,
// overloaded by its row type. The support function of members and keys puts a call of those in place of the call that it is asked
// about. What can't be inlined keeps its own set-returning function: the same rows, from a query of their own.
#include "asking_call.hpp"
#include "boundary.hpp"
#include "rule_type.hpp"
#include "select.hpp"

extern "C" {
#include "catalog/dependency.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "nodes/supportnodes.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
}

namespace segments {

// The extension's schema and the arguments of an audience's functions.
struct Names {
    Oid schema;
    Oid arguments[3];
};

static Names names_of(const Audience *audience)
{
    return {get_namespace_oid("segments", false), {audience->row_type, rule_type(), BOOLOID}};
}

// The audience's function of a name, or InvalidOid.
static Oid find_function(const Audience *audience, const char *name)
{
    Names names = names_of(audience);
    oidvector *arguments = buildoidvector(names.arguments, 3);
    return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name), PointerGetDatum(arguments), ObjectIdGetDatum(names.schema));
}

static bool has_integer_key(const Audience *audience)
{
    Oid type = getBaseType(audience->key_type);
    return audience->key != nullptr && (type == INT2OID || type == INT4OID || type == INT8OID);
}

// Body of an audience's function: $2 is the rule, $3 whether the suppressed are left out.
static char *function_body(const Audience *audience, const char *targets)
{
    return psprintf("SELECT %s FROM %s n WHERE segments.matches(n.*, $2) AND NOT segments.is_suppressed(n.*, $3)", targets,
                    audience->name);
}

static char *members_body(const Audience *audience)
{
    return function_body(audience, "n.*");
}

// By the keys that the segment index gives.
static char *by_keys_body(const Audience *audience)
{
    return psprintf("SELECT n.* FROM segments.keys(%s::pg_catalog.regclass, $2, $3) k JOIN %s n ON n.%s OPERATOR(pg_catalog.=) k",
                    quote_literal_cstr(audience->name), audience->name, quote_identifier(audience->key));
}

static char *keys_body(const Audience *audience)
{
    return function_body(audience, psprintf("n.%s::pg_catalog.int8", quote_identifier(audience->key)));
}

static bool has_body(Oid function, const char *body)
{
    HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
    if (!HeapTupleIsValid(tuple))
        return false;
    bool null;
    Datum source = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &null);
    bool same = !null && std::string_view(TextDatumGetCString(source)) == body;
    ReleaseSysCache(tuple);
    return same;
}

static void execute(const char *sql)
{
    if (SPI_execute(sql, false, 0) < 0)
        elog(ERROR, "could not execute: %s", sql);
}

// The function goes with the audience and with the extension, and keeps neither from being dropped. That of the extension is left as it is where it is
// there: to record it takes a lock that others hold who restore the extension's triggers, and who may wait for this transaction.
static void set_dependencies(Oid function, Oid relation)
{
    ObjectAddress self = {ProcedureRelationId, function, 0}, audience = {RelationRelationId, relation, 0};
    ObjectAddress extension = {ExtensionRelationId, get_extension_oid("segments", false), 0};
    deleteDependencyRecordsForSpecific(ProcedureRelationId, function, DEPENDENCY_AUTO, RelationRelationId, relation);
    recordDependencyOn(&self, &audience, DEPENDENCY_AUTO);
    if (!list_member_oid(getAutoExtensionsOfObject(ProcedureRelationId, function), extension.objectId))
        recordDependencyOn(&self, &extension, DEPENDENCY_AUTO_EXTENSION);
}

// Creates, or brings up to date, a function of an audience.
static void make_function(const Audience *audience, const char *name, const char *result, const char *body, const char *comment)
{
    Oid function = find_function(audience, name);
    if (!OidIsValid(function) || !has_body(function, body)) {
        const char *signature = psprintf("segments.%s(%s, segments.rule, boolean)", name, audience->name);
        execute(psprintf("CREATE OR REPLACE FUNCTION %s RETURNS SETOF %s LANGUAGE sql STABLE PARALLEL RESTRICTED COST 10000 AS %s", signature,
                         result, quote_literal_cstr(body)));
        execute(psprintf("COMMENT ON FUNCTION %s IS %s", signature, quote_literal_cstr(comment)));
        CommandCounterIncrement();
        function = find_function(audience, name);
    }
    set_dependencies(function, audience->relation);
}

// Makes an audience's functions, or brings them up to date after a change of its name, columns or key.
static void make_functions(Oid relation)
{
    const Audience *audience = audience_of(relation);
    if (get_rel_persistence(relation) == RELPERSISTENCE_TEMP)
        return;
    SPI_connect();
    make_function(audience, "members_of", audience->name, members_body(audience), "what segments.members becomes in FROM");
    if (has_integer_key(audience)) {
        make_function(audience, "keys_of", "bigint", keys_body(audience), "what segments.keys becomes in FROM");
        make_function(audience, "members_by_keys", audience->name, by_keys_body(audience), "what segments.members becomes in FROM where there is a segment index");
    } else {
        for (const char *name : {"keys_of", "members_by_keys"})
            if (OidIsValid(find_function(audience, name)))
                execute(psprintf("DROP FUNCTION segments.%s(%s, segments.rule, boolean)", name, audience->name));
    }
    SPI_finish();
}

// Whether a table has an index by which one member's rows, or one member's row of a value, are found.
static bool has_probe_index(const Membership *membership, bool by_value)
{
    AttrNumber member = get_attnum(membership->table, membership->member), value = get_attnum(membership->table, membership->value);
    Relation table = relation_open(membership->table, AccessShareLock);
    List *indexes = RelationGetIndexList(table);
    bool found = false;
    ListCell *cell;
    foreach (cell, indexes) {
        HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
        auto *index = reinterpret_cast<Form_pg_index>(GETSTRUCT(tuple));
        int16 *keys = index->indkey.values;
        bool whole = index->indisvalid && heap_attisnull(tuple, Anum_pg_index_indpred, nullptr);
        bool probes = keys[0] == member || (by_value && index->indnkeyatts > 1 && keys[0] == value && keys[1] == member);
        found = found || (whole && probes);
        ReleaseSysCache(tuple);
    }
    list_free(indexes);
    relation_close(table, AccessShareLock);
    return found;
}

// Whether a rule, asked row by row, costs no more than an index probe per membership. What can't be, is better asked as a set, as events
// always are.
// demanded: the planner joins what a rule demands, index or not.
static bool asks_by_index(const Audience *audience, const Node &node, bool negated, bool demanded)
{
    check_stack_depth();
    if (node.kind == NodeKind::group) {
        negated = negated != node.negated;
        demanded = demanded && (node.any == negated || node.children.size() == 1);
        for (const Node &child : node.children)
            if (!asks_by_index(audience, child, negated, demanded))
                return false;
        return true;
    }
    if (node.kind == NodeKind::segment) {
        const NamedSegment *segment = find_segment(node.name);
        return segment != nullptr && asks_by_index(audience, segment->rule->root, negated, demanded);
    }
    if (node.kind == NodeKind::event || node.kind == NodeKind::sequence)
        return demanded;
    if (node.kind != NodeKind::field)
        return true;
    const Field *field = find_field(audience, node.name);
    auto is_event = [](const Field *one) { return one != nullptr && one->source == FieldSource::event; };
    if (node.field_value) {
        for (const Value &value : node.values)
            if (is_event(find_field(audience, value.text)))
                return false;
        if (is_event(field))
            return false;
    }
    if (demanded || is_event(field))
        return demanded;
    return field == nullptr || field->membership == nullptr || has_probe_index(field->membership, !node.values.empty());
}

// Whether the query calls the function in FROM in a form that can be inlined, and nowhere else.
static bool called_in_from_only(const Query *query, Oid function)
{
    bool called = false;
    ListCell *cell;
    foreach (cell, query->rtable) {
        auto *table = static_cast<RangeTblEntry *>(lfirst(cell));
        if (table->rtekind != RTE_FUNCTION)
            continue;
        ListCell *other;
        foreach (other, table->functions) {
            auto *expression = reinterpret_cast<FuncExpr *>(static_cast<RangeTblFunction *>(lfirst(other))->funcexpr);
            if (expression == nullptr || !IsA(expression, FuncExpr) || expression->funcid != function)
                continue;
            if (table->funcordinality || list_length(table->functions) != 1)
                return false;
            called = true;
        }
    }
    return called && !query->hasTargetSRFs;
}

Call read_call(const FuncExpr *call)
{
    Call read = {};
    const char *name = get_func_name(call->funcid);
    int count = list_length(call->args);
    read.keys = name != nullptr && std::string_view(name) == "keys";
    for (int i = 1; i < count; i++)
        if (!(read.keys && count == 4 && i == 2) && !IsA(list_nth(call->args, i), Const))
            return read;
    auto constant = [call](int position) { return reinterpret_cast<Const *>(list_nth(call->args, position)); };
    Const *rule = constant(1), *suppress = constant(count - 1);
    if (rule->constisnull)
        return read;
    Oid relation = InvalidOid;
    if (!read.keys)
        relation = get_typ_typrelid(getBaseType(exprType(static_cast<PgNode *>(linitial(call->args)))));
    else if (IsA(linitial(call->args), Const) && !constant(0)->constisnull)
        relation = DatumGetObjectId(constant(0)->constvalue);
    if (!OidIsValid(relation) || get_rel_relkind(relation) == '\0')
        return read;
    read.rule_datum = rule->constvalue;
    read.rule = rule_of(rule->constvalue);
    read.suppress = suppress->constisnull || DatumGetBool(suppress->constvalue);
    read.key_type = read.keys && count == 4 ? exprType(static_cast<PgNode *>(list_nth(call->args, 2))) : InvalidOid;
    read.audience = audience_of(relation);
    return read;
}

// Whether a column of a table in FROM is compared for equality with what is no column, in a WHERE's part.
static bool fixes_column(PgNode *qual, int table, AttrNumber column)
{
    if (qual == nullptr)
        return false;
    if (IsA(qual, List) || (IsA(qual, BoolExpr) && reinterpret_cast<BoolExpr *>(qual)->boolop == AND_EXPR)) {
        ListCell *cell;
        foreach (cell, IsA(qual, List) ? reinterpret_cast<List *>(qual) : reinterpret_cast<BoolExpr *>(qual)->args)
            if (fixes_column(static_cast<PgNode *>(lfirst(cell)), table, column))
                return true;
        return false;
    }
    List *arguments = IsA(qual, OpExpr)              ? reinterpret_cast<OpExpr *>(qual)->args
                      : IsA(qual, ScalarArrayOpExpr) ? reinterpret_cast<ScalarArrayOpExpr *>(qual)->args
                                                     : NIL;
    if (list_length(arguments) != 2)
        return false;
    Oid operation = IsA(qual, OpExpr) ? reinterpret_cast<OpExpr *>(qual)->opno : reinterpret_cast<ScalarArrayOpExpr *>(qual)->opno;
    auto is_key = [&](PgNode *node) {
        auto *var = reinterpret_cast<Var *>(node);
        return IsA(node, Var) && var->varno == table && var->varattno == column && var->varlevelsup == 0;
    };
    auto *left = static_cast<PgNode *>(linitial(arguments)), *right = static_cast<PgNode *>(lsecond(arguments));
    return get_oprrest(operation) == F_EQSEL && ((is_key(left) && !IsA(right, Var)) || (is_key(right) && !IsA(left, Var)));
}

// Whether the query wants few members by their keys: then it looks each up, and is done before slices of all are read.
static bool asks_by_key(const Query *query, Oid function, AttrNumber column)
{
    int position = 0;
    ListCell *cell;
    foreach (cell, query->rtable) {
        position++;
        auto *table = static_cast<RangeTblEntry *>(lfirst(cell));
        if (table->rtekind != RTE_FUNCTION)
            continue;
        auto *call = reinterpret_cast<FuncExpr *>(linitial_node(RangeTblFunction, table->functions)->funcexpr);
        if (call != nullptr && IsA(call, FuncExpr) && call->funcid == function && fixes_column(query->jointree->quals, position, column))
            return true;
    }
    return false;
}

// The call of the audience's own function, or null where the call is to stay.
static PgNode *inline_call(PlannerInfo *root, const FuncExpr *call)
{
    if (root == nullptr || root->parse == nullptr || !called_in_from_only(root->parse, call->funcid))
        return nullptr;
    Call read = read_call(call);
    if (read.audience == nullptr || OidIsValid(read.key_type))
        return nullptr;
    const Audience *audience = read.audience;
    if (read.keys && !has_integer_key(audience))
        return nullptr;
    bool indexed = !asks_by_key(root->parse, call->funcid, read.keys ? 1 : audience->key_attnum) && index_rows(read) >= 0;
    // Keys by the index stay a call: index_scan.cpp makes a scan of it.
    if (indexed && read.keys)
        return nullptr;
    const char *name = read.keys ? "keys_of" : indexed ? "members_by_keys" : "members_of";
    const char *body = read.keys ? keys_body(audience) : indexed ? by_keys_body(audience) : members_body(audience);
    Oid function = find_function(audience, name);
    if (!OidIsValid(function) || !has_body(function, body) || !may_execute(function))
        return nullptr;
    if (!indexed && !asks_by_index(audience, read.rule->root, false, true))
        return nullptr;
    if (read.suppress && !indexed)
        for (const Suppression &suppression : audience->suppressions)
            if (!asks_by_index(audience, suppression.rule->root, true, true))
                return nullptr;

    auto *inlined = static_cast<FuncExpr *>(copyObjectImpl(call));
    inlined->funcid = function;
    if (read.keys)
        linitial(inlined->args) = makeNullConst(audience->row_type, -1, InvalidOid);
    return reinterpret_cast<PgNode *>(inlined);
}

// Rows that a call is expected to give.
static bool estimate_call(SupportRequestRows *request)
{
    if (request->node == nullptr || !IsA(request->node, FuncExpr))
        return false;
    Call read = read_call(reinterpret_cast<FuncExpr *>(request->node));
    if (read.audience == nullptr)
        return false;
    request->rows = index_rows(read);
    if (request->rows >= 0)
        return true;
    request->rows = estimate_rows(select_sql(read.audience, read.rule, "1", read.suppress), false);
    return true;
}

} // namespace segments

extern "C" {

// Makes the functions that members and keys of an audience are inlined by.
SEGMENTS_FUNCTION(segments_make_audience_functions)
{
    segments::make_functions(PG_GETARG_OID(0));
    PG_RETURN_VOID();
}

// Support function of members and keys.
SEGMENTS_FUNCTION(segments_asking_support)
{
    auto *request = reinterpret_cast<::Node *>(PG_GETARG_POINTER(0));
    if (IsA(request, SupportRequestSimplify)) {
        auto *simplify = reinterpret_cast<SupportRequestSimplify *>(request);
        PG_RETURN_POINTER(segments::inline_call(simplify->root, simplify->fcall));
    }
    if (IsA(request, SupportRequestRows))
        PG_RETURN_POINTER(segments::estimate_call(reinterpret_cast<SupportRequestRows *>(request)) ? request : nullptr);
    PG_RETURN_POINTER(nullptr);
}

} // extern "C"
