#include "proxy/admin/execute.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "config/nearest.hpp"
#include "proxy/admin/interval.hpp"

namespace ringway::proxy::admin {

using config::fault;
using config::fault_kind;
using verb = command::verb;

namespace {

bool is_number(const std::string& text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<std::uint64_t> read_id(const std::string& text) {
    std::uint64_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
    return id;
}

std::optional<fault> null_argument(const command& what) {
    for (const auto& one : what.arguments)
        if (one.is_null && what.about != subject::key && what.about != subject::route)
            return fault{fault_kind::invalid_parameter, "NULL names nothing", {}, {}};
    return std::nullopt;
}

}  // namespace

std::vector<column> columns_of(const command& what) {
    if (what.reply) return what.reply->columns;
    if (what.what == verb::rebalance && what.dry_run) return dry_run_columns();
    if (what.what != verb::show) return {};
    const auto columns = view_of(what.about).columns;
    return {columns.begin(), columns.end()};
}

std::string_view tag_of(const command& what) noexcept {
    switch (what.what) {
        case verb::show:
            return "SHOW";
        case verb::pause:
            return "PAUSE";
        case verb::resume:
            return "RESUME";
        case verb::reload:
            return "RELOAD";
        case verb::kill:
        case verb::kill_client:
        case verb::kill_cluster:
            return "KILL";
        case verb::shut_down:
            return "SHUTDOWN";
        case verb::ban:
            return "BAN";
        case verb::unban:
            return "UNBAN";
        case verb::rebalance:
            return "REBALANCE";
        case verb::move_key:
            return "MOVE";
        case verb::cancel_rebalance:
            return "CANCEL REBALANCE";
        case verb::resume_rebalance:
            return "RESUME REBALANCE";
        case verb::undo_rebalance:
            return "UNDO REBALANCE";
        case verb::finish_rebalance:
            return "FINISH REBALANCE";
        case verb::begin:
            return "BEGIN";
        case verb::commit:
            return "COMMIT";
        case verb::rollback:
            return "ROLLBACK";
        case verb::deallocate:
            return "DEALLOCATE";
        case verb::discard_all:
            return "DISCARD ALL";
        case verb::empty:
        case verb::answer:
            break;
    }
    return "";
}

result executor::run(const command& what, instant now) const {
    if (what.reply) return *what.reply;
    if (auto refused = null_argument(what)) return std::move(*refused);
    if (what.what == verb::reload) {
        auto outcome = of_.reload();
        if (outcome.failed) return std::move(*outcome.failed);
        return table{{}, {}, std::string(tag_of(what)), std::move(outcome.restart)};
    }
    if (what.what == verb::rebalance) {
        auto done = run_rebalance(of_, what);
        if (auto* refused = std::get_if<fault>(&done)) return std::move(*refused);
        return table{columns_of(what), std::get<row_list>(std::move(done)), std::string(tag_of(what))};
    }
    if (what.what != verb::show) {
        if (auto refused = act(what)) return std::move(*refused);
        return table{{}, {}, std::string(tag_of(what))};
    }
    auto rows = view_of(what.about).rows({of_, what, now, started_, tells_keys_});
    if (auto* refused = std::get_if<fault>(&rows)) return std::move(*refused);
    return table{columns_of(what), std::get<row_list>(std::move(rows)), "SHOW"};
}

bool executor::done(const command& what, std::chrono::steady_clock::time_point since, result& became) const {
    if (what.what != verb::pause || std::holds_alternative<fault>(became)) return true;
    auto progress = of_.pausing(what.arguments.empty() ? std::string() : what.arguments[0].text, since);
    if (progress.failed) became = std::move(*progress.failed);
    return progress.paused || std::holds_alternative<fault>(became);
}

std::optional<fault> executor::act(const command& what) const {
    const auto name = what.arguments.empty() ? std::string() : what.arguments[0].text;
    switch (what.what) {
        case verb::pause:
            if (auto refused = known_cluster(what)) return refused;
            return of_.pause(name);
        case verb::resume:
            if (auto refused = known_cluster(what)) return refused;
            return of_.resume(name);
        case verb::kill:
        case verb::kill_client:
        case verb::kill_cluster:
            return kill(what);
        case verb::shut_down:
            of_.shut_down(what.wait_for_clients);
            return std::nullopt;
        case verb::ban:
            if (auto refused = known_node(name)) return refused;
            if (what.arguments.size() > 1) {  // FOR $2
                const auto length = read_interval(what.arguments[1].text);
                if (!length)
                    return fault{fault_kind::invalid_parameter,
                                 fmt::format("\"{}\" is not an interval", what.arguments[1].text),
                                 {},
                                 "a number with its unit: 30s, 5 minutes, 1h 30m"};
                return of_.ban(name, length);
            }
            return of_.ban(name, what.length);
        case verb::unban:
            if (auto refused = known_node(name)) return refused;
            return of_.unban(name);
        case verb::move_key:
            return run_move_key(of_, what);
        case verb::cancel_rebalance:
            return of_.cancel_rebalance(name);
        case verb::resume_rebalance:
            return of_.resume_rebalance(name);
        case verb::undo_rebalance:
            return of_.undo_rebalance(name);
        case verb::finish_rebalance:
            return of_.finish_rebalance(name);
        default:
            return std::nullopt;
    }
}

/// No argument stands for all clusters.
std::optional<fault> executor::known_cluster(const command& what) const {
    if (what.arguments.empty()) return std::nullopt;
    const auto& name = what.arguments[0].text;
    if (name.empty()) return fault{fault_kind::unknown_cluster, "a cluster's name cannot be empty", {}, {}};
    auto found = find_cluster(*of_.settings(), name);
    if (auto* unknown = std::get_if<fault>(&found)) return std::move(*unknown);
    return std::nullopt;
}

std::optional<fault> executor::kill(const command& what) const {
    const auto& target = what.arguments[0];
    const bool client =
        what.what == verb::kill_client || (what.what == verb::kill && !target.quoted && is_number(target.text));
    if (client) {
        const auto id = read_id(target.text);
        if (!id)
            return fault{fault_kind::invalid_parameter,
                         fmt::format("\"{}\" is not a client's id", target.text),
                         {},
                         "SHOW CLIENTS has them in the column id"};
        return of_.kill_client(*id);
    }
    if (auto refused = known_cluster(what)) return refused;
    return of_.kill_cluster(target.text);
}

std::optional<fault> executor::known_node(const std::string& node) const {
    const auto settings = of_.settings();
    std::vector<std::string> all;
    for (const auto& cluster : settings->clusters)
        for (const auto& shard : cluster.shards)
            for (const auto& one : shard.nodes) all.push_back(one.text());
    if (std::find(all.begin(), all.end(), node) != all.end()) return std::nullopt;
    const std::vector<std::string_view> names(all.begin(), all.end());
    const auto near = config::nearest(node, names);
    return fault{fault_kind::invalid_parameter,
                 fmt::format("there is no node \"{}\"", node),
                 {},
                 near.empty() ? "SHOW LAG lists the nodes, as host:port" : fmt::format("did you mean {}?", near)};
}

}  // namespace ringway::proxy::admin
