// SQL's EXECUTE on a sharded cluster: it goes where the statement it names belongs with these arguments.

#include <fmt/format.h>

#include <deque>

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
    out.may_gather = false;
    const router::values with{sql, found.shape.literals, {}, conforming_strings_};
    const auto& statements = found.plan->parsed.statements;
    const bool alone = is_one(*found.plan, router::verb::execute) || is_one(*found.plan, router::verb::explain);
    if (auto why = destination_of(*found.plan, with, out)) return why;
    if (found.plan->placement == router::placement::single && found.plan->parsed.hint.shard.size()) return std::nullopt;

    // The arguments are kept: the plan cache gives out one shape at a time.
    std::deque<std::string> kept;
    std::vector<router::parameter> parameters;
    std::string name;
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
            }
            if (!alone && !runs_anywhere(*named->plan))
                return fault{fault_kind::unsupported,
                             fmt::format("EXECUTE {} among other statements names no shard", what.name),
                             {},
                             "send it in a message of its own"};
        }
    }
    if (!alone || name.empty()) return std::nullopt;
    const auto named = planned_statement(name);
    auto refused =
        destination_of(*named->plan, {named->planned_text(), named->literals, parameters, conforming_strings_}, out);
    if (!out.replica_only) out.need = router::need::primary;  // its arguments may be anything
    found = plan_of(sql);
    return refused;
}

/// A statement that only the server of a pinned session knows: what it runs, and so where, is not known here.
std::optional<fault> session::unseen_statement(const effect& what) const {
    if (what.what != effect::kind::execute || !who_.cluster->now->map->is_sharded()) return std::nullopt;
    return fault{fault_kind::unsupported, fmt::format("EXECUTE {} names no shard", what.name),
                 "it was prepared among other statements, or by a function", "prepare it in a message of its own"};
}

}  // namespace ringway::proxy
