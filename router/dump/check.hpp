#pragma once
// Whether what a dump makes can stand on the shards of a cluster, and mean there what it meant on one server.

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "router/catalog.hpp"
#include "router/dump/facts.hpp"
#include "router/keys.hpp"
#include "router/plan.hpp"

namespace ringway::router::dump {

/// What an operator takes in place of a mistake.
struct accepted {
    bool first_shard = false;   ///< tables that the map lacks
    bool local_unique = false;  ///< keys that are unique on each shard only
    bool left_out = false;      ///< foreign keys that shards cannot check are not made
};

/// Why a statement cannot be loaded, and what to do.
struct mistake {
    std::uint64_t line = 0;
    std::string what, hint;
};

class checker {
  public:
    checker(const config::cluster& of, accepted with);

    /// The next statement of the dump, which begins at a line.
    void add(const facts& of, std::uint64_t line);
    /// What is wrong with those added since the last time, by their lines. Tables of one part (a schema) may name each
    /// other in any order: ask when it is whole.
    std::vector<mistake> settle();
    /// Whether a statement is one that `accepted::left_out` stands for. After settle().
    bool leaves_out(const facts& of) const;
    /// Tables of the map that the dump has not made.
    std::vector<std::string> absent() const;

  private:
    struct noted {
        std::uint64_t line = 0;
        facts what;
    };
    void refresh();
    void judge(const noted& of);
    void judge(const new_relation& made, std::uint64_t line);
    void judge(const sole& one, std::uint64_t line);
    void judge(const reference& one, std::uint64_t line);
    bool checkable(const reference& one) const;
    table_meaning meaning(const std::string& name) const;
    const config::table& entry(const table_meaning& of) const { return map_->tables[of.map_index]; }
    void say(std::uint64_t line, std::string what, std::string hint);

    std::string cluster_;
    accepted with_;
    std::shared_ptr<const shard_map> map_;
    std::vector<noted> added_;
    std::map<std::string, std::set<std::string>> relations_;        ///< that have been made, with their parents
    std::map<std::string, std::vector<std::string>> primary_keys_;  ///< by table
    catalog known_;
    std::vector<std::string> path_{"public"};
    bool stale_ = false;
    std::vector<mistake> found_;
};

}  // namespace ringway::router::dump
