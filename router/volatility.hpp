#pragma once
// What calling a function means for who may run a statement.

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "router/catalog.hpp"
#include "router/statement.hpp"

namespace ringway::router {

/// What a call may do, as far as its name tells.
struct call_nature {
    bool needs_primary = false;  ///< writes, or gives another answer on a replica
    bool may_set = false;        ///< the users' own and volatile, or unknown: may change the session
    bool one_place =
        false;  ///< state that must not be split over shards: sequences, advisory locks, NOTIFY, large objects
    bool opaque = false;   ///< may read tables that the text does not name
    bool unknown = false;  ///< not in the catalog
    bool unique = false;   ///< ringway.unique_id: its own value at each call, on whatever shard
    bool varies = false;   ///< volatile, if without effect: another value at each call
    bool quiet = false;    ///< needs the primary for being volatile only: all of it can be read, and has no effect
    bool returns_set = false;
    bool own_aggregate = false;  ///< an aggregate or window function that users have made
};

/// `path`: the schemas an unqualified name is looked up in; empty: any schema.
call_nature nature_of(const catalog* in, const std::vector<std::string>& path, std::string_view schema,
                      const std::string& name);

/// What `ringway init` makes for ids: it touches nothing of the users'.
bool is_unique_id(std::string_view schema, std::string_view name) noexcept;

/// The schemas that have a function of this name.
std::span<const function_place> places_of(const catalog* in, const std::string& name);

/// Built in and volatile, yet without effect, and as true on a replica as on a primary.
bool is_harmless(std::string_view name);

/// Built in, and only a primary can run it, or tell it.
bool is_primarys(std::string_view name);

/// Built in or of the server's extensions, and touches tables that are named in its arguments, or state of one server.
bool reaches_beyond(std::string_view name);

/// Why reading may run something volatile, apart from functions by name: operators, casts. Empty: nothing does.
std::string volatile_use(const catalog* in, const statement& what);

/// Why it may touch tables that it does not name, by operators and casts. Empty: nothing does.
std::string opaque_use(const catalog* in, const statement& what);

/// Whether x.name is a column of all tables that the statement calls x; else it may be a function of x.
bool is_column(const catalog& in, const std::vector<std::string>& path, const query_block& block,
               const column_ref& each);

/// Whether x.name may be a call of a function that touches tables.
bool is_opaque_attribute(const catalog* in, const statement& what, const std::vector<std::string>& path,
                         const column_ref& each);

}  // namespace ringway::router
