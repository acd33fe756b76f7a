// What each dialect reads as: the canonical form, byte for byte.
#include "support.hpp"

namespace segments {

namespace {

struct Case {
    const char *json;
    const char *canonical;
};

// Reads, prints, and reads what was printed.
void check(const Case &c)
{
    const std::string printed = canonical(c.json);
    EXPECT_EQ(printed, c.canonical) << c.json;
    EXPECT_EQ(canonical(printed), printed) << c.json;
}

// A canonical rule of these leaves in AND.
std::string all(const std::string &leaves)
{
    return "{\"condition\":\"AND\",\"rules\":[" + leaves + "]}";
}

} // namespace

TEST(Dialects, Jqqb)
{
    const Case cases[] = {
        // as jQuery QueryBuilder writes it
        {R"({"condition":"AND","rules":[{"id":"price","field":"price","type":"double","input":"number","operator":"less","value":10.25},
            {"condition":"OR","rules":[{"id":"category","field":"category","type":"integer","input":"select","operator":"equal","value":2},
            {"id":"category","field":"category","type":"integer","input":"select","operator":"equal","value":1}]}],"valid":true})",
         R"({"condition":"AND","rules":[{"field":"price","operator":"less","value":10.25},{"condition":"OR","rules":[{"field":"category","operator":"equal","value":2},{"field":"category","operator":"equal","value":1}]}]})"},
        // condition in any case, not
        {R"({"condition":"or","not":true,"rules":[{"field":"a","operator":"equal","value":1},{"field":"b","operator":"equal","value":1}]})",
         R"({"condition":"OR","not":true,"rules":[{"field":"a","operator":"equal","value":1},{"field":"b","operator":"equal","value":1}]})"},
        {R"({"rules":[{"field":"a","value":1}],"not":false,"condition":"And"})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"equal","value":1}]})"},
        // field before id; id alone; a null field
        {R"({"condition":"AND","rules":[{"id":"x","field":"a","operator":"is_null","value":null}]})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"is_null"}]})"},
        {R"({"condition":"AND","rules":[{"id":"x","operator":"is_null"}]})",
         R"({"condition":"AND","rules":[{"field":"x","operator":"is_null"}]})"},
        {R"({"condition":"AND","rules":[{"id":"x","field":null,"operator":"is_null"}]})",
         R"({"condition":"AND","rules":[{"field":"x","operator":"is_null"}]})"},
        // absent operator
        {R"({"condition":"AND","rules":[{"field":"a","value":"x"}]})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"equal","value":"x"}]})"},
        // a list as one string is one value, commas, blanks and backslashes and all
        {R"({"condition":"AND","rules":[{"field":"a","operator":"in","value":" a\\,b "}]})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"in","value":[" a\\,b "]}]})"},
        {R"({"condition":"AND","rules":[{"field":"a","operator":"in","value":[" a "]}]})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"in","value":[" a "]}]})"},
        {R"({"condition":"AND","rules":[{"field":"a","operator":"between","value":["","z"]}]})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"between","value":["","z"]}]})"},
        // what the builder keeps for itself
        {R"({"condition":"AND","id":"g","data":{"x":[1]},"flags":{"condition_readonly":true},"type":1,"input":2,"icon":"i","collapsed":true,"rules":[{"id":"a","field":"a","type":"string","input":"text","operator":"equal","value":"x","data":{},"flags":{},"icon":"i","collapsed":false,"valid":true}]})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"equal","value":"x"}]})"},
        // without a condition: an array; leaves that only this builder writes
        {R"([{"field":"a","value":1},{"condition":"OR","rules":[{"field":"b","value":1},{"field":"c","value":1}]}])",
         R"({"condition":"AND","rules":[{"field":"a","operator":"equal","value":1},{"condition":"OR","rules":[{"field":"b","operator":"equal","value":1},{"field":"c","operator":"equal","value":1}]}]})"},
        {R"({"rules":[{"field":"a","value":1,"type":"integer"},{"field":"b","value":1}]})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"equal","value":1},{"field":"b","operator":"equal","value":1}]})"},
        {R"({"rules":[{"field":"a","value":1,"input":"text"},{"field":"b","value":1}]})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"equal","value":1},{"field":"b","operator":"equal","value":1}]})"},
        {R"({"rules":[{"id":"a","value":1},{"id":"b","value":1}]})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"equal","value":1},{"field":"b","operator":"equal","value":1}]})"},
        {R"({"rules":[{"rules":[{"id":"a","value":1},{"id":"b","value":1}]},{"field":"c","value":1}]})",
         R"({"condition":"AND","rules":[{"condition":"AND","rules":[{"field":"a","operator":"equal","value":1},{"field":"b","operator":"equal","value":1}]},{"field":"c","operator":"equal","value":1}]})"},
        // a nested group of one rule needs no condition
        {R"({"condition":"OR","rules":[{"rules":[{"field":"a","value":1}]},{"field":"b","value":1}]})",
         R"({"condition":"OR","rules":[{"field":"a","operator":"equal","value":1},{"field":"b","operator":"equal","value":1}]})"},
    };
    for (const Case &c : cases)
        check(c);
}

TEST(Dialects, Rqb)
{
    const Case cases[] = {
        // as React Query Builder writes it
        {R"({"id":"r-1","combinator":"and","not":false,"rules":[{"id":"r-2","field":"firstName","operator":"beginsWith","valueSource":"value","value":"Stev"},{"id":"r-3","field":"age","operator":">","value":"28","disabled":true,"path":[1],"meta":{"a":1},"valueEditorType":"text"}]})",
         R"({"condition":"AND","rules":[{"field":"firstName","operator":"begins_with","value":"Stev"},{"field":"age","operator":"greater","value":"28"}]})"},
        {R"({"combinator":"OR","not":true,"rules":[{"field":"a","operator":"=","value":1},{"combinator":"And","rules":[{"field":"b","operator":"null","value":""},{"field":"c","operator":"notNull"}],"disabled":true,"meta":null}]})",
         R"({"condition":"OR","not":true,"rules":[{"field":"a","operator":"equal","value":1},{"condition":"AND","rules":[{"field":"b","operator":"is_null"},{"field":"c","operator":"is_not_null"}]}]})"},
        // lists as one string, or arrays
        {R"({"combinator":"and","rules":[{"field":"a","operator":"in","value":"x, y ,,a\\,b, "}]})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"in","value":["x","y","a,b"]}]})"},
        {R"({"combinator":"and","rules":[{"field":"a","operator":"notIn","value":[" x ",1,true,"a,b"]}]})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"not_in","value":["x",1,true,"a,b"]}]})"},
        {R"({"combinator":"and","rules":[{"field":"a","operator":"in","value":17}]})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"in","value":[17]}]})"},
        {R"({"combinator":"and","rules":[{"field":"a","operator":"between","value":"1, 9"}]})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"between","value":["1","9"]}]})"},
        {R"({"combinator":"and","rules":[{"field":"a","operator":"notBetween","value":[9,1]}]})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"not_between","value":[9,1]}]})"},
        {R"({"combinator":"and","rules":[{"field":"a","operator":"in_bucket","value":"0,10","salt":"s"}]})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"in_bucket","value":["0","10"],"salt":"s"}]})"},
        // other text stays as it is
        {R"({"combinator":"and","rules":[{"field":"a","operator":"contains","value":" a\\,b "}]})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"contains","value":" a\\,b "}]})"},
        // comparing fields
        {R"({"combinator":"and","rules":[{"field":"a","operator":"<","value":"b","valueSource":"field"}]})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"less","value":"b","value_source":"field"}]})"},
        {R"({"combinator":"and","rules":[{"field":"a","operator":"in","value":"b, c","valueSource":"field"}]})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"in","value":["b","c"],"value_source":"field"}]})"},
        {R"({"combinator":"and","rules":[{"field":"a","operator":"null","value":"b","valueSource":"field"}]})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"is_null"}]})"},
        {R"({"combinator":"and","rules":[{"field":"a","operator":"<","value":"b","value_source":"field"}]})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"less","value":"b","value_source":"field"}]})"},
        // muted and not chosen yet, whatever else is there
        {R"({"combinator":"and","rules":[{"field":"a","operator":"=","value":1,"muted":false},{"muted":true,"x":1},{"rules":5,"muted":true},{"field":"~","operator":"=","value":"","y":2},{"field":"b","operator":"~","z":[]}]})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"equal","value":1}]})"},
        {R"({"combinator":"and","rules":[{"segment":"s","muted":true},{"everyone":true,"muted":false,"id":"r-1"}]})",
         R"({"condition":"AND","rules":[{"everyone":true}]})"},
        // a rule whose match is null has none
        {R"({"combinator":"and","rules":[{"field":"a","operator":"=","value":1,"match":null}]})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"equal","value":1}]})"},
    };
    for (const Case &c : cases)
        check(c);
}

TEST(Dialects, IndependentCombinators)
{
    const std::string a = R"({"field":"a","operator":"=","value":1})", b = R"({"field":"b","operator":"=","value":1})",
                      c = R"({"field":"c","operator":"=","value":1})",
                      muted = R"({"field":"m","operator":"=","value":1,"muted":true})";
    const std::string A = R"({"field":"a","operator":"equal","value":1})",
                      B = R"({"field":"b","operator":"equal","value":1})",
                      C = R"({"field":"c","operator":"equal","value":1})";
    const auto rules = [](const std::string &list) { return "{\"rules\":[" + list + "]}"; };
    const auto any = [](const std::string &list) { return "{\"condition\":\"OR\",\"rules\":[" + list + "]}"; };
    const struct {
        std::string json, canonical;
    } cases[] = {
        {rules(a), all(A)},
        {rules(a + ",\"and\"," + b), all(A + "," + B)},
        {rules(a + ",\"or\"," + b), any(A + "," + B)},
        {rules(a + ",\"AND\"," + b + ",\"Or\"," + c), any(all(A + "," + B) + "," + C)},
        {rules(a + ",\"or\"," + b + ",\"and\"," + c), any(A + "," + all(B + "," + C))},
        {rules(a + ",\"and\"," + b + ",\"or\"," + b + ",\"and\"," + c), any(all(A + "," + B) + "," + all(B + "," + C))},
        {rules(a + ",\"and\"," + b + ",\"and\"," + c), all(A + "," + B + "," + C)},
        // the combinator before a muted rule goes with it; after a leading one, the one after
        {rules(a + ",\"or\"," + muted + ",\"and\"," + b), all(A + "," + B)},
        {rules(a + ",\"and\"," + muted + ",\"or\"," + b), any(A + "," + B)},
        {rules(muted + ",\"or\"," + a + ",\"and\"," + b), all(A + "," + B)},
        {rules(a + ",\"and\"," + b + ",\"or\"," + muted), all(A + "," + B)},
        {rules(a + ",\"or\"," + muted + ",\"or\"," + muted + ",\"and\"," + b + ",\"or\"," + c),
         any(all(A + "," + B) + "," + C)},
        {rules(R"({"field":"~","operator":"=","value":1},"or",)" + a), all(A)},
        // nested, with not, beside ordinary combinators
        {"{\"not\":true,\"rules\":[" + a + ",\"or\",{\"not\":true,\"rules\":[" + b + ",\"and\"," + c + "]}]}",
         "{\"condition\":\"OR\",\"not\":true,\"rules\":[" + A + ",{\"condition\":\"AND\",\"not\":true,\"rules\":[" + B +
             "," + C + "]}]}"},
        {rules(a + ",\"or\",{\"combinator\":\"and\",\"rules\":[" + b + "," + c + "]}"), any(A + "," + all(B + "," + C))},
        {"{\"combinator\":\"and\",\"rules\":[" + a + ",{\"rules\":[" + b + ",\"or\"," + c + "]}]}",
         all(A + "," + any(B + "," + C))},
    };
    for (const auto &[json, printed] : cases)
        check({json.c_str(), printed.c_str()});
}

TEST(Dialects, SingleRule)
{
    const Case cases[] = {
        {R"({"field":"a","operator":"less","value":1})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"less","value":1}]})"},
        {R"({"id":"a","operator":"less","value":1})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"less","value":1}]})"},
        {R"({"field":"a","operator":"in","value":"x,y"})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"in","value":["x,y"]}]})"},
        {R"({"field":"a","operator":"in","value":"x,y","valueSource":"value"})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"in","value":["x","y"]}]})"},
        {R"({"segment":"clickers"})", R"({"condition":"AND","rules":[{"segment":"clickers"}]})"},
        {R"({"everyone":true})", R"({"condition":"AND","rules":[{"everyone":true}]})"},
        {R"({"list":17})", R"({"condition":"AND","rules":[{"field":"list","operator":"in","value":[17]}]})"},
        {R"({"list":"vip","semantics":"sql"})",
         R"({"condition":"AND","rules":[{"field":"list","operator":"in","value":["vip"]}],"semantics":"sql"})"},
    };
    for (const Case &c : cases)
        check(c);
}

TEST(Dialects, RootKeys)
{
    const Case cases[] = {
        {R"({"as_of":"2024-05-13T12:30:00Z","time_zone":"Europe/Prague","semantics":"sql","condition":"AND","rules":[{"everyone":true}]})",
         R"({"condition":"AND","rules":[{"everyone":true}],"semantics":"sql","time_zone":"Europe/Prague","as_of":"2024-05-13T12:30:00Z"})"},
        {R"({"combinator":"or","rules":[{"everyone":true}],"semantics":"default"})",
         R"({"condition":"OR","rules":[{"everyone":true}]})"},
        {R"({"rules":[{"segment":"a"},"or",{"segment":"b"}],"as_of":"2024-05-13"})",
         R"({"condition":"OR","rules":[{"segment":"a"},{"segment":"b"}],"as_of":"2024-05-13"})"},
    };
    for (const Case &c : cases)
        check(c);
}

TEST(Canonical, Values)
{
    const auto leaf = [](const std::string &rest) { return R"({"field":"a","operator":)" + rest + "}"; };
    const struct {
        std::string given, printed;
    } cases[] = {
        // source digits
        {R"("=","value":9007199254740993)", R"("equal","value":9007199254740993)"},
        {R"("=","value":-0)", R"("equal","value":-0)"},
        {R"("=","value":1.50E+02)", R"("equal","value":1.50E+02)"},
        {R"("=","value":123456789012345678901234567890.10)", R"("equal","value":123456789012345678901234567890.10)"},
        // text
        {R"("=","value":"\u0041\/\ud83d\ude00\u00e9\u0007\u001F\"\\\b\f\n\r\t")",
         "\"equal\",\"value\":\"A/😀é\\u0007\\u001f\\\"\\\\\\b\\f\\n\\r\\t\""},
        {R"("=","value":"")", R"("equal","value":"")"},
        {"\"=\",\"value\":\"\u007F\"", "\"equal\",\"value\":\"\u007F\""},
        // booleans
        {R"("=","value":true)", R"("equal","value":true)"},
        {R"("!=","value":false)", R"("not_equal","value":false)"},
        // one value in an array
        {R"("=","value":[3])", R"("equal","value":3)"},
        {R"("in","value":"x")", R"("in","value":["x"])"},
        {R"("in","value":[1,"x",true])", R"("in","value":[1,"x",true])"},
        // no value
        {R"("is_empty","value":[null,{}],"ignore_case":true)", R"("is_empty")"},
        // days and buckets
        {R"("older_than_n_days","value":30)", R"("greater_than_n_days","value":30)"},
        {R"("within_n_days","value":" 7 ")", R"("less_than_n_days","value":" 7 ")"},
        {R"("n_days_ago","value":0)", R"("equal_n_days","value":0)"},
        {R"("in_bucket","value":[0,100],"salt":"")", R"("in_bucket","value":[0,100])"},
        {R"("not_in_bucket","salt":"é","value":[50,20])", R"("not_in_bucket","value":[50,20],"salt":"é")"},
        // modifiers
        {R"("contains","ignore_case":true,"value":"x")", R"("contains","value":"x","ignore_case":true)"},
        {R"("contains","ignore_case":false,"value":"x")", R"("contains","value":"x")"},
        {R"("=","value":"b","value_source":"field","ignore_case":true)",
         R"("equal","value":"b","value_source":"field","ignore_case":true)"},
        {R"("=","value":"b","value_source":"value")", R"("equal","value":"b")"},
        // relative dates
        {R"(">","value":{"unit":"day","offset":-7,"anchor":"startOfDay","mode":"relative"})",
         R"("greater","value":{"mode":"relative","anchor":"startOfDay","offset":-7,"unit":"day"})"},
        {R"(">","value":{"mode":"relative","anchor":"now"})",
         R"("greater","value":{"mode":"relative","anchor":"now","offset":0,"unit":"day"})"},
        {R"(">","value":{"mode":"relative","anchor":"endOfQuarter","offset":2.0,"unit":"week"})",
         R"("greater","value":{"mode":"relative","anchor":"endOfQuarter","offset":2,"unit":"week"})"},
        {R"("between","value":["2024-01-01",{"mode":"relative","anchor":"now","offset":-1,"unit":"hour"}])",
         R"("between","value":["2024-01-01",{"mode":"relative","anchor":"now","offset":-1,"unit":"hour"}])"},
        {R"("in","value":{"mode":"relative","anchor":"endOfYear","offset":100000000,"unit":"minute"})",
         R"("in","value":[{"mode":"relative","anchor":"endOfYear","offset":100000000,"unit":"minute"}])"},
    };
    for (const auto &[given, printed] : cases)
        check({all(leaf(given)).c_str(), all(leaf(printed)).c_str()});
}

TEST(Canonical, Groups)
{
    const std::string a = R"({"field":"a","operator":"is_null"})", b = R"({"segment":"b"})";
    const auto any = [](const std::string &list) { return "{\"condition\":\"OR\",\"rules\":[" + list + "]}"; };
    const auto no = [](const std::string &list) { return "{\"condition\":\"AND\",\"not\":true,\"rules\":[" + list + "]}"; };
    const struct {
        std::string given, printed;
    } cases[] = {
        {all(a), all(a)},
        {any(a), any(a)},
        {no(a), no(a)},
        {all(all(a)), all(a)},
        {all(any(all(any(a)))), all(a)},
        {any(all(a + "," + b)), any(all(a + "," + b))},
        {all(any(all(a + "," + b))), all(all(a + "," + b))},
        {all(no(a)), all(no(a))},
        {all(no(all(a))), all(no(a))},
        {all(no(no(a))), all(no(no(a)))},
        {no(all(a + "," + b)), no(all(a + "," + b))},
        {all(b + "," + any(a) + "," + b), all(b + "," + a + "," + b)},
        // nothing is reordered or merged
        {all(b + "," + a + "," + a), all(b + "," + a + "," + a)},
        {all(all(a + "," + b) + "," + a), all(all(a + "," + b) + "," + a)},
    };
    for (const auto &[given, printed] : cases)
        check({given.c_str(), printed.c_str()});
}

// Event leaves and sequences: keys in one order, defaults left out, "where" always a group; the same in both dialects.
TEST(Canonical, Behaviour)
{
    const struct {
        std::string given, printed;
    } cases[] = {
        // measures
        {R"({"event":"click"})", R"({"event":"click"})"},
        {R"({"measure":"count","event":"messages.click"})", R"({"event":"messages.click"})"},
        {R"({"event":"click","operator":">=","value":1})", R"({"event":"click"})"},
        {R"({"event":"click","operator":"gte","value":[1],"measure":"count"})", R"({"event":"click"})"},
        {R"({"event":"click","operator":">=","value":"1"})",
         R"({"event":"click","operator":"greater_or_equal","value":"1"})"},
        {R"({"event":"click","operator":">=","value":1.0})",
         R"({"event":"click","operator":"greater_or_equal","value":1.0})"},
        {R"({"event":"click","operator":"less","value":1})", R"({"event":"click","operator":"less","value":1})"},
        {R"({"value":3,"operator":"=","event":"click"})", R"({"event":"click","operator":"equal","value":3})"},
        {R"({"event":"click","operator":"between","value":[1,3]})",
         R"({"event":"click","operator":"between","value":[1,3]})"},
        {R"({"event":"click","operator":"notIn","value":[1,3]})", R"({"event":"click","operator":"not_in","value":[1,3]})"},
        {R"({"event":"é \"x\"","measure":"first","operator":"older_than_n_days","value":30})",
         R"({"event":"é \"x\"","measure":"first","operator":"greater_than_n_days","value":30})"},
        {R"({"event":"sent","measure":"last","operator":"isnull","value":null})",
         R"({"event":"sent","measure":"last","operator":"is_null"})"},
        {R"({"event":"sent","measure":"last","operator":">=","value":1})",
         R"({"event":"sent","measure":"last","operator":"greater_or_equal","value":1})"},
        {R"({"event":"sent","measure":"last","operator":"<","value":{"mode":"relative","anchor":"startOfWeek"}})",
         R"({"event":"sent","measure":"last","operator":"less","value":{"mode":"relative","anchor":"startOfWeek","offset":0,"unit":"day"}})"},
        {R"({"event":"buy","measure":{"sum":"price"},"operator":">","value":99.90})",
         R"({"event":"buy","measure":{"sum":"price"},"operator":"greater","value":99.90})"},
        {R"({"event":"buy","measure":{"min":"price"},"operator":"=","value":1})",
         R"({"event":"buy","measure":{"min":"price"},"operator":"equal","value":1})"},
        {R"({"event":"buy","measure":{"max":"the \"price\""},"operator":"=","value":1})",
         R"({"event":"buy","measure":{"max":"the \"price\""},"operator":"equal","value":1})"},
        {R"({"event":"buy","measure":{"avg":"price"},"operator":"notnull"})",
         R"({"event":"buy","measure":{"avg":"price"},"operator":"is_not_null"})"},
        {R"({"event":"buy","measure":{"distinct":"shop"},"operator":"in","value":2})",
         R"({"event":"buy","measure":{"distinct":"shop"},"operator":"in","value":[2]})"},
        // windows
        {R"({"within":{"unit":"minute","last":1},"event":"click"})",
         R"({"event":"click","within":{"last":1,"unit":"minute"}})"},
        {R"({"event":"click","within":{"last":3e1,"unit":"hour"}})",
         R"({"event":"click","within":{"last":30,"unit":"hour"}})"},
        {R"({"event":"click","within":{"last":7.0,"unit":"day"}})", R"({"event":"click","within":{"last":7,"unit":"day"}})"},
        {R"({"event":"click","within":{"last":2,"unit":"week"}})", R"({"event":"click","within":{"last":2,"unit":"week"}})"},
        {R"({"event":"click","within":{"last":2,"unit":"month"}})",
         R"({"event":"click","within":{"last":2,"unit":"month"}})"},
        {R"({"event":"click","within":{"last":2,"unit":"quarter"}})",
         R"({"event":"click","within":{"last":2,"unit":"quarter"}})"},
        {R"({"event":"click","within":{"last":2732,"unit":"year"}})",
         R"({"event":"click","within":{"last":2732,"unit":"year"}})"},
        {R"({"event":"click","within":{"to":"2024-02-01","from":"2024-01-01T12:00:00Z"}})",
         R"({"event":"click","within":{"from":"2024-01-01T12:00:00Z","to":"2024-02-01"}})"},
        {R"({"event":"click","within":{"to":"2024-02-01"}})", R"({"event":"click","within":{"to":"2024-02-01"}})"},
        {R"({"event":"click","within":{"from":{"anchor":"startOfMonth","mode":"relative"}}})",
         R"({"event":"click","within":{"from":{"mode":"relative","anchor":"startOfMonth","offset":0,"unit":"day"}}})"},
        // what one event must satisfy
        {R"({"event":"click","where":{"field":"campaign","operator":"=","value":7}})",
         R"({"event":"click","where":{"condition":"AND","rules":[{"field":"campaign","operator":"equal","value":7}]}})"},
        {R"({"where":{"field":"url","operator":"contains","value":"x","ignore_case":true},"operator":"<","value":3,"event":"click","within":{"last":1,"unit":"day"}})",
         R"({"event":"click","within":{"last":1,"unit":"day"},"where":{"condition":"AND","rules":[{"field":"url","operator":"contains","value":"x","ignore_case":true}]},"operator":"less","value":3})"},
        // sequences
        {R"({"sequence":[{"event":"a"},{"event":"b"}]})", R"({"sequence":[{"event":"a"},{"event":"b"}]})"},
        {R"({"within":{"last":1,"unit":"year"},"sequence":[{"not":false,"event":"a"},{"after":{"unit":"day","at_most":2},"event":"b"},{"not":true,"after":{"at_most":90,"unit":"minute"},"event":"c","where":{"field":"x","operator":"notNull"}}]})",
         R"({"sequence":[{"event":"a"},{"event":"b","after":{"at_most":2,"unit":"day"}},{"event":"c","where":{"condition":"AND","rules":[{"field":"x","operator":"is_not_null"}]},"after":{"at_most":90,"unit":"minute"},"not":true}],"within":{"last":1,"unit":"year"}})"},
    };
    for (const auto &[given, printed] : cases) {
        check({all(given).c_str(), all(printed).c_str()});
        check({("{\"combinator\":\"and\",\"rules\":[" + given + "]}").c_str(), all(printed).c_str()});
        check({("{\"rules\":[" + given + ",\"and\",{\"muted\":true}]}").c_str(), all(printed).c_str()});
        check({given.c_str(), all(printed).c_str()});
        check({("[" + given + "]").c_str(), all(printed).c_str()});
    }
}

// "where" and what stands around a leaf are of the rule's dialect; a leaf alone at the root has it from its "where".
TEST(Dialects, Behaviour)
{
    const std::string a = R"({"field":"a","operator":"is_null"})", b = R"({"field":"b","operator":"is_null"})",
                      c = R"({"field":"c","operator":"is_null"})";
    const auto click = [](const std::string &where) { return "{\"event\":\"click\",\"where\":" + where + "}"; };
    const auto rqb = [](const std::string &list) { return "{\"combinator\":\"and\",\"rules\":[" + list + "]}"; };
    const auto both = all(click(all(a + "," + b)));
    const auto mixed = all(click("{\"condition\":\"OR\",\"rules\":[" + all(a + "," + b) + "," + c + "]}"));
    const struct {
        std::string given, printed;
    } cases[] = {
        {all(click(all(a + "," + b))), both},
        {all(click("{\"condition\":\"or\",\"rules\":[" + all(a + "," + b) + "]}")), both},
        {all(click("{\"condition\":\"or\",\"not\":true,\"rules\":[" + a + "]}")),
         all(click("{\"condition\":\"OR\",\"not\":true,\"rules\":[" + a + "]}"))},
        {all(click("{\"rules\":[" + a + "]}")), all(click(all(a)))},
        {"[" + click("{\"rules\":[" + a + "," + b + "]}") + "]", both},
        {all(R"({"event":"click","where":{"id":"a","value":1,"type":"integer"},"id":"x","flags":{},"valid":true})"),
         all(click(all(R"({"field":"a","operator":"equal","value":1})")))},
        // React Query Builder's: combinators, one string as a list, what is skipped, fields as values
        {rqb(click(rqb(a + "," + b))), both},
        {rqb(click("{\"rules\":[" + a + ",\"and\"," + b + ",\"or\"," + c + "]}")), mixed},
        {rqb(click(rqb(a + R"(,{"field":"x","muted":true},{"field":"~","operator":"="},)" + b))), both},
        {rqb(R"({"event":"x","operator":"~","value":1},)" + click(a)), all(click(all(a)))},
        {rqb(R"({"event":"click","operator":"in","value":"1, 2","id":"r-1","disabled":true,"muted":false})"),
         all(R"({"event":"click","operator":"in","value":["1","2"]})")},
        {rqb(click(R"({"field":"a","operator":"=","value":"b","valueSource":"field"})")),
         all(click(all(R"({"field":"a","operator":"equal","value":"b","value_source":"field"})")))},
        // alone at the root
        {click(rqb(a + "," + b)), both},
        {click(all(a + "," + b)), both},
        {click("{\"rules\":[" + a + ",\"and\"," + b + ",\"or\"," + c + "]}"), mixed},
        {click(R"({"field":"a","operator":"=","value":"b","valueSource":"field"})"),
         all(click(all(R"({"field":"a","operator":"equal","value":"b","value_source":"field"})")))},
        {click(R"({"field":"a","value":"1,2"})"), all(click(all(R"({"field":"a","operator":"equal","value":"1,2"})")))},
        {"{\"sequence\":[{\"event\":\"a\"},{\"event\":\"b\",\"where\":" + rqb(a + "," + b) + "}]}",
         all("{\"sequence\":[{\"event\":\"a\"},{\"event\":\"b\",\"where\":" + all(a + "," + b) + "}]}")},
        {R"({"event":"click","semantics":"sql","time_zone":"Europe/Prague","as_of":"2024-05-13"})",
         R"({"condition":"AND","rules":[{"event":"click"}],"semantics":"sql","time_zone":"Europe/Prague","as_of":"2024-05-13"})"},
    };
    for (const auto &[given, printed] : cases)
        check({given.c_str(), printed.c_str()});
}

// "match" on an array field: the mode as React Query Builder spells it, the group in the canonical dialect, no operator.
TEST(Canonical, Match)
{
    const std::string group = R"({"combinator":"and","rules":[{"field":"","operator":"=","value":"x"}]})",
                      same = R"({"condition":"AND","rules":[{"field":"","operator":"equal","value":"x"}]})";
    const std::pair<const char *, const char *> modes[] = {
        {R"({"mode":"all"})", R"({"mode":"all"})"},
        {R"({"threshold":3,"mode":"SOME"})", R"({"mode":"some"})"},
        {R"({"mode":"none","threshold":"x"})", R"({"mode":"none"})"},
        {R"({"mode":"atleast","threshold":1})", R"({"mode":"atLeast","threshold":1})"},
        {R"({"mode":"atLeast","threshold":0})", R"({"mode":"atLeast","threshold":0})"},
        {R"({"threshold":0.250,"mode":"atMost"})", R"({"mode":"atMost","threshold":0.250})"},
        {R"({"mode":"exactly","threshold":2E0})", R"({"mode":"exactly","threshold":2E0})"},
        {R"({"mode":"exactly","threshold":-0})", R"({"mode":"exactly","threshold":-0})"},
    };
    for (const auto &[given, printed] : modes) {
        const std::string how(given),
            expected = all("{\"field\":\"tags\",\"match\":" + std::string(printed) + ",\"value\":" + same + "}");
        const std::string rqb = "{\"field\":\"tags\",\"operator\":\"=\",\"match\":" + how + ",\"value\":" + group + "}";
        check({("{\"combinator\":\"and\",\"rules\":[" + rqb + "]}").c_str(), expected.c_str()});
        check({rqb.c_str(), expected.c_str()});
        check({all("{\"id\":\"tags\",\"match\":" + how + ",\"value\":" + same + "}").c_str(), expected.c_str()});
        check({("{\"field\":\"tags\",\"match\":" + how + ",\"value\":" + same + "}").c_str(), expected.c_str()});
        const std::string where = "{\"event\":\"a\",\"where\":" +
                                  all("{\"field\":\"tags\",\"match\":" + std::string(printed) + ",\"value\":" + same + "}") +
                                  "}";
        check({all(where).c_str(), all(where).c_str()});
    }
    const Case cases[] = {
        // the operator means nothing; subproperties; a group within a group; "not"; a match below a match
        {R"({"combinator":"or","rules":[{"id":"r","field":"a","operator":"contains","valueSource":"value","match":{"mode":"all"},"value":{"not":true,"rules":[
            {"field":"n","operator":">","value":1},"and",{"field":"m","match":{"mode":"some"},"operator":"=","value":{"combinator":"and","rules":[{"field":"","operator":"null"},{"field":"b","muted":true}]}},"or",{"combinator":"and","rules":[{"field":"k","operator":"in","value":"1,2"}]}]}}]})",
         R"({"condition":"OR","rules":[{"field":"a","match":{"mode":"all"},"value":{"condition":"OR","not":true,"rules":[{"condition":"AND","rules":[{"field":"n","operator":"greater","value":1},{"field":"m","match":{"mode":"some"},"value":{"condition":"AND","rules":[{"field":"","operator":"is_null"}]}}]},{"field":"k","operator":"in","value":["1","2"]}]}}]})"},
        {R"({"combinator":"and","rules":[{"field":"a","operator":"=","value":1,"match":null},{"field":"a","operator":"=","match":{"mode":"any"},"muted":true}]})",
         R"({"condition":"AND","rules":[{"field":"a","operator":"equal","value":1}]})"},
    };
    for (const Case &c : cases)
        check(c);
}

// The leaf of an event field: an event leaf that is not compared.
TEST(Canonical, Measures)
{
    const std::pair<const char *, const char *> cases[] = {
        {R"({"event":"click"})", R"({"event":"click"})"},
        {R"({"measure":"count","event":"click"})", R"({"event":"click"})"},
        {R"({"measure":"last","event":"sent"})", R"({"event":"sent","measure":"last"})"},
        {R"({"where":{"field":"a","operator":"=","value":1},"within":{"unit":"day","last":30},"measure":{"sum":"price"},"event":"buy"})",
         R"({"event":"buy","measure":{"sum":"price"},"within":{"last":30,"unit":"day"},"where":{"condition":"AND","rules":[{"field":"a","operator":"equal","value":1}]}})"},
        {R"({"event":"click","where":{"combinator":"or","rules":[{"field":"a","operator":"null"},{"field":"b","operator":"in","value":"1,2"}]}})",
         R"({"event":"click","where":{"condition":"OR","rules":[{"field":"a","operator":"is_null"},{"field":"b","operator":"in","value":["1","2"]}]}})"},
    };
    for (const auto &[given, printed] : cases) {
        HeapArena arena;
        EXPECT_EQ(write_measure(*read_measure(given, arena)), printed);
        EXPECT_EQ(write_measure(*read_measure(printed, arena)), printed);
    }
}

// A tree put together in memory, as segments.all_of does, prints as what it reads as.
TEST(Canonical, ComposedTree)
{
    HeapArena arena;
    Rule *first = read_rule(R"({"field":"a","operator":"=","value":1})", arena);
    Rule *second = read_rule(R"({"condition":"OR","rules":[{"segment":"b"},{"list":3}]})", arena);
    Node children[] = {first->root, second->root};
    Rule both;
    both.root.children = children;
    const std::string printed = write_rule(both);
    EXPECT_EQ(
        printed,
        all(R"({"field":"a","operator":"equal","value":1},{"condition":"OR","rules":[{"segment":"b"},{"field":"list","operator":"in","value":[3]}]})"));
    EXPECT_EQ(canonical(printed), printed);
}

// Paths lead into the text that was given.
TEST(Tree, Paths)
{
    HeapArena arena;
    const Rule *rule = read_rule(
        R"({"condition":"AND","time_zone":"UTC","as_of":"2024-01-01","rules":[{"condition":"OR","rules":[{"id":"a","operator":"in","value":["x","y"]}]},
        {"condition":"OR","rules":[{"field":"b","value":3},{"list":17},{"segment":"s"}]}]})",
        arena);
    EXPECT_EQ(rule->root.path, "$");
    EXPECT_EQ(rule->time_zone_path, "$.time_zone");
    EXPECT_EQ(rule->as_of_path, "$.as_of");
    const Node &a = rule->root.children[0]; // its group wraps nothing else
    EXPECT_EQ(a.path, "$.rules[0].rules[0]");
    EXPECT_EQ(a.name_path, "$.rules[0].rules[0].id");
    EXPECT_EQ(a.op_path, "$.rules[0].rules[0].operator");
    EXPECT_EQ(a.values[1].path, "$.rules[0].rules[0].value[1]");
    const Node &group = rule->root.children[1];
    EXPECT_EQ(group.path, "$.rules[1]");
    EXPECT_EQ(group.children[0].op_path, "$.rules[1].rules[0]");
    EXPECT_EQ(group.children[0].values[0].path, "$.rules[1].rules[0].value");
    EXPECT_EQ(group.children[1].name, "list");
    EXPECT_EQ(group.children[1].name_path, "$.rules[1].rules[1].list");
    EXPECT_EQ(group.children[1].values[0].path, "$.rules[1].rules[1].list");
    EXPECT_EQ(group.children[2].name, "s");
    EXPECT_EQ(group.children[2].name_path, "$.rules[1].rules[2].segment");

    const Rule *behaviour = read_rule(
        R"({"condition":"AND","rules":[{"event":"a","measure":{"sum":"x"},"within":{"from":"2024-01-01"},"where":{"field":"c","value":2},"operator":"=","value":3},
        {"event":"a"},{"sequence":[{"event":"b"},{"event":"c","where":{"rules":[{"field":"d","value":2}]}}]}]})",
        arena);
    const Node &event = behaviour->root.children[0];
    EXPECT_EQ(event.path, "$.rules[0]");
    EXPECT_EQ(event.name_path, "$.rules[0].event");
    EXPECT_EQ(event.op_path, "$.rules[0].operator");
    EXPECT_EQ(event.values[0].path, "$.rules[0].value");
    EXPECT_EQ(event.behaviour->measure_path, "$.rules[0].measure.sum");
    EXPECT_EQ(event.behaviour->within.path, "$.rules[0].within");
    EXPECT_EQ(event.behaviour->within.from->path, "$.rules[0].within.from");
    EXPECT_EQ(event.behaviour->where->path, "$.rules[0].where");
    EXPECT_EQ(event.behaviour->where->children[0].values[0].path, "$.rules[0].where.value");
    const Node &count = behaviour->root.children[1];
    EXPECT_EQ(count.op_path, "$.rules[1]");
    EXPECT_EQ(count.behaviour->measure_path, "$.rules[1]");
    EXPECT_EQ(count.values[0].text, "1");
    EXPECT_EQ(count.values[0].path, "$.rules[1]");
    const SequenceStep &step = behaviour->root.children[2].behaviour->steps[1];
    EXPECT_EQ(step.path, "$.rules[2].sequence[1]");
    EXPECT_EQ(step.event_path, "$.rules[2].sequence[1].event");
    EXPECT_EQ(step.where->children[0].path, "$.rules[2].sequence[1].where.rules[0]");

    const Rule *list = read_rule(R"([{"field":"a","value":1}])", arena);
    EXPECT_EQ(list->root.children[0].path, "$[0]");
    const Rule *split = read_rule(R"({"combinator":"and","rules":[{"field":"a","operator":"in","value":"x,y"}]})", arena);
    EXPECT_EQ(split->root.children[0].values[1].path, "$.rules[0].value");
    const Rule *mixed = read_rule(R"({"rules":[{"segment":"a"},"or",{"segment":"b"},"and",{"segment":"c"}]})", arena);
    EXPECT_EQ(mixed->root.children[1].path, "$");
    EXPECT_EQ(mixed->root.children[1].children[1].path, "$.rules[4]");
}

// Nothing of the tree points into the text or into memory that the reader gives back.
TEST(Tree, OutlivesItsText)
{
    HeapArena arena;
    auto text = std::make_unique<std::string>(
        R"({"condition":"AND","rules":[{"field":"name","operator":"in","value":["a","b\n",1.5]},{"segment":"s"},{"sequence":[{"event":"a"},{"event":"b","where":{"condition":"AND","rules":[{"field":"c","operator":"equal","value":"d"}]}}],"within":{"from":"2024-01-01"}},{"event":"e","measure":{"sum":"x"},"operator":"less","value":5}],"time_zone":"UTC"})");
    const std::string given = *text;
    const Rule *rule = read_rule(*text, arena);
    text.reset();
    EXPECT_EQ(write_rule(*rule), given);
}

} // namespace segments
