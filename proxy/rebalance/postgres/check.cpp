// What is looked at before anything is changed: everything that is wrong is told at once.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "proxy/rebalance/postgres/engine.hpp"

namespace ringway::proxy::rebalance::postgres {

namespace {

int number(std::string_view text) {
    int out = 0;
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out;
}

/// Of all positions those that a shard owns.
double share_of(const router::ring_state& state, const config::cluster& cluster, std::uint16_t shard) {
    std::vector<std::string> names;
    for (const auto& each : cluster.shards) names.push_back(each.name);
    const auto members = router::members_of(state, names);
    const router::ring ring(members, router::exceptions_of(state, names));
    const auto points = ring.points();
    if (points.empty()) return 0;
    std::vector<router::arc> own;
    std::uint64_t first = 0;
    for (const auto& each : points) {
        if (each.shard == shard && each.at >= first) own.push_back({first, each.at});
        first = each.at + 1;
    }
    if (points.front().shard == shard && points.back().at != ~std::uint64_t{0})
        own.push_back({points.back().at + 1, ~std::uint64_t{0}});
    return router::arc_set(std::move(own)).share();
}

constexpr const char* server_sql =
    "SELECT current_setting('server_version_num')::int / 10000, current_setting('wal_level'), rolsuper, "
    "current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots), "
    "current_setting('max_wal_senders')::int - (SELECT count(*) FROM pg_stat_replication), "
    "pg_encoding_to_char(encoding) || ' ' || datcollate || ' ' || datctype, "
    "(SELECT count(DISTINCT pid) FROM pg_stat_activity WHERE application_name = 'ringway monitor' AND datname = "
    "current_database()) "
    "FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()";

}  // namespace

result postgres_engine::check_server(std::uint16_t shard, bool source, std::vector<std::string>& refusals) {
    const auto refuse = [&](std::string_view why) {
        refusals.push_back(fmt::format("shard {}: {}", name_of(shard), why));
    };
    std::unique_ptr<link> on;
    if (auto made = connect(shard, on); !made.ok()) {
        refusals.push_back(made.why);
        return {};
    }
    rows got;
    if (auto why = on->ask(server_sql, got)) return {outcome::stop, why->message};
    constexpr int oldest = 14;  // multiranges
    if (number(got.at(0, 0)) < oldest) refuse("rows are moved between servers of PostgreSQL 14 and later only");
    if (got.at(0, 2) != "t") refuse(fmt::format("role {} must be a superuser to move rows", view_.config.monitor_user));
    if (!source) return {};
    const auto needed = static_cast<int>(
        std::count_if(moves_.begin(), moves_.end(), [&](const auto& each) { return each->source == shard; }) +
        (is_undoable()
             ? std::count_if(moves_.begin(), moves_.end(), [&](const auto& each) { return each->target == shard; })
             : 0));
    if (got.at(0, 1) != "logical") refuse("wal_level must be logical (and the server restarted)");
    // One more of each while rows are compared.
    if (number(got.at(0, 3)) <= needed) refuse("max_replication_slots: too few are free");
    if (number(got.at(0, 4)) <= needed) refuse("max_wal_senders: too few are free");
    if (number(got.at(0, 6)) > 1)
        refuse("another Ringway watches it too: its clients would not hear of the new ring. End it first");
    return {};
}

result postgres_engine::check_target(std::uint16_t shard, std::vector<std::string>& refusals) {
    const auto refuse = [&](std::string_view why) {
        refusals.push_back(fmt::format("shard {}: {}", name_of(shard), why));
    };
    std::unique_ptr<link> model, on;
    if (auto made = connect(0, model); !made.ok()) return {};
    if (auto made = connect(shard, on); !made.ok()) return {};
    rows here, there;
    if (auto why = model->ask(server_sql, here)) return {outcome::stop, why->message};
    if (auto why = on->ask(server_sql, there)) return {outcome::stop, why->message};
    if (number(there.at(0, 0)) < number(here.at(0, 0))) refuse("its server is older than the first shard's");
    if (there.at(0, 5) != here.at(0, 5))
        refuse(fmt::format("encoding and collations differ from the first shard's: {} and {}", there.at(0, 5),
                           here.at(0, 5)));
    std::vector<schema_object> first, second;
    if (auto why = read_schema(*model, first)) return {outcome::stop, why->message};
    if (auto why = read_schema(*on, second)) return {outcome::stop, why->message};
    auto difference = compare(first, second);
    for (const auto& each : difference.refusals) refuse(each);
    if (!joins(shard))
        for (const auto& each : difference.missing)
            if (each.kind == "table") refuse(fmt::format("{} {} is missing", each.kind, each.name));
    for (const auto& table : tables_) {
        const bool there_already = std::any_of(second.begin(), second.end(), [&](const schema_object& each) {
            return each.kind == "table" && each.name == table.plain();
        });
        if (!there_already) continue;
        // Its rows in the arcs would be somebody else's; a shard that joins has none at all.
        std::string sql = fmt::format("SELECT FROM {} t LIMIT 1", table.qualified());
        if (!joins(shard)) {
            if (table.reference) continue;
            std::vector<router::arc> arcs;
            for (const auto& each : moves_)
                if (each->target == shard) arcs.insert(arcs.end(), each->arcs.arcs().begin(), each->arcs.arcs().end());
            const router::arc_set all(std::move(arcs));
            sql = fmt::format("SELECT FROM {} t WHERE {} LIMIT 1", table.qualified(), table.condition(all));
        }
        rows found;
        if (auto why = on->ask(sql, found)) return {outcome::stop, why->message};
        if (found.size() > 0)
            refuse(
                fmt::format("table {} has rows that another shard owns: delete them there, if they are left over from "
                            "something",
                            table.plain()));
    }
    return {};
}

result postgres_engine::check(std::vector<std::string>& refusals, std::vector<planned_table>& tables) {
    if (auto seen = look(); !seen.ok()) return seen;
    if (moves_.empty()) return {};
    if (!view_.kept) refusals.emplace_back("the ring cannot be kept below state_dir: see the log");
    std::unique_ptr<link> on;
    if (auto made = connect(0, on); !made.ok()) return {outcome::stop, made.why};
    if (auto why = read_tables(*on, view_.config, *view_.catalog, tables_, refusals))
        return {outcome::stop, why->message};
    if (auto what = unread_among(tables_); !what.empty()) refusals.push_back(what + ": try again in a moment");
    for (const auto each : sources())
        if (auto done = check_server(each, true, refusals); !done.ok()) return done;
    const auto all_sources = sources();
    for (const auto each : targets()) {
        if (std::find(all_sources.begin(), all_sources.end(), each) == all_sources.end())
            if (auto done = check_server(each, is_undoable(), refusals); !done.ok()) return done;
        if (each == 0 && joins(each))
            return {outcome::stop, "the first shard cannot join: tables that are not in the map live there"};
        if (auto done = check_target(each, refusals); !done.ok()) return done;
    }
    return estimate(tables);
}

result postgres_engine::estimate(std::vector<planned_table>& tables) {
    for (auto& each : moves_) each->rows = each->bytes = 0;
    for (const auto shard : sources()) {
        std::unique_ptr<link> from;
        std::vector<moved_table> here;
        std::vector<std::string> ignored;
        if (!connect(shard, from).ok()) continue;
        if (read_tables(*from, view_.config, *view_.catalog, here, ignored)) continue;
        const auto owned = share_of(plan_.from, view_.config, shard);
        for (auto& each : moves_) {
            if (each->source != shard) continue;
            const auto part = owned > 0 ? std::min(1.0, each->arcs.share() / owned) : 0;
            for (const auto& table : here) {
                if (table.reference && !each->references) continue;
                const auto share = table.reference ? 1.0 : part;
                planned_table one{each->source_name,
                                  each->target_name,
                                  table.plain(),
                                  each->arcs.arcs().size(),
                                  static_cast<std::uint64_t>(share * static_cast<double>(table.rows)),
                                  static_cast<std::uint64_t>(share * static_cast<double>(table.bytes))};
                each->rows += one.rows;
                each->bytes += one.bytes;
                tables.push_back(std::move(one));
            }
        }
    }
    return {};
}

}  // namespace ringway::proxy::rebalance::postgres
