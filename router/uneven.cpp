#include "router/uneven.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "router/volatility.hpp"

namespace ringway::router {

bool is_nextval(std::string_view schema, std::string_view name) noexcept {
    return name == "nextval" && (schema.empty() || schema == "pg_catalog");
}

std::string why_uneven(const statement& what, const catalog* in, const std::vector<std::string>& path,
                       const shared_sequences& sequences) {
    if (what.transaction_time) return "each shard has its own time of the transaction";
    for (const auto& [schema, name] : what.functions) {
        static constexpr std::string_view times[] = {"now", "statement_timestamp", "transaction_timestamp", "age"};
        const auto nature = nature_of(in, path, schema, name);
        if (nature.unique || (is_nextval(schema, name) && sequences.draws_anywhere(what))) continue;
        if ((nature.needs_primary && !nature.quiet) || nature.one_place || nature.opaque || nature.unknown)
            return fmt::format("function {} may give each shard another value", name);
        if (std::find(std::begin(times), std::end(times), name) != std::end(times))
            return fmt::format("function {} gives each shard another time", name);
    }
    return volatile_use(in, what);
}

std::string why_copies_differ(const statement& what, const catalog* in, const std::vector<std::string>& path,
                              const shared_sequences& sequences) {
    if (auto why = why_uneven(what, in, path, sequences); !why.empty()) return why;
    static constexpr std::string_view own[] = {"inet_server_addr", "inet_server_port", "pg_backend_pid",
                                               "pg_postmaster_start_time", "pg_conf_load_time"};
    for (const auto& [schema, name] : what.functions)
        if (nature_of(in, path, schema, name).varies ||
            std::find(std::begin(own), std::end(own), name) != std::end(own))
            return fmt::format("function {} may give each shard another value", name);
    return {};
}

}  // namespace ringway::router
