#include "router/carry.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "router/gather.hpp"
#include "router/postgres/lexical.hpp"
#include "router/uneven.hpp"
#include "router/volatility.hpp"

namespace ringway::router {

namespace {

using postgres::token;
using postgres::token_kind;
using postgres::token_reader;

// ---- the text -------------------------------------------------------------------------------------------------------

/// The tokens of a text, and how deep in parentheses each stands: a parenthesis as deep as what is around it.
class tokens {
  public:
    tokens(std::string_view text, std::span<const literal> literals) : text_(text), in_(text, literals) {
        int depth = 0;
        for (auto each = in_.next(); each.kind != token_kind::end; each = in_.next()) {
            if (is_symbol(each, ')')) --depth;
            if (is_symbol(each, ';') && depth == 0) {
                if (all_.empty()) continue;  // it ends nothing
                break;
            }
            all_.push_back(each);
            depths_.push_back(depth);
            if (is_symbol(each, '(')) ++depth;
        }
    }
    std::size_t size() const { return all_.size(); }
    bool outside(std::size_t i) const { return depths_[i] == 0; }
    bool is(std::size_t i, std::string_view keyword) const { return i < size() && in_.is(all_[i], keyword); }
    bool is(std::size_t i, char c) const { return i < size() && is_symbol(all_[i], c); }
    bool is_name(std::size_t i) const {
        return i < size() && (all_[i].kind == token_kind::word || all_[i].kind == token_kind::quoted_name);
    }
    std::size_t offset(std::size_t i) const { return all_[i].offset; }
    /// Behind the last token before `i`.
    std::size_t stop_before(std::size_t i) const { return i == 0 ? 0 : all_[i - 1].stop(); }
    /// The token behind the parenthesis that opens at `i`.
    std::size_t behind(std::size_t i) const {
        const auto depth = depths_[i];
        for (++i; i < size() && !(is(i, ')') && depths_[i] == depth);) ++i;
        return i + 1;
    }

  private:
    bool is_symbol(const token& what, char c) const {
        return what.kind == token_kind::symbol && text_[what.offset] == c;
    }

    std::string_view text_;
    token_reader in_;
    std::vector<token> all_;
    std::vector<int> depths_;
};

bool begins_query(const tokens& in, std::size_t i) {
    while (in.is(i, '(')) ++i;
    return in.is(i, "select") || in.is(i, "values") || in.is(i, "with") || in.is(i, "table");
}

/// Where the source begins behind INSERT, and what the head has; in.size(): nowhere.
std::size_t find_source(const tokens& in, std::size_t at, insert_texts& out) {
    const auto none = in.size(), insert = at;
    if (!in.is(at + 1, "into") || !in.is_name(at + 2)) return none;
    for (at += 3; in.is(at, '.'); at += 2)
        if (!in.is_name(at + 1)) return none;
    if (in.is(at, "as")) at += 2;
    if (in.is(at, '(') && !begins_query(in, at)) {
        const auto stop = in.behind(at);
        for (; at < stop; ++at)
            if (in.is(at, '[') || in.is(at, '.')) return none;  // a part of a column
        out.list_end = in.offset(stop - 1) - in.offset(insert);
    }
    if (in.is(at, "overriding")) {
        out.overrides = true;
        out.user_values = in.is(at + 1, "user");
        at += 3;
    }
    return begins_query(in, at) ? at : none;
}

/// Where ON CONFLICT or RETURNING begins. The last ON CONFLICT is the clause: none can stand behind it.
std::size_t find_tail(const tokens& in, std::size_t at) {
    auto returning = in.size(), conflict = in.size();
    for (; at < in.size(); ++at) {
        if (!in.outside(at)) continue;
        const bool plain = !in.is(at - 1, "as") && !in.is(at - 1, '.');
        if (plain && in.is(at, "returning")) returning = std::min(returning, at);
        if (in.is(at, "on") && in.is(at + 1, "conflict") &&
            (in.is(at + 2, '(') || in.is(at + 2, "do") || in.is(at + 2, "on")))
            conflict = at;
    }
    return std::min(returning, conflict);
}

}  // namespace

std::optional<insert_texts> cut_insert(std::string_view text, std::span<const literal> literals) {
    const tokens in(text, literals);
    std::size_t insert = 0;
    while (insert < in.size() && !(in.outside(insert) && in.is(insert, "insert"))) ++insert;
    std::size_t with = 0;
    while (with < insert && !(in.outside(with) && in.is(with, "with"))) ++with;
    if (insert == in.size()) return std::nullopt;
    insert_texts out;
    const auto source = find_source(in, insert, out);
    if (source >= in.size()) return std::nullopt;
    const auto tail = find_tail(in, source);
    const auto stop = in.stop_before(tail);
    out.head = text.substr(in.offset(insert), in.offset(source) - in.offset(insert));
    out.tail = tail == in.size() ? std::string_view()
                                 : text.substr(in.offset(tail), in.stop_before(in.size()) - in.offset(tail));
    const auto query = text.substr(in.offset(source), stop - in.offset(source));
    if (with < insert) {
        if (in.is(source, "with")) return std::nullopt;
        out.source = text.substr(in.offset(with), in.offset(insert) - in.offset(with));
        out.source += query;
    } else {
        out.source = query;
    }
    return out;
}

// ---- the recipe -----------------------------------------------------------------------------------------------------

namespace {

class finding {
  public:
    finding(const statement& what, const placement_rules& rules, const table_finder& tables)
        : what_(what),
          rules_(rules),
          tables_(tables),
          sequences_(rules.map, rules.in, rules.path),
          insert_(*what.block.insert),
          target_(tables.find(insert_.table)) {}

    std::shared_ptr<const carry_recipe> run(std::string& why_not) {
        auto out = std::make_shared<carry_recipe>();
        why_not = fill(*out);
        return why_not.empty() ? out : nullptr;
    }

  private:
    std::string fill(carry_recipe& out) {
        const auto* relation = target_.relation;
        if (!relation) return fmt::format("{} is not in the catalogs that were read last", insert_.table.name);
        if (relation->kind != 'r' && relation->kind != 'p') return fmt::format("{} is not a table", relation->name);
        shape_lexer lexer;
        const auto shape = lexer.scan(rules_.text, rules_.around->standard_conforming_strings);
        const std::vector<literal> literals(shape.literals.begin(), shape.literals.end());
        const auto texts = cut_insert(rules_.text, literals);
        if (!texts) return "its rows are not found in its text, or it has WITH in two places";
        if (texts->user_values) return "OVERRIDING USER VALUE may give it another key";
        out.name = relation->name;
        out.relation = fmt::format("{}.{}", quoted_name(relation->schema), quoted_name(relation->name));
        out.columns = insert_.columns;
        out.table = target_.map_index;
        if (auto why = find_defaults(out); !why.empty()) return why;
        if (auto why = find_target(out); !why.empty()) return why;
        if (!out.drawn.empty() && !texts->list_end) return "it gives no value for the key, and lists no columns";
        if (auto why = find_rest(*texts, out); !why.empty()) return why;
        return find_rows(texts->source, out);
    }

    /// VALUES (DEFAULT, ...): the temporary table's columns have the target's defaults.
    std::string find_defaults(carry_recipe& out) const {
        for (const auto& row : insert_.rows)
            for (std::size_t i = 0; i < row.size(); ++i) {
                if (row[i].what != value_source::from::unknown || row[i].constant != "default") continue;
                if (i >= insert_.columns.size() || target_.what == table_class::elsewhere)
                    return "a row of it has DEFAULT as a value";
                const auto& name = insert_.columns[i];
                const auto& columns = target_.relation->columns;
                const auto column = std::find_if(columns.begin(), columns.end(),
                                                 [&](const catalog_column& each) { return each.name == name; });
                if (column != columns.end() && column->generated)
                    return fmt::format("a row of it has DEFAULT for \"{}\", which is generated: leave it out", name);
                if (std::find(out.defaulted.begin(), out.defaulted.end(), name) == out.defaulted.end())
                    out.defaulted.push_back(name);
            }
        return {};
    }

    std::string find_target(carry_recipe& out) const {
        switch (target_.what) {
            case table_class::keyed:
                return find_key(out);
            case table_class::reference:
                out.where = carry_recipe::to::all;
                return draw_defaults(out);
            case table_class::elsewhere:
                out.where = carry_recipe::to::first;
                return {};
            default:
                return fmt::format("{} is not a table of the users' own", insert_.table.name);
        }
    }

    std::string find_key(carry_recipe& out) const {
        const auto& entry = rules_.map.tables[target_.map_index];
        if (entry.by_schema) return "its schema is the key";
        std::vector<std::string> names{entry.key};
        names.insert(names.end(), entry.further_keys.begin(), entry.further_keys.end());
        for (const auto& name : names) {
            const auto& columns = target_.relation->columns;
            const auto found =
                std::find_if(columns.begin(), columns.end(), [&](const catalog_column& c) { return c.name == name; });
            if (found == columns.end()) return fmt::format("{} has no column \"{}\"", entry.name, name);
            const bool given = insert_.columns.empty() ||
                               std::find(insert_.columns.begin(), insert_.columns.end(), name) != insert_.columns.end();
            const bool by_default =
                !given || std::find(out.defaulted.begin(), out.defaulted.end(), name) != out.defaulted.end();
            if (by_default && !found->has_default)
                return fmt::format("it gives no value for \"{}\", the key of {}", name, entry.name);
            if (!given) out.drawn.push_back(name);
            if (found->generated) return fmt::format("\"{}\", the key of {}, is generated", name, entry.name);
            if (found->type == key_type::unsupported || found->nondeterministic_collation ||
                tables_.has_own_equality(found->type))
                return fmt::format("equal values of \"{}\", the key of {}, cannot be told from their text", name,
                                   entry.name);
            if (auto why = rules_.map.functions[target_.map_index].unfit(found->type); !why.empty()) return why;
            if (auto why = why_key_changes(name); !why.empty()) return why;
            out.key.push_back({found->name, found->type, found->type_oid, found->type_modifier});
        }
        return {};
    }

    /// By ON CONFLICT DO UPDATE: to another value than the row's own and that of the row to be inserted.
    std::string why_key_changes(const std::string& key) const {
        const auto& shown = insert_.table.alias.empty() ? insert_.table.name : insert_.table.alias;
        for (const auto& each : what_.block.assignments) {
            const bool stays =
                each.from && each.from->column == key && (each.from->table == "excluded" || each.from->table == shown);
            if (each.column.column == key && !stays) return "it changes the key";
        }
        return {};
    }

    /// A default may give each shard another value: where the rows are made, it gives them one.
    std::string draw_defaults(carry_recipe& out) const {
        const auto& outputs = insert_.from_select ? insert_.outputs.size() : insert_.rows.front().size();
        for (std::size_t i = 0; i < target_.relation->columns.size(); ++i) {
            const auto& column = target_.relation->columns[i];
            const bool given = insert_.columns.empty() ? i < outputs
                                                       : std::find(insert_.columns.begin(), insert_.columns.end(),
                                                                   column.name) != insert_.columns.end();
            if (given || !column.has_default || column.generated) continue;
            if (insert_.columns.empty())
                return fmt::format("column {} has a default, which may differ by shard, and it lists no columns",
                                   column.name);
            out.drawn.push_back(column.name);
        }
        return {};
    }

    /// What each shard runs is the client's text with rows of its own in place of the source.
    std::string find_rest(const insert_texts& texts, carry_recipe& out) const {
        const auto parsed = parse_postgres(fmt::format("{}VALUES (NULL) {}", texts.head, texts.tail),
                                           rules_.around->standard_conforming_strings);
        if (!parsed.error.empty() || parsed.statements.size() != 1 || !parsed.statements.front().block.insert)
            return "its parts are not found in its text";
        const auto& rest = parsed.statements.front();
        if (!rest.block.children.empty()) return "its ON CONFLICT or RETURNING reads tables";
        auto why = out.where == carry_recipe::to::all ? why_copies_differ(rest, rules_.in, rules_.path, sequences_)
                                                      : why_uneven(rest, rules_.in, rules_.path, sequences_);
        if (!why.empty() && out.where != carry_recipe::to::first) return "in its ON CONFLICT or RETURNING " + why;
        const auto& relation = *target_.relation;
        const auto own = relation.schema + "." + relation.name;
        out.copies = out.where == carry_recipe::to::owners && texts.tail.empty() && relation.write_functions.empty() &&
                     !relation.row_security;
        out.at_once = out.where == carry_recipe::to::all || !what_.block.assignments.empty() ||
                      !relation.write_functions.empty() ||
                      std::any_of(relation.foreign_keys.begin(), relation.foreign_keys.end(),
                                  [&](const foreign_key& each) { return each.target == own; });
        return {};
    }

    /// Who makes the rows: the first shard, with what it has, or with what is gathered there.
    std::string find_rows(const std::string& source, carry_recipe& out) const {
        auto parsed = parse_postgres(source, rules_.around->standard_conforming_strings);
        if (!parsed.error.empty() || parsed.statements.size() != 1 || parsed.statements.front().verb != verb::select)
            return "its rows are not found in its text";
        const auto made = make_plan(std::move(parsed), *rules_.around);
        const auto& rows = made->parsed.statements.front();
        if (rows.writes || rows.locks_rows || !made->plain || made->asks_sequence)
            return "its SELECT does more than to read";
        if (reads_system(rows.block)) return "its SELECT reads the system's own tables";
        for (const auto& [schema, name] : rows.functions)
            if (tells_of_transaction(name))
                return fmt::format("its SELECT calls {}, which tells of one server's transaction", name);
        if (!insert_.from_select && insert_.rows.size() == 1)  // a list of what is selected, to a server
            for (const auto& [schema, name] : rows.functions)
                if (nature_of(rules_.in, rules_.path, schema, name).returns_set)
                    return fmt::format("its VALUES call {}, which gives several rows: write SELECT instead", name);
        out.source = made;
        if (!rows.sequences.empty() && !sequences_.draws_anywhere(rows))
            return "it draws from a sequence that counts on each shard by itself";
        if (made->gather && made->placement == placement::several)
            if (const auto& why = why_not_brought(*made->gather); !why.empty()) return why;
        switch (made->placement) {
            case placement::any_shard:
            case placement::several:
                return {};
            case placement::single:
                if (made->gather || (made->keys.empty() && made->fixed_shard.value_or(0) == 0)) return {};
                return "its SELECT can run on one shard only";
            default:
                if (!made->refusal) return "its SELECT does not read rows";
                return made->refusal->detail.empty() ? made->refusal->message : made->refusal->detail;
        }
    }

    /// By itself or through a view: they tell of the temporary tables that the rows are made in.
    bool reads_system(const query_block& block) const {
        const auto is_system = [this](const std::string& name) {
            return tables_.find_qualified(name).what == table_class::system;
        };
        return std::any_of(block.tables.begin(), block.tables.end(),
                           [&](const table_ref& each) {
                               const auto meaning = tables_.find(each);
                               if (meaning.what == table_class::system) return true;
                               const auto* view =
                                   meaning.relation && meaning.relation->kind == 'v' ? meaning.relation : nullptr;
                               return view &&
                                      std::any_of(view->view_tables.begin(), view->view_tables.end(), is_system);
                           }) ||
               std::any_of(block.children.begin(), block.children.end(),
                           [this](const query_block& each) { return reads_system(each); });
    }

    /// Of which these rows' is not the only one, and has made temporary tables.
    static bool tells_of_transaction(std::string_view function) {
        static constexpr std::string_view all[] = {"pg_my_temp_schema", "txid_current", "txid_current_if_assigned",
                                                   "pg_current_xact_id", "pg_current_xact_id_if_assigned"};
        return std::find(std::begin(all), std::end(all), function) != std::end(all);
    }

    const statement& what_;
    const placement_rules& rules_;
    const table_finder& tables_;
    const shared_sequences sequences_;
    const insert_rows& insert_;
    const table_meaning target_;
};

}  // namespace

std::shared_ptr<const carry_recipe> find_carry(const statement& what, const placement_rules& rules,
                                               const table_finder& tables, std::string& why_not) {
    if (what.verb != verb::insert || !what.block.insert || rules.hinted || rules.text.empty() || !rules.around ||
        rules.dialect == dialect::mysql)
        return nullptr;
    return finding(what, rules, tables).run(why_not);
}

}  // namespace ringway::router
