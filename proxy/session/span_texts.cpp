// Texts of several statements in a transaction that stands on several shards: each runs as if it were sent by itself,
// but for the ReadyForQuery, which is said at the end.

#include <algorithm>

#include "proxy/session/session.hpp"
#include "proxy/session/spanning.hpp"
#include "router/postgres/lexical.hpp"
#include "router/shape.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using doing = spanning::doing;
using router::effect;
using router::verb;
using router::postgres::token_kind;

namespace {

/// Each statement is sent with blanks for what stands before it, so that the places in errors are those of the text.
constexpr std::size_t most_blanks = 64u << 20;

bool ends_one(const router::statement& what) {
    return what.verb == verb::commit || what.verb == verb::rollback;
}

/// Whether it does the same alone and behind a COMMIT in a text, where a server runs it in a transaction block.
bool same_alone(const router::statement& what) {
    switch (what.verb) {
        case verb::select:
        case verb::insert:
        case verb::update:
        case verb::delete_:
        case verb::merge:
        case verb::begin:
        case verb::commit:
        case verb::rollback:
        case verb::show:
            return true;
        case verb::set:
        case verb::reset:
            return std::none_of(what.effects.begin(), what.effects.end(),
                                [](const effect& each) { return each.what == effect::kind::set_local; });
        default:
            return false;
    }
}

/// Where the statements of a text stand; a last one that is nothing but blanks is none.
std::vector<text_rest::piece> pieces_of(std::string_view sql, const router::shape& shape) {
    std::vector<text_rest::piece> out;
    router::postgres::token_reader in(sql, shape.literals);
    std::size_t begin = 0;
    bool empty = true;
    for (auto each = in.next();; each = in.next()) {
        const bool last = each.kind == token_kind::end;
        const bool ends = last || (each.kind == token_kind::symbol && sql[each.offset] == ';');
        const auto stop = last ? sql.size() : std::size_t{each.offset};
        if (ends && !empty) out.push_back({begin, stop - begin});
        if (ends) begin = stop + 1;
        empty = ends;
        if (last) return out;
    }
}

}  // namespace

/// As on a server the whole text is read before its first statement runs, and what follows a COMMIT runs as a text of
/// its own. The statements then come as messages of their own: each finds the fence, if there is one.
void session::span_one_by_one(std::string_view sql, const router::plan& plan) {
    auto& span = *spanning_;
    const auto& statements = plan.parsed.statements;
    auto left = std::make_unique<text_rest>();
    router::shape_lexer lexer;  // the plan's places are those of another text of its shape
    left->pieces = pieces_of(sql, lexer.scan(sql, conforming_strings_));
    if (left->pieces.size() != statements.size())  // a body of statements
        return span_refuse(not_across("a text of several statements with a semicolon within one"), doing::query);
    const auto ended = std::find_if(statements.begin(), statements.end(), ends_one);
    if (statements.end() - ended == 2 && !same_alone(statements.back()))
        return span_refuse(not_across("this statement behind a COMMIT or ROLLBACK in one text"), doing::query);
    if (statements.end() - ended > 2) {
        left->pieces.resize(static_cast<std::size_t>(ended - statements.begin()) + 2);
        left->pieces.back().length = sql.size() - left->pieces.back().offset;
    }
    std::size_t blanks = 0;
    for (const auto& each : left->pieces) blanks += each.offset;
    if (blanks > most_blanks) return span_refuse(not_across("so long a text of so many statements"), doing::query);
    left->sql = sql;
    left->conforming_strings = conforming_strings_;
    again_ = std::move(left);
    span_unit unit;
    const auto& open = span.across->shards();
    auto& part = unit.parts.emplace_back();
    part.shard = open.empty() ? who_.cluster->now->map->members().front() : open.front();
    pg::write_parse(part.bytes, {}, sql, {});
    pg::write_sync(part.bytes);
    unit.reads_text = true;
    span.running = nullptr;
    span.what = doing::query;
    span.across->run(std::move(unit));
}

/// Outside of a transaction as in one that nobody began, which ends with the text.
bool session::spans_as_text(const router::plan& plan) const {
    const auto& hint = plan.parsed.hint;
    return (talk_ ? can_span() : !pinned()) && who_.cluster->now->map->is_sharded() &&
           plan.parsed.statements.size() > 1 && plan.parsed.error.empty() && !plan.parsed.too_deep &&
           hint.shard.empty() && hint.unknown.empty() && hint.role == router::routing_hint::role_wish::none;
}

/// The statement, or the text, that the transaction was for has ended: so does it.
void session::span_text_over(bool failed) {
    auto& span = *spanning_;
    span.what = doing::query;
    if (failed) {
        span.tag.clear();
        return span.across->rollback();
    }
    span.tag = span.across->held_tag();
    span.across->commit();
}

/// A statement of a text has ended. True: the text has more.
bool session::goes_on(bool failed) {
    if (failed) again_.reset();
    return again_ != nullptr;
}

/// What is left of a text comes before all that the client has sent, but for the data of a COPY in it.
bool session::step(std::string_view& rest) {
    if (!again_ || (spanning_ && span_busy())) return !rest.empty() && step_on(rest);
    if (again_->conforming_strings != conforming_strings_) {  // a server has read the whole text before
        const auto why = not_across("a text that changes how its own strings are read");
        again_.reset();
        if (spanning_) {
            span_refuse(why, doing::query);
        } else {
            refuse(why);
            say_ready(status());
        }
        return true;
    }
    const auto at = again_->next++;
    const auto where = again_->pieces[at];
    std::string text(where.offset, ' ');
    text.append(again_->sql, where.offset, where.length);
    std::string message;
    pg::write_query(message, text);
    std::unique_ptr<text_rest> last;  // it is the session's no more: what ends the statement ends the text
    if (again_->next == again_->pieces.size()) last = std::move(again_);
    const bool fails = failure_.has_value();
    std::string_view left(message);
    const bool went = step_on(left);
    if (phase_ == phase::closed) return false;
    if (!left.empty()) {  // to be taken again
        if (last) again_ = std::move(last);
        if (again_) again_->next = at;
    } else if (fails) {
        again_.reset();
    }
    return went;
}

}  // namespace ringway::proxy
