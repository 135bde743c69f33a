#include "pool/health_log.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace ringway::pool {

namespace {

constexpr const char* never_checked = "not checked yet";

const node_health* same_node(const shard_health* shard, const config::endpoint& address) {
    if (shard == nullptr) return nullptr;
    const auto found = std::find_if(shard->nodes.begin(), shard->nodes.end(),
                                    [&](const node_health& n) { return n.address == address; });
    return found == shard->nodes.end() ? nullptr : &*found;
}

void log_node(const std::string& where, const node_health* before, const node_health& after) {
    if (after.reason == never_checked) return;
    const bool first = before == nullptr || before->reason == never_checked;
    if (after.usable && (first || !before->usable ? !after.replaying : before->replaying != after.replaying)) {
        if (after.replaying)
            spdlog::info("{}: node {} replays again", where, after.address.text());
        else
            spdlog::warn("{}: node {} is stalled: it has stopped to replay", where, after.address.text());
    }
    if (!first && before->usable == after.usable) return;
    if (after.usable) {
        spdlog::info("{}: node {} is in rotation", where, after.address.text());
    } else {
        spdlog::warn("{}: node {} is out of rotation: {}", where, after.address.text(), after.reason);
    }
}

std::string primary_of(const shard_health* shard) {
    if (shard == nullptr || shard->primary < 0) return {};
    return shard->nodes[static_cast<std::size_t>(shard->primary)].address.text();
}

void log_primary(const std::string& where, const shard_health* before, const shard_health& after) {
    const std::string was = primary_of(before), is = primary_of(&after);
    if (was == is) return;
    if (is.empty()) {
        spdlog::warn("{}: no primary: {}", where, after.reason);
        return;
    }
    const node_health& primary = after.nodes[static_cast<std::size_t>(after.primary)];
    spdlog::info("{}: {} is the primary (timeline {})", where, is, primary.timeline);
}

}  // namespace

void log_changes(const cluster_health* before, const cluster_health& after,
                 const std::vector<std::string>& shard_names) {
    for (std::size_t i = 0; i < after.shards.size(); ++i) {
        const shard_health* const known = before != nullptr && i < before->shards.size() ? &before->shards[i] : nullptr;
        const std::string where = fmt::format("cluster {} shard {}", after.cluster, shard_names[i]);
        for (const node_health& node : after.shards[i].nodes) log_node(where, same_node(known, node.address), node);
        log_primary(where, known, after.shards[i]);
    }
}

}  // namespace ringway::pool
