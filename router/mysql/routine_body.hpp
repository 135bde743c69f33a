#pragma once
// What a stored function's or a trigger's body may leave behind in the session that runs it.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "router/mysql/modes.hpp"

namespace ringway::router::mysql {

/// A user variable is set by a SELECT INTO too, of which servers with session tracking do not tell either.
bool names_user_variable(std::string_view body, const mysql_modes& modes);
/// Whether it names what no server tells of, tracking or not: a user variable, a lock, a temporary table that a
/// function makes, a sequence's next value.
bool leaves_untold(std::string_view body, const mysql_modes& modes);
/// Its words and names in lower case, and whether it changes rows. nullopt: it cannot be read.
struct body_words {
    std::vector<std::string> names;
    bool writes = false;
};
std::optional<body_words> words_of(std::string_view body, const mysql_modes& modes);
/// Whether it asks for LAST_INSERT_ID(), by its words.
bool asks_insert_id(std::string_view body, const mysql_modes& modes);
/// Whether it sets a variable that is none of its own, by its own words. `parameters`: of the routine, in lower case.
bool sets_variables(std::string_view body, const mysql_modes& modes, std::span<const std::string> parameters);
/// Whether it certainly sets no variable of the session, makes no temporary table and takes no lock, by its words
/// alone: for servers that do not tell of changes. A body that calls other routines may.
bool leaves_nothing(std::string_view body, const mysql_modes& modes, std::span<const std::string> parameters = {});
/// Whether it may write, lock rows or ask what only the primary knows, by its words, whatever it is declared as.
/// `calls`: names of the stored functions that it calls, which may do so too.
bool needs_primary(std::string_view body, const mysql_modes& modes, std::vector<std::string>& calls);

}  // namespace ringway::router::mysql
