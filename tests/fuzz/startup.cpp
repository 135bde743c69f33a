// The input is what a client sends first; then the text of an `options` parameter.
#include "protocol/postgres/startup.hpp"

#include <cstddef>
#include <cstdint>

#include "tests/fuzz/require.hpp"

using namespace ringway::protocol::postgres;
using ringway::fuzz::require;
using kind = startup_packet::kind;

namespace {

void options(std::string_view text) {
    std::vector<std::pair<std::string, std::string>> settings;
    std::string problem;
    const bool fine = read_options(text, settings, problem);
    require(fine == problem.empty(), "options are settings or a problem");
    for (const auto& [name, value] : settings) {
        require(!name.empty() && name.find('-') == std::string::npos, "a setting has a name");
        require(name.size() + value.size() < text.size(), "settings are no longer than their text");
    }
}

void whole_packet(const startup_packet& got, std::string_view bytes) {
    require(got.size >= 8 && got.size <= max_startup && got.size <= bytes.size(), "a packet is within the input");
    require(read_startup(bytes.substr(0, got.size)).what == got.what, "bytes after a packet do not matter");
    require(read_startup(bytes.substr(0, got.size - 1)).what == kind::incomplete, "its last byte does");
    std::string again;
    if (got.what == kind::cancel) {
        write_cancel(again, got.pid, got.key);
        require(again == bytes.substr(0, got.size), "a cancel is written as read");
    }
    if (got.what == kind::startup && got.minor == 0) {
        write_startup(again, got.parameters);
        require(again == bytes.substr(0, got.size), "a startup is written as read");
    }
    options(got.get("options"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto got = read_startup(bytes);
    require((got.what == kind::malformed) == !got.problem.empty(), "what is malformed says why");
    switch (got.what) {
        case kind::incomplete:
            require(bytes.size() < max_startup, "nothing is waited for without end");
            break;
        case kind::malformed:
        case kind::direct_tls:
            break;
        default:
            whole_packet(got, bytes);
    }
    options(bytes);
    return 0;
}
