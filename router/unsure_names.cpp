#include "router/unsure_names.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "router/catalog.hpp"
#include "router/postgres/lexical.hpp"
#include "router/search_path.hpp"

namespace ringway::router {

namespace {

using postgres::token_kind;
using postgres::token_reader;

struct word {
    std::string text;  ///< a keyword, or a name as written
    std::uint32_t end = 0;
};

/// The first words of a statement: enough to tell what it defines.
std::vector<word> words_of(std::string_view text, std::span<const literal> literals) {
    constexpr std::size_t most = 16;
    std::vector<word> out;
    token_reader in(text, literals);
    for (auto each = in.next(); each.kind != token_kind::end && out.size() < most; each = in.next()) {
        std::string one(in.text_of(each));
        for (char& c : one)
            if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
        out.push_back({std::move(one), each.offset + each.length});
    }
    return out;
}

template <std::size_t n>
bool among(const std::array<std::string_view, n>& all, std::string_view what) {
    return std::find(all.begin(), all.end(), what) != all.end();
}

constexpr std::array<std::string_view, 13> before_the_kind{"create",     "or",      "replace",   "temp",   "temporary",
                                                           "local",      "global",  "unlogged",  "unique", "recursive",
                                                           "constraint", "trusted", "procedural"};
/// Statements that leave all names as they are.
constexpr std::array<std::string_view, 12> telling{"comment", "grant",   "revoke", "truncate", "analyze", "vacuum",
                                                   "reindex", "cluster", "lock",   "security", "refresh", "set"};
/// What may be made without a change of what a statement on tables means.
constexpr std::array<std::string_view, 10> beside_tables{"index",      "sequence",  "type", "domain", "schema",
                                                         "statistics", "collation", "role", "user",   "publication"};
/// Of ALTER TABLE: what changes how the table is found or what happens when it is used.
constexpr std::array<std::string_view, 11> changing{"rename",  "attach", "detach", "inherit", "schema", "rule",
                                                    "trigger", "level",  "type",   "using",   "of"};

/// ALTER TABLE ... DROP of a column: rows without a list of columns are read by the places of those.
bool drops_column(std::string_view text, std::span<const literal> literals) {
    static constexpr std::array<std::string_view, 5> others{"constraint", "default", "not", "identity", "expression"};
    token_reader in(text, literals);
    for (auto each = in.next(); each.kind != token_kind::end; each = in.next()) {
        if (!in.is(each, "drop")) continue;
        const auto what = in.next();
        if (std::none_of(others.begin(), others.end(), [&](std::string_view word) { return in.is(what, word); }))
            return true;
    }
    return false;
}

/// WITH NO DATA: what is made is not filled.
bool stays_empty(std::string_view text, std::span<const literal> literals) {
    token_reader in(text, literals);
    bool with = false, no = false, data = false;  // whether these are the last words
    for (auto each = in.next(); each.kind != token_kind::end; each = in.next()) {
        if (in.text_of(each) == ";") continue;
        data = no && in.is(each, "data");
        no = with && in.is(each, "no");
        with = in.is(each, "with");
    }
    return data;
}

bool has(const names_used& names, std::string_view what) {
    return names.find(what) != nullptr;
}

/// A SELECT ... INTO, CREATE TABLE ... AS and the like read rows; other definitions only name them.
bool only_defines(const statement& what) {
    return std::any_of(what.effects.begin(), what.effects.end(),
                       [](const effect& each) { return each.what == effect::kind::catalog_changed; }) &&
           what.verb != verb::select;
}

}  // namespace

void unsure_names::add(std::string_view text, std::span<const literal> literals) {
    const auto words = words_of(text, literals);
    if (words.empty()) return;
    const auto first = std::string_view(words.front().text);
    if (among(telling, first)) return;
    const auto stop = static_cast<std::uint32_t>(text.size());
    auto names = postgres::names_in(text, literals, 0, stop);
    if (names.unsure) return add_anything();
    std::size_t kind = 0;
    while (kind < words.size() && (among(before_the_kind, words[kind].text))) ++kind;
    const std::string_view what = first == "create" && kind < words.size() ? std::string_view(words[kind].text)
                                  : words.size() > 1                       ? std::string_view(words[1].text)
                                                                           : std::string_view();
    // The name behind the kind, and the parts of it.
    const auto name_only = [&](std::size_t from) {
        auto last = from;
        while (last + 1 < words.size() && (words[last].text == "if" || words[last].text == "not" ||
                                           words[last].text == "exists" || words[last].text == "view"))
            ++last;
        auto end = last;
        while (end + 2 < words.size() && words[end + 1].text == ".") end += 2;
        const auto begin = last == 0 ? 0 : words[last - 1].end;
        return postgres::names_in(text, literals, begin, end < words.size() ? words[end].end : stop);
    };
    if (first == "create" && what == "table" && !has(names, "inherits") && !has(names, "partition")) {
        for (const auto& each : name_only(kind + 1).all) made_.insert(each.name);
        return;
    }
    if ((first == "create" || first == "alter") && among(beside_tables, what)) {
        if (first == "create" || !has(names, "rename")) return;
    }
    if (what == "operator" || what == "cast") return add_anything();  // conditions may mean something else
    if (first == "alter" && what == "table" && !drops_column(text, literals) &&
        std::none_of(changing.begin(), changing.end(), [&](std::string_view each) { return has(names, each); }))
        return;
    if (first == "select") {
        for (const auto& each : names.all) made_.insert(each.name);
        return;
    }
    blurred_ = true;
    if (first == "create" && (what == "view" || what == "materialized" || what == "function" || what == "procedure"))
        names = name_only(kind + 1);
    for (const auto& each : names.all) touched_.insert(each.name);
}

bool unsure_names::is_unsure(const table_ref& which, const catalog* in) const {
    if (anything_ || touched_.count(which.name) > 0) return true;
    if (!blurred_ || made_.count(which.name) > 0) return false;
    if (is_system_schema(which.schema) || (which.schema.empty() && which.name.starts_with("pg_"))) return false;
    if (!in) return true;
    bool known = false;
    for (const auto& [title, relation] : in->relations) {
        if (relation.name != which.name || (!which.schema.empty() && relation.schema != which.schema)) continue;
        if (relation.kind == 'v' || relation.kind == 'm') return true;
        known = true;
    }
    return !known;
}

std::string unsure_names::find(const query_block& within, const catalog* in) const {
    for (const auto& each : within.tables)
        if (is_unsure(each, in)) return each.name;
    if (within.insert && !within.insert->table.name.empty() && is_unsure(within.insert->table, in))
        return within.insert->table.name;
    for (const auto& each : within.children)
        if (auto found = find(each, in); !found.empty()) return found;
    return {};
}

std::string unsure_names::find(const statement& what, std::string_view text, std::span<const literal> literals,
                               const catalog* in) const {
    if (!anything_ && !blurred_ && touched_.empty()) return {};
    if (only_defines(what)) {
        const auto words = words_of(text, literals);
        const bool reads = std::any_of(words.begin(), words.end(), [](const word& each) {
            return each.text == "table" || each.text == "materialized";
        });
        if (words.empty() || words.front().text != "create" || !reads || stays_empty(text, literals)) return {};
    }
    if (auto found = find(what.block, in); !found.empty()) return found;
    for (const auto& [schema, name] : what.functions) {
        if (anything_ || touched_.count(name) > 0) {
            const auto known = in ? in->function_places.find(name) : decltype(in->function_places.end()){};
            const bool built_in = in && known != in->function_places.end() &&
                                  std::all_of(known->second.begin(), known->second.end(),
                                              [](const function_place& each) { return is_system_schema(each.schema); });
            if (!built_in) return name;
            continue;
        }
        if (is_system_schema(schema)) continue;
        if (!in) return name;
        const auto known = in->function_places.find(name);
        if (known == in->function_places.end() ||
            std::any_of(known->second.begin(), known->second.end(),
                        [](const function_place& each) { return !is_system_schema(each.schema); }))
            return name;
    }
    return {};
}

}  // namespace ringway::router
