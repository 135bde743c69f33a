#pragma once
// All that is known of one shard's nodes, and what follows from it: roles, watermarks, who is usable. Pure: time is
// passed in.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "pool/breaker.hpp"
#include "pool/gtid.hpp"
#include "pool/health.hpp"
#include "pool/roles.hpp"
#include "pool/watermark.hpp"

namespace ringway::pool {

/// What a node said of itself in one check.
struct node_answer {
    bool in_recovery = false;
    std::uint32_t timeline =
        0;  ///< primary: of its inserts; replica: of the WAL it receives, or of its last restart point
    std::uint64_t system = 0;  ///< system_identifier
    std::uint64_t lsn = 0;     ///< end_of_records of: primary: inserted; replica: replayed
    bool streaming = false;    ///< replica: has a WAL receiver
    bool replay_paused = false;
    bool first_on_connection = false;  ///< the node may have been restarted since the last answer
    gtid_ref gtids = {};               ///< MySQL: executed, and `lsn` is how many; null: PostgreSQL
    gtid_ref history = {};             ///< MySQL: the same, by who wrote it
    std::string origin = {};           ///< MySQL: as which it writes
    bool closed = false;               ///< MySQL: read_only, before it told what it has
    bool follows = false;              ///< MySQL: all it follows is being received, or who may see that is not told
    server_traits traits = {};
    steady_time asked{};  ///< when the question was about to leave: what was acknowledged before lies before `lsn`
};

struct shard_rules {
    std::chrono::milliseconds check_timeout{1000};
    std::chrono::milliseconds longest_pause{60'000};  ///< of a breaker
    std::map<std::string, double> weights;            ///< "host:port" -> weight; 1 when absent
};

/// Why a node is kept out of rotation for a while, other than by its own state.
struct node_ban {
    std::string reason;
    steady_time until{};
    bool by_operator = false;
};

/// Fed with the outcome of checks and workers' reports; assess() turns that into a shard_health at any time. Nodes are
/// named by their index in the configuration. Not thread-safe: its owner locks.
class shard_watch {
  public:
    shard_watch(const std::vector<config::endpoint>& nodes, shard_rules rules);
    /// New configuration: nodes that stay keep what is known of them.
    void change(const std::vector<config::endpoint>& nodes, shard_rules rules);

    void check_began(std::size_t node, steady_time now);
    void check_answered(std::size_t node, const node_answer& answer, steady_time now);
    void check_failed(std::size_t node, const std::string& reason, steady_time now);
    void worker_failed(std::size_t node, const std::string& reason, steady_time now);
    void worker_succeeded(std::size_t node);

    void ban(std::size_t node, node_ban why) { nodes_[node].banned = std::move(why); }
    /// Also closes the breaker, and an old primary may be one again. False: nothing spoke against it.
    bool unban(std::size_t node, steady_time now);
    /// The operator's ban, else the open breaker.
    std::optional<node_ban> ban_of(std::size_t node, steady_time now) const;

    /// A check has been running for longer than check_timeout.
    bool overdue(std::size_t node, steady_time now) const;
    /// When the running check becomes overdue; nullopt: none runs.
    std::optional<steady_time> deadline(std::size_t node) const;
    /// The last check succeeded, and none is overdue.
    bool answers(std::size_t node, steady_time now) const;

    /// A replica in contact that had not reached `lsn` when it was last asked.
    bool replayed_less_than(std::size_t node, std::uint64_t lsn) const;

    shard_health assess(steady_time now);
    std::size_t size() const { return nodes_.size(); }
    const config::endpoint& address(std::size_t node) const { return nodes_[node].address; }

  private:
    struct node_facts {
        config::endpoint address;
        std::optional<node_answer> answer;  ///< none since the last failure
        std::string failure = "not checked yet";
        std::optional<steady_time> busy_since;
        node_role last_role = node_role::unknown;
        steady_time watermark{};  ///< of a replica, since its connection was made
        pool::breaker breaker;
        std::optional<node_ban> banned;
    };
    /// Whose positions the history holds.
    struct history_source {
        config::endpoint node;
        std::uint32_t timeline = 0;
        std::uint64_t system = 0;
        friend bool operator==(const history_source&, const history_source&) = default;
    };

    std::vector<primary_claim> claims(steady_time now) const;
    /// Resolves the primary; when it is another one than before, drops the old one's positions.
    role_verdict resolve(const std::vector<primary_claim>& claims);
    void advance_watermark(node_facts& replica) const;
    std::string why_unusable(std::size_t node, steady_time now, const role_verdict& verdict,
                             const std::vector<primary_claim>& claims) const;
    std::string why_no_answer(const node_facts& node, steady_time now) const;
    node_health describe(std::size_t node, steady_time now) const;
    std::string why_no_primary(const shard_health& shard, const role_verdict& verdict) const;

    shard_rules rules_;
    std::vector<node_facts> nodes_;
    timeline_memory timelines_;
    position_memory positions_;
    position_history history_;
    std::optional<history_source> source_;
};

}  // namespace ringway::pool
