// Rules in words: segments.describe, and the SQL functions that show what the translator makes of a rule.
#include "boundary.hpp"
#include "elements.hpp"
#include "leaf.hpp"
#include "rule_type.hpp"
#include "translate.hpp"

extern "C" {
#include "mb/pg_wchar.h"
#include "utils/tuplestore.h"
}

namespace segments {

// What an operator says between a label and a value.
static const char *phrase(Operator op, bool time)
{
    switch (op) {
    case Operator::equal:
        return "is";
    case Operator::not_equal:
        return "is not";
    case Operator::less:
        return time ? "is before" : "is less than";
    case Operator::less_or_equal:
        return time ? "is on or before" : "is at most";
    case Operator::greater:
        return time ? "is after" : "is greater than";
    case Operator::greater_or_equal:
        return time ? "is on or after" : "is at least";
    case Operator::between:
        return "is between";
    case Operator::not_between:
        return "is not between";
    case Operator::in:
        return "is one of";
    case Operator::not_in:
        return "is none of";
    case Operator::begins_with:
        return "begins with";
    case Operator::not_begins_with:
        return "does not begin with";
    case Operator::contains:
        return "contains";
    case Operator::not_contains:
        return "does not contain";
    case Operator::ends_with:
        return "ends with";
    case Operator::not_ends_with:
        return "does not end with";
    case Operator::is_empty:
        return "is empty";
    case Operator::is_not_empty:
        return "is not empty";
    case Operator::is_null:
        return "is unknown";
    case Operator::is_not_null:
        return "is known";
    case Operator::matches_regex:
        return "matches";
    case Operator::not_matches_regex:
        return "does not match";
    default:
        return "";
    }
}

// 30 days
static void append_span(StringInfo out, const Span &span)
{
    appendStringInfo(out, "%lld %s%s", static_cast<long long>(span.amount), unit_name(span.unit), span.amount == 1 ? "" : "s");
}

// A value as a person would write it.
static void append_value(StringInfo out, const Value &value, bool quoted)
{
    static const char *const anchors[] = {"now", "the start of the day", "the end of the day", "the start of the week", "the end of the week",
                                          "the start of the month", "the end of the month", "the start of the quarter", "the end of the quarter",
                                          "the start of the year", "the end of the year"};
    switch (value.kind) {
    case ValueKind::boolean:
        appendStringInfoString(out, value.boolean ? "true" : "false");
        return;
    case ValueKind::number:
        appendBinaryStringInfo(out, value.text.data(), static_cast<int>(value.text.size()));
        return;
    case ValueKind::string:
        appendStringInfo(out, quoted ? "\"%s\"" : "%s", copy(value.text));
        return;
    case ValueKind::relative:
        break;
    }
    const char *anchor = anchors[static_cast<std::size_t>(value.anchor)];
    if (value.offset == 0) {
        appendStringInfoString(out, anchor);
        return;
    }
    append_span(out, {value.offset < 0 ? -value.offset : value.offset, value.unit});
    appendStringInfo(out, " %s %s", value.offset < 0 ? "before" : "after", anchor);
}

// A list of values: a, b or c.
static void append_values(StringInfo out, std::span<const Value> values, bool quoted, const char *last)
{
    constexpr std::size_t most = 20;
    std::size_t count = std::min(values.size(), most);
    for (std::size_t i = 0; i < count; i++) {
        if (i > 0)
            appendStringInfoString(out, i + 1 == values.size() ? last : ", ");
        append_value(out, values[i], quoted);
    }
    if (values.size() > most)
        appendStringInfo(out, " and %zu more", values.size() - most);
}

// What a list is called, as far as the asking role may know; null: its key must do.
static const char *list_name(const BoundNode &node, const BoundValue &value)
{
    const Membership *membership = node.field->membership;
    const char *names = readable_names(membership, membership->name_label);
    if (names == nullptr)
        return nullptr;
    const char *query = psprintf("SELECT (%s)::text FROM %s t WHERE %s = %s LIMIT 1", column_sql("t", membership->name_label), names,
                                 column_sql("t", membership->name_key), value.sql);
    MemoryContext context = CurrentMemoryContext;
    const char *name = nullptr;
    int path = enter_safe_path();
    SPI_connect();
    if (SPI_execute(query, true, 1) == SPI_OK_SELECT && SPI_processed > 0) {
        const char *found = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
        name = found ? MemoryContextStrdup(context, found) : nullptr;
    }
    SPI_finish();
    leave_safe_path(path);
    return name;
}

// A membership leaf: the member is in list "Newsletter".
static void append_membership(StringInfo out, const BoundNode &node)
{
    constexpr std::size_t most_names = 20;
    const OperatorInfo &info = operator_info(node.node->op);
    if ((info.negative ? info.twin : node.node->op) == Operator::is_empty) {
        appendStringInfo(out, "the member is in %s %s", info.negative ? "any" : "no", node.field->label);
        return;
    }
    appendStringInfo(out, "the member is %sin %s ", info.negative ? "not " : "", node.field->label);
    if (node.values.size() > most_names) {
        append_values(out, node.node->values, false, " or ");
        return;
    }
    for (std::size_t i = 0; i < node.values.size(); i++) {
        if (i > 0)
            appendStringInfoString(out, i + 1 == node.values.size() ? " or " : ", ");
        const char *name = list_name(node, node.values[i]);
        if (name != nullptr)
            appendStringInfo(out, "\"%s\"", name);
        else
            append_value(out, node.node->values[i], false);
    }
}

static void append_node(StringInfo out, const BoundNode &node, bool outermost);

// in the last 30 days
static void append_window(StringInfo out, const Window &window)
{
    if (window.last.amount > 0) {
        appendStringInfoString(out, " in the last ");
        append_span(out, window.last);
    }
    if (window.from != nullptr) {
        appendStringInfoString(out, " from ");
        append_value(out, *window.from, false);
    }
    if (window.to != nullptr) {
        appendStringInfoString(out, window.from ? " to " : " until ");
        append_value(out, *window.to, false);
    }
}

// "click" events where campaign is 7; noun: " events", " event" or "".
static void append_event(StringInfo out, std::string_view name, const char *noun, const BoundEvents &events)
{
    appendStringInfo(out, "\"%s\"%s", copy(name), noun);
    if (events.where == nullptr)
        return;
    appendStringInfoString(out, " where ");
    append_node(out, events.where->root, false);
}

// What an event leaf measures: the number of "click" events in the last 30 days.
static void append_measure(StringInfo out, const BoundNode &bound)
{
    static const char *const phrases[] = {"the number of",  "the time of the first", "the time of the last", "the sum of",
                                          "the smallest",   "the largest",           "the average",          "the number of different values of"};
    const Behaviour &behaviour = *bound.node->behaviour;
    appendStringInfo(out, "%s ", phrases[static_cast<std::size_t>(behaviour.measure)]);
    if (!behaviour.column.empty())
        appendStringInfo(out, "%s of ", copy(behaviour.column));
    bool one = behaviour.measure == Measure::first || behaviour.measure == Measure::last;
    append_event(out, bound.node->name, one ? " event" : " events", bound.behaviour->events);
    append_window(out, behaviour.within);
    appendStringInfoChar(out, ' ');
}

// the member has, in the last 30 days, "sent", then "click" within 7 days
static void append_sequence(StringInfo out, const BoundNode &bound)
{
    const Behaviour &sequence = *bound.node->behaviour;
    appendStringInfoString(out, "the member has");
    if (sequence.within.given()) {
        appendStringInfoChar(out, ',');
        append_window(out, sequence.within);
        appendStringInfoChar(out, ',');
    }
    for (std::size_t i = 0; i < sequence.steps.size(); i++) {
        const SequenceStep &step = sequence.steps[i];
        appendStringInfoString(out, i == 0 ? " " : step.absent ? ", and then no " : ", then ");
        append_event(out, step.event, "", bound.behaviour->steps[i].events);
        if (step.after.amount > 0) {
            appendStringInfoString(out, " within ");
            append_span(out, step.after);
        }
    }
}

// A leaf with "match": for at least 2 elements of Tags (element contains "vip").
static void append_match(StringInfo out, const BoundNode &node)
{
    static const char *const phrases[] = {"all elements", "some element", "no element", "at least", "at most", "exactly"};
    const Match &match = *node.node->match;
    appendStringInfo(out, "for %s", phrases[static_cast<std::size_t>(match.mode)]);
    if (match.mode >= MatchMode::at_least)
        appendStringInfo(out, match.share ? " %s of the elements" : " %s elements", copy(match.threshold));
    const BoundNode &group = node.elements->group;
    appendStringInfo(out, " of %s %s", node.field->label, group.node->negated ? "" : "(");
    append_node(out, group, true);
    appendStringInfoString(out, group.node->negated ? "" : ")");
}

const char *describe_leaf(const BoundNode &bound)
{
    const Node &node = *bound.node;
    StringInfoData out;
    initStringInfo(&out);
    if (node.kind == NodeKind::everyone)
        return "everyone";
    if (node.kind == NodeKind::segment)
        return psprintf("the member is in segment \"%s\"", copy(node.name));
    if (node.kind == NodeKind::sequence) {
        append_sequence(&out, bound);
        return out.data;
    }
    if (bound.elements != nullptr) {
        append_match(&out, bound);
        return out.data;
    }
    if (bound.field->source == FieldSource::membership) {
        append_membership(&out, bound);
        return out.data;
    }
    FieldClass cls = bound.type.cls;
    bool time = cls == FieldClass::date || cls == FieldClass::timestamp || cls == FieldClass::timestamptz;
    bool quoted = node.op >= Operator::begins_with && node.op <= Operator::not_ends_with;
    quoted = quoted || node.op == Operator::matches_regex || node.op == Operator::not_matches_regex;
    if (node.kind == NodeKind::event)
        append_measure(&out, bound);
    else
        appendStringInfo(&out, "%s ", bound.field->label);
    switch (node.op) {
    case Operator::greater_than_n_days:
        appendStringInfo(&out, "is more than %s days ago", copy(node.values[0].text));
        break;
    case Operator::less_than_n_days:
        appendStringInfo(&out, "is within the last %s days", copy(node.values[0].text));
        break;
    case Operator::equal_n_days:
        appendStringInfo(&out, "is on the day %s days ago", copy(node.values[0].text));
        break;
    case Operator::in_next_n_days:
        appendStringInfo(&out, "is within the next %s days", copy(node.values[0].text));
        break;
    case Operator::anniversary_in_n_days:
        appendStringInfo(&out, "has its yearly day %s days from today", copy(node.values[0].text));
        break;
    case Operator::in_bucket:
    case Operator::not_in_bucket:
        appendStringInfo(&out, "is %sin the random sample from %s to %s percent", node.op == Operator::in_bucket ? "" : "not ",
                         copy(node.values[0].text), copy(node.values[1].text));
        break;
    default:
        appendStringInfoString(&out, phrase(node.op, time));
        if (node.values.empty())
            break;
        appendStringInfoChar(&out, ' ');
        if (!bound.others.empty())
            for (std::size_t i = 0; i < bound.others.size(); i++)
                appendStringInfo(&out, "%s%s", i ? (node.op == Operator::between || node.op == Operator::not_between ? " and " : ", ") : "",
                                 bound.others[i]->label);
        else
            append_values(&out, node.values, quoted, node.op == Operator::between || node.op == Operator::not_between ? " and " : " or ");
    }
    if (node.ignore_case)
        appendStringInfoString(&out, " (in any case)");
    return out.data;
}

// Appends a node in words.
static void append_node(StringInfo out, const BoundNode &node, bool outermost)
{
    if (node.node->kind != NodeKind::group) {
        appendStringInfoString(out, describe_leaf(node));
        return;
    }
    bool grouped = node.node->negated || (!outermost && node.children.size() > 1);
    appendStringInfoString(out, node.node->negated ? "not (" : grouped ? "(" : "");
    for (std::size_t i = 0; i < node.children.size(); i++) {
        if (i > 0)
            appendStringInfoString(out, node.node->any ? " or " : " and ");
        append_node(out, node.children[i], false);
    }
    if (grouped)
        appendStringInfoChar(out, ')');
}

char *describe(const Audience *audience, const Rule *rule)
{
    const BoundRule *bound = bind(audience, rule, false);
    StringInfoData out;
    initStringInfo(&out);
    const BoundNode &root = bound->root;
    if (root.children.size() == 1 && !root.node->negated && root.children[0].node->kind == NodeKind::everyone)
        return pstrdup("Everyone.");
    appendStringInfoString(&out, "Members where ");
    append_node(&out, root, true);
    appendStringInfoChar(&out, '.');
    return out.data;
}

// text[] of the operators that a class has.
static Datum operator_array(FieldClass cls)
{
    Datum names[operator_count];
    int count = 0;
    for (std::size_t i = 0; i < operator_count; i++)
        if (has_operator(cls, static_cast<Operator>(i)))
            names[count++] = CStringGetTextDatum(operator_info(static_cast<Operator>(i)).name);
    return PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
}

} // namespace segments

extern "C" {

SEGMENTS_FUNCTION(segments_select_sql)
{
    const segments::Audience *audience = segments::audience_of(PG_GETARG_OID(0));
    const segments::Rule *rule = segments::rule_of(PG_GETARG_DATUM(1));
    PG_RETURN_TEXT_P(cstring_to_text(segments::select_sql(audience, rule, text_to_cstring(PG_GETARG_TEXT_PP(2)), PG_GETARG_BOOL(3),
                                                              PG_GETARG_BOOL(4))));
}

SEGMENTS_FUNCTION(segments_check_rule)
{
    segments::bind(segments::audience_of(PG_GETARG_OID(0)), segments::rule_of(PG_GETARG_DATUM(1)), false);
    PG_RETURN_VOID();
}

// segments.measure_sql(audience regclass, leaf text) → text: SQL over n of an event field's value
SEGMENTS_FUNCTION(segments_measure_sql)
{
    text *leaf = PG_GETARG_TEXT_PP(1);
    const segments::Node *measure = segments::parse_measure({VARDATA_ANY(leaf), VARSIZE_ANY_EXHDR(leaf)});
    PG_RETURN_TEXT_P(cstring_to_text(segments::measure_sql(segments::audience_of(PG_GETARG_OID(0)), measure)));
}

SEGMENTS_FUNCTION(segments_describe)
{
    const segments::Audience *audience = segments::audience_of(PG_GETARG_OID(0));
    PG_RETURN_TEXT_P(cstring_to_text(segments::describe(audience, segments::rule_of(PG_GETARG_DATUM(1)))));
}

SEGMENTS_FUNCTION(segments_validate)
{
    InitMaterializedSRF(fcinfo, 0);
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    const segments::Audience *audience = segments::audience_of(PG_GETARG_OID(0));
    text *json = PG_GETARG_TEXT_PP(1);
    List *findings = NIL;
    const segments::Rule *rule = segments::parse_rule_for_problems(VARDATA_ANY(json), VARSIZE_ANY_EXHDR(json), &findings);
    if (rule != nullptr)
        segments::bind(audience, rule, false, &findings);
    ListCell *cell;
    foreach (cell, findings) {
        auto *finding = static_cast<segments::Finding *>(lfirst(cell));
        Datum values[3] = {CStringGetTextDatum(finding->path), CStringGetTextDatum(finding->problem),
                           finding->hint ? CStringGetTextDatum(finding->hint) : Datum(0)};
        bool nulls[3] = {false, false, finding->hint == nullptr};
        tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    }
    return Datum(0);
}

SEGMENTS_FUNCTION(segments_type_operators)
{
    PG_RETURN_DATUM(segments::operator_array(segments::classify_type(PG_GETARG_OID(0)).cls));
}

SEGMENTS_FUNCTION(segments_membership_operators)
{
    PG_RETURN_DATUM(segments::operator_array(segments::FieldClass::membership));
}

} // extern "C"
