#include "proxy/rebalance/state_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace ringway::proxy::rebalance {

namespace fs = std::filesystem;

namespace {

std::string failed(std::string_view what, const std::string& path) {
    return fmt::format("{} {}: {}", what, path, std::strerror(errno));
}

/// A renamed or removed file is so for good when its directory is on the disk.
bool sync_directory(const fs::path& path) {
    const int directory = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return false;
    const bool ok = ::fsync(directory) == 0;
    ::close(directory);
    return ok;
}

bool write_all(int to, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto n = ::write(to, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

}  // namespace

std::optional<std::string> read_state(const std::string& path, std::string& why) {
    why.clear();
    const int from = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (from < 0) {
        if (errno != ENOENT && errno != ENOTDIR) why = failed("cannot read", path);
        return std::nullopt;
    }
    std::string out;
    char piece[4096];
    for (;;) {
        const auto n = ::read(from, piece, sizeof piece);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) why = failed("cannot read", path);
        if (n <= 0) break;
        out.append(piece, static_cast<std::size_t>(n));
    }
    ::close(from);
    if (!why.empty()) return std::nullopt;
    return out;
}

std::optional<std::string> write_state(const std::string& path, std::string_view content) {
    const fs::path at(path);
    std::error_code error;
    fs::create_directories(at.parent_path(), error);
    if (error) return fmt::format("cannot make {}: {}", at.parent_path().string(), error.message());
    const auto next = path + ".next";
    const int to = ::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to < 0) return failed("cannot write", next);
    const bool written = write_all(to, content) && ::fsync(to) == 0;
    auto why = written ? std::string() : failed("cannot write", next);
    ::close(to);
    if (!written) return why;
    if (::rename(next.c_str(), path.c_str()) != 0) return failed("cannot replace", path);
    if (!sync_directory(at.parent_path())) return failed("cannot write", at.parent_path().string());
    return std::nullopt;
}

std::optional<std::string> remove_state(const std::string& path) {
    if (::unlink(path.c_str()) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
        return failed("cannot remove", path);
    }
    if (!sync_directory(fs::path(path).parent_path())) return failed("cannot write", path);
    return std::nullopt;
}

std::string state_path(const std::string& state_dir, std::string_view kind, std::string_view cluster) {
    std::string name;
    for (const char c : cluster) {
        const bool plain =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        name += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return fmt::format("{}/{}/{}", state_dir, kind, name);
}

state_lock::~state_lock() {
    if (file_ >= 0) ::close(file_);
}

std::optional<std::string> state_lock::share(const std::string& state_dir) {
    std::error_code error;
    fs::create_directories(state_dir, error);
    if (error) return fmt::format("cannot make {}: {}", state_dir, error.message());
    const auto path = state_dir + "/ring.lock";
    file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file_ < 0) return failed("cannot write", path);
    while (::flock(file_, LOCK_SH) != 0)
        if (errno != EINTR) return failed("cannot lock", path);
    return std::nullopt;
}

/// Asking for all of it may give up what was held, which share_again() takes back; who changes the ring in between
/// holds all of it, and no process does so beside another that serves.
bool state_lock::take_alone() {
    if (file_ < 0) return false;
    if (::flock(file_, LOCK_EX | LOCK_NB) == 0) return true;
    share_again();
    return false;
}

void state_lock::share_again() {
    if (file_ < 0) return;
    while (::flock(file_, LOCK_SH) != 0 && errno == EINTR) {
    }
}

}  // namespace ringway::proxy::rebalance
