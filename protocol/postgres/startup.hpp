#pragma once
// The first packet of a connection: StartupMessage, SSLRequest, GSSENCRequest, CancelRequest.
// Source: https://www.postgresql.org/docs/15/protocol-flow.html#id-1.10.6.7.3

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringway::protocol::postgres {

/// Longest first packet a server accepts, its length included (MAX_STARTUP_PACKET_LENGTH, 10,000, is without).
inline constexpr std::uint32_t max_startup = 10'004;

struct startup_packet {
    enum class kind : std::uint8_t {
        incomplete,
        malformed,
        startup,
        ssl_request,
        gss_request,
        cancel,
        direct_tls,
        unsupported_version
    } what = kind::incomplete;
    std::uint32_t size = 0;  ///< bytes of the packet
    std::uint16_t major = 3, minor = 0;
    std::vector<std::pair<std::string, std::string>>
        parameters;                            ///< in order; `user`, `database`, `options`, `replication`, GUCs
    std::vector<std::string> unknown_options;  ///< names that begin with _pq_. : for NegotiateProtocolVersion
    std::uint32_t pid = 0;                     ///< cancel
    std::string key;                           ///< cancel: 4 bytes in 3.0, up to 256 in 3.2
    std::string problem;                       ///< malformed: what
    bool silent = false;                       ///< malformed: a server closes without a word, for it is no client's
    std::string_view get(std::string_view name) const noexcept;
};

/// Reads a packet from the front of `bytes`; direct_tls when they begin a TLS handshake record (0x16).
startup_packet read_startup(std::string_view bytes);

/// Newest minor version of 3.x that Ringway speaks (3.2).
inline constexpr std::uint16_t newest_minor = 2;
void write_negotiate_version(std::string& to, std::uint16_t minor, const std::vector<std::string>& unknown_options);
void write_startup(std::string& to, const std::vector<std::pair<std::string, std::string>>& parameters);
void write_ssl_request(std::string& to);
void write_cancel(std::string& to, std::uint32_t pid, std::string_view key);

/// The `options` startup parameter ("-c a=b --c-d=e", backslash escapes) as settings; false: something else in it (text
/// in `problem`).
bool read_options(std::string_view options, std::vector<std::pair<std::string, std::string>>& settings,
                  std::string& problem);

}  // namespace ringway::protocol::postgres
