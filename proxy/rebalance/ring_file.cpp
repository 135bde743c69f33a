#include "proxy/rebalance/ring_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "proxy/rebalance/state_file.hpp"

namespace ringway::proxy::rebalance {

namespace {

constexpr std::string_view first_line = "ringway ring 1";

/// The next word of a line, or the rest of it.
std::string_view take_word(std::string_view& line) {
    const auto end = line.find(' ');
    const auto word = line.substr(0, end);
    line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
    return word;
}

template <typename Number>
bool read_number(std::string_view text, Number& to) {
    const auto got = std::from_chars(text.data(), text.data() + text.size(), to);
    return got.ec == std::errc() && got.ptr == text.data() + text.size();
}

bool may_be_written(const router::ring_state& ring) {
    for (const auto& each : ring.shards)
        if (each.name.find('\n') != std::string::npos) return false;
    return true;
}

}  // namespace

std::string text_of(const router::ring_state& ring) {
    auto out = fmt::format("{}\nepoch {}\n", first_line, ring.epoch);
    for (const auto& each : ring.shards) out += fmt::format("shard {} {}\n", each.weight, each.name);
    for (const auto& each : ring.exceptions) out += fmt::format("at {} {}\n", each.at, each.shard);
    return out + "end\n";
}

std::optional<router::ring_state> read_ring(std::string_view text) {
    router::ring_state out;
    bool first = true, ended = false;
    while (!text.empty()) {
        const auto end = text.find('\n');
        if (end == std::string_view::npos || ended) return std::nullopt;
        auto line = text.substr(0, end);
        text.remove_prefix(end + 1);
        if (first) {
            if (line != first_line) return std::nullopt;
            first = false;
            continue;
        }
        const auto what = take_word(line);
        if (what == "epoch") {
            if (!read_number(line, out.epoch)) return std::nullopt;
        } else if (what == "shard") {
            router::ring::member one;
            if (!read_number(take_word(line), one.weight) || !(one.weight >= 0) || line.empty()) return std::nullopt;
            one.name = line;
            out.shards.push_back(std::move(one));
        } else if (what == "at") {
            router::ring_state::exception one;
            if (!read_number(take_word(line), one.at) || line.empty()) return std::nullopt;
            one.shard = line;
            out.exceptions.push_back(std::move(one));
        } else if (what == "end") {
            ended = true;
        } else {
            return std::nullopt;
        }
    }
    if (!ended || out.epoch == 0 || out.shards.empty()) return std::nullopt;
    return out;
}

ring_found find_ring(const std::string& state_dir, const config::cluster& configured) {
    ring_found out;
    const auto path = state_path(state_dir, "rings", configured.name);
    const auto text = read_state(path, out.why);
    if (!out.why.empty()) {
        out.hint = "the file says where the cluster's rows are; make it readable";
        return out;
    }
    if (text) {
        auto ring = read_ring(*text);
        if (!ring) {
            out.why = fmt::format("{} is damaged", path);
            out.hint = "it says where the cluster's rows are: restore it; without it the configured ring is followed";
            return out;
        }
        // One shard has everything, whatever it is called.
        const bool only_renamed = ring->shards.size() == 1 && configured.shards.size() == 1;
        if (!only_renamed && !configured.tables.empty()) {
            const auto missing = router::missing_shards(*ring, configured);
            if (!missing.empty()) {
                out.why = fmt::format("shard{} {} of cluster \"{}\" {} not in the configuration and still {} rows",
                                      missing.size() == 1 ? "" : "s", fmt::join(missing, ", "), configured.name,
                                      missing.size() == 1 ? "is" : "are", missing.size() == 1 ? "owns" : "own");
                out.hint = "put it back with weight = 0, RELOAD, send REBALANCE, and take it out when that is done";
                return out;
            }
            std::erase_if(ring->shards, [&](const router::ring::member& each) {
                return std::none_of(configured.shards.begin(), configured.shards.end(),
                                    [&](const config::shard& one) { return one.name == each.name; });
            });
            out.ring = std::move(ring);
            return out;
        }
        auto next = router::ring_state_of(configured);
        next.epoch = ring->epoch;
        if (next == *ring) {
            out.ring = std::move(next);
            return out;
        }
    }
    out.ring = router::ring_state_of(configured);
    if (!may_be_written(*out.ring))
        out.why = "a shard's name has a line break";
    else if (auto failed = save_ring(state_dir, configured.name, *out.ring))
        out.why = std::move(*failed);
    return out;
}

std::optional<std::string> save_ring(const std::string& state_dir, const std::string& cluster,
                                     const router::ring_state& ring) {
    return write_state(state_path(state_dir, "rings", cluster), text_of(ring));
}

}  // namespace ringway::proxy::rebalance
