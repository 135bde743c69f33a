// The runtime as operators see it: rows gathered from the workers, and what they may order.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <future>
#include <set>

#include "config/change.hpp"
#include "config/load.hpp"
#include "proxy/control/runtime.hpp"
#include "proxy/net/client_session.hpp"

namespace ringway::proxy {

using config::fault;
using config::fault_kind;

namespace {

constexpr auto longest_gathering = std::chrono::seconds(2);

wall_time to_wall(std::chrono::steady_clock::time_point at) {
    return std::chrono::system_clock::now() -
           std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::steady_clock::now() - at);
}

server_row row_of(const pool::server& one, const char* state) {
    server_row row;
    const auto& name = one.home->name();
    row.id = one.id;
    row.user = name.user;
    row.cluster = name.cluster;
    row.shard = name.shard;
    row.database = one.target->database;
    row.address = name.node.text();
    row.state = state;
    row.pid = one.pid;
    row.worker = one.on->index;
    row.connected = to_wall(one.connected);
    row.requested = to_wall(one.last_used);
    row.client_id = one.client_id;
    row.prepared_statements = static_cast<std::uint32_t>(one.statements.size());
    row.statement_bytes = one.statements.bytes();
    for (const auto& [parameter, value] : one.parameters)
        if (parameter == "application_name") row.application_name = value;
    if (one.link.tls()) row.tls = one.link.tls()->version() + "/" + one.link.tls()->cipher();
    return row;
}

}  // namespace

void runtime::everywhere(const std::function<void(worker&)>& work) {
    gather<int>([&work](worker& on, std::vector<int>&) { work(on); });
}

template <class Row>
std::vector<Row> runtime::gather(const std::function<void(worker&, std::vector<Row>&)>& each) {
    // Shared with the workers: one that answers late writes into what nobody reads any more.
    struct answer {
        std::vector<Row> rows;
        std::promise<void> done;
    };
    std::vector<std::pair<std::shared_ptr<answer>, std::future<void>>> answers;
    const auto work = std::make_shared<std::function<void(worker&, std::vector<Row>&)>>(each);
    for (auto& on : workers_) {
        auto one = std::make_shared<answer>();
        answers.emplace_back(one, one->done.get_future());
        on->post([&w = *on, one, work] {
            (*work)(w, one->rows);
            one->done.set_value();
        });
    }
    std::vector<Row> out;
    const auto until = std::chrono::steady_clock::now() + longest_gathering;
    for (auto& [one, done] : answers)
        if (done.wait_until(until) == std::future_status::ready)
            std::move(one->rows.begin(), one->rows.end(), std::back_inserter(out));
    return out;
}

std::vector<client_row> runtime::clients() {
    return gather<client_row>([](worker& on, std::vector<client_row>& rows) {
        for (const auto& entry : on.sessions) rows.push_back(entry.second->describe());
    });
}

std::vector<server_row> runtime::servers() {
    std::vector<std::shared_ptr<pool::pool>> all;
    {
        const std::lock_guard guard(lock_);
        for (const auto& entry : pools_) all.push_back(entry.second);
    }
    return gather<server_row>([all](worker& on, std::vector<server_row>& rows) {
        for (const auto& each : all)
            for (const auto& idle : each->idle_on(on)) rows.push_back(row_of(*idle, "idle"));
        for (const auto& entry : on.sessions) {
            std::vector<const pool::server*> held;
            entry.second->add_servers(held);
            for (const auto* each : held) rows.push_back(row_of(*each, each->cancels ? "cancel" : "active"));
        }
    });
}

std::vector<pool_row> runtime::pools() {
    std::vector<std::shared_ptr<pool::pool>> all;
    std::set<std::string> paused, configured;
    {
        const std::lock_guard guard(lock_);
        for (const auto& entry : pools_) all.push_back(entry.second);
        for (const auto& entry : clusters_) configured.insert(entry.first);
        paused = paused_;
    }
    std::vector<pool_row> rows;
    for (const auto& each : all) {
        const auto figures = each->figures();
        pool_row row;
        row.cluster = each->name().cluster;
        row.shard = each->name().shard;
        row.node = each->name().node.text();
        row.user = each->name().user;
        row.database = each->target()->database;
        row.pool_mode = each->limits().mode == config::pool_mode::session ? "session" : "transaction";
        row.clients_active = figures.leased;
        row.clients_waiting = figures.waiting;
        row.servers_active = figures.leased;
        row.servers_idle = figures.idle;
        row.servers_login = figures.login;
        row.size = figures.size;
        row.max_wait_seconds = figures.longest_wait_seconds;
        row.paused = paused.count(row.cluster) || (!configured.count(row.cluster) && paused.count("*"));
        rows.push_back(std::move(row));
    }
    return rows;
}

std::vector<traffic_row> runtime::traffic() {
    auto rows = gather<traffic_row>([](worker& on, std::vector<traffic_row>& out) {
        for (const auto& [name, slot] : on.slots) {
            const auto& t = slot->traffic;
            traffic_row row;
            row.cluster = name;
            row.transactions = t.transactions;
            row.statements = t.statements;
            row.bytes_received = t.bytes_in;
            row.bytes_sent = t.bytes_out;
            row.transaction_microseconds = t.transaction_microseconds;
            row.statement_microseconds = t.statement_microseconds;
            row.wait_microseconds = t.wait_microseconds;
            row.reads_on_replica = t.reads_on_replica;
            row.reads_on_primary = t.reads_on_primary;
            row.writes = t.writes;
            row.retries = t.retries;
            row.refusals = t.refusals;
            out.push_back(std::move(row));
        }
    });
    std::map<std::string, traffic_row> sums;
    for (auto& row : rows) {
        auto& sum = sums[row.cluster];
        sum.cluster = row.cluster;
        for (auto field :
             {&traffic_row::transactions, &traffic_row::statements, &traffic_row::bytes_received,
              &traffic_row::bytes_sent, &traffic_row::transaction_microseconds, &traffic_row::statement_microseconds,
              &traffic_row::wait_microseconds, &traffic_row::reads_on_replica, &traffic_row::reads_on_primary,
              &traffic_row::writes, &traffic_row::retries, &traffic_row::refusals})
            sum.*field += row.*field;
    }
    std::vector<traffic_row> out;
    for (auto& entry : sums) out.push_back(std::move(entry.second));
    return out;
}

std::vector<std::shared_ptr<const pool::cluster_health>> runtime::health() {
    std::vector<std::shared_ptr<const pool::cluster_health>> out;
    const std::lock_guard guard(lock_);
    for (const auto& entry : clusters_)
        if (auto one = monitor_->snapshot(entry.first)) out.push_back(std::move(one));
    return out;
}

std::vector<pool::ban> runtime::bans() {
    return monitor_->bans();
}

std::shared_ptr<const router::shard_map> runtime::map(const std::string& cluster) {
    const std::lock_guard guard(lock_);
    const auto it = clusters_.find(cluster);
    return it == clusters_.end() ? nullptr : it->second->map;
}

std::shared_ptr<const router::catalog> runtime::catalog(const std::string& cluster) {
    const std::lock_guard guard(lock_);
    const auto it = catalogs_.find(cluster);
    return it == catalogs_.end() ? nullptr : it->second;
}

// ---- orders ---------------------------------------------------------------------------------------------------------

reload_outcome runtime::reload() {
    const std::lock_guard one_at_a_time(reload_lock_);
    auto loaded = config::load_file(path_);
    if (!loaded.ok()) {
        std::string all;
        for (const auto& each : loaded.mistakes) all += (all.empty() ? "" : "\n") + each.message();
        fault refused{fault_kind::invalid_parameter,
                      fmt::format("{} mistake{} in {}: nothing has changed", loaded.mistakes.size(),
                                  loaded.mistakes.size() == 1 ? "" : "s", path_),
                      all, "correct the file and RELOAD again"};
        spdlog::error("reload: {}\n{}", refused.message, refused.detail);
        return {std::move(refused), {}};
    }
    const auto before = current_settings();
    auto what = config::compare(*before, loaded.value);
    const auto next = config::without_restart(*before, std::move(loaded.value));
    if (auto failed = apply(next)) {
        spdlog::error("reload: {}. {}", failed->message, failed->hint);
        return {std::move(failed), {}};
    }
    spdlog::set_level(spdlog::level::from_str(next.general.log_level));
    spdlog::info("{} reloaded: {}", path_, config::summary(what));
    for (const auto& each : what.restart) spdlog::warn("reload: {}", each);
    return {{}, std::move(what.restart)};
}

/// Puts other settings in force. The fault: nothing has changed.
std::optional<fault> runtime::apply(const config::settings& from) {
    std::vector<config::cluster> to_watch;
    std::map<std::string, std::shared_ptr<const cluster_snapshot>> now;
    std::shared_ptr<const config::settings> all;
    {
        const std::lock_guard guard(lock_);
        if (auto failed = make_clusters(from)) return failed;
        std::erase_if(shown_, [&](const auto& entry) {
            const auto* who = from.find_user(std::get<1>(entry.first));
            return !who || !who->server_password.empty() || config::is_plain_password(who->password);
        });
        now = clusters_;
        all = settings_;
        for (const auto& [name, snapshot] : clusters_) to_watch.push_back(watched(snapshot->config, *all));
    }
    monitor_->watch(to_watch);
    everywhere([&](worker& on) {
        for (const auto& [name, snapshot] : now)
            if (name != "*") install(on, snapshot);
        for (auto it = on.slots.begin(); it != on.slots.end();) {
            auto& slot = *it->second;
            const auto known = now.find(slot.now->configured_as);
            if (known == now.end()) {
                const auto sessions = on.sessions;
                for (const auto& entry : sessions)
                    if (entry.second->identity().cluster == it->second)
                        entry.second->end_with({fault_kind::unknown_cluster,
                                                fmt::format("cluster \"{}\" has been removed", it->first),
                                                {},
                                                {}});
                it = on.slots.erase(it);
                continue;
            }
            if (slot.now->configured_as == "*") {
                auto snapshot = std::make_shared<cluster_snapshot>(*known->second);
                snapshot->config.name = snapshot->config.database = it->first;
                slot.now = snapshot;
            }
            refresh_accounts(slot, *all);
            ++it;
        }
    });
    const std::lock_guard guard(lock_);
    for (auto it = pools_.begin(); it != pools_.end();) {  // nodes that are gone: no new leases, idle connections close
        const auto cluster = now.find(it->first.cluster);
        bool stays = cluster == now.end() && now.count("*");
        if (cluster != now.end())
            for (const auto& shard : cluster->second->config.shards)
                for (const auto& node : shard.nodes) stays |= node.text() == it->first.node;
        if (stays) {
            ++it;
            continue;
        }
        auto limits = it->second->limits();
        limits.size = limits.min_idle = limits.reserve = 0;
        it->second->change(it->second->target(), limits);
        const auto gone = it->second;
        for (auto& on : workers_) on->post([gone, &w = *on] { gone->close_idle_of(w); });
        it = pools_.erase(it);
    }
    refresh_pools();
    catalog_wake_.notify_all();
    return std::nullopt;
}

namespace {

/// For the servers: the file's, or what the user's login has shown.
pool::server_secret secret_of(const config::user& who, const pool::server_secret& shown) {
    if (config::is_plain_password(who.password)) return {who.password, {}, {}, {}, {}};
    return shown;
}

}  // namespace

void runtime::refresh_accounts(cluster_slot& slot, const config::settings& from) {
    for (auto& entry : slot.accounts) {
        auto& one = *entry.second;
        const auto* who = from.find_user(one.user);
        if (!who) continue;
        fill_account(one, *slot.now, *who, secret_of(*who, one.login->secret));
        one.pools.clear();  // looked up again by the new map
    }
}

/// All of them, whether a worker's account knows them at the moment or not. Under lock_.
void runtime::refresh_pools() {
    for (const auto& [key, each] : pools_) {
        auto cluster = clusters_.find(key.cluster);
        const bool any = cluster == clusters_.end();
        if (any) cluster = clusters_.find("*");
        const auto* who = settings_->find_user(key.user);
        if (cluster == clusters_.end() || !who) continue;
        auto snapshot = *cluster->second;
        if (any) snapshot.config.name = snapshot.config.database = key.cluster;
        const auto before = each->target();
        account now;
        now.user = key.user;
        fill_account(now, snapshot, *who, secret_of(*who, before->secret));
        const auto& login = *now.login;
        const bool same = login.database == before->database && login.user == before->user &&
                          login.secret == before->secret && login.tls == before->tls &&
                          login.tls_context == before->tls_context && login.compression == before->compression;
        if (same && now.limits == each->limits()) continue;
        auto target = before;
        if (!same) {
            auto next = std::make_shared<pool::server_target>(login);
            next->address = before->address;
            next->role = before->role;
            target = std::move(next);
        }
        each->change(std::move(target), now.limits);
    }
}

namespace {

fault no_such_cluster(const std::string& name) {
    return {fault_kind::unknown_cluster, fmt::format("there is no cluster \"{}\"", name), {}, {}};
}

}  // namespace

bool runtime::is_paused(const cluster_snapshot& which) const {
    return paused_.count(which.config.name) || paused_.count(which.configured_as);
}

void runtime::apply_pauses() {
    everywhere([this](worker& on) {
        const std::lock_guard guard(lock_);
        for (auto& entry : on.slots) entry.second->paused = is_paused(*entry.second->now);
    });
}

std::optional<fault> runtime::pause(const std::string& cluster) {
    {
        const std::lock_guard guard(lock_);
        if (cluster.empty())
            for (const auto& entry : clusters_) paused_.insert(entry.first);
        else if (settings_->find_cluster(cluster))
            paused_.insert(cluster);
        else
            return no_such_cluster(cluster);
    }
    apply_pauses();
    return std::nullopt;
}

pause_progress runtime::pausing(const std::string& cluster, pool::steady_time since) {
    const auto all = current_settings();
    {
        const std::lock_guard guard(lock_);
        if (cluster.empty() ? paused_.empty() : !paused_.count(cluster))
            return {false,
                    fault{fault_kind::canceled, "resumed before all transactions had ended: not paused", {}, {}}};
    }
    if (draining_) return {false, fault{fault_kind::shutting_down, "Ringway is shutting down: not paused", {}, {}}};
    std::uint32_t leased = 0;
    for (const auto& row : pools())
        if (cluster.empty() || row.cluster == cluster ||
            (cluster == "*" && all->find_cluster(row.cluster)->name == "*"))
            leased += row.servers_active + row.clients_waiting;  // who was in the queue already is still served
    if (leased == 0) return {true, {}};
    if (std::chrono::steady_clock::now() - since < all->general.drain_timeout) return {};
    resume(cluster);
    return {false, fault{fault_kind::over_limit,
                         fmt::format("{} server connection{} still held after drain_timeout: not paused", leased,
                                     leased == 1 ? " is" : "s are"),
                         {},
                         "SHOW TRANSACTIONS and SHOW PINS tell by whom; KILL ends them"}};
}

std::optional<fault> runtime::resume(const std::string& cluster) {
    {
        const std::lock_guard guard(lock_);
        if (cluster.empty())
            paused_.clear();
        else if (settings_->find_cluster(cluster))
            paused_.erase(cluster);
        else
            return no_such_cluster(cluster);
    }
    apply_pauses();
    return std::nullopt;
}

void runtime::give_way(std::uint64_t client) {
    everywhere([client](worker& on) {
        const auto it = on.sessions.find(client);
        if (it != on.sessions.end()) std::shared_ptr(it->second)->give_way();
    });
}

std::optional<fault> runtime::kill_client(std::uint64_t id) {
    const auto found = gather<int>([id](worker& on, std::vector<int>& hits) {
        const auto it = on.sessions.find(id);
        if (it == on.sessions.end()) return;
        const auto keep = it->second;
        keep->end_with({fault_kind::shutting_down, "terminating connection due to administrator command", {}, {}});
        hits.push_back(1);
    });
    if (found.empty())
        return fault{fault_kind::invalid_parameter, fmt::format("there is no client {}", id), {}, "see SHOW CLIENTS"};
    return std::nullopt;
}

std::optional<fault> runtime::kill_cluster(const std::string& cluster) {
    if (!current_settings()->find_cluster(cluster)) return no_such_cluster(cluster);
    everywhere([&cluster](worker& on) {
        const auto sessions = on.sessions;
        for (const auto& entry : sessions)
            if (entry.second->identity().cluster->now->config.name == cluster)
                entry.second->end_with(
                    {fault_kind::shutting_down, "terminating connection due to administrator command", {}, {}});
    });
    return std::nullopt;
}

namespace {

std::optional<config::endpoint> find_node(const config::settings& all, const std::string& text) {
    for (const auto& cluster : all.clusters)
        for (const auto& shard : cluster.shards)
            for (const auto& node : shard.nodes)
                if (node.text() == text) return node;
    return std::nullopt;
}

}  // namespace

std::optional<fault> runtime::ban(const std::string& node, std::optional<std::chrono::milliseconds> length) {
    const auto all = current_settings();
    const auto found = find_node(*all, node);
    if (!found || !monitor_->ban_node(*found, length.value_or(std::chrono::hours(24 * 365)), "by an operator"))
        return fault{fault_kind::invalid_parameter,
                     fmt::format("there is no node \"{}\"", node),
                     {},
                     "nodes are written host:port, see SHOW LAG"};
    return std::nullopt;
}

std::optional<fault> runtime::unban(const std::string& node) {
    const auto found = find_node(*current_settings(), node);
    if (!found || !monitor_->unban_node(*found))
        return fault{
            fault_kind::invalid_parameter, fmt::format("node \"{}\" is not banned", node), {}, "see SHOW BANS"};
    return std::nullopt;
}

void runtime::shut_down(bool wait_for_clients) {
    if (ask_shutdown_) ask_shutdown_(wait_for_clients);
}

}  // namespace ringway::proxy
