#include "router/copy_recipe.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ringway::router {

namespace {

bool holds(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// The columns that the data has, in its order.
std::vector<std::string> fields_of(const copy_command& command, const catalog_relation& relation) {
    if (!command.columns.empty()) return command.columns;
    std::vector<std::string> out;
    for (const auto& each : relation.columns)
        if (!each.generated) out.push_back(each.name);
    return out;
}

class finding {
  public:
    finding(const statement& what, const table_meaning& table, const table_finder& tables)
        : what_(what), table_(table), entry_(tables.map().tables[table.map_index]), tables_(tables) {}

    copy_recipe run(std::string& why_not) {
        copy_recipe out;
        why_not = why_not_at_all();
        if (!why_not.empty()) return out;
        out.form = what_.copy->form;
        out.table = table_.map_index;
        out.to_all = entry_.reference;
        fields_ = fields_of(*what_.copy, *table_.relation);
        if (out.to_all) {
            why_not = why_uneven();
            return out;
        }
        std::vector<std::string> keys{entry_.key};
        keys.insert(keys.end(), entry_.further_keys.begin(), entry_.further_keys.end());
        for (const auto& key : keys) {
            why_not = add(key, out);
            if (!why_not.empty()) return out;
        }
        sort_columns(out);
        return out;
    }

  private:
    std::string why_not_at_all() const {
        if (!what_.copy) return "a file of the server's is on one of them only";
        if (!table_.relation) return fmt::format("{} is not in the catalogs that were read last", entry_.name);
        if (!what_.copy->problem.empty()) return fmt::format("its option {} is not served", what_.copy->problem);
        if (!what_.block.children.empty() || !what_.functions.empty()) return "its WHERE calls functions";
        return {};
    }

    /// What would give each copy of a reference table another row.
    std::string why_uneven() const {
        for (const auto& each : table_.relation->columns)
            if (each.has_default && !each.generated && !holds(fields_, each.name))
                return fmt::format("column {} has a default, which may differ by shard", each.name);
        if (what_.copy->form.has_default) return "a column's default may differ by shard";
        return {};
    }

    std::string add(const std::string& key, copy_recipe& to) const {
        const auto& columns = table_.relation->columns;
        const auto found =
            std::find_if(columns.begin(), columns.end(), [&](const catalog_column& each) { return each.name == key; });
        if (found == columns.end())
            return fmt::format("{} has no column \"{}\", which the shard map calls its key", entry_.name, key);
        if (found->generated)
            return fmt::format("\"{}\", the key of {}, is generated from other columns", key, entry_.name);
        if (found->type == key_type::unsupported || found->nondeterministic_collation ||
            tables_.has_own_equality(found->type))
            return fmt::format("\"{}\", the key of {}, is of a type whose equal values cannot be told from their text",
                               key, entry_.name);
        if (auto why = tables_.map().functions[table_.map_index].unfit(found->type); !why.empty()) return why;
        const auto at = std::find(fields_.begin(), fields_.end(), key);
        if (at == fields_.end()) return fmt::format("its columns leave out \"{}\", the key of {}", key, entry_.name);
        copy_recipe::column made;
        const auto& command = *what_.copy;
        made.wish.field = static_cast<std::uint16_t>(at - fields_.begin());
        made.wish.force_not_null = command.all_not_null || holds(command.force_not_null, key);
        made.wish.force_null = command.all_null || holds(command.force_null, key);
        made.type = found->type;
        made.type_oid = found->type_oid;
        made.type_modifier = found->type_modifier;
        to.columns.push_back(made);
        return {};
    }

    const statement& what_;
    const table_meaning& table_;
    const config::table& entry_;
    const table_finder& tables_;
    std::vector<std::string> fields_;
};

}  // namespace

void sort_columns(copy_recipe& of) {
    auto sorted = of.columns;
    std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.wish.field < b.wish.field; });
    for (const auto& each : of.columns) {
        const auto at = std::find_if(sorted.begin(), sorted.end(),
                                     [&](const auto& other) { return other.wish.field == each.wish.field; });
        of.key.push_back(static_cast<std::uint16_t>(at - sorted.begin()));
    }
    of.columns = std::move(sorted);
}

copy_recipe copy_recipe_of(const statement& what, const table_meaning& table, const table_finder& tables,
                           std::string& why_not) {
    return finding(what, table, tables).run(why_not);
}

}  // namespace ringway::router
