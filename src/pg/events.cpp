// Event sources. See events.hpp.
#include "events.hpp"

#include "boundary.hpp"
#include "rule_type.hpp"

extern "C" {
#include "parser/parse_func.h"
}

namespace segments {

// Kinds of a source, as a palloc'd List of const char *.
static List *kinds_of(const EventSource &source)
{
    if (source.kinds.empty() && type_is_enum(source.kind_type))
        return enum_labels(source.kind_type);
    List *kinds = NIL;
    for (const char *kind : source.kinds)
        kinds = lappend(kinds, const_cast<char *>(kind));
    return kinds;
}

FoundEvent find_event(const Audience *audience, std::string_view name)
{
    FoundEvent bare = {}, qualified = {};
    for (const EventSource &source : audience->events) {
        ListCell *cell;
        foreach (cell, kinds_of(source)) {
            auto *kind = static_cast<const char *>(lfirst(cell));
            bool same = name == kind;
            FoundEvent found = {&source, source.kind ? kind : nullptr, nullptr, nullptr};
            if (same && bare.source != nullptr) {
                bare.rival = bare.rival ? bare.rival : bare.source;
                bare.other = bare.other ? bare.other : &source;
            } else if (same)
                bare = found;
            if (name == psprintf("%s.%s", source.name, kind))
                qualified = found;
        }
    }
    if (bare.other != nullptr)
        return {nullptr, nullptr, bare.other, bare.rival};
    return bare.source != nullptr ? bare : qualified;
}

List *event_names(const Audience *audience)
{
    List *bare = NIL, *qualified = NIL;
    for (const EventSource &source : audience->events) {
        ListCell *cell;
        foreach (cell, kinds_of(source)) {
            auto *kind = static_cast<char *>(lfirst(cell));
            bare = lappend(bare, kind);
            qualified = lappend(qualified, psprintf("%s.%s", source.name, kind));
        }
    }
    return list_concat(bare, qualified);
}

bool counts_from_zero(Measure measure)
{
    return measure == Measure::count || measure == Measure::distinct || measure == Measure::sum;
}

// Whether PostgreSQL has min and max of a type.
static bool has_extremes(FieldType type)
{
    switch (type.cls) {
    case FieldClass::boolean:
    case FieldClass::opaque:
    case FieldClass::equatable:
    case FieldClass::array:
    case FieldClass::membership:
        return false;
    case FieldClass::ordered:
        return OidIsValid(LookupFuncName(list_make2(makeString(pstrdup("pg_catalog")), makeString(pstrdup("min"))), 1, &type.type, true));
    default:
        return true;
    }
}

MeasureType measure_type(const EventSource *source, const Behaviour &behaviour)
{
    if (behaviour.measure == Measure::count)
        return {INT8OID, InvalidOid, nullptr};
    if (behaviour.measure == Measure::first || behaviour.measure == Measure::last)
        return {TIMESTAMPTZOID, InvalidOid, nullptr};
    const Field *column = find_field(source->row, behaviour.column);
    if (column == nullptr)
        return {InvalidOid, InvalidOid, nullptr};
    FieldType type = classify_type(column->type);
    bool number = type.cls == FieldClass::integer || type.cls == FieldClass::numeric || type.cls == FieldClass::floating;
    switch (behaviour.measure) {
    case Measure::sum:
    case Measure::avg:
        return {!number ? InvalidOid : type.cls == FieldClass::floating ? FLOAT8OID : NUMERICOID, InvalidOid, column};
    case Measure::distinct:
        return {type.cls == FieldClass::opaque ? InvalidOid : INT8OID, InvalidOid, column};
    default:
        return {has_extremes(type) ? (type.type == VARCHAROID ? TEXTOID : type.type) : InvalidOid, column->collation, column};
    }
}

} // namespace segments
