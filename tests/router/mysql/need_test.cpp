#include "router/mysql/need.hpp"

#include "router/plan.hpp"
#include "tests/router/mysql/reading.hpp"

using namespace ringway::router;
using namespace ringway::router::mysql_tests;

namespace {

catalog shop() {
    catalog raw;
    raw.version = 1;
    raw.dialect = dialect::mysql;
    const auto add = [&raw](std::string name, char kind = 'r', std::string view = {}) {
        auto& made = raw.relations["shop." + name];
        made.schema = "shop";
        made.name = std::move(name);
        made.kind = kind;
        made.view_definition = std::move(view);
    };
    add("t");
    add("u");
    add("s", 'S');
    add("plain", 'v', "select `shop`.`t`.`id` AS `id` from `shop`.`t`");
    add("above", 'v', "select `shop`.`plain`.`id` AS `id` from `shop`.`plain`");
    add("writing", 'v', "select `shop`.`changes`(1) AS `x` from `shop`.`t`");
    add("locking", 'v', "select get_lock('a',1) AS `x`");
    add("unread", 'v', "select from");
    raw.functions.push_back({"shop", "changes", true, true});
    raw.functions.push_back({"shop", "reads_rows", false, true});
    raw.functions.push_back({"shop", "pure", false, false});
    return make_catalog(std::move(raw));
}

std::string need_of(std::string_view text, std::string_view database = "shop") {
    static const auto known = shop();
    plan_context context;
    context.dialect = dialect::mysql;
    context.catalog = &known;
    context.search_path = database;
    const auto made = make_plan(parse_mysql(text, {}), context);
    return made->need == need::any ? "any" : made->reason;
}

}  // namespace

TEST_CASE("reads that any server of a shard answers") {
    for (const std::string_view text :
         {"SELECT 1",
          "SELECT * FROM t JOIN shop.u USING (id)",
          "(SELECT NOW(), RAND(), UUID(), SLEEP(0), VERSION() FROM t)",
          "/* a */ SELECT COUNT(*), GROUP_CONCAT(a), JSON_VALUE(j, '$.a'), ST_X(p), ROW_NUMBER() OVER () FROM t",
          "SELECT pure(1), shop.reads_rows(2)",
          "SELECT * FROM plain, above",
          "SELECT @a",
          "SELECT @@sql_mode, @@version",
          "SHOW TABLES",
          "SHOW CREATE TABLE t",
          "DESC t",
          "SELECT * FROM information_schema.columns",
          "SELECT * FROM INFORMATION_SCHEMA.TABLES",
          "START TRANSACTION READ ONLY",
          "SET @a = 1",
          "SET NAMES utf8mb4",
          "COMMIT",
          "WITH x AS (SELECT * FROM t) SELECT * FROM x",
          "VALUES (1, 2)",
          "EXPLAIN SELECT * FROM t",
          "DO SLEEP(0)",
          "USE shop",
          "SELECT 'for update', \"insert\", `update` FROM t -- for update",
          "SET STATEMENT max_statement_time = 1 FOR SELECT * FROM t"}) {
        CAPTURE(text);
        CHECK(need_of(text) == "any");
    }
}

TEST_CASE("what needs the primary, and why") {
    CHECK(need_of("SELECT * FROM t FOR UPDATE") == "locks rows");
    CHECK(need_of("(SELECT * FROM t LOCK IN SHARE MODE)") == "locks rows");
    CHECK(need_of("INSERT INTO t SELECT * FROM u") == "changes data or definitions");
    CHECK(need_of("SELECT * INTO OUTFILE 'x' FROM t") == "changes data or definitions");
    CHECK(need_of("SELECT 1 INTO @x") == "sets @x");
    CHECK(need_of("SELECT @n := 1") == "sets @n");
    CHECK(need_of("SELECT NEXTVAL(s)").starts_with("function nextval"));
    CHECK(need_of("SELECT NEXT VALUE FOR s").starts_with("function nextval"));
    CHECK(need_of("SELECT changes(1)") == "function changes");
    CHECK(need_of("SELECT shop.CHANGES(1)") == "function changes");
    CHECK(need_of("SELECT changes(1)", "other") == "unknown function changes");
    CHECK(need_of("SELECT nobody(1)") == "unknown function nobody");
    CHECK(need_of("SELECT other.pure(1)") == "unknown function pure");
    CHECK(need_of("SELECT * FROM nobody") == "unknown table nobody");
    CHECK(need_of("SELECT * FROM t", "other") == "unknown table t");
    CHECK(need_of("SELECT * FROM s") == "s is not the same on a replica");
    for (const auto* view : {"writing", "locking", "unread"})
        CHECK(need_of("SELECT * FROM " + std::string(view)) ==
              "view " + std::string(view) + " runs something that needs the primary");
    CHECK(need_of("SELECT GET_LOCK('a', 1)") == "the session stays on its connection: user lock");
    CHECK(need_of("SELECT IS_FREE_LOCK('a')") == "function is_free_lock");
    CHECK(need_of("DO RELEASE_LOCK('a')") == "releases a lock");
    CHECK(need_of("SELECT LAST_INSERT_ID(5)") == "sets LAST_INSERT_ID");
    CHECK(need_of("SELECT LAST_INSERT_ID()") == "asks about the statement before");
    CHECK(need_of("SHOW WARNINGS") == "asks about the statement before");
    CHECK(need_of("SELECT @@read_only") == "@@read_only differs from server to server");
    CHECK(need_of("SHOW VARIABLES LIKE 'x'") == "SHOW of what one server knows");
    CHECK(need_of("SHOW MASTER STATUS") == "SHOW of what one server knows");
    CHECK(need_of("SELECT * FROM information_schema.processlist") == "information_schema.processlist is one server's");
    CHECK(need_of("SELECT * FROM mysql.user") == "mysql.user is one server's");
    CHECK(need_of("CALL p()") == "changes data or definitions");
    CHECK(need_of("ANALYZE UPDATE t SET a = 1") == "changes data or definitions");
    CHECK(need_of("BEGIN") == "a transaction that may write");
    CHECK(need_of("SET GLOBAL a = 1") == "sets a variable of the server");
    CHECK(need_of("EXECUTE s") == "runs a prepared statement");
    CHECK(need_of("SELEC 1") == "cannot be parsed");
    CHECK(need_of("SELECT 1; SELECT 2") == "several statements in one text");
    CHECK(need_of("SET STATEMENT a = 1 FOR DELETE FROM t") == "changes data or definitions");
    CHECK(need_of("SELECT /*!50000 * FROM t FOR UPDATE */") == "locks rows");
    CHECK(need_of("SELECT '\\' FROM t FOR UPDATE -- '") == "any");
}

TEST_CASE("a call of the users' own may set anything, a built-in one does not") {
    const auto known = shop();
    const auto nature = [&](std::string_view schema, const std::string& name) {
        return mysql::nature_of(&known, "shop", schema, name);
    };
    CHECK(nature("", "changes").may_set);
    CHECK(nature("", "nobody").unknown);
    CHECK_FALSE(nature("", "pure").opaque);
    CHECK(nature("", "reads_rows").opaque);
    CHECK_FALSE(nature("", "now").needs_primary);
    CHECK(nature("shop", "now").unknown);
    CHECK(nature("", "get_lock").one_place);
}
