#include "router/volatility.hpp"

#include <algorithm>
#include <array>

#include "router/mysql/need.hpp"
#include "router/search_path.hpp"

namespace ringway::router {

namespace {

template <std::size_t n>
bool among(const std::array<std::string_view, n>& sorted, std::string_view name) {
    return std::binary_search(sorted.begin(), sorted.end(), name);
}

/// Built in and volatile, yet without effect, and as true on a replica as on a primary.
constexpr std::array<std::string_view, 16> harmless{"bernoulli",
                                                    "clock_timestamp",
                                                    "current_query",
                                                    "gen_random_uuid",
                                                    "pg_collation_actual_version",
                                                    "pg_database_collation_actual_version",
                                                    "pg_jit_available",
                                                    "pg_partition_ancestors",
                                                    "pg_partition_tree",
                                                    "pg_sleep",
                                                    "pg_sleep_for",
                                                    "pg_sleep_until",
                                                    "random",
                                                    "system",
                                                    "timeofday",
                                                    "txid_status"};

/// Refused by a replica, or telling what only one server can tell: replicas have nothing of unlogged tables.
constexpr std::array<std::string_view, 18> primary_only{"pg_current_xact_id",
                                                        "pg_current_xact_id_if_assigned",
                                                        "pg_cursor",
                                                        "pg_database_size",
                                                        "pg_export_snapshot",
                                                        "pg_get_replication_slots",
                                                        "pg_indexes_size",
                                                        "pg_is_in_recovery",
                                                        "pg_prepared_statement",
                                                        "pg_prepared_xact",
                                                        "pg_relation_size",
                                                        "pg_table_size",
                                                        "pg_tablespace_size",
                                                        "pg_total_relation_size",
                                                        "pg_walfile_name",
                                                        "pg_walfile_name_offset",
                                                        "txid_current",
                                                        "txid_current_if_assigned"};

/// Sequences, advisory locks and notifications mean the same to all sessions only on one server.
constexpr std::array<std::string_view, 5> shared_state{"currval", "lastval", "nextval", "pg_notify", "setval"};

/// Built in, and run a query given as text, or read a table given by name.
constexpr std::array<std::string_view, 16> runs_queries{"cursor_to_xml",
                                                        "cursor_to_xmlschema",
                                                        "database_to_xml",
                                                        "database_to_xml_and_xmlschema",
                                                        "database_to_xmlschema",
                                                        "query_to_xml",
                                                        "query_to_xml_and_xmlschema",
                                                        "query_to_xmlschema",
                                                        "schema_to_xml",
                                                        "schema_to_xml_and_xmlschema",
                                                        "schema_to_xmlschema",
                                                        "table_to_xml",
                                                        "table_to_xml_and_xmlschema",
                                                        "table_to_xmlschema",
                                                        "ts_rewrite",
                                                        "ts_stat"};

/// In C, of the server's extensions, and run queries (tablefunc, xml2, refint).
constexpr std::array<std::string_view, 10> extensions_queries{
    "check_foreign_key", "check_primary_key", "connectby",     "crosstab",  "crosstab2",
    "crosstab3",         "crosstab4",         "crosstab_hash", "crosstabn", "xpath_table"};

bool is_one_place(std::string_view name) {
    return among(shared_state, name) || name.starts_with("pg_advisory_") || name.starts_with("pg_try_advisory_") ||
           name.starts_with("lo_") || name == "loread" || name == "lowrite";
}

bool always_primary(std::string_view name) {
    return among(primary_only, name) || is_one_place(name) || name == "set_config" || name == "setseed" ||
           name.starts_with("pg_stat_get_") || name.starts_with("pg_stat_reset") || name.starts_with("pg_current_wal_");
}

}  // namespace

bool is_harmless(std::string_view name) {
    return among(harmless, name);
}

bool is_primarys(std::string_view name) {
    return always_primary(name);
}

std::span<const function_place> places_of(const catalog* in, const std::string& name) {
    if (!in) return {};
    const auto found = in->function_places.find(name);
    return found == in->function_places.end() ? std::span<const function_place>{} : found->second;
}

bool is_unique_id(std::string_view schema, std::string_view name) noexcept {
    return schema == "ringway" && name == "unique_id";
}

bool reaches_beyond(std::string_view name) {
    return among(runs_queries, name) || among(extensions_queries, name) || is_one_place(name);
}

call_nature nature_of(const catalog* in, const std::vector<std::string>& path, std::string_view schema,
                      const std::string& name) {
    if (in && in->dialect == dialect::mysql)
        return mysql::nature_of(in, path.empty() ? std::string_view() : std::string_view(path.front()), schema, name);
    call_nature out;
    const bool maybe_built_in = schema.empty() || schema == "pg_catalog";
    if (maybe_built_in) {
        out.needs_primary = always_primary(name);
        out.one_place = is_one_place(name);
        out.opaque = among(runs_queries, name);
        if (out.opaque) out.needs_primary = out.may_set = true;  // whatever the query does
    }
    bool known = false, quiet = false;
    for (const auto& each : places_of(in, name)) {
        const bool meant = schema.empty()
                               ? path.empty() || std::find(path.begin(), path.end(), each.schema) != path.end()
                               : each.schema == schema;
        if (!meant) continue;
        known = true;
        out.opaque |= each.opaque;
        out.returns_set |= each.returns_set;
        out.own_aggregate |= each.aggregate && each.schema != "pg_catalog";
        if (!each.is_volatile) continue;
        if (is_unique_id(each.schema, name)) {
            out.varies = out.needs_primary = out.unique = true;
            continue;
        }
        const bool built_in = each.schema == "pg_catalog";
        out.varies = true;
        if (built_in && among(harmless, name)) continue;
        if (!built_in && !each.acts) {
            quiet = true;
            continue;
        }
        out.needs_primary = true;
        out.may_set |= !built_in;
    }
    out.quiet = quiet && !out.needs_primary;
    if (quiet) out.needs_primary = out.may_set = true;
    if (!known) {
        out.unknown = out.needs_primary = true;
        out.may_set = out.opaque = !maybe_built_in || !always_primary(name);
    }
    return out;
}

std::string volatile_use(const catalog* in, const statement& what) {
    if (!in) return {};
    for (const auto& each : what.operators)
        if (in->volatile_operators.contains(each)) return "operator " + each + " runs a volatile function";
    for (const auto& each : what.cast_types)
        if (in->volatile_cast_types.contains(each)) return "a cast to " + each + " runs a volatile function";
    return {};
}

std::string opaque_use(const catalog* in, const statement& what) {
    if (!in) return {};
    for (const auto& each : what.operators)
        if (in->opaque_operators.contains(each)) return "operator " + each + " may read tables of several shards";
    for (const auto& each : what.cast_types)
        if (in->opaque_cast_types.contains(each)) return "a cast to " + each + " may read tables of several shards";
    return {};
}

bool is_column(const catalog& in, const std::vector<std::string>& path, const query_block& block,
               const column_ref& each) {
    for (const auto& table : block.tables) {
        if ((table.alias.empty() ? table.name : table.alias) != each.table) continue;
        const auto* found = find_relation(in, path, table.schema, table.name);
        if (!found) return false;
        const auto has = [&each](const catalog_column& column) { return column.name == each.column; };
        if (std::none_of(found->columns.begin(), found->columns.end(), has)) return false;
    }
    return std::all_of(block.children.begin(), block.children.end(),
                       [&](const query_block& child) { return is_column(in, path, child, each); });
}

bool is_opaque_attribute(const catalog* in, const statement& what, const std::vector<std::string>& path,
                         const column_ref& each) {
    const auto places = places_of(in, each.column);
    if (std::none_of(places.begin(), places.end(), [](const function_place& place) { return place.opaque; }))
        return false;
    return each.table.empty() || !is_column(*in, path, what.block, each);
}

}  // namespace ringway::router
