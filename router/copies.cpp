#include "router/copies.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "router/volatility.hpp"

namespace ringway::router {

namespace {

bool reads_tables(const query_block& block) {
    return !block.tables.empty() || std::any_of(block.children.begin(), block.children.end(), reads_tables);
}

/// Of numbers that are added up: of floating point ones the sum depends on the order.
bool adds(std::string_view function) {
    static constexpr std::string_view all[] = {"avg",      "corr",       "covar_pop",   "covar_samp",
                                               "stddev",   "stddev_pop", "stddev_samp", "sum",
                                               "variance", "var_pop",    "var_samp"};
    return function.starts_with("regr_") || std::find(std::begin(all), std::end(all), function) != std::end(all);
}

// ---- UPDATE ... FROM ------------------------------------------------------------------------------------------------

/// Whether more than one combination of FROM's rows may match a row that is updated: which of them counts is the
/// server's choice.
class matching {
  public:
    matching(const statement& what, const table_finder& tables) : block_(what.block), tables_(tables) {
        for (const auto& each : block_.tables) meanings_.push_back(tables.find(each));
    }

    std::string why_several() const {
        if (block_.assignments.empty() || takes_nothing()) return {};
        const bool joins = std::any_of(block_.children.begin(), block_.children.end(),
                                       [](const query_block& each) { return each.joined && reads_tables(each); });
        const bool derives =
            !block_.derived.empty() && std::any_of(block_.children.begin(), block_.children.end(), reads_tables);
        if (joins) return "a row may match several of an outer join, and which one counts may differ by copy";
        if (derives)
            return fmt::format("a row may match several of {}, and which one counts may differ by copy",
                               block_.derived.front());
        std::vector<bool> tied(block_.tables.size(), false);
        tied.front() = true;  // what is updated
        for (bool grown = true; grown;) {
            grown = false;
            for (std::size_t i = 0; i < tied.size(); ++i)
                if (!tied[i] && is_tied(i, tied)) grown = tied[i] = true;
        }
        const auto loose = std::find(tied.begin(), tied.end(), false);
        if (loose == tied.end()) return {};
        return fmt::format("a row may match several of {}, and which one counts may differ by copy",
                           block_.tables[static_cast<std::size_t>(loose - tied.begin())].name);
    }

  private:
    static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);

    /// Of FROM's rows: all new values are constants, or the row's own.
    bool takes_nothing() const {
        return std::all_of(block_.assignments.begin(), block_.assignments.end(), [this](const assignment& each) {
            return each.value.what != value_source::from::unknown || (each.from && place_of(*each.from) == 0);
        });
    }

    std::size_t place_of(const column_ref& column) const {
        auto found = nowhere;
        for (std::size_t i = 0; i < block_.tables.size(); ++i) {
            const auto& table = block_.tables[i];
            const bool named = !column.table.empty() ? (table.alias.empty() ? table.name : table.alias) == column.table
                                                     : column_of(i, column.column) != nullptr;
            if (!named) continue;
            if (found != nowhere) return nowhere;
            found = i;
        }
        return found;
    }

    const catalog_column* column_of(std::size_t table, const std::string& name) const {
        if (!meanings_[table].relation) return nullptr;
        for (const auto& each : meanings_[table].relation->columns)
            if (each.name == name) return &each;
        return nullptr;
    }

    bool is_derived(const column_ref& column) const {
        return std::find(block_.derived.begin(), block_.derived.end(), column.table) != block_.derived.end();
    }

    /// By one of its keys, to what has one value for each row that is updated.
    bool is_tied(std::size_t table, const std::vector<bool>& tied) const {
        const auto* relation = meanings_[table].relation;
        if (!relation || (relation->kind != 'p' && !relation->heirs.empty())) return false;
        return std::any_of(relation->unique_keys.begin(), relation->unique_keys.end(), [&](const auto& key) {
            return std::all_of(key.begin(), key.end(),
                               [&](const std::string& column) { return has_value(table, column, tied); });
        });
    }

    bool has_value(std::size_t table, const std::string& column, const std::vector<bool>& tied) const {
        const auto* own = column_of(table, column);
        if (!own || tables_.has_own_equality(own->type)) return false;
        const auto is_own = [&](const column_ref& each) { return each.column == column && place_of(each) == table; };
        const auto gives = [&](const column_ref& each) {
            if (is_derived(each)) return true;
            const auto place = place_of(each);
            if (place == nowhere || !tied[place]) return false;
            const auto* other = column_of(place, each.column);
            return other && (other->type_oid == own->type_oid ||
                             (other->type == own->type && own->type != key_type::unsupported));
        };
        return std::any_of(block_.tests.begin(), block_.tests.end(),
                           [&](const key_test& each) {
                               return is_own(each.column) && each.values.size() == 1 && !each.values.front().array;
                           }) ||
               std::any_of(block_.equalities.begin(), block_.equalities.end(), [&](const column_equality& each) {
                   return (is_own(each.left) && gives(each.right)) || (is_own(each.right) && gives(each.left));
               });
    }

    const query_block& block_;
    const table_finder& tables_;
    std::vector<table_meaning> meanings_;
};

// ---- which tables ---------------------------------------------------------------------------------------------------

/// Those of the map that foreign keys lead a change of `name` to.
void add_referring(const std::string& name, const table_finder& tables, std::set<std::string>& seen,
                   std::set<std::uint16_t>& to) {
    const auto meaning = tables.find_qualified(name);
    if (!seen.insert(name).second || !meaning.relation) return;
    if (meaning.what == table_class::reference) to.insert(meaning.map_index);
    for (const auto& each : meaning.relation->referenced_by) add_referring(each, tables, seen, to);
    for (const auto& each : meaning.relation->heirs) add_referring(each, tables, seen, to);
}

void add_changed(const query_block& block, const table_finder& tables, std::set<std::uint16_t>& to) {
    std::set<std::string> seen;
    for (const auto& each : block.tables) {
        const auto meaning = tables.find(each);
        if (each.written && meaning.relation && meaning.what == table_class::reference)
            add_referring(meaning.relation->schema + "." + meaning.relation->name, tables, seen, to);
    }
    for (const auto& child : block.children) add_changed(child, tables, to);
}

/// Rows, which change no other.
bool only_adds(const statement& what) {
    const auto& rows = what.block.insert;
    return what.verb == verb::copy_from || (what.verb == verb::insert && rows && !rows->on_conflict);
}

}  // namespace

std::string why_order_tells(const tables_seen& seen, const statement& what, const table_finder& tables,
                            const catalog* in, const std::vector<std::string>& path) {
    if (what.row_places) return "where a row stands (ctid, xmin and the like) differs by copy";
    if (!seen.ordered_view.empty())
        return fmt::format("view {} takes rows in an order that copies of a table may not share", seen.ordered_view);
    const auto& children = what.block.children;
    if (std::any_of(children.begin(), children.end(), reads_tables)) {
        if (what.inner_order || what.inner_ties)
            return "a subquery takes rows in the order in which they stand, or in one that may have ties, which copies "
                   "of a table may not share";
        const bool floats =
            seen.floats || std::any_of(what.cast_types.begin(), what.cast_types.end(), [](const std::string& each) {
                return each.starts_with("float") || each == "real" || each == "double precision";
            });
        for (const auto& [schema, name] : what.inner_functions)
            if (nature_of(in, path, schema, name).own_aggregate || (floats && adds(name)))
                return fmt::format(
                    "{} may depend on the order in which rows stand, which copies of a table may not share", name);
    }
    return what.verb == verb::update ? matching(what, tables).why_several() : std::string();
}

copies_kept copies_of(const tables_seen& seen, const statement& what, const table_finder& tables, bool made) {
    std::set<std::uint16_t> all;
    copies_kept out;
    out.shared = only_adds(what) && (made || what.block.children.empty());
    if (made)
        all.insert(tables.find(what.block.tables.front()).map_index);
    else
        all.insert(seen.references.begin(), seen.references.end());
    if (!only_adds(what)) add_changed(what.block, tables, all);
    std::set<std::string> names;  // what one proxy calls public.countries is another's countries
    for (const auto each : all) {
        const auto& name = tables.map().tables[each].name;
        names.insert(name.substr(name.rfind('.') + 1));
    }
    out.tables.assign(names.begin(), names.end());
    return out;
}

}  // namespace ringway::router
