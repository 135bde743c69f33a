#pragma once
// A PostgreSQL cluster for C++ tests, started with pg_cluster.sh and removed at the end.

#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <pqxx/pqxx>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "config/settings.hpp"

namespace ringway::tests {

/// True once `holds` is; false when it is not within `limit`. Looks every 5 ms.
inline bool eventually(const std::function<bool()>& holds, std::chrono::milliseconds limit = std::chrono::seconds{15}) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > until) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
    return true;
}

/// Shards s0, s1, ... of a primary and `replicas` replicas each, in a directory of its own; all stopped and removed at
/// its end.
class pg_cluster {
  public:
    struct node {
        std::string shard, role;
        config::endpoint address;
        std::string directory;
    };

    pg_cluster(int shards, int replicas, const std::string& environment = {}) {
        std::string name = (std::filesystem::temp_directory_path() / "ringway_pg.XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
        directory_ = name;
        run(fmt::format("{} {} up {} {} {}", environment, script(), directory_, shards, replicas));
        std::ifstream list(directory_ + "/nodes");
        for (node n; list >> n.shard >> n.role >> n.address.host >> n.address.port >> n.directory;) nodes_.push_back(n);
    }
    ~pg_cluster() {
        for (const auto& n : nodes_) cont(n);
        const std::string command = fmt::format("{} down {}", script(), directory_);
        if (std::system(command.c_str()) != 0) fmt::print(stderr, "cannot remove {}\n", directory_);
    }
    pg_cluster(const pg_cluster&) = delete;
    pg_cluster& operator=(const pg_cluster&) = delete;

    const std::vector<node>& nodes() const { return nodes_; }
    const node& at(std::size_t i) const { return nodes_.at(i); }

    /// pg_ctl: "stop -m immediate", "start", "promote", "restart -m fast".
    void ctl(const node& of, const std::string& what) const {
        run(fmt::format("{} ctl {} {} {}", script(), directory_, of.address.port, what));
    }
    /// Freezes and thaws all processes of a node.
    void stop(const node& of) const { signal_all(of, SIGSTOP); }
    void cont(const node& of) const { signal_all(of, SIGCONT); }

    std::string connection_text(const node& to, const std::string& database = "postgres") const {
        return fmt::format("host={} port={} user=postgres dbname={} connect_timeout=5", to.address.host,
                           to.address.port, database);
    }
    /// First column of the first row, "" for none.
    std::string sql(const node& on, const std::string& query, const std::string& database = "postgres") const {
        pqxx::connection connection(connection_text(on, database));
        pqxx::nontransaction work(connection);
        const pqxx::result rows = work.exec(query);
        return rows.empty() || rows[0].empty() || rows[0][0].is_null() ? "" : rows[0][0].c_str();
    }

  private:
    static std::string script() { return std::string(RINGWAY_SOURCE_DIR) + "/tests/servers/pg_cluster.sh"; }

    static void run(const std::string& command) {
        if (std::system((command + " >/dev/null").c_str()) != 0) throw std::runtime_error("failed: " + command);
    }

    // The postmaster leads a process group; its children are in groups of their own, found through /proc.
    void signal_all(const node& of, int signal) const {
        std::ifstream file(of.directory + "/postmaster.pid");
        pid_t postmaster = 0;
        if (!(file >> postmaster) || postmaster <= 1) return;
        ::kill(postmaster, signal);
        std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", postmaster));
        for (pid_t child = 0; children >> child;) ::kill(child, signal);
    }

    std::string directory_;
    std::vector<node> nodes_;
};

}  // namespace ringway::tests
