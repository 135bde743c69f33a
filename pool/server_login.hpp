#pragma once
// Opens and authenticates one connection to a PostgreSQL server: TCP, TLS, startup, scram / md5 / plain, until
// ReadyForQuery.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/fault.hpp"
#include "config/settings.hpp"
#include "pool/server_part.hpp"
#include "pool/wire.hpp"
#include "protocol/tls.hpp"

namespace ringway::pool {

/// What proves a user to a server: a password, or what stands in for it at servers that ask by that method: the SCRAM
/// keys that the user's own login to Ringway has shown, or the stored md5 hash.
struct server_secret {
    std::string password;
    std::string scram_client_key, scram_server_key;
    std::string md5_hash;          ///< "md5...", as in pg_authid.rolpassword
    std::string mysql_native_key;  ///< SHA1(password), for mysql_native_password
    bool empty() const noexcept {
        return password.empty() && scram_client_key.empty() && md5_hash.empty() && mysql_native_key.empty();
    }
    friend bool operator==(const server_secret&, const server_secret&) = default;
};

/// Where to and as whom. Immutable while shared.
struct server_target {
    config::endpoint address;
    config::engine engine = config::engine::postgres;
    std::string database, user;
    /// The user's oid on this server, where known: a login that turns out to be another role's, which has the name now
    /// or has it no more, fails.
    std::string role;
    server_secret secret;
    config::tls_mode tls = config::tls_mode::disable;
    std::shared_ptr<const protocol::tls_context> tls_context;
    config::server_compression compression = config::server_compression::off;
    std::chrono::milliseconds connect_timeout{5000};
    std::vector<std::pair<std::string, std::string>> extra;  ///< further startup parameters ("replication")
};

/// A connection that is ready for queries, or why not.
struct server_login {
    std::optional<tcp_socket> socket;
    std::unique_ptr<protocol::tls_engine> tls;
    std::uint32_t pid = 0;
    std::string key;
    std::vector<std::pair<std::string, std::string>> parameters;  ///< ParameterStatus, in the server's order
    std::unique_ptr<server_part> part;
    std::unique_ptr<wire_coat> coat;  ///< null: none was agreed on
    std::optional<config::fault> failure;
    std::string server_sqlstate;  ///< of the server's own refusal; empty: it was not the server
    bool ok() const { return !failure; }
};

/// The server is there, and has refused this user or this database: waiting does not help, and it may be asked again at
/// once.
bool is_refusal(const config::fault& why) noexcept;

boost::asio::awaitable<server_login> log_in(boost::asio::io_context& on, std::shared_ptr<const server_target> target);

/// Sends one CancelRequest and waits until the server has closed, so that the signal has been sent. False: it may not
/// have arrived.
boost::asio::awaitable<bool> send_cancel(boost::asio::io_context& on, std::shared_ptr<const server_target> target,
                                         std::uint32_t pid, std::string key);

}  // namespace ringway::pool
