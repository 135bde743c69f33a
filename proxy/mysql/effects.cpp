// What statements do to the session.

#include <fmt/format.h>

#include <algorithm>

#include "protocol/mysql/command.hpp"
#include "proxy/mysql/session.hpp"
#include "proxy/net/worker.hpp"
#include "router/mysql/lexer.hpp"

namespace ringway::proxy::mysql {

namespace my = protocol::mysql;

namespace {

std::string lowered(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = router::mysql::lower(c);
    return out;
}

constexpr std::string_view temporary = "temporary table", user_lock = "user lock", found = "SQL_CALC_FOUND_ROWS",
                           handler = "HANDLER", xa = "XA transaction";

/// The first value of a whole answer in the text protocol is 1.
bool first_is_one(std::string_view answer, my::capability::flags capabilities) {
    my::packet_decoder packets;
    std::size_t before = my::capability::has(capabilities, my::capability::deprecate_eof) ? 2 : 3;
    while (const auto part = packets.next(answer))
        if (before-- == 0)
            return part->bytes == std::string_view(
                                      "\x01"
                                      "1",
                                      2);
    return false;
}

/// A prepared transaction ends with its connection, rolled back.
bool loses_prepared(const router::mysql_modes& servers) {
    return servers.version < (servers.mariadb ? 100500 : 50707);
}

}  // namespace

void session::pin(const std::string& why) {
    if (std::find(pins_.begin(), pins_.end(), why) == pins_.end()) pins_.push_back(why);
    if (talk_) talk_->server->reset_needed = true;
}

void session::unpin(std::string_view why) {
    std::erase(pins_, why);
}

void session::before_statement(const reading& text) {
    bool asks = false;
    for (const auto& each : text.parsed().statements) asks = asks || each.asks_found_rows;
    if (std::exchange(calculated_rows_, false) && !asks) unpin(found);
    if (asks) calculated_rows_ = std::find(pins_.begin(), pins_.end(), found) != pins_.end();
}

/// COMMIT RELEASE and its kin, of a text that has run well: the server ends the connection.
bool session::releases(const reading& text) const {
    if (text.parsed().statements.empty() || text.unknown()) return false;
    const auto& last = text.parsed().statements.back();
    if (last.verb != router::verb::commit && last.verb != router::verb::rollback) return false;
    const auto* const completion = settings_->find("completion_type");
    const bool by_default = completion && (*completion == "'RELEASE'" || *completion == "2");
    return last.release || (by_default && lowered(text.plan->shape_text).find("no release") == std::string::npos);
}

void session::apply(const router::effect& what, const router::statement& of) {
    using kind = router::effect::kind;
    switch (what.what) {
        case kind::pin:
            if (what.pin == temporary)
                for (const auto& table : of.block.tables)
                    if (table.written) temporary_tables_.insert(table.name);
            if (what.pin == handler) handlers_.insert(of.name);
            if (what.pin == user_lock) {
                if (now_.peeks && first_is_one(talk_->answer, talk_->tracker_capabilities))
                    user_locks_ = untold() ? 1 : user_locks_ + 1;  // MySQL 5.6 gives up the lock that it has
                if (user_locks_ == 0) break;
            }
            pin(what.pin);
            break;
        case kind::unpin_lock:
            if (user_locks_ > 0 && first_is_one(talk_->answer, talk_->tracker_capabilities)) --user_locks_;
            if (user_locks_ == 0) unpin(user_lock);
            break;
        case kind::unpin_locks:
            user_locks_ = 0;
            unpin(user_lock);
            break;
        case kind::set_user_variable:
            pin("user variable");
            break;
        case kind::settings_unknown:
            pin(of.verb == router::verb::call ? "stored procedure" : "a statement that may do anything");
            break;
        case kind::prepare:
            pin("SQL PREPARE");
            break;
        case kind::execute_immediate:
        case kind::execute:
            pin("SQL EXECUTE");
            break;
        case kind::drop_temporary:
            temporary_tables_.erase(what.name);
            if (temporary_tables_.empty()) unpin(temporary);
            break;
        case kind::handler_close:
            handlers_.erase(what.name);
            if (handlers_.empty()) unpin(handler);
            break;
        case kind::catalog_changed:
            note_definition(of);
            for (const auto& table : of.block.tables)  // DROP SEQUENCE forgets what was drawn
                drawn_values_.erase(
                    fmt::format("`{}`.`{}`", table.schema.empty() ? database_ : table.schema, table.name));
            who_.cluster->now->schema->fetch_add(1, std::memory_order_acq_rel);
            home_.owner.catalog_changed(who_.cluster->now->config.name);
            break;
        case kind::unlock_tables:
            unpin("LOCK TABLES");
            unpin("read lock");
            break;
        case kind::unlock_backup:
            unpin("backup stage");
            unpin("backup lock");
            break;
        default:
            break;
    }
}

void session::after_statement(const reading& text, bool failed) {
    const bool several = text.parsed().statements.size() > 1;
    if (failed && !several && talk_->tracker.results() == 0) return;
    if (text.unknown()) pin("a statement that may do anything");
    for (const auto& each : text.parsed().statements) {
        for (const auto& what : each.effects) apply(what, each);
        if (each.calculates_found_rows) {
            pin(std::string(found));
            calculated_rows_ = true;
        }
        switch (each.verb) {
            case router::verb::call:
                pin("stored procedure");
                break;
            case router::verb::compound:
                pin("compound statement");
                break;
            case router::verb::xa_start:
                pin(std::string(xa));
                break;
            case router::verb::xa_prepare:
                if (!loses_prepared(modes())) hold_prepared(each.name);
                break;
            case router::verb::xa_rollback:
            case router::verb::xa_commit:
                forget_prepared();
                unpin(xa);
                break;
            default:
                break;
        }
        bool sets = each.sets_insert_id;
        for (const auto& what : each.effects)
            sets = sets || (what.what == router::effect::kind::set &&
                            (what.name == "last_insert_id" || what.name == "identity"));
        if (!sets) continue;
        talk_->ask_insert_id = talk_->insert_id_ready = talk_->insert_id_set = true;
        static_cast<pool::mysql_part&>(*talk_->server->part).drawn = true;
    }
    if (!temporary_tables_.empty()) pin(std::string(temporary));
}

/// The server keeps statements' texts for SHOW PROFILES on the connection, whoever asks there.
void session::note_profiling(std::string_view value) {
    if (value != "ON" && value != "1") return;
    pin("SET profiling");
    static_cast<pool::mysql_part&>(*talk_->server->part).spent = true;
}

/// COM_RESET_CONNECTION, and what a change of user undoes.
void session::reset_session() {
    pins_.clear();
    begun_.clear();
    forget_prepared();
    temporary_tables_.clear();
    handlers_.clear();
    user_locks_ = 0;
    calculated_rows_ = false;
    forget_statements();
    settings_ = base_;
    last_insert_id_ = 0;
    drawn_values_.clear();
    row_count_ = 0;
    found_rows_ = 0;
    found_known_ = true;
    warning_count_ = 0;
    error_count_ = 0;
    warnings_.clear();
    warnings_known_ = false;
}

}  // namespace ringway::proxy::mysql
