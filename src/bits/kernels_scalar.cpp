// The kernels for any processor: two words at a time, which is what every x86-64 can do, and compilers make single words of where it cannot.
#include "isa.hpp"
#include "ranges.hpp"

namespace segments {

namespace scalar {

typedef Word V __attribute__((vector_size(16)));

constexpr bool counts_fast = false;
constexpr std::size_t compare_tile = 4; // vectors
constexpr std::size_t step_limit = 450; // beyond, looking every value up is faster
constexpr std::size_t split_members = 650; // that are counted by bytes while masks are split for one value; see count_bytes
constexpr std::size_t bytes_members = 23000; // that are counted while a chunk's bytes are made
constexpr std::size_t few_slices = 1;   // up to so many, it is faster than reading a few members

SEGMENTS_INLINE bool any(V v)
{
    return (v[0] | v[1]) != 0;
}

// Bits of 1 in each word.
SEGMENTS_INLINE V popcounts(V v)
{
    constexpr Word ones = ~Word(0);
    v -= v >> 1 & ones / 3;
    v = (v & ones / 5) + (v >> 2 & ones / 5);
    v = (v + (v >> 4)) & ones / 17;
    v += v >> 8;
    v += v >> 16;
    return (v + (v >> 32)) & 0xFF;
}

// A square of words, mirrored.
SEGMENTS_INLINE void transpose_lanes(V *x)
{
    const V a = x[0], b = x[1];
    x[0] = SEGMENTS_SHUFFLE(a, b, 0, 2);
    x[1] = SEGMENTS_SHUFFLE(a, b, 1, 3);
}

#include "isa_basics.hpp"
#include "isa_words.hpp"

// The lowest bits, one after the other, at the places of the bits of 1 of a mask.
SEGMENTS_INLINE Word spread(Word bits, Word mask)
{
    Word spread = 0;
    for (; mask != 0; mask &= mask - 1, bits >>= 1)
        spread |= (mask & (0 - mask)) & (0 - (bits & 1));
    return spread;
}

#include "isa_masks.hpp"
#include "isa_columns.hpp"

} // namespace scalar

constinit const Kernels scalar_kernels = SEGMENTS_KERNELS(scalar);

} // namespace segments
