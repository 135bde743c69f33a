#pragma once
// A rebalance on PostgreSQL's servers: COPY of a snapshot, then logical replication.

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "proxy/rebalance/engine.hpp"
#include "proxy/rebalance/host.hpp"
#include "proxy/rebalance/postgres/applier.hpp"
#include "proxy/rebalance/postgres/schema.hpp"
#include "proxy/rebalance/postgres/tables.hpp"

namespace ringway::proxy::rebalance::postgres {

/// Each in a thread of its own. The worst failure is the answer; the others are waited for.
result at_once(std::size_t count, const std::function<result(std::size_t)>& work);

class postgres_engine final : public engine {
  public:
    /// `plan` and its notes live as long as the engine; `save` writes it down.
    postgres_engine(host& of, std::string cluster, journal& plan, save_notes save);
    ~postgres_engine() override;

    result check(std::vector<std::string>& refusals, std::vector<planned_table>& tables) override;
    result equip() override;
    result discard() override;
    result prepare() override;
    result copy() override;
    result catch_up() override;
    result verify() override;
    void turn(bool back) override;
    result arm() override;
    result mark() override;
    result hold(std::chrono::system_clock::time_point until) override;
    result quiet(const std::vector<std::uint32_t>& pids, steady_time until) override;
    result last_catch_up(steady_time until) override;
    result carry_sequences() override;
    result release(bool keeps_undo) override;
    result clean() override;
    std::vector<move_figures> figures() override;
    void stop() override;
    void go_on() override;

  private:
    /// One shard's rows to one other.
    struct move {
        std::uint16_t source = 0, target = 0;
        std::string source_name, target_name;
        router::arc_set arcs;
        bool references = false;  ///< brings the reference tables too: the first one of a target that joins
        std::string slot;         ///< and the publication's name, and that of the row in ringway.moves
        std::string back_slot;    ///< the same of the way back: at the target
        std::unique_ptr<applier> stream;
        std::atomic<std::uint64_t> rows_copied{0}, bytes_copied{0}, rows_cleaned{0}, lag{0};
        std::uint64_t changes = 0;  ///< of streams that have ended
        std::uint64_t rows = 0, bytes = 0;
    };

    // engine.cpp
    result look();  ///< the cluster and its moves, as they are now
    result look_at_tables();
    const std::string& name_of(std::uint16_t shard) const { return view_.config.shards[shard].name; }
    result connect(std::uint16_t shard, std::unique_ptr<link>& to, bool replication = false);
    std::optional<pool::control_login> login(std::uint16_t shard, std::string& why) const;
    bool joins(std::uint16_t shard) const;
    std::vector<std::uint16_t> sources() const, targets() const;
    /// Of the direction that changes take now.
    std::uint16_t origin_of(const move& what) const { return back_ ? what.target : what.source; }
    std::uint16_t end_of(const move& what) const { return back_ ? what.source : what.target; }
    std::vector<std::uint16_t> origins() const { return back_ ? targets() : sources(); }
    std::vector<std::uint16_t> ends() const { return back_ ? sources() : targets(); }
    const std::string& slot_of(const move& what) const { return back_ ? what.back_slot : what.slot; }
    std::string application() const;
    result each_move(const std::function<result(move&)>& work);  ///< all at once
    bool note(const std::string& name, const std::string& value);

    // check.cpp
    result check_server(std::uint16_t shard, bool source, std::vector<std::string>& refusals);
    result check_target(std::uint16_t shard, std::vector<std::string>& refusals);

    result estimate(std::vector<planned_table>& tables);

    // prepare.cpp
    result make_objects(std::uint16_t shard);
    /// `indexes`: with those that hold nothing together. They cost least when all rows are there.
    result make_schema(std::uint16_t shard, bool replaces, bool indexes);
    result carry_schema();
    result give_number(std::uint16_t shard);
    result space_sequences(std::uint16_t shard);
    result watch_tables(std::uint16_t shard);  ///< replica identities
    result unwatch_tables(std::uint16_t shard);
    result publish(std::uint16_t shard, const std::string& name, bool references);

    // copying.cpp
    result copy_move(move& what);
    result complete(std::uint16_t shard);
    result complete_at_last(std::uint16_t shard);
    result drop_slot(std::uint16_t shard, const std::string& name);
    result forget_position(std::uint16_t shard, const std::string& move);
    result wipe(move& what);
    result unmake_schema(std::uint16_t shard, bool roles);
    result end_strays(link& on);

    // following.cpp
    result start_streams();
    void end_streams();
    result streams_run();
    result wait_until_close();
    result verify_move(move& what);
    result compare_rows(move& what, link& source, link& target);
    result same_tables(link& on, std::uint16_t shard);
    result quiet_at(std::size_t origin, const std::string& pids);
    result carry_sequences(bool rehearses);
    result rehearse();

    // undo.cpp
    result check_way_back();
    result compare_shapes(link& on, std::uint16_t shard);
    result settle_joined(std::uint16_t shard);
    void forget_way_back();
    bool is_undoable() const { return plan_.undo.count() > 0; }

    host& host_;
    const std::string cluster_;
    journal& plan_;
    save_notes save_;
    stop_signal stop_;
    cluster_view view_;
    std::mutex lock_;  ///< over moves_ while it is made anew, and over the plan's notes
    std::vector<std::unique_ptr<move>> moves_;
    std::vector<moved_table> tables_;
    std::string shape_;                            ///< of the tables when they were looked at
    std::string schema_mark_;                      ///< of the first shard when a shard that joins was made like it
    std::vector<std::unique_ptr<link>> watching_;  ///< by origin: open while the fence is up
    std::vector<std::unique_ptr<link>> marking_;   ///< by end, the same
    std::unique_ptr<link> model_;                  ///< ... the first shard, when one joins
    std::atomic<bool> paused_{false};
    bool verified_ = false;
    bool back_ = false;  ///< changes go from the targets to the sources
};

}  // namespace ringway::proxy::rebalance::postgres
