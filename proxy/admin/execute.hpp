#pragma once
// Command + inventory -> table or fault.

#include <vector>

#include "proxy/admin/command.hpp"
#include "proxy/admin/view.hpp"
#include "proxy/control/inventory.hpp"

namespace ringway::proxy::admin {

/// Columns of what a command gives, known without running it; empty: it gives no rows.
std::vector<column> columns_of(const command& what);

/// The tag of a command that is no SHOW: "PAUSE", "RELOAD", ...
std::string_view tag_of(const command& what) noexcept;

/// Runs commands. Thread-safe; a call may take some milliseconds, so it belongs on a control thread.
class executor {
  public:
    /// `tells_keys`: keys of applications' rows are for who has logged in as an operator only.
    explicit executor(inventory& of, wall_time started = std::chrono::system_clock::now(), bool tells_keys = true)
        : of_(of), started_(started), tells_keys_(tells_keys) {}
    /// Every argument must be a text: parameters have been put in.
    result run(const command& what) const { return run(what, instant::now()); }
    result run(const command& what, instant now) const;
    /// A PAUSE that run() has begun is done only when the open transactions have ended: false until then. `became` is
    /// what the operator is told in the end. Of all other commands: true.
    bool done(const command& what, std::chrono::steady_clock::time_point since, result& became) const;

  private:
    std::optional<config::fault> act(const command& what) const;
    std::optional<config::fault> known_cluster(const command& what) const;
    std::optional<config::fault> kill(const command& what) const;
    std::optional<config::fault> known_node(const std::string& node) const;

    inventory& of_;
    wall_time started_;
    bool tells_keys_;
};

}  // namespace ringway::proxy::admin
