#include "pool/cluster_watch.hpp"

#include <algorithm>
#include <utility>

#include "pool/health_log.hpp"

namespace ringway::pool {

cluster_watch::cluster_watch(std::string name, std::function<void()> wake_publisher)
    : name_(std::move(name)), wake_publisher_(std::move(wake_publisher)) {}

// --- configuration ---

shard_rules cluster_watch::rules_of(const config::cluster& cluster) const {
    return {cluster.check_timeout, cluster.max_ban, cluster.node_weights};
}

cluster_watch::watched_shard cluster_watch::take_shard(const config::shard& from, const shard_rules& rules) {
    const auto known =
        std::find_if(shards_.begin(), shards_.end(), [&](const watched_shard& s) { return s.name == from.name; });
    if (known == shards_.end()) return {from.name, shard_watch(from.nodes, rules), {}};
    watched_shard taken = std::move(*known);
    shards_.erase(known);
    return taken;
}

// Keeps the watchers that still fit, starts those that are missing, leaves the rest in `unused`.
void cluster_watch::fill_slots(watched_shard& shard, const config::shard& from, const config::cluster& cluster,
                               const watch_pace& pace, watchers& unused) {
    for (slot& old : shard.slots) unused.push_back(std::move(old.watcher));
    shard.slots.clear();
    for (const config::endpoint& node : from.nodes) {
        control_login login = control_login_for(cluster, node);
        const auto fit = std::find_if(unused.begin(), unused.end(),
                                      [&](const auto& w) { return w->login() == login && w->pace() == pace; });
        if (fit != unused.end()) {
            shard.slots.push_back({std::move(*fit), false});
            unused.erase(fit);
            continue;
        }
        shard.slots.push_back({std::make_shared<node_watcher>(shared_from_this(), std::move(login), pace), false});
        shard.slots.back().watcher->start();
    }
}

void cluster_watch::retire(watchers& gone) {
    for (const auto& watcher : gone) watcher->stop();
}

cluster_watch::watchers cluster_watch::configure(const config::cluster& cluster) {
    watchers unused;
    {
        const std::lock_guard guard(lock_);
        const watch_pace pace{cluster.watermark_interval, cluster.health_interval};
        const shard_rules rules = rules_of(cluster);
        std::vector<watched_shard> next;
        for (const config::shard& from : cluster.shards) {
            watched_shard shard = take_shard(from, rules);
            shard.state.change(from.nodes, rules);
            fill_slots(shard, from, cluster, pace, unused);
            next.push_back(std::move(shard));
        }
        for (watched_shard& left : shards_) {
            for (slot& old : left.slots) unused.push_back(std::move(old.watcher));
        }
        shards_ = std::move(next);
        pace_ = pace;
        due_ = true;
        retire(unused);
    }
    wake_publisher_();
    return unused;
}

cluster_watch::watchers cluster_watch::stop() {
    watchers gone;
    const std::lock_guard guard(lock_);
    for (watched_shard& shard : shards_) {
        for (slot& old : shard.slots) gone.push_back(std::move(old.watcher));
    }
    shards_.clear();
    retire(gone);
    return gone;
}

// --- snapshots ---

std::shared_ptr<const cluster_health> cluster_watch::latest() const {
    const std::lock_guard guard(lock_);
    return latest_;
}

void cluster_watch::interrupt_overdue(steady_time now) {
    for (watched_shard& shard : shards_) {
        for (std::size_t i = 0; i < shard.slots.size(); ++i) {
            if (shard.state.overdue(i, now)) shard.slots[i].watcher->interrupt();
        }
    }
}

bool cluster_watch::round_complete(steady_time now) const {
    bool any = false;
    for (const watched_shard& shard : shards_) {
        for (std::size_t i = 0; i < shard.slots.size(); ++i) {
            if (shard.state.answers(i, now) && !shard.slots[i].answered) return false;
            any = any || shard.slots[i].answered;
        }
    }
    return any;
}

bool cluster_watch::standing_changed(steady_time now) {
    if (!latest_ || latest_->shards.size() != shards_.size()) return true;
    for (std::size_t s = 0; s < shards_.size(); ++s) {
        const shard_health& before = latest_->shards[s];
        const shard_health after = shards_[s].state.assess(now);
        if (before.primary != after.primary || before.nodes.size() != after.nodes.size()) return true;
        for (std::size_t n = 0; n < after.nodes.size(); ++n) {
            if (before.nodes[n].usable != after.nodes[n].usable || before.nodes[n].role != after.nodes[n].role)
                return true;
        }
    }
    return false;
}

bool cluster_watch::note_change(steady_time now) {
    if (!due_) due_ = round_complete(now) || standing_changed(now);
    return due_;
}

std::shared_ptr<const cluster_health> cluster_watch::publish(steady_time now) {
    std::shared_ptr<const cluster_health> before, after;
    std::vector<std::string> shard_names;
    {
        const std::lock_guard guard(lock_);
        interrupt_overdue(now);
        if (!due_ && now < published_ + pace_.watermark * 3 / 2 && !standing_changed(now)) return nullptr;
        auto next = std::make_shared<cluster_health>();
        next->cluster = name_;
        next->version = latest_ ? latest_->version + 1 : 1;
        next->taken = now;
        for (watched_shard& shard : shards_) {
            next->shards.push_back(shard.state.assess(now));
            shard_names.push_back(shard.name);
            for (slot& one : shard.slots) one.answered = false;
        }
        before = std::exchange(latest_, std::move(next));
        after = latest_;
        published_ = now;
        due_ = false;
    }
    log_changes(before.get(), *after, shard_names);
    return after;
}

steady_time cluster_watch::next_deadline(steady_time now) const {
    const std::lock_guard guard(lock_);
    steady_time first = published_ + pace_.watermark * 3 / 2;
    for (const watched_shard& shard : shards_) {
        for (std::size_t i = 0; i < shard.slots.size(); ++i) {
            // What is overdue already was seen to by publish().
            const auto deadline = shard.state.deadline(i);
            if (deadline && *deadline >= now) first = std::min(first, *deadline + std::chrono::milliseconds{1});
        }
    }
    return first;
}

// --- what node threads and workers report ---

cluster_watch::place cluster_watch::find(const node_watcher& by) {
    for (watched_shard& shard : shards_) {
        for (std::size_t i = 0; i < shard.slots.size(); ++i) {
            if (shard.slots[i].watcher.get() == &by) return {&shard, i};
        }
    }
    return {};
}

template <typename action>
bool cluster_watch::for_node(const config::endpoint& node, const action& act) {
    bool found = false;
    for (watched_shard& shard : shards_) {
        for (std::size_t i = 0; i < shard.slots.size(); ++i) {
            if (shard.state.address(i) != node) continue;
            act(shard, i);
            found = true;
        }
    }
    return found;
}

void cluster_watch::check_began(const node_watcher& by, steady_time now) {
    const std::lock_guard guard(lock_);
    if (const place at = find(by)) at.shard->state.check_began(at.node, now);
}

bool cluster_watch::given_up(const node_watcher& by, steady_time now) {
    const std::lock_guard guard(lock_);
    const place at = find(by);
    return !at || at.shard->state.overdue(at.node, now);
}

void cluster_watch::check_answered(const node_watcher& by, const node_answer& answer, steady_time now) {
    {
        const std::lock_guard guard(lock_);
        const place at = find(by);
        if (!at) return;
        at.shard->state.check_answered(at.node, answer, now);
        at.shard->slots[at.node].answered = true;
        if (!answer.in_recovery) wake_stale_replicas(*at.shard, answer);
        if (!note_change(now)) return;
    }
    wake_publisher_();
}

// So that what was just written is known to be applied a moment later, not a whole interval.
void cluster_watch::wake_stale_replicas(const watched_shard& shard, const node_answer& primary) {
    for (std::size_t i = 0; i < shard.slots.size(); ++i) {
        if (shard.state.replayed_less_than(i, primary.lsn)) shard.slots[i].watcher->wake();
    }
}

void cluster_watch::check_failed(const node_watcher& by, const std::string& reason, steady_time now) {
    {
        const std::lock_guard guard(lock_);
        const place at = find(by);
        if (!at) return;
        at.shard->state.check_failed(at.node, reason, now);
        if (!note_change(now)) return;
    }
    wake_publisher_();
}

void cluster_watch::report_failure(const config::endpoint& node, const std::string& reason, steady_time now) {
    {
        const std::lock_guard guard(lock_);
        for_node(node, [&](watched_shard& shard, std::size_t i) {
            shard.state.worker_failed(i, reason, now);
            shard.slots[i].watcher->wake();
        });
        if (!note_change(now)) return;
    }
    wake_publisher_();
}

void cluster_watch::report_success(const config::endpoint& node) {
    const std::lock_guard guard(lock_);
    for_node(node, [](watched_shard& shard, std::size_t i) { shard.state.worker_succeeded(i); });
}

void cluster_watch::check_now() {
    const std::lock_guard guard(lock_);
    for (const watched_shard& shard : shards_) {
        for (const slot& one : shard.slots) one.watcher->wake();
    }
}

// --- bans ---

bool cluster_watch::ban_node(const config::endpoint& node, const node_ban& why) {
    bool found = false;
    {
        const std::lock_guard guard(lock_);
        found = for_node(node, [&](watched_shard& shard, std::size_t i) { shard.state.ban(i, why); });
        due_ = due_ || found;
    }
    if (found) wake_publisher_();
    return found;
}

bool cluster_watch::unban_node(const config::endpoint& node, steady_time now) {
    bool was_banned = false;
    {
        const std::lock_guard guard(lock_);
        for_node(node, [&](watched_shard& shard, std::size_t i) { was_banned |= shard.state.unban(i, now); });
        due_ = due_ || was_banned;
    }
    if (was_banned) wake_publisher_();
    return was_banned;
}

std::vector<ban> cluster_watch::bans(steady_time now) const {
    const std::lock_guard guard(lock_);
    std::vector<ban> found;
    for (const watched_shard& shard : shards_) {
        for (std::size_t i = 0; i < shard.slots.size(); ++i) {
            const auto why = shard.state.ban_of(i, now);
            if (why) found.push_back({name_, shard.state.address(i), why->reason, why->until, why->by_operator});
        }
    }
    return found;
}

}  // namespace ringway::pool
