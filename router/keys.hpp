#pragma once
// Ties every table of a statement to shard keys: through tests and equalities that hold for all rows that matter.

#include <string>
#include <vector>

#include "router/catalog.hpp"
#include "router/plan.hpp"
#include "router/statement.hpp"

namespace ringway::router {

/// What a table name means on a sharded cluster.
enum class table_class : std::uint8_t {
    keyed,      ///< in the map with a key
    reference,  ///< in the map, a copy on every shard
    elsewhere,  ///< not in the map: on the first shard
    system,     ///< pg_catalog, information_schema: much the same everywhere
    temporary,  ///< in pg_temp: wherever the session is
};

/// A table name resolved through the search path, the catalog and the map.
struct table_meaning {
    table_class what = table_class::elsewhere;
    const catalog_relation* relation = nullptr;  ///< null: not in the catalog
    std::uint16_t map_index = 0;                 ///< for keyed and reference
};

/// Looks names up. Points into what it is made from.
class table_finder {
  public:
    table_finder(const shard_map& map, const catalog* in, const std::vector<std::string>& path)
        : map_(map), in_(in), path_(path) {}
    table_meaning find(const table_ref& table) const;
    /// Of a relation by "schema.name", as in catalog_relation::view_tables.
    table_meaning find_qualified(std::string_view name) const;
    /// Of a table that would have this name and inherit from none.
    table_meaning of_name(std::string_view schema, std::string_view name) const {
        return classify(nullptr, schema, name);
    }
    /// Whether a name may be a schema that is itself a key, or a table of one.
    bool is_by_schema(const std::string& name) const;
    /// Whether a user's operator = may be meant where a key of this type is compared.
    bool has_own_equality(key_type type) const;
    /// Whether users have made an operator of this name, for whatever types.
    bool has_own_operator(std::string_view symbol) const;
    /// Whether the users' operators or casts may compare values of other types with a key.
    bool has_own_conversions() const { return in_ && in_->own_conversions; }
    /// Whether one UPDATE may write several tables: MySQL's.
    bool writes_several() const { return in_ && in_->dialect == dialect::mysql; }
    const shard_map& map() const noexcept { return map_; }

  private:
    table_meaning classify(const catalog_relation* relation, std::string_view schema, std::string_view name) const;
    const shard_map& map_;
    const catalog* in_;
    const std::vector<std::string>& path_;
};

/// A keyed table that nothing ties to a key.
struct untied_table {
    std::uint16_t map_index = 0;
    bool written = false;
    bool inserted = false;  ///< the target of an INSERT whose rows do not tell the key
    bool missing = false;   ///< because they do not have it
    std::string why;        ///< a complete sentence's worth, lower case
};

/// The keys of all keyed tables of a statement.
struct key_finding {
    std::vector<key_recipe> keys;
    std::vector<untied_table> untied;
    std::string key_change;  ///< an assignment to a key that cannot be checked; empty: none
    bool exact = true;       ///< false: parts of the statement are not understood
};
key_finding find_keys(const query_block& block, const table_finder& tables);

}  // namespace ringway::router
