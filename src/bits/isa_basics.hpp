// Vectors and words of any slice, for the vector type V of the file that includes this. See isa.hpp.

constexpr std::size_t lanes = sizeof(V) / sizeof(Word);
constexpr std::size_t slice_vectors = slice_words / lanes;

// The i-th vector of a slice.
SEGMENTS_INLINE V load(const Word *from, std::size_t i)
{
    V v;
    __builtin_memcpy(&v, from + i * lanes, sizeof v);
    return v;
}

SEGMENTS_INLINE void store(Word *to, std::size_t i, V v)
{
    __builtin_memcpy(to + i * lanes, &v, sizeof v);
}

SEGMENTS_INLINE Word load_word(const Word *from)
{
    Word word;
    __builtin_memcpy(&word, from, sizeof word);
    return word;
}

SEGMENTS_INLINE void store_word(Word *to, Word word)
{
    __builtin_memcpy(to, &word, sizeof word);
}

// Has the processor fetch what comes 1 kB after the next `count` vectors, where several slices are read side by side: it follows so many by itself only
// after a few lines of each page of memory. What is asked for beyond the end of a slice is not read.
template <std::size_t count> SEGMENTS_INLINE void fetch_ahead(const Word *from)
{
    constexpr std::size_t line = 8, ahead = 16;
    SEGMENTS_UNROLL
    for (std::size_t j = 0; j < count * lanes; j += line)
        __builtin_prefetch(from + line * ahead + j);
}

SEGMENTS_INLINE V splat(Word word)
{
    return V{} + word;
}

SEGMENTS_INLINE Word sum(V v)
{
    Word total = 0;
    for (std::size_t i = 0; i < lanes; i++)
        total += v[i];
    return total;
}

// first + the place of each bit of 1, one after another; their number.
SEGMENTS_INLINE std::size_t emit_bits(Word word, std::int64_t first, std::int64_t *to)
{
    std::size_t found = 0;
    for (; word != 0; word &= word - 1)
        to[found++] = first + __builtin_ctzll(word);
    return found;
}
