// Ranges as a trie over slices, or as a table.
#include "ranges.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace segments {

namespace {

// Compiles one call's ranges.
class Compiler {
public:
    Compiler(RangeSteps &program, const Word *const *slices, std::size_t count, const Range *ranges)
        : program_(program), slices_(slices), count_(count), ranges_(ranges)
    {
    }

    // The node of all values that begin as `low` in the first `depth` slices; ranges first to last (not included) overlap it.
    RangeKind node(std::size_t depth, std::uint64_t low, std::size_t first, std::size_t last)
    {
        if (first == last)
            return RangeKind::none;
        const std::size_t left = count_ - depth;
        const std::uint64_t high = left == 0 ? low : low | ~std::uint64_t(0) >> (64 - left);
        if (ranges_[first].low <= low && ranges_[first].high >= high)
            return RangeKind::all;
        if (left == 0)
            return RangeKind::none; // only where the caller's ranges were not sorted
        const std::uint64_t middle = low | std::uint64_t(1) << (left - 1);
        const Range *begin = ranges_ + first, *end = ranges_ + last;
        const auto zero_last = std::size_t(std::partition_point(begin, end, [=](const Range &r) { return r.low < middle; }) - ranges_);
        const auto one_first = std::size_t(std::partition_point(begin, end, [=](const Range &r) { return r.high < middle; }) - ranges_);
        if (slices_[depth] == no_members.words)
            return node(depth + 1, low, first, zero_last);
        if (slices_[depth] == all_members.words)
            return node(depth + 1, middle, one_first, last);

        const RangeKind zero = node(depth + 1, low, first, zero_last);
        if (zero == RangeKind::too_many)
            return zero;
        const std::size_t before = program_.count;
        if (zero == RangeKind::steps && !add(RangeStepKind::push, 0))
            return RangeKind::too_many;
        const RangeKind one = node(depth + 1, middle, one_first, last);
        if (one == RangeKind::too_many)
            return one;
        if (one != RangeKind::steps)
            program_.count = before;
        if (zero == one && zero != RangeKind::steps)
            return zero;
        return add(combined(zero, one), depth) ? RangeKind::steps : RangeKind::too_many;
    }

private:
    // The step that makes a node of its two sides, which are not both none or both all.
    static RangeStepKind combined(RangeKind zero, RangeKind one)
    {
        if (zero == RangeKind::none)
            return one == RangeKind::all ? RangeStepKind::slice : RangeStepKind::with;
        if (zero == RangeKind::all)
            return one == RangeKind::none ? RangeStepKind::not_slice : RangeStepKind::or_not;
        if (one == RangeKind::none)
            return RangeStepKind::without;
        return one == RangeKind::all ? RangeStepKind::or_slice : RangeStepKind::choose;
    }

    bool add(RangeStepKind kind, std::size_t slice)
    {
        if (program_.count == program_.limit)
            return false;
        program_.steps[program_.count++] = {kind, static_cast<std::uint8_t>(slice)};
        return true;
    }

    RangeSteps &program_;
    const Word *const *slices_;
    std::size_t count_;
    const Range *ranges_;
};

} // namespace

RangeKind compile_ranges(RangeSteps &program, const Word *const *slices, std::size_t count, const Range *ranges, std::size_t range_count)
{
    program.count = 0;
    return Compiler(program, slices, count, ranges).node(0, 0, 0, range_count);
}

void fill_range_table(RangeTable &table, const Range *ranges, std::size_t range_count)
{
    table.ranges = ranges;
    table.range_count = range_count;
    table.base = ranges[0].low;
    const std::uint64_t span = ranges[range_count - 1].high - table.base;
    table.shift = unsigned(std::max(int(std::bit_width(span)) - int(std::bit_width(max_cells - 1)), 0));
    table.cells = std::size_t(span >> table.shift) + 1;
    std::memset(table.states, int(RangeCell::none), table.cells + 1);

    const std::uint64_t within = (std::uint64_t(1) << table.shift) - 1;
    std::size_t groups = 0; // whose first range is known
    for (std::size_t i = 0; i < range_count; i++) {
        const std::uint64_t low = ranges[i].low - table.base, high = ranges[i].high - table.base;
        std::size_t begin = std::size_t(low >> table.shift), end = std::size_t(high >> table.shift) + 1;
        for (; groups * group_size < end; groups++)
            table.first[groups] = std::uint32_t(i);
        if ((low & within) != 0)
            table.states[begin++] = RangeCell::some;
        if (begin < end && (high & within) != within)
            table.states[--end] = RangeCell::some;
        if (begin < end)
            std::memset(table.states + begin, int(RangeCell::all), end - begin);
    }
    table.first[groups] = std::uint32_t(range_count - 1);
}

bool is_in_ranges(const RangeTable &table, std::uint64_t value)
{
    const std::size_t group = std::size_t((value - table.base) >> table.shift) / group_size;
    // The first range that does not end before the value: no later than the next group's.
    const Range *first = table.ranges + table.first[group], *last = table.ranges + table.first[group + 1];
    const Range *range = std::partition_point(first, last, [=](const Range &r) { return r.high < value; });
    return range->low <= value && value <= range->high;
}

} // namespace segments
