// A Parse and its Sync alone, of a statement that a server has taken from this account before, need no server: who
// waits for one within transactions of others (one thread of pgbench with many clients) would wait for ever.

#include <fmt/format.h>

#include <mutex>

#include "proxy/net/worker.hpp"
#include "proxy/session/batch.hpp"
#include "proxy/session/session.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;

namespace {

constexpr std::size_t most_taken = 10'000;  ///< remembered

/// With what a server has taken the text: with the same it takes it again. Should a table have gone since, Bind tells
/// so, as it does when the connection that is leased has the statement already.
struct taken {
    pool::settings_ref settings;
};

/// Of all workers: a client's neighbour on its own thread may be on another worker.
struct taken_book {
    std::mutex lock;
    std::unordered_map<std::string, taken> all;
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
void session::note_parsed(const pool::prepared& what) {
    if (talk_->status != 'I' || talk_->bound || pinned() || !who_.cluster->catalog) return;
    taken with{meaningful(settings_)};
    auto key = parse_key(what);
    const std::lock_guard guard(book().lock);
    auto& all = book().all;
    if (all.size() >= most_taken) all.clear();
    all.insert_or_assign(std::move(key), std::move(with));
}

bool session::is_taken(const std::string& key) const {
    const auto settings = meaningful(settings_);
    const std::lock_guard guard(book().lock);
    const auto known = book().all.find(key);
    return known != book().all.end() && known->second.settings == settings;
}

bool session::answer_parse(std::string_view batch) {
    if (!begun_.empty() || session_mode_ || !who_.cluster->catalog || batch.back() == 'H') return false;
    pg::frame_header header;
    if (batch[0] != 'P' || pg::read_header(batch, header) != pg::header_state::ready ||
        batch.size() != header.total() + std::size_t{pg::header_size} || batch[header.total()] != 'S')
        return false;
    const auto parse = pg::read_parse(batch.substr(pg::header_size, header.body()));
    if (!parse || parse->name.empty() || parse->query.size() > who_.cluster->now->max_parse_bytes ||
        prepared_bytes_ + parse->query.size() > who_.cluster->now->max_prepared_bytes || find_statement(parse->name))
        return false;
    auto made = make_statement(*parse);
    if (!made->plan || !made->plan->plain) return false;
    if (!is_taken(parse_key(*made->text))) return false;
    keep_statement(std::string(parse->name), std::move(made));
    std::string out;
    pg::write_empty(out, '1');
    pg::write_ready(out, 'I');
    emit(out);
    return true;
}

}  // namespace ringway::proxy
