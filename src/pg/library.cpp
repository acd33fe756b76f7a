// What happens when the library is loaded.
#include "asking_call.hpp"
#include "boundary.hpp"
#include "index.hpp"

extern "C" {

PGDLLEXPORT void _PG_init(void);

void _PG_init(void)
{
    // Where one of these fails, memory being short, PostgreSQL calls again when the library is next asked for: with what was done still there.
    static int done = 0;
    void (*const steps[])() = {segments::define_use_index,   segments::define_auto_compact, segments::define_index_scan,
                               segments::watch_dictionaries, segments::watch_writings,      segments::watch_requests};
    for (; done < static_cast<int>(std::size(steps)); done++)
        steps[done]();
}

} // extern "C"
