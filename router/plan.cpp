#include "router/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "router/carry.hpp"
#include "router/lexical.hpp"
#include "router/mysql/need.hpp"
#include "router/need.hpp"
#include "router/parameter_types.hpp"
#include "router/placement.hpp"
#include "router/search_path.hpp"

namespace ringway::router {

namespace {

using config::fault;
using config::fault_kind;

/// Completes one plan.
class planner {
  public:
    planner(plan& out, const plan_context& from, std::string_view text) : out_(out), from_(from), text_(text) {
        if (from.dialect == dialect::mysql) {
            path_.emplace_back(from.search_path);
            return;
        }
        std::string_view path = from.search_path;
        if (path.empty())
            path = from.catalog ? std::string_view(from.catalog->default_search_path) : "\"$user\", public";
        path_ = schemas_of(path, from.user);
    }

    void run() {
        auto& statements = out_.parsed.statements;
        out_.cacheable = out_.parsed.cacheable;
        find_need();
        out_.plain = is_plain();
        find_hinted_shard();
        if (out_.placement == placement::refused) return;
        if (is_sharded())
            place_on_shards();
        else
            place_on_one();
        out_.traceless = is_sharded() && is_traceless();
        if (is_sharded() && !from_.map->sequences.empty())  // whose names are literals
            for (const auto& each : statements) out_.cacheable &= each.sequences.empty();
        if (is_sharded() && std::any_of(statements.begin(), statements.end(), keeps_text)) out_.cacheable = false;
    }

  private:
    /// Its own bytes are kept, for shards that join the transaction later; in another text of the shape they stand
    /// elsewhere.
    static bool keeps_text(const statement& what) {
        switch (what.verb) {
            case verb::begin:
            case verb::savepoint:
            case verb::release:
            case verb::rollback_to:
            case verb::set:
            case verb::reset:
            case verb::set_constraints:
                return true;
            default:
                return false;
        }
    }

    bool is_sharded() const { return from_.map && from_.map->is_sharded(); }

    need_finding find_need_of(const statement& what) const {
        return from_.dialect == dialect::mysql ? mysql::need_of(what, from_.catalog, path_.front())
                                               : need_of(what, from_.catalog, path_);
    }

    void find_need() {
        auto& statements = out_.parsed.statements;
        out_.need = need::any;
        bool session_only = true, stays = false;
        for (auto& each : statements) {
            auto found = find_need_of(each);
            if (is_sharded() && found.need == need::primary && from_.dialect == dialect::postgres &&
                is_quiet(each, from_.catalog, path_)) {
                out_.on_primaries = true;
                if (out_.reason.empty()) out_.reason = found.reason;
                found = {};
                found.need = need::any;
            }
            if (found.need == need::primary && out_.need == need::any) out_.reason = found.reason;
            if (found.need == need::primary) out_.need = need::primary;
            session_only &= is_session_command(each.verb);
            stays |= std::any_of(each.effects.begin(), each.effects.end(), [](const effect& e) {
                return e.what == effect::kind::prepare;  // which pins
            });
            const bool runs_now = each.verb != verb::prepare && !each.explain_route;
            if (found.may_set && runs_now) add_unknown_settings(each, found.pin);
            if (runs_now) find_sequence_use(each, found.need);
            out_.asks_statements |= runs_now && lists_prepared(each);
        }
        if (statements.size() > 1 && (!session_only || stays) && out_.need == need::any) {
            out_.need = need::primary;
            out_.reason = "several statements in one text";
        }
        if (!out_.parsed.error.empty()) out_.reason = "cannot be parsed";
        if (out_.parsed.too_deep) out_.reason = "nested too deep to be parsed";
        if (out_.reason.empty())
            out_.reason = statements.empty() ? "empty" : session_only ? "a session command" : "reads only";
    }

    void find_sequence_use(const statement& each, need needs) {
        const auto asks = [](const auto& function) {
            return (function.first.empty() || function.first == "pg_catalog") &&
                   (function.second == "currval" || function.second == "lastval");
        };
        if (is_session_command(each.verb) || needs != need::primary) return;
        out_.asks_sequence |= writes_by_currval(each.block);
        if (std::any_of(each.functions.begin(), each.functions.end(), asks)) {
            out_.asks_sequence |= !out_.draws_sequence;  // what an earlier statement of the text has drawn is at hand
            auto rest = each;
            std::erase_if(rest.functions, asks);
            needs = find_need_of(rest).need;
        }
        out_.draws_sequence |= needs == need::primary;
    }

    /// Into a table whose defaults or checks ask for what was drawn before.
    bool writes_by_currval(const query_block& block) const {
        for (const auto& each : block.tables) {
            const auto* found =
                each.written && from_.catalog ? find_relation(*from_.catalog, path_, each.schema, each.name) : nullptr;
            if (found && found->asks_sequence) return true;
        }
        return std::any_of(block.children.begin(), block.children.end(),
                           [this](const query_block& child) { return writes_by_currval(child); });
    }

    static bool lists_prepared(const statement& what) {
        const auto built_in = [](std::string_view schema) { return schema.empty() || schema == "pg_catalog"; };
        for (const auto& [schema, name] : what.functions)
            if (name == "pg_prepared_statement" && built_in(schema)) return true;
        const auto within = [&](const auto& self, const query_block& block) -> bool {
            for (const auto& each : block.tables)
                if (each.name == "pg_prepared_statements" && built_in(each.schema)) return true;
            return std::any_of(block.children.begin(), block.children.end(),
                               [&](const query_block& child) { return self(self, child); });
        };
        return within(within, what.block);
    }

    static void add_unknown_settings(statement& to, const std::string& pin) {
        const auto known = [](const effect& e) { return e.what == effect::kind::settings_unknown; };
        const auto found = std::find_if(to.effects.begin(), to.effects.end(), known);
        if (found == to.effects.end())
            to.effects.push_back({effect::kind::settings_unknown, {}, {}, {}, {}, pin});
        else if (found->pin.empty())
            found->pin = pin;
    }

    /// One statement that the session need not look at again.
    bool is_plain() const {
        const auto& statements = out_.parsed.statements;
        if (statements.empty()) return true;
        if (out_.asks_statements) return false;
        const auto& one = statements.front();
        if (statements.size() != 1 || !one.effects.empty() || one.explain_route) return false;
        if (has_traces(one)) return false;
        switch (one.verb) {
            case verb::savepoint:
            case verb::release:
            case verb::rollback_to:
            case verb::set:
            case verb::reset:
                return false;
            case verb::set_constraints:
                return !is_sharded();
            case verb::use_database:
            case verb::load_data:
            case verb::kill:
            case verb::diagnostics:
            case verb::xa_start:
            case verb::xa_end:
            case verb::xa_prepare:
            case verb::xa_commit:
            case verb::xa_rollback:
                return false;
            case verb::show:
                return !one.name.starts_with("ringway.");
            case verb::begin:
            case verb::commit:
            case verb::rollback:
            case verb::prepare_transaction:
                return !is_sharded();
            default:
                return true;
        }
    }

    /// What MySQL's session has to know of.
    static bool has_traces(const statement& one) {
        return one.implicit_commit || one.release || one.calculates_found_rows || one.asks_insert_id ||
               one.asks_found_rows || one.asks_row_count || one.asks_warnings || one.sets_insert_id ||
               one.asks_connection_id || !one.user_variables_read.empty() || !one.statement_settings.empty();
    }

    /// A read that any shard answers alike, whenever in a READ COMMITTED transaction. Of functions only those that are
    /// known to depend on nothing but their arguments.
    bool is_traceless() const {
        const auto& statements = out_.parsed.statements;
        if (statements.empty()) return true;
        const auto& one = statements.front();
        if (!out_.plain || out_.need != need::any || one.transaction_time) return false;
        if (one.verb == verb::show) return true;
        if (one.verb == verb::empty) return true;
        if (one.verb != verb::select || out_.placement != placement::any_shard) return false;
        static constexpr std::array<std::string_view, 20> steady{
            "abs",   "array_agg",       "avg",    "ceil",  "char_length", "concat", "count",
            "floor", "generate_series", "length", "lower", "max",         "min",    "replace",
            "round", "string_agg",      "substr", "sum",   "upper",       "version"};
        for (const auto& [schema, name] : one.functions)
            if ((!schema.empty() && schema != "pg_catalog") || !std::binary_search(steady.begin(), steady.end(), name))
                return false;
        return only_tables(one.block);
    }

    /// No view, whose text is not looked into here.
    bool only_tables(const query_block& block) const {
        for (const auto& each : block.tables) {
            const auto* found = from_.catalog ? find_relation(*from_.catalog, path_, each.schema, each.name) : nullptr;
            if (!found || (found->kind != 'r' && found->kind != 'p')) return false;
        }
        return std::all_of(block.children.begin(), block.children.end(),
                           [this](const query_block& child) { return only_tables(child); });
    }

    void refuse(fault why) {
        out_.placement = placement::refused;
        out_.refusal = std::move(why);
    }

    void find_hinted_shard() {
        const auto& name = out_.parsed.hint.shard;
        if (name.empty() || !from_.map) return;
        const auto& shards = from_.map->shards;
        const auto found =
            std::find_if(shards.begin(), shards.end(), [&](const ring::member& m) { return m.name == name; });
        if (found != shards.end()) {
            hinted_ = static_cast<std::uint16_t>(found - shards.begin());
            out_.hinted = true;
            return;
        }
        std::string names;
        for (const auto& each : shards) names += (names.empty() ? "" : ", ") + each.name;
        refuse({fault_kind::invalid_parameter,
                fmt::format("the routing hint names an unknown shard \"{}\"", name),
                {},
                fmt::format("cluster \"{}\" has {}", from_.map->cluster, names)});
    }

    void place_on_one() {
        const auto& statements = out_.parsed.statements;
        const bool session_only = std::all_of(statements.begin(), statements.end(),
                                              [](const statement& s) { return is_session_command(s.verb); });
        out_.placement = statements.empty() ? placement::any_shard
                         : session_only     ? placement::all_same
                                            : placement::single;
    }

    void place_on_shards() {
        if (out_.parsed.too_deep)
            return refuse({fault_kind::over_limit,
                           "this statement nests too deep to be routed",
                           {},
                           "split it, or use parameters"});
        if (!out_.parsed.error.empty() && from_.dialect == dialect::mysql) return place_unread();
        if (!out_.parsed.error.empty()) return refuse({fault_kind::syntax, out_.parsed.error, {}, {}});
        const bool one = out_.parsed.statements.size() == 1;
        find_unsure_parameters();
        const placement_rules rules{
            *from_.map, from_.catalog, path_, hinted_, from_.dialect, one ? text_ : std::string_view(), &from_};
        placed all;
        bool first = true;
        for (const auto& each : out_.parsed.statements) {
            all = first ? place(each, rules) : together(std::move(all), place(each, rules));
            first = false;
        }
        out_.placement = all.where;
        out_.keys = std::move(all.keys);
        out_.fixed_shard = all.fixed_shard;
        out_.refusal = std::move(all.refusal);
        if (out_.parsed.statements.size() == 1) {
            out_.spread = all.spread;
            out_.alone = std::move(all.alone);
            out_.copy = std::move(all.copy);
            out_.move = std::move(all.move);
            out_.carry = std::move(all.carry);
            out_.copies = std::move(all.copies);
            if (out_.carry) out_.cacheable &= out_.carry->source->cacheable;
            out_.spread_key = std::move(all.spread_key);
            out_.spread_type = all.spread_type;
            if (out_.spread == spreading::apart) out_.scatter = std::move(all.scatter);
        }
        if (out_.placement == placement::spread) out_.refusal.reset();
        if (from_.dialect == dialect::mysql) return place_on_one_of_mysqls();
        const bool alone = out_.parsed.statements.size() == 1;
        if (alone && out_.need == need::any && (out_.plain || out_.parsed.statements.front().explain_route)) {
            out_.gather = std::move(all.gather);
            out_.scatter = std::move(all.scatter);
        } else if (all.gather && out_.refusal && out_.need == need::primary) {
            out_.refusal->detail += fmt::format("; it is not run over several shards: {}", out_.reason);
        }
        if (out_.placement != placement::several) return;
        if (out_.gather)
            out_.refusal.reset();
        else
            out_.placement = placement::refused;
    }

    void find_unsure_parameters() {
        if (out_.parsed.parameters == 0 || from_.dialect == dialect::mysql) return;
        const table_finder tables(*from_.map, from_.catalog, path_);
        auto& all = out_.unsure_parameters;
        for (auto& each : out_.parsed.statements) {
            const auto found = mark_unsure(each, tables);
            all.insert(all.end(), found.begin(), found.end());
        }
    }

    /// A text that is not understood: what it says is the server's to know, where it goes the hint's.
    void place_unread() {
        if (!hinted_)
            return refuse(
                {fault_kind::unsupported, "this statement cannot be read, so that its shard is not known",
                 out_.parsed.error,
                 fmt::format("name the shard in a comment: /* ringway: shard={} */", from_.map->shards.front().name)});
        out_.placement = placement::single;
        out_.fixed_shard = hinted_;
    }

    /// Nothing runs on several shards of a MySQL cluster.
    void place_on_one_of_mysqls() {
        out_.gather = nullptr;
        out_.spread = spreading::none;
        if (out_.placement == placement::several && out_.refusal) {
            out_.placement = placement::refused;
        } else if (out_.placement == placement::spread || out_.placement == placement::several) {
            refuse({fault_kind::unsupported,
                    fmt::format("this statement runs on every shard of cluster \"{}\"", from_.map->cluster),
                    "Of MySQL clusters Ringway serves what runs on one.",
                    fmt::format("run it on each shard by a comment: /* ringway: shard={} */, or on the servers",
                                from_.map->shards.front().name)});
        }
    }

    plan& out_;
    const plan_context& from_;
    std::string_view text_;
    std::vector<std::string> path_;
    std::optional<std::uint16_t> hinted_;
};

}  // namespace

std::vector<std::uint16_t> shard_map::members() const {
    std::vector<std::uint16_t> out;
    for (std::size_t i = 0; i < shards.size(); ++i)
        if (has_joined(i)) out.push_back(static_cast<std::uint16_t>(i));
    return out;
}

std::shared_ptr<const shard_map> make_shard_map(const config::cluster& from, std::uint64_t epoch,
                                                const ring_state* active, std::shared_ptr<const ring_change> change) {
    auto out = std::make_shared<shard_map>();
    out->cluster = from.name;
    std::vector<std::string> names;
    for (const auto& each : from.shards) names.push_back(each.name);
    const auto state = active ? *active : ring_state_of(from);
    out->shards = members_of(state, names);
    for (const auto& name : names) out->joined.push_back(state.find(name) != nullptr);
    out->points.emplace(out->shards, exceptions_of(state, names));
    out->tables = from.tables;
    out->sequences = from.sequences;
    for (const auto& each : from.tables) out->functions.emplace_back(each, out->shards, from.engine, out->joined);
    out->moves_rows = from.key_update == config::key_update::move;
    if (from.engine == config::engine::mysql)  // whose columns have no case
        for (auto& each : out->tables)
            std::transform(each.key.begin(), each.key.end(), each.key.begin(), lexical::lower);
    out->epoch = epoch;
    out->change = std::move(change);
    return out;
}

std::optional<std::uint16_t> owner_of(const shard_map& map, std::uint16_t table, std::span<const key_part> key) {
    return map.functions[table].owner(key, *map.points);
}

std::shared_ptr<const plan> make_plan(analysis parsed, const plan_context& context, std::string_view text) {
    auto out = std::make_shared<plan>();
    out->parsed = std::move(parsed);
    out->catalog_version = context.catalog ? context.catalog->version : 0;
    out->map_epoch = context.map ? context.map->epoch : 0;
    planner(*out, context, text).run();
    for (auto& each : out->parsed.statements) each.parameter_uses = {};
    return out;
}

}  // namespace ringway::router
