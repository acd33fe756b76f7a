// The border between C++ exceptions and PostgreSQL errors.
//
// PostgreSQL leaves functions by longjmp, which skips destructors; C++ exceptions must not pass through PostgreSQL.
// So code that can throw runs inside guarded(), which holds no PostgreSQL call that can raise an error, and code that
// calls PostgreSQL keeps only trivially destructible things (rule trees, palloc'd memory) alive.
#pragma once

#include "postgres.hpp"

namespace segments {

// A rule tree's memory inside a PostgreSQL memory context; throws std::bad_alloc instead of raising an error.
class ContextArena final : public Arena {
public:
    explicit ContextArena(MemoryContext context) : context_(context) {}
    void *allocate(std::size_t size) override;

private:
    MemoryContext context_;
};

// What an exception said, in plain memory of CurrentMemoryContext, to be raised after the catch block is left.
struct Caught {
    int sqlstate = 0;
    const char *message = nullptr;
    const char *path = nullptr; // JSON path, or null
    const char *hint = nullptr; // or null
};

int sqlstate_of(State state);

// Copies the exception being handled. Call inside a catch block only.
Caught caught() noexcept;

// Raises it: DETAIL begins with "At <path>".
[[noreturn]] void raise(const Caught &what);

// Runs pure C++ work; an exception becomes a PostgreSQL error once no C++ object is alive any more.
template <typename Work> void guarded(Work &&work)
{
    Caught what;
    try {
        work();
        return;
    } catch (...) {
        what = caught();
    }
    raise(what);
}

// A palloc'd, NUL-terminated copy.
char *copy(std::string_view text);

// Raises a refused rule: SQLSTATE, message, DETAIL "At <path>", hint (may be null).
[[noreturn]] void refuse(int sqlstate, std::string_view path, const char *message, const char *hint = nullptr);

// Makes search_path "pg_catalog, pg_temp" until leave_safe_path; an error restores it by itself.
int enter_safe_path();
void leave_safe_path(int level);

} // namespace segments

// Defines a C function that SQL can call. Inside extern "C".
#define SEGMENTS_FUNCTION(name)                                                                                                        \
    PGDLLEXPORT Datum name(PG_FUNCTION_ARGS);                                                                                          \
    PG_FUNCTION_INFO_V1(name);                                                                                                         \
    Datum name([[maybe_unused]] PG_FUNCTION_ARGS)
