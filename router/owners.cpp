#include "router/owners.hpp"

#include "router/key_value.hpp"

namespace ringway::router {

std::vector<std::uint16_t> owners_of(const plan& what, const values& with, const shard_map& map) {
    std::vector<bool> asked(map.shards.size(), false);
    bool told = what.placement == placement::single && !what.keys.empty();
    if (what.fixed_shard && *what.fixed_shard < asked.size()) asked[*what.fixed_shard] = true;
    for (const auto& recipe : what.keys)
        each_owner(recipe, with, map, [&](const placed_key& key) {
            if (key.what == key_outcome::key && key.shard < asked.size())
                asked[key.shard] = true;
            else
                told &= key.what == key_outcome::null;
            return told;
        });
    std::vector<std::uint16_t> out;
    for (std::size_t i = 0; i < asked.size(); ++i)
        if (map.has_joined(i) && (!told || asked[i])) out.push_back(static_cast<std::uint16_t>(i));
    if (out.empty()) out.push_back(0);
    return out;
}

bool keeps_to_owners(const plan& what) {
    if (what.spread != spreading::apart || what.keys.empty() || what.parsed.statements.size() != 1) return false;
    const auto kind = what.parsed.statements.front().verb;
    return kind == verb::update || kind == verb::delete_;
}

}  // namespace ringway::router
