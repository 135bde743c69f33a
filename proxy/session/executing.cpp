// SQL's EXECUTE on a sharded cluster: it goes where the statement it names belongs with these arguments.

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "proxy/net/worker.hpp"
#include "proxy/session/session.hpp"
#include "router/key_value.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using config::fault;
using config::fault_kind;
using router::effect;

std::string declared_types(const effect& prepare) {
    std::string out;
    for (const auto& declared : prepare.values) {
        const auto type = router::declared_type(declared);
        for (int shift = 24; shift >= 0; shift -= 8)
            out += static_cast<char>(static_cast<unsigned char>(type >> shift));
    }
    return out;
}

namespace {

/// Whether an argument, as argument_of() reads it, is to its parameter what the server would make of it.
bool is_exact(const router::value_source& from, const router::parameter& argument, bool string) {
    using namespace router::oid;
    if (argument.type_oid == foreign) return false;  // it cannot be declared to a server
    if (argument.is_null) return true;
    if (from.what != router::value_source::from::literal) return false;
    if (argument.type_oid == float4 || argument.type_oid == float8 || argument.type_oid == numeric)
        return string || argument.bytes.find_first_not_of("0123456789.eE+-") == argument.bytes.npos;
    if (argument.type_oid != int2 && argument.type_oid != int4 && argument.type_oid != int8) return string;
    return std::all_of(argument.bytes.begin(), argument.bytes.end(),
                       [](char c) { return c == '-' || (c >= '0' && c <= '9'); });
}

bool is_string(const router::value_source& from, const router::values& with) {
    using kind = router::literal_kind;
    if (from.what != router::value_source::from::literal || from.index >= with.literals.size()) return false;
    const auto what = with.literals[from.index].kind;
    return what == kind::string || what == kind::escape_string || what == kind::dollar_string;
}

}  // namespace

bool session::executes(const router::plan& plan) const {
    if (plan.plain || !who_.cluster->now->map->is_sharded()) return false;
    for (const auto& one : plan.parsed.statements)
        for (const auto& what : one.effects)
            if (what.what == effect::kind::execute) return true;
    return false;
}

/// `found` is looked up again: planning what it names uses the cache.
std::optional<fault> session::destination_of_execute(std::string_view sql, router::plan_cache::found& found,
                                                     destination& out) {
    const bool may_gather = std::exchange(out.may_gather, false);
    const router::values with{sql, found.shape.literals, {}, conforming_strings_};
    const auto& statements = found.plan->parsed.statements;
    const bool alone = is_one(*found.plan, router::verb::execute) || is_one(*found.plan, router::verb::explain);
    if (auto why = destination_of(*found.plan, with, out)) return why;
    if (found.plan->placement == router::placement::single && !found.plan->parsed.hint.shard.empty())
        return std::nullopt;

    // The arguments are kept: the plan cache gives out one shape at a time.
    std::deque<std::string> kept;
    std::vector<router::parameter> parameters;
    std::string name;
    bool exact = is_one(*found.plan, router::verb::execute);
    for (const auto& one : statements) {
        for (const auto& what : one.effects) {
            if (what.what != effect::kind::execute) continue;
            const auto named = find_statement(what.name);
            if (!named) continue;  // it will be told of that in its place
            name = what.name;
            const auto types = named->types();
            for (const auto& from : what.values) {
                const auto i = parameters.size();
                const auto declared = i < types.size() / 4 ? pg::load32(types.data() + 4 * i) : 0;
                parameters.push_back(router::argument_of(from, with, declared, kept.emplace_back()));
                exact &= is_exact(from, parameters.back(), is_string(from, with));
            }
            exact &= parameters.size() == types.size() / 4;
            if (!alone && !runs_anywhere(*named->plan))
                return fault{fault_kind::unsupported,
                             fmt::format("EXECUTE {} among other statements names no shard", what.name),
                             {},
                             "send it in a message of its own"};
        }
    }
    if (!alone || name.empty()) return std::nullopt;
    const auto named = planned_statement(name);
    out.may_gather = may_gather && exact;
    auto refused =
        destination_of(*named->plan, {named->planned_text(), named->literals, parameters, conforming_strings_}, out);
    if (!out.replica_only) out.need = router::need::primary;  // its arguments may be anything
    found = plan_of(sql);
    if (!refused && may_gather && ((out.several && !exact) || out.spread))
        refused =
            fault{fault_kind::unsupported,
                  fmt::format("EXECUTE {} {} rows of several shards of cluster \"{}\", which it cannot here", name,
                              out.spread ? "writes" : "reads", who_.cluster->now->config.name),
                  out.spread ? "a write that SQL's PREPARE has made runs on one shard only"
                             : "an argument is more than a literal, or is declared of a type that is not known here",
                  out.spread ? "send the statement itself, or prepare it by the extended query protocol"
                             : "give plain literals of common types, or prepare it by the extended query protocol"};
    return refused;
}

/// EXECUTE of a read over several shards: what was prepared runs with these arguments, by the extended protocol.
/// False: it does not, and failure_ says why.
bool session::gather_executed(const router::plan& execute, const router::values& with) {
    const auto& what = execute.parsed.statements.front().effects.front();
    const auto known = find_statement(what.name);
    const auto types = known->types();
    std::deque<std::string> kept;
    std::vector<router::parameter> arguments;
    for (const auto& from : what.values)
        arguments.push_back(
            router::argument_of(from, with, pg::load32(types.data() + 4 * arguments.size()), kept.emplace_back()));
    const auto named = planned_statement(what.name);  // looks into the plan cache: `with` is gone
    if (auto why = read_otherwise(*named)) {
        failure_ = std::move(why);
        return false;
    }
    std::string bound, run;
    const auto number = [&bound](std::uint32_t value, int bytes) {
        for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) bound += static_cast<char>((value >> shift) & 0xff);
    };
    number(0, 2);
    number(static_cast<std::uint32_t>(arguments.size()), 2);
    for (const auto& each : arguments) {
        number(each.is_null ? 0xffffffff : static_cast<std::uint32_t>(each.bytes.size()), 4);
        bound.append(each.bytes);
    }
    number(0, 2);
    pg::write_parse(run, {}, gather_text(*named->plan, named->planned_text(), named->literals), types);
    pg::write_bind_head(run, {}, {}, bound.size());
    run.append(bound);
    pg::write_target(run, 'D', 'P', {});
    pg::write_execute(run, {}, 0);
    pg::write_sync(run);
    scatter_task whole;
    whole.whole = true;
    start_gathering(named->plan, {named->planned_text(), named->literals, arguments, conforming_strings_},
                    std::move(run), true, std::move(whole), "2");
    return true;
}

/// A statement that only the server of a pinned session knows: what it runs, and so where, is not known here.
std::optional<fault> session::unseen_statement(const effect& what) const {
    if (what.what != effect::kind::execute || !who_.cluster->now->map->is_sharded()) return std::nullopt;
    return fault{fault_kind::unsupported, fmt::format("EXECUTE {} names no shard", what.name),
                 "it was prepared among other statements, or by a function", "prepare it in a message of its own"};
}

}  // namespace ringway::proxy
