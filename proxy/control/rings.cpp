// The rings that statements follow: kept below state_dir, changed by a rebalance only (proxy/rebalance).

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <future>

#include "proxy/control/runtime.hpp"
#include "proxy/net/client_session.hpp"
#include "proxy/rebalance/journal.hpp"
#include "proxy/rebalance/ring_file.hpp"

namespace ringway::proxy {

using config::fault;
using config::fault_kind;

namespace {

constexpr auto longest_wait = std::chrono::seconds(5);

std::vector<std::string> names_of(const config::cluster& from) {
    std::vector<std::string> out;
    for (const auto& each : from.shards) out.push_back(each.name);
    return out;
}

}  // namespace

/// Under lock_, before anything of `from` is in force.
std::optional<fault> runtime::find_rings(const config::settings& from, std::map<std::string, cluster_ring>& out) const {
    for (const auto& cluster : from.clusters) {
        if (cluster.engine != config::engine::postgres || cluster.name == "*") continue;
        const auto before = rings_.find(cluster.name);
        if (before != rings_.end() && before->second.change) {
            if (names_of(clusters_.at(cluster.name)->config) != names_of(cluster))
                return fault{fault_kind::invalid_parameter,
                             fmt::format("a rebalance of cluster \"{}\" is under way: its shards cannot change now",
                                         cluster.name),
                             {},
                             "wait until SHOW REBALANCE says that it has ended; CANCEL or FINISH REBALANCE ends it"};
            const auto& running = clusters_.at(cluster.name)->config;
            if (running.tables != cluster.tables || running.rebalance != cluster.rebalance)
                return fault{fault_kind::invalid_parameter,
                             fmt::format("a rebalance of cluster \"{}\" is under way: {} cannot change now",
                                         cluster.name, running.tables != cluster.tables ? "its tables" : "rebalance"),
                             {},
                             "wait until SHOW REBALANCE says that it has ended; CANCEL or FINISH REBALANCE ends it"};
            out.emplace(cluster.name, before->second);
            continue;
        }
        auto found = rebalance::find_ring(from.general.state_dir, cluster);
        if (!found.ring) return fault{fault_kind::invalid_parameter, found.why, {}, found.hint};
        const bool kept = found.why.empty();
        if (!kept && (before == rings_.end() || before->second.kept) && cluster.is_sharded())
            spdlog::warn("cluster {}: its ring cannot be kept, so REBALANCE will be refused: {}", cluster.name,
                         found.why);
        cluster_ring ring{std::move(*found.ring), nullptr, kept};
        if (before == rings_.end())
            if (auto refused = find_change(from.general.state_dir, cluster, ring)) return refused;
        out.emplace(cluster.name, std::move(ring));
    }
    for (const auto& [name, ring] : rings_)
        if (ring.change && !out.count(name))
            return fault{fault_kind::invalid_parameter,
                         fmt::format("a rebalance of cluster \"{}\" is under way: it cannot be taken out now", name),
                         {},
                         "wait until SHOW REBALANCE says that it has ended; CANCEL or FINISH REBALANCE ends it"};
    return std::nullopt;
}

/// Of a rebalance that an earlier process has begun: nothing is read before it is known where rows stand twice.
std::optional<fault> runtime::find_change(const std::string& state_dir, const config::cluster& cluster,
                                          cluster_ring& ring) {
    std::string why;
    const auto begun = rebalance::load_journal(state_dir, cluster.name, why);
    if (!why.empty())
        return fault{fault_kind::invalid_parameter, why, {}, "it says where rows stand twice: restore it"};
    if (!begun) return std::nullopt;
    const auto names = names_of(cluster);
    for (const auto& each : begun->to.shards)
        if (std::find(names.begin(), names.end(), each.name) == names.end())
            return fault{fault_kind::invalid_parameter,
                         fmt::format("a rebalance of cluster \"{}\" is under way, and the configuration does not have "
                                     "its shard {}",
                                     cluster.name, each.name),
                         {},
                         "put it back; CANCEL REBALANCE ends what is under way"};
    ring.change =
        rebalance::change_of(*begun, cluster, rebalance::ring_in(*begun, ring.active) == rebalance::ring_is::changed);
    return std::nullopt;
}

/// Runs on each worker; waits. False: one has not answered in time; it still will.
bool runtime::on_every_worker(const std::function<void(worker&)>& work) {
    std::vector<std::future<void>> answers;
    for (auto& on : workers_) {
        auto done = std::make_shared<std::promise<void>>();
        answers.push_back(done->get_future());
        on->post([&w = *on, done, work] {
            work(w);
            done->set_value();
        });
    }
    const auto until = std::chrono::steady_clock::now() + longest_wait;
    return std::all_of(answers.begin(), answers.end(),
                       [&](std::future<void>& each) { return each.wait_until(until) == std::future_status::ready; });
}

std::optional<rebalance::cluster_view> runtime::look_at(const std::string& cluster) {
    rebalance::cluster_view out;
    const std::lock_guard guard(lock_);
    const auto found = clusters_.find(cluster);
    const auto ring = rings_.find(cluster);
    if (found == clusters_.end() || ring == rings_.end()) return std::nullopt;
    out.config = watched(found->second->config, *settings_);
    out.active = ring->second.active;
    out.kept = ring->second.kept;
    const auto health = monitor_->snapshot(cluster);
    for (std::size_t i = 0; i < out.config.shards.size(); ++i)
        out.primaries.push_back(health && i < health->shards.size() ? health->shards[i].primary : -1);
    const auto catalog = catalogs_.find(cluster);
    if (catalog != catalogs_.end()) out.catalog = catalog->second;
    return out;
}

std::string runtime::state_dir() {
    return current_settings()->general.state_dir;
}

bool runtime::publish_ring(const std::string& cluster, const router::ring_state& ring,
                           std::shared_ptr<const router::ring_change> change) {
    std::shared_ptr<const cluster_snapshot> made;
    {
        const std::lock_guard guard(lock_);
        const auto found = clusters_.find(cluster);
        if (found == clusters_.end()) return false;
        auto next = std::make_shared<cluster_snapshot>(*found->second);
        next->epoch = ++epoch_;
        next->map = router::make_shard_map(next->config, next->epoch, &ring, change);
        auto& kept = rings_[cluster];
        // A shard whose rows have just come has replicas that may not have them yet.
        if (change || kept.active.epoch != ring.epoch) next->rows_since = std::chrono::steady_clock::now();
        kept.active = ring;
        kept.change = std::move(change);
        found->second = next;
        cataloged_.insert_or_assign(cluster, next);
        made = std::move(next);
    }
    return on_every_worker([made, cluster](worker& on) {
        const auto slot = on.slots.find(cluster);
        if (slot == on.slots.end() || slot->second->now->epoch >= made->epoch) return;
        const bool begins = made->map->change && !slot->second->now->map->change;
        slot->second->now = made;
        slot->second->load.clear(std::chrono::steady_clock::now());  // keys may have another owner
        const auto sessions = on.sessions;
        for (const auto& entry : sessions)
            if (begins && entry.second->identity().cluster == slot->second) entry.second->ring_changes();
    });
}

bool runtime::set_fence(const std::string& cluster, bool up) {
    return on_every_worker([cluster, up](worker& on) {
        const auto slot = on.slots.find(cluster);
        if (slot == on.slots.end()) return;
        slot->second->fenced = up;
        if (up) return;
        const auto sessions = on.sessions;
        for (const auto& entry : sessions)
            if (entry.second->identity().cluster == slot->second) entry.second->fence_opened();
    });
}

rebalance::fence_look runtime::look_behind_fence(const std::string& cluster) {
    struct seen {
        std::mutex lock;
        rebalance::fence_look look;
    };
    const auto all = std::make_shared<seen>();
    const bool complete = on_every_worker([all, cluster](worker& on) {
        const auto slot = on.slots.find(cluster);
        if (slot == on.slots.end()) return;
        rebalance::fence_look here;
        for (const auto& entry : on.sessions) {
            if (entry.second->identity().cluster != slot->second) continue;
            const auto since = entry.second->working_since();
            here.oldest = std::min(here.oldest, since);
            if (entry.second->writes_on_the_move()) {
                ++here.inside;
                here.inside_since = std::min(here.inside_since, since);
            } else {
                entry.second->add_server_pids(here.pids);
            }
        }
        const std::lock_guard guard(all->lock);
        all->look.inside += here.inside;
        all->look.inside_since = std::min(all->look.inside_since, here.inside_since);
        all->look.oldest = std::min(all->look.oldest, here.oldest);
        all->look.pids.insert(all->look.pids.end(), here.pids.begin(), here.pids.end());
    });
    const std::lock_guard guard(all->lock);
    auto out = all->look;
    out.complete = complete;
    return out;
}

std::optional<fault> runtime::rebalance(const std::string& cluster, bool dry,
                                        std::vector<rebalance::planned_table>& planned) {
    return rebalancer_.rebalance(cluster, dry, planned);
}

std::optional<fault> runtime::move_key(const std::string& cluster, std::uint64_t position, const std::string& shard) {
    return rebalancer_.move_key(cluster, position, shard);
}

std::optional<fault> runtime::cancel_rebalance(const std::string& cluster) {
    return rebalancer_.cancel(cluster);
}

std::optional<fault> runtime::undo_rebalance(const std::string& cluster) {
    return rebalancer_.undo(cluster);
}

std::optional<fault> runtime::finish_rebalance(const std::string& cluster) {
    return rebalancer_.finish(cluster);
}

std::optional<fault> runtime::resume_rebalance(const std::string& cluster) {
    return rebalancer_.resume(cluster);
}

std::vector<rebalance::progress> runtime::rebalances() {
    return rebalancer_.look();
}

std::optional<router::ring_state> runtime::active_ring(const std::string& cluster) {
    const std::lock_guard guard(lock_);
    const auto found = rings_.find(cluster);
    if (found == rings_.end()) return std::nullopt;
    return found->second.active;
}

bool runtime::own_state() {
    return state_lock_.take_alone();
}

void runtime::share_state() {
    state_lock_.share_again();
}

}  // namespace ringway::proxy
