#include "plans.hpp"

#include <algorithm>

#include "config/fault.hpp"
#include "router/gather.hpp"
#include "router/key_value.hpp"

namespace ringway::router::world {

namespace {

constexpr std::uint32_t int8_oid = 20, text_oid = 25, numeric_oid = 1700, uuid_oid = 2950, varchar_oid = 1043;

catalog_column column(std::string name, key_type type, std::uint32_t type_oid) {
    catalog_column out;
    out.name = std::move(name);
    out.type = type;
    out.type_oid = type_oid;
    return out;
}
catalog_column integer(std::string name) {
    return column(std::move(name), key_type::integer, int8_oid);
}
catalog_column text(std::string name) {
    return column(std::move(name), key_type::text, text_oid);
}

catalog_relation& add(catalog& to, std::string schema, std::string name, std::vector<catalog_column> columns,
                      char kind = 'r') {
    auto& made = to.relations[schema + "." + name];
    made.schema = std::move(schema);
    made.name = std::move(name);
    made.kind = kind;
    made.columns = std::move(columns);
    return made;
}

void add_view(catalog& to, std::string name, std::string definition, std::vector<catalog_column> columns = {}) {
    add(to, "public", std::move(name), std::move(columns), 'v').view_definition = std::move(definition);
}

void add_functions(catalog& to) {
    for (const char* name : {"count",
                             "sum",
                             "now",
                             "lower",
                             "upper",
                             "coalesce",
                             "max",
                             "min",
                             "avg",
                             "array_agg",
                             "generate_series",
                             "length",
                             "version",
                             "current_setting",
                             "pg_is_in_recovery",
                             "txid_current",
                             "pg_current_xact_id",
                             "json_agg",
                             "row_number",
                             "to_char",
                             "pg_get_viewdef",
                             "date_trunc",
                             "extract",
                             "timezone",
                             "substring",
                             "pg_backend_pid",
                             "pg_stat_get_activity",
                             "current_database",
                             "unnest"})
        to.functions.push_back({"pg_catalog", name, false, false});
    for (const char* name : {"random",
                             "clock_timestamp",
                             "gen_random_uuid",
                             "pg_sleep",
                             "nextval",
                             "currval",
                             "lastval",
                             "setval",
                             "set_config",
                             "setseed",
                             "pg_advisory_lock",
                             "pg_advisory_xact_lock",
                             "pg_try_advisory_lock",
                             "pg_advisory_unlock",
                             "pg_notify",
                             "pg_advisory_unlock_all",
                             "lo_create",
                             "query_to_xml",
                             "pg_export_snapshot",
                             "pg_create_logical_replication_slot"})
        to.functions.push_back({"pg_catalog", name, true, false});
    for (auto& each : to.functions)
        for (const char* name : {"count", "sum", "max", "min", "avg", "array_agg", "json_agg", "row_number"})
            each.aggregate |= each.name == name;
    to.functions.push_back({"public", "touch", true, true});   // writes
    to.functions.push_back({"public", "tax", false, true});    // stable: may read
    to.functions.push_back({"public", "pure", false, false});  // immutable
    to.functions.push_back({"archive", "probe", true, true});  // volatile in archive only
    to.functions.push_back({"public", "probe", false, false});
}

}  // namespace

catalog raw_catalog() {
    catalog out;
    out.version = 1;
    add_functions(out);
    out.volatile_operators.insert("|>|");
    out.volatile_cast_types.insert("audited");
    add(out, "public", "users", {integer("id"), text("name"), integer("age")});
    add(out, "public", "orders", {integer("id"), integer("user_id"), text("note"), integer("total")});
    add(out, "public", "items", {integer("order_id"), integer("user_id"), text("sku")});
    add(out, "public", "accounts", {column("id", key_type::uuid, uuid_oid), text("name")});
    add(out, "public", "documents", {text("slug"), text("body")});
    auto limited = column("slug", key_type::text, varchar_oid);
    limited.type_modifier = 3 + 4;
    add(out, "public", "codes", {std::move(limited), text("body")});
    auto price = column("amount", key_type::numeric, numeric_oid);
    price.type_modifier = ((10 << 16) | 2) + 4;  // numeric(10,2)
    add(out, "public", "prices", {std::move(price), text("name")});
    add(out, "public", "countries", {text("code"), text("name")});
    add(out, "public", "logs", {integer("id"), integer("user_id"), text("line")});
    add(out, "public", "files", {integer("id"), integer("owner")});
    add(out, "archive", "files", {integer("id"), integer("owner")});
    add(out, "public", "orders_2024", {integer("id"), integer("user_id")}).parents = {"public.orders"};
    add(out, "public", "guarded", {integer("id")}).row_security_writes = true;
    add(out, "public", "scratch", {integer("id")}).unlogged = true;
    add(out, "public", "users_id_seq", {}, 'S');
    add(out, "pg_catalog", "pg_class", {});
    add(out, "pg_catalog", "pg_stat_activity", {}, 'v').view_definition =
        " SELECT s.pid FROM pg_stat_get_activity(NULL::integer) s(pid);";
    add_view(out, "order_view", " SELECT o.id, o.user_id FROM public.orders o;", {integer("id"), integer("user_id")});
    add_view(out, "country_view", " SELECT c.code FROM public.countries c;", {text("code")});
    add_view(out, "log_view", " SELECT l.id FROM public.logs l;", {integer("id")});
    add_view(out, "touching", " SELECT public.touch() AS touch FROM public.countries;");
    add_view(out, "over_touching", " SELECT t.touch FROM public.touching t;");
    add_view(out, "casting", " SELECT (c.name)::public.audited AS a FROM public.countries c;");
    out.byte_order_text = true;
    return out;
}

const catalog& shared_catalog() {
    static const catalog made = make_catalog(raw_catalog());
    return made;
}

namespace {

config::cluster cluster_of(std::string name, std::vector<std::string> shards) {
    config::cluster out;
    out.name = std::move(name);
    for (auto& each : shards) out.shards.push_back({std::move(each), {}, 1});
    return out;
}

std::shared_ptr<const shard_map> make_shop() {
    auto from = cluster_of("shop", {"s0", "s1", "s2"});
    const auto keyed = [&from](std::string name, std::string key) {
        config::table made;
        made.name = std::move(name);
        made.key = std::move(key);
        from.tables.push_back(std::move(made));
    };
    keyed("users", "id");
    keyed("orders", "user_id");
    keyed("items", "user_id");
    keyed("accounts", "id");
    keyed("documents", "slug");
    keyed("prices", "amount");
    keyed("codes", "slug");
    keyed("archive.files", "owner");
    keyed("missing", "id");
    config::table reference;
    reference.name = "countries";
    reference.reference = true;
    from.tables.push_back(std::move(reference));
    return make_shard_map(from, 1);
}

}  // namespace

const shard_map& app() {
    static const auto made = make_shard_map(cluster_of("app", {"s0"}), 1);
    return *made;
}

const shard_map& shop() {
    static const auto made = make_shop();
    return *made;
}

planned plan_on(const shard_map& map, std::string_view text, std::string_view search_path, const catalog* in) {
    planned out;
    out.text = text;
    shape_lexer lexer;
    const auto shape = lexer.scan(out.text);
    out.literals.assign(shape.literals.begin(), shape.literals.end());
    plan_context context;
    context.map = &map;
    context.catalog = in;
    context.search_path = search_path;
    context.user = "app";
    out.made = make_plan(parse_postgres(out.text), context, out.text);
    return out;
}

values planned::values_with(const std::vector<parameter>& parameters) const {
    values out;
    out.text = text;
    out.literals = literals;
    out.parameters = parameters;
    return out;
}

route planned::route_with(const std::vector<parameter>& parameters, const shard_map& map) const {
    return route_of(*made, values_with(parameters), map);
}

parameter text_parameter(std::string_view value, std::uint32_t type_oid) {
    parameter out;
    out.bytes = value;
    out.type_oid = type_oid;
    return out;
}

parameter null_parameter() {
    parameter out;
    out.is_null = true;
    return out;
}

std::uint16_t owner_of(std::string_view canonical) {
    return shop().points->owner(position(canonical));
}

namespace {

std::string_view name_of(effect::kind what) {
    using kind = effect::kind;
    switch (what) {
        case kind::set:
            return "set";
        case kind::set_local:
            return "set_local";
        case kind::reset:
            return "reset";
        case kind::reset_all:
            return "reset_all";
        case kind::set_config:
            return "set_config";
        case kind::settings_unknown:
            return "settings_unknown";
        case kind::pin:
            return "pin";
        case kind::unpin_listen:
            return "unpin_listen";
        case kind::unpin_locks:
            return "unpin_locks";
        case kind::discard_all:
            return "discard_all";
        case kind::discard_plans:
            return "discard_plans";
        case kind::discard_temp:
            return "discard_temp";
        case kind::discard_sequences:
            return "discard_sequences";
        case kind::prepare:
            return "prepare";
        case kind::execute:
            return "execute";
        case kind::deallocate:
            return "deallocate";
        case kind::catalog_changed:
            return "catalog_changed";
        case kind::set_global:
            return "set_global";
        case kind::set_user_variable:
            return "set_user_variable";
        case kind::use_database:
            return "use_database";
        case kind::execute_immediate:
            return "execute_immediate";
        case kind::drop_temporary:
            return "drop_temporary";
        case kind::handler_close:
            return "handler_close";
        case kind::unlock_tables:
            return "unlock_tables";
        case kind::unlock_backup:
            return "unlock_backup";
        case kind::unpin_lock:
            return "unpin_lock";
        case kind::kill:
            return "kill";
    }
    return "?";
}

std::string key_line(const key_recipe& recipe, const shard_map& map, const values& with) {
    const auto& table = map.tables[recipe.table];
    std::string out = "key " + table.name + "." + table.key + ":";
    for (const auto& each : recipe.values)
        out += " " + shown(each, with) + (each.array && each.cast.empty() ? "[]" : "");
    if (recipe.rows) out += " (rows)";
    if (recipe.write && !recipe.rows) out += " (write)";
    return out;
}

}  // namespace

std::vector<std::string> described(const planned& what) {
    const auto& plan = *what.made;
    const auto& map = plan.placement == placement::single && plan.keys.empty() && !plan.fixed_shard ? app() : shop();
    std::vector<std::string> out;
    static constexpr std::string_view places[] = {"one shard", "any shard",      "the session's",
                                                  "gather",    "several shards", "refused"};
    std::string head = plan.need == need::any ? "any" : "primary";
    head += ", ";
    head += places[static_cast<std::size_t>(plan.placement)];
    if (plan.fixed_shard) head += " s" + std::to_string(*plan.fixed_shard);
    out.push_back(head + "; " + plan.reason);
    const auto with = what.values_with({});
    if (plan.gather && plan.placement == placement::several)
        for (const auto& table : plan.gather->tables) {
            auto line = "gather " + table.schema + "." + table.name;
            for (const auto& column : table.columns) line += " " + column;
            out.push_back(std::move(line));
        }
    for (const auto& recipe : plan.keys) out.push_back(key_line(recipe, map, with));
    if (plan.refusal)
        out.push_back(std::string(config::sqlstate(plan.refusal->kind)) + " " + plan.refusal->message +
                      (plan.refusal->detail.empty() ? "" : ": " + plan.refusal->detail));
    for (const auto& statement : plan.parsed.statements)
        for (const auto& each : statement.effects) {
            auto line = "effect " + std::string(name_of(each.what));
            if (!each.name.empty()) line += " " + each.name;
            if (!each.pin.empty()) line += " " + each.pin;
            for (const auto& value : each.values) line += " " + shown(value, with);
            out.push_back(std::move(line));
        }
    return out;
}

}  // namespace ringway::router::world
