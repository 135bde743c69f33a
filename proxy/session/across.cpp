// Statements whose rows are on several shards: what of the session a gathering needs.

#include <fmt/format.h>

#include "proxy/net/worker.hpp"
#include "proxy/session/batch.hpp"
#include "proxy/session/binding.hpp"
#include "proxy/session/one_by_one.hpp"
#include "proxy/session/session.hpp"
#include "router/alone.hpp"
#include "router/gather.hpp"
#include "router/own_rows.hpp"
#include "router/owners.hpp"
#include "router/time_words.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using config::fault;
using config::fault_kind;

void session::start_gathering(std::shared_ptr<const router::plan> plan, const router::values& with, std::string run,
                              bool own_parse, scatter_task scatter, std::string_view hidden) {
    auto& traffic = who_.cluster->traffic;
    ++traffic.statements;
    ++traffic.reads_on_primary;
    requested_ = clock::now();
    if (who_.cluster->now->log_queries) log_statement(*plan, with.text);
    gather_task task;
    const bool hides_ascii = encoding_ == text_encoding::hidden;
    for (const auto& table : plan->gather->tables)
        task.filters.push_back(router::guarded_filter_of(table, with, hides_ascii));
    task.has_values = true;
    task.encoding = encoding_;
    task.plan = std::move(plan);
    task.map = who_.cluster->now->map;
    task.asked = router::owners_of(*task.plan, with, *task.map);
    for (const auto each : task.asked) who_.cluster->load.count(each, *task.map);
    task.client_id = who_.id;
    task.settings = settings_;
    task.types_of_shards = who_.cluster->types;
    task.run = std::move(run);
    task.own_parse = own_parse;
    task.hidden = hidden;
    task.told = scatter.told;
    phase_ = phase::gathering;
    if (!scatters(task, with, std::move(scatter))) reading_ = std::make_shared<gathering>(*this, std::move(task));
    home_.watch(shared_from_this());
    std::shared_ptr(reading_)->start();
}

void session::start_one_by_one(const router::plan& plan, one_by_one_task task) {
    ++who_.cluster->traffic.statements;
    requested_ = clock::now();
    if (who_.cluster->now->log_queries) log_statement(plan, task.text);
    task.members = who_.cluster->now->map->members();
    for (const auto each : task.members) task.shards.push_back(who_.cluster->now->config.shards[each].name);
    task.client_id = who_.id;
    task.settings = settings_;
    task.changed = [this] {
        last_write_ = clock::now();
        home_.owner.catalog_changed(who_.cluster->now->config.name);
    };
    phase_ = phase::gathering;
    reading_ = std::make_shared<one_by_one>(*this, std::move(task));
    home_.watch(shared_from_this());
    std::shared_ptr(reading_)->start();
}

/// Of a scatter with its plan, its texts and its shards: those of these on which others' rows stand too leave them out.
bool session::keep_to_own_rows(scatter_task& scatter, const router::shard_map& map) const {
    const auto& texts = scatter.texts;
    for (const auto each : scatter.asked) {
        auto own = router::own_rows_text(*scatter.plan, texts.shard, map, each, conforming_strings_);
        auto totals = texts.totals.text.empty()
                          ? std::string()
                          : router::own_rows_text(*scatter.plan, texts.totals, map, each, conforming_strings_);
        if (!own || !totals) return false;
        scatter.own.push_back({std::move(*own), std::move(*totals)});
    }
    return true;
}

/// Where each shard can run the statement itself. `task` is kept for when it turns out that they cannot.
bool session::scatters(gather_task& task, const router::values& with, scatter_task scatter) {
    const auto* recipe = task.plan->scatter.get();
    if (!recipe || scatter.whole || recipe->unfit.load(std::memory_order_relaxed)) return false;
    if (router::names_time(with)) return false;  // each shard's would be another
    if (encoding_ != text_encoding::utf8 && router::compares_texts(*recipe)) return false;
    if (router::repeats_untyped(with)) return false;
    if (router::asks_setting_of_a_server(task.plan->parsed.statements.front(), with)) return false;
    auto texts = router::scatter_texts_of(*task.plan, with);
    if (!texts) return false;
    scatter.texts = std::move(*texts);
    scatter.plan = task.plan;
    scatter.asked = task.asked;
    if (!keep_to_own_rows(scatter, *task.map)) return false;  // rows on the move are left out by what is gathered
    scatter.client_id = task.client_id;
    scatter.settings = task.settings;
    scatter.types_of_shards = task.types_of_shards;
    scatter.query = with.text;
    scatter.literals.assign(with.literals.begin(), with.literals.end());
    scatter.conforming_strings = conforming_strings_;
    gather_instead_ = std::make_unique<gather_task>(std::move(task));
    reading_ = std::make_shared<scattering>(*this, std::move(scatter));
    return true;
}

void session::scatter_declined() {
    const auto keep = shared_from_this();
    if (spanning_) {
        reading_ = nullptr;
        return span_gathers(std::move(*std::exchange(spanning_->instead, nullptr)));
    }
    const auto task = std::exchange(gather_instead_, nullptr);
    reading_ = std::make_shared<gathering>(*this, std::move(*task));
    std::shared_ptr(reading_)->start();
}

void session::gather_again(gather_task task) {
    const auto keep = shared_from_this();
    reading_ = std::make_shared<gathering>(*this, std::move(task));
    std::shared_ptr(reading_)->start();
}

/// What the seat is to run: the client's text, but for schemas before names of what stands in.
std::string session::gather_text(const router::plan& plan, std::string_view sql,
                                 std::span<const router::literal> literals) const {
    if (!plan.gather || !plan.gather->qualified) return std::string(sql);
    return router::without_schemas(sql, literals, *plan.gather);
}

/// Where its Bind goes, which most have on one shard, or are refused in their place: then no more is looked at here.
bool session::is_on_one_shard(const statement_ref& prepared, lone_statement& lone) {
    const auto& plan = prepared ? *prepared->plan : *lone.found->plan;
    const bool alone = router::runs_alone(plan);
    destination to;
    to.may_gather = to.alone = true;
    to.may_spread = alone && !pinned();
    std::optional<fault> why;
    if (prepared) {
        why = bind_destination(*prepared, lone.only.bound, to);
    } else {
        const auto& parse = *lone.only.parse;
        router::values with{parse.query, lone.found->shape.literals, {}, conforming_strings_};
        bool fine = true;
        why = check_count(plan, {}, lone.only.bound, parse.types);
        if (!why && !plan.keys.empty()) with.parameters = parameters_of(lone.only.bound, parse.types, fine);
        if (!why && fine) why = destination_of(plan, with, to);
        if (!fine) return true;
    }
    if (!why && !to.several && !to.spread) lone.to = to;
    return why || !(alone ? to.spread : to.several);
}

/// One statement by the extended protocol, with nothing else before its Sync: (Parse) Bind (Describe) Execute (Close of
/// its portal). False: the batch is of another kind.
bool session::gather_batch(std::string_view batch, std::string_view& rest, lone_statement& lone) {
    if (!begun_.empty() || !who_.cluster->now->map->is_sharded()) return false;
    const auto& only = lone.only;
    if (only.kind != local_batch_kind::one_statement) return false;
    const auto may_be_of_several = [](const router::plan& plan) { return plan.gather || router::runs_alone(plan); };
    statement_ref what;
    if (only.parse) {
        if (!lone.found || !may_be_of_several(*lone.found->plan) ||
            prepared_bytes_ + only.parse->query.size() > who_.cluster->now->max_prepared_bytes)
            return false;
        if (!only.parse->name.empty() && find_statement(only.parse->name)) return false;  // refused in its place
        if (is_on_one_shard(nullptr, lone)) return false;
        lone.found.reset();
        what = make_statement(*only.parse);
        what->forget_told();
    } else {
        what = planned_statement(only.statement);
    }
    if (!what || !what->plan || what->by_sql || !what->original.empty() || !may_be_of_several(*what->plan))
        return false;
    if (!only.parse && is_on_one_shard(what, lone)) return false;
    const bool alone = router::runs_alone(*what->plan);

    if (!only.parse && !alone)
        if (auto why = read_otherwise(*what)) {
            failure_ = std::move(why);
            return true;
        }
    std::string run;
    std::string_view parameters;
    scatter_task scatter;
    scatter.parse = only.parse.has_value();
    scatter.types = what->kept_types();
    char before = '\0';
    pg::write_parse(run, {}, gather_text(*what->plan, what->text->query, what->literals), what->kept_types());
    pg::frame_header header;
    for (std::size_t at = 0; at < batch.size() && pg::read_header(batch.substr(at), header) == pg::header_state::ready;
         at += header.total()) {
        const auto frame = batch.substr(at, header.total());
        const auto body = frame.substr(pg::header_size);
        // In the usual order only: a Bind before the Parse would be of the statement of before.
        const std::string_view may_precede = header.type == 'P'   ? std::string_view("\0", 1)
                                             : header.type == 'B' ? std::string_view("\0P", 2)
                                             : header.type == 'D' ? std::string_view("\0PB", 3)
                                             : header.type == 'E' ? std::string_view("B")
                                                                  : std::string_view("E");
        if (may_precede.find(before) == std::string_view::npos) return false;
        switch (header.type) {
            case 'P':
                break;
            case 'B': {
                const auto bind = pg::read_bind(body);
                parameters = bind->rest;
                pg::write_bind_head(run, {}, {}, bind->rest.size());
                run.append(bind->rest);
                scatter.bound = bind->rest;
                break;
            }
            case 'D': {  // of the statement before its Bind, of the portal after it
                const auto target = pg::read_target(body);
                const bool bound = before == 'B';
                const auto name = bound ? std::string_view() : only.parse ? only.parse->name : only.statement;
                if (!target || target->kind != (bound ? 'P' : 'S') || target->name != name) return false;
                if (only.parse && before == '\0') return false;
                pg::write_target(run, 'D', target->kind, {});
                (bound ? scatter.describe_portal : scatter.describe_statement) = true;
                continue;
            }
            case 'E': {
                const auto execute = pg::read_execute(body);
                if (!execute || !execute->portal.empty()) return false;
                scatter.whole |= execute->max_rows != 0;
                if (!scatter.describe_portal && !scatter.describe_statement) scatter.told = rows_told(*what);
                if (scatter.told != 0) pg::write_target(run, 'D', 'P', {});
                run.append(frame);
                break;
            }
            case 'C': {
                const auto target = pg::read_target(body);
                if (!target || target->kind != 'P' || !target->name.empty()) return false;
                ++scatter.closes;
                run.append(frame);
                continue;
            }
            case 'S':
                run.append(frame);
                break;
            default:
                return false;
        }
        before = header.type;
    }
    std::vector<pg::bound_parameter> raw;
    std::vector<router::parameter> bound;
    if (!pg::read_parameters(parameters, raw)) return false;
    for (std::size_t i = 0; i < raw.size(); ++i)
        bound.push_back({raw[i].bytes,
                         i < what->text->types.size() / 4 ? pg::load32(what->text->types.data() + 4 * i) : 0,
                         raw[i].is_null, raw[i].binary});
    if (only.parse) {
        gather_undo_ = std::make_unique<undo_record>();
        gather_undo_->name = only.parse->name;
        if (only.parse->name.empty())
            gather_undo_->before = std::exchange(unnamed_, what);
        else
            keep_statement(gather_undo_->name, what);
    }
    const auto keep = what->text;
    if (alone) {
        one_by_one_task task;
        task.text = keep->query;
        task.extended = true;
        task.parse = scatter.parse;
        task.describe_statement = scatter.describe_statement;
        task.describe_portal = scatter.describe_portal;
        task.closes = scatter.closes;
        start_one_by_one(*what->plan, std::move(task));
        rest.remove_prefix(batch.size());
        return true;
    }
    const bool describes = scatter.describe_statement || (scatter.describe_portal && what->renamed);
    telling_ = describes ? what : nullptr;
    checked_ = scatter.told != 0 ? what : nullptr;
    start_gathering(what->plan, {keep->query, what->literals, bound, conforming_strings_}, std::move(run), !only.parse,
                    std::move(scatter));
    rest.remove_prefix(batch.size());
    return true;
}

pool::worker_link& session::gather_home() {
    return home_;
}

gather_client::node session::gather_node(std::uint16_t shard, bool primary) {
    return node_for(shard, primary, reading_->begun(), !spanning_);
}

/// Where a shard's server is leased. `since`: when it was first asked for; a transaction under way does not heed PAUSE.
gather_client::node session::node_for(std::uint16_t shard, bool primary, steady_time since, bool heeds_pause) {
    node out;
    auto& cluster = *who_.cluster;
    const auto& shards = cluster.now->config.shards;
    if (shard >= shards.size()) {
        out.why = fault{fault_kind::internal, "the shard map has changed", {}, "repeat the statement"};
        return out;
    }
    auto& pools = who_.who->pools;
    if (pools.size() != shards.size()) pools.assign(shards.size(), {});
    pools[shard].resize(shards[shard].nodes.size());
    const bool late = clock::now() - since >= cluster.now->config.failover_hold;
    const bool known = cluster.health && shard < cluster.health->shards.size();
    pool::choice chosen;
    if (cluster.paused && heeds_pause) {
        out.hold = true;
        return out;
    }
    if (known) {
        const auto& health = cluster.health->shards[shard];
        const bool splitting = who_.who->reads.splitting && consistency() != config::read_consistency::primary &&
                               own_.role != 1 && !no_replica();
        if (primary || !splitting) {
            chosen = pool::choose_primary(health);
        } else {
            if (cluster.balance.size() <= shard) cluster.balance.resize(shard + 1u);
            cluster.balance[shard].next = (*cluster.now->turns)[shard].fetch_add(1, std::memory_order_relaxed);
            pool::read_wish wish;
            wish.mode = consistency();
            wish.last_write = last_write_;
            wish.max_lag = who_.who->reads.max_lag;
            want_moved_rows(wish);
            chosen = pool::choose_for_read(health, wish, who_.who->reads, clock::now(), cluster.balance[shard]);
        }
    }
    if (chosen.node >= 0 && static_cast<std::size_t>(chosen.node) < pools[shard].size()) {
        auto& slot = pools[shard][static_cast<std::size_t>(chosen.node)];
        if (!slot) slot = home_.owner.pool_of(cluster, *who_.who, shard, static_cast<std::size_t>(chosen.node));
        out.from = slot;
        out.index = chosen.node;
    } else if ((chosen.hold || !known) && !late) {
        out.hold = true;
    } else {
        out.why = chosen.why.value_or(fault{fault_kind::cannot_connect,
                                            fmt::format("shard \"{}\" has no server in order", shards[shard].name),
                                            {},
                                            "see SHOW LAG on the admin port"});
    }
    return out;
}

void session::gather_emit(std::string_view bytes) {
    if (spanning_) return span_emit(bytes);
    note_answer(bytes);
    emit(bytes);
}

bool session::gather_congested() {
    return client_.congested();
}

void session::gather_ended(std::string rest, std::optional<fault> why, bool parsed) {
    const auto keep = shared_from_this();
    const auto ended = std::exchange(reading_, nullptr);
    gather_instead_.reset();
    if (!spanning_) note_answer(rest);
    telling_.reset();
    const auto checked = std::exchange(checked_, nullptr);
    if (checked && why) forget_told(*checked->text);
    if (spanning_ && !rest.empty()) span_emit(rest);
    if (spanning_) return span_read(std::move(why), ended->failed());
    const auto made = std::exchange(gather_undo_, nullptr);
    if (made && !parsed) undo(*made);
    if (phase_ != phase::gathering) return;
    phase_ = phase::idle;
    ++who_.cluster->traffic.transactions;
    if (why) {
        if (!rest.empty()) emit(rest);
        rest.clear();
        refuse(*why);
    }
    pg::write_ready(rest, 'I');  // one write: the client wakes up once
    emit(rest);
    count_traffic();
    if (leave_if_resting()) return;
    if (pumping_) return;  // it failed at once: the caller's loop takes it from here
    pump({});
    want_client();
}

}  // namespace ringway::proxy
