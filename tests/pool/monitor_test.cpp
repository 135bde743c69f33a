// The monitor against real servers: one cluster for all of them, put back in order by each.
#include "pool/monitor.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

#include "tests/servers/pg_cluster.hpp"

using namespace ringway;
using namespace ringway::pool;
using ringway::tests::eventually;
using ringway::tests::pg_cluster;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

/// A listening socket that accepts connections in its backlog and never says a word.
class silent_server {
  public:
    silent_server() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        REQUIRE(::bind(socket_, reinterpret_cast<sockaddr*>(&address), length) == 0);
        REQUIRE(::listen(socket_, 64) == 0);
        REQUIRE(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
        endpoint_ = {"127.0.0.1", ntohs(address.sin_port)};
    }
    ~silent_server() { ::close(socket_); }
    silent_server(const silent_server&) = delete;
    silent_server& operator=(const silent_server&) = delete;
    const config::endpoint& address() const { return endpoint_; }

  private:
    int socket_;
    config::endpoint endpoint_;
};

config::cluster cluster_of(const std::vector<config::endpoint>& nodes) {
    config::cluster c;
    c.name = "app";
    c.database = "postgres";
    c.monitor_user = "postgres";
    c.shards = {{"s0", nodes, 1}};
    return c;
}

/// A monitor of one shard, its last snapshot, and how often it published.
struct watched {
    std::mutex lock;
    std::shared_ptr<const cluster_health> last;
    std::atomic<int> published{0};
    pool::monitor monitor;

    explicit watched(const config::cluster& c)
        : monitor([this](std::shared_ptr<const cluster_health> h) {
              const std::lock_guard guard(lock);
              CHECK_MESSAGE((!last || h->version == last->version + 1), "versions grow by one");
              last = std::move(h);
              ++published;
          }) {
        monitor.watch({c});
    }
    shard_health shard() {
        const std::lock_guard guard(lock);
        return last && !last->shards.empty() ? last->shards[0] : shard_health{};
    }
    bool wait(const std::function<bool(const shard_health&)>& holds, milliseconds limit = std::chrono::seconds{15}) {
        return eventually([&] { return holds(shard()); }, limit);
    }
};

/// Everybody in rotation, and every replica's lag known.
bool all_usable(const shard_health& s) {
    return s.primary >= 0 && std::all_of(s.nodes.begin(), s.nodes.end(),
                                         [](const node_health& n) { return n.usable && n.lag.count() >= 0; });
}

std::vector<config::endpoint> addresses(const pg_cluster& servers) {
    std::vector<config::endpoint> out;
    for (const auto& n : servers.nodes()) out.push_back(n.address);
    return out;
}

/// A primary and two replicas, shared by the cases of this file.
pg_cluster& servers() {
    static pg_cluster shared(1, 2);
    return shared;
}

}  // namespace

TEST_CASE(
    "monitor: roles are discovered, snapshots come about once an interval, an idle primary's replicas do not lag") {
    watched w(cluster_of(addresses(servers())));
    REQUIRE(w.wait(all_usable));
    CHECK(w.shard().primary == 0);
    CHECK(w.shard().nodes[1].role == node_role::replica);
    CHECK(w.shard().nodes[1].replaying);
    CHECK(w.shard().nodes[0].timeline == 1);

    const int before = w.published;
    const auto began = steady_clock::now();
    std::this_thread::sleep_for(milliseconds{500});
    const auto intervals = static_cast<int>((steady_clock::now() - began) / milliseconds{100});
    CHECK(w.published - before >= 2);
    CHECK(w.published - before <= intervals + 3);
}

namespace {

std::uint64_t insert_position(pqxx::connection& primary) {
    pqxx::nontransaction work(primary);
    return work.exec1("SELECT pg_current_wal_insert_lsn() - '0/0'")[0].as<std::uint64_t>();
}

/// Commits a record of `payload` bytes and some.
void commit_bytes(pqxx::connection& primary, std::uint64_t payload) {
    pqxx::work work(primary);
    work.exec1(fmt::format("SELECT pg_logical_emit_message(true, 'x', repeat('y', {}))", payload));
    work.commit();
}

/// Commits so that the last record fills its page; the insert position then stands behind the next page's header.
bool fill_page(pqxx::connection& primary) {
    constexpr std::uint64_t page = 8192, header = 24, probe = 4000;
    for (int attempt = 0; attempt < 20; ++attempt) {
        const std::uint64_t before = insert_position(primary);
        commit_bytes(primary, probe);
        const std::uint64_t after = insert_position(primary);
        const std::uint64_t headers = (after / page - before / page) * header;
        const std::uint64_t overhead = after - before - probe - headers;
        const std::uint64_t room = 2 * page - after % page - header - overhead;
        commit_bytes(primary, room);
        if (insert_position(primary) % page == header) return true;
    }
    return false;
}

/// True when the replicas' watermarks pass now while the primary's position does not move at all.
bool caught_up_in_silence(watched& w, pqxx::connection& primary) {
    const std::uint64_t position = insert_position(primary);
    const steady_time written = steady_clock::now();
    const auto passed = [&](const shard_health& s) {
        return s.nodes[1].watermark > written && s.nodes[2].watermark > written;
    };
    return w.wait(passed) && insert_position(primary) == position;
}

}  // namespace

TEST_CASE("monitor: an idle primary whose last record fills a page or a segment is caught up with") {
    watched w(cluster_of(addresses(servers())));
    REQUIRE(w.wait(all_usable));
    pqxx::connection primary(servers().connection_text(servers().at(0)));
    bool page = false, segment = false;  // several tries: the server writes a record of its own now and then
    for (int i = 0; i < 5 && !page; ++i) page = fill_page(primary) && caught_up_in_silence(w, primary);
    CHECK(page);
    for (int i = 0; i < 5 && !segment; ++i) {
        servers().sql(servers().at(0), "SELECT pg_switch_wal()");
        segment = insert_position(primary) % (16u << 20) == 40 && caught_up_in_silence(w, primary);
    }
    CHECK(segment);
}

TEST_CASE("monitor: a write that nobody commits does not make replicas look late") {
    watched w(cluster_of(addresses(servers())));
    REQUIRE(w.wait(all_usable));
    servers().sql(servers().at(0), "CREATE TABLE IF NOT EXISTS open_work(a int)");
    pqxx::connection connection(servers().connection_text(servers().at(0)));
    pqxx::work open(connection);
    open.exec0("INSERT INTO open_work SELECT generate_series(1, 100)");
    const steady_time written = steady_clock::now();
    CHECK(w.wait([&](const shard_health& s) { return s.nodes[1].watermark > written; }, milliseconds{4000}));
}

TEST_CASE(
    "monitor: R4: paused replay: the watermark stands while the primary writes, and passes the write after it goes "
    "on") {
    watched w(cluster_of(addresses(servers())));
    REQUIRE(w.wait(all_usable));
    servers().sql(servers().at(1), "SELECT pg_wal_replay_pause()");
    REQUIRE(w.wait([](const shard_health& s) { return !s.nodes[1].replaying; }));
    servers().sql(servers().at(0), "CREATE TABLE IF NOT EXISTS paused(a int); INSERT INTO paused VALUES (1)");
    const steady_time written = steady_clock::now();
    REQUIRE(w.wait([&](const shard_health& s) { return s.nodes[2].watermark > written; }));
    CHECK(w.wait([&](const shard_health& s) { return s.nodes[1].lag > milliseconds{400}; }));
    const shard_health s = w.shard();
    CHECK(s.nodes[1].watermark < written);
    CHECK(s.nodes[1].lag_bytes > 0);
    read_wish wish;
    wish.last_write = written;
    balance_state state;
    for (int i = 0; i < 4; ++i) CHECK(choose_for_read(s, wish, {}, steady_clock::now(), state).node == 2);

    servers().sql(servers().at(1), "SELECT pg_wal_replay_resume()");
    CHECK(w.wait([&](const shard_health& h) { return h.nodes[1].watermark > written && h.nodes[1].replaying; }));
}

TEST_CASE("monitor: what was acknowledged before the watermark is on the replica, also with synchronous_commit off") {
    watched w(cluster_of(addresses(servers())));
    REQUIRE(w.wait(all_usable));
    pqxx::connection primary(servers().connection_text(servers().at(0))),
        replica(servers().connection_text(servers().at(1)));
    {
        pqxx::nontransaction work(primary);
        work.exec0("CREATE TABLE IF NOT EXISTS marks(a int); TRUNCATE marks; SET synchronous_commit = off");
    }
    for (int i = 1; i <= 10; ++i) {
        pqxx::nontransaction(primary).exec0(fmt::format("INSERT INTO marks VALUES ({})", i));
        const steady_time written = steady_clock::now();
        REQUIRE(w.wait([&](const shard_health& s) { return s.nodes[1].watermark > written; }));
        REQUIRE(pqxx::nontransaction(replica).exec1("SELECT max(a) FROM marks")[0].as<int>(0) == i);
    }
}

TEST_CASE(
    "monitor: R8: a replica that hangs is out within the check timeout, and comes back; stopping is not held up by "
    "it") {
    auto config = cluster_of(addresses(servers()));
    config.check_timeout = milliseconds{300};
    auto w = std::make_unique<watched>(config);
    REQUIRE(w->wait(all_usable));
    const auto& hung = servers().at(1);
    servers().stop(hung);
    const auto stopped = steady_clock::now();
    REQUIRE(w->wait([](const shard_health& s) { return !s.nodes[1].usable; }));
    CHECK(steady_clock::now() - stopped < milliseconds{2500});
    CHECK(w->shard().nodes[1].reason == "no answer within 300 ms");
    CHECK(w->shard().nodes[2].usable);
    CHECK(w->shard().primary == 0);
    const auto destroyed = steady_clock::now();
    w.reset();
    CHECK(steady_clock::now() - destroyed < std::chrono::seconds{5});

    watched again(config);
    CHECK(again.wait([](const shard_health& s) { return s.primary == 0 && s.nodes[2].usable; }));
    CHECK_FALSE(again.shard().nodes[1].usable);
    servers().cont(hung);
    CHECK(again.wait(all_usable));
}

TEST_CASE("monitor: a server that accepts and never speaks holds up neither the others nor the end") {
    const silent_server silent;
    auto nodes = addresses(servers());
    nodes.push_back(silent.address());
    auto w = std::make_unique<watched>(cluster_of(nodes));
    REQUIRE(w->wait([](const shard_health& s) { return s.primary == 0 && s.nodes[1].usable && s.nodes[2].usable; }));
    CHECK_FALSE(w->shard().nodes[3].usable);
    const auto destroyed = steady_clock::now();
    w.reset();
    CHECK(steady_clock::now() - destroyed < std::chrono::seconds{5});
}

TEST_CASE("monitor: a replica that is killed is out at once, and back when it is started") {
    auto config = cluster_of(addresses(servers()));
    config.watermark_interval = milliseconds{2000};  // so that only the closed connection can tell
    watched w(config);
    REQUIRE(w.wait(all_usable));
    servers().ctl(servers().at(2), "stop -m immediate");
    const auto killed = steady_clock::now();
    REQUIRE(w.wait([](const shard_health& s) { return !s.nodes[2].usable; }));
    CHECK(steady_clock::now() - killed < milliseconds{1000});
    CHECK(w.wait([](const shard_health& s) { return s.nodes[2].reason.find("refused") != std::string::npos; }));
    servers().ctl(servers().at(2), "start");
    w.monitor.check_now("app");
    CHECK(w.wait(all_usable));
}

TEST_CASE("monitor: workers' reports open the breaker; bans have reason and expiry; both are listed") {
    watched w(cluster_of(addresses(servers())));
    REQUIRE(w.wait(all_usable));
    const auto& node = servers().at(1).address;
    for (int i = 0; i < 3; ++i) w.monitor.report_failure("app", node, "reset by peer");
    REQUIRE(w.wait([](const shard_health& s) { return !s.nodes[1].usable; }));
    REQUIRE(w.monitor.bans().size() == 1);
    CHECK(w.monitor.bans()[0].reason == "connections failed in a row: reset by peer");
    CHECK_FALSE(w.monitor.bans()[0].by_operator);
    CHECK(w.wait(all_usable));  // half open after the pause
    w.monitor.report_success("app", node);

    CHECK(w.monitor.ban_node(node, milliseconds{400}, "maintenance"));
    REQUIRE(w.wait([](const shard_health& s) { return s.nodes[1].reason == "banned: maintenance"; }));
    CHECK(w.monitor.bans()[0].by_operator);
    CHECK(w.wait(all_usable));
    CHECK(w.monitor.bans().empty());
    CHECK(w.monitor.ban_node(node, std::chrono::hours{1}, "maintenance"));
    REQUIRE(w.wait([](const shard_health& s) { return !s.nodes[1].usable; }));
    CHECK(w.monitor.unban_node(node));
    CHECK_FALSE(w.monitor.unban_node(node));
    CHECK(w.wait(all_usable));
    CHECK_FALSE(w.monitor.ban_node({"127.0.0.1", 1}, milliseconds{400}, "nobody"));
}

TEST_CASE("monitor: a new configuration keeps what is known of nodes that stay; clusters that left are forgotten") {
    auto config = cluster_of(addresses(servers()));
    watched w(config);
    REQUIRE(w.wait(all_usable));
    const steady_time known = w.shard().nodes[1].watermark;
    std::swap(config.shards[0].nodes[0], config.shards[0].nodes[1]);
    config.shards[0].nodes.pop_back();
    w.monitor.watch({config});
    REQUIRE(w.wait([](const shard_health& s) { return s.nodes.size() == 2; }));
    CHECK(w.shard().primary == 1);
    CHECK(w.shard().nodes[0].usable);
    CHECK(w.shard().nodes[0].watermark >= known);
    config.monitor_user = "nobody_there";
    w.monitor.watch({config});
    CHECK(w.wait([](const shard_health& s) {
        return !s.nodes[0].usable && s.nodes[0].reason.find("nobody_there") != std::string::npos;
    }));
    w.monitor.watch({});
    CHECK(w.monitor.snapshot("app") == nullptr);
}

// Last: it changes the servers for good.
TEST_CASE("monitor: R6, R7: a promotion is followed, the old primary that returns is not written to") {
    watched w(cluster_of(addresses(servers())));
    REQUIRE(w.wait(all_usable));
    servers().ctl(servers().at(0), "stop -m immediate");
    REQUIRE(w.wait([](const shard_health& s) { return s.primary == -1; }));
    CHECK(w.shard().reason.find("is lost") != std::string::npos);
    servers().ctl(servers().at(1), "promote");
    REQUIRE(w.wait([](const shard_health& s) { return s.primary == 1; }));
    CHECK(w.shard().nodes[1].timeline == 2);

    servers().ctl(servers().at(0), "start");
    REQUIRE(w.wait([](const shard_health& s) { return s.nodes[0].reason.find("old primary") != std::string::npos; }));
    CHECK(w.shard().primary == 1);
    CHECK(w.shard().nodes[0].role == node_role::unknown);

    // The other replica still follows the old primary: what it gets from there says nothing about the new one.
    servers().sql(servers().at(0), "CREATE TABLE lost(a int)");
    servers().sql(servers().at(1), "CREATE TABLE kept(a int)");
    const steady_time written = steady_clock::now();
    std::this_thread::sleep_for(milliseconds{300});
    CHECK(w.shard().nodes[2].watermark < written);
    CHECK(w.shard().nodes[2].usable);

    servers().ctl(servers().at(1), "stop -m immediate");
    CHECK(w.wait(
        [](const shard_health& s) { return s.primary == -1 && s.reason.find("old primary") != std::string::npos; }));
}
