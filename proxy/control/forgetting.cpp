// What nobody uses any more is forgotten, so that roles and databases that have gone leave nothing behind.

#include <algorithm>

#include "proxy/control/runtime.hpp"

namespace ringway::proxy {

namespace {

/// As long again as an unused server connection lives.
std::chrono::milliseconds keeping(const config::pool_limits& limits) {
    constexpr std::chrono::milliseconds standard = std::chrono::minutes(10);
    return limits.idle_timeout.count() > 0 ? limits.idle_timeout : standard;
}

/// Whether something has been unused for that long; keeps `since`.
bool is_over(pool::steady_time& since, bool used, pool::steady_time now, std::chrono::milliseconds limit) {
    if (used) {
        since = {};
        return false;
    }
    if (since == pool::steady_time{}) since = now;
    return now - since >= limit;
}

}  // namespace

/// A worker's accounts without sessions, and its slots of "*" without accounts.
void runtime::forget_slots(worker& on, pool::steady_time now) {
    for (auto it = on.slots.begin(); it != on.slots.end();) {
        auto& slot = *it->second;
        for (auto each = slot.accounts.begin(); each != slot.accounts.end();) {
            const bool used = each->second.use_count() > 1;
            auto& one = *each->second;
            each =
                is_over(one.unused_since, used, now, keeping(one.limits)) ? slot.accounts.erase(each) : std::next(each);
        }
        const bool over = slot.now->configured_as == "*" && slot.accounts.empty() && it->second.use_count() == 1;
        it = over ? on.slots.erase(it) : std::next(it);
    }
}

/// Pools that no account knows, without connections.
void runtime::forget_pools() {
    const std::lock_guard guard(lock_);
    std::erase_if(pools_, [](const auto& entry) { return entry.second.use_count() == 1 && entry.second->unused(); });
    std::erase_if(shown_, [this](const auto& entry) {
        const auto& [cluster, user, role] = entry.first;
        const auto first = pools_.lower_bound({cluster, user, role, {}, 0});
        return first == pools_.end() || first->first.cluster != cluster || first->first.user != user ||
               first->first.role != role;
    });
}

/// Names of "*" that no worker has a slot for. Under lock_, on the catalog thread.
void runtime::forget_names() {
    for (auto it = any_slots_.begin(); it != any_slots_.end();) {
        auto& [name, slots] = *it;
        std::erase_if(slots, [](const auto& each) { return each.expired(); });
        if (!slots.empty()) {
            ++it;
            continue;
        }
        cataloged_.erase(name);
        catalogs_.erase(name);
        catalogs_wanted_.erase(name);
        fingerprints_.erase(name);
        readers_.erase(name);
        mysql_readers_.erase(name);
        resting_.erase(name);
        shelved_.erase(name);
        it = any_slots_.erase(it);
    }
    // A catalog is watched, over a connection, for those who are there. One that is not watched is not known.
    for (const auto& [name, slots] : any_slots_) {
        const bool rests =
            std::none_of(slots.begin(), slots.end(), [](const auto& each) { return each.use_count() > 1; });
        if (!rests) {
            resting_.erase(name);
            continue;
        }
        readers_.erase(name), mysql_readers_.erase(name);
        if (resting_.insert(name).second) shelve_catalog(name);
    }
}

/// It is served again when it has been found to be the same. Under lock_, on the catalog thread.
void runtime::shelve_catalog(const std::string& name) {
    shelved_.insert(name);
    for (auto& each : workers_)
        each->post([&on = *each, name] {
            const auto it = on.slots.find(name);
            if (it != on.slots.end()) it->second->catalog = nullptr;
        });
}

/// DROP DATABASE, ALTER DATABASE RENAME and CREATE DATABASE TEMPLATE wait 5 s for others to leave the database. Our
/// unused connections are nobody's sessions: they leave. On the catalog thread.
void runtime::make_way() {
    std::shared_ptr<const cluster_snapshot> any;
    std::shared_ptr<catalog_reader> reader;
    config::cluster as;
    {
        const std::lock_guard guard(lock_);
        leaving_.clear();
        const auto it = clusters_.find("*");
        if (it == clusters_.end() || any_slots_.empty()) return;
        if (it->second->config.engine != config::engine::postgres) return;  // MySQL's wait for nobody
        any = it->second;
        as = watched(any->config, *settings_);
        auto& slot = readers_["*"];
        if (!slot) slot = std::make_shared<catalog_reader>();
        reader = slot;
    }
    const auto health = monitor_->snapshot("*");
    if (!health || health->shards.empty() || health->shards.front().primary < 0) return;
    const auto primary = static_cast<std::size_t>(health->shards.front().primary);
    const auto locked =
        reader->locked_databases(pool::control_login_for(as, any->config.shards.front().nodes[primary]));
    const std::lock_guard guard(lock_);
    for (const auto& name : locked) {
        if (!any_slots_.count(name)) continue;
        leaving_.insert(name);
        readers_.erase(name);
        close_idle(name);
    }
}

void runtime::close_idle(const std::string& cluster) {
    for (auto it = pools_.lower_bound({cluster, {}, {}, {}, 0}); it != pools_.end() && it->first.cluster == cluster;
         ++it)
        for (auto& on : workers_) on->post([left = it->second, &w = *on] { left->close_idle_of(w); });
}

/// The node has no connection left: those of ours that nobody uses make way for who waits for one.
void runtime::make_room(const config::endpoint& node) {
    const std::lock_guard guard(lock_);
    for (const auto& entry : pools_)
        if (entry.second->name().node == node && entry.second->figures().idle > 0)
            for (auto& on : workers_) on->post([left = entry.second, &w = *on] { left->close_idle_of(w); });
}

/// Connections that are still there, to replicas, are to a database that has another name now.
void runtime::database_gone(const std::string& cluster) {
    const std::lock_guard guard(lock_);
    close_idle(cluster);
}

}  // namespace ringway::proxy
