#pragma once
// How a transaction that stands on several shards ends: a state machine, no sockets and no clock.
//
// One member that wrote: plain COMMITs, the writer's last. Several: two phases. The first of them, the decider, holds
// the decision as a row in its own transaction (ringway.decide), so its plain COMMIT is the moment at which all is
// decided:
//
//   decider: SELECT ringway.decide(id)   others: PREPARE TRANSACTION   ->   decider: COMMIT   ->   others: COMMIT
//   PREPARED
//
// Members that hold locks and wrote nothing are committed when all that was written is: whoever waits for their locks
// sees it. For the same reason the decider is one without locks that were asked for, where there is one, and who has
// such is committed behind those that have not, last of all who has taken them first.
//
// Who finds a prepared transaction later asks the decider's shard: ringway.outcome(id) gives the decision, and writes a
// refusal when there is none, which makes a later decide() fail.
// https://www.postgresql.org/docs/15/sql-prepare-transaction.html

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringway::proxy {

/// What is to be run on one member's connection.
enum class commit_step : std::uint8_t { none, commit, rollback, decide, prepare, commit_prepared, rollback_prepared };

class two_phase {
  public:
    struct command {
        std::size_t member = 0;
        commit_step step = commit_step::none;
    };
    using commands = std::vector<command>;
    enum class outcome : std::uint8_t {
        pending,
        committed,    ///< on every member, or decided and still to be brought to some that were lost
        rolled_back,  ///< on every member
        unknown       ///< the decider was lost while it decided
    };

    enum class part_of : std::uint8_t {
        reader,
        holder,  ///< of locks that it has taken, and wrote nothing
        writer
    };
    /// By member, in the order of the shards. `locked`: who has taken locks apart from those of its writes, 1 the
    /// first; 0, or missing: has not.
    /// `never_prepared`: who has used temporary tables, and decides if it is a writer.
    explicit two_phase(const std::vector<part_of>& members, const std::vector<std::size_t>& locked = {},
                       std::optional<std::size_t> never_prepared = {});

    commands begin();
    /// Instead of begin(): every member is rolled back.
    commands roll_back() { return abort(); }
    /// The member's last command has ended. A failed one has rolled its transaction back, except for those on prepared
    /// transactions.
    commands answered(std::size_t member, bool ok);
    /// The member's connection is gone; what it was doing may have taken effect.
    commands lost(std::size_t member);

    outcome result() const noexcept { return result_; }
    /// Decided, or it cannot be any more: a client need not wait for what is left.
    bool decided() const noexcept { return decided_; }
    /// Every member's part is over, as far as this connection to it can tell.
    bool finished() const noexcept;
    /// Prepared transactions that may be left behind for recovery.
    bool leaves_prepared() const noexcept { return left_; }
    std::size_t decider() const noexcept { return decider_; }
    bool rolls_back() const noexcept { return aborting_; }
    bool two_phases() const noexcept { return writers_ > 1; }

  private:
    enum class turn : std::uint8_t { at_once, behind, last };  ///< of COMMIT PREPARED
    struct part {
        part_of is = part_of::reader;
        turn goes = turn::at_once;
        bool open = true, prepared = false, gone = false;
        commit_step doing = commit_step::none;
    };
    void give(commands& out, std::size_t member, commit_step step);
    bool waiting() const noexcept;
    commands advance();
    commands let_locks_go();
    commands abort();

    std::vector<part> parts_;
    std::size_t writers_ = 0, decider_ = 0;
    bool aborting_ = false, decided_ = false, left_ = false, deciding_ = false;
    outcome result_ = outcome::pending;
};

/// The name of a prepared transaction: which decision it waits for, and where that is. At most 200 bytes.
std::string prepared_name(std::string_view id, std::string_view decider_shard, std::string_view shard);
struct prepared_parts {
    std::string id, decider_shard;
};
/// False: not one of ours.
bool read_prepared_name(std::string_view name, prepared_parts& out);

/// A transaction's own id: 128 random bits, as hexadecimal digits.
std::string new_transaction_id();

}  // namespace ringway::proxy
