// MySQL clients: who serves them, and KILL.

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>

#include "pool/mysql_server.hpp"
#include "pool/server_login.hpp"
#include "protocol/mysql/reply.hpp"
#include "proxy/control/runtime.hpp"
#include "proxy/mysql/session.hpp"

namespace ringway::proxy {

namespace asio = boost::asio;
namespace my = protocol::mysql;
using config::fault_kind;

namespace {

constexpr std::uint32_t worker_bits = 6;  ///< of a client's id: what is meant for it finds its worker by them

/// Says no to a client that is logged in, and closes.
void turn_away(mysql::admitted& client, std::uint16_t number, std::string_view message) {
    std::string out;
    my::write_error(out, client.sequence, {number, mysql::mysql_sqlstate(number), message},
                    my::capability::protocol_41);
    if (client.tls) {
        std::string sealed;
        client.tls->encrypt(out, sealed);
        out = std::move(sealed);
    }
    boost::system::error_code ignored;
    client.socket.non_blocking(true, ignored);
    client.socket.send(asio::buffer(out), 0, ignored);
}

}  // namespace

std::uint64_t runtime::new_client_id(worker& home) {
    thread_local std::uint32_t next = 0;
    std::uint64_t id = 0;
    do {  // far above those that servers count up from 1: KILL of one of theirs finds no client
        id = (((++next << worker_bits) | home.index) & 0x3fffffff) | 0x40000000;
    } while (home.sessions.count(id));
    return id;
}

/// Of the first cluster in the file whose primary has answered; but capabilities only that all servers of all clusters
/// have, as the client has not named its cluster yet.
std::optional<pool::server_traits> runtime::traits() {
    constexpr auto of_make = my::capability::client_mysql;  // says whose server it is, and nothing it could do
    const std::lock_guard guard(lock_);
    std::optional<pool::server_traits> out;
    for (const auto& each : settings_->clusters) {
        if (each.engine != config::engine::mysql) continue;
        const auto health = monitor_->snapshot(each.name);
        if (!health) continue;
        for (const auto& shard : health->shards)
            for (const auto& node : shard.nodes) {
                if (node.traits.version.empty()) continue;
                if (!out) out = node.traits;
                out->capabilities &= node.traits.capabilities | of_make;
            }
    }
    return out;
}

/// Names that are no cluster's are databases: of "*", or of the first cluster that the client may use.
std::optional<std::string> runtime::cluster_for(const std::string& database, const config::user* who) {
    const auto settings = current_settings();
    const config::cluster* only = nullptr;
    bool any = false;
    for (const auto& each : settings->clusters) {
        if (each.engine != config::engine::mysql) continue;
        if (each.name == "*") {
            any = true;
            continue;
        }
        if (each.name == database) return each.name;
        const bool here = !who || who->clusters.empty() ||
                          std::find(who->clusters.begin(), who->clusters.end(), each.name) != who->clusters.end();
        if (here && !only) only = &each;
    }
    if (any && (!database.empty() || !only)) return database;
    return only ? std::optional(only->name) : std::nullopt;
}

bool runtime::servers_decide(const std::string& cluster, const config::user& who) {
    const std::lock_guard guard(lock_);
    return who.name == "*" || !clusters_.count(cluster);
}

asio::awaitable<std::optional<config::fault>> runtime::ask_server(worker& home, login_question of) {
    // Who is not let in must leave nothing behind: of a name asked for the first time no slot is kept.
    const auto known = home.slots.find(of.cluster);
    const auto slot = known != home.slots.end() ? known->second : make_slot(of.cluster);
    if (!slot || slot->now->config.engine != config::engine::mysql)
        co_return config::fault{fault_kind::unknown_cluster, fmt::format("Unknown database '{}'", of.database), {}, {}};
    account as;
    as.user = of.user;
    fill_account(as, *slot->now, of.who, of.secret);
    auto target = std::make_shared<pool::server_target>(*as.login);
    const auto& health = slot->health;
    const bool told = health && !health->shards.empty() && health->shards.front().primary >= 0;
    const auto primary = told ? static_cast<std::size_t>(health->shards.front().primary) : 0;
    target->address = slot->now->config.shards.front().nodes[primary];
    if (of.database != of.cluster) target->database = of.database;
    target->compression = config::server_compression::off;  // for a login and a goodbye
    const std::shared_ptr<const pool::server_target> to = std::move(target);
    auto login = co_await pool::mysql_dialect().log_in(*home.io, to, pool::mysql_flavour(0, !to->database.empty()));
    if (login.failure) co_return login.failure;
    if (login.tls) co_return std::nullopt;
    boost::system::error_code ignored;
    login.socket->send(asio::buffer(pool::mysql_dialect().goodbye()), 0, ignored);
    co_return std::nullopt;
}

void runtime::check_login(worker& home, const login_question& of,
                          std::function<void(std::optional<config::fault>)> then) {
    if (!servers_decide(of.cluster, of.who)) return home.post([then = std::move(then)] { then(std::nullopt); });
    asio::co_spawn(*home.io, ask_server(home, of),
                   [then = std::move(then)](const std::exception_ptr& thrown, std::optional<config::fault> why) {
                       if (thrown)
                           why = config::fault{fault_kind::cannot_connect, "the login could not be checked", {}, {}};
                       then(std::move(why));
                   });
}

void runtime::new_mysql_connection(worker& home, pool::tcp_socket socket, bool admin) {
    std::shared_ptr<const front_door> door;
    {
        const std::lock_guard guard(lock_);
        door = door_;
    }
    ++logins_;
    auto then = [this, &home, admin](mysql::admitted client) {
        if (admin)
            desk_.serve(home, std::move(client));
        else
            mysql_admitted(home, std::move(client));
    };
    asio::co_spawn(*home.io,
                   mysql::log_client_in(home, std::move(door), *this, std::move(socket), admin, std::move(then)),
                   [this](const std::exception_ptr&) { --logins_; });
}

void runtime::mysql_admitted(worker& home, mysql::admitted client) {
    const auto all = current_settings();
    if (refusing_)
        return turn_away(client, config::mysql_number(fault_kind::shutting_down), "Server shutdown in progress");
    auto* slot = client.cluster ? home.find_slot(*client.cluster) : nullptr;
    if (!slot || slot->now->config.engine != config::engine::mysql)
        return turn_away(client, config::mysql_number(fault_kind::unknown_cluster),
                         fmt::format("Unknown database '{}'", client.database));
    const auto shared = home.slots.at(*client.cluster);
    client_identity who;
    who.cluster = shared;
    who.who = account_for(*shared, client.user, {}, *client.who, client.secret);
    who.session_mode = who.who->limits.mode == config::pool_mode::session;
    if (clients_.fetch_add(1) >= all->general.max_clients) {  // counted first: others come in on other workers
        --clients_;
        return turn_away(client, config::mysql_number(fault_kind::too_many_connections), "Too many connections");
    }
    // The name that clients use is a database of another name on the servers.
    if (client.database == *client.cluster) client.database = who.who->login->database;
    who.id = client.id;
    who.user = client.user;
    who.address = client.address;
    who.port = client.port;
    if (client.tls) who.tls = client.tls->version() + "/" + client.tls->cipher();
    std::shared_ptr<mysql::session> made(new mysql::session(home, std::move(who), client),
                                         [this](mysql::session* gone) {
                                             delete gone;
                                             --clients_;
                                         });
    made->start(client);
}

void runtime::kill(worker& home, std::uint64_t id, const std::string& by, bool query_only,
                   std::function<void(bool)> then) {
    const auto number = id & ((1u << worker_bits) - 1);
    if (number >= workers_.size()) return home.post([then = std::move(then)] { then(false); });
    auto& on = *workers_[number];
    on.post([&on, &home, id, by, query_only, then = std::move(then)] {
        const auto it = on.sessions.find(id);
        const bool there = it != on.sessions.end() && it->second->identity().user == by;
        if (there) {
            const auto keep = it->second;
            keep->cancel_running({});
            if (!query_only) keep->end_with({fault_kind::canceled, "Connection was killed", {}, {}});
        }
        home.post([then, there] { then(there); });
    });
}

}  // namespace ringway::proxy
