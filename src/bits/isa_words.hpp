// What is done word by word where an instruction set has nothing better. Included by it after isa_basics.hpp, within its namespace.

// first + the place of each bit of 1 of a vector; their number.
SEGMENTS_INLINE std::size_t emit_vector(V v, std::int64_t first, std::int64_t *to)
{
    std::size_t found = 0;
    for (std::size_t w = 0; w < lanes; w++)
        found += emit_bits(v[w], first + std::int64_t(w * 64), to + found);
    return found;
}

// A bit for each of up to 64 values: whether it lies in low to low + span.
SEGMENTS_INLINE Word within(const std::int64_t *values, std::size_t count, std::uint64_t low, std::uint64_t span)
{
    Word bits = 0;
    for (std::size_t i = 0; i < count; i++)
        bits |= Word(static_cast<std::uint64_t>(values[i]) - low <= span) << i;
    return bits;
}

// A bit for each of up to 64 values: that bit of its distance from base.
SEGMENTS_INLINE Word with_bit(const std::int64_t *values, std::size_t count, std::uint64_t base, int bit)
{
    Word bits = 0;
    for (std::size_t i = 0; i < count; i++)
        bits |= ((static_cast<std::uint64_t>(values[i]) - base) >> bit & 1) << i;
    return bits;
}
