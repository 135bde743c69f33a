#pragma once
// Commands of a client, each one message whose first byte says which.
// Source: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase.html and
// https://mariadb.com/docs/server/reference/clientserver-protocol/2-text-protocol,
// .../3-binary-protocol-prepared-statements Decoders take the whole payload, return nullopt for a malformed one; views
// point into the payload given.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/mysql/capability.hpp"
#include "protocol/mysql/packet.hpp"
#include "protocol/mysql/value.hpp"

namespace ringway::protocol::mysql {

enum class command : std::uint8_t {
    sleep = 0x00,
    quit = 0x01,
    init_db = 0x02,
    query = 0x03,
    field_list = 0x04,
    create_db = 0x05,
    drop_db = 0x06,
    refresh = 0x07,
    shutdown = 0x08,
    statistics = 0x09,
    process_info = 0x0a,
    connect = 0x0b,
    process_kill = 0x0c,
    debug = 0x0d,
    ping = 0x0e,
    time = 0x0f,
    delayed_insert = 0x10,
    change_user = 0x11,
    binlog_dump = 0x12,
    table_dump = 0x13,
    connect_out = 0x14,
    register_replica = 0x15,
    stmt_prepare = 0x16,
    stmt_execute = 0x17,
    stmt_send_long_data = 0x18,
    stmt_close = 0x19,
    stmt_reset = 0x1a,
    set_option = 0x1b,
    stmt_fetch = 0x1c,
    daemon = 0x1d,
    binlog_dump_gtid = 0x1e,
    reset_connection = 0x1f,
    stmt_bulk_execute = 0xfa,  ///< MariaDB
};
/// nullopt: an empty payload. A number that no server knows is given as it is.
std::optional<command> command_of(std::string_view payload) noexcept;
/// Whether the server answers at all.
bool has_reply(command what) noexcept;

struct parameter_type {
    field_type type = field_type::null;
    bool is_unsigned = false;
    std::string_view name;  ///< query attributes only
};

struct query_attribute {
    std::string_view name;
    binary_value value;
};

/// COM_QUERY. https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query.html
struct query_command {
    std::string_view sql;
    std::vector<query_attribute> attributes;
};
std::optional<query_command> read_query(std::string_view payload, capability::flags capabilities);
/// Without attributes.
void write_query(std::string& to, std::uint8_t& sequence, std::string_view sql, capability::flags capabilities);

/// COM_STMT_PREPARE and COM_INIT_DB: what follows the first byte.
inline std::string_view read_text_argument(std::string_view payload) noexcept {
    return payload.empty() ? payload : payload.substr(1);
}

/// Where the statement's number stands in the payload of every COM_STMT_ command but COM_STMT_PREPARE, and in the OK
/// that answers that one.
inline constexpr std::size_t statement_id_at = 1;
std::optional<std::uint32_t> read_statement_id(std::string_view payload) noexcept;
/// `payload` begins with a whole number (five bytes at least).
void replace_statement_id(char* payload, std::uint32_t id) noexcept;

/// A statement number that stands for the statement prepared last (MariaDB).
inline constexpr std::uint32_t last_prepared = 0xffffffff;

/// COM_STMT_EXECUTE. https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_stmt_execute.html
struct execute_command {
    std::uint32_t statement = 0;
    std::uint8_t flags = 0;
    std::uint32_t iterations = 1;
    std::string_view rest;  ///< NULL bitmap, types, values
    bool wants_cursor() const { return (flags & 0x07) != 0; }
};
std::optional<execute_command> read_execute(std::string_view payload) noexcept;

/// Types of a statement's parameters are sent with its first execution only: who reads its parameters keeps them.
using parameter_types = std::vector<parameter_type>;
/// Reads the parameters into `out` (cleared first); `types` are replaced when the client sent new ones. `count`: of the
/// statement. `long_data`: for each parameter whether its value was sent before; may be shorter. False: malformed, or
/// the types were never sent. Query attributes come after the statement's own parameters.
bool read_parameters(const execute_command& execute, std::size_t count, capability::flags capabilities,
                     const std::vector<bool>& long_data, parameter_types& types, std::vector<binary_value>& out);

/// Writes an execution again with its types, for a server that has not had them: `payload` is a whole COM_STMT_EXECUTE,
/// `types` are those that the client sent before. False, and nothing written: malformed, or no types for its
/// parameters.
bool write_execute_with_types(std::string& to, std::uint8_t& sequence, std::string_view payload, std::size_t count,
                              const parameter_types& types, capability::flags capabilities);

/// COM_STMT_SEND_LONG_DATA: only the head, as the data may be longer than is worth holding.
struct long_data_command {
    std::uint32_t statement = 0;
    std::uint16_t parameter = 0;
    std::string_view data;  ///< as far as `payload` goes
};
inline constexpr std::size_t long_data_head = 7;
std::optional<long_data_command> read_long_data(std::string_view payload) noexcept;

/// COM_STMT_FETCH
struct fetch_command {
    std::uint32_t statement = 0, rows = 0;
};
std::optional<fetch_command> read_fetch(std::string_view payload) noexcept;

/// COM_STMT_BULK_EXECUTE (MariaDB).
/// https://mariadb.com/docs/server/reference/clientserver-protocol/3-binary-protocol-prepared-statements/com_stmt_bulk_execute
struct bulk_command {
    std::uint32_t statement = 0;
    std::uint16_t flags = 0;
    std::string_view rest;  ///< types when sent, then rows
    bool sends_types() const { return (flags & 128) != 0; }
    bool wants_unit_results() const { return (flags & 64) != 0; }
};
std::optional<bulk_command> read_bulk(std::string_view payload) noexcept;
/// Takes the types off the front of bulk.rest when they are there. False: malformed, or never sent.
bool read_bulk_types(bulk_command& bulk, std::size_t count, parameter_types& types);
/// Takes a row off the front of bulk.rest into `out` (cleared first). False: no row is left, or it is malformed (then
/// bulk.rest is not empty).
bool read_bulk_row(bulk_command& bulk, const parameter_types& types, std::vector<binary_value>& out);

/// COM_CHANGE_USER. https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_change_user.html
struct change_user_command {
    std::string_view user, auth_response, database;
    std::uint16_t collation = 0;
    std::string_view plugin, attributes;
};
std::optional<change_user_command> read_change_user(std::string_view payload, capability::flags capabilities) noexcept;
void write_change_user(std::string& to, std::uint8_t& sequence, const change_user_command& from,
                       capability::flags capabilities);

/// COM_FIELD_LIST
struct field_list_command {
    std::string_view table, wildcard;
};
std::optional<field_list_command> read_field_list(std::string_view payload) noexcept;

/// COM_SET_OPTION: 0 turns multi-statements on, 1 off.
std::optional<std::uint16_t> read_set_option(std::string_view payload) noexcept;
/// COM_PROCESS_KILL
std::optional<std::uint32_t> read_process_kill(std::string_view payload) noexcept;

/// A command of one byte, or of one byte and a text (COM_INIT_DB, COM_STMT_PREPARE).
void write_command(std::string& to, std::uint8_t& sequence, command what, std::string_view text = {});
/// A command on a statement and nothing else: COM_STMT_CLOSE, COM_STMT_RESET.
void write_statement_command(std::string& to, std::uint8_t& sequence, command what, std::uint32_t statement);

}  // namespace ringway::protocol::mysql
