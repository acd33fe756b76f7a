// Any bytes: changes that are packed and read as the same again, or a refusal; never a crash.
//   cmake -S . -B build/fuzz -DSEGMENTS_FUZZ=ON -DCMAKE_CXX_COMPILER=clang++ && cmake --build build/fuzz
//   build/fuzz/delta_fuzz
#include "../unit/changes.hpp"

namespace {

void require(bool condition)
{
    if (!condition)
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    // of just this size
    const segments::Bytes bytes(data, data + size);
    segments::Recorder read, again;
    if (!segments::read_delta(bytes.data(), bytes.size(), read))
        return 0;
    for (const segments::Bytes &row : segments::packed(read.changes)) {
        require(row.size() <= segments::max_delta);
        require(segments::read_delta(row.data(), row.size(), again));
    }
    require(again.changes == read.changes);
    return 0;
}
