#include "config/change.hpp"

#include <doctest/doctest.h>

#include "sample.hpp"

using namespace ringway;
using namespace ringway::tests;
using config::compare;
using names = std::vector<std::string>;

namespace {

config::settings loaded(const std::string& text) {
    auto found = load(text);
    REQUIRE(lines_of(found) == lines{});
    return std::move(found.value);
}

std::string replaced(std::string_view what, std::string_view other) {
    std::string text(smallest);
    return text.replace(text.find(what), what.size(), other);
}

}  // namespace

TEST_CASE("reload: the same file changes nothing") {
    const auto now = loaded(std::string(smallest));
    CHECK(compare(now, now).none());
    CHECK(compare(now, loaded("# a comment\n" + std::string(smallest))).none());
    CHECK(compare({}, {}).none());
}

TEST_CASE("reload: listening, workers and the state's place wait for a restart") {
    const auto now = loaded(std::string(smallest));
    const auto next =
        loaded(replaced("postgres = \"127.0.0.1:6432\"",
                        "postgres = \"127.0.0.1:7432\"\nmysql = \"127.0.0.1:1\"\nadmin = \"127.0.0.1:2\"\n"
                        "admin_mysql = \"127.0.0.1:3\"\nhttp = \"[::1]:4\"\n[general]\nworkers = 3\n"
                        "state_dir = \"/tmp/r\"\nplan_cache_entries = 7\n"));
    const auto found = compare(now, next);
    CHECK(found.restart ==
          names{"[listen] postgres: \"127.0.0.1:6432\" stays until a restart (the file says \"127.0.0.1:7432\")",
                "[listen] mysql: nothing stays until a restart (the file says \"127.0.0.1:1\")",
                "[listen] admin: nothing stays until a restart (the file says \"127.0.0.1:2\")",
                "[listen] admin_mysql: nothing stays until a restart (the file says \"127.0.0.1:3\")",
                "[listen] http: nothing stays until a restart (the file says \"[::1]:4\")",
                "[general] workers: 0 stays until a restart (the file says 3)",
                "[general] state_dir: \"/var/lib/ringway\" stays until a restart (the file says \"/tmp/r\")",
                "[general] plan_cache_entries: 10000 stays until a restart (the file says 7)"});
    CHECK_FALSE(found.general);
    CHECK_FALSE(found.none());
    CHECK(compare(next, now).restart.at(4) ==
          "[listen] http: \"[::1]:4\" stays until a restart (the file says nothing)");
}

TEST_CASE("reload: networks whose PROXY headers are believed") {
    const auto now = loaded(std::string(smallest));
    const auto next = loaded(replaced("postgres = \"127.0.0.1:6432\"",
                                      "postgres = \"127.0.0.1:7432\"\nproxy_protocol = [\"10.0.0.0/8\"]\n"));
    const auto found = compare(now, next);
    CHECK(found.proxy_protocol);
    CHECK_FALSE(found.none());
    CHECK(summary(found) == "[listen] proxy_protocol");
    const auto taken = without_restart(now, next);
    CHECK(taken.listen.proxy_protocol == names{"10.0.0.0/8"});
    CHECK(taken.listen.postgres == now.listen.postgres);
    CHECK_FALSE(compare(next, next).proxy_protocol);
}

TEST_CASE("reload: clusters and users that came, went and changed") {
    const auto now = loaded(std::string(smallest) + R"([users.old]
password = "x"
[clusters.old.shards]
s0 = { nodes = ["127.0.0.1:5433"] }
)");
    const auto next = loaded(replaced("127.0.0.1:5432", "127.0.0.1:5439") + R"([users.new]
password = "x"
[clusters.new.shards]
s0 = { nodes = ["127.0.0.1:5433"] }
)");
    const auto found = compare(now, next);
    CHECK(found.clusters.added == names{"new"});
    CHECK(found.clusters.removed == names{"old"});
    CHECK(found.clusters.changed == names{"app"});
    CHECK(found.users.added == names{"new"});
    CHECK(found.users.removed == names{"old"});
    CHECK(found.users.changed == names{});
    CHECK(found.restart == names{});
    CHECK_FALSE(found.none());
}

TEST_CASE("reload: a new password changes its user, a new pool size in [general] every cluster") {
    const auto now = loaded(std::string(smallest));
    const auto password = compare(now, loaded(replaced("secret", "newer")));
    CHECK(password.users.changed == names{"app"});
    CHECK(password.clusters.none());
    const auto pool = compare(now, loaded(std::string(smallest) + "[general]\npool_size = 3\n"));
    CHECK(pool.clusters.changed == names{"app"});
    CHECK(pool.users.none());
    CHECK_FALSE(pool.general);
}

TEST_CASE("reload: [general], client TLS and rules") {
    const auto now = loaded(std::string(smallest));
    CHECK(compare(now, loaded(std::string(smallest) + "[general]\ndrain_timeout = \"1s\"\n")).general);
    CHECK(compare(now, loaded(std::string(smallest) + "[[hba]]\nmethod = \"trust\"\n")).hba);
    CHECK(compare(now, loaded(std::string(smallest) + "[client_tls]\nmin_version = \"1.3\"\n")).client_tls);
    for (const auto* more : {"[general]\ndrain_timeout = \"1s\"\n", "[[hba]]\nmethod = \"trust\"\n",
                             "[client_tls]\nmin_version = \"1.3\"\n"}) {
        const auto found = compare(now, loaded(std::string(smallest) + more));
        CHECK(found.general + found.hba + found.client_tls == 1);
        CHECK(found.restart.empty());
        CHECK_FALSE(found.none());
    }
}

TEST_CASE("reload: what needs a restart stays in force, everything else changes") {
    const auto now = loaded(std::string(smallest));
    const auto next = loaded(replaced("postgres = \"127.0.0.1:6432\"",
                                      "postgres = \"127.0.0.1:7432\"\n[general]\nworkers = 3\nmax_clients = 7\n"
                                      "state_dir = \"/tmp/r\"\nplan_cache_entries = 7\n"));
    const auto in_force = config::without_restart(now, next);
    CHECK(compare(now, in_force).restart.empty());
    CHECK(in_force.general.max_clients == 7);
    CHECK(config::summary(compare(now, next)) == "[general]");
    CHECK(config::summary(compare(now, now)) == "nothing has changed");
    auto other = now;
    other.clusters.front().name = "other";
    CHECK(config::summary(compare(now, other)).find("added (other)") != std::string::npos);
}
