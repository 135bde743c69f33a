#pragma once
// One move's stream: the changes of a source's tables by logical replication, those of the moving arcs made on the
// target, together with how far it is. A thread of its own.

#include <atomic>
#include <condition_variable>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "pool/control_connection.hpp"
#include "protocol/postgres/pgoutput.hpp"
#include "proxy/rebalance/engine.hpp"
#include "proxy/rebalance/postgres/tables.hpp"

namespace ringway::proxy::rebalance::postgres {

struct stream_task {
    pool::control_login source, target;
    std::string application_name;
    std::string slot, publication;
    std::string move;  ///< of the row in ringway.moves
    std::vector<moved_table> tables;
    router::arc_set arcs;
    bool references = false;  ///< reference tables are this stream's too
};

class applier {
  public:
    using wal_position = protocol::postgres::wal_position;
    static constexpr auto no_limit = std::numeric_limits<wal_position>::max();

    applier(stream_task task, const stop_signal& stop);
    ~applier();
    applier(const applier&) = delete;
    applier& operator=(const applier&) = delete;

    void start();
    void end();
    bool running() const noexcept { return running_; }
    result how() const;  ///< why it has ended

    /// Transactions that end there or later are not made until the limit is another.
    void limit(wal_position at) noexcept { limit_ = at; }
    /// Everything before it has been made on the target.
    bool has_reached(wal_position at) const noexcept { return reached_ >= at; }
    wal_position reached() const noexcept { return reached_; }
    std::uint64_t changes() const noexcept { return changes_; }
    void hurry(bool so) noexcept { hurry_ = so; }  ///< asks the source again and again how far it is

  private:
    struct known_table {
        const moved_table* table = nullptr;
        std::vector<int> columns;  ///< of the table's column: its place in the stream's rows
        int key = -1;
        std::vector<int> identity;
        std::string insert_row, delete_row;
        /// Of a bag: how many more, or fewer, of these rows there are to be than the target has.
        std::map<std::vector<std::optional<std::string>>, std::int64_t> due;
        std::size_t due_changes = 0, due_bytes = 0;
    };
    using row = std::vector<const char*>;

    void run();
    std::optional<trouble> open();
    std::optional<trouble> take(std::string_view message);
    std::optional<trouble> take_change(std::string_view payload);
    std::optional<trouble> learn(const protocol::postgres::pgoutput::relation& what);
    std::optional<trouble> remove(known_table& from, const protocol::postgres::pgoutput::tuple& what);
    std::optional<trouble> add(known_table& to, const protocol::postgres::pgoutput::tuple& what);
    std::optional<trouble> clear(known_table& what);
    std::optional<trouble> begin();
    std::optional<trouble> owe(known_table& of, const protocol::postgres::pgoutput::tuple& what, int more);
    std::optional<trouble> pay(known_table& of);
    std::optional<trouble> push(const std::string& sql, const row& values);
    std::optional<trouble> finish_group();
    std::optional<trouble> keep_position();
    std::optional<trouble> tell(bool wants_reply);
    bool moves(const known_table& of, const protocol::postgres::pgoutput::tuple& what);
    bool wait_for_limit(wal_position at);
    const char* text(const protocol::postgres::pgoutput::value& of);

    stream_task task_;
    const stop_signal& stop_;
    link source_, target_;
    std::unordered_map<std::uint32_t, known_table> known_;
    std::vector<std::unique_ptr<std::string>> texts_;  ///< values of the change at hand, with their zero bytes
    std::size_t used_texts_ = 0;
    std::size_t pushed_ = 0;              ///< since the last sync
    bool open_ = false, within_ = false;  ///< a transaction on the target; one of the source is half way
    wal_position end_ = 0, kept_ = 0;     ///< of the last whole transaction; that is on the target for good
    wal_position received_ = 0;
    std::atomic<wal_position> limit_{no_limit}, reached_{0};
    std::atomic<std::uint64_t> changes_{0};
    std::atomic<bool> running_{false}, ending_{false}, hurry_{false};
    std::chrono::steady_clock::time_point told_{}, position_kept_{};
    mutable std::mutex lock_;
    result how_;
    std::thread thread_;
};

}  // namespace ringway::proxy::rebalance::postgres
