// The client's prepared statements: it and each server know them by numbers of their own.

#include <fmt/format.h>

#include <atomic>
#include <set>

#include "protocol/mysql/command.hpp"
#include "proxy/mysql/session.hpp"
#include "proxy/net/worker.hpp"

namespace ringway::proxy::mysql {

namespace my = protocol::mysql;
using config::fault_kind;

namespace {
std::atomic<std::uint64_t> next_mark{1};
}

statement_ref session::find_statement(std::uint32_t id) const {
    if (id == my::last_prepared && is_mariadb()) id = last_prepared_;
    if (!statements_) return nullptr;
    const auto it = statements_->find(id);
    return it == statements_->end() ? nullptr : it->second;
}

void session::unknown_statement(std::uint32_t id, std::string_view where) {
    send_error(1243, "HY000", fmt::format("Unknown prepared statement handler ({}) given to {}", id, where), 1);
}

pool::mysql_statement* session::on_server(const client_statement& what) {
    auto& part = static_cast<pool::mysql_part&>(*talk_->server->part);
    const auto it = part.statements.find(what.what->id);
    if (it == part.statements.end()) return nullptr;
    talk_->server->statements.touch(*what.what);
    return &it->second;
}

bool session::on_prepare(std::string_view packets, std::string_view payload) {
    if (wait_for_catalog()) return false;
    const auto sql = my::read_text_argument(payload);
    auto text = read_text(sql);
    if (auto why = refusal_of(*text)) {
        refuse(*why);
        return true;
    }
    if (sets_tracking(*text)) {
        refuse({fault_kind::unsupported,
                "session_track_... in a prepared statement",
                {},
                "set it by a SET of the text protocol"});
        return true;
    }
    if (asks_last_value(*text)) {
        refuse({fault_kind::unsupported,
                "LASTVAL() in a prepared statement",
                {},
                "ask for it in a statement of the text protocol"});
        return true;
    }
    for (const auto& each : text->parsed().statements)
        if (each.asks_row_count || each.asks_found_rows || each.asks_connection_id || each.asks_warnings) {
            if (each.asks_connection_id) {
                refuse({fault_kind::unsupported,
                        "CONNECTION_ID() in a prepared statement",
                        {},
                        "ask for it in a statement of the text protocol"});
                return true;
            }
            pin("a prepared statement that asks what the one before it did");
        }
    auto to = wish_for(*text);
    const bool waits = text->plan && text->plan->placement == router::placement::single && !text->plan->keys.empty();
    if (auto why = waits ? std::nullopt : find_shard(*text, sql, {}, to)) {  // else its values decide where it runs
        refuse(*why);
        return true;
    }
    if (waits && text->plan->fixed_shard) to.shard = *text->plan->fixed_shard;
    if (auto why = tied_elsewhere(to)) {
        refuse(*why);
        return true;
    }
    if (!move_to(to) || !seek(to)) return false;
    if (!prepare_lease(false, false)) return false;
    running next;
    next.what = my::command::stmt_prepare;
    next.text = text;
    // What a text means depends on the database, the modes and the character set it is prepared under.
    std::string under = database_;
    for (const auto& [name, value] : settings_->entries())
        under.append(1, '\0').append(name).append(1, '=').append(value);
    next.preparing = text->unknown() ? pool::lone_prepared(sql, under) : pool::share_prepared(sql, under, 0);
    if (statements_)  // each has cursors and long data of its own
        for (const auto& [number, other] : *statements_)
            if (other->what == next.preparing) {
                next.preparing = pool::lone_prepared(sql, under);
                break;
            }
    next.replayable = !in_transaction() && !pinned();  // nothing runs yet
    next.retained = packets;
    // Another number of the same text there would be forgotten: the new one takes its place.
    auto& part = static_cast<pool::mysql_part&>(*talk_->server->part);
    if (const auto had = part.statements.find(next.preparing->id); had != part.statements.end()) {
        std::string out;
        std::uint8_t sequence = 0;
        my::write_statement_command(out, sequence, my::command::stmt_close, had->second.id);
        talk_->server->link.write_command(out);
        part.statements.erase(had);
        talk_->server->statements.remove(*next.preparing);
    }
    begin_command(std::move(next));
    talk_->server->link.write_command(packets);
    return true;
}

/// A new shard map or new catalogs may place it elsewhere, or tell of triggers.
void session::read_again(client_statement& what) const {
    const auto& old = what.text->plan;
    if (!old) return;
    const auto version = who_.cluster->catalog ? who_.cluster->catalog->version : 0;
    if (old->map_epoch == who_.cluster->now->map->epoch && old->catalog_version == version) return;
    what.text = read_text(what.what->query, what.database, modes_of(*what.settings));
}

/// Has the leased server know the statement. False: under way.
bool session::ensure_prepared(const client_statement& what) {
    if (on_server(what)) return prepare_lease(false, false);
    using kind = own_command::kind;
    const auto packet = [](my::command command, std::string_view text) {
        std::string out;
        std::uint8_t sequence = 0;
        my::write_command(out, sequence, command, text);
        return out;
    };
    auto& part = static_cast<pool::mysql_part&>(*talk_->server->part);
    // Under what it was prepared first; what the client has now comes after.
    if (talk_->server->settings != what.settings) {
        auto sql = pool::mysql_settings_change(*talk_->server->settings, *what.settings);
        if (!sql.empty()) want_own({kind::settings, packet(my::command::query, sql), what.settings, nullptr, {}});
    }
    if (!what.database.empty() && part.database != what.database)
        want_own({kind::database, packet(my::command::init_db, what.database), nullptr, nullptr, what.database});
    want_own({kind::prepare, packet(my::command::stmt_prepare, what.what->query), nullptr, what.what, {}});
    talk_->preparing = true;
    send_own();
    return false;
}

/// A statement that asks what the one before it did, which did it elsewhere: with the values as literals, to be
/// prepared for this execution.
std::optional<client_statement> session::with_counts(const client_statement& what) const {
    const auto& all = what.text->parsed().statements;
    const bool asks = std::any_of(all.begin(), all.end(), [](const router::statement& each) {
        return each.asks_row_count || each.asks_found_rows || each.asks_warnings;
    });
    if (!asks || what.long_data) return std::nullopt;
    const auto sql = rewritten(*what.text, what.what->query);
    if (!sql) return std::nullopt;
    auto out = what;
    out.what = pool::share_prepared(*sql, fmt::format("values in {}", what.what->id), 0);
    return out;
}

bool session::on_execute(std::string_view packets, std::string_view payload) {
    if (wait_for_catalog()) return false;
    const bool bulk = static_cast<my::command>(payload[0]) == my::command::stmt_bulk_execute;
    const auto id = my::read_statement_id(payload);
    const auto statement = id ? find_statement(*id) : nullptr;
    if (!statement) {
        unknown_statement(id.value_or(0), bulk ? "mysqld_stmt_bulk_execute" : "mysqld_stmt_execute");
        return true;
    }
    if (auto why = refusal_of(*statement->text)) {
        refuse(*why);
        return true;
    }
    if (wait_for_triggers(*statement->text)) return false;
    read_again(*statement);
    auto to = wish_for(*statement->text);
    if (auto why = find_shard_of_execution(*statement, payload, to)) {
        refuse_route(std::move(*why), *statement->text);
        return true;
    }
    before_statement(*statement->text);
    if (!move_to(to) || !seek(to) || !has_clean_sequences(*statement->text)) return false;
    const auto with_values = with_counts(*statement);
    const auto& as_run = with_values ? *with_values : *statement;
    if (!ensure_prepared(as_run)) return false;
    follow_ties(*statement->text, {});
    if (!prepare_lease(*statement->text)) return false;
    if (who_.cluster->now->log_queries) log_statement(*statement->text, statement->what->query);
    auto* const there = on_server(as_run);
    std::string out(packets);
    bool sends_types = true;
    if (bulk) {
        auto read = my::read_bulk(payload);
        sends_types = read && read->sends_types();
        if (sends_types) my::read_bulk_types(*read, statement->parameters, statement->types);
    } else if (statement->parameters > 0) {
        const auto execute = my::read_execute(payload);
        const std::size_t types_at = (statement->parameters + 7u) / 8u;
        sends_types = execute && execute->rest.size() > types_at && execute->rest[types_at] != 0;
        if (sends_types) {
            my::reader in(execute->rest.substr(types_at + 1));
            statement->types.assign(statement->parameters, {});
            for (auto& each : statement->types) {
                each.type = static_cast<my::field_type>(in.u8());
                each.is_unsigned = (in.u8() & 0x80) != 0;
            }
        } else if (there->types_of != statement->mark) {
            out.clear();
            std::uint8_t sequence = 0;
            auto again = execute && my::write_execute_with_types(out, sequence, payload, statement->parameters,
                                                                 statement->types, capabilities_);
            if (!again) {
                send_error(1210, "HY000", "Incorrect arguments to mysqld_stmt_execute", 1);
                if (talk_ && phase_ == phase::idle) settle();
                return true;
            }
        }
    }
    if (bulk && !sends_types && there->types_of != statement->mark) {
        refuse({fault_kind::unsupported,
                "bulk execution without types on another server connection",
                {},
                "send the types with each execution"});
        return true;
    }
    if (sends_types) statement->mark = next_mark.fetch_add(1, std::memory_order_relaxed);
    there->types_of = statement->mark;
    my::replace_statement_id(out.data() + my::header_size, there->id);
    running next;
    next.what = static_cast<my::command>(payload[0]);
    next.statement = statement;
    next.text = statement->text;
    if (draws_by_name(*next.text)) next.draws = statement->what->query;
    next.replayable = statement->text->reads() && !in_transaction() && !statement->long_data && !statement->cursor;
    if (next.replayable) next.holds = wants_holding(*statement->text, true), next.retained = packets;
    begin_command(std::move(next));
    talk_->server->link.write_command(out);
    return true;
}

/// COM_STMT_SEND_LONG_DATA, COM_STMT_RESET, COM_STMT_FETCH.
bool session::on_statement(my::command what, std::string_view packets, std::string_view payload) {
    const auto id = my::read_statement_id(payload);
    const auto statement = id ? find_statement(*id) : nullptr;
    if (!statement) {
        if (what == my::command::stmt_send_long_data) return true;
        unknown_statement(id.value_or(0), what == my::command::stmt_fetch ? "mysqld_stmt_fetch" : "mysqld_stmt_reset");
        return true;
    }
    if (what == my::command::stmt_reset && !statement->long_data && !statement->cursor) {
        send_ok(1);  // there is nothing on any server to be reset
        return true;
    }
    auto to = wish_for(*statement->text);
    if (what == my::command::stmt_send_long_data && is_sharded()) {
        if (!statement->text->plan->keys.empty()) {  // its execution is refused
            statement->long_data = true;
            return true;
        }
        if (find_shard(*statement->text, {}, {}, to)) return true;
        if (!move_to(to)) return false;
    }
    if (!seek(to)) return false;
    if (!ensure_prepared(*statement)) return false;
    if (what == my::command::stmt_send_long_data) {
        statement->long_data = true;
        pin(fmt::format("long data of statement {}", statement->id));
    } else if (what == my::command::stmt_reset) {
        if (std::exchange(statement->long_data, false)) unpin(fmt::format("long data of statement {}", statement->id));
        if (std::exchange(statement->cursor, false)) unpin(fmt::format("open cursor of statement {}", statement->id));
    }
    std::string out(packets);
    my::replace_statement_id(out.data() + my::header_size, on_server(*statement)->id);
    running next;
    next.what = what;
    next.statement = statement;
    begin_command(std::move(next));
    talk_->server->link.write_command(out);
    if (!my::has_reply(what)) finish_command();
    return true;
}

/// The server keeps it for others who prepare the same; what is open on it ends.
void session::on_close(std::string_view payload) {
    const auto id = my::read_statement_id(payload);
    const auto statement = id ? find_statement(*id) : nullptr;
    if (!statement) return;
    if (talk_ && (statement->long_data || statement->cursor)) {
        auto& part = static_cast<pool::mysql_part&>(*talk_->server->part);
        if (const auto it = part.statements.find(statement->what->id); it != part.statements.end()) {
            std::string out;
            std::uint8_t sequence = 0;
            my::write_statement_command(out, sequence, my::command::stmt_close, it->second.id);
            talk_->server->link.write_command(out);
            part.statements.erase(it);
            talk_->server->statements.remove(*statement->what);
        }
    }
    unpin(fmt::format("long data of statement {}", statement->id));
    unpin(fmt::format("open cursor of statement {}", statement->id));
    if (last_prepared_ == statement->id) last_prepared_ = 0;
    statements_->erase(statement->id);
    if (talk_ && phase_ == phase::idle) settle();
}

/// Closes, on the leased server, the statements that this client has not prepared: they are kept there for whoever
/// prepares them again. True: there were some.
bool session::close_unused_statements() {
    auto& server = *talk_->server;
    auto& part = static_cast<pool::mysql_part&>(*server.part);
    std::set<std::uint64_t> used;
    if (statements_)
        for (const auto& [number, each] : *statements_) used.insert(each->what->id);
    std::string out;
    for (auto it = part.statements.begin(); it != part.statements.end();) {
        if (used.count(it->first) > 0) {
            ++it;
            continue;
        }
        std::uint8_t sequence = 0;
        my::write_statement_command(out, sequence, my::command::stmt_close, it->second.id);
        pool::prepared gone;
        gone.id = it->first;
        server.statements.remove(gone);
        it = part.statements.erase(it);
    }
    if (out.empty()) return false;
    server.link.write_command(out);
    return true;
}

/// max_prepared_stmt_count is reached, perhaps by what is only kept. False: it is not.
bool session::prepare_again() {
    if (now_.retained.empty() || !close_unused_statements()) return false;
    auto next = std::move(now_);
    const auto packets = next.retained;
    begin_command(std::move(next));
    talk_->server->link.write_command(packets);
    return true;
}

/// Closes what is over the connection's limit of statements.
void session::trim_statements() {
    if (!talk_ || phase_ != phase::idle || in_transaction() || pinned()) return;
    auto& server = *talk_->server;
    auto& part = static_cast<pool::mysql_part&>(*server.part);
    while (const auto old = server.statements.evict(who_.who->limits.statement_cache_bytes)) {
        const auto it = part.statements.find(old->id);
        if (it == part.statements.end()) continue;
        std::string out;
        std::uint8_t sequence = 0;
        my::write_statement_command(out, sequence, my::command::stmt_close, it->second.id);
        server.link.write_command(out);
        part.statements.erase(it);
    }
}

void session::forget_statements() {
    statements_.reset();
    last_prepared_ = 0;
}

}  // namespace ringway::proxy::mysql
