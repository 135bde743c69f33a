#pragma once
// Which of the nodes that call themselves primary is the primary of a shard. Pure.

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace ringway::pool {

/// A node that answers in time and is not in recovery.
struct primary_claim {
    std::size_t node = 0;  ///< index in the shard
    std::string name;      ///< "host:port"
    std::uint32_t timeline = 0;
    std::uint64_t system = 0;  ///< pg_control_system's system_identifier
};

struct role_verdict {
    int primary = -1;    ///< node; -1: none
    std::string reason;  ///< why none
};

/// The highest timeline ever seen of each database system. Outlives the nodes that showed it: a promotion cannot be
/// undone, so whoever still stands on a lower timeline is an old primary, also while nobody stands on the higher one.
class timeline_memory {
  public:
    void seen(std::uint64_t system, std::uint32_t timeline);
    std::uint32_t highest(std::uint64_t system) const;  ///< 0: never seen

  private:
    std::map<std::uint64_t, std::uint32_t> highest_;
};

/// The claim on the highest timeline, when it is the only one and no higher one was ever seen. `reason` is empty when
/// there is a primary or no claim at all.
role_verdict resolve_primary(std::span<const primary_claim> claims, const timeline_memory& memory);

/// Why a claim is not the primary, for its node's `reason`.
std::string why_not_primary(const primary_claim& claim, const role_verdict& verdict,
                            std::span<const primary_claim> claims, const timeline_memory& memory);

}  // namespace ringway::pool
