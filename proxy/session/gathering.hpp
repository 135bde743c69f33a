#pragma once
// A read over several shards: the rows of its tables are brought into temporary tables of the same names on one server,
// the seat, and the client's statement runs there as it is. What it answers is what one server with all rows would.
//
//   lease a server of each shard -> COPY each table out of the shards and into the seat -> run -> COMMIT drops the
//   tables

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/fault.hpp"
#include "pool/pool.hpp"
#include "pool/server.hpp"
#include "proxy/session/arm.hpp"
#include "proxy/session/copy_pipe.hpp"
#include "proxy/session/encoding.hpp"
#include "proxy/session/shards_read.hpp"
#include "router/gather.hpp"
#include "router/plan.hpp"

namespace ringway::proxy {

struct gather_task;

/// For whom rows are gathered: a session. Called on its worker.
class gather_client {
  public:
    /// Where a shard's server is leased: `from`, or not yet (`hold`), or not at all (`why`).
    struct node {
        std::shared_ptr<pool::pool> from;
        int index = -1;  ///< of the node in its shard
        bool hold = false;
        std::optional<config::fault> why;
    };
    virtual ~gather_client() = default;
    virtual pool::worker_link& gather_home() = 0;
    virtual node gather_node(std::uint16_t shard, bool primary) = 0;
    virtual void gather_emit(std::string_view bytes) = 0;  ///< the answer, without its ReadyForQuery
    virtual bool gather_congested() = 0;                   ///< the client does not take more now: resume() follows
    /// The last call. `rest`: what is left of the answer. `why`: it has failed, and nobody has told the client.
    /// `parsed`: the seat has taken the Parse.
    virtual void gather_ended(std::string rest, std::optional<config::fault> why, bool parsed) = 0;
    /// The last call of a scattering: it cannot be done so, and nobody has been told anything. The rows are gathered.
    virtual void scatter_declined() = 0;
    /// The last call of a gathering: it has failed, and nobody has been told anything. It is begun anew.
    virtual void gather_again(gather_task task) = 0;
};

struct gather_task {
    std::shared_ptr<const router::plan> plan;  ///< has a recipe
    std::shared_ptr<const router::shard_map> map;
    std::vector<std::uint16_t> asked;  ///< those whose rows matter, in order
    std::uint64_t client_id = 0;
    pool::settings_ref settings;
    std::shared_ptr<const router::own_types> types_of_shards;  ///< null: the same on all
    std::vector<std::string> filters;                          ///< of the recipe's tables: " WHERE ..." or empty
    std::string run;              ///< what the seat is to run: a Query, or messages that end in a Sync
    bool own_parse = false;       ///< the ParseComplete is not for the client
    std::string_view hidden;      ///< types of messages that are not either
    bool in_transaction = false;  ///< of the client's, which is READ ONLY: refused unless it is READ COMMITTED
    text_encoding encoding = text_encoding::utf8;  ///< the client's
    std::uint64_t told = 0;   ///< rows_hash of what the client reads the rows by, which `run` asks for; else 0
    bool has_values = false;  ///< `filters` may have values of the client's, which the server would judge first
};

/// Why what stands in cannot be made on a connection of the session's: names and constants of the catalogs would be
/// read otherwise there. `history`: what has been said to its transaction.
std::optional<config::fault> why_not_made_again(const router::gather_recipe& all, text_encoding encoding,
                                                const pool::session_settings& settings,
                                                std::span<const std::string> history);

class gathering final : public shards_read, public arm_owner, public std::enable_shared_from_this<gathering> {
  public:
    gathering(gather_client& owner, gather_task task);
    ~gathering() override;
    void start() override;
    void abort() override;
    void cancel(const std::shared_ptr<const void>& until) override;
    void resume() override;
    void primary_moved(std::uint16_t shard, int primary) override;
    void tick(steady_time now) override;
    steady_time begun() const noexcept override { return begun_; }
    void add_server_pids(std::vector<std::uint32_t>& to) const override {
        for (const auto& each : arms_)
            if (each->server) to.push_back(each->server->pid);
    }
    bool failed() const noexcept override { return failed_; }
    void add_servers(std::vector<const pool::server*>& to) const override {
        for (const auto& each : arms_)
            if (each->server) to.push_back(each->server.get());
    }
    bool give_up(const config::fault& why) override;
    void give_way() override;

    // arm_owner
    std::shared_ptr<void> arm_keep() override { return shared_from_this(); }
    void arm_leased(arm& which) override;
    void arm_refused(arm& which, const config::fault& why) override;
    void arm_frame(arm& which, char type, std::string_view frame) override;
    void arm_lost(arm&, const std::string& why) override { lost(why); }
    void arm_flush() override;
    bool arm_may_read(const arm& which) const override;
    void arm_drained(arm& which) override;
    std::uint64_t arm_client() const override { return task_.client_id; }
    const router::own_types* arm_types() const override { return task_.types_of_shards.get(); }

  private:
    enum class stage : std::uint8_t { leasing, opening, filling, running, closing, done };

    void lease();
    void open();
    std::vector<std::string> filters_on(std::uint16_t shard) const;
    void fill();  ///< the next table
    void run();
    void settled(arm& which);
    void on_error(arm& which, std::string_view frame);
    void on_seat_filling(char type);
    void compare_rows(std::string_view description);
    bool check_level(std::string_view row);
    bool retries();
    void lost(const std::string& why);
    void fail(std::optional<config::fault> why);
    void let_go();  ///< of all servers, in whatever state
    void finish(std::optional<config::fault> why);
    arm& seat() const { return *arms_.front(); }

    gather_client* owner_;
    gather_task task_;
    std::vector<std::shared_ptr<arm>> arms_;  ///< the seat first, then the other shards in order
    stage stage_ = stage::leasing;
    std::size_t leased_ = 0;  ///< arms that have a server
    std::size_t table_ = 0;   ///< being filled
    std::size_t copying_ = 0;
    copy_pipe pipe_;
    bool holding_ = false, parsed_ = false, failed_ = false;
    bool compared_ = false;  ///< the rows are those that the client has been told
    int failed_leases_ = 0;
    int quiet_ = 0;  ///< ReadyForQuery of our own statements before the client's answer begins
    std::string answer_;
    steady_time begun_{};
};

}  // namespace ringway::proxy
