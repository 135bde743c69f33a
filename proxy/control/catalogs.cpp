// The catalog thread: reads each cluster's catalogs at start, after DDL, and when their fingerprint has changed.

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "proxy/control/runtime.hpp"

namespace ringway::proxy {

namespace {
constexpr auto fingerprint_interval = std::chrono::seconds(2);
constexpr int most_awaited = 100;                        ///< rounds of 20 ms
constexpr auto lock_interval = std::chrono::seconds(1);  ///< a DROP DATABASE waits 5 s for our connections to leave
}  // namespace

void runtime::read_catalogs() {
    std::unique_lock held(lock_);
    pool::steady_time next_round{}, next_locks{};
    while (!stopping_) {
        const auto now = std::chrono::steady_clock::now();
        forget_names();
        if (now >= next_locks) {
            next_locks = now + lock_interval;
            held.unlock();
            make_way();
            held.lock();
        }
        catalogs_due_ = std::exchange(catalogs_wanted_, {});
        const bool all_of_them = now >= next_round;
        if (all_of_them) next_round = now + fingerprint_interval;
        const auto all = cataloged_;
        for (const auto& [name, snapshot] : all) {
            if (stopping_) return;
            const bool changed = catalogs_due_.contains(name);
            const bool due = all_of_them || shelved_.count(name);
            if (leaving_.count(name) || !(changed || (due && !resting_.count(name)))) continue;
            held.unlock();
            const auto schema = snapshot->schema->load(std::memory_order_acquire);
            const bool read = read_catalog(name, *snapshot, changed);
            held.lock();
            catalogs_due_.erase(name);
            const bool later = snapshot->schema->load(std::memory_order_acquire) != schema;  // DDL has ended meanwhile
            if (catalogs_missed_.erase(name) > 0 && (!read || later)) catalogs_wanted_.insert(name);
        }
        catalogs_due_.clear();
        catalog_wake_.wait_for(held, lock_interval, [this] { return stopping_ || !catalogs_wanted_.empty(); });
    }
}

/// False: it could not be read.
bool runtime::read_catalog(const std::string& name, const cluster_snapshot& of, bool changed) {
    const auto health = monitor_->snapshot(of.configured_as);
    const auto later = [&] {
        const std::lock_guard guard(lock_);
        if (changed && !stopping_ && !catalogs_.count(name)) catalogs_wanted_.insert(name);
    };
    const auto again_soon = [&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the first checks are still under way
        later();
        return false;
    };
    if (!health) return again_soon();
    const auto has_primary = [](const pool::shard_health& each) { return each.primary >= 0; };
    const bool is_mysql = of.config.engine == config::engine::mysql;
    // PostgreSQL's oids are the first shard's. What MySQL's tell is the same on each: any that is there is asked.
    const auto asked =
        is_mysql ? std::find_if(health->shards.begin(), health->shards.end(), has_primary) : health->shards.begin();
    if (asked == health->shards.end() || !has_primary(*asked)) return again_soon();
    const auto number = static_cast<std::size_t>(asked - health->shards.begin());
    if (number >= of.config.shards.size()) return again_soon();
    // Types are read from every shard: at the start the checks of some may still be under way.
    const bool all_known = std::all_of(health->shards.begin(), health->shards.end(), has_primary);
    if (of.config.is_sharded() && !is_mysql) {
        auto& awaited = shards_awaited_[name];
        if (!all_known && awaited < most_awaited) {
            ++awaited;
            return again_soon();
        }
        awaited = most_awaited;
    }
    const auto settings = current_settings();
    const auto primary = static_cast<std::size_t>(asked->primary);
    auto cluster = watched(of.config, *settings);
    cluster.name = name;
    const auto login = pool::control_login_for(cluster, of.config.shards[number].nodes[primary]);
    const auto schema = of.schema->load(std::memory_order_acquire);
    if (is_mysql) return read_mysql_catalog(name, login, of.config.is_sharded(), schema);
    std::shared_ptr<catalog_reader> reader;
    std::string known;
    std::uint64_t version = 0;
    {
        const std::lock_guard guard(lock_);
        auto& slot = readers_[name];
        if (!slot) slot = std::make_shared<catalog_reader>();
        reader = slot;
        known = fingerprints_[name];
        version = ++catalog_version_;
    }
    if (!changed) {
        const auto now = reader->fingerprint(login);
        const bool types_due = all_known && types_lacking_.contains(name);
        if (now.why) return false;
        if (now.fingerprint == known && !types_due) {
            publish_shelved(name, schema);
            return true;
        }
    }
    auto reading = reader->read(login, version);
    if (reading.why) {
        spdlog::debug("catalog of cluster {} cannot be read: {}", name, reading.why->message);
        return false;  // statements that need it go to the primary; the next round tries again
    }
    reading.types = types_of_shards(name, cluster, *health);
    publish_catalog(name, reading, schema);
    return true;
}

/// Where one shard cannot be asked all is read again when each has a primary.
std::shared_ptr<const router::own_types> runtime::types_of_shards(const std::string& name,
                                                                  const config::cluster& cluster,
                                                                  const pool::cluster_health& health) {
    if (!cluster.is_sharded()) return nullptr;
    types_lacking_.erase(name);
    std::vector<std::map<std::string, std::uint32_t>> all(cluster.shards.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto primary = i < health.shards.size() ? health.shards[i].primary : -1;
        std::optional<std::map<std::string, std::uint32_t>> found;
        if (primary >= 0)
            found = catalog_reader().own_types(
                pool::control_login_for(cluster, cluster.shards[i].nodes[static_cast<std::size_t>(primary)]));
        if (found)
            all[i] = std::move(*found);
        else
            types_lacking_.insert(name);
    }
    return router::own_types::made_of(all);
}

bool runtime::read_mysql_catalog(const std::string& name, const pool::control_login& login, bool columns,
                                 std::uint64_t schema) {
    std::shared_ptr<mysql_catalog_reader> reader;
    std::string known;
    std::uint64_t version = 0;
    {
        const std::lock_guard guard(lock_);
        auto& slot = mysql_readers_[name];
        if (!slot) slot = std::make_shared<mysql_catalog_reader>();
        reader = slot;
        known = fingerprints_[name];
        version = ++catalog_version_;
    }
    auto reading = reader->read(login, version, known, columns);
    if (reading.why) spdlog::debug("catalog of cluster {} cannot be read: {}", name, reading.why->message);
    if (reading.why) return false;
    if (!reading.catalog) {  // the same as before
        const std::lock_guard guard(lock_);
        reading.catalog = catalogs_[name];
    }
    if (reading.catalog) publish_catalog(name, reading, schema);
    return true;
}

/// What somebody uses again has not changed meanwhile.
void runtime::publish_shelved(const std::string& name, std::uint64_t schema) {
    catalog_reading same;
    {
        const std::lock_guard guard(lock_);
        if (!shelved_.count(name) || !catalogs_.count(name)) return;
        same.catalog = catalogs_[name];
        same.fingerprint = fingerprints_[name];
    }
    publish_catalog(name, same, schema);
}

void runtime::publish_catalog(const std::string& name, const catalog_reading& reading, std::uint64_t schema) {
    {
        const std::lock_guard guard(lock_);
        fingerprints_[name] = reading.fingerprint;
        catalogs_[name] = reading.catalog;
        if (resting_.count(name)) return;
        shelved_.erase(name);
    }
    for (auto& each : workers_)
        each->post([&on = *each, name, catalog = reading.catalog, types = reading.types, schema] {
            const auto it = on.slots.find(name);
            if (it == on.slots.end()) return;
            it->second->catalog = catalog;
            it->second->catalog_schema = schema;
            it->second->types = types;
        });
}

}  // namespace ringway::proxy
