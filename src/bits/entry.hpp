// The directory's entries: what one chunk holds of one field. Bytes as they stand in a table, numbers in the machine's own
// byte order, read back with suspicion.
//
// A column keeps value - minimum of every member in `bits` slices; what has no value has zeros. A set keeps members of one value.
#pragma once

#include "chunk.hpp"

namespace segments {

// Where a slice is: nobody has it, everybody has it (all positions of the chunk), or the tuple that holds it, block << 16 | offset.
using SliceRef = std::uint64_t;
constexpr SliceRef slice_none = 0;
constexpr SliceRef slice_all = ~SliceRef(0);

struct ColumnEntry {
    std::int64_t minimum; // of the values; 0 where there are none
    std::int64_t maximum;
    std::uint32_t valued; // members with a value
    std::uint8_t bits;    // 0 to 64
    SliceRef has;         // members with a value; slice_all also where all who exist have one
    SliceRef slices[64];  // the first `bits`, the most significant first
};

enum class SetKind : std::uint8_t { none, array, slice, all };

// Sets of at most this many members are kept as positions, in the entry itself.
constexpr std::size_t max_array = 2000;

struct SetEntry {
    SetKind kind;
    std::uint32_t count;            // members
    SliceRef slice;                 // kind slice
    const std::uint16_t *positions; // kind array: ascending; points into the bytes that were read, which must be 2-byte aligned
};

// Bytes that an entry takes, and writing it there.
std::size_t entry_size(const ColumnEntry &entry);
std::size_t entry_size(const SetEntry &entry);
void write_entry(const ColumnEntry &entry, unsigned char *to);
void write_entry(const SetEntry &entry, unsigned char *to);

// Reads an entry; false where the bytes are none (of another version, cut short, too long, unsorted, inconsistent).
bool read_entry(const unsigned char *bytes, std::size_t size, ColumnEntry &entry);
bool read_entry(const unsigned char *bytes, std::size_t size, SetEntry &entry);

} // namespace segments
