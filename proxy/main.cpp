// build/ringway: the proxy, and its commands for a shell.

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <memory>

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
    ringway::proxy::http::http_server http;
    if (listen.http) {
        const auto inherited = before.descriptors.find(listen.http->text());
        const auto failed = inherited == before.descriptors.end() ? http.start(*listen.http, proxy)
                                                                  : http.start(inherited->second, proxy);
        if (failed) return fail(*failed);
    }

    std::atomic<bool> immediately{false};
    proxy.set_shutdown([&immediately](bool wait_for_clients) {
        immediately = !wait_for_clients;
        kill(getpid(), SIGTERM);
    });
    ringway::proxy::peer_service service;
    service.listening = [&] {
        auto all = proxy.listening();
        if (listen.http) all.emplace(listen.http->text(), http.descriptor());
        return all;
    };
    service.cancel = [&](std::uint32_t pid, const std::string& key) { proxy.cancel_here(pid, key); };
    service.taken_over = [] { kill(getpid(), SIGUSR1); };
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

    for (;;) {
        int signal = 0;
        if (sigwait(&waited, &signal) != 0) continue;
        if (signal == SIGHUP) {
            if (const auto failed = proxy.reload()) spdlog::error("reload: {}\n{}", failed->message, failed->detail);
            continue;
        }
        spdlog::info("{}", signal == SIGUSR1 ? "another process has taken over: draining" : "draining");
        break;
    }
    http.stop();
    proxy.stop(!immediately);
    peers.reset();
    spdlog::info("ringway has ended");
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    return ringway::proxy::run_command_line(argc, argv, run);
}
