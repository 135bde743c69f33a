#pragma once
// Clients of the admin port after login: their bytes on a worker, their commands on control threads.

#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <optional>

#include "proxy/admin/execute.hpp"
#include "proxy/control/inventory.hpp"
#include "proxy/mysql/login.hpp"
#include "proxy/session/login.hpp"

namespace ringway::proxy::admin {

/// Owns the control threads. Before the workers end: stop(); when they have ended, but still are there: forget().
class desk {
  public:
    explicit desk(inventory& of);
    /// Serves a client until it leaves. On a worker.
    void serve(worker& home, admitted_client client);
    void serve(worker& home, mysql::admitted client);
    /// Waits for the commands under way; those that have not begun never run.
    void stop();
    /// Lets go of the clients whose commands will not run.
    void forget();

    executor commands;
    std::optional<boost::asio::thread_pool> threads;
};

}  // namespace ringway::proxy::admin
