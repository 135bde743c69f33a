#pragma once
// The PROXY protocol's header, version 1 (a line) and 2 (binary): what a balancer says of the client whose bytes
// follow. https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringway::protocol {

/// Reads one header from bytes as they come, and nothing past its end. It holds 107 bytes at the most, however long
/// what follows the addresses (TLVs, which are skipped).
class proxy_header {
  public:
    enum class state : std::uint8_t { incomplete, complete, malformed };
    /// Where the client itself comes from.
    struct source {
        std::string address;  ///< an IPv4 one that is written as an IPv6 one, as IPv4
        std::uint16_t port = 0;
    };

    /// Takes the header's bytes off the front of these. What does not begin as a header does is malformed at once.
    state take(std::string_view& bytes);
    state now() const noexcept { return state_; }
    /// Of a complete one. nullopt: the connection is the balancer's own (LOCAL), or of a client without an IP address
    /// (UNKNOWN, UNSPEC, UNIX): the connection's own ends hold.
    const std::optional<source>& client() const noexcept { return client_; }
    /// Why it is malformed.
    std::string_view problem() const noexcept { return problem_; }

  private:
    void take_line(char last);
    void take_binary();
    void read_fixed_part();
    void read_line();
    void read_addresses();
    void fail(std::string_view why);

    std::string held_;
    std::size_t wanted_ = 0;  ///< of a binary one, once told: bytes up to the end of the addresses looked at
    std::size_t behind_ = 0;  ///< and those to skip after them
    std::optional<source> client_;
    std::string_view problem_;
    state state_ = state::incomplete;
};

}  // namespace ringway::protocol
