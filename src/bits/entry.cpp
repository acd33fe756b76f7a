// The bytes of the directory's entries. Numbers stand in the machine's own byte order, as everything in PostgreSQL's files.
//
//   column: magic, bits, 2 bytes 0, valued (4), minimum (8), maximum (8), has (6), each slice (6)
//   set:    magic, kind, count (2), then kind slice: the slice (6); kind array: each position (2)
#include "entry.hpp"

#include <bit>
#include <cstring>

namespace segments {

namespace {

// Other bytes in the first place are another version's, or another kind of entry.
constexpr unsigned char column_magic = 0xC1;
constexpr unsigned char set_magic = 0xE1;

constexpr std::size_t column_head = 24;
constexpr std::size_t set_head = 4;
constexpr std::size_t ref_bytes = 6;

// A stored slice is a tuple of a heap: offsets begin with 1, the largest page holds this many; this block is none.
constexpr std::uint64_t max_offset = 291 * 8;
constexpr std::uint64_t invalid_block = 0xFFFFFFFF;
constexpr std::uint64_t ref_mask = (std::uint64_t(1) << 48) - 1;

template <typename T> void put(unsigned char *to, T value)
{
    std::memcpy(to, &value, sizeof value);
}

template <typename T> T get(const unsigned char *from)
{
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

// The block, 4 bytes, and the offset, 2: all ones, which is no offset, where everybody has the slice.
void put_ref(unsigned char *to, SliceRef ref)
{
    put(to, std::uint32_t(ref >> 16));
    put(to + 4, std::uint16_t(ref));
}

// Whether a reference leads to a tuple.
bool is_stored(SliceRef ref)
{
    const std::uint64_t offset = ref & 0xFFFF;
    return ref <= ref_mask && ref >> 16 != invalid_block && offset != 0 && offset <= max_offset;
}

// False where the bytes are no reference.
bool get_ref(const unsigned char *from, SliceRef &ref)
{
    ref = SliceRef(get<std::uint32_t>(from)) << 16 | get<std::uint16_t>(from + 4);
    if (ref == ref_mask)
        ref = slice_all;
    return ref == slice_none || ref == slice_all || is_stored(ref);
}

// Whether the head of a column's entry can be true.
bool is_consistent(const ColumnEntry &entry)
{
    if (entry.bits > 64 || entry.valued > chunk_size)
        return false;
    if (entry.valued == 0)
        return true;
    const std::uint64_t span = std::uint64_t(entry.maximum) - std::uint64_t(entry.minimum);
    return entry.minimum <= entry.maximum && unsigned(std::bit_width(span)) <= entry.bits;
}

// Whether a slice agrees with the number of members that may be in it.
bool agrees(SliceRef ref, std::uint32_t valued)
{
    return ref == slice_none || (ref == slice_all ? valued == chunk_size : valued > 0);
}

} // namespace

std::size_t entry_size(const ColumnEntry &entry)
{
    return column_head + ref_bytes * (1 + std::size_t(entry.bits));
}

std::size_t entry_size(const SetEntry &entry)
{
    switch (entry.kind) {
    case SetKind::slice:
        return set_head + ref_bytes;
    case SetKind::array:
        return set_head + sizeof(std::uint16_t) * entry.count;
    default:
        return set_head;
    }
}

void write_entry(const ColumnEntry &entry, unsigned char *to)
{
    to[0] = column_magic;
    to[1] = entry.bits;
    put(to + 2, std::uint16_t(0));
    put(to + 4, entry.valued);
    put(to + 8, entry.minimum);
    put(to + 16, entry.maximum);
    put_ref(to + column_head, entry.has);
    for (std::size_t i = 0; i < entry.bits; i++)
        put_ref(to + column_head + ref_bytes * (1 + i), entry.slices[i]);
}

void write_entry(const SetEntry &entry, unsigned char *to)
{
    to[0] = set_magic;
    to[1] = static_cast<unsigned char>(entry.kind);
    put(to + 2, std::uint16_t(entry.count));
    if (entry.kind == SetKind::slice)
        put_ref(to + set_head, entry.slice);
    if (entry.kind == SetKind::array && entry.count > 0)
        std::memcpy(to + set_head, entry.positions, sizeof(std::uint16_t) * entry.count);
}

bool read_entry(const unsigned char *bytes, std::size_t size, ColumnEntry &entry)
{
    if (size < column_head + ref_bytes || bytes[0] != column_magic || get<std::uint16_t>(bytes + 2) != 0)
        return false;
    entry.bits = bytes[1];
    entry.valued = get<std::uint32_t>(bytes + 4);
    entry.minimum = get<std::int64_t>(bytes + 8);
    entry.maximum = get<std::int64_t>(bytes + 16);
    if (!is_consistent(entry) || size != entry_size(entry) || !get_ref(bytes + column_head, entry.has) || (entry.has == slice_none) != (entry.valued == 0))
        return false;
    for (std::size_t i = 0; i < entry.bits; i++) {
        if (!get_ref(bytes + column_head + ref_bytes * (1 + i), entry.slices[i]) || !agrees(entry.slices[i], entry.valued))
            return false;
    }
    return true;
}

bool read_entry(const unsigned char *bytes, std::size_t size, SetEntry &entry)
{
    if (size < set_head || bytes[0] != set_magic || bytes[1] > static_cast<unsigned char>(SetKind::all))
        return false;
    entry.kind = SetKind(bytes[1]);
    entry.count = get<std::uint16_t>(bytes + 2);
    entry.slice = slice_none;
    entry.positions = nullptr;
    if (size != entry_size(entry))
        return false;
    switch (entry.kind) {
    case SetKind::none:
        return entry.count == 0;
    case SetKind::all:
        entry.slice = slice_all;
        return entry.count == chunk_size;
    case SetKind::slice:
        return entry.count > 0 && entry.count <= chunk_size && get_ref(bytes + set_head, entry.slice) && is_stored(entry.slice);
    case SetKind::array:
        break;
    }
    if (entry.count == 0 || entry.count > max_array)
        return false;
    entry.positions = reinterpret_cast<const std::uint16_t *>(bytes + set_head);
    for (std::uint32_t i = 0; i < entry.count; i++) {
        if (entry.positions[i] >= chunk_size || (i > 0 && entry.positions[i] <= entry.positions[i - 1]))
            return false;
    }
    return true;
}

} // namespace segments
