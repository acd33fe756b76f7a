// Changes since the slices were written, by field and chunk.
//
// What is not known without the slices (a counter's value after 3 more events) is worked out when a chunk is first asked about, and kept:
// asking again costs what it takes to look at the changed members.
#pragma once

#include "chunk.hpp"
#include "entry.hpp"
#include "../rule/arena.hpp"

namespace segments {

// What happened to one member of a bucket, all its changes in one.
struct Op {
    std::uint16_t position;
    bool is_set;         // value, or NULL, as of `order`
    bool null;
    std::uint32_t count; // events
    std::int64_t a;      // is_set: value; else first event
    std::int64_t b;      // is_set: order; else last event
};

// The changed members of a chunk in one field, in order of position, and their values now.
struct Effective {
    Mask *valued;          // those who have a value now,
    std::int64_t *values;  // and what it is, in order of position; 7 more may be read
    std::size_t count;
    Mask *nulls;           // those who have none now; null: nobody
    std::uint16_t *before; // for each word of `valued`, how many values stand before it; null: not counted
};

// A chunk's column with the changes of a level put in, in slices of this process.
struct FreshColumn {
    ColumnEntry entry; // whose `slices` say nothing
    const Word *has;   // null: as entry.has says
    const Word *slices[64];
};

// What has become of it: it is made when it is asked for again, unless the values do not fit the column's slices.
enum class Freshness : std::uint8_t { unasked, asked, made, unfit };

struct OpBlock {
    OpBlock *next;
    std::uint32_t used, capacity;
    Op *ops() { return reinterpret_cast<Op *>(this + 1); }
};

// Changes that were brought together: one for each member, in order of position.
struct Level {
    Op *ops;
    std::size_t count;
    Effective effective[3]; // of a kind of events: of count, first, last; else the first alone
    bool known[3];
    const FreshColumn *fresh[3];
    Freshness freshness[3];
};

// Changes of one field (and code) in one chunk. What came lately stands by itself until it is much, so that a few more changes do not have all
// of them worked out anew. A member may be in both levels: events of the second come on top of the first, anything else of the second is the last word.
struct Bucket {
    std::int32_t chunk;
    std::uint32_t pending; // ops in the blocks
    OpBlock *blocks;
    Level levels[2];
};

// Changes of one field; of a set, of one code.
struct FieldChanges {
    std::uint16_t field;
    std::int32_t code;
    std::uint32_t used, capacity; // a hash table of buckets by chunk
    Bucket **buckets;
    Bucket *last;       // that was added to: what comes together is of one chunk, mostly
    FieldChanges *next; // of any field
};

// A member's change in a level, or null.
const Op *find_op(const Level &level, std::uint16_t position);

// The value of a member of `valued`.
inline std::int64_t value_of(const Effective &of, std::uint16_t position)
{
    Word below = of.valued->words[position / 64] & ((Word(1) << (position % 64)) - 1);
    return of.values[of.before[position / 64] + static_cast<std::size_t>(__builtin_popcountll(below))];
}

// Holds changes; memory is the arena's, so that there are no destructors. May throw std::bad_alloc.
class Overlay {
public:
    explicit Overlay(Arena &arena) : arena_(&arena) {}

    FieldChanges *changes(std::uint16_t field, std::int32_t code);
    const FieldChanges *find(std::uint16_t field, std::int32_t code) const;
    const FieldChanges *first() const { return first_; }

    void add(FieldChanges *changes, std::int32_t chunk, const Op &op);

    // The bucket of a chunk, null where nothing has changed.
    static Bucket *bucket(const FieldChanges *changes, std::int32_t chunk);

    // Brings what is pending into the levels; whole: all of the bucket into the first one.
    void settle(Bucket *bucket, bool whole = false);

    // Memory for the values of up to so many members, of whom there are none yet.
    Effective make_effective(std::size_t count);
    Mask *make_mask(); // empty
    FreshColumn *make_fresh();

    // Makes value_of possible.
    void count_before(Effective &of);

private:
    Bucket *make_bucket(FieldChanges *changes, std::int32_t chunk);
    Op *scratch(std::size_t count);
    void merge(Level &into, const Op *left, std::size_t left_count, const Op *right, std::size_t right_count);
    void gather_few(Level &into, const Bucket &bucket);
    void gather_many(Level &into, const Bucket &bucket);
    Arena *arena_;
    FieldChanges *first_ = nullptr;
    Op *scratch_ = nullptr; // kept between buckets: fresh memory costs more than the work
    std::size_t scratch_size_ = 0;
    std::uint16_t *places_ = nullptr; // by position; all 0 between uses
};

} // namespace segments
