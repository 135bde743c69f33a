#include "proxy/rebalance/postgres/applier.hpp"
#include "proxy/transaction/array_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace ringway::proxy::rebalance::postgres {

using namespace std::chrono_literals;
namespace pg = protocol::postgres;
namespace pgoutput = protocol::postgres::pgoutput;
using clock = std::chrono::steady_clock;
using value_kind = pgoutput::value::kind;

namespace {

constexpr std::size_t most_pushed = 500;                           ///< statements without a look at their results
constexpr std::size_t most_due = 2000, most_due_bytes = 8u << 20;  ///< changes of a bag that are put off
constexpr auto status_interval = 500ms, position_interval = 1000ms;
constexpr std::string_view schema_changed = "RW001";  ///< a state of our own

std::int64_t since_2000() {
    constexpr std::int64_t epoch = 946'684'800'000'000;
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
               .count() -
           epoch;
}

/// What has not changed is told by the old row.
pgoutput::tuple completed(const pgoutput::tuple& now, const pgoutput::tuple& before) {
    auto out = now;
    for (std::size_t i = 0; i < out.size() && i < before.size(); ++i)
        if (out[i].what == value_kind::unchanged) out[i] = before[i];
    return out;
}

}  // namespace

applier::applier(stream_task task, const stop_signal& stop)
    : task_(std::move(task)), stop_(stop), source_(stop), target_(stop) {}

applier::~applier() {
    end();
}

void applier::start() {
    running_ = true;
    thread_ = std::thread([this] { run(); });
}

void applier::end() {
    ending_ = true;
    if (thread_.joinable()) thread_.join();
}

result applier::how() const {
    const std::lock_guard guard(lock_);
    return how_;
}

void applier::run() {
    auto why = open();
    std::string message;
    while (!why && !ending_) {
        const auto now = clock::now();
        trouble ended;
        const bool busy = pushed_ > 0 || open_;
        const auto got = source_.read_stream(message, busy && !within_ ? 0ms : hurry_ ? 1ms : 10ms, ended);
        if (got == link::got::ended) {
            why = ended;
        } else if (got == link::got::message) {
            why = take(message);
        } else {
            if (!within_) why = finish_group();  // nothing more is at hand
            if (!why && !within_) reached_ = std::max(reached_.load(), end_);
            if (!why && !within_ && now - position_kept_ >= position_interval) why = keep_position();
            if (!why && (now - told_ >= status_interval || hurry_)) why = tell(hurry_);
        }
    }
    const bool restart = why && (why->state == schema_changed || why->state == "42704" || why->state == "55000");
    {
        const std::lock_guard guard(lock_);
        if (why)
            how_ = {restart                                   ? outcome::restart
                    : why->is_lost() || why->state == "55006" ? outcome::again  // an earlier process has it yet
                                                              : outcome::stop,
                    fmt::format("stream {}: {}", task_.slot, why->message)};
    }
    source_.close();
    target_.close();
    running_ = false;
}

std::optional<trouble> applier::open() {
    if (auto why = target_.open(task_.target, task_.application_name)) return why;
    if (auto why = target_.run("SET session_replication_role = replica")) return why;
    rows got;
    if (auto why = target_.ask("SELECT position FROM ringway.moves WHERE id = $1", {task_.move}, got)) return why;
    const auto kept = got.size() == 1 ? pg::read_wal_position(got.at(0, 0)) : std::nullopt;
    if (!kept) return trouble{std::string(schema_changed), "the target does not know how far it is"};
    kept_ = end_ = received_ = *kept;
    {
        link ask(stop_);
        if (auto why = ask.open(task_.source, task_.application_name)) return why;
        if (auto why = ask.ask("SELECT confirmed_flush_lsn, wal_status FROM pg_replication_slots WHERE slot_name = $1",
                               {task_.slot}, got))
            return why;
    }
    if (got.size() != 1 || got.at(0, 1) == "lost")
        return trouble{std::string(schema_changed), "the source's slot is gone"};
    const auto confirmed = pg::read_wal_position(got.at(0, 0));
    if (!confirmed || *confirmed > kept_)
        return trouble{std::string(schema_changed), "the target has lost what it had been given"};
    if (auto why = source_.open(task_.source, task_.application_name, true)) return why;
    if (auto why = source_.start_stream(
            fmt::format("START_REPLICATION SLOT {} LOGICAL {} (proto_version '1', publication_names '{}')", task_.slot,
                        pg::wal_text(kept_), task_.publication)))
        return why;
    return target_.begin_pipeline();
}

std::optional<trouble> applier::tell(bool wants_reply) {
    told_ = clock::now();
    return source_.write_stream(pg::stream_status(std::max(received_, kept_), kept_, since_2000(), wants_reply));
}

std::optional<trouble> applier::take(std::string_view message) {
    const auto read = pg::read_stream_message(message);
    if (!read) return trouble{"08P01", "the source sent what is not understood"};
    if (const auto* alive = std::get_if<pg::stream_keepalive>(&*read)) {
        received_ = std::max(received_, alive->end);
        if (!within_) {
            if (auto why = finish_group()) return why;
            end_ = std::max(end_, alive->end);
            reached_ = std::max(reached_.load(), end_);
        }
        return alive->wants_reply ? tell(false) : std::nullopt;
    }
    const auto& data = std::get<pg::stream_data>(*read);
    received_ = std::max(received_, data.start);
    return take_change(data.payload);
}

/// Between two transactions of the source. False: it is being ended.
bool applier::wait_for_limit(wal_position at) {
    for (;;) {
        const wal_position limit = limit_;  // once: it may be lifted at any time
        if (at < limit || ending_ || stop_.is_raised()) break;
        reached_ = std::max(reached_.load(), limit);  // what is at hand ends at or behind it
        if (clock::now() - told_ >= status_interval && tell(false)) return false;
        std::this_thread::sleep_for(1ms);
    }
    return !ending_ && !stop_.is_raised();
}

std::optional<trouble> applier::take_change(std::string_view payload) {
    const auto read = pgoutput::read(payload);
    if (!read) return trouble{"08P01", "the source sent a change that is not understood"};
    used_texts_ = 0;
    const auto table_of = [&](std::uint32_t id) -> known_table* {
        const auto found = known_.find(id);
        return found == known_.end() || !found->second.table ? nullptr : &found->second;
    };
    if (const auto* begun = std::get_if<pgoutput::begin>(&*read)) {
        if (begun->final_position >= limit_) {
            if (auto why = finish_group()) return why;
            if (!wait_for_limit(begun->final_position)) return trouble{{}, "it is being stopped"};
        }
        within_ = true;
    } else if (const auto* ended = std::get_if<pgoutput::commit>(&*read)) {
        within_ = false;
        end_ = ended->end;
        if (!open_) reached_ = std::max(reached_.load(), end_);
        if (pushed_ >= most_pushed) return finish_group();
    } else if (const auto* relation = std::get_if<pgoutput::relation>(&*read)) {
        return learn(*relation);
    } else if (const auto* made = std::get_if<pgoutput::insert>(&*read)) {
        auto* to = table_of(made->relation);
        if (to && moves(*to, made->row)) return add(*to, made->row);
    } else if (const auto* changed = std::get_if<pgoutput::update>(&*read)) {
        auto* in = table_of(changed->relation);
        if (!in) return std::nullopt;
        if (changed->has != pgoutput::old_row::full)
            return trouble{std::string(schema_changed), "the replica identity of a table has been changed"};
        const auto now = completed(changed->row, changed->before);
        if (moves(*in, changed->before))
            if (auto why = remove(*in, changed->before)) return why;
        if (moves(*in, now)) return add(*in, now);
    } else if (const auto* gone = std::get_if<pgoutput::erase>(&*read)) {
        auto* from = table_of(gone->relation);
        if (!from) return std::nullopt;
        if (gone->has != pgoutput::old_row::full)
            return trouble{std::string(schema_changed), "the replica identity of a table has been changed"};
        if (moves(*from, gone->before)) return remove(*from, gone->before);
    } else if (const auto* truncated = std::get_if<pgoutput::truncate>(&*read)) {
        for (const auto id : truncated->relations)
            if (auto* what = table_of(id))
                if (auto why = clear(*what)) return why;
    }
    return std::nullopt;
}

std::optional<trouble> applier::learn(const pgoutput::relation& what) {
    auto& made = known_[what.id];
    if (auto why = pay(made)) return why;
    made = {};
    const auto found = std::find_if(task_.tables.begin(), task_.tables.end(), [&](const moved_table& each) {
        return each.schema == what.schema && each.name == what.name;
    });
    if (found == task_.tables.end())
        return trouble{std::string(schema_changed), fmt::format("table {}.{} is new", what.schema, what.name)};
    if (found->reference && !task_.references) return std::nullopt;
    const auto place_of = [&](const std::string& name) {
        for (std::size_t i = 0; i < what.columns.size(); ++i)
            if (what.columns[i].name == name) return static_cast<int>(i);
        return -1;
    };
    bool same = what.columns.size() == found->columns.size();
    for (const auto& each : found->columns) made.columns.push_back(place_of(each));
    for (const auto& each : found->identity) made.identity.push_back(place_of(each));
    if (!found->reference) made.key = place_of(found->key);
    for (const auto* all : {&made.columns, &made.identity})
        same = same && std::find(all->begin(), all->end(), -1) == all->end();
    if (!same || (!found->reference && made.key < 0))
        return trouble{std::string(schema_changed),
                       fmt::format("the columns of table {} have changed", found->plain())};
    made.table = &*found;
    made.insert_row = found->insert_row();
    made.delete_row = found->delete_row();
    return std::nullopt;
}

bool applier::moves(const known_table& of, const pgoutput::tuple& what) {
    if (of.table->reference) return true;
    const auto place = static_cast<std::size_t>(of.key);
    if (place >= what.size() || what[place].what != value_kind::text) return false;  // NULL stays where it is
    router::canonical_key key;
    if (!router::canonical_from_text(of.table->type, what[place].bytes, key)) return false;
    return task_.arcs.contains(router::position(key.text));
}

/// With a zero byte at its end, kept until the change has been sent.
const char* applier::text(const pgoutput::value& of) {
    if (of.what != value_kind::text) return nullptr;
    if (used_texts_ == texts_.size()) texts_.push_back(std::make_unique<std::string>());
    auto& kept = *texts_[used_texts_++];
    kept.assign(of.bytes);
    return kept.c_str();
}

std::optional<trouble> applier::begin() {
    if (open_) return std::nullopt;
    if (auto why = target_.push("BEGIN", {})) return why;
    open_ = true;
    return std::nullopt;
}

/// Rows of a bag come and go in any order, so that what comes and goes again need not be made, and the rest is made
/// together: each deletion by itself would look through the whole table, if the key has no index.
std::optional<trouble> applier::owe(known_table& of, const pgoutput::tuple& what, int more) {
    std::vector<std::optional<std::string>> values;
    for (const auto column : of.columns) {
        const auto place = static_cast<std::size_t>(column);
        if (place >= what.size()) return trouble{"08P01", "the source sent a row without all of its columns"};
        if (what[place].what == value_kind::unchanged)
            return trouble{std::string(schema_changed), "the source did not send a whole row"};
        auto& to = values.emplace_back();
        if (what[place].what != value_kind::text) continue;
        to = what[place].bytes;
        of.due_bytes += to->size();
    }
    if (auto why = begin()) return why;
    const auto entry = of.due.emplace(std::move(values), 0).first;
    entry->second += more;
    if (entry->second == 0) of.due.erase(entry);
    ++changes_;
    ++pushed_;
    return ++of.due_changes < most_due && of.due_bytes < most_due_bytes ? std::nullopt : pay(of);
}

std::optional<trouble> applier::pay(known_table& of) {
    of.due_changes = of.due_bytes = 0;
    if (of.due.empty()) return std::nullopt;
    const auto due = std::exchange(of.due, {});
    std::vector<array_text> gone(of.columns.size() + 2);
    for (const auto& [values, times] : due) {
        if (times >= 0) continue;
        for (std::size_t i = 0; i < values.size(); ++i) gone[i].add(values[i]);
        gone[values.size()].add(std::to_string(-times));
        for (std::size_t i = 0; i < values.size(); ++i)
            if (of.columns[i] == of.key) gone.back().add(values[i]);
    }
    if (!gone.back().is_empty()) {
        row parameters;
        for (auto& each : gone) parameters.push_back(each.finish().c_str());
        if (auto why = target_.push(of.table->delete_rows(), parameters)) return why;
    }
    for (const auto& [values, times] : due) {
        row parameters;
        for (const auto& each : values) parameters.push_back(each ? each->c_str() : nullptr);
        for (auto left = times; left > 0; --left)
            if (auto why = target_.push(of.insert_row, parameters)) return why;
    }
    return target_.sync();
}

std::optional<trouble> applier::push(const std::string& sql, const row& values) {
    if (auto why = begin()) return why;
    if (auto why = target_.push(sql, values)) return why;
    ++changes_;
    if (++pushed_ % most_pushed != 0 || !within_) return std::nullopt;
    return target_.sync();  // of one long transaction
}

std::optional<trouble> applier::remove(known_table& from, const pgoutput::tuple& what) {
    if (from.table->is_bag()) return owe(from, what, -1);
    row values;
    const auto& columns = from.identity.empty() ? from.columns : from.identity;
    for (const auto column : columns) {
        const auto place = static_cast<std::size_t>(column);
        if (place >= what.size()) return trouble{"08P01", "the source sent a row without all of its columns"};
        values.push_back(text(what[place]));
    }
    return push(from.delete_row, values);
}

std::optional<trouble> applier::add(known_table& to, const pgoutput::tuple& what) {
    if (to.table->is_bag()) return owe(to, what, 1);
    row values;
    for (const auto column : to.columns) {
        const auto place = static_cast<std::size_t>(column);
        if (place >= what.size()) return trouble{"08P01", "the source sent a row without all of its columns"};
        if (what[place].what == value_kind::unchanged)
            return trouble{std::string(schema_changed), "the source did not send a whole row"};
        values.push_back(text(what[place]));
    }
    return push(to.insert_row, values);
}

/// TRUNCATE: of what moves only. The target may have rows of its own.
std::optional<trouble> applier::clear(known_table& what) {
    what.due.clear();
    what.due_changes = what.due_bytes = 0;
    return push(what.table->delete_all(task_.arcs), {});
}

/// What has been pushed becomes good, with how far that is.
std::optional<trouble> applier::finish_group() {
    if (!open_) return std::nullopt;
    for (auto& each : known_)
        if (auto why = pay(each.second)) return why;
    const auto position = pg::wal_text(end_);
    const char* const values[] = {position.c_str(), task_.move.c_str()};
    if (auto why = target_.push("UPDATE ringway.moves SET position = $1 WHERE id = $2", values)) return why;
    if (auto why = target_.push("COMMIT", {})) return why;
    if (auto why = target_.sync()) return why;
    open_ = false;
    pushed_ = 0;
    kept_ = end_;
    position_kept_ = clock::now();
    reached_ = std::max(reached_.load(), end_);
    return std::nullopt;
}

/// Of a time in which nothing was made: so that the source need not keep its WAL.
std::optional<trouble> applier::keep_position() {
    position_kept_ = clock::now();
    if (open_ || end_ <= kept_) return std::nullopt;
    const auto position = pg::wal_text(end_);
    const char* const values[] = {position.c_str(), task_.move.c_str()};
    if (auto why = target_.push("UPDATE ringway.moves SET position = $1 WHERE id = $2", values)) return why;
    if (auto why = target_.sync()) return why;
    kept_ = end_;
    return std::nullopt;
}

}  // namespace ringway::proxy::rebalance::postgres
