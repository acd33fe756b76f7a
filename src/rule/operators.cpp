// Names of operators and of relative dates' parts: canonical ones, those of the two builder families, and what people write by hand.
#include "operators.hpp"

#include <algorithm>
#include <array>

#include "text.hpp"

namespace segments {

namespace {

constexpr OperatorInfo operators[] = {
    {Operator::equal, "equal", 1, false, Operator::not_equal},
    {Operator::not_equal, "not_equal", 1, true, Operator::equal},
    {Operator::less, "less", 1, false, Operator::less},
    {Operator::less_or_equal, "less_or_equal", 1, false, Operator::less_or_equal},
    {Operator::greater, "greater", 1, false, Operator::greater},
    {Operator::greater_or_equal, "greater_or_equal", 1, false, Operator::greater_or_equal},
    {Operator::between, "between", 2, false, Operator::not_between},
    {Operator::not_between, "not_between", 2, true, Operator::between},
    {Operator::in, "in", -1, false, Operator::not_in},
    {Operator::not_in, "not_in", -1, true, Operator::in},
    {Operator::begins_with, "begins_with", 1, false, Operator::not_begins_with},
    {Operator::not_begins_with, "not_begins_with", 1, true, Operator::begins_with},
    {Operator::contains, "contains", 1, false, Operator::not_contains},
    {Operator::not_contains, "not_contains", 1, true, Operator::contains},
    {Operator::ends_with, "ends_with", 1, false, Operator::not_ends_with},
    {Operator::not_ends_with, "not_ends_with", 1, true, Operator::ends_with},
    {Operator::is_empty, "is_empty", 0, false, Operator::is_not_empty},
    {Operator::is_not_empty, "is_not_empty", 0, true, Operator::is_empty},
    {Operator::is_null, "is_null", 0, false, Operator::is_not_null},
    {Operator::is_not_null, "is_not_null", 0, true, Operator::is_null},
    {Operator::matches_regex, "matches_regex", 1, false, Operator::not_matches_regex},
    {Operator::not_matches_regex, "not_matches_regex", 1, true, Operator::matches_regex},
    {Operator::greater_than_n_days, "greater_than_n_days", 1, false, Operator::greater_than_n_days},
    {Operator::less_than_n_days, "less_than_n_days", 1, false, Operator::less_than_n_days},
    {Operator::equal_n_days, "equal_n_days", 1, false, Operator::equal_n_days},
    {Operator::in_next_n_days, "in_next_n_days", 1, false, Operator::in_next_n_days},
    {Operator::anniversary_in_n_days, "anniversary_in_n_days", 1, false, Operator::anniversary_in_n_days},
    {Operator::in_bucket, "in_bucket", 2, false, Operator::not_in_bucket},
    {Operator::not_in_bucket, "not_in_bucket", 2, true, Operator::in_bucket},
};
static_assert(std::size(operators) == operator_count);

struct Alias {
    std::string_view name;
    Operator op;
};

// Sorted by name: find_operator searches by halves. Canonical names are among them.
constexpr auto sorted_aliases()
{
    auto aliases = std::to_array<Alias>({
        {"equal", Operator::equal},
        {"=", Operator::equal},
        {"==", Operator::equal},
        {"===", Operator::equal},
        {"eq", Operator::equal},
        {"equals", Operator::equal},
        {"is", Operator::equal},
        {"not_equal", Operator::not_equal},
        {"!=", Operator::not_equal},
        {"!==", Operator::not_equal},
        {"<>", Operator::not_equal},
        {"ne", Operator::not_equal},
        {"neq", Operator::not_equal},
        {"notequal", Operator::not_equal},
        {"notequals", Operator::not_equal},
        {"not_equals", Operator::not_equal},
        {"not equal", Operator::not_equal},
        {"less", Operator::less},
        {"<", Operator::less},
        {"lt", Operator::less},
        {"lessthan", Operator::less},
        {"less_than", Operator::less},
        {"less than", Operator::less},
        {"less_or_equal", Operator::less_or_equal},
        {"<=", Operator::less_or_equal},
        {"lte", Operator::less_or_equal},
        {"le", Operator::less_or_equal},
        {"lessorequal", Operator::less_or_equal},
        {"lessthanorequal", Operator::less_or_equal},
        {"lessthanorequalto", Operator::less_or_equal},
        {"less_than_or_equal", Operator::less_or_equal},
        {"less_than_or_equal_to", Operator::less_or_equal},
        {"less than or equal", Operator::less_or_equal},
        {"greater", Operator::greater},
        {">", Operator::greater},
        {"gt", Operator::greater},
        {"greaterthan", Operator::greater},
        {"greater_than", Operator::greater},
        {"greater than", Operator::greater},
        {"greater_or_equal", Operator::greater_or_equal},
        {">=", Operator::greater_or_equal},
        {"gte", Operator::greater_or_equal},
        {"ge", Operator::greater_or_equal},
        {"greaterorequal", Operator::greater_or_equal},
        {"greaterthanorequal", Operator::greater_or_equal},
        {"greaterthanorequalto", Operator::greater_or_equal},
        {"greater_than_or_equal", Operator::greater_or_equal},
        {"greater_than_or_equal_to", Operator::greater_or_equal},
        {"greater than or equal", Operator::greater_or_equal},
        {"between", Operator::between},
        {"not_between", Operator::not_between},
        {"notbetween", Operator::not_between},
        {"not between", Operator::not_between},
        {"in", Operator::in},
        {"anyof", Operator::in},
        {"any_of", Operator::in},
        {"select_any_in", Operator::in},
        {"not_in", Operator::not_in},
        {"nin", Operator::not_in},
        {"noneof", Operator::not_in},
        {"none_of", Operator::not_in},
        {"notin", Operator::not_in},
        {"not in", Operator::not_in},
        {"select_not_any_in", Operator::not_in},
        {"begins_with", Operator::begins_with},
        {"beginswith", Operator::begins_with},
        {"begins with", Operator::begins_with},
        {"startswith", Operator::begins_with},
        {"starts_with", Operator::begins_with},
        {"starts with", Operator::begins_with},
        {"not_begins_with", Operator::not_begins_with},
        {"notbeginswith", Operator::not_begins_with},
        {"doesnotbeginwith", Operator::not_begins_with},
        {"does not begin with", Operator::not_begins_with},
        {"notstartswith", Operator::not_begins_with},
        {"not_starts_with", Operator::not_begins_with},
        {"doesnotstartwith", Operator::not_begins_with},
        {"does not start with", Operator::not_begins_with},
        {"contains", Operator::contains},
        {"not_contains", Operator::not_contains},
        {"notcontains", Operator::not_contains},
        {"not contains", Operator::not_contains},
        {"doesnotcontain", Operator::not_contains},
        {"does not contain", Operator::not_contains},
        {"ends_with", Operator::ends_with},
        {"endswith", Operator::ends_with},
        {"ends with", Operator::ends_with},
        {"not_ends_with", Operator::not_ends_with},
        {"notendswith", Operator::not_ends_with},
        {"doesnotendwith", Operator::not_ends_with},
        {"does not end with", Operator::not_ends_with},
        {"is_empty", Operator::is_empty},
        {"isempty", Operator::is_empty},
        {"is empty", Operator::is_empty},
        {"is_not_empty", Operator::is_not_empty},
        {"isnotempty", Operator::is_not_empty},
        {"is not empty", Operator::is_not_empty},
        {"is_null", Operator::is_null},
        {"isnull", Operator::is_null},
        {"is null", Operator::is_null},
        {"null", Operator::is_null},
        {"is_not_null", Operator::is_not_null},
        {"isnotnull", Operator::is_not_null},
        {"is not null", Operator::is_not_null},
        {"notnull", Operator::is_not_null},
        {"not_null", Operator::is_not_null},
        {"not null", Operator::is_not_null},
        {"matches_regex", Operator::matches_regex},
        {"regex", Operator::matches_regex},
        {"not_matches_regex", Operator::not_matches_regex},
        {"notregex", Operator::not_matches_regex},
        {"not_regex", Operator::not_matches_regex},
        {"greater_than_n_days", Operator::greater_than_n_days},
        {"older_than_n_days", Operator::greater_than_n_days},
        {"more_than_n_days_ago", Operator::greater_than_n_days},
        {"less_than_n_days", Operator::less_than_n_days},
        {"in_last_n_days", Operator::less_than_n_days},
        {"within_n_days", Operator::less_than_n_days},
        {"equal_n_days", Operator::equal_n_days},
        {"n_days_ago", Operator::equal_n_days},
        {"in_next_n_days", Operator::in_next_n_days},
        {"anniversary_in_n_days", Operator::anniversary_in_n_days},
        {"in_bucket", Operator::in_bucket},
        {"not_in_bucket", Operator::not_in_bucket},
    });
    std::sort(aliases.begin(), aliases.end(), [](const Alias &a, const Alias &b) { return a.name < b.name; });
    return aliases;
}

constexpr auto aliases = sorted_aliases();
constexpr std::size_t longest_alias = 24;

// Every name fits the lower-casing buffer, and none stands for two operators.
constexpr bool aliases_are_sound()
{
    for (std::size_t i = 0; i < aliases.size(); i++)
        if (aliases[i].name.size() > longest_alias || (i > 0 && aliases[i - 1].name == aliases[i].name))
            return false;
    return true;
}
static_assert(aliases_are_sound());

} // namespace

// The table row of an operator.
const OperatorInfo &operator_info(Operator op)
{
    return operators[static_cast<std::size_t>(op)];
}

bool takes_days(Operator op)
{
    return op >= Operator::greater_than_n_days && op <= Operator::anniversary_in_n_days;
}

bool takes_buckets(Operator op)
{
    return op == Operator::in_bucket || op == Operator::not_in_bucket;
}

// Looks a name up, ASCII case ignored.
std::optional<Operator> find_operator(std::string_view name)
{
    char buffer[longest_alias];
    if (name.size() > sizeof buffer)
        return std::nullopt;
    std::transform(name.begin(), name.end(), buffer, [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });

    const std::string_view lower(buffer, name.size());
    const auto found = std::lower_bound(aliases.begin(), aliases.end(), lower,
                                        [](const Alias &a, std::string_view word) { return a.name < word; });
    if (found == aliases.end() || found->name != lower)
        return std::nullopt;
    return found->op;
}

// Aliases count as well: "startwith" is near "startswith", hence begins_with. Among names of one or two characters all are near.
std::string_view nearest_operator(std::string_view word)
{
    std::array<std::string_view, aliases.size()> names;
    const auto end = std::transform(aliases.begin(), aliases.end(), names.begin(),
                                    [](const Alias &a) { return a.name.size() > 2 ? a.name : std::string_view(); });
    const auto op = find_operator(nearest(word, {names.begin(), end}));
    return op ? operator_info(*op).name : std::string_view();
}

namespace {

constexpr const char *anchors[] = {
    "now",        "startOfDay",     "endOfDay",     "startOfWeek", "endOfWeek", "startOfMonth",
    "endOfMonth", "startOfQuarter", "endOfQuarter", "startOfYear", "endOfYear",
};
constexpr const char *measures[] = {"count", "first", "last", "sum", "min", "max", "avg", "distinct"};
constexpr const char *match_modes[] = {"all", "some", "none", "atLeast", "atMost", "exactly"};
constexpr const char *units[] = {"minute", "hour", "day", "week", "month", "quarter", "year"};

// The enumerator whose name stands at its place in a list of names.
template <typename Enum> std::optional<Enum> find_name(std::span<const char *const> names, std::string_view name)
{
    for (std::size_t i = 0; i < names.size(); i++)
        if (names[i] == name)
            return static_cast<Enum>(i);
    return std::nullopt;
}

} // namespace

const char *measure_name(Measure measure)
{
    return measures[static_cast<std::size_t>(measure)];
}

std::optional<Measure> find_measure(std::string_view name)
{
    return find_name<Measure>(measures, name);
}

const char *match_mode_name(MatchMode mode)
{
    return match_modes[static_cast<std::size_t>(mode)];
}

std::optional<MatchMode> find_match_mode(std::string_view name)
{
    const auto lower = [](std::string_view word) {
        std::string text(word);
        for (char &c : text)
            c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 'a' - 'A') : c;
        return text;
    };
    for (std::size_t i = 0; i < std::size(match_modes); i++)
        if (lower(match_modes[i]) == lower(name))
            return static_cast<MatchMode>(i);
    return std::nullopt;
}

const char *anchor_name(Anchor anchor)
{
    return anchors[static_cast<std::size_t>(anchor)];
}

const char *unit_name(Unit unit)
{
    return units[static_cast<std::size_t>(unit)];
}

std::optional<Anchor> find_anchor(std::string_view name)
{
    return find_name<Anchor>(anchors, name);
}

std::optional<Unit> find_unit(std::string_view name)
{
    return find_name<Unit>(units, name);
}

} // namespace segments
