// Random rules: what each dialect's spelling of a tree reads as, and that no damaged text does harm.
#include <chrono>
#include <random>

#include "operators.hpp"
#include "support.hpp"

namespace segments {

namespace {

// A tree as it should be printed, and ways to spell it.
struct Tree {
    bool group = false;
    bool any = false;
    bool negated = false;
    std::vector<Tree> children;
    std::string canonical; // leaf
    std::string jqqb;      // leaf, spelled for a dialect
    std::string rqb;
};

// The canonical form, by the tree itself.
std::string print(const Tree &tree, bool root)
{
    if (!tree.group)
        return tree.canonical;
    if (!root && !tree.negated && tree.children.size() == 1)
        return print(tree.children[0], false);
    std::string out = "{\"condition\":\"" + std::string(tree.any ? "OR" : "AND") + "\"" +
                      (tree.negated ? ",\"not\":true" : "") + ",\"rules\":[";
    for (const Tree &child : tree.children)
        out += (out.back() == '[' ? "" : ",") + print(child, false);
    return out + "]}";
}

class Generator {
public:
    explicit Generator(unsigned seed) : random_(seed) {}

    std::size_t below(std::size_t n) { return random_() % n; }
    bool chance(int percent) { return static_cast<int>(below(100)) < percent; }

    // A group of up to four rules, and so on below it. columns: with leaves that compare a field only, as in "where".
    Tree tree(int depth, bool columns = false)
    {
        Tree tree;
        tree.group = true;
        tree.any = chance(50);
        tree.negated = chance(20);
        for (std::size_t n = 1 + below(4); n > 0; n--)
            tree.children.push_back(depth > 0 && chance(40) ? this->tree(depth - 1, columns)
                                    : columns               ? field_leaf()
                                                            : leaf());
        return tree;
    }

    std::string jqqb(const Tree &tree)
    {
        if (!tree.group)
            return tree.jqqb;
        std::vector<std::string> keys = {"\"condition\":\"" + any_case(tree.any ? "or" : "and") + "\"",
                                         "\"rules\":[" + join(tree, &Generator::jqqb) + "]"};
        if (tree.negated || chance(10))
            keys.push_back(tree.negated ? "\"not\":true" : "\"not\":false");
        add_noise(keys, {"\"flags\":{}", "\"data\":[1,{\"rules\":[]}]", "\"valid\":true", "\"id\":\"g\""});
        return object(keys);
    }

    std::string rqb(const Tree &tree)
    {
        if (!tree.group)
            return tree.rqb;
        const bool independent =
            chance(50) && (!tree.any || tree.children.size() > 1); // a lone rule has no combinator to tell OR by
        std::vector<std::string> keys;
        if (!independent)
            keys.push_back("\"combinator\":\"" + any_case(tree.any ? "or" : "and") + "\"");
        keys.push_back("\"rules\":[" + (independent ? independent_list(tree) : join(tree, &Generator::rqb_with_skipped)) +
                       "]");
        if (tree.negated || chance(10))
            keys.push_back(tree.negated ? "\"not\":true" : "\"not\":false");
        add_noise(keys, {"\"id\":\"r-1\"", "\"path\":[0]", "\"disabled\":true", "\"muted\":false", "\"meta\":{\"x\":null}"});
        return object(keys);
    }

private:
    using Spelling = std::string (Generator::*)(const Tree &);

    std::string text()
    {
        static const char *pieces[] = {"a",  "B", " ", ",", "\\",   "\"", "é",    "日", "😀",
                                       "\n", "%", "_", "'", "null", "1",  "\x01", "/",  "~~"};
        std::string text = "x";
        for (std::size_t n = below(6); n > 0; n--)
            text += pieces[below(std::size(pieces))];
        return text + "x";
    }

    std::string number()
    {
        static const char *numbers[] = {
            "0", "-0", "1", "-7", "9007199254740993", "1.50", "2E3", "-1e-7", "123456789012345678901234567890"};
        return numbers[below(std::size(numbers))];
    }

    // A JSON string with some characters escaped.
    std::string spelled(const std::string &text)
    {
        std::string quoted;
        write_string(quoted, text);
        std::string out;
        for (const char c : quoted) {
            if (c == '/' && chance(50))
                out += '\\';
            if (c == 'x' && chance(10))
                out += "\\u0078";
            else
                out += c;
        }
        return out;
    }

    // A value: as printed, and as spelled.
    std::pair<std::string, std::string> value()
    {
        if (chance(40)) {
            const std::string word = text();
            std::string printed;
            write_string(printed, word);
            return {printed, spelled(word)};
        }
        if (chance(10))
            return {R"({"mode":"relative","anchor":"startOfWeek","offset":-2,"unit":"month"})",
                    R"({"unit":"month","offset":-2,"mode":"relative","anchor":"startOfWeek"})"};
        const std::string one = chance(20) ? (chance(50) ? "true" : "false") : number();
        return {one, one};
    }

    Tree leaf()
    {
        Tree leaf;
        if (chance(5)) {
            leaf.canonical = leaf.jqqb = leaf.rqb = R"({"everyone":true})";
            return leaf;
        }
        const std::string name = text();
        std::string printed_name;
        write_string(printed_name, name);
        if (chance(5)) {
            leaf.canonical = "{\"segment\":" + printed_name + "}";
            leaf.jqqb = leaf.rqb = "{\"segment\":" + spelled(name) + "}";
            return leaf;
        }
        if (chance(5)) {
            const auto [printed, given] = value();
            if (given.front() != '{') {
                leaf.canonical = "{\"field\":\"list\",\"operator\":\"in\",\"value\":[" + printed + "]}";
                leaf.jqqb = leaf.rqb = "{\"list\":" + given + "}";
                return leaf;
            }
        }
        if (chance(15))
            return chance(50) ? event_leaf() : sequence();
        if (chance(10))
            return match_leaf();
        return field_leaf();
    }

    // A key of one of our own leaves: as printed, and as spelled for each dialect.
    struct Key {
        std::string name, printed, jqqb, rqb;
    };

    // A leaf or step with these keys, which are printed in this order.
    Tree own_leaf(const std::vector<Key> &keys)
    {
        Tree leaf;
        std::vector<std::string> jqqb, rqb;
        for (const Key &key : keys) {
            const std::string name = "\"" + key.name + "\":";
            if (!key.printed.empty())
                leaf.canonical += (leaf.canonical.empty() ? "{" : ",") + name + key.printed;
            jqqb.push_back(name + key.jqqb);
            rqb.push_back(name + key.rqb);
        }
        leaf.canonical += "}";
        leaf.jqqb = object(jqqb);
        leaf.rqb = object(rqb);
        return leaf;
    }

    Key key(const char *name, const std::string &printed, const std::string &given) { return {name, printed, given, given}; }

    Key event_name()
    {
        const std::string name = text();
        std::string printed;
        write_string(printed, name);
        return key("event", printed, spelled(name));
    }

    Key span(const char *name, const char *amount)
    {
        static const char *units[] = {"minute", "hour", "day", "week", "month", "quarter", "year"};
        const std::string n = std::to_string(1 + below(2000)), unit = units[below(std::size(units))];
        const std::string last = std::string("\"") + amount + "\":";
        return key(name, "{" + last + n + ",\"unit\":\"" + unit + "\"}",
                   chance(50) ? "{\"unit\":\"" + unit + "\", " + last + n + ".0}"
                              : "{" + last + n + ",\"unit\":\"" + unit + "\"}");
    }

    Key window()
    {
        static const char *date = R"("2024-02-29")", *instant = R"("2024-01-01T00:00:00.5+02:00")",
                          *relative = R"({"mode":"relative","anchor":"endOfDay","offset":0,"unit":"day"})",
                          *short_relative = R"({"mode":"relative","anchor":"endOfDay"})";
        switch (below(4)) {
        case 0:
            return key("within", std::string("{\"from\":") + date + "}", std::string("{\"from\":") + date + "}");
        case 1:
            return key("within", std::string("{\"to\":") + relative + "}", std::string("{\"to\":") + short_relative + "}");
        case 2:
            return key("within", std::string("{\"from\":") + relative + ",\"to\":" + instant + "}",
                       std::string("{\"to\":") + instant + ",\"from\":" + short_relative + "}");
        default:
            return span("within", "last");
        }
    }

    // What one event or element must satisfy: a group, or, for events, a leaf alone, which is printed in a group.
    Key inner(const char *name, bool leaf)
    {
        Tree tree = leaf && chance(30) ? field_leaf() : this->tree(static_cast<int>(below(3)), true);
        const std::string jqqb = this->jqqb(tree), rqb = this->rqb(tree);
        while (tree.group && !tree.negated && tree.children.size() == 1)
            tree = Tree(tree.children[0]);
        return {name, tree.group ? print(tree, true) : "{\"condition\":\"AND\",\"rules\":[" + tree.canonical + "]}", jqqb,
                rqb};
    }

    // How many elements of a field satisfy a group.
    Tree match_leaf()
    {
        static const std::pair<const char *, const char *> modes[] = {
            {R"({"mode":"all"})", R"({"threshold":7,"mode":"ALL"})"},
            {R"({"mode":"some"})", R"({"mode":"some"})"},
            {R"({"mode":"none"})", R"({"mode":"None","threshold":null})"},
            {R"({"mode":"atLeast","threshold":0.5})", R"({"threshold":0.5,"mode":"atleast"})"},
            {R"({"mode":"atMost","threshold":2})", R"({"mode":"atMost","threshold":2})"},
            {R"({"mode":"exactly","threshold":1e1})", R"({"mode":"exactly","threshold":1e1})"},
        };
        const auto &[printed, given] = modes[below(std::size(modes))];
        Key field = event_name();
        field.name = "field";
        std::vector<Key> keys = {field, key("match", printed, given), inner("value", false)};
        if (chance(50))
            keys.push_back(key("operator", "", "\"=\""));
        return own_leaf(keys);
    }

    Tree event_leaf()
    {
        static const char *words[] = {"\"count\"", "\"first\"", "\"last\""};
        static const char *of_column[] = {"sum", "min", "max", "avg", "distinct"};
        std::vector<Key> keys = {event_name()};
        const std::size_t measure = below(9);
        std::string measured = measure < 3 ? words[measure] : "";
        if (measure >= 3 && measure < 8) {
            measured = std::string("{\"") + of_column[measure - 3] + "\":";
            write_string(measured, text());
            measured += "}";
        }
        if (measure < 8)
            keys.push_back(key("measure", measure == 0 ? "" : measured, measured));
        if (chance(50))
            keys.push_back(window());
        if (chance(50))
            keys.push_back(inner("where", true));
        const bool count = measure == 0 || measure == 8;
        if (count && chance(30)) {
            if (chance(50)) {
                keys.push_back(key("operator", "", "\"gte\""));
                keys.push_back(key("value", "", "1"));
            }
            return own_leaf(keys);
        }
        const bool at_least = chance(50);
        const std::string n = std::to_string(2 + below(5));
        keys.push_back(key("operator", at_least ? "\"greater_or_equal\"" : "\"in\"", at_least ? "\">=\"" : "\"anyof\""));
        keys.push_back(key("value", at_least ? n : "[" + n + "]", n));
        return own_leaf(keys);
    }

    Tree sequence()
    {
        Key steps = {"sequence", "", "", ""};
        const std::size_t size = 2 + below(3);
        for (std::size_t i = 0; i < size; i++) {
            std::vector<Key> keys = {event_name()};
            if (chance(30))
                keys.push_back(inner("where", true));
            if (i > 0 && chance(50))
                keys.push_back(span("after", "at_most"));
            if (chance(30))
                keys.push_back(i + 1 == size ? key("not", "true", "true") : key("not", "", "false"));
            const Tree step = own_leaf(keys);
            const char *separator = i ? "," : "[";
            steps.printed += separator + step.canonical;
            steps.jqqb += separator + step.jqqb;
            steps.rqb += separator + step.rqb;
        }
        for (std::string *list : {&steps.printed, &steps.jqqb, &steps.rqb})
            *list += "]";
        std::vector<Key> keys = {steps};
        if (chance(50))
            keys.push_back(window());
        return own_leaf(keys);
    }

    Tree field_leaf()
    {
        const std::string name = text();
        std::string printed_name;
        write_string(printed_name, name);
        Tree leaf;
        const auto op = static_cast<Operator>(below(operator_count));
        const OperatorInfo &info = operator_info(op);
        const std::string any_operator = "\"operator\":\"" + any_case(info.name) + "\"";
        std::vector<std::string> keys = {"\"field\":" + spelled(name), any_operator};
        leaf.canonical = "{\"field\":" + printed_name + ",\"operator\":\"" + info.name + "\"";
        if (info.inputs != 0) {
            std::string printed, given;
            const std::size_t n = info.inputs > 0 ? static_cast<std::size_t>(info.inputs) : 1 + below(4);
            for (std::size_t i = 0; i < n; i++) {
                auto [p, g] = value();
                if (takes_days(op) || takes_buckets(op))
                    p = g = std::to_string(below(101));
                printed += (i ? "," : "") + p;
                given += (i ? " , " : " ") + g;
            }
            leaf.canonical += ",\"value\":" + (info.inputs == 1 ? printed : "[" + printed + "]");
            const bool bare = info.inputs == 1 && chance(80);
            keys.push_back("\"value\":" + (bare ? given : "[" + given + "]"));
        } else
            add_noise(keys, {"\"value\":null"});
        if (info.inputs == 1 && !takes_days(op) && chance(10)) {
            leaf.canonical += ",\"ignore_case\":true";
            keys.push_back("\"ignore_case\":true");
        }
        if (takes_buckets(op) && chance(50)) {
            leaf.canonical += ",\"salt\":" + printed_name;
            keys.push_back("\"salt\":" + spelled(name));
        }
        leaf.canonical += "}";
        std::vector<std::string> rqb_keys = keys;
        add_noise(keys, {"\"id\":\"f\"", "\"type\":\"string\"", "\"input\":\"text\"", "\"data\":{}", "\"valid\":true"});
        add_noise(rqb_keys,
                  {"\"id\":\"r-2\"", "\"valueSource\":\"value\"", "\"disabled\":true", "\"muted\":false", "\"meta\":[]"});
        leaf.jqqb = object(keys);
        leaf.rqb = object(rqb_keys);
        return leaf;
    }

    std::string any_case(std::string word)
    {
        for (char &c : word)
            if (chance(30))
                c = static_cast<char>(std::toupper(c));
        return word;
    }

    void add_noise(std::vector<std::string> &keys, std::initializer_list<const char *> noise)
    {
        for (const char *key : noise)
            if (chance(15))
                keys.emplace_back(key);
    }

    // Keys in any order.
    std::string object(std::vector<std::string> &keys)
    {
        std::shuffle(keys.begin(), keys.end(), random_);
        std::string out;
        for (const std::string &key : keys)
            out += (out.empty() ? "{" : ", ") + key;
        return out + "}";
    }

    std::string join(const Tree &tree, Spelling spelling)
    {
        std::string out;
        for (const Tree &child : tree.children)
            out += (out.empty() ? "" : ",") + (this->*spelling)(child);
        return out;
    }

    // A rule that is skipped, whatever it holds.
    std::string skipped()
    {
        static const char *rules[] = {R"({"muted":true})", R"({"muted":true,"rules":[],"combinator":7})",
                                      R"({"field":"~","operator":"="})", R"({"field":"a","operator":"~","x":{}})",
                                      R"({"segment":"a","muted":true})"};
        return rules[below(std::size(rules))];
    }

    std::string rqb_with_skipped(const Tree &tree)
    {
        std::string out = rqb(tree);
        if (chance(10))
            out = skipped() + "," + out;
        if (chance(10))
            out += "," + skipped();
        return out;
    }

    // Rules with combinators between them; runs of AND inside OR stand without a group of their own, at times.
    std::string independent_list(const Tree &tree)
    {
        const std::string word = any_case(tree.any ? "or" : "and");
        std::string out;
        for (const Tree &child : tree.children) {
            if (!out.empty())
                out += ",\"" + word + "\",";
            const bool run = tree.any && tree.children.size() > 1 && child.group && !child.any && !child.negated &&
                             child.children.size() > 1;
            if (run && chance(60))
                out += independent_list(child);
            else
                out += rqb(child);
            if (chance(10))
                out += ",\"" + any_case(chance(50) ? "or" : "and") + "\"," + skipped();
        }
        return out;
    }

    std::mt19937 random_;
};

// Whether a path leads somewhere in a text; keys that had to be quoted are taken on trust.
bool resolves(const Json &root, std::string_view path)
{
    const Json *json = &root;
    path.remove_prefix(1);
    while (!path.empty()) {
        if (path.starts_with("[\""))
            return true;
        const std::size_t end = std::min(path.find_first_of(".[", 1), path.size());
        const std::string_view step = path.substr(1, end - 1);
        if (path.front() == '.') {
            if (json->kind != JsonKind::object || !(json = find_key(*json, step)))
                return false;
        } else {
            const std::size_t index = std::stoul(std::string(step));
            if (json->kind != JsonKind::array || index >= json->size)
                return false;
            json = &json->items()[index];
        }
        path.remove_prefix(end);
    }
    return true;
}

// Whatever a text is: it is a rule whose canonical form is stable, or an error that says where.
void check_any_text(const std::string &text)
{
    const auto problem = first_problem(text);
    const std::vector<Problem> problems = all_problems(text);
    if (!problem) {
        ASSERT_TRUE(problems.empty()) << text << "\n" << problems[0].message;
        const std::string printed = canonical(text);
        ASSERT_EQ(canonical(printed), printed) << text;
        return;
    }
    ASSERT_FALSE(problems.empty()) << text;
    ASSERT_EQ(problems[0].path, problem->path) << text;
    ASSERT_EQ(problems[0].message, problem->message) << text;
    std::pmr::monotonic_buffer_resource memory;
    std::optional<Json> json;
    try {
        json = read_json(text, memory);
    } catch (const RuleError &) {
    }
    for (const Problem &one : problems) {
        ASSERT_FALSE(one.message.empty()) << text;
        ASSERT_TRUE(one.path.starts_with('$')) << text;
        ASSERT_TRUE(!json || resolves(*json, one.path)) << text << "\n" << one.path << ": " << one.message;
    }
}

// Damages a text: bytes changed, cut out, doubled, words of the language put in, pieces of another text.
std::string mutate(std::string text, const std::string &other, Generator &random)
{
    static const std::string words[] = {"null",
                                        "true",
                                        "[]",
                                        "{}",
                                        "\"not\":true,",
                                        "\"muted\":true,",
                                        "\"rules\":[",
                                        "\"condition\":\"OR\",",
                                        "\"field\"",
                                        "\"operator\"",
                                        "\"value\"",
                                        "\"~\"",
                                        "\"and\",",
                                        "-1",
                                        "1e999",
                                        "\"\\u0000\"",
                                        "\"list\"",
                                        "\"event\"",
                                        "\"where\":",
                                        "\"match\":{\"mode\":\"some\"},",
                                        "\"within\":{",
                                        "\"sequence\":[",
                                        "\"after\":",
                                        "\"last\"",
                                        "]",
                                        "}",
                                        ",",
                                        "\xC3",
                                        "\"mode\":\"relative\",",
                                        ":"};
    for (std::size_t rounds = 1 + random.below(4); rounds > 0; rounds--) {
        const std::size_t at = random.below(text.size() + 1),
                          length = random.below(std::min<std::size_t>(text.size() - at, 40) + 1);
        switch (random.below(6)) {
        case 0:
            if (at < text.size())
                text[at] = static_cast<char>(random.below(256));
            break;
        case 1:
            text.erase(at, length);
            break;
        case 2:
            text.insert(random.below(text.size() + 1), text.substr(at, length));
            break;
        case 3:
            text.insert(at, words[random.below(std::size(words))]);
            break;
        case 4:
            text.replace(at, length, words[random.below(std::size(words))]);
            break;
        default:
            text.replace(at, length, other.substr(random.below(other.size() + 1), random.below(80)));
        }
    }
    return text;
}

constexpr unsigned seed = 20240513;

} // namespace

TEST(Property, EverySpellingReadsAsItsTree)
{
    Generator random(seed);
    for (int i = 0; i < 4000; i++) {
        const Tree tree = random.tree(static_cast<int>(random.below(5)));
        const std::string expected = print(tree, true);
        const std::string jqqb = random.jqqb(tree), rqb = random.rqb(tree);
        ASSERT_EQ(canonical(jqqb), expected) << jqqb;
        ASSERT_EQ(canonical(rqb), expected) << rqb;
        ASSERT_EQ(canonical(expected), expected);
        ASSERT_TRUE(all_problems(jqqb).empty());
        ASSERT_TRUE(all_problems(rqb).empty());
    }
}

TEST(Property, DamagedRulesNeverHarm)
{
    Generator random(seed + 1);
    for (int i = 0; i < 1500; i++) {
        const Tree tree = random.tree(2);
        const std::string jqqb = random.jqqb(tree), rqb = random.rqb(tree);
        for (int j = 0; j < 10; j++) {
            check_any_text(mutate(jqqb, rqb, random));
            check_any_text(mutate(rqb, jqqb, random));
            if (testing::Test::HasFatalFailure())
                return;
        }
    }
}

TEST(Property, DamagedCasesNeverHarm)
{
    Generator random(seed + 2);
    std::vector<std::string> rules = read_cases("accepted.jsonl");
    for (const std::string &rule : read_cases("refused.jsonl"))
        rules.push_back(rule);
    for (const std::string &rule : rules) {
        for (int j = 0; j < 5; j++)
            check_any_text(mutate(rule, rules[random.below(rules.size())], random));
        if (testing::Test::HasFatalFailure())
            return;
    }
}

// A text cut anywhere is an error.
TEST(Property, CutRules)
{
    Generator random(seed + 3);
    for (int i = 0; i < 20; i++) {
        const std::string rule = random.rqb(random.tree(2));
        for (std::size_t length = 0; length < rule.size(); length++) {
            const auto problem = first_problem(rule.substr(0, length));
            ASSERT_TRUE(problem) << rule.substr(0, length);
            ASSERT_EQ(problem->state, State::malformed) << rule.substr(0, length);
        }
    }
}

// A rule of 10,000 nodes is read in under 10 ms; a reader that were quadratic would not end in seconds, on however busy a machine.
TEST(Property, LargestRuleIsReadQuickly)
{
    std::string rule = "{\"condition\":\"AND\",\"rules\":[";
    for (std::size_t i = 1; i < max_nodes; i++)
        rule +=
            (i > 1 ? "," : "") +
            std::string(
                R"({"id":"sent_count","field":"sent_count","type":"integer","input":"number","operator":"greater","value":)") +
            std::to_string(i) + "}";
    rule += "]}";
    auto best = std::chrono::nanoseconds::max();
    std::size_t bytes = 0;
    for (int i = 0; i < 5; i++) {
        HeapArena arena;
        const auto start = std::chrono::steady_clock::now();
        read_rule(rule, arena);
        best = std::min<std::chrono::nanoseconds>(best, std::chrono::steady_clock::now() - start);
        bytes = arena.bytes();
    }
    RecordProperty("microseconds", static_cast<int>(std::chrono::duration_cast<std::chrono::microseconds>(best).count()));
    RecordProperty("bytes", static_cast<int>(bytes));
    EXPECT_LT(best, std::chrono::seconds(5));
}

} // namespace segments
