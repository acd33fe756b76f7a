// The SQL type segments.rule: input, output, comparison, composition. See rule_type.hpp.
#include "rule_type.hpp"

#include "bind.hpp"
#include "boundary.hpp"

#include <algorithm>
#include <cstring>

extern "C" {
#include "common/hashfn.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/json.h"
#include "utils/jsonb.h"
}

namespace segments {

constexpr int binary_version = 1;

// Calls visit(node) for every node of a tree. The tree is at most max_depth deep.
template <typename Visit> static void walk(Node &node, Visit &&visit)
{
    visit(node);
    for (Node &child : node.children)
        walk(child, visit);
}

// Calls visit(node) for every node of what the events of a leaf must satisfy.
template <typename Visit> static void walk_where(Node &node, Visit &&visit)
{
    if (node.behaviour == nullptr)
        return;
    if (node.behaviour->where != nullptr)
        walk(*node.behaviour->where, visit);
    for (SequenceStep &step : node.behaviour->steps)
        if (step.where != nullptr)
            walk(*step.where, visit);
}

// Calls visit(name) for every name of another field that a field leaf compares with, in the group of its "match" too.
template <typename Visit> static void walk_other_fields(Node &node, Visit &visit)
{
    if (node.field_value)
        for (Value &value : node.values)
            visit(value.text);
    if (node.match != nullptr)
        walk(*node.match->group, [&](Node &inner) { walk_other_fields(inner, visit); });
}

// Converts a string of a tree from UTF-8 to the database's encoding.
static void to_server(std::string_view &text)
{
    if (text.empty())
        return;
    char *converted = pg_any_to_server(text.data(), static_cast<int>(text.size()), PG_UTF8);
    if (converted != text.data())
        text = {converted, std::strlen(converted)};
}

// JSON is UTF-8 by definition; a database in another encoding converts at the border.
static std::string_view to_utf8(std::string_view json)
{
    if (GetDatabaseEncoding() == PG_UTF8)
        return json;
    char *converted = pg_server_to_any(json.data(), static_cast<int>(json.size()), PG_UTF8);
    return converted == json.data() ? json : std::string_view(converted);
}

// And back: the strings of a node.
static void node_to_server(Node &node)
{
    to_server(node.name);
    to_server(node.salt);
    for (Value &value : node.values)
        to_server(value.text);
    if (node.match != nullptr)
        walk(*node.match->group, node_to_server);
    if (node.behaviour == nullptr)
        return;
    to_server(node.behaviour->column);
    for (Value *bound : {node.behaviour->within.from, node.behaviour->within.to})
        if (bound != nullptr)
            to_server(bound->text);
    for (SequenceStep &step : node.behaviour->steps)
        to_server(step.event);
    walk_where(node, node_to_server);
}

static Rule *to_server(Rule *rule)
{
    if (rule != nullptr && GetDatabaseEncoding() != PG_UTF8)
        walk(rule->root, node_to_server);
    return rule;
}

// The tree of JSON text, or null and what was wrong.
static Rule *try_parse(std::string_view json, Caught &problem)
{
    json = to_utf8(json);
    Rule *rule = nullptr;
    try {
        ContextArena arena(CurrentMemoryContext);
        rule = read_rule(json, arena);
    } catch (...) {
        problem = caught();
    }
    return to_server(rule);
}

const Rule *parse_rule_for_problems(const char *json, std::size_t length, List **findings)
{
    std::string_view text = to_utf8({json, length});
    Rule *rule = nullptr;
    Finding *found = nullptr;
    std::size_t count = 0;
    guarded([&] {
        ContextArena arena(CurrentMemoryContext);
        auto keep = [&](const std::string &string) {
            auto *memory = static_cast<char *>(arena.allocate(string.size() + 1));
            std::memcpy(memory, string.c_str(), string.size() + 1);
            return memory;
        };
        std::vector<Problem> problems;
        rule = read_rule(text, arena, &problems);
        found = static_cast<Finding *>(arena.allocate(sizeof(Finding) * problems.size()));
        for (const Problem &problem : problems)
            found[count++] = {keep(problem.path), keep(problem.message), problem.hint.empty() ? nullptr : keep(problem.hint)};
    });
    for (std::size_t i = 0; i < count; i++)
        *findings = lappend(*findings, &found[i]);
    return to_server(rule);
}

// A varlena of these bytes.
static Datum make_varlena(std::string_view text)
{
    return PointerGetDatum(cstring_to_text_with_len(text.data(), static_cast<int>(text.size())));
}

// The text that write() gives, palloc'd.
template <typename Write> static std::string_view written(Write &&write)
{
    std::string_view result;
    MemoryContext context = CurrentMemoryContext;
    guarded([&] {
        std::string text = write();
        auto *memory = static_cast<char *>(ContextArena(context).allocate(text.size() + 1));
        std::memcpy(memory, text.data(), text.size() + 1);
        result = {memory, text.size()};
    });
    return result;
}

const Rule *parse_rule(const char *json, std::size_t length)
{
    Caught problem;
    const Rule *rule = try_parse({json, length}, problem);
    if (rule == nullptr)
        raise(problem);
    return rule;
}

Node *parse_measure(std::string_view json)
{
    Node *leaf = nullptr;
    json = to_utf8(json);
    guarded([&] {
        ContextArena arena(CurrentMemoryContext);
        leaf = read_measure(json, arena);
    });
    if (GetDatabaseEncoding() != PG_UTF8)
        node_to_server(*leaf);
    return leaf;
}

std::string_view measure_text(const Node *leaf)
{
    return written([&] { return write_measure(*leaf); });
}

// The stored bytes of a datum, detoasted.
static std::string_view bytes_of(Datum datum)
{
    text *stored = DatumGetTextPP(datum);
    return {VARDATA_ANY(stored), static_cast<std::size_t>(VARSIZE_ANY_EXHDR(stored))};
}

const Rule *rule_of(Datum datum)
{
    std::string_view stored = bytes_of(datum);
    return parse_rule(stored.data(), stored.size());
}

Datum rule_datum(const Rule *rule)
{
    return make_varlena(written([&] { return write_rule(*rule); }));
}

Oid rule_type()
{
    Oid schema = get_namespace_oid("segments", false);
    Oid type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, PointerGetDatum("rule"), ObjectIdGetDatum(schema));
    if (!OidIsValid(type))
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("type segments.rule does not exist")));
    return type;
}

// Three-way comparison of two stored rules, bytewise. Leaves no copy behind: an index scan calls this often.
static int compare(FunctionCallInfo fcinfo)
{
    text *left = PG_GETARG_TEXT_PP(0), *right = PG_GETARG_TEXT_PP(1);
    std::string_view a(VARDATA_ANY(left), VARSIZE_ANY_EXHDR(left)), b(VARDATA_ANY(right), VARSIZE_ANY_EXHDR(right));
    int order = a.compare(b);
    PG_FREE_IF_COPY(left, 0);
    PG_FREE_IF_COPY(right, 1);
    return order;
}

// One rule of many: the roots become children of a new root; root keys must be the same in all.
static Datum compose(FunctionCallInfo fcinfo, const char *condition, bool negated, const char *function)
{
    ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
    Datum *elements;
    bool *nulls;
    int count;
    deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT, &elements, &nulls, &count);
    if (count == 0)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s() needs at least one rule", function),
                        errhint("The only way to ask for all members is '{\"everyone\": true}'.")));
    auto **rules = static_cast<Rule **>(palloc(sizeof(Rule *) * count));
    for (int i = 0; i < count; i++) {
        if (nulls[i])
            ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("rule %d of %s() is null", i + 1, function)));
        rules[i] = const_cast<Rule *>(rule_of(elements[i]));
        if (rules[i]->semantics != rules[0]->semantics || rules[i]->time_zone != rules[0]->time_zone ||
            rules[i]->as_of != rules[0]->as_of)
            ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                            errmsg("rule %d of %s() differs from rule 1 in \"semantics\", \"time_zone\" or \"as_of\"", i + 1, function),
                            errhint("Give all rules the same root keys.")));
    }
    MemoryContext context = CurrentMemoryContext;
    const Rule *composed = nullptr;
    guarded([&] {
        std::string json = std::string("{\"condition\":\"") + condition + (negated ? "\",\"not\":true,\"rules\":[" : "\",\"rules\":[");
        Rule keys = *rules[0];
        for (int i = 0; i < count; i++) {
            Rule bare;
            bare.root = rules[i]->root;
            json += (i ? "," : "") + write_rule(bare);
        }
        json += "]}";
        ContextArena arena(context);
        Rule *read = read_rule(json, arena);
        read->semantics = keys.semantics;
        read->time_zone = keys.time_zone;
        read->as_of = keys.as_of;
        composed = read;
    });
    return rule_datum(composed);
}

// A sorted text[] of the names that `collect` appends.
template <typename Collect> static Datum name_array(const Rule *rule, Collect &&collect)
{
    std::string_view *names = nullptr;
    std::size_t count = 0;
    MemoryContext context = CurrentMemoryContext;
    guarded([&] {
        std::vector<std::string_view> found;
        walk(const_cast<Rule *>(rule)->root, [&](Node &node) { collect(found, node); });
        std::sort(found.begin(), found.end());
        found.erase(std::unique(found.begin(), found.end()), found.end());
        names = static_cast<std::string_view *>(ContextArena(context).allocate(sizeof(std::string_view) * found.size()));
        std::copy(found.begin(), found.end(), names);
        count = found.size();
    });
    auto *datums = static_cast<Datum *>(palloc(sizeof(Datum) * (count + 1)));
    for (std::size_t i = 0; i < count; i++)
        datums[i] = make_varlena(names[i]);
    return PointerGetDatum(construct_array(datums, static_cast<int>(count), TEXTOID, -1, false, TYPALIGN_INT));
}

// The names of events in a node.
static void collect_events(std::vector<std::string_view> &names, const Node &node)
{
    if (node.kind == NodeKind::event)
        names.push_back(node.name);
    if (node.behaviour != nullptr)
        for (const SequenceStep &step : node.behaviour->steps)
            names.push_back(step.event);
}

static void rename_event(Node &node, std::string_view old_name, std::string_view new_name)
{
    if (node.kind == NodeKind::event && node.name == old_name)
        node.name = new_name;
    if (node.behaviour != nullptr)
        for (SequenceStep &step : node.behaviour->steps)
            if (step.event == old_name)
                step.event = new_name;
}

static void rename_field(Node &node, std::string_view old_name, std::string_view new_name)
{
    if (node.kind != NodeKind::field)
        return;
    auto rename = [&](std::string_view &name) { name = name == old_name ? new_name : name; };
    rename(node.name);
    walk_other_fields(node, rename);
}

// Renames a column of the events named in argument 1 in one node.
static void rename_event_column(Node &node, FunctionCallInfo fcinfo)
{
    if (node.behaviour == nullptr)
        return;
    Datum *events;
    int count;
    deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &events, nullptr, &count);
    std::string_view old_name = bytes_of(PG_GETARG_DATUM(2)), new_name = bytes_of(PG_GETARG_DATUM(3));
    auto named = [&](std::string_view event) {
        for (int i = 0; i < count; i++)
            if (bytes_of(events[i]) == event)
                return true;
        return false;
    };
    auto rename_where = [&](Node *where) {
        if (where != nullptr)
            walk(*where, [&](Node &leaf) { rename_field(leaf, old_name, new_name); });
    };
    if (node.kind == NodeKind::event && named(node.name)) {
        rename_where(node.behaviour->where);
        if (node.behaviour->column == old_name)
            node.behaviour->column = new_name;
    }
    for (SequenceStep &step : node.behaviour->steps)
        if (named(step.event))
            rename_where(step.where);
}

// The rule of argument 0 with names replaced where `name_of` points at the old one.
template <typename Rename> static Datum renamed(FunctionCallInfo fcinfo, Rename &&rename)
{
    auto *rule = const_cast<Rule *>(rule_of(PG_GETARG_DATUM(0)));
    text *old_text = PG_GETARG_TEXT_PP(1), *new_text = PG_GETARG_TEXT_PP(2);
    std::string_view old_name(VARDATA_ANY(old_text), VARSIZE_ANY_EXHDR(old_text));
    std::string_view new_name(VARDATA_ANY(new_text), VARSIZE_ANY_EXHDR(new_text));
    walk(rule->root, [&](Node &node) { rename(node, old_name, new_name); });
    return rule_datum(rule);
}

} // namespace segments


// A rule datum from JSON text; a refused rule is a soft error where the caller can take one. Outside the namespace: the macro means
// PostgreSQL's Node.
static Datum rule_from_json(std::string_view json, [[maybe_unused]] Node *escontext)
{
    segments::Caught problem;
    segments::Rule *rule = segments::try_parse(json, problem);
    if (rule == nullptr && problem.sqlstate == ERRCODE_OUT_OF_MEMORY)
        segments::raise(problem); // not the rule's fault: no soft error
    if (rule == nullptr)
        ereturn(escontext, Datum(0),
                (errcode(problem.sqlstate), errmsg("%s", problem.message), problem.path ? errdetail("At %s", problem.path) : 0,
                 problem.hint ? errhint("%s", problem.hint) : 0));
    return segments::rule_datum(rule);
}

extern "C" {

SEGMENTS_FUNCTION(segments_rule_in)
{
    const char *json = PG_GETARG_CSTRING(0);
    PG_RETURN_DATUM(rule_from_json(json, fcinfo->context));
}

SEGMENTS_FUNCTION(segments_rule_out)
{
    PG_RETURN_CSTRING(segments::copy(segments::bytes_of(PG_GETARG_DATUM(0))));
}

// Binary form: a version byte, then the canonical text. What arrives is read like any rule.
SEGMENTS_FUNCTION(segments_rule_recv)
{
    auto buffer = reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
    int version = pq_getmsgbyte(buffer);
    if (version != segments::binary_version)
        ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg("unsupported segments.rule version number %d", version)));
    int length;
    const char *json = pq_getmsgtext(buffer, buffer->len - buffer->cursor, &length);
    PG_RETURN_DATUM(rule_from_json({json, static_cast<std::size_t>(length)}, nullptr));
}

SEGMENTS_FUNCTION(segments_rule_send)
{
    std::string_view stored = segments::bytes_of(PG_GETARG_DATUM(0));
    StringInfoData buffer;
    pq_begintypsend(&buffer);
    pq_sendbyte(&buffer, segments::binary_version);
    pq_sendtext(&buffer, stored.data(), static_cast<int>(stored.size()));
    PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}

SEGMENTS_FUNCTION(segments_rule_from_text)
{
    PG_RETURN_DATUM(rule_from_json(segments::bytes_of(PG_GETARG_DATUM(0)), nullptr));
}

SEGMENTS_FUNCTION(segments_rule_from_jsonb)
{
    Jsonb *jsonb = PG_GETARG_JSONB_P(0);
    const char *json = JsonbToCString(nullptr, &jsonb->root, VARSIZE(jsonb));
    PG_RETURN_DATUM(rule_from_json(json, nullptr));
}

// The stored text is JSON as it stands.
SEGMENTS_FUNCTION(segments_rule_to_json)
{
    PG_RETURN_DATUM(segments::make_varlena(segments::bytes_of(PG_GETARG_DATUM(0))));
}

SEGMENTS_FUNCTION(segments_rule_to_jsonb)
{
    PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(segments::copy(segments::bytes_of(PG_GETARG_DATUM(0))))));
}

SEGMENTS_FUNCTION(segments_rule_eq) { PG_RETURN_BOOL(segments::compare(fcinfo) == 0); }
SEGMENTS_FUNCTION(segments_rule_ne) { PG_RETURN_BOOL(segments::compare(fcinfo) != 0); }
SEGMENTS_FUNCTION(segments_rule_lt) { PG_RETURN_BOOL(segments::compare(fcinfo) < 0); }
SEGMENTS_FUNCTION(segments_rule_le) { PG_RETURN_BOOL(segments::compare(fcinfo) <= 0); }
SEGMENTS_FUNCTION(segments_rule_gt) { PG_RETURN_BOOL(segments::compare(fcinfo) > 0); }
SEGMENTS_FUNCTION(segments_rule_ge) { PG_RETURN_BOOL(segments::compare(fcinfo) >= 0); }
SEGMENTS_FUNCTION(segments_rule_cmp) { PG_RETURN_INT32(segments::compare(fcinfo)); }

SEGMENTS_FUNCTION(segments_rule_hash)
{
    std::string_view stored = segments::bytes_of(PG_GETARG_DATUM(0));
    PG_RETURN_DATUM(hash_any(reinterpret_cast<const unsigned char *>(stored.data()), static_cast<int>(stored.size())));
}

SEGMENTS_FUNCTION(segments_rule_hash_extended)
{
    std::string_view stored = segments::bytes_of(PG_GETARG_DATUM(0));
    PG_RETURN_DATUM(hash_any_extended(reinterpret_cast<const unsigned char *>(stored.data()), static_cast<int>(stored.size()),
                                      PG_GETARG_INT64(1)));
}

SEGMENTS_FUNCTION(segments_all_of) { PG_RETURN_DATUM(segments::compose(fcinfo, "AND", false, "all_of")); }
SEGMENTS_FUNCTION(segments_any_of) { PG_RETURN_DATUM(segments::compose(fcinfo, "OR", false, "any_of")); }
SEGMENTS_FUNCTION(segments_none_of) { PG_RETURN_DATUM(segments::compose(fcinfo, "OR", true, "none_of")); }

SEGMENTS_FUNCTION(segments_rule_fields)
{
    PG_RETURN_DATUM(segments::name_array(segments::rule_of(PG_GETARG_DATUM(0)), [](auto &names, const segments::Node &node) {
        if (node.kind != segments::NodeKind::field)
            return;
        names.push_back(node.name);
        auto collect = [&](std::string_view other) { names.push_back(other); };
        segments::walk_other_fields(const_cast<segments::Node &>(node), collect);
    }));
}

SEGMENTS_FUNCTION(segments_rule_segments)
{
    PG_RETURN_DATUM(segments::name_array(segments::rule_of(PG_GETARG_DATUM(0)), [](auto &names, const segments::Node &node) {
        if (node.kind == segments::NodeKind::segment)
            names.push_back(node.name);
    }));
}

// segments.rule_events(rule) → text[]: as the rule names them
SEGMENTS_FUNCTION(segments_rule_events)
{
    PG_RETURN_DATUM(segments::name_array(segments::rule_of(PG_GETARG_DATUM(0)), segments::collect_events));
}

// segments.canonical_measure(leaf text) → text
SEGMENTS_FUNCTION(segments_canonical_measure)
{
    PG_RETURN_DATUM(segments::make_varlena(segments::measure_text(segments::parse_measure(segments::bytes_of(PG_GETARG_DATUM(0))))));
}

// segments.measure_event(leaf text) → text
SEGMENTS_FUNCTION(segments_measure_event)
{
    PG_RETURN_DATUM(segments::make_varlena(segments::parse_measure(segments::bytes_of(PG_GETARG_DATUM(0)))->name));
}

// segments.rename_event(rule, old_name text, new_name text) → rule
SEGMENTS_FUNCTION(segments_rename_event)
{
    PG_RETURN_DATUM(segments::renamed(fcinfo, segments::rename_event));
}

// segments.rename_event(leaf text, old_name text, new_name text) → text
SEGMENTS_FUNCTION(segments_rename_measure_event)
{
    segments::Node *leaf = segments::parse_measure(segments::bytes_of(PG_GETARG_DATUM(0)));
    segments::rename_event(*leaf, segments::bytes_of(PG_GETARG_DATUM(1)), segments::bytes_of(PG_GETARG_DATUM(2)));
    PG_RETURN_DATUM(segments::make_varlena(segments::measure_text(leaf)));
}

// segments.rename_event_column(rule, events text[], old_name text, new_name text) → rule
SEGMENTS_FUNCTION(segments_rename_event_column)
{
    auto *rule = const_cast<segments::Rule *>(segments::rule_of(PG_GETARG_DATUM(0)));
    segments::walk(rule->root, [&](segments::Node &node) { segments::rename_event_column(node, fcinfo); });
    PG_RETURN_DATUM(segments::rule_datum(rule));
}

// segments.rename_event_column(leaf text, events text[], old_name text, new_name text) → text
SEGMENTS_FUNCTION(segments_rename_measure_column)
{
    segments::Node *leaf = segments::parse_measure(segments::bytes_of(PG_GETARG_DATUM(0)));
    segments::rename_event_column(*leaf, fcinfo);
    PG_RETURN_DATUM(segments::make_varlena(segments::measure_text(leaf)));
}

SEGMENTS_FUNCTION(segments_rename_field)
{
    PG_RETURN_DATUM(segments::renamed(fcinfo, segments::rename_field));
}

SEGMENTS_FUNCTION(segments_rename_segment)
{
    PG_RETURN_DATUM(segments::renamed(fcinfo, [](segments::Node &node, std::string_view old_name, std::string_view new_name) {
        if (node.kind == segments::NodeKind::segment && node.name == old_name)
            node.name = new_name;
    }));
}

SEGMENTS_FUNCTION(segments_with_time_zone)
{
    auto *rule = const_cast<segments::Rule *>(segments::rule_of(PG_GETARG_DATUM(0)));
    if (!rule->time_zone.empty())
        PG_RETURN_DATUM(PG_GETARG_DATUM(0));
    rule->time_zone = segments::bytes_of(PG_GETARG_DATUM(1));
    PG_RETURN_DATUM(segments::rule_datum(rule));
}

} // extern "C"
