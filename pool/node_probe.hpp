#pragma once
// Asks one node for its role, timeline and position. Blocks; used by the node's control thread.

#include <functional>
#include <optional>
#include <string>

#include "pool/control_connection.hpp"
#include "pool/shard_watch.hpp"

namespace ringway::pool {

/// Either an answer or why there is none.
struct probe_result {
    std::optional<node_answer> answer;
    std::string failure;
};

/// Keeps one connection to the node. See control_connection for how its waits end.
class node_probe {
  public:
    node_probe() : connection_("ringway monitor") {}

    bool connected() const { return connection_.is_open(); }
    /// Takes as long as the login's connect timeout at most. Returns why it failed.
    std::optional<std::string> connect(const control_login& login);
    /// One query, two on a new connection. The connection is closed when there is no answer.
    probe_result ask();
    void interrupt() noexcept { connection_.interrupt(); }
    void abandon() noexcept { connection_.abandon(); }
    int descriptor() const noexcept { return connection_.descriptor(); }

  private:
    void close();
    void learn_server(pqxx::connection_base& connection);
    node_answer ask_once(pqxx::connection_base& connection);

    control_connection connection_;
    wal_layout layout_;         ///< of the server at the other end
    std::uint64_t system_ = 0;  ///< 0: not asked yet on this connection
    flush_nudge nudge_;
};

}  // namespace ringway::pool
