// segments.matches and segments.is_suppressed: whether one row is in a segment.
//
// In a plan, a call with a constant rule becomes the rule's own SQL condition, so that the query is planned as if it had been written by
// hand. Where that cannot be, the functions themselves evaluate the same condition, compiled once per rule.
#include "boundary.hpp"
#include "call_sites.hpp"
#include "compiled.hpp"
#include "joins.hpp"
#include "nulls.hpp"
#include "row.hpp"
#include "rule_type.hpp"

extern "C" {
#include "access/detoast.h"
#include "common/hashfn.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "optimizer/planmain.h"
#include "optimizer/prep.h"
#include "utils/hsearch.h"
}

namespace segments {

// The condition of a call: of its rule, or, where it has none, of the audience's suppression.
static const char *condition_of(const Audience *audience, const Rule *rule, Form form)
{
    if (rule != nullptr)
        return condition_sql(audience, rule, form);
    const char *suppressed = suppression_sql(audience, form);
    return suppressed ? suppressed : "false";
}

// The condition in place of a call, or null where it has to be called.
static PgNode *plan_call(PlannerInfo *root, const FuncExpr *call)
{
    if (root == nullptr || root->parse == nullptr)
        return nullptr;
    check_stack_depth();
    auto *row = static_cast<PgNode *>(linitial(call->args));
    const Rule *rule = nullptr;
    if (list_length(call->args) > 1) {
        auto *argument = reinterpret_cast<Const *>(lsecond(call->args));
        if (!IsA(argument, Const))
            return nullptr;
        if (argument->consttype == BOOLOID) {
            if (!argument->constisnull && !DatumGetBool(argument->constvalue))
                return makeBoolConst(false, false);
        } else {
            if (argument->constisnull)
                return makeBoolConst(false, true);
            rule = rule_of(argument->constvalue);
        }
    }
    CallSites sites = find_calls(root, call->funcid);
    RowType type;
    if (!sites.here || !can_repeat(row) || !row_type_of(root, row, type))
        return nullptr;
    if (type.type == RECORDOID && sites.below)
        return nullptr; // the row may be of a sub-select, and the query at hand not its own
    const Audience *audience = audience_of_row(type.type, type.typmod, type.desc);
    bool role_known = sites.one_role || !sites.below;
    Oid role = sites.one_role ? sites.role : role_known ? role_of_row(root, row, type.type) : InvalidOid;
    ParsedCondition parsed = parse_condition(audience, condition_of(audience, rule, sites.filter ? Form::filter : Form::exact), role);
    if (parsed.has_sublinks && (!role_known || sites.in_window))
        return nullptr;

    if (parsed.has_sublinks)
        announce_sublinks(root);
    if (parsed.has_row_security)
        root->glob->dependsOnRole = true;
    root->glob->relationOids = lappend_oid(root->glob->relationOids, catalog_relation());
    if (OidIsValid(audience->relation))
        root->glob->relationOids = lappend_oid(root->glob->relationOids, audience->relation);
    record_plan_function_dependency(root, call->funcid);
    PgNode *condition = substitute_row(root, parsed.expression, row);
    if (!sites.below)
        condition = drop_null_tests(root, row, condition);
    condition = eval_const_expressions(root, condition);
    if (sites.home == nullptr || !parsed.has_sublinks)
        return condition;
    if (!sites.negated)
        return join_memberships(root, sites.home, condition);
    return negate_clause(join_memberships(root, sites.home, eval_const_expressions(root, negate_clause(condition))));
}

// Conditions compiled by one call site, by row type and rule.
struct ConditionKey {
    Oid row_type;
    std::int32_t typmod;
    std::uint32_t length;
    const char *rule; // the datum's bytes; none: suppression
};
struct Condition {
    ConditionKey key;
    Member *member;
    const Compiled *compiled;
    bool null_is_false;
};
struct Conditions {
    Holder *holder;
    HTAB *table;
    List *members;
    Condition *last;
};
constexpr long max_conditions = 1024;

static uint32 hash_key(const void *key, Size)
{
    auto *of = static_cast<const ConditionKey *>(key);
    return hash_combine(hash_bytes(reinterpret_cast<const unsigned char *>(of->rule), static_cast<int>(of->length)),
                        hash_bytes_uint32(of->row_type ^ static_cast<uint32>(of->typmod)));
}

static bool same_key(const ConditionKey &a, const ConditionKey &b)
{
    return a.row_type == b.row_type && a.typmod == b.typmod && a.length == b.length &&
           (a.rule == b.rule || memcmp(a.rule, b.rule, a.length) == 0);
}

static int compare_keys(const void *a, const void *b, Size)
{
    return same_key(*static_cast<const ConditionKey *>(a), *static_cast<const ConditionKey *>(b)) ? 0 : 1;
}

// Starts with nothing compiled.
static void clear(Conditions *conditions)
{
    reset(conditions->holder);
    HASHCTL control = {};
    control.keysize = sizeof(ConditionKey);
    control.entrysize = sizeof(Condition);
    control.hash = hash_key;
    control.match = compare_keys;
    control.hcxt = conditions->holder->context;
    conditions->table = hash_create("segments conditions", 16, &control, HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
    conditions->members = NIL;
    conditions->last = nullptr;
}

// The member of a row type.
static Member *member_of(Conditions *conditions, const ConditionKey &key)
{
    ListCell *cell;
    foreach (cell, conditions->members) {
        auto *member = static_cast<Member *>(lfirst(cell));
        if (member->row_type == key.row_type && member->typmod == key.typmod)
            return member;
    }
    MemoryContext caller = MemoryContextSwitchTo(conditions->holder->context);
    Member *member = make_member(key.row_type, key.typmod);
    conditions->members = lappend(conditions->members, member);
    MemoryContextSwitchTo(caller);
    return member;
}

// Compiles the condition of a key.
static Condition *compile_condition(Conditions *conditions, const ConditionKey &key)
{
    if (hash_get_num_entries(conditions->table) >= max_conditions)
        clear(conditions);
    Member *member = member_of(conditions, key);
    const Audience *audience = audience_of_row(key.row_type, key.typmod, member->slot->tts_tupleDescriptor);
    const Rule *rule = key.rule ? rule_of(PointerGetDatum(key.rule)) : nullptr;
    bool two_valued = rule == nullptr || rule->semantics == Semantics::two_valued;
    const char *sql = condition_of(audience, rule, two_valued ? Form::filter : Form::exact);
    const Compiled *compiled = compile(conditions->holder, member, audience, sql);

    ConditionKey kept = key;
    if (key.rule != nullptr) {
        auto *bytes = static_cast<char *>(MemoryContextAlloc(conditions->holder->context, key.length));
        memcpy(bytes, key.rule, key.length);
        kept.rule = bytes;
    }
    auto *condition = static_cast<Condition *>(hash_search(conditions->table, &kept, HASH_ENTER, nullptr));
    condition->member = member;
    condition->compiled = compiled;
    condition->null_is_false = two_valued;
    return condition;
}

// The condition for a key, compiled when it is first asked for.
static Condition *find_condition(FmgrInfo *function, const ConditionKey &key)
{
    auto *conditions = static_cast<Conditions *>(function->fn_extra);
    if (conditions == nullptr) {
        conditions = static_cast<Conditions *>(MemoryContextAllocZero(function->fn_mcxt, sizeof(Conditions)));
        conditions->holder = make_holder(function->fn_mcxt, "segments conditions");
        clear(conditions);
        function->fn_extra = conditions;
    } else if (!is_current(conditions->holder)) {
        clear(conditions);
    }
    if (conditions->last != nullptr && same_key(conditions->last->key, key))
        return conditions->last;
    auto *condition = static_cast<Condition *>(hash_search(conditions->table, &key, HASH_FIND, nullptr));
    if (condition == nullptr)
        condition = compile_condition(conditions, key);
    conditions->last = condition;
    return condition;
}

// Asks about the row of argument 0.
static Datum ask(PG_FUNCTION_ARGS, ConditionKey key)
{
    HeapTupleHeader row = row_argument(fcinfo, &key.row_type, &key.typmod);
    Condition *condition = find_condition(fcinfo->flinfo, key);
    set_row(condition->member, row);
    bool null;
    Datum holds = evaluate(condition->member, condition->compiled, &null);
    if (null && !condition->null_is_false)
        PG_RETURN_NULL();
    PG_RETURN_BOOL(!null && DatumGetBool(holds));
}

} // namespace segments

extern "C" {

// segments.matches(member record, rule segments.rule) → boolean
SEGMENTS_FUNCTION(segments_matches)
{
    if (PG_ARGISNULL(1))
        PG_RETURN_NULL();
    // A rule is told by its bytes as they are stored; one stored out of line has to be fetched.
    auto *rule = reinterpret_cast<struct varlena *>(PG_GETARG_DATUM(1));
    if (VARATT_IS_EXTERNAL(rule))
        rule = detoast_external_attr(rule);
    return segments::ask(fcinfo, {InvalidOid, -1, static_cast<std::uint32_t>(VARSIZE_ANY(rule)), reinterpret_cast<const char *>(rule)});
}

// segments.is_suppressed(member record [, heed boolean]) → boolean
SEGMENTS_FUNCTION(segments_is_suppressed)
{
    if (PG_NARGS() > 1 && !PG_ARGISNULL(1) && !PG_GETARG_BOOL(1))
        PG_RETURN_BOOL(false);
    return segments::ask(fcinfo, {InvalidOid, -1, 0, nullptr});
}

// Support function of both.
SEGMENTS_FUNCTION(segments_matches_support)
{
    auto *request = reinterpret_cast<::Node *>(PG_GETARG_POINTER(0));
    if (!IsA(request, SupportRequestSimplify))
        PG_RETURN_POINTER(nullptr);
    auto *simplify = reinterpret_cast<SupportRequestSimplify *>(request);
    PG_RETURN_POINTER(segments::plan_call(simplify->root, simplify->fcall));
}

} // extern "C"
