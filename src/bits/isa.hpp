// Between kernels.cpp and the files that hold the kernels for one kind of processor each.
//
// kernels_scalar.cpp, kernels_avx2.cpp and kernels_avx512.cpp say what a vector is, then include isa_basics.hpp, isa_masks.hpp and isa_columns.hpp,
// which are written once, and isa_words.hpp where it has nothing better than words. What these call lies in the same file, or is compiled for every
// processor elsewhere: of a template or an inline function of a header the linker would keep one of several copies, perhaps one that not every
// processor can run.
#pragma once

#include "kernels.hpp"

namespace segments {

extern const Kernels scalar_kernels;
#if defined(__x86_64__)
extern const Kernels avx2_kernels;
extern const Kernels avx512_kernels;
#endif

} // namespace segments

#define SEGMENTS_INLINE static inline __attribute__((always_inline))

// The elements of two vectors, a then b, picked by constant places.
#if defined(__clang__)
#define SEGMENTS_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SEGMENTS_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, V{__VA_ARGS__})
#endif

// Unrolls the loop that follows, so that arrays of vectors become registers.
#if defined(__clang__)
#define SEGMENTS_UNROLL _Pragma("unroll")
#else
#define SEGMENTS_UNROLL _Pragma("GCC unroll 64")
#endif

// The table of the kernels of a namespace.
#define SEGMENTS_KERNELS(isa)                                                                                                                        \
    {                                                                                                                                                \
        Isa::isa, isa::intersect, isa::unite, isa::subtract, isa::complement, isa::count, isa::count_both, isa::is_empty, isa::compare,              \
            isa::compare_two, isa::in_ranges, isa::facet, isa::patch, isa::deposit, isa::add, isa::emit, isa::encode, isa::decode                    \
    }
