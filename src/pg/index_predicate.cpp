// Conditions on one field as sets of numbers. See index_program.hpp.
//
// The translator's SQL is parsed by PostgreSQL, and the expression that comes of it is read: comparisons of the column with what does not
// depend on the row, under AND, OR and NOT. For a dictionary the expression is asked of each value.
#include "index_program.hpp"

#include "boundary.hpp"
#include "planner.hpp"

#include <algorithm>

extern "C" {
#include "access/stratnum.h"
#include "executor/executor.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/array.h"
#include "utils/typcache.h"
}

namespace segments {

// Sets of numbers -----------------------------------------------------------------------------------------------------------------------

static Intervals make_intervals(std::size_t capacity)
{
    return {0, static_cast<Interval *>(MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Interval) * (capacity + 1)))};
}

static Intervals nothing()
{
    return make_intervals(0);
}

static Intervals one(std::int64_t low, std::int64_t high)
{
    Intervals made = make_intervals(1);
    if (low <= high)
        made.items[made.count++] = {low, high};
    return made;
}

static Intervals everything()
{
    return one(PG_INT64_MIN, PG_INT64_MAX);
}

// Sorts, and joins what overlaps or touches.
static Intervals normal(Intervals of)
{
    std::sort(of.items, of.items + of.count, [](const Interval &a, const Interval &b) { return a.low < b.low; });
    std::size_t kept = 0;
    for (std::size_t i = 0; i < of.count; i++) {
        if (kept > 0 && (of.items[kept - 1].high == PG_INT64_MAX || of.items[i].low <= of.items[kept - 1].high + 1))
            of.items[kept - 1].high = std::max(of.items[kept - 1].high, of.items[i].high);
        else
            of.items[kept++] = of.items[i];
    }
    of.count = kept;
    return of;
}

static Intervals either(const Intervals &a, const Intervals &b)
{
    Intervals made = make_intervals(a.count + b.count);
    std::copy_n(a.items, a.count, made.items);
    std::copy_n(b.items, b.count, made.items + a.count);
    made.count = a.count + b.count;
    return normal(made);
}

static Intervals complement(const Intervals &of)
{
    Intervals made = make_intervals(of.count + 1);
    std::int64_t from = PG_INT64_MIN;
    for (std::size_t i = 0; i < of.count; i++) {
        if (of.items[i].low > from)
            made.items[made.count++] = {from, of.items[i].low - 1};
        if (of.items[i].high == PG_INT64_MAX)
            return made;
        from = of.items[i].high + 1;
    }
    made.items[made.count++] = {from, PG_INT64_MAX};
    return made;
}

static Intervals both(const Intervals &a, const Intervals &b)
{
    return complement(either(complement(a), complement(b)));
}

// Conditions ----------------------------------------------------------------------------------------------------------------------------

// What is compared with: an expression without the column.
struct Scalar {
    ExprState *state;
    ExprContext *context;
    Oid type;
};

enum class Test : std::uint8_t { truth, compare, in_array, is_null, negation, conjunction, disjunction, is_true };

struct ColumnCondition {
    Test test;
    bool negated;  // compare: <>; in_array: <> ALL
    int strategy;  // of a b-tree
    Scalar *with;
    bool value, unknown; // truth
    ColumnCondition **children;
    int count;
};

struct Predicate {
    const IndexField *field;
    ColumnCondition *condition;   // by numbers
    ExprState *state;       // by asking each value of a dictionary
    ExprContext *context;
    bool constant;          // its answers don't change with time
    bool known;             // matched is that of dictionary version `version`
    std::uint64_t version;
    Matched matched;
    MemoryContext memory;
};

// Puts a CaseTestExpr in place of the column; anything else of the row makes it fail.
struct ColumnReplacement {
    Oid type;
    std::int32_t typmod;
    Oid collation;
    bool failed;
};

static PgNode *replace_column(PgNode *node, void *context)
{
    auto *replacement = static_cast<ColumnReplacement *>(context);
    if (node == nullptr)
        return nullptr;
    if (IsA(node, FieldSelect) && IsA(reinterpret_cast<FieldSelect *>(node)->arg, Param)) {
        auto *test = makeNode(CaseTestExpr);
        test->typeId = replacement->type;
        test->typeMod = replacement->typmod;
        test->collation = replacement->collation;
        return reinterpret_cast<PgNode *>(test);
    }
    if (IsA(node, Param) || IsA(node, CaseTestExpr) || IsA(node, SubLink)) {
        replacement->failed = true;
        return node;
    }
    return mutate_expression(node, replace_column, context);
}

static bool has_column(PgNode *node, void *)
{
    if (node == nullptr)
        return false;
    return IsA(node, CaseTestExpr) || walk_expression(node, has_column, nullptr);
}

// The column itself, also where it is taken for a binary-compatible type, or an integer as numeric.
static bool is_column(PgNode *node)
{
    if (IsA(node, RelabelType))
        return is_column(reinterpret_cast<PgNode *>(reinterpret_cast<RelabelType *>(node)->arg));
    if (IsA(node, FuncExpr)) {
        auto *call = reinterpret_cast<FuncExpr *>(node);
        if (call->funcresulttype != NUMERICOID || list_length(call->args) != 1 || call->funcformat == COERCE_EXPLICIT_CALL)
            return false;
        auto *argument = static_cast<PgNode *>(linitial(call->args));
        Oid type = exprType(argument);
        return (type == INT2OID || type == INT4OID || type == INT8OID) && is_column(argument);
    }
    return IsA(node, CaseTestExpr);
}

static Scalar *make_scalar(PgNode *node)
{
    auto *scalar = static_cast<Scalar *>(palloc(sizeof(Scalar)));
    scalar->state = ExecInitExpr(reinterpret_cast<Expr *>(copyObjectImpl(node)), nullptr);
    scalar->context = CreateStandaloneExprContext();
    scalar->type = getBaseType(exprType(node));
    return scalar;
}

Scalar *read_scalar(const char *sql)
{
    ParsedCondition parsed = parse_condition(nullptr, sql, InvalidOid);
    return make_scalar(eval_const_expressions(nullptr, parsed.expression));
}

// In the expression's own memory, which is given back when the next one is worked out.
Datum evaluate(const Scalar *scalar, bool *null)
{
    ResetExprContext(scalar->context);
    return ExecEvalExprSwitchContext(scalar->state, scalar->context, null);
}

// The b-tree strategy of an operator between the column and something else, 0 where it is none; <> is = negated.
static int strategy_of(Oid operation, PgNode *column, bool *negated)
{
    TypeCacheEntry *type = lookup_type_cache(getBaseType(exprType(column)), TYPECACHE_BTREE_OPFAMILY);
    *negated = false;
    if (!OidIsValid(type->btree_opf))
        return 0;
    int strategy = get_op_opfamily_strategy(operation, type->btree_opf);
    if (strategy != 0)
        return strategy;
    Oid negator = get_negator(operation);
    *negated = true;
    return OidIsValid(negator) && get_op_opfamily_strategy(negator, type->btree_opf) == BTEqualStrategyNumber ? BTEqualStrategyNumber : 0;
}

static ColumnCondition *read_condition(const IndexField &field, PgNode *node);

static ColumnCondition *make_condition(Test test, int count = 0)
{
    auto *condition = static_cast<ColumnCondition *>(palloc0(sizeof(ColumnCondition)));
    condition->test = test;
    condition->children = static_cast<ColumnCondition **>(palloc0(sizeof(ColumnCondition *) * static_cast<std::size_t>(count + 1)));
    return condition;
}

// Appends a child; false where it is not known.
static bool add_child(const IndexField &field, ColumnCondition *condition, PgNode *node)
{
    ColumnCondition *child = read_condition(field, node);
    if (child != nullptr)
        condition->children[condition->count++] = child;
    return child != nullptr;
}

static ColumnCondition *read_operator(const IndexField &field, OpExpr *expression)
{
    if (list_length(expression->args) != 2)
        return nullptr;
    auto *left = static_cast<PgNode *>(linitial(expression->args)), *right = static_cast<PgNode *>(lsecond(expression->args));
    Oid operation = expression->opno;
    if (!is_column(left)) {
        std::swap(left, right);
        operation = get_commutator(operation);
    }
    if (!OidIsValid(operation) || !is_column(left) || has_column(right, nullptr) || !compares_with(field, getBaseType(exprType(right))))
        return nullptr;
    ColumnCondition *condition = make_condition(Test::compare);
    condition->strategy = strategy_of(operation, left, &condition->negated);
    if (condition->strategy == 0)
        return nullptr;
    condition->with = make_scalar(right);
    return condition;
}

static ColumnCondition *read_array_operator(const IndexField &field, ScalarArrayOpExpr *expression)
{
    auto *left = static_cast<PgNode *>(linitial(expression->args)), *right = static_cast<PgNode *>(lsecond(expression->args));
    if (!is_column(left) || has_column(right, nullptr) || !compares_with(field, getBaseType(get_element_type(getBaseType(exprType(right))))))
        return nullptr;
    ColumnCondition *condition = make_condition(Test::in_array);
    condition->strategy = strategy_of(expression->opno, left, &condition->negated);
    if (condition->strategy != BTEqualStrategyNumber || condition->negated == expression->useOr)
        return nullptr;
    condition->with = make_scalar(right);
    return condition;
}

// A condition by numbers; null where it is of no known form.
static ColumnCondition *read_condition(const IndexField &field, PgNode *node)
{
    check_stack_depth();
    switch (nodeTag(node)) {
    case T_Const: {
        auto *constant = reinterpret_cast<Const *>(node);
        ColumnCondition *condition = make_condition(Test::truth);
        condition->unknown = constant->constisnull;
        condition->value = !constant->constisnull && DatumGetBool(constant->constvalue);
        return condition;
    }
    case T_BoolExpr: {
        auto *expression = reinterpret_cast<BoolExpr *>(node);
        Test test = expression->boolop == AND_EXPR ? Test::conjunction : expression->boolop == OR_EXPR ? Test::disjunction : Test::negation;
        ColumnCondition *condition = make_condition(test, list_length(expression->args));
        ListCell *cell;
        foreach (cell, expression->args)
            if (!add_child(field, condition, static_cast<PgNode *>(lfirst(cell))))
                return nullptr;
        return condition;
    }
    case T_NullTest: {
        auto *test = reinterpret_cast<NullTest *>(node);
        if (!is_column(reinterpret_cast<PgNode *>(test->arg)))
            return nullptr;
        ColumnCondition *condition = make_condition(Test::is_null);
        condition->negated = test->nulltesttype == IS_NOT_NULL;
        return condition;
    }
    case T_BooleanTest: {
        auto *test = reinterpret_cast<BooleanTest *>(node);
        if (test->booltesttype != IS_TRUE && test->booltesttype != IS_NOT_TRUE)
            return nullptr;
        ColumnCondition *condition = make_condition(Test::is_true, 1);
        condition->negated = test->booltesttype == IS_NOT_TRUE;
        return add_child(field, condition, reinterpret_cast<PgNode *>(test->arg)) ? condition : nullptr;
    }
    case T_OpExpr:
        return read_operator(field, reinterpret_cast<OpExpr *>(node));
    case T_ScalarArrayOpExpr:
        return read_array_operator(field, reinterpret_cast<ScalarArrayOpExpr *>(node));
    default:
        // A boolean column is a condition by itself.
        if (IsA(node, CaseTestExpr) && exprType(node) == BOOLOID) {
            ColumnCondition *condition = make_condition(Test::compare);
            condition->strategy = BTEqualStrategyNumber;
            condition->with = make_scalar(makeBoolConst(true, false));
            return condition;
        }
        return nullptr;
    }
}

Predicate *read_predicate(SegmentIndex *index, const IndexField &field, const char *name, Oid type, std::int32_t typmod, Oid collation, const char *sql)
{
    (void) index;
    // A row of one column stands for the audience's.
    auto *column = static_cast<Field *>(palloc0(sizeof(Field)));
    column->name = column->label = name;
    column->source = FieldSource::column;
    column->attnum = 1;
    column->type = type;
    column->typmod = typmod;
    column->collation = collation;
    auto *row = static_cast<Audience *>(palloc0(sizeof(Audience)));
    row->row_type = RECORDOID;
    row->name = "record";
    row->fields = {column, 1};
    ParsedCondition parsed = parse_condition(row, sql, InvalidOid);
    ColumnReplacement replacement = {type, typmod, collation, parsed.has_sublinks};
    PgNode *expression = parsed.has_sublinks ? nullptr : replace_column(parsed.expression, &replacement);
    if (replacement.failed || contain_volatile_functions(expression))
        return nullptr;
    expression = eval_const_expressions(nullptr, expression);

    auto *predicate = static_cast<Predicate *>(palloc0(sizeof(Predicate)));
    predicate->field = &field;
    predicate->memory = CurrentMemoryContext;
    predicate->constant = !contain_mutable_functions(expression);
    if (has_dictionary(field)) {
        predicate->context = CreateStandaloneExprContext();
        convert_saop_to_hashed_saop(expression);
        predicate->state = ExecInitExpr(static_cast<Expr *>(copyObjectImpl(expression)), nullptr);
        return predicate;
    }
    predicate->condition = read_condition(field, expression);
    return predicate->condition == nullptr ? nullptr : predicate;
}

Predicate *read_predicate(SegmentIndex *index, const IndexField &field, const char *name, const char *sql)
{
    return read_predicate(index, field, name, field.type, field.typmod, field.collation, sql);
}

// Answers -------------------------------------------------------------------------------------------------------------------------------

enum class Truth : std::uint8_t { no, unknown, yes };

// For which numbers a condition holds, for which it does not (for the rest it is unknown), and what it is for NULL.
struct Answers {
    Intervals yes, no;
    Truth null;
};

// Numbers that compare so with a constant, which fits its image so.
static Intervals compared(int strategy, std::int64_t image, Fit fit)
{
    if (fit == Fit::below_all)
        return strategy < BTGreaterEqualStrategyNumber ? nothing() : everything();
    bool exact = fit == Fit::exact;
    auto below = [&](std::int64_t to) { return one(PG_INT64_MIN, to); };
    auto before = [&](std::int64_t limit) { return limit == PG_INT64_MIN ? nothing() : below(limit - 1); };
    auto after = [&](std::int64_t limit) { return limit == PG_INT64_MAX ? nothing() : one(limit + 1, PG_INT64_MAX); };
    switch (strategy) {
    case BTLessStrategyNumber:
        return exact ? before(image) : below(image);
    case BTLessEqualStrategyNumber:
        return below(image);
    case BTEqualStrategyNumber:
        return exact ? one(image, image) : nothing();
    case BTGreaterEqualStrategyNumber:
        return exact ? one(image, PG_INT64_MAX) : after(image);
    default:
        return after(image);
    }
}

// Elements of an array that a column may be equal to; with_null: it has a NULL.
static Intervals listed(const IndexField &field, Datum value, bool *with_null)
{
    ArrayType *array = DatumGetArrayTypeP(value);
    std::int16_t length;
    bool by_value;
    char align;
    get_typlenbyvalalign(ARR_ELEMTYPE(array), &length, &by_value, &align);
    Datum *values;
    bool *nulls;
    int count;
    deconstruct_array(array, ARR_ELEMTYPE(array), length, by_value, align, &values, &nulls, &count);
    Intervals made = make_intervals(static_cast<std::size_t>(count));
    *with_null = false;
    for (int i = 0; i < count; i++) {
        std::int64_t image;
        *with_null = *with_null || nulls[i];
        if (!nulls[i] && image_of_constant(field, getBaseType(ARR_ELEMTYPE(array)), values[i], &image) == Fit::exact)
            made.items[made.count++] = {image, image};
    }
    return normal(made);
}

static Answers answer(const IndexField &field, const ColumnCondition &condition)
{
    switch (condition.test) {
    case Test::truth:
        if (condition.unknown)
            return {nothing(), nothing(), Truth::unknown};
        return {condition.value ? everything() : nothing(), condition.value ? nothing() : everything(), condition.value ? Truth::yes : Truth::no};
    case Test::compare:
    case Test::in_array: {
        bool null;
        Datum value = evaluate(condition.with, &null);
        if (null)
            return {nothing(), nothing(), Truth::unknown};
        Intervals yes;
        bool with_null = false;
        if (condition.test == Test::in_array) {
            yes = listed(field, value, &with_null);
        } else {
            std::int64_t image;
            Fit fit = image_of_constant(field, condition.with->type, value, &image);
            yes = compared(condition.strategy, image, fit);
        }
        Intervals no = with_null ? nothing() : complement(yes);
        return condition.negated ? Answers{no, yes, Truth::unknown} : Answers{yes, no, Truth::unknown};
    }
    case Test::is_null:
        return condition.negated ? Answers{everything(), nothing(), Truth::no} : Answers{nothing(), everything(), Truth::yes};
    case Test::negation: {
        Answers of = answer(field, *condition.children[0]);
        return {of.no, of.yes, of.null == Truth::unknown ? Truth::unknown : of.null == Truth::yes ? Truth::no : Truth::yes};
    }
    case Test::is_true: {
        Answers of = answer(field, *condition.children[0]);
        Intervals rest = complement(of.yes);
        bool holds = (of.null == Truth::yes) != condition.negated;
        return {condition.negated ? rest : of.yes, condition.negated ? of.yes : rest, holds ? Truth::yes : Truth::no};
    }
    case Test::conjunction:
    case Test::disjunction: {
        bool all = condition.test == Test::conjunction;
        Answers of = {all ? everything() : nothing(), all ? nothing() : everything(), all ? Truth::yes : Truth::no};
        for (int i = 0; i < condition.count; i++) {
            Answers child = answer(field, *condition.children[i]);
            of.yes = all ? both(of.yes, child.yes) : either(of.yes, child.yes);
            of.no = all ? either(of.no, child.no) : both(of.no, child.no);
            of.null = all ? std::min(of.null, child.null) : std::max(of.null, child.null);
        }
        return of;
    }
    }
    return {nothing(), nothing(), Truth::unknown};
}

// The codes of the values for which the condition holds.
static Matched answer_by_value(SegmentIndex *index, Predicate *predicate)
{
    Dictionary *dictionary = dictionary_of(index, *predicate->field);
    if (predicate->known && predicate->constant && predicate->version == dictionary->version)
        return predicate->matched;
    MemoryContext caller = MemoryContextSwitchTo(predicate->constant ? predicate->memory : CurrentMemoryContext);
    Matched matched = {make_intervals(dictionary->count), false};
    auto holds = [&](Datum value, bool null) {
        ResetExprContext(predicate->context);
        predicate->context->caseValue_datum = value;
        predicate->context->caseValue_isNull = null;
        bool unknown;
        Datum result = ExecEvalExprSwitchContext(predicate->state, predicate->context, &unknown);
        return !unknown && DatumGetBool(result);
    };
    for (std::uint32_t i = 0; i < dictionary->count; i++)
        if (holds(dictionary->values[i], false))
            matched.values.items[matched.values.count++] = {dictionary->codes[i], dictionary->codes[i]};
    matched.values = normal(matched.values);
    matched.null = holds(Datum(0), true);
    MemoryContextSwitchTo(caller);
    predicate->matched = matched;
    predicate->version = dictionary->version;
    predicate->known = true;
    return matched;
}

Matched evaluate(SegmentIndex *index, Predicate *predicate)
{
    if (predicate->state != nullptr)
        return answer_by_value(index, predicate);
    if (predicate->constant && predicate->known)
        return predicate->matched;
    MemoryContext caller = MemoryContextSwitchTo(predicate->constant ? predicate->memory : CurrentMemoryContext);
    Answers answers = answer(*predicate->field, *predicate->condition);
    predicate->matched = {answers.yes, answers.null == Truth::yes};
    predicate->known = true;
    MemoryContextSwitchTo(caller);
    return predicate->matched;
}

} // namespace segments
