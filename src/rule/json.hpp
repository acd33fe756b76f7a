// A JSON text as a tree, with what JSON libraries usually lose: source digits of numbers and duplicate keys.
#pragma once

#include <cstring>
#include <memory_resource>

#include "rule.hpp"

namespace segments {

enum class JsonKind : std::uint8_t { null, boolean, number, string, array, object };

// A JSON value, 16 bytes, for lists may be long. An object's children are key, value, key, value, ...
struct Json {
    union {
        const char *bytes = nullptr; // number: source digits; string: UTF-8 without NUL
        const Json *children;        // array, object
    };
    std::uint32_t size = 0; // of bytes or children
    JsonKind kind = JsonKind::null;
    bool boolean = false;

    std::string_view text() const { return {bytes, size}; }
    std::span<const Json> items() const { return {children, size}; }

    // Whether a key is this word. Most are told apart by their first byte.
    bool is(std::string_view word) const
    {
        return size == word.size() && (size == 0 || (*bytes == word.front() && std::memcmp(bytes, word.data(), size) == 0));
    }
};

// The value of the last of an object's keys with this name, or null.
const Json *find_key(const Json &object, std::string_view key);

// What a value is, for messages: "a number", "an object", ...
const char *describe(const Json &value);

// The path step of a key: .name, or ["odd name"]; a very long key is cut.
std::string key_step(std::string_view key);

// The beginning of a text, cut between characters, "..." in place of the rest: for messages and paths.
std::string clip(std::string_view text, std::size_t longest = 60);

// Reads a whole text. Strings without escapes point into `text`, the rest lives in `memory`.
// Throws RuleError: malformed (not JSON, invalid UTF-8, NUL) or limit (nested too deep), with the path of the place.
Json read_json(std::string_view text, std::pmr::memory_resource &memory);

} // namespace segments
