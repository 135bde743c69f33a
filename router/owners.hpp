#pragma once
// The shards that a read over several of them has to ask.

#include <cstdint>
#include <vector>

#include "router/plan.hpp"

namespace ringway::router {

/// In their order: those that own the keys of a statement whose keys are of several shards, for no other row matters to
/// it; all, where its keys do not tell. Never empty.
std::vector<std::uint16_t> owners_of(const plan& what, const values& with, const shard_map& map);

/// Whether a write of spreading::apart changes no rows but those of its keys, and so runs on these shards only: an
/// UPDATE or DELETE.
bool keeps_to_owners(const plan& what);

}  // namespace ringway::router
