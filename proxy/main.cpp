// build/ringway: the proxy, and its commands for a shell.

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <set>

#include "config/load.hpp"
#include "proxy/cli/command_line.hpp"
#include "proxy/control/runtime.hpp"
#include "proxy/control/takeover.hpp"
#include "proxy/http/server.hpp"

namespace {

using ringway::proxy::options;

/// As many descriptors as the system allows: each client and each server connection takes one.
void raise_descriptor_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int fail(const ringway::config::fault& why) {
    spdlog::critical("{}{}{}", why.message, why.hint.empty() ? "" : ". ", why.hint);
    return 1;
}

enum class ending : std::uint8_t {
    none,
    drain,       ///< clients leave as their transactions end, the last after drain_timeout
    deserted,    ///< clients leave when they like
    taken_over,  ///< likewise, and what listened is another process's
    now,
};

/// Waits for a signal; 0: none came in that time.
int next_signal(const sigset_t& waited, std::chrono::nanoseconds longest) {
    const timespec limit{static_cast<time_t>(longest.count() / 1'000'000'000),
                         static_cast<long>(longest.count() % 1'000'000'000)};
    return std::max(sigtimedwait(&waited, nullptr, &limit), 0);
}

/// Returns when the process may stop. SIGTERM and SIGINT drain, a second one ends at once; SIGHUP reloads; SIGUSR1 says
/// that `wanted` has changed.
void serve_until_the_end(ringway::proxy::runtime& proxy, ringway::proxy::http::http_server& http,
                         const sigset_t& waited, const std::atomic<ending>& wanted) {
    using clock = std::chrono::steady_clock;
    constexpr auto look = std::chrono::milliseconds(20);
    auto state = ending::none;
    auto until = clock::time_point::max();
    for (;;) {
        const int signal = next_signal(waited, state == ending::none ? std::chrono::hours(1) : look);
        if (signal == SIGHUP) (void)proxy.reload();
        auto next = state;
        if (signal == SIGTERM || signal == SIGINT) next = state == ending::drain ? ending::now : ending::drain;
        if (signal == SIGUSR1) {
            const auto asked = wanted.load();
            if (asked == ending::taken_over) http.stop();  // else it would answer for its successor
            if (state != ending::drain || asked == ending::now) next = std::max(state, asked);
        }
        if (next != state && next == ending::drain) {
            const auto limit = proxy.settings()->general.drain_timeout;
            until = clock::now() + limit;
            spdlog::info(
                "draining: no new clients; {} may end their transactions within {} ms; a second signal ends at once",
                proxy.clients_left(), limit.count());
            proxy.drain();
        } else if (next != state && next != ending::now) {
            spdlog::info("{}: no new clients; {} stay until they leave, or a signal",
                         next == ending::taken_over ? "another process has taken over" : "shutting down",
                         proxy.clients_left());
            proxy.close_doors();
        }
        state = next;
        const bool late = state == ending::drain && clock::now() >= until;
        if (late && proxy.clients_left() > 0)
            spdlog::warn("drain_timeout: {} clients are cut off", proxy.clients_left());
        if (state == ending::now || late) return;
        if (state != ending::none && (proxy.is_deserted() || (state == ending::drain && proxy.clients_left() == 0)))
            return;
    }
}

int run(const options& with) {
    auto loaded = ringway::config::load_file(with.config_file);
    if (!loaded.ok()) {
        for (const auto& mistake : loaded.mistakes) fmt::print(stderr, "{}\n", mistake.message());
        return 1;
    }
    spdlog::set_default_logger(spdlog::stderr_color_mt("ringway"));
    spdlog::set_level(spdlog::level::from_str(loaded.value.general.log_level));
    std::signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    sigset_t waited;
    sigemptyset(&waited);
    for (const int each : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&waited, each);
    pthread_sigmask(SIG_BLOCK, &waited, nullptr);  // before any thread starts: they all inherit it

    ringway::proxy::takeover before;
    if (with.takeover)
        if (const auto failed = ringway::proxy::takeover::begin(loaded.value.general.state_dir, before))
            return fail(*failed);

    const auto listen = loaded.value.listen;
    const auto state_dir = loaded.value.general.state_dir;
    ringway::proxy::runtime proxy(std::move(loaded.value), with.config_file);
    if (const auto failed = proxy.start(before.descriptors)) return fail(*failed);
    std::set<std::string> used;
    for (const auto& each : {listen.postgres, listen.mysql, listen.admin, listen.http})
        if (each) used.insert(each->text());
    before.keep_only(used);
    ringway::proxy::http::http_server http;
    if (listen.http) {
        const auto inherited = before.descriptors.find(listen.http->text());
        const auto failed = inherited == before.descriptors.end() ? http.start(*listen.http, proxy)
                                                                  : http.start(inherited->second, proxy);
        if (failed) return fail(*failed);
    }

    std::atomic<ending> wanted{ending::none};
    const auto want = [&wanted](ending what) {
        wanted = what;
        kill(getpid(), SIGUSR1);
    };
    proxy.set_shutdown([&want](bool wait_for_clients) { want(wait_for_clients ? ending::deserted : ending::now); });
    ringway::proxy::peer_service service;
    service.listening = [&] {
        auto all = proxy.listening();
        if (listen.http) all.emplace(listen.http->text(), http.descriptor());
        return all;
    };
    service.cancel = [&](std::uint32_t pid, const std::string& key) { proxy.cancel_here(pid, key, nullptr); };
    service.taken_over = [&want] { want(ending::taken_over); };
    auto peers = std::make_unique<ringway::proxy::peer_socket>(state_dir, std::move(service));
    if (const auto none = peers->open()) {
        spdlog::warn("{}: {}", none->message, none->hint);
    } else {
        proxy.cancel_elsewhere = [&peers](std::uint32_t pid, const std::string& key) {
            peers->cancel_elsewhere(pid, key);
        };
        peers->become_current();
    }
    before.finish();
    spdlog::info("ringway is up with {}", with.config_file);

    serve_until_the_end(proxy, http, waited, wanted);
    http.stop();
    proxy.stop();
    peers.reset();
    spdlog::info("ringway has ended");
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    return ringway::proxy::run_command_line(argc, argv, run);
}
