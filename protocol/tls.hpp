#pragma once
// A TLS engine over memory BIOs: bytes in, bytes out, no socket. OpenSSL 3.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace ringway::protocol {

struct tls_files {
    std::string certificate_file, key_file, ca_file;  ///< PEM; empty: none
    std::string min_version = "1.2";
    std::string max_version;                ///< "1.2"; empty: the newest there is
    bool require_peer_certificate = false;  ///< server side: ask for and verify a client certificate
    bool verify_peer = false;               ///< client side: verify-ca and verify-full
    bool verify_name = false;               ///< client side: verify-full; implies verify_peer
    std::string alpn = "postgresql";        ///< offered and required with direct negotiation
};

/// A loaded certificate and its rules (SSL_CTX). Immutable, shared; a reload makes another.
class tls_context {
  public:
    /// Throws std::runtime_error naming the file that is wrong. Only at start-up and reload.
    static std::shared_ptr<const tls_context> server(const tls_files& files);
    static std::shared_ptr<const tls_context> client(const tls_files& files);
    ~tls_context();
    /// tls-server-end-point of the own certificate (server side), raw hash bytes.
    const std::string& own_end_point() const noexcept;

    struct impl;
    impl* get() const noexcept { return impl_.get(); }
    explicit tls_context(std::unique_ptr<impl> from);

  private:
    std::unique_ptr<impl> impl_;
};

/// One connection's TLS. Not thread-safe; may move between threads.
class tls_engine {
  public:
    /// `server_name`: SNI and the name or IP address checked for verify-full (client side). Throws std::bad_alloc only;
    /// verify_name without a name makes the handshake fail.
    tls_engine(std::shared_ptr<const tls_context> context, bool is_server, const std::string& server_name = {});
    ~tls_engine();
    tls_engine(tls_engine&&) noexcept;
    tls_engine& operator=(tls_engine&&) noexcept;

    enum class status : std::uint8_t { ok, need_input, closed, failed };

    /// Takes bytes from the wire; appends what the wire must get to `out`: also after a failure, then an alert.
    /// need_input until the handshake is done, then ok. Application data may have come with its last bytes: call
    /// decrypt() with none at once after.
    status handshake(std::string_view from_wire, std::string& out);
    bool established() const noexcept;
    /// Decrypts: appends plain bytes to `plain`, wire bytes to send (alerts, key updates) to `out`. `plain` may have
    /// grown even when the status is closed (the peer's close_notify came) or failed.
    status decrypt(std::string_view from_wire, std::string& plain, std::string& out);
    /// Encrypts in records of up to 16 KiB, appended to `out`.
    status encrypt(std::string_view plain, std::string& out);
    void close_notify(std::string& out);

    std::string problem() const;  ///< the last error, for the log
    /// tls-server-end-point (RFC 5929 section 4.1) of the peer's certificate, raw hash bytes. Empty: there is none, or
    /// its signature has no single hash (Ed25519), so that no channel can be bound to it.
    std::string peer_end_point() const;
    std::string own_end_point() const;
    std::string peer_common_name() const;  ///< of a verified client certificate; empty: none
    std::string version() const;           ///< "TLSv1.3"
    std::string cipher() const;
    std::string alpn() const;

  private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace ringway::protocol
