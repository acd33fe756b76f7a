// The border between C++ exceptions and PostgreSQL errors: see boundary.hpp.
#include "boundary.hpp"

#include <cstring>

extern "C" {
#include "utils/guc.h"

PG_MODULE_MAGIC_EXT(.name = "segments", .version = SEGMENTS_VERSION);
}

namespace segments {

void *ContextArena::allocate(std::size_t size)
{
    void *memory = MemoryContextAllocExtended(context_, size ? size : 1, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
    if (memory == nullptr)
        throw std::bad_alloc();
    return memory;
}

int sqlstate_of(State state)
{
    switch (state) {
    case State::malformed:
        return ERRCODE_INVALID_TEXT_REPRESENTATION;
    case State::refused:
        return ERRCODE_INVALID_PARAMETER_VALUE;
    case State::unknown_field:
        return ERRCODE_UNDEFINED_COLUMN;
    case State::unknown_operator:
        return ERRCODE_UNDEFINED_FUNCTION;
    case State::bad_date:
        return ERRCODE_INVALID_DATETIME_FORMAT;
    case State::date_range:
        return ERRCODE_DATETIME_VALUE_OUT_OF_RANGE;
    case State::limit:
        return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
    }
    return ERRCODE_INTERNAL_ERROR;
}

// A palloc'd copy that gives null, not an error, when memory is short: safe inside a catch block.
static const char *copy_quietly(const std::string &text) noexcept
{
    if (text.empty())
        return nullptr;
    auto *memory = static_cast<char *>(
        MemoryContextAllocExtended(CurrentMemoryContext, text.size() + 1, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE));
    if (memory != nullptr)
        std::memcpy(memory, text.c_str(), text.size() + 1);
    return memory;
}

Caught caught() noexcept
{
    Caught what;
    try {
        throw;
    } catch (const RuleError &error) {
        what.sqlstate = sqlstate_of(error.problem().state);
        what.message = copy_quietly(error.problem().message);
        what.path = copy_quietly(error.problem().path);
        what.hint = copy_quietly(error.problem().hint);
    } catch (const std::bad_alloc &) {
        what.sqlstate = ERRCODE_OUT_OF_MEMORY;
        what.message = "out of memory";
    } catch (const std::exception &error) {
        what.sqlstate = ERRCODE_INTERNAL_ERROR;
        what.message = copy_quietly(error.what());
    } catch (...) {
        what.sqlstate = ERRCODE_INTERNAL_ERROR;
    }
    if (what.message == nullptr)
        what.message = "unexpected error";
    return what;
}

void raise(const Caught &what)
{
    ereport(ERROR, (errcode(what.sqlstate), errmsg("%s", what.message), what.path ? errdetail("At %s", what.path) : 0,
                    what.hint ? errhint("%s", what.hint) : 0));
    pg_unreachable();
}

char *copy(std::string_view text)
{
    return pnstrdup(text.data(), text.size());
}

void refuse(int sqlstate, std::string_view path, const char *message, const char *hint)
{
    Caught what;
    what.sqlstate = sqlstate;
    what.message = message;
    what.path = copy(path);
    what.hint = hint;
    raise(what);
}

int enter_safe_path()
{
    int level = NewGUCNestLevel();
    set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
    return level;
}

void leave_safe_path(int level)
{
    AtEOXact_GUC(true, level);
}

} // namespace segments
