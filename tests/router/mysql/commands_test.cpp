#include "tests/router/mysql/reading.hpp"

using namespace ringway::router;
using namespace ringway::router::mysql_tests;

TEST_CASE("SET tells each variable, its scope, its value and where that stands") {
    CHECK(effects_of("SET autocommit = 0") == "set autocommit 0");
    CHECK(effects_of("SET SQL_MODE = ANSI, time_zone := '+00:00', @a = -1") ==
          "set sql_mode =ANSI; set time_zone '+00:00'; set_user_variable a -1");
    CHECK(effects_of("SET GLOBAL a = 1, b = 2, SESSION c = 3, d = ON, @@e = 5, @@global.f = 6, @@local.g = x") ==
          "set_global a 1; set_global b 2; set c 3; set d =ON; set e 5; set_global f 6; set g =x");
    CHECK(effects_of("SET sql_mode = DEFAULT, @@autocommit = DEFAULT") ==
          "reset sql_mode unknown default; reset autocommit unknown default");
    CHECK(effects_of("SET NAMES utf8mb4 COLLATE 'utf8mb4_bin', CHARACTER SET DEFAULT") ==
          "set names =utf8mb4 'utf8mb4_bin'; set character set unknown default");
    CHECK(effects_of("SET @@tx_isolation = 'SERIALIZABLE'") == "set_local tx_isolation 'SERIALIZABLE'");
    CHECK(effects_of("SET @@session.tx_isolation = 'SERIALIZABLE'") == "set tx_isolation 'SERIALIZABLE'");
    CHECK(effects_of("SET tx_isolation = 'SERIALIZABLE'") == "set tx_isolation 'SERIALIZABLE'");
    CHECK(effects_of("SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY") ==
          "set_local transaction_isolation =READ-COMMITTED; set_local transaction_read_only =1");
    CHECK(effects_of("SET SESSION TRANSACTION READ WRITE") == "set transaction_read_only =0");
    CHECK(effects_of("SET GLOBAL TRANSACTION ISOLATION LEVEL SERIALIZABLE") ==
          "set_global transaction_isolation =SERIALIZABLE");
    CHECK(effects_of("SET PERSIST max_connections = 5", oracle_mysql(80036)) == "set_global max_connections 5");
    const std::string text = "SET a = CONCAT('x', @@b) , @c = (SELECT 1)";
    const auto made = one(text);
    CHECK(text.substr(made.effects[0].body.offset, made.effects[0].body.length) == "CONCAT('x', @@b)");
    CHECK(text.substr(made.effects[1].body.offset, made.effects[1].body.length) == "(SELECT 1)");
    CHECK(made.user_variables_set == std::vector<std::string>{"c"});
    CHECK_FALSE(read(text).cacheable);
    CHECK(one("SET ROLE admin").effects[0].name == "role");
    CHECK(one("SET PASSWORD = PASSWORD('x')").writes);
}

TEST_CASE("SET STATEMENT is its statement") {
    const auto made = one("SET STATEMENT max_statement_time = 1, sql_mode = 'ANSI' FOR SELECT * FROM t WHERE id = 1");
    CHECK(made.verb == verb::select);
    CHECK(made.statement_settings == std::vector<std::string>{"max_statement_time", "sql_mode"});
    CHECK(made.effects.empty());
    CHECK(one("SET STATEMENT a = 1 FOR DELETE FROM t").writes);
}

TEST_CASE("transactions") {
    CHECK(one("BEGIN").verb == verb::begin);
    CHECK(one("begin work").verb == verb::begin);
    CHECK(one("START TRANSACTION READ ONLY, WITH CONSISTENT SNAPSHOT").read_only_begin);
    CHECK(one("START TRANSACTION WITH CONSISTENT SNAPSHOT").consistent_snapshot);
    CHECK_FALSE(one("START TRANSACTION READ WRITE").read_only_begin);
    CHECK(one("COMMIT AND CHAIN").chain);
    CHECK_FALSE(one("COMMIT AND NO CHAIN RELEASE").chain);
    CHECK(one("COMMIT AND NO CHAIN RELEASE").release);
    CHECK_FALSE(one("ROLLBACK NO RELEASE").release);
    CHECK(one("ROLLBACK WORK TO SAVEPOINT X").verb == verb::rollback_to);
    CHECK(one("ROLLBACK TO x").name == "x");
    CHECK(one("SAVEPOINT X").name == "x");
    CHECK(one("RELEASE SAVEPOINT x").verb == verb::release);
    CHECK(one("XA START 'a', 'b', 1").name == "'a', 'b', 1");
    CHECK(effects_of("XA START 'a'") == "pin XA transaction");
    CHECK(one("XA END 'a' SUSPEND FOR MIGRATE").verb == verb::xa_end);
    CHECK(one("XA PREPARE 'a'").verb == verb::xa_prepare);
    CHECK(one("XA COMMIT 'a' ONE PHASE").chain);
    CHECK(one("XA ROLLBACK 'a'").verb == verb::xa_rollback);
    CHECK(one("XA RECOVER").verb == verb::xa_recover);
    for (const std::string_view text :
         {"CREATE TABLE x (a INT)", "ALTER TABLE t ADD a INT", "DROP TABLE t", "RENAME TABLE a TO b", "TRUNCATE t",
          "LOCK TABLES t READ", "BEGIN", "ANALYZE TABLE t", "GRANT a TO b"})
        CHECK(one(text).implicit_commit);
    for (const std::string_view text :
         {"CREATE TEMPORARY TABLE x (a INT)", "DROP TEMPORARY TABLE x", "SELECT 1", "COMMIT"})
        CHECK_FALSE(one(text).implicit_commit);
}

TEST_CASE("what keeps a session on its connection, and what ends that") {
    CHECK(effects_of("LOCK TABLES t READ, u AS x LOW_PRIORITY WRITE") == "pin LOCK TABLES");
    CHECK(effects_of("UNLOCK TABLES") == "unlock_tables");
    CHECK(effects_of("HANDLER t OPEN AS h") == "pin HANDLER");
    CHECK(effects_of("HANDLER h CLOSE") == "handler_close h");
    CHECK(effects_of("FLUSH TABLES WITH READ LOCK") == "pin read lock");
    CHECK(effects_of("FLUSH TABLES t FOR EXPORT") == "pin read lock");
    CHECK(effects_of("FLUSH TABLES") == "");
    CHECK(effects_of("BACKUP STAGE START") == "pin backup stage");
    CHECK(effects_of("BACKUP STAGE END") == "unlock_backup");
    CHECK(effects_of("CREATE TEMPORARY TABLE x (a INT)") == "pin temporary table");
    CHECK(effects_of("CREATE OR REPLACE TEMPORARY TABLE IF NOT EXISTS x AS SELECT 1") == "pin temporary table");
    CHECK(effects_of("/* a */ CREATE /*! TEMPORARY */ TABLE x (a INT)") == "pin temporary table");
    CHECK(effects_of("DROP TEMPORARY TABLE x, y") == "drop_temporary x; drop_temporary y");
    CHECK(effects_of("DROP TABLE x") == "drop_temporary x; catalog_changed");
    CHECK(effects_of("PREPARE S FROM 'SELECT 1'") == "prepare s 'SELECT 1'");
    CHECK(effects_of("PREPARE s FROM @Q") == "prepare s unknown @q");
    CHECK(effects_of("EXECUTE s USING @a, 5") == "execute s unknown @a 5");
    CHECK(effects_of("EXECUTE IMMEDIATE 'SELECT ?' USING 5") == "execute_immediate 'SELECT ?' 5");
    CHECK(effects_of("DROP PREPARE s") == "deallocate s");
    CHECK(effects_of("USE `shop`") == "use_database shop");
    CHECK(effects_of("KILL 5") == "kill connection 5");
    CHECK(effects_of("KILL SOFT QUERY ID 5") == "kill query id 5");
    CHECK(effects_of("KILL QUERY 5") == "kill query 5");
    CHECK(effects_of("CALL p(@a, 1, @b + 1)") == "set_user_variable a");
    CHECK(effects_of("GET DIAGNOSTICS @n = NUMBER") == "set_user_variable n");
    CHECK(effects_of("BEGIN NOT ATOMIC CREATE TEMPORARY TABLE x (a INT); END") ==
          "pin temporary table; settings_unknown");
}

TEST_CASE("SHOW and its kin") {
    CHECK(one("SHOW FULL COLUMNS FROM t LIKE 'a%'").name == "columns");
    CHECK(one("SHOW COUNT(*) WARNINGS").asks_warnings);
    CHECK(one("SHOW ERRORS LIMIT 1").asks_warnings);
    CHECK(one("SHOW CREATE TABLE shop.t").name == "create table");
    CHECK(one("show global variables where variable_name = 'x'").name == "global variables");
    CHECK(one("SHOW ENGINE InnoDB STATUS").name == "engine");
    CHECK(functions_of(one("SHOW TABLES WHERE f(1)")) == "f");
    CHECK(one("DESC shop.t").verb == verb::show);
    CHECK(one("EXPLAIN SELECT 1").verb == verb::explain);
    CHECK(one("EXPLAIN (ROUTE) SELECT * FROM t").explain_route);
    CHECK_FALSE(one("ANALYZE FORMAT=JSON SELECT 1").writes);
    CHECK(effects_of("EXPLAIN SELECT @a := GET_LOCK('x', 1)") == "pin user lock");
    CHECK(one("HELP 'x'").verb == verb::show);
    CHECK(one("GET DIAGNOSTICS CONDITION 1 @m = MESSAGE_TEXT").asks_warnings);
}

TEST_CASE("definitions: names and columns") {
    const auto made =
        one("CREATE TABLE IF NOT EXISTS shop.x (ID INT PRIMARY KEY, `b``c` ENUM('a', ')') COMMENT 'x, y', "
            "KEY k (id), d DECIMAL(10, 2) DEFAULT (1 + (2)), CONSTRAINT c CHECK (id > 0)) ENGINE = InnoDB");
    CHECK(made.defined_columns == std::vector<std::string>{"id", "b`c", "d"});
    CHECK(tables_of(made.block) == "shop.x!");
    CHECK(tables_of(one("CREATE TABLE x LIKE shop.t").block) == "shop.t; x!");
    CHECK(tables_of(one("CREATE TABLE x (a INT) ENGINE = MyISAM AS SELECT * FROM t").block) == "t; x!");
    CHECK(tables_of(one("ALTER TABLE a RENAME TO b, ADD x INT").block) == "a!; b!");
    CHECK(tables_of(one("RENAME TABLE a TO b, c TO shop.d").block) == "a!; b!; c!; shop.d!");
    CHECK(tables_of(one("DROP TABLE IF EXISTS a, shop.b").block) == "a!; shop.b!");
    CHECK(tables_of(one("CREATE VIEW v AS SELECT * FROM t").block) == "t; v!");
    CHECK(tables_of(one("CREATE UNIQUE INDEX i ON t (a)").block) == "t!");
    CHECK(one("CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1").verb == verb::ddl);
}

TEST_CASE("texts are cut where the server cuts them") {
    const auto cut = [](std::string_view text, const mysql_modes& modes = {}) {
        std::vector<std::string> out;
        for (const auto& each : read(text, modes).statements)
            out.emplace_back(text.substr(each.where.offset, each.where.length));
        return out;
    };
    using list = std::vector<std::string>;
    CHECK(cut("SELECT 1; SELECT ';' ; -- x;\n SELECT 2;") == list{"SELECT 1", "SELECT ';'", "SELECT 2"});
    CHECK(cut(" ; ;; ").empty());
    CHECK(cut("-- nothing").empty());
    CHECK(cut("/*! SELECT 1; */ SELECT 2").size() == 2);
    const std::string body =
        "CREATE PROCEDURE p() BEGIN IF a THEN SELECT 1; ELSE CASE b WHEN 1 THEN SELECT 2; END CASE; "
        "END IF; l: LOOP LEAVE l; END LOOP l; END";
    CHECK(cut(body + "; SELECT 3") == list{body, "SELECT 3"});
    const std::string block = "BEGIN NOT ATOMIC SELECT CASE 1 WHEN 1 THEN 2 END; BEGIN SELECT 1; END; END";
    CHECK(cut(block + ";SELECT 3") == list{block, "SELECT 3"});
    CHECK(cut("CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO UPDATE t SET a = 1; SELECT 1").size() == 2);
    // Nothing of a stored body happens now.
    CHECK(effects_of(
              "CREATE PROCEDURE p() BEGIN SET @a = 1; CREATE TEMPORARY TABLE x (a INT); DO GET_LOCK('a', 1); END") ==
          "catalog_changed");
}

TEST_CASE("what cannot be read may do anything; what comes before it is known") {
    const auto bad = parse_mysql("SELECT 1; SELEC 2; SELECT 3", {});
    CHECK(!bad.error.empty());
    CHECK(bad.error_position == 10);
    CHECK_FALSE(bad.cacheable);
    REQUIRE(bad.statements.size() == 2);
    CHECK(bad.statements[0].verb == verb::select);
    CHECK(bad.statements[1].where.offset == 10);
    CHECK(bad.statements[1].writes);
    CHECK(effects_of(bad.statements[1], "") == "settings_unknown; pin a statement of an unknown syntax");
    for (const std::string_view text : {"SELECT 'a",
                                        "SELECT `a",
                                        "SELECT /* a",
                                        "SELECT /*! 1",
                                        "SELECT \"a",
                                        "SELECT 1 FROM",
                                        "(",
                                        "SELECT (1",
                                        "SELECT 1)",
                                        "SELECT a b c",
                                        "INSERT INTO",
                                        "SET",
                                        "SET a",
                                        "UPDATE t",
                                        "SELECT \x01",
                                        "BEGIN NOT ATOMIC SELECT 1",
                                        "SELECT 1 FROM t WHERE",
                                        "CREATE",
                                        "DROP",
                                        "x'4'",
                                        "SELECT x'4'",

                                        "SELECT * FROM (SELECT 1)",
                                        "SELECT CASE WHEN 1 THEN 2",
                                        "INSERT INTO t (a VALUES (1)",
                                        "ALTER",
                                        "XA START",
                                        "SHOW",
                                        "SELECT 1,"}) {
        CAPTURE(text);
        CHECK(!parse_mysql(text, {}).error.empty());
    }
    mysql_modes oracle;
    oracle.oracle = true;
    CHECK(!parse_mysql("SELECT 1", oracle).error.empty());
}

TEST_CASE("hints of ours") {
    CHECK(read("/* ringway: shard=s1 */ SELECT 1").hint.shard == "s1");
    CHECK(read("SELECT /* RINGWAY: role=primary */ 1").hint.role == routing_hint::role_wish::primary);
    CHECK(read("SELECT 1 /*ringway:role=replica*/").hint.role == routing_hint::role_wish::replica);
    CHECK(read("SELECT 1 /* ringway: rle=x */").hint.unknown == "rle=x");
    CHECK(read("SELECT '/* ringway: shard=s1 */'").hint.shard.empty());
}
