// The SQL of what asks events. See event_sql.hpp.
#include "event_sql.hpp"

#include "boundary.hpp"
#include "coerce.hpp"
#include "events.hpp"
#include "leaf.hpp"
#include "planner.hpp"

extern "C" {
#include "optimizer/optimizer.h"
}

namespace segments {

// The instant of an event; a timestamp is read in the rule's zone.
static const char *at_sql(const BoundRule *rule, const EventSource *source)
{
    const char *at = column_sql("e", source->at);
    if (source->at_type == TIMESTAMPTZOID)
        return at;
    return rule->zone ? psprintf("(%s AT TIME ZONE %s)", at, rule->zone) : psprintf("(%s)::timestamptz", at);
}

// What an event must be, and satisfy, whatever its time; "true" where any will do.
static const char *identity_sql(const BoundEvents &events)
{
    StringInfoData sql;
    initStringInfo(&sql);
    if (events.kind != nullptr)
        appendStringInfo(&sql, "%s = %s", column_sql("e", events.source->kind), events.kind);
    if (events.where != nullptr) {
        appendStringInfoString(&sql, sql.len ? " AND " : "");
        emit(&sql, events.where, events.where->root, {Form::filter, false, false, nullptr});
    }
    return sql.len ? sql.data : "true";
}

// When an event must have happened: not after now, in the window.
static const char *window_sql(const BoundRule *rule, const EventSource *source, const BoundBehaviour &window)
{
    const char *at = at_sql(rule, source);
    StringInfoData sql;
    initStringInfo(&sql);
    appendStringInfo(&sql, "%s <= %s", at, rule->now);
    if (window.from != nullptr)
        appendStringInfo(&sql, " AND %s >= %s", at, window.from);
    if (window.to != nullptr)
        appendStringInfo(&sql, " AND %s %s %s", at, window.to_excluded ? "<" : "<=", window.to);
    return sql.data;
}

// The events that a leaf measures.
static const char *events_sql(const BoundRule *rule, const BoundBehaviour &behaviour)
{
    return psprintf("%s AND %s", identity_sql(behaviour.events), window_sql(rule, behaviour.events.source, behaviour));
}

// The kinds of several events of one source, so that an index on them can be used where they are told apart by more, too.
struct Kinds {
    List *literals = NIL; // char *
    bool any = false;     // events of whatever kind
};

static void add_kind(Kinds *kinds, const BoundEvents &events)
{
    kinds->any = kinds->any || events.kind == nullptr;
    ListCell *cell;
    foreach (cell, kinds->literals)
        if (kinds->any || std::string_view(static_cast<char *>(lfirst(cell))) == events.kind)
            return;
    if (!kinds->any)
        kinds->literals = lappend(kinds->literals, const_cast<char *>(events.kind));
}

// "kind IN (…) AND ", or "".
static const char *kinds_sql(const Kinds &kinds, const EventSource *source)
{
    if (kinds.any)
        return "";
    StringInfoData sql;
    initStringInfo(&sql);
    appendStringInfo(&sql, "%s IN (", column_sql("e", source->kind));
    ListCell *cell;
    foreach (cell, kinds.literals)
        appendStringInfo(&sql, "%s%s", foreach_current_index(cell) ? ", " : "", static_cast<char *>(lfirst(cell)));
    appendStringInfoString(&sql, ") AND ");
    return sql.data;
}

// What a measure is taken of: the column, or the time.
static const char *measured_sql(const BoundRule *rule, const BoundBehaviour &behaviour)
{
    if (behaviour.column == nullptr)
        return at_sql(rule, behaviour.events.source);
    return psprintf("e.%s", behaviour.column);
}

// The aggregate of a measure; NULL, or 0 for counts, where there are no events. filter: "" or a FILTER clause.
static const char *aggregate_sql(const BoundRule *rule, const BoundBehaviour &behaviour, const char *filter)
{
    const char *of = measured_sql(rule, behaviour);
    switch (behaviour.measure) {
    case Measure::count:
        return psprintf("count(*)%s", filter);
    case Measure::distinct:
        return psprintf("count(DISTINCT %s)%s", of, filter);
    case Measure::first:
    case Measure::min:
        return psprintf("min(%s)%s", of, filter);
    case Measure::last:
    case Measure::max:
        return psprintf("max(%s)%s", of, filter);
    case Measure::sum:
    case Measure::avg: {
        bool floating = behaviour.type.cls == FieldClass::floating;
        return psprintf("%s(%s%s)%s%s", measure_name(behaviour.measure), of, floating ? "::float8" : "", filter, floating ? "" : "::numeric");
    }
    }
    return nullptr;
}

// SELECT of the members who have the events, grouped; having: "" or a HAVING clause.
static const char *grouped_sql(const BoundRule *rule, const BoundBehaviour &behaviour, const char *having)
{
    const EventSource *source = behaviour.events.source;
    const char *member = column_sql("e", source->member);
    return psprintf("SELECT %s AS member FROM %s e WHERE %s GROUP BY %s%s", member, source->row->name, events_sql(rule, behaviour), member, having);
}

// The value of a measure for the member n alone; NULL, or 0 for counts, where there are no events.
static const char *scalar_sql(const BoundRule *rule, const BoundBehaviour &behaviour)
{
    const EventSource *source = behaviour.events.source;
    return psprintf("(SELECT %s FROM %s e WHERE %s = %s AND %s)", aggregate_sql(rule, behaviour, ""), source->row->name,
                    column_sql("e", source->member), column_sql("n", rule->audience->key), events_sql(rule, behaviour));
}

// One pass over an event source: the values that are taken on the way. Those of another window have a pass of their own, which may read
// less.
struct EventJoin {
    const EventSource *source;
    const char *window;
    const char *alias;
    List *values; // EventValue *
};
struct EventValue {
    const char *aggregate; // without its filter
    const char *events;    // condition
    const BoundRule *rule;
    const BoundBehaviour *behaviour;
};

// The pass over a source's events of a window, or null. Where there are many passes, any one over the source will do.
static EventJoin *find_pass(const List *passes, const EventSource *source, const char *window)
{
    bool many = list_length(passes) >= max_joins;
    ListCell *cell;
    foreach (cell, passes) {
        auto *known = static_cast<EventJoin *>(lfirst(cell));
        if (known->source == source && (many || std::string_view(known->window) == window))
            return known;
    }
    return nullptr;
}

// The value of a measure in a join; NULL where there are no events, or, for counts, no events of any value in the join.
static const char *joined_value(Joins *joins, const BoundRule *rule, const BoundBehaviour *behaviour)
{
    const char *window = window_sql(rule, behaviour->events.source, *behaviour);
    EventJoin *join = find_pass(joins->events, behaviour->events.source, window);
    ListCell *cell;
    if (join == nullptr) {
        join = static_cast<EventJoin *>(palloc0(sizeof(EventJoin)));
        join->source = behaviour->events.source;
        join->window = window;
        joins->events = lappend(joins->events, join);
        join->alias = psprintf("x%d", list_length(joins->events));
    }
    const char *aggregate = aggregate_sql(rule, *behaviour, ""), *events = events_sql(rule, *behaviour);
    int position = 0;
    foreach (cell, join->values) {
        position++;
        auto *value = static_cast<EventValue *>(lfirst(cell));
        if (std::string_view(value->aggregate) == aggregate && std::string_view(value->events) == events)
            return psprintf("%s.v%d", join->alias, position);
    }
    auto *value = static_cast<EventValue *>(palloc(sizeof(EventValue)));
    *value = {aggregate, events, rule, behaviour};
    join->values = lappend(join->values, value);
    return psprintf("%s.v%d", join->alias, list_length(join->values));
}

void append_event_joins(StringInfo out, const Joins *joins, const char *key)
{
    ListCell *cell, *other;
    foreach (cell, joins->events) {
        auto *join = static_cast<EventJoin *>(lfirst(cell));
        const char *member = column_sql("e", join->source->member);
        // Events of all values; those of each are told apart by a filter where they differ.
        List *conditions = NIL;
        Kinds kinds;
        foreach (other, join->values) {
            add_kind(&kinds, static_cast<EventValue *>(lfirst(other))->behaviour->events);
            auto *events = const_cast<char *>(static_cast<EventValue *>(lfirst(other))->events);
            bool known = false;
            ListCell *condition;
            foreach (condition, conditions)
                known = known || std::string_view(static_cast<char *>(lfirst(condition))) == events;
            if (!known)
                conditions = lappend(conditions, events);
        }
        bool one = list_length(conditions) == 1;
        appendStringInfo(out, " LEFT JOIN (SELECT %s AS member", member);
        int position = 0;
        foreach (other, join->values) {
            auto *value = static_cast<EventValue *>(lfirst(other));
            const char *filter = one ? "" : psprintf(" FILTER (WHERE %s)", value->events);
            appendStringInfo(out, ", %s AS v%d", aggregate_sql(value->rule, *value->behaviour, filter), ++position);
        }
        appendStringInfo(out, " FROM %s e WHERE %s", join->source->row->name, one ? "" : psprintf("%s(", kinds_sql(kinds, join->source)));
        foreach (other, conditions) {
            auto *condition = static_cast<char *>(lfirst(other));
            appendStringInfo(out, "%s%s", foreach_current_index(other) ? " OR " : "", one ? condition : psprintf("(%s)", condition));
        }
        appendStringInfo(out, one ? "" : ")");
        appendStringInfo(out, " GROUP BY %s) %s ON %s.member = %s", member, join->alias, join->alias, column_sql("n", key));
    }
}

// A field with SQL in its place.
static const Field *field_as(const Field *field, const char *sql)
{
    auto *expression = static_cast<Field *>(palloc(sizeof(Field)));
    *expression = *field;
    expression->source = FieldSource::expression;
    expression->expression = sql;
    return expression;
}

// The leaf with SQL as its measure's value.
static LeafSql over(const BoundRule *rule, const BoundNode &node, Operator positive, const char *value)
{
    BoundNode leaf = node;
    leaf.field = field_as(node.field, value);
    return leaf_sql(rule, leaf, positive);
}

// Whether a condition without variables holds.
static bool holds(const BoundRule *rule, const char *condition)
{
    PgNode *value = parse_condition(rule->audience, psprintf("COALESCE(%s, false)", condition), InvalidOid).expression;
    value = eval_const_expressions(nullptr, value);
    if (!IsA(value, Const))
        elog(ERROR, "not a constant: %s", condition);
    return DatumGetBool(reinterpret_cast<Const *>(value)->constvalue);
}

// Whether members without a value are in: by the positive operator's condition, or by its complement.
static bool includes_absent(const BoundRule *rule, const BoundNode &node, Operator positive, bool negated)
{
    Measure measure = node.behaviour->measure;
    if (!counts_from_zero(measure)) {
        bool absent = positive == Operator::is_null || (positive == Operator::is_empty && rule->semantics == Semantics::two_valued);
        bool unknown = rule->semantics == Semantics::sql && !absent;
        return !unknown && absent != negated;
    }
    const char *zero = measure != Measure::sum ? "0::bigint" : node.behaviour->type.cls == FieldClass::floating ? "0::float8" : "0::numeric";
    return holds(rule, over(rule, node, positive, zero).condition) != negated;
}

// What a single event must satisfy besides, for the positive operator's condition, or its complement, to hold for a member, where it does not hold
// without events; null where that takes a look at all events of a member.
static const char *single_event(const BoundRule *rule, const BoundNode &node, Operator positive, bool complement)
{
    const BoundBehaviour &behaviour = *node.behaviour;
    bool above = complement ? positive == Operator::less || positive == Operator::less_or_equal || positive == Operator::greater_than_n_days
                            : positive == Operator::greater || positive == Operator::greater_or_equal;
    bool below = complement ? positive == Operator::greater || positive == Operator::greater_or_equal
                            : positive == Operator::less || positive == Operator::less_or_equal || positive == Operator::greater_than_n_days;
    switch (behaviour.measure) {
    case Measure::count:
    case Measure::distinct: {
        if (node.values.size() != 1 || node.values[0].text == nullptr || node.as_numeric)
            return nullptr;
        bool once = complement ? positive == Operator::less : positive == Operator::greater_or_equal;
        bool some = complement ? positive == Operator::less_or_equal || positive == Operator::equal || positive == Operator::in
                               : positive == Operator::greater;
        if (!(once && std::string_view(node.values[0].text) == "1") && !(some && std::string_view(node.values[0].text) == "0"))
            return nullptr;
        return behaviour.measure == Measure::count ? "" : psprintf(" AND %s IS NOT NULL", measured_sql(rule, behaviour));
    }
    case Measure::last:
        above = above || (!complement && positive == Operator::less_than_n_days);
        [[fallthrough]];
    case Measure::max:
        below = false;
        break;
    case Measure::first:
    case Measure::min:
        above = false;
        break;
    default:
        return nullptr;
    }
    if (!above && !below)
        return nullptr;
    LeafSql leaf = over(rule, node, positive, measured_sql(rule, behaviour));
    return psprintf(" AND (%s)", complement ? leaf.complement : leaf.condition);
}

void emit_event(StringInfo out, const BoundRule *rule, const BoundNode &node, Operator positive, bool negated, const Place &place)
{
    const BoundBehaviour &behaviour = *node.behaviour;
    if (positive == Operator::is_null && counts_from_zero(behaviour.measure)) {
        appendStringInfoString(out, negated ? "true" : "false");
        return;
    }
    if (place.form == Form::exact && rule->semantics == Semantics::sql && !counts_from_zero(behaviour.measure)) {
        LeafSql leaf = over(rule, node, positive, scalar_sql(rule, behaviour));
        appendStringInfo(out, "(%s)", negated ? leaf.complement : leaf.condition);
        return;
    }
    // Whoever has no events is in or not; the others are told apart by what makes them differ.
    bool absent = includes_absent(rule, node, positive, negated), complement = negated != absent;
    const char *key = column_sql("n", rule->audience->key), *exists = absent ? "NOT EXISTS" : "EXISTS";
    bool passed = place.joins != nullptr && find_pass(place.joins->passes, behaviour.events.source, window_sql(rule, behaviour.events.source, behaviour));
    if (place.joins == nullptr || (place.conjunct && !passed)) {
        if (const char *single = single_event(rule, node, positive, complement)) {
            const EventSource *source = behaviour.events.source;
            appendStringInfo(out, "%s (SELECT 1 FROM %s e WHERE %s = %s AND %s%s)", exists, source->row->name, column_sql("e", source->member),
                             key, events_sql(rule, behaviour), single);
            return;
        }
    }
    if (place.joins == nullptr) {
        LeafSql leaf = over(rule, node, positive, aggregate_sql(rule, behaviour, ""));
        const char *having = complement ? leaf.complement : leaf.condition;
        appendStringInfo(out, "%s (SELECT 1 FROM (%s) x WHERE x.member = %s)", exists, grouped_sql(rule, behaviour, psprintf(" HAVING %s", having)), key);
        return;
    }
    const char *value = joined_value(place.joins, rule, &behaviour);
    LeafSql leaf = over(rule, node, positive, value);
    appendStringInfo(out, absent ? "(%s OR %s IS NULL)" : "(%s)", negated ? leaf.complement : leaf.condition, value);
}

// SQL over n for the value of a measure, 0 where a count has nothing to count.
static const char *value_sql(const BoundRule *rule, const BoundBehaviour *behaviour, Joins *joins)
{
    const char *value = joins ? joined_value(joins, rule, behaviour) : scalar_sql(rule, *behaviour);
    return counts_from_zero(behaviour->measure) ? psprintf("COALESCE(%s, 0)", value) : value;
}

const char *measure_sql(const Audience *audience, const Node *leaf)
{
    Rule without_keys;
    BoundRule rule = {};
    const BoundBehaviour *behaviour = bind_measure(audience, leaf, &without_keys, rule);
    return value_sql(&rule, behaviour, nullptr);
}

const char *field_value_sql(const Audience *audience, const Rule *rule, const Field &field, Joins *joins)
{
    auto *bound = static_cast<BoundRule *>(palloc0(sizeof(BoundRule)));
    const BoundBehaviour *behaviour = bind_measure(audience, field.leaf, rule, *bound);
    return value_sql(bound, behaviour, joins);
}

BoundNode with_event_values(const BoundRule *rule, const BoundNode &node, Joins *joins)
{
    BoundNode result = node;
    auto in_place = [&](const Field *field, const BoundBehaviour *behaviour) {
        return behaviour ? field_as(field, value_sql(rule, behaviour, joins)) : field;
    };
    result.field = in_place(node.field, node.behaviour);
    if (node.other_behaviours.empty())
        return result;
    auto *others = static_cast<const Field **>(palloc(sizeof(Field *) * node.others.size()));
    for (std::size_t i = 0; i < node.others.size(); i++)
        others[i] = in_place(node.others[i], node.other_behaviours[i]);
    result.others = {others, node.others.size()};
    return result;
}

// What makes an event one of a step, among the events that are read: an absent step is not bound by the window's end.
static const char *step_sql(const BoundRule *rule, const BoundBehaviour &sequence, const BoundStep &step)
{
    const char *identity = identity_sql(step.events);
    if (sequence.to == nullptr || step.absent)
        return identity;
    return psprintf("%s AND %s %s %s", identity, at_sql(rule, step.events.source), sequence.to_excluded ? "<" : "<=", sequence.to);
}

// Steps as a number, one bit each, or, where they are too many for that, as an array of flags.
constexpr std::size_t max_bits = 63;

// Of which steps an event of a source is one.
static const char *flags_sql(const BoundRule *rule, const BoundBehaviour &sequence, const EventSource *source)
{
    bool bits = sequence.steps.size() <= max_bits;
    StringInfoData sql;
    initStringInfo(&sql);
    for (std::size_t i = 0; i < sequence.steps.size(); i++) {
        const BoundStep &step = sequence.steps[i];
        bool here = step.events.source == source;
        if (bits && here)
            appendStringInfo(&sql, "%sCASE WHEN %s THEN %lld::bigint ELSE 0 END", sql.len ? " + " : "", step_sql(rule, sequence, step), 1LL << i);
        if (!bits)
            appendStringInfo(&sql, "%s%s", i ? ", " : "ARRAY[", here ? psprintf("(%s) IS TRUE", step_sql(rule, sequence, step)) : "false");
    }
    appendStringInfoString(&sql, bits ? "" : "]");
    return sql.data;
}

// Events of a sequence, each source read once: member, at, and of which steps the event is one.
static const char *sequence_events(const BoundRule *rule, const BoundBehaviour &sequence)
{
    std::span<BoundStep> steps = sequence.steps;
    StringInfoData sql;
    initStringInfo(&sql);
    for (std::size_t first = 0; first < steps.size(); first++) {
        const EventSource *source = steps[first].events.source;
        bool seen = false;
        for (std::size_t i = 0; i < first; i++)
            seen = seen || steps[i].events.source == source;
        if (seen)
            continue;
        Kinds kinds;
        StringInfoData any;
        initStringInfo(&any);
        bool told_by_more = sequence.to != nullptr;
        for (const BoundStep &step : steps.subspan(first)) {
            if (step.events.source != source)
                continue;
            add_kind(&kinds, step.events);
            told_by_more = told_by_more || step.events.where != nullptr;
            appendStringInfo(&any, "%s(%s)", any.len ? " OR " : " AND (", step_sql(rule, sequence, step));
        }
        const char *at = at_sql(rule, source);
        appendStringInfo(&sql, "%sSELECT %s AS member, %s AS at, %s AS steps FROM %s e WHERE %s%s <= %s", sql.len ? " UNION ALL " : "",
                         column_sql("e", source->member), at, flags_sql(rule, sequence, source), source->row->name, kinds_sql(kinds, source), at,
                         rule->now);
        if (sequence.from != nullptr)
            appendStringInfo(&sql, " AND %s >= %s", at, sequence.from);
        if (told_by_more)
            appendStringInfo(&sql, "%s)", any.data);
    }
    return sql.data;
}

// The aggregate over those events: when the latest run of the sequence begins.
static const char *sequence_aggregate(const BoundRule *rule, const BoundBehaviour &sequence)
{
    StringInfoData spans;
    initStringInfo(&spans);
    for (const BoundStep &step : sequence.steps.subspan(1))
        appendStringInfo(&spans, "%s%s", spans.len ? "," : "{", step.after.amount > 0 ? interval_text(step.after) : "NULL");
    return psprintf("segments.sequence(x.at, x.steps, '%s}'::interval[], %s, %s, %s)", spans.data, rule->zone ? rule->zone : "NULL",
                    sequence.steps.back().absent ? "true" : "false", rule->now);
}

// SELECT of the members who have the sequence. Ordered by member, so that a group takes no more memory than its member's events: a hash table of
// all members' could not be spilled.
static char *sequence_members(const BoundRule *rule, const BoundBehaviour &sequence)
{
    // A run begins before now, if there is one. (IS NOT NULL would be taken to hold for nearly everybody.)
    return psprintf("SELECT x.member AS member FROM (%s ORDER BY member) x GROUP BY x.member HAVING %s <= %s", sequence_events(rule, sequence),
                    sequence_aggregate(rule, sequence), rule->now);
}

void emit_sequence(StringInfo out, const BoundRule *rule, const BoundNode &node, const Place &place)
{
    char *members = sequence_members(rule, *node.behaviour);
    if (place.joins != nullptr && !place.conjunct) {
        appendStringInfo(out, "%s.member IS %sNULL", join_alias(place.joins, members), place.negated ? "" : "NOT ");
        return;
    }
    appendStringInfo(out, "%sEXISTS (SELECT 1 FROM (%s) x WHERE x.member = %s)", place.negated ? "NOT " : "", members,
                     column_sql("n", rule->audience->key));
}

const char *actual_behaviour_sql(const BoundRule *rule, const BoundNode &node)
{
    if (node.behaviour->steps.empty())
        return psprintf("(%s)::text", value_sql(rule, node.behaviour, nullptr));
    return psprintf("(SELECT %s::text FROM (%s) x WHERE x.member = %s)", sequence_aggregate(rule, *node.behaviour), sequence_events(rule, *node.behaviour),
                    column_sql("n", rule->audience->key));
}

} // namespace segments
