// What the parts of the rule reader share: the path being read, problems found, memory of the tree.
//
// reader.cpp decides the dialect at the root; reader_jqqb.cpp and reader_rqb.cpp read that dialect's groups,
// reader_leaf.cpp the leaves, reader_event.cpp those about events, reader_match.cpp those about elements, and reader_value.cpp
// their values.
#pragma once

#include <cstring>
#include <new>
#include <optional>

#include "json.hpp"
#include "operators.hpp"

namespace segments {

// Hands out small pieces of an arena's larger ones.
class Pool {
public:
    explicit Pool(Arena &arena) : arena_(arena) {}

    void *allocate(std::size_t size, std::size_t alignment);
    std::string_view copy(std::string_view text);

    // A copy of one thing in the arena.
    template <typename T> T *copy_one(const T &one)
    {
        static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);
        return new (allocate(sizeof(T), alignof(T))) T(one);
    }

    // A copy of a list in the arena.
    template <typename T> std::span<T> copy(const std::vector<T> &list)
    {
        static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);
        if (list.empty())
            return {};
        T *items = static_cast<T *>(allocate(list.size() * sizeof(T), alignof(T)));
        std::memcpy(static_cast<void *>(items), list.data(), list.size() * sizeof(T));
        return {items, list.size()};
    }

private:
    Arena &arena_;
    char *next_ = nullptr;
    std::size_t left_ = 0;
    std::size_t chunk_ = 512; // of the next piece taken from the arena; doubles
};

enum class Dialect : std::uint8_t { jqqb, rqb };

// Keys that a group or leaf may have.
struct Keys {
    std::span<const std::string_view> read;
    std::span<const std::string_view> ignored;
};

// What a rule looks like, for hints. Messages are ASCII, for they go to databases in any encoding.
constexpr const char *group_form = "A group is {\"condition\": \"AND\", \"rules\": [...]}.";
constexpr const char *leaf_form = "A leaf is {\"field\": ..., \"operator\": ..., \"value\": ...}.";
constexpr const char *boolean_form = "Write true or false, without quotes.";

class Reader {
public:
    Reader(Arena &arena, std::vector<Problem> *problems) : pool_(arena), problems_(problems) {}

    // The rule of a JSON text's root.
    Rule *read(const Json &root);

    // The event leaf of a JSON text's root, without operator and value.
    Node *read_measure(const Json &root);

private:
    // One step of the JSON path, for as long as it lives.
    class Step {
    public:
        Step(Reader &reader, std::string_view step) : path_(reader.path_), size_(path_.size()) { path_ += step; }
        Step(Reader &reader, std::size_t index) : Step(reader, "[" + std::to_string(index) + "]") {}
        Step(const Step &) = delete;
        Step &operator=(const Step &) = delete;
        ~Step() { path_.resize(size_); }

    private:
        std::string &path_;
        std::size_t size_;
    };

    // reader.cpp
    Node read_root(const Json &root, Rule &rule);
    Node read_root_group(const Json &root);
    Node read_root_list(const Json &root);
    Node read_single(const Json &root);
    bool names_foreign_format(const Json &root);
    void read_root_keys(const Json &root, Rule &rule);
    std::string_view read_root_text(const Json &root, const char *key, std::string_view &path);
    void check_size(const Node &node, std::size_t depth);
    bool check_keys(const Json &object, const Keys &keys, bool root);
    void report_unknown_key(std::string_view key, const Keys &keys, bool root);
    std::optional<Node> read_element(const Json &element, std::size_t depth);
    std::optional<Node> read_group(const Json &group, std::size_t depth);
    bool read_boolean(const Json &object, const char *key);
    bool read_connective(const Json &word, bool &any);
    Node finish_group(std::vector<Node> &children, bool any, bool negated, bool empty);
    void count_node(std::size_t depth);

    // reader_jqqb.cpp
    Node read_jqqb_group(const Json &group, std::size_t depth);
    void check_valid(const Json &object);

    // reader_rqb.cpp
    Node read_rqb_group(const Json &group, std::size_t depth);
    Node read_rqb_independent(const Json &group, const Json &rules, std::size_t depth);
    bool read_combinator(const Json &element, bool &any);
    Node join_runs(std::vector<Node> &children, const std::vector<bool> &any, bool negated, bool empty);
    bool skipped(const Json &element);

    // reader_leaf.cpp
    std::optional<Node> read_leaf(const Json &leaf, std::size_t depth, bool root);
    std::optional<Node> read_own_leaf(const Json &leaf, std::string_view kind, std::size_t depth, bool root);
    bool check_own_keys(const Json &leaf, std::initializer_list<std::string_view> read, bool root);
    bool read_list_leaf(const Json &list, Node &node);
    bool read_field(const Json &leaf, Node &node);
    bool read_operator(const Json &leaf, Node &node);
    bool read_value_source(const Json &leaf, Node &node);
    bool read_modifiers(const Json &leaf, Node &node);

    // reader_match.cpp
    bool read_match_leaf(const Json &leaf, const Json &match, Node &node, std::size_t depth);
    bool read_match(const Json &match, Match &result);
    bool read_threshold(const Json &match, Match &result);
    bool read_inner(const Json &json, const char *kind, Node *&group, std::size_t depth);

    // reader_event.cpp
    bool read_event_leaf(const Json &leaf, Node &node, std::size_t depth, bool compared);
    bool read_sequence(const Json &leaf, Node &node, std::size_t depth);
    bool read_step(const Json &json, SequenceStep &step, std::size_t depth, bool first, bool last);
    bool read_event_name(const Json *name, std::string_view &event, std::string_view &path);
    bool read_measure(const Json &leaf, Behaviour &behaviour);
    bool read_comparison(const Json &leaf, Node &node);
    bool read_window(const Json &leaf, Window &window);
    bool read_bound(const Json &window, const char *key, Value *&bound);
    bool read_span(const Json &json, const char *key, Span &span);
    bool read_where(const Json &owner, Node *&where, std::size_t depth);

    // reader_value.cpp
    bool read_values(const Json &leaf, Node &node);
    bool read_list(const Json &json, bool split, std::vector<Value> &values);
    bool read_value(const Json &json, Value &value);
    bool read_relative(const Json &json, Value &value);
    bool read_offset(const Json *json, Value &value);
    bool check_values(const Node &node);
    bool check_whole(const Value &value, Operator op, std::int64_t most);
    std::string_view element_path(std::string_view list_path);

    // Adds a problem at the current path, or throws it where only the first is asked for; false.
    bool report(State state, std::string message, std::string hint);
    bool report_at(std::string_view path, State state, std::string message, std::string hint);
    // Throws a problem that ends the reading.
    [[noreturn]] void give_up(State state, std::string message, std::string hint);

    Pool pool_;
    std::vector<Problem> *problems_;
    std::string path_ = "$";
    Dialect dialect_ = Dialect::jqqb;
    const char *inside_ = nullptr; // "where", "match": reading what one event or one element must satisfy
    bool implied_and_ = false;     // the root had no condition, so groups below need none
    std::size_t nodes_ = 0;
    std::size_t element_path_bytes_ = 0;
};

// Whether text is a lower-case word of letters, in any case.
bool is_word(std::string_view text, std::string_view word);

// Which of our own leaves an object is: "segment", "list", "everyone", "event", "sequence"; null where it compares a field.
const char *own_leaf(const Json &object);

// Whether a leaf is of React Query Builder's dialect, by keys that only that builder writes.
bool is_rqb_leaf(const Json &object);

// Trims what JavaScript's trim() does, at both ends.
std::string_view trim(std::string_view text);

// Splits a builder's "a, b\,c" into its parts: at commas without a backslash, trimmed, blank parts dropped.
std::vector<std::string> split_list(std::string_view text);

} // namespace segments
