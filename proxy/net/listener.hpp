#pragma once
// One listening socket; new connections are dealt to the workers in turn.

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/fault.hpp"
#include "config/settings.hpp"
#include "pool/wire.hpp"

namespace ringway::proxy {

class worker;

/// Accepts on the first worker's loop. stop() may be called from any thread; the object must outlive the loops.
class listener {
  public:
    using take = std::function<void(worker&, pool::tcp_socket)>;
    listener(std::vector<worker*> workers, take then);
    /// Opens, or uses the descriptor given. An address in use and the like: the fault.
    std::optional<config::fault> open(const config::endpoint& at, int inherited);
    void start();
    void stop();
    int descriptor();
    const std::string& name() const noexcept { return name_; }

  private:
    void accept();
    void deal(pool::tcp_socket socket);
    std::vector<worker*> workers_;
    take then_;
    boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, boost::asio::io_context::executor_type> acceptor_;
    std::string name_;
    std::size_t next_ = 0;
};

}  // namespace ringway::proxy
