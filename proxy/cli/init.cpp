#include "proxy/cli/init.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <pqxx/pqxx>

#include "config/load.hpp"
#include "config/nearest.hpp"
#include "pool/mysql_control.hpp"
#include "proxy/cli/connection_string.hpp"
#include "proxy/cli/numbers.hpp"
#include "proxy/transaction/decisions.hpp"
#include "proxy/transaction/numbering.hpp"
#include "router/arcs.hpp"
#include "router/ring.hpp"

namespace ringway::proxy::cli {

namespace {

/// Login of a cluster's servers: what was given, else the monitor's, else the first user of the cluster whose password
/// can be sent.
connection_target login_of(const config::settings& in, const config::cluster& cluster, const init_options& with) {
    connection_target to;
    to.application_name = "ringway init";
    to.database = cluster.database.empty() ? cluster.name : cluster.database;
    to.connect_timeout_seconds =
        static_cast<std::uint32_t>(std::max<std::int64_t>(2, cluster.pool.connect_timeout.count() / 1000));
    to.tls = cluster.server_tls;
    to.with_tls = true;
    if (!with.user.empty()) {
        to.user = with.user;
        to.password = with.password;
    } else if (!cluster.monitor_user.empty()) {
        to.user = cluster.monitor_user;
        to.password = cluster.monitor_password;
    } else {
        for (const auto& one : in.users) {
            const bool serves = one.clusters.empty() ||
                                std::find(one.clusters.begin(), one.clusters.end(), cluster.name) != one.clusters.end();
            const auto& password = one.server_password.empty() ? one.password : one.server_password;
            if (!serves || one.name == "*" || !config::is_plain_password(password)) continue;
            to.user = one.server_user.empty() ? one.name : one.server_user;
            to.password = password;
            break;
        }
    }
    return to;
}

std::string one_line(std::string text) {
    std::replace_if(text.begin(), text.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
}

/// Installs the function if the node is a primary. True: this was the primary, for better or worse.
bool install_on(const connection_target& to, init_report& report) {
    try {
        pqxx::connection connection(connection_string(to));
        pqxx::nontransaction work(connection);
        if (work.exec1("SELECT pg_is_in_recovery()")[0].as<bool>()) return false;
        report.node = fmt::format("{}:{}", to.host, to.port);
        work.exec(std::string(router::postgres_position_function()));
        work.exec(std::string(decision_objects()));
        work.exec(std::string(numbering_objects()));
        work.exec(std::string(router::place_function()));
        // The function must agree with the proxy before anybody relies on it.
        const std::string probe = "ringway";
        const auto there = work.exec_params1("SELECT ringway_position($1)::text", probe)[0].as<std::string>();
        const auto here = fmt::to_string(router::position(probe));
        report.done = there == here;
        report.message = report.done
                             ? "installed"
                             : fmt::format("ringway_position('{}') is {} there and {} here", probe, there, here);
    } catch (const std::exception& error) {
        report.message +=
            fmt::format("{}{}:{}: {}", report.message.empty() ? "" : "; ", to.host, to.port, one_line(error.what()));
        return !report.node.empty();
    }
    return true;
}

/// What to do about it, of a MySQL server that does not let this user make the function; empty: something else is
/// wrong.
std::string hint_of_mysql(unsigned number, const pool::control_login& to) {
    switch (number) {
        case 1044:  // not in this database
        case 1142:
        case 1227:
        case 1370:  // no ALTER ROUTINE
            return fmt::format(
                "; hint: init needs CREATE ROUTINE, ALTER ROUTINE and EXECUTE, which the monitor's user need not have: "
                "give --user and --password of one who does, or GRANT CREATE ROUTINE, ALTER ROUTINE, EXECUTE ON `{}`.* "
                "TO {}",
                to.database, to.user);
        case 1419:
            return "; hint: with binary logging functions need SUPER, or log_bin_trust_function_creators = 1";
        default:
            return {};
    }
}

/// The same on a MySQL or MariaDB server.
bool install_on_mysql(const pool::control_login& to, init_report& report) {
    pool::mysql_control_connection connection("ringway init");
    const auto address = fmt::format("{}:{}", to.node.host, to.node.port);
    const auto fail = [&](const std::string& why) {
        report.message += fmt::format("{}{}: {}", report.message.empty() ? "" : "; ", address, one_line(why));
        return !report.node.empty();
    };
    if (const auto why = connection.open(to)) return fail(*why);
    std::vector<pool::mysql_row> rows;
    if (connection.query("SELECT @@read_only AS r", rows) != 0) return fail(connection.problem());
    const bool writable = rows.size() == 1 && rows.front().at("r").value_or("1") == "0";
    connection.query(connection.is_mariadb() ? "SHOW ALL SLAVES STATUS" : "SHOW SLAVE STATUS", rows);
    if (!writable || !rows.empty()) return false;
    report.node = address;
    for (const auto& each : router::mysql_position_function(to.database))
        if (const auto number = connection.query(each.c_str(), rows); number != 0)
            return fail(connection.problem() + hint_of_mysql(number, to));
    std::string quoted = "`";
    for (const char c : to.database) quoted.append(c == '`' ? 2 : 1, c);
    const auto probe = fmt::format("SELECT {}`.ringway_position('ringway') AS p", quoted);
    if (const auto number = connection.query(probe.c_str(), rows); number != 0 || rows.size() != 1)
        return fail(connection.problem() + hint_of_mysql(number, to));
    const auto there = rows.front().at("p").value_or("NULL");
    const auto here = fmt::to_string(router::position("ringway"));
    report.done = there == here;
    report.message =
        report.done ? "installed" : fmt::format("ringway_position('ringway') is {} there and {} here", there, here);
    return true;
}

/// `primary`: where it was installed.
init_report install_on_shard(const config::settings& in, const config::cluster& cluster, const config::shard& shard,
                             const init_options& with, connection_target& primary) {
    init_report report{cluster.name, shard.name, {}, false, {}};
    auto to = login_of(in, cluster, with);
    for (const auto& node : shard.nodes) {
        to.host = node.host;
        to.port = node.port;
        if (cluster.engine == config::engine::mysql) {
            auto login = pool::control_login_for(cluster, node);
            login.user = to.user;
            login.password = to.password;
            if (install_on_mysql(login, report)) return report;
            continue;
        }
        if (install_on(to, report)) {
            primary = to;
            return report;
        }
    }
    if (report.message.empty()) report.message = "none of its nodes is a primary";
    return report;
}

}  // namespace

std::vector<init_report> install_position_function(const config::settings& in, const init_options& with) {
    std::vector<init_report> reports;
    for (const auto& cluster : in.clusters) {
        const bool wanted = with.cluster.empty() || with.cluster == cluster.name;
        if (!wanted || cluster.name == "*") continue;  // which stands for databases that are not known by name
        bool all_done = true;
        std::vector<numbered_shard> primaries;
        for (const auto& shard : cluster.shards) {
            auto& made = primaries.emplace_back();
            made.name = shard.name;
            reports.push_back(install_on_shard(in, cluster, shard, with, made.primary));
            all_done &= reports.back().done;
        }
        if (!all_done || cluster.engine != config::engine::postgres) continue;
        for (const auto& each : number_shards(primaries, cluster.sequences))
            reports.push_back({cluster.name, each.where, {}, false, one_line(each.why)});
    }
    return reports;
}

int run_init(const init_options& with) {
    const auto loaded = config::load_file(with.config_file);
    if (!loaded.ok()) {
        for (const auto& one : loaded.mistakes) fmt::print(stderr, "{}\n", one.message());
        return 1;
    }
    const auto reports = install_position_function(loaded.value, with);
    if (reports.empty()) {
        std::vector<std::string_view> names;
        for (const auto& one : loaded.value.clusters) names.push_back(one.name);
        const auto near = config::nearest(with.cluster, names);
        fmt::print(stderr, "ringway: there is no cluster{}{}\n",
                   with.cluster.empty() ? "" : fmt::format(" \"{}\"", with.cluster),
                   near.empty() || near == with.cluster ? "" : fmt::format("; did you mean \"{}\"?", near));
        return 1;
    }
    bool all_done = true;
    for (const auto& one : reports) {
        all_done = all_done && one.done;
        fmt::print(one.done ? stdout : stderr, "{} {}{}{}: {}\n", one.cluster, one.shard, one.node.empty() ? "" : " ",
                   one.node, one.message);
    }
    return all_done ? 0 : 1;
}

}  // namespace ringway::proxy::cli
