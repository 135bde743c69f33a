#include "proxy/control/recovery.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <pqxx/pqxx>

#include "proxy/control/time_limit.hpp"
#include "proxy/transaction/two_phase.hpp"

namespace ringway::proxy {

namespace {

constexpr auto interval = std::chrono::seconds(1);
constexpr auto sweep_interval = std::chrono::minutes(1);
constexpr auto limit = std::chrono::seconds(5);
constexpr double young = 2;  ///< seconds: its coordinator is most likely still at work

}  // namespace

recovery::recovery(std::function<std::vector<recovery_place>()> ask) : ask_(std::move(ask)) {}

recovery::~recovery() {
    stop();
}

void recovery::start() {
    thread_ = std::thread([this] { run(); });
}

void recovery::stop() {
    {
        const std::lock_guard guard(lock_);
        stopping_ = true;
        for (auto& entry : connections_) entry.second->abandon();
        wake_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
}

std::vector<in_doubt> recovery::rows() const {
    const std::lock_guard guard(lock_);
    return rows_;
}

void recovery::run() {
    std::unique_lock held(lock_);
    while (!stopping_) {
        held.unlock();
        found_.clear();
        for (const auto& each : ask_()) look(each);
        held.lock();
        rows_ = found_;
        wake_.wait_for(held, interval, [this] { return stopping_; });
    }
}

pool::control_connection* recovery::connection(const recovery_place& at, std::size_t shard, std::string& why) {
    const auto& one = at.cluster.shards[shard];
    if (shard >= at.primaries.size() || at.primaries[shard] < 0) {
        why = fmt::format("shard {} has no primary", one.name);
        return nullptr;
    }
    const auto& node = one.nodes[static_cast<std::size_t>(at.primaries[shard])];
    pool::control_connection* made = nullptr;
    {
        const std::lock_guard guard(lock_);
        auto& slot = connections_[at.cluster.name + " " + node.text()];
        if (!slot) slot = std::make_unique<pool::control_connection>("ringway recovery");
        if (stopping_) slot->abandon();
        made = slot.get();
    }
    if (made->is_open()) return made;
    auto failed = made->open(pool::control_login_for(at.cluster, node));
    if (!failed) return made;
    why = *failed;
    return nullptr;
}

/// Each shard's prepared transactions; and decisions that nothing can need any more.
void recovery::look(const recovery_place& at) {
    bool all_seen = true;
    std::vector<std::string> ids;
    for (std::size_t shard = 0; shard < at.cluster.shards.size(); ++shard) {
        std::string why;
        auto* on = connection(at, shard, why);
        std::vector<in_doubt> here;
        if (on) {
            const time_limit bound(*on, limit);
            const auto failed = on->run([&](pqxx::connection_base& c) {
                pqxx::nontransaction work(c);
                for (const auto& row : work.exec(
                         "SELECT gid, owner, extract(epoch FROM pg_catalog.now() - prepared)::float8 FROM "
                         "pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database() AND gid LIKE "
                         "'ringway:%'"))
                    here.push_back({at.cluster.name,
                                    at.cluster.shards[shard].name,
                                    row[0].as<std::string>(),
                                    row[1].as<std::string>(),
                                    row[2].as<double>(),
                                    {}});
            });
            if (failed) on = nullptr;
        }
        if (!on) {
            all_seen = false;
            continue;
        }
        for (auto& each : here) {
            prepared_parts parts;
            if (!read_prepared_name(each.name, parts)) continue;
            ids.push_back(parts.id);
            if (each.seconds >= young) each.reason = settle(at, shard, each);
            if (each.seconds < young || !each.reason.empty()) found_.push_back(each);
        }
    }
    auto& last = swept_[at.cluster.name];
    const auto now = std::chrono::steady_clock::now();
    if (!all_seen || !ids.empty() || now - last < sweep_interval) return;
    last = now;
    // Nothing is prepared anywhere: what was committed a while ago is complete. Refusals stay longer, for coordinators
    // that have been asleep.
    for (std::size_t shard = 0; shard < at.cluster.shards.size(); ++shard) {
        std::string why;
        auto* on = connection(at, shard, why);
        if (!on) return;
        const time_limit bound(*on, limit);
        on->run([](pqxx::connection_base& c) {
            pqxx::nontransaction work(c);
            if (work.exec1("SELECT pg_catalog.to_regclass('ringway.decisions') IS NOT NULL")[0].as<bool>())
                work.exec0(
                    "DELETE FROM ringway.decisions WHERE decided < pg_catalog.now() - CASE WHEN committed THEN "
                    "interval '10 minutes' ELSE interval '30 days' END");
        });
    }
}

/// Empty: done. Else why it still stands.
std::string recovery::settle(const recovery_place& at, std::size_t shard, const in_doubt& what) {
    prepared_parts parts;
    read_prepared_name(what.name, parts);
    const auto& shards = at.cluster.shards;
    const auto decider =
        std::find_if(shards.begin(), shards.end(), [&](const auto& each) { return each.name == parts.decider_shard; });
    if (decider == shards.end())
        return fmt::format("its decision is on shard \"{}\", which the configuration does not have",
                           parts.decider_shard);
    std::string why;
    auto* asked = connection(at, static_cast<std::size_t>(decider - shards.begin()), why);
    if (!asked) return fmt::format("its decision cannot be read: {}", why);
    bool committed = false;
    {
        const time_limit bound(*asked, limit);
        const auto failed = asked->run([&](pqxx::connection_base& c) {
            pqxx::nontransaction work(c);
            committed = work.exec_params1("SELECT ringway.outcome($1)", parts.id)[0].as<bool>();
        });
        if (failed) return fmt::format("its decision cannot be read: {}", *failed);
    }
    const auto finish = [&](pqxx::connection_base& c) {
        pqxx::nontransaction work(c);
        work.exec0((committed ? "COMMIT PREPARED " : "ROLLBACK PREPARED ") + work.quote(what.name));
    };
    auto* on = connection(at, shard, why);
    if (!on) return why;
    std::optional<std::string> failed;
    {
        const time_limit bound(*on, limit);
        failed = on->run(finish);
    }
    if (failed && failed->find("permission denied") != std::string::npos) {
        // Only its owner, or a superuser, may finish it. Behind SET ROLE the owner is a role that users take.
        const auto finish_as = [&](const config::user& user, bool takes_role) {
            const auto& role = user.server_user.empty() ? user.name : user.server_user;
            const auto& password = user.server_password.empty() ? user.password : user.server_password;
            if ((role == what.owner) == takes_role || !config::is_plain_password(password)) return false;
            auto login =
                pool::control_login_for(at.cluster, shards[shard].nodes[static_cast<std::size_t>(at.primaries[shard])]);
            login.user = role;
            login.password = password;
            pool::control_connection own("ringway recovery");
            auto why_not = own.open(login);
            if (!why_not) {
                const time_limit bound(own, limit);
                why_not = own.run([&](pqxx::connection_base& c) {
                    pqxx::nontransaction work(c);
                    if (takes_role) work.exec0("SET ROLE " + work.quote_name(what.owner));
                    work.exec0((committed ? "COMMIT PREPARED " : "ROLLBACK PREPARED ") + work.quote(what.name));
                });
            }
            if (!why_not || !takes_role) failed = why_not;
            return !why_not;
        };
        for (const bool takes_role : {false, true})
            if (std::any_of(at.users.begin(), at.users.end(),
                            [&](const auto& user) { return finish_as(user, takes_role); }))
                break;
    }
    if (failed && failed->find("does not exist") != std::string::npos) failed.reset();  // somebody else was faster
    if (failed) return *failed;
    spdlog::warn("cluster {} shard {}: prepared transaction {} {}", what.cluster, what.shard, what.name,
                 committed ? "committed: it had been decided" : "rolled back: it had not been decided");
    return {};
}

}  // namespace ringway::proxy
