// Values of a leaf: how many its operator takes, and what JSON may stand for one. The field's type is the binder's matter.
#include <algorithm>
#include <charconv>

#include "reader.hpp"
#include "text.hpp"

namespace segments {

namespace {

constexpr std::size_t most_element_paths = 64 * 1024 * 1024; // bytes; beyond, a list's own path stands for its elements'
constexpr std::int64_t most_days = 1000000;                  // within what a timestamp can hold
constexpr std::int64_t most_offset = 100000000;              // within an interval, in any unit

} // namespace

std::string_view trim(std::string_view text)
{
    // What JavaScript calls white space, in UTF-8.
    static constexpr std::string_view blanks[] = {
        " ",      "\t",     "\n",     "\v",     "\f",     "\r",     "\u00A0", "\u1680", "\u2000",
        "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006", "\u2007", "\u2008", "\u2009",
        "\u200A", "\u2028", "\u2029", "\u202F", "\u205F", "\u3000", "\uFEFF",
    };
    const auto strip = [&](auto matches, auto remove) {
        for (const auto *blank = std::begin(blanks); blank != std::end(blanks);) {
            const bool found = matches(*blank);
            if (found)
                remove(blank->size());
            blank = found ? std::begin(blanks) : blank + 1;
        }
    };
    strip([&](std::string_view blank) { return text.starts_with(blank); }, [&](std::size_t n) { text.remove_prefix(n); });
    strip([&](std::string_view blank) { return text.ends_with(blank); }, [&](std::size_t n) { text.remove_suffix(n); });
    return text;
}

std::vector<std::string> split_list(std::string_view text)
{
    std::vector<std::string> parts;
    std::string part;
    const auto end_part = [&] {
        const std::string_view trimmed = trim(part);
        if (!trimmed.empty())
            parts.emplace_back(trimmed);
        part.clear();
    };
    for (std::size_t i = 0; i < text.size(); i++) {
        if (text[i] == ',') {
            end_part();
            continue;
        }
        if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == ',')
            i++;
        part += text[i];
    }
    end_part();
    return parts;
}

// Reads what the operator is compared with; what is given to an operator without inputs is ignored.
bool Reader::read_values(const Json &leaf, Node &node)
{
    const OperatorInfo &info = operator_info(node.op);
    if (info.inputs == 0)
        return true;
    const Json *json = find_key(leaf, "value");
    if (!json)
        return report(State::refused, std::string("operator ") + info.name + " needs a value", leaf_form);

    const Step step(*this, ".value");
    std::vector<Value> values;
    const bool split = dialect_ == Dialect::rqb && info.inputs != 1;
    if (!read_list(*json, split, values))
        return false;
    node.values = pool_.copy(values);
    return check_values(node);
}

// Reads one value or an array of them. split: as React Query Builder's lists, which may be one string, and are trimmed.
bool Reader::read_list(const Json &json, bool split, std::vector<Value> &values)
{
    const std::string_view list_path = pool_.copy(path_);
    const auto check_length = [&](std::size_t size) {
        if (size > max_list)
            give_up(State::limit, "list is too long", "A list may have " + std::to_string(max_list) + " values.");
    };
    if (json.kind != JsonKind::array && !(split && json.kind == JsonKind::string)) {
        Value &value = values.emplace_back();
        value.path = list_path;
        return read_value(json, value);
    }
    if (json.kind == JsonKind::string) {
        const std::vector<std::string> parts = split_list(json.text());
        check_length(parts.size());
        for (const std::string &part : parts) {
            Value &value = values.emplace_back();
            value.path = list_path;
            value.text = pool_.copy(part);
        }
        return true;
    }
    check_length(json.size);
    bool sound = true;
    values.reserve(json.size);
    for (std::size_t i = 0; i < json.size; i++) {
        const Step step(*this, i);
        Value &value = values.emplace_back();
        value.path = element_path(list_path);
        sound = read_value(json.children[i], value) && sound;
        if (split && value.kind == ValueKind::string)
            value.text = trim(value.text);
    }
    return sound;
}

// The current path, kept; a huge rule keeps only the path of the list.
std::string_view Reader::element_path(std::string_view list_path)
{
    element_path_bytes_ += path_.size();
    return element_path_bytes_ > most_element_paths ? list_path : pool_.copy(path_);
}

// One value, of whatever kind.
bool Reader::read_value(const Json &json, Value &value)
{
    switch (json.kind) {
    case JsonKind::null:
        return report(State::malformed, "null is not a value", "Use operator \"is_null\" or \"is_not_null\".");
    case JsonKind::boolean:
        value.kind = ValueKind::boolean;
        value.boolean = json.boolean;
        return true;
    case JsonKind::number:
        value.kind = ValueKind::number;
        value.text = pool_.copy(json.text());
        return true;
    case JsonKind::string:
        value.kind = ValueKind::string;
        value.text = pool_.copy(json.text());
        return true;
    case JsonKind::array:
        return report(State::malformed, "a list inside a list", "A list holds numbers, texts and booleans.");
    case JsonKind::object:
        break;
    }
    return read_relative(json, value);
}

// {"mode": "relative", "anchor": "startOfDay", "offset": -7, "unit": "day"}
bool Reader::read_relative(const Json &json, Value &value)
{
    const Json *mode = find_key(json, "mode");
    if (!mode || mode->kind != JsonKind::string || mode->text() != "relative")
        return report(
            State::malformed, "an object is not a value",
            "A relative date is {\"mode\": \"relative\", \"anchor\": \"now\", \"offset\": -7, \"unit\": \"day\"}.");
    static constexpr std::string_view read[] = {"mode", "anchor", "offset", "unit"};
    bool sound = check_keys(json, {read, {}}, false);
    value.kind = ValueKind::relative;

    const Json *anchor = find_key(json, "anchor");
    const Json *unit = find_key(json, "unit");
    const auto known_anchor = anchor && anchor->kind == JsonKind::string ? find_anchor(anchor->text()) : std::nullopt;
    if (known_anchor)
        value.anchor = *known_anchor;
    else {
        const Step step(*this, anchor ? ".anchor" : "");
        sound = report(
            State::refused, anchor ? "unknown anchor of a relative date" : "missing anchor of a relative date",
            "It is \"now\", or \"startOf...\" or \"endOf...\" with \"Day\", \"Week\", \"Month\", \"Quarter\" or \"Year\".");
    }
    sound = read_offset(find_key(json, "offset"), value) && sound;

    const auto known_unit = unit && unit->kind == JsonKind::string ? find_unit(unit->text()) : std::nullopt;
    if (known_unit)
        value.unit = *known_unit;
    else if (unit || value.offset != 0) {
        const Step step(*this, unit ? ".unit" : "");
        sound = report(State::refused, unit ? "unknown unit of a relative date" : "missing unit of a relative date",
                       "It is \"minute\", \"hour\", \"day\", \"week\", \"month\", \"quarter\" or \"year\".");
    }
    return sound;
}

// The offset of a relative date: a whole number, 0 where it is absent.
bool Reader::read_offset(const Json *json, Value &value)
{
    if (!json)
        return true;
    const Step step(*this, ".offset");
    const auto number = json->kind == JsonKind::number ? parse_decimal(json->text()) : std::nullopt;
    if (!number || !number->integral)
        return report(State::refused, "the offset of a relative date must be a whole number",
                      "Write a number of units, without quotes: negative ones lie in the past.");
    const std::string &text = number->text;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value.offset);
    if (parsed.ec != std::errc() || value.offset > most_offset || value.offset < -most_offset)
        return report(State::date_range, "the offset of a relative date is out of range",
                      "It lies between -" + std::to_string(most_offset) + " and " + std::to_string(most_offset) + ".");
    return true;
}

// Checks values against what the operator takes.
bool Reader::check_values(const Node &node)
{
    const OperatorInfo &info = operator_info(node.op);
    const std::size_t size = node.values.size();
    const std::string name = info.name;
    if (info.inputs == 1 && size != 1)
        return report(State::refused, "operator " + name + " takes one value, found " + std::to_string(size),
                      "For several values use operator in or between.");
    if (info.inputs == 2 && size != 2)
        return report(State::refused, "operator " + name + " takes two values, found " + std::to_string(size),
                      "Say [low, high].");
    if (info.inputs < 0 && size == 0)
        return report(State::refused, "operator " + name + " needs at least one value",
                      "Leave the rule out, or list values.");
    bool sound = true;
    for (const Value &value : node.values) {
        if (node.field_value && (value.kind != ValueKind::string || value.text.empty()))
            sound = report_at(value.path, State::refused, "a field's name is wanted as the value",
                              "Leave \"value_source\" out to compare with the value itself.");
        else if (takes_days(node.op))
            sound = check_whole(value, node.op, most_days) && sound;
        else if (takes_buckets(node.op))
            sound = check_whole(value, node.op, 100) && sound;
        else if (info.inputs == 2 && dialect_ == Dialect::rqb && value.kind == ValueKind::string && value.text.empty())
            sound = report_at(value.path, State::refused, "operator " + name + " takes two values, found an empty one",
                              "Say [low, high].");
    }
    return sound;
}

// Checks a number of days or a bucket: whole, from 0 to most; numeric strings count.
bool Reader::check_whole(const Value &value, Operator op, std::int64_t most)
{
    const std::string name = operator_info(op).name;
    const char *number_form =
        takes_days(op) ? "Give a number of days, such as 30." : "Give two buckets: [0, 10] is a tenth of the audience.";
    const bool texty = value.kind == ValueKind::number || value.kind == ValueKind::string;
    const auto number = texty ? parse_decimal(value.text) : std::nullopt;
    if (!number)
        return report_at(value.path, State::malformed, "operator " + name + " takes a number", number_form);
    std::int64_t n = -1;
    const std::string &text = number->text;
    const bool fits = number->integral && std::from_chars(text.data(), text.data() + text.size(), n).ec == std::errc();
    if (fits && n >= 0 && n <= most)
        return true;
    return report_at(value.path, State::refused,
                     "operator " + name + " takes a whole number from 0 to " + std::to_string(most) + ", found " +
                         clip(value.text),
                     number_form);
}

} // namespace segments
