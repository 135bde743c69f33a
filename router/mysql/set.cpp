// SET in its forms.

#include <algorithm>

#include "router/mysql/parser.hpp"

namespace ringway::router::mysql {

namespace {

bool is_global(std::string_view scope) {
    return scope == "global" || scope == "persist" || scope == "persist_only";
}

/// Without a scope @@tx_isolation = ... is for the next transaction only.
bool is_of_transaction(std::string_view name) {
    return name == "transaction_isolation" || name == "tx_isolation" || name == "transaction_read_only" ||
           name == "tx_read_only";
}

value_source constant(std::string_view text) {
    value_source out;
    out.what = value_source::from::constant;
    out.constant = text;
    return out;
}

}  // namespace

void parser::set_statement() {
    made_->verb = verb::set;
    expect("set");
    if (is("statement") && !is_symbol("=", 1) && !is_symbol(":=", 1)) return set_for_statement();
    if (is("password") && !is_symbol(".", 1)) {
        made_->verb = verb::ddl;
        changes_definitions();
        return skip_statement();
    }
    if (is("role") && !is_symbol("=", 1) && !is_symbol(":=", 1)) {
        take();
        const auto from = peek().offset;
        auto& made = add_effect(effect::kind::set, "role");
        made.values.push_back(is("none") ? constant("none") : constant(is_name() ? name_of(peek()) : std::string("")));
        skip_statement();
        made_->effects.back().body = since(from);
        return;
    }
    if (is("default") && is("role", 1)) {
        made_->verb = verb::ddl;
        changes_definitions();
        return skip_statement();
    }
    if (is("resource") && is("group", 1)) {
        add_pin("resource group");
        return skip_statement();
    }
    scope_.clear();
    do set_one();
    while (accept_symbol(","));
}

void parser::set_one() {
    if (is("names") && !is_symbol("=", 1) && !is_symbol(":=", 1)) return set_names();
    if ((is("character") || is("char")) && is("set", 1)) {
        take();
        return set_names();
    }
    if (is("charset") && !is_symbol("=", 1) && !is_symbol(":=", 1)) return set_names();
    if (peek().kind == token_kind::user_variable) {
        auto name = user_variable_name(take());
        if (!accept_symbol(":=")) expect_symbol("=");
        effect made{effect::kind::set_user_variable, name, {}, {}, {}, {}};
        set_value(made);
        if (is_new('s', name)) made_->user_variables_set.push_back(std::move(name));
        made_->effects.push_back(std::move(made));
        return;
    }
    if (is_one({"global", "session", "local", "persist", "persist_only"}) && !is_symbol("=", 1) &&
        !is_symbol(":=", 1)) {
        scope_ = folded(take());
        if (scope_ == "local") scope_ = "session";
    }
    if (is("transaction") && (is_one({"isolation", "read"}, 1))) return set_transaction();
    bool at_signs = false;
    std::string scope = scope_;
    if (accept_symbol("@@")) {
        at_signs = true;
        if (is_symbol(".", 1)) {
            const auto first = folded(peek());
            if (first == "global" || first == "session" || first == "local" || first == "persist" ||
                first == "persist_only") {
                scope = first == "local" ? "session" : std::string(first);
                at_ += 2;
            } else {
                scope.clear();
            }
        } else {
            scope.clear();
        }
    }
    if (peek().kind != token_kind::word && peek().kind != token_kind::quoted_name) return fail("a variable");
    auto name = name_of(take());
    while (accept_symbol(".")) name += "." + name_of(take());
    std::transform(name.begin(), name.end(), name.begin(), lower);
    if (!accept_symbol("=") && !accept_symbol(":=")) return fail("=");
    effect made{effect::kind::set, name, {}, {}, {}, {}};
    if (is_global(scope))
        made.what = effect::kind::set_global;
    else if (at_signs && scope.empty() && is_of_transaction(name))
        made.what = effect::kind::set_local;
    if (is("default") && !is_symbol("(", 1)) {
        const auto from = peek().offset;
        take();
        made.body = since(from);
        value_source by_default;
        by_default.constant = "default";
        made.values.push_back(std::move(by_default));
        if (made.what == effect::kind::set) made.what = effect::kind::reset;
    } else {
        set_value(made);
    }
    if (made_->name.empty()) made_->name = made.name;
    made_->effects.push_back(std::move(made));
}

/// What stands after = as a source of its value, and its place. A bare word is a constant.
void parser::set_value(effect& made) {
    const auto from = peek().offset;
    if (is_one({"on", "all", "binary", "row", "system"}) &&
        (at_ + 1 >= tokens_.size() || is_symbol(",", 1) || is_symbol(";", 1) || peek(1).kind == token_kind::end ||
         is("for", 1))) {
        made.values.push_back(constant(source(take())));
    } else {
        const bool word = peek().kind == token_kind::word || peek().kind == token_kind::quoted_name;
        const auto written = word ? name_of(peek()) : std::string();
        const auto start = at_;
        auto value = any_expression();
        const bool bare = value.what == kind::column && at_ == start + 1;
        made.values.push_back(bare ? constant(written) : source_of(value));
    }
    made.body = since(from);
}

/// NAMES 'utf8' COLLATE ..., CHARACTER SET 'utf8': names of settings "names" and "character set".
void parser::set_names() {
    const bool names = is("names");
    take();
    effect made{effect::kind::set, names ? "names" : "character set", {}, {}, {}, {}};
    const auto from = peek().offset;
    const auto one = [&] {
        if (is_string()) {
            made.values.push_back(string_source());
        } else if (accept("default")) {
            made.values.emplace_back().constant = "default";
        } else if (accept("binary")) {
            made.values.push_back(constant("binary"));
        } else {
            made.values.push_back(constant(name()));
        }
    };
    accept_symbol("=");
    one();
    if (names && accept("collate")) one();
    made.body = since(from);
    if (made_->name.empty()) made_->name = made.name;
    made_->effects.push_back(std::move(made));
}

/// TRANSACTION ISOLATION LEVEL ..., READ ONLY.
void parser::set_transaction() {
    expect("transaction");
    made_->name = "transaction";
    const auto what = is_global(scope_) ? effect::kind::set_global
                      : scope_.empty()  ? effect::kind::set_local
                                        : effect::kind::set;
    do {
        const auto from = peek().offset;
        effect made{what, {}, {}, {}, {}, {}};
        if (accept("isolation")) {
            expect("level");
            made.name = "transaction_isolation";
            std::string level;
            if (accept("serializable"))
                level = "SERIALIZABLE";
            else if (accept("repeatable", "read"))
                level = "REPEATABLE-READ";
            else if (accept("read", "committed"))
                level = "READ-COMMITTED";
            else if (accept("read", "uncommitted"))
                level = "READ-UNCOMMITTED";
            else
                fail("an isolation level");
            made.values.push_back(constant(level));
        } else {
            expect("read");
            made.name = "transaction_read_only";
            made.values.push_back(constant(is("only") ? "1" : "0"));
            if (!accept_one({"only", "write"})) fail("ONLY");
        }
        made.body = since(from);
        made_->effects.push_back(std::move(made));
    } while (accept_symbol(","));
}

/// SET STATEMENT a = 1, b = 2 FOR statement
void parser::set_for_statement() {
    expect("statement");
    std::vector<std::string> names;
    do {
        auto setting = column_name();
        while (accept_symbol(".")) setting += "." + column_name();
        names.push_back(std::move(setting));
        if (!accept_symbol("=") && !accept_symbol(":=")) return fail("=");
        if (!accept_one({"default", "on", "all", "binary"})) any_expression();
    } while (accept_symbol(","));
    expect("for");
    made_->statement_settings = std::move(names);
    const level here(*this);
    statement_text();
}

}  // namespace ringway::router::mysql
