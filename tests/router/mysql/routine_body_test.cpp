#include "router/mysql/routine_body.hpp"

#include <doctest/doctest.h>

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

TEST_CASE("user variables in bodies") {
    CHECK(names_user_variable("SELECT 7 INTO @x", {}));
    CHECK(names_user_variable("SELECT 7 INTO @`x`", {}));
    CHECK_FALSE(names_user_variable("SELECT '@x', \"@y\" /* @z */", {}));
    CHECK(names_user_variable("SELECT 'a\\' , @x '", {}));
    CHECK_FALSE(names_user_variable("SET @@SESSION.time_zone = 'SYSTEM'", {}));
}
