// The kernels for processors with AVX2: four words at a time.
#include "isa.hpp"
#include "ranges.hpp"

#if defined(__x86_64__)

#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2,popcnt"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,bmi,bmi2,popcnt")
#endif

namespace segments {

namespace avx2 {

typedef Word V __attribute__((vector_size(32)));

constexpr bool counts_fast = false;
constexpr std::size_t compare_tile = 4; // vectors
constexpr std::size_t step_limit = 950; // beyond, looking every value up is faster
constexpr std::size_t split_members = 360; // that are counted by bytes while masks are split for one value; see count_bytes
constexpr std::size_t bytes_members = 10000; // that are counted while a chunk's bytes are made
constexpr std::size_t few_slices = 2;   // up to so many, it is faster than reading a few members

SEGMENTS_INLINE bool any(V v)
{
    return _mm256_testz_si256((__m256i) v, (__m256i) v) == 0;
}

// Bits of 1 in each word: of each half of a byte by a table, then added up.
SEGMENTS_INLINE V popcounts(V v)
{
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i first = _mm256_shuffle_epi8(table, _mm256_and_si256((__m256i) v, low));
    const __m256i second = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16((__m256i) v, 4), low));
    return (V) _mm256_sad_epu8(_mm256_add_epi8(first, second), _mm256_setzero_si256());
}

// A square of words, mirrored.
SEGMENTS_INLINE void transpose_lanes(V *x)
{
    const V a = SEGMENTS_SHUFFLE(x[0], x[1], 0, 4, 2, 6), b = SEGMENTS_SHUFFLE(x[0], x[1], 1, 5, 3, 7);
    const V c = SEGMENTS_SHUFFLE(x[2], x[3], 0, 4, 2, 6), d = SEGMENTS_SHUFFLE(x[2], x[3], 1, 5, 3, 7);
    x[0] = SEGMENTS_SHUFFLE(a, c, 0, 1, 4, 5);
    x[1] = SEGMENTS_SHUFFLE(b, d, 0, 1, 4, 5);
    x[2] = SEGMENTS_SHUFFLE(a, c, 2, 3, 6, 7);
    x[3] = SEGMENTS_SHUFFLE(b, d, 2, 3, 6, 7);
}

#include "isa_basics.hpp"
#include "isa_words.hpp"

// The lowest bits, one after the other, at the places of the bits of 1 of a mask.
SEGMENTS_INLINE Word spread(Word bits, Word mask)
{
    return _pdep_u64(bits, mask);
}

#include "isa_masks.hpp"
#include "isa_columns.hpp"

} // namespace avx2

} // namespace segments

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace segments {

constinit const Kernels avx2_kernels = SEGMENTS_KERNELS(avx2);

} // namespace segments

#endif
