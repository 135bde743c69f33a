// SHOW ROUTE and EXPLAIN (ROUTE).

#include <fmt/format.h>

#include <algorithm>

#include "router/carry.hpp"
#include "router/gather.hpp"
#include "router/key_value.hpp"
#include "router/owners.hpp"
#include "router/plan.hpp"
#include "router/row_locks.hpp"
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

std::string shards_of(const route& found, const plan& what, const values& with, const shard_map& map) {
    const auto name = [&map](std::size_t i) { return i < map.shards.size() ? map.shards[i].name : std::to_string(i); };
    switch (found.kind) {
        case route::to::shard:
            return name(found.shard);
        case route::to::any_shard:
            return "any";
        case route::to::all_same:
            return "the session's";
        case route::to::spread:
            if (!locks_apart(what) && !keeps_to_owners(what)) return "all";
            [[fallthrough]];
        case route::to::several: {
            const auto asked = owners_of(what, with, map);
            if (asked.size() == map.shards.size()) return "all";
            std::string out;
            for (const auto each : asked) out += (out.empty() ? "" : ", ") + name(each);
            return out;
        }
        case route::to::refused:
            break;
    }
    return "none";
}

std::string told(const placed_key& key, const key_recipe& recipe, const shard_map& map) {
    const auto on_ring = [&] {
        return map.tables[recipe.table].function == config::sharding_function::ring
                   ? fmt::format("position {}, ", position(key.text))
                   : std::string();
    };
    switch (key.what) {
        case key_outcome::key:
            return fmt::format(": key {}, {}shard {}", key.text, on_ring(), map.shards[key.shard].name);
        case key_outcome::null:
            return ": no row has it";
        case key_outcome::rejected:
            return ": not a value of the key's type";
        case key_outcome::unplaced:
            return ": cannot be placed";
        case key_outcome::unmapped:
            return fmt::format(": key {}, no shard has it", key.text);
    }
    return {};
}

bool is_bound(const value_source& from, const values& with) {
    return from.what != value_source::from::parameter || from.index < with.parameters.size();
}

/// A line for each combination of the values of several columns.
void add_compound(const key_recipe& recipe, const values& with, const shard_map& map, const std::string& title,
                  std::vector<line>& out) {
    const auto all_bound = [&with](const key_recipe& of) {
        return std::all_of(of.values.begin(), of.values.end(), [&](const auto& from) { return is_bound(from, with); });
    };
    if (!all_bound(recipe) || !std::all_of(recipe.further.begin(), recipe.further.end(), all_bound)) {
        out.emplace_back(title, "known when it is bound");
        return;
    }
    each_owner(recipe, with, map, [&](const placed_key& key) {
        out.emplace_back(title, told(key, recipe, map).substr(2));
        return true;
    });
}

/// A line for each value of a key: what it is, where it stands on the ring, who owns it.
void add_keys(const key_recipe& recipe, const values& with, const shard_map& map, std::vector<line>& out) {
    const auto& table = map.tables[recipe.table];
    const auto title = fmt::format("key {}.{}", table.name, table.key_title());
    if (!recipe.further.empty()) return add_compound(recipe, with, map, title, out);
    for (const auto& from : recipe.values) {
        if (!is_bound(from, with)) {
            out.emplace_back(title, fmt::format("{}: known when it is bound", shown(from, with)));
            continue;
        }
        key_recipe one = recipe;
        one.values = {from};
        each_owner(one, with, map, [&](const placed_key& key) {
            out.emplace_back(title, shown(from, with) + told(key, recipe, map));
            return true;
        });
    }
}

/// Keys may wait for parameters that SHOW ROUTE is not given.
bool waits_for_parameters(const plan& what, const values& with) {
    const auto waits = [&with](const key_recipe& of) {
        return std::any_of(of.values.begin(), of.values.end(), [&](const auto& from) { return !is_bound(from, with); });
    };
    return std::any_of(what.keys.begin(), what.keys.end(), [&](const key_recipe& recipe) {
        return waits(recipe) || std::any_of(recipe.further.begin(), recipe.further.end(), waits);
    });
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
    out.emplace_back("shards", waits_for_parameters(what, with) ? "known when parameters are bound"
                                                                : shards_of(found, what, with, map));
    out.emplace_back("role", what.on_primaries                  ? "primary"
                             : scatters                         ? "replica or primary"
                             : found.kind == route::to::several ? "primary; other shards' rows may come from replicas"
                             : what.need == need::any           ? "replica or primary"
                                                                : "primary");
    out.emplace_back("why", what.reason);
    if (found.kind == route::to::spread)
        out.emplace_back("runs", what.spread == spreading::rows ? "each shard inserts the rows that belong to it"
                                 : what.spread == spreading::carried
                                     ? "its rows are made on one shard, then inserted where their keys belong"
                                 : what.spread == spreading::copied ? "each shard takes the rows that belong to it"
                                 : locks_apart(what) ? "each shard locks and reads the rows it has, one after the other"
                                 : what.spread == spreading::merged ? "on every shard, one after the other's rows"
                                 : what.spread == spreading::apart  ? "on every shard, on the rows it has"
                                                                    : "the same on every shard");
    if (found.kind == route::to::spread && what.spread == spreading::carried && what.carry->source->gather)
        for (const auto& table : what.carry->source->gather->tables)
            out.emplace_back("gathers",
                             fmt::format("{}.{} ({})", table.schema, table.name, fmt::join(table.columns, ", ")));
    if (scatters)
        out.emplace_back("runs", what.scatter->how == scatter_recipe::kind::groups
                                     ? "groups and aggregates of each shard, put together"
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
