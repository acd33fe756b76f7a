// Masks, comparisons and positions, for the vector type V of the file that includes this. See isa.hpp.

static void copy(Word *to, const Word *from)
{
    for (std::size_t i = 0; i < slice_vectors; i++)
        store(to, i, load(from, i));
}

static void intersect(Word *to, const Word *from)
{
    for (std::size_t i = 0; i < slice_vectors; i++)
        store(to, i, load(to, i) & load(from, i));
}

static void unite(Word *to, const Word *from)
{
    for (std::size_t i = 0; i < slice_vectors; i++)
        store(to, i, load(to, i) | load(from, i));
}

static void subtract(Word *to, const Word *from)
{
    for (std::size_t i = 0; i < slice_vectors; i++)
        store(to, i, load(to, i) & ~load(from, i));
}

static void complement(Word *to, const Word *from)
{
    for (std::size_t i = 0; i < slice_vectors; i++)
        store(to, i, ~load(from, i));
}

// One step of a carry-save adder: the sum of three bits at each place, in sum and carry.
SEGMENTS_INLINE void add_bits(V &sum, V &carry, V a, V b)
{
    V either = sum ^ a;
    carry = (sum & a) | (either & b);
    sum = either ^ b;
}

// Members of both. Where bits are not counted by an instruction, eight vectors are first added bit by bit.
static std::size_t count_both(const Word *a, const Word *b)
{
    V total{};
    if constexpr (counts_fast) {
        V second{};
        for (std::size_t i = 0; i < slice_vectors; i += 2) {
            total += popcounts(load(a, i) & load(b, i));
            second += popcounts(load(a, i + 1) & load(b, i + 1));
        }
        return sum(total + second);
    } else {
        V ones{}, twos{}, fours{};
        for (std::size_t i = 0; i < slice_vectors; i += 8) {
            V x[8], two[4], four[2], eight;
            SEGMENTS_UNROLL
            for (std::size_t j = 0; j < 8; j++)
                x[j] = load(a, i + j) & load(b, i + j);
            add_bits(ones, two[0], x[0], x[1]);
            add_bits(ones, two[1], x[2], x[3]);
            add_bits(twos, four[0], two[0], two[1]);
            add_bits(ones, two[2], x[4], x[5]);
            add_bits(ones, two[3], x[6], x[7]);
            add_bits(twos, four[1], two[2], two[3]);
            add_bits(fours, eight, four[0], four[1]);
            total += popcounts(eight);
        }
        return sum((total << 3) + (popcounts(fours) << 2) + (popcounts(twos) << 1) + popcounts(ones));
    }
}

static std::size_t count(const Word *mask)
{
    return count_both(mask, mask);
}

static bool is_empty(const Word *mask)
{
    for (std::size_t i = 0; i < slice_vectors; i += 4) {
        if (any((load(mask, i) | load(mask, i + 1)) | (load(mask, i + 2) | load(mask, i + 3))))
            return false;
    }
    return true;
}

// One step of a comparison: a slice, and the constant's bit of it.
SEGMENTS_INLINE void compare_slice(V &below, V &undecided, V slice, bool bit)
{
    if (bit) {
        below |= undecided & ~slice;
        undecided &= slice;
    } else {
        undecided &= ~slice;
    }
}

// Cache lines of a mask, by number: where most have nobody undecided any more, only the others are read of further slices. Lines here
// and there come more slowly from memory than whole slices.
constexpr std::size_t line_words = 8;
constexpr std::size_t line_vectors = line_words / lanes;
constexpr std::size_t line_count = slice_words / line_words;
constexpr std::size_t sampled_lines = 15;
constexpr std::size_t few_undecided = 8; // members, in the sampled lines
static_assert(slice_words % line_words == 0 && line_count % sampled_lines == 0);

struct Lines {
    std::size_t count;
    std::uint32_t at[line_count];
};

// Asks for the line of a slice that was kept last: memory is slow to give out lines here and there.
SEGMENTS_INLINE void ask_for(const Word *slice, const Lines &lines, std::size_t kept)
{
    __builtin_prefetch(slice + lines.at[kept == 0 ? 0 : kept - 1] * line_words);
}

// How many of up to `count` slices are to be read whole until so few lines have somebody undecided, in one of two masks, that single lines are better:
// 0 if that is so now. A slice decides half of the members, unless they are much alike.
SEGMENTS_INLINE std::size_t whole_slices(const Word *a, const Word *b, std::size_t count)
{
    std::size_t open = 0, members = 0;
    for (std::size_t line = 0; line < line_count; line += line_count / sampled_lines) {
        V some{}, bits{};
        SEGMENTS_UNROLL
        for (std::size_t j = 0; j < line_vectors; j++) {
            const V v = load(a + line * line_words, j) | load(b + line * line_words, j);
            some |= v;
            bits += popcounts(v);
        }
        open += any(some);
        members += sum(bits);
    }
    if (open <= sampled_lines / 3)
        return 0;
    std::size_t slices = 1;
    while (slices < count && members >> slices >= few_undecided)
        slices++;
    return slices;
}

// The lines in which one of two masks has members, of a slice that is to be read next.
SEGMENTS_INLINE void find_lines(Lines &lines, const Word *a, const Word *b, const Word *slice)
{
    lines.count = 0;
    for (std::uint32_t line = 0; line < line_count; line++) {
        V some{};
        SEGMENTS_UNROLL
        for (std::size_t j = 0; j < line_vectors; j++)
            some |= load(a + line * line_words, j) | load(b + line * line_words, j);
        lines.at[lines.count] = line;
        lines.count += any(some);
        ask_for(slice, lines, lines.count);
    }
}

// compare, for these lines only; those of them with somebody undecided are kept. Slice by slice: what is read of one hangs on nothing but what
// the slices before have left, so that many reads are under way at once.
static bool compare_lines(Lines &lines, Word *below, Word *undecided, const Word *const *slices, std::size_t count, std::uint64_t bits)
{
    for (std::size_t s = 0; s < count && lines.count != 0; s++) {
        const bool bit = (bits >> (count - 1 - s) & 1) != 0;
        const Word *next = slices[s + 1 < count ? s + 1 : s];
        std::size_t kept = 0;
        for (std::size_t i = 0; i < lines.count; i++) {
            const std::size_t word = lines.at[i] * line_words;
            V left{};
            SEGMENTS_UNROLL
            for (std::size_t j = 0; j < line_vectors; j++) {
                V b = load(below + word, j), u = load(undecided + word, j);
                compare_slice(b, u, load(slices[s] + word, j), bit);
                store(below + word, j, b);
                store(undecided + word, j, u);
                left |= u;
            }
            lines.at[kept] = lines.at[i];
            kept += any(left);
            ask_for(next, lines, kept);
        }
        lines.count = kept;
    }
    return lines.count != 0;
}

// compare, for all lines.
static bool compare_whole(Word *below, Word *undecided, const Word *const *slices, std::size_t count, std::uint64_t bits)
{
    V left{};
    for (std::size_t i = 0; i < slice_vectors; i += compare_tile) {
        V b[compare_tile], u[compare_tile];
        SEGMENTS_UNROLL
        for (std::size_t j = 0; j < compare_tile; j++) {
            b[j] = load(below, i + j);
            u[j] = load(undecided, i + j);
        }
        for (std::size_t s = 0; s < count; s++) {
            const Word *slice = slices[s];
            const bool bit = (bits >> (count - 1 - s) & 1) != 0;
            fetch_ahead<compare_tile>(slice + i * lanes);
            SEGMENTS_UNROLL
            for (std::size_t j = 0; j < compare_tile; j++)
                compare_slice(b[j], u[j], load(slice, i + j), bit);
        }
        SEGMENTS_UNROLL
        for (std::size_t j = 0; j < compare_tile; j++) {
            store(below, i + j, b[j]);
            store(undecided, i + j, u[j]);
            left |= u[j];
        }
    }
    return any(left);
}

static bool compare(Word *below, Word *undecided, const Word *const *slices, std::size_t count, std::uint64_t bits)
{
    bool left = true;
    for (std::size_t whole; left && count != 0; slices += whole, count -= whole) {
        whole = whole_slices(undecided, undecided, count);
        if (whole == 0) {
            Lines lines;
            find_lines(lines, undecided, undecided, slices[0]);
            return compare_lines(lines, below, undecided, slices, count, bits);
        }
        left = compare_whole(below, undecided, slices, whole, bits >> (count - whole));
    }
    return left;
}

// compare_two, for all lines.
static bool compare_two_whole(Word *below_low, Word *undecided_low, Word *below_high, Word *undecided_high, const Word *const *slices,
                              std::size_t count, std::uint64_t low_bits, std::uint64_t high_bits)
{
    constexpr std::size_t half = compare_tile / 2;
    V left{};
    for (std::size_t i = 0; i < slice_vectors; i += half) {
        V bl[half], ul[half], bh[half], uh[half];
        SEGMENTS_UNROLL
        for (std::size_t j = 0; j < half; j++) {
            bl[j] = load(below_low, i + j);
            ul[j] = load(undecided_low, i + j);
            bh[j] = load(below_high, i + j);
            uh[j] = load(undecided_high, i + j);
        }
        for (std::size_t s = 0; s < count; s++) {
            const std::size_t place = count - 1 - s;
            const bool low = (low_bits >> place & 1) != 0, high = (high_bits >> place & 1) != 0;
            V slice[half];
            fetch_ahead<half>(slices[s] + i * lanes);
            SEGMENTS_UNROLL
            for (std::size_t j = 0; j < half; j++) {
                slice[j] = load(slices[s], i + j);
                compare_slice(bl[j], ul[j], slice[j], low);
            }
            SEGMENTS_UNROLL
            for (std::size_t j = 0; j < half; j++)
                compare_slice(bh[j], uh[j], slice[j], high);
        }
        SEGMENTS_UNROLL
        for (std::size_t j = 0; j < half; j++) {
            store(below_low, i + j, bl[j]);
            store(undecided_low, i + j, ul[j]);
            store(below_high, i + j, bh[j]);
            store(undecided_high, i + j, uh[j]);
            left |= ul[j] | uh[j];
        }
    }
    return any(left);
}

static bool compare_two(Word *below_low, Word *undecided_low, Word *below_high, Word *undecided_high, const Word *const *slices, std::size_t count,
                        std::uint64_t low_bits, std::uint64_t high_bits)
{
    bool left = true;
    for (std::size_t whole; left && count != 0; slices += whole, count -= whole) {
        whole = whole_slices(undecided_low, undecided_high, count);
        if (whole == 0) {
            Lines lines, high;
            find_lines(lines, undecided_low, undecided_high, slices[0]);
            high = lines;
            left = compare_lines(lines, below_low, undecided_low, slices, count, low_bits);
            return compare_lines(high, below_high, undecided_high, slices, count, high_bits) || left;
        }
        const std::size_t rest = count - whole;
        left = compare_two_whole(below_low, undecided_low, below_high, undecided_high, slices, whole, low_bits >> rest, high_bits >> rest);
    }
    return left;
}

// Where there is room for all positions of a vector they are written without looking.
static std::size_t emit(const Word *mask, std::size_t from, std::int64_t first, std::int64_t *to, std::size_t limit, std::size_t *next)
{
    std::size_t found = 0;
    for (std::size_t i = from / 64 / lanes; i < slice_vectors; i++) {
        const std::size_t begin = i * lanes * 64;
        Word words[lanes];
        store(words, 0, load(mask, i));
        for (std::size_t w = 0; w < lanes && begin + w * 64 < from; w++)
            words[w] &= from - begin - w * 64 >= 64 ? 0 : ~Word(0) << (from % 64);
        const V v = load(words, 0);
        if (!any(v))
            continue;
        if (limit - found >= 64 * lanes) {
            found += emit_vector(v, first + std::int64_t(begin), to + found);
            continue;
        }
        for (std::size_t w = 0; w < lanes; w++) {
            for (Word word = words[w]; word != 0; word &= word - 1) {
                const std::size_t position = begin + w * 64 + std::size_t(__builtin_ctzll(word));
                if (found == limit) {
                    *next = position;
                    return found;
                }
                to[found++] = first + std::int64_t(position);
            }
        }
    }
    *next = chunk_size;
    return found;
}

static void patch(Word *to, const Word *touched, const std::int64_t *values, std::uint64_t low, std::uint64_t span)
{
    for (std::size_t w = 0; w < slice_words; w++) {
        Word mask, word;
        __builtin_memcpy(&mask, touched + w, sizeof mask);
        if (mask == 0)
            continue;
        const std::size_t count = std::size_t(__builtin_popcountll(mask));
        __builtin_memcpy(&word, to + w, sizeof word);
        word = (word & ~mask) | spread(within(values, count, low, span), mask);
        __builtin_memcpy(to + w, &word, sizeof word);
        values += count;
    }
}

static void deposit(Word *to, const Word *from, const Word *touched, const std::int64_t *values, std::uint64_t base, int bit)
{
    for (std::size_t w = 0; w < slice_words; w++) {
        const Word mask = load_word(touched + w);
        Word word = from != nullptr ? load_word(from + w) : 0;
        if (mask != 0) {
            const std::size_t count = std::size_t(__builtin_popcountll(mask));
            word = (word & ~mask) | spread(with_bit(values, count, base, bit), mask);
            values += count;
        }
        store_word(to + w, word);
    }
}

static void add(Word *to, Word *carry, const Word *a, const Word *b)
{
    for (std::size_t i = 0; i < slice_vectors; i++) {
        const V left = load(a, i), right = load(b, i), over = load(carry, i), one = left ^ right;
        store(to, i, one ^ over);
        store(carry, i, (left & right) | (one & over));
    }
}
