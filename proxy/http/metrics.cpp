#include "proxy/http/metrics.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <tuple>

#include "proxy/cli/version.hpp"
#include "proxy/http/readiness.hpp"

namespace ringway::proxy::http {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using label_list = std::vector<ClientMetric::Label>;

/// Families in the order they are first named; values are appended to the last one.
class families {
  public:
    void open(const char* name, const char* help, MetricType type) { all_.push_back({name, help, type, {}}); }
    void gauge(const char* name, const char* help) { open(name, help, MetricType::Gauge); }
    void counter(const char* name, const char* help) { open(name, help, MetricType::Counter); }
    template <typename Number>
    void add(label_list labels, Number value) {
        ClientMetric one;
        one.label = std::move(labels);
        if (all_.back().type == MetricType::Counter)
            one.counter.value = static_cast<double>(value);
        else
            one.gauge.value = static_cast<double>(value);
        all_.back().metric.push_back(std::move(one));
    }
    std::string text() const { return prometheus::TextSerializer().Serialize(all_); }

  private:
    std::vector<MetricFamily> all_;
};

void add_process(families& to, inventory& of) {
    to.gauge("ringway_build_info", "Always 1; the version is in the label");
    to.add({{"version", std::string(version)}}, 1);
    const auto ready = readiness_of(of);
    to.gauge("ringway_ready", "1 when every cluster has its primaries and the process does not drain");
    to.add({}, ready.ready() ? 1 : 0);
    to.gauge("ringway_draining", "1 while the process takes no new clients");
    to.add({}, ready.draining ? 1 : 0);
    to.gauge("ringway_cluster_ready", "1 when every shard of the cluster has a primary");
    for (const auto& one : ready.clusters) to.add({{"cluster", one.cluster}}, one.ready ? 1 : 0);
}

void add_clients(families& to, inventory& of) {
    std::map<std::pair<std::string, std::string>, std::uint64_t> by_state;
    std::map<std::pair<std::string, std::string>, std::uint64_t> pinned;
    for (const auto& one : of.clients()) {
        ++by_state[{one.cluster, one.state}];
        for (const auto& reason : one.pins) ++pinned[{one.cluster, reason}];
    }
    to.gauge("ringway_clients", "Connected clients");
    for (const auto& [key, count] : by_state) to.add({{"cluster", key.first}, {"state", key.second}}, count);
    to.gauge("ringway_pins", "Reasons for which sessions keep their server connection");
    for (const auto& [key, count] : pinned) to.add({{"cluster", key.first}, {"reason", key.second}}, count);
}

void add_servers(families& to, inventory& of) {
    std::map<std::tuple<std::string, std::string, std::string, std::string>, std::uint64_t> by_state;
    for (const auto& one : of.servers()) ++by_state[{one.cluster, one.shard, one.address, one.state}];
    to.gauge("ringway_servers", "Connections to servers");
    for (const auto& [key, count] : by_state) {
        const auto& [cluster, shard, node, state] = key;
        to.add({{"cluster", cluster}, {"shard", shard}, {"node", node}, {"state", state}}, count);
    }
}

template <typename Value>
void add_pool_family(families& to, const std::vector<pool_row>& pools, const char* name, const char* help,
                     Value value) {
    to.gauge(name, help);
    for (const auto& one : pools)
        to.add({{"cluster", one.cluster},
                {"shard", one.shard},
                {"node", one.node},
                {"database", one.database},
                {"user", one.user}},
               value(one));
}

void add_pools(families& to, inventory& of) {
    const auto pools = of.pools();
    add_pool_family(to, pools, "ringway_pool_clients_waiting", "Clients waiting for a lease",
                    [](const pool_row& p) { return p.clients_waiting; });
    add_pool_family(to, pools, "ringway_pool_clients_active", "Clients holding a lease",
                    [](const pool_row& p) { return p.clients_active; });
    add_pool_family(to, pools, "ringway_pool_servers_active", "Server connections leased",
                    [](const pool_row& p) { return p.servers_active; });
    add_pool_family(to, pools, "ringway_pool_servers_idle", "Server connections free",
                    [](const pool_row& p) { return p.servers_idle; });
    add_pool_family(to, pools, "ringway_pool_servers_login", "Server connections logging in",
                    [](const pool_row& p) { return p.servers_login; });
    add_pool_family(to, pools, "ringway_pool_size", "Most server connections of the pool",
                    [](const pool_row& p) { return p.size; });
    add_pool_family(to, pools, "ringway_pool_max_wait_seconds", "Wait of the client first in the queue",
                    [](const pool_row& p) { return p.max_wait_seconds; });
    add_pool_family(to, pools, "ringway_pool_paused", "1 while paused",
                    [](const pool_row& p) { return p.paused ? 1 : 0; });
}

template <typename Value>
void add_traffic_family(families& to, const std::vector<traffic_row>& traffic, const char* name, const char* help,
                        Value value) {
    to.counter(name, help);
    for (const auto& one : traffic) to.add({{"cluster", one.cluster}}, value(one));
}

void add_traffic(families& to, inventory& of) {
    const auto rows = of.traffic();
    const auto seconds = [](std::uint64_t microseconds) { return static_cast<double>(microseconds) / 1e6; };
    add_traffic_family(to, rows, "ringway_transactions_total", "Transactions",
                       [](const traffic_row& t) { return t.transactions; });
    add_traffic_family(to, rows, "ringway_statements_total", "Statements",
                       [](const traffic_row& t) { return t.statements; });
    add_traffic_family(to, rows, "ringway_received_bytes_total", "Bytes from clients",
                       [](const traffic_row& t) { return t.bytes_received; });
    add_traffic_family(to, rows, "ringway_sent_bytes_total", "Bytes to clients",
                       [](const traffic_row& t) { return t.bytes_sent; });
    add_traffic_family(to, rows, "ringway_transaction_seconds_total", "Time in transactions",
                       [&](const traffic_row& t) { return seconds(t.transaction_microseconds); });
    add_traffic_family(to, rows, "ringway_statement_seconds_total", "Time in statements",
                       [&](const traffic_row& t) { return seconds(t.statement_microseconds); });
    add_traffic_family(to, rows, "ringway_wait_seconds_total", "Time waiting for leases",
                       [&](const traffic_row& t) { return seconds(t.wait_microseconds); });
    add_traffic_family(to, rows, "ringway_writes_total", "Statements sent to primaries because they write",
                       [](const traffic_row& t) { return t.writes; });
    add_traffic_family(to, rows, "ringway_retries_total", "Statements sent again elsewhere",
                       [](const traffic_row& t) { return t.retries; });
    add_traffic_family(to, rows, "ringway_refusals_total", "Statements refused by Ringway",
                       [](const traffic_row& t) { return t.refusals; });
    to.counter("ringway_reads_total", "Reads by the role of the node they ran on");
    for (const auto& one : rows) {
        to.add({{"cluster", one.cluster}, {"role", "primary"}}, one.reads_on_primary);
        to.add({{"cluster", one.cluster}, {"role", "replica"}}, one.reads_on_replica);
    }
}

std::string role_of(pool::node_role role) {
    if (role == pool::node_role::primary) return "primary";
    return role == pool::node_role::replica ? "replica" : "unknown";
}

/// One node and its labels.
struct watched_node {
    pool::node_health health;
    label_list labels;
};

std::vector<watched_node> nodes_of(inventory& of) {
    const auto settings = of.settings();
    std::vector<watched_node> all;
    for (const auto& cluster : of.health()) {
        const auto* configured = settings->find_cluster(cluster->cluster);
        for (std::size_t i = 0; i < cluster->shards.size(); ++i) {
            const auto shard =
                configured && i < configured->shards.size() ? configured->shards[i].name : std::to_string(i);
            for (const auto& node : cluster->shards[i].nodes)
                all.push_back({node,
                               {{"cluster", cluster->cluster},
                                {"shard", shard},
                                {"node", node.address.text()},
                                {"role", role_of(node.role)}}});
        }
    }
    return all;
}

void add_nodes(families& to, inventory& of, admin::instant now) {
    const auto nodes = nodes_of(of);
    to.gauge("ringway_node_up", "1 when the node is in rotation");
    for (const auto& one : nodes) to.add(one.labels, one.health.usable ? 1 : 0);
    to.gauge("ringway_node_replaying", "1 when a replica's replay goes on");
    for (const auto& one : nodes)
        if (one.health.role == pool::node_role::replica) to.add(one.labels, one.health.replaying ? 1 : 0);
    to.gauge("ringway_node_lag_seconds", "How far the node is behind its primary; absent when unknown");
    for (const auto& one : nodes)
        if (one.health.lag.count() >= 0) to.add(one.labels, static_cast<double>(one.health.lag.count()) / 1e3);
    to.gauge("ringway_node_lag_bytes", "WAL that the node has not replayed; absent when unknown");
    for (const auto& one : nodes)
        if (one.health.lag.count() >= 0) to.add(one.labels, one.health.lag_bytes);
    to.gauge("ringway_node_watermark_age_seconds", "Age of the node's freshness watermark; absent before the first");
    for (const auto& one : nodes)
        if (one.health.watermark != pool::steady_time{})
            to.add(one.labels, std::chrono::duration<double>(now.steady - one.health.watermark).count());
}

void add_bans(families& to, inventory& of) {
    to.gauge("ringway_bans", "1 for each node that is banned");
    for (const auto& one : of.bans())
        to.add({{"cluster", one.cluster}, {"node", one.node.text()}, {"by", one.by_operator ? "operator" : "monitor"}},
               1);
}

void add_rebalances(families& to, inventory& of) {
    const auto all = of.rebalances();
    to.gauge("ringway_rebalance_phase", "1 for the phase that a cluster's last rebalance is in");
    for (const auto& one : all) to.add({{"cluster", one.cluster}, {"phase", one.state}}, 1);
    to.gauge("ringway_rebalance_pause_seconds", "How long the last cutover's fence stood; absent before the first");
    for (const auto& one : all)
        if (one.pause_milliseconds >= 0) to.add({{"cluster", one.cluster}}, one.pause_milliseconds / 1e3);
    const auto add = [&](const char* name, const char* help, std::uint64_t rebalance::move_figures::* what) {
        to.gauge(name, help);
        for (const auto& one : all)
            for (const auto& each : one.moves)
                to.add({{"cluster", one.cluster}, {"source", each.source}, {"target", each.target}}, each.*what);
    };
    add("ringway_rebalance_rows", "Rows to be moved, estimated", &rebalance::move_figures::rows);
    add("ringway_rebalance_rows_copied", "Rows copied", &rebalance::move_figures::rows_copied);
    add("ringway_rebalance_bytes_copied", "Bytes copied", &rebalance::move_figures::bytes_copied);
    add("ringway_rebalance_changes", "Changes that have followed", &rebalance::move_figures::changes);
    add("ringway_rebalance_lag_bytes", "WAL of the source that has not been looked at",
        &rebalance::move_figures::lag_bytes);
    add("ringway_rebalance_rows_cleaned", "Rows deleted at the source", &rebalance::move_figures::rows_cleaned);
}

void add_plans(families& to, inventory& of) {
    auto& plans = of.plans();
    const auto& counters = plans.counters();
    const auto add = [&](const char* name, const char* help, const std::atomic<std::uint64_t>& value) {
        to.counter(name, help);
        to.add({}, value.load(std::memory_order_relaxed));
    };
    add("ringway_plan_cache_hits_total", "Statements whose plan was cached", counters.hits);
    add("ringway_plan_cache_misses_total", "Statements whose plan was not cached", counters.misses);
    add("ringway_plan_cache_parses_total", "Texts given to the SQL parser", counters.parses);
    add("ringway_plan_cache_evictions_total", "Plans that left the cache for others", counters.evictions);
    add("ringway_plan_cache_uncacheable_total", "Plans that cannot be cached", counters.uncacheable);
    to.gauge("ringway_plan_cache_entries", "Plans in the cache");
    to.add({}, plans.list().size());
}

}  // namespace

std::string metrics_text(inventory& of, admin::instant now) {
    families all;
    add_process(all, of);
    add_clients(all, of);
    add_servers(all, of);
    add_pools(all, of);
    add_traffic(all, of);
    add_nodes(all, of, now);
    add_bans(all, of);
    add_plans(all, of);
    add_rebalances(all, of);
    return all.text();
}

}  // namespace ringway::proxy::http
