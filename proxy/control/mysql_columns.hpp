#pragma once
// What shard keys need of a MySQL server's catalogs: columns, foreign keys, triggers.

#include <string>
#include <vector>

#include "pool/mysql_control.hpp"
#include "router/catalog.hpp"

namespace ringway::proxy {

/// The queries, in the order of `rows` below. Triggers are seen by who has the TRIGGER privilege only.
struct mysql_column_rows {
    std::vector<pool::mysql_row> columns, foreign_keys, triggers, privileges;
    /// The servers do not tell what a trigger has changed of the session: its body has to.
    bool untold = false;
    /// False: the connection tells the problem.
    bool read(pool::mysql_control_connection& from);
    void add_to(router::catalog& out) const;
};

/// A column's family of keys, and what else decides about them; from a row of information_schema.COLUMNS with the names
/// t, ct, l, p, sc, dp, cs, co, e.
void describe_mysql_column(const pool::mysql_row& row, router::catalog_column& out);

}  // namespace ringway::proxy
