#include "router/table_changes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "router/leads.hpp"

namespace ringway::router {

namespace {

using config::fault;
using config::fault_kind;
using kind = table_change::kind;

class judge_of_changes {
  public:
    judge_of_changes(const table_finder& tables, const differing& why_copies_differ)
        : tables_(tables), why_copies_differ_(why_copies_differ) {}

    std::optional<fault> look_at(const table_change& change) const {
        switch (change.what) {
            case kind::attached:
                return attached(change);
            case kind::detached:
                return detached(change);
            case kind::renamed:
                return renamed(change);
            case kind::schema_renamed:
                return schema_renamed(change);
            case kind::column_renamed:
            case kind::column_retyped:
            case kind::column_dropped:
            case kind::column_computed:
                return column(change);
            case kind::column_filled:
                return filled(change);
            case kind::attribute_changed:
                return attribute(change);
            case kind::refers:
                return refers(change);
        }
        return std::nullopt;
    }

  private:
    const config::table& entry_of(const table_meaning& table) const { return tables_.map().tables[table.map_index]; }

    std::string hint_on_each() const {
        return fmt::format("run it on each shard by a comment: /* ringway: shard={} */",
                           tables_.map().shards.front().name);
    }

    /// Where its rows are, in words.
    std::string place_of(const table_meaning& table) const {
        switch (table.what) {
            case table_class::keyed:
                return fmt::format("on the shards of their \"{}\"", entry_of(table).key_title());
            case table_class::reference:
                return "on every shard";
            default:
                return "on the first shard";
        }
    }

    static std::string titled(const table_ref& table) {
        return table.schema.empty() ? table.name : table.schema + "." + table.name;
    }

    bool alike(const table_meaning& a, const table_meaning& b) const { return placed_alike(a, b, tables_.map()); }

    /// Two of one schema that is the key, not yet in the catalog, or indexes, which never are.
    bool of_one_schema(const table_change& change, const table_meaning& a, const table_meaning& b) const {
        return a.what == table_class::keyed && b.what == table_class::keyed && entry_of(a).by_schema &&
               &entry_of(a) == &entry_of(b) && (!a.relation || !b.relation) && !change.table.schema.empty() &&
               change.table.schema == (change.other.schema.empty() ? change.table.schema : change.other.schema);
    }

    std::optional<fault> attached(const table_change& change) const {
        const auto part = tables_.find(change.table), whole = tables_.find(change.other);
        if (alike(part, whole) || of_one_schema(change, part, whole)) return std::nullopt;
        return fault{fault_kind::unsupported,
                     fmt::format("{} cannot become a part of {}: their rows are placed differently",
                                 titled(change.table), titled(change.other)),
                     fmt::format("rows of {} are {}, those of {} {}; none would be moved", titled(change.table),
                                 place_of(part), titled(change.other), place_of(whole)),
                     fmt::format("make it by CREATE TABLE ... PARTITION OF, or list it in the map as {} is; where it "
                                 "has no rows, {}",
                                 titled(change.other), hint_on_each())};
    }

    std::optional<fault> detached(const table_change& change) const {
        const auto whole = tables_.find(change.other);
        if (whole.what != table_class::keyed && whole.what != table_class::reference) return std::nullopt;
        const auto alone = by_own_name(change.table);
        if (alike(alone, whole)) return std::nullopt;
        return fault{
            fault_kind::unsupported,
            fmt::format("{} cannot be parted from {}: its rows would not be found any more", titled(change.table),
                        titled(change.other)),
            fmt::format("they are {}, and are looked for {} once it is a table of its own", place_of(whole),
                        place_of(alone)),
            fmt::format("list {} in the map first, as {} is; or drop it", titled(change.table), titled(change.other))};
    }

    /// What it is by its own name, without those that it is a part of.
    table_meaning by_own_name(const table_ref& table) const {
        const auto known = tables_.find(table);
        auto out = known.relation ? tables_.of_name(known.relation->schema, known.relation->name)
                                  : tables_.of_name(table.schema, table.name);
        out.relation = known.relation;
        return out;
    }

    std::optional<fault> renamed(const table_change& change) const {
        const auto known = tables_.find(change.table);
        const auto before = by_own_name(change.table);
        auto schema = change.other.schema;
        if (schema.empty()) schema = known.relation ? known.relation->schema : change.table.schema;
        const auto& name = change.other.name.empty() ? change.table.name : change.other.name;
        auto after = tables_.of_name(schema, name);
        const bool by_schema = before.what == table_class::keyed && entry_of(before).by_schema;
        const bool stays = known.relation && known.relation->schema == schema;
        after.relation = known.relation;  // its schema is looked at here
        if (alike(before, after) && (!by_schema || stays)) return std::nullopt;
        if (!known.relation && of_one_schema(change, before, after)) return std::nullopt;
        const auto now = titled(change.table), then = titled({change.other.schema, name, {}, false});
        return fault{fault_kind::unsupported,
                     fmt::format("{} cannot become {}: its rows would be looked for on other shards", now, then),
                     fmt::format("rows of {} are {}, those of {} {}; none would be moved", now, place_of(before), then,
                                 by_schema ? "on the shard of its schema" : place_of(after)),
                     fmt::format("list the new name in the map first, as the old one is; or {}, and change the map "
                                 "with it",
                                 hint_on_each())};
    }

    std::optional<fault> schema_renamed(const table_change& change) const {
        for (const auto& each : tables_.map().tables) {
            const auto dot = each.name.find('.');
            if (dot == std::string::npos) continue;
            const std::string_view schema = std::string_view(each.name).substr(0, dot);
            const bool named = !each.by_schema && (schema == change.table.schema || schema == change.other.schema);
            const bool is_key =
                each.by_schema && (is_in(each, change.table.schema) || is_in(each, change.other.schema));
            if (!named && !is_key) continue;
            return fault{fault_kind::unsupported,
                         fmt::format("schema {} cannot become {}: the map names its tables", change.table.schema,
                                     change.other.schema),
                         fmt::format("the map has {}", each.name),
                         fmt::format("{}, and change the map with it", hint_on_each())};
        }
        return std::nullopt;
    }

    bool is_in(const config::table& entry, const std::string& schema) const {
        const auto meaning = tables_.of_name(schema, "_");
        return meaning.what == table_class::keyed && &entry_of(meaning) == &entry;
    }

    std::optional<fault> column(const table_change& change) const {
        const auto table = tables_.find(change.table);
        if (table.what != table_class::keyed || entry_of(table).by_schema || change.columns.empty())
            return std::nullopt;
        const auto& entry = entry_of(table);
        const auto& name = change.columns.front().first;
        if (name != entry.key &&
            std::find(entry.further_keys.begin(), entry.further_keys.end(), name) == entry.further_keys.end())
            return std::nullopt;
        const auto of_key = entry.is_compound() ? "is of the shard key" : "is the shard key";
        if (change.what == kind::column_renamed)
            return fault{fault_kind::unsupported,
                         fmt::format("\"{}\" {} of {}, and cannot be renamed", name, of_key, titled(change.table)),
                         "the map names it", fmt::format("{}, and change the map with it", hint_on_each())};
        if (change.what == kind::column_dropped)
            return fault{fault_kind::unsupported,
                         fmt::format("\"{}\" {} of {}, and cannot be dropped", name, of_key, titled(change.table)),
                         "without it nothing tells where a row is",
                         "copy the rows into a table with another key, by INSERT ... SELECT"};
        if (change.what == kind::column_retyped && keeps_keys(change, table, name)) return std::nullopt;
        return fault{
            fault_kind::unsupported,
            change.what == kind::column_retyped
                ? fmt::format("\"{}\" {} of {}, and cannot get this type", name, of_key, titled(change.table))
                : fmt::format("\"{}\" {} of {}, and cannot be computed anew", name, of_key, titled(change.table)),
            "its values could become others, of other shards; no row would be moved",
            "copy the rows into a table with the new column, by INSERT ... SELECT"};
    }

    /// Whether every value of the column is the same text in the new type, and of the same kind of key.
    static bool keeps_keys(const table_change& change, const table_meaning& table, const std::string& name) {
        if (!table.relation) return false;
        const auto& columns = table.relation->columns;
        const auto now =
            std::find_if(columns.begin(), columns.end(), [&](const catalog_column& each) { return each.name == name; });
        if (now == columns.end() || now->own_collation || now->nondeterministic_collation) return false;
        static constexpr std::array<std::string_view, 3> integers{"int2", "int4", "int8"};
        if (now->type == key_type::integer)
            return std::find(integers.begin(), integers.end(), change.type) != integers.end();
        if (now->type == key_type::numeric) return change.type == "numeric" && change.limit == -1;
        if (now->type != key_type::text) return false;
        constexpr std::int64_t header = 4;  // that a modifier counts
        const bool wider = change.limit == -1 || (now->type_modifier > header && change.limit > 0 &&
                                                  change.limit >= now->type_modifier - header);
        return change.type == "text" ? change.limit == -1 : change.type == "varchar" && wider;
    }

    std::optional<fault> refers(const table_change& change) const {
        const auto child = tables_.find(change.table);
        auto parent = tables_.find(change.other);
        if (change.is_new && titled(change.table) == titled(change.other)) parent = child;
        if (child.what == table_class::temporary || parent.what == table_class::temporary) return std::nullopt;
        const foreign_key tie{{}, change.columns, change.actions};
        if (ties_locally(child, tie, parent, tables_.map())) return changes_key(change, child, tie, parent);
        const bool both = child.what == table_class::keyed && parent.what == table_class::keyed;
        if (both && entry_of(child).by_schema && (!child.relation || !parent.relation)) return std::nullopt;  // not yet
        return fault{fault_kind::unsupported,
                     fmt::format("a foreign key of {} to {} cannot be checked: the rows that it refers to may be on "
                                 "other shards",
                                 titled(change.table), titled(change.other)),
                     fmt::format("rows of {} are {}, those of {} {}{}", titled(change.table), place_of(child),
                                 titled(change.other), place_of(parent), both ? ", and it does not tie these" : ""),
                     "tie the shard keys of two tables of one sharding function, refer to a reference table, or leave "
                     "the constraint out"};
    }

    std::optional<fault> changes_key(const table_change& change, const table_meaning& child, const foreign_key& tie,
                                     const table_meaning& parent) const {
        row_changes any{{}, true};
        for (const auto& pair : tie.columns) any.columns.push_back(pair.second);
        const auto key = key_set_by(tie, std::move(any), child, parent, tables_.map());
        if (key.empty()) return std::nullopt;
        return fault{
            fault_kind::unsupported,
            fmt::format("a foreign key of {} to {} may not change \"{}\", which is of the shard key",
                        titled(change.table), titled(change.other), key),
            "no row would be moved to the shard of its new key",
            "make it without an action that sets the key: ON UPDATE NO ACTION, and ON DELETE NO ACTION or CASCADE"};
    }

    bool has_copies(const table_change& change) const {
        const auto table = tables_.find(change.table);
        if (table.what == table_class::reference) return true;
        return table.relation &&
               std::any_of(table.relation->heirs.begin(), table.relation->heirs.end(), [this](const std::string& heir) {
                   return tables_.find_qualified(heir).what == table_class::reference;
               });
    }

    std::optional<fault> filled(const table_change& change) const {
        if (!has_copies(change)) return std::nullopt;
        auto why = change.value ? why_copies_differ_(*change.value) : "each shard has a sequence of its own";
        if (why.empty()) return std::nullopt;
        const auto& name = change.columns.front().first;
        return fault{fault_kind::unsupported,
                     fmt::format("\"{}\" of reference table {} would get other values on each shard", name,
                                 titled(change.table)),
                     std::move(why),
                     "add the column without a default, give its rows values by UPDATE, as constants or parameters, "
                     "and then SET DEFAULT"};
    }

    /// The catalog does not tell which tables are OF a type.
    std::optional<fault> attribute(const table_change& change) const {
        const bool keyed = std::any_of(tables_.map().tables.begin(), tables_.map().tables.end(),
                                       [](const config::table& each) { return !each.reference && !each.by_schema; });
        if (!keyed) return std::nullopt;
        return fault{
            fault_kind::unsupported,
            fmt::format("attributes of type {} cannot be changed with CASCADE", titled(change.table)),
            fmt::format("a table OF {} may have \"{}\" as its shard key, whose values or name would change; no "
                        "row would be moved",
                        titled(change.table), change.columns.front().first),
            fmt::format("make each table OF it one of its own by ALTER TABLE ... NOT OF, and change the type "
                        "and the tables without CASCADE; or {}",
                        hint_on_each())};
    }

    const table_finder& tables_;
    const differing& why_copies_differ_;
};

}  // namespace

std::optional<config::fault> refusal_of_changes(const statement& what, const table_finder& tables,
                                                const differing& why_copies_differ) {
    const judge_of_changes judge(tables, why_copies_differ);
    for (const auto& each : what.table_changes)
        if (auto why = judge.look_at(each)) return why;
    return std::nullopt;
}

}  // namespace ringway::router
