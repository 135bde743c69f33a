#include "router/own_types.hpp"

namespace ringway::router {

std::shared_ptr<const own_types> own_types::made_of(const std::vector<std::map<std::string, std::uint32_t>>& by_shard) {
    auto out = std::make_shared<own_types>();
    out->known_.resize(by_shard.size());
    out->own_.resize(by_shard.size());
    bool any = false;
    for (std::size_t shard = 1; shard < by_shard.size(); ++shard)
        for (const auto& [name, oid] : by_shard.front()) {
            const auto found = by_shard[shard].find(name);
            if (found == by_shard[shard].end()) continue;
            out->known_[shard][found->second] = oid;
            out->own_[shard][oid] = found->second;
            any |= oid != found->second;
        }
    // Where all are the same there is nothing to look up.
    for (std::size_t shard = 1; shard < by_shard.size(); ++shard) {
        bool same = true;
        for (const auto& [from, to] : out->known_[shard]) same &= from == to;
        if (same) out->known_[shard].clear(), out->own_[shard].clear();
    }
    return any ? out : nullptr;
}

}  // namespace ringway::router
