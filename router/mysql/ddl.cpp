// Definitions: names, TEMPORARY and columns of tables; of the rest only where it ends.

#include <algorithm>

#include "router/mysql/parser.hpp"

namespace ringway::router::mysql {

/// GRANT, REVOKE and the like.
void parser::definition() {
    made_->verb = verb::ddl;
    made_->name = folded(take());
    changes_definitions();
    skip_statement();
}

void parser::if_exists() {
    if (!accept("if")) return;
    accept("not");
    expect("exists");
}

void parser::create() {
    expect("create");
    made_->verb = verb::ddl;
    if (accept("or")) expect("replace");
    const bool temporary = accept("temporary");
    if (is_one({"table", "tables"})) {
        take();
        return create_table(temporary);
    }
    if (accept("sequence")) {
        made_->name = "create sequence";
        if_exists();
        block_->tables.push_back(table_name(true));
        if (temporary)
            add_pin("temporary table");
        else
            changes_definitions();
        made_->writes = true;
        return skip_statement();
    }
    changes_definitions();
    // DEFINER = a@b, ALGORITHM = MERGE, SQL SECURITY DEFINER, AGGREGATE, UNIQUE, ...
    while (!at_end() && !is_one({"view", "procedure", "function", "trigger", "event", "index", "database", "schema",
                                 "user", "role", "server", "tablespace", "logfile", "resource", "spatial", "package"}))
        skip_value();
    if (is("spatial") && is("index", 1)) take();
    const auto what = folded(peek());
    made_->name = "create " + std::string(what);
    if (what == "view") return create_view();
    if (what == "procedure" || what == "function" || what == "trigger" || what == "event") return create_routine();
    if (what == "index") {
        while (!at_end() && !is("on")) skip_value();
        if (accept("on")) block_->tables.push_back(table_name(true));
    } else if (what == "package") {
        return fail("MySQL's own grammar");
    }
    if (at_end() && !is_one({"index"}) && what.empty()) return fail("what to create");
    skip_statement();
}

void parser::create_table(bool temporary) {
    made_->name = "create table";
    if_exists();
    auto table = table_name(true);
    if (temporary) {
        made_->writes = true;
        add_pin("temporary table");
    } else {
        changes_definitions();
    }
    if (accept("like")) {
        block_->tables.push_back(table_name());
        block_->tables.push_back(std::move(table));
        return;
    }
    if (is_symbol("(") && is("like", 1)) {
        at_ += 2;
        block_->tables.push_back(table_name());
        expect_symbol(")");
        block_->tables.push_back(std::move(table));
        return;
    }
    if (is_symbol("(") && !is_query(1) && !is_symbol("(", 1)) table_elements();
    while (!failed_ && !at_end()) {
        const bool as = is("as");
        if (as || is_query_of_table()) {
            if (as) take();
            auto inner = query();
            merge(std::move(inner), *block_);
            break;
        }
        skip_value();
    }
    block_->tables.push_back(std::move(table));
}

bool parser::is_query_of_table() const {
    if (is("with")) return !is("system", 1) && (is("recursive", 1) || is("as", 2) || is_symbol("(", 2));
    if (is_symbol("(")) return is_query(1) || is_symbol("(", 1);
    return is("select") || (is("values") && is_query());
}

/// (a INT, b TEXT, KEY (a), ...): the columns' names.
void parser::table_elements() {
    expect_symbol("(");
    while (!failed_) {
        const bool column =
            peek().kind == token_kind::quoted_name ||
            !(is_one({"constraint", "primary", "unique", "index", "key", "fulltext", "spatial", "foreign", "check"}) ||
              (is("period") && is("for", 1)));
        if (column) made_->defined_columns.push_back(column_name());
        while (!failed_ && !is_symbol(",") && !is_symbol(")")) {
            if (at_end()) return fail(")");
            skip_value();
        }
        if (!accept_symbol(",")) break;
    }
    expect_symbol(")");
}

void parser::create_view() {
    expect("view");
    if_exists();
    auto view = table_name(true);
    if (is_symbol("(")) skip_parentheses();
    expect("as");
    auto inner = query();
    merge(std::move(inner), *block_);
    if (accept("with")) {
        accept_one({"cascaded", "local"});
        expect("check");
        expect("option");
    }
    block_->tables.push_back(std::move(view));
}

/// Up to the body, then the body.
void parser::create_routine() {
    const auto what = folded(take());
    if_exists();
    table_name();
    if (what == "trigger") {
        while (!at_end() && !is("row")) skip_value();
        expect("row");
        if (accept_one({"follows", "precedes"})) name();
        return routine_body();
    }
    if (what == "event") {
        while (!at_end() && !is("do")) skip_value();
        expect("do");
        return routine_body();
    }
    if (is_symbol("(")) skip_parentheses();
    if (accept("returns")) {
        type_name();
        if (accept("collate")) name_or_string();
        if (accept("soname")) return skip_statement();
    }
    while (true) {
        if (accept("comment")) {
            string_source();
        } else if (accept("language")) {
            name_or_string_or_sql();
        } else if (accept("sql", "security")) {
            if (!accept_one({"definer", "invoker"})) fail("DEFINER");
        } else if (accept("contains", "sql") || accept("no", "sql") || accept("not", "deterministic")) {
        } else if (accept_one({"reads", "modifies"})) {
            expect("sql");
            expect("data");
        } else if (!accept("deterministic")) {
            break;
        }
    }
    routine_body();
}

void parser::name_or_string_or_sql() {
    if (!accept("sql")) name_or_string();
}

void parser::drop() {
    if (is("prepare", 1)) return deallocate();
    expect("drop");
    made_->verb = verb::ddl;
    const bool temporary = accept("temporary");
    accept_one({"online", "offline"});
    made_->name = "drop " + std::string(folded(peek()));
    if (is_one({"table", "tables", "sequence"})) {
        take();
        if_exists();
        do {
            block_->tables.push_back(table_name(true));
            add_effect(effect::kind::drop_temporary, block_->tables.back().name);
        } while (accept_symbol(","));
        if (temporary)
            made_->writes = true;
        else
            changes_definitions();
        accept_one({"restrict", "cascade"});
        if (accept("wait"))
            primary();
        else
            accept("nowait");
        return;
    }
    changes_definitions();
    if (at_end()) return fail("what to drop");
    if (is("view")) {
        take();
        if_exists();
        do block_->tables.push_back(table_name(true));
        while (accept_symbol(","));
    } else if (is("index")) {
        while (!at_end() && !is("on")) skip_value();
        if (accept("on")) block_->tables.push_back(table_name(true));
    }
    skip_statement();
}

void parser::alter() {
    expect("alter");
    made_->verb = verb::ddl;
    changes_definitions();
    accept_one({"online", "offline", "ignore"});
    accept("online");
    if (accept("table")) {
        made_->name = "alter table";
        if_exists();
        block_->tables.push_back(table_name(true));
        // ... RENAME TO b makes one, EXCHANGE PARTITION writes one
        while (!failed_ && !at_end()) {
            if (is("rename") && !is_one({"column", "index", "key"}, 1)) {
                take();
                if (!accept_one({"to", "as"})) accept_symbol("=");
                block_->tables.push_back(table_name(true));
            } else if (accept("with", "table")) {
                block_->tables.push_back(table_name(true));
            } else {
                skip_value();
            }
        }
        return;
    }
    while (!at_end() && !is_one({"view", "event", "database", "schema", "procedure", "function", "user", "role",
                                 "server", "tablespace", "sequence", "instance", "logfile", "resource"}))
        skip_value();
    if (at_end()) return fail("what to alter");
    made_->name = "alter " + std::string(folded(peek()));
    if (is("view")) return create_view();
    if (is("event")) {
        while (!failed_ && !at_end()) {
            if (accept("do")) return routine_body();
            skip_value();
        }
        return;
    }
    skip_statement();
}

void parser::rename() {
    expect("rename");
    made_->verb = verb::ddl;
    changes_definitions();
    made_->name = "rename " + std::string(folded(peek()));
    if (!accept_one({"table", "tables"})) {
        expect("user");
        return skip_statement();
    }
    if_exists();
    do {
        block_->tables.push_back(table_name(true));
        if (accept("wait"))
            primary();
        else
            accept("nowait");
        expect("to");
        block_->tables.push_back(table_name(true));
    } while (accept_symbol(","));
}

void parser::truncate() {
    expect("truncate");
    accept("table");
    made_->verb = verb::truncate;
    made_->writes = made_->implicit_commit = true;
    block_->tables.push_back(table_name(true));
    if (accept("wait"))
        primary();
    else
        accept("nowait");
    if (accept("drop")) expect("storage");
}

}  // namespace ringway::router::mysql
