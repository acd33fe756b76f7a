// Runs bitmap programs, chunk by chunk. See index_program.hpp.
//
// Each leaf's mask is made from the slices and then set right for the members that have changed since: those are few, and no slice is copied.
#include "index_runner.hpp"

#include "asking_call.hpp"
#include "boundary.hpp"
#include "select.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

extern "C" {
#include "utils/hsearch.h"
#include "utils/snapmgr.h"
}

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

static bool contains(const Intervals &of, std::int64_t value)
{
    if (of.count <= 4) {
        for (std::size_t i = 0; i < of.count; i++)
            if (of.items[i].low <= value && value <= of.items[i].high)
                return true;
        return false;
    }
    const Interval *found = std::upper_bound(of.items, of.items + of.count, value, [](std::int64_t x, const Interval &part) { return x < part.low; });
    return found != of.items && found[-1].high >= value;
}

// Columns -------------------------------------------------------------------------------------------------------------------------------

// Members whose value lies in a chunk's share of the intervals; who has no value may be among them.
Extent Runner::ranges_of(const Intervals &values, const ColumnEntry *entry, Buffer *recent, std::uint16_t field, Mask *to)
{
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
            slices[i] = slice(entry, recent, field, i);
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
            slices[j] = slice(entry, recent, field, i + j);
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
Extent Runner::base_column(const Step *step, const ColumnEntry *entry, Buffer *recent, bool counts, Mask *to)
{
    const Matched &matched = step->matched;
    if (entry == nullptr) // nobody has a value, but that of a counter is 0
        return (counts ? contains(matched.values, 0) : matched.null) ? Extent::all : Extent::none;
    Extent nulls = matched.null ? Extent::all : Extent::none;
    if (entry->valued == 0)
        return nulls;
    Extent extent = ranges_of(matched.values, entry, recent, step->field, to);
    if (entry->has == slice_all || extent == nulls)
        return extent;
    const Word *has = has_slice(entry, recent, step->field);
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
    if (bucket->pending > 0 || whole)
        guarded([&] { changes_->overlay->settle(bucket, whole); });
}

// What the values of a level's members are now.
const Effective &Runner::work_out(const IndexField &field, Bucket *bucket, int which, const ColumnEntry *entry, Buffer *recent)
{
    int part = field.kind == field_first ? 1 : field.kind == field_last ? 2 : 0;
    Level &level = bucket->levels[which];
    if (level.known[part])
        return level.effective[part];
    Effective *below = which == 0 ? nullptr : &bucket->levels[0].effective[part];
    if (below != nullptr)
        guarded([&] { changes_->overlay->count_before(*below); });
    // Of members who were looked up, first and last stand beside the count.
    Bucket *looked_up = part == 0 ? nullptr : Overlay::bucket(changes_->by_field[field.number], chunk_);
    if (looked_up != nullptr)
        settle(looked_up, true);
    const Op *at = looked_up ? looked_up->levels[0].ops : nullptr, *end = looked_up ? at + looked_up->levels[0].count : nullptr;
    Effective values = {};
    guarded([&] { values = changes_->overlay->make_effective(level.count); });
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
            has = has_slice(entry, recent, field.number);
        return test_bit(has, position);
    };
    auto old_value = [&](std::uint16_t position) {
        if (below != nullptr && test_bit(below->valued->words, position))
            return value_of(*below, position);
        for (int i = 0; !pinned && i < entry->bits; i++)
            slices[i] = slice(entry, recent, field.number, i);
        pinned = true;
        return static_cast<std::int64_t>(static_cast<std::uint64_t>(entry->minimum) + value_at(slices, entry->bits, position));
    };
    // Where what happens is beyond all that the slices have, they need not be looked at.
    auto in_slices_only = [&](std::uint16_t position) { return below == nullptr || !test_bit(below->valued->words, position); };
    for (std::size_t i = 0; i < level.count; i++) {
        const Op &op = level.ops[i];
        if (op.is_set && part == 0) {
            put(op.position, !op.null, op.a);
            continue;
        }
        if (op.is_set) {
            while (at != end && at->position < op.position)
                at++;
            if (at != end && at->position == op.position)
                put(op.position, !at->null, at->a);
            continue;
        }
        switch (part) {
        case 0:
            put(op.position, true, (no_entry && in_slices_only(op.position) ? 0 : old_value(op.position)) + op.count);
            break;
        case 1: // the earlier one
            if (!was_valued(op.position) || (!(in_slices_only(op.position) && op.a >= entry->maximum) && op.a < old_value(op.position)))
                put(op.position, true, op.a);
            break;
        default: // the later one
            if ((in_slices_only(op.position) && (no_entry || op.b >= entry->maximum)) || !was_valued(op.position) || op.b > old_value(op.position))
                put(op.position, true, op.b);
        }
    }
    pins_.release();
    level.effective[part] = values;
    level.known[part] = true;
    return level.effective[part];
}

int Runner::effective(const IndexField &field, const ColumnEntry *entry, Buffer *recent, const Effective **found, bool whole)
{
    int part = field.kind == field_first ? 1 : field.kind == field_last ? 2 : 0, count = 0;
    Bucket *bucket = Overlay::bucket(changes_->by_field[field.number - part], chunk_);
    if (bucket == nullptr)
        return 0;
    settle(bucket, whole);
    for (int which = 0; which < 2; which++)
        if (bucket->levels[which].count > 0)
            found[count++] = &work_out(field, bucket, which, entry, recent);
    return count;
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
    const ColumnEntry *entry = base_ < 0 ? nullptr : step->column->entries[base_];
    Buffer *recent = base_ < 0 ? nullptr : step->column->recent + base_ * 65;
    Extent extent = base_column(step, entry, recent, field.kind == field_count, to);
    const Effective *changed[2];
    int levels = effective(field, entry, recent, changed);
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
        return ranges_of(keys, entry, step->column->recent + base_ * 65, field_key, to);
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
                return settled;
            if (child != Extent::some)
                continue;
            if (all)
                kernels_.intersect(to->words, other->words);
            else
                kernels_.unite(to->words, other->words);
        }
        if (extent == settled || (all && extent == Extent::some && i + 1 < step->count && kernels_.is_empty(to->words)))
            return settled;
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

// Running -------------------------------------------------------------------------------------------------------------------------------

// Keys that an SQL leaf gave.
struct FoundKeys {
    std::int64_t *keys;
    std::size_t count, capacity;
};

static void add_found(void *context, const SourceRow &row)
{
    auto *found = static_cast<FoundKeys *>(context);
    if (found->count == found->capacity)
        found->keys = static_cast<std::int64_t *>(repalloc_huge(found->keys, sizeof(std::int64_t) * (found->capacity *= 2)));
    found->keys[found->count++] = row.key;
}

// Asks the leaves that the slices do not hold. In the order of the steps; a List of FoundKeys *.
static List *ask_tables(const Step *step, List *asked)
{
    if (step->kind == StepKind::sql) {
        auto *found = static_cast<FoundKeys *>(palloc(sizeof(FoundKeys)));
        *found = {static_cast<std::int64_t *>(palloc(sizeof(std::int64_t) * 1024)), 0, 1024};
        visit_source(step->sql, add_found, found);
        return lappend(asked, found);
    }
    for (std::size_t i = 0; i < step->count; i++)
        asked = ask_tables(step->children[i], asked);
    return asked;
}

// Reads values that others may have added to a dictionary: where the slices or the changes are newer than what is known.
static void refresh_dictionary(SegmentIndex *index, const Changes *changes, const IndexField &field)
{
    Dictionary *dictionary = dictionary_of(index, field);
    if (dictionary->seen_generation == index->state.generation && dictionary->seen_changes == changes->version)
        return;
    dictionary = dictionary_of(index, field, true);
    dictionary->seen_generation = index->state.generation;
    dictionary->seen_changes = changes->version;
}

SetGroup *sets_of(SegmentIndex *index, const IndexField &field, const Matched *matched, std::size_t *count)
{
    Dictionary *dictionary = dictionary_of(index, field);
    auto *groups = static_cast<SetGroup *>(palloc0(sizeof(SetGroup) * (dictionary->count + 2)));
    auto *group_of = static_cast<std::int32_t *>(palloc(sizeof(std::int32_t) * (dictionary->count + 1)));
    std::fill_n(group_of, dictionary->count, -1);
    *count = 0;
    for (std::uint32_t i = 0; i < dictionary->count; i++) {
        if (matched != nullptr && !contains(matched->values, dictionary->codes[i]))
            continue;
        int first = first_position(field, dictionary, i);
        if (group_of[first] < 0) {
            group_of[first] = static_cast<std::int32_t>((*count)++);
            groups[group_of[first]].sets = static_cast<SetDirectory **>(palloc(sizeof(SetDirectory *)));
        }
        SetGroup &group = groups[group_of[first]];
        if (group.count > 0)
            group.sets = static_cast<SetDirectory **>(repalloc(group.sets, sizeof(SetDirectory *) * (group.count + 1)));
        group.sets[group.count++] = load_set(index, field.number, dictionary->codes[i]);
    }
    if (matched == nullptr) {
        SetGroup &group = groups[(*count)++];
        group.sets = static_cast<SetDirectory **>(palloc(sizeof(SetDirectory *)));
        group.sets[group.count++] = load_set(index, field.number, null_code);
    }
    return groups;
}

// Keys as masks of the chunks.
static Mask **masks_of(SegmentIndex *index, const Changes *changes, const FoundKeys &found, const std::int32_t *chunks, std::size_t chunk_count)
{
    auto **masks = static_cast<Mask **>(palloc0(sizeof(Mask *) * (chunk_count + 1)));
    for (std::size_t i = 0; i < found.count; i++) {
        std::int32_t chunk;
        std::uint16_t position;
        if (!locate(index, const_cast<Changes *>(changes), found.keys[i], &chunk, &position))
            continue;
        auto at = static_cast<std::size_t>(std::lower_bound(chunks, chunks + chunk_count, chunk) - chunks);
        if (at == chunk_count || chunks[at] != chunk)
            continue;
        if (masks[at] == nullptr) {
            masks[at] = make_mask();
            std::memset(masks[at]->words, 0, slice_bytes);
        }
        assign_bit(masks[at]->words, position, true);
    }
    return masks;
}

// Works out what a step compares with, this time.
static void prepare(SegmentIndex *index, const Changes *changes, Step *step, List **asked, const std::int32_t *chunks, std::size_t chunk_count)
{
    switch (step->kind) {
    case StepKind::column: {
        const IndexField &field = *field_of(index, step->field);
        if (has_dictionary(field))
            refresh_dictionary(index, changes, field);
        step->matched = evaluate(index, step->predicate);
        step->column = load_column(index, step->field);
        break;
    }
    case StepKind::key:
        step->matched = evaluate(index, step->predicate);
        step->column = index->state.sparse ? load_column(index, field_key) : nullptr;
        break;
    case StepKind::set: {
        const IndexField &field = *field_of(index, step->field);
        refresh_dictionary(index, changes, field);
        Matched matched = {};
        if (step->predicate != nullptr)
            matched = evaluate(index, step->predicate);
        step->sets = sets_of(index, field, step->predicate ? &matched : nullptr, &step->set_count);
        break;
    }
    case StepKind::sql: {
        auto *found = static_cast<FoundKeys *>(linitial(*asked));
        *asked = list_delete_first(*asked);
        step->masks = masks_of(index, changes, *found, chunks, chunk_count);
        break;
    }
    default:
        for (std::size_t i = 0; i < step->count; i++)
            prepare(index, changes, step->children[i], asked, chunks, chunk_count);
    }
}

// More members than this with events later than now are not asked for one by one.
constexpr std::size_t max_late = 20000;

// Events later than now have not happened yet, but the index has counted them: as when a transaction sees what was committed after it began. Their
// members are asked for by SQL. False where they are too many.
static bool find_late(Runner *runner, SegmentIndex *index, const Changes *changes, Step *step, const std::int32_t *chunks, std::size_t chunk_count)
{
    step->late = nullptr;
    bool null;
    std::int64_t now = DatumGetInt64(evaluate(step->now, &null)), latest = changes->latest[step->events];
    auto last = static_cast<std::uint16_t>(step->events + 2);
    ColumnDirectory *column = load_column(index, last);
    for (std::size_t i = 0; i < index->chunks.size(); i++)
        if (column->entries[i] != nullptr && column->entries[i]->valued > 0)
            latest = std::max(latest, column->entries[i]->maximum);
    if (null || latest <= now)
        return !null;

    Interval after = {now + 1, PG_INT64_MAX};
    Step probe = {};
    probe.kind = StepKind::column;
    probe.field = last;
    probe.column = column;
    probe.matched = {{1, &after}, false};
    FoundKeys late = {static_cast<std::int64_t *>(palloc(sizeof(std::int64_t) * (max_late + chunk_size))), 0, 0};
    Mask *mask = make_mask();
    for (std::size_t i = 0; i < chunk_count; i++) {
        runner->enter(chunks[i], base_of(index, chunks[i]), i);
        Extent extent = runner->run(&probe, mask, 0);
        if (extent == Extent::none)
            continue;
        if (extent == Extent::all || late.count + kernels().count(mask->words) > max_late)
            return false;
        for (std::size_t word = 0; word < slice_words; word++)
            for (Word left = mask->words[word]; left != 0; left &= left - 1)
                late.keys[late.count++] = key_at(index, changes, chunks[i], static_cast<std::uint16_t>(word * 64 + static_cast<std::size_t>(std::countr_zero(left))));
    }
    if (late.count == 0)
        return true;
    StringInfoData sql;
    initStringInfo(&sql);
    appendStringInfo(&sql, "SELECT q.k FROM (%s) q (k) WHERE q.k = ANY ('{", step->sql);
    for (std::size_t i = 0; i < late.count; i++)
        appendStringInfo(&sql, "%s" INT64_FORMAT, i ? "," : "", late.keys[i]);
    appendStringInfoString(&sql, "}'::int8[])");
    FoundKeys found = {static_cast<std::int64_t *>(palloc(sizeof(std::int64_t) * 1024)), 0, 1024};
    visit_source(sql.data, add_found, &found);
    step->late = masks_of(index, changes, late, chunks, chunk_count);
    step->masks = masks_of(index, changes, found, chunks, chunk_count);
    return true;
}

// The chunks that have, or by now may have, members.
static std::int32_t *all_chunks(const SegmentIndex *index, const Changes *changes, std::size_t *count)
{
    const FieldChanges *present = changes->by_field[field_present];
    std::size_t more = present ? present->capacity : 0;
    auto *chunks = static_cast<std::int32_t *>(palloc(sizeof(std::int32_t) * (index->chunks.size() + more + 1)));
    *count = index->chunks.size();
    std::copy_n(index->chunks.data(), *count, chunks);
    for (std::size_t i = 0; i < more; i++)
        if (present->buckets[i] != nullptr && !std::binary_search(index->chunks.begin(), index->chunks.end(), present->buckets[i]->chunk))
            chunks[(*count)++] = present->buckets[i]->chunk;
    std::sort(chunks, chunks + *count);
    return chunks;
}

bool run_program(Program *program, bool keep, Members &members, const char **why)
{
    SegmentIndex *index = program->index;
    members = {};
    // What runs SQL comes first: it may ask this index itself.
    List *asked = ask_tables(program->root, NIL);
    Changes *changes = current_changes(index, program->sources);
    if (changes == nullptr) {
        *why = "too many members have to be looked up";
        return false;
    }
    std::size_t count;
    std::int32_t *chunks = all_chunks(index, changes, &count);
    prepare(index, changes, program->root, &asked, chunks, count);
    members.index = index;
    members.changes = changes;
    members.chunks = chunks;
    members.count = count;
    if (keep)
        members.masks = static_cast<Mask **>(palloc0(sizeof(Mask *) * (count + 1)));

    Relation slices = table_open(index_table(IndexTable::slice), AccessShareLock);
    auto *runner = new (palloc(sizeof(Runner))) Runner(index, changes, slices);
    ListCell *cell;
    foreach (cell, program->events)
        if (!find_late(runner, index, changes, static_cast<Step *>(lfirst(cell)), chunks, count) || index->changes != changes) {
            table_close(slices, AccessShareLock);
            *why = "many members have events that are later than now";
            return false;
        }
    Mask *mask = make_mask();
    for (std::size_t i = 0; i < count; i++) {
        CHECK_FOR_INTERRUPTS();
        runner->enter(chunks[i], base_of(index, chunks[i]), i);
        Extent extent = runner->run(program->root, mask, 0);
        if (runner->keep_present(extent, mask) == Extent::none)
            continue;
        std::size_t found = kernels().count(mask->words);
        if (found == 0)
            continue;
        members.total += static_cast<std::int64_t>(found);
        if (keep) {
            members.masks[i] = mask;
            mask = make_mask();
        }
    }
    table_close(slices, AccessShareLock);
    program->last_total = members.total;
    program->last_generation = index->state.generation;
    return true;
}

// The program by which the index would answer; null, with the reason, where SQL is to.
static Program *usable_program(const Audience *audience, Datum rule, bool suppress, const char **why)
{
    *why = nullptr;
    if (use_index() == UseIndex::off) {
        *why = "segments.use_index is off";
        return nullptr;
    }
    // First: whoever may not read the audience learns nothing, and locks nothing.
    if (!may_read(audience->relation)) {
        *why = "row security or missing rights on the audience";
        return nullptr;
    }
    SegmentIndex *index = usable_index(audience, why);
    if (index == nullptr)
        return nullptr;
    Program *program = program_of(index, audience, rule, suppress);
    for (const IndexSource &source : index->sources)
        if (source.number < 64 && (program->sources >> source.number & 1) != 0 && !may_read(source.relation)) {
            *why = "row security or missing rights on a table that the rule asks";
            return nullptr;
        }
    if (program->sql_cost > 0 && use_index() != UseIndex::force && program->sql_cost > 0.8 * program->path_cost) {
        *why = "the rule as a whole costs less by SQL";
        return nullptr;
    }
    return program;
}

bool index_answers(const Audience *audience, Datum rule, bool suppress, const char **why)
{
    return usable_program(audience, rule, suppress, why) != nullptr;
}

double index_rows(const Call &call)
{
    const char *why;
    if (!ActiveSnapshotSet())
        return -1;
    Program *program = usable_program(call.audience, call.rule_datum, call.suppress, &why);
    if (program == nullptr)
        return -1;
    // It can simply count; of the same slices it has mostly done so.
    Members members;
    if (program->last_generation != program->index->state.generation && !run_program(program, false, members, &why))
        return -1;
    return static_cast<double>(program->last_total);
}

bool ask_index(const Audience *audience, Datum rule, bool suppress, bool keep, Answer &answer, const char **why)
{
    answer.program = usable_program(audience, rule, suppress, why);
    return answer.program != nullptr && run_program(answer.program, keep, answer.members, why);
}

bool next_key(KeyCursor &cursor, std::int64_t *key)
{
    const Members &members = *cursor.members;
    while (cursor.at == cursor.filled) {
        while (cursor.chunk < members.count && members.masks[cursor.chunk] == nullptr)
            cursor.chunk++;
        if (cursor.chunk == members.count)
            return false;
        std::int32_t chunk = members.chunks[cursor.chunk];
        bool sparse = members.index->state.sparse;
        cursor.at = 0;
        cursor.filled = kernels().emit(members.masks[cursor.chunk]->words, cursor.position, sparse ? 0 : first_key(chunk), cursor.buffer,
                                       std::size(cursor.buffer), &cursor.position);
        if (sparse)
            for (std::size_t i = 0; i < cursor.filled; i++)
                cursor.buffer[i] = key_at(members.index, members.changes, chunk, static_cast<std::uint16_t>(cursor.buffer[i]));
        if (cursor.position == chunk_size) {
            cursor.position = 0;
            cursor.chunk++;
        }
    }
    *key = cursor.buffer[cursor.at++];
    return true;
}

} // namespace segments
