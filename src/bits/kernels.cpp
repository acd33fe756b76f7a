// Which kernels to use, and what is the same for all of them.
#include "kernels.hpp"

#include "isa.hpp"

namespace segments {

namespace {

// Whether this processor, and its operating system, have all that the kernels were compiled for.
bool has(Isa isa)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 =
        __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
    if (isa == Isa::avx2)
        return avx2;
    if (isa == Isa::avx512)
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512vpopcntdq");
#endif
    return isa == Isa::scalar;
}

// The last kind that the processor has.
const Kernels &best()
{
    if (const Kernels *found = kernels_of(Isa::avx512))
        return *found;
    const Kernels *found = kernels_of(Isa::avx2);
    return found ? *found : scalar_kernels;
}

} // namespace

const Kernels &kernels()
{
    static const Kernels &chosen = best();
    return chosen;
}

const Kernels *kernels_of(Isa isa)
{
    if (!has(isa))
        return nullptr;
#if defined(__x86_64__)
    if (isa == Isa::avx2)
        return &avx2_kernels;
    if (isa == Isa::avx512)
        return &avx512_kernels;
#endif
    return &scalar_kernels;
}

void set_positions(Word *mask, const std::uint16_t *positions, std::size_t count)
{
    for (std::size_t i = 0; i < count; i++)
        mask[positions[i] / 64] |= Word(1) << (positions[i] % 64);
}

void clear_positions(Word *mask, const std::uint16_t *positions, std::size_t count)
{
    for (std::size_t i = 0; i < count; i++)
        mask[positions[i] / 64] &= ~(Word(1) << (positions[i] % 64));
}

void set_range(Word *mask, std::size_t first, std::size_t last)
{
    const Word from = ~Word(0) << (first % 64), to = ~Word(0) >> (63 - last % 64);
    const std::size_t begin = first / 64, end = last / 64;
    if (begin == end) {
        mask[begin] |= from & to;
        return;
    }
    mask[begin] |= from;
    for (std::size_t i = begin + 1; i < end; i++)
        mask[i] = ~Word(0);
    mask[end] |= to;
}

std::uint64_t value_at(const Word *const *slices, std::size_t count, std::size_t position)
{
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; i++)
        value = value << 1 | Word(test_bit(slices[i], position));
    return value;
}

} // namespace segments
