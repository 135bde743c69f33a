// SHOW RING and SHOW KEY: where keys stand.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/nearest.hpp"
#include "proxy/admin/ring_share.hpp"
#include "proxy/admin/routing.hpp"
#include "proxy/admin/view.hpp"

namespace ringway::proxy::admin {

namespace {

using config::fault;
using config::fault_kind;
using type = column_type;

constexpr std::array ring_columns{column{"cluster"},
                                  column{"shard"},
                                  column{"weight", type::float8},
                                  column{"points", type::int8},
                                  column{"share", type::float8},
                                  column{"configured_weight", type::float8},
                                  column{"configured_share", type::float8},
                                  column{"epoch", type::int8},
                                  column{"joined", type::boolean}};

void append_ring(row_list& rows, inventory& of, const std::string& cluster) {
    const auto map = of.map(cluster);
    if (!map) return;
    const auto shares = ring_shares(*map);
    const auto settings = of.settings();
    const auto* configured = settings->find_cluster(cluster);
    const auto active = of.active_ring(cluster);
    // What REBALANCE would make of it.
    std::vector<ring_share> then = shares;
    std::vector<double> weights;
    if (configured && active && configured->shards.size() == shares.size()) {
        const auto target = router::target_of(*active, *configured);
        then = ring_shares(*router::make_shard_map(*configured, 0, &target));
        for (const auto& each : configured->shards) weights.push_back(each.weight);
    }
    for (std::size_t i = 0; i < shares.size(); ++i)
        rows.push_back(make_row(cluster, map->shards[i].name, map->shards[i].weight, shares[i].points, shares[i].share,
                                i < weights.size() ? weights[i] : map->shards[i].weight, then[i].share,
                                active ? cell_of(active->epoch) : cell{}, map->has_joined(i)));
}

rows_or_fault ring(const source& from) {
    const auto settings = from.of.settings();
    row_list rows;
    if (!from.what.arguments.empty()) {
        auto found = find_cluster(*settings, from.argument(0));
        if (auto* unknown = std::get_if<fault>(&found)) return std::move(*unknown);
        append_ring(rows, from.of, from.argument(0));
        return rows;
    }
    for (const auto& cluster : settings->clusters)
        if (cluster.is_sharded()) append_ring(rows, from.of, cluster.name);
    return rows;
}

constexpr std::array point_columns{column{"cluster"}, column{"position", type::numeric}, column{"shard"},
                                   column{"arc", type::float8}};

rows_or_fault ring_points(const source& from) {
    const auto settings = from.of.settings();
    const auto& cluster = from.argument(0);
    auto found = find_cluster(*settings, cluster);
    if (auto* unknown = std::get_if<fault>(&found)) return std::move(*unknown);
    row_list rows;
    const auto map = from.of.map(cluster);
    if (!map || !map->points) return rows;
    const auto points = map->points->points();
    rows.reserve(points.size());
    for (std::size_t i = 0; i < points.size(); ++i)
        rows.push_back(make_row(cluster, points[i].at, map->shards[points[i].shard].name, arc_of(*map->points, i)));
    return rows;
}

constexpr std::array key_columns{
    column{"cluster"}, column{"table"},       column{"key"}, column{"canonical"}, column{"position", type::numeric},
    column{"shard"},   column{"primary_node"}};

/// The last part of "schema.table".
std::string_view bare_name(std::string_view name) {
    return name.substr(name.rfind('.') + 1);
}

const config::table* find_table(const config::cluster& in, std::string_view name) {
    for (const auto& one : in.tables)
        if (one.name == name) return &one;
    for (const auto& one : in.tables)  // one of the two names is qualified
        if (bare_name(one.name) == bare_name(name) &&
            (one.name.find('.') == std::string::npos) != (name.find('.') == std::string_view::npos))
            return &one;
    return nullptr;
}

fault unknown_table(const config::cluster& in, const std::string& name) {
    std::vector<std::string_view> names;
    for (const auto& one : in.tables) names.push_back(one.name);
    const auto near = config::nearest(name, names);
    return {fault_kind::invalid_parameter, fmt::format("cluster \"{}\" has no entry for a table \"{}\"", in.name, name),
            fmt::format("A table without an entry lives on the first shard, \"{}\".", in.shards.front().name),
            near.empty() ? std::string() : fmt::format("did you mean \"{}\"?", near)};
}

void append_quoted(std::string& to, std::string_view name, char quote) {
    to.push_back(quote);
    for (const char c : name) to.append(c == quote ? 2 : 1, c);
    to.push_back(quote);
}

/// A statement that reads the rows of one key: what the router says of it is where the key is.
std::string statement_for(const config::table& table, std::string_view asked, config::engine engine) {
    const bool mysql = engine == config::engine::mysql;
    const char quote = mysql ? '`' : '"';
    const std::string_view full = table.name.find('.') == std::string::npos ? asked : std::string_view(table.name);
    std::string sql = mysql ? "SELECT 1 FROM " : "SELECT FROM ";
    if (const auto dot = full.find('.'); dot != std::string_view::npos) {
        append_quoted(sql, full.substr(0, dot), quote);
        sql.push_back('.');
    }
    append_quoted(sql, bare_name(full), quote);
    sql += " WHERE ";
    append_quoted(sql, table.key, quote);
    sql += mysql ? " = ?" : " = $1";
    for (std::size_t i = 0; i < table.further_keys.size(); ++i) {
        sql += " AND ";
        append_quoted(sql, table.further_keys[i], quote);
        sql += mysql ? " = ?" : fmt::format(" = ${}", i + 2);
    }
    return sql;
}

/// A value for each column of the key, which stand with commas between them; the last one may have more commas in it.
std::vector<argument> parts_of(const config::table& table, const argument& given) {
    std::vector<argument> out;
    std::string_view rest = given.text;
    for (std::size_t i = 0; i <= table.further_keys.size(); ++i) {
        const auto end = i == table.further_keys.size() ? rest.npos : rest.find(',');
        auto& one = out.emplace_back(given);
        one.text = rest.substr(0, end);
        if (i < table.further_keys.size() && end == rest.npos) return {};
        if (end != rest.npos) rest.remove_prefix(end + 1);
    }
    return out;
}

/// The key's canonical text; NULL on a cluster that does not need one.
std::variant<cell, fault> canonical_of(const routed& sent, const std::vector<argument>& values,
                                       const config::table& table, config::engine engine) {
    const auto& plan = *sent.plan;
    if (plan.keys.empty()) return cell{};
    if (engine == config::engine::mysql) {
        if (sent.canonical) return sent.canonical;
        return fault{
            fault_kind::invalid_parameter,
            fmt::format("\"{}\" is not a value of the shard key {}.{}", values.front().text, table.name, table.key),
            {},
            {}};
    }
    const auto& first = plan.keys.front();
    std::vector<std::string> texts;
    std::vector<router::key_part> parts;
    for (std::size_t i = 0; i < values.size() && i <= first.further.size(); ++i) {
        const auto type = i == 0 ? first.type : first.further[i - 1].type;
        router::canonical_key canonical;
        if (!router::canonical_from_text(type, values[i].text, canonical))
            return fault{fault_kind::invalid_parameter,
                         fmt::format("\"{}\" is not a value of the shard key {}.{}", values[i].text, table.name,
                                     i == 0 ? table.key : table.further_keys[i - 1]),
                         {},
                         {}};
        texts.emplace_back(canonical.text);
        parts.push_back({type, {}});
    }
    for (std::size_t i = 0; i < parts.size(); ++i) parts[i].text = texts[i];
    router::canonical_key room;
    return cell(std::string(router::sharding::on_ring(parts, room)));
}

/// Of a table that is placed by the name of its schema.
rows_or_fault key_of_schema(const source& from, const routing_view& in, const config::table& table) {
    const auto& [cluster, value] = std::tie(from.argument(0), from.argument(2));
    const auto number = static_cast<std::uint16_t>(&table - in.configured->tables.data());
    const router::key_part part{router::key_type::text, value};
    if (number >= in.map->functions.size())
        return fault{fault_kind::invalid_parameter, "the shard map has changed", {}, "ask again"};
    const auto owner = in.map->is_sharded() ? router::owner_of(*in.map, number, {&part, 1}) : std::uint16_t{0};
    if (!owner) return router::unmapped_fault(*in.map, number, value);
    const bool on_ring = in.map->is_sharded() && table.function == config::sharding_function::ring;
    return row_list{make_row(cluster, table.name, value, cell(value),
                             on_ring ? cell_of(router::position(value)) : cell{}, in.map->shards[*owner].name,
                             primary_of(from.of, cluster, *owner))};
}

rows_or_fault key(const source& from) {
    const auto& [cluster, name, value] = std::tie(from.argument(0), from.argument(1), from.argument(2));
    auto around = routing_of(from.of, cluster);
    if (auto* refused = std::get_if<fault>(&around)) return std::move(*refused);
    const auto& in = std::get<routing_view>(around);
    const auto* table = find_table(*in.configured, name);
    if (!table) return unknown_table(*in.configured, name);
    if (table->reference)
        return fault{fault_kind::invalid_parameter,
                     fmt::format("\"{}\" is a reference table: every shard has all of its rows", name),
                     {},
                     {}};
    if (from.what.arguments[2].is_null) return fault{fault_kind::no_key, "a shard key cannot be NULL", {}, {}};

    if (table->by_schema) return key_of_schema(from, in, *table);
    const auto values = parts_of(*table, from.what.arguments[2]);
    if (values.empty())
        return fault{fault_kind::invalid_parameter,
                     fmt::format("the key of {} has {} columns", table->name, table->further_keys.size() + 1),
                     {},
                     fmt::format("give a value for each of {}, with commas between them", table->key_title())};
    auto sent = route_statement(in, statement_for(*table, name, in.configured->engine), values);
    if (auto* refused = std::get_if<fault>(&sent)) return std::move(*refused);
    auto& where = std::get<routed>(sent).where;
    auto canonical = canonical_of(std::get<routed>(sent), values, *table, in.configured->engine);
    if (auto* refused = std::get_if<fault>(&canonical)) return std::move(*refused);
    if (where.refusal) return std::move(*where.refusal);
    if (where.kind != router::route::to::shard)
        return fault{fault_kind::invalid_parameter, fmt::format("\"{}\" names no one shard", value), {}, {}};
    auto text = std::get<cell>(std::move(canonical));
    const bool on_ring = text && in.map->is_sharded() && table->function == config::sharding_function::ring;
    const auto position = on_ring ? cell_of(router::position(*text)) : cell{};
    return row_list{make_row(cluster, table->name, value, std::move(text), position, in.map->shards[where.shard].name,
                             primary_of(from.of, cluster, where.shard))};
}

}  // namespace

std::variant<std::uint64_t, fault> position_of(inventory& of, const std::string& cluster, const std::string& name,
                                               const argument& value) {
    auto around = routing_of(of, cluster);
    if (auto* refused = std::get_if<fault>(&around)) return std::move(*refused);
    const auto& in = std::get<routing_view>(around);
    const auto* table = find_table(*in.configured, name);
    if (!table) return unknown_table(*in.configured, name);
    if (table->reference || table->function != config::sharding_function::ring || table->is_compound() ||
        table->by_schema || !in.map->is_sharded())
        return fault{fault_kind::invalid_parameter, fmt::format("\"{}\" is not on the ring", name), {}, {}};
    if (value.is_null) return fault{fault_kind::no_key, "a shard key cannot be NULL", {}, {}};
    auto sent = route_statement(in, statement_for(*table, name, in.configured->engine), std::span(&value, 1));
    if (auto* refused = std::get_if<fault>(&sent)) return std::move(*refused);
    const auto& plan = *std::get<routed>(sent).plan;
    router::canonical_key canonical;
    if (plan.keys.empty() || !router::canonical_from_text(plan.keys.front().type, value.text, canonical))
        return fault{fault_kind::invalid_parameter,
                     fmt::format("\"{}\" is not a value of the shard key {}.{}", value.text, table->name, table->key),
                     {},
                     {}};
    return router::position(canonical.text);
}

namespace {

constexpr std::array views{
    view{subject::ring, "[<cluster>]", "points of each shard on the ring, and the part of all keys it owns",
         ring_columns, ring},
    view{subject::ring_points, "", "every point of a cluster's ring", point_columns, ring_points},
    view{subject::key, "<cluster> <table> <value>", "which shard a key is on", key_columns, key},
};

}  // namespace

std::span<const view> ring_views() {
    return views;
}

}  // namespace ringway::proxy::admin
