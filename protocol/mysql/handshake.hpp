#pragma once
// The packets before the first command: the server's greeting (HandshakeV10), SSLRequest, the client's login
// (HandshakeResponse41), AuthSwitchRequest, AuthMoreData.
// Source: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets.html and
// https://mariadb.com/docs/server/reference/clientserver-protocol/1-connecting/connection
// Decoders return nullopt for a malformed payload; views point into the payload given.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/mysql/capability.hpp"
#include "protocol/mysql/packet.hpp"

namespace ringway::protocol::mysql {

/// Bytes of the challenge in a greeting, without the zero byte after them.
inline constexpr std::size_t nonce_size = 20;

struct greeting {
    std::string_view server_version;  ///< MariaDB before 11 puts "5.5.5-" in front of its own
    std::uint32_t connection_id = 0;
    std::string nonce;  ///< challenge for the first authentication method
    capability::flags capabilities = 0;
    std::uint8_t collation = 0;
    std::uint16_t status = 0;
    std::string_view plugin;
};
/// A server that lets nobody in sends an ERR in the greeting's place: nullopt, then read_error.
std::optional<greeting> read_greeting(std::string_view payload);
void write_greeting(std::string& to, std::uint8_t& sequence, const greeting& from);

/// What a client sends after the greeting, and again after TLS came up.
struct login {
    enum class kind : std::uint8_t {
        login,
        ssl_request,  ///< only capabilities, max_packet and collation: the TLS handshake begins with the next byte
        too_old       ///< HandshakeResponse320, of clients before 4.1
    } what = kind::login;
    capability::flags capabilities = 0;  ///< as the client said, not masked by what was offered
    std::uint32_t max_packet = max_payload;
    std::uint8_t collation = 0;
    std::string_view user;
    std::string_view auth_response;
    std::string_view database;
    std::string_view plugin;      ///< empty: the client named none
    std::string_view attributes;  ///< raw, for read_attributes
    std::uint8_t zstd_level = 0;
};
std::optional<login> read_login(std::string_view payload) noexcept;
/// Writes the fields that `from.capabilities` has, as kind::ssl_request only the first ones.
void write_login(std::string& to, std::uint8_t& sequence, const login& from);

using attribute = std::pair<std::string_view, std::string_view>;
/// Connection attributes out of login::attributes into `out` (cleared first). False: malformed.
bool read_attributes(std::string_view attributes, std::vector<attribute>& out);
std::string write_attributes(std::span<const attribute> attributes);

struct auth_switch {
    std::string_view plugin;
    std::string_view data;  ///< the new challenge; how long it is and whether a zero byte follows is the plugin's
};
/// The old form of one byte asks for mysql_old_password.
std::optional<auth_switch> read_auth_switch(std::string_view payload) noexcept;
void write_auth_switch(std::string& to, std::uint8_t& sequence, const auth_switch& from);

std::optional<std::string_view> read_auth_more_data(std::string_view payload) noexcept;
void write_auth_more_data(std::string& to, std::uint8_t& sequence, std::string_view data);

}  // namespace ringway::protocol::mysql
