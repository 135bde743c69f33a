#pragma once
// The recursive descent. Statements record what they do while they are read; blocks are built as the clauses come.
// After the first mistake every token is the end, so that all loops stop.

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "router/mysql/expression.hpp"
#include "router/mysql/lexer.hpp"
#include "router/mysql/modes.hpp"
#include "router/shape.hpp"
#include "router/statement.hpp"

namespace ringway::router::mysql {

class parser {
  public:
    parser(std::string_view text, const mysql_modes& modes, analysis& out);
    void run();

  private:
    using kind = expression::kind;
    using words = std::initializer_list<std::string_view>;

    // Tokens (parser.cpp)
    const token& peek(std::size_t ahead = 0) const;
    std::string_view folded(const token& of) const;
    std::string_view source(const token& of) const { return text_.substr(of.offset, of.length); }
    bool is(std::string_view word, std::size_t ahead = 0) const;
    bool is_one(words some, std::size_t ahead = 0) const;
    bool is_symbol(std::string_view symbol, std::size_t ahead = 0) const;
    bool is_name(std::size_t ahead = 0) const;
    bool is_string(std::size_t ahead = 0) const { return peek(ahead).kind == token_kind::string; }
    bool is_literal(std::size_t ahead = 0) const;
    bool is_number(std::size_t ahead = 0) const;
    bool is_query(std::size_t ahead = 0) const;
    bool at_end() const;
    token take();
    bool accept(std::string_view word);
    bool accept(std::string_view first, std::string_view second);
    bool accept_one(words some);
    bool accept_symbol(std::string_view symbol);
    void expect(std::string_view word);
    void expect_symbol(std::string_view symbol);
    void fail(std::string_view why = "syntax");
    std::string name();
    std::string column_name();
    std::string name_of(const token& of) const;
    std::string name_or_string();
    std::string unquoted(std::string_view quoted) const;
    std::string user_variable_name(const token& of) const;
    table_ref table_name(bool written = false);
    void skip_parentheses();
    void skip_value();
    void skip_statement();
    std::uint32_t last_stop() const;
    span32 since(std::uint32_t from) const { return {from, last_stop() > from ? last_stop() - from : 0}; }
    value_source string_source();

    /// One level of recursion.
    struct level {
        explicit level(parser& of);
        ~level() { --of_.depth_; }
        level(const level&) = delete;
        level& operator=(const level&) = delete;
        parser& of_;
    };
    /// Where subqueries go while it lives.
    struct into_block {
        into_block(parser& of, query_block& block) : of_(of), before_(of.block_) { of.block_ = &block; }
        ~into_block() { of_.block_ = before_; }
        into_block(const into_block&) = delete;
        into_block& operator=(const into_block&) = delete;
        parser& of_;
        query_block* before_;
    };

    // What statements do (parser.cpp)
    bool is_new(char kind, std::string_view name, std::string_view schema = {});
    void add_pin(std::string_view why);
    effect& add_effect(effect::kind what, std::string name = {});
    void add_function(std::string schema, std::string name);
    void read_user_variable(std::string name);
    void set_user_variable(std::string name);
    void changes_definitions();

    // Expressions (expressions.cpp, functions.cpp)
    expression any_expression();
    expression or_expression();
    expression xor_expression();
    expression and_expression();
    expression not_expression();
    expression comparison();
    expression predicate();
    expression in_list(expression left);
    expression bits(int lowest = 0);
    int operator_level() const;
    expression unary();
    expression primary();
    expression primary_word();
    expression parenthesized();
    expression text_literal();
    expression literal_value(std::string cast = {});
    expression named_value();
    expression system_variable();
    expression user_variable();
    expression case_expression();
    expression interval();
    expression function(const std::string& schema, const std::string& name);
    expression cast_function(std::string_view name);
    void arguments(std::string_view function);
    void over_clause();
    void window_specification();
    void frame_bound();
    void expression_list();
    void order_list();
    void type_name();
    void record_call(const std::string& name, bool has_arguments, const expression& first);
    value_source source_of(const expression& of);
    std::optional<std::int64_t> integer_of(const expression& of);

    // Conditions (conditions.cpp)
    void add_condition(const expression& of, query_block& block);
    void add_alternatives(const expression& of, query_block& block);
    void add_equality(const expression& left, const expression& right, query_block& block, bool null_too);
    void add_in(const expression& of, query_block& block);

    // Queries (select.cpp, from.cpp)
    query_block query();
    query_block query_body();
    query_block query_term();
    query_block continue_query(query_block first);
    query_block select();
    query_block table_values();
    void with_clause(query_block& block);
    void select_options();
    void select_items();
    void query_tail(query_block& block);
    bool is_set_operator() const;
    bool is_query_tail() const;
    void limit_clause();
    void into_clause();
    void locking_clause();
    void export_options();
    bool is_cte(const std::string& name) const { return cte_names_.contains(name); }
    void push_cte(const std::string& name);
    void drop_ctes(std::size_t scope);

    struct joined_tables {
        query_block block;
        bool bare_query = false;  ///< a derived table that has no name yet: the last child
        bool right_join = false;
        int depth = 0;  ///< of nullable sides in each other
    };
    void from_clause(query_block& block);
    joined_tables table_reference();
    joined_tables table_factor();
    joined_tables parenthesized_tables();
    joined_tables derived(query_block inner, bool lateral);
    void named_derived(joined_tables& tables);
    joined_tables join(joined_tables left, std::string_view type, joined_tables right, bool conditions);
    void using_columns(const std::vector<table_ref>& left, const std::vector<table_ref>& right, query_block& block);
    void table_options(table_ref& table);
    bool is_window_clause() const;
    void index_hints();
    void json_table(joined_tables& out);
    static void merge(query_block from, query_block& into);

    // Rows (writes.cpp)
    void insert(bool replace);
    void insert_values(insert_rows& made, query_block& block);
    void assignments(query_block& block);
    value_source assigned_value(std::optional<column_ref>& from);
    void update();
    void delete_rows();
    void mark_written(query_block& block, const std::vector<table_ref>& targets) const;
    void returning();
    void load_data();
    void with_statement();

    // Commands (set.cpp, transactions.cpp, show.cpp, commands.cpp)
    void statement_text();
    bool row_statement();
    bool command_statement();
    void set_statement();
    void set_one();
    void set_value(effect& made);
    void set_names();
    void set_transaction();
    void set_for_statement();
    void begin();
    void start_transaction();
    void commit_or_rollback(verb what);
    void xa();
    std::string xid();
    void lock_tables();
    void backup();
    void show();
    void show_tail();
    bool is_object_word(std::string_view words) const;
    void describe();
    void explain();
    void add_pin_of_explain();
    bool is_row_statement() const;
    bool at_end_after(std::size_t ahead) const;
    value_source statement_source();
    void prepare();
    void execute();
    void execute_immediate();
    void deallocate();
    void call();
    void evaluate();
    void handler();
    void kill();
    void flush();
    void maintenance();
    void diagnostics();

    // Definitions and bodies (ddl.cpp, routines.cpp)
    void definition();
    void if_exists();
    void create();
    void create_table(bool temporary);
    bool is_query_of_table() const;
    void table_elements();
    void create_view();
    void create_routine();
    void name_or_string_or_sql();
    void drop();
    void alter();
    void rename();
    void truncate();
    bool is_compound_start() const;
    void routine_body();
    void compound_statement();
    void statement_list();
    void loop_statement();
    void routine_command();
    void declare();

    std::string_view text_;
    mysql_modes modes_;
    analysis& out_;
    std::string folded_;
    std::vector<token> tokens_;
    std::vector<std::uint32_t> literal_index_;  ///< by token: of literals and parameters
    std::vector<literal> literals_;
    std::size_t at_ = 0;
    token end_;
    bool failed_ = false;
    std::string error_;
    std::uint32_t error_at_ = 0;
    int depth_ = 0;
    bool too_deep_ = false;
    bool folded_values_ = false;
    int in_routine_ = 0;  ///< bodies are only skipped: nothing of them is done
    statement* made_ = nullptr;
    query_block* block_ = nullptr;
    std::vector<std::string> ctes_;                             ///< in scope, innermost last
    std::unordered_map<std::string, std::uint32_t> cte_names_;  ///< how often each
    std::unordered_set<std::string> noted_;                     ///< what made_ has already
    std::string scope_;                                         ///< of SET: holds for what follows in it
    std::vector<insert_output>* outputs_ = nullptr;             ///< of the INSERT whose SELECT comes next
    std::uint32_t set_operations_ = 0;                          ///< read so far
};

}  // namespace ringway::router::mysql
