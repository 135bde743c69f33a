// Reads over several shards within a transaction over several shards: by its own connections, or, as long as it has
// written nothing, by others beside it.

#include <algorithm>

#include "proxy/net/worker.hpp"
#include "proxy/session/outgoing.hpp"
#include "proxy/session/scattering.hpp"
#include "proxy/session/session.hpp"
#include "proxy/session/spanning.hpp"
#include "router/gather.hpp"
#include "router/need.hpp"
#include "router/owners.hpp"
#include "router/time_words.hpp"

namespace ringway::proxy {

using config::fault;
using doing = spanning::doing;
using router::verb;

void session::span_gathers(span_unit unit) {
    if (unit.gathers && spanning_->reads_only && spanning_->locks_tables)
        return span_refuse(not_across("a read of rows of several shards behind LOCK TABLE in a READ ONLY transaction"),
                           std::exchange(spanning_->what, doing::nothing));
    if (unit.gathers && spanning_->reads_only) return span_read_apart(std::move(unit));
    spanning_->across->run(std::move(unit));
}

/// In a transaction that has written nothing, and has no level or settings of its own, each statement sees what is
/// committed when it begins: so does one of another transaction, on each shard.
bool session::span_scatters(span_unit& unit, const router::values& with, scatter_task scatter) {
    auto& span = *spanning_;
    const auto* recipe = unit.gathers->scatter.get();
    const bool same =
        span.read_apart && !span.implicit && !span.changes_catalog && !span.locks_tables && !span.across->wrote();
    if (!recipe || !same || recipe->unfit.load(std::memory_order_relaxed) || router::names_time(with)) return false;
    if (!is_one(*unit.gathers, verb::select)) return false;
    if (encoding_ != text_encoding::utf8 && router::compares_texts(*recipe)) return false;
    if (router::repeats_untyped(with)) return false;
    if (router::asks_setting_of_a_server(unit.gathers->parsed.statements.front(), with)) return false;
    auto texts = router::scatter_texts_of(*unit.gathers, with);
    if (!texts) return false;
    scatter.texts = std::move(*texts);
    scatter.plan = unit.gathers;
    const auto map = unit.map ? unit.map : who_.cluster->now->map;
    scatter.asked = router::owners_of(*unit.gathers, with, *map);
    if (!keep_to_own_rows(scatter, *map)) return false;
    scatter.client_id = who_.id;
    scatter.settings = settings_;
    scatter.types_of_shards = who_.cluster->types;
    scatter.query = with.text;
    scatter.literals.assign(with.literals.begin(), with.literals.end());
    scatter.conforming_strings = conforming_strings_;
    scatter.in_transaction = true;
    scatter.told = unit.told;
    span.instead = std::make_unique<span_unit>(std::move(unit));
    reading_ = std::make_shared<scattering>(*this, std::move(scatter));
    std::shared_ptr(reading_)->start();
    return true;
}

/// In a READ ONLY transaction, which sees what is committed when each of its statements begins: another transaction,
/// with temporary tables, sees the same.
void session::span_read_apart(span_unit unit) {
    gather_task task;
    task.plan = std::move(unit.gathers);
    task.map = unit.map ? unit.map : who_.cluster->now->map;
    task.asked = task.map->members();
    task.client_id = who_.id;
    task.settings = settings_;
    task.types_of_shards = who_.cluster->types;
    task.filters = std::move(unit.filters);
    task.run = std::move(unit.parts.front().bytes);
    task.hidden = unit.hidden;
    task.told = unit.told;
    task.in_transaction = true;
    reading_ = std::make_shared<gathering>(*this, std::move(task));
    std::shared_ptr(reading_)->start();
}

/// What was read apart has ended.
void session::span_read(std::optional<fault> why, bool failed) {
    auto& span = *spanning_;
    const auto within = std::exchange(span.what, doing::nothing);
    if (span.holding) {
        auto& portal = *std::exchange(span.holding, nullptr);
        if (!why && portal.too_long) why = too_much_held();
        if (!why) span_give(portal, span.wanted_rows);
    }
    if (why) {
        span_refuse(*why, within);
    } else {
        if (failed) span.across->fail(span.implicit || span.of_text);
        if (within != doing::query)
            skip_to_sync_ = failed;
        else if (!goes_on(failed) && span.of_text)
            return span_text_over(failed);
        else if (!again_)
            say_ready(status());
    }
    span_go_on();
}

}  // namespace ringway::proxy
