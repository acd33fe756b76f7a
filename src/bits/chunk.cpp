// The masks that stand for slices which are not stored.
#include "chunk.hpp"

namespace segments {

namespace {

// A mask of equal words.
constexpr Mask filled(Word word)
{
    Mask mask{};
    for (Word &one : mask.words)
        one = word;
    return mask;
}

} // namespace

constinit const Mask no_members = filled(0);
constinit const Mask all_members = filled(~Word(0));

} // namespace segments
