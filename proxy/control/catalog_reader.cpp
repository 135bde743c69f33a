#include "proxy/control/catalog_reader.hpp"

#include <fmt/format.h>

#include <pqxx/pqxx>
#include <utility>

#include "proxy/control/catalog_queries.hpp"
#include "proxy/control/time_limit.hpp"

namespace ringway::proxy {

namespace {

using read_only_snapshot = pqxx::transaction<pqxx::repeatable_read, pqxx::readwrite_policy::read_only>;

config::fault cannot(config::fault_kind kind, const pool::control_login& from, std::string why) {
    return {
        kind, fmt::format("cannot read the catalogs of {} on {}", from.database, from.node.text()), std::move(why), {}};
}

}  // namespace

catalog_reader::catalog_reader(std::chrono::milliseconds limit) : limit_(limit), connection_("ringway catalogs") {}

std::optional<config::fault> catalog_reader::connect(const pool::control_login& to) {
    if (connection_.is_open() && connected_to_ == to) return std::nullopt;
    connected_to_ = to;
    auto why = connection_.open(to);
    if (!why) {
        // Names in our queries mean the server's own, whatever users have made; and names in what it prints are
        // qualified.
        const time_limit limit(connection_, limit_);
        why = connection_.run([](pqxx::connection_base& c) { pqxx::nontransaction(c).exec0("SET search_path = ''"); });
    }
    if (!why) return std::nullopt;
    connection_.close();
    return cannot(config::fault_kind::cannot_connect, to, std::move(*why));
}

// A connection kept from the last time may be gone by now, without that the server is: it gets a second try.
std::optional<config::fault> catalog_reader::run(const pool::control_login& from,
                                                 const std::function<void(pqxx::connection_base&)>& work) {
    const bool kept = connection_.is_open() && connected_to_ == from;
    for (int left = kept ? 2 : 1;; --left) {
        if (auto why = connect(from)) return why;
        const time_limit limit(connection_, limit_);
        auto why = connection_.run(work);
        if (!why) return std::nullopt;
        if (left > 1 && !connection_.is_open()) continue;
        const auto kind = connection_.is_open() ? config::fault_kind::internal : config::fault_kind::cannot_connect;
        return cannot(kind, from, std::move(*why));
    }
}

catalog_reading catalog_reader::read(const pool::control_login& from, std::uint64_t version) {
    catalog_reading out;
    router::catalog raw;
    out.why = run(from, [&](pqxx::connection_base& connection) {
        read_only_snapshot transaction(connection);
        out.fingerprint = query_fingerprint(transaction);
        raw = query_catalog(transaction);
    });
    if (out.why) return out;
    raw.version = version;
    out.catalog = std::make_shared<const router::catalog>(router::make_catalog(std::move(raw)));
    return out;
}

std::optional<std::map<std::string, std::uint32_t>> catalog_reader::own_types(const pool::control_login& from) {
    constexpr auto query =
        "SELECT n.nspname || '.' || t.typname, t.oid FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid "
        "= t.typnamespace WHERE t.oid >= 16384 AND n.nspname NOT LIKE 'pg\\_%'";
    std::map<std::string, std::uint32_t> types;
    const auto why = run(from, [&](pqxx::connection_base& connection) {
        for (const auto& row : pqxx::nontransaction(connection).exec(query))
            types[row[0].c_str()] = row[1].as<std::uint32_t>();
    });
    if (why) return std::nullopt;
    return types;
}

std::vector<std::string> catalog_reader::locked_databases(const pool::control_login& from) {
    // Logging in takes a weaker lock; so do GRANT, COMMENT and ALTER DATABASE SET.
    constexpr auto query =
        "SELECT d.datname FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.objid WHERE l.locktype "
        "= 'object' AND l.classid = 'pg_catalog.pg_database'::pg_catalog.regclass AND l.mode IN ('ShareLock', "
        "'AccessExclusiveLock')";
    std::vector<std::string> names;
    run(from, [&](pqxx::connection_base& connection) {
        for (const auto& row : pqxx::nontransaction(connection).exec(query)) names.emplace_back(row[0].c_str());
    });
    return names;
}

fingerprint_reading catalog_reader::fingerprint(const pool::control_login& from) {
    fingerprint_reading out;
    out.why = run(from, [&](pqxx::connection_base& connection) {
        pqxx::nontransaction transaction(connection);
        out.fingerprint = query_fingerprint(transaction);
    });
    return out;
}

}  // namespace ringway::proxy
