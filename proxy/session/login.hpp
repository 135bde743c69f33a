#pragma once
// A client's way in: TLS, startup packet, authentication; then a session, or the admin port's conversation.

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/settings.hpp"
#include "pool/server_login.hpp"
#include "pool/wire.hpp"
#include "protocol/postgres/scram.hpp"
#include "protocol/tls.hpp"
#include "proxy/net/topology.hpp"

namespace ringway::proxy {

class worker;

/// SCRAM verifiers of the plain passwords in [users]: making one costs thousands of hashes, which would also tell by
/// the time it takes who exists. Thread-safe.
class verifier_book {
  public:
    protocol::postgres::scram_verifier of(const std::string& user, const std::string& password,
                                          const std::string& salt);

  private:
    std::mutex lock_;
    std::map<std::string, protocol::postgres::scram_verifier> made_;  ///< by user
};

/// What login needs to know of the process; a value replaced at reload.
struct front_door {
    std::shared_ptr<const config::settings> settings;
    std::shared_ptr<const protocol::tls_context> tls;  ///< null: no TLS
    std::string secret;  ///< random, for verifiers of unknown users and salts of known ones
    std::shared_ptr<verifier_book> verifiers = std::make_shared<verifier_book>();
};

/// A client that has proved who it is.
struct admitted_client {
    pool::tcp_socket socket;
    std::unique_ptr<protocol::tls_engine> tls;
    std::string early;  ///< bytes read past the login
    std::string user, database, address;
    std::uint16_t port = 0;                                     ///< the client's own
    std::uint16_t minor = 0;                                    ///< of the protocol version, after negotiation
    std::vector<std::pair<std::string, std::string>> settings;  ///< run-time settings asked for
    std::string replication;          ///< the startup parameter; empty: an ordinary connection
    std::string replies;              ///< not yet sent: AuthenticationOk
    std::string role;                 ///< its oid on the servers, where they were asked
    std::optional<config::user> who;  ///< the entry of [users] that let it in
    pool::server_secret secret;       ///< what its login has shown of its password
};

/// Called once, on the worker, when a client is in.
using admit = std::function<void(admitted_client)>;
/// Called with pid and key of a CancelRequest.
using cancel_request = std::function<void(std::uint32_t, const std::string&, cancel_waiter)>;

/// Serves one new connection until it is admitted, refused or gone. `admin`: only users with admin = true, any database
/// name.
boost::asio::awaitable<void> log_client_in(worker& home, std::shared_ptr<const front_door> door,
                                           pool::tcp_socket socket, bool admin, admit then, cancel_request cancel);

/// Which of the rules decides; nullptr: none matches. `tls` tells whether the connection is encrypted.
const config::hba_rule* find_rule(const std::vector<config::hba_rule>& rules, const std::string& cluster,
                                  const std::string& user, const std::string& address, bool tls);

}  // namespace ringway::proxy
