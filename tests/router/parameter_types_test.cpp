// Parameters whose types no one declares: a key is placed by one only where its type is certain.

#include "router/parameter_types.hpp"

#include <doctest/doctest.h>

#include "plans.hpp"
#include "router/gather.hpp"
#include "router/spread.hpp"

using namespace ringway::router;
using namespace ringway::router::world;
namespace config = ringway::config;

namespace {

catalog_column column(std::string name, key_type type, std::uint32_t type_oid) {
    catalog_column out;
    out.name = std::move(name);
    out.type = type;
    out.type_oid = type_oid;
    return out;
}

const catalog& timed_catalog() {
    static const catalog made = [] {
        auto raw = raw_catalog();
        const auto add = [&](std::string name, std::vector<catalog_column> columns) {
            auto& to = raw.relations["public." + name];
            to.schema = "public";
            to.name = std::move(name);
            to.columns = std::move(columns);
        };
        const auto v = column("v", key_type::integer, 23);
        add("ev", {column("at", key_type::timestamptz, 1184), v});
        add("tsk", {column("k", key_type::timestamp, 1114), v});
        add("days", {column("d", key_type::date, 1082), v});
        add("cust", {column("id", key_type::integer, 20), column("n", key_type::numeric, 1700),
                     column("name", key_type::text, 25), column("note", key_type::text, 1043)});
        add("ord", {column("cust_id", key_type::integer, 23), column("small", key_type::integer, 21),
                    column("note", key_type::text, 1043)});
        add("vc", {column("c", key_type::text, 1043), v});
        add("tx", {column("c", key_type::text, 25), v});
        add("ch", {column("c", key_type::bpchar, 1042), v});
        return make_catalog(std::move(raw));
    }();
    return made;
}

const shard_map& timed() {
    static const auto made = [] {
        config::cluster from;
        from.name = "timed";
        for (const auto* each : {"s0", "s1", "s2"}) from.shards.push_back({each, {}, 1});
        const auto keyed = [&from](std::string name, std::string key) {
            config::table table;
            table.name = std::move(name);
            table.key = std::move(key);
            from.tables.push_back(std::move(table));
        };
        for (const auto& [table, key] : {std::pair{"ev", "at"},
                                         {"tsk", "k"},
                                         {"days", "d"},
                                         {"cust", "id"},
                                         {"ord", "cust_id"},
                                         {"vc", "c"},
                                         {"tx", "c"},
                                         {"ch", "c"}})
            keyed(table, key);
        return make_shard_map(from, 1);
    }();
    return *made;
}

planned plan_timed(std::string_view text) {
    return plan_on(timed(), text, {}, &timed_catalog());
}

using to = route::to;

to kind_of(std::string_view text, const std::vector<parameter>& given) {
    return plan_timed(text).route_with(given, timed()).kind;
}

std::vector<std::uint16_t> unsure(std::string_view text) {
    const auto made = plan_timed(text).made;
    REQUIRE_MESSAGE(made->parsed.error.empty(), made->parsed.error);
    for (const auto& each : made->parsed.statements) CHECK(each.parameter_uses.empty());
    return made->unsure_parameters;
}

const std::vector<std::uint16_t> none{}, first{0};

}  // namespace

TEST_CASE("a parameter that meets columns of one type everywhere is sure") {
    for (const std::string_view each :
         {"SELECT * FROM cust WHERE id = $1",
          "SELECT $1::timestamp, * FROM ev WHERE at = $2",
          "SELECT * FROM ord o JOIN cust c ON c.id = o.cust_id WHERE o.cust_id = $1 AND c.id = $1",
          "SELECT * FROM ord o LEFT JOIN cust c ON c.id = o.cust_id AND c.id = $1 WHERE o.cust_id = $1",
          "INSERT INTO cust (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = $2",
          "INSERT INTO cust (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = $2 WHERE cust.id = $1",
          "INSERT INTO cust VALUES ($1, $2, $3, $3)",
          "INSERT INTO cust (id, name) SELECT $1, $2 WHERE NOT EXISTS (SELECT 1 FROM cust WHERE id = $1)",
          "UPDATE cust SET name = $2, note = $2 WHERE id = $1",
          "UPDATE cust SET (name, note) = ($2, $2) WHERE id = $1",
          "SELECT * FROM vc a, vc b WHERE a.c = $1 AND b.c = $1",
          "SELECT * FROM vc, tx WHERE vc.c = $1 AND tx.c = $1",
          "SELECT * FROM cust WHERE id = $1 AND (n = 1 OR id <> $1 OR NOT id < $1)",
          "SELECT id = $1 AS mine FROM cust WHERE id IN ($1, 5, $2) OR id BETWEEN $1 AND $2",
          "SELECT * FROM cust WHERE id = ANY($1) AND id = $2 OR id = ANY($1)",
          "SELECT * FROM cust WHERE (id, name) = ($1, $2) AND (id, name) IN (($1, $2))",
          "WITH u AS (SELECT * FROM cust WHERE id = $1) SELECT * FROM u JOIN ord o ON true WHERE o.cust_id = $1",
          "SELECT * FROM cust WHERE id = $1::int8 AND n < $1::int8 + 1",
          "INSERT INTO ev (v, at) VALUES (extract(hour FROM $1::timestamptz), $1::timestamptz)",
          "SELECT * FROM cust WHERE id = $1::int8 AND id < $1",
          "SELECT * FROM cust WHERE name = $1 AND name LIKE $1"}) {
        INFO(each);
        CHECK(unsure(each) == none);
    }
}

TEST_CASE("a parameter that something else than such a column may give its type is not") {
    for (const std::string_view each :
         {"INSERT INTO cust (name, id, note) VALUES ((ROW('x', 1)).*, $1) ON CONFLICT (id) DO UPDATE SET id = $1",
          "INSERT INTO cust (name, id, note) SELECT (ROW('x', 1)).*, $1 WHERE NOT EXISTS (SELECT 1 FROM cust WHERE id "
          "= $1)",
          "UPDATE cust SET (name, id, note) = ((ROW('x', 1)).*, $1) WHERE id = $1",
          "SELECT * FROM cust WHERE ((ROW(1, 2)).*, id) = (n, $1, (ROW(1, 2)).*) AND id = $1",
          "SELECT v, $1::timestamp AS asked FROM ev WHERE at = $1",
          "SELECT * FROM ch, vc WHERE ch.c = $1 AND vc.c = $1",
          "SELECT * FROM ev, tsk WHERE at = $1 AND k = $1",
          "UPDATE ev SET v = v + 100 WHERE $1::timestamp > '2000-01-01' AND at = $1",
          "INSERT INTO cust (n, id) VALUES ($1::float8, $1)",
          "INSERT INTO cust (n, id) VALUES ($1, $1)",
          "INSERT INTO ev (v, at) VALUES (extract(hour FROM $1::timestamp), $1)",
          "SELECT * FROM cust WHERE n > $1 AND id > $1",
          "SELECT * FROM cust WHERE id IN ($1, 2.5) AND id = $1",
          "SELECT * FROM ev WHERE at IN ($1, '2024-01-01'::timestamp) AND at = $1",
          "SELECT * FROM ev WHERE at = $1 AND at = ANY($1)",
          "SELECT * FROM ev WHERE at = $1 OR v = length($1)",
          "SELECT * FROM ev WHERE at = $1 AND at = (SELECT $1::timestamp)",
          "SELECT * FROM ev WHERE (at = $1 AND v = 1 AND $1::timestamp > now()) OR at = $1",
          "SELECT * FROM cust c, (SELECT 1.5 AS id) s WHERE c.id = $1 AND s.id < $1",
          "SELECT * FROM cust c, (SELECT 1.5 AS x) s WHERE c.id = $1 AND x < $1",
          "INSERT INTO ev SELECT DISTINCT $1, 1 FROM tsk WHERE k = $1",
          "UPDATE ev e SET v = 1 FROM tsk WHERE tsk.k = $1 AND e.at = $1",
          "MERGE INTO ev USING (VALUES ($1, 1)) s (at, v) ON ev.at = s.at WHEN MATCHED AND ev.at = $1 THEN DELETE",
          "SELECT * FROM cust WHERE id = $1::int8 AND n < $1"}) {
        INFO(each);
        CHECK(unsure(each) == first);
    }
}

TEST_CASE("a key of an unsure parameter is placed only where its type is declared") {
    const auto when = text_parameter("2024-01-01 05:00+05"), declared = text_parameter("2024-01-01 05:00+05", 1184);
    const auto unknown = text_parameter("2024-01-01 05:00+05", 705);
    const auto read = "SELECT v, $1::timestamp AS asked FROM ev WHERE at = $1";
    CHECK(kind_of("SELECT v FROM ev WHERE at = $1", {when}) == to::shard);
    CHECK(kind_of(read, {when}) == to::several);
    CHECK(kind_of(read, {unknown}) == to::several);
    CHECK(kind_of(read, {declared}) == to::shard);
    CHECK(kind_of(read, {null_parameter()}) == to::shard);
    CHECK(kind_of("SELECT vc.v FROM ch, vc WHERE ch.c = $1 AND vc.c = $1", {text_parameter("ab ")}) == to::several);
    CHECK(kind_of("SELECT v FROM vc WHERE c = ANY($1) AND $1::bpchar[] IS NOT NULL", {text_parameter("{ab}")}) ==
          to::several);
    const auto update = "UPDATE ev SET v = v + 100 WHERE $1::timestamp > '2000-01-01' AND at = $1";
    CHECK(kind_of(update, {when}) == to::spread);
    CHECK(kind_of(update, {declared}) == to::shard);
    const auto insert = "INSERT INTO ev (v, at) VALUES (extract(hour FROM $1::timestamp), $1)";
    CHECK(kind_of(insert, {declared}) == to::shard);
    const auto why = plan_timed(insert).route_with({when}, timed());
    REQUIRE(why.kind == to::refused);
    CHECK(why.refusal->hint.find("declare the parameter's type") != std::string::npos);
    CHECK(kind_of("UPDATE ev SET at = $2, v = extract(hour FROM $2::timestamp) WHERE at = $1", {declared, when}) ==
          to::refused);
}

TEST_CASE("a small number is one key whatever number it is") {
    const auto insert = "INSERT INTO cust (n, id) VALUES ($1::float8, $1)";
    for (const std::string_view each : {"0", "5", "16777216"}) {
        INFO(each);
        CHECK(kind_of(insert, {text_parameter(each)}) == to::shard);
    }
    for (const std::string_view each : {"16777217", "-5", "05", "5.0", " 5", "+5", "", "1902.7", "5e1"}) {
        INFO(each);
        CHECK(kind_of(insert, {text_parameter(each)}) == to::refused);
    }
    auto binary = text_parameter(std::string_view("\0\0\0\5", 4));
    binary.binary = true;
    CHECK(kind_of(insert, {binary}) == to::refused);
    CHECK(kind_of("SELECT * FROM ord, cust WHERE cust_id = $1 AND id = $1", {binary}) == to::shard);
}

TEST_CASE("the shards check no condition by a type that may be another") {
    const auto filter = [](std::string_view sql, const std::vector<parameter>& given) {
        const auto what = plan_timed(sql);
        REQUIRE(what.made->gather);
        return filter_of(what.made->gather->tables.front(), what.values_with(given));
    };
    const auto noon = text_parameter("2024-01-02 12:00");
    CHECK(filter("SELECT v, $1::timestamp FROM days WHERE d < $1 ORDER BY v", {noon}).empty());
    CHECK(filter("SELECT v FROM days WHERE d < $1 ORDER BY v", {noon}) == " WHERE \"d\" < '2024-01-02 12:00'");
    CHECK(filter("SELECT v, $1::timestamp FROM days WHERE d < $1", {text_parameter("2024-01-02 12:00", 1114)}) ==
          " WHERE \"d\" < '2024-01-02 12:00'::pg_catalog.timestamp");
    const auto both = "SELECT count(DISTINCT name) FROM cust WHERE n > $1 AND id > $1";
    CHECK(filter(both, {text_parameter("2.5")}).empty());
    CHECK(filter(both, {text_parameter("2")}) == " WHERE \"n\" > 2 AND \"id\" > 2");
    const auto narrow = "SELECT count(DISTINCT note) FROM ord WHERE cust_id < $1 AND small < $1";
    CHECK(filter(narrow, {text_parameter("70000")}) == " WHERE \"cust_id\" < '70000'");
    CHECK(filter(narrow, {text_parameter("-32768")}) == " WHERE \"cust_id\" < '-32768' AND \"small\" < '-32768'");
}

TEST_CASE("rows are not told apart where a part would give a parameter another type") {
    std::string a = "1", b;
    const auto owner = [](const std::string& key) {
        return plan_timed("SELECT * FROM cust WHERE id = " + key).route_with({}, timed()).shard;
    };
    for (int i = 2; b.empty(); ++i)
        if (owner(std::to_string(i)) != owner(a)) b = std::to_string(i);
    const auto part = [&](const std::string& first_row, const std::string& second_row, std::string& why) {
        const auto what = plan_timed("INSERT INTO cust (id, n, name) VALUES (" + a + ", " + first_row + "), (" + b +
                                     ", " + second_row + ")");
        const std::vector<parameter> given{text_parameter("0.1"), text_parameter("x")};
        REQUIRE(what.route_with(given, timed()).kind == to::spread);
        return part_insert(*what.made, what.values_with(given), timed(), &why).has_value();
    };
    std::string why;
    CHECK_FALSE(part("$1::float8, $2", "$1, $2", why));
    CHECK(why.find("parameter") != std::string::npos);
    CHECK(part("$1, $2", "$1, $2", why));
    CHECK(part("$1, $2 || $2", "2, 'x'", why));
}

TEST_CASE("parameters are counted outside of literals and comments") {
    const std::string text = "SELECT $1, '$1', a$1, $2 /* $2 */ + $12";
    shape_lexer lexer;
    const auto shape = lexer.scan(text);
    CHECK(parameter_counts(text, shape.literals, 3) == std::vector<std::uint32_t>{1, 1, 0});
}

TEST_CASE("a list whose common type is not the key's is placed only where its values mean the same in it") {
    constexpr std::uint32_t int8 = 20, float4 = 700, float8 = 701, bpchar = 1042, date = 1082;
    const auto null_of = [](std::uint32_t type) {
        auto out = null_parameter();
        out.type_oid = type;
        return out;
    };
    for (const std::string_view all :
         {"SELECT * FROM cust WHERE id IN (9007199254740993, NULL::float8)",
          "SELECT * FROM cust WHERE id IN (16777217, NULL::float4)",
          "SELECT * FROM cust WHERE id = ANY (ARRAY[9007199254740993, NULL::float8])",
          "SELECT * FROM cust WHERE id = ANY (ARRAY['9007199254740993', NULL::pg_catalog.float8])",
          "SELECT * FROM cust WHERE id IN (5, NULL::app.own)",
          "SELECT * FROM vc WHERE c = ANY (ARRAY['c1 ', NULL::bpchar])",
          "SELECT * FROM vc WHERE c = ANY (ARRAY['c1 ', NULL::char(4)])",
          "SELECT * FROM ev WHERE at = ANY (ARRAY['2024-03-30 05:00+00', NULL::date])",
          "SELECT * FROM days WHERE d = ANY (ARRAY['2024-03-30', NULL::timestamptz])"}) {
        INFO(all);
        CHECK(kind_of(all, {}) == to::several);
    }
    for (const std::string_view one :
         {"SELECT * FROM cust WHERE id IN (5, NULL::float8)", "SELECT * FROM cust WHERE id IN (-5, NULL::float4, NULL)",
          "SELECT * FROM cust WHERE id IN (9007199254740993, NULL::int4, NULL::numeric)",
          "SELECT * FROM cust WHERE id = ANY (ARRAY[9007199254740993, NULL::float8]::int8[])",
          "SELECT * FROM vc WHERE c IN ('c1 ', NULL::text, NULL)", "SELECT * FROM ch WHERE c IN ('c1', NULL::bpchar)",
          "SELECT * FROM ev WHERE at IN ('2024-03-30 05:00+00', NULL::timestamptz)"}) {
        INFO(one);
        CHECK(kind_of(one, {}) == to::shard);
    }
    const auto big = text_parameter("9007199254740993", int8), small = text_parameter("5", int8);
    constexpr std::string_view two = "SELECT * FROM cust WHERE id IN ($1, $2)";
    CHECK(kind_of(two, {big, null_of(float8)}) == to::several);
    CHECK(kind_of(two, {small, null_of(float8)}) == to::shard);
    CHECK(kind_of(two, {small, text_parameter("5", float8)}) == to::shard);
    CHECK(kind_of(two, {text_parameter("16777217", int8), null_of(float4)}) == to::several);
    CHECK(kind_of(two, {big, null_of(int8)}) == to::shard);
    CHECK(kind_of("SELECT * FROM days WHERE d IN ('2024-03-30', $1)", {null_of(1114)}) == to::several);
    CHECK(kind_of("SELECT * FROM days WHERE d IN ($1, $1)", {text_parameter("2024-03-30", 1114)}) == to::shard);
    CHECK(kind_of("SELECT * FROM ev WHERE at = ANY (ARRAY['2024-03-30 05:00+00', $1])", {null_of(date)}) ==
          to::several);
    constexpr std::string_view merge =
        "MERGE INTO cust USING (VALUES ($1::int8), ($2)) v (id) ON cust.id = v.id WHEN MATCHED THEN DO NOTHING";
    CHECK(kind_of(merge, {small, null_of(float8)}) == to::shard);
    CHECK(kind_of(merge, {big, null_of(float8)}) != to::shard);
    // A varchar column is compared with it as a char(n).
    CHECK(kind_of("SELECT * FROM vc WHERE c = $1", {text_parameter("c1", bpchar)}) == to::several);
    CHECK(kind_of("SELECT * FROM vc WHERE c = ANY ($1)", {text_parameter("{c1}", 1014)}) == to::several);
    CHECK(kind_of("INSERT INTO vc (c) VALUES ($1)", {text_parameter("c1", bpchar)}) == to::shard);
    CHECK(kind_of("SELECT * FROM ch WHERE c = $1", {text_parameter("c1", bpchar)}) == to::shard);
    // With array_nulls off it is a text.
    CHECK(kind_of("SELECT * FROM vc WHERE c = ANY ('{a,NULL}')", {}) == to::several);
    CHECK(kind_of("SELECT * FROM vc WHERE c = ANY ('{a,\"NULL\"}')", {}) != to::refused);
    CHECK(kind_of("SELECT * FROM cust WHERE id = ANY ('{5,NULL}')", {}) == to::shard);
}
