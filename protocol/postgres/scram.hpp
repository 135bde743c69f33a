#pragma once
// SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, both sides, sans-I/O (RFC 5802, RFC 7677, RFC 5929 tls-server-end-point), and
// md5. https://www.postgresql.org/docs/15/sasl-authentication.html. Random bytes are given in, so tests are exact.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringway::protocol::postgres {

/// A stored verifier: "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>".
struct scram_verifier {
    std::uint32_t iterations = 4096;
    std::string salt, stored_key, server_key;  ///< raw bytes
};
std::optional<scram_verifier> read_verifier(std::string_view text);
std::string write_verifier(const scram_verifier& v);
scram_verifier make_verifier(std::string_view password, std::string_view salt, std::uint32_t iterations = 4096);
/// A verifier for a user who does not exist: same iterations and a salt derived from the name and a secret, never
/// matches.
scram_verifier mock_verifier(std::string_view user, std::string_view secret);

/// Ringway as the server side. Steps: first(), then last().
class scram_server {
  public:
    /// `binding` is the tls-server-end-point hash, empty without TLS.
    scram_server(scram_verifier verifier, std::string nonce, std::string binding);
    /// Takes the SASLInitialResponse; the server-first-message, or nullopt (malformed or wrong mechanism: `problem()`).
    std::optional<std::string> first(std::string_view mechanism, std::string_view client_first);
    /// Takes the client-final-message; the server-final-message when the proof is right, else nullopt.
    std::optional<std::string> last(std::string_view client_final);
    std::string_view problem() const { return problem_; }
    /// Proven client key, which lets Ringway log in to a server as this user without the password (empty before
    /// success).
    std::string_view client_key() const { return client_key_; }

  private:
    scram_verifier verifier_;
    std::string nonce_, binding_, header_, bare_, server_first_, problem_, client_key_;
};

/// Ringway as the client of a server. With a password, or with a client key and server key got from a client's own
/// login.
class scram_client {
  public:
    struct secret {
        std::string password;                ///< or
        std::string client_key, server_key;  ///< keys, valid only for the same salt and iterations
    };
    /// `binding` is the server certificate's tls-server-end-point hash, empty without TLS; `plus`: the server offered
    /// SCRAM-SHA-256-PLUS and it was chosen. With a binding and without `plus` the server is told that it could have
    /// been.
    scram_client(secret with, std::string nonce, std::string binding, bool plus);
    /// The client-first-message.
    std::string first();
    /// Takes the server-first-message; the client-final-message, or nullopt (malformed, a foreign nonce, no iterations
    /// or more than 10 million: `problem()`). With a password this costs the iterations in processor time.
    std::optional<std::string> last(std::string_view server_first);
    /// Whether the server-final-message proves that the server knows the user's verifier. A login without it is none.
    bool verify(std::string_view server_final) const;
    std::string_view problem() const { return problem_; }

  private:
    std::string header() const;

    secret with_;
    std::string nonce_, binding_, bare_, auth_message_, server_signature_, problem_;
    bool plus_;
};

/// "md5" + md5(md5(password + user) + salt).
std::string md5_response(std::string_view user, std::string_view password, std::string_view salt4);
/// The same from a stored "md5..." hash.
std::string md5_response_from_hash(std::string_view stored, std::string_view salt4);
std::string md5_stored(std::string_view user, std::string_view password);
/// Constant-time comparison.
bool equal_secret(std::string_view a, std::string_view b) noexcept;

}  // namespace ringway::protocol::postgres
