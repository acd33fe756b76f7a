// The bare kernels over plain arrays: what a count by bit slices costs without a database around it.
//   kernel_bench numbers.bin lists.bin < questions
// numbers.bin: COPY … (FORMAT binary) of rows of bigint or timestamptz, the key first. lists.bin: the same of (list, key). A question is a line in
// postfix notation, answered by "milliseconds <tab> members": c3,1,9 are those whose column 3 (the key is 0) is 1 to 9, more pairs more ranges;
// c3,null those without a value; l7 those on list 7; & | ! join them.
#include "chunk.hpp"
#include "kernels.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <endian.h>
#include <sys/mman.h>

namespace {

using segments::all_members;
using segments::chunk_size;
using segments::kernels;
using segments::Mask;
using segments::no_members;
using segments::Range;
using segments::slice_bytes;
using segments::Word;

using Value = std::optional<std::int64_t>;

// Gives each row of a binary COPY, numbers of 8 bytes.
void read_copy(const char *path, const std::function<void(const std::vector<Value> &)> &row)
{
    std::unique_ptr<std::FILE, int (*)(std::FILE *)> file(std::fopen(path, "rb"), std::fclose);
    auto expect = [&](bool fine) {
        if (!fine) {
            std::cerr << path << ": no whole COPY of numbers of 8 bytes in binary format\n";
            std::exit(1);
        }
    };
    auto read = [&](void *to, std::size_t size) { expect(file && std::fread(to, 1, size, file.get()) == size); };
    char header[19];
    read(header, sizeof header);
    std::vector<Value> values;
    for (;;) {
        std::uint16_t columns;
        read(&columns, sizeof columns);
        if (columns == 0xffff)
            return;
        values.assign(be16toh(columns), {});
        for (Value &value : values) {
            std::uint32_t size;
            read(&size, sizeof size);
            if (size == 0xffffffff)
                continue;
            std::uint64_t bytes;
            expect(be32toh(size) == sizeof bytes);
            read(&bytes, sizeof bytes);
            value = std::int64_t(be64toh(bytes));
        }
        row(values);
    }
}

// Memory for slices: one piece after the other, in huge pages where there are some.
Word *new_slice()
{
    static unsigned char *next = nullptr, *end = nullptr;
    if (end - next < std::ptrdiff_t(slice_bytes)) {
        constexpr std::size_t size = std::size_t(1) << 28;
        next = static_cast<unsigned char *>(std::aligned_alloc(std::size_t(1) << 21, size));
        madvise(next, size, MADV_HUGEPAGE);
        end = next + size;
    }
    Word *slice = reinterpret_cast<Word *>(next);
    next += slice_bytes;
    return slice;
}

// One column of a chunk: value - minimum, the most significant slice first.
struct Column {
    std::int64_t minimum = 0, maximum = -1;
    std::vector<const Word *> slices;
    const Word *has = no_members.words; // all_members.words also where all who exist have a value
};

struct Chunk {
    const Word *present;
    std::vector<Column> columns;
    std::map<std::int64_t, Word *> lists;
};

// A slice that nobody or everybody has need not be kept.
const Word *kept(const Word *slice, const Word *everyone)
{
    if (std::memcmp(slice, no_members.words, slice_bytes) == 0)
        return no_members.words;
    if (std::memcmp(slice, everyone, slice_bytes) == 0)
        return all_members.words;
    return slice;
}

Column make_column(const std::vector<Value> &values, const Word *present)
{
    Column column;
    Word *has = new_slice();
    std::memset(has, 0, slice_bytes);
    for (std::size_t p = 0; p < chunk_size; p++) {
        if (!values[p])
            continue;
        bool first = column.minimum > column.maximum;
        column.minimum = first ? *values[p] : std::min(column.minimum, *values[p]);
        column.maximum = first ? *values[p] : std::max(column.maximum, *values[p]);
        segments::assign_bit(has, p, true);
    }
    column.has = kept(has, present);
    if (column.has == no_members.words)
        return column;
    std::vector<std::uint64_t> distances(chunk_size);
    for (std::size_t p = 0; p < chunk_size; p++)
        distances[p] = values[p] ? std::uint64_t(*values[p]) - std::uint64_t(column.minimum) : 0;
    std::vector<Word *> to(std::size_t(std::bit_width(std::uint64_t(column.maximum) - std::uint64_t(column.minimum))));
    for (Word *&slice : to)
        slice = new_slice();
    kernels().encode(distances.data(), to.data(), to.size());
    for (Word *slice : to)
        column.slices.push_back(kept(slice, present));
    return column;
}

using Chunks = std::map<std::int64_t, Chunk>;

Chunks read_chunks(const char *numbers, const char *lists)
{
    Chunks chunks;
    std::vector<std::vector<Value>> open; // by column, of the chunk that is being read
    std::int64_t number = -1;
    auto close = [&] {
        if (open.empty())
            return;
        Word *present = new_slice();
        for (std::size_t p = 0; p < chunk_size; p++)
            segments::assign_bit(present, p, open[0][p].has_value());
        Chunk &chunk = chunks[number];
        chunk.present = kept(present, all_members.words);
        for (const std::vector<Value> &values : open)
            chunk.columns.push_back(make_column(values, present));
        open.clear();
    };
    read_copy(numbers, [&](const std::vector<Value> &row) {
        std::int64_t of = row[0].value() / std::int64_t(chunk_size);
        if (of != number)
            close();
        number = of;
        if (open.empty())
            open.assign(row.size(), std::vector<Value>(chunk_size));
        for (std::size_t i = 0; i < row.size(); i++)
            open[i][std::size_t(*row[0]) % chunk_size] = row[i];
    });
    close();
    read_copy(lists, [&](const std::vector<Value> &row) {
        Word *&members = chunks.at(row[1].value() / std::int64_t(chunk_size)).lists[row[0].value()];
        if (members == nullptr)
            members = static_cast<Word *>(std::memset(new_slice(), 0, slice_bytes));
        segments::assign_bit(members, std::size_t(*row[1]) % chunk_size, true);
    });
    return chunks;
}

struct Step {
    char kind; // c, n (without a value), l, & | !
    std::size_t column = 0;
    std::int64_t list = 0;
    std::vector<std::pair<std::int64_t, std::int64_t>> ranges;
};

std::vector<Step> read_question(const std::string &line)
{
    std::vector<Step> steps;
    std::istringstream words(line);
    for (std::string word; words >> word;) {
        Step step{word[0], {}, {}, {}};
        std::istringstream rest(word.substr(1));
        std::string part;
        if (step.kind == 'l') {
            rest >> step.list;
        } else if (step.kind == 'c') {
            std::getline(rest, part, ',');
            step.column = std::stoul(part);
            while (std::getline(rest, part, ',')) {
                if (part == "null") {
                    step.kind = 'n';
                    break;
                }
                std::int64_t low = std::stoll(part);
                std::getline(rest, part, ',');
                step.ranges.emplace_back(low, std::stoll(part));
            }
            std::sort(step.ranges.begin(), step.ranges.end());
        }
        steps.push_back(step);
    }
    return steps;
}

// Members of a chunk whose value lies in the ranges; who has none may be among them.
void in_ranges(const Column &column, const Step &step, Mask &to)
{
    static std::vector<Range> ranges;
    static Mask undecided, below_high, undecided_high;
    ranges.clear();
    auto distance = [&](std::int64_t value) { return std::uint64_t(value) - std::uint64_t(column.minimum); };
    for (auto [low, high] : step.ranges)
        if (low <= column.maximum && high >= column.minimum)
            ranges.push_back({distance(std::max(low, column.minimum)), distance(std::min(high, column.maximum))});
    std::size_t bits = column.slices.size();
    const std::uint64_t highest = distance(column.maximum);
    if (ranges.empty() || (ranges.size() == 1 && ranges[0].low == 0 && ranges[0].high == highest)) {
        to = ranges.empty() ? no_members : all_members;
        return;
    }
    if (ranges.size() > 1 || bits <= 12) {
        kernels().in_ranges(to.words, column.slices.data(), bits, ranges.data(), ranges.size());
        return;
    }
    const auto [low, high] = ranges[0];
    const bool both = low > 0 && high < highest;
    const std::uint64_t one = low > 0 ? low : high;
    to = no_members;
    undecided = all_members;
    if (both) {
        below_high = no_members;
        undecided_high = all_members;
    }
    for (std::size_t i = 0, taken; i < bits; i += taken) {
        taken = std::min<std::size_t>(i < 16 ? 8 : 2, bits - i);
        const std::size_t rest = bits - i - taken;
        if (both ? !kernels().compare_two(to.words, undecided.words, below_high.words, undecided_high.words, column.slices.data() + i, taken, low >> rest, high >> rest)
                 : !kernels().compare(to.words, undecided.words, column.slices.data() + i, taken, one >> rest))
            break;
    }
    if (low == 0) {
        kernels().unite(to.words, undecided.words);
        return;
    }
    kernels().complement(to.words, to.words);
    if (both) {
        kernels().unite(below_high.words, undecided_high.words);
        kernels().intersect(to.words, below_high.words);
    }
}

std::size_t count(const Chunks &chunks, const std::vector<Step> &steps)
{
    static std::vector<Mask> stack(16);
    std::size_t members = 0;
    for (const auto &[number, chunk] : chunks) {
        std::size_t depth = 0;
        for (const Step &step : steps) {
            switch (step.kind) {
            case 'c': {
                const Column &column = chunk.columns[step.column];
                in_ranges(column, step, stack[depth]);
                if (column.has != all_members.words)
                    kernels().intersect(stack[depth].words, column.has);
                depth++;
                break;
            }
            case 'n':
                kernels().complement(stack[depth++].words, chunk.columns[step.column].has);
                break;
            case 'l': {
                auto list = chunk.lists.find(step.list);
                std::memcpy(stack[depth++].words, list == chunk.lists.end() ? no_members.words : list->second, slice_bytes);
                break;
            }
            case '!':
                kernels().complement(stack[depth - 1].words, stack[depth - 1].words);
                break;
            default:
                depth--;
                (step.kind == '&' ? kernels().intersect : kernels().unite)(stack[depth - 1].words, stack[depth].words);
            }
        }
        members += chunk.present == all_members.words ? kernels().count(stack[0].words) : kernels().count_both(stack[0].words, chunk.present);
    }
    return members;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3) {
        std::cerr << "kernel_bench numbers.bin lists.bin < questions\n";
        return 2;
    }
    const Chunks chunks = read_chunks(argv[1], argv[2]);
    for (std::string line; std::getline(std::cin, line);) {
        const std::vector<Step> steps = read_question(line);
        std::size_t members = count(chunks, steps);
        std::vector<double> times;
        for (int i = 0; i < 5; i++) {
            const auto began = std::chrono::steady_clock::now();
            members = count(chunks, steps);
            times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count());
        }
        std::sort(times.begin(), times.end());
        std::cout << times[2] << '\t' << members << std::endl;
    }
    return 0;
}
