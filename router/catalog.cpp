// Completes a catalog: which names are volatile, and what views read and run.

#include "router/catalog.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "router/mysql/need.hpp"
#include "router/mysql/parse.hpp"
#include "router/opacity.hpp"
#include "router/postgres/walk.hpp"
#include "router/reach.hpp"
#include "router/search_path.hpp"
#include "router/statement.hpp"
#include "router/volatility.hpp"

namespace ringway::router {

namespace {

/// What a view's own text says, before the views it reads are followed.
struct view_text {
    std::vector<std::string> reads;  ///< "schema.name"
    bool writes = false;
    std::string pin;
    bool opaque = false, ordered = false;
};

void add_tables(const query_block& block, const catalog& in, const std::vector<std::string>& path, view_text& out) {
    for (const auto& table : block.tables) {
        const auto* found = find_relation(in, path, table.schema, table.name);
        if (found)
            out.reads.push_back(found->schema + "." + found->name);
        else
            out.writes = out.opaque = true;  // not known: whatever it is, it may run anything
    }
    for (const auto& child : block.children) add_tables(child, in, path, out);
}

/// What a view's definition names without a schema, since it is printed with an empty search_path.
const std::vector<std::string> built_in_only{"pg_catalog"};
/// Names in MySQL's view definitions are qualified, but for the server's own functions.
view_text read_mysql_view(const catalog& in, const catalog_relation& view) {
    view_text out;
    const auto parsed = parse_mysql(view.view_definition, in.modes);
    out.writes = out.opaque = true;
    if (!parsed.error.empty() || parsed.statements.size() != 1) return out;
    out.opaque = false;
    const auto& query = parsed.statements.front();
    auto without_views = query;
    without_views.block = {};
    out.writes = mysql::need_of(without_views, &in, view.schema).need != need::any;
    for (const auto& [schema, name] : query.functions) {
        const auto nature = mysql::nature_of(&in, view.schema, schema, name);
        out.opaque |= nature.opaque || nature.unknown;
    }
    add_tables(query.block, in, {view.schema}, out);
    return out;
}

/// Whether its rows, or their values, may be others where those that it reads stand in another order.
bool is_ordered(const catalog_relation& view) {
    if (view.schema == "pg_catalog" || view.schema == "information_schema") return true;
    const auto& sql = view.view_definition;  // as what stands in FROM, where it will
    const auto within = parse_postgres(fmt::format("SELECT FROM ({}) AS v", sql.substr(0, sql.rfind(';'))));
    return !within.error.empty() || within.statements.size() != 1 || within.statements.front().inner_order ||
           within.statements.front().inner_ties || within.statements.front().row_places;
}

view_text read_view(const catalog& in, const catalog_relation& view, const std::vector<std::string>& path) {
    if (in.dialect == dialect::mysql) return read_mysql_view(in, view);
    view_text out;
    const auto parsed = parse_postgres(view.view_definition);
    if (!parsed.error.empty() || parsed.too_deep || parsed.statements.size() != 1) {
        out.writes = out.opaque = true;
        return out;
    }
    const auto& query = parsed.statements.front();
    out.writes = query.writes || query.locks_rows || !volatile_use(&in, query).empty();
    out.opaque = !opaque_use(&in, query).empty();
    out.ordered = is_ordered(view);
    for (const auto& [schema, name] : query.functions) {
        const auto nature = nature_of(&in, built_in_only, schema, name);
        out.writes |= nature.needs_primary;
        out.opaque |= nature.opaque || nature.unknown;
    }
    for (const auto& [schema, name] : query.functions)
        if (const auto found = in.effects.pins.find(name); found != in.effects.pins.end() && out.pin.empty())
            out.pin = found->second;
    for (const auto& each : query.effects)
        if (each.what == effect::kind::pin && out.pin.empty()) out.pin = each.pin;
    add_tables(query.block, in, path, out);
    return out;
}

/// Of what the catalogs have as text: an aggregate's parts, arguments' defaults.
void pin_by_calls(catalog& out) {
    for (const auto& each : out.functions) {
        if (each.calls.empty()) continue;
        for (const auto& word : words_in(each.calls)) {
            const auto found = out.effects.pins.find(word);
            const auto built_in = postgres::pin_of_function(word);
            if (found == out.effects.pins.end() && built_in.empty() && !out.effects.setters.contains(word)) continue;
            out.effects.setters.insert(each.name);
            if (found != out.effects.pins.end())
                out.effects.pins.emplace(each.name, std::string(found->second));
            else if (!built_in.empty())
                out.effects.pins.emplace(each.name, std::string(built_in));
        }
    }
}

/// Names of the users' functions that may call a volatile one, or ask what only a primary can tell, whatever they are
/// declared: bodies are read for words only.
std::unordered_set<std::string> reaching_volatile(const catalog& in) {
    std::unordered_set<std::string> known, out;
    for (const auto& each : in.functions)
        if (each.is_volatile && !(is_system_schema(each.schema) && is_harmless(each.name))) known.insert(each.name);
    const auto reaches = [&](const function_body& from) {
        return std::any_of(from.use.names.begin(), from.use.names.end(), [&](const std::string& name) {
            return name != from.name && (known.contains(name) || out.contains(name) || is_primarys(name));
        });
    };
    for (bool grown = true; grown;) {
        grown = false;
        for (const auto& each : in.bodies)
            if (!each.is_volatile && !out.contains(each.name) && reaches(each)) grown |= out.insert(each.name).second;
    }
    return out;
}

/// Words that ask for the time, which is each server's own.
bool asks_time(const std::string& word) {
    static constexpr std::string_view all[] = {"age",
                                               "clock_timestamp",
                                               "current_date",
                                               "current_time",
                                               "current_timestamp",
                                               "localtime",
                                               "localtimestamp",
                                               "now",
                                               "timeofday",
                                               "statement_timestamp",
                                               "transaction_timestamp"};
    return std::find(std::begin(all), std::end(all), word) != std::end(all);
}

/// Names of the users' functions that are volatile, as they are when nothing is said of that, yet without effect:
/// their bodies can be read, touch no table, set nothing, ask for no time and name no function that has an effect.
std::unordered_set<std::string> without_effect(const catalog& in) {
    using source = catalog_function::source;
    std::unordered_map<std::string, std::unordered_set<std::string>> open;
    std::unordered_set<std::string> acting;
    for (const auto& each : in.functions) {
        if (!each.is_volatile || (is_system_schema(each.schema) && is_harmless(each.name))) continue;
        const bool read = !is_system_schema(each.schema) && each.language != source::none && !each.body.empty() &&
                          !each.opaque && !each.aggregate;
        if (read && !in.effects.setters.contains(each.name) && !in.effects.pins.contains(each.name))
            open[each.name].merge(words_in(each.body + "\n" + each.calls));
        else
            acting.insert(each.name);
    }
    for (bool grown = true; grown;) {
        grown = false;
        for (const auto& [name, words] : open) {
            if (acting.contains(name)) continue;
            const bool acts = std::any_of(words.begin(), words.end(), [&](const std::string& word) {
                return acting.contains(word) || is_primarys(word) || asks_time(word);
            });
            if (acts) grown |= acting.insert(name).second;
        }
    }
    std::unordered_set<std::string> out;
    for (const auto& [name, words] : open)
        if (!acting.contains(name)) out.insert(name);
    return out;
}

/// What sets something counts as volatile, whatever it is declared: nothing of it must stay on a replica's connection.
/// So does what calls a volatile function.
void name_functions(catalog& out) {
    const auto reaching = reaching_volatile(out);
    for (auto& each : out.functions)
        each.is_volatile |=
            !is_system_schema(each.schema) && (out.effects.setters.contains(each.name) || reaching.contains(each.name));
    const auto quiet = out.dialect == dialect::postgres ? without_effect(out) : std::unordered_set<std::string>();
    for (const auto& each : out.functions) {
        auto& places = out.function_places[each.name];
        auto at = std::find_if(places.begin(), places.end(),
                               [&each](const function_place& place) { return place.schema == each.schema; });
        if (at == places.end()) at = places.insert(at, {each.schema, false, false, false, false, false});
        at->is_volatile |= each.is_volatile;
        at->acts |= each.is_volatile && !quiet.contains(each.name);
        at->opaque |= each.opaque;
        at->aggregate |= each.aggregate;
        at->returns_set |= each.returns_set;
    }
}

/// Operators and casts are as volatile as their functions turn out to be.
void name_operators_and_casts(catalog& out) {
    const auto turned = [&out](const std::string& schema, const std::string& name) {
        const auto places = places_of(&out, name);
        return !is_system_schema(schema) && std::any_of(places.begin(), places.end(), [&](const function_place& each) {
            return each.schema == schema && each.is_volatile;
        });
    };
    for (const auto& each : out.operators)
        if (turned(each.function_schema, each.function)) out.volatile_operators.insert(each.symbol);
    for (const auto& each : out.casts)
        if (turned(each.function_schema, each.function))
            out.volatile_cast_types.insert(each.types.begin(), each.types.end());
}

/// Follows views through views until nothing changes: at most once for each level of nesting.
class view_closure {
  public:
    view_closure(catalog& out, const std::vector<std::string>& path) : out_(out) {
        for (auto& [key, relation] : out_.relations)
            if (relation.kind == 'v') texts_.emplace(key, read_view(out_, relation, path));
    }

    void run() {
        for (auto& [key, text] : texts_) {
            out_.relations.at(key).view_writes = text.writes;
            out_.relations.at(key).view_pin = text.pin;
            out_.relations.at(key).view_opaque = text.opaque;
            out_.relations.at(key).view_ordered = text.ordered;
        }
        for (bool grown = true; grown;) {
            grown = false;
            for (auto& [key, text] : texts_) grown |= follow(out_.relations.at(key), text);
        }
    }

  private:
    bool follow(catalog_relation& view, const view_text& text) {
        const auto tables = view.view_tables.size();
        const bool writes = view.view_writes, pins = !view.view_pin.empty(), opaque = view.view_opaque,
                   ordered = view.view_ordered;
        for (const auto& name : text.reads) {
            const auto& read = out_.relations.at(name);
            view.view_writes |= read.row_security_writes || read.view_writes || read.unlogged || read.kind == 'S';
            view.view_opaque |= read.view_opaque;
            view.view_ordered |= read.view_ordered;
            if (view.view_pin.empty()) view.view_pin = read.view_pin;
            if (read.kind != 'v') {
                add(view, name);
            } else if (&read != &view) {
                for (const auto& through : read.view_tables) add(view, through);
            }
        }
        return tables != view.view_tables.size() || writes != view.view_writes || opaque != view.view_opaque ||
               ordered != view.view_ordered || pins == view.view_pin.empty();
    }

    static void add(catalog_relation& view, const std::string& table) {
        auto& all = view.view_tables;
        const auto at = std::lower_bound(all.begin(), all.end(), table);
        if (at == all.end() || *at != table) all.insert(at, table);
    }

    catalog& out_;
    std::unordered_map<std::string, view_text> texts_;
};

}  // namespace

catalog make_catalog(catalog raw) {
    const bool bodies = raw.dialect == dialect::postgres;
    if (bodies) {
        raw.effects = close_over(raw.bodies);
        pin_by_calls(raw);
        for (auto& each : raw.functions) {
            if (!is_unique_id(each.schema, each.name)) continue;
            each.opaque = false;
            each.language = catalog_function::source::none;
            each.body.clear();
        }
        find_opaque(raw.functions);
    }
    name_functions(raw);
    if (bodies) name_operators_and_casts(raw);
    if (bodies) find_reach(raw);
    const auto path = schemas_of(raw.default_search_path, {});
    view_closure(raw, path).run();
    return raw;
}

}  // namespace ringway::router
