#include "router/ring_state.hpp"

#include <algorithm>

namespace ringway::router {

const ring::member* ring_state::find(std::string_view name) const noexcept {
    const auto found =
        std::find_if(shards.begin(), shards.end(), [name](const ring::member& each) { return each.name == name; });
    return found == shards.end() ? nullptr : &*found;
}

ring_state ring_state_of(const config::cluster& from) {
    ring_state out;
    out.epoch = 1;
    for (const auto& each : from.shards) out.shards.push_back({each.name, each.weight});
    return out;
}

std::vector<ring::member> members_of(const ring_state& from, const std::vector<std::string>& names) {
    std::vector<ring::member> out;
    for (const auto& name : names) {
        const auto* found = from.find(name);
        out.push_back({name, found ? found->weight : 0});
    }
    return out;
}

std::vector<ring::exception> exceptions_of(const ring_state& from, const std::vector<std::string>& names) {
    std::vector<ring::exception> out;
    for (const auto& each : from.exceptions) {
        const auto found = std::find(names.begin(), names.end(), each.shard);
        if (found != names.end()) out.push_back({each.at, static_cast<std::uint16_t>(found - names.begin())});
    }
    return out;
}

ring_state target_of(const ring_state& active, const config::cluster& configured) {
    auto out = ring_state_of(configured);
    out.epoch = active.epoch + 1;
    std::erase_if(out.shards, [&](const ring::member& each) { return each.weight == 0 && !active.find(each.name); });
    for (const auto& each : active.exceptions)
        if (out.find(each.shard)) out.exceptions.push_back(each);
    return out;
}

std::vector<std::string> missing_shards(const ring_state& active, const config::cluster& configured) {
    std::vector<std::string> out;
    for (const auto& each : active.shards) {
        const bool there = std::any_of(configured.shards.begin(), configured.shards.end(),
                                       [&](const config::shard& one) { return one.name == each.name; });
        const bool owns =
            each.weight > 0 || std::any_of(active.exceptions.begin(), active.exceptions.end(),
                                           [&](const ring_state::exception& one) { return one.shard == each.name; });
        if (!there && owns) out.push_back(each.name);
    }
    return out;
}

}  // namespace ringway::router
