#include "pool/roles.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

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

void position_memory::accepted(const primary_claim& primary) {
    settled_ = false;
    if (last_ == primary.name) {
        // What was seen stays seen, whatever the same node tells later.
        if (primary.history->contains(*history_)) history_ = primary.history;
        return;
    }
    if (!last_.empty()) former_[last_] = {history_, false};
    former_.erase(primary.name);
    for (auto& [name, known] : former_) known.followed = false;
    history_ = primary.history;
    origin_ = primary.origin;
    last_ = primary.name;
}

void position_memory::resting(const std::string& name, const gtid_ref& history, bool follows, bool closed) {
    if (!history) return;
    if (const auto known = former_.find(name); known != former_.end() && follows) known->second.followed = true;
    if (name != last_ || !closed || !history->contains(*history_)) return;
    history_ = history;
    settled_ = true;
}

std::string position_memory::why_old(const primary_claim& claim) const {
    const auto known = former_.find(claim.name);
    if (known == former_.end() || !history_) return {};
    if (!claim.history->contains(*history_))
        return fmt::format("{} is an old primary: it lacks transactions that {} had after it", claim.name, last_);
    const bool has_some =
        !origin_.empty() && claim.history->written_by(origin_) > known->second.history->written_by(origin_);
    if (settled_ || known->second.followed || has_some) return {};
    return fmt::format(
        "{} is an old primary: it has not been seen following {}, which may have written more (UNBAN "
        "it if it has all)",
        claim.name, last_);
}

role_verdict resolve_by_position(std::span<const primary_claim> claims, const position_memory& memory) {
    role_verdict out;
    std::vector<const primary_claim*> fit;
    for (const primary_claim& claim : claims) {
        if (auto why = memory.why_old(claim); !why.empty())
            out.olds[claim.node] = std::move(why);
        else
            fit.push_back(&claim);
    }
    if (fit.empty()) {
        if (!out.olds.empty()) out.reason = out.olds.begin()->second;
        return out;
    }
    const auto has_all = [&](const primary_claim* one) {
        return std::all_of(fit.begin(), fit.end(),
                           [&](const primary_claim* other) { return one->history->contains(*other->history); });
    };
    std::vector<const primary_claim*> best;
    std::copy_if(fit.begin(), fit.end(), std::back_inserter(best), has_all);
    const auto last = std::find_if(best.begin(), best.end(), [&](const auto* one) { return memory.is_last(*one); });
    if (best.size() == 1) {
        out.primary = static_cast<int>(best.front()->node);
    } else if (last != best.end()) {
        out.primary = static_cast<int>((*last)->node);
    } else if (best.empty()) {
        out.reason = fmt::format("two primaries, each with transactions that the other lacks: {} and {}", fit[0]->name,
                                 fit[1]->name);
    } else {
        out.reason = fmt::format("two primaries with the same transactions: {} and {}", best[0]->name, best[1]->name);
    }
    for (const primary_claim* claim : fit)
        if (out.primary >= 0 && out.primary != static_cast<int>(claim->node))
            out.olds[claim->node] = fmt::format("{} takes writes too, but the primary is another one", claim->name);
    return out;
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
    if (const auto old = verdict.olds.find(claim.node); old != verdict.olds.end()) return old->second;
    std::uint32_t newest = memory.highest(claim.system);
    for (const primary_claim& other : claims) {
        if (other.system == claim.system) newest = std::max(newest, other.timeline);
    }
    const bool one_system = other_system(claims) == nullptr;
    return one_system && claim.timeline < newest ? old_primary(claim, newest) : verdict.reason;
}

}  // namespace ringway::pool
