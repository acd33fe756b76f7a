// What is refused: with which state, at which path, and with a hint where there is one.
#include "support.hpp"

namespace segments {

namespace {

struct Case {
    std::string json;
    State state;
    const char *path;
    const char *message;   // a part of it
    const char *hint = ""; // a part of it
};

void check(const Case &c)
{
    const auto problem = first_problem(c.json);
    ASSERT_TRUE(problem) << c.json << " was read";
    EXPECT_EQ(problem->state, c.state) << c.json;
    EXPECT_EQ(problem->path, c.path) << c.json;
    EXPECT_NE(problem->message.find(c.message), std::string::npos) << c.json << "\n" << problem->message;
    EXPECT_NE(problem->hint.find(c.hint), std::string::npos) << c.json << "\n" << problem->hint;

    EXPECT_FALSE(problem->hint.empty()) << c.json << "\n" << problem->message;
    EXPECT_TRUE(problem->hint.ends_with('.') || problem->hint.ends_with('?')) << problem->hint;

    const std::vector<Problem> problems = all_problems(c.json);
    ASSERT_FALSE(problems.empty()) << c.json;
    EXPECT_EQ(problems[0].message, problem->message) << c.json;
    EXPECT_EQ(problems[0].path, problem->path) << c.json;
}

// A leaf alone in a group of jQuery QueryBuilder's dialect, or of React Query Builder's.
std::string jqqb(const std::string &leaf)
{
    return "{\"condition\":\"AND\",\"rules\":[" + leaf + "]}";
}

std::string rqb(const std::string &leaf)
{
    return "{\"combinator\":\"and\",\"rules\":[" + leaf + "]}";
}

// A leaf on field a with these keys beside it.
std::string a(const std::string &keys)
{
    return "{\"field\":\"a\"," + keys + "}";
}

} // namespace

TEST(Refused, Roots)
{
    const Case cases[] = {
        {"5", State::refused, "$", "found a number"},
        {"\"AND\"", State::refused, "$", "found a string"},
        {"null", State::refused, "$", "found null"},
        {"true", State::refused, "$", "found true"},
        {"{}", State::refused, "$", "not a rule", "condition"},
        {R"({"field":"a","value":1})", State::refused, "$", "missing operator"},
        {R"({"a":1,"b":2})", State::refused, "$", "not a rule"},
        {R"({"condition":"AND"})", State::refused, "$", "a group needs \"rules\""},
        {R"({"combinator":"and","rules":null})", State::refused, "$.rules", "found null"},
        {R"({"condition":"AND","rules":{}})", State::refused, "$.rules", "found an object"},
        {R"({"rules":"x"})", State::refused, "$.rules", "found a string"},
        // other libraries'
        {R"(["age",">",3])", State::refused, "$", "DevExtreme"},
        {R"([["age",">",3],"and",["a","=",1]])", State::refused, "$", "DevExtreme"},
        {R"([{"field":"a","value":1},"and"])", State::refused, "$", "DevExtreme"},
        {R"({"logic":"and","filters":[{"field":"a","operator":"eq","value":1}]})", State::refused, "$", "Kendo"},
        {R"({"type":"group","id":"x","children1":{}})", State::refused, "$", "React Awesome Query Builder",
         "queryBuilderFormat"},
        {R"({"$and":[{"a":1}]})", State::refused, "$", "MongoDB"},
        {R"({"$and":[],"$or":[]})", State::refused, "$", "MongoDB"},
        {R"({"and":[{"==":[{"var":"a"},1]}]})", State::refused, "$", "JsonLogic"},
        {R"({"!":{"var":"a"}})", State::refused, "$", "JsonLogic"},
        {R"({"in":["a",{"var":"b"}]})", State::refused, "$", "JsonLogic"},
    };
    for (const Case &c : cases)
        check(c);
}

TEST(Refused, Groups)
{
    const std::string leaf = a("\"operator\":\"=\",\"value\":1");
    const Case cases[] = {
        // empty ones
        {jqqb(""), State::refused, "$", "empty group", "everyone"},
        {rqb(""), State::refused, "$", "empty group", "everyone"},
        {"[]", State::refused, "$", "empty group", "everyone"},
        {R"({"rules":[]})", State::refused, "$", "empty group", "everyone"},
        {jqqb(leaf + "," + jqqb("")), State::refused, "$.rules[1]", "empty group", "everyone"},
        {rqb(leaf + "," + rqb(R"({"muted":true})")), State::refused, "$.rules[1]", "empty group", "everyone"},
        {rqb(R"({"field":"~","operator":"=","value":1})"), State::refused, "$", "empty group", "everyone"},
        {rqb(R"({"field":"a","operator":"~","value":1})"), State::refused, "$", "empty group", "everyone"},
        {R"({"combinator":"and","muted":true,"rules":[{"segment":"a"}]})", State::refused, "$", "empty group", "everyone"},
        {R"({"rules":[{"segment":"a","muted":true},"and",{"segment":"b","muted":true}]})", State::refused, "$",
         "empty group", "everyone"},
        {R"({"segment":"a","muted":true})", State::refused, "$", "empty group", "everyone"},
        // dialects
        {R"({"condition":"AND","combinator":"and","rules":[]})", State::refused, "$", "both", "keep one"},
        {"{\"rules\":[" + leaf + "," + leaf + "]}", State::refused, "$", "missing condition", "condition"},
        {jqqb(rqb(leaf)), State::refused, "$.rules[0].combinator", "combinator", "condition"},
        {rqb(jqqb(leaf)), State::refused, "$.rules[0].condition", "condition", "combinator"},
        {jqqb(leaf + ",{\"rules\":[" + leaf + "," + leaf + "]}"), State::refused, "$.rules[1]", "missing condition"},
        {jqqb(leaf + ",\"and\"," + leaf), State::refused, "$.rules[1]", "found a string"},
        {rqb(leaf + ",\"and\"," + leaf), State::refused, "$.rules[1]", "found a string"},
        {rqb("null"), State::refused, "$.rules[0]", "found null"},
        {jqqb("[]"), State::refused, "$.rules[0]", "found an array"},
        {jqqb(R"({"condition":"AND"})"), State::refused, "$.rules[0]", "a group needs \"rules\""},
        // conditions
        {R"({"condition":"XOR","rules":[{"segment":"a"}]})", State::refused, "$.condition", "XOR", "and"},
        {R"({"condition":"","rules":[{"segment":"a"}]})", State::refused, "$.condition", "unknown condition"},
        {R"({"condition":null,"rules":[{"segment":"a"}]})", State::refused, "$.condition", "found null"},
        {R"({"condition":"AND ","rules":[{"segment":"a"}]})", State::refused, "$.condition", "unknown condition"},
        {R"({"combinator":"xor","rules":[{"segment":"a"}]})", State::refused, "$.combinator", "xor", "and"},
        {R"({"combinator":1,"rules":[{"segment":"a"}]})", State::refused, "$.combinator", "found a number"},
        // independent combinators
        {"{\"rules\":[" + leaf + ",\"xor\"," + leaf + "]}", State::refused, "$.rules[1]", "xor", "and"},
        {"{\"rules\":[" + leaf + ",\"and\"]}", State::refused, "$.rules[1]", "no rule after"},
        {"{\"rules\":[\"and\"," + leaf + "]}", State::refused, "$.rules[0]", "where a rule is wanted"},
        {"{\"rules\":[" + leaf + ",\"and\",\"or\"," + leaf + "]}", State::refused, "$.rules[2]", "where a rule is wanted"},
        {"{\"rules\":[" + leaf + "," + leaf + ",\"or\"," + leaf + "]}", State::refused, "$.rules[1]", "missing combinator"},
        {rqb("{\"rules\":[" + leaf + "," + leaf + "]}"), State::refused, "$.rules[0].rules[1]", "missing combinator"},
        {"{\"rules\":[" + leaf + ",null," + leaf + ",\"or\"," + leaf + "]}", State::refused, "$.rules[1]", "found null"},
        // flags
        {R"({"condition":"AND","not":1,"rules":[{"segment":"a"}]})", State::refused, "$.not", "true or false"},
        {R"({"condition":"AND","not":"true","rules":[{"segment":"a"}]})", State::refused, "$.not", "true or false"},
        {R"({"combinator":"and","not":null,"rules":[{"segment":"a"}]})", State::refused, "$.not", "true or false"},
        {R"({"combinator":"and","muted":1,"rules":[{"segment":"a"}]})", State::refused, "$.muted", "true or false"},
        {rqb(R"({"segment":"a","muted":"true"})"), State::refused, "$.rules[0].muted", "true or false"},
        {R"({"condition":"AND","valid":false,"rules":[{"segment":"a"}]})", State::refused, "$.valid", "invalid", "builder"},
        {jqqb(a(R"("operator":"=","value":1,"valid":false)")), State::refused, "$.rules[0].valid", "invalid"},
        {jqqb(R"({"segment":"a","valid":0})"), State::refused, "$.rules[0].valid", "true or false"},
        // keys
        {R"({"condition":"AND","nott":true,"rules":[{"segment":"a"}]})", State::refused, "$.nott", "unknown key \"nott\"",
         "\"not\""},
        {R"({"condition":"AND","muted":true,"rules":[{"segment":"a"}]})", State::refused, "$.muted", "unknown key"},
        {R"({"condition":"AND","disabled":true,"rules":[{"segment":"a"}]})", State::refused, "$.disabled", "unknown key"},
        {R"({"combinator":"and","valid":true,"rules":[{"segment":"a"}]})", State::refused, "$.valid", "unknown key"},
        {R"({"combinator":"and","odd key!":true,"rules":[{"segment":"a"}]})", State::refused, "$[\"odd key!\"]",
         "unknown key"},
        {R"({"condition":"AND","semantic":"sql","rules":[{"segment":"a"}]})", State::refused, "$.semantic", "unknown key",
         "semantics"},
        {jqqb(R"({"condition":"AND","semantics":"sql","rules":[{"segment":"a"}]})"), State::refused, "$.rules[0].semantics",
         "below the root", "root"},
        {jqqb(R"({"segment":"a","time_zone":"UTC"})"), State::refused, "$.rules[0].time_zone", "below the root"},
        {R"({"condition":"AND","condition":"OR","rules":[{"segment":"a"}]})", State::refused, "$.condition", "given twice"},
        {R"({"condition":"AND","rules":[],"rules":[{"segment":"a"}]})", State::refused, "$.rules", "given twice"},
        {R"({"combinator":"and","not":true,"not":true,"rules":[{"segment":"a"}]})", State::refused, "$.not", "given twice"},
        {R"({"condition":"AND","rules":[{"segment":"a"}],"as_of":"2024-01-01","as_of":"2024-01-01"})", State::refused,
         "$.as_of", "given twice"},
        {rqb(R"({"segment":"a","muted":false,"muted":true})"), State::refused, "$.rules[0].muted", "given twice"},
        {rqb(R"({"field":"a","operator":"=","value":1,"field":"~"})"), State::refused, "$.rules[0].field", "given twice"},
    };
    for (const Case &c : cases)
        check(c);
}

TEST(Refused, RootKeys)
{
    const auto root = [](const char *key) {
        return std::string("{\"condition\":\"AND\",\"rules\":[{\"everyone\":true}],") + key + "}";
    };
    const Case cases[] = {
        {root(R"("semantics":"SQL")"), State::refused, "$.semantics", "semantics", "\"sql\""},
        {root(R"("semantics":null)"), State::refused, "$.semantics", "semantics"},
        {root(R"("time_zone":1)"), State::refused, "$.time_zone", "found a number"},
        {root(R"("time_zone":"")"), State::refused, "$.time_zone", "found an empty string"},
        {root(R"("as_of":20240513)"), State::refused, "$.as_of", "found a number"},
        {root(R"("as_of":"yesterday")"), State::bad_date, "$.as_of", "ISO 8601", "2024"},
        {root(R"("as_of":"13/05/2024")"), State::bad_date, "$.as_of", "13/05/2024"},
        {root(R"("as_of":"2024-02-30")"), State::date_range, "$.as_of", "out of range"},
    };
    for (const Case &c : cases)
        check(c);
}

TEST(Refused, Leaves)
{
    const Case cases[] = {
        // fields
        {jqqb(R"({"operator":"=","value":1})"), State::refused, "$.rules[0]", "missing field"},
        {rqb(R"({"id":"a","operator":"=","value":1})"), State::refused, "$.rules[0]", "missing field"},
        {jqqb(R"({"field":"","operator":"=","value":1})"), State::refused, "$.rules[0].field", "found an empty string"},
        {jqqb(R"({"field":1,"operator":"=","value":1})"), State::refused, "$.rules[0].field", "found a number"},
        {jqqb(R"({"id":[],"operator":"=","value":1})"), State::refused, "$.rules[0].id", "found an array"},
        {rqb(R"({"field":null,"operator":"=","value":1})"), State::refused, "$.rules[0].field", "found null"},
        // operators
        {rqb(R"({"field":"a","value":1})"), State::refused, "$.rules[0]", "missing operator"},
        {jqqb(a(R"("operator":null,"value":1)")), State::refused, "$.rules[0].operator", "found null"},
        {jqqb(a(R"("operator":"greatr","value":1)")), State::unknown_operator, "$.rules[0].operator", "greatr",
         "\"greater\""},
        {jqqb(a(R"("operator":"zzzzz","value":1)")), State::unknown_operator, "$.rules[0].operator", "zzzzz"},
        {jqqb(a(R"("operator":"","value":1)")), State::unknown_operator, "$.rules[0].operator", "unknown operator"},
        {jqqb(a(R"("operator":"~","value":1)")), State::unknown_operator, "$.rules[0].operator", "~"},
        {rqb(a(R"("operator":"LIKE","value":1)")), State::unknown_operator, "$.rules[0].operator", "LIKE", "contains"},
        {rqb(a(R"("operator":"isBlank","value":1)")), State::unknown_operator, "$.rules[0].operator", "isBlank", "is_empty"},
        {rqb(a(R"("operator":"xor","value":1)")), State::unknown_operator, "$.rules[0].operator", "xor", "not"},
        // keys
        {jqqb(a(R"("operator":"=","valu":1)")), State::refused, "$.rules[0].valu", "unknown key", "\"value\""},
        {jqqb(a(R"("operator":"=","value":1,"valueSource":"value")")), State::refused, "$.rules[0].valueSource",
         "unknown key", "value_source"},
        {jqqb(a(R"("operator":"=","value":1,"muted":false)")), State::refused, "$.rules[0].muted", "unknown key"},
        {rqb(a(R"("operator":"=","value":1,"type":"string")")), State::refused, "$.rules[0].type", "unknown key"},
        {rqb(a(R"("operator":"=","value":1,"segment":"s")")), State::refused, "$.rules[0].segment", "unknown key"},
        {jqqb(a(R"("operator":"=","value":1,"value":2)")), State::refused, "$.rules[0].value", "given twice"},
        {jqqb(a(R"("operator":"=","operator":"=","value":2)")), State::refused, "$.rules[0].operator", "given twice"},
        // other modifiers
        {rqb(a(R"("operator":"=","value":"b","valueSource":"parameter")")), State::refused, "$.rules[0].valueSource",
         "source", "field"},
        {jqqb(a(R"("operator":"=","value":"b","value_source":null)")), State::refused, "$.rules[0].value_source", "source"},
        {rqb(a(R"("operator":"=","value":"b","valueSource":"field","value_source":"field")")), State::refused,
         "$.rules[0].value_source", "both"},
        {rqb(a(R"("operator":"=","value":1,"valueSource":"field")")), State::refused, "$.rules[0].value", "field's name"},
        {rqb(a(R"("operator":"=","value":"","valueSource":"field")")), State::refused, "$.rules[0].value", "field's name"},
        {rqb(a(R"("operator":"in","value":["b",2],"valueSource":"field")")), State::refused, "$.rules[0].value[1]",
         "field's name"},
        {rqb(a(R"("operator":"n_days_ago","value":"b","valueSource":"field")")), State::refused, "$.rules[0].valueSource",
         "not fields"},
        {jqqb(a(R"("operator":"in_bucket","value":["b","c"],"value_source":"field")")), State::refused,
         "$.rules[0].value_source", "not fields"},
        {jqqb(a(R"("operator":"=","value":"b","ignore_case":1)")), State::refused, "$.rules[0].ignore_case",
         "true or false"},
        {jqqb(a(R"("operator":"=","value":"b","salt":"x")")), State::refused, "$.rules[0].salt", "in_bucket"},
        {jqqb(a(R"("operator":"in_bucket","value":[0,5],"salt":1)")), State::refused, "$.rules[0].salt", "text"},
    };
    for (const Case &c : cases)
        check(c);
}

TEST(Refused, OwnLeaves)
{
    const Case cases[] = {
        {jqqb(R"({"segment":""})"), State::refused, "$.rules[0].segment", "found an empty string"},
        {jqqb(R"({"segment":["a"]})"), State::refused, "$.rules[0].segment", "found an array"},
        {jqqb(R"({"segment":"a","value":1})"), State::refused, "$.rules[0].value", "unknown key"},
        {jqqb(R"({"segment":"a","list":1})"), State::refused, "$.rules[0].list", "unknown key"},
        {R"({"segment":"a","segment":"b"})", State::refused, "$.segment", "given twice"},
        {R"({"everyone":false})", State::refused, "$.everyone", "must be true"},
        {R"({"everyone":1})", State::refused, "$.everyone", "must be true"},
        {R"({"everyone":true,"not":true})", State::refused, "$.not", "unknown key"},
        {R"({"list":null})", State::malformed, "$.list", "null"},
        {R"({"list":[1,2]})", State::malformed, "$.list", "one list", "in"},
        {R"({"list":{}})", State::malformed, "$.list", "one list"},
        {rqb(R"({"list":1,"valid":true})"), State::refused, "$.rules[0].valid", "unknown key"},
    };
    for (const Case &c : cases)
        check(c);
}

TEST(Refused, Events)
{
    const auto click = [](const std::string &keys) { return jqqb("{\"event\":\"click\"," + keys + "}"); };
    const auto within = [&](const std::string &window) { return click("\"within\":" + window); };
    const auto where = [&](const std::string &group) { return click("\"where\":" + group); };
    const char *leaf = "$.rules[0]", *whole = "from 1 to";
    const Case cases[] = {
        // events
        {jqqb(R"({"event":""})"), State::refused, "$.rules[0].event", "found an empty string", "click"},
        {jqqb(R"({"event":null})"), State::refused, "$.rules[0].event", "found null", "click"},
        {jqqb(R"({"event":["click"]})"), State::refused, "$.rules[0].event", "found an array", "click"},
        {R"({"event":7})", State::refused, "$.event", "found a number", "click"},
        // measures
        {click(R"("measure":"total")"), State::refused, "$.rules[0].measure", "unknown measure \"total\"", "\"count\""},
        {click(R"("measure":"sum")"), State::refused, "$.rules[0].measure", "unknown measure \"sum\"", "{\"sum\": ...}"},
        {click(R"("measure":{"count":"x"})"), State::refused, "$.rules[0].measure", "unknown measure \"count\"",
         "\"count\""},
        {click(R"("measure":"Count")"), State::refused, "$.rules[0].measure", "unknown measure \"Count\"", "\"count\""},
        {click(R"("measure":{"median":"x"})"), State::refused, "$.rules[0].measure", "unknown measure \"median\""},
        {click(R"("measure":null)"), State::refused, "$.rules[0].measure", "found null", "\"count\""},
        {click(R"("measure":{})"), State::refused, "$.rules[0].measure", "found an object"},
        {click(R"("measure":{"sum":"a","max":"a"})"), State::refused, "$.rules[0].measure", "found an object"},
        {click(R"("measure":{"sum":"a","sum":"a"})"), State::refused, "$.rules[0].measure", "found an object"},
        {click(R"("measure":{"sum":""},"operator":"=","value":1)"), State::refused, "$.rules[0].measure.sum", "column",
         "column"},
        {click(R"("measure":{"max":null},"operator":"=","value":1)"), State::refused, "$.rules[0].measure.max", "found null",
         "column"},
        // operator and value come together
        {click(R"("value":3)"), State::refused, leaf, "without \"operator\"", "at least once"},
        {click(R"("value":null)"), State::refused, leaf, "without \"operator\""},
        {click(R"("operator":"=")"), State::refused, leaf, "operator equal needs a value"},
        {click(R"("operator":"=","value":null)"), State::malformed, "$.rules[0].value", "null", "is_null"},
        {click(R"("operator":"in","value":[])"), State::refused, "$.rules[0].value", "at least one"},
        {click(R"("operator":"between","value":[1])"), State::refused, "$.rules[0].value", "two values"},
        {click(R"("operator":null,"value":1)"), State::refused, "$.rules[0].operator", "found null"},
        {click(R"("operator":"atleast","value":1)"), State::unknown_operator, "$.rules[0].operator", "atleast"},
        {click(R"("measure":"last")"), State::refused, leaf, "measure last needs \"operator\"", "count"},
        {click(R"("measure":{"sum":"x"})"), State::refused, leaf, "measure sum needs \"operator\"", "count"},
        {rqb(R"({"event":"click","measure":"first","value":1})"), State::refused, leaf, "without \"operator\""},
        {click(R"("measure":"last","operator":"n_days_ago","value":-1)"), State::refused, "$.rules[0].value",
         "whole number from 0"},
        // windows
        {within("null"), State::refused, "$.rules[0].within", "found null", "last"},
        {within("7"), State::refused, "$.rules[0].within", "found a number", "last"},
        {within("{}"), State::refused, "$.rules[0].within", "empty window", "from"},
        {within(R"({"lst":7,"uint":"day"})"), State::refused, "$.rules[0].within.lst", "unknown key", "\"last\""},
        {within(R"({"last":7})"), State::refused, "$.rules[0].within", "missing unit", "day"},
        {within(R"({"unit":"day"})"), State::refused, "$.rules[0].within", "missing \"last\"", "whole number"},
        {within(R"({"last":7,"unit":"days"})"), State::refused, "$.rules[0].within.unit", "unknown unit", "\"day\""},
        {within(R"({"last":7,"unit":null})"), State::refused, "$.rules[0].within.unit", "unknown unit", "\"day\""},
        {within(R"({"last":0,"unit":"day"})"), State::refused, "$.rules[0].within.last", whole, "whole number"},
        {within(R"({"last":-1,"unit":"day"})"), State::refused, "$.rules[0].within.last", whole, "whole number"},
        {within(R"({"last":1.5,"unit":"day"})"), State::refused, "$.rules[0].within.last", "found 1.5", "whole number"},
        {within(R"({"last":1000001,"unit":"day"})"), State::refused, "$.rules[0].within.last", "1000000"},
        {within(R"({"last":2733,"unit":"year"})"), State::refused, "$.rules[0].within.last", "2732"},
        {within(R"({"last":99999999999999999999,"unit":"minute"})"), State::refused, "$.rules[0].within.last", whole},
        {within(R"({"last":1e999,"unit":"day"})"), State::refused, "$.rules[0].within.last", whole},
        {within(R"({"last":"7","unit":"day"})"), State::refused, "$.rules[0].within.last", "found a string", whole},
        {within(R"({"last":null,"unit":"day"})"), State::refused, "$.rules[0].within.last", "found null", whole},
        {within(R"({"last":7,"unit":"day","from":"2024-01-01"})"), State::refused, "$.rules[0].within", "both \"last\" and"},
        {within(R"({"unit":"day","to":"2024-01-01"})"), State::refused, "$.rules[0].within", "both \"last\" and"},
        {within(R"({"last":7,"last":7,"unit":"day"})"), State::refused, "$.rules[0].within.last", "given twice"},
        {within(R"({"from":"2024-01-01","from":"2024-01-01"})"), State::refused, "$.rules[0].within.from", "given twice"},
        {within(R"({"from":"2024-01-01","until":"2024-01-01"})"), State::refused, "$.rules[0].within.until", "unknown key"},
        {within(R"({"from":null})"), State::malformed, "$.rules[0].within.from", "null", "Leave the key out"},
        {within(R"({"from":"2024-01-01","to":null})"), State::malformed, "$.rules[0].within.to", "null",
         "Leave the key out"},
        {within(R"({"from":20240101})"), State::bad_date, "$.rules[0].within.from", "found a number", "YYYY"},
        {within(R"({"to":true})"), State::bad_date, "$.rules[0].within.to", "found true", "YYYY"},
        {within(R"({"to":["2024-01-01"]})"), State::bad_date, "$.rules[0].within.to", "found an array", "YYYY"},
        {within(R"({"to":{"mode":"relative","anchor":"today"}})"), State::refused, "$.rules[0].within.to.anchor", "anchor",
         "startOf"},
        {within(R"({"to":{"last":7}})"), State::malformed, "$.rules[0].within.to", "an object is not a value", "relative"},
        // where
        {where("null"), State::refused, "$.rules[0].where", "found null"},
        {where(R"([{"field":"a","value":1}])"), State::refused, "$.rules[0].where", "found an array"},
        {where("{}"), State::refused, "$.rules[0].where", "missing field"},
        {where(jqqb("")), State::refused, "$.rules[0].where", "empty group", "every event"},
        {where(jqqb(jqqb(""))), State::refused, "$.rules[0].where.rules[0]", "empty group", "every event"},
        {where(R"({"segment":"a"})"), State::refused, "$.rules[0].where.segment", "\"segment\" inside \"where\"", "beside"},
        {where(jqqb(R"({"list":1})")), State::refused, "$.rules[0].where.rules[0].list", "inside \"where\"", "beside"},
        {where(R"({"everyone":true})"), State::refused, "$.rules[0].where.everyone", "inside \"where\"", "beside"},
        {where(R"({"event":"click"})"), State::refused, "$.rules[0].where.event", "inside \"where\"", "beside"},
        {where(jqqb(R"({"sequence":[{"event":"a"},{"event":"b"}]})")), State::refused, "$.rules[0].where.rules[0].sequence",
         "inside \"where\"", "beside"},
        {where(R"({"condition":"AND","rules":[{"field":"a","value":1}],"semantics":"sql"})"), State::refused,
         "$.rules[0].where.semantics", "below the root", "root"},
        {where(rqb(a(R"("operator":"=","value":1)"))), State::refused, "$.rules[0].where.combinator", "combinator",
         "condition"},
        {rqb("{\"event\":\"click\",\"where\":" + jqqb(a(R"("operator":"=","value":1)")) + "}"), State::refused,
         "$.rules[0].where.condition", "condition", "combinator"},
        {rqb(R"({"event":"click","where":{"combinator":"and","muted":true,"rules":[{"field":"a","operator":"null"}]}})"),
         State::refused, "$.rules[0].where", "empty group", "every event"},
        {rqb(R"({"event":"click","where":{"field":"a","operator":"~"}})"), State::refused, "$.rules[0].where", "empty group",
         "every event"},
        {rqb(R"({"event":"click","where":{"combinator":"and","rules":[{"muted":true},{"field":"~","operator":"="}]}})"),
         State::refused, "$.rules[0].where", "empty group", "every event"},
        // after "where", leaves of our own are read again, and an empty group has its own hint
        {jqqb(R"({"event":"click","where":{"field":"a","value":1}},{"condition":"AND","rules":[]})"), State::refused,
         "$.rules[1]", "empty group", "everyone"},
        // keys
        {click(R"("withn":{"last":1,"unit":"day"})"), State::refused, "$.rules[0].withn", "unknown key", "\"within\""},
        {click(R"("filter":{})"), State::refused, "$.rules[0].filter", "unknown key", "measure"},
        {click(R"("ignore_case":true)"), State::refused, "$.rules[0].ignore_case", "unknown key"},
        {click(R"("sequence":[])"), State::refused, "$.rules[0].sequence", "unknown key"},
        {click(R"("not":true)"), State::refused, "$.rules[0].not", "unknown key"},
        {click(R"("muted":false)"), State::refused, "$.rules[0].muted", "unknown key"},
        {click(R"("valid":false)"), State::refused, "$.rules[0].valid", "invalid"},
        {click(R"("as_of":"2024-01-01")"), State::refused, "$.rules[0].as_of", "below the root"},
        {click(R"("event":"click")"), State::refused, "$.rules[0].event", "given twice"},
        {click(R"("measure":"count","measure":"count")"), State::refused, "$.rules[0].measure", "given twice"},
        {click(R"("within":{"last":1,"unit":"day"},"within":{"last":1,"unit":"day"})"), State::refused, "$.rules[0].within",
         "given twice"},
        {rqb(R"({"event":"click","valid":true})"), State::refused, "$.rules[0].valid", "unknown key"},
        {rqb(R"({"event":"click","muted":"no"})"), State::refused, "$.rules[0].muted", "true or false"},
        {jqqb(a(R"("event":"click","value":1)")), State::refused, "$.rules[0].event", "unknown key"},
    };
    for (const Case &c : cases)
        check(c);
}

TEST(Refused, Sequences)
{
    const auto sequence = [](const std::string &steps) { return jqqb("{\"sequence\":[" + steps + "]}"); };
    const auto second = [&](const std::string &keys) {
        return sequence(R"({"event":"a"},{"event":"b",)" + keys + R"(},{"event":"c"})");
    };
    const char *after = "$.rules[0].sequence[1].after";
    const Case cases[] = {
        {jqqb(R"({"sequence":null})"), State::refused, "$.rules[0].sequence", "found null", "two steps"},
        {jqqb(R"({"sequence":{"event":"a"}})"), State::refused, "$.rules[0].sequence", "found an object", "two steps"},
        {sequence(""), State::refused, "$.rules[0].sequence", "two steps, found 0", "two steps"},
        {rqb(R"({"sequence":[{"event":"a"}]})"), State::refused, "$.rules[0].sequence", "two steps, found 1", "two steps"},
        {sequence(R"({"event":"a"},"b")"), State::refused, "$.rules[0].sequence[1]", "found a string", "two steps"},
        {sequence(R"({"event":"a"},{})"), State::refused, "$.rules[0].sequence[1]", "missing event", "click"},
        {sequence(R"({"event":"a"},{"event":""})"), State::refused, "$.rules[0].sequence[1].event", "found an empty string"},
        {second(R"("evnt":"c")"), State::refused, "$.rules[0].sequence[1].evnt", "unknown key", "\"event\""},
        {second(R"("measure":"count")"), State::refused, "$.rules[0].sequence[1].measure", "unknown key"},
        {second(R"("within":{"last":1,"unit":"day"})"), State::refused, "$.rules[0].sequence[1].within", "unknown key"},
        {second(R"("muted":true)"), State::refused, "$.rules[0].sequence[1].muted", "unknown key"},
        {second(R"("event":"b")"), State::refused, "$.rules[0].sequence[1].event", "given twice"},
        // after
        {sequence(R"({"event":"a","after":{"at_most":1,"unit":"day"}},{"event":"b"})"), State::refused,
         "$.rules[0].sequence[0].after", "first step", "second step"},
        {second(R"("after":null)"), State::refused, after, "found null", "at_most"},
        {second(R"("after":7)"), State::refused, after, "found a number", "at_most"},
        {second(R"("after":{})"), State::refused, after, "missing unit"},
        {second(R"("after":{"unit":"day"})"), State::refused, after, "missing \"at_most\"", "whole number"},
        {second(R"("after":{"at_most":1})"), State::refused, after, "missing unit", "day"},
        {second(R"("after":{"at_least":1,"unit":"day"})"), State::refused, "$.rules[0].sequence[1].after.at_least",
         "unknown key", "\"at_most\""},
        {second(R"("after":{"at_most":0,"unit":"day"})"), State::refused, "$.rules[0].sequence[1].after.at_most",
         "from 1 to", "whole number"},
        {second(R"("after":{"at_most":-2,"unit":"hour"})"), State::refused, "$.rules[0].sequence[1].after.at_most",
         "found -2"},
        {second(R"("after":{"at_most":0.5,"unit":"month"})"), State::refused, "$.rules[0].sequence[1].after.at_most",
         "found 0.5"},
        {second(R"("after":{"at_most":1,"at_most":1,"unit":"day"})"), State::refused, "$.rules[0].sequence[1].after.at_most",
         "given twice"},
        // not
        {second(R"("not":true)"), State::refused, "$.rules[0].sequence[1].not", "not the last", "last step"},
        {sequence(R"({"event":"a","not":true},{"event":"b","not":true})"), State::refused, "$.rules[0].sequence[0].not",
         "not the last", "last step"},
        {sequence(R"({"event":"a"},{"event":"b","not":1})"), State::refused, "$.rules[0].sequence[1].not", "true or false"},
        {sequence(R"({"event":"a"},{"event":"b","not":null})"), State::refused, "$.rules[0].sequence[1].not",
         "true or false"},
        // where, within and other keys
        {second("\"where\":" + jqqb("")), State::refused, "$.rules[0].sequence[1].where", "empty group", "every event"},
        {second(R"("where":{"segment":"x"})"), State::refused, "$.rules[0].sequence[1].where.segment", "inside \"where\""},
        {rqb(R"({"sequence":[{"event":"a"},{"event":"b","where":{"combinator":"and","muted":true,"rules":[]}}]})"),
         State::refused, "$.rules[0].sequence[1].where", "empty group", "every event"},
        {jqqb(R"({"sequence":[{"event":"a"},{"event":"b"}],"within":{}})"), State::refused, "$.rules[0].within",
         "empty window"},
        {jqqb(R"({"sequence":[{"event":"a"},{"event":"b"}],"operator":">=","value":1})"), State::refused,
         "$.rules[0].operator", "unknown key"},
        {jqqb(R"({"sequence":[{"event":"a"},{"event":"b"}],"where":{"field":"a","value":1}})"), State::refused,
         "$.rules[0].where", "unknown key"},
    };
    for (const Case &c : cases)
        check(c);
}

TEST(Refused, Match)
{
    const std::string one = R"({"field":"","operator":"=","value":1})", group = rqb(one);
    const auto match = [&](const std::string &how) {
        return rqb("{\"field\":\"tags\",\"operator\":\"=\",\"match\":" + how + ",\"value\":" + group + "}");
    };
    const auto value = [](const std::string &keys) {
        return rqb(R"({"field":"tags","operator":"=","match":{"mode":"some"})" + keys + "}");
    };
    const Case cases[] = {
        {match("true"), State::refused, "$.rules[0].match", "found true", "mode"},
        {match("\"all\""), State::refused, "$.rules[0].match", "found a string", "mode"},
        {match("{}"), State::refused, "$.rules[0].match", "missing mode", "atLeast"},
        {match(R"({"mode":"any"})"), State::refused, "$.rules[0].match.mode", "unknown match mode \"any\"", "some"},
        {match(R"({"mode":null})"), State::refused, "$.rules[0].match.mode", "found null", "some"},
        {match(R"({"mode":"all","treshold":1})"), State::refused, "$.rules[0].match.treshold", "unknown key", "threshold"},
        {match(R"({"mode":"all","mode":"some"})"), State::refused, "$.rules[0].match.mode", "given twice"},
        {match(R"({"mode":"atLeast"})"), State::refused, "$.rules[0].match", "atLeast needs a threshold", "share"},
        {match(R"({"mode":"atMost","threshold":null})"), State::refused, "$.rules[0].match", "atMost needs a threshold"},
        {match(R"({"mode":"exactly","threshold":"2"})"), State::refused, "$.rules[0].match.threshold", "found a string",
         "share"},
        {match(R"({"mode":"exactly","threshold":-1})"), State::refused, "$.rules[0].match.threshold", "negative", "share"},
        {match(R"({"mode":"exactly","threshold":-0.5})"), State::refused, "$.rules[0].match.threshold", "negative"},
        {match(R"({"mode":"exactly","threshold":1e999})"), State::refused, "$.rules[0].match.threshold", "out of range"},
        {match(R"({"mode":"exactly","threshold":1e-400})"), State::refused, "$.rules[0].match.threshold", "out of range"},
        {value(""), State::refused, "$.rules[0]", "needs a group", "rules"},
        {value(R"(,"value":"x")"), State::refused, "$.rules[0].value", "found a string", "rules"},
        {value(R"(,"value":null)"), State::refused, "$.rules[0].value", "found null", "rules"},
        {value(",\"value\":" + one), State::refused, "$.rules[0].value", "found an object", "rules"},
        {value(",\"value\":" + rqb("")), State::refused, "$.rules[0].value", "empty group", "element"},
        {value(",\"value\":" + rqb(R"({"field":"~","operator":"="})")), State::refused, "$.rules[0].value", "empty group",
         "element"},
        {value(R"(,"value":{"combinator":"and","muted":true,"rules":[]})"), State::refused, "$.rules[0].value",
         "empty group", "element"},
        {value(",\"value\":" + jqqb(one)), State::refused, "$.rules[0].value.condition", "condition", "combinator"},
        {value(",\"value\":" + rqb(R"({"segment":"a"})")), State::refused, "$.rules[0].value.rules[0].segment",
         "\"segment\" inside \"match\"", "beside"},
        {value(",\"value\":" + rqb(R"({"event":"a"})")), State::refused, "$.rules[0].value.rules[0].event",
         "inside \"match\"", "beside"},
        {value(",\"value\":" + rqb(R"({"operator":"=","value":1})")), State::refused, "$.rules[0].value.rules[0]",
         "missing field"},
        {value(",\"valueSource\":\"field\",\"value\":" + group), State::refused, "$.rules[0]", "not a field"},
        {value(",\"ignore_case\":true,\"value\":" + group), State::refused, "$.rules[0].ignore_case", "unknown key"},
        {value(",\"value\":" + group + ",\"value\":" + group), State::refused, "$.rules[0].value", "given twice"},
        {rqb("{\"match\":{\"mode\":\"all\"},\"value\":" + group + "}"), State::refused, "$.rules[0]", "missing field"},
        {rqb("{\"field\":\"\",\"match\":{\"mode\":\"all\"},\"value\":" + group + "}"), State::refused, "$.rules[0].field",
         "found an empty string"},
        {rqb(R"({"field":"a","operator":"=","match":null,"value":{"rules":[]}})"), State::malformed, "$.rules[0].value",
         "an object is not a value"},
        // after the group, a field's name may not be empty again
        {rqb("{\"field\":\"a\",\"match\":{\"mode\":\"all\"},\"value\":" + group + "}," + one), State::refused,
         "$.rules[1].field", "found an empty string"},
    };
    for (const Case &c : cases)
        check(c);

    // The group nests in those around its leaf.
    const auto nested = [](std::size_t depth, std::string json) {
        for (std::size_t i = 0; i < depth; i++)
            json = R"({"condition":"OR","not":true,"rules":[)" + json + "]}";
        return json;
    };
    const auto rule = [&](std::size_t outside, std::size_t inside) {
        return nested(outside, "{\"field\":\"a\",\"match\":{\"mode\":\"some\"},\"value\":" +
                                   nested(inside, R"({"field":"","operator":"equal","value":1})") + "}");
    };
    EXPECT_EQ(canonical(rule(40, 24)), rule(40, 24));
    const auto problem = first_problem(rule(40, 25));
    ASSERT_TRUE(problem);
    EXPECT_EQ(problem->state, State::limit);
    EXPECT_NE(problem->path.find(".value"), std::string::npos);
}

// The leaf of an event field is not compared, and is nothing but an event leaf.
TEST(Refused, Measures)
{
    const std::tuple<const char *, const char *, const char *> cases[] = {
        {"5", "$", "an event leaf is wanted"},
        {R"({"sequence":[{"event":"a"},{"event":"b"}]})", "$", "an event leaf is wanted"},
        {R"({"condition":"AND","rules":[{"event":"a"}]})", "$", "an event leaf is wanted"},
        {R"({"event":"a","operator":">","value":1})", "$.operator", "\"operator\" in the leaf of an event field"},
        {R"({"event":"a","value":1})", "$.value", "\"value\" in the leaf of an event field"},
        {R"({"event":"a","measure":"most"})", "$.measure", "unknown measure"},
        {R"({"event":"a","where":{"rules":[]}})", "$.where", "empty group"},
        {R"({"event":"a","where":{"event":"b"}})", "$.where.event", "inside \"where\""},
        {R"({"event":"a","time_zone":"UTC"})", "$.time_zone", "time_zone"},
        {R"({"event":"a","label":"x"})", "$.label", "unknown key"},
        {R"({"event":"a","event":"a"})", "$.event", "given twice"},
    };
    for (const auto &[json, path, message] : cases) {
        HeapArena arena;
        try {
            read_measure(json, arena);
            ADD_FAILURE() << json << " was read";
        } catch (const RuleError &error) {
            EXPECT_EQ(error.problem().state, State::refused) << json;
            EXPECT_EQ(error.problem().path, path) << json;
            EXPECT_NE(error.problem().message.find(message), std::string::npos) << error.problem().message;
            EXPECT_FALSE(error.problem().hint.empty()) << json;
        }
    }
}

TEST(Refused, Values)
{
    const auto op = [](const std::string &keys) { return jqqb(a("\"operator\":" + keys)); };
    const auto relative = [](const std::string &keys) {
        return jqqb(a("\"operator\":\">\",\"value\":{\"mode\":\"relative\"" + keys + "}"));
    };
    const Case cases[] = {
        {op(R"("=")"), State::refused, "$.rules[0]", "needs a value"},
        {op(R"("in")"), State::refused, "$.rules[0]", "needs a value"},
        {op(R"("=","value":null)"), State::malformed, "$.rules[0].value", "null", "is_null"},
        {op(R"("=","value":[null])"), State::malformed, "$.rules[0].value[0]", "null", "is_null"},
        {op(R"("in","value":[1,null])"), State::malformed, "$.rules[0].value[1]", "null", "is_null"},
        {op(R"("between","value":[1,null])"), State::malformed, "$.rules[0].value[1]", "null", "is_null"},
        {op(R"("=","value":[])"), State::refused, "$.rules[0].value", "one value, found 0"},
        {op(R"("=","value":[1,2])"), State::refused, "$.rules[0].value", "one value, found 2"},
        {op(R"("in","value":[])"), State::refused, "$.rules[0].value", "at least one", "Leave the rule out"},
        {op(R"("not_in","value":[])"), State::refused, "$.rules[0].value", "at least one"},
        {op(R"("in","value":[[1]])"), State::malformed, "$.rules[0].value[0]", "list inside a list"},
        {op(R"("between","value":1)"), State::refused, "$.rules[0].value", "two values, found 1"},
        {op(R"("between","value":"1,2")"), State::refused, "$.rules[0].value", "two values, found 1"},
        {op(R"("between","value":[1,2,3])"), State::refused, "$.rules[0].value", "two values, found 3"},
        {rqb(a(R"("operator":"between","value":"1,")")), State::refused, "$.rules[0].value", "two values, found 1"},
        {rqb(a(R"("operator":"between","value":["","9"])")), State::refused, "$.rules[0].value[0]", "empty"},
        {rqb(a(R"("operator":"in","value":" , ")")), State::refused, "$.rules[0].value", "at least one"},
        {rqb(a(R"("operator":"in","value":"")")), State::refused, "$.rules[0].value", "at least one"},
        {op(R"("=","value":{})"), State::malformed, "$.rules[0].value", "an object is not a value", "relative"},
        {op(R"("=","value":{"mode":"absolute"})"), State::malformed, "$.rules[0].value", "an object is not a value"},
        // relative dates
        {relative(""), State::refused, "$.rules[0].value", "missing anchor", "now"},
        {relative(R"(,"anchor":"startofday")"), State::refused, "$.rules[0].value.anchor", "unknown anchor", "startOf"},
        {relative(R"(,"anchor":1)"), State::refused, "$.rules[0].value.anchor", "unknown anchor"},
        {relative(R"(,"anchor":"now","offset":1)"), State::refused, "$.rules[0].value", "missing unit", "day"},
        {relative(R"(,"anchor":"now","unit":"days")"), State::refused, "$.rules[0].value.unit", "unknown unit", "day"},
        {relative(R"(,"anchor":"now","offset":1.5,"unit":"day")"), State::refused, "$.rules[0].value.offset", "whole"},
        {relative(R"(,"anchor":"now","offset":"1","unit":"day")"), State::refused, "$.rules[0].value.offset", "whole"},
        {relative(R"(,"anchor":"now","offset":100000001,"unit":"day")"), State::date_range, "$.rules[0].value.offset",
         "range"},
        {relative(R"(,"anchor":"now","offset":-99999999999999999999,"unit":"day")"), State::date_range,
         "$.rules[0].value.offset", "range"},
        {relative(R"(,"anchor":"now","ofset":1)"), State::refused, "$.rules[0].value.ofset", "unknown key", "offset"},
        {relative(R"(,"anchor":"now","anchor":"now")"), State::refused, "$.rules[0].value.anchor", "given twice"},
        // days and buckets
        {op(R"("older_than_n_days","value":-1)"), State::refused, "$.rules[0].value", "whole number from 0"},
        {op(R"("in_last_n_days","value":1.5)"), State::refused, "$.rules[0].value", "found 1.5"},
        {op(R"("n_days_ago","value":"-2")"), State::refused, "$.rules[0].value", "found -2"},
        {op(R"("in_next_n_days","value":1000001)"), State::refused, "$.rules[0].value", "1000000"},
        {op(R"("in_next_n_days","value":1e999)"), State::refused, "$.rules[0].value", "whole number"},
        {op(R"("in_next_n_days","value":99999999999999999999)"), State::refused, "$.rules[0].value", "whole number"},
        {op(R"("anniversary_in_n_days","value":"week")"), State::malformed, "$.rules[0].value", "takes a number"},
        {op(R"("n_days_ago","value":true)"), State::malformed, "$.rules[0].value", "takes a number"},
        {op(R"("n_days_ago","value":{"mode":"relative","anchor":"now"})"), State::malformed, "$.rules[0].value",
         "takes a number"},
        {op(R"("n_days_ago","value":[1,2])"), State::refused, "$.rules[0].value", "one value"},
        {op(R"("in_bucket","value":[0,101])"), State::refused, "$.rules[0].value[1]", "from 0 to 100"},
        {op(R"("in_bucket","value":[-1,50])"), State::refused, "$.rules[0].value[0]", "from 0 to 100"},
        {op(R"("not_in_bucket","value":[0.5,50])"), State::refused, "$.rules[0].value[0]", "from 0 to 100"},
        {op(R"("in_bucket","value":10)"), State::refused, "$.rules[0].value", "two values"},
        {op(R"("in_bucket","value":["a","b"])"), State::malformed, "$.rules[0].value[0]", "takes a number"},
    };
    for (const Case &c : cases)
        check(c);
}

TEST(Refused, Json)
{
    const Case cases[] = {
        {"", State::malformed, "$", "ends too early"},
        {"{\"condition\":\"AND\",\"rules\":[{\"field\":\"a\",\"value\":\"x}]}", State::malformed, "$.rules[0].value",
         "ends too early"},
        {"{\"condition\":\"AND\",\"rules\":[{\"field\":\"a\",\"value\":'x'}]}", State::malformed, "$.rules[0].value",
         "line 1, column 50"},
        {"{\"condition\":\"AND\",\"rules\":[{\"field\":\"a\",\"value\":\"\xC3\"}]}", State::malformed, "$.rules[0].value",
         "malformed"},
        {"{\"condition\":\"AND\",\"rules\":[{\"field\":\"a\",\"value\":\"\\u0000\"}]}", State::malformed, "$.rules[0].value",
         "\\u0000"},
    };
    for (const Case &c : cases)
        check(c);
}

TEST(Refused, Limits)
{
    const auto nested = [](std::size_t depth, const char *open, const char *close) {
        std::string json = R"({"segment":"a"})";
        for (std::size_t i = 0; i < depth; i++)
            json = open + json + close;
        return json;
    };
    const char *jqqb_open = R"({"condition":"AND","rules":[)", *rqb_open = R"({"combinator":"and","rules":[)",
               *ic_open = R"({"rules":[)";
    for (const char *open : {jqqb_open, rqb_open, ic_open, R"({"condition":"OR","not":true,"rules":[)"}) {
        const std::string deepest = nested(max_depth, open, "]}");
        EXPECT_EQ(canonical(canonical(deepest)), canonical(deepest));
        for (const std::size_t depth : {max_depth + 1, max_depth + 5, std::size_t(100), std::size_t(10000)}) {
            const auto problem = first_problem(nested(depth, open, "]}"));
            ASSERT_TRUE(problem) << depth;
            EXPECT_EQ(problem->state, State::limit) << depth;
            EXPECT_TRUE(problem->path.starts_with("$.rules[0].rules[0]")) << depth;
        }
    }
    // Independent combinators nest deeper when printed than when written.
    const char *mixed_open = R"({"rules":[{"segment":"b"},"or",{"segment":"c"},"and",)";
    const std::string mixed = nested(max_depth / 2, mixed_open, "]}");
    EXPECT_EQ(canonical(canonical(mixed)), canonical(mixed));
    ASSERT_TRUE(first_problem(nested(max_depth / 2 + 1, mixed_open, "]}")));
    EXPECT_EQ(first_problem(nested(max_depth / 2 + 1, mixed_open, "]}"))->state, State::limit);

    const auto leaves = [](std::size_t n) {
        std::string json = R"({"segment":"a"})";
        for (std::size_t i = 1; i < n; i++)
            json += R"(,{"segment":"a"})";
        return json;
    };
    EXPECT_FALSE(first_problem(jqqb(leaves(max_nodes - 1))));
    const auto too_many = first_problem(jqqb(leaves(max_nodes)));
    ASSERT_TRUE(too_many);
    EXPECT_EQ(too_many->state, State::limit);
    EXPECT_EQ(too_many->path, "$.rules[9999]");
    EXPECT_FALSE(first_problem("[" + leaves(max_nodes - 1) + "]"));
    EXPECT_EQ(first_problem("[" + leaves(max_nodes) + "]")->state, State::limit);

    const auto list = [](std::size_t n) {
        std::string json = R"({"field":"a","operator":"in","value":[1)";
        for (std::size_t i = 1; i < n; i++)
            json += ",1";
        return json + "]}";
    };
    EXPECT_FALSE(first_problem(list(max_list)));
    ASSERT_TRUE(first_problem(list(max_list + 1)));
    EXPECT_EQ(first_problem(list(max_list + 1))->state, State::limit);
    EXPECT_EQ(first_problem(list(max_list + 1))->path, "$.value");
    std::string split = R"({"combinator":"and","rules":[{"field":"a","operator":"in","value":"1)";
    for (std::size_t i = 0; i < max_list; i++)
        split += ",1";
    EXPECT_EQ(first_problem(split + "\"}]}")->state, State::limit);

    // A list in one string is longer when printed: 16 MB hold for that, too.
    const auto lists = [](std::size_t n) {
        std::string many;
        for (std::size_t i = 0; i < n; i++) {
            many +=
                many.empty() ? R"({"field":"a","operator":"in","value":")" : R"(,{"field":"a","operator":"in","value":")";
            for (std::size_t j = 0; j < max_list; j++)
                many += j ? ",1" : "1";
            many += "\"}";
        }
        return "{\"combinator\":\"and\",\"rules\":[" + many + "]}";
    };
    EXPECT_FALSE(first_problem(lists(41)));
    const auto too_long = first_problem(lists(42));
    ASSERT_TRUE(too_long);
    EXPECT_EQ(too_long->state, State::limit);

    std::string longest = R"({"segment":"a"})";
    longest.resize(max_text, ' ');
    EXPECT_FALSE(first_problem(longest));
    EXPECT_EQ(first_problem(longest + " ")->state, State::limit);
}

// What one event must satisfy nests in the groups around its leaf, and its groups, leaves and steps count.
TEST(Refused, LimitsOfEvents)
{
    const auto nested = [](std::size_t depth, std::string json) {
        for (std::size_t i = 0; i < depth; i++)
            json = R"({"condition":"OR","not":true,"rules":[)" + json + "]}";
        return json;
    };
    const std::string column = R"({"field":"a","operator":"is_null"})";
    const auto event = [](const std::string &where) { return "{\"event\":\"a\",\"where\":" + where + "}"; };
    const auto steps = [](const std::string &where) {
        return "{\"sequence\":[{\"event\":\"a\"},{\"event\":\"b\",\"where\":" + where + "}]}";
    };
    for (std::size_t outside = 1; outside < max_depth; outside += 31) {
        for (const bool sequence : {false, true}) {
            const auto rule = [&](std::size_t inside) {
                const std::string where = nested(inside, column);
                return nested(outside, sequence ? steps(where) : event(where));
            };
            const std::string deepest = rule(max_depth - outside);
            EXPECT_EQ(canonical(deepest), deepest);
            const auto problem = first_problem(rule(max_depth - outside + 1));
            ASSERT_TRUE(problem) << outside;
            EXPECT_EQ(problem->state, State::limit);
            EXPECT_NE(problem->path.find(".where"), std::string::npos) << problem->path;
        }
    }
    // A lone leaf in "where" gets a group when printed.
    EXPECT_TRUE(first_problem(nested(max_depth, event(column))));
    EXPECT_FALSE(first_problem(nested(max_depth - 1, event(column))));
    EXPECT_FALSE(first_problem(nested(max_depth, R"({"event":"a"})")));

    const auto list = [](std::size_t n, const std::string &one) {
        std::string json = one;
        for (std::size_t i = 1; i < n; i++)
            json += "," + one;
        return json;
    };
    const auto check_most = [&](const std::string &head, std::size_t most, const std::string &one, const char *path) {
        EXPECT_FALSE(first_problem(head + list(most, one) + "]}}]}"));
        const auto problem = first_problem(head + list(most + 1, one) + "]}}]}");
        ASSERT_TRUE(problem);
        EXPECT_EQ(problem->state, State::limit);
        EXPECT_EQ(problem->path, path);
    };
    // Root, event leaf, where, and its leaves.
    check_most(R"({"condition":"AND","rules":[{"event":"a","where":{"condition":"AND","rules":[)", max_nodes - 3, column,
               "$.rules[0].where.rules[9997]");
    // Every event leaf with one column is three nodes.
    const auto many = [&](std::size_t n) { return jqqb(list(n, event(column))); };
    EXPECT_FALSE(first_problem(many((max_nodes - 1) / 3)));
    EXPECT_EQ(first_problem(many((max_nodes - 1) / 3 + 1))->state, State::limit);
    // Root, sequence, and its steps.
    const auto chain = [&](std::size_t n) { return jqqb("{\"sequence\":[" + list(n, R"({"event":"a"})") + "]}"); };
    EXPECT_FALSE(first_problem(chain(max_nodes - 2)));
    const auto too_long = first_problem(chain(max_nodes - 1));
    ASSERT_TRUE(too_long);
    EXPECT_EQ(too_long->state, State::limit);
    EXPECT_EQ(too_long->path, "$.rules[0].sequence[9998]");
}

// A rule builder wants to mark every wrong leaf at once.
TEST(Problems, AllAtOnce)
{
    HeapArena arena;
    std::vector<Problem> problems;
    const Rule *rule =
        read_rule(R"({"condition":"ADN","rules":[{"field":"a","operator":"greatr","value":1,"valu":2},{"segment":"fine"},
        {"condition":"OR","rules":[]},{"condition":"OR","not":3,"rules":[{"event":7},{"field":"b","operator":"in","value":[null,[],3]}]}],"as_of":"today"})",
                  arena, &problems);
    const std::pair<State, const char *> expected[] = {
        {State::bad_date, "$.as_of"},
        {State::refused, "$.condition"},
        {State::refused, "$.rules[0].valu"},
        {State::unknown_operator, "$.rules[0].operator"},
        {State::refused, "$.rules[2]"},
        {State::refused, "$.rules[3].not"},
        {State::refused, "$.rules[3].rules[0].event"},
        {State::malformed, "$.rules[3].rules[1].value[0]"},
        {State::malformed, "$.rules[3].rules[1].value[1]"},
    };
    ASSERT_EQ(problems.size(), std::size(expected));
    for (std::size_t i = 0; i < problems.size(); i++) {
        EXPECT_EQ(problems[i].state, expected[i].first) << problems[i].path;
        EXPECT_EQ(problems[i].path, expected[i].second);
    }
    ASSERT_TRUE(rule);
    ASSERT_EQ(rule->root.children.size(), 1u);
    EXPECT_EQ(rule->root.children[0].name, "fine");
}

TEST(Problems, ReadingEndsEarly)
{
    HeapArena arena;
    std::vector<Problem> problems;
    EXPECT_FALSE(read_rule("{\"condition\":", arena, &problems));
    ASSERT_EQ(problems.size(), 1u);
    EXPECT_EQ(problems[0].state, State::malformed);

    problems.clear();
    std::string many = R"({"segment":"a")";
    for (int i = 0; i < 5000; i++)
        many += ",\"k" + std::to_string(i) + "\":0";
    EXPECT_FALSE(read_rule(many + "}", arena, &problems));
    EXPECT_EQ(problems.size(), 1001u);
    EXPECT_EQ(problems.back().state, State::limit);
}

} // namespace segments
