// A Parse and its Sync alone, of a statement that a server has taken from this account before, need no server: who
// waits for one within transactions of others (one thread of pgbench with many clients) would wait for ever. With a
// Describe a server is asked, for a table may have changed; but when no connection becomes free, the client is told
// what a server has told last. Should the rows have become others, look_first() finds that out before any is sent.

#include <fmt/format.h>

#include <mutex>

#include "proxy/net/worker.hpp"
#include "proxy/session/batch.hpp"
#include "proxy/session/session.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;

namespace {

constexpr std::size_t most_taken = 10'000;                              ///< remembered
constexpr std::size_t most_told = 16u << 20, longest_told = 64u << 10;  ///< bytes of descriptions: in all, of one

/// With what a server has taken the text: with the same it takes it again. Should a table have gone since, Bind tells
/// so, as it does when the connection that is leased has the statement already.
struct taken {
    pool::settings_ref settings;
    std::string parameters, rows;  ///< the messages of its last Describe; empty: not known
};

/// Of all workers: a client's neighbour on its own thread may be on another worker.
struct taken_book {
    std::mutex lock;
    std::unordered_map<std::string, taken> all;
    std::size_t told = 0;  ///< bytes of descriptions

    /// The entry for this key with these settings; what was known with others is forgotten.
    taken& at(std::string key, const pool::settings_ref& settings) {
        if (all.size() >= most_taken) clear();
        auto& one = all[std::move(key)];
        if (one.settings != settings) {
            told -= one.parameters.size() + one.rows.size();
            one = {settings, {}, {}};
        }
        return one;
    }
    void clear() {
        all.clear();
        told = 0;
    }
};

taken_book& book() {
    static taken_book the;
    return the;
}

/// How the client calls itself means nothing to the parser.
pool::settings_ref meaningful(const pool::settings_ref& all) {
    return all->find("application_name") ? all->without("application_name") : all;
}

}  // namespace

std::string session::parse_key(const pool::prepared& what) const {
    return fmt::format("{}\n{}\n{}", what.id, who_.user, who_.cluster->now->config.name);
}

/// Of what is seen only within a transaction, or on a pinned connection, others know nothing.
bool session::is_for_others() const {
    return talk_->status == 'I' && !talk_->bound && !pinned() && who_.cluster->catalog;
}

void session::note_parsed(const pool::prepared& what) {
    if (!is_for_others()) return;
    auto key = parse_key(what);
    const std::lock_guard guard(book().lock);
    book().at(std::move(key), meaningful(settings_));
}

/// A server has described it: `type` and `body` of a message.
void session::note_told(const pool::prepared& what, char type, std::string_view body) {
    if (!is_for_others() || what.scope == 0 || body.size() > longest_told) return;
    std::string message;
    pg::writer(message, type).bytes(body);
    auto key = parse_key(what);
    const std::lock_guard guard(book().lock);
    auto& all = book();
    if (all.told + message.size() > most_told) all.clear();
    auto& one = all.at(std::move(key), meaningful(settings_));
    auto& part = type == 't' ? one.parameters : one.rows;
    all.told += message.size() - part.size();
    part = std::move(message);
}

/// What was told of it is not so any more.
void session::forget_told(const pool::prepared& what) {
    const auto key = parse_key(what);
    const std::lock_guard guard(book().lock);
    const auto known = book().all.find(key);
    if (known == book().all.end()) return;
    book().told -= known->second.parameters.size() + known->second.rows.size();
    book().all.erase(known);
}

/// False: no server is known to take it as the client's settings are now. `described` null: not asked for.
bool session::is_taken(const pool::prepared& what, std::string* described) const {
    const auto settings = meaningful(settings_);
    const auto key = parse_key(what);
    const std::lock_guard guard(book().lock);
    const auto found = book().all.find(key);
    if (found == book().all.end() || found->second.settings != settings) return false;
    const auto& one = found->second;
    if (!described) return true;
    if (one.parameters.empty() || one.rows.empty()) return false;
    *described = one.parameters + one.rows;
    return true;
}

/// Of `batch` a Parse of a named statement, a Describe of it, or both: answered without a server, if that can be.
/// `waiting`: for a connection, which is then not wanted any more.
bool session::answer_preparation(std::string_view batch, bool waiting) {
    if (!begun_.empty() || session_mode_ || own_names_ || wants_own_names_ || !who_.cluster->catalog) return false;
    const auto asked = read_preparation(batch);
    if (!asked || asked->describes != waiting || (asked->flushes && !waiting)) return false;
    statement_ref what = find_statement(asked->name);
    if (asked->parse) {
        const auto& query = asked->parse->query;
        if (what || query.size() > who_.cluster->now->max_parse_bytes ||
            prepared_bytes_ + query.size() > who_.cluster->now->max_prepared_bytes)
            return false;
        what = make_statement(*asked->parse);
    }
    std::string out, told;
    if (!what || !what->plan || !what->plan->plain || !is_taken(*what->text, waiting ? &told : nullptr)) return false;
    if (waiting) {
        if (!waiting_in_ || !waiting_in_->cancel_wait(*this)) return false;  // it is on its way
        waiting_in_.reset();
        phase_ = phase::idle;
        remember_told(*what, told);
    }
    if (asked->parse) {
        keep_statement(std::string(asked->name), std::move(what));
        pg::write_empty(out, '1');
    }
    out.append(told);
    if (!asked->flushes) pg::write_ready(out, 'I');
    emit(out);
    return true;
}

/// Of a session that has waited for a connection for a while. True: it wants none any more.
bool session::describe_from_memory() {
    if (greeting_ || !waiting_in_) return false;
    const auto found = find_batch(std::string_view(pending_).substr(pending_used_));
    if (!found.ended || !answer_preparation(std::string_view(pending_).substr(pending_used_, found.size), true))
        return false;
    pending_.erase(0, std::exchange(pending_used_, 0) + found.size);
    batch_seen_ = 0;
    return true;
}

}  // namespace ringway::proxy
