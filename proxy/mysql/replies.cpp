// The server's answers.

#include <fmt/format.h>

#include <algorithm>

#include "pool/mysql_server.hpp"
#include "protocol/mysql/reply.hpp"
#include "proxy/mysql/session.hpp"
#include "proxy/net/worker.hpp"
#include "router/mysql/need.hpp"

namespace ringway::proxy::mysql {

namespace my = protocol::mysql;

namespace {
constexpr std::size_t most_own_answer = 1u << 20, most_peeked = 4096;

/// Variables of the session, but autocommit, which may commit; with values that write nothing.
bool only_sets(const reading& text) {
    for (const auto& each : text.parsed().statements) {
        if (each.verb != router::verb::set || !each.functions.empty() || !each.block.children.empty()) return false;
        for (const auto& what : each.effects)
            if (what.name == "autocommit" || what.what == router::effect::kind::settings_unknown) return false;
    }
    return !text.unknown() && !text.parsed().statements.empty();
}

/// By its words; views may call others.
bool calls_built_in_only(const reading& text) {
    const auto& all = text.parsed().statements;
    return !text.unknown() && std::all_of(all.begin(), all.end(), router::mysql::calls_built_in_only);
}

}  // namespace

/// Of the answer to a COM_STMT_PREPARE the first packet is an error.
bool session::holds_error() const noexcept {
    return now_.what == my::command::stmt_prepare && talk_->begun.size() > my::header_size &&
           static_cast<unsigned char>(talk_->begun[my::header_size]) == my::first_byte::error;
}

void session::server_readable(pool::server& from) {
    const auto keep = shared_from_this();
    for (int rounds = 0; rounds < 16; ++rounds) {
        if (phase_ == phase::closed || !talk_ || talk_->server.get() != &from) return;
        if (client_.congested()) return;  // wire_drained resumes
        std::string_view bytes;
        const auto got = from.link.read(bytes);
        if (got == pool::wire::got::end) return server_lost("the server closed the connection");
        if (got == pool::wire::got::would_block) return from.link.want_read();
        const bool full = bytes.size() == pool::scratch_space::size;
        on_server_bytes(bytes);
        if (!full) break;
    }
    if (talk_ && talk_->server.get() == &from) from.link.want_read();
}

void session::server_drained(pool::server&) {
    const auto keep = shared_from_this();
    if (!pending_.empty()) pump({});
    want_client();
}

void session::server_broken(pool::server&) {
    const auto keep = shared_from_this();
    server_lost("the connection broke");
}

void session::on_server_bytes(std::string_view bytes) {
    while (!bytes.empty()) {
        if (!talk_) return;
        auto& talk = *talk_;
        if (phase_ != phase::own && phase_ != phase::relaying) return server_lost("the server spoke unasked");
        const auto used = talk.tracker.take(bytes);
        if (talk.tracker.now() == my::reply_tracker::state::broken)
            return server_lost("the server sent what is no answer");
        if (phase_ == phase::own) {
            if (talk.answer.size() + used > most_own_answer) return server_lost("the server's answer is too long");
            talk.answer.append(bytes.substr(0, used));
        } else {
            auto out = talk.tracker.forwarded();
            if (now_.what == my::command::stmt_prepare && talk.begun.size() < my::header_size + 5) {
                // The number in the first packet is the client's own.
                const auto more = std::min(my::header_size + 5 - talk.begun.size(), out.size());
                talk.begun.append(out.substr(0, more));
                out.remove_prefix(more);
                my::packet_header header;
                const bool whole = talk.begun.size() == my::header_size + 5 ||
                                   (my::read_header(talk.begun, header) && talk.begun.size() >= header.total());
                if (whole) {
                    if (talk.begun[my::header_size] == '\0')
                        my::replace_statement_id(talk.begun.data() + my::header_size, next_statement_);
                    if (!holds_error()) emit_or_hold(talk.begun);
                }
            }
            if (holds_error()) {  // whether the client gets it is to be seen
                talk.begun.append(out);
                out = {};
            }
            if (now_.peeks && talk.answer.size() < most_peeked) talk.answer.append(bytes.substr(0, used));
            if (!out.empty()) emit_or_hold(out);
        }
        bytes.remove_prefix(used);
        switch (talk.tracker.now()) {
            case my::reply_tracker::state::file_wanted:
                talk.file = true;
                talk.file_sequence = static_cast<std::uint8_t>(talk.tracker.sequence() + 1);
                pump({});
                want_client();
                break;
            case my::reply_tracker::state::done:
                if (!bytes.empty()) return server_lost("the server sent more than its answer");
                if (phase_ == phase::own) {
                    own_done();
                } else if (runs_again()) {
                    if (phase_ == phase::idle) pump({});
                    return want_client();
                } else {
                    let_out();
                    finish_command();
                }
                if (phase_ == phase::idle) {
                    if (talk_ && !std::exchange(talk_->preparing, false)) settle();
                    pump({});
                    if (talk_ && phase_ == phase::idle) settle();
                    want_client();
                    if (packed_ && phase_ == phase::idle && pending_.empty()) packed_->rest();
                }
                return;
            default:
                break;
        }
    }
}

/// Variables and the database as the server tells of them.
void session::note_changes(std::string_view session_state) {
    auto& part = static_cast<pool::mysql_part&>(*talk_->server->part);
    std::vector<my::session_change> changes;
    if (!my::read_session_changes(session_state, changes)) return pin("session state that cannot be read");
    auto entries = settings_->entries();
    bool any = false, state = false, explained = false;
    const auto* const text = now_.text.get();
    for (const auto& change : changes) {
        using kind = my::session_change::kind;
        switch (change.what) {
            case kind::schema:
                part.database = database_ = change.value;
                explained = true;
                break;
            case kind::state_change:
                state = change.value == "1";
                break;
            case kind::transaction_characteristics:
                if (change.value.empty())
                    unpin("SET TRANSACTION");
                else if (!talk_->tracker.in_transaction())
                    pin("SET TRANSACTION");
                break;
            case kind::system_variable: {
                const std::string name(change.name);
                if (name == "last_gtid") {
                    last_write_ = clock::now();  // what it wrote is in the log by now
                    explained = true;
                    break;
                }
                if (name == "profiling") {
                    note_profiling(change.value);
                    explained = true;
                    break;
                }
                bool of_statement = false;
                if (text)
                    for (const auto& each : text->parsed().statements)
                        for (const auto& other : each.statement_settings) of_statement |= other == name;
                explained = true;
                if (of_statement) {  // its end will be told with a later answer
                    want_own({own_command::kind::ask_status, std::string("\1\0\0\0\x0e", 5), nullptr, nullptr, "over"});
                    break;
                }
                if (name == "last_insert_id" || name == "identity") break;
                if (name == "system_versioning_asof") {  // a time in the time zone of now
                    change.value == "DEFAULT" ? unpin("SET system_versioning_asof") : pin("SET system_versioning_asof");
                    break;
                }
                if (name.starts_with(tracking_variables) && text && sets_tracking(*text)) break;  // kept as it was
                if (name == "timestamp" || name == "insert_id" || name == "rand_seed1" || name == "rand_seed2" ||
                    name == "gtid_seq_no" || name == "pseudo_thread_id" || name.starts_with(tracking_variables)) {
                    pin(fmt::format("SET {}", name));
                    break;
                }
                if (name == "sql_auto_is_null" && (change.value == "ON" || change.value == "1"))
                    pin("SET sql_auto_is_null");  // IS NULL means the last id, by no word of the text
                any = true;
                entries[name] = pool::mysql_value_text(name, change.value);
                if (name == "collation_connection") entries.erase("character_set_connection");
                break;
            }
            case kind::gtids:
            case kind::transaction_state:
                break;
        }
    }
    if (any) {
        if (entries.count("character_set_connection"))
            want_own({own_command::kind::ask_collation,
                      [] {
                          std::string out;
                          std::uint8_t sequence = 0;
                          my::write_command(out, sequence, my::command::query, "SELECT @@collation_connection");
                          return out;
                      }(),
                      nullptr,
                      nullptr,
                      {}});
        settings_ = pool::session_settings::of(std::move(entries));
        talk_->server->settings = settings_;
    }
    // User variables, temporary tables, prepared statements and roles change without a name.
    if (!state) return;
    bool known = text && !text->unknown();
    if (known)
        for (const auto& each : text->parsed().statements)
            known = known && each.verb != router::verb::call && each.verb != router::verb::compound;
    if (known && !explained)
        for (const auto& each : text->parsed().statements)
            for (const auto& what : each.effects)
                explained = explained || what.what == router::effect::kind::set_user_variable ||
                            what.what == router::effect::kind::pin || what.what == router::effect::kind::prepare ||
                            what.what == router::effect::kind::deallocate ||
                            what.what == router::effect::kind::drop_temporary;
    talk_->server->reset_needed = talk_->server->reset_needed || !known || !explained;
    if (!known)
        pin("a routine may have left something");
    else if (!explained)
        pin("session state");
}

/// The answer to the client's command has come to its end.
void session::finish_command() {
    auto& talk = *talk_;
    const auto& tracker = talk.tracker;
    auto& server = *talk.server;
    auto& part = static_cast<pool::mysql_part&>(*server.part);
    const bool answered = my::has_reply(now_.what);
    const bool failed = answered && tracker.error().code != 0;
    if (failed && holds_error()) {
        if (tracker.error().code == too_many_statements && prepare_again()) return;
        emit(talk.begun);
    }
    const bool runs = now_.what == my::command::query || now_.what == my::command::stmt_execute;
    phase_ = phase::idle;
    talk.touched = true;
    answered_ = clock::now();
    auto& traffic = who_.cluster->traffic;
    traffic.statement_microseconds += static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(answered_ - talk.asked).count());
    if (answered && !failed && now_.text && runs && releases(*now_.text)) {
        server.doomed = true;  // it ends there
        return close();
    }
    xa_until_ = {};
    const bool was_in_transaction = talk.in_transaction;
    const bool tells =
        answered && !failed && now_.what != my::command::stmt_prepare && now_.what != my::command::statistics;
    if (tells) talk.in_transaction = tracker.in_transaction();
    if (!tracker.session_state().empty()) note_changes(tracker.session_state());
    // Some database was dropped: whether it was the default one is to be asked.
    const bool dropped = answered && !failed && (tracker.status() & my::status::database_dropped) != 0;
    const auto text = now_.text;
    const bool prepares = now_.what == my::command::stmt_prepare;
    switch (now_.what) {
        case my::command::init_db:
            if (!failed) part.database = database_ = now_.database;
            break;
        case my::command::stmt_prepare:
            if (!failed) {
                const auto& made = tracker.statement();
                auto kept = std::make_shared<client_statement>();
                kept->id = next_statement_++;
                kept->what = now_.preparing;
                kept->text = now_.text;
                kept->database = database_;
                kept->settings = settings_;
                kept->parameters = made.parameters;
                kept->told = tracker.told_definitions();
                part.statements[kept->what->id] = {made.id, made.parameters, 0};
                server.statements.add(kept->what);
                if (!statements_) statements_ = std::make_unique<std::unordered_map<std::uint32_t, statement_ref>>();
                last_prepared_ = kept->id;
                statements_->emplace(kept->id, std::move(kept));
            } else {
                last_prepared_ = 0;
            }
            now_.text.reset();
            break;
        case my::command::stmt_execute:
        case my::command::stmt_fetch:
            if (now_.statement) {
                if (now_.what == my::command::stmt_execute)  // of several results it has the last one's
                    now_.statement->told =
                        tracker.results() > 1 ? my::definitions_digest{} : tracker.told_definitions();
                now_.statement->cursor = tracker.cursor_open();
                if (now_.statement->long_data && now_.what == my::command::stmt_execute) {
                    now_.statement->long_data = false;
                    unpin(fmt::format("long data of statement {}", now_.statement->id));
                }
                const auto why = fmt::format("open cursor of statement {}", now_.statement->id);
                if (tracker.cursor_open())
                    pin(why);
                else
                    unpin(why);
            }
            break;
        case my::command::set_option:
            if (!failed) pin("COM_SET_OPTION"), part.spent = true;
            break;
        default:
            break;
    }
    const bool statement = now_.what == my::command::query || now_.what == my::command::stmt_execute ||
                           now_.what == my::command::stmt_bulk_execute;
    if (statement) {
        traffic.transactions += talk.in_transaction ? 0 : 1;
        if (now_.text) after_statement(*now_.text, failed);
        if (now_.text) note_draws(*now_.text, now_.draws);
        note_counts(failed);
        // What the OK tells may be a value that the statement gave itself; results, errors and former statements' OKs
        // tell of none.
        const bool untold_id =
            (failed || tracker.columns() > 0 || tracker.results() > 0) && (!now_.text || may_draw(*now_.text));
        if (tracker.last_insert_id() != 0 || untold_id) {
            talk.ask_insert_id = part.drawn = true;
            talk.drawn_here = talk.drawn_here || !talk.insert_id_ready;
        }
    }
    // A statement that is prepared does to the warnings what it does when it runs.
    const bool diagnoses = statement || prepares;
    if (diagnoses && (failed || !text || !(keeps_warnings(*text) || (now_.keeps && tracker.warnings() == 0)))) {
        warning_count_ = failed ? std::uint16_t{1} : tracker.warnings();
        error_count_.reset();
        warnings_known_ = false;
        talk.diagnosed = true;
    }
    // MariaDB tells of each write in the OK of its commit: what ends in rows is ended before it is committed, and an
    // ERR tells of nothing.
    const bool maria = part.tracks && part.version.find("MariaDB") != std::string::npos;
    const bool silent = failed || tracker.ends_in_rows();
    const bool told = maria && (!silent || (talk.in_transaction && text && text->parsed().statements.size() == 1));
    if (!told && statement && now_.text && !now_.text->reads() && !only_sets(*now_.text)) last_write_ = answered_;
    using kind = own_command::kind;
    // After an error the transaction may be over, and clients without DEPRECATE_EOF hear of changes with the next OK.
    const bool later =
        tells && tracker.session_state().empty() && (tracker.status() & my::status::session_state_changed) != 0;
    // But MariaDB tells no more of what a function has set, whose body may be one that is not seen, as may be a view's.
    // In a transaction an EOF announces that too, and of a write its place in the log.
    const bool view = text && text->reads() && !talk.in_transaction && !draws_by_name(*text);
    if (tells && tracker.untold_changes() && (view || !text || !calls_built_in_only(*text))) server.reset_needed = true;
    const bool ends_xa = text && std::any_of(text->parsed().statements.begin(), text->parsed().statements.end(),
                                             [](const router::statement& each) {
                                                 return each.verb == router::verb::xa_prepare ||
                                                        each.verb == router::verb::xa_commit ||
                                                        each.verb == router::verb::xa_rollback;
                                             });
    if ((failed && pinned()) || later)
        want_own({kind::ask_status, std::string("\1\0\0\0\x0e", 5), nullptr, nullptr, ends_xa ? "xa" : ""});
    if (diagnoses && !warnings_known_ && !talk.in_transaction && !pinned() && !was_in_transaction) warnings_.clear();
    // What is asked of a server that does not tell comes last: it changes what SHOW WARNINGS and the like say there.
    std::list<own_command> changes;
    if (dropped && !database_.empty()) {
        changes.swap(talk.own);
        own_of_ours(kind::ask_database, "SELECT DATABASE()");
        changes.swap(talk.own);
    }
    if (statement && now_.text && !part.tracks) {
        watch_transaction(*now_.text, was_in_transaction, talk.in_transaction, failed);
        changes.swap(talk.own);
        ask_what_changed(*now_.text, failed);
        changes.swap(talk.own);
    }
    const bool leaves = !talk.in_transaction && !pinned();
    const auto ask = [&](kind what, std::string_view sql) {
        std::string out;
        std::uint8_t sequence = 0;
        my::write_command(out, sequence, my::command::query, sql);
        want_own({what, std::move(out), nullptr, nullptr, {}});
    };
    if (diagnoses && (leaves || (failed && !pinned()) || !changes.empty())) {
        const bool shows = text && !text->parsed().statements.empty() && text->parsed().statements.back().asks_warnings;
        if (warning_count_ > 0 && !shows && !warnings_known_) ask(kind::ask_warnings, "SHOW WARNINGS");
        if (leaves) {
            for (const auto& each : talk.drawn) {
                ask(kind::ask_sequence, fmt::format("SELECT LASTVAL({})", each));
                talk.own.back().text = each;
            }
            talk.drawn.clear();
        }
        if (std::exchange(talk.ask_insert_id, false))
            ask(kind::ask_insert_id, "SELECT LAST_INSERT_ID(), LAST_INSERT_ID(0)");
    }
    for (auto& each : changes) want_own(std::move(each));
    now_ = running();
    if (!talk.own.empty()) send_own();
    trim_statements();
}

}  // namespace ringway::proxy::mysql
