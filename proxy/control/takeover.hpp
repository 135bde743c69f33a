#pragma once
// Processes of one proxy find each other by sockets in state_dir: a successor takes the listening sockets over, and a
// CancelRequest that reaches the wrong process is passed on.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "config/fault.hpp"

namespace ringway::proxy {

/// What a peer may ask of this process.
struct peer_service {
    std::function<std::map<std::string, int>()> listening;  ///< descriptors by address text
    std::function<void(std::uint32_t pid, const std::string& key)> cancel;
    std::function<void()> taken_over;  ///< the successor is up: drain and end
};

/// Serves peers on state_dir/ringway-<pid>.sock from a thread of its own; state_dir/ringway.sock names the newest
/// process.
class peer_socket {
  public:
    peer_socket(std::string state_dir, peer_service what);
    ~peer_socket();
    peer_socket(const peer_socket&) = delete;
    peer_socket& operator=(const peer_socket&) = delete;
    /// The fault when state_dir cannot be written: no takeover then.
    std::optional<config::fault> open();
    /// Makes this process the one that successors find.
    void become_current();
    /// Asks every other process that shares state_dir.
    void cancel_elsewhere(std::uint32_t pid, const std::string& key) const;

  private:
    void serve();
    const std::string directory_, path_;
    peer_service what_;
    int socket_ = -1, wake_[2] = {-1, -1};
    std::thread thread_;
};

/// A successor's side of a takeover.
class takeover {
  public:
    /// Connects to the running process of state_dir and receives its listening descriptors.
    static std::optional<config::fault> begin(const std::string& state_dir, takeover& out);
    std::map<std::string, int> descriptors;
    /// Closes the other descriptors: nobody would accept on them.
    void keep_only(const std::set<std::string>& names);
    /// Tells the predecessor that this process serves; it drains and ends.
    void finish();
    ~takeover();

  private:
    int socket_ = -1;
};

}  // namespace ringway::proxy
