// What has changed since the slices were written, as a snapshot sees it. See index.hpp.
//
// The overlay stays in the backend: the next look decodes only rows that are new. Rows that are seen no more (an undone savepoint, an older
// snapshot) make it begin anew.
#include "index.hpp"

#include "boundary.hpp"
#include "delta_pages.hpp"

#include <algorithm>
#include <cstring>
#include <sys/mman.h>

extern "C" {
#include "access/heapam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_inherits.h"
#include "common/hashfn.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "utils/snapmgr.h"
}

namespace segments {

// More dirty members than this are not looked up one by one.
constexpr std::size_t max_dirty = 20000;

// A row of segments.delta: where it is, and by which transaction, so that another row in the same place is not taken for it.
struct Applied {
    ItemPointerData place;
    TransactionId xmin;
};

// Memory of an overlay: taken in ever larger pieces, given back with its context. Most of the time of a first look at a million changes would go
// into page faults, so large pieces ask for huge pages.
class OverlayArena final : public Arena {
public:
    explicit OverlayArena(MemoryContext context) : context_(context) {}

    void *allocate(std::size_t size) override
    {
        size = TYPEALIGN(16, size);
        if (size > left_)
            take(size);
        left_ -= size;
        at_ += size;
        return at_ - size;
    }

private:
    static constexpr std::size_t huge_page = 2 * 1024 * 1024;

    void take(std::size_t size)
    {
        size = std::max(size + 16, next_);
        // From half a megabyte on a piece has whole huge pages.
        next_ = next_ > huge_page / 16 ? std::clamp(2 * next_, 2 * huge_page, 8 * huge_page) : 2 * next_;
        auto *piece = static_cast<char *>(MemoryContextAllocExtended(context_, size, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE));
        if (piece == nullptr)
            throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
        auto *first = reinterpret_cast<char *>(TYPEALIGN(huge_page, piece)), *end = reinterpret_cast<char *>(TYPEALIGN_DOWN(huge_page, piece + size));
        if (end > first)
            madvise(first, static_cast<std::size_t>(end - first), MADV_HUGEPAGE);
#endif
        at_ = reinterpret_cast<char *>(TYPEALIGN(16, piece));
        left_ = size - static_cast<std::size_t>(at_ - piece);
    }

    MemoryContext context_;
    char *at_ = nullptr;
    std::size_t left_ = 0, next_ = 8192;
};

static Changes *start_changes(SegmentIndex *index, MemoryContext parent)
{
    MemoryContext context = AllocSetContextCreate(parent, "segments index changes", ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(context);
    auto *changes = static_cast<Changes *>(palloc0(sizeof(Changes)));
    changes->context = context;
    auto *arena = new (palloc(sizeof(OverlayArena))) OverlayArena(context);
    changes->overlay = new (palloc(sizeof(Overlay))) Overlay(*arena);
    changes->by_field = static_cast<FieldChanges **>(palloc0(sizeof(FieldChanges *) * (index->fields.size() + 1)));
    changes->latest = static_cast<std::int64_t *>(palloc(sizeof(std::int64_t) * (index->fields.size() + 1)));
    std::fill_n(changes->latest, index->fields.size() + 1, PG_INT64_MIN);
    changes->dirty = static_cast<List **>(palloc0(sizeof(List *) * (index->sources.size() + 1)));
    changes->dirty_resolved = static_cast<bool *>(palloc0(sizeof(bool) * (index->sources.size() + 1)));
    MemoryContextSwitchTo(caller);
    return changes;
}

// Keys without a position ---------------------------------------------------------------------------------------------------------------

// Position among the new keys, or where it would be entered in the table.
static std::ptrdiff_t new_key(const Changes *changes, std::int64_t key, std::uint32_t *slot)
{
    for (std::uint32_t at = hash_bytes_uint32(static_cast<std::uint32_t>(key ^ key >> 32));; at++) {
        *slot = at & (changes->new_key_table_size - 1);
        std::uint32_t known = changes->new_key_table[*slot];
        if (known == 0)
            return -1;
        if (changes->new_keys[known - 1] == key)
            return static_cast<std::ptrdiff_t>(known - 1);
    }
}

static void place_new(std::size_t number, std::int32_t *chunk, std::uint16_t *position)
{
    *chunk = first_new_chunk + static_cast<std::int32_t>(number / chunk_size);
    *position = static_cast<std::uint16_t>(number % chunk_size);
}

// Gives a key that the slices do not know a position.
static void add_key(Changes *changes, std::int64_t key, std::int32_t *chunk, std::uint16_t *position)
{
    MemoryContext caller = MemoryContextSwitchTo(changes->context);
    if (changes->new_key_count == changes->new_key_capacity) {
        std::size_t capacity = changes->new_key_capacity ? changes->new_key_capacity * 2 : 256;
        changes->new_keys = static_cast<std::int64_t *>(changes->new_keys ? repalloc_huge(changes->new_keys, sizeof(std::int64_t) * capacity)
                                                                         : palloc(sizeof(std::int64_t) * capacity));
        changes->new_key_capacity = capacity;
        changes->new_key_table_size = static_cast<std::uint32_t>(capacity * 2);
        changes->new_key_table = static_cast<std::uint32_t *>(
            MemoryContextAllocExtended(changes->context, sizeof(std::uint32_t) * changes->new_key_table_size, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
        std::uint32_t slot;
        for (std::size_t i = 0; i < changes->new_key_count; i++) {
            new_key(changes, changes->new_keys[i], &slot);
            changes->new_key_table[slot] = static_cast<std::uint32_t>(i + 1);
        }
    }
    MemoryContextSwitchTo(caller);
    std::uint32_t slot;
    std::ptrdiff_t known = new_key(changes, key, &slot);
    if (known < 0) {
        known = static_cast<std::ptrdiff_t>(changes->new_key_count++);
        changes->new_keys[known] = key;
        changes->new_key_table[slot] = static_cast<std::uint32_t>(known + 1);
    }
    place_new(static_cast<std::size_t>(known), chunk, position);
}

// A sparse index: the chunk and position of a key in the slices.
static bool find_key(SegmentIndex *index, std::int64_t key, std::int32_t *chunk, std::uint16_t *position)
{
    ColumnDirectory *directory = load_column(index, field_key);
    for (std::size_t i = 0; i < index->chunks.size(); i++) {
        const ColumnEntry *entry = directory->entries[i];
        if (entry == nullptr || entry->valued == 0 || key < entry->minimum || key > entry->maximum)
            continue;
        const KeyMap *map = load_keys(index, i);
        const std::uint16_t *first = map->sorted, *end = first + map->count;
        const std::uint16_t *found = std::lower_bound(first, end, key, [map](std::uint16_t at, std::int64_t wanted) { return map->keys[at] < wanted; });
        if (found == end || map->keys[*found] != key)
            continue;
        *chunk = index->chunks[i];
        *position = *found;
        return true;
    }
    return false;
}

bool locate(SegmentIndex *index, Changes *changes, std::int64_t key, std::int32_t *chunk, std::uint16_t *position)
{
    if (!index->state.sparse) {
        std::int64_t wide = chunk_of(key);
        if (!has_chunk(key))
            return false;
        *chunk = static_cast<std::int32_t>(wide);
        *position = static_cast<std::uint16_t>(key - first_key(wide));
        return true;
    }
    if (find_key(index, key, chunk, position))
        return true;
    std::uint32_t slot;
    std::ptrdiff_t known = changes == nullptr || changes->new_key_count == 0 ? -1 : new_key(changes, key, &slot);
    if (known >= 0)
        place_new(static_cast<std::size_t>(known), chunk, position);
    return known >= 0;
}

std::int64_t key_at(SegmentIndex *index, const Changes *changes, std::int32_t chunk, std::uint16_t position)
{
    if (!index->state.sparse)
        return first_key(chunk) + position;
    if (chunk >= first_new_chunk)
        return changes->new_keys[static_cast<std::size_t>(chunk - first_new_chunk) * chunk_size + position];
    auto at = std::lower_bound(index->chunks.begin(), index->chunks.end(), chunk) - index->chunks.begin();
    return load_keys(index, static_cast<std::size_t>(at))->keys[position];
}

// Decoding -------------------------------------------------------------------------------------------------------------------------------

// Puts the changes of a row into the overlay.
class Applier {
public:
    Applier(SegmentIndex *index, Changes *changes) : index_(index), changes_(changes) {}

    std::int64_t order = 0;

    void set(std::int64_t key, const std::uint16_t *fields, std::size_t count, std::uint64_t nulls, const std::int64_t *values)
    {
        place(key);
        add(changes_of(field_present), {position_, true, false, 0, 1, order + 1});
        for (std::size_t i = 0; i < count; i++)
            add(changes_of(fields[i]), {position_, true, (nulls >> i & 1) != 0, 0, values[i], order + 1});
    }
    void keys_begin(ChangeKind kind, std::uint16_t field, std::int32_t code)
    {
        kind_ = kind;
        source_ = field;
        target_ = kind == ChangeKind::dirty ? nullptr : kind == ChangeKind::gone ? changes_of(field_present) : changes_->overlay->changes(field, code);
    }
    void key(std::int64_t key)
    {
        if (kind_ == ChangeKind::dirty) {
            dirty(key);
            return;
        }
        place(key);
        bool in = kind_ == ChangeKind::join;
        add(target_, {position_, true, false, 0, in, order + in});
    }
    void events_begin(std::uint16_t field)
    {
        source_ = field;
        target_ = changes_of(field);
    }
    void events(std::int64_t key, std::uint64_t count, std::int64_t first, std::int64_t last)
    {
        place(key);
        add(target_, {position_, false, false, static_cast<std::uint32_t>(count), first, last});
        changes_->latest[source_] = std::max(changes_->latest[source_], last);
    }

    // Fields that are none (the index has fewer) get a place of their own, where nobody looks.
    FieldChanges *changes_of(std::uint16_t field)
    {
        if (field > index_->fields.size())
            return changes_->overlay->changes(field, 0);
        FieldChanges *&known = changes_->by_field[field];
        return known ? known : known = changes_->overlay->changes(field, 0);
    }
    void add(FieldChanges *target, const Op &op) { changes_->overlay->add(target, chunk_, op); }
    void place(std::int64_t key)
    {
        if (!index_->state.sparse) {
            std::int64_t chunk = chunk_of(key);
            chunk_ = static_cast<std::int32_t>(std::clamp<std::int64_t>(chunk, PG_INT32_MIN, first_new_chunk));
            position_ = static_cast<std::uint16_t>(key - first_key(chunk));
        } else if (!locate(index_, changes_, key, &chunk_, &position_)) {
            add_key(changes_, key, &chunk_, &position_);
        }
    }

private:
    void dirty(std::int64_t key)
    {
        if (source_ >= index_->sources.size())
            return;
        MemoryContext caller = MemoryContextSwitchTo(changes_->context);
        auto *kept = static_cast<std::int64_t *>(palloc(sizeof(std::int64_t)));
        *kept = key;
        changes_->dirty[source_] = lappend(changes_->dirty[source_], kept);
        changes_->any_dirty = true;
        MemoryContextSwitchTo(caller);
    }

    SegmentIndex *index_;
    Changes *changes_;
    ChangeKind kind_ = ChangeKind::set;
    std::uint16_t source_ = 0;
    FieldChanges *target_ = nullptr;
    std::int32_t chunk_ = 0;
    std::uint16_t position_ = 0;
};

// Reading the table ------------------------------------------------------------------------------------------------------------------------

// Brings an overlay up to what the active snapshot sees.
class Extension {
public:
    Extension(SegmentIndex *index, Changes *changes) : index_(index), changes_(changes), applier_(index, changes), had_dirty_(changes->any_dirty) {}

    // False where it has rows that are seen no more, or is to be begun anew for what has come: then it is of no more use.
    bool run();

private:
    bool is_unchanged(const AppliedPage &page, Buffer buffer);
    void pass(AppliedPage &page);
    bool read(AppliedPage &page, Buffer buffer, BlockNumber block, bool *empty);
    void apply(const char *row, std::size_t size);
    void keep(std::size_t count);
    void add(const Applied &row);

    SegmentIndex *index_;
    Changes *changes_;
    Applier applier_;
    bool had_dirty_;
    Snapshot snapshot_ = GetActiveSnapshot();
    Unseen unseen_{snapshot_};
    Relation relation_ = nullptr;
    std::size_t known_ = 0;   // of changes->applied, that were seen again
    Applied *seen_ = nullptr; // once a row was added: all that were seen, in the order of the table
    std::size_t seen_count_ = 0, seen_capacity_ = 0;
};

// Whether nothing can have changed on a page that was read.
bool Extension::is_unchanged(const AppliedPage &page, Buffer buffer)
{
    return page.lsn != InvalidXLogRecPtr && page.first == known_ && RelationNeedsWAL(relation_) && BufferGetLSNAtomic(buffer) == page.lsn &&
           (!TransactionIdIsNormal(page.newest) || unseen_.none_in(page.oldest, page.newest));
}

// The rows of a page are seen as they were.
void Extension::pass(AppliedPage &page)
{
    page.first = static_cast<std::uint32_t>(seen_count_);
    keep(page.count);
}

// The next of the rows that were applied are seen.
void Extension::keep(std::size_t count)
{
    if (seen_ != nullptr)
        for (std::size_t i = 0; i < count; i++)
            add(changes_->applied[known_ + i]);
    else
        seen_count_ += count;
    known_ += count;
}

// A row is seen that stands after those.
void Extension::add(const Applied &row)
{
    if (seen_ == nullptr) {
        seen_capacity_ = changes_->applied_count + 64;
        seen_ = static_cast<Applied *>(MemoryContextAllocHuge(changes_->context, sizeof(Applied) * seen_capacity_));
        std::copy_n(changes_->applied, seen_count_, seen_);
    }
    if (seen_count_ == seen_capacity_)
        seen_ = static_cast<Applied *>(repalloc_huge(seen_, sizeof(Applied) * (seen_capacity_ *= 2)));
    seen_[seen_count_++] = row;
}

// Adds what a row says. It lies on a pinned page, where nobody moves it.
void Extension::apply(const char *row, std::size_t size)
{
    std::int64_t sequence;
    std::memcpy(&sequence, row + 8, sizeof(sequence));
    const char *bytes = row + 16;
    std::size_t bytes_size = VARSIZE_ANY_EXHDR(bytes);
    applier_.order = sequence * 4;
    bool good = false;
    if (static_cast<std::size_t>(VARDATA_ANY(bytes) - row) + bytes_size <= size)
        guarded([&] { good = read_delta(reinterpret_cast<const unsigned char *>(VARDATA_ANY(bytes)), bytes_size, applier_); });
    if (!good)
        ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED), errmsg("segment index of audience %s is damaged: a row of changes cannot be read", get_rel_name(index_->audience)),
                        errhint("Use segments.rebuild_index().")));
    changes_->bytes += static_cast<std::int64_t>(bytes_size);
    if (sequence != 0 && (changes_->first_sequence == 0 || sequence < changes_->first_sequence))
        changes_->first_sequence = sequence;
    changes_->last_sequence = std::max(changes_->last_sequence, sequence);
}

// Reads a page: false where the overlay is of no more use. empty: whether nothing is on it.
bool Extension::read(AppliedPage &page, Buffer buffer, BlockNumber block, bool *empty)
{
    OffsetNumber news[MaxHeapTuplesPerPage];
    std::size_t count = 0;
    bool decided = true, complete = true;
    const bool conflicts = CheckForSerializableConflictOutNeeded(relation_, snapshot_);
    *empty = true;
    page = {InvalidXLogRecPtr, InvalidXLogRecPtr, InvalidTransactionId, InvalidTransactionId, static_cast<std::uint32_t>(seen_count_), 0};
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    Page at = BufferGetPage(buffer);
    OffsetNumber items = PageIsNew(at) ? 0 : PageGetMaxOffsetNumber(at);
    for (OffsetNumber offset = 1; offset <= items; offset++) {
        ItemId item = PageGetItemId(at, offset);
        if (!ItemIdIsNormal(item))
            continue;
        *empty = false;
        HeapTupleData tuple = tuple_at(relation_, at, block, offset);
        std::int32_t id;
        std::memcpy(&id, reinterpret_cast<const char *>(tuple.t_data) + tuple.t_data->t_hoff, sizeof(id));
        if (id != index_->id)
            continue;
        bool visible = is_plainly_visible(tuple.t_data, snapshot_) || HeapTupleSatisfiesVisibility(&tuple, snapshot_, buffer);
        if (conflicts)
            HeapCheckForSerializableConflictOut(visible, relation_, &tuple, buffer, snapshot_);
        decided = is_decided(tuple.t_data, visible, page) && decided;
        if (!visible)
            continue;
        Applied row = {tuple.t_self, HeapTupleHeaderGetRawXmin(tuple.t_data)};
        page.count++;
        const Applied *known = known_ < changes_->applied_count ? &changes_->applied[known_] : nullptr;
        int order = known ? ItemPointerCompare(const_cast<ItemPointer>(&known->place), &row.place) : 1;
        complete = complete && order >= 0 && (order > 0 || known->xmin == row.xmin);
        if (order <= 0) {
            keep(1);
            continue;
        }
        add(row);
        news[count++] = offset;
    }
    if (decided && items > 0)
        page.lsn = PageGetLSN(at);
    LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
    if (!complete || (count > 0 && had_dirty_))
        return false;
    for (std::size_t i = 0; i < count; i++) {
        ItemId item = PageGetItemId(at, news[i]);
        auto *header = reinterpret_cast<HeapTupleHeader>(PageGetItem(at, item));
        apply(reinterpret_cast<const char *>(header) + header->t_hoff, ItemIdGetLength(item) - header->t_hoff);
    }
    return true;
}

bool Extension::run()
{
    relation_ = table_open(index_table(IndexTable::delta), AccessShareLock);
    BlockNumber blocks = RelationGetNumberOfBlocks(relation_);
    if (changes_->file != file_of(relation_) || changes_->page_count < blocks) {
        BlockNumber count = Max(blocks + 16, changes_->page_count * 2);
        auto *pages = static_cast<AppliedPage *>(MemoryContextAllocExtended(changes_->context, sizeof(AppliedPage) * count, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
        if (changes_->file == file_of(relation_))
            std::copy_n(changes_->pages, changes_->page_count, pages);
        if (changes_->pages != nullptr)
            pfree(changes_->pages);
        changes_->pages = pages;
        changes_->page_count = count;
        changes_->file = file_of(relation_);
    }
    bool useful = true;
    DeltaPages pages(relation_, blocks);
    for (BlockNumber block = 0; block < blocks && useful; block++) {
        CHECK_FOR_INTERRUPTS();
        if (pages.is_empty(block))
            continue;
        AppliedPage &page = changes_->pages[block];
        const XLogRecPtr visible_at = pages.visible_at(block);
        if (visible_at != InvalidXLogRecPtr && page.visible_at == visible_at && page.first == known_) {
            pass(page);
            continue;
        }
        Buffer buffer = read_page(relation_, block, pages.recent(block));
        bool empty = false;
        if (is_unchanged(page, buffer)) {
            pass(page);
        } else {
            useful = read(page, buffer, block, &empty);
            pages.note(block, empty);
        }
        page.visible_at = page.lsn != InvalidXLogRecPtr ? visible_at : InvalidXLogRecPtr;
        ReleaseBuffer(buffer);
    }
    table_close(relation_, AccessShareLock);
    if (!useful || known_ != changes_->applied_count)
        return false;
    if (seen_ == nullptr)
        return true;
    static std::uint64_t last_version = 0;
    changes_->version = ++last_version;
    if (changes_->applied != nullptr)
        pfree(changes_->applied);
    changes_->applied = seen_;
    changes_->applied_count = seen_count_;
    return true;
}

// Members of whom only the tables know: looked up.
class Resolver {
public:
    // learn: values without a code get one; else unknown() says that there were some.
    Resolver(SegmentIndex *index, Changes *changes, const IndexSource &source, bool learn)
        : index_(index), changes_(changes), source_(source), learn_(learn), to_(index, changes)
    {
        to_.order = order_last - 1;
    }

    bool unknown() const { return unknown_; }

    void resolve(const std::int64_t *keys, std::size_t count)
    {
        // Until a row says otherwise, there is nothing of them.
        for (std::size_t i = 0; i < count; i++)
            begin_member(keys[i]);
        visit_source(source_sql(index_, source_, array_sql(keys, count)), [](void *self, const SourceRow &row) { static_cast<Resolver *>(self)->row(row); }, this);
    }

private:
    static Op last_word(bool null, std::int64_t value) { return {0, true, null, 0, value, order_last}; }

    void put(std::uint16_t field, std::int32_t code, std::int64_t key, Op op)
    {
        std::int32_t chunk;
        if (!locate(index_, changes_, key, &chunk, &op.position))
            add_key(changes_, key, &chunk, &op.position);
        guarded([&] {
            FieldChanges *target = code == 0 && !is_set_field(field) ? to_.changes_of(field) : changes_->overlay->changes(field, code);
            changes_->overlay->add(target, chunk, op);
        });
    }
    bool is_set_field(std::uint16_t field) const
    {
        const IndexField *known = field_of(index_, field);
        return known != nullptr && is_set(*known);
    }

    void begin_member(std::int64_t key)
    {
        if (source_.kind == source_audience)
            put(field_present, 0, key, {0, true, false, 0, 0, order_last - 1});
        for (const IndexField &field : index_->fields) {
            if (field.source != source_.number || field.kind == '\0')
                continue;
            if (is_set(field))
                put(field.number, any_code, key, last_word(false, 1));
            else if (is_event(field))
                put(field.number, 0, key, {0, true, field.kind != field_count, 0, 0, order_last - 1});
        }
    }

    void row(const SourceRow &row)
    {
        if (unknown_)
            return;
        std::size_t column = 0;
        if (source_.kind == source_audience)
            put(field_present, 0, row.key, last_word(false, 1));
        for (const IndexField &field : index_->fields) {
            if (field.source != source_.number || field.kind == '\0')
                continue;
            if (source_.kind == source_events) {
                if (field.event != nullptr && (row.nulls[0] || std::string_view(TextDatumGetCString(row.values[0])) != field.event))
                    continue;
                std::int64_t value = DatumGetInt64(row.values[field.kind == field_count ? 1 : field.kind == field_first ? 2 : 3]);
                put(field.number, 0, row.key, last_word(false, value));
                if (field.kind == field_last)
                    changes_->latest[field.number - 2] = std::max(changes_->latest[field.number - 2], value);
                continue;
            }
            Datum value = row.values[column];
            bool null = row.nulls[column++];
            if (is_set(field)) {
                if (field.kind == field_membership && null)
                    put(field.number, null_code, row.key, last_word(false, 1));
                else if (field.kind == field_membership)
                    join(field, value, row.key);
                else if (!null)
                    for (Datum element : elements_of(field, value))
                        if (!unknown_)
                            join(field, element, row.key);
                continue;
            }
            std::int32_t code = 0;
            if (null || field.kind != field_dictionary)
                put(field.number, 0, row.key, last_word(null, null ? 0 : image_of(index_, field, value)));
            else if (know(field, value, &code))
                put(field.number, 0, row.key, last_word(false, code));
        }
    }

    void join(const IndexField &field, Datum value, std::int64_t key)
    {
        std::int32_t code;
        if (know(field, value, &code))
            put(field.number, code, key, last_word(false, 1));
    }

    // The code of a value. Where one has none, the look has failed; what it left is no harm to the next, to which the value may be known.
    bool know(const IndexField &field, Datum value, std::int32_t *code)
    {
        *code = learn_ ? code_of(index_, field, value) : find_code(index_, field, value);
        unknown_ = unknown_ || *code < 0;
        return *code >= 0;
    }

    SegmentIndex *index_;
    Changes *changes_;
    const IndexSource &source_;
    bool learn_, unknown_ = false;
    Applier to_;
};

// Looks up the dirty members of the sources that are asked for; false where they are too many.
static bool resolve_dirty(SegmentIndex *index, Changes *changes, std::uint64_t sources, bool however_many)
{
    for (const IndexSource &source : index->sources) {
        List *dirty = changes->dirty[source.number];
        if (dirty == NIL || changes->dirty_resolved[source.number] || (!however_many && (source.number >= 64 || (sources >> source.number & 1) == 0)))
            continue;
        std::size_t count = 0;
        auto *keys = static_cast<std::int64_t *>(MemoryContextAllocHuge(CurrentMemoryContext, sizeof(std::int64_t) * (list_length(dirty) + 1)));
        ListCell *cell;
        foreach (cell, dirty)
            keys[count++] = *static_cast<std::int64_t *>(lfirst(cell));
        std::sort(keys, keys + count);
        count = static_cast<std::size_t>(std::unique(keys, keys + count) - keys);
        if (count > max_dirty && !however_many)
            return false;
        auto *resolver = new (palloc(sizeof(Resolver))) Resolver(index, changes, source, however_many);
        for (std::size_t from = 0; from < count; from += max_dirty)
            resolver->resolve(keys + from, std::min(max_dirty, count - from));
        if (resolver->unknown())
            return false;
        changes->dirty_resolved[source.number] = true;
    }
    return true;
}

Changes *current_changes(SegmentIndex *index, std::uint64_t sources, bool however_many)
{
    for (const IndexSource &source : index->sources) {
        if (!IsolationIsSerializable())
            break;
        ListCell *cell;
        foreach (cell, find_all_inheritors(source.relation, AccessShareLock, nullptr)) {
            Relation relation = table_open(lfirst_oid(cell), NoLock);
            PredicateLockRelation(relation, GetActiveSnapshot());
            table_close(relation, NoLock);
        }
    }
    MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "segments index look", ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(work);
    // While it is extended it is nobody's, and goes with the work: an error leaves it half done. Somebody may still be reading a sparse index's new keys.
    Changes *changes = index->changes;
    index->changes = nullptr;
    if (changes == nullptr)
        changes = start_changes(index, work);
    else
        MemoryContextSetParent(changes->context, changes->new_key_count > 0 ? TopTransactionContext : work);
    if (!Extension(index, changes).run()) {
        if (changes->new_key_count == 0)
            MemoryContextDelete(changes->context);
        changes = start_changes(index, work);
        Extension(index, changes).run();
    }
    bool resolved = resolve_dirty(index, changes, sources, however_many);
    index->changes = changes;
    MemoryContextSetParent(changes->context, index->directory_context);
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(work);
    return resolved ? changes : nullptr;
}

Usage usage_of(Oid audience, const IndexState &state)
{
    SegmentIndex *index = index_layout(audience, state.id, GetActiveSnapshot());
    Usage usage = slice_usage(index);
    Relation relation = table_open(index_table(IndexTable::delta), AccessShareLock);
    TableScanDesc scan = table_beginscan(relation, GetActiveSnapshot(), 0, nullptr);
    for (HeapTuple tuple = heap_getnext(scan, ForwardScanDirection); tuple != nullptr; tuple = heap_getnext(scan, ForwardScanDirection)) {
        bool null;
        if (DatumGetInt32(heap_getattr(tuple, 1, RelationGetDescr(relation), &null)) != index->id)
            continue;
        usage.changes++;
        usage.change_bytes += static_cast<std::int64_t>(VARSIZE_ANY_EXHDR(DatumGetPointer(heap_getattr(tuple, 3, RelationGetDescr(relation), &null))));
    }
    table_endscan(scan);
    table_close(relation, AccessShareLock);
    return usage;
}

std::span<const ItemPointerData> applied_rows(const Changes *changes)
{
    auto *places = static_cast<ItemPointerData *>(palloc(sizeof(ItemPointerData) * (changes->applied_count + 1)));
    for (std::size_t i = 0; i < changes->applied_count; i++)
        places[i] = changes->applied[i].place;
    return {places, changes->applied_count};
}

} // namespace segments
