#pragma once
// The clauses of a SELECT's outermost level, as far as merging the rows of several shards has to know them. Places are
// tokens counted from SELECT: the same in every text of the shape.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "router/statement.hpp"

namespace ringway::router {

/// A function call outside of WHERE and FROM.
struct outline_call {
    std::uint32_t at = 0;  ///< of its name, or of the name's schema
    std::string schema, name;
    bool star = false, distinct = false, ordered = false, within_group = false, windowed = false, variadic = false;
    std::uint16_t arguments = 0;
    bool in_subquery = false;
    bool of_subquery =
        false;  ///< were it an aggregate, then of the subquery's own rows: it counts them, or one of their columns
};

/// A SELECT without WITH, set operations, VALUES and INTO.
struct select_outline {
    struct item {
        bool star = false;
        std::string alias;                 ///< after AS; empty: none
        std::optional<column_ref> column;  ///< when it is nothing but that
    };
    struct sort {
        bool descending = false, nulls_first = false;
        bool by_operator = false;  ///< USING
        bool constant = false;     ///< a constant: an integer counts the items from 1
        std::optional<column_ref> column;
    };
    struct group {
        bool constant = false;
        std::optional<column_ref> column;
    };
    /// FOR UPDATE, FOR SHARE and their like.
    struct lock {
        std::vector<table_ref> of;  ///< empty: all that FROM names
        bool waits = true;          ///< neither NOWAIT nor SKIP LOCKED
    };
    std::vector<item> items;
    std::vector<group> groups;
    std::vector<sort> sorts;
    std::vector<outline_call> calls;
    std::vector<std::uint32_t> columns;  ///< where columns are named, outside of WHERE and FROM; sorted
    std::vector<column_ref> bare;        ///< ... outside of GROUP BY and of count, sum and their like too
    std::optional<value_source> limit, offset;
    std::vector<lock> locks;    ///< of this level; an INSERT's SELECT that has any has no outline
    bool locks_within = false;  ///< a subquery has locks of its own
    bool distinct = false;
    bool has_having = false;
    bool has_windows = false;
    bool subqueries = false;  ///< outside of WHERE and FROM
    bool odd = false;         ///< DISTINCT ON, GROUPING SETS, WITH TIES, a limit that is an expression
};

}  // namespace ringway::router
