// Leaves with "match": how many elements of an array or a JSON array satisfy a group.
#pragma once

#include "coerce.hpp"

namespace segments {

// The elements of a field, as SQL, and the group that is asked of them.
struct Elements {
    const char *field;   // its name, for messages
    const char *source;  // a FROM item of one column
    const char *element; // that column; of type jsonb where json
    const char *length;  // of a PostgreSQL array, or null
    Oid type;
    Oid collation;
    bool json;
    int depth; // 1, or more within each other
    BoundNode group;
};

// The elements of the field that a leaf with "match" names, within others or not; null where it has none and a problem was collected.
Elements *elements_of(Coercion &to, const Node &leaf, const Field &field, const Elements *outer);

// What a leaf in the group compares: the element, or a property of a JSON object; null where a problem was collected.
const Field *element_field(Coercion &to, const Elements &elements, const Node &leaf, const Audience *audience);

// Appends the condition of a leaf with "match", or its complement.
void emit_match(StringInfo out, const BoundRule *rule, const BoundNode &leaf, bool negated);

} // namespace segments
