#pragma once
// Words that are no names unless they are quoted.

#include <string_view>

#include "router/mysql/modes.hpp"

namespace ringway::router::mysql {

/// `word` is in lower case.
bool is_reserved(std::string_view word, const mysql_modes& modes) noexcept;

}  // namespace ringway::router::mysql
