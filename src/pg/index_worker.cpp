// Takes changes in, in the background. See index.hpp.
#include "index.hpp"

namespace segments {

void note_written(const SegmentIndex &, std::size_t) {}

} // namespace segments
