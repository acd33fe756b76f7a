// What statements change in the tables of segment indexes, noted by their triggers. See index.hpp.
//
// Each AFTER trigger packs what its statement did into rows of segments.delta. They are ordered by a number that is drawn while the statement
// still holds the locks of the rows that it changed: two changes of one member are in the order of their commits. What has no such order, or
// can't be undone by adding, is noted as dirty: whoever reads looks the member up in the tables.
#include "index_write.hpp"

#include "boundary.hpp"
#include "delta_pages.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

extern "C" {
#include "access/heapam.h"
#include "access/xact.h"
#include "catalog/partition.h"
#include "catalog/pg_inherits.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"
}

namespace segments {

// Rows of changes ---------------------------------------------------------------------------------------------------------------------

// A page of changes is settled when so many others have been begun after it: its transactions are over by then, and what says so is on disk, even where
// their clients did not wait for that.
constexpr BlockNumber settled_after = 64;

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
    Datum values[] = {Int32GetDatum(sink->id), Int64GetDatum(sink->sequence == any_order ? 0 : sink->sequence), PointerGetDatum(data)};
    bool nulls[3] = {};
    HeapTuple tuple = heap_form_tuple(RelationGetDescr(sink->relation), values, nulls);
    heap_insert(sink->relation, tuple, GetCurrentCommandId(true), HEAP_INSERT_NO_LOGICAL, nullptr);
    BlockNumber block = ItemPointerGetBlockNumber(&tuple->t_self);
    bool first = ItemPointerGetOffsetNumber(&tuple->t_self) == FirstOffsetNumber;
    heap_freetuple(tuple);
    sink->bytes += size;
    if (first && block >= settled_after && ActiveSnapshotSet())
        settle_page(sink->relation, block - settled_after);
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
static Kept<Noted> noted;

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

// Calls visit(key) at each row that is a member's; there may be no rows.
template <typename Visit> static void each_member(Firing &firing, TransitionRows *rows, Visit &&visit)
{
    if (rows == nullptr)
        return;
    std::int64_t key;
    for (rows->rewind(); rows->next();)
        if (key_of(firing, rows, &key))
            visit(key);
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
    for (TransitionRows *rows : {firing.before, firing.after})
        each_member(firing, rows, [&](std::int64_t key) { firing.writer->key(key); });
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

// The columns of the audience that are numbers, at most 64 of them at a time, of all NEW rows.
static void write_columns(Firing &firing, const int *fields, std::size_t count)
{
    const Target &target = *firing.target;
    std::uint16_t numbers[max_set_fields];
    for (std::size_t i = 0; i < count; i++)
        numbers[i] = target.fields[fields[i]]->number;
    firing.writer->begin_set(numbers, count);
    each_member(firing, firing.after, [&](std::int64_t key) {
        std::int64_t values[max_set_fields];
        std::uint64_t nulls = 0;
        for (std::size_t i = 0; i < count; i++) {
            bool null;
            Datum value = firing.after->value(target.columns[fields[i]], &null);
            if (null)
                nulls |= std::uint64_t(1) << i;
            values[i] = null ? 0 : image_of(target.index, *target.fields[fields[i]], value);
        }
        firing.writer->set(key, nulls, values);
    });
}

// Elements of an array column: those of OLD leave, those of NEW join.
static void write_elements(Firing &firing, int which)
{
    const Target &target = *firing.target;
    const IndexField &field = *target.fields[which];
    auto write = [&](ChangeKind kind, TransitionRows *rows) {
        each_member(firing, rows, [&](std::int64_t key) {
            bool null;
            Datum value = rows->value(target.columns[which], &null);
            if (null)
                return;
            for (Datum element : elements_of(field, value))
                noted.add({key, code_of(target.index, field, element)});
        });
        write_codes(firing, kind, field.number, noted);
    };
    write(ChangeKind::leave, firing.before);
    write(ChangeKind::join, firing.after);
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
    if (IsolationUsesXactSnapshot() && !keys_stay)
        each_member(firing, firing.after, [&](std::int64_t key) { note_added(target.source.relation, key); });
    if (firing.nested) {
        bool any = !update || !keys_stay;
        for (int i = 0; i < target.field_count; i++)
            any = any || changed[i];
        if (any) {
            learn_values(firing);
            write_dirty(firing, target.source.number);
        }
    } else {
        if (firing.before != nullptr && !keys_stay) {
            firing.writer->begin_keys(ChangeKind::gone, field_present);
            each_member(firing, firing.before, [&](std::int64_t key) { firing.writer->key(key); });
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
    // Who leaves a list may be in it by another row: where lists are not unique, or this transaction sees rows that others removed, and its own besides.
    bool unordered = firing.nested || (firing.before != nullptr && (!target.unique || has_added(target.source.relation)));
    if (IsolationUsesXactSnapshot() && firing.after != nullptr)
        note_added(target.source.relation);
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
    auto write = [&](ChangeKind kind, TransitionRows *rows) {
        each_member(firing, rows, [&](std::int64_t key) {
            bool null;
            Datum value = rows->value(target.source.value, &null);
            noted.add({key, null ? null_code : code_of(target.index, field, value)});
        });
        write_codes(firing, kind, field.number, noted);
    };
    write(ChangeKind::leave, firing.before);
    write(ChangeKind::join, firing.after);
}

// Which of the target's kinds an event is of, or -1.
static int kind_of(const Target &target, TransitionRows *rows)
{
    if (target.source.event_kind == 0)
        return 0;
    bool null;
    Datum kind = rows->value(target.source.event_kind, &null);
    if (null)
        return -1;
    for (int i = 0; i < target.kind_count; i++) {
        if (target.kind_type.by_value) {
            if (target.kinds[i].kind == kind)
                return i;
            continue;
        }
        const char *wanted = DatumGetPointer(target.kinds[i].kind), *has = reinterpret_cast<const char *>(PG_DETOAST_DATUM_PACKED(kind));
        if (VARSIZE_ANY_EXHDR(wanted) == VARSIZE_ANY_EXHDR(has) && std::memcmp(VARDATA_ANY(wanted), VARDATA_ANY(has), VARSIZE_ANY_EXHDR(has)) == 0)
            return i;
    }
    return -1;
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
    static Kept<Kept<Noted>> kinds;
    while (kinds.count < static_cast<std::size_t>(target.kind_count))
        kinds.add({});
    for (int kind = 0; kind < target.kind_count; kind++)
        kinds.items[kind].count = 0;
    for (firing.after->rewind(); firing.after->next();) {
        int kind = kind_of(target, firing.after);
        std::int64_t key;
        bool null;
        if (kind < 0 || !key_of(firing, firing.after, &key))
            continue;
        Datum at = firing.after->value(target.source.at, &null);
        if (!null)
            kinds.items[kind].add({key, DatumGetTimestampTz(at)});
    }
    for (int kind = 0; kind < target.kind_count; kind++) {
        Kept<Noted> &list = kinds.items[kind];
        if (list.count == 0)
            continue;
        sort_by_key(list);
        firing.writer->begin_events(target.kinds[kind].field);
        for (std::size_t i = 0; i < list.count;) {
            std::int64_t first = list.items[i].value, last = first;
            std::size_t from = i;
            for (i++; i < list.count && list.items[i].key == list.items[from].key; i++) {
                first = std::min(first, list.items[i].value);
                last = std::max(last, list.items[i].value);
            }
            firing.writer->events(list.items[from].key, i - from, first, last);
        }
        list.clear();
    }
}

// MERGE into partitioned tables ------------------------------------------------------------------------------------------------------------

// Whether this server is older than the minor releases of a day: those of 15, 16, 17 and 18.
static bool is_older_than(int of_15, int of_16, int of_17, int of_18)
{
    static const int version = std::atoi(GetConfigOption("server_version_num", false, false));
    const int major = version / 10000, minor = version % 10000;
    return major <= 18 && minor < (major == 15 ? of_15 : major == 16 ? of_16 : major == 17 ? of_17 : of_18);
}

// What an UPDATE may have changed besides the columns that do not matter here.
struct MayChange {
    bool member;    // whose row it is
    bool partition; // in which partition it lies
};
static MayChange may_change(const TriggerData *trigger, AttrNumber member)
{
    Relation root = trigger->tg_relation;
    const Bitmapset *columns = trigger->tg_updatedcols;
    MayChange may = {bms_is_member(member - FirstLowInvalidHeapAttributeNumber, columns), false};
    ListCell *cell;
    foreach (cell, find_all_inheritors(RelationGetRelid(root), AccessShareLock, nullptr)) {
        Relation part = table_open(lfirst_oid(cell), NoLock);
        if (part->trigdesc != nullptr && part->trigdesc->trig_update_before_row)
            may.member = may.partition = true;
        Bitmapset *own = nullptr;
        for (int column = -1; (column = bms_next_member(columns, column)) >= 0;) {
            AttrNumber number = own_column(RelationGetRelid(part), RelationGetRelid(root), static_cast<AttrNumber>(column + FirstLowInvalidHeapAttributeNumber));
            own = bms_add_member(own, number - FirstLowInvalidHeapAttributeNumber);
        }
        bool in_expression;
        may.partition = may.partition || (part->rd_rel->relkind == RELKIND_PARTITIONED_TABLE && has_partition_attrs(part, own, &in_expression));
        table_close(part, NoLock);
    }
    return may;
}

// What is told of a statement's rows and can be believed.
enum class Trust : std::uint8_t { all, old_rows, nothing };

// What PostgreSQL says of the UPDATE of a MERGE into a partitioned table is not always what was done. Before the minor releases of November 2026 a row
// that is updated after another was inserted has that other one as NEW; until those of February 2027 a row that goes to another partition is not
// among the updated ones, but among removed and inserted ones, to whom it concerns. OLD rows alone are enough where members stay who they are.
static Trust trust_in(const TriggerData *trigger, const Writing *writing, AttrNumber member)
{
    if (writing == nullptr || !writing->maybe_merge || !TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ||
        trigger->tg_relation->rd_rel->relkind != RELKIND_PARTITIONED_TABLE || !is_older_than(21, 17, 13, 8))
        return Trust::all;
    bool garbled = writing->inserts && is_older_than(20, 16, 12, 7);
    MayChange may = may_change(trigger, member);
    if ((garbled && may.member) || (may.partition && !(writing->inserts && writing->deletes)))
        return Trust::nothing;
    return garbled ? Trust::old_rows : Trust::all;
}

// What a statement did is beyond notes: the index is of no use until it is built anew.
static void leave_stale(Oid audience, const char *why)
{
    mark_stale(audience, why);
    note_stale(audience);
}

// Notes what a statement did for one index; gives the bytes that it took.
static std::size_t write_changes(const Target &target, TriggerData *trigger, Writing *writing)
{
    Trust trust = trust_in(trigger, writing, target.source.member);
    if (trust == Trust::nothing) {
        leave_stale(target.index->audience, psprintf("a MERGE may have moved rows of table %s", RelationGetRelationName(trigger->tg_relation)));
        return 0;
    }
    // All of one statement has one number: who leaves and comes again in it has come. Events that are added have none: writers need not meet for it.
    bool adds = target.source.kind == source_events && trigger->tg_oldtable == nullptr;
    DeltaSink sink = {nullptr, target.index->id, adds ? any_order : writing ? writing->sequence : 0, 0};
    DeltaWriter writer(insert_delta, &sink);
    noted.count = 0;
    Firing firing = {&target, &writer, nullptr, nullptr, InvalidOid, writing == nullptr || writing->nested, false, nullptr};
    firing.changed = static_cast<bool *>(palloc0(sizeof(bool) * static_cast<std::size_t>(target.field_count + 1)));
    MemoryContext row = AllocSetContextCreate(CurrentMemoryContext, "segments changed row", ALLOCSET_SMALL_SIZES);
    firing.key_type = getBaseType(TupleDescAttr(RelationGetDescr(trigger->tg_relation), target.source.member - 1)->atttypid);
    if (trigger->tg_oldtable != nullptr) {
        firing.before = static_cast<TransitionRows *>(palloc(sizeof(TransitionRows)));
        new (firing.before) TransitionRows(trigger->tg_relation, trigger->tg_oldtable, row);
    }
    if (trigger->tg_newtable != nullptr && trust == Trust::all) {
        firing.after = static_cast<TransitionRows *>(palloc(sizeof(TransitionRows)));
        new (firing.after) TransitionRows(trigger->tg_relation, trigger->tg_newtable, row);
    }
    MemoryContext caller = MemoryContextSwitchTo(row);
    if (trust == Trust::old_rows)
        write_dirty(firing, target.source.number);
    else if (target.source.kind == source_audience)
        write_audience(firing);
    else if (target.source.kind == source_membership)
        write_membership(firing);
    else
        write_events(firing);
    writer.finish();
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(row);
    if (firing.before != nullptr)
        firing.before->close();
    if (firing.after != nullptr)
        firing.after->close();
    sink.close();
    if (writing != nullptr && !adds)
        writing->sequence = sink.sequence;
    if (firing.far && target.source.kind == source_audience)
        leave_stale(target.index->audience, "a key lies too far from the others");
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
    segments::Role *role = segments::role_of(trigger->tg_relation);
    if (OidIsValid(role->stale) && !role->asked_for) {
        segments::note_stale(role->stale);
        role->asked_for = true;
    }
    if (role->count == 0) {
        // By what came before in this statement an index may have become stale.
        if (TRIGGER_FIRED_AFTER(trigger->tg_event) && !TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
            segments::forget_writing(RelationGetRelid(trigger->tg_relation));
        return PointerGetDatum(nullptr);
    }
    if (TRIGGER_FIRED_BEFORE(trigger->tg_event)) {
        segments::begin_writing(role->root, RelationGetRelid(trigger->tg_relation), CurrentMemoryContext, trigger->tg_event);
        return PointerGetDatum(nullptr);
    }
    if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event)) {
        for (int i = 0; i < role->count; i++)
            segments::leave_stale(role->targets[i].index->audience, psprintf("table %s was truncated", RelationGetRelationName(trigger->tg_relation)));
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
