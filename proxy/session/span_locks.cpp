// SELECT ... FOR UPDATE and its like in a transaction on several shards: each shard locks and reads its own rows. One
// after the other, so that two clients who lock in the same order on each shard never wait for each other.

#include <numeric>
#include <set>

#include "proxy/session/sorted_rows.hpp"
#include "proxy/session/spanning.hpp"
#include "router/row_locks.hpp"

namespace ringway::proxy {

using config::fault;
using config::fault_kind;

namespace {

/// A share of the locks by which rows that move and who looks for them on several shards keep apart (ADR 0015). In one
/// order, whatever the order of FROM.
std::string shares_of_moves(const std::vector<router::table_ref>& tables) {
    std::set<std::string> relations;
    for (const auto& each : tables) relations.insert(router::named_relation(each));
    std::string out;
    for (const auto& each : relations) out += moving_locks(each, moving_lock::of_write, 0) + ";";
    return out;
}

}  // namespace

std::optional<fault> row_lock_parts(const router::plan& plan, const router::values& with, const router::shard_map& map,
                                    bool utf8, span_unit& unit, std::vector<std::vector<std::uint16_t>>& numbers) {
    fault refusal;
    auto made = router::row_lock_texts_of(plan, with, map, refusal);
    if (!made) return refusal;
    unit.how = span_unit::merging::add;
    unit.one_by_one = true;
    if (auto sql = shares_of_moves(made->moving); !sql.empty())
        unit.lock = span_lock{std::move(sql), map.members().front()};
    unit.writes = false;  // no shard has anything to lose at COMMIT but locks
    unit.locks = true;
    std::vector<std::uint16_t> all(plan.parsed.parameters);
    std::iota(all.begin(), all.end(), static_cast<std::uint16_t>(0));
    numbers.assign(made->shards.size(), all);
    const bool sorted = !made->orders.empty();
    for (std::size_t i = 0; i < made->shards.size(); ++i)
        unit.parts.push_back({made->shards[i], sorted ? std::string() : std::move(made->texts[i])});
    if (!sorted) return std::nullopt;
    if (router::repeats_untyped(with))
        return fault{fault_kind::unsupported,
                     "rows that are locked on several shards are sorted by texts of their own, in which the type of a "
                     "parameter that stands in two places might be another",
                     {},
                     "declare the types of parameters, or sort the rows where they are used"};
    sorted_task task;
    task.own = with.text;
    task.texts = std::move(made->texts);
    task.orders = std::move(made->orders);
    task.texts_by_bytes = utf8 && plan.scatter->plain_texts && plan.scatter->byte_order;
    unit.sorted = std::make_shared<sorted_rows>(std::move(task));
    return std::nullopt;
}

}  // namespace ringway::proxy
