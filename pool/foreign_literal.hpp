#pragma once
// Values of clients in whose client_encoding a backslash may be half of a character (SJIS, BIG5, GBK and the like), as
// SQL that says the same in any other encoding.

#include <string>
#include <string_view>

namespace ringway::pool {

/// As quote_literal(). `encoding`: the name of such an encoding; empty: the value is in one where a backslash is one.
/// It may be an expression.
std::string foreign_literal(std::string_view text, std::string_view encoding);
/// As set_config_statement().
std::string set_config_in(std::string_view encoding, std::string_view name, std::string_view value);

}  // namespace ringway::pool
