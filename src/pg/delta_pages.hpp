// Which pages of segments.delta need not be read again. See index_changes.cpp, which reads them.
#pragma once

#include "index.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/visibilitymapdefs.h"
#include "storage/bufpage.h"
#include "utils/snapshot.h"
}

namespace segments {

// A page of segments.delta all of whose rows were decided for good: as long as its LSN stays, who sees all transactions from `oldest` to `newest` sees
// of this index's rows there what was applied. So does everyone while the visibility map says what it did when its LSN was `visible_at`.
struct AppliedPage {
    XLogRecPtr lsn;        // none where something may change yet
    XLogRecPtr visible_at; // none where the map did not say that all there is visible
    TransactionId oldest, newest; // none where its rows hang on no transaction
    std::uint32_t first, count; // of the rows that were applied
};

// Widens a page's span to a transaction.
inline void hangs_on(AppliedPage &page, TransactionId transaction)
{
    if (!TransactionIdIsNormal(transaction))
        return;
    auto distance = [transaction](TransactionId other) { return static_cast<std::int32_t>(transaction - other); };
    if (!TransactionIdIsNormal(page.newest) || distance(page.newest) > 0)
        page.newest = transaction;
    if (!TransactionIdIsNormal(page.oldest) || distance(page.oldest) < 0)
        page.oldest = transaction;
}

// Whether it is noted on a row that it has come, by a transaction that was over before any that the snapshot does not see, and that nobody has removed it:
// PostgreSQL's own question, which is dearer, need not be asked.
inline bool is_plainly_visible(HeapTupleHeader tuple, Snapshot snapshot)
{
    return (tuple->t_infomask & (HEAP_XMIN_COMMITTED | HEAP_XMIN_INVALID | HEAP_XMAX_INVALID)) == (HEAP_XMIN_COMMITTED | HEAP_XMAX_INVALID) &&
           static_cast<std::int32_t>(HeapTupleHeaderGetRawXmin(tuple) - snapshot->xmin) < 0;
}

// Whether what a snapshot says of a row is what all later ones will say that see the transactions that it hangs on, to which the page's span is widened.
// By what is noted on the row: a transaction of one's own may still be undone.
inline bool is_decided(HeapTupleHeader tuple, bool visible, AppliedPage &page)
{
    if (HeapTupleHeaderXminInvalid(tuple))
        return !visible;
    if (!HeapTupleHeaderXminCommitted(tuple))
        return false;
    if (visible) {
        if (!HeapTupleHeaderXminFrozen(tuple))
            hangs_on(page, HeapTupleHeaderGetRawXmin(tuple));
        return (tuple->t_infomask & HEAP_XMAX_INVALID) != 0;
    }
    if ((tuple->t_infomask & (HEAP_XMAX_COMMITTED | HEAP_XMAX_IS_MULTI)) != HEAP_XMAX_COMMITTED || HEAP_XMAX_IS_LOCKED_ONLY(tuple->t_infomask))
        return false;
    // Who sees it removed sees nothing of it, whenever it came.
    hangs_on(page, HeapTupleHeaderGetRawXmax(tuple));
    return true;
}

// The transactions that a snapshot does not see: those that ran when it was taken, and all from its xmax on.
class Unseen {
public:
    explicit Unseen(Snapshot snapshot) : snapshot_(snapshot) {}

    // Whether the snapshot sees all transactions from oldest to newest; false where that would be dear to tell.
    bool none_in(TransactionId oldest, TransactionId newest);

private:
    // Of a transaction that is not older, from xmin.
    std::uint32_t distance(TransactionId transaction) const { return transaction - snapshot_->xmin; }

    void sort();

    Snapshot snapshot_;
    std::uint32_t *running_ = nullptr; // their distances, ascending
    std::size_t count_ = 0;
};

// The row at a place of a page.
inline HeapTupleData tuple_at(Relation relation, Page page, BlockNumber block, OffsetNumber offset)
{
    ItemId item = PageGetItemId(page, offset);
    HeapTupleData tuple;
    tuple.t_data = reinterpret_cast<HeapTupleHeader>(PageGetItem(page, item));
    tuple.t_len = ItemIdGetLength(item);
    tuple.t_tableOid = RelationGetRelid(relation);
    ItemPointerSet(&tuple.t_self, block, offset);
    return tuple;
}

// Has PostgreSQL note on the rows of a page which of them the active snapshot sees. Where nobody did, the first look at many changes asks the commit log
// about each of them.
void settle_page(Relation relation, BlockNumber block);

// What this backend knows of the pages of segments.delta, and what the visibility map says of them: whoever writes to a page takes back there that all on
// it is visible, and that it is so again changes the LSN of the map's page. So pages need not be read again of which that is said as it was then.
class DeltaPages {
public:
    DeltaPages(Relation relation, BlockNumber blocks);
    Buffer *recent(BlockNumber block) { return &known[block].recent; }

    // The LSN of the map's page if it says that all on the block is visible; else none. Of before the block is read.
    XLogRecPtr visible_at(BlockNumber block)
    {
        if (block / blocks_a_map != map_)
            read_map(block);
        const BlockNumber at = block % blocks_a_map;
        return (bits_[at / blocks_a_byte] >> at % blocks_a_byte * BITS_PER_HEAPBLOCK & VISIBILITYMAP_ALL_VISIBLE) != 0 ? map_lsn_ : InvalidXLogRecPtr;
    }

    // Whether nothing is on a block, and has not been since it was last read.
    bool is_empty(BlockNumber block) { return known[block].empty_at != InvalidXLogRecPtr && visible_at(block) == known[block].empty_at; }

    // The block was read: whether anything was on it.
    void note(BlockNumber block, bool empty) { known[block].empty_at = empty ? visible_at(block) : InvalidXLogRecPtr; }

private:
    struct Known {
        Buffer recent = InvalidBuffer;
        XLogRecPtr empty_at = InvalidXLogRecPtr; // of the map's page
    };
    static constexpr BlockNumber blocks_a_byte = BITS_PER_BYTE / BITS_PER_HEAPBLOCK;
    static constexpr BlockNumber map_bytes = BLCKSZ - MAXALIGN(SizeOfPageHeaderData);
    static constexpr BlockNumber blocks_a_map = map_bytes * blocks_a_byte;

    void read_map(BlockNumber block);

    static Known *known;
    static BlockNumber count;
    static Oid file;
    Relation relation_;
    BlockNumber blocks_;
    BlockNumber map_ = InvalidBlockNumber; // number of the map's page that is at hand
    XLogRecPtr map_lsn_ = InvalidXLogRecPtr;
    unsigned char bits_[map_bytes];
};

} // namespace segments
