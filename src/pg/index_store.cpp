// Slices and their directory, as rows of tables. See index.hpp.
#include "index.hpp"

#include "boundary.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

extern "C" {
#include "access/heapam.h"
#include "catalog/indexing.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
}

namespace segments {

// In front of a slice's bits: which index, chunk, and slice of which field it is.
struct SliceHeader {
    std::int32_t index;
    std::int32_t chunk;
    std::uint32_t tag;
};

// A slice's tuple fills a page; its bits begin at a multiple of 64 bytes.
constexpr std::size_t slice_datum = VARHDRSZ + sizeof(SliceHeader) + slice_bytes;
static_assert(MAXALIGN(SizeofHeapTupleHeader) + slice_datum == 7720);

std::uint32_t slice_tag(std::uint16_t field, std::int32_t code, int slice)
{
    return hash_combine(hash_bytes_uint32(static_cast<std::uint32_t>(field) << 8 | static_cast<std::uint32_t>(slice)), hash_bytes_uint32(code));
}

// Reading ----------------------------------------------------------------------------------------------------------------------------

[[noreturn]] static void damaged(const SegmentIndex *index, const char *what)
{
    ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED), errmsg("segment index of audience %s is damaged: %s", get_rel_name(index->audience), what),
                    errhint("Use segments.rebuild_index().")));
    pg_unreachable();
}

// Calls visit(chunk, bytes, size) for the entries of a field and code, as the active snapshot sees them.
template <typename Visit> static void scan_entries(const SegmentIndex *index, std::uint16_t field, std::int32_t code, Visit &&visit)
{
    Relation relation = table_open(index_table(IndexTable::slice_entry), AccessShareLock);
    Relation by = index_open(index_table_key(IndexTable::slice_entry), AccessShareLock);
    ScanKeyData keys[3];
    ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(index->id));
    ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(static_cast<std::int16_t>(field)));
    ScanKeyInit(&keys[2], 3, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(code));
    SysScanDesc scan = systable_beginscan_ordered(relation, by, GetActiveSnapshot(), 3, keys);
    for (HeapTuple tuple = systable_getnext_ordered(scan, ForwardScanDirection); HeapTupleIsValid(tuple);
         tuple = systable_getnext_ordered(scan, ForwardScanDirection)) {
        bool null;
        std::int32_t chunk = DatumGetInt32(heap_getattr(tuple, 4, RelationGetDescr(relation), &null));
        auto *data = reinterpret_cast<bytea *>(DatumGetPointer(heap_getattr(tuple, 5, RelationGetDescr(relation), &null)));
        visit(chunk, reinterpret_cast<const unsigned char *>(VARDATA_ANY(data)), VARSIZE_ANY_EXHDR(data));
    }
    systable_endscan_ordered(scan);
    index_close(by, AccessShareLock);
    table_close(relation, AccessShareLock);
}

std::ptrdiff_t base_of(const SegmentIndex *index, std::int32_t chunk)
{
    auto found = std::lower_bound(index->chunks.begin(), index->chunks.end(), chunk);
    return found == index->chunks.end() || *found != chunk ? -1 : found - index->chunks.begin();
}

void load_chunks(SegmentIndex *index)
{
    MemoryContext caller = MemoryContextSwitchTo(index->directory_context);
    std::size_t count = 0, capacity = 64;
    auto *chunks = static_cast<std::int32_t *>(palloc(sizeof(std::int32_t) * capacity));
    scan_entries(index, field_present, 0, [&](std::int32_t chunk, const unsigned char *, std::size_t) {
        if (count == capacity)
            chunks = static_cast<std::int32_t *>(repalloc(chunks, sizeof(std::int32_t) * (capacity *= 2)));
        chunks[count++] = chunk;
    });
    index->chunks = {chunks, count};
    index->keys = static_cast<KeyMap **>(palloc0(sizeof(KeyMap *) * (count + 1)));
    MemoryContextSwitchTo(caller);
    index->present = load_set(index, field_present, 0);
}

// Slots of the index's arrays by field number; that of the keys comes last.
static std::size_t slot_of(const SegmentIndex *index, std::uint16_t field)
{
    return field == field_key ? index->fields.size() + 1 : field;
}

ColumnDirectory *load_column(SegmentIndex *index, std::uint16_t field)
{
    ColumnDirectory *&known = index->columns[slot_of(index, field)];
    if (known != nullptr)
        return known;
    MemoryContext caller = MemoryContextSwitchTo(index->directory_context);
    auto *directory = static_cast<ColumnDirectory *>(palloc0(sizeof(ColumnDirectory)));
    directory->entries = static_cast<const ColumnEntry **>(palloc0(sizeof(ColumnEntry *) * (index->chunks.size() + 1)));
    directory->recent = static_cast<Buffer *>(palloc0(sizeof(Buffer) * 65 * (index->chunks.size() + 1)));
    scan_entries(index, field, 0, [&](std::int32_t chunk, const unsigned char *bytes, std::size_t size) {
        ColumnEntry entry;
        if (!read_entry(bytes, size, entry))
            damaged(index, "an entry cannot be read");
        std::ptrdiff_t position = base_of(index, chunk);
        if (position < 0)
            damaged(index, "an entry has no chunk");
        // Without the slices that there aren't.
        std::size_t taken = offsetof(ColumnEntry, slices) + sizeof(SliceRef) * entry.bits;
        auto *kept = static_cast<ColumnEntry *>(palloc(taken));
        std::memcpy(static_cast<void *>(kept), &entry, taken);
        directory->entries[position] = kept;
    });
    MemoryContextSwitchTo(caller);
    return known = directory;
}

SetDirectory *load_set(SegmentIndex *index, std::uint16_t field, std::int32_t code)
{
    List *&known = index->sets[field];
    ListCell *cell;
    foreach (cell, known)
        if (static_cast<SetDirectory *>(lfirst(cell))->code == code)
            return static_cast<SetDirectory *>(lfirst(cell));
    MemoryContext caller = MemoryContextSwitchTo(index->directory_context);
    auto *directory = static_cast<SetDirectory *>(palloc0(sizeof(SetDirectory)));
    directory->code = code;
    directory->entries = static_cast<const SetEntry **>(palloc0(sizeof(SetEntry *) * (index->chunks.size() + 1)));
    directory->recent = static_cast<Buffer *>(palloc0(sizeof(Buffer) * (index->chunks.size() + 1)));
    scan_entries(index, field, code, [&](std::int32_t chunk, const unsigned char *bytes, std::size_t size) {
        auto *copied = static_cast<unsigned char *>(palloc(size + 1));
        std::memcpy(copied, bytes, size);
        auto *entry = static_cast<SetEntry *>(palloc(sizeof(SetEntry)));
        if (!read_entry(copied, size, *entry))
            damaged(index, "an entry cannot be read");
        std::ptrdiff_t position = base_of(index, chunk);
        if (position < 0)
            damaged(index, "an entry has no chunk");
        directory->entries[position] = entry;
    });
    known = lappend(known, directory);
    MemoryContextSwitchTo(caller);
    return directory;
}

const KeyMap *load_keys(SegmentIndex *index, std::size_t position)
{
    if (index->keys[position] != nullptr)
        return index->keys[position];
    ColumnDirectory *directory = load_column(index, field_key);
    const ColumnEntry *entry = directory->entries[position];
    MemoryContext caller = MemoryContextSwitchTo(index->directory_context);
    auto *map = static_cast<KeyMap *>(palloc0(sizeof(KeyMap)));
    map->count = entry == nullptr ? 0 : entry->valued;
    map->keys = static_cast<std::int64_t *>(palloc(sizeof(std::int64_t) * chunk_size));
    map->sorted = static_cast<std::uint16_t *>(palloc(sizeof(std::uint16_t) * (map->count + 1)));
    if (entry != nullptr) {
        Relation slices = table_open(index_table(IndexTable::slice), AccessShareLock);
        SlicePins pins(index, slices);
        const Word *pointers[64];
        for (int i = 0; i < entry->bits; i++)
            pointers[i] = pins.pin(entry->slices[i], index->chunks[position], slice_tag(field_key, 0, entry->bits - 1 - i), &directory->recent[position * 65 + i]);
        kernels().decode(reinterpret_cast<std::uint64_t *>(map->keys), pointers, entry->bits);
        pins.release();
        table_close(slices, AccessShareLock);
        for (std::size_t i = 0; i < map->count; i++) {
            map->keys[i] = static_cast<std::int64_t>(static_cast<std::uint64_t>(map->keys[i]) + static_cast<std::uint64_t>(entry->minimum));
            map->sorted[i] = static_cast<std::uint16_t>(i);
        }
        const std::int64_t *keys = map->keys;
        std::sort(map->sorted, map->sorted + map->count, [keys](std::uint16_t a, std::uint16_t b) { return keys[a] < keys[b]; });
    }
    MemoryContextSwitchTo(caller);
    return index->keys[position] = map;
}

Usage slice_usage(const SegmentIndex *index)
{
    Usage usage = {};
    Relation relation = table_open(index_table(IndexTable::slice_entry), AccessShareLock);
    ScanKeyData key;
    ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(index->id));
    SysScanDesc scan = systable_beginscan(relation, index_table_key(IndexTable::slice_entry), true, GetActiveSnapshot(), 1, &key);
    auto count = [&](SliceRef ref) { usage.slices += ref != slice_none && ref != slice_all; };
    for (HeapTuple tuple = systable_getnext(scan); HeapTupleIsValid(tuple); tuple = systable_getnext(scan)) {
        bool null;
        auto number = static_cast<std::uint16_t>(DatumGetInt16(heap_getattr(tuple, 2, RelationGetDescr(relation), &null)));
        auto *data = reinterpret_cast<bytea *>(DatumGetPointer(heap_getattr(tuple, 5, RelationGetDescr(relation), &null)));
        auto *bytes = reinterpret_cast<const unsigned char *>(VARDATA_ANY(data));
        const IndexField *field = field_of(index, number);
        ColumnEntry column;
        SetEntry set;
        if (number == field_present || (field != nullptr && is_set(*field))) {
            if (read_entry(bytes, VARSIZE_ANY_EXHDR(data), set) && set.kind == SetKind::slice)
                count(set.slice);
        } else if (read_entry(bytes, VARSIZE_ANY_EXHDR(data), column)) {
            count(column.has);
            for (int i = 0; i < column.bits; i++)
                count(column.slices[i]);
        }
        usage.bytes += tuple->t_len;
    }
    systable_endscan(scan);
    table_close(relation, AccessShareLock);
    usage.bytes += usage.slices * BLCKSZ;
    return usage;
}

// The bits on a page, if they are those of the slice that is looked for.
static const Word *slice_on(Page page, OffsetNumber offset, std::int32_t id, std::int32_t chunk, std::uint32_t tag)
{
    if (offset == 0 || offset > PageGetMaxOffsetNumber(page))
        return nullptr;
    ItemId item = PageGetItemId(page, offset);
    if (!ItemIdIsNormal(item) || ItemIdGetLength(item) != MAXALIGN(SizeofHeapTupleHeader) + slice_datum)
        return nullptr;
    const char *tuple = static_cast<const char *>(static_cast<const void *>(PageGetItem(page, item)));
    SliceHeader header;
    std::memcpy(&header, tuple + MAXALIGN(SizeofHeapTupleHeader) + VARHDRSZ, sizeof(header));
    if (header.index != id || header.chunk != chunk || header.tag != tag)
        return nullptr;
    return reinterpret_cast<const Word *>(tuple + MAXALIGN(SizeofHeapTupleHeader) + VARHDRSZ + sizeof(header));
}

// A page, pinned: quickly, where it still is in the buffer in which it was last.
Buffer read_page(Relation relation, BlockNumber block, Buffer *recent)
{
    bool there = false;
#if PG_VERSION_NUM < 160000
    there = BufferIsValid(*recent) && ReadRecentBuffer(relation->rd_node, MAIN_FORKNUM, block, *recent);
#else
    there = BufferIsValid(*recent) && ReadRecentBuffer(relation->rd_locator, MAIN_FORKNUM, block, *recent);
#endif
    if (!there)
        *recent = ReadBuffer(relation, block);
    return *recent;
}

// So many that each backend has some left, as where PostgreSQL itself pins many.
SlicePins::SlicePins(const SegmentIndex *index, Relation slices) : index_(index), slices_(slices), limit_(std::max(1, NBuffers / std::max(1, MaxBackends))) {}

const Word *SlicePins::pin(SliceRef ref, std::int32_t chunk, std::uint32_t tag, Buffer *recent)
{
    if (ref == slice_none)
        return no_members.words;
    if (ref == slice_all)
        return all_members.words;
    Buffer buffer = read_page(slices_, static_cast<BlockNumber>(ref >> 16), recent);
    const Word *bits = slice_on(BufferGetPage(buffer), static_cast<OffsetNumber>(ref & 0xffff), index_->id, chunk, tag);
    if (bits == nullptr)
        damaged(index_, "a slice is not where it should be");
    if (count_ < limit_) {
        pinned_[count_++] = buffer;
        return bits;
    }
    if (copies_ == nullptr)
        copies_ = palloc(sizeof(Mask) * most + alignof(Mask));
    Mask *copy = reinterpret_cast<Mask *>(TYPEALIGN(alignof(Mask), copies_)) + copied_++;
    std::memcpy(copy->words, bits, slice_bytes);
    ReleaseBuffer(buffer);
    return copy->words;
}

void SlicePins::release()
{
    while (count_ > 0)
        ReleaseBuffer(pinned_[--count_]);
    copied_ = 0;
}

SlicePins::~SlicePins()
{
    if (copies_ != nullptr)
        pfree(copies_);
}

// Writing ----------------------------------------------------------------------------------------------------------------------------

SliceWriter::SliceWriter(std::int32_t id) : id_(id)
{
    slices_ = table_open(index_table(IndexTable::slice), RowExclusiveLock);
    entries_ = table_open(index_table(IndexTable::slice_entry), RowExclusiveLock);
    indexes_ = open_indexes(entries_);
    buffer_ = static_cast<unsigned char *>(palloc(VARHDRSZ + 8192));
    slice_ = static_cast<unsigned char *>(palloc(slice_datum));
    planes_ = static_cast<Word *>(palloc_extended(slice_bytes * 65, 0));
    encoded_ = static_cast<std::uint64_t *>(palloc(sizeof(std::uint64_t) * chunk_size));
}

void SliceWriter::close()
{
    CatalogCloseIndexes(indexes_);
    table_close(entries_, NoLock);
    table_close(slices_, NoLock);
    pfree(encoded_);
    pfree(planes_);
    pfree(slice_);
    pfree(buffer_);
}

void SliceWriter::delete_slice(SliceRef old)
{
    if (old == slice_none || old == slice_all)
        return;
    ItemPointerData tid;
    ItemPointerSet(&tid, static_cast<BlockNumber>(old >> 16), static_cast<OffsetNumber>(old & 0xffff));
    simple_heap_delete(slices_, &tid);
}

SliceRef SliceWriter::write_slice(const Word *bits, std::int32_t chunk, std::uint32_t tag, SliceRef old)
{
    std::size_t members = kernels().count(bits);
    if (members == 0 || members == chunk_size) {
        delete_slice(old);
        return members == 0 ? slice_none : slice_all;
    }
    if (old != slice_none && old != slice_all) {
        Buffer buffer = ReadBuffer(slices_, static_cast<BlockNumber>(old >> 16));
        const Word *was = slice_on(BufferGetPage(buffer), static_cast<OffsetNumber>(old & 0xffff), id_, chunk, tag);
        bool same = was != nullptr && std::memcmp(was, bits, slice_bytes) == 0;
        ReleaseBuffer(buffer);
        if (same)
            return old;
    }
    SliceHeader header = {id_, chunk, tag};
    SET_VARSIZE(slice_, slice_datum);
    std::memcpy(slice_ + VARHDRSZ, &header, sizeof(header));
    std::memcpy(slice_ + VARHDRSZ + sizeof(header), bits, slice_bytes);
    Datum value = PointerGetDatum(slice_);
    bool null = false;
    HeapTuple tuple = heap_form_tuple(RelationGetDescr(slices_), &value, &null);
    heap_insert(slices_, tuple, GetCurrentCommandId(true), HEAP_INSERT_NO_LOGICAL, nullptr); // nobody else can use it
    SliceRef ref = static_cast<SliceRef>(ItemPointerGetBlockNumber(&tuple->t_self)) << 16 | ItemPointerGetOffsetNumber(&tuple->t_self);
    heap_freetuple(tuple);
    delete_slice(old);
    return ref;
}

// Writes the row of an entry whose bytes stand in buffer_; size 0: there is to be none.
void SliceWriter::write_entry_row(std::uint16_t field, std::int32_t code, std::int32_t chunk, std::size_t size, bool replace)
{
    SET_VARSIZE(buffer_, VARHDRSZ + size);
    Datum values[] = {Int32GetDatum(id_), Int16GetDatum(static_cast<std::int16_t>(field)), Int32GetDatum(code), Int32GetDatum(chunk), PointerGetDatum(buffer_)};
    bool nulls[5] = {};
    HeapTuple tuple = size > 0 ? heap_form_tuple(RelationGetDescr(entries_), values, nulls) : nullptr;
    if (replace) {
        ScanKeyData keys[4];
        RegProcedure equals[] = {F_INT4EQ, F_INT2EQ, F_INT4EQ, F_INT4EQ};
        for (int i = 0; i < 4; i++)
            ScanKeyInit(&keys[i], static_cast<AttrNumber>(i + 1), BTEqualStrategyNumber, equals[i], values[i]);
        SysScanDesc scan = systable_beginscan(entries_, index_table_key(IndexTable::slice_entry), true, nullptr, 4, keys);
        HeapTuple old = systable_getnext(scan);
        if (!HeapTupleIsValid(old))
            elog(ERROR, "an entry of a segment index is missing");
        if (tuple != nullptr)
            CatalogTupleUpdateWithInfo(entries_, &old->t_self, tuple, indexes_);
        else
            CatalogTupleDelete(entries_, &old->t_self);
        systable_endscan(scan);
    } else if (tuple != nullptr) {
        CatalogTupleInsertWithInfo(entries_, tuple, indexes_);
    }
    if (tuple != nullptr)
        heap_freetuple(tuple);
}

void SliceWriter::write_column(std::uint16_t field, std::int32_t chunk, const std::int64_t *values, const Word *has, const Word *present,
                               const ColumnEntry *old)
{
    ColumnEntry entry = {};
    entry.has = slice_all;
    entry.valued = chunk_size;
    Word *has_plane = planes_ + slice_words * 64;
    if (has != nullptr) {
        entry.valued = static_cast<std::uint32_t>(kernels().count(has));
        // Where all who exist have a value, nobody needs to look.
        if (kernels().count_both(has, present) != kernels().count(present) || entry.valued == 0)
            entry.has = entry.valued == 0 ? slice_none : slice_none + 1;
    }
    std::int64_t low = PG_INT64_MAX, high = PG_INT64_MIN;
    for (std::size_t i = 0; i < chunk_size; i++)
        if (has == nullptr || test_bit(has, i)) {
            low = std::min(low, values[i]);
            high = std::max(high, values[i]);
        }
    if (entry.valued > 0) {
        entry.minimum = low;
        entry.maximum = high;
    }
    std::uint64_t span = static_cast<std::uint64_t>(entry.maximum) - static_cast<std::uint64_t>(entry.minimum);
    entry.bits = static_cast<std::uint8_t>(std::bit_width(span));
    for (std::size_t i = 0; i < chunk_size; i++)
        encoded_[i] = has == nullptr || test_bit(has, i) ? static_cast<std::uint64_t>(values[i]) - static_cast<std::uint64_t>(entry.minimum) : 0;
    Word *planes[64];
    for (int i = 0; i < entry.bits; i++)
        planes[i] = planes_ + slice_words * static_cast<std::size_t>(i);
    kernels().encode(encoded_, planes, entry.bits);

    // A slice has the number of its bit, from the least significant one, so that a wider column keeps those that did not change.
    for (int i = 0; i < entry.bits; i++) {
        int bit = entry.bits - 1 - i;
        SliceRef before = old != nullptr && bit < old->bits ? old->slices[old->bits - 1 - bit] : slice_none;
        entry.slices[i] = write_slice(planes[i], chunk, slice_tag(field, 0, bit), before);
    }
    for (int bit = entry.bits; old != nullptr && bit < old->bits; bit++)
        delete_slice(old->slices[old->bits - 1 - bit]);
    if (entry.has == slice_none + 1) {
        std::memcpy(has_plane, has, slice_bytes);
        entry.has = write_slice(has_plane, chunk, slice_tag(field, 0, slice_has), old != nullptr ? old->has : slice_none);
    } else if (old != nullptr) {
        delete_slice(old->has);
    }
    write_entry(entry, buffer_ + VARHDRSZ);
    write_entry_row(field, 0, chunk, entry_size(entry), old != nullptr);
}

void SliceWriter::write_set(std::uint16_t field, std::int32_t code, std::int32_t chunk, const Word *members, const SetEntry *old, bool keep_empty)
{
    SetEntry entry = {};
    entry.count = static_cast<std::uint32_t>(kernels().count(members));
    SliceRef before = old != nullptr && old->kind == SetKind::slice ? old->slice : slice_none;
    std::uint16_t positions[max_array];
    if (entry.count == 0) {
        entry.kind = SetKind::none;
    } else if (entry.count == chunk_size) {
        entry.kind = SetKind::all;
    } else if (entry.count > max_array) {
        entry.kind = SetKind::slice;
        entry.slice = write_slice(members, chunk, slice_tag(field, code, 0), before);
        before = slice_none;
    } else {
        entry.kind = SetKind::array;
        entry.positions = positions;
        std::size_t found = 0;
        for (std::size_t word = 0; word < slice_words; word++)
            for (Word left = members[word]; left != 0; left &= left - 1)
                positions[found++] = static_cast<std::uint16_t>(word * 64 + static_cast<std::size_t>(std::countr_zero(left)));
    }
    delete_slice(before);
    bool kept = entry.kind != SetKind::none || keep_empty;
    if (kept)
        write_entry(entry, buffer_ + VARHDRSZ);
    write_entry_row(field, code, chunk, kept ? entry_size(entry) : 0, old != nullptr);
}

} // namespace segments
