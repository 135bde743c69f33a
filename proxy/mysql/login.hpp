#pragma once
// A MySQL client's way in: greeting, TLS, login, authentication.

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "pool/health.hpp"
#include "pool/wire.hpp"
#include "protocol/mysql/auth_exchange.hpp"
#include "protocol/mysql/capability.hpp"
#include "proxy/session/login.hpp"

namespace ringway::proxy {

class worker;
struct login_question;

namespace mysql {

/// A client that has proved who it is.
struct admitted {
    explicit admitted(pool::tcp_socket from) : socket(std::move(from)) {}
    pool::tcp_socket socket;
    std::unique_ptr<protocol::tls_engine> tls;
    std::string early;  ///< bytes read past the login
    std::string user, database, address;
    std::optional<std::string> cluster;  ///< nullopt: none serves it
    std::uint16_t port = 0;
    std::uint64_t id = 0;                                 ///< the connection id it was told
    std::uint8_t sequence = 0;                            ///< of the OK that is still owed
    protocol::mysql::capability::flags capabilities = 0;  ///< those agreed on
    std::uint16_t collation = 0;
    std::uint8_t zstd_level = 0;
    pool::server_traits server;
    std::optional<config::user> who;
    pool::server_secret secret;
};

/// What the way in asks of the process.
class gate {
  public:
    virtual ~gate() = default;
    /// A connection id that no client of this worker has.
    virtual std::uint64_t new_client_id(worker& home) = 0;
    /// What the servers of the clusters say of themselves; nullopt: not known yet.
    virtual std::optional<pool::server_traits> traits() = 0;
    /// The cluster that serves this user's database; nullopt: none does.
    virtual std::optional<std::string> cluster_for(const std::string& database, const config::user* who) = 0;
    /// Of a client that only its servers know, or whose database only they know.
    virtual bool servers_decide(const std::string& cluster, const config::user& who) = 0;
    /// Logs in at the primary as this client; nullopt: it is let in.
    virtual boost::asio::awaitable<std::optional<config::fault>> ask_server(worker& home, login_question of) = 0;
};

/// Capabilities of what is told to a client: the server's own, less what Ringway does not have.
protocol::mysql::capability::flags offered(const pool::server_traits& server, bool tls, bool compression) noexcept;

/// What Ringway knows of a user's password.
protocol::mysql::auth_account account_of(const config::user* who, const std::string& name, const std::string& secret);
std::string new_nonce();
/// SQLSTATE of the errors that Ringway makes itself.
std::string_view mysql_sqlstate(std::uint16_t number) noexcept;
const std::shared_ptr<const protocol::mysql::rsa_key>& login_key();
/// Of a login that went well: what later logins to servers need.
pool::server_secret secret_of(const config::user& who, const protocol::mysql::auth_server& proof);

using admit = std::function<void(admitted)>;
boost::asio::awaitable<void> log_client_in(worker& home, std::shared_ptr<const front_door> door, gate& of,
                                           pool::tcp_socket socket, bool admin, admit then);

}  // namespace mysql
}  // namespace ringway::proxy
