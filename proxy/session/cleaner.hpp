#pragma once
// What happens to a server connection whose client has left something behind.

#include <memory>

#include "pool/server.hpp"

namespace ringway::proxy {

/// Rolls back, with `discard` also runs DISCARD ALL, and gives the connection back to its pool; closes it when that
/// fails or takes longer than 5 s. Takes the connection over at once.
void clean(pool::server_ref what, bool discard);

/// Sends a CancelRequest for what the connection is doing now. The connection may change hands only once it has been
/// delivered; `until` is kept until then.
void stop_query(pool::server& what, std::shared_ptr<const void> until = nullptr);

}  // namespace ringway::proxy
