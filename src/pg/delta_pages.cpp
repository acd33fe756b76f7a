// What is known of the pages of segments.delta. See delta_pages.hpp.
#include "delta_pages.hpp"

#include <algorithm>

extern "C" {
#include "access/heapam.h"
#include "access/transam.h"
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

DeltaPages::Page *DeltaPages::known = nullptr;
BlockNumber DeltaPages::count = 0;
Oid DeltaPages::file = InvalidOid;

DeltaPages::DeltaPages(Relation relation, BlockNumber blocks) : relation_(relation)
{
    if (file != file_of(relation)) {
        file = file_of(relation);
        std::fill(known, known + count, Page{});
    }
    if (blocks > count) {
        BlockNumber more = Max(2 * count, blocks + 64);
        known = static_cast<Page *>(known ? repalloc_huge(known, sizeof(Page) * more) : MemoryContextAllocHuge(TopMemoryContext, sizeof(Page) * more));
        std::fill(known + count, known + more, Page{});
        count = more;
    }
}

void DeltaPages::close()
{
    if (BufferIsValid(map_))
        ReleaseBuffer(map_);
}

// The LSN of the map's page if it says that all on the block is visible; else none.
XLogRecPtr DeltaPages::map_lsn(BlockNumber block)
{
    if ((visibilitymap_get_status(relation_, block, &map_) & VISIBILITYMAP_ALL_VISIBLE) == 0 || !BufferIsValid(map_))
        return InvalidXLogRecPtr;
    return BufferGetLSNAtomic(map_);
}

} // namespace segments
