// Leaves that ask how many elements of an array satisfy a group: React Query Builder's "match".
#include "reader.hpp"
#include "text.hpp"

namespace segments {

namespace {

constexpr const char *match_form = "Say {\"mode\": \"all\"}, \"some\" or \"none\", or {\"mode\": \"atLeast\", "
                                   "\"threshold\": 2}, \"atMost\" or \"exactly\".";
constexpr const char *match_leaf_form = "A leaf with \"match\" has a group over one element as its value: {\"rules\": "
                                        "[{\"field\": \"\", \"operator\": ..., \"value\": ...}]}.";
constexpr std::size_t longest_threshold = 40; // digits: what a float can tell apart, and some

} // namespace

// {"field": "tags", "match": {"mode": "atLeast", "threshold": 2}, "value": group}. The operator that the builder writes beside it
// means nothing.
bool Reader::read_match_leaf(const Json &leaf, const Json &match, Node &node, std::size_t depth)
{
    node.match = pool_.copy_one(Match());
    bool sound = read_field(leaf, node);
    {
        const Step step(*this, ".match");
        node.match->path = node.op_path = pool_.copy(path_);
        sound = read_match(match, *node.match) && sound;
    }
    sound = read_value_source(leaf, node) && sound;
    if (node.field_value)
        sound = report(State::refused, "\"match\" asks elements, not a field", match_leaf_form);
    const Json *value = find_key(leaf, "value");
    if (!value)
        return report(State::refused, "\"match\" needs a group as its value", match_leaf_form);
    const Step step(*this, ".value");
    if (value->kind != JsonKind::object || !find_key(*value, "rules"))
        return report(State::refused, std::string("\"match\" needs a group as its value, found ") + describe(*value),
                      match_leaf_form);
    return read_inner(*value, "match", node.match->group, depth) && sound;
}

// {"mode": "all"}, or with a threshold.
bool Reader::read_match(const Json &match, Match &result)
{
    if (match.kind != JsonKind::object)
        return report(State::refused, std::string("\"match\" is an object, found ") + describe(match), match_form);
    static constexpr std::string_view keys[] = {"mode", "threshold"};
    const bool sound = check_keys(match, {keys, {}}, false);
    const Json *mode = find_key(match, "mode");
    if (!mode)
        return report(State::refused, "missing mode of \"match\"", match_form);
    const auto known = mode->kind == JsonKind::string ? find_match_mode(mode->text()) : std::nullopt;
    if (!known) {
        const Step step(*this, ".mode");
        return report(State::refused,
                      mode->kind == JsonKind::string ? "unknown match mode \"" + clip(mode->text()) + "\""
                                                     : std::string("a match mode is wanted, found ") + describe(*mode),
                      match_form);
    }
    result.mode = *known;
    return (*known < MatchMode::at_least || read_threshold(match, result)) && sound;
}

// A number of elements, or between 0 and 1 a share of them.
bool Reader::read_threshold(const Json &match, Match &result)
{
    const Json *threshold = find_key(match, "threshold");
    constexpr const char *form = "Give a number of elements, or a share between 0 and 1.";
    if (!threshold || threshold->kind == JsonKind::null)
        return report(State::refused, std::string("match mode ") + match_mode_name(result.mode) + " needs a threshold",
                      form);
    const Step step(*this, ".threshold");
    if (threshold->kind != JsonKind::number)
        return report(State::refused, std::string("a threshold must be a number, found ") + describe(*threshold), form);
    const auto decimal = parse_decimal(threshold->text());
    if (!decimal || decimal->text.size() > longest_threshold || decimal->text.find_first_of("eE") != std::string::npos)
        return report(State::refused, "threshold out of range: " + clip(threshold->text()), form);
    const bool zero = decimal->text.find_first_not_of("-0.") == std::string::npos;
    if (decimal->text.starts_with('-') && !zero)
        return report(State::refused, "a threshold must not be negative, found " + clip(threshold->text()), form);
    result.threshold = pool_.copy(threshold->text());
    result.share = !zero && decimal->text.starts_with("0.");
    return true;
}

// What one event or one element must satisfy: a group of the rule's dialect, or a single leaf.
bool Reader::read_inner(const Json &json, const char *kind, Node *&group, std::size_t depth)
{
    const char *outside = inside_;
    inside_ = kind;
    std::vector<Node> nodes;
    if (dialect_ == Dialect::rqb && skipped(json))
        finish_group(nodes, false, false, true);
    else if (const auto node = read_element(json, depth))
        nodes.push_back(*node);
    inside_ = outside;
    if (nodes.empty())
        return false;
    if (nodes[0].kind != NodeKind::group) {
        Node wrapping = finish_group(nodes, false, false, false);
        wrapping.path = pool_.copy(path_);
        nodes[0] = wrapping;
    }
    group = pool_.copy_one(nodes[0]);
    return true;
}

} // namespace segments
