// The input is what a server says while we log in, and what a client says while it logs in here: packets, one after the
// other. Nobody gets in with random bytes, and nothing but a hash leaves us without TLS.
#include "protocol/mysql/handshake.hpp"

#include <cstddef>
#include <cstdint>

#include "protocol/mysql/auth_exchange.hpp"
#include "tests/fuzz/require.hpp"

using namespace ringway::protocol::mysql;
using ringway::fuzz::inside;
using ringway::fuzz::require;

namespace {

const std::string password = "a password that nobody sends";
const std::string nonce = "abcdefghijklmnopqrstuvwxyz012345";

void packets(std::string_view payload) {
    std::string again;
    std::uint8_t sequence = 0;
    if (const auto got = read_greeting(payload)) {
        require(inside(got->server_version, payload) && inside(got->plugin, payload),
                "a greeting points into its payload");
        write_greeting(again, sequence, *got);
        const auto back = again.substr(header_size);
        const auto second = read_greeting(back);
        require(second && second->capabilities == got->capabilities && second->server_version == got->server_version &&
                    second->plugin == got->plugin,
                "a greeting is read as it was written");
    }
    again.clear();
    if (const auto got = read_login(payload); got && got->what != login::kind::too_old) {
        write_login(again, sequence, *got);
        const auto back = again.substr(header_size);
        const auto second = read_login(back);
        require(second && second->what == got->what && second->user == got->user &&
                    second->auth_response == got->auth_response && second->database == got->database &&
                    second->plugin == got->plugin && second->attributes == got->attributes &&
                    second->zstd_level == got->zstd_level && second->capabilities == got->capabilities,
                "a login is read as it was written");
        std::vector<attribute> attributes;
        if (read_attributes(got->attributes, attributes))
            for (const auto& [name, value] : attributes)
                require(inside(name, payload) && inside(value, payload), "attributes point into their payload");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const bool secure = (data[0] & 1) != 0;
    auth_client client({password, ""}, secure, (data[0] & 2) != 0);
    auto account = auth_account::from_password(password);
    account.ask_password = (data[0] & 4) != 0;
    account.preferred = static_cast<auth_plugin>(data[0] >> 3 & 7);
    const bool asks = account.ask_password;
    auth_server server(std::move(account), nonce, secure, nullptr);
    std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
    packet_decoder decoder;
    message_gatherer gatherer(1 << 16);
    bool first = true;
    auto serves = auth_server::next::send;
    while (const auto part = decoder.next(bytes)) {
        if (gatherer.add(*part) != message_gatherer::state::complete) continue;
        const auto message = gatherer.message();
        packets(message);
        std::string out;
        if (first) {
            const auto hello = read_greeting(message);
            if (hello) client.first(hello->plugin, hello->nonce);
            if (const auto from = read_login(message)) serves = server.first(from->plugin, from->auth_response, out);
        } else {
            const auto did = client.take(message, out);
            require((did == auth_client::next::send) || out.empty(), "what is not sent is not there");
            if (did == auth_client::next::failed) require(!client.problem().empty(), "a failure has a reason");
            if (!secure) require(out.find(password) == std::string::npos, "no password without TLS");
            if (serves == auth_server::next::send) serves = server.take(message, out);
        }
        first = false;
        // Who is asked for a password that others check may say anything.
        if (!asks) require(serves != auth_server::next::done && serves != auth_server::next::note, "nobody gets in");
    }
    return 0;
}
