// Leaves: a field compared with values, and the leaves that no rule builder has.
#include "reader.hpp"

namespace segments {

namespace {

// Keys of a field leaf; our own leaves have their own, and the ignored ones.
constexpr std::string_view jqqb_read[] = {"field",       "id",   "operator", "value", "value_source",
                                          "ignore_case", "salt", "match",    "valid"};
constexpr std::string_view jqqb_match_read[] = {"field", "id", "operator", "match", "value", "value_source", "valid"};
constexpr std::string_view jqqb_ignored[] = {"input", "data", "flags", "type", "icon", "collapsed"};
constexpr std::string_view jqqb_own_ignored[] = {"id", "input", "data", "flags", "type", "icon", "collapsed"};
constexpr std::string_view rqb_read[] = {"field", "operator",    "value", "valueSource", "value_source",
                                         "match", "ignore_case", "salt",  "muted"};
constexpr std::string_view rqb_match_read[] = {"field",       "operator",     "match", "value",
                                               "valueSource", "value_source", "muted"};
constexpr std::string_view rqb_ignored[] = {"id", "path", "disabled", "meta", "valueEditorType"};

// Whether a value is a text that is not empty.
bool is_text(const Json *json)
{
    return json && json->kind == JsonKind::string && json->size > 0;
}

// What a builder's operator name that nobody agrees on should be instead; null for all others.
const char *hint_for_ambiguous(std::string_view name)
{
    const auto is = [&](std::string_view word) { return is_word(name, word); };
    if (is("like") || is("ilike"))
        return "Use \"contains\", \"begins_with\" or \"ends_with\" for literal text, or \"matches_regex\" for a pattern.";
    if (is("isblank"))
        return "Use \"is_empty\" or \"is_null\".";
    if (is("xor"))
        return "Use groups with \"and\", \"or\" and \"not\".";
    return nullptr;
}

} // namespace

// A leaf; nothing where it has a problem.
std::optional<Node> Reader::read_leaf(const Json &leaf, std::size_t depth, bool root)
{
    count_node(0);
    const bool jqqb = dialect_ == Dialect::jqqb;
    if (jqqb)
        check_valid(leaf);
    if (const char *kind = own_leaf(leaf))
        return read_own_leaf(leaf, kind, depth, root);

    Node node;
    node.kind = NodeKind::field;
    node.path = pool_.copy(path_);
    bool sound = true;
    if (const Json *match = find_key(leaf, "match"); match && match->kind != JsonKind::null) {
        sound = check_keys(leaf, jqqb ? Keys{jqqb_match_read, jqqb_ignored} : Keys{rqb_match_read, rqb_ignored}, root);
        sound = read_match_leaf(leaf, *match, node, depth) && sound;
        return sound ? std::optional(node) : std::nullopt;
    }
    sound = check_keys(leaf, jqqb ? Keys{jqqb_read, jqqb_ignored} : Keys{rqb_read, rqb_ignored}, root);
    // Each part is read even after a problem, so that all of them are known at once; values need their operator.
    sound = read_field(leaf, node) && sound;
    const bool has_operator = read_operator(leaf, node);
    sound = has_operator && sound;
    if (has_operator) {
        sound = read_value_source(leaf, node) && sound;
        sound = read_modifiers(leaf, node) && sound;
        sound = read_values(leaf, node) && sound;
    }
    if (!sound)
        return std::nullopt;
    return node;
}

// Checks the keys of a leaf of our own.
bool Reader::check_own_keys(const Json &leaf, std::initializer_list<std::string_view> read, bool root)
{
    const bool jqqb = dialect_ == Dialect::jqqb;
    std::vector<std::string_view> keys(read);
    keys.push_back(jqqb ? "valid" : "muted");
    return check_keys(leaf, jqqb ? Keys{keys, jqqb_own_ignored} : Keys{keys, rqb_ignored}, root);
}

// A leaf with one of our own keys.
std::optional<Node> Reader::read_own_leaf(const Json &leaf, std::string_view kind, std::size_t depth, bool root)
{
    const std::string key = key_step(kind);
    const Json &value = *find_key(leaf, kind);
    if (inside_) {
        const Step step(*this, key);
        report(State::refused, "\"" + std::string(kind) + "\" inside \"" + inside_ + "\"",
               std::string_view(inside_) == "where"
                   ? "\"where\" compares columns of one event: put this beside the event leaf, in a group."
                   : "\"match\" asks one element of a field: put this beside its leaf, in a group.");
        return std::nullopt;
    }
    Node node;
    node.path = node.op_path = pool_.copy(path_);
    bool sound = true;
    if (kind == "event" || kind == "sequence") {
        const bool event = kind == "event";
        sound = event ? check_own_keys(leaf, {"event", "measure", "within", "where", "operator", "value"}, root)
                      : check_own_keys(leaf, {"sequence", "within"}, root);
        sound = (event ? read_event_leaf(leaf, node, depth, true) : read_sequence(leaf, node, depth)) && sound;
        return sound ? std::optional(node) : std::nullopt;
    }
    sound = check_own_keys(leaf, {kind}, root);
    const Step step(*this, key);
    node.name_path = pool_.copy(path_);
    if (kind == "everyone") {
        node.kind = NodeKind::everyone;
        if (value.kind != JsonKind::boolean || !value.boolean)
            sound = report(State::refused, std::string("\"everyone\" must be true, found ") + describe(value),
                           "Leave the rule out if it is not meant.");
    } else if (kind == "segment") {
        node.kind = NodeKind::segment;
        if (!is_text(&value))
            sound = report(State::refused, std::string("\"segment\" must be a segment's name, found ") + describe(value),
                           "Say {\"segment\": \"name\"}.");
        else
            node.name = pool_.copy(value.text());
    } else
        sound = read_list_leaf(value, node) && sound;
    if (!sound)
        return std::nullopt;
    return node;
}

// {"list": 17} is short for membership of one list.
bool Reader::read_list_leaf(const Json &list, Node &node)
{
    node.kind = NodeKind::field;
    node.name = "list";
    node.op = Operator::in;
    if (list.kind == JsonKind::array || list.kind == JsonKind::object)
        return report(State::malformed, std::string("\"list\" must be one list, found ") + describe(list),
                      "For several, say {\"field\": \"list\", \"operator\": \"in\", \"value\": [...]}.");
    std::vector<Value> values(1);
    values[0].path = node.name_path;
    if (!read_value(list, values[0]))
        return false;
    node.values = pool_.copy(values);
    return true;
}

// The field's name: jQuery QueryBuilder leaves it out where it is the filter's id.
bool Reader::read_field(const Json &leaf, Node &node)
{
    const char *key = "field";
    const Json *field = find_key(leaf, key);
    if (dialect_ == Dialect::jqqb && (!field || field->kind == JsonKind::null)) {
        const Json *id = find_key(leaf, "id");
        if (id) {
            key = "id";
            field = id;
        }
    }
    if (!field)
        return report(State::refused, "missing field", leaf_form);
    const Step step(*this, key_step(key));
    const bool element = field->kind == JsonKind::string && inside_ && std::string_view(inside_) == "match";
    if (!is_text(field) && !element)
        return report(State::refused, std::string("a field's name must be text, found ") + describe(*field), leaf_form);
    node.name = pool_.copy(field->text());
    node.name_path = pool_.copy(path_);
    return true;
}

// The operator, by any of its names; absent it means equal in jQuery QueryBuilder's dialect.
bool Reader::read_operator(const Json &leaf, Node &node)
{
    const Json *name = find_key(leaf, "operator");
    if (!name) {
        node.op_path = node.path;
        return dialect_ == Dialect::jqqb || report(State::refused, "missing operator", leaf_form);
    }
    const Step step(*this, ".operator");
    if (name->kind != JsonKind::string)
        return report(State::refused, std::string("an operator must be text, found ") + describe(*name), leaf_form);
    const auto op = find_operator(name->text());
    if (op) {
        node.op = *op;
        node.op_path = pool_.copy(path_);
        return true;
    }
    std::string hint =
        "There are equal, less, greater, between, in, begins_with, contains, ends_with, is_empty, is_null and others.";
    if (const char *other = hint_for_ambiguous(name->text()))
        hint = other;
    else if (const std::string_view near = nearest_operator(name->text()); !near.empty())
        hint = "Did you mean \"" + std::string(near) + "\"?";
    return report(State::unknown_operator, "unknown operator \"" + clip(name->text()) + "\"", hint);
}

// Whether values are fields' names: "valueSource" in React Query Builder, "value_source" in the canonical form.
bool Reader::read_value_source(const Json &leaf, Node &node)
{
    const Json *ours = find_key(leaf, "value_source");
    const Json *theirs = dialect_ == Dialect::rqb ? find_key(leaf, "valueSource") : nullptr;
    const Json *source = ours ? ours : theirs;
    if (!source)
        return true;
    const Step step(*this, ours ? ".value_source" : ".valueSource");
    if (ours && theirs)
        return report(State::refused, "both \"value_source\" and \"valueSource\" are given", "Keep one.");
    if (source->kind == JsonKind::string && source->text() == "value")
        return true;
    if (source->kind != JsonKind::string || source->text() != "field")
        return report(State::refused, "unknown source of values", "Say \"value\" or \"field\".");
    if (takes_days(node.op) || takes_buckets(node.op))
        return report(State::refused, std::string("operator ") + operator_info(node.op).name + " takes numbers, not fields",
                      "Compare two fields with less, greater or equal.");
    node.field_value = operator_info(node.op).inputs != 0;
    return true;
}

// "ignore_case" and "salt".
bool Reader::read_modifiers(const Json &leaf, Node &node)
{
    node.ignore_case = read_boolean(leaf, "ignore_case") && operator_info(node.op).inputs != 0;
    bool sound = !find_key(leaf, "ignore_case") || find_key(leaf, "ignore_case")->kind == JsonKind::boolean;
    const Json *salt = find_key(leaf, "salt");
    if (!salt)
        return sound;
    const Step step(*this, ".salt");
    if (!takes_buckets(node.op))
        return report(State::refused, "\"salt\" belongs to operator in_bucket", "Leave it out.");
    if (salt->kind != JsonKind::string)
        return report(State::refused, std::string("\"salt\" must be text, found ") + describe(*salt), "Say it in quotes.");
    node.salt = pool_.copy(salt->text());
    return sound;
}

} // namespace segments
