#include "proxy/net/listener.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "proxy/net/worker.hpp"

namespace ringway::proxy {

namespace asio = boost::asio;
using asio::ip::tcp;

listener::listener(std::vector<worker*> workers, take then)
    : workers_(std::move(workers)), then_(std::move(then)), acceptor_(workers_.front()->io->get_executor()) {}

std::optional<config::fault> listener::open(const config::endpoint& at, int inherited) {
    name_ = at.text();
    boost::system::error_code error;
    tcp::endpoint where;
    const auto numeric = asio::ip::make_address(at.host, error);
    if (!error) {
        where = {numeric, at.port};
    } else {
        tcp::resolver resolver(acceptor_.get_executor());
        const auto found = resolver.resolve(at.host, std::to_string(at.port), tcp::resolver::passive, error);
        if (!error) where = found.begin()->endpoint();
    }
    if (!error && inherited >= 0) {
        acceptor_.assign(where.protocol(), inherited, error);
    } else if (!error) {
        acceptor_.open(where.protocol(), error);
        if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
        if (!error) acceptor_.bind(where, error);
        if (!error) acceptor_.listen(4096, error);
    }
    if (error)
        return config::fault{
            config::fault_kind::cannot_connect, fmt::format("cannot listen on {}: {}", name_, error.message()), {}, {}};
    return std::nullopt;
}

void listener::start() {
    asio::post(acceptor_.get_executor(), [this] { accept(); });
}

void listener::stop() {
    asio::post(acceptor_.get_executor(), [this] {
        boost::system::error_code ignored;
        acceptor_.close(ignored);
    });
}

int listener::descriptor() {
    return acceptor_.native_handle();
}

void listener::accept() {
    // Accepted on the first worker's loop, then moved: each loop's sockets are touched by its own thread only.
    acceptor_.async_accept([this](const boost::system::error_code& error, pool::tcp_socket socket) {
        if (error == asio::error::operation_aborted || !acceptor_.is_open()) return;
        if (!error) {
            deal(std::move(socket));
        } else if (error == asio::error::no_descriptors) {  // wait for some to be closed instead of spinning
            auto pause = std::make_shared<asio::steady_timer>(acceptor_.get_executor(), std::chrono::milliseconds(100));
            pause->async_wait([this, pause](const boost::system::error_code& ended) {
                if (!ended) accept();
            });
            return;
        }
        accept();
    });
}

void listener::deal(pool::tcp_socket socket) {
    auto& home = *workers_[next_++ % workers_.size()];
    if (&home == workers_.front()) return then_(home, std::move(socket));
    boost::system::error_code error;
    const auto protocol = acceptor_.local_endpoint(error).protocol();
    const int descriptor = socket.release(error);
    if (error) return;
    home.post([this, &home, descriptor, protocol] {
        pool::tcp_socket moved(home.io->get_executor());
        boost::system::error_code failed;
        moved.assign(protocol, descriptor, failed);
        if (failed)
            ::close(descriptor);
        else
            then_(home, std::move(moved));
    });
}

}  // namespace ringway::proxy
