#include "router/scatter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "router/apart.hpp"
#include "router/lexical.hpp"
#include "router/parameter_types.hpp"
#include "router/postgres/lexical.hpp"
#include "router/volatility.hpp"

namespace ringway::router {

namespace {

struct known_aggregate {
    std::string_view name;
    combining how;
};
/// Those whose parts make the whole, exactly, for whatever types the last query knows.
constexpr std::array known_aggregates{
    known_aggregate{"avg", combining::average},    known_aggregate{"bit_and", combining::again},
    known_aggregate{"bit_or", combining::again},   known_aggregate{"bit_xor", combining::again},
    known_aggregate{"bool_and", combining::again}, known_aggregate{"bool_or", combining::again},
    known_aggregate{"count", combining::count},    known_aggregate{"every", combining::again},
    known_aggregate{"max", combining::again},      known_aggregate{"min", combining::again},
    known_aggregate{"sum", combining::sum}};
/// Answer differently on each server, or at each time. Of current_setting: asks_setting_of_a_server.
constexpr std::array<std::string_view, 25> own_to_a_server{"clock_timestamp",
                                                           "current_database",
                                                           "current_query",
                                                           "currtid2",
                                                           "inet_client_addr",
                                                           "inet_client_port",
                                                           "inet_server_addr",
                                                           "inet_server_port",
                                                           "lo_get",
                                                           "lo_open",
                                                           "loread",
                                                           "lowrite",
                                                           "pg_backend_pid",
                                                           "pg_blocking_pids",
                                                           "pg_conf_load_time",
                                                           "pg_is_other_temp_schema",
                                                           "pg_listening_channels",
                                                           "pg_my_temp_schema",
                                                           "pg_postmaster_start_time",
                                                           "timeofday",
                                                           "txid_current",
                                                           "txid_current_if_assigned",
                                                           "txid_current_snapshot",
                                                           "txid_status",
                                                           "version"};

class finding {
  public:
    finding(const statement& what, const table_finder& tables, const catalog* in)
        : what_(what), tables_(tables), in_(in), outline_(*what.outline) {}

    std::shared_ptr<const scatter_recipe> run() {
        if (outline_.odd || outline_.has_windows || !in_ || !only_tables(what_.block) || !find_driver()) return nullptr;
        for (const auto& [schema, name] : what_.functions)
            if (is_own_to_a_server(name)) return nullptr;
        if (what_.names.find("current_catalog")) return nullptr;
        for (const auto& each : what_.attributes)
            if (is_aggregate(each.column)) return nullptr;
        // What is written twice would be computed twice: once to be shown, once to be sorted or grouped by.
        if ((!outline_.sorts.empty() || !outline_.groups.empty() || outline_.distinct) && calls_volatile())
            return nullptr;
        for (const auto& each : outline_.sorts)
            if (each.by_operator) return nullptr;
        auto out = made();
        bool aggregated = outline_.has_having || !outline_.groups.empty();
        if (what_.names.find("collate") && (aggregated || outline_.distinct || !outline_.sorts.empty())) return nullptr;
        for (const auto& each : outline_.calls) {
            if (!is_aggregate(each.name)) continue;
            if (each.in_subquery && !each.of_subquery) return nullptr;  // it may be of the outer level's rows
            aggregated |= !each.in_subquery;
        }
        const bool whole_groups = std::any_of(outline_.groups.begin(), outline_.groups.end(),
                                              [this](const auto& each) { return is_key(each.column); });
        if (outline_.distinct ? aggregated : false) return nullptr;
        if (!outline_.distinct && (!aggregated || whole_groups)) return out;
        out->how = scatter_recipe::kind::groups;
        return find_groups(*out) ? out : nullptr;
    }

    /// find_apart().
    std::shared_ptr<const scatter_recipe> run_apart(std::string& why_not) {
        if (!in_ || !only_tables(what_.block))
            why_not = "it reads views, or tables that are not on every shard";
        else if (!find_driver())
            why_not = "its rows may be made of rows of several shards";
        else if (outline_.sorts.empty())
            why_not.clear();
        else if (calls_volatile())
            why_not = "what it sorts by may be computed anew at each look";
        else if (what_.names.find("collate") || std::any_of(outline_.sorts.begin(), outline_.sorts.end(),
                                                            [](const auto& each) { return each.by_operator; }))
            why_not = "it sorts by an operator or a collation of its own";
        for (const auto& [schema, name] : what_.functions)
            if (is_own_to_a_server(name)) why_not = fmt::format("function {} tells of one server", name);
        return why_not.empty() ? made() : nullptr;
    }

    /// Of an UPDATE, a DELETE, or a MERGE's part: `what_` has it as its block.
    bool part_stays() {
        if (!only_tables(what_.block)) return false;
        const bool inserts = what_.block.insert.has_value();
        return (!inserts || what_.block.insert->from_select) && find_driver(what_.block, inserts);
    }

    /// Of an INSERT ... SELECT: `what_` has the SELECT as its block.
    bool stays(query_block insert) { return find_driver(std::move(insert), true); }

  private:
    static bool is_own_to_a_server(const std::string& name) {
        return std::find(own_to_a_server.begin(), own_to_a_server.end(), name) != own_to_a_server.end();
    }

    std::shared_ptr<scatter_recipe> made() const {
        auto out = std::make_shared<scatter_recipe>();
        out->outline = what_.outline;
        out->driver = driver_;
        out->byte_order = in_->byte_order_text;
        out->plain_texts = plain_collations(what_.block) && casts_to_built_in();
        return out;
    }

    bool is_aggregate(const std::string& name) const {
        const auto places = places_of(in_, name);
        return std::any_of(places.begin(), places.end(), [](const function_place& each) { return each.aggregate; });
    }

    bool calls_volatile() const {
        return std::any_of(what_.functions.begin(), what_.functions.end(), [this](const auto& function) {
            const auto places = places_of(in_, function.second);
            return std::any_of(places.begin(), places.end(),
                               [](const function_place& each) { return each.is_volatile; });
        });
    }

    /// No view, and nothing that is on one shard only.
    bool only_tables(const query_block& block) const {
        if (!block.exact) return false;
        for (const auto& each : block.tables) {
            const auto meaning = tables_.find(each);
            if (meaning.what != table_class::keyed && meaning.what != table_class::reference) return false;
            if (!meaning.relation || (meaning.relation->kind != 'r' && meaning.relation->kind != 'p')) return false;
        }
        return std::all_of(block.children.begin(), block.children.end(),
                           [this](const query_block& child) { return only_tables(child); });
    }

    /// A domain may have a collation of its own.
    bool casts_to_built_in() const {
        static constexpr std::string_view built_in[] = {
            "bool", "bpchar",    "bytea",       "char",   "date",  "float4", "float8",  "int2",
            "int4", "int8",      "interval",    "json",   "jsonb", "name",   "numeric", "text",
            "time", "timestamp", "timestamptz", "timetz", "uuid",  "varchar"};
        return std::all_of(what_.cast_types.begin(), what_.cast_types.end(), [](const std::string& each) {
            return std::find(std::begin(built_in), std::end(built_in), each) != std::end(built_in);
        });
    }

    bool plain_collations(const query_block& block) const {
        for (const auto& each : block.tables) {
            const auto* relation = tables_.find(each).relation;
            for (const auto& column : relation->columns)
                if (column.own_collation && (what_.names.star || what_.names.find(column.name))) return false;
        }
        return std::all_of(block.children.begin(), block.children.end(),
                           [this](const query_block& child) { return plain_collations(child); });
    }

    /// A table without whose row there is no row of the answer, and whose key, were it known, would tie all others to
    /// it: then rows of different keys, and so of different shards, never meet.
    bool find_driver() { return find_driver(what_.block, false); }

    /// `source`: of an INSERT's SELECT, whose rows then stay where they are made.
    bool find_driver(query_block whole, bool source) {
        auto& level = source ? whole.children.front() : whole;
        const auto tables = level.tables;
        for (const auto& each : tables) {
            const auto meaning = tables_.find(each);
            if (meaning.what != table_class::keyed) continue;
            const auto& entry = tables_.map().tables[meaning.map_index];
            if (entry.by_schema) return false;
            level.tests.clear();
            const auto& shown = each.alias.empty() ? each.name : each.alias;
            for (std::uint32_t i = 0; i <= entry.further_keys.size(); ++i) {
                key_test test{{shown, i == 0 ? entry.key : entry.further_keys[i - 1], {}}, {}};
                test.values.emplace_back().what = value_source::from::parameter;
                test.values.front().index = stand_in_parameter - i;
                level.tests.push_back(std::move(test));
            }
            const auto found = find_keys(whole, tables_);
            const auto stands_for = [](const key_recipe& recipe, std::uint32_t number) {
                return recipe.values.size() == 1 && recipe.values.front().what == value_source::from::parameter &&
                       recipe.values.front().index == stand_in_parameter - number;
            };
            const auto is_supposed = [&](const key_recipe& recipe) {
                if (!stands_for(recipe, 0) || !is_placed_as(recipe, found.keys.front())) return false;
                if (recipe.rows && !is_stored_as_is(recipe, *meaning.relation, entry)) return false;
                for (std::uint32_t i = 0; i < recipe.further.size(); ++i)
                    if (!stands_for(recipe.further[i], i + 1)) return false;
                return true;
            };
            if (found.exact && found.untied.empty() && found.key_change.empty() && !found.keys.empty() &&
                std::all_of(found.keys.begin(), found.keys.end(), is_supposed)) {
                driver_ = each;
                return true;
            }
        }
        return false;
    }

    /// The new row's key is the table's own, not one cut or rounded.
    static bool is_stored_as_is(const key_recipe& recipe, const catalog_relation& from, const config::table& entry) {
        const auto fits = [&](const key_recipe& part, const std::string& name) {
            const auto column = std::find_if(from.columns.begin(), from.columns.end(),
                                             [&](const catalog_column& c) { return c.name == name; });
            return part.type_modifier == -1 ||
                   (column != from.columns.end() && column->type_modifier == part.type_modifier);
        };
        for (std::size_t i = 0; i < recipe.further.size(); ++i)
            if (!fits(recipe.further[i], entry.further_keys[i])) return false;
        return fits(recipe, entry.key);
    }

    /// Equal keys of both tables are on one shard. On the ring 1 and 1.0 are one key, elsewhere types tell them apart.
    bool is_placed_as(const key_recipe& a, const key_recipe& b) const {
        const auto &left = tables_.map().tables[a.table], &right = tables_.map().tables[b.table];
        if (!left.placed_as(right)) return false;
        if (left.function == config::sharding_function::ring || a.type == b.type)
            return std::equal(a.further.begin(), a.further.end(), b.further.begin(), b.further.end(),
                              [&](const auto& x, const auto& y) {
                                  return left.function == config::sharding_function::ring || x.type == y.type;
                              });
        return false;
    }

    /// A key of the outermost level's own tables: groups by it lie on one shard each.
    bool is_key(const std::optional<column_ref>& column) const {
        if (!column) return false;
        if (column->table.empty() && count_tables_with(what_.block, column->column) != 1) return false;
        for (const auto& each : what_.block.tables) {
            const auto meaning = tables_.find(each);
            if (meaning.what != table_class::keyed) continue;
            if (tables_.map().tables[meaning.map_index].is_compound()) continue;
            const auto& shown = each.alias.empty() ? each.name : each.alias;
            if (tables_.map().tables[meaning.map_index].key != column->column) continue;
            if (column->table.empty() || (column->table == shown && column->schema.empty())) return true;
        }
        return false;
    }

    /// Of the level's tables and those of its outer joins. FROM's subqueries and functions may have any column.
    int count_tables_with(const query_block& block, const std::string& column) const {
        int out = block.derived.empty() ? 0 : 2;
        for (const auto& each : block.tables) {
            const auto& columns = tables_.find(each).relation->columns;
            out +=
                std::any_of(columns.begin(), columns.end(), [&](const catalog_column& c) { return c.name == column; });
        }
        for (const auto& child : block.children)
            if (child.joined) out += count_tables_with(child, column);
        return out;
    }

    bool find_groups(scatter_recipe& out) const {
        if (outline_.subqueries || !out.plain_texts) return false;
        for (const auto& each : outline_.items)
            if (each.star) return false;
        for (const auto& each : outline_.calls) {
            if (!is_aggregate(each.name)) continue;
            const auto known = std::find_if(known_aggregates.begin(), known_aggregates.end(),
                                            [&](const known_aggregate& a) { return a.name == each.name; });
            const auto places = places_of(in_, each.name);
            const bool built_in = (each.schema.empty() || each.schema == "pg_catalog") && places.size() == 1 &&
                                  places.front().schema == "pg_catalog";
            const bool repeats = each.distinct && each.name != "min" && each.name != "max";
            if (known == known_aggregates.end() || !built_in || repeats || each.ordered || each.within_group ||
                each.variadic || each.arguments != (each.star ? 0 : 1))
                return false;
            out.calls.push_back({each.at, known->how, each.name});
        }
        std::sort(out.calls.begin(), out.calls.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
        for (const auto& each : outline_.groups) {
            out.aliased.push_back(-1);
            if (!each.column || !each.column->table.empty()) continue;
            const bool named = std::any_of(outline_.items.begin(), outline_.items.end(),
                                           [&](const auto& item) { return item.alias == each.column->column; });
            if (!named) continue;
            if (!what_.block.derived.empty()) return false;                         // whose columns are not known
            if (count_tables_with(what_.block, each.column->column) > 0) continue;  // a column comes before an alias
            for (std::size_t i = 0; i < outline_.items.size(); ++i)
                if (outline_.items[i].alias == each.column->column) out.aliased.back() = static_cast<std::int32_t>(i);
        }
        return true;
    }

    static constexpr std::uint32_t stand_in_parameter = 0xFFFFFFFF;
    const statement& what_;
    const table_finder& tables_;
    const catalog* in_;
    const select_outline& outline_;
    table_ref driver_;
};

}  // namespace

std::shared_ptr<const scatter_recipe> find_scatter(const statement& what, const table_finder& tables,
                                                   const catalog* in) {
    return what.outline ? finding(what, tables, in).run() : nullptr;
}

std::shared_ptr<const scatter_recipe> find_apart(const statement& what, const table_finder& tables, const catalog* in,
                                                 std::string& why_not) {
    if (what.outline) return finding(what, tables, in).run_apart(why_not);
    why_not = "it is of a form (WITH, UNION and the like) whose rows are not understood well enough";
    return nullptr;
}

bool inserts_apart(const statement& what, const table_finder& tables, const catalog* in) {
    const auto& block = what.block;
    if (!what.outline || !block.exact || !block.insert || !block.insert->from_select || block.children.size() != 1)
        return false;
    if (what.outline->limit || what.outline->offset || (block.returning && !what.outline->sorts.empty())) return false;
    auto select = what;
    select.verb = verb::select;
    select.block = block.children.front();
    finding of(select, tables, in);
    const auto recipe = of.run();
    if (!recipe || recipe->how != scatter_recipe::kind::rows) return false;
    return of.stays(with_named_outputs(what, tables).value_or(block));
}

bool writes_apart(const statement& what, const table_finder& tables, const catalog* in) {
    if (what.verb != verb::update && what.verb != verb::delete_) return false;
    auto part = what;
    part.outline = std::make_shared<const select_outline>();
    return finding(part, tables, in).part_stays();
}

bool merges_apart(const statement& what, const table_finder& tables, const catalog* in) {
    if (!what.block.derived.empty()) return false;  // of a WITH each shard would have a part, for all rows to meet
    auto part = what;
    part.outline = std::make_shared<const select_outline>();
    return std::all_of(what.block.children.begin(), what.block.children.end(), [&](const query_block& each) {
        part.block = each;
        return finding(part, tables, in).part_stays();
    });
}

std::optional<query_block> with_named_outputs(const statement& what, const table_finder& tables) {
    const auto& block = what.block;
    if (!what.outline || !block.insert || !block.insert->from_select || block.children.empty()) return std::nullopt;
    const auto& source = block.children.front();
    if (what.outline->items.size() != 1 || !what.outline->items.front().star || what.outline->items.front().column ||
        source.tables.size() != 1 || !source.derived.empty() || source.joined ||
        std::any_of(source.children.begin(), source.children.end(), [](const auto& c) { return c.joined; }))
        return std::nullopt;
    const auto* relation = tables.find(source.tables.front()).relation;
    if (!relation) return std::nullopt;
    auto out = block;
    for (const auto& column : relation->columns) out.insert->outputs.push_back({{}, column_ref{{}, column.name, {}}});
    return out;
}

bool compares_texts(const scatter_recipe& what) noexcept {
    const bool ordered = what.how == scatter_recipe::kind::groups || !what.outline->sorts.empty();
    return ordered && what.plain_texts && what.byte_order;
}

bool repeats_untyped(const values& with) {
    if (std::none_of(with.parameters.begin(), with.parameters.end(), is_undeclared)) return false;
    const auto counts = parameter_counts(with.text, with.literals, with.parameters.size());
    for (std::size_t i = 0; i < counts.size(); ++i)
        if (counts[i] > 1 && is_undeclared(with.parameters[i])) return true;
    return false;
}

bool asks_setting_of_a_server(const statement& what, const values& with) {
    // Those of the session, which it has brought to every shard.
    static constexpr std::string_view alike[] = {
        "application_name", "client_encoding",      "datestyle", "intervalstyle", "role", "search_path",
        "timezone",         "session_authorization"};
    const auto is_alike = [](std::string_view setting) {
        return setting.find('.') != std::string_view::npos ||
               std::any_of(std::begin(alike), std::end(alike),
                           [&](std::string_view each) { return lexical::same_word(setting, each); });
    };
    if (std::none_of(what.functions.begin(), what.functions.end(),
                     [](const auto& each) { return each.second == "current_setting"; }))
        return false;
    using postgres::token_kind;
    postgres::token_reader in(with.text, with.literals);
    std::size_t literals = 0;
    const auto next = [&] {
        const auto out = in.next();
        literals += out.kind == token_kind::literal;
        return out;
    };
    const auto is_symbol = [&](const postgres::token& each, char c) {
        return each.kind == token_kind::symbol && with.text[each.offset] == c;
    };
    for (auto each = next(); each.kind != token_kind::end; each = next()) {
        if (!in.is(each, "current_setting") && in.text_of(each) != "\"current_setting\"") continue;
        if (each = next(); !is_symbol(each, '(')) return true;
        each = next();
        std::string setting;
        if (each.kind == token_kind::literal && literals <= with.literals.size()) {
            setting = literal_value(with.text, with.literals[literals - 1], with.standard_conforming_strings);
            each = next();
        } else if (is_symbol(each, '$')) {
            std::size_t number = 0;
            for (auto at = each.stop(); at < with.text.size() && lexical::is_digit(with.text[at]); ++at)
                number = std::min<std::size_t>(10 * number + static_cast<std::size_t>(with.text[at] - '0'), 1u << 20);
            if (number == 0 || number > with.parameters.size()) return true;
            setting = with.parameters[number - 1].bytes;
            for (each = next(); each.kind != token_kind::end && lexical::is_digit(with.text[each.offset]);)
                each = next();
        }
        if (!is_alike(setting) || (!is_symbol(each, ')') && !is_symbol(each, ',') && !is_symbol(each, ':')))
            return true;
    }
    return false;
}

}  // namespace ringway::router
