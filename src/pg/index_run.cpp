// Runs bitmap programs over all chunks, and decides whether to. See index_program.hpp.
#include "index_runner.hpp"

#include "asking_call.hpp"
#include "boundary.hpp"
#include "rule_type.hpp"
#include "select.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

extern "C" {
#include "optimizer/optimizer.h"
#include "utils/snapmgr.h"
}

namespace segments {

// Keys that SQL gave, for a step.
struct FoundKeys {
    Step *step;
    std::int64_t *keys;
    std::size_t count, capacity;
};

static void add_found(void *context, const SourceRow &row)
{
    auto *found = static_cast<FoundKeys *>(context);
    if (found->count == found->capacity)
        found->keys = static_cast<std::int64_t *>(repalloc_huge(found->keys, sizeof(std::int64_t) * (found->capacity *= 2)));
    found->keys[found->count++] = row.key;
}

static FoundKeys *find_keys(Step *step, const char *sql)
{
    auto *found = static_cast<FoundKeys *>(palloc(sizeof(FoundKeys)));
    *found = {step, static_cast<std::int64_t *>(palloc(sizeof(std::int64_t) * 1024)), 0, 1024};
    visit_source(sql, add_found, found);
    return found;
}

// Asks the leaves that the slices do not hold; a List of FoundKeys *.
static List *ask_tables(Step *step, List *asked)
{
    if (step->kind == StepKind::sql)
        return lappend(asked, find_keys(step, step->sql));
    for (std::size_t i = 0; i < step->count; i++)
        asked = ask_tables(step->children[i], asked);
    return asked;
}

// Reads values that others may have added to a dictionary: where the slices or the changes are newer than what is known.
static void refresh_dictionary(SegmentIndex *index, const Changes *changes, const IndexField &field)
{
    Dictionary *dictionary = dictionary_of(index, field);
    if (dictionary->seen_generation == index->state.generation && dictionary->seen_changes == changes->version)
        return;
    dictionary = dictionary_of(index, field, true);
    dictionary->seen_generation = index->state.generation;
    dictionary->seen_changes = changes->version;
}

SetGroup *sets_of(SegmentIndex *index, const IndexField &field, const Matched *matched, std::size_t *count)
{
    Dictionary *dictionary = dictionary_of(index, field);
    auto *groups = static_cast<SetGroup *>(palloc0(sizeof(SetGroup) * (dictionary->count + 2)));
    auto *group_of = static_cast<std::int32_t *>(palloc(sizeof(std::int32_t) * (dictionary->count + 1)));
    std::fill_n(group_of, dictionary->count, -1);
    *count = 0;
    for (std::uint32_t i = 0; i < dictionary->count; i++) {
        if (matched != nullptr && !contains(matched->values, dictionary->codes[i]))
            continue;
        int first = first_position(field, dictionary, i);
        if (group_of[first] < 0) {
            group_of[first] = static_cast<std::int32_t>((*count)++);
            groups[group_of[first]].sets = static_cast<SetDirectory **>(palloc(sizeof(SetDirectory *)));
        }
        SetGroup &group = groups[group_of[first]];
        if (group.count > 0)
            group.sets = static_cast<SetDirectory **>(repalloc(group.sets, sizeof(SetDirectory *) * (group.count + 1)));
        group.sets[group.count++] = load_set(index, field.number, dictionary->codes[i]);
    }
    if (matched == nullptr) {
        SetGroup &group = groups[(*count)++];
        group.sets = static_cast<SetDirectory **>(palloc(sizeof(SetDirectory *)));
        group.sets[group.count++] = load_set(index, field.number, null_code);
    }
    return groups;
}

// Keys as masks of the chunks.
static Mask **masks_of(SegmentIndex *index, const Changes *changes, const FoundKeys &found, const std::int32_t *chunks, std::size_t chunk_count)
{
    auto **masks = static_cast<Mask **>(palloc0(sizeof(Mask *) * (chunk_count + 1)));
    for (std::size_t i = 0; i < found.count; i++) {
        std::int32_t chunk;
        std::uint16_t position;
        if (!locate(index, const_cast<Changes *>(changes), found.keys[i], &chunk, &position))
            continue;
        auto at = static_cast<std::size_t>(std::lower_bound(chunks, chunks + chunk_count, chunk) - chunks);
        if (at == chunk_count || chunks[at] != chunk)
            continue;
        if (masks[at] == nullptr) {
            masks[at] = make_mask();
            std::memset(masks[at]->words, 0, slice_bytes);
        }
        assign_bit(masks[at]->words, position, true);
    }
    return masks;
}

// Works out what a step compares with, this time.
static void prepare(SegmentIndex *index, const Changes *changes, Step *step)
{
    switch (step->kind) {
    case StepKind::column: {
        const IndexField &field = *field_of(index, step->field);
        if (has_dictionary(field))
            refresh_dictionary(index, changes, field);
        step->matched = evaluate(index, step->predicate);
        step->column = load_column(index, step->field);
        break;
    }
    case StepKind::key:
        step->matched = evaluate(index, step->predicate);
        step->column = index->state.sparse ? load_column(index, field_key) : nullptr;
        break;
    case StepKind::set: {
        const IndexField &field = *field_of(index, step->field);
        refresh_dictionary(index, changes, field);
        Matched matched = {};
        if (step->predicate != nullptr)
            matched = evaluate(index, step->predicate);
        step->sets = sets_of(index, field, step->predicate ? &matched : nullptr, &step->set_count);
        break;
    }
    default:
        for (std::size_t i = 0; i < step->count; i++)
            prepare(index, changes, step->children[i]);
    }
}

// More members than this with events later than now are not asked for one by one.
constexpr std::size_t max_late = 20000;

// Events later than now have not happened yet, but the index has counted them: as when a transaction sees what was committed after it began. Their
// members are asked for by SQL. False where they are too many.
static bool find_late(Runner *runner, SegmentIndex *index, const Changes *changes, Step *step, const std::int32_t *chunks, std::size_t chunk_count)
{
    step->late = nullptr;
    bool null;
    std::int64_t now = DatumGetInt64(evaluate(step->now, &null)), latest = changes->latest[step->events];
    auto last = static_cast<std::uint16_t>(step->events + 2);
    ColumnDirectory *column = load_column(index, last);
    for (std::size_t i = 0; i < index->chunks.size(); i++)
        if (column->entries[i] != nullptr && column->entries[i]->valued > 0)
            latest = std::max(latest, column->entries[i]->maximum);
    if (null || latest <= now)
        return !null;

    Interval after = {now + 1, PG_INT64_MAX};
    Step probe = {};
    probe.kind = StepKind::column;
    probe.field = last;
    probe.column = column;
    probe.matched = {{1, &after}, false};
    FoundKeys late = {step, static_cast<std::int64_t *>(palloc(sizeof(std::int64_t) * (max_late + chunk_size))), 0, 0};
    Mask *mask = make_mask();
    for (std::size_t i = 0; i < chunk_count; i++) {
        runner->enter(chunks[i], base_of(index, chunks[i]), i);
        Extent extent = runner->run(&probe, mask, 0);
        if (extent == Extent::none)
            continue;
        if (extent == Extent::all || late.count + kernels().count(mask->words) > max_late)
            return false;
        for (std::size_t word = 0; word < slice_words; word++)
            for (Word left = mask->words[word]; left != 0; left &= left - 1)
                late.keys[late.count++] = key_at(index, changes, chunks[i], static_cast<std::uint16_t>(word * 64 + static_cast<std::size_t>(std::countr_zero(left))));
    }
    if (late.count == 0)
        return true;
    const FoundKeys *found = find_keys(step, psprintf("SELECT q.k FROM (%s) q (k) WHERE q.k = ANY (%s)", step->sql, array_sql(late.keys, late.count)));
    step->late = masks_of(index, changes, late, chunks, chunk_count);
    step->masks = masks_of(index, changes, *found, chunks, chunk_count);
    return true;
}

// The chunks that have, or by now may have, members.
static std::int32_t *all_chunks(const SegmentIndex *index, const Changes *changes, std::size_t *count)
{
    const FieldChanges *present = changes->by_field[field_present];
    std::size_t more = present ? present->capacity : 0;
    auto *chunks = static_cast<std::int32_t *>(palloc(sizeof(std::int32_t) * (index->chunks.size() + more + 1)));
    *count = index->chunks.size();
    std::copy_n(index->chunks.data(), *count, chunks);
    for (std::size_t i = 0; i < more; i++)
        if (present->slots[i].bucket != nullptr && !std::binary_search(index->chunks.begin(), index->chunks.end(), present->slots[i].chunk))
            chunks[(*count)++] = present->slots[i].chunk;
    std::sort(chunks, chunks + *count);
    return chunks;
}

bool run_program(Program *program, bool keep, Members &members, const char **why)
{
    SegmentIndex *index = program->index;
    members = {};
    // What runs SQL comes first: it may ask this index itself.
    List *asked = ask_tables(program->root, NIL);
    Changes *changes = current_changes(index, program->sources);
    if (changes == nullptr) {
        *why = "too many members have to be looked up";
        return false;
    }
    std::size_t count;
    std::int32_t *chunks = all_chunks(index, changes, &count);
    prepare(index, changes, program->root);
    ListCell *cell;
    foreach (cell, asked) {
        const auto *found = static_cast<FoundKeys *>(lfirst(cell));
        found->step->masks = masks_of(index, changes, *found, chunks, count);
    }
    members.index = index;
    members.changes = changes;
    members.chunks = chunks;
    members.count = count;
    if (keep)
        members.masks = static_cast<Mask **>(palloc0(sizeof(Mask *) * (count + 1)));

    Relation slices = table_open(index_table(IndexTable::slice), AccessShareLock);
    auto *runner = new (palloc(sizeof(Runner))) Runner(index, changes, slices);
    foreach (cell, program->events)
        if (!find_late(runner, index, changes, static_cast<Step *>(lfirst(cell)), chunks, count) || index->changes != changes) {
            table_close(slices, AccessShareLock);
            *why = "many members have events that are later than now";
            return false;
        }
    Mask *mask = make_mask();
    for (std::size_t i = 0; i < count; i++) {
        CHECK_FOR_INTERRUPTS();
        runner->enter(chunks[i], base_of(index, chunks[i]), i);
        Extent extent = runner->run(program->root, mask, 0);
        if (runner->keep_present(extent, mask) == Extent::none)
            continue;
        std::size_t found = kernels().count(mask->words);
        if (found == 0)
            continue;
        members.total += static_cast<std::int64_t>(found);
        if (keep) {
            members.masks[i] = mask;
            mask = make_mask();
        }
    }
    table_close(slices, AccessShareLock);
    program->last_total = members.total;
    program->last_generation = index->state.generation;
    program->last_slices = runner->slices();
    return true;
}

// What it costs to look at a slice, in the planner's units: to read 7,680 bytes from memory and work with them.
constexpr double slice_cost = 0.2;
// What an SQL statement costs before it has read a row: to be written, parsed and planned.
constexpr double statement_cost = 50;
// Below this it is not worth making a plan to know what else might do.
constexpr double cheap_enough = 200;
// After so many times the index is asked, and the next time planned anew: what was known may have become another thing.
constexpr int weighed_at_most = 100;

// Whether SQL is to answer a program's rule: where the tables are asked anyway, or a few rows of a b-tree are all that is to be read. A plan is not
// believed where the index has counted more members than it expects: one that is wrong may cost seconds, one that is right saves a few milliseconds.
static bool costs_less_by_sql(Program *program, const Audience *audience, Datum rule, bool suppress)
{
    if (use_index() == UseIndex::force)
        return false;
    if (program->sql_cost > 0 && program->sql_cost > 0.8 * program->path_cost)
        return true;
    double cost = program->sql_cost + slice_cost * static_cast<double>(program->last_slices);
    if (cost < cheap_enough || program->weighed == weighed_at_most) {
        program->weighed = 0;
        return false;
    }
    if (program->weighed++ == 0) {
        const Plan *plan = plan_select(select_sql(audience, rule_of(rule), "1", suppress), 0)->planTree;
        program->path_cost = plan->total_cost;
        program->path_rows = plan->plan_rows;
    }
    double unexpected = std::max(0.0, static_cast<double>(program->last_total) - program->path_rows);
    return program->path_cost + random_page_cost * unexpected + statement_cost < cost / 2;
}

// The program by which the index would answer; null, with the reason, where SQL is to.
static Program *usable_program(const Audience *audience, Datum rule, bool suppress, const char **why)
{
    *why = nullptr;
    if (use_index() == UseIndex::off) {
        *why = "segments.use_index is off";
        return nullptr;
    }
    // First: whoever may not read the audience learns nothing, and locks nothing.
    if (!may_read(audience->relation)) {
        *why = "row security or missing rights on the audience";
        return nullptr;
    }
    SegmentIndex *index = usable_index(audience, why);
    if (index == nullptr)
        return nullptr;
    if (sees_twice(audience)) {
        *why = "this transaction sees two rows of a member, one of which is removed";
        return nullptr;
    }
    Program *program = program_of(index, audience, rule, suppress);
    for (const IndexSource &source : index->sources)
        if (source.number < 64 && (program->sources >> source.number & 1) != 0 && !may_read(source.relation)) {
            *why = "row security or missing rights on a table that the rule asks";
            return nullptr;
        }
    if (costs_less_by_sql(program, audience, rule, suppress)) {
        *why = "the rule as a whole costs less by SQL";
        return nullptr;
    }
    return program;
}

bool index_answers(const Audience *audience, Datum rule, bool suppress, const char **why)
{
    return usable_program(audience, rule, suppress, why) != nullptr;
}

double index_rows(const Call &call)
{
    const char *why;
    if (!ActiveSnapshotSet())
        return -1;
    Program *program = usable_program(call.audience, call.rule_datum, call.suppress, &why);
    if (program == nullptr)
        return -1;
    // It can simply count; of the same slices it has mostly done so.
    Members members;
    if (program->last_generation != program->index->state.generation &&
        (!run_program(program, false, members, &why) || costs_less_by_sql(program, call.audience, call.rule_datum, call.suppress)))
        return -1;
    return static_cast<double>(program->last_total);
}

bool ask_index(const Audience *audience, Datum rule, bool suppress, bool keep, Answer &answer, const char **why)
{
    answer.program = usable_program(audience, rule, suppress, why);
    return answer.program != nullptr && run_program(answer.program, keep, answer.members, why);
}

bool next_key(KeyCursor &cursor, std::int64_t *key)
{
    const Members &members = *cursor.members;
    while (cursor.at == cursor.filled) {
        CHECK_FOR_INTERRUPTS();
        while (cursor.chunk < members.count && members.masks[cursor.chunk] == nullptr)
            cursor.chunk++;
        if (cursor.chunk == members.count)
            return false;
        std::int32_t chunk = members.chunks[cursor.chunk];
        bool sparse = members.index->state.sparse;
        cursor.at = 0;
        cursor.filled = kernels().emit(members.masks[cursor.chunk]->words, cursor.position, sparse ? 0 : first_key(chunk), cursor.buffer,
                                       std::size(cursor.buffer), &cursor.position);
        if (sparse)
            for (std::size_t i = 0; i < cursor.filled; i++)
                cursor.buffer[i] = key_at(members.index, members.changes, chunk, static_cast<std::uint16_t>(cursor.buffer[i]));
        if (cursor.position == chunk_size) {
            cursor.position = 0;
            cursor.chunk++;
        }
    }
    *key = cursor.buffer[cursor.at++];
    return true;
}

} // namespace segments
