#include "router/mysql/parser.hpp"

#include <algorithm>

#include "router/mysql/parse.hpp"
#include "router/mysql/shape.hpp"
#include "router/mysql/words.hpp"

namespace ringway::router::mysql {

namespace {

/// A parenthesis takes two, a call three.
constexpr int most_levels = 400;

literal_kind kind_of(token_kind kind) {
    switch (kind) {
        case token_kind::integer:
            return literal_kind::integer;
        case token_kind::decimal:
            return literal_kind::decimal;
        case token_kind::national:
            return literal_kind::national_string;
        case token_kind::bits:
            return literal_kind::bit_string;
        default:
            return literal_kind::string;
    }
}

bool is_literal_kind(token_kind kind) {
    return kind == token_kind::integer || kind == token_kind::decimal || kind == token_kind::string ||
           kind == token_kind::national || kind == token_kind::bits;
}

/// "/* ringway: role=primary shard=s1 */".
void read_hint(std::string_view comment, routing_hint& out) {
    auto body = comment.substr(2, comment.size() - 4);
    body.remove_prefix(std::min(body.find(':') + 1, body.size()));
    while (true) {
        while (!body.empty() && (is_space(body.front()) || body.front() == ',')) body.remove_prefix(1);
        if (body.empty()) return;
        const auto end = body.find_first_of(" \t\n\v\f\r,");
        const auto wish = body.substr(0, end);
        body.remove_prefix(std::min(wish.size(), body.size()));
        if (wish == "role=primary") {
            out.role = routing_hint::role_wish::primary;
        } else if (wish == "role=replica") {
            out.role = routing_hint::role_wish::replica;
        } else if (wish.starts_with("shard=") && wish.size() > 6) {
            out.shard = wish.substr(6);
        } else {
            out.unknown = wish;
        }
    }
}

}  // namespace

parser::parser(std::string_view text, const mysql_modes& modes, analysis& out)
    : text_(text), modes_(modes), out_(out), folded_(text) {
    std::transform(folded_.begin(), folded_.end(), folded_.begin(), lower);
    lexer in(text, modes);
    std::uint32_t parameters = 0;
    while (true) {
        const auto found = in.next();
        if (found.kind == token_kind::end || found.kind == token_kind::bad) {
            tokens_.push_back(found);
            literal_index_.push_back(0);
            break;
        }
        if (found.kind == token_kind::hint) read_hint(source(found), out_.hint);
        if (found.kind == token_kind::hint || found.kind == token_kind::comment_open ||
            found.kind == token_kind::comment_close)
            continue;
        literal_index_.push_back(found.kind == token_kind::parameter ? parameters++
                                                                     : static_cast<std::uint32_t>(literals_.size()));
        if (is_literal_kind(found.kind)) literals_.push_back({found.offset, found.length, kind_of(found.kind)});
        tokens_.push_back(found);
    }
    end_ = tokens_.back();
    end_.kind = token_kind::end;
    end_.length = 0;
    out_.parameters = static_cast<std::uint16_t>(std::min<std::uint32_t>(parameters, 65535));
}

// ---- tokens ---------------------------------------------------------------------------------------------------------

const token& parser::peek(std::size_t ahead) const {
    if (failed_ || at_ + ahead >= tokens_.size()) return end_;
    return tokens_[at_ + ahead];
}

std::string_view parser::folded(const token& of) const {
    return std::string_view(folded_).substr(of.offset, of.length);
}

bool parser::is(std::string_view word, std::size_t ahead) const {
    const auto& found = peek(ahead);
    return found.kind == token_kind::word && found.length == word.size() && !found.plain_name && folded(found) == word;
}

bool parser::is_one(words some, std::size_t ahead) const {
    return std::any_of(some.begin(), some.end(), [this, ahead](std::string_view each) { return is(each, ahead); });
}

bool parser::is_symbol(std::string_view symbol, std::size_t ahead) const {
    const auto& found = peek(ahead);
    return found.kind == token_kind::symbol && source(found) == symbol;
}

bool parser::is_name(std::size_t ahead) const {
    const auto& found = peek(ahead);
    if (found.kind == token_kind::quoted_name) return true;
    return found.kind == token_kind::word && (found.plain_name || !is_reserved(folded(found), modes_));
}

bool parser::is_literal(std::size_t ahead) const {
    return is_literal_kind(peek(ahead).kind);
}

bool parser::is_number(std::size_t ahead) const {
    const auto what = peek(ahead).kind;
    return what == token_kind::integer || what == token_kind::decimal || what == token_kind::bits;
}

/// Whether a query starts here, without parentheses around it.
bool parser::is_query(std::size_t ahead) const {
    if (is_one({"select", "with"}, ahead)) return true;
    if (is("table", ahead)) return !modes_.mariadb;
    return is("values", ahead) && (is_symbol("(", ahead + 1) || is("row", ahead + 1));
}

bool parser::at_end() const {
    return peek().kind == token_kind::end || is_symbol(";");
}

token parser::take() {
    const auto found = peek();
    if (found.kind == token_kind::bad) {
        fail("unterminated text, name or comment");
        return end_;
    }
    if (!failed_ && at_ < tokens_.size() && found.kind != token_kind::end) ++at_;
    return found;
}

bool parser::accept(std::string_view word) {
    if (!is(word)) return false;
    ++at_;
    return true;
}

bool parser::accept(std::string_view first, std::string_view second) {
    if (!is(first) || !is(second, 1)) return false;
    at_ += 2;
    return true;
}

bool parser::accept_one(words some) {
    if (!is_one(some)) return false;
    ++at_;
    return true;
}

bool parser::accept_symbol(std::string_view symbol) {
    if (!is_symbol(symbol)) return false;
    ++at_;
    return true;
}

void parser::expect(std::string_view word) {
    if (!accept(word)) fail(word);
}

void parser::expect_symbol(std::string_view symbol) {
    if (!accept_symbol(symbol)) fail(symbol);
}

void parser::fail(std::string_view why) {
    if (failed_) return;
    error_at_ = peek().offset;
    error_ = "cannot be read here, where it should go on with: " + std::string(why);
    failed_ = true;
}

std::uint32_t parser::last_stop() const {
    return at_ == 0 ? 0 : tokens_[at_ - 1].stop();
}

/// The inside of `a` or "a", doubled quotes undone.
std::string parser::unquoted(std::string_view quoted) const {
    std::string out;
    if (quoted.size() < 2) return out;
    const char quote = quoted.front();
    const char* p = quoted.data() + 1;
    const char* const end = quoted.data() + quoted.size() - 1;
    while (p < end) {
        const auto length = character_length(p, end, modes_.charset);
        out.append(p, length);
        p += length == 1 && *p == quote ? 2 : length;
    }
    return out;
}

std::string parser::name_of(const token& of) const {
    return of.kind == token_kind::quoted_name ? unquoted(source(of)) : std::string(source(of));
}

std::string parser::name() {
    if (!is_name()) {
        fail("a name");
        return {};
    }
    return name_of(take());
}

namespace {
std::string lowered(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), lower);
    return text;
}
}  // namespace

/// Of what has names without regard to case: columns, settings, functions.
std::string parser::column_name() {
    return lowered(name());
}

std::string parser::name_or_string() {
    if (!is_string()) return name();
    const auto index = literal_index_[at_];
    take();
    return mysql_literal_value(text_, literals_[index], modes_);
}

std::string parser::user_variable_name(const token& of) const {
    const auto inside = source(of).substr(1);
    if (inside.empty() || is_word(inside.front()) || inside.front() == '.') return lowered(std::string(inside));
    if (inside.front() == '\'' || (inside.front() == '"' && !modes_.ansi_quotes))
        return lowered(mysql_literal_value(text_, {of.offset + 1, of.length - 1, literal_kind::string}, modes_));
    return lowered(unquoted(inside));
}

/// a, a.b, .b
table_ref parser::table_name(bool written) {
    table_ref out;
    out.written = written;
    accept_symbol(".");
    out.name = name();
    if (is_symbol(".") && !is_symbol("*", 1)) {
        take();
        out.schema = std::move(out.name);
        out.name = name();
    }
    if (modes_.folds_tables) {
        out.name = lowered(std::move(out.name));
        out.schema = lowered(std::move(out.schema));
    }
    return out;
}

/// From an opening parenthesis to the one that closes it.
void parser::skip_parentheses() {
    expect_symbol("(");
    for (int open = 1; open > 0 && peek().kind != token_kind::end;) {
        if (is_symbol("(")) ++open;
        if (is_symbol(")")) --open;
        if (is_symbol(";") || peek().kind == token_kind::bad) return fail(")");
        take();
    }
    if (peek().kind == token_kind::end && last_stop() > 0 && text_[last_stop() - 1] != ')') fail(")");
}

/// One token or one parenthesis.
void parser::skip_value() {
    if (is_symbol("("))
        skip_parentheses();
    else
        take();
}

/// All that is left of a statement without a body.
void parser::skip_statement() {
    while (!at_end()) skip_value();
}

value_source parser::string_source() {
    value_source out;
    if (!is_string()) {
        fail("a string");
        return out;
    }
    out.what = value_source::from::literal;
    out.index = literal_index_[at_];
    take();
    return out;
}

parser::level::level(parser& of) : of_(of) {
    if (++of_.depth_ <= most_levels) return;
    of_.too_deep_ = true;
    of_.fail("less depth");
}

// ---- what statements do ---------------------------------------------------------------------------------------------

/// False: the statement has it noted already.
bool parser::is_new(char what, std::string_view name, std::string_view schema) {
    std::string key(1, what);
    key.append(schema).append(1, '\0').append(name);
    return noted_.insert(std::move(key)).second;
}

void parser::add_pin(std::string_view why) {
    if (!is_new('p', why)) return;
    made_->effects.push_back({effect::kind::pin, {}, {}, {}, {}, std::string(why)});
}

effect& parser::add_effect(effect::kind what, std::string name) {
    made_->effects.push_back({what, std::move(name), {}, {}, {}, {}});
    return made_->effects.back();
}

void parser::add_function(std::string schema, std::string name) {
    if (is_new('f', name, schema)) made_->functions.emplace_back(std::move(schema), std::move(name));
}

void parser::read_user_variable(std::string name) {
    if (is_new('r', name)) made_->user_variables_read.push_back(std::move(name));
}

/// Anywhere but in SET, where its value is told.
void parser::set_user_variable(std::string name) {
    if (!is_new('s', name)) return;
    made_->user_variables_set.push_back(name);
    add_effect(effect::kind::set_user_variable, std::move(name));
}

void parser::changes_definitions() {
    made_->writes = true;
    made_->implicit_commit = true;
    add_effect(effect::kind::catalog_changed);
}

// ---- texts ----------------------------------------------------------------------------------------------------------

namespace {

/// Whatever it did must not reach another client.
statement unknown_statement(span32 where) {
    statement out;
    out.where = where;
    out.writes = true;
    out.block.exact = false;
    out.effects.push_back({effect::kind::settings_unknown, {}, {}, {}, {}, {}});
    out.effects.push_back({effect::kind::pin, {}, {}, {}, {}, "a statement of an unknown syntax"});
    return out;
}

/// Plans that name places or values of the text serve no other text of the shape.
bool names_places(const statement& made) {
    return std::any_of(made.effects.begin(), made.effects.end(), [](const effect& each) {
        switch (each.what) {
            case effect::kind::set:
            case effect::kind::set_local:
            case effect::kind::set_global:
            case effect::kind::prepare:
            case effect::kind::execute:
            case effect::kind::execute_immediate:
            case effect::kind::deallocate:
                return true;
            case effect::kind::set_user_variable:
                return each.body.length > 0;
            default:
                return false;
        }
    });
}

}  // namespace

void parser::run() {
    if (modes_.oracle) fail("MySQL's own grammar");
    std::uint32_t from = 0;
    while (true) {
        while (accept_symbol(";")) {
        }
        from = peek().offset;
        if (failed_ || peek().kind == token_kind::end) break;
        statement made;
        made.where.offset = from;
        made.names.unsure = true;  // nothing of MySQL's is gathered yet
        made_ = &made;
        noted_.clear();
        block_ = &made.block;
        statement_text();
        if (!at_end()) fail("the end of the statement");
        if (failed_) break;
        made.where = since(from);
        out_.cacheable &= !names_places(made);
        out_.statements.push_back(std::move(made));
    }
    made_ = nullptr;
    out_.cacheable &= !folded_values_ && out_.statements.size() <= 1;  // where a second one begins differs
    if (!failed_) return;
    out_.cacheable = false;
    out_.too_deep = too_deep_;
    out_.error = std::move(error_);
    out_.error_position = static_cast<std::int32_t>(error_at_);
    if (out_.statements.empty()) from = 0;
    out_.statements.push_back(unknown_statement({from, static_cast<std::uint32_t>(text_.size()) - from}));
}

}  // namespace ringway::router::mysql

namespace ringway::router {

analysis parse_mysql(std::string_view text, const mysql_modes& modes) {
    analysis out;
    mysql::parser(text, modes, out).run();
    return out;
}

}  // namespace ringway::router
