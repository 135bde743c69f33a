// SHOW CLIENTS, SERVERS, POOLS, PINS, TRANSACTIONS, LISTS: who is connected now.

#include <algorithm>
#include <array>
#include <set>

#include <fmt/ranges.h>

#include "proxy/admin/view.hpp"

namespace ringway::proxy::admin {

namespace {

using type = column_type;

constexpr std::array client_columns{column{"type"},
                                    column{"user"},
                                    column{"database"},
                                    column{"replication"},
                                    column{"state"},
                                    column{"addr"},
                                    column{"port", type::int8},
                                    column{"local_addr"},
                                    column{"local_port", type::int8},
                                    column{"connect_time", type::timestamptz},
                                    column{"request_time", type::timestamptz},
                                    column{"wait", type::int8},
                                    column{"wait_us", type::int8},
                                    column{"close_needed", type::int8},
                                    column{"ptr"},
                                    column{"link"},
                                    column{"remote_pid", type::int8},
                                    column{"tls"},
                                    column{"application_name"},
                                    column{"prepared_statements", type::int8},
                                    column{"id", type::int8},
                                    column{"worker", type::int8},
                                    column{"pins"}};

rows_or_fault clients(const source& from) {
    row_list rows;
    for (const auto& one : from.of.clients()) {
        const auto [host, port] = split_address(one.address);
        const auto [wait, wait_us] = split_seconds(one.wait_seconds);
        rows.push_back(make_row("C", one.user, one.cluster, "none", one.state, host, or_null(port), cell{}, cell{},
                                one.connected, one.requested, wait, wait_us, std::uint64_t{0},
                                fmt::format("client-{}", one.id), one.server, one.id, one.tls, one.application_name,
                                one.prepared_statements, one.id, one.worker,
                                or_null(fmt::format("{}", fmt::join(one.pins, ", ")))));
    }
    return rows;
}

constexpr std::array server_columns{column{"type"},
                                    column{"user"},
                                    column{"database"},
                                    column{"replication"},
                                    column{"state"},
                                    column{"addr"},
                                    column{"port", type::int8},
                                    column{"local_addr"},
                                    column{"local_port", type::int8},
                                    column{"connect_time", type::timestamptz},
                                    column{"request_time", type::timestamptz},
                                    column{"wait", type::int8},
                                    column{"wait_us", type::int8},
                                    column{"close_needed", type::int8},
                                    column{"ptr"},
                                    column{"link"},
                                    column{"remote_pid", type::int8},
                                    column{"tls"},
                                    column{"application_name"},
                                    column{"prepared_statements", type::int8},
                                    column{"id", type::int8},
                                    column{"worker", type::int8},
                                    column{"shard"},
                                    column{"server_database"},
                                    column{"client_id", type::int8},
                                    column{"statement_bytes", type::int8}};

rows_or_fault servers(const source& from) {
    row_list rows;
    for (const auto& one : from.of.servers()) {
        const auto [host, port] = split_address(one.address);
        const bool held = one.client_id != 0;
        rows.push_back(make_row("S", one.user, one.cluster, "none", one.state, host, or_null(port), cell{}, cell{},
                                one.connected, one.requested, std::uint64_t{0}, std::uint64_t{0}, std::uint64_t{0},
                                fmt::format("server-{}", one.id),
                                held ? fmt::format("client-{}", one.client_id) : std::string(), one.pid, one.tls,
                                one.application_name, one.prepared_statements, one.id, one.worker, one.shard,
                                one.database, held ? cell_of(one.client_id) : cell{}, one.statement_bytes));
    }
    return rows;
}

constexpr std::array pool_columns{column{"database"},
                                  column{"user"},
                                  column{"cl_active", type::int8},
                                  column{"cl_waiting", type::int8},
                                  column{"cl_active_cancel_req", type::int8},
                                  column{"cl_waiting_cancel_req", type::int8},
                                  column{"sv_active", type::int8},
                                  column{"sv_active_cancel", type::int8},
                                  column{"sv_being_canceled", type::int8},
                                  column{"sv_idle", type::int8},
                                  column{"sv_used", type::int8},
                                  column{"sv_tested", type::int8},
                                  column{"sv_login", type::int8},
                                  column{"maxwait", type::int8},
                                  column{"maxwait_us", type::int8},
                                  column{"pool_mode"},
                                  column{"shard"},
                                  column{"node"},
                                  column{"server_database"},
                                  column{"pool_size", type::int8},
                                  column{"paused", type::boolean}};

rows_or_fault pools(const source& from) {
    const auto connections = from.of.servers();
    const auto in_state = [&](const pool_row& of, std::string_view state) {
        return static_cast<std::uint64_t>(
            std::count_if(connections.begin(), connections.end(), [&](const server_row& one) {
                return one.state == state && one.address == of.node && one.user == of.user &&
                       one.database == of.database && one.cluster == of.cluster;
            }));
    };
    constexpr std::uint64_t none = 0;  // states of PgBouncer's that Ringway does not have
    row_list rows;
    for (const auto& one : from.of.pools()) {
        const auto [wait, wait_us] = split_seconds(one.max_wait_seconds);
        rows.push_back(make_row(one.cluster, one.user, one.clients_active, one.clients_waiting, none, none,
                                one.servers_active, none, in_state(one, "cancel"), one.servers_idle,
                                in_state(one, "used"), none, one.servers_login, wait, wait_us, one.pool_mode, one.shard,
                                one.node, one.database, one.size, one.paused));
    }
    return rows;
}

constexpr std::array pin_columns{column{"client_id", type::int8},
                                 column{"user"},
                                 column{"cluster"},
                                 column{"address"},
                                 column{"server"},
                                 column{"reason"}};

rows_or_fault pins(const source& from) {
    row_list rows;
    for (const auto& one : from.of.clients())
        for (const auto& reason : one.pins)
            rows.push_back(make_row(one.id, one.user, one.cluster, one.address, one.server, reason));
    return rows;
}

constexpr std::array transaction_columns{column{"client_id", type::int8},
                                         column{"user"},
                                         column{"cluster"},
                                         column{"address"},
                                         column{"application_name"},
                                         column{"state"},
                                         column{"server"},
                                         column{"request_time", type::timestamptz},
                                         column{"since_request_ms", type::int8}};

rows_or_fault transactions(const source& from) {
    row_list rows;
    for (const auto& one : from.of.clients()) {
        if (one.state != "transaction" && one.state != "active") continue;
        const bool asked = one.requested.time_since_epoch().count() != 0;
        const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(from.now.wall - one.requested);
        rows.push_back(make_row(one.id, one.user, one.cluster, one.address, one.application_name, one.state, one.server,
                                one.requested, asked ? cell_of(since) : cell{}));
    }
    for (const auto& one : from.of.prepared()) {
        const auto since = std::chrono::milliseconds(static_cast<std::int64_t>(one.seconds * 1000));
        const auto prepared = from.now.wall - since;
        rows.push_back(make_row(cell{}, one.owner, one.cluster, cell{}, cell{},
                                one.reason.empty() ? std::string("prepared") : "prepared: " + one.reason,
                                fmt::format("{}: {}", one.shard, one.name), prepared, cell_of(since)));
    }
    return rows;
}

constexpr std::array list_columns{column{"list"}, column{"items", type::int8}};

rows_or_fault lists(const source& from) {
    const auto settings = from.of.settings();
    const auto connected = from.of.clients();
    const auto connections = from.of.servers();
    const auto logging_in =
        std::count_if(connected.begin(), connected.end(), [](const client_row& one) { return one.state == "login"; });
    std::size_t shards = 0, nodes = 0;
    for (const auto& cluster : settings->clusters) {
        shards += cluster.shards.size();
        for (const auto& shard : cluster.shards) nodes += shard.nodes.size();
    }
    constexpr std::uint64_t none = 0;  // Ringway keeps no free lists
    return row_list{make_row("databases", settings->clusters.size()),
                    make_row("users", settings->users.size()),
                    make_row("pools", from.of.pools().size()),
                    make_row("free_clients", none),
                    make_row("used_clients", connected.size()),
                    make_row("login_clients", static_cast<std::uint64_t>(logging_in)),
                    make_row("free_servers", none),
                    make_row("used_servers", connections.size()),
                    make_row("shards", shards),
                    make_row("nodes", nodes),
                    make_row("bans", from.of.bans().size()),
                    make_row("plans", from.of.plans().list().size())};
}

constexpr std::array views{
    view{subject::clients, "", "clients that are connected", client_columns, clients},
    view{subject::servers, "", "connections to servers", server_columns, servers},
    view{subject::pools, "", "pools: one for each node, user and database", pool_columns, pools},
    view{subject::pins, "", "sessions that cannot give their server connection back, and why", pin_columns, pins},
    view{subject::transactions, "", "clients in a transaction or a statement", transaction_columns, transactions},
    view{subject::lists, "", "how many of everything there are", list_columns, lists},
};

}  // namespace

std::span<const view> session_views() {
    return views;
}

}  // namespace ringway::proxy::admin
