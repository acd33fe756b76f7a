// What the triggers of index_write.cpp know of the table and the statement that they are fired for.
#pragma once

#include "index.hpp"

namespace segments {

// index_roles.cpp -----------------------------------------------------------------------------------------------------------------

// Events of this kind count in this field.
struct KindOfEvent {
    Datum kind;
    std::uint16_t field;
};

// What an index keeps of a table's rows.
struct Target {
    SegmentIndex *index;
    IndexSource source; // column numbers are the table's own: a partition's may differ
    int field_count;
    const IndexField **fields; // of the source
    AttrNumber *columns;       // of the fields
    bool unique;               // membership: no member is twice in a list
    int kind_count;
    KindOfEvent *kinds;
    IndexField kind_type; // how kinds are compared
};

struct Role {
    Oid relation;
    Oid root; // of which it is a partition, or itself
    int count;
    Target *targets;
    Oid stale;       // the audience of an index that is of no use any more, but was of this table
    bool asked_for;  // that it be built anew
};

// A column of a partition that has the name of one of the table that is registered.
AttrNumber own_column(Oid relation, Oid root, AttrNumber number);

// What indexes keep of a table.
Role *role_of(Relation relation);

// index_statements.cpp ------------------------------------------------------------------------------------------------------------

// A statement of this backend that is changing a table's rows, so that they are there, but not yet noted.
struct Writing {
    Oid root;
    Oid table;             // a part of it that was the first to be changed, or itself
    const void *statement; // its executor's memory, which tells it from a statement within
    int events;            // INSERT, UPDATE, DELETE of it that have begun and not ended: ON CONFLICT and MERGE have several
    SubTransactionId subtransaction;
    std::int64_t sequence; // of all that it changes; 0: not drawn yet
    bool nested;           // another statement changed the table meanwhile: which change of a row was the last one is not known
    bool inserts, deletes; // INSERT, DELETE are among the events
    bool maybe_merge;      // UPDATE is, and it may be that of a MERGE
};
// An event of a statement begins on a table, a part of `root` or that itself; it has been noted. event: of TriggerData.
void begin_writing(Oid root, Oid table, const void *statement, std::uint32_t event);
void end_writing(Writing *writing);

// The innermost statement at work on a table, null where none is known.
Writing *innermost(Oid root);
// One of the events of the innermost one is over, whatever it did: no index keeps the table any more.
void forget_writing(Oid table);

// For a transaction that goes on seeing rows which others have removed since it began (see sees_twice): that rows were added to a table of an index, or a
// member to an audience; and whether any were.
void note_added(Oid relation);
void note_added(Oid relation, std::int64_t key);
bool has_added(Oid relation);

} // namespace segments
