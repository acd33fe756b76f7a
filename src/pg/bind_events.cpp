// Binding what a rule says of events: sources, kinds, measures, windows, sequences. See binder.hpp.
#include "binder.hpp"
#include "boundary.hpp"
#include "events.hpp"

namespace segments {

// The events of a name that satisfy a "where"; false where a problem was collected.
bool Binder::bind_events(std::string_view name, std::string_view path, const Node *where, BoundEvents &events)
{
    FoundEvent found = find_event(audience_, name);
    if (found.other != nullptr) {
        complain(to_, ERRCODE_UNDEFINED_OBJECT, path, psprintf("Say \"%s.%s\" or \"%s.%s\".", found.rival->name, copy(name), found.other->name, copy(name)),
                 "event \"%s\" of audience %s is ambiguous: sources \"%s\" and \"%s\" have it", copy(name), audience_->name, found.rival->name,
                 found.other->name);
        return false;
    }
    if (found.source == nullptr) {
        complain(to_, ERRCODE_UNDEFINED_OBJECT, path,
                 nearest_hint(name, event_names(audience_), "segments.events() lists the events that there are."),
                 "event \"%s\" of audience %s does not exist", copy(name), audience_->name);
        return false;
    }
    events.source = found.source;
    if (found.kind != nullptr) {
        Oid type = found.source->kind_type;
        events.kind = literal_sql(found.kind, type == VARCHAROID || type == NAMEOID ? TEXTOID : type);
    }
    if (where != nullptr)
        events.where = bind_where(found.source, *where);
    return true;
}

// What one event must satisfy, over its own columns.
const BoundRule *Binder::bind_where(const EventSource *source, const Node &where)
{
    auto *bound = static_cast<BoundRule *>(palloc0(sizeof(BoundRule)));
    Binder binder(source->row, to_, stored_, nullptr, outer_now_);
    binder.in_where_ = true;
    binder.set_context(bound);
    binder.bind_node(where, bound->root);
    weight_ += binder.weight_;
    return bound;
}

// One end of a window as SQL of an instant. A date is a whole day: as the end, the next day's start, which lies outside then.
const char *Binder::bind_bound(const Value *value, bool end, bool *excluded)
{
    if (value == nullptr)
        return nullptr;
    Semantics semantics = to_.semantics;
    to_.semantics = Semantics::two_valued;
    BoundValue bound = {};
    bool as_numeric = false;
    coerce(to_, *value, {FieldClass::timestamptz, TIMESTAMPTZOID, {}}, bound, as_numeric);
    to_.semantics = semantics;
    *excluded = end && bound.day_end != nullptr;
    return *excluded ? bound.day_end : bound.sql;
}

void Binder::bind_window(const Window &window, BoundBehaviour &bound)
{
    bool start_excluded;
    bound.from = bind_bound(window.from, false, &start_excluded);
    bound.to = bind_bound(window.to, true, &bound.to_excluded);
    if (window.last.amount > 0)
        bound.from = shifted_instant(to_.now, to_.zone, '-', interval_text(window.last), window.last.unit >= Unit::day);
}

const BoundBehaviour *Binder::bind_measure(const Node &leaf, const Field *&field)
{
    const Behaviour &behaviour = *leaf.behaviour;
    auto *bound = static_cast<BoundBehaviour *>(palloc0(sizeof(BoundBehaviour)));
    bound->measure = behaviour.measure;
    int found = to_.found;
    if (!bind_events(leaf.name, leaf.name_path, behaviour.where, bound->events))
        return nullptr;
    bind_window(behaviour.within, *bound);
    MeasureType type = measure_type(bound->events.source, behaviour);
    if (!behaviour.column.empty() && type.column == nullptr) {
        complain(to_, ERRCODE_UNDEFINED_COLUMN, behaviour.measure_path, "A measure takes a column of the event table.",
                 "column \"%s\" of event table %s does not exist", copy(behaviour.column), bound->events.source->row->name);
        return nullptr;
    }
    if (!OidIsValid(type.type)) {
        complain(to_, ERRCODE_UNDEFINED_FUNCTION, behaviour.measure_path,
                 "sum and avg take numbers, min and max what has an order, distinct what can be equal.",
                 "column \"%s\" of type %s has no measure %s", copy(behaviour.column), format_type_be(type.column->type), measure_name(behaviour.measure));
        return nullptr;
    }
    if (type.column != nullptr)
        bound->column = quote_identifier(type.column->name);
    bound->type = classify_type(type.type);
    if (field == nullptr) {
        auto *value = static_cast<Field *>(palloc0(sizeof(Field)));
        value->name = value->label = copy(leaf.name);
        value->source = FieldSource::event;
        value->leaf = &leaf;
        value->type = type.type;
        value->typmod = -1;
        value->collation = type.collation;
        field = value;
    }
    return found == to_.found ? bound : nullptr;
}

// {"event": ..., "operator": ..., "value": ...}
void Binder::bind_event(const Node &node, BoundNode &bound)
{
    bound.behaviour = bind_measure(node, bound.field);
    if (bound.behaviour == nullptr)
        return;
    bound.probes = true;
    bound.type = bound.behaviour->type;
    Operator op = operator_info(node.op).negative ? operator_info(node.op).twin : node.op;
    bool counts = node.behaviour->measure == Measure::count || node.behaviour->measure == Measure::distinct;
    if (!has_operator(bound.type.cls, node.op) || (counts && (op == Operator::is_null || op == Operator::in_bucket))) {
        complain(to_, ERRCODE_UNDEFINED_FUNCTION, node.op_path,
                 counts ? "It has: equal, not_equal, less, less_or_equal, greater, greater_or_equal, between, not_between, in, not_in."
                        : operators_hint(*bound.field),
                 "measure %s of event \"%s\" has no operator %s", measure_name(node.behaviour->measure), bound.field->name, operator_info(node.op).name);
        return;
    }
    bind_values(node, bound);
}

void Binder::bind_sequence(const Node &node, BoundNode &bound)
{
    const Behaviour &behaviour = *node.behaviour;
    auto *sequence = static_cast<BoundBehaviour *>(palloc0(sizeof(BoundBehaviour)));
    auto *steps = static_cast<BoundStep *>(palloc0(sizeof(BoundStep) * behaviour.steps.size()));
    sequence->steps = {steps, behaviour.steps.size()};
    for (std::size_t i = 0; i < behaviour.steps.size(); i++) {
        const SequenceStep &step = behaviour.steps[i];
        weight_++;
        bind_events(step.event, step.event_path, step.where, steps[i].events);
        steps[i].after = step.after;
        steps[i].absent = step.absent;
    }
    bind_window(behaviour.within, *sequence);
    bound.behaviour = sequence;
    bound.probes = true;
}

} // namespace segments
