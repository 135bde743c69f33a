#pragma once
// A statement as the log shows it.

#include <string>
#include <string_view>

namespace ringway::proxy {

/// One line, cut where it is long. Where a password may stand only `shape` is told, which has no literals (empty: not
/// even that is known).
std::string text_for_log(std::string_view text, std::string_view shape);

}  // namespace ringway::proxy
