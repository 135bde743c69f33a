#include "pool/dialogue.hpp"

#include <fmt/format.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace ringway::pool {

namespace asio = boost::asio;
using asio::ip::tcp;
using config::fault;
using config::fault_kind;

namespace {

constexpr std::size_t most_login_bytes =
    256 * 1024;  ///< a server that talks more than this before it is ready is broken

}  // namespace

dialogue::dialogue(asio::io_context& on, const server_target& target)
    : socket_(on.get_executor()), timer_(on), target_(target) {}

dialogue::~dialogue() {
    deadline_->gone = true;
    timer_.cancel();
}

tcp_socket&& dialogue::take_socket() {
    timer_.cancel();
    return std::move(socket_);
}

asio::awaitable<std::optional<fault>> dialogue::connect() {
    timer_.expires_after(target_.connect_timeout);
    timer_.async_wait([this, state = deadline_](const boost::system::error_code& error) {
        if (error || state->gone) return;
        state->passed = true;
        boost::system::error_code ignored;
        socket_.close(ignored);
    });
    boost::system::error_code error;
    std::vector<tcp::endpoint> endpoints;
    const auto numeric = asio::ip::make_address(target_.address.host, error);
    if (!error) {
        endpoints.emplace_back(numeric, target_.address.port);
    } else {
        tcp::resolver resolver(socket_.get_executor());
        auto token = asio::redirect_error(asio::use_awaitable, error);
        const auto found =
            co_await resolver.async_resolve(target_.address.host, std::to_string(target_.address.port), token);
        if (error) co_return trouble(error);
        for (const auto& entry : found) endpoints.push_back(entry.endpoint());
    }
    auto token = asio::redirect_error(asio::use_awaitable, error);
    for (const auto& endpoint : endpoints) {
        if (timed_out()) break;
        boost::system::error_code ignored;
        socket_.close(ignored);
        co_await socket_.async_connect(endpoint, token);
        if (!error) break;
    }
    if (error || timed_out()) co_return trouble(error);
    socket_.set_option(tcp::no_delay(true), error);
    socket_.set_option(asio::socket_base::keep_alive(true), error);
    co_return std::nullopt;
}

asio::awaitable<std::optional<fault>> dialogue::send(std::string bytes) {
    if (tls_) {
        std::string sealed;
        tls_->encrypt(bytes, sealed);
        bytes = std::move(sealed);
    }
    boost::system::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    co_await asio::async_write(socket_, asio::buffer(bytes), token);
    if (error) co_return trouble(error);
    co_return std::nullopt;
}

asio::awaitable<std::optional<fault>> dialogue::receive() {
    const auto before = plain_.size();
    while (plain_.size() == before) {
        boost::system::error_code error;
        auto token = asio::redirect_error(asio::use_awaitable, error);
        const std::size_t n = co_await socket_.async_read_some(asio::buffer(raw_), token);
        if (error) co_return trouble(error);
        const std::string_view bytes(raw_.data(), n);
        if (!tls_) {
            plain_.append(bytes);
        } else {
            std::string answer;
            const auto status = tls_->decrypt(bytes, plain_, answer);
            if (!answer.empty()) co_await asio::async_write(socket_, asio::buffer(answer), token);
            const bool over =
                status == protocol::tls_engine::status::failed || status == protocol::tls_engine::status::closed;
            if (over && plain_.size() == before)  // else its last words, which came with the end, are heard first
                co_return fault{fault_kind::cannot_connect,
                                fmt::format("TLS to {} ended: {}", target_.address.text(), tls_->problem()),
                                {},
                                {}};
        }
        if (plain_.size() > most_login_bytes)
            co_return fault{fault_kind::cannot_connect,
                            fmt::format("server {} sends no end of login messages", target_.address.text()),
                            {},
                            {}};
    }
    co_return std::nullopt;
}

asio::awaitable<std::optional<fault>> dialogue::receive_byte(char& byte) {
    boost::system::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    co_await asio::async_read(socket_, asio::buffer(&byte, 1), token);
    if (error) co_return trouble(error);
    co_return std::nullopt;
}

asio::awaitable<std::optional<fault>> dialogue::start_tls() {
    boost::system::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    auto engine = std::make_unique<protocol::tls_engine>(target_.tls_context, false, target_.address.host);
    std::string out;
    auto status = engine->handshake({}, out);
    while (!engine->established()) {
        const bool over =
            status == protocol::tls_engine::status::failed || status == protocol::tls_engine::status::closed;
        if (over && !out.empty()) co_await asio::async_write(socket_, asio::buffer(out), token);  // the alert says why
        if (over)
            co_return fault{fault_kind::cannot_connect,
                            fmt::format("TLS handshake with {} failed: {}", target_.address.text(), engine->problem()),
                            {},
                            {}};
        if (!out.empty()) co_await asio::async_write(socket_, asio::buffer(out), token);
        if (error) co_return trouble(error);
        out.clear();
        const std::size_t n = co_await socket_.async_read_some(asio::buffer(raw_), token);
        if (error) co_return trouble(error);
        status = engine->handshake(std::string_view(raw_.data(), n), out);
    }
    if (!out.empty()) co_await asio::async_write(socket_, asio::buffer(out), token);
    if (error) co_return trouble(error);
    tls_ = std::move(engine);
    std::string answer_bytes;
    tls_->decrypt({}, plain_, answer_bytes);
    co_return std::nullopt;
}

fault dialogue::trouble(const boost::system::error_code& error) const {
    const auto why = timed_out()                 ? std::string("no answer in time")
                     : error == asio::error::eof ? "closed by the server"
                                                 : error.message();
    return {fault_kind::cannot_connect,
            fmt::format("cannot connect to server {}: {}", target_.address.text(), why),
            {},
            {}};
}

asio::awaitable<void> dialogue::wait_for_end() {
    boost::system::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    while (!error) co_await socket_.async_read_some(asio::buffer(raw_), token);
}

}  // namespace ringway::pool
