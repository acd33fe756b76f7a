// What the unit tests share: memory for rules, and short ways to ask what a text reads as.
#pragma once

#include <fstream>
#include <memory>
#include <optional>
#include <ostream>

#include <gtest/gtest.h>

#include "json.hpp"
#include "rule.hpp"

namespace segments {

// Gives exactly what is asked for, so that AddressSanitizer sees every byte beyond.
class HeapArena final : public Arena {
public:
    ~HeapArena() = default;

    void *allocate(std::size_t size) override
    {
        pieces_.emplace_back(static_cast<char *>(::operator new(size, std::align_val_t(16))));
        bytes_ += size;
        return pieces_.back().get();
    }

    std::size_t bytes() const { return bytes_; }

private:
    struct Delete {
        void operator()(char *piece) const { ::operator delete(piece, std::align_val_t(16)); }
    };
    std::vector<std::unique_ptr<char, Delete>> pieces_;
    std::size_t bytes_ = 0;
};

inline std::ostream &operator<<(std::ostream &out, State state)
{
    constexpr const char *names[] = {"malformed", "refused",    "unknown_field", "unknown_operator",
                                     "bad_date",  "date_range", "limit"};
    return out << names[static_cast<std::size_t>(state)];
}

// The canonical form of a text that must be a rule; "" and a failure where it is refused.
inline std::string canonical(const std::string &json)
{
    HeapArena arena;
    try {
        return write_rule(*read_rule(json, arena));
    } catch (const RuleError &error) {
        const Problem &problem = error.problem();
        ADD_FAILURE() << json.substr(0, 1000) << "\nrefused at " << problem.path << ": " << problem.message;
        return "";
    }
}

// The first problem of a text; none where it is a rule.
inline std::optional<Problem> first_problem(const std::string &json)
{
    HeapArena arena;
    try {
        read_rule(json, arena);
        return std::nullopt;
    } catch (const RuleError &error) {
        return error.problem();
    }
}

// All problems of a text.
inline std::vector<Problem> all_problems(const std::string &json)
{
    HeapArena arena;
    std::vector<Problem> problems;
    read_rule(json, arena, &problems);
    return problems;
}

// JSON text of a tree, as it was read: duplicate keys, order and digits kept.
inline std::string to_text(const Json &json)
{
    std::string out;
    switch (json.kind) {
    case JsonKind::null:
        return "null";
    case JsonKind::boolean:
        return json.boolean ? "true" : "false";
    case JsonKind::number:
        return std::string(json.text());
    case JsonKind::string:
        write_string(out, json.text());
        return out;
    case JsonKind::array:
    case JsonKind::object:
        break;
    }
    const bool object = json.kind == JsonKind::object;
    for (std::size_t i = 0; i < json.size; i++) {
        out += i == 0 ? "" : object && i % 2 == 1 ? ":" : ",";
        out += to_text(json.items()[i]);
    }
    return object ? "{" + out + "}" : "[" + out + "]";
}

// The "rules" of each line of a case file.
inline std::vector<std::string> read_cases(const char *name)
{
    std::ifstream file(std::string(ORACLE_FOLDER) + "/" + name);
    std::vector<std::string> rules;
    for (std::string line; std::getline(file, line);) {
        std::pmr::monotonic_buffer_resource memory;
        rules.push_back(to_text(*find_key(read_json(line, memory), "rules")));
    }
    return rules;
}

} // namespace segments
