// Changes by field and chunk, against plain maps.
#include "kernels.hpp"
#include "overlay.hpp"
#include "support.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <random>
#include <utility>

namespace segments {

namespace {

using Random = std::mt19937_64;

// What is known of a member: the set of the highest order, or, where there was none, the sum of the events.
struct Member {
    bool is_set = false, null = false;
    std::uint32_t count = 0;
    std::int64_t a = INT64_MAX, b = INT64_MIN;

    bool operator==(const Member &) const = default;

    void add(const Op &op)
    {
        if (op.is_set) {
            if (!is_set || op.b > b)
                *this = {true, op.null, op.count, op.a, op.b};
        } else if (!is_set) {
            *this = {false, false, count + op.count, std::min(a, op.a), std::max(b, op.b)};
        }
    }
};

std::ostream &operator<<(std::ostream &out, const Member &member)
{
    return out << (member.is_set ? "set " : "events ") << member.null << " " << member.count << " " << member.a << " " << member.b;
}

using Members = std::map<std::uint16_t, Member>;

Op set_op(std::size_t position, std::int64_t value, std::int64_t order, bool null = false)
{
    return {static_cast<std::uint16_t>(position), true, null, 0, value, order};
}

Op events_op(std::size_t position, std::uint32_t count, std::int64_t first, std::int64_t last)
{
    return {static_cast<std::uint16_t>(position), false, false, count, first, last};
}

// What a settled bucket holds; ascending, each position once.
Members merged(const Bucket &bucket)
{
    EXPECT_EQ(bucket.pending.count, 0u);
    Members members;
    for (std::size_t i = 0; i < bucket.levels[0].count; i++) {
        const Op &op = bucket.levels[0].ops[i];
        EXPECT_TRUE(i == 0 || bucket.levels[0].ops[i - 1].position < op.position) << i;
        members[op.position] = {op.is_set, op.null, op.count, op.a, op.b};
    }
    EXPECT_EQ(members.size(), bucket.levels[0].count);
    return members;
}

// An overlay, and beside it what it must hold.
class Mirrored {
public:
    void add(std::uint16_t field, std::int32_t code, std::int32_t chunk, const Op &op)
    {
        overlay.add(overlay.changes(field, code), chunk, op);
        members_[{field, code}][chunk][op.position].add(op);
    }

    // Settles a bucket, and compares it.
    void settle(std::uint16_t field, std::int32_t code, std::int32_t chunk)
    {
        const FieldChanges *changes = overlay.find(field, code);
        ASSERT_NE(changes, nullptr);
        Bucket *bucket = Overlay::bucket(changes, chunk);
        ASSERT_NE(bucket, nullptr);
        ASSERT_EQ(bucket->chunk, chunk);
        overlay.settle(bucket, true);
        ASSERT_EQ(merged(*bucket), members_.at({field, code}).at(chunk)) << field << ", " << code << ", " << chunk;
    }

    // Settles and compares everything; there is nothing else.
    void settle_all()
    {
        std::size_t fields = 0;
        for (const FieldChanges *changes = overlay.first(); changes != nullptr; changes = changes->next, fields++) {
            EXPECT_EQ(overlay.find(changes->field, changes->code), changes);
            EXPECT_EQ(std::count_if(changes->slots, changes->slots + changes->capacity, [](const BucketSlot &slot) { return slot.bucket != nullptr; }), changes->used);
            EXPECT_LE(changes->used * 2, changes->capacity + 1);
            EXPECT_EQ(changes->used, members_.at({changes->field, changes->code}).size());
        }
        EXPECT_EQ(fields, members_.size());
        for (const auto &[field, chunks] : members_)
            for (const auto &[chunk, members] : chunks)
                settle(field.first, field.second, chunk);
    }

    HeapArena arena;
    Overlay overlay{arena};

private:
    std::map<std::pair<std::uint16_t, std::int32_t>, std::map<std::int32_t, Members>> members_;
};

// Chunks near each other on both sides of 0, far apart, and in steps that a hash may take for the same.
std::vector<std::int32_t> many_chunks()
{
    std::vector<std::int32_t> chunks = {INT32_MIN, INT32_MIN + 1, INT32_MAX, INT32_MAX - 1};
    for (std::int32_t i = -150; i < 150; i++)
        chunks.push_back(i);
    for (std::int32_t i = 1; i < 60; i++) {
        chunks.push_back(i * 0x10000);
        chunks.push_back(i * -0x2000000);
    }
    return chunks;
}

// A change of any kind. Orders are as good as never the same.
Op any_op(std::size_t positions, Random &random)
{
    const std::size_t position = random() % 20 ? random() % positions : random() % 2 ? 0 : chunk_size - 1;
    if (random() % 3 == 0)
        return set_op(position, static_cast<std::int64_t>(random()), static_cast<std::int64_t>(random()), random() % 4 == 0);
    const auto first = static_cast<std::int64_t>(random()) >> random() % 64;
    return events_op(position, static_cast<std::uint32_t>(random() % 5), first, static_cast<std::int64_t>(random()) >> random() % 64);
}

// Settles a bucket that gets the changes in this order, in so many parts.
Members settled(const std::vector<Op> &ops, std::size_t parts)
{
    HeapArena arena;
    Overlay overlay(arena);
    FieldChanges *changes = overlay.changes(1, 0);
    for (std::size_t i = 0; i < ops.size(); i++) {
        overlay.add(changes, 0, ops[i]);
        if (i % parts == parts - 1)
            overlay.settle(Overlay::bucket(changes, 0), true);
    }
    overlay.settle(Overlay::bucket(changes, 0), true);
    return merged(*Overlay::bucket(changes, 0));
}

} // namespace

TEST(Overlay, IsEmptyAtFirst)
{
    HeapArena arena;
    Overlay overlay(arena);
    EXPECT_EQ(overlay.first(), nullptr);
    EXPECT_EQ(overlay.find(1, 0), nullptr);
    EXPECT_EQ(Overlay::bucket(nullptr, 5), nullptr);
    FieldChanges *changes = overlay.changes(1, 0);
    EXPECT_EQ(Overlay::bucket(changes, 5), nullptr);
    EXPECT_EQ(changes->used, 0u);
}

TEST(Overlay, TellsFieldsAndCodesApart)
{
    HeapArena arena;
    Overlay overlay(arena);
    std::map<std::pair<int, std::int32_t>, FieldChanges *> all;
    for (int field : {0, 1, 2, 255, 65535})
        for (std::int32_t code : {0, 1, -1, INT32_MIN, INT32_MAX})
            all[{field, code}] = overlay.changes(static_cast<std::uint16_t>(field), code);
    std::size_t count = 0;
    for (const FieldChanges *changes = overlay.first(); changes != nullptr; changes = changes->next, count++)
        EXPECT_EQ((all[{changes->field, changes->code}]), changes);
    EXPECT_EQ(count, all.size());
    for (const auto &[name, changes] : all) {
        EXPECT_EQ(overlay.changes(static_cast<std::uint16_t>(name.first), name.second), changes);
        EXPECT_EQ(overlay.find(static_cast<std::uint16_t>(name.first), name.second), changes);
    }
    EXPECT_EQ(overlay.find(3, 0), nullptr);
    EXPECT_EQ(overlay.find(1, 2), nullptr);
}

TEST(Overlay, HoldsWhatPlainMapsHold)
{
    Random random(1);
    const std::vector<std::int32_t> chunks = many_chunks();
    const std::pair<std::uint16_t, std::int32_t> fields[] = {{0, 0}, {1, 0}, {1, 7}, {1, -7}, {2, INT32_MIN}, {65535, INT32_MAX}};
    Mirrored both;
    for (int i = 0; i < 150000; i++) {
        const auto [field, code] = fields[random() % std::size(fields)];
        const std::int32_t chunk = chunks[random() % (random() % 2 ? 8 : chunks.size())];
        both.add(field, code, chunk, any_op(200, random));
        if (random() % 100 == 0)
            both.settle(field, code, chunk);
        if (HasFatalFailure())
            return;
    }
    both.settle_all();
}

TEST(Overlay, HoldsManyMembersOfAChunk)
{
    Random random(2);
    Mirrored both;
    for (std::size_t size : {1, 2, 4, 5, 63, 64, 65, 500, 5000, 60000, 1, 100, 60000}) {
        for (std::size_t i = 0; i < size; i++)
            both.add(9, 0, -3, any_op(chunk_size, random));
        both.settle(9, 0, -3);
    }
    // every position, from the last to the first
    for (std::size_t position = chunk_size; position-- > 0;)
        both.add(9, 0, 4, events_op(position, 1, static_cast<std::int64_t>(position), 0));
    both.settle_all();
    EXPECT_EQ(Overlay::bucket(both.overlay.find(9, 0), 4)->levels[0].count, chunk_size);
}

TEST(Overlay, TheTableOfBucketsGrows)
{
    Mirrored both;
    std::map<std::int32_t, const Bucket *> known;
    FieldChanges *changes = both.overlay.changes(1, 0);
    const std::uint32_t capacity = changes->capacity;
    for (std::int32_t chunk : many_chunks()) {
        EXPECT_EQ(Overlay::bucket(changes, chunk), nullptr);
        both.add(1, 0, chunk, set_op(chunk & 1023, chunk, 1));
        known[chunk] = Overlay::bucket(changes, chunk);
    }
    EXPECT_GT(known.size(), 64u);
    EXPECT_GT(changes->capacity, capacity);
    for (const auto &[chunk, bucket] : known) {
        EXPECT_EQ(bucket->chunk, chunk);
        EXPECT_EQ(Overlay::bucket(changes, chunk), bucket); // where it was
    }
    EXPECT_EQ(Overlay::bucket(changes, 1000), nullptr);
    EXPECT_EQ(Overlay::bucket(changes, -1000), nullptr);
    both.settle_all();
}

TEST(Overlay, TheHighestOrderWins)
{
    std::vector<Op> ops;
    for (std::int64_t order : {INT64_MIN, std::int64_t(-5), std::int64_t(0), std::int64_t(4), std::int64_t(5), INT64_MAX - 1, INT64_MAX})
        ops.push_back(set_op(3, order / 3, order, order == 4));
    for (std::size_t count = 1; count <= ops.size(); count++) {
        std::vector<std::size_t> which(count);
        for (std::size_t i = 0; i < count; i++)
            which[i] = i;
        do {
            std::vector<Op> arriving;
            for (std::size_t i : which)
                arriving.push_back(ops[i]);
            const Op &last = ops[count - 1];
            ASSERT_EQ(settled(arriving, 1 + which[0]), (Members{{3, {true, last.null, 0, last.a, last.b}}}));
        } while (std::next_permutation(which.begin(), which.end()));
    }
}

TEST(Overlay, EventsAddUp)
{
    const std::vector<Op> ops = {events_op(0, 2, 50, 60), events_op(0, 1, 55, 55), events_op(0, 7, -10, INT64_MAX), events_op(0, 0, INT64_MIN, 3),
                                 events_op(1, 3, 5, 6)};
    for (std::size_t parts = 1; parts <= ops.size(); parts++)
        EXPECT_EQ(settled(ops, parts), (Members{{0, {false, false, 10, INT64_MIN, INT64_MAX}}, {1, {false, false, 3, 5, 6}}}));
}

TEST(Overlay, ASetStandsWhateverEventsThereAre)
{
    std::vector<Op> ops = {events_op(8, 2, 50, 60), set_op(8, 11, 100), events_op(8, 1, 1, INT64_MAX), set_op(8, 12, 101, true), events_op(8, 1, 2, 2)};
    const auto by_value = [](const Op &a, const Op &b) { return a.a < b.a; };
    std::sort(ops.begin(), ops.end(), by_value);
    do {
        for (std::size_t parts = 1; parts <= ops.size(); parts++)
            ASSERT_EQ(settled(ops, parts), (Members{{8, {true, true, 0, 12, 101}}}));
    } while (std::next_permutation(ops.begin(), ops.end(), by_value));
}

TEST(Overlay, TheOrderOfArrivalDoesNotMatter)
{
    Random random(3);
    for (std::size_t size : {10, 63, 64, 200, 3000}) {
        std::vector<Op> ops(size);
        std::generate(ops.begin(), ops.end(), [&] { return any_op(size / 3 + 1, random); });
        const Members members = settled(ops, size);
        for (int i = 0; i < 10; i++) {
            std::shuffle(ops.begin(), ops.end(), random);
            ASSERT_EQ(settled(ops, 1 + random() % size), members);
        }
    }
}

TEST(Overlay, BucketsThatWereNotTouchedStay)
{
    Mirrored both;
    for (std::int32_t chunk = -2; chunk <= 2; chunk++)
        for (std::size_t i = 0; i < 100; i++)
            both.add(1, 0, chunk, events_op(i * 7, 1, chunk, static_cast<std::int64_t>(i)));
    both.settle_all();
    std::vector<std::pair<Bucket *, Bucket>> before;
    for (std::int32_t chunk : {-2, -1, 0, 2}) {
        Bucket *bucket = Overlay::bucket(both.overlay.find(1, 0), chunk);
        bucket->levels[0].known[1] = true;
        before.emplace_back(bucket, *bucket);
    }
    for (std::int32_t chunk = 1; chunk < 500; chunk += chunk == 1 ? 2 : 1)
        both.add(1, 0, chunk, set_op(5, 5, 5));
    both.add(1, 1, 0, set_op(5, 5, 5));
    both.settle(1, 0, 1);
    both.settle_all();
    for (const auto &[bucket, was] : before) {
        EXPECT_EQ(Overlay::bucket(both.overlay.find(1, 0), was.chunk), bucket);
        EXPECT_EQ(bucket->levels[0].ops, was.levels[0].ops);
        EXPECT_EQ(bucket->levels[0].count, was.levels[0].count);
        EXPECT_TRUE(bucket->levels[0].known[1]);
    }
}

// A few changes after many stand by themselves, and what was worked out of the many stays; enough of them join it.
TEST(Overlay, LaterChangesStandByThemselves)
{
    HeapArena memory;
    Overlay overlay(memory);
    FieldChanges *changes = overlay.changes(4, 0);
    for (std::uint16_t position = 0; position < 4000; position += 2)
        overlay.add(changes, 7, {position, false, false, 1, position, position});
    Bucket *bucket = Overlay::bucket(changes, 7);
    overlay.settle(bucket);
    ASSERT_EQ(bucket->levels[0].count, 2000u);
    ASSERT_EQ(bucket->levels[1].count, 0u);
    bucket->levels[0].known[0] = true;

    overlay.add(changes, 7, {10, false, false, 5, 1, 100});
    overlay.add(changes, 7, {11, false, false, 2, 1, 100});
    overlay.add(changes, 7, {10, false, false, 1, 0, 50});
    overlay.settle(bucket);
    EXPECT_TRUE(bucket->levels[0].known[0]);
    ASSERT_EQ(bucket->levels[1].count, 2u);
    EXPECT_EQ(find_op(bucket->levels[1], 10)->count, 6u);
    EXPECT_EQ(find_op(bucket->levels[1], 10)->a, 0);
    EXPECT_EQ(find_op(bucket->levels[1], 10)->b, 100);
    EXPECT_EQ(bucket->levels[0].ops, nullptr) << "nobody wanted the many in order";

    overlay.settle(bucket, true);
    EXPECT_EQ(bucket->levels[1].count, 0u);
    EXPECT_EQ(bucket->levels[0].count, 2001u);
    EXPECT_EQ(find_op(bucket->levels[0], 10)->count, 7u);
    EXPECT_FALSE(bucket->levels[0].known[0]);

    for (std::uint16_t position = 1; position < 4000; position += 2)
        overlay.add(changes, 7, {position, false, false, 1, 0, 0});
    overlay.settle(bucket);
    EXPECT_EQ(bucket->levels[1].count, 0u) << "many join the others";
    overlay.settle(bucket, true);
    EXPECT_EQ(bucket->levels[0].count, 4000u);
}

// Many events are counted as they came: of every member how many, the first and the last; and again when they are in order.
TEST(Overlay, EventsAreAddedUpAsTheyCame)
{
    Random random(11);
    for (int round = 0; round < 30; round++) {
        HeapArena memory;
        Overlay overlay(memory);
        FieldChanges *changes = overlay.changes(3, 0);
        const std::size_t positions = round % 2 ? chunk_size : 500, parts = 1 + random() % 4;
        const std::int64_t middle = round % 3 ? static_cast<std::int64_t>(random()) : INT64_MAX - 10;
        Members expected;
        Bucket *bucket = nullptr;
        for (std::size_t part = 0; part < parts; part++) {
            for (std::size_t i = 300 + random() % 3000; i > 0; i--) {
                // Most are single; some lie too far from the others to be packed.
                const std::int64_t at = random() % 10 ? static_cast<std::int64_t>(static_cast<std::uint64_t>(middle) + random() % 1000000)
                                                      : static_cast<std::int64_t>(random()) >> random() % 64;
                const Op op = random() % 10 ? events_op(random() % positions, 1, at, at)
                                            : events_op(random() % positions, static_cast<std::uint32_t>(random() % 70000), std::min(at, middle), std::max(at, middle));
                overlay.add(changes, 5, op);
                expected[op.position].add(op);
            }
            bucket = Overlay::bucket(changes, 5);
            overlay.settle(bucket);
        }
        if (bucket->levels[1].count > 0 || bucket->levels[0].ops != nullptr)
            continue; // the last part was not enough to join the others
        const Level &level = bucket->levels[0];
        for (int part = 0; part < 3; part++) {
            Mask members = {};
            std::int64_t *values = overlay.values();
            overlay.sum_up(level, part, &members, values);
            for (std::size_t position = 0; position < chunk_size; position++) {
                const auto found = expected.find(static_cast<std::uint16_t>(position));
                ASSERT_EQ(test_bit(members.words, position), found != expected.end()) << position;
                if (found != expected.end()) {
                    ASSERT_EQ(values[position], part == 0 ? found->second.count : part == 1 ? found->second.a : found->second.b) << part << ", " << position;
                }
            }
        }
        std::size_t count;
        const Mask *planes = overlay.count_events(level, &count);
        const Word *slices[Overlay::max_planes];
        for (std::size_t i = 0; i < count; i++)
            slices[i] = planes[count - 1 - i].words;
        for (std::size_t position = 0; position < chunk_size; position++) {
            const auto found = expected.find(static_cast<std::uint16_t>(position));
            ASSERT_EQ(value_at(slices, count, position), found == expected.end() ? 0 : found->second.count) << position;
        }
        overlay.settle(bucket, true);
        ASSERT_EQ(merged(*bucket), expected);
    }
}

// What a level holds, in order or as it came.
Members held(Overlay &overlay, const Level &level)
{
    Members members;
    if (level.ops != nullptr)
        for (std::size_t i = 0; i < level.count; i++)
            members[level.ops[i].position].add(level.ops[i]);
    else
        for (int part = 0; part < 3; part++) {
            Mask mask = {};
            std::int64_t *values = overlay.values();
            overlay.sum_up(level, part, &mask, values);
            for (std::size_t position = 0; position < chunk_size; position++)
                if (test_bit(mask.words, position)) {
                    Member &member = members[static_cast<std::uint16_t>(position)];
                    if (part == 0)
                        member.count = static_cast<std::uint32_t>(values[position]);
                    else
                        (part == 1 ? member.a : member.b) = values[position];
                }
        }
    return members;
}

// Few and many events, in whichever order they come and are looked at: between them the levels hold all, those of the second level stand by themselves while
// they are not much, and no level that many make is brought in order. What is no event, and comes then, is held, too.
TEST(Overlay, LevelsHoldAllEvents)
{
    Random random(23);
    int loose_beside_loose = 0, few_beside_loose = 0;
    for (int round = 0; round < 40; round++) {
        HeapArena memory;
        Overlay overlay(memory);
        FieldChanges *changes = overlay.changes(3, 0);
        Members expected;
        Bucket *bucket = nullptr;
        for (int step = 0; step < 12; step++) {
            const std::size_t sizes[] = {1, 7, 60, many_events - 1, many_events, 400, 3000};
            for (std::size_t i = sizes[random() % std::size(sizes)]; i > 0; i--) {
                const auto at = static_cast<std::int64_t>(random() % 1000);
                const Op op = events_op(random() % chunk_size, 1 + random() % 20 / 19, at, at + static_cast<std::int64_t>(random() % 20 / 19));
                overlay.add(changes, 5, op);
                expected[op.position].add(op);
            }
            bucket = Overlay::bucket(changes, 5);
            overlay.settle(bucket);
            ASSERT_EQ(bucket->pending.count, 0u);
            Members all = held(overlay, bucket->levels[0]);
            for (const auto &[position, member] : held(overlay, bucket->levels[1]))
                all[position].add({position, false, false, member.count, member.a, member.b});
            ASSERT_EQ(all, expected);
            for (const Level &level : bucket->levels) {
                ASSERT_EQ(level.ops == nullptr, level.loose.count == 0 || level.loose.count >= many_events);
            }
            ASSERT_LE(bucket->levels[1].count, 64 + bucket->levels[0].count / 8);
            loose_beside_loose += bucket->levels[1].loose.count >= many_events;
            few_beside_loose += bucket->levels[1].ops != nullptr && bucket->levels[0].ops == nullptr;
        }
        const Op set = set_op(random() % chunk_size, 5, 1);
        overlay.add(changes, 5, set);
        expected[set.position].add(set);
        overlay.settle(bucket);
        overlay.settle(bucket, true);
        ASSERT_EQ(merged(*bucket), expected);
    }
    EXPECT_GT(loose_beside_loose, 20);
    EXPECT_GT(few_beside_loose, 20);
}

// A column that has the events of the first level is kept when others join them, and only those are counted to be added to it.
TEST(Overlay, EventsJoinAColumn)
{
    HeapArena memory;
    Overlay overlay(memory);
    FieldChanges *changes = overlay.changes(3, 0);
    for (std::size_t position = 0; position < 2000; position++)
        overlay.add(changes, 5, events_op(position, 1, 7, 7));
    Bucket *bucket = Overlay::bucket(changes, 5);
    overlay.settle(bucket);
    Level &first = bucket->levels[0];
    FreshColumn *column = first.fresh[0] = overlay.make_fresh();
    first.added = {first.loose.ops, first.loose.events};
    std::size_t planes;
    overlay.count_events(first, &planes);
    EXPECT_EQ(planes, 0u) << "nothing is left to be added";

    for (std::size_t position = 0; position < 39; position++)
        overlay.add(changes, 5, events_op(position, 2, 7, 8));
    overlay.settle(bucket);
    overlay.add(changes, 5, events_op(60000, 1, 9, 9));
    overlay.settle(bucket);
    EXPECT_EQ(bucket->levels[1].count, 0u) << "however few, they join it";
    EXPECT_EQ(first.fresh[0], column);
    EXPECT_EQ(overlay.not_added(first), 40u);
    const Mask *counts = overlay.count_events(first, &planes);
    ASSERT_EQ(planes, 2u);
    EXPECT_EQ(std::popcount(counts[1].words[0]), 39);
    EXPECT_EQ(counts[0].words[0], 0u);
    EXPECT_EQ(counts[0].words[60000 / 64], Word(1) << 60000 % 64);
    EXPECT_EQ(held(overlay, first).at(5).count, 3u);

    // Where first and last were asked for, they would be worked out anew each time.
    first.known[2] = true;
    for (std::size_t position = 0; position < 100; position++)
        overlay.add(changes, 5, events_op(position, 1, 7, 8));
    overlay.settle(bucket);
    EXPECT_EQ(bucket->levels[1].count, 100u);
    overlay.settle(bucket, true);
    EXPECT_EQ(first.fresh[0], column);
    EXPECT_EQ(merged(*bucket).at(5).count, 4u);
}

// Events that are added one by one to the numbers in slices make what adding does, and as many slices as that needs.
TEST(Overlay, EventsAddedOneByOne)
{
    HeapArena memory;
    Overlay overlay(memory);
    std::mt19937 random(11);
    std::vector<std::uint64_t> numbers(chunk_size, 0);
    Mask *slices[64] = {};
    int count = 0;
    FieldChanges *changes = overlay.changes(3, 0);
    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < 200; i++) {
            // Few members, so that sums carry far; now and then many events at once.
            auto position = static_cast<std::uint16_t>(random() % 50 * 1200);
            std::uint32_t events = random() % 10 == 0 ? 1 + static_cast<std::uint32_t>(random() % 1000) : 1;
            overlay.add(changes, 5, events_op(position, events, 7, events == 1 ? 7 : 9));
            numbers[position] += events;
        }
        Bucket *bucket = Overlay::bucket(changes, 5);
        overlay.settle(bucket);
        Level &level = bucket->levels[0];
        if (round == 0)
            level.fresh[0] = overlay.make_fresh();
        EXPECT_EQ(overlay.not_added(level), 200u);
        count = overlay.add_each(level, level.added, slices, count);
        level.added = level.all();
        EXPECT_EQ(overlay.not_added(level), 0u);
        std::uint64_t most = 0;
        for (std::size_t position = 0; position < chunk_size; position++) {
            std::uint64_t found = 0;
            for (int i = 0; i < count; i++)
                found |= std::uint64_t(test_bit(slices[i]->words, position)) << i;
            ASSERT_EQ(found, numbers[position]) << "round " << round << ", position " << position;
            most = std::max(most, found);
        }
        EXPECT_EQ(count, std::bit_width(most));
    }

    // One more than the slices can hold.
    Mask *full[64] = {};
    for (int i = 0; i < Overlay::max_slices; i++) {
        full[i] = overlay.make_mask();
        assign_bit(full[i]->words, 77, true);
    }
    FieldChanges *others = overlay.changes(4, 0);
    for (int i = 0; i < 200; i++)
        overlay.add(others, 5, events_op(static_cast<std::uint16_t>(77 + i), 1, 7, 7));
    Bucket *bucket = Overlay::bucket(others, 5);
    overlay.settle(bucket);
    EXPECT_EQ(overlay.add_each(bucket->levels[0], {}, full, Overlay::max_slices), -1);
}

// What was worked out of a level that gives way is used again.
TEST(Overlay, MasksAreUsedAgain)
{
    HeapArena memory;
    Overlay overlay(memory);
    FieldChanges *changes = overlay.changes(4, 0);
    Bucket *bucket = nullptr;
    std::vector<Mask *> first, later;
    for (std::uint16_t round = 0; round < 20; round++) {
        overlay.add(changes, 7, events_op(round, 1, 5, 6));
        bucket = Overlay::bucket(changes, 7);
        overlay.settle(bucket, true);
        Level &level = bucket->levels[0];
        level.effective[0] = overlay.make_effective(few_members);
        level.effective[0].nulls = overlay.make_mask();
        level.known[0] = true;
        FreshColumn *fresh = overlay.make_fresh();
        fresh->entry.bits = 2;
        fresh->has = overlay.make_mask();
        fresh->slices[0] = overlay.make_slice();
        fresh->slices[1] = overlay.make_slice();
        level.fresh[2] = fresh;
        std::vector<Mask *> &made = round == 0 ? first : later;
        made = {level.effective[0].valued, level.effective[0].nulls, fresh->has, fresh->slices[0], fresh->slices[1]};
        std::sort(made.begin(), made.end());
        EXPECT_EQ(std::adjacent_find(made.begin(), made.end()), made.end()) << "each once";
        EXPECT_EQ(*level.effective[0].valued->words, 0u);
    }
    EXPECT_EQ(first, later);
}

TEST(Overlay, TooManyEventsAreNotCountedInSlices)
{
    HeapArena memory;
    Overlay overlay(memory);
    FieldChanges *changes = overlay.changes(3, 0);
    for (std::size_t i = 0; i < 300; i++)
        overlay.add(changes, 5, events_op(7, UINT32_MAX, 0, 1));
    Bucket *bucket = Overlay::bucket(changes, 5);
    overlay.settle(bucket);
    std::size_t planes;
    overlay.count_events(bucket->levels[0], &planes);
    EXPECT_EQ(planes, 0u);
}

// A set that comes late but was the earlier one stays without effect, whichever level the later one is in.
TEST(Overlay, TheLaterSetWinsAcrossLevels)
{
    HeapArena memory;
    Overlay overlay(memory);
    FieldChanges *changes = overlay.changes(4, 0);
    for (std::uint16_t position = 0; position < 1000; position++)
        overlay.add(changes, 0, {position, true, false, 0, 100, 10});
    Bucket *bucket = Overlay::bucket(changes, 0);
    overlay.settle(bucket);
    overlay.add(changes, 0, {5, true, false, 0, 55, 9});
    overlay.add(changes, 0, {6, true, false, 0, 66, 11});
    overlay.settle(bucket);
    ASSERT_EQ(bucket->levels[1].count, 2u);
    EXPECT_EQ(find_op(bucket->levels[1], 5)->a, 100);
    EXPECT_EQ(find_op(bucket->levels[1], 6)->a, 66);
    overlay.settle(bucket, true);
    EXPECT_EQ(find_op(bucket->levels[0], 5)->a, 100);
    EXPECT_EQ(find_op(bucket->levels[0], 6)->a, 66);
}

// A member is found by his position, among few and many, and among those who were few.
TEST(Overlay, MembersByPosition)
{
    HeapArena memory;
    Overlay overlay(memory);
    for (std::size_t step : {std::size_t(1), std::size_t(7), chunk_size / (few_members - 10), chunk_size / 20})
        for (bool nulls : {false, true})
            for (bool spread : {false, true}) {
                Effective values = overlay.make_effective(chunk_size / step);
                EXPECT_EQ(values.positions != nullptr, step > 7);
                if (nulls && step <= 7)
                    values.nulls = overlay.make_mask();
                auto is_null = [&](std::size_t position) { return nulls && position % 3 == 0; };
                for (std::size_t position = step - 1; position < chunk_size; position += step)
                    if (is_null(position))
                        values.add_null(static_cast<std::uint16_t>(position));
                    else
                        values.add(static_cast<std::uint16_t>(position), static_cast<std::int64_t>(position) * 3);
                if (spread)
                    overlay.spread(values);
                EXPECT_EQ(values.positions != nullptr, step > 7 && !spread);
                overlay.count_before(values);
                for (std::size_t position = 0; position < chunk_size; position++) {
                    std::int64_t value = -1;
                    Now now = look_up(values, static_cast<std::uint16_t>(position), &value);
                    Now expected = position % step != step - 1 ? Now::unchanged : is_null(position) ? Now::null : Now::valued;
                    ASSERT_EQ(now, expected) << position << " of every " << step;
                    ASSERT_EQ(value, now == Now::valued ? static_cast<std::int64_t>(position) * 3 : -1);
                }
            }
}

TEST(Overlay, NewChangesMakeValuesUnknown)
{
    HeapArena arena;
    Overlay overlay(arena);
    FieldChanges *changes = overlay.changes(1, 0);
    overlay.add(changes, 0, events_op(1, 1, 1, 1));
    Bucket *bucket = Overlay::bucket(changes, 0);
    const auto known = [bucket] { return std::vector<bool>(std::begin(bucket->levels[0].known), std::end(bucket->levels[0].known)); };
    EXPECT_EQ(known(), std::vector<bool>(3, false));
    overlay.settle(bucket, true);
    EXPECT_EQ(known(), std::vector<bool>(3, false));
    std::fill(std::begin(bucket->levels[0].known), std::end(bucket->levels[0].known), true);
    overlay.settle(bucket, true); // nothing new
    EXPECT_EQ(known(), std::vector<bool>(3, true));
    overlay.add(changes, 1, events_op(1, 1, 1, 1));
    overlay.settle(Overlay::bucket(changes, 1), true);
    EXPECT_EQ(known(), std::vector<bool>(3, true));
    overlay.add(changes, 0, events_op(1, 1, 1, 1));
    overlay.settle(bucket, true);
    EXPECT_EQ(known(), std::vector<bool>(3, false));
}

TEST(Overlay, ValuesHaveRoom)
{
    HeapArena arena;
    Overlay overlay(arena);
    const auto is_empty = [](const Mask *mask) { return std::count(std::begin(mask->words), std::end(mask->words), Word(0)) == std::ptrdiff_t(slice_words); };
    for (std::size_t count : {std::size_t(0), std::size_t(1), std::size_t(1000), chunk_size}) {
        Effective values = overlay.make_effective(count);
        EXPECT_EQ(values.count, 0u);
        EXPECT_EQ(values.nulls, nullptr);
        std::fill_n(values.values, count + 7, INT64_MIN);
        overlay.spread(values);
        Mask *nulls = overlay.make_mask();
        for (Mask *mask : {values.valued, nulls}) {
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(mask) % alignof(Mask), 0u);
            EXPECT_TRUE(is_empty(mask));
            *mask = all_members;
        }
    }
}

} // namespace segments
