#pragma once
#include <string>

namespace ringway::proxy {

/// This thread's bytes on their way to a server: filled while a client's messages are taken, sent in one piece by
/// session::flush_to_server.
std::string& outgoing();

}  // namespace ringway::proxy
