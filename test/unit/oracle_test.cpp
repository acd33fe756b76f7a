// The trees with known answers: all accepted ones are read, all refused ones are refused.
#include "support.hpp"

namespace segments {

TEST(Oracle, AcceptedAreRead)
{
    std::vector<std::string> rules = read_cases("accepted.jsonl");
    ASSERT_EQ(rules.size(), 1600u);
    for (const std::string &rule : read_cases("match.jsonl"))
        rules.push_back(rule);
    for (const std::string &rule : rules) {
        const std::string printed = canonical(rule);
        EXPECT_EQ(canonical(printed), printed) << rule;
    }
}

TEST(Oracle, RefusedAreRefused)
{
    const std::vector<std::string> rules = read_cases("refused.jsonl");
    ASSERT_EQ(rules.size(), 200u);
    for (const std::string &rule : rules) {
        const auto problem = first_problem(rule);
        ASSERT_TRUE(problem) << rule;
        EXPECT_EQ(problem->state, State::refused) << rule;
        EXPECT_EQ(problem->message, "empty group") << rule;
    }
}

} // namespace segments
