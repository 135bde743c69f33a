// A batch of the extended query protocol that comes while the session has no server connection: what it is, where it
// may go, and what of it needs no server.

#include <fmt/format.h>

#include <algorithm>

#include "proxy/net/worker.hpp"
#include "proxy/session/batch.hpp"
#include "proxy/session/binding.hpp"
#include "proxy/session/session.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using config::fault;
using config::fault_kind;
using router::verb;

namespace {

/// Of a sharded cluster's client, without a Sync or a Flush: what is longer is routed by its beginning, and a longer
/// Bind not at all.
constexpr std::size_t longest_batch = 64u << 20;

bool is_about_transaction(const router::plan& plan) {
    return is_one(plan, verb::begin) || is_one(plan, verb::commit) || is_one(plan, verb::rollback);
}

bool has_bind(std::string_view batch) {
    pg::frame_header header;
    for (; pg::read_header(batch, header) == pg::header_state::ready; batch.remove_prefix(header.total()))
        if (header.type == 'B') return true;
    return false;
}

}  // namespace

fault malformed() {
    return {fault_kind::malformed_message, "invalid message format", {}, {}};
}

std::vector<router::parameter>& parameters_of(std::string_view rest, std::string_view types, bool& fine) {
    thread_local std::vector<pg::bound_parameter> raw;
    thread_local std::vector<router::parameter> out;
    fine = pg::read_parameters(rest, raw);
    out.clear();
    for (std::size_t i = 0; i < raw.size(); ++i)
        out.push_back(
            {raw[i].bytes, i < types.size() / 4 ? pg::load32(types.data() + 4 * i) : 0, raw[i].is_null, raw[i].binary});
    return out;
}

/// Whether the batch at the front of the input is to be seen whole, and its end has not come. On a cluster without
/// shards its beginning tells all.
bool session::is_to_come(std::string_view rest, batch_bounds& found) {
    const auto& now = *who_.cluster->now;
    found = find_batch(rest, std::exchange(batch_seen_, 0));
    const auto most = now.map->is_sharded() ? longest_batch : large_frame;
    if (found.ended || found.malformed || rest.size() >= most || found.next_total >= most ||
        (found.next_type == 'P' && found.next_total > large_frame && found.next_total > now.max_parse_bytes))
        return false;
    batch_seen_ = found.size;
    stalled_ = false;  // it is the client that is waited for
    return true;
}

bool session::on_extended_idle(std::string_view& rest) {
    batch_bounds found;
    if (is_to_come(rest, found)) return false;
    if (found.malformed) {
        violation("invalid message length");
        return false;
    }
    if (found.cut && who_.cluster->now->map->is_sharded()) {
        failure_ = fault{fault_kind::unsupported,
                         "messages of the extended protocol and then a Query, without a Sync between them",
                         {},
                         "send a Sync before the Query"};
        return true;
    }
    const char first = rest[0];
    if (first == 'S' || first == 'H') {
        pg::frame_header header;
        pg::read_header(rest, header);
        if (header.body() > 0) {
            violation("invalid message format");
            return false;
        }
        rest.remove_prefix(header.total());
        if (first == 'S') say_ready(status());
        return true;
    }
    auto batch = rest.substr(0, found.size);
    lone_statement lone;
    if (found.ended) lone.only = local_batch(batch);
    if (lone.only.kind == local_batch_kind::one_statement && lone.only.parse &&
        lone.only.parse->query.size() <= who_.cluster->now->max_parse_bytes && who_.cluster->now->map->is_sharded())
        lone.found = plan_of(lone.only.parse->query);
    if (found.ended && (answer_preparation(batch, false) || answer_batch_locally(batch, lone))) {
        rest.remove_prefix(batch.size());
        return true;
    }
    if (failure_) return true;
    if (found.ended) {
        rest.remove_prefix(close_ahead(batch));
    }
    if (begun_failed_) {
        failure_ = aborted();
        return true;
    }
    if (!found.ended && found.next_type == 'B' && found.next_total >= longest_batch &&
        who_.cluster->now->map->is_sharded() && !has_bind(batch)) {
        failure_ = fault{fault_kind::over_limit, "a Bind this long cannot be routed by its parameters", {}, {}};
        return true;
    }
    if (found.ended && gather_batch(batch, rest, lone)) return true;
    std::optional<fault> refused;
    bool replayable = true;
    // Of a Bind that goes through as it comes the beginning tells its statement.
    const bool cut_off = !found.ended && !who_.cluster->now->map->is_sharded();
    auto to = route_batch(cut_off ? rest : batch, refused, replayable, &lone);
    if (!to) {
        failure_ = std::move(refused);
        return true;
    }
    if (to->spread && found.ended) {  // taken again, as the span's first messages
        begin_span();
        return true;
    }
    to->replayable = replayable;
    return seek(*to) || failure_.has_value();
}

/// `lone`: what is known of it when it is one statement.
std::optional<destination> session::route_batch(std::string_view batch, std::optional<fault>& refused, bool& replayable,
                                                const lone_statement* lone) {
    destination out{0, router::need::any};
    bool placed = false, bound = false;
    struct seen {
        std::string_view name, types, query;
        statement_ref made;
    };
    boost::container::small_vector<seen, 4> parsed;
    router::plan_cache::found last;  // of the last of them
    pg::frame_header header;
    bool flushed_execute = false, executes = false, only_reads = begun_reads_ && !begun_.empty();
    for (std::size_t at = 0; at < batch.size() && pg::read_header(batch.substr(at), header) == pg::header_state::ready;
         at += header.total()) {
        const auto body = batch.substr(at + pg::header_size, header.body());
        if (header.type == 'P') {
            const auto parse = pg::read_parse(body);
            if (!parse || parse->query.size() > who_.cluster->now->max_parse_bytes) {
                out.need = router::need::primary;
                continue;
            }
            parsed.push_back({parse->name, parse->types, parse->query, nullptr});
            last = lone && lone->found ? *lone->found : plan_of(parse->query);
            routed_ = last.plan;
            if (last.plan->need == router::need::primary) {  // to be prepared where it will run
                out.need = router::need::primary;
                replayable = replayable && only_begins(*last.plan);
            }
            if (prepares(*last.plan)) out.need = router::need::primary;  // the session stays where it is
        } else if (header.type == 'B') {
            const auto bind = pg::read_bind(body);
            if (!bind) continue;
            const bool first = !std::exchange(bound, true);
            const seen* here = nullptr;
            for (const auto& each : parsed)
                if (each.name == bind->statement) here = &each;
            std::shared_ptr<const router::plan> held;
            const router::plan* plan = nullptr;
            router::values with;
            with.standard_conforming_strings = conforming_strings_;
            std::string_view types;
            if (here) {
                if (here != &parsed.back()) last = plan_of(here->query);
                const auto& found = last;
                plan = found.plan;
                with.text = here->query;
                with.literals = found.shape.literals;
                types = here->types;
            } else if (const auto named = planned_statement(bind->statement)) {
                if (!parsed.empty()) last = plan_of(parsed.back().query);  // planning again has used the cache
                plan = named->plan.get();
                with.text = named->planned_text();
                with.literals = named->literals;
                types = named->types();
                held = named->plan;
            }
            if (!plan) continue;  // the server's place in the pipeline tells the client so
            only_reads |= plan->parsed.statements.size() == 1 && plan->parsed.statements.front().read_only_begin;
            bool fine = true;
            destination one;
            std::optional<fault> why;
            if (lone && lone->to) {
                one = *lone->to;
            } else {
                if (!plan->keys.empty()) with.parameters = parameters_of(bind->rest, types, fine);
                one.may_spread = talk_ ? can_span() : !pinned();
                one.alone = first && !(talk_ && talk_->bound);
                why = fine ? destination_of(*plan, with, one) : std::optional<fault>(malformed());
            }
            if (why) {
                if (!first) continue;  // on_bind refuses it in its place: what is before it runs
                refused = std::move(why);
                return std::nullopt;
            }
            if (one.need == router::need::primary) {
                out.need = router::need::primary;
                replayable = replayable && (plan->need == router::need::any || only_begins(*plan));
            }
            out.replica_only |= one.replica_only;
            out.moves |= one.moves;
            const bool keyed = plan->placement == router::placement::single;
            out.spread |= one.spread || one.several || (keyed && placed && one.may_spread && one.shard != out.shard);
            if (keyed && !placed) {
                out.shard = one.shard;
                out.placed = placed = true;
            }
        } else if (header.type == 'E') {
            const auto run = pg::read_execute(body);
            executes |= run && run->max_rows == 0;
        } else if (header.type == 'H') {
            flushed_execute = true;
            // Without a Sync its transaction goes on, and may write next; one that fetches by and by does not.
            if (executes && !out.replica_only && !only_reads) out.need = router::need::primary;
        }
    }
    if (flushed_execute && !replayable) out.need = router::need::primary;
    if (out.need == router::need::primary) out.replica_only = false;
    if (!who_.who->reads.splitting || avoid_replicas_ || wants_own_names_ || own_.role == 1 || no_replica())
        out.need = router::need::primary;
    return out;
}

/// Closes what a batch closes before anything else in it, as pgjdbc does with statements it needs no more: whatever
/// becomes of the rest, they are closed. Answers how much of the batch that was, and takes it away.
std::size_t session::close_ahead(std::string_view& batch) {
    const auto size = batch.size();
    std::string out;
    pg::frame_header header;
    while (pg::read_header(batch, header) == pg::header_state::ready && header.type == 'C') {
        const auto target = pg::read_target(batch.substr(pg::header_size, header.body()));
        if (!target || (target->kind == 'S' && target->name.empty())) break;
        if (target->kind == 'S') forget_statement(std::string(target->name));
        pg::write_empty(out, '3');
        batch.remove_prefix(header.total());
    }
    if (!out.empty()) emit(out);
    return size - batch.size();
}

/// Batches that need no server: only Close of statements, or BEGIN / COMMIT / ROLLBACK of a transaction no shard knows
/// yet.
bool session::answer_batch_locally(std::string_view batch, lone_statement& lone) {
    const auto& only = lone.only;
    if (only.kind == local_batch_kind::no) return false;
    const bool sharded = who_.cluster->now->map->is_sharded();
    std::string tag;
    statement_ref made;
    if (only.kind == local_batch_kind::one_statement) {
        if (!sharded && begun_.empty()) return false;
        std::string_view name = only.parse ? only.parse->name : only.statement;
        if (only.parse) {
            if (!only.parse->name.empty() || (lone.found && !is_about_transaction(*lone.found->plan))) return false;
            lone.found.reset();
            made = make_statement(*only.parse);
        } else {
            made = find_statement(name);
        }
        if (!made || !made->plan || made->plan->parsed.statements.size() != 1) return false;
        const auto& one = made->plan->parsed.statements.front();
        if (one.verb == verb::begin && begun_.empty()) {
            begun_ = made->text->query;
            begun_reads_ = one.read_only_begin;
            tag = one.name.empty() ? "BEGIN" : one.name;
        } else if (!begun_.empty() && (one.verb == verb::commit || one.verb == verb::rollback) && !one.chain) {
            std::string_view word;
            failure_ = end_begun(one.verb == verb::commit, word);
            if (failure_) return false;
            tag = word;
        } else {
            return false;
        }
        if (only.parse) unnamed_ = made;
    }
    std::string out;
    pg::frame_header header;
    for (std::size_t at = 0; at < batch.size() && pg::read_header(batch.substr(at), header) == pg::header_state::ready;
         at += header.total()) {
        const auto body = batch.substr(at + pg::header_size, header.body());
        switch (header.type) {
            case 'P':
                pg::write_empty(out, '1');
                break;
            case 'B':
                pg::write_empty(out, '2');
                break;
            case 'D':
                if (body[0] == 'S') pg::write_parameter_description(out, {});
                pg::write_empty(out, 'n');
                break;
            case 'E':
                pg::write_command_complete(out, tag);
                break;
            case 'C': {
                const auto target = pg::read_target(body);
                if (target && target->kind == 'S' && !target->name.empty()) forget_statement(std::string(target->name));
                pg::write_empty(out, '3');
                break;
            }
            case 'S':
                pg::write_ready(out, status());
                break;
            default:
                break;
        }
    }
    emit(out);
    return true;
}

}  // namespace ringway::proxy
