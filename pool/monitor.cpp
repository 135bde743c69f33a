#include "pool/monitor.hpp"

#include <algorithm>
#include <condition_variable>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <tuple>
#include <utility>

#include "pool/cluster_watch.hpp"

namespace ringway::pool {

using std::chrono::steady_clock;

/// The clusters, and the one thread that publishes. Node threads belong to the clusters' watchers.
struct monitor::impl {
    explicit impl(publish to) : publish_to(std::move(to)), publisher([this] { run(); }) {}
    ~impl();

    void watch(const std::vector<config::cluster>& wanted_clusters);
    std::shared_ptr<cluster_watch> find(const std::string& name) const;
    std::vector<std::shared_ptr<cluster_watch>> all() const;

    void run();
    /// Returns when to look again.
    steady_time publish_due();
    void bury_retired();
    void wake_publisher();

    const publish publish_to;
    mutable std::mutex lock;  ///< clusters, retired
    std::map<std::string, std::shared_ptr<cluster_watch>> clusters;
    cluster_watch::watchers retired;  ///< stopped; their threads may still wait for a connect timeout
    std::mutex wake_lock;             ///< wanted, stopping
    std::condition_variable wake;
    bool wanted = false, stopping = false;
    std::thread publisher;  ///< last: it uses the rest
};

monitor::impl::~impl() {
    {
        const std::lock_guard guard(lock);
        for (auto& [name, cluster] : clusters) std::ranges::move(cluster->stop(), std::back_inserter(retired));
    }
    {
        const std::lock_guard guard(wake_lock);
        stopping = true;
    }
    wake.notify_all();
    publisher.join();
    retired.clear();  // joins them; all were told to stop above, so they end side by side
}

void monitor::impl::watch(const std::vector<config::cluster>& wanted_clusters) {
    const std::lock_guard guard(lock);
    std::set<std::string> names;
    for (const config::cluster& cluster : wanted_clusters) {
        names.insert(cluster.name);
        auto& watch = clusters[cluster.name];
        if (!watch) watch = std::make_shared<cluster_watch>(cluster.name, [this] { wake_publisher(); });
        std::ranges::move(watch->configure(cluster), std::back_inserter(retired));
    }
    std::erase_if(clusters, [&](auto& entry) {
        if (names.contains(entry.first)) return false;
        std::ranges::move(entry.second->stop(), std::back_inserter(retired));
        return true;
    });
}

std::shared_ptr<cluster_watch> monitor::impl::find(const std::string& name) const {
    const std::lock_guard guard(lock);
    const auto found = clusters.find(name);
    return found == clusters.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<cluster_watch>> monitor::impl::all() const {
    const std::lock_guard guard(lock);
    std::vector<std::shared_ptr<cluster_watch>> out;
    out.reserve(clusters.size());
    for (const auto& [name, cluster] : clusters) out.push_back(cluster);
    return out;
}

void monitor::impl::wake_publisher() {
    {
        const std::lock_guard guard(wake_lock);
        wanted = true;
    }
    wake.notify_all();
}

steady_time monitor::impl::publish_due() {
    steady_time next = steady_clock::now() + std::chrono::seconds{1};
    for (const auto& cluster : all()) {
        const steady_time now = steady_clock::now();
        if (auto snapshot = cluster->publish(now)) publish_to(std::move(snapshot));
        next = std::min(next, cluster->next_deadline(now));
    }
    return next;
}

void monitor::impl::bury_retired() {
    cluster_watch::watchers finished;
    const std::lock_guard guard(lock);
    const auto dead = std::partition(retired.begin(), retired.end(), [](const auto& w) { return !w->finished(); });
    finished.assign(std::make_move_iterator(dead), std::make_move_iterator(retired.end()));
    retired.erase(dead, retired.end());
}

void monitor::impl::run() {
    std::unique_lock guard(wake_lock);
    while (!stopping) {
        wanted = false;
        guard.unlock();
        bury_retired();
        const steady_time next = publish_due();
        guard.lock();
        wake.wait_until(guard, next, [this] { return wanted || stopping; });
    }
}

monitor::monitor(publish to) : impl_(std::make_unique<impl>(std::move(to))) {}

monitor::~monitor() = default;

void monitor::watch(const std::vector<config::cluster>& clusters) {
    impl_->watch(clusters);
}

std::shared_ptr<const cluster_health> monitor::snapshot(const std::string& cluster) const {
    const auto watched = impl_->find(cluster);
    return watched ? watched->latest() : nullptr;
}

void monitor::report_failure(const std::string& cluster, const config::endpoint& node, const std::string& reason) {
    if (const auto watched = impl_->find(cluster)) watched->report_failure(node, reason, steady_clock::now());
}

void monitor::report_success(const std::string& cluster, const config::endpoint& node) {
    if (const auto watched = impl_->find(cluster)) watched->report_success(node);
}

void monitor::check_now(const std::string& cluster) {
    if (const auto watched = impl_->find(cluster)) watched->check_now();
}

bool monitor::ban_node(const config::endpoint& node, std::chrono::milliseconds length, const std::string& reason) {
    const node_ban why{reason, steady_clock::now() + length, true};
    bool found = false;
    for (const auto& cluster : impl_->all()) found |= cluster->ban_node(node, why);
    return found;
}

bool monitor::unban_node(const config::endpoint& node) {
    bool found = false;
    for (const auto& cluster : impl_->all()) found |= cluster->unban_node(node, steady_clock::now());
    return found;
}

std::vector<ban> monitor::bans() const {
    std::vector<ban> found;
    for (const auto& cluster : impl_->all())
        std::ranges::move(cluster->bans(steady_clock::now()), std::back_inserter(found));
    return found;
}

}  // namespace ringway::pool
