// JSON text as a tree: digits and duplicate keys are kept; what is not JSON is refused with its place.
#include "json.hpp"

#include "support.hpp"

namespace segments {

namespace {

// What a text reads as, printed again.
std::string reread(std::string_view text)
{
    std::pmr::monotonic_buffer_resource memory;
    return to_text(read_json(text, memory));
}

// The problem of a text that is no JSON.
Problem json_problem(std::string_view text)
{
    std::pmr::monotonic_buffer_resource memory;
    try {
        read_json(text, memory);
    } catch (const RuleError &error) {
        return error.problem();
    }
    ADD_FAILURE() << text << " was read";
    return {};
}

} // namespace

TEST(Json, KeepsWhatWasWritten)
{
    for (const char *text :
         {"null", "true", "false", "0", "-0", "1.50", "1E5", "1e-7", "123456789012345678901234567890.10", "\"\"",
          "\"Zoë 日本 😀\"", "[]", "{}", "[[],[[]],{}]", "[1,null,\"a\",true]", "{\"a\":1,\"a\":2,\"\":3}",
          "{\"a\":{\"b\":[{\"c\":null}]}}", "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\""})
        EXPECT_EQ(reread(text), text);
}

TEST(Json, Escapes)
{
    EXPECT_EQ(reread("\"\\u0041\\/\\u00e9\\u65e5\\ud83d\\ude00\""), "\"A/é日😀\"");
    EXPECT_EQ(reread("{\"ru\\u006ces\":[\"a\\tb\", \"plain\"]}"), "{\"rules\":[\"a\\tb\",\"plain\"]}");
    EXPECT_EQ(reread(" [ 1 ,\t2\r\n] \n"), "[1,2]");
}

TEST(Json, Refuses)
{
    const struct {
        std::string_view text;
        const char *path;
    } cases[] = {
        {"", "$"},
        {" ", "$"},
        {"{", "$"},
        {"[1,", "$[1]"},
        {"[1,]", "$[1]"},
        {"{\"a\":}", "$.a"},
        {"{\"a\" 1}", "$.a"},
        {"{\"a\":1,}", "$"},
        {"{a:1}", "$"},
        {"{'a':1}", "$"},
        {"{\"rules\":[{},{\"field\":tru}]}", "$.rules[1].field"},
        {"{\"odd key\":[nul]}", "$[\"odd key\"][0]"},
        {"[NaN]", "$[0]"},
        {"[Infinity]", "$[0]"},
        {"[0x10]", "$[1]"},
        {"[01]", "$[1]"},
        {"[1.]", "$[0]"},
        {"[.5]", "$[0]"},
        {"[+1]", "$[0]"},
        {"[1e]", "$[0]"},
        {"[\"a", "$[0]"},
        {"[\"a\nb\"]", "$[0]"},
        {"[\"\\x\"]", "$[0]"},
        {"[\"\\u12\"]", "$[0]"},
        {"[\"\\ud800\"]", "$[0]"},
        {"[\"\\udc00\\ud800\"]", "$[0]"},
        {"[\"\xFF\"]", "$[0]"},
        {"[\"\xC3\"]", "$[0]"},
        {"[\"\xC0\x80\"]", "$[0]"},
        {"[\"\xED\xA0\x80\"]", "$[0]"},
        {"[\"\xF4\x90\x80\x80\"]", "$[0]"},
        {"{\"\xE9\":1}", "$"},
        {"[\"a\\u0000b\"]", "$[0]"},
        {"{\"\\u0000\":1}", "$"},
        {std::string_view("[\"a\0b\"]", 7), "$[0]"},
        {std::string_view("[1]\0", 4), "$"},
        {"[1] x", "$"},
        {"{} {}", "$"},
        {"/* c */ []", "$"},
        {"\xEF\xBB\xBF[]", "$"},
    };
    for (const auto &[text, path] : cases) {
        const Problem problem = json_problem(text);
        EXPECT_EQ(problem.state, State::malformed) << text;
        EXPECT_EQ(problem.path, path) << text;
        EXPECT_FALSE(problem.message.empty()) << text;
    }
}

TEST(Json, SaysWhere)
{
    EXPECT_EQ(json_problem("{\n  \"a\": 1,\n  \"é\": x}").message, "malformed JSON in line 3, column 8");
    EXPECT_EQ(json_problem("[1] x").message, "malformed JSON: more text after its end in line 1, column 5");
}

TEST(Json, Depth)
{
    const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
    EXPECT_EQ(reread(nested(150)), nested(150));
    EXPECT_EQ(json_problem(nested(1000)).state, State::limit);
    EXPECT_EQ(json_problem(std::string(max_text, '[')).state, State::limit);
    std::string objects;
    for (int i = 0; i < 100000; i++)
        objects += "{\"a\":";
    EXPECT_EQ(json_problem(objects).state, State::limit);
}

TEST(Json, FindsKeys)
{
    const std::string_view text = R"({"a":1,"b":2,"a":3})";
    std::pmr::monotonic_buffer_resource memory;
    const Json json = read_json(text, memory);
    EXPECT_EQ(find_key(json, "a")->text(), "3");
    EXPECT_EQ(find_key(json, "b")->text(), "2");
    EXPECT_EQ(find_key(json, "c"), nullptr);
}

TEST(Json, StepsOfPaths)
{
    EXPECT_EQ(key_step("value"), ".value");
    EXPECT_EQ(key_step("$and"), ".$and");
    EXPECT_EQ(key_step(""), "[\"\"]");
    EXPECT_EQ(key_step("a.b"), "[\"a.b\"]");
    EXPECT_EQ(key_step("a\"b"), "[\"a\\\"b\"]");
    EXPECT_LT(key_step(std::string(100000, 'x')).size(), 120u);
    EXPECT_EQ(clip("日本日本", 7), "日本...");
    EXPECT_EQ(clip("short", 7), "short");
}

} // namespace segments
