// The rule tree: what a JSON rule says, with dialect and aliases resolved. No PostgreSQL in here.
#pragma once

#ifdef POSTGRES_H
#error "src/rule is free of PostgreSQL: include it before postgres.h"
#endif

#include "arena.hpp"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace segments {

// Limits of docs/rules.md; each is refused with State::limit.
constexpr std::size_t max_depth = 64;              // groups inside each other
constexpr std::size_t max_nodes = 10000;           // groups and leaves
constexpr std::size_t max_list = 100000;           // values of one leaf
constexpr std::size_t max_text = 16 * 1024 * 1024; // bytes of JSON

// What kind of error a refusal is; the extension maps each to an SQLSTATE.
enum class State : std::uint8_t {
    malformed,        // 22P02: not JSON, or a value of the wrong type
    refused,          // 22023: a rule that must not be asked
    unknown_field,    // 42703
    unknown_operator, // 42883
    bad_date,         // 22007: not an ISO 8601 date
    date_range,       // 22008: a date that does not exist
    limit,            // 54000
};

// One thing wrong with a rule. path is a JSON path into the text that was read, such as $.rules[2].value.
struct Problem {
    State state;
    std::string path;
    std::string message;
    std::string hint; // never empty where the reader says it
};

// Thrown by the reader; carries the first problem.
class RuleError : public std::exception {
public:
    explicit RuleError(Problem problem) : problem_(std::move(problem)) {}
    const Problem &problem() const noexcept { return problem_; }
    const char *what() const noexcept override { return problem_.message.c_str(); }

private:
    Problem problem_;
};

enum class Operator : std::uint8_t {
    equal,
    not_equal,
    less,
    less_or_equal,
    greater,
    greater_or_equal,
    between,
    not_between,
    in,
    not_in,
    begins_with,
    not_begins_with,
    contains,
    not_contains,
    ends_with,
    not_ends_with,
    is_empty,
    is_not_empty,
    is_null,
    is_not_null,
    matches_regex,
    not_matches_regex,
    greater_than_n_days,
    less_than_n_days,
    equal_n_days,
    in_next_n_days,
    anniversary_in_n_days,
    in_bucket,
    not_in_bucket,
};
constexpr std::size_t operator_count = 29;

enum class NodeKind : std::uint8_t { group, field, segment, everyone, event, sequence };
enum class ValueKind : std::uint8_t { number, string, boolean, relative };
enum class Anchor : std::uint8_t {
    now,
    start_of_day,
    end_of_day,
    start_of_week,
    end_of_week,
    start_of_month,
    end_of_month,
    start_of_quarter,
    end_of_quarter,
    start_of_year,
    end_of_year,
};
enum class Unit : std::uint8_t { minute, hour, day, week, month, quarter, year };
enum class Semantics : std::uint8_t { two_valued, sql };
enum class Measure : std::uint8_t { count, first, last, sum, min, max, avg, distinct };
enum class MatchMode : std::uint8_t { all, some, none, at_least, at_most, exactly };

// A value as the rule gave it; coercion to the field's type is the binder's.
struct Value {
    ValueKind kind = ValueKind::string;
    bool boolean = false;        // boolean
    Anchor anchor = Anchor::now; // relative
    Unit unit = Unit::day;       // relative
    std::int64_t offset = 0;     // relative: whole units after (before, if negative) the anchor
    std::string_view text;       // number: its source digits; string: UTF-8 without NUL
    std::string_view path;       // where it stands
};

struct Node;

// A length of time: exact in minutes and hours, calendar steps from days on.
struct Span {
    std::int64_t amount = 0; // 0: none was given
    Unit unit = Unit::day;
};

// When events count: {"last": n, "unit": u}, or {"from": a, "to": b} with at least one of them.
struct Window {
    Span last;
    Value *from = nullptr;
    Value *to = nullptr;
    std::string_view path;

    bool given() const { return last.amount > 0 || from || to; }
};

// One step of a sequence.
struct SequenceStep {
    std::string_view event;
    Node *where = nullptr; // a group over the event's own columns
    Span after;            // at most this later than the step before
    bool absent = false;   // "not": no such event follows
    std::string_view path;
    std::string_view event_path;
};

// What an event leaf or a sequence says of the member's events.
struct Behaviour {
    Measure measure = Measure::count;
    std::string_view column; // sum, min, max, avg, distinct: of the event table
    std::string_view measure_path;
    bool compared = false; // operator and value were given
    Node *where = nullptr; // a group over the event's own columns
    Window within;
    std::span<SequenceStep> steps; // sequence
};

// How many elements of an array field must satisfy a group.
struct Match {
    MatchMode mode = MatchMode::all;
    std::string_view threshold; // at_least, at_most, exactly: its source digits
    bool share = false;         // the threshold is a share of the elements: it lies between 0 and 1
    Node *group = nullptr;      // over one element, whose own name is ""
    std::string_view path;
};

// A group or a leaf. Trivially destructible: strings and children live in the arena.
struct Node {
    NodeKind kind = NodeKind::group;
    bool any = false;               // group: OR instead of AND
    bool negated = false;           // group: "not"
    bool field_value = false;       // field leaf: values[0].text names another field
    bool ignore_case = false;       // field leaf
    Operator op = Operator::equal;  // field leaf, event leaf
    std::string_view name;          // field leaf: the field; segment leaf: the segment; event leaf: the event
    std::string_view salt;          // in_bucket: "" unless given
    std::string_view path;          // of the node
    std::string_view name_path;     // of the key that gave name
    std::string_view op_path;       // of the operator; the node's own where it was absent
    std::span<Node> children;       // group
    std::span<Value> values;        // field leaf, event leaf; in, not_in: the list
    Behaviour *behaviour = nullptr; // event leaf, sequence
    Match *match = nullptr;         // field leaf that asks an array's elements: it has neither operator nor values
};

// A whole rule. Empty strings for root keys that are absent.
struct Rule {
    Node root; // always a group
    Semantics semantics = Semantics::two_valued;
    std::string_view time_zone; // IANA name as given; that it exists is the binder's to check
    std::string_view as_of;     // timestamptz as given
    std::string_view time_zone_path;
    std::string_view as_of_path;
};

// Reads a rule of either dialect from UTF-8 JSON text. With `problems` null the first problem is thrown as
// RuleError. With it, every problem is appended there, in document order, and what could be read is returned
// (leaves with a problem are left out; the root may then be an empty group); only text that is not JSON at all,
// limits and std::bad_alloc end the reading early (the problem is then appended too, and null returned).
Rule *read_rule(std::string_view json, Arena &arena, std::vector<Problem> *problems = nullptr);

// Reads an event leaf without operator and value, from which an event field is made. Throws RuleError.
Node *read_measure(std::string_view json, Arena &arena);

// The canonical form (docs/rules.md): byte for byte the same for equal rules, read back by read_rule.
std::string write_rule(const Rule &rule);
std::string write_measure(const Node &leaf);

// Appends text as a JSON string, quotes included.
void write_string(std::string &out, std::string_view text);

} // namespace segments
