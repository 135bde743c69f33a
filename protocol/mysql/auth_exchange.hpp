#pragma once
// The course of a login after the greeting, as two state machines: Ringway as the client of a server, and as the server
// of a client. Payloads in, payloads out; the packets' headers and sequence numbers are the caller's.
// Source: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/mysql/auth.hpp"

namespace ringway::protocol::mysql {

/// Ringway as the client of a server.
class auth_client {
  public:
    struct secret {
        std::string password;    ///< or
        std::string native_key;  ///< SHA1(password), found by native_check: serves mysql_native_password only
    };
    /// `secure`: TLS is up, or the way to the server is a Unix socket; only then the password itself is sent.
    /// `public_key`: a password may be sent under an RSA key that the server names itself.
    auth_client(secret with, bool secure, bool public_key);

    struct opening {
        std::string_view plugin;
        std::string response;
    };
    /// The plugin to name in the login, and the answer to the greeting's challenge. A plugin that we do not know, or
    /// that must not be used here, is answered as if it were mysql_native_password: the server then switches.
    opening first(std::string_view plugin, std::string_view nonce);

    enum class next : std::uint8_t {
        send,     ///< `response` is the payload to send
        wait,     ///< for the server's next packet
        done,     ///< the payload is the OK
        refused,  ///< the payload is the server's ERR
        failed    ///< problem()
    };
    next take(std::string_view payload, std::string& response);
    std::string_view problem() const { return problem_; }

  private:
    std::optional<std::string> answer();
    next more(std::string_view data, std::string& response);
    next fail(std::string_view why);

    secret with_;
    bool secure_, public_key_;
    bool asked_for_key_ = false;
    auth_plugin plugin_ = auth_plugin::unknown;
    std::string nonce_;
    std::string problem_;
};

/// What Ringway knows of a user who logs in.
struct auth_account {
    /// Empty: that plugin cannot be used for this user.
    std::string native_stored, caching_sha2_stored, ed25519_public_key;
    /// The empty password is right, and no other.
    bool no_password = false;
    /// Nothing is known: the password is asked for, over TLS or under our RSA key, and somebody else checks it.
    bool ask_password = false;
    /// Plugin to switch to when the client's own cannot be used.
    auth_plugin preferred = auth_plugin::native;

    static auth_account from_password(std::string_view password);
    /// For a user who does not exist: takes the same course as any other, and is never right.
    static auth_account mock(std::string_view user, std::string_view secret);
};

/// Ringway as the server of a client.
class auth_server {
  public:
    /// `nonce`: 32 random bytes without zero or '$'; the first 20 are the greeting's. `key` may be null.
    auth_server(auth_account account, std::string nonce, bool secure, std::shared_ptr<const rsa_key> key);

    enum class next : std::uint8_t {
        send,     ///< `payload` goes out, the client's next packet comes in
        note,     ///< `payload` goes out, and the login is done
        done,     ///< the client is who it says
        refused,  ///< wrong password, or no way to prove it
    };
    /// Takes the login's plugin (empty: mysql_native_password) and its answer.
    next first(std::string_view plugin, std::string_view response, std::string& payload);
    /// Takes the client's next packet.
    next take(std::string_view client, std::string& payload);

    auth_plugin plugin() const { return plugin_; }
    /// What the login brought to light, for a login to a server in the client's name; empty: nothing.
    std::string_view password() const { return password_; }
    std::string_view native_key() const { return native_key_; }

  private:
    bool usable(auth_plugin plugin) const;
    std::string_view nonce() const { return std::string_view(nonce_).substr(0, nonce_size_of(plugin_)); }
    next switch_to(auth_plugin plugin, std::string& payload);
    next check(std::string_view response, std::string& payload);
    next check_caching_sha2(std::string_view response, std::string& payload);
    next ask(std::string& payload);
    next check_password(std::string_view client);

    auth_account account_;
    std::string nonce_;
    bool secure_;
    std::shared_ptr<const rsa_key> key_;
    auth_plugin plugin_ = auth_plugin::native;
    enum class phase : std::uint8_t { first, switched, full, encrypted } phase_ = phase::first;
    std::string password_, native_key_;
};

}  // namespace ringway::protocol::mysql
