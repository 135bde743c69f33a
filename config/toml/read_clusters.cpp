// [clusters.NAME]: servers, shards, and how to watch them.

#include <fmt/format.h>

#include <algorithm>

#include "config/nearest.hpp"
#include "config/toml/sections.hpp"
#include "config/toml/values.hpp"

namespace ringway::config::source {

namespace {

constexpr std::size_t most_shards = 65'535;
/// Where auth_query takes the user's name.
constexpr std::string_view name_parameter = "$1";

/// Where a node has been named before, or null.
const shard* owner_of(const std::vector<shard>& shards, const endpoint& node) {
    const auto owns = [&](const shard& one) {
        return std::any_of(one.nodes.begin(), one.nodes.end(),
                           [&](const endpoint& other) { return same_address(other, node); });
    };
    const auto found = std::find_if(shards.begin(), shards.end(), owns);
    return found == shards.end() ? nullptr : &*found;
}

/// One node of the last of `shards`.
void read_node(table_reader& table, const node& from, std::vector<shard>& shards, report& mistakes) {
    const auto wrong = [&](const std::string& text) {
        mistakes.mark_broken(table.path_of("nodes"));
        mistakes.add(from.line, fmt::format("[{}] nodes: {}", table.path(), text));
    };
    if (from.kind != node_kind::text)
        return wrong(fmt::format("must hold \"host:port\" strings, not {}", name_of(from.kind)));
    std::string problem;
    const auto address = parse_endpoint(from.text, problem);
    if (!address) return wrong(fmt::format("\"{}\" is not an address: {}", from.text, problem));
    auto& own = shards.back();
    if (const auto* owner = owner_of(shards, *address))
        return wrong(owner == &own ? fmt::format("\"{}\" is named twice", from.text)
                                   : fmt::format("\"{}\" is a node of shard \"{}\" already", from.text, owner->name));
    own.nodes.push_back(*address);
}

void read_shard(const node& from, const std::string& path, std::vector<shard>& shards, report& mistakes) {
    table_reader table(&from, join(path, from.key), mistakes);
    shards.emplace_back().name = from.key;
    const auto* nodes = table.take("nodes");
    if (from.key.empty()) table.wrong_here("needs a name");
    table.read_weight("weight", shards.back().weight, true);
    table.finish();
    if (from.kind != node_kind::table) return;
    if (nodes != nullptr && nodes->kind != node_kind::array)
        table.wrong("nodes", fmt::format("must be an array of \"host:port\" strings, not {}", name_of(nodes->kind)));
    else if (nodes == nullptr || nodes->items.empty())
        table.wrong_here("has no nodes; write nodes = [\"host:port\", ...]");
    else
        for (const auto& one : nodes->items) read_node(table, one, shards, mistakes);
}

void read_node_weights(const node* from, const std::string& path, cluster& to, report& mistakes) {
    table_reader table(from, join(path, "node_weights"), mistakes);
    if (from == nullptr || from->kind != node_kind::table) return;
    for (const auto& entry : from->items) {
        std::string problem;
        const auto address = parse_endpoint(entry.key, problem);
        double weight = 1;
        if (table.has(entry.key) && !address)
            table.wrong(entry.key, fmt::format("is not an address: {}", problem));
        else if (owner_of(to.shards, *address) == nullptr)
            table.wrong(entry.key, "is not a node of this cluster");
        else if (table.read_weight(entry.key, weight))
            to.node_weights[address->text()] = weight;
    }
}

void read_accounts(table_reader& table, cluster& to) {
    table.read("monitor_user", to.monitor_user);
    table.read_secret("monitor_password", to.monitor_password, false);
    table.read("auth_query", to.auth_query);
    table.read("auth_user", to.auth_user);
    table.read_secret("auth_password", to.auth_password, false);
    if (table.has("monitor_password") && !table.has("monitor_user"))
        table.wrong("monitor_password", "needs monitor_user, whose password it is");
    if (table.has("auth_password") && !table.has("auth_user"))
        table.wrong("auth_password", "needs auth_user, whose password it is");
    if (table.has("auth_query") && !table.has("auth_user"))
        table.wrong("auth_query", "needs auth_user, the role that runs it");
    if (!to.auth_query.empty() && to.auth_query.find(name_parameter) == std::string::npos)
        table.wrong("auth_query",
                    "must ask for the user $1: \"SELECT usename, passwd FROM pg_shadow WHERE usename = $1\"");
}

/// What only holds for the cluster that serves every other database.
void check_any(table_reader& table, const cluster& of) {
    if (table.has("database"))
        table.wrong("database", "cannot be set for \"*\", which serves each database under its own name");
    if (of.is_sharded()) table.wrong("shards", "\"*\" must have exactly one shard: other databases are not sharded");
    if (table.has("tables")) table.wrong("tables", "\"*\" has no tables: it serves many databases, with one shard");
}

void read_cluster(const node& from, cluster& to, report& mistakes) {
    table_reader table(&from, join("clusters", from.key), mistakes);
    to.name = from.key;
    if (to.name.empty()) table.wrong_here("needs a name");
    table.read_word("engine", to.engine, engine_words);
    table.read("database", to.database);
    const auto* shards = table.take("shards");
    if (shards != nullptr)
        read_shards(shards, table.path_of("shards"), to.shards, mistakes);
    else if (from.kind == node_kind::table)
        table.wrong_here(
            fmt::format("has no shards; write [{}] and s0 = {{ nodes = [\"host:port\"] }}", table.path_of("shards")));
    table.read_word("key_update", to.key_update, key_update_words);
    table.read_word("two_phase", to.two_phase, two_phase_words);
    if (table.read_names("sequences", to.sequences) && to.sequences.empty())
        table.wrong("sequences", "must name sequences: [\"orders_id_seq\"]");
    table.read("rebalance", to.rebalance);
    if (const auto* tables = table.take("tables"))
        read_tables(tables, table.path_of("tables"), to.shards, to.tables, mistakes);
    read_cluster_defaults(table, to);
    read_server_tls(table.take("server_tls"), table.path_of("server_tls"), to.server_tls, mistakes);
    table.read_word("server_compression", to.server_compression, server_compression_words);
    if (to.server_compression != server_compression::off && to.engine != engine::mysql)
        table.wrong("server_compression", "is of MySQL's protocol only: leave it out");
    read_accounts(table, to);
    read_node_weights(table.take("node_weights"), table.path(), to, mistakes);
    if (to.name == "*") check_any(table, to);
    if (to.engine == engine::mysql && table.has("sequences")) table.wrong("sequences", "is for PostgreSQL only");
    table.finish();
}

}  // namespace

void read_shards(const node* from, const std::string& path, std::vector<shard>& to, report& mistakes) {
    table_reader table(from, path, mistakes);
    if (from->kind != node_kind::table) return;
    for (const auto& entry : from->items) read_shard(entry, path, to, mistakes);
    if (to.empty()) table.wrong_here("has no shards; write s0 = { nodes = [\"host:port\"] }");
    if (!to.empty() && std::all_of(to.begin(), to.end(), [](const shard& each) { return each.weight == 0; }))
        table.wrong_here("has only shards of weight 0; one at least must keep the rows");
    if (to.size() > most_shards)
        table.wrong_here(fmt::format("has {} shards; {} are the most", to.size(), most_shards));
}

void read_clusters(const node* from, const defaults& from_general, std::vector<cluster>& to, report& mistakes) {
    table_reader table(from, "clusters", mistakes);
    if (from == nullptr || from->kind != node_kind::table) return;
    for (const auto& entry : from->items) {
        to.push_back(from_general.cluster);
        read_cluster(entry, to.back(), mistakes);
    }
}

}  // namespace ringway::config::source
