#include "proxy/control/size_watch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <pqxx/pqxx>

#include "proxy/control/time_limit.hpp"

namespace ringway::proxy {

namespace {

constexpr auto interval = std::chrono::seconds(60);
constexpr auto shortest = std::chrono::seconds(3);  ///< between two looks, however often somebody asks
constexpr auto soon = std::chrono::seconds(10);     ///< when one could not be looked at
constexpr auto limit = std::chrono::seconds(2);

/// pg_total_relation_size() waits for who has the table for himself: then the sizes are not known this time.
constexpr const char* patience = "SET lock_timeout = '200ms'; SET statement_timeout = '1500ms'";

constexpr std::string_view sizes_query =
    "SELECT coalesce(sum(n), 0)::int8, coalesce(sum(b), 0)::int8, coalesce(sum(b) FILTER (WHERE r), 0)::int8 FROM "
    "(SELECT n_live_tup AS n, pg_catalog.pg_total_relation_size(relid) AS b, ARRAY[relname::text, schemaname || '.' || "
    "relname] && ARRAY[{}]::text[] AS r FROM pg_catalog.pg_stat_user_tables WHERE schemaname <> 'ringway' AND "
    "schemaname !~ '^pg_') AS t";

}  // namespace

void size_watch::start() {
    thread_ = std::thread([this] { run(); });
}

void size_watch::stop() {
    {
        const std::lock_guard guard(lock_);
        stopping_ = true;
        connection_.abandon();
        wake_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
}

void size_watch::run() {
    std::unique_lock held(lock_);
    while (!stopping_) {
        asked_ = false;
        held.unlock();
        for (const auto& each : places_()) look(each);
        held.lock();
        looked_ = std::chrono::steady_clock::now();
        wake_.wait_for(held, shortest, [this] { return stopping_; });
        const bool all_known = std::all_of(sizes_.begin(), sizes_.end(), [](const auto& cluster) {
            return std::all_of(cluster.second.begin(), cluster.second.end(), [](const auto& one) { return one; });
        });
        wake_.wait_until(held, looked_ + (all_known ? interval : soon), [this] { return stopping_ || asked_; });
    }
}

std::vector<std::optional<shard_size>> size_watch::of(const std::string& cluster) {
    const std::lock_guard guard(lock_);
    asked_ = true;
    wake_.notify_all();
    const auto found = sizes_.find(cluster);
    return found == sizes_.end() ? std::vector<std::optional<shard_size>>{} : found->second;
}

void size_watch::look(const recovery_place& at) {
    std::vector<std::optional<shard_size>> found;
    for (std::size_t shard = 0; shard < at.cluster.shards.size(); ++shard) {
        found.push_back(look_at_shard(at, shard));
        const std::lock_guard guard(lock_);
        if (stopping_) return;
    }
    const std::lock_guard guard(lock_);
    sizes_[at.cluster.name] = std::move(found);
}

std::optional<shard_size> size_watch::look_at_shard(const recovery_place& at, std::size_t shard) {
    if (shard >= at.primaries.size() || at.primaries[shard] < 0) return std::nullopt;
    const auto& node = at.cluster.shards[shard].nodes[static_cast<std::size_t>(at.primaries[shard])];
    if (connection_.open(pool::control_login_for(at.cluster, node))) return std::nullopt;
    std::optional<shard_size> out;
    {
        const time_limit bound(connection_, limit);
        connection_.run([&](pqxx::connection_base& c) {
            pqxx::nontransaction work(c);
            work.exec(patience);
            std::string on_ring;
            for (const auto& each : at.cluster.tables)
                if (!each.reference && each.function == config::sharding_function::ring)
                    on_ring.append(on_ring.empty() ? "" : ", ").append(work.quote(each.name));
            const auto row = work.exec1(fmt::format(sizes_query, on_ring));
            out = shard_size{row[0].as<std::uint64_t>(), row[1].as<std::uint64_t>(), row[2].as<std::uint64_t>()};
        });
    }
    connection_.close();
    return out;
}

}  // namespace ringway::proxy
