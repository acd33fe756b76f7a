// What is done with slices and masks, for each kind of processor: 512 bits at a time where it can.
//
// Slices of a column stand for unsigned numbers of up to 64 bits, the most significant one first. Input pointers need no alignment.
#pragma once

#include "chunk.hpp"

namespace segments {

enum class Isa : std::uint8_t { scalar, avx2, avx512 };

// Values low to high, both included; low <= high.
struct Range {
    std::uint64_t low;
    std::uint64_t high;
};

struct Kernels {
    Isa isa;

    // Masks. to and from may be the same.
    void (*intersect)(Word *to, const Word *from);         // to &= from
    void (*unite)(Word *to, const Word *from);             // to |= from
    void (*subtract)(Word *to, const Word *from);          // to &= ~from
    void (*complement)(Word *to, const Word *from);        // to = ~from
    std::size_t (*count)(const Word *mask);                // members
    std::size_t (*count_both)(const Word *a, const Word *b); // members of both
    bool (*is_empty)(const Word *mask);

    // One comparison, slice by slice from the most significant: `undecided` are the members whose bits so far equal those of the constant,
    // `below` those already found to be less. count slices are taken (at most 8), bit i of `bits` counted from the highest taken one:
    // (bits >> (count - 1 - i)) & 1 belongs to slices[i]. False where nobody is left undecided; of no slices, true.
    bool (*compare)(Word *below, Word *undecided, const Word *const *slices, std::size_t count, std::uint64_t bits);

    // Two comparisons in one pass over the slices, in the same way.
    bool (*compare_two)(Word *below_low, Word *undecided_low, Word *below_high, Word *undecided_high, const Word *const *slices, std::size_t count,
                        std::uint64_t low_bits, std::uint64_t high_bits);

    // to = members whose value lies in one of the ranges: sorted, disjoint, not touching; every range within `count` bits.
    // count: 0 to 64 slices. A slice that nobody or everybody has is given as no_members.words or all_members.words, and costs nothing.
    void (*in_ranges)(Word *to, const Word *const *slices, std::size_t count, const Range *ranges, std::size_t range_count);

    // Calls found(context, value, members) for each value among the members of a mask, in ascending order of value; stops and gives false
    // where found gives false. Takes up to 160 kB of the stack; found may leave by longjmp.
    bool (*facet)(const Word *mask, const Word *const *slices, std::size_t count, bool (*found)(void *context, std::uint64_t value, std::size_t members),
                  void *context);

    // Corrects a mask for some members: the bit of each says whether his value lies in low to low + span, as unsigned numbers. values: of the
    // members of `touched`, in order of position; 7 more may be read behind them.
    void (*patch)(Word *to, const Word *touched, const std::int64_t *values, std::uint64_t low, std::uint64_t span);

    // A slice with the values of some members put in: to = from, but of the members of `touched` those are in whose value has this bit, counted from
    // `base`. from: null for nobody; values: as for patch.
    void (*deposit)(Word *to, const Word *from, const Word *touched, const std::int64_t *values, std::uint64_t base, int bit);

    // One slice of the sum of two columns: to = a + b + carry, and what is carried over to the next higher one. The least significant slice comes
    // first, with an empty carry. to: none of the others.
    void (*add)(Word *to, Word *carry, const Word *a, const Word *b);

    // Positions of the members from position `from` on, at most `limit` (at least 1), with `first` added to each; their number. *next: the
    // member to go on with; chunk_size where there is none. What stands beyond the positions found, up to the limit, may be overwritten.
    std::size_t (*emit)(const Word *mask, std::size_t from, std::int64_t first, std::int64_t *to, std::size_t limit, std::size_t *next);

    // Between values (one for each position of the chunk) and slices; count: 0 to 64.
    void (*encode)(const std::uint64_t *values, Word *const *slices, std::size_t count);
    void (*decode)(std::uint64_t *values, const Word *const *slices, std::size_t count);
};

// The best that this processor has; and a given one, null where the processor lacks it.
const Kernels &kernels();
const Kernels *kernels_of(Isa isa);

// Members at sorted or unsorted positions, into a mask: set, or only counted by the caller.
void set_positions(Word *mask, const std::uint16_t *positions, std::size_t count);
void clear_positions(Word *mask, const std::uint16_t *positions, std::size_t count);

// Sets positions first to last, both included.
void set_range(Word *mask, std::size_t first, std::size_t last);

// The value at one position.
std::uint64_t value_at(const Word *const *slices, std::size_t count, std::size_t position);

} // namespace segments
