#pragma once
// TOML text -> settings. Reports every mistake at once.

#include <string>
#include <string_view>
#include <vector>

#include "config/settings.hpp"

namespace ringway::config {

/// One mistake in the file.
struct mistake {
    std::string file;
    std::uint32_t line = 0;       ///< 1-based; 0 when it belongs to no line
    std::string text;             ///< what is wrong and what would be right
    std::string message() const;  ///< "file:line: text"
};

/// Either settings (mistakes empty) or the list of all mistakes, in the file's order.
struct load_result {
    settings value;
    std::vector<mistake> mistakes;
    bool ok() const { return mistakes.empty(); }
};

load_result load_text(std::string_view toml, const std::string& file_name);
/// Reads the file first; a file that cannot be read is a mistake too.
load_result load_file(const std::string& path);

}  // namespace ringway::config
