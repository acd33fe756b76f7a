// Changes since the slices were written, by field and chunk.
//
// What is not known without the slices (a counter's value after 3 more events) is worked out when a chunk is first asked about, and kept:
// asking again costs what it takes to look at the changed members.
#pragma once

#include "chunk.hpp"
#include "effective.hpp"
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

// A chunk's column with the changes of a level put in, in slices of this process.
struct FreshColumn {
    ColumnEntry entry; // whose `slices` say nothing
    Mask *has;         // null: as entry.has says
    Mask *slices[64];  // the first entry.bits
};

// From so many on events that came to a chunk are left as they came, and added up slice by slice: what that takes hardly hangs on how many there are.
constexpr std::uint32_t many_events = 128;

// A single event: the position, and above its 16 bits the time, counted from the overlay's first one.
using PackedEvent = std::uint64_t;

struct LooseBlock {
    LooseBlock *next;
    std::uint32_t used, capacity;
    Op *ops() { return reinterpret_cast<Op *>(this + 1); }
    PackedEvent *events() { return reinterpret_cast<PackedEvent *>(this + 1); }
};

// Changes as they came, in any order.
struct Loose {
    LooseBlock *ops, *events; // what is no single event, and what is
    std::uint32_t count;
    bool sets; // whether there are others than events
};

// How far changes as they came were added to a column: the blocks from these on are in; null: none is.
struct LooseMark {
    const LooseBlock *ops, *events;
    bool operator==(const LooseMark &) const = default;
};

// Changes that were brought together: one for each member, in order of position. Many events alone stay as they came until somebody wants them so.
struct Level {
    Op *ops;                // null: not in order yet
    std::size_t count;      // of those; or of the changes as they came
    Loose loose;            // the same changes as they came; none where there are others than events
    Effective effective[3]; // of a kind of events: of count, first, last; else the first alone
    bool known[3];
    FreshColumn *fresh[3];  // made when it is asked for again,
    bool unfit[3];          // but not where the values do not fit the column's slices
    std::uint8_t asked[3];  // how often, up to the number that matters
    LooseMark added;        // of the changes as they came, what the count's column has

    LooseMark all() const { return {loose.ops, loose.events}; }
};

// Changes of one field (and code) in one chunk. What came lately stands by itself until it is much, so that a few more changes do not have all
// of them worked out anew. A member may be in both levels: events of the second come on top of the first, anything else of the second is the last word.
struct alignas(64) Bucket {
    std::int32_t chunk;
    PackedEvent *at, *end; // room for more single events; until the bucket is settled, their block knows nothing of those before `at`
    Loose pending;
    Level levels[2];
};

// By chunk, so that only the bucket wanted is touched; null where there is none.
struct BucketSlot {
    std::int32_t chunk;
    Bucket *bucket;
};

// Changes of one field; of a set, of one code.
struct FieldChanges {
    std::uint16_t field;
    std::int32_t code;
    std::uint32_t used, capacity; // a hash table of buckets by chunk
    BucketSlot *slots;
    BucketSlot last;    // that was added to: what comes together is of one chunk, mostly
    FieldChanges *next; // of any field
};

// A member's change in a level, or null.
const Op *find_op(const Level &level, std::uint16_t position);

// Where a mask was that nobody needs any more.
struct SpareMask {
    SpareMask *next;
};

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

    // Brings what is pending into the levels; whole: all of the bucket into the first one, in order.
    void settle(Bucket *bucket, bool whole = false);

    // Of a level that is not in order: those who have events, into an empty mask, and at each one's position how many (part 0), the first (1), or the
    // last (2). `to` has room for a chunk.
    void sum_up(const Level &level, int part, Mask *members, std::int64_t *to) const;
    // How many events each member has that were not added yet, in slices from the least significant one on, until the next call. used: how many slices; 0
    // where that would be more than max_planes.
    static constexpr std::size_t max_planes = 32;
    const Mask *count_events(const Level &level, std::size_t *used);
    // How many changes were not added yet; and adds the events of each that came after a mark, by itself, to a number at each position, in slices from the
    // least significant one on. Makes more slices as they are needed; gives how many there are then, or -1 where that would be more than max_slices.
    static constexpr int max_slices = 62;
    std::size_t not_added(const Level &level) const;
    int add_each(const Level &level, LooseMark added, Mask **slices, int count);

    // Room for a chunk's values, until the next call.
    std::int64_t *values();

    // Memory for the values of up to so many members, of whom there are none yet.
    Effective make_effective(std::size_t count);
    Mask *make_mask(); // empty
    Mask *make_slice(); // not filled
    FreshColumn *make_fresh();
    void give_back(Mask *mask); // that nobody needs any more
    std::size_t slices() const { return slices_; } // and masks that are needed

    // Makes look_up possible.
    void count_before(Effective &of);

    // Few become many: by masks.
    void spread(Effective &of);

private:
    Bucket *make_bucket(FieldChanges *changes, std::int32_t chunk);
    LooseBlock *make_block(LooseBlock *next, std::uint32_t so_far, std::size_t size);
    void add_op(Loose &to, const Op &op);
    bool add_event(Bucket &to, std::uint16_t position, std::int64_t at);
    void make_room(Bucket &to);
    template <typename Take> void each(const Loose &loose, Take &&take, LooseMark end = {}) const;
    Op *scratch(std::size_t count);
    void merge(Level &into, const Op *left, std::size_t left_count, const Op *right, std::size_t right_count);
    void gather(Level &into, const Loose &loose);
    void gather_few(Level &into, const Loose &loose);
    void gather_many(Level &into, const Loose &loose);
    void bring_in_order(Level &level);
    void give_back(const Level &level);
    void settle_events(Bucket *bucket, bool whole);
    void settle_others(Bucket *bucket, bool whole);
    Arena *arena_;
    FieldChanges *first_ = nullptr;
    std::int64_t epoch_ = 0; // the first single event's time
    bool has_epoch_ = false;
    std::int64_t *values_ = nullptr;
    Mask *planes_ = nullptr;
    SpareMask *spare_ = nullptr;
    std::size_t slices_ = 0;
    Op *scratch_ = nullptr; // kept between buckets: fresh memory costs more than the work
    std::size_t scratch_size_ = 0;
    std::uint16_t *places_ = nullptr; // by position; all 0 between uses
};

} // namespace segments
