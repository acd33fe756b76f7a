// Which segment indexes there are, and whether one may be used now. See index.hpp.
#include "index.hpp"

#include "boundary.hpp"

#include <algorithm>
#include <cstring>

extern "C" {
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_index.h"
#include "catalog/pg_subscription_rel.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
}

namespace segments {

// Settings -------------------------------------------------------------------------------------------------------------------------

static int use_index_setting = static_cast<int>(UseIndex::on);
static bool auto_compact_setting = true;

static const struct config_enum_entry use_index_values[] = {{"on", static_cast<int>(UseIndex::on), false},
                                                            {"off", static_cast<int>(UseIndex::off), false},
                                                            {"force", static_cast<int>(UseIndex::force), false},
                                                            {nullptr, 0, false}};

UseIndex use_index()
{
    return static_cast<UseIndex>(use_index_setting);
}

bool auto_compact()
{
    return auto_compact_setting;
}

void define_use_index()
{
    DefineCustomEnumVariable("segments.use_index", "Whether segment indexes answer: on, where that is cheaper; off; force, wherever it is possible.",
                             nullptr, &use_index_setting, static_cast<int>(UseIndex::on), use_index_values, PGC_USERSET, 0, nullptr, nullptr, nullptr);
}

void define_auto_compact()
{
    DefineCustomBoolVariable("segments.auto_compact", "Whether writers have changes of a segment index taken in, in the background, when they are many, and one that is stale and small built anew.",
                             nullptr, &auto_compact_setting, true, PGC_USERSET, 0, nullptr, nullptr, nullptr);
}

// Tables -----------------------------------------------------------------------------------------------------------------------------

static const char *const table_names[index_tables] = {"index_state", "index_stale", "index_source", "index_field", "slice", "slice_entry", "delta", "dictionary"};
static Oid table_oids[index_tables], table_keys[index_tables];
static std::uint64_t tables_generation = 0;

// Looks the tables up again after any change that may have moved them.
static void find_tables()
{
    catalog_relation();
    if (tables_generation == catalog_generation())
        return;
    for (int i = 0; i < index_tables; i++) {
        table_oids[i] = get_relname_relid(table_names[i], get_namespace_oid("segments", false));
        if (!OidIsValid(table_oids[i]))
            ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation segments.%s does not exist", table_names[i])));
        Relation relation = table_open(table_oids[i], AccessShareLock);
        List *indexes = RelationGetIndexList(relation);
        table_keys[i] = indexes == NIL ? InvalidOid : linitial_oid(indexes);
        list_free(indexes);
        table_close(relation, AccessShareLock);
    }
    tables_generation = catalog_generation();
}

Oid index_table(IndexTable table)
{
    find_tables();
    return table_oids[static_cast<int>(table)];
}

Oid index_table_key(IndexTable table)
{
    find_tables();
    return table_keys[static_cast<int>(table)];
}

ResultRelInfo *open_indexes(Relation relation)
{
    ResultRelInfo *indexes = CatalogOpenIndexes(relation);
    for (int i = 0; i < indexes->ri_NumIndices; i++) {
        const IndexInfo *info = indexes->ri_IndexRelationInfo[i];
        if (info->ii_Expressions != NIL || info->ii_Predicate != NIL || info->ii_ExclusionOps != nullptr)
            ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                            errmsg("table segments.%s cannot be written while it has index %s", RelationGetRelationName(relation),
                                   RelationGetRelationName(indexes->ri_IndexRelationDescs[i])),
                            errdetail("The index is of expressions, has a predicate or excludes."), errhint("Drop it: nobody else is to index the tables of segment indexes.")));
    }
    return indexes;
}

Oid index_sequence(const char *name)
{
    Oid sequence = get_relname_relid(name, get_namespace_oid("segments", false));
    if (!OidIsValid(sequence))
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("sequence segments.%s does not exist", name)));
    return sequence;
}

// State ------------------------------------------------------------------------------------------------------------------------------

enum StateColumn { state_audience = 1, state_id, state_generation, state_sparse, state_structure, state_slice_file, state_built, state_members, state_compacted };
constexpr int state_columns = 9;
enum StaleColumn { stale_id = 1, stale_why };
constexpr int stale_columns = 2;

// Why an index is stale; null where it is not.
static const char *stale_reason(std::int32_t id, Snapshot snapshot)
{
    const char *why = nullptr;
    Relation relation = table_open(index_table(IndexTable::stale), AccessShareLock);
    ScanKeyData key;
    ScanKeyInit(&key, stale_id, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(id));
    SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, snapshot, 1, &key);
    HeapTuple tuple = systable_getnext(scan);
    if (HeapTupleIsValid(tuple)) {
        bool null;
        why = TextDatumGetCString(heap_getattr(tuple, stale_why, RelationGetDescr(relation), &null));
    }
    systable_endscan(scan);
    table_close(relation, AccessShareLock);
    return why;
}

bool read_state(Oid audience, Snapshot snapshot, IndexState &state)
{
    Relation relation = table_open(index_table(IndexTable::state), AccessShareLock);
    ScanKeyData key;
    ScanKeyInit(&key, state_audience, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(audience));
    SysScanDesc scan = systable_beginscan(relation, index_table_key(IndexTable::state), true, snapshot, 1, &key);
    HeapTuple tuple = systable_getnext(scan);
    if (HeapTupleIsValid(tuple)) {
        Datum values[state_columns];
        bool nulls[state_columns];
        heap_deform_tuple(tuple, RelationGetDescr(relation), values, nulls);
        auto number = [&](StateColumn column) { return nulls[column - 1] ? 0 : DatumGetInt64(values[column - 1]); };
        state.id = DatumGetInt32(values[state_id - 1]);
        state.generation = number(state_generation);
        state.sparse = DatumGetBool(values[state_sparse - 1]);
        state.structure = number(state_structure);
        state.slice_file = nulls[state_slice_file - 1] ? InvalidOid : DatumGetObjectId(values[state_slice_file - 1]);
        state.stale = stale_reason(state.id, snapshot);
        state.members = number(state_members);
        state.compacted = number(state_compacted);
    }
    systable_endscan(scan);
    table_close(relation, AccessShareLock);
    return HeapTupleIsValid(tuple);
}

// Changes columns of the latest row of an audience's state.
static void update_state(Oid audience, Datum *values, bool *nulls, bool *replace)
{
    Relation relation = table_open(index_table(IndexTable::state), RowExclusiveLock);
    ScanKeyData key;
    ScanKeyInit(&key, state_audience, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(audience));
    SysScanDesc scan = systable_beginscan(relation, index_table_key(IndexTable::state), true, nullptr, 1, &key);
    HeapTuple tuple = systable_getnext(scan);
    if (!HeapTupleIsValid(tuple))
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("audience %s has no segment index", get_rel_name(audience))));
    HeapTuple changed = heap_modify_tuple(tuple, RelationGetDescr(relation), values, nulls, replace);
    ResultRelInfo *indexes = open_indexes(relation);
    CatalogTupleUpdateWithInfo(relation, &tuple->t_self, changed, indexes);
    CatalogCloseIndexes(indexes);
    systable_endscan(scan);
    table_close(relation, RowExclusiveLock);
    CommandCounterIncrement();
}

void write_state(Oid audience, const IndexState &state)
{
    Datum values[state_columns] = {};
    bool nulls[state_columns] = {}, replace[state_columns] = {};
    auto put = [&](StateColumn column, Datum value, bool null = false) {
        values[column - 1] = value;
        nulls[column - 1] = null;
        replace[column - 1] = true;
    };
    put(state_generation, Int64GetDatum(state.generation));
    put(state_sparse, BoolGetDatum(state.sparse));
    put(state_structure, Int64GetDatum(state.structure));
    put(state_slice_file, ObjectIdGetDatum(state.slice_file));
    put(state_members, Int64GetDatum(state.members));
    put(state_compacted, Int64GetDatum(state.compacted));
    if (state.newly_built)
        put(state_built, TimestampTzGetDatum(GetCurrentTimestamp()));
    update_state(audience, values, nulls, replace);
}

void mark_stale(Oid audience, const char *why)
{
    IndexState state = {};
    if (!read_state(audience, nullptr, state) || state.stale != nullptr)
        return;
    Relation relation = table_open(index_table(IndexTable::stale), RowExclusiveLock);
    Datum values[stale_columns] = {Int32GetDatum(state.id), CStringGetTextDatum(why)};
    bool nulls[stale_columns] = {};
    ResultRelInfo *indexes = open_indexes(relation);
    CatalogTupleInsertWithInfo(relation, heap_form_tuple(RelationGetDescr(relation), values, nulls), indexes);
    CatalogCloseIndexes(indexes);
    table_close(relation, RowExclusiveLock);
    CommandCounterIncrement();
    CacheInvalidateRelcacheByRelid(catalog_relation());
}

List *all_states()
{
    List *found = NIL;
    Relation relation = table_open(index_table(IndexTable::state), AccessShareLock);
    SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, nullptr, 0, nullptr);
    for (HeapTuple tuple = systable_getnext(scan); HeapTupleIsValid(tuple); tuple = systable_getnext(scan)) {
        bool null;
        found = lappend_oid(found, DatumGetObjectId(heap_getattr(tuple, state_audience, RelationGetDescr(relation), &null)));
    }
    systable_endscan(scan);
    table_close(relation, AccessShareLock);
    return found;
}

// Layout ------------------------------------------------------------------------------------------------------------------------------

struct LayoutEntry {
    Oid audience;
    SegmentIndex *index;
};
static HTAB *layouts = nullptr;

// Relations whose change may change the structure of some index.
static HTAB *watched = nullptr;
static std::uint64_t structures = 1;

static void relation_changed(Datum, Oid relation)
{
    if (!OidIsValid(relation) || hash_search(watched, &relation, HASH_FIND, nullptr) != nullptr)
        structures++;
}

static void subscription_changed(Datum, int, uint32)
{
    structures++;
}

static void start_watching()
{
    if (watched != nullptr)
        return;
    HASHCTL control = {};
    control.keysize = control.entrysize = sizeof(Oid);
    control.hcxt = CacheMemoryContext;
    watched = hash_create("segments tables of indexes", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
    CacheRegisterRelcacheCallback(relation_changed, Datum(0));
    CacheRegisterSyscacheCallback(SUBSCRIPTIONRELMAP, subscription_changed, Datum(0));
}

void watch_table(Oid relation)
{
    start_watching();
    hash_search(watched, &relation, HASH_ENTER, nullptr);
}

std::uint64_t structures_seen()
{
    start_watching();
    return structures;
}

static Datum column(HeapTuple tuple, TupleDesc desc, int number, bool *null)
{
    return heap_getattr(tuple, number, desc, null);
}

// Calls visit(tuple, desc) for the rows of an index in a table of layouts, in order of its key.
template <typename Visit> static void scan_layout(IndexTable table, std::int32_t id, Snapshot snapshot, Visit &&visit)
{
    Relation relation = table_open(index_table(table), AccessShareLock), by = index_open(index_table_key(table), AccessShareLock);
    ScanKeyData key;
    ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(id));
    snapshot = RegisterSnapshot(snapshot ? snapshot : GetLatestSnapshot());
    SysScanDesc scan = systable_beginscan_ordered(relation, by, snapshot, 1, &key);
    for (HeapTuple tuple = systable_getnext_ordered(scan, ForwardScanDirection); HeapTupleIsValid(tuple);
         tuple = systable_getnext_ordered(scan, ForwardScanDirection))
        visit(tuple, RelationGetDescr(relation));
    systable_endscan_ordered(scan);
    UnregisterSnapshot(snapshot);
    index_close(by, AccessShareLock);
    table_close(relation, AccessShareLock);
}

template <typename T> static std::span<T> array_of(const List *list)
{
    auto *array = static_cast<T *>(palloc0(sizeof(T) * (list_length(list) + 1)));
    std::size_t count = 0;
    ListCell *cell;
    foreach (cell, list)
        array[count++] = *static_cast<T *>(lfirst(cell));
    return {array, count};
}

// Reads a layout into CurrentMemoryContext.
static SegmentIndex *load_layout(Oid audience, std::int32_t id, Snapshot snapshot)
{
    auto *index = static_cast<SegmentIndex *>(palloc0(sizeof(SegmentIndex)));
    index->audience = audience;
    index->id = id;
    List *sources = NIL, *fields = NIL;
    bool null;
    scan_layout(IndexTable::source, id, snapshot, [&](HeapTuple tuple, TupleDesc desc) {
        auto *source = static_cast<IndexSource *>(palloc0(sizeof(IndexSource)));
        source->number = static_cast<std::uint16_t>(DatumGetInt16(column(tuple, desc, 2, &null)));
        source->kind = DatumGetChar(column(tuple, desc, 3, &null));
        source->relation = DatumGetObjectId(column(tuple, desc, 4, &null));
        AttrNumber *numbers[] = {&source->member, &source->value, &source->at, &source->event_kind};
        for (int i = 0; i < 4; i++) {
            Datum value = column(tuple, desc, 5 + i, &null);
            *numbers[i] = null ? 0 : DatumGetInt16(value);
        }
        sources = lappend(sources, source);
    });
    scan_layout(IndexTable::field, id, snapshot, [&](HeapTuple tuple, TupleDesc desc) {
        auto *field = static_cast<IndexField *>(palloc0(sizeof(IndexField)));
        field->number = static_cast<std::uint16_t>(DatumGetInt16(column(tuple, desc, 2, &null)));
        field->source = static_cast<std::uint16_t>(DatumGetInt16(column(tuple, desc, 3, &null)));
        field->kind = DatumGetChar(column(tuple, desc, 4, &null));
        field->name = TextDatumGetCString(column(tuple, desc, 5, &null));
        Datum value = column(tuple, desc, 6, &null);
        field->attnum = null ? 0 : DatumGetInt16(value);
        value = column(tuple, desc, 7, &null);
        field->type = null ? InvalidOid : DatumGetObjectId(value);
        value = column(tuple, desc, 8, &null);
        field->typmod = null ? -1 : DatumGetInt32(value);
        value = column(tuple, desc, 9, &null);
        field->collation = null ? InvalidOid : DatumGetObjectId(value);
        value = column(tuple, desc, 10, &null);
        field->event = null ? nullptr : TextDatumGetCString(value);
        if (OidIsValid(field->type))
            get_typlenbyval(field->type, &field->type_length, &field->by_value);
        if (field->kind == field_numeric)
            field->scale = (field->typmod - VARHDRSZ) & 0x7ff;
        fields = lappend(fields, field);
    });
    index->sources = array_of<IndexSource>(sources);
    // Fields that the builder left out leave a gap: it has no source.
    int highest = 0;
    ListCell *cell;
    foreach (cell, fields)
        highest = Max(highest, static_cast<IndexField *>(lfirst(cell))->number);
    auto *array = static_cast<IndexField *>(palloc0(sizeof(IndexField) * (highest + 1)));
    foreach (cell, fields) {
        auto *field = static_cast<IndexField *>(lfirst(cell));
        array[field->number - 1] = *field;
    }
    index->fields = {array, static_cast<std::size_t>(highest)};
    return index;
}

SegmentIndex *index_layout(Oid audience, std::int32_t id, Snapshot snapshot)
{
    start_watching();
    if (layouts == nullptr) {
        HASHCTL control = {};
        control.keysize = sizeof(Oid);
        control.entrysize = sizeof(LayoutEntry);
        control.hcxt = CacheMemoryContext;
        layouts = hash_create("segments indexes", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
    }
    auto *known = static_cast<LayoutEntry *>(hash_search(layouts, &audience, HASH_FIND, nullptr));
    if (known != nullptr && known->index->id == id)
        return known->index;
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "segments index", ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(context);
    SegmentIndex *index = load_layout(audience, id, snapshot);
    index->context = context;
    MemoryContextSwitchTo(caller);
    if (known != nullptr) // somebody may still be reading the old one
        MemoryContextSetParent(known->index->context, TopTransactionContext);
    bool found;
    auto *entry = static_cast<LayoutEntry *>(hash_search(layouts, &audience, HASH_ENTER, &found));
    MemoryContextSetParent(context, CacheMemoryContext);
    entry->index = index;
    return index;
}

// Structure ---------------------------------------------------------------------------------------------------------------------------

Oid file_of(Relation relation)
{
#if PG_VERSION_NUM < 160000
    return relation->rd_node.relNode;
#else
    return relation->rd_locator.relNumber;
#endif
}

// Whether all triggers by which a table's changes are noted are there, and fire always.
static bool has_triggers(Relation relation)
{
    unsigned found = 0;
    const TriggerDesc *triggers = relation->trigdesc;
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++) {
        const Trigger &trigger = triggers->triggers[i];
        static const char *const names[] = {"segments_index_before", "segments_index_insert", "segments_index_update", "segments_index_delete",
                                            "segments_index_truncate"};
        for (unsigned name = 0; name < 5; name++)
            if (trigger.tgenabled == TRIGGER_FIRES_ALWAYS && std::strcmp(trigger.tgname, names[name]) == 0)
                found |= 1u << name;
    }
    return found == 31;
}

// Whether rows may come by a subscription: its worker fires no statement triggers.
static bool is_subscribed(Oid relation)
{
    Relation map = table_open(SubscriptionRelRelationId, AccessShareLock);
    ScanKeyData key;
    ScanKeyInit(&key, Anum_pg_subscription_rel_srrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
    SysScanDesc scan = systable_beginscan(map, InvalidOid, false, nullptr, 1, &key);
    bool found = HeapTupleIsValid(systable_getnext(scan));
    systable_endscan(scan);
    table_close(map, AccessShareLock);
    return found;
}

bool is_unique(Relation relation, std::initializer_list<AttrNumber> columns)
{
    List *indexes = RelationGetIndexList(relation);
    bool found = false;
    ListCell *cell;
    foreach (cell, indexes) {
        HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
        if (!HeapTupleIsValid(tuple))
            continue;
        auto *form = reinterpret_cast<Form_pg_index>(GETSTRUCT(tuple));
        found = found || (form->indisunique && form->indisvalid && form->indimmediate && heap_attisnull(tuple, Anum_pg_index_indpred, nullptr) &&
                          std::all_of(form->indkey.values, form->indkey.values + form->indnkeyatts,
                                      [&](AttrNumber key) { return std::find(columns.begin(), columns.end(), key) != columns.end(); }));
        ReleaseSysCache(tuple);
    }
    list_free(indexes);
    return found;
}

static void mix(std::uint64_t &hash, std::uint64_t value)
{
    hash = hash_combine64(hash, hash_bytes_uint32_extended(static_cast<uint32>(value), value >> 32));
}

// The columns of a source that the index keeps, as they are now.
static void mix_columns(std::uint64_t &hash, const SegmentIndex *index, const IndexSource &source, TupleDesc desc, const char **why)
{
    auto mix_column = [&](AttrNumber number) {
        if (number <= 0)
            return;
        if (number > desc->natts || TupleDescAttr(desc, number - 1)->attisdropped) {
            *why = psprintf("a column of %s that it keeps was dropped", get_rel_name(source.relation));
            return;
        }
        Form_pg_attribute attribute = TupleDescAttr(desc, number - 1);
        mix(hash, number);
        mix(hash, attribute->atttypid);
        mix(hash, static_cast<std::uint32_t>(attribute->atttypmod));
        mix(hash, attribute->attcollation);
    };
    for (AttrNumber number : {source.member, source.value, source.at, source.event_kind})
        mix_column(number);
    if (source.kind == source_audience)
        for (const IndexField &field : index->fields)
            if (field.source == source.number && field.kind != '\0')
                mix_column(field.attnum);
}

static const char *const changed_structure = "a table that it keeps was rewritten, truncated or altered, or its partitions changed";

std::int64_t structure_of(const SegmentIndex *index, const char **why)
{
    std::uint64_t hash = 0;
    *why = nullptr;
    start_watching();
    for (const IndexSource &source : index->sources) {
        if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(source.relation))) {
            *why = "a table that it keeps was dropped";
            return 0;
        }
        List *tables = find_all_inheritors(source.relation, AccessShareLock, nullptr);
        bool partitioned = get_rel_relkind(source.relation) == RELKIND_PARTITIONED_TABLE;
        if (has_superclass(source.relation))
            *why = psprintf("table %s has a parent, through which its rows may change", get_rel_name(source.relation));
        if (!partitioned && list_length(tables) > 1)
            *why = psprintf("table %s has inheritance children", get_rel_name(source.relation));
        ListCell *cell;
        foreach (cell, tables) {
            Oid oid = lfirst_oid(cell);
            hash_search(watched, &oid, HASH_ENTER, nullptr);
            Relation relation = table_open(oid, NoLock);
            if (relation->rd_rel->relkind != RELKIND_RELATION && relation->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
                *why = psprintf("%s is no table", RelationGetRelationName(relation));
            else if (relation->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
                *why = psprintf("table %s is not permanent", RelationGetRelationName(relation));
            else if (!has_triggers(relation))
                *why = psprintf("triggers of table %s are missing or disabled", RelationGetRelationName(relation));
            else if (is_subscribed(oid))
                *why = psprintf("table %s is subscribed to", RelationGetRelationName(relation));
            mix(hash, oid);
            mix(hash, file_of(relation));
            if (oid == source.relation) {
                mix_columns(hash, index, source, RelationGetDescr(relation), why);
                if (source.kind == source_audience && !(is_not_null(RelationGetDescr(relation), source.member) && is_unique(relation, {source.member})))
                    *why = "its key is not unique";
            }
            table_close(relation, NoLock);
        }
        list_free(tables);
    }
    return static_cast<std::int64_t>(hash);
}

bool may_read(Oid relation)
{
    Oid role = GetUserId();
#if PG_VERSION_NUM < 160000
    bool usage = pg_namespace_aclcheck(get_rel_namespace(relation), role, ACL_USAGE) == ACLCHECK_OK;
#else
    bool usage = object_aclcheck(NamespaceRelationId, get_rel_namespace(relation), role, ACL_USAGE) == ACLCHECK_OK;
#endif
    return usage && pg_class_aclcheck(relation, role, ACL_SELECT) == ACLCHECK_OK &&
           check_enable_rls(relation, InvalidOid, true) != RLS_ENABLED;
}

// Makes room for what hangs on the generation, and drops what was there once nobody can be reading it any more.
static void start_generation(SegmentIndex *index, const IndexState &state)
{
    if (index->directory_context != nullptr)
        MemoryContextSetParent(index->directory_context, TopTransactionContext);
    index->directory_context = nullptr;
    index->changes = nullptr;
    index->present = nullptr;
    index->state = state;
    index->state.stale = nullptr;
    index->state.generation = 0; // until all of it is there
    index->directory_context = AllocSetContextCreate(index->context, "segments index directory", ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(index->directory_context);
    index->columns = static_cast<ColumnDirectory **>(palloc0(sizeof(ColumnDirectory *) * (index->fields.size() + 2)));
    index->sets = static_cast<List **>(palloc0(sizeof(List *) * (index->fields.size() + 2)));
    MemoryContextSwitchTo(caller);
    load_chunks(index);
    index->state.generation = state.generation;
}

SegmentIndex *usable_index(const Audience *audience, const char **why)
{
    *why = nullptr;
    if (!audience->registered) {
        *why = "there is none";
        return nullptr;
    }
    Snapshot snapshot = GetActiveSnapshot();
    IndexState state = {};
    if (!read_state(audience->relation, snapshot, state) || state.generation == 0) {
        *why = "it is not built";
        return nullptr;
    }
    // What an older snapshot does not see may concern it all the same: labels and triggers are those of now.
    IndexState latest = {};
    if (state.stale == nullptr && read_state(audience->relation, nullptr, latest))
        state.stale = latest.stale;
    if (state.stale != nullptr) {
        *why = state.stale;
        return nullptr;
    }
    if (snapshot->snapshot_type != SNAPSHOT_MVCC) {
        *why = "the snapshot is of another kind";
        return nullptr;
    }
#if PG_VERSION_NUM < 170000
    if (old_snapshot_threshold >= 0) {
        *why = "old_snapshot_threshold is set";
        return nullptr;
    }
#endif
    SegmentIndex *index = index_layout(audience->relation, state.id, snapshot);
    for (const IndexSource &source : index->sources)
        LockRelationOid(source.relation, AccessShareLock);
    if (index->structure_seen != structures) {
        // Whatever is found while looking must be looked at again if it changes meanwhile.
        std::uint64_t seen = structures;
        index->structure = structure_of(index, &index->structure_problem);
        if (index->structure_problem != nullptr)
            index->structure_problem = MemoryContextStrdup(index->context, index->structure_problem);
        index->structure_seen = seen;
    }
    if (index->structure_problem != nullptr) {
        *why = index->structure_problem;
        return nullptr;
    }
    if (index->structure != state.structure) {
        *why = changed_structure;
        return nullptr;
    }
    Relation slices = table_open(index_table(IndexTable::slice), AccessShareLock);
    Oid file = file_of(slices);
    table_close(slices, AccessShareLock);
    if (file != state.slice_file) {
        *why = "segments.slice was rewritten";
        return nullptr;
    }
    if (is_being_written(index)) {
        *why = "a statement of this transaction is changing its tables";
        return nullptr;
    }
    if (index->directory_context == nullptr || index->state.generation != state.generation)
        start_generation(index, state);
    return index;
}

} // namespace segments

extern "C" {

// segments._index_outdated(relation regclass) → text: what has become of its tables that they are not those that it was built from; null: nothing
SEGMENTS_FUNCTION(segments_index_outdated)
{
    Oid audience = PG_GETARG_OID(0);
    segments::IndexState state = {};
    if (!segments::read_state(audience, nullptr, state) || state.generation == 0 || state.stale != nullptr)
        PG_RETURN_NULL();
    const char *why;
    std::int64_t structure = segments::structure_of(segments::index_layout(audience, state.id, nullptr), &why);
    if (why == nullptr && structure != state.structure)
        why = segments::changed_structure;
    if (why == nullptr)
        PG_RETURN_NULL();
    PG_RETURN_TEXT_P(cstring_to_text(why));
}

// segments._index_problem(relation regclass) → text: why the index can't be used; null where it can
SEGMENTS_FUNCTION(segments_index_problem)
{
    const char *why;
    if (segments::usable_index(segments::audience_of(PG_GETARG_OID(0)), &why) != nullptr)
        PG_RETURN_NULL();
    PG_RETURN_TEXT_P(cstring_to_text(why));
}

} // extern "C"
