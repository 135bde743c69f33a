#pragma once
// One libpqxx connection of a control thread (health, catalogs), whose waits another thread can end.

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "config/settings.hpp"

namespace pqxx {
class connection_base;
}

namespace ringway::pool {

/// Where to and as whom.
struct control_login {
    config::endpoint node;
    config::engine engine = config::engine::postgres;
    std::string database, user, password;
    config::tls tls;
    std::chrono::milliseconds connect_timeout{2000};  ///< libpq knows whole seconds, two at least
    friend bool operator==(const control_login&, const control_login&) = default;
};

/// The login of a cluster's control connections to a node: its monitor_user, and the database "postgres" for the
/// cluster "*".
control_login control_login_for(const config::cluster& cluster, const config::endpoint& node);

/// libpq's connection string. Contains the password: never to be logged.
std::string connection_text(const control_login& login, const std::string& application_name);

/// Used by one thread, but for interrupt(). libpqxx blocks: a server that accepts a query and never answers holds its
/// thread until somebody calls interrupt(), which shuts the socket down. Connecting ends by itself at connect_timeout.
class control_connection {
  public:
    explicit control_connection(std::string application_name);
    ~control_connection();
    control_connection(const control_connection&) = delete;
    control_connection& operator=(const control_connection&) = delete;

    /// Closes what is open and connects. Returns why it failed, on one line.
    std::optional<std::string> open(const control_login& login);
    void close();
    bool is_open() const;

    /// Runs `work` and turns what it throws into text, on one line; closes a connection that was lost meanwhile.
    std::optional<std::string> run(const std::function<void(pqxx::connection_base&)>& work);

    /// Any thread, at any time: ends a wait for the server; the connection is lost by that.
    void interrupt() noexcept;
    /// interrupt(), and every connection made later is shut down too: for the end of the thread that uses this.
    void abandon() noexcept;
    /// Readable or closed while no query runs: the server has ended the connection. -1: not open.
    int descriptor() const noexcept { return descriptor_; }

  private:
    struct opened;
    std::string application_name_;
    std::unique_ptr<opened> opened_;
    std::mutex descriptor_lock_;  ///< against interrupt() while the descriptor is closed
    int descriptor_ = -1;         ///< our own duplicate: libpq may close its own at any time
    bool abandoned_ = false;
};

}  // namespace ringway::pool
