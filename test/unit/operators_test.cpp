// Every name of every operator, and what is near to one.
#include "operators.hpp"

#include <map>

#include "support.hpp"

namespace segments {

namespace {

struct Names {
    Operator op;
    const char *canonical;
    int inputs;
    Operator twin;
    std::vector<const char *> aliases;
};

const std::vector<Names> all_names = {
    {Operator::equal, "equal", 1, Operator::not_equal, {"=", "==", "===", "eq", "equals", "is"}},
    {Operator::not_equal, "not_equal", 1, Operator::equal, {"!=", "!==", "<>", "ne", "neq", "notequal"}},
    {Operator::less, "less", 1, Operator::less, {"<", "lt", "lessthan", "less_than"}},
    {Operator::less_or_equal,
     "less_or_equal",
     1,
     Operator::less_or_equal,
     {"<=", "lte", "le", "lessthanorequal", "less_than_or_equal"}},
    {Operator::greater, "greater", 1, Operator::greater, {">", "gt", "greaterthan", "greater_than"}},
    {Operator::greater_or_equal,
     "greater_or_equal",
     1,
     Operator::greater_or_equal,
     {">=", "gte", "ge", "greaterthanorequal", "greater_than_or_equal"}},
    {Operator::between, "between", 2, Operator::not_between, {}},
    {Operator::not_between, "not_between", 2, Operator::between, {"notBetween", "not between"}},
    {Operator::in, "in", -1, Operator::not_in, {"anyof", "select_any_in"}},
    {Operator::not_in, "not_in", -1, Operator::in, {"notIn", "nin", "noneof", "not in"}},
    {Operator::begins_with, "begins_with", 1, Operator::not_begins_with, {"beginsWith", "startswith", "starts_with"}},
    {Operator::not_begins_with, "not_begins_with", 1, Operator::begins_with, {"doesNotBeginWith"}},
    {Operator::contains, "contains", 1, Operator::not_contains, {}},
    {Operator::not_contains, "not_contains", 1, Operator::contains, {"doesNotContain", "notcontains"}},
    {Operator::ends_with, "ends_with", 1, Operator::not_ends_with, {"endsWith"}},
    {Operator::not_ends_with, "not_ends_with", 1, Operator::ends_with, {"doesNotEndWith"}},
    {Operator::is_empty, "is_empty", 0, Operator::is_not_empty, {"isempty"}},
    {Operator::is_not_empty, "is_not_empty", 0, Operator::is_empty, {"isnotempty"}},
    {Operator::is_null, "is_null", 0, Operator::is_not_null, {"null", "isnull", "is null"}},
    {Operator::is_not_null, "is_not_null", 0, Operator::is_null, {"notNull", "isnotnull", "is not null"}},
    {Operator::matches_regex, "matches_regex", 1, Operator::not_matches_regex, {"regex"}},
    {Operator::not_matches_regex, "not_matches_regex", 1, Operator::matches_regex, {}},
    {Operator::greater_than_n_days,
     "greater_than_n_days",
     1,
     Operator::greater_than_n_days,
     {"older_than_n_days", "more_than_n_days_ago"}},
    {Operator::less_than_n_days, "less_than_n_days", 1, Operator::less_than_n_days, {"in_last_n_days", "within_n_days"}},
    {Operator::equal_n_days, "equal_n_days", 1, Operator::equal_n_days, {"n_days_ago"}},
    {Operator::in_next_n_days, "in_next_n_days", 1, Operator::in_next_n_days, {}},
    {Operator::anniversary_in_n_days, "anniversary_in_n_days", 1, Operator::anniversary_in_n_days, {}},
    {Operator::in_bucket, "in_bucket", 2, Operator::not_in_bucket, {}},
    {Operator::not_in_bucket, "not_in_bucket", 2, Operator::in_bucket, {}},
};

// A name in other cases: upper, lower, and every second letter upper.
std::vector<std::string> cases_of(const std::string &name)
{
    std::string upper = name, lower = name, mixed = name;
    for (std::size_t i = 0; i < name.size(); i++) {
        upper[i] = static_cast<char>(std::toupper(name[i]));
        lower[i] = static_cast<char>(std::tolower(name[i]));
        mixed[i] = i % 2 ? upper[i] : lower[i];
    }
    return {name, upper, lower, mixed};
}

} // namespace

TEST(Operators, TableIsComplete)
{
    ASSERT_EQ(all_names.size(), operator_count);
    for (const Names &names : all_names) {
        const OperatorInfo &info = operator_info(names.op);
        EXPECT_EQ(info.op, names.op) << names.canonical;
        EXPECT_STREQ(info.name, names.canonical);
        EXPECT_EQ(info.inputs, names.inputs) << names.canonical;
        EXPECT_EQ(info.twin, names.twin) << names.canonical;
        const std::string_view name = names.canonical;
        const bool negative = name.starts_with("not_") || name.starts_with("is_not_");
        EXPECT_EQ(info.negative, negative) << names.canonical;
        EXPECT_EQ(operator_info(info.twin).twin, names.op) << names.canonical;
    }
}

TEST(Operators, EveryNameInAnyCase)
{
    for (const Names &names : all_names) {
        std::vector<const char *> spellings = names.aliases;
        spellings.push_back(names.canonical);
        for (const char *spelling : spellings)
            for (const std::string &name : cases_of(spelling)) {
                const auto found = find_operator(name);
                ASSERT_TRUE(found) << name;
                EXPECT_EQ(*found, names.op) << name;
            }
    }
}

TEST(Operators, WhatIsNoName)
{
    for (const char *name : {"", " ", "like", "isblank", "xor", "equal ", " equal", "equall", "=>", "between_", "and", "~",
                             "Übergröße", "a very long word that is no operator at all"})
        EXPECT_FALSE(find_operator(name)) << name;
    EXPECT_FALSE(find_operator(std::string(1000000, '=')));
    EXPECT_FALSE(find_operator(std::string_view("in\0", 3)));
}

TEST(Operators, NearestName)
{
    const std::map<const char *, const char *> nearest = {
        {"eqaul", "equal"},
        {"greatr", "greater"},
        {"beginswiht", "begins_with"},
        {"IS_NUL", "is_null"},
        {"startwith", "begins_with"},
        {"contain", "contains"},
        {"not_inn", "not_in"},
        {"betwen", "between"},
        {"notbetwen", "not_between"},
        {"less_then", "less"},
        {"in_last_n_day", "less_than_n_days"},
    };
    for (const auto &[word, name] : nearest)
        EXPECT_EQ(nearest_operator(word), name) << word;
    for (const char *word : {"", "zzzzzz", "somewhere", "=>", "i"})
        EXPECT_EQ(nearest_operator(word), "") << word;
}

TEST(Operators, Families)
{
    for (const Names &names : all_names) {
        EXPECT_EQ(takes_days(names.op), std::string_view(names.canonical).ends_with("_n_days")) << names.canonical;
        EXPECT_EQ(takes_buckets(names.op), std::string_view(names.canonical).ends_with("in_bucket")) << names.canonical;
    }
}

TEST(Operators, RelativeDateWords)
{
    const char *anchors[] = {"now",        "startOfDay",     "endOfDay",     "startOfWeek", "endOfWeek", "startOfMonth",
                             "endOfMonth", "startOfQuarter", "endOfQuarter", "startOfYear", "endOfYear"};
    for (std::size_t i = 0; i < std::size(anchors); i++) {
        EXPECT_EQ(find_anchor(anchors[i]), static_cast<Anchor>(i));
        EXPECT_STREQ(anchor_name(static_cast<Anchor>(i)), anchors[i]);
    }
    const char *units[] = {"minute", "hour", "day", "week", "month", "quarter", "year"};
    for (std::size_t i = 0; i < std::size(units); i++) {
        EXPECT_EQ(find_unit(units[i]), static_cast<Unit>(i));
        EXPECT_STREQ(unit_name(static_cast<Unit>(i)), units[i]);
    }
    EXPECT_FALSE(find_anchor("startofday"));
    EXPECT_FALSE(find_unit("days"));
}

} // namespace segments
