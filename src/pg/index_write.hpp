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
};

// What indexes keep of a table.
const Role *role_of(Relation relation);

// index_statements.cpp ------------------------------------------------------------------------------------------------------------

// A statement of this backend that is changing a table's rows, so that they are there, but not yet noted.
struct Writing {
    Oid root;
    const void *statement; // its executor's memory, which tells it from a statement within
    int events;            // INSERT, UPDATE, DELETE of it that have begun and not ended: ON CONFLICT and MERGE have several
    SubTransactionId subtransaction;
    std::int64_t sequence; // of all that it changes; 0: not drawn yet
    bool nested;           // another statement changed the table meanwhile: which change of a row was the last one is not known
};
// An event of a statement begins; it has been noted.
void begin_writing(Oid root, const void *statement);
void end_writing(Writing *writing);

// The innermost statement at work on a table, null where none is known.
Writing *innermost(Oid root);

} // namespace segments
