// Packs changes. See delta.hpp.
#include "delta.hpp"

namespace segments {

constexpr std::size_t varint_size = 10; // at most

void DeltaWriter::two_bytes(unsigned value)
{
    byte(value & 255);
    byte(value >> 8 & 255);
}

void DeltaWriter::varint(std::uint64_t value)
{
    for (; value >= 128; value >>= 7)
        byte(static_cast<unsigned>(value & 127) | 128);
    byte(static_cast<unsigned>(value));
}

void DeltaWriter::difference(std::int64_t value, std::int64_t &previous)
{
    std::uint64_t step = static_cast<std::uint64_t>(value) - static_cast<std::uint64_t>(previous);
    varint(step << 1 ^ (0 - (step >> 63)));
    previous = value;
}

// Ends the group that is open: its count is known now.
void DeltaWriter::begin()
{
    if (group_ != 0) {
        buffer_[group_ + 3] = static_cast<unsigned char>(members_ & 255);
        buffer_[group_ + 4] = static_cast<unsigned char>(members_ >> 8);
    }
    group_ = 0;
}

void DeltaWriter::begin_set(const std::uint16_t *fields, std::size_t count)
{
    begin();
    kind_ = ChangeKind::set;
    field_ = 0;
    field_count_ = count;
    for (std::size_t i = 0; i < count; i++)
        fields_[i] = fields[i];
}

void DeltaWriter::begin_keys(ChangeKind kind, std::uint16_t field, std::int32_t code)
{
    begin();
    kind_ = kind;
    field_ = field;
    code_ = code;
}

void DeltaWriter::begin_events(std::uint16_t field)
{
    begin();
    kind_ = ChangeKind::events;
    field_ = field;
}

// Makes room for a member of at most `room` bytes besides its key, opens a group where none is open, writes the key.
void DeltaWriter::start_member(std::size_t room, std::int64_t key)
{
    std::size_t header = 10 + (kind_ == ChangeKind::set ? 2 * field_count_ : 0);
    if (used_ + room + varint_size + (group_ == 0 ? header : 0) > max_delta)
        finish();
    if (group_ == 0) {
        if (used_ == 0)
            byte(1);
        group_ = used_;
        members_ = 0;
        previous_key_ = 0;
        for (std::int64_t &previous : previous_)
            previous = 0;
        byte(static_cast<unsigned>(kind_));
        two_bytes(field_);
        two_bytes(0);
        if (kind_ == ChangeKind::set) {
            byte(static_cast<unsigned>(field_count_));
            for (std::size_t i = 0; i < field_count_; i++)
                two_bytes(fields_[i]);
        }
        if (kind_ == ChangeKind::join || kind_ == ChangeKind::leave) {
            two_bytes(static_cast<std::uint32_t>(code_) & 0xffff);
            two_bytes(static_cast<std::uint32_t>(code_) >> 16);
        }
    }
    members_++;
    difference(key, previous_key_);
}

void DeltaWriter::set(std::int64_t key, std::uint64_t nulls, const std::int64_t *values)
{
    start_member(8 + varint_size * field_count_, key);
    for (std::size_t i = 0; i < field_count_; i += 8)
        byte(static_cast<unsigned>(nulls >> i & 255));
    for (std::size_t i = 0; i < field_count_; i++)
        if ((nulls >> i & 1) == 0)
            difference(values[i], previous_[i]);
}

void DeltaWriter::key(std::int64_t key)
{
    start_member(0, key);
}

void DeltaWriter::events(std::int64_t key, std::uint64_t count, std::int64_t first, std::int64_t last)
{
    start_member(3 * varint_size, key);
    varint(count);
    difference(last, previous_[0]);
    varint(static_cast<std::uint64_t>(last) - static_cast<std::uint64_t>(first));
}

void DeltaWriter::finish()
{
    begin();
    if (used_ > 0)
        flush_(context_, buffer_, used_);
    used_ = 0;
}

} // namespace segments
