// One run of a bitmap program over the chunks of an index.
#pragma once

#include "index_program.hpp"

#include <cstring>

namespace segments {

// What is known of a mask without looking.
enum class Extent : std::uint8_t { none, some, all };

inline Extent opposite(Extent extent)
{
    return extent == Extent::none ? Extent::all : extent == Extent::all ? Extent::none : Extent::some;
}

// A field's column in the chunk at hand.
struct Column {
    std::uint16_t field;
    const ColumnEntry *entry; // null: nobody has a value
    Buffer *recent;           // where its slices were seen
    const FreshColumn *fresh; // whose entry it is, if any
};

// base: the chunk's position in the index's list, or -1.
inline Column column_at(const ColumnDirectory *directory, std::uint16_t field, std::ptrdiff_t base)
{
    return {field, base < 0 ? nullptr : directory->entries[base], base < 0 ? nullptr : directory->recent + base * 65, nullptr};
}

// Masks to work with, made when they are first needed.
class MaskStack {
public:
    Mask *at(std::size_t depth);

private:
    Mask **masks_ = nullptr;
    std::size_t count_ = 0;
};

// One run over the chunks.
class Runner {
public:
    Runner(SegmentIndex *index, Changes *changes, Relation slices) : index_(index), changes_(changes), pins_(index, slices), kernels_(kernels()) {}

    // The chunk that is looked at from now on; base: its position in the index's list, or -1.
    void enter(std::int32_t chunk, std::ptrdiff_t base, std::size_t at)
    {
        chunk_ = chunk;
        base_ = base;
        at_ = at;
    }

    // Who satisfies a step; `to` is filled where that is neither nobody nor everybody.
    Extent run(Step *step, Mask *to, std::size_t depth);

    // Takes away who does not exist.
    Extent keep_present(Extent extent, Mask *to);

    // The values that changed members have now, of up to two levels, the later ones last; how many there are. What is in slices of this process goes
    // into the column instead. whole: all of it is in the values, of one level, by masks.
    int effective(const IndexField &field, Column &column, const Effective **found, bool whole = false);

    // Who of a set's values, in to.
    Extent members_of(const IndexField &field, const SetGroup &group, Bucket *looked_up, Mask *to);
    const Op *latest_ops(const SetGroup &group, const IndexField &field, std::size_t *count);
    Bucket *looked_up(const IndexField &field);

    // Slices of a column, and who has a value, pinned until release().
    const Word *slice(const Column &column, int i)
    {
        slices_++;
        if (column.fresh != nullptr)
            return column.fresh->slices[i]->words;
        return pins_.pin(column.entry->slices[i], chunk_, slice_tag(column.field, 0, column.entry->bits - 1 - i), column.recent + i);
    }
    const Word *has_slice(const Column &column)
    {
        slices_++;
        if (column.fresh != nullptr && column.fresh->has != nullptr)
            return column.fresh->has->words;
        return pins_.pin(column.entry->has, chunk_, slice_tag(column.field, 0, slice_has), column.recent + 64);
    }
    void release() { pins_.release(); }

    // How many slices were looked at.
    std::size_t slices() const { return slices_; }

    static void fill(Mask *to, Extent extent) { std::memset(to->words, extent == Extent::all ? 0xff : 0, slice_bytes); }

private:
    void settle(Bucket *bucket, bool whole);
    Effective &work_out(const IndexField &field, Bucket *bucket, int which, const Column &column);
    void patch(Mask *to, const Effective &changed, const Matched &matched);
    bool freshen(const IndexField &field, Bucket *bucket, int which, Column &column);
    FreshColumn *make_fresh(const Column &column, const Effective &changed);
    bool add_events(const Column &column, const Level &level, FreshColumn *made, Mask **room, bool passing);
    bool keep_events(const Column &column, Level &level);
    Extent run_column(Step *step, Mask *to);
    Extent run_key(Step *step, Mask *to);
    Extent run_set(Step *step, Mask *to, std::size_t depth);
    Extent run_group(Step *step, Mask *to, std::size_t depth);
    Extent base_column(const Step *step, const Column &column, bool counts, Mask *to);
    Extent ranges_of(const Intervals &values, const Column &column, Mask *to);
    Extent base_set(const SetDirectory *set, std::uint16_t field, Mask *to);

    SegmentIndex *index_;
    Changes *changes_;
    SlicePins pins_;
    const Kernels &kernels_;
    std::int32_t chunk_ = 0;
    std::ptrdiff_t base_ = -1;
    std::size_t at_ = 0;
    std::size_t slices_ = 0;
    FreshColumn passing_[2] = {};      // a column that is not kept, with the changes of a level: its slices are those,
    Mask *passing_slices_[2][64] = {}; // which the next one has, too
    MaskStack groups_;                 // by depth: what a group's next child gives
    MaskStack work_;                   // three of a comparison, and who exists
};

} // namespace segments
