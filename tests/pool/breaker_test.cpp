#include "pool/breaker.hpp"

#include <doctest/doctest.h>

using namespace ringway::pool;
using std::chrono::milliseconds;

namespace {
steady_time at(int ms) {
    return steady_time{std::chrono::hours{1}} + milliseconds{ms};
}
using condition = breaker::condition;

void fail_times(breaker& b, int times, int ms) {
    for (int i = 0; i < times; ++i) b.failed(at(ms), "refused");
}
}  // namespace

TEST_CASE("three failures in a row open the breaker") {
    breaker b;
    fail_times(b, 2, 0);
    CHECK(b.now() == condition::closed);
    b.failed(at(1), "reset by peer");
    CHECK(b.now() == condition::open);
    CHECK_FALSE(b.lets_through());
    CHECK(b.reason() == "reset by peer");
    CHECK(b.until() == at(501));
}

TEST_CASE("a success between, or a long time between, starts the count anew") {
    breaker b;
    fail_times(b, 2, 0);
    b.succeeded();
    fail_times(b, 2, 0);
    CHECK(b.lets_through());
    b.failed(at(20'000), "refused");
    CHECK(b.lets_through());
    fail_times(b, 2, 20'001);
    CHECK_FALSE(b.lets_through());
}

TEST_CASE("only a check after the pause half-opens, and only work closes") {
    breaker b;
    fail_times(b, 3, 0);
    b.checked(at(499));
    CHECK(b.now() == condition::open);
    b.succeeded();  // news of a connection made before
    CHECK(b.now() == condition::open);
    b.checked(at(500));
    CHECK(b.now() == condition::half_open);
    CHECK(b.lets_through());
    b.succeeded();
    CHECK(b.now() == condition::closed);
    fail_times(b, 2, 600);
    CHECK(b.now() == condition::closed);
}

TEST_CASE("each opening without a success between doubles the pause, up to the longest") {
    breaker_rules rules;
    rules.longest_pause = milliseconds{3000};
    breaker b(rules);
    int now = 0;
    fail_times(b, 3, now);
    for (const int pause : {500, 1000, 2000, 3000, 3000}) {
        CHECK(b.until() == at(now + pause));
        fail_times(b, 5, now + 1);  // late news do not lengthen it
        CHECK(b.until() == at(now + pause));
        now += pause;
        b.checked(at(now));
        REQUIRE(b.now() == condition::half_open);
        b.failed(at(now), "refused");
        REQUIRE(b.now() == condition::open);
    }
}

TEST_CASE("a node that was down and is back is let through, a node that flaps is left alone longer") {
    breaker b;
    fail_times(b, 3, 0);
    b.reset();
    CHECK(b.now() == condition::closed);
    fail_times(b, 3, 100);
    CHECK(b.until() == at(1100));
    b.reset();
    b.succeeded();
    fail_times(b, 3, 200);
    CHECK(b.until() == at(700));
}
