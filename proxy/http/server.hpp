#pragma once
// The HTTP port: /health, /metrics and /api on a control thread of its own.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "config/settings.hpp"
#include "proxy/control/inventory.hpp"

namespace ringway::proxy::http {

/// What a peer may cost.
struct limits {
    std::uint32_t header_bytes = 8 * 1024;
    std::uint64_t body_bytes = 16 * 1024;            ///< a body is read and ignored
    std::uint32_t connections = 128;                 ///< one more is closed at once
    std::chrono::milliseconds idle_timeout{15'000};  ///< for a request to arrive, and for an answer to be taken
};

/// Serves while it is started. The inventory is only used between start() and the end of stop(), on one thread.
class http_server {
  public:
    explicit http_server(limits within = {});
    ~http_server();  ///< stops
    http_server(const http_server&) = delete;
    http_server& operator=(const http_server&) = delete;

    /// Binds and serves on a thread of its own. A fault (cannot_connect): the address cannot be bound; nothing was
    /// started.
    std::optional<config::fault> start(const config::endpoint& where, inventory& of);
    /// The same with a socket that already listens (taken over from another process); it is owned from here on.
    std::optional<config::fault> start(int listening, inventory& of);
    /// Where it listens: the port is the real one when 0 was asked for.
    config::endpoint where() const;
    /// The listening socket, to hand to a successor; -1 when not started.
    int descriptor() const;
    /// Closes everything and joins; takes no longer than the call to the inventory that is under way.
    void stop();

  private:
    class impl;
    limits within_;
    std::unique_ptr<impl> impl_;
};

}  // namespace ringway::proxy::http
