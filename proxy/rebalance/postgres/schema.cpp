#include "proxy/rebalance/postgres/schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace ringway::proxy::rebalance::postgres {

namespace {

/// Kind, name, statements, form, whether it is late; for each object of the users. The connection's search_path is
/// empty, so every name comes with its schema.
struct part {
    const char* sql;
};

// What is not an extension's, and not in a schema of the server's or of Ringway's.
#define OURS(class_, oid_, schema_)                                                                     \
    " NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = '" class_ "'::regclass AND x.objid = " oid_ \
    " AND x.deptype = 'e') AND " schema_ " !~ '^pg_' AND " schema_ " NOT IN ('information_schema', 'ringway') "

constexpr part parts[] = {
    {R"(SELECT 'role', rolname::text, format('CREATE ROLE %I %s%s%s%s%s%s', rolname,
          CASE WHEN rolcanlogin THEN 'LOGIN ' ELSE 'NOLOGIN ' END, CASE WHEN rolsuper THEN 'SUPERUSER ' ELSE '' END,
          CASE WHEN rolreplication THEN 'REPLICATION ' ELSE '' END, CASE WHEN rolinherit THEN '' ELSE 'NOINHERIT ' END,
          CASE WHEN rolbypassrls THEN 'BYPASSRLS ' ELSE '' END,
          CASE WHEN rolpassword IS NULL THEN '' ELSE format('PASSWORD %L', rolpassword) END), '', false
        FROM pg_authid WHERE rolname !~ '^pg_' ORDER BY rolname)"},
    {R"(SELECT 'membership', format('%s in %s', m.rolname, r.rolname), format('GRANT %I TO %I', r.rolname, m.rolname), '',
          false FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
        WHERE m.rolname !~ '^pg_' ORDER BY 2)"},
    {"SELECT 'schema', nspname::text, format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I', nspname, "
     "pg_get_userbyid(nspowner)), '', false FROM pg_namespace n WHERE" OURS("pg_namespace", "n.oid",
                                                                            "nspname") " ORDER BY 2"},
    // Who may define something there; what stands already has an owner of its own until then.
    {"SELECT 'schema-owner', nspname::text, format('ALTER SCHEMA %I OWNER TO %I', nspname, pg_get_userbyid(nspowner)), "
     "pg_get_userbyid(nspowner), true FROM pg_namespace n WHERE" OURS("pg_namespace", "n.oid", "nspname") "ORDER BY 2"},
    {R"(SELECT 'database-owner', 'it', format('DO $x$ BEGIN EXECUTE format(%L, current_database()); END $x$',
          format('ALTER DATABASE %%I OWNER TO %I', pg_get_userbyid(datdba))), pg_get_userbyid(datdba), true
        FROM pg_database WHERE datname = current_database())"},
    {R"(SELECT 'extension', extname::text, format('CREATE EXTENSION IF NOT EXISTS %I SCHEMA %I', extname, nspname),
          extversion, false FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname <> 'plpgsql'
        ORDER BY pg_extension.oid)"},
    {"SELECT 'type', format('%s.%s', nspname, typname), CASE typtype WHEN 'e' THEN format('CREATE TYPE %I.%I AS ENUM "
     "(%s); ALTER TYPE %I.%I OWNER TO %I', nspname, typname, (SELECT string_agg(quote_literal(enumlabel), ', ' ORDER "
     "BY "
     "enumsortorder) FROM pg_enum WHERE enumtypid = t.oid), nspname, typname, pg_get_userbyid(typowner)) WHEN 'd' THEN "
     "format('CREATE DOMAIN %I.%I AS %s%s%s%s; ALTER DOMAIN %I.%I OWNER TO %I', nspname, typname, "
     "format_type(typbasetype, typtypmod), coalesce(' DEFAULT ' || typdefault, ''), CASE WHEN typnotnull THEN ' NOT "
     "NULL' ELSE '' END, (SELECT string_agg(format(' CONSTRAINT %I %s', conname, pg_get_constraintdef(c.oid)), '' "
     "ORDER "
     "BY conname) FROM pg_constraint c WHERE contypid = t.oid), nspname, typname, pg_get_userbyid(typowner)) WHEN 'c' "
     "THEN format('CREATE TYPE %I.%I AS (%s); ALTER TYPE %I.%I OWNER TO %I', nspname, typname, (SELECT "
     "string_agg(format('%I %s%s', attname, format_type(atttypid, atttypmod), CASE WHEN attcollation <> typcollation "
     "AND attcollation <> 0 THEN (SELECT format(' COLLATE %I.%I', cn.nspname, collname) FROM pg_collation co JOIN "
     "pg_namespace cn ON cn.oid = collnamespace WHERE co.oid = attcollation) ELSE '' END), ', ' ORDER BY attnum) FROM "
     "pg_attribute JOIN pg_type at ON at.oid = atttypid WHERE attrelid = t.typrelid AND attnum > 0 AND NOT "
     "attisdropped), nspname, typname, pg_get_userbyid(typowner)) END, "
     "CASE typtype WHEN 'e' THEN (SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum WHERE "
     "enumtypid "
     "= t.oid) WHEN 'd' THEN format_type(typbasetype, typtypmod) WHEN 'c' THEN (SELECT string_agg(format('%s %s', "
     "attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = typrelid "
     "AND attnum > 0 AND NOT attisdropped) END, false FROM pg_type t JOIN pg_namespace n ON "
     "n.oid "
     "= typnamespace WHERE (typtype IN ('e', 'd', 'r') OR typtype = 'c' AND EXISTS (SELECT FROM pg_class WHERE oid = "
     "typrelid AND relkind = 'c') OR typtype = 'b' AND typelem = 0) AND" OURS("pg_type", "t.oid",
                                                                              "nspname") " ORDER BY t.oid"},
    {"SELECT 'sequence', format('%s.%s', nspname, relname), format('CREATE SEQUENCE %I.%I AS %s INCREMENT %s MINVALUE "
     "%s "
     "MAXVALUE %s START %s CACHE %s%s; ALTER SEQUENCE %I.%I OWNER TO %I', nspname, relname, format_type(seqtypid, "
     "NULL), "
     "seqincrement, seqmin, seqmax, seqstart, seqcache, CASE WHEN seqcycle THEN ' CYCLE' ELSE '' END, nspname, "
     "relname, "
     "pg_get_userbyid(relowner)), format_type(seqtypid, NULL) || ' ' || seqincrement, false FROM pg_class c JOIN "
     "pg_namespace n ON n.oid = relnamespace JOIN pg_sequence ON seqrelid = c.oid WHERE NOT EXISTS (SELECT FROM "
     "pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'i') AND" OURS(
         "pg_class", "c.oid", "nspname") " ORDER BY c.oid"},
    {"SELECT 'function', format('%s.%s(%s)', nspname, proname, pg_get_function_identity_arguments(p.oid)), CASE WHEN "
     "prokind IN ('f', 'p', 'w') THEN pg_get_functiondef(p.oid) || format('; ALTER ROUTINE %I.%I(%s) OWNER TO %I', "
     "nspname, "
     "proname, pg_get_function_identity_arguments(p.oid), pg_get_userbyid(proowner)) END, CASE WHEN prokind IN ('f', "
     "'p', "
     "'w') THEN pg_get_functiondef(p.oid) END, false FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE "
     "NOT "
     "(proname = 'ringway_position') AND" OURS("pg_proc", "p.oid", "nspname") " ORDER BY p.oid"},
    {"SELECT 'table', format('%s.%s', nspname, relname), CASE WHEN relkind = 'r' AND NOT relispartition AND NOT EXISTS "
     "(SELECT FROM pg_inherits WHERE inhrelid = c.oid) AND reloftype = 0 THEN format('CREATE %sTABLE %I.%I (%s)%s; "
     "ALTER "
     "TABLE %I.%I OWNER TO %I', CASE relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END, nspname, relname, "
     "(SELECT string_agg(format('%I %s%s%s%s%s', attname, format_type(atttypid, atttypmod), CASE WHEN attcollation <> "
     "typcollation AND attcollation <> 0 THEN (SELECT format(' COLLATE %I.%I', cn.nspname, collname) FROM pg_collation "
     "co "
     "JOIN pg_namespace cn ON cn.oid = collnamespace WHERE co.oid = attcollation) ELSE '' END, CASE WHEN attgenerated "
     "= "
     "'s' THEN format(' GENERATED ALWAYS AS (%s) STORED', pg_get_expr(adbin, adrelid)) WHEN adbin IS NOT NULL THEN "
     "format(' DEFAULT %s', pg_get_expr(adbin, adrelid)) ELSE '' END, CASE attidentity WHEN 'a' THEN ' GENERATED "
     "ALWAYS "
     "AS IDENTITY' WHEN 'd' THEN ' GENERATED BY DEFAULT AS IDENTITY' ELSE '' END, CASE WHEN attnotnull AND attidentity "
     "= "
     "'' THEN ' NOT NULL' ELSE '' END), ', ' ORDER BY attnum) FROM pg_attribute a JOIN pg_type ON pg_type.oid = "
     "atttypid "
     "LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid = c.oid AND attnum > 0 AND NOT "
     "attisdropped), coalesce(' WITH (' || array_to_string(reloptions, ', ') || ')', ''), nspname, relname, "
     "pg_get_userbyid(relowner)) END, (SELECT string_agg(format('%s %s%s%s', attname, format_type(atttypid, "
     "atttypmod), "
     "CASE WHEN attnotnull THEN ' not null' ELSE '' END, CASE attgenerated WHEN '' THEN '' ELSE ' generated' END), ', "
     "' "
     "ORDER BY attname) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) || CASE WHEN "
     "relrowsecurity THEN ' row security' ELSE '' END, false FROM pg_class c JOIN pg_namespace n ON n.oid = "
     "relnamespace "
     "WHERE relkind IN ('r', 'p', 'f') AND" OURS("pg_class", "c.oid", "nspname") " ORDER BY c.oid"},
    {"SELECT 'sequence owner', format('%s.%s of %s.%s.%s', sn.nspname, s.relname, n.nspname, c.relname, attname), "
     "format('ALTER SEQUENCE %I.%I OWNED BY %I.%I.%I', sn.nspname, s.relname, n.nspname, c.relname, attname), '', true "
     "FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_namespace sn ON sn.oid = "
     "s.relnamespace JOIN pg_class c ON c.oid = d.refobjid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN "
     "pg_attribute ON attrelid = c.oid AND attnum = d.refobjsubid WHERE d.classid = 'pg_class'::regclass AND "
     "d.refclassid "
     "= 'pg_class'::regclass AND d.deptype = 'a' AND" OURS("pg_class", "s.oid", "sn.nspname") " ORDER BY 2"},
    {"SELECT 'constraint', format('%s on %s.%s', conname, nspname, relname), format('ALTER TABLE %I.%I ADD CONSTRAINT "
     "%I "
     "%s', nspname, relname, conname, pg_get_constraintdef(k.oid)), pg_get_constraintdef(k.oid), contype <> 'c' FROM "
     "pg_constraint k JOIN pg_class c ON c.oid = conrelid JOIN pg_namespace n ON n.oid = relnamespace WHERE contype IN "
     "('p', 'u', 'c', 'f', 'x') AND conparentid = 0 AND relkind = 'r' AND" OURS(
         "pg_class", "c.oid", "nspname") " ORDER BY contype = 'f', contype = 'c', k.oid"},
    {"SELECT 'index', format('%s.%s', nspname, i.relname), pg_get_indexdef(i.oid), pg_get_indexdef(i.oid), true FROM "
     "pg_index JOIN pg_class i ON i.oid = indexrelid JOIN pg_class c ON c.oid = indrelid JOIN pg_namespace n ON n.oid "
     "= "
     "i.relnamespace WHERE c.relkind IN ('r', 'm') AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.oid "
     "AND "
     "contype IN ('p', 'u', 'x')) AND" OURS("pg_class", "c.oid", "nspname") " ORDER BY c.relkind DESC, i.oid"},
    {"SELECT 'view', format('%s.%s', nspname, relname), format('CREATE %sVIEW %I.%I%s AS %s ALTER TABLE %I.%I OWNER TO "
     "%I', "
     "CASE relkind WHEN 'm' THEN 'MATERIALIZED ' ELSE '' END, nspname, relname, coalesce(' WITH (' || "
     "array_to_string(reloptions, ', ') || ')', ''), pg_get_viewdef(c.oid), nspname, "
     "relname, "
     "pg_get_userbyid(relowner)), pg_get_viewdef(c.oid), true FROM pg_class c JOIN pg_namespace n ON n.oid = "
     "relnamespace "
     "WHERE relkind IN ('v', 'm') AND" OURS("pg_class", "c.oid", "nspname") " ORDER BY c.oid"},
    {"SELECT 'rule', format('%s on %s.%s', rulename, nspname, relname), pg_get_ruledef(r.oid), pg_get_ruledef(r.oid), "
     "true "
     "FROM pg_rewrite r JOIN pg_class c ON c.oid = ev_class JOIN pg_namespace n ON n.oid = relnamespace WHERE rulename "
     "<> "
     "'_RETURN' AND" OURS("pg_class", "c.oid", "nspname") " ORDER BY r.oid"},
    {"SELECT 'trigger', format('%s on %s.%s', tgname, nspname, relname), pg_get_triggerdef(t.oid) || CASE tgenabled "
     "WHEN "
     "'O' THEN '' ELSE format('; ALTER TABLE %I.%I %s TRIGGER %I', nspname, relname, CASE tgenabled WHEN 'D' THEN "
     "'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END, tgname) END, pg_get_triggerdef(t.oid) || "
     "tgenabled::text, true FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid JOIN pg_namespace n ON n.oid = "
     "relnamespace "
     "WHERE NOT tgisinternal AND" OURS("pg_class", "c.oid", "nspname") " ORDER BY t.oid"},
    {"SELECT 'row security', format('%s.%s', nspname, relname), format('ALTER TABLE %I.%I ENABLE ROW LEVEL "
     "SECURITY%s', "
     "nspname, relname, CASE WHEN relforcerowsecurity THEN format('; ALTER TABLE %I.%I FORCE ROW LEVEL SECURITY', "
     "nspname, "
     "relname) ELSE '' END), '', true FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind = 'r' "
     "AND "
     "relrowsecurity AND" OURS("pg_class", "c.oid", "nspname") " ORDER BY 2"},
    {"SELECT 'policy', format('%s on %s.%s', policyname, schemaname, tablename), format('CREATE POLICY %I ON %I.%I AS "
     "%s "
     "FOR %s TO %s%s%s', policyname, schemaname, tablename, permissive, cmd, (SELECT string_agg(CASE r WHEN 'public' "
     "THEN "
     "'PUBLIC' ELSE quote_ident(r::text) END, ', ') FROM unnest(roles) r), coalesce(format(' USING (%s)', qual), ''), "
     "coalesce(format(' WITH CHECK (%s)', with_check), '')), concat_ws('/', permissive, cmd, roles::text, qual, "
     "with_check), true FROM pg_policies WHERE schemaname !~ '^pg_' ORDER BY 2"},
    // All of a table's at once, and those of its columns, which go with them: what has been revoked is among it.
    {R"(SELECT 'grant', concat_ws(' ', format('%s.%s', nspname, relname),
          (SELECT string_agg(i::text, ',' ORDER BY i::text) FROM unnest(acl) i),
          (SELECT string_agg(attname || ':' || i::text, ',' ORDER BY attname, i::text) FROM pg_attribute, unnest(attacl) i
             WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped)),
          format('DO $x$ DECLARE who text; BEGIN FOR who IN SELECT DISTINCT CASE grantee WHEN 0 THEN ''PUBLIC'' ELSE
              quote_ident(pg_get_userbyid(grantee)) END FROM pg_class k, LATERAL (SELECT grantee FROM aclexplode(k.relacl)
              UNION SELECT grantee FROM pg_attribute, aclexplode(attacl) WHERE attrelid = k.oid UNION SELECT k.relowner) a
              WHERE k.oid = to_regclass(%L) LOOP EXECUTE %L || who || '' CASCADE''; END LOOP; END $x$',
            table_name, 'REVOKE ALL ON ' || what || ' FROM ') ||
          coalesce((SELECT string_agg(format('; GRANT %s ON %s TO %s%s', privilege_type, what, CASE grantee WHEN 0 THEN
              'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, CASE WHEN is_grantable AND grantee <> relowner THEN
              ' WITH GRANT OPTION' ELSE '' END), '') FROM aclexplode(acl)), '') ||
          coalesce((SELECT string_agg(format('; GRANT %s (%I) ON %s TO %s%s', privilege_type, attname, what, CASE grantee WHEN
              0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, CASE WHEN is_grantable AND grantee <> relowner
              THEN ' WITH GRANT OPTION' ELSE '' END), '') FROM pg_attribute, aclexplode(attacl) WHERE attrelid = c.oid AND
              attnum > 0 AND NOT attisdropped), ''), '', true
        FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace CROSS JOIN LATERAL (SELECT
          coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)),
          format('%I.%I', nspname, relname), CASE relkind WHEN 'S' THEN 'SEQUENCE ' ELSE '' END || format('%I.%I', nspname,
          relname)) g (acl, table_name, what) WHERE relkind IN ('r', 'v', 'm', 'S', 'p') AND)" OURS(
        "pg_class", "c.oid", "nspname") " ORDER BY 2"},
    {"SELECT 'grant', format('%s on schema %s to %s', string_agg(privilege_type, ',' ORDER BY privilege_type), "
     "nspname, "
     "CASE grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(grantee) END), format('GRANT %s ON SCHEMA %I TO %s', "
     "string_agg(privilege_type, ', ' ORDER BY privilege_type), nspname, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE "
     "quote_ident(pg_get_userbyid(grantee)) END), '', true FROM pg_namespace n, aclexplode(nspacl) WHERE grantee <> "
     "nspowner AND" OURS("pg_namespace", "n.oid", "nspname") " GROUP BY nspname, grantee ORDER BY 2"},
    // All of a routine's at once: what its owner or PUBLIC may not do any more is among it.
    {"SELECT 'routine grants', format('%s.%s(%s) %s', nspname, proname, pg_get_function_identity_arguments(p.oid), "
     "proacl), "
     "(SELECT format('REVOKE ALL ON ROUTINE %I.%I(%s) FROM PUBLIC, %I; ', nspname, proname, "
     "pg_get_function_identity_arguments(p.oid), pg_get_userbyid(proowner)) || coalesce(string_agg(format('GRANT "
     "EXECUTE ON ROUTINE %I.%I(%s) TO %s%s', nspname, proname, pg_get_function_identity_arguments(p.oid), CASE grantee "
     "WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, CASE WHEN is_grantable AND grantee <> "
     "proowner THEN ' WITH GRANT OPTION' ELSE '' END), '; '), '') FROM aclexplode(proacl)), '', true FROM pg_proc p "
     "JOIN pg_namespace n ON n.oid = pronamespace WHERE proacl IS NOT NULL AND proname <> 'ringway_position' "
     "AND" OURS("pg_proc", "p.oid", "nspname") " ORDER BY p.oid"},
    {"SELECT 'default privileges', concat_ws(' ', pg_get_userbyid(defaclrole), nspname, defaclobjtype::text, "
     "defaclacl::text), (SELECT "
     "format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s REVOKE ALL ON %s FROM PUBLIC, %I; ', "
     "pg_get_userbyid(defaclrole), within, what, pg_get_userbyid(defaclrole)) "
     "|| coalesce(string_agg(format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s GRANT %s ON %s TO %s%s', "
     "pg_get_userbyid(defaclrole), within, privilege_type, what, CASE grantee "
     "WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, CASE WHEN is_grantable AND grantee <> "
     "defaclrole THEN ' WITH GRANT OPTION' ELSE '' END), '; '), '') FROM aclexplode(defaclacl)), '', true FROM "
     "pg_default_acl LEFT JOIN pg_namespace n ON n.oid = defaclnamespace CROSS JOIN LATERAL (SELECT CASE WHEN nspname "
     "IS NULL "
     "THEN '' ELSE format(' IN SCHEMA %I', nspname) END, CASE defaclobjtype "
     "WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'ROUTINES' WHEN 'T' THEN 'TYPES' ELSE 'SCHEMAS' "
     "END) w (within, what) ORDER BY 2"},
    {"SELECT 'cluster', format('%s on %s.%s', i.relname, nspname, c.relname), format('ALTER TABLE %I.%I CLUSTER ON "
     "%I', "
     "nspname, c.relname, i.relname), '', true FROM pg_index JOIN pg_class i ON i.oid = indexrelid JOIN pg_class c ON "
     "c.oid = indrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE indisclustered AND c.relkind = 'r' "
     "AND" OURS("pg_class", "c.oid", "nspname") " ORDER BY 2"},
    {"SELECT 'statistics', format('%s.%s', nspname, stxname), pg_get_statisticsobjdef(s.oid) || format('; ALTER "
     "STATISTICS %I.%I OWNER TO %I', nspname, stxname, pg_get_userbyid(stxowner)), '', true FROM pg_statistic_ext s "
     "JOIN pg_namespace n ON n.oid = stxnamespace WHERE" OURS("pg_statistic_ext", "s.oid", "nspname") " ORDER BY 2"},
    {"SELECT 'storage', format('%s.%s.%s', nspname, relname, attname), concat_ws('; ', CASE WHEN attstorage <> "
     "typstorage THEN format('ALTER TABLE %I.%I ALTER %I SET STORAGE %s', nspname, relname, attname, CASE attstorage "
     "WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END) END, CASE "
     "attcompression "
     "WHEN 'p' THEN format('ALTER TABLE %I.%I ALTER %I SET COMPRESSION pglz', nspname, relname, attname) WHEN 'l' THEN "
     "format('ALTER TABLE %I.%I ALTER %I SET COMPRESSION lz4', nspname, relname, attname) END), '', true FROM "
     "pg_attribute a JOIN pg_type t ON t.oid = atttypid JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON "
     "n.oid = relnamespace WHERE attnum > 0 AND NOT attisdropped AND relkind = 'r' AND (attstorage <> typstorage OR "
     "attcompression <> '') AND" OURS("pg_class", "c.oid", "nspname") " ORDER BY 2"},
    {"SELECT 'comment', what || ' ' || said, format('COMMENT ON %s IS %L', what, said), '', true FROM ("
     "SELECT CASE WHEN objsubid > 0 THEN format('COLUMN %I.%I.%I', nspname, relname, attname) ELSE format('%s %I.%I', "
     "CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' WHEN 'i' THEN "
     "'INDEX' WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END, nspname, relname) END AS what, description AS said FROM "
     "pg_description d JOIN pg_class c ON c.oid = d.objoid JOIN pg_namespace n ON n.oid = relnamespace LEFT JOIN "
     "pg_attribute a ON attrelid = c.oid AND attnum = objsubid AND attnum > 0 WHERE d.classoid = 'pg_class'::regclass "
     "AND relkind IN ('r', 'v', 'm', 'S', 'i', 'c') AND" OURS(
         "pg_class", "c.oid",
         "nspname") " UNION ALL SELECT format('ROUTINE %I.%I(%s)', nspname, proname, "
                    "pg_get_function_identity_arguments(p.oid)), "
                    "description FROM pg_description d JOIN pg_proc p ON p.oid = d.objoid JOIN pg_namespace n ON n.oid "
                    "= pronamespace "
                    "WHERE d.classoid = 'pg_proc'::regclass AND" OURS(
                        "pg_proc", "p.oid",
                        "nspname") " UNION ALL SELECT format('TYPE %I.%I', nspname, typname), description FROM "
                                   "pg_description d JOIN pg_type t ON "
                                   "t.oid = d.objoid JOIN pg_namespace n ON n.oid = typnamespace WHERE d.classoid = "
                                   "'pg_type'::regclass "
                                   "AND" OURS("pg_type", "t.oid",
                                              "nspname") " UNION ALL SELECT format('TRIGGER %I ON %I.%I', tgname, "
                                                         "nspname, relname), description FROM pg_description d JOIN "
                                                         "pg_trigger t ON t.oid = d.objoid JOIN pg_class c ON c.oid = "
                                                         "tgrelid JOIN pg_namespace n ON n.oid = relnamespace "
                                                         "WHERE d.classoid = 'pg_trigger'::regclass AND" OURS(
                                                             "pg_class", "c.oid",
                                                             "nspname") " UNION ALL SELECT format('CONSTRAINT %I ON "
                                                                        "%I.%I', conname, nspname, relname), "
                                                                        "description FROM pg_description d "
                                                                        "JOIN pg_constraint k ON k.oid = d.objoid JOIN "
                                                                        "pg_class c ON c.oid = conrelid JOIN "
                                                                        "pg_namespace n ON n.oid = "
                                                                        "relnamespace WHERE d.classoid = "
                                                                        "'pg_constraint'::regclass AND" OURS(
                                                                            "pg_class", "c.oid",
                                                                            "nspname") ") commented ORDER BY 2"},
    {R"(SELECT 'setting', format('%s%s', c, coalesce(' of ' || rolname, '')),
          CASE WHEN rolname IS NULL THEN format('DO $x$ BEGIN EXECUTE format(%L, current_database()); END $x$',
            format('ALTER DATABASE %%I SET %s TO %L', split_part(c, '=', 1), substr(c, strpos(c, '=') + 1))) END, '', false
        FROM pg_db_role_setting s CROSS JOIN unnest(setconfig) c LEFT JOIN pg_roles r ON r.oid = setrole
        WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND split_part(c, '=', 1) <> 'search_path' ORDER BY 2)"},
};

#undef OURS

}  // namespace

std::optional<trouble> read_schema(link& from, std::vector<schema_object>& to) {
    to.clear();
    for (const auto& each : parts) {
        rows got;
        if (auto why = from.ask(each.sql, got)) return why;
        for (std::size_t i = 0; i < got.size(); ++i)
            to.push_back({std::string(got.at(i, 0)), std::string(got.at(i, 1)), std::string(got.at(i, 2)),
                          std::string(got.at(i, 3)), got.at(i, 4) == "t"});
    }
    return std::nullopt;
}

schema_difference compare(const std::vector<schema_object>& model, const std::vector<schema_object>& there,
                          bool replaces) {
    std::map<std::pair<std::string, std::string>, const schema_object*> known;
    for (const auto& each : there) known[{each.kind, each.name}] = &each;
    schema_difference out;
    for (const auto& each : model) {
        const auto found = known.find({each.kind, each.name});
        if (found != known.end()) {
            if (found->second->form == each.form) continue;
            if (each.kind == "schema-owner" || each.kind == "database-owner") {
                out.missing.push_back(each);
                out.missing.back().was = found->second->form;
                continue;
            }
            if (replaces && each.kind == "function" && each.make.starts_with("CREATE OR REPLACE"))
                out.missing.push_back(each);
            else
                out.refusals.push_back(fmt::format("{} {} differs: \"{}\" and \"{}\"", each.kind, each.name, each.form,
                                                   found->second->form));
        } else if (each.make.empty()) {
            out.refusals.push_back(fmt::format("{} {} is missing, and cannot be made here", each.kind, each.name));
        } else {
            out.missing.push_back(each);
        }
    }
    std::stable_partition(out.missing.begin(), out.missing.end(), [](const schema_object& each) { return !each.late; });
    return out;
}

std::optional<trouble> schema_mark(link& from, std::string& to) {
    // Rows of the catalogs by who has written them last; ANALYZE and VACUUM write in place.
    constexpr const char* sql =
        "WITH ours AS (SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', "
        "'ringway')), tables AS (SELECT oid, xmin FROM pg_class WHERE relnamespace IN (SELECT oid FROM ours)) "
        "SELECT coalesce(md5(string_agg(what, ',' ORDER BY what)), '') FROM ("
        "SELECT 'n' || oid || ' ' || xmin what FROM pg_namespace WHERE oid IN (SELECT oid FROM ours) UNION ALL "
        "SELECT 'c' || oid || ' ' || xmin FROM tables UNION ALL "
        "SELECT 'p' || oid || ' ' || xmin FROM pg_proc WHERE pronamespace IN (SELECT oid FROM ours) UNION ALL "
        "SELECT 't' || oid || ' ' || xmin FROM pg_type WHERE typnamespace IN (SELECT oid FROM ours) UNION ALL "
        "SELECT 'e' || oid || ' ' || xmin FROM pg_enum UNION ALL "
        "SELECT 'k' || oid || ' ' || xmin FROM pg_constraint WHERE connamespace IN (SELECT oid FROM ours) UNION ALL "
        "SELECT 'd' || oid || ' ' || xmin FROM pg_attrdef WHERE adrelid IN (SELECT oid FROM tables) UNION ALL "
        "SELECT 'g' || oid || ' ' || xmin FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM tables) UNION ALL "
        "SELECT 'r' || oid || ' ' || xmin FROM pg_rewrite WHERE ev_class IN (SELECT oid FROM tables) UNION ALL "
        "SELECT 'a' || attrelid || ' ' || attnum || ' ' || attacl::text FROM pg_attribute WHERE attacl IS NOT NULL AND "
        "attrelid IN (SELECT oid FROM tables) UNION ALL "
        "SELECT 'u' || oid || ' ' || xmin FROM pg_default_acl UNION ALL "
        "SELECT 'y' || oid || ' ' || xmin FROM pg_policy UNION ALL "
        "SELECT 'x' || oid || ' ' || xmin FROM pg_extension) all_of_them";
    rows got;
    if (auto why = from.ask(sql, got)) return why;
    to = got.size() == 1 ? std::string(got.at(0, 0)) : std::string();
    return std::nullopt;
}

}  // namespace ringway::proxy::rebalance::postgres
