#pragma once
// The prepared statements and portals of one client, and the replies its server still owes.

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "config/fault.hpp"
#include "pool/prepared.hpp"
#include "router/need.hpp"
#include "router/plan.hpp"

namespace ringway::proxy {

/// Where a text sent to servers differs from the client's: `added` bytes, a name of ours, in place of `removed` at
/// `at`.
struct text_splice {
    std::size_t at = 0, removed = 0, added = 0;
};

/// A statement a client has prepared: its text as servers know it, and its plan.
struct client_statement {
    pool::prepared_ref text;
    std::shared_ptr<const router::plan> plan;  ///< null: too long to be parsed
    std::vector<router::literal> literals;
    std::vector<text_splice> splices;  ///< of text->query, when it was rewritten
    std::string original;     ///< the client's own text, when text->query was rewritten; by_sql: what PREPARE prepares
    bool by_sql = false;      ///< made by PREPARE: text->query is the whole PREPARE statement
    bool renamed = true;      ///< lives on servers under text->name; false: the unnamed statement
    std::string search_path;  ///< with which the plan was made
    mutable pool::result_shape told;       ///< what its client has been told of it
    std::string declared;                  ///< by_sql: OIDs of its parameters' types, as `text->types`
    std::string spelled;                   ///< by_sql: its name as the client wrote it ...
    std::size_t spelled_at = 0;            ///< ... where text->query has the servers' name
    std::uint64_t number = next_number();  ///< in the order in which a worker's clients have prepared
    std::vector<std::shared_ptr<const client_statement>> executes;  ///< what its text names by the servers' names
    /// What the plan and the literals are of.
    std::string_view planned_text() const { return original.empty() ? std::string_view(text->query) : original; }
    std::string_view types() const { return by_sql ? declared : text->types; }

  private:
    static std::uint64_t next_number() noexcept {
        thread_local std::uint64_t last = 0;
        return ++last;
    }
};
using statement_ref = std::shared_ptr<const client_statement>;

/// Whether the completion of its statements matters to the session.
inline bool is_watched(const router::plan& plan) {
    if (!plan.plain) return true;
    if (plan.parsed.statements.empty()) return false;
    const auto verb = plan.parsed.statements.front().verb;
    return verb == router::verb::set_constraints || verb == router::verb::savepoint ||
           verb == router::verb::rollback_to || verb == router::verb::release || verb == router::verb::commit ||
           verb == router::verb::prepare_transaction || verb == router::verb::declare_cursor ||
           verb == router::verb::close_cursor;
}

inline bool is_one(const router::plan& plan, router::verb verb) {
    const auto& parsed = plan.parsed;
    return parsed.error.empty() && parsed.statements.size() == 1 && parsed.statements.front().verb == verb;
}

/// SQL's PREPARE.
inline bool prepares(const router::plan& plan) {
    if (plan.plain) return false;
    for (const auto& one : plan.parsed.statements)
        for (const auto& what : one.effects)
            if (what.what == router::effect::kind::prepare) return true;
    return false;
}

/// Whether it may run on whatever shard the session is on.
inline bool runs_anywhere(const router::plan& plan) {
    return plan.placement == router::placement::any_shard || plan.placement == router::placement::all_same;
}

/// As a server says it.
config::fault unknown_statement(std::string_view name);

/// The types that a PREPARE declares, as OIDs on the wire.
std::string declared_types(const router::effect& prepare);

/// The server's own words to who reads rows as they were before a table changed.
inline config::fault changed_result() {
    return {config::fault_kind::unsupported, "cached plan must not change result type", {}, {}};
}

/// What a transaction over several shards does on each of them.
inline bool runs_everywhere(router::verb what) noexcept {
    using router::verb;
    return what == verb::savepoint || what == verb::release || what == verb::rollback_to || what == verb::set ||
           what == verb::reset || what == verb::set_constraints;
}

/// Changes nothing: it may run again where the first answer was lost.
inline bool only_begins(const router::plan& plan) {
    return is_one(plan, router::verb::begin);
}

/// A limit on its rows means nothing: pgjdbc sets one for all that is executed only to be done.
inline bool gives_no_rows(const router::plan& plan) {
    if (plan.parsed.statements.size() != 1) return false;
    const auto& one = plan.parsed.statements.front();
    using router::verb;
    if (one.verb == verb::insert || one.verb == verb::update || one.verb == verb::delete_) return !one.block.returning;
    return one.verb == verb::truncate || one.verb == verb::ddl;
}

inline bool ends_transaction(const router::plan& plan) {
    return is_one(plan, router::verb::commit) || is_one(plan, router::verb::rollback);
}

/// The texts a client statement may need again while it runs: for its effects on the session.
struct running_statement {
    std::shared_ptr<const router::plan> plan;
    std::string text;
    std::vector<router::literal> literals;
    std::string bound;                 ///< Bind's bytes after the names, when an effect needs the parameters
    std::string types;                 ///< the statement's parameter type OIDs
    std::size_t next = 0;              ///< statements of the text that have completed
    std::vector<text_splice> splices;  ///< of what was sent, against `text`
    statement_ref prepared;            ///< by this text's PREPARE: the client's once it has completed
};

/// How to take back what a pipelined message changed before the server had answered, when the server skips it.
struct undo_record {
    std::string name;
    statement_ref before;  ///< null: there was none
};

/// One reply the server owes, in order.
struct expected_reply {
    enum class kind : std::uint8_t { parse, bind, describe, close, execute, query, sync, function_call } what;
    enum class to : std::uint8_t {
        client,   ///< forward
        nobody,   ///< ours: swallow
        local,    ///< nothing was sent: the reply is made here when its turn comes
        refusal,  ///< a message was sent that the server must reject; its error is replaced by ours
    } deliver = to::client;
    bool failed = false;  ///< query: an error came
    bool counts_as_write = false;
    router::lock_use locks = router::lock_use::none;  ///< of what counts as a write, on a sharded cluster
    pool::prepared_ref
        statement;  ///< parse: forget it on the server if skipped; close (nobody): it is still there if skipped
    statement_ref described;                     ///< describe: of what
    std::unique_ptr<running_statement> running;  ///< query, execute: only when the plan is not plain
    std::unique_ptr<undo_record> undo;
    std::unique_ptr<std::string> reply;  ///< local: bytes to send; refusal: the ErrorResponse
};

/// First in, first out, without a heap block while empty.
class reply_queue {
  public:
    bool empty() const noexcept { return from_ == items_.size(); }
    std::size_t size() const noexcept { return items_.size() - from_; }
    expected_reply& front() noexcept { return items_[from_]; }
    expected_reply& back() noexcept { return items_.back(); }
    expected_reply& at(std::size_t i) noexcept { return items_[from_ + i]; }
    expected_reply& push(expected_reply::kind what, expected_reply::to deliver = expected_reply::to::client) {
        items_.push_back({});
        items_.back().what = what;
        items_.back().deliver = deliver;
        return items_.back();
    }
    void pop() {
        if (++from_ == items_.size()) {
            items_.clear();
            from_ = 0;
        }
    }
    void erase(std::size_t i) {
        items_.erase(items_.begin() + static_cast<std::ptrdiff_t>(from_ + i));
        if (empty()) clear();
    }
    void clear() {
        items_.clear();
        from_ = 0;
    }

  private:
    std::vector<expected_reply> items_;
    std::size_t from_ = 0;
};

}  // namespace ringway::proxy
