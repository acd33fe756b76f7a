// Reads JSON with Boost's streaming parser. The one place that knows it: the parser is header-only and compiled here.
#include "json.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/src.hpp>

#include <algorithm>

namespace segments {

namespace {

// A group is an object in an array; a value in the deepest leaf is a few levels more.
constexpr std::size_t max_json_depth = 2 * max_depth + 32;

constexpr const char *json_form =
    "A rule is JSON in UTF-8: keys and texts in double quotes, no comments, no comma before a closing bracket.";

// Builds the tree from the parser's events: values are stacked and moved to memory when their array or object ends.
class TreeHandler {
public:
    static constexpr std::size_t max_array_size = max_text;
    static constexpr std::size_t max_object_size = max_text;
    static constexpr std::size_t max_string_size = max_text;
    static constexpr std::size_t max_key_size = max_text;

    using error_code = boost::system::error_code;
    using string_view = boost::json::string_view;

    TreeHandler(std::string_view text, std::pmr::memory_resource &memory) : text_(text), memory_(memory) {}

    const Json &root() const { return stack_.front(); }

    // The path of the value that is being read.
    std::string path() const
    {
        std::string path = "$";
        for (std::size_t i = 0; i < containers_.size(); i++) {
            const Container &container = containers_[i];
            const std::size_t end = i + 1 < containers_.size() ? containers_[i + 1].base : stack_.size();
            const std::size_t children = end - container.base;
            if (container.array)
                path += "[" + std::to_string(children) + "]";
            else if (children % 2 == 1)
                path += key_step(stack_[end - 1].text());
        }
        return path;
    }

    bool on_document_begin(error_code &) { return true; }
    bool on_document_end(error_code &) { return true; }
    bool on_object_begin(error_code &) { return begin(false); }
    bool on_object_end(std::size_t, error_code &) { return end(JsonKind::object); }
    bool on_array_begin(error_code &) { return begin(true); }
    bool on_array_end(std::size_t, error_code &) { return end(JsonKind::array); }
    bool on_key_part(string_view part, std::size_t, error_code &) { return add_part(part); }
    bool on_key(string_view part, std::size_t, error_code &) { return end_string(part); }
    bool on_string_part(string_view part, std::size_t, error_code &) { return add_part(part); }
    bool on_string(string_view part, std::size_t, error_code &) { return end_string(part); }
    bool on_number_part(string_view part, error_code &) { return add_part(part); }
    bool on_int64(std::int64_t, string_view part, error_code &) { return end_number(part); }
    bool on_uint64(std::uint64_t, string_view part, error_code &) { return end_number(part); }
    bool on_double(double, string_view part, error_code &) { return end_number(part); }
    bool on_comment_part(string_view, error_code &) { return true; }
    bool on_comment(string_view, error_code &) { return true; }

    bool on_bool(bool value, error_code &)
    {
        push(JsonKind::boolean).boolean = value;
        return true;
    }

    bool on_null(error_code &)
    {
        push(JsonKind::null);
        return true;
    }

private:
    struct Container {
        std::size_t base; // of its children on the stack
        bool array;
    };

    Json &push(JsonKind kind)
    {
        stack_.emplace_back().kind = kind;
        return stack_.back();
    }

    bool begin(bool array)
    {
        containers_.push_back({stack_.size(), array});
        return true;
    }

    bool end(JsonKind kind)
    {
        const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(containers_.back().base);
        const auto size = static_cast<std::size_t>(stack_.end() - first);
        Json *children = static_cast<Json *>(memory_.allocate(size * sizeof(Json), alignof(Json)));
        std::uninitialized_copy(first, stack_.end(), children);
        stack_.erase(first, stack_.end());
        containers_.pop_back();
        Json &value = push(kind);
        value.children = children;
        value.size = static_cast<std::uint32_t>(size);
        return true;
    }

    bool add_part(string_view part)
    {
        parts_.append(part.data(), part.size());
        return true;
    }

    // Where a string or number came in one piece, that piece is a part of the text itself.
    void end_bytes(JsonKind kind, string_view part)
    {
        std::string_view whole(part.data(), part.size());
        const std::less<const char *> before;
        const bool in_text = !before(whole.data(), text_.data()) && before(whole.data(), text_.data() + text_.size());
        if (!parts_.empty() || !in_text) {
            parts_.append(whole);
            char *bytes = static_cast<char *>(memory_.allocate(parts_.size() + 1, 1));
            std::copy(parts_.begin(), parts_.end(), bytes);
            whole = {bytes, parts_.size()};
            parts_.clear();
        }
        Json &value = push(kind);
        value.bytes = whole.data();
        value.size = static_cast<std::uint32_t>(whole.size());
    }

    bool end_number(string_view part)
    {
        end_bytes(JsonKind::number, part);
        return true;
    }

    bool end_string(string_view part)
    {
        end_bytes(JsonKind::string, part);
        if (stack_.back().text().find('\0') == std::string_view::npos)
            return true;
        stack_.pop_back();
        throw RuleError({State::malformed, path(), "text cannot hold the character \\u0000", "Take it out."});
    }

    std::string_view text_;
    std::pmr::memory_resource &memory_;
    std::vector<Json> stack_;
    std::vector<Container> containers_;
    std::string parts_; // what has been seen of a string with escapes
};

// "line 2, column 7" of a byte offset, columns in characters.
std::string place(std::string_view text, std::size_t offset)
{
    const std::string_view before = text.substr(0, offset);
    const std::size_t line_start = before.rfind('\n') + 1; // npos + 1 is 0
    const auto lines = std::count(before.begin(), before.end(), '\n') + 1;
    const auto columns = std::count_if(before.begin() + static_cast<std::ptrdiff_t>(line_start), before.end(),
                                       [](char c) { return (c & 0xC0) != 0x80; }) +
                         1;
    return "line " + std::to_string(lines) + ", column " + std::to_string(columns);
}

} // namespace

Json read_json(std::string_view text, std::pmr::memory_resource &memory)
{
    boost::json::parse_options options;
    options.max_depth = max_json_depth;
    boost::json::basic_parser<TreeHandler> parser(options, text, memory);
    boost::system::error_code error;
    const std::size_t end = parser.write_some(false, text.data(), text.size(), error);

    const std::string path = parser.handler().path();
    if (error == boost::json::error::too_deep)
        throw RuleError(
            {State::limit, path, "JSON is nested too deep", "A rule may nest " + std::to_string(max_depth) + " groups."});
    if (error == boost::json::error::incomplete)
        throw RuleError({State::malformed, path, "JSON text ends too early", "A string, array or object is not closed."});
    if (error)
        throw RuleError({State::malformed, path, "malformed JSON in " + place(text, end), json_form});
    const std::size_t rest = text.find_first_not_of(" \t\r\n", end);
    if (rest != std::string_view::npos)
        throw RuleError(
            {State::malformed, "$", "malformed JSON: more text after its end in " + place(text, rest), json_form});
    return parser.handler().root();
}

const Json *find_key(const Json &object, std::string_view key)
{
    const std::span<const Json> items = object.items();
    for (std::size_t i = items.size(); i > 0; i -= 2)
        if (items[i - 2].is(key))
            return &items[i - 1];
    return nullptr;
}

const char *describe(const Json &value)
{
    switch (value.kind) {
    case JsonKind::null:
        return "null";
    case JsonKind::boolean:
        return value.boolean ? "true" : "false";
    case JsonKind::number:
        return "a number";
    case JsonKind::string:
        return value.size > 0 ? "a string" : "an empty string";
    case JsonKind::array:
        return "an array";
    case JsonKind::object:
        break;
    }
    return "an object";
}

std::string clip(std::string_view text, std::size_t longest)
{
    if (text.size() <= longest)
        return std::string(text);
    while (longest > 0 && (text[longest] & 0xC0) == 0x80)
        longest--;
    return std::string(text.substr(0, longest)) + "...";
}

std::string key_step(std::string_view key)
{
    constexpr std::size_t longest = 100;
    const bool plain = !key.empty() && key.size() <= longest && std::all_of(key.begin(), key.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$';
    });
    if (plain)
        return "." + std::string(key);
    std::string step = "[";
    write_string(step, clip(key, longest));
    return step + "]";
}

} // namespace segments
