#include "config/load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "config/sections.hpp"

namespace ringway::config {

std::string mistake::message() const { return line ? fmt::format("{}:{}: {}", file, line, text) : fmt::format("{}: {}", file, text); }

namespace {

void read_file(const toml::table& file, settings& into, mistake_list& mistakes) {
    table_reader root(file, "", mistakes);
    pool_limits limits;
    read_rules reads;
    if (const auto* general = root.table("general")) {
        table_reader one(*general, "general", mistakes);
        read_general(one, into, limits, reads);
    }
    if (const auto* listens = root.table("listen")) {
        table_reader one(*listens, "listen", mistakes);
        read_listen(one, into.listen);
    }
    if (const auto* client_tls = root.table("client_tls")) {
        table_reader one(*client_tls, "client_tls", mistakes);
        read_tls(one, into.client_tls);
        if (into.client_tls.mode != tls_mode::disable && into.client_tls.certificate_file.empty())
            one.mistake("certificate", "TLS towards clients needs a certificate and a key");
    }
    if (const auto* rules = root.get("hba")) {
        if (const auto* list = rules->as_array())
            read_hba(*list, into.hba, mistakes);
        else
            mistakes.add(*rules, "hba: rules are written [[hba]]");
    }
    if (const auto* users = root.table("users"))
        for (const auto& [key, node] : *users) {
            const auto* table = node.as_table();
            if (!table) {
                mistakes.add(node, fmt::format("users.{}: must be a table: [users.{}]", key.str(), key.str()));
                continue;
            }
            table_reader one(*table, fmt::format("users.{}", key.str()), mistakes);
            user made;
            made.name = key.str();
            read_user(one, made);
            into.users.push_back(std::move(made));
        }
    if (const auto* clusters = root.table("clusters"))
        for (const auto& [key, node] : *clusters) {
            const auto* table = node.as_table();
            if (!table) {
                mistakes.add(node, fmt::format("clusters.{}: must be a table: [clusters.{}]", key.str(), key.str()));
                continue;
            }
            table_reader one(*table, fmt::format("clusters.{}", key.str()), mistakes);
            cluster made;
            made.name = key.str();
            read_cluster(one, made, limits, reads);
            into.clusters.push_back(std::move(made));
        }
    root.finish();
    check_together(file, into, mistakes);
}

}  // namespace

void check_together(const toml::table& file, const settings& all, mistake_list& mistakes) {
    const auto line = [&file](std::string_view path) {
        const auto node = file.at_path(path);
        return node ? node.node()->source().begin.line : 0u;
    };
    std::vector<std::pair<std::string, endpoint>> taken;
    const std::pair<const char*, const std::optional<endpoint>&> listens[] = {
        {"postgres", all.listen.postgres}, {"mysql", all.listen.mysql}, {"admin", all.listen.admin}, {"admin_mysql", all.listen.admin_mysql}, {"http", all.listen.http}};
    for (const auto& [name, at] : listens) {
        if (!at) continue;
        for (const auto& [other, where] : taken)
            if (where == *at) mistakes.add(line(fmt::format("listen.{}", name)), fmt::format("listen.{}: {} is listen.{}'s address", name, at->text(), other));
        taken.emplace_back(name, *at);
    }
    if (taken.empty()) mistakes.add(line("listen"), "listen: there is no address to listen on, such as postgres = \"127.0.0.1:6432\"");
    if (all.clusters.empty()) mistakes.add(0, "clusters: there is no cluster: [clusters.NAME]");
    if (all.users.empty()) mistakes.add(0, "users: nobody could log in: [users.NAME]");
    const bool postgres = std::any_of(all.clusters.begin(), all.clusters.end(), [](const auto& each) { return each.engine == engine::postgres; });
    if (postgres && !all.listen.postgres && !taken.empty()) mistakes.add(line("listen"), "listen: clusters with engine = \"postgres\" need listen.postgres");
    for (const auto& user : all.users) {
        for (const auto& name : user.clusters)
            if (name != "*" && std::none_of(all.clusters.begin(), all.clusters.end(), [&](const auto& each) { return each.name == name; }))
                if (!all.find_cluster("*")) mistakes.add(line(fmt::format("users.{}.clusters", user.name)), fmt::format("users.{}.clusters: there is no cluster \"{}\"", user.name, name));
        const bool queried = std::any_of(all.clusters.begin(), all.clusters.end(), [](const auto& each) { return !each.auth_query.empty(); });
        if (user.name == "*" && !queried) mistakes.add(line("users"), "users.*: needs a cluster with an auth_query, which tells who may come in");
    }
    for (const auto& cluster : all.clusters) {
        std::vector<std::pair<endpoint, std::string>> nodes;
        for (const auto& shard : cluster.shards)
            for (const auto& node : shard.nodes) {
                for (const auto& [where, other] : nodes)
                    if (where == node && other != shard.name)
                        mistakes.add(line(fmt::format("clusters.{}.shards.{}", cluster.name, shard.name)),
                                     fmt::format("clusters.{}.shards.{}: {} is a node of shard {} too", cluster.name, shard.name, node.text(), other));
                nodes.emplace_back(node, shard.name);
            }
        for (const auto& [name, weight] : cluster.node_weights)
            if (std::none_of(nodes.begin(), nodes.end(), [&](const auto& each) { return each.first.text() == name; }))
                mistakes.add(line(fmt::format("clusters.{}.node_weights", cluster.name)), fmt::format("clusters.{}.node_weights: there is no node {}", cluster.name, name));
    }
}

load_result load_text(std::string_view text, const std::string& file_name) {
    load_result out;
    mistake_list mistakes{file_name, {}};
    const auto parsed = toml::parse(text, std::string_view(file_name));
    if (!parsed) {
        mistakes.add(parsed.error().source().begin.line, std::string(parsed.error().description()));
        out.mistakes = std::move(mistakes.all);
        return out;
    }
    read_file(parsed.table(), out.value, mistakes);
    std::vector<std::pair<std::uint32_t, std::size_t>> order;   // by line, and in the order found within one
    for (std::size_t i = 0; i < mistakes.all.size(); ++i) order.emplace_back(mistakes.all[i].line, i);
    std::sort(order.begin(), order.end());
    for (const auto& each : order) out.mistakes.push_back(std::move(mistakes.all[each.second]));
    return out;
}

load_result load_file(const std::string& path) {
    std::ifstream file(path);
    if (!file) {
        load_result out;
        out.mistakes.push_back({path, 0, "the file cannot be read"});
        return out;
    }
    return load_text(std::string(std::istreambuf_iterator<char>(file), {}), path);
}

}  // namespace ringway::config
