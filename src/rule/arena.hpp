// Memory that is freed all at once. No PostgreSQL in here.
#pragma once

#ifdef POSTGRES_H
#error "src/rule is free of PostgreSQL: include it before postgres.h"
#endif

#include <cstddef>

namespace segments {

// Memory of a rule tree, or of changes. All of it is freed at once by the owner; what lies in it has no destructors,
// so it may live across calls that leave by longjmp. allocate() gives 16-byte aligned memory or throws std::bad_alloc.
class Arena {
public:
    virtual void *allocate(std::size_t size) = 0;

protected:
    ~Arena() = default;
};

} // namespace segments
