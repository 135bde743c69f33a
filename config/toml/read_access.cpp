// Who may come in: [client_tls], server_tls, [[hba]], [users].

#include <fmt/format.h>

#include "config/toml/sections.hpp"
#include "config/toml/values.hpp"

namespace ringway::config::source {

namespace {

void read_files(table_reader& from, tls& to) {
    from.read_file_name("certificate", to.certificate_file);
    from.read_file_name("key", to.key_file);
    from.read_file_name("ca", to.ca_file);
    from.read_word("min_version", to.min_version, tls_version_words);
}

void check_verifies(table_reader& table, const tls& of) {
    const bool verifies = of.mode == tls_mode::verify_ca || of.mode == tls_mode::verify_full;
    if (verifies && !table.has("ca"))
        table.wrong("mode", "certificates can be verified only with ca, the authorities to trust");
}

void read_rule(const node& from, std::size_t number, hba_rule& to, report& mistakes) {
    table_reader table(&from, rule_path(number), mistakes, fmt::format("[[hba]] rule {}:", number));
    auto type = connection_type::host;
    table.read_word("type", type, connection_type_words);
    to.tls_only = type == connection_type::hostssl;
    to.no_tls_only = type == connection_type::hostnossl;
    table.read_names("clusters", to.clusters);
    table.read_names("users", to.users);
    std::string problem;
    if (table.read("address", to.address) && to.address == "all") to.address.clear();
    if (!to.address.empty() && !check_network(to.address, problem))
        table.wrong("address", fmt::format("\"{}\" is no network: {}", to.address, problem));
    if (!table.has("method") && from.kind == node_kind::table)
        table.wrong_here(
            "needs a method: \"scram-sha-256\", \"md5\", \"plain\", \"certificate\", \"trust\" or \"reject\"");
    table.read_word("method", to.method, method_words);
    table.finish();
}

void read_user(const node& from, user& to, report& mistakes) {
    table_reader table(&from, join("users", from.key), mistakes);
    to.name = from.key;
    if (to.name.empty()) table.wrong_here("needs a name");
    table.read_secret("password", to.password, true);
    table.read("server_user", to.server_user);
    table.read_secret("server_password", to.server_password, false);
    table.read_names("clusters", to.clusters);
    table.read("admin", to.admin);
    read_overrides(table, to.over);
    if (to.name == "*" && table.has("password"))
        table.wrong("password",
                    "\"*\" stands for everybody else, and their passwords come from the clusters' auth_query");
    if (to.name == "*" && to.admin)
        table.wrong("admin", "\"*\" stands for everybody else; name the users that may use the admin port");
    table.finish();
}

}  // namespace

void read_client_tls(const node* from, tls& to, report& mistakes) {
    table_reader table(from, "client_tls", mistakes);
    table.read_word("mode", to.mode, client_tls_words);
    read_files(table, to);
    if (to.mode != tls_mode::disable && (!table.has("certificate") || !table.has("key")))
        table.wrong("mode", "TLS towards clients needs certificate and key");
    check_verifies(table, to);
    table.finish();
}

void read_server_tls(const node* from, std::string path, tls& to, report& mistakes) {
    table_reader table(from, std::move(path), mistakes);
    table.read_word("mode", to.mode, server_tls_words);
    read_files(table, to);
    if (table.has("certificate") != table.has("key")) table.wrong_here("needs both certificate and key, or neither");
    check_verifies(table, to);
    table.finish();
}

std::string rule_path(std::size_t number) {
    return fmt::format("hba.{}", number);
}

void read_hba(const node* from, std::vector<hba_rule>& to, report& mistakes) {
    if (from == nullptr) return;
    mistakes.remember("hba", from->line);
    if (from->kind != node_kind::array) {
        mistakes.add_at("hba", fmt::format("hba must be an array of tables, [[hba]], not {}", name_of(from->kind)));
        return;
    }
    for (const auto& item : from->items) {
        auto& rule = to.emplace_back();
        read_rule(item, to.size(), rule, mistakes);
    }
}

void read_users(const node* from, std::vector<user>& to, report& mistakes) {
    table_reader table(from, "users", mistakes);
    if (from == nullptr || from->kind != node_kind::table) return;
    for (const auto& entry : from->items) read_user(entry, to.emplace_back(), mistakes);
}

}  // namespace ringway::config::source
