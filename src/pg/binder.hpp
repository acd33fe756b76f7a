// What binding is made of: bind.cpp binds groups and fields, bind_events.cpp what a rule says of events.
#pragma once

#include "bind.hpp"
#include "coerce.hpp"

namespace segments {

// Segments being expanded, innermost first: how a cycle is noticed.
struct Expansion {
    const char *name;
    const Expansion *outer;
};

// Binds the nodes of one rule.
class Binder {
public:
    Binder(const Audience *audience, Coercion &to, bool stored, const Expansion *expansion, const char *outer_now)
        : audience_(audience), to_(to), stored_(stored), expansion_(expansion), outer_now_(outer_now)
    {
    }

    BoundRule *bind_rule(const Rule *rule);

    // What holds for the whole of a rule: its root keys, read; and those in force.
    void start_rule(const Rule *rule, BoundRule *bound);
    void set_context(BoundRule *bound);

    // What an event leaf measures; null where a problem was collected. field: of the measure's type, given where it is null.
    const BoundBehaviour *bind_measure(const Node &leaf, const Field *&field);

private:
    void bind_node(const Node &node, BoundNode &bound);
    void bind_field(const Node &node, BoundNode &bound);
    void bind_values(const Node &node, BoundNode &bound);
    void bind_others(const Node &node, BoundNode &bound);
    void bind_match(const Node &node, BoundNode &bound);
    void bind_segment(const Node &node, BoundNode &bound);
    void bind_zone(const Rule *rule);

    // bind_events.cpp
    void bind_event(const Node &node, BoundNode &bound);
    void bind_sequence(const Node &node, BoundNode &bound);
    bool bind_events(std::string_view name, std::string_view path, const Node *where, BoundEvents &events);
    const BoundRule *bind_where(const EventSource *source, const Node &where);
    void bind_window(const Window &window, BoundBehaviour &bound);
    const char *bind_bound(const Value *value, bool end, bool *excluded);
    const Field *field_named(std::string_view name, std::string_view path);
    void check_names(const Node &node, const BoundNode &bound);
    const char *operators_hint(const Field &field);

    const Audience *audience_;
    Coercion &to_;
    bool stored_;
    const Expansion *expansion_;
    const char *outer_now_;
    std::size_t weight_ = 0;
    bool in_where_ = false; // audience_ is the row of an event table
    const Elements *elements_ = nullptr; // whose group is being bound
};

} // namespace segments
