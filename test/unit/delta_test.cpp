// Changes as rows: what is packed is read again, in its order, and what is damaged is refused or read without harm.
#include "changes.hpp"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

namespace segments {

namespace {

using Random = std::mt19937_64;
using Numbers = std::vector<std::int64_t>;

const Numbers extremes = {INT64_MIN, INT64_MAX, 0, -1, 1, INT64_MIN + 1, INT64_MAX - 1, -64, 63, 64, -65, INT64_MAX, INT64_MAX, INT64_MIN};

// Keys up, down, back and forth, the same again, and from one end to the other.
const std::vector<Numbers> key_orders = {
    {0}, {1, 2, 3, 70, 5000, 5001}, {9, 8, 0, -1, -700}, {5, -5, 5, -5, 1000000, -1000000}, {7, 7, 7}, {-3, -2, -1}, extremes,
};

const ChangeKind key_kinds[] = {ChangeKind::gone, ChangeKind::dirty, ChangeKind::join, ChangeKind::leave};

// A number that may be anything, small ones and the ends more often than chance has it.
std::int64_t any_number(Random &random)
{
    switch (random() % 4) {
    case 0:
        return extremes[random() % extremes.size()];
    case 1:
        return static_cast<std::int64_t>(random() % 200) - 100;
    case 2:
        return static_cast<std::int64_t>(random()) >> random() % 64;
    default:
        return static_cast<std::int64_t>(random());
    }
}

Change set_of(std::vector<std::uint16_t> fields, std::int64_t key, std::uint64_t nulls, Numbers values)
{
    Change change;
    change.fields = std::move(fields);
    change.key = key;
    for (std::size_t i = 0; i < values.size(); i++) {
        if (nulls >> i & 1) {
            change.nulls |= std::uint64_t(1) << i;
            values[i] = 0;
        }
    }
    change.values = std::move(values);
    return change;
}

Change key_of(ChangeKind kind, std::uint16_t field, std::int32_t code, std::int64_t key)
{
    Change change;
    change.kind = kind;
    change.field = field;
    change.code = code;
    change.key = key;
    return change;
}

Change events_of(std::uint16_t field, std::int64_t key, std::uint64_t count, std::int64_t first, std::int64_t last)
{
    Change change = key_of(ChangeKind::events, field, 0, key);
    change.count = count;
    change.first = first;
    change.last = last;
    return change;
}

// The header of some group.
Change any_group(Random &random)
{
    const auto number = [&] { return static_cast<std::uint16_t>(random() % 3 ? random() % 20 : random()); };
    Change change;
    change.kind = static_cast<ChangeKind>(1 + random() % 6);
    if (change.kind == ChangeKind::set) {
        change.fields.resize(random() % 3 ? random() % 5 : random() % (max_set_fields + 1));
        for (std::uint16_t &field : change.fields)
            field = number();
        return change;
    }
    change.field = number();
    if (change.kind == ChangeKind::join || change.kind == ChangeKind::leave)
        change.code = static_cast<std::int32_t>(any_number(random));
    return change;
}

// A member of a group; like the one before, or like none.
Change any_member(const Change &group, std::int64_t near, Random &random)
{
    const std::int64_t key = random() % 8 ? static_cast<std::int64_t>(static_cast<std::uint64_t>(near) + random() % 100 - 20) : any_number(random);
    if (group.kind == ChangeKind::set) {
        Numbers values(group.fields.size());
        std::generate(values.begin(), values.end(), [&] { return any_number(random); });
        return set_of(group.fields, key, random() % 3 ? random() & random() : random() % 2 - 1, std::move(values));
    }
    if (group.kind == ChangeKind::events)
        return events_of(group.field, key, random() >> random() % 64, any_number(random), any_number(random));
    return key_of(group.kind, group.field, group.code, key);
}

ChangeList any_changes(std::size_t groups, std::size_t members, Random &random)
{
    ChangeList changes;
    for (std::size_t i = 0; i < groups; i++) {
        const Change group = any_group(random);
        std::int64_t near = any_number(random);
        for (std::size_t member = 1 + random() % members; member > 0; member--) {
            changes.push_back(any_member(group, near, random));
            near = changes.back().key;
        }
    }
    return changes;
}

// Reads each row alone, in memory of just its size, so that AddressSanitizer sees what is read beyond.
ChangeList unpacked(const std::vector<Bytes> &rows)
{
    ChangeList all;
    for (const Bytes &row : rows) {
        EXPECT_FALSE(row.empty());
        EXPECT_LE(row.size(), max_delta);
        const Bytes exact(row.begin(), row.end());
        Recorder recorder;
        EXPECT_TRUE(read_delta(exact.data(), exact.size(), recorder));
        EXPECT_FALSE(recorder.changes.empty());
        std::move(recorder.changes.begin(), recorder.changes.end(), std::back_inserter(all));
    }
    return all;
}

// Changes come back as they were, in their order; gives the rows.
std::vector<Bytes> check(const ChangeList &changes)
{
    std::vector<Bytes> rows = packed(changes);
    const ChangeList again = unpacked(rows);
    EXPECT_EQ(again.size(), changes.size());
    const auto differs = std::mismatch(changes.begin(), changes.end(), again.begin(), again.end()).first;
    EXPECT_EQ(differs - changes.begin(), std::ptrdiff_t(changes.size())) << "the first that differs";
    return rows;
}

// Changes that fill more than one row, each as full as members of at most this size let it be.
void check_full(const ChangeList &changes, std::size_t member)
{
    const std::vector<Bytes> rows = check(changes);
    EXPECT_GT(rows.size(), 2u);
    for (std::size_t i = 0; i + 1 < rows.size(); i++)
        EXPECT_GT(rows[i].size() + member, max_delta) << i;
}

// Reads bytes in memory of just their size.
bool reads(const Bytes &bytes, Recorder &recorder)
{
    const Bytes exact(bytes.begin(), bytes.end());
    return read_delta(exact.data(), exact.size(), recorder);
}
bool reads(const Bytes &bytes)
{
    Recorder recorder;
    return reads(bytes, recorder);
}

// Looks at all that it is given, keeps nothing.
class Looker {
public:
    void set(std::int64_t key, const std::uint16_t *fields, std::size_t count, std::uint64_t nulls, const std::int64_t *values)
    {
        ASSERT_LE(count, max_set_fields);
        for (std::size_t i = 0; i < count; i++) {
            see(fields[i] + static_cast<std::uint64_t>(values[i]));
            ASSERT_TRUE((nulls >> i & 1) == 0 || values[i] == 0);
        }
        see(static_cast<std::uint64_t>(key));
    }
    void keys_begin(ChangeKind kind, std::uint16_t field, std::int32_t code)
    {
        ASSERT_TRUE(std::count(std::begin(key_kinds), std::end(key_kinds), kind) == 1);
        ASSERT_TRUE(code == 0 || kind == ChangeKind::join || kind == ChangeKind::leave);
        see(field);
    }
    void key(std::int64_t key) { see(static_cast<std::uint64_t>(key)); }
    void events_begin(std::uint16_t field) { see(field); }
    void events(std::int64_t key, std::uint64_t count, std::int64_t first, std::int64_t last)
    {
        see(static_cast<std::uint64_t>(key) + count + static_cast<std::uint64_t>(first) + static_cast<std::uint64_t>(last));
    }

    std::uint64_t seen = 0;

private:
    void see(std::uint64_t value) { seen = seen * 31 + value; }
};

// Changes a few bytes, often those that say how much follows, or where the row ends.
void damage(Bytes &row, Random &random)
{
    if (random() % 8 == 0)
        row.resize(random() % (row.size() + 20), static_cast<unsigned char>(random()));
    for (std::size_t change = 1 + random() % 3; change > 0 && !row.empty(); change--) {
        unsigned char &byte = row[random() % 3 ? random() % row.size() : random() % std::min<std::size_t>(row.size(), 12)];
        byte = static_cast<unsigned char>(random() % 2 ? byte ^ 1 << random() % 8 : random() % 4 ? random() : 255);
    }
}

} // namespace

TEST(Delta, SetsOfAnyFieldsAreReadAsWritten)
{
    Random random(1);
    ChangeList all;
    for (std::size_t count = 0; count <= max_set_fields; count++) {
        std::vector<std::uint16_t> fields(count);
        std::iota(fields.begin(), fields.end(), static_cast<std::uint16_t>(random()));
        std::shuffle(fields.begin(), fields.end(), random);
        ChangeList changes;
        const std::uint64_t none = 0;
        for (std::uint64_t nulls : {none, ~none, none + 0x5555555555555555, none + 1, ~none << 63, ~none >> 1, std::uint64_t(random())}) {
            for (std::size_t from = 0; from < extremes.size(); from++) {
                Numbers values(count);
                for (std::size_t i = 0; i < count; i++)
                    values[i] = extremes[(from + i) % extremes.size()];
                changes.push_back(set_of(fields, extremes[from], nulls, values));
            }
        }
        check(changes);
        std::move(changes.begin(), changes.end(), std::back_inserter(all));
    }
    check(all);
}

TEST(Delta, NullsLeaveTheValueBeforeThem)
{
    const std::vector<std::uint16_t> fields = {3, 65535};
    const ChangeList changes = {
        set_of(fields, 1, 0, {1000000, INT64_MAX}), set_of(fields, 2, 1, {0, INT64_MIN}), set_of(fields, 3, 3, {0, 0}),
        set_of(fields, 4, 2, {1000001, 0}),         set_of(fields, 5, 0, {1000002, 5}),
    };
    const std::vector<Bytes> rows = check(changes);
    // version, group of 6 + 2 * 2 bytes; keys and NULLs are a byte each, 1000001 and 1000002 one more than the one before
    EXPECT_EQ(rows[0].size(), std::size_t(1 + 10 + 5 * 2 + 3 + 1 + 1 + (10 + 1 + 10)));
}

TEST(Delta, KeysOfAnyOrderAreReadAsWritten)
{
    ChangeList all;
    for (const Numbers &keys : key_orders) {
        for (ChangeKind kind : key_kinds) {
            for (std::uint16_t field : {0, 1, 255, 256, 65535}) {
                for (std::int32_t code : {0, 1, -1, 65535, 65536, INT32_MIN, INT32_MAX}) {
                    const bool of_set = kind == ChangeKind::join || kind == ChangeKind::leave;
                    ChangeList changes;
                    for (std::int64_t key : keys)
                        changes.push_back(key_of(kind, field, of_set ? code : 0, key));
                    check(changes);
                    std::move(changes.begin(), changes.end(), std::back_inserter(all));
                }
            }
        }
    }
    check(all);
}

TEST(Delta, EventsAreReadAsWritten)
{
    ChangeList changes;
    std::size_t key = 0;
    for (std::uint64_t count : {std::uint64_t(0), std::uint64_t(1), std::uint64_t(127), std::uint64_t(128), std::uint64_t(UINT32_MAX), UINT64_MAX})
        for (std::int64_t first : extremes)
            for (std::int64_t last : extremes)
                changes.push_back(events_of(65535, extremes[key++ % extremes.size()], count, first, last));
    check(changes);
    check({events_of(0, 5, 1, 10, 10)});
    check({events_of(7, 5, 2, 20, 10)}); // the first need not be before the last
}

TEST(Delta, OfTheCodeOnlySetsSpeak)
{
    Packer packer;
    packer.begin(key_of(ChangeKind::join, 4, -7, 0));
    packer.add(key_of(ChangeKind::join, 4, -7, 1));
    packer.begin(key_of(ChangeKind::gone, 0, 0, 0));
    packer.add(key_of(ChangeKind::gone, 0, 0, 2));
    packer.finish();
    EXPECT_EQ(unpacked(packer.rows), (ChangeList{key_of(ChangeKind::join, 4, -7, 1), key_of(ChangeKind::gone, 0, 0, 2)}));
}

TEST(Delta, ManyGroupsInTurn)
{
    ChangeList changes;
    for (int i = 0; i < 3000; i++) {
        changes.push_back(key_of(ChangeKind::join, 5, i, i));
        changes.push_back(set_of({1, 2}, i, i & 3, {i, -i}));
        changes.push_back(key_of(ChangeKind::leave, 5, i - 1, i));
        changes.push_back(events_of(9, -i, 1, i * 1000, i * 2000));
        changes.push_back(key_of(ChangeKind::gone, 0, 0, i));
        changes.push_back(set_of({}, i, 0, {}));
        changes.push_back(key_of(ChangeKind::dirty, 2, 0, i));
    }
    check_full(changes, 50);
}

TEST(Delta, FullGroupsGoOnInTheNextRow)
{
    Random random(2);
    ChangeList keys, joins, few, many, worst, counts;
    std::vector<std::uint16_t> fields(max_set_fields);
    std::iota(fields.begin(), fields.end(), 1);
    for (std::int64_t i = 0; i < 30000; i++) {
        keys.push_back(key_of(ChangeKind::gone, 0, 0, i));
        joins.push_back(key_of(ChangeKind::join, 3, 12345678, i % 2 ? INT64_MIN : INT64_MAX - i));
        few.push_back(set_of({7}, i, random() % 4 == 0, {static_cast<std::int64_t>(random() % 1000)}));
        counts.push_back(events_of(4, i * 3, random() % 5, 1000000 + i, 1000000 + i * 2));
    }
    for (std::int64_t i = 0; i < 600; i++) {
        many.push_back(set_of(fields, i, random(), Numbers(max_set_fields, i)));
        worst.push_back(set_of(fields, i % 2 ? INT64_MIN : 0, 0, Numbers(max_set_fields, i % 2 ? INT64_MIN : 0)));
    }
    check_full(keys, 20);
    check_full(joins, 20);
    check_full(few, 8 + 20);
    check_full(counts, 40);
    check_full(many, 8 + 10 + 640);
    check_full(worst, 8 + 10 + 640);
    // each row ends where the next member finds no room, wherever that is
    for (std::int64_t before = 1; before <= 30; before++) {
        ChangeList mixed(keys.begin(), keys.begin() + 7000 + before * 29);
        mixed.push_back(worst[1]);
        mixed.insert(mixed.end(), joins.begin(), joins.begin() + before);
        mixed.insert(mixed.end(), counts.begin(), counts.begin() + before);
        check(mixed);
    }
}

TEST(Delta, EmptyGroupsLeaveNoTrace)
{
    Random random(3);
    Packer nothing;
    nothing.finish();
    for (int i = 0; i < 1000; i++)
        nothing.begin(any_group(random));
    nothing.finish();
    nothing.finish();
    EXPECT_TRUE(nothing.rows.empty());

    const ChangeList changes = any_changes(300, 30, random);
    Packer packer;
    const Change *before = nullptr;
    for (const Change &change : changes) {
        if (before == nullptr || !same_group(*before, change)) {
            for (std::size_t empty = random() % 4; empty > 0; empty--)
                packer.begin(any_group(random));
            packer.begin(change);
        }
        packer.add(change);
        before = &change;
    }
    packer.begin(any_group(random));
    packer.finish();
    EXPECT_EQ(packer.rows, check(changes));
}

TEST(Delta, MoreMayFollowWhatWasHandedOn)
{
    const ChangeList changes = {
        key_of(ChangeKind::join, 1, 2, 100),
        key_of(ChangeKind::join, 1, 2, 101),
        set_of({4}, 7, 0, {INT64_MIN}),
        set_of({4}, 8, 0, {INT64_MAX}),
    };
    Packer packer;
    packer.begin(changes[0]);
    packer.add(changes[0]);
    packer.finish();
    EXPECT_EQ(packer.rows.size(), 1u);
    packer.add(changes[1]);
    packer.begin(changes[2]);
    packer.add(changes[2]);
    packer.finish();
    packer.add(changes[3]);
    packer.finish();
    EXPECT_EQ(packer.rows.size(), 3u);
    EXPECT_EQ(unpacked(packer.rows), changes);
}

TEST(Delta, AnyChangesAreReadAsWritten)
{
    Random random(4);
    for (int i = 0; i < 300; i++)
        check(any_changes(1 + random() % 20, 1 + random() % 100, random));
    for (int i = 0; i < 5; i++)
        check(any_changes(200, 200, random));
}

TEST(Delta, TruncationIsSeenOrEndsAtAGroup)
{
    Random random(5);
    for (int i = 0; i < 20; i++) {
        const ChangeList changes = any_changes(1 + random() % 6, 1 + random() % 20, random);
        std::size_t groups = 0;
        for (std::size_t at = 0; at < changes.size(); at++)
            groups += at == 0 || !same_group(changes[at - 1], changes[at]);
        const std::vector<Bytes> rows = packed(changes);
        if (rows.size() != 1)
            continue;
        std::size_t read = 0;
        for (std::size_t size = 0; size < rows[0].size(); size++) {
            Recorder recorder;
            read += reads(Bytes(rows[0].begin(), rows[0].begin() + std::ptrdiff_t(size)), recorder);
            ASSERT_LE(recorder.changes.size(), changes.size());
            ASSERT_TRUE(std::equal(recorder.changes.begin(), recorder.changes.end(), changes.begin())) << size;
        }
        EXPECT_EQ(read, groups); // after the version, and after each group but the last
    }
    // a full row
    const Bytes row = packed(any_changes(200, 100, random))[0];
    for (std::size_t size = 0; size <= row.size(); size++) {
        const Bytes part(row.begin(), row.begin() + std::ptrdiff_t(size));
        Looker looker;
        EXPECT_TRUE(read_delta(part.data(), part.size(), looker) || size < row.size());
    }
}

TEST(Delta, DamageIsRefusedOrRead)
{
    Random random(6);
    std::size_t read = 0;
    std::vector<Bytes> rows;
    for (int i = 0; i < 200; i++)
        rows.push_back(packed(any_changes(1 + random() % 6, 1 + random() % 12, random))[0]);
    for (int i = 0; i < 100000; i++) {
        Bytes row = rows[random() % rows.size()];
        damage(row, random);
        const Bytes exact(row.begin(), row.end());
        Looker looker;
        read += read_delta(exact.data(), exact.size(), looker);
    }
    EXPECT_GT(read, 10000u);
    EXPECT_LT(read, 90000u);
}

TEST(Delta, AnyBytesAreRefusedOrRead)
{
    Random random(7);
    for (int i = 0; i < 20000; i++) {
        Bytes bytes(random() % 200);
        for (unsigned char &byte : bytes)
            byte = static_cast<unsigned char>(random() % 3 ? random() % 7 : random());
        if (!bytes.empty())
            bytes[0] = 1;
        reads(bytes);
    }
}

TEST(Delta, RefusesWhatIsNoRow)
{
    const auto with_varint = [](const Bytes &key) {
        Bytes row = {1, 2, 0, 0, 1, 0};
        std::copy(key.begin(), key.end(), std::back_inserter(row));
        return row;
    };
    EXPECT_TRUE(reads({1}));
    EXPECT_TRUE(reads(with_varint({10})));
    EXPECT_TRUE(reads(with_varint({255, 255, 255, 255, 255, 255, 255, 255, 255, 1})));
    EXPECT_TRUE(reads(with_varint({128, 128, 0})));
    EXPECT_FALSE(reads(Bytes()));
    Recorder recorder;
    EXPECT_FALSE(read_delta(nullptr, 0, recorder));
    for (int version : {0, 2, 255})
        EXPECT_FALSE(reads({static_cast<unsigned char>(version), 2, 0, 0, 1, 0, 10})) << version;
    for (int kind : {0, 7, 8, 128, 255})
        EXPECT_FALSE(reads({1, static_cast<unsigned char>(kind), 0, 0, 1, 0, 10, 0, 0, 0, 0})) << kind;
    for (unsigned char kind = 1; kind <= 6; kind++)
        EXPECT_FALSE(reads({1, kind, 0, 0, 0, 0})) << "no members of kind " << int(kind);
    EXPECT_FALSE(reads({1, 2, 0, 0, 2, 0, 10})) << "a member too few";
    EXPECT_FALSE(reads({1, 2, 0, 0, 255, 255, 10})) << "many members too few";
    EXPECT_FALSE(reads({1, 2, 0, 0, 1, 0, 10, 10})) << "a byte too many";
    EXPECT_FALSE(reads(with_varint({128}))) << "a number that does not end";
    EXPECT_FALSE(reads(with_varint({255, 255, 255, 255, 255, 255, 255, 255, 255, 2}))) << "a number of 65 bits";
    EXPECT_FALSE(reads(with_varint({128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 0}))) << "a number of 11 bytes";
    for (std::size_t fields : {64, 65, 255}) {
        Bytes row = {1, 1, 0, 0, 1, 0, static_cast<unsigned char>(fields)};
        row.resize(row.size() + 2 * fields + 1 + (fields + 7) / 8, 0xFF);
        row[7 + 2 * fields] = 10;
        EXPECT_EQ(reads(row), fields == 64) << fields << " fields, no values";
    }
}

} // namespace segments
