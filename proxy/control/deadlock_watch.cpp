#include "proxy/control/deadlock_watch.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <pqxx/pqxx>

#include "proxy/control/time_limit.hpp"
#include "proxy/session/shards_read.hpp"
#include "proxy/session/span.hpp"

namespace ringway::proxy {

namespace {

constexpr auto interval = std::chrono::milliseconds(500);
constexpr auto limit = std::chrono::seconds(2);

/// Who waits for a lock for a while already, and who is in the way: shorter waits are not worth the look.
constexpr const char* waits_query =
    "SELECT a.pid, b.pid FROM pg_catalog.pg_stat_activity a, pg_catalog.unnest(pg_catalog.pg_blocking_pids(a.pid)) AS "
    "b(pid) WHERE a.wait_event_type = 'Lock' AND a.datname = pg_catalog.current_database() AND a.query_start < "
    "pg_catalog.clock_timestamp() - interval '300 milliseconds'";

}  // namespace

void deadlock_watch::start() {
    thread_ = std::thread([this] { run(); });
}

void deadlock_watch::stop() {
    {
        const std::lock_guard guard(lock_);
        stopping_ = true;
        for (auto& entry : connections_) entry.second->abandon();
        wake_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
}

void deadlock_watch::run() {
    std::unique_lock held(lock_);
    while (!stopping_) {
        wake_.wait_for(held, interval, [this] { return stopping_; });
        if (stopping_ || span::under_way() == 0 || span::under_way() + shards_read::under_way() < 2) {
            seen_.clear();
            continue;
        }
        held.unlock();
        for (const auto& each : in_.places()) look(each);
        held.lock();
    }
}

/// What is seen twice in a row is there: the shards are asked one after the other, and a wait may end in between.
void deadlock_watch::look(const recovery_place& at) {
    auto found = find_deadlocks(waits_of(at));
    auto& before = seen_[at.cluster.name];
    for (const auto& each : found) {
        if (std::find(before.begin(), before.end(), each) == before.end()) continue;
        spdlog::info("cluster {}: clients {} wait for each other on several shards; {} gives way", at.cluster.name,
                     fmt::join(each.clients, ", "), each.victim);
        in_.give_way(each.victim);
    }
    before = std::move(found);
}

pool::control_connection* deadlock_watch::connection(const config::cluster& of, const config::endpoint& node) {
    pool::control_connection* made = nullptr;
    {
        const std::lock_guard guard(lock_);
        auto& slot = connections_[of.name + " " + node.text()];
        if (!slot) slot = std::make_unique<pool::control_connection>("ringway deadlocks");
        if (stopping_) slot->abandon();
        made = slot.get();
    }
    if (made->is_open() || !made->open(pool::control_login_for(of, node))) return made;
    return nullptr;
}

std::vector<lock_wait> deadlock_watch::waits_of(const recovery_place& at) {
    std::vector<lock_wait> out;
    std::vector<std::string> nodes(at.cluster.shards.size());
    for (std::size_t shard = 0; shard < at.cluster.shards.size(); ++shard) {
        if (shard >= at.primaries.size() || at.primaries[shard] < 0) continue;
        const auto& node = at.cluster.shards[shard].nodes[static_cast<std::size_t>(at.primaries[shard])];
        nodes[shard] = node.text();
        auto* on = connection(at.cluster, node);
        if (!on) continue;
        const time_limit bound(*on, limit);
        on->run([&](pqxx::connection_base& c) {
            pqxx::nontransaction work(c);
            for (const auto& row : work.exec(waits_query))
                out.push_back({static_cast<std::uint16_t>(shard), row[0].as<std::uint32_t>(),
                               static_cast<std::uint32_t>(std::max(0, row[1].as<int>())), 0, 0});
        });
    }
    if (out.empty()) return out;
    std::map<std::pair<std::string, std::uint32_t>, std::uint64_t> clients;
    for (const auto& each : in_.servers())
        if (each.client_id != 0) clients[{each.address, each.pid}] = each.client_id;
    const auto client_of = [&](const lock_wait& of, std::uint32_t pid) {
        const auto found = clients.find({nodes[of.shard], pid});
        return found == clients.end() ? 0 : found->second;
    };
    for (auto& each : out) {
        each.waiting_client = client_of(each, each.waiter);
        each.holding_client = client_of(each, each.holder);
    }
    return out;
}

}  // namespace ringway::proxy
