#include "tests/router/mysql/reading.hpp"

using namespace ringway::router;
using namespace ringway::router::mysql_tests;

TEST_CASE("conditions that every row fulfils are tests of columns") {
    CHECK(tests_of("SELECT * FROM t WHERE id = 5") == "id: 5");
    CHECK(tests_of("SELECT * FROM t WHERE 5 = t.ID") == "t.id: 5");
    CHECK(tests_of("SELECT * FROM t WHERE shop.t.id = ?") == "shop.t.id: ?0");
    CHECK(tests_of("SELECT * FROM t WHERE id = -5 AND (a = 'x' AND b = 1.5)") == "id: -5; a: 'x'; b: 1.5");
    CHECK(tests_of("SELECT * FROM t WHERE id = +5 && a = - -6") == "id: 5; a: 6");
    CHECK(tests_of("SELECT * FROM t WHERE id IN (1, ?, 'x', NULL, TRUE)") == "id: 1 ?0 'x' NULL =1");
    CHECK(tests_of("SELECT * FROM t WHERE id = 1 OR id = 2 OR id IN (3, 4)") == "id: 1 2 3 4");
    CHECK(tests_of("SELECT * FROM t WHERE id = 1 OR (id = 2 AND a = 3)") == "id: 1 2");
    CHECK(tests_of("SELECT * FROM t WHERE (id, a) = (1, 2)") == "id: 1; a: 2");
    CHECK(tests_of("SELECT * FROM t WHERE ROW(id, a) IN ((1, 2), ROW(3, 4))") == "id: 1 3; a: 2 4");
    CHECK(tests_of("SELECT * FROM t WHERE (id, a) IN ((1, 2))") == "id: 1; a: 2");
    CHECK(tests_of("SELECT * FROM t WHERE id = 0x35 AND a = x'41' AND b = b'1' AND c = N'y'") ==
          "id: 0x35; a: x'41'; b: b'1'; c: N'y'");
    CHECK(tests_of("SELECT * FROM t WHERE id = 1 + 2 AND a = 2 * 3 AND b = 1 - 5") == "id: =3; a: =6; b: =-4");
    CHECK(tests_of("SELECT * FROM t WHERE id = CAST('7' AS SIGNED) AND d = DATE '2020-01-01'") ==
          "id: signed '7'; d: date '2020-01-01'");
    CHECK(tests_of("SELECT * FROM t WHERE id <=> 5") == "id: 5");
    CHECK(tests_of("SELECT * FROM t JOIN u ON t.id = u.id AND u.a = 1 WHERE t.id = 2") == "u.a: 1; t.id: 2");
}

TEST_CASE("what does not bind a column is no test") {
    for (const std::string condition : {"id = 1 OR TRUE",
                                        "id = 1 OR a = 2",
                                        "NOT id = 1",
                                        "id <> 1",
                                        "id > 1",
                                        "id <=> NULL",
                                        "id <=> ?",
                                        "id BETWEEN 1 AND 1",
                                        "id NOT IN (1)",
                                        "ABS(id) = 1",
                                        "id = ABS(1)",
                                        "id = a + 1",
                                        "-id = 1",
                                        "id = @a",
                                        "id = @@a",
                                        "id IN (1, ABS(2))",
                                        "id LIKE '1'",
                                        "id = 1 XOR a = 2",
                                        "id = 1 IS TRUE",
                                        "BINARY id = 'x'",
                                        "id COLLATE utf8mb4_bin = 'x'",
                                        "id = 'x' COLLATE utf8mb4_bin",
                                        "id = 'a' 'b'",
                                        "(id = 1) = 1",
                                        "id = ANY (SELECT 1)",
                                        "id IN (SELECT 1)",
                                        "id = (SELECT 1)",
                                        "! id = 1",
                                        "id = 1 = 1",
                                        "id = CASE WHEN 1 THEN 2 END",
                                        "id = 9223372036854775807 + 1",
                                        "(id, a) = (1)",
                                        "id = 1 COLLATE binary",
                                        "1",
                                        "id",
                                        "id IS NULL",
                                        "id = id",
                                        "id = DEFAULT(id)",
                                        "id = {fn NOW()}"}) {
        CAPTURE(condition);
        CHECK(tests_of("SELECT * FROM t WHERE " + condition) == "");
    }
    // With another precedence NOT takes the column only.
    mysql_modes high;
    high.high_not_precedence = true;
    CHECK(tests_of("SELECT * FROM t WHERE NOT id = 1", high) == "");
    CHECK(tests_of("SELECT * FROM t WHERE id = 1 AND NOT 0", high) == "id: 1");
    // a || b joins or chooses.
    CHECK(tests_of("SELECT * FROM t WHERE id = 1 || id = 2") == "id: 1 2");
    mysql_modes pipes;
    pipes.pipes_as_concat = true;
    CHECK(tests_of("SELECT * FROM t WHERE id = 1 || id = 2", pipes) == "");
    CHECK(tests_of("SELECT * FROM t WHERE id = 1 || '2'", pipes) == "");
}

TEST_CASE("tables, aliases and joins") {
    CHECK(tables_of(one("SELECT * FROM t, shop.u AS x, `a b` c").block) == "t; shop.u AS x; a b AS c");
    CHECK(tables_of(one("SELECT * FROM T").block) == "T");
    mysql_modes folds;
    folds.folds_tables = true;
    CHECK(tables_of(one("SELECT * FROM Shop.T AS X", folds).block) == "shop.t AS x");
    const auto outer = one("SELECT * FROM t LEFT JOIN u ON t.id = u.id AND u.a = 1 WHERE t.id = 5").block;
    CHECK(tables_of(outer) == "t");
    REQUIRE(outer.children.size() == 1);
    CHECK(outer.children[0].joined);
    CHECK(tables_of(outer.children[0]) == "u");
    REQUIRE(outer.children[0].equalities.size() == 1);
    CHECK(shown(outer.children[0].equalities[0].left) == "t.id");
    CHECK(tests_of(outer.children[0], "SELECT * FROM t LEFT JOIN u ON t.id = u.id AND u.a = 1 WHERE t.id = 5") ==
          "u.a: 1");
    const auto right = one("SELECT * FROM t JOIN x ON t.id = x.id RIGHT JOIN u USING (id)").block;
    CHECK(tables_of(right) == "u");
    REQUIRE(right.children.size() == 1);
    CHECK(tables_of(right.children[0]) == "t; x");
    CHECK(right.children[0].equalities.size() == 3);
    CHECK_FALSE(one("SELECT * FROM t NATURAL JOIN u").block.exact);
    CHECK_FALSE(one("SELECT * FROM a JOIN t RIGHT JOIN u ON t.id = u.id").block.exact);
    CHECK(one("SELECT * FROM a JOIN t JOIN u ON t.id = u.id ON a.id = t.id").block.equalities.size() == 2);
    CHECK(tables_of(one("SELECT * FROM (t JOIN u USING (id)), (a, b)").block) == "t; u; a; b");
}

TEST_CASE("subqueries, derived tables and CTEs are blocks below") {
    const auto in =
        one("SELECT (SELECT 1 FROM a) FROM t WHERE x IN (SELECT id FROM b) ORDER BY (SELECT 2 FROM c)").block;
    REQUIRE(in.children.size() == 3);
    CHECK(tables_of(in.children[0]) + tables_of(in.children[1]) + tables_of(in.children[2]) == "abc");
    CHECK(in.children[0].sees_parent);
    const auto derived = one("SELECT * FROM (SELECT * FROM t) AS x, LATERAL (SELECT 1) AS y").block;
    CHECK(derived.derived == std::vector<std::string>{"x", "y"});
    CHECK_FALSE(derived.children[0].sees_parent);
    CHECK(derived.children[1].sees_parent);
    const auto with = one("WITH x AS (SELECT * FROM t) SELECT * FROM x JOIN u USING (id)").block;
    CHECK(tables_of(with) == "u");
    CHECK(with.derived == std::vector<std::string>{"x"});
    REQUIRE(with.children.size() == 1);
    CHECK(tables_of(with.children[0]) == "t");
    CHECK(tables_of(one("WITH RECURSIVE x AS (SELECT 1 UNION SELECT a FROM x) SELECT * FROM x").block) == "");
    // A name is a CTE's only in its scope.
    const auto scoped = one("SELECT (WITH x AS (SELECT 1) SELECT * FROM x) FROM x").block;
    CHECK(tables_of(scoped) == "x");
    const auto both = one("SELECT * FROM t WHERE id = 1 UNION SELECT * FROM u").block;
    CHECK(both.children.size() == 2);
    CHECK(tables_of(both) == "");
    CHECK(one("SELECT ((SELECT 1) UNION (SELECT 2))").block.children.size() == 1);
    CHECK(one("SELECT * FROM ((SELECT 1) UNION (SELECT 2)) AS x").block.derived == std::vector<std::string>{"x"});
}

TEST_CASE("what a query takes and leaves") {
    CHECK(one("select * from t for update").locks_rows);
    CHECK(one("SELECT * FROM t LOCK IN SHARE MODE").locks_rows);
    CHECK(one("SELECT * FROM t FOR SHARE OF t SKIP LOCKED", oracle_mysql(80036)).locks_rows);
    CHECK(one("SELECT * FROM (SELECT * FROM t FOR UPDATE) AS x").locks_rows);
    CHECK_FALSE(one("SELECT 'for update' AS `for update` -- for update").locks_rows);
    CHECK(one("SELECT * INTO OUTFILE 'x' FROM t").writes);
    CHECK(one("SELECT * FROM t INTO DUMPFILE 'x'").writes);
    CHECK(effects_of("SELECT a, b INTO @X, @y FROM t") == "set_user_variable x; set_user_variable y");
    CHECK(effects_of("SELECT @n := @n + 1 FROM t") == "set_user_variable n");
    CHECK(one("SELECT @n + @`m M`").user_variables_read == std::vector<std::string>{"n", "m m"});
    CHECK(one("SELECT @@session.sql_mode, @@GLOBAL.max_connections, @@x").system_variables_read ==
          std::vector<std::string>{"sql_mode", "max_connections", "x"});
    CHECK(one("SELECT SQL_CALC_FOUND_ROWS * FROM t").calculates_found_rows);
    CHECK(one("SELECT Last_Insert_ID ( )").asks_insert_id);
    CHECK(one("SELECT @@identity").asks_insert_id);
    CHECK(one("SELECT LAST_INSERT_ID(5)").sets_insert_id);
    CHECK_FALSE(one("SELECT LAST_INSERT_ID(5)").asks_insert_id);
    CHECK(one("SELECT FOUND_ROWS()").asks_found_rows);
    CHECK(one("SELECT 1 + ROW_COUNT()").asks_row_count);
    CHECK(one("SELECT @@warning_count").asks_warnings);
    CHECK(one("SELECT CONNECTION_ID()").asks_connection_id);
    CHECK(effects_of("SELECT GET_LOCK('a', 1)") == "pin user lock");
    CHECK(effects_of("SELECT RELEASE_LOCK('a')") == "unpin_lock");
    CHECK(effects_of("DO RELEASE_ALL_LOCKS()") == "unpin_locks");
    CHECK(functions_of(one("SELECT NOW(), shop.F(1), `g`(2), IF(a, 1, 2), CURRENT_DATE, COUNT(*) FROM t")) ==
          "now shop.f g if current_date count");
    CHECK(functions_of(one("SELECT NEXT VALUE FOR s")) == "nextval");
}

TEST_CASE("literals and parameters count in the text's order") {
    CHECK(read("SELECT ?, ?, 5 FROM t WHERE a = ?").parameters == 3);
    CHECK(tests_of("SELECT 'a' 'b', 2, \"c\" FROM t WHERE a = 4 AND b = ?") == "a: 4; b: ?0");
    mysql_modes ansi;
    ansi.ansi_quotes = true;
    CHECK(tests_of("SELECT \"a\" FROM \"t\" WHERE \"b\" = 'x'", ansi) == "b: 'x'");
}

TEST_CASE("long and deep texts end") {
    std::string chain = "SELECT 1 FROM t WHERE a = 0", sum = "SELECT 1", deep = "SELECT ";
    for (int i = 1; i < 20'000; ++i) {
        chain += " OR a = " + std::to_string(i);
        sum += " + 1";
        if (i < 5000) deep += "(";
    }
    CHECK(one(chain).block.tests.at(0).values.size() == 20'000);
    CHECK(one(sum).verb == verb::select);
    const auto nested = parse_mysql(deep + "1" + std::string(4999, ')'), {});
    CHECK(nested.too_deep);
    REQUIRE(nested.statements.size() == 1);
    CHECK(nested.statements[0].writes);
    std::string unions = "SELECT 1";
    for (int i = 0; i < 5000; ++i) unions += " UNION SELECT 1";
    CHECK(one(unions).block.children.size() == 5001);
}
