// The input is what a balancer sends first: a PROXY header, and bytes of its client.
#include "protocol/proxy_header.hpp"

#include <cstddef>
#include <cstdint>

#include "tests/fuzz/require.hpp"

using ringway::fuzz::require;
using ringway::protocol::proxy_header;
using state = proxy_header::state;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const std::string_view all(reinterpret_cast<const char*>(data + 1), size - 1);
    proxy_header whole, parts;
    auto left = all;
    whole.take(left);
    require(whole.now() != state::incomplete || left.empty(), "all is taken of what is not complete");
    require(whole.now() != state::incomplete || all.size() < 16 + 65'535, "nothing is waited for without end");
    require((whole.now() == state::malformed) == !whole.problem().empty(), "what is malformed says why");
    require(!whole.client() || whole.now() != state::malformed, "what is malformed tells no client");
    if (whole.client()) require(!whole.client()->address.empty(), "a client has an address");

    // In pieces of the size that the first byte says.
    const std::size_t piece = data[0] % 32 + 1u;
    std::size_t taken = 0;
    while (taken < all.size() && parts.now() == state::incomplete) {
        auto some = all.substr(taken, piece);
        const auto before = some.size();
        parts.take(some);
        taken += before - some.size();
    }
    require(parts.now() == whole.now() && taken == all.size() - left.size(), "pieces are read as the whole");
    require(parts.client().has_value() == whole.client().has_value(), "pieces tell as much");
    if (whole.client())
        require(parts.client()->address == whole.client()->address && parts.client()->port == whole.client()->port,
                "pieces tell the same");
    if (whole.now() != state::complete) return 0;
    require(all.substr(0, 6) == "PROXY " || all[0] == '\r', "a header begins as one");
    proxy_header again;
    auto rest = all.substr(0, taken - 1);
    require(again.take(rest) == state::incomplete && rest.empty(), "a header's last byte belongs to it");
    return 0;
}
