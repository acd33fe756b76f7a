// Administration: what changes the catalog runs as the extension's owner and knows who called.
//
// A public function, such as segments.create, is segments_administer. It calls the PL/pgSQL function of the same name with a
// leading underscore as the extension's owner, with two arguments in front: the role that called and its search_path. Nobody else
// may call those, so the two can be trusted. They must not plan or parse anything of a user's as the owner, since a function of
// the user's could run in that (a domain's check in a literal, say): that goes through _as, _create_view and _replace_view.
#include "boundary.hpp"
#include "planner.hpp"

extern "C" {
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "commands/tablecmds.h"
#include "commands/view.h"
#include "parser/analyze.h"
#include "parser/parse_func.h"
#include "parser/parse_oper.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "rewrite/rewriteManip.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/ruleutils.h"
}

// In the global namespace, where PostgreSQL's Node is meant.
namespace {

// The implementation behind a public function.
struct Implementation {
    FmgrInfo function;
    Oid owner;
};

// Finds the function of this name with a leading underscore, which takes the calling role and its search_path first.
Implementation *find_implementation(const FmgrInfo *called)
{
    HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(called->fn_oid));
    if (!HeapTupleIsValid(tuple))
        elog(ERROR, "cache lookup failed for function %u", called->fn_oid);
    auto *procedure = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
    Oid types[FUNC_MAX_ARGS] = {OIDOID, TEXTOID};
    int count = procedure->pronargs;
    for (int i = 0; i < count; i++)
        types[i + 2] = procedure->proargtypes.values[i];
    List *name = list_make2(makeString(get_namespace_name(procedure->pronamespace)),
                            makeString(psprintf("_%s", NameStr(procedure->proname))));
    Oid owner = procedure->proowner;
    ReleaseSysCache(tuple);

    auto *found = static_cast<Implementation *>(MemoryContextAlloc(called->fn_mcxt, sizeof(Implementation)));
    fmgr_info_cxt(LookupFuncName(name, count + 2, types, false), &found->function, called->fn_mcxt);
    found->owner = owner;
    return found;
}

// A command's query, parsed with a role's rights under the present search_path.
Query *parse_as(Oid role, const char *command)
{
    Oid user;
    int context;
    GetUserIdAndSecContext(&user, &context);
    SetUserIdAndSecContext(role, context | SECURITY_LOCAL_USERID_CHANGE);
    List *commands = pg_parse_query(command);
    if (list_length(commands) != 1)
        ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("one query was expected")));
    Query *query = parse_analyze_fixedparams(linitial_node(RawStmt, commands), command, nullptr, 0, nullptr);
    SetUserIdAndSecContext(user, context);
    return query;
}

// The columns of a view with this query.
List *view_columns(const Query *query)
{
    List *columns = NIL;
    ListCell *cell;
    foreach (cell, query->targetList) {
        auto *target = lfirst_node(TargetEntry, cell);
        if (target->resjunk)
            continue;
        auto *expression = reinterpret_cast<Node *>(target->expr);
        columns = lappend(columns, makeColumnDef(target->resname, exprType(expression), exprTypmod(expression),
                                                 exprCollation(expression)));
    }
    return columns;
}

// Like CREATE VIEW, owned by the current user, but reading with the rights of whoever reads it.
Oid create_view(const char *schema, const char *name, Query *query)
{
    auto *statement = makeNode(CreateStmt);
    statement->relation = makeRangeVar(pstrdup(schema), pstrdup(name), -1);
    statement->relation->relpersistence = isQueryUsingTempRelation(query) ? RELPERSISTENCE_TEMP : RELPERSISTENCE_PERMANENT;
    statement->tableElts = view_columns(query);
    statement->options =
        list_make1(makeDefElem(pstrdup("security_invoker"), reinterpret_cast<Node *>(makeBoolean(true)), -1));
    statement->oncommit = ONCOMMIT_NOOP;
    ObjectAddress view = DefineRelation(statement, RELKIND_VIEW, InvalidOid, nullptr, nullptr);
    CommandCounterIncrement();
    StoreViewQuery(view.objectId, query, false);
    CommandCounterIncrement();
    return view.objectId;
}

} // namespace

extern "C" {

// Runs the implementation of the called function as the extension's owner.
SEGMENTS_FUNCTION(segments_administer)
{
    auto *implementation = static_cast<Implementation *>(fcinfo->flinfo->fn_extra);
    if (implementation == nullptr)
        fcinfo->flinfo->fn_extra = implementation = find_implementation(fcinfo->flinfo);

    LOCAL_FCINFO(call, FUNC_MAX_ARGS);
    Oid caller;
    int context;
    GetUserIdAndSecContext(&caller, &context);
    InitFunctionCallInfoData(*call, &implementation->function, PG_NARGS() + 2, fcinfo->fncollation, nullptr, nullptr);
    call->args[0] = {ObjectIdGetDatum(caller), false};
    call->args[1] = {CStringGetTextDatum(namespace_search_path), false};
    for (int i = 0; i < PG_NARGS(); i++)
        call->args[i + 2] = fcinfo->args[i];

    // An error restores both by ending the (sub)transaction.
    SetUserIdAndSecContext(implementation->owner, context | SECURITY_LOCAL_USERID_CHANGE);
    Datum result = FunctionCallInvoke(call);
    SetUserIdAndSecContext(caller, context);
    fcinfo->isnull = call->isnull;
    return result;
}

// _as(role, command, path): runs a command as a role under a search_path; gives the first column of its first row.
SEGMENTS_FUNCTION(segments_as)
{
    Oid role = PG_GETARG_OID(0);
    const char *command = text_to_cstring(PG_GETARG_TEXT_PP(1));
    const char *path = text_to_cstring(PG_GETARG_TEXT_PP(2));
    MemoryContext caller = CurrentMemoryContext;
    Oid user;
    int context;
    GetUserIdAndSecContext(&user, &context);
    int level = NewGUCNestLevel();
    set_config_option("search_path", path, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
    SetUserIdAndSecContext(role, context | SECURITY_LOCAL_USERID_CHANGE);

    SPI_connect();
    SPI_execute(command, false, 0);
    char *result = nullptr;
    if (SPI_tuptable != nullptr && SPI_processed > 0) {
        char *value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
        result = value == nullptr ? nullptr : MemoryContextStrdup(caller, value);
    }
    SPI_finish();

    SetUserIdAndSecContext(user, context);
    AtEOXact_GUC(true, level);
    if (result == nullptr)
        PG_RETURN_NULL();
    PG_RETURN_TEXT_P(cstring_to_text(result));
}

// _create_view(role, schema, view, command): a view of the current user's whose query is parsed with a role's rights.
SEGMENTS_FUNCTION(segments_create_view)
{
    Query *query = parse_as(PG_GETARG_OID(0), text_to_cstring(PG_GETARG_TEXT_PP(3)));
    PG_RETURN_OID(create_view(text_to_cstring(PG_GETARG_TEXT_PP(1)), text_to_cstring(PG_GETARG_TEXT_PP(2)), query));
}

// _replace_view(role, view, command): the query of a view, parsed with a role's rights; all else of the view stays.
SEGMENTS_FUNCTION(segments_replace_view)
{
    Oid view = PG_GETARG_OID(1);
    LockRelationOid(view, AccessExclusiveLock);
    Query *query = parse_as(PG_GETARG_OID(0), text_to_cstring(PG_GETARG_TEXT_PP(2)));
    StoreViewQuery(view, query, true);
    CommandCounterIncrement();
    PG_RETURN_VOID();
}

// _view_expression(view): the first column of a view over a relation n, deparsed.
SEGMENTS_FUNCTION(segments_view_expression)
{
    Relation view = relation_open(PG_GETARG_OID(0), AccessShareLock);
    auto *query = static_cast<Query *>(copyObjectImpl(get_view_query(view)));
    relation_close(view, NoLock);
    int position = linitial_node(RangeTblRef, query->jointree->fromlist)->rtindex;
    Oid relation = rt_fetch(position, query->rtable)->relid;
    auto *expression = reinterpret_cast<Node *>(linitial_node(TargetEntry, query->targetList)->expr);
    ChangeVarNodes(expression, position, 1, 0);
    PG_RETURN_TEXT_P(cstring_to_text(deparse_expression(expression, deparse_context_for("n", relation), true, false)));
}

// canonical_expression(audience, expression): a field's expression as it is stored.
SEGMENTS_FUNCTION(segments_canonical_expression)
{
    char *expression = segments::canonical_expression(PG_GETARG_OID(0), text_to_cstring(PG_GETARG_TEXT_PP(1)), nullptr,
                                                      nullptr, nullptr, nullptr, nullptr);
    PG_RETURN_TEXT_P(cstring_to_text(expression));
}

// _hold(relation), check_relation(relation): refuses what has no rows, and keeps it in place until the transaction ends.
SEGMENTS_FUNCTION(segments_check_relation)
{
    Relation relation = try_relation_open(PG_GETARG_OID(0), AccessShareLock);
    if (relation == nullptr)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", PG_GETARG_OID(0))));
    switch (relation->rd_rel->relkind) {
    case RELKIND_RELATION:
    case RELKIND_PARTITIONED_TABLE:
    case RELKIND_VIEW:
    case RELKIND_MATVIEW:
    case RELKIND_FOREIGN_TABLE:
        break;
    default:
        ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                        errmsg("\"%s\" is not a table or view", RelationGetRelationName(relation))));
    }
    relation_close(relation, NoLock);
    PG_RETURN_VOID();
}

// _comparable(type, type): whether there is an "=" between them.
SEGMENTS_FUNCTION(segments_comparable)
{
    Oid left = getBaseType(PG_GETARG_OID(0)), right = getBaseType(PG_GETARG_OID(1));
    bool found = OidIsValid(compatible_oper_opid(list_make1(makeString(pstrdup("="))), left, right, true));
    if (!found && left == right)
        found = OidIsValid(lookup_type_cache(left, TYPECACHE_EQ_OPR)->eq_opr);
    PG_RETURN_BOOL(found);
}

// _goes_with(view, relation): dropping the relation, or the extension, drops the view without CASCADE.
SEGMENTS_FUNCTION(segments_goes_with)
{
    ObjectAddress view = {RelationRelationId, PG_GETARG_OID(0), 0}, relation = {RelationRelationId, PG_GETARG_OID(1), 0};
    ObjectAddress extension = {ExtensionRelationId, get_extension_oid("segments", false), 0};
    recordDependencyOn(&view, &relation, DEPENDENCY_AUTO);
    recordDependencyOn(&view, &extension, DEPENDENCY_AUTO_EXTENSION);
    PG_RETURN_VOID();
}

// _depends_on(view, views): the view of a segment depends on those of the segments that it names, and on no others.
SEGMENTS_FUNCTION(segments_depends_on)
{
    ObjectAddress view = {RelationRelationId, PG_GETARG_OID(0), 0};
    Datum *views;
    int count;
    deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), REGCLASSOID, sizeof(Oid), true, TYPALIGN_INT, &views, nullptr, &count);
    deleteDependencyRecordsForClass(RelationRelationId, view.objectId, RelationRelationId, DEPENDENCY_NORMAL);
    for (int i = 0; i < count; i++) {
        ObjectAddress other = {RelationRelationId, DatumGetObjectId(views[i]), 0};
        recordDependencyOn(&view, &other, DEPENDENCY_NORMAL);
    }
    PG_RETURN_VOID();
}

} // extern "C"
