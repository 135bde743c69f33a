#include "proxy/rebalance/postgres/engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

namespace ringway::proxy::rebalance::postgres {

postgres_engine::postgres_engine(host& of, std::string cluster, journal& plan, save_notes save)
    : host_(of), cluster_(std::move(cluster)), plan_(plan), save_(std::move(save)) {}

postgres_engine::~postgres_engine() {
    stop();
    for (auto& each : moves_)
        if (each->stream) each->stream->end();
}

void postgres_engine::stop() {
    stop_.raise();
}

void postgres_engine::go_on() {
    stop_.clear();
}

std::string postgres_engine::application() const {
    return "ringway move " + plan_.id;
}

bool postgres_engine::note(const std::string& name, const std::string& value) {
    const std::lock_guard guard(lock_);
    plan_.notes[name] = value;
    return save_();
}

bool postgres_engine::joins(std::uint16_t shard) const {
    return !plan_.from.find(name_of(shard));
}

std::vector<std::uint16_t> postgres_engine::sources() const {
    std::vector<std::uint16_t> out;
    for (const auto& each : moves_)
        if (std::find(out.begin(), out.end(), each->source) == out.end()) out.push_back(each->source);
    return out;
}

std::vector<std::uint16_t> postgres_engine::targets() const {
    std::vector<std::uint16_t> out;
    for (const auto& each : moves_)
        if (std::find(out.begin(), out.end(), each->target) == out.end()) out.push_back(each->target);
    return out;
}

/// The servers' roles change; the moves do not.
result postgres_engine::look() {
    auto view = host_.look_at(cluster_);
    if (!view) return {outcome::stop, fmt::format("there is no cluster \"{}\"", cluster_)};
    if (!view->catalog) return {outcome::again, "the cluster's catalogs have not been read yet"};
    view_ = std::move(*view);
    if (!moves_.empty()) return {};
    std::vector<std::unique_ptr<move>> made;
    std::vector<std::uint16_t> served;
    for (auto& each : moves_of(plan_, view_.config)) {
        auto one = std::make_unique<move>();
        one->source = each.source;
        one->target = each.target;
        one->source_name = name_of(each.source);
        one->target_name = name_of(each.target);
        one->arcs = std::move(each.where);
        one->slot = fmt::format("ringway_{}_{}_{}", plan_.id, each.source, each.target);
        one->back_slot = one->slot + "_back";
        one->references = joins(each.target) && std::find(served.begin(), served.end(), each.target) == served.end();
        served.push_back(each.target);
        made.push_back(std::move(one));
    }
    const std::lock_guard guard(lock_);
    moves_ = std::move(made);
    return {};
}

result postgres_engine::look_at_tables() {
    if (auto seen = look(); !seen.ok()) return seen;
    std::unique_ptr<link> on;
    if (auto made = connect(0, on); !made.ok()) return made;
    std::vector<std::string> refusals;
    if (auto why = read_tables(*on, view_.config, *view_.catalog, tables_, refusals))
        return {outcome::again, why->message};
    if (!refusals.empty()) return {outcome::stop, refusals.front()};
    if (auto what = unread_among(tables_); !what.empty()) return {outcome::again, std::move(what)};
    if (auto why = shape_of(*on, tables_, shape_)) return {outcome::again, why->message};
    return {};
}

std::optional<pool::control_login> postgres_engine::login(std::uint16_t shard, std::string& why) const {
    const auto& one = view_.config.shards[shard];
    if (shard >= view_.primaries.size() || view_.primaries[shard] < 0) {
        why = fmt::format("shard {} has no primary", one.name);
        return std::nullopt;
    }
    return pool::control_login_for(view_.config, one.nodes[static_cast<std::size_t>(view_.primaries[shard])]);
}

result postgres_engine::connect(std::uint16_t shard, std::unique_ptr<link>& to, bool replication) {
    std::string why;
    const auto at = login(shard, why);
    if (!at) return {outcome::again, why};
    to = std::make_unique<link>(stop_);
    if (auto failed = to->open(*at, application(), replication))
        return {outcome::again, fmt::format("{}: {}", at->node.text(), failed->message)};
    return {};
}

result at_once(std::size_t count, const std::function<result(std::size_t)>& work) {
    std::vector<result> answers(count);
    std::vector<std::thread> threads;
    for (std::size_t i = 1; i < count; ++i) threads.emplace_back([&, i] { answers[i] = work(i); });
    if (count > 0) answers[0] = work(0);
    for (auto& each : threads) each.join();
    result worst;
    for (auto& each : answers)
        if (worst.ok() || (!each.ok() && each.how > worst.how)) worst = std::move(each);
    return worst;
}

result postgres_engine::each_move(const std::function<result(move&)>& work) {
    return at_once(moves_.size(), [&](std::size_t i) { return work(*moves_[i]); });
}

std::vector<move_figures> postgres_engine::figures() {
    std::vector<move_figures> out;
    const std::lock_guard guard(lock_);
    for (const auto& each : moves_) {
        move_figures one;
        one.source = each->source_name;
        one.target = each->target_name;
        one.arcs = each->arcs.arcs().size();
        one.share = each->arcs.share();
        one.rows = each->rows;
        one.bytes = each->bytes;
        one.rows_copied = each->rows_copied;
        one.bytes_copied = each->bytes_copied;
        one.rows_cleaned = each->rows_cleaned;
        one.lag_bytes = each->lag;
        one.changes = each->changes + (each->stream ? each->stream->changes() : 0);
        out.push_back(std::move(one));
    }
    return out;
}

}  // namespace ringway::proxy::rebalance::postgres
