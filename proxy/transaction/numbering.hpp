#pragma once
// What makes ids unique over shards: each shard has a node number of its own, leased from the first shard, and on each
// a function and sequences that give no value which another shard gives. Made by `ringway init` (ADR 0013).

#include <string_view>

namespace ringway::proxy {

/// Shards that can ever have had a number: the step of global sequences too.
inline constexpr int most_nodes = 128;

/// Of pg_class c and pg_namespace n: whether it is a sequence that one of $1, an array of names, means.
inline constexpr std::string_view is_named_sequence =
    "c.relkind = 'S' AND n.oid = c.relnamespace AND (c.relname = ANY ($1::text[]) OR concat(n.nspname, '.', c.relname) "
    "= "
    "ANY ($1::text[]))";
/// Of pg_sequence: whether it counts on all shards already.
inline constexpr std::string_view is_spaced_sequence =
    "seqincrement = 128 AND seqstart = (SELECT number + 1 FROM ringway.node) AND EXISTS (SELECT FROM ringway.sequences "
    "WHERE id = seqrelid)";

/// Idempotent; behind decision_objects(), whose schema it needs. ringway.unique_id(), and for `ringway init` only:
/// ringway.lease_node(), ringway.take_node(), ringway.space_sequence().
std::string_view numbering_objects() noexcept;

}  // namespace ringway::proxy
