#include "pool/health.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "pool/balance.hpp"

namespace ringway::pool {

namespace {

using config::fault;
using config::fault_kind;
using config::read_consistency;

bool is_usable_replica(const node_health& node) {
    return node.usable && node.role == node_role::replica;
}

bool lags_too_much(const node_health& node, const read_wish& wish, steady_time now) {
    return node.lag.count() < 0 || now - node.watermark > wish.max_lag;
}

/// In rotation for this wish, whatever the session wrote itself.
bool in_order(const node_health& node, const read_wish& wish, steady_time now) {
    if (!is_usable_replica(node)) return false;
    return wish.mode == read_consistency::eventual || !lags_too_much(node, wish, now);
}

/// A replica the wish may read from now. The wish for a replica under `primary` consistency is held to the session's
/// rule.
bool fits(const node_health& node, const read_wish& wish, steady_time now) {
    if (!in_order(node, wish, now)) return false;
    const bool sees_own_writes = wish.mode == read_consistency::session || wish.mode == read_consistency::primary;
    return !sees_own_writes || wish.last_write == steady_time{} || node.watermark > wish.last_write;
}

std::string why_not(const node_health& node, const read_wish& wish, steady_time now) {
    if (!node.usable) return node.reason;
    if (node.role != node_role::replica) return "is the primary";
    if (node.lag.count() < 0) return "lag unknown";
    if (!in_order(node, wish, now)) {
        const auto lag = std::chrono::duration_cast<std::chrono::milliseconds>(now - node.watermark);
        return fmt::format("lags {} ms, max_lag is {} ms", lag.count(), wish.max_lag.count());
    }
    return "has not applied the session's last write yet";
}

fault no_replica_fault(const shard_health& shard, const read_wish& wish, steady_time now) {
    fault out{fault_kind::cannot_connect, "no replica is fit for this read", {}, {}};
    for (const node_health& node : shard.nodes) {
        if (!out.detail.empty()) out.detail += "; ";
        out.detail += fmt::format("{}: {}", node.address.text(), why_not(node, wish, now));
    }
    out.hint = wish.require_replica ? "leave out role=replica to let the primary answer"
                                    : "set no_replica = \"primary\" to let the primary answer, or raise max_lag";
    return out;
}

}  // namespace

choice choose_primary(const shard_health& shard) {
    const bool in_range = shard.primary >= 0 && static_cast<std::size_t>(shard.primary) < shard.nodes.size();
    if (in_range && shard.nodes[static_cast<std::size_t>(shard.primary)].usable)
        return {shard.primary, false, std::nullopt};
    const std::string& why = shard.reason.empty() ? std::string("not checked yet") : shard.reason;
    return {-1, true, fault{fault_kind::cannot_connect, "no primary in order", why, "see SHOW LAG on the admin port"}};
}

choice choose_for_read(const shard_health& shard, const read_wish& wish, const config::read_rules& rules,
                       steady_time now, balance_state& state) {
    if (!wish.require_replica && (!rules.splitting || wish.mode == read_consistency::primary))
        return choose_primary(shard);
    const int node = pick(shard, rules.how, state, [&](const node_health& n) { return fits(n, wish, now); });
    if (node >= 0) return {node, false, std::nullopt};

    // A replica in order that only lacks the session's own write will have it in a moment: that is no outage.
    const bool soon = std::any_of(shard.nodes.begin(), shard.nodes.end(),
                                  [&](const node_health& n) { return in_order(n, wish, now); });
    if (wish.require_replica) return {-1, soon, no_replica_fault(shard, wish, now)};
    if (soon || rules.fallback == config::no_replica::primary) return choose_primary(shard);
    return {-1, false, no_replica_fault(shard, wish, now)};
}

}  // namespace ringway::pool
