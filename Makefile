# segments: audience segments inside PostgreSQL. `make && make install` builds with PGXS; `make demo` and `make check` need nothing but Debian.
EXTENSION = segments
EXTVERSION = 0.1.0
MODULE_big = segments

# The install script is kept in parts, one per topic, put together in this order.
SQL_PARTS = $(addprefix src/sql/,schema.sql rule.sql catalog.sql translating.sql asking.sql describing.sql builder.sql named.sql suppression.sql events.sql index_tables.sql index.sql index_ddl.sql index_status.sql verify.sql ddl.sql rights.sql)
DATA_built = segments--$(EXTVERSION).sql
DATA = $(wildcard src/sql/segments--*--*.sql)

OBJS = $(patsubst %.cpp,%.o,$(wildcard src/rule/*.cpp src/bits/*.cpp src/pg/*.cpp))
EXTRA_CLEAN = segments--$(EXTVERSION).sql build

PG_CONFIG ?= pg_config
# PostgreSQL's headers are C, and say gnu_printf, which clang does not know.
PG_CPPFLAGS = -DSEGMENTS_VERSION='"$(EXTVERSION)"'
PG_CXXFLAGS = -std=gnu++20 -fvisibility=hidden -Wall -Wextra -Werror -Wno-register -Wno-ignored-attributes
SHLIB_LINK = -lstdc++

# Goals that bring what they need: PostgreSQL may be missing when they begin.
# check runs every part but backend-sanitizers; the parts by name run alone; matrix runs those that PostgreSQL's version touches on 16, 17 and 18. installcheck asks the server of the environment (PGHOST, PGPORT, …).
CHECK_PARTS = build clang unit sanitizers fuzz regress isolation tap oracle generator docs demo-check scale backend-sanitizers
OWN_GOALS = demo demo-stop psql bench check matrix $(CHECK_PARTS) installcheck

ifneq ($(filter $(OWN_GOALS),$(MAKECMDGOALS)),)
.PHONY: $(OWN_GOALS)
demo: ; @test/demo/run
demo-stop: ; @test/server demo stop
psql: ; @test/server demo psql
bench: ; @test/bench/run $(N)
check: ; @test/check
matrix: ; @test/matrix
installcheck: ; @test/check --here regress
$(CHECK_PARTS): ; @test/check $@
else

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifneq ($(wildcard $(PGXS)),)
# PGXS would run pg_regress with one database for all tests; test/check gives each its own.
NO_INSTALLCHECK = 1
# Bitcode would need the C++ flags a second time and buys nothing here: what runs per row is an expression that PostgreSQL itself compiles.
override with_llvm = no
include $(PGXS)
# PGXS' own flags are C's; keep its optimisation, drop what C++ does not know.
override CXXFLAGS := $(filter-out -W%,$(CXXFLAGS)) $(PG_CXXFLAGS)
else
all install:
	@echo "PostgreSQL's server headers are missing (pg_config --pgxs): apt-get install postgresql-server-dev-15, or set PG_CONFIG" >&2; exit 1
endif

segments--$(EXTVERSION).sql: $(SQL_PARTS)
	cat $^ > $@

# Headers are few: any change rebuilds all.
$(OBJS): $(wildcard src/rule/*.hpp src/bits/*.hpp src/pg/*.hpp)
endif
