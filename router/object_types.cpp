#include "router/object_types.hpp"

#include <fmt/format.h>

#include <array>

namespace ringway::router {

namespace {

struct object_type_oids {
    std::uint32_t type, array;
};

constexpr std::array<std::string_view, 11> names{"regclass",     "regcollation", "regconfig",   "regdictionary",
                                                 "regnamespace", "regoper",      "regoperator", "regproc",
                                                 "regprocedure", "regrole",      "regtype"};
/// Of the names, from pg_type.dat.
constexpr std::array<object_type_oids, names.size()> types{{{2205, 2210},
                                                            {4191, 4192},
                                                            {3734, 3735},
                                                            {3769, 3770},
                                                            {4089, 4090},
                                                            {2203, 2208},
                                                            {2204, 2209},
                                                            {24, 1008},
                                                            {2202, 2207},
                                                            {4096, 4097},
                                                            {2206, 2211}}};

}  // namespace

std::string_view object_type(std::uint32_t type_oid) noexcept {
    for (std::size_t i = 0; i < types.size(); ++i)
        if (types[i].type == type_oid || types[i].array == type_oid) return names[i];
    return {};
}

std::string object_types_sql() {
    std::string out;
    for (const auto& each : types) out += fmt::format("{}{}, {}", out.empty() ? "" : ", ", each.type, each.array);
    return out;
}

std::string_view parts_of_types_sql() noexcept {
    return " UNION SELECT of, part FROM inside i JOIN pg_catalog.pg_type t ON t.oid = i.type, LATERAL (VALUES "
           "(typbasetype), (typelem) UNION ALL SELECT atttypid FROM pg_catalog.pg_attribute WHERE attrelid = typrelid "
           "AND typrelid <> 0 AND attnum > 0 AND NOT attisdropped UNION ALL SELECT rngsubtype FROM "
           "pg_catalog.pg_range WHERE rngtypid = t.oid) AS parts (part) WHERE part <> 0";
}

std::span<const std::string_view> object_type_names() noexcept {
    return names;
}

std::string why_object_column(std::string_view column, std::string_view table, std::string_view type) {
    return fmt::format("column {} of {} is of type {}, whose values name objects of one server", column, table, type);
}

config::fault object_column_fault(std::string why, std::string detail) {
    return {config::fault_kind::unsupported, std::move(why), std::move(detail),
            "leave the column out, or cast it to text in a statement that names one shard"};
}

}  // namespace ringway::router
