#include "protocol/mysql/auth.hpp"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sodium.h>

#include <array>

namespace ringway::protocol::mysql {

namespace {

constexpr std::size_t sha1_size = 20, sha256_size = 32, sha512_size = 64;

constexpr struct {
    auth_plugin plugin;
    std::string_view name;
} plugins[] = {{auth_plugin::native, "mysql_native_password"},
               {auth_plugin::caching_sha2, "caching_sha2_password"},
               {auth_plugin::sha256, "sha256_password"},
               {auth_plugin::ed25519, "client_ed25519"},
               {auth_plugin::clear, "mysql_clear_password"}};

const unsigned char* raw(std::string_view bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* raw(std::string& bytes) {
    return reinterpret_cast<unsigned char*>(bytes.data());
}

std::string digest(const EVP_MD* how, std::size_t size, std::string_view a, std::string_view b = {},
                   std::string_view c = {}) {
    std::string out(size, '\0');
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> hash(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    EVP_DigestInit_ex(hash.get(), how, nullptr);
    for (const auto part : {a, b, c}) EVP_DigestUpdate(hash.get(), part.data(), part.size());
    EVP_DigestFinal_ex(hash.get(), raw(out), nullptr);
    return out;
}

std::string sha1(std::string_view a, std::string_view b = {}) {
    return digest(EVP_sha1(), sha1_size, a, b);
}
std::string sha256(std::string_view a, std::string_view b = {}) {
    return digest(EVP_sha256(), sha256_size, a, b);
}
std::string sha512(std::string_view a, std::string_view b = {}, std::string_view c = {}) {
    return digest(EVP_sha512(), sha512_size, a, b, c);
}

/// `pattern` is repeated.
std::string exclusive_or(std::string a, std::string_view pattern) {
    for (std::size_t i = 0; i < a.size() && !pattern.empty(); ++i)
        a[i] = static_cast<char>(a[i] ^ pattern[i % pattern.size()]);
    return a;
}

int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

}  // namespace

bool same_secret(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

auth_plugin plugin_of(std::string_view name) noexcept {
    for (const auto& each : plugins)
        if (each.name == name) return each.plugin;
    return auth_plugin::unknown;
}

std::string_view name_of(auth_plugin plugin) noexcept {
    for (const auto& each : plugins)
        if (each.plugin == plugin) return each.name;
    return {};
}

std::size_t nonce_size_of(auth_plugin plugin) noexcept {
    return plugin == auth_plugin::ed25519 ? 32 : 20;
}

// ---- mysql_native_password ------------------------------------------------------------------------------------------

std::string native_stored(std::string_view password) {
    return sha1(sha1(password));
}

std::optional<std::string> read_native_stored(std::string_view text) {
    if (text.size() != 1 + 2 * sha1_size || text[0] != '*') return std::nullopt;
    std::string out;
    for (std::size_t i = 1; i < text.size(); i += 2) {
        const int high = digit_of(text[i]), low = digit_of(text[i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        out.push_back(static_cast<char>(high << 4 | low));
    }
    return out;
}

std::string write_native_stored(std::string_view stored) {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string out = "*";
    for (const char c : stored) {
        const auto byte = static_cast<unsigned char>(c);
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

std::string native_response_from_key(std::string_view key, std::string_view nonce) {
    return exclusive_or(std::string(key), sha1(nonce, sha1(key)));
}

std::string native_response(std::string_view password, std::string_view nonce) {
    return password.empty() ? std::string() : native_response_from_key(sha1(password), nonce);
}

std::optional<std::string> native_check(std::string_view stored, std::string_view nonce, std::string_view response) {
    if (response.size() != sha1_size) return std::nullopt;
    auto key = exclusive_or(std::string(response), sha1(nonce, stored));
    return same_secret(sha1(key), stored) ? std::optional(std::move(key)) : std::nullopt;
}

// ---- caching_sha2_password ------------------------------------------------------------------------------------------

std::string caching_sha2_stored(std::string_view password) {
    return sha256(sha256(password));
}

std::string caching_sha2_response(std::string_view password, std::string_view nonce) {
    if (password.empty()) return {};
    const auto key = sha256(password);
    return exclusive_or(key, sha256(sha256(key), nonce));
}

std::optional<std::string> caching_sha2_check(std::string_view stored, std::string_view nonce,
                                              std::string_view response) {
    if (response.size() != sha256_size) return std::nullopt;
    auto key = exclusive_or(std::string(response), sha256(stored, nonce));
    return same_secret(sha256(key), stored) ? std::optional(std::move(key)) : std::nullopt;
}

// ---- RSA ------------------------------------------------------------------------------------------------------------

namespace {

using key_owner = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using bio_owner = std::unique_ptr<BIO, decltype(&BIO_free)>;
using operation = std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)>;

/// EVP_PKEY_encrypt or EVP_PKEY_decrypt with OAEP.
template <class Begin, class Run>
std::optional<std::string> with_oaep(EVP_PKEY* key, std::string_view data, Begin begin, Run run) {
    const operation to_do(EVP_PKEY_CTX_new(key, nullptr), EVP_PKEY_CTX_free);
    std::size_t size = 0;
    if (!to_do || begin(to_do.get()) <= 0 || EVP_PKEY_CTX_set_rsa_padding(to_do.get(), RSA_PKCS1_OAEP_PADDING) <= 0 ||
        run(to_do.get(), nullptr, &size, raw(data), data.size()) <= 0)
        return std::nullopt;
    std::string out(size, '\0');
    if (run(to_do.get(), raw(out), &size, raw(data), data.size()) <= 0) return std::nullopt;
    out.resize(size);
    return out;
}

}  // namespace

struct rsa_key::impl {
    key_owner key;
    std::string pem;
};

rsa_key::rsa_key(std::unique_ptr<impl> from) : impl_(std::move(from)) {}
rsa_key::~rsa_key() = default;

std::shared_ptr<const rsa_key> rsa_key::generate() {
    key_owner key(EVP_RSA_gen(2048), EVP_PKEY_free);
    const bio_owner text(BIO_new(BIO_s_mem()), BIO_free);
    if (!key || !text || PEM_write_bio_PUBKEY(text.get(), key.get()) != 1) return nullptr;
    char* data = nullptr;
    const auto size = BIO_get_mem_data(text.get(), &data);
    return std::make_shared<const rsa_key>(
        std::make_unique<impl>(impl{std::move(key), std::string(data, static_cast<std::size_t>(size))}));
}

const std::string& rsa_key::public_pem() const noexcept {
    return impl_->pem;
}

std::optional<std::string> rsa_key::decrypt(std::string_view hidden, std::string_view nonce) const {
    auto plain = with_oaep(impl_->key.get(), hidden, EVP_PKEY_decrypt_init, EVP_PKEY_decrypt);
    if (!plain) return std::nullopt;
    auto out = exclusive_or(std::move(*plain), nonce);
    if (out.empty() || out.back() != '\0') return std::nullopt;
    out.pop_back();
    return out;
}

std::optional<std::string> rsa_encrypt(std::string_view password, std::string_view nonce, std::string_view pem) {
    const bio_owner text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
    const key_owner key(text ? PEM_read_bio_PUBKEY(text.get(), nullptr, nullptr, nullptr) : nullptr, EVP_PKEY_free);
    if (!key || EVP_PKEY_is_a(key.get(), "RSA") != 1) return std::nullopt;
    const auto plain = exclusive_or(std::string(password).append(1, '\0'), nonce);
    return with_oaep(key.get(), plain, EVP_PKEY_encrypt_init, EVP_PKEY_encrypt);
}

// ---- client_ed25519 -------------------------------------------------------------------------------------------------

namespace {

struct expanded_key {
    std::string scalar;  ///< clamped
    std::string prefix;  ///< makes the nonce of a signature
};

expanded_key expand(std::string_view password) {
    const auto hash = sha512(password);
    expanded_key out{hash.substr(0, 32), hash.substr(32)};
    out.scalar[0] = static_cast<char>(out.scalar[0] & 248);
    out.scalar[31] = static_cast<char>((out.scalar[31] & 127) | 64);
    return out;
}

std::string times_base(std::string_view scalar) {
    std::string out(crypto_core_ed25519_BYTES, '\0');
    if (crypto_scalarmult_ed25519_base_noclamp(raw(out), raw(scalar)) != 0) return {};
    return out;
}

std::string reduced(std::string_view hash) {
    std::string out(crypto_core_ed25519_SCALARBYTES, '\0');
    crypto_core_ed25519_scalar_reduce(raw(out), raw(hash));
    return out;
}

}  // namespace

std::string ed25519_public_key(std::string_view password) {
    return times_base(expand(password).scalar);
}

std::string ed25519_response(std::string_view password, std::string_view nonce) {
    // RFC 8032, 5.1.6, from its second step on: OpenSSL and libsodium sign from a seed only.
    const auto key = expand(password);
    const auto public_key = times_base(key.scalar);
    const auto r = reduced(sha512(key.prefix, nonce));
    const auto point = times_base(r);
    const auto k = reduced(sha512(point, public_key, nonce));
    std::string product(crypto_core_ed25519_SCALARBYTES, '\0'), s(crypto_core_ed25519_SCALARBYTES, '\0');
    crypto_core_ed25519_scalar_mul(raw(product), raw(k), raw(key.scalar));
    crypto_core_ed25519_scalar_add(raw(s), raw(product), raw(r));
    return point + s;
}

bool ed25519_check(std::string_view public_key, std::string_view nonce, std::string_view response) {
    if (public_key.size() != 32 || response.size() != 64) return false;
    const key_owner key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, raw(public_key), public_key.size()),
                        EVP_PKEY_free);
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> check(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    return key && EVP_DigestVerifyInit(check.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
           EVP_DigestVerify(check.get(), raw(response), response.size(), raw(nonce), nonce.size()) == 1;
}

std::optional<std::string> read_ed25519_stored(std::string_view text) {
    std::string out(32, '\0');
    std::size_t size = 0;
    if (sodium_base642bin(raw(out), out.size(), text.data(), text.size(), nullptr, &size, nullptr,
                          sodium_base64_VARIANT_ORIGINAL_NO_PADDING) != 0 ||
        size != out.size())
        return std::nullopt;
    return out;
}

std::string write_ed25519_stored(std::string_view public_key) {
    std::string out(sodium_base64_encoded_len(public_key.size(), sodium_base64_VARIANT_ORIGINAL_NO_PADDING), '\0');
    sodium_bin2base64(out.data(), out.size(), raw(public_key), public_key.size(),
                      sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    out.pop_back();
    return out;
}

}  // namespace ringway::protocol::mysql
