/* Loaded before the server's own libraries: makes an allocation fail. The statement that follows SELECT fail_at(n) fails at its n-th. */
#include "postgres.h"
#include "fmgr.h"

PG_MODULE_MAGIC;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static int64 calls;
static int64 failing; /* the call that fails, or 0: none, and none is counted */

/* Whether this allocation fails. */
static bool fails(void)
{
    return failing != 0 && ++calls == failing;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return fails() ? NULL : __libc_realloc(memory, size);
}

/* fail_at(bigint) → bigint: how many allocations there were since it was called before; 0 ends it. */
PG_FUNCTION_INFO_V1(fail_at);
Datum fail_at(PG_FUNCTION_ARGS)
{
    int64 counted = calls;
    failing = PG_GETARG_INT64(0);
    calls = 0;
    PG_RETURN_INT64(counted);
}
