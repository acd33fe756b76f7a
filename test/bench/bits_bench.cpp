// Nanoseconds per chunk of every kernel, for every kind of processor that this one can play; and CRoaring's on the same sets, where it is installed.
//   cmake -S . -B build/bench -DSEGMENTS_BENCH=ON && cmake --build build/bench --target bits_bench && build/bench/bits_bench
#include "chunk.hpp"
#include "kernels.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#if defined(SEGMENTS_ROARING)
#include <roaring/roaring.h>
#endif

namespace {

using segments::chunk_size;
using segments::Isa;
using segments::Kernels;
using segments::Mask;
using segments::Range;
using segments::Word;

using Masks = std::vector<Mask>;
using Body = std::function<void()>;

const double densities[] = {0.001, 0.01, 0.1, 0.5};

Mask random_mask(double density, unsigned seed)
{
    std::mt19937_64 random(seed);
    std::bernoulli_distribution is_member(density);
    Mask mask = segments::no_members;
    for (std::size_t p = 0; p < chunk_size; p++)
        segments::assign_bit(mask.words, p, is_member(random));
    return mask;
}

// A column and its slices.
struct Column {
    std::vector<std::uint64_t> values;
    Masks slices;
    std::vector<const Word *> from;
    std::vector<Word *> to;
};

Column &column(std::size_t bits, std::uint64_t below)
{
    auto *column = new Column{std::vector<std::uint64_t>(chunk_size), Masks(bits), {}, {}};
    std::mt19937_64 random(bits);
    for (std::uint64_t &one : column->values)
        one = below == 0 ? random() >> (64 - bits) : random() % below;
    for (Mask &slice : column->slices) {
        column->from.push_back(slice.words);
        column->to.push_back(slice.words);
    }
    segments::kernels().encode(column->values.data(), column->to.data(), bits);
    return *column;
}

// One benchmark; bytes: what a chunk's slices have.
void add(const std::string &name, std::size_t bytes, Body body)
{
    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State &state) {
        for (auto _ : state) {
            body();
            benchmark::ClobberMemory();
        }
        state.SetBytesProcessed(std::int64_t(bytes) * std::int64_t(state.iterations()));
    });
}

// Sorted ranges of one value, or of up to `width`, below 2^bits.
std::vector<Range> some_ranges(std::size_t size, std::size_t bits, std::uint64_t width)
{
    std::mt19937_64 random(size);
    std::vector<Range> ranges;
    const std::uint64_t step = (std::uint64_t(1) << bits) / size;
    for (std::size_t i = 0; i < size; i++) {
        const std::uint64_t low = i * step + random() % (step / 2);
        ranges.push_back({low, low + random() % width});
    }
    return ranges;
}

bool sum_up(void *context, std::uint64_t value, std::size_t members)
{
    *static_cast<std::uint64_t *>(context) += value * members;
    return true;
}

void add_masks(const Kernels &k, const std::string &isa)
{
    constexpr std::size_t one = segments::slice_bytes;
    auto &a = *new Mask(random_mask(0.5, 1)), &b = *new Mask(random_mask(0.5, 2)), &to = *new Mask(a);
    add("intersect/" + isa, 2 * one, [&] { k.intersect(to.words, b.words); });
    add("unite/" + isa, 2 * one, [&] { k.unite(to.words, b.words); });
    add("subtract/" + isa, 2 * one, [&] { k.subtract(to.words, b.words); });
    add("complement/" + isa, one, [&] { k.complement(to.words, b.words); });
    add("count/" + isa, one, [&] { benchmark::DoNotOptimize(k.count(a.words)); });
    add("count_both/" + isa, 2 * one, [&] { benchmark::DoNotOptimize(k.count_both(a.words, b.words)); });
    add("is_empty/" + isa, one, [&] { benchmark::DoNotOptimize(k.is_empty(segments::no_members.words)); });
    auto &positions = *new std::vector<std::int64_t>(chunk_size);
    for (double density : densities) {
        auto &mask = *new Mask(random_mask(density, 3));
        add("emit/" + isa + "/density:" + std::to_string(density), one, [&] {
            std::size_t next = 0;
            benchmark::DoNotOptimize(k.emit(mask.words, 0, 1000000, positions.data(), chunk_size, &next));
        });
    }
}

void add_columns(const Kernels &k, const std::string &isa)
{
    constexpr std::size_t one = segments::slice_bytes;
    auto &below = *new Masks(2), &undecided = *new Masks(2);
    for (std::size_t bits : {8, 24, 64}) {
        Column &c = column(bits, 0);
        const std::string name = isa + "/slices:" + std::to_string(bits);
        const std::uint64_t low = c.values[7], high = c.values[9];
        add("compare/" + name, bits * one, [&, low, bits] {
            below[0] = segments::no_members;
            undecided[0] = segments::all_members;
            for (std::size_t i = 0; i < bits; i += 8)
                k.compare(below[0].words, undecided[0].words, c.from.data() + i, 8, low >> (bits - 8 - i));
        });
        add("compare_two/" + name, bits * one, [&, low, high, bits] {
            for (int i = 0; i < 2; i++) {
                below[i] = segments::no_members;
                undecided[i] = segments::all_members;
            }
            for (std::size_t i = 0; i < bits; i += 8)
                k.compare_two(below[0].words, undecided[0].words, below[1].words, undecided[1].words, c.from.data() + i, 8, low >> (bits - 8 - i),
                              high >> (bits - 8 - i));
        });
        auto &values = *new std::vector<std::uint64_t>(chunk_size);
        add("encode/" + name, bits * one, [&, bits] { k.encode(c.values.data(), c.to.data(), bits); });
        add("decode/" + name, bits * one, [&, bits] { k.decode(values.data(), c.from.data(), bits); });
    }
    Column &c = column(24, 0);
    for (std::size_t size : {1, 2, 10, 50, 100, 200, 1000, 10000}) {
        auto &ranges = *new std::vector<Range>(some_ranges(size, 24, size < 10 ? 100000 : 1));
        add("in_ranges/" + isa + "/ranges:" + std::to_string(size), 24 * one,
            [&] { k.in_ranges(below[0].words, c.from.data(), 24, ranges.data(), ranges.size()); });
    }
    const struct {
        std::size_t bits;
        std::uint64_t values;
    } facets[] = {{1, 2}, {3, 8}, {5, 30}, {8, 200}, {13, 5000}, {20, 1000000}, {24, 0}, {64, 0}};
    for (const auto &[bits, values] : facets) {
        Column &of = column(bits, values);
        for (double density : {0.01, 0.5, 1.0}) {
            auto &mask = *new Mask(density < 1 ? random_mask(density, 4) : segments::all_members);
            const std::string distinct = values == 0 ? "any" : std::to_string(values);
            add("facet/" + isa + "/slices:" + std::to_string(bits) + "/values:" + distinct + "/density:" + std::to_string(density), bits * one,
                [&, bits = bits] {
                    std::uint64_t sum = 0;
                    k.facet(mask.words, of.from.data(), bits, sum_up, &sum);
                    benchmark::DoNotOptimize(sum);
                });
        }
    }
}

// Comparisons over so many chunks that no cache holds their slices; each of them takes some twenty slices to decide everybody.
void add_memory(const Kernels &k, const std::string &isa)
{
    constexpr std::size_t chunks = 640, bits = 24;
    static const Masks slices = [] {
        std::mt19937_64 random(5);
        Masks masks(chunks * bits);
        for (Mask &mask : masks)
            std::generate(std::begin(mask.words), std::end(mask.words), std::ref(random));
        return masks;
    }();
    auto &below = *new Masks(2), &undecided = *new Masks(2);
    const auto run = [&](std::size_t sides, auto compare) {
        for (std::size_t chunk = 0; chunk < chunks; chunk++) {
            const Word *from[bits];
            for (std::size_t i = 0; i < bits; i++)
                from[i] = slices[chunk * bits + i].words;
            std::fill_n(below.begin(), sides, segments::no_members);
            std::fill_n(undecided.begin(), sides, segments::all_members);
            for (std::size_t i = 0; i < bits && compare(from + i, bits - 8 - i); i += 8)
                ;
        }
    };
    const std::uint64_t low = 0x345678, high = 0xcba987;
    add("compare/" + isa + "/memory", chunks * bits * segments::slice_bytes, [=, &k, &below, &undecided] {
        run(1, [&](const Word *const *from, std::size_t rest) { return k.compare(below[0].words, undecided[0].words, from, 8, low >> rest); });
    });
    add("compare_two/" + isa + "/memory", chunks * bits * segments::slice_bytes, [=, &k, &below, &undecided] {
        run(2, [&](const Word *const *from, std::size_t rest) {
            return k.compare_two(below[0].words, undecided[0].words, below[1].words, undecided[1].words, from, 8, low >> rest, high >> rest);
        });
    });
}

#if defined(SEGMENTS_ROARING)

// A mask's members, as CRoaring keeps them best.
roaring_bitmap_t *roaring_of(const Mask &mask)
{
    roaring_bitmap_t *bitmap = roaring_bitmap_create();
    for (std::size_t p = 0; p < chunk_size; p++) {
        if (segments::test_bit(mask.words, p))
            roaring_bitmap_add(bitmap, std::uint32_t(p));
    }
    roaring_bitmap_run_optimize(bitmap);
    roaring_bitmap_shrink_to_fit(bitmap);
    return bitmap;
}

// The same work on the same sets; results are new sets, as CRoaring makes them.
void add_roaring()
{
    for (double density : densities) {
        roaring_bitmap_t *a = roaring_of(random_mask(density, 1)), *b = roaring_of(random_mask(density, 2));
        const std::string name = "roaring/density:" + std::to_string(density);
        using Make = roaring_bitmap_t *(*)(const roaring_bitmap_t *, const roaring_bitmap_t *);
        const std::pair<const char *, Make> makes[] = {
            {"intersect", roaring_bitmap_and}, {"unite", roaring_bitmap_or}, {"subtract", roaring_bitmap_andnot}};
        for (const auto &[what, make] : makes)
            add(std::string(what) + "/" + name, 2 * segments::slice_bytes, [=, make = make] { roaring_bitmap_free(make(a, b)); });
        add("count_both/" + name, 2 * segments::slice_bytes, [=] { benchmark::DoNotOptimize(roaring_bitmap_and_cardinality(a, b)); });
        // A bitmap knows its own number; counting the members in a range looks at the bits.
        add("count/" + name, segments::slice_bytes, [=] { benchmark::DoNotOptimize(roaring_bitmap_range_cardinality(a, 1, chunk_size)); });
        auto &positions = *new std::vector<std::uint32_t>(chunk_size);
        add("emit/" + name, segments::slice_bytes, [=, &positions] { roaring_bitmap_to_uint32_array(a, positions.data()); });
    }
}

#endif

} // namespace

int main(int argc, char **argv)
{
    const std::pair<Isa, const char *> isas[] = {{Isa::scalar, "scalar"}, {Isa::avx2, "avx2"}, {Isa::avx512, "avx512"}};
    for (const auto &[isa, name] : isas) {
        if (const Kernels *k = segments::kernels_of(isa)) {
            add_masks(*k, name);
            add_columns(*k, name);
            add_memory(*k, name);
        }
    }
#if defined(SEGMENTS_ROARING)
    add_roaring();
#endif
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 1;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
