// Binding a rule to an audience. See bind.hpp.
#include "binder.hpp"

#include "boundary.hpp"
#include "elements.hpp"
#include "input.hpp"

extern "C" {
#include "catalog/pg_namespace.h"
#include "executor/spi.h"
#include "pgtime.h"
#include "utils/acl.h"
#include "utils/regproc.h"
}

namespace segments {

// Expanded rules may not grow past this: nested segments multiply.
constexpr std::size_t max_weight = 100000;

const char *type_sql(Oid type)
{
    HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
    bool own = HeapTupleIsValid(tuple) && reinterpret_cast<Form_pg_type>(GETSTRUCT(tuple))->typnamespace == PG_CATALOG_NAMESPACE;
    if (HeapTupleIsValid(tuple))
        ReleaseSysCache(tuple);
    if (type == TIMESTAMPTZOID)
        return "timestamptz";
    if (type == TIMESTAMPOID)
        return "timestamp";
    return format_type_extended(type, -1, FORMAT_TYPE_TYPEMOD_GIVEN | (own ? 0 : FORMAT_TYPE_FORCE_QUALIFY));
}

const char *literal_sql(std::string_view text, Oid type)
{
    return psprintf("%s::%s", quote_literal_cstr(copy(text)), type_sql(type));
}

const char *array_sql(std::span<const BoundValue> values, Oid type)
{
    StringInfoData sql;
    initStringInfo(&sql);
    bool literals = true;
    for (const BoundValue &value : values)
        literals = literals && value.text != nullptr && value.type == values[0].type;
    if (!literals) {
        for (std::size_t i = 0; i < values.size(); i++)
            appendStringInfo(&sql, "%s%s", i ? ", " : "ARRAY[", values[i].sql);
        appendStringInfo(&sql, "]::%s[]", type_sql(type));
        return sql.data;
    }
    appendStringInfoChar(&sql, '{');
    for (std::size_t i = 0; i < values.size(); i++) {
        appendStringInfoString(&sql, i ? ",\"" : "\"");
        for (const char *at = values[i].text; *at; at++) {
            if (*at == '"' || *at == '\\')
                appendStringInfoChar(&sql, '\\');
            appendStringInfoChar(&sql, *at);
        }
        appendStringInfoChar(&sql, '"');
    }
    appendStringInfoChar(&sql, '}');
    return psprintf("%s::%s[]", quote_literal_cstr(sql.data), type_sql(values[0].type));
}

const char *column_sql(const char *alias, const char *column)
{
    return psprintf("%s.%s", alias, quote_identifier(column));
}

const char *field_sql(const Field &field)
{
    return field.source == FieldSource::expression ? psprintf("(%s)", field.expression) : column_sql("n", field.name);
}

FieldType classify_type(Oid declared)
{
    Oid type = getBaseType(declared);
    switch (type) {
    case INT2OID:
    case INT4OID:
    case INT8OID:
        return {FieldClass::integer, type, {}};
    case NUMERICOID:
        return {FieldClass::numeric, type, {}};
    case FLOAT4OID:
    case FLOAT8OID:
        return {FieldClass::floating, type, {}};
    case BOOLOID:
        return {FieldClass::boolean, type, {}};
    case DATEOID:
        return {FieldClass::date, type, {}};
    case TIMESTAMPOID:
        return {FieldClass::timestamp, type, {}};
    case TIMESTAMPTZOID:
        return {FieldClass::timestamptz, type, {}};
    default:
        break;
    }
    Oid element = get_element_type(type);
    if (OidIsValid(element)) {
        FieldType of = classify_type(element);
        return {of.cls == FieldClass::opaque || of.cls == FieldClass::array ? FieldClass::opaque : FieldClass::array, of.type, of.cls};
    }
    if (type_is_enum(type))
        return {FieldClass::enumeration, type, {}};
    char category;
    bool preferred;
    get_type_category_preferred(type, &category, &preferred);
    if (category == TYPCATEGORY_STRING)
        return {FieldClass::text, type, {}};
    TypeCacheEntry *known = lookup_type_cache(type, TYPECACHE_EQ_OPR | TYPECACHE_LT_OPR);
    if (OidIsValid(known->lt_opr))
        return {FieldClass::ordered, type, {}};
    return {OidIsValid(known->eq_opr) ? FieldClass::equatable : FieldClass::opaque, type, {}};
}

FieldType classify(const Field &field)
{
    FieldType type = classify_type(field.type);
    return field.source == FieldSource::membership ? FieldType{FieldClass::membership, type.type, type.cls} : type;
}

bool has_operator(FieldClass cls, Operator op)
{
    const OperatorInfo &info = operator_info(op);
    bool collection = cls == FieldClass::array || cls == FieldClass::membership;
    bool time = cls == FieldClass::date || cls == FieldClass::timestamp || cls == FieldClass::timestamptz;
    switch (info.negative ? info.twin : op) {
    case Operator::is_null:
    case Operator::in_bucket:
        return !collection;
    case Operator::equal:
    case Operator::in:
        return cls != FieldClass::opaque;
    case Operator::is_empty:
        return collection || cls == FieldClass::text;
    case Operator::contains:
        return collection || cls == FieldClass::text;
    case Operator::begins_with:
    case Operator::ends_with:
    case Operator::matches_regex:
        return cls == FieldClass::text;
    case Operator::less:
    case Operator::less_or_equal:
    case Operator::greater:
    case Operator::greater_or_equal:
    case Operator::between:
        return !collection && cls != FieldClass::boolean && cls != FieldClass::equatable && cls != FieldClass::opaque;
    default:
        return time;
    }
}

const char *nearest_hint(std::string_view word, const List *names, const char *otherwise)
{
    const char *near = nullptr;
    guarded([&] {
        std::vector<std::string_view> known;
        ListCell *cell;
        foreach (cell, names)
            known.push_back(static_cast<const char *>(lfirst(cell)));
        std::string_view found = nearest(word, known);
        near = found.empty() ? nullptr : found.data();
    });
    return near ? psprintf("Did you mean \"%s\"?", near) : otherwise;
}

const char *unknown_field_hint(const Audience *audience, std::string_view name, const char *otherwise)
{
    List *names = NIL;
    for (const Field &known : audience->fields)
        names = lappend(names, const_cast<char *>(known.name));
    if (otherwise == nullptr)
        otherwise = audience->registered || !OidIsValid(audience->relation) ? "segments.fields() lists an audience's fields."
                                                                            : "Its columns are its fields; segments.add_field() adds more.";
    return nearest_hint(name, names, otherwise);
}

// The field of a name, or a complaint with the nearest name.
const Field *Binder::field_named(std::string_view name, std::string_view path)
{
    const Field *field = find_field(audience_, name);
    if (field != nullptr)
        return field;
    if (in_where_)
        complain(to_, ERRCODE_UNDEFINED_COLUMN, path, unknown_field_hint(audience_, name, "\"where\" compares the event table's own columns."),
                 "column \"%s\" of event table %s does not exist", copy(name), audience_->name);
    else
        complain(to_, ERRCODE_UNDEFINED_COLUMN, path, unknown_field_hint(audience_, name), "field \"%s\" of audience %s does not exist", copy(name),
                 audience_->name);
    return nullptr;
}

// What a field can be asked instead.
const char *Binder::operators_hint(const Field &field)
{
    StringInfoData hint;
    initStringInfo(&hint);
    FieldType type = classify(field);
    for (std::size_t i = 0; i < operator_count; i++)
        if (has_operator(type.cls, static_cast<Operator>(i)))
            appendStringInfo(&hint, "%s%s", hint.len ? ", " : "It has: ", operator_info(static_cast<Operator>(i)).name);
    appendStringInfoChar(&hint, '.');
    return hint.data;
}

const char *readable_names(const Membership *membership, const char *column)
{
    if (!OidIsValid(membership->names) || membership->name_key == nullptr || column == nullptr)
        return nullptr;
    AttrNumber attnum = get_attnum(membership->names, column);
    if (pg_class_aclcheck(membership->names, GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
        pg_attribute_aclcheck(membership->names, attnum, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
        return nullptr;
    return relation_sql(membership->names);
}

// Values of a list field must be among those that its names table knows, as far as the asking role can see.
void Binder::check_names(const Node &node, const BoundNode &bound)
{
    const Membership *membership = bound.field->membership;
    const char *names = stored_ || membership == nullptr || bound.values.empty() ? nullptr : readable_names(membership, membership->name_key);
    if (names == nullptr)
        return;
    const char *query = psprintf("SELECT (v.i - 1)::int FROM unnest(%s) WITH ORDINALITY v(value, i)"
                                 " WHERE NOT EXISTS (SELECT FROM %s t WHERE %s = v.value) ORDER BY v.i LIMIT 1",
                                 array_sql(bound.values, bound.as_numeric ? NUMERICOID : bound.type.type), names, column_sql("t", membership->name_key));
    to_.checks = lappend(to_.checks, const_cast<char *>(query));
    int path = enter_safe_path();
    SPI_connect();
    if (SPI_execute(query, true, 1) != SPI_OK_SELECT)
        elog(ERROR, "could not read %s", names);
    int missing = -1;
    if (SPI_processed > 0) {
        bool null;
        missing = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
    }
    SPI_finish();
    leave_safe_path(path);
    if (missing >= 0)
        complain(to_, ERRCODE_UNDEFINED_OBJECT, node.values[missing].path, psprintf("segments.targets('%s') lists what there is.", audience_->name),
                 "%s %s does not exist", bound.field->name, copy(node.values[missing].text));
}

// Coerces the values of a leaf.
void Binder::bind_values(const Node &node, BoundNode &bound)
{
    auto *values = static_cast<BoundValue *>(palloc0(sizeof(BoundValue) * (node.values.size() + 1)));
    bound.values = {values, node.values.size()};
    Operator op = operator_info(node.op).negative ? operator_info(node.op).twin : node.op;
    bool days = op >= Operator::greater_than_n_days && op <= Operator::anniversary_in_n_days;
    FieldType type = bound.type;
    if (days || op == Operator::in_bucket)
        type = {FieldClass::integer, INT4OID, {}};
    else if (type.cls == FieldClass::array || type.cls == FieldClass::membership)
        type = {type.element, type.type, {}};
    Semantics semantics = to_.semantics;
    if (bound.type.cls == FieldClass::array || bound.type.cls == FieldClass::membership)
        to_.semantics = Semantics::sql; // an element is an instant, not a day
    int found = to_.found;
    bool as_numeric = false;
    for (std::size_t i = 0; i < node.values.size(); i++)
        coerce(to_, node.values[i], type, values[i], as_numeric);
    to_.semantics = semantics;
    if (found != to_.found)
        return;
    if (as_numeric && (days || op == Operator::in_bucket)) {
        complain(to_, ERRCODE_INVALID_PARAMETER_VALUE, node.values[0].path, nullptr, "number out of range: %s", copy(node.values[0].text));
        return;
    }
    bound.as_numeric = as_numeric;
    // One array of all: 1.5 among integers must not become 2.
    if (as_numeric && (bound.type.cls == FieldClass::array || bound.type.cls == FieldClass::membership))
        for (std::size_t i = 0; i < node.values.size(); i++)
            values[i].type = NUMERICOID;
    if (op == Operator::matches_regex)
        accepts_regex(to_, copy(node.values[0].text), node.values[0].path);
}

// Fields that a leaf compares with.
void Binder::bind_others(const Node &node, BoundNode &bound)
{
    auto *others = static_cast<const Field **>(palloc0(sizeof(Field *) * (node.values.size() + 1)));
    bound.others = {others, node.values.size()};
    auto **behaviours = static_cast<const BoundBehaviour **>(palloc0(sizeof(BoundBehaviour *) * (node.values.size() + 1)));
    bound.other_behaviours = {behaviours, node.values.size()};
    auto family = [](FieldClass cls) {
        switch (cls) {
        case FieldClass::integer:
        case FieldClass::numeric:
        case FieldClass::floating:
            return FieldClass::numeric;
        case FieldClass::date:
        case FieldClass::timestamp:
        case FieldClass::timestamptz:
            return FieldClass::timestamp;
        default:
            return cls;
        }
    };
    for (std::size_t i = 0; i < node.values.size(); i++) {
        const Value &value = node.values[i];
        others[i] = field_named(value.text, value.path);
        if (others[i] == nullptr)
            continue;
        if (others[i]->source == FieldSource::event)
            behaviours[i] = bind_measure(*others[i]->leaf, others[i]);
        FieldType type = classify(*others[i]);
        bool same = family(type.cls) == family(bound.type.cls) && (family(type.cls) != type.cls || type.type == bound.type.type ||
                                                                   type.cls == FieldClass::text || type.cls == FieldClass::numeric ||
                                                                   type.cls == FieldClass::timestamp);
        if (!same || type.cls == FieldClass::array || type.cls == FieldClass::membership)
            complain(to_, ERRCODE_INVALID_TEXT_REPRESENTATION, value.path, "Compare fields of the same kind.",
                     "field \"%s\" cannot be compared with field \"%s\"", bound.field->name, others[i]->name);
    }
}

void Binder::bind_field(const Node &node, BoundNode &bound)
{
    bound.field = elements_ ? element_field(to_, *elements_, node, audience_) : field_named(node.name, node.name_path);
    if (bound.field == nullptr)
        return;
    if (bound.field->source == FieldSource::event) {
        bound.behaviour = bind_measure(*bound.field->leaf, bound.field);
        if (bound.behaviour == nullptr)
            return;
    }
    bound.type = classify(*bound.field);
    if (node.match != nullptr) {
        bind_match(node, bound);
        return;
    }
    bound.probes = bound.type.cls == FieldClass::membership || bound.behaviour != nullptr;
    if (!has_operator(bound.type.cls, node.op)) {
        complain(to_, ERRCODE_UNDEFINED_FUNCTION, node.op_path, operators_hint(*bound.field), "field \"%s\" has no operator %s",
                 bound.field->name, operator_info(node.op).name);
        return;
    }
    if (node.ignore_case && bound.type.cls != FieldClass::text) {
        complain(to_, ERRCODE_INVALID_PARAMETER_VALUE, psprintf("%s.ignore_case", copy(node.path)), "Leave \"ignore_case\" out.",
                 "field \"%s\" is not text: case cannot be ignored", bound.field->name);
        return;
    }
    if (node.field_value)
        bind_others(node, bound);
    else
        bind_values(node, bound);
    if (!bound.values.empty() && bound.type.cls == FieldClass::membership && to_.found == 0)
        check_names(node, bound);
}

// The group of a leaf with "match", over one element.
void Binder::bind_match(const Node &node, BoundNode &bound)
{
    const Elements *outer = elements_;
    Elements *elements = elements_of(to_, node, *bound.field, outer);
    if (elements == nullptr)
        return;
    bound.elements = elements_ = elements;
    bind_node(*node.match->group, elements->group);
    bound.probes = elements->group.probes;
    elements_ = outer;
}

// Expands a named segment: bound with its own zone and semantics, the outermost as_of in force.
void Binder::bind_segment(const Node &node, BoundNode &bound)
{
    const char *name = copy(node.name);
    for (const Expansion *at = expansion_; at != nullptr; at = at->outer) {
        if (node.name == at->name) {
            complain(to_, ERRCODE_INVALID_OBJECT_DEFINITION, node.name_path, "Segments may nest, but not in a circle.", "segment \"%s\" would contain itself", name);
            return;
        }
    }
    const NamedSegment *segment = find_segment(node.name);
    if (segment == nullptr) {
        complain(to_, ERRCODE_UNDEFINED_OBJECT, node.name_path, "segments.list shows the segments that there are.",
                 "segment \"%s\" does not exist", name);
        return;
    }
    if (segment->audience != audience_->relation) {
        complain(to_, ERRCODE_INVALID_PARAMETER_VALUE, node.name_path, "Segments nest within one audience.",
                 "segment \"%s\" is one of another audience", name);
        return;
    }
    Expansion inner = {name, expansion_};
    Coercion to = {};
    to.now = to_.now;
    Binder binder(audience_, to, true, &inner, outer_now_);
    bound.segment = binder.bind_rule(segment->rule);
    bound.probes = bound.segment->root.probes;
    weight_ += bound.segment->weight;
    if (weight_ > max_weight)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("rule is too large once its segments are expanded"),
                        errdetail("At %s", copy(node.path))));
}

void Binder::bind_node(const Node &node, BoundNode &bound)
{
    check_stack_depth();
    CHECK_FOR_INTERRUPTS();
    bound.node = &node;
    weight_++;
    switch (node.kind) {
    case NodeKind::group: {
        auto *children = static_cast<BoundNode *>(palloc0(sizeof(BoundNode) * (node.children.size() + 1)));
        bound.children = {children, node.children.size()};
        for (std::size_t i = 0; i < node.children.size(); i++) {
            bind_node(node.children[i], children[i]);
            bound.probes = bound.probes || children[i].probes;
        }
        break;
    }
    case NodeKind::field:
        bind_field(node, bound);
        break;
    case NodeKind::segment:
        bind_segment(node, bound);
        break;
    case NodeKind::everyone:
        break;
    case NodeKind::event:
        bind_event(node, bound);
        break;
    case NodeKind::sequence:
        bind_sequence(node, bound);
        break;
    }
}

// The rule's zone and now.
void Binder::bind_zone(const Rule *rule)
{
    if (!rule->time_zone.empty()) {
        const char *zone = copy(rule->time_zone);
        pg_tz *known = pg_tzset(zone);
        if (known == nullptr || !pg_tz_acceptable(known))
            complain(to_, ERRCODE_INVALID_PARAMETER_VALUE, rule->time_zone_path, "Give a name such as \"Europe/Berlin\".",
                     "time zone \"%s\" does not exist", zone);
        else {
            to_.zone_name = zone;
            to_.zone = quote_literal_cstr(zone);
        }
    }
    to_.now = "now()";
    if (outer_now_ != nullptr)
        to_.now = outer_now_;
    else if (!rule->as_of.empty() && coerce_instant(to_, rule->as_of, rule->as_of_path, to_.now))
        outer_now_ = to_.now;
}

void Binder::start_rule(const Rule *rule, BoundRule *bound)
{
    to_.semantics = rule->semantics;
    bind_zone(rule);
    set_context(bound);
}

void Binder::set_context(BoundRule *bound)
{
    bound->audience = audience_;
    bound->semantics = to_.semantics;
    bound->zone = to_.zone;
    bound->now = to_.now;
}

BoundRule *Binder::bind_rule(const Rule *rule)
{
    auto *bound = static_cast<BoundRule *>(palloc0(sizeof(BoundRule)));
    start_rule(rule, bound);
    bind_node(rule->root, bound->root);
    bound->weight = weight_;
    bound->checks = to_.checks;
    return bound;
}

const BoundBehaviour *bind_measure(const Audience *audience, const Node *leaf, const Rule *rule, BoundRule &bound)
{
    Coercion to = {};
    Binder binder(audience, to, false, nullptr, nullptr);
    binder.start_rule(rule, &bound);
    const Field *field = nullptr;
    return binder.bind_measure(*leaf, field);
}

const BoundRule *bind(const Audience *audience, const Rule *rule, bool stored, List **findings)
{
    Coercion to = {};
    to.findings = findings;
    Binder binder(audience, to, stored, nullptr, nullptr);
    const BoundRule *bound = binder.bind_rule(rule);
    return to.found > 0 ? nullptr : bound;
}

} // namespace segments
