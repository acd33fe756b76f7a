// The bytes of the directory's entries: what is written is read again, and nothing else is.
#include "entry.hpp"

#include <cstring>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace segments {

namespace {

using Bytes = std::vector<unsigned char>; // aligned as operator new does

template <typename Entry> Bytes written(const Entry &entry)
{
    Bytes bytes(entry_size(entry), 0xAA);
    write_entry(entry, bytes.data());
    return bytes;
}

SliceRef stored(std::uint64_t block, std::uint64_t offset)
{
    return block << 16 | offset;
}

ColumnEntry column(std::int64_t minimum, std::int64_t maximum, std::uint32_t valued, std::size_t bits)
{
    ColumnEntry entry{};
    entry.minimum = minimum;
    entry.maximum = maximum;
    entry.valued = valued;
    entry.bits = static_cast<std::uint8_t>(bits);
    entry.has = valued == 0 ? slice_none : valued == chunk_size ? slice_all : stored(7, 3);
    for (std::size_t i = 0; i < bits; i++)
        entry.slices[i] = valued != 0 && i % 3 != 0 ? stored(1000 + i, 1 + i) : slice_none;
    return entry;
}

SetEntry array(const std::vector<std::uint16_t> &positions)
{
    return {SetKind::array, static_cast<std::uint32_t>(positions.size()), slice_none, positions.data()};
}

// Entries at the limits of what there may be.
std::vector<ColumnEntry> columns()
{
    std::vector<ColumnEntry> list{
        column(0, 0, 0, 0),
        column(5, 5, 1, 0),
        column(-3, 4, chunk_size, 3),
        column(0, 1, 100, 64),
        column(INT64_MIN, INT64_MAX, 61439, 64),
        column(INT64_MIN, -1, 61439, 63),
        column(1, 1 << 24, 30000, 24),
    };
    ColumnEntry entry = column(0, 255, chunk_size, 8);
    entry.slices[0] = slice_all;
    entry.slices[7] = stored(0xFFFFFFFE, 2328);
    entry.has = stored(0, 1);
    list.push_back(entry);
    return list;
}

void expect_equal(const ColumnEntry &a, const ColumnEntry &b)
{
    EXPECT_EQ(a.minimum, b.minimum);
    EXPECT_EQ(a.maximum, b.maximum);
    EXPECT_EQ(a.valued, b.valued);
    EXPECT_EQ(a.has, b.has);
    ASSERT_EQ(a.bits, b.bits);
    for (std::size_t i = 0; i < a.bits; i++)
        EXPECT_EQ(a.slices[i], b.slices[i]);
}

bool is_ref(SliceRef ref, bool may_be_all)
{
    const std::uint64_t offset = ref & 0xFFFF;
    return ref == slice_none || (ref == slice_all ? may_be_all : ref >> 16 < 0xFFFFFFFF && offset > 0 && offset <= 2328);
}

// Whether an entry that was read can be true.
void expect_consistent(const ColumnEntry &entry)
{
    ASSERT_LE(entry.bits, 64);
    EXPECT_LE(entry.valued, chunk_size);
    EXPECT_TRUE(entry.valued == 0 || entry.minimum <= entry.maximum);
    EXPECT_TRUE(entry.valued == 0 || entry.bits == 64 || (std::uint64_t(entry.maximum) - std::uint64_t(entry.minimum)) >> entry.bits == 0);
    EXPECT_TRUE(is_ref(entry.has, true));
    for (std::size_t i = 0; i < entry.bits; i++)
        EXPECT_TRUE(is_ref(entry.slices[i], entry.valued == chunk_size));
}

void expect_consistent(const SetEntry &entry)
{
    switch (entry.kind) {
    case SetKind::none:
        EXPECT_EQ(entry.count, 0u);
        break;
    case SetKind::all:
        EXPECT_EQ(entry.count, chunk_size);
        break;
    case SetKind::slice:
        EXPECT_TRUE(entry.count > 0 && entry.count <= chunk_size && is_ref(entry.slice, false) && entry.slice != slice_none);
        break;
    case SetKind::array:
        ASSERT_TRUE(entry.count > 0 && entry.count <= max_array);
        for (std::size_t i = 0; i < entry.count; i++)
            ASSERT_TRUE(entry.positions[i] < chunk_size && (i == 0 || entry.positions[i] > entry.positions[i - 1]));
        break;
    default:
        FAIL() << int(entry.kind);
    }
}

// Reads bytes in memory of just their size, so that AddressSanitizer sees what is read beyond; what is read is consistent, and these bytes.
template <typename Entry> bool reads(const Bytes &bytes)
{
    const Bytes exact(bytes.begin(), bytes.end());
    Entry entry;
    if (!read_entry(exact.data(), exact.size(), entry))
        return false;
    expect_consistent(entry);
    EXPECT_EQ(written(entry), exact);
    return true;
}

// Every beginning of the bytes, and bytes too many, are refused; so is the other kind of entry.
template <typename Entry, typename Other> void check_sizes(const Bytes &bytes)
{
    EXPECT_TRUE(reads<Entry>(bytes));
    EXPECT_FALSE(reads<Other>(bytes));
    for (std::size_t size = 0; size < bytes.size(); size++)
        EXPECT_FALSE(reads<Entry>(Bytes(bytes.begin(), bytes.begin() + std::ptrdiff_t(size)))) << size;
    for (std::size_t more : {1, 2, 6, 100}) {
        Bytes longer = bytes;
        longer.resize(bytes.size() + more);
        EXPECT_FALSE(reads<Entry>(longer)) << more;
    }
}

// Changes a few bytes at random places. Some of them give another entry: then a consistent one.
template <typename Entry> std::size_t damaged(const Bytes &bytes, std::size_t times, std::mt19937_64 &random)
{
    std::size_t read = 0;
    for (std::size_t i = 0; i < times; i++) {
        Bytes bad = bytes;
        if (random() % 16 == 0)
            bad.resize(random() % (bytes.size() + 20), static_cast<unsigned char>(random()));
        for (std::size_t change = random() % 4; change > 0 && !bad.empty(); change--) {
            unsigned char &byte = bad[random() % 3 ? random() % bad.size() : random() % std::min<std::size_t>(bad.size(), 30)];
            byte = static_cast<unsigned char>(random() % 2 ? byte ^ 1 << random() % 8 : random());
        }
        read += reads<Entry>(bad);
    }
    return read;
}

std::vector<std::uint16_t> every(std::size_t step, std::size_t size)
{
    std::vector<std::uint16_t> positions(size);
    for (std::size_t i = 0; i < size; i++)
        positions[i] = static_cast<std::uint16_t>(i * step);
    return positions;
}

// The bytes of sets of all kinds.
std::vector<Bytes> sets()
{
    return {
        written(SetEntry{SetKind::none, 0, slice_none, nullptr}),
        written(SetEntry{SetKind::all, chunk_size, slice_all, nullptr}),
        written(SetEntry{SetKind::slice, 1, stored(0, 1), nullptr}),
        written(SetEntry{SetKind::slice, chunk_size, stored(0xFFFFFFFE, 2328), nullptr}),
        written(array({0})),
        written(array({61439})),
        written(array({0, 1, 63, 64, 61438, 61439})),
        written(array(every(30, max_array))),
    };
}

} // namespace

TEST(Entry, ColumnsAreReadAsWritten)
{
    for (const ColumnEntry &entry : columns()) {
        const Bytes bytes = written(entry);
        ColumnEntry again;
        ASSERT_TRUE(read_entry(bytes.data(), bytes.size(), again));
        expect_equal(entry, again);
        check_sizes<ColumnEntry, SetEntry>(bytes);
    }
}

TEST(Entry, SetsAreReadAsWritten)
{
    for (const Bytes &bytes : sets())
        check_sizes<SetEntry, ColumnEntry>(bytes);
    const std::vector<std::uint16_t> positions = every(7, 1999);
    const Bytes bytes = written(array(positions));
    SetEntry entry;
    ASSERT_TRUE(read_entry(bytes.data(), bytes.size(), entry));
    EXPECT_EQ(entry.kind, SetKind::array);
    EXPECT_EQ(std::vector<std::uint16_t>(entry.positions, entry.positions + entry.count), positions);
    const Bytes slice = written(SetEntry{SetKind::slice, 2001, stored(12, 34), nullptr});
    ASSERT_TRUE(read_entry(slice.data(), slice.size(), entry));
    EXPECT_EQ(entry.count, 2001u);
    EXPECT_EQ(entry.slice, stored(12, 34));
    EXPECT_EQ(entry.positions, nullptr);
}

TEST(Entry, RefusesColumns)
{
    const auto refuses = [](const char *what, auto change) {
        ColumnEntry entry = column(10, 1000, 5000, 10);
        change(entry);
        EXPECT_FALSE(reads<ColumnEntry>(written(entry))) << what;
    };
    EXPECT_TRUE(reads<ColumnEntry>(written(column(10, 1000, 5000, 10))));
    refuses("minimum above maximum", [](ColumnEntry &e) { e.minimum = 1001; });
    refuses("more valued than members", [](ColumnEntry &e) { e.valued = chunk_size + 1; });
    refuses("values beyond the slices", [](ColumnEntry &e) { e.maximum = 10 + 1024; });
    refuses("a span of 64 bits", [](ColumnEntry &e) { e.minimum = INT64_MIN, e.maximum = INT64_MAX; });
    refuses("nobody has a value, yet some are valued", [](ColumnEntry &e) { e.has = slice_none; });
    refuses("a slice of everybody", [](ColumnEntry &e) { e.slices[4] = slice_all; });
    refuses("a slice without a value", [](ColumnEntry &e) { e.valued = 0, e.has = slice_none; });
    refuses("offset 0", [](ColumnEntry &e) { e.slices[9] = stored(5, 0); });
    refuses("an offset beyond the largest page", [](ColumnEntry &e) { e.has = stored(5, 2329); });
    refuses("no block", [](ColumnEntry &e) { e.has = stored(0xFFFFFFFF, 1); });
    Bytes bytes = written(column(0, 1, 100, 64));
    bytes[1] = 65;
    bytes.resize(bytes.size() + 6);
    EXPECT_FALSE(reads<ColumnEntry>(bytes));
    // every other first byte
    bytes = written(column(0, 1, 100, 1));
    for (int i = 1; i < 256; i++) {
        bytes[0]++;
        EXPECT_FALSE(reads<ColumnEntry>(bytes) || reads<SetEntry>(bytes));
    }
}

TEST(Entry, RefusesSets)
{
    const SetEntry bad[] = {
        {SetKind::none, 1, slice_none, nullptr},
        {SetKind::all, chunk_size - 1, slice_all, nullptr},
        {SetKind::all, 0, slice_all, nullptr},
        {SetKind::slice, 0, stored(1, 1), nullptr},
        {SetKind::slice, chunk_size + 1, stored(1, 1), nullptr},
        {SetKind::slice, 5, slice_none, nullptr},
        {SetKind::slice, 5, slice_all, nullptr},
        {SetKind::slice, 5, stored(1, 0), nullptr},
        {SetKind::slice, 5, stored(1, 2329), nullptr},
        {SetKind::slice, 5, stored(0xFFFFFFFF, 1), nullptr},
        {SetKind(4), 0, slice_none, nullptr},
        {SetKind(255), 0, slice_none, nullptr},
    };
    for (const SetEntry &entry : bad)
        EXPECT_FALSE(reads<SetEntry>(written(entry))) << int(entry.kind) << ", " << entry.count;
    for (const std::vector<std::uint16_t> &positions :
         std::vector<std::vector<std::uint16_t>>{{}, {5, 5}, {6, 5}, {0, 61440}, {65535}, {1, 2, 3, 2}, every(1, max_array + 1)})
        EXPECT_FALSE(reads<SetEntry>(written(array(positions)))) << positions.size();
}

TEST(Entry, DamageIsRefusedOrConsistent)
{
    std::mt19937_64 random(8);
    std::size_t read = 0;
    for (const ColumnEntry &entry : columns())
        read += damaged<ColumnEntry>(written(entry), 7000, random);
    for (const Bytes &bytes : sets())
        read += damaged<SetEntry>(bytes, 7000, random);
    EXPECT_GT(read, 1000u);
}

TEST(Entry, AnyBytesAreRefusedOrConsistent)
{
    std::mt19937_64 random(9);
    for (int i = 0; i < 20000; i++) {
        Bytes bytes(random() % 500);
        for (unsigned char &byte : bytes)
            byte = static_cast<unsigned char>(random() % 3 ? random() % 4 : random());
        if (bytes.size() > 1)
            bytes[0] = random() % 2 ? 0xC1 : 0xE1;
        reads<ColumnEntry>(bytes);
        reads<SetEntry>(bytes);
    }
}

} // namespace segments
