// The SQL of single leaves. See leaf.hpp.
#include "leaf.hpp"

#include "boundary.hpp"
#include "coerce.hpp"

extern "C" {
#include "catalog/pg_collation.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_operator.h"
}

namespace segments {

// Operator symbol of a comparison, qualified where PostgreSQL's own of that name would not be found for the type.
static const char *symbol(const FieldType &type, const char *name)
{
    TypeCacheEntry *known = lookup_type_cache(type.type, TYPECACHE_EQ_OPR);
    if (!OidIsValid(known->eq_opr))
        return name;
    HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(known->eq_opr));
    Oid schema = reinterpret_cast<Form_pg_operator>(GETSTRUCT(tuple))->oprnamespace;
    ReleaseSysCache(tuple);
    return schema == PG_CATALOG_NAMESPACE ? name : psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(schema)), name);
}

// One comparison.
static const char *compare(const FieldType &type, const char *left, const char *op, const char *right)
{
    return psprintf("%s %s %s", left, symbol(type, op), right);
}

// A LIKE pattern in which every character means itself.
static const char *like_pattern(const char *text, bool any_before, bool any_after)
{
    StringInfoData pattern;
    initStringInfo(&pattern);
    if (any_before)
        appendStringInfoChar(&pattern, '%');
    for (const char *at = text; *at; at++) {
        if (*at == '%' || *at == '_' || *at == '\\')
            appendStringInfoChar(&pattern, '\\');
        appendStringInfoChar(&pattern, *at);
    }
    if (any_after)
        appendStringInfoChar(&pattern, '%');
    return pattern.data;
}

// The operand as it is compared: lower-cased where case is ignored.
static const char *operand(const BoundNode &node, const char *sql)
{
    return node.node->ignore_case ? psprintf("lower((%s)::text)", sql) : sql;
}

// Pattern operators take no nondeterministic collation: bytes are compared then, as "literal" means. A char(n) loses its padding.
static const char *for_pattern(const BoundNode &node, const char *sql)
{
    if (node.type.type == BPCHAROID)
        sql = psprintf("(%s)::text", sql);
    bool nondeterministic = OidIsValid(node.field->collation) && !get_collation_isdeterministic(node.field->collation);
    return nondeterministic ? psprintf("(%s COLLATE \"C\")", sql) : sql;
}

// begins_with, contains, ends_with with a value: LIKE with the value's own % and _ escaped, which indexes and statistics know.
static LeafSql pattern_leaf(const BoundNode &node, const char *field, Operator op)
{
    const char *pattern = like_pattern(node.values[0].text, op != Operator::begins_with, op != Operator::ends_with);
    const char *left = for_pattern(node, operand(node, field));
    const char *right = operand(node, literal_sql(pattern, TEXTOID));
    const char *like = symbol(node.type, "~~"), *not_like = symbol(node.type, "!~~");
    return {psprintf("%s %s %s", left, like, right), psprintf("%s %s %s", left, not_like, right), list_make1((void *) field), false, false};
}

// The same with another field: neither side's characters are wildcards.
static LeafSql pattern_fields(const BoundNode &node, const char *field, Operator op)
{
    const char *other = field_sql(*node.others[0]);
    const char *left = operand(node, psprintf("(%s)::text", field)), *right = operand(node, psprintf("(%s)::text", other));
    const char *condition = op == Operator::begins_with ? psprintf("starts_with(%s, %s)", left, right)
                          : op == Operator::contains  ? psprintf("(strpos(%s, %s) > 0)", left, right)
                                                      : psprintf("(right(%s, length(%s)) = %s)", left, right, right);
    return {condition, psprintf("NOT %s", condition), list_make2((void *) field, (void *) other), false, false};
}

// Comparison with other fields.
static LeafSql field_comparison(const BoundRule *rule, const BoundNode &node, const char *field, Operator op)
{
    if (op == Operator::begins_with || op == Operator::contains || op == Operator::ends_with)
        return pattern_fields(node, field, op);
    static const struct {
        Operator op;
        const char *name, *complement;
    } comparisons[] = {{Operator::equal, "=", "<>"},          {Operator::less, "<", ">="},    {Operator::less_or_equal, "<=", ">"},
                       {Operator::greater, ">", "<="},        {Operator::greater_or_equal, ">=", "<"}};
    const char *left = operand(node, field);
    List *nullable = list_make1((void *) field);
    StringInfoData condition, complement;
    initStringInfo(&condition);
    initStringInfo(&complement);
    for (std::size_t i = 0; i < node.others.size(); i++) {
        const char *other = field_sql(*node.others[i]);
        const char *right = operand(node, other);
        nullable = list_append_unique_ptr(nullable, (void *) other);
        const char *name = "=", *opposite = "<>";
        if (op == Operator::between) {
            name = i == 0 ? ">=" : "<=";
            opposite = i == 0 ? "<" : ">";
        } else
            for (const auto &comparison : comparisons)
                if (comparison.op == op) {
                    name = comparison.name;
                    opposite = comparison.complement;
                }
        bool all = op == Operator::between;
        appendStringInfo(&condition, "%s%s", i == 0 ? "" : all ? " AND " : " OR ", compare(node.type, left, name, right));
        appendStringInfo(&complement, "%s%s", i == 0 ? "" : all ? " OR " : " AND ", compare(node.type, left, opposite, right));
    }
    bool many = node.others.size() > 1;
    if (op == Operator::in && many && rule->semantics == Semantics::two_valued) {
        // One NULL among the fields does not hide an equal one: NULLs are not shared by the whole list.
        return {psprintf("COALESCE(%s, false)", condition.data), psprintf("NOT COALESCE(%s, false)", condition.data), NIL, false, false};
    }
    return {condition.data, many ? psprintf("(%s)", complement.data) : complement.data, nullable, many, false};
}

// A comparison where the value may be a whole day [sql, day_end).
static LeafSql compare_value(const BoundNode &node, const char *field, Operator op, const char *shown)
{
    const BoundValue &value = node.values[0];
    const char *start = operand(node, value.sql), *end = value.day_end;
    auto make = [&](const char *name, const char *opposite, const char *bound) {
        return LeafSql{compare(node.type, shown, name, bound), compare(node.type, shown, opposite, bound), list_make1((void *) field), false, false};
    };
    switch (op) {
    case Operator::less:
        return make("<", ">=", start);
    case Operator::less_or_equal:
        return end ? make("<", ">=", end) : make("<=", ">", start);
    case Operator::greater:
        return end ? make(">=", "<", end) : make(">", "<=", start);
    case Operator::greater_or_equal:
        return make(">=", "<", start);
    default:
        break;
    }
    if (end == nullptr)
        return make("=", "<>", start);
    return {psprintf("%s >= %s AND %s < %s", shown, start, shown, end), psprintf("(%s < %s OR %s >= %s)", shown, start, shown, end),
            list_make1((void *) field), true, false};
}

static LeafSql between_values(const BoundNode &node, const char *field, const char *shown)
{
    const char *low = operand(node, node.values[0].sql);
    const char *end = node.values[1].day_end;
    const char *high = end ? end : operand(node, node.values[1].sql);
    return {psprintf("%s AND %s", compare(node.type, shown, ">=", low), compare(node.type, shown, end ? "<" : "<=", high)),
            psprintf("(%s OR %s)", compare(node.type, shown, "<", low), compare(node.type, shown, end ? ">=" : ">", high)),
            list_make1((void *) field), true, false};
}

// One of several values; days among them become ranges.
static LeafSql in_values(const BoundNode &node, const char *field, const char *shown)
{
    bool days = false;
    for (const BoundValue &value : node.values)
        days = days || value.day_end != nullptr;
    if (node.values.size() == 1)
        return compare_value(node, field, Operator::equal, shown);
    if (!days) {
        // The elements' own type: text for varchar, timestamp for an unzoned timestamptz, numeric where one value is.
        Oid type = node.values[0].text != nullptr ? node.values[0].type : node.type.type;
        auto *values = static_cast<BoundValue *>(palloc(sizeof(BoundValue) * node.values.size()));
        for (std::size_t i = 0; i < node.values.size(); i++) {
            values[i] = node.values[i];
            if (node.as_numeric)
                values[i].type = type = NUMERICOID;
            if (node.node->ignore_case) {
                values[i].sql = operand(node, values[i].sql);
                values[i].text = nullptr;
                type = TEXTOID;
            }
        }
        const char *array = array_sql({values, node.values.size()}, type);
        return {psprintf("%s %s ANY (%s)", shown, symbol(node.type, "="), array), psprintf("%s %s ALL (%s)", shown, symbol(node.type, "<>"), array),
                list_make1((void *) field), false, false};
    }
    StringInfoData condition, complement;
    initStringInfo(&condition);
    initStringInfo(&complement);
    for (std::size_t i = 0; i < node.values.size(); i++) {
        BoundNode single = node;
        single.values = node.values.subspan(i, 1);
        LeafSql one = compare_value(single, field, Operator::equal, shown);
        appendStringInfo(&condition, "%s(%s)", i ? " OR " : "", one.condition);
        appendStringInfo(&complement, "%s(%s)", i ? " AND " : "", one.complement);
    }
    return {condition.data, psprintf("(%s)", complement.data), list_make1((void *) field), true, true};
}

static LeafSql empty_leaf(const BoundRule *rule, const BoundNode &node, const char *field)
{
    const char *nothing = node.type.cls == FieldClass::array ? "'{}'" : "''";
    const char *is = psprintf("%s %s %s", field, symbol(node.type, "="), nothing), *is_not = psprintf("%s %s %s", field, symbol(node.type, "<>"), nothing);
    if (rule->semantics == Semantics::sql)
        return {is, is_not, list_make1((void *) field), false, false};
    return {psprintf("%s OR %s IS NULL", is, field), psprintf("%s AND %s IS NOT NULL", is_not, field), NIL, true, true};
}

// Arrays: has the element, has one of them.
static LeafSql array_leaf(const BoundRule *rule, const BoundNode &node, const char *field, Operator op)
{
    // Elements of a domain are compared as what the domain is of.
    if (get_element_type(getBaseType(node.field->type)) != node.type.type)
        field = psprintf("(%s)::%s[]", field, type_sql(node.type.type));
    if (op == Operator::is_empty)
        return empty_leaf(rule, node, field);
    Oid element = node.as_numeric ? NUMERICOID : node.type.type;
    if (node.as_numeric)
        field = psprintf("(%s)::numeric[]", field);
    const char *condition = psprintf("%s %s %s", field, op == Operator::in ? "&&" : "@>", array_sql(node.values, element));
    return {condition, psprintf("NOT (%s)", condition), list_make1((void *) field), false, false};
}

// The member's bucket, 0 to 99: first four bytes of md5(salt || ':' || value) as an unsigned integer, modulo 100.
static LeafSql bucket_leaf(const BoundNode &node, const char *field)
{
    const char *bucket = psprintf("(('x' || left(md5(%s || (%s)::text), 8))::bit(32)::bigint %% 100)",
                                  literal_sql(psprintf("%s:", copy(node.node->salt)), TEXTOID), field);
    return {psprintf("%s >= %s AND %s < %s", bucket, node.values[0].sql, bucket, node.values[1].sql),
            psprintf("(%s < %s OR %s >= %s)", bucket, node.values[0].sql, bucket, node.values[1].sql), list_make1((void *) field), true, false};
}

// n calendar days before (sign '-') or after ('+') the rule's now, at the same local time.
static const char *days_from_now(const BoundRule *rule, char sign, const char *days)
{
    return shifted_instant(rule->now, rule->zone, sign, psprintf("%s days", days), true);
}

// Today in the rule's zone.
static const char *today(const BoundRule *rule)
{
    if (rule->zone != nullptr)
        return psprintf("(%s AT TIME ZONE %s)::date", rule->now, rule->zone);
    return std::string_view(rule->now) == "now()" ? "CURRENT_DATE" : psprintf("(%s)::date", rule->now);
}

// The yearly day of a date is `days` from today; 29 February counts on 28 February in other years.
static LeafSql anniversary_leaf(const BoundRule *rule, const char *field, const char *date, const char *days)
{
    const char *target = psprintf("(%s + %s)::timestamp", today(rule), days);
    // As timestamps: to_char takes a date for an instant of the session's zone.
    date = psprintf("(%s)::timestamp", date);
    // Infinity has no day.
    const char *condition = psprintf("CASE WHEN %s IS NOT NULL THEN COALESCE(to_char(%s, 'MMDD') = to_char(%s, 'MMDD') OR (to_char(%s, 'MMDD') = '0229'"
                                     " AND to_char(%s, 'MMDD') = '0228' AND to_char(%s + '1 day'::interval, 'MMDD') = '0301'), false) END",
                                     field, date, target, date, target, target);
    return {condition, psprintf("NOT %s", condition), list_make1((void *) field), false, false};
}

// Operators that count days from now.
static LeafSql days_leaf(const BoundRule *rule, const BoundNode &node, const char *field, Operator op)
{
    const char *days = node.values[0].text;
    FieldClass cls = node.type.cls;
    List *nullable = list_make1((void *) field);
    // A timestamp is read in the rule's zone; the session's is what PostgreSQL's comparison with timestamptz takes by itself.
    const char *instant = cls == FieldClass::timestamp && rule->zone ? psprintf("(%s AT TIME ZONE %s)", field, rule->zone) : field;
    const char *local_date = cls == FieldClass::date ? field
                           : cls == FieldClass::timestamptz && rule->zone ? psprintf("(%s AT TIME ZONE %s)::date", field, rule->zone)
                                                                          : psprintf("(%s)::date", field);
    auto range = [&](const char *value, const char *low_op, const char *low, const char *high_op, const char *high) {
        const char *below = *low_op == '>' && low_op[1] == '=' ? "<" : "<=";
        const char *above = *high_op == '<' && high_op[1] == '=' ? ">" : ">=";
        return LeafSql{psprintf("%s %s %s AND %s %s %s", value, low_op, low, value, high_op, high),
                       psprintf("(%s %s %s OR %s %s %s)", value, below, low, value, above, high), nullable, true, false};
    };
    bool date = cls == FieldClass::date;
    const char *now = date ? today(rule) : rule->now;
    const char *before = date ? psprintf("(%s - %s)", today(rule), days) : days_from_now(rule, '-', days);
    const char *after = date ? psprintf("(%s + %s)", today(rule), days) : days_from_now(rule, '+', days);
    switch (op) {
    case Operator::greater_than_n_days:
        return {psprintf("%s < %s", instant, before), psprintf("%s >= %s", instant, before), nullable, false, false};
    case Operator::less_than_n_days:
        return range(instant, ">=", before, "<=", now);
    case Operator::in_next_n_days:
        return range(instant, ">", now, "<=", after);
    case Operator::anniversary_in_n_days:
        return anniversary_leaf(rule, field, local_date, days);
    default:
        break;
    }
    // equal_n_days: the local calendar day.
    if (date)
        return {psprintf("%s = %s", field, before), psprintf("%s <> %s", field, before), nullable, false, false};
    const char *day = psprintf("(%s - %s)", today(rule), days), *next = psprintf("(%s - %s + 1)", today(rule), days);
    if (cls == FieldClass::timestamp)
        return range(field, ">=", day, "<", next);
    return range(field, ">=", day_start(day, rule->zone), "<", day_start(next, rule->zone));
}

LeafSql leaf_sql(const BoundRule *rule, const BoundNode &node, Operator positive)
{
    const char *field = field_sql(*node.field);
    if (positive == Operator::is_null)
        return {psprintf("%s IS NULL", field), psprintf("%s IS NOT NULL", field), NIL, false, false};
    if (positive == Operator::in_bucket)
        return bucket_leaf(node, field);
    if (node.type.cls == FieldClass::array)
        return array_leaf(rule, node, field, positive);
    if (node.node->field_value)
        return field_comparison(rule, node, field, positive);
    const char *shown = operand(node, node.as_numeric ? psprintf("(%s)::numeric", field) : field);
    switch (positive) {
    case Operator::is_empty:
        return empty_leaf(rule, node, field);
    case Operator::begins_with:
    case Operator::contains:
    case Operator::ends_with:
        return pattern_leaf(node, field, positive);
    case Operator::matches_regex: {
        const char *left = for_pattern(node, field);
        const char *op = symbol(node.type, node.node->ignore_case ? "~*" : "~");
        const char *not_op = symbol(node.type, node.node->ignore_case ? "!~*" : "!~");
        const char *pattern = literal_sql(node.values[0].text, TEXTOID);
        return {psprintf("%s %s %s", left, op, pattern), psprintf("%s %s %s", left, not_op, pattern), list_make1((void *) field), false, false};
    }
    case Operator::between:
        return between_values(node, field, shown);
    case Operator::in:
        return in_values(node, field, shown);
    case Operator::greater_than_n_days:
    case Operator::less_than_n_days:
    case Operator::equal_n_days:
    case Operator::in_next_n_days:
    case Operator::anniversary_in_n_days:
        return days_leaf(rule, node, field, positive);
    default:
        return compare_value(node, field, positive, shown);
    }
}

const char *membership_condition(const BoundNode &node, const char *alias)
{
    if (node.values.empty())
        return "";
    const char *value = column_sql(alias, node.field->membership->value);
    if (node.values.size() == 1)
        return compare({node.type.element, node.type.type, {}}, value, "=", node.values[0].sql);
    Oid type = node.values[0].text != nullptr ? node.values[0].type : node.type.type;
    return psprintf("%s %s ANY (%s)", value, symbol({node.type.element, node.type.type, {}}, "="), array_sql(node.values, type));
}

const char *actual_sql(const BoundRule *rule, const BoundNode &node)
{
    const Membership *membership = node.field->membership;
    if (membership == nullptr)
        return psprintf("(%s)::text", field_sql(*node.field));
    const char *table = relation_sql(membership->table);
    const char *value = column_sql("m", membership->value);
    return psprintf("(SELECT string_agg(DISTINCT (%s)::text, ', ' ORDER BY (%s)::text) FROM %s m WHERE %s = %s)", value, value, table,
                    column_sql("m", membership->member), column_sql("n", rule->audience->key));
}

} // namespace segments
