#include "proxy/cli/command_line.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "config/load.hpp"
#include "proxy/cli/admin_client.hpp"
#include "proxy/cli/init.hpp"
#include "proxy/cli/load_dump.hpp"
#include "proxy/cli/version.hpp"

namespace ringway::proxy {

namespace {

constexpr int wrong_command_line = 2;

/// Everything the command line can say.
struct choices {
    options to_run;
    bool check = false, show_version = false;
    cli::admin_options admin;
    std::vector<std::string> admin_words;
    cli::init_options init;
    cli::load_options load;
};

int check_file(const std::string& path) {
    const auto loaded = config::load_file(path);
    for (const auto& one : loaded.mistakes) fmt::print(stderr, "{}\n", one.message());
    if (!loaded.ok()) return 1;
    fmt::print("{}: in order, {} cluster{} and {} user{}\n", path, loaded.value.clusters.size(),
               loaded.value.clusters.size() == 1 ? "" : "s", loaded.value.users.size(),
               loaded.value.users.size() == 1 ? "" : "s");
    return 0;
}

void add_admin(CLI::App& app, choices& chosen) {
    auto* admin =
        app.add_subcommand("admin", "Send a command to the admin port of a running Ringway and print the answer");
    admin->add_option("--config", chosen.admin.config_file, "Take the address and an admin user from this file");
    admin->add_option("--host", chosen.admin.host, "Host of the admin port (127.0.0.1)");
    admin->add_option("--port", chosen.admin.port, "Port of the admin port (6434)");
    admin->add_option("--user", chosen.admin.user, "A user with admin = true (PGUSER)");
    admin->add_option("--password", chosen.admin.password,
                      "Its password; better in PGPASSWORD or ~/.pgpass, where other users do not see it");
    admin->add_option("--cert", chosen.admin.certificate, "A client certificate, where client_tls asks for one");
    admin->add_option("--key", chosen.admin.key, "Its private key");
    admin->add_option("--ca", chosen.admin.ca, "What the port's own certificate must be signed by");
    admin->add_flag("--json", chosen.admin.json, "Print JSON");
    admin->add_flag("--follow", chosen.admin.follow,
                    "After REBALANCE, MOVE, UNDO, or SHOW REBALANCE: draw how far it is until it has ended");
    admin->add_option("command", chosen.admin_words, "The command, such as \"SHOW LAG\"")->required();
}

void add_init(CLI::App& app, choices& chosen) {
    auto* init = app.add_subcommand("init", "Install ringway_position(text) on the primary of every shard");
    init->add_option("--config", chosen.init.config_file, "The configuration file");
    init->add_option("--cluster", chosen.init.cluster, "Only this cluster");
    init->add_option("--user", chosen.init.user,
                     "A role that may create functions in the schema public (the cluster's monitor_user)");
    init->add_option("--password", chosen.init.password, "Its password (PGPASSWORD)");
    init->add_option("--from-dump", chosen.load.file,
                     "Then load this plain-text pg_dump (- is standard input) through the running proxy, as --user");
    init->add_option("--accept", chosen.load.accept,
                     "first-shard: tables that the map lacks; local-unique: keys that are unique on each shard only; "
                     "foreign-keys: leave out those that shards cannot check");
    init->add_option("--from-line", chosen.load.from_line, "Go on at this line of the dump, as a failed load has told");
}

std::string joined(const std::vector<std::string>& words) {
    std::string all;
    for (const auto& one : words) all += (all.empty() ? "" : " ") + one;
    return all;
}

}  // namespace

int run_command_line(int argc, char** argv, const std::function<int(const options&)>& run) {
    choices chosen;
    CLI::App app("Ringway: a proxy for PostgreSQL and MySQL that routes by shard key, role and freshness", "ringway");
    app.require_subcommand(0, 1);
    app.add_option("--config", chosen.to_run.config_file, "The configuration file");
    app.add_flag("--check", chosen.check, "Only check the configuration file");
    app.add_flag("--takeover", chosen.to_run.takeover,
                 "Take over the listening sockets of the process that is running");
    app.add_flag("--version", chosen.show_version, "Print the version");
    add_admin(app, chosen);
    add_init(app, chosen);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& wrong) {
        return app.exit(wrong, std::cout, std::cerr) == 0 ? 0 : wrong_command_line;
    }
    if (chosen.show_version) {
        fmt::print("Ringway {}\n", version);
        return 0;
    }
    if (app.got_subcommand("admin")) {
        chosen.admin.command = joined(chosen.admin_words);
        if (chosen.admin.config_file.empty()) chosen.admin.config_file = chosen.to_run.config_file;
        return cli::run_admin(chosen.admin);
    }
    if (chosen.init.config_file.empty()) chosen.init.config_file = chosen.to_run.config_file;
    const bool init = app.got_subcommand("init");
    if (init ? chosen.init.config_file.empty() : chosen.to_run.config_file.empty()) {
        fmt::print(stderr, "ringway: --config FILE is missing; --help says more\n");
        return wrong_command_line;
    }
    if (init) return chosen.load.file.empty() ? cli::run_init(chosen.init) : cli::run_load(chosen.init, chosen.load);
    return chosen.check ? check_file(chosen.to_run.config_file) : run(chosen.to_run);
}

}  // namespace ringway::proxy
