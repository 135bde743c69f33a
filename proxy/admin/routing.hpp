#pragma once
// Planning on behalf of an operator: what SHOW KEY and SHOW ROUTE ask the router. It leaves the plan cache alone.

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "proxy/admin/command.hpp"
#include "proxy/control/inventory.hpp"

namespace ringway::proxy::admin {

/// A cluster as the router sees it now. Kept alive by its pointers.
struct routing_view {
    const config::cluster* configured = nullptr;  ///< lives as long as `settings`
    std::shared_ptr<const config::settings> settings;
    std::shared_ptr<const router::shard_map> map;
    std::shared_ptr<const router::catalog> catalog;
};
std::variant<routing_view, config::fault> routing_of(inventory& from, const std::string& cluster);

/// A statement planned, with where its execution goes.
struct routed {
    std::shared_ptr<const router::plan> plan;
    router::route where;
    std::optional<std::string> canonical;                    ///< of the first key, when its first value can be placed
    std::vector<std::pair<std::string, std::string>> lines;  ///< explain_route's
};
/// Plans `sql` and routes it with the values of its parameters, given as text. A fault: no statement of the cluster's
/// SQL, or values missing.
std::variant<routed, config::fault> route_statement(const routing_view& in, const std::string& sql,
                                                    std::span<const argument> parameters);

/// Address of the shard's primary; nullopt: none known.
std::optional<std::string> primary_of(inventory& from, const std::string& cluster, std::size_t shard);
/// Addresses of the shard's replicas that serve reads.
std::vector<std::string> replicas_of(inventory& from, const std::string& cluster, std::size_t shard);

}  // namespace ringway::proxy::admin
