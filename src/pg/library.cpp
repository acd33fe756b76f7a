// What happens when the library is loaded.
#include "asking_call.hpp"
#include "boundary.hpp"
#include "index.hpp"

extern "C" {

PGDLLEXPORT void _PG_init(void);

void _PG_init(void)
{
    segments::define_index_settings();
    segments::define_index_scan();
}

} // extern "C"
