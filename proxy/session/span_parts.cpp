// What a statement runs as in a transaction that stands on several shards: on which of them, with which texts and
// locks.

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "proxy/net/worker.hpp"
#include "proxy/session/session.hpp"
#include "proxy/session/spanning.hpp"
#include "router/gather.hpp"
#include "router/need.hpp"
#include "router/owners.hpp"
#include "router/row_locks.hpp"
#include "router/spread.hpp"
#include "router/time_words.hpp"

namespace ringway::proxy {

using config::fault;
using config::fault_kind;
using merging = span_unit::merging;
using router::effect;
using router::verb;

namespace {

bool changes_rows(const router::plan& plan) {
    return is_one(plan, verb::update) || is_one(plan, verb::delete_) || is_one(plan, verb::merge);
}

/// Whether it is to lock its rows on one shard after the other: whose keys it names, on the first it may have none.
bool goes_one_by_one(const router::plan& plan) {
    if (router::keeps_to_owners(plan)) return true;
    const bool to_owners = plan.spread == router::spreading::rows ||
                           (plan.spread == router::spreading::carried && plan.copies.tables.empty());
    if (!to_owners || plan.parsed.statements.size() != 1) return false;
    const auto& rows = plan.parsed.statements.front().block.insert;
    return rows && rows->on_conflict;
}

/// The table that a statement writes. Null: none that it names.
const router::table_ref* written_table(const router::query_block& block) {
    for (const auto& each : block.tables)
        if (each.written) return &each;
    for (const auto& child : block.children)
        if (const auto* found = written_table(child)) return found;
    return nullptr;
}

/// What keeps a write to rows of several shards, and a row's way to another shard, apart from others' of the same
/// table.
std::optional<span_lock> locks_of(const router::statement& what, const span_unit& unit, std::uint16_t first,
                                  std::uint64_t client_id) {
    const bool several = unit.parts.size() > 1;
    const auto* table = written_table(what.block);
    if (!table || (!several && !unit.move)) return std::nullopt;
    const auto which = !unit.move ? moving_lock::of_write : several ? moving_lock::of_both : moving_lock::of_move;
    return span_lock{moving_locks(router::named_relation(*table), which, client_id), first};
}

fault two_cursors() {
    return not_across("a cursor of a name that one of another shard has");
}

}  // namespace

/// The parts of a statement's unit; of those whose text is the client's own, `bytes` stays empty.
std::optional<fault> session::span_parts(const router::plan& plan, const router::values& with, span_unit& unit) {
    auto& span = *spanning_;
    const auto& map = *who_.cluster->now->map;
    span.asked = true;
    for (const auto& one : plan.parsed.statements) {
        const auto name = span.unsure.find(one, with.text, with.literals, who_.cluster->catalog.get());
        if (!name.empty())
            return fault{fault_kind::unsupported,
                         fmt::format("this transaction has changed what \"{}\" means, or may mean, which is not known "
                                     "before it is committed",
                                     name),
                         {},
                         "commit it first"};
        const bool defines = std::any_of(one.effects.begin(), one.effects.end(),
                                         [](const effect& each) { return each.what == effect::kind::catalog_changed; });
        if (defines && plan.parsed.statements.size() > 1)
            span.unsure.add_anything();
        else if (defines)
            span.unsure.add(one, with.text, with.literals, map, who_.cluster->catalog.get());
    }
    auto route = router::route_of(plan, with, map, who_.cluster->load.wants_key());
    const auto& open = span.across->shards();
    const bool hides_ascii = encoding_ == text_encoding::hidden;
    if (encoding_ != text_encoding::utf8) {
        destination checked;
        if (auto why = check_encoding(plan, with, checked)) return why;
    }
    span.on_the_move |= route.moves && plan.need == router::need::primary;
    const auto locks = router::locks_apart(plan) ? router::lock_use::only : lock_use_of(plan);
    unit.writes = plan.need == router::need::primary && locks != router::lock_use::only;
    unit.locks = locks != router::lock_use::none;
    std::uint16_t shard = open.empty() ? static_cast<std::uint16_t>(0) : open.front();
    using to = router::route::to;
    switch (route.kind) {
        case to::refused:
            return std::move(route.refusal);
        case to::several:
            if (span.reads_only && !span.read_apart)
                return fault{fault_kind::unsupported,
                             "a read of rows of several shards uses temporary tables, which a READ ONLY transaction "
                             "cannot have, and this one has settings of its own",
                             {},
                             "begin the transaction without READ ONLY, or read outside of it"};
            if (span.changes_catalog && !router::outlives_ddl(*plan.gather))
                return fault{fault_kind::unsupported,
                             "this transaction has changed tables, and rows of several shards are read by columns that "
                             "were there before",
                             {},
                             "commit it first"};
            if (auto why = why_not_made_again(*plan.gather, encoding_, *settings_, span.across->history())) return why;
            unit.gathers = span.held;
            unit.map = who_.cluster->now->map;
            for (const auto& table : plan.gather->tables)
                unit.filters.push_back(spanning_->changes_catalog
                                           ? router::filter_of(table, with, hides_ascii)
                                           : router::guarded_filter_of(table, with, hides_ascii));
            unit.parts.push_back({plan.gather->seat, {}});
            if (is_one(plan, verb::declare_cursor)) {
                if (span.reads_only) return not_across("a READ ONLY transaction's cursor over rows of several shards");
                const auto made = span.cursors.try_emplace(plan.parsed.statements.front().name, plan.gather->seat);
                if (made.first->second != plan.gather->seat) return two_cursors();
            }
            return std::nullopt;
        case to::spread: {
            if (!plan.copies.tables.empty())
                unit.lock = span_lock{copies_locks(plan.copies), map.members().front(), map.members()};
            unit.one_by_one = goes_one_by_one(plan);
            if (plan.spread == router::spreading::carried) return span_carry_parts(plan, with, unit);
            if (span.implicit && is_one(plan, verb::lock_table))
                return not_across("LOCK TABLE in a pipeline without BEGIN");
            if (router::names_time(with))
                return fault{fault_kind::unsupported,
                             "now, today and the like as a value may be another time on each shard",
                             {},
                             "give the time itself"};
            if (is_one(plan, verb::maintenance) && plan.parsed.statements.front().name == "REFRESH")
                return fault{
                    fault_kind::unsupported,
                    "REFRESH MATERIALIZED VIEW CONCURRENTLY runs on each shard by itself, and cannot be a part "
                    "of a transaction",
                    "PostgreSQL does not PREPARE a transaction that has used temporary tables",
                    "send it by itself, or refresh without CONCURRENTLY"};
            if (plan.spread == router::spreading::copied || plan.spread == router::spreading::merged)
                return span_copy_parts(plan, with, unit);
            if (router::locks_apart(plan)) {
                if (router::asks_setting_of_a_server(plan.parsed.statements.front(), with))
                    return fault{fault_kind::unsupported,
                                 "current_setting() may tell of one server, and this statement runs on several shards",
                                 {},
                                 "ask for the setting first, and give its value"};
                const bool utf8 = encoding_ == text_encoding::utf8;
                return row_lock_parts(plan, with, map, utf8, unit, span.numbers);
            }
            unit.how = plan.spread == router::spreading::alike ? merging::same : merging::add;
            // Who writes to the same rows meets on the first shard, and not crosswise on others.
            unit.in_turn = plan.spread == router::spreading::alike || changes_rows(plan);
            span.locks_tables |= is_one(plan, verb::lock_table);
            unit.writes = !is_one(plan, verb::lock_table);
            if (plan.spread == router::spreading::rows) {
                std::string why_not;
                auto parted = router::part_insert(plan, with, map, &why_not);
                if (!parted)
                    return fault{fault_kind::unsupported,
                                 "the rows of this INSERT belong to several shards, and cannot be told apart",
                                 std::move(why_not), "send the rows of each shard in a statement of their own"};
                unit.order = std::move(parted->order);
                for (auto& each : parted->parts) {
                    unit.parts.push_back({each.shard, std::move(each.text)});
                    span.numbers.push_back(std::move(each.parameters));
                }
                return std::nullopt;
            }
            if (plan.move)
                if (auto why = span_move_parts(plan, with, unit)) return why;
            if (unit.parts.empty())
                for (const auto each :
                     router::keeps_to_owners(plan) ? router::owners_of(plan, with, map) : map.members())
                    unit.parts.push_back({each, {}});
            for (auto& part : unit.parts) {
                if (!router::keep_to_own_rows(plan, with, map, part.shard, part.bytes)) {
                    if (plan.carry) return span_carry_parts(plan, with, unit);
                    return fault{fault_kind::unsupported,
                                 "this statement runs on several shards, and cannot be kept to the rows that each "
                                 "owns while rows move",
                                 {},
                                 "send one statement for the keys of each shard, or wait until the move has ended"};
                }
                auto& numbers = span.numbers.emplace_back(plan.parsed.parameters);
                std::iota(numbers.begin(), numbers.end(), static_cast<std::uint16_t>(0));
            }
            if (plan.spread == router::spreading::apart && map.moves_rows && changes_rows(plan))
                unit.lock = locks_of(plan.parsed.statements.front(), unit, map.members().front(), who_.id);
            return std::nullopt;
        }
        case to::shard:
            shard = route.shard;
            break;
        case to::any_shard:
        case to::all_same:
            break;
    }
    if (!plan.parsed.statements.empty()) {
        const auto& one = plan.parsed.statements.front();
        if (one.verb == verb::fetch || one.verb == verb::close_cursor) {
            const auto known = span.cursors.find(one.name);
            if (known != span.cursors.end()) shard = known->second;
        } else if (one.verb == verb::declare_cursor) {
            if (span.cursors.try_emplace(one.name, shard).first->second != shard) return two_cursors();
        }
        if (one.verb == verb::close_cursor && one.name.empty() && open.size() > 1) {  // CLOSE ALL
            for (const auto each : open) unit.parts.push_back({each, {}});
            unit.how = merging::same;
            return std::nullopt;
        }
    }
    unit.parts.push_back({shard, {}});
    return std::nullopt;
}

/// On each shard that it runs on.
void session::span_count(const router::plan& plan, const span_unit& unit) {
    if (plan.placement == router::placement::all_same) return;
    auto& load = who_.cluster->load;
    const auto& map = *who_.cluster->now->map;
    if (!unit.gathers)
        for (const auto& part : unit.parts) load.count(part.shard, map);
    else
        for (const auto each : map.members()) load.count(each, map);
}

}  // namespace ringway::proxy
