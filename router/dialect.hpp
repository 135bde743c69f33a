#pragma once

#include <cstdint>

namespace ringway::router {

enum class dialect : std::uint8_t { postgres, mysql };

}  // namespace ringway::router
