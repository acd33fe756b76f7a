// What the tests of packed changes share: changes as plain values, packing them, and reading them again.
#pragma once

#include <cstdlib>
#include <utility>
#include <vector>

#include "delta.hpp"

namespace segments {

using Bytes = std::vector<unsigned char>;

// What became of one member, with all that its group says of it.
struct Change {
    ChangeKind kind = ChangeKind::set;
    std::uint16_t field = 0;           // or source; not of a set
    std::int32_t code = 0;             // join, leave
    std::vector<std::uint16_t> fields; // set
    std::int64_t key = 0;
    std::uint64_t nulls = 0;          // set
    std::vector<std::int64_t> values; // set: of each field, 0 where it is NULL
    std::uint64_t count = 0;          // events
    std::int64_t first = 0, last = 0; // events

    bool operator==(const Change &) const = default;
};

using ChangeList = std::vector<Change>;

// Whether both may stand in one group.
inline bool same_group(const Change &a, const Change &b)
{
    return a.kind == b.kind && a.field == b.field && a.code == b.code && a.fields == b.fields;
}

// The visitor that notes what is read.
class Recorder {
public:
    ChangeList changes;

    void set(std::int64_t key, const std::uint16_t *fields, std::size_t count, std::uint64_t nulls, const std::int64_t *values)
    {
        Change change;
        change.fields.assign(fields, fields + count);
        change.key = key;
        change.nulls = count < 64 ? nulls & ((std::uint64_t(1) << count) - 1) : nulls;
        change.values.assign(values, values + count);
        changes.push_back(std::move(change));
    }
    void keys_begin(ChangeKind kind, std::uint16_t field, std::int32_t code)
    {
        group_ = {};
        group_.kind = kind;
        group_.field = field;
        group_.code = code;
    }
    void key(std::int64_t key)
    {
        group_.key = key;
        changes.push_back(group_);
    }
    void events_begin(std::uint16_t field) { keys_begin(ChangeKind::events, field, 0); }
    void events(std::int64_t key, std::uint64_t count, std::int64_t first, std::int64_t last)
    {
        group_.count = count;
        group_.first = first;
        group_.last = last;
        this->key(key);
    }

private:
    Change group_;
};

// Packs changes and keeps the rows.
class Packer {
public:
    std::vector<Bytes> rows;

    Packer() : writer_(keep, this) {}
    Packer(const Packer &) = delete;

    // Begins the group of a change.
    void begin(const Change &change)
    {
        switch (change.kind) {
        case ChangeKind::set:
            return writer_.begin_set(change.fields.data(), change.fields.size());
        case ChangeKind::gone:
        case ChangeKind::dirty:
            return writer_.begin_keys(change.kind, change.field);
        case ChangeKind::join:
        case ChangeKind::leave:
            return writer_.begin_keys(change.kind, change.field, change.code);
        case ChangeKind::events:
            return writer_.begin_events(change.field);
        }
        std::abort();
    }

    // Adds to the group that was begun.
    void add(const Change &change)
    {
        switch (change.kind) {
        case ChangeKind::set:
            return writer_.set(change.key, change.nulls, change.values.data());
        case ChangeKind::events:
            return writer_.events(change.key, change.count, change.first, change.last);
        default:
            return writer_.key(change.key);
        }
    }

    // Changes in as few groups as their order lets be.
    void put(const ChangeList &changes)
    {
        const Change *before = nullptr;
        for (const Change &change : changes) {
            if (before == nullptr || !same_group(*before, change))
                begin(change);
            add(change);
            before = &change;
        }
    }

    void finish() { writer_.finish(); }

private:
    static void keep(void *self, const unsigned char *bytes, std::size_t size) { static_cast<Packer *>(self)->rows.emplace_back(bytes, bytes + size); }

    DeltaWriter writer_;
};

// The rows of changes.
inline std::vector<Bytes> packed(const ChangeList &changes)
{
    Packer packer;
    packer.put(changes);
    packer.finish();
    return std::move(packer.rows);
}

} // namespace segments
