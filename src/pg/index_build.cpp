// Builds a segment index from its tables. See index.hpp.
//
// Every source is read in order of the member, so that one chunk after the other is complete and written.
#include "index.hpp"

#include "boundary.hpp"
#include "select.hpp"

#include <algorithm>
#include <cstring>

extern "C" {
#include "access/xact.h"
#include "catalog/indexing.h"
#include "commands/progress.h"
#include "commands/sequence.h"
#include "pgstat.h"
#include "utils/backend_progress.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"
}

namespace segments {

// A dictionary of more values is no dictionary: the field is left out.
constexpr std::uint32_t max_dictionary = 20000;

// A member of a set: code and position.
struct SetMember {
    std::int32_t code;
    std::uint16_t position;
};

// Members of a field's sets in the chunk at hand.
struct SetMembers {
    SetMember *members;
    std::size_t count, capacity;

    void add(MemoryContext context, std::int32_t code, std::uint16_t position)
    {
        if (count == capacity) {
            capacity = capacity ? capacity * 2 : 65536;
            members = static_cast<SetMember *>(members ? repalloc_huge(members, sizeof(SetMember) * capacity)
                                                       : MemoryContextAllocHuge(context, sizeof(SetMember) * capacity));
        }
        members[count++] = {code, position};
    }
};

// One field of the chunk at hand.
struct FieldBuffer {
    const IndexField *field;
    std::int64_t *values; // column
    Mask *has;            // column that may have no value
    SetMembers set;       // set
    bool abandoned;       // a dictionary that grew too large
};

struct Build {
    SegmentIndex *index;
    const IndexSource *source;
    SliceWriter *writer;
    FieldBuffer *buffers;
    std::size_t buffer_count;
    bool sparse;

    std::int64_t chunk; // at hand
    bool any;           // whether there is one
    std::size_t filled; // sparse: positions in use
    Mask *present;      // of the chunk at hand

    // All chunks so far, ascending.
    std::int32_t *chunks;
    std::size_t chunk_count, chunk_capacity;

    // sparse: the keys of all members, in order: chunk i has those from i * chunk_size on.
    std::int64_t *keys;
    std::size_t key_count, key_capacity, key_at;

    std::int64_t members, rows;
    MemoryContext context;
    MemoryContext row; // until the next one
};

// Makes a chunk known.
static void know_chunk(Build &build, std::int32_t chunk)
{
    auto found = static_cast<std::size_t>(std::lower_bound(build.chunks, build.chunks + build.chunk_count, chunk) - build.chunks);
    if (found < build.chunk_count && build.chunks[found] == chunk)
        return;
    if (build.chunk_count == build.chunk_capacity) {
        build.chunk_capacity = build.chunk_capacity ? build.chunk_capacity * 2 : 64;
        std::size_t size = sizeof(std::int32_t) * build.chunk_capacity;
        build.chunks = static_cast<std::int32_t *>(build.chunks ? repalloc(build.chunks, size) : MemoryContextAlloc(build.context, size));
    }
    std::memmove(build.chunks + found + 1, build.chunks + found, sizeof(std::int32_t) * (build.chunk_count - found));
    build.chunks[found] = chunk;
    build.chunk_count++;
}

// Every chunk that has anything says who exists: nobody, where no member of the audience has come by.
static void know_present(Build &build, std::int32_t chunk)
{
    std::size_t known = build.chunk_count;
    know_chunk(build, chunk);
    if (build.chunk_count > known)
        build.writer->write_set(field_present, 0, chunk, no_members.words, nullptr, true);
}

// Writes the sets of one field.
static void write_sets(Build &build, FieldBuffer &buffer, std::int32_t chunk)
{
    SetMembers &set = buffer.set;
    std::sort(set.members, set.members + set.count, [](const SetMember &a, const SetMember &b) { return a.code < b.code; });
    Mask mask;
    for (std::size_t from = 0, to; from < set.count; from = to) {
        std::memset(&mask, 0, sizeof(mask));
        for (to = from; to < set.count && set.members[to].code == set.members[from].code; to++)
            assign_bit(mask.words, set.members[to].position, true);
        build.writer->write_set(buffer.field->number, set.members[from].code, chunk, mask.words, nullptr);
    }
    set.count = 0;
}

// Writes what has been gathered of the chunk at hand.
static void flush(Build &build)
{
    if (!build.any)
        return;
    CHECK_FOR_INTERRUPTS();
    auto chunk = static_cast<std::int32_t>(build.chunk);
    bool audience = build.source->kind == source_audience;
    Mask *present = build.present;
    if (audience) {
        build.writer->write_set(field_present, 0, chunk, build.present->words, nullptr, true);
        know_chunk(build, chunk);
        if (build.sparse) {
            const std::int64_t *keys = build.keys + build.key_count - build.filled;
            auto *padded = static_cast<std::int64_t *>(palloc0(sizeof(std::int64_t) * chunk_size));
            std::copy_n(keys, build.filled, padded);
            // All positions in use have a key, whether or not they exist: they are the first ones.
            Mask used = {};
            set_range(used.words, 0, build.filled - 1);
            build.writer->write_column(field_key, chunk, padded, used.words, used.words, nullptr);
            pfree(padded);
        }
    } else {
        know_present(build, chunk);
    }
    for (std::size_t i = 0; i < build.buffer_count; i++) {
        FieldBuffer &buffer = build.buffers[i];
        if (buffer.abandoned)
            continue;
        if (is_set(*buffer.field)) {
            write_sets(build, buffer, chunk);
            continue;
        }
        // Columns of the audience have all their values from the moment that a member exists; events come later.
        build.writer->write_column(buffer.field->number, chunk, buffer.values, buffer.has ? buffer.has->words : nullptr,
                                   audience ? present->words : all_members.words, nullptr);
        std::memset(buffer.values, 0, sizeof(std::int64_t) * chunk_size);
        if (buffer.has)
            std::memset(buffer.has, 0, sizeof(Mask));
    }
    std::memset(present, 0, sizeof(Mask));
    build.any = false;
    build.filled = 0;
}

// The position of a member in the chunk at hand, after writing the one before where that has ended. False: it has none.
static bool locate(Build &build, std::int64_t key, std::uint16_t *position)
{
    bool audience = build.source->kind == source_audience;
    std::int64_t chunk;
    if (!build.sparse) {
        // A member of the audience always has one, see keys_are_sparse.
        if (!has_chunk(key))
            return false;
        chunk = chunk_of(key);
        *position = static_cast<std::uint16_t>(key - first_key(chunk));
    } else if (audience) {
        if (build.filled == chunk_size)
            flush(build);
        if (build.key_count == build.key_capacity) {
            build.key_capacity = build.key_capacity ? build.key_capacity * 2 : chunk_size;
            build.keys = static_cast<std::int64_t *>(build.keys ? repalloc_huge(build.keys, sizeof(std::int64_t) * build.key_capacity)
                                                                : MemoryContextAlloc(build.context, sizeof(std::int64_t) * build.key_capacity));
        }
        chunk = static_cast<std::int64_t>(build.key_count / chunk_size);
        *position = static_cast<std::uint16_t>(build.filled);
        build.keys[build.key_count++] = key;
        build.filled++;
    } else {
        while (build.key_at < build.key_count && build.keys[build.key_at] < key)
            build.key_at++;
        // Who does not exist has no position; when he comes, his rows are looked at.
        if (build.key_at == build.key_count || build.keys[build.key_at] != key)
            return false;
        chunk = static_cast<std::int64_t>(build.key_at / chunk_size);
        *position = static_cast<std::uint16_t>(build.key_at % chunk_size);
    }
    if (build.any && chunk != build.chunk)
        flush(build);
    build.chunk = chunk;
    build.any = true;
    return true;
}

static void visit(void *context, const SourceRow &row)
{
    auto &build = *static_cast<Build *>(context);
    MemoryContextReset(build.row);
    MemoryContext caller = MemoryContextSwitchTo(build.row);
    std::uint16_t position;
    if ((++build.rows & 65535) == 0)
        pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, build.rows);
    // Values of who is no member yet are learnt, too: when he comes, they are looked up.
    std::int32_t code = null_code;
    if (build.source->kind == source_membership && !row.nulls[0])
        code = code_of(build.index, *build.buffers[0].field, row.values[0], true);
    if (!locate(build, row.key, &position)) {
        MemoryContextSwitchTo(caller);
        return;
    }
    switch (build.source->kind) {
    case source_audience:
        assign_bit(build.present->words, position, true);
        build.members++;
        for (std::size_t i = 0; i < build.buffer_count; i++) {
            FieldBuffer &buffer = build.buffers[i];
            if (row.nulls[i] || buffer.abandoned)
                continue;
            if (is_set(*buffer.field)) {
                for (Datum element : elements_of(*buffer.field, row.values[i]))
                    buffer.set.add(build.context, code_of(build.index, *buffer.field, element, true), position);
                continue;
            }
            buffer.values[position] = image_of(build.index, *buffer.field, row.values[i], true);
            assign_bit(buffer.has->words, position, true);
            buffer.abandoned = buffer.field->kind == field_dictionary && buffer.field->dictionary->count > max_dictionary;
        }
        break;
    case source_membership:
        build.buffers[0].set.add(build.context, code, position);
        break;
    default: {
        std::string_view kind = row.nulls[0] ? std::string_view() : std::string_view(TextDatumGetCString(row.values[0]));
        for (std::size_t i = 0; i < build.buffer_count; i++) {
            FieldBuffer &buffer = build.buffers[i];
            if (buffer.field->event != nullptr && kind != buffer.field->event)
                continue;
            int value = buffer.field->kind == field_count ? 1 : buffer.field->kind == field_first ? 2 : 3;
            buffer.values[position] = DatumGetInt64(row.values[value]);
            if (buffer.has)
                assign_bit(buffer.has->words, position, true);
        }
    }
    }
    MemoryContextSwitchTo(caller);
}

// Reads one source and writes its fields.
static void build_source(Build &build, const IndexSource &source)
{
    build.source = &source;
    build.any = false;
    build.filled = build.key_at = 0;
    build.buffer_count = 0;
    for (const IndexField &field : build.index->fields) {
        if (field.source != source.number || field.kind == '\0')
            continue;
        FieldBuffer &buffer = build.buffers[build.buffer_count++];
        buffer = {};
        buffer.field = &field;
        if (is_set(field))
            continue;
        buffer.values = static_cast<std::int64_t *>(palloc0(sizeof(std::int64_t) * chunk_size));
        if (field.kind != field_count) {
            buffer.has = make_mask();
            std::memset(buffer.has, 0, sizeof(Mask));
        }
    }
    const char *sql = source_sql(build.index, source, nullptr);
    // For segments.progress: which of the tables, how many rows it will give, and how many it has given.
    const int what[] = {PROGRESS_CREATEIDX_PHASE, PROGRESS_CREATEIDX_TUPLES_TOTAL, PROGRESS_CREATEIDX_TUPLES_DONE};
    const int64 now[] = {source.kind == source_audience ? 0 : source.kind == source_membership ? 1 : 2, static_cast<int64>(estimate_rows(sql, false)), 0};
    pgstat_progress_update_multi_param(3, what, now);
    build.rows = 0;
    visit_source(sql, visit, &build);
    flush(build);
}

void delete_rows(IndexTable table, std::int32_t id, std::uint16_t field)
{
    Relation relation = table_open(index_table(table), RowExclusiveLock);
    ScanKeyData keys[2];
    ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(id));
    ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(static_cast<std::int16_t>(field)));
    SysScanDesc scan = systable_beginscan(relation, index_table_key(table), true, nullptr, 2, keys);
    for (HeapTuple tuple = systable_getnext(scan); HeapTupleIsValid(tuple); tuple = systable_getnext(scan))
        CatalogTupleDelete(relation, &tuple->t_self);
    systable_endscan(scan);
    table_close(relation, RowExclusiveLock);
}

// Takes back what was written of fields that turned out to have too many values.
static void drop_abandoned(Build &build)
{
    for (std::size_t i = 0; i < build.buffer_count; i++) {
        if (!build.buffers[i].abandoned)
            continue;
        IndexField &field = build.index->fields[build.buffers[i].field->number - 1];
        CommandCounterIncrement();
        delete_rows(IndexTable::slice_entry, build.index->id, field.number);
        delete_rows(IndexTable::dictionary, build.index->id, field.number);
        delete_rows(IndexTable::field, build.index->id, field.number);
        ereport(NOTICE, (errmsg("field \"%s\" is not indexed: it has more than %u different values", field.name, max_dictionary)));
        field.kind = '\0';
    }
}

// Whether keys lie so far apart that positions by key would waste most of each chunk.
static bool keys_are_sparse(const SegmentIndex *index)
{
    const IndexSource &audience = index->sources[0];
    const char *key = quote_identifier(get_attname(audience.relation, audience.member, false));
    std::int64_t found[4] = {};
    const char *sql = psprintf("SELECT coalesce(max(k) / %zu - min(k) / %zu, 0)::int8, count(*), coalesce(min(k), 0)::int8, coalesce(max(k), 0)::int8"
                               " FROM (SELECT t.%s::numeric AS k FROM %s t) t", chunk_size, chunk_size, key, relation_sql(audience.relation));
    visit_source(
        sql,
        [](void *to, const SourceRow &row) {
            static_cast<std::int64_t *>(to)[0] = row.key;
            for (int i = 0; i < 3; i++)
                static_cast<std::int64_t *>(to)[i + 1] = DatumGetInt64(row.values[i]);
        },
        found);
    // Up to eight times as many positions as members, and a few chunks in any case.
    return !has_chunk(found[2]) || !has_chunk(found[3]) || found[0] > 8 + 8 * (found[1] / static_cast<std::int64_t>(chunk_size));
}

static void build_index(Oid audience)
{
    IndexState state = {};
    if (!read_state(audience, nullptr, state))
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("audience %s has no segment index", get_rel_name(audience))));
    SegmentIndex *index = index_layout(audience, state.id, nullptr);
    // Writers are locked out by now: what is committed is all there is.
    PushActiveSnapshot(GetLatestSnapshot());
    pgstat_progress_start_command(PROGRESS_COMMAND_CREATE_INDEX, audience);
    int settings = NewGUCNestLevel();
    set_config_option("work_mem", psprintf("%dkB", maintenance_work_mem), PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);

    Build build = {};
    build.index = index;
    build.context = AllocSetContextCreate(CurrentMemoryContext, "segments index build", ALLOCSET_DEFAULT_SIZES);
    build.row = AllocSetContextCreate(build.context, "segments index build row", ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(build.context);
    SliceWriter writer(state.id);
    build.writer = &writer;
    build.buffers = static_cast<FieldBuffer *>(palloc0(sizeof(FieldBuffer) * (index->fields.size() + 1)));
    build.present = make_mask();
    std::memset(build.present, 0, sizeof(Mask));
    build.sparse = keys_are_sparse(index);
    for (const IndexSource &source : index->sources) {
        build_source(build, source);
        if (source.kind == source_audience)
            drop_abandoned(build);
    }
    writer.close();
    MemoryContextSwitchTo(caller);

    CommandCounterIncrement();
    const char *why;
    Relation slices = table_open(index_table(IndexTable::slice), AccessShareLock);
    state.slice_file = file_of(slices);
    table_close(slices, AccessShareLock);
    state.structure = structure_of(index, &why);
    if (why != nullptr)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("cannot build a segment index of audience %s: %s", get_rel_name(audience), why)));
    state.generation = nextval_internal(index_sequence("index_generation"), false);
    state.sparse = build.sparse;
    state.members = build.members;
    state.compacted = nextval_internal(index_sequence("delta_sequence"), false);
    state.newly_built = true;
    write_state(audience, state);
    CacheInvalidateRelcacheByRelid(catalog_relation());
    MemoryContextDelete(build.context);
    AtEOXact_GUC(true, settings);
    pgstat_progress_end_command();
    PopActiveSnapshot();
}

} // namespace segments

extern "C" {

// segments._build_index(relation regclass): fills the index whose layout is on record
SEGMENTS_FUNCTION(segments_build_index)
{
    segments::build_index(PG_GETARG_OID(0));
    PG_RETURN_VOID();
}

} // extern "C"
