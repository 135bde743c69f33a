#include "router/reach.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "router/opacity.hpp"
#include "router/volatility.hpp"

namespace ringway::router {

namespace {

void add_once(std::vector<std::string>& to, const std::string& what) {
    if (std::find(to.begin(), to.end(), what) == to.end()) to.push_back(what);
}

bool is_opaque(const catalog& in, const std::string& schema, const std::string& name) {
    const auto nature = nature_of(&in, {}, schema, name);
    return nature.opaque || nature.unknown || reaches_beyond(name);
}

/// Goes up from each relation. Parents that name each other end, for each is added once.
void find_ancestors(catalog& out) {
    for (auto& [key, relation] : out.relations) {
        for (const auto& parent : relation.parents) add_once(relation.ancestors, parent);
        for (std::size_t i = 0; i < relation.ancestors.size(); ++i) {
            const auto above = out.relations.find(std::string(relation.ancestors[i]));
            if (above == out.relations.end()) continue;
            for (const auto& parent : above->second.parents)
                if (parent != key) add_once(relation.ancestors, parent);
        }
        for (const auto& above : relation.ancestors) {
            const auto found = out.relations.find(above);
            if (found != out.relations.end()) found->second.heirs.push_back(key);
        }
    }
}

const catalog_function* find_body(const catalog& in, const attached_function& called) {
    const auto found = std::find_if(in.functions.begin(), in.functions.end(), [&](const catalog_function& each) {
        return each.schema == called.schema && each.name == called.name;
    });
    return found == in.functions.end() ? nullptr : &*found;
}

void add_own_reach(const catalog& in, catalog_relation& to) {
    if (to.has_rules) to.write_reach = fmt::format("a rule of {}", to.name);
    for (const auto& each : to.write_functions) {
        if (to.write_reach.empty() && is_opaque(in, each.schema, each.name))
            to.write_reach = fmt::format("function {}, which {} runs", each.name, to.name);
        if (!each.rewrites) continue;
        static constexpr std::array<std::string_view, 5> keep_keys{
            "insert_username", "moddatetime", "suppress_redundant_updates_trigger", "tsvector_update_trigger",
            "tsvector_update_trigger_column"};
        if (std::find(keep_keys.begin(), keep_keys.end(), each.name) != keep_keys.end()) continue;
        const auto* function = find_body(in, each);
        if (function && function->language == catalog_function::source::plpgsql)
            for (auto& column : columns_rewritten(function->body)) add_once(to.rewritten, column);
        else
            add_once(to.rewritten, "*");
    }
    for (const auto& each : to.policy_functions)
        if (to.read_reach.empty() && is_opaque(in, each.schema, each.name))
            to.read_reach = fmt::format("function {} of a row policy of {}", each.name, to.name);
}

/// Rows that are written by the name of a parent may be a child's.
void inherit_reach(catalog& out) {
    for (auto& [key, relation] : out.relations) {
        for (const auto& name : relation.heirs) {
            const auto& heir = out.relations.at(name);
            if (relation.write_reach.empty() && !heir.write_reach.empty() && !heir.has_rules)
                relation.write_reach = heir.write_reach;
            for (const auto& column : heir.rewritten) add_once(relation.rewritten, column);
        }
    }
}

}  // namespace

void find_reach(catalog& out) {
    for (const auto& each : out.operators)
        if (is_opaque(out, each.function_schema, each.function)) out.opaque_operators.insert(each.symbol);
    for (const auto& each : out.casts)
        if (is_opaque(out, each.function_schema, each.function))
            out.opaque_cast_types.insert(each.types.begin(), each.types.end());
    find_ancestors(out);
    for (auto& [key, relation] : out.relations) {
        add_own_reach(out, relation);
        for (const auto& each : relation.foreign_keys) {
            const auto target = out.relations.find(each.target);
            if (target != out.relations.end()) add_once(target->second.referenced_by, key);
        }
    }
    inherit_reach(out);
}

}  // namespace ringway::router
