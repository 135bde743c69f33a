#pragma once
// The OIDs of types in messages, as the client knows them and as a shard's server does (router/own_types.hpp).

#include <cstdint>
#include <string>
#include <string_view>

#include "router/own_types.hpp"

namespace ringway::proxy {

/// Whether a message of this type from a server names types.
inline bool names_types(char type) noexcept {
    return type == 'T' || type == 't';
}
/// A RowDescription or ParameterDescription of a shard's server, as clients are told it; empty: as it is.
std::string told_types(std::string_view frame, const router::own_types& all, std::uint16_t shard);
/// OIDs of a Parse, four bytes each, as a shard's server knows them.
std::string types_on(std::string_view types, const router::own_types& all, std::uint16_t shard);
/// Whole messages for a server, of which each Parse gets the shard's OIDs; empty: none needs it.
std::string messages_on(std::string_view messages, const router::own_types& all, std::uint16_t shard);

}  // namespace ringway::proxy
