// Trying a type's input function. See input.hpp.
#include "input.hpp"

#include "boundary.hpp"

#include <csetjmp>

extern "C" {
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "utils/resowner.h"
}

namespace segments {

// What is tried: an input function, or with no type the compilation of a regular expression.
static void attempt(Oid type, const char *text)
{
    if (!OidIsValid(type)) {
        DirectFunctionCall2Coll(textregexeq, DEFAULT_COLLATION_OID, PointerGetDatum(cstring_to_text("")), PointerGetDatum(cstring_to_text(text)));
        return;
    }
    Oid function, parameter;
    getTypeInputInfo(type, &function, &parameter);
    OidInputFunctionCall(function, const_cast<char *>(text), parameter, -1);
}

// Tries; the error that was raised, in `context`, or null.
static ErrorData *input_error(Oid type, const char *text, MemoryContext context)
{
    sigjmp_buf *saved_stack = PG_exception_stack;
    ErrorContextCallback *saved_callbacks = error_context_stack;
    ErrorData *volatile error = nullptr;
    sigjmp_buf here;
    if (sigsetjmp(here, 0) == 0) {
        PG_exception_stack = &here;
        attempt(type, text);
    } else {
        PG_exception_stack = saved_stack;
        error_context_stack = saved_callbacks;
        MemoryContextSwitchTo(context);
        error = CopyErrorData();
        FlushErrorState();
    }
    PG_exception_stack = saved_stack;
    error_context_stack = saved_callbacks;
    return error;
}

// Whether an error speaks of the value that was tried: not a cancellation, a lack of memory, or a transaction that must be tried again.
static bool speaks_of_value(const ErrorData *error)
{
    int category = ERRCODE_TO_CATEGORY(error->sqlerrcode);
    return category != ERRCODE_OPERATOR_INTERVENTION && category != ERRCODE_INSUFFICIENT_RESOURCES && category != ERRCODE_TRANSACTION_ROLLBACK;
}

// What would have been taken.
static const char *input_hint(Oid type)
{
    return OidIsValid(type) ? psprintf("Give a value of type %s.", format_type_be(type)) : "Give a PostgreSQL regular expression.";
}

bool accepts_input(Coercion &to, Oid type, const char *text, std::string_view path)
{
    MemoryContext context = CurrentMemoryContext;
    if (to.findings == nullptr) {
        ErrorData *error = input_error(type, text, context);
        if (error == nullptr)
            return true;
        if (speaks_of_value(error)) {
            error->detail = psprintf("At %s", copy(path));
            if (error->hint == nullptr)
                error->hint = const_cast<char *>(input_hint(type));
        }
        ReThrowError(error);
    }
    // The error is swallowed here, so what the function did until then is rolled back.
    ResourceOwner owner = CurrentResourceOwner;
    BeginInternalSubTransaction(nullptr);
    MemoryContextSwitchTo(context);
    ErrorData *error = input_error(type, text, context);
    if (error == nullptr)
        ReleaseCurrentSubTransaction();
    else
        RollbackAndReleaseCurrentSubTransaction();
    MemoryContextSwitchTo(context);
    CurrentResourceOwner = owner;
    if (error == nullptr)
        return true;
    if (!speaks_of_value(error))
        ReThrowError(error);
    complain(to, error->sqlerrcode, path, error->hint ? error->hint : input_hint(type), "%s", error->message);
    return false;
}

bool accepts_regex(Coercion &to, const char *text, std::string_view path)
{
    return accepts_input(to, InvalidOid, text, path);
}

} // namespace segments
