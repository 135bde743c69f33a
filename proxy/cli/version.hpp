#pragma once
// Which release this is.

#include <string_view>

namespace ringway::proxy {

/// As in CMakeLists.txt (a test compares them).
inline constexpr std::string_view version = "0.1.0";
/// The PostgreSQL release whose protocol and behaviour drivers are told of on the admin port.
inline constexpr std::string_view postgres_version = "15.0";
inline constexpr std::string_view postgres_version_number = "150000";

}  // namespace ringway::proxy
