#pragma once
// The socket of a login to a server under way: plain or encrypted reads and writes, ended by one timer. Knows no
// protocol.

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>

#include "config/fault.hpp"
#include "pool/server_login.hpp"
#include "protocol/tls.hpp"

namespace ringway::pool {

class dialogue {
  public:
    dialogue(boost::asio::io_context& on, const server_target& target);
    ~dialogue();
    dialogue(const dialogue&) = delete;
    dialogue& operator=(const dialogue&) = delete;

    boost::asio::awaitable<std::optional<config::fault>> connect();
    boost::asio::awaitable<std::optional<config::fault>> send(std::string bytes);
    /// Appends what arrives next to plain().
    boost::asio::awaitable<std::optional<config::fault>> receive();
    /// One byte that is not TLS's, before it begins.
    boost::asio::awaitable<std::optional<config::fault>> receive_byte(char& byte);
    /// The handshake; everything is encrypted from then on.
    boost::asio::awaitable<std::optional<config::fault>> start_tls();
    /// Reads until the server has closed.
    boost::asio::awaitable<void> wait_for_end();

    std::string& plain() { return plain_; }
    protocol::tls_engine* tls() { return tls_.get(); }
    tcp_socket&& take_socket();
    std::unique_ptr<protocol::tls_engine> take_tls() { return std::move(tls_); }
    bool timed_out() const { return deadline_->passed; }
    config::fault trouble(const boost::system::error_code& error) const;

  private:
    /// Shared with the timer's handler, which may run once after this object is gone.
    struct deadline {
        bool passed = false, gone = false;
    };

    tcp_socket socket_;
    boost::asio::steady_timer timer_;
    const server_target& target_;
    std::shared_ptr<deadline> deadline_ = std::make_shared<deadline>();
    std::unique_ptr<protocol::tls_engine> tls_;
    std::string plain_;
    std::array<char, 8192> raw_{};
};

}  // namespace ringway::pool
