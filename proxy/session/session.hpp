#pragma once
// One client after login. It takes the client's messages, finds a route for each statement, holds a lease while the
// server owes something or a transaction is open, and relays the replies. Lives and dies on one worker.
//
// Files: session.cpp life and input; simple.cpp and extended.cpp the client's messages; statements.cpp, executing.cpp
// naming.cpp and described.cpp its prepared statements; leasing.cpp from a route to a server connection; moving.cpp a
// transaction to another shard; spanning.cpp and span_answers.cpp transactions and across.cpp reads over several
// shards; replies.cpp the server's messages; effects.cpp what statements do to the session; parting.cpp a client that
// has ended its sending.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pool/pool.hpp"
#include "pool/server.hpp"
#include "pool/wire.hpp"
#include "protocol/postgres/frame.hpp"
#include "protocol/postgres/message.hpp"
#include "proxy/net/client_session.hpp"
#include "proxy/session/batch.hpp"
#include "proxy/session/encoding.hpp"
#include "proxy/session/gathering.hpp"
#include "proxy/session/scattering.hpp"
#include "proxy/session/spanning.hpp"
#include "proxy/session/statements.hpp"
#include "router/plan.hpp"

namespace ringway::proxy {

class worker;
struct one_by_one_task;

/// Where the next statement wants to go.
struct destination {
    std::uint16_t shard = 0;
    router::need need = router::need::primary;
    bool replica_only = false;  ///< hint or ringway.role
    bool replayable = false;    ///< a batch of reads only: may run again elsewhere when the server is lost
    bool placed = false;        ///< by keys or a hint: no other shard will do
    bool may_gather = false;    ///< asked for by who can: `several` may come out
    bool several = false;       ///< rows of all shards
    bool may_spread = false;    ///< asked for by who can: `spread` may come out
    bool alone = false;         ///< asked for by who knows that nothing precedes it in its batch
    bool spread = false;        ///< a write on several shards, or a batch whose statements are of several
    bool moves = false;         ///< may write to rows on the move (router::shard_map::change)
};

/// One statement that is a batch by itself, as far as it has been looked at.
struct lone_statement {
    local_batch_view only;
    std::optional<router::plan_cache::found> found;  ///< of its Parse; good until the next look into the plan cache
    std::optional<destination> to;                   ///< of its Bind, when that is on one shard
};

class session final : public client_session,
                      public pool::wire_owner,
                      public pool::lessee,
                      public pool::waiter,
                      public gather_client,
                      public span_client,
                      public std::enable_shared_from_this<session> {
  public:
    session(worker& home, client_identity who);
    ~session() override;

    /// Takes over the client's connection; `early`: bytes read past the login.
    void start(pool::tcp_socket socket, std::unique_ptr<protocol::tls_engine> tls, std::string early);
    void close();  ///< at once; a lease is cleaned or discarded

    // client_session
    void end_with(const config::fault& why) override;
    void drain() override;
    void tick(steady_time now) override;
    bool needs_ticks() const noexcept override { return waits() || (client_parts_ && phase_ != phase::closed); }
    void node_left(std::uint16_t shard, int node, const std::string& why) override;
    void primary_moved(std::uint16_t shard, int primary) override;
    void cancel_running(const cancel_waiter& until) override;
    void end_if_idle(steady_time now, config::milliseconds most, config::milliseconds most_in_transaction) override;
    bool writes_on_the_move() const noexcept override;
    void fence_opened() override;
    void ring_changes() override;
    void add_server_pids(std::vector<std::uint32_t>& to) const override;
    steady_time working_since() const noexcept override;
    client_row describe() const override;
    const client_identity& identity() const noexcept override { return who_; }
    const pool::server* leased_server() const noexcept override { return talk_ ? talk_->server.get() : nullptr; }

    // pool::wire_owner
    void wire_readable(pool::wire&) override;
    void wire_drained(pool::wire&) override;
    void wire_broken(pool::wire&) override { close(); }
    // pool::lessee
    void server_readable(pool::server&) override;
    void server_drained(pool::server&) override;
    void server_broken(pool::server&) override;
    // pool::waiter
    pool::worker_link& waiter_home() override;
    void leased(pool::server_ref got) override;
    void lease_failed(const config::fault& why) override;

  private:
    enum class phase : std::uint8_t { idle, holding, leasing, preparing, active, gathering, spanning, closed };

    /// What the client has asked for its reads: SET ringway.role and ringway.read_consistency.
    struct own_reads {
        std::uint8_t role = 0;  ///< 0 any, 1 primary, 2 replica
        std::optional<config::read_consistency> consistency;
    };

    /// A savepoint that a settings change may have to be taken back to.
    struct settings_mark {
        std::string savepoint;  ///< empty: the transaction's begin
        pool::settings_ref client, server;
        std::string search_path;
        bool conforming_strings = true;
        own_reads own;
        bool reads_only = false;
    };

    /// A portal and what it runs.
    struct portal {
        std::string name;
        statement_ref statement;
        std::string bound;  ///< Bind's rest, kept only when an effect needs it
    };

    /// Everything that exists only while a lease is held.
    struct conversation {
        pool::server_ref server;
        std::uint16_t shard = 0;
        int node = 0;
        bool on_replica = false;
        char status = 'I';
        reply_queue replies;
        std::string retained;  ///< the client's bytes of the batch under way, while it may be tried again
        std::vector<std::unique_ptr<undo_record>> answered;  ///< ... and what that takes back of answered messages
        bool may_retry = false, emitted = false;             ///< something of the batch has reached the client
        bool replayable = false;      ///< a read only: may run again elsewhere when the server is lost
        bool wrote = false;           ///< in this transaction
        bool on_the_move = false;     ///< it has written to rows on the move, or may have
        bool changed = false;         ///< ... more than locks
        bool locked = false;          ///< it has asked for locks
        std::uint64_t map_epoch = 0;  ///< of the map that chose its shard
        bool copy_in = false;
        bool copy_ended = false;    ///< ... and CopyDone or CopyFail has been passed on: what follows is for after it
        bool copy_awaited = false;  ///< COPY data has come before it is known whether the server takes it
        bool open_batch = false;    ///< extended messages have been sent since the last Sync
        bool skipping = false;      ///< an error has come and no Sync yet: the server passes over what else is sent
        bool barrier = false;       ///< an effect must be known before the next message is looked at
        std::string carry;          ///< first part of a server frame that must be seen whole
        std::uint64_t relay_left = 0;  ///< bytes of a server frame still to be passed on
        bool relay_drop = false;
        std::vector<portal> portals;
        statement_ref unnamed_portal;
        std::string unnamed_bound;
        std::vector<settings_mark> marks;
        bool limited = false;     ///< a portal of it may have rows left
        bool reads_only = false;  ///< its BEGIN says so, or a SET TRANSACTION since then
        bool reads_late = false;  ///< ... the latter
        bool in_block = false;    ///< sharded: it is the client's, by BEGIN
        std::shared_ptr<const pool::parameter_list>
            told_before;                           ///< what the client knew at its BEGIN; null: not known
        std::vector<std::string> history;          ///< sharded: BEGIN, SAVEPOINT, SET and the like since it began
        std::vector<std::string> cursors;          ///< sharded: declared since then
        bool failed = false, rolled_back = false;  ///< since the last ReadyForQuery
        bool discarding = false, drop_composed = false,
             again = false;                  ///< the batch has failed and is about to run again
        bool served = false;                 ///< the client has had a ReadyForQuery from this lease
        bool local_path = false;             ///< search_path is set for this transaction only
        bool local_reading = false;          ///< so is another setting that decides what texts mean
        std::unique_ptr<schema_change> ddl;  ///< in this batch or transaction
        std::string path_after;
        bool conforming_after = true;     ///< as path_after: what a look at the settings has found
        bool date_style = false;          ///< has been set: to be read from what the server tells
        bool probe_settings = false;      ///< a function may have changed settings: look before giving back
        bool settings_rows = false;       ///< the probe's rows are being read
        std::string begin;                ///< the transaction's BEGIN while nothing ties it to its shard; else empty
        bool begin_reads = false;         ///< it is READ ONLY
        std::string read_begin;           ///< on a replica: its BEGIN while nothing has run after it; else empty
        bool ended = false;               ///< a COMMIT or ROLLBACK has been bound since the last Sync
        bool to_primary = false;          ///< it is being ended here, to go on on the primary
        bool drew = false;                ///< may have taken a sequence's next value here
        bool no_sequences = false;        ///< nobody's earlier values are here
        bool bound = false;               ///< a Bind has come since the last Sync
        bool blind = false;               ///< ... whose rows are read as an earlier Describe has told
        pool::prepared_ref looked_again;  ///< ... and which has been prepared anew for that
        bool flushed = false;             ///< a Flush has come since the last Sync
        bool pushed = false;              ///< a Flush of ours, for a Query that ends the batch without a Sync
        bool at_its_end = false;          ///< ... and one for a client that sends no more
        bool unbound = false;             ///< it is being left before the first Bind of a pipeline
        bool leaving = false;             ///< ... and it is being ended here, to begin on another one
        pool::session_settings::map probed;
        std::vector<std::string> named;       ///< settings that a DO block may have made: to be asked for by name
        bool own_replica = false;             ///< ... because no replica can do it
        std::string own_error, own_sqlstate;  ///< what the server said to a statement of ours
        std::string prepare_error;     ///< ... to a PREPARE of ours that the client's statement needs: its message
        steady_time asked{}, begun{};  ///< when the statement and the transaction under way began
    };

    // session.cpp
    void pump(std::string_view fresh);
    bool step(std::string_view& rest);  ///< one message; false: cannot go on now
    bool stream_on(std::string_view& rest);
    bool pass_over(std::string_view& rest);
    bool await_copy();  ///< whether the server has yet to say if it takes the COPY data that the client sends
    bool fail_front(std::string_view& rest);  ///< answers the statement at the front with failure_
    bool may_read() const noexcept;
    void violation(std::string_view what);
    void emit(std::string_view bytes);
    void flush_to_server();
    void say_ready(char status);
    void refuse(const config::fault& why);  ///< ErrorResponse only
    char status() const noexcept;
    void want_client();
    bool quiet() const noexcept;
    bool resting() const noexcept { return quiet() && status() == 'I'; }
    bool leave_if_resting();
    void start_clocks();  ///< a statement is about to be sent on the lease
    void stop_clocks();   ///< ... and the server is ready again
    void count_statement(const router::plan& plan, std::string_view text);
    void log_statement(const router::plan& plan, std::string_view text) const;
    void count_traffic();  ///< bytes so far; when the session rests, not with every message

    void tick_waiting(steady_time now);
    bool waits() const noexcept;  ///< for a connection, or for several servers

    // parting.cpp
    void input_ended();
    void probe_client();
    bool still_answers() const noexcept;
    void part();

    // greeting.cpp
    void greet();
    void tell_parameters();  ///< those that the server connection has and the client does not know
    void greet_with(std::shared_ptr<const pool::parameter_list> parameters);
    void become_active();

    // simple.cpp
    bool all_answered();
    bool on_query(std::string_view frame, std::string_view& rest);
    bool answer_locally(std::string_view sql, const router::plan& plan, const router::shape& shape);
    void send_query(std::string_view frame, std::string_view sql, const router::plan_cache::found& found);
    void send_oversized(std::uint32_t total, std::string_view& rest);
    bool on_function_call(std::string_view frame);

    // extended.cpp, statements.cpp
    bool on_extended_idle(std::string_view& rest);
    bool is_to_come(std::string_view rest, batch_bounds& found);
    bool on_extended(std::string_view frame, std::string_view& rest);
    std::optional<destination> route_batch(std::string_view batch, std::optional<config::fault>& refused,
                                           bool& replayable, const lone_statement* lone = nullptr);
    bool answer_batch_locally(std::string_view batch, lone_statement& lone);
    std::size_t close_ahead(std::string_view& batch);
    void on_parse(std::string_view body, std::string_view frame);
    void on_bind(std::string_view body, std::string_view frame);
    void on_describe(std::string_view body, std::string_view frame);
    void on_execute(std::string_view body, std::string_view frame);
    void on_close(std::string_view body, std::string_view frame);
    void on_sync(std::string_view frame);
    statement_ref find_statement(std::string_view name) const;
    statement_ref planned_statement(
        std::string_view name);  ///< ... with a plan for the catalogs, map and search path of now
    void forget_statement(const std::string& name);
    void keep_statement(const std::string& name, statement_ref what);
    statement_ref make_statement(const protocol::postgres::parse_message& parse);
    std::optional<std::string> rewritten(const protocol::postgres::parse_message& parse, const client_statement& made,
                                         std::optional<config::fault>& refused, client_statement& out);
    void ensure_on_server(const statement_ref& what);
    void trim_statements();
    void begin_batch(std::string_view rest);
    void open_portal(std::string_view name, const statement_ref& what, std::string_view rest);
    std::optional<config::fault> bind_destination(const client_statement& what, std::string_view rest, destination& to);
    std::optional<config::fault> check_place(const client_statement& what, std::string_view rest);
    bool stream_bind(const protocol::postgres::frame_header& header, std::string_view frame, std::string_view& rest);
    bool stream_parse(const protocol::postgres::frame_header& header, std::string_view frame, std::string_view& rest);
    void fail_next(const config::fault& why);  ///< an error in the client's place in the pipeline

    // parsing.cpp
    std::string parse_key(const pool::prepared& what) const;
    bool is_for_others() const;
    void note_parsed(const pool::prepared& what);
    void note_told(const pool::prepared& what, char type, std::string_view body);
    void forget_told(const pool::prepared& what);
    bool is_taken(const pool::prepared& what, std::string* described) const;
    bool answer_preparation(std::string_view batch, bool waiting);
    bool describe_from_memory();

    // leasing.cpp
    bool seek(const destination& to);   ///< true: a lease is held and ready
    bool find_server(steady_time now);  ///< ... looks again: its clocks go on
    /// hold: wait and look again; given_up: the statement has failed, and the client may have been told.
    enum class outlook : std::uint8_t { node, hold, given_up };
    outlook choose_node(steady_time now);
    bool wait_for_catalog();
    bool catalog_is_current() const;
    void take(pool::server_ref got, steady_time now);
    static std::vector<std::unique_ptr<conversation>>& spare_conversations();
    static std::unique_ptr<conversation> new_conversation();
    void retire_conversation();
    void write_settings(std::string& out);  ///< what brings the connection to the client's
    bool prepare();                         ///< settings, deferred BEGIN; true: ready
    void release();
    void release_for_retry();
    void hand_back(pool::server_ref server, bool dirty);
    void drop_server(bool lost);
    void give_up(const config::fault& why);
    bool try_again(bool elsewhere);
    router::plan_context plan_context() const;
    router::lock_use lock_use_of(const router::plan& plan) const;
    void note_write(router::lock_use locks);
    router::plan_cache::found plan_of(std::string_view sql);
    std::optional<config::fault> destination_of(const router::plan& plan, const router::values& with, destination& out);
    bool suits(const destination& to) const;
    bool no_replica() const noexcept;
    bool no_server_takes(const router::plan& plan) const;
    std::optional<config::fault> pin_on_replica(const router::plan& plan) const;
    config::read_consistency consistency() const;

    // failover.cpp
    void wait_elsewhere();
    void lose_transaction(const std::string& why);
    config::fault aborted();
    std::optional<config::fault> end_begun(bool commit, std::string_view& tag);

    // across.cpp
    std::string gather_text(const router::plan& plan, std::string_view sql,
                            std::span<const router::literal> literals) const;
    bool gather_executed(const router::plan& execute, const router::values& with);
    void add_servers(std::vector<const pool::server*>& to) const override;
    void give_way() override;
    bool span_busy() const noexcept { return spanning_->across->busy() || reading_; }
    void span_read_apart(span_unit unit);
    void span_gathers(span_unit unit);
    bool span_scatters(span_unit& unit, const router::values& with, scatter_task task);
    void span_read(std::optional<config::fault> why, bool failed);
    void span_give(spanning::portal& of, std::uint32_t max_rows);
    void start_gathering(std::shared_ptr<const router::plan> plan, const router::values& with, std::string run,
                         bool own_parse, scatter_task scatter, std::string_view hidden = {});
    bool keep_to_own_rows(scatter_task& scatter, const router::shard_map& map) const;
    bool scatters(gather_task& task, const router::values& with, scatter_task scatter);
    bool gather_batch(std::string_view batch, std::string_view& rest, lone_statement& lone);
    bool is_on_one_shard(const statement_ref& prepared, lone_statement& lone);
    void start_one_by_one(const router::plan& plan, one_by_one_task task);
    pool::worker_link& gather_home() override;
    node gather_node(std::uint16_t shard, bool primary) override;
    void gather_emit(std::string_view bytes) override;
    bool gather_congested() override;
    void gather_ended(std::string rest, std::optional<config::fault> why, bool parsed) override;
    void scatter_declined() override;
    void gather_again(gather_task task) override;

    node node_for(std::uint16_t shard, bool primary, steady_time since, bool heeds_pause);

    // spanning.cpp
    bool can_span() const { return talk_ && tied_by().empty(); }
    std::string_view tied_by() const;
    void begin_span();
    bool span_step(const protocol::postgres::frame_header& header, std::string_view frame, bool whole,
                   std::string_view& rest);
    bool span_copy_step(const protocol::postgres::frame_header& header, std::string_view frame, bool whole,
                        std::string_view& rest);
    bool span_copy_on(std::string_view& rest);
    std::optional<config::fault> span_move_parts(const router::plan& plan, const router::values& with, span_unit& unit);
    void span_one_by_one(std::string_view sql, const router::plan& plan);
    bool spans_as_text(const router::plan& plan) const;
    bool goes_on(bool failed);
    void span_text_over(bool failed);
    bool step_on(std::string_view& rest);
    std::optional<config::fault> span_copy_parts(const router::plan& plan, const router::values& with, span_unit& unit);
    std::optional<config::fault> span_carry_parts(const router::plan& plan, const router::values& with,
                                                  span_unit& unit);
    void span_refuse(const config::fault& why, spanning::doing within);
    void span_query(std::string_view body);
    std::optional<config::fault> span_control(const router::plan& plan, std::string_view sql, spanning::doing within);
    std::optional<config::fault> span_parts(const router::plan& plan, const router::values& with, span_unit& unit);
    void span_count(const router::plan& plan, const span_unit& unit);
    void span_parse(std::string_view body, bool used_next);
    void span_bind(std::string_view body);
    void span_describe(std::string_view body);
    void span_execute(std::string_view body);
    std::optional<config::fault> span_portal_unit(spanning::portal& of, char message, std::uint32_t max_rows,
                                                  span_unit& unit);
    void span_remember(const router::statement& what);
    void span_followed();
    void span_set(const router::effect& what, const router::statement& of, const running_statement& run);
    void span_go_on();
    void span_over(spanning& was, bool committed);
    std::string span_tells(const spanning& was, bool committed);
    pool::worker_link& span_home() override;
    gather_client::node span_node(std::uint16_t shard) override;
    void span_emit(std::string_view bytes) override;
    bool span_congested() override;
    void span_parameter(std::string_view body) override;
    void span_takes_more() override;
    void span_answered() override;
    void span_ended(two_phase::outcome how, const std::string& error, bool wrote) override;
    void span_lost(const std::string& why) override;

    // described.cpp
    bool look_first(std::string_view body, std::string_view after);
    bool differs(const client_statement& what) const;
    pool::result_shape* shape_on_server(const client_statement& what) const;
    void note_shape(const expected_reply& head, char type, std::string_view body);
    static void remember_told(const client_statement& what, std::string_view messages);
    static std::uint64_t rows_told(const client_statement& what);
    std::optional<config::fault> read_otherwise(const client_statement& what) const;
    void note_answer(std::string_view messages);
    statement_ref portal_statement(std::string_view name) const;

    // executing.cpp
    bool executes(const router::plan& plan) const;
    std::optional<config::fault> destination_of_execute(std::string_view sql, router::plan_cache::found& found,
                                                        destination& out);
    std::optional<config::fault> unseen_statement(const router::effect& what) const;

    // naming.cpp
    pool::prepared_ref own_prepared_of(std::string_view name, const client_statement& what) const;
    bool prepares_unseen(const router::plan& plan) const;
    void follow_names(const router::plan& plan);
    bool passes_unknown(std::string_view name) const;
    void take_own_names();
    bool names_own(std::string_view message) const;
    bool may_take_names();
    bool reword(const protocol::postgres::error_fields& error, const expected_reply& head, std::string& out);
    void run_own(std::string_view sql);

    // fence.cpp
    bool fenced(const destination& to) const noexcept;
    bool wait_for_fence();
    bool waits_at_batch(std::string_view rest);
    bool waits_at_bind(std::string_view body);
    bool waits_in_span(char type, std::string_view body);
    bool leave_old_map();
    void want_moved_rows(pool::read_wish& wish) const noexcept;

    // moving.cpp
    void follow_ties(const router::plan& plan, const router::values& with);
    void follow_reading(const router::plan& plan, std::string_view sql);  ///< to be sent to a replica
    /// Takes the transaction to the primary for what no replica runs. True: under way, as below. `ends`: what is next
    /// ends it first.
    bool leave_replica(bool ends);
    bool leave_for_query(const router::plan& text);
    bool leave_for_batch(std::string_view batch);  ///< whole extended messages, up to a Sync or Flush
    bool leave_shard(const destination& to);  ///< true: under way; what the client has sent is to be looked at again
    bool leave_unbound(std::string_view bind);
    void end_leaving();
    config::fault wrong_shard(std::uint16_t shard) const;

    bool begins_read_only(bool says_read_only, std::string_view begin) const;

    // encoding.cpp
    std::optional<config::fault> check_encoding(const router::plan& plan, const router::values& with, destination& out);
    std::string_view encoding_name() const;
    /// Its name where a backslash may be half of a character; else empty.
    std::string_view hiding_encoding() const { return encoding_ == text_encoding::hidden ? encoding_name() : ""; }
    void follow_encoding(std::string_view name);
    pool::prepared_ref prepared_of(std::string_view query, std::string_view types, bool named) const;

    // sequences.cpp
    bool runs_any(const router::plan& plan, bool router::plan::* what) const;
    std::optional<config::fault> sequence_elsewhere(const router::plan& plan) const;
    void follow_sequences(const router::plan& plan);
    void discard_sequences();

    // replies.cpp
    void on_server_bytes(std::string_view bytes);
    void on_server_frame(char type, std::string_view body, std::string& out, bool& forward);
    void on_server_error(std::string_view body, std::string& out, bool& forward);
    void on_server_ready(char status, std::string& out, bool& forward);
    void on_tag(std::string_view body);
    void renew_statement(const pool::prepared_ref& old);
    std::string_view told_after_reset(std::string_view name, std::string_view value) const;
    void on_parameter(std::string_view body, std::string& out, bool& forward);
    bool is_news(std::string_view name, std::string_view value);  ///< for the client, which is told of it
    void on_notification(std::string_view body, std::string& out, bool& forward);
    void pass_local(std::string& out);
    std::string told_frame(char type, std::string_view frame) const;
    std::string types_for_server(std::string_view types) const;
    void server_lost(const std::string& why, bool news = true);  ///< news: the monitor does not know yet
    void settle();               ///< after a chunk: settle_lease(), then go on with input
    bool owed() const noexcept;  ///< something is still under way on the lease
    void settle_lease();         ///< release, or make ready for what follows, when nothing is owed
    void skip_to_sync(std::size_t from);
    void undo(expected_reply& entry);
    void undo(const undo_record& what);
    void undo_batch();
    void pop_answered();

    // effects.cpp
    void completed(expected_reply& entry);
    void apply(const router::effect& what, const router::statement& of, const running_statement& run);
    void track_transaction(const router::statement& what);
    void mark_settings(std::string_view savepoint);
    void roll_back_to(std::string_view savepoint);
    void restore(const settings_mark& mark);
    void end_of_transaction(bool rolled_back);
    void follow_path(const std::string& name, std::string value, bool local);
    std::optional<bool> sets_reads_only(const router::effect& what, const running_statement& run) const;
    void apply_set(const router::effect& what, const router::statement& of, const running_statement& run);
    void apply_set_config(const router::effect& what, const running_statement& run);
    void apply_unknown(const router::effect& what, const router::statement& of, const running_statement& run);
    void look_for_unseen();
    void suspended(const running_statement& run);
    void apply_in_spite(const running_statement& run);
    bool is_own(std::string_view name, std::string_view value) const;
    void begin_probe();
    void end_probe();
    bool bring_up_to_date();
    void note_schema_change(const router::statement& what);
    void set_setting(const std::string& name, std::string statement);
    void reset_setting(const std::string& name);
    void drop_role();
    void keep_date_style();
    void pin(const std::string& why);
    void unpin(const std::string& why);
    bool pinned() const noexcept { return session_mode_ || !pins_.empty(); }
    /// Its server connection is the client's own, and the client has been let in with it.
    bool keeps_server() const noexcept { return pinned() && !greeting_; }
    std::optional<std::string> value_of(const router::value_source& from, const running_statement& run) const;

    // own_reads.cpp
    bool ringway_setting(const router::effect& what, const running_statement& run, std::string& problem);
    bool set_own(std::string_view name, const std::optional<std::string>& value, std::string& problem);
    void end_own(bool committed);

    worker& home_;
    client_identity who_;
    std::shared_ptr<const pool::parameter_list> told_;        ///< ParameterStatus values the client was sent
    std::shared_ptr<const pool::parameter_list> first_told_;  ///< ... by the greeting, with settings of its start
    pool::wire client_;
    std::string pending_;           ///< client bytes not yet used ...
    std::size_t pending_used_ = 0;  ///< ... behind these, which have been
    std::size_t batch_seen_ = 0;    ///< ... and begin with so many that are a part of a batch (find_batch)
    std::unique_ptr<text_rest>
        again_;  ///< of a text whose statements run one by one: before all that the client has sent
    phase phase_ = phase::idle;
    std::string last_words_;      ///< the FATAL error of the server that was this session's
    std::uint32_t told_pid_ = 0;  ///< of the server's process, in session mode
    bool session_mode_ = false;
    bool skip_to_sync_ = false;  ///< after an error without a lease
    bool held_for_catalog_ = false;
    bool held_by_fence_ = false;        ///< without a lease
    bool waits_for_fence_ = false;      ///< on a lease, or in a transaction over several shards
    std::uint64_t want_epoch_ = 0;      ///< of the map that chose want_.shard
    steady_time catalog_hold_until_{};  ///< until when catalogs are waited for; zero: they are those of now
    bool in_batch_ = false;             ///< a message of the extended protocol is being taken
    bool stalled_ = false;              ///< the next message waits for the replies under way
    bool greeting_ = false;             ///< still to be told that it is in
    bool closing_ = false, draining_ = false, client_parts_ = false, pumping_ = false, in_reply_ = false;
    std::uint64_t stream_left_ = 0;  ///< bytes of a client frame still to be passed to the server
    std::uint64_t copy_left_ = 0;    ///< bytes of a CopyData message still to be passed to a span
    std::uint64_t pass_left_ = 0;    ///< bytes of a client frame still to be passed over
    std::unique_ptr<conversation> talk_;
    std::shared_ptr<shards_read> reading_;         ///< of rows of several shards
    std::unique_ptr<gather_task> gather_instead_;  ///< of a scattering, should it decline
    std::unique_ptr<spanning> spanning_;
    std::unique_ptr<undo_record> gather_undo_;  ///< of a Parse that its seat may not take
    statement_ref telling_;          ///< whose description the answer under way of several shards has for the client
    statement_ref checked_;          ///< whose rows are compared with what the client has been told
    std::uint64_t talk_number_ = 0;  ///< grows with each lease
    pool::settings_ref settings_, base_;
    std::unique_ptr<std::unordered_map<std::string, statement_ref>> statements_;
    statement_ref unnamed_;
    const router::plan* routed_ = nullptr;  ///< of the batch's last Parse; only compared, never followed
    std::vector<std::string> pins_;
    std::vector<std::string> unseen_;  ///< texts that have called functions which are in no catalog yet: they pin
    std::uint64_t unseen_version_ = 0;
    steady_time last_write_{};
    destination want_;
    steady_time waiting_since_{}, hold_until_{};
    std::shared_ptr<pool::pool> waiting_in_;
    int want_node_ = -1;
    std::uint8_t tries_ = 0;    ///< runs of the statement that came to nothing
    std::uint8_t refused_ = 0;  ///< connections for it that could not be had
    bool avoid_replicas_ = false;
    bool serializable_start_ = false;       ///< so a replica has said: by the role's or the database's settings
    std::string begun_;                     ///< a BEGIN not yet sent to a shard
    bool begun_failed_ = false;             ///< ... and a statement after it has failed
    std::string lost_;                      ///< why its server was lost, until the client has heard of it
    bool begun_reads_ = false;              ///< ... READ ONLY
    std::optional<config::fault> failure_;  ///< why the statement at the front of the input cannot run
    std::string search_path_;               ///< as set by the client; empty: the default
    own_reads own_, first_own_;             ///< now, and as the client has started
    std::optional<own_reads> own_before_;  ///< the transaction under way has changed them: what its rollback gives back
    std::optional<own_reads> own_after_;   ///< ... by SET LOCAL: what its commit gives back
    std::string bad_start_;                ///< why a startup setting of this kind cannot be
    bool conforming_strings_ = true;
    std::string first_path_;  ///< search_path and standard_conforming_strings of the start: what RESET goes back to
    bool first_conforming_ = true;
    bool told_behind_ = false;      ///< a RESET was told of as the server's default, and has another meaning here
    bool drew_elsewhere_ = false;   ///< a sequence's value, on a connection that others have now
    bool asks_sequences_ = false;   ///< has used currval or lastval
    bool own_names_ = false;        ///< servers know its prepared statements by its own names: it keeps its connection
    bool names_cleared_ = false;    ///< ... which has no others
    bool wants_own_names_ = false;  ///< before the next statement
    text_encoding encoding_ = text_encoding::utf8;  ///< the client's
    std::chrono::system_clock::time_point connected_{};
    steady_time requested_{};  ///< when a server was last asked for something
    steady_time answered_;     ///< ... and the client last told that all is done
    std::size_t prepared_bytes_ = 0;
};

}  // namespace ringway::proxy
