#include "proxy/http/server.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <set>
#include <thread>

#include "proxy/cli/version.hpp"
#include "proxy/http/answer.hpp"

namespace ringway::proxy::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace web = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

/// What connections share. Outlives them: they die with the io_context that runs them.
struct shared_state {
    inventory& of;
    admin::executor commands;
    limits within;
    std::uint32_t open = 0;
};

/// One client: reads a request, answers, and again while it keeps alive. Owns itself through its handlers.
class connection : public std::enable_shared_from_this<connection> {
  public:
    connection(tcp::socket socket, shared_state& state)
        : stream_(std::move(socket)), buffer_(state.within.header_bytes + 4096), state_(state) {
        ++state_.open;
    }
    ~connection() { --state_.open; }
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    void read() {
        parser_.emplace();
        parser_->header_limit(state_.within.header_bytes);
        parser_->body_limit(state_.within.body_bytes);
        stream_.expires_after(state_.within.idle_timeout);
        web::async_read(stream_, buffer_, *parser_,
                        [self = shared_from_this()](error_code error, std::size_t) { self->on_read(error); });
    }

  private:
    void on_read(error_code error) {
        if (!error) return respond(parser_->get());
        // A peer that speaks something else, or too much of it, is told so once.
        if (error == web::error::header_limit)
            return refuse(web::status::request_header_fields_too_large, "the request's header is too long");
        if (error == web::error::body_limit)
            return refuse(web::status::payload_too_large, "the request's body is too long");
        if (error.category() == web::make_error_code(web::error::bad_method).category() &&
            error != web::error::end_of_stream && error != web::error::partial_message)
            return refuse(web::status::bad_request, "this is no HTTP/1.1 request");
        close();
    }

    void refuse(web::status status, std::string_view why) {
        send({static_cast<unsigned>(status),
              "application/json",
              fmt::format(R"({{"error":{{"message":"{}"}}}})", why),
              {}},
             11, false, false);
    }

    void respond(const web::request<web::string_body>& request) {
        const std::string_view method(request.method_string().data(), request.method_string().size());
        const std::string_view target(request.target().data(), request.target().size());
        send(answer_to(method, target, state_.of, state_.commands, admin::instant::now()), request.version(),
             request.keep_alive(), request.method() == web::verb::head);
    }

    void send(answer what, unsigned http_version, bool keep, bool head) {
        response_ = {};
        response_.version(http_version);
        response_.result(what.status);
        response_.set(web::field::server, fmt::format("Ringway/{}", version));
        response_.set(web::field::content_type, what.content_type);
        response_.set(web::field::cache_control, "no-store");
        response_.set("X-Content-Type-Options", "nosniff");
        if (!what.allow.empty()) response_.set(web::field::allow, what.allow);
        response_.keep_alive(keep);
        response_.content_length(what.body.size());
        if (!head) response_.body() = std::move(what.body);
        stream_.expires_after(state_.within.idle_timeout);
        web::async_write(stream_, response_, [self = shared_from_this(), keep](error_code error, std::size_t) {
            if (error || !keep) return self->close();
            self->read();
        });
    }

    /// Ends the conversation so that the peer can still read the answer: closing with bytes unread would reset it.
    void close() {
        error_code ignored;
        stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
        if (ignored) return stream_.close();
        stream_.expires_after(std::chrono::seconds(1));
        buffer_.clear();
        discard(4);
    }

    void discard(int reads_left) {
        if (reads_left == 0) return stream_.close();
        stream_.async_read_some(buffer_.prepare(buffer_.max_size()),
                                [self = shared_from_this(), reads_left](error_code error, std::size_t) {
                                    if (error) return self->stream_.close();
                                    self->discard(reads_left - 1);
                                });
    }

    beast::tcp_stream stream_;
    beast::flat_buffer buffer_;
    std::optional<web::request_parser<web::string_body>> parser_;
    web::response<web::string_body> response_;
    shared_state& state_;
};

config::fault cannot_listen(const std::string& where, const error_code& error) {
    return {config::fault_kind::cannot_connect,
            fmt::format("cannot listen on {}: {}", where, error.message()),
            {},
            "see [listen] http"};
}

}  // namespace

/// The thread, its loop and the acceptor.
class http_server::impl {
  public:
    impl(inventory& of, limits within)
        : state_{of, admin::executor(of, std::chrono::system_clock::now(), false), within},
          acceptor_(io_),
          pause_(io_) {}

    ~impl() {
        asio::post(io_, [this] {
            error_code ignored;
            acceptor_.close(ignored);
            io_.stop();
        });
        if (thread_.joinable()) thread_.join();
    }

    error_code bind(const tcp::endpoint& where) {
        error_code error;
        acceptor_.open(where.protocol(), error);
        if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
        if (!error) acceptor_.bind(where, error);
        if (!error) acceptor_.listen(tcp::acceptor::max_listen_connections, error);
        return error;
    }

    error_code adopt(int listening) {
        sockaddr_storage address{};
        socklen_t length = sizeof(address);
        if (getsockname(listening, reinterpret_cast<sockaddr*>(&address), &length) != 0)
            return {errno, boost::system::system_category()};
        error_code error;
        acceptor_.assign(address.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), listening, error);
        return error;
    }

    void run() {
        accept();
        thread_ = std::thread([this] { io_.run(); });
    }

    tcp::endpoint local() const {
        error_code ignored;
        return acceptor_.local_endpoint(ignored);
    }
    int descriptor() { return acceptor_.native_handle(); }

  private:
    void accept() {
        acceptor_.async_accept([this](error_code error, tcp::socket socket) {
            if (error == asio::error::operation_aborted) return;
            if (error) return retry_later();  // out of descriptors: no spinning
            if (state_.open < state_.within.connections)
                std::make_shared<connection>(std::move(socket), state_)->read();
            accept();
        });
    }

    void retry_later() {
        pause_.expires_after(std::chrono::milliseconds(100));
        pause_.async_wait([this](error_code error) {
            if (!error) accept();
        });
    }

    shared_state state_;
    asio::io_context io_{1};  // destroys the connections that are left, before state_
    tcp::acceptor acceptor_;
    asio::steady_timer pause_;
    std::thread thread_;
};

http_server::http_server(limits within) : within_(within) {}
http_server::~http_server() {
    stop();
}

std::optional<config::fault> http_server::start(const config::endpoint& where, inventory& of) {
    error_code error;
    auto host = where.host;
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    asio::io_context resolving;
    const auto found = tcp::resolver(resolving).resolve(host.empty() ? "0.0.0.0" : host, std::to_string(where.port),
                                                        tcp::resolver::passive, error);
    if (error) return cannot_listen(where.text(), error);
    auto made = std::make_unique<impl>(of, within_);
    error = made->bind(found.begin()->endpoint());
    if (error) return cannot_listen(where.text(), error);
    made->run();
    impl_ = std::move(made);
    return std::nullopt;
}

std::optional<config::fault> http_server::start(int listening, inventory& of) {
    auto made = std::make_unique<impl>(of, within_);
    if (const auto error = made->adopt(listening)) return cannot_listen(fmt::format("descriptor {}", listening), error);
    made->run();
    impl_ = std::move(made);
    return std::nullopt;
}

config::endpoint http_server::where() const {
    if (!impl_) return {};
    const auto local = impl_->local();
    return {local.address().to_string(), local.port()};
}

int http_server::descriptor() const {
    return impl_ ? impl_->descriptor() : -1;
}

void http_server::stop() {
    impl_.reset();
}

}  // namespace ringway::proxy::http
