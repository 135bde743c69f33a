#include "protocol/postgres/scram.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "protocol/postgres/saslprep.hpp"

namespace ringway::protocol::postgres {

namespace {

constexpr std::size_t hash_size = 32;
constexpr std::uint32_t most_iterations = 10'000'000;  ///< more is an attack on the processor

std::string sha256(std::string_view data) {
    std::string out(hash_size, '\0');
    EVP_Digest(data.data(), data.size(), reinterpret_cast<unsigned char*>(out.data()), nullptr, EVP_sha256(), nullptr);
    return out;
}

std::string hmac(std::string_view key, std::string_view data) {
    std::string out(hash_size, '\0');
    unsigned int length = hash_size;
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(data.data()),
         data.size(), reinterpret_cast<unsigned char*>(out.data()), &length);
    return out;
}

std::string exclusive_or(std::string a, std::string_view b) {
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) a[i] = static_cast<char>(a[i] ^ b[i]);
    return a;
}

std::string salted_password(std::string_view password, std::string_view salt, std::uint32_t iterations) {
    std::string out(hash_size, '\0');
    const std::string prepared = saslprep(password);
    PKCS5_PBKDF2_HMAC(prepared.data(), static_cast<int>(prepared.size()),
                      reinterpret_cast<const unsigned char*>(salt.data()), static_cast<int>(salt.size()),
                      static_cast<int>(iterations), EVP_sha256(), hash_size,
                      reinterpret_cast<unsigned char*>(out.data()));
    return out;
}

std::string to_base64(std::string_view bytes) {
    std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
    const int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                  reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    out.resize(static_cast<std::size_t>(n));
    return out;
}

std::optional<std::string> from_base64(std::string_view text) {
    if (text.size() % 4 != 0 || text.size() > 4096) return std::nullopt;
    const auto padding = static_cast<std::size_t>(text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0);
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool digit =
            (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
        if (!digit && !(c == '=' && i + padding >= text.size())) return std::nullopt;
    }
    std::string out(text.size() / 4 * 3, '\0');
    const int n = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                  reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
    if (n < 0) return std::nullopt;
    out.resize(static_cast<std::size_t>(n) - padding);
    return out;
}

/// Takes "k=value" up to the next comma off the front.
std::optional<std::string_view> attribute(std::string_view& rest, char name) {
    if (rest.size() < 2 || rest[0] != name || rest[1] != '=') return std::nullopt;
    const auto end = std::min(rest.find(','), rest.size());
    const auto out = rest.substr(2, end - 2);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return out;
}

std::optional<std::uint32_t> number(std::string_view text) {
    std::uint32_t out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc() || end != text.data() + text.size() || out == 0 || out > most_iterations)
        return std::nullopt;
    return out;
}

std::string md5_hex(std::string_view data) {
    std::array<unsigned char, 16> raw{};
    EVP_Digest(data.data(), data.size(), raw.data(), nullptr, EVP_md5(), nullptr);
    static constexpr char digits[] = "0123456789abcdef";
    std::string out;
    for (const auto byte : raw) {
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

}  // namespace

bool equal_secret(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// ---- verifiers ------------------------------------------------------------------------------------------------------

std::optional<scram_verifier> read_verifier(std::string_view text) {
    static constexpr std::string_view prefix = "SCRAM-SHA-256$";
    if (!text.starts_with(prefix)) return std::nullopt;
    text.remove_prefix(prefix.size());
    const auto colon = text.find(':'), dollar = text.find('$'), second = text.rfind(':');
    if (colon == std::string_view::npos || dollar == std::string_view::npos || colon > dollar || second < dollar)
        return std::nullopt;
    const auto iterations = number(text.substr(0, colon));
    auto salt = from_base64(text.substr(colon + 1, dollar - colon - 1));
    auto stored = from_base64(text.substr(dollar + 1, second - dollar - 1));
    auto server = from_base64(text.substr(second + 1));
    if (!iterations || !salt || salt->empty() || !stored || !server || stored->size() != hash_size ||
        server->size() != hash_size)
        return std::nullopt;
    return scram_verifier{*iterations, std::move(*salt), std::move(*stored), std::move(*server)};
}

std::string write_verifier(const scram_verifier& v) {
    return "SCRAM-SHA-256$" + std::to_string(v.iterations) + ":" + to_base64(v.salt) + "$" + to_base64(v.stored_key) +
           ":" + to_base64(v.server_key);
}

scram_verifier make_verifier(std::string_view password, std::string_view salt, std::uint32_t iterations) {
    const auto salted = salted_password(password, salt, iterations);
    return {iterations, std::string(salt), sha256(hmac(salted, "Client Key")), hmac(salted, "Server Key")};
}

scram_verifier mock_verifier(std::string_view user, std::string_view secret) {
    const auto salt = hmac(secret, std::string("salt of ").append(user)).substr(0, 16);
    return {4096, salt, hmac(secret, std::string("stored key of ").append(user)),
            hmac(secret, std::string("server key of ").append(user))};
}

// ---- Ringway as the server ------------------------------------------------------------------------------------------

scram_server::scram_server(scram_verifier verifier, std::string nonce, std::string binding)
    : verifier_(std::move(verifier)), nonce_(std::move(nonce)), binding_(std::move(binding)) {}

/// client-first-message: gs2-header ("n,," "y,," or "p=tls-server-end-point,,") and "n=user,r=nonce".
std::optional<std::string> scram_server::first(std::string_view mechanism, std::string_view client_first) {
    const auto refuse = [this](const char* why) {
        problem_ = why;
        return std::nullopt;
    };
    const bool plus = mechanism == "SCRAM-SHA-256-PLUS";
    if (!plus && mechanism != "SCRAM-SHA-256")
        return refuse("client selected an invalid SASL authentication mechanism");
    if (plus && binding_.empty()) return refuse("channel binding is not possible without TLS");
    auto rest = client_first;
    if (rest.empty()) return refuse("malformed SCRAM message: it is empty");
    if (rest[0] == 'p') {
        const auto name = attribute(rest, 'p');
        if (!plus || name != "tls-server-end-point") return refuse("unsupported SCRAM channel-binding type");
    } else {
        if (plus)
            return refuse(
                "malformed SCRAM message: the client selected SCRAM-SHA-256-PLUS without channel binding data");
        if (rest[0] != 'n' && rest[0] != 'y') return refuse("malformed SCRAM message: unexpected channel-binding flag");
        // A client that could bind believes that we cannot: somebody in the middle has taken our offer away.
        if (rest[0] == 'y' && !binding_.empty()) return refuse("SCRAM channel binding negotiation error");
        if (rest.size() < 2 || rest[1] != ',') return refuse("malformed SCRAM message: comma expected");
        rest.remove_prefix(2);
    }
    if (rest.empty() || rest[0] != ',') return refuse("client uses authorization identity, but it is not supported");
    rest.remove_prefix(1);
    header_ = client_first.substr(0, client_first.size() - rest.size());
    bare_ = rest;
    if (rest.starts_with("m=")) return refuse("client requires an unsupported SCRAM extension");
    if (!attribute(rest, 'n')) return refuse("malformed SCRAM message: attribute n expected");
    const auto client_nonce = attribute(rest, 'r');
    if (!client_nonce || client_nonce->empty() ||
        !std::all_of(client_nonce->begin(), client_nonce->end(), [](char c) { return c >= 0x21 && c <= 0x7e; }))
        return refuse("non-printable characters in SCRAM nonce");
    nonce_ = std::string(*client_nonce) + nonce_;
    server_first_ = "r=" + nonce_ + ",s=" + to_base64(verifier_.salt) + ",i=" + std::to_string(verifier_.iterations);
    return server_first_;
}

/// client-final-message: "c=" base64(gs2-header and binding data) ",r=" nonce ",p=" base64(proof).
std::optional<std::string> scram_server::last(std::string_view client_final) {
    auto rest = client_final;
    const auto bound = attribute(rest, 'c');
    const auto nonce = attribute(rest, 'r');
    const auto proof_at = client_final.rfind(",p=");
    if (server_first_.empty() || !bound || !nonce || proof_at == std::string_view::npos) {
        problem_ = "malformed SCRAM message";
        return std::nullopt;
    }
    const auto proof = from_base64(client_final.substr(proof_at + 3));
    auto expected = header_;
    if (!header_.empty() && header_[0] == 'p') expected += binding_;
    if (!equal_secret(*bound, to_base64(expected))) {
        problem_ = "SCRAM channel binding check failed";
        return std::nullopt;
    }
    if (*nonce != nonce_ || !proof || proof->size() != hash_size) {
        problem_ = "invalid SCRAM response";
        return std::nullopt;
    }
    const auto message = bare_ + "," + server_first_ + "," + std::string(client_final.substr(0, proof_at));
    auto key = exclusive_or(*proof, hmac(verifier_.stored_key, message));
    if (!equal_secret(sha256(key), verifier_.stored_key)) {
        problem_ = "password authentication failed";
        return std::nullopt;
    }
    client_key_ = std::move(key);
    return "v=" + to_base64(hmac(verifier_.server_key, message));
}

// ---- Ringway as the client ------------------------------------------------------------------------------------------

scram_client::scram_client(secret with, std::string nonce, std::string binding, bool plus)
    : with_(std::move(with)), nonce_(std::move(nonce)), binding_(std::move(binding)), plus_(plus) {}

/// gs2-header. "y": we could bind and the server has not offered it, which tells a server that did of a man in the
/// middle.
std::string scram_client::header() const {
    if (plus_) return "p=tls-server-end-point,,";
    return binding_.empty() ? "n,," : "y,,";
}

std::string scram_client::first() {
    bare_ = "n=,r=" + nonce_;  // PostgreSQL takes the user from the startup packet
    return header() + bare_;
}

std::optional<std::string> scram_client::last(std::string_view server_first) {
    auto rest = server_first;
    const auto nonce = attribute(rest, 'r');
    const auto salt_text = attribute(rest, 's');
    const auto iterations_text = attribute(rest, 'i');
    const auto salt = salt_text ? from_base64(*salt_text) : std::nullopt;
    const auto iterations = iterations_text ? number(*iterations_text) : std::nullopt;
    if (bare_.empty() || !nonce || !salt || salt->empty() || !iterations) {
        problem_ = "the server's SCRAM challenge is malformed";
        return std::nullopt;
    }
    if (!nonce->starts_with(nonce_) || nonce->size() == nonce_.size()) {
        problem_ = "the server's SCRAM nonce does not continue ours";
        return std::nullopt;
    }
    std::string client_key = with_.client_key, server_key = with_.server_key;
    if (client_key.empty()) {
        const auto salted = salted_password(with_.password, *salt, *iterations);
        client_key = hmac(salted, "Client Key");
        server_key = hmac(salted, "Server Key");
    }
    const auto final_bare = "c=" + to_base64(plus_ ? header() + binding_ : header()) + ",r=" + std::string(*nonce);
    auth_message_ = bare_ + "," + std::string(server_first) + "," + final_bare;
    server_signature_ = hmac(server_key, auth_message_);
    return final_bare + ",p=" + to_base64(exclusive_or(client_key, hmac(sha256(client_key), auth_message_)));
}

bool scram_client::verify(std::string_view server_final) const {
    auto rest = server_final;
    const auto signature = attribute(rest, 'v');
    const auto raw = signature ? from_base64(*signature) : std::nullopt;
    return raw && !server_signature_.empty() && equal_secret(*raw, server_signature_);
}

// ---- md5 ------------------------------------------------------------------------------------------------------------

std::string md5_stored(std::string_view user, std::string_view password) {
    return "md5" + md5_hex(std::string(password).append(user));
}

std::string md5_response_from_hash(std::string_view stored, std::string_view salt4) {
    return "md5" + md5_hex(std::string(stored.substr(std::min<std::size_t>(3, stored.size()))).append(salt4));
}

std::string md5_response(std::string_view user, std::string_view password, std::string_view salt4) {
    return md5_response_from_hash(md5_stored(user, password), salt4);
}

}  // namespace ringway::protocol::postgres
