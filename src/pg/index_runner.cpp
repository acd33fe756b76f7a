// What one chunk's members are, step by step. See index_runner.hpp.
//
// Each leaf's mask is made from the slices and then set right for the members that have changed since.
#include "index_runner.hpp"

#include "boundary.hpp"

#include <algorithm>
#include <cstring>

namespace segments {

Mask *make_mask()
{
    return reinterpret_cast<Mask *>(TYPEALIGN(alignof(Mask), palloc(sizeof(Mask) + alignof(Mask))));
}

Mask *MaskStack::at(std::size_t depth)
{
    if (depth >= count_) {
        std::size_t count = std::max<std::size_t>(2 * depth, 16);
        auto **masks = static_cast<Mask **>(palloc0(sizeof(Mask *) * count));
        std::copy_n(masks_, count_, masks);
        masks_ = masks;
        count_ = count;
    }
    if (masks_[depth] == nullptr)
        masks_[depth] = make_mask();
    return masks_[depth];
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
    // Wide: from the most significant slice down, until nobody is undecided; a few at a time once there are as many values as members.
    bool low = ranges[0].low > 0, high = ranges[0].high < highest;
    Mask *undecided = work_.at(0), *below_high = work_.at(1), *undecided_high = work_.at(2);
    fill(to, Extent::none);
    fill(undecided, Extent::all);
    if (low && high) {
        fill(below_high, Extent::none);
        fill(undecided_high, Extent::all);
    }
    std::uint64_t one = low ? ranges[0].low : ranges[0].high;
    for (int i = 0, taken; i < bits; i += taken) {
        taken = std::min(i < 16 ? 8 : 2, bits - i);
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
        Mask *members = groups_.at(depth);
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
            Mask *other = groups_.at(depth);
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
    check_stack_depth();
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
    Mask *present = work_.at(3);
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
