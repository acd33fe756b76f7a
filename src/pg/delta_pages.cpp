// What is known of the pages of segments.delta. See delta_pages.hpp.
#include "delta_pages.hpp"

#include <algorithm>
#include <cstring>

extern "C" {
#include "access/heapam.h"
#include "access/visibilitymap.h"
#include "storage/bufmgr.h"
#include "utils/snapmgr.h"
}

namespace segments {

void settle_page(Relation relation, BlockNumber block)
{
    Buffer buffer = ReadBuffer(relation, block);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    Page page = BufferGetPage(buffer);
    OffsetNumber items = PageIsNew(page) ? 0 : PageGetMaxOffsetNumber(page);
    for (OffsetNumber offset = FirstOffsetNumber; offset <= items; offset++) {
        if (!ItemIdIsNormal(PageGetItemId(page, offset)))
            continue;
        HeapTupleData tuple = tuple_at(relation, page, block, offset);
        HeapTupleSatisfiesVisibility(&tuple, GetActiveSnapshot(), buffer);
    }
    UnlockReleaseBuffer(buffer);
}

bool Unseen::none_in(TransactionId oldest, TransactionId newest)
{
    if (TransactionIdPrecedes(newest, snapshot_->xmin))
        return true;
    if (TransactionIdFollowsOrEquals(newest, snapshot_->xmax) || snapshot_->suboverflowed)
        return false;
    if (running_ == nullptr)
        sort();
    const std::uint32_t *first = std::lower_bound(running_, running_ + count_, TransactionIdPrecedes(oldest, snapshot_->xmin) ? 0 : distance(oldest));
    return first == running_ + count_ || *first > distance(newest);
}

void Unseen::sort()
{
    running_ = static_cast<std::uint32_t *>(palloc(sizeof(std::uint32_t) * (snapshot_->xcnt + static_cast<std::size_t>(snapshot_->subxcnt) + 1)));
    for (std::uint32_t i = 0; i < snapshot_->xcnt; i++)
        running_[count_++] = distance(snapshot_->xip[i]);
    for (std::int32_t i = 0; i < snapshot_->subxcnt; i++)
        running_[count_++] = distance(snapshot_->subxip[i]);
    std::sort(running_, running_ + count_);
}

DeltaPages::Known *DeltaPages::known = nullptr;
BlockNumber DeltaPages::count = 0;
Oid DeltaPages::file = InvalidOid;

DeltaPages::DeltaPages(Relation relation, BlockNumber blocks) : relation_(relation), blocks_(blocks)
{
    if (file != file_of(relation)) {
        file = file_of(relation);
        std::fill(known, known + count, Known{});
    }
    if (blocks > count) {
        BlockNumber more = Max(2 * count, blocks + 64);
        known = static_cast<Known *>(known ? repalloc_huge(known, sizeof(Known) * more) : MemoryContextAllocHuge(TopMemoryContext, sizeof(Known) * more));
        std::fill(known + count, known + more, Known{});
        count = more;
    }
}

// The bits come first: while the map's page has the LSN that is read after them, none of them has been set again.
void DeltaPages::read_map(BlockNumber block)
{
    map_ = block / blocks_a_map;
    const BlockNumber first = map_ * blocks_a_map, bytes = (Min(blocks_ - first, blocks_a_map) + blocks_a_byte - 1) / blocks_a_byte;
    Buffer map = InvalidBuffer;
    if (RelationNeedsWAL(relation_)) // else no LSN tells
        visibilitymap_get_status(relation_, first, &map);
    if (!BufferIsValid(map)) {
        std::memset(bits_, 0, bytes);
        return;
    }
    std::memcpy(bits_, PageGetContents(BufferGetPage(map)), bytes);
    pg_read_barrier();
    map_lsn_ = BufferGetLSNAtomic(map);
    ReleaseBuffer(map);
}

} // namespace segments
