// From a bound rule to a bitmap program. See index_program.hpp.
//
// NOT goes down to the leaves, as in the translator: what is left are unions and intersections of those for whom a leaf, or its complement, is
// true. A field's leaf is the translator's own SQL, read by index_predicate.cpp; what the slices do not hold is asked as SQL, once, into a mask.
#include "index_program.hpp"

#include "boundary.hpp"
#include "emit.hpp"
#include "leaf.hpp"
#include "planner.hpp"
#include "rule_type.hpp"
#include "select.hpp"

extern "C" {
#include "common/hashfn.h"
#include "pgtime.h"
#include "utils/guc.h"
}

namespace segments {

// Sources are told apart by the bits of a word.
constexpr std::uint16_t max_asked_sources = 64;

// Compiling ---------------------------------------------------------------------------------------------------------------------------

struct ProgramCompiler {
    SegmentIndex *index;
    const Audience *audience;
    Program *program;
};

static Step *compile_node(ProgramCompiler &compiler, const BoundRule *rule, const BoundNode &node, bool negated);

static Step *make_step(StepKind kind, bool complement = false)
{
    auto *step = static_cast<Step *>(palloc0(sizeof(Step)));
    step->kind = kind;
    step->complement = complement;
    return step;
}

static Step *make_group(StepKind kind, std::size_t count)
{
    Step *step = make_step(kind);
    step->children = static_cast<Step **>(palloc0(sizeof(Step *) * (count + 1)));
    return step;
}

static void use_source(ProgramCompiler &compiler, std::uint16_t source)
{
    compiler.program->sources |= std::uint64_t(1) << source;
}

// SELECT of the keys of those for whom a leaf, or its complement, holds.
static const char *keys_of_node(const ProgramCompiler &compiler, const BoundRule *rule, const BoundNode &node, bool negated)
{
    return node_select_sql(rule, node, negated, psprintf("n.%s::int8", quote_identifier(compiler.audience->key)));
}

// A leaf that the slices do not hold.
static Step *compile_sql(ProgramCompiler &compiler, const BoundRule *rule, const BoundNode &node, bool negated)
{
    Step *step = make_step(StepKind::sql);
    step->sql = keys_of_node(compiler, rule, node, negated);
    step->cost = plan_select(step->sql, 0)->planTree->total_cost;
    compiler.program->sql_cost += step->cost;
    return step;
}

// A leaf on a value of the member's own, as the translator writes it, over a column that stands for it.
static const char *value_condition(const BoundRule *rule, const BoundNode &node, const Field *value, bool negated)
{
    BoundNode plain = node;
    plain.behaviour = nullptr;
    plain.field = value;
    StringInfoData sql;
    initStringInfo(&sql);
    emit(&sql, rule, plain, {Form::filter, negated, false, nullptr});
    return sql.data;
}

// A field that is called v, of a type.
static const Field *value_field(Oid type, std::int32_t typmod, Oid collation)
{
    auto *field = static_cast<Field *>(palloc0(sizeof(Field)));
    field->name = field->label = "v";
    field->source = FieldSource::column;
    field->attnum = 1;
    field->type = type;
    field->typmod = typmod;
    field->collation = collation;
    return field;
}

// A column of the audience.
static Step *compile_column(ProgramCompiler &compiler, const BoundRule *rule, const BoundNode &node, bool negated)
{
    static const IndexField key_field = [] {
        IndexField field = {};
        field.kind = field_integer;
        field.name = "key";
        return field;
    }();
    SegmentIndex *index = compiler.index;
    const IndexField *kept = nullptr;
    bool is_key = node.field->attnum == index->sources[0].member;
    for (const IndexField &field : index->fields)
        if (field.kind != '\0' && field.source == 0 && field.attnum == node.field->attnum)
            kept = &field;
    if (node.node->field_value || node.elements != nullptr || (kept == nullptr && !is_key))
        return nullptr;
    const char *sql;
    Step *step;
    if (kept != nullptr && kept->kind == field_array) {
        // Which elements; NULL and the empty array, where they matter, are not told apart here.
        const OperatorInfo &info = operator_info(node.node->op);
        Operator positive = info.negative ? info.twin : node.node->op;
        if (rule->semantics == Semantics::sql || positive == Operator::is_empty || node.as_numeric)
            return nullptr;
        auto *leaf = static_cast<Node *>(palloc(sizeof(Node)));
        *leaf = *node.node;
        leaf->op = Operator::in;
        BoundNode element = node;
        element.node = leaf;
        element.type = classify_type(kept->type);
        sql = value_condition(rule, element, value_field(kept->type, -1, kept->collation), false);
        step = make_step(StepKind::set, negated != info.negative);
        step->predicate = read_predicate(index, *kept, "v", sql);
    } else {
        const Field *value = value_field(node.field->type, node.field->typmod, node.field->collation);
        sql = value_condition(rule, node, value, negated);
        step = make_step(is_key ? StepKind::key : StepKind::column);
        step->predicate = read_predicate(index, is_key ? key_field : *kept, "v", value->type, value->typmod, value->collation, sql);
    }
    step->field = is_key ? field_key : kept->number;
    return step->predicate == nullptr ? nullptr : step;
}

static const IndexField *membership_field(const SegmentIndex *index, const Membership *membership)
{
    for (const IndexField &field : index->fields) {
        if (field.kind != field_membership || field.source >= max_asked_sources)
            continue;
        const IndexSource &source = index->sources[field.source];
        if (source.relation == membership->table && source.member == get_attnum(membership->table, membership->member) &&
            source.value == get_attnum(membership->table, membership->value))
            return &field;
    }
    return nullptr;
}

// Whether the member is in one of some lists.
static Step *compile_membership(ProgramCompiler &compiler, const BoundRule *, const BoundNode &node, bool negated)
{
    const IndexField *kept = membership_field(compiler.index, node.field->membership);
    if (kept == nullptr || node.as_numeric)
        return nullptr;
    const OperatorInfo &info = operator_info(node.node->op);
    bool complement = negated != info.negative;
    if ((info.negative ? info.twin : node.node->op) == Operator::is_empty)
        complement = !complement;
    Step *step = make_step(StepKind::set, complement);
    step->field = kept->number;
    use_source(compiler, kept->source);
    const char *sql = membership_condition(node, "n");
    if (*sql == '\0')
        return step;
    step->predicate = read_predicate(compiler.index, *kept, node.field->membership->value, node.field->type, node.field->typmod, node.field->collation, sql);
    return step->predicate == nullptr ? nullptr : step;
}

// The count of the events that a leaf measures, if the index keeps them.
static const IndexField *event_field(const SegmentIndex *index, const BoundBehaviour &behaviour)
{
    const EventSource *events = behaviour.events.source;
    if (events == nullptr || behaviour.events.where != nullptr || !behaviour.steps.empty())
        return nullptr;
    for (const IndexField &field : index->fields) {
        if (field.kind != field_count || field.source >= max_asked_sources)
            continue;
        const IndexSource &source = index->sources[field.source];
        if (source.relation != events->table || source.member != get_attnum(events->table, events->member) || source.at != get_attnum(events->table, events->at))
            continue;
        if ((events->kind == nullptr) != (source.event_kind == 0) || (events->kind != nullptr && source.event_kind != get_attnum(events->table, events->kind)))
            continue;
        if (field.event == nullptr && behaviour.events.kind == nullptr)
            return &field;
        if (field.event == nullptr || behaviour.events.kind == nullptr)
            continue;
        std::string_view literal = behaviour.events.kind, name = quote_literal_cstr(field.event);
        if (literal.starts_with(name) && literal.substr(name.size()).starts_with("::"))
            return &field;
    }
    return nullptr;
}

// How many events of a kind, the first, or the last one. In a window only whether there are any: then the last one lies in it.
static Step *compile_events(ProgramCompiler &compiler, const BoundRule *rule, const BoundNode &node, bool negated)
{
    const BoundBehaviour &behaviour = *node.behaviour;
    const IndexField *count = node.node->field_value ? nullptr : event_field(compiler.index, behaviour);
    bool window = behaviour.from != nullptr || behaviour.to != nullptr;
    if (count == nullptr || behaviour.to != nullptr || (window && behaviour.measure != Measure::count))
        return nullptr;
    int offset;
    switch (behaviour.measure) {
    case Measure::count:
        offset = 0;
        break;
    case Measure::first:
        offset = 1;
        break;
    case Measure::last:
        offset = 2;
        break;
    default:
        return nullptr;
    }
    const IndexField &kept = *field_of(compiler.index, static_cast<std::uint16_t>(count->number + offset));
    Oid type = offset == 0 ? INT8OID : TIMESTAMPTZOID;
    const char *sql = value_condition(rule, node, value_field(type, -1, InvalidOid), negated);
    Predicate *predicate = read_predicate(compiler.index, kept, "v", type, -1, InvalidOid, sql);
    if (predicate == nullptr)
        return nullptr;
    Step *step = make_step(StepKind::column);
    step->field = kept.number;
    step->predicate = predicate;
    if (window) {
        Matched counts = evaluate(compiler.index, predicate);
        auto holds = [&](std::int64_t value) {
            for (std::size_t i = 0; i < counts.values.count; i++)
                if (counts.values.items[i].low <= value && value <= counts.values.items[i].high)
                    return true;
            return false;
        };
        // From one on all alike: one interval ends there, or begins there.
        bool none = holds(0), some = holds(1);
        bool alike = none == some;
        for (std::size_t i = 0; i < counts.values.count; i++) {
            const Interval &part = counts.values.items[i];
            alike = alike || (part.low >= 2) || (part.high >= 1 && part.high != PG_INT64_MAX);
        }
        if (alike)
            return nullptr;
        const IndexField &last = *field_of(compiler.index, static_cast<std::uint16_t>(count->number + 2));
        step->complement = none;
        step->field = last.number;
        step->predicate = read_predicate(compiler.index, last, "v", TIMESTAMPTZOID, -1, InvalidOid, psprintf("n.v >= %s", behaviour.from));
        if (step->predicate == nullptr)
            return nullptr;
    }
    use_source(compiler, kept.source);
    step->now = read_scalar(rule->now);
    step->events = count->number;
    step->sql = keys_of_node(compiler, rule, node, negated);
    compiler.program->events = lappend(compiler.program->events, step);
    return step;
}

static Step *compile_group(ProgramCompiler &compiler, const BoundRule *rule, const BoundNode &node, bool negated)
{
    negated = negated != node.node->negated;
    bool any = node.node->any != negated;
    if (node.children.size() == 1)
        return compile_node(compiler, rule, node.children[0], negated);
    Step *step = make_group(any ? StepKind::any_of : StepKind::all_of, node.children.size());
    for (const BoundNode &child : node.children)
        step->children[step->count++] = compile_node(compiler, rule, child, negated);
    return step;
}

static Step *complement_of(Step *of)
{
    Step *step = make_group(StepKind::complement, 1);
    step->children[step->count++] = of;
    return step;
}

static Step *compile_node(ProgramCompiler &compiler, const BoundRule *rule, const BoundNode &node, bool negated)
{
    check_stack_depth();
    Step *step = nullptr;
    switch (node.node->kind) {
    case NodeKind::group:
        return compile_group(compiler, rule, node, negated);
    case NodeKind::segment:
        // Not in a segment are also those for whom its rule is unknown.
        if (negated && node.segment->semantics == Semantics::sql)
            return complement_of(compile_node(compiler, node.segment, node.segment->root, false));
        return compile_node(compiler, node.segment, node.segment->root, negated);
    case NodeKind::everyone:
        return negated ? complement_of(make_step(StepKind::everyone)) : make_step(StepKind::everyone);
    case NodeKind::sequence:
        break;
    case NodeKind::event:
        step = compile_events(compiler, rule, node, negated);
        break;
    case NodeKind::field:
        if (node.behaviour != nullptr)
            step = compile_events(compiler, rule, node, negated);
        else if (node.field->source == FieldSource::membership)
            step = compile_membership(compiler, rule, node, negated);
        else if (node.field->source == FieldSource::column)
            step = compile_column(compiler, rule, node, negated);
        break;
    }
    return step != nullptr ? step : compile_sql(compiler, rule, node, negated);
}

// Compiles into CurrentMemoryContext.
static Program *compile(SegmentIndex *index, const Audience *audience, const Rule *rule, bool suppress)
{
    auto *program = static_cast<Program *>(palloc0(sizeof(Program)));
    program->index = index;
    program->sources = 1;
    ProgramCompiler compiler = {index, audience, program};
    const BoundRule *bound = bind(audience, rule, false);
    program->checks = bound->checks;
    Step *root = compile_node(compiler, bound, bound->root, false);
    if (suppress && !audience->suppressions.empty()) {
        Step *all = make_group(StepKind::all_of, audience->suppressions.size() + 1);
        all->children[all->count++] = root;
        for (const Suppression &suppression : audience->suppressions) {
            const BoundRule *suppressed = bind(audience, suppression.rule, true);
            all->children[all->count++] = suppressed->semantics == Semantics::two_valued
                                              ? compile_node(compiler, suppressed, suppressed->root, true)
                                              : complement_of(compile_node(compiler, suppressed, suppressed->root, false));
        }
        root = all;
    }
    program->root = root;
    if (program->sql_cost > 0)
        program->path_cost = plan_select(select_sql(bound, "1", suppress), 0)->planTree->total_cost;
    return program;
}

// Kept programs -------------------------------------------------------------------------------------------------------------------------

// A program and all on which it depends.
struct KeptProgram {
    Program *program;
    Oid role;
    bool suppress;
    const pg_tz *zone;
    std::uint64_t catalog;
    std::size_t size;
    const char *rule; // its bytes
    std::uint64_t used;
    MemoryContext context;
};
constexpr int max_programs = 64;
static KeptProgram kept[max_programs];
static std::uint64_t uses = 0;

// Whether one of the lists that a program names is gone: then binding it once more says so.
static bool fails_checks(Program *program)
{
    if (program->checks == NIL)
        return false;
    bool gone = false;
    int path = enter_safe_path();
    SPI_connect();
    for (int i = 0; i < list_length(program->checks) && !gone; i++) {
        if (i == list_length(program->check_plans)) {
            SPIPlanPtr plan = SPI_prepare(static_cast<char *>(list_nth(program->checks, i)), 0, nullptr);
            if (plan == nullptr || SPI_keepplan(plan) != 0)
                elog(ERROR, "could not look for lists");
            MemoryContext caller = MemoryContextSwitchTo(program->context);
            program->check_plans = lappend(program->check_plans, plan);
            MemoryContextSwitchTo(caller);
        }
        if (SPI_execute_plan(static_cast<SPIPlanPtr>(list_nth(program->check_plans, i)), nullptr, nullptr, true, 1) != SPI_OK_SELECT)
            elog(ERROR, "could not look for lists");
        gone = SPI_processed > 0;
    }
    SPI_finish();
    leave_safe_path(path);
    return gone;
}

// Forgets a program; one that is running further up lives until the transaction ends.
static void forget(KeptProgram &known)
{
    if (known.context == nullptr)
        return;
    ListCell *cell;
    foreach (cell, known.program->check_plans)
        SPI_freeplan(static_cast<SPIPlanPtr>(lfirst(cell)));
    known.program->check_plans = NIL;
    MemoryContextSetParent(known.context, TopTransactionContext);
    known = {};
}

Program *program_of(SegmentIndex *index, const Audience *audience, Datum rule, bool suppress)
{
    auto *text = reinterpret_cast<struct varlena *>(PG_DETOAST_DATUM_PACKED(rule));
    std::string_view bytes(VARDATA_ANY(text), VARSIZE_ANY_EXHDR(text));
    KeptProgram *oldest = &kept[0];
    for (KeptProgram &known : kept) {
        if (known.used < oldest->used)
            oldest = &known;
        if (known.program == nullptr || known.program->index != index || known.size != bytes.size() || known.suppress != suppress ||
            known.role != GetUserId() || known.zone != session_timezone || known.catalog != catalog_generation() ||
            std::string_view(known.rule, known.size) != bytes)
            continue;
        if (fails_checks(known.program))
            break;
        known.used = ++uses;
        return known.program;
    }
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "segments program", ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(context);
    Program *program = compile(index, audience, rule_of(rule), suppress);
    program->context = context;
    const char *copied = copy(bytes);
    MemoryContextSwitchTo(caller);
    forget(*oldest);
    MemoryContextSetParent(context, CacheMemoryContext);
    *oldest = {program, GetUserId(), suppress, session_timezone, catalog_generation(), bytes.size(), copied, ++uses, context};
    return program;
}

} // namespace segments
