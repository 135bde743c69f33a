// Functions of the statement before, and of the connection, whose values are known here only: their calls become
// values.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "proxy/mysql/session.hpp"
#include "router/mysql/lexer.hpp"

namespace ringway::proxy::mysql {

namespace {

using router::mysql::token;
using router::mysql::token_kind;

std::string lowered(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = router::mysql::lower(c);
    return out;
}

bool is_clause(const std::string& word) {
    return word == "from" || word == "into" || word == "where" || word == "order" || word == "limit" ||
           word == "union" || word == "group" || word == "having" || word == "for";
}

/// A word that stands at an expression's end, and is no alias there.
bool ends_expression(const std::string& word) {
    return word == "null" || word == "true" || word == "false" || word == "unknown" || word == "end";
}

/// A word before an operand: what follows is no alias.
bool takes_operand(const std::string& word) {
    static constexpr std::array<std::string_view, 15> all{"and", "between", "binary", "collate", "distinct",
                                                          "div", "in",      "is",     "like",    "mod",
                                                          "not", "or",      "regexp", "rlike",   "xor"};
    return std::find(all.begin(), all.end(), word) != all.end();
}

/// Lists of connections, by the ids that one server gives them.
bool lists_connections(const router::query_block& block) {
    for (const auto& table : block.tables) {
        const auto schema = lowered(table.schema), name = lowered(table.name);
        if (schema == "performance_schema" || schema == "sys") return true;
        if (schema == "information_schema" && (name == "processlist" || name == "metadata_lock_info" ||
                                               name.starts_with("innodb_trx") || name.starts_with("innodb_lock")))
            return true;
    }
    return std::any_of(block.children.begin(), block.children.end(), lists_connections);
}

/// Which of a text's statements has the byte.
std::size_t statement_at(const router::analysis& parsed, std::uint32_t offset) {
    std::size_t at = 0;
    while (at + 1 < parsed.statements.size() && parsed.statements[at + 1].where.offset <= offset) ++at;
    return at;
}

}  // namespace

/// Whether a SET would change what the server tells of changes, by which the session is followed.
bool sets_tracking(const reading& text) {
    using kind = router::effect::kind;
    for (const auto& each : text.parsed().statements)
        for (const auto& what : each.effects) {
            const bool own = what.what == kind::set || what.what == kind::set_local || what.what == kind::reset;
            if (own && what.name.starts_with(tracking_variables)) return true;
        }
    return false;
}

/// The same text with those variables set to what they are: all changes are told, more than any client asks for.
std::string session::keeping_track(std::string_view sql) const {
    std::string out;
    std::size_t copied = 0;
    std::string name;  // of the assignment whose value is being passed
    int depth = 0;
    token variable, last;
    router::mysql::lexer words(sql, modes());
    const auto finish = [&](std::size_t to) {
        if (name.empty()) return;
        out += fmt::format(" @@SESSION.{}", std::exchange(name, {}));
        copied = to;
    };
    for (auto next = words.next(); next.kind != token_kind::end && next.kind != token_kind::bad; next = words.next()) {
        const auto written = sql.substr(next.offset, next.length);
        if (written == "(") ++depth;
        if (written == ")") --depth;
        if (depth == 0 && (written == "," || written == ";")) finish(last.stop());
        auto known = lowered(sql.substr(variable.offset, variable.length));
        std::erase(known, '`');
        if (name.empty() && (written == "=" || written == ":=") && known.starts_with(tracking_variables)) {
            out.append(sql.substr(copied, next.stop() - copied));
            name = std::move(known);
        }
        variable = last = next;
    }
    finish(last.stop());
    out.append(sql.substr(copied));
    return out;
}

/// SHOW STATUS LIKE 'Ssl_cipher' or 'Ssl_version' is about the client's connection, not the one to a server.
std::optional<std::string> session::tls_status(std::string_view sql) const {
    router::mysql::lexer words(sql, modes());
    std::string all, wanted;
    for (auto next = words.next(); next.kind != token_kind::end; next = words.next()) {
        const auto written = sql.substr(next.offset, next.length);
        if (written == ";") continue;
        if (next.kind == token_kind::bad || !wanted.empty()) return std::nullopt;
        if (next.kind == token_kind::string)
            wanted = lowered(written);
        else
            all += lowered(written) + " ";
    }
    const bool ours =
        all == "show status like " || all == "show session status like " || all == "show local status like ";
    if (!ours || wanted.size() < 2) return std::nullopt;
    wanted = wanted.substr(1, wanted.size() - 2);
    const auto* const tls = client_.tls();
    const auto told = [](std::string_view name, const std::string& value) {
        return fmt::format("SELECT '{}' AS `Variable_name`, '{}' AS `Value`", name, value);
    };
    if (wanted == "ssl_cipher") return told("Ssl_cipher", tls ? tls->cipher() : std::string());
    if (wanted == "ssl_version") return told("Ssl_version", tls ? tls->version() : std::string());
    return std::nullopt;
}

/// Of a system variable that tells what only Ringway knows; empty: the server's will do.
std::string session::variable_value(const std::string& name, bool diagnostics, bool servers_ids) const {
    const bool kept = std::find(pins_.begin(), pins_.end(), "SET pseudo_thread_id") == pins_.end();
    if (name == "pseudo_thread_id" && kept && !servers_ids)
        return fmt::format("IF(0,@@{},CAST({} AS UNSIGNED))", name, who_.id);
    if (name == "warning_count" && diagnostics)
        return fmt::format("IF(0,@@{},CAST({} AS UNSIGNED))", name, warning_count_);
    if (name == "error_count" && diagnostics && error_count_)
        return fmt::format("IF(0,@@{},CAST({} AS UNSIGNED))", name, *error_count_);
    return {};
}

/// The text with the values in; nullopt: nothing is to be replaced. A column of the result keeps its name.
std::optional<std::string> session::rewritten(const reading& text, std::string_view sql) const {
    if (sets_tracking(text)) return keeping_track(sql);
    const auto& statements = text.parsed().statements;
    if (statements.size() == 1 && statements[0].verb == router::verb::show)
        if (auto status = tls_status(sql)) return status;
    bool asks = false;
    const bool elsewhere = !touched_here(), counted_elsewhere = !counted_here() && found_known_;
    const bool diagnostics_here = warning_count_ == 0 || has_own_diagnostics();
    bool calls_connection_id = false, finds_lock_owner = false, lists = false;
    for (const auto& each : text.parsed().statements) {
        asks = asks || each.asks_connection_id || (elsewhere && each.asks_row_count) ||
               (counted_elsewhere && each.asks_found_rows) || (!diagnostics_here && each.asks_warnings);
        lists = lists || lists_connections(each.block);
        for (const auto& [schema, name] : each.functions) {
            calls_connection_id = calls_connection_id || name == "connection_id";
            finds_lock_owner = finds_lock_owner || name == "is_used_lock";
        }
    }
    // Where a text compares with the server's ids of connections, its own is the server's too.
    const bool servers_ids = lists || (finds_lock_owner && calls_connection_id);
    const bool owns_lock = finds_lock_owner && !calls_connection_id && user_locks_ > 0;
    const bool asks_sequence = asks_last_value(text);
    if (!asks && !owns_lock && !asks_sequence) return std::nullopt;
    std::set<std::string> drawn;  // by the text itself: the server has that
    std::vector<token> tokens;
    router::mysql::lexer words(sql, modes());
    for (auto next = words.next(); next.kind != token_kind::end && next.kind != token_kind::bad; next = words.next())
        tokens.push_back(next);
    const auto text_of = [&](const token& which) { return sql.substr(which.offset, which.length); };
    std::string out;
    std::size_t copied = 0, item = 0;
    int depth = 0;
    bool listing = false, changed = false, item_changed = false, any = false;
    const auto copy_to = [&](std::size_t to) {
        out.append(sql.substr(copied, to - copied));
        copied = to;
    };
    // The end of an item of the outermost SELECT before token `at`: without an alias it is named as it was written.
    const auto end_item = [&](std::size_t at) {
        if (item_changed && at > item) {
            const auto& last = tokens[at - 1];
            const bool named = at - item > 1 && !ends_expression(lowered(text_of(last))) &&
                               !takes_operand(lowered(text_of(tokens[at - 2]))) && last.kind != token_kind::symbol &&
                               last.kind != token_kind::integer &&
                               (tokens[at - 2].kind != token_kind::symbol || text_of(tokens[at - 2]) == ")");
            if (!named) {
                copy_to(last.stop());
                std::string name(sql.substr(tokens[item].offset, last.stop() - tokens[item].offset));
                for (std::size_t i = 0; i < name.size(); ++i)
                    if (name[i] == '`') name.insert(i++, 1, '`');
                out += fmt::format(" AS `{}`", name);
            }
        }
        item_changed = false;
        item = at + 1;
    };
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        const auto& one = tokens[i];
        const auto word =
            one.kind == token_kind::word || one.kind == token_kind::symbol ? lowered(text_of(one)) : std::string();
        if (one.kind == token_kind::word && word == "select" && depth == 0) {
            listing = true;
            item = i + 1;
        } else if (listing && depth == 0 && (word == "," || word == ";" || is_clause(word))) {
            end_item(i);
            listing = word == ",";
        }
        if (word == "(") ++depth;
        if (word == ")") --depth;
        const auto which = statement_at(text.parsed(), one.offset);
        std::size_t last = i + 2;
        std::string value;
        if (word == "@@") {
            last = i + 1;
            if (last + 2 < tokens.size() && text_of(tokens[last + 1]) == ".") last += 2;
            if (last >= tokens.size()) continue;
            const bool assigned = text.parsed().statements[which].verb == router::verb::set &&
                                  last + 1 < tokens.size() &&
                                  (text_of(tokens[last + 1]) == "=" || text_of(tokens[last + 1]) == ":=");
            if (assigned) continue;
            value = variable_value(lowered(text_of(tokens[last])), which == 0 && !diagnostics_here, servers_ids);
        } else if (word == "is_used_lock" && owns_lock && i + 1 < tokens.size() && text_of(tokens[i + 1]) == "(") {
            int open = 0;
            for (last = i + 1; last < tokens.size(); ++last) {
                const auto mark = text_of(tokens[last]);
                open += mark == "(" ? 1 : mark == ")" ? -1 : 0;
                if (open == 0) break;
            }
            if (last >= tokens.size()) continue;
            const auto of = sql.substr(one.offset, tokens[last].stop() - one.offset);
            value = fmt::format("IF({0}=CONNECTION_ID(),CAST({1} AS UNSIGNED),{0})", of, who_.id);
        } else if (const auto sequence = asks_sequence ? sequence_call_at(sql, tokens, i) : std::nullopt) {
            if (sequence->draws) drawn.insert(sequence->name);
            if (sequence->name.empty() || sequence->draws || drawn.contains(sequence->name)) continue;
            last = sequence->last;
            value = last_value(sql.substr(one.offset, tokens[last].stop() - one.offset), sequence->name);
        } else if (one.kind == token_kind::word && last < tokens.size() && text_of(tokens[i + 1]) == "(" &&
                   text_of(tokens[last]) == ")") {
            // The call itself gives the value its type.
            const auto& all = text.parsed().statements;
            const bool found_before =
                counted_elsewhere && std::all_of(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(which),
                                                 [this](const router::statement& each) {
                                                     return counting_of(each, is_mariadb()) == counting::keeps;
                                                 });
            if (word == "connection_id" && !servers_ids)
                value = fmt::format("IF(0,CONNECTION_ID(),CAST({} AS UNSIGNED))", who_.id);
            if (word == "row_count" && elsewhere && which == 0) value = fmt::format("IF(0,ROW_COUNT(),{})", row_count_);
            if (word == "found_rows" && found_before) value = fmt::format("IF(0,FOUND_ROWS(),{})", found_rows_);
        }
        if (value.empty()) continue;
        copy_to(one.offset);
        out += value;
        copied = tokens[last].stop();
        changed = item_changed = any = true;
        i = last;
    }
    if (listing) end_item(tokens.size());
    if (!any || !changed) return std::nullopt;
    copy_to(sql.size());
    return out;
}

}  // namespace ringway::proxy::mysql
