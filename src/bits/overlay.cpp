// Changes by field and chunk. See overlay.hpp.
#include "overlay.hpp"

#include <algorithm>
#include <bit>
#include <new>

namespace segments {

template <typename T> static T *allocate(Arena &arena, std::size_t count)
{
    return static_cast<T *>(arena.allocate(sizeof(T) * (count ? count : 1)));
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
    auto *made = new (arena_->allocate(sizeof(FieldChanges))) FieldChanges{field, code, 0, 64, nullptr, nullptr, first_};
    made->buckets = allocate<Bucket *>(*arena_, made->capacity);
    std::fill_n(made->buckets, made->capacity, nullptr);
    return first_ = made;
}

Bucket *Overlay::bucket(const FieldChanges *changes, std::int32_t chunk)
{
    if (changes == nullptr)
        return nullptr;
    for (std::uint32_t at = hash(chunk);; at++) {
        Bucket *found = changes->buckets[at & (changes->capacity - 1)];
        if (found == nullptr || found->chunk == chunk)
            return found;
    }
}

Bucket *Overlay::make_bucket(FieldChanges *changes, std::int32_t chunk)
{
    if (changes->used * 2 >= changes->capacity) {
        std::uint32_t capacity = changes->capacity * 2;
        Bucket **larger = allocate<Bucket *>(*arena_, capacity);
        std::fill_n(larger, capacity, nullptr);
        for (std::uint32_t i = 0; i < changes->capacity; i++) {
            if (changes->buckets[i] == nullptr)
                continue;
            std::uint32_t at = hash(changes->buckets[i]->chunk);
            while (larger[at & (capacity - 1)] != nullptr)
                at++;
            larger[at & (capacity - 1)] = changes->buckets[i];
        }
        changes->buckets = larger;
        changes->capacity = capacity;
    }
    auto *made = new (arena_->allocate(sizeof(Bucket))) Bucket{};
    made->chunk = chunk;
    std::uint32_t at = hash(chunk);
    while (changes->buckets[at & (changes->capacity - 1)] != nullptr)
        at++;
    changes->buckets[at & (changes->capacity - 1)] = made;
    changes->used++;
    return made;
}

void Overlay::add(FieldChanges *changes, std::int32_t chunk, const Op &op)
{
    Bucket *into = changes->last;
    if (into == nullptr || into->chunk != chunk) {
        into = bucket(changes, chunk);
        if (into == nullptr)
            into = make_bucket(changes, chunk);
        changes->last = into;
    }
    OpBlock *block = into->blocks;
    if (block == nullptr || block->used == block->capacity) {
        std::uint32_t capacity = std::clamp<std::uint32_t>(into->pending, 4, 1024);
        block = static_cast<OpBlock *>(arena_->allocate(sizeof(OpBlock) + capacity * sizeof(Op)));
        *block = {into->blocks, 0, capacity};
        into->blocks = block;
    }
    block->ops()[block->used++] = op;
    into->pending++;
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

// Adds what is pending to a level: by sorting it,
void Overlay::gather_few(Level &into, const Bucket &bucket)
{
    std::size_t filled = 0;
    Op *ops = scratch(bucket.pending);
    for (OpBlock *block = bucket.blocks; block != nullptr; block = block->next) {
        std::copy_n(block->ops(), block->used, ops + filled);
        filled += block->used;
    }
    std::sort(ops, ops + filled, [](const Op &x, const Op &y) { return x.position < y.position; });
    merge(into, into.ops, into.count, ops, filled);
}

// or, where it is much, by a table of where each member's change is.
void Overlay::gather_many(Level &into, const Bucket &bucket)
{
    if (places_ == nullptr) {
        places_ = allocate<std::uint16_t>(*arena_, chunk_size);
        std::fill_n(places_, chunk_size, 0);
    }
    Op *ops = scratch(std::min(into.count + bucket.pending, chunk_size));
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
    for (OpBlock *block = bucket.blocks; block != nullptr; block = block->next)
        std::for_each(block->ops(), block->ops() + block->used, take);
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

void Overlay::settle(Bucket *bucket, bool whole)
{
    Level &first = bucket->levels[0], &second = bucket->levels[1];
    if (bucket->pending > 0) {
        Level &into = first.count == 0 ? first : second;
        if (bucket->pending < 256)
            gather_few(into, *bucket);
        else
            gather_many(into, *bucket);
        bucket->blocks = nullptr;
        bucket->pending = 0;
        // A set of the first level may be the later one all the same, and is then the last word.
        for (std::size_t i = 0; i < second.count; i++)
            if (const Op *other = find_op(first, second.ops[i].position); other != nullptr && other->is_set)
                combine(second.ops[i], *other);
    }
    if (second.count > 0 && (whole || second.count > 64 + first.count / 8)) {
        Level merged;
        merge(merged, first.ops, first.count, second.ops, second.count);
        first = merged;
        second = {};
    }
}

Mask *Overlay::make_mask()
{
    auto at = reinterpret_cast<std::uintptr_t>(arena_->allocate(sizeof(Mask) + alignof(Mask)));
    return new (reinterpret_cast<void *>((at + alignof(Mask) - 1) / alignof(Mask) * alignof(Mask))) Mask{};
}

FreshColumn *Overlay::make_fresh()
{
    return new (arena_->allocate(sizeof(FreshColumn))) FreshColumn{};
}

Effective Overlay::make_effective(std::size_t count)
{
    return {make_mask(), allocate<std::int64_t>(*arena_, count + 7), 0, nullptr, nullptr};
}

void Overlay::count_before(Effective &of)
{
    if (of.before != nullptr)
        return;
    auto *before = allocate<std::uint16_t>(*arena_, slice_words);
    std::size_t count = 0;
    for (std::size_t i = 0; i < slice_words; i++) {
        before[i] = static_cast<std::uint16_t>(count);
        count += static_cast<std::size_t>(std::popcount(of.valued->words[i]));
    }
    of.before = before;
}

} // namespace segments
