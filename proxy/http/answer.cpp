#include "proxy/http/answer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "proxy/cli/version.hpp"
#include "proxy/http/json.hpp"
#include "proxy/http/metrics.hpp"
#include "proxy/http/readiness.hpp"

namespace ringway::proxy::http {

namespace {

using admin::subject;
using config::fault;
using config::fault_kind;
using json = nlohmann::ordered_json;
using query_parameters = std::vector<std::pair<std::string, std::string>>;

answer problem(unsigned status, std::string_view message, std::string allow = {}) {
    return {status, "application/json",
            json{{"error", {{"message", message}}}}.dump(-1, ' ', false, json::error_handler_t::replace),
            std::move(allow)};
}

int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char low = static_cast<char>(c | 0x20);
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/// Undoes %xx and + of a query string; nothing when a % is not followed by two hexadecimal digits.
std::optional<std::string> decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out.push_back(text[i] == '+' ? ' ' : text[i]);
            continue;
        }
        if (i + 2 >= text.size() || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0) return std::nullopt;
        out.push_back(static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2])));
        i += 2;
    }
    return out;
}

std::optional<query_parameters> read_query(std::string_view text) {
    query_parameters all;
    while (!text.empty()) {
        const auto part = text.substr(0, text.find('&'));
        text.remove_prefix(std::min(part.size() + 1, text.size()));
        if (part.empty()) continue;
        const auto equals = std::min(part.find('='), part.size());
        auto name = decoded(part.substr(0, equals));
        auto value = decoded(part.substr(std::min(equals + 1, part.size())));
        if (!name || !value) return std::nullopt;
        all.emplace_back(std::move(*name), std::move(*value));
    }
    return all;
}

answer health(inventory& of) {
    const auto state = readiness_of(of);
    auto clusters = json::array();
    for (const auto& one : state.clusters)
        clusters.push_back({{"cluster", one.cluster}, {"ready", one.ready}, {"reasons", one.reasons}});
    const json body{{"live", true},
                    {"ready", state.ready()},
                    {"draining", state.draining},
                    {"version", version},
                    {"clusters", std::move(clusters)}};
    return {
        state.ready() ? 200u : 503u, "application/json", body.dump(-1, ' ', false, json::error_handler_t::replace), {}};
}

answer ready(inventory& of) {
    const auto state = readiness_of(of);
    const json body{{"ready", state.ready()}, {"reasons", state.reasons()}};
    return {
        state.ready() ? 200u : 503u, "application/json", body.dump(-1, ' ', false, json::error_handler_t::replace), {}};
}

/// Names of the query parameters each subject takes, in the order of SHOW's arguments.
std::vector<std::string_view> argument_names(subject about) {
    switch (about) {
        case subject::key:
            return {"cluster", "table", "value"};
        case subject::route:
            return {"cluster", "sql"};
        case subject::ring_points:
            return {"cluster"};
        default:
            return {};
    }
}

std::optional<std::string> take(query_parameters& from, std::string_view name) {
    const auto found = std::find_if(from.begin(), from.end(), [name](const auto& one) { return one.first == name; });
    if (found == from.end()) return std::nullopt;
    auto value = std::move(found->second);
    from.erase(found);
    return value;
}

/// The command SHOW would have made of it, or what is wrong with the parameters.
std::variant<admin::command, std::string> show_command(subject about, query_parameters given) {
    admin::command made;
    made.what = admin::command::verb::show;
    made.about = about;
    if (about == subject::ring) {
        if (const auto full = take(given, "full")) {
            if (*full != "true" && *full != "false") return "the query parameter \"full\" is true or false";
            if (*full == "true") made.about = subject::ring_points;
        }
        if (const auto cluster = take(given, "cluster"))
            made.arguments.push_back({*cluster, 0, true, false});
        else if (made.about == subject::ring_points)
            return "the query parameter \"cluster\" is missing";
    } else {
        for (const auto name : argument_names(about)) {
            auto value = take(given, name);
            if (!value) return fmt::format("the query parameter \"{}\" is missing", name);
            made.arguments.push_back({std::move(*value), 0, true, false});
        }
        while (about == subject::route) {
            auto value = take(given, "value");
            if (!value) break;
            made.arguments.push_back({std::move(*value), 0, true, false});
        }
    }
    if (!given.empty()) return fmt::format("there is no query parameter \"{}\" here", given.front().first);
    return made;
}

unsigned status_of(const fault& why) {
    switch (why.kind) {
        case fault_kind::unknown_cluster:
            return 404;
        case fault_kind::cannot_connect:
        case fault_kind::server_lost:
            return 503;
        case fault_kind::internal:
            return 500;
        default:
            return 400;
    }
}

/// A SHOW name in a path: one word, lower case.
std::string path_name(subject about) {
    auto name = std::string(admin::name_of(about));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return name;
}

answer list_of_paths() {
    auto paths = json::array();
    for (std::size_t i = 0; i < admin::subject_count; ++i)
        if (static_cast<subject>(i) != subject::ring_points)
            paths.push_back("/api/" + path_name(static_cast<subject>(i)));
    return {200, "application/json", paths.dump(), {}};
}

answer api(std::string_view name, std::string_view query, const admin::executor& commands, admin::instant now) {
    const auto about = admin::find_subject(name);
    if (!about || path_name(*about) != name || about == subject::ring_points)
        return problem(404, fmt::format("there is no /api/{}: GET /api lists what there is", name));
    auto given = read_query(query);
    if (!given) return problem(400, "the query string is not well formed");
    auto what = show_command(*about, std::move(*given));
    if (const auto* wrong = std::get_if<std::string>(&what)) return problem(400, *wrong);
    const auto got = commands.run(std::get<admin::command>(what), now);
    if (const auto* refused = std::get_if<fault>(&got))
        return {status_of(*refused), "application/json", json_of(*refused), {}};
    return {200, "application/json", json_of(std::get<admin::table>(got)), {}};
}

}  // namespace

answer answer_to(std::string_view method, std::string_view target, inventory& of, const admin::executor& commands,
                 admin::instant now) {
    const auto mark = std::min(target.find('?'), target.size());
    const auto path = target.substr(0, mark);
    const auto query = target.substr(std::min(mark + 1, target.size()));
    constexpr std::string_view api_prefix = "/api/";
    const bool known = path == "/health" || path == "/health/live" || path == "/health/ready" || path == "/metrics" ||
                       path == "/api" || path.starts_with(api_prefix);
    if (!known)
        return problem(404, fmt::format("there is no {}: /health, /health/live, /health/ready, /metrics, /api", path));
    if (method != "GET" && method != "HEAD") return problem(405, "only GET and HEAD are allowed", "GET, HEAD");
    if (path == "/health") return health(of);
    if (path == "/health/live") return {200, "application/json", R"({"live":true})", {}};
    if (path == "/health/ready") return ready(of);
    if (path == "/metrics") return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_text(of, now), {}};
    if (path == "/api" || path == api_prefix) return list_of_paths();
    return api(path.substr(api_prefix.size()), query, commands, now);
}

}  // namespace ringway::proxy::http
