#include "router/mysql/routine_body.hpp"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <vector>

#include "router/mysql/lexer.hpp"
#include "router/mysql/need.hpp"

namespace ringway::router::mysql {

namespace {

struct part {
    token_kind kind;
    std::string text;  ///< of words and names in lower case, without quotes
};

bool is_name(const part& one) {
    return one.kind == token_kind::word || one.kind == token_kind::quoted_name;
}

bool cut(std::string_view body, const mysql_modes& modes, std::vector<part>& out) {
    lexer words(body, modes);
    for (auto next = words.next(); next.kind != token_kind::end; next = words.next()) {
        if (next.kind == token_kind::bad) return false;
        std::string text(body.substr(next.offset, next.length));
        std::transform(text.begin(), text.end(), text.begin(), lower);
        if (next.kind == token_kind::quoted_name) text = text.substr(1, text.size() - 2);
        out.push_back({next.kind, std::move(text)});
    }
    return true;
}

/// A word that a parenthesis may follow, and that is no function there.
bool is_keyword(const part& one) {
    static const std::unordered_set<std::string> all{
        "and",       "or",       "not",       "xor",     "in",     "if",       "elseif", "while",  "when",    "then",
        "else",      "until",    "case",      "set",     "return", "by",       "on",     "where",  "having",  "select",
        "from",      "values",   "into",      "as",      "union",  "all",      "any",    "some",   "exists",  "using",
        "between",   "like",     "limit",     "decimal", "char",   "varchar",  "int",    "bigint", "numeric", "binary",
        "varbinary", "datetime", "timestamp", "time",    "enum",   "interval", "do"};
    return one.kind == token_kind::word && all.contains(one.text);
}

/// Of a function, built in or not.
bool is_call(const std::vector<part>& parts, std::size_t at) {
    return is_name(parts[at]) && at + 1 < parts.size() && parts[at + 1].text == "(" && !is_keyword(parts[at]);
}

/// SET of what is no variable or parameter of the body's own. UPDATE t SET c = 1 sets columns: what follows it is of no
/// variable either, but it may have a comma; such a body is not believed when a name is not declared.
bool sets_others(const std::vector<part>& parts, std::span<const std::string> parameters) {
    std::unordered_set<std::string> declared(parameters.begin(), parameters.end());
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (parts[i].text != "declare") continue;
        for (auto j = i + 1; j < parts.size() && is_name(parts[j]); j += 2) {  // DECLARE a, b INT
            declared.insert(parts[j].text);
            if (j + 1 >= parts.size() || parts[j + 1].text != ",") break;
        }
    }
    const auto text_at = [&parts](std::size_t at) { return at < parts.size() ? std::string_view(parts[at].text) : ""; };
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (parts[i].kind != token_kind::word || parts[i].text != "set" || i + 1 >= parts.size()) continue;
        if (i > 0 && text_at(i - 1) == "character") continue;  // of a column or a variable
        bool update = false;
        for (auto j = i; j-- > 0 && text_at(j) != ";" && !update;)
            update = text_at(j) == "update" || text_at(j) == "insert";
        if (update) continue;
        int depth = 0;
        bool target = true;
        for (auto j = i + 1; j < parts.size() && text_at(j) != ";"; ++j) {
            if (target) {
                const bool of_row = (text_at(j) == "new" || text_at(j) == "old") && text_at(j + 1) == ".";
                if (!of_row && !declared.contains(std::string(text_at(j)))) return true;
                target = false;
            }
            depth += text_at(j) == "(" ? 1 : text_at(j) == ")" ? -1 : 0;
            target = depth == 0 && text_at(j) == ",";
        }
    }
    return false;
}

}  // namespace

bool names_user_variable(std::string_view body, const mysql_modes& modes) {
    lexer words(body, modes);
    for (auto next = words.next(); next.kind != token_kind::end; next = words.next())
        if (next.kind == token_kind::user_variable || next.kind == token_kind::bad) return true;
    return body.find('\\') != std::string_view::npos && body.find('@') != std::string_view::npos;
}

bool leaves_untold(std::string_view body, const mysql_modes& modes) {
    static const std::unordered_set<std::string> untold{"get_lock", "temporary", "nextval"};
    std::vector<part> parts;
    if (names_user_variable(body, modes) || !cut(body, modes, parts)) return true;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (!is_name(parts[i])) continue;
        if (untold.contains(parts[i].text)) return true;
        if (parts[i].text == "next" && i + 1 < parts.size() && parts[i + 1].text == "value") return true;
    }
    return false;
}

std::optional<body_words> words_of(std::string_view body, const mysql_modes& modes) {
    static const std::unordered_set<std::string> change{"insert", "replace", "update", "delete", "load", "call"};
    std::vector<part> parts;
    if (!cut(body, modes, parts)) return std::nullopt;
    body_words out;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        auto& one = parts[i];
        const bool quoted = one.kind == token_kind::string && one.text.starts_with('"');  // a name under ANSI_QUOTES
        if (!is_name(one) && !quoted) continue;
        out.writes = out.writes || (one.kind == token_kind::word && change.contains(one.text) && !is_call(parts, i));
        out.names.push_back(quoted ? one.text.substr(1, one.text.size() - 2) : one.text);
    }
    return out;
}

bool asks_insert_id(std::string_view body, const mysql_modes& modes) {
    std::vector<part> parts;
    if (!cut(body, modes, parts)) return true;
    return std::any_of(parts.begin(), parts.end(), [](const part& each) {
        return each.text.ends_with("last_insert_id") || each.text.ends_with("identity");
    });
}

bool needs_primary(std::string_view body, const mysql_modes& modes, std::vector<std::string>& calls) {
    // Some of them are built-in functions too, which a parenthesis follows.
    static const std::unordered_set<std::string> primary{"insert", "replace", "update", "delete", "truncate", "create",
                                                         "drop",   "alter",   "rename", "load",   "call",     "lock",
                                                         "unlock", "execute", "share",  "global"};
    std::vector<part> parts;
    if (!cut(body, modes, parts)) return true;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (!is_name(parts[i])) continue;
        const bool call = is_call(parts, i);
        const auto& name = parts[i].text;
        if (parts[i].kind == token_kind::word && primary.contains(name) && !call) return true;
        if (name == "next" && i + 2 < parts.size() && parts[i + 1].text == "value") return true;  // of a sequence
        if (!call) continue;
        if (!is_built_in(name))
            calls.push_back(name);
        else if (nature_of(nullptr, {}, {}, name).needs_primary)
            return true;
    }
    return false;
}

bool sets_variables(std::string_view body, const mysql_modes& modes, std::span<const std::string> parameters) {
    // Each routine has a sql_mode of its own: what a backslash means is not known here.
    for (const bool plain : {false, true}) {
        auto either = modes;
        either.no_backslash_escapes = plain;
        std::vector<part> parts;
        if (cut(body, either, parts) && sets_others(parts, parameters)) return true;
        if (body.find('\\') == std::string_view::npos) return false;
    }
    return false;
}

bool leaves_nothing(std::string_view body, const mysql_modes& modes, std::span<const std::string> parameters) {
    static const std::unordered_set<std::string> leave{"call",      "temporary", "get_lock", "release_lock", "prepare",
                                                       "execute",   "lock",      "handler",  "names",        "charset",
                                                       "character", "global",    "session",  "local",        "user"};
    std::vector<part> parts;
    if (body.find('\\') != std::string_view::npos) return false;
    if (!cut(body, modes, parts)) return false;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto& one = parts[i];
        if (one.kind == token_kind::user_variable || one.text == "@@" || one.text == "@") return false;
        if (one.kind == token_kind::word && leave.contains(one.text)) return false;
        if (one.kind == token_kind::string && i + 1 < parts.size() && parts[i + 1].text == "(")
            return false;  // a name under ANSI_QUOTES
        const bool table = i > 0 && (parts[i - 1].text == "into" || parts[i - 1].text == "table");
        if (is_call(parts, i) && !is_built_in(one.text) && !table) return false;
    }
    return !sets_others(parts, parameters);
}

}  // namespace ringway::router::mysql
