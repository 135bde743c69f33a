#include "proxy/http/server.hpp"

#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <thread>

#include "../admin/fake_inventory.hpp"

using namespace ringway;
using namespace std::chrono_literals;
using boost::asio::ip::tcp;
using tests::fake_inventory;

namespace {

/// One client connection; everything that waits ends after 5 seconds.
class client {
  public:
    explicit client(std::uint16_t port) : socket_(io_) {
        socket_.connect({boost::asio::ip::make_address("127.0.0.1"), port});
        const timeval limit{5, 0};
        setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    }
    void send(std::string_view bytes) {
        boost::system::error_code ignored;  // the server may have closed already: what it said is read all the same
        boost::asio::write(socket_, boost::asio::buffer(bytes.data(), bytes.size()), ignored);
    }
    /// Everything up to the end of the connection, or up to `enough`.
    std::string read(std::string_view enough = "\n\n\n") {
        std::string all;
        char piece[4096];
        for (;;) {
            const auto got = ::recv(socket_.native_handle(), piece, sizeof(piece), 0);
            ended_ = got == 0;
            if (got <= 0) return all;
            all.append(piece, static_cast<std::size_t>(got));
            if (all.find(enough) != std::string::npos) return all;
        }
    }
    bool ended() const { return ended_; }

  private:
    boost::asio::io_context io_;
    tcp::socket socket_;
    bool ended_ = false;
};

struct running {
    fake_inventory of;
    proxy::http::http_server server;
    explicit running(proxy::http::limits within = {}) : server(within) {
        const auto refused = server.start(config::endpoint{"127.0.0.1", 0}, of);
        REQUIRE_FALSE(refused);
    }
    std::string ask(std::string_view request) {
        client one(server.where().port);
        one.send(request);
        return one.read();
    }
};

}  // namespace

TEST_CASE("http server: answers over a socket, keeps the connection, closes when asked") {
    running http;
    client one(http.server.where().port);
    one.send("GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n");
    const auto first = one.read("{\"live\":true}");
    CHECK(first.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(first.find("Content-Type: application/json\r\n") != std::string::npos);
    one.send(
        "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\nGET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const auto rest = one.read();
    CHECK(one.ended());
    CHECK(rest.find("HTTP/1.1 200 OK\r\n") == 0);
    CHECK(rest.find("ringway_build_info") == std::string::npos);
    CHECK(rest.find("HTTP/1.1 503 Service Unavailable\r\n") != std::string::npos);
}

TEST_CASE("http server: the request in single bytes") {
    running http;
    client one(http.server.where().port);
    for (const char c : std::string("GET /api/version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
        one.send({&c, 1});
    CHECK(one.read().find("[{\"version\":\"Ringway ") != std::string::npos);
}

TEST_CASE("http server: 404, 405 and what is no HTTP") {
    running http;
    CHECK(
        http.ask("GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 404 Not Found\r\n"));
    const auto post = http.ask("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab");
    CHECK(post.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"));
    CHECK(post.find("Allow: GET, HEAD\r\n") != std::string::npos);
    CHECK(http.ask(std::string("Q\0\0\0\x0cSELECT 1\0\r\n\r\n", 18)).starts_with("HTTP/1.1 400 Bad Request\r\n"));
}

TEST_CASE("http server: a header or body over the limit") {
    running http(proxy::http::limits{512, 100, 8, 5000ms});
    CHECK(http.ask("GET / HTTP/1.1\r\nX: " + std::string(2000, 'x') + "\r\n\r\n").starts_with("HTTP/1.1 431 "));
    CHECK(http.ask("GET /health/live HTTP/1.1\r\nContent-Length: 1000\r\n\r\n").starts_with("HTTP/1.1 413 "));
    CHECK(http.ask("GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 200 "));
}

TEST_CASE("http server: a silent peer is closed, one connection too many as well") {
    running http(proxy::http::limits{8192, 1024, 2, 300ms});
    client silent(http.server.where().port);
    CHECK(silent.read().empty());
    CHECK(silent.ended());

    running narrow(proxy::http::limits{8192, 1024, 1, 5000ms});
    client first(narrow.server.where().port);
    first.send("GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_FALSE(first.read("true}").empty());
    client second(narrow.server.where().port);
    CHECK(second.read().empty());
    CHECK(second.ended());
    first.send("GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_FALSE(first.read("true}").empty());
}

TEST_CASE("http server: start, stop and start again; an address in use; a socket taken over") {
    fake_inventory of;
    proxy::http::http_server first, second;
    REQUIRE_FALSE(first.start(config::endpoint{"127.0.0.1", 0}, of));
    const auto where = first.where();
    const auto refused = second.start(where, of);
    REQUIRE(refused);
    CHECK(refused->kind == config::fault_kind::cannot_connect);
    CHECK(refused->message.starts_with("cannot listen on 127.0.0.1:"));
    client kept(where.port);
    kept.send("GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n");
    kept.read("true}");

    const int socket = ::dup(first.descriptor());
    first.stop();
    CHECK(kept.read().empty());
    first.stop();
    REQUIRE_FALSE(second.start(socket, of));
    CHECK(second.where() == where);
    client later(where.port);
    later.send("GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n");
    CHECK(later.read().ends_with("{\"live\":true}"));
    second.stop();
    CHECK(first.start(config::endpoint{"no such host.", 1}, of));
    REQUIRE_FALSE(first.start(where, of));
}
