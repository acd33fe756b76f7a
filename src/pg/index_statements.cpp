// The statements of this backend that are changing tables of segment indexes, and what its transaction has added to them. See index_write.hpp.
#include "index_write.hpp"

#include "boundary.hpp"

#include <algorithm>
#include <cstring>

extern "C" {
#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "parser/parsetree.h"
#include "tcop/pquery.h"
#include "utils/memutils.h"
}

namespace segments {

constexpr int max_writings = 64;
static Writing writings[max_writings];
static int writing_count = 0;

// Rows that this transaction has added to a table, while it sees what others have removed since it began.
struct Added {
    Oid relation;
    std::int64_t *keys; // of new members, where it is the audience
    std::size_t count, capacity;
    std::size_t checked; // of those it is known who is seen
    bool twice;          // of one of the members two rows
};
static List *added = NIL; // of Added *, the transaction's memory

static void transaction_ended(XactEvent event, void *)
{
    if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE) {
        writing_count = 0;
        added = NIL;
    }
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

// The statement that the executor is at, where it began after the library was loaded.
static const PlannedStmt *running = nullptr;
static ExecutorRun_hook_type next_run = nullptr;
static ExecutorFinish_hook_type next_finish = nullptr;

template <typename Work> static void run_as(const QueryDesc *query, Work &&work)
{
    const PlannedStmt *outer = running;
    running = query->plannedstmt;
    PG_TRY();
    {
        work();
    }
    PG_FINALLY();
    {
        running = outer;
    }
    PG_END_TRY();
}

#if PG_VERSION_NUM >= 180000
static void run(QueryDesc *query, ScanDirection direction, uint64 count)
{
    run_as(query, [=] { (next_run ? next_run : standard_ExecutorRun)(query, direction, count); });
}
#else
static void run(QueryDesc *query, ScanDirection direction, uint64 count, bool execute_once)
{
    run_as(query, [=] { (next_run ? next_run : standard_ExecutorRun)(query, direction, count, execute_once); });
}
#endif

// What a WITH clause changes may be left to the end.
static void finish(QueryDesc *query)
{
    run_as(query, [=] { (next_finish ? next_finish : standard_ExecutorFinish)(query); });
}

void watch_writings()
{
    next_run = ExecutorRun_hook;
    ExecutorRun_hook = run;
    next_finish = ExecutorFinish_hook;
    ExecutorFinish_hook = finish;
    RegisterXactCallback(transaction_ended, nullptr);
    RegisterSubXactCallback(subtransaction_ended, nullptr);
}

// Whether a statement changes a table, and not by a MERGE. Plans that change tables stand at the top of the statement, or of one of its subplans.
static bool changes_plainly(const PlannedStmt *statement, Oid table)
{
    bool plainly = false;
    auto look = [&](const Plan *plan) {
        if (plan == nullptr || !IsA(plan, ModifyTable))
            return true;
        auto *changes = reinterpret_cast<const ModifyTable *>(plan);
        if (rt_fetch(changes->nominalRelation, statement->rtable)->relid != table)
            return true;
        plainly = true;
        return changes->operation != CMD_MERGE;
    };
    if (!look(statement->planTree))
        return false;
    ListCell *cell;
    foreach (cell, statement->subplans)
        if (!look(static_cast<const Plan *>(lfirst(cell))))
            return false;
    return plainly;
}

// Whether the statement that is changing a table may be a MERGE.
static bool may_be_merge(Oid table)
{
    if (running != nullptr)
        return !changes_plainly(running, table);
    return ActivePortal == nullptr || list_length(ActivePortal->stmts) != 1 || !changes_plainly(linitial_node(PlannedStmt, ActivePortal->stmts), table);
}

void begin_writing(Oid root, Oid table, const void *statement, std::uint32_t event)
{
    Writing *writing = nullptr;
    bool nested = false;
    for (int i = 0; i < writing_count; i++) {
        if (writings[i].root != root)
            continue;
        if (writings[i].statement == statement)
            writing = &writings[i];
        else
            nested = writings[i].nested = true;
    }
    if (writing == nullptr) {
        if (writing_count == max_writings)
            ereport(ERROR,
                    (errcode(ERRCODE_STATEMENT_TOO_COMPLEX), errmsg("statements within statements change tables of segment indexes more than %d times", max_writings)));
        writing = &writings[writing_count++];
        *writing = {root, table, statement, 0, GetCurrentSubTransactionId(), 0, nested, false, false, false};
    }
    writing->events++;
    writing->inserts = writing->inserts || TRIGGER_FIRED_BY_INSERT(event);
    writing->deletes = writing->deletes || TRIGGER_FIRED_BY_DELETE(event);
    writing->maybe_merge = writing->maybe_merge || (TRIGGER_FIRED_BY_UPDATE(event) && may_be_merge(table));
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

void forget_writing(Oid table)
{
    for (int i = writing_count - 1; i >= 0; i--)
        if (writings[i].table == table) {
            end_writing(&writings[i]);
            return;
        }
}

bool is_being_written(const SegmentIndex *index)
{
    for (int i = 0; i < writing_count; i++)
        for (const IndexSource &source : index->sources)
            if (source.relation == writings[i].root)
                return true;
    return false;
}

static Added *added_to(Oid relation)
{
    ListCell *cell;
    foreach (cell, added) {
        auto *rows = static_cast<Added *>(lfirst(cell));
        if (rows->relation == relation)
            return rows;
    }
    return nullptr;
}

bool has_added(Oid relation)
{
    return added_to(relation) != nullptr;
}

void note_added(Oid relation)
{
    if (has_added(relation))
        return;
    MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);
    constexpr std::size_t first = 64;
    auto *rows = static_cast<Added *>(palloc(sizeof(Added)));
    *rows = {relation, static_cast<std::int64_t *>(palloc(sizeof(std::int64_t) * first)), 0, first, 0, false};
    added = lappend(added, rows);
    MemoryContextSwitchTo(caller);
}

void note_added(Oid relation, std::int64_t key)
{
    note_added(relation);
    Added *rows = added_to(relation);
    if (rows->count == rows->capacity) {
        rows->keys = static_cast<std::int64_t *>(repalloc_huge(rows->keys, sizeof(std::int64_t) * rows->capacity * 2));
        rows->capacity *= 2;
    }
    rows->keys[rows->count++] = key;
}

// So many members are looked up at a time.
constexpr std::size_t checked_at_once = 20000;

bool sees_twice(const Audience *audience)
{
    Added *rows = added_to(audience->relation);
    while (rows != nullptr && !rows->twice && rows->checked < rows->count) {
        std::size_t end = std::min(rows->count, rows->checked + checked_at_once);
        const char *key = quote_identifier(audience->key);
        visit_source(
            psprintf("SELECT t.%s::int8, t.xmin FROM %s t WHERE t.%s = ANY (%s)", key, audience->name, key, array_sql(rows->keys + rows->checked, end - rows->checked)),
            [](void *context, const SourceRow &row) {
                // A row that is not this transaction's own stays to be seen as long as it lasts. So does the first row of a member who was removed and
                // added in a savepoint that was rolled back: SQL answers then, too.
                if (!TransactionIdIsCurrentTransactionId(DatumGetTransactionId(row.values[0])))
                    static_cast<Added *>(context)->twice = true;
            },
            rows);
        rows->checked = end;
    }
    return rows != nullptr && rows->twice;
}

} // namespace segments
