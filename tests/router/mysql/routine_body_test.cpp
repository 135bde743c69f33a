#include "router/mysql/routine_body.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace ringway::router::mysql;
using ringway::router::mysql_modes;

TEST_CASE("bodies that leave nothing in the session") {
    for (const auto* body :
         {"RETURN 2 * n", "SET NEW.v = UPPER(NEW.v)", "INSERT INTO log VALUES (NEW.v)",
          "INSERT INTO log (a, b) SELECT 1, 2", "BEGIN DECLARE a, b INT DEFAULT 0; SET a = 1, b = a + 1; RETURN b; END",
          "BEGIN DECLARE `total` DECIMAL(10, 2); SELECT SUM(x) INTO total FROM t; SET `total` = total * 2; RETURN "
          "total; END",
          "UPDATE t SET c = 1, d = 2 WHERE id = NEW.id", "RETURN (SELECT COUNT(*) FROM users WHERE id IN (1, 2))",
          "IF NEW.a > 1 THEN SET NEW.b = CONCAT('SET @x', \"@y\"), NEW.c = NOW(); END IF"})
        CHECK_MESSAGE(leaves_nothing(body, {}), body);
}

TEST_CASE("bodies that may leave something") {
    for (const auto* body : {"SET @x = 1",
                             "SELECT 1 INTO @x",
                             "SET time_zone = '+01:00'",
                             "SET NEW.a = 1, time_zone = '+01:00'",
                             "BEGIN DECLARE a INT; SET a = 1, sql_mode = ''; END",
                             "SET @@SESSION.sql_mode = ''",
                             "SET SESSION sql_mode = ''",
                             "SET LOCAL sql_mode = ''",
                             "SET NAMES utf8",
                             "CALL other()",
                             "RETURN other(1)",
                             "RETURN shop.other(1)",
                             "RETURN `other`(1)",
                             "RETURN \"other\"(1)",
                             "RETURN GET_LOCK('a', 1)",
                             "DO RELEASE_LOCK('a')",
                             "CREATE TEMPORARY TABLE t (a INT)",
                             "SET /* c */ time_zone = ''",
                             "SET sql_mode = 'a\\'b'",
                             "RETURN 'unterminated"})
        CHECK_MESSAGE(!leaves_nothing(body, {}), body);
}

TEST_CASE("variables of others that bodies set") {
    const std::string parameters[] = {"n"};
    for (const auto* body :
         {"SET time_zone = '+01:00'", "BEGIN DECLARE a INT; SET a = 1, sql_mode = ''; END", "SET NAMES utf8",
          "SET CHARACTER SET utf8", "SET @@SESSION.sql_mode = ''", "SET SESSION sql_mode = ''", "SET `time_zone` = 'x'",
          "BEGIN SELECT 'a\\'; SET sql_mode = ''; SELECT ''; END"})
        CHECK_MESSAGE(sets_variables(body, {}, parameters), body);
    for (const auto* body :
         {"SET n = n + 1", "SET NEW.a = 1", "RETURN other(n)", "CALL other(n)", "RETURN 'SET sql_mode = 1'",
          "BEGIN DECLARE s VARCHAR(9) CHARACTER SET utf8; SET s = 'a\\'b'; RETURN s; END", "UPDATE t SET time_zone = 1",
          "RETURN 'unterminated"})
        CHECK_MESSAGE(!sets_variables(body, {}, parameters), body);
    CHECK(leaves_nothing("SET n = n + 1", {}, parameters));
    CHECK_FALSE(leaves_nothing("SET m = n + 1", {}, parameters));
}

TEST_CASE("user variables in bodies") {
    CHECK(names_user_variable("SELECT 7 INTO @x", {}));
    CHECK(names_user_variable("SELECT 7 INTO @`x`", {}));
    CHECK_FALSE(names_user_variable("SELECT '@x', \"@y\" /* @z */", {}));
    CHECK(names_user_variable("SELECT 'a\\' , @x '", {}));
    CHECK_FALSE(names_user_variable("SET @@SESSION.time_zone = 'SYSTEM'", {}));
}

TEST_CASE("bodies that leave what no server tells of") {
    for (const auto* body : {"SELECT 7 INTO @x", "DO Get_Lock('a', 1)", "CREATE TEMPORARY TABLE t (a INT)",
                             "SET NEW.id = NEXTVAL(s)", "RETURN NEXT /* c */ VALUE FOR s", "RETURN 'unterminated"})
        CHECK_MESSAGE(leaves_untold(body, {}), body);
    for (const auto* body : {"SET time_zone = 'SYSTEM'", "RETURN LASTVAL(s)", "RETURN 'GET_LOCK'", "DO other(1)"})
        CHECK_MESSAGE(!leaves_untold(body, {}), body);
}

TEST_CASE("whom a body may run or write, by its words") {
    const auto written = words_of("INSERT INTO `Far` VALUES (NEW.id, 'text', \"near\")", {});
    REQUIRE(written);
    CHECK(written->writes);
    CHECK(written->names == std::vector<std::string>{"insert", "into", "far", "values", "new", "id", "near"});
    const auto read = words_of("RETURN (SELECT INSERT('a', 1, 1, b) FROM t)", {});
    REQUIRE(read);
    CHECK_FALSE(read->writes);
    CHECK_FALSE(words_of("RETURN 'unterminated", {}));
}

TEST_CASE("bodies that need the primary, whatever they are declared as") {
    std::vector<std::string> calls;
    for (const auto* body :
         {"BEGIN INSERT INTO log VALUES (1); RETURN 1; END", "BEGIN insert log values (1); RETURN 1; END",
          "BEGIN UPDATE t SET a = 1; RETURN 1; END", "BEGIN REPLACE INTO t VALUES (1); RETURN 1; END",
          "BEGIN DELETE FROM t; RETURN 1; END", "BEGIN CALL p(); RETURN 1; END",
          "RETURN (SELECT a FROM t LIMIT 1 FOR UPDATE)", "RETURN (SELECT a FROM t LIMIT 1 LOCK IN SHARE MODE)",
          "RETURN NEXT VALUE FOR s", "RETURN NEXTVAL(s)", "RETURN GET_LOCK('a', 1)", "RETURN UUID_SHORT()",
          "RETURN 'unterminated"})
        CHECK_MESSAGE(needs_primary(body, {}, calls), body);
    CHECK(calls.empty());
    for (const auto* body :
         {"RETURN REPLACE('a', 'b', 'c')", "RETURN INSERT('abc', 1, 1, 'x')", "RETURN TRUNCATE(1.5, 0)",
          "RETURN 'INSERT INTO t'", "RETURN (SELECT COUNT(*) FROM t /* UPDATE t */)",
          "BEGIN DECLARE a INT; SELECT MAX(id) INTO a FROM t; RETURN a; END"})
        CHECK_MESSAGE(!needs_primary(body, {}, calls), body);
    calls.clear();
    CHECK(!needs_primary("RETURN other(1) + shop.Third(2)", {}, calls));
    CHECK(calls == std::vector<std::string>{"other", "third"});
    CHECK(needs_primary("BEGIN SET GLOBAL sort_buffer_size = 1; RETURN 1; END", {}, calls));
}
