#include "router/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>

#include "router/key.hpp"
#include "router/mysql/need.hpp"
#include "router/search_path.hpp"

namespace ringway::router {

namespace {

/// One table in FROM, anywhere in the statement.
struct occurrence {
    const table_ref* table;
    table_meaning meaning;
    std::string_view shown_as() const noexcept { return table->alias.empty() ? table->name : table->alias; }
    const catalog_column* column(std::string_view name) const {
        if (!meaning.relation) return nullptr;
        const auto& all = meaning.relation->columns;
        const auto found =
            std::find_if(all.begin(), all.end(), [name](const catalog_column& c) { return c.name == name; });
        return found == all.end() ? nullptr : &*found;
    }
    bool has(std::string_view name) const { return column(name) != nullptr; }
};

/// The names one query level sees; the parent is an enclosing level whose columns may be named too.
struct frame {
    std::vector<const occurrence*> tables;
    std::vector<std::string_view> derived;
    const frame* parent = nullptr;

    bool shows(std::string_view name) const {
        return std::any_of(tables.begin(), tables.end(), [name](const auto* t) { return t->shown_as() == name; }) ||
               std::find(derived.begin(), derived.end(), name) != derived.end();
    }
};

/// A column of one occurrence.
struct column_node {
    const occurrence* table;
    std::string name;
    friend bool operator<(const column_node& a, const column_node& b) {
        return std::tie(a.table, a.name) < std::tie(b.table, b.name);
    }
};

/// Values known of columns: each column is one of these, or NULL, in every row that matters.
using facts = std::map<column_node, const key_test*>;

/// Columns that are equal within one block.
class column_classes {
  public:
    std::size_t of(const column_node& node) {
        const auto [at, added] = index_.try_emplace(node, parents_.size());
        if (added) parents_.push_back(parents_.size());
        return root(at->second);
    }
    void unite(const column_node& a, const column_node& b) {
        const auto first = of(a), second = of(b);
        parents_[std::max(first, second)] = std::min(first, second);
    }
    std::size_t root(std::size_t at) {
        while (parents_[at] != at) at = parents_[at] = parents_[parents_[at]];
        return at;
    }
    const std::map<column_node, std::size_t>& all() const noexcept { return index_; }

  private:
    std::map<column_node, std::size_t> index_;
    std::vector<std::size_t> parents_;
};

/// Fewer values first: any one test of a class suffices.
bool is_better(const key_test* a, const key_test* b) {
    if (!b) return true;
    const auto weight = [](const key_test* t) {
        const bool array =
            std::any_of(t->values.begin(), t->values.end(), [](const value_source& v) { return v.array; });
        return t->values.size() + (array ? 1000 : 0);
    };
    return weight(a) < weight(b);
}

class resolver {
  public:
    resolver(const table_finder& tables, key_finding& out) : tables_(tables), out_(out) {}

    /// Resolves a block and all below it. Returns what is known of its columns.
    void resolve(const query_block& block, const frame* parent, const facts& outer) {
        frame seen;
        seen.parent = parent;
        show(block, seen);
        auto known = outer;
        bind(block, seen, known);
    }

  private:
    /// Adds the tables of a block and of its outer joins' nullable sides to what is seen.
    void show(const query_block& block, frame& seen) {
        for (const auto& table : block.tables) {
            auto& made = occurrences_[&table];
            made = {&table, tables_.find(table)};
            const bool inserted = block.insert && &table == &block.tables.front();
            if (made.meaning.what == table_class::keyed) check_key(made, inserted);
            seen.tables.push_back(&made);
        }
        for (const auto& name : block.derived) seen.derived.push_back(name);
        for (const auto& child : block.children)
            if (child.joined) show(child, seen);
    }

    /// A table whose key cannot be placed counts as untied, and no more as keyed.
    void check_key(occurrence& table, bool inserted) {
        const auto& entry = tables_.map().tables[table.meaning.map_index];
        std::string why;
        if (entry.by_schema && !table.meaning.relation && table.table->schema.empty()) {
            why = fmt::format("{} is not in the catalogs that were read last", table.table->name);
        } else if (entry.by_schema) {
            why = tables_.map().functions[table.meaning.map_index].unfit(key_type::text);
        } else if (!table.meaning.relation) {
            why = fmt::format("{} is not in the catalogs that were read last", entry.name);
        } else {
            for (std::size_t i = 0; i <= entry.further_keys.size() && why.empty(); ++i)
                why = why_no_key(table, key_name(entry, i));
        }
        if (why.empty()) return;
        out_.untied.push_back({table.meaning.map_index, table.table->written, inserted, false, std::move(why)});
        table.meaning.what = table_class::elsewhere;
    }

    /// Empty: the column's values can be placed.
    std::string why_no_key(const occurrence& table, const std::string& name) const {
        const auto& entry = tables_.map().tables[table.meaning.map_index];
        const auto* key = table.column(name);
        if (!key) return fmt::format("{} has no column \"{}\", which the shard map calls its key", entry.name, name);
        if (key->type == key_type::unsupported || key->nondeterministic_collation)
            return fmt::format(
                "\"{}\", the key of {}, is of a type or collation whose equal values cannot be told from their text",
                name, entry.name);
        if (tables_.has_own_equality(key->type))
            return fmt::format("\"{}\", the key of {}, may be compared by an operator = of the users' own", name,
                               entry.name);
        return tables_.map().functions[table.meaning.map_index].unfit(key->type, key->mysql.folds_case);
    }

    static const std::string& key_name(const config::table& entry, std::size_t i) {
        return i == 0 ? entry.key : entry.further_keys[i - 1];
    }

    /// Finds keys of the block's own tables, then goes down. `known` grows by what holds for the block's columns.
    void bind(const query_block& block, const frame& seen, facts& known) {
        out_.exact &= block.exact;
        column_classes classes;
        for (const auto& equality : block.equalities) unite(equality, block, seen, classes);
        std::map<std::size_t, const key_test*> tested;
        for (const auto& test : block.tests)
            for (const auto& node : nodes_of(test.column, block, seen)) offer(tested, classes.of(node), &test);
        for (const auto& [node, index] : classes.all()) {
            const auto found = known.find(node);
            if (found != known.end()) offer(tested, classes.root(index), found->second);
        }
        for (const auto& [node, index] : classes.all()) {
            const auto found = tested.find(classes.root(index));
            if (found != tested.end()) known.insert_or_assign(node, found->second);
        }
        for (const auto& table : block.tables) tie(occurrences_.at(&table), block, known);
        if (!block.assignments.empty()) check_assignments(block);
        descend(block, seen, known);
    }

    void descend(const query_block& block, const frame& seen, facts& known) {
        for (const auto& child : block.children) {
            if (!child.joined) continue;
            facts inside = known;
            bind(child, seen, inside);
            for (const auto& [node, test] : inside)  // of its own tables only: its conditions bind no others
                if (belongs(node, child)) known.try_emplace(node, test);
        }
        for (std::size_t i = 0; i < block.children.size(); ++i) {
            const auto& child = block.children[i];
            if (child.joined) continue;
            if (i == 0 && block.insert && block.insert->from_select) {
                resolve_source(block, child);
            } else if (child.sees_parent) {
                resolve(child, &seen, known);
            } else {
                resolve(child, nullptr, {});
            }
        }
    }

    bool belongs(const column_node& node, const query_block& block) const {
        for (const auto& table : block.tables)
            if (&table == node.table->table) return true;
        return std::any_of(block.children.begin(), block.children.end(),
                           [&](const query_block& child) { return child.joined && belongs(node, child); });
    }

    static void offer(std::map<std::size_t, const key_test*>& tested, std::size_t to, const key_test* test) {
        auto& at = tested[to];
        if (is_better(test, at)) at = test;
    }

    void unite(const column_equality& equality, const query_block& block, const frame& seen, column_classes& classes) {
        const auto left = nodes_of(equality.left, block, seen), right = nodes_of(equality.right, block, seen);
        for (const auto& a : left)
            for (const auto& b : right)
                if (are_alike(a.table->column(a.name), b.table->column(b.name))) classes.unite(a, b);
    }

    /// What is equal to one of them is equal to the other: not so when they are compared as another type, or by a
    /// collation that calls different texts equal.
    bool are_alike(const catalog_column* a, const catalog_column* b) const {
        if (!a || !b || a->nondeterministic_collation || b->nondeterministic_collation) return false;
        const auto is_number = [](key_type type) { return type == key_type::integer || type == key_type::numeric; };
        const bool same = a->type == b->type || (is_number(a->type) && is_number(b->type));
        if (a->mysql.collation != b->mysql.collation) return false;
        const bool names = a->type_oid != b->type_oid && (a->type_oid == oid::name || b->type_oid == oid::name);
        return same && !names && a->type != key_type::unsupported && !tables_.has_own_equality(a->type) &&
               !tables_.has_own_equality(b->type);
    }

    /// The columns a name means: one; several when USING or NATURAL merged them; none when it is not certain.
    std::vector<column_node> nodes_of(const column_ref& ref, const query_block& block, const frame& seen) const {
        std::vector<column_node> out;
        if (!ref.table.empty()) {
            if (const auto* found = find(ref, seen)) out.push_back({found, ref.column});
            return out;
        }
        for (const auto* table : seen.tables)
            if (table->has(ref.column)) out.push_back({table, ref.column});
        if (out.empty()) return outer_node_of(ref, seen);
        if (out.size() > 1 && !are_merged(out, block)) out.clear();
        return out;
    }

    /// A name without its table that no table of a subquery has is the enclosing query's.
    static std::vector<column_node> outer_node_of(const column_ref& ref, const frame& seen) {
        std::vector<column_node> out;
        for (const frame* at = &seen; at && out.empty(); at = at->parent) {
            const bool known =
                at->derived.empty() && std::all_of(at->tables.begin(), at->tables.end(),
                                                   [](const auto* t) { return t->meaning.relation != nullptr; });
            if (!known) return {};
            for (const auto* table : at->tables)
                if (table->has(ref.column)) out.push_back({table, ref.column});
        }
        if (out.size() > 1) out.clear();
        return out;
    }

    const occurrence* find(const column_ref& ref, const frame& seen) const {
        for (const frame* at = &seen; at; at = at->parent) {
            for (const auto* table : at->tables) {
                if (table->shown_as() != ref.table) continue;
                if (!ref.schema.empty() && !is_of_schema(*table, ref.schema)) continue;
                // Within a join's condition the name may mean an outer table of the same name.
                for (const frame* outer = at->parent; outer && at->tables.size() + at->derived.size() > 1;
                     outer = outer->parent)
                    if (outer->shows(ref.table)) return nullptr;
                return table;
            }
            if (at->shows(ref.table)) return nullptr;
        }
        return nullptr;
    }

    static bool is_of_schema(const occurrence& table, std::string_view schema) {
        if (!table.table->alias.empty()) return false;
        return table.meaning.relation ? table.meaning.relation->schema == schema : table.table->schema == schema;
    }

    /// An unqualified name that several tables have is an error, unless a join made one column of them.
    bool are_merged(const std::vector<column_node>& nodes, const query_block& block) const {
        column_classes joined;
        unite_named(block, nodes, joined);
        const auto first = joined.of(nodes.front());
        return std::all_of(nodes.begin(), nodes.end(), [&](const column_node& n) { return joined.of(n) == first; });
    }

    void unite_named(const query_block& block, const std::vector<column_node>& nodes, column_classes& joined) const {
        const auto among = [&nodes](const column_ref& ref) -> const column_node* {
            const auto found = std::find_if(nodes.begin(), nodes.end(), [&](const column_node& n) {
                return ref.table == n.table->shown_as() && ref.column == n.name;
            });
            return found == nodes.end() ? nullptr : &*found;
        };
        for (const auto& equality : block.equalities) {
            const auto *a = among(equality.left), *b = among(equality.right);
            if (a && b) joined.unite(*a, *b);
        }
        for (const auto& child : block.children)
            if (child.joined) unite_named(child, nodes, joined);
    }

    /// The recipe of one keyed table, from what is known of its key.
    void tie(const occurrence& table, const query_block& block, const facts& known) {
        if (table.meaning.what != table_class::keyed) return;
        const auto& entry = tables_.map().tables[table.meaning.map_index];
        const bool target = table.table->written;
        if (block.insert && &block.tables.front() == table.table) {
            tie_rows(table, *block.insert);
            return;
        }
        if (entry.by_schema) return add_schema(table);
        std::vector<std::vector<value_source>> all;
        for (std::size_t i = 0; i <= entry.further_keys.size(); ++i) {
            const auto found = known.find({&table, key_name(entry, i)});
            if (found == known.end()) {
                out_.untied.push_back(
                    {table.meaning.map_index, target, false, false,
                     fmt::format("{} has no condition on its key \"{}\"", entry.name, key_name(entry, i))});
                return;
            }
            all.push_back(found->second->values);
        }
        add(table, std::move(all), target, false);
    }

    /// `values`: of each column of the key.
    void add(const occurrence& table, std::vector<std::vector<value_source>> values, bool write, bool rows) {
        const auto& entry = tables_.map().tables[table.meaning.map_index];
        key_recipe made;
        for (std::size_t i = 0; i < values.size(); ++i) {
            auto& of = i == 0 ? made : made.further.emplace_back();
            const auto* column = table.column(key_name(entry, i));
            of.table = table.meaning.map_index;
            of.type = column->type;
            if (rows) of.type_modifier = column->type_modifier;
            of.mysql = column->mysql;
            of.write = write;
            of.rows = rows;
            of.native_only = tables_.has_own_conversions();
            of.values = std::move(values[i]);
        }
        add(std::move(made));
    }

    /// A table whose schema tells the shard.
    void add_schema(const occurrence& table) {
        key_recipe made;
        made.table = table.meaning.map_index;
        made.type = key_type::text;
        made.write = table.table->written;
        auto& value = made.values.emplace_back();
        value.what = value_source::from::constant;
        value.constant = table.meaning.relation ? table.meaning.relation->schema : table.table->schema;
        add(std::move(made));
    }

    void add(key_recipe made) {
        const auto& tables = tables_.map().tables;
        const auto same = [&](const key_recipe& other) {
            const auto alike = [](const key_recipe& a, const key_recipe& b) {
                return a.type == b.type && a.write == b.write && a.rows == b.rows && a.mysql == b.mysql &&
                       a.values == b.values;
            };
            return tables[other.table].placed_as(tables[made.table]) && alike(other, made) &&
                   std::equal(other.further.begin(), other.further.end(), made.further.begin(), made.further.end(),
                              alike);
        };
        if (std::none_of(out_.keys.begin(), out_.keys.end(), same)) out_.keys.push_back(std::move(made));
    }

    static bool same_type(const catalog_column* a, const catalog_column* b) { return a && b && a->type == b->type; }

    /// Where the key stands in the rows of an INSERT; npos: it is not given.
    static std::size_t key_place(const occurrence& table, const std::string& key, const insert_rows& insert) {
        if (!insert.columns.empty()) {
            const auto at = std::find(insert.columns.begin(), insert.columns.end(), key);
            return at == insert.columns.end() ? std::string::npos
                                              : static_cast<std::size_t>(at - insert.columns.begin());
        }
        const auto& columns = table.meaning.relation->columns;
        return static_cast<std::size_t>(table.column(key) - columns.data());
    }

    void tie_rows(const occurrence& table, const insert_rows& insert) {
        if (insert.from_select) return;  // resolve_source
        const auto& entry = tables_.map().tables[table.meaning.map_index];
        if (entry.by_schema) return add_schema(table);
        std::vector<std::vector<value_source>> all;
        for (std::size_t i = 0; i <= entry.further_keys.size(); ++i) {
            const auto& name = key_name(entry, i);
            const auto at = key_place(table, name, insert);
            auto& values = all.emplace_back();
            for (const auto& row : insert.rows) {
                const bool given = at < row.size() && row[at].what != value_source::from::unknown && !row[at].array;
                if (!given) {
                    const bool open = !row.empty() && row.front().constant == "*";  // a star gives more values
                    const bool missing = at < row.size() ? row[at].constant == "default" : !open;
                    auto why =
                        missing ? fmt::format("the row gives no value for \"{}\", the key of {}", name, entry.name)
                                : fmt::format("the value of \"{}\", the key of {}, is an expression", name, entry.name);
                    out_.untied.push_back({table.meaning.map_index, true, true, missing, std::move(why)});
                    return;
                }
                values.push_back(row[at]);
            }
        }
        add(table, std::move(all), true, true);
    }

    /// INSERT ... SELECT: the key's column must be a constant, or a column with a known value.
    void resolve_source(const query_block& block, const query_block& source) {
        frame seen;
        show(source, seen);
        facts known;
        bind(source, seen, known);
        const auto& target = occurrences_.at(&block.tables.front());
        if (target.meaning.what != table_class::keyed) return;
        const auto& entry = tables_.map().tables[target.meaning.map_index];
        if (entry.by_schema) return add_schema(target);
        std::vector<std::vector<value_source>> all;
        for (std::size_t i = 0; i <= entry.further_keys.size(); ++i) {
            const auto& name = key_name(entry, i);
            const auto at = key_place(target, name, *block.insert);
            const std::size_t before = all.size();
            if (at < block.insert->outputs.size()) {
                const auto& output = block.insert->outputs[at];
                if (output.value.what != value_source::from::unknown)
                    all.push_back({output.value});
                else
                    for (const auto& node :
                         output.from ? nodes_of(*output.from, source, seen) : std::vector<column_node>{}) {
                        const auto found = known.find(node);
                        const bool fits = found != known.end() && has_a_row(source, node) &&
                                          same_type(node.table->column(node.name), target.column(name));
                        if (!fits || all.size() != before || (entry.is_compound() && !is_one(found->second->values)))
                            continue;
                        all.push_back(found->second->values);
                    }
            }
            if (all.size() != before) continue;
            out_.untied.push_back(
                {target.meaning.map_index, true, true, false,
                 fmt::format("what the SELECT gives for \"{}\", the key of {}, is not known", name, entry.name)});
            return;
        }
        add(target, std::move(all), true, true);
    }

    /// Not so of the nullable side of an outer join: there the column may be NULL, whatever is known of its values.
    static bool has_a_row(const query_block& block, const column_node& node) {
        return std::any_of(block.tables.begin(), block.tables.end(),
                           [&](const table_ref& each) { return &each == node.table->table; });
    }

    static bool is_one(const std::vector<value_source>& values) { return values.size() == 1 && !values.front().array; }

    /// A new key must belong to the shard the row is on.
    void check_assignments(const query_block& block) {
        check_assignments(block, occurrences_.at(&block.tables.front()));
        if (block.insert || !tables_.writes_several()) return;
        for (std::size_t i = 1; i < block.tables.size(); ++i)
            check_assignments(block, occurrences_.at(&block.tables[i]));
        const auto go_down = [&](const auto& self, const query_block& below) -> void {
            for (const auto& child : below.children) {
                if (!child.joined) continue;
                for (const auto& table : child.tables) check_assignments(block, occurrences_.at(&table));
                self(self, child);
            }
        };
        go_down(go_down, block);
    }

    /// A column without its table may be any table's that has one of this name.
    void check_assignments(const query_block& block, const occurrence& target) {
        if (target.meaning.what != table_class::keyed) return;
        const auto& entry = tables_.map().tables[target.meaning.map_index];
        if (entry.by_schema) return;
        for (std::size_t i = 0; i <= entry.further_keys.size(); ++i)
            check_assignments(block, target, key_name(entry, i));
    }

    void check_assignments(const query_block& block, const occurrence& target, const std::string& name) {
        const auto& entry = tables_.map().tables[target.meaning.map_index];
        const auto own = [&](const column_ref& ref) {
            return ref.table.empty() || !tables_.writes_several() || ref.table == target.shown_as();
        };
        if (const auto* key = target.column(name); key && key->generated)
            out_.key_change = fmt::format("\"{}\", the key of {}, is generated from other columns", name, entry.name);
        for (const auto& each : block.assignments) {
            if (each.column.column != name || !own(each.column)) continue;
            if (each.from && each.from->column == name &&
                (each.from->table == target.shown_as() || each.from->table.empty() ||
                 (block.insert && each.from->table == "excluded")))
                continue;  // stays what it is, or becomes what the row to insert has
            if (each.value.what == value_source::from::unknown || each.value.array)
                out_.key_change = fmt::format("\"{}\", the key of {}, is set to an expression", name, entry.name);
            else if (entry.is_compound())
                out_.key_change = fmt::format("\"{}\", of the key of {}, is set", name, entry.name);
            else
                add(target, {{each.value}}, true, true);
        }
    }

    const table_finder& tables_;
    key_finding& out_;
    std::map<const table_ref*, occurrence> occurrences_;  // stable addresses
};

/// "tenant_*.*": whether the schema is meant, a star standing for any characters.
bool is_schema_of(std::string_view pattern, std::string_view schema) {
    pattern.remove_suffix(2);
    const auto star = pattern.find('*');
    if (star == pattern.npos) return pattern == schema;
    const auto before = pattern.substr(0, star), after = pattern.substr(star + 1);
    return schema.size() >= before.size() + after.size() && schema.starts_with(before) && schema.ends_with(after);
}

bool ends_with_name(std::string_view qualified, std::string_view name) {
    return qualified.size() > name.size() && qualified.ends_with(name) &&
           qualified[qualified.size() - name.size() - 1] == '.';
}

}  // namespace

table_meaning table_finder::classify(const catalog_relation* relation, std::string_view schema,
                                     std::string_view name) const {
    table_meaning out;
    out.relation = relation;
    const std::string_view where = relation ? std::string_view(relation->schema) : schema;
    if (is_system_schema(where) || (in_ && in_->dialect == dialect::mysql && mysql::is_system_schema(where))) {
        out.what = table_class::system;
        return out;
    }
    const std::string own = where.empty() ? std::string(name) : fmt::format("{}.{}", where, name);
    static const std::vector<std::string> none;
    const auto& above = relation ? relation->ancestors : none;
    const auto matches_any = [&](const auto& matches) { return std::any_of(above.begin(), above.end(), matches); };
    std::optional<std::uint16_t> inherited;
    for (std::size_t i = 0; i < map_.tables.size(); ++i) {
        const auto& entry = map_.tables[i];
        if (entry.by_schema) continue;
        const bool entry_qualified = entry.name.find('.') != std::string::npos;
        const auto matches = [&](std::string_view full) {
            return !full.empty() && (full == entry.name || (!entry_qualified && ends_with_name(full, entry.name)));
        };
        // A name that the catalog does not know may be the map's table in any schema.
        const bool bare = where.empty() && (entry_qualified ? ends_with_name(entry.name, name) : entry.name == name);
        if (!inherited && matches_any(matches)) inherited = static_cast<std::uint16_t>(i);
        if (!matches(own) && !bare) continue;
        inherited = static_cast<std::uint16_t>(i);
        break;
    }
    // An unqualified name that the catalog does not know may be a table of any schema of the path.
    const auto may_mean = [&](const config::table& entry) {
        if (!entry.by_schema) return false;
        if (!where.empty()) return is_schema_of(entry.name, where);
        return std::any_of(path_.begin(), path_.end(),
                           [&](const std::string& each) { return is_schema_of(entry.name, each); });
    };
    for (std::size_t i = 0; i < map_.tables.size() && !inherited; ++i)
        if (may_mean(map_.tables[i])) inherited = static_cast<std::uint16_t>(i);
    if (!inherited) return out;
    out.what = map_.tables[*inherited].reference ? table_class::reference : table_class::keyed;
    out.map_index = *inherited;
    return out;
}

bool table_finder::is_by_schema(const std::string& name) const {
    const auto& all = map_.tables;
    if (std::none_of(all.begin(), all.end(), [](const config::table& each) { return each.by_schema; })) return false;
    if (std::any_of(all.begin(), all.end(),
                    [&](const config::table& each) { return each.by_schema && is_schema_of(each.name, name); }))
        return true;
    const auto meaning = find({{}, name, {}, false});
    return meaning.what == table_class::keyed && all[meaning.map_index].by_schema;
}

bool table_finder::has_own_equality(key_type type) const {
    if (!in_) return false;
    return std::any_of(in_->own_equalities.begin(), in_->own_equalities.end(), [&](const own_equality& each) {
        return each.type == type && std::find(path_.begin(), path_.end(), each.schema) != path_.end();
    });
}

bool table_finder::has_own_operator(std::string_view symbol) const {
    return in_ && std::any_of(in_->operators.begin(), in_->operators.end(),
                              [&](const catalog_operator& each) { return each.symbol == symbol; });
}

table_meaning table_finder::find(const table_ref& table) const {
    if (table.schema == "pg_temp") return {table_class::temporary, nullptr, 0};
    const auto* relation = in_ ? find_relation(*in_, path_, table.schema, table.name) : nullptr;
    return classify(relation, table.schema, table.name);
}

table_meaning table_finder::find_qualified(std::string_view name) const {
    const auto dot = name.find('.');
    if (dot == std::string_view::npos) return {};
    return find({std::string(name.substr(0, dot)), std::string(name.substr(dot + 1)), {}, false});
}

key_finding find_keys(const query_block& block, const table_finder& tables) {
    key_finding out;
    resolver(tables, out).resolve(block, nullptr, {});
    return out;
}

}  // namespace ringway::router
