#pragma once
// Constants and parameters of the parse tree as sources of values. Values themselves are never taken from the tree:
// a plan serves every text of its shape, and libpg_query 15-4.0 loses negative integers.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "router/postgres/tree.hpp"
#include "router/shape.hpp"
#include "router/statement.hpp"

namespace ringway::router::postgres {

/// A list of names, as in {"names":[{"String":{"sval":"a"}}, ...]}.
std::vector<std::string> names_of(node list);
/// The one operator of an A_Expr when it is not qualified, else empty.
std::string plain_operator(node a_expr);
/// Schema (or "") and name of a qualified name: its last two parts.
std::pair<std::string, std::string> qualified(node list);

/// A type as it is written in a cast.
struct written_type {
    std::string schema, name;  ///< pg_catalog is left out
    bool array = false;
    bool limited = false;  ///< has a typmod: varchar(3), numeric(5,2)
};
written_type type_of(node type_name);

/// Finds where values come from. Points into the text and literals; both must outlive it.
class value_finder {
  public:
    value_finder(std::string_view text, std::span<const literal> literals, bool standard_conforming_strings)
        : text_(text), literals_(literals), conforming_(standard_conforming_strings) {}

    /// Of one expression ({"A_Const": ...}); `unknown` when it is not a constant or a parameter.
    value_source source_of(node expression);
    /// Of the right side of = ANY(...): one source per element, or one that is an array; empty: not known.
    std::vector<value_source> array_of(node expression);

    /// Whether a literal's value went into an answer.
    bool has_folded() const noexcept { return folded_; }

  private:
    value_source of_constant(node constant) const;
    value_source of_cast(node cast);
    value_source of_operator(node a_expr);
    std::optional<std::int64_t> integer_of(const value_source& from) const;
    bool signs_before(std::size_t from, std::size_t to, bool& negated) const;

    std::string_view text_;
    std::span<const literal> literals_;
    bool conforming_;
    bool folded_ = false;
    int depth_ = 0;
};

}  // namespace ringway::router::postgres
