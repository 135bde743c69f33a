// SHOW DATABASES, USERS, CONFIG, VERSION, HELP: what the configuration file says. Never a password.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "proxy/admin/routing.hpp"
#include "proxy/admin/setting_names.hpp"
#include "proxy/admin/view.hpp"
#include "proxy/cli/version.hpp"

namespace ringway::proxy::admin {

namespace {

using type = column_type;

constexpr std::array database_columns{column{"name"},
                                      column{"host"},
                                      column{"port", type::int8},
                                      column{"database"},
                                      column{"force_user"},
                                      column{"pool_size", type::int8},
                                      column{"min_pool_size", type::int8},
                                      column{"reserve_pool_size", type::int8},
                                      column{"server_lifetime", type::int8},
                                      column{"pool_mode"},
                                      column{"max_connections", type::int8},
                                      column{"current_connections", type::int8},
                                      column{"max_client_connections", type::int8},
                                      column{"current_client_connections", type::int8},
                                      column{"paused", type::int8},
                                      column{"disabled", type::int8},
                                      column{"engine"},
                                      column{"shards", type::int8},
                                      column{"nodes", type::int8},
                                      column{"read_consistency"}};

/// How many rows belong to a configured cluster; those of databases that "*" serves count there.
template <typename Row>
std::uint64_t count_of(const std::vector<Row>& rows, const config::settings& in, const config::cluster& of) {
    return static_cast<std::uint64_t>(
        std::count_if(rows.begin(), rows.end(), [&](const Row& one) { return in.find_cluster(one.cluster) == &of; }));
}

/// The node writes go to: the first shard's primary, or its first node while none is known.
std::pair<std::string, std::string> main_address(inventory& from, const config::cluster& of) {
    if (const auto primary = primary_of(from, of.name, 0)) return split_address(*primary);
    if (of.shards.empty() || of.shards[0].nodes.empty()) return {};
    return split_address(of.shards[0].nodes[0].text());
}

rows_or_fault databases(const source& from) {
    const auto settings = from.of.settings();
    const auto clients = from.of.clients();
    const auto servers = from.of.servers();
    const auto pools = from.of.pools();
    row_list rows;
    for (const auto& one : settings->clusters) {
        const auto [host, port] = main_address(from.of, one);
        const bool paused = std::any_of(pools.begin(), pools.end(), [&](const pool_row& p) {
            return p.paused && settings->find_cluster(p.cluster) == &one;
        });
        std::size_t nodes = 0;
        for (const auto& shard : one.shards) nodes += shard.nodes.size();
        constexpr std::uint64_t no_limit = 0;
        rows.push_back(make_row(one.name, or_null(host), or_null(port), one.database.empty() ? one.name : one.database,
                                cell{}, one.pool.size, one.pool.min_idle, one.pool.reserve,
                                one.pool.lifetime.count() / 1000, name_of(one.pool.mode), no_limit,
                                count_of(servers, *settings, one), no_limit, count_of(clients, *settings, one),
                                std::uint64_t{paused}, std::uint64_t{0}, name_of(one.engine), one.shards.size(), nodes,
                                name_of(one.reads.consistency)));
    }
    return rows;
}

constexpr std::array user_columns{column{"name"},
                                  column{"pool_size", type::int8},
                                  column{"reserve_pool_size", type::int8},
                                  column{"pool_mode"},
                                  column{"max_user_connections", type::int8},
                                  column{"current_connections", type::int8},
                                  column{"max_user_client_connections", type::int8},
                                  column{"current_client_connections", type::int8},
                                  column{"admin", type::boolean},
                                  column{"server_user"},
                                  column{"read_consistency"}};

template <typename Row>
std::uint64_t count_of_user(const std::vector<Row>& rows, const config::settings& in, const config::user& of) {
    return static_cast<std::uint64_t>(
        std::count_if(rows.begin(), rows.end(), [&](const Row& one) { return in.find_user(one.user) == &of; }));
}

rows_or_fault users(const source& from) {
    const auto settings = from.of.settings();
    const auto clients = from.of.clients();
    const auto servers = from.of.servers();
    row_list rows;
    for (const auto& one : settings->users) {
        constexpr std::uint64_t no_limit = 0;
        const auto number = [](const std::optional<std::uint32_t>& value) { return value ? cell_of(*value) : cell{}; };
        rows.push_back(make_row(one.name, number(one.over.pool_size), number(one.over.reserve),
                                one.over.mode ? cell_of(name_of(*one.over.mode)) : cell{}, no_limit,
                                count_of_user(servers, *settings, one), no_limit,
                                count_of_user(clients, *settings, one), one.admin,
                                one.server_user.empty() ? one.name : one.server_user,
                                one.over.consistency ? cell_of(name_of(*one.over.consistency)) : cell{}));
    }
    return rows;
}

constexpr std::array config_columns{column{"key"}, column{"value"}, column{"default"}, column{"changeable"}};

/// Collects the lines of SHOW CONFIG under one table of the file.
class config_lines {
  public:
    config_lines(row_list& to, std::string table) : to_(to), table_(std::move(table)) {}
    template <typename Value>
    void add(std::string_view key, const Value& value, const Value& standard, bool changeable = true) {
        to_.push_back({fmt::format("{}.{}", table_, key), text(value), text(standard), changeable ? "yes" : "no"});
    }

  private:
    static std::string text(const std::string& value) { return value; }
    static std::string text(std::string_view value) { return std::string(value); }
    static std::string text(bool value) { return value ? "true" : "false"; }
    static std::string text(config::milliseconds value) { return text_of(value); }
    static std::string text(std::uint32_t value) { return fmt::to_string(value); }
    static std::string text(std::uint64_t value) { return fmt::to_string(value); }

    row_list& to_;
    std::string table_;
};

void add_listen(row_list& rows, const config::listen& is) {
    config_lines lines(rows, "listen");
    const auto text = [](const std::optional<config::endpoint>& where) {
        return where ? where->text() : std::string();
    };
    const std::string none;
    lines.add("postgres", text(is.postgres), none, false);
    lines.add("mysql", text(is.mysql), none, false);
    lines.add("admin", text(is.admin), none, false);
    lines.add("admin_mysql", text(is.admin_mysql), none, false);
    lines.add("http", text(is.http), none, false);
    lines.add("proxy_protocol", fmt::format("{}", fmt::join(is.proxy_protocol, ", ")), none);
}

void add_general(row_list& rows, const config::general& is) {
    const config::general standard;
    config_lines lines(rows, "general");
    lines.add("workers", is.workers, standard.workers, false);
    lines.add("max_clients", is.max_clients, standard.max_clients);
    lines.add("state_dir", is.state_dir, standard.state_dir, false);
    lines.add("log_level", is.log_level, standard.log_level);
    lines.add("log_queries", is.log_queries, standard.log_queries);
    lines.add("drain_timeout", is.drain_timeout, standard.drain_timeout);
    lines.add("client_login_timeout", is.client_login_timeout, standard.client_login_timeout);
    lines.add("client_idle_timeout", is.client_idle_timeout, standard.client_idle_timeout);
    lines.add("idle_transaction_timeout", is.idle_transaction_timeout, standard.idle_transaction_timeout);
    lines.add("plan_cache_entries", is.plan_cache_entries, standard.plan_cache_entries, false);
    lines.add("max_parse_bytes", is.max_parse_bytes, standard.max_parse_bytes);
    lines.add("max_prepared_bytes", is.max_prepared_bytes, standard.max_prepared_bytes);
}

void add_tls(row_list& rows, const std::string& table, const config::tls& is) {
    const config::tls standard;
    config_lines lines(rows, table);
    lines.add("mode", name_of(is.mode), name_of(standard.mode));
    lines.add("certificate", is.certificate_file, standard.certificate_file);
    lines.add("key", is.key_file, standard.key_file);
    lines.add("ca", is.ca_file, standard.ca_file);
    lines.add("min_version", is.min_version, standard.min_version);
}

void add_cluster(row_list& rows, const config::cluster& is) {
    const config::cluster standard;
    const auto table = fmt::format("clusters.{}", is.name);
    config_lines lines(rows, table);
    lines.add("engine", name_of(is.engine), name_of(standard.engine));
    lines.add("database", is.database, standard.database);
    lines.add("pool_mode", name_of(is.pool.mode), name_of(standard.pool.mode));
    lines.add("pool_size", is.pool.size, standard.pool.size);
    lines.add("min_idle", is.pool.min_idle, standard.pool.min_idle);
    lines.add("reserve", is.pool.reserve, standard.pool.reserve);
    lines.add("reserve_after", is.pool.reserve_after, standard.pool.reserve_after);
    lines.add("idle_timeout", is.pool.idle_timeout, standard.pool.idle_timeout);
    lines.add("lifetime", is.pool.lifetime, standard.pool.lifetime);
    lines.add("login_backoff", is.pool.login_backoff, standard.pool.login_backoff);
    lines.add("query_wait_timeout", is.pool.query_wait_timeout, standard.pool.query_wait_timeout);
    lines.add("connect_timeout", is.pool.connect_timeout, standard.pool.connect_timeout);
    lines.add("statement_cache", is.pool.statement_cache_bytes, standard.pool.statement_cache_bytes);
    lines.add("read_splitting", is.reads.splitting, standard.reads.splitting);
    lines.add("read_consistency", name_of(is.reads.consistency), name_of(standard.reads.consistency));
    lines.add("max_lag", is.reads.max_lag, standard.reads.max_lag);
    lines.add("balance", name_of(is.reads.how), name_of(standard.reads.how));
    lines.add("no_replica", name_of(is.reads.fallback), name_of(standard.reads.fallback));
    lines.add("monitor_user", is.monitor_user, standard.monitor_user);
    lines.add("auth_query", is.auth_query, standard.auth_query);
    lines.add("auth_user", is.auth_user, standard.auth_user);
    lines.add("health_interval", is.health_interval, standard.health_interval);
    lines.add("watermark_interval", is.watermark_interval, standard.watermark_interval);
    lines.add("check_timeout", is.check_timeout, standard.check_timeout);
    lines.add("failover_hold", is.failover_hold, standard.failover_hold);
    lines.add("max_ban", is.max_ban, standard.max_ban);
    lines.add("key_update", name_of(is.key_update), name_of(standard.key_update));
    lines.add("two_phase", name_of(is.two_phase), name_of(standard.two_phase));
    lines.add("sequences", fmt::format("{}", fmt::join(is.sequences, ", ")), std::string());
    lines.add("rebalance", is.rebalance, standard.rebalance);
    lines.add("cutover_timeout", is.cutover_timeout, standard.cutover_timeout);
    lines.add("cleanup_delay", is.cleanup_delay, standard.cleanup_delay);
    lines.add("server_compression", name_of(is.server_compression), name_of(standard.server_compression));
    lines.add("undo_time", is.undo_time, standard.undo_time);
    lines.add("hot_keys", is.hot_keys, standard.hot_keys);
    add_tls(rows, table + ".server_tls", is.server_tls);
}

rows_or_fault config_rows(const source& from) {
    const auto settings = from.of.settings();
    row_list rows;
    rows.push_back({"config_file", from.of.config_path(), "", "no"});
    add_listen(rows, settings->listen);
    add_general(rows, settings->general);
    add_tls(rows, "client_tls", settings->client_tls);
    for (const auto& one : settings->clusters) add_cluster(rows, one);
    return rows;
}

constexpr std::array version_columns{column{"version"}};

rows_or_fault version_rows(const source&) {
    return row_list{make_row(fmt::format("Ringway {}", version))};
}

constexpr std::array help_columns{column{"command"}, column{"description"}};

rows_or_fault help(const source&) {
    row_list rows;
    for (std::size_t i = 0; i < subject_count; ++i) {
        const auto& one = view_of(static_cast<subject>(i));
        const auto name =
            one.about == subject::ring_points ? std::string("RING <cluster> FULL") : std::string(name_of(one.about));
        rows.push_back(make_row(fmt::format("SHOW {}{}{}", name, one.arguments.empty() ? "" : " ", one.arguments),
                                one.description));
    }
    constexpr std::array<std::pair<std::string_view, std::string_view>, 15> others{{
        {"PAUSE [<cluster>]", "wait for transactions to end, then hold new ones"},
        {"RESUME [<cluster>]", "end a pause"},
        {"RELOAD", "read the configuration file again"},
        {"KILL <client id>", "close one client's connection"},
        {"KILL <cluster>", "close every client's connection to a cluster"},
        {"BAN <node> [FOR <interval>]", "take a node out of rotation"},
        {"UNBAN <node>", "put it back"},
        {"REBALANCE <cluster> [DRY RUN]", "move rows to the ring that the configuration describes, or say what would"},
        {"MOVE <cluster> KEY <table> <value> TO <shard>", "move the rows of one key, of all tables"},
        {"CANCEL REBALANCE <cluster>", "end it before its cutover, and take back what it has made"},
        {"RESUME REBALANCE <cluster>", "go on with one that has stopped or waits"},
        {"UNDO REBALANCE <cluster>", "back to the old ring, with what was written since (undo_time)"},
        {"FINISH REBALANCE <cluster>", "no undo any more: the sources' rows go"},
        {"SHUTDOWN", "end the process now"},
        {"SHUTDOWN WAIT_FOR_CLIENTS", "take no new clients, end when the last has left"},
    }};
    for (const auto& [text, description] : others) rows.push_back(make_row(text, description));
    return rows;
}

constexpr std::array views{
    view{subject::databases, "", "the clusters that are configured", database_columns, databases},
    view{subject::users, "", "the users that are configured", user_columns, users},
    view{subject::config, "", "the settings in force", config_columns, config_rows},
    view{subject::version, "", "the version of Ringway", version_columns, version_rows},
    view{subject::help, "", "this list", help_columns, help},
};

}  // namespace

std::span<const view> setting_views() {
    return views;
}

}  // namespace ringway::proxy::admin
