#include "proxy/admin/routing.hpp"

#include <fmt/format.h>

#include "proxy/admin/view.hpp"
#include "router/key_value.hpp"
#include "router/lexical.hpp"
#include "router/mysql/key_value.hpp"
#include "router/mysql/parse.hpp"
#include "router/mysql/shape.hpp"

namespace ringway::proxy::admin {

using config::fault;
using config::fault_kind;

std::variant<routing_view, fault> routing_of(inventory& from, const std::string& cluster) {
    routing_view made;
    made.settings = from.settings();
    auto found = find_cluster(*made.settings, cluster);
    if (auto* unknown = std::get_if<fault>(&found)) return std::move(*unknown);
    made.configured = std::get<const config::cluster*>(found);
    made.map = from.map(cluster);
    made.catalog = from.catalog(cluster);
    if (!made.map || !made.catalog)
        return fault{fault_kind::cannot_connect,
                     fmt::format("the catalog of cluster \"{}\" has not been read yet", cluster),
                     {},
                     "SHOW LAG says which of its nodes answer"};
    return made;
}

namespace {

/// A value as its column would have it: a number where the statement's first key is one, bytes from 0x... or \\x...
router::parameter mysql_parameter(const argument& given, const router::plan& plan, std::string& scratch) {
    using kind = router::mysql::parameter_kind;
    router::parameter out{given.text, static_cast<std::uint32_t>(kind::text), given.is_null, false};
    if (plan.keys.empty()) return out;
    const auto type = plan.keys.front().type;
    if (type == router::key_type::integer || type == router::key_type::numeric)
        out.type_oid = static_cast<std::uint32_t>(kind::decimal);
    if (type != router::key_type::bytea || (!given.text.starts_with("0x") && !given.text.starts_with("\\x")))
        return out;
    for (std::size_t i = 2; i + 1 < given.text.size(); i += 2) {
        const int high = router::lexical::hex_value(given.text[i]), low = router::lexical::hex_value(given.text[i + 1]);
        if (high < 0 || low < 0) return out;
        scratch.push_back(static_cast<char>(high * 16 + low));
    }
    out.bytes = scratch;
    out.type_oid = static_cast<std::uint32_t>(kind::bytes);
    return out;
}

}  // namespace

std::variant<routed, fault> route_statement(const routing_view& in, const std::string& sql,
                                            std::span<const argument> parameters) {
    const bool mysql = in.configured->engine == config::engine::mysql;
    const auto& modes = in.catalog->modes;
    router::shape_lexer lexer;
    router::mysql_shape_lexer mysql_lexer;
    const auto shape = mysql ? mysql_lexer.scan(sql, modes) : lexer.scan(sql);
    auto parsed = mysql ? router::parse_mysql(sql, modes) : router::parse_postgres(sql);
    if (!parsed.error.empty())
        return fault{fault_kind::syntax,
                     fmt::format("the statement is not {} SQL: {}", mysql ? "MySQL's" : "PostgreSQL's", parsed.error),
                     {},
                     {}};
    if (parsed.parameters > parameters.size())
        return fault{
            fault_kind::invalid_parameter,
            fmt::format("the statement has {} parameter{}, {} value{} given", parsed.parameters,
                        parsed.parameters == 1 ? "" : "s", parameters.size(), parameters.size() == 1 ? " is" : "s are"),
            {},
            mysql ? "give the values after the statement: SHOW ROUTE <cluster> '...?...' 42"
                  : "give the values after the statement: SHOW ROUTE <cluster> '...$1...' 42"};
    if (parsed.parameters < parameters.size())
        return fault{
            fault_kind::invalid_parameter,
            fmt::format("the statement has {} parameter{}, {} value{} given", parsed.parameters,
                        parsed.parameters == 1 ? "" : "s", parameters.size(), parameters.size() == 1 ? " is" : "s are"),
            {},
            {}};
    router::plan_context around;
    if (mysql) {
        around.dialect = router::dialect::mysql;
        around.modes = modes;
        around.search_path = in.configured->database.empty() ? in.configured->name : in.configured->database;
    }
    around.map = in.map.get();
    around.catalog = in.catalog.get();
    routed made;
    made.plan = router::make_plan(std::move(parsed), around, sql);
    std::vector<router::parameter> bound;
    std::vector<std::string> texts(parameters.size());
    for (std::size_t i = 0; i < parameters.size(); ++i)
        bound.push_back(mysql ? mysql_parameter(parameters[i], *made.plan, texts[i])
                              : router::parameter{parameters[i].text, 0, parameters[i].is_null, false});
    router::values with{sql, shape.literals, bound, true};
    if (mysql) with.mysql = &modes;
    if (!made.plan->keys.empty()) {
        const auto& first = made.plan->keys.front();
        router::canonical_key key;
        if (!first.values.empty() && !first.values.front().array &&
            router::key_of(first, first.values.front(), with, key) == router::key_outcome::key)
            made.canonical = std::string(key.text);
    }
    made.where = router::route_of(*made.plan, with, *in.map);
    made.lines = router::explain_route(*made.plan, with, *in.map);
    return made;
}

namespace {

/// Calls `see` with the health of one shard, if it is known.
template <typename See>
void with_shard(inventory& from, const std::string& cluster, std::size_t shard, See see) {
    const auto settings = from.settings();
    const auto* configured = settings->find_cluster(cluster);
    const pool::cluster_health* best = nullptr;
    const auto all = from.health();
    for (const auto& one : all) {
        if (one->cluster == cluster) best = one.get();
        if (!best && configured && one->cluster == configured->name) best = one.get();
    }
    if (best && shard < best->shards.size()) see(best->shards[shard]);
}

}  // namespace

std::optional<std::string> primary_of(inventory& from, const std::string& cluster, std::size_t shard) {
    std::optional<std::string> found;
    with_shard(from, cluster, shard, [&](const pool::shard_health& health) {
        if (health.primary >= 0 && static_cast<std::size_t>(health.primary) < health.nodes.size())
            found = health.nodes[static_cast<std::size_t>(health.primary)].address.text();
    });
    return found;
}

std::vector<std::string> replicas_of(inventory& from, const std::string& cluster, std::size_t shard) {
    std::vector<std::string> found;
    with_shard(from, cluster, shard, [&](const pool::shard_health& health) {
        for (const auto& node : health.nodes)
            if (node.role == pool::node_role::replica && node.usable && node.replaying)
                found.push_back(node.address.text());
    });
    return found;
}

}  // namespace ringway::proxy::admin
