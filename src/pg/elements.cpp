// The elements of arrays and JSON arrays. See elements.hpp.
//
// The SQL means what React Query Builder exports for PostgreSQL. Its "all" and shares are NULL where there are no elements, which is false
// but in semantics "sql". It has no form for JSON, whose elements have no SQL type: the value that they are compared with decides it.
#include "elements.hpp"

#include "boundary.hpp"
#include "emit.hpp"

extern "C" {
#include "catalog/pg_collation.h"
}

namespace segments {

Elements *elements_of(Coercion &to, const Node &leaf, const Field &field, const Elements *outer)
{
    Oid type = getBaseType(field.type);
    bool json = type == JSONOID || type == JSONBOID;
    Oid element = json ? JSONBOID : get_element_type(type);
    if (field.source == FieldSource::membership || field.source == FieldSource::event || !OidIsValid(element)) {
        complain(to, ERRCODE_UNDEFINED_FUNCTION, leaf.match->path, "\"match\" asks the elements of arrays and JSON arrays.",
                 "field \"%s\" has no elements to match", field.name);
        return nullptr;
    }
    auto *elements = static_cast<Elements *>(palloc0(sizeof(Elements)));
    elements->field = field.name;
    elements->depth = outer ? outer->depth + 1 : 1;
    elements->collation = field.collation;
    const char *sql = field_sql(field);
    const char *alias = psprintf("t%d", elements->depth);
    const char *column = psprintf("%s.element", alias);
    if (json) {
        const char *jsonb = type == JSONOID ? psprintf("%s::jsonb", sql) : sql;
        elements->source = psprintf("jsonb_array_elements(CASE WHEN jsonb_typeof(%s) = 'array' THEN %s END) AS %s(element)", jsonb, jsonb, alias);
    } else {
        elements->source = psprintf("unnest(%s) AS %s(element)", sql, alias);
        elements->length = psprintf("array_length(%s, 1)", sql);
    }
    elements->type = getBaseType(element);
    elements->json = elements->type == JSONOID || elements->type == JSONBOID;
    elements->element = elements->type == JSONOID ? psprintf("%s::jsonb", column) : column;
    return elements;
}

// Whether every value of a leaf is a number, or, where they are ordered, text of one: builders give strings from number inputs.
static bool compares_numbers(const Node &leaf)
{
    const OperatorInfo &info = operator_info(leaf.op);
    Operator op = info.negative ? info.twin : leaf.op;
    bool ordered = op >= Operator::less && op <= Operator::between;
    if (!ordered && op != Operator::equal && op != Operator::in)
        return false;
    bool numbers = true;
    for (const Value &value : leaf.values) {
        bool numeric = value.kind == ValueKind::number;
        if (ordered && value.kind == ValueKind::string)
            guarded([&] { numeric = parse_decimal(value.text).has_value(); });
        numbers = numbers && numeric;
    }
    return numbers;
}

// The type that an element of JSON is compared as: that of the value, or of the field that stands for it.
static Oid json_type(const Node &leaf, const Audience *audience)
{
    if (leaf.values.empty())
        return TEXTOID;
    if (!leaf.field_value) {
        bool booleans = true;
        for (const Value &value : leaf.values)
            booleans = booleans && value.kind == ValueKind::boolean;
        return booleans ? BOOLOID : compares_numbers(leaf) ? NUMERICOID : TEXTOID;
    }
    const Field *other = find_field(audience, leaf.values[0].text);
    switch (other ? classify(*other).cls : FieldClass::text) {
    case FieldClass::integer:
    case FieldClass::numeric:
    case FieldClass::floating:
        return NUMERICOID;
    case FieldClass::boolean:
        return BOOLOID;
    default:
        return TEXTOID;
    }
}

// JSON as a value of an SQL type; NULL where it is of another.
static const char *typed_json(const char *json, Oid type)
{
    if (type == TEXTOID)
        return psprintf("%s #>> '{}'", json);
    const char *name = type == BOOLOID ? "boolean" : "number", *sql_type = type == BOOLOID ? "boolean" : "numeric";
    return psprintf("CASE WHEN jsonb_typeof(%s) = '%s' THEN %s::%s END", json, name, json, sql_type);
}

const Field *element_field(Coercion &to, const Elements &elements, const Node &leaf, const Audience *audience)
{
    bool whole = leaf.name.empty();
    auto *field = static_cast<Field *>(palloc0(sizeof(Field)));
    field->name = copy(leaf.name);
    field->label = whole ? "element" : field->name;
    field->source = FieldSource::expression;
    field->expression = elements.element;
    field->type = elements.type;
    field->typmod = -1;
    field->collation = elements.collation;
    if (elements.json) {
        const char *json = whole ? elements.element : psprintf("(%s -> %s)", elements.element, quote_literal_cstr(field->name));
        field->type = leaf.match ? JSONBOID : json_type(leaf, audience);
        field->expression = leaf.match ? json : typed_json(json, field->type);
        field->collation = field->type == TEXTOID ? DEFAULT_COLLATION_OID : InvalidOid;
    } else if (!whole) {
        complain(to, ERRCODE_UNDEFINED_COLUMN, leaf.name_path, "The element itself is the field \"\".",
                 "elements of field \"%s\" have no field \"%s\"", elements.field, field->name);
        return nullptr;
    }
    return field;
}

// Its condition where the group, a condition over one element, is at hand.
static const char *match_sql(const BoundRule *rule, const BoundNode &leaf, const char *group, const char *no)
{
    const Match &match = *leaf.node->match;
    const Elements &elements = *leaf.elements;
    const char *op = match.mode == MatchMode::at_least ? ">=" : match.mode == MatchMode::at_most ? "<=" : "=";
    if (match.mode != MatchMode::all && !match.share)
        return psprintf("%s((SELECT count(*) FROM %s WHERE %s) %s %s)", no, elements.source, group, op, copy(match.threshold));

    // NULLIF and the short CASE would be shown with an "=" that search_path decides.
    bool sql = rule->semantics == Semantics::sql, exported = sql && elements.length != nullptr;
    const char *total = exported ? elements.length : "count(*)", *found = psprintf("(count(*) FILTER (WHERE %s))", group);
    const char *compared = match.share ? psprintf("%s::float8 / %s %s %s::float8", found, total, op, copy(match.threshold))
                                       : psprintf("%s = %s", found, total);
    if (!exported)
        compared = psprintf("CASE WHEN count(*) > 0 THEN %s%s END", compared, sql ? "" : " ELSE false");
    return psprintf("%s(SELECT %s FROM %s)", no, compared, elements.source);
}

void emit_match(StringInfo out, const BoundRule *rule, const BoundNode &leaf, bool negated)
{
    StringInfoData group;
    initStringInfo(&group);
    emit(&group, rule, leaf.elements->group, {Form::filter, false, false, nullptr});
    MatchMode mode = leaf.node->match->mode;
    const char *no = negated != (mode == MatchMode::none) ? "NOT " : "";
    if (mode == MatchMode::some || mode == MatchMode::none)
        appendStringInfo(out, "%sEXISTS (SELECT 1 FROM %s WHERE %s)", no, leaf.elements->source, group.data);
    else
        appendStringInfoString(out, match_sql(rule, leaf, group.data, no));
}

} // namespace segments
