// Names of the servers' own functions, of MariaDB and MySQL together, and what some of them mean.

#include <algorithm>
#include <array>
#include <iterator>

#include "router/lexical.hpp"
#include "router/mysql/need.hpp"
#include "router/search_path.hpp"

namespace ringway::router::mysql {

namespace {

/// Sorted. Window functions and aggregates too.
constexpr std::string_view built_in[] = {
    // clang-format off
    "abs", "acos", "add_months", "adddate", "addtime", "aes_decrypt", "aes_encrypt", "against", "any_value", "area",
    "asbinary", "ascii", "asin", "astext", "aswkb", "aswkt", "asymmetric_decrypt", "asymmetric_derive",
    "asymmetric_encrypt", "asymmetric_sign", "asymmetric_verify", "atan", "atan2", "avg", "benchmark", "bin",
    "bin_to_uuid", "binlog_gtid_pos", "bit_and", "bit_count", "bit_length", "bit_or", "bit_xor", "boundary", "buffer",
    "cast", "ceil", "ceiling", "centroid", "char", "char_length", "character_length", "charset", "chr", "coalesce",
    "coercibility", "collation", "column_add", "column_check", "column_create", "column_delete", "column_exists",
    "column_get", "column_json", "column_list", "compress", "concat", "concat_operator_oracle", "concat_ws",
    "connection_id", "contains", "conv", "convert", "convert_tz", "convexhull", "cos", "cot", "count", "crc32",
    "crc32c", "create_asymmetric_priv_key", "create_asymmetric_pub_key", "create_dh_parameters", "create_digest",
    "crosses", "cume_dist", "curdate", "current_date", "current_role", "current_time", "current_timestamp",
    "current_user", "curtime", "database", "date", "date_add", "date_format", "date_sub", "datediff", "datetime",
    "day", "dayname", "dayofmonth", "dayofweek", "dayofyear", "decode", "decode_histogram", "decode_oracle",
    "default", "degrees", "dense_rank", "des_decrypt", "des_encrypt", "dimension", "disjoint", "elt", "encode",
    "encrypt", "endpoint", "envelope", "equals", "exp", "export_set", "exteriorring", "extract", "extractvalue",
    "field", "find_in_set", "first_value", "floor", "format", "format_bytes", "format_pico_time", "found_rows",
    "from_base64", "from_days", "from_unixtime", "geohash", "geomcollfromtext", "geomcollfromwkb",
    "geometrycollection", "geometrycollectionfromtext", "geometrycollectionfromwkb", "geometryfromtext",
    "geometryfromwkb", "geometryn", "geometrytype", "geomfromtext", "geomfromwkb", "get_format", "get_lock",
    "glength", "greatest", "group_concat", "grouping", "gtid_subset", "gtid_subtract", "hex", "hour", "icu_version",
    "if", "ifnull", "inet6_aton", "inet6_ntoa", "inet_aton", "inet_ntoa", "insert", "instr", "interiorringn",
    "intersects", "interval", "is_free_lock", "is_ipv4", "is_ipv4_compat", "is_ipv4_mapped", "is_ipv6",
    "is_used_lock", "is_uuid", "isclosed", "isempty", "isnull", "isring", "issimple", "json_append", "json_array",
    "json_array_append", "json_array_insert", "json_arrayagg", "json_compact", "json_contains", "json_contains_path",
    "json_depth", "json_detailed", "json_equals", "json_exists", "json_extract", "json_insert", "json_keys",
    "json_length", "json_loose", "json_merge", "json_merge_patch", "json_merge_preserve", "json_normalize",
    "json_object", "json_objectagg", "json_overlaps", "json_pretty", "json_query", "json_quote", "json_remove",
    "json_replace", "json_schema_valid", "json_schema_validation_report", "json_search", "json_set",
    "json_storage_free", "json_storage_size", "json_table", "json_type", "json_unquote", "json_valid", "json_value",
    "kdf", "lag", "last_day", "last_insert_id", "lastval", "lcase", "lead", "least", "left", "length", "lengthb",
    "linefromtext", "linefromwkb", "linestring", "linestringfromtext", "linestringfromwkb", "ln", "load_file",
    "localtime", "localtimestamp", "locate", "log", "log10", "log2", "lower", "lpad", "lpad_oracle", "ltrim",
    "ltrim_oracle", "make_set", "makedate", "maketime", "master_gtid_wait", "master_pos_wait", "match", "max",
    "mbrcontains", "mbrcoveredby", "mbrcovers", "mbrdisjoint", "mbrequal", "mbrequals", "mbrintersects",
    "mbroverlaps", "mbrtouches", "mbrwithin", "md5", "median", "member", "microsecond", "mid", "min", "minute",
    "mlinefromtext", "mlinefromwkb", "mod", "month", "monthname", "mpointfromtext", "mpointfromwkb", "mpolyfromtext",
    "mpolyfromwkb", "multilinestring", "multilinestringfromtext", "multilinestringfromwkb", "multipoint",
    "multipointfromtext", "multipointfromwkb", "multipolygon", "multipolygonfromtext", "multipolygonfromwkb",
    "name_const", "natural_sort_key", "nextval", "now", "nth_value", "ntile", "nullif", "numgeometries",
    "numinteriorrings", "numpoints", "nvl", "nvl2", "oct", "octet_length", "old_password", "ord", "overlaps",
    "password", "percent_rank", "percentile_cont", "percentile_disc", "period_add", "period_diff", "pi", "point",
    "pointfromtext", "pointfromwkb", "pointn", "pointonsurface", "polyfromtext", "polyfromwkb", "polygon",
    "polygonfromtext", "polygonfromwkb", "position", "pow", "power", "ps_current_thread_id", "ps_thread_id",
    "quarter", "quote", "radians", "rand", "random_bytes", "rank", "regexp_instr", "regexp_like", "regexp_replace",
    "regexp_substr", "release_all_locks", "release_lock", "repeat", "replace", "replace_oracle", "reverse", "right",
    "roles_graphml", "round", "row", "row_count", "row_number", "rownum", "rpad", "rpad_oracle", "rtrim",
    "rtrim_oracle", "schema", "schemas", "sec_to_time", "second", "session_user", "setval", "sformat", "sha", "sha1",
    "sha2", "sign", "sin", "sleep", "soundex", "source_pos_wait", "space", "sqrt", "srid", "st_area", "st_asbinary",
    "st_asgeojson", "st_astext", "st_aswkb", "st_aswkt", "st_boundary", "st_buffer", "st_buffer_strategy",
    "st_centroid", "st_collect", "st_contains", "st_convexhull", "st_crosses", "st_difference", "st_dimension",
    "st_disjoint", "st_distance", "st_distance_sphere", "st_endpoint", "st_envelope", "st_equals", "st_exteriorring",
    "st_frechetdistance", "st_geohash", "st_geomcollfromtext", "st_geomcollfromtxt", "st_geomcollfromwkb",
    "st_geometrycollectionfromtext", "st_geometrycollectionfromwkb", "st_geometryfromtext", "st_geometryfromwkb",
    "st_geometryn", "st_geometrytype", "st_geomfromgeojson", "st_geomfromtext", "st_geomfromwkb", "st_glength",
    "st_hausdorffdistance", "st_interiorringn", "st_intersection", "st_intersects", "st_isclosed", "st_isempty",
    "st_isring", "st_issimple", "st_issimplified", "st_isvalid", "st_latfromgeohash", "st_latitude", "st_length",
    "st_linefromtext", "st_linefromwkb", "st_lineinterpolatepoint", "st_lineinterpolatepoints",
    "st_linestringfromtext", "st_linestringfromwkb", "st_longfromgeohash", "st_longitude", "st_makeenvelope",
    "st_mlinefromtext", "st_mlinefromwkb", "st_mpointfromtext", "st_mpointfromwkb", "st_mpolyfromtext",
    "st_mpolyfromwkb", "st_multilinestringfromtext", "st_multilinestringfromwkb", "st_multipointfromtext",
    "st_multipointfromwkb", "st_multipolygonfromtext", "st_multipolygonfromwkb", "st_numgeometries",
    "st_numinteriorring", "st_numinteriorrings", "st_numpoints", "st_overlaps", "st_perimeter", "st_pointatdistance",
    "st_pointfromgeohash", "st_pointfromtext", "st_pointfromwkb", "st_pointn", "st_pointonsurface", "st_polyfromtext",
    "st_polyfromwkb", "st_polygonfromtext", "st_polygonfromwkb", "st_relate", "st_simplify", "st_srid",
    "st_startpoint", "st_swapxy", "st_symdifference", "st_touches", "st_transform", "st_union", "st_validate",
    "st_within", "st_x", "st_y", "startpoint", "statement_digest", "statement_digest_text", "std", "stddev",
    "stddev_pop", "stddev_samp", "str_to_date", "strcmp", "subdate", "substr", "substr_oracle", "substring",
    "substring_index", "subtime", "sum", "sys_guid", "sysdate", "system_user", "tan", "time", "time_format",
    "time_to_sec", "timediff", "timestamp", "timestampadd", "timestampdiff", "to_base64", "to_char", "to_days",
    "to_number", "to_seconds", "touches", "trim", "trim_oracle", "trunc", "truncate", "ucase", "uncompress",
    "uncompressed_length", "unhex", "unix_timestamp", "updatexml", "upper", "user", "utc_date", "utc_time",
    "utc_timestamp", "uuid", "uuid_short", "uuid_to_bin", "validate_password_strength", "value", "values", "var_pop",
    "var_samp", "variance", "version", "wait_for_executed_gtid_set", "wait_until_sql_thread_after_gtids", "week",
    "weekday", "weekofyear", "weight_string", "within", "wsrep_last_seen_gtid", "wsrep_last_written_gtid",
    "wsrep_sync_wait_upto_gtid", "x", "xmltype", "y", "year", "yearweek",
    // clang-format on
};

/// Locks, sequences, positions in the binary log, the server's files: only the primary's answer is meant.
constexpr std::string_view primary_only[] = {"binlog_gtid_pos",
                                             "get_lock",
                                             "is_free_lock",
                                             "is_used_lock",
                                             "lastval",
                                             "load_file",
                                             "master_gtid_wait",
                                             "master_pos_wait",
                                             "nextval",
                                             "ps_thread_id",
                                             "release_all_locks",
                                             "release_lock",
                                             "setval",
                                             "source_pos_wait",
                                             "uuid_short",
                                             "wait_for_executed_gtid_set",
                                             "wait_until_sql_thread_after_gtids"};

/// State that must not be split over shards.
constexpr std::string_view shared_state[] = {"get_lock", "is_free_lock",      "is_used_lock", "lastval",
                                             "nextval",  "release_all_locks", "release_lock", "setval"};

/// Variables that follow the session, or are the same by the servers' version.
constexpr std::string_view same_everywhere[] = {"auto_increment_increment",
                                                "auto_increment_offset",
                                                "autocommit",
                                                "big_tables",
                                                "default_storage_engine",
                                                "default_week_format",
                                                "div_precision_increment",
                                                "error_count",
                                                "foreign_key_checks",
                                                "group_concat_max_len",
                                                "have_openssl",
                                                "have_profiling",
                                                "have_ssl",
                                                "identity",
                                                "in_transaction",
                                                "init_connect",
                                                "insert_id",
                                                "interactive_timeout",
                                                "last_insert_id",
                                                "lc_messages",
                                                "lc_time_names",
                                                "license",
                                                "lock_wait_timeout",
                                                "lower_case_table_names",
                                                "max_allowed_packet",
                                                "max_statement_time",
                                                "net_buffer_length",
                                                "net_read_timeout",
                                                "net_write_timeout",
                                                "performance_schema",
                                                "protocol_version",
                                                "query_cache_size",
                                                "query_cache_type",
                                                "rand_seed1",
                                                "rand_seed2",
                                                "skip_networking",
                                                "storage_engine",
                                                "system_time_zone",
                                                "time_zone",
                                                "timestamp",
                                                "transaction_isolation",
                                                "transaction_read_only",
                                                "tx_isolation",
                                                "tx_read_only",
                                                "unique_checks",
                                                "version",
                                                "version_comment",
                                                "version_compile_machine",
                                                "version_compile_os",
                                                "wait_timeout",
                                                "warning_count"};

template <std::size_t n>
bool among(const std::string_view (&sorted)[n], std::string_view name) {
    return std::binary_search(std::begin(sorted), std::end(sorted), name);
}

}  // namespace

bool is_built_in(std::string_view name) noexcept {
    return among(built_in, name);
}

bool calls_built_in_only(const statement& one) {
    return std::all_of(one.functions.begin(), one.functions.end(),
                       [](const auto& each) { return is_built_in(each.second); });
}

bool is_same_everywhere(std::string_view variable) noexcept {
    return among(same_everywhere, variable) || variable.starts_with("character_set_") ||
           variable.starts_with("collation_") || variable.starts_with("sql_") || variable.starts_with("optimizer_");
}

call_nature nature_of(const catalog* in, std::string_view database, std::string_view schema, const std::string& name) {
    call_nature out;
    if (schema.empty() && is_built_in(name)) {
        out.needs_primary = among(primary_only, name);
        out.one_place = among(shared_state, name);
        return out;
    }
    const auto where = schema.empty() ? database : schema;
    const auto* const all = in != nullptr ? &in->functions : nullptr;
    const auto found = all == nullptr || !in->function_places.contains(name)
                           ? nullptr
                           : std::find_if(all->data(), all->data() + all->size(), [&](const catalog_function& each) {
                                 return each.name == name && each.schema == where;
                             });
    if (found == nullptr || found == all->data() + all->size()) {
        out.unknown = out.needs_primary = out.may_set = out.opaque = true;
        return out;
    }
    out.needs_primary = out.may_set = found->is_volatile;
    out.opaque = found->opaque;
    return out;
}

}  // namespace ringway::router::mysql
