#include "proxy/control/runtime.hpp"

#include <fmt/format.h>
#include <openssl/rand.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>

#include "config/load.hpp"
#include "protocol/postgres/message.hpp"
#include "proxy/admin/connection.hpp"
#include "proxy/net/listener.hpp"
#include "proxy/rebalance/postgres/engine.hpp"
#include "proxy/session/session.hpp"

namespace ringway::proxy {

namespace asio = boost::asio;
namespace pg = protocol::postgres;
using config::fault;
using config::fault_kind;

namespace {

constexpr std::uint32_t worker_bits = 6;  ///< of a client's id: a CancelRequest finds its worker by them
constexpr std::size_t most_workers = 1u << worker_bits;

std::size_t worker_count(const config::general& general) {
    const std::size_t wanted = general.workers ? general.workers : std::max(1u, std::thread::hardware_concurrency());
    return std::min(wanted, most_workers);
}

std::string random_bytes(std::size_t n) {
    std::string out(n, '\0');
    RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(n));
    return out;
}

protocol::tls_files files_of(const config::tls& from, bool server_side) {
    protocol::tls_files files;
    files.certificate_file = from.certificate_file;
    files.key_file = from.key_file;
    files.ca_file = from.ca_file;
    files.min_version = from.min_version;
    if (server_side) {
        files.require_peer_certificate =
            from.mode == config::tls_mode::verify_ca || from.mode == config::tls_mode::verify_full;
    } else {
        files.verify_peer = from.mode == config::tls_mode::verify_ca || from.mode == config::tls_mode::verify_full;
        files.verify_name = from.mode == config::tls_mode::verify_full;
    }
    return files;
}

}  // namespace

runtime::runtime(config::settings from, std::string path)
    : path_(std::move(path)),
      plans_(from.general.plan_cache_entries),
      desk_(*this),
      recovery_([this] { return recovery_places(); }),
      rebalancer_(*this,
                  [this](const std::string& cluster, rebalance::journal& plan,
                         rebalance::engine::save_notes save) -> std::unique_ptr<rebalance::engine> {
                      return std::make_unique<rebalance::postgres::postgres_engine>(*this, cluster, plan,
                                                                                    std::move(save));
                  }),
      deadlocks_({[this] { return recovery_places(); }, [this] { return servers(); },
                  [this](std::uint64_t client) { give_way(client); }}),
      sizes_([this] { return recovery_places(); }) {
    settings_ = std::make_shared<const config::settings>(std::move(from));
}

runtime::~runtime() {
    stop();
}

// ---- clusters -------------------------------------------------------------------------------------------------------

/// The cluster as the monitor and the catalog reader see it: with somebody to log in as.
config::cluster runtime::watched(const config::cluster& from, const config::settings& all) const {
    auto out = from;
    if (out.database.empty() && out.name != "*") out.database = out.name;
    if (!out.monitor_user.empty()) return out;
    if (!out.auth_user.empty()) {
        out.monitor_user = out.auth_user;
        out.monitor_password = out.auth_password;
        return out;
    }
    for (const auto& user : all.users) {
        const bool here = user.clusters.empty() ||
                          std::find(user.clusters.begin(), user.clusters.end(), from.name) != user.clusters.end();
        if (!here || user.name == "*") continue;
        const bool hashed = !user.password.empty() && !config::is_plain_password(user.password);
        if (user.server_password.empty() && hashed) continue;
        out.monitor_user = user.server_user.empty() ? user.name : user.server_user;
        out.monitor_password = user.server_password.empty() ? user.password : user.server_password;
        return out;
    }
    return out;
}

std::optional<fault> runtime::make_clusters(const config::settings& from) {
    std::map<std::string, std::shared_ptr<const cluster_snapshot>> made;
    std::map<std::string, cluster_ring> rings;
    if (auto refused = find_rings(from, rings)) return refused;
    std::shared_ptr<front_door> door = std::make_shared<front_door>();
    try {
        if (from.client_tls.mode != config::tls_mode::disable)
            door->tls = protocol::tls_context::server(files_of(from.client_tls, true));
        for (const auto& cluster : from.clusters) {
            auto snapshot = std::make_shared<cluster_snapshot>();
            snapshot->config = cluster;
            snapshot->configured_as = cluster.name;
            snapshot->epoch = epoch_ + 1;
            const auto ring = rings.find(cluster.name);
            snapshot->map = ring == rings.end() ? router::make_shard_map(cluster, snapshot->epoch)
                                                : router::make_shard_map(cluster, snapshot->epoch, &ring->second.active,
                                                                         ring->second.change);
            snapshot->max_parse_bytes = from.general.max_parse_bytes;
            snapshot->max_prepared_bytes = from.general.max_prepared_bytes;
            snapshot->log_queries = from.general.log_queries;
            snapshot->turns = std::make_shared<std::deque<std::atomic<std::uint32_t>>>(cluster.shards.size());
            const auto before = clusters_.find(cluster.name);
            if (before != clusters_.end()) snapshot->rows_since = before->second->rows_since;
            snapshot->schema = before == clusters_.end() ? std::make_shared<schema_epoch>(0) : before->second->schema;
            if (cluster.server_tls.mode != config::tls_mode::disable)
                snapshot->server_tls = protocol::tls_context::client(files_of(cluster.server_tls, false));
            made.emplace(cluster.name, std::move(snapshot));
        }
    } catch (const std::exception& error) {
        return fault{fault_kind::invalid_parameter, error.what(), {}, "check the TLS files of the configuration"};
    }
    door->settings = std::make_shared<const config::settings>(from);
    door->secret = door_ ? door_->secret : random_bytes(32);
    ++epoch_;
    settings_ = door->settings;
    door_ = std::move(door);
    clusters_ = std::move(made);
    rings_ = std::move(rings);
    for (const auto& [name, snapshot] : clusters_)
        if (name != "*") cataloged_.insert_or_assign(name, snapshot), catalogs_wanted_.insert(name);
    std::erase_if(cataloged_, [&](const auto& entry) { return !clusters_.count(entry.second->configured_as); });
    return std::nullopt;
}

void runtime::install(worker& on, const std::shared_ptr<const cluster_snapshot>& what) {
    auto& slot = on.slots[what->config.name];
    if (!slot) slot = std::make_shared<cluster_slot>();
    if (slot->now && slot->now->epoch > what->epoch) return;  // a rebalance was faster
    const auto before = std::exchange(slot->now, what);
    if (!before || before->config.shards != what->config.shards || before->config.tables != what->config.tables ||
        before->config.hot_keys != what->config.hot_keys)
        slot->load.clear(std::chrono::steady_clock::now());
    slot->load.keeps_keys = what->config.hot_keys;
    slot->balance.clear();
    slot->health = monitor_->snapshot(what->configured_as);
}

std::shared_ptr<cluster_slot> runtime::make_slot(const std::string& cluster) {
    const std::lock_guard guard(lock_);
    const auto any = clusters_.find("*");
    if (any == clusters_.end() || clusters_.count(cluster)) return nullptr;
    auto snapshot = std::make_shared<cluster_snapshot>(*any->second);
    snapshot->config.name = cluster;
    snapshot->config.database = cluster;
    auto slot = std::make_shared<cluster_slot>();
    slot->now = snapshot;
    slot->health = monitor_->snapshot("*");
    const auto known = catalogs_.find(cluster);
    if (known != catalogs_.end() && !shelved_.count(cluster)) slot->catalog = known->second;
    slot->paused = is_paused(*snapshot);
    return slot;
}

void runtime::slot_kept(const std::shared_ptr<cluster_slot>& slot) {
    const auto& name = slot->now->config.name;
    const std::lock_guard guard(lock_);
    any_slots_[name].push_back(slot);
    cataloged_.insert_or_assign(name, slot->now);
    catalogs_wanted_.insert(name);
    catalog_wake_.notify_all();
}

namespace {

/// Sessions of the slot hear of nodes that have just left rotation for not answering; a ban lets statements finish.
void tell_who_left(worker& on, const cluster_slot& slot, const pool::cluster_health& before,
                   const pool::cluster_health& now) {
    for (std::size_t shard = 0; shard < now.shards.size() && shard < before.shards.size(); ++shard)
        for (std::size_t node = 0; node < now.shards[shard].nodes.size() && node < before.shards[shard].nodes.size();
             ++node) {
            const auto& here = now.shards[shard].nodes[node];
            if (here.usable || !before.shards[shard].nodes[node].usable || here.reason.starts_with("banned")) continue;
            const auto sessions = on.sessions;
            for (const auto& entry : sessions)
                if (entry.second->identity().cluster.get() == &slot)
                    entry.second->node_left(static_cast<std::uint16_t>(shard), static_cast<int>(node), here.reason);
        }
}

/// Sessions hear when a shard's primary is another node than before, or is denied while no other one stands.
void tell_who_leads(worker& on, const cluster_slot& slot, const pool::cluster_health& before,
                    const pool::cluster_health& now) {
    for (std::size_t shard = 0; shard < now.shards.size() && shard < before.shards.size(); ++shard) {
        const auto& here = now.shards[shard];
        const auto& there = before.shards[shard];
        const auto denied = [&](const pool::shard_health& of) {
            return of.primary < 0 && std::any_of(
                                         of.nodes.begin(), of.nodes.end(),
                                         [](const pool::node_health& node) {
                                             return node.timeline > 0 && node.role == pool::node_role::unknown;
                                         });
        };
        if (here.primary < 0 ? !denied(here) || denied(there) : here.primary == there.primary) continue;
        const auto sessions = on.sessions;
        for (const auto& entry : sessions)
            if (entry.second->identity().cluster.get() == &slot)
                entry.second->primary_moved(static_cast<std::uint16_t>(shard), here.primary);
    }
}

}  // namespace

void runtime::publish_health(std::shared_ptr<const pool::cluster_health> health) {
    for (auto& each : workers_)
        each->post([&on = *each, health] {
            for (auto& [name, slot] : on.slots) {
                if (slot->now->configured_as != health->cluster) continue;
                const auto before = std::exchange(slot->health, health);
                if (!before) continue;
                tell_who_left(on, *slot, *before, *health);
                tell_who_leads(on, *slot, *before, *health);
            }
        });
}

// ---- life -----------------------------------------------------------------------------------------------------------

std::optional<fault> runtime::start(const std::map<std::string, int>& inherited) {
    if (const auto failed = state_lock_.share(settings_->general.state_dir))
        spdlog::warn("{}: REBALANCE will be refused", *failed);
    monitor_ = std::make_unique<pool::monitor>(
        [this](std::shared_ptr<const pool::cluster_health> health) { publish_health(std::move(health)); });
    {
        const std::lock_guard guard(lock_);
        if (auto failed = make_clusters(*settings_)) return failed;
    }
    const auto& general = settings_->general;
    for (std::size_t i = 0; i < worker_count(general); ++i)
        workers_.push_back(
            std::make_unique<worker>(static_cast<std::uint16_t>(i), *this, plans_, general.plan_cache_entries));
    std::vector<worker*> all;
    for (auto& each : workers_) all.push_back(each.get());
    const auto listen_on = [&](const std::optional<config::endpoint>& at, listener::take then) -> std::optional<fault> {
        if (!at) return std::nullopt;
        auto made = std::make_unique<listener>(all, std::move(then));
        const auto known = inherited.find(at->text());
        if (auto failed = made->open(*at, known == inherited.end() ? -1 : known->second)) return failed;
        listeners_.push_back(std::move(made));
        return std::nullopt;
    };
    const auto postgres = [this](bool admin) {
        return [this, admin](worker& home, pool::tcp_socket socket) { new_connection(home, std::move(socket), admin); };
    };
    if (auto failed = listen_on(settings_->listen.postgres, postgres(false))) return failed;
    if (auto failed = listen_on(settings_->listen.admin, postgres(true))) return failed;
    const auto mysql = [this](bool admin) {
        return [this, admin](worker& home, pool::tcp_socket socket) {
            new_mysql_connection(home, std::move(socket), admin);
        };
    };
    if (auto failed = listen_on(settings_->listen.mysql, mysql(false))) return failed;
    if (auto failed = listen_on(settings_->listen.admin_mysql, mysql(true))) return failed;

    for (auto& each : workers_)
        for (const auto& [name, snapshot] : clusters_)
            if (name != "*") install(*each, snapshot);
    std::vector<config::cluster> to_watch;
    for (const auto& [name, snapshot] : clusters_) to_watch.push_back(watched(snapshot->config, *settings_));
    monitor_->watch(to_watch);
    for (auto& each : workers_) each->start();
    for (auto& each : listeners_) each->start();
    catalog_thread_ = std::thread([this] { read_catalogs(); });
    recovery_.start();
    std::vector<std::string> clusters;
    for (const auto& [name, ring] : rings_) clusters.push_back(name);
    rebalancer_.start(clusters);
    deadlocks_.start();
    sizes_.start();
    return std::nullopt;
}

std::vector<recovery_place> runtime::recovery_places() const {
    std::vector<recovery_place> out;
    const std::lock_guard guard(lock_);
    for (const auto& [name, snapshot] : clusters_) {
        if (!snapshot->config.is_sharded() || snapshot->config.engine != config::engine::postgres) continue;
        auto& one = out.emplace_back();
        one.cluster = watched(snapshot->config, *settings_);
        one.users = settings_->users;
        const auto health = monitor_->snapshot(name);
        for (std::size_t i = 0; i < one.cluster.shards.size(); ++i)
            one.primaries.push_back(health && i < health->shards.size() ? health->shards[i].primary : -1);
    }
    return out;
}

void runtime::close_doors() {
    if (draining_.exchange(true)) return;
    for (auto& each : listeners_) each->stop();
    everywhere([](worker&) {});  // the listeners are closed: nothing more is dealt out ...
    everywhere([](worker&) {});  // ... and what had been is logging in, and counted
}

void runtime::drain() {
    close_doors();
    refusing_ = true;
    everywhere([](worker& on) {
        const auto sessions = on.sessions;
        for (const auto& entry : sessions) entry.second->drain();
    });
}

void runtime::stop() {
    if (stopping_.exchange(true)) return;
    draining_ = true;
    for (auto& each : listeners_) each->stop();
    desk_.stop();  // its commands ask the monitor and the workers
    {
        const std::lock_guard guard(lock_);
        for (auto& entry : readers_) entry.second->abandon();
        for (auto& entry : mysql_readers_) entry.second->abandon();
        catalog_wake_.notify_all();
    }
    rebalancer_.stop();
    recovery_.stop();
    deadlocks_.stop();
    sizes_.stop();
    if (catalog_thread_.joinable()) catalog_thread_.join();
    for (auto& each : workers_) each->stop();  // they report to the monitor
    monitor_.reset();
    desk_.forget();
    listeners_.clear();
    {
        const std::lock_guard guard(lock_);
        for (auto& entry : pools_) entry.second->forget();
        pools_.clear();
    }
    workers_.clear();
}

std::map<std::string, int> runtime::listening() const {
    std::map<std::string, int> out;
    for (const auto& each : listeners_) out.emplace(each->name(), each->descriptor());
    return out;
}

// ---- clients --------------------------------------------------------------------------------------------------------

void runtime::new_connection(worker& home, pool::tcp_socket socket, bool admin) {
    std::shared_ptr<const front_door> door;
    {
        const std::lock_guard guard(lock_);
        door = door_;
    }
    auto then = [this, &home, admin](admitted_client client) {
        if (admin)
            desk_.serve(home, std::move(client));
        else
            client_admitted(home, std::move(client));
    };
    auto cancel_it = [this](std::uint32_t pid, const std::string& key, cancel_waiter until) {
        cancel(pid, key, std::move(until));
    };
    ++logins_;
    asio::co_spawn(
        *home.io, log_client_in(home, std::move(door), std::move(socket), admin, std::move(then), std::move(cancel_it)),
        [this](const std::exception_ptr&) { --logins_; });
}

namespace {

/// Says no to a client that is logged in, and closes.
void turn_away(admitted_client client, const fault& why) {
    std::string out = std::move(client.replies);
    pg::write_error(out, "FATAL", config::sqlstate(why.kind), why.message, why.detail, why.hint);
    if (client.tls) {
        std::string sealed;
        client.tls->encrypt(out, sealed);
        out = std::move(sealed);
    }
    boost::system::error_code ignored;
    client.socket.non_blocking(true, ignored);
    client.socket.send(asio::buffer(out), 0, ignored);
}

}  // namespace

void runtime::client_admitted(worker& home, admitted_client client) {
    const auto all = current_settings();
    if (refusing_)
        return turn_away(std::move(client),
                         {fault_kind::shutting_down, "the database system is shutting down", {}, {}});
    auto* slot = home.find_slot(client.database);
    if (!slot || slot->now->config.engine != config::engine::postgres) {
        const fault why{
            fault_kind::unknown_cluster, fmt::format("database \"{}\" does not exist", client.database), {}, {}};
        return turn_away(std::move(client), why);
    }
    auto shared = home.slots.at(client.database);
    client_identity who;
    who.cluster = shared;
    who.who = account_for(*shared, client.user, client.role, *client.who, client.secret);
    who.session_mode = who.who->limits.mode == config::pool_mode::session;
    if (!client.replication.empty())
        return turn_away(std::move(client), {fault_kind::unsupported,
                                             "replication connections do not go through Ringway",
                                             {},
                                             "connect to the server itself"});
    if (clients_.fetch_add(1) >= all->general.max_clients) {  // counted first: others come in on other workers
        --clients_;
        return turn_away(
            std::move(client),
            {fault_kind::too_many_connections, "sorry, too many clients already", {}, "raise general.max_clients"});
    }
    who.id = new_client_id(home);
    who.cancel_key = random_bytes(client.minor >= 2 ? 32 : 4);
    who.user = std::move(client.user);
    who.address = std::move(client.address);
    who.port = client.port;
    if (client.tls) who.tls = client.tls->version() + "/" + client.tls->cipher();
    who.startup_settings = std::move(client.settings);
    who.greeting = std::move(client.replies);
    std::shared_ptr<session> made(new session(home, std::move(who)), [this](session* gone) {
        delete gone;
        --clients_;
    });
    made->start(std::move(client.socket), std::move(client.tls), std::move(client.early));
}

std::shared_ptr<account> runtime::account_for(cluster_slot& slot, const std::string& user, const std::string& role,
                                              const config::user& who, const pool::server_secret& secret) {
    auto& one = slot.accounts[user + '\0' + role];
    const bool shows = who.server_password.empty() && !secret.empty();
    if (!one) {
        one = std::make_shared<account>();
        one->user = user;
        one->role = role;
        fill_account(*one, *slot.now, who, secret);
    } else if (shows && !(one->login->secret == secret)) {
        fill_account(*one, *slot.now, who, secret);
    }
    if (shows || !role.empty()) learn(slot, *one, shows ? secret : pool::server_secret{});
    return one;
}

std::vector<std::pair<runtime::pool_key, std::shared_ptr<pool::pool>>> runtime::pools_of(
    const std::string& cluster, const std::string& user) const {
    std::vector<std::pair<pool_key, std::shared_ptr<pool::pool>>> out;
    for (auto it = pools_.lower_bound({cluster, user, {}, {}, 0});
         it != pools_.end() && it->first.cluster == cluster && it->first.user == user; ++it)
        out.emplace_back(*it);
    return out;
}

void runtime::role_gone(const std::string& cluster, const std::string& user) {
    const std::lock_guard guard(lock_);
    for (const auto& [key, each] : pools_of(cluster, user)) each->renew();
}

/// A client may have shown a newer secret than the user's pools know: they use it from now on, whichever worker's they
/// are. What its name's former roles have left behind comes to an end.
void runtime::learn(const cluster_slot& slot, const account& who, const pool::server_secret& secret) {
    const auto& cluster = slot.now->config.name;
    const std::lock_guard guard(lock_);
    if (!who.role.empty())
        for (const auto& [key, each] : pools_of(cluster, who.user))
            if (key.role != who.role && !key.role.empty()) each->retire();
    if (secret.empty()) return;
    auto& known = shown_[{cluster, who.user, who.role}];
    if (known == secret) return;
    known = secret;
    for (const auto& [key, each] : pools_of(cluster, who.user))
        if (key.role == who.role) each->learn(secret);
}

void runtime::fill_account(account& one, const cluster_snapshot& of, const config::user& who,
                           const pool::server_secret& secret) const {
    const auto& cluster = of.config;
    one.limits = cluster.pool;
    one.reads = cluster.reads;
    const auto& over = who.over;
    if (over.mode) one.limits.mode = *over.mode;
    if (over.pool_size) one.limits.size = *over.pool_size;
    if (over.min_idle) one.limits.min_idle = *over.min_idle;
    if (over.reserve) one.limits.reserve = *over.reserve;
    if (over.query_wait_timeout) one.limits.query_wait_timeout = *over.query_wait_timeout;
    if (over.consistency) one.reads.consistency = *over.consistency;
    if (over.max_lag) one.reads.max_lag = *over.max_lag;
    auto login = std::make_shared<pool::server_target>();
    login->engine = cluster.engine;
    login->database = cluster.database.empty() ? cluster.name : cluster.database;
    login->user = who.server_user.empty() ? one.user : who.server_user;
    if (!who.server_password.empty())
        login->secret.password = who.server_password;
    else
        login->secret = secret;
    login->tls = cluster.server_tls.mode;
    login->tls_context = of.server_tls;
    login->compression = cluster.server_compression;
    login->connect_timeout = one.limits.connect_timeout;
    one.login = std::move(login);
}

// ---- what the workers ask -------------------------------------------------------------------------------------------

std::shared_ptr<const config::settings> runtime::current_settings() const {
    const std::lock_guard guard(lock_);
    return settings_;
}

std::shared_ptr<pool::pool> runtime::pool_of(const cluster_slot& cluster, const account& who, std::size_t shard,
                                             std::size_t node) {
    const auto& config = cluster.now->config;
    const auto& address = config.shards[shard].nodes[node];
    const std::lock_guard guard(lock_);
    auto& slot = pools_[{config.name, who.user, who.role, address.text(), shard}];
    if (!slot) {
        auto target = std::make_shared<pool::server_target>(*who.login);
        target->address = address;
        if (shard == 0) target->role = who.role;  // each shard has its own numbers: the first has been asked
        const auto newest = shown_.find({config.name, who.user, who.role});
        if (newest != shown_.end()) target->secret = newest->second;
        auto report = [this, name = cluster.now->configured_as](const config::endpoint& at, bool ok,
                                                                const std::string& why, bool full) {
            if (!monitor_) return;
            if (full) make_room(at);
            if (ok)
                monitor_->report_success(name, at);
            else
                monitor_->report_failure(name, at, why);
        };
        slot = std::make_shared<pool::pool>(pool::pool_name{config.name, config.shards[shard].name, who.user, address},
                                            std::move(target), who.limits, std::move(report));
    }
    return slot;
}

void runtime::role_changed(const std::string& cluster) {
    monitor_->check_now(cluster);
}

void runtime::node_failed(const std::string& cluster, const config::endpoint& node, const std::string& why) {
    monitor_->report_failure(cluster, node, why);
}

void runtime::catalog_changed(const std::string& cluster) {
    const std::lock_guard guard(lock_);
    catalogs_wanted_.insert(cluster);
    catalog_wake_.notify_all();
}

/// One that is being read is not read once more for that: what is prepared is of one reading.
void runtime::catalog_missing(const std::string& cluster) {
    const std::lock_guard guard(lock_);
    if (catalogs_due_.contains(cluster))
        catalogs_missed_.insert(cluster);
    else if (catalogs_wanted_.insert(cluster).second)
        catalog_wake_.notify_all();
}

void runtime::cancel(std::uint32_t pid, const std::string& key, cancel_waiter until) {
    cancel_here(pid, key, std::move(until), [this, pid, key] {
        if (cancel_elsewhere) cancel_elsewhere(pid, key);
    });
}

void runtime::pid_told(std::uint32_t pid, std::uint32_t session) {
    const std::lock_guard guard(told_lock_);
    told_pids_.emplace(pid, session);
}

void runtime::pid_forgotten(std::uint32_t pid, std::uint32_t session) {
    const std::lock_guard guard(told_lock_);
    std::erase_if(told_pids_, [&](const auto& entry) { return entry.first == pid && entry.second == session; });
}

void runtime::cancel_here(std::uint32_t pid, const std::string& key, cancel_waiter until,
                          std::function<void()> not_ours) {
    std::vector<std::uint32_t> sessions{pid};
    {
        const std::lock_guard guard(told_lock_);
        const auto [from, to] = told_pids_.equal_range(pid);
        for (auto it = from; it != to; ++it) sessions.push_back(it->second);
    }
    cancel_one_of(std::move(sessions), key, std::move(until), std::move(not_ours));
}

// Answers on the session's worker: the caller may be that worker, so it must not wait for it.
void runtime::cancel_one_of(std::vector<std::uint32_t> sessions, const std::string& key, cancel_waiter until,
                            std::function<void()> not_ours) {
    if (sessions.empty()) {
        if (not_ours) not_ours();
        return;
    }
    const auto id = sessions.back();
    sessions.pop_back();
    const auto number = id & (most_workers - 1);
    if (number >= workers_.size())
        return cancel_one_of(std::move(sessions), key, std::move(until), std::move(not_ours));
    auto& on = *workers_[number];
    on.post([this, &on, id, key, until = std::move(until), not_ours = std::move(not_ours),
             sessions = std::move(sessions)]() mutable {
        const auto it = on.sessions.find(id);
        if (it != on.sessions.end() && it->second->identity().cancel_key == key)
            it->second->cancel_running(until);
        else
            cancel_one_of(std::move(sessions), key, std::move(until), std::move(not_ours));
    });
}

void runtime::tend(worker& on) {
    const auto now = std::chrono::steady_clock::now();
    forget_slots(on, now);
    for (const auto& entry : on.slots) entry.second->load.roll(now);
    forget_pools();
    std::vector<std::shared_ptr<pool::pool>> all;
    {
        const std::lock_guard guard(lock_);
        for (const auto& entry : pools_) all.push_back(entry.second);
    }
    for (const auto& each : all) each->tend(on, now);
    const auto settings = current_settings();
    const auto& general = settings->general;
    if (general.client_idle_timeout.count() == 0 && general.idle_transaction_timeout.count() == 0) return;
    const auto sessions = on.sessions;
    for (const auto& entry : sessions)
        entry.second->end_if_idle(now, general.client_idle_timeout, general.idle_transaction_timeout);
}

}  // namespace ringway::proxy
