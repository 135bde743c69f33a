#pragma once
// A scattered SELECT while rows stand on two shards: a shard's text, on the rows that it owns only.

#include <optional>
#include <string>

#include "router/plan.hpp"
#include "router/scatter.hpp"

namespace ringway::router {

/// `text`, one that scatter_texts_of() has made, with each of its tables on the ring in FROM as a subquery without the
/// rows that `shard` does not own. Empty: all rows there are its own. Nothing: it cannot be done.
std::optional<std::string> own_rows_text(const plan& what, const scatter_text& text, const shard_map& map,
                                         std::uint16_t shard, bool standard_conforming_strings);

}  // namespace ringway::router
