// The shard of a statement, and what happens when the session's transaction is on another.

#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "protocol/mysql/command.hpp"
#include "proxy/mysql/session.hpp"
#include "proxy/net/worker.hpp"
#include "router/mysql/key_value.hpp"

namespace ringway::proxy::mysql {

namespace my = protocol::mysql;
using config::fault;
using config::fault_kind;

namespace {

std::atomic<bool> triggers_made{false};

/// Whether a write of some table may leave what no server tells of.
bool leaves_by_triggers(const router::catalog& in) {
    struct answer {
        const router::catalog* of = nullptr;
        std::uint64_t version = 0;
        bool found = false;
    };
    thread_local answer last;
    if (last.of != &in || last.version != in.version)
        last = {&in, in.version, std::any_of(in.relations.begin(), in.relations.end(), [](const auto& each) {
                    return each.second.triggers_set;
                })};
    return last.found;
}

/// Of a setting's text in quotes.
std::uint8_t widest_of(const std::string* setting) {
    if (!setting || setting->size() < 3) return 0;
    const auto name = std::string_view(*setting).substr(1);
    if (name.starts_with("utf8mb4")) return 4;
    return name.starts_with("utf8") ? 3 : 0;
}

router::mysql::parameter_kind kind_of(const my::binary_value& value) {
    using kind = my::binary_value::kind;
    using to = router::mysql::parameter_kind;
    switch (value.what) {
        case kind::integer:
        case kind::unsigned_integer:
            return to::integer;
        case kind::number:
            return to::real;
        case kind::date:
            return to::date;
        case kind::datetime:
            return to::datetime;
        case kind::bytes:
            break;
        default:
            return to::other;
    }
    switch (value.type) {
        case my::field_type::decimal:
        case my::field_type::new_decimal:
            return to::decimal;
        case my::field_type::varchar:
        case my::field_type::var_string:
        case my::field_type::string:
            return to::text;
        case my::field_type::tiny_blob:
        case my::field_type::medium_blob:
        case my::field_type::long_blob:
        case my::field_type::blob:
            return to::bytes;
        default:
            return to::other;
    }
}

/// What one execution's values are read into, one after the other on each thread.
struct value_space {
    my::parameter_types types;
    std::vector<my::binary_value> row;
    std::vector<std::string> texts;
    std::vector<router::parameter> parameters;
};
value_space& space_for_values() {
    thread_local value_space the;
    return the;
}

/// Values of one execution as the router takes them; `texts` keeps their bytes.
std::span<const router::parameter> parameters_of(const std::vector<my::binary_value>& from, value_space& with) {
    auto& texts = with.texts;
    auto& out = with.parameters;
    out.clear();
    texts.clear();
    texts.reserve(from.size());  // views stay
    for (const auto& each : from) {
        router::parameter made;
        made.type_oid = static_cast<std::uint32_t>(kind_of(each));
        made.is_null = each.what == my::binary_value::kind::null;
        made.binary = true;
        if (each.what == my::binary_value::kind::bytes) {
            made.bytes = each.bytes;
        } else if (auto text = my::text_of(each)) {
            texts.push_back(std::move(*text));
            made.bytes = texts.back();
        }
        out.push_back(made);
    }
    return out;
}

}  // namespace

lease_wish session::wish_here() const {
    lease_wish out;
    if (talk_) out.shard = talk_->shard;
    return out;
}

lease_wish session::wish_for(const reading& text) const {
    auto out = wish_here();
    out.consistency = who_.who->reads.consistency;
    out.last_write = last_write_;
    const bool splits = who_.who->reads.splitting && out.consistency != config::read_consistency::primary;
    const auto* off = settings_->find("autocommit");
    const bool opens = (off && *off == "'OFF'") || !begun_.empty();  // a read opens a transaction that may write
    // Whatever else ties the session to its connection, or is the start of something that may write, stays on the
    // primary: BEGIN READ ONLY too, as a write in it is told 1792 there and 1290 on a replica.
    bool simple = text.plan && text.plan->plain && text.parsed().statements.size() == 1;
    if (simple) {
        const auto verb = text.parsed().statements.front().verb;
        simple = verb == router::verb::select || verb == router::verb::show || verb == router::verb::explain;
    }
    simple = simple && !refused_by_replicas(text);
    out.need = text.reads() && simple && splits && !opens ? router::need::any : router::need::primary;
    using wish = router::routing_hint::role_wish;
    if (text.parsed().hint.role == wish::primary) out.need = router::need::primary;
    if (text.parsed().hint.role == wish::replica && text.reads()) out.need = router::need::any, out.replica_only = true;
    return out;
}

/// Whether the catalogs have been read since the last DDL through this process.
bool session::catalog_is_current() const {
    const auto& cluster = *who_.cluster;
    return cluster.catalog && cluster.catalog_schema >= cluster.now->schema->load(std::memory_order_acquire);
}

/// Which tables are sharded by which columns is told by the catalogs, and what triggers and functions may change where
/// servers do not tell.
bool session::wait_for_catalog() {
    if (!is_sharded() && !untold()) return false;
    return hold_for_catalog();
}

/// On servers that tell of changes too, what they do not tell of is known by triggers' bodies: after definitions have
/// changed, where there are such triggers or some have been made.
bool session::wait_for_triggers(const reading& text) {
    const auto* const catalog = who_.cluster->catalog.get();
    const bool writes = !text.unknown() &&
                        std::any_of(text.parsed().statements.begin(), text.parsed().statements.end(),
                                    [](const router::statement& each) { return each.writes && !each.implicit_commit; });
    if (!writes || !catalog || (!leaves_by_triggers(*catalog) && !triggers_made.load(std::memory_order_relaxed)))
        return false;
    return hold_for_catalog();
}

bool session::hold_for_catalog() {
    if (catalog_is_current()) {
        catalog_until_ = {};
        return false;
    }
    const auto now = clock::now();
    if (catalog_until_ == steady_time{}) {
        catalog_until_ = now + who_.cluster->now->config.failover_hold;
        home_.owner.catalog_missing(who_.cluster->now->config.name);
    }
    if (now >= catalog_until_) return false;  // the planner says what is missing
    phase_ = phase::holding;
    home_.watch(shared_from_this());
    return true;
}

/// Routines and triggers are not made often; from then on a process looks closer.
void note_definition(const router::statement& made) {
    if (made.name == "create sequence" || made.name == "create trigger" || made.name == "create function" ||
        made.name == "create procedure")
        triggers_made.store(true, std::memory_order_relaxed);
}

std::uint8_t session::widest_character() const {
    const auto client = widest_of(settings_->find("character_set_client"));
    const auto* connection = settings_->find("collation_connection");
    if (!connection) connection = settings_->find("character_set_connection");
    return std::min(client, widest_of(connection));
}

std::optional<fault> session::find_shard(const reading& text, std::string_view sql,
                                         std::span<const router::parameter> parameters, lease_wish& to) const {
    if (!is_sharded()) return std::nullopt;
    const auto& map = *who_.cluster->now->map;
    if (!text.plan)
        return fault{
            fault_kind::over_limit,
            fmt::format("a statement longer than max_parse_bytes on cluster \"{}\", which is sharded", map.cluster),
            "It is not read, so that its shard is not known.", "raise max_parse_bytes"};
    router::values with;
    with.text = sql;
    with.literals = text.literals;
    with.parameters = parameters;
    with.mysql = &text.modes;
    with.widest = widest_character();
    auto route = router::route_of(*text.plan, with, map, who_.cluster->load.wants_key());
    switch (route.kind) {
        case router::route::to::refused:
            return std::move(route.refusal);
        case router::route::to::several:
        case router::route::to::spread:
            return fault{fault_kind::unsupported,
                         fmt::format("this statement does not name one shard of cluster \"{}\"", map.cluster),
                         {},
                         "give its key"};
        case router::route::to::shard:
            to.shard = route.shard;
            break;
        case router::route::to::any_shard:
        case router::route::to::all_same: {
            const auto hinted = std::find_if(map.shards.begin(), map.shards.end(),
                                             [&](const auto& each) { return each.name == text.parsed().hint.shard; });
            if (hinted != map.shards.end()) to.shard = static_cast<std::uint16_t>(hinted - map.shards.begin());
            break;
        }
    }
    return tied_elsewhere(to);
}

std::optional<fault> session::tied_elsewhere(const lease_wish& to) const {
    const bool tied = talk_ && (talk_->in_transaction || pinned());
    if (!tied || talk_->shard == to.shard || may_move()) return std::nullopt;
    return wrong_shard(to.shard);
}

fault session::wrong_shard(std::uint16_t shard) const {
    const auto& shards = who_.cluster->now->config.shards;
    return {fault_kind::unsupported,
            fmt::format("this statement belongs to shard \"{}\", the {} is on shard \"{}\"", shards[shard].name,
                        talk_->in_transaction ? "transaction" : "pinned session", shards[talk_->shard].name),
            {},
            talk_->in_transaction ? "keep a transaction to the keys of one shard"
                                  : "SHOW PINS on the admin port tells what ties the session"};
}

/// As find_shard, with the values that the client sends. Each row of a bulk execution must belong to one shard.
std::optional<fault> session::find_shard_of_execution(const client_statement& of, std::string_view payload,
                                                      lease_wish& to) const {
    const auto& text = *of.text;
    const auto& sql = of.what->query;
    if (!is_sharded() || !text.plan || text.plan->keys.empty() || of.parameters == 0)
        return find_shard(text, sql, {}, to);
    if (of.long_data)
        return fault{
            fault_kind::unsupported, "long data of a statement with a shard key", {}, "send it with the execution"};
    fault unread{fault_kind::malformed_message, "the parameters of the statement cannot be read", {}, {}};
    auto& with = space_for_values();
    auto& types = with.types;
    auto& row = with.row;
    types = of.types;
    if (static_cast<my::command>(payload[0]) != my::command::stmt_bulk_execute) {
        const auto execute = my::read_execute(payload);
        if (!execute || !my::read_parameters(*execute, of.parameters, capabilities_, {}, types, row)) return unread;
        row.resize(std::min<std::size_t>(row.size(), of.parameters));
        return find_shard(text, sql, parameters_of(row, with), to);
    }
    auto bulk = my::read_bulk(payload);
    if (!bulk || !my::read_bulk_types(*bulk, of.parameters, types)) return unread;
    std::optional<std::uint16_t> found;
    while (my::read_bulk_row(*bulk, types, row)) {
        if (auto why = find_shard(text, sql, parameters_of(row, with), to)) return why;
        if (found.value_or(to.shard) != to.shard)
            return fault{fault_kind::unsupported,
                         fmt::format("the rows of this bulk execution belong to several shards of cluster \"{}\"",
                                     who_.cluster->now->config.name),
                         {},
                         "send the rows of each shard in an execution of their own"};
        found = to.shard;
    }
    return bulk->rest.empty() ? std::nullopt : std::optional(unread);
}

/// A transaction that has done nothing yet is ended where it is, and begins again where its next statement belongs.
bool session::move_to(const lease_wish& to) {
    if (!talk_ || talk_->shard == to.shard || !talk_->in_transaction) return true;
    std::string out;
    std::uint8_t sequence = 0;
    my::write_command(out, sequence, my::command::query, "ROLLBACK");
    want_own({own_command::kind::leave, std::move(out), nullptr, nullptr, {}});
    talk_->preparing = true;
    send_own();
    return false;
}

/// A statement is about to be sent: does it tie its transaction to the shard? Reads of tables do, as they take a
/// snapshot.
void session::follow_ties(const reading& text, std::string_view sql) {
    if (!is_sharded()) return;
    constexpr std::size_t most_ties = 16;
    auto& ties = talk_->ties;
    const auto& statements = text.parsed().statements;
    if (statements.size() != 1 || text.unknown()) return ties.clear();
    const auto& one = statements.front();
    if (one.verb == router::verb::begin) {
        ties.clear();
        if (!sql.empty() && !one.consistent_snapshot && !talk_->in_transaction && !pinned()) ties.emplace_back(sql);
        return;
    }
    if (ties.empty()) return;
    const bool savepoint = one.verb == router::verb::savepoint || one.verb == router::verb::release ||
                           one.verb == router::verb::rollback_to;
    if (savepoint && !sql.empty() && ties.size() < most_ties) {
        ties.emplace_back(sql);
        return;
    }
    if (!text.plan->traceless || !one.block.tables.empty() || !one.block.children.empty()) ties.clear();
}

}  // namespace ringway::proxy::mysql
