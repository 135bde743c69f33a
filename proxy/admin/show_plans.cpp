// SHOW ROUTE, PLANS, STATEMENTS: what the router decided, and why.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "proxy/admin/routing.hpp"
#include "proxy/admin/view.hpp"

namespace ringway::proxy::admin {

namespace {

using config::fault;
using type = column_type;

std::string_view name_of(router::need what) {
    return what == router::need::any ? "any" : "primary";
}

std::string_view name_of(router::placement what) {
    switch (what) {
        case router::placement::single:
            return "single";
        case router::placement::any_shard:
            return "any_shard";
        case router::placement::all_same:
            return "session";
        case router::placement::several:
            return "gather";
        case router::placement::spread:
            return "spread";
        case router::placement::refused:
            break;
    }
    return "refused";
}

std::string reason_of(const router::plan& of) {
    return of.refusal ? of.refusal->message : of.reason;
}

/// Workers count while this reads.
std::uint64_t uses_of(const router::plan& of) {
    return std::atomic_ref(of.uses).load(std::memory_order_relaxed);
}

constexpr std::array route_columns{column{"item"}, column{"value"}};

rows_or_fault route(const source& from) {
    const auto& cluster = from.argument(0);
    auto around = routing_of(from.of, cluster);
    if (auto* refused = std::get_if<fault>(&around)) return std::move(*refused);
    const auto& in = std::get<routing_view>(around);
    auto sent = route_statement(in, from.argument(1), std::span(from.what.arguments).subspan(2));
    if (auto* refused = std::get_if<fault>(&sent)) return std::move(*refused);
    auto& where = std::get<routed>(sent).where;
    row_list rows;
    for (auto& [item, value] : std::get<routed>(sent).lines)
        rows.push_back(make_row(std::move(item), std::move(value)));
    if (where.kind == router::route::to::shard) {
        rows.push_back(make_row("primary node", primary_of(from.of, cluster, where.shard)));
        if (where.need == router::need::any)
            rows.push_back(
                make_row("replica nodes",
                         or_null(fmt::format("{}", fmt::join(replicas_of(from.of, cluster, where.shard), ", ")))));
    }
    return rows;
}

std::vector<std::shared_ptr<const router::plan>> by_uses(inventory& of) {
    auto all = of.plans().list();
    std::vector<std::pair<std::uint64_t, std::shared_ptr<const router::plan>>> counted;
    for (auto& one : all) {
        const auto uses = uses_of(*one);
        counted.emplace_back(uses, std::move(one));
    }
    std::sort(counted.begin(), counted.end(), [](const auto& a, const auto& b) {
        return a.first != b.first ? a.first > b.first : a.second->shape_text < b.second->shape_text;
    });
    all.clear();
    for (auto& [uses, plan] : counted) all.push_back(std::move(plan));
    return all;
}

constexpr std::array plan_columns{column{"shape"},
                                  column{"uses", type::int8},
                                  column{"need"},
                                  column{"placement"},
                                  column{"reason"},
                                  column{"hits", type::int8},
                                  column{"misses", type::int8},
                                  column{"parses", type::int8},
                                  column{"evictions", type::int8},
                                  column{"uncacheable", type::int8}};

rows_or_fault plans(const source& from) {
    const auto all = by_uses(from.of);
    const auto& counted = from.of.plans().counters();
    const auto now = [](const std::atomic<std::uint64_t>& value) { return value.load(std::memory_order_relaxed); };
    std::uint64_t uses = 0;
    for (const auto& one : all) uses += uses_of(*one);
    row_list rows{make_row("(all)", uses, cell{}, cell{}, cell{}, now(counted.hits), now(counted.misses),
                           now(counted.parses), now(counted.evictions), now(counted.uncacheable))};
    for (const auto& one : all)
        rows.push_back(make_row(one->shape_text, uses_of(*one), name_of(one->need), name_of(one->placement),
                                or_null(reason_of(*one)), cell{}, cell{}, cell{}, cell{}, cell{}));
    return rows;
}

constexpr std::array statement_columns{column{"statement"},
                                       column{"uses", type::int8},
                                       column{"share", type::float8},
                                       column{"parameters", type::int8},
                                       column{"statements", type::int8},
                                       column{"keys", type::int8},
                                       column{"fast_path", type::boolean}};

rows_or_fault statements(const source& from) {
    const auto all = by_uses(from.of);
    std::uint64_t total = 0;
    for (const auto& one : all) total += uses_of(*one);
    row_list rows;
    for (const auto& one : all) {
        const auto uses = uses_of(*one);
        const auto share = total == 0 ? 0.0 : static_cast<double>(uses) / static_cast<double>(total);
        rows.push_back(make_row(one->shape_text, uses, share, one->parsed.parameters, one->parsed.statements.size(),
                                one->keys.size(), one->plain));
    }
    return rows;
}

constexpr std::array views{
    view{subject::route, "<cluster> '<sql>' [<value> ...]", "where a statement would go, and why", route_columns,
         route},
    view{subject::plans, "", "cached plans and the cache's counters", plan_columns, plans},
    view{subject::statements, "", "the statements seen, most used first", statement_columns, statements},
};

}  // namespace

std::span<const view> plan_views() {
    return views;
}

}  // namespace ringway::proxy::admin
