#pragma once
// What a reload changes: one settings value compared with another.

#include <string>
#include <vector>

#include "config/settings.hpp"

namespace ringway::config {

/// Names of entries, those of `changed` and `added` in the new file's order, `removed` in the old one's.
struct name_changes {
    std::vector<std::string> added, removed, changed;
    bool none() const { return added.empty() && removed.empty() && changed.empty(); }
};

/// A value; says nothing of the settings it was made from but names and what differs.
struct change {
    /// What stays as it was until a restart, one text each: `[listen] postgres: "127.0.0.1:6432" stays until a restart
    /// (the file says "127.0.0.1:7432")`. Empty: the reload takes everything.
    std::vector<std::string> restart;
    name_changes clusters, users;
    bool general = false;     ///< something of [general] that a reload takes
    bool client_tls = false;  ///< the settings; the files behind them may have changed without it
    bool hba = false;
    bool proxy_protocol = false;
    bool none() const;  ///< the two are equal in everything
};

/// `now` are the settings in force, `next` those just read.
change compare(const settings& now, const settings& next);

/// `next` as a reload puts it in force: what needs a restart stays as it is `now`.
settings without_restart(const settings& now, settings next);

/// One line of what changes, for the log: `clusters: 1 added (shop); users: 2 changed (app, bob)`.
std::string summary(const change& of);

}  // namespace ringway::config
