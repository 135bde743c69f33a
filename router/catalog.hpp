#pragma once
// What the router knows of the servers' catalogs: an immutable value, read by proxy/control, replaced after DDL.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "router/dialect.hpp"
#include "router/mysql/modes.hpp"

namespace ringway::router {

/// Family of a shard key's type; decides its canonical text, and so which keys are equal.
enum class key_type : std::uint8_t {
    integer,
    numeric,
    text,
    bpchar,
    uuid,
    bytea,
    date,
    timestamp,
    timestamptz,
    boolean,
    unsupported
};

struct catalog_column {
    std::string name;
    std::uint32_t type_oid = 0;
    key_type type = key_type::unsupported;
    std::int32_t type_modifier = -1;  ///< pg_attribute.atttypmod, or the domain's: varchar(3), numeric(5,2)
    bool nondeterministic_collation = false;
    bool has_default = false;
};

struct catalog_relation {
    std::string schema, name;
    char kind = 'r';  ///< pg_class.relkind
    bool temporary = false;
    bool unlogged = false;             ///< pg_class.relpersistence 'u': no replica has its rows
    bool row_security_writes = false;  ///< a policy or rule of it runs something volatile
    bool triggers_set = false;         ///< writing to it may run a trigger that changes settings
    std::string partition_root;        ///< "schema.name" of the partitioned table this is a part of, else empty
    std::vector<catalog_column> columns;
    std::string view_definition;  ///< pg_get_viewdef read with an empty search_path, or information_schema.views, for
                                  ///< views; parsed by make_catalog
    bool view_writes = false;     ///< derived: reads through it may run something volatile
    std::vector<std::string>
        view_tables;  ///< derived: "schema.name" of the tables it reads, transitively; views are resolved
};

/// A function's name in a schema, pg_catalog too: what is not here counts as unknown. Volatile when any overload of it
/// is. Of MySQL stored functions only, their names in lower case: volatile unless SQL_DATA_ACCESS is NO SQL or READS
/// SQL DATA, opaque unless it is NO SQL; loaded functions (mysql.func) are not here.
struct catalog_function {
    std::string schema, name;
    bool is_volatile = false;
    bool opaque = true;  ///< may read tables on its own: not in C and not immutable. Of no interest for pg_catalog
};

/// Immutable after make_catalog. `version` grows with each refresh.
struct catalog {
    std::uint64_t version = 0;
    router::dialect dialect = dialect::postgres;
    mysql_modes modes;  ///< of MySQL: how view definitions read, with the modes of a new session
    std::vector<catalog_function> functions;
    std::unordered_set<std::string>
        volatile_operators;  ///< operator symbols any of whose functions is volatile (not built in)
    std::unordered_set<std::string> volatile_cast_types;  ///< type names a cast to or from which runs a volatile
                                                          ///< function, domains with volatile checks
    std::unordered_map<std::string, catalog_relation> relations;  ///< by "schema.name"
    std::string default_search_path = "\"$user\", public";

    /// Derived by make_catalog: name -> schemas in which it is volatile / known at all.
    std::unordered_map<std::string, std::vector<std::string>> volatile_functions;
    std::unordered_set<std::string> known_functions;   ///< by bare name
    std::unordered_set<std::string> opaque_functions;  ///< by bare name; not built in
};

/// Completes the derived members (parses view definitions, resolves volatility through views, to a fixed point).
catalog make_catalog(catalog raw);

}  // namespace ringway::router
