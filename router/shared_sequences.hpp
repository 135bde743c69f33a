#pragma once
// Sequences that count on all shards (shard_map::sequences), in a statement.

#include <optional>
#include <string>
#include <vector>

#include "config/fault.hpp"
#include "router/catalog.hpp"
#include "router/plan.hpp"
#include "router/statement.hpp"

namespace ringway::router {

/// Points into what it is made from.
class shared_sequences {
  public:
    shared_sequences(const shard_map& map, const catalog* in, const std::vector<std::string>& path)
        : map_(map), in_(in), path_(path) {}

    /// Whether each sequence that its text draws from, at least one, gives any shard values of its own.
    bool draws_anywhere(const statement& what) const;
    /// A sequence of the configuration's that a write of the table draws from, and that `ringway init` has not seen to;
    /// empty: none.
    std::string unspaced_of(const catalog_relation& table) const;
    /// What would have a sequence give a value twice.
    std::optional<config::fault> refusal(const statement& what) const;

  private:
    bool is_shared(const catalog_relation& sequence) const;
    const catalog_relation* find(const table_ref& named) const;
    bool is_set(const sequence_use& use) const;

    const shard_map& map_;
    const catalog* in_;
    const std::vector<std::string>& path_;
};

}  // namespace ringway::router
