// Functions of the statement before, and of the connection, whose values are known here only: their calls become
// values.

#include <fmt/format.h>

#include <algorithm>
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

/// The text with the values in; nullopt: nothing is to be replaced. A column of the result keeps its name.
std::optional<std::string> session::rewritten(const reading& text, std::string_view sql) const {
    if (sets_tracking(text)) return keeping_track(sql);
    const auto& statements = text.parsed().statements;
    if (statements.size() == 1 && statements[0].verb == router::verb::show)
        if (auto status = tls_status(sql)) return status;
    bool asks = false;
    const bool elsewhere =
        !talk_ || !talk_->touched || talk_->overlaid;  // the statement before may have run on another connection
    for (const auto& each : text.parsed().statements)
        asks = asks || each.asks_connection_id || (elsewhere && (each.asks_row_count || each.asks_found_rows));
    if (!asks) return std::nullopt;
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
            const bool named = at - item > 1 && last.kind != token_kind::symbol && last.kind != token_kind::integer &&
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
        const bool call = one.kind == token_kind::word && i + 2 < tokens.size() && text_of(tokens[i + 1]) == "(" &&
                          text_of(tokens[i + 2]) == ")";
        if (!call) continue;
        std::string value;
        if (word == "connection_id") value = fmt::format("CAST({} AS UNSIGNED)", who_.id);
        if (word == "row_count" && elsewhere) value = fmt::format("CAST({} AS SIGNED)", row_count_);
        if (word == "found_rows" && elsewhere) value = fmt::format("CAST({} AS SIGNED)", found_rows_);
        if (value.empty()) continue;
        copy_to(one.offset);
        out += value;
        copied = tokens[i + 2].stop();
        changed = item_changed = any = true;
        i += 2;
    }
    if (listing) end_item(tokens.size());
    if (!any || !changed) return std::nullopt;
    copy_to(sql.size());
    return out;
}

}  // namespace ringway::proxy::mysql
