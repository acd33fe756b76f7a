// Which pages of segments.delta need not be read again. See index_changes.cpp, which reads them.
#pragma once

#include "index.hpp"

extern "C" {
#include "access/htup_details.h"
#include "utils/snapshot.h"
}

namespace segments {

// A page of segments.delta all of whose rows were decided for good: as long as its LSN stays, who sees all transactions from `oldest` to `newest` sees
// of this index's rows there what was applied.
struct AppliedPage {
    XLogRecPtr lsn; // none where something may change yet
    TransactionId oldest, newest; // none where its rows hang on no transaction
    std::uint32_t first, count; // of the rows that were applied
};

// Whether what a snapshot says of a row is what all later ones will say that see the transactions that it hangs on, to which the page's span is widened.
// By what is noted on the row: a transaction of one's own may still be undone.
bool is_decided(HeapTupleHeader tuple, bool visible, AppliedPage &page);

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

// What this backend knows of the pages of segments.delta. Pages of which compaction and VACUUM have left nothing need not be read again while the
// visibility map says that all on them is visible: whoever writes to one takes that back. That it was given anew since, with rows, its own page's LSN would tell.
class DeltaPages {
public:
    DeltaPages(Relation relation, BlockNumber blocks);
    Buffer *recent(BlockNumber block) { return &known[block].recent; }

    // Whether nothing is there, and has not been since it was last read.
    bool is_empty(BlockNumber block) { return known[block].empty_at != InvalidXLogRecPtr && map_lsn(block) == known[block].empty_at; }

    // The page was read, and is pinned still: whether anything was on it.
    void note(BlockNumber block, bool empty) { known[block].empty_at = empty ? map_lsn(block) : InvalidXLogRecPtr; }

    void close();

private:
    struct Page {
        Buffer recent = InvalidBuffer;
        XLogRecPtr empty_at = InvalidXLogRecPtr; // of the visibility map's page
    };

    XLogRecPtr map_lsn(BlockNumber block);

    static Page *known;
    static BlockNumber count;
    static Oid file;
    Relation relation_;
    Buffer map_ = InvalidBuffer;
};

} // namespace segments
