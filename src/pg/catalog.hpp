// What is known of an audience: its columns, registered fields, memberships, events, suppression rules.
//
// Cached per backend; any change of the audience's relation or of the extension's catalog tables drops the cache.
// Everything returned lives until end of the current statement's use: callers must not hold it across statements.
#pragma once

#include "postgres.hpp"

namespace segments {

enum class FieldSource : std::uint8_t { column, expression, membership, event };

// A table of (member, value) and, optionally, where the values' names are.
struct Membership {
    Oid table;
    const char *member; // column that equals the audience's key
    const char *value;
    Oid names;              // InvalidOid where no names were given
    const char *name_key;   // columns of names; null where not given
    const char *name_label;
    const char *name_archived;
};

struct Audience;

// A table of one row per event.
struct EventSource {
    const char *name;
    Oid table;
    const char *member; // column that equals the audience's key
    const char *at;     // column of type timestamptz or timestamp
    const char *kind;   // column; null: all events are of one kind
    Oid at_type;
    Oid kind_type;                       // base type; InvalidOid where there is no column
    std::span<const char *const> kinds;  // empty: the labels of the enum
    const Audience *row;                 // the event table's own columns as fields, over row alias e
};

struct Field {
    const char *name;
    const char *label;    // the name itself where none was given
    const char *category; // null where none was given
    FieldSource source;
    AttrNumber attnum;       // column
    const char *expression;  // expression: SQL over row alias n, fully qualified
    const Membership *membership;
    const Node *leaf; // event: the event leaf that it stands for
    Oid type; // of the column, expression or measure; of the value column of a membership
    std::int32_t typmod;
    Oid collation;
};

struct Suppression {
    const char *reason;
    const Rule *rule;
};

struct Audience {
    Oid relation;  // InvalidOid for an anonymous record
    Oid row_type;
    bool registered;
    const char *name; // qualified and quoted, for SQL text
    const char *key;  // column name; null where the relation has no single-column primary key and is not registered
    AttrNumber key_attnum;
    Oid key_type;
    std::span<Field> fields; // columns first, in their order; then registered ones
    std::span<EventSource> events;
    std::span<Suppression> suppressions;
};

// The audience of a relation, registered or not. Raises 42809 where the relation can't be one (an index, a sequence).
const Audience *audience_of(Oid relation);

// The audience of a row type: of its relation, or the bare columns of an anonymous record.
const Audience *audience_of_row(Oid row_type, std::int32_t typmod, TupleDesc desc);

// Quoted and qualified name of a relation, for SQL text; null where it is gone.
const char *relation_sql(Oid relation);

const Field *find_field(const Audience *audience, std::string_view name);

// The rule of a named segment and its audience; null where there is none. In CurrentMemoryContext.
struct NamedSegment {
    const char *name;
    Oid audience;
    const Rule *rule;
};
const NamedSegment *find_segment(std::string_view name);

// The named segments of an audience by name; a palloc'd List of NamedSegment *.
List *segments_of(Oid relation);

// The catalog relation whose invalidation announces every change of the catalog: plans depend on it.
Oid catalog_relation();

// Counts catalog changes seen by this backend: what was compiled at another generation is stale.
std::uint64_t catalog_generation();

} // namespace segments
