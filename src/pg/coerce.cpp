// Values of a rule as SQL literals of a field's type. See coerce.hpp.
#include "coerce.hpp"

#include "boundary.hpp"
#include "input.hpp"

#include <cstdarg>

extern "C" {
#include "catalog/pg_enum.h"
#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"
#include "pgtime.h"
#include "utils/catcache.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"
}

namespace segments {

void complain(Coercion &to, int sqlstate, std::string_view path, const char *hint, const char *format, ...)
{
    StringInfoData message;
    initStringInfo(&message);
    for (;;) {
        va_list args;
        va_start(args, format);
        int needed = appendStringInfoVA(&message, format, args);
        va_end(args);
        if (needed == 0)
            break;
        enlargeStringInfo(&message, needed);
    }
    if (to.findings == nullptr)
        refuse(sqlstate, path, message.data, hint);
    auto *finding = static_cast<Finding *>(palloc(sizeof(Finding)));
    *finding = {copy(path), message.data, hint};
    *to.findings = lappend(*to.findings, finding);
    to.found++;
}

// A plain literal.
static bool set_literal(BoundValue &result, const char *text, Oid type)
{
    bool bare = type == INT4OID && text[0] != '-';
    result = {bare ? text : literal_sql(text, type), nullptr, text, type};
    return true;
}

// How a value is named in messages.
static const char *shown(const Value &value)
{
    switch (value.kind) {
    case ValueKind::boolean:
        return value.boolean ? "true" : "false";
    case ValueKind::relative:
        return "a relative date";
    case ValueKind::number:
        return copy(value.text);
    case ValueKind::string:
        break;
    }
    constexpr std::size_t longest = 100;
    std::string_view text = value.text;
    if (text.size() <= longest)
        return psprintf("\"%s\"", copy(text));
    int clipped = pg_mbcliplen(text.data(), static_cast<int>(text.size()), longest);
    return psprintf("\"%s…\"", copy(text.substr(0, clipped)));
}

static bool wrong_type(Coercion &to, const Value &value, const char *wanted, const char *hint)
{
    complain(to, ERRCODE_INVALID_TEXT_REPRESENTATION, value.path, hint, "invalid value for a field of type %s: %s", wanted, shown(value));
    return false;
}

// Whether plain digits lie in an integer type's range.
static bool fits(std::string_view digits, Oid type)
{
    bool negative = digits.front() == '-';
    if (negative)
        digits.remove_prefix(1);
    std::string_view most = type == INT2OID ? (negative ? "32768" : "32767")
                          : type == INT4OID ? (negative ? "2147483648" : "2147483647")
                                            : (negative ? "9223372036854775808" : "9223372036854775807");
    return digits.size() != most.size() ? digits.size() < most.size() : digits <= most;
}

// Numbers, by their source digits.
static bool coerce_number(Coercion &to, const Value &value, FieldType type, BoundValue &result, bool &as_numeric)
{
    const char *wanted = type.cls == FieldClass::integer ? "integer" : type.cls == FieldClass::numeric ? "numeric" : "double precision";
    if (value.kind != ValueKind::number && value.kind != ValueKind::string)
        return wrong_type(to, value, wanted, "Give a number.");
    const char *digits = nullptr;
    bool integral = false;
    guarded([&] {
        if (auto decimal = parse_decimal(value.text)) {
            digits = copy(decimal->text);
            integral = decimal->integral;
        }
    });
    if (digits == nullptr)
        return wrong_type(to, value, wanted, "Give a number in decimal digits.");
    if (type.cls == FieldClass::integer && integral && fits(digits, type.type))
        return set_literal(result, digits, type.type);
    as_numeric = type.cls == FieldClass::integer;
    Oid as = type.cls == FieldClass::floating ? FLOAT8OID : NUMERICOID;
    if (!accepts_input(to, as, digits, value.path))
        return false;
    return set_literal(result, digits, as);
}

static bool coerce_boolean(Coercion &to, const Value &value, BoundValue &result)
{
    bool number = value.kind == ValueKind::number;
    std::string_view text = value.kind == ValueKind::boolean ? (value.boolean ? "true" : "false") : value.text;
    bool yes = text == (number ? "1" : "true");
    if (value.kind == ValueKind::relative || (!yes && text != (number ? "0" : "false")))
        return wrong_type(to, value, "boolean", "Give true or false.");
    result = {yes ? "true" : "false", nullptr, yes ? "true" : "false", BOOLOID};
    return true;
}

static bool coerce_text(Coercion &to, const Value &value, FieldType type, BoundValue &result)
{
    if (value.kind != ValueKind::number && value.kind != ValueKind::string)
        return wrong_type(to, value, "text", "Give a string.");
    return set_literal(result, copy(value.text), type.type == VARCHAROID || type.type == NAMEOID ? TEXTOID : type.type);
}

List *enum_labels(Oid type)
{
    List *labels = NIL;
    CatCList *list = SearchSysCacheList1(ENUMTYPOIDNAME, ObjectIdGetDatum(type));
    for (int i = 0; i < list->n_members; i++)
        labels = lappend(labels, pstrdup(NameStr(reinterpret_cast<Form_pg_enum>(GETSTRUCT(&list->members[i]->tuple))->enumlabel)));
    ReleaseSysCacheList(list);
    return labels;
}

static bool coerce_enum(Coercion &to, const Value &value, FieldType type, BoundValue &result)
{
    if (value.kind != ValueKind::number && value.kind != ValueKind::string)
        return wrong_type(to, value, format_type_be(type.type), "Give one of its labels.");
    List *labels = enum_labels(type.type);
    ListCell *cell;
    foreach (cell, labels)
        if (value.text == static_cast<const char *>(lfirst(cell)))
            return set_literal(result, copy(value.text), type.type);
    return wrong_type(to, value, format_type_be(type.type), nearest_hint(value.text, labels, "Give one of its labels."));
}

// Any other type: what its input function takes.
static bool coerce_other(Coercion &to, const Value &value, FieldType type, BoundValue &result)
{
    if (value.kind == ValueKind::relative || value.kind == ValueKind::boolean)
        return wrong_type(to, value, format_type_be(type.type), "Give a string.");
    const char *text = copy(value.text);
    if (!accepts_input(to, type.type, text, value.path))
        return false;
    return set_literal(result, text, type.type);
}

// Parts of an ISO 8601 value in palloc'd memory.
struct Iso {
    const char *date;
    const char *time;   // "" for a date alone
    const char *offset; // "" where none
};

static bool read_iso(Coercion &to, std::string_view text, std::string_view path, Iso &iso)
{
    IsoError error = IsoError::syntax;
    guarded([&] {
        IsoDate parsed;
        error = parse_iso(text, parsed);
        if (error == IsoError::none)
            iso = {copy(parsed.date), copy(parsed.time), copy(parsed.offset)};
    });
    if (error == IsoError::none)
        return true;
    Value value;
    value.text = text;
    if (error == IsoError::syntax)
        complain(to, ERRCODE_INVALID_DATETIME_FORMAT, path, "Write dates as YYYY-MM-DD, with a time as YYYY-MM-DDTHH:MM:SS (ISO 8601).",
                 "invalid date: %s", shown(value));
    else
        complain(to, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, path, "There is no such day or time.", "date out of range: %s", shown(value));
    return false;
}

// A timestamptz as text in UTC, so that no setting changes what it says.
static const char *instant_text(TimestampTz instant)
{
    struct pg_tm tm;
    fsec_t fraction;
    auto *text = static_cast<char *>(palloc(MAXDATELEN + 1));
    if (timestamp2tm(instant, nullptr, &tm, &fraction, nullptr, nullptr) != 0)
        ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
    tm.tm_isdst = 0; // UTC is a zone: print it
    EncodeDateTime(&tm, fraction, true, 0, nullptr, USE_ISO_DATES, text);
    return text;
}

static Timestamp local_timestamp(const Iso &iso)
{
    const char *text = psprintf("%s %s", iso.date, *iso.time ? iso.time : "00:00:00");
    return DatumGetTimestamp(
        DirectFunctionCall3(timestamp_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

// The instant of a local time in a named zone.
static TimestampTz instant_in(const char *zone_name, Timestamp local)
{
    return DatumGetTimestampTz(
        DirectFunctionCall2(timestamp_zone, PointerGetDatum(cstring_to_text(zone_name)), TimestampGetDatum(local)));
}

// An instant with an offset of its own.
static TimestampTz instant_of(const Iso &iso)
{
    const char *text = psprintf("%s %s%s", iso.date, *iso.time ? iso.time : "00:00:00", iso.offset);
    return DatumGetTimestampTz(
        DirectFunctionCall3(timestamptz_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

// The instant at which a day begins in a zone; see day_start.
static TimestampTz day_start_in(const char *zone_name, Timestamp midnight)
{
    return Min(instant_in(zone_name, midnight), instant_in(zone_name, midnight - 1) + 1);
}

const char *day_start(const char *day, const char *zone)
{
    if (zone == nullptr)
        return psprintf("LEAST(%s::timestamptz, (%s::timestamp - '1 microsecond'::interval)::timestamptz + '1 microsecond'::interval)", day, day);
    return psprintf("LEAST(%s::timestamp AT TIME ZONE %s, ((%s::timestamp - '1 microsecond'::interval) AT TIME ZONE %s) + '1 microsecond'::interval)",
                    day, zone, day, zone);
}

// A local time: an instant in the rule's zone; without one a timestamp, which PostgreSQL's comparison of timestamptz with
// timestamp reads in the session's zone when it runs.
static void set_local(const Coercion &to, Timestamp local, FieldClass cls, BoundValue &result)
{
    if (cls == FieldClass::timestamptz && to.zone_name != nullptr) {
        set_literal(result, instant_text(instant_in(to.zone_name, local)), TIMESTAMPTZOID);
        return;
    }
    struct pg_tm tm;
    fsec_t fraction;
    auto *text = static_cast<char *>(palloc(MAXDATELEN + 1));
    if (timestamp2tm(local, nullptr, &tm, &fraction, nullptr, nullptr) != 0)
        ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
    EncodeDateTime(&tm, fraction, false, 0, nullptr, USE_ISO_DATES, text);
    set_literal(result, text, TIMESTAMPOID);
}

// The start of a day.
static void set_midnight(const Coercion &to, Timestamp midnight, FieldClass cls, BoundValue &result)
{
    set_local(to, midnight, cls, result);
    if (cls != FieldClass::timestamptz)
        return;
    const char *zone = to.zone_name ? to.zone_name : pg_get_timezone_name(session_timezone);
    TimestampTz start = day_start_in(zone, midnight);
    if (start == instant_in(zone, midnight))
        return;
    if (to.zone_name != nullptr)
        set_literal(result, instant_text(start), TIMESTAMPTZOID);
    else
        result = {day_start(result.sql, nullptr), nullptr, nullptr, InvalidOid};
}

bool coerce_instant(Coercion &to, std::string_view text, std::string_view path, const char *&sql)
{
    Iso iso;
    if (!read_iso(to, text, path, iso))
        return false;
    if (*iso.offset)
        sql = literal_sql(instant_text(instant_of(iso)), TIMESTAMPTZOID);
    else {
        BoundValue local;
        set_local(to, local_timestamp(iso), FieldClass::timestamptz, local);
        sql = psprintf("%s::timestamptz", local.sql);
    }
    return true;
}

const char *shifted_instant(const char *instant, const char *zone, char sign, const char *interval, bool calendar)
{
    if (zone == nullptr || !calendar)
        return psprintf("(%s %c '%s'::interval)", instant, sign, interval);
    return psprintf("(((%s AT TIME ZONE %s) %c '%s'::interval) AT TIME ZONE %s)", instant, zone, sign, interval, zone);
}

const char *interval_text(const Span &span)
{
    bool quarters = span.unit == Unit::quarter;
    return psprintf("%lld %s", static_cast<long long>(quarters ? span.amount * 3 : span.amount), quarters ? "month" : unit_name(span.unit));
}

// RQB's relative dates: an instant, the anchor and then the offset; from day on in local time.
static const char *relative_instant(const Coercion &to, const Value &value)
{
    static const char *const anchors[] = {nullptr, "day", "day", "week", "week", "month", "month", "quarter", "quarter", "year", "year"};
    auto anchor_index = static_cast<std::size_t>(value.anchor);
    const char *anchor = anchors[anchor_index];
    bool calendar = value.unit >= Unit::day, start = anchor_index % 2 == 1;
    char sign = value.offset < 0 ? '-' : '+';
    const char *offset = interval_text({value.offset < 0 ? -value.offset : value.offset, value.unit});
    if (anchor == nullptr)
        return value.offset == 0 ? to.now : shifted_instant(to.now, to.zone, sign, offset, calendar);

    const char *local = psprintf("pg_catalog.date_trunc('%s', %s)", anchor, to.zone ? psprintf("%s AT TIME ZONE %s", to.now, to.zone) : psprintf("(%s)::timestamp", to.now));
    if (!start)
        local = psprintf("(%s + '%s'::interval - '1 microsecond'::interval)", local, std::string_view(anchor) == "quarter" ? "3 months" : psprintf("1 %s", anchor));
    if (value.offset != 0 && calendar)
        local = psprintf("(%s %c '%s'::interval)", local, sign, offset);
    const char *instant = start && (value.offset == 0 || !calendar) ? day_start(local, to.zone)
                        : to.zone ? psprintf("(%s AT TIME ZONE %s)", local, to.zone) : psprintf("%s::timestamptz", local);
    return value.offset == 0 || calendar ? instant : psprintf("(%s %c '%s'::interval)", instant, sign, offset);
}

// A relative date as a value of the field's type.
static const char *relative_sql(const Coercion &to, const Value &value, FieldClass cls)
{
    const char *instant = relative_instant(to, value);
    if (cls == FieldClass::timestamptz)
        return instant;
    const char *type = cls == FieldClass::date ? "date" : "timestamp";
    return to.zone ? psprintf("(%s AT TIME ZONE %s)::%s", instant, to.zone, type) : psprintf("%s::%s", instant, type);
}

// Dates and timestamps.
static bool coerce_time(Coercion &to, const Value &value, FieldType type, BoundValue &result)
{
    if (value.kind == ValueKind::relative) {
        result.sql = relative_sql(to, value, type.cls);
        return true;
    }
    if (value.kind != ValueKind::string) {
        complain(to, ERRCODE_INVALID_DATETIME_FORMAT, value.path, "Write dates as strings, YYYY-MM-DD.", "invalid date: %s", shown(value));
        return false;
    }
    Iso iso;
    if (!read_iso(to, value.text, value.path, iso))
        return false;
    bool has_offset = *iso.offset && !(to.semantics == Semantics::sql && type.cls != FieldClass::timestamptz);
    if (has_offset) {
        const char *text = instant_text(instant_of(iso));
        if (type.cls == FieldClass::timestamptz)
            return set_literal(result, text, TIMESTAMPTZOID);
        const char *instant = literal_sql(text, TIMESTAMPTZOID);
        const char *target = type.cls == FieldClass::date ? "date" : "timestamp";
        if (to.zone)
            result.sql = psprintf("(%s AT TIME ZONE %s)::%s", instant, to.zone, target);
        else
            result.sql = psprintf("(%s)::%s", instant, target);
        return true;
    }
    if (type.cls == FieldClass::date) {
        return set_literal(result, iso.date, DATEOID);
    }
    Timestamp local = local_timestamp(iso);
    if (*iso.time || to.semantics == Semantics::sql) {
        set_local(to, local, type.cls, result);
        return true;
    }
    BoundValue next;
    set_midnight(to, local, type.cls, result);
    set_midnight(to, local + USECS_PER_DAY, type.cls, next);
    result.day_end = next.sql;
    return true;
}

bool coerce(Coercion &to, const Value &value, FieldType type, BoundValue &result, bool &as_numeric)
{
    result = {};
    switch (type.cls) {
    case FieldClass::text:
        return coerce_text(to, value, type, result);
    case FieldClass::enumeration:
        return coerce_enum(to, value, type, result);
    case FieldClass::integer:
    case FieldClass::numeric:
    case FieldClass::floating:
        return coerce_number(to, value, type, result, as_numeric);
    case FieldClass::boolean:
        return coerce_boolean(to, value, result);
    case FieldClass::date:
    case FieldClass::timestamp:
    case FieldClass::timestamptz:
        return coerce_time(to, value, type, result);
    default:
        return coerce_other(to, value, type, result);
    }
}

} // namespace segments
