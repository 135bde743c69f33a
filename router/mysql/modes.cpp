#include "router/mysql/modes.hpp"

#include "router/lexical.hpp"

namespace ringway::router {

void set_sql_mode(mysql_modes& modes, std::string_view sql_mode) noexcept {
    modes.ansi_quotes = modes.pipes_as_concat = modes.no_backslash_escapes = false;
    modes.ignore_space = modes.high_not_precedence = modes.oracle = false;
    if (sql_mode.size() > 1 && sql_mode.front() == '\'' && sql_mode.back() == '\'')
        sql_mode = sql_mode.substr(1, sql_mode.size() - 2);
    while (!sql_mode.empty()) {
        const auto comma = sql_mode.find(',');
        const auto one = sql_mode.substr(0, comma);
        sql_mode.remove_prefix(comma == sql_mode.npos ? sql_mode.size() : comma + 1);
        const auto is = [one](std::string_view name) { return lexical::same_word(one, name); };
        const bool combined = is("ansi") || is("db2") || is("maxdb") || is("mssql") || is("oracle") || is("postgresql");
        modes.ansi_quotes |= combined || is("ansi_quotes");
        modes.pipes_as_concat |= combined || is("pipes_as_concat");
        modes.ignore_space |= combined || is("ignore_space");
        modes.no_backslash_escapes |= is("no_backslash_escapes");
        modes.high_not_precedence |= is("high_not_precedence") || is("mysql323") || is("mysql40");
        modes.oracle |= is("oracle") && modes.mariadb;
    }
}

mysql_charset mysql_charset_of(std::string_view name) noexcept {
    const auto is = [name](std::string_view other) { return lexical::same_word(name, other); };
    if (is("gbk")) return mysql_charset::gbk;
    if (is("sjis")) return mysql_charset::sjis;
    if (is("big5")) return mysql_charset::big5;
    if (is("gb18030")) return mysql_charset::gb18030;
    if (is("cp932")) return mysql_charset::cp932;
    return mysql_charset::plain;
}

}  // namespace ringway::router
