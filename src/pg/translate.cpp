// The one translator: from a bound rule to SQL text. See translate.hpp.
//
// NOT never appears above a group: negation goes down to the leaves by De Morgan's laws, which hold in three-valued logic too, so that
// "not (f > v)" reads "(f <= v OR f IS NULL)" and stays indexable. Each leaf gives its condition P, that of its complement N, and the
// operands whose NULL makes both NULL; the semantics decide what becomes of NULL.
#include "translate.hpp"

#include "boundary.hpp"
#include "elements.hpp"
#include "emit.hpp"
#include "event_sql.hpp"
#include "leaf.hpp"

namespace segments {

// The sub-select of members of one membership leaf.
static char *members_sql(const BoundNode &node)
{
    const Membership *membership = node.field->membership;
    const char *table = relation_sql(membership->table);
    const char *condition = membership_condition(node);
    return psprintf("SELECT DISTINCT %s AS member FROM %s m%s%s", column_sql("m", membership->member), table, *condition ? " WHERE " : "", condition);
}

const char *join_alias(Joins *joins, char *table)
{
    int position = 0;
    ListCell *cell;
    foreach (cell, joins->tables) {
        position++;
        if (std::string_view(static_cast<char *>(lfirst(cell))) == table)
            return psprintf("j%d", position);
    }
    joins->tables = lappend(joins->tables, table);
    return psprintf("j%d", list_length(joins->tables));
}

// A membership leaf: whether the member is in a list. Never NULL.
static void emit_membership(StringInfo out, const BoundRule *rule, const BoundNode &node, bool negated, const Place &place)
{
    const Membership *membership = node.field->membership;
    const char *key = column_sql("n", rule->audience->key);
    if (place.joins != nullptr && !place.conjunct && list_length(place.joins->tables) < max_joins) {
        const char *alias = join_alias(place.joins, members_sql(node));
        appendStringInfo(out, "%s.member IS %sNULL", alias, negated ? "" : "NOT ");
        return;
    }
    const char *table = relation_sql(membership->table);
    const char *condition = membership_condition(node);
    appendStringInfo(out, "%sEXISTS (SELECT 1 FROM %s m WHERE %s = %s%s%s)", negated ? "NOT " : "", table,
                     column_sql("m", membership->member), key, *condition ? " AND " : "", condition);
}

// A field leaf under the rule's semantics.
static void emit_field(StringInfo out, const BoundRule *rule, const BoundNode &node, Place place)
{
    if (node.elements != nullptr) {
        emit_match(out, rule, node, place.negated);
        return;
    }
    Operator op = node.node->op;
    const OperatorInfo &info = operator_info(op);
    bool negated = place.negated != info.negative;
    Operator positive = info.negative ? info.twin : op;
    if (node.behaviour != nullptr && !node.node->field_value) {
        emit_event(out, rule, node, positive, negated, place);
        return;
    }
    if (node.field->source == FieldSource::membership) {
        emit_membership(out, rule, node, positive == Operator::is_empty ? !negated : negated, place);
        return;
    }
    LeafSql leaf = leaf_sql(rule, with_event_values(rule, node, place.joins), positive);
    const char *condition = negated ? leaf.complement : leaf.condition;
    if (rule->semantics == Semantics::sql || leaf.nullable == NIL || (!negated && place.form == Form::filter)) {
        appendStringInfo(out, leaf.compound ? "(%s)" : "%s", condition);
        return;
    }
    appendStringInfo(out, !negated && leaf.disjunction ? "((%s)" : "(%s", condition);
    ListCell *cell;
    foreach (cell, leaf.nullable)
        appendStringInfo(out, negated ? " OR %s IS NULL" : " AND %s IS NOT NULL", static_cast<const char *>(lfirst(cell)));
    appendStringInfoChar(out, ')');
}

// A nested segment: its own rule, whose NULL means that the member is not in it.
static void emit_segment(StringInfo out, const BoundNode &node, Place place)
{
    const BoundRule *nested = node.segment;
    bool may_be_null = nested->semantics == Semantics::sql;
    if (!may_be_null || (place.form == Form::filter && !place.negated)) {
        emit(out, nested, nested->root, place);
        return;
    }
    Place inner = {place.form, false, false, place.joins};
    appendStringInfoString(out, "((");
    emit(out, nested, nested->root, inner);
    appendStringInfo(out, ") IS %sTRUE)", place.negated ? "NOT " : "");
}

static void emit_group(StringInfo out, const BoundRule *rule, const BoundNode &node, Place place)
{
    place.negated = place.negated != node.node->negated;
    bool any = node.node->any != place.negated;
    if (node.children.size() == 1) {
        emit(out, rule, node.children[0], place);
        return;
    }
    place.conjunct = place.conjunct && !any;
    const char *separator = "(";
    auto emit_children = [&](bool probing) {
        for (const BoundNode &child : node.children) {
            // A row is asked from left to right: what probes another table comes last. A set has it joined.
            if ((child.probes && place.joins == nullptr) != probing)
                continue;
            appendStringInfoString(out, separator);
            separator = any ? " OR " : " AND ";
            emit(out, rule, child, place);
        }
    };
    emit_children(false);
    emit_children(true);
    appendStringInfoChar(out, ')');
}

void emit(StringInfo out, const BoundRule *rule, const BoundNode &node, Place place)
{
    check_stack_depth();
    CHECK_FOR_INTERRUPTS();
    switch (node.node->kind) {
    case NodeKind::group:
        emit_group(out, rule, node, place);
        return;
    case NodeKind::field:
    case NodeKind::event:
        emit_field(out, rule, node, place);
        return;
    case NodeKind::segment:
        emit_segment(out, node, place);
        return;
    case NodeKind::everyone:
        appendStringInfoString(out, place.negated ? "false" : "true");
        return;
    case NodeKind::sequence:
        emit_sequence(out, rule, node, place);
        return;
    }
}

char *condition_sql(const Audience *audience, const Rule *rule, Form form, bool stored)
{
    const BoundRule *bound = bind(audience, rule, stored);
    StringInfoData out;
    initStringInfo(&out);
    emit(&out, bound, bound->root, {form, false, false, nullptr});
    return out.data;
}

// Appends "some suppression rule holds", or its complement. A suppression in SQL's semantics that gives NULL does not hold.
static void emit_suppression(StringInfo out, const Audience *audience, Place place)
{
    bool first = true;
    if (!place.negated)
        place.conjunct = place.conjunct && audience->suppressions.size() == 1;
    for (const Suppression &suppression : audience->suppressions) {
        if (!first)
            appendStringInfoString(out, place.negated ? " AND " : " OR ");
        first = false;
        const BoundRule *bound = bind(audience, suppression.rule, true);
        bool keeps_null = bound->semantics == Semantics::two_valued || (place.form == Form::filter && !place.negated);
        if (keeps_null) {
            emit(out, bound, bound->root, place);
            continue;
        }
        appendStringInfoString(out, "((");
        emit(out, bound, bound->root, {place.form, false, false, place.joins});
        appendStringInfo(out, ") IS %sTRUE)", place.negated ? "NOT " : "");
    }
}

char *suppression_sql(const Audience *audience, Form form)
{
    if (audience->suppressions.empty())
        return nullptr;
    StringInfoData out;
    initStringInfo(&out);
    appendStringInfoChar(&out, '(');
    emit_suppression(&out, audience, {form, false, false, nullptr});
    appendStringInfoChar(&out, ')');
    return out.data;
}

// The condition of a rule on a set of members, and the joins that it needs.
static const char *set_condition(const Audience *audience, const BoundRule *rule, bool suppress, Joins *joins)
{
    StringInfoData condition;
    initStringInfo(&condition);
    emit(&condition, rule, rule->root, {Form::filter, false, true, joins});
    if (suppress && !audience->suppressions.empty()) {
        appendStringInfoString(&condition, " AND ");
        emit_suppression(&condition, audience, {Form::filter, true, true, joins});
    }
    return condition.data;
}

// SELECT of targets over a rule's members; joins: what the targets need already.
static char *members_select(const Audience *audience, const BoundRule *rule, const char *targets, bool suppress, Joins joins)
{
    Joins first = joins;
    const char *condition = set_condition(audience, rule, suppress, &joins);
    if (joins.events != NIL) {
        // Events that are passed over anyway answer the rest of the rule on the way.
        List *passes = joins.events;
        joins = first;
        joins.passes = passes;
        condition = set_condition(audience, rule, suppress, &joins);
    }
    StringInfoData out;
    initStringInfo(&out);
    appendStringInfo(&out, "SELECT %s FROM %s n", targets, audience->name);
    int position = 0;
    ListCell *cell;
    foreach (cell, joins.tables) {
        position++;
        appendStringInfo(&out, " LEFT JOIN (%s) j%d ON j%d.member = %s", static_cast<char *>(lfirst(cell)), position, position,
                         column_sql("n", audience->key));
    }
    append_event_joins(&out, &joins, audience->key);
    appendStringInfo(&out, " WHERE %s", condition);
    return out.data;
}

char *select_sql(const Audience *audience, const Rule *rule, const char *targets, bool suppress, bool stored)
{
    return members_select(audience, bind(audience, rule, stored), targets, suppress, Joins());
}

char *select_sql(const BoundRule *rule, const char *targets, bool suppress)
{
    return members_select(rule->audience, rule, targets, suppress, Joins());
}

char *node_select_sql(const BoundRule *rule, const BoundNode &node, bool negated, const char *targets)
{
    auto *group = static_cast<Node *>(palloc0(sizeof(Node)));
    group->kind = NodeKind::group;
    group->negated = negated;
    BoundRule alone = *rule;
    alone.root = {};
    alone.root.node = group;
    alone.root.probes = node.probes;
    auto *child = static_cast<BoundNode *>(palloc(sizeof(BoundNode)));
    *child = node;
    alone.root.children = {child, 1};
    return members_select(rule->audience, &alone, targets, false, Joins());
}

char *facet_sql(const Audience *audience, const Rule *rule, std::string_view name, bool suppress)
{
    const Field *field = find_field(audience, name);
    if (field == nullptr)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("field \"%s\" of audience %s does not exist", copy(name), audience->name),
                        errhint("%s", unknown_field_hint(audience, name))));
    FieldType type = classify(*field);
    if (!has_operator(type.cls, Operator::equal))
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
                        errmsg("values of field \"%s\" cannot be told apart: type %s has no equality", field->name, format_type_be(field->type))));
    const BoundRule *bound = bind(audience, rule, false);
    Joins joins;
    const char *value = field->source == FieldSource::membership ? column_sql("n", audience->key)
                      : field->source == FieldSource::event      ? field_value_sql(audience, rule, *field, &joins)
                                                                 : field_sql(*field);
    const char *members = members_select(audience, bound, psprintf("%s AS v", value), suppress, joins), *values = members;
    if (type.cls == FieldClass::array)
        values = psprintf("SELECT d.v FROM (%s) f CROSS JOIN LATERAL (SELECT DISTINCT e.v FROM pg_catalog.unnest(f.v) e (v) WHERE e.v IS NOT NULL) d", members);
    if (field->source == FieldSource::membership) {
        const char *listed = column_sql("m", field->membership->value);
        values = psprintf("SELECT d.v FROM (SELECT DISTINCT f.v AS member, %s AS v FROM (%s) f JOIN %s m ON %s = f.v WHERE %s IS NOT NULL) d", listed, members,
                          relation_sql(field->membership->table), column_sql("m", field->membership->member), listed);
    }
    return psprintf("SELECT g.v::text, pg_catalog.count(*) FROM (%s) g GROUP BY g.v ORDER BY 2 DESC, (g.v::text) COLLATE \"C\"", values);
}

// Appends the leaves below a node.
static List *collect_leaves(List *leaves, const BoundRule *rule, const BoundNode &node)
{
    if (node.node->kind == NodeKind::group) {
        for (const BoundNode &child : node.children)
            leaves = collect_leaves(leaves, rule, child);
        return leaves;
    }
    StringInfoData condition;
    initStringInfo(&condition);
    emit(&condition, rule, node, {Form::exact, false, false, nullptr});
    auto *leaf = static_cast<Leaf *>(palloc(sizeof(Leaf)));
    const char *actual = node.behaviour ? actual_behaviour_sql(rule, node) : node.field ? actual_sql(rule, node) : "NULL::text";
    *leaf = {copy(node.node->path), describe_leaf(node), condition.data, actual};
    return lappend(leaves, leaf);
}

List *rule_leaves(const Audience *audience, const Rule *rule)
{
    const BoundRule *bound = bind(audience, rule, false);
    return collect_leaves(NIL, bound, bound->root);
}

} // namespace segments
