// The kernels for processors with AVX-512: eight words at a time, and instructions that count and gather bits.
#include "isa.hpp"
#include "ranges.hpp"

#if defined(__x86_64__)

#include <immintrin.h>

// GCC 12 warns of what its own header leaves undefined on purpose.
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

// What is named here is asked for in kernels.cpp.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2,popcnt,avx512f,avx512bw,avx512vl,avx512vbmi2,avx512vpopcntdq"))),                  \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,bmi,bmi2,popcnt,avx512f,avx512bw,avx512vl,avx512vbmi2,avx512vpopcntdq")
#endif

namespace segments {

namespace avx512 {

typedef Word V __attribute__((vector_size(64)));

constexpr bool counts_fast = true;
constexpr std::size_t compare_tile = 8;  // vectors
constexpr std::size_t step_limit = 1300; // beyond, looking every value up is faster
constexpr std::size_t split_members = 310; // that are counted by bytes while masks are split for one value; see count_bytes
constexpr std::size_t bytes_members = 24000; // that are counted while a chunk's bytes are made
constexpr std::size_t few_slices = 4;    // up to so many, it is faster than reading a few members

SEGMENTS_INLINE bool any(V v)
{
    return _mm512_test_epi64_mask((__m512i) v, (__m512i) v) != 0;
}

// Bits of 1 in each word.
SEGMENTS_INLINE V popcounts(V v)
{
    return (V) _mm512_popcnt_epi64((__m512i) v);
}

// A square of words, mirrored.
SEGMENTS_INLINE void transpose_lanes(V *x)
{
    V y[8], z[8];
    SEGMENTS_UNROLL
    for (int i = 0; i < 8; i += 2) {
        y[i] = SEGMENTS_SHUFFLE(x[i], x[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
        y[i + 1] = SEGMENTS_SHUFFLE(x[i], x[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
    }
    SEGMENTS_UNROLL
    for (int i = 0; i < 8; i += 4) {
        SEGMENTS_UNROLL
        for (int j = i; j < i + 2; j++) {
            z[j] = SEGMENTS_SHUFFLE(y[j], y[j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            z[j + 2] = SEGMENTS_SHUFFLE(y[j], y[j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    }
    SEGMENTS_UNROLL
    for (int i = 0; i < 4; i++) {
        x[i] = SEGMENTS_SHUFFLE(z[i], z[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        x[i + 4] = SEGMENTS_SHUFFLE(z[i], z[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

#include "isa_basics.hpp"

// The same as emit_bits, eight at a time: up to 7 more than are found may be written.
SEGMENTS_INLINE std::size_t emit_word(Word word, std::int64_t first, std::int64_t *to)
{
    alignas(64) static constexpr unsigned char places[64] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                                             22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
                                                             44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
    const std::size_t found = std::size_t(__builtin_popcountll(word));
    const __m512i base = _mm512_set1_epi64(first);
    const __m512i taken = _mm512_maskz_compress_epi8(word, _mm512_load_si512(places));
    __m128i low = _mm512_castsi512_si128(taken);
    _mm512_storeu_si512(to, _mm512_add_epi64(_mm512_cvtepu8_epi64(low), base));
    if (found > 8)
        _mm512_storeu_si512(to + 8, _mm512_add_epi64(_mm512_cvtepu8_epi64(_mm_srli_si128(low, 8)), base));
    if (found > 16) {
        alignas(64) unsigned char rest[64];
        _mm512_store_si512(rest, taken);
        for (std::size_t i = 16; i < found; i += 8) {
            low = _mm_loadl_epi64(reinterpret_cast<const __m128i *>(rest + i));
            _mm512_storeu_si512(to + i, _mm512_add_epi64(_mm512_cvtepu8_epi64(low), base));
        }
    }
    return found;
}

// first + the place of each bit of 1 of a vector; their number. One by one where they are few.
SEGMENTS_INLINE std::size_t emit_vector(V v, std::int64_t first, std::int64_t *to)
{
    std::size_t found = 0;
    if (sum(popcounts(v)) <= 12) {
        unsigned left = _mm512_test_epi64_mask((__m512i) v, (__m512i) v);
        Word words[8];
        store(words, 0, v);
        for (; left != 0; left &= left - 1) {
            const int w = __builtin_ctz(left);
            found += emit_bits(words[w], first + w * 64, to + found);
        }
        return found;
    }
    for (std::size_t w = 0; w < lanes; w++)
        found += emit_word(v[w], first + std::int64_t(w * 64), to + found);
    return found;
}

// A bit for each of up to 64 values: whether it lies in low to low + span. Up to 7 more may be read.
SEGMENTS_INLINE Word within(const std::int64_t *values, std::size_t count, std::uint64_t low, std::uint64_t span)
{
    const __m512i from = _mm512_set1_epi64(static_cast<long long>(low)), width = _mm512_set1_epi64(static_cast<long long>(span));
    Word bits = 0;
    for (std::size_t i = 0; i < count; i += 8)
        bits |= Word(_mm512_cmple_epu64_mask(_mm512_sub_epi64(_mm512_loadu_si512(values + i), from), width)) << i;
    return bits;
}

// A bit for each of up to 64 values: that bit of its distance from base. Up to 7 more may be read.
SEGMENTS_INLINE Word with_bit(const std::int64_t *values, std::size_t count, std::uint64_t base, int bit)
{
    const __m512i from = _mm512_set1_epi64(static_cast<long long>(base)), wanted = _mm512_set1_epi64(static_cast<long long>(Word(1) << bit));
    Word bits = 0;
    for (std::size_t i = 0; i < count; i += 8)
        bits |= Word(_mm512_test_epi64_mask(_mm512_sub_epi64(_mm512_loadu_si512(values + i), from), wanted)) << i;
    return bits;
}

// The lowest bits, one after the other, at the places of the bits of 1 of a mask.
SEGMENTS_INLINE Word spread(Word bits, Word mask)
{
    return _pdep_u64(bits, mask);
}

#include "isa_masks.hpp"
#include "isa_columns.hpp"

} // namespace avx512

} // namespace segments

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace segments {

constinit const Kernels avx512_kernels = SEGMENTS_KERNELS(avx512);

} // namespace segments

#endif
