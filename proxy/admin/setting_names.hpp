#pragma once
// Settings as the words of the configuration file.

#include <string>
#include <string_view>

#include "config/settings.hpp"

namespace ringway::proxy::admin {

std::string_view name_of(config::engine what) noexcept;
std::string_view name_of(config::pool_mode what) noexcept;
std::string_view name_of(config::read_consistency what) noexcept;
std::string_view name_of(config::balance what) noexcept;
std::string_view name_of(config::no_replica what) noexcept;
std::string_view name_of(config::key_update what) noexcept;
std::string_view name_of(config::two_phase what) noexcept;
std::string_view name_of(config::tls_mode what) noexcept;
std::string_view name_of(config::server_compression what) noexcept;

/// As the file would have it: "0", "250ms", "30s", "5m", "1h": the largest unit without a remainder.
std::string text_of(std::chrono::milliseconds length);

}  // namespace ringway::proxy::admin
