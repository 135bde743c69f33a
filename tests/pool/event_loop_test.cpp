#include "pool/event_loop.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <thread>

namespace {

using ringway::pool::event_loop;
using ringway::pool::event_sink;
using ringway::pool::event_table;
using namespace std::chrono_literals;

/// Runs `loop` on a thread of its own, and says whether it ended by itself within a long time. A watchdog ends it
/// otherwise, by the loop's own queue.
bool ends(event_loop& loop) {
    std::atomic<bool> ended = false;
    std::thread runner([&] {
        loop.run();
        ended = true;
    });
    bool in_time = false;
    for (int i = 0; i < 500 && !in_time; ++i) {
        in_time = ended;
        if (!in_time) std::this_thread::sleep_for(10ms);
    }
    if (!in_time) loop.post([&] { loop.stop(); });
    runner.join();
    return in_time;
}

struct counting : event_sink {
    std::function<void()> writable = [] {}, again = [] {};
    std::function<void(bool)> readable = [](bool) {};
    void on_writable() override { writable(); }
    void on_readable(bool ended) override { readable(ended); }
    void on_again() override { again(); }
};

struct socket_pair {
    std::array<int, 2> ends{};
    socket_pair() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) == 0); }
    ~socket_pair() {
        for (const int end : ends)
            if (end >= 0) ::close(end);
    }
};

}  // namespace

TEST_CASE("work is run that Asio gets on the loop's thread, outside of Asio's handlers") {
    event_loop loop;
    // Twice: a reactor that has run once must be woken again.
    loop.post([&] {
        boost::asio::post(loop.io(), [&] {
            loop.post([&] { boost::asio::post(loop.io(), [&] { loop.post([&] { loop.stop(); }); }); });
        });
    });
    CHECK(ends(loop));
}

TEST_CASE("work is run that Asio gets from another thread, while the loop waits") {
    event_loop loop;
    std::thread other([&] {
        for (int i = 0; i < 3; ++i) {
            std::this_thread::sleep_for(20ms);
            boost::asio::post(loop.io(), [&loop, i] {
                if (i == 2) loop.stop();
            });
        }
    });
    CHECK(ends(loop));
    other.join();
}

TEST_CASE("timers run that were started before, in and outside of the loop") {
    event_loop loop;
    boost::asio::steady_timer first(loop.io(), 5ms), second(loop.io());
    first.async_wait([&](auto) {
        loop.post([&] {
            second.expires_after(5ms);
            second.async_wait([&](auto) { loop.stop(); });
        });
    });
    CHECK(ends(loop));
}

TEST_CASE("work posted by many threads is run, each once") {
    event_loop loop;
    int done = 0;
    constexpr int each = 2000;
    std::vector<std::thread> others;
    for (int t = 0; t < 4; ++t)
        others.emplace_back([&] {
            for (int i = 0; i < each; ++i)
                loop.post([&] {
                    if (++done == 4 * each) loop.stop();
                });
        });
    CHECK(ends(loop));
    for (auto& other : others) other.join();
    CHECK(done == 4 * each);
}

TEST_CASE("a socket is told to be writable, readable and ended") {
    event_loop loop;
    socket_pair sockets;
    counting sink;
    int writable = 0, readable = 0;
    sink.writable = [&] {
        if (++writable == 1) CHECK(::write(sockets.ends[1], "x", 1) == 1);
    };
    sink.readable = [&](bool ended) {
        ++readable;
        char byte = 0;
        const bool got = ::read(sockets.ends[0], &byte, 1) == 1;
        if (got && readable == 1) {
            ::close(sockets.ends[1]);
            sockets.ends[1] = -1;
        }
        if (ended) loop.stop();
    };
    const auto ticket = loop.table()->add(sink);
    REQUIRE(loop.watch(sockets.ends[0], ticket));
    CHECK(ends(loop));
    CHECK(writable >= 1);
    CHECK(readable >= 2);
    loop.table()->remove(ticket);
}

TEST_CASE("a sink that another's event has removed hears nothing, nor does its successor in the table") {
    event_loop loop;
    socket_pair a, b;
    counting first, second, successor;
    int heard = 0;
    event_table::ticket tickets[2] = {loop.table()->add(first), loop.table()->add(second)};
    event_table::ticket later = 0;
    const auto remove_other = [&](int other) {
        if (heard++ == 0) {
            loop.table()->remove(tickets[other]);
            later = loop.table()->add(successor);
            loop.post([&] { loop.stop(); });
        }
    };
    first.writable = [&] { remove_other(1); };
    second.writable = [&] { remove_other(0); };
    successor.writable = [&] { heard += 100; };
    REQUIRE(loop.watch(a.ends[0], tickets[0]));
    REQUIRE(loop.watch(b.ends[0], tickets[1]));
    CHECK(ends(loop));
    CHECK(heard == 1);
    CHECK(loop.table()->find(later) == &successor);
    CHECK(loop.table()->find(tickets[0]) != loop.table()->find(tickets[1]));
}

TEST_CASE("what asks to be called again is called in the next round, once") {
    event_loop loop;
    counting sink;
    int called = 0;
    const auto ticket = loop.table()->add(sink);
    sink.again = [&] {
        if (++called < 3)
            loop.again(ticket);
        else
            loop.post([&] { loop.stop(); });
    };
    loop.post([&] { loop.again(ticket); });
    CHECK(ends(loop));
    CHECK(called == 3);
    loop.table()->remove(ticket);
}
