#pragma once
// One connection to a server, as a pool keeps it and a session uses it.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pool/prepared.hpp"
#include "pool/server_part.hpp"
#include "pool/session_settings.hpp"
#include "pool/wire.hpp"

namespace ringway::pool {

class pool;
class server;
struct server_target;

/// One worker thread, as pools see it: where its connections' events run.
struct worker_link {
    std::uint16_t index = 0;
    event_loop* loop = nullptr;
    boost::asio::io_context* io = nullptr;  ///< of the loop: for logins and timers
};

/// Who holds a lease: told of the connection's events on its worker.
class lessee {
  public:
    virtual ~lessee() = default;
    virtual void server_readable(server& from) = 0;
    virtual void server_drained(server& from) = 0;
    virtual void server_broken(server& from) = 0;
};

/// ParameterStatus values, in the server's order.
using parameter_list = std::vector<std::pair<std::string, std::string>>;

/// Owned by its pool while idle, by a lease while out. Touched only on the worker it is on.
class server final : public wire_owner, public std::enable_shared_from_this<server> {
  public:
    wire link;
    std::shared_ptr<pool> home;
    worker_link* on = nullptr;
    lessee* user = nullptr;                       ///< null: idle
    std::shared_ptr<const server_target> target;  ///< it was opened with
    std::uint64_t flavour = 0;          ///< what its protocol was agreed on to be: serves only who wants it so
    std::unique_ptr<server_part> part;  ///< of the engine; null: none

    std::uint64_t id = 0;
    std::uint32_t pid = 0;  ///< of the server's process, and its cancel key
    std::string key;
    parameter_list parameters;  ///< as last reported
    void note_parameter(std::string_view name, std::string_view value) {
        for (auto& each : parameters)
            if (each.first == name) each.second = value;
    }
    prepared_set statements;
    prepared_ref unnamed;  ///< whose text the unnamed statement now is
    result_shape unnamed_shape;
    void parse_unnamed(prepared_ref what) { unnamed = std::move(what), unnamed_shape = {}; }
    settings_ref settings = session_settings::none();
    bool reset_needed = false;  ///< something may have been left behind: DISCARD ALL before anybody else
    bool parked = false;        ///< free, but a cancel is under way: goes to its pool after that
    bool doomed = false;        ///< not to be given out again
    std::uint32_t cancels = 0;  ///< CancelRequests for it under way: it may not change hands
    std::chrono::steady_clock::time_point connected{}, last_used{};
    std::uint64_t client_id = 0;  ///< of the holder, for SHOW SERVERS

    void wire_readable(wire&) override;
    void wire_drained(wire&) override;
    void wire_broken(wire&) override;
};
using server_ref = std::shared_ptr<server>;

}  // namespace ringway::pool
