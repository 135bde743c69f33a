#pragma once
// An INSERT whose rows belong to several shards, as one INSERT a shard.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/plan.hpp"

namespace ringway::router {

/// One shard's part of an INSERT: the client's own text with the rows of this shard, its parameters counted anew.
struct insert_part {
    std::uint16_t shard = 0;
    std::string text;
    std::vector<std::uint16_t> parameters;  ///< the client's, 0-based, in the order in which the part counts them
};

struct parted_insert {
    std::vector<insert_part> parts;    ///< in the order of the shards
    std::vector<std::uint16_t> order;  ///< by row of the input: its part
};

/// Of a plan with spreading::rows. Null: the rows are not found in the text; `why_not` tells why.
std::optional<parted_insert> part_insert(const plan& what, const values& with, const shard_map& map,
                                         std::string* why_not = nullptr);

/// Of a plan with spreading::apart or merged, for one shard: where others' rows may stand there, its text on its own
/// rows only, in `text`; else `text` stays empty, for the statement's own. False: it cannot be done.
bool keep_to_own_rows(const plan& what, const values& with, const shard_map& map, std::uint16_t shard,
                      std::string& text);

/// A COPY of a table to the client, as it was written, of a query's rows instead. Empty: it is not understood.
std::string copy_of_query(std::string_view sql, std::string_view query, bool standard_conforming_strings = true);

}  // namespace ringway::router
