#include "proxy/http/readiness.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ringway::proxy::http {

namespace {

cluster_readiness cluster_readiness_of(const config::cluster& configured, const pool::cluster_health* health) {
    cluster_readiness made{configured.name, true, {}};
    for (std::size_t i = 0; i < configured.shards.size(); ++i) {
        const auto& shard = configured.shards[i].name;
        if (!health || i >= health->shards.size())
            made.reasons.push_back(
                fmt::format("shard {} of cluster {} has not been checked yet", shard, configured.name));
        else if (health->shards[i].primary < 0)
            made.reasons.push_back(fmt::format("shard {} of cluster {} has no primary{}{}", shard, configured.name,
                                               health->shards[i].reason.empty() ? "" : ": ", health->shards[i].reason));
    }
    made.ready = made.reasons.empty();
    return made;
}

}  // namespace

bool readiness::ready() const {
    return !draining &&
           std::all_of(clusters.begin(), clusters.end(), [](const cluster_readiness& one) { return one.ready; });
}

std::vector<std::string> readiness::reasons() const {
    std::vector<std::string> all;
    if (draining) all.emplace_back("draining");
    for (const auto& one : clusters) all.insert(all.end(), one.reasons.begin(), one.reasons.end());
    return all;
}

readiness readiness_of(inventory& of) {
    const auto settings = of.settings();
    const auto health = of.health();
    readiness made;
    made.draining = of.draining();
    for (const auto& cluster : settings->clusters) {
        const auto found =
            std::find_if(health.begin(), health.end(), [&](const auto& one) { return one->cluster == cluster.name; });
        made.clusters.push_back(cluster_readiness_of(cluster, found == health.end() ? nullptr : found->get()));
    }
    return made;
}

}  // namespace ringway::proxy::http
