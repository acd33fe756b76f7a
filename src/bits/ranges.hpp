// A set of ranges made ready for a whole chunk: steps over slices where these are few, else a table to look values up in.
#pragma once

#include "kernels.hpp"

namespace segments {

// The state is a mask and a stack of masks; `slice` is the step's own.
enum class RangeStepKind : std::uint8_t {
    slice,     // mask = slice
    not_slice, // mask = ~slice
    with,      // mask &= slice
    without,   // mask &= ~slice
    or_slice,  // mask |= slice
    or_not,    // mask |= ~slice
    push,      // mask goes onto the stack
    choose,    // mask = mask where the slice has a member, else what is taken from the stack
};

struct RangeStep {
    RangeStepKind kind;
    std::uint8_t slice;
};

enum class RangeKind : std::uint8_t { none, all, steps, too_many };

constexpr std::size_t max_steps = 1300;

// The trie of the ranges, slice by slice from the top: one step for each node that is neither wholly inside nor wholly outside.
struct RangeSteps {
    std::size_t count;
    std::size_t limit; // of count: at most max_steps
    RangeStep steps[max_steps];
};

RangeKind compile_ranges(RangeSteps &program, const Word *const *slices, std::size_t count, const Range *ranges, std::size_t range_count);

// What is known of a value by its place between the lowest and the highest of all ranges: cells of 2^shift values each.
enum class RangeCell : std::uint8_t { none = 0, all = 1, some = 2 };

constexpr std::size_t max_cells = std::size_t(1) << 15;
constexpr std::size_t group_size = 16; // cells

struct RangeTable {
    const Range *ranges;
    std::size_t range_count;
    std::uint64_t base; // the lowest value of all ranges
    unsigned shift;
    std::size_t cells;                               // a value beyond them is in none
    RangeCell states[max_cells + 1];                 // one more, for what is beyond
    std::uint32_t first[max_cells / group_size + 1]; // of each group of cells: the first range that does not end before it
};

void fill_range_table(RangeTable &table, const Range *ranges, std::size_t range_count);

// The exact answer for a value in a cell that some of the values of are in a range.
bool is_in_ranges(const RangeTable &table, std::uint64_t value);

} // namespace segments
