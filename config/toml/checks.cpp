// What no section can say alone.

#include <fmt/format.h>

#include <algorithm>

#include "config/nearest.hpp"
#include "config/toml/secrets.hpp"
#include "config/toml/sections.hpp"

namespace ringway::config::source {

namespace {

bool serves(const settings& all, engine which) {
    return std::any_of(all.clusters.begin(), all.clusters.end(),
                       [&](const cluster& one) { return one.engine == which; });
}

secret_form stored_form(const user& of) {
    std::string ignored;
    return form_of(of.password, ignored);
}

/// "*" among its clusters: whatever there is.
bool names_any(const user& of) {
    return std::find(of.clusters.begin(), of.clusters.end(), "*") != of.clusters.end();
}

/// The clusters a user may use.
std::vector<const cluster*> clusters_of(const settings& all, const user& of) {
    std::vector<const cluster*> out;
    if (of.clusters.empty() || names_any(of))
        for (const auto& one : all.clusters) out.push_back(&one);
    else
        for (const auto& name : of.clusters)
            if (const auto* found = all.find_cluster(name)) out.push_back(found);
    return out;
}

bool may_use(const settings& all, const user& who, const cluster& what) {
    const auto theirs = clusters_of(all, who);
    return std::find(theirs.begin(), theirs.end(), &what) != theirs.end();
}

/// Some rule of [[hba]] has one of these methods; without rules all is scram-sha-256.
bool has_method(const settings& all, std::initializer_list<auth_method> methods) {
    return std::any_of(all.hba.begin(), all.hba.end(), [&](const hba_rule& rule) {
        return std::find(methods.begin(), methods.end(), rule.method) != methods.end();
    });
}

class whole_check {
  public:
    whole_check(const settings& all, report& mistakes) : all_(all), mistakes_(mistakes) {}

    void run() {
        check_presence();
        for (const auto& one : all_.users) check_user(one);
        for (const auto& one : all_.clusters) check_cluster(one);
        for (std::size_t i = 0; i < all_.hba.size(); ++i)
            check_rule(all_.hba[i], rule_path(i + 1), fmt::format("[[hba]] rule {}:", i + 1));
    }

  private:
    void check_presence() {
        if (all_.clusters.empty() && !mistakes_.broken("clusters"))
            mistakes_.add_at("clusters", "there is nothing to serve; describe a database in [clusters.NAME]");
        if (all_.users.empty() && !mistakes_.broken("users"))
            mistakes_.add_at("users", "nobody could log in; describe a user in [users.NAME]");
        check_port(engine::postgres, all_.listen.postgres.has_value(), "postgres", "127.0.0.1:6432");
        check_port(engine::mysql, all_.listen.mysql.has_value(), "mysql", "127.0.0.1:6433");
    }

    void check_port(engine which, bool listens, std::string_view key, std::string_view example) {
        if (listens || !serves(all_, which) || mistakes_.broken("listen") || mistakes_.broken(join("listen", key)))
            return;
        mistakes_.add_at("listen", fmt::format("[listen] has no {0}, but there are {0} clusters; write {0} = \"{1}\"",
                                               key, example));
    }

    void check_cluster(const cluster& of) {
        const auto path = join("clusters", of.name);
        if (of.name == "ringway")
            mistakes_.add_at(path,
                             fmt::format("[{}] cannot be reached: \"ringway\" is the admin port's database; choose "
                                         "another name, and set database = \"ringway\"",
                                         path));
        if (of.pool.min_idle > of.pool.size) check_idle(of, path);
        if (of.monitor_user.empty() && of.auth_user.empty() && !all_.users.empty() && !has_monitor(of) &&
            !mistakes_.broken(join(path, "monitor_user")))
            mistakes_.add_at(path,
                             fmt::format("[{}] has nobody to watch its servers as: no user with a plain password; "
                                         "set monitor_user and monitor_password",
                                         path));
    }

    /// Reported where it is said: in the cluster, or once in [general].
    void check_idle(const cluster& of, const std::string& path) {
        auto place = join(path, "min_idle");
        if (mistakes_.line_of(place) == 0) place = join(path, "pool_size");
        if (mistakes_.line_of(place) == 0) place = "general.min_idle";
        if (mistakes_.broken(place)) return;
        mistakes_.add_at(place, fmt::format("[{}] min_idle: {} connections do not fit a pool_size of {}", path,
                                            of.pool.min_idle, of.pool.size));
    }

    /// Health and lag are watched as the first user who can log in at the servers without a client.
    bool has_monitor(const cluster& of) const {
        return std::any_of(all_.users.begin(), all_.users.end(), [&](const user& who) {
            const auto path = join("users", who.name);
            const bool can = !who.server_password.empty() || stored_form(who) == secret_form::plain;
            const bool unread =
                mistakes_.broken(join(path, "password")) || mistakes_.broken(join(path, "server_password"));
            const bool here = may_use(all_, who, of) || mistakes_.broken(join(path, "clusters"));
            return who.name != "*" && (can || unread) && here;
        });
    }

    void check_user(const user& of) {
        const auto path = join("users", of.name);
        check_names(path, fmt::format("[{}]", path), "clusters", of.clusters, cluster_names());
        if (mistakes_.broken(path) || mistakes_.broken(join(path, "password"))) return;
        check_login(of, path);
        check_pool(of, path);
    }

    /// Somebody who can never log in is a mistake.
    void check_login(const user& of, const std::string& path) {
        const bool open = has_method(all_, {auth_method::trust, auth_method::certificate});
        if (stored_form(of) == secret_form::md5 && !open && !has_method(all_, {auth_method::md5, auth_method::plain}))
            mistakes_.add_at(
                join(path, "password"),
                fmt::format("[{}] password: an md5 verifier cannot answer scram-sha-256; add an [[hba]] rule with "
                            "method = \"md5\", or store a SCRAM verifier",
                            path));
        if (!of.password.empty() || open) return;
        if (of.name == "*")
            check_anybody(of, path);
        else if (!any_auth_query(of))
            mistakes_.add_at(
                path, fmt::format("[{}] can never log in: set a password, or an auth_query in its clusters", path));
    }

    /// MySQL's servers check passwords themselves.
    static bool asks_servers(const cluster& of) { return of.engine == engine::mysql || !of.auth_query.empty(); }

    bool any_auth_query(const user& of) const {
        const auto theirs = clusters_of(all_, of);
        return std::any_of(theirs.begin(), theirs.end(), [](const cluster* one) { return asks_servers(*one); });
    }

    /// "*": in every cluster it names, or in one at least when it names none.
    void check_anybody(const user& of, const std::string& path) {
        const bool any = of.clusters.empty() || names_any(of);
        if (any && !any_auth_query(of) && !all_.clusters.empty())
            mistakes_.add_at(
                path, fmt::format("[{}] needs a cluster with an auth_query, which checks everybody's passwords", path));
        if (any) return;
        for (const auto* one : clusters_of(all_, of)) {
            const auto missing = join(join("clusters", one->name), "auth_query");
            if (asks_servers(*one) || mistakes_.broken(missing)) continue;
            mistakes_.add_at(path, fmt::format("[{}] needs an auth_query in [{}], which checks everybody's passwords",
                                               path, join("clusters", one->name)));
        }
    }

    void check_pool(const user& of, const std::string& path) {
        if (!of.over.pool_size && !of.over.min_idle) return;
        for (const auto* one : clusters_of(all_, of)) {
            const auto size = of.over.pool_size.value_or(one->pool.size);
            const auto idle = of.over.min_idle.value_or(one->pool.min_idle);
            if (idle <= size) continue;
            const auto key = of.over.min_idle ? "min_idle" : "pool_size";
            mistakes_.add_at(join(path, key),
                             fmt::format("[{}] {}: min_idle {} does not fit pool_size {} (cluster \"{}\")", path, key,
                                         idle, size, one->name));
            return;
        }
    }

    void check_rule(const hba_rule& rule, const std::string& path, const std::string& title) {
        auto known = cluster_names();
        known.emplace_back("ringway");  // the admin port's database
        check_names(path, title, "clusters", rule.clusters, known);
        const bool anybody = all_.find_user("*") != nullptr;
        std::vector<std::string_view> users;
        for (const auto& one : all_.users) users.emplace_back(one.name);
        if (!anybody) check_known(path, title, "users", rule.users, users);
        if (!mistakes_.broken("client_tls") && !mistakes_.broken("client_tls.mode")) check_rule_tls(rule, path, title);
    }

    void check_rule_tls(const hba_rule& rule, const std::string& path, const std::string& title) {
        const auto mode = all_.client_tls.mode;
        const bool always = mode != tls_mode::disable && mode != tls_mode::allow;
        const auto wrong = [&](std::string_view key, std::string_view text) {
            mistakes_.add_at(join(path, key), fmt::format("{} {}: {}", title, key, text));
        };
        if (rule.tls_only && mode == tls_mode::disable)
            wrong("type", "\"hostssl\" never matches without TLS; set [client_tls] mode");
        if (rule.no_tls_only && always)
            wrong("type", "\"hostnossl\" never matches where [client_tls] mode asks everybody for TLS");
        if (rule.method == auth_method::plain && !rule.tls_only && !always)
            wrong("method", "\"plain\" sends the password in the clear; set type = \"hostssl\"");
        if (rule.method == auth_method::certificate && (rule.no_tls_only || mode != tls_mode::verify_ca))
            wrong("method", "\"certificate\" needs [client_tls] mode = \"verify-ca\" and ca, so that clients show one");
    }

    std::vector<std::string_view> cluster_names() const {
        std::vector<std::string_view> out;
        for (const auto& one : all_.clusters) out.emplace_back(one.name);
        return out;
    }

    /// Names of clusters; with a cluster "*" any name is one.
    void check_names(const std::string& path, const std::string& title, std::string_view key,
                     const std::vector<std::string>& names, const std::vector<std::string_view>& known) {
        if (std::find(known.begin(), known.end(), "*") == known.end()) check_known(path, title, key, names, known);
    }

    void check_known(const std::string& path, const std::string& title, std::string_view key,
                     const std::vector<std::string>& names, const std::vector<std::string_view>& known) {
        for (const auto& name : names) {
            if (std::find(known.begin(), known.end(), name) != known.end() || (key == "clusters" && name == "*"))
                continue;
            const auto what = key == "users" ? "user" : "cluster";
            mistakes_.add_at(join(path, key), fmt::format("{} {}: there is no {} \"{}\"{}", title, key, what, name,
                                                          suggestion(name, known)));
        }
    }

    const settings& all_;
    report& mistakes_;
};

}  // namespace

void check_whole(const settings& all, report& mistakes) {
    whole_check(all, mistakes).run();
}

}  // namespace ringway::config::source
