#pragma once
// A statement's shape: its text with the literals lifted out, found by a fast lexer without parsing.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringway::router {

enum class literal_kind : std::uint8_t { integer, decimal, string, escape_string, dollar_string, bit_string, unicode_string };

/// One literal, as bytes of the statement's text, quotes and prefix included.
struct literal {
    std::uint32_t offset = 0, length = 0;
    literal_kind kind = literal_kind::integer;
};

/// Points into the lexer that made it; valid until its next scan.
struct shape {
    std::uint64_t hash = 0;
    std::string_view normalized;          ///< literals replaced by a mark of their kind, comments dropped, white space folded; hints are kept
    std::span<const literal> literals;    ///< in the text's order
    bool complete = true;                 ///< false: an unterminated string or comment; do not cache
};

/// PostgreSQL's lexical rules (documentation, section 4.1). Keeps its buffers between scans: no allocation once warm.
class shape_lexer {
public:
    /// `standard_conforming_strings` decides whether a backslash escapes inside '...'.
    shape scan(std::string_view text, bool standard_conforming_strings = true);

private:
    std::string normalized_;
    std::vector<literal> literals_;
};

/// The value of a literal: quotes and escapes undone ('it''s' -> it's; E'\n' -> newline; $$a$$ -> a).
std::string literal_value(std::string_view text, const literal& what, bool standard_conforming_strings = true);

}  // namespace ringway::router
