#include "pool/roles.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ringway::pool {

namespace {

std::string old_primary(const primary_claim& claim, std::uint32_t newest) {
    return fmt::format("{} is an old primary: it stands on timeline {}, and timeline {} was seen", claim.name,
                       claim.timeline, newest);
}

const primary_claim* other_system(std::span<const primary_claim> claims) {
    for (const primary_claim& claim : claims) {
        if (claim.system != claims.front().system) return &claim;
    }
    return nullptr;
}

}  // namespace

void timeline_memory::seen(std::uint64_t system, std::uint32_t timeline) {
    std::uint32_t& highest = highest_[system];
    highest = std::max(highest, timeline);
}

std::uint32_t timeline_memory::highest(std::uint64_t system) const {
    const auto found = highest_.find(system);
    return found == highest_.end() ? 0 : found->second;
}

role_verdict resolve_primary(std::span<const primary_claim> claims, const timeline_memory& memory) {
    if (claims.empty()) return {};
    if (const primary_claim* other = other_system(claims)) {
        return {-1,
                fmt::format("{} and {} are primaries of different database systems", claims.front().name, other->name)};
    }
    const auto on_lower_timeline = [](const primary_claim& a, const primary_claim& b) {
        return a.timeline < b.timeline;
    };
    const primary_claim& best = *std::max_element(claims.begin(), claims.end(), on_lower_timeline);
    const std::uint32_t newest = memory.highest(best.system);
    if (best.timeline < newest) return {-1, old_primary(best, newest)};
    for (const primary_claim& claim : claims) {
        if (claim.node == best.node || claim.timeline != best.timeline) continue;
        return {-1, fmt::format("two primaries on timeline {}: {} and {}", best.timeline, best.name, claim.name)};
    }
    return {static_cast<int>(best.node), {}};
}

std::string why_not_primary(const primary_claim& claim, const role_verdict& verdict,
                            std::span<const primary_claim> claims, const timeline_memory& memory) {
    std::uint32_t newest = memory.highest(claim.system);
    for (const primary_claim& other : claims) {
        if (other.system == claim.system) newest = std::max(newest, other.timeline);
    }
    const bool one_system = other_system(claims) == nullptr;
    return one_system && claim.timeline < newest ? old_primary(claim, newest) : verdict.reason;
}

}  // namespace ringway::pool
