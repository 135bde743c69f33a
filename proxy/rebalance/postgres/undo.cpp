// The way back: behind the cutover what is changed on the targets follows on the sources, which keep their rows, so
// that the old ring may be the active one again.

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "proxy/rebalance/postgres/engine.hpp"

namespace ringway::proxy::rebalance::postgres {

using namespace std::chrono_literals;
namespace pg = protocol::postgres;

namespace {

constexpr std::string_view noted = "undo table ";  ///< of the plan's notes: what the tables were when it was armed
constexpr auto between_looks = 1s;

result of(const trouble& why, std::string_view what) {
    const bool passing = why.is_lost() || why.state == "55P03" || why.state == "40P01" || why.state == "55006";
    return {passing ? outcome::again : outcome::stop, fmt::format("{}: {}", what, why.message)};
}

}  // namespace

void postgres_engine::turn(bool back) {
    if (back_ == back) return;
    end_streams();
    back_ = back;
    verified_ = false;
}

void postgres_engine::forget_way_back() {
    const std::lock_guard guard(lock_);
    std::erase_if(plan_.notes, [](const auto& each) { return each.first.starts_with(noted); });
}

/// The slots stand before the fence does: who makes one waits for the transactions that are open.
result postgres_engine::arm() {
    if (auto seen = look(); !seen.ok()) return seen;
    if (tables_.empty())
        if (auto seen = look_at_tables(); !seen.ok()) return seen;
    forget_way_back();
    {
        std::unique_ptr<link> on;
        std::map<std::string, std::string> shapes;
        if (auto made = connect(0, on); !made.ok()) return made;
        if (auto why = shapes_of(*on, tables_, shapes)) return of(*why, name_of(0));
        for (const auto& table : tables_)
            if (!table.reference && !note(std::string(noted) + table.plain(), shapes[table.plain()]))
                return {outcome::again, "the journal cannot be written"};
    }
    for (const auto each : targets())
        if (auto done = watch_tables(each); !done.ok()) return done;
    return each_move([this](move& each) -> result {
        if (auto done = drop_slot(each.target, each.back_slot); !done.ok()) return done;
        if (auto done = publish(each.target, each.back_slot, false); !done.ok()) return done;
        std::unique_ptr<link> on;
        if (auto made = connect(each.target, on, true); !made.ok()) return made;
        rows got;
        if (auto why = on->ask(
                fmt::format("CREATE_REPLICATION_SLOT {} LOGICAL pgoutput NOEXPORT_SNAPSHOT", each.back_slot), got))
            return of(*why, each.target_name);
        return {};
    });
}

/// All that the sources have sent is in the targets' WAL before this position, and what clients write there comes
/// behind it. The position must not be lost: neither it, nor the WAL up to it.
result postgres_engine::mark() {
    const auto from = origins(), to = ends();
    if (marking_.size() != to.size() || watching_.size() != from.size())
        return {outcome::again, "the servers are not being watched"};
    for (std::size_t i = 0; i < to.size(); ++i) {
        auto& on = *marking_[i];
        rows got;
        if (auto why = on.run("SET synchronous_commit = local")) return of(*why, name_of(to[i]));
        if (auto why = on.ask("SELECT pg_current_wal_insert_lsn()", got)) return of(*why, name_of(to[i]));
        const std::string at(got.at(0, 0));
        if (auto why = on.run("SELECT pg_logical_emit_message(true, 'ringway', '')")) return of(*why, name_of(to[i]));
        for (const auto& each : moves_) {
            if (each->target != to[i]) continue;
            const auto place =
                static_cast<std::size_t>(std::find(from.begin(), from.end(), each->source) - from.begin());
            if (auto why = watching_[place]->run("SET synchronous_commit = on")) return of(*why, each->source_name);
            if (auto why =
                    watching_[place]->ask("INSERT INTO ringway.moves VALUES ($1, $2::pg_lsn) ON CONFLICT (id) DO "
                                          "UPDATE SET position = excluded.position",
                                          {each->back_slot, at}, got))
                return of(*why, each->source_name);
        }
    }
    return {};
}

/// What of the tables is not as it was: then rows may have come that no stream has, or that fit no table of a source.
result postgres_engine::compare_shapes(link& on, std::uint16_t shard) {
    std::map<std::string, std::string> shapes;
    if (auto why = shapes_of(on, tables_, shapes)) return of(*why, name_of(shard));
    const std::lock_guard guard(lock_);
    for (const auto& table : tables_) {
        if (table.reference) continue;
        const auto was = plan_.notes.find(std::string(noted) + table.plain());
        if (was == plan_.notes.end()) return {outcome::stop, fmt::format("table {} has not been noted", table.plain())};
        const auto is = shapes.find(table.plain());
        if (is == shapes.end())
            return {outcome::restart,
                    fmt::format("table {} is not on shard {} any more", table.plain(), name_of(shard))};
        if (is->second != was->second)
            return {outcome::restart, fmt::format("the definition of table {} has changed since the cutover (shard {})",
                                                  table.plain(), name_of(shard))};
    }
    return {};
}

result postgres_engine::check_way_back() {
    if (auto seen = look(); !seen.ok()) return seen;
    std::unique_ptr<link> on;
    if (auto made = connect(0, on); !made.ok()) return made;
    std::vector<moved_table> now;
    std::vector<std::string> refusals;
    if (auto why = read_tables(*on, view_.config, *view_.catalog, now, refusals)) return of(*why, name_of(0));
    {
        const std::lock_guard guard(lock_);
        for (const auto& each : now)
            if (!each.reference && !plan_.notes.count(std::string(noted) + each.plain()))
                return {outcome::restart, fmt::format("table {} is new since the cutover", each.plain())};
        for (const auto& [name, value] : plan_.notes) {
            if (!name.starts_with(noted)) continue;
            const auto table = name.substr(noted.size());
            if (std::none_of(now.begin(), now.end(), [&](const moved_table& each) { return each.plain() == table; }))
                return {outcome::restart,
                        fmt::format("table {} is not in the map any more, or has been dropped", table)};
        }
    }
    if (!refusals.empty()) return {outcome::again, refusals.front()};
    if (auto what = unread_among(now); !what.empty()) return {outcome::again, std::move(what)};
    tables_ = std::move(now);
    auto all = origins();
    for (const auto each : ends())
        if (std::find(all.begin(), all.end(), each) == all.end()) all.push_back(each);
    for (const auto each : all) {
        std::unique_ptr<link> there;
        if (auto made = connect(each, there); !made.ok()) return made;
        if (auto same = same_tables(*there, each); !same.ok()) return same;
    }
    return {};
}

result postgres_engine::hold(std::chrono::system_clock::time_point until) {
    const auto over = [&] { return std::chrono::system_clock::now() >= until; };
    if (!back_) return {outcome::again, "it is being stopped"};
    if (over()) return {};
    if (auto seen = check_way_back(); !seen.ok()) return seen;
    if (auto begun = start_streams(); !begun.ok()) return begun;
    auto all = origins();
    const auto count = all.size();
    for (const auto each : ends())
        if (std::find(all.begin(), all.end(), each) == all.end()) all.push_back(each);
    std::vector<std::unique_ptr<link>> on(all.size());
    for (std::size_t i = 0; i < all.size(); ++i)
        if (auto made = connect(all[i], on[i]); !made.ok()) return made;
    for (auto next = std::chrono::steady_clock::now() + between_looks; !over();) {
        if (stop_.is_raised()) return {outcome::again, "it is being stopped"};
        if (auto run = streams_run(); !run.ok()) return run;
        std::this_thread::sleep_for(50ms);
        if (std::chrono::steady_clock::now() < next) continue;
        next = std::chrono::steady_clock::now() + between_looks;
        if (auto seen = look(); !seen.ok()) return seen;
        for (std::size_t i = 0; i < all.size(); ++i)
            if (auto same = same_tables(*on[i], all[i]); !same.ok()) return same;
        for (std::size_t i = 0; i < count; ++i) {
            rows got;
            if (auto why = on[i]->ask("SELECT pg_current_wal_flush_lsn()", got)) return of(*why, name_of(all[i]));
            const auto now = pg::read_wal_position(got.at(0, 0));
            for (const auto& each : moves_) {
                if (origin_of(*each) != all[i] || !now) continue;
                const auto reached = each->stream->reached();
                each->lag = *now > reached ? *now - reached : 0;
            }
        }
    }
    return {};
}

/// A shard that has joined, and has left again with an undo, is as it was; but for roles, whose connections are still
/// there, and for Ringway's own objects: the decisions about transactions are not its rows. What stands there against
/// all expectation is nobody's to throw away.
result postgres_engine::settle_joined(std::uint16_t shard) {
    std::unique_ptr<link> on;
    if (auto made = connect(shard, on); !made.ok()) return made;
    std::vector<std::string> emptied;
    for (const auto& each : tables_)
        if (each.reference) emptied.push_back(each.qualified());
    std::vector<std::string> looked_at;
    for (const auto& each : tables_)
        if (!each.reference) looked_at.push_back(each.qualified());
    {
        const std::lock_guard guard(lock_);
        const std::string kind = "table ";
        for (const auto& [name, value] : plan_.notes) {
            if (!name.starts_with(fmt::format("made {} ", name_of(shard))) || !value.starts_with(kind)) continue;
            const auto dot = value.find('.');
            const auto one = quoted(value.substr(kind.size(), dot - kind.size())) + "." + quoted(value.substr(dot + 1));
            if (std::find(emptied.begin(), emptied.end(), one) == emptied.end()) looked_at.push_back(one);
        }
    }
    for (const auto& each : looked_at) {
        rows got;
        const auto why = on->ask(fmt::format("SELECT FROM {} LIMIT 1", each), got);
        if (why && (why->state == "42P01" || why->state == "3F000")) continue;
        if (why) return of(*why, name_of(shard));
        if (got.size() > 0)
            return {outcome::stop, fmt::format("table {} on shard {} has rows that no shard owns: take them away, then "
                                               "RESUME REBALANCE",
                                               each, name_of(shard))};
    }
    for (const auto& each : emptied) {
        const auto why = on->run(fmt::format("TRUNCATE {} CASCADE", each));
        if (why && why->state != "42P01" && why->state != "3F000") return of(*why, name_of(shard));
    }
    return unmake_schema(shard, false);
}

}  // namespace ringway::proxy::rebalance::postgres
