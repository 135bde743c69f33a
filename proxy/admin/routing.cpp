#include "proxy/admin/routing.hpp"

#include <fmt/format.h>

#include "proxy/admin/view.hpp"

namespace ringway::proxy::admin {

using config::fault;
using config::fault_kind;

std::variant<routing_view, fault> routing_of(inventory& from, const std::string& cluster) {
    routing_view made;
    made.settings = from.settings();
    auto found = find_cluster(*made.settings, cluster);
    if (auto* unknown = std::get_if<fault>(&found)) return std::move(*unknown);
    made.configured = std::get<const config::cluster*>(found);
    if (made.configured->engine != config::engine::postgres)
        return fault{
            fault_kind::unsupported, fmt::format("cluster \"{}\" is not a PostgreSQL cluster", cluster), {}, {}};
    made.map = from.map(cluster);
    made.catalog = from.catalog(cluster);
    if (!made.map || !made.catalog)
        return fault{fault_kind::cannot_connect,
                     fmt::format("the catalog of cluster \"{}\" has not been read yet", cluster),
                     {},
                     "SHOW LAG says which of its nodes answer"};
    return made;
}

std::variant<routed, fault> route_statement(const routing_view& in, const std::string& sql,
                                            std::span<const argument> parameters) {
    router::shape_lexer lexer;
    const auto shape = lexer.scan(sql);
    auto parsed = router::parse_postgres(sql);
    if (!parsed.error.empty())
        return fault{
            fault_kind::syntax, fmt::format("the statement is not PostgreSQL's SQL: {}", parsed.error), {}, {}};
    if (parsed.parameters > parameters.size())
        return fault{
            fault_kind::invalid_parameter,
            fmt::format("the statement has {} parameter{}, {} value{} given", parsed.parameters,
                        parsed.parameters == 1 ? "" : "s", parameters.size(), parameters.size() == 1 ? " is" : "s are"),
            {},
            "give the values after the statement: SHOW ROUTE <cluster> '...$1...' 42"};
    std::vector<router::parameter> bound;
    for (const auto& one : parameters) bound.push_back({one.text, 0, one.is_null, false});
    router::plan_context around;
    around.map = in.map.get();
    around.catalog = in.catalog.get();
    routed made;
    made.plan = router::make_plan(std::move(parsed), around);
    const router::values with{sql, shape.literals, bound, true};
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
