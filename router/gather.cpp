#include "router/gather.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "router/object_types.hpp"
#include "router/outline.hpp"

namespace ringway::router {

namespace {

/// Where a row is stored: other in the table that stands in for its own.
constexpr std::array<std::string_view, 6> places{"cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"};

/// Functions that look at tables as objects, and would see the one that stands in.
bool looks_at_objects(std::string_view name) {
    static constexpr std::array<std::string_view, 6> fine{"pg_backend_pid", "pg_collation_for", "pg_column_size",
                                                          "pg_sleep",       "pg_sleep_for",     "pg_typeof"};
    if (std::find(fine.begin(), fine.end(), name) != fine.end()) return false;
    return name.starts_with("pg_") || name.starts_with("has_") || name.starts_with("to_reg") ||
           name.starts_with("row_security") || name.find("_to_xml") != std::string_view::npos ||
           name.ends_with("_description");
}

/// Whether a primary key may be grouped by, and columns that depend on it selected: then tables need their keys.
bool may_group_by_key(const statement& what) {
    const auto* use = what.names.find("group");
    if (!use) return false;
    if (!what.outline || what.outline->odd || use->bare != 1 || what.outline->groups.empty()) return true;
    const auto& out = *what.outline;
    const auto is_grouped = [&](const column_ref& column) {
        const auto is_it = [&](const std::optional<column_ref>& other) {
            return other && other->column == column.column &&
                   (other->table == column.table || other->table.empty() || column.table.empty());
        };
        for (const auto& each : out.groups)
            if (is_it(each.column)) return true;
        const bool counted =
            std::any_of(out.groups.begin(), out.groups.end(), [](const auto& g) { return g.constant; });
        return counted &&
               std::any_of(out.items.begin(), out.items.end(), [&](const auto& item) { return is_it(item.column); });
    };
    return !std::all_of(out.bare.begin(), out.bare.end(),
                        [&](const column_ref& column) { return !column.column.empty() && is_grouped(column); });
}

bool calls(const statement& what, std::initializer_list<std::string_view> names) {
    return std::any_of(what.functions.begin(), what.functions.end(), [&](const auto& each) {
        return std::find(names.begin(), names.end(), each.second) != names.end();
    });
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
        if (what.verb == verb::declare_cursor) own_ = what.name;
        if (what.verb == verb::prepare && !what.effects.empty()) own_ = what.effects.front().name;
        collect_references(what.block, all_, derived_);
        for (const auto* each : all_)
            if (const auto* relation = tables.find(*each).relation) relations_.push_back(relation);
    }

    const std::vector<const table_ref*>& all() const { return all_; }
    const std::vector<std::string>& derived() const { return derived_; }

    /// A name may be a whole row where it stands for itself outside of FROM.
    row_use use_of(const std::string& name) const {
        const auto* use = names_.find(name);
        if (!use) return row_use::value;
        std::uint32_t expected = name == own_;
        for (const auto* each : all_) expected += (each->name == name) + (each->alias == name);
        if (use->bare <= expected) return use->opened ? row_use::counted : row_use::none;
        return use->bare <= expected + use->counted || is_other(name) ? row_use::counted : row_use::value;
    }

    /// The type of arrays of its rows, by a name of its own: "_" before the table's, or more of them.
    bool as_array(const std::string& name, const statement& what) const {
        constexpr std::size_t longest = 63;  // NAMEDATALEN - 1
        std::string own = name;
        for (int i = 0; i < 3; ++i) {
            own.insert(0, 1, '_');
            own.resize(std::min(own.size(), longest));
            const auto& casts = what.cast_types;
            if (std::find(casts.begin(), casts.end(), own) != casts.end()) return true;
            const bool in_from =
                std::any_of(all_.begin(), all_.end(), [&](const auto* t) { return t->name == own || t->alias == own; });
            if (names_.find(own) && !in_from && !is_other(own) && own != own_) return true;
        }
        return false;
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
    std::string own_;  ///< of the cursor or the prepared statement, which is no value
    std::vector<const table_ref*> all_;
    std::vector<std::string> derived_;
    std::vector<const catalog_relation*> relations_;
};

key_type key_type_of(const catalog_relation& relation, const std::string& key) {
    for (const auto& each : relation.columns)
        if (each.name == key) return each.type;
    return key_type::unsupported;
}

/// The query level whose FROM has this reference.
const query_block* level_of(const query_block& block, const table_ref* reference) {
    for (const auto& each : block.tables)
        if (&each == reference) return &block;
    for (const auto& child : block.children)
        if (const auto* found = level_of(child, reference)) return found;
    return nullptr;
}

/// Whether any server says the same of it, and none fails where the statement itself would not: of the server's own
/// operators. Texts are not compared, for their order is a collation's.
bool may_be_checked(const comparison& what, const catalog_column& column, const table_finder& tables) {
    using test = comparison::kind;
    if (what.how == test::is_null || what.how == test::is_not_null) return true;
    if (tables.has_own_conversions() || tables.has_own_equality(column.type)) return false;
    static constexpr std::string_view symbols[] = {"<", "<=", ">", ">=", "<>", "~~"};
    if (tables.has_own_operator(symbols[static_cast<std::size_t>(what.how)])) return false;
    switch (column.type) {
        case key_type::text:
            return (what.how == test::like && !column.nondeterministic_collation) ||
                   (what.how == test::differs && !column.nondeterministic_collation);
        case key_type::integer:
        case key_type::numeric:
        case key_type::uuid:
        case key_type::date:
        case key_type::timestamp:
        case key_type::timestamptz:
            return what.how != test::like;
        default:
            return false;
    }
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
    for (const auto& each : level->comparisons) {
        if (!each.column.schema.empty() || (each.column.table != shown && !(each.column.table.empty() && alone)))
            continue;
        const auto column = std::find_if(relation.columns.begin(), relation.columns.end(),
                                         [&](const catalog_column& c) { return c.name == each.column.column; });
        if (column != relation.columns.end() && may_be_checked(each, *column, tables))
            out.push_back({column->name, column->type_oid, {each.value}, each.how});
    }
    return out;
}

bool reads_keyed(const catalog_relation& view, const table_finder& tables) {
    return view.kind == 'v' && std::any_of(view.view_tables.begin(), view.view_tables.end(), [&](const auto& name) {
               return tables.find_qualified(name).what == table_class::keyed;
           });
}

/// Finds out what must stand in for what. `why` tells what was in the way.
class recipe_maker {
  public:
    recipe_maker(const statement& what, const table_finder& tables, const std::vector<std::string>& path,
                 const references& named)
        : what_(what), tables_(tables), path_(path), named_(named) {}

    gather_recipe out;
    std::string why;

    bool run() {
        out.keys = may_group_by_key(what_);
        for (const auto* each : named_.all()) {
            const auto meaning = tables_.find(*each);
            if (meaning.relation && reads_keyed(*meaning.relation, tables_) &&
                !(is_free(*meaning.relation) && add_view(*meaning.relation)))
                return false;
        }
        for (const auto& entry : tables_.map().tables) {
            const auto dot = entry.name.find('.');
            if (!add_named(dot == std::string::npos ? entry.name : entry.name.substr(dot + 1))) return false;
        }
        for (const auto* each : named_.all()) {  // a part or an heir of a keyed table, by its own name
            const auto meaning = tables_.find(*each);
            if (meaning.what == table_class::keyed && !(meaning.relation && table_of(*meaning.relation)))
                return fail(fmt::format("{} is a part of another table", each->name));
        }
        if (out.tables.empty()) return fail("no keyed table of it is understood");
        return true;
    }

  private:
    bool fail(std::string reason) {
        why = std::move(reason);
        return false;
    }

    /// `seen`: the statement may read it; keys of tables come along without that.
    static void add_column(gathered_table& to, const catalog_column& column, bool seen) {
        to.columns.push_back(column.name);
        to.types.push_back(column.type_oid);
        const auto type = object_type(column.type_oid);
        if (seen && !type.empty() && to.objects.empty()) to.objects = why_object_column(column.name, to.name, type);
    }

    /// By which each shard knows its own rows.
    void note_key(gathered_table& to, const catalog_relation& relation) const {
        const auto meaning = tables_.find_qualified(relation.schema + "." + relation.name);
        if (meaning.what != table_class::keyed) return;
        const auto& mapped = tables_.map().tables[meaning.map_index];
        if (mapped.function != config::sharding_function::ring) return;
        to.key = mapped.key;
        to.type = key_type_of(relation, mapped.key);
    }

    gathered_table* table_of(const catalog_relation& relation) {
        const auto found = std::find_if(out.tables.begin(), out.tables.end(), [&](const gathered_table& each) {
            return each.schema == relation.schema && each.name == relation.name;
        });
        return found == out.tables.end() ? nullptr : &*found;
    }

    static bool is_exact(const query_block& block) {
        return block.exact && std::all_of(block.children.begin(), block.children.end(), is_exact);
    }

    /// A table by its bare name, which may stand anywhere in the text, whatever the parser understood of it. Where that
    /// is all, a column, an alias or a WITH query of this name is not the table.
    bool add_named(const std::string& bare) {
        if (!what_.names.find(bare)) return true;
        const bool is_read = std::any_of(named_.all().begin(), named_.all().end(),
                                         [&](const table_ref* each) { return each->name == bare; });
        if (!is_read && is_exact(what_.block)) return true;
        const auto by_path = tables_.find({{}, bare, {}, false});
        const auto* target = by_path.what == table_class::keyed ? by_path.relation : nullptr;
        // The map's name of a table in a schema that is not in the path: each one in the text must name its schema.
        const bool elsewhere = by_path.what == table_class::keyed && !target;
        for (const auto* each : named_.all()) {
            if (each->name != bare) continue;
            const auto meaning = tables_.find(*each);
            if (elsewhere && !meaning.relation) return fail(fmt::format("{} is not a table", bare));
            if (meaning.what == table_class::keyed && !target) target = meaning.relation;
        }
        if (elsewhere && !target) return fail(fmt::format("{} is not a table", bare));
        if (!target) return true;
        if (target->kind != 'r' && target->kind != 'p') return fail(fmt::format("{} is not a table", bare));
        if (!is_free(*target)) return false;
        if (table_of(*target)) return true;  // whole, of a view
        bool seen = what_.names.star || is_renamed(what_.block);
        for (const auto* each : named_.all()) {
            if (each->name != bare) continue;
            for (const auto& name : {each->name, each->alias}) {
                if (name.empty()) continue;
                const auto used = named_.use_of(name);
                if (used == row_use::value) return fail(fmt::format("it uses whole rows of {} as values", bare));
                seen |= used == row_use::counted;
            }
        }
        const bool all = seen || out.keys;
        gathered_table made{target->schema, target->name, all, {}, {}, {}, {}};
        note_key(made, *target);
        if (const auto* only = named_.only(bare)) made.tests = tests_of(what_.block, *only, *target, tables_);
        for (const auto& column : target->columns) {
            const bool named = seen || what_.names.find(column.name);
            if (all || named) add_column(made, column, named);
        }
        out.tables.push_back(std::move(made));
        return true;
    }

    /// Whether a temporary relation of this name is met only where this one is meant. Schemas before it are taken out
    /// of the text.
    bool is_free(const catalog_relation& meant) {
        const auto by_path = tables_.find({{}, meant.name, {}, false});
        if (by_path.relation && by_path.relation != &meant)
            return fail(fmt::format("{} is in two schemas", meant.name));
        bool qualified = false;
        for (const auto* each : named_.all()) {
            if (each->name != meant.name) continue;
            if (tables_.find(*each).relation != &meant) return fail(fmt::format("{} is in two schemas", meant.name));
            qualified |= !each->schema.empty();
        }
        const auto* use = what_.names.find(meant.name);
        if (!qualified && !(use && use->qualified > 0 && what_.names.find(meant.schema))) return true;
        const auto is_schema = [&](const std::string& name) { return name == meant.schema; };
        const auto& derived = named_.derived();
        if (use->opened || std::find(derived.begin(), derived.end(), meant.name) != derived.end() ||
            std::any_of(derived.begin(), derived.end(), is_schema) ||
            std::any_of(named_.all().begin(), named_.all().end(),
                        [&](const table_ref* each) { return is_schema(each->name) || is_schema(each->alias); }) ||
            std::find(what_.cast_types.begin(), what_.cast_types.end(), meant.name) != what_.cast_types.end())
            return fail(fmt::format("{} is named with its schema", meant.name));
        out.qualified = true;
        return true;
    }

    static bool is_renamed(const query_block& block) {
        return block.renamed || std::any_of(block.children.begin(), block.children.end(), is_renamed);
    }

    /// What the view reads stands in whole.
    bool add_view(const catalog_relation& view) {
        const auto is_this = [&](const gathered_view& each) {
            return each.schema == view.schema && each.name == view.name;
        };
        if (std::any_of(out.views.begin(), out.views.end(), is_this)) return true;
        for (const auto* each : named_.all())
            for (const auto& name : {each->name, each->alias})
                if (each->name == view.name && !name.empty() && named_.use_of(name) == row_use::value)
                    return fail(fmt::format("it uses whole rows of {} as values", view.name));
        const auto& text = view.view_definition;
        // A constant is read as the session's settings say, which are not those that it was printed under.
        if (text.find('\\') != std::string::npos || text.find("::interval") != std::string::npos)
            return fail(fmt::format("view {} has constants that are read by the session's settings", view.name));
        if (path_.empty() || path_.front() != "pg_catalog") return fail("pg_catalog is not first in the search_path");
        shape_lexer lexer;
        const auto shape = lexer.scan(text);
        const std::vector<literal> literals(shape.literals.begin(), shape.literals.end());
        gathered_view made{view.schema, view.name, {}};
        std::size_t copied = 0;
        for (const auto& each : qualified_names(text, literals)) {
            const auto meaning = tables_.find({each.schema, each.name, {}, false});
            if (!meaning.relation) continue;
            const bool is_view = reads_keyed(*meaning.relation, tables_);
            if (meaning.what != table_class::keyed && !is_view) continue;
            if (each.other) return fail(fmt::format("view {} uses rows as values", view.name));
            if (!is_free(*meaning.relation) || !(is_view ? add_view(*meaning.relation) : add_whole(*meaning.relation)))
                return false;
            made.definition.append(text, copied, each.qualifier.offset - copied).append("pg_temp.");
            copied = each.qualifier.offset + each.qualifier.length;
        }
        made.definition.append(text, copied);
        while (!made.definition.empty() && (made.definition.back() == ';' || made.definition.back() == ' '))
            made.definition.pop_back();
        out.keys = true;  // it may group by a primary key
        out.views.push_back(std::move(made));
        return true;
    }

    bool add_whole(const catalog_relation& table) {
        if (table.kind != 'r' && table.kind != 'p') return fail(fmt::format("{} is not a table", table.name));
        if (table.row_security)
            return fail(fmt::format("{} has row security, which a view's owner may not be subject to", table.name));
        if (table_of(table)) return true;
        gathered_table made{table.schema, table.name, true, {}, {}, {}, {}};
        note_key(made, table);
        for (const auto& column : table.columns) add_column(made, column, true);
        out.tables.push_back(std::move(made));
        return true;
    }

    const statement& what_;
    const table_finder& tables_;
    const std::vector<std::string>& path_;
    const references& named_;
};

/// Whether any value of the type has room in an index.
bool fits_an_index(key_type type) {
    return type == key_type::integer || type == key_type::uuid || type == key_type::date ||
           type == key_type::timestamp || type == key_type::timestamptz || type == key_type::boolean;
}

/// Columns that a subquery compares with others: should it run once for each of the enclosing query's rows, it finds
/// its own by an index.
void add_probes(const query_block& block, const table_finder& tables, gather_recipe& out) {
    for (const auto& table : block.tables) {
        const auto* relation = tables.find(table).relation;
        const auto made = std::find_if(out.tables.begin(), out.tables.end(), [&](const gathered_table& each) {
            return relation && each.schema == relation->schema && each.name == relation->name;
        });
        if (made == out.tables.end() || !block.sees_parent || block.joined) continue;
        const auto& shown = table.alias.empty() ? table.name : table.alias;
        std::vector<std::string> columns;
        const auto add = [&](const column_ref& column) {
            const bool own =
                (column.table == shown || column.table.empty()) &&
                std::any_of(relation->columns.begin(), relation->columns.end(), [&](const catalog_column& each) {
                    return each.name == column.column && fits_an_index(each.type);
                });
            if (own && std::find(columns.begin(), columns.end(), column.column) == columns.end())
                columns.push_back(column.column);
        };
        for (const auto& each : block.equalities) {
            add(each.left);
            add(each.right);
        }
        if (!columns.empty() && std::find(made->probed.begin(), made->probed.end(), columns) == made->probed.end())
            made->probed.push_back(std::move(columns));
    }
    for (const auto& child : block.children) add_probes(child, tables, out);
}

}  // namespace

const std::string& why_not_brought(const gather_recipe& all) {
    static const std::string none;
    for (const auto& each : all.tables)
        if (!each.objects.empty()) return each.objects;
    return none;
}

std::string why_of_one_server(const statement& what, const std::vector<std::string>& path) {
    if (what.names.unsure) return "it has names that are not understood here";
    for (const auto& each : places)
        if (what.names.find(each)) return fmt::format("it asks for {}, which is a row's place on one server", each);
    for (const auto& each : object_type_names())
        if (what.names.find(each)) return fmt::format("it uses {}, which names tables of one server", each);
    for (const auto& [schema, name] : what.functions)
        if (looks_at_objects(name)) return fmt::format("function {} looks at one server's objects", name);
    if (std::any_of(path.begin(), path.end(), [](const std::string& each) { return each.starts_with("pg_temp"); }))
        return "pg_temp is in the search_path";
    return {};
}

std::optional<gather_recipe> find_gather(const statement& what, const table_finder& tables,
                                         const std::vector<std::string>& path, std::string& why_not) {
    const auto refuse = [&](std::string why) {
        why_not = std::move(why);
        return std::nullopt;
    };
    const bool copies = what.verb == verb::copy_to && !what.copy && what.copy_stdin_or_stdout;  // a query's rows
    const bool reads = what.verb == verb::select || what.verb == verb::explain || what.verb == verb::declare_cursor ||
                       what.verb == verb::prepare || copies;
    if (!reads || what.writes || what.locks_rows) return refuse("only reads are run over several shards");
    if (what.names.rows) return refuse("it uses whole rows as values");
    if (what.names.only) return refuse("it asks for the rows of ONLY one table of several that inherit");
    if (auto why = why_of_one_server(what, path); !why.empty()) return refuse(std::move(why));

    const references named(what, tables);
    for (const auto* each : named.all())
        if (tables.find(*each).what == table_class::system)
            return refuse(fmt::format("{} tells of one server's objects", each->name));
    for (const auto* each : named.all())
        if (named.as_array(each->name, what)) return refuse(fmt::format("it uses arrays of rows of {}", each->name));
    for (const auto* each : named.all()) {
        const auto meaning = tables.find(*each);
        if (meaning.what == table_class::keyed && tables.map().tables[meaning.map_index].by_schema)
            return refuse(fmt::format("{} is of a schema that is a key", each->name));
    }
    for (const auto& each : what.names.all)
        if (tables.is_by_schema(each.name))
            return refuse(fmt::format("{} may be a name in a schema that is a key", each.name));
    if (calls(what, {"statement_timestamp"}) &&
        (what.transaction_time || calls(what, {"now", "transaction_timestamp", "age"})))
        return refuse("statement_timestamp() and the transaction's time are not the same in it");
    recipe_maker making(what, tables, path, named);
    if (!making.run()) return refuse(std::move(making.why));
    for (const auto& child : what.block.children) add_probes(child, tables, making.out);
    return std::move(making.out);
}

}  // namespace ringway::router
