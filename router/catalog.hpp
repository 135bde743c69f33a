#pragma once
// What the router knows of the servers' catalogs: an immutable value, read by proxy/control, replaced after DDL.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "router/body_text.hpp"
#include "router/dialect.hpp"
#include "router/mysql/modes.hpp"
#include "router/tie_action.hpp"

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

/// Of MySQL's columns: what else decides which values are equal, and what becomes of one that is stored.
struct mysql_column {
    bool folds_case = false;      ///< of texts: the collation ignores the case of ASCII letters, and more of others
    bool ascii_only = false;      ///< of texts: what has other characters cannot be placed
    bool is_unsigned = false;     ///< of numbers
    bool counts_up = false;       ///< AUTO_INCREMENT: 0 becomes the next number
    bool padded = false;          ///< BINARY(n): filled up with zeros
    std::uint8_t digits = 0;      ///< of an integer its bytes, of a decimal its precision
    std::uint8_t scale = 0;       ///< of a decimal, or of a time's fraction of a second; of a text the bytes of its
                                  ///< longest character
    std::uint16_t collation = 0;  ///< equal for equal collations only
    std::uint32_t length = 0;     ///< of a text in characters, of binary in bytes; 0: not known
    friend bool operator==(const mysql_column&, const mysql_column&) = default;
};

struct catalog_column {
    std::string name;
    std::uint32_t type_oid = 0;
    key_type type = key_type::unsupported;
    std::int32_t type_modifier = -1;  ///< pg_attribute.atttypmod, or the domain's: varchar(3), numeric(5,2)
    bool nondeterministic_collation = false;
    bool own_collation = false;  ///< another than the database's
    bool has_default = false;
    bool generated = false;  ///< GENERATED ALWAYS AS (...) STORED: changes with other columns
    mysql_column mysql{};
};

/// A function that runs when a table is written or read without the statement saying so.
struct attached_function {
    std::string schema, name;
    bool rewrites = false;  ///< as a BEFORE trigger for each row: it may change the row
};

/// A foreign key; `target` is "schema.name", `columns` are pairs of (own, the target's).
struct foreign_key {
    std::string target;
    std::vector<std::pair<std::string, std::string>> columns;
    std::vector<std::pair<std::string, tie_action>> actions{};  ///< those that write, by the own column
};

struct catalog_relation {
    std::string schema, name;
    char kind = 'r';  ///< pg_class.relkind
    bool temporary = false;
    bool unlogged = false;             ///< pg_class.relpersistence 'u': no replica has its rows
    bool row_security = false;         ///< pg_class.relrowsecurity
    bool row_security_writes = false;  ///< a policy or rule of it runs something volatile
    bool triggers_set = false;         ///< writing to it may run a trigger that changes settings
    bool spaced = false;               ///< of a sequence: `ringway init` lets it count on all shards
    std::vector<std::string> draws;    ///< "schema.name" of the sequences that its columns' defaults draw from
    bool asks_sequence = false;        ///< a default or a check of it calls currval or lastval
    std::vector<std::string> parents;  ///< "schema.name" it inherits from or is a part of, directly
    std::vector<catalog_column> columns;
    std::vector<foreign_key> foreign_keys;
    std::vector<std::vector<std::string>> unique_keys;  ///< columns of its primary key and unique constraints
    bool has_rules = false;                             ///< rules ON INSERT, UPDATE or DELETE
    std::vector<attached_function> write_functions;     ///< of triggers, defaults, checks, domains, indexes
    std::vector<attached_function> policy_functions;
    std::vector<std::string> policy_tables;  ///< "schema.name" its row policies read, itself not
    std::string view_definition;  ///< pg_get_viewdef read with an empty search_path, or information_schema.views;
                                  ///< parsed by make_catalog
    std::string view_pin;         ///< derived: why a session that reads through it is pinned, if it is
    bool view_writes = false;     ///< derived: reads through it may run something volatile
    bool view_opaque = false;     ///< derived: reads through it may touch tables that are not in view_tables
    bool view_ordered = false;    ///< derived: what it gives may depend on the order in which rows stand
    std::vector<std::string>
        view_tables;  ///< derived: "schema.name" of the tables it reads, transitively; views are resolved
    std::vector<std::string> ancestors, heirs;  ///< derived: all above it and all below it, "schema.name"
    std::vector<std::string> referenced_by;     ///< derived: "schema.name" of those with a foreign key to it
    std::string write_reach;  ///< derived: why a write of it may touch other tables: "trigger function f", or empty
    std::string read_reach;   ///< derived: why a read of it may: a row policy's function
    std::vector<std::string> rewritten;  ///< derived: columns that a trigger may change in a row to be stored; "*": any
};

/// A user's operator.
struct catalog_operator {
    std::string symbol, function_schema, function;
};

/// A user's function that a cast or a domain's check runs, and how the types' names may be written.
struct catalog_cast {
    std::vector<std::string> types;
    std::string function_schema, function;
};

/// A user's operator = that values of this type may meet.
struct own_equality {
    std::string schema;
    key_type type = key_type::unsupported;
};

/// A function in a schema, pg_catalog too: what is not here counts as unknown. Overloads may share an entry.
/// A function's name in a schema, pg_catalog too: what is not here counts as unknown. Volatile when any overload of it
/// is. Of MySQL stored functions only, their names in lower case: volatile unless SQL_DATA_ACCESS is NO SQL or READS
/// SQL DATA, opaque unless it is NO SQL; loaded functions (mysql.func) are not here.
struct catalog_function {
    enum class source : std::uint8_t { none, sql, plpgsql };
    std::string schema, name;
    bool is_volatile = false;
    bool opaque =
        true;  ///< may touch tables on its own: neither built in nor in C. With a body, make_catalog finds out
    source language = source::none;
    std::string body{};      ///< prosrc, or what pg_get_function_sqlbody says
    bool aggregate = false;  ///< or a window function
    std::string calls{};     ///< text with the names of others it calls: arguments' defaults, an aggregate's parts
    bool returns_set = false;
};

/// What a function's name means in one schema: of all its overloads there.
struct function_place {
    std::string schema;
    bool is_volatile = false, opaque = false, aggregate = false, returns_set = false;
    bool acts = false;  ///< volatile, and may have an effect, or another answer on a replica
};

/// Immutable after make_catalog. `version` grows with each refresh.
struct catalog {
    std::uint64_t version = 0;
    router::dialect dialect = dialect::postgres;
    mysql_modes modes;  ///< of MySQL: how view definitions read, with the modes of a new session
    std::vector<catalog_function> functions;
    std::vector<function_body> bodies;  ///< of the users' functions that are written in something to be read
    std::unordered_set<std::string>
        volatile_operators;  ///< operator symbols any of whose functions is volatile (not built in)
    std::unordered_set<std::string> volatile_cast_types;  ///< type names a cast to or from which runs a volatile
                                                          ///< function, domains with volatile checks
    std::unordered_map<std::string, catalog_relation> relations;  ///< by "schema.name"
    std::vector<catalog_operator> operators;                      ///< the users' own
    std::vector<catalog_cast> casts;                              ///< the users' own
    std::vector<own_equality> own_equalities;
    bool own_conversions = false;  ///< users have an operator = or an implicit cast: other types may be compared
    bool byte_order_text = false;  ///< the database's collation compares bytes: C, POSIX, C.UTF-8
    std::string default_search_path = "\"$user\", public";

    /// Derived by make_catalog: the schemas that have a function of this name.
    std::unordered_map<std::string, std::vector<function_place>> function_places;
    std::unordered_set<std::string> opaque_operators;   ///< symbols
    std::unordered_set<std::string> opaque_cast_types;  ///< names of types
    body_closure effects;                               ///< what calls of the users' functions do to the session
};

/// Completes the derived members (parses view definitions, resolves volatility through views, to a fixed point).
catalog make_catalog(catalog raw);

}  // namespace ringway::router
