#pragma once
// A client's connection while it logs in, whatever protocol it speaks: bytes in and out, TLS, and the time it has.
// `Client` has socket, tls, address and port. Heavy: only for the two logins.

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "protocol/tls.hpp"

namespace ringway::proxy {

template <class Client>
class login_wire {
  public:
    login_wire(const login_wire&) = delete;
    login_wire& operator=(const login_wire&) = delete;

  protected:
    login_wire(boost::asio::io_context& io, Client from) : client_(std::move(from)), timer_(io) {}
    ~login_wire() {
        state_->gone = true;
        timer_.cancel();
    }

    /// When the time is over the socket is closed.
    void begin(std::chrono::milliseconds limit) {
        boost::system::error_code error;
        const auto peer = client_.socket.remote_endpoint(error);
        client_.address = error ? std::string() : peer.address().to_string();
        client_.port = error ? std::uint16_t{0} : peer.port();
        client_.socket.set_option(boost::asio::ip::tcp::no_delay(true), error);
        client_.socket.set_option(boost::asio::socket_base::keep_alive(true), error);
        timer_.expires_after(limit);
        timer_.async_wait([this, state = state_](const boost::system::error_code& ended) {
            if (ended || state->gone) return;
            state->passed = true;
            boost::system::error_code ignored;
            client_.socket.close(ignored);
        });
    }

    /// The login is over. False: too late.
    bool end() {
        timer_.cancel();
        return !state_->passed;
    }
    bool is_late() const noexcept { return state_->passed; }

    /// More bytes of the client's in `in_`. False: it is gone.
    boost::asio::awaitable<bool> receive() {
        boost::system::error_code error;
        auto token = boost::asio::redirect_error(boost::asio::use_awaitable, error);
        const auto n = co_await client_.socket.async_read_some(boost::asio::buffer(raw_), token);
        if (error) co_return false;
        const std::string_view bytes(raw_.data(), n);
        if (!client_.tls) {
            in_.append(bytes);
            co_return true;
        }
        std::string answer;
        const auto status = client_.tls->decrypt(bytes, in_, answer);
        if (!answer.empty()) co_await boost::asio::async_write(client_.socket, boost::asio::buffer(answer), token);
        co_return !error && !is_over(status);
    }

    boost::asio::awaitable<bool> send(std::string bytes) {
        if (client_.tls) {
            std::string sealed;
            client_.tls->encrypt(bytes, sealed);
            bytes = std::move(sealed);
        }
        boost::system::error_code error;
        auto token = boost::asio::redirect_error(boost::asio::use_awaitable, error);
        co_await boost::asio::async_write(client_.socket, boost::asio::buffer(bytes), token);
        co_return !error;
    }

    /// The server's side of a handshake that begins with these bytes. `alpn`: what ALPN must have agreed on; empty:
    /// anything. Then client_.tls is set, and what came behind it is in `in_`.
    boost::asio::awaitable<bool> secure(std::shared_ptr<const protocol::tls_context> with, std::string early,
                                        std::string_view alpn) {
        auto engine = std::make_unique<protocol::tls_engine>(std::move(with), true);
        std::string out;
        auto status = engine->handshake(early, out);
        boost::system::error_code error;
        auto token = boost::asio::redirect_error(boost::asio::use_awaitable, error);
        while (true) {
            if (!out.empty()) co_await boost::asio::async_write(client_.socket, boost::asio::buffer(out), token);
            if (error || is_over(status)) co_return false;
            if (engine->established()) break;
            out.clear();
            const auto n = co_await client_.socket.async_read_some(boost::asio::buffer(raw_), token);
            if (error) co_return false;
            status = engine->handshake(std::string_view(raw_.data(), n), out);
        }
        if (!alpn.empty() && engine->alpn() != alpn) co_return false;
        client_.tls = std::move(engine);
        std::string answer;
        client_.tls->decrypt({}, in_, answer);
        co_return true;
    }

    Client client_;
    std::string in_;

  private:
    struct deadline {
        bool passed = false, gone = false;
    };
    static bool is_over(protocol::tls_engine::status status) {
        return status == protocol::tls_engine::status::failed || status == protocol::tls_engine::status::closed;
    }

    boost::asio::steady_timer timer_;
    std::shared_ptr<deadline> state_ = std::make_shared<deadline>();
    std::array<char, 4096> raw_{};
};

}  // namespace ringway::proxy
