#include "proxy/control/catalog_queries.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <pqxx/pqxx>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "proxy/control/called_names.hpp"
#include "proxy/control/catalog_surroundings.hpp"

namespace ringway::proxy {

namespace {

using oid = std::uint32_t;

// What a database's sessions start with: ALTER DATABASE, ALTER ROLE ALL, the server's configuration; not what is set
// for our own role.
constexpr const char* search_path_query = R"(
SELECT coalesce(
    (SELECT substr(setting, strpos(setting, '=') + 1)
     FROM pg_catalog.pg_db_role_setting, unnest(setconfig) AS setting
     WHERE setrole = 0 AND setting LIKE 'search_path=%'
       AND setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
     ORDER BY setdatabase DESC LIMIT 1),
    (SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_db_role_setting, unnest(setconfig) AS setting, pg_catalog.pg_roles
                              WHERE setrole = pg_roles.oid AND rolname = session_user AND setting LIKE 'search_path=%')
                 THEN boot_val ELSE reset_val END
     FROM pg_catalog.pg_settings WHERE name = 'search_path')))";

// An aggregate is as volatile as the functions it calls, and touches what they touch. Of what is neither built in nor
// in C the body tells what it touches. {0} is the text of a body that was parsed when it was made.
constexpr const char* function_query = R"(
WITH part(aggregate, function) AS (
    SELECT a.aggfnoid::oid, p.oid
    FROM pg_aggregate a JOIN pg_proc p ON p.oid IN (
        a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
    WHERE a.aggfnoid >= 16384),
parts(aggregate, volatile, names) AS (
    SELECT part.aggregate, bool_or(p.provolatile = 'v'), string_agg(quote_ident(p.proname), ' ')
    FROM part JOIN pg_proc p ON p.oid = part.function GROUP BY 1),
each AS (
    SELECT n.nspname, p.proname, p.provolatile = 'v' OR p.prokind = 'p' OR coalesce(parts.volatile, false) AS volatile,
           CASE WHEN p.oid < 16384 OR l.lanname IN ('c', 'internal') THEN 'c' ELSE l.lanname END AS language,
           CASE WHEN p.oid >= 16384 AND l.lanname IN ('sql', 'plpgsql') THEN {0} END AS body,
           CASE WHEN p.oid >= 16384 THEN concat_ws(' ', parts.names, pg_get_expr(p.proargdefaults, 0)) ELSE '' END AS calls,
           p.prokind IN ('a', 'w') AS aggregate, p.proretset AS returns_set
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
    LEFT JOIN parts ON parts.aggregate = p.oid)
SELECT nspname, proname, bool_or(volatile), language, body, calls, bool_or(aggregate), bool_or(returns_set)
FROM each GROUP BY 1, 2, 4, 5, 6)";
constexpr const char* parsed_body = "coalesce(pg_get_function_sqlbody(p.oid), p.prosrc)";
constexpr int first_version_with_parsed_bodies = 140000;

// What the users have written that can be read. A body of BEGIN ATOMIC is kept as a tree: pg_get_functiondef prints it.
constexpr const char* body_query = R"(
SELECT p.proname, l.lanname, CASE WHEN btrim(p.prosrc) = '' THEN pg_get_functiondef(p.oid) ELSE p.prosrc END,
       p.prorettype = 'trigger'::regtype, p.provolatile = 'v' OR p.prokind = 'p'
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE l.lanname NOT IN ('c', 'internal') AND p.oid >= 16384 AND p.prokind <> 'a'
  AND NOT EXISTS (SELECT FROM pg_namespace n WHERE n.oid = p.pronamespace AND n.nspname = 'ringway'))";

// What the proxy can sort texts by. Servers before 15 have no other providers for a database.
constexpr const char* collation_query = R"(
SELECT datcollate IN ('C', 'POSIX', 'C.UTF-8', 'C.utf8') AND coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') = 'c'
FROM pg_database d WHERE datname = current_database())";

constexpr const char* operator_query = R"(
SELECT DISTINCT o.oprname FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode WHERE p.provolatile = 'v')";

// Types whose values pass a volatile function on the way in, out, or to another type; and whether they do so without a
// cast being written: only casts AS IMPLICIT are put into a read by the server itself.
constexpr const char* cast_type_query = R"(
SELECT c.castsource, c.castcontext = 'i' FROM pg_cast c JOIN pg_proc p ON p.oid = c.castfunc WHERE p.provolatile = 'v'
UNION
SELECT c.casttarget, c.castcontext = 'i' FROM pg_cast c JOIN pg_proc p ON p.oid = c.castfunc WHERE p.provolatile = 'v'
UNION
SELECT t.oid, true FROM pg_type t JOIN pg_proc p ON p.oid IN (t.typinput, t.typoutput, t.typreceive, t.typsend)
WHERE p.provolatile = 'v')";

// Where users may put expressions that a read evaluates: arguments' defaults, domains' checks, row policies; each with
// what pg_depend knows of it. Functions of the server's own are not in pg_depend: those are looked for in the text.
constexpr const char* expression_query = R"(
WITH expression(kind, classid, objid, owner, source) AS (
    SELECT 'function', 'pg_proc'::regclass::oid, oid, oid, pg_get_expr(proargdefaults, 0)
    FROM pg_proc WHERE proargdefaults IS NOT NULL AND oid >= 16384
    UNION ALL
    SELECT 'domain', 'pg_constraint'::regclass::oid, oid, contypid, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE contypid <> 0
    UNION ALL
    SELECT 'policy', 'pg_policy'::regclass::oid, oid, polrelid,
           concat(pg_get_expr(polqual, polrelid), ' ', pg_get_expr(polwithcheck, polrelid))
    FROM pg_policy)
SELECT e.kind, e.owner, e.source, f.nspname, f.proname,
       EXISTS (SELECT FROM pg_depend d
               LEFT JOIN pg_proc p ON d.refclassid = 'pg_proc'::regclass AND p.oid = d.refobjid
               LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
               LEFT JOIN pg_proc op ON op.oid = o.oprcode
               LEFT JOIN pg_class v ON d.refclassid = 'pg_class'::regclass AND v.oid = d.refobjid AND v.relkind = 'v'
               WHERE d.classid = e.classid AND d.objid = e.objid AND d.deptype <> 'i'
                 AND (p.provolatile = 'v' OR op.provolatile = 'v' OR v.oid IS NOT NULL))
FROM expression e
LEFT JOIN (SELECT p.oid, n.nspname, p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace) f
    ON e.kind = 'function' AND f.oid = e.owner)";

constexpr const char* type_query = R"(
SELECT t.oid, n.nspname, t.typname, format_type(t.oid, NULL), t.typbasetype,
       CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE 0 END
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype <> 'c' AND n.nspname !~ '^pg_(toast_)?temp_')";

// Composite types and rows of tables, with what they are made of.
constexpr const char* composite_query = R"(
SELECT t.oid, n.nspname, t.typname, format_type(t.oid, NULL), a.atttypid, 0
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_class c ON c.oid = t.typrelid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE t.typtype = 'c' AND c.oid >= 16384 AND n.nspname !~ '^pg_(toast_)?temp_')";

constexpr const char* relation_query = R"(
SELECT c.oid, n.nspname, c.relname, c.relkind, CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END,
       c.relpersistence = 'u', c.relrowsecurity
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't' AND n.nspname <> 'pg_toast')";

// Tables whose defaults or checks ask for what has been drawn before. The two functions' numbers are the same
// everywhere.
constexpr const char* currval_query = R"(
SELECT adrelid FROM pg_attrdef WHERE adbin::text ~ ':funcid (1575|2559) '
UNION
SELECT conrelid FROM pg_constraint WHERE conrelid <> 0 AND conbin::text ~ ':funcid (1575|2559) ')";

// Tables and the sequences that their defaults and identity columns draw from.
constexpr const char* drawing_query = R"(
SELECT a.adrelid, d.refobjid FROM pg_attrdef a JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid
JOIN pg_class s ON d.refclassid = 'pg_class'::regclass AND s.oid = d.refobjid AND s.relkind = 'S'
UNION
SELECT d.refobjid, s.oid FROM pg_depend d JOIN pg_class s ON d.classid = 'pg_class'::regclass AND s.oid = d.objid
WHERE s.relkind = 'S' AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'i')";

// Tables that, when they are written, may run a trigger that changes settings: by set_config, SET or RESET, by text
// that is put together, by another language, or by a function that does so. When there is any such trigger, other
// tables may lead to it: by triggers of their own that write, cascades, partitions, rules and views.
constexpr const char* setting_trigger_query = R"(
WITH RECURSIVE body(oid, name, language, source) AS (
    SELECT p.oid, lower(p.proname), l.lanname, lower(regexp_replace(p.prosrc, '--[^\n]*|/\*.*?\*/', ' ', 'g'))
    FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
    WHERE l.lanname NOT IN ('c', 'internal') AND p.oid >= 16384
      AND EXISTS (SELECT FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid JOIN pg_language l ON l.oid = f.prolang
                  WHERE l.lanname NOT IN ('c', 'internal'))),
setting(oid, name) AS (
    SELECT oid, name FROM body
    WHERE language NOT IN ('plpgsql', 'sql') OR btrim(source) = ''
       OR source ~ '\m(set_config|execute|call|setseed|listen|load|dblink_connect|pg_(try_)?advisory_lock(_shared)?|temp(orary)?)\M|\mdo\s+(language|\$|'')|(^|;|\m(begin|then|else|loop)\M)\s*(set|reset|discard)\M'
    UNION
    SELECT b.oid, b.name FROM setting s JOIN body b ON strpos(b.source, s.name) > 0),
direct(oid) AS (SELECT tgrelid FROM pg_trigger WHERE tgenabled <> 'D' AND tgfoid IN (SELECT oid FROM setting))
SELECT oid FROM direct
UNION
SELECT others.oid FROM (
    SELECT t.tgrelid FROM pg_trigger t WHERE t.tgfoid IN (SELECT oid FROM body)
    UNION ALL
    SELECT confrelid FROM pg_constraint
    WHERE contype = 'f' AND (confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd'))
    UNION ALL
    SELECT inhparent FROM pg_inherits
    UNION ALL
    SELECT ev_class FROM pg_rewrite WHERE ev_class >= 16384) AS others(oid)
WHERE EXISTS (SELECT FROM direct))";

// Columns whose values are together unique at each moment.
constexpr const char* unique_query = R"(
SELECT k.conrelid, k.oid, a.attname
FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
WHERE k.contype IN ('p', 'u') AND NOT k.condeferrable AND k.conrelid >= 16384
ORDER BY k.conrelid, k.oid, a.attnum)";

// The columns of the server's own relations are nobody's shard key.
constexpr const char* column_query = R"(
WITH RECURSIVE base(type, oid, has_default, modifier) AS (
    SELECT oid, oid, typdefault IS NOT NULL AND typtype = 'd', -1 FROM pg_type
    UNION ALL
    SELECT b.type, t.typbasetype, b.has_default OR t.typdefault IS NOT NULL, CASE WHEN b.modifier >= 0 THEN b.modifier ELSE t.typtypmod END
    FROM base b JOIN pg_type t ON t.oid = b.oid WHERE t.typtype = 'd')
SELECT a.attrelid, a.attname, b.oid, coalesce(NOT l.collisdeterministic, false),
       a.atthasdef OR a.attidentity <> '' OR b.has_default, a.atttypid,
       CASE WHEN a.atttypmod >= 0 THEN a.atttypmod ELSE b.modifier END, a.attgenerated <> '',
       a.attcollation NOT IN (0, 100)
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN base b ON b.type = a.atttypid
JOIN pg_type t ON t.oid = b.oid AND t.typtype <> 'd'
LEFT JOIN pg_collation l ON l.oid = a.attcollation
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.oid >= 16384 AND c.relpersistence <> 't'
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY a.attrelid, a.attnum)";

// An updated row has a new xmin. Statistics that VACUUM and ANALYZE write into pg_class are written in place.
constexpr const char* fingerprint_query = R"(
WITH lived(part, rows, sum) AS (
    SELECT 1, count(*), sum(hashint8extended(oid::int8 << 32 | xmin::text::int8, 1)) FROM pg_catalog.pg_proc
    UNION ALL
    SELECT 2, count(*), sum(hashint8extended(oid::int8 << 32 | xmin::text::int8, 2)) FROM pg_catalog.pg_operator
    UNION ALL
    SELECT 3, count(*), sum(hashint8extended(oid::int8 << 32 | xmin::text::int8, 3)) FROM pg_catalog.pg_cast
    UNION ALL
    SELECT 4, count(*), sum(hashint8extended(oid::int8 << 32 | xmin::text::int8, 4)) FROM pg_catalog.pg_class
    WHERE relpersistence <> 't' AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    SELECT 5, count(*), sum(hashint8extended(a.attrelid::int8 << 32 | a.xmin::text::int8, a.attnum))
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    WHERE a.attrelid >= 16384 AND a.attnum > 0 AND c.relpersistence <> 't' AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
    UNION ALL
    SELECT 6, count(*), sum(hashint8extended(oid::int8 << 32 | xmin::text::int8, 6)) FROM pg_catalog.pg_type
    WHERE typtype = 'd' OR (typtype IN ('b', 'e', 'r') AND typelem = 0)
    UNION ALL
    SELECT 7, count(*), sum(hashint8extended(oid::int8 << 32 | xmin::text::int8, 7)) FROM pg_catalog.pg_constraint
    WHERE contypid <> 0 OR contype IN ('p', 'u')
    UNION ALL
    SELECT 8, count(*), sum(hashint8extended(oid::int8 << 32 | xmin::text::int8, 8)) FROM pg_catalog.pg_policy
    UNION ALL
    SELECT 9, count(*), sum(hashint8extended(r.oid::int8 << 32 | r.xmin::text::int8, 9))
    FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class WHERE c.relpersistence <> 't'
    UNION ALL
    SELECT 10, count(*), sum(hashint8extended(oid::int8 << 32 | xmin::text::int8, 10)) FROM pg_catalog.pg_namespace
    WHERE nspname !~ '^pg_(toast_)?temp_'
    UNION ALL
    SELECT 11, count(*), sum(hashtextextended(pg_catalog.concat(setdatabase, setconfig), 11)) FROM pg_catalog.pg_db_role_setting
    WHERE setrole = 0
    UNION ALL
    SELECT 13, count(*), sum(hashint8extended(t.oid::int8 << 32 | t.xmin::text::int8, 13))
    FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid WHERE c.relpersistence <> 't'
    UNION ALL
    SELECT 14, count(*), sum(hashint8extended(inhrelid::int8 << 32 | inhparent::int8, inhseqno)) FROM pg_catalog.pg_inherits
    UNION ALL
    SELECT 15, count(*), sum(hashint8extended(indexrelid::int8, 15)) FROM pg_catalog.pg_index
    WHERE indexrelid >= 16384 AND (indexprs IS NOT NULL OR indpred IS NOT NULL)
    UNION ALL
    SELECT 16, count(*), sum(hashint8extended(seqrelid::int8 << 32 | xmin::text::int8, 16)) FROM pg_catalog.pg_sequence
    UNION ALL
    SELECT 12, 1, hashtextextended(reset_val, 12) FROM pg_catalog.pg_settings WHERE name = 'search_path')
SELECT pg_catalog.md5(pg_catalog.string_agg(pg_catalog.concat_ws(' ', part, rows, sum), ',' ORDER BY part)) FROM lived)";

std::string text(const pqxx::field& field) {
    return field.is_null() ? std::string() : std::string(field.c_str(), field.size());
}

bool is_true(const pqxx::field& field) {
    return !field.is_null() && *field.c_str() == 't';
}

/// Gathers one catalog. The steps depend on each other: functions come first, relations before columns.
class catalog_gathering {
  public:
    explicit catalog_gathering(pqxx::transaction_base& transaction) : transaction_(transaction) {}

    router::catalog gather() {
        out_.default_search_path = text(transaction_.exec1(search_path_query)[0]);
        out_.byte_order_text = is_true(transaction_.exec1(collation_query)[0]);
        read_functions();
        for (const auto& row : transaction_.exec(operator_query)) out_.volatile_operators.insert(text(row[0]));
        read_own_operators(transaction_, out_);
        for (const auto& row : transaction_.exec(cast_type_query)) {
            volatile_types_.insert(row[0].as<oid>());
            if (is_true(row[1])) volatile_unasked_.insert(row[0].as<oid>());
        }
        read_expressions();
        read_types();
        read_relations();
        read_columns();
        read_surroundings(transaction_, relations_);
        for (auto& [id, relation] : relations_) {
            std::string name = relation.schema + "." + relation.name;
            out_.relations.emplace(std::move(name), std::move(relation));
        }
        return std::move(out_);
    }

  private:
    void read_functions();
    void read_expressions();
    void read_types();
    void read_relations();
    void read_unique_keys();
    void read_columns();
    bool is_volatile(const pqxx::row& expression) const;

    pqxx::transaction_base& transaction_;
    router::catalog out_;
    std::unordered_set<std::string> volatile_names_;  ///< functions, without schema
    std::unordered_set<oid> volatile_types_, volatile_domains_;
    std::unordered_set<oid> volatile_unasked_;   ///< of volatile_types_, those that need no cast in the text
    std::unordered_set<oid> volatile_policies_;  ///< relations
    std::unordered_map<oid, router::catalog_relation> relations_;
};

void catalog_gathering::read_functions() {
    using source = router::catalog_function::source;
    const bool parsed = transaction_.conn().server_version() >= first_version_with_parsed_bodies;
    for (const auto& row : transaction_.exec(fmt::format(function_query, parsed ? parsed_body : "p.prosrc"))) {
        const std::string language = text(row[3]);
        router::catalog_function made{text(row[0]), text(row[1]), is_true(row[2]), language != "c"};
        if (language == "sql") made.language = source::sql;
        if (language == "plpgsql") made.language = source::plpgsql;
        made.body = text(row[4]);
        made.calls = text(row[5]);
        made.aggregate = is_true(row[6]);
        made.returns_set = is_true(row[7]);
        out_.functions.push_back(std::move(made));
        if (out_.functions.back().is_volatile) volatile_names_.insert(out_.functions.back().name);
    }
    for (const auto& row : transaction_.exec(body_query))
        out_.bodies.push_back(
            {text(row[0]), router::read_body(text(row[2]), text(row[1])), is_true(row[3]), is_true(row[4])});
}

bool catalog_gathering::is_volatile(const pqxx::row& expression) const {
    if (is_true(expression[5])) return true;
    return calls_any(text(expression[2]), [this](const std::string& name) { return volatile_names_.contains(name); });
}

void catalog_gathering::read_expressions() {
    for (const auto& row : transaction_.exec(expression_query)) {
        if (!is_volatile(row)) continue;
        const std::string kind = text(row[0]);
        if (kind == "policy") volatile_policies_.insert(row[1].as<oid>());
        if (kind == "domain") volatile_domains_.insert(row[1].as<oid>());
        if (kind == "function") out_.functions.push_back({text(row[3]), text(row[4]), true, false});
    }
}

/// Other ways to write a type than its two names in the catalog.
std::vector<std::string> aliases_of(const std::string& type_name) {
    static const std::unordered_map<std::string, std::vector<std::string>> known{
        {"int4", {"int"}},
        {"numeric", {"decimal", "dec"}},
        {"bpchar", {"char"}},
        {"float8", {"float"}},
        {"int2", {"smallserial", "serial2"}},
        {"varbit", {"bit varying"}},
        {"timestamptz", {"timestamp with time zone"}},
        {"timetz", {"time with time zone"}},
    };
    const auto found = known.find(type_name);
    return found == known.end() ? std::vector<std::string>{} : found->second;
}

/// Of a row of type_query.
std::vector<std::string> spellings_of(const pqxx::row& type) {
    const std::string name = text(type[2]);
    std::vector<std::string> out = aliases_of(name);
    out.insert(out.end(), {name, text(type[1]) + "." + name, text(type[3])});
    if (type[5].as<oid>() != 0) return out;
    for (std::size_t i = out.size(); i-- > 0;) out.push_back(out[i] + "[]");
    return out;
}

/// A domain over, an array of, and a composite type with such a type is one too.
std::unordered_set<oid> types_over(std::unordered_set<oid> marked, std::initializer_list<const pqxx::result*> types) {
    for (bool grown = !marked.empty(); grown;) {
        grown = false;
        for (const auto* each : types)
            for (const auto& row : *each)
                if (marked.contains(row[4].as<oid>()) || marked.contains(row[5].as<oid>()))
                    grown |= marked.insert(row[0].as<oid>()).second;
    }
    return marked;
}

void catalog_gathering::read_types() {
    const pqxx::result types = transaction_.exec(type_query);
    std::unordered_set<oid> marked = volatile_types_;
    marked.insert(volatile_domains_.begin(), volatile_domains_.end());
    const pqxx::result composites = marked.empty() ? pqxx::result() : transaction_.exec(composite_query);
    marked = types_over(std::move(marked), {&types, &composites});
    for (const auto* all : {&types, &composites})
        for (const auto& row : *all)
            if (marked.contains(row[0].as<oid>()))
                for (auto& spelling : spellings_of(row)) out_.volatile_cast_types.insert(std::move(spelling));
    for (const auto& cast : own_casts(transaction_)) {
        router::catalog_cast made{{}, cast.schema, cast.function};
        const auto over = types_over({cast.type}, {&types});
        for (const auto& row : types)
            if (over.contains(row[0].as<oid>()))
                for (auto& spelling : spellings_of(row)) made.types.push_back(std::move(spelling));
        out_.casts.push_back(std::move(made));
    }
}

void catalog_gathering::read_relations() {
    for (const auto& row : transaction_.exec(relation_query)) {
        const oid id = row[0].as<oid>();
        router::catalog_relation relation;
        relation.schema = text(row[1]);
        relation.name = text(row[2]);
        relation.kind = *row[3].c_str();
        relation.view_definition = text(row[4]);
        relation.unlogged = is_true(row[5]);
        relation.row_security = is_true(row[6]);
        relation.row_security_writes = volatile_policies_.contains(id);
        relations_.emplace(id, std::move(relation));
    }
    for (const auto& row : transaction_.exec(setting_trigger_query)) {
        const auto found = relations_.find(row[0].as<oid>());
        if (found != relations_.end()) found->second.triggers_set = true;
    }
    for (const auto& row : transaction_.exec(currval_query)) {
        const auto found = relations_.find(row[0].as<oid>());
        if (found != relations_.end()) found->second.asks_sequence = true;
    }
    for (const auto& row : transaction_.exec(drawing_query)) {
        const auto table = relations_.find(row[0].as<oid>()), sequence = relations_.find(row[1].as<oid>());
        if (table != relations_.end() && sequence != relations_.end())
            table->second.draws.push_back(sequence->second.schema + "." + sequence->second.name);
    }
    read_unique_keys();
    if (transaction_.exec1("SELECT to_regclass('ringway.sequences') IS NULL")[0].as<bool>()) return;
    for (const auto& row : transaction_.exec("SELECT id FROM ringway.sequences")) {
        const auto found = relations_.find(row[0].as<oid>());
        if (found != relations_.end()) found->second.spaced = true;
    }
}

void catalog_gathering::read_unique_keys() {
    oid before = 0;
    for (const auto& row : transaction_.exec(unique_query)) {
        const auto found = relations_.find(row[0].as<oid>());
        if (found == relations_.end()) continue;
        auto& keys = found->second.unique_keys;
        const auto constraint = row[1].as<oid>();
        if (keys.empty() || constraint != before) keys.emplace_back();
        before = constraint;
        keys.back().push_back(text(row[2]));
    }
}

// Whose values cannot be read without a volatile function (output, an implicit cast) counts as its policies do.
void catalog_gathering::read_columns() {
    for (const auto& row : transaction_.exec(column_query)) {
        const auto found = relations_.find(row[0].as<oid>());
        if (found == relations_.end()) continue;
        router::catalog_column column;
        column.name = text(row[1]);
        column.type_oid = row[2].as<oid>();
        column.type = key_type_of(column.type_oid);
        column.nondeterministic_collation = is_true(row[3]);
        column.has_default = is_true(row[4]);
        column.type_modifier = row[6].as<std::int32_t>();
        column.generated = is_true(row[7]);
        column.own_collation = is_true(row[8]);
        if (volatile_unasked_.contains(column.type_oid) || volatile_unasked_.contains(row[5].as<oid>()))
            found->second.row_security_writes = true;
        found->second.columns.push_back(std::move(column));
    }
}

}  // namespace

router::key_type key_type_of(std::uint32_t type_oid) {
    using router::key_type;
    switch (type_oid) {
        case 20:  // int8
        case 21:  // int2
        case 23:  // int4
            return key_type::integer;
        case 1700:
            return key_type::numeric;
        case 19:    // name
        case 25:    // text
        case 1043:  // varchar
            return key_type::text;
        case 1042:
            return key_type::bpchar;
        case 2950:
            return key_type::uuid;
        case 17:
            return key_type::bytea;
        case 1082:
            return key_type::date;
        case 1114:
            return key_type::timestamp;
        case 1184:
            return key_type::timestamptz;
        case 16:
            return key_type::boolean;
        default:
            return key_type::unsupported;
    }
}

router::catalog query_catalog(pqxx::transaction_base& transaction) {
    return catalog_gathering(transaction).gather();
}

std::string query_fingerprint(pqxx::transaction_base& transaction) {
    return text(transaction.exec1(fingerprint_query)[0]);
}

}  // namespace ringway::proxy
