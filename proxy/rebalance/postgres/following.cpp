// What has changed at the sources since their snapshots: followed, compared, and at the end followed to the last.

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <thread>

#include "proxy/rebalance/postgres/engine.hpp"

namespace ringway::proxy::rebalance::postgres {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;
namespace pg = protocol::postgres;

namespace {

constexpr std::uint64_t near_enough = 512 * 1024;  ///< bytes of WAL

result of(const trouble& why, std::string_view what) {
    return {why.is_lost() ? outcome::again : outcome::stop, fmt::format("{}: {}", what, why.message)};
}

std::optional<trouble> position_of(link& on, const char* function, pg::wal_position& to) {
    rows got;
    if (auto why = on.ask(fmt::format("SELECT {}()", function), got)) return why;
    const auto at = pg::read_wal_position(got.at(0, 0));
    if (!at) return trouble{"XX000", "no position"};
    to = *at;
    return std::nullopt;
}

}  // namespace

void postgres_engine::end_streams() {
    std::vector<std::unique_ptr<applier>> gone;
    {
        const std::lock_guard guard(lock_);
        for (auto& each : moves_) {
            if (each->stream) each->changes += each->stream->changes();
            gone.push_back(std::move(each->stream));
        }
    }
    watching_.clear();
    marking_.clear();
    for (auto& each : gone)
        if (each) each->end();
}

result postgres_engine::start_streams() {
    if (auto seen = look(); !seen.ok()) return seen;
    if (tables_.empty())
        if (auto seen = look_at_tables(); !seen.ok()) return seen;
    for (auto& each : moves_) {
        if (each->stream && each->stream->running()) continue;
        std::string why;
        const auto source = login(origin_of(*each), why), target = login(end_of(*each), why);
        if (!source || !target) return {outcome::again, why};
        std::unique_ptr<applier> was;
        {
            const std::lock_guard guard(lock_);
            if (each->stream) each->changes += each->stream->changes();
            was = std::move(each->stream);
        }
        if (was) was->end();
        verified_ = false;
        const auto& slot = slot_of(*each);
        stream_task task{
            *source, *target, application(), slot, slot, slot, tables_, each->arcs, each->references && !back_};
        auto made = std::make_unique<applier>(std::move(task), stop_);
        made->start();
        const std::lock_guard guard(lock_);
        each->stream = std::move(made);
    }
    return {};
}

/// Of those that have ended, the worst reason.
result postgres_engine::streams_run() {
    result worst;
    for (const auto& each : moves_) {
        if (each->stream && each->stream->running()) continue;
        auto why = each->stream ? each->stream->how() : result{outcome::again, "a stream has not begun"};
        if (why.ok()) why = {outcome::again, "a stream has ended"};
        if (worst.ok() || why.how > worst.how) worst = std::move(why);
    }
    return worst;
}

/// Until every stream is close behind its source.
result postgres_engine::wait_until_close() {
    std::vector<std::unique_ptr<link>> on(moves_.size());
    for (std::size_t i = 0; i < moves_.size(); ++i)
        if (auto made = connect(origin_of(*moves_[i]), on[i]); !made.ok()) return made;
    for (bool close = false; !close;) {
        if (stop_.is_raised()) return {outcome::again, "it is being stopped"};
        if (auto run = streams_run(); !run.ok()) return run;
        close = true;
        for (std::size_t i = 0; i < moves_.size(); ++i) {
            pg::wal_position now = 0;
            if (auto why = position_of(*on[i], "pg_current_wal_flush_lsn", now))
                return of(*why, name_of(origin_of(*moves_[i])));
            const auto reached = moves_[i]->stream->reached();
            moves_[i]->lag = now > reached ? now - reached : 0;
            close = close && moves_[i]->lag <= near_enough;
        }
        if (!close) std::this_thread::sleep_for(100ms);
    }
    return {};
}

result postgres_engine::catch_up() {
    if (back_)
        if (auto seen = check_way_back(); !seen.ok()) return seen;
    if (auto begun = start_streams(); !begun.ok()) return begun;
    if (!back_)
        if (auto carried = carry_schema(); !carried.ok()) return carried;
    return wait_until_close();
}

/// A slot that lives as long as its connection gives a snapshot and the position at which it was taken; the target is
/// looked at when it has all that ends before it, and nothing else.
result postgres_engine::verify_move(move& what) {
    const auto origin = origin_of(what), end = end_of(what);
    std::unique_ptr<link> keeper, source, target;
    if (auto made = connect(origin, keeper, true); !made.ok()) return made;
    if (auto made = connect(origin, source); !made.ok()) return made;
    if (auto made = connect(end, target); !made.ok()) return made;
    what.stream->limit(0);
    struct lift {
        applier& of;
        ~lift() {
            of.limit(applier::no_limit);
            of.hurry(false);
        }
    };
    {
        const lift at_the_end{*what.stream};
        rows got;
        if (auto why =
                keeper->ask(fmt::format("CREATE_REPLICATION_SLOT {}_look TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT",
                                        slot_of(what)),
                            got))
            return of(*why, name_of(origin));
        const auto at = pg::read_wal_position(got.at(0, 1));
        const std::string snapshot(got.at(0, 2));
        if (!at) return {outcome::stop, "the source gave no position"};
        if (auto why = source->run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")) return of(*why, name_of(origin));
        if (auto why = source->run(fmt::format("SET TRANSACTION SNAPSHOT {}", link::quoted(snapshot))))
            return of(*why, name_of(origin));
        what.stream->hurry(true);
        what.stream->limit(*at);
        while (!what.stream->has_reached(*at)) {
            if (stop_.is_raised()) return {outcome::again, "it is being stopped"};
            if (!what.stream->running()) return streams_run();
            std::this_thread::sleep_for(2ms);
        }
        if (auto why = target->run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")) return of(*why, name_of(end));
        if (auto why = target->run("SELECT FROM ringway.moves")) return of(*why, name_of(end));
    }
    return compare_rows(what, *source, *target);
}

result postgres_engine::compare_rows(move& what, link& source, link& target) {
    const auto origin = origin_of(what), end = end_of(what);
    for (const auto& table : tables_) {
        if (table.reference && (back_ || !what.references)) continue;
        rows here, there;
        std::optional<trouble> why, other;
        std::thread beside([&] { other = target.ask(table.checksum(what.arcs), there); });
        why = source.ask(table.checksum(what.arcs), here);
        beside.join();
        if (why) return of(*why, name_of(origin));
        if (other) return of(*other, name_of(end));
        if (here.at(0, 0) != there.at(0, 0) || here.at(0, 1) != there.at(0, 1))
            return {outcome::stop, fmt::format("table {} differs: {} rows on {} and {} on {}, checksums {} and {}",
                                               table.plain(), here.at(0, 0), name_of(origin), there.at(0, 0),
                                               name_of(end), here.at(0, 1), there.at(0, 1))};
    }
    return {};
}

result postgres_engine::verify() {
    // One that has ended since it was close, as servers do, goes on; nobody else would begin it again.
    if (auto begun = start_streams(); !begun.ok()) return begun;
    if (!verified_)
        if (auto done = each_move([this](move& each) { return verify_move(each); }); !done.ok()) return done;
    verified_ = true;
    if (auto close = wait_until_close(); !close.ok()) return close;
    watching_.clear();
    marking_.clear();
    for (const auto each : origins())
        if (auto made = connect(each, watching_.emplace_back()); !made.ok()) return made;
    model_.reset();
    for (const auto each : ends())
        if (auto made = connect(each, marking_.emplace_back()); !made.ok()) return made;
    if (back_) return {};
    const auto all = targets();
    if (std::any_of(all.begin(), all.end(), [this](std::uint16_t each) { return joins(each); }))
        if (auto made = connect(0, model_); !made.ok()) return made;
    return rehearse();
}

/// What is asked under the fence is asked before it too: the servers' processes have then read their catalogs.
result postgres_engine::rehearse() {
    const auto all = origins(), others = back_ ? ends() : std::vector<std::uint16_t>{};
    if (model_) {
        std::string mark;
        if (auto why = schema_mark(*model_, mark)) return of(*why, name_of(0));
    }
    auto seen = at_once(all.size() + others.size(), [&](std::size_t i) -> result {
        if (i >= all.size()) return same_tables(*marking_[i - all.size()], others[i - all.size()]);
        static_cast<void>(quiet_at(i, "-1"));  // whatever it is now
        return same_tables(*watching_[i], all[i]);
    });
    return seen.ok() ? carry_sequences(true) : seen;
}

/// Who works on a source and is not one of those that are known to write elsewhere may still write to what moves: a
/// statement whose client has gone, a connection that does not come through the proxy.
result postgres_engine::quiet(const std::vector<std::uint32_t>& pids, steady_time until) {
    std::string list = "-1";
    for (const auto each : pids) list += fmt::format(",{}", each);
    const auto all = origins();
    if (watching_.size() != all.size())
        return {back_ ? outcome::again : outcome::restart, "the servers are not being watched"};
    for (const auto* links : {&watching_, &marking_})
        for (const auto& each : *links) each->until(until);
    if (model_) model_->until(until);
    return at_once(all.size(), [&](std::size_t i) { return quiet_at(i, list); });
}

result postgres_engine::quiet_at(std::size_t origin, const std::string& pids) {
    const auto& name = name_of(origins()[origin]);
    rows got;
    if (auto why = watching_[origin]->ask(
            fmt::format("SELECT pid, application_name, state FROM pg_stat_activity WHERE backend_type = 'client "
                        "backend' AND datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid() "
                        "AND application_name NOT LIKE 'ringway %' AND pid <> ALL ('{{{}}}'::int[]) UNION ALL SELECT "
                        "0, gid, 'prepared' FROM pg_prepared_xacts WHERE database = current_database() LIMIT 1",
                        pids),
            got))
        return of(*why, name);
    if (got.size() == 0) return {};
    return {outcome::again, got.at(0, 2) == "prepared"
                                ? fmt::format("shard {}: prepared transaction {} is in doubt", name, got.at(0, 1))
                                : fmt::format("shard {}: the server's process {} ({}) is {}", name, got.at(0, 0),
                                              got.at(0, 1), got.at(0, 2))};
}

/// The tables are what they were, and all there are.
result postgres_engine::same_tables(link& on, std::uint16_t shard) {
    if (back_) {
        if (auto same = compare_shapes(on, shard); !same.ok()) return same;
    } else {
        std::string shape;
        if (auto why = shape_of(on, tables_, shape)) return of(*why, name_of(shard));
        if (shape != shape_) return {outcome::restart, "the definition of a table has changed"};
    }
    std::string made;
    if (auto why = find_new_table(on, view_.config, tables_, made)) return of(*why, name_of(shard));
    if (!made.empty()) return {outcome::restart, fmt::format("table {} is new", made)};
    for (const auto& each : moves_) {
        if (origin_of(*each) != shard) continue;
        rows got;
        if (auto why = on.ask("SELECT schemaname || '.' || tablename FROM pg_publication_tables WHERE pubname = $1",
                              {slot_of(*each)}, got))
            return of(*why, name_of(shard));
        std::set<std::string_view> published;
        for (std::size_t i = 0; i < got.size(); ++i) published.insert(got.at(i, 0));
        for (const auto& table : tables_)
            if ((!table.reference || (each->references && !back_)) && published.erase(table.plain()) == 0)
                return {outcome::restart, fmt::format("table {} is not in publication {} any more, or has been dropped",
                                                      table.plain(), slot_of(*each))};
        if (!published.empty())
            return {outcome::restart,
                    fmt::format("table {} has been added to publication {}", *published.begin(), slot_of(*each))};
    }
    return {};
}

/// Nobody writes to what moves any more: everything up to here, and no table is another one than it was.
result postgres_engine::last_catch_up(steady_time until) {
    const auto all = origins();
    if (auto seen = look(); !seen.ok()) return seen;
    std::vector<pg::wal_position> last(all.size());
    for (auto& each : moves_) each->stream->hurry(true);
    struct rest {
        std::vector<std::unique_ptr<move>>& of;
        ~rest() {
            for (auto& each : of)
                if (each->stream) each->stream->hurry(false);
        }
    };
    const rest at_the_end{moves_};
    const auto others = back_ ? ends() : std::vector<std::uint16_t>{};
    const auto look_at = [&](std::size_t i) -> result {
        if (i < all.size()) {
            auto& on = *watching_[i];
            if (auto why = position_of(on, "pg_current_wal_insert_lsn", last[i])) return of(*why, name_of(all[i]));
            // A commit, so that all before it is on the disk, where the stream reads it.
            if (auto why = on.run("SELECT pg_logical_emit_message(true, 'ringway', '')"))
                return of(*why, name_of(all[i]));
            return same_tables(on, all[i]);
        }
        i -= all.size();
        if (i < others.size()) return same_tables(*marking_[i], others[i]);
        std::string mark;
        if (auto why = schema_mark(*model_, mark)) return of(*why, name_of(0));
        if (mark != schema_mark_) return {outcome::again, "something has been defined meanwhile: it is made first"};
        return {};
    };
    // Writes wait, and a busy server's answers take their time: all are asked at once.
    if (auto seen_all = at_once(all.size() + others.size() + (model_ ? 1 : 0), look_at); !seen_all.ok())
        return seen_all;
    for (auto& each : moves_) {
        const auto place = static_cast<std::size_t>(std::find(all.begin(), all.end(), origin_of(*each)) - all.begin());
        while (!each->stream->has_reached(last[place])) {
            if (stop_.is_raised()) return {outcome::again, "it is being stopped"};
            if (auto run = streams_run(); !run.ok()) return run;
            if (clock::now() >= until)
                return {outcome::again,
                        fmt::format("the last changes of {} did not follow in time", name_of(origin_of(*each)))};
            std::this_thread::sleep_for(500us);
        }
    }
    return {};
}

/// A target's sequences go on behind those of its sources, at values that are the target's own.
result postgres_engine::carry_sequences() {
    return carry_sequences(false);
}

result postgres_engine::carry_sequences(bool rehearses) {
    const auto all = origins(), others = ends();
    if (marking_.size() != others.size() || watching_.size() != all.size())
        return {outcome::again, "the servers are not being watched"};
    std::vector<rows> seen(all.size());
    const auto look_at = [&](std::size_t i) -> result {
        if (auto why = watching_[i]->ask(
                "SELECT schemaname, sequencename, last_value FROM pg_sequences WHERE last_value IS NOT NULL AND "
                "schemaname !~ '^pg_' AND schemaname <> 'ringway'",
                seen[i]))
            return of(*why, name_of(all[i]));
        return {};
    };
    if (auto seen_all = at_once(all.size(), look_at); !seen_all.ok()) return seen_all;
    return at_once(others.size(), [&](std::size_t i) -> result {
        const auto target = others[i];
        std::string values;
        for (const auto& each : moves_) {
            if (end_of(*each) != target) continue;
            const auto& got =
                seen[static_cast<std::size_t>(std::find(all.begin(), all.end(), origin_of(*each)) - all.begin())];
            for (std::size_t row = 0; row < got.size(); ++row)
                values += fmt::format("{}({}, {}, {})", values.empty() ? "" : ", ", link::quoted(got.at(row, 0)),
                                      link::quoted(got.at(row, 1)), got.at(row, 2));
        }
        if (values.empty()) return {};
        rows got;
        if (auto why = marking_[i]->ask(
                fmt::format(
                    "SELECT {}(format('%I.%I', s.schemaname, s.sequencename)::regclass, CASE WHEN increment_by "
                    "= 128 THEN greatest(last, start_value) + (128 - (greatest(last, start_value) - start_value) % "
                    "128) "
                    "% 128 ELSE last END) FROM (SELECT s.*, CASE WHEN increment_by > 0 THEN greatest(max(v.value), "
                    "s.last_value) ELSE least(min(v.value), s.last_value) END AS last "
                    "FROM (VALUES {}) v (schema, name, value) JOIN pg_sequences s ON schemaname = v.schema AND "
                    "sequencename = v.name GROUP BY s.schemaname, s.sequencename, s.sequenceowner, s.data_type, "
                    "start_value, min_value, max_value, increment_by, cycle, cache_size, s.last_value) s",
                    rehearses ? "num_nonnulls" : "setval", values),
                got))
            return of(*why, name_of(target));
        return {};
    });
}

}  // namespace ringway::proxy::rebalance::postgres
