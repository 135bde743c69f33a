#pragma once
// Passwords: where they are kept, and the forms of verifiers. No text made here holds a password.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace ringway::config::source {

/// Turns "env:NAME" and "file:PATH" into what stands there; any other text is itself. `resolve` makes a path of the
/// file one of the process. `problem` names the variable or the file that is missing or unusable.
std::optional<std::string> resolve_secret(const std::string& text,
                                          const std::function<std::string(const std::string&)>& resolve,
                                          std::string& problem);

enum class secret_form : unsigned char { plain, md5, scram, malformed };

/// Whether a password is plain text or a verifier as PostgreSQL stores it (pg_authid.rolpassword):
/// `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, `md5` and 32 lower-case hex digits.
/// malformed: meant as a verifier and not one; `problem` says why.
secret_form form_of(std::string_view secret, std::string& problem);

}  // namespace ringway::config::source
