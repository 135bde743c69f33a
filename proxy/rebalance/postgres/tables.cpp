#include "proxy/rebalance/postgres/tables.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "router/gather.hpp"
#include "router/object_types.hpp"

namespace ringway::proxy::rebalance::postgres {

namespace {

std::string joined(const std::vector<std::string>& names, std::string_view between = ", ") {
    std::string out;
    for (const auto& each : names) out += (out.empty() ? "" : std::string(between)) + quoted(each);
    return out;
}

std::uint64_t number(std::string_view text) {
    std::uint64_t out = 0;
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out;
}

/// "schema.name" in two; without a schema the first is empty.
std::pair<std::string, std::string> split(const std::string& name) {
    const auto dot = name.find('.');
    if (dot == std::string::npos) return {{}, name};
    return {name.substr(0, dot), name.substr(dot + 1)};
}

/// A value as the stream has it: a cast to text would make another one of booleans and of char(n).
std::string sent_text(const std::string& column) {
    return fmt::format("CASE WHEN {0} IS NULL THEN NULL ELSE pg_catalog.concat({0}) END", column);
}

constexpr const char* relation_sql =
    "SELECT nspname, relname, relkind, relpersistence, relispartition OR EXISTS (SELECT FROM pg_inherits WHERE "
    "inhparent "
    "= c.oid OR inhrelid = c.oid), EXISTS (SELECT FROM pg_rewrite WHERE ev_class = c.oid AND rulename <> '_RETURN'), "
    "CASE WHEN reltuples >= 0 THEN reltuples ELSE pg_relation_size(c.oid) / (SELECT 28 + sum(CASE WHEN attlen > 0 THEN "
    "attlen ELSE 32 END) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0) END::int8, "  // never analyzed
    "pg_total_relation_size(c.oid), c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = "
    "relnamespace WHERE relname = $1 AND ($2 = '' OR nspname = $2) AND nspname !~ '^pg_' AND nspname NOT IN "
    "('information_schema', 'ringway') AND relkind IN ('r', 'p', 'v', 'm', 'f')";

constexpr const char* column_sql =
    "SELECT attname, attgenerated <> '', coalesce((SELECT array_position(indkey::int2[], attnum) IS NOT NULL FROM "
    "pg_index WHERE indrelid = attrelid AND indisprimary), false), collisdeterministic FROM pg_attribute LEFT JOIN "
    "pg_collation c ON c.oid = attcollation WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped ORDER BY "
    "attnum";

std::optional<trouble> read_columns(link& on, const std::string& oid, moved_table& to, bool& deterministic) {
    rows got;
    if (auto why = on.ask(column_sql, {oid}, got)) return why;
    for (std::size_t i = 0; i < got.size(); ++i) {
        const std::string name(got.at(i, 0));
        if (got.at(i, 1) != "t") to.columns.push_back(name);
        if (got.at(i, 2) == "t") to.identity.push_back(name);
        if (name == to.key && got.at(i, 3) == "f") deterministic = false;
    }
    return std::nullopt;
}

}  // namespace

std::string quoted(std::string_view name) {
    return router::quoted_name(name);
}

std::string moved_table::qualified() const {
    return quoted(schema) + "." + quoted(name);
}

std::string moved_table::key_text() const {
    return router::key_text_sql(type, "t." + quoted(key));
}

std::string moved_table::condition(const router::arc_set& arcs) const {
    return reference ? std::string("true") : router::in_arcs_sql(arcs, key_text());
}

std::string moved_table::column_list() const {
    return joined(columns);
}

std::string moved_table::copy_out(const router::arc_set& arcs) const {
    return fmt::format("COPY (SELECT {} FROM ONLY {} t WHERE {}) TO STDOUT (FORMAT binary)", column_list(), qualified(),
                       condition(arcs));
}

std::string moved_table::copy_in() const {
    return fmt::format("COPY {} ({}) FROM STDIN (FORMAT binary)", qualified(), column_list());
}

std::string moved_table::insert_row() const {
    std::string values;
    for (std::size_t i = 1; i <= columns.size(); ++i) values += fmt::format("{}${}", i == 1 ? "" : ", ", i);
    return fmt::format("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})", qualified(), column_list(), values);
}

std::string moved_table::delete_row() const {
    std::string where;
    if (!identity.empty()) {
        for (std::size_t i = 0; i < identity.size(); ++i)
            where += fmt::format("{}{} = ${}", i == 0 ? "" : " AND ", quoted(identity[i]), i + 1);
        return fmt::format("DELETE FROM {} WHERE {}", qualified(), where);
    }
    // One of those that are equal in everything.
    for (std::size_t i = 0; i < columns.size(); ++i)
        where += fmt::format("{}{} IS NOT DISTINCT FROM ${}::pg_catalog.text", i == 0 ? "" : " AND ",
                             sent_text(quoted(columns[i])), i + 1);
    return fmt::format("DELETE FROM {0} WHERE ctid = (SELECT ctid FROM {0} WHERE {1} LIMIT 1)", qualified(), where);
}

/// One look at the table for all of them. The key, if it has an index, finds them; of what it finds a hash of the first
/// columns, and then every column by itself.
std::string moved_table::delete_rows() const {
    constexpr std::size_t most_arguments = 90;  // a function takes 100
    std::string arrays, names, all_here, all_there, same;
    for (std::size_t i = 0; i < columns.size(); ++i) {
        const auto here = "s." + quoted(columns[i]), there = fmt::format("d.c{}", i + 1);
        arrays += fmt::format("pg_catalog.unnest(${}::pg_catalog.text[]), ", i + 1);
        names += fmt::format("c{}, ", i + 1);
        same += fmt::format(" AND {} IS NOT DISTINCT FROM {}", sent_text(here), there);
        if (i >= most_arguments) continue;
        all_here += ", " + here;
        all_there += ", " + there;
    }
    const auto count = columns.size();
    return fmt::format(
        "DELETE FROM {0} WHERE ctid = ANY (ARRAY(SELECT at FROM (SELECT s.ctid AS at, pg_catalog.row_number() OVER "
        "(PARTITION BY d.n) AS nth, d.times FROM {0} s JOIN ROWS FROM ({1}pg_catalog.unnest(${2}::pg_catalog.int8[])) "
        "WITH "
        "ORDINALITY AS d ({3}times, n) ON pg_catalog.concat_ws(','{4}) = pg_catalog.concat_ws(','{5}){6} WHERE s.{7} = "
        "ANY (${8})) AS q WHERE nth <= times))",
        qualified(), arrays, count + 1, names, all_here, all_there, same, quoted(key), count + 2);
}

std::string moved_table::delete_all(const router::arc_set& arcs) const {
    return fmt::format("DELETE FROM {} t WHERE {}", qualified(), condition(arcs));
}

std::string moved_table::checksum(const router::arc_set& arcs) const {
    std::string list;
    for (const auto& each : columns) list += (list.empty() ? "t." : ", t.") + quoted(each);
    return fmt::format(
        "SELECT count(*), coalesce(sum(ringway.place(ROW({})::pg_catalog.text)), 0) FROM ONLY {} t WHERE {}", list,
        qualified(), condition(arcs));
}

namespace {

/// A column of a table whose values name objects of one server, in whatever types they are wrapped.
constexpr const char* objects_sql =
    "WITH RECURSIVE inside (of, type) AS (SELECT attnum, atttypid FROM pg_catalog.pg_attribute WHERE attrelid = {0} "
    "AND attnum > 0 AND NOT attisdropped{1}) SELECT attname, pg_catalog.format_type(type, NULL) FROM inside JOIN "
    "pg_catalog.pg_attribute ON attrelid = {0} AND attnum = of WHERE type IN ({2}) LIMIT 1";

}  // namespace

std::optional<trouble> read_tables(link& on, const config::cluster& cluster, const router::catalog& catalog,
                                   std::vector<moved_table>& to, std::vector<std::string>& refusals) {
    to.clear();
    for (const auto& entry : cluster.tables) {
        const auto [schema, name] = split(entry.name);
        if (entry.by_schema)
            refusals.push_back(fmt::format("tables {}: schemas that are keys are not moved", entry.name));
        rows got;
        if (auto why = on.ask(relation_sql, {name, schema}, got)) return why;
        if (got.size() == 0) continue;  // in the map, and not made yet
        if (got.size() > 1) {
            refusals.push_back(fmt::format("table {} is in several schemas: name it with its own in the map", name));
            continue;
        }
        moved_table one;
        one.schema = got.at(0, 0);
        one.name = got.at(0, 1);
        one.reference = entry.reference;
        one.key = entry.reference ? std::string() : entry.key;
        one.rows = number(got.at(0, 6));
        one.bytes = number(got.at(0, 7));
        const auto refuse = [&](std::string_view why) {
            refusals.push_back(fmt::format("table {}: {}", one.plain(), why));
        };
        const bool plain =
            entry.function == config::sharding_function::ring && !entry.is_compound() && !entry.by_schema;
        if (!entry.reference && !plain) refuse("it is not on the ring, and a rebalance moves the ring only");
        if (got.at(0, 2) != "r") refuse("only plain tables are moved, not partitioned or foreign ones or views");
        if (got.at(0, 3) != "p") refuse("an unlogged table's changes cannot be followed");
        if (got.at(0, 4) == "t") refuse("tables that inherit, or that others inherit from, are not moved");
        if (got.at(0, 5) == "t") refuse("it has rules, which would change what is moved");
        rows triggers;
        if (auto why = on.ask("SELECT tgname FROM pg_catalog.pg_trigger WHERE tgrelid = $1::pg_catalog.oid AND NOT "
                              "tgisinternal AND tgenabled IN ('A', 'R') LIMIT 1",
                              {std::string(got.at(0, 8))}, triggers))
            return why;
        if (triggers.size() > 0)
            refuse(fmt::format("trigger {} is enabled ALWAYS or REPLICA, and would fire for rows that are moved",
                               triggers.at(0, 0)));
        bool deterministic = true;
        if (auto why = read_columns(on, std::string(got.at(0, 8)), one, deterministic)) return why;
        rows naming;
        if (auto why =
                on.ask(fmt::format(objects_sql, got.at(0, 8), router::parts_of_types_sql(), router::object_types_sql()),
                       naming))
            return why;
        if (naming.size() > 0) refuse(router::why_object_column(naming.at(0, 0), one.plain(), naming.at(0, 1)));
        if (!entry.reference) {
            one.unread = true;
            if (const auto known = catalog.relations.find(one.plain()); known != catalog.relations.end())
                for (const auto& each : known->second.columns)
                    if (each.name == one.key) one.type = each.type, one.unread = false;
            if (std::find(one.columns.begin(), one.columns.end(), one.key) == one.columns.end()) {
                one.unread = false;
                refuse(fmt::format("it has no column \"{}\" of its own", one.key));
            } else if (!one.unread && router::key_text_sql(one.type, "k").empty())
                refuse(fmt::format("keys of the type of \"{}\" are not moved", one.key));
            if (!deterministic) refuse("the collation of its key calls different texts equal");
        }
        to.push_back(std::move(one));
    }
    return std::nullopt;
}

std::string unread_among(const std::vector<moved_table>& tables) {
    for (const auto& each : tables)
        if (each.unread) return fmt::format("the catalogs have not been read since table {} was made", each.plain());
    return {};
}

namespace {

/// The text that describes a table, from the columns of pg_class, pg_namespace and pg_attribute.
constexpr std::string_view described_sql =
    "md5(string_agg(concat_ws(' ', nspname, relname, relpersistence, attname, format_type(atttypid, atttypmod), "
    "attnotnull, "
    "attgenerated, (SELECT array_agg(pg_get_indexdef(indexrelid) ORDER BY indexrelid) FROM pg_index WHERE indrelid = "
    "c.oid AND indisunique)), ',' ORDER BY nspname, relname, attnum))";
constexpr std::string_view columns_sql =
    "FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace JOIN pg_attribute ON attrelid = c.oid AND attnum > 0 "
    "AND NOT attisdropped WHERE (nspname, relname) IN";

std::string name_list(const std::vector<moved_table>& tables) {
    std::string out;
    for (const auto& each : tables)
        out += fmt::format("{}({}, {})", out.empty() ? "" : ", ", link::quoted(each.schema), link::quoted(each.name));
    return out;
}

}  // namespace

std::optional<trouble> shape_of(link& on, const std::vector<moved_table>& tables, std::string& to) {
    to.clear();
    const auto names = name_list(tables);
    if (names.empty()) return std::nullopt;
    rows got;
    if (auto why = on.ask(fmt::format("SELECT coalesce({}, '') {} ({})", described_sql, columns_sql, names), got))
        return why;
    if (got.size() == 1) to = got.at(0, 0);
    return std::nullopt;
}

std::optional<trouble> shapes_of(link& on, const std::vector<moved_table>& tables,
                                 std::map<std::string, std::string>& to) {
    to.clear();
    const auto names = name_list(tables);
    if (names.empty()) return std::nullopt;
    rows got;
    if (auto why = on.ask(fmt::format("SELECT nspname || '.' || relname, {} {} ({}) GROUP BY nspname, relname",
                                      described_sql, columns_sql, names),
                          got))
        return why;
    for (std::size_t i = 0; i < got.size(); ++i)
        for (const auto& each : tables)
            if (each.plain() == got.at(i, 0)) to[each.plain()] = fmt::format("{} {}", got.at(i, 1), each.key);
    return std::nullopt;
}

std::optional<trouble> find_new_table(link& on, const config::cluster& cluster, const std::vector<moved_table>& known,
                                      std::string& to) {
    to.clear();
    std::string names;
    for (const auto& entry : cluster.tables) {
        if (entry.reference) continue;
        const auto [schema, name] = split(entry.name);
        if (std::any_of(known.begin(), known.end(), [&](const moved_table& each) {
                return each.name == name && (schema.empty() || each.schema == schema);
            }))
            continue;
        names += fmt::format("{}({}, {})", names.empty() ? "" : ", ", link::quoted(schema), link::quoted(name));
    }
    if (names.empty()) return std::nullopt;
    rows got;
    if (auto why =
            on.ask(fmt::format("SELECT nspname || '.' || relname FROM pg_class JOIN pg_namespace n ON n.oid = "
                               "relnamespace JOIN (VALUES {}) v (schema, name) ON relname = v.name AND (v.schema "
                               "= '' OR nspname = v.schema) WHERE relkind IN ('r', 'p') AND nspname !~ '^pg_' "
                               "AND nspname NOT IN ('information_schema', 'ringway') LIMIT 1",
                               names),
                   got))
        return why;
    if (got.size() == 1) to = got.at(0, 0);
    return std::nullopt;
}

}  // namespace ringway::proxy::rebalance::postgres
