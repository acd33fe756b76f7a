// The aggregate segments.sequence: when the latest run of a sequence of events begins, from a member's events in any order.
//
// From the last event to the first, each is asked whether the rest of the sequence can follow it. The earliest later event from which the
// rest goes on decides: whether it comes in time depends on the present event's deadline alone, whatever the calendar does. A sort of each
// member's events, and one pass over them.
#include "boundary.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "utils/timestamp.h"
}

namespace segments {

// What all members are asked.
struct Sequence {
    int steps;
    int words;          // of 64 flags, for each event
    Interval **spans;   // of each step but the first: at most this after the one before; null: any time after
    text *zone;         // where days begin; null: the session's
    bool last_absent;   // the last step must not happen
    TimestampTz now;
};

// One member's events, which follow the struct: an instant, then flags that say of which steps it is one. There may be millions of members, most
// with few events: with one word of flags, each size fills a power of two.
struct Events {
    const Sequence *sequence;
    int count, capacity;

    std::uint64_t *rows() { return reinterpret_cast<std::uint64_t *>(this + 1); }
};
constexpr int few = 3;

static std::size_t row_words(const Sequence *sequence)
{
    return 1 + static_cast<std::size_t>(sequence->words);
}

// Reads the arguments that are the same for every event.
static const Sequence *read_sequence(FunctionCallInfo fcinfo)
{
    auto *sequence = static_cast<Sequence *>(palloc0(sizeof(Sequence)));
    Datum *spans;
    bool *nulls;
    int count;
    deconstruct_array(PG_GETARG_ARRAYTYPE_P_COPY(3), INTERVALOID, sizeof(Interval), false, TYPALIGN_DOUBLE, &spans, &nulls, &count);
    if (count == 0)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a sequence has at least two steps, and a span for each but the first")));
    sequence->steps = count + 1;
    sequence->words = (sequence->steps + 63) / 64;
    sequence->spans = static_cast<Interval **>(palloc0(sizeof(Interval *) * count));
    for (int i = 0; i < count; i++)
        if (!nulls[i])
            sequence->spans[i] = DatumGetIntervalP(spans[i]);
    sequence->zone = PG_ARGISNULL(4) ? nullptr : PG_GETARG_TEXT_P_COPY(4);
    sequence->last_absent = PG_GETARG_BOOL(5);
    sequence->now = PG_GETARG_TIMESTAMPTZ(6);
    return sequence;
}

// What a member's events take.
static std::size_t size_of(const Sequence *sequence, int capacity)
{
    return sizeof(Events) + sizeof(std::uint64_t) * row_words(sequence) * capacity;
}

// What a call site knows.
struct SequenceCall {
    const Sequence *sequence;
    bool bits; // steps are a number
};

// Flags of an event from an array.
static void set_flags(std::uint64_t *words, const Sequence *sequence, ArrayType *flags)
{
    if (array_contains_nulls(flags) || ArrayGetNItems(ARR_NDIM(flags), ARR_DIMS(flags)) != sequence->steps)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("steps must be %d flags", sequence->steps)));
    const char *flag = ARR_DATA_PTR(flags);
    for (int i = 0; i < sequence->steps; i++)
        if (flag[i])
            words[i / 64] |= std::uint64_t(1) << (i % 64);
}

// Room for one more event, with its instant and no flags yet; returns the flags. events: null before the first.
static std::uint64_t *add(MemoryContext context, const Sequence *sequence, Events *&events, TimestampTz at)
{
    if (events == nullptr) {
        events = static_cast<Events *>(MemoryContextAlloc(context, size_of(sequence, few)));
        *events = {sequence, 0, few};
    }
    if (events->count == events->capacity) {
        int capacity = 2 * events->capacity + 1;
        events = static_cast<Events *>(repalloc_huge(events, size_of(sequence, capacity)));
        events->capacity = capacity;
    }
    std::uint64_t *row = events->rows() + row_words(sequence) * events->count++;
    memset(row, 0, sizeof(std::uint64_t) * row_words(sequence));
    row[0] = static_cast<std::uint64_t>(at);
    return row + 1;
}

// The instant until which the step after `step` may follow an event.
static TimestampTz deadline(const Sequence *sequence, int step, TimestampTz at)
{
    Interval *span = sequence->spans[step];
    Datum instant = TimestampTzGetDatum(at), interval = IntervalPGetDatum(span);
    if (sequence->zone == nullptr || (span->day == 0 && span->month == 0))
        return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, instant, interval));
    Datum zone = PointerGetDatum(sequence->zone);
    Datum local = DirectFunctionCall2(timestamp_pl_interval, DirectFunctionCall2(timestamptz_zone, zone, instant), interval);
    return DatumGetTimestampTz(DirectFunctionCall2(timestamp_zone, zone, local));
}

// Whether the steps after `step` can follow an event; next: the earliest later event from which they go on.
static bool goes_on(const Sequence *sequence, int step, TimestampTz at, bool has_next, TimestampTz next)
{
    bool limited = sequence->spans[step] != nullptr;
    if (sequence->last_absent && step == sequence->steps - 2) {
        if (!limited)
            return !has_next;
        TimestampTz end = deadline(sequence, step, at);
        return end <= sequence->now && !(has_next && next <= end);
    }
    return has_next && (!limited || next <= deadline(sequence, step, at));
}

static int later_first(const void *a, const void *b)
{
    auto x = static_cast<TimestampTz>(*static_cast<const std::uint64_t *>(a)), y = static_cast<TimestampTz>(*static_cast<const std::uint64_t *>(b));
    return x > y ? -1 : x < y;
}

// Finds the latest event that a whole run begins with.
static bool find_start(Events *events, TimestampTz *start)
{
    const Sequence *sequence = events->sequence;
    std::size_t words = row_words(sequence);
    std::uint64_t *rows = events->rows();
    qsort(rows, events->count, sizeof(std::uint64_t) * words, later_first);
    auto *next = static_cast<TimestampTz *>(palloc(sizeof(TimestampTz) * sequence->steps));
    auto *has_next = static_cast<bool *>(palloc0(sequence->steps));
    auto *good = static_cast<bool *>(palloc(sequence->steps));
    bool found = false;
    for (int first = 0, last; first < events->count && !found; first = last) {
        // Events of one instant do not follow each other.
        auto at = static_cast<TimestampTz>(rows[words * first]);
        for (last = first + 1; last < events->count && static_cast<TimestampTz>(rows[words * last]) == at;)
            last++;
        for (int step = 0; step < sequence->steps; step++) {
            bool happens = false;
            for (int i = first; i < last; i++)
                happens = happens || (rows[words * i + 1 + step / 64] >> (step % 64) & 1);
            bool ends = step == sequence->steps - 1;
            good[step] = happens && (ends || goes_on(sequence, step, at, has_next[step + 1], next[step + 1]));
        }
        for (int step = 1; step < sequence->steps; step++)
            if (good[step]) {
                has_next[step] = true;
                next[step] = at;
            }
        found = good[0];
        *start = at;
        CHECK_FOR_INTERRUPTS();
    }
    pfree(next);
    pfree(has_next);
    pfree(good);
    return found;
}

} // namespace segments

extern "C" {

// Transition of segments.sequence: state, at, steps bigint or boolean[], spans interval[], zone text, last_absent boolean, now
SEGMENTS_FUNCTION(segments_sequence_add)
{
    MemoryContext context;
    if (!AggCheckCallContext(fcinfo, &context))
        elog(ERROR, "segments.sequence_add is a part of an aggregate");
    auto *events = PG_ARGISNULL(0) ? nullptr : reinterpret_cast<segments::Events *>(PG_GETARG_POINTER(0));
    if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3) || PG_ARGISNULL(5) || PG_ARGISNULL(6)) {
        if (events == nullptr)
            PG_RETURN_NULL();
        PG_RETURN_POINTER(events);
    }
    auto *call = static_cast<segments::SequenceCall *>(fcinfo->flinfo->fn_extra);
    if (call == nullptr) {
        MemoryContext caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
        call = static_cast<segments::SequenceCall *>(palloc(sizeof(segments::SequenceCall)));
        *call = {segments::read_sequence(fcinfo), get_fn_expr_argtype(fcinfo->flinfo, 2) == INT8OID};
        fcinfo->flinfo->fn_extra = call;
        MemoryContextSwitchTo(caller);
    }
    std::uint64_t *flags = segments::add(context, call->sequence, events, PG_GETARG_TIMESTAMPTZ(1));
    if (call->bits)
        flags[0] = static_cast<std::uint64_t>(PG_GETARG_INT64(2));
    else
        segments::set_flags(flags, call->sequence, PG_GETARG_ARRAYTYPE_P(2));
    PG_RETURN_POINTER(events);
}

// Its result: when the latest run begins; null where there is none.
SEGMENTS_FUNCTION(segments_sequence_start)
{
    TimestampTz start;
    if (PG_ARGISNULL(0) || !segments::find_start(reinterpret_cast<segments::Events *>(PG_GETARG_POINTER(0)), &start))
        PG_RETURN_NULL();
    PG_RETURN_TIMESTAMPTZ(start);
}

} // extern "C"
