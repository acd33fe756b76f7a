// Any bytes: an entry of the directory that is consistent and is written as the same bytes, or a refusal; never a crash.
//   cmake -S . -B build/fuzz -DSEGMENTS_FUZZ=ON -DCMAKE_CXX_COMPILER=clang++ && cmake --build build/fuzz
//   build/fuzz/entry_fuzz
#include <cstdlib>
#include <cstring>
#include <vector>

#include "entry.hpp"

namespace {

using segments::SliceRef;

void require(bool condition)
{
    if (!condition)
        std::abort();
}

// Whether a reference is nobody's, everybody's where that may be, or leads to a tuple.
bool is_ref(SliceRef ref, bool may_be_all)
{
    const SliceRef block = ref >> 16, offset = ref & 0xFFFF;
    return ref == segments::slice_none || (ref == segments::slice_all ? may_be_all : block < 0xFFFFFFFF && offset > 0 && offset <= 291 * 8);
}

void require_consistent(const segments::ColumnEntry &entry)
{
    require(entry.bits <= 64 && entry.valued <= segments::chunk_size);
    if (entry.valued > 0) {
        require(entry.minimum <= entry.maximum);
        const auto span = std::uint64_t(entry.maximum) - std::uint64_t(entry.minimum);
        require(entry.bits == 64 || span >> entry.bits == 0);
    }
    require(is_ref(entry.has, entry.valued == segments::chunk_size) && (entry.valued == 0 || entry.has != segments::slice_none));
    for (std::size_t i = 0; i < entry.bits; i++)
        require(is_ref(entry.slices[i], entry.valued == segments::chunk_size));
}

void require_consistent(const segments::SetEntry &entry)
{
    using segments::SetKind;
    switch (entry.kind) {
    case SetKind::none:
        require(entry.count == 0);
        return;
    case SetKind::all:
        require(entry.count == segments::chunk_size);
        return;
    case SetKind::slice:
        require(entry.count > 0 && entry.count <= segments::chunk_size && entry.slice != segments::slice_none && is_ref(entry.slice, false));
        return;
    case SetKind::array:
        require(entry.count > 0 && entry.count <= segments::max_array);
        for (std::size_t i = 0; i < entry.count; i++)
            require(entry.positions[i] < segments::chunk_size && (i == 0 || entry.positions[i - 1] < entry.positions[i]));
        return;
    }
    std::abort();
}

template <typename Entry> void fuzz(const std::vector<unsigned char> &bytes)
{
    Entry entry;
    if (!segments::read_entry(bytes.data(), bytes.size(), entry))
        return;
    require_consistent(entry);
    require(segments::entry_size(entry) == bytes.size());
    std::vector<unsigned char> again(bytes.size());
    segments::write_entry(entry, again.data());
    require(again == bytes);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    // aligned, and of just this size
    const std::vector<unsigned char> bytes(data, data + size);
    fuzz<segments::ColumnEntry>(bytes);
    fuzz<segments::SetEntry>(bytes);
    return 0;
}
