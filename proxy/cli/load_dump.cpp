#include "proxy/cli/load_dump.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "config/load.hpp"
#include "config/nearest.hpp"
#include "proxy/cli/connection_string.hpp"
#include "proxy/cli/dump_file.hpp"
#include "proxy/cli/dump_target.hpp"
#include "proxy/cli/loading.hpp"

namespace ringway::proxy::cli {

namespace {

bool complain(std::string_view what) {
    fmt::print(stderr, "ringway: {}\n", what);
    return false;
}

/// The one that is named, or the only one.
const config::cluster* cluster_of(const config::settings& in, const std::string& name) {
    std::vector<std::string_view> names;
    for (const auto& each : in.clusters) names.push_back(each.name);
    if (name.empty() && in.clusters.size() == 1) return &in.clusters.front();
    if (name.empty()) return complain("the file has several clusters: --cluster says which"), nullptr;
    for (const auto& each : in.clusters)
        if (each.name == name) return &each;
    const auto near = config::nearest(name, names);
    complain(fmt::format("there is no cluster \"{}\"{}", name,
                         near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near)));
    return nullptr;
}

bool serves(const config::user& who, const std::string& cluster) {
    return who.name != "*" &&
           (who.clusters.empty() || std::find(who.clusters.begin(), who.clusters.end(), cluster) != who.clusters.end());
}

/// Who loads: the user that is named, the monitor's where clients may be it, else the cluster's first whose password
/// can be sent.
const config::user* loader_of(const config::settings& in, const config::cluster& cluster, const std::string& name) {
    const config::user* first = nullptr;
    for (const auto& each : in.users) {
        if (!serves(each, cluster.name)) continue;
        if (!name.empty() && each.name == name) return &each;
        if (!name.empty() || !config::is_plain_password(each.password)) continue;
        if (each.name == cluster.monitor_user) return &each;
        if (!first) first = &each;
    }
    return first;
}

bool proxy_of(const config::settings& in, const config::cluster& cluster, const init_options& with,
              connection_target& to) {
    if (!in.listen.postgres) return complain("[listen] has no postgres: there is no proxy to load through");
    const auto& host = in.listen.postgres->host;
    to.host = host == "0.0.0.0" || host == "*" ? "127.0.0.1" : host == "::" || host == "[::]" ? "::1" : host;
    to.port = in.listen.postgres->port;
    to.database = cluster.name;
    to.application_name = "ringway init";
    to.user = with.user;
    to.password = with.password;
    const auto* who = loader_of(in, cluster, with.user);
    if (!who && with.user.empty()) return complain("no user of the file can load: give --user");
    if (who && to.user.empty()) to.user = who->name;
    if (who && to.password.empty() && config::is_plain_password(who->password)) to.password = who->password;
    const auto mode = who && who->over.mode ? *who->over.mode : cluster.pool.mode;
    if (cluster.is_sharded() && mode == config::pool_mode::session)
        return complain(fmt::format(
            "user \"{}\" has pool_mode = \"session\", which stays on one shard: load with one in transaction mode",
            to.user));
    return true;
}

bool accepted_of(const std::vector<std::string>& words, router::dump::accepted& out) {
    for (const auto& each : words) {
        if (each == "first-shard")
            out.first_shard = true;
        else if (each == "local-unique")
            out.local_unique = true;
        else if (each == "foreign-keys")
            out.left_out = true;
        else
            return complain(fmt::format("--accept {}: it takes first-shard, local-unique or foreign-keys", each));
    }
    return true;
}

/// What is wrong on the shards themselves is told; what waits for the dump (a sequence that it makes) is not yet.
bool shards_ready(const config::settings& in, const config::cluster& cluster, init_options with) {
    with.cluster = cluster.name;
    bool ready = true;
    for (const auto& each : install_position_function(in, with)) {
        const bool is_shard = std::any_of(cluster.shards.begin(), cluster.shards.end(),
                                          [&](const config::shard& one) { return one.name == each.shard; });
        if (each.done || !is_shard) continue;
        ready = complain(fmt::format("shard {}: {}", each.shard, each.message));
    }
    return ready;
}

void sum_up(const loading& done, const config::cluster& cluster) {
    for (const auto& each : done.checked().absent())
        fmt::print(stderr, "ringway: the map names table {}, which the dump does not make\n", each);
    const auto& all = done.report();
    fmt::print("{}: loaded {} statements, {} rows into {} tables, {} sequences{}\n", cluster.name, all.statements,
               all.rows, all.tables, all.sequences,
               all.left_out == 0 ? "" : fmt::format("; {} foreign keys were left out", all.left_out));
}

}  // namespace

int run_load(const init_options& with, const load_options& what) {
    const auto loaded = config::load_file(with.config_file);
    for (const auto& one : loaded.mistakes) fmt::print(stderr, "{}\n", one.message());
    if (!loaded.ok()) return 1;
    const auto* cluster = cluster_of(loaded.value, with.cluster);
    router::dump::accepted accepted;
    connection_target to;
    if (!cluster || !accepted_of(what.accept, accepted)) return 1;
    if (cluster->name == "*" || cluster->engine != config::engine::postgres) {
        complain("dumps are loaded into PostgreSQL clusters that the file names");
        return 1;
    }
    if (!proxy_of(loaded.value, *cluster, with, to)) return 1;
    const std::string title = what.file == "-" ? "standard input" : what.file;
    dump_file file;
    if (const auto why = file.open(what.file); !why.empty()) {
        fmt::print(stderr, "{}: {}\n", title, why);
        return 1;
    }
    loading dump(*cluster, loaded.value.general.max_parse_bytes, title, file, accepted, what.from_line);
    if (file.repeatable()) {
        if (!dump.check()) return 1;
        file.rewind();
    }
    // Transactions over several shards need what is installed there.
    if (cluster->is_sharded() && !shards_ready(loaded.value, *cluster, with)) return 1;
    dump_target proxy;
    if (!proxy.open(to)) {
        complain(fmt::format("the running proxy at {}:{}: {}", to.host, to.port, proxy.failure().message));
        return 1;
    }
    if (!dump.load(proxy)) return 1;
    sum_up(dump, *cluster);
    auto again = with;
    again.cluster = cluster->name;
    return run_init(again);
}

}  // namespace ringway::proxy::cli
