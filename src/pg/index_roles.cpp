// What the segment indexes keep of a table, looked up once in a backend. See index_write.hpp.
#include "index_write.hpp"

#include "boundary.hpp"

extern "C" {
#include "catalog/partition.h"
#include "catalog/pg_enum.h"
#include "utils/hsearch.h"
}

namespace segments {

struct RoleEntry {
    Oid relation;
    Role *role;
};
static HTAB *roles = nullptr;
static MemoryContext roles_context = nullptr;
static std::uint64_t roles_catalog = 0, roles_structures = 0;

AttrNumber own_column(Oid relation, Oid root, AttrNumber number)
{
    return relation == root || number <= 0 ? number : get_attnum(relation, get_attname(root, number, false));
}

// Which kinds of events are counted where.
static void find_kinds(Target &target, Relation relation)
{
    target.kinds = static_cast<KindOfEvent *>(palloc0(sizeof(KindOfEvent) * (target.field_count + 1)));
    if (target.source.event_kind == 0) {
        target.kinds[target.kind_count++] = {Datum(0), target.fields[0]->number};
        return;
    }
    Oid type = getBaseType(TupleDescAttr(RelationGetDescr(relation), target.source.event_kind - 1)->atttypid);
    target.kind_type.type = type;
    get_typlenbyval(type, &target.kind_type.type_length, &target.kind_type.by_value);
    for (int i = 0; i < target.field_count; i++) {
        const IndexField &field = *target.fields[i];
        if (field.kind != field_count)
            continue;
        Datum kind;
        if (get_typtype(type) == TYPTYPE_ENUM) {
            HeapTuple label = SearchSysCache2(ENUMTYPOIDNAME, ObjectIdGetDatum(type), CStringGetDatum(field.event));
            if (!HeapTupleIsValid(label)) {
                // The label is another now: whose events these were, nobody can say.
                mark_stale(target.index->audience, psprintf("event kind \"%s\" is gone", field.event));
                continue;
            }
            kind = ObjectIdGetDatum(reinterpret_cast<Form_pg_enum>(GETSTRUCT(label))->oid);
            ReleaseSysCache(label);
        } else {
            kind = CStringGetTextDatum(field.event);
        }
        target.kinds[target.kind_count++] = {kind, field.number};
    }
}

static void add_target(List *&targets, SegmentIndex *index, const IndexSource &source, Relation relation)
{
    auto *target = static_cast<Target *>(palloc0(sizeof(Target)));
    Oid oid = RelationGetRelid(relation);
    target->index = index;
    target->source = source;
    for (AttrNumber *number : {&target->source.member, &target->source.value, &target->source.at, &target->source.event_kind})
        *number = own_column(oid, source.relation, *number);
    target->fields = static_cast<const IndexField **>(palloc0(sizeof(IndexField *) * (index->fields.size() + 1)));
    target->columns = static_cast<AttrNumber *>(palloc0(sizeof(AttrNumber) * (index->fields.size() + 1)));
    for (const IndexField &field : index->fields) {
        if (field.source != source.number || field.kind == '\0')
            continue;
        target->fields[target->field_count] = &field;
        target->columns[target->field_count++] = own_column(oid, source.relation, field.attnum);
    }
    if (source.kind == source_membership) {
        // What is unique in a partition may be twice in the whole.
        Relation root = table_open(source.relation, AccessShareLock);
        target->unique = is_unique(root, {source.member, source.value});
        table_close(root, NoLock);
    }
    if (source.kind == source_events)
        find_kinds(*target, relation);
    targets = lappend(targets, target);
}

Role *role_of(Relation relation)
{
    Oid oid = RelationGetRelid(relation);
    watch_table(oid);
    if (roles == nullptr || roles_catalog != catalog_generation() || roles_structures != structures_seen()) {
        if (roles_context != nullptr)
            MemoryContextSetParent(roles_context, TopTransactionContext);
        roles = nullptr;
        roles_context = AllocSetContextCreate(CacheMemoryContext, "segments indexed tables", ALLOCSET_SMALL_SIZES);
        HASHCTL control = {};
        control.keysize = sizeof(Oid);
        control.entrysize = sizeof(RoleEntry);
        control.hcxt = roles_context;
        roles = hash_create("segments indexed tables", 32, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
        roles_catalog = catalog_generation();
        roles_structures = structures_seen();
    }
    auto *known = static_cast<RoleEntry *>(hash_search(roles, &oid, HASH_FIND, nullptr));
    if (known != nullptr)
        return known->role;
    MemoryContext context = roles_context, caller = MemoryContextSwitchTo(context);
    auto *role = static_cast<Role *>(palloc0(sizeof(Role)));
    role->relation = role->root = oid;
    List *roots = lcons_oid(oid, relation->rd_rel->relispartition ? get_partition_ancestors(oid) : NIL), *targets = NIL;
    ListCell *cell;
    foreach (cell, all_states()) {
        IndexState state = {};
        if (!read_state(lfirst_oid(cell), nullptr, state) || state.generation == 0)
            continue;
        SegmentIndex *index = index_layout(lfirst_oid(cell), state.id, nullptr);
        index->sparse = state.sparse;
        for (const IndexSource &source : index->sources) {
            if (!list_member_oid(roots, source.relation))
                continue;
            if (state.stale != nullptr) {
                role->stale = index->audience;
                continue;
            }
            role->root = source.relation;
            add_target(targets, index, source, relation);
        }
    }
    role->targets = static_cast<Target *>(palloc0(sizeof(Target) * (list_length(targets) + 1)));
    foreach (cell, targets)
        role->targets[role->count++] = *static_cast<Target *>(lfirst(cell));
    MemoryContextSwitchTo(caller);
    // Reading may have seen changes: what was read then is asked for again.
    if (roles == nullptr || roles_context != context || roles_catalog != catalog_generation() || roles_structures != structures_seen())
        return role;
    bool found;
    static_cast<RoleEntry *>(hash_search(roles, &oid, HASH_ENTER, &found))->role = role;
    return role;
}

} // namespace segments
