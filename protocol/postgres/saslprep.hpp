#pragma once
// SASLprep (RFC 4013) as PostgreSQL applies it to passwords.

#include <string>
#include <string_view>

namespace ringway::protocol::postgres {

/// The normalised password. ASCII is unchanged; a password that is not valid UTF-8, or has characters that the profile
/// prohibits, is used as its raw bytes, as PostgreSQL's pg_saslprep callers do.
std::string saslprep(std::string_view password);

}  // namespace ringway::protocol::postgres
