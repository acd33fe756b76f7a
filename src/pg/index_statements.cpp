// The statements of this backend that are changing tables of segment indexes. See index_write.hpp.
#include "index_write.hpp"

#include "boundary.hpp"

#include <cstring>

extern "C" {
#include "access/xact.h"
}

namespace segments {

constexpr int max_writings = 64;
static Writing writings[max_writings];
static int writing_count = 0;

static void transaction_ended(XactEvent event, void *)
{
    if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
        writing_count = 0;
}

static void subtransaction_ended(SubXactEvent event, SubTransactionId subtransaction, SubTransactionId, void *)
{
    if (event != SUBXACT_EVENT_ABORT_SUB)
        return;
    int kept = 0;
    for (int i = 0; i < writing_count; i++)
        if (writings[i].subtransaction < subtransaction)
            writings[kept++] = writings[i];
    writing_count = kept;
}

void watch_writings()
{
    RegisterXactCallback(transaction_ended, nullptr);
    RegisterSubXactCallback(subtransaction_ended, nullptr);
}

void begin_writing(Oid root, const void *statement)
{
    bool nested = false;
    for (int i = 0; i < writing_count; i++) {
        if (writings[i].root != root)
            continue;
        if (writings[i].statement == statement) {
            writings[i].events++;
            return;
        }
        nested = writings[i].nested = true;
    }
    if (writing_count == max_writings)
        ereport(ERROR, (errcode(ERRCODE_STATEMENT_TOO_COMPLEX), errmsg("statements within statements change tables of segment indexes more than %d times", max_writings)));
    writings[writing_count++] = {root, statement, 1, GetCurrentSubTransactionId(), 0, nested};
}

Writing *innermost(Oid root)
{
    for (int i = writing_count - 1; i >= 0; i--)
        if (writings[i].root == root)
            return &writings[i];
    return nullptr;
}

void end_writing(Writing *writing)
{
    if (--writing->events > 0)
        return;
    std::memmove(writing, writing + 1, sizeof(Writing) * static_cast<std::size_t>(writings + writing_count - writing - 1));
    writing_count--;
}

bool is_being_written(const SegmentIndex *index)
{
    for (int i = 0; i < writing_count; i++)
        for (const IndexSource &source : index->sources)
            if (source.relation == writings[i].root)
                return true;
    return false;
}

} // namespace segments
