#pragma once
// A statement that each shard runs by itself, one after the other, on its primary and outside of a transaction
// (router/alone.hpp). The first one that fails ends it; the error tells where it has been done and where not.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proxy/session/arm.hpp"
#include "proxy/session/gathering.hpp"
#include "proxy/session/shards_read.hpp"

namespace ringway::proxy {

struct one_by_one_task {
    std::vector<std::string> shards;     ///< names
    std::vector<std::uint16_t> members;  ///< their places: those that have joined
    std::uint64_t client_id = 0;
    pool::settings_ref settings;
    std::string text;
    /// What the client has asked for by the extended protocol; none: a Query.
    bool extended = false, parse = false, describe_statement = false, describe_portal = false;
    int closes = 0;
    std::function<void()> changed;  ///< called when it has been done somewhere
};

class one_by_one final : public shards_read, public arm_owner, public std::enable_shared_from_this<one_by_one> {
  public:
    one_by_one(gather_client& owner, one_by_one_task task);
    ~one_by_one() override;

    void start() override { lease(); }
    void abort() override;
    void cancel(const std::shared_ptr<const void>& until) override;
    void resume() override {}
    void primary_moved(std::uint16_t shard, int primary) override;
    void tick(steady_time now) override;
    steady_time begun() const noexcept override { return begun_; }
    bool failed() const noexcept override { return failed_; }
    void add_server_pids(std::vector<std::uint32_t>& to) const override {
        if (on_ && on_->server) to.push_back(on_->server->pid);
    }
    void add_servers(std::vector<const pool::server*>& to) const override {
        if (on_ && on_->server) to.push_back(on_->server.get());
    }
    bool give_up(const config::fault& why) override;
    void give_way() override;

    // arm_owner
    std::shared_ptr<void> arm_keep() override { return shared_from_this(); }
    void arm_leased(arm& which) override;
    void arm_refused(arm& which, const config::fault& why) override;
    void arm_frame(arm& which, char type, std::string_view frame) override;
    void arm_lost(arm&, const std::string& why) override;
    void arm_flush() override {}
    bool arm_may_read(const arm&) const override { return true; }
    void arm_drained(arm&) override {}
    std::uint64_t arm_client() const override { return task_.client_id; }
    const router::own_types* arm_types() const override { return nullptr; }

  private:
    void lease();
    void run();
    void finish(const std::string& error);
    std::string report() const;

    gather_client* owner_;
    one_by_one_task task_;
    std::shared_ptr<arm> on_;  ///< the shard whose turn it is
    std::size_t done_ = 0;     ///< shards that have run it
    bool holding_ = false, running_ = false, failed_ = false;
    int failed_leases_ = 0;
    std::string notices_, tag_, error_;
    steady_time begun_{};
};

}  // namespace ringway::proxy
