#include "router/row_locks.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "router/gather.hpp"
#include "router/lexical.hpp"
#include "router/owners.hpp"

namespace ringway::router {

namespace {

/// What FROM names, the nullable sides of its joins too.
struct from_names {
    std::vector<const table_ref*> tables;
    std::vector<std::string> derived;

    void add(const query_block& block) {
        for (const auto& each : block.tables) tables.push_back(&each);
        derived.insert(derived.end(), block.derived.begin(), block.derived.end());
        for (const auto& child : block.children)
            if (child.joined) add(child);
    }

    bool is_derived(const std::string& name) const {
        return std::find(derived.begin(), derived.end(), name) != derived.end();
    }
};

std::string shown(const table_ref& table) {
    return table.alias.empty() ? table.name : table.alias;
}

/// A lock that would be on what does not belong to one shard alone. A name that FROM does not have is the servers'
/// error.
void check_locked(const select_outline& outline, const from_names& from, const table_finder& tables,
                  row_locks_finding& out) {
    for (const auto& lock : outline.locks) {
        const auto is_meant = [&lock](const std::string& name) {
            return lock.of.empty() || std::any_of(lock.of.begin(), lock.of.end(),
                                                  [&](const table_ref& each) { return each.name == name; });
        };
        for (const auto* table : from.tables) {
            if (!is_meant(shown(*table)) || tables.find(*table).what == table_class::keyed) continue;
            out.why_not = fmt::format("it would lock rows of {}, of which every shard has a copy", table->name);
            out.hint = "name the tables whose rows are to be locked: FOR UPDATE OF ...";
        }
        for (const auto& name : from.derived) {
            if (!is_meant(name)) continue;
            out.why_not = "it would lock what a subquery in FROM has read";
            out.hint = "name the tables whose rows are to be locked: FOR UPDATE OF ...";
        }
    }
}

/// Where the statement's WHERE stands; npos: it has none.
std::size_t where_of(const clauses& cut) {
    for (auto at = cut.from + 1; at < cut.tail;) {
        const auto before = cut.text_of(at - 1);
        if (cut.is(at, "where") && before != "." && !lexical::same_word(before, "as")) return at;
        const auto word = cut.text_of(at);
        at = word == "(" || word == "[" ? cut.after_parenthesis(at) : at + 1;
    }
    return clauses::npos;
}

/// The statement's text with pieces of ours between its tokens.
class inserting {
  public:
    explicit inserting(const clauses& cut) : cut_(cut) {}

    void before(std::size_t token, std::string_view ours) {
        const auto at = token < cut_.end ? cut_.tokens[token].offset : cut_.tokens[cut_.end - 1].stop();
        add(at, ours);
    }
    void behind(std::size_t token, std::string_view ours) { add(cut_.tokens[token].stop(), ours); }
    std::string take() && {
        out_.append(cut_.text.substr(copied_));
        return std::move(out_);
    }

  private:
    void add(std::size_t at, std::string_view ours) {
        out_.append(cut_.text.substr(copied_, at - copied_)).append(ours);
        copied_ = at;
    }

    const clauses& cut_;
    std::string out_;
    std::size_t copied_ = 0;
};

/// Conditions for the rows that each shard owns; empty: all that stand there are. False: it cannot be said.
bool add_own_conditions(const plan& what, const shard_map& map, const std::vector<std::uint16_t>& shards,
                        std::vector<std::string>& out) {
    for (const auto shard : shards) {
        out.emplace_back();
        if (!map.change || shard >= map.change->hidden.size() || map.change->hidden[shard].empty() ||
            what.spread_key.empty())
            continue;
        const auto column =
            fmt::format("{}.{}", quoted_name(shown(what.scatter->driver)), quoted_name(what.spread_key));
        const auto key = key_text_sql(what.spread_type, column);
        if (key.empty()) return false;
        out.back() = fmt::format("({}) IS NOT TRUE", in_arcs_sql(map.change->hidden[shard], key));
    }
    return true;
}

/// The tables of FROM, where a row may have to be waited for.
std::vector<table_ref> waited_for(const select_outline& outline, const query_block& block) {
    std::vector<table_ref> out;
    if (std::none_of(outline.locks.begin(), outline.locks.end(), [](const auto& each) { return each.waits; }))
        return out;
    from_names from;
    from.add(block);
    for (const auto* each : from.tables) out.push_back(*each);
    return out;
}

/// One shard's text. Comments may end in the line: what is added behind them begins another.
std::string text_of(const sort_places& places, bool sorted, const std::string& own) {
    const auto& cut = places.cut;
    inserting out(cut);
    std::string keys;
    if (sorted)
        for (std::size_t i = 0; i < places.keys.size(); ++i)
            keys += fmt::format(", ({}) AS _ringway_key_{} ", cut.text_of(places.keys[i]), i + 1);
    out.before(cut.from, keys);
    if (own.empty()) return std::move(out).take();
    const auto where = where_of(cut);
    if (where == clauses::npos) {
        out.before(cut.tail, fmt::format("\nWHERE {} ", own));
    } else {
        out.behind(where, " (");
        out.before(cut.tail, fmt::format("\n) AND {} ", own));
    }
    return std::move(out).take();
}

/// What a server refuses by itself, whatever its rows: they need not be sorted.
bool is_refused_by_servers(const select_outline& outline) {
    return outline.distinct || outline.has_having || !outline.groups.empty();
}

}  // namespace

std::string named_relation(const table_ref& table) {
    const auto name = quoted_name(table.name);
    return table.schema.empty() ? name : quoted_name(table.schema) + "." + name;
}

bool locks_rows_only(const statement& what) noexcept {
    return what.verb == verb::select && what.locks_rows && !what.writes;
}

row_locks_finding find_row_locks(const statement& what, const table_finder& tables, const catalog* in,
                                 const std::vector<std::string>& path, std::string uneven) {
    row_locks_finding out;
    const auto* outline = what.outline.get();
    if (outline && outline->locks_within) {
        out.why_not = "a subquery of it locks rows";
    } else if (outline && ((outline->limit && outline->limit->what != value_source::from::null) || outline->offset)) {
        out.why_not = "LIMIT and OFFSET would have more rows locked than one server locks";
        out.hint = "leave them out, or name the keys of one shard, or the shard in a comment";
    } else {
        out.why_not = uneven.empty() ? why_of_one_server(what, path) : std::move(uneven);
    }
    if (outline && out.why_not.empty()) {
        from_names from;
        from.add(what.block);
        check_locked(*outline, from, tables, out);
    }
    if (out.why_not.empty()) out.recipe = find_apart(what, tables, in, out.why_not);
    return out;
}

bool locks_apart(const plan& what) noexcept {
    return what.spread == spreading::apart && what.scatter != nullptr;
}

std::optional<row_lock_texts> row_lock_texts_of(const plan& what, const values& with, const shard_map& map,
                                                config::fault& refusal) {
    const auto refuse = [&refusal](std::string_view why, std::string_view hint) {
        refusal = {config::fault_kind::unsupported, "this statement locks rows of several shards, which it cannot here",
                   std::string(why), std::string(hint)};
        return std::nullopt;
    };
    row_lock_texts out;
    out.shards = owners_of(what, with, map);
    out.texts.resize(out.shards.size());
    const bool several = out.shards.size() > 1;
    const auto& outline = *what.scatter->outline;
    if (several && map.moves_rows) out.moving = waited_for(outline, what.parsed.statements.front().block);
    const bool sorted = several && !outline.sorts.empty() && !is_refused_by_servers(outline);
    std::vector<std::string> own;
    if (!add_own_conditions(what, map, out.shards, own))
        return refuse("rows move, and those of a shard cannot be told from others by their key",
                      "send one statement for the keys of each shard, or wait until the move has ended");
    if (!sorted && std::all_of(own.begin(), own.end(), [](const auto& each) { return each.empty(); })) return out;
    const auto places = sort_places_of(what, with);
    if (!places)
        return refuse("it is not certain what one of its sort keys means",
                      "sort by columns of the tables, named as they are there");
    if (sorted) out.orders = places->orders;
    for (std::size_t i = 0; i < out.shards.size(); ++i)
        if (sorted || !own[i].empty()) out.texts[i] = text_of(*places, sorted, own[i]);
    return out;
}

}  // namespace ringway::router
