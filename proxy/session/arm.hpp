#pragma once
// One shard's server in work that several take part in (a gathering, a span): from the wish for a lease to its return.
// Cuts what the server says into whole messages.

#include <memory>
#include <string>
#include <string_view>

#include "config/fault.hpp"
#include "pool/pool.hpp"
#include "pool/server.hpp"
#include "router/own_types.hpp"

namespace ringway::proxy {

class arm;

/// Whose arms they are. Told of everything on its worker.
class arm_owner {
  public:
    virtual ~arm_owner() = default;
    virtual std::shared_ptr<void> arm_keep() = 0;  ///< keeps the owner while an arm works
    virtual void arm_leased(arm& which) = 0;
    virtual void arm_refused(arm& which, const config::fault& why) = 0;
    virtual void arm_frame(arm& which, char type, std::string_view frame) = 0;
    virtual void arm_lost(arm& which, const std::string& why) = 0;
    virtual void arm_flush() = 0;  ///< a chunk has been taken
    virtual bool arm_may_read(const arm& which) const = 0;
    virtual void arm_drained(arm& which) = 0;      ///< its server takes bytes again
    virtual std::uint64_t arm_client() const = 0;  ///< id of the client
    /// Whose OIDs its messages have; null: they are the same on every shard.
    virtual const router::own_types* arm_types() const = 0;
};

class arm final : public pool::lessee, public pool::waiter, public std::enable_shared_from_this<arm> {
  public:
    arm(arm_owner& all, pool::worker_link& home, std::uint16_t of_shard) : shard(of_shard), all_(&all), home_(home) {}

    /// True: leased at once; else arm_leased or arm_refused follows.
    bool lease(std::shared_ptr<pool::pool> from, int node_index);
    void take(pool::server_ref got);
    void send(const std::string& bytes, int ready);  ///< `ready`: ReadyForQuery to come of it
    void read_on();
    /// It will be told of nothing any more. The connection goes back when it is in order, is cleaned when a transaction
    /// is open or something was left behind, and is closed when an answer is under way.
    void leave(bool dirty = false);

    void server_readable(pool::server& from) override;
    void server_drained(pool::server&) override;
    void server_broken(pool::server& from) override;
    pool::worker_link& waiter_home() override { return home_; }
    void leased(pool::server_ref got) override;
    void lease_failed(const config::fault& why) override;

    const std::uint16_t shard;
    int node = -1;  ///< of the shard
    pool::server_ref server;
    int owed = 0;  ///< ReadyForQuery to come
    char status = 'I';

  private:
    void take_frames(std::string_view bytes);

    arm_owner* all_;
    pool::worker_link& home_;
    std::shared_ptr<pool::pool> waiting_in_;
    std::string carry_;
};

/// What the server has reported of itself.
void note_parameter(pool::server& of, std::string_view body);

}  // namespace ringway::proxy
