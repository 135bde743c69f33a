#pragma once
// Small files below state_dir that must be there whole, or as they were before, whatever happens meanwhile.

#include <optional>
#include <string>
#include <string_view>

namespace ringway::proxy::rebalance {

/// A file's whole content. nullopt: there is none. `why` is set when it is there and cannot be read.
std::optional<std::string> read_state(const std::string& path, std::string& why);

/// Replaces the file at once, and returns when it is on the disk; directories are made. The answer says why it failed.
std::optional<std::string> write_state(const std::string& path, std::string_view content);

/// Nothing to remove is no failure.
std::optional<std::string> remove_state(const std::string& path);

/// "<state_dir>/<kind>/<cluster>", with what is no letter, digit, - or _ of the name written as %XX.
std::string state_path(const std::string& state_dir, std::string_view kind, std::string_view cluster);

/// Held by each process that serves with a state_dir, so that no other changes the ring under it.
class state_lock {
  public:
    state_lock() = default;
    ~state_lock();
    state_lock(const state_lock&) = delete;
    state_lock& operator=(const state_lock&) = delete;

    /// Waits for a process that is just changing the ring. The answer says why it failed.
    std::optional<std::string> share(const std::string& state_dir);
    /// Keeps others from sharing it until share_again(). False: one shares it already.
    bool take_alone();
    void share_again();

  private:
    int file_ = -1;
};

}  // namespace ringway::proxy::rebalance
