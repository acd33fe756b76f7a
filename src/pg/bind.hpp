// Binding: a rule meets an audience. Fields are found, operators checked against their types, values coerced to SQL literals.
#pragma once

#include "catalog.hpp"

namespace segments {

// What a field's type can be asked.
enum class FieldClass : std::uint8_t {
    text,
    enumeration,
    integer,
    numeric,
    floating,
    boolean,
    date,
    timestamp,
    timestamptz,
    array,
    membership,
    ordered, // any other type with a b-tree order
    equatable, // any other type with equality
    opaque, // any other type
};

struct FieldType {
    FieldClass cls;
    Oid type;    // base type; of an array or membership: that of its elements
    FieldClass element; // array, membership
};

FieldType classify(const Field &field);
FieldType classify_type(Oid type);

// Whether fields of a class have an operator.
bool has_operator(FieldClass cls, Operator op);

// A value as SQL. For a date without time against a timestamp, sql is the day's start and day_end the next day's start.
struct BoundValue {
    const char *sql;
    const char *day_end;
    const char *text; // where sql is a plain literal: its text,
    Oid type;         // and its type
};

struct BoundRule;
struct Elements;

// The events of one kind that satisfy a "where".
struct BoundEvents {
    const EventSource *source;
    const char *kind;       // SQL literal; null: all events of the source
    const BoundRule *where; // over the event's row e; null: none
};

struct BoundStep {
    BoundEvents events;
    Span after;
    bool absent;
};

// An event leaf, a sequence, or what an event field stands for.
struct BoundBehaviour {
    BoundEvents events; // event leaf
    Measure measure;
    const char *column;     // quoted; null for count, first and last
    FieldType type;         // of the measure's value
    const char *from;       // SQL of the window's first instant, or null
    const char *to;         // of its last; null: now
    bool to_excluded;       // the instant itself lies outside
    std::span<BoundStep> steps; // sequence
};

// A group or leaf with what binding found; node is the rule's own.
struct BoundNode {
    const Node *node;
    const Field *field;
    FieldType type;
    bool as_numeric;            // an integer field against a value that no integer is: compare as numeric
    std::span<const Field *> others; // field comparison
    const BoundBehaviour *behaviour; // event leaf, sequence, field that stands for an event leaf
    std::span<const BoundBehaviour *> other_behaviours; // by others; null where that is no event field
    std::span<BoundValue> values;
    const Elements *elements; // leaf with "match"
    const BoundRule *segment;
    bool probes; // asks another table, here or below
    std::span<BoundNode> children;
};

struct BoundRule {
    const Audience *audience;
    Semantics semantics;
    const char *zone; // SQL literal of the rule's time zone; null: the session's
    const char *now;  // SQL of the rule's now, a timestamptz
    std::size_t weight; // nodes, those of nested segments included
    List *checks; // SQL (char *) that gives a row where the rule names a list that is gone by now
    BoundNode root;
};

// Something wrong, for who wants all of it.
struct Finding {
    const char *path;
    const char *problem;
    const char *hint; // or null
};

// Binds a rule; raises an error for the first thing wrong, or, with findings (a List * of Finding *), appends all of it and
// returns null if there was any. stored: the rule comes from the catalog: that its lists still exist is not checked.
const BoundRule *bind(const Audience *audience, const Rule *rule, bool stored, List **findings = nullptr);

// Binds an event leaf without operator and value as a part of a rule, whose root keys are bound too; raises an error where that can't be.
const BoundBehaviour *bind_measure(const Audience *audience, const Node *leaf, const Rule *rule, BoundRule &bound);

// The names table of a membership, quoted, where the asking role may read this column of it; else null.
const char *readable_names(const Membership *membership, const char *column);

// "Did you mean …?" with the name nearest to a word, or `otherwise`; names: a List of const char *.
const char *nearest_hint(std::string_view word, const List *names, const char *otherwise);

// What to say beside a field's name that an audience does not have.
const char *unknown_field_hint(const Audience *audience, std::string_view name, const char *otherwise = nullptr);

// Labels of an enum, as a palloc'd List of const char *.
List *enum_labels(Oid type);

// SQL text helpers, shared by binder and translator.
const char *field_sql(const Field &field);
const char *column_sql(const char *alias, const char *column);
const char *type_sql(Oid type);
const char *literal_sql(std::string_view text, Oid type);

// An SQL array of values of one type; a single literal where all are literals.
const char *array_sql(std::span<const BoundValue> values, Oid type);

} // namespace segments
