#pragma once
// Authentication, sans-I/O: what is stored for a user, what a client answers to a challenge, how a server checks it.
// Source: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_authentication_methods.html
// and https://mariadb.com/docs/server/reference/clientserver-protocol/1-connecting/connection#authentication-plugins.
// Random bytes are given in, so tests are exact.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace ringway::protocol::mysql {

enum class auth_plugin : std::uint8_t { unknown, native, caching_sha2, sha256, ed25519, clear };
/// By the name in a packet ("mysql_native_password", "caching_sha2_password", "sha256_password", "client_ed25519",
/// "mysql_clear_password") and back.
auth_plugin plugin_of(std::string_view name) noexcept;
std::string_view name_of(auth_plugin plugin) noexcept;
/// Bytes of the challenge that a plugin uses: 32 for ed25519, else 20.
std::size_t nonce_size_of(auth_plugin plugin) noexcept;

// ---- mysql_native_password ------------------------------------------------------------------------------------------
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_authentication_methods_native_password_authentication.html

/// SHA1(SHA1(password)): what a server stores.
std::string native_stored(std::string_view password);
/// The same from and to its text in mysql.user: '*' and 40 hexadecimal digits.
std::optional<std::string> read_native_stored(std::string_view text);
std::string write_native_stored(std::string_view stored);
/// SHA1(password) XOR SHA1(nonce, SHA1(SHA1(password))); empty for the empty password.
std::string native_response(std::string_view password, std::string_view nonce);
/// From SHA1(password), which native_check has found out of a client's own answer.
std::string native_response_from_key(std::string_view key, std::string_view nonce);
/// SHA1(password) when the response is right, else nullopt.
std::optional<std::string> native_check(std::string_view stored, std::string_view nonce, std::string_view response);

// ---- caching_sha2_password ------------------------------------------------------------------------------------------
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html

/// SHA256(SHA256(password)): enough for the fast path; a server has it in memory once a full login went well.
std::string caching_sha2_stored(std::string_view password);
std::string caching_sha2_response(std::string_view password, std::string_view nonce);
/// SHA256(password) when the response is right, else nullopt.
std::optional<std::string> caching_sha2_check(std::string_view stored, std::string_view nonce,
                                              std::string_view response);

/// A server's RSA key, with which a client without TLS sends its password.
class rsa_key {
  public:
    static std::shared_ptr<const rsa_key> generate();
    ~rsa_key();
    const std::string& public_pem() const noexcept;
    /// The password that rsa_encrypt has hidden; nullopt: not made with this key and nonce.
    std::optional<std::string> decrypt(std::string_view hidden, std::string_view nonce) const;

    struct impl;
    explicit rsa_key(std::unique_ptr<impl> from);

  private:
    std::unique_ptr<impl> impl_;
};
/// The password with its zero byte, XOR the nonce, by RSA-OAEP; nullopt: no public key in `pem`, or too long for it.
std::optional<std::string> rsa_encrypt(std::string_view password, std::string_view nonce, std::string_view pem);

// ---- client_ed25519 (MariaDB) ---------------------------------------------------------------------------------------
// https://mariadb.com/docs/server/reference/clientserver-protocol/1-connecting/connection#client_ed25519-plugin
// Ed25519 of RFC 8032, but for the seed: there SHA512(32 random bytes) is the expanded secret key, here
// SHA512(password).

std::string ed25519_public_key(std::string_view password);
/// The same from and to its text in mysql.global_priv: base64 without the '=' at its end.
std::optional<std::string> read_ed25519_stored(std::string_view text);
std::string write_ed25519_stored(std::string_view public_key);
std::string ed25519_response(std::string_view password, std::string_view nonce);
bool ed25519_check(std::string_view public_key, std::string_view nonce, std::string_view response);

/// Constant-time comparison.
bool same_secret(std::string_view a, std::string_view b) noexcept;

}  // namespace ringway::protocol::mysql
