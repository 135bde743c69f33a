// Commands of ours on the leased connection: what it takes before the client's command can run there, and what is to be
// known of it after.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "protocol/mysql/command.hpp"
#include "protocol/mysql/result.hpp"
#include "proxy/mysql/session.hpp"
#include "proxy/net/worker.hpp"

namespace ringway::proxy::mysql {

namespace my = protocol::mysql;
using config::fault_kind;

namespace {

std::string packet_of(my::command what, std::string_view text) {
    std::string out;
    std::uint8_t sequence = 0;
    my::write_command(out, sequence, what, text);
    return out;
}

/// The first value of the first row in a whole answer in the text protocol; nullopt: NULL, or there is none.
std::optional<std::string> first_value(std::string_view answer, my::capability::flags capabilities) {
    my::packet_decoder packets;
    std::string_view rest = answer;
    std::uint64_t before = my::capability::has(capabilities, my::capability::deprecate_eof) ? 0 : 1;
    bool counted = false;
    while (const auto part = packets.next(rest)) {
        my::reader in(part->bytes);
        if (!std::exchange(counted, true)) {
            before += in.lenenc();  // columns
            continue;
        }
        if (before > 0) {
            --before;
            continue;
        }
        const auto value = in.lenenc_value();
        if (!value || !in.ok()) return std::nullopt;
        return std::string(*value);
    }
    return std::nullopt;
}

}  // namespace

bool session::asks_insert_id(const reading& text) {
    const auto& all = text.parsed().statements;
    return text.unknown() || std::any_of(all.begin(), all.end(), [](const router::statement& each) {
               const bool runs_text = each.verb == router::verb::call || each.verb == router::verb::compound ||
                                      each.verb == router::verb::execute;
               return runs_text || each.asks_insert_id ||
                      std::any_of(each.effects.begin(), each.effects.end(), [](const router::effect& what) {
                          return what.what ==
                                     router::effect::kind::settings_unknown ||  // views and routines may ask too
                                 what.what == router::effect::kind::execute_immediate;
                      });
           });
}

bool session::may_draw(const reading& text) {
    const auto& all = text.parsed().statements;
    return std::any_of(all.begin(), all.end(), [](const router::statement& each) {
        using router::verb;
        return each.verb == verb::insert || each.verb == verb::replace || each.verb == verb::load_data ||
               (each.verb == verb::explain && each.writes);
    });
}

/// What every statement needs on its connection: the client's variables and database. LAST_INSERT_ID() is 0 there until
/// the client has drawn one; what another client has left behind would pass for the client's after an INSERT.
bool session::prepare_lease(bool asks_insert_id, bool may_draw) {
    auto& server = *talk_->server;
    auto& part = static_cast<pool::mysql_part&>(*server.part);
    using kind = own_command::kind;
    if (server.settings != settings_) {
        auto sql = pool::mysql_settings_change(*server.settings, *settings_);
        if (sql.empty())
            server.settings = settings_;
        else
            want_own({kind::settings, packet_of(my::command::query, sql), settings_, nullptr, {}});
    }
    if (!database_.empty() && part.database != database_)
        want_own({kind::database, packet_of(my::command::init_db, database_), nullptr, nullptr, database_});
    const bool others = part.drawn && !talk_->drawn_here;
    if ((asks_insert_id || (may_draw && others)) && !talk_->insert_id_ready) {
        const auto sql =
            others ? fmt::format("SET @@SESSION.last_insert_id={}", last_insert_id_)
                   : fmt::format(
                         "SET @@SESSION.last_insert_id=IF(LAST_INSERT_ID()=0,CAST({} AS UNSIGNED),LAST_INSERT_ID())",
                         last_insert_id_);
        want_own({kind::insert_id, packet_of(my::command::query, sql), nullptr, nullptr, {}});
        talk_->ask_insert_id = talk_->ask_insert_id || may_draw;
    }
    for (const auto& each : begun_)
        want_own({kind::begin, packet_of(my::command::query, each), nullptr, nullptr, each});
    if (talk_->own.empty()) return true;
    talk_->preparing = true;
    send_own();
    return phase_ == phase::idle;
}

void session::send_own() {
    auto& talk = *talk_;
    while (!talk.own.empty() && talk.own.front().what == own_command::kind::drop) {
        talk.server->link.write_command(talk.own.front().packet);
        talk.own.pop_front();
    }
    if (talk.own.empty()) return;
    const auto& next = talk.own.front();
    phase_ = phase::own;
    talk.answer.clear();
    talk.tracker.begin(static_cast<my::command>(next.packet[my::header_size]));
    talk.tracker.pass_all();
    talk.server->link.write_command(next.packet);
    talk.server->link.want_read();
}

/// The answer to the first of ours is there.
void session::own_done() {
    auto& talk = *talk_;
    auto& server = *talk.server;
    auto& part = static_cast<pool::mysql_part&>(*server.part);
    const auto done = std::move(talk.own.front());
    talk.own.pop_front();
    const auto& error = talk.tracker.error();
    using kind = own_command::kind;
    if (error.code == 0 && done.what != kind::prepare) talk.in_transaction = talk.tracker.in_transaction();
    // ROW_COUNT() there is of ours now, FOUND_ROWS() where rows were read.
    talk.touched = false;
    if (talk.tracker.columns() > 0 && done.what != kind::ask_warnings) talk.counted = false;
    switch (done.what) {
        case kind::settings:
            if (error.code == 0) server.settings = done.settings;
            break;
        case kind::database:
            if (error.code == 0) part.database = done.text;
            break;
        case kind::prepare:
            if (error.code == 0) {
                const auto& made = talk.tracker.statement();
                part.statements[done.statement->id] = {made.id, made.parameters, 0};
                server.statements.add(done.statement);
            } else if (error.code == too_many_statements && close_unused_statements()) {
                talk.own.push_front(done);
                return send_own();
            }
            break;
        case kind::ask_warnings:
            warnings_ = error.code == 0 && talk.tracker.rows() > 0 ? talk.answer : std::string();
            note_warnings();
            break;
        case kind::ask_insert_id:
            if (const auto value = first_value(talk.answer, part.capabilities);
                value && (*value != "0" || talk.insert_id_set))
                std::from_chars(value->data(), value->data() + value->size(), last_insert_id_);
            if (error.code != 0) break;
            part.drawn = talk.drawn_here = talk.insert_id_ready = talk.insert_id_set = false;  // it is 0 there now
            break;
        case kind::ask_sequence:
            if (const auto value = first_value(talk.answer, part.capabilities); value && error.code == 0)
                drawn_values_[done.text] = *value;
            break;
        case kind::ask_collation:
            if (const auto value = first_value(talk.answer, part.capabilities)) {
                settings_ = settings_->without("character_set_connection");
                settings_ = settings_->with("collation_connection", pool::mysql_value_text("", *value));
                server.settings = settings_;
            }
            break;
        case kind::ask_variables:
            note_variables(done.text);
            break;
        case kind::ask_database:
            note_database();
            break;
        case kind::clear:
            talk.cleared = true;
            break;
        case kind::insert_id:
            talk.insert_id_ready = error.code == 0;
            part.drawn = true;
            break;
        case kind::ask_status:
            if (done.text != "over" && !talk.tracker.session_state().empty())
                note_changes(talk.tracker.session_state());
            if (done.text == "xa" && error.code == 0 && !talk.in_transaction)
                forget_prepared(), unpin("XA transaction");
            break;
        case kind::leave:
            if (error.code == 0) {
                begun_ = std::move(talk.ties);
                talk.ties.clear();
            }
            break;
        case kind::begin:
            if (error.code == 0) {
                talk.ties.push_back(done.text);
                if (!begun_.empty()) begun_.erase(begun_.begin());
            }
            break;
        case kind::drop:
            break;
    }
    std::string().swap(talk.answer);
    phase_ = phase::idle;
    if ((done.what == kind::leave || done.what == kind::begin) && error.code != 0) {
        // Without its transaction the client's statements would stand by themselves.
        server.doomed = true;
        return end_with(
            {fault_kind::server_lost, "the transaction could not be begun on its shard", error.message, {}});
    }
    const bool prepares = done.what == kind::settings || done.what == kind::database || done.what == kind::prepare ||
                          done.what == kind::insert_id;
    if (prepares && error.code != 0) {  // the client's command cannot run as it should
        talk.own.clear();
        failure_ = error;
        if (done.what == kind::settings || done.what == kind::insert_id) server.doomed = true;
        return;
    }
    if (!talk.own.empty()) send_own();
}

}  // namespace ringway::proxy::mysql
