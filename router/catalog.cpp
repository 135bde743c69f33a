// Completes a catalog: which names are volatile, and what views read and run.

#include "router/catalog.hpp"

#include <algorithm>

#include "router/mysql/need.hpp"
#include "router/mysql/parse.hpp"
#include "router/search_path.hpp"
#include "router/statement.hpp"
#include "router/volatility.hpp"

namespace ringway::router {

namespace {

/// What a view's own text says, before the views it reads are followed.
struct view_text {
    std::vector<std::string> reads;  ///< "schema.name"
    bool writes = false;
};

void add_tables(const query_block& block, const catalog& in, const std::vector<std::string>& path, view_text& out) {
    for (const auto& table : block.tables) {
        const auto* found = find_relation(in, path, table.schema, table.name);
        if (found)
            out.reads.push_back(found->schema + "." + found->name);
        else
            out.writes = true;  // not known: whatever it is, it may run anything
    }
    for (const auto& child : block.children) add_tables(child, in, path, out);
}

/// Names in MySQL's view definitions are qualified, but for the server's own functions.
view_text read_mysql_view(const catalog& in, const catalog_relation& view) {
    view_text out;
    const auto parsed = parse_mysql(view.view_definition, in.modes);
    out.writes = true;
    if (!parsed.error.empty() || parsed.statements.size() != 1) return out;
    const auto& query = parsed.statements.front();
    auto without_views = query;
    without_views.block = {};
    out.writes = mysql::need_of(without_views, &in, view.schema).need != need::any;
    add_tables(query.block, in, {view.schema}, out);
    return out;
}

view_text read_view(const catalog& in, const catalog_relation& view, const std::vector<std::string>& path) {
    if (in.dialect == dialect::mysql) return read_mysql_view(in, view);
    view_text out;
    const auto parsed = parse_postgres(view.view_definition);
    if (!parsed.error.empty() || parsed.too_deep || parsed.statements.size() != 1) {
        out.writes = true;
        return out;
    }
    const auto& query = parsed.statements.front();
    out.writes = query.writes || query.locks_rows || !volatile_use(&in, query).empty();
    for (const auto& [schema, name] : query.functions) out.writes |= nature_of(&in, {}, schema, name).needs_primary;
    add_tables(query.block, in, path, out);
    return out;
}

void name_functions(catalog& out) {
    for (const auto& each : out.functions) {
        out.known_functions.insert(each.name);
        if (each.opaque && !is_system_schema(each.schema)) out.opaque_functions.insert(each.name);
        if (!each.is_volatile) continue;
        auto& schemas = out.volatile_functions[each.name];
        if (std::find(schemas.begin(), schemas.end(), each.schema) == schemas.end()) schemas.push_back(each.schema);
    }
}

/// Follows views through views until nothing changes: at most once for each level of nesting.
class view_closure {
  public:
    view_closure(catalog& out, const std::vector<std::string>& path) : out_(out) {
        for (auto& [key, relation] : out_.relations)
            if (relation.kind == 'v') texts_.emplace(key, read_view(out_, relation, path));
    }

    void run() {
        for (auto& [key, text] : texts_) out_.relations.at(key).view_writes = text.writes;
        for (bool grown = true; grown;) {
            grown = false;
            for (auto& [key, text] : texts_) grown |= follow(out_.relations.at(key), text);
        }
    }

  private:
    bool follow(catalog_relation& view, const view_text& text) {
        const auto tables = view.view_tables.size();
        const bool writes = view.view_writes;
        for (const auto& name : text.reads) {
            const auto& read = out_.relations.at(name);
            view.view_writes |= read.row_security_writes || read.view_writes || read.unlogged || read.kind == 'S';
            if (read.kind != 'v') {
                add(view, name);
            } else if (&read != &view) {
                for (const auto& through : read.view_tables) add(view, through);
            }
        }
        return tables != view.view_tables.size() || writes != view.view_writes;
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
    name_functions(raw);
    const auto path = schemas_of(raw.default_search_path, {});
    view_closure(raw, path).run();
    return raw;
}

}  // namespace ringway::router
