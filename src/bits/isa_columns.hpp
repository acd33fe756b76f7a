// Columns: their values, sets of ranges, numbers of members by value; for the vector type V of the file that includes this. See isa.hpp.
//
// A block is the values of `lanes` words of a slice. Its values are first packed as closely as `rows` bits (8, 16, 32 or 64) allow, which
// leaves `rows` vectors, then the square bit matrices of rows x rows bits in them are transposed, all lanes at once.

constexpr std::size_t block_size = 64 * lanes;
constexpr std::size_t blocks = chunk_size / block_size;

// Bits that are 0 at place j of their number: 1, 2, 4, ... bits of 1, as many of 0.
SEGMENTS_INLINE V stripes(std::size_t j)
{
    return splat(j == 32 ? ~Word(0) >> 32 : ~Word(0) / ((Word(1) << j) + 1));
}

// Bit c of x[r] becomes bit r of x[c], in each group of `rows` bits.
SEGMENTS_INLINE void transpose_bits(V *x, std::size_t rows)
{
    for (std::size_t j = rows / 2; j != 0; j /= 2) {
        const V mask = stripes(j);
        for (std::size_t k = 0; k < rows; k += 2 * j) {
            for (std::size_t r = k; r < k + j; r++) {
                const V swap = ((x[r] >> j) ^ x[r + j]) & mask;
                x[r] ^= swap << j;
                x[r + j] ^= swap;
            }
        }
    }
}

SEGMENTS_INLINE Word low_bits(std::size_t count)
{
    return count >= 64 ? ~Word(0) : (Word(1) << count) - 1;
}

// One block, whose first word is the `word`-th of each slice.
SEGMENTS_INLINE void encode_rows(const std::uint64_t *values, Word *const *slices, std::size_t count, std::size_t word, std::size_t rows)
{
    V x[64];
    const V mask = splat(low_bits(rows));
    for (std::size_t r = 0; r < rows; r += lanes) {
        for (std::size_t w = 0; w < lanes; w++) {
            const std::uint64_t *from = values + w * 64 + r;
            V packed{};
            for (std::size_t q = 0; q < 64; q += rows)
                packed |= (load(from + q, 0) & mask) << q;
            x[r + w] = packed;
        }
        transpose_lanes(x + r);
    }
    transpose_bits(x, rows);
    for (std::size_t c = 0; c < count; c++)
        store(slices[count - 1 - c] + word, 0, x[c]);
}

SEGMENTS_INLINE void decode_rows(std::uint64_t *values, const Word *const *slices, std::size_t count, std::size_t word, std::size_t rows)
{
    V x[64];
    for (std::size_t c = 0; c < count; c++)
        x[c] = load(slices[count - 1 - c] + word, 0);
    for (std::size_t c = count; c < rows; c++)
        x[c] = V{};
    transpose_bits(x, rows);
    const V mask = splat(low_bits(rows));
    for (std::size_t r = 0; r < rows; r += lanes) {
        transpose_lanes(x + r);
        for (std::size_t w = 0; w < lanes; w++) {
            std::uint64_t *to = values + w * 64 + r;
            for (std::size_t q = 0; q < 64; q += rows)
                store(to + q, 0, (x[r + w] >> q) & mask);
        }
    }
}

static void encode(const std::uint64_t *values, Word *const *slices, std::size_t count)
{
    if (count == 0)
        return;
    for (std::size_t b = 0; b < blocks; b++) {
        const std::uint64_t *from = values + b * block_size;
        if (count <= 8)
            encode_rows(from, slices, count, b * lanes, 8);
        else if (count <= 16)
            encode_rows(from, slices, count, b * lanes, 16);
        else if (count <= 32)
            encode_rows(from, slices, count, b * lanes, 32);
        else
            encode_rows(from, slices, count, b * lanes, 64);
    }
}

// The values of one block.
static void decode_block(std::uint64_t *values, const Word *const *slices, std::size_t count, std::size_t word)
{
    if (count <= 8)
        decode_rows(values, slices, count, word, 8);
    else if (count <= 16)
        decode_rows(values, slices, count, word, 16);
    else if (count <= 32)
        decode_rows(values, slices, count, word, 32);
    else
        decode_rows(values, slices, count, word, 64);
}

static void decode(std::uint64_t *values, const Word *const *slices, std::size_t count)
{
    for (std::size_t b = 0; b < blocks; b++)
        decode_block(values + b * block_size, slices, count, b * lanes);
}

constexpr std::size_t tile = 8; // vectors: what fits into registers

// Runs the steps over one tile after another.
static void run_steps(Word *to, const Word *const *slices, const RangeSteps &program)
{
    V stack[64][tile];
    for (std::size_t i = 0; i < slice_vectors; i += tile) {
        V mask[tile] = {};
        std::size_t depth = 0;
        for (std::size_t s = 0; s < program.count; s++) {
            const RangeStep step = program.steps[s];
            const Word *slice = slices[step.slice] + i * lanes;
            fetch_ahead<tile>(slice);
            switch (step.kind) {
            case RangeStepKind::slice:
                SEGMENTS_UNROLL
                for (std::size_t j = 0; j < tile; j++)
                    mask[j] = load(slice, j);
                break;
            case RangeStepKind::not_slice:
                SEGMENTS_UNROLL
                for (std::size_t j = 0; j < tile; j++)
                    mask[j] = ~load(slice, j);
                break;
            case RangeStepKind::with:
                SEGMENTS_UNROLL
                for (std::size_t j = 0; j < tile; j++)
                    mask[j] &= load(slice, j);
                break;
            case RangeStepKind::without:
                SEGMENTS_UNROLL
                for (std::size_t j = 0; j < tile; j++)
                    mask[j] &= ~load(slice, j);
                break;
            case RangeStepKind::or_slice:
                SEGMENTS_UNROLL
                for (std::size_t j = 0; j < tile; j++)
                    mask[j] |= load(slice, j);
                break;
            case RangeStepKind::or_not:
                SEGMENTS_UNROLL
                for (std::size_t j = 0; j < tile; j++)
                    mask[j] |= ~load(slice, j);
                break;
            case RangeStepKind::push:
                SEGMENTS_UNROLL
                for (std::size_t j = 0; j < tile; j++)
                    stack[depth][j] = mask[j];
                depth++;
                break;
            case RangeStepKind::choose:
                depth--;
                SEGMENTS_UNROLL
                for (std::size_t j = 0; j < tile; j++) {
                    const V chosen = load(slice, j);
                    mask[j] = (mask[j] & chosen) | (stack[depth][j] & ~chosen);
                }
                break;
            }
        }
        SEGMENTS_UNROLL
        for (std::size_t j = 0; j < tile; j++)
            store(to, i + j, mask[j]);
    }
}

// Bit 0 of each of eight bytes, the first the lowest.
SEGMENTS_INLINE Word low_bits_of(Word eight)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    eight = __builtin_bswap64(eight);
#endif
    return (eight & 0x0101010101010101) * 0x0102040810204080 >> 56;
}

// Looks every value up.
static void look_up(Word *to, const Word *const *slices, std::size_t count, const RangeTable &table)
{
    const std::size_t cells = table.cells;
    for (std::size_t w = 0; w < slice_words; w += lanes) {
        std::uint64_t values[block_size];
        unsigned char states[block_size];
        decode_block(values, slices, count, w);
        for (std::size_t p = 0; p < block_size; p++) {
            const std::uint64_t cell = (values[p] - table.base) >> table.shift;
            states[p] = static_cast<unsigned char>(table.states[cell < cells ? cell : cells]);
        }
        for (std::size_t i = 0; i < lanes; i++) {
            Word in = 0, some = 0;
            for (std::size_t p = 0; p < 64; p += 8) {
                Word eight;
                __builtin_memcpy(&eight, states + i * 64 + p, sizeof eight);
                if (eight == 0)
                    continue;
                in |= low_bits_of(eight) << p;
                some |= low_bits_of(eight >> 1) << p;
            }
            for (; some != 0; some &= some - 1) {
                const unsigned place = unsigned(__builtin_ctzll(some));
                in |= Word(is_in_ranges(table, values[i * 64 + place])) << place;
            }
            store_word(to + w + i, in);
        }
    }
}

static void in_ranges(Word *to, const Word *const *slices, std::size_t count, const Range *ranges, std::size_t range_count)
{
    RangeSteps program;
    program.limit = step_limit;
    switch (compile_ranges(program, slices, count, ranges, range_count)) {
    case RangeKind::none:
        copy(to, no_members.words);
        return;
    case RangeKind::all:
        copy(to, all_members.words);
        return;
    case RangeKind::steps:
        run_steps(to, slices, program);
        return;
    case RangeKind::too_many:
        break;
    }
    RangeTable table;
    fill_range_table(table, ranges, range_count);
    look_up(to, slices, count, table);
}

// Facets: a mask is split slice by slice, sides without a member left out, until few members are left, which are read and sorted, or until few
// slices are left for many members, which are read and counted in a table.
constexpr std::size_t few_members = 256;
constexpr std::size_t many_members = 4096;
constexpr std::size_t table_bits = 13;
constexpr std::size_t saved_masks = 16;

// What the walk does not change.
struct Facet {
    const Word *const *slices;
    std::size_t count;
    bool (*found)(void *context, std::uint64_t value, std::size_t members);
    void *context;
    Mask *masks; // of each number of masks already saved
};

// One side of a mask: to = from & slice, or from & ~slice. to and from may be the same.
SEGMENTS_INLINE void take_side(Word *to, const Word *from, const Word *slice, bool one)
{
    const V flip = splat(one ? 0 : ~Word(0));
    for (std::size_t i = 0; i < slice_vectors; i++)
        store(to, i, load(from, i) & (load(slice, i) ^ flip));
}

// Sorts at most few_members numbers of `bits` bits, byte by byte.
static void sort_values(std::uint64_t *values, std::size_t size, std::size_t bits)
{
    std::uint64_t other[few_members];
    for (std::size_t shift = 0; shift < bits; shift += 8) {
        std::uint16_t starts[256] = {};
        for (std::size_t i = 0; i < size; i++)
            starts[values[i] >> shift & 0xFF]++;
        std::size_t start = 0;
        for (std::uint16_t &one : starts) {
            const std::size_t members = one;
            one = std::uint16_t(start);
            start += members;
        }
        for (std::size_t i = 0; i < size; i++)
            other[starts[values[i] >> shift & 0xFF]++] = values[i];
        __builtin_memcpy(values, other, size * sizeof *values);
    }
}

// The values of few members.
static __attribute__((noinline)) bool read_few(const Facet &facet, const Word *mask, std::size_t depth, std::uint64_t prefix)
{
    std::uint64_t values[few_members];
    std::size_t size = 0;
    for (std::size_t w = 0; w < slice_words; w++) {
        for (Word word = load_word(mask + w); word != 0; word &= word - 1) {
            const unsigned place = unsigned(__builtin_ctzll(word));
            std::uint64_t value = 0;
            for (std::size_t s = depth; s < facet.count; s++)
                value = value << 1 | (load_word(facet.slices[s] + w) >> place & 1);
            values[size++] = value;
        }
    }
    const std::size_t bits = facet.count - depth;
    sort_values(values, size, bits);
    const std::uint64_t high = bits >= 64 ? 0 : prefix << bits;
    for (std::size_t i = 0, end; i < size; i = end) {
        for (end = i + 1; end < size && values[end] == values[i]; end++)
            ;
        if (!facet.found(facet.context, high | values[i], end - i))
            return false;
    }
    return true;
}

// The bits of a word as a square of 8 x 8, mirrored.
SEGMENTS_INLINE V transpose_square(V v)
{
    V swap = (v ^ v >> 7) & splat(0x00AA00AA00AA00AA);
    v ^= swap ^ swap << 7;
    swap = (v ^ v >> 14) & splat(0x0000CCCC0000CCCC);
    v ^= swap ^ swap << 14;
    swap = (v ^ v >> 28) & splat(0x00000000F0F0F0F0);
    return v ^ swap ^ swap << 28;
}

// Counts the members of a block by their values in at most 8 slices. Those are packed as bytes and left as the transposition has them: byte 8 * i + j of
// a word's 64 is the value at place 8 * j + i, which the mask's bits are brought to. members: two tables of 256, by turns, for what has just been counted
// is slow to be counted again.
SEGMENTS_INLINE void count_bytes(std::uint16_t *members, const Word *mask, const Word *const *slices, std::size_t count, std::size_t word)
{
    V x[8];
    for (std::size_t c = 0; c < count; c++)
        x[c] = load(slices[count - 1 - c] + word, 0);
    for (std::size_t c = count; c < 8; c++)
        x[c] = V{};
    transpose_bits(x, 8);
    Word packed[8 * lanes], left[lanes];
    for (std::size_t r = 0; r < 8; r += lanes) {
        transpose_lanes(x + r);
        for (std::size_t w = 0; w < lanes; w++)
            store(packed + w * 8 + r, 0, x[r + w]);
    }
    store(left, 0, transpose_square(load(mask + word, 0)));
    const auto *bytes = reinterpret_cast<const unsigned char *>(packed);
    constexpr std::size_t flip = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 7 : 0;
    for (std::size_t w = 0; w < lanes; w++) {
        Word word = left[w];
        const unsigned char *of = bytes + w * 64;
        for (int n = __builtin_popcountll(word) / 4; n > 0; n--) {
            SEGMENTS_UNROLL
            for (int k = 0; k < 4; k++, word &= word - 1)
                members[(k & 1) * 256 + of[std::size_t(__builtin_ctzll(word)) ^ flip]]++;
        }
        for (; word != 0; word &= word - 1)
            members[of[std::size_t(__builtin_ctzll(word)) ^ flip]]++;
    }
}

// The values of many members in the last slices, by a table.
static __attribute__((noinline)) bool read_many(const Facet &facet, const Word *mask, std::size_t depth, std::uint64_t prefix)
{
    const std::size_t bits = facet.count - depth;
    const std::size_t size = std::size_t(1) << bits;
    std::uint16_t members[std::size_t(1) << table_bits]; // at most chunk_size each
    const bool as_bytes = bits <= 8;
    __builtin_memset(members, 0, (as_bytes ? 2 * 256 : size) * sizeof *members);
    for (std::size_t w = 0; w < slice_words; w += lanes) {
        if (!any(load(mask + w, 0)))
            continue;
        if (as_bytes) {
            count_bytes(members, mask, facet.slices + depth, bits, w);
            continue;
        }
        std::uint64_t values[block_size];
        decode_block(values, facet.slices + depth, bits, w);
        for (std::size_t i = 0; i < lanes; i++) {
            for (Word word = load_word(mask + w + i); word != 0; word &= word - 1)
                members[values[i * 64 + std::size_t(__builtin_ctzll(word))]]++;
        }
    }
    for (std::size_t value = 0; as_bytes && value < size; value++)
        members[value] += members[256 + value];
    for (std::size_t value = 0; value < size; value++) {
        if (members[value] != 0 && !facet.found(facet.context, prefix << bits | value, members[value]))
            return false;
    }
    return true;
}

// Whether that is faster than splitting masks.
SEGMENTS_INLINE bool suits_table(std::size_t left, std::size_t members)
{
    return left > 8 ? left <= table_bits : members + bytes_members < split_members << left;
}

// The last mask that was saved, and its depth; how many are.
struct Saved {
    const Word *mask;
    std::size_t depth;
    std::size_t masks;
};

// The members of a mask that a slice has, where the slice says it without being looked at: all or none; else unknown.
constexpr std::size_t unknown = ~std::size_t(0);
SEGMENTS_INLINE std::size_t known_ones(const Word *slice, std::size_t members)
{
    if (slice == no_members.words)
        return 0;
    return slice == all_members.words ? members : unknown;
}

// Goes on with the members of a mask, which is changed: those whose values begin with `prefix` in the first `depth` slices.
// Frames are small, for there may be 64 of them.
static bool walk(const Facet &facet, const Saved &saved, Word *mask, std::size_t members, std::size_t depth, std::uint64_t prefix)
{
    for (; depth < facet.count; depth++) {
        const std::size_t left = facet.count - depth;
        const Word *slice = facet.slices[depth];
        std::size_t ones = known_ones(slice, members);
        if (ones == unknown) {
            if (left > few_slices && members <= few_members)
                return read_few(facet, mask, depth, prefix);
            if (members >= many_members && suits_table(left, members))
                return read_many(facet, mask, depth, prefix);
            ones = count_both(mask, slice);
        }
        const std::size_t zeros = members - ones;
        const std::uint64_t zero = prefix << 1, one = zero | 1;
        if (zeros == 0 || ones == 0) {
            prefix = ones == 0 ? zero : one;
            continue;
        }
        if (left == 1)
            return facet.found(facet.context, zero, zeros) && facet.found(facet.context, one, ones);
        if (saved.masks < saved_masks) {
            Word *side = facet.masks[saved.masks].words;
            take_side(side, mask, slice, false);
            const Saved next{mask, depth, saved.masks + 1};
            if (!walk(facet, next, side, zeros, depth + 1, zero))
                return false;
            take_side(mask, mask, slice, true);
        } else {
            take_side(mask, mask, slice, false);
            if (!walk(facet, saved, mask, zeros, depth + 1, zero))
                return false;
            // What the walk has changed is found again, from the last mask that was saved.
            const Word *from = saved.mask;
            for (std::size_t d = saved.depth; d <= depth; d++) {
                take_side(mask, from, facet.slices[d], (one >> (depth - d) & 1) != 0);
                from = mask;
            }
        }
        members = ones;
        prefix = one;
    }
    return facet.found(facet.context, prefix, members);
}

static bool facet(const Word *mask, const Word *const *slices, std::size_t count,
                  bool (*found)(void *context, std::uint64_t value, std::size_t members), void *context)
{
    const std::size_t members = count_both(mask, mask);
    if (members == 0)
        return true;
    Mask masks[saved_masks + 1];
    copy(masks[saved_masks].words, mask);
    const Facet facet{slices, count, found, context, masks};
    const Saved saved{mask, 0, 0};
    return walk(facet, saved, masks[saved_masks].words, members, 0, 0);
}
