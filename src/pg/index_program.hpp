// Bitmap programs: what a rule asks of an index's slices.
#pragma once

#include "bind.hpp"
#include "index.hpp"

#include <algorithm>

namespace segments {

// Numbers low to high, both included.
struct Interval {
    std::int64_t low, high;
};

// Ascending, disjoint, not touching.
struct Intervals {
    std::size_t count;
    Interval *items;
};

inline bool contains(const Intervals &of, std::int64_t value)
{
    if (of.count <= 4) {
        for (std::size_t i = 0; i < of.count; i++)
            if (of.items[i].low <= value && value <= of.items[i].high)
                return true;
        return false;
    }
    const Interval *found = std::upper_bound(of.items, of.items + of.count, value, [](std::int64_t x, const Interval &part) { return x < part.low; });
    return found != of.items && found[-1].high >= value;
}

// Which values of a column satisfy a condition.
struct Matched {
    Intervals values;
    bool null; // no value does
};

// A condition on one field, read from the expression that PostgreSQL made of its SQL: whatever the translator meant, this means.
struct Predicate;

// The condition `sql` over the row n, of which it may name the one column `name`; null where it is of a form that the index does not know.
// What it is compared with is worked out when the program runs. Lives in CurrentMemoryContext.
Predicate *read_predicate(SegmentIndex *index, const IndexField &field, const char *name, const char *sql);
// For a column of another kind than the index's fields: counts (int8), instants, the key.
Predicate *read_predicate(SegmentIndex *index, const IndexField &field, const char *name, Oid type, std::int32_t typmod, Oid collation, const char *sql);

Matched evaluate(SegmentIndex *index, Predicate *predicate);

// An SQL expression without a row, worked out anew each time.
struct Scalar;
Scalar *read_scalar(const char *sql);
Datum evaluate(const Scalar *scalar, bool *null);

// The members of one value: of all the codes that it was given.
struct SetGroup {
    SetDirectory **sets;
    std::size_t count;
};

// The values of a set field that match (null: all, and the members without a value).
SetGroup *sets_of(SegmentIndex *index, const IndexField &field, const Matched *matched, std::size_t *count);

enum class StepKind : std::uint8_t { everyone, column, key, set, sql, all_of, any_of, complement };

struct Step {
    StepKind kind;
    bool complement; // column, key, set: those for whom it does not hold
    std::uint16_t field;
    Predicate *predicate; // column, key; set: of the values whose members are asked for (null: all)
    const char *sql;      // SELECT of keys: sql; column of events, for members of whom some events are later than now
    double cost;          // sql: as the planner sees it
    Scalar *now;          // column of events: until when they must have happened; else null
    std::uint16_t events; // the field of their count
    Step **children;
    std::size_t count;

    // While it runs.
    Matched matched;         // column, key
    ColumnDirectory *column; // column
    SetGroup *sets;          // set: by value
    std::size_t set_count;
    Mask **masks;            // sql, late: of the chunks at hand, who was found; null: nobody
    Mask **late;             // column of events: members with events later than now, who were asked for by SQL; null: there are none
};

struct Program {
    Step *root;
    std::uint64_t sources; // bits of the source numbers that it reads, that of the audience included
    List *events;          // Step *: those about events
    List *checks;          // SQL that gives a row where the rule names what is gone, and
    List *check_plans;     // its plans, once it was run
    double sql_cost;       // of its leaves that ask the tables; 0: none do
    double path_cost;      // of the whole rule by SQL, as the planner sees it; 0: not known
    double path_rows;      // and how many members that would give
    MemoryContext context;
    SegmentIndex *index;
    std::int64_t last_total, last_generation; // of its last run: an estimate
    std::size_t last_slices;                  // how many it looked at
    int weighed;                              // how often against SQL since that was last planned
};

// The program of a rule, compiled once in this backend; null where the index has nothing to say to it.
Program *program_of(SegmentIndex *index, const Audience *audience, Datum rule, bool suppress);

// Who satisfies a program, as the active snapshot sees it.
struct Members {
    SegmentIndex *index;
    const Changes *changes;
    std::size_t count;          // chunks
    const std::int32_t *chunks; // ascending
    Mask **masks;               // null: nobody
    std::int64_t total;
};

// Runs a program. keep: masks are kept; else only counted. False, with the reason, where the index can't answer after all.
bool run_program(Program *program, bool keep, Members &members, const char **why);

// The members of a rule by the index; null, with the reason, where SQL is to answer.
struct Answer {
    Program *program;
    Members members;
};
bool ask_index(const Audience *audience, Datum rule, bool suppress, bool keep, Answer &answer, const char **why);

// Whether the index would answer, without asking it.
bool index_answers(const Audience *audience, Datum rule, bool suppress, const char **why);

// Walks over the keys of members.
struct KeyCursor {
    const Members *members;
    std::size_t chunk;
    std::size_t position;
    std::int64_t buffer[256];
    std::size_t filled, at;
};
bool next_key(KeyCursor &cursor, std::int64_t *key);

// A key as a value of an integer type.
inline Datum key_datum(std::int64_t key, Oid type)
{
    return type == INT2OID ? Int16GetDatum(static_cast<std::int16_t>(key)) : type == INT4OID ? Int32GetDatum(static_cast<std::int32_t>(key)) : Int64GetDatum(key);
}

} // namespace segments
