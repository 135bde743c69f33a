// INSERT, REPLACE, UPDATE, DELETE, LOAD.

#include <algorithm>

#include "router/mysql/parser.hpp"

namespace ringway::router::mysql {

/// A data-changing statement after WITH, or a query.
void parser::with_statement() {
    auto& block = *block_;
    const auto scope = ctes_.size();
    with_clause(block);
    if (is("update"))
        update();
    else if (is("delete"))
        delete_rows();
    else if (is_one({"insert", "replace"}))
        insert(is("replace"));
    else {
        made_->verb = verb::select;
        auto main = query_body();
        main.children.insert(main.children.begin(), std::make_move_iterator(block.children.begin()),
                             std::make_move_iterator(block.children.end()));
        block = std::move(main);
    }
    drop_ctes(scope);
}

void parser::insert(bool replace) {
    auto& block = *block_;
    made_->verb = replace ? verb::replace : verb::insert;
    made_->writes = true;
    take();
    while (accept_one({"low_priority", "delayed", "high_priority", "ignore"})) {
    }
    accept("into");
    insert_rows made;
    made.table = table_name(true);
    if (accept("partition")) skip_parentheses();
    block.tables.insert(block.tables.begin(), made.table);
    if (accept("set")) {
        auto& row = made.rows.emplace_back();
        do {
            auto parts = column_name();
            while (accept_symbol(".")) parts = column_name();
            made.columns.push_back(std::move(parts));
            if (!accept_symbol(":=")) expect_symbol("=");
            std::optional<column_ref> from;
            row.push_back(assigned_value(from));
        } while (accept_symbol(","));
    } else {
        const bool listed = is_symbol("(") && !is_query(1) && !is_symbol("(", 1);
        if (listed) {
            take();
            while (!failed_ && !is_symbol(")")) {
                auto column = column_name();
                while (accept_symbol(".")) column = column_name();
                made.columns.push_back(std::move(column));
                if (!accept_symbol(",")) break;
            }
            expect_symbol(")");
        }
        insert_values(made, block);
    }
    if (accept("as")) {  // MySQL's alias of the new row
        block.derived.push_back(name());
        if (is_symbol("(")) skip_parentheses();
    }
    block.insert = std::move(made);
    if (accept("on")) {
        expect("duplicate");
        expect("key");
        expect("update");
        assignments(block);
    }
    returning();
}

void parser::insert_values(insert_rows& made, query_block& block) {
    if (accept_one({"values", "value"})) {
        do {
            accept("row");
            expect_symbol("(");
            auto& row = made.rows.emplace_back();
            while (!failed_ && !is_symbol(")")) {
                std::optional<column_ref> from;
                row.push_back(assigned_value(from));
                if (!accept_symbol(",")) break;
            }
            expect_symbol(")");
        } while (accept_symbol(","));
        return;
    }
    made.from_select = true;
    if (!is_query() && !is_symbol("(")) return fail("VALUES");
    const auto operations = set_operations_;
    outputs_ = &made.outputs;
    auto child = query();
    outputs_ = nullptr;
    if (operations != set_operations_) made.outputs.clear();
    child.sees_parent = false;
    block.children.insert(block.children.begin(), std::move(child));
}

/// What a column is set to. DEFAULT is unknown, with that as its constant.
value_source parser::assigned_value(std::optional<column_ref>& from) {
    const auto found = any_expression();
    if (found.what == kind::column) from = found.column;
    if (found.what == kind::other && found.value.constant == "default") return found.value;
    return source_of(found);
}

/// column = value, ... of UPDATE and ON DUPLICATE KEY UPDATE.
void parser::assignments(query_block& block) {
    do {
        auto target = named_value();
        if (target.what != kind::column) return fail("a column");
        if (!accept_symbol(":=")) expect_symbol("=");
        assignment made;
        made.column = std::move(target.column);
        made.value = assigned_value(made.from);
        block.assignments.push_back(std::move(made));
    } while (accept_symbol(","));
}

void parser::update() {
    auto& block = *block_;
    made_->verb = verb::update;
    made_->writes = true;
    expect("update");
    while (accept_one({"low_priority", "ignore"})) {
    }
    from_clause(block);
    expect("set");
    assignments(block);
    // Which of several tables is written shows in the columns' names only.
    const bool several = block.tables.size() > 1 || !block.children.empty();
    constexpr std::size_t most_assignments = 1000;
    const bool many = block.assignments.size() > most_assignments;
    for (auto& table : block.tables)
        if (!several || many ||
            std::any_of(block.assignments.begin(), block.assignments.end(), [&](const assignment& each) {
                const auto& shown = table.alias.empty() ? table.name : table.alias;
                return each.column.table.empty() || each.column.table == shown;
            }))
            table.written = true;
    for (auto& child : block.children)
        if (child.joined)
            for (auto& table : child.tables) table.written = true;
    if (accept("where")) add_condition(any_expression(), block);
    query_tail(block);
    returning();
}

/// The tables that DELETE a, b.* FROM ... names: by alias, or by name. Of more than servers join all.
void parser::mark_written(query_block& block, const std::vector<table_ref>& targets) const {
    constexpr std::size_t most_joined = 64;
    const auto is_target = [&targets](const table_ref& table) {
        return targets.size() > most_joined ||
               std::any_of(targets.begin(), targets.end(), [&table](const table_ref& each) {
                   return each.name == table.name || (!table.alias.empty() && each.name == table.alias);
               });
    };
    for (auto& table : block.tables) table.written |= is_target(table);
    for (auto& child : block.children)
        if (child.joined) mark_written(child, targets);
}

void parser::delete_rows() {
    auto& block = *block_;
    made_->verb = verb::delete_;
    made_->writes = true;
    expect("delete");
    while (accept_one({"low_priority", "quick", "ignore", "history"})) {
    }
    std::vector<table_ref> targets;
    const auto target_list = [&] {
        do {
            targets.push_back(table_name(true));
            if (is_symbol(".") && is_symbol("*", 1)) at_ += 2;
        } while (accept_symbol(","));
    };
    if (accept("from")) {
        // FROM a, b USING ..., or one table
        const auto before = at_;
        target_list();
        if (accept("using")) {
            from_clause(block);
            mark_written(block, targets);
        } else {
            at_ = failed_ ? at_ : before;
            auto table = table_name(true);
            table_options(table);
            block.tables.push_back(std::move(table));
        }
    } else {
        target_list();
        expect("from");
        from_clause(block);
        mark_written(block, targets);
    }
    if (accept("before")) {  // DELETE HISTORY ... BEFORE SYSTEM_TIME
        expect("system_time");
        any_expression();
    }
    if (accept("where")) add_condition(any_expression(), block);
    query_tail(block);
    returning();
}

void parser::returning() {
    if (accept("returning")) select_items();
}

/// LOAD DATA, LOAD XML; LOAD INDEX INTO CACHE.
void parser::load_data() {
    expect("load");
    if (is("index")) {
        made_->verb = verb::maintenance;
        made_->writes = made_->implicit_commit = true;
        return skip_statement();
    }
    if (!accept_one({"data", "xml"})) return fail("DATA");
    made_->verb = verb::load_data;
    made_->writes = true;
    accept_one({"low_priority", "concurrent"});
    made_->copy_stdin_or_stdout = accept("local");
    expect("infile");
    string_source();
    accept_one({"replace", "ignore"});
    expect("into");
    expect("table");
    block_->tables.push_back(table_name(true));
    block_->exact = false;
    if (accept("partition")) skip_parentheses();
    if (accept("charset") || accept("character", "set") || accept("char", "set")) name_or_string();
    if (accept("rows", "identified")) {
        expect("by");
        literal_value();
    }
    export_options();
    if (accept("ignore")) {
        literal_value();
        if (!accept_one({"lines", "rows"})) fail("LINES");
    }
    if (accept_symbol("(")) {
        while (!failed_ && !is_symbol(")")) {
            if (peek().kind == token_kind::user_variable)
                set_user_variable(user_variable_name(take()));
            else
                named_value();
            if (!accept_symbol(",")) break;
        }
        expect_symbol(")");
    }
    if (accept("set")) {
        do {
            named_value();
            if (!accept_symbol(":=")) expect_symbol("=");
            any_expression();
        } while (accept_symbol(","));
    }
}

}  // namespace ringway::router::mysql
