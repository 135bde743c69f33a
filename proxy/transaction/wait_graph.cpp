#include "proxy/transaction/wait_graph.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace ringway::proxy {

namespace {

/// A client, or a process of somebody else's on one shard.
struct party {
    std::uint64_t client = 0;
    std::uint16_t shard = 0;
    std::uint32_t pid = 0;
    friend auto operator<=>(const party&, const party&) = default;
};

struct edge {
    party to;
    std::uint16_t shard = 0;
    std::uint32_t waiter = 0, holder = 0;
};

party party_of(std::uint64_t client, std::uint16_t shard, std::uint32_t pid) {
    return client != 0 ? party{client, 0, 0} : party{0, shard, pid};
}

class finder {
  public:
    explicit finder(const std::vector<lock_wait>& waits) {
        for (const auto& each : waits) {
            if (each.holder == 0) continue;  // a prepared transaction, which waits for nobody
            const auto from = party_of(each.waiting_client, each.shard, each.waiter);
            const auto to = party_of(each.holding_client, each.shard, each.holder);
            if (from != to) edges_[from].push_back({to, each.shard, each.waiter, each.holder});
        }
    }

    std::vector<deadlock> run() {
        std::vector<deadlock> out;
        while (find_one()) {
            out.push_back(found_);
            edges_.erase({found_.victim, 0, 0});  // it waits no longer, and what it holds is let go
            for (auto& [from, to] : edges_)
                std::erase_if(to, [this](const edge& each) { return each.to.client == found_.victim; });
        }
        return out;
    }

  private:
    bool find_one() {
        for (const auto& [start, to] : edges_) {
            path_.clear();
            done_.clear();
            if (start.client != 0 && search(start, start)) return true;
        }
        return false;
    }

    /// Depth first, from a client back to itself.
    bool search(const party& start, const party& at) {
        const auto found = edges_.find(at);
        if (found == edges_.end() || !done_.emplace(at, true).second) return false;
        for (const auto& each : found->second) {
            path_.push_back({at, each});
            if (each.to == start ? is_over_several() : search(start, each.to)) return true;
            path_.pop_back();
        }
        return false;
    }

    /// The path leads back to where it began. Step i waits on its shard, and holds what the step before waits for: over
    /// another connection, and no server sees that both are one client's.
    bool is_over_several() {
        deadlock made;
        for (std::size_t i = 0; i < path_.size(); ++i) {
            const auto& [who, waits] = path_[i];
            const auto& holds = path_[(i + path_.size() - 1) % path_.size()].second;
            if (who.client == 0) continue;
            made.clients.push_back(who.client);
            if (holds.shard != waits.shard || holds.holder != waits.waiter)
                made.victim = std::max(made.victim, who.client);
        }
        if (made.victim == 0) return false;
        std::sort(made.clients.begin(), made.clients.end());
        found_ = std::move(made);
        return true;
    }

    std::map<party, std::vector<edge>> edges_;
    std::map<party, bool> done_;
    std::vector<std::pair<party, edge>> path_;
    deadlock found_;
};

}  // namespace

std::vector<deadlock> find_deadlocks(const std::vector<lock_wait>& waits) {
    return finder(waits).run();
}

}  // namespace ringway::proxy
