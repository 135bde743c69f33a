#include "proxy/rebalance/rebalancer.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "proxy/rebalance/ring_file.hpp"
#include "proxy/rebalance/run.hpp"

namespace ringway::proxy::rebalance {

using namespace std::chrono_literals;
using config::fault;
using config::fault_kind;

namespace {

fault refused(std::string message, std::string detail = {}, std::string hint = {}) {
    return {fault_kind::invalid_parameter, std::move(message), std::move(detail), std::move(hint)};
}

fault unknown(const std::string& cluster) {
    return refused(fmt::format("there is no PostgreSQL cluster \"{}\"", cluster),
                   "Those of MySQL, and the one for all databases (\"*\"), are not rebalanced.", "see SHOW CLUSTERS");
}

}  // namespace

bool rebalancer::own() {
    if (owned_ >= 0) return true;
    const auto path = host_.state_dir() + "/rebalance.lock";
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return false;
    if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
        ::close(file);
        return false;
    }
    owned_ = file;
    return true;
}

void rebalancer::start(const std::vector<std::string>& clusters) {
    std::vector<std::string> begun;
    for (const auto& each : clusters) {
        std::string why;
        if (load_journal(host_.state_dir(), each, why)) begun.push_back(each);
    }
    if (begun.empty()) return;
    finder_ = std::thread([this, begun] {
        for (;;) {
            {
                std::unique_lock held(lock_);
                if (stopping_) return;
                if (own()) break;
                wake_.wait_for(held, 500ms, [this] { return stopping_; });
            }
        }
        for (const auto& each : begun) {  // as the process that had them has left them
            std::string why;
            auto plan = load_journal(host_.state_dir(), each, why);
            if (!plan) continue;
            spdlog::info("rebalance of cluster {}: goes on, it was {}", each, name_of(plan->at));
            const std::lock_guard guard(lock_);
            if (stopping_) return;
            auto& slot = runs_[each];
            slot = std::make_shared<run>(host_, each, std::move(*plan), make_, true);
            slot->start();
        }
    });
}

void rebalancer::stop() {
    {
        const std::lock_guard guard(lock_);
        stopping_ = true;
        wake_.notify_all();
    }
    if (finder_.joinable()) finder_.join();
    std::map<std::string, std::shared_ptr<run>> all;
    {
        const std::lock_guard guard(lock_);
        all.swap(runs_);
    }
    for (auto& entry : all) entry.second->stop();
    if (owned_ >= 0) ::close(std::exchange(owned_, -1));
}

std::optional<fault> rebalancer::begin(const std::string& cluster, const router::ring_state& from,
                                       const router::ring_state& to, bool dry, std::vector<planned_table>& planned) {
    const std::lock_guard one_at_a_time(begin_lock_);
    {
        const std::lock_guard guard(lock_);
        const auto found = runs_.find(cluster);
        if (found != runs_.end() && !found->second->is_over())
            return refused(fmt::format("a rebalance of cluster \"{}\" is under way", cluster), {},
                           found->second->may_be_undone() ? "UNDO REBALANCE takes it back, FINISH REBALANCE ends it"
                                                          : "see SHOW REBALANCE; CANCEL REBALANCE ends it");
        if (!dry && !own())
            return refused("another process of this proxy still runs rebalances", {}, "wait until it has ended");
    }
    auto view = host_.look_at(cluster);
    if (!view) return unknown(cluster);
    if (!dry && !view->config.rebalance)
        return refused(
            fmt::format("rebalances of cluster \"{}\" are switched off", cluster),
            "They are new, and not all of what they promise has been measured (docs/rebalance.md).",
            fmt::format("try one beside a copy of the data first; then set rebalance = true in [clusters.{}]",
                        cluster));
    // A shard that a reload has just added has not been looked at yet; nor have the catalogs, after a start.
    for (const auto until = std::chrono::steady_clock::now() + 10s; std::chrono::steady_clock::now() < until;) {
        if (view->catalog && std::find(view->primaries.begin(), view->primaries.end(), -1) == view->primaries.end())
            break;
        std::this_thread::sleep_for(50ms);
        view = host_.look_at(cluster);
        if (!view) return refused("the cluster has been taken out");
    }
    if (std::none_of(to.shards.begin(), to.shards.end(), [](const auto& each) { return each.weight > 0; }))
        return refused("no shard would own anything");
    std::random_device random;
    journal plan;
    plan.id = fmt::format("{:08x}", random());
    plan.from = from;
    plan.to = to;
    plan.undo = view->config.undo_time;
    std::vector<std::string> refusals;
    {
        auto looking = make_(cluster, plan, [] { return true; });
        auto seen = looking->check(refusals, planned);
        if (seen.ok() && refusals.empty() && !dry) seen = looking->equip();
        if (!seen.ok()) refusals.push_back(seen.why);
    }
    if (!refusals.empty())
        return refused(fmt::format("cluster \"{}\" cannot be rebalanced now: {}", cluster, refusals.front()),
                       fmt::format("{}", fmt::join(refusals, "\n")), "nothing has been changed");
    if (dry) return std::nullopt;
    if (moves_of(plan, view->config).empty()) {
        if (from.shards == to.shards && from.exceptions == to.exceptions) return std::nullopt;
        if (!joining(plan).empty()) return refused("no position of the ring would move");
        if (auto failed = save_ring(host_.state_dir(), cluster, to)) return refused(*failed);
        if (!host_.publish_ring(cluster, to, nullptr)) return refused("not every worker has the ring yet");
        return std::nullopt;
    }
    if (auto failed = save_journal(host_.state_dir(), cluster, plan)) return refused(*failed);
    const std::lock_guard guard(lock_);
    if (stopping_) return refused("Ringway is shutting down");
    auto& slot = runs_[cluster];
    slot = std::make_shared<run>(host_, cluster, std::move(plan), make_, false);
    slot->start();
    spdlog::info("rebalance of cluster {} begins", cluster);
    return std::nullopt;
}

std::optional<fault> rebalancer::rebalance(const std::string& cluster, bool dry, std::vector<planned_table>& planned) {
    const auto view = host_.look_at(cluster);
    if (!view) return unknown(cluster);
    return begin(cluster, view->active, router::target_of(view->active, view->config), dry, planned);
}

std::optional<fault> rebalancer::move_key(const std::string& cluster, std::uint64_t position,
                                          const std::string& shard) {
    const auto view = host_.look_at(cluster);
    if (!view) return unknown(cluster);
    const auto& shards = view->config.shards;
    if (std::none_of(shards.begin(), shards.end(), [&](const config::shard& each) { return each.name == shard; }))
        return refused(fmt::format("cluster \"{}\" has no shard \"{}\"", cluster, shard));
    auto to = view->active;
    ++to.epoch;
    std::erase_if(to.exceptions, [&](const auto& each) { return each.at == position; });
    to.exceptions.push_back({position, shard});
    if (!to.find(shard)) to.shards.push_back({shard, 0});
    std::vector<planned_table> ignored;
    return begin(cluster, view->active, to, false, ignored);
}

std::optional<fault> rebalancer::cancel(const std::string& cluster) {
    const std::lock_guard guard(lock_);
    const auto found = runs_.find(cluster);
    if (found == runs_.end())
        return refused(fmt::format("no rebalance of cluster \"{}\" is under way", cluster), {}, "see SHOW REBALANCE");
    return found->second->cancel();
}

std::optional<fault> rebalancer::resume(const std::string& cluster) {
    const std::lock_guard guard(lock_);
    const auto found = runs_.find(cluster);
    if (found == runs_.end() || found->second->is_over())
        return refused(fmt::format("no rebalance of cluster \"{}\" is under way", cluster), {}, "see SHOW REBALANCE");
    found->second->resume();
    return std::nullopt;
}

/// Whether it may be is found out by its thread: the lock is not held meanwhile.
std::optional<fault> rebalancer::undo(const std::string& cluster) {
    std::shared_ptr<run> found;
    {
        const std::lock_guard guard(lock_);
        const auto at = runs_.find(cluster);
        if (at == runs_.end())
            return refused(fmt::format("no rebalance of cluster \"{}\" can be undone", cluster), {},
                           "see SHOW REBALANCE");
        found = at->second;
        if (auto why = found->undo()) return why;
    }
    return found->await_undo();
}

std::optional<fault> rebalancer::finish(const std::string& cluster) {
    const std::lock_guard guard(lock_);
    const auto found = runs_.find(cluster);
    if (found == runs_.end())
        return refused(fmt::format("no rebalance of cluster \"{}\" is under way", cluster), {}, "see SHOW REBALANCE");
    return found->second->finish();
}

std::vector<progress> rebalancer::look() {
    std::vector<progress> out;
    const std::lock_guard guard(lock_);
    for (const auto& entry : runs_) out.push_back(entry.second->look());
    return out;
}

}  // namespace ringway::proxy::rebalance
