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

void write_operator(std::string &out, const Node &leaf)
{
    write_key(out, "operator");
    out.append("\"").append(operator_info(leaf.op).name).append("\"");
}

void write_node(std::string &out, const Node &node);
void write_open_group(std::string &out, const Node &group);

// Everything of a leaf about elements but its field.
void write_match(std::string &out, const Match &match)
{
    write_key(out, "match");
    out.append("{\"mode\":\"").append(match_mode_name(match.mode)).append("\"");
    if (!match.threshold.empty())
        out.append(",\"threshold\":").append(match.threshold);
    out += '}';
    write_key(out, "value");
    write_open_group(out, *match.group);
    out.append("}}");
}

void write_field_leaf(std::string &out, const Node &leaf)
{
    out.append("{\"field\":");
    write_string(out, leaf.name);
    if (leaf.match)
        return write_match(out, *leaf.match);
    write_operator(out, leaf);
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

// {"last":30,"unit":"day"}; name: "last" or "at_most".
void write_span(std::string &out, const char *name, const Span &span)
{
    out.append("{\"").append(name).append("\":").append(std::to_string(span.amount));
    out.append(",\"unit\":\"").append(unit_name(span.unit)).append("\"}");
}

void write_window(std::string &out, const Window &window)
{
    if (!window.given())
        return;
    write_key(out, "within");
    if (window.last.amount > 0)
        return write_span(out, "last", window.last);
    out.append("{\"");
    if (window.from) {
        out.append("from\":");
        write_value(out, *window.from);
    }
    if (window.to) {
        out.append(window.from ? ",\"to\":" : "to\":");
        write_value(out, *window.to);
    }
    out += '}';
}

void write_where(std::string &out, const Node *where)
{
    if (!where)
        return;
    write_key(out, "where");
    write_open_group(out, *where);
    out += '}';
}

// Everything of an event leaf but operator, value and the closing brace.
void write_event(std::string &out, const Node &leaf)
{
    const Behaviour &behaviour = *leaf.behaviour;
    out.append("{\"event\":");
    write_string(out, leaf.name);
    if (behaviour.measure != Measure::count) {
        write_key(out, "measure");
        const bool of_column = !behaviour.column.empty();
        out.append(of_column ? "{\"" : "\"").append(measure_name(behaviour.measure)).append("\"");
        if (of_column) {
            out += ':';
            write_string(out, behaviour.column);
            out += '}';
        }
    }
    write_window(out, behaviour.within);
    write_where(out, behaviour.where);
}

void write_sequence(std::string &out, const Node &leaf)
{
    out.append("{\"sequence\":");
    char separator = '[';
    for (const SequenceStep &step : leaf.behaviour->steps) {
        out += separator;
        separator = ',';
        out.append("{\"event\":");
        write_string(out, step.event);
        write_where(out, step.where);
        if (step.after.amount > 0) {
            write_key(out, "after");
            write_span(out, "at_most", step.after);
        }
        out.append(step.absent ? ",\"not\":true}" : "}");
    }
    out += ']';
    write_window(out, leaf.behaviour->within);
    out += '}';
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
        write_event(out, node);
        if (node.behaviour->compared) {
            write_operator(out, node);
            write_values(out, node);
        }
        out += '}';
        return;
    case NodeKind::sequence:
        return write_sequence(out, node);
    }
}

} // namespace

std::string write_measure(const Node &leaf)
{
    std::string out;
    write_event(out, leaf);
    out += '}';
    return out;
}

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
