#pragma once
#include <string>

#include "pool/session_settings.hpp"

namespace ringway::proxy {

/// Queries that bring a connection from one session's settings to another's; how many. The encoding comes in a message
/// before the rest, which is read in it.
int write_settings_change(std::string& out, pool::settings_ref now, const pool::settings_ref& wanted);

/// This thread's bytes on their way to a server: filled while a client's messages are taken, sent in one piece by
/// session::flush_to_server.
std::string& outgoing();

}  // namespace ringway::proxy
