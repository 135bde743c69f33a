#pragma once
// What the parse tree does not tell: where names stand in the text, hints in comments, how deep an expression nests.
// Rests on the shape lexer's literals, so that the rules of string constants are written once.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "router/shape.hpp"
#include "router/statement.hpp"

namespace ringway::router::postgres {

enum class token_kind : std::uint8_t { end, word, quoted_name, literal, comment, symbol };

struct token {
    token_kind kind = token_kind::end;
    std::uint32_t offset = 0, length = 0;  ///< bytes of the text
    std::uint32_t stop() const noexcept { return offset + length; }
};

/// Cuts a text into tokens. Points into the text and the literals; both must outlive it.
class token_reader {
  public:
    token_reader(std::string_view text, std::span<const literal> literals, std::uint32_t from = 0);
    token next();  ///< comments are skipped
    token next_or_comment();
    std::string_view text_of(const token& what) const noexcept { return text_.substr(what.offset, what.length); }
    /// Whether the token is this keyword (given in lower case).
    bool is(const token& what, std::string_view keyword) const noexcept;

  private:
    std::uint32_t end_of_comment() const noexcept;
    std::uint32_t end_of_quoted(std::uint32_t from) const noexcept;

    std::string_view text_;
    std::span<const literal> literals_;
    std::size_t next_literal_ = 0;
    std::uint32_t at_ = 0;
};

/// What one pass over the tokens finds out.
struct text_facts {
    routing_hint hint;
    std::size_t depth = 0;  ///< an upper bound of how deep the parse tree can be
    std::vector<span32> comments;
    bool open_comment = false;   ///< the last one does not end
    bool long_operator = false;  ///< operator characters in a row beyond what the server takes
};
text_facts facts_of(std::string_view text, std::span<const literal> literals);

/// Where `name`, the name after `keyword` (PREPARE, EXECUTE, DEALLOCATE), stands at or after `from`; length 0: not
/// found.
span32 name_after(std::string_view text, std::span<const literal> literals, std::uint32_t from,
                  std::string_view keyword, std::string_view name);

/// The names between two offsets.
names_used names_in(std::string_view text, std::span<const literal> literals, std::uint32_t from, std::uint32_t stop);

/// What follows AS after the name and types of a PREPARE, up to `stop`.
span32 body_of_prepare(std::string_view text, std::span<const literal> literals, std::uint32_t after_name,
                       std::uint32_t stop);

/// What libpg_query gets to see: of the same length, for values and names come from the text by offset.
/// Comments are blanked out: the lexer takes quadratic time for nested ones. With standard_conforming_strings off a
/// backslash escapes in '...', which it does not know: strings with one are blanked out too.
std::string parseable(std::string_view text, std::span<const literal> literals, const text_facts& facts,
                      bool standard_conforming_strings);

}  // namespace ringway::router::postgres
