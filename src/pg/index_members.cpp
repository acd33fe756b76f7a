// What an index's tables say of members. See index.hpp.
#include "index.hpp"

#include "boundary.hpp"
#include "select.hpp"

namespace segments {

// A column of a source, quoted.
static const char *column_of(const IndexSource &source, AttrNumber number)
{
    return quote_identifier(get_attname(source.relation, number, false));
}

const char *source_sql(const SegmentIndex *index, const IndexSource &source, const char *keys)
{
    StringInfoData sql;
    initStringInfo(&sql);
    const char *member = column_of(source, source.member), *table = relation_sql(source.relation);
    appendStringInfo(&sql, "SELECT t.%s::int8", member);
    switch (source.kind) {
    case source_audience:
        for (const IndexField &field : index->fields)
            if (field.source == source.number && field.kind != '\0')
                appendStringInfo(&sql, ", t.%s", column_of(source, field.attnum));
        appendStringInfo(&sql, " FROM %s t", table);
        break;
    case source_membership:
        appendStringInfo(&sql, ", t.%s FROM %s t", column_of(source, source.value), table);
        break;
    default:
        appendStringInfo(&sql, ", %s, count(*), min(t.%s), max(t.%s) FROM %s t",
                         source.event_kind != 0 ? psprintf("t.%s::text", column_of(source, source.event_kind)) : "NULL::text", column_of(source, source.at),
                         column_of(source, source.at), table);
    }
    appendStringInfo(&sql, " WHERE t.%s IS NOT NULL", member);
    if (source.kind == source_events) {
        appendStringInfo(&sql, " AND t.%s IS NOT NULL", column_of(source, source.at));
        if (source.event_kind != 0)
            appendStringInfo(&sql, " AND t.%s IS NOT NULL", column_of(source, source.event_kind));
    }
    if (keys != nullptr)
        appendStringInfo(&sql, " AND t.%s = ANY (%s)", member, keys);
    if (source.kind == source_events)
        appendStringInfoString(&sql, " GROUP BY 1, 2");
    appendStringInfoString(&sql, " ORDER BY 1");
    return sql.data;
}

const char *array_sql(const std::int64_t *keys, std::size_t count)
{
    StringInfoData sql;
    initStringInfo(&sql);
    appendStringInfoString(&sql, "'{");
    for (std::size_t i = 0; i < count; i++)
        appendStringInfo(&sql, "%s" INT64_FORMAT, i ? "," : "", keys[i]);
    appendStringInfoString(&sql, "}'::int8[]");
    return sql.data;
}

struct RowReceiver {
    DestReceiver receiver;
    VisitRow visit;
    void *context;
};

static bool receive(TupleTableSlot *slot, DestReceiver *receiver)
{
    auto *to = reinterpret_cast<RowReceiver *>(receiver);
    slot_getallattrs(slot);
    to->visit(to->context, {DatumGetInt64(slot->tts_values[0]), slot->tts_values + 1, slot->tts_isnull + 1});
    return true;
}

static void ignore_start(DestReceiver *, int, TupleDesc) {}
static void ignore_end(DestReceiver *) {}

void visit_source(const char *sql, VisitRow visit, void *context)
{
    RowReceiver receiver = {{receive, ignore_start, ignore_end, ignore_end, DestNone}, visit, context};
    run_select(sql, &receiver.receiver);
}

std::span<const Datum> elements_of(const IndexField &field, Datum array)
{
    ArrayType *elements = DatumGetArrayTypeP(array);
    Datum *values;
    bool *nulls;
    int count, kept = 0;
    std::int16_t length;
    bool by_value;
    char align;
    get_typlenbyvalalign(ARR_ELEMTYPE(elements), &length, &by_value, &align);
    (void) field;
    deconstruct_array(elements, ARR_ELEMTYPE(elements), length, by_value, align, &values, &nulls, &count);
    for (int i = 0; i < count; i++)
        if (!nulls[i])
            values[kept++] = values[i];
    return {values, static_cast<std::size_t>(kept)};
}

} // namespace segments
