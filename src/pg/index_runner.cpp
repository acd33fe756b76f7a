// What one chunk's members are, step by step. See index_runner.hpp.
//
// Each leaf's mask is made from the slices and then set right for the members that have changed since. Only of a column that many changes have come to
// slices are copied, with the changes in.
#include "index_runner.hpp"

#include "boundary.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace segments {

Mask *make_mask()
{
    return reinterpret_cast<Mask *>(TYPEALIGN(alignof(Mask), palloc(sizeof(Mask) + alignof(Mask))));
}

Mask *Runner::scratch(std::size_t depth)
{
    if (depth >= std::size(scratch_))
        ereport(ERROR, (errcode(ERRCODE_STATEMENT_TOO_COMPLEX), errmsg("rule is nested too deeply")));
    if (scratch_[depth] == nullptr)
        scratch_[depth] = make_mask();
    return scratch_[depth];
}

// Columns -------------------------------------------------------------------------------------------------------------------------------

// Members whose value lies in a chunk's share of the intervals; who has no value may be among them.
Extent Runner::ranges_of(const Intervals &values, const Column &column, Mask *to)
{
    const ColumnEntry *entry = column.entry;
    const Interval *first = std::lower_bound(values.items, values.items + values.count, entry->minimum,
                                             [](const Interval &part, std::int64_t low) { return part.high < low; });
    const Interval *end = values.items + values.count;
    Range few[16], *ranges = few;
    std::size_t count = 0;
    if (end - first > 16)
        ranges = static_cast<Range *>(palloc(sizeof(Range) * static_cast<std::size_t>(end - first)));
    for (; first != end && first->low <= entry->maximum; first++) {
        auto from = [&](std::int64_t value) { return static_cast<std::uint64_t>(value) - static_cast<std::uint64_t>(entry->minimum); };
        ranges[count++] = {from(std::max(first->low, entry->minimum)), from(std::min(first->high, entry->maximum))};
    }
    if (count == 0)
        return Extent::none;
    std::uint64_t highest = static_cast<std::uint64_t>(entry->maximum) - static_cast<std::uint64_t>(entry->minimum);
    if (count == 1 && ranges[0].low == 0 && ranges[0].high == highest)
        return Extent::all;
    const Word *slices[64];
    int bits = entry->bits;
    if (count > 1 || bits <= 12) {
        for (int i = 0; i < bits; i++)
            slices[i] = slice(column, i);
        kernels_.in_ranges(to->words, slices, static_cast<std::size_t>(bits), ranges, count);
        pins_.release();
        if (ranges != few)
            pfree(ranges);
        return Extent::some;
    }
    // Wide: from the most significant slice down, until nobody is undecided.
    bool low = ranges[0].low > 0, high = ranges[0].high < highest;
    Mask *undecided = scratch(76), *below_high = scratch(77), *undecided_high = scratch(78);
    fill(to, Extent::none);
    fill(undecided, Extent::all);
    if (low && high) {
        fill(below_high, Extent::none);
        fill(undecided_high, Extent::all);
    }
    std::uint64_t one = low ? ranges[0].low : ranges[0].high;
    for (int i = 0; i < bits; i += 8) {
        int taken = std::min(8, bits - i);
        for (int j = 0; j < taken; j++)
            slices[j] = slice(column, i + j);
        int rest = bits - i - taken;
        bool more = low && high ? kernels_.compare_two(to->words, undecided->words, below_high->words, undecided_high->words, slices,
                                                       static_cast<std::size_t>(taken), ranges[0].low >> rest, ranges[0].high >> rest)
                                : kernels_.compare(to->words, undecided->words, slices, static_cast<std::size_t>(taken), one >> rest);
        pins_.release();
        if (!more)
            break;
    }
    if (!low) { // value <= high
        kernels_.unite(to->words, undecided->words);
        return Extent::some;
    }
    kernels_.complement(to->words, to->words); // value >= low
    if (high) {
        kernels_.unite(below_high->words, undecided_high->words);
        kernels_.intersect(to->words, below_high->words);
    }
    return Extent::some;
}

// A column's leaf as the slices have it.
Extent Runner::base_column(const Step *step, const Column &column, bool counts, Mask *to)
{
    const ColumnEntry *entry = column.entry;
    const Matched &matched = step->matched;
    if (entry == nullptr) // nobody has a value, but that of a counter is 0
        return (counts ? contains(matched.values, 0) : matched.null) ? Extent::all : Extent::none;
    Extent nulls = matched.null ? Extent::all : Extent::none;
    if (entry->valued == 0)
        return nulls;
    Extent extent = ranges_of(matched.values, column, to);
    if (entry->has == slice_all || extent == nulls)
        return extent;
    const Word *has = has_slice(column);
    if (extent != Extent::some)
        fill(to, extent);
    if (matched.null) {
        // to | ~has = ~(has & ~to)
        kernels_.complement(to->words, to->words);
        kernels_.intersect(to->words, has);
        kernels_.complement(to->words, to->words);
    } else {
        kernels_.intersect(to->words, has);
    }
    pins_.release();
    return Extent::some;
}

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
const Effective &Runner::work_out(const IndexField &field, Bucket *bucket, int which, const Column &column)
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
            assign_bit(values.valued->words, position, true);
            values.values[values.count++] = value;
            return;
        }
        if (values.nulls == nullptr)
            guarded([&] { values.nulls = changes_->overlay->make_mask(); });
        assign_bit(values.nulls->words, position, true);
    };
    const Word *slices[64], *has = nullptr;
    bool pinned = false, no_entry = entry == nullptr || entry->valued == 0;
    // What a member's value was without this level; false: he had none.
    auto was_valued = [&](std::uint16_t position) {
        if (below != nullptr && test_bit(below->valued->words, position))
            return true;
        if (no_entry || (below != nullptr && below->nulls != nullptr && test_bit(below->nulls->words, position)))
            return false;
        if (has == nullptr)
            has = has_slice(column);
        return test_bit(has, position);
    };
    auto old_value = [&](std::uint16_t position) {
        if (below != nullptr && test_bit(below->valued->words, position))
            return value_of(*below, position);
        for (int i = 0; !pinned && i < entry->bits; i++)
            slices[i] = slice(column, i);
        pinned = true;
        return static_cast<std::int64_t>(static_cast<std::uint64_t>(entry->minimum) + value_at(slices, entry->bits, position));
    };
    // Where what happens is beyond all that the slices have, they need not be looked at.
    auto in_slices_only = [&](std::uint16_t position) { return below == nullptr || !test_bit(below->valued->words, position); };
    auto events = [&](std::uint16_t position, std::int64_t count, std::int64_t first, std::int64_t last) {
        switch (part) {
        case 0:
            put(position, true, (no_entry && in_slices_only(position) ? 0 : old_value(position)) + count);
            break;
        case 1: // the earlier one
            if (!was_valued(position) || (!(in_slices_only(position) && first >= entry->maximum) && first < old_value(position)))
                put(position, true, first);
            break;
        default: // the later one
            if ((in_slices_only(position) && (no_entry || last >= entry->maximum)) || !was_valued(position) || last > old_value(position))
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
        if (level.count > 0 && (which > 0 || whole || !freshen(field, level, column)))
            found[count++] = &work_out(field, bucket, which, column);
    }
    return count;
}

// A column with the changes of a level put in; null where a value lies below all that its slices can hold.
const FreshColumn *Runner::make_fresh(const Column &column, const Effective &changed)
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

// A counter's column with the events of a level added, kept or until the next call; null where the sums are too large.
const FreshColumn *Runner::add_events(const Column &column, const Level &level, bool keep)
{
    const Mask *more = nullptr;
    std::size_t planes = 0;
    guarded([&] { more = changes_->overlay->count_events(level, &planes); });
    const bool none = column.entry == nullptr || column.entry->valued == 0;
    ColumnEntry entry = none ? ColumnEntry{} : *column.entry;
    std::int64_t most;
    if (planes == 0 || __builtin_add_overflow(entry.maximum, (std::int64_t(1) << planes) - 1, &most))
        return nullptr;
    FreshColumn *made = &passing_;
    if (keep)
        guarded([&] { made = changes_->overlay->make_fresh(); });
    int bits = std::bit_width(static_cast<std::uint64_t>(most) - static_cast<std::uint64_t>(entry.minimum));
    Mask carry = {};
    for (int i = 0; i < bits; i++) {
        Mask *&passing = passing_slices_[i], *to = passing;
        if (keep)
            guarded([&] { to = changes_->overlay->make_slice(); });
        else if (to == nullptr)
            to = passing = make_mask();
        kernels_.add(to->words, carry.words, i < entry.bits ? slice(column, entry.bits - 1 - i) : no_members.words,
                     static_cast<std::size_t>(i) < planes ? more[i].words : no_members.words);
        made->slices[bits - 1 - i] = to;
    }
    pins_.release();
    made->entry = entry;
    made->entry.maximum = most;
    made->entry.bits = static_cast<std::uint8_t>(bits);
    if (none) {
        made->entry.valued = chunk_size;
        made->entry.has = slice_all;
    }
    return made;
}

// Bytes that a changed member may cost for a column to be made with the changes put in.
constexpr std::size_t fresh_bytes = 64;

// Whether the column is now the one with the changes of its first level in its slices: to ask that costs no more than without changes. It is kept when
// it is asked for again. Events that are many are added up slice by slice; else it takes the values, worked out the first time.
bool Runner::freshen(const IndexField &field, Level &level, Column &column)
{
    int part = part_of(field);
    Freshness &freshness = level.freshness[part];
    const FreshColumn *fresh = level.fresh[part];
    std::size_t bits = column.entry ? column.entry->bits : 0;
    auto many = [bits](std::size_t members) { return members * fresh_bytes >= std::max<std::size_t>(bits, 1) * slice_bytes; };
    bool open = freshness == Freshness::unasked || freshness == Freshness::asked;
    if (open && field.kind == field_count && many(level.loose.count)) {
        bool keep = freshness == Freshness::asked;
        fresh = add_events(column, level, keep);
        level.fresh[part] = keep ? fresh : nullptr;
        freshness = fresh == nullptr ? Freshness::unfit : keep ? Freshness::made : Freshness::asked;
    } else if (open && level.known[part] && column.entry != nullptr && column.entry->valued > 0 && many(level.effective[part].count)) {
        fresh = level.fresh[part] = make_fresh(column, level.effective[part]);
        freshness = fresh == nullptr ? Freshness::unfit : Freshness::made;
    }
    column.fresh = fresh;
    if (fresh != nullptr)
        column.entry = &fresh->entry;
    return fresh != nullptr;
}

// Sets the bits of changed members by what their values are now.
static void patch(Mask *to, const Effective &changed, const Matched &matched)
{
    if (changed.nulls != nullptr && matched.null)
        kernels().unite(to->words, changed.nulls->words);
    else if (changed.nulls != nullptr)
        kernels().subtract(to->words, changed.nulls->words);
    if (changed.count == 0)
        return;
    if (matched.values.count == 1) {
        auto low = static_cast<std::uint64_t>(matched.values.items[0].low);
        kernels().patch(to->words, changed.valued->words, changed.values, low, static_cast<std::uint64_t>(matched.values.items[0].high) - low);
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

Extent Runner::run_column(Step *step, Mask *to)
{
    const IndexField &field = *field_of(index_, step->field);
    Column column = column_at(step->column, field.number, base_);
    const Effective *changed[2];
    int levels = effective(field, column, changed);
    Extent extent = base_column(step, column, field.kind == field_count, to);
    if (levels > 0 && extent != Extent::some)
        fill(to, extent);
    for (int level = 0; level < levels; level++) {
        extent = Extent::some;
        patch(to, *changed[level], step->matched);
    }
    if (step->complement) {
        if (extent == Extent::some)
            kernels_.complement(to->words, to->words);
        extent = opposite(extent);
    }
    if (step->late == nullptr || step->late[at_] == nullptr)
        return extent;
    if (extent != Extent::some)
        fill(to, extent);
    kernels_.subtract(to->words, step->late[at_]->words);
    if (step->masks[at_] != nullptr)
        kernels_.unite(to->words, step->masks[at_]->words);
    return Extent::some;
}

Extent Runner::run_key(Step *step, Mask *to)
{
    const Intervals &keys = step->matched.values;
    if (index_->state.sparse && chunk_ >= first_new_chunk) {
        fill(to, Extent::none);
        std::size_t from = static_cast<std::size_t>(chunk_ - first_new_chunk) * chunk_size;
        for (std::size_t i = 0; i < chunk_size && from + i < changes_->new_key_count; i++)
            assign_bit(to->words, i, contains(keys, changes_->new_keys[from + i]));
        return Extent::some;
    }
    if (index_->state.sparse) {
        const ColumnEntry *entry = base_ < 0 ? nullptr : step->column->entries[base_];
        if (entry == nullptr || entry->valued == 0)
            return Extent::none;
        return ranges_of(keys, column_at(step->column, field_key, base_), to);
    }
    std::int64_t first = first_key(chunk_), last = first + static_cast<std::int64_t>(chunk_size) - 1;
    fill(to, Extent::none);
    const Interval *part = std::lower_bound(keys.items, keys.items + keys.count, first, [](const Interval &of, std::int64_t low) { return of.high < low; });
    bool any = false;
    for (; part != keys.items + keys.count && part->low <= last; part++) {
        if (part->low <= first && part->high >= last)
            return Extent::all;
        set_range(to->words, static_cast<std::size_t>(std::max(part->low, first) - first), static_cast<std::size_t>(std::min(part->high, last) - first));
        any = true;
    }
    return any ? Extent::some : Extent::none;
}

// Sets ----------------------------------------------------------------------------------------------------------------------------------

// Adds a set's members, as the slices have them, to a mask.
Extent Runner::base_set(const SetDirectory *set, std::uint16_t field, Mask *to)
{
    const SetEntry *entry = base_ < 0 || set == nullptr ? nullptr : set->entries[base_];
    if (entry == nullptr)
        return Extent::none;
    switch (entry->kind) {
    case SetKind::none:
        return Extent::none;
    case SetKind::all:
        return Extent::all;
    case SetKind::array:
        set_positions(to->words, entry->positions, entry->count);
        return Extent::some;
    case SetKind::slice:
        slices_++;
        kernels_.unite(to->words, pins_.pin(entry->slice, chunk_, slice_tag(field, set->code, 0), &set->recent[base_]));
        pins_.release();
        return Extent::some;
    }
    return Extent::none;
}

Bucket *Runner::looked_up(const IndexField &field)
{
    Bucket *found = Overlay::bucket(changes_->overlay->find(field.number, any_code), chunk_);
    if (found != nullptr)
        settle(found, true);
    return found;
}

// looked_up: members of whom only the tables know.
Extent Runner::members_of(const IndexField &field, const SetGroup &group, Bucket *looked_up, Mask *to)
{
    fill(to, Extent::none);
    Extent extent = Extent::none;
    Bucket *buckets[8], *bucket = nullptr;
    std::size_t count = 0;
    for (std::size_t i = 0; i < group.count; i++) {
        extent = std::max(extent, base_set(group.sets[i], field.number, to));
        bucket = Overlay::bucket(changes_->overlay->find(field.number, group.sets[i]->code), chunk_);
        if (bucket != nullptr && count < std::size(buckets))
            buckets[count++] = bucket;
    }
    if (count == 0 && looked_up == nullptr)
        return extent;
    if (extent == Extent::all)
        fill(to, extent);
    const Level nobody = {}, &unknown = looked_up ? looked_up->levels[0] : nobody;
    for (std::size_t i = 0; i < unknown.count; i++)
        assign_bit(to->words, unknown.ops[i].position, false);
    auto apply = [&](const Op *ops, std::size_t ops_count) {
        const Op *at = unknown.ops, *end = at + unknown.count;
        for (std::size_t i = 0; i < ops_count; i++) {
            const Op &op = ops[i];
            while (at != end && at->position < op.position)
                at++;
            if (op.b != order_last && at != end && at->position == op.position)
                continue; // the table has the last word
            assign_bit(to->words, op.position, op.a != 0);
        }
    };
    if (count > 1) {
        std::size_t ops_count;
        const Op *ops = latest_ops(group, field, &ops_count);
        apply(ops, ops_count);
        return Extent::some;
    }
    for (std::size_t i = 0; i < count; i++) {
        settle(buckets[i], looked_up != nullptr);
        for (const Level &level : buckets[i]->levels)
            apply(level.ops, level.count);
    }
    return Extent::some;
}

// The last change of each member of the chunk at hand, whichever of a value's codes it was noted by.
const Op *Runner::latest_ops(const SetGroup &group, const IndexField &field, std::size_t *count)
{
    std::size_t total = 0;
    for (std::size_t i = 0; i < group.count; i++)
        if (Bucket *bucket = Overlay::bucket(changes_->overlay->find(field.number, group.sets[i]->code), chunk_)) {
            settle(bucket, true);
            total += bucket->levels[0].count;
        }
    auto *ops = static_cast<Op *>(palloc(sizeof(Op) * (total + 1)));
    std::size_t filled = 0, kept = 0;
    for (std::size_t i = 0; i < group.count; i++)
        if (Bucket *bucket = Overlay::bucket(changes_->overlay->find(field.number, group.sets[i]->code), chunk_)) {
            std::copy_n(bucket->levels[0].ops, bucket->levels[0].count, ops + filled);
            filled += bucket->levels[0].count;
        }
    std::sort(ops, ops + filled, [](const Op &x, const Op &y) { return x.position != y.position ? x.position < y.position : x.b < y.b; });
    for (std::size_t i = 0; i < filled; i++) {
        if (kept > 0 && ops[kept - 1].position == ops[i].position)
            ops[kept - 1] = ops[i];
        else
            ops[kept++] = ops[i];
    }
    *count = kept;
    return ops;
}

Extent Runner::run_set(Step *step, Mask *to, std::size_t depth)
{
    const IndexField &field = *field_of(index_, step->field);
    Bucket *unknown = looked_up(field);
    Extent extent = Extent::none;
    fill(to, Extent::none);
    for (std::size_t i = 0; i < step->set_count && extent != Extent::all; i++) {
        const SetGroup &group = step->sets[i];
        if (group.count == 1 && unknown == nullptr && Overlay::bucket(changes_->overlay->find(field.number, group.sets[0]->code), chunk_) == nullptr) {
            extent = std::max(extent, base_set(group.sets[0], field.number, to));
            continue;
        }
        Mask *members = scratch(depth);
        Extent more = members_of(field, group, unknown, members);
        if (more == Extent::some)
            kernels_.unite(to->words, members->words);
        extent = std::max(extent, more);
    }
    if (!step->complement)
        return extent;
    if (extent == Extent::some)
        kernels_.complement(to->words, to->words);
    return opposite(extent);
}

// Groups --------------------------------------------------------------------------------------------------------------------------------

// What a child settled in one chunk it often settles in the next: it comes first from then on, so that the others need not be asked.
static void bring_forward(Step *group, std::size_t child)
{
    std::rotate(group->children, group->children + child, group->children + child + 1);
}

Extent Runner::run_group(Step *step, Mask *to, std::size_t depth)
{
    bool all = step->kind == StepKind::all_of;
    Extent settled = all ? Extent::none : Extent::all, extent = opposite(settled);
    for (std::size_t i = 0; i < step->count; i++) {
        if (extent != Extent::some) {
            extent = run(step->children[i], to, depth);
        } else {
            Mask *other = scratch(depth);
            Extent child = run(step->children[i], other, depth + 1);
            if (child == settled)
                extent = settled;
            else if (child == Extent::some && all)
                kernels_.intersect(to->words, other->words);
            else if (child == Extent::some)
                kernels_.unite(to->words, other->words);
        }
        if (extent == settled || (all && extent == Extent::some && i + 1 < step->count && kernels_.is_empty(to->words))) {
            bring_forward(step, i);
            return settled;
        }
    }
    return extent;
}

Extent Runner::run(Step *step, Mask *to, std::size_t depth)
{
    switch (step->kind) {
    case StepKind::everyone:
        return Extent::all;
    case StepKind::column:
        return run_column(step, to);
    case StepKind::key:
        return run_key(step, to);
    case StepKind::set:
        return run_set(step, to, depth);
    case StepKind::sql: {
        const Mask *found = step->masks[at_];
        if (found == nullptr)
            return Extent::none;
        std::memcpy(to->words, found->words, slice_bytes);
        return Extent::some;
    }
    case StepKind::complement: {
        Extent extent = run(step->children[0], to, depth);
        if (extent == Extent::some)
            kernels_.complement(to->words, to->words);
        return opposite(extent);
    }
    case StepKind::all_of:
    case StepKind::any_of:
        return run_group(step, to, depth);
    }
    return Extent::none;
}

Extent Runner::keep_present(Extent extent, Mask *to)
{
    if (extent == Extent::none)
        return extent;
    Mask *present = scratch(79);
    fill(present, Extent::none);
    Extent base = base_set(index_->present, field_present, present);
    if (Bucket *bucket = Overlay::bucket(changes_->by_field[field_present], chunk_)) {
        if (base == Extent::all)
            fill(present, base);
        settle(bucket, false);
        for (const Level &level : bucket->levels)
            for (std::size_t i = 0; i < level.count; i++)
                assign_bit(present->words, level.ops[i].position, level.ops[i].a != 0);
        base = Extent::some;
    }
    if (base == Extent::none)
        return Extent::none;
    if (extent == Extent::all) {
        fill(to, Extent::all);
        extent = Extent::some;
    }
    if (base == Extent::some)
        kernels_.intersect(to->words, present->words);
    return extent;
}

} // namespace segments
