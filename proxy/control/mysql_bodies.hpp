#pragma once
// What stored routines and triggers leave behind in the session that runs them, also through one another.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "router/mysql/modes.hpp"

namespace ringway::proxy {

/// Bodies, by the words in them: who may run whom is decided by names alone, in whatever schema, so that more may seem
/// to leave something than does. Add all, then close(), then ask.
class mysql_bodies {
  public:
    /// `untold`: the servers tell of no change of a session.
    mysql_bodies(bool untold, router::mysql_modes modes) : untold_(untold), modes_(modes) {}

    /// nullopt: it is not seen. `parameters`: their names in lower case.
    void add_routine(std::string_view name, const std::optional<std::string>& body,
                     std::span<const std::string> parameters);
    void add_trigger(std::string_view schema, std::string_view table, const std::string& body);
    /// A write of it is one of its tables. Empty: the definition is not seen.
    void add_view(std::string_view schema, std::string_view name, const std::string& definition);
    void close();

    bool routine_leaves(std::string_view name) const { return routines_.contains(folded(name)); }
    /// A write of a table or a view.
    bool write_leaves(std::string_view schema, std::string_view name) const {
        return places_.contains(place(schema, name));
    }
    /// What is not seen may.
    bool unseen_leaves() const noexcept { return untold_ || !routines_.empty() || !relations_.empty(); }
    bool untold() const noexcept { return untold_; }

  private:
    struct body {
        std::string name, place;
        bool routine = false, writes = false, leaves = false;
        bool unsure = false;  ///< it may set a variable, or call what does
        bool sets = false;    ///< by its own words; clients that ask for EOFs are not told which
        std::vector<std::string> words;
    };
    using names = std::unordered_set<std::string>;

    body& add(std::string_view name, const std::optional<std::string>& text,
              std::span<const std::string> parameters = {});
    static std::string place(std::string_view schema, std::string_view name);
    static std::string folded(std::string_view name);
    static bool any_of(const body& one, const names& of);

    bool untold_;
    router::mysql_modes modes_;
    std::vector<body> bodies_;
    names routines_, relations_;  ///< of those that leave something
    names places_;                ///< of the relations, with their schemas
};

}  // namespace ringway::proxy
