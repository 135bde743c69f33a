#pragma once
// What a pool has to know of the protocol that its servers speak.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string_view>

#include "config/settings.hpp"
#include "pool/server_login.hpp"

namespace ringway::pool {

class server;

class dialect {
  public:
    virtual ~dialect() = default;
    /// Opens a connection of that flavour until it is ready for statements.
    virtual boost::asio::awaitable<server_login> log_in(boost::asio::io_context& on,
                                                        std::shared_ptr<const server_target> target,
                                                        std::uint64_t flavour) const = 0;
    /// What is sent before an idle connection is closed.
    virtual std::string_view goodbye() const noexcept = 0;
    /// An idle connection has sent something nobody asked for. False: it cannot be used any more.
    virtual bool idle_bytes(server& from, std::string_view bytes) const = 0;
};

const dialect& dialect_of(config::engine which) noexcept;

}  // namespace ringway::pool
