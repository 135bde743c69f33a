#include "proxy/net/lease_search.hpp"

#include <fmt/format.h>

#include "pool/balance.hpp"
#include "proxy/net/worker.hpp"

namespace ringway::proxy {

using config::fault;
using config::fault_kind;
using clock = std::chrono::steady_clock;

namespace {
constexpr int most_tries = 5;  ///< of one statement, over all nodes
}

pool::worker_link& lease_search::waiter_home() {
    return home_;
}

lease_search::outcome lease_search::refuse(fault why) {
    state_ = state::none;
    in_.reset();
    settled();
    why_ = std::move(why);
    return outcome::refused;
}

lease_search::outcome lease_search::begin(const lease_wish& what) {
    wish_ = what;
    const auto now = clock::now();
    if (since_ == pool::steady_time{}) {
        since_ = now;
        hold_until_ = now + who_.cluster->now->config.failover_hold;
    }
    return look(now);
}

lease_search::outcome lease_search::look(pool::steady_time now) {
    auto& cluster = *who_.cluster;
    if (cluster.paused) hold_until_ = now + cluster.now->config.failover_hold;
    if (const auto other = cluster.paused ? std::optional(outcome::waiting) : choose(now)) {
        if (*other == outcome::waiting) {
            state_ = state::holding;
            home_.watch(seeker_.seeker_session());
        }
        return *other;
    }
    auto& slot = who_.who->pools[wish_.shard][static_cast<std::size_t>(node_)];
    if (!slot) slot = home_.owner.pool_of(cluster, *who_.who, wish_.shard, static_cast<std::size_t>(node_));
    in_ = slot;
    state_ = state::leasing;
    got_ = in_->acquire(std::shared_ptr<pool::waiter>(seeker_.seeker_alive(), this), home_);
    if (!got_) {
        home_.watch(seeker_.seeker_session());
        return outcome::waiting;
    }
    state_ = state::none;
    in_.reset();
    return outcome::found;
}

/// nullopt: node_ is the one.
std::optional<lease_search::outcome> lease_search::choose(pool::steady_time now) {
    auto& cluster = *who_.cluster;
    const auto& config = cluster.now->config;
    if (wish_.shard >= config.shards.size())
        return refuse({fault_kind::internal, "the shard map has changed", {}, "repeat the statement"});
    auto& pools = who_.who->pools;
    if (pools.size() != config.shards.size()) pools.assign(config.shards.size(), {});
    pools[wish_.shard].resize(config.shards[wish_.shard].nodes.size());
    const bool late = now >= hold_until_;
    if (!cluster.health || wish_.shard >= cluster.health->shards.size()) {
        if (!late) return outcome::waiting;
        return refuse({fault_kind::cannot_connect,
                       fmt::format("the servers of cluster \"{}\" have not answered yet", config.name),
                       {},
                       {}});
    }
    const auto& shard = cluster.health->shards[wish_.shard];
    if (cluster.balance.size() <= wish_.shard) cluster.balance.resize(wish_.shard + 1u);
    pool::choice chosen;
    if (wish_.need == router::need::any && !avoid_replicas_) {
        pool::read_wish wish;
        wish.mode = wish_.consistency;
        wish.last_write = wish_.last_write;
        wish.max_lag = who_.who->reads.max_lag;
        wish.require_replica = wish_.replica_only;
        cluster.balance[wish_.shard].next = (*cluster.now->turns)[wish_.shard].fetch_add(1, std::memory_order_relaxed);
        chosen = pool::choose_for_read(shard, wish, who_.who->reads, now, cluster.balance[wish_.shard]);
    } else {
        chosen = pool::choose_primary(shard);
    }
    if (chosen.node >= 0 && static_cast<std::size_t>(chosen.node) < pools[wish_.shard].size()) {
        node_ = chosen.node;
        return std::nullopt;
    }
    if (chosen.hold && !late) return outcome::waiting;
    return refuse(
        chosen.why.value_or(fault{fault_kind::cannot_connect,
                                  fmt::format("shard \"{}\" has no primary in order", config.shards[wish_.shard].name),
                                  shard.reason, "see SHOW LAG on the admin port"}));
}

bool lease_search::on_replica() const {
    const auto& health = who_.cluster->health;
    return health && wish_.shard < health->shards.size() && health->shards[wish_.shard].primary != node_;
}

void lease_search::tell(outcome what) {
    if (what == outcome::found) seeker_.lease_found(std::move(got_));
    if (what == outcome::refused) seeker_.lease_refused(*std::exchange(why_, std::nullopt));
}

void lease_search::go_on() {
    state_ = state::none;
    in_.reset();
    tell(look(clock::now()));
}

bool lease_search::cancel() {
    const bool waiting = state_ == state::holding || (state_ == state::leasing && in_ && in_->cancel_wait(*this));
    if (!waiting) return false;
    state_ = state::none;
    in_.reset();
    return true;
}

void lease_search::tick(pool::steady_time now) {
    if (state_ == state::holding) return go_on();
    if (state_ != state::leasing) return;
    const auto limit = who_.who->limits.query_wait_timeout;
    if (limit.count() == 0 || now - since_ < limit || !in_ || !in_->cancel_wait(*this)) return;
    tell(refuse({fault_kind::query_wait_timeout, "no server connection became free within query_wait_timeout",
                 fmt::format("waited {} ms", limit.count()), "raise pool_size or query_wait_timeout"}));
}

void lease_search::leased(pool::server_ref got) {
    if (state_ != state::leasing) {  // the client went away meanwhile
        in_.reset();
        auto* const home = got->home.get();
        return home->give_back(std::move(got));
    }
    state_ = state::none;
    in_.reset();
    if (wish_.need == router::need::primary && on_replica()) {  // it was the primary when the wait began
        auto* const home = got->home.get();
        home->give_back(std::move(got));
        return go_on();
    }
    seeker_.lease_found(std::move(got));
}

void lease_search::lease_failed(const fault& why) {
    if (state_ != state::leasing) return;
    in_.reset();
    const bool primary = wish_.need == router::need::primary || avoid_replicas_;
    if (pool::is_refusal(why)) {
        // A replica may not have heard yet of a new user or password.
        if (primary || wish_.replica_only) return tell(refuse(why));
        wish_.need = router::need::primary;
        return go_on();
    }
    if (primary) home_.owner.role_changed(who_.cluster->now->configured_as);
    if (!primary && ++tries_ < most_tries) return go_on();
    if (!primary && !wish_.replica_only) {  // which has the rows too
        wish_.need = router::need::primary;
        return go_on();
    }
    if (clock::now() >= hold_until_) return tell(refuse(why));
    state_ = state::holding;  // until there is another primary, or the monitor sees that this one is back
    home_.watch(seeker_.seeker_session());
}

void lease_search::node_left(std::uint16_t shard, int node) {
    if (state_ == state::leasing && wish_.shard == shard && node_ == node && in_->cancel_wait(*this)) go_on();
}

void lease_search::primary_moved(std::uint16_t shard, int primary) {
    if (state_ == state::leasing && wish_.shard == shard && wish_.need == router::need::primary && node_ != primary &&
        in_->cancel_wait(*this))
        go_on();
}

}  // namespace ringway::proxy
