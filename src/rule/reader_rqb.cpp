// Groups of React Query Builder's dialect: one combinator for all, or independent ones between the rules.
#include <algorithm>

#include "reader.hpp"

namespace segments {

namespace {

constexpr std::string_view placeholder = "~"; // a field or operator that nobody has chosen yet

// Whether a field or operator is not chosen yet.
bool is_placeholder(const Json *json)
{
    return json && json->kind == JsonKind::string && json->text() == placeholder;
}

// The value of a key that is given once.
const Json *find_only(const Json &object, std::string_view key)
{
    const std::span<const Json> items = object.items();
    std::size_t times = 0;
    for (std::size_t i = 0; i < items.size(); i += 2)
        times += items[i].text() == key;
    return times == 1 ? find_key(object, key) : nullptr;
}

} // namespace

// {"combinator": "and", "not": false, "rules": [...]}
Node Reader::read_rqb_group(const Json &group, std::size_t depth)
{
    static constexpr std::string_view read[] = {"combinator", "not", "rules", "muted"};
    static constexpr std::string_view ignored[] = {"id", "path", "disabled", "meta", "valueEditorType"};
    if (depth == 1 && skipped(group)) {
        std::vector<Node> none;
        return finish_group(none, false, false, true);
    }
    check_keys(group, {read, ignored}, depth == 1);
    const Json &rules = *find_key(group, "rules");
    const Json *combinator = find_key(group, "combinator");
    if (!combinator)
        return read_rqb_independent(group, rules, depth);

    bool any = false;
    {
        const Step step(*this, ".combinator");
        read_connective(*combinator, any);
    }
    const bool negated = read_boolean(group, "not");
    std::vector<Node> children;
    children.reserve(std::min<std::size_t>(rules.size, max_nodes));
    bool empty = true;
    for (std::size_t i = 0; i < rules.size; i++) {
        const Step step(*this, ".rules"), index(*this, i);
        if (skipped(rules.children[i]))
            continue;
        empty = false;
        if (const auto child = read_element(rules.children[i], depth + 1))
            children.push_back(*child);
    }
    return finish_group(children, any, negated, empty);
}

// {"rules": [rule, "and", rule, "or", rule]}: a rule that is skipped takes the combinator before it along.
Node Reader::read_rqb_independent(const Json &group, const Json &rules, std::size_t depth)
{
    const bool negated = read_boolean(group, "not");
    std::vector<Node> children;
    children.reserve(std::min<std::size_t>(rules.size, max_nodes));
    std::vector<bool> any; // whether OR stands before that child
    bool empty = true, next_any = false;
    for (std::size_t i = 0; i < rules.size; i++) {
        const Step step(*this, ".rules"), index(*this, i);
        const Json &element = rules.children[i];
        if (i % 2 == 1) {
            read_combinator(element, next_any);
            if (i + 1 == rules.size)
                report(State::refused, "no rule after the last combinator", "Take it away, or add a rule.");
            continue;
        }
        if (element.kind == JsonKind::string) {
            report(State::refused, "combinator \"" + clip(element.text()) + "\" where a rule is wanted",
                   "Combinators stand between two rules.");
            continue;
        }
        if (skipped(element))
            continue;
        empty = false;
        if (const auto child = read_element(element, depth + 1)) {
            children.push_back(*child);
            any.push_back(next_any);
        }
    }
    return join_runs(children, any, negated, empty);
}

// The "and" or "or" between two rules.
bool Reader::read_combinator(const Json &element, bool &any)
{
    if (element.kind == JsonKind::object)
        return report(State::refused, "missing combinator between two rules", "Put \"and\" or \"or\" between them.");
    return read_connective(element, any);
}

// AND binds tighter: runs of rules joined by AND become groups inside one OR.
Node Reader::join_runs(std::vector<Node> &children, const std::vector<bool> &any, bool negated, bool empty)
{
    const auto ors = children.empty() ? 0 : std::count(any.begin() + 1, any.end(), true);
    if (ors == 0 || static_cast<std::size_t>(ors) + 1 == children.size())
        return finish_group(children, ors > 0, negated, empty);

    std::vector<Node> runs;
    for (std::size_t first = 0, last; first < children.size(); first = last) {
        last = first + 1;
        while (last < children.size() && !any[last])
            last++;
        if (last - first == 1) {
            runs.push_back(children[first]);
            continue;
        }
        std::vector<Node> run(children.begin() + static_cast<std::ptrdiff_t>(first),
                              children.begin() + static_cast<std::ptrdiff_t>(last));
        runs.push_back(finish_group(run, false, false, false));
        runs.back().path = pool_.copy(path_);
    }
    return finish_group(runs, true, negated, empty);
}

// Whether a rule is switched off or not chosen yet; what else it holds is not looked at then.
// A key given twice decides nothing: the rule is read, and refused for it.
bool Reader::skipped(const Json &element)
{
    if (element.kind != JsonKind::object)
        return false;
    if (find_only(element, "muted") && read_boolean(element, "muted"))
        return true;
    return !find_key(element, "rules") &&
           (is_placeholder(find_only(element, "field")) || is_placeholder(find_only(element, "operator")));
}

} // namespace segments
