#pragma once
// A rebalance as it is written down: what it goes from and to, how far it is, and what it has made on the servers.

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.hpp"
#include "proxy/rebalance/coordinator.hpp"
#include "router/arcs.hpp"
#include "router/ring_state.hpp"

namespace ringway::proxy::rebalance {

struct journal {
    std::string id;  ///< 8 hexadecimal digits: part of the names of what it makes on servers
    phase at = phase::preparing;
    router::ring_state from, to;
    std::chrono::milliseconds undo{0};  ///< how long it is to be undoable; 0: not at all
    std::int64_t undo_until = 0;        ///< milliseconds since 1970; 0: not undoable yet
    /// What the engine must know to take back what it has made: "identity s0 public.orders" -> "d", ...
    std::map<std::string, std::string> notes;
    friend bool operator==(const journal&, const journal&) = default;
};

std::string text_of(const journal& what);
std::optional<journal> read_journal(std::string_view text);
/// nullopt without `why`: there is none.
std::optional<journal> load_journal(const std::string& state_dir, const std::string& cluster, std::string& why);
std::optional<std::string> save_journal(const std::string& state_dir, const std::string& cluster, const journal& what);
std::optional<std::string> remove_journal(const std::string& state_dir, const std::string& cluster);

/// Where the active ring stands in it.
ring_is ring_in(const journal& what, const router::ring_state& active);
/// The ring of an undo: the old one, a cutover later.
router::ring_state taken_back(const journal& what);

/// The shards' moves, with numbers as the configuration has them.
std::vector<router::shard_move> moves_of(const journal& what, const config::cluster& configured);

/// Which rows may stand on two shards while it is under way. `switched`: the new ring is the active one.
std::shared_ptr<const router::ring_change> change_of(const journal& what, const config::cluster& configured,
                                                     bool switched);

/// The shards' names in `to` that have not joined in `from`: they get schema and reference tables.
std::vector<std::string> joining(const journal& what);

}  // namespace ringway::proxy::rebalance
