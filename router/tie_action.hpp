#pragma once
// What a foreign key does when rows it refers to change.

#include <cstdint>

namespace ringway::router {

/// To a column of its own table: ON UPDATE CASCADE; ON UPDATE SET NULL or SET DEFAULT; ON DELETE CASCADE, to the whole
/// row; ON DELETE SET NULL or SET DEFAULT.
enum class tie_action : std::uint8_t { update_cascades, update_sets, delete_cascades, delete_sets };

}  // namespace ringway::router
