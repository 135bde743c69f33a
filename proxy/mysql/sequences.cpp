// MariaDB's LASTVAL() knows what its server connection has drawn from a sequence, whoever that was: what a client has
// drawn by its texts is asked for when it leaves a connection, and becomes LASTVAL()'s value in its later texts. What
// draws or asks without a word of the text (routines, triggers, defaults) keeps its connection, on which nobody else
// has drawn before.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "proxy/mysql/session.hpp"
#include "router/mysql/lexer.hpp"

namespace ringway::proxy::mysql {

namespace {

using router::mysql::token;
using router::mysql::token_kind;

bool calls(const reading& text, std::string_view function) {
    const auto& all = text.parsed().statements;
    return std::any_of(all.begin(), all.end(), [function](const router::statement& each) {
        return std::any_of(each.functions.begin(), each.functions.end(),
                           [function](const auto& one) { return one.first.empty() && one.second == function; });
    });
}

bool is_word(std::string_view sql, const token& one, std::string_view word) {
    const auto written = sql.substr(one.offset, one.length);
    return one.kind == token_kind::word && written.size() == word.size() &&
           std::equal(word.begin(), word.end(), written.begin(),
                      [](char a, char b) { return a == router::mysql::lower(b); });
}

}  // namespace

/// NEXTVAL(s), NEXT VALUE FOR s, LASTVAL(s), PREVIOUS VALUE FOR s from token `at` on.
std::optional<session::sequence_call> session::sequence_call_at(std::string_view sql, const std::vector<token>& tokens,
                                                                std::size_t at) const {
    const auto next_is = [&](std::size_t i, std::string_view what) {
        return i < tokens.size() &&
               (sql.substr(tokens[i].offset, tokens[i].length) == what || is_word(sql, tokens[i], what));
    };
    const bool by_words = next_is(at + 1, "value") && next_is(at + 2, "for");
    const bool called = next_is(at + 1, "(");
    sequence_call out;
    out.draws = (called && next_is(at, "nextval")) || (by_words && next_is(at, "next"));
    const bool asks = (called && next_is(at, "lastval")) || (by_words && next_is(at, "previous"));
    if (!out.draws && !asks) return std::nullopt;
    auto i = at + (called ? 2 : 3);
    std::vector<std::string> parts;
    for (;; i += 2) {
        if (i >= tokens.size()) return out;
        auto name = std::string(sql.substr(tokens[i].offset, tokens[i].length));
        if (tokens[i].kind == token_kind::quoted_name) name = name.substr(1, name.size() - 2);
        if (name.find('`') != std::string::npos) return out;
        parts.push_back(std::move(name));
        if (!next_is(i + 1, ".")) break;
    }
    if (parts.size() > 2 || (called && !next_is(i + 1, ")"))) return out;
    if (parts.size() == 1) parts.insert(parts.begin(), database_);
    out.last = called ? i + 1 : i;
    out.name = fmt::format("`{}`.`{}`", parts[0], parts[1]);
    return out;
}

bool session::draws_by_name(const reading& text) const {
    return is_mariadb() && calls(text, "nextval");
}

bool session::asks_last_value(const reading& text) const {
    return is_mariadb() && calls(text, "lastval");
}

/// It may draw or ask in a way that its text does not tell.
bool session::hides_sequences(const reading& text) const {
    using router::verb;
    const auto& all = text.parsed().statements;
    return text.unknown() || std::any_of(all.begin(), all.end(), [](const router::statement& each) {
               return each.verb == verb::call || each.verb == verb::compound || each.verb == verb::prepare ||
                      each.verb == verb::execute ||
                      std::any_of(each.effects.begin(), each.effects.end(), [](const router::effect& what) {
                          return what.what == router::effect::kind::settings_unknown ||
                                 what.what == router::effect::kind::execute_immediate;
                      });
           });
}

/// The leased connection is one on which nobody else has drawn. False: another is sought.
bool session::has_clean_sequences(const reading& text) {
    if (!is_mariadb() || in_transaction() || pinned()) return true;
    auto& server = *talk_->server;
    if (!static_cast<pool::mysql_part&>(*server.part).sequences || !talk_->drawn.empty() || !hides_sequences(text))
        return true;
    server.reset_needed = true;
    release();
    again_ = true;
    return false;
}

/// Of the statement that has been answered.
void session::note_draws(const reading& text, std::string_view sql) {
    if (!is_mariadb()) return;
    auto& part = static_cast<pool::mysql_part&>(*talk_->server->part);
    if (hides_sequences(text)) part.sequences = talk_->draws_unseen = true;
    if (sql.empty()) return;
    part.sequences = true;
    std::vector<token> tokens;
    router::mysql::lexer words(sql, modes());
    for (auto next = words.next(); next.kind != token_kind::end && next.kind != token_kind::bad; next = words.next())
        tokens.push_back(next);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        const auto call = sequence_call_at(sql, tokens, i);
        if (!call || !call->draws) continue;
        if (call->name.empty())
            pin("a sequence's value");
        else
            talk_->drawn.insert(call->name);
    }
}

/// For `call` in a text, LASTVAL(s) of that sequence; empty: the server's will do.
std::string session::last_value(std::string_view call, const std::string& of) const {
    if (talk_ && talk_->drawn.contains(of)) return {};
    const auto known = drawn_values_.find(of);
    const auto value = known == drawn_values_.end() ? std::string("NULL") : known->second;
    if (talk_ && talk_->draws_unseen) return fmt::format("IF({0} IS NULL,{1},{0})", call, value);
    return fmt::format("IF(0,{},{})", call, value);
}

}  // namespace ringway::proxy::mysql
