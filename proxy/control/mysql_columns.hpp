#pragma once
// What shard keys need of a MySQL server's catalogs: columns, foreign keys, triggers.

#include <string>
#include <string_view>
#include <vector>

#include "pool/mysql_control.hpp"
#include "router/catalog.hpp"

namespace ringway::proxy {

/// What is known of what routines and triggers leave behind.
struct mysql_bodies {
    bool untold = false;  ///< the servers tell of nothing
    bool hidden = false;  ///< some routine names a user variable, which none tells of when a SELECT INTO sets it
    bool may_leave(std::string_view body, const router::mysql_modes& modes) const;
};

/// The queries, in the order of `rows` below. Triggers are seen by who has the TRIGGER privilege only.
struct mysql_column_rows {
    std::vector<pool::mysql_row> columns, foreign_keys, triggers, privileges;
    /// False: the connection tells the problem. `all`: not only triggers.
    bool read(pool::mysql_control_connection& from, bool all);
    /// `bodies`: what triggers may change of the session.
    void add_to(router::catalog& out, const mysql_bodies& bodies) const;
};

/// A column's family of keys, and what else decides about them; from a row of information_schema.COLUMNS with the names
/// t, ct, l, p, sc, dp, cs, co, e.
void describe_mysql_column(const pool::mysql_row& row, router::catalog_column& out);

}  // namespace ringway::proxy
