#pragma once
// Asks one node for its role and position. Blocks; used by the node's control thread.

#include <memory>
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

/// Keeps one connection to the node. Used by one thread, but for interrupt() and abandon().
class node_probe {
  public:
    virtual ~node_probe() = default;
    virtual bool connected() const = 0;
    /// Takes as long as the login's connect timeout at most. Returns why it failed.
    virtual std::optional<std::string> connect(const control_login& login) = 0;
    /// The connection is closed when there is no answer.
    virtual probe_result ask() = 0;
    /// Ends a wait for the server; the connection is lost by that. Any thread.
    virtual void interrupt() noexcept = 0;
    /// interrupt(), also of every connection made later. Any thread.
    virtual void abandon() noexcept = 0;
    /// Readable or closed while nothing is asked: the server has ended the connection. -1: not open.
    virtual int descriptor() const noexcept = 0;
};

/// For a node of that engine.
std::unique_ptr<node_probe> make_probe(config::engine of);
std::unique_ptr<node_probe> make_postgres_probe();
std::unique_ptr<node_probe> make_mysql_probe();

}  // namespace ringway::pool
