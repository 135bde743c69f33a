#pragma once
// The ring that a cluster's statements follow, as a file below state_dir.

#include <optional>
#include <string>
#include <string_view>

#include "config/settings.hpp"
#include "router/ring_state.hpp"

namespace ringway::proxy::rebalance {

std::string text_of(const router::ring_state& ring);
/// nullopt: not such a text.
std::optional<router::ring_state> read_ring(std::string_view text);

/// The ring a cluster starts, or goes on after a reload, with: what the file has; the configured one where there is no
/// file, which is then written. `why`: it must not be served like that, or (with a value) the file cannot be written.
struct ring_found {
    std::optional<router::ring_state> ring;
    std::string why, hint;
};
ring_found find_ring(const std::string& state_dir, const config::cluster& configured);

std::optional<std::string> save_ring(const std::string& state_dir, const std::string& cluster,
                                     const router::ring_state& ring);

}  // namespace ringway::proxy::rebalance
