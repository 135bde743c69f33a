#pragma once
// Two TLS engines that talk to each other in memory.

#include <cstddef>
#include <memory>
#include <string>

#include "protocol/tls.hpp"

namespace ringway::tests {

/// A client's and a server's engine and the bytes on their way. Owns both.
struct tls_pair {
    using status = protocol::tls_engine::status;

    tls_pair(std::shared_ptr<const protocol::tls_context> client_rules,
             std::shared_ptr<const protocol::tls_context> server_rules, const std::string& server_name = {})
        : client(std::move(client_rules), false, server_name), server(std::move(server_rules), true) {}

    /// Carries handshake bytes in pieces of `piece` until nothing is under way. True: both sides are established.
    bool shake(std::size_t piece = 1 << 20) {
        client_status = client.handshake({}, to_server);
        while (carry(to_server, server, server_status, to_client, piece) ||
               carry(to_client, client, client_status, to_server, piece)) {
        }
        return client.established() && server.established();
    }

    /// What `to` reads when `from` writes `plain`, carried in pieces.
    static std::string carried(protocol::tls_engine& from, protocol::tls_engine& to, std::string_view plain,
                               std::size_t piece = 1 << 20) {
        std::string wire, read, answer;
        if (from.encrypt(plain, wire) != status::ok) return "encrypt failed";
        for (std::size_t at = 0; at < wire.size(); at += piece)
            if (to.decrypt(std::string_view(wire).substr(at, piece), read, answer) != status::ok)
                return "decrypt failed: " + to.problem();
        return read;
    }

    protocol::tls_engine client, server;
    status client_status = status::need_input, server_status = status::need_input;
    std::string to_client, to_server;

  private:
    static bool carry(std::string& wire, protocol::tls_engine& to, status& last, std::string& answer,
                      std::size_t piece) {
        if (wire.empty()) return false;
        const auto part = wire.substr(0, piece);
        wire.erase(0, part.size());
        if (last == status::failed || last == status::closed) return true;
        if (!to.established()) {
            last = to.handshake(part, answer);
            return true;
        }
        std::string plain;
        last = to.decrypt(part, plain, answer);  // alerts that come after the own side was done
        return true;
    }
};

}  // namespace ringway::tests
