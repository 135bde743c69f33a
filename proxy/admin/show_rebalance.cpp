// REBALANCE, MOVE and SHOW REBALANCE.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "proxy/admin/view.hpp"
#include "router/ring.hpp"

namespace ringway::proxy::admin {

namespace {

using config::fault;
using type = column_type;

constexpr std::array plan_columns{column{"source"},           column{"target"},           column{"table"},
                                  column{"arcs", type::int8}, column{"rows", type::int8}, column{"bytes", type::int8}};

constexpr std::array progress_columns{
    column{"cluster"},
    column{"phase"},
    column{"source"},
    column{"target"},
    column{"arcs", type::int8},
    column{"share", type::float8},
    column{"rows", type::int8},
    column{"rows_copied", type::int8},
    column{"bytes_copied", type::int8},
    column{"changes", type::int8},
    column{"lag_bytes", type::int8},
    column{"rows_cleaned", type::int8},
    column{"rows_per_second", type::int8},
    column{"seconds_left", type::int8},
    column{"cutovers", type::int8},
    column{"pause_ms", type::float8},
    column{"seconds", type::float8},
    column{"reason"},
};

rows_or_fault rebalances(const source& from) {
    row_list out;
    for (const auto& one : from.of.rebalances()) {
        const auto rate_of = [&](std::uint64_t done) {
            return one.phase_seconds > 0 ? static_cast<double>(done) / one.phase_seconds : 0.0;
        };
        const bool copying = one.state == "copying", cleaning = one.state == "cleaning" || one.state == "cleaning back";
        const auto pause = one.pause_milliseconds >= 0 ? cell_of(one.pause_milliseconds) : cell{};
        for (const auto& each : one.moves) {
            cell rate, left;
            if (copying || cleaning) {
                const auto done = copying ? each.rows_copied : each.rows_cleaned;
                const auto speed = rate_of(done);
                rate = cell_of(static_cast<std::uint64_t>(speed));
                if (speed > 0)
                    left = cell_of(
                        static_cast<std::uint64_t>(static_cast<double>(each.rows - std::min(each.rows, done)) / speed));
            }
            if (one.undo_seconds >= 0) left = cell_of(static_cast<std::uint64_t>(one.undo_seconds));
            out.push_back(make_row(one.cluster, one.state, each.source, each.target, each.arcs, each.share, each.rows,
                                   each.rows_copied, each.bytes_copied, each.changes, each.lag_bytes, each.rows_cleaned,
                                   std::move(rate), std::move(left), std::uint64_t{one.cutovers}, pause, one.seconds,
                                   one.reason.empty() ? cell{} : cell_of(one.reason)));
        }
        if (one.moves.empty())
            out.push_back(make_row(one.cluster, one.state, cell{}, cell{}, cell{}, cell{}, cell{}, cell{}, cell{},
                                   cell{}, cell{}, cell{}, cell{}, cell{}, std::uint64_t{one.cutovers}, pause,
                                   one.seconds, one.reason.empty() ? cell{} : cell_of(one.reason)));
    }
    return out;
}

constexpr std::array views{
    view{subject::rebalance, "", "rebalances: how far each move is, and the pause of the cutover", progress_columns,
         rebalances},
};

}  // namespace

std::vector<column> dry_run_columns() {
    return {plan_columns.begin(), plan_columns.end()};
}

rows_or_fault run_rebalance(inventory& of, const command& what) {
    std::vector<rebalance::planned_table> planned;
    if (auto refused = of.rebalance(what.arguments[0].text, what.dry_run, planned)) return std::move(*refused);
    row_list out;
    if (!what.dry_run) return out;
    for (const auto& each : planned)
        out.push_back(make_row(each.source, each.target, each.table, each.arcs, each.rows, each.bytes));
    return out;
}

std::optional<fault> run_move_key(inventory& of, const command& what) {
    const auto& [cluster, table, shard] =
        std::tie(what.arguments[0].text, what.arguments[1].text, what.arguments[3].text);
    auto at = position_of(of, cluster, table, what.arguments[2]);
    if (auto* refused = std::get_if<fault>(&at)) return std::move(*refused);
    return of.move_key(cluster, std::get<std::uint64_t>(at), shard);
}

std::span<const view> rebalance_views() {
    return views;
}

}  // namespace ringway::proxy::admin
