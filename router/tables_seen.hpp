#pragma once
// What kinds of tables a statement names, and reads through views: what router/placement decides by.

#include <string>
#include <vector>

#include "router/catalog.hpp"
#include "router/keys.hpp"
#include "router/shared_sequences.hpp"
#include "router/statement.hpp"

namespace ringway::router {

struct tables_seen {
    bool keyed = false, elsewhere = false, system = false, reference = false;
    std::string reference_written;          ///< a reference table that is written
    std::string keyed_view;                 ///< a view over keyed tables
    std::string leads;                      ///< why what is named leads to rows of other shards
    std::string volatile_view;              ///< a view that runs something volatile
    std::string ordered_view;               ///< a view that gives rows by the order in which others stand
    std::string opaque_view;                ///< a view that runs a function which may touch any table
    std::string keyed_name;                 ///< a keyed table
    std::vector<std::uint16_t> references;  ///< reference tables, by index in the map
    bool floats = false;                    ///< one of them has a column of floating point numbers
    std::string unspaced;  ///< a sequence of all shards that a table which is written draws from, not yet so
};

/// Adds what `block`, of the statement `what`, names.
void see_tables(tables_seen& to, const query_block& block, const statement& what, const table_finder& tables,
                const shared_sequences& sequences);

/// Why tables may be read that the statement does not name. Empty: none are.
std::string why_opaque(const tables_seen& seen, const statement& what, const catalog* in,
                       const std::vector<std::string>& path);

/// What a subquery, WITH or FROM may call once for all rows, or takes in the order of one copy: on each shard it would
/// be another. Empty: nothing.
std::string why_not_once(const tables_seen& seen, const statement& what, const catalog* in,
                         const std::vector<std::string>& path);

}  // namespace ringway::router
