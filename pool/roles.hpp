#pragma once
// Which of the nodes that call themselves primary is the primary of a shard. Pure.

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "pool/gtid.hpp"

namespace ringway::pool {

/// A node that answers in time and is not in recovery.
struct primary_claim {
    std::size_t node = 0;  ///< index in the shard
    std::string name;      ///< "host:port"
    std::uint32_t timeline = 0;
    std::uint64_t system = 0;  ///< pg_control_system's system_identifier
    gtid_ref history = {};     ///< MySQL, MariaDB: every transaction it has, by who wrote it; null: PostgreSQL
};

struct role_verdict {
    int primary = -1;                           ///< node; -1: none
    std::string reason;                         ///< why none
    std::map<std::size_t, std::string> olds{};  ///< nodes that were the primary before, and why they are it no more
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

/// MySQL's servers have no timelines: which node was the primary last, what it had by then, and which were before it.
/// Outlives the nodes, as timeline_memory does.
class position_memory {
  public:
    void accepted(const primary_claim& primary);
    bool is_last(const primary_claim& claim) const { return claim.name == last_; }
    /// The claim is of a node that was the primary until another one was, and lacks transactions that one had.
    bool is_old(const primary_claim& claim) const;
    const std::string& last() const noexcept { return last_; }

  private:
    std::string last_;
    gtid_ref history_;
    std::set<std::string> former_;
};

/// For claims with histories. A node that was the primary before comes back only with all that its follower had. Of
/// several, the one that has all the others have and more; else the last primary, if no other has anything it lacks.
role_verdict resolve_by_position(std::span<const primary_claim> claims, const position_memory& memory);

/// The claim on the highest timeline, when it is the only one and no higher one was ever seen. `reason` is empty when
/// there is a primary or no claim at all.
role_verdict resolve_primary(std::span<const primary_claim> claims, const timeline_memory& memory);

/// Why a claim is not the primary, for its node's `reason`.
std::string why_not_primary(const primary_claim& claim, const role_verdict& verdict,
                            std::span<const primary_claim> claims, const timeline_memory& memory);

}  // namespace ringway::pool
