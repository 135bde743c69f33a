#include "proxy/admin/command.hpp"

#include <doctest/doctest.h>

#include "proxy/admin/interval.hpp"
#include "proxy/admin/token.hpp"

using namespace ringway::proxy::admin;
using ringway::config::fault_kind;
using namespace std::chrono_literals;
using verb = command::verb;

namespace {

command good(std::string_view text) {
    auto got = parse_command(text);
    INFO(text);
    REQUIRE_MESSAGE(!got.error, got.error->message);
    return got.value;
}

ringway::config::fault bad(std::string_view text) {
    auto got = parse_command(text);
    INFO(text);
    REQUIRE(got.error);
    return *got.error;
}

}  // namespace

TEST_CASE("admin command: every subject of SHOW, in any case, with a semicolon") {
    for (std::size_t i = 0; i < subject_count; ++i) {
        const auto about = static_cast<subject>(i);
        if (about == subject::ring_points || about == subject::key || about == subject::route) continue;
        const auto name = std::string(name_of(about));
        for (const auto& text :
             {"SHOW " + name, "show " + lower_case(name) + " ;", "/* a */ Show\n" + name + "; -- b"}) {
            const auto got = good(text);
            CHECK(got.what == verb::show);
            CHECK(got.about == about);
            CHECK(got.arguments.empty());
        }
    }
}

TEST_CASE("admin command: arguments of SHOW") {
    const auto key = good("SHOW KEY shop orders 'it''s'");
    CHECK(key.about == subject::key);
    REQUIRE(key.arguments.size() == 3);
    CHECK(key.arguments[2].text == "it's");
    CHECK(key.arguments[2].quoted);
    CHECK(good("SHOW KEY shop public.orders -5").arguments[2].text == "-5");
    CHECK(good("SHOW KEY \"my shop\" orders $2").arguments[0].text == "my shop");
    CHECK(good("SHOW KEY \"my shop\" orders $2").parameters() == 2);
    CHECK(good("SHOW KEY shop orders '$2'").parameters() == 0);

    const auto route = good("SHOW ROUTE shop $$SELECT * FROM users WHERE name = 'a;b'$$ 42 x");
    CHECK(route.about == subject::route);
    REQUIRE(route.arguments.size() == 4);
    CHECK(route.arguments[1].text == "SELECT * FROM users WHERE name = 'a;b'");
    CHECK(route.arguments[3].text == "x");
    CHECK(good("SHOW ROUTE shop $1").arguments[1].parameter == 1);

    CHECK(good("SHOW RING").about == subject::ring);
    CHECK(good("SHOW RING shop").arguments[0].text == "shop");
    CHECK(good("SHOW RING shop FULL").about == subject::ring_points);
}

TEST_CASE("admin command: what acts") {
    CHECK(good("PAUSE").what == verb::pause);
    CHECK(good("pause shop").arguments[0].text == "shop");
    CHECK(good("RESUME shop;").what == verb::resume);
    CHECK(good("RELOAD").what == verb::reload);
    CHECK(good("KILL 42").what == verb::kill);
    CHECK(good("KILL CLIENT 42").what == verb::kill_client);
    CHECK(good("KILL_CLIENT 42").what == verb::kill_client);
    CHECK(good("KILL CLUSTER shop").what == verb::kill_cluster);
    CHECK(good("KILL cluster").arguments[0].text == "cluster");
    CHECK_FALSE(good("SHUTDOWN").wait_for_clients);
    CHECK(good("shutdown wait_for_clients").wait_for_clients);
    CHECK(good("UNBAN [::1]:5501").arguments[0].text == "[::1]:5501");
    CHECK_FALSE(good("BAN 127.0.0.1:5501").length);
    CHECK(*good("BAN 127.0.0.1:5501 FOR 90s").length == 90s);
    CHECK(*good("BAN db-1.example:5501 for 1 hour 30 minutes").length == 90min);
    CHECK(*good("BAN db:1 FOR '250 ms'").length == 250ms);
}

TEST_CASE("admin command: what drivers send when they connect") {
    CHECK(good("").what == verb::empty);
    CHECK(good(" ; ;").what == verb::empty);
    CHECK(good("BEGIN").what == verb::begin);
    CHECK(good("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY").what == verb::begin);
    CHECK(good("START TRANSACTION").what == verb::begin);
    CHECK(good("COMMIT").what == verb::commit);
    CHECK(good("ROLLBACK WORK").what == verb::rollback);
    CHECK(good("DISCARD ALL").what == verb::discard_all);
    CHECK(good("DEALLOCATE \"_pg3_0\"").arguments[0].text == "_pg3_0");
    CHECK(good("DEALLOCATE ALL").arguments.empty());
    for (const auto* text : {"SET extra_float_digits = 3", "SET application_name='psql'",
                             "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SET datestyle TO 'ISO'",
                             "SET TIME ZONE 'UTC'", "SET client_encoding TO 'utf-8'", "SET NAMES 'UTF8'"}) {
        INFO(text);
        CHECK(good(text).reply->tag == "SET");
    }
    CHECK(good("RESET ALL").reply->tag == "RESET");
    CHECK(good("UNLISTEN *").reply->tag == "UNLISTEN");
    CHECK(good("CLOSE ALL").reply->tag == "CLOSE CURSOR ALL");

    const auto isolation = good("SHOW TRANSACTION ISOLATION LEVEL");
    CHECK(isolation.what == verb::answer);
    CHECK(isolation.reply->columns[0].name == "transaction_isolation");
    CHECK(*isolation.reply->rows[0][0] == "read committed");
    CHECK(*good("show Standard_Conforming_Strings").reply->rows[0][0] == "on");
    CHECK(*good("SHOW TIME ZONE").reply->rows[0][0] == "UTC");

    const auto one = good("SELECT 1");
    CHECK(one.reply->columns[0].type == column_type::int4);
    CHECK(*one.reply->rows[0][0] == "1");
    CHECK(one.reply->tag == "SELECT 1");
    CHECK(good("select pg_catalog.version()").reply->rows[0][0]->starts_with("PostgreSQL 15"));
    const auto two = good("SELECT 'a', current_schema()");
    CHECK(*two.reply->rows[0][0] == "a");
    CHECK(*two.reply->rows[0][1] == "public");
    CHECK(*good("SELECT pg_is_in_recovery()").reply->rows[0][0] == "f");
}

TEST_CASE("admin command: a mistake says what was expected and what is near") {
    CHECK(bad("SHWO LAG").message == "unknown command \"SHWO\"");
    CHECK(bad("SHWO LAG").hint.starts_with("did you mean SHOW?"));
    CHECK(bad("SHWO LAG").kind == fault_kind::syntax);
    CHECK(bad("SHOW CLIENT").hint.starts_with("did you mean SHOW CLIENTS?"));
    CHECK(bad("SHOW elephants").hint == "SHOW HELP lists the commands");
    CHECK(bad("SHOW").message == "SHOW needs to be told what");
    CHECK(bad("SHOW LAG now").message == "end of command expected at \"now\"");
    CHECK(bad("SHOW KEY shop").message == "a table expected at the end of the command");
    CHECK(bad("SHOW KEY shop orders 1 2").message == "end of command expected at \"2\"");
    CHECK(bad("SHOW ROUTE shop SELECT 1").message == "a statement in quotes expected at \"SELECT\"");
    CHECK(bad("SHOW RING FULL").message == "a cluster expected before FULL");
    CHECK(bad("SHOW RING shop all").message == "FULL or end of command expected at \"all\"");
    CHECK(bad("KILL").message == "a cluster or a client's id expected at the end of the command");
    CHECK(bad("SHUTDOWN NOW").message == "WAIT_FOR_CLIENTS or end of command expected at \"NOW\"");
    CHECK(bad("BAN").message == "a node (host:port) expected at the end of the command");
    CHECK(bad("BAN a:1 UNTIL 5").message == "FOR or end of command expected at \"UNTIL\"");
    CHECK(bad("BAN a:1 FOR").message == "an interval expected after FOR");
    CHECK(bad("BAN a:1 FOR 5 parsecs").message == "\"5 parsecs\" is not an interval");
    CHECK(bad("PAUSE a b").message == "end of command expected at \"b\"");
    CHECK(bad("PAUSE $0").message == "\"$0\" is not a parameter: $1 to $65535");
    CHECK(bad("PAUSE $70000").message == "\"$70000\" is not a parameter: $1 to $65535");
    CHECK(bad("PAUSE 'shop").message == "a quoted text or comment that begins at character 7 is never closed");
    CHECK(bad("/* PAUSE").message == "a quoted text or comment that begins at character 1 is never closed");
    CHECK(bad("PAUSE; RESUME").message == "one command expected, not several");
    CHECK(bad("DISCARD TEMP").message == "ALL expected at \"TEMP\"");
}

TEST_CASE("admin command: SET of Ringway's own settings, and SQL, are refused with a hint") {
    CHECK(bad("SET pool_size = 5").kind == fault_kind::unsupported);
    CHECK(bad("SET pool_size = 5").hint == "edit the configuration file, then RELOAD");
    CHECK(bad("SET client_encoding = 'LATIN1'").kind == fault_kind::unsupported);
    CHECK(bad("SET").kind == fault_kind::syntax);
    CHECK(bad("SELECT * FROM users").kind == fault_kind::unsupported);
    CHECK(bad("SELECT 1,").kind == fault_kind::unsupported);
    CHECK(bad("SELECT").kind == fault_kind::unsupported);
    CHECK(bad("SELECT 99999999999").kind == fault_kind::unsupported);
}

TEST_CASE("admin command: several commands in one text") {
    const auto all = parse_commands("SHOW LAG; PAUSE shop;;SHWO; SHOW ROUTE a 'x;y'");
    REQUIRE(all.size() == 4);
    CHECK(all[0].value.about == subject::lag);
    CHECK(all[1].value.what == verb::pause);
    CHECK(all[2].error);
    CHECK(all[3].value.arguments[1].text == "x;y");
}

TEST_CASE("admin intervals") {
    CHECK(*read_interval("500ms") == 500ms);
    CHECK(*read_interval(" 5 minutes ") == 5min);
    CHECK(*read_interval("1h30m") == 90min);
    CHECK(*read_interval("1.5 h") == 90min);
    CHECK(*read_interval("2 days") == 48h);
    for (const auto* wrong :
         {"", "5", "s", "-5s", "0s", "5 s x", "1e9 d", "inf s", "nan s", "99999 days", "0.0001 ms"}) {
        INFO(wrong);
        CHECK_FALSE(read_interval(wrong));
    }
}
