#pragma once
// The packets that end something: OK, ERR, EOF, and the session's changes that an OK carries.
// Source: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_response_packets.html and
// https://mariadb.com/docs/server/reference/clientserver-protocol/4-server-response-packets/ok_packet
// Decoders return nullopt for a malformed payload; views point into the payload given.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/mysql/capability.hpp"
#include "protocol/mysql/packet.hpp"

namespace ringway::protocol::mysql {

/// Status flags of OK and EOF.
/// https://dev.mysql.com/doc/dev/mysql-server/latest/mysql__com_8h.html#a1d854e841086925be1883e4d7b4e8cad
namespace status {
inline constexpr std::uint16_t in_transaction = 0x0001;
inline constexpr std::uint16_t autocommit = 0x0002;
inline constexpr std::uint16_t more_results = 0x0008;
inline constexpr std::uint16_t no_good_index_used = 0x0010;
inline constexpr std::uint16_t no_index_used = 0x0020;
inline constexpr std::uint16_t cursor_exists = 0x0040;
inline constexpr std::uint16_t last_row_sent = 0x0080;
inline constexpr std::uint16_t database_dropped = 0x0100;
inline constexpr std::uint16_t no_backslash_escapes = 0x0200;
inline constexpr std::uint16_t metadata_changed = 0x0400;
inline constexpr std::uint16_t query_was_slow = 0x0800;
inline constexpr std::uint16_t ps_out_parameters = 0x1000;
inline constexpr std::uint16_t in_transaction_read_only = 0x2000;
inline constexpr std::uint16_t session_state_changed = 0x4000;
inline constexpr std::uint16_t ansi_quotes = 0x8000;  ///< MariaDB only
}  // namespace status

/// The first byte of a payload, where it says what the payload is.
namespace first_byte {
inline constexpr unsigned char ok = 0x00;
inline constexpr unsigned char auth_more_data = 0x01;
inline constexpr unsigned char local_infile = 0xfb;
inline constexpr unsigned char eof = 0xfe;
inline constexpr unsigned char auth_switch = 0xfe;
inline constexpr unsigned char error = 0xff;
}  // namespace first_byte

inline bool begins_with(std::string_view payload, unsigned char first) {
    return !payload.empty() && static_cast<unsigned char>(payload[0]) == first;
}

struct ok_reply {
    std::uint64_t affected_rows = 0, last_insert_id = 0;
    std::uint16_t status = 0, warnings = 0;
    std::string_view info;
    std::string_view session_state;  ///< raw, for read_session_changes
};
/// An OK, or with `deprecate_eof` the OK that stands where an EOF stood (its first byte is 0xfe). `capabilities` are
/// those both sides agreed on: without `session_track` the info goes on to the end of the payload.
std::optional<ok_reply> read_ok(std::string_view payload, capability::flags capabilities) noexcept;
/// `first` is first_byte::ok or first_byte::eof.
void write_ok(std::string& to, std::uint8_t& sequence, const ok_reply& reply, capability::flags capabilities,
              unsigned char first = first_byte::ok);

struct error_reply {
    std::uint16_t code = 0;
    std::string_view sqlstate;  ///< empty: the sender sent none, as it does before it knows the capabilities
    std::string_view message;
};
std::optional<error_reply> read_error(std::string_view payload) noexcept;
void write_error(std::string& to, std::uint8_t& sequence, const error_reply& reply, capability::flags capabilities);
/// Whether an ERR packet is none but MariaDB's progress report (code 65535), after which the reply goes on.
/// https://mariadb.com/docs/server/reference/clientserver-protocol/4-server-response-packets/err_packet
bool is_progress(std::string_view payload) noexcept;

struct eof_reply {
    std::uint16_t status = 0, warnings = 0;
};
std::optional<eof_reply> read_eof(std::string_view payload, capability::flags capabilities) noexcept;
void write_eof(std::string& to, std::uint8_t& sequence, const eof_reply& reply, capability::flags capabilities);

/// Session tracking. https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_ok_packet.html
struct session_change {
    enum class kind : std::uint8_t {
        system_variable = 0,          ///< name and value
        schema = 1,                   ///< value; empty: no database
        state_change = 2,             ///< value: "1" when any state changed
        gtids = 3,                    ///< value: the GTIDs in their text form
        transaction_characteristics,  ///< value: statements that start such a transaction
        transaction_state             ///< value: eight letters
    } what = kind::system_variable;
    std::string_view name, value;
    bool operator==(const session_change&) const = default;
};
/// Reads ok_reply::session_state into `out` (cleared first); kinds not known are passed over. False: malformed.
bool read_session_changes(std::string_view session_state, std::vector<session_change>& out);
/// Appends a change to what will be an ok_reply's session_state.
void write_session_change(std::string& to, const session_change& change);

}  // namespace ringway::protocol::mysql
