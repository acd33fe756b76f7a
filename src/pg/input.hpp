// Trying a type's input function.
#pragma once

#include "coerce.hpp"

namespace segments {

// Whether a type's input function takes text. What it refuses is raised again with "At <path>", SQLSTATE kept; or, where problems are
// collected, collected, and false given.
bool accepts_input(Coercion &to, Oid type, const char *text, std::string_view path);

// Whether text is a regular expression; refused likewise.
bool accepts_regex(Coercion &to, const char *text, std::string_view path);

} // namespace segments
