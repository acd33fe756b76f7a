// Any bytes: a rule whose canonical form is stable, or an error that says where; never a crash.
//   cmake -S . -B build/fuzz -DSEGMENTS_FUZZ=ON -DCMAKE_CXX_COMPILER=clang++ && cmake --build build/fuzz
//   build/fuzz/rule_fuzz test/fuzz/corpus
#include <cstdlib>
#include <memory>
#include <new>

#include "operators.hpp"
#include "reader.hpp"
#include "text.hpp"

namespace {

class HeapArena final : public segments::Arena {
public:
    void *allocate(std::size_t size) override
    {
        pieces_.emplace_back(std::make_unique<Piece[]>((size + sizeof(Piece) - 1) / sizeof(Piece)));
        return pieces_.back().get();
    }

private:
    struct alignas(16) Piece {
        char bytes[16];
    };
    std::vector<std::unique_ptr<Piece[]>> pieces_;
};

void require(bool condition)
{
    if (!condition)
        std::abort();
}

// The canonical form of a rule, or of an event field's leaf; false where it is refused.
using Print = std::string (*)(std::string_view json, segments::Arena &arena);
std::string print_rule(std::string_view json, segments::Arena &arena)
{
    return segments::write_rule(*segments::read_rule(json, arena));
}
std::string print_measure(std::string_view json, segments::Arena &arena)
{
    return segments::write_measure(*segments::read_measure(json, arena));
}

bool print(Print form, std::string_view json, std::string &out)
{
    HeapArena arena;
    try {
        out = form(json, arena);
        return true;
    } catch (const segments::RuleError &error) {
        require(error.problem().path.starts_with('$') && !error.problem().message.empty());
        return false;
    }
}

void fuzz_rule(std::string_view text)
{
    std::string printed, again;
    const bool read = print(print_rule, text, printed);
    require(!read || (print(print_rule, printed, again) && again == printed));
    HeapArena arena;
    std::vector<segments::Problem> problems;
    const segments::Rule *rule = segments::read_rule(text, arena, &problems);
    require(read == problems.empty() && (rule || !problems.empty()));
}

void fuzz_measure(std::string_view text)
{
    std::string printed, again;
    require(!print(print_measure, text, printed) || (print(print_measure, printed, again) && again == printed));
}

void fuzz_text(std::string_view text)
{
    if (const auto decimal = segments::parse_decimal(text)) {
        const auto again = segments::parse_decimal(decimal->text);
        require(again && again->text == decimal->text && again->integral == decimal->integral);
    }
    segments::IsoDate date, again;
    if (segments::parse_iso(text, date) == segments::IsoError::none)
        require(segments::parse_iso(date.date + (date.time.empty() ? "" : "T") + date.time + date.offset, again) ==
                segments::IsoError::none);
    const auto op = segments::find_operator(text);
    require(!op || segments::find_operator(segments::operator_info(*op).name) == op);
    const std::string_view near = segments::nearest_operator(text);
    require(near.empty() || segments::find_operator(near));
    for (const std::string &part : segments::split_list(text))
        require(segments::trim(part) == part && !part.empty());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::string_view text(reinterpret_cast<const char *>(data), size);
    fuzz_rule(text);
    fuzz_measure(text);
    fuzz_text(text);
    return 0;
}
