#pragma once
// The one table of faults: what Ringway itself tells a client, with the code each protocol gives it.

#include <cstdint>
#include <string>
#include <string_view>

namespace ringway::config {

/// A kind of failure. Each has an SQLSTATE (PostgreSQL, appendix A) and a MySQL error number.
enum class fault_kind : std::uint8_t {
    unsupported,           ///< 0A000 / 1235
    authentication,        ///< 28P01 / 1045
    not_authorized,        ///< 28000 / 1045  no rule lets this client in
    unknown_cluster,       ///< 3D000 / 1049
    no_permission,         ///< 42501 / 1044
    not_accepting,         ///< 55000 / 1049  a database that takes no connections
    too_many_connections,  ///< 53300 / 1040
    malformed_message,     ///< 08P01 / 1835
    server_lost,           ///< 08006 / 1158
    cannot_connect,        ///< 08001 / 1429
    read_only,             ///< 25006 / 1290
    over_limit,            ///< 54000 / 1153
    no_key,                ///< 23502 / 1048  NULL or missing shard key on a write
    unmapped_key,          ///< 23514 / 1526  no shard has the key
    malformed_copy,        ///< 22P04 / 1366
    syntax,                ///< 42601 / 1064
    undefined_statement,   ///< 26000 / 1243
    duplicate_statement,   ///< 42P05 / 1235
    undefined_cursor,      ///< 34000 / 1325
    aborted_transaction,   ///< 25P02 / 1235
    active_transaction,    ///< 25001 / 1568  too late in a transaction
    query_wait_timeout,    ///< 53300 / 1205
    shutting_down,         ///< 57P01 / 1053
    invalid_parameter,     ///< 22023 / 1231
    canceled,              ///< 57014 / 1317
    idle_session,          ///< 57P05 / 4031  idle for longer than allowed
    idle_transaction,      ///< 25P03 / 4031
    internal,              ///< XX000 / 1105
};

/// SQLSTATE of a kind, five characters.
std::string_view sqlstate(fault_kind kind) noexcept;
/// MySQL error number of a kind.
std::uint16_t mysql_number(fault_kind kind) noexcept;

/// A failure as a client or an operator is told of it.
struct fault {
    fault_kind kind = fault_kind::internal;
    std::string message;  ///< what happened, lower case, no full stop
    std::string detail;   ///< may be empty
    std::string hint;     ///< what to do; may be empty
};

}  // namespace ringway::config
