#include "config/change.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace ringway::config {

namespace {

template <typename Entry>
const Entry* find_exact(const std::vector<Entry>& entries, const std::string& name) {
    const auto found = std::find_if(entries.begin(), entries.end(), [&](const Entry& one) { return one.name == name; });
    return found == entries.end() ? nullptr : &*found;
}

template <typename Entry>
name_changes compare_entries(const std::vector<Entry>& now, const std::vector<Entry>& next) {
    name_changes out;
    for (const auto& one : next) {
        const auto* before = find_exact(now, one.name);
        if (before == nullptr)
            out.added.push_back(one.name);
        else if (!(*before == one))
            out.changed.push_back(one.name);
    }
    for (const auto& one : now)
        if (find_exact(next, one.name) == nullptr) out.removed.push_back(one.name);
    return out;
}

/// Collects the settings that only a restart changes.
class restart_list {
  public:
    void add(std::string_view key, const std::optional<endpoint>& now, const std::optional<endpoint>& next) {
        if (now != next) add_text(key, text(now), text(next));
    }
    void add(std::string_view key, const std::string& now, const std::string& next) {
        if (now != next) add_text(key, fmt::format("\"{}\"", now), fmt::format("\"{}\"", next));
    }
    void add(std::string_view key, std::uint64_t now, std::uint64_t next) {
        if (now != next) add_text(key, fmt::to_string(now), fmt::to_string(next));
    }
    std::vector<std::string> take() { return std::move(texts_); }

  private:
    static std::string text(const std::optional<endpoint>& at) {
        return at ? fmt::format("\"{}\"", at->text()) : std::string("nothing");
    }
    void add_text(std::string_view key, const std::string& now, const std::string& next) {
        texts_.push_back(fmt::format("{}: {} stays until a restart (the file says {})", key, now, next));
    }
    std::vector<std::string> texts_;
};

std::vector<std::string> needs_restart(const settings& now, const settings& next) {
    restart_list list;
    list.add("[listen] postgres", now.listen.postgres, next.listen.postgres);
    list.add("[listen] mysql", now.listen.mysql, next.listen.mysql);
    list.add("[listen] admin", now.listen.admin, next.listen.admin);
    list.add("[listen] admin_mysql", now.listen.admin_mysql, next.listen.admin_mysql);
    list.add("[listen] http", now.listen.http, next.listen.http);
    list.add("[general] workers", now.general.workers, next.general.workers);
    list.add("[general] state_dir", now.general.state_dir, next.general.state_dir);
    list.add("[general] plan_cache_entries", now.general.plan_cache_entries, next.general.plan_cache_entries);
    return list.take();
}

/// [general] without what needs a restart.
general reloadable(general from) {
    const general standard;
    from.workers = standard.workers;
    from.state_dir = standard.state_dir;
    from.plan_cache_entries = standard.plan_cache_entries;
    return from;
}

}  // namespace

bool change::none() const {
    return restart.empty() && clusters.none() && users.none() && !general && !client_tls && !hba && !proxy_protocol;
}

change compare(const settings& now, const settings& next) {
    change out;
    out.restart = needs_restart(now, next);
    out.clusters = compare_entries(now.clusters, next.clusters);
    out.users = compare_entries(now.users, next.users);
    out.general = !(reloadable(now.general) == reloadable(next.general));
    out.client_tls = !(now.client_tls == next.client_tls);
    out.hba = now.hba != next.hba;
    out.proxy_protocol = now.listen.proxy_protocol != next.listen.proxy_protocol;
    return out;
}

settings without_restart(const settings& now, settings next) {
    auto networks = std::move(next.listen.proxy_protocol);
    next.listen = now.listen;
    next.listen.proxy_protocol = std::move(networks);
    next.general.workers = now.general.workers;
    next.general.state_dir = now.general.state_dir;
    next.general.plan_cache_entries = now.general.plan_cache_entries;
    return next;
}

namespace {

void add(std::vector<std::string>& parts, std::string_view what, const name_changes& of) {
    std::vector<std::string> counts;
    const auto count = [&](const std::vector<std::string>& names, std::string_view how) {
        if (!names.empty()) counts.push_back(fmt::format("{} {} ({})", names.size(), how, fmt::join(names, ", ")));
    };
    count(of.added, "added");
    count(of.removed, "removed");
    count(of.changed, "changed");
    if (!counts.empty()) parts.push_back(fmt::format("{}: {}", what, fmt::join(counts, ", ")));
}

}  // namespace

std::string summary(const change& of) {
    std::vector<std::string> parts;
    add(parts, "clusters", of.clusters);
    add(parts, "users", of.users);
    if (of.general) parts.emplace_back("[general]");
    if (of.client_tls) parts.emplace_back("[client_tls]");
    if (of.hba) parts.emplace_back("[[hba]]");
    if (of.proxy_protocol) parts.emplace_back("[listen] proxy_protocol");
    return parts.empty() ? "nothing has changed" : fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace ringway::config
