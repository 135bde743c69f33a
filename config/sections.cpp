#include "config/sections.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ringway::config {

namespace {

void read_pool(table_reader& from, pool_limits& into) {
    from.choice("pool_mode", into.mode, {{"transaction", pool_mode::transaction}, {"session", pool_mode::session}});
    from.whole("pool_size", into.size, 1, 100'000);
    from.whole("min_idle", into.min_idle, 0, 100'000);
    from.whole("reserve", into.reserve, 0, 100'000);
    from.length("reserve_after", into.reserve_after);
    from.length("idle_timeout", into.idle_timeout);
    from.length("lifetime", into.lifetime);
    from.length("login_backoff", into.login_backoff);
    from.length("query_wait_timeout", into.query_wait_timeout);
    from.length("connect_timeout", into.connect_timeout);
    from.size("statement_cache", into.statement_cache_bytes);
    if (into.min_idle > into.size) from.mistake("min_idle", fmt::format("is more than pool_size ({})", into.size));
}

using consistency_names = std::initializer_list<std::pair<std::string_view, read_consistency>>;
constexpr consistency_names consistencies{
    {"session", read_consistency::session}, {"eventual", read_consistency::eventual}, {"bounded", read_consistency::bounded}, {"primary", read_consistency::primary}};

void read_reads(table_reader& from, read_rules& into) {
    from.flag("read_splitting", into.splitting);
    from.choice("read_consistency", into.consistency, consistencies);
    from.length("max_lag", into.max_lag);
    from.choice("balance", into.how, {{"round_robin", balance::round_robin}, {"least_connections", balance::least_connections}, {"weighted", balance::weighted}, {"random", balance::random}});
    from.choice("no_replica", into.fallback, {{"primary", no_replica::primary}, {"error", no_replica::error}});
}

void read_shards(table_reader& from, std::vector<shard>& into) {
    // In the file's order: tables that are not listed live on the first shard. toml++ sorts keys, so go by line and column.
    std::vector<std::pair<toml::source_position, std::string>> order;
    for (const auto& [key, node] : from.raw()) order.emplace_back(key.source().begin, std::string(key.str()));
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return std::tie(a.first.line, a.first.column) < std::tie(b.first.line, b.first.column); });
    for (const auto& [position, name] : order) {
        const auto* table = from.table(name);
        if (!table) continue;
        table_reader one(*table, from.path() + "." + name, from.mistakes());
        shard made;
        made.name = name;
        std::vector<std::string> nodes;
        one.texts("nodes", nodes);
        one.positive("weight", made.weight);
        one.finish();
        if (nodes.empty()) one.mistake("nodes", "a shard needs at least one node, such as nodes = [\"127.0.0.1:5432\"]");
        for (const auto& text : nodes) {
            const auto node = read_endpoint(text);
            if (!node)
                one.mistake("nodes", fmt::format("\"{}\" is not an address such as \"127.0.0.1:5432\"", text));
            else if (std::find(made.nodes.begin(), made.nodes.end(), *node) != made.nodes.end())
                one.mistake("nodes", fmt::format("{} stands twice", text));
            else
                made.nodes.push_back(*node);
        }
        into.push_back(std::move(made));
    }
}

void read_map(table_reader& from, table& into, const std::vector<shard>& shards) {
    for (const auto& [key, node] : from.raw()) {
        const std::string name(key.str());
        from.get(name);
        if (std::none_of(shards.begin(), shards.end(), [&](const auto& each) { return each.name == name; })) from.mistake(name, "there is no such shard");
        const auto* list = node.as_array();
        if (!list) {
            from.mistake(name, "must be a list of values");
            continue;
        }
        auto& values = into.map[name];
        for (const auto& each : *list) {
            if (const auto text = each.value<std::string>())
                values.push_back(*text);
            else if (const auto number = each.value<std::int64_t>())
                values.push_back(std::to_string(*number));
            else
                from.mistake(name, "values are texts or whole numbers");
        }
        if (into.function == sharding_function::range && values.size() != 2) from.mistake(name, "a range has two bounds, the lower one within: [0, 1000]");
    }
}

void read_tables(table_reader& from, std::vector<table>& into, const std::vector<shard>& shards) {
    for (const auto& [key, node] : from.raw()) {
        const std::string name(key.str());
        const auto* found = from.table(name);
        if (!found) continue;
        table_reader one(*found, from.path() + "." + name, from.mistakes());
        table made;
        made.name = name;
        one.text("key", made.key);
        one.flag("reference", made.reference);
        one.choice("function", made.function, {{"ring", sharding_function::ring}, {"hash", sharding_function::hash}, {"range", sharding_function::range},
                                               {"list", sharding_function::list}, {"directory", sharding_function::directory}});
        const bool mapped = made.function == sharding_function::list || made.function == sharding_function::range;
        if (const auto* map = one.table("map")) {
            table_reader values(*map, one.path() + ".map", one.mistakes());
            read_map(values, made, shards);
        } else if (mapped) {
            one.mistake("map", "functions list and range need a map of shards to values");
        }
        if (made.reference && !made.key.empty()) one.mistake("key", "a reference table has no key");
        if (!made.reference && made.key.empty()) one.mistake("key", "a table needs key = \"column\" or reference = true");
        if (made.reference && one.raw().contains("function")) one.mistake("function", "a reference table has no sharding function");
        std::map<std::string, std::string> owners;
        if (made.function == sharding_function::list)
            for (const auto& [owner, values] : made.map)
                for (const auto& value : values)
                    if (const auto [at, fresh] = owners.emplace(value, owner); !fresh) one.mistake("map", fmt::format("value {} is given to {} and to {}", value, at->second, owner));
        one.finish();
        into.push_back(std::move(made));
    }
}

bool is_verifier(const std::string& password) { return password.starts_with("SCRAM-SHA-256$"); }

}  // namespace

void read_tls(table_reader& from, tls& into) {
    from.choice("mode", into.mode, {{"disable", tls_mode::disable}, {"allow", tls_mode::allow}, {"prefer", tls_mode::prefer}, {"require", tls_mode::require},
                                    {"verify-ca", tls_mode::verify_ca}, {"verify_ca", tls_mode::verify_ca}, {"verify-full", tls_mode::verify_full}, {"verify_full", tls_mode::verify_full}});
    from.text("certificate", into.certificate_file);
    from.text("key", into.key_file);
    from.text("ca", into.ca_file);
    from.text("min_version", into.min_version);
    if (into.min_version != "1.2" && into.min_version != "1.3") from.mistake("min_version", "must be \"1.2\" or \"1.3\"");
    if (into.certificate_file.empty() != into.key_file.empty()) from.mistake("certificate", "certificate and key go together");
    from.finish();
}

void read_general(table_reader& from, settings& into, pool_limits& limits, read_rules& reads) {
    auto& general = into.general;
    from.whole("workers", general.workers, 0, 64);
    from.whole("max_clients", general.max_clients, 1, 10'000'000);
    from.text("state_dir", general.state_dir);
    from.text("log_level", general.log_level);
    static constexpr std::string_view levels[] = {"trace", "debug", "info", "warn", "error", "off"};
    if (std::find(std::begin(levels), std::end(levels), general.log_level) == std::end(levels))
        from.mistake("log_level", "must be \"trace\", \"debug\", \"info\", \"warn\", \"error\" or \"off\"");
    from.flag("log_queries", general.log_queries);
    from.length("drain_timeout", general.drain_timeout);
    from.length("client_login_timeout", general.client_login_timeout);
    from.length("client_idle_timeout", general.client_idle_timeout);
    from.length("idle_transaction_timeout", general.idle_transaction_timeout);
    from.whole("plan_cache_entries", general.plan_cache_entries, 1, 10'000'000);
    from.size("max_parse_bytes", general.max_parse_bytes);
    from.size("max_prepared_bytes", general.max_prepared_bytes);
    read_pool(from, limits);
    read_reads(from, reads);
    from.finish();
}

void read_listen(table_reader& from, listen& into) {
    from.address("postgres", into.postgres);
    from.address("mysql", into.mysql);
    from.address("admin", into.admin);
    from.address("admin_mysql", into.admin_mysql);
    from.address("http", into.http);
    from.finish();
}

void read_hba(const toml::array& from, std::vector<hba_rule>& into, mistake_list& mistakes) {
    for (const auto& each : from) {
        const auto* table = each.as_table();
        if (!table) {
            mistakes.add(each, "hba: each rule is a table: [[hba]]");
            continue;
        }
        table_reader one(*table, "hba", mistakes);
        hba_rule rule;
        std::string type = "host";
        one.text("type", type);
        rule.tls_only = type == "hostssl";
        rule.no_tls_only = type == "hostnossl";
        if (type != "host" && !rule.tls_only && !rule.no_tls_only) one.mistake("type", "must be \"host\", \"hostssl\" or \"hostnossl\"");
        one.texts("clusters", rule.clusters);
        one.texts("users", rule.users);
        one.text("address", rule.address);
        one.choice("method", rule.method, {{"trust", auth_method::trust}, {"scram-sha-256", auth_method::scram_sha_256}, {"md5", auth_method::md5},
                                           {"plain", auth_method::plain}, {"password", auth_method::plain}, {"certificate", auth_method::certificate},
                                           {"cert", auth_method::certificate}, {"reject", auth_method::reject}});
        if (!one.raw().contains("method")) one.mistake("method", "a rule needs a method");
        one.finish();
        into.push_back(std::move(rule));
    }
}

void read_user(table_reader& from, user& into) {
    from.secret("password", into.password);
    from.text("server_user", into.server_user);
    from.secret("server_password", into.server_password);
    from.texts("clusters", into.clusters);
    from.flag("admin", into.admin);
    auto& over = into.over;
    from.optional_choice("pool_mode", over.mode, {{"transaction", pool_mode::transaction}, {"session", pool_mode::session}});
    from.whole("pool_size", over.pool_size, 1, 100'000);
    from.whole("min_idle", over.min_idle, 0, 100'000);
    from.whole("reserve", over.reserve, 0, 100'000);
    from.length("query_wait_timeout", over.query_wait_timeout);
    from.optional_choice("read_consistency", over.consistency, consistencies);
    from.length("max_lag", over.max_lag);
    if (into.password.starts_with("SCRAM-SHA-256") && (!is_verifier(into.password) || std::count(into.password.begin(), into.password.end(), '$') != 2 ||
                                                       std::count(into.password.begin(), into.password.end(), ':') != 2))
        from.mistake("password", "a SCRAM verifier reads SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>");
    if (into.name == "*" && !into.password.empty()) from.mistake("password", "the user \"*\" has no password of its own: auth_query tells");
    from.finish();
}

void read_cluster(table_reader& from, cluster& into, const pool_limits& limits, const read_rules& reads) {
    into.pool = limits;
    into.reads = reads;
    from.choice("engine", into.engine, {{"postgres", engine::postgres}, {"mysql", engine::mysql}});
    from.text("database", into.database);
    if (const auto* shards = from.table("shards")) {
        table_reader all(*shards, from.path() + ".shards", from.mistakes());
        read_shards(all, into.shards);
    }
    if (into.shards.empty()) from.mistake("shards", "a cluster needs at least one shard: [clusters.NAME.shards] s0 = { nodes = [\"127.0.0.1:5432\"] }");
    if (into.shards.size() > 65'000) from.mistake("shards", "at most 65000 shards");
    if (const auto* tables = from.table("tables")) {
        table_reader all(*tables, from.path() + ".tables", from.mistakes());
        read_tables(all, into.tables, into.shards);
    }
    read_pool(from, into.pool);
    read_reads(from, into.reads);
    if (const auto* server_tls = from.table("server_tls")) {
        table_reader one(*server_tls, from.path() + ".server_tls", from.mistakes());
        read_tls(one, into.server_tls);
    }
    from.text("monitor_user", into.monitor_user);
    from.secret("monitor_password", into.monitor_password);
    from.text("auth_query", into.auth_query);
    from.text("auth_user", into.auth_user);
    from.secret("auth_password", into.auth_password);
    from.length("health_interval", into.health_interval);
    from.length("watermark_interval", into.watermark_interval);
    from.length("check_timeout", into.check_timeout);
    from.length("failover_hold", into.failover_hold);
    from.length("max_ban", into.max_ban);
    for (const auto* key : {"health_interval", "watermark_interval", "check_timeout"}) {
        const auto value = std::string_view(key) == "health_interval" ? into.health_interval : std::string_view(key) == "check_timeout" ? into.check_timeout : into.watermark_interval;
        if (value.count() < 10) from.mistake(key, "must be at least \"10ms\"");
    }
    if (const auto* weights = from.table("node_weights")) {
        table_reader all(*weights, from.path() + ".node_weights", from.mistakes());
        for (const auto& [key, node] : *weights) all.positive(key.str(), into.node_weights[std::string(key.str())]);
        all.finish();
    }
    if (!into.auth_query.empty() && into.auth_user.empty()) from.mistake("auth_query", "needs auth_user and auth_password to run it");
    if (into.name == "*") {
        if (into.shards.size() > 1) from.mistake("shards", "the cluster \"*\" has exactly one shard");
        if (!into.tables.empty()) from.mistake("tables", "the cluster \"*\" cannot be sharded");
        if (!into.database.empty()) from.mistake("database", "the cluster \"*\" serves every database name");
    }
    from.finish();
}

}  // namespace ringway::config
