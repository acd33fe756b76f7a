// What is known of an audience, cached per backend. See catalog.hpp.
#include "catalog.hpp"

#include "boundary.hpp"
#include "events.hpp"
#include "planner.hpp"
#include "rule_type.hpp"

#include <cstring>

extern "C" {
#include "access/sysattr.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_index.h"
#include "commands/trigger.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"
}

namespace segments {

static std::uint64_t generation = 1;
static Oid catalog_oid = InvalidOid; // segments.audience, while known

// Relations whose change ends what is cached: audiences that this backend has looked up, and their membership tables (audience null).
struct CacheEntry {
    Oid relation;
    Audience *audience;
};
static HTAB *cache = nullptr;
static MemoryContext cache_context = nullptr;
static std::uint64_t cache_generation = 0;

// Ends what was known when the catalog, or a relation that it was read from, changes.
static void relation_changed(Datum, Oid relation)
{
    bool all = !OidIsValid(relation) || !OidIsValid(catalog_oid) || relation == catalog_oid;
    if (!all && (cache == nullptr || hash_search(cache, &relation, HASH_FIND, nullptr) == nullptr))
        return;
    generation++;
}

// Namespaces can be renamed and extensions dropped: names of relations are part of what is cached.
static void namespace_changed(Datum, int, uint32)
{
    generation++;
    catalog_oid = InvalidOid;
}

// Subscribes this backend once to what can change under the cache.
static void subscribe()
{
    static bool subscribed = false;
    if (subscribed)
        return;
    CacheRegisterRelcacheCallback(relation_changed, Datum(0));
    CacheRegisterSyscacheCallback(NAMESPACEOID, namespace_changed, Datum(0));
    subscribed = true;
}

std::uint64_t catalog_generation()
{
    subscribe();
    return generation;
}

// The OID of one of the extension's catalog relations.
static Oid catalog_oid_of(const char *name)
{
    Oid relation = get_relname_relid(name, get_namespace_oid("segments", false));
    if (!OidIsValid(relation))
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation segments.%s does not exist", name)));
    return relation;
}

Oid catalog_relation()
{
    subscribe();
    if (!OidIsValid(catalog_oid))
        catalog_oid = catalog_oid_of("audience");
    return catalog_oid;
}

// A row of a catalog relation with columns by number.
struct Row {
    HeapTuple tuple;
    TupleDesc desc;

    Datum datum(int column, bool *null) const { return heap_getattr(tuple, column, desc, null); }
    Oid oid(int column) const
    {
        bool null;
        Datum value = datum(column, &null);
        return null ? InvalidOid : DatumGetObjectId(value);
    }
    std::int16_t number(int column) const
    {
        bool null;
        Datum value = datum(column, &null);
        return null ? 0 : DatumGetInt16(value);
    }
    const char *name(int column) const
    {
        bool null;
        Datum value = datum(column, &null);
        return null ? nullptr : pstrdup(NameStr(*DatumGetName(value)));
    }
    const char *string(int column) const
    {
        bool null;
        Datum value = datum(column, &null);
        return null ? nullptr : TextDatumGetCString(value);
    }
};

// Calls visit(row) for the rows of a catalog relation whose first key column, or another column, equals `key`. The catalog snapshot
// is used, as for PostgreSQL's own catalogs: the cache must hold the latest state whatever snapshot the transaction has.
template <typename Visit> static void scan(const char *relation_name, RegProcedure equals, Datum key, Visit &&visit, AttrNumber column = 1)
{
    Relation relation = table_open(catalog_oid_of(relation_name), AccessShareLock);
    Oid index = InvalidOid;
    List *indexes = RelationGetIndexList(relation);
    if (OidIsValid(relation->rd_pkindex) && column == 1)
        index = relation->rd_pkindex;
    list_free(indexes);
    ScanKeyData scan_key;
    ScanKeyInit(&scan_key, column, BTEqualStrategyNumber, equals, key);
    if (equals == F_TEXTEQ)
        scan_key.sk_collation = DEFAULT_COLLATION_OID;
    SysScanDesc rows = systable_beginscan(relation, index, OidIsValid(index), nullptr, 1, &scan_key);
    for (HeapTuple tuple = systable_getnext(rows); HeapTupleIsValid(tuple); tuple = systable_getnext(rows))
        visit(Row{tuple, RelationGetDescr(relation)});
    systable_endscan(rows);
    table_close(relation, AccessShareLock);
}

const char *relation_sql(Oid relation)
{
    char *name = get_rel_name(relation);
    if (name == nullptr)
        return nullptr;
    return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)), name);
}

// The single-column primary key of a relation, or 0.
static AttrNumber primary_key(Relation relation)
{
    List *indexes = RelationGetIndexList(relation);
    list_free(indexes);
    if (!OidIsValid(relation->rd_pkindex))
        return 0;
    HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(relation->rd_pkindex));
    if (!HeapTupleIsValid(tuple))
        return 0;
    auto *index = reinterpret_cast<Form_pg_index>(GETSTRUCT(tuple));
    AttrNumber column = index->indnkeyatts == 1 ? index->indkey.values[0] : 0;
    ReleaseSysCache(tuple);
    return column;
}

// Appends the columns of a row type as fields.
static List *column_fields(TupleDesc desc)
{
    List *fields = NIL;
    for (int i = 0; i < desc->natts; i++) {
        Form_pg_attribute column = TupleDescAttr(desc, i);
        if (column->attisdropped)
            continue;
        auto *field = static_cast<Field *>(palloc0(sizeof(Field)));
        field->name = field->label = pstrdup(NameStr(column->attname));
        field->source = FieldSource::column;
        field->attnum = column->attnum;
        field->type = column->atttypid;
        field->typmod = column->atttypmod;
        field->collation = column->attcollation;
        fields = lappend(fields, field);
    }
    return fields;
}

// What a List of T * points at, in an array.
template <typename T> static std::span<T> array_of(const List *list)
{
    auto *array = static_cast<T *>(palloc0(sizeof(T) * (list_length(list) + 1)));
    std::size_t count = 0;
    ListCell *cell;
    foreach (cell, list)
        array[count++] = *static_cast<T *>(lfirst(cell));
    return {array, count};
}

// The present number of a column of which name and number are on record: a restored table may have other numbers, so the name comes first.
static AttrNumber known_column(Oid relation, const char *name, AttrNumber number)
{
    AttrNumber found = get_attnum(relation, name);
    return found != InvalidAttrNumber ? found : number;
}

// The event table's own columns, which a rule's "where" may compare.
static const Audience *event_row(Oid table)
{
    auto *row = static_cast<Audience *>(palloc0(sizeof(Audience)));
    Relation relation = relation_open(table, AccessShareLock);
    List *columns = column_fields(RelationGetDescr(relation));
    relation_close(relation, AccessShareLock);
    ListCell *cell;
    foreach (cell, columns) {
        auto *column = static_cast<Field *>(lfirst(cell));
        column->source = FieldSource::expression;
        column->expression = psprintf("e.%s", quote_identifier(column->name));
    }
    row->relation = table;
    row->name = relation_sql(table);
    row->fields = array_of<Field>(columns);
    return row;
}

// Kinds of a source: of its column, or its only one.
static std::span<const char *const> event_kinds(const Row &row, const EventSource &source)
{
    bool null;
    Datum value = row.datum(10, &null);
    Datum *names = nullptr;
    int count = 0;
    if (!null)
        deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &names, nullptr, &count);
    auto *kinds = static_cast<const char **>(palloc(sizeof(char *) * (count + 1)));
    for (int i = 0; i < count; i++)
        kinds[i] = TextDatumGetCString(names[i]);
    if (count == 0 && source.kind == nullptr)
        kinds[count++] = source.name;
    return {kinds, static_cast<std::size_t>(count)};
}

// Event sources whose table and columns are still there, in order of their names.
static void load_events(Audience *audience)
{
    List *found = NIL;
    scan("event_source", F_OIDEQ, ObjectIdGetDatum(audience->relation), [&](const Row &row) {
        auto *source = static_cast<EventSource *>(palloc0(sizeof(EventSource)));
        source->name = row.string(2);
        source->table = row.oid(3);
        AttrNumber member = known_column(source->table, row.name(4), row.number(5)), at = known_column(source->table, row.name(6), row.number(7));
        source->member = get_attname(source->table, member, true);
        source->at = get_attname(source->table, at, true);
        if (source->member == nullptr || source->at == nullptr)
            return;
        source->at_type = getBaseType(get_atttype(source->table, at));
        if (row.name(8) != nullptr) {
            AttrNumber kind = known_column(source->table, row.name(8), row.number(9));
            source->kind = get_attname(source->table, kind, true);
            if (source->kind == nullptr)
                return;
            source->kind_type = getBaseType(get_atttype(source->table, kind));
        }
        source->kinds = event_kinds(row, *source);
        source->row = event_row(source->table);
        found = lappend(found, source);
    });
    audience->events = array_of<EventSource>(found);
}

// A field that stands for an event leaf; false where its events are gone.
static bool read_event_field(const Audience *audience, const char *leaf, Field *field)
{
    field->source = FieldSource::event;
    field->leaf = parse_measure(leaf);
    const EventSource *source = find_event(audience, field->leaf->name).source;
    if (source == nullptr)
        return false;
    MeasureType type = measure_type(source, *field->leaf->behaviour);
    field->type = type.type;
    field->typmod = -1;
    field->collation = type.collation;
    return OidIsValid(type.type);
}

// Registered expressions, event fields, and labels of columns.
static List *add_registered_fields(const Audience *audience, List *fields)
{
    scan("field", F_OIDEQ, ObjectIdGetDatum(audience->relation), [&](const Row &row) {
        const char *name = row.string(2), *label = row.string(6), *category = row.string(7);
        AttrNumber attnum = row.number(3);
        if (attnum != 0) {
            attnum = known_column(audience->relation, name, attnum);
            ListCell *cell;
            foreach (cell, fields) {
                auto *field = static_cast<Field *>(lfirst(cell));
                if (field->source == FieldSource::column && field->attnum == attnum) {
                    field->label = label ? label : field->name;
                    field->category = category;
                }
            }
            return;
        }
        auto *field = static_cast<Field *>(palloc0(sizeof(Field)));
        field->name = name;
        field->label = label ? label : name;
        field->category = category;
        field->source = FieldSource::expression;
        field->expression = row.string(4);
        if (field->expression == nullptr && !read_event_field(audience, row.string(9), field))
            return;
        fields = lappend(fields, field);
    });
    return fields;
}

// Registered memberships whose table and columns are still there.
static List *add_memberships(const Audience *audience, List *fields)
{
    scan("membership", F_OIDEQ, ObjectIdGetDatum(audience->relation), [&](const Row &row) {
        auto *membership = static_cast<Membership *>(palloc0(sizeof(Membership)));
        membership->table = row.oid(3);
        AttrNumber value = known_column(membership->table, row.name(6), row.number(7));
        membership->member = get_attname(membership->table, known_column(membership->table, row.name(4), row.number(5)), true);
        membership->value = get_attname(membership->table, value, true);
        membership->names = row.oid(8);
        membership->name_key = row.name(9);
        membership->name_label = row.name(10);
        membership->name_archived = row.name(11);
        if (membership->member == nullptr || membership->value == nullptr)
            return;
        auto *field = static_cast<Field *>(palloc0(sizeof(Field)));
        field->name = row.string(2);
        field->label = row.string(13) ? row.string(13) : field->name;
        field->category = row.string(14);
        field->source = FieldSource::membership;
        field->membership = membership;
        get_atttypetypmodcoll(membership->table, value, &field->type, &field->typmod, &field->collation);
        fields = lappend(fields, field);
    });
    return fields;
}

// Suppression rules, in order of their reasons.
static void load_suppressions(Audience *audience)
{
    List *found = NIL;
    scan("suppression", F_OIDEQ, ObjectIdGetDatum(audience->relation), [&](const Row &row) {
        auto *suppression = static_cast<Suppression *>(palloc0(sizeof(Suppression)));
        suppression->reason = row.string(2);
        bool null;
        suppression->rule = rule_of(row.datum(3, &null));
        found = lappend(found, suppression);
    });
    audience->suppressions = array_of<Suppression>(found);
}

// Reads everything about a relation into CurrentMemoryContext.
static Audience *load(Oid oid)
{
    Relation relation = relation_open(oid, AccessShareLock);
    switch (relation->rd_rel->relkind) {
    case RELKIND_RELATION:
    case RELKIND_PARTITIONED_TABLE:
    case RELKIND_VIEW:
    case RELKIND_MATVIEW:
    case RELKIND_FOREIGN_TABLE:
        break;
    default:
        ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" cannot be an audience", RelationGetRelationName(relation)),
                        errdetail("An audience is a table, view, materialized view or foreign table.")));
    }
    auto *audience = static_cast<Audience *>(palloc0(sizeof(Audience)));
    audience->relation = oid;
    audience->row_type = relation->rd_rel->reltype;
    audience->name = relation_sql(oid);
    audience->key_attnum = primary_key(relation);
    List *fields = column_fields(RelationGetDescr(relation));
    relation_close(relation, AccessShareLock);

    scan("audience", F_OIDEQ, ObjectIdGetDatum(oid), [&](const Row &row) {
        audience->registered = true;
        audience->key_attnum = known_column(oid, row.name(2), row.number(3));
    });
    if (audience->key_attnum != 0)
        audience->key = get_attname(oid, audience->key_attnum, true);
    if (audience->key != nullptr)
        audience->key_type = get_atttype(oid, audience->key_attnum);
    if (audience->registered) {
        load_events(audience);
        fields = add_registered_fields(audience, fields);
        fields = add_memberships(audience, fields);
        load_suppressions(audience);
    }
    audience->fields = array_of<Field>(fields);
    return audience;
}

// Starts an empty cache when something has changed since it was filled. The old one stays until the transaction ends: a caller may
// still be reading it.
static void refresh()
{
    catalog_relation();
    if (cache != nullptr && cache_generation == generation)
        return;
    if (cache_context != nullptr)
        MemoryContextSetParent(cache_context, TopTransactionContext);
    cache = nullptr;
    cache_context = nullptr;
    cache_context = AllocSetContextCreate(CacheMemoryContext, "segments audiences", ALLOCSET_SMALL_SIZES);
    HASHCTL control = {};
    control.keysize = sizeof(Oid);
    control.entrysize = sizeof(CacheEntry);
    control.hcxt = cache_context;
    cache = hash_create("segments audiences", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
    cache_generation = generation;
}

// Remembers that the cache depends on a relation; the entry.
static CacheEntry *watch(Oid relation)
{
    bool found;
    auto *entry = static_cast<CacheEntry *>(hash_search(cache, &relation, HASH_ENTER, &found));
    if (!found)
        entry->audience = nullptr;
    return entry;
}

const Audience *audience_of(Oid relation)
{
    refresh();
    auto *known = static_cast<CacheEntry *>(hash_search(cache, &relation, HASH_FIND, nullptr));
    if (known != nullptr && known->audience != nullptr)
        return known->audience;

    // Loaded in a context of its own, which becomes part of the cache only when all went well.
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "segments audience", ALLOCSET_SMALL_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(context);
    Audience *audience = load(relation);
    MemoryContextSwitchTo(caller);
    refresh();
    MemoryContextSetParent(context, cache_context);
    for (const EventSource &source : audience->events)
        watch(source.table);
    for (const Field &field : audience->fields) {
        if (field.source != FieldSource::membership)
            continue;
        watch(field.membership->table);
        if (OidIsValid(field.membership->names))
            watch(field.membership->names);
    }
    watch(relation)->audience = audience;
    return audience;
}

const Audience *audience_of_row(Oid row_type, std::int32_t, TupleDesc desc)
{
    Oid relation = row_type == RECORDOID ? InvalidOid : get_typ_typrelid(getBaseType(row_type));
    if (OidIsValid(relation) && get_rel_relkind(relation) != RELKIND_COMPOSITE_TYPE)
        return audience_of(relation);
    auto *audience = static_cast<Audience *>(palloc0(sizeof(Audience)));
    audience->row_type = row_type;
    audience->name = "record";
    audience->fields = array_of<Field>(column_fields(desc));
    return audience;
}

const Field *find_field(const Audience *audience, std::string_view name)
{
    for (Field &field : audience->fields) {
        if (name != field.name)
            continue;
        if (!OidIsValid(field.type)) {
            int level = enter_safe_path();
            canonical_expression(audience->relation, field.expression, nullptr, &field.type, &field.typmod, &field.collation, nullptr);
            leave_safe_path(level);
        }
        return &field;
    }
    return nullptr;
}

// The segment of a row of segments.segment.
static NamedSegment *read_segment(const Row &row)
{
    bool null;
    auto *segment = static_cast<NamedSegment *>(palloc(sizeof(NamedSegment)));
    *segment = {row.string(1), row.oid(3), rule_of(row.datum(4, &null))};
    return segment;
}

const NamedSegment *find_segment(std::string_view name)
{
    NamedSegment *segment = nullptr;
    Datum key = PointerGetDatum(cstring_to_text_with_len(name.data(), static_cast<int>(name.size())));
    scan("segment", F_TEXTEQ, key, [&](const Row &row) { segment = read_segment(row); });
    return segment;
}

static int compare_names(const ListCell *a, const ListCell *b)
{
    return strcmp(static_cast<NamedSegment *>(lfirst(a))->name, static_cast<NamedSegment *>(lfirst(b))->name);
}

List *segments_of(Oid relation)
{
    List *found = NIL;
    scan("segment", F_OIDEQ, ObjectIdGetDatum(relation), [&](const Row &row) { found = lappend(found, read_segment(row)); }, 3);
    list_sort(found, compare_names);
    return found;
}

} // namespace segments

extern "C" {

// Statement trigger on the catalog tables: whoever depends on segments.audience looks again.
SEGMENTS_FUNCTION(segments_catalog_changed)
{
    if (!CALLED_AS_TRIGGER(fcinfo))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED), errmsg("catalog_changed() is a trigger")));
    CacheInvalidateRelcacheByRelid(segments::catalog_relation());
    return PointerGetDatum(nullptr); // a trigger's null is a null pointer that is not null
}

} // extern "C"
