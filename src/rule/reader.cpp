// Reads rules: which dialect the root is in, and what groups of both have in common.
#include "reader.hpp"

#include <algorithm>

#include "text.hpp"

namespace segments {

namespace {

constexpr std::size_t most_problems = 1000;
constexpr std::string_view root_keys[] = {"semantics", "time_zone", "as_of"};

// Whether a list has a word.
bool contains(std::span<const std::string_view> list, std::string_view word)
{
    return std::find(list.begin(), list.end(), word) != list.end();
}

// Where a key stands in a list of words; their number where it is none of them.
std::size_t place_in(std::span<const std::string_view> words, const Json &key)
{
    std::size_t place = 0;
    while (place < words.size() && !key.is(words[place]))
        place++;
    return place;
}

// A group has rules; one that forgot them still shows that it is no leaf.
bool is_group(const Json &object)
{
    return find_key(object, "rules") ||
           ((find_key(object, "condition") || find_key(object, "combinator")) && !find_key(object, "field"));
}

// Only jQuery QueryBuilder writes a leaf's type and input, or its id without its field.
bool has_jqqb_leaf(std::span<const Json> elements)
{
    return std::any_of(elements.begin(), elements.end(), [](const Json &element) {
        if (element.kind != JsonKind::object)
            return false;
        const Json *rules = find_key(element, "rules");
        if (rules)
            return rules->kind == JsonKind::array && has_jqqb_leaf(rules->items());
        return find_key(element, "type") || find_key(element, "input") ||
               (find_key(element, "id") && !find_key(element, "field") && !own_leaf(element));
    });
}

// Whether what an event must satisfy is of React Query Builder's dialect: a group with combinators, or a leaf of its own.
bool is_rqb_where(const Json &owner)
{
    const Json *where = owner.kind == JsonKind::object ? find_key(owner, "where") : nullptr;
    if (!where || where->kind != JsonKind::object)
        return false;
    const Json *rules = find_key(*where, "rules");
    if (!rules || rules->kind != JsonKind::array)
        return find_key(*where, "combinator") || is_rqb_leaf(*where);
    const std::span<const Json> elements = rules->items();
    return find_key(*where, "combinator") ||
           std::any_of(elements.begin(), elements.end(), [](const Json &e) { return e.kind == JsonKind::string; });
}

// What the one key of a JsonLogic object may be.
constexpr std::string_view json_logic_operations[] = {
    "var", "missing", "missing_some", "if",  "?:",   "==",   "===",   "!=", "!==", "!",      "!!",  "or",
    "and", ">",       ">=",           "<",   "<=",   "max",  "min",   "+",  "-",   "*",      "/",   "%",
    "map", "filter",  "reduce",       "all", "none", "some", "merge", "in", "cat", "substr", "log",
};

} // namespace

bool is_word(std::string_view text, std::string_view word)
{
    return std::equal(text.begin(), text.end(), word.begin(), word.end(), [](char a, char b) { return (a | 32) == b; });
}

bool is_rqb_leaf(const Json &object)
{
    constexpr std::string_view keys[] = {"valueSource", "muted", "valueEditorType"};
    if (std::any_of(std::begin(keys), std::end(keys), [&](std::string_view key) { return find_key(object, key); }))
        return true;
    const Json *value = find_key(object, "value");
    if (find_key(object, "match")) // React Query Builder's own, but the canonical form has it, too
        return !(value && value->kind == JsonKind::object && find_key(*value, "condition"));
    const Json *steps = find_key(object, "sequence");
    return is_rqb_where(object) || (steps && steps->kind == JsonKind::array &&
                                    std::any_of(steps->items().begin(), steps->items().end(), is_rqb_where));
}

const char *own_leaf(const Json &object)
{
    if (find_key(object, "field"))
        return nullptr;
    for (const char *kind : {"segment", "list", "everyone", "event", "sequence"})
        if (find_key(object, kind))
            return kind;
    return nullptr;
}

void *Pool::allocate(std::size_t size, std::size_t alignment)
{
    constexpr std::size_t largest_chunk = 64 * 1024;
    const std::size_t misfit = reinterpret_cast<std::uintptr_t>(next_) % alignment;
    const std::size_t gap = misfit ? alignment - misfit : 0;
    if (next_ && left_ >= size + gap) {
        void *piece = next_ + gap;
        next_ += size + gap;
        left_ -= size + gap;
        return piece;
    }
    if (size > chunk_ / 2)
        return arena_.allocate(size);
    next_ = static_cast<char *>(arena_.allocate(chunk_));
    left_ = chunk_;
    chunk_ = std::min(chunk_ * 2, largest_chunk);
    return allocate(size, alignment);
}

std::string_view Pool::copy(std::string_view text)
{
    if (text.empty())
        return {};
    char *bytes = static_cast<char *>(allocate(text.size(), 1));
    std::memcpy(bytes, text.data(), text.size());
    return {bytes, text.size()};
}

bool Reader::report_at(std::string_view path, State state, std::string message, std::string hint)
{
    Problem problem{state, std::string(path), std::move(message), std::move(hint)};
    if (!problems_)
        throw RuleError(std::move(problem));
    if (problems_->size() >= most_problems)
        give_up(State::limit, "too many problems to list them all", "Correct the ones before this.");
    problems_->push_back(std::move(problem));
    return false;
}

bool Reader::report(State state, std::string message, std::string hint)
{
    return report_at(path_, state, std::move(message), std::move(hint));
}

void Reader::give_up(State state, std::string message, std::string hint)
{
    throw RuleError({state, path_, std::move(message), std::move(hint)});
}

// Counts a group or leaf against the limits, before anything is read of it.
void Reader::count_node(std::size_t depth)
{
    if (depth > max_depth)
        give_up(State::limit, "groups are nested too deep", "A rule may nest " + std::to_string(max_depth) + " groups.");
    if (++nodes_ > max_nodes)
        give_up(State::limit, "rule is too large", "A rule may have " + std::to_string(max_nodes) + " groups and leaves.");
}

// Reads everything but the JSON itself.
Rule *Reader::read(const Json &root)
{
    static_assert(std::is_trivially_destructible_v<Rule>);
    Rule *rule = new (pool_.allocate(sizeof(Rule), alignof(Rule))) Rule;
    rule->root = read_root(root, *rule);
    rule->root.path = pool_.copy(path_);

    // Independent combinators and a root made for a single leaf add groups: what is printed must be read back.
    nodes_ = 0;
    check_size(rule->root, 1);
    return rule;
}

// Decides the dialect, once, and reads the root as a group of it.
Node Reader::read_root(const Json &root, Rule &rule)
{
    if (root.kind == JsonKind::array)
        return read_root_list(root);
    if (root.kind != JsonKind::object) {
        report(State::refused, std::string("a rule is a JSON object, found ") + describe(root), group_form);
        return {};
    }
    const bool names_field = find_key(root, "field") || find_key(root, "id");
    const bool leaf = (names_field && (find_key(root, "operator") || find_key(root, "match"))) || own_leaf(root);
    if (!is_group(root) && !leaf) {
        if (!names_foreign_format(root))
            report(State::refused, names_field ? "missing operator" : "this is not a rule",
                   "A rule is a group, {\"condition\": \"AND\", \"rules\": [...]}, or a leaf, {\"field\": ..., "
                   "\"operator\": ..., "
                   "\"value\": ...}.");
        return {};
    }
    read_root_keys(root, rule);
    return is_group(root) ? read_root_group(root) : read_single(root);
}

// A group at the root: its keys, or what its rules look like, tell the dialect.
Node Reader::read_root_group(const Json &root)
{
    const Json *rules = find_key(root, "rules");
    const bool condition = find_key(root, "condition"), combinator = find_key(root, "combinator");
    const std::span<const Json> elements =
        rules && rules->kind == JsonKind::array ? rules->items() : std::span<const Json>();
    if (condition && combinator) {
        report(State::refused, "a group has both \"condition\" and \"combinator\"",
               "\"condition\" is jQuery QueryBuilder's, \"combinator\" is React Query Builder's: keep one.");
        return {};
    }
    if (condition)
        dialect_ = Dialect::jqqb;
    else if (combinator)
        dialect_ = Dialect::rqb;
    else if (std::any_of(elements.begin(), elements.end(), [](const Json &e) { return e.kind == JsonKind::string; }))
        dialect_ = Dialect::rqb;
    else if (has_jqqb_leaf(elements))
        implied_and_ = true;
    else if (elements.size() <= 1)
        dialect_ = Dialect::rqb;
    else {
        report(State::refused, "missing condition", "Say \"condition\": \"AND\" or \"condition\": \"OR\".");
        return {};
    }
    return read_group(root, 1).value_or(Node());
}

// An array of objects is the rules of an AND.
Node Reader::read_root_list(const Json &root)
{
    const std::span<const Json> elements = root.items();
    if (!std::all_of(elements.begin(), elements.end(), [](const Json &e) { return e.kind == JsonKind::object; })) {
        report(State::refused, "this looks like a DevExtreme filter, which is not read here",
               "A rule is {\"condition\": \"AND\", \"rules\": [...]}, or an array of such groups and leaves.");
        return {};
    }
    implied_and_ = true;
    count_node(1);
    std::vector<Node> children;
    for (std::size_t i = 0; i < elements.size(); i++) {
        const Step step(*this, i);
        if (const auto child = read_element(elements[i], 2))
            children.push_back(*child);
    }
    return finish_group(children, false, false, elements.empty());
}

// A leaf at the root is wrapped in AND.
Node Reader::read_single(const Json &root)
{
    dialect_ = is_rqb_leaf(root) ? Dialect::rqb : Dialect::jqqb;
    count_node(1);
    std::vector<Node> children;
    const bool skip = dialect_ == Dialect::rqb && skipped(root);
    if (!skip)
        if (const auto leaf = read_leaf(root, 2, true))
            children.push_back(*leaf);
    return finish_group(children, false, false, skip);
}

// Names the format that a root of another library's has; false where it is none that is known.
bool Reader::names_foreign_format(const Json &root)
{
    const std::span<const Json> items = root.items();
    bool only_dollars = !items.empty();
    for (std::size_t i = 0; i < items.size(); i += 2)
        only_dollars = only_dollars && items[i].text().starts_with('$');

    const char *format = nullptr;
    std::string hint =
        "A rule is {\"condition\": \"AND\", \"rules\": [...]}, as jQuery QueryBuilder or React Query Builder write it.";
    if (find_key(root, "logic") && find_key(root, "filters"))
        format = "Kendo UI";
    else if (find_key(root, "children1")) {
        format = "React Awesome Query Builder";
        hint = "Export its queryBuilderFormat.";
    } else if (only_dollars)
        format = "MongoDB";
    else if (items.size() == 2 && contains(json_logic_operations, items[0].text()))
        format = "JsonLogic";
    if (!format)
        return false;
    report(State::refused, std::string("this looks like a ") + format + " filter, which is not read here", hint);
    return true;
}

// Keys that belong to the whole rule.
void Reader::read_root_keys(const Json &root, Rule &rule)
{
    if (const Json *semantics = find_key(root, "semantics")) {
        const Step step(*this, ".semantics");
        if (semantics->kind == JsonKind::string && semantics->text() == "sql")
            rule.semantics = Semantics::sql;
        else if (semantics->kind != JsonKind::string || semantics->text() != "default")
            report(State::refused, "unknown semantics", "Say \"sql\" or \"default\".");
    }
    rule.time_zone = read_root_text(root, "time_zone", rule.time_zone_path);
    rule.as_of = read_root_text(root, "as_of", rule.as_of_path);
    if (rule.as_of.empty())
        return;
    IsoDate date;
    const IsoError error = parse_iso(rule.as_of, date);
    if (error != IsoError::none)
        report_at(rule.as_of_path, error == IsoError::syntax ? State::bad_date : State::date_range,
                  (error == IsoError::syntax ? "not an ISO 8601 date: \"" : "date out of range: \"") + clip(rule.as_of) +
                      "\"",
                  "Write 2024-05-13T12:30:00Z.");
}

// A root key that holds text; "" where it is absent or wrong.
std::string_view Reader::read_root_text(const Json &root, const char *key, std::string_view &path)
{
    const Json *json = find_key(root, key);
    if (!json)
        return {};
    const Step step(*this, key_step(key));
    path = pool_.copy(path_);
    if (json->kind == JsonKind::string && json->size > 0)
        return pool_.copy(json->text());
    report(State::refused, std::string("\"") + key + "\" must be text, found " + describe(*json),
           "Leave the key out, or give " + std::string(key == std::string_view("as_of")
                                                           ? "an instant such as \"2024-05-13T12:30:00Z\"."
                                                           : "a name such as \"Europe/Berlin\"."));
    return {};
}

// The limits hold for the tree as it will be printed, too.
void Reader::check_size(const Node &node, std::size_t depth)
{
    path_ = node.path;
    count_node(node.kind == NodeKind::group ? depth : 0);
    for (const Node &child : node.children)
        check_size(child, depth + 1);
    if (node.match)
        check_size(*node.match->group, depth);
    if (!node.behaviour)
        return;
    if (node.behaviour->where)
        check_size(*node.behaviour->where, depth);
    for (const SequenceStep &step : node.behaviour->steps) {
        path_ = step.path;
        count_node(0);
        if (step.where)
            check_size(*step.where, depth);
    }
}

// Reports keys that are not known, and keys given twice among those that are read; false where there are any.
bool Reader::check_keys(const Json &object, const Keys &keys, bool root)
{
    std::uint32_t seen = 0;
    bool sound = true;
    const std::span<const Json> items = object.items();
    for (std::size_t i = 0; i < items.size(); i += 2) {
        const std::string_view key = items[i].text();
        std::size_t bit = place_in(keys.read, items[i]);
        if (bit == keys.read.size()) {
            if (place_in(keys.ignored, items[i]) < keys.ignored.size())
                continue;
            const std::size_t place = place_in(root_keys, items[i]);
            bit += place;
            if (!root || place == std::size(root_keys)) {
                const Step step(*this, key_step(key));
                report_unknown_key(key, keys, root);
                sound = false;
                continue;
            }
        }
        if (seen >> bit & 1) {
            const Step step(*this, key_step(key));
            sound = report(State::refused, "key \"" + clip(key) + "\" is given twice", "Keep one of them.");
        }
        seen |= 1u << bit;
    }
    return sound;
}

// Reports a key that nothing reads: a typo must not widen an audience.
void Reader::report_unknown_key(std::string_view key, const Keys &keys, bool root)
{
    if (key == "condition" && dialect_ == Dialect::rqb) {
        report(State::refused, "\"condition\" in a rule of React Query Builder's dialect",
               "The root decides the dialect: say \"combinator\" here.");
        return;
    }
    if (key == "combinator" && dialect_ == Dialect::jqqb) {
        report(State::refused, "\"combinator\" in a rule of jQuery QueryBuilder's dialect",
               "The root decides the dialect: say \"condition\" here.");
        return;
    }
    if (contains(root_keys, key) && !root) {
        report(State::refused, "\"" + std::string(key) + "\" below the root",
               "It belongs to the whole rule: put it beside the root's rules.");
        return;
    }
    std::vector<std::string_view> known(keys.read.begin(), keys.read.end());
    if (root)
        known.insert(known.end(), std::begin(root_keys), std::end(root_keys));
    const std::string_view near = nearest(key, known);
    std::string hint = "Did you mean \"" + std::string(near) + "\"?";
    if (near.empty()) {
        hint = "Known keys are";
        for (const std::string_view one : known)
            hint.append(one == known.front() ? " " : ", ").append(one);
        hint += ".";
    }
    report(State::refused, "unknown key \"" + clip(key) + "\"", hint);
}

// A group or leaf in a group's list.
std::optional<Node> Reader::read_element(const Json &element, std::size_t depth)
{
    if (element.kind != JsonKind::object) {
        report(State::refused, std::string("a group holds groups and leaves, found ") + describe(element), leaf_form);
        return std::nullopt;
    }
    return is_group(element) ? read_group(element, depth) : read_leaf(element, depth, false);
}

// A group; one that only wraps a single node gives that node.
std::optional<Node> Reader::read_group(const Json &group, std::size_t depth)
{
    count_node(depth);
    const Json *rules = find_key(group, "rules");
    if (!rules || rules->kind != JsonKind::array) {
        const Step step(*this, rules ? ".rules" : "");
        report(State::refused,
               rules ? std::string("\"rules\" must be an array, found ") + describe(*rules) : "a group needs \"rules\"",
               group_form);
        return std::nullopt;
    }
    Node node = dialect_ == Dialect::jqqb ? read_jqqb_group(group, depth) : read_rqb_group(group, depth);
    if (node.children.empty())
        return std::nullopt;
    if (depth > 1 && node.children.size() == 1 && !node.negated)
        return node.children.front();
    node.path = pool_.copy(path_);
    return node;
}

// The value of a key that may be true or false; false where it is absent.
bool Reader::read_boolean(const Json &object, const char *key)
{
    const Json *json = find_key(object, key);
    if (!json)
        return false;
    if (json->kind == JsonKind::boolean)
        return json->boolean;
    const Step step(*this, key_step(key));
    return report(State::refused, std::string("\"") + key + "\" must be true or false, found " + describe(*json),
                  boolean_form);
}

// Reads AND or OR, in any case.
bool Reader::read_connective(const Json &word, bool &any)
{
    const std::string_view text = word.kind == JsonKind::string ? word.text() : std::string_view();
    any = is_word(text, "or");
    if (any || is_word(text, "and"))
        return true;
    if (word.kind != JsonKind::string)
        return report(State::refused, std::string("\"and\" or \"or\" is wanted, found ") + describe(word),
                      "Say it in quotes.");
    return report(State::refused, "unknown condition \"" + clip(text) + "\"", "Use \"and\" or \"or\".");
}

// A group of these children. empty: there was nothing in it to read, so that it would ask for everyone.
Node Reader::finish_group(std::vector<Node> &children, bool any, bool negated, bool empty)
{
    if (empty)
        report(State::refused, "empty group",
               !inside_ ? "Leave the rule out, or say {\"everyone\": true} to ask for all members."
               : std::string_view(inside_) == "where" ? "Leave \"where\" out to take every event."
                                                      : "Say what an element must satisfy.");
    Node node;
    node.kind = NodeKind::group;
    node.any = any;
    node.negated = negated;
    node.children = pool_.copy(children);
    return node;
}

// Refuses a text that is too long to look at.
static void check_length(std::string_view json)
{
    if (json.size() > max_text)
        throw RuleError({State::limit, "$", "rule is too long", "A rule may be 16 MB of text."});
}

Node *read_measure(std::string_view json, Arena &arena)
{
    check_length(json);
    std::pmr::monotonic_buffer_resource memory;
    return Reader(arena, nullptr).read_measure(read_json(json, memory));
}

Rule *read_rule(std::string_view json, Arena &arena, std::vector<Problem> *problems)
{
    try {
        check_length(json);
        std::pmr::monotonic_buffer_resource memory;
        const Json root = read_json(json, memory);
        Rule *rule = Reader(arena, problems).read(root);
        // Lists in one string are printed with quotes: what is printed must be read back.
        if (json.size() > max_text / 4 && write_rule(*rule).size() > max_text)
            throw RuleError({State::limit, "$", "rule is too long", "Its canonical form may be 16 MB of text."});
        return rule;
    } catch (const RuleError &error) {
        if (!problems)
            throw;
        problems->push_back(error.problem());
        return nullptr;
    }
}

} // namespace segments
