// The changed members of a chunk in one field, and their values now: few by position, many by masks.
#pragma once

#include "chunk.hpp"

#include <algorithm>

namespace segments {

// From so many on masks cost less than positions.
constexpr std::size_t few_members = 120;

struct Effective {
    std::int64_t *values;     // of those who have one, in order of position; 7 more may be read
    std::size_t count;        // of those
    std::uint16_t *positions; // few: where they are; and from the end of the array down, in which order ever, who has none now. Null: by masks
    std::size_t capacity;     // few: of the array
    std::size_t null_count;   // few: who has none
    Mask *valued;             // many: who has a value,
    Mask *nulls;              // and who has none; null: nobody
    std::uint16_t *before;    // many: for each word of `valued`, how many values stand before it; null: not counted

    // Adds the next member, with a value or without one (many: whose `nulls` are there).
    void add(std::uint16_t position, std::int64_t value)
    {
        if (positions != nullptr)
            positions[count] = position;
        else
            assign_bit(valued->words, position, true);
        values[count++] = value;
    }
    void add_null(std::uint16_t position)
    {
        if (positions != nullptr)
            positions[capacity - ++null_count] = position;
        else
            assign_bit(nulls->words, position, true);
    }
};

// What has become of a member.
enum class Now : std::uint8_t { unchanged, null, valued };

// Looks a member up; value: set where he has one. Of many, `before` is counted.
inline Now look_up(const Effective &of, std::uint16_t position, std::int64_t *value)
{
    if (of.positions != nullptr) {
        const std::uint16_t *end = of.positions + of.count, *found = std::lower_bound(static_cast<const std::uint16_t *>(of.positions), end, position);
        if (found != end && *found == position) {
            *value = of.values[found - of.positions];
            return Now::valued;
        }
        const std::uint16_t *last = of.positions + of.capacity;
        return std::find(last - of.null_count, last, position) != last ? Now::null : Now::unchanged;
    }
    Word word = of.valued->words[position / 64], bit = Word(1) << (position % 64);
    if ((word & bit) != 0) {
        *value = of.values[of.before[position / 64] + static_cast<std::size_t>(__builtin_popcountll(word & (bit - 1)))];
        return Now::valued;
    }
    return of.nulls != nullptr && test_bit(of.nulls->words, position) ? Now::null : Now::unchanged;
}

} // namespace segments
