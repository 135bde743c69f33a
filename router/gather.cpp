#include "router/gather.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace ringway::router {

namespace {

/// Where a row is stored: other in the table that stands in for its own.
constexpr std::array<std::string_view, 6> places{"cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"};
/// Types whose values name objects by their OIDs.
constexpr std::array<std::string_view, 11> object_names{"regclass",     "regcollation", "regconfig",   "regdictionary",
                                                        "regnamespace", "regoper",      "regoperator", "regproc",
                                                        "regprocedure", "regrole",      "regtype"};

/// Functions that look at tables as objects, and would see the one that stands in.
bool looks_at_objects(std::string_view name) {
    static constexpr std::array<std::string_view, 5> fine{"pg_backend_pid", "pg_column_size", "pg_sleep",
                                                          "pg_sleep_for", "pg_typeof"};
    if (std::find(fine.begin(), fine.end(), name) != fine.end()) return false;
    return name.starts_with("pg_") || name.starts_with("has_") || name.starts_with("to_reg") ||
           name.starts_with("row_security") || name.find("_to_xml") != std::string_view::npos ||
           name.ends_with("_description");
}

/// How a table's names are used besides where FROM has them.
enum class row_use : std::uint8_t { none, counted, value };

void collect_references(const query_block& block, std::vector<const table_ref*>& out,
                        std::vector<std::string>& derived) {
    for (const auto& each : block.tables) out.push_back(&each);
    derived.insert(derived.end(), block.derived.begin(), block.derived.end());
    for (const auto& child : block.children) collect_references(child, out, derived);
}

/// All tables of a statement, and what their names may stand for.
class references {
  public:
    references(const statement& what, const table_finder& tables) : names_(what.names) {
        collect_references(what.block, all_, derived_);
        for (const auto* each : all_)
            if (const auto* relation = tables.find(*each).relation) relations_.push_back(relation);
    }

    const std::vector<const table_ref*>& all() const { return all_; }

    /// A name may be a whole row where it stands for itself outside of FROM.
    row_use use_of(const std::string& name) const {
        const auto* use = names_.find(name);
        if (!use) return row_use::value;
        std::uint32_t expected = 0;
        for (const auto* each : all_) expected += (each->name == name) + (each->alias == name);
        if (use->bare <= expected) return use->opened ? row_use::counted : row_use::none;
        return use->bare <= expected + use->counted || is_other(name) ? row_use::counted : row_use::value;
    }

    /// The one reference to a table; null: there are more, or its name may stand for something else too.
    const table_ref* only(const std::string& name) const {
        const table_ref* found = nullptr;
        for (const auto* each : all_) {
            if (each->name != name) continue;
            if (found) return nullptr;
            found = each;
        }
        const bool plain =
            found && use_of(name) == row_use::none && (found->alias.empty() || use_of(found->alias) == row_use::none);
        return plain ? found : nullptr;
    }

  private:
    /// A column, or what FROM makes: then it is not the table.
    bool is_other(const std::string& name) const {
        if (std::find(derived_.begin(), derived_.end(), name) != derived_.end()) return true;
        return std::any_of(relations_.begin(), relations_.end(), [&](const catalog_relation* relation) {
            return std::any_of(relation->columns.begin(), relation->columns.end(),
                               [&](const catalog_column& column) { return column.name == name; });
        });
    }

    const names_used& names_;
    std::vector<const table_ref*> all_;
    std::vector<std::string> derived_;
    std::vector<const catalog_relation*> relations_;
};

/// The query level whose FROM has this reference.
const query_block* level_of(const query_block& block, const table_ref* reference) {
    for (const auto& each : block.tables)
        if (&each == reference) return &block;
    for (const auto& child : block.children)
        if (const auto* found = level_of(child, reference)) return found;
    return nullptr;
}

/// Of a table that is named once: what its level asks of each of its rows.
std::vector<gather_test> tests_of(const query_block& whole, const table_ref& reference,
                                  const catalog_relation& relation, const table_finder& tables) {
    std::vector<gather_test> out;
    const auto* level = level_of(whole, &reference);
    if (!level || !level->exact) return out;
    const auto& shown = reference.alias.empty() ? reference.name : reference.alias;
    const bool alone =
        level->tables.size() == 1 && level->derived.empty() && !level->joined &&
        std::none_of(level->children.begin(), level->children.end(), [](const auto& c) { return c.joined; });
    for (const auto& test : level->tests) {
        if (test.column.schema.empty() && (test.column.table == shown || (test.column.table.empty() && alone))) {
            const auto column =
                std::find_if(relation.columns.begin(), relation.columns.end(),
                             [&](const catalog_column& each) { return each.name == test.column.column; });
            if (column != relation.columns.end() && !tables.has_own_equality(column->type) &&
                !tables.has_own_conversions())
                out.push_back({column->name, column->type_oid, test.values});
        }
    }
    return out;
}

}  // namespace

std::optional<gather_recipe> find_gather(const statement& what, const table_finder& tables,
                                         const std::vector<std::string>& path, std::string& why_not) {
    const auto refuse = [&](std::string why) {
        why_not = std::move(why);
        return std::nullopt;
    };
    if (what.verb != verb::select || what.writes || what.locks_rows)
        return refuse("only reads are run over several shards");
    if (what.names.unsure) return refuse("it has names that are not understood here");
    if (what.names.rows) return refuse("it uses whole rows as values");
    if (what.names.only) return refuse("it asks for the rows of ONLY one table of several that inherit");
    for (const auto& each : places)
        if (what.names.find(each))
            return refuse(fmt::format("it asks for {}, which is a row's place on one server", each));
    for (const auto& each : object_names)
        if (what.names.find(each)) return refuse(fmt::format("it uses {}, which names tables of one server", each));
    for (const auto& [schema, name] : what.functions)
        if (looks_at_objects(name)) return refuse(fmt::format("function {} looks at one server's objects", name));
    if (std::any_of(path.begin(), path.end(), [](const std::string& each) { return each.starts_with("pg_temp"); }))
        return refuse("pg_temp is in the search_path");

    const references named(what, tables);
    for (const auto* each : named.all())
        if (tables.find(*each).what == table_class::system)
            return refuse(fmt::format("{} tells of one server's objects", each->name));
    gather_recipe out;
    out.keys = what.names.find("group") != nullptr;
    for (const auto& entry : tables.map().tables) {
        const auto dot = entry.name.find('.');
        const auto bare = dot == std::string::npos ? entry.name : entry.name.substr(dot + 1);
        const auto* use = what.names.find(bare);
        if (!use) continue;
        const auto meaning = tables.find({{}, bare, {}, false});
        if (meaning.what != table_class::keyed) {
            for (const auto* each : named.all())
                if (each->name == bare && tables.find(*each).what == table_class::keyed)
                    return refuse(fmt::format("{} is named with its schema", bare));
            continue;
        }
        if (use->qualified > 0) return refuse(fmt::format("{} is named with its schema", bare));
        if (!meaning.relation || (meaning.relation->kind != 'r' && meaning.relation->kind != 'p'))
            return refuse(fmt::format("{} is not a table", bare));
        const auto known = std::any_of(out.tables.begin(), out.tables.end(),
                                       [&](const gathered_table& each) { return each.name == bare; });
        if (known) continue;
        bool all = what.names.star || out.keys;
        for (const auto* each : named.all()) {
            if (each->name != bare) continue;
            for (const auto& name : {each->name, each->alias}) {
                if (name.empty()) continue;
                const auto used = named.use_of(name);
                if (used == row_use::value) return refuse(fmt::format("it uses whole rows of {} as values", bare));
                all |= used == row_use::counted;
            }
        }
        gathered_table made{meaning.relation->schema, meaning.relation->name, {}, {}};
        if (const auto* only = named.only(bare)) made.tests = tests_of(what.block, *only, *meaning.relation, tables);
        for (const auto& column : meaning.relation->columns)
            if (all || what.names.find(column.name)) made.columns.push_back(column.name);
        out.tables.push_back(std::move(made));
    }
    for (const auto* each : named.all()) {  // a part or an heir of a keyed table, by its own name
        const auto meaning = tables.find(*each);
        const auto is_this = [&](const gathered_table& made) {
            return meaning.relation && made.schema == meaning.relation->schema && made.name == meaning.relation->name;
        };
        if (meaning.what == table_class::keyed && std::none_of(out.tables.begin(), out.tables.end(), is_this))
            return refuse(fmt::format("{} is a part of another table", each->name));
    }
    if (out.tables.empty()) return refuse("no keyed table of it is understood");
    return out;
}

}  // namespace ringway::router
