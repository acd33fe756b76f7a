// Facets by the index.
#pragma once

#include "index_program.hpp"

extern "C" {
#include "utils/tuplestore.h"
}

namespace segments {

// Puts the values of a field among a rule's members, and how many have each, into a tuplestore, most frequent first; false, with nothing put,
// where SQL is to answer.
bool facet_by_index(const Audience *audience, Datum rule, std::string_view field, bool suppress, Tuplestorestate *store, TupleDesc desc);

} // namespace segments
