#pragma once
// `ringway init`: installs ringway_position(text) on every shard, so that plain SQL there can say where a key stands.

#include <string>
#include <vector>

#include "config/settings.hpp"

namespace ringway::proxy::cli {

struct init_options {
    std::string config_file;
    std::string cluster;  ///< empty: all
    std::string user,
        password;  ///< a role that may create functions in the schema public; empty: the cluster's monitor_user
};

/// What became of one shard; or, in the place of a shard, of a sequence.
struct init_report {
    std::string cluster, shard;
    std::string node;  ///< the primary; empty when none was found
    bool done = false;
    std::string message;  ///< why not, or "installed"
};

/// Tries each node of each shard until one is primary, and creates the functions there; then gives the shards their
/// numbers (cli/numbers.hpp). Each attempt is bounded by connect_timeout.
std::vector<init_report> install_position_function(const config::settings& in, const init_options& with);

/// Installs and prints a line a shard. Returns the exit code: 0 when every shard has it.
int run_init(const init_options& with);

}  // namespace ringway::proxy::cli
