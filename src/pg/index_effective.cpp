// What the changes to a chunk make of its columns. See index_runner.hpp.
//
// What a changed member's value is now is worked out when it is first asked for, and kept. Where many have changed, slices are copied with the changes in.
#include "index_runner.hpp"

#include "boundary.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace segments {

void Runner::settle(Bucket *bucket, bool whole)
{
    if (bucket->pending.count > 0 || whole)
        guarded([&] { changes_->overlay->settle(bucket, whole); });
}

// Of a kind of events, count, first and last have the changes in common.
static int part_of(const IndexField &field)
{
    return field.kind == field_first ? 1 : field.kind == field_last ? 2 : 0;
}

// What the values of a level's members are now; column: with the level before, where that is in slices.
Effective &Runner::work_out(const IndexField &field, Bucket *bucket, int which, const Column &column)
{
    const ColumnEntry *entry = column.entry;
    int part = part_of(field);
    Level &level = bucket->levels[which];
    if (level.known[part])
        return level.effective[part];
    Effective *below = which == 0 || column.fresh != nullptr ? nullptr : &bucket->levels[0].effective[part];
    if (below != nullptr)
        guarded([&] { changes_->overlay->count_before(*below); });
    // Of members who were looked up, first and last stand beside the count.
    Bucket *looked_up = part == 0 ? nullptr : Overlay::bucket(changes_->by_field[field.number], chunk_);
    if (looked_up != nullptr)
        settle(looked_up, true);
    const Op *at = looked_up ? looked_up->levels[0].ops : nullptr, *end = looked_up ? at + looked_up->levels[0].count : nullptr;
    Effective values = {};
    auto put = [&](std::uint16_t position, bool valued, std::int64_t value) {
        if (valued) {
            values.add(position, value);
            return;
        }
        if (values.positions == nullptr && values.nulls == nullptr)
            guarded([&] { values.nulls = changes_->overlay->make_mask(); });
        values.add_null(position);
    };
    // What the slices have.
    const Word *slices[64], *has = nullptr;
    bool pinned = false, no_entry = entry == nullptr || entry->valued == 0;
    auto had_value = [&](std::uint16_t position) {
        if (has == nullptr)
            has = has_slice(column);
        return test_bit(has, position);
    };
    auto old_value = [&](std::uint16_t position) {
        for (int i = 0; !pinned && i < entry->bits; i++)
            slices[i] = slice(column, i);
        pinned = true;
        return static_cast<std::int64_t>(static_cast<std::uint64_t>(entry->minimum) + value_at(slices, entry->bits, position));
    };
    // The slices need not be looked at where what happens is beyond all that they have.
    auto events = [&](std::uint16_t position, std::int64_t count, std::int64_t first, std::int64_t last) {
        std::int64_t before = 0;
        Now now = below == nullptr ? Now::unchanged : look_up(*below, position, &before);
        bool by_slices = now == Now::unchanged && !no_entry;
        if (part == 0) {
            put(position, true, (by_slices ? old_value(position) : before) + count);
        } else if (part == 1) { // the earlier one
            if (now == Now::valued ? first < before : !by_slices || !had_value(position) || (first < entry->maximum && first < old_value(position)))
                put(position, true, first);
        } else { // the later one
            if (now == Now::valued ? last > before : !by_slices || last >= entry->maximum || !had_value(position) || last > old_value(position))
                put(position, true, last);
        }
    };
    if (level.ops == nullptr) {
        Mask members = {};
        std::int64_t *found = nullptr;
        guarded([&] {
            found = changes_->overlay->values();
            changes_->overlay->sum_up(level, part, &members, found);
            values = changes_->overlay->make_effective(kernels_.count(members.words));
        });
        for (std::size_t word = 0; word < slice_words; word++)
            for (Word left = members.words[word]; left != 0; left &= left - 1) {
                auto position = static_cast<std::uint16_t>(word * 64 + static_cast<std::size_t>(std::countr_zero(left)));
                events(position, found[position], found[position], found[position]);
            }
    } else {
        guarded([&] { values = changes_->overlay->make_effective(level.count); });
        for (std::size_t i = 0; i < level.count; i++) {
            const Op &op = level.ops[i];
            if (!op.is_set) {
                events(op.position, op.count, op.a, op.b);
            } else if (part == 0) {
                put(op.position, !op.null, op.a);
            } else {
                while (at != end && at->position < op.position)
                    at++;
                if (at != end && at->position == op.position)
                    put(op.position, !at->null, at->a);
            }
        }
    }
    pins_.release();
    level.effective[part] = values;
    level.known[part] = true;
    return level.effective[part];
}

int Runner::effective(const IndexField &field, Column &column, const Effective **found, bool whole)
{
    int part = part_of(field), count = 0;
    Bucket *bucket = Overlay::bucket(changes_->by_field[field.number - part], chunk_);
    if (bucket == nullptr)
        return 0;
    settle(bucket, whole);
    for (int which = 0; which < 2; which++) {
        Level &level = bucket->levels[which];
        if (level.count == 0 || (!whole && freshen(field, bucket, which, column)))
            continue;
        Effective &values = work_out(field, bucket, which, column);
        if (whole)
            guarded([&] { changes_->overlay->spread(values); });
        found[count++] = &values;
    }
    return count;
}

// A column with the changes of a level put in; null where a value lies below all that its slices can hold.
FreshColumn *Runner::make_fresh(const Column &column, const Effective &changed)
{
    const ColumnEntry &entry = *column.entry;
    auto [lowest, highest] = std::minmax_element(changed.values, changed.values + changed.count);
    if (*lowest < entry.minimum)
        return nullptr;
    FreshColumn *made = nullptr;
    guarded([&] { made = changes_->overlay->make_fresh(); });
    made->entry = entry;
    made->entry.maximum = std::max(entry.maximum, *highest);
    auto base = static_cast<std::uint64_t>(entry.minimum);
    int bits = std::bit_width(static_cast<std::uint64_t>(made->entry.maximum) - base);
    made->entry.bits = static_cast<std::uint8_t>(bits);
    for (int i = 0; i < bits; i++) {
        Mask *to = nullptr;
        guarded([&] { to = changes_->overlay->make_mask(); });
        int old = i - (bits - entry.bits);
        kernels_.deposit(to->words, old < 0 ? nullptr : slice(column, old), changed.valued->words, changed.values, base, bits - 1 - i);
        made->slices[i] = to;
    }
    if (entry.has != slice_all || changed.nulls != nullptr) {
        Mask *has = nullptr;
        guarded([&] { has = changes_->overlay->make_mask(); });
        std::memcpy(has->words, has_slice(column), slice_bytes);
        kernels_.unite(has->words, changed.valued->words);
        if (changed.nulls != nullptr)
            kernels_.subtract(has->words, changed.nulls->words);
        made->has = has;
        made->entry.has = slice_none;
    }
    pins_.release();
    return made;
}

// Puts a counter's column with the events of a level into another, which may be the same. room: for its slices, from the least significant one on; what is
// null there is made. False where the sums are too large: then nothing has changed.
bool Runner::add_events(const Column &column, const Level &level, FreshColumn *made, Mask **room, bool passing)
{
    const Mask *more = nullptr;
    std::size_t planes = 0;
    guarded([&] { more = changes_->overlay->count_events(level, &planes); });
    const bool none = column.entry == nullptr || column.entry->valued == 0;
    ColumnEntry entry = none ? ColumnEntry{} : *column.entry;
    std::int64_t most;
    if (planes == 0 || __builtin_add_overflow(entry.maximum, (std::int64_t(1) << planes) - 1, &most))
        return false;
    auto base = static_cast<std::uint64_t>(entry.minimum);
    int bits = std::bit_width(static_cast<std::uint64_t>(most) - base);
    for (int i = 0; i < bits; i++)
        if (room[i] == nullptr && passing)
            room[i] = make_mask();
        else if (room[i] == nullptr)
            guarded([&] { room[i] = changes_->overlay->make_slice(); });
    // A column that is added to itself is this process's own: no slice of it has to be read, and nothing fails halfway.
    Mask carry = {};
    for (int i = 0; i < bits; i++)
        kernels_.add(room[i]->words, carry.words, i < entry.bits ? slice(column, entry.bits - 1 - i) : no_members.words,
                     static_cast<std::size_t>(i) < planes ? more[i].words : no_members.words);
    pins_.release();
    // Few of the events came to those who had most already.
    for (; bits > std::max<int>(entry.bits, 1) && kernels_.is_empty(room[bits - 1]->words); bits--)
        most = static_cast<std::int64_t>(base + (std::uint64_t(1) << (bits - 1)) - 1);
    for (int i = 0; i < bits; i++)
        made->slices[bits - 1 - i] = room[i];
    made->entry = entry;
    made->entry.maximum = most;
    made->entry.bits = static_cast<std::uint8_t>(bits);
    if (none) {
        made->entry.valued = chunk_size;
        made->entry.has = slice_all;
    }
    return true;
}

// So many events cost more one by one than slice by slice.
constexpr std::size_t each_at_most = 256;

// The same, kept with the level: made, or with the events that were not in it yet. False where the sums are too large.
bool Runner::keep_events(const Column &column, Level &level)
{
    FreshColumn *kept = level.fresh[0];
    Column from = column;
    Mask *room[64] = {};
    bool few = kept != nullptr && changes_->overlay->not_added(level) <= each_at_most, good;
    if (kept == nullptr) {
        guarded([&] { kept = changes_->overlay->make_fresh(); });
    } else {
        from.fresh = kept;
        from.entry = &kept->entry;
        for (int i = 0; i < kept->entry.bits; i++)
            room[i] = kept->slices[kept->entry.bits - 1 - i];
    }
    if (few) {
        int bits = kept->entry.bits;
        LooseMark added = level.added;
        // Where there is no memory on the way it is no column any more.
        level.fresh[0] = nullptr;
        level.added = {};
        guarded([&] { bits = changes_->overlay->add_each(level, added, room, bits); });
        good = bits >= 0 && !__builtin_add_overflow(kept->entry.minimum, (std::int64_t(1) << bits) - 1, &kept->entry.maximum);
        if (good) {
            for (int i = 0; i < bits; i++)
                kept->slices[bits - 1 - i] = room[i];
            kept->entry.bits = static_cast<std::uint8_t>(bits);
        }
    } else {
        good = add_events(from, level, kept, room, false);
    }
    for (int i = good ? kept->entry.bits : 0; i < 64; i++)
        changes_->overlay->give_back(room[i]);
    level.fresh[0] = good ? kept : nullptr;
    level.added = good ? level.all() : LooseMark{};
    return good;
}

// Bytes that a changed member may cost for a column to be made with the changes put in, and kept; those of many events are, while there are no more slices.
constexpr std::size_t fresh_bytes = 64, kept_slices = 8192;
static_assert(few_members * fresh_bytes <= slice_bytes, "a column is made of values by masks");

// So many counts add the events up, each for itself. By then that has taken what it takes to work out the values, which are kept.
constexpr std::uint8_t passing_times = 4;

// Whether the column is now the one with the changes of a level in its slices: to ask that costs no more than without changes. Many events are added up
// slice by slice; else it takes the values, worked out before. Where the changes of the first level are many the column is kept when it is asked for again.
bool Runner::freshen(const IndexField &field, Bucket *bucket, int which, Column &column)
{
    int part = part_of(field);
    Level &level = bucket->levels[which];
    // On top of values, there is no column to add to.
    if (which > 0 && column.fresh == nullptr)
        return false;
    const std::size_t bits = column.entry ? column.entry->bits : 0;
    const bool counts = field.kind == field_count && !level.known[part], again = level.asked[part] > 0;
    auto many = [&](std::size_t members) { return which == 0 && members * fresh_bytes >= std::max<std::size_t>(bits, 1) * slice_bytes; };
    const FreshColumn *fresh = nullptr;
    if (level.fresh[part] != nullptr) {
        if (part > 0 || level.added == level.all() || keep_events(column, level))
            fresh = level.fresh[part];
        level.unfit[part] = fresh == nullptr;
    } else if (!level.unfit[part]) {
        bool make = true;
        if (counts && again && which == 0 && level.loose.count >= many_events && (many(level.loose.count) || changes_->overlay->slices() < kept_slices)) {
            if (keep_events(column, level))
                fresh = level.fresh[part];
        } else if (counts && level.loose.count >= many_events && level.asked[part] < passing_times) {
            if (add_events(column, level, &passing_[which], passing_slices_[which], true))
                fresh = &passing_[which];
        } else if (level.known[part] && column.entry != nullptr && column.entry->valued > 0 && many(level.effective[part].count)) {
            fresh = level.fresh[part] = make_fresh(column, level.effective[part]);
            if (part == 0)
                level.added = level.all();
        } else {
            make = false;
        }
        level.unfit[part] = make && fresh == nullptr;
        level.asked[part] = std::min<std::uint8_t>(level.asked[part] + 1, passing_times);
    }
    if (fresh == nullptr)
        return false;
    column.fresh = fresh;
    column.entry = &fresh->entry;
    return true;
}

// Sets the bits of changed members by what their values are now.
void Runner::patch(Mask *to, const Effective &changed, const Matched &matched)
{
    if (changed.positions != nullptr) {
        for (std::size_t i = 0; i < changed.count; i++)
            assign_bit(to->words, changed.positions[i], contains(matched.values, changed.values[i]));
        for (std::size_t i = 1; i <= changed.null_count; i++)
            assign_bit(to->words, changed.positions[changed.capacity - i], matched.null);
        return;
    }
    if (changed.nulls != nullptr && matched.null)
        kernels_.unite(to->words, changed.nulls->words);
    else if (changed.nulls != nullptr)
        kernels_.subtract(to->words, changed.nulls->words);
    if (changed.count == 0)
        return;
    if (matched.values.count == 1) {
        auto low = static_cast<std::uint64_t>(matched.values.items[0].low);
        kernels_.patch(to->words, changed.valued->words, changed.values, low, static_cast<std::uint64_t>(matched.values.items[0].high) - low);
        return;
    }
    const std::int64_t *value = changed.values;
    for (std::size_t word = 0; word < slice_words; word++) {
        Word found = 0;
        for (Word left = changed.valued->words[word]; left != 0; left &= left - 1)
            found |= contains(matched.values, *value++) ? left & (0 - left) : 0;
        to->words[word] = (to->words[word] & ~changed.valued->words[word]) | found;
    }
}

} // namespace segments
