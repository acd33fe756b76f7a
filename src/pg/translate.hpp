// The one translator: from a rule and an audience to SQL text.
//
// The text is read under search_path "pg_catalog, pg_temp"; the audience's row is called n. It needs no rights of its own:
// whoever runs it needs SELECT on what it reads.
#pragma once

#include "catalog.hpp"

namespace segments {

// Where a condition will stand. filter: NULL counts as "does not hold" (WHERE, alone or under AND and OR).
// exact: true or false for every row, so that it may stand under NOT or in a select list
// (but for rules in semantics "sql", which may be NULL as SQL means it).
enum class Form : std::uint8_t { filter, exact };

// The condition of a rule over one row n; memberships are correlated EXISTS.
// stored: the rule was checked when it was stored, so lists that are gone since are no error.
char *condition_sql(const Audience *audience, const Rule *rule, Form form, bool stored = false);

// The condition "n is suppressed", or null where the audience has no suppression rule.
char *suppression_sql(const Audience *audience, Form form);

// SELECT <targets> FROM <audience> n … WHERE <rule> [AND NOT suppressed]: memberships become semi-, anti- or left joins,
// so that a set is asked for as a set. targets: SQL over n, such as "n.*" or "count(*)".
char *select_sql(const Audience *audience, const Rule *rule, const char *targets, bool suppress, bool stored = false);

// The same for a rule that is bound; and for one of its nodes, or its complement, alone.
struct BoundRule;
struct BoundNode;
char *select_sql(const BoundRule *rule, const char *targets, bool suppress);
char *node_select_sql(const BoundRule *rule, const BoundNode &node, bool negated, const char *targets);

// SELECT value text, members bigint: the values of a field among a rule's members, most frequent first. A member counts once for each list that it
// is on, and for each different element of an array. An error where there is no such field, or its values have no equality.
char *facet_sql(const Audience *audience, const Rule *rule, std::string_view field, bool suppress);

// SQL over n: the value of what an event leaf without operator and value measures.
const char *measure_sql(const Audience *audience, const Node *leaf);

// A leaf of a rule for segments.explain: where it stands, its condition (exact), the SQL of the member's actual value as text.
struct Leaf {
    const char *path;
    const char *description; // as segments.describe words it
    const char *condition;
    const char *actual; // SQL over n giving text
};
// Leaves of a rule in document order; a palloc'd List of Leaf *.
List *rule_leaves(const Audience *audience, const Rule *rule);

// The rule as an English sentence, by labels.
char *describe(const Audience *audience, const Rule *rule);

} // namespace segments
