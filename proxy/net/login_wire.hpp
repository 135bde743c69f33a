#pragma once
// A client's connection while it logs in, whatever protocol it speaks: bytes in and out, TLS, and the time it has.
// `Client` has socket, tls, user, address and port. Heavy: only for the two logins.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
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
#include <vector>

#include "protocol/proxy_header.hpp"
#include "protocol/tls.hpp"
#include "proxy/net/network.hpp"

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
        client_.address = error ? std::string() : text_of(peer.address());
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

    /// From a balancer in these networks a PROXY header has to come first, and tells who the client is. Nobody else's
    /// is believed: they are part of the login, and malformed there. False: what came is no header.
    boost::asio::awaitable<bool> meet_balancer(const std::vector<std::string>& networks) {
        if (!is_within_any(networks, client_.address)) co_return true;
        using state = protocol::proxy_header::state;
        protocol::proxy_header header;
        while (header.now() == state::incomplete) {
            if (!co_await receive()) {
                if (is_late()) log_balancer("did not send a PROXY header in time");
                co_return false;
            }
            std::string_view bytes = in_;
            header.take(bytes);
            in_.erase(0, in_.size() - bytes.size());
        }
        if (header.now() == state::malformed) {
            log_balancer(header.problem());
            co_return false;
        }
        if (!header.client()) co_return true;
        client_.address = header.client()->address;
        client_.port = header.client()->port;
        co_return true;
    }

    /// The login is over. False: too late.
    bool end() {
        timer_.cancel();
        return !state_->passed;
    }
    bool is_late() const noexcept { return state_->passed; }

    /// Names come from who knows where: none may forge a line.
    void log_refusal(std::string_view database, std::string_view why) const {
        auto said = fmt::format("login of user \"{}\" to \"{}\" from {}:{} was refused: {}", client_.user, database,
                                client_.address, client_.port, why);
        std::replace_if(said.begin(), said.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
        spdlog::info("{}", said);
    }

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
    void log_balancer(std::string_view what) const {
        spdlog::warn("connection from {}:{}, which is in [listen] proxy_protocol, was closed: {}", client_.address,
                     client_.port, what);
    }

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
