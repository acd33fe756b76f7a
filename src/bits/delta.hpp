// Changes as they stand in a table: what one statement did, packed into rows of at most one page.
//
//   row    := version, group …
//   group  := kind, field or source (2 bytes), count (2 bytes), then by kind
//     set     fields (1 byte), field numbers (2 bytes each); members: key, NULLs (1 bit a field), values
//     gone, dirty          keys
//     join, leave          code (4 bytes), keys
//     events               members: key, events, last, span from first to last
//
// Keys, values and times are differences from the one before in the group, zigzag, in bytes of 7 bits. Reading never trusts what it reads.
#pragma once

#include "chunk.hpp"

#include <bit>
#include <cstring>

namespace segments {

enum class ChangeKind : std::uint8_t {
    set = 1, // members that exist, and values of some of their fields
    gone,    // members that exist no more
    join,    // members of a set
    leave,   // members of a set no more
    events,  // events of one kind: how many, the first, the last
    dirty,   // members of whom only the tables know the truth; of a source, not a field
};

constexpr std::size_t max_delta = 7900;      // bytes of a row
constexpr std::size_t max_set_fields = 64;   // fields of a group

// Packs changes; what is full is handed on. Groups may be begun at any time; a group without members leaves no trace.
class DeltaWriter {
public:
    using Flush = void (*)(void *context, const unsigned char *bytes, std::size_t size);
    DeltaWriter(Flush flush, void *context) : flush_(flush), context_(context) {}

    void begin_set(const std::uint16_t *fields, std::size_t count);
    void set(std::int64_t key, std::uint64_t nulls, const std::int64_t *values); // bit i of nulls: field i has no value

    void begin_keys(ChangeKind kind, std::uint16_t field, std::int32_t code = 0);
    void key(std::int64_t key);

    void begin_events(std::uint16_t field);
    void events(std::int64_t key, std::uint64_t count, std::int64_t first, std::int64_t last);

    // Hands on what is left.
    void finish();

private:
    void begin();
    void start_member(std::size_t room, std::int64_t key);
    void byte(unsigned value) { buffer_[used_++] = static_cast<unsigned char>(value); }
    void two_bytes(unsigned value);
    void varint(std::uint64_t value);
    void difference(std::int64_t value, std::int64_t &previous);

    Flush flush_;
    void *context_;
    ChangeKind kind_ = ChangeKind::set;
    std::uint16_t field_ = 0;
    std::int32_t code_ = 0;
    std::uint16_t fields_[max_set_fields] = {};
    std::size_t field_count_ = 0;
    std::int64_t previous_key_ = 0;
    std::int64_t previous_[max_set_fields] = {};
    std::size_t group_ = 0; // where the present group began; 0: none
    std::size_t members_ = 0;
    std::size_t used_ = 0;
    unsigned char buffer_[max_delta];
};

// Bytes that are read, never past their end.
class DeltaBytes {
public:
    DeltaBytes(const unsigned char *bytes, std::size_t size) : at_(bytes), end_(bytes + size) {}

    bool good() const { return good_; }
    bool at_end() const { return at_ == end_; }
    unsigned byte()
    {
        if (at_ == end_)
            return fail();
        return *at_++;
    }
    unsigned two_bytes()
    {
        unsigned low = byte();
        return low | byte() << 8;
    }
    std::uint64_t varint()
    {
        if (std::endian::native == std::endian::little && end_ - at_ >= 8) {
            if (*at_ < 128)
                return *at_++;
            // Up to eight bytes at once: those up to the first without its highest bit, then their sevens of bits closed up.
            std::uint64_t value;
            std::memcpy(&value, at_, sizeof(value));
            const std::uint64_t ends = ~value & 0x8080808080808080;
            if (ends != 0) {
                at_ += std::countr_zero(ends) / 8 + 1;
                value &= (ends ^ (ends - 1)) & 0x7f7f7f7f7f7f7f7f;
                value = (value & 0x007f007f007f007f) | (value & 0x7f007f007f007f00) >> 1;
                value = (value & 0x00003fff00003fff) | (value & 0x3fff00003fff0000) >> 2;
                return (value & 0x000000000fffffff) | (value & 0x0fffffff00000000) >> 4;
            }
        }
        std::uint64_t value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            if (at_ == end_)
                return fail();
            std::uint64_t part = *at_++;
            if (shift == 63 && part > 1)
                return fail();
            value |= (part & 127) << shift;
            if (part < 128)
                return value;
        }
        return fail();
    }
    std::int64_t difference(std::int64_t &previous)
    {
        std::uint64_t zigzag = varint();
        std::uint64_t step = (zigzag >> 1) ^ (0 - (zigzag & 1));
        return previous = static_cast<std::int64_t>(static_cast<std::uint64_t>(previous) + step);
    }

private:
    unsigned fail()
    {
        good_ = false;
        at_ = end_;
        return 0;
    }
    const unsigned char *at_, *end_;
    bool good_ = true;
};

// Reads a row. visitor: set(key, fields, count, nulls, values), keys_begin(kind, field, code), key(key), events_begin(field),
// events(key, count, first, last). False where the bytes are no such row; what was visited before then counts for nothing.
template <typename Visitor> bool read_delta(const unsigned char *bytes, std::size_t size, Visitor &visitor)
{
    DeltaBytes in(bytes, size);
    if (in.byte() != 1)
        return false;
    while (in.good() && !in.at_end()) {
        auto kind = static_cast<ChangeKind>(in.byte());
        auto field = static_cast<std::uint16_t>(in.two_bytes());
        std::size_t members = in.two_bytes();
        std::int64_t key = 0;
        if (!in.good() || members == 0)
            return false;
        switch (kind) {
        case ChangeKind::set: {
            std::uint16_t fields[max_set_fields];
            std::int64_t previous[max_set_fields] = {}, values[max_set_fields] = {};
            std::size_t count = in.byte();
            if (count > max_set_fields)
                return false;
            for (std::size_t i = 0; i < count; i++)
                fields[i] = static_cast<std::uint16_t>(in.two_bytes());
            for (std::size_t member = 0; member < members; member++) {
                in.difference(key);
                std::uint64_t nulls = 0;
                for (std::size_t i = 0; i < count; i += 8)
                    nulls |= std::uint64_t(in.byte()) << i;
                for (std::size_t i = 0; i < count; i++)
                    values[i] = (nulls >> i & 1) ? 0 : in.difference(previous[i]);
                if (!in.good())
                    return false;
                visitor.set(key, fields, count, nulls, values);
            }
            break;
        }
        case ChangeKind::gone:
        case ChangeKind::dirty:
        case ChangeKind::join:
        case ChangeKind::leave: {
            std::int32_t code = 0;
            if (kind == ChangeKind::join || kind == ChangeKind::leave) {
                std::uint32_t low = in.two_bytes();
                code = static_cast<std::int32_t>(low | std::uint32_t(in.two_bytes()) << 16);
            }
            if (!in.good())
                return false;
            visitor.keys_begin(kind, field, code);
            for (std::size_t member = 0; member < members; member++) {
                in.difference(key);
                if (!in.good())
                    return false;
                visitor.key(key);
            }
            break;
        }
        case ChangeKind::events: {
            std::int64_t last = 0;
            visitor.events_begin(field);
            for (std::size_t member = 0; member < members; member++) {
                in.difference(key);
                std::uint64_t count = in.varint();
                in.difference(last);
                std::uint64_t span = in.varint();
                if (!in.good())
                    return false;
                visitor.events(key, count, static_cast<std::int64_t>(static_cast<std::uint64_t>(last) - span), last);
            }
            break;
        }
        default:
            return false;
        }
    }
    return in.good();
}

} // namespace segments
