// How the values of a field are spread over a rule's members, by the index. See index_facet.hpp.
#include "index_facet.hpp"

#include "boundary.hpp"
#include "index_runner.hpp"

#include <algorithm>

extern "C" {
#include "catalog/pg_collation.h"
#include "utils/hsearch.h"
}

namespace segments {

// A field of more different values among the members is asked by SQL.
constexpr long max_facets = 100000;

// Members of a value, by its number or code.
struct Counted {
    std::int64_t image;
    std::int64_t members;
};

struct Facets {
    HTAB *counts;
    std::int64_t *dense; // members of the values from `lowest` on, where the slices have so few; of others the table tells
    std::int64_t lowest;
    std::uint64_t dense_size;
    std::int64_t nulls;
    std::int64_t minimum; // of the chunk at hand
    bool too_many;
};

constexpr std::uint64_t max_dense = 32768;

// A place for each value where a column's are close together.
static void make_dense(Facets &facets, const SegmentIndex *index, const ColumnDirectory *column)
{
    std::int64_t lowest = PG_INT64_MAX, highest = PG_INT64_MIN;
    for (std::size_t i = 0; i < index->chunks.size(); i++)
        if (const ColumnEntry *entry = column->entries[i]; entry != nullptr && entry->valued != 0) {
            lowest = std::min(lowest, entry->minimum);
            highest = std::max(highest, entry->maximum);
        }
    std::uint64_t span = static_cast<std::uint64_t>(highest) - static_cast<std::uint64_t>(lowest);
    if (lowest > highest || span >= max_dense)
        return;
    facets.dense_size = span + 1;
    facets.lowest = lowest;
    facets.dense = static_cast<std::int64_t *>(palloc0(sizeof(std::int64_t) * facets.dense_size));
}

static void add(Facets &facets, std::int64_t image, std::int64_t members)
{
    std::uint64_t place = static_cast<std::uint64_t>(image) - static_cast<std::uint64_t>(facets.lowest);
    if (place < facets.dense_size) {
        facets.dense[place] += members;
        return;
    }
    bool found;
    auto *counted = static_cast<Counted *>(hash_search(facets.counts, &image, HASH_ENTER, &found));
    counted->members = (found ? counted->members : 0) + members;
    facets.too_many = facets.too_many || hash_get_num_entries(facets.counts) > max_facets;
}

// Brings all values together in the table.
static void end_dense(Facets &facets)
{
    std::uint64_t size = facets.dense_size;
    facets.dense_size = 0;
    for (std::uint64_t place = 0; place < size && !facets.too_many; place++)
        if (facets.dense[place] != 0)
            add(facets, static_cast<std::int64_t>(static_cast<std::uint64_t>(facets.lowest) + place), facets.dense[place]);
}

static bool add_value(void *context, std::uint64_t value, std::size_t members)
{
    auto &facets = *static_cast<Facets *>(context);
    add(facets, static_cast<std::int64_t>(value + static_cast<std::uint64_t>(facets.minimum)), static_cast<std::int64_t>(members));
    return !facets.too_many;
}

// Whether values that are equal always have one number.
static bool is_countable(const IndexField &field)
{
    if (!has_dictionary(field))
        return true;
    switch (field.type) {
    case TEXTOID:
    case VARCHAROID:
        return !OidIsValid(field.collation) || get_collation_isdeterministic(field.collation);
    case INT2OID:
    case INT4OID:
    case INT8OID:
    case UUIDOID:
        return true;
    default:
        return get_typtype(field.type) == TYPTYPE_ENUM;
    }
}

// The index's field for one of the audience's, or null.
static const IndexField *facet_field(const SegmentIndex *index, const Field *asked)
{
    for (const IndexField &field : index->fields) {
        if (field.kind == '\0' || is_event(field) || !is_countable(field))
            continue;
        const IndexSource &source = index->sources[field.source];
        if (asked->source == FieldSource::column && source.kind == source_audience && field.attnum == asked->attnum)
            return &field;
        if (asked->source == FieldSource::membership && field.kind == field_membership && source.relation == asked->membership->table &&
            source.member == get_attnum(source.relation, asked->membership->member) && source.value == get_attnum(source.relation, asked->membership->value))
            return &field;
    }
    return nullptr;
}

// One chunk of a column. mask: the rule's members in it.
static void count_column(Facets &facets, Runner &runner, const IndexField &field, const ColumnDirectory *column, std::ptrdiff_t base, const Mask *mask, Mask *rest)
{
    Column at = column_at(column, field.number, base);
    const ColumnEntry *entry = at.entry;
    std::memcpy(rest->words, mask->words, slice_bytes);
    const Effective *changed;
    if (runner.effective(field, at, &changed, true) > 0) {
        const std::int64_t *value = changed->values;
        for (std::size_t word = 0; word < slice_words; word++)
            for (Word left = changed->valued->words[word]; left != 0; left &= left - 1, value++)
                if ((mask->words[word] & left & (0 - left)) != 0)
                    add(facets, *value, 1);
        kernels().subtract(rest->words, changed->valued->words);
        if (changed->nulls != nullptr) {
            facets.nulls += static_cast<std::int64_t>(kernels().count_both(rest->words, changed->nulls->words));
            kernels().subtract(rest->words, changed->nulls->words);
        }
    }
    auto members = static_cast<std::int64_t>(kernels().count(rest->words));
    if (entry == nullptr || entry->valued == 0) {
        facets.nulls += members;
        return;
    }
    if (entry->has != slice_all) {
        kernels().intersect(rest->words, runner.has_slice(at));
        facets.nulls += members - static_cast<std::int64_t>(kernels().count(rest->words));
    }
    const Word *slices[64];
    for (int i = 0; i < entry->bits; i++)
        slices[i] = runner.slice(at, i);
    facets.minimum = entry->minimum;
    kernels().facet(rest->words, slices, entry->bits, add_value, &facets);
    runner.release();
}

// Text of each value; equal ones, which two codes may have, together.
struct FacetRow {
    const char *value; // null: none
    std::int64_t members;
};

static bool by_value(const FacetRow &a, const FacetRow &b)
{
    return std::strcmp(a.value, b.value) < 0;
}

static bool by_members(const FacetRow &a, const FacetRow &b)
{
    if (a.members != b.members)
        return a.members > b.members;
    if (a.value == nullptr || b.value == nullptr)
        return a.value != nullptr;
    return by_value(a, b);
}

static void put_rows(SegmentIndex *index, const IndexField &field, Facets &facets, Tuplestorestate *store, TupleDesc desc)
{
    auto *rows = static_cast<FacetRow *>(MemoryContextAllocHuge(CurrentMemoryContext, sizeof(FacetRow) * static_cast<std::size_t>(hash_get_num_entries(facets.counts) + 1)));
    std::size_t count = 0;
    Oid output;
    bool is_varlena;
    getTypeOutputInfo(field.type, &output, &is_varlena);
    FmgrInfo function;
    fmgr_info(output, &function);
    HASH_SEQ_STATUS scan;
    hash_seq_init(&scan, facets.counts);
    while (auto *counted = static_cast<Counted *>(hash_seq_search(&scan))) {
        Datum value = value_of_image(index, field, counted->image);
        // As a cast to text has it.
        const char *written = field.kind == field_boolean ? (DatumGetBool(value) ? "true" : "false") : OutputFunctionCall(&function, value);
        rows[count++] = {written, counted->members};
    }
    std::sort(rows, rows + count, by_value);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count; i++) {
        if (kept > 0 && std::strcmp(rows[kept - 1].value, rows[i].value) == 0)
            rows[kept - 1].members += rows[i].members;
        else
            rows[kept++] = rows[i];
    }
    if (facets.nulls > 0)
        rows[kept++] = {nullptr, facets.nulls};
    std::sort(rows, rows + kept, by_members);
    for (std::size_t i = 0; i < kept; i++) {
        Datum values[] = {rows[i].value ? CStringGetTextDatum(rows[i].value) : Datum(0), Int64GetDatum(rows[i].members)};
        bool nulls[] = {rows[i].value == nullptr, false};
        tuplestore_putvalues(store, desc, values, nulls);
    }
}

bool facet_by_index(const Audience *audience, Datum rule, std::string_view name, bool suppress, Tuplestorestate *store, TupleDesc desc)
{
    const char *why;
    const Field *asked = find_field(audience, name);
    if (asked == nullptr || use_index() == UseIndex::off)
        return false;
    SegmentIndex *index = may_read(audience->relation) ? usable_index(audience, &why) : nullptr;
    const IndexField *field = index ? facet_field(index, asked) : nullptr;
    if (field == nullptr || !may_read(index->sources[field->source].relation))
        return false;
    Answer answer;
    if (field->source >= 64 || !ask_index(audience, rule, suppress, true, answer, &why) || answer.program->index != index)
        return false;
    // The field's own source may have members who must be looked up.
    Changes *changes = current_changes(index, answer.program->sources | std::uint64_t(1) << field->source);
    if (changes == nullptr || changes != answer.members.changes)
        return false;
    if (has_dictionary(*field))
        dictionary_of(index, *field, true);

    HASHCTL control = {};
    control.keysize = sizeof(std::int64_t);
    control.entrysize = sizeof(Counted);
    control.hcxt = CurrentMemoryContext;
    Facets facets = {};
    facets.counts = hash_create("segments facet", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
    ColumnDirectory *column = is_set(*field) ? nullptr : load_column(index, field->number);
    if (column != nullptr)
        make_dense(facets, index, column);
    Relation slices = table_open(index_table(IndexTable::slice), AccessShareLock);
    auto *runner = new (palloc(sizeof(Runner))) Runner(index, changes, slices);
    Mask *work = make_mask();
    const Members &members = answer.members;
    Matched everything = {};
    Interval all = {PG_INT64_MIN, PG_INT64_MAX};
    everything.values = {1, &all};
    std::size_t group_count = 0;
    SetGroup *groups = is_set(*field) ? sets_of(index, *field, &everything, &group_count) : nullptr;
    for (std::size_t i = 0; i < members.count && !facets.too_many; i++) {
        CHECK_FOR_INTERRUPTS();
        if (members.masks[i] == nullptr)
            continue;
        std::ptrdiff_t base = base_of(index, members.chunks[i]);
        runner->enter(members.chunks[i], base, i);
        if (column != nullptr) {
            count_column(facets, *runner, *field, column, base, members.masks[i], work);
            continue;
        }
        Bucket *looked_up = runner->looked_up(*field);
        for (std::size_t group = 0; group < group_count; group++) {
            Extent extent = runner->members_of(*field, groups[group], looked_up, work);
            if (extent == Extent::none)
                continue;
            std::size_t both = extent == Extent::all ? kernels().count(members.masks[i]->words) : kernels().count_both(work->words, members.masks[i]->words);
            if (both > 0)
                add(facets, groups[group].sets[0]->code, static_cast<std::int64_t>(both));
        }
    }
    table_close(slices, AccessShareLock);
    end_dense(facets);
    if (!facets.too_many)
        put_rows(index, *field, facets, store, desc);
    return !facets.too_many;
}

} // namespace segments
