// Groups of jQuery QueryBuilder's dialect, which the canonical form is, too.
#include <algorithm>

#include "reader.hpp"

namespace segments {

// {"condition": "AND", "not": false, "rules": [...]}
Node Reader::read_jqqb_group(const Json &group, std::size_t depth)
{
    static constexpr std::string_view read[] = {"condition", "not", "rules", "valid"};
    static constexpr std::string_view ignored[] = {"id", "input", "data", "flags", "type", "icon", "collapsed"};
    check_keys(group, {read, ignored}, depth == 1);
    check_valid(group);

    const std::span<const Json> elements = find_key(group, "rules")->items();
    bool any = false;
    if (const Json *condition = find_key(group, "condition")) {
        const Step step(*this, ".condition");
        read_connective(*condition, any);
    } else if (!implied_and_ && elements.size() > 1)
        report(State::refused, "missing condition", "Say \"condition\": \"AND\" or \"condition\": \"OR\".");
    const bool negated = read_boolean(group, "not");

    std::vector<Node> children;
    children.reserve(std::min(elements.size(), max_nodes));
    for (std::size_t i = 0; i < elements.size(); i++) {
        const Step rules(*this, ".rules"), index(*this, i);
        if (const auto child = read_element(elements[i], depth + 1))
            children.push_back(*child);
    }
    return finish_group(children, any, negated, elements.empty());
}

// The builder says itself whether what it wrote is complete.
void Reader::check_valid(const Json &object)
{
    const Json *valid = find_key(object, "valid");
    if (!valid || (valid->kind == JsonKind::boolean && valid->boolean))
        return;
    const Step step(*this, ".valid");
    if (valid->kind == JsonKind::boolean)
        report(State::refused, "the rule builder marked this as invalid", "Complete the rule in the builder first.");
    else
        report(State::refused, std::string("\"valid\" must be true or false, found ") + describe(*valid), boolean_form);
}

} // namespace segments
