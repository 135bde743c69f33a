#pragma once
// What the meaning of a MySQL or MariaDB text depends on besides its bytes.

#include <cstdint>
#include <string_view>

namespace ringway::router {

/// Character sets whose characters may end in a byte below 0x80: a backslash, a back quote or a letter that is none.
enum class mysql_charset : std::uint8_t { plain, gbk, sjis, big5, gb18030, cp932 };

/// Of the session and its server, as the server's lexer and grammar use them.
struct mysql_modes {
    bool ansi_quotes = false;           ///< "x" is a name
    bool pipes_as_concat = false;       ///< || joins strings
    bool no_backslash_escapes = false;  ///< a backslash in a string is itself
    bool ignore_space = false;          ///< built-in functions may have blanks before their parenthesis
    bool high_not_precedence = false;   ///< NOT binds like !
    bool oracle = false;                ///< MariaDB's other grammar: nothing is read of such texts
    bool mariadb = true;
    bool folds_tables = false;                     ///< lower_case_table_names is not 0: names of tables are lower case
    mysql_charset charset = mysql_charset::plain;  ///< character_set_client
    std::uint32_t version = 101100;                ///< 101106 is 10.11.6, 80036 is 8.0.36: for /*!50700 ... */
    friend bool operator==(const mysql_modes&, const mysql_modes&) = default;
};

/// Every byte of it in one number: equal exactly when the modes are.
constexpr std::uint64_t packed(const mysql_modes& modes) noexcept {
    std::uint64_t flags = 0;
    for (const bool each : {modes.ansi_quotes, modes.pipes_as_concat, modes.no_backslash_escapes, modes.ignore_space,
                            modes.high_not_precedence, modes.oracle, modes.mariadb, modes.folds_tables})
        flags = flags << 1 | (each ? 1 : 0);
    return std::uint64_t{modes.version} << 16 | static_cast<std::uint64_t>(modes.charset) << 8 | flags;
}

/// Takes the flags from a value of sql_mode as the server shows it ("ANSI_QUOTES,NO_BACKSLASH_ESCAPES"); combined modes
/// (ANSI, ORACLE, ...) are read too. The other members stay.
void set_sql_mode(mysql_modes& modes, std::string_view sql_mode) noexcept;
/// Of a name of character_set_client: "gbk", "utf8mb4", ...
mysql_charset mysql_charset_of(std::string_view name) noexcept;

}  // namespace ringway::router
