// The client's commands.

#include "protocol/mysql/command.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "protocol/mysql/result.hpp"
#include "proxy/mysql/session.hpp"
#include "proxy/net/worker.hpp"
#include "proxy/session/statement_text.hpp"

namespace ringway::proxy::mysql {

namespace my = protocol::mysql;
using config::fault;
using config::fault_kind;

namespace {

template <class Test>
bool any_statement(const reading& text, const Test& test) {
    return std::any_of(text.parsed().statements.begin(), text.parsed().statements.end(), test);
}

}  // namespace

const router::analysis& reading::parsed() const {
    static const router::analysis nothing;
    return plan ? plan->parsed : nothing;
}

bool reading::unknown() const {
    return !plan || !plan->parsed.error.empty() || plan->parsed.too_deep;
}

bool reading::reads() const {
    return !unknown() && plan->need == router::need::any && !plan->parsed.statements.empty();
}

std::shared_ptr<const reading> session::read_text(std::string_view sql, std::string_view database,
                                                  const router::mysql_modes& by) const {
    router::plan_context context;
    context.map = who_.cluster->now->map.get();
    context.catalog = who_.cluster->catalog.get();
    context.search_path = database;
    context.user = who_.user;
    context.dialect = router::dialect::mysql;
    context.modes = by;
    const auto found = home_.plans.find(sql, context);
    auto out = std::make_shared<reading>(home_.plans.hold(found));
    if (!out->plan->keys.empty()) {
        out->literals.assign(found.shape.literals.begin(), found.shape.literals.end());
        out->modes = by;
    }
    return out;
}

void session::log_statement(const reading& text, std::string_view sql) const {
    const auto shown = text_for_log(sql, text.plan ? std::string_view(text.plan->shape_text) : std::string_view());
    spdlog::info("client {} ({} in {}) from {}:{} on {}: {}", who_.id, who_.user, who_.cluster->now->config.name,
                 who_.address, who_.port, talk_->server->target->address.text(), shown);
}

void session::begin_command(running what) {
    now_ = std::move(what);
    phase_ = phase::relaying;
    talk_->begun.clear();
    talk_->overlaid = false;
    talk_->answer.clear();
    talk_->asked = requested_ = clock::now();
    talk_->tracker.begin(now_.what);
    talk_->tracker.forward_to(capabilities_);
    if (my::capability::has(capabilities_, my::capability::mariadb_cache_metadata) &&
        (now_.what == my::command::stmt_prepare || now_.what == my::command::stmt_execute))
        talk_->tracker.spare_definitions(now_.statement ? now_.statement->told : my::definitions_digest{});
    ++who_.cluster->traffic.statements;
    const bool runs = now_.what == my::command::query || now_.what == my::command::stmt_execute ||
                      now_.what == my::command::stmt_bulk_execute;
    const auto* plan = runs && now_.text ? now_.text->plan.get() : nullptr;
    if (runs && !(plan && plan->placement == router::placement::all_same))
        who_.cluster->load.count(talk_->shard, *who_.cluster->now->map);
}

bool session::take_command(std::string_view packets, std::string_view payload) {
    const auto what = static_cast<my::command>(payload[0]);
    switch (what) {
        case my::command::query:
            return on_query(packets, payload);
        case my::command::stmt_prepare:
            return on_prepare(packets, payload);
        case my::command::stmt_execute:
        case my::command::stmt_bulk_execute:
            return on_execute(packets, payload);
        case my::command::stmt_close:
            on_close(payload);
            return true;
        case my::command::stmt_send_long_data:
        case my::command::stmt_reset:
        case my::command::stmt_fetch:
            return on_statement(what, packets, payload);
        case my::command::change_user:
            return on_change_user(payload, 1);
        case my::command::reset_connection:
            if (untold())  // MySQL 5.6 has neither
                send_error(1047, "08S01", "Unknown command", 1);
            else
                on_reset(1);
            return true;
        case my::command::process_kill:
            return on_kill(payload);
        case my::command::ping:
        case my::command::init_db:
        case my::command::field_list:
        case my::command::statistics:
        case my::command::set_option:
        case my::command::process_info:
        case my::command::refresh:
        case my::command::debug:
            return on_simple(what, packets, payload);
        case my::command::binlog_dump:
        case my::command::binlog_dump_gtid:
        case my::command::register_replica:
        case my::command::shutdown:
            refuse({fault_kind::unsupported,
                    "replication and shutdown do not go through Ringway",
                    {},
                    "connect to the server itself"});
            return true;
        default:
            send_error(1047, "08S01", "Unknown command", 1);
            return true;
    }
}

bool session::on_simple(my::command what, std::string_view packets, std::string_view payload) {
    if (!seek(wish_here())) return false;
    if (what != my::command::init_db && what != my::command::ping && what != my::command::statistics) {
        if (!prepare_lease(false, false)) return false;
    }
    running next;
    next.what = what;
    if (what == my::command::init_db) next.database = my::read_text_argument(payload);
    begin_command(std::move(next));
    talk_->server->link.write_command(packets);
    return true;
}

std::optional<fault> session::refusal_of(const reading& text) const {
    if (!text.parsed().hint.unknown.empty())
        return fault{fault_kind::invalid_parameter,
                     fmt::format("unknown routing hint \"{}\"", text.parsed().hint.unknown),
                     {},
                     "hints are role=primary, role=replica and shard=NAME"};
    if (any_statement(text, [](const router::statement& each) { return each.verb == router::verb::kill; }))
        return fault{fault_kind::unsupported, "KILL after other statements in a text", {}, "send it alone"};
    const auto tracks = [](const std::string& name) { return name.starts_with(tracking_variables); };
    const bool for_one = any_statement(text, [&](const router::statement& each) {
        return std::any_of(each.statement_settings.begin(), each.statement_settings.end(), tracks);
    });
    const bool for_all = any_statement(text, [&](const router::statement& each) {
        return std::any_of(each.effects.begin(), each.effects.end(), [&](const router::effect& what) {
            return what.what == router::effect::kind::set_global && tracks(what.name);
        });
    });
    if (for_one || (for_all && sets_tracking(text)))
        return fault{fault_kind::unsupported,
                     "session_track_... set for one statement, or for all and for the session at once",
                     {},
                     "set it by a SET of its own"};
    if (talk_ && talk_->draws_unseen && talk_->others_drew && asks_last_value(text))
        return fault{fault_kind::unsupported,
                     "LASTVAL() after a routine that may have drawn, on a connection on which others have",
                     {},
                     "draw by NEXTVAL() in a statement of the text protocol"};
    return refusal_of_diagnostics(text);
}

bool session::on_query(std::string_view packets, std::string_view payload) {
    if (wait_for_catalog()) return false;
    const auto sql = payload.substr(1);
    const auto text = read_text(sql);
    if (wait_for_triggers(*text)) return false;
    const auto& parsed = text->parsed();
    if (parsed.statements.size() == 1 && parsed.statements.front().verb == router::verb::kill && parsed.error.empty())
        return on_kill_statement(*text, sql);
    if (on_kill_before(*text, sql)) return true;
    if (answer_locally(*text, sql)) return true;
    if (auto why = refusal_of(*text)) {
        refuse(*why);
        return true;
    }
    auto to = wish_for(*text);
    if (auto why = find_shard(*text, sql, {}, to)) {
        refuse_route(std::move(*why), *text);
        return true;
    }
    before_statement(*text);
    if (!move_to(to) || !seek(to) || !has_clean_sequences(*text)) return false;
    if (!talk_->diagnosed && !talk_->cleared && talk_->own.empty() && may_keep_others_warnings(*text))
        own_of_ours(own_command::kind::clear, "DO (SELECT 0 FROM (SELECT 0) AS x)");  // others leave them
    if (!prepare_lease(*text)) return false;
    if (who_.cluster->now->log_queries) log_statement(*text, sql);
    const auto other = rewritten(*text, sql);
    follow_ties(*text, sql);
    running next;
    next.what = my::command::query;
    next.text = text;
    next.peeks = any_statement(*text, [](const router::statement& each) {
        return std::any_of(each.effects.begin(), each.effects.end(), [](const router::effect& what) {
            return what.what == router::effect::kind::unpin_lock || what.pin == "user lock";
        });
    });
    next.replayable = text->reads() && !in_transaction();
    next.holds = wants_holding(*text, next.replayable);
    if (draws_by_name(*text)) next.draws = sql;
    next.keeps = prepares_without_tables(*text, sql);
    if (next.replayable || next.holds) next.retained = packets;
    begin_command(std::move(next));
    if (other) {
        std::string out;
        std::uint8_t sequence = 0;
        my::write_command(out, sequence, my::command::query, *other);
        talk_->server->link.write_command(out);
    } else {
        talk_->server->link.write_command(packets);
    }
    return true;
}

/// A message that is passed on as it comes: longer than what is read.
bool session::begin_stream(my::command what, const my::packet_header& header, std::string_view& rest) {
    if (what != my::command::query && what != my::command::stmt_send_long_data && what != my::command::stmt_execute &&
        what != my::command::stmt_prepare)
        return violation(1153, "Got a packet bigger than 'max_allowed_packet' bytes"), false;
    const std::size_t head = my::header_size + (what == my::command::query ? 1 : 10);
    if (rest.size() < head) return false;
    statement_ref statement;
    std::string patched;
    lease_wish no_wish;
    if (what == my::command::query || what == my::command::stmt_prepare) {
        if (is_sharded()) {
            refuse(*find_shard({}, {}, {}, no_wish));
            pass_left_ = header.total();
            if (header.continued())
                return violation(1153, "Got a packet bigger than 'max_allowed_packet' bytes"), false;
            return pass_over(rest);
        }
        if (!seek(wish_here())) return false;
        if (!prepare_lease(true, false)) return false;
        if (what == my::command::stmt_prepare) {
            // It cannot be prepared again elsewhere without its text.
            return violation(1153, "Got a packet bigger than 'max_allowed_packet' bytes"), false;
        }
    } else {
        const auto id = my::read_statement_id(rest.substr(my::header_size));
        statement = id ? find_statement(*id) : nullptr;
        if (!statement) return violation(1243, "Unknown prepared statement handler"), false;
        auto to = wish_for(*statement->text);
        auto why = tied_elsewhere(to);
        if (!why && is_sharded() && !statement->text->plan->keys.empty())
            why = fault{fault_kind::over_limit,
                        "an execution longer than max_parse_bytes of a statement with a shard key",
                        {},
                        "raise max_parse_bytes"};
        if (!why) why = find_shard(*statement->text, {}, {}, to);
        if (why) {
            if (what == my::command::stmt_execute) refuse(*why);
            pass_left_ = header.total();
            if (header.continued())
                return violation(1153, "Got a packet bigger than 'max_allowed_packet' bytes"), false;
            return pass_over(rest);
        }
        if (!move_to(to) || !seek(to)) return false;
        if (!ensure_prepared(*statement)) return false;
        follow_ties(*statement->text, {});
        const auto* const there = on_server(*statement);
        if (what == my::command::stmt_execute) {
            const std::size_t types_at = my::header_size + 10 + (statement->parameters + 7u) / 8u;
            if (rest.size() <= types_at) return false;
            if (rest[types_at] == 0 && there->types_of != statement->mark)
                return violation(1153, "Got a packet bigger than 'max_allowed_packet' bytes"), false;
        }
        patched = rest.substr(0, my::header_size + 5);
        my::replace_statement_id(patched.data() + my::header_size, there->id);
    }
    running next;
    next.what = what;
    next.statement = statement;
    if (what == my::command::query) {
        next.text = std::make_shared<const reading>();
        pin("a statement longer than max_parse_bytes");
    } else if (what == my::command::stmt_execute) {
        next.text = statement->text;
    } else {
        statement->long_data = true;
        pin(fmt::format("long data of statement {}", statement->id));
    }
    next.sequence = static_cast<std::uint8_t>(header.sequence + 1);
    begin_command(std::move(next));
    streaming_ = true;
    stream_continues_ = header.continued();
    stream_left_ = header.total() - patched.size();
    talk_->server->link.write_command(patched);
    rest.remove_prefix(patched.size());
    return true;
}

}  // namespace ringway::proxy::mysql
