// The input is a compressed stream; what comes out of it does not depend on how it comes. It is then also what is
// compressed.
#include "protocol/mysql/compression.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "tests/fuzz/require.hpp"

using namespace ringway::protocol::mysql;
using ringway::fuzz::require;

namespace {

constexpr std::size_t most = 1 << 22;

/// nullopt: broken, or more than is worth the time.
std::optional<std::string> opened(std::string_view wire, compression method, std::size_t piece, std::size_t room) {
    decompressor in(method);
    std::string out;
    while (!wire.empty()) {
        auto some = wire.substr(0, piece);
        wire.remove_prefix(some.size());
        for (auto said = decompressor::next::room; said == decompressor::next::room;) {
            const auto before = out.size(), left = some.size();
            said = in.take(some, out, room);
            require(out.size() - before <= room, "no more comes than there is room");
            require(said != decompressor::next::room || out.size() > before || some.size() < left, "it goes on");
            if (said == decompressor::next::input) require(some.empty(), "all is used up");
            if (said == decompressor::next::broken || out.size() > most) return std::nullopt;
        }
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const auto method = (data[0] & 1) != 0 ? compression::zstd : compression::zlib;
    const std::size_t piece = std::max<std::size_t>(data[1], 1);
    const std::string_view bytes(reinterpret_cast<const char*>(data + 2), size - 2);
    const auto whole = opened(bytes, method, bytes.size(), most);
    const auto pieces = opened(bytes, method, piece, 1000);
    require(whole.has_value() == pieces.has_value() || (whole && whole->size() > most / 2), "broken is broken");
    if (whole && pieces) require(*whole == *pieces, "the same comes out");
    compressor out(method);
    std::string wire;
    out.write(bytes, wire);
    require(opened(wire, method, wire.size(), most) == bytes, "what was compressed comes out again");
    return 0;
}
