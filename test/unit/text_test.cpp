// Small readers of values: typos, decimals, ISO 8601.
#include "text.hpp"

#include <random>

#include "reader.hpp"
#include "support.hpp"

namespace segments {

TEST(Nearest, FindsTypos)
{
    const std::string_view fields[] = {"country", "carrier", "sent_count", "click_count", "last_sent_at", "é"};
    const struct {
        std::string_view word, nearest;
    } cases[] = {
        {"contry", "country"},
        {"COUNTRY", "country"},
        {"sentcount", "sent_count"},
        {"clik_count", "click_count"},
        {"last_snet_at", "last_sent_at"},
        {"carier", "carrier"},
        {"phone", ""},
        {"", ""},
        {"x", ""},
        {"country", "country"},
        {"carriers", "carrier"},
    };
    for (const auto &[word, nearest_field] : cases)
        EXPECT_EQ(nearest(word, fields), nearest_field) << word;
    EXPECT_EQ(nearest("country", {}), "");
    EXPECT_EQ(nearest(std::string(100000, 'c'), fields), "");
    const std::string long_name(100000, 'c');
    const std::string_view long_names[] = {long_name};
    EXPECT_EQ(nearest("cc", long_names), "");
}

TEST(Decimal, Reads)
{
    const struct {
        const char *text, *plain;
        bool integral;
    } cases[] = {
        {"0", "0", true},
        {"-0", "0", true},
        {"0.000", "0", true},
        {"0e999999999999", "0", true},
        {"10", "10", true},
        {"+10", "10", true},
        {"-7", "-7", true},
        {" 42\t", "42", true},
        {"007", "7", true},
        {"10.50", "10.5", false},
        {".5", "0.5", false},
        {"5.", "5", true},
        {"-.25", "-0.25", false},
        {"1e3", "1000", true},
        {"1.5e1", "15", true},
        {"1.25E1", "12.5", false},
        {"1e-3", "0.001", false},
        {"100e-2", "1", true},
        {"12345e-3", "12.345", false},
        {"9007199254740993", "9007199254740993", true},
        {"9223372036854775807", "9223372036854775807", true},
        {"123456789012345678901234567890.123456789", "123456789012345678901234567890.123456789", false},
        {"1e401", "1e401", false},
        {"-1E-401", "-1E-401", false},
        {"1e99999999999999999999999", "1e99999999999999999999999", false},
    };
    for (const auto &[text, plain, integral] : cases) {
        const auto decimal = parse_decimal(text);
        ASSERT_TRUE(decimal) << text;
        EXPECT_EQ(decimal->text, plain) << text;
        EXPECT_EQ(decimal->integral, integral) << text;
    }
}

TEST(Decimal, Refuses)
{
    for (const char *text : {"",
                             " ",
                             "abc",
                             "0x10",
                             "NaN",
                             "Infinity",
                             "-",
                             "+",
                             ".",
                             "1 2",
                             "1,5",
                             "1e",
                             "1e+",
                             "e5",
                             "--1",
                             "1.2.3",
                             "1_000",
                             "\u00A0"
                             "1",
                             "1\u0661",
                             "١"})
        EXPECT_FALSE(parse_decimal(text)) << text;
    EXPECT_FALSE(parse_decimal(std::string_view("1\0", 2)));
}

TEST(Iso, Reads)
{
    const struct {
        const char *text, *date, *time, *offset;
    } cases[] = {
        {"2024-05-13", "2024-05-13", "", ""},
        {"2024-02-29", "2024-02-29", "", ""},
        {"2000-02-29", "2000-02-29", "", ""},
        {"0001-01-01", "0001-01-01", "", ""},
        {"9999-12-31", "9999-12-31", "", ""},
        {"2024-05-13T12:30:05", "2024-05-13", "12:30:05", ""},
        {"2024-05-13 12:30:05", "2024-05-13", "12:30:05", ""},
        {"2024-05-13t12:30", "2024-05-13", "12:30:00", ""},
        {"2024-05-13T12:30Z", "2024-05-13", "12:30:00", "+00:00"},
        {"2024-05-13T12:30:05z", "2024-05-13", "12:30:05", "+00:00"},
        {"2024-05-13T12:30:05.5+02:00", "2024-05-13", "12:30:05.500000", "+02:00"},
        {"2024-05-13T12:30:05.000Z", "2024-05-13", "12:30:05", "+00:00"},
        {"2024-05-13T12:30:05.1234565-0330", "2024-05-13", "12:30:05.123457", "-03:30"},
        {"2024-05-13T12:30:05.1234564-03", "2024-05-13", "12:30:05.123456", "-03:00"},
        {"2024-05-13T12:30:05+15:59:59", "2024-05-13", "12:30:05", "+15:59:59"},
        {"2024-05-13T23:59:59.9999999", "2024-05-14", "00:00:00", ""},
        {"2024-12-31T23:59:59.9999995Z", "2025-01-01", "00:00:00", "+00:00"},
        {"2023-02-28T23:59:59.9999999", "2023-03-01", "00:00:00", ""},
    };
    for (const auto &[text, date, time, offset] : cases) {
        IsoDate iso;
        ASSERT_EQ(parse_iso(text, iso), IsoError::none) << text;
        EXPECT_EQ(iso.date, date) << text;
        EXPECT_EQ(iso.time, time) << text;
        EXPECT_EQ(iso.offset, offset) << text;
    }
}

TEST(Iso, Refuses)
{
    IsoDate iso;
    for (const char *text : {"",
                             "now",
                             "today",
                             "13/05/2024",
                             "05/13/2024",
                             "13.05.2024",
                             "2024",
                             "2024-05",
                             "2024-5-13",
                             "20240513",
                             "2024-05-13T",
                             "2024-05-13T12",
                             "2024-05-13T12:3",
                             "2024-05-13T12:30:",
                             "2024-05-13T12:30:5",
                             "2024-05-13T12:30:05.",
                             "2024-05-13T12:30+",
                             "2024-05-13T12:30+2",
                             "2024-05-13T12:30+02:",
                             "2024-05-13Z5",
                             "2024-05-13Z",
                             "2024-05-13 ",
                             " 2024-05-13",
                             "2024-05-13T12:30ZZ",
                             "2024-05-13T12:30 +02",
                             "-2024-05-13",
                             "2024-05-13T12:30:05,5",
                             "2024-05-13  12:30",
                             "infinity",
                             "2024-05-13T12:30+02:00:00:00"})
        EXPECT_EQ(parse_iso(text, iso), IsoError::syntax) << text;
    for (const char *text : {"2024-02-30", "2023-02-29", "1900-02-29", "2024-13-01", "2024-00-10", "2024-04-31",
                             "2024-01-00", "0000-01-01", "2024-05-13T24:00", "2024-05-13T12:60", "2024-05-13T12:30:60",
                             "2024-05-13T12:30+16:00", "2024-05-13T12:30+02:60", "9999-12-31T23:59:59.9999999"})
        EXPECT_EQ(parse_iso(text, iso), IsoError::range) << text;
}

TEST(Lists, SplitAsReactQueryBuilderDoes)
{
    const struct {
        const char *text;
        std::vector<std::string> parts;
    } cases[] = {
        {"", {}},
        {" , ,", {}},
        {"a", {"a"}},
        {"a,b", {"a", "b"}},
        {" a , b c ,", {"a", "b c"}},
        {"a\\,b, c", {"a,b", "c"}},
        {"\\,", {","}},
        {"a\\\\,b", {"a\\,b"}},
        {"a\\b", {"a\\b"}},
        {"a\\", {"a\\"}},
        {"\u00A0x\u3000,\uFEFFy", {"x", "y"}},
        {"日本, ö", {"日本", "ö"}},
    };
    for (const auto &[text, parts] : cases)
        EXPECT_EQ(split_list(text), parts) << text;
    EXPECT_EQ(trim(" \n "), "");
    EXPECT_EQ(trim("\u00A0\u2003 a b \u2029\t"), "a b");
    EXPECT_EQ(trim("\u200B"), "\u200B"); // not white space, for JavaScript either
}

// Random text never does harm, and what is read reads the same when it is read again.
TEST(Text, RandomTexts)
{
    std::mt19937 random(20240513);
    const std::string_view alphabet = "0123456789+-.eE: TZ\t,\\x\xC3\xA9\xFF";
    for (int round = 0; round < 200000; round++) {
        std::string text;
        for (std::size_t n = random() % 24; n > 0; n--)
            text += alphabet[random() % alphabet.size()];
        if (const auto decimal = parse_decimal(text)) {
            const auto again = parse_decimal(decimal->text);
            ASSERT_TRUE(again) << text;
            EXPECT_EQ(again->text, decimal->text) << text;
            EXPECT_EQ(again->integral, decimal->integral) << text;
        }
        IsoDate iso;
        if (parse_iso(text, iso) == IsoError::none) {
            IsoDate again;
            const std::string whole = iso.date + (iso.time.empty() ? "" : " ") + iso.time + iso.offset;
            ASSERT_EQ(parse_iso(whole, again), IsoError::none) << text;
            EXPECT_EQ(again.date + again.time + again.offset, iso.date + iso.time + iso.offset) << text;
        }
        for (const std::string &part : split_list(text))
            EXPECT_FALSE(part.empty());
    }
}

} // namespace segments
