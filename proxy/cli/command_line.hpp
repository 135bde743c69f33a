#pragma once
// build/ringway's command line.

#include <functional>
#include <string>

namespace ringway::proxy {

/// How to run the proxy.
struct options {
    std::string config_file;
    bool takeover = false;  ///< take over the listening sockets of the process that runs with this configuration
};

/// Reads the command line and does what it says: `run` for the proxy itself; --check, --version, `admin` and `init`
/// here. Returns the exit code: 0 done; 1 it failed (the reason is on stderr); 2 a wrong command line.
int run_command_line(int argc, char** argv, const std::function<int(const options&)>& run);

}  // namespace ringway::proxy
