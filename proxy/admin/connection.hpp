#pragma once
// A client of the admin port after login: its bytes, and the commands run off the worker.

#include "proxy/control/inventory.hpp"
#include "proxy/session/login.hpp"

namespace ringway::proxy {

/// Serves the client until it leaves. Commands run on control threads, one at a time for each client.
void serve_admin(worker& home, inventory& of, admitted_client client);

}  // namespace ringway::proxy
