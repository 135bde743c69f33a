#pragma once
// The tables whose rows a rebalance moves or copies, and the statements that do so.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.hpp"
#include "proxy/rebalance/postgres/link.hpp"
#include "router/arcs.hpp"
#include "router/catalog.hpp"

namespace ringway::proxy::rebalance::postgres {

struct moved_table {
    std::string schema, name;
    bool reference = false;  ///< copied whole to shards that join
    std::string key;         ///< column; of a reference table empty
    router::key_type type = router::key_type::unsupported;
    bool unread = false;               ///< it has been made since the cluster's catalogs were read: `type` is not known
    std::vector<std::string> columns;  ///< that can be given: no generated ones
    std::vector<std::string> identity;  ///< columns of the primary key; empty: there is none
    std::uint64_t rows = 0, bytes = 0;  ///< of the source, estimated

    std::string qualified() const;  ///< "schema"."name"
    std::string plain() const { return schema + "." + name; }
    std::string key_text() const;
    /// Which rows are meant: of a reference table all.
    std::string condition(const router::arc_set& arcs) const;
    std::string column_list() const;

    std::string copy_out(const router::arc_set& arcs) const;
    std::string copy_in() const;
    /// Parameters: every column, as text.
    std::string insert_row() const;
    /// Parameters: the columns of the primary key; without one every column.
    std::string delete_row() const;
    /// Of a table with a shard key and without a primary key. Parameters, each an array: every column as text, how many
    /// of such rows, the keys.
    std::string delete_rows() const;
    bool is_bag() const { return identity.empty() && !reference; }  ///< nothing tells its rows apart
    std::string delete_all(const router::arc_set& arcs) const;
    /// One row: how many rows, and a sum over what they hold.
    std::string checksum(const router::arc_set& arcs) const;
};

/// The map's tables as they are on a server. `refusals`: why some cannot be moved.
std::optional<trouble> read_tables(link& on, const config::cluster& cluster, const router::catalog& catalog,
                                   std::vector<moved_table>& to, std::vector<std::string>& refusals);

/// What to wait for before the tables can be moved; empty: nothing.
std::string unread_among(const std::vector<moved_table>& tables);

/// Changes when one of the tables does.
std::optional<trouble> shape_of(link& on, const std::vector<moved_table>& tables, std::string& to);

/// The same, a table each: by schema.name, with the key it has in the map.
std::optional<trouble> shapes_of(link& on, const std::vector<moved_table>& tables,
                                 std::map<std::string, std::string>& to);

/// One of the map's tables that is there now and not among those known; empty: there is none.
std::optional<trouble> find_new_table(link& on, const config::cluster& cluster, const std::vector<moved_table>& known,
                                      std::string& to);

std::string quoted(std::string_view name);

}  // namespace ringway::proxy::rebalance::postgres
