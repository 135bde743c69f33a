#pragma once
// What a rebalance asks of a cluster's servers: one implementation an engine (postgres/). A call blocks until it is
// done, has failed, or stop() ends it.

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "proxy/rebalance/coordinator.hpp"
#include "proxy/rebalance/journal.hpp"

namespace ringway::proxy::rebalance {

struct result {
    outcome how = outcome::ok;
    std::string why;
    bool ok() const noexcept { return how == outcome::ok; }
};

/// Of one move, for SHOW REBALANCE.
struct move_figures {
    std::string source, target;
    std::uint64_t arcs = 0;
    double share = 0;                   ///< of the ring
    std::uint64_t rows = 0, bytes = 0;  ///< estimated, in all
    std::uint64_t rows_copied = 0, bytes_copied = 0;
    std::uint64_t changes = 0;    ///< that followed
    std::uint64_t lag_bytes = 0;  ///< of the source's WAL, not looked at yet
    std::uint64_t rows_cleaned = 0;
};

/// What would be moved, a table a row.
struct planned_table {
    std::string source, target, table;
    std::uint64_t arcs = 0;
    std::uint64_t rows = 0, bytes = 0;  ///< estimated
};

class engine {
  public:
    using steady_time = std::chrono::steady_clock::time_point;
    /// Writes the journal, notes and all, before what they speak of is done; false: it cannot be written.
    using save_notes = std::function<bool()>;

    virtual ~engine() = default;
    /// Why it must not begin; empty: it may. Changes nothing. `tables`: what would be moved.
    virtual result check(std::vector<std::string>& refusals, std::vector<planned_table>& tables) = 0;
    /// Makes what reads and writes need on the shards that serve while rows stand on two of them. It stays.
    virtual result equip() = 0;
    virtual result discard() = 0;
    virtual result prepare() = 0;
    virtual result copy() = 0;
    virtual result catch_up() = 0;
    virtual result verify() = 0;
    /// Back: from now on rows go from the targets to the sources, where catch_up() ... clean() are concerned.
    virtual void turn(bool back) = 0;
    /// What the way back needs is made on the targets, before anything of it is.
    virtual result arm() = 0;
    /// While the fence is up: what is changed on the targets from now on is to go back.
    virtual result mark() = 0;
    /// Lets changes go back; ends when that is not possible any more (`restart`), has failed, or at `until`.
    virtual result hold(std::chrono::system_clock::time_point until) = 0;
    /// Of the servers, while the fence is up and no session is inside: nobody but `pids` works there, nothing is in
    /// doubt. `again`: not yet. Neither this nor what else is done under the fence waits for servers after `until`.
    virtual result quiet(const std::vector<std::uint32_t>& pids, steady_time until) = 0;
    virtual result last_catch_up(steady_time until) = 0;
    virtual result carry_sequences() = 0;
    /// Of the way back too, unless `keeps_undo`.
    virtual result release(bool keeps_undo) = 0;
    virtual result clean() = 0;
    virtual std::vector<move_figures> figures() = 0;
    virtual void stop() = 0;   ///< any thread: what is under way ends
    virtual void go_on() = 0;  ///< after a stop
};

}  // namespace ringway::proxy::rebalance
