// The SQL of what asks events.
//
// One row is asked by EXISTS over its own events. A set is asked as a set: what a rule demands at least once, or never, becomes a semi-
// or anti-join; every other measure is taken for all members in one pass over its source, which is joined.
#pragma once

#include "emit.hpp"

namespace segments {

// Appends the condition of an event leaf, or of a field that stands for one; positive: its operator, or that of which it is the negation.
void emit_event(StringInfo out, const BoundRule *rule, const BoundNode &node, Operator positive, bool negated, const Place &place);

void emit_sequence(StringInfo out, const BoundRule *rule, const BoundNode &node, const Place &place);

// The node with SQL of their values in place of event fields.
BoundNode with_event_values(const BoundRule *rule, const BoundNode &node, Joins *joins);

// SQL of an event field's value in a join, as the rule's zone and now have it.
const char *field_value_sql(const Audience *audience, const Rule *rule, const Field &field, Joins *joins);

// Appends the joins that values of events come from; key: the audience's column.
void append_event_joins(StringInfo out, const Joins *joins, const char *key);

// SQL over n: the count, time or value found for the member, as text; for a sequence the time at which its latest run begins.
const char *actual_behaviour_sql(const BoundRule *rule, const BoundNode &node);

} // namespace segments
