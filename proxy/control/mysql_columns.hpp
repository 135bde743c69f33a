#pragma once
// What shard keys need of a MySQL server's catalogs: columns, foreign keys, triggers.

#include <string>
#include <string_view>
#include <vector>

#include "pool/mysql_control.hpp"
#include "proxy/control/mysql_bodies.hpp"
#include "router/catalog.hpp"

namespace ringway::proxy {

/// The queries, in the order of `rows` below. Triggers are seen by who has the TRIGGER privilege only.
struct mysql_column_rows {
    std::vector<pool::mysql_row> columns, foreign_keys, triggers, privileges, drawing;
    /// False: the connection tells the problem. `all`: not only triggers. `sequences`: there are some, from which
    /// columns' defaults may draw (`drawing`).
    bool read(pool::mysql_control_connection& from, bool all, bool sequences);
    /// `bodies`: what triggers may leave in the session.
    void add_to(router::catalog& out, const mysql_bodies& bodies) const;
};

/// A column's family of keys, and what else decides about them; from a row of information_schema.COLUMNS with the names
/// t, ct, l, p, sc, dp, cs, co, e.
void describe_mysql_column(const pool::mysql_row& row, router::catalog_column& out);

}  // namespace ringway::proxy
