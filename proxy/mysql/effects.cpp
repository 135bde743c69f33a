// What statements do to the session, and what of the statement before a statement asks for.

#include <fmt/format.h>

#include <algorithm>

#include "protocol/mysql/command.hpp"
#include "protocol/mysql/result.hpp"
#include "proxy/mysql/session.hpp"
#include "proxy/net/worker.hpp"
#include "router/mysql/lexer.hpp"

namespace ringway::proxy::mysql {

namespace my = protocol::mysql;

namespace {

constexpr std::string_view temporary = "temporary table", user_lock = "user lock", found = "SQL_CALC_FOUND_ROWS",
                           handler = "HANDLER", xa = "XA transaction";

std::string lowered(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) { return router::mysql::lower(c); });
    return out;
}

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

bool names_no_table(const router::query_block& block) {
    return block.tables.empty() && block.derived.empty() && !block.insert &&
           std::all_of(block.children.begin(), block.children.end(), names_no_table);
}

/// A whole result, for a client that hears whether definitions follow the number of columns.
std::string with_definitions_told(std::string_view result) {
    std::string out;
    my::packet_header header;
    if (!my::read_header(result, header)) return std::string(result);
    auto sequence = header.sequence;
    my::writer(out, sequence).bytes(result.substr(my::header_size, header.length)).u8(1);
    return out.append(result.substr(header.total()));
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
                if (loses_prepared(modes())) break;
                talk_->server->doomed = true;  // the connection stays with its transaction: others get another one
                talk_->in_transaction = false;
                [[fallthrough]];
            case router::verb::xa_rollback:
            case router::verb::xa_commit:
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

/// Of the statement that has just run well. A server forgets the warnings of the one before it at a statement that uses
/// a table or a derived one, or warns itself.
bool session::keeps_warnings(const reading& text) const {
    const auto& parsed = text.parsed();
    if (text.unknown() || parsed.statements.size() != 1) return false;
    const auto& one = parsed.statements.front();
    if (one.asks_warnings && (one.verb == router::verb::show || one.verb == router::verb::diagnostics)) return true;
    if (talk_->tracker.warnings() > 0) return false;
    switch (one.verb) {
        case router::verb::select:
        case router::verb::evaluate:
        case router::verb::set:
        case router::verb::begin:
        case router::verb::commit:
        case router::verb::rollback:
        case router::verb::savepoint:
        case router::verb::release:
        case router::verb::rollback_to:
        case router::verb::use_database:
            break;
        default:
            return false;
    }
    if (!names_no_table(one.block)) return false;
    const auto* catalog = who_.cluster->catalog.get();
    return std::none_of(one.functions.begin(), one.functions.end(), [&](const auto& each) {
        return !catalog || catalog->function_places.count(each.second) != 0;  // a stored one may use tables
    });
}

/// The connection that is held can be asked about the statement before.
bool session::has_own_diagnostics() const noexcept {
    return talk_ && (in_transaction() || pinned()) && !talk_->overlaid && (talk_->diagnosed || !warnings_known_);
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
    temporary_tables_.clear();
    handlers_.clear();
    user_locks_ = 0;
    calculated_rows_ = false;
    forget_statements();
    settings_ = base_;
    last_insert_id_ = 0;
    row_count_ = 0;
    found_rows_ = 0;
    warning_count_ = 0;
    warnings_.clear();
    warnings_known_ = false;
}

/// What can be answered without a server, as it is known here only.
bool session::answer_locally(const reading& text, std::string_view sql) {
    if (has_own_diagnostics()) return false;
    if (text.parsed().statements.size() != 1 || !text.parsed().statements.front().asks_warnings) return false;
    router::mysql::lexer words(sql, modes());
    std::string all;
    for (auto token = words.next(); token.kind != router::mysql::token_kind::end; token = words.next()) {
        if (token.kind == router::mysql::token_kind::bad) return false;
        const auto word = sql.substr(token.offset, token.length);
        if (word != ";") all += (all.empty() ? "" : " ") + lowered(word);
    }
    if (all == "show warnings" && !warnings_.empty()) {
        if (my::capability::has(capabilities_, my::capability::mariadb_cache_metadata))
            emit(with_definitions_told(warnings_));
        else
            emit(warnings_);
        return true;
    }
    if (all == "show count ( * ) warnings" && warning_count_ > 0) {
        std::string out;
        std::uint8_t sequence = 1;
        const my::column_definition column{.schema = {},
                                           .table = {},
                                           .original_table = {},
                                           .name = "@@session.warning_count",
                                           .original_name = {},
                                           .extended = {},
                                           .collation = my::binary_collation,
                                           .length = 21,
                                           .type = my::field_type::int64,
                                           .flags = my::column_flag::is_unsigned | my::column_flag::binary,
                                           .decimals = 0};
        const auto number = fmt::format("{}", warning_count_);
        const my::text_value values[] = {number};
        my::write_result_head(out, sequence, std::span(&column, 1), status(), capabilities_);
        my::write_text_row(out, sequence, values);
        my::write_result_end(out, sequence, status(), 0, capabilities_);
        emit(out);
        return true;
    }
    return false;
}

}  // namespace ringway::proxy::mysql
