#include "router/leads.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ringway::router {

namespace {

/// Of a key; by schema none.
std::vector<std::string> columns_of(const config::table& entry) {
    std::vector<std::string> out;
    if (entry.by_schema) return out;
    out.push_back(entry.key);
    out.insert(out.end(), entry.further_keys.begin(), entry.further_keys.end());
    return out;
}

bool same_schema(const table_meaning& a, const table_meaning& b) {
    return a.relation && b.relation && a.relation->schema == b.relation->schema;
}

std::optional<key_type> type_of(const table_meaning& table, const std::string& key) {
    if (!table.relation) return std::nullopt;
    const auto& columns = table.relation->columns;
    const auto found =
        std::find_if(columns.begin(), columns.end(), [&](const catalog_column& each) { return each.name == key; });
    return found == columns.end() ? key_type::unsupported : found->type;
}

class follower {
  public:
    explicit follower(const table_finder& tables) : tables_(tables) {}

    std::string follow(const table_meaning& table, access how) {
        const auto& relation = *table.relation;
        if (std::find(seen_.begin(), seen_.end(), &relation) != seen_.end()) return {};
        seen_.push_back(&relation);
        auto why = by_inheritance(table);
        if (why.empty()) why = by_policy(table);
        if (why.empty() && how != access::reads) why = by_writing(table);
        if (why.empty() && how != access::reads) why = by_reference(table);
        if (why.empty() && how == access::writes) why = by_referrers(table);
        return why;
    }

  private:
    std::string by_inheritance(const table_meaning& table) const {
        for (const auto& name : table.relation->heirs)
            if (!placed_alike(table, tables_.find_qualified(name), tables_.map()))
                return fmt::format("{} inherits from {}, and their rows are placed differently", name,
                                   table.relation->name);
        for (const auto& name : table.relation->ancestors) {
            const auto above = tables_.find_qualified(name);
            if (above.what != table_class::elsewhere && !placed_alike(table, above, tables_.map()))
                return fmt::format("{} inherits from {}, and their rows are placed differently", table.relation->name,
                                   name);
        }
        return {};
    }

    std::string by_policy(const table_meaning& table) const {
        const auto& relation = *table.relation;
        if (!relation.read_reach.empty()) return may(relation.read_reach);
        for (const auto& name : relation.policy_tables) {
            const auto read = tables_.find_qualified(name).what;
            const bool at_hand = read == table_class::reference || read == table_class::system ||
                                 (read == table_class::elsewhere && table.what == table_class::elsewhere);
            if (!at_hand) return fmt::format("a row policy of {} reads {}", relation.name, name);
        }
        return {};
    }

    std::string by_writing(const table_meaning& table) const {
        const auto& relation = *table.relation;
        if (!relation.write_reach.empty()) return may(relation.write_reach);
        if (table.what == table_class::reference && !relation.rewritten.empty())
            return fmt::format("a trigger of {} may give each of its copies another value", relation.name);
        if (table.what != table_class::keyed) return {};
        const auto keys = columns_of(tables_.map().tables[table.map_index]);
        for (const auto& column : relation.rewritten)
            if ((column == "*" && !keys.empty()) || std::find(keys.begin(), keys.end(), column) != keys.end())
                return fmt::format("a trigger of {} may change its key", relation.name);
        return {};
    }

    static std::string may(const std::string& what) { return what + " may touch tables of several shards"; }

    std::string by_reference(const table_meaning& child) const {
        for (const auto& each : child.relation->foreign_keys) {
            const auto parent = tables_.find_qualified(each.target);
            if (!parent.relation || !ties_locally(child, each, parent, tables_.map()))
                return fmt::format("a foreign key of {} refers to {}, whose rows may be on another shard",
                                   child.relation->name, each.target);
        }
        return {};
    }

    std::string by_referrers(const table_meaning& parent) {
        const auto own = fmt::format("{}.{}", parent.relation->schema, parent.relation->name);
        for (const auto& name : parent.relation->referenced_by) {
            const auto child = tables_.find_qualified(name);
            if (!child.relation) continue;
            for (const auto& each : child.relation->foreign_keys)
                if (each.target == own && !ties_locally(child, each, parent, tables_.map()))
                    return fmt::format("a foreign key of {} refers to {}, and its rows may be on another shard", name,
                                       parent.relation->name);
            if (auto why = follow(child, access::writes); !why.empty()) return why;
        }
        return {};
    }

    const table_finder& tables_;
    std::vector<const catalog_relation*> seen_;
};

bool does(const foreign_key& tie, tie_action action) {
    return std::any_of(tie.actions.begin(), tie.actions.end(), [&](const auto& pair) { return pair.second == action; });
}

/// Columns of its own table that a foreign key sets when rows it refers to change so.
std::vector<std::string> set_by(const foreign_key& tie, const row_changes& how) {
    const bool updates = std::any_of(tie.columns.begin(), tie.columns.end(), [&](const auto& pair) {
        return std::find(how.columns.begin(), how.columns.end(), pair.second) != how.columns.end();
    });
    std::vector<std::string> out;
    for (const auto& [own, by] : tie.actions)
        if ((updates && (by == tie_action::update_cascades || by == tie_action::update_sets)) ||
            (how.deletes && by == tie_action::delete_sets))
            out.push_back(own);
    return out;
}

/// Goes down the foreign keys whose actions write.
class actions {
  public:
    explicit actions(const table_finder& tables) : tables_(tables) {}

    std::string follow(const table_meaning& parent, const row_changes& how) {
        const auto own = fmt::format("{}.{}", parent.relation->schema, parent.relation->name);
        for (const auto& name : parent.relation->referenced_by) {
            const auto child = tables_.find_qualified(name);
            if (!child.relation) continue;
            for (const auto& each : child.relation->foreign_keys)
                if (each.target == own)
                    if (auto why = follow(child, each, parent, how); !why.empty()) return why;
        }
        return {};
    }

  private:
    std::string follow(const table_meaning& child, const foreign_key& tie, const table_meaning& parent,
                       const row_changes& how) {
        const row_changes further{set_by(tie, how), how.deletes && does(tie, tie_action::delete_cascades)};
        if (further.columns.empty() && !further.deletes) return {};
        if (const auto key = key_set_by(tie, how, child, parent, tables_.map()); !key.empty())
            return fmt::format(
                "a foreign key of {} may set \"{}\", which is of its shard key, and no row would be moved",
                child.relation->name, key);
        const auto known = std::find_if(seen_.begin(), seen_.end(), [&](const auto& each) {
            return each.first == child.relation && each.second.columns == further.columns &&
                   each.second.deletes == further.deletes;
        });
        if (known != seen_.end()) return {};
        seen_.emplace_back(child.relation, further);
        return follow(child, further);
    }

    const table_finder& tables_;
    std::vector<std::pair<const catalog_relation*, row_changes>> seen_;
};

}  // namespace

std::string sets_keys_elsewhere(const table_meaning& table, const row_changes& how, const table_finder& tables) {
    return table.relation ? actions(tables).follow(table, how) : std::string();
}

std::string key_set_by(const foreign_key& tie, row_changes how, const table_meaning& child, const table_meaning& parent,
                       const shard_map& map) {
    if (child.what != table_class::keyed) return {};
    // The key of a tied table becomes another only where its shard stays the same.
    if (parent.what == table_class::keyed && does(tie, tie_action::update_cascades) &&
        ties_locally(child, tie, parent, map))
        how.columns.clear();
    const auto set = set_by(tie, how);
    for (const auto& each : columns_of(map.tables[child.map_index]))
        if (std::find(set.begin(), set.end(), each) != set.end()) return each;
    return {};
}

bool placed_alike(const table_meaning& a, const table_meaning& b, const shard_map& map) {
    if (a.what != b.what) return false;
    if (a.what != table_class::keyed) return true;
    const auto &left = map.tables[a.map_index], &right = map.tables[b.map_index];
    return left.placed_as(right) && columns_of(left) == columns_of(right) && (!left.by_schema || same_schema(a, b));
}

bool ties_locally(const table_meaning& child, const foreign_key& tie, const table_meaning& parent,
                  const shard_map& map) {
    if (parent.what == table_class::reference) return true;
    if (child.what == table_class::elsewhere) return parent.what == table_class::elsewhere;
    if (child.what != table_class::keyed || parent.what != table_class::keyed) return false;
    const auto &left = map.tables[child.map_index], &right = map.tables[parent.map_index];
    if (!left.placed_as(right)) return false;
    if (left.by_schema) return same_schema(child, parent);
    const auto own = columns_of(left), others = columns_of(right);
    for (std::size_t i = 0; i < own.size(); ++i) {
        if (std::none_of(tie.columns.begin(), tie.columns.end(), [&](const auto& pair) {
                return pair.first == own[i] && (pair.second == others[i] || pair.second.empty());
            }))
            return false;
        const auto type = type_of(child, own[i]), other = type_of(parent, others[i]);
        if (type && other && *type != *other) return false;
    }
    return true;
}

std::string leads_elsewhere(const table_meaning& table, const table_finder& tables, access how) {
    return table.relation ? follower(tables).follow(table, how) : std::string();
}

}  // namespace ringway::router
