#include "proxy/cli/follow.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <thread>

#include "proxy/admin/command.hpp"

namespace ringway::proxy::cli {

using namespace std::chrono_literals;

namespace {

constexpr auto interval = 300ms;
constexpr int most_failures = 20;

/// A value by its column's name; empty for NULL and for none.
std::string value(const admin::table& rows, const admin::row& of, std::string_view name) {
    for (std::size_t i = 0; i < rows.columns.size() && i < of.size(); ++i)
        if (rows.columns[i].name == name) return of[i].value_or("");
    return {};
}

std::uint64_t number(const std::string& text) {
    std::uint64_t out = 0;
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out;
}

std::string bar(std::uint64_t done, std::uint64_t all, std::size_t width) {
    const auto part = all == 0 ? width : std::min<std::size_t>(width, static_cast<std::size_t>(done * width / all));
    return fmt::format("[{}{}] {:3}%", std::string(part, '#'), std::string(width - part, '.'),
                       all == 0 ? 100 : std::min<std::uint64_t>(100, done * 100 / all));
}

}  // namespace

followed progress_of(const admin::table& rows, const std::string& cluster, std::size_t width) {
    followed out;
    std::uint64_t all = 0, copied = 0, cleaned = 0, changes = 0, lag = 0, left = 0;
    std::string phase, reason, pause;
    for (const auto& each : rows.rows) {
        if (value(rows, each, "cluster") != (cluster.empty() ? value(rows, rows.rows[0], "cluster") : cluster))
            continue;
        phase = value(rows, each, "phase");
        reason = value(rows, each, "reason");
        pause = value(rows, each, "pause_ms");
        all += number(value(rows, each, "rows"));
        copied += number(value(rows, each, "rows_copied"));
        cleaned += number(value(rows, each, "rows_cleaned"));
        changes += number(value(rows, each, "changes"));
        lag += number(value(rows, each, "lag_bytes"));
        left = std::max(left, number(value(rows, each, "seconds_left")));
    }
    // It may be undoable for days: the rows have moved.
    out.over = phase.empty() || phase == "done" || phase == "cancelled" || phase == "undoable" || phase == "undone";
    out.stopped = phase.starts_with("stopped");
    out.line = fmt::format("{:<13}", phase.empty() ? "nothing to do" : phase);
    if (phase == "copying")
        out.line += fmt::format("{} {} of about {} rows, {} s left", bar(copied, all, width), copied, all, left);
    else if (phase == "cleaning" || phase == "cleaning back")
        out.line += fmt::format("{} {} of {} rows, {} s left", bar(cleaned, copied, width), cleaned, copied, left);
    else if (phase == "undoable")
        out.line += fmt::format("{} {} rows copied; UNDO REBALANCE for another {} s, FINISH REBALANCE ends that",
                                bar(1, 1, width), copied, left);
    else if (phase == "done" || phase == "undone")
        out.line += fmt::format("{} {} rows copied, {} changes followed", bar(1, 1, width), copied, changes);
    else if (!phase.empty())
        out.line += fmt::format("{} rows copied, {} changes followed, {} bytes to go", copied, changes, lag);
    if (!pause.empty()) out.line += fmt::format("; writes waited {} ms", pause.substr(0, pause.find('.') + 2));
    if (!reason.empty()) out.line += "; " + reason;
    return out;
}

int follow_rebalance(const admin_options& with) {
    const auto asked = admin::parse_command(with.command);
    const auto cluster = asked.value.arguments.empty() ? std::string() : asked.value.arguments[0].text;
    auto look = with;
    look.command = "SHOW REBALANCE";
    const bool terminal = ::isatty(STDOUT_FILENO) == 1;
    std::string last;
    for (int failures = 0; failures < most_failures;) {
        const auto answer = ask_admin_port(look);
        if (const auto* why = std::get_if<config::fault>(&answer)) {
            ++failures;
            fmt::print(stderr, "ringway: {}\n", why->message);
            std::this_thread::sleep_for(1s);
            continue;
        }
        failures = 0;
        const auto now = progress_of(std::get<admin::table>(answer), cluster);
        if (terminal)
            fmt::print("\r\x1b[K{}", now.line);
        else if (now.line != last)
            fmt::print("{}\n", now.line);
        std::fflush(stdout);
        last = now.line;
        if (now.over || now.stopped) {
            if (terminal) fmt::print("\n");
            return now.stopped ? 1 : 0;
        }
        std::this_thread::sleep_for(interval);
    }
    return 1;
}

}  // namespace ringway::proxy::cli
