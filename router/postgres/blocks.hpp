#pragma once
// The levels of a query and what ties their tables to keys: conditions that every row a level lets through fulfils.

#include <string>
#include <vector>

#include "router/postgres/tree.hpp"
#include "router/postgres/values.hpp"
#include "router/statement.hpp"

namespace ringway::router::postgres {

/// A ColumnRef of plain names: column, table.column, schema.table.column.
std::optional<column_ref> column_of(node expression);
/// x.* and (value).*: in lists of values and of what is selected as many items as there are columns.
bool is_star(node expression);
/// The items of a list by their places, of which there are `count`; what a star stands for is nowhere. Nothing: it is
/// not certain what stands where.
std::optional<std::vector<node>> in_places(node list, std::size_t count);
/// The expression that one column of (a, b) = (...) gets; nowhere when it is not certain.
node part_of(node multi_assign);
/// A RangeVar's names.
table_ref table_of(node range_var, bool written = false);

/// A column of a MERGE's source whose values stand in the text: a value for each of its rows.
struct source_column {
    std::string table, name;
    std::vector<value_source> values;
};

/// Builds the query_block of one statement. Use one for each statement; it refers to `values`.
class block_builder {
  public:
    explicit block_builder(value_finder& values) : values_(values) {}

    /// `query` is the node around a statement: {"SelectStmt": ...}. Other statements give an empty block that is not
    /// exact.
    query_block of_query(node query);
    /// Subqueries in any expression of `within`, as children of `block`.
    void add_subqueries(node within, query_block& block);

    /// Whether something nested too deep to be followed: then the blocks are not complete.
    bool too_deep() const noexcept { return too_deep_; }

  private:
    /// One level of recursion.
    struct level {
        explicit level(block_builder& of) : of_(of) { of_.too_deep_ |= ++of_.depth_ > most_levels; }
        ~level() { --of_.depth_; }
        level(const level&) = delete;
        level& operator=(const level&) = delete;
        block_builder& of_;
    };
    static constexpr int most_levels = 300;

    query_block of_select(node select);
    query_block of_branch(node select);
    void add_branches(node select, query_block& block);
    query_block of_insert(node insert);
    query_block of_update(node update);
    query_block of_delete(node statement);
    query_block of_merge(node merge);
    query_block of_matched(node merge, const std::vector<source_column>& known);
    query_block of_not_matched(node merge, node clause, const std::vector<source_column>& known);
    std::vector<source_column> columns_of_source(node source);

    void add_ctes(node with, query_block& block);
    void add_from_list(node list, query_block& block);
    void add_from(node item, query_block& block);
    void add_table(node range_var, query_block& block);
    void add_derived(node item, query_block& block);
    void add_join(node join, query_block& block, bool outermost);
    void add_using(node names, const std::vector<table_ref>& left, const std::vector<table_ref>& right,
                   query_block& block);
    void add_condition(node expression, query_block& block);
    void add_alternatives(node alternatives, query_block& block);
    void add_comparison(node a_expr, query_block& block);
    void add_range(node a_expr, query_block& block);
    void add_equality(node left, node right, query_block& block);
    void add_in(node left, node list, query_block& block);
    void tie_in(node sublink, query_block& block);
    void add_assignments(node targets, query_block& block);
    void add_rows(node lists, insert_rows& insert, query_block& block);
    void add_outputs(node select, insert_rows& insert);
    bool is_cte(std::string_view name) const;

    value_finder& values_;
    int depth_ = 0;
    bool too_deep_ = false;
    std::vector<std::string> ctes_;  ///< names in scope, innermost last
};

}  // namespace ringway::router::postgres
