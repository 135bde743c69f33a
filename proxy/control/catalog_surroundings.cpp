#include "proxy/control/catalog_surroundings.hpp"

#include <pqxx/pqxx>
#include <utility>

#include "proxy/control/catalog_queries.hpp"

namespace ringway::proxy {

namespace {

using oid = std::uint32_t;

// The tables that a table inherits from, or is a part of.
constexpr const char* parent_query = "SELECT inhrelid, inhparent FROM pg_inherits";

// Pairs of columns, and what actions do to the own ones (tie_action, in its order); servers before 15 name no columns
// for SET.
constexpr const char* foreign_key_query = R"(
SELECT c.oid, c.conrelid, c.confrelid, own.attname, other.attname, NULL AS action
FROM pg_constraint c, unnest(c.conkey, c.confkey) AS pair(own, other)
JOIN pg_attribute own ON true JOIN pg_attribute other ON true
WHERE c.contype = 'f' AND own.attrelid = c.conrelid AND own.attnum = pair.own
  AND other.attrelid = c.confrelid AND other.attnum = pair.other
UNION ALL
SELECT c.oid, c.conrelid, c.confrelid, own.attname, NULL, action.what
FROM pg_constraint c JOIN pg_attribute own ON own.attrelid = c.conrelid AND own.attnum = ANY (c.conkey),
LATERAL (VALUES (0, c.confupdtype = 'c'), (1, c.confupdtype IN ('n', 'd')),
    (2, c.confdeltype = 'c'), (3, c.confdeltype IN ('n', 'd') AND coalesce(
        nullif(to_jsonb(c) -> 'confdelsetcols', 'null') @> to_jsonb(own.attnum), true))) AS action(what, applies)
WHERE c.contype = 'f' AND action.applies
ORDER BY 1)";

constexpr const char* rule_query = R"(
SELECT DISTINCT ev_class FROM pg_rewrite WHERE ev_type <> '1' AND ev_enabled IN ('O', 'A') AND ev_class >= 16384)";

// Functions that a write of a table runs: triggers but those of foreign keys, and the users' own in triggers'
// conditions, defaults, checks, domains' defaults and checks, indexes' expressions and comparisons; 'p': row policies.
// True for a trigger that may change the row to be stored.
constexpr const char* attached_query = R"(
WITH RECURSIVE used(kind, class, id, relation) AS (
    SELECT 'w', 'pg_attrdef'::regclass, oid, adrelid FROM pg_attrdef
    UNION ALL
    SELECT 'w', 'pg_constraint'::regclass, oid, conrelid FROM pg_constraint WHERE conrelid <> 0
    UNION ALL
    SELECT 'w', 'pg_class'::regclass, indexrelid, indrelid FROM pg_index WHERE indexrelid >= 16384
    UNION ALL
    SELECT 'w', 'pg_trigger'::regclass, oid, tgrelid FROM pg_trigger WHERE tgenabled IN ('O', 'A') AND tgqual IS NOT NULL
    UNION ALL
    SELECT 'p', 'pg_policy'::regclass, oid, polrelid FROM pg_policy),
domains(column_type, type) AS (
    SELECT oid, oid FROM pg_type WHERE typtype = 'd'
    UNION
    SELECT d.column_type, t.typbasetype FROM domains d JOIN pg_type t ON t.oid = d.type AND t.typtype = 'd'),
checked AS (
    SELECT 'w' AS kind, 'pg_constraint'::regclass AS class, c.oid AS id, a.attrelid AS relation
    FROM pg_constraint c JOIN domains d ON d.type = c.contypid
    JOIN pg_attribute a ON a.atttypid = d.column_type AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT 'w', 'pg_type'::regclass, d.type, a.attrelid
    FROM domains d JOIN pg_attribute a ON a.atttypid = d.column_type AND a.attnum > 0 AND NOT a.attisdropped),
ordering AS (
    SELECT i.indrelid AS relation, c.opcfamily AS family
    FROM pg_index i JOIN pg_opclass c ON c.oid = ANY (i.indclass) WHERE i.indexrelid >= 16384),
called(kind, relation, function, rewrites) AS (
    SELECT u.kind, u.relation, coalesce(o.oprcode::oid, d.refobjid), false
    FROM (TABLE used UNION ALL TABLE checked) u
    JOIN pg_depend d ON d.classid = u.class AND d.objid = u.id
    LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
    WHERE d.refclassid = 'pg_proc'::regclass OR o.oid IS NOT NULL
    UNION
    SELECT 'w', i.relation, p.amproc, false FROM ordering i JOIN pg_amproc p ON p.amprocfamily = i.family
    WHERE p.amproc >= 16384
    UNION
    SELECT 'w', i.relation, o.oprcode, false FROM ordering i JOIN pg_amop m ON m.amopfamily = i.family
    JOIN pg_operator o ON o.oid = m.amopopr WHERE o.oprcode >= 16384
    UNION
    SELECT 'w', tgrelid, tgfoid, tgtype & 3 = 3 AND tgtype & 20 <> 0
    FROM pg_trigger WHERE tgenabled IN ('O', 'A') AND (tgfoid >= 16384 OR NOT tgisinternal))
SELECT c.kind, c.relation, n.nspname, p.proname, c.rewrites
FROM called c JOIN pg_proc p ON p.oid = c.function JOIN pg_namespace n ON n.oid = p.pronamespace)";

// The server's own functions that leave something in the session, where a write runs them: pg_depend does not have
// these.
constexpr const char* attached_own_query = R"(
WITH leaving AS (
    SELECT oid, proname FROM pg_proc WHERE oid < 16384
      AND proname ~ '^(set_config|setseed|pg_(try_)?advisory_lock(_shared)?)$'),
written(relation, tree) AS (
    SELECT adrelid, adbin::text FROM pg_attrdef
    UNION ALL
    SELECT conrelid, conbin::text FROM pg_constraint WHERE conrelid <> 0 AND conbin IS NOT NULL
    UNION ALL
    SELECT indrelid, concat(indexprs::text, indpred::text) FROM pg_index WHERE indexrelid >= 16384 AND (indexprs IS NOT NULL OR indpred IS NOT NULL)
    UNION ALL
    SELECT ev_class, concat(ev_qual::text, ev_action::text) FROM pg_rewrite WHERE ev_type <> '1' AND ev_class >= 16384)
SELECT DISTINCT w.relation, l.proname
FROM written w JOIN leaving l ON w.tree ~ concat(':funcid ', l.oid, ' ')
WHERE w.tree ~ (SELECT concat(':funcid (', string_agg(oid::text, '|'), ') ') FROM leaving))";

// What rules run of the users' own.
constexpr const char* rule_function_query = R"(
SELECT DISTINCT r.ev_class, n.nspname, p.proname
FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_proc'::regclass
JOIN pg_proc p ON p.oid = d.refobjid JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE r.ev_type <> '1' AND r.ev_class >= 16384)";

constexpr const char* policy_table_query = R"(
SELECT DISTINCT p.polrelid, d.refobjid
FROM pg_policy p JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid <> p.polrelid)";

// The users' operators, with the types of keys for which an operator = of theirs may be meant: those of its own
// arguments, of domains' base types, and what is compared with these; all types when it takes any.
constexpr const char* own_operator_query = R"(
WITH RECURSIVE base(type, root) AS (
    SELECT oid, oid FROM pg_type
    UNION ALL
    SELECT b.type, t.typbasetype FROM base b JOIN pg_type t ON t.oid = b.root AND t.typtype = 'd'),
alike(family, types) AS (VALUES
    (1, '{20, 21, 23, 26, 700, 701, 1700}'::oid[]), (2, '{18, 19, 25, 1042, 1043}'), (3, '{2950}'), (4, '{17}'),
    (5, '{1082, 1114, 1184}'), (6, '{16}')),
anything(types) AS (VALUES ('{2276, 2283, 2776, 5077, 5079}'::oid[]))
SELECT o.oprname, n.nspname, fn.nspname, f.proname, k.type
FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
JOIN pg_proc f ON f.oid = o.oprcode JOIN pg_namespace fn ON fn.oid = f.pronamespace
LEFT JOIN LATERAL (
    SELECT unnest(a.types) AS type FROM alike a, anything
    WHERE o.oprname = '=' AND EXISTS (SELECT FROM base b WHERE b.type IN (o.oprleft, o.oprright)
                                      AND (b.root = ANY (a.types) OR b.root = ANY (anything.types)))) k ON true
WHERE o.oid >= 16384)";

constexpr const char* own_cast_query = R"(
SELECT t.type, n.nspname, p.proname FROM pg_cast c
CROSS JOIN LATERAL (VALUES (c.castsource), (c.casttarget)) t(type)
JOIN pg_proc p ON p.oid = c.castfunc JOIN pg_namespace n ON n.oid = p.pronamespace WHERE c.oid >= 16384
UNION
SELECT c.contypid, n.nspname, p.proname FROM pg_constraint c
JOIN pg_depend d ON d.classid = 'pg_constraint'::regclass AND d.objid = c.oid
LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
JOIN pg_proc p ON p.oid = coalesce(o.oprcode::oid, CASE WHEN d.refclassid = 'pg_proc'::regclass THEN d.refobjid END)
JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE c.contypid <> 0)";

constexpr const char* own_implicit_cast_query =
    "SELECT EXISTS (SELECT FROM pg_cast WHERE oid >= 16384 AND castcontext = 'i' AND castsource < 16384)";

std::string text(const pqxx::field& field) {
    return field.is_null() ? std::string() : std::string(field.c_str(), field.size());
}

bool is_true(const pqxx::field& field) {
    return !field.is_null() && *field.c_str() == 't';
}

/// The relations by their OIDs.
class surroundings {
  public:
    surroundings(pqxx::transaction_base& transaction, std::unordered_map<oid, router::catalog_relation>& relations)
        : transaction_(transaction), relations_(relations) {}

    void read() {
        for (const auto& row : transaction_.exec(parent_query)) {
            auto* const child = find(row[0]);
            if (child && find(row[1])) child->parents.push_back(name_of(row[1]));
        }
        read_foreign_keys();
        for (const auto& row : transaction_.exec(rule_query))
            if (auto* const ruled = find(row[0])) ruled->has_rules = true;
        for (const auto& row : transaction_.exec(attached_query)) {
            auto* const to = find(row[1]);
            if (!to) continue;
            auto& all = *row[0].c_str() == 'p' ? to->policy_functions : to->write_functions;
            all.push_back({text(row[2]), text(row[3]), is_true(row[4])});
        }
        for (const auto& row : transaction_.exec(attached_own_query))
            if (auto* const to = find(row[0])) to->write_functions.push_back({"pg_catalog", text(row[1]), false});
        for (const auto& row : transaction_.exec(rule_function_query))
            if (auto* const to = find(row[0])) to->write_functions.push_back({text(row[1]), text(row[2]), false});
        for (const auto& row : transaction_.exec(policy_table_query))
            if (auto* const guarded = find(row[0])) guarded->policy_tables.push_back(name_of(row[1]));
    }

  private:
    void read_foreign_keys() {
        oid last = 0;
        for (const auto& row : transaction_.exec(foreign_key_query)) {
            auto* const child = find(row[1]);
            if (!child) continue;
            if (row[0].as<oid>() != last) child->foreign_keys.push_back({name_of(row[2]), {}});
            auto& key = child->foreign_keys.back();
            if (row[5].is_null())
                key.columns.emplace_back(text(row[3]), text(row[4]));
            else
                key.actions.emplace_back(text(row[3]), static_cast<router::tie_action>(row[5].as<int>()));
            last = row[0].as<oid>();
        }
    }

    router::catalog_relation* find(const pqxx::field& id) {
        const auto found = relations_.find(id.as<oid>());
        return found == relations_.end() ? nullptr : &found->second;
    }

    std::string name_of(const pqxx::field& id) {
        const auto* found = find(id);
        return found ? found->schema + "." + found->name : std::string();
    }

    pqxx::transaction_base& transaction_;
    std::unordered_map<oid, router::catalog_relation>& relations_;
};

}  // namespace

void read_own_operators(pqxx::transaction_base& transaction, router::catalog& to) {
    for (const auto& row : transaction.exec(own_operator_query)) {
        const std::string symbol = text(row[0]);
        to.operators.push_back({symbol, text(row[2]), text(row[3])});
        to.own_conversions |= symbol == "=";
        if (!row[4].is_null()) to.own_equalities.push_back({text(row[1]), key_type_of(row[4].as<oid>())});
    }
    to.own_conversions |= is_true(transaction.exec1(own_implicit_cast_query)[0]);
}

std::vector<own_cast> own_casts(pqxx::transaction_base& transaction) {
    std::vector<own_cast> out;
    for (const auto& row : transaction.exec(own_cast_query))
        out.push_back({row[0].as<oid>(), text(row[1]), text(row[2])});
    return out;
}

void read_surroundings(pqxx::transaction_base& transaction,
                       std::unordered_map<std::uint32_t, router::catalog_relation>& relations) {
    surroundings(transaction, relations).read();
}

}  // namespace ringway::proxy
