#include "router/key_move.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "router/columns_guard.hpp"
#include "router/copy_command.hpp"
#include "router/gather.hpp"
#include "router/object_types.hpp"

namespace ringway::router {

namespace {

/// Why a row that is deleted here and inserted there is not the same as one that is changed; empty: it is.
std::string why_it_shows(const catalog_relation& of, const table_finder& tables) {
    if (of.kind != 'r' && of.kind != 'p') return fmt::format("{} is not a plain table", of.name);
    if (of.has_rules) return fmt::format("{} has rules", of.name);
    if (!of.write_functions.empty())
        return fmt::format("{}, which writes to {} run, would see a row deleted and another one inserted",
                           of.write_functions.front().name, of.name);
    if (!of.referenced_by.empty()) return fmt::format("{} refers to {}", of.referenced_by.front(), of.name);
    for (const auto& each : of.foreign_keys)
        if (tables.find_qualified(each.target).what != table_class::reference)
            return fmt::format("{} refers to {}", of.name, each.target);
    if (!of.policy_functions.empty() || !of.policy_tables.empty()) return fmt::format("{} has row policies", of.name);
    for (const auto& each : of.ancestors) {
        const auto* above = tables.find_qualified(each).relation;
        if (!above || above->kind != 'p') return fmt::format("{} inherits from {}", of.name, each);
    }
    if (!of.heirs.empty() && of.kind == 'r') return fmt::format("others inherit from {}", of.name);
    return {};
}

}  // namespace

std::shared_ptr<const key_move> find_key_move(const statement& what, const table_finder& tables,
                                              const std::vector<key_recipe>& keys, std::string& why_not) {
    if (what.verb != verb::update || what.block.tables.empty()) return nullptr;
    const auto meaning = tables.find(what.block.tables.front());
    const auto is_new = [](const key_recipe& each) { return each.rows; };
    if (meaning.what != table_class::keyed || std::count_if(keys.begin(), keys.end(), is_new) != 1) return nullptr;
    const auto& entry = tables.map().tables[meaning.map_index];
    if (!tables.map().moves_rows) {
        why_not = "key_update = \"refuse\" is configured";
        return nullptr;
    }
    why_not = why_it_shows(*meaning.relation, tables);
    if (!why_not.empty()) return nullptr;
    auto out = std::make_shared<key_move>();
    out->value = *std::find_if(keys.begin(), keys.end(), is_new);
    out->relation = fmt::format("{}.{}", quoted_name(meaning.relation->schema), quoted_name(meaning.relation->name));
    out->key = quoted_name(entry.key);
    guarded_columns known{meaning.relation->schema, meaning.relation->name, {}, {}, false, true};
    for (const auto& each : meaning.relation->columns) {
        if (each.generated) continue;
        if (const auto type = object_type(each.type_oid); !type.empty()) {
            why_not = why_object_column(each.name, meaning.relation->name, type);
            return nullptr;
        }
        known.names.push_back(each.name);
        known.types.push_back(each.type_oid);
        out->columns += (out->columns.empty() ? "" : ", ") + quoted_name(each.name);
    }
    out->guard = columns_guard(known);
    return out;
}

std::shared_ptr<const key_move> copied_rows(const statement& what, const table_finder& tables) {
    if (!what.copy || what.block.tables.empty()) return nullptr;
    const auto meaning = tables.find(what.block.tables.front());
    if (meaning.what != table_class::keyed || !meaning.relation) return nullptr;
    auto out = std::make_shared<key_move>();
    out->relation = fmt::format("{}.{}", quoted_name(meaning.relation->schema), quoted_name(meaning.relation->name));
    out->key = quoted_name(tables.map().tables[meaning.map_index].key);
    const auto& wanted = what.copy->columns;
    guarded_columns known{meaning.relation->schema, meaning.relation->name, {}, {}, wanted.empty(), wanted.empty()};
    for (const auto& each : meaning.relation->columns) {
        if (each.generated) continue;
        known.names.push_back(each.name);
        known.types.push_back(each.type_oid);
        if (wanted.empty()) out->columns += (out->columns.empty() ? "" : ", ") + quoted_name(each.name);
    }
    for (const auto& each : wanted) out->columns += (out->columns.empty() ? "" : ", ") + quoted_name(each);
    out->guard = columns_guard(known);
    if (out->guard.empty()) out->guard = "true";
    return out;
}

namespace {

/// Of a row that this transaction sees: it has written it, behind a savepoint or not. All its numbers are behind its
/// first.
constexpr std::string_view own_row =
    " AND CASE WHEN (xmin::pg_catalog.text::pg_catalog.int8 - "
    "pg_catalog.pg_current_xact_id()::pg_catalog.text::pg_catalog.int8) & 4294967295 "
    "< 2147483648 THEN pg_catalog.pg_xact_status((pg_catalog.pg_current_xact_id()::pg_catalog.text::pg_catalog.int8 + "
    "((xmin::pg_catalog.text::pg_catalog.int8 - pg_catalog.pg_current_xact_id()::pg_catalog.text::pg_catalog.int8) & "
    "4294967295))"
    "::pg_catalog.text::pg_catalog.xid8) = 'in progress' ELSE false END";

}  // namespace

std::string take_out(const key_move& what, std::string_view canonical, bool copies) {
    std::string value;
    for (const char c : canonical) value.append(c == '\'' ? 2 : 1, c);
    const bool escaped = value.find('\\') != value.npos;
    if (escaped) {
        std::string doubled;
        for (const char c : value) doubled.append(c == '\\' ? 2 : 1, c);
        value = std::move(doubled);
    }
    return fmt::format("DELETE FROM {} WHERE {} = {}'{}' AND {}{} RETURNING {}", what.relation, what.key,
                       escaped ? "E" : "", value, what.guard, copies ? own_row : std::string_view(), what.columns);
}

std::string put_in(const key_move& what) {
    return fmt::format("COPY {} ({}) FROM STDIN (FORMAT binary)", what.relation, what.columns);
}

}  // namespace ringway::router
