// SHOW STATS, STATS_TOTALS, STATS_AVERAGES: what went through each cluster.

#include <algorithm>
#include <array>

#include "proxy/admin/view.hpp"

namespace ringway::proxy::admin {

namespace {

using type = column_type;

constexpr std::array total_columns{column{"database"},
                                   column{"total_xact_count", type::int8},
                                   column{"total_query_count", type::int8},
                                   column{"total_received", type::int8},
                                   column{"total_sent", type::int8},
                                   column{"total_xact_time", type::int8},
                                   column{"total_query_time", type::int8},
                                   column{"total_wait_time", type::int8},
                                   column{"total_reads_on_replica", type::int8},
                                   column{"total_reads_on_primary", type::int8},
                                   column{"total_writes", type::int8},
                                   column{"total_retries", type::int8},
                                   column{"total_refusals", type::int8}};

constexpr std::array average_columns{column{"database"},
                                     column{"avg_xact_count", type::int8},
                                     column{"avg_query_count", type::int8},
                                     column{"avg_recv", type::int8},
                                     column{"avg_sent", type::int8},
                                     column{"avg_xact_time", type::int8},
                                     column{"avg_query_time", type::int8},
                                     column{"avg_wait_time", type::int8}};

/// The totals, then the averages without their first column.
constexpr auto both_columns = [] {
    std::array<column, total_columns.size() + average_columns.size() - 1> all{};
    std::copy(total_columns.begin(), total_columns.end(), all.begin());
    std::copy(average_columns.begin() + 1, average_columns.end(), all.begin() + total_columns.size());
    return all;
}();

row totals_of(const traffic_row& of) {
    return make_row(of.cluster, of.transactions, of.statements, of.bytes_received, of.bytes_sent,
                    of.transaction_microseconds, of.statement_microseconds, of.wait_microseconds, of.reads_on_replica,
                    of.reads_on_primary, of.writes, of.retries, of.refusals);
}

/// Over the process's life: counts and bytes a second, times a transaction or a statement.
row averages_of(const traffic_row& of, const source& from) {
    const auto seconds = std::max(std::chrono::duration<double>(from.now.wall - from.started).count(), 1.0);
    const auto a_second = [seconds](std::uint64_t total) {
        return static_cast<std::uint64_t>(static_cast<double>(total) / seconds);
    };
    const auto each = [](std::uint64_t total, std::uint64_t count) { return count == 0 ? 0 : total / count; };
    return make_row(of.cluster, a_second(of.transactions), a_second(of.statements), a_second(of.bytes_received),
                    a_second(of.bytes_sent), each(of.transaction_microseconds, of.transactions),
                    each(of.statement_microseconds, of.statements), each(of.wait_microseconds, of.transactions));
}

rows_or_fault totals(const source& from) {
    row_list rows;
    for (const auto& one : from.of.traffic()) rows.push_back(totals_of(one));
    return rows;
}

rows_or_fault averages(const source& from) {
    row_list rows;
    for (const auto& one : from.of.traffic()) rows.push_back(averages_of(one, from));
    return rows;
}

rows_or_fault both(const source& from) {
    row_list rows;
    for (const auto& one : from.of.traffic()) {
        auto all = totals_of(one);
        auto more = averages_of(one, from);
        all.insert(all.end(), std::make_move_iterator(more.begin() + 1), std::make_move_iterator(more.end()));
        rows.push_back(std::move(all));
    }
    return rows;
}

constexpr std::array views{
    view{subject::stats, "", "totals and averages of each cluster since the start", both_columns, both},
    view{subject::stats_totals, "", "the totals alone", total_columns, totals},
    view{subject::stats_averages, "", "the averages alone", average_columns, averages},
};

}  // namespace

std::span<const view> traffic_views() {
    return views;
}

}  // namespace ringway::proxy::admin
