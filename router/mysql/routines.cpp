// Which statement it is; bodies of stored routines and compound statements.

#include <array>
#include <utility>

#include "router/mysql/parser.hpp"

namespace ringway::router::mysql {

/// One statement, up to its semicolon.
void parser::statement_text() {
    const level here(*this);
    if (row_statement() || command_statement()) return;
    if (is_compound_start()) return compound_statement();
    fail("a statement");
}

bool parser::row_statement() {
    if (is_symbol("(") || is_one({"select", "values"}) || (is("table") && is_query())) {
        made_->verb = verb::select;
        auto found = query();
        merge(std::move(found), *block_);
    } else if (is("with")) {
        with_statement();
    } else if (is_one({"insert", "replace"})) {
        insert(is("replace"));
    } else if (is("update")) {
        update();
    } else if (is("delete")) {
        delete_rows();
    } else {
        return false;
    }
    return true;
}

bool parser::command_statement() {
    struct command {
        std::string_view word;
        void (parser::*read)();
    };
    static constexpr std::array commands{command{"set", &parser::set_statement},
                                         command{"start", &parser::start_transaction},
                                         command{"xa", &parser::xa},
                                         command{"lock", &parser::lock_tables},
                                         command{"backup", &parser::backup},
                                         command{"show", &parser::show},
                                         command{"describe", &parser::explain},
                                         command{"desc", &parser::explain},
                                         command{"explain", &parser::explain},
                                         command{"prepare", &parser::prepare},
                                         command{"execute", &parser::execute},
                                         command{"deallocate", &parser::deallocate},
                                         command{"call", &parser::call},
                                         command{"do", &parser::evaluate},
                                         command{"handler", &parser::handler},
                                         command{"load", &parser::load_data},
                                         command{"kill", &parser::kill},
                                         command{"flush", &parser::flush},
                                         command{"get", &parser::diagnostics},
                                         command{"signal", &parser::diagnostics},
                                         command{"resignal", &parser::diagnostics},
                                         command{"create", &parser::create},
                                         command{"drop", &parser::drop},
                                         command{"alter", &parser::alter},
                                         command{"rename", &parser::rename},
                                         command{"truncate", &parser::truncate},
                                         command{"grant", &parser::definition},
                                         command{"revoke", &parser::definition},
                                         command{"help", &parser::show},
                                         command{"analyze", &parser::explain}};
    for (const auto& each : commands)
        if (is(each.word)) {
            (this->*each.read)();
            return true;
        }
    if (is("begin") && in_routine_ == 0) {
        begin();
    } else if (is_one({"commit", "rollback"})) {
        commit_or_rollback(is("commit") ? verb::commit : verb::rollback);
    } else if (accept("savepoint")) {
        made_->verb = verb::savepoint;
        made_->name = column_name();
    } else if (is("release") && is("savepoint", 1)) {
        at_ += 2;
        made_->verb = verb::release;
        made_->name = column_name();
    } else if (is("unlock") && is_one({"table", "tables", "instance"}, 1)) {
        made_->verb = verb::unlock_tables;
        add_effect(is("instance", 1) ? effect::kind::unlock_backup : effect::kind::unlock_tables);
        at_ += 2;
    } else if (accept("use")) {
        made_->verb = verb::use_database;
        made_->name = name();
        add_effect(effect::kind::use_database, made_->name);
    } else if (is_one({"optimize", "check", "checksum", "repair", "cache", "stop", "change", "purge", "reset",
                       "install", "uninstall", "shutdown", "binlog", "clone", "import", "restart"})) {
        maintenance();
    } else {
        return false;
    }
    return true;
}

bool parser::is_compound_start() const {
    const std::size_t labelled = is_name() && is_symbol(":", 1) ? 2 : 0;
    if (is("begin", labelled)) return in_routine_ > 0 || labelled > 0 || (is("not", 1) && is("atomic", 2));
    if (is_one({"loop", "while", "repeat"}, labelled)) return true;
    if (is("for", labelled)) return modes_.mariadb;
    if (labelled == 0 && is_one({"if", "case"})) return true;
    return labelled == 0 && in_routine_ > 0 &&
           is_one({"leave", "iterate", "return", "open", "close", "fetch", "declare"});
}

/// The body of what is stored: nothing of it happens now.
void parser::routine_body() {
    statement scratch;
    auto* const outer = std::exchange(made_, &scratch);
    auto noted = std::exchange(noted_, {});
    {
        const into_block sink(*this, scratch.block);
        ++in_routine_;
        statement_text();
        --in_routine_;
    }
    made_ = outer;
    noted_ = std::move(noted);
}

/// Statements with semicolons, up to what ends a list.
void parser::statement_list() {
    while (!failed_ && !is_one({"end", "else", "elseif", "until", "when"})) {
        statement_text();
        if (!accept_symbol(";")) fail(";");
    }
}

void parser::compound_statement() {
    const level here(*this);
    const bool outermost = in_routine_ == 0;
    ++in_routine_;
    if (is_symbol(":", 1)) {
        name();
        take();
    }
    if (accept("begin")) {
        if (accept("not")) expect("atomic");
        statement_list();
        expect("end");
        if (is_name() && !is_symbol("(", 1)) name();
    } else if (accept("if")) {
        any_expression();
        expect("then");
        statement_list();
        while (accept("elseif")) {
            any_expression();
            expect("then");
            statement_list();
        }
        if (accept("else")) statement_list();
        expect("end");
        expect("if");
    } else if (accept("case")) {
        if (!is("when")) any_expression();
        while (accept("when")) {
            any_expression();
            expect("then");
            statement_list();
        }
        if (accept("else")) statement_list();
        expect("end");
        expect("case");
    } else if (is_one({"loop", "while", "repeat", "for"})) {
        loop_statement();
    } else {
        routine_command();
    }
    --in_routine_;
    if (!outermost) return;
    made_->verb = verb::compound;
    made_->writes = true;
    block_->exact = false;
    add_effect(effect::kind::settings_unknown);
}

void parser::loop_statement() {
    const auto what = folded(take());
    if (what == "while") {
        any_expression();
        expect("do");
    } else if (what == "for") {
        name();
        expect("in");
        accept("reverse");
        if (is_symbol("(") && is_query(1)) {
            parenthesized();
        } else {
            any_expression();
            if (accept_symbol(".")) {  // 1 .. 10
                expect_symbol(".");
                any_expression();
            }
        }
        expect("do");
    }
    statement_list();
    if (what == "repeat") {
        expect("until");
        any_expression();
    }
    expect("end");
    expect(what);
    if (is_name()) name();
}

/// What there is in bodies only.
void parser::routine_command() {
    const auto what = folded(take());
    if (what == "leave" || what == "iterate" || what == "close") {
        name();
    } else if (what == "return") {
        any_expression();
    } else if (what == "open") {
        name();
        if (accept("for")) {  // a cursor with parameters, or of a text
            skip_statement();
        } else if (is_symbol("(")) {
            skip_parentheses();
        } else if (accept("using")) {
            expression_list();
        }
    } else if (what == "fetch" && accept("group")) {  // of an aggregate function
        expect("next");
        expect("row");
    } else if (what == "fetch") {
        accept("next");
        accept("from");
        name();
        expect("into");
        do {
            if (peek().kind == token_kind::user_variable)
                take();
            else
                name();
        } while (accept_symbol(","));
    } else if (what == "declare") {
        declare();
    } else {
        fail("a statement");
    }
}

void parser::declare() {
    if (is_one({"continue", "exit", "undo"}) && is("handler", 1)) {
        at_ += 2;
        expect("for");
        do {
            if (accept("sqlstate")) {
                accept("value");
                literal_value();
            } else if (accept("not")) {
                expect("found");
            } else if (!accept_one({"sqlwarning", "sqlexception"})) {
                skip_value();
            }
        } while (accept_symbol(","));
        return statement_text();
    }
    name();
    while (accept_symbol(",")) name();
    if (accept("condition")) {
        expect("for");
        return skip_statement();
    }
    if (accept("cursor")) {
        if (is_symbol("(")) skip_parentheses();
        expect("for");
        return statement_text();
    }
    while (!at_end() && !is("default")) skip_value();
    if (accept("default")) any_expression();
}

}  // namespace ringway::router::mysql
