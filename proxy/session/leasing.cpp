// From a route to a server connection, and back.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "proxy/net/worker.hpp"
#include "proxy/session/cleaner.hpp"
#include "proxy/session/outgoing.hpp"
#include "proxy/session/session.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using config::fault;
using config::fault_kind;

namespace {

constexpr int most_tries = 5;  ///< of one statement, over all nodes

}  // namespace

pool::worker_link& session::waiter_home() {
    return home_;
}

router::plan_context session::plan_context() const {
    router::plan_context context;
    context.map = who_.cluster->now->map.get();
    context.catalog = who_.cluster->catalog.get();
    context.search_path = search_path_;
    context.user = who_.user;
    context.standard_conforming_strings = conforming_strings_;
    return context;
}

/// For how a transaction over several shards ends.
router::lock_use session::lock_use_of(const router::plan& plan) const {
    if (plan.need != router::need::primary || !who_.cluster->now->map->is_sharded()) return router::lock_use::none;
    return router::lock_use_of(plan, plan_context());
}

router::plan_cache::found session::plan_of(std::string_view sql) {
    if (encoding_ == text_encoding::hidden && !is_ascii(sql)) sql = "a text that cannot be read";
    return home_.plans.find(sql, plan_context());
}

config::read_consistency session::consistency() const {
    return own_.consistency.value_or(who_.who->reads.consistency);
}

std::optional<fault> session::destination_of(const router::plan& plan, const router::values& with, destination& out) {
    const auto& statements = plan.parsed.statements;
    if (statements.size() == 1 && statements.front().explain_route) return std::nullopt;  // told, not run
    if (!plan.parsed.hint.unknown.empty())
        return fault{fault_kind::invalid_parameter,
                     fmt::format("unknown routing hint \"{}\"", plan.parsed.hint.unknown),
                     {},
                     "hints are role=primary, role=replica and shard=NAME"};
    const bool foreign = encoding_ != text_encoding::utf8;
    if (foreign)
        if (auto why = check_encoding(plan, with, out)) return why;
    auto route = router::route_of(plan, with, *who_.cluster->now->map, who_.cluster->load.wants_key());
    if (foreign && out.need == router::need::primary) route.need = router::need::primary;
    if (route.kind == router::route::to::refused) return std::move(route.refusal);
    out.several = route.kind == router::route::to::several;
    if (out.several && out.alone && status() == 'I' && is_one(plan, router::verb::declare_cursor))
        out.several = false;  // outside of a transaction, which any server says
    out.spread = route.kind == router::route::to::spread;
    if (out.spread && out.alone && status() == 'I' && is_one(plan, router::verb::lock_table)) {
        out.spread = false;  // outside of a transaction, which a server says
        route.kind = router::route::to::shard;
    }
    out.moves = route.moves && plan.need == router::need::primary;
    if (out.spread) {
        out.need = router::need::primary;
        if (out.may_spread) return std::nullopt;
        return fault{fault_kind::unsupported,
                     fmt::format("this statement runs on several shards of cluster \"{}\", which it cannot here",
                                 who_.cluster->now->config.name),
                     std::string(tied_by()), "send it by itself"};
    }
    if (out.several && !out.may_gather && !out.may_spread)
        return fault{fault_kind::unsupported,
                     fmt::format("this statement reads rows of several shards of cluster \"{}\", which it cannot here",
                                 who_.cluster->now->config.name),
                     std::string(tied_by()), "send it by itself, outside of transactions"};
    using wish = router::routing_hint::role_wish;
    const auto hint = plan.parsed.hint.role;
    out.need = route.need;
    out.replica_only = false;
    if (!who_.who->reads.splitting || plan.on_primaries || hint == wish::primary ||
        (hint == wish::none && own_.role == 1) || avoid_replicas_ || no_replica())
        out.need = router::need::primary;
    else if ((hint == wish::replica || own_.role == 2) && route.need == router::need::any)
        out.replica_only = true;
    if (hint == wish::replica && route.need == router::need::primary)
        return fault{fault_kind::read_only, "the hint role=replica stands on a statement that needs the primary",
                     plan.reason, "remove the hint"};
    if (out.need == router::need::any && consistency() == config::read_consistency::primary && !out.replica_only)
        out.need = router::need::primary;
    // A statement any shard can answer goes where the session is, else to the first.
    out.placed = route.kind == router::route::to::shard;
    out.shard = out.placed ? route.shard : talk_ ? talk_->shard : static_cast<std::uint16_t>(0);
    return std::nullopt;
}

/// Transactions are serializable by default: no replica runs any.
bool session::no_replica() const noexcept {
    return serializable_start_ || settings_->serializable();
}

/// A syntax error to the servers too: their grammar is not newer than the parser's.
bool session::no_server_takes(const router::plan& plan) const {
    if (plan.parsed.error.empty() || plan.parsed.too_deep || !told_) return false;
    const auto version =
        std::find_if(told_->begin(), told_->end(), [](const auto& each) { return each.first == "server_version"; });
    int major = 0;
    if (version == told_->end()) return false;
    const auto& text = version->second;
    return std::from_chars(text.data(), text.data() + text.size(), major).ec == std::errc() &&
           major <= router::postgres_grammar();
}

/// What stays on its connection must not do so on a replica's: the session will want to write.
std::optional<fault> session::pin_on_replica(const router::plan& plan) const {
    if (plan.plain || !talk_ || !talk_->on_replica || no_server_takes(plan)) return std::nullopt;
    const auto refused = [](std::string why) {
        return fault{fault_kind::unsupported,
                     "this statement would keep the session on the replica that its READ ONLY transaction is on",
                     std::move(why), "run it outside of the transaction, or begin the transaction without READ ONLY"};
    };
    if (runs_any(plan, &router::plan::asks_statements)) return refused("pg_prepared_statements");
    const bool several = plan.parsed.statements.size() > 1;
    for (const auto& one : plan.parsed.statements)
        for (const auto& what : one.effects)
            if (what.what == router::effect::kind::pin ||
                (what.what == router::effect::kind::prepare && (several || in_batch_)))
                return refused(what.pin);
    return std::nullopt;
}

bool session::suits(const destination& to) const {
    return talk_ && talk_->shard == to.shard && (to.need == router::need::any || !talk_->on_replica) &&
           (!to.replica_only || talk_->on_replica);
}

bool session::seek(const destination& to) {
    want_ = to;
    want_epoch_ = who_.cluster->now->epoch;
    // A transaction that may write does so after its first read too.
    if (!begun_.empty() && !begun_reads_ && !to.replica_only) want_.need = router::need::primary;
    const auto now = clock::now();
    if ((tries_ == 0 && refused_ == 0) || waiting_since_ == steady_time{}) {
        waiting_since_ = now;
        hold_until_ = now + who_.cluster->now->config.failover_hold;
    }
    return find_server(now);
}

bool session::find_server(steady_time now) {
    // What a pause holds has all its time before it when the pause ends.
    held_by_fence_ = fenced(want_);
    const bool held = who_.cluster->paused || held_by_fence_;
    if (held) hold_until_ = now + who_.cluster->now->config.failover_hold;
    const auto seen = held ? outlook::hold : choose_node(now);
    if (seen == outlook::given_up) return false;
    if (seen == outlook::hold) {
        phase_ = phase::holding;
        home_.watch(shared_from_this());
        return false;
    }
    auto& slot = who_.who->pools[want_.shard][static_cast<std::size_t>(want_node_)];
    if (!slot) slot = home_.owner.pool_of(*who_.cluster, *who_.who, want_.shard, static_cast<std::size_t>(want_node_));
    waiting_in_ = slot;
    phase_ = phase::leasing;
    if (auto got = slot->acquire(shared_from_this(), home_)) {
        take(std::move(got), now);
        return phase_ == phase::active;
    }
    home_.watch(shared_from_this());
    return false;
}

/// Whether the catalogs have been read since the last DDL through this process. Of an unsharded cluster that is no
/// matter: what is not known goes to the primary.
bool session::catalog_is_current() const {
    const auto& cluster = *who_.cluster;
    return cluster.catalog && (!cluster.now->map->is_sharded() ||
                               cluster.catalog_schema >= cluster.now->schema->load(std::memory_order_acquire));
}

/// Which tables are sharded how is told by the catalogs: until they are read no statement of a sharded cluster can be
/// placed.
bool session::wait_for_catalog() {
    if (talk_) return false;
    if (catalog_is_current()) {
        catalog_hold_until_ = {};
        return false;
    }
    const auto now = clock::now();
    // An unsharded cluster can do without: all goes to its primary, and what it sets is looked for. What else its
    // functions may leave behind is not known, so the start is worth a wait, a longer one where there is a primary to
    // read them from.
    const auto& health = who_.cluster->health;
    const bool readable = health && !health->shards.empty() && health->shards.front().primary >= 0;
    const auto moment = std::chrono::seconds(readable ? 10 : 2);
    if (!who_.cluster->now->map->is_sharded() && now - who_.cluster->created > moment) return false;
    if (catalog_hold_until_ == steady_time{}) {
        catalog_hold_until_ = now + who_.cluster->now->config.failover_hold;
        home_.owner.catalog_missing(who_.cluster->now->config.name);
    }
    if (now >= catalog_hold_until_) return false;  // the planner says what is missing
    phase_ = phase::holding;
    held_for_catalog_ = true;
    home_.watch(shared_from_this());
    return true;
}

session::outlook session::choose_node(steady_time now) {
    auto& cluster = *who_.cluster;
    if (want_.shard >= cluster.now->config.shards.size()) {
        give_up({fault_kind::internal, "the shard map has changed", {}, "repeat the statement"});
        return outlook::given_up;
    }
    auto& pools = who_.who->pools;
    if (pools.size() != cluster.now->config.shards.size()) pools.assign(cluster.now->config.shards.size(), {});
    pools[want_.shard].resize(cluster.now->config.shards[want_.shard].nodes.size());
    const bool late = now >= hold_until_;
    if (!cluster.health || want_.shard >= cluster.health->shards.size()) {
        if (!late) return outlook::hold;
        give_up({fault_kind::cannot_connect,
                 fmt::format("the servers of cluster \"{}\" have not answered yet", cluster.now->config.name),
                 {},
                 {}});
        return outlook::given_up;
    }
    const auto& shard = cluster.health->shards[want_.shard];
    if (cluster.balance.size() <= want_.shard) cluster.balance.resize(want_.shard + 1u);
    pool::choice chosen;
    if (want_.need == router::need::any) {
        pool::read_wish wish;
        wish.mode = consistency();
        wish.last_write = last_write_;
        wish.max_lag = who_.who->reads.max_lag;
        want_moved_rows(wish);
        wish.require_replica = want_.replica_only;
        auto rules = &who_.who->reads;
        thread_local config::read_rules any_node;
        if (greeting_) {  // any server can tell its parameters
            any_node = *rules;
            any_node.fallback = config::no_replica::primary;
            rules = &any_node;
            wish.mode = config::read_consistency::eventual;
        }
        if (!greeting_)
            cluster.balance[want_.shard].next =
                (*cluster.now->turns)[want_.shard].fetch_add(1, std::memory_order_relaxed);
        chosen = pool::choose_for_read(shard, wish, *rules, now, cluster.balance[want_.shard]);
    } else {
        chosen = pool::choose_primary(shard);
    }
    if (chosen.node >= 0 && static_cast<std::size_t>(chosen.node) < pools[want_.shard].size()) {
        want_node_ = chosen.node;
        return outlook::node;
    }
    if (chosen.hold && !late) return outlook::hold;
    give_up(chosen.why.value_or(
        fault{fault_kind::cannot_connect,
              fmt::format("shard \"{}\" has no primary in order", cluster.now->config.shards[want_.shard].name),
              shard.reason, "see SHOW LAG on the admin port"}));
    return outlook::given_up;
}

void session::leased(pool::server_ref got) {
    if (phase_ != phase::leasing) {  // the client went away meanwhile
        waiting_in_.reset();
        got->home->give_back(std::move(got));
        return;
    }
    const auto& shards = who_.cluster->health->shards;
    if (want_.need == router::need::primary && want_.shard < shards.size() &&
        shards[want_.shard].primary != want_node_) {  // it was the primary when the wait began
        waiting_in_.reset();
        got->home->give_back(std::move(got));
        phase_ = phase::idle;
        if (!find_server(clock::now()) && !failure_) return;
    } else {
        take(std::move(got), clock::now());
        if (phase_ != phase::active) return;
    }
    pump({});
    want_client();  // reading stopped when enough was waiting for the lease
}

void session::lease_failed(const fault& why) {
    if (phase_ != phase::leasing) return;
    waiting_in_.reset();
    phase_ = phase::idle;
    const bool primary = want_.need == router::need::primary;
    if (pool::is_refusal(why)) {
        if (primary && why.kind == fault_kind::unknown_cluster)
            home_.owner.database_gone(who_.cluster->now->config.name);
        // A replica may not have heard yet of a new database, role or password.
        if (primary || want_.replica_only) {
            give_up(why);
        } else {
            want_.need = router::need::primary;
            if (!seek(want_) && !failure_) return;
        }
        pump({});
        want_client();
        return;
    }
    if (primary) home_.owner.role_changed(who_.cluster->now->configured_as);
    if (++refused_ >= most_tries && clock::now() >= hold_until_) {
        give_up(why);
    } else if (primary ||
               refused_ >= most_tries) {  // wait for a new primary, or for the monitor to see that this one is back
        if (clock::now() >= hold_until_) {
            give_up(why);
        } else {
            phase_ = phase::holding;
            home_.watch(shared_from_this());
            return;
        }
    } else if (!seek(want_)) {
        if (!failure_) return;
    }
    pump({});
    want_client();
}

void session::take(pool::server_ref got, steady_time now) {
    waiting_in_.reset();
    refused_ = 0;
    auto& traffic = who_.cluster->traffic;
    traffic.wait_microseconds +=
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now - waiting_since_).count());
    talk_ = new_conversation();
    ++talk_number_;
    talk_->shard = want_.shard;
    talk_->map_epoch = want_epoch_;
    talk_->node = want_node_;
    talk_->asked = talk_->begun = now;
    talk_->replayable = want_.replayable;
    const auto& health = *who_.cluster->health;
    if (want_.shard < health.shards.size() &&
        static_cast<std::size_t>(want_node_) < health.shards[want_.shard].nodes.size())
        talk_->on_replica = health.shards[want_.shard].primary != want_node_;
    got->user = this;
    got->client_id = who_.id;
    talk_->server = std::move(got);
    talk_->server->link.want_read();
    phase_ = phase::preparing;
    if (prepare()) become_active();
}

int write_settings_change(std::string& out, pool::settings_ref now, const pool::settings_ref& wanted) {
    int sent = 0;
    const auto send = [&](const pool::session_settings& next) {
        pg::write_query(out, pool::settings_change(*now, next));
        ++sent;
    };
    constexpr std::string_view encoding = "client_encoding";
    const auto *has = now->find(encoding), *wants = wanted->find(encoding);
    if ((has || wants) && (!has || !wants || *has != *wants)) {
        const auto next = wants ? now->with(encoding, *wants) : now->without(encoding);
        send(*next);
        now = next;
    }
    if (now != wanted) send(*wanted);
    return sent;
}

void session::write_settings(std::string& out) {
    for (int sent = write_settings_change(out, talk_->server->settings, settings_); sent > 0; --sent)
        talk_->replies.push(expected_reply::kind::query, expected_reply::to::nobody);
}

bool session::prepare() {
    auto& server = *talk_->server;
    std::string out;
    if (server.settings != settings_) write_settings(out);
    if (!begun_.empty()) {
        talk_->begin = begun_;
        talk_->history.assign(1, begun_);
        talk_->reads_only = begins_read_only(begun_reads_, begun_);
        talk_->begin_reads = begun_reads_;
        talk_->in_block = true;
        pg::write_query(out, begun_);
        talk_->replies.push(expected_reply::kind::query, expected_reply::to::nobody);
    }
    if (out.empty()) return true;
    server.link.write(out);
    return false;
}

/// Conversations come and go with every lease: this thread keeps a few, with what their strings have grown to.
std::vector<std::unique_ptr<session::conversation>>& session::spare_conversations() {
    thread_local std::vector<std::unique_ptr<conversation>> spare;
    return spare;
}

std::unique_ptr<session::conversation> session::new_conversation() {
    auto& spare = spare_conversations();
    if (spare.empty()) return std::make_unique<conversation>();
    auto out = std::move(spare.back());
    spare.pop_back();
    return out;
}

void session::retire_conversation() {
    constexpr std::size_t most_spare = 64;
    auto& spare = spare_conversations();
    drew_elsewhere_ |= talk_ && talk_->drew;
    if (!talk_ || spare.size() >= most_spare) return talk_.reset();
    conversation fresh;  // keeps the two buffers that every lease needs again
    fresh.replies = std::move(talk_->replies);
    fresh.replies.clear();
    fresh.retained = std::move(talk_->retained);
    fresh.retained.clear();
    *talk_ = std::move(fresh);
    spare.push_back(std::move(talk_));
}

void session::hand_back(pool::server_ref server, bool dirty) {
    if (dirty || server->reset_needed) {
        clean(std::move(server), true);
    } else if (server->cancels > 0) {
        server->user = nullptr;
        server->parked = true;
    } else {
        auto* home = server->home.get();
        home->give_back(std::move(server));
    }
}

void session::release() {
    auto server = std::move(talk_->server);
    retire_conversation();
    phase_ = phase::idle;
    tries_ = 0;
    avoid_replicas_ = false;
    hand_back(std::move(server), false);
}

/// The connection is in order, but the statement runs again, maybe elsewhere.
void session::release_for_retry() {
    auto server = std::move(talk_->server);
    retire_conversation();
    phase_ = phase::idle;
    hand_back(std::move(server), false);
}

void session::drop_server(bool lost) {
    if (!talk_) return;
    auto server = std::move(talk_->server);
    const bool quiet = !talk_->open_batch && talk_->replies.empty() && !talk_->copy_in && stream_left_ == 0 &&
                       phase_ == phase::active && talk_->carry.empty() && talk_->relay_left == 0;
    const char state = talk_->status;
    if (!talk_->marks.empty()) server->settings = talk_->marks.front().server;
    const bool dirty = talk_->probe_settings || server->reset_needed || pinned();
    const bool waiting_for_answer = !talk_->replies.empty();
    retire_conversation();
    outgoing().clear();
    stream_left_ = 0;
    if (phase_ != phase::closed) phase_ = phase::idle;
    if (lost || server->link.broken() || server->cancels > 0) {
        server->home->discard(std::move(server));
    } else if (!quiet) {
        if (waiting_for_answer) stop_query(*server);  // so that a long statement and its locks end with the client
        server->home->discard(std::move(server));
    } else if (state == 'I' && !dirty) {
        server->home->give_back(std::move(server));
    } else {
        clean(std::move(server), dirty);
    }
}

void session::give_up(const fault& why) {
    if (greeting_) return end_with(why);
    failure_ = why;
    phase_ = phase::idle;
    tries_ = refused_ = 0;
    waiting_since_ = {};
    waiting_in_.reset();
    if (pumping_) return;  // the caller's loop takes it from here
    pump({});
}

/// Runs the batch again that failed before anything of it reached the client. False: it may not.
bool session::try_again(bool elsewhere) {
    if (!talk_ || !talk_->may_retry || talk_->emitted || talk_->retained.empty() || tries_ >= most_tries) return false;
    ++tries_;
    ++who_.cluster->traffic.retries;
    undo_batch();
    pending_.insert(pending_used_, talk_->retained);
    batch_seen_ = 0;
    talk_->retained.clear();
    talk_->may_retry = false;
    if (elsewhere && tries_ > 1) avoid_replicas_ = true;
    return true;
}

}  // namespace ringway::proxy
