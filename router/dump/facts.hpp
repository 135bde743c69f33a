#pragma once
// What a statement of a dump makes, as far as it matters for where rows can stand: read from the parser's tree, without
// a server.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringway::router::dump {

/// What a loader does with a statement.
enum class deed : std::uint8_t {
    defines,  ///< DDL and the like
    sets,     ///< a setting of the session: SET, set_config
    fills,    ///< INSERT, COPY, and whatever else changes rows
    counts,   ///< setval
    refused   ///< cannot be loaded: `why` and `hint`
};

/// A relation that is made.
struct new_relation {
    std::string name;  ///< "schema.name"
    char kind = 'r';   ///< as pg_class.relkind: 'f' foreign tables, 'm' materialized views
    std::vector<std::string> columns;
    std::vector<std::string> reads;  ///< of a materialized view: the tables and views in its query
};

/// "child is a part of parent", or inherits from it.
struct descent {
    std::string child, parent;
};

/// A primary key, a unique constraint or index, an exclusion.
struct sole {
    std::string table, name;
    std::string_view what;             ///< "primary key", ...
    std::vector<std::string> columns;  ///< that must be equal for two rows to collide; expressions are left out
};

struct reference {
    std::string table, name, target;
    std::vector<std::string> columns, target_columns;  ///< the target's may be missing: its primary key
};

struct facts {
    deed what = deed::defines;
    std::string why, hint;
    bool unread = false;  ///< refused because the parser does not know it
    std::optional<new_relation> made;
    std::vector<descent> descents;
    std::vector<sole> soles;
    std::vector<reference> references;
    std::string filled;              ///< by INSERT or COPY: the table
    bool rows_follow = false;        ///< COPY ... FROM STDIN
    std::optional<bool> conforming;  ///< SET standard_conforming_strings
};

/// `text`: one statement. Names without a schema count as those of public.
facts facts_of_statement(std::string_view text, bool standard_conforming_strings);

}  // namespace ringway::router::dump
