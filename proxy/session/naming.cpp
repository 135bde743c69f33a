// What servers call a client's prepared statements. Connections that many clients use know a statement by a name of
// ours, which goes with its text. A session that keeps its connection may have its own names there: in session mode
// from the start, in transaction mode once it has asked in a way in which names of ours would be seen.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <span>

#include "proxy/net/worker.hpp"
#include "proxy/session/outgoing.hpp"
#include "proxy/session/session.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;

/// A statement of ours, at this place of the pipeline. Its replies are for nobody.
void session::run_own(std::string_view sql) {
    auto& out = outgoing();
    auto& replies = talk_->replies;
    if (!in_batch_) {
        pg::write_query(out, sql);
        replies.push(expected_reply::kind::query, expected_reply::to::nobody);
        return;
    }
    pg::write_parse(out, {}, sql, {});
    pg::write_bind_head(out, {}, {}, 6);
    out.append(6, '\0');
    pg::write_execute(out, {}, 0);
    talk_->server->unnamed.reset();
    talk_->unnamed_portal.reset();
    replies.push(expected_reply::kind::parse, expected_reply::to::nobody);
    replies.push(expected_reply::kind::bind, expected_reply::to::nobody);
    replies.push(expected_reply::kind::execute, expected_reply::to::nobody);
}

/// The statement as the client has written it.
pool::prepared_ref session::own_prepared_of(std::string_view name, const client_statement& what) const {
    if (own_names_) return what.text;
    if (!what.by_sql) return pool::own_prepared(name, what.planned_text(), what.text->types);
    auto query = what.text->query;
    query.replace(what.spelled_at, what.text->name.size(), what.spelled);
    return pool::own_prepared(name, query, {});
}

/// A PREPARE that the server alone hears of: by the extended protocol, or as one of several statements.
bool session::prepares_unseen(const router::plan& plan) const {
    const auto& all = plan.parsed.statements;
    if (!in_batch_ && all.size() == 1) return false;
    return std::any_of(all.begin(), all.end(), [](const router::statement& one) {
        return std::any_of(one.effects.begin(), one.effects.end(),
                           [](const router::effect& what) { return what.what == router::effect::kind::prepare; });
    });
}

/// Before a statement is sent to which names of ours would be an answer, or that makes names beside them.
void session::follow_names(const router::plan& plan) {
    if (names_cleared_ || talk_->status == 'E') return;
    if (wants_own_names_ || runs_any(plan, &router::plan::asks_statements) || prepares_unseen(plan)) take_own_names();
}

/// A statement that a function may have prepared, or one of several in a text: where names are the client's own the
/// server knows.
bool session::passes_unknown(std::string_view name) const {
    return own_names_ && !name.empty() && !who_.cluster->now->map->is_sharded();
}

void session::take_own_names() {
    // A pinned session may have statements that only the server knows: PREPARE by the extended protocol, in a function.
    static constexpr std::string_view none_of_ours = R"(DO $$ DECLARE each text; BEGIN
FOR each IN SELECT name FROM pg_catalog.pg_prepared_statement() WHERE pg_catalog.left(name, 9) = '_ringway_' LOOP
    EXECUTE pg_catalog.format('DEALLOCATE %I', each);
END LOOP; END $$)";
    const bool others = !pins_.empty();
    pin(wants_own_names_ ? "EXECUTE within a function" : "pg_prepared_statements");
    run_own(others ? none_of_ours : "DEALLOCATE ALL");
    talk_->server->statements.clear();
    // In the client's order, which pg_prepared_statements tells by their times.
    std::vector<std::pair<const std::string, statement_ref>*> all;
    if (statements_)
        for (auto& each : *statements_) all.push_back(&each);
    std::sort(all.begin(), all.end(), [](auto* a, auto* b) { return a->second->number < b->second->number; });
    for (auto* each : all) {
        auto& [name, what] = *each;
        auto copy = std::make_shared<client_statement>(*what);
        copy->text = own_prepared_of(name, *what);
        if (!copy->by_sql) copy->original.clear();
        what = std::move(copy);
        ensure_on_server(what);
    }
    own_names_ = names_cleared_ = true;
    wants_own_names_ = false;
}

// ---- errors in the client's words -----------------------------------------------------------------------------------

/// Whether a message about a statement that does not exist means one that the client has prepared.
bool session::names_own(std::string_view message) const {
    if (own_names_ || !statements_) return false;
    return std::any_of(statements_->begin(), statements_->end(), [&](const auto& each) {
        return message.find(fmt::format("\"{}\"", each.first)) != std::string_view::npos;
    });
}

/// Whether what has just failed for want of a name may run again: one statement that has left nothing behind.
bool session::may_take_names() {
    const auto& frame = talk_->retained;
    if (frame.size() <= pg::header_size || frame[0] != 'Q' || who_.cluster->now->map->is_sharded()) return false;
    const auto plan = plan_of(std::string_view(frame).substr(pg::header_size, frame.size() - pg::header_size - 1)).plan;
    if (plan->parsed.statements.size() != 1) return false;
    switch (plan->parsed.statements.front().verb) {
        case router::verb::select:
        case router::verb::insert:
        case router::verb::update:
        case router::verb::delete_:
        case router::verb::explain:
            return true;
        default:
            return false;  // CALL and DO may have committed
    }
}

namespace {

std::size_t characters(std::string_view utf8) {
    return static_cast<std::size_t>(
        std::count_if(utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

/// Where a character of the text that was sent, counted from 1, stands in the client's.
std::size_t place_in(std::string_view text, std::span<const text_splice> splices, std::size_t sent) {
    std::size_t longer = 0, shorter = 0;  // by the splices before it
    for (const auto& each : splices) {
        const auto begin = characters(text.substr(0, each.at)) + longer - shorter + 1;
        if (sent < begin) break;
        if (sent < begin + each.added) return begin + shorter - longer;
        longer += each.added;
        shorter += characters(text.substr(each.at, each.removed));
    }
    return sent + shorter - longer;
}

}  // namespace

/// An error that tells a name of ours, or a place in a text with one, as the server would have told the client. False:
/// it does neither.
bool session::reword(const pg::error_fields& error, const expected_reply& head, std::string& out) {
    static constexpr std::string_view ours = "_ringway_";
    const auto* run = head.running.get();
    const auto parsed =
        head.what == expected_reply::kind::parse && head.undo ? find_statement(head.undo->name) : nullptr;
    const std::vector<text_splice> none;
    const auto& splices = run ? run->splices : parsed ? parsed->splices : none;
    const auto text = run ? std::string_view(run->text) : parsed ? parsed->planned_text() : std::string_view();
    const bool counted = encoding_ == text_encoding::utf8 || is_ascii(text);
    const bool named = std::any_of(error.fields.begin(), error.fields.end(),
                                   [](const auto& each) { return each.second.find(ours) != std::string::npos; });
    if (!named && (splices.empty() || !counted || error.get('P').empty())) return false;
    pg::writer message(out, 'E');
    for (const auto& [code, value] : error.fields) {
        auto told = value;
        std::size_t position = 0;
        if (code == 'P' && counted &&
            std::from_chars(value.data(), value.data() + value.size(), position).ec == std::errc())
            told = std::to_string(place_in(text, splices, position));
        for (auto at = told.find(ours); at != std::string::npos; at = told.find(ours, at + 1)) {
            const auto end = std::min(told.find_first_not_of("0123456789", at + ours.size()), told.size());
            const auto name = std::string_view(told).substr(at, end - at);
            if (!statements_) break;
            const auto found = std::find_if(statements_->begin(), statements_->end(),
                                            [&](const auto& each) { return each.second->text->name == name; });
            if (found != statements_->end()) told.replace(at, end - at, found->first);
        }
        message.u8(static_cast<std::uint8_t>(code)).text(told);
    }
    message.u8(0);
    return true;
}

}  // namespace ringway::proxy
