#pragma once
// Clients of the admin port after login: their bytes on a worker, their commands on control threads.

#include <boost/asio/thread_pool.hpp>
#include <memory>

#include "proxy/admin/execute.hpp"
#include "proxy/control/inventory.hpp"
#include "proxy/session/login.hpp"

namespace ringway::proxy::admin {

/// Owns the control threads. Must outlive the workers' loops; stop() ends the commands under way.
class desk {
  public:
    explicit desk(inventory& of);
    /// Serves a client until it leaves. On a worker.
    void serve(worker& home, admitted_client client);
    /// Joins the control threads.
    void stop();

    executor commands;
    boost::asio::thread_pool threads;
};

}  // namespace ringway::proxy::admin
