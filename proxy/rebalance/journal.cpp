#include "proxy/rebalance/journal.hpp"

#include <fmt/format.h>

#include <charconv>

#include "proxy/rebalance/ring_file.hpp"
#include "proxy/rebalance/state_file.hpp"

namespace ringway::proxy::rebalance {

namespace {

constexpr std::string_view first_line = "ringway rebalance 1";

/// Values and names of notes may hold anything.
std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\n')
            out += "\\n";
        else if (c == '\\')
            out += "\\\\";
        else if (c == '=')
            out += "\\e";
        else
            out += c;
    }
    return out;
}

std::string unescaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\' || i + 1 == text.size()) {
            out += text[i];
            continue;
        }
        const char c = text[++i];
        out += c == 'n' ? '\n' : c == 'e' ? '=' : c;
    }
    return out;
}

bool read_undo(std::string_view text, journal& to) {
    const auto blank = text.find(' ');
    if (blank == std::string_view::npos) return false;
    std::chrono::milliseconds::rep length = 0;
    const auto read = [](std::string_view from, auto& into) {
        const auto got = std::from_chars(from.data(), from.data() + from.size(), into);
        return got.ec == std::errc() && got.ptr == from.data() + from.size() && into >= 0;
    };
    if (!read(text.substr(0, blank), length) || !read(text.substr(blank + 1), to.undo_until)) return false;
    to.undo = std::chrono::milliseconds(length);
    return length > 0;
}

std::vector<std::string> names_of(const config::cluster& configured) {
    std::vector<std::string> out;
    for (const auto& each : configured.shards) out.push_back(each.name);
    return out;
}

router::ring ring_of(const router::ring_state& state, const std::vector<std::string>& names) {
    const auto members = router::members_of(state, names);
    const auto exceptions = router::exceptions_of(state, names);
    return router::ring(members, exceptions);
}

}  // namespace

std::string text_of(const journal& what) {
    auto out = fmt::format("{}\nid {}\nphase {}\n", first_line, what.id, name_of(what.at));
    if (what.undo.count() > 0) out += fmt::format("undo {} {}\n", what.undo.count(), what.undo_until);
    for (const auto& [name, value] : what.notes) out += fmt::format("note {}={}\n", escaped(name), escaped(value));
    return out + "from\n" + text_of(what.from) + "to\n" + text_of(what.to);
}

std::optional<journal> read_journal(std::string_view text) {
    journal out;
    const auto from = text.find("\nfrom\n"), to = text.find("\nto\n", from == std::string_view::npos ? 0 : from);
    if (from == std::string_view::npos || to == std::string_view::npos) return std::nullopt;
    auto before = read_ring(text.substr(from + 6, to + 1 - from - 6)), after = read_ring(text.substr(to + 4));
    if (!before || !after) return std::nullopt;
    out.from = std::move(*before);
    out.to = std::move(*after);
    auto head = text.substr(0, from + 1);
    bool first = true, phased = false;
    while (!head.empty()) {
        const auto end = head.find('\n');
        const auto line = head.substr(0, end);
        head.remove_prefix(end + 1);
        if (first && line != first_line) return std::nullopt;
        if (line.starts_with("id ")) {
            out.id = line.substr(3);
        } else if (line.starts_with("phase ")) {
            phased = read_phase(line.substr(6), out.at);
        } else if (line.starts_with("undo ")) {
            if (!read_undo(line.substr(5), out)) return std::nullopt;
        } else if (line.starts_with("note ")) {
            const auto equals = line.find('=');
            if (equals == std::string_view::npos) return std::nullopt;
            out.notes[unescaped(line.substr(5, equals - 5))] = unescaped(line.substr(equals + 1));
        } else if (!first) {
            return std::nullopt;
        }
        first = false;
    }
    if (!phased || out.id.empty()) return std::nullopt;
    return out;
}

std::optional<journal> load_journal(const std::string& state_dir, const std::string& cluster, std::string& why) {
    const auto path = state_path(state_dir, "rebalances", cluster);
    const auto text = read_state(path, why);
    if (!text) return std::nullopt;
    auto out = read_journal(*text);
    if (!out) why = fmt::format("{} is damaged", path);
    return out;
}

std::optional<std::string> save_journal(const std::string& state_dir, const std::string& cluster, const journal& what) {
    return write_state(state_path(state_dir, "rebalances", cluster), text_of(what));
}

std::optional<std::string> remove_journal(const std::string& state_dir, const std::string& cluster) {
    return remove_state(state_path(state_dir, "rebalances", cluster));
}

ring_is ring_in(const journal& what, const router::ring_state& active) {
    if (active.epoch < what.to.epoch) return ring_is::old;
    return active.epoch == what.to.epoch ? ring_is::changed : ring_is::taken_back;
}

router::ring_state taken_back(const journal& what) {
    auto out = what.from;
    out.epoch = what.to.epoch + 1;
    return out;
}

std::vector<router::shard_move> moves_of(const journal& what, const config::cluster& configured) {
    const auto names = names_of(configured);
    return router::merged(router::difference(ring_of(what.from, names), ring_of(what.to, names)));
}

std::shared_ptr<const router::ring_change> change_of(const journal& what, const config::cluster& configured,
                                                     bool switched) {
    auto out = std::make_shared<router::ring_change>();
    std::vector<router::arc> moving;
    std::vector<std::vector<router::arc>> hidden(configured.shards.size());
    for (const auto& each : moves_of(what, configured)) {
        const auto arcs = each.where.arcs();
        moving.insert(moving.end(), arcs.begin(), arcs.end());
        auto& there = hidden[switched ? each.source : each.target];
        there.insert(there.end(), arcs.begin(), arcs.end());
    }
    out->moving = router::arc_set(std::move(moving));
    for (auto& each : hidden) out->hidden.emplace_back(std::move(each));
    return out;
}

std::vector<std::string> joining(const journal& what) {
    std::vector<std::string> out;
    for (const auto& each : what.to.shards)
        if (!what.from.find(each.name)) out.push_back(each.name);
    return out;
}

}  // namespace ringway::proxy::rebalance
