// Every kernel, for every kind of processor that this one can play, against plain lists of members and values.
#include "chunk.hpp"
#include "kernels.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace segments {

namespace {

using Members = std::vector<char>; // of each position: whether it is a member
using Values = std::vector<std::uint64_t>;

const std::size_t edges[] = {0, 1, 63, 64, 65, 511, 512, 4095, 4096, 30719, 61375, 61376, 61438, 61439};

// A mask in memory of its own, at an address that nothing is aligned to but the beginning of the bytes.
class Buffer {
public:
    explicit Buffer(std::size_t shift = 0) : bytes_(new unsigned char[slice_bytes + shift]), shift_(shift) {}

    Buffer(const Members &members, std::size_t shift = 0) : Buffer(shift)
    {
        Mask mask = no_members;
        for (std::size_t p = 0; p < chunk_size; p++) {
            if (members[p])
                assign_bit(mask.words, p, true);
        }
        std::memcpy(words(), mask.words, slice_bytes);
    }

    Word *words() { return reinterpret_cast<Word *>(bytes_.get() + shift_); }
    const Word *words() const { return reinterpret_cast<const Word *>(bytes_.get() + shift_); }

    Members members() const
    {
        Mask mask;
        std::memcpy(mask.words, words(), slice_bytes);
        Members members(chunk_size);
        for (std::size_t p = 0; p < chunk_size; p++)
            members[p] = test_bit(mask.words, p);
        return members;
    }

private:
    std::unique_ptr<unsigned char[]> bytes_;
    std::size_t shift_;
};

// The slices of a column. Those that all or none of the positions have may be the shared masks.
class Slices {
public:
    Slices(const Values &values, std::size_t count, bool shared, std::size_t shift = 0)
    {
        for (std::size_t i = 0; i < count; i++) {
            Members members(chunk_size);
            for (std::size_t p = 0; p < chunk_size; p++)
                members[p] = values[p] >> (count - 1 - i) & 1;
            const auto size = std::count(members.begin(), members.end(), 1);
            if (shared && (size == 0 || size == std::ptrdiff_t(chunk_size))) {
                pointers_.push_back(size == 0 ? no_members.words : all_members.words);
                continue;
            }
            buffers_.emplace_back(members, shift);
            pointers_.push_back(buffers_.back().words());
        }
    }

    const Word *const *data() const { return pointers_.data(); }
    std::size_t count() const { return pointers_.size(); }

private:
    std::vector<Buffer> buffers_;
    std::vector<const Word *> pointers_;
};

std::uint64_t highest(std::size_t bits)
{
    return bits == 0 ? 0 : ~std::uint64_t(0) >> (64 - bits);
}

Members random_members(double density, std::mt19937_64 &random)
{
    Members members(chunk_size);
    std::bernoulli_distribution is_member(density);
    for (char &one : members)
        one = is_member(random);
    return members;
}

// Empty, full, single members at the edges and all but them, sparse, dense, in runs.
std::vector<Members> many_members()
{
    std::mt19937_64 random(1);
    std::vector<Members> list{Members(chunk_size, 0), Members(chunk_size, 1)};
    for (std::size_t edge : edges) {
        list.emplace_back(chunk_size, 0)[edge] = 1;
        list.emplace_back(chunk_size, 1)[edge] = 0;
    }
    for (double density : {0.0005, 0.01, 0.1, 0.5, 0.97})
        list.push_back(random_members(density, random));
    Members runs(chunk_size), words(chunk_size);
    bool inside = false;
    for (std::size_t p = 0; p < chunk_size; p++) {
        inside ^= random() % 300 == 0;
        runs[p] = inside;
        words[p] = p / 64 % 3 == 0;
    }
    list.push_back(runs);
    list.push_back(words);
    return list;
}

Values random_values(std::size_t bits, std::mt19937_64 &random)
{
    Values values(chunk_size);
    for (std::uint64_t &one : values)
        one = random() & highest(bits);
    for (std::size_t edge : edges)
        values[edge] = random() % 2 ? highest(bits) : 0;
    return values;
}

// Some of a number of values, each as often as any other.
Values picked_values(const Values &from, std::mt19937_64 &random)
{
    Values values(chunk_size);
    for (std::uint64_t &one : values)
        one = from[random() % from.size()];
    return values;
}

class Bits : public testing::TestWithParam<Isa> {
protected:
    void SetUp() override
    {
        if (!kernels_of(GetParam()))
            GTEST_SKIP() << "this processor has no such instructions";
        k = kernels_of(GetParam());
        ASSERT_EQ(k->isa, GetParam());
    }

    const Kernels *k = nullptr;
};

std::string isa_name(const testing::TestParamInfo<Isa> &info)
{
    constexpr const char *names[] = {"scalar", "avx2", "avx512"};
    return names[int(info.param)];
}

INSTANTIATE_TEST_SUITE_P(Isa, Bits, testing::Values(Isa::scalar, Isa::avx2, Isa::avx512), isa_name);

} // namespace

TEST_P(Bits, Masks)
{
    const std::vector<Members> list = many_members();
    for (std::size_t a = 0; a < list.size(); a++) {
        const Members &x = list[a];
        const Buffer from(x, a % 3);
        const auto size = std::size_t(std::count(x.begin(), x.end(), 1));
        EXPECT_EQ(k->count(from.words()), size);
        EXPECT_EQ(k->is_empty(from.words()), size == 0);
        Buffer to;
        k->complement(to.words(), from.words());
        Members other(chunk_size);
        std::transform(x.begin(), x.end(), other.begin(), [](char one) { return !one; });
        EXPECT_EQ(to.members(), other);
        k->complement(to.words(), to.words());
        EXPECT_EQ(to.members(), x);

        // a few partners each: itself, and others on both sides of it
        for (std::size_t b : {a, (a + 1) % list.size(), (a * 7 + 3) % list.size(), list.size() - 4, list.size() - 1}) {
            const Members &y = list[b];
            const Buffer with(y, b % 8);
            std::size_t both = 0;
            Members intersected(chunk_size), united(chunk_size), subtracted(chunk_size);
            for (std::size_t p = 0; p < chunk_size; p++) {
                intersected[p] = x[p] && y[p];
                united[p] = x[p] || y[p];
                subtracted[p] = x[p] && !y[p];
                both += intersected[p];
            }
            EXPECT_EQ(k->count_both(from.words(), with.words()), both);
            Buffer result(x, b % 3);
            k->intersect(result.words(), with.words());
            EXPECT_EQ(result.members(), intersected);
            result = Buffer(x, b % 3);
            k->unite(result.words(), with.words());
            EXPECT_EQ(result.members(), united);
            result = Buffer(x, b % 3);
            k->subtract(result.words(), with.words());
            EXPECT_EQ(result.members(), subtracted);
        }
    }
}

TEST_P(Bits, Emit)
{
    constexpr std::int64_t first = 5'000'000'000, untouched = -1;
    std::size_t turn = 0;
    for (const Members &members : many_members()) {
        const Buffer mask(members, turn++ % 8);
        std::vector<std::int64_t> all;
        for (std::size_t p = 0; p < chunk_size; p++) {
            if (members[p])
                all.push_back(first + std::int64_t(p));
        }
        // in parts
        for (std::size_t limit : {std::size_t(1), std::size_t(2), std::size_t(63), std::size_t(64), std::size_t(65), std::size_t(1000), chunk_size}) {
            if (limit < 63 && all.size() > 10000)
                continue;
            std::vector<std::int64_t> found, part(limit + 1, untouched);
            std::size_t next = 0, parts = 0;
            while (next < chunk_size) {
                const std::size_t from = next;
                const std::size_t size = k->emit(mask.words(), from, first, part.data(), limit, &next);
                ASSERT_LE(size, limit);
                ASSERT_EQ(part[limit], untouched);
                ASSERT_GT(next, from);
                ASSERT_TRUE(next == chunk_size || (size == limit && members[next]));
                found.insert(found.end(), part.begin(), part.begin() + std::ptrdiff_t(size));
                parts++;
            }
            EXPECT_EQ(found, all) << limit;
            EXPECT_EQ(parts, std::max<std::size_t>((all.size() + limit - 1) / limit, 1)) << limit;
        }
        // from anywhere
        for (std::size_t edge : edges) {
            for (std::size_t limit : {std::size_t(3), std::size_t(100)}) {
                std::vector<std::int64_t> part(limit + 1, untouched);
                std::size_t next = 0;
                const std::size_t size = k->emit(mask.words(), edge, first, part.data(), limit, &next);
                const auto begin = std::lower_bound(all.begin(), all.end(), first + std::int64_t(edge));
                const auto left = std::size_t(all.end() - begin);
                ASSERT_EQ(size, std::min(limit, left));
                EXPECT_TRUE(std::equal(begin, begin + std::ptrdiff_t(size), part.begin()));
                EXPECT_EQ(part[limit], untouched);
                EXPECT_EQ(next, left > limit ? std::size_t(begin[std::ptrdiff_t(limit)] - first) : chunk_size);
            }
        }
        std::size_t next = 0;
        std::int64_t none = untouched;
        EXPECT_EQ(k->emit(mask.words(), chunk_size, first, &none, 1, &next), 0u);
        EXPECT_EQ(next, chunk_size);
        EXPECT_EQ(none, untouched);
    }
}

namespace {

// Both comparisons of a column with constants, eight slices a call, from all members of `among`.
void check_compare(const Kernels &k, const Values &values, const Slices &slices, const Members &among, std::uint64_t low, std::uint64_t high)
{
    const std::size_t count = slices.count();
    Buffer below(Members(chunk_size, 0), 3), undecided(among, 1);
    Buffer below_two[2] = {Buffer(Members(chunk_size, 0), 1), Buffer(Members(chunk_size, 0))}, undecided_two[2] = {Buffer(among), Buffer(among, 5)};
    for (std::size_t done = 0, taken; done < count; done += taken) {
        taken = std::min<std::size_t>(8, count - done);
        const std::size_t left = count - done - taken;
        const std::uint64_t low_bits = low >> left & highest(taken), high_bits = high >> left & highest(taken);
        const bool one = k.compare(below.words(), undecided.words(), slices.data() + done, taken, low_bits);
        const bool two = k.compare_two(below_two[0].words(), undecided_two[0].words(), below_two[1].words(), undecided_two[1].words(),
                                       slices.data() + done, taken, low_bits, high_bits);
        EXPECT_EQ(one, !k.is_empty(undecided.words()));
        EXPECT_EQ(two, !k.is_empty(undecided_two[0].words()) || !k.is_empty(undecided_two[1].words()));
    }
    Members less[2] = {Members(chunk_size), Members(chunk_size)}, equal[2] = {Members(chunk_size), Members(chunk_size)};
    for (std::size_t p = 0; p < chunk_size; p++) {
        for (int i = 0; i < 2; i++) {
            less[i][p] = among[p] && values[p] < (i ? high : low);
            equal[i][p] = among[p] && values[p] == (i ? high : low);
        }
    }
    EXPECT_EQ(below.members(), less[0]) << low;
    EXPECT_EQ(undecided.members(), equal[0]) << low;
    for (int i = 0; i < 2; i++) {
        EXPECT_EQ(below_two[i].members(), less[i]) << (i ? high : low);
        EXPECT_EQ(undecided_two[i].members(), equal[i]) << (i ? high : low);
    }
}

} // namespace

TEST_P(Bits, Compare)
{
    std::mt19937_64 random(2);
    for (std::size_t bits : {1, 7, 8, 9, 24, 63, 64}) {
        const Values values = bits == 24 ? picked_values({0, 5, 6, 7, highest(24), 1 << 23}, random) : random_values(bits, random);
        const Slices slices(values, bits, bits % 2 != 0, bits % 8);
        const std::uint64_t top = highest(bits), some = values[random() % chunk_size];
        const std::pair<std::uint64_t, std::uint64_t> constants[] = {
            {0, top}, {some, some}, {top, 0}, {top / 2, top / 2 + 1}, {some - (some != 0), some}, {6 & top, random() & top}};
        const Members all(chunk_size, 1);
        for (const auto &[low, high] : constants)
            check_compare(*k, values, slices, random() % 3 ? all : random_members(0.3, random), low, high);
    }
    // nobody, and no slices
    const Values values = random_values(9, random);
    check_compare(*k, values, Slices(values, 9, false), Members(chunk_size, 0), 1, 300);
    Buffer below(Members(chunk_size, 0)), undecided(Members(chunk_size, 1));
    EXPECT_TRUE(k->compare(below.words(), undecided.words(), nullptr, 0, 0));
    EXPECT_TRUE(k->is_empty(below.words()));
    EXPECT_EQ(k->count(undecided.words()), chunk_size);
}

namespace {

// Sorted, disjoint and not touching, of any ranges.
std::vector<Range> tidy(std::vector<Range> ranges)
{
    std::sort(ranges.begin(), ranges.end(), [](const Range &a, const Range &b) { return a.low < b.low; });
    std::vector<Range> out;
    for (const Range &range : ranges) {
        if (!out.empty() && (out.back().high == ~std::uint64_t(0) || range.low <= out.back().high + 1))
            out.back().high = std::max(out.back().high, range.high);
        else
            out.push_back(range);
    }
    return out;
}

void check_ranges(const Kernels &k, const Values &values, const Slices &slices, const std::vector<Range> &ranges)
{
    Buffer to(std::size_t(2));
    k.in_ranges(to.words(), slices.data(), slices.count(), ranges.data(), ranges.size());
    Members inside(chunk_size);
    for (std::size_t p = 0; p < chunk_size; p++) {
        const auto after = std::upper_bound(ranges.begin(), ranges.end(), values[p], [](std::uint64_t v, const Range &r) { return v < r.low; });
        inside[p] = after != ranges.begin() && values[p] <= after[-1].high;
    }
    EXPECT_EQ(to.members(), inside) << slices.count() << " slices, " << ranges.size() << " ranges";
}

} // namespace

TEST_P(Bits, InRanges)
{
    std::mt19937_64 random(3);
    for (std::size_t bits : {0, 1, 2, 7, 24, 63, 64}) {
        const std::uint64_t top = highest(bits);
        // all bits differ; or some are everybody's and nobody's
        const std::uint64_t set = bits == 24 ? 0x10F000 : bits == 64 ? 0xFF00FF0000FF0003 : 0, kept = bits == 24 ? 0x30FF3F : ~std::uint64_t(0);
        for (int turn = 0; turn < 2; turn++) {
            Values values = random_values(bits, random);
            for (std::uint64_t &one : values)
                one = turn ? (one & kept) | set : one;
            const Slices slices(values, bits, turn != 0, turn * 3);
            const auto some = [&] { return random() % 2 ? values[random() % chunk_size] : random() & top; };
            check_ranges(*k, values, slices, {});
            check_ranges(*k, values, slices, {{0, top}});
            check_ranges(*k, values, slices, {{0, 0}});
            check_ranges(*k, values, slices, {{top, top}});
            check_ranges(*k, values, slices, tidy({{0, some()}}));
            check_ranges(*k, values, slices, tidy({{some(), top}}));
            check_ranges(*k, values, slices, tidy({{0, 0}, {top, top}}));
            if (bits > 0)
                check_ranges(*k, values, slices, tidy({{1, top - (top > 1)}}));
            for (std::size_t size : {2, 3, 5, 30, 100, 400, 1000, 5000}) {
                std::vector<Range> ranges;
                for (std::size_t i = 0; i < size; i++) {
                    const std::uint64_t a = some(), b = i % 2 ? a : a + random() % (top / (4 * size) + 1);
                    ranges.push_back({a, b < a || b > top ? a : b});
                }
                check_ranges(*k, values, slices, tidy(ranges));
            }
        }
    }
    // every second value; and neighbours of the ends, which lie close together in one place
    const Values values = random_values(7, random);
    std::vector<Range> ranges;
    for (std::uint64_t value = 0; value < 128; value += 2)
        ranges.push_back({value, value});
    check_ranges(*k, values, Slices(values, 7, false), ranges);
    Values close = random_values(12, random);
    for (std::uint64_t &one : close)
        one += std::uint64_t(1) << 40;
    ranges.clear();
    for (std::uint64_t value = 0; value < 4096; value += 3)
        ranges.push_back({value + (std::uint64_t(1) << 40), value + value % 2 + (std::uint64_t(1) << 40)});
    check_ranges(*k, close, Slices(close, 48, true), ranges);
    check_ranges(*k, close, Slices(close, 48, false), ranges);
}

namespace {

struct Found {
    std::vector<std::pair<std::uint64_t, std::size_t>> list;
    std::size_t wanted;
};

bool keep_found(void *context, std::uint64_t value, std::size_t members)
{
    auto &found = *static_cast<Found *>(context);
    found.list.emplace_back(value, members);
    return found.list.size() < found.wanted;
}

void check_facet(const Kernels &k, const Values &values, const Slices &slices, const Members &among)
{
    Values sorted;
    for (std::size_t p = 0; p < chunk_size; p++) {
        if (among[p])
            sorted.push_back(values[p]);
    }
    std::sort(sorted.begin(), sorted.end());
    Found expected{};
    for (std::size_t i = 0; i < sorted.size(); i++) {
        if (i == 0 || sorted[i] != sorted[i - 1])
            expected.list.emplace_back(sorted[i], 0);
        expected.list.back().second++;
    }
    const Buffer mask(among, 1);
    Found found{{}, ~std::size_t(0)};
    EXPECT_TRUE(k.facet(mask.words(), slices.data(), slices.count(), keep_found, &found));
    EXPECT_TRUE(found.list == expected.list) << slices.count() << " slices: " << found.list.size() << " values, not " << expected.list.size();
    EXPECT_EQ(mask.members(), among);
    for (std::size_t wanted : {std::size_t(1), expected.list.size() / 2, expected.list.size()}) {
        if (wanted == 0 || wanted > expected.list.size())
            continue;
        found = {{}, wanted};
        EXPECT_FALSE(k.facet(mask.words(), slices.data(), slices.count(), keep_found, &found));
        EXPECT_TRUE(std::equal(found.list.begin(), found.list.end(), expected.list.begin(), expected.list.begin() + std::ptrdiff_t(wanted)));
    }
}

} // namespace

TEST_P(Bits, Patch)
{
    std::mt19937_64 random(7);
    const std::uint64_t extreme = std::uint64_t(1) << 63;
    for (double density : {0.0, 0.0005, 0.1, 0.9, 1.0}) {
        Members before(chunk_size), touched(chunk_size);
        std::vector<std::int64_t> values;
        for (std::size_t p = 0; p < chunk_size; p++) {
            before[p] = random() & 1;
            touched[p] = double(random() % 10000) < density * 10000;
            if (touched[p])
                values.push_back(random() % 3 == 0 ? std::int64_t(random()) : std::int64_t(random() % 8) - 3);
        }
        const std::size_t count = values.size();
        values.resize(count + 7);
        const std::pair<std::int64_t, std::int64_t> ranges[] = {{0, 0}, {-2, 3}, {1, std::int64_t(extreme - 1)}, {std::int64_t(extreme), -1},
                                                                {std::int64_t(extreme), std::int64_t(extreme - 1)}};
        for (auto [low, high] : ranges) {
            Buffer to(before), from(before), mask(touched);
            k->patch(to.words(), mask.words(), values.data(), std::uint64_t(low), std::uint64_t(high) - std::uint64_t(low));
            Members expected = before;
            for (std::size_t p = 0, i = 0; p < chunk_size; p++) {
                if (touched[p]) {
                    expected[p] = low <= values[i] && values[i] <= high;
                    i++;
                }
            }
            EXPECT_EQ(to.members(), expected);

            const std::uint64_t base = random();
            const int bit = static_cast<int>(random() % 64);
            for (bool nobody : {false, true}) {
                k->deposit(to.words(), nobody ? nullptr : from.words(), mask.words(), values.data(), base, bit);
                for (std::size_t p = 0, i = 0; p < chunk_size; p++) {
                    expected[p] = touched[p] ? ((static_cast<std::uint64_t>(values[i]) - base) >> bit & 1) != 0 : !nobody && before[p];
                    i += touched[p];
                }
                EXPECT_EQ(to.members(), expected);
            }
        }
    }
}

// Columns are added slice by slice.
TEST_P(Bits, Add)
{
    std::mt19937_64 random(8);
    for (std::size_t bits : {1, 3, 8, 33, 63}) {
        Values a(chunk_size), b(chunk_size);
        for (std::size_t p = 0; p < chunk_size; p++) {
            a[p] = random() & highest(bits);
            b[p] = random() % 3 ? random() & highest(bits) : highest(bits);
        }
        Members carry(chunk_size);
        Buffer over(carry);
        Values sums(chunk_size);
        for (std::size_t bit = 0; bit <= bits; bit++) {
            Members of_a(chunk_size), of_b(chunk_size);
            for (std::size_t p = 0; p < chunk_size; p++) {
                of_a[p] = a[p] >> bit & 1;
                of_b[p] = b[p] >> bit & 1;
            }
            Buffer left(of_a), right(of_b), to(carry);
            k->add(to.words(), over.words(), left.words(), right.words());
            const Members found = to.members();
            for (std::size_t p = 0; p < chunk_size; p++)
                sums[p] |= std::uint64_t(found[p]) << bit;
        }
        for (std::size_t p = 0; p < chunk_size; p++)
            ASSERT_EQ(sums[p], a[p] + b[p]) << p;
        EXPECT_EQ(over.members(), carry) << "nothing is left over";
    }
}

TEST_P(Bits, Facet)
{
    std::mt19937_64 random(4);
    const auto some_of = [&](std::size_t size, std::size_t bits) {
        Values list(size);
        for (std::uint64_t &one : list)
            one = random() & highest(bits);
        return picked_values(list, random);
    };
    Values powers, below_powers, ends;
    for (int i = 0; i < 64; i++) {
        powers.push_back(std::uint64_t(1) << i);
        below_powers.push_back((std::uint64_t(1) << i) - 1);
        ends.push_back(~std::uint64_t(0) - (std::uint64_t(1) << i));
    }
    Values steep(chunk_size); // half of the members in each next value
    for (std::uint64_t &one : steep)
        one = std::uint64_t(1) << __builtin_ctzll(random() | std::uint64_t(1) << 40);
    Values line(chunk_size);
    for (std::size_t p = 0; p < chunk_size; p++)
        line[p] = p * 0x9E3779B97F4A7C15;
    const struct {
        Values values;
        std::size_t bits;
    } cases[] = {
        {Values(chunk_size, 0), 0},
        {Values(chunk_size, 0), 1},
        {Values(chunk_size, 1), 1},
        {Values(chunk_size, ~std::uint64_t(0)), 64},
        {random_values(1, random), 1},
        {some_of(200, 8), 8},
        {some_of(200, 24), 24},
        {random_values(9, random), 9},
        {some_of(5000, 13), 13},
        {some_of(5000, 17), 17},
        {random_values(16, random), 16},
        {picked_values(powers, random), 64},
        {picked_values(below_powers, random), 63},
        {picked_values(ends, random), 64},
        {steep, 41},
        {line, 64},
    };
    for (const auto &[values, bits] : cases) {
        const Slices slices(values, bits, bits % 2 != 0, bits % 3);
        for (double density : {1.0, 0.4, 0.003})
            check_facet(*k, values, slices, random_members(density, random));
        Members half(chunk_size);
        std::fill(half.begin() + 777, half.begin() + 20777, 1);
        check_facet(*k, values, slices, half);
    }
    const Values &values = cases[5].values;
    const Slices slices(values, 8, false);
    check_facet(*k, values, slices, Members(chunk_size, 0));
    for (std::size_t edge : edges) {
        Members one(chunk_size);
        one[edge] = 1;
        check_facet(*k, values, slices, one);
    }
}

TEST_P(Bits, EncodeAndDecode)
{
    std::mt19937_64 random(5);
    for (std::size_t bits = 0; bits <= 64; bits++) {
        if (bits > 10 && bits < 62 && bits % 5 != 2 && bits != 16 && bits != 33)
            continue;
        const Values values = random_values(bits, random);
        const Slices slices(values, bits, false, bits % 8);
        Values decoded(chunk_size, 1);
        k->decode(decoded.data(), slices.data(), bits);
        EXPECT_EQ(decoded, values) << bits;

        // what goes beyond the slices is left out
        Values high = values;
        for (std::uint64_t &one : high)
            one |= random() & ~highest(bits);
        std::vector<Buffer> encoded;
        std::vector<Word *> pointers;
        for (std::size_t i = 0; i < bits; i++)
            pointers.push_back(encoded.emplace_back(bits % 7).words());
        k->encode(high.data(), pointers.data(), bits);
        for (std::size_t i = 0; i < bits; i++)
            EXPECT_EQ(std::memcmp(pointers[i], slices.data()[i], slice_bytes), 0) << bits << ": " << i;
    }
}

TEST(BitsOfAll, Dispatch)
{
    ASSERT_TRUE(kernels_of(Isa::scalar));
    EXPECT_EQ(&kernels(), kernels_of(kernels().isa));
    for (Isa isa : {Isa::avx2, Isa::avx512})
        EXPECT_TRUE(!kernels_of(isa) || kernels().isa >= isa);
}

TEST(BitsOfAll, SharedMasks)
{
    EXPECT_TRUE(kernels().is_empty(no_members.words));
    EXPECT_EQ(kernels().count(all_members.words), chunk_size);
}

TEST(BitsOfAll, Positions)
{
    std::mt19937_64 random(6);
    Members members = random_members(0.02, random);
    std::vector<std::uint16_t> positions;
    for (std::size_t p = 0; p < chunk_size; p++) {
        if (members[p])
            positions.push_back(std::uint16_t(p));
    }
    std::shuffle(positions.begin(), positions.end(), random);
    Buffer mask(Members(chunk_size, 0));
    set_positions(mask.words(), positions.data(), positions.size());
    EXPECT_EQ(mask.members(), members);
    for (std::size_t i = 0; i < 100; i++)
        members[positions[i]] = 0;
    clear_positions(mask.words(), positions.data(), 100);
    EXPECT_EQ(mask.members(), members);
    clear_positions(mask.words(), positions.data(), positions.size());
    EXPECT_TRUE(kernels().is_empty(mask.words()));
}

TEST(BitsOfAll, Ranges)
{
    for (std::size_t first : edges) {
        for (std::size_t last : edges) {
            if (last < first)
                continue;
            Members members(chunk_size);
            members[100] = 1;
            Buffer mask(members);
            std::fill(members.begin() + std::ptrdiff_t(first), members.begin() + std::ptrdiff_t(last) + 1, 1);
            set_range(mask.words(), first, last);
            EXPECT_EQ(mask.members(), members) << first << " to " << last;
        }
    }
}

TEST(BitsOfAll, ValueAt)
{
    std::mt19937_64 random(7);
    for (std::size_t bits : {0, 1, 24, 64}) {
        const Values values = random_values(bits, random);
        const Slices slices(values, bits, true);
        for (std::size_t p = 0; p < chunk_size; p += 1 + random() % 100)
            ASSERT_EQ(value_at(slices.data(), bits, p), values[p]);
    }
}

} // namespace segments
