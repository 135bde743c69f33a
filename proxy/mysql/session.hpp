#pragma once
// One MySQL client after login. It takes the client's commands one at a time, finds a server connection for each, holds
// it while a transaction is open or something ties the client to it, and relays the answers. Lives and dies on one
// worker.
//
// Files: session.cpp life and input; commands.cpp the client's commands; statements.cpp its prepared statements;
// routing.cpp the shard; leasing.cpp from a route to a server connection and back; own.cpp commands of ours before and
// after the client's; replies.cpp the server's answers; effects.cpp what statements do to the session; diagnostics.cpp
// what they ask of the one before; sequences.cpp MariaDB's LASTVAL(); untold.cpp what servers without session tracking
// are asked; again.cpp what runs a second time; users.cpp COM_CHANGE_USER.

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pool/mysql_server.hpp"
#include "pool/prepared.hpp"
#include "pool/wire.hpp"
#include "protocol/mysql/auth_exchange.hpp"
#include "protocol/mysql/command.hpp"
#include "protocol/mysql/compressed_link.hpp"
#include "protocol/mysql/packet.hpp"
#include "protocol/mysql/reply_tracker.hpp"
#include "proxy/mysql/login.hpp"
#include "proxy/net/client_session.hpp"
#include "proxy/net/lease_search.hpp"
#include "router/mysql/lexer.hpp"
#include "router/mysql/modes.hpp"
#include "router/plan.hpp"

namespace ringway::proxy::mysql {

/// What Ringway knows of a text before it runs.
struct reading {
    reading() = default;
    explicit reading(std::shared_ptr<const router::plan> from) : plan(std::move(from)) {}
    std::shared_ptr<const router::plan> plan;  ///< null: the text was too long to be read
    std::vector<router::literal> literals;     ///< of a text with shard keys
    router::mysql_modes modes{};               ///< by which they are read
    const router::analysis& parsed() const;
    bool unknown() const;  ///< nothing is known of it: it may do anything
    bool reads() const;    ///< any server with the data will do
};

/// What the server tells of changes: by that a session is followed, so no client may change it.
inline constexpr std::string_view tracking_variables = "session_track_";
bool sets_tracking(const reading& text);

/// A definition has been made: a trigger may leave something from now on.
void note_definition(const router::statement& made);

/// What a statement that runs well does to FOUND_ROWS().
enum class counting : std::uint8_t {
    keeps,
    rows,  ///< as many as it shows
    zero,
    untold  ///< only the server knows
};
counting counting_of(const router::statement& one, bool mariadb);

/// max_prepared_stmt_count is reached.
inline constexpr std::uint16_t too_many_statements = 1461;

/// A statement the client has prepared.
struct client_statement {
    std::uint32_t id = 0;  ///< as the client knows it
    pool::prepared_ref what;
    std::shared_ptr<const reading> text;
    std::string database;  ///< the default database when it was prepared, and the settings
    pool::settings_ref settings;
    std::uint16_t parameters = 0;
    std::uint64_t mark = 0;  ///< whose types a server has: grows with each new list of types
    protocol::mysql::parameter_types types;
    bool long_data = false;                      ///< some of its parameters have been sent before
    bool cursor = false;                         ///< of its last execution, open
    protocol::mysql::definitions_digest told{};  ///< of a client that keeps definitions: which it has
};
using statement_ref = std::shared_ptr<client_statement>;

class session final : public client_session,
                      public pool::wire_owner,
                      public pool::lessee,
                      public lease_seeker,
                      public std::enable_shared_from_this<session> {
  public:
    session(worker& home, client_identity who, admitted& from);
    ~session() override;
    void start(admitted& from);
    void close();

    // client_session
    void end_with(const config::fault& why) override;
    void drain() override;
    void tick(steady_time now) override;
    bool needs_ticks() const noexcept override { return search_.under_way() || phase_ == phase::holding; }
    void node_left(std::uint16_t shard, int node, const std::string& why) override;
    void primary_moved(std::uint16_t shard, int primary) override;
    void cancel_running(const cancel_waiter& until) override;
    bool let_go_of_prepared();  ///< another client ends the transaction; false: there is more on the connection
    void end_if_idle(steady_time now, config::milliseconds most, config::milliseconds most_in_transaction) override;
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
    // lease_seeker
    void lease_found(pool::server_ref got) override;
    void lease_refused(const config::fault& why) override;
    std::uint64_t lease_flavour() const override;
    std::shared_ptr<void> seeker_alive() override { return shared_from_this(); }
    std::shared_ptr<client_session> seeker_session() override { return shared_from_this(); }

  private:
    /// idle: the client's next command may be taken. own: a command of ours is under way. relaying: the client's is.
    /// holding: for the catalogs, which tell the shard map's columns.
    /// changing: the servers are asked about a user. asking: another client is.
    enum class phase : std::uint8_t { idle, holding, seeking, own, relaying, authenticating, changing, asking, closed };

    /// A command of ours on the leased connection.
    struct own_command {
        enum class kind : std::uint8_t {
            settings,       ///< brings the variables to `settings`
            database,       ///< chooses `text`
            prepare,        ///< prepares `statement`
            drop,           ///< closes a statement on the server: no answer
            clear,          ///< no warnings of others are there
            insert_id,      ///< makes LAST_INSERT_ID() what this client has last had
            ask_status,     ///< COM_PING: its OK tells whether a transaction is open
            ask_warnings,   ///< keeps the warnings for the client
            ask_sequence,   ///< keeps LASTVAL() of the sequence `text` for the client
            ask_insert_id,  ///< keeps LAST_INSERT_ID() for the client
            ask_collation,  ///< keeps collation_connection
            ask_variables,  ///< keeps the variables that `text` names, each between commas
            ask_database,   ///< keeps the default database
            leave,          ///< ends a transaction that goes on on another shard
            begin,          ///< begins it there
        } what = kind::settings;
        std::string packet;
        pool::settings_ref settings;
        pool::prepared_ref statement;
        std::string text;
    };

    /// Everything that exists only while a lease is held.
    struct conversation {
        explicit conversation(protocol::mysql::capability::flags capabilities)
            : tracker_capabilities(capabilities), tracker(capabilities) {}
        protocol::mysql::capability::flags tracker_capabilities;
        pool::server_ref server;
        std::uint16_t shard = 0;
        int node = 0;
        bool on_replica = false;
        protocol::mysql::reply_tracker tracker;
        std::list<own_command> own;                    ///< most statements have none: an empty one costs nothing
        std::string answer;                            ///< to a command of ours, as far as it is looked into
        bool in_transaction = false, touched = false;  ///< touched: the client has had an answer from it
        bool ask_insert_id = false;
        bool preparing = false;          ///< ours are for the client's next command
        bool cleared = false;            ///< no warnings of others are there: ours have seen to it
        bool diagnosed = false;          ///< or the client's, by a statement that does not keep them
        bool counted = false;            ///< FOUND_ROWS() there is of a statement of the client's
        bool overlaid = false;           ///< a question of ours came after the client's last statement
        bool insert_id_ready = false;    ///< LAST_INSERT_ID() there is this client's
        bool insert_id_set = false;      ///< by the client, to what may be 0
        bool drawn_here = false;         ///< it was 0 before the client's first statement on this lease that draws one
        bool others_drew = false;        ///< from sequences, on this connection
        bool draws_unseen = false;       ///< the client may have, by a routine
        std::set<std::string> drawn;     ///< sequences that the client has drawn from here, since it was asked
        bool file = false;               ///< the client sends a file now
        std::uint8_t file_sequence = 0;  ///< of the file's next packet, as the server counts
        std::string begun;               ///< of the reply's first packet, while it is looked at
        std::vector<std::string> ties;   ///< the texts that a transaction consists of, while it may move
        steady_time asked{};
    };

    /// The client's command under way.
    struct running {
        protocol::mysql::command what = protocol::mysql::command::ping;
        std::shared_ptr<const reading> text;
        statement_ref statement;
        pool::prepared_ref preparing;
        std::string database;       ///< COM_INIT_DB
        std::uint8_t sequence = 1;  ///< of the first packet of the answer
        bool replayable = false, emitted = false;
        std::string retained;  ///< the command's bytes, while it may be sent again
        bool holds = false;    ///< the answer's beginning is held back: it may be sent again because of it
        std::string held;
        std::string draws;   ///< the text, if it draws from a sequence
        bool peeks = false;  ///< the first value of the answer is looked at
        bool keeps = false;  ///< SQL's PREPARE of what uses no table: warnings stay
    };

    struct change_of_user {
        std::string user, database, cluster;
        std::uint16_t collation = 0;
        bool using_password = false;
        const config::user* who = nullptr;
        std::shared_ptr<const config::settings> settings;
        std::optional<protocol::mysql::auth_server> proof;
    };

    // session.cpp
    void take_in(std::string_view wire);
    void pump(std::string_view fresh);
    bool step(std::string_view& rest);
    bool stream_on(std::string_view& rest);
    bool pass_file(std::string_view& rest);
    bool pass_over(std::string_view& rest);
    bool may_read() const noexcept;
    void want_client();
    void emit(std::string_view bytes);
    void send_ok(std::uint8_t sequence);
    void refuse(const config::fault& why, std::uint8_t sequence = 1);
    void fail_next(const config::fault& why);
    void send_error(std::uint16_t number, std::string_view sqlstate, std::string_view message, std::uint8_t sequence);
    void violation(std::uint16_t number, std::string_view message);
    bool pinned() const noexcept { return session_mode_ || !pins_.empty(); }
    bool in_transaction() const noexcept { return (talk_ && talk_->in_transaction) || !begun_.empty(); }
    std::uint16_t status() const noexcept;
    bool leave_if_resting();
    void learn_servers();
    bool is_mariadb() const noexcept { return server_traits_.version.find("MariaDB") != std::string::npos; }
    router::mysql_modes modes() const { return modes_of(*settings_); }
    router::mysql_modes modes_of(const pool::session_settings& settings) const;

    // commands.cpp
    void log_statement(const reading& text, std::string_view sql) const;
    /// A whole command; false: not now, it is looked at again later.
    bool take_command(std::string_view packets, std::string_view payload);
    bool on_query(std::string_view packets, std::string_view payload);
    bool on_simple(protocol::mysql::command what, std::string_view packets, std::string_view payload);
    bool on_kill(std::string_view payload);
    bool on_kill_statement(const reading& text, std::string_view sql, std::string then = {});
    bool on_kill_before(const reading& text, std::string_view sql);
    void kill(std::uint64_t id, bool query_only, std::string then = {});
    bool begin_stream(protocol::mysql::command what, const protocol::mysql::packet_header& header,
                      std::string_view& rest);
    std::optional<config::fault> refusal_of(const reading& text) const;
    std::shared_ptr<const reading> read_text(std::string_view sql) const { return read_text(sql, database_, modes()); }
    std::shared_ptr<const reading> read_text(std::string_view sql, std::string_view database,
                                             const router::mysql_modes& by) const;
    std::string variable_value(const std::string& name, bool diagnostics, bool servers_ids) const;
    std::optional<std::string> rewritten(const reading& text, std::string_view sql) const;
    std::string keeping_track(std::string_view sql) const;
    std::optional<std::string> tls_status(std::string_view sql) const;
    void begin_command(running what);

    // statements.cpp
    bool on_prepare(std::string_view packets, std::string_view payload);
    bool on_execute(std::string_view packets, std::string_view payload);
    bool on_statement(protocol::mysql::command what, std::string_view packets, std::string_view payload);
    void on_close(std::string_view payload);
    statement_ref find_statement(std::uint32_t id) const;
    std::optional<client_statement> with_counts(const client_statement& what) const;
    bool ensure_prepared(const client_statement& what);
    void read_again(client_statement& what) const;
    void unknown_statement(std::uint32_t id, std::string_view where);
    void trim_statements();
    bool close_unused_statements();
    bool prepare_again();
    pool::mysql_statement* on_server(const client_statement& what);
    void forget_statements();

    // routing.cpp
    /// As far as the text goes: the shard the session is on, or the first, whatever its keys.
    lease_wish wish_for(const reading& text) const;
    lease_wish wish_here() const;
    /// The servers do not tell of what a statement has changed.
    bool untold() const noexcept {
        return !protocol::mysql::capability::has(server_traits_.capabilities,
                                                 protocol::mysql::capability::session_track);
    }
    bool is_sharded() const { return who_.cluster->now->map->is_sharded(); }
    bool wait_for_catalog();
    bool wait_for_triggers(const reading& text);
    bool hold_for_catalog();
    bool catalog_is_current() const;
    /// Finds the shard of one execution. A fault: there is none, or the session cannot go there.
    std::optional<config::fault> find_shard(const reading& text, std::string_view sql,
                                            std::span<const router::parameter> parameters, lease_wish& to) const;
    std::optional<config::fault> find_shard_of_execution(const client_statement& of, std::string_view payload,
                                                         lease_wish& to) const;
    void refuse_route(config::fault why, const reading& text);
    std::optional<config::fault> tied_elsewhere(const lease_wish& to) const;
    /// find_shard's end: false when a transaction is moving there meanwhile; the command is looked at again.
    bool move_to(const lease_wish& to);
    bool may_move() const noexcept { return talk_ && !talk_->ties.empty() && !pinned(); }
    void follow_ties(const reading& text, std::string_view sql);
    config::fault wrong_shard(std::uint16_t shard) const;
    std::uint8_t widest_character() const;

    // leasing.cpp
    bool seek(const lease_wish& to);
    bool suits(const lease_wish& to) const;
    bool take(pool::server_ref got);  ///< false: failure_ says why its connection will not do
    void settle();
    void release();
    void drop_server(bool lost);
    void server_lost(const std::string& why);
    void hand_back(pool::server_ref server, bool dirty);

    // own.cpp
    /// True: nothing is missing.
    bool prepare_lease(bool asks_insert_id, bool may_draw);
    bool prepare_lease(const reading& text) { return prepare_lease(asks_insert_id(text), may_draw(text)); }
    static bool asks_insert_id(const reading& text);
    static bool may_draw(const reading& text);  ///< a value of AUTO_INCREMENT
    void send_own();
    void own_done();
    void want_own(own_command what) { talk_->own.push_back(std::move(what)); }

    // again.cpp
    bool calls_stored(const reading& text) const;
    bool refused_by_replicas(const reading& text) const;
    bool wants_holding(const reading& text, bool replayable) const;
    void emit_or_hold(std::string_view bytes);
    void let_out();
    bool runs_again();
    void take_back(bool dirty);
    void hold_prepared(const std::string& written);
    void forget_prepared();

    // replies.cpp
    void on_server_bytes(std::string_view bytes);
    bool holds_error() const noexcept;
    void finish_command();
    void note_changes(std::string_view session_state);

    // effects.cpp
    void before_statement(const reading& text);
    void after_statement(const reading& text, bool failed);
    bool releases(const reading& text) const;
    void apply(const router::effect& what, const router::statement& of);
    void pin(const std::string& why);
    void unpin(std::string_view why);
    void reset_session();
    void note_profiling(std::string_view value);

    // diagnostics.cpp: what a statement asks of the one before it
    bool keeps_warnings(const reading& text) const;
    bool has_own_diagnostics() const noexcept;
    std::optional<config::fault> refusal_of_diagnostics(const reading& text) const;
    bool touched_here() const noexcept;
    bool counted_here() const noexcept { return talk_ && talk_->counted; }
    bool may_keep_others_warnings(const reading& text) const;
    bool prepares_without_tables(const reading& text, std::string_view sql) const;
    void note_counts(bool failed);
    void note_own_error(std::uint16_t number, std::string_view message);
    bool answer_locally(const reading& text, std::string_view sql);
    void note_warnings();

    // sequences.cpp
    struct sequence_call {
        bool draws = false;    ///< else it asks what was drawn
        std::size_t last = 0;  ///< token
        std::string name;      ///< with its schema, in quotes; empty: it cannot be read
    };
    std::optional<sequence_call> sequence_call_at(std::string_view sql, const std::vector<router::mysql::token>& tokens,
                                                  std::size_t at) const;
    bool draws_by_name(const reading& text) const;
    bool asks_last_value(const reading& text) const;
    bool hides_sequences(const reading& text) const;
    bool has_clean_sequences(const reading& text);
    void note_draws(const reading& text, std::string_view sql);
    std::string last_value(std::string_view call, const std::string& of) const;

    // untold.cpp: servers without session tracking
    void watch_transaction(const reading& text, bool was_open, bool is_open, bool failed);
    void ask_what_changed(const reading& text, bool failed);
    void own_of_ours(own_command::kind what, std::string_view sql, std::string text = {});
    void note_variables(const std::string& asked);
    void note_database();

    // users.cpp
    bool on_change_user(std::string_view payload, std::uint8_t sequence);
    bool go_on_changing(std::string_view payload, std::uint8_t sequence);
    void finish_changing(bool right, std::uint8_t sequence);
    bool rules_let_in(const config::settings& by, const std::string& cluster, const std::string& user) const;
    void refuse_change(const change_of_user& to, const std::optional<config::fault>& why, std::uint8_t sequence);
    void become(const change_of_user& to, const pool::server_secret& secret, std::uint8_t sequence);
    void on_reset(std::uint8_t sequence);

    worker& home_;
    client_identity who_;
    pool::wire client_;
    std::unique_ptr<protocol::mysql::compressed_link> packed_;  ///< null: the client does not compress
    bool opening_ = false;
    std::string pending_;  ///< client bytes not yet used
    phase phase_ = phase::idle;
    bool session_mode_ = false, draining_ = false, pumping_ = false, again_ = false;
    std::uint64_t stream_left_ = 0;  ///< bytes of the client's message still to be passed to the server
    bool stream_continues_ = false, streaming_ = false;
    std::uint64_t pass_left_ = 0;
    lease_search search_;
    std::unique_ptr<conversation> talk_;
    running now_;
    std::optional<protocol::mysql::reply_tracker::failure> failure_;  ///< why the command in front cannot run
    protocol::mysql::capability::flags capabilities_;
    pool::server_traits server_traits_;  ///< the greeting's, until those of the cluster are known
    bool knows_servers_ = false;
    std::uint16_t collation_ = 0;  ///< of the login
    pool::settings_ref settings_, base_;
    std::string database_, first_database_;
    bool tracks_by_client_ = false;
    std::vector<std::string> pins_;
    std::set<std::string> temporary_tables_, handlers_;
    std::uint32_t user_locks_ = 0;
    std::unique_ptr<std::unordered_map<std::uint32_t, statement_ref>> statements_;
    std::uint32_t next_statement_ = 1, last_prepared_ = 0;
    std::unique_ptr<change_of_user> changing_;
    std::uint64_t last_insert_id_ = 0;
    std::map<std::string, std::string> drawn_values_;  ///< of MariaDB's sequences, by their names with schemas
    std::int64_t row_count_ = 0;
    std::uint64_t found_rows_ = 0;
    bool found_known_ = true;  ///< else only the server that ran the statement can tell
    std::string warnings_;     ///< the whole answer to SHOW WARNINGS, as it came; empty: there are none
    std::uint16_t warning_count_ = 0;
    std::optional<std::uint16_t> error_count_;  ///< of them; nothing: not all of them are kept
    bool warnings_known_ = false;  ///< `warnings_` is what the server would tell now, whatever connection is held
    steady_time last_write_{};
    std::vector<std::string> begun_;  ///< of a transaction that moves: what begins it on its next shard
    steady_time catalog_until_{}, again_at_{}, xa_until_{};
    std::string held_xid_;  ///< of the prepared transaction on the connection that is held (prepared_xa.hpp)
    bool calculated_rows_ = false;
    std::chrono::system_clock::time_point connected_{};
    steady_time requested_{}, answered_{};
};

/// Names of a collation and its character set; empty: not known.
struct collation_names {
    std::string_view collation, charset;
};
collation_names collation_of(std::uint16_t id) noexcept;
/// Variables of a session as a client's login sets them, by its collation; empty: that is not known.
pool::settings_ref settings_at_login(std::uint16_t collation, const pool::server_traits& server);

/// Puts a connection that its client has left something on in order, and gives it back; or closes it.
void clean(pool::server_ref what);
/// Ends what the connection runs now. It changes hands only when that has been delivered.
void stop_query(pool::server& what);

}  // namespace ringway::proxy::mysql
