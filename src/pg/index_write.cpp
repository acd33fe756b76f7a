// What statements change in the tables of segment indexes, noted by their triggers. See index.hpp.
//
// Each AFTER trigger packs what its statement did into rows of segments.delta. They are ordered by a number that is drawn while the statement
// still holds the locks of the rows that it changed: two changes of one member are in the order of their commits. What has no such order, or
// can't be undone by adding, is noted as dirty: whoever reads looks the member up in the tables.
#include "index.hpp"

#include "boundary.hpp"

#include <algorithm>
#include <cstring>

extern "C" {
#include "access/heapam.h"
#include "access/xact.h"
#include "catalog/partition.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_index.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/tuplestore.h"
}

namespace segments {

// Roles of tables -------------------------------------------------------------------------------------------------------------------

// Events of this kind count in this field.
struct KindOfEvent {
    Datum kind;
    std::uint16_t field;
};

// What an index keeps of a table's rows.
struct Target {
    SegmentIndex *index;
    IndexSource source; // column numbers are the table's own: a partition's may differ
    int field_count;
    const IndexField **fields; // of the source
    AttrNumber *columns;       // of the fields
    bool unique;               // membership: no member is twice in a list
    int kind_count;
    KindOfEvent *kinds;
    IndexField kind_type; // how kinds are compared
};

struct Role {
    Oid relation;
    Oid root; // of which it is a partition, or itself
    int count;
    Target *targets;
};

struct RoleEntry {
    Oid relation;
    Role *role;
};
static HTAB *roles = nullptr;
static MemoryContext roles_context = nullptr;
static std::uint64_t roles_catalog = 0, roles_structures = 0;

// A column of a partition that has the name of one of the table that is registered.
static AttrNumber own_column(Oid relation, Oid root, AttrNumber number)
{
    return relation == root || number <= 0 ? number : get_attnum(relation, get_attname(root, number, false));
}

// Whether no two rows of a membership table can have the same member and value.
static bool is_unique_pair(Relation relation, AttrNumber one, AttrNumber other)
{
    List *indexes = RelationGetIndexList(relation);
    bool found = false;
    ListCell *cell;
    foreach (cell, indexes) {
        HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
        if (!HeapTupleIsValid(tuple))
            continue;
        auto *form = reinterpret_cast<Form_pg_index>(GETSTRUCT(tuple));
        bool whole = form->indisunique && form->indisvalid && form->indimmediate && heap_attisnull(tuple, Anum_pg_index_indpred, nullptr);
        for (int i = 0; i < form->indnkeyatts; i++)
            whole = whole && (form->indkey.values[i] == one || form->indkey.values[i] == other);
        found = found || whole;
        ReleaseSysCache(tuple);
    }
    list_free(indexes);
    return found;
}

// Which kinds of events are counted where.
static void find_kinds(Target &target, Relation relation)
{
    target.kinds = static_cast<KindOfEvent *>(palloc0(sizeof(KindOfEvent) * (target.field_count + 1)));
    if (target.source.event_kind == 0) {
        target.kinds[target.kind_count++] = {Datum(0), target.fields[0]->number};
        return;
    }
    Oid type = getBaseType(TupleDescAttr(RelationGetDescr(relation), target.source.event_kind - 1)->atttypid);
    target.kind_type.type = type;
    get_typlenbyval(type, &target.kind_type.type_length, &target.kind_type.by_value);
    for (int i = 0; i < target.field_count; i++) {
        const IndexField &field = *target.fields[i];
        if (field.kind != field_count)
            continue;
        Datum kind;
        if (get_typtype(type) == TYPTYPE_ENUM) {
            HeapTuple label = SearchSysCache2(ENUMTYPOIDNAME, ObjectIdGetDatum(type), CStringGetDatum(field.event));
            if (!HeapTupleIsValid(label)) {
                // The label is another now: whose events these were, nobody can say.
                mark_stale(target.index->audience, psprintf("event kind \"%s\" is gone", field.event));
                continue;
            }
            kind = ObjectIdGetDatum(reinterpret_cast<Form_pg_enum>(GETSTRUCT(label))->oid);
            ReleaseSysCache(label);
        } else {
            kind = CStringGetTextDatum(field.event);
        }
        target.kinds[target.kind_count++] = {kind, field.number};
    }
}

static void add_target(List *&targets, SegmentIndex *index, const IndexSource &source, Relation relation)
{
    auto *target = static_cast<Target *>(palloc0(sizeof(Target)));
    Oid oid = RelationGetRelid(relation);
    target->index = index;
    target->source = source;
    for (AttrNumber *number : {&target->source.member, &target->source.value, &target->source.at, &target->source.event_kind})
        *number = own_column(oid, source.relation, *number);
    target->fields = static_cast<const IndexField **>(palloc0(sizeof(IndexField *) * (index->fields.size() + 1)));
    target->columns = static_cast<AttrNumber *>(palloc0(sizeof(AttrNumber) * (index->fields.size() + 1)));
    for (const IndexField &field : index->fields) {
        if (field.source != source.number || field.kind == '\0')
            continue;
        target->fields[target->field_count] = &field;
        target->columns[target->field_count++] = own_column(oid, source.relation, field.attnum);
    }
    if (source.kind == source_membership) {
        // What is unique in a partition may be twice in the whole.
        Relation root = table_open(source.relation, AccessShareLock);
        target->unique = is_unique_pair(root, source.member, source.value);
        table_close(root, NoLock);
    }
    if (source.kind == source_events)
        find_kinds(*target, relation);
    targets = lappend(targets, target);
}

// What indexes keep of a table.
static const Role *role_of(Relation relation)
{
    Oid oid = RelationGetRelid(relation);
    watch_table(oid);
    if (roles == nullptr || roles_catalog != catalog_generation() || roles_structures != structures_seen()) {
        if (roles_context != nullptr)
            MemoryContextSetParent(roles_context, TopTransactionContext);
        roles = nullptr;
        roles_context = AllocSetContextCreate(CacheMemoryContext, "segments indexed tables", ALLOCSET_SMALL_SIZES);
        HASHCTL control = {};
        control.keysize = sizeof(Oid);
        control.entrysize = sizeof(RoleEntry);
        control.hcxt = roles_context;
        roles = hash_create("segments indexed tables", 32, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
        roles_catalog = catalog_generation();
        roles_structures = structures_seen();
    }
    auto *known = static_cast<RoleEntry *>(hash_search(roles, &oid, HASH_FIND, nullptr));
    if (known != nullptr)
        return known->role;
    MemoryContext context = roles_context, caller = MemoryContextSwitchTo(context);
    auto *role = static_cast<Role *>(palloc0(sizeof(Role)));
    role->relation = role->root = oid;
    List *roots = lcons_oid(oid, relation->rd_rel->relispartition ? get_partition_ancestors(oid) : NIL), *targets = NIL;
    ListCell *cell;
    foreach (cell, all_states()) {
        IndexState state = {};
        if (!read_state(lfirst_oid(cell), nullptr, state) || state.generation == 0 || state.stale != nullptr)
            continue;
        SegmentIndex *index = index_layout(lfirst_oid(cell), state.id, nullptr);
        index->sparse = state.sparse;
        for (const IndexSource &source : index->sources)
            if (list_member_oid(roots, source.relation)) {
                role->root = source.relation;
                add_target(targets, index, source, relation);
            }
    }
    role->targets = static_cast<Target *>(palloc0(sizeof(Target) * (list_length(targets) + 1)));
    foreach (cell, targets)
        role->targets[role->count++] = *static_cast<Target *>(lfirst(cell));
    MemoryContextSwitchTo(caller);
    // Reading may have seen changes: what was read then is asked for again.
    if (roles == nullptr || roles_context != context || roles_catalog != catalog_generation() || roles_structures != structures_seen())
        return role;
    bool found;
    static_cast<RoleEntry *>(hash_search(roles, &oid, HASH_ENTER, &found))->role = role;
    return role;
}

// Statements at work ------------------------------------------------------------------------------------------------------------------

// A statement of this backend that is changing a table's rows, so that they are there, but not yet noted.
struct Writing {
    Oid root;
    const void *statement; // its executor's memory, which tells it from a statement within
    int events;            // INSERT, UPDATE, DELETE of it that have begun and not ended: ON CONFLICT and MERGE have several
    SubTransactionId subtransaction;
    std::int64_t sequence; // of all that it changes; 0: not drawn yet
    bool nested;           // another statement changed the table meanwhile: which change of a row was the last one is not known
};
constexpr int max_writings = 64;
static Writing writings[max_writings];
static int writing_count = 0;

static void transaction_ended(XactEvent event, void *)
{
    if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
        writing_count = 0;
}

static void subtransaction_ended(SubXactEvent event, SubTransactionId subtransaction, SubTransactionId, void *)
{
    if (event != SUBXACT_EVENT_ABORT_SUB)
        return;
    int kept = 0;
    for (int i = 0; i < writing_count; i++)
        if (writings[i].subtransaction < subtransaction)
            writings[kept++] = writings[i];
    writing_count = kept;
}

static void begin_writing(Oid root, const void *statement)
{
    static bool registered = false;
    if (!registered) {
        RegisterXactCallback(transaction_ended, nullptr);
        RegisterSubXactCallback(subtransaction_ended, nullptr);
        registered = true;
    }
    bool nested = false;
    for (int i = 0; i < writing_count; i++) {
        if (writings[i].root != root)
            continue;
        if (writings[i].statement == statement) {
            writings[i].events++;
            return;
        }
        nested = writings[i].nested = true;
    }
    if (writing_count == max_writings)
        ereport(ERROR, (errcode(ERRCODE_STATEMENT_TOO_COMPLEX), errmsg("statements within statements change tables of segment indexes more than %d times", max_writings)));
    writings[writing_count++] = {root, statement, 1, GetCurrentSubTransactionId(), 0, nested};
}

// The innermost statement at work on a table, null where none is known.
static Writing *innermost(Oid root)
{
    for (int i = writing_count - 1; i >= 0; i--)
        if (writings[i].root == root)
            return &writings[i];
    return nullptr;
}

// One of its events has been noted.
static void end_writing(Writing *writing)
{
    if (--writing->events > 0)
        return;
    std::memmove(writing, writing + 1, sizeof(Writing) * static_cast<std::size_t>(writings + writing_count - writing - 1));
    writing_count--;
}

bool is_being_written(const SegmentIndex *index)
{
    for (int i = 0; i < writing_count; i++)
        for (const IndexSource &source : index->sources)
            if (source.relation == writings[i].root)
                return true;
    return false;
}

// Rows of changes ---------------------------------------------------------------------------------------------------------------------

void insert_delta(void *context, const unsigned char *bytes, std::size_t size)
{
    auto *sink = static_cast<DeltaSink *>(context);
    if (sink->relation == nullptr)
        sink->relation = table_open(index_table(IndexTable::delta), RowExclusiveLock);
    if (sink->sequence == 0)
        sink->sequence = nextval_internal(index_sequence("delta_sequence"), false);
    alignas(8) unsigned char data[VARHDRSZ + max_delta];
    SET_VARSIZE(data, VARHDRSZ + size);
    std::memcpy(data + VARHDRSZ, bytes, size);
    Datum values[] = {Int32GetDatum(sink->id), Int64GetDatum(sink->sequence), PointerGetDatum(data)};
    bool nulls[3] = {};
    HeapTuple tuple = heap_form_tuple(RelationGetDescr(sink->relation), values, nulls);
    heap_insert(sink->relation, tuple, GetCurrentCommandId(true), HEAP_INSERT_NO_LOGICAL, nullptr);
    heap_freetuple(tuple);
    sink->bytes += size;
}

void DeltaSink::close()
{
    if (relation != nullptr)
        table_close(relation, NoLock);
}

// Transition tables -------------------------------------------------------------------------------------------------------------------

// The rows that a statement made or removed. What is allocated in `row` lives until the next one.
class TransitionRows {
public:
    TransitionRows(Relation relation, Tuplestorestate *store, MemoryContext row) : store_(store), row_(row)
    {
        slot_ = MakeSingleTupleTableSlot(RelationGetDescr(relation), &TTSOpsMinimalTuple);
        pointer_ = tuplestore_alloc_read_pointer(store, EXEC_FLAG_REWIND);
        rewind();
    }
    void rewind()
    {
        tuplestore_select_read_pointer(store_, pointer_);
        tuplestore_rescan(store_);
    }
    bool next()
    {
        MemoryContextReset(row_);
        tuplestore_select_read_pointer(store_, pointer_);
        // A row that comes from disk is allocated anew, and is the slot's until the next one.
        MemoryContext caller = MemoryContextSwitchTo(slot_->tts_mcxt);
        bool found = tuplestore_gettupleslot(store_, true, false, slot_);
        MemoryContextSwitchTo(caller);
        return found;
    }
    Datum value(AttrNumber column, bool *null) { return slot_getattr(slot_, column, null); }
    void close() { ExecDropSingleTupleTableSlot(slot_); }

private:
    Tuplestorestate *store_;
    MemoryContext row_;
    TupleTableSlot *slot_;
    int pointer_;
};

static std::int64_t integer_of(Datum value, Oid type)
{
    return type == INT2OID ? DatumGetInt16(value) : type == INT4OID ? DatumGetInt32(value) : DatumGetInt64(value);
}

// A growing array that is kept between statements: fresh memory costs more than the work.
template <typename T> struct Kept {
    T *items = nullptr;
    std::size_t count = 0, capacity = 0;

    void add(const T &item)
    {
        if (count == capacity) {
            std::size_t larger = capacity ? capacity * 2 : 1024;
            items = static_cast<T *>(items ? repalloc_huge(items, sizeof(T) * larger) : MemoryContextAllocHuge(TopMemoryContext, sizeof(T) * larger));
            capacity = larger;
        }
        items[count++] = item;
    }
    // Gives much memory back.
    void clear()
    {
        count = 0;
        if (capacity * sizeof(T) > 64 * 1024 * 1024) {
            pfree(items);
            items = nullptr;
            capacity = 0;
        }
    }
};

// A member's key and a code, or a time.
struct Noted {
    std::int64_t key;
    std::int64_t value;
};
static Kept<Noted> noted[2];

static bool by_key(const Noted &a, const Noted &b)
{
    return a.key < b.key;
}
static bool by_value_and_key(const Noted &a, const Noted &b)
{
    return a.value != b.value ? a.value < b.value : a.key < b.key;
}

// Sorts by key, eight bits at a time, as many as they have.
static void sort_by_key(Kept<Noted> &list)
{
    if (list.count < 256) {
        std::sort(list.items, list.items + list.count, by_key);
        return;
    }
    std::int64_t low = list.items[0].key, high = low;
    for (std::size_t i = 1; i < list.count; i++) {
        low = std::min(low, list.items[i].key);
        high = std::max(high, list.items[i].key);
    }
    std::uint64_t span = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
    static Kept<Noted> scratch;
    scratch.count = 0;
    while (scratch.capacity < list.count) {
        scratch.count = scratch.capacity;
        scratch.add({});
    }
    Noted *from = list.items, *to = scratch.items;
    for (int shift = 0; shift < 64 && span >> shift != 0; shift += 8) {
        std::size_t starts[257] = {};
        auto digit = [&](const Noted &item) { return (static_cast<std::uint64_t>(item.key) - static_cast<std::uint64_t>(low)) >> shift & 255; };
        for (std::size_t i = 0; i < list.count; i++)
            starts[digit(from[i]) + 1]++;
        for (int i = 0; i < 256; i++)
            starts[i + 1] += starts[i];
        for (std::size_t i = 0; i < list.count; i++)
            to[starts[digit(from[i])]++] = from[i];
        std::swap(from, to);
    }
    if (from != list.items)
        std::memcpy(list.items, from, sizeof(Noted) * list.count);
    scratch.clear();
}

// Writers of each kind of source --------------------------------------------------------------------------------------------------

// One firing of an AFTER trigger.
struct Firing {
    const Target *target;
    DeltaWriter *writer;
    TransitionRows *before; // OLD, or null
    TransitionRows *after;  // NEW, or null
    Oid key_type;
    bool nested;
    bool far;      // a member's key has no chunk
    bool *changed; // by position of the target's fields: whether an UPDATE changed it
};

// The member of a row; false where it is nobody's, or its key lies so far away that a dense index has no chunk for it.
static bool key_of(Firing &firing, TransitionRows *rows, std::int64_t *key)
{
    bool null;
    Datum value = rows->value(firing.target->source.member, &null);
    if (null)
        return false;
    *key = integer_of(value, firing.key_type);
    if (firing.target->index->sparse || has_chunk(*key))
        return true;
    firing.far = true;
    return false;
}

// Values of NEW rows that will be looked up in the table get their codes now.
static void learn_values(Firing &firing)
{
    const Target &target = *firing.target;
    if (firing.after == nullptr)
        return;
    for (firing.after->rewind(); firing.after->next();) {
        for (int i = 0; i < target.field_count; i++) {
            const IndexField &field = *target.fields[i];
            if (!has_dictionary(field))
                continue;
            bool null;
            Datum value = firing.after->value(field.kind == field_membership ? target.source.value : target.columns[i], &null);
            if (null)
                continue;
            if (field.kind != field_array) {
                code_of(target.index, field, value);
                continue;
            }
            for (Datum element : elements_of(field, value))
                code_of(target.index, field, element);
        }
    }
}

// Members of whom only the tables know.
static void write_dirty(Firing &firing, std::uint16_t source)
{
    firing.writer->begin_keys(ChangeKind::dirty, source);
    for (TransitionRows *rows : {firing.before, firing.after}) {
        if (rows == nullptr)
            continue;
        std::int64_t key;
        for (rows->rewind(); rows->next();)
            if (key_of(firing, rows, &key))
                firing.writer->key(key);
    }
}

// Codes of the list, grouped.
static void write_codes(Firing &firing, ChangeKind kind, std::uint16_t field, Kept<Noted> &list)
{
    std::sort(list.items, list.items + list.count, by_value_and_key);
    for (std::size_t i = 0; i < list.count; i++) {
        if (i == 0 || list.items[i].value != list.items[i - 1].value)
            firing.writer->begin_keys(kind, field, static_cast<std::int32_t>(list.items[i].value));
        if (i == 0 || list.items[i].value != list.items[i - 1].value || list.items[i].key != list.items[i - 1].key)
            firing.writer->key(list.items[i].key);
    }
    list.clear();
}

// The columns of the audience that are numbers, at most 64 of them at a time, of all NEW rows; only: bits of the ones that have changed.
static void write_columns(Firing &firing, const int *fields, std::size_t count)
{
    const Target &target = *firing.target;
    std::uint16_t numbers[max_set_fields];
    for (std::size_t i = 0; i < count; i++)
        numbers[i] = target.fields[fields[i]]->number;
    firing.writer->begin_set(numbers, count);
    for (firing.after->rewind(); firing.after->next();) {
        std::int64_t key, values[max_set_fields];
        if (!key_of(firing, firing.after, &key))
            continue;
        std::uint64_t nulls = 0;
        for (std::size_t i = 0; i < count; i++) {
            bool null;
            Datum value = firing.after->value(target.columns[fields[i]], &null);
            if (null)
                nulls |= std::uint64_t(1) << i;
            values[i] = null ? 0 : image_of(target.index, *target.fields[fields[i]], value);
        }
        firing.writer->set(key, nulls, values);
    }
}

// Elements of an array column: those of OLD leave, those of NEW join.
static void write_elements(Firing &firing, int which)
{
    const Target &target = *firing.target;
    const IndexField &field = *target.fields[which];
    TransitionRows *rows[] = {firing.before, firing.after};
    for (int side = 0; side < 2; side++) {
        if (rows[side] == nullptr)
            continue;
        std::int64_t key;
        for (rows[side]->rewind(); rows[side]->next();) {
            bool null;
            Datum value = rows[side]->value(target.columns[which], &null);
            if (null || !key_of(firing, rows[side], &key))
                continue;
            for (Datum element : elements_of(field, value))
                noted[0].add({key, code_of(target.index, field, element)});
        }
        write_codes(firing, side == 0 ? ChangeKind::leave : ChangeKind::join, field.number, noted[0]);
    }
}

static bool same_value(const IndexField &field, Datum a, bool a_null, Datum b, bool b_null)
{
    if (a_null || b_null)
        return a_null && b_null;
    if (is_set(field))
        return datumIsEqual(PointerGetDatum(PG_DETOAST_DATUM(a)), PointerGetDatum(PG_DETOAST_DATUM(b)), false, -1);
    return datum_image_eq(a, b, field.by_value, field.type_length);
}

// Which fields an UPDATE changed, as flags; false where OLD and NEW rows are not the same members in the same order.
static bool compare_rows(Firing &firing)
{
    const Target &target = *firing.target;
    bool *changed = firing.changed;
    firing.before->rewind();
    firing.after->rewind();
    for (;;) {
        bool left = firing.before->next(), right = firing.after->next();
        if (left != right)
            return false;
        if (!left)
            return true;
        std::int64_t old_key, new_key;
        if (!key_of(firing, firing.before, &old_key) || !key_of(firing, firing.after, &new_key) || old_key != new_key)
            return false;
        for (int i = 0; i < target.field_count; i++) {
            if (changed[i])
                continue;
            bool old_null, new_null;
            Datum was = firing.before->value(target.columns[i], &old_null), is = firing.after->value(target.columns[i], &new_null);
            changed[i] = !same_value(*target.fields[i], was, old_null, is, new_null);
        }
    }
}

static void write_audience(Firing &firing)
{
    const Target &target = *firing.target;
    bool *changed = firing.changed;
    bool update = firing.before != nullptr && firing.after != nullptr;
    bool keys_stay = update && compare_rows(firing);
    if (!keys_stay)
        std::fill_n(changed, target.field_count, true);
    if (firing.nested) {
        bool any = !update || !keys_stay;
        for (int i = 0; i < target.field_count; i++)
            any = any || changed[i];
        if (any) {
            learn_values(firing);
            write_dirty(firing, target.source.number);
        }
    } else {
        std::int64_t key;
        if (firing.before != nullptr && !keys_stay) {
            firing.writer->begin_keys(ChangeKind::gone, field_present);
            for (firing.before->rewind(); firing.before->next();)
                if (key_of(firing, firing.before, &key))
                    firing.writer->key(key);
        }
        int fields[max_set_fields];
        std::size_t count = 0;
        // Who is new exists, even where no column is kept.
        bool write = firing.after != nullptr && !keys_stay && target.field_count == 0;
        for (int i = 0; i < target.field_count; i++) {
            if (!changed[i])
                continue;
            if (is_set(*target.fields[i])) {
                write_elements(firing, i);
                write = write || (firing.after != nullptr && !keys_stay);
                continue;
            }
            fields[count++] = i;
            if (count == max_set_fields && firing.after != nullptr) {
                write_columns(firing, fields, count);
                count = 0;
                write = false;
            }
        }
        if (firing.after != nullptr && (count > 0 || write))
            write_columns(firing, fields, count);
    }
    // Rows of other tables may have waited for a member that had no position before.
    if (target.index->sparse && firing.after != nullptr && !keys_stay)
        for (const IndexSource &other : target.index->sources)
            if (other.kind != source_audience)
                write_dirty(firing, other.number);
}

static void write_membership(Firing &firing)
{
    const Target &target = *firing.target;
    bool unordered = firing.nested || (firing.before != nullptr && !target.unique);
    if (firing.before != nullptr && !unordered) {
        // To a unique index NULLs are different values.
        for (firing.before->rewind(); !unordered && firing.before->next();)
            firing.before->value(target.source.value, &unordered);
    }
    if (unordered) {
        learn_values(firing);
        write_dirty(firing, target.source.number);
        return;
    }
    const IndexField &field = *target.fields[0];
    TransitionRows *rows[] = {firing.before, firing.after};
    for (int side = 0; side < 2; side++) {
        if (rows[side] == nullptr)
            continue;
        std::int64_t key;
        for (rows[side]->rewind(); rows[side]->next();) {
            bool null;
            Datum value = rows[side]->value(target.source.value, &null);
            if (key_of(firing, rows[side], &key))
                noted[side].add({key, null ? null_code : code_of(target.index, field, value)});
        }
    }
    write_codes(firing, ChangeKind::leave, field.number, noted[0]);
    write_codes(firing, ChangeKind::join, field.number, noted[1]);
}

// The field in which an event counts, or 0.
static std::uint16_t field_of_kind(const Target &target, TransitionRows *rows)
{
    if (target.source.event_kind == 0)
        return target.kinds[0].field;
    bool null;
    Datum kind = rows->value(target.source.event_kind, &null);
    if (null)
        return 0;
    for (int i = 0; i < target.kind_count; i++) {
        if (target.kind_type.by_value) {
            if (target.kinds[i].kind == kind)
                return target.kinds[i].field;
            continue;
        }
        const char *wanted = DatumGetPointer(target.kinds[i].kind), *has = reinterpret_cast<const char *>(PG_DETOAST_DATUM_PACKED(kind));
        if (VARSIZE_ANY_EXHDR(wanted) == VARSIZE_ANY_EXHDR(has) && std::memcmp(VARDATA_ANY(wanted), VARDATA_ANY(has), VARSIZE_ANY_EXHDR(has)) == 0)
            return target.kinds[i].field;
    }
    return 0;
}

// Whether an UPDATE changed no event's member, time or kind.
static bool same_events(Firing &firing)
{
    const Target &target = *firing.target;
    firing.before->rewind();
    firing.after->rewind();
    for (;;) {
        bool left = firing.before->next(), right = firing.after->next();
        if (left != right)
            return false;
        if (!left)
            return true;
        for (AttrNumber column : {target.source.member, target.source.at, target.source.event_kind}) {
            if (column == 0)
                continue;
            bool old_null, new_null;
            Datum was = firing.before->value(column, &old_null), is = firing.after->value(column, &new_null);
            bool kind = column == target.source.event_kind;
            if (old_null != new_null || (!old_null && !datum_image_eq(was, is, !kind || target.kind_type.by_value, kind ? target.kind_type.type_length : 8)))
                return false;
        }
    }
}

static void write_events(Firing &firing)
{
    const Target &target = *firing.target;
    if (firing.before != nullptr) {
        if (firing.after == nullptr || !same_events(firing))
            write_dirty(firing, target.source.number);
        return;
    }
    // One kind after the other; most statements have one.
    for (int kind = 0; kind < target.kind_count; kind++) {
        std::uint16_t field = target.kinds[kind].field;
        std::int64_t key;
        bool others = false;
        for (firing.after->rewind(); firing.after->next();) {
            bool null;
            std::uint16_t counted = field_of_kind(target, firing.after);
            others = others || (counted != 0 && counted != field);
            if (counted != field)
                continue;
            Datum at = firing.after->value(target.source.at, &null);
            if (!null && key_of(firing, firing.after, &key))
                noted[0].add({key, DatumGetTimestampTz(at)});
        }
        sort_by_key(noted[0]);
        firing.writer->begin_events(field);
        for (std::size_t i = 0; i < noted[0].count;) {
            std::int64_t first = noted[0].items[i].value, last = first;
            std::size_t from = i;
            for (i++; i < noted[0].count && noted[0].items[i].key == noted[0].items[from].key; i++) {
                first = std::min(first, noted[0].items[i].value);
                last = std::max(last, noted[0].items[i].value);
            }
            firing.writer->events(noted[0].items[from].key, i - from, first, last);
        }
        bool found = noted[0].count > 0;
        noted[0].clear();
        if (found && !others)
            break;
    }
}

// Notes what a statement did for one index; gives the bytes that it took.
static std::size_t write_changes(const Target &target, TriggerData *trigger, Writing *writing)
{
    // All of one statement has one number: who leaves and comes again in it has come.
    DeltaSink sink = {nullptr, target.index->id, writing ? writing->sequence : 0, 0};
    DeltaWriter writer(insert_delta, &sink);
    noted[0].count = noted[1].count = 0;
    Firing firing = {&target, &writer, nullptr, nullptr, InvalidOid, writing == nullptr || writing->nested, false, nullptr};
    firing.changed = static_cast<bool *>(palloc0(sizeof(bool) * static_cast<std::size_t>(target.field_count + 1)));
    MemoryContext row = AllocSetContextCreate(CurrentMemoryContext, "segments changed row", ALLOCSET_SMALL_SIZES);
    firing.key_type = getBaseType(TupleDescAttr(RelationGetDescr(trigger->tg_relation), target.source.member - 1)->atttypid);
    if (trigger->tg_oldtable != nullptr) {
        firing.before = static_cast<TransitionRows *>(palloc(sizeof(TransitionRows)));
        new (firing.before) TransitionRows(trigger->tg_relation, trigger->tg_oldtable, row);
    }
    if (trigger->tg_newtable != nullptr) {
        firing.after = static_cast<TransitionRows *>(palloc(sizeof(TransitionRows)));
        new (firing.after) TransitionRows(trigger->tg_relation, trigger->tg_newtable, row);
    }
    MemoryContext caller = MemoryContextSwitchTo(row);
    switch (target.source.kind) {
    case source_audience:
        write_audience(firing);
        break;
    case source_membership:
        write_membership(firing);
        break;
    default:
        write_events(firing);
    }
    writer.finish();
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(row);
    if (firing.before != nullptr)
        firing.before->close();
    if (firing.after != nullptr)
        firing.after->close();
    sink.close();
    if (writing != nullptr)
        writing->sequence = sink.sequence;
    if (firing.far && target.source.kind == source_audience)
        mark_stale(target.index->audience, "a key lies too far from the others");
    return sink.bytes;
}

} // namespace segments

extern "C" {

// Trigger on every table of a segment index: before and after each statement.
SEGMENTS_FUNCTION(segments_index_change)
{
    if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_STATEMENT(reinterpret_cast<TriggerData *>(fcinfo->context)->tg_event))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED), errmsg("index_change() is a trigger for each statement")));
    auto *trigger = reinterpret_cast<TriggerData *>(fcinfo->context);
    const segments::Role *role = segments::role_of(trigger->tg_relation);
    if (role->count == 0)
        return PointerGetDatum(nullptr);
    if (TRIGGER_FIRED_BEFORE(trigger->tg_event)) {
        segments::begin_writing(role->root, CurrentMemoryContext);
        return PointerGetDatum(nullptr);
    }
    if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event)) {
        for (int i = 0; i < role->count; i++)
            segments::mark_stale(role->targets[i].index->audience, psprintf("table %s was truncated", RelationGetRelationName(trigger->tg_relation)));
        return PointerGetDatum(nullptr);
    }
    segments::Writing *writing = segments::innermost(role->root);
    std::size_t bytes = 0;
    for (int i = 0; i < role->count; i++)
        bytes += segments::write_changes(role->targets[i], trigger, writing);
    if (writing != nullptr)
        segments::end_writing(writing);
    if (bytes > 0)
        segments::note_written(*role->targets[0].index, bytes);
    return PointerGetDatum(nullptr);
}

} // extern "C"
