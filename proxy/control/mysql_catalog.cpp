#include "proxy/control/mysql_catalog.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_set>
#include <vector>

#include "protocol/mysql/capability.hpp"
#include "proxy/control/mysql_columns.hpp"
#include "router/mysql/routine_body.hpp"

namespace ringway::proxy {

namespace {

// Who sees a table here may use it; what the reader does not see counts as unknown, and goes to the primary.
constexpr const char* tables =
    "SELECT t.TABLE_SCHEMA AS s, t.TABLE_NAME AS n, t.TABLE_TYPE AS k, v.VIEW_DEFINITION AS d FROM "
    "information_schema.TABLES t LEFT JOIN information_schema.VIEWS v USING (TABLE_SCHEMA, TABLE_NAME) WHERE "
    "t.TABLE_SCHEMA NOT IN ('information_schema', 'performance_schema', 'mysql', 'sys') ORDER BY 1, 2";
constexpr const char* routines_query =
    "SELECT ROUTINE_SCHEMA AS s, LOWER(ROUTINE_NAME) AS n, SQL_DATA_ACCESS AS a, ROUTINE_DEFINITION AS b, ROUTINE_TYPE "
    "AS t FROM information_schema.ROUTINES ORDER BY 1, 2, 5";
constexpr const char* parameters_query =
    "SELECT SPECIFIC_SCHEMA AS s, LOWER(SPECIFIC_NAME) AS n, ROUTINE_TYPE AS t, LOWER(PARAMETER_NAME) AS p FROM "
    "information_schema.PARAMETERS WHERE PARAMETER_NAME IS NOT NULL ORDER BY 1, 2, 3, ORDINAL_POSITION";
constexpr const char* modes = "SELECT @@GLOBAL.sql_mode AS m, @@lower_case_table_names AS f, @@version AS v";

std::string text_of(const pool::mysql_row& row, std::string_view name) {
    const auto it = row.find(name);
    return it == row.end() ? std::string() : it->second.value_or("");
}

}  // namespace

catalog_reading mysql_catalog_reader::read(const pool::control_login& from, std::uint64_t version,
                                           const std::string& known, bool columns) {
    catalog_reading out;
    const auto fail = [&](std::string why) {
        connection_.close();
        out.why = config::fault{config::fault_kind::cannot_connect,
                                fmt::format("cannot read the catalogs on {}", from.node.text()),
                                std::move(why),
                                {}};
        return out;
    };
    if (!connection_.is_open() || connected_to_ != from) {
        connected_to_ = from;
        if (auto why = connection_.open(from)) return fail(std::move(*why));
    }
    std::vector<pool::mysql_row> state, relations, routines, parameters;
    if (connection_.query(modes, state) != 0 || connection_.query(tables, relations) != 0 ||
        connection_.query(routines_query, routines) != 0 || connection_.query(parameters_query, parameters) != 0 ||
        state.size() != 1)
        return fail(connection_.problem());
    mysql_column_rows keys;
    const bool sequences = std::any_of(relations.begin(), relations.end(),
                                       [](const auto& row) { return text_of(row, "k") == "SEQUENCE"; });
    if (!keys.read(connection_, columns, sequences)) return fail(connection_.problem());
    for (const auto* rows : {&state, &relations, &routines, &parameters, &keys.columns, &keys.foreign_keys,
                             &keys.triggers, &keys.privileges, &keys.drawing})
        for (const auto& row : *rows)
            for (const auto& [name, value] : row) out.fingerprint += value.value_or("-") + '\0';
    if (out.fingerprint == known) return out;
    router::catalog raw;
    raw.version = version;
    raw.dialect = router::dialect::mysql;
    raw.modes.mariadb = connection_.is_mariadb();
    raw.modes.folds_tables = text_of(state.front(), "f") != "0";
    set_sql_mode(raw.modes, text_of(state.front(), "m"));
    for (const auto& row : relations) {
        router::catalog_relation made;
        made.schema = text_of(row, "s");
        made.name = text_of(row, "n");
        made.view_definition = text_of(row, "d");
        made.kind = text_of(row, "k") == "VIEW" ? 'v' : 'r';
        raw.relations.emplace(made.schema + "." + made.name, std::move(made));
    }
    mysql_bodies bodies((connection_.capabilities() & protocol::mysql::capability::session_track) == 0, raw.modes);
    std::map<std::string, std::vector<std::string>> parameters_of;
    const auto routine = [](const pool::mysql_row& row) {
        return text_of(row, "s") + '\0' + text_of(row, "t") + '\0' + text_of(row, "n");
    };
    for (const auto& row : parameters) parameters_of[routine(row)].push_back(text_of(row, "p"));
    for (const auto& row : routines) {
        const auto schema = text_of(row, "s");
        if (schema != "sys" && schema != "mysql")
            bodies.add_routine(text_of(row, "n"), row.find("b")->second, parameters_of[routine(row)]);
    }
    for (const auto& row : keys.triggers)
        if (text_of(row, "s") != "sys") bodies.add_trigger(text_of(row, "s"), text_of(row, "n"), text_of(row, "b"));
    for (const auto& row : keys.drawing) bodies.add_trigger(text_of(row, "s"), text_of(row, "n"), text_of(row, "b"));
    for (const auto& [name, each] : raw.relations)
        if (each.kind == 'v') bodies.add_view(each.schema, each.name, each.view_definition);
    bodies.close();
    std::vector<std::vector<std::string>> calls;
    for (const auto& row : routines) {
        if (text_of(row, "t") != "FUNCTION") continue;
        const auto access = text_of(row, "a");
        router::catalog_function made;
        made.schema = text_of(row, "s");
        made.name = text_of(row, "n");
        made.opaque = access != "NO SQL";
        made.is_volatile = access != "NO SQL" && access != "READS SQL DATA";
        made.is_volatile |= row.find("b")->second && router::mysql::asks_insert_id(text_of(row, "b"), raw.modes);
        // Whatever it is declared as, it may set a variable that the servers do not tell of.
        const bool leaves = row.find("b")->second ? bodies.routine_leaves(made.name) : bodies.unseen_leaves();
        made.is_volatile = made.is_volatile || leaves;
        auto& called = calls.emplace_back();
        made.is_volatile |= router::mysql::needs_primary(text_of(row, "b"), raw.modes, called);
        raw.functions.push_back(std::move(made));
    }
    // Who calls what needs the primary needs it too, whatever the schema.
    std::unordered_set<std::string> writing;
    for (std::size_t before = 1; before != writing.size();) {
        before = writing.size();
        for (std::size_t i = 0; i < calls.size(); ++i) {
            auto& one = raw.functions[i];
            one.is_volatile |= std::any_of(calls[i].begin(), calls[i].end(),
                                           [&](const std::string& name) { return writing.contains(name); });
            if (one.is_volatile) writing.insert(one.name);
        }
    }
    keys.add_to(raw, bodies);
    out.catalog = std::make_shared<const router::catalog>(router::make_catalog(std::move(raw)));
    return out;
}

}  // namespace ringway::proxy
