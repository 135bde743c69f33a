#include "router/unsure_names.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "router/catalog.hpp"
#include "router/copy_command.hpp"
#include "router/keys.hpp"
#include "router/postgres/lexical.hpp"
#include "router/search_path.hpp"
#include "router/sharding.hpp"

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
/// What may be made, changed or dropped without a change of what a statement on tables means.
constexpr std::array<std::string_view, 13> beside_tables{
    "index", "sequence", "type",     "domain",  "statistics",  "collation", "role",
    "user",  "group",    "database", "default", "publication", "tablespace"};
/// What is tied to a table, and runs with what is done there.
constexpr std::array<std::string_view, 3> on_tables{"trigger", "rule", "policy"};
constexpr std::array<std::string_view, 6> callable{"function",  "procedure", "routine",
                                                   "aggregate", "view",      "materialized"};

/// ALTER TABLE ... ENABLE TRIGGER or RULE: it was there, and did nothing.
bool enables(std::string_view text, std::span<const literal> literals) {
    static constexpr std::array<std::string_view, 4> what{"trigger", "rule", "always", "replica"};
    token_reader in(text, literals);
    for (auto each = in.next(); each.kind != token_kind::end; each = in.next())
        if (in.is(each, "enable")) {
            const auto next = in.next();
            if (std::any_of(what.begin(), what.end(), [&](std::string_view word) { return in.is(next, word); }))
                return true;
        }
    return false;
}

std::string bare_name(const std::string& qualified) {
    return qualified.substr(qualified.rfind('.') + 1);
}

/// Whether a column of it may go with something that it is made of: a type, a collation, a function.
bool may_lose_columns(const catalog_relation& relation) {
    constexpr std::uint32_t first_own = 16384;  // FirstNormalObjectId
    return std::any_of(relation.columns.begin(), relation.columns.end(), [](const catalog_column& each) {
        return each.type_oid >= first_own || each.own_collation || each.nondeterministic_collation || each.generated;
    });
}

/// What the map and the catalog say of names, in whatever schema.
class known_names {
  public:
    known_names(const shard_map& map, const catalog* in) : in_(in), tables_(map, in, nowhere_) {}

    /// Whether a relation of this name has rows on other shards than the first, or is a view.
    bool counts(const std::string& name) const {
        for (const auto& each : tables_.map().tables)
            if (!each.by_schema && bare_name(each.name) == name) return true;
        if (!in_) return true;
        return std::any_of(in_->relations.begin(), in_->relations.end(), [&](const auto& entry) {
            const auto& relation = entry.second;
            return relation.name == name && (relation.kind == 'v' || relation.kind == 'm' || is_placed(relation));
        });
    }
    bool counts_any(const names_used& names) const {
        return std::any_of(names.all.begin(), names.all.end(), [this](const name_use& each) {
            return counts(each.name) || tables_.is_by_schema(each.name);
        });
    }
    /// ... or one below it.
    bool counts_with_heirs(const std::string& name) const {
        return counts(name) || std::any_of(in_->relations.begin(), in_->relations.end(), [&](const auto& entry) {
                   return entry.second.name == name &&
                          std::any_of(entry.second.heirs.begin(), entry.second.heirs.end(),
                                      [this](const auto& heir) { return counts(bare_name(heir)); });
               });
    }
    /// Whether tables of this schema have rows on other shards.
    bool counts_in(const std::string& schema) const {
        return !in_ || tables_.is_by_schema(schema) ||
               std::any_of(in_->relations.begin(), in_->relations.end(),
                           [&](const auto& entry) { return entry.second.schema == schema && is_placed(entry.second); });
    }

    bool is_placed(const catalog_relation& relation) const {
        const auto what = tables_.find({relation.schema, relation.name, {}, false}).what;
        return what == table_class::keyed || what == table_class::reference;
    }

  private:
    const catalog* in_;
    const std::vector<std::string> nowhere_{};
    const table_finder tables_;
};

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

/// A SELECT ... INTO, CREATE TABLE ... AS and the like read rows; other definitions only name them.
bool only_defines(const statement& what) {
    return std::any_of(what.effects.begin(), what.effects.end(),
                       [](const effect& each) { return each.what == effect::kind::catalog_changed; }) &&
           what.verb != verb::select;
}

}  // namespace

void unsure_names::add(const statement& made, std::string_view text, std::span<const literal> literals,
                       const shard_map& map, const catalog* in) {
    const auto words = words_of(text, literals);
    if (words.empty()) return;
    const auto first = std::string_view(words.front().text);
    if (among(telling, first)) return;
    const auto stop = static_cast<std::uint32_t>(text.size());
    const auto names = postgres::names_in(text, literals, 0, stop);
    if (names.unsure) return add_anything();
    const known_names known(map, in);
    const bool creates = first == "create";
    std::size_t kind = creates ? 0 : 1;
    while (creates && kind < words.size() && among(before_the_kind, words[kind].text)) ++kind;
    const auto what = kind < words.size() ? std::string_view(words[kind].text) : std::string_view();
    // The place of the name behind the kind, and of its last part.
    auto name_from = std::min(kind + 1, words.size());
    while (name_from < words.size() &&
           (words[name_from].text == "if" || words[name_from].text == "not" || words[name_from].text == "exists" ||
            words[name_from].text == "view" || words[name_from].text == "only" || words[name_from].text == "table"))
        ++name_from;
    auto name_to = name_from;
    while (name_to + 2 < words.size() && words[name_to + 1].text == ".") name_to += 2;
    const auto own_names = [&] {
        return postgres::names_in(text, literals, words[name_from - 1].end,
                                  name_to < words.size() ? words[name_to].end : stop);
    };
    const auto touch = [this](const names_used& all) {
        for (const auto& each : all.all) touched_.insert(each.name);
    };
    // A default or a check may call what reads other tables: one that is known to, or that is new.
    const auto may_read = [&](const name_use& each) {
        if (!each.opened) return false;
        if (touched_.count(each.name) > 0) return true;
        if (!in) return false;
        const auto found = in->function_places.find(each.name);
        return found != in->function_places.end() &&
               std::any_of(found->second.begin(), found->second.end(), [](const auto& place) { return place.opaque; });
    };
    if ((what == "table" || what == "foreign") && first != "drop" &&
        std::any_of(names.all.begin(), names.all.end(), may_read))
        touch(own_names());
    if (first == "select" || (creates && (what == "table" || what == "foreign"))) {
        // A part of another table has its rows where that one has them.
        const auto word_behind = [&](std::size_t n) {
            return name_to + n < words.size() ? std::string_view(words[name_to + n].text) : std::string_view();
        };
        const auto* inherits = names.find("inherits");
        const bool part = word_behind(1) == "partition" && word_behind(2) == "of";
        const bool heir = part || (inherits && inherits->opened);
        const auto whole = part ? postgres::names_in(text, literals, words[name_to + 2].end, stop) : names;
        const bool counts = heir && (known.counts_any(whole) ||
                                     std::any_of(whole.all.begin(), whole.all.end(),
                                                 [this](const auto& each) { return touched_.count(each.name) > 0; }));
        if (counts) return touch(own_names());
        for (const auto& each : first == "select" ? names.all : own_names().all) made_.insert(each.name);
        return;
    }
    if (first == "drop" && names.find("cascade")) add_cascade(what, names, map, in);
    if (first == "drop" && what == "owned") return add_anything();
    if (first == "alter" && what == "type" && names.find("cascade")) return add_anything();  // tables OF it
    if (what == "schema") {  // its elements are definitions too
        const auto* create = names.find("create");
        if (creates && create && create->bare > 1) return add_anything();
        if (first == "drop")
            for (const auto& each : names.all)
                if (known.counts_in(each.name)) return add_anything();
        return;
    }
    if (among(beside_tables, what)) return;
    if (what == "operator" || what == "cast") return add_anything();  // conditions may mean something else
    if (what == "table" || what == "foreign") {
        if (first == "drop") {
            for (const auto& each : names.all)
                if (known.counts(each.name)) touched_.insert(each.name);
            return;
        }
        if (enables(text, literals)) touch(own_names());
        for (const auto& each : made.table_changes) {
            using change = table_change::kind;
            const bool placed =
                known.counts_with_heirs(each.table.name) || (!each.other.name.empty() && known.counts(each.other.name));
            if (each.what == change::column_retyped) retyped_.insert(each.table.name);
            if (!placed || each.what == change::refers || each.what == change::column_retyped ||
                each.what == change::column_filled)
                continue;
            touched_.insert(each.table.name);
            if (each.what == change::renamed && !each.other.name.empty()) touched_.insert(each.other.name);
            blurred_ |= each.what != change::column_dropped;
        }
        return;
    }
    if (among(on_tables, what)) {  // gone or weaker it does less than is known
        if (first != "drop") touch(names);
        return;
    }
    if (among(callable, what)) {
        // A new one changes nothing that stood before; another in its place may be used by whatever is called.
        blurred_ |= !creates || std::any_of(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(kind),
                                            [](const word& each) { return each.text == "replace"; });
        return touch(creates ? own_names() : names);
    }
    blurred_ = true;
    touch(names);
}

/// What goes along with what is dropped: views of it, and columns of its type, which the statement does not name.
void unsure_names::add_cascade(std::string_view what, const names_used& names, const shard_map& map,
                               const catalog* in) {
    static constexpr std::array<std::string_view, 8> no_columns{"index",  "sequence",   "trigger",     "rule",
                                                                "policy", "statistics", "publication", "subscription"};
    if (among(no_columns, what)) return;
    if (!in) return add_anything();
    const bool of_rows = what == "table" || what == "view" || what == "materialized" ||
                         (what == "foreign" && !names.find("data"));  // FOREIGN DATA WRAPPER
    std::set<std::string> gone;                                       // "schema.name"
    for (const auto& [title, relation] : in->relations)
        if (of_rows && names.find(relation.name)) {
            gone.insert(title);
            gone.insert(relation.heirs.begin(), relation.heirs.end());
        }
    if (of_rows && gone.empty() && retyped_.empty()) return;  // none of them was there: IF EXISTS
    blurred_ |= !of_rows;
    auto& changed = of_rows ? shifted_ : touched_;
    changed.insert(retyped_.begin(), retyped_.end());
    const known_names known(map, in);
    for (const auto& [title, relation] : in->relations) {
        const bool reads = std::any_of(relation.view_tables.begin(), relation.view_tables.end(),
                                       [&](const auto& each) { return gone.count(each) > 0; });
        if (reads || (gone.count(title) > 0 && known.counts(relation.name))) touched_.insert(relation.name);
        if (may_lose_columns(relation) && known.is_placed(relation)) changed.insert(relation.name);
    }
}

/// What is done to a table concerns those above it and below it too.
bool unsure_names::is_touched(const table_ref& which, const catalog* in) const {
    if (touched_.count(which.name) > 0) return true;
    if (!in || touched_.empty()) return false;
    const auto is_it = [this](const std::string& each) { return touched_.count(bare_name(each)) > 0; };
    return std::any_of(in->relations.begin(), in->relations.end(), [&](const auto& entry) {
        const auto& relation = entry.second;
        return relation.name == which.name && (which.schema.empty() || relation.schema == which.schema) &&
               (std::any_of(relation.ancestors.begin(), relation.ancestors.end(), is_it) ||
                std::any_of(relation.heirs.begin(), relation.heirs.end(), is_it));
    });
}

bool unsure_names::is_unsure(const table_ref& which, const catalog* in) const {
    if (anything_ || is_touched(which, in)) return true;
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

std::string unsure_names::find(const query_block& within, const catalog* in, bool defines) const {
    for (const auto& each : within.tables)
        if (!(defines && each.written) && is_unsure(each, in)) return each.name;
    if (within.insert && !within.insert->table.name.empty()) {
        const auto& made = *within.insert;
        const bool by_place = made.columns.empty() && shifted_.count(made.table.name) > 0;
        if (by_place || is_unsure(made.table, in)) return made.table.name;
    }
    for (const auto& each : within.children)
        if (auto found = find(each, in, defines); !found.empty()) return found;
    return {};
}

std::string unsure_names::find(const statement& what, std::string_view text, std::span<const literal> literals,
                               const catalog* in) const {
    if (!anything_ && !blurred_ && touched_.empty() && shifted_.empty()) return {};
    if (what.copy && what.copy->columns.empty())
        for (const auto& each : what.block.tables)
            if (shifted_.count(each.name) > 0) return each.name;
    const bool defines = only_defines(what);
    if (defines) {
        const auto words = words_of(text, literals);
        const bool reads = std::any_of(words.begin(), words.end(), [](const word& each) {
            return each.text == "table" || each.text == "materialized";
        });
        if (words.empty() || words.front().text != "create" || !reads || stays_empty(text, literals)) return {};
    }
    if (auto found = find(what.block, in, defines); !found.empty()) return found;
    for (const auto& [schema, name] : what.functions) {
        if (anything_ || touched_.count(name) > 0) {
            const auto known = in ? in->function_places.find(name) : decltype(in->function_places.end()){};
            const bool built_in = in && known != in->function_places.end() &&
                                  std::all_of(known->second.begin(), known->second.end(),
                                              [](const function_place& each) { return is_system_schema(each.schema); });
            if (!built_in) return name;
            continue;
        }
        if (!blurred_ || is_system_schema(schema)) continue;
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
