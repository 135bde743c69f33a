#include "tests/router/mysql/reading.hpp"

using namespace ringway::router;
using namespace ringway::router::mysql_tests;

namespace {

/// "id a: 1 unknown | ?0 NULL"
std::string rows_of(std::string_view text, const mysql_modes& modes = {}) {
    const auto found = one(text, modes);
    REQUIRE(found.block.insert);
    std::string out;
    for (const auto& column : found.block.insert->columns) out += (out.empty() ? "" : " ") + column;
    const auto* before = ": ";
    for (const auto& row : found.block.insert->rows) {
        out += before;
        before = " | ";
        for (std::size_t i = 0; i < row.size(); ++i) out += (i == 0 ? "" : ", ") + shown(row[i], text, modes);
    }
    return out;
}

/// "a = 1; b = unknown from excluded.b"
std::string assignments_of(std::string_view text) {
    std::string out;
    for (const auto& each : one(text).block.assignments)
        out += (out.empty() ? "" : "; ") + shown(each.column) + " = " + shown(each.value, text) +
               (each.from ? " from " + shown(*each.from) : "");
    return out;
}

}  // namespace

TEST_CASE("INSERT tells each row's values") {
    CHECK(rows_of("INSERT INTO t (ID, a) VALUES (1, 'x'), (?, NULL), (-2, DEFAULT), (1 + 1, NOW())") ==
          "id a: 1, 'x' | ?0, NULL | -2, unknown default | =2, unknown");
    CHECK(rows_of("INSERT t VALUES (1, 2)") == ": 1, 2");
    CHECK(rows_of("INSERT INTO t () VALUES ()") == ": ");
    CHECK(rows_of("INSERT INTO t SET id = 5, t.a := 'x', b = DEFAULT") == "id a b: 5, 'x', unknown default");
    CHECK(rows_of("REPLACE INTO shop.t (t.id) VALUE (0x41)") == "id: 0x41");
    CHECK(rows_of("INSERT INTO t VALUES ROW(1, 2), ROW(3, 4)", oracle_mysql(80036)) == ": 1, 2 | 3, 4");
    CHECK(one("REPLACE t SET a = 1").verb == verb::replace);
    CHECK(tables_of(one("INSERT DELAYED INTO shop.t (a) VALUES (1)").block) == "shop.t!");
    CHECK(one("INSERT INTO t (a) VALUES (1) RETURNING a, b").verb == verb::insert);
}

TEST_CASE("INSERT ... SELECT tells what each column takes") {
    const std::string text = "INSERT INTO t (id, a, b) SELECT x.id, 5, a + 1 FROM u AS x WHERE x.id = 7";
    const auto found = one(text);
    CHECK(found.block.insert->from_select);
    CHECK(tables_of(found.block) == "t!");
    REQUIRE(found.block.children.size() == 1);
    CHECK(tests_of(found.block.children[0], text) == "x.id: 7");
    CHECK_FALSE(found.block.children[0].sees_parent);
    const auto& outputs = found.block.insert->outputs;
    REQUIRE(outputs.size() == 3);
    CHECK(shown(*outputs[0].from) == "x.id");
    CHECK(shown(outputs[1].value, text) == "5");
    CHECK(outputs[2].value.what == value_source::from::unknown);
    for (const auto* other : {"INSERT INTO t SELECT * FROM u", "INSERT INTO t SELECT u.*, 1 FROM u",
                              "INSERT INTO t SELECT 1 UNION SELECT 2", "INSERT INTO t (SELECT 1 UNION SELECT 2)"})
        CHECK(one(other).block.insert->outputs.empty());
    CHECK(one("INSERT INTO t SELECT (SELECT 1), id FROM u").block.insert->outputs.size() == 2);
}

TEST_CASE("assignments of UPDATE and ON DUPLICATE KEY UPDATE") {
    CHECK(assignments_of("UPDATE t SET a = 1, t.b := 'x', c = c + 1, d = DEFAULT, e = f WHERE id = 1") ==
          "a = 1; t.b = 'x'; c = unknown; d = unknown default; e = unknown from f");
    CHECK(assignments_of("INSERT INTO t (id) VALUES (1) ON DUPLICATE KEY UPDATE id = VALUES(id), a = VALUES(a) + 1") ==
          "id = unknown from excluded.id; a = unknown");
    CHECK(tests_of("UPDATE t SET id = 2 WHERE id = 1 ORDER BY a LIMIT 3") == "id: 1");
}

TEST_CASE("which tables an UPDATE or DELETE writes") {
    CHECK(tables_of(one("UPDATE t SET a = 1").block) == "t!");
    CHECK(tables_of(one("UPDATE t AS x, u SET x.a = 1 WHERE x.id = u.id").block) == "t AS x!; u");
    CHECK(tables_of(one("UPDATE t, u SET a = 1").block) == "t!; u!");
    CHECK(tables_of(one("DELETE FROM t WHERE id = 1").block) == "t!");
    CHECK(tables_of(one("DELETE t FROM t JOIN u USING (id)").block) == "t!; u");
    CHECK(tables_of(one("DELETE x.* FROM t AS x JOIN u AS y USING (id)").block) == "t AS x!; u AS y");
    CHECK(tables_of(one("DELETE FROM t, u USING t JOIN u JOIN a").block) == "t!; u!; a");
    CHECK(tests_of("DELETE FROM t WHERE id = 3 ORDER BY a LIMIT 1 RETURNING *") == "id: 3");
    for (const auto* text : {"INSERT INTO t VALUES (1)", "REPLACE t VALUES (1)", "UPDATE t SET a = 1", "DELETE FROM t",
                             "WITH x AS (SELECT 1) DELETE FROM t WHERE id = 1", "LOAD DATA INFILE 'x' INTO TABLE t",
                             "TRUNCATE t", "CALL p()", "ANALYZE UPDATE t SET a = 1", "EXPLAIN DELETE FROM t"})
        CHECK(one(text, oracle_mysql(80036)).writes);
}

TEST_CASE("LOAD DATA") {
    const auto found =
        one("LOAD DATA LOCAL INFILE 'x' REPLACE INTO TABLE shop.t FIELDS TERMINATED BY ',' (a, @b) SET c = @b");
    CHECK(found.verb == verb::load_data);
    CHECK(found.copy_stdin_or_stdout);
    CHECK(tables_of(found.block) == "shop.t!");
    CHECK_FALSE(one("LOAD DATA INFILE 'x' INTO TABLE t").copy_stdin_or_stdout);
    CHECK(one("LOAD XML LOCAL INFILE 'x' INTO TABLE t ROWS IDENTIFIED BY '<r>'").verb == verb::load_data);
}
