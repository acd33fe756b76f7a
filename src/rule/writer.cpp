// Prints rules in canonical form. Its bytes are stored: they must never change.
#include "operators.hpp"

namespace segments {

namespace {

// Appends ,"key":
void write_key(std::string &out, std::string_view key)
{
    out.append(",\"").append(key).append("\":");
}

void write_value(std::string &out, const Value &value)
{
    switch (value.kind) {
    case ValueKind::number:
        out.append(value.text);
        return;
    case ValueKind::string:
        write_string(out, value.text);
        return;
    case ValueKind::boolean:
        out.append(value.boolean ? "true" : "false");
        return;
    case ValueKind::relative:
        out.append("{\"mode\":\"relative\",\"anchor\":\"").append(anchor_name(value.anchor));
        out.append("\",\"offset\":").append(std::to_string(value.offset));
        out.append(",\"unit\":\"").append(unit_name(value.unit)).append("\"}");
        return;
    }
}

// Values as the operator wants them: none, one, or an array.
void write_values(std::string &out, const Node &leaf)
{
    const int inputs = operator_info(leaf.op).inputs;
    if (inputs == 0)
        return;
    write_key(out, "value");
    if (inputs == 1) {
        write_value(out, leaf.values.front());
        return;
    }
    char separator = '[';
    for (const Value &value : leaf.values) {
        out += separator;
        write_value(out, value);
        separator = ',';
    }
    out += ']';
}

void write_field_leaf(std::string &out, const Node &leaf)
{
    out.append("{\"field\":");
    write_string(out, leaf.name);
    write_key(out, "operator");
    out.append("\"").append(operator_info(leaf.op).name).append("\"");
    write_values(out, leaf);
    if (leaf.field_value)
        out.append(",\"value_source\":\"field\"");
    if (leaf.ignore_case)
        out.append(",\"ignore_case\":true");
    if (!leaf.salt.empty()) {
        write_key(out, "salt");
        write_string(out, leaf.salt);
    }
    out += '}';
}

void write_node(std::string &out, const Node &node);

// Everything of a group but its closing brace.
void write_open_group(std::string &out, const Node &group)
{
    out.append("{\"condition\":\"").append(group.any ? "OR" : "AND").append(group.negated ? "\",\"not\":true" : "\"");
    write_key(out, "rules");
    char separator = '[';
    for (const Node &child : group.children) {
        out += separator;
        write_node(out, child);
        separator = ',';
    }
    out += ']';
}

// A node below the root; groups that only wrap one node are left out.
void write_node(std::string &out, const Node &node)
{
    switch (node.kind) {
    case NodeKind::group:
        if (!node.negated && node.children.size() == 1)
            return write_node(out, node.children.front());
        write_open_group(out, node);
        out += '}';
        return;
    case NodeKind::field:
        return write_field_leaf(out, node);
    case NodeKind::segment:
        out.append("{\"segment\":");
        write_string(out, node.name);
        out += '}';
        return;
    case NodeKind::everyone:
        out.append("{\"everyone\":true}");
        return;
    case NodeKind::event:
    case NodeKind::sequence:
        return; // the reader makes none yet
    }
}

} // namespace

void write_string(std::string &out, std::string_view text)
{
    constexpr char hex[] = "0123456789abcdef";
    out += '"';
    for (const char c : text) {
        switch (c) {
        case '"':
        case '\\':
            (out += '\\') += c;
            break;
        case '\b':
            out.append("\\b");
            break;
        case '\f':
            out.append("\\f");
            break;
        case '\n':
            out.append("\\n");
            break;
        case '\r':
            out.append("\\r");
            break;
        case '\t':
            out.append("\\t");
            break;
        default:
            if (static_cast<unsigned char>(c) >= 0x20)
                out += c;
            else
                (out.append("\\u00") += hex[c >> 4]) += hex[c & 15];
        }
    }
    out += '"';
}

std::string write_rule(const Rule &rule)
{
    std::string out;
    write_open_group(out, rule.root);
    if (rule.semantics == Semantics::sql)
        out.append(",\"semantics\":\"sql\"");
    if (!rule.time_zone.empty()) {
        write_key(out, "time_zone");
        write_string(out, rule.time_zone);
    }
    if (!rule.as_of.empty()) {
        write_key(out, "as_of");
        write_string(out, rule.as_of);
    }
    out += '}';
    return out;
}

} // namespace segments
