#pragma once
// A SELECT whose rows lie on several shards, run whole on one server: what of which tables must be brought there.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "router/catalog.hpp"
#include "router/keys.hpp"
#include "router/plan.hpp"
#include "router/statement.hpp"

namespace ringway::router {

/// column = value, or one of the values, or another comparison: no other row of the table matters to the statement.
struct gather_test {
    std::string column;
    std::uint32_t type_oid = 0;  ///< of the column
    std::vector<value_source> values;
    std::optional<comparison::kind> how{};  ///< none: equal to a value
};

/// A keyed table of the statement. On the server that runs it a temporary table of the same name stands in its place.
struct gathered_table {
    std::string schema, name;
    bool all = false;                  ///< all columns, as they are on the servers, whatever the catalogs say
    std::vector<std::string> columns;  ///< those that the statement may name; may be none
    std::vector<std::uint32_t> types;  ///< of the columns
    std::vector<gather_test> tests;
    std::vector<std::vector<std::string>>
        probed;                             ///< columns by which a subquery looks rows up, once for each of another's
    std::string key = {};                   ///< its shard key's column when it is on the ring; else empty
    key_type type = key_type::unsupported;  ///< of that
    std::string objects = {};               ///< why its rows cannot be gathered: why_object_column; else empty
};

/// A view over keyed tables: a temporary one of the same name reads what stands in for them.
struct gathered_view {
    std::string schema, name;
    std::string definition;  ///< names of what stands in are in pg_temp
};

struct gather_recipe {
    std::vector<gathered_table> tables;
    std::vector<gathered_view> views;  ///< in the order in which they can be made
    bool qualified = false;            ///< the statement names some of them with their schema: see without_schemas
    bool keys = false;                 ///< GROUP BY a primary key may leave other columns free: the tables keep theirs
    std::uint16_t seat = 0;            ///< the shard whose primary runs it: tables that are not in the map are there
};

/// Why a column of it cannot be brought to another server (router/object_types.hpp); empty: all can.
const std::string& why_not_brought(const gather_recipe& all);

/// Why what a SELECT gives could tell of the server that runs it: its places of rows, its objects; empty: it does not.
std::string why_of_one_server(const statement& what, const std::vector<std::string>& path);

/// Null, with a reason, when the statement's answer could depend on more than its tables' rows.
std::optional<gather_recipe> find_gather(const statement& what, const table_finder& tables,
                                         const std::vector<std::string>& path, std::string& why_not);

/// A name as SQL writes it, in quotes.
std::string quoted_name(std::string_view name);

/// A name with its schema, or a column with its table: where the first and the dot stand.
struct qualified_use {
    std::string schema, name;
    span32 qualifier;
    bool other = false;  ///< a function or a type
};
std::vector<qualified_use> qualified_names(std::string_view text, std::span<const literal> literals);

/// The text with blanks in place of the schemas before what stands in: names then mean the temporary ones, and places
/// in the text stay what they are.
std::string without_schemas(std::string_view text, std::span<const literal> literals, const gather_recipe& all);
/// DECLARE of a cursor over such a read: what stands in cannot stay, for it hides what it stands in for. The query's
/// rows are put into a table of their own, over which the cursor is made. Both empty: its text is not understood.
struct cursor_texts {
    std::string fill, declare;
};
cursor_texts cursor_over(std::string_view text, std::span<const literal> literals, std::string_view table);

/// Whether it still reads the right columns after DDL that the catalogs do not tell of yet.
bool outlives_ddl(const gather_recipe& all);

/// Statements that make the temporary tables on the seat, with its own rows: they go with the transaction.
std::string stand_ins(const gather_recipe& all, const std::vector<std::string>& filters);
/// ... that make them ready to be read when all rows are there; may be empty, else ends in a semicolon and a blank.
std::string prepare_stand_ins(const gather_recipe& all);
/// ... and that drop them.
std::string drop_stand_ins(const gather_recipe& all);
/// COPY of another shard's rows out of it, and into the seat's temporary table. Both binary.
std::string copy_out(const gathered_table& table, const std::string& filter);
std::string copy_in(const gathered_table& table);

/// What is taken of a shard: `filters`, by table, and of rows on the move only those that the shard owns.
std::vector<std::string> own_filters(const gather_recipe& all, const std::vector<std::string>& filters,
                                     const shard_map& map, std::uint16_t shard);

/// The tests whose values can be written into another statement, as " WHERE ..."; empty: none can. `hides_ascii`: in
/// the client's encoding what looks like a backslash may be half of a character (text_encoding::hidden).
std::string filter_of(const gathered_table& table, const values& with, bool hides_ascii = false);
/// ... with a check that its columns are what the catalogs told of (router/columns_guard.hpp).
std::string guarded_filter_of(const gathered_table& table, const values& with, bool hides_ascii = false);

}  // namespace ringway::router
