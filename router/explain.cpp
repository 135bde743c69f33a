// SHOW ROUTE and EXPLAIN (ROUTE).

#include <fmt/format.h>

#include "router/gather.hpp"
#include "router/key_value.hpp"
#include "router/plan.hpp"
#include "router/scatter.hpp"

namespace ringway::router {

namespace {

using line = std::pair<std::string, std::string>;

std::string_view name_of(placement where) {
    switch (where) {
        case placement::single:
            return "one shard";
        case placement::any_shard:
            return "any shard";
        case placement::all_same:
            return "the session's shard";
        case placement::several:
            return "gather";
        case placement::spread:
            return "several shards";
        case placement::refused:
            return "refused";
    }
    return "refused";
}

std::string shards_of(const route& found, const shard_map& map) {
    const auto name = [&map](std::size_t i) { return i < map.shards.size() ? map.shards[i].name : std::to_string(i); };
    switch (found.kind) {
        case route::to::shard:
            return name(found.shard);
        case route::to::any_shard:
            return "any";
        case route::to::all_same:
            return "the session's";
        case route::to::several:
        case route::to::spread:
            return "all";
        case route::to::refused:
            break;
    }
    return "none";
}

/// A line for each value of a key: what it is, where it stands on the ring, who owns it.
void add_keys(const key_recipe& recipe, const values& with, const shard_map& map, std::vector<line>& out) {
    const auto& table = map.tables[recipe.table];
    const auto title = fmt::format("key {}.{}", table.name, table.key);
    for (const auto& from : recipe.values) {
        if (from.what == value_source::from::parameter && from.index >= with.parameters.size()) {
            out.emplace_back(title, fmt::format("{}: known when it is bound", shown(from, with)));
            continue;
        }
        key_recipe one = recipe;
        one.values = {from};
        each_key(one, with, [&](key_outcome what, std::string_view canonical) {
            auto text = shown(from, with);
            if (what == key_outcome::key) {
                const auto at = position(canonical);
                text += fmt::format(": key {}, position {}, shard {}", canonical, at,
                                    map.shards[map.points->owner(at)].name);
            } else {
                text += what == key_outcome::null       ? ": no row has it"
                        : what == key_outcome::rejected ? ": not a value of the key's type"
                                                        : ": cannot be placed";
            }
            out.emplace_back(title, std::move(text));
            return true;
        });
    }
}

/// Keys may wait for parameters that SHOW ROUTE is not given.
bool waits_for_parameters(const plan& what, const values& with) {
    for (const auto& recipe : what.keys)
        for (const auto& from : recipe.values)
            if (from.what == value_source::from::parameter && from.index >= with.parameters.size()) return true;
    return false;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> explain_route(const plan& what, const values& with,
                                                               const shard_map& map) {
    std::vector<line> out;
    const auto found = route_of(what, with, map);
    const bool scatters = found.kind == route::to::several && what.scatter && !what.scatter->unfit;
    out.emplace_back("plan", scatters ? "scatter"
                                      : name_of(found.kind == route::to::refused   ? placement::refused
                                                : found.kind == route::to::several ? placement::several
                                                : found.kind == route::to::spread  ? placement::spread
                                                                                   : what.placement));
    out.emplace_back("shards",
                     waits_for_parameters(what, with) ? "known when parameters are bound" : shards_of(found, map));
    out.emplace_back("role", scatters                           ? "replica or primary"
                             : found.kind == route::to::several ? "primary; other shards' rows may come from replicas"
                             : what.need == need::any           ? "replica or primary"
                                                                : "primary");
    out.emplace_back("why", what.reason);
    if (found.kind == route::to::spread)
        out.emplace_back("runs", what.spread == spreading::rows    ? "each shard inserts the rows that belong to it"
                                 : what.spread == spreading::apart ? "on every shard, on the rows it has"
                                                                   : "the same on every shard");
    if (scatters)
        out.emplace_back("runs", what.scatter->how == scatter_recipe::kind::groups
                                     ? "groups and aggregates of each shard, put together by a last query"
                                 : what.scatter->outline->sorts.empty() ? "rows of each shard, one after the other"
                                                                        : "rows sorted by each shard, merged");
    else if (found.kind == route::to::several && what.gather)
        for (const auto& table : what.gather->tables)
            out.emplace_back("gathers",
                             fmt::format("{}.{} ({})", table.schema, table.name, fmt::join(table.columns, ", ")) +
                                 filter_of(table, with));
    using wish = routing_hint::role_wish;
    const auto& hint = what.parsed.hint;
    if (hint.role != wish::none) out.emplace_back("hint", hint.role == wish::primary ? "role=primary" : "role=replica");
    if (!hint.shard.empty()) out.emplace_back("hint", "shard=" + hint.shard);
    if (!hint.unknown.empty()) out.emplace_back("hint", "unknown: " + hint.unknown);
    if (map.points)
        for (const auto& recipe : what.keys) add_keys(recipe, with, map, out);
    if (found.refusal) {
        out.emplace_back("error", found.refusal->message);
        if (!found.refusal->detail.empty()) out.emplace_back("detail", found.refusal->detail);
        if (!found.refusal->hint.empty()) out.emplace_back("hint", found.refusal->hint);
    }
    return out;
}

}  // namespace ringway::router
