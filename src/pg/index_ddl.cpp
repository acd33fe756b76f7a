// What the administration of segment indexes needs and PL/pgSQL has not. See src/sql/index.sql.
#include "bind.hpp"
#include "boundary.hpp"

extern "C" {
#include "catalog/dependency.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_trigger.h"
#include "commands/extension.h"
#include "commands/tablecmds.h"
#include "storage/lmgr.h"
#include "tcop/deparse_utility.h"
#include "utils/snapmgr.h"
}

extern "C" {

// _nearest(word, names): the name nearest to a word, or null where none is near.
SEGMENTS_FUNCTION(segments_nearest)
{
    std::string_view word = text_to_cstring(PG_GETARG_TEXT_PP(0));
    Datum *names;
    int count;
    deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &names, nullptr, &count);
    auto *known = static_cast<std::string_view *>(palloc(sizeof(std::string_view) * (count + 1)));
    for (int i = 0; i < count; i++)
        known[i] = TextDatumGetCString(names[i]);
    std::string_view found;
    segments::guarded([&] { found = segments::nearest(word, {known, static_cast<std::size_t>(count)}); });
    if (found.empty())
        PG_RETURN_NULL();
    PG_RETURN_TEXT_P(cstring_to_text_with_len(found.data(), static_cast<int>(found.size())));
}

// _keep_writers_off(relation): until the transaction ends. Nor may a statement of this transaction be at work on the table: of its rows, nobody could
// say whether they are noted yet.
SEGMENTS_FUNCTION(segments_keep_writers_off)
{
    Oid oid = PG_GETARG_OID(0);
    LockRelationOid(oid, ShareRowExclusiveLock);
    Relation relation = try_relation_open(oid, NoLock);
    if (relation == nullptr)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", oid)));
    CheckTableNotInUse(relation, "change the segment index of");
    relation_close(relation, NoLock);
    PG_RETURN_VOID();
}

// _goes_with_extension(trigger): as ALTER TRIGGER … DEPENDS ON EXTENSION, but without its lock, by which readers would wait.
SEGMENTS_FUNCTION(segments_goes_with_extension)
{
    ObjectAddress trigger = {TriggerRelationId, PG_GETARG_OID(0), 0}, extension = {ExtensionRelationId, get_extension_oid("segments", false), 0};
    recordDependencyOn(&trigger, &extension, DEPENDENCY_AUTO_EXTENSION);
    PG_RETURN_VOID();
}

// _renames_label(command): whether a command renames a label of an enum.
SEGMENTS_FUNCTION(segments_renames_label)
{
    auto *command = reinterpret_cast<CollectedCommand *>(PG_GETARG_POINTER(0));
    PG_RETURN_BOOL(command->type == SCT_Simple && IsA(command->parsetree, AlterEnumStmt) &&
                   castNode(AlterEnumStmt, command->parsetree)->oldVal != nullptr);
}

// _latest(command): runs a command under a snapshot of this moment, whatever the transaction's is.
SEGMENTS_FUNCTION(segments_latest)
{
    const char *command = text_to_cstring(PG_GETARG_TEXT_PP(0));
    SPI_connect();
    SPIPlanPtr plan = SPI_prepare(command, 0, nullptr);
    if (plan == nullptr)
        elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
    Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
    SPI_execute_snapshot(plan, nullptr, nullptr, snapshot, InvalidSnapshot, false, true, 0);
    UnregisterSnapshot(snapshot);
    SPI_finish();
    PG_RETURN_VOID();
}

} // extern "C"
