#pragma once
// A connection to a MySQL or MariaDB server: what its login agreed on, and what is known of it since.

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "pool/dialect.hpp"
#include "pool/server_part.hpp"
#include "pool/session_settings.hpp"
#include "protocol/mysql/capability.hpp"

namespace ringway::pool {

/// A server's own number of a prepared statement, and whose parameter types it has had last.
struct mysql_statement {
    std::uint32_t id = 0;
    std::uint16_t parameters = 0;
    std::uint64_t types_of = 0;  ///< client_statement::types_mark; 0: nobody's
};

struct mysql_part final : server_part {
    protocol::mysql::capability::flags capabilities = 0;
    std::string version;
    std::string database;    ///< default database of now; empty: none
    bool tracks = false;     ///< tells of each change of a variable, database, user variable or temporary table
    bool can_reset = false;  ///< has COM_RESET_CONNECTION
    bool spent = false;      ///< no reset undoes what a client has done to it: it is closed when that client leaves it
    bool holds_prepared = false;  ///< an XA transaction that a reset would lose: it is closed
    bool drawn = false;           ///< LAST_INSERT_ID() there may be some client's; else it is 0
    bool sequences = false;       ///< MariaDB's LASTVAL() there may be some client's
    std::unordered_map<std::uint64_t, mysql_statement> statements;  ///< by pool::prepared::id
};

/// Part of a connection's flavour beside the capabilities it was opened with: no default database was ever chosen.
inline constexpr std::uint64_t flavour_without_database = 1ULL << 63;

/// Capabilities that change what a client sees, and so must be the server connection's too.
protocol::mysql::capability::flags mysql_shared_capabilities() noexcept;
/// Of a client's capabilities, and whether it has chosen a database.
std::uint64_t mysql_flavour(protocol::mysql::capability::flags client, bool has_database) noexcept;

/// Variables as every connection has them after its login.
const settings_ref& mysql_base_settings();
/// One SET that makes variables of `from` those of `to`; empty: nothing differs.
std::string mysql_settings_change(const session_settings& from, const session_settings& to);
/// The right side of an assignment to a variable that a server shows as `value`.
std::string mysql_value_text(std::string_view name, std::string_view value);

/// Turns on what a connection tells of its session's changes.
inline constexpr std::string_view mysql_tracking_statement =
    "SET @@SESSION.session_track_system_variables='*', @@SESSION.session_track_schema=ON, "
    "@@SESSION.session_track_state_change=ON, @@SESSION.session_track_transaction_info='CHARACTERISTICS'";

const dialect& mysql_dialect() noexcept;

/// Ends what another connection of the same user runs now, or that connection. False: it may not have been.
boost::asio::awaitable<bool> mysql_kill_query(boost::asio::io_context& on, std::shared_ptr<const server_target> target,
                                              std::uint32_t connection, bool whole_connection);

}  // namespace ringway::pool
