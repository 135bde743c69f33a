#pragma once
// A statement's shape: its text with the literals lifted out, found by a fast lexer without parsing.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringway::router {

/// `integer` fits int4, as for the server's grammar; a larger one is `decimal`. X'..' is a bit_string too.
enum class literal_kind : std::uint8_t {
    integer,
    decimal,
    string,
    escape_string,
    dollar_string,
    bit_string,
    unicode_string,
    national_string  ///< MySQL's N'..'
};

/// One literal, as bytes of the statement's text, quotes and prefix included.
struct literal {
    std::uint32_t offset = 0, length = 0;
    literal_kind kind = literal_kind::integer;
};

/// Points into the lexer that made it; valid until its next scan.
///
/// In `normalized` a literal is `$` and a letter: $i integer that fits int4, $d any other number, $s '...', $e E'...',
/// $q $$...$$, $b B'...' and X'...', $u U&'...'. No other text can read so: a `$` before a letter is either part of a
/// word, and a mark never follows a word without a space, or makes the shape incomplete.
struct shape {
    std::uint64_t hash = 0;
    std::string_view normalized;  ///< literals replaced by a mark of their kind, comments dropped, white space folded;
                                  ///< /* ringway: */ hints are kept
    std::span<const literal> literals;  ///< in the text's order
    bool complete = true;               ///< false: unterminated, or not told apart by `normalized` alone; do not cache
};

/// PostgreSQL's lexical rules (documentation, section 4.1). Keeps its buffers between scans: no allocation once warm.
class shape_lexer {
  public:
    /// `standard_conforming_strings` decides whether a backslash escapes inside '...'.
    shape scan(std::string_view text, bool standard_conforming_strings = true);

  private:
    std::string normalized_;  ///< as long as the longest text so far needed
    std::vector<literal> literals_;
};

/// The value of a literal: quotes and escapes undone ('it''s' -> it's; E'\n' -> newline; $$a$$ -> a).
/// Of B'101' and X'1f' the digits. An escape the server would not accept is kept as written.
std::string literal_value(std::string_view text, const literal& what, bool standard_conforming_strings = true);
/// The same, as a view of `text` when there was nothing to undo, else of `scratch`, which is overwritten.
std::string_view literal_view(std::string_view text, const literal& what, bool standard_conforming_strings,
                              std::string& scratch);

}  // namespace ringway::router
