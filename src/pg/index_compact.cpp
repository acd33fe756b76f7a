// Takes changes into the slices. See index.hpp.
//
// Rewriting a chunk costs the same for ten changes as for thousands. So a chunk's slices are written anew when a good part of its members have
// changed; the changes of other chunks are only brought together in fewer, fuller rows, where they were many small ones.
#include "index_runner.hpp"

#include "boundary.hpp"

#include <algorithm>
#include <bit>

extern "C" {
#include "access/heapam.h"
#include "access/xact.h"
#include "commands/sequence.h"
#include "storage/lock.h"
#include "tcop/utility.h"
#include "utils/snapmgr.h"
}

namespace segments {

// A chunk is written anew when this share of its positions has changed in some field.
constexpr std::size_t rewritten_at = chunk_size / 16;

// Fields of a chunk that have changed.
struct ChunkWork {
    std::int32_t chunk;
    std::size_t changes; // in the field that has changed most
};

// One compaction.
struct Compaction {
    SegmentIndex *index;
    Changes *changes;
    SliceWriter *writer;
    Runner *runner;
    std::int64_t *values; // of a chunk
    Mask *has, *present;
    std::int64_t members; // more, or fewer, than before
};

// Keeps others from compacting an index until the transaction ends; false where somebody else is at it, who is waited for only if wanted.
static bool lock_alone(std::int32_t id, bool wait)
{
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<uint32>(id), 0x5e95, 5);
    return LockAcquire(&tag, ExclusiveLock, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

static std::size_t ops_of(const Bucket *bucket)
{
    return bucket->pending.count + bucket->levels[0].count + bucket->levels[1].count;
}

// The chunks in which anything has changed, ascending.
static List *changed_chunks(const Changes *changes)
{
    List *works = NIL;
    for (const FieldChanges *field = changes->overlay->first(); field != nullptr; field = field->next) {
        for (std::uint32_t i = 0; i < field->capacity; i++) {
            if (field->slots[i].bucket == nullptr)
                continue;
            ChunkWork *work = nullptr;
            ListCell *cell;
            foreach (cell, works)
                if (static_cast<ChunkWork *>(lfirst(cell))->chunk == field->slots[i].chunk)
                    work = static_cast<ChunkWork *>(lfirst(cell));
            if (work == nullptr) {
                work = static_cast<ChunkWork *>(palloc0(sizeof(ChunkWork)));
                work->chunk = field->slots[i].chunk;
                works = lappend(works, work);
            }
            work->changes = std::max(work->changes, ops_of(field->slots[i].bucket));
        }
    }
    list_sort(works, [](const ListCell *a, const ListCell *b) {
        std::int32_t left = static_cast<ChunkWork *>(lfirst(a))->chunk, right = static_cast<ChunkWork *>(lfirst(b))->chunk;
        return left < right ? -1 : left > right ? 1 : 0;
    });
    return works;
}

// Slices ----------------------------------------------------------------------------------------------------------------------------------

// A column of the chunk at hand, decoded, into values and has.
static void decode(Compaction &work, const Column &column)
{
    const ColumnEntry *entry = column.entry;
    Runner::fill(work.has, Extent::none);
    std::fill_n(work.values, chunk_size, 0);
    if (entry == nullptr || entry->valued == 0)
        return;
    const Word *slices[64];
    for (int i = 0; i < entry->bits; i++)
        slices[i] = work.runner->slice(column, i);
    kernels().decode(reinterpret_cast<std::uint64_t *>(work.values), slices, entry->bits);
    work.runner->release();
    for (std::size_t i = 0; i < chunk_size; i++)
        work.values[i] = static_cast<std::int64_t>(static_cast<std::uint64_t>(work.values[i]) + static_cast<std::uint64_t>(entry->minimum));
    std::memcpy(work.has->words, work.runner->has_slice(column), slice_bytes);
    work.runner->release();
}

static void rewrite_column(Compaction &work, const IndexField &field, std::int32_t chunk, std::ptrdiff_t base)
{
    Column column = column_at(load_column(work.index, field.number), field.number, base);
    const Effective *changed;
    if (work.runner->effective(field, column, &changed, true) == 0)
        return;
    decode(work, column);
    const std::int64_t *value = changed->values;
    for (std::size_t word = 0; word < slice_words; word++)
        for (Word left = changed->valued->words[word]; left != 0; left &= left - 1)
            work.values[word * 64 + static_cast<std::size_t>(std::countr_zero(left))] = *value++;
    kernels().unite(work.has->words, changed->valued->words);
    if (changed->nulls != nullptr)
        kernels().subtract(work.has->words, changed->nulls->words);
    bool audience = work.index->sources[field.source].kind == source_audience;
    // What does not exist has no value, so that it does not widen the column.
    if (audience)
        kernels().intersect(work.has->words, work.present->words);
    work.writer->write_column(field.number, chunk, work.values, field.kind == field_count ? nullptr : work.has->words,
                              audience ? work.present->words : all_members.words, column.entry);
}

// A value's members are written under the first of its codes.
static void rewrite_sets(Compaction &work, const IndexField &field, std::int32_t chunk, std::ptrdiff_t base)
{
    Bucket *looked_up = work.runner->looked_up(field);
    std::size_t count;
    SetGroup *groups = sets_of(work.index, field, nullptr, &count);
    for (std::size_t i = 0; i < count; i++) {
        const SetGroup &group = groups[i];
        bool changed = looked_up != nullptr;
        for (std::size_t j = 0; j < group.count; j++)
            changed = changed || Overlay::bucket(work.changes->overlay->find(field.number, group.sets[j]->code), chunk) != nullptr;
        if (!changed)
            continue;
        Extent extent = work.runner->members_of(field, group, looked_up, work.has);
        if (extent == Extent::all)
            Runner::fill(work.has, extent);
        for (std::size_t j = 0; j < group.count; j++)
            work.writer->write_set(field.number, group.sets[j]->code, chunk, j == 0 ? work.has->words : no_members.words, base < 0 ? nullptr : group.sets[j]->entries[base]);
    }
}

// Writes everything of a chunk anew that has changed.
static void rewrite_chunk(Compaction &work, std::int32_t chunk)
{
    CHECK_FOR_INTERRUPTS();
    SegmentIndex *index = work.index;
    std::ptrdiff_t base = base_of(index, chunk);
    work.runner->enter(chunk, base, 0);
    if (work.runner->keep_present(Extent::all, work.present) == Extent::none)
        Runner::fill(work.present, Extent::none);
    const SetEntry *was = base < 0 ? nullptr : index->present->entries[base];
    if (was == nullptr || Overlay::bucket(work.changes->by_field[field_present], chunk) != nullptr) {
        work.members += static_cast<std::int64_t>(kernels().count(work.present->words)) - (was ? was->count : 0);
        work.writer->write_set(field_present, 0, chunk, work.present->words, was, true);
    }
    for (const IndexField &field : index->fields) {
        if (field.kind == '\0')
            continue;
        if (is_set(field))
            rewrite_sets(work, field, chunk, base);
        else
            rewrite_column(work, field, chunk, base);
    }
}

// Fuller rows -------------------------------------------------------------------------------------------------------------------------------

// Writes the changes of chunks that are not rewritten into new rows.
class Rewriter {
public:
    Rewriter(Compaction &work, const List *kept, std::int64_t sequence)
        : work_(work), kept_(kept), sink_{nullptr, work.index->id, sequence, 0}, writer_(insert_delta, &sink_)
    {
    }

    void write()
    {
        SegmentIndex *index = work_.index;
        write_present();
        for (const IndexField &field : index->fields) {
            if (field.kind == '\0')
                continue;
            if (is_set(field))
                write_sets(field);
            else if (FieldChanges *changes = work_.changes->by_field[field.number])
                write_field(field, changes);
        }
        for (const IndexSource &source : index->sources) {
            ListCell *cell;
            writer_.begin_keys(ChangeKind::dirty, source.number);
            foreach (cell, work_.changes->dirty[source.number])
                writer_.key(*static_cast<std::int64_t *>(lfirst(cell)));
        }
        writer_.finish();
        sink_.close();
    }

private:
    // Calls visit(op) for the changes of a field, chunk after chunk.
    template <typename Visit> void each(FieldChanges *changes, Visit &&visit)
    {
        ListCell *cell;
        foreach (cell, kept_) {
            std::int32_t chunk = static_cast<ChunkWork *>(lfirst(cell))->chunk;
            Bucket *bucket = Overlay::bucket(changes, chunk);
            if (bucket == nullptr)
                continue;
            CHECK_FOR_INTERRUPTS();
            guarded([&] { work_.changes->overlay->settle(bucket, true); });
            const Level &all = bucket->levels[0];
            for (std::size_t i = 0; i < all.count; i++)
                visit(key_at(work_.index, work_.changes, chunk, all.ops[i].position), all.ops[i], chunk);
        }
    }

    // Those who went. Who came says so by his values, or, where there are none, by an empty group.
    void write_present()
    {
        FieldChanges *present = work_.changes->by_field[field_present];
        writer_.begin_keys(ChangeKind::gone, field_present);
        each(present, [&](std::int64_t key, const Op &op, std::int32_t) {
            if (op.a == 0)
                writer_.key(key);
        });
        writer_.begin_set(nullptr, 0);
        each(present, [&](std::int64_t key, const Op &op, std::int32_t) {
            if (op.a != 0)
                writer_.set(key, 0, nullptr);
        });
    }

    bool is_gone(std::int32_t chunk, std::uint16_t position)
    {
        Bucket *bucket = Overlay::bucket(work_.changes->by_field[field_present], chunk);
        if (bucket == nullptr)
            return false;
        const Op *found = find_op(bucket->levels[0], position);
        return found != nullptr && found->a == 0;
    }

    void write_sets(const IndexField &field)
    {
        std::size_t count;
        SetGroup *groups = sets_of(work_.index, field, nullptr, &count);
        for (std::size_t i = 0; i < count; i++) {
            bool changed = false;
            for (std::size_t j = 0; j < groups[i].count; j++)
                changed = changed || work_.changes->overlay->find(field.number, groups[i].sets[j]->code) != nullptr;
            if (!changed)
                continue;
            for (ChangeKind kind : {ChangeKind::leave, ChangeKind::join}) {
                writer_.begin_keys(kind, field.number, groups[i].sets[0]->code);
                ListCell *cell;
                foreach (cell, kept_) {
                    std::int32_t chunk = static_cast<ChunkWork *>(lfirst(cell))->chunk;
                    work_.runner->enter(chunk, -1, 0);
                    std::size_t ops_count;
                    const Op *ops = work_.runner->latest_ops(groups[i], field, &ops_count);
                    for (std::size_t j = 0; j < ops_count; j++)
                        if ((ops[j].a != 0) == (kind == ChangeKind::join))
                            writer_.key(key_at(work_.index, work_.changes, chunk, ops[j].position));
                }
            }
        }
    }

    void write_field(const IndexField &field, FieldChanges *changes)
    {
        if (is_event(field)) {
            writer_.begin_events(field.number);
            each(changes, [&](std::int64_t key, const Op &op, std::int32_t) { writer_.events(key, op.count, op.a, op.b); });
            return;
        }
        std::uint16_t number = field.number;
        writer_.begin_set(&number, 1);
        each(changes, [&](std::int64_t key, const Op &op, std::int32_t chunk) {
            if (!is_gone(chunk, op.position))
                writer_.set(key, op.null, &op.a);
        });
    }

    Compaction &work_;
    const List *kept_;
    DeltaSink sink_;
    DeltaWriter writer_;
};

// Gives new keys of a sparse index a place: free positions of the last chunk, then new chunks.
static void place_new_keys(Compaction &work)
{
    SegmentIndex *index = work.index;
    std::size_t next = 0, count = work.changes->new_key_count;
    std::int32_t chunk = index->chunks.empty() ? 0 : index->chunks[index->chunks.size() - 1];
    for (; next < count; chunk++) {
        std::ptrdiff_t base = base_of(index, chunk);
        const ColumnEntry *entry = base < 0 ? nullptr : load_column(index, field_key)->entries[base];
        std::size_t used = entry ? entry->valued : 0;
        if (used == chunk_size)
            continue;
        std::fill_n(work.values, chunk_size, 0);
        if (entry != nullptr)
            std::copy_n(load_keys(index, static_cast<std::size_t>(base))->keys, used, work.values);
        while (used < chunk_size && next < count)
            work.values[used++] = work.changes->new_keys[next++];
        Runner::fill(work.has, Extent::none);
        set_range(work.has->words, 0, used - 1);
        work.writer->write_column(field_key, chunk, work.values, work.has->words, work.has->words, entry);
        if (base < 0)
            work.writer->write_set(field_present, 0, chunk, no_members.words, nullptr, true);
    }
}

static void delete_applied(const Changes *changes)
{
    Relation delta = table_open(index_table(IndexTable::delta), RowExclusiveLock);
    for (const ItemPointerData &place : applied_rows(changes)) {
        ItemPointerData row = place;
        simple_heap_delete(delta, &row);
    }
    table_close(delta, NoLock);
}

// Makes what was written known, and the index as it is from now on.
static SegmentIndex *advance(const Audience *audience, SegmentIndex *index, std::int64_t members, std::int64_t compacted)
{
    IndexState state = index->state;
    state.generation = nextval_internal(index_sequence("index_generation"), false);
    state.members += members;
    state.compacted = std::max(state.compacted, compacted);
    write_state(audience->relation, state);
    UpdateActiveSnapshotCommandId();
    const char *why;
    return usable_index(audience, &why);
}

static Compaction start(SegmentIndex *index, Changes *changes, SliceWriter *writer, Relation slices)
{
    Compaction work = {};
    work.index = index;
    work.changes = changes;
    work.writer = writer;
    work.runner = new (palloc(sizeof(Runner))) Runner(index, changes, slices);
    work.values = static_cast<std::int64_t *>(palloc(sizeof(std::int64_t) * chunk_size));
    work.has = make_mask();
    work.present = make_mask();
    return work;
}

// False where another compaction is at work, or the index can't be used.
static bool compact(const Audience *audience)
{
    // The tables' locks come first: who drops one of them waits for a compaction while he has its lock.
    const char *why;
    SegmentIndex *index = usable_index(audience, &why);
    IndexState state = index ? index->state : IndexState();
    if (index == nullptr || !lock_alone(state.id, false))
        return false;
    // What another compaction has just done must be seen; or another index, that somebody has built.
    PushActiveSnapshot(GetLatestSnapshot());
    index = usable_index(audience, &why);
    Changes *changes = index && index->id == state.id ? current_changes(index, 0) : nullptr;
    if (changes == nullptr || changes->applied_count == 0) {
        PopActiveSnapshot();
        return changes != nullptr;
    }
    Relation slices = table_open(index_table(IndexTable::slice), RowExclusiveLock);
    // Who is looked up may be new, too: all must have a place before slices are written.
    if (state.sparse && changes->any_dirty)
        changes = current_changes(index, ~std::uint64_t(0), true);
    if (changes->new_key_count > 0) {
        SliceWriter writer(index->id);
        Compaction work = start(index, changes, &writer, slices);
        place_new_keys(work);
        writer.close();
        index = advance(audience, index, 0, 0);
        if (index == nullptr)
            ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE), errmsg("segment index of audience %s changed while it was compacted", audience->name)));
        changes = current_changes(index, 0);
    }
    List *works = changed_chunks(changes), *kept = NIL, *rewritten = NIL;
    ListCell *cell;
    // Members of whom only the tables know cost every reader: they are looked up once, here.
    bool dirty = changes->any_dirty;
    foreach (cell, works) {
        auto *work = static_cast<ChunkWork *>(lfirst(cell));
        if (dirty || work->changes >= rewritten_at)
            rewritten = lappend(rewritten, work);
        else
            kept = lappend(kept, work);
    }
    if (dirty) {
        changes = current_changes(index, ~std::uint64_t(0), true);
        rewritten = changed_chunks(changes);
        kept = NIL;
    }
    auto full = static_cast<std::size_t>(changes->bytes) / max_delta + 1;
    if (changes->new_key_count > 0)
        elog(ERROR, "a key of a sparse segment index has no place");
    if (rewritten == NIL && changes->applied_count < 2 * full + 16) { // full enough
        table_close(slices, NoLock);
        PopActiveSnapshot();
        return true;
    }
    for (const IndexField &field : index->fields)
        if (field.kind != '\0' && is_set(field))
            dictionary_of(index, field, true);
    SliceWriter writer(index->id);
    Compaction work = start(index, changes, &writer, slices);
    foreach (cell, rewritten)
        rewrite_chunk(work, static_cast<ChunkWork *>(lfirst(cell))->chunk);
    // Below all changes that are not seen yet: whatever those did to a member came after what is seen of him.
    if (kept != NIL) {
        auto *rewriter = new (palloc(sizeof(Rewriter))) Rewriter(work, kept, changes->first_sequence);
        rewriter->write();
    }
    delete_applied(changes);
    writer.close();
    table_close(slices, NoLock);
    if (rewritten != NIL)
        advance(audience, index, work.members, changes->last_sequence);
    PopActiveSnapshot();
    return true;
}

} // namespace segments

extern "C" {

// segments._compact_index(relation regclass) → boolean
SEGMENTS_FUNCTION(segments_compact_index)
{
    PreventCommandIfReadOnly("segments.compact()");
    if (IsolationUsesXactSnapshot())
        ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION), errmsg("a segment index cannot be compacted in an isolation level above READ COMMITTED")));
    MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "segments compaction", ALLOCSET_DEFAULT_SIZES), caller = MemoryContextSwitchTo(work);
    bool done = segments::compact(segments::audience_of(PG_GETARG_OID(0)));
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(work);
    PG_RETURN_BOOL(done);
}

// segments._await_compaction(id int4)
SEGMENTS_FUNCTION(segments_await_compaction)
{
    segments::lock_alone(PG_GETARG_INT32(0), true);
    PG_RETURN_VOID();
}

// segments._index_usage(relation regclass, OUT slices, bytes, changes, change_bytes)
SEGMENTS_FUNCTION(segments_index_usage)
{
    TupleDesc desc;
    if (get_call_result_type(fcinfo, nullptr, &desc) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "a row is expected");
    segments::IndexState state = {};
    if (!segments::read_state(PG_GETARG_OID(0), GetActiveSnapshot(), state) || state.generation == 0)
        PG_RETURN_NULL();
    segments::Usage usage = segments::usage_of(PG_GETARG_OID(0), state);
    Datum values[] = {Int64GetDatum(usage.slices), Int64GetDatum(usage.bytes), Int64GetDatum(usage.changes), Int64GetDatum(usage.change_bytes)};
    bool nulls[4] = {};
    PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

} // extern "C"
