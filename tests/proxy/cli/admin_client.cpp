#include "proxy/cli/admin_client.hpp"

#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <thread>

#include "../admin/fake_inventory.hpp"
#include "protocol/postgres/startup.hpp"
#include "proxy/admin/execute.hpp"
#include "proxy/admin/session.hpp"

using namespace ringway;
using boost::asio::ip::tcp;
using tests::fake_inventory;
namespace pg = protocol::postgres;

namespace {

/// An admin port on loopback that lets everybody in: one client after the other, on a thread.
class admin_port {
  public:
    explicit admin_port(fake_inventory& of)
        : commands_(of), acceptor_(io_, {boost::asio::ip::make_address("127.0.0.1"), 0}) {
        port_ = acceptor_.local_endpoint().port();
        thread_ = std::thread([this] { serve(); });
    }
    ~admin_port() {
        stopping_ = true;
        boost::system::error_code ignored;
        boost::asio::io_context other;
        tcp::socket wake(other);
        wake.connect({boost::asio::ip::make_address("127.0.0.1"), port_}, ignored);
        thread_.join();
    }
    std::uint16_t port() const { return port_; }

  private:
    void serve() {
        while (!stopping_) {
            boost::system::error_code error;
            tcp::socket client(io_);
            acceptor_.accept(client, error);
            const timeval limit{5, 0};
            setsockopt(client.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
            if (!error && !stopping_ && log_in(client)) talk(client);
        }
    }
    static std::string receive(tcp::socket& from) {
        char piece[4096];
        const auto got = ::recv(from.native_handle(), piece, sizeof(piece), 0);
        return got > 0 ? std::string(piece, static_cast<std::size_t>(got)) : std::string();
    }
    static void send(tcp::socket& to, const std::string& bytes) {
        boost::system::error_code ignored;
        boost::asio::write(to, boost::asio::buffer(bytes), ignored);
    }
    bool log_in(tcp::socket& client) {
        for (std::string kept;;) {
            const auto more = receive(client);
            if (more.empty()) return false;
            kept += more;
            const auto packet = pg::read_startup(kept);
            using kind = pg::startup_packet::kind;
            if (packet.what == kind::incomplete) continue;
            kept.erase(0, packet.size);
            if (packet.what == kind::startup) {
                std::string out;
                proxy::admin::write_greeting(out, 1, "abcd", packet.get("application_name"));
                send(client, out);
                return true;
            }
            if (packet.what != kind::ssl_request && packet.what != kind::gss_request) return false;
            send(client, "N");
        }
    }
    void talk(tcp::socket& client) {
        proxy::admin::session with;
        while (!with.closed()) {
            const auto bytes = receive(client);
            if (bytes.empty()) return;
            std::string out;
            with.feed(bytes, out);
            while (const auto* what = with.pending()) {
                const auto copy = *what;
                with.complete(commands_.run(copy, tests::test_now), out);
            }
            send(client, out);
        }
    }

    proxy::admin::executor commands_;
    boost::asio::io_context io_;
    tcp::acceptor acceptor_;
    std::uint16_t port_ = 0;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

proxy::admin::result ask(const admin_port& port, const std::string& command) {
    proxy::cli::admin_options with;
    with.host = "127.0.0.1";
    with.port = port.port();
    with.user = "alice";
    with.command = command;
    return proxy::cli::ask_admin_port(with);
}

}  // namespace

TEST_CASE("ringway admin: tables, orders and errors through libpq") {
    fake_inventory of;
    const admin_port port(of);
    const auto lag = std::get<proxy::admin::table>(ask(port, "SHOW LAG"));
    REQUIRE(lag.rows.size() == 6);
    CHECK(lag.columns[5].name == "lag_ms");
    CHECK(lag.columns[5].type == proxy::admin::column_type::int8);
    CHECK(*lag.rows[1][5] == "30");
    CHECK_FALSE(lag.rows[4][5]);
    CHECK(std::get<proxy::admin::table>(ask(port, "PAUSE shop")).tag == "PAUSE");
    CHECK(of.done == std::vector<std::string>{"pause shop"});
    const auto wrong = std::get<config::fault>(ask(port, "SHOW CLIENT"));
    CHECK(wrong.message.starts_with("SHOW does not know \"CLIENT\""));
    CHECK(wrong.message.find("did you mean SHOW CLIENTS?") != std::string::npos);
}

TEST_CASE("ringway admin: nobody listens") {
    std::uint16_t port = 0;
    {
        fake_inventory of;
        port = admin_port(of).port();
    }
    proxy::cli::admin_options with;
    with.host = "127.0.0.1";
    with.port = port;
    with.user = "alice";
    with.command = "SHOW LAG";
    CHECK(std::get<config::fault>(proxy::cli::ask_admin_port(with)).kind == config::fault_kind::cannot_connect);
    CHECK(proxy::cli::run_admin(with) == 1);
}
