#pragma once
// INSERT of rows that belong elsewhere than where they are made: INSERT ... SELECT of what is gathered, counted or
// joined over shards, or VALUES whose key is an expression. The rows are made once, on one server, and then inserted
// where their keys belong (ADR 0014).

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "router/keys.hpp"
#include "router/placement.hpp"
#include "router/plan.hpp"
#include "router/statement.hpp"

namespace ringway::router {

/// The text of an INSERT, cut into its parts. `head` and `tail` point into it.
struct insert_texts {
    std::string source;        ///< the query whose rows are inserted, a statement by itself: with the INSERT's WITH
    std::string_view head;     ///< INSERT INTO table (columns) OVERRIDING ..., up to the source
    std::string_view tail;     ///< ON CONFLICT ..., RETURNING ...; may be empty
    bool overrides = false;    ///< OVERRIDING ... VALUE
    bool user_values = false;  ///< ... USER
    std::optional<std::size_t> list_end;  ///< in `head`, the parenthesis that closes the list of columns; none: no list
};
/// The text holds one statement. Nothing: it is no INSERT with rows, or has WITH before INSERT and before its query.
std::optional<insert_texts> cut_insert(std::string_view text, std::span<const literal> literals);

/// What is known of such an INSERT before its values.
struct carry_recipe {
    enum class to : std::uint8_t {
        owners,  ///< each row to the shard of its key
        all,     ///< a reference table: every row to every shard
        first    ///< a table that is not in the map
    };
    struct key_column {
        std::string name;
        key_type type = key_type::unsupported;
        std::uint32_t type_oid = 0;
        std::int32_t type_modifier = -1;
    };
    std::shared_ptr<const plan> source;  ///< of insert_texts::source; its literals are those of that text
    to where = to::owners;
    std::uint16_t table = 0;           ///< index in shard_map::tables
    std::string name, relation;        ///< of the target, the latter with its schema, in quotes
    std::vector<std::string> columns;  ///< that the rows give; empty: the table's first ones
    std::vector<key_column> key;
    std::vector<std::string> drawn;      ///< columns that the rows do not give, and whose defaults are computed where
                                         ///< the rows are: those of the key; to::all: each that has one
    std::vector<std::string> defaulted;  ///< columns for which a row says DEFAULT
    bool copies = false;                 ///< a COPY of the rows does the same as the INSERT
    bool at_once = false;                ///< all rows of a shard must be one statement's: by several it could be told
};

/// Null: it cannot be done, `why_not` tells why. The statement is an INSERT that no shard can run by itself, whose
/// target has no rules and triggers that reach beyond it.
std::shared_ptr<const carry_recipe> find_carry(const statement& what, const placement_rules& rules,
                                               const table_finder& tables, std::string& why_not);

}  // namespace ringway::router
