#pragma once
// Reads what the router must know of a server's catalogs, and a fingerprint that tells cheaply whether it has changed.

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/fault.hpp"
#include "pool/control_connection.hpp"
#include "router/catalog.hpp"
#include "router/own_types.hpp"

namespace ringway::proxy {

/// Either a catalog with its fingerprint, or why there is none.
struct catalog_reading {
    std::shared_ptr<const router::catalog> catalog;
    std::string fingerprint;
    std::optional<config::fault> why;
    std::shared_ptr<const router::own_types> types;  ///< of a sharded cluster, where they differ
};

/// Either a fingerprint, or why there is none.
struct fingerprint_reading {
    std::string fingerprint;
    std::optional<config::fault> why;
};

/// Keeps one connection, to the last login it was asked for. Used by one thread at a time; blocks for at most `limit` a
/// call and the connect timeout. Faults are of the kinds cannot_connect and internal; `detail` is what the server said.
class catalog_reader {
  public:
    explicit catalog_reader(std::chrono::milliseconds limit = std::chrono::seconds{30});

    /// Everything, as of one moment, through router::make_catalog. `version` becomes the catalog's version.
    /// Read from a primary: a replica may not have replayed yet what a session has just created.
    catalog_reading read(const pool::control_login& from, std::uint64_t version);

    /// Changes with every DDL that read() would show, and equals the one of read() while nothing changed. Some
    /// milliseconds.
    fingerprint_reading fingerprint(const pool::control_login& from);

    /// OIDs of the types that users have made, by "schema.name". None: it cannot be asked.
    std::optional<std::map<std::string, std::uint32_t>> own_types(const pool::control_login& from);

    /// Names of databases that somebody wants to himself, to drop, rename or copy them; none when that cannot be asked.
    std::vector<std::string> locked_databases(const pool::control_login& from);

    /// Any thread: makes a call that runs, and all later ones, fail soon.
    void abandon() noexcept { connection_.abandon(); }

  private:
    std::optional<config::fault> connect(const pool::control_login& to);
    std::optional<config::fault> run(const pool::control_login& from,
                                     const std::function<void(pqxx::connection_base&)>& work);

    const std::chrono::milliseconds limit_;
    pool::control_connection connection_;
    std::optional<pool::control_login> connected_to_;
};

}  // namespace ringway::proxy
