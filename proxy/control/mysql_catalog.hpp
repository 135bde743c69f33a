#pragma once
// Reads what the router must know of a MySQL server's catalogs: tables, views, stored functions.

#include "pool/mysql_control.hpp"
#include "proxy/control/catalog_reader.hpp"

namespace ringway::proxy {

/// Keeps one connection. Used by one thread, but for abandon().
class mysql_catalog_reader {
  public:
    /// Everything, through router::make_catalog; `known`: the last fingerprint. No catalog and no fault: it is the
    /// same.
    /// `columns`: also what only shard keys need.
    catalog_reading read(const pool::control_login& from, std::uint64_t version, const std::string& known,
                         bool columns);
    /// Any thread: makes a call that runs, and all later ones, fail soon.
    void abandon() noexcept { connection_.abandon(); }

  private:
    pool::mysql_control_connection connection_{"ringway catalogs"};
    std::optional<pool::control_login> connected_to_;
};

}  // namespace ringway::proxy
