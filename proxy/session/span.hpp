#pragma once
// A transaction that stands on several shards: a server of each, all in a transaction of the client's. A session hands
// its statements over as units, one at a time; they run on one shard or on several at once, and the replies come back
// as one server's. The end is decided by two_phase.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/fault.hpp"
#include "proxy/session/arm.hpp"
#include "proxy/session/carrying.hpp"
#include "proxy/session/copy_pipe.hpp"
#include "proxy/session/gathering.hpp"
#include "proxy/session/sorted_rows.hpp"
#include "proxy/transaction/two_phase.hpp"
#include "router/copy_split.hpp"

namespace ringway::proxy {

/// Whose transaction it is: a session. Called on its worker.
class span_client {
  public:
    virtual ~span_client() = default;
    virtual pool::worker_link& span_home() = 0;
    virtual gather_client::node span_node(std::uint16_t shard) = 0;  ///< its primary
    virtual void span_emit(std::string_view bytes) = 0;
    virtual bool span_congested() = 0;
    virtual void span_parameter(std::string_view body) = 0;  ///< ParameterStatus of a SET
    virtual void span_takes_more() = 0;                      ///< of a COPY's data: copy_congested() is over
    virtual void span_answered() = 0;                        ///< the unit has ended; failed() tells how
    /// The last call: the servers have been given back. `error`: a server's own ErrorResponse, for the client.
    virtual void span_ended(two_phase::outcome how, const std::string& error, bool wrote) = 0;
    virtual void span_lost(const std::string& why) = 0;  ///< the last call: all is rolled back
};

/// Something of one statement for one shard. `bytes` ends in its only Query or Sync.
struct span_part {
    std::uint16_t shard = 0;
    std::string bytes;
};

/// Rows whose new key belongs to another shard than they stand on: they are moved when the unit's parts have ended.
struct span_move {
    std::uint16_t target = 0;
    std::string take_out, put_in;  ///< statements
    std::string take_out_own;      ///< where copies of rows with the new key stand, of a rebalance
    std::vector<bool> copies;      ///< ... by shard; empty: nowhere
};

/// Whose locks: a write's to the rows of several shards, a move's of rows between two, or both in one statement.
enum class moving_lock : std::uint8_t { of_write, of_move, of_both };
/// The statement that takes them until the transaction ends (span_move_locks.cpp).
std::string moving_locks(std::string_view relation, moving_lock which, std::uint64_t client_id);

struct span_lock {
    std::string sql;
    std::uint16_t first = 0;  ///< the shard where it is taken before all others, whether it has a part or not
    std::vector<std::uint16_t> shards = {};  ///< where besides those of the unit's parts
};

/// The statement by which writes to copies of reference tables do so one after the other (span_copy_locks.cpp).
std::string copies_locks(const router::copies_kept& what);

/// One statement, or one part of the extended protocol.
struct span_unit {
    enum class merging : std::uint8_t {
        relay,  ///< one part: its replies as they are
        add,    ///< each part has rows of its own: rows one after the other, counts added
        same    ///< each part does the same: the first one's replies
    };
    std::vector<span_part> parts;  ///< in the order of the shards
    merging how = merging::relay;
    bool in_turn = false;     ///< the first part alone, then the others: who does the same meets on the first shard
    bool one_by_one = false;  ///< each part when the one before has ended: locks are taken in one order by all
    bool writes = false;
    bool locks = false;       ///< rows or tables, until the transaction's end
    bool reads_text = false;  ///< its part only has a text of several statements read
    bool hold_tag = false;    ///< CommandComplete waits for span::held_tag()
    bool tells = false;       ///< ParameterStatus is the client's
    bool compares = false;    ///< each part describes its columns, of which the client is not told
    std::uint64_t told = 0;   ///< ... now, and reads its rows by an earlier description: their rows_hash
    std::string_view hidden;  ///< types of messages that the client has had, or never asked for
    std::shared_ptr<const router::plan>
        gathers;                          ///< its one part reads rows that are first brought there from all shards
    std::vector<std::string> filters;     ///< of the recipe's tables
    std::shared_ptr<carrying> carry;      ///< an INSERT whose parts come of rows that its one part's shard makes
    std::shared_ptr<sorted_rows> sorted;  ///< the parts' rows are put in order; their bytes come of it
    std::shared_ptr<router::copy_split> splits;  ///< a COPY from the client: its rows go to their shards
    bool merges_copy = false;                    ///< a COPY to the client: the parts' rows become one
    router::copy_form form;                      ///< ... in this form
    std::optional<span_move> move;
    std::optional<span_lock> lock;                 ///< taken before the parts are sent
    std::shared_ptr<const router::shard_map> map;  ///< ... and whose rows each shard owns
    std::vector<std::uint16_t> order;              ///< of inserted rows, by input: which part each is in, for RETURNING
};

/// What a transaction hears that writes on a second shard where two_phase = "error" is configured.
config::fault two_writers();
/// ... and one that only reads from now on, though its COMMIT has to write.
config::fault only_reads_now();

/// Of a NoticeResponse: a warning about how a text is written (nonstandard_use_of_escape_character).
bool is_of_reading(std::string_view notice);

/// An ErrorResponse, for the client.
std::string error_frame(const config::fault& why);
/// What the one hears that gives way in a deadlock over several shards.
std::string deadlock_error();

struct span_start {
    std::uint64_t client_id = 0;
    pool::settings_ref settings;
    pool::settings_ref before;  ///< ... and with which it began: each shard's begins so, too
    std::vector<std::string>
        history;  ///< what each shard's transaction begins with: BEGIN, then savepoints and the like
    std::vector<std::string> shards;                           ///< names
    bool one_writer = false;                                   ///< no more than one of them may be written to
    std::shared_ptr<const router::own_types> types_of_shards;  ///< null: the same on all
};

class span final : public arm_owner, public std::enable_shared_from_this<span> {
  public:
    using steady_time = std::chrono::steady_clock::time_point;

    span(span_client& owner, span_start with);
    ~span() override;
    /// A shard on which the transaction stands already. `before`: the connection's settings should it be rolled back.
    void adopt(pool::server_ref from, std::uint16_t shard, int node, pool::settings_ref before, bool wrote,
               bool locked);

    void run(span_unit unit);
    /// Ends it everywhere; span_ended follows.
    void commit();
    void rollback();
    /// A statement of the transaction has failed or been refused: only its end, or a savepoint, is heard. What it has
    /// locked since the last savepoint is let go, unless it is rolled back at once.
    void fail(bool rolls_back = false);
    void back_to_savepoint() { failed_ = false; }
    void remember(std::string statement);  ///< to be run on shards that join later
    const std::vector<std::string>& history() const noexcept { return with_.history; }
    void begin_by(std::string statement) { with_.history.front() = std::move(statement); }  ///< no shard has joined yet
    void change_settings(pool::settings_ref now);
    void leave_dirty() { dirty_ = true; }  ///< the connections are wiped before anybody else gets them

    void abort();                                           ///< the client is gone
    void cancel(const std::shared_ptr<const void>& until);  ///< a CancelRequest has come
    void resume();                                          ///< the client takes bytes again
    void primary_moved(std::uint16_t shard, int primary);
    void tick(steady_time now);
    /// Ends a wait for servers. False: it does not wait.
    bool give_up(const config::fault& why);

    // A COPY from the client (span_copy.cpp).
    bool copying() const noexcept { return copying_; }  ///< the servers wait for its data
    bool copy_congested() const;                        ///< they do not take it as fast as it comes
    void copy_data(std::string_view bytes);
    void copy_done();
    void copy_fail(std::string_view message);

    bool busy() const noexcept { return stage_ != stage::idle; }
    bool waits() const noexcept { return stage_ == stage::joining; }
    bool failed() const noexcept { return failed_; }
    bool unit_failed() const noexcept { return !error_.empty(); }
    bool wrote_on_several() const noexcept;
    bool wrote() const noexcept;
    steady_time asked() const noexcept { return asked_; }
    std::vector<std::uint16_t> shards() const;
    void add_servers(std::vector<const pool::server*>& to) const;
    /// It waits for a lock in a deadlock over several shards: its statement fails as one of a server's deadlock does.
    void give_way();
    static int under_way() noexcept;  ///< of all workers
    std::string where() const;        ///< "host:port, host:port"
    std::string_view held_tag() const noexcept { return tag_; }
    std::string_view told() const noexcept { return told_; }  ///< at its end: ParameterStatus messages of a server

    // arm_owner
    std::shared_ptr<void> arm_keep() override { return shared_from_this(); }
    void arm_leased(arm& which) override;
    void arm_refused(arm& which, const config::fault& why) override;
    void arm_frame(arm& which, char type, std::string_view frame) override;
    void arm_lost(arm& which, const std::string& why) override;
    void arm_flush() override;
    bool arm_may_read(const arm& which) const override;
    void arm_drained(arm&) override { resume(); }
    std::uint64_t arm_client() const override { return with_.client_id; }
    const router::own_types* arm_types() const override { return with_.types_of_shards.get(); }

  private:
    enum class stage : std::uint8_t {
        idle,
        joining,
        opening,
        checking,
        locking,
        filling,
        describing,
        judging,
        making,
        carrying,
        giving,
        flowing,
        running,
        moving,
        dropping,
        ending,
        done
    };
    enum class locking : std::uint8_t { none, first, all };  ///< which of the unit's locks have been asked for
    /// One shard of the transaction.
    struct wing {
        std::shared_ptr<arm> on;
        bool open = false;  ///< in the transaction
        bool wrote = false;
        bool holds = false;       ///< locks that others wait for until all is committed
        bool temporary = false;   ///< it has had tables of ours, which no prepared transaction may have used
        std::size_t locked = 0;   ///< which of the shards it was that statements took locks on: 1 the first; 0: on none
        bool failed = false;      ///< at its last command
        bool denied = false;      ///< ... by the role that it runs as
        bool tried = false;       ///< to end what is prepared as the role that has prepared it
        bool active = false;      ///< has a part of the unit under way
        bool takes_copy = false;  ///< has said that it does
        bool headed = false;      ///< the header of its COPY has come
        bool aborting = false;    ///< the answer to what makes its transaction fail is to come, before all others
        bool prepared = false;    ///< its transaction was: what it has set stays on the connection
        std::string told;         ///< ParameterStatus messages of its end
        std::string outgoing;     ///< COPY data for it, as messages
        pool::settings_ref before;
        commit_step doing = commit_step::none;
    };

    wing* wing_of(std::uint16_t shard);
    wing& wing_of(const arm& which);
    /// An answer to something of the client's.
    static bool owes(const wing& of) noexcept { return of.on->owed > (of.aborting ? 1 : 0); }
    void on_aborted(wing& of, char type, std::string_view frame);
    void join();
    void open();
    void go();
    void check_text();
    void on_checked(char type, std::string_view frame);
    void text_checked();
    void take_locks();
    void lock_taken(wing& of);
    void fill();
    void on_filling(wing& of, char type, std::string_view frame);
    void filled(wing& of);
    void gathered();
    bool makes_rows() const noexcept;
    wing& seat() { return *wing_of(unit_.parts.front().shard); }
    void ask_seat(stage next, const std::string& messages);
    void on_carrying(char type, std::string_view frame);
    void carried();
    void insert_carried();
    void described();
    void begin_flow();
    void on_flowing(wing& of, char type, std::string_view frame);
    void flowed();
    std::vector<std::uint16_t> needed() const;
    void send_part(const span_part& part);
    void note_locks(wing& on);
    void send_next_parts();
    void fail_unit(const config::fault& why);
    bool would_write_on_several() const;
    void check_isolation(wing& of, std::string_view row);
    void on_reply(wing& of, char type, std::string_view frame);
    void on_added(wing& of, char type, std::string_view frame);
    void compare_columns(std::string_view description);
    bool as_told(std::string_view description);
    void on_error(wing& of, std::string_view frame);
    void on_copy_ready(wing& of, std::string_view frame);
    void on_merged_copy(wing& of, char type, std::string_view frame);
    void end_merged_copy();
    static bool is_ours(std::string_view message);
    void on_verdict();
    std::string with_own_line(const wing& of, std::string_view frame) const;
    void stop_copy(wing& of, std::string_view message);
    void stop_others(const wing& than);
    void stop(pool::server& what, std::shared_ptr<const void> until = nullptr);
    void stopped();
    void take_piece(const router::copy_piece& piece);
    void add_copy_data(wing& to, std::string_view bytes);
    void flush_copy();
    void end_copy();
    void begin_move();
    void on_moving(wing& of, char type, std::string_view frame);
    void moved(wing& of);
    void end_move();
    void settled(wing& of);
    void end_unit();
    void emit_rows_in_order();
    void begin_end();
    void take(const two_phase::commands& what);
    std::string prepared_as(const wing& of) const;
    bool end_as_its_owner(wing& of);
    void end_if_over();
    void end_hanging();
    void watch_end();
    void let_go(bool committed);
    std::size_t part_of(const wing& of) const;

    span_client* owner_;
    span_start with_;
    std::vector<wing> wings_;  ///< in the order of the shards once it ends
    stage stage_ = stage::idle;
    locking locked_ = locking::none;
    span_unit unit_;
    std::size_t parts_left_ = 0;
    std::size_t next_part_ = 0;  ///< of a unit that goes in turn
    bool failed_ = false, dirty_ = false, holding_ = false;
    bool other_rows_ = false;   ///< than the client has been told: it gets none of them
    bool only_copies_ = true;   ///< have been written: each shard has the same to say
    std::uint16_t teller_ = 0;  ///< at the end: the shard that joined first
    std::string told_;
    int failed_leases_ = 0;
    std::string answer_, tag_, error_;            ///< frames for the client
    std::string header_;                          ///< the first part's RowDescription
    std::vector<std::vector<std::string>> rows_;  ///< by part, of a unit with an order
    std::uint64_t added_ = 0;
    std::string verb_;  ///< of the tags that are added
    copy_pipe pipe_;
    std::size_t table_ = 0, gatherings_ = 0;  ///< of a unit that gathers
    int stops_ = 0;                           ///< cancels under way
    bool ends_later_ = false;                 ///< the unit has ended, but for them
    bool copying_ = false;                    ///< the servers wait for the data of a COPY
    bool copy_headed_ = false;                ///< of a COPY to the client: the header has been passed on
    std::size_t copies_ready_ = 0, moves_left_ = 0;
    std::optional<config::fault> verdict_;  ///< on a row of the COPY, unless its shard has another
    std::uint16_t judge_ = 0;               ///< that shard
    bool gave_ = false;                     ///< of rows that flow: the seat has given all
    bool made_ = false;                     ///< ... its tables have been made
    bool text_is_several_ = false;          ///< the server has read the text
    std::optional<two_phase> end_;
    std::string id_;
    std::shared_ptr<span> self_;       ///< while it ends: its client may go before
    std::shared_ptr<void> end_watch_;  ///< ... and has: a timer
    steady_time asked_{};
    std::size_t locked_shards_ = 0;  ///< by statements, as wing::locked counts
};

}  // namespace ringway::proxy
