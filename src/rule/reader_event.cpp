// Leaves about events: what a member did, how often, when, in which order.
#include <charconv>

#include "reader.hpp"
#include "text.hpp"

namespace segments {

namespace {

constexpr const char *measure_form =
    "A measure is \"count\", \"first\", \"last\", or one of {\"sum\": ...}, {\"min\": ...}, "
    "{\"max\": ...}, {\"avg\": ...}, {\"distinct\": ...} with a column of the event table.";
constexpr const char *window_form = "A window is {\"last\": 30, \"unit\": \"day\"} or {\"from\": ..., \"to\": ...}.";
constexpr const char *sequence_form = "A sequence is an array of at least two steps: [{\"event\": ...}, {\"event\": ..., "
                                      "\"after\": {\"at_most\": 7, \"unit\": \"day\"}}].";

// The longest span of a unit, about 2,700 years: within what a timestamp can hold.
std::int64_t longest_span(Unit unit)
{
    constexpr std::int64_t days = 1000000;
    switch (unit) {
    case Unit::minute:
        return days * 24 * 60;
    case Unit::hour:
        return days * 24;
    case Unit::day:
        return days;
    case Unit::week:
        return days / 7;
    case Unit::month:
        return days / 31;
    case Unit::quarter:
        return days / 92;
    case Unit::year:
        return days / 366;
    }
    return 0;
}

} // namespace

Node *Reader::read_measure(const Json &root)
{
    if (root.kind != JsonKind::object || !find_key(root, "event"))
        report(State::refused, std::string("an event leaf is wanted, found ") + describe(root),
               "Say {\"event\": \"click\"}, with \"measure\", \"within\" and \"where\" where they are meant.");
    dialect_ = is_rqb_leaf(root) ? Dialect::rqb : Dialect::jqqb;
    Node node;
    node.path = node.op_path = pool_.copy(path_);
    static constexpr std::string_view read[] = {"event", "measure", "within", "where"};
    for (const char *key : {"operator", "value"})
        if (find_key(root, key)) {
            const Step step(*this, key_step(key));
            report(State::refused, std::string("\"") + key + "\" in the leaf of an event field",
                   "Leave it out: rules compare the field.");
        }
    check_keys(root, {read, {}}, false);
    read_event_leaf(root, node, 2, false);
    nodes_ = 0;
    check_size(node, 2);
    return pool_.copy_one(node);
}

// {"event": "click", "measure": ..., "within": ..., "where": ...}; compared: with "operator" and "value", which may be left out of a count.
bool Reader::read_event_leaf(const Json &leaf, Node &node, std::size_t depth, bool compared)
{
    node.kind = NodeKind::event;
    node.behaviour = pool_.copy_one(Behaviour());
    bool sound = read_event_name(find_key(leaf, "event"), node.name, node.name_path);
    sound = read_measure(leaf, *node.behaviour) && sound;
    sound = read_window(leaf, node.behaviour->within) && sound;
    sound = read_where(leaf, node.behaviour->where, depth) && sound;
    return (!compared || read_comparison(leaf, node)) && sound;
}

// The name of an event, such as "click" or "messages.click".
bool Reader::read_event_name(const Json *name, std::string_view &event, std::string_view &path)
{
    constexpr const char *hint = "Say {\"event\": \"click\"}.";
    if (!name)
        return report(State::refused, "missing event", hint);
    const Step step(*this, ".event");
    if (name->kind != JsonKind::string || name->size == 0)
        return report(State::refused, std::string("\"event\" must be an event's name, found ") + describe(*name), hint);
    event = pool_.copy(name->text());
    path = pool_.copy(path_);
    return true;
}

// "count", "first", "last", or {"sum": "price"} and the like.
bool Reader::read_measure(const Json &leaf, Behaviour &behaviour)
{
    const Json *json = find_key(leaf, "measure");
    behaviour.measure_path = pool_.copy(path_);
    if (!json)
        return true;
    const Step step(*this, ".measure");
    behaviour.measure_path = pool_.copy(path_);
    const bool of_column = json->kind == JsonKind::object && json->size == 2;
    if (json->kind != JsonKind::string && !of_column)
        return report(State::refused, std::string("unknown measure, found ") + describe(*json), measure_form);
    const Json &word = of_column ? json->children[0] : *json;
    const auto measure = find_measure(word.text());
    if (!measure || of_column != (*measure >= Measure::sum))
        return report(State::refused, "unknown measure \"" + clip(word.text()) + "\"", measure_form);
    behaviour.measure = *measure;
    if (!of_column)
        return true;
    const Step inner(*this, key_step(word.text()));
    behaviour.measure_path = pool_.copy(path_);
    const Json &column = json->children[1];
    if (column.kind != JsonKind::string || column.size == 0)
        return report(State::refused, std::string("a column of the event table is wanted, found ") + describe(column),
                      measure_form);
    behaviour.column = pool_.copy(column.text());
    return true;
}

// "operator" and "value", which come together; a count without them is at least 1.
bool Reader::read_comparison(const Json &leaf, Node &node)
{
    Behaviour &behaviour = *node.behaviour;
    const bool has_operator = find_key(leaf, "operator"), has_value = find_key(leaf, "value");
    if (!has_operator && has_value)
        return report(State::refused, "\"value\" without \"operator\"",
                      "Say both, or leave both out for \"at least once\".");
    if (!has_operator && behaviour.measure != Measure::count)
        return report(State::refused,
                      std::string("measure ") + measure_name(behaviour.measure) + " needs \"operator\" and \"value\"",
                      "Only a count may leave them out: it then means at least once.");
    if (!has_operator) {
        std::vector<Value> one(1);
        one[0].kind = ValueKind::number;
        one[0].text = "1";
        one[0].path = node.path;
        node.op = Operator::greater_or_equal;
        node.values = pool_.copy(one);
        return true;
    }
    if (!read_operator(leaf, node) || !read_values(leaf, node))
        return false;
    const bool at_least_once = behaviour.measure == Measure::count && node.op == Operator::greater_or_equal &&
                               node.values[0].kind == ValueKind::number && node.values[0].text == "1";
    behaviour.compared = !at_least_once;
    return true;
}

// {"last": n, "unit": u}, or {"from": a, "to": b}.
bool Reader::read_window(const Json &leaf, Window &window)
{
    const Json *json = find_key(leaf, "within");
    if (!json)
        return true;
    const Step step(*this, ".within");
    window.path = pool_.copy(path_);
    if (json->kind != JsonKind::object)
        return report(State::refused, std::string("a window is an object, found ") + describe(*json), window_form);
    static constexpr std::string_view keys[] = {"last", "unit", "from", "to"};
    const bool sound = check_keys(*json, {keys, {}}, false);
    const bool last = find_key(*json, "last") || find_key(*json, "unit");
    if (last == (find_key(*json, "from") || find_key(*json, "to")))
        return sound && report(State::refused, last ? "a window has both \"last\" and \"from\" or \"to\"" : "empty window",
                               window_form);
    if (last)
        return read_span(*json, "last", window.last) && sound;
    const bool from = read_bound(*json, "from", window.from), to = read_bound(*json, "to", window.to);
    return from && to && sound;
}

// One end of a window: a date, a timestamp or a relative date.
bool Reader::read_bound(const Json &window, const char *key, Value *&bound)
{
    const Json *json = find_key(window, key);
    if (!json)
        return true;
    const Step step(*this, key_step(key));
    if (json->kind == JsonKind::null)
        return report(State::malformed, "null is not a date", "Leave the key out where the window has no such end.");
    if (json->kind != JsonKind::string && json->kind != JsonKind::object)
        return report(State::bad_date, std::string("a date is wanted, found ") + describe(*json),
                      "Write dates as strings, YYYY-MM-DD.");
    Value value;
    value.path = pool_.copy(path_);
    if (!read_value(*json, value))
        return false;
    bound = pool_.copy_one(value);
    return true;
}

// A whole number of at least 1 under a key, and its unit.
bool Reader::read_span(const Json &json, const char *key, Span &span)
{
    const Json *number = find_key(json, key), *unit = find_key(json, "unit");
    const auto known_unit = unit && unit->kind == JsonKind::string ? find_unit(unit->text()) : std::nullopt;
    bool sound = true;
    if (known_unit)
        span.unit = *known_unit;
    else {
        const Step step(*this, unit ? ".unit" : "");
        sound = report(State::refused, unit ? "unknown unit" : "missing unit",
                       "It is \"minute\", \"hour\", \"day\", \"week\", \"month\", \"quarter\" or \"year\".");
    }
    if (!number)
        return report(State::refused, std::string("missing \"") + key + "\"", "Give a whole number of units.");
    const Step step(*this, key_step(key));
    const std::int64_t most = longest_span(span.unit);
    const std::string range = "a whole number from 1 to " + std::to_string(most);
    const auto decimal = number->kind == JsonKind::number ? parse_decimal(number->text()) : std::nullopt;
    if (!decimal)
        return report(State::refused, std::string("\"") + key + "\" must be a number, found " + describe(*number),
                      "Give " + range + ".");
    const std::string &text = decimal->text;
    const bool fits =
        decimal->integral && std::from_chars(text.data(), text.data() + text.size(), span.amount).ec == std::errc();
    if (!fits || span.amount < 1 || span.amount > most) {
        span.amount = 0;
        return report(State::refused, std::string("\"") + key + "\" must be " + range + ", found " + clip(number->text()),
                      "Give a whole number of units.");
    }
    return sound;
}

// What one and the same event must satisfy: a group of the rule's dialect, or a single leaf.
bool Reader::read_where(const Json &owner, Node *&where, std::size_t depth)
{
    const Json *json = find_key(owner, "where");
    if (!json)
        return true;
    const Step step(*this, ".where");
    return read_inner(*json, "where", where, depth);
}

// {"sequence": [step, step, ...], "within": window}
bool Reader::read_sequence(const Json &leaf, Node &node, std::size_t depth)
{
    node.kind = NodeKind::sequence;
    node.behaviour = pool_.copy_one(Behaviour());
    bool sound = read_window(leaf, node.behaviour->within);
    const Json &json = *find_key(leaf, "sequence");
    const Step step(*this, ".sequence");
    if (json.kind != JsonKind::array)
        return report(State::refused, std::string("a sequence is an array, found ") + describe(json), sequence_form);
    if (json.size < 2)
        return report(State::refused, "a sequence needs at least two steps, found " + std::to_string(json.size),
                      sequence_form);
    std::vector<SequenceStep> steps;
    for (std::size_t i = 0; i < json.size; i++) {
        const Step index(*this, i);
        count_node(0);
        sound = read_step(json.children[i], steps.emplace_back(), depth, i == 0, i + 1 == json.size) && sound;
    }
    node.behaviour->steps = pool_.copy(steps);
    return sound;
}

// {"event": ..., "where": ..., "after": {"at_most": n, "unit": u}, "not": true}
bool Reader::read_step(const Json &json, SequenceStep &step, std::size_t depth, bool first, bool last)
{
    if (json.kind != JsonKind::object)
        return report(State::refused, std::string("a step is an object, found ") + describe(json), sequence_form);
    static constexpr std::string_view keys[] = {"event", "where", "after", "not"};
    bool sound = check_keys(json, {keys, {}}, false);
    step.path = pool_.copy(path_);
    sound = read_event_name(find_key(json, "event"), step.event, step.event_path) && sound;
    sound = read_where(json, step.where, depth) && sound;
    if (const Json *absent = find_key(json, "not")) {
        step.absent = read_boolean(json, "not");
        sound = absent->kind == JsonKind::boolean && sound;
        const Step inner(*this, ".not");
        if (step.absent && !last)
            sound = report(State::refused, "\"not\" on a step that is not the last",
                           "Only the last step may be one that must not happen.");
    }
    const Json *after = find_key(json, "after");
    if (!after)
        return sound;
    const Step inner(*this, ".after");
    if (first)
        return report(State::refused, "\"after\" on the first step",
                      "It limits the time since the step before: say it from the second step on.");
    if (after->kind != JsonKind::object)
        return report(State::refused, std::string("\"after\" is an object, found ") + describe(*after),
                      "Say {\"at_most\": 7, \"unit\": \"day\"}.");
    static constexpr std::string_view span_keys[] = {"at_most", "unit"};
    sound = check_keys(*after, {span_keys, {}}, false) && sound;
    return read_span(*after, "at_most", step.after) && sound;
}

} // namespace segments
