// Takes changes of a segment index in, in the background, and mends one that is stale. See index.hpp.
//
// Nothing is preloaded and nobody keeps a count: a writer whose turn it is, by chance and by how much it has written, has a worker started when
// its transaction has committed. The worker leaves at once where another compaction is at work.
#include "index.hpp"

#include "boundary.hpp"

extern "C" {
#include "access/xact.h"
#include "commands/extension.h"
#include "common/pg_prng.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/snapmgr.h"
}

namespace segments {

// On average one worker for so many bytes of changes, and for so many statements.
constexpr double bytes_per_worker = 1024 * 1024, statements_per_worker = 2000;

static Oid requested = InvalidOid; // by this transaction: the audience

// Starts the worker that was asked for. The transaction is committed: nothing here may raise an error.
static void transaction_ended(XactEvent event, void *)
{
    if (event == XACT_EVENT_COMMIT && OidIsValid(requested)) {
        BackgroundWorker worker = {};
        worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
        worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
        worker.bgw_restart_time = BGW_NEVER_RESTART;
        worker.bgw_main_arg = ObjectIdGetDatum(requested);
        strlcpy(worker.bgw_library_name, "segments", sizeof(worker.bgw_library_name));
        strlcpy(worker.bgw_function_name, "segments_compact_worker", sizeof(worker.bgw_function_name));
        strlcpy(worker.bgw_name, "segments compaction", sizeof(worker.bgw_name));
        strlcpy(worker.bgw_type, "segments compaction", sizeof(worker.bgw_type));
        *reinterpret_cast<Oid *>(worker.bgw_extra) = MyDatabaseId;
        // Where no worker is free, another writer will try.
        RegisterDynamicBackgroundWorker(&worker, nullptr);
    }
    if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
        requested = InvalidOid;
}

void watch_requests()
{
    RegisterXactCallback(transaction_ended, nullptr);
}

void note_written(const SegmentIndex &index, std::size_t bytes)
{
    if (!auto_compact() || OidIsValid(requested))
        return;
    double chance = 1 / statements_per_worker + static_cast<double>(bytes) / bytes_per_worker;
    if (pg_prng_double(&pg_global_prng_state) < chance)
        requested = index.audience;
}

void note_stale(Oid audience)
{
    if (auto_compact() && !OidIsValid(requested))
        requested = audience;
}

} // namespace segments

extern "C" {

PGDLLEXPORT void segments_compact_worker(Datum audience);

// The worker: compacts one index, or builds it anew. Whatever isolation level is the default here.
void segments_compact_worker(Datum audience)
{
    pqsignal(SIGTERM, die);
    BackgroundWorkerUnblockSignals();
    BackgroundWorkerInitializeConnectionByOid(*reinterpret_cast<Oid *>(MyBgworkerEntry->bgw_extra), InvalidOid, 0);
    StartTransactionCommand();
    XactIsoLevel = XACT_READ_COMMITTED;
    PushActiveSnapshot(GetTransactionSnapshot());
    if (OidIsValid(get_extension_oid("segments", true))) {
        const char *command = psprintf("SELECT segments._tend_index(c.oid) FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) %u", DatumGetObjectId(audience));
        pgstat_report_activity(STATE_RUNNING, command);
        SPI_connect();
        SPI_execute(command, false, 0);
        SPI_finish();
    }
    PopActiveSnapshot();
    CommitTransactionCommand();
    pgstat_report_activity(STATE_IDLE, nullptr);
}

} // extern "C"
