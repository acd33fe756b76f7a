// Changes by field and chunk. See overlay.hpp.
#include "overlay.hpp"

#include "kernels.hpp"

#include <algorithm>
#include <bit>
#include <new>

namespace segments {

template <typename T> static T *allocate(Arena &arena, std::size_t count)
{
    return static_cast<T *>(arena.allocate(sizeof(T) * (count ? count : 1)));
}

template <typename T> static void *allocate_aligned(Arena &arena, std::size_t count)
{
    auto at = reinterpret_cast<std::uintptr_t>(arena.allocate(sizeof(T) * count + alignof(T)));
    return reinterpret_cast<void *>((at + alignof(T) - 1) / alignof(T) * alignof(T));
}

static std::uint32_t hash(std::int32_t chunk)
{
    return static_cast<std::uint32_t>(chunk) * 2654435761u >> 7;
}

const FieldChanges *Overlay::find(std::uint16_t field, std::int32_t code) const
{
    for (const FieldChanges *at = first_; at != nullptr; at = at->next)
        if (at->field == field && at->code == code)
            return at;
    return nullptr;
}

FieldChanges *Overlay::changes(std::uint16_t field, std::int32_t code)
{
    if (const FieldChanges *known = find(field, code))
        return const_cast<FieldChanges *>(known);
    auto *made = new (arena_->allocate(sizeof(FieldChanges))) FieldChanges{field, code, 0, 64, nullptr, {}, first_};
    made->slots = allocate<BucketSlot>(*arena_, made->capacity);
    std::fill_n(made->slots, made->capacity, BucketSlot{});
    return first_ = made;
}

Bucket *Overlay::bucket(const FieldChanges *changes, std::int32_t chunk)
{
    if (changes == nullptr)
        return nullptr;
    for (std::uint32_t at = hash(chunk);; at++) {
        const BucketSlot &slot = changes->slots[at & (changes->capacity - 1)];
        if (slot.bucket == nullptr || slot.chunk == chunk)
            return slot.bucket;
    }
}

// Enters a bucket whose chunk has none.
static void enter(BucketSlot *slots, std::uint32_t capacity, const BucketSlot &slot)
{
    std::uint32_t at = hash(slot.chunk);
    while (slots[at & (capacity - 1)].bucket != nullptr)
        at++;
    slots[at & (capacity - 1)] = slot;
}

Bucket *Overlay::make_bucket(FieldChanges *changes, std::int32_t chunk)
{
    if (changes->used * 2 >= changes->capacity) {
        std::uint32_t capacity = changes->capacity * 2;
        auto *larger = allocate<BucketSlot>(*arena_, capacity);
        std::fill_n(larger, capacity, BucketSlot{});
        for (std::uint32_t i = 0; i < changes->capacity; i++)
            if (changes->slots[i].bucket != nullptr)
                enter(larger, capacity, changes->slots[i]);
        changes->slots = larger;
        changes->capacity = capacity;
    }
    auto *made = new (allocate_aligned<Bucket>(*arena_, 1)) Bucket{};
    made->chunk = chunk;
    enter(changes->slots, changes->capacity, {chunk, made});
    changes->used++;
    return made;
}

// A block for more changes.
LooseBlock *Overlay::make_block(LooseBlock *next, std::uint32_t so_far, std::size_t size)
{
    std::uint32_t capacity = std::clamp<std::uint32_t>(so_far, 4, 1024);
    auto *block = static_cast<LooseBlock *>(arena_->allocate(sizeof(LooseBlock) + capacity * size));
    *block = {next, 0, capacity};
    return block;
}

void Overlay::add_op(Loose &to, const Op &op)
{
    if (to.ops == nullptr || to.ops->used == to.ops->capacity)
        to.ops = make_block(to.ops, to.count, sizeof(Op));
    to.ops->ops()[to.ops->used++] = op;
    to.sets = to.sets || op.is_set;
    to.count++;
}

// A time's bits above the position.
constexpr int time_bits = 48;

// The block at hand learns what is in it.
static void close(Bucket &bucket)
{
    if (bucket.at != nullptr)
        bucket.pending.events->used = static_cast<std::uint32_t>(bucket.at - bucket.pending.events->events());
    bucket.at = bucket.end = nullptr;
}

void Overlay::make_room(Bucket &to)
{
    LooseBlock *made = make_block(to.pending.events, to.pending.count, sizeof(PackedEvent));
    close(to);
    to.pending.events = made;
    to.at = made->events();
    to.end = to.at + made->capacity;
}

// Adds a single event; false where it is too far from the first one.
inline bool Overlay::add_event(Bucket &to, std::uint16_t position, std::int64_t at)
{
    if (!has_epoch_) {
        epoch_ = at;
        has_epoch_ = true;
    }
    auto since = static_cast<std::int64_t>(static_cast<std::uint64_t>(at) - static_cast<std::uint64_t>(epoch_));
    if (since >> (time_bits - 1) != since >> 63)
        return false;
    if (to.at == to.end)
        make_room(to);
    *to.at++ = static_cast<std::uint64_t>(since) << 16 | position;
    to.pending.count++;
    return true;
}

void Overlay::add(FieldChanges *changes, std::int32_t chunk, const Op &op)
{
    if (changes->last.bucket == nullptr || changes->last.chunk != chunk) {
        Bucket *known = bucket(changes, chunk);
        changes->last = {chunk, known != nullptr ? known : make_bucket(changes, chunk)};
    }
    Bucket &into = *changes->last.bucket;
    bool single = !op.is_set && op.count == 1 && op.a == op.b;
    if (!single || !add_event(into, op.position, op.a))
        add_op(into.pending, op);
}

// Calls take(op) for all changes up to a mark.
template <typename Take> void Overlay::each(const Loose &loose, Take &&take, LooseMark end) const
{
    for (LooseBlock *block = loose.ops; block != end.ops; block = block->next)
        std::for_each(block->ops(), block->ops() + block->used, take);
    for (LooseBlock *block = loose.events; block != end.events; block = block->next) {
        const PackedEvent *last = block->events() + block->used;
        for (const PackedEvent *event = block->events(); event != last; event++) {
            auto at = static_cast<std::int64_t>(static_cast<std::uint64_t>(epoch_) + static_cast<std::uint64_t>(static_cast<std::int64_t>(*event) >> 16));
            take(Op{static_cast<std::uint16_t>(*event), false, false, 1, at, at});
        }
    }
}

// All of both; few: what is gone through.
static Loose joined(const Loose &few, const Loose &more)
{
    auto join = [](LooseBlock *first, LooseBlock *second) {
        if (first == nullptr)
            return second;
        LooseBlock *end = first;
        while (end->next != nullptr)
            end = end->next;
        end->next = second;
        return first;
    };
    return {join(few.ops, more.ops), join(few.events, more.events), few.count + more.count, few.sets || more.sets};
}

// What a later change makes of an earlier one of the same member. Sets go by their order, events add up.
static void combine(Op &op, const Op &other)
{
    if (op.is_set || other.is_set) {
        if (!op.is_set || (other.is_set && other.b > op.b))
            op = other;
        return;
    }
    op.count += other.count;
    op.a = std::min(op.a, other.a);
    op.b = std::max(op.b, other.b);
}

// Room for so many ops, until the next call.
Op *Overlay::scratch(std::size_t count)
{
    if (count > scratch_size_) {
        scratch_ = allocate<Op>(*arena_, count + count / 2);
        scratch_size_ = count + count / 2;
    }
    return scratch_;
}

// Makes a level of two lists that are in order; right: the later ones.
void Overlay::merge(Level &into, const Op *left, std::size_t left_count, const Op *right, std::size_t right_count)
{
    Op *merged = allocate<Op>(*arena_, left_count + right_count), *to = merged;
    const Op *left_end = left + left_count, *right_end = right + right_count;
    auto take = [&](const Op &op) {
        if (to != merged && to[-1].position == op.position)
            combine(to[-1], op);
        else
            *to++ = op;
    };
    while (left != left_end || right != right_end) {
        if (right == right_end || (left != left_end && left->position <= right->position))
            take(*left++);
        else
            take(*right++);
    }
    into = {};
    into.ops = merged;
    into.count = static_cast<std::size_t>(to - merged);
}

const Op *find_op(const Level &level, std::uint16_t position)
{
    const Op *end = level.ops + level.count;
    const Op *found = std::lower_bound(const_cast<const Op *>(level.ops), end, position, [](const Op &op, std::uint16_t at) { return op.position < at; });
    return found != end && found->position == position ? found : nullptr;
}

// From so many on changes are brought in order by a table.
constexpr std::uint32_t many = 256;

// Adds changes to a level that is in order: by sorting them,
void Overlay::gather_few(Level &into, const Loose &loose)
{
    Op *ops = scratch(loose.count), *end = ops;
    each(loose, [&end](const Op &op) { *end++ = op; });
    std::sort(ops, end, [](const Op &x, const Op &y) { return x.position < y.position; });
    merge(into, into.ops, into.count, ops, loose.count);
}

// or, where they are many, by a table of where each member's change is.
void Overlay::gather_many(Level &into, const Loose &loose)
{
    if (places_ == nullptr) {
        places_ = allocate<std::uint16_t>(*arena_, chunk_size);
        std::fill_n(places_, chunk_size, 0);
    }
    Op *ops = scratch(std::min(into.count + loose.count, chunk_size));
    std::size_t count = 0;
    Word members[slice_words] = {};
    auto take = [&](const Op &op) {
        std::uint16_t &place = places_[op.position];
        if (place != 0) {
            combine(ops[place - 1], op);
            return;
        }
        ops[count] = op;
        place = static_cast<std::uint16_t>(++count);
        members[op.position / 64] |= Word(1) << (op.position % 64);
    };
    std::for_each(into.ops, into.ops + into.count, take);
    each(loose, take);
    Op *gathered;
    try {
        gathered = allocate<Op>(*arena_, count);
    } catch (...) {
        std::for_each(ops, ops + count, [this](const Op &op) { places_[op.position] = 0; });
        throw;
    }
    into = {};
    into.ops = gathered;
    into.count = count;
    for (std::size_t word = 0; word < slice_words; word++)
        for (Word left = members[word]; left != 0; left &= left - 1) {
            std::uint16_t &place = places_[word * 64 + static_cast<std::size_t>(std::countr_zero(left))];
            *gathered++ = ops[place - 1];
            place = 0;
        }
}

void Overlay::gather(Level &into, const Loose &loose)
{
    if (loose.count < many)
        gather_few(into, loose);
    else
        gather_many(into, loose);
}

// What is known of it stays.
void Overlay::bring_in_order(Level &level)
{
    if (level.ops != nullptr || level.count == 0)
        return;
    Level ordered = {};
    gather(ordered, level.loose);
    level.ops = ordered.ops;
    level.count = ordered.count;
}

void Overlay::give_back(Mask *mask)
{
    if (mask == nullptr)
        return;
    spare_ = new (mask) SpareMask{spare_};
    slices_--;
}

// A level gives way to another: what was worked out of it is memory for that. Else a process that looks again and again as changes come takes more and
// more, each time cleared by the kernel.
void Overlay::give_back(const Level &level)
{
    for (int part = 0; part < 3; part++) {
        if (level.known[part]) {
            give_back(level.effective[part].valued);
            give_back(level.effective[part].nulls);
        }
        if (FreshColumn *fresh = level.fresh[part]) {
            give_back(fresh->has);
            for (int i = 0; i < fresh->entry.bits; i++)
                give_back(fresh->slices[i]);
        }
    }
}

// Whether a level has nothing but events.
static bool is_events(const Level &level)
{
    return level.count == 0 || level.loose.count > 0;
}

// Events need no order to be added up: many are left as they came.
void Overlay::settle_events(Bucket *bucket, bool whole)
{
    Level &first = bucket->levels[0], &second = bucket->levels[1];
    Loose &pending = bucket->pending;
    std::size_t later = second.count + pending.count;
    bool only_counted = first.fresh[0] != nullptr && !first.known[1] && !first.known[2];
    bool all = later > 0 && (first.count == 0 || whole || later > 64 + first.count / 8 || only_counted);
    if (!all && pending.count == 0)
        return;
    Level &into = all ? first : second, before = into;
    if (!all && before.ops != nullptr && later < many_events) {
        gather(into, pending);
        into.loose = joined(pending, before.loose);
        pending = {};
    } else {
        into = {};
        into.loose = joined(pending, all ? joined(second.loose, before.loose) : before.loose);
        into.count = into.loose.count;
        pending = {};
        if (all) {
            into.fresh[0] = before.fresh[0];
            into.added = before.added;
            before.fresh[0] = nullptr;
            give_back(second);
            second = {};
        }
        if (into.count < many_events)
            bring_in_order(into);
    }
    give_back(before);
}

void Overlay::settle_others(Bucket *bucket, bool whole)
{
    Level &first = bucket->levels[0], &second = bucket->levels[1];
    bring_in_order(second);
    if (bucket->pending.count > 0) {
        Level &into = first.count == 0 ? first : second, before = into;
        gather(into, bucket->pending);
        bucket->pending = {};
        give_back(before);
        // A set of the first level may be the later one all the same, and is then the last word.
        for (std::size_t i = 0; i < second.count && !is_events(first); i++)
            if (const Op *other = find_op(first, second.ops[i].position); other != nullptr && other->is_set)
                combine(second.ops[i], *other);
    }
    if (second.count > 0 && (whole || second.count > 64 + first.count / 8)) {
        bring_in_order(first);
        Level merged;
        merge(merged, first.ops, first.count, second.ops, second.count);
        give_back(first);
        give_back(second);
        first = merged;
        second = {};
    }
}

void Overlay::settle(Bucket *bucket, bool whole)
{
    close(*bucket);
    if (!bucket->pending.sets && is_events(bucket->levels[0]) && is_events(bucket->levels[1]))
        settle_events(bucket, whole);
    else
        settle_others(bucket, whole);
    if (whole)
        bring_in_order(bucket->levels[0]);
}

void Overlay::sum_up(const Level &level, int part, Mask *members, std::int64_t *to) const
{
    auto all = [&](auto &&more) {
        each(level.loose, [&](const Op &op) {
            Word &word = members->words[op.position / 64], bit = Word(1) << (op.position % 64);
            std::int64_t &at = to[op.position];
            at = more(op, (word & bit) != 0, at);
            word |= bit;
        });
    };
    if (part == 0)
        all([](const Op &op, bool known, std::int64_t so_far) { return (known ? so_far : 0) + op.count; });
    else if (part == 1)
        all([](const Op &op, bool known, std::int64_t so_far) { return known ? std::min(so_far, op.a) : op.a; });
    else
        all([](const Op &op, bool known, std::int64_t so_far) { return known ? std::max(so_far, op.b) : op.b; });
}

// Memory for so many masks, not filled.
static Mask *allocate_masks(Arena &arena, std::size_t count)
{
    return new (allocate_aligned<Mask>(arena, count)) Mask[count];
}

const Mask *Overlay::count_events(const Level &level, std::size_t *used)
{
    if (planes_ == nullptr)
        planes_ = allocate_masks(*arena_, max_planes);
    Mask *planes = planes_;
    std::size_t count = 0;
    bool fits = true;
    auto add = [&](std::uint16_t position, std::size_t plane) {
        Word bit = Word(1) << (position % 64);
        for (;; plane++) {
            if (plane == max_planes) {
                fits = false;
                return;
            }
            for (; count <= plane; count++)
                planes[count] = {};
            Word &word = planes[plane].words[position / 64];
            word ^= bit;
            if ((word & bit) != 0)
                return;
        }
    };
    auto count_op = [&](const Op &op) {
        for (std::uint32_t left = op.count; left != 0; left &= left - 1)
            add(op.position, static_cast<std::size_t>(std::countr_zero(left)));
    };
    each(level.loose, count_op, level.added);
    *used = fits ? count : 0;
    return planes;
}

std::size_t Overlay::not_added(const Level &level) const
{
    std::size_t count = 0;
    for (const LooseBlock *block = level.loose.ops; block != level.added.ops; block = block->next)
        count += block->used;
    for (const LooseBlock *block = level.loose.events; block != level.added.events; block = block->next)
        count += block->used;
    return count;
}

int Overlay::add_each(const Level &level, LooseMark added, Mask **slices, int count)
{
    auto add = [&](std::uint16_t position, int slice) {
        for (Word bit = Word(1) << (position % 64);; slice++) {
            for (; count <= slice && count < max_slices; count++)
                slices[count] = make_mask();
            if (slice >= max_slices)
                return false;
            Word &word = slices[slice]->words[position / 64];
            word ^= bit;
            if ((word & bit) != 0)
                return true;
        }
    };
    bool fits = true;
    auto add_op = [&](const Op &op) {
        for (std::uint32_t left = op.count; left != 0; left &= left - 1)
            fits = add(op.position, std::countr_zero(left)) && fits;
    };
    each(level.loose, add_op, added);
    return fits ? count : -1;
}

std::int64_t *Overlay::values()
{
    if (values_ == nullptr)
        values_ = allocate<std::int64_t>(*arena_, chunk_size);
    return values_;
}

Mask *Overlay::make_slice()
{
    SpareMask *place = spare_;
    if (place != nullptr)
        spare_ = place->next;
    Mask *made = place == nullptr ? allocate_masks(*arena_, 1) : new (place) Mask;
    slices_++;
    return made;
}

Mask *Overlay::make_mask()
{
    Mask *made = make_slice();
    std::fill_n(made->words, slice_words, 0);
    return made;
}

FreshColumn *Overlay::make_fresh()
{
    return new (arena_->allocate(sizeof(FreshColumn))) FreshColumn{};
}

Effective Overlay::make_effective(std::size_t count)
{
    Effective made = {};
    made.values = allocate<std::int64_t>(*arena_, count + 7);
    if (count < few_members) {
        made.positions = allocate<std::uint16_t>(*arena_, count);
        made.capacity = count;
    } else {
        made.valued = make_mask();
    }
    return made;
}

void Overlay::count_before(Effective &of)
{
    if (of.positions != nullptr || of.before != nullptr)
        return;
    auto *before = allocate<std::uint16_t>(*arena_, slice_words);
    std::size_t count = 0;
    for (std::size_t i = 0; i < slice_words; i++) {
        before[i] = static_cast<std::uint16_t>(count);
        count += static_cast<std::size_t>(std::popcount(of.valued->words[i]));
    }
    of.before = before;
}

void Overlay::spread(Effective &of)
{
    if (of.positions == nullptr)
        return;
    Mask *valued = make_mask(), *nulls = of.null_count == 0 ? nullptr : make_mask();
    set_positions(valued->words, of.positions, of.count);
    if (nulls != nullptr)
        set_positions(nulls->words, of.positions + of.capacity - of.null_count, of.null_count);
    of.valued = valued;
    of.nulls = nulls;
    of.positions = nullptr;
}

} // namespace segments
