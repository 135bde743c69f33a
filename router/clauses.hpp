#pragma once
// A SELECT's text cut into its clauses, by its tokens: for texts whose form the parser has seen (a plan serves every
// text of its shape). Nothing is printed anew: other texts are made of pieces of this one.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "router/postgres/lexical.hpp"
#include "router/shape.hpp"

namespace ringway::router {

/// Tokens [from, to) of clauses::tokens.
struct token_range {
    std::size_t from = 0, to = 0;
    bool empty() const noexcept { return from == to; }
};

struct clauses {
    std::string_view text;
    std::vector<postgres::token> tokens;
    std::vector<token_range> items;   ///< of the select list, with AS and alias
    std::size_t from = 0;             ///< the token FROM
    std::size_t tail = 0;             ///< the first of GROUP BY, HAVING, ORDER BY, LIMIT, ...: where FROM and WHERE end
    std::vector<token_range> groups;  ///< of GROUP BY
    token_range having;               ///< without the word
    std::vector<token_range> sorts;   ///< of ORDER BY, with ASC, NULLS FIRST and the like
    std::size_t bounds = 0;           ///< the first token of LIMIT, OFFSET, FETCH, FOR; as many as tokens: none
    std::size_t end = 0;              ///< one past the statement's last token

    std::string_view text_of(token_range tokens) const noexcept;
    std::string_view text_of(std::size_t token) const noexcept;
    bool is(std::size_t token, std::string_view keyword) const noexcept;
    /// The token that begins at this byte; none: npos.
    std::size_t token_at(std::uint32_t byte) const noexcept;
    /// After the parenthesis that is opened at `token`.
    std::size_t after_parenthesis(std::size_t token) const noexcept;

    static constexpr std::size_t npos = static_cast<std::size_t>(-1);
};

/// Of the SELECT that begins at this byte and is the text's only statement. None: it is of another form.
std::optional<clauses> clauses_of(std::string_view text, std::span<const literal> literals, std::uint32_t at);

}  // namespace ringway::router
