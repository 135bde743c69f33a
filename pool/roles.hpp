#pragma once
// Which of the nodes that call themselves primary is the primary of a shard. Pure.

#include <cstddef>
#include <cstdint>
#include <map>
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
    std::string origin{};      ///< server_uuid, or MariaDB's server_id: as which it writes
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
/// Outlives the nodes, as timeline_memory does. What a primary wrote between its last answer and its end nobody has
/// told: a node that was the primary before it must have been seen following it, or have transactions of its own.
class position_memory {
  public:
    void accepted(const primary_claim& primary);
    bool is_last(const primary_claim& claim) const { return claim.name == last_; }
    /// A node that is no primary now: it `follows` another one, or takes no writes (`closed`) and has told all it has.
    void resting(const std::string& name, const gtid_ref& history, bool follows, bool closed);
    /// An operator's word that this node has all. False: nothing spoke against it.
    bool trust(const std::string& name) { return former_.erase(name) > 0; }
    /// Why a node that was the primary until another one was is not it again: it lacks what that one had, or may.
    /// Empty: it may be it.
    std::string why_old(const primary_claim& claim) const;

  private:
    struct former {
        gtid_ref history;       ///< when another one was the primary
        bool followed = false;  ///< since the last primary is it
    };
    std::string last_;
    std::string origin_;  ///< of the last one
    gtid_ref history_;
    bool settled_ = false;  ///< the last one has been seen closed: history_ is all it wrote
    std::map<std::string, former> former_;
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
