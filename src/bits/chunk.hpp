// Chunks, slices and masks: the units of the segment index. No PostgreSQL in here.
#pragma once

#ifdef POSTGRES_H
#error "src/bits is free of PostgreSQL: include it before postgres.h"
#endif

#include <cstddef>
#include <cstdint>

namespace segments {

// A chunk is this many neighbouring positions; a slice is one bit of every position of a chunk.
constexpr std::size_t chunk_size = 61440;
constexpr std::size_t slice_bytes = chunk_size / 8; // 7,680: what one page holds
constexpr std::size_t slice_words = slice_bytes / 8;

// Position p of a chunk is bit p % 64 of word p / 64.
using Word = std::uint64_t;

// A slice in memory: the members for which something holds.
struct alignas(64) Mask {
    Word words[slice_words];
};

inline bool test_bit(const Word *words, std::size_t position)
{
    return (words[position / 64] >> (position % 64) & 1) != 0;
}

inline void assign_bit(Word *words, std::size_t position, bool value)
{
    Word bit = Word(1) << (position % 64);
    words[position / 64] = value ? words[position / 64] | bit : words[position / 64] & ~bit;
}

// Masks that stand for slices which are not stored.
extern const Mask no_members;
extern const Mask all_members;

} // namespace segments
