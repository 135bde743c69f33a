#include "router/dump/check.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ringway::router::dump {

namespace {

std::vector<std::string> key_of(const config::table& entry) {
    std::vector<std::string> out{entry.key};
    out.insert(out.end(), entry.further_keys.begin(), entry.further_keys.end());
    return out;
}

bool has(const std::vector<std::string>& all, const std::string& one) {
    return std::find(all.begin(), all.end(), one) != all.end();
}

std::string_view schema_of(std::string_view name) {
    return name.substr(0, name.find('.'));
}

std::string titled(std::string_view what, const std::string& name) {
    return name.empty() ? fmt::format("a {}", what) : fmt::format("{} {}", what, name);
}

}  // namespace

checker::checker(const config::cluster& of, accepted with)
    : cluster_(of.name), with_(with), map_(make_shard_map(of, 1)) {}

void checker::add(const facts& of, std::uint64_t line) {
    if (of.made) {
        relations_[of.made->name];
        stale_ = true;
    }
    for (const auto& each : of.descents) {
        relations_[each.child].insert(each.parent);
        stale_ = true;
    }
    for (const auto& each : of.soles)
        if (each.what == "primary key") primary_keys_[each.table] = each.columns;
    const bool nothing = of.what != deed::refused && !of.made && of.soles.empty() && of.references.empty();
    if (!nothing) added_.push_back({line, of});
}

std::vector<mistake> checker::settle() {
    refresh();
    for (const auto& each : added_) judge(each);
    added_.clear();
    return std::exchange(found_, {});
}

/// The catalog tells the map's entry of partitions and heirs.
void checker::refresh() {
    if (!std::exchange(stale_, false)) return;
    catalog raw;
    for (const auto& [name, parents] : relations_) {
        catalog_relation one;
        one.schema = schema_of(name);
        one.name = name.substr(one.schema.size() + 1);
        one.parents.assign(parents.begin(), parents.end());
        raw.relations.emplace(name, std::move(one));
    }
    known_ = make_catalog(std::move(raw));
}

table_meaning checker::meaning(const std::string& name) const {
    return table_finder(*map_, &known_, path_).find_qualified(name);
}

void checker::say(std::uint64_t line, std::string what, std::string hint) {
    found_.push_back({line, std::move(what), std::move(hint)});
}

void checker::judge(const noted& of) {
    if (of.what.what == deed::refused) return say(of.line, of.what.why, of.what.hint);
    if (!map_->is_sharded()) return;
    if (of.what.made) judge(*of.what.made, of.line);
    for (const auto& each : of.what.soles) judge(each, of.line);
    if (leaves_out(of.what)) return;
    for (const auto& each : of.what.references) judge(each, of.line);
}

void checker::judge(const new_relation& made, std::uint64_t line) {
    const auto here = meaning(made.name);
    if (made.kind == 'm') {
        for (const auto& each : made.reads)
            if (meaning(each).what == table_class::keyed)
                return say(
                    line,
                    fmt::format("materialized view {} reads {}: each shard would fill it with its own rows", made.name,
                                each),
                    fmt::format("dump with --exclude-table={}, and make it a view or a table of its own", made.name));
        return;
    }
    if (made.kind != 'r') return;
    if (here.what == table_class::elsewhere && !with_.first_shard)
        return say(line, fmt::format("table {} is not in the map of cluster \"{}\"", made.name, cluster_),
                   fmt::format("add it to [clusters.{}.tables], with a key or as a reference table; or take --accept "
                               "first-shard: tables that the map lacks then stand on the first shard",
                               cluster_));
    if (here.what != table_class::keyed || entry(here).by_schema) return;
    const auto above = relations_.find(made.name);
    if (above != relations_.end() && !above->second.empty()) return;  // has its parent's columns
    for (const auto& column : key_of(entry(here)))
        if (!has(made.columns, column))
            say(line, fmt::format("table {} has no column {}, its shard key in the map", made.name, column),
                fmt::format("name a column of it in [clusters.{}.tables]", cluster_));
}

void checker::judge(const sole& one, std::uint64_t line) {
    const auto here = meaning(one.table);
    if (here.what != table_class::keyed || entry(here).by_schema || with_.local_unique) return;
    for (const auto& column : key_of(entry(here)))
        if (!has(one.columns, column))
            return say(
                line,
                fmt::format("{} of {} lacks the shard key ({}): it would be unique on each shard only",
                            titled(one.what, one.name), one.table, entry(here).key_title()),
                "add the key to it in the source; or, when its values are unique by themselves (uuids, ids that are "
                "never given twice), take --accept local-unique");
}

/// Whether all rows that a row refers to are on its own shard.
bool checker::checkable(const reference& one) const {
    const auto from = meaning(one.table), to = meaning(one.target);
    if (from.what == table_class::system || to.what == table_class::system) return true;
    if (to.what == table_class::reference) return true;
    if (from.what != to.what) return false;
    if (from.what != table_class::keyed) return true;
    const auto& own = entry(from);
    const auto& other = entry(to);
    if (own.by_schema || other.by_schema)
        return own.by_schema && other.by_schema && schema_of(one.table) == schema_of(one.target);
    if (!own.placed_as(other)) return false;
    auto targets = one.target_columns;
    if (const auto known = primary_keys_.find(one.target); targets.empty() && known != primary_keys_.end())
        targets = known->second;
    const auto keys = key_of(own), other_keys = key_of(other);
    if (keys.size() != other_keys.size() || targets.size() != one.columns.size()) return false;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        const auto at = std::find(one.columns.begin(), one.columns.end(), keys[i]) - one.columns.begin();
        if (static_cast<std::size_t>(at) == targets.size() || targets[static_cast<std::size_t>(at)] != other_keys[i])
            return false;
    }
    return true;
}

void checker::judge(const reference& one, std::uint64_t line) {
    if (checkable(one)) return;
    say(line,
        fmt::format("{} of {}: the rows of {} that it refers to may stand on other shards, which a server cannot check",
                    titled("foreign key", one.name), one.table, one.target),
        "let it tie the shard keys of two tables of one sharding function, or refer to a reference table; or take "
        "--accept "
        "foreign-keys: such ones are then left out");
}

bool checker::leaves_out(const facts& of) const {
    // pg_dump makes each by a statement of its own; within a CREATE TABLE it cannot be taken out.
    return with_.left_out && map_->is_sharded() && !of.made && of.references.size() == 1 && of.soles.empty() &&
           !checkable(of.references.front());
}

std::vector<std::string> checker::absent() const {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < map_->tables.size(); ++i) {
        const auto made = std::any_of(relations_.begin(), relations_.end(), [&](const auto& each) {
            const auto here = meaning(each.first);
            return (here.what == table_class::keyed || here.what == table_class::reference) && here.map_index == i;
        });
        if (!made) out.push_back(map_->tables[i].name);
    }
    return out;
}

}  // namespace ringway::router::dump
