// Event sources: which one an event's name means, and what a measure over its events gives.
#pragma once

#include "bind.hpp"

namespace segments {

// What the name of an event, "click" or "messages.click", means.
struct FoundEvent {
    const EventSource *source; // null: nothing, or more than one
    const char *kind;          // null where the source has no column of kinds
    const EventSource *other;  // where two sources share the name: the first two are `rival` and this
    const EventSource *rival;
};
FoundEvent find_event(const Audience *audience, std::string_view name);

// Names by which a rule may ask for events: bare ones first, then qualified ones; a palloc'd List of const char *.
List *event_names(const Audience *audience);

// The type of a measure's value. InvalidOid: the column does not exist, or has no such measure.
struct MeasureType {
    Oid type;
    Oid collation;
    const Field *column; // or null
};
MeasureType measure_type(const EventSource *source, const Behaviour &behaviour);

// Whether members without events have 0, not nothing.
bool counts_from_zero(Measure measure);

} // namespace segments
