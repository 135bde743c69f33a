#pragma once
// A TOML file as a small tree with lines. Keeps the TOML library out of everything else, and the file's order, which it
// does not keep.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringway::config::source {

enum class node_kind : std::uint8_t { text, integer, real, boolean, time, array, table };

/// "a string", "an integer", ... for mistakes.
std::string_view name_of(node_kind kind) noexcept;

/// A value of the file. Owns all below it.
struct node {
    node_kind kind = node_kind::table;
    std::uint32_t line = 0;  ///< 1-based: of the value; in a table's entry: of its key
    std::string key;         ///< of an entry of a table
    std::string text;        ///< text
    std::int64_t integer = 0;
    double real = 0;
    bool boolean = false;
    std::vector<node> items;  ///< of an array; entries of a table, in the file's order
};

/// The entry of a table, or null.
const node* find(const node& table, std::string_view key);

struct syntax_error {
    std::uint32_t line = 0;
    std::string text;
};

/// Reads a whole file's text into `out`, a table. What the parser stumbled over, otherwise.
std::optional<syntax_error> read_document(std::string_view text, node& out);

}  // namespace ringway::config::source
