#include "proxy/session/auth_query.hpp"

#include "pool/one_query.hpp"
#include "proxy/net/worker.hpp"
#include "proxy/session/login.hpp"

namespace ringway::proxy {

boost::asio::awaitable<verifier_answer> query_verifier(worker& home, const front_door&, const std::string& database,
                                                       const std::string& user) {
    verifier_answer out;
    // Who is not let in must leave nothing behind: of a name asked for the first time no slot is kept.
    const auto known = home.slots.find(database);
    const auto slot = known != home.slots.end() ? known->second : home.owner.make_slot(database);
    if (!slot || slot->now->config.auth_query.empty()) co_return out;
    const auto& cluster = slot->now->config;
    const auto& shard = cluster.shards.front();
    std::size_t node = 0;
    if (slot->health && !slot->health->shards.empty() && slot->health->shards.front().primary >= 0)
        node = static_cast<std::size_t>(slot->health->shards.front().primary);
    auto target = std::make_shared<pool::server_target>();
    target->address = shard.nodes[node];
    target->database = cluster.database.empty() ? cluster.name : cluster.database;
    if (slot->now->configured_as == "*")
        target->database = "postgres";  // roles are the server's, and this database may not exist
    target->user = cluster.auth_user;
    target->secret.password = cluster.auth_password;
    target->tls = cluster.server_tls.mode;
    target->tls_context = slot->now->server_tls;
    target->connect_timeout = cluster.pool.connect_timeout;
    // The role's oid too: pooled connections of who had this name before are not this user's.
    std::vector<pool::question> questions{
        {cluster.auth_query, {user}},
        {"SELECT oid FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) $1", {user}}};
    std::shared_ptr<const pool::server_target> to = std::move(target);
    auto answer = co_await pool::run_queries(*home.io, to, std::move(questions));
    if (answer.failure) {
        out.failure = config::fault{answer.failure->kind,
                                    "auth_query failed: " + answer.failure->message,
                                    {},
                                    "check auth_query, auth_user and auth_password"};
        co_return out;
    }
    const auto& found = answer.sets[0];
    if (found.size() == 1 && found[0].size() >= 2 && found[0][0] == user) {
        out.known = true;
        out.verifier = found[0][1].value_or("");
    }
    const auto& role = answer.sets[1];
    if (role.size() == 1 && !role[0].empty()) out.role = role[0][0].value_or("");
    co_return out;
}

}  // namespace ringway::proxy
