#include "pool/gtid.hpp"

#include <algorithm>
#include <charconv>

namespace ringway::pool {

namespace {

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blank = " \t\r\n";
    const auto from = text.find_first_not_of(blank);
    if (from == std::string_view::npos) return {};
    return text.substr(from, text.find_last_not_of(blank) - from + 1);
}

std::string_view cut(std::string_view& rest, char at) {
    const auto end = rest.find(at);
    const auto out = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    return trimmed(out);
}

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
    return out;
}

/// Each "domain-server-sequence" of a list; false: it is none.
template <typename Taken>
bool each_position(std::string_view text, const Taken& taken) {
    for (auto rest = trimmed(text); !rest.empty();) {
        auto one = cut(rest, ',');
        const auto domain = cut(one, '-'), server = cut(one, '-');
        const auto sequence = number(trimmed(one));
        if (!number(domain) || !number(server) || !sequence) return false;
        taken(domain, server, *sequence);
    }
    return true;
}

}  // namespace

std::optional<gtid_set> gtid_set::mariadb(std::string_view text) {
    gtid_set out;
    const bool read = each_position(text, [&](std::string_view domain, std::string_view, std::uint64_t sequence) {
        out.runs_[std::string(domain)] = {{1, sequence}};
    });
    return read ? std::optional(std::move(out)) : std::nullopt;
}

std::optional<gtid_set> gtid_set::mariadb_origins(std::string_view state, std::string_view applied) {
    gtid_set out;
    const auto add = [&](std::string_view domain, std::string_view server, std::uint64_t sequence) {
        auto& runs = out.runs_[std::string(domain) + '-' + std::string(server)];
        runs = {{1, runs.empty() ? sequence : std::max(sequence, runs.front().second)}};
    };
    const bool read = each_position(state, add) && each_position(applied, add);
    return read ? std::optional(std::move(out)) : std::nullopt;
}

std::optional<gtid_set> gtid_set::mysql(std::string_view text) {
    gtid_set out;
    for (auto rest = trimmed(text); !rest.empty();) {
        auto one = cut(rest, ',');
        std::string uuid(cut(one, ':'));
        std::transform(uuid.begin(), uuid.end(), uuid.begin(),
                       [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
        auto& runs = out.runs_[uuid];
        if (one.empty()) return std::nullopt;
        while (!one.empty()) {
            auto both = cut(one, ':');
            const auto from = number(cut(both, '-'));
            const auto to = both.empty() ? from : number(trimmed(both));
            if (!from || !to || *to < *from) return std::nullopt;
            runs.emplace_back(*from, *to);
        }
        std::sort(runs.begin(), runs.end());
    }
    return out;
}

bool gtid_set::contains(const gtid_set& other) const {
    return std::all_of(other.runs_.begin(), other.runs_.end(), [this](const auto& theirs) {
        const auto ours = runs_.find(theirs.first);
        if (ours == runs_.end()) return false;
        return std::all_of(theirs.second.begin(), theirs.second.end(), [&](const run& wanted) {
            return std::any_of(ours->second.begin(), ours->second.end(), [&](const run& has) {
                return has.first <= wanted.first && wanted.second <= has.second;
            });
        });
    });
}

std::uint64_t gtid_set::written_by(std::string_view origin) const {
    std::uint64_t out = 0;
    for (const auto& [name, runs] : runs_) {
        const bool in_a_domain = name.size() > origin.size() && name[name.size() - origin.size() - 1] == '-';
        if (!name.ends_with(origin) || !(in_a_domain || name.size() == origin.size())) continue;
        for (const auto& [from, to] : runs) out += to - from + 1;
    }
    return out;
}

std::uint64_t gtid_set::count() const noexcept {
    std::uint64_t out = 0;
    for (const auto& [domain, runs] : runs_)
        for (const auto& [from, to] : runs) out += to - from + 1;
    return out;
}

}  // namespace ringway::pool
