#include "proxy/rebalance/ring_file.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "proxy/rebalance/state_file.hpp"

using namespace ringway;
using namespace ringway::proxy::rebalance;
namespace fs = std::filesystem;

namespace {

/// A directory of its own, removed at the end.
struct directory {
    fs::path path = fs::temp_directory_path() / ("ringway-ring-file-" + std::to_string(::getpid()));
    directory() { fs::remove_all(path); }
    ~directory() { fs::remove_all(path); }
    std::string text() const { return path.string(); }
};

config::cluster shop(std::vector<config::shard> shards) {
    config::cluster out;
    out.name = "shop";
    out.shards = std::move(shards);
    out.tables = {{"users", "id", false, config::sharding_function::ring, {}}};
    return out;
}

}  // namespace

TEST_CASE("ring file: what is written is read") {
    router::ring_state ring;
    ring.epoch = 12;
    ring.shards = {{"s0", 1}, {"a b", 0.1}, {"s2", 0}};
    ring.exceptions = {{18446744073709551615U, "a b"}};
    CHECK(read_ring(text_of(ring)) == ring);
    const auto text = text_of(ring);
    for (std::size_t size = 0; size < text.size(); ++size) CHECK_FALSE(read_ring(text.substr(0, size)));
    CHECK_FALSE(read_ring(text + "more\n"));
    CHECK_FALSE(read_ring("ringway ring 1\nepoch x\nshard 1 s0\nend\n"));
    CHECK_FALSE(read_ring("ringway ring 1\nepoch 1\nshard -1 s0\nend\n"));
}

TEST_CASE("ring file: the first start follows the configuration, later ones what was kept") {
    const directory at;
    const auto first = find_ring(at.text(), shop({{"s0", {}, 1}, {"s1", {}, 1}}));
    REQUIRE(first.ring);
    CHECK(first.why.empty());
    CHECK(first.ring->epoch == 1);
    const auto later = find_ring(at.text(), shop({{"s0", {}, 3}, {"s1", {}, 0}, {"s2", {}, 1}}));
    CHECK(later.ring == first.ring);
    const auto without = find_ring(at.text(), shop({{"s0", {}, 1}, {"s2", {}, 1}}));
    CHECK_FALSE(without.ring);
    CHECK(without.why.find("shard s1 of cluster \"shop\" is not in the configuration and still owns rows") == 0);
}

TEST_CASE("ring file: a damaged or unreadable file is not passed over") {
    const directory at;
    const auto cluster = shop({{"s0", {}, 1}, {"s1", {}, 1}});
    REQUIRE(find_ring(at.text(), cluster).ring);
    const auto path = state_path(at.text(), "rings", "shop");
    std::ofstream(path) << "ringway ring 1\nepoch 1\n";
    CHECK_FALSE(find_ring(at.text(), cluster).ring);
    CHECK_FALSE(write_state(path, text_of(router::ring_state_of(cluster))));
    CHECK(find_ring(at.text(), cluster).ring);
}

TEST_CASE("ring file: one shard may be called something else, and tables may come later") {
    const directory at;
    REQUIRE(find_ring(at.text(), shop({{"main", {}, 1}})).ring);
    CHECK(find_ring(at.text(), shop({{"s0", {}, 1}})).ring->shards.front().name == "s0");
    const auto grown = find_ring(at.text(), shop({{"s0", {}, 1}, {"s1", {}, 1}}));
    REQUIRE(grown.ring);
    CHECK(grown.ring->shards.size() == 1);
}

TEST_CASE("ring file: without a place for it the configured ring is followed, and the reason told") {
    const auto found = find_ring("/proc/ringway", shop({{"s0", {}, 1}}));
    REQUIRE(found.ring);
    CHECK_FALSE(found.why.empty());
}

TEST_CASE("state files: names of clusters are made fit, and the lock tells of others") {
    const directory at;
    CHECK(state_path("/x", "rings", "a/b ß") == "/x/rings/a%2Fb%20%C3%9F");
    state_lock one, other;
    CHECK_FALSE(one.share(at.text()));
    CHECK(one.take_alone());
    one.share_again();
    CHECK_FALSE(other.share(at.text()));
    CHECK_FALSE(one.take_alone());
    CHECK_FALSE(other.take_alone());
}
