#include "proxy/cli/dump_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ringway::proxy::cli {

namespace {

constexpr std::size_t piece_bytes = 1u << 20;
constexpr std::string_view first_line = "-- PostgreSQL database dump\n",
                           last_line = "-- PostgreSQL database dump complete";

}  // namespace

std::string other_format(std::string_view bytes) {
    constexpr std::string_view by_restore = "make it plain text: pg_restore -f - FILE | ringway init --from-dump -";
    if (bytes.starts_with("PGDMP")) return fmt::format("it is in pg_dump's custom format; {}", by_restore);
    if (bytes.size() > 262 && bytes.substr(257, 5) == "ustar")
        return fmt::format("it is in pg_dump's tar format; {}", by_restore);
    if (bytes.starts_with("\x1f\x8b")) return "it is compressed; zcat FILE | ringway init --from-dump -";
    if (bytes.starts_with("\x28\xb5\x2f\xfd")) return "it is compressed; zstdcat FILE | ringway init --from-dump -";
    if (bytes.starts_with("\x04\x22\x4d\x18")) return "it is compressed; lz4cat FILE | ringway init --from-dump -";
    return {};
}

dump_file::~dump_file() {
    if (file_ > STDIN_FILENO) ::close(file_);
}

std::string dump_file::open(const std::string& path) {
    file_ = path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat found{};
    if (file_ < 0 || ::fstat(file_, &found) != 0) return std::strerror(errno);
    if (S_ISDIR(found.st_mode))
        return "it is in pg_dump's directory format; make it plain text: pg_restore -f - DIRECTORY | ringway init "
               "--from-dump -";
    start_ = ::lseek(file_, 0, SEEK_CUR);
    repeatable_ = S_ISREG(found.st_mode) && start_ >= 0;
    if (repeatable_) size_ = static_cast<std::uint64_t>(std::max<std::int64_t>(0, found.st_size - start_));
    return {};
}

std::string_view dump_file::read() {
    room_.resize(piece_bytes);
    ssize_t got = 0;
    do {
        got = ::read(file_, room_.data(), room_.size());
    } while (got < 0 && errno == EINTR);
    if (got < 0) failure_ = std::strerror(errno);
    if (got <= 0) return {};
    const auto bytes = std::string_view(room_).substr(0, static_cast<std::size_t>(got));
    if (passed_ < piece_bytes) headed_ |= bytes.find(first_line) != bytes.npos;
    passed_ += bytes.size();
    tail_ += bytes.substr(bytes.size() - std::min<std::size_t>(bytes.size(), 4096));
    if (tail_.size() > 4096) tail_.erase(0, tail_.size() - 4096);
    return bytes;
}

void dump_file::rewind() {
    ::lseek(file_, start_, SEEK_SET);
    passed_ = 0;
    headed_ = false;
    tail_.clear();
}

bool dump_file::cut_off() const noexcept {
    return headed_ && tail_.find(last_line) == std::string::npos;
}

}  // namespace ringway::proxy::cli
