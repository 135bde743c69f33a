// The input's lines are the other side's messages. Nobody who does not know the password may get in, an honest
// exchange over any password and nonce must succeed, and texts that are read are written the same.
#include "protocol/postgres/scram.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "protocol/postgres/saslprep.hpp"
#include "tests/fuzz/require.hpp"

using namespace ringway::protocol::postgres;
using ringway::fuzz::require;

namespace {

std::string_view line(std::string_view& rest) {
    const auto end = std::min(rest.find('\n'), rest.size());
    const auto out = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return out;
}

/// Lines: mechanism, client-first-message, client-final-message.
void against_the_server(std::string_view rest, const std::string& binding) {
    scram_server server(mock_verifier("nobody", "secret"), "server-nonce", binding);
    const auto challenge = server.first(line(rest), line(rest));
    require(challenge.has_value() == server.problem().empty(), "a refusal says why");
    const auto final = server.last(line(rest));
    require(!final && server.client_key().empty(), "a mock verifier lets nobody in");
    require(!server.problem().empty(), "a refusal says why");
}

/// Lines: server-first-message, server-final-message. With keys, so that no iteration count costs time.
void against_the_client(std::string_view rest, const std::string& binding, bool plus) {
    const std::string key(32, 'k');
    scram_client client({{}, key, key}, "client-nonce", binding, plus);
    (void)client.first();
    const auto answer = client.last(line(rest));
    require(answer.has_value() == client.problem().empty(), "a refusal says why");
    require(answer || !client.verify("v=AAAA"), "a server is not believed without an exchange");
    // With keys that are known here, a fuzzer could still not guess a signature of 32 bytes.
    require(!client.verify(line(rest)), "a guess proves nothing");
}

/// Lines: password, nonce.
void honest(std::string_view rest, const std::string& binding, bool plus) {
    const std::string password(line(rest)), nonce(line(rest));
    scram_client client({password, {}, {}}, nonce, binding, plus);
    scram_server server(make_verifier(password, "salt", 1), "server-nonce", plus ? binding : "");
    const auto challenge = server.first(plus ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256", client.first());
    const bool printable =
        std::all_of(nonce.begin(), nonce.end(), [](char c) { return c > ' ' && c < 0x7f && c != ','; });
    if (!printable || nonce.empty()) return;
    require(challenge.has_value(), "a nonce of printable characters is taken");
    const auto answer = client.last(*challenge);
    require(answer.has_value(), "our own challenge is answered");
    const auto final = server.last(*answer);
    require(final && client.verify(*final), "who knows the password gets in");
}

void texts(std::string_view text) {
    const auto once = saslprep(text);
    if (text.find('\0') == std::string_view::npos) require(!once.empty() || text.empty(), "a password stays one");
    if (const auto got = read_verifier(text)) {
        const auto again = read_verifier(write_verifier(*got));
        require(again && write_verifier(*again) == write_verifier(*got), "a verifier is written as read");
    }
    require(md5_response_from_hash(text, "salt").size() == 35, "an md5 response has its size");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::string binding = data[0] & 4 ? std::string(32, 'b') : std::string();
    const bool plus = (data[0] & 8) && !binding.empty();
    switch (data[0] & 3) {
        case 0:
            against_the_server(rest, binding);
            break;
        case 1:
            against_the_client(rest, binding, plus);
            break;
        case 2:
            honest(rest, binding, plus);
            break;
        default:
            texts(rest);
    }
    return 0;
}
