// Values as the numbers that columns keep, and the dictionaries behind some of them. See index.hpp.
#include "index.hpp"

#include "boundary.hpp"

#include <bit>
#include <cstring>

extern "C" {
#include "access/xact.h"
#include "catalog/indexing.h"
#include "commands/sequence.h"
#include "common/hashfn.h"
#include "utils/date.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}

namespace segments {

// Dictionaries -----------------------------------------------------------------------------------------------------------------------

static std::uint64_t last_version = 0;
static std::uint64_t abort_epoch = 1;
static bool added_codes = false; // in this transaction

static void transaction_ended(XactEvent event, void *)
{
    // What is prepared may be rolled back by anybody.
    if ((event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE) && added_codes)
        abort_epoch++;
    if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
        added_codes = false;
}

static void subtransaction_ended(SubXactEvent event, SubTransactionId, SubTransactionId, void *)
{
    if (event == SUBXACT_EVENT_ABORT_SUB && added_codes)
        abort_epoch++;
}

void watch_dictionaries()
{
    RegisterXactCallback(transaction_ended, nullptr);
    RegisterSubXactCallback(subtransaction_ended, nullptr);
}

// The bytes by which a value is looked up.
static std::span<const unsigned char> bytes_of(const IndexField &field, const Datum &value)
{
    if (field.by_value)
        return {reinterpret_cast<const unsigned char *>(&value), sizeof(Datum)};
    const char *pointer = DatumGetPointer(value);
    if (field.type_length == -1)
        return {reinterpret_cast<const unsigned char *>(VARDATA_ANY(pointer)), VARSIZE_ANY_EXHDR(pointer)};
    if (field.type_length == -2)
        return {reinterpret_cast<const unsigned char *>(pointer), std::strlen(pointer)};
    if (field.type == NAMEOID)
        return {reinterpret_cast<const unsigned char *>(pointer), std::strlen(pointer)};
    return {reinterpret_cast<const unsigned char *>(pointer), static_cast<std::size_t>(field.type_length)};
}

static std::uint32_t hash_of(std::span<const unsigned char> bytes)
{
    return hash_bytes(bytes.data(), static_cast<int>(bytes.size()));
}

// Position of a value, or -1.
static int position_of(const IndexField &field, const Dictionary *dictionary, Datum value)
{
    if (dictionary->table_size == 0)
        return -1;
    auto wanted = bytes_of(field, value);
    for (std::uint32_t at = hash_of(wanted);; at++) {
        std::uint32_t slot = dictionary->table[at & (dictionary->table_size - 1)];
        if (slot == 0)
            return -1;
        auto known = bytes_of(field, dictionary->values[slot - 1]);
        if (known.size() == wanted.size() && std::memcmp(known.data(), wanted.data(), known.size()) == 0)
            return static_cast<int>(slot - 1);
    }
}

int position_of_code(const Dictionary *dictionary, std::int32_t code)
{
    if (dictionary->table_size == 0)
        return -1;
    for (std::uint32_t at = hash_bytes_uint32(static_cast<std::uint32_t>(code));; at++) {
        std::uint32_t slot = dictionary->code_table[at & (dictionary->table_size - 1)];
        if (slot == 0)
            return -1;
        if (dictionary->codes[slot - 1] == code)
            return static_cast<int>(slot - 1);
    }
}

static void enter(const IndexField &field, Dictionary *dictionary, std::uint32_t position)
{
    auto put = [&](std::uint32_t *table, std::uint32_t at) {
        while (table[at & (dictionary->table_size - 1)] != 0)
            at++;
        table[at & (dictionary->table_size - 1)] = position + 1;
    };
    put(dictionary->code_table, hash_bytes_uint32(static_cast<std::uint32_t>(dictionary->codes[position])));
    if (position_of(field, dictionary, dictionary->values[position]) < 0)
        put(dictionary->table, hash_of(bytes_of(field, dictionary->values[position])));
}

// Adds a pair to the memory of a dictionary.
static void append(const IndexField &field, Dictionary *dictionary, std::int32_t code, Datum value)
{
    MemoryContext caller = MemoryContextSwitchTo(dictionary->context);
    if (dictionary->count == dictionary->capacity) {
        std::uint32_t capacity = dictionary->capacity ? dictionary->capacity * 2 : 32;
        auto grow = [&](auto *&array) {
            using T = std::remove_reference_t<decltype(*array)>;
            array = static_cast<T *>(array ? repalloc(array, sizeof(T) * capacity) : palloc(sizeof(T) * capacity));
        };
        grow(dictionary->codes);
        grow(dictionary->values);
        auto *table = static_cast<std::uint32_t *>(palloc0(sizeof(std::uint32_t) * capacity * 4));
        auto *code_table = static_cast<std::uint32_t *>(palloc0(sizeof(std::uint32_t) * capacity * 4));
        // All or nothing: memory may have been short before here.
        dictionary->capacity = capacity;
        dictionary->table_size = capacity * 4;
        dictionary->table = table;
        dictionary->code_table = code_table;
        for (std::uint32_t i = 0; i < dictionary->count; i++)
            enter(field, dictionary, i);
    }
    dictionary->values[dictionary->count] = datumCopy(value, field.by_value, field.type_length);
    dictionary->codes[dictionary->count] = code;
    enter(field, dictionary, dictionary->count++);
    dictionary->version = ++last_version;
    MemoryContextSwitchTo(caller);
}

// Enums by the OIDs of their labels, which may be renamed; all else as text.
static Datum value_from_text(const IndexField &field, const char *text)
{
    if (get_typtype(field.type) == TYPTYPE_ENUM)
        return ObjectIdGetDatum(static_cast<Oid>(strtoul(text, nullptr, 10)));
    Oid input, parameter;
    getTypeInputInfo(field.type, &input, &parameter);
    return OidInputFunctionCall(input, const_cast<char *>(text), parameter, -1);
}

static const char *text_from_value(const IndexField &field, Datum value)
{
    if (get_typtype(field.type) == TYPTYPE_ENUM)
        return psprintf("%u", DatumGetObjectId(value));
    Oid output;
    bool is_varlena;
    getTypeOutputInfo(field.type, &output, &is_varlena);
    return OidOutputFunctionCall(output, value);
}

// Reads the pairs that are not known yet, as a snapshot sees them.
static void read_dictionary(SegmentIndex *index, const IndexField &field, Dictionary *dictionary, Snapshot snapshot)
{
    Relation relation = table_open(index_table(IndexTable::dictionary), AccessShareLock);
    ScanKeyData keys[2];
    ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(index->id));
    ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(static_cast<std::int16_t>(field.number)));
    snapshot = RegisterSnapshot(snapshot);
    SysScanDesc scan = systable_beginscan(relation, index_table_key(IndexTable::dictionary), true, snapshot, 2, keys);
    for (HeapTuple tuple = systable_getnext(scan); HeapTupleIsValid(tuple); tuple = systable_getnext(scan)) {
        bool null;
        std::int32_t code = DatumGetInt32(heap_getattr(tuple, 3, RelationGetDescr(relation), &null));
        if (position_of_code(dictionary, code) >= 0)
            continue;
        const char *written = TextDatumGetCString(heap_getattr(tuple, 4, RelationGetDescr(relation), &null));
        append(field, dictionary, code, value_from_text(field, written));
    }
    systable_endscan(scan);
    UnregisterSnapshot(snapshot);
    table_close(relation, AccessShareLock);
}

// The latest of them, for who writes; and those of an older snapshot, whose index may have been built anew since.
static void read_dictionary(SegmentIndex *index, const IndexField &field, Dictionary *dictionary)
{
    read_dictionary(index, field, dictionary, GetLatestSnapshot());
    if (ActiveSnapshotSet())
        read_dictionary(index, field, dictionary, GetActiveSnapshot());
}

int first_position(const IndexField &field, const Dictionary *dictionary, std::uint32_t position)
{
    return position_of(field, dictionary, dictionary->values[position]);
}

Dictionary *dictionary_of(SegmentIndex *index, const IndexField &field, bool reload)
{
    if (field.dictionary != nullptr && field.dictionary->epoch == abort_epoch && !reload)
        return field.dictionary;
    if (field.dictionary == nullptr || field.dictionary->epoch != abort_epoch) {
        if (field.dictionary != nullptr)
            MemoryContextSetParent(field.dictionary->context, TopTransactionContext);
        MemoryContext context = AllocSetContextCreate(index->context, "segments dictionary", ALLOCSET_SMALL_SIZES);
        auto *made = static_cast<Dictionary *>(MemoryContextAllocZero(context, sizeof(Dictionary)));
        made->context = context;
        made->epoch = abort_epoch;
        made->version = ++last_version;
        field.dictionary = nullptr;
        read_dictionary(index, field, made);
        return field.dictionary = made;
    }
    read_dictionary(index, field, field.dictionary);
    return field.dictionary;
}

// The code of a value, looked for again where others may have added it meanwhile; -1: there is none.
static std::int32_t known_code(SegmentIndex *index, const IndexField &field, Datum value, bool again)
{
    Dictionary *dictionary = dictionary_of(index, field);
    int position = position_of(field, dictionary, value);
    if (position < 0 && again) {
        dictionary = dictionary_of(index, field, true);
        position = position_of(field, dictionary, value);
    }
    return position < 0 ? -1 : dictionary->codes[position];
}

static Datum unpacked(const IndexField &field, Datum value)
{
    return field.type_length == -1 ? PointerGetDatum(PG_DETOAST_DATUM_PACKED(value)) : value;
}

std::int32_t find_code(SegmentIndex *index, const IndexField &field, Datum value)
{
    return known_code(index, field, unpacked(field, value), true);
}

std::int32_t code_of(SegmentIndex *index, const IndexField &field, Datum value, bool building)
{
    value = unpacked(field, value);
    if (std::int32_t known = known_code(index, field, value, !building); known >= 0)
        return known;
    Dictionary *dictionary = field.dictionary;
    std::int32_t code = building ? static_cast<std::int32_t>(dictionary->count)
                                 : static_cast<std::int32_t>(nextval_internal(index_sequence("dictionary_code"), false));
    Relation relation = table_open(index_table(IndexTable::dictionary), RowExclusiveLock);
    Datum values[] = {Int32GetDatum(index->id), Int16GetDatum(static_cast<std::int16_t>(field.number)), Int32GetDatum(code),
                      CStringGetTextDatum(text_from_value(field, value))};
    bool nulls[4] = {};
    HeapTuple tuple = heap_form_tuple(RelationGetDescr(relation), values, nulls);
    added_codes = true;
    ResultRelInfo *indexes = open_indexes(relation);
    CatalogTupleInsertWithInfo(relation, tuple, indexes);
    CatalogCloseIndexes(indexes);
    heap_freetuple(tuple);
    table_close(relation, RowExclusiveLock);
    append(field, dictionary, code, value);
    return code;
}

// Numbers ----------------------------------------------------------------------------------------------------------------------------

// Doubles in PostgreSQL's order: -0 is 0, NaN is above all.
static std::int64_t image_of_float(double value)
{
    if (std::isnan(value))
        return PG_INT64_MAX;
    if (value == 0)
        value = 0;
    auto bits = std::bit_cast<std::int64_t>(value);
    return bits < 0 ? bits ^ PG_INT64_MAX : bits;
}

static double float_of_image(std::int64_t image)
{
    if (image == PG_INT64_MAX)
        return std::numeric_limits<double>::quiet_NaN();
    return std::bit_cast<double>(image < 0 ? image ^ PG_INT64_MAX : image);
}

static Datum power_of_ten(int scale)
{
    std::int64_t power = 1;
    for (int i = 0; i < scale; i++)
        power *= 10;
    return NumericGetDatum(int64_to_numeric(power));
}

// A numeric times 10^scale, rounded down. highest: the number of what is above all others but NaN.
static Fit scaled(Datum value, int scale, std::int64_t highest, std::int64_t *image)
{
    *image = PG_INT64_MAX;
    if (numeric_is_nan(DatumGetNumeric(value)))
        return Fit::exact;
    Datum product = numeric_is_inf(DatumGetNumeric(value)) ? value : DirectFunctionCall2(numeric_mul, value, power_of_ten(scale));
    if (DatumGetBool(DirectFunctionCall2(numeric_gt, product, NumericGetDatum(int64_to_numeric(highest))))) {
        *image = highest;
        return Fit::above;
    }
    if (DatumGetBool(DirectFunctionCall2(numeric_lt, product, NumericGetDatum(int64_to_numeric(PG_INT64_MIN)))))
        return Fit::below_all;
    Datum whole = DirectFunctionCall1(numeric_floor, product);
    *image = DatumGetInt64(DirectFunctionCall1(numeric_int8, whole));
    return DatumGetBool(DirectFunctionCall2(numeric_eq, whole, product)) ? Fit::exact : Fit::above;
}

std::int64_t image_of(SegmentIndex *index, const IndexField &field, Datum value, bool building)
{
    switch (field.kind) {
    case field_integer:
        return field.type == INT2OID ? DatumGetInt16(value) : field.type == INT4OID ? DatumGetInt32(value) : DatumGetInt64(value);
    case field_date:
        return DatumGetDateADT(value);
    case field_timestamp:
    case field_instant:
        return DatumGetTimestamp(value);
    case field_float:
        return image_of_float(field.type == FLOAT4OID ? static_cast<double>(DatumGetFloat4(value)) : DatumGetFloat8(value));
    case field_boolean:
        return DatumGetBool(value);
    case field_numeric: {
        std::int64_t image;
        scaled(value, field.scale, PG_INT64_MAX - 1, &image);
        return image;
    }
    case field_dictionary:
        return code_of(index, field, value, building);
    default:
        elog(ERROR, "field \"%s\" has no numbers", field.name);
    }
}

Datum value_of_image(SegmentIndex *index, const IndexField &field, std::int64_t image)
{
    switch (field.kind) {
    case field_integer:
        return field.type == INT2OID   ? Int16GetDatum(static_cast<std::int16_t>(image))
               : field.type == INT4OID ? Int32GetDatum(static_cast<std::int32_t>(image))
                                       : Int64GetDatum(image);
    case field_count:
        return Int64GetDatum(image);
    case field_date:
        return DateADTGetDatum(static_cast<DateADT>(image));
    case field_timestamp:
    case field_instant:
    case field_first:
    case field_last:
        return TimestampGetDatum(image);
    case field_float:
        return field.type == FLOAT4OID ? Float4GetDatum(static_cast<float>(float_of_image(image))) : Float8GetDatum(float_of_image(image));
    case field_boolean:
        return BoolGetDatum(image != 0);
    case field_numeric:
        if (image == PG_INT64_MAX)
            return DirectFunctionCall3(numeric_in, CStringGetDatum("NaN"), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
        return DirectFunctionCall3(numeric_in,
                                   CStringGetDatum(psprintf(INT64_FORMAT "e-%d", image, field.scale)), ObjectIdGetDatum(InvalidOid), Int32GetDatum(field.typmod));
    default: {
        Dictionary *dictionary = dictionary_of(index, field);
        int position = position_of_code(dictionary, static_cast<std::int32_t>(image));
        if (position < 0)
            position = position_of_code(dictionary = dictionary_of(index, field, true), static_cast<std::int32_t>(image));
        if (position < 0)
            ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED), errmsg("segment index: a value of field \"%s\" is not in its dictionary", field.name),
                            errhint("Use segments.rebuild_index().")));
        return dictionary->values[position];
    }
    }
}

bool compares_with(const IndexField &field, Oid type)
{
    switch (field.kind) {
    case field_integer:
    case field_count:
    case field_numeric:
        return type == INT2OID || type == INT4OID || type == INT8OID || type == NUMERICOID;
    case field_date:
        return type == DATEOID;
    case field_timestamp:
        return type == DATEOID || type == TIMESTAMPOID;
    case field_instant:
    case field_first:
    case field_last:
        return type == DATEOID || type == TIMESTAMPOID || type == TIMESTAMPTZOID;
    case field_float:
        return type == FLOAT4OID || type == FLOAT8OID;
    case field_boolean:
        return type == BOOLOID;
    default:
        return false;
    }
}

Fit image_of_constant(const IndexField &field, Oid type, Datum value, std::int64_t *image)
{
    auto integer = [&] { return type == INT2OID ? DatumGetInt16(value) : type == INT4OID ? DatumGetInt32(value) : DatumGetInt64(value); };
    switch (field.kind) {
    case field_integer:
    case field_count:
        // To an integer NaN is just above all.
        if (type == NUMERICOID)
            return numeric_is_nan(DatumGetNumeric(value)) ? scaled(NumericGetDatum(int64_to_numeric(PG_INT64_MAX)), 1, PG_INT64_MAX, image)
                                                          : scaled(value, 0, PG_INT64_MAX, image);
        *image = integer();
        return Fit::exact;
    case field_date:
        *image = DatumGetDateADT(value);
        return Fit::exact;
    case field_timestamp:
        *image = DatumGetTimestamp(type == DATEOID ? DirectFunctionCall1(date_timestamp, value) : value);
        return Fit::exact;
    case field_instant:
    case field_first:
    case field_last:
        if (type == DATEOID)
            value = DirectFunctionCall1(date_timestamptz, value);
        else if (type == TIMESTAMPOID)
            value = DirectFunctionCall1(timestamp_timestamptz, value);
        *image = DatumGetTimestampTz(value);
        return Fit::exact;
    case field_float:
        *image = image_of_float(type == FLOAT4OID ? static_cast<double>(DatumGetFloat4(value)) : DatumGetFloat8(value));
        return Fit::exact;
    case field_boolean:
        *image = DatumGetBool(value);
        return Fit::exact;
    case field_numeric:
        return scaled(type == NUMERICOID ? value : NumericGetDatum(int64_to_numeric(integer())), field.scale, PG_INT64_MAX - 1, image);
    default:
        elog(ERROR, "field \"%s\" has no numbers", field.name);
    }
}

} // namespace segments
