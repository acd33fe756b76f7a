// What differs between PostgreSQL 15 and 18, written once, as the newest version has it.
#pragma once

#if PG_VERSION_NUM < 150000
#error "segments needs PostgreSQL 15 or newer"
#endif

#if PG_VERSION_NUM < 160000
// Soft errors arrived with 16: before, an input error is an error.
#define ereturn(context, dummy, ...) ereport(ERROR, __VA_ARGS__)
#endif
