// The copy of each source's rows as of one moment, and how everything a move has made is taken back.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <thread>

#include "proxy/rebalance/postgres/engine.hpp"

namespace ringway::proxy::rebalance::postgres {

using namespace std::chrono_literals;

namespace {

result of(const trouble& why, std::string_view what) {
    return {why.is_lost() || why.state == "55P03" || why.state == "55006" ? outcome::again : outcome::stop,
            fmt::format("{}: {}", what, why.message)};
}

constexpr int pages_at_once = 200;

/// Deletes a table's rows of the arcs, some pages at a time.
std::optional<trouble> delete_by_pages(link& on, const moved_table& table, const router::arc_set& arcs,
                                       std::atomic<std::uint64_t>& count, const stop_signal& stop, bool gently) {
    rows got;
    if (auto why = on.ask(fmt::format("SELECT pg_catalog.pg_relation_size({}::pg_catalog.regclass) / "
                                      "pg_catalog.current_setting('block_size')::pg_catalog.int8",
                                      link::quoted(table.qualified())),
                          got))
        return why;
    std::int64_t pages = 0;
    const auto text = got.at(0, 0);
    std::from_chars(text.data(), text.data() + text.size(), pages);
    for (std::int64_t page = 0; page <= pages && !stop.is_raised(); page += pages_at_once) {
        if (auto why = on.ask(fmt::format("DELETE FROM {} t WHERE ctid >= '({},0)' AND ctid < '({},0)' AND {}",
                                          table.qualified(), page, page + pages_at_once, table.condition(arcs)),
                              got))
            return why;
        std::uint64_t gone = 0;
        std::from_chars(got.tag().data(), got.tag().data() + got.tag().size(), gone);
        count += gone;
        if (gently && gone > 0) std::this_thread::sleep_for(5ms);
    }
    return std::nullopt;
}

}  // namespace

result postgres_engine::copy() {
    if (auto seen = look(); !seen.ok()) return seen;
    if (tables_.empty())
        if (auto seen = look_at_tables(); !seen.ok()) return seen;
    verified_ = false;
    auto done = each_move([this](move& each) { return copy_move(each); });
    const auto all = targets();
    if (done.ok()) done = at_once(all.size(), [&](std::size_t i) { return complete_at_last(all[i]); });
    if (done.how != outcome::stop || schema_mark_.empty()) return done;
    std::unique_ptr<link> model;
    std::string mark;
    if (auto made = connect(0, model); !made.ok()) return made;
    if (auto why = schema_mark(*model, mark)) return of(*why, name_of(0));
    if (mark != schema_mark_) done.how = outcome::restart;  // a shard that joins has what was defined before
    return done;
}

/// A server that is away for a moment does not cost the copy.
result postgres_engine::complete_at_last(std::uint16_t shard) {
    constexpr int tries = 30;
    for (int i = 1;; ++i) {
        auto done = complete(shard);
        if (done.how != outcome::again || i == tries || stop_.is_raised()) return done;
        for (int k = 0; k < 10 && !stop_.is_raised(); ++k) std::this_thread::sleep_for(100ms);
    }
}

/// What a shard needs behind its rows: the indexes, and what the planner knows of them.
result postgres_engine::complete(std::uint16_t shard) {
    if (joins(shard))
        if (auto made = make_schema(shard, true, true); !made.ok()) return made;
    std::unique_ptr<link> on;
    if (auto made = connect(shard, on); !made.ok()) return made;
    for (const auto& table : tables_) {
        const auto gets_rows = [&](const auto& each) {
            return each->target == shard && (each->references || !table.reference);
        };
        if (std::none_of(moves_.begin(), moves_.end(), gets_rows)) continue;
        if (auto why = on->run("ANALYZE " + table.qualified())) return of(*why, name_of(shard));
    }
    return {};
}

result postgres_engine::copy_move(move& what) {
    what.rows_copied = what.bytes_copied = 0;
    {
        const std::lock_guard guard(lock_);
        what.changes = 0;
    }
    std::unique_ptr<link> keeper, from, into;
    if (auto made = connect(what.source, keeper, true); !made.ok()) return made;
    if (auto made = connect(what.source, from); !made.ok()) return made;
    if (auto made = connect(what.target, into); !made.ok()) return made;
    rows got;
    // Waits for the transactions that are open: what they write is in the snapshot.
    if (auto why =
            keeper->ask(fmt::format("CREATE_REPLICATION_SLOT {} LOGICAL pgoutput EXPORT_SNAPSHOT", what.slot), got))
        return of(*why, what.source_name);
    const std::string position(got.at(0, 1)), snapshot(got.at(0, 2));
    if (auto why =
            into->ask("INSERT INTO ringway.moves VALUES ($1, $2::pg_lsn) ON CONFLICT (id) DO UPDATE SET position = "
                      "excluded.position",
                      {what.slot, position}, got))
        return of(*why, what.target_name);
    if (auto why = from->run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")) return of(*why, what.source_name);
    if (auto why = from->run(fmt::format("SET TRANSACTION SNAPSHOT {}", link::quoted(snapshot))))
        return of(*why, what.source_name);
    if (auto why = into->run("SET session_replication_role = replica")) return of(*why, what.target_name);
    for (const auto& table : tables_) {
        if (table.reference && !what.references) continue;
        if (auto why = from->copy_into(table.copy_out(what.arcs), *into, table.copy_in(), paused_, what.rows_copied,
                                       what.bytes_copied))
            return of(*why, fmt::format("{} to {}, table {}", what.source_name, what.target_name, table.plain()));
    }
    if (auto why = from->run("COMMIT")) return of(*why, what.source_name);
    return {};
}

/// Connections of this rebalance that an earlier process, or an earlier attempt, has left.
result postgres_engine::end_strays(link& on) {
    const auto until = std::chrono::steady_clock::now() + 10s;
    for (;;) {
        rows got;
        if (auto why =
                on.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND pid "
                       "<> pg_backend_pid()",
                       {application()}, got))
            return of(*why, "strays");
        if (got.size() == 0) return {};
        if (std::chrono::steady_clock::now() > until || stop_.is_raised())
            return {outcome::again, "connections of an earlier attempt do not end"};
        std::this_thread::sleep_for(20ms);
    }
}

/// And the publication of its name.
result postgres_engine::drop_slot(std::uint16_t shard, const std::string& name) {
    std::unique_ptr<link> on;
    if (auto made = connect(shard, on); !made.ok()) return made;
    const auto until = std::chrono::steady_clock::now() + 10s;
    for (;;) {  // its stream may take a moment to end
        rows got;
        const auto why = on->ask(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1", {name}, got);
        if (!why) break;
        if (why->state != "55006" || std::chrono::steady_clock::now() > until) return of(*why, name_of(shard));
        if (auto ended = on->run(fmt::format("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE "
                                             "slot_name = {} AND active_pid IS NOT NULL",
                                             link::quoted(name))))
            return of(*ended, name_of(shard));
        std::this_thread::sleep_for(20ms);
    }
    if (auto why = on->run(fmt::format("DROP PUBLICATION IF EXISTS {}", name))) return of(*why, name_of(shard));
    return {};
}

result postgres_engine::forget_position(std::uint16_t shard, const std::string& move) {
    std::unique_ptr<link> on;
    rows got;
    if (auto made = connect(shard, on); !made.ok()) return made;
    if (auto why = on->ask("DELETE FROM ringway.moves WHERE id = $1", {move}, got)) return of(*why, name_of(shard));
    return {};
}

/// The rows that were copied to a target that has others too.
result postgres_engine::wipe(move& what) {
    std::unique_ptr<link> on;
    if (auto made = connect(what.target, on); !made.ok()) return made;
    rows got;
    if (auto why = on->ask("SELECT to_regclass('ringway.moves') IS NOT NULL", got)) return of(*why, what.target_name);
    if (got.at(0, 0) != "t") return {};
    if (auto why = on->run("SET session_replication_role = replica")) return of(*why, what.target_name);
    std::atomic<std::uint64_t> ignored{0};
    for (const auto& table : tables_) {
        if (table.reference) continue;
        if (auto why = delete_by_pages(*on, table, what.arcs, ignored, stop_, false)) return of(*why, what.target_name);
    }
    if (stop_.is_raised()) return {outcome::again, "it is being stopped"};
    if (auto why = on->ask("DELETE FROM ringway.moves WHERE id = $1", {what.slot}, got))
        return of(*why, what.target_name);
    return {};
}

result postgres_engine::discard() {
    if (auto seen = look(); !seen.ok()) return seen;
    if (view_.active.epoch >= plan_.to.epoch) return {outcome::stop, "the new ring is the active one already"};
    end_streams();
    std::vector<std::uint16_t> both = sources();
    for (const auto each : targets())
        if (std::find(both.begin(), both.end(), each) == both.end()) both.push_back(each);
    for (const auto each : both) {
        std::unique_ptr<link> on;
        if (auto made = connect(each, on); !made.ok()) return made;
        if (auto done = end_strays(*on); !done.ok()) return done;
    }
    for (auto& each : moves_) {
        if (auto done = drop_slot(each->source, each->slot); !done.ok()) return done;
        if (!is_undoable()) continue;
        if (auto done = drop_slot(each->target, each->back_slot); !done.ok()) return done;
        if (auto done = forget_position(each->source, each->back_slot); !done.ok()) return done;
    }
    for (const auto each : both)
        if (auto done = unwatch_tables(each); !done.ok()) return done;
    forget_way_back();
    const bool some_stay =
        std::any_of(moves_.begin(), moves_.end(), [&](const auto& each) { return !joins(each->target); });
    if (some_stay) {
        tables_.clear();
        if (auto seen = look_at_tables(); !seen.ok()) return seen;
    }
    for (auto& each : moves_) {
        if (joins(each->target)) continue;
        if (auto done = wipe(*each); !done.ok()) return done;
    }
    for (const auto each : targets()) {
        if (!joins(each)) continue;
        // Tables that were there before, empty, are so again.
        std::unique_ptr<link> on;
        if (auto made = connect(each, on); !made.ok()) return made;
        if (tables_.empty())
            if (auto seen = look_at_tables(); !seen.ok()) return seen;
        for (const auto& table : tables_) {
            const auto why = on->run(fmt::format("TRUNCATE {} CASCADE", table.qualified()));
            if (why && why->state != "42P01" && why->state != "3F000") return of(*why, name_of(each));
        }
        if (auto done = unmake_schema(each, true); !done.ok()) return done;
        if (auto why = on->run("DROP SCHEMA IF EXISTS ringway CASCADE; DROP FUNCTION IF EXISTS "
                               "public.ringway_position(text)"))
            return of(*why, name_of(each));
    }
    tables_.clear();
    return {};
}

result postgres_engine::release(bool keeps_undo) {
    if (auto seen = look(); !seen.ok()) return seen;
    end_streams();
    const auto all_targets = targets();
    for (auto& each : moves_) {
        if (auto done = drop_slot(each->source, each->slot); !done.ok()) return done;
        if (auto done = forget_position(each->target, each->slot); !done.ok()) return done;
        if (keeps_undo || !is_undoable()) continue;
        if (auto done = drop_slot(each->target, each->back_slot); !done.ok()) return done;
        if (auto done = forget_position(each->source, each->back_slot); !done.ok()) return done;
    }
    for (const auto each : sources()) {
        if (keeps_undo && std::find(all_targets.begin(), all_targets.end(), each) != all_targets.end()) continue;
        if (auto done = unwatch_tables(each); !done.ok()) return done;
    }
    if (keeps_undo) return {};
    for (const auto each : all_targets)
        if (auto done = unwatch_tables(each); !done.ok()) return done;
    return {};
}

/// The sources' rows that are other shards' now.
result postgres_engine::clean() {
    if (auto seen = look(); !seen.ok()) return seen;
    if (ring_in(plan_, view_.active) != (back_ ? ring_is::taken_back : ring_is::changed))
        return {outcome::stop, "the rows that would go are those of the active ring"};
    if (auto seen = look_at_tables(); !seen.ok()) return seen;
    auto done = each_move([this](move& each) -> result {
        std::unique_ptr<link> on;
        const auto at = origin_of(each);
        if (auto made = connect(at, on); !made.ok()) return made;
        // Neither triggers nor foreign keys: the rows are not deleted, they are elsewhere.
        if (auto why = on->run("SET session_replication_role = replica")) return of(*why, name_of(at));
        for (const auto& table : tables_) {
            if (table.reference) continue;
            const auto why = delete_by_pages(*on, table, each.arcs, each.rows_cleaned, stop_, true);
            const bool gone = back_ && why && (why->state == "42P01" || why->state == "3F000");  // begun before
            if (why && !gone) return of(*why, name_of(at));
        }
        if (stop_.is_raised()) return {outcome::again, "it is being stopped"};
        return {};
    });
    if (!done.ok() || !back_) return done;
    for (const auto each : targets())
        if (joins(each))
            if (auto settled = settle_joined(each); !settled.ok()) return settled;
    forget_way_back();
    return {};
}

}  // namespace ringway::proxy::rebalance::postgres
