#pragma once
// `ringway init --from-dump`: loads a plain-text dump of a database through the running proxy, each row on its shard.

#include <cstdint>
#include <string>
#include <vector>

#include "proxy/cli/init.hpp"

namespace ringway::proxy::cli {

struct load_options {
    std::string file;                 ///< "-": standard input
    std::vector<std::string> accept;  ///< "first-shard", "local-unique", "foreign-keys"
    std::uint64_t from_line = 0;      ///< the first line of a part: those before it have been loaded. 0: all
};

/// Installs what `ringway init` does, checks the dump (a file: whole, before anything is changed), and loads it in
/// parts: the schema, the rows, the rest, each in one transaction on all shards. Returns the exit code: 0 when all is
/// loaded; else what has been, and how to go on, is on stderr.
int run_load(const init_options& with, const load_options& what);

}  // namespace ringway::proxy::cli
