#include "router/opacity.hpp"

#include <algorithm>
#include <array>

#include "router/lexical.hpp"
#include "router/postgres/lexical.hpp"
#include "router/search_path.hpp"
#include "router/shape.hpp"
#include "router/statement.hpp"
#include "router/volatility.hpp"

namespace ringway::router {

namespace {

using postgres::token_kind;
using source = catalog_function::source;

/// Without one of these no statement of PL/pgSQL reaches a table, but by what it calls.
constexpr std::array<std::string_view, 39> reaching{
    "alter",    "analyze", "call",     "checkpoint", "cluster", "comment", "copy",      "create",
    "delete",   "discard", "do",       "drop",       "execute", "explain", "fetch",     "from",
    "grant",    "import",  "insert",   "listen",     "load",    "lock",    "merge",     "move",
    "notify",   "open",    "prepare",  "rename",     "refresh", "reindex", "reassign",  "revoke",
    "security", "table",   "truncate", "unlisten",   "update",  "vacuum",  "deallocate"};

template <class See>
void each_token(std::string_view text, bool conforming, See&& see) {
    thread_local shape_lexer lexer;
    const auto shape = lexer.scan(text, conforming);
    const std::vector<literal> literals(shape.literals.begin(), shape.literals.end());
    postgres::token_reader in(text, literals);
    for (auto found = in.next(); found.kind != token_kind::end; found = in.next()) see(found, in.text_of(found));
}

std::string unquoted(std::string_view quoted) {
    std::string out;
    for (std::size_t at = 1; at + 1 < quoted.size(); ++at) {
        out += quoted[at];
        if (quoted[at] == '"') ++at;
    }
    return out;
}

std::string folded(std::string_view word) {
    std::string out(word);
    std::transform(out.begin(), out.end(), out.begin(), lexical::lower);
    return out;
}

bool any_table(const query_block& block) {
    return !block.tables.empty() || std::any_of(block.children.begin(), block.children.end(), any_table);
}

/// The queries of an SQL function; of a new-style body what stands within BEGIN ATOMIC, or after RETURN.
std::string queries_of(std::string_view body) {
    constexpr std::string_view atomic = "BEGIN ATOMIC", result = "RETURN ", end = "END";
    const auto first = body.find_first_not_of(" \t\n\r");
    if (first == body.npos) return {};
    body.remove_prefix(first);
    if (body.starts_with(result)) return "SELECT " + std::string(body.substr(result.size()));
    if (!body.starts_with(atomic)) return std::string(body);
    body.remove_prefix(atomic.size());
    const auto last = body.rfind(end);
    return std::string(body.substr(0, last));
}

bool sql_names_tables(std::string_view body) {
    const auto parsed = parse_postgres(queries_of(body));
    if (!parsed.error.empty() || parsed.too_deep) return true;
    return std::any_of(parsed.statements.begin(), parsed.statements.end(), [](const statement& each) {
        const bool reads = each.verb == verb::select || each.verb == verb::empty;
        return !reads || each.writes || any_table(each.block);
    });
}

bool plpgsql_names_tables(std::string_view body) {
    for (const bool conforming : {true, false}) {
        bool found = false;
        each_token(body, conforming, [&](const postgres::token& what, std::string_view text) {
            if (what.kind != token_kind::word) return;
            found |= std::find(reaching.begin(), reaching.end(), folded(text)) != reaching.end();
        });
        if (found) return true;
    }
    return false;
}

/// A name written with escapes is not read here.
bool has_escaped_names(std::string_view text) {
    for (std::size_t at = text.find("&\""); at != text.npos; at = text.find("&\"", at + 1))
        if (at > 0 && lexical::lower(text[at - 1]) == 'u') return true;
    return false;
}

}  // namespace

std::unordered_set<std::string> words_in(std::string_view text) {
    std::unordered_set<std::string> out;
    for (const bool conforming : {true, false}) {
        each_token(text, conforming, [&](const postgres::token& what, std::string_view token) {
            if (what.kind == token_kind::word) out.insert(folded(token));
            if (what.kind == token_kind::quoted_name) out.insert(unquoted(token));
        });
    }
    return out;
}

bool names_tables(source language, std::string_view body) {
    if (body.empty() || has_escaped_names(body)) return true;
    if (language == source::sql) return sql_names_tables(body);
    return language != source::plpgsql || plpgsql_names_tables(body);
}

namespace {

/// Follows the tokens of a trigger function for what may change NEW.
class rewriting {
  public:
    void see(const std::string& token) {
        if (after_ == after::dot)
            found.push_back(token);
        else if (after_ == after::new_row && token != ".")
            found.emplace_back("*");
        else if (after_ == after::return_new && token != ";")
            found.emplace_back("*");
        else if (after_ == after::return_word && token != "new" && token != "old" && token != "null")
            found.emplace_back("*");
        after_ = next(token);
    }

    std::vector<std::string> found;

  private:
    enum class after : std::uint8_t { other, return_word, new_row, return_new, dot };

    after next(const std::string& token) const {
        if (token == "new") return after_ == after::return_word ? after::return_new : after::new_row;
        if (after_ == after::new_row && token == ".") return after::dot;
        return token == "return" ? after::return_word : after::other;
    }

    after after_ = after::other;
};

}  // namespace

/// RETURN NEW changes nothing, NEW.x may change x; whatever else is done with NEW may change any.
std::vector<std::string> columns_rewritten(std::string_view body) {
    std::vector<std::string> out;
    if (body.empty() || has_escaped_names(body)) return {"*"};
    for (const bool conforming : {true, false}) {
        rewriting all;
        each_token(body, conforming, [&](const postgres::token& what, std::string_view text) {
            all.see(what.kind == token_kind::quoted_name ? unquoted(text) : folded(text));
        });
        out.insert(out.end(), all.found.begin(), all.found.end());
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

void find_opaque(std::vector<catalog_function>& functions) {
    std::unordered_set<std::string> opaque;
    std::vector<std::pair<catalog_function*, std::unordered_set<std::string>>> open;
    for (auto& each : functions) {
        if (each.language != source::none) each.opaque = names_tables(each.language, each.body);
        if (!is_system_schema(each.schema)) each.opaque |= each.language == source::none && reaches_beyond(each.name);
        if (each.opaque)
            opaque.insert(each.name);
        else if (!each.body.empty() || !each.calls.empty())
            open.emplace_back(&each, words_in(each.body + "\n" + each.calls));
    }
    for (bool grown = true; grown;) {
        grown = false;
        for (auto& [function, words] : open) {
            if (function->opaque) continue;
            function->opaque = std::any_of(words.begin(), words.end(), [&](const std::string& word) {
                return opaque.contains(word) || reaches_beyond(word);
            });
            if (function->opaque) grown |= opaque.insert(function->name).second;
        }
    }
}

}  // namespace ringway::router
