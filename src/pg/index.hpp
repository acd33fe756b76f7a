// The segment index: what the parts that build, write, read and compact it share.
//
// index_catalog.cpp knows which indexes there are and whether one may be used; index_store.cpp keeps slices, entries and dictionaries;
// index_build.cpp fills them; index_write.cpp notes what statements change; index_changes.cpp reads that; index_compact.cpp takes it in;
// index_program.cpp makes bitmap programs of rules; index_run.cpp runs them, index_runner.cpp a chunk of one; index_scan.cpp puts them into plans.
#pragma once

#include "catalog.hpp"

extern "C" {
#include "storage/buf.h"
#include "utils/snapshot.h"
}

namespace segments {

// Kinds of sources and fields, as segments.index_source and index_field have them.
constexpr char source_audience = 'a', source_membership = 'm', source_events = 'e';
constexpr char field_integer = 'i', field_date = 'd', field_timestamp = 't', field_instant = 'z', field_numeric = 'n', field_float = 'f', field_boolean = 'b',
               field_dictionary = 'c', field_array = 'a', field_membership = 'm', field_count = 'k', field_first = '<', field_last = '>';

// Field 0: the members that exist. No dictionary, one set. A sparse index keeps the keys of its positions as a column of their own.
constexpr std::uint16_t field_present = 0, field_key = 65535;

// Keys of which a sparse index has no position yet get one in a chunk from here on, for as long as they are changes.
constexpr std::int32_t first_new_chunk = 1 << 30;

struct IndexSource {
    std::uint16_t number;
    char kind;
    Oid relation;
    AttrNumber member; // the key, or the column that equals it
    AttrNumber value;
    AttrNumber at;
    AttrNumber event_kind; // 0: all events are of one kind
};

struct Dictionary;

struct IndexField {
    std::uint16_t number;
    std::uint16_t source;
    char kind;
    const char *name;
    AttrNumber attnum;
    Oid type; // of a membership: of its values; of an array: of its elements
    std::int32_t typmod;
    Oid collation;
    const char *event; // kind of the events
    std::int16_t type_length;
    bool by_value;
    int scale;              // numeric
    mutable Dictionary *dictionary; // loaded when it is first needed; null before
};

// Whether a field is a set of members for each value, not a value for each member.
inline bool is_set(const IndexField &field)
{
    return field.kind == field_membership || field.kind == field_array;
}
inline bool has_dictionary(const IndexField &field)
{
    return field.kind == field_dictionary || is_set(field);
}
inline bool is_event(const IndexField &field)
{
    return field.kind == field_count || field.kind == field_first || field.kind == field_last;
}

// The row of segments.index_state.
struct IndexState {
    std::int32_t id;
    std::int64_t generation; // 0: not built
    bool sparse;
    std::int64_t structure;
    Oid slice_file;
    const char *stale; // or null
    std::int64_t members;
    std::int64_t compacted; // number of the last change that was taken in
    bool newly_built;       // for write_state: this is when it was built
};

// One field (and code) of every chunk, in order of SegmentIndex::chunks; null: nobody has anything there.
struct ColumnDirectory {
    const ColumnEntry **entries;
    Buffer *recent; // 65 for each chunk: where the slices, then `has`, were last seen
};
struct SetDirectory {
    std::int32_t code;
    const SetEntry **entries;
    Buffer *recent;
};

// A sparse index: the keys of a chunk's positions, in the order of the positions, and that order by key.
struct KeyMap {
    std::uint32_t count;
    std::int64_t *keys;
    std::uint16_t *sorted;
};

struct Changes;

// An index as this backend knows it. What hangs on the generation is replaced with it; a caller in mid-work keeps what it holds until the
// transaction ends.
struct SegmentIndex {
    Oid audience;
    std::int32_t id;
    bool sparse;
    std::span<IndexSource> sources;
    std::span<IndexField> fields; // fields[i].number == i + 1
    MemoryContext context;        // of the layout and the dictionaries

    std::uint64_t structure_seen; // when `structure` was looked at
    std::int64_t structure;
    const char *structure_problem; // or null

    IndexState state; // that the rest is of
    MemoryContext directory_context;
    std::span<std::int32_t> chunks; // ascending numbers of those that have members
    SetDirectory *present;
    ColumnDirectory **columns; // by field number; null: not loaded
    List **sets;               // by field number: SetDirectory * loaded so far
    KeyMap **keys;             // of a sparse index, by chunk; null: not loaded
    Changes *changes;          // see index_changes.cpp
};

inline const IndexField *field_of(const SegmentIndex *index, std::uint16_t number)
{
    return number == 0 || number > index->fields.size() ? nullptr : &index->fields[number - 1];
}

// A dense index: members by chunk and position. Keys below zero have chunks of negative numbers.
inline std::int64_t chunk_of(std::int64_t key)
{
    std::int64_t chunk = key / static_cast<std::int64_t>(chunk_size);
    return key % static_cast<std::int64_t>(chunk_size) < 0 ? chunk - 1 : chunk;
}
inline bool has_chunk(std::int64_t key)
{
    std::int64_t chunk = chunk_of(key);
    return PG_INT32_MIN <= chunk && chunk < first_new_chunk;
}
inline std::int64_t first_key(std::int64_t chunk)
{
    return chunk * static_cast<std::int64_t>(chunk_size);
}

// index_catalog.cpp ---------------------------------------------------------------------------------------------------------------

enum class IndexTable : std::uint8_t { state, stale, source, field, slice, slice_entry, delta, dictionary };
constexpr int index_tables = 8;

// A table of the index's own, and its primary key or only index.
Oid index_table(IndexTable table);
Oid index_table_key(IndexTable table);
// What writing to one of them keeps up besides the table; an error where somebody has given it an index that takes the executor to keep.
ResultRelInfo *open_indexes(Relation relation);
// A sequence of the index's own.
Oid index_sequence(const char *name);

// Reads the state of an audience's index as a snapshot sees it (null: the latest committed); false where there is none.
bool read_state(Oid audience, Snapshot snapshot, IndexState &state);
void write_state(Oid audience, const IndexState &state);
// Notes that an index may have missed changes. Waits for nobody, as writers do not for each other.
void mark_stale(Oid audience, const char *why);
// Audiences that have a state; a List of OIDs.
List *all_states();

// Has changes of a table's definition counted, and how many changes there were.
void watch_table(Oid relation);
std::uint64_t structures_seen();

// The index with this id: its layout, without a look at its state. Cached; else read as a snapshot sees it (null: the latest one).
SegmentIndex *index_layout(Oid audience, std::int32_t id, Snapshot snapshot);

// What files its tables have, their partitions, columns and triggers, as a number: an index is of one such structure. why: set where the tables
// are in no state to have an index at all.
std::int64_t structure_of(const SegmentIndex *index, const char **why);

// The index of an audience, as the active snapshot sees it, in its present generation; null where it can't be used, with the reason.
// Takes the locks that reading its tables would.
SegmentIndex *usable_index(const Audience *audience, const char **why);

// Whether a unique index, of whole rows and checked at once, is of none but these columns: no two rows have the same values there, NULLs aside.
bool is_unique(Relation relation, std::initializer_list<AttrNumber> columns);

// Whether the current user could read a table by himself, all of it.
bool may_read(Oid relation);

// Whether a file on record is a relation's present one.
Oid file_of(Relation relation);

// segments.use_index
enum class UseIndex : int { on, off, force };
UseIndex use_index();

// segments.auto_compact
bool auto_compact();
void define_use_index();
void define_auto_compact();

// What index_values.cpp, index_statements.cpp and index_worker.cpp must know of the ends of transactions, from when the library is loaded.
void watch_dictionaries();
void watch_writings();
void watch_requests();

// index_statements.cpp: whether a statement of this backend is at work on a table of the index, so that its rows are there, but not yet noted.
bool is_being_written(const SegmentIndex *index);
// Whether this transaction sees two rows of a member: in REPEATABLE READ and above, his own, and one that somebody else removed since it began. To SQL, he
// counts twice. Reads the audience as the calling role.
bool sees_twice(const Audience *audience);

// index_write.cpp: rows of changes that a transaction writes, numbered when the first one is.
constexpr std::int64_t any_order = -1; // what adds up needs no number
struct DeltaSink {
    Relation relation;
    std::int32_t id;
    std::int64_t sequence; // 0: the next of the sequence; or any_order
    std::size_t bytes;
    void close();
};
void insert_delta(void *sink, const unsigned char *bytes, std::size_t size);

// index_worker.cpp: a statement has noted changes of so many bytes; where there are many by now, they are taken in once it has committed.
void note_written(const SegmentIndex &index, std::size_t bytes);
// Its index is stale: it is built anew once the statement has committed, where that takes but a moment.
void note_stale(Oid audience);

// index_store.cpp -----------------------------------------------------------------------------------------------------------------

// Reads the directory of an index's present generation, as far as needed.
void load_chunks(SegmentIndex *index);
ColumnDirectory *load_column(SegmentIndex *index, std::uint16_t field);
const KeyMap *load_keys(SegmentIndex *index, std::size_t chunk); // chunk: position in index->chunks
SetDirectory *load_set(SegmentIndex *index, std::uint16_t field, std::int32_t code);

// Where a chunk stands in the index's list, or -1.
std::ptrdiff_t base_of(const SegmentIndex *index, std::int32_t chunk);

// What an index takes: slices, bytes of them and their entries; rows of changes and their bytes.
struct Usage {
    std::int64_t slices, bytes, changes, change_bytes;
};
Usage slice_usage(const SegmentIndex *index);
Usage usage_of(Oid audience, const IndexState &state);

Buffer read_page(Relation relation, BlockNumber block, Buffer *recent);

// The slices of one chunk while they are looked at.
class SlicePins {
public:
    SlicePins(const SegmentIndex *index, Relation slices);
    ~SlicePins();
    // The bits of a slice, valid until release().
    const Word *pin(SliceRef ref, std::int32_t chunk, std::uint32_t tag, Buffer *recent);
    void release();

private:
    static constexpr int most = 80; // slices at a time

    const SegmentIndex *index_;
    Relation slices_;
    int limit_; // buffers that may be pinned; what is more is copied
    int count_ = 0, copied_ = 0;
    Buffer pinned_[most];
    void *copies_ = nullptr;
};

// A mask in CurrentMemoryContext, not filled.
Mask *make_mask();

// What a slice says of itself besides index and chunk.
std::uint32_t slice_tag(std::uint16_t field, std::int32_t code, int slice);
constexpr int slice_has = 64; // number of a column's `has`; a set's only one is 0

// Writes slices and entries of one generation.
class SliceWriter {
public:
    explicit SliceWriter(std::int32_t id);
    void close();

    // Encodes and stores a field of a chunk: values for each position, those with a value (null: all). present: whom it matters for.
    // old: what there was, or null; a slice whose bits are the same stays where it is.
    void write_column(std::uint16_t field, std::int32_t chunk, const std::int64_t *values, const Word *has, const Word *present, const ColumnEntry *old);
    void write_set(std::uint16_t field, std::int32_t code, std::int32_t chunk, const Word *members, const SetEntry *old, bool keep_empty = false);

private:
    SliceRef write_slice(const Word *bits, std::int32_t chunk, std::uint32_t tag, SliceRef old);
    void delete_slice(SliceRef old);
    void write_entry_row(std::uint16_t field, std::int32_t code, std::int32_t chunk, std::size_t size, bool replace);

    std::int32_t id_;
    Relation slices_, entries_;
    ResultRelInfo *indexes_;
    unsigned char *buffer_; // bytes of an entry, behind a varlena header
    unsigned char *slice_;  // of a slice
    Word *planes_;
    std::uint64_t *encoded_;
};

// A dictionary: values of a field and their codes. Two codes may have equal values.
struct Dictionary {
    std::uint32_t count, capacity;
    std::int32_t *codes;
    Datum *values; // in the dictionary's own memory
    std::uint32_t *table; // open addressing by value: position + 1
    std::uint32_t table_size;
    std::uint32_t *code_table; // the same by code
    MemoryContext context;
    std::uint64_t version; // another whenever something was added
    std::uint64_t epoch;   // of aborts
    std::int64_t seen_generation; // of the index, and
    std::uint64_t seen_changes;   // version of its changes, when others' additions were last looked for
};

// The dictionary of a field, as far as this backend knows it; reload: look for what others have added.
Dictionary *dictionary_of(SegmentIndex *index, const IndexField &field, bool reload = false);
// The code of a value, which is added where it is new: with the next of the sequence, or, while building, one after the other.
std::int32_t code_of(SegmentIndex *index, const IndexField &field, Datum value, bool building = false);
// The code of a value, or -1.
std::int32_t find_code(SegmentIndex *index, const IndexField &field, Datum value);
// Position of a code in the dictionary, or -1.
int position_of_code(const Dictionary *dictionary, std::int32_t code);
// Two writers may have given one value a code each: the position of the one that stands for all of them.
int first_position(const IndexField &field, const Dictionary *dictionary, std::uint32_t position);

// A value as the number that a column keeps; order is kept, but for dictionaries.
std::int64_t image_of(SegmentIndex *index, const IndexField &field, Datum value, bool building = false);
// The value that a number stands for.
Datum value_of_image(SegmentIndex *index, const IndexField &field, std::int64_t image);

// Whether a column is compared by number with values of a type; and such a value as a number: it is that number,
// lies above it and below the next one, or below all.
enum class Fit : std::uint8_t { exact, above, below_all };
bool compares_with(const IndexField &field, Oid type);
Fit image_of_constant(const IndexField &field, Oid type, Datum value, std::int64_t *image);

// Work on an index's tables, whatever the caller's rights and search_path; a number for progress.
void delete_rows(IndexTable table, std::int32_t id, std::uint16_t field);

// index_members.cpp -----------------------------------------------------------------------------------------------------------------
//
// What tables say of members, for the builder and for members of whom only the tables know: SELECTs over a source, in order of the member.

// What a source says of a member.
struct SourceRow {
    std::int64_t key;
    const Datum *values; // from column 2 on
    const bool *nulls;
};
using VisitRow = void (*)(void *context, const SourceRow &row);

// SELECT of a source; keys: an SQL array of bigint to restrict it to, or null for all members.
//   audience: key, every column of its fields; membership: member, value; events: member, kind as text, count, first, last
const char *source_sql(const SegmentIndex *index, const IndexSource &source, const char *keys);
// Keys as such an array.
const char *array_sql(const std::int64_t *keys, std::size_t count);
// Runs it under the active snapshot.
void visit_source(const char *sql, VisitRow visit, void *context);

// Elements of an array that are not NULL.
std::span<const Datum> elements_of(const IndexField &field, Datum array);

// index_changes.cpp ---------------------------------------------------------------------------------------------------------------

// A change of this order comes from the tables themselves, and is the last word.
constexpr std::int64_t order_last = PG_INT64_MAX;
// The code of a membership without a value: it is in no list, but is not nothing either.
constexpr std::int32_t null_code = -1;
// In place of a code: the members of a set field of whom only the tables know.
constexpr std::int32_t any_code = PG_INT32_MIN;

// Changes that a snapshot sees, not yet taken into the slices.
struct Changes {
    MemoryContext context;
    Overlay *overlay;
    FieldChanges **by_field; // code 0, by field number
    struct Applied *applied; // rows that are in the overlay, in the order of the table
    std::size_t applied_count;
    struct AppliedPage *pages; // by number, of the table when it had this file
    BlockNumber page_count;
    Oid file;
    std::int64_t bytes, first_sequence, last_sequence; // of the rows
    std::uint64_t version; // another whenever rows were added
    List **dirty;         // by source number: arrays of keys
    bool *dirty_resolved; // by source number
    bool any_dirty;
    std::int64_t *latest; // by number of an event kind's count: its latest event among the changes
    std::int64_t *new_keys; // sparse: keys that have no position in the slices, in order of those that they have here
    std::size_t new_key_count, new_key_capacity;
    std::uint32_t *new_key_table;
    std::uint32_t new_key_table_size;
};

// Brings the index's changes up to what the active snapshot sees; sources: bits of the source numbers whose dirty members are to be looked up.
// Null where there are too many of those. however_many: those of all sources, however many.
Changes *current_changes(SegmentIndex *index, std::uint64_t sources, bool however_many = false);

// Where a key is or will be; false: a sparse index does not know it.
bool locate(SegmentIndex *index, Changes *changes, std::int64_t key, std::int32_t *chunk, std::uint16_t *position);
// The key at a position.
std::int64_t key_at(SegmentIndex *index, const Changes *changes, std::int32_t chunk, std::uint16_t position);

// The rows that are in the overlay: their tuples' places, for who takes them in.
std::span<const ItemPointerData> applied_rows(const Changes *changes);

} // namespace segments
