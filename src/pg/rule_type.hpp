// The SQL type segments.rule: a varlena holding the canonical JSON text, no terminator. Nothing else is stored.
#pragma once

#include "postgres.hpp"

namespace segments {

// Parses JSON text into CurrentMemoryContext; raises an error for a refused rule.
const Rule *parse_rule(const char *json, std::size_t length);

// Parses as far as it goes, for who wants every problem; null where nothing could be read. Finding is bind.hpp's.
const Rule *parse_rule_for_problems(const char *json, std::size_t length, List **findings);

// The tree of a segments.rule datum, in CurrentMemoryContext.
const Rule *rule_of(Datum datum);

// The event leaf that an event field stands for: read from its text, and written canonically. In CurrentMemoryContext.
Node *parse_measure(std::string_view json);
std::string_view measure_text(const Node *leaf);

// The datum of a tree, in canonical form.
Datum rule_datum(const Rule *rule);

// The OID of type segments.rule.
Oid rule_type();

} // namespace segments
