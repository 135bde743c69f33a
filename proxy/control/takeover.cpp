#include "proxy/control/takeover.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

namespace ringway::proxy {

namespace fs = std::filesystem;
using config::fault;
using config::fault_kind;

namespace {

constexpr std::size_t most_listeners = 16;
constexpr std::size_t longest_message = 4096;
constexpr int patience_ms = 5000;

bool fill(sockaddr_un& at, const std::string& path) {
    std::memset(&at, 0, sizeof at);
    at.sun_family = AF_UNIX;
    if (path.size() >= sizeof at.sun_path) return false;
    std::memcpy(at.sun_path, path.c_str(), path.size() + 1);
    return true;
}

int connect_to(const std::string& path) {
    sockaddr_un at;
    if (!fill(at, path)) return -1;
    const int s = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (s < 0) return -1;
    timeval limit{patience_ms / 1000, 0};
    ::setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (::connect(s, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0) return s;
    ::close(s);
    return -1;
}

/// One message with descriptors: their names, a line each.
bool send_descriptors(int to, const std::map<std::string, int>& what) {
    std::string names;
    std::vector<int> numbers;
    for (const auto& [name, number] : what) {
        names += name + "\n";
        numbers.push_back(number);
    }
    if (numbers.size() > most_listeners) return false;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * most_listeners)> space{};
    iovec data{names.data(), names.size()};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = space.data();
    message.msg_controllen = CMSG_SPACE(sizeof(int) * numbers.size());
    auto* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * numbers.size());
    std::memcpy(CMSG_DATA(header), numbers.data(), sizeof(int) * numbers.size());
    return ::sendmsg(to, &message, MSG_NOSIGNAL) >= 0;
}

bool receive_descriptors(int from, std::map<std::string, int>& out) {
    std::array<char, longest_message> names{};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * most_listeners)> space{};
    iovec data{names.data(), names.size()};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = space.data();
    message.msg_controllen = space.size();
    const auto n = ::recvmsg(from, &message, MSG_CMSG_CLOEXEC);
    if (n <= 0) return false;
    std::vector<int> numbers;
    for (auto* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        numbers.resize((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        std::memcpy(numbers.data(), CMSG_DATA(header), numbers.size() * sizeof(int));
    }
    std::string_view rest(names.data(), static_cast<std::size_t>(n));
    for (const int number : numbers) {
        const auto end = rest.find('\n');
        if (end == std::string_view::npos) return false;
        out.emplace(std::string(rest.substr(0, end)), number);
        rest.remove_prefix(end + 1);
    }
    return true;
}

std::string to_hex(const std::string& bytes) {
    std::string out;
    for (const char byte : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    return out;
}

std::string from_hex(std::string_view text) {
    std::string out;
    const auto digit = [](char c) { return c >= 'a' ? c - 'a' + 10 : c - '0'; };
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        out += static_cast<char>(digit(text[i]) * 16 + digit(text[i + 1]));
    return out;
}

}  // namespace

peer_socket::peer_socket(std::string state_dir, peer_service what)
    : directory_(std::move(state_dir)),
      path_(fmt::format("{}/ringway-{}.sock", directory_, ::getpid())),
      what_(std::move(what)) {}

peer_socket::~peer_socket() {
    if (thread_.joinable()) {
        const char stop = 0;
        if (::write(wake_[1], &stop, 1) == 1)
            thread_.join();
        else
            thread_.detach();
    }
    for (const int each : {socket_, wake_[0], wake_[1]})
        if (each >= 0) ::close(each);
    if (socket_ < 0) return;
    ::unlink(path_.c_str());
    std::error_code ignored;
    if (fs::read_symlink(directory_ + "/ringway.sock", ignored) == fs::path(path_).filename())
        fs::remove(directory_ + "/ringway.sock", ignored);
}

std::optional<fault> peer_socket::open() {
    std::error_code error;
    fs::create_directories(directory_, error);
    sockaddr_un at;
    const auto failed = [&](std::string_view why) {
        if (socket_ >= 0) ::close(socket_);
        socket_ = -1;
        return fault{fault_kind::invalid_parameter,
                     fmt::format("state_dir \"{}\" cannot be used: {}", directory_, why),
                     {},
                     "without it no other process can take over, and cancels do not reach other processes"};
    };
    if (!fill(at, path_)) return failed("its path is too long for a socket");
    socket_ = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    ::unlink(path_.c_str());
    const auto mask = ::umask(0077);
    const bool bound =
        socket_ >= 0 && ::bind(socket_, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0 && ::listen(socket_, 16) == 0;
    const auto why = std::string(std::strerror(errno));
    ::umask(mask);
    if (!bound || ::pipe(wake_) != 0) return failed(why);
    thread_ = std::thread([this] { serve(); });
    return std::nullopt;
}

void peer_socket::become_current() {
    if (socket_ < 0) return;
    std::error_code ignored;
    const auto fresh = path_ + ".new";
    fs::remove(fresh, ignored);
    fs::create_symlink(fs::path(path_).filename(), fresh, ignored);
    fs::rename(fresh, directory_ + "/ringway.sock", ignored);
}

void peer_socket::serve() {
    std::vector<pollfd> waiting{{socket_, POLLIN, 0}, {wake_[0], POLLIN, 0}};
    const auto drop = [&](std::size_t i) {
        ::close(waiting[i].fd);
        waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(i));
    };
    for (;;) {
        if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) break;
        if (waiting[1].revents) break;
        for (std::size_t i = waiting.size(); i-- > 2;) {
            if (!waiting[i].revents) continue;
            std::array<char, longest_message> bytes{};
            const auto n = ::recv(waiting[i].fd, bytes.data(), bytes.size(), 0);
            const std::string_view message(bytes.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
            if (message == "takeover") {
                if (!send_descriptors(waiting[i].fd, what_.listening())) drop(i);
            } else if (message == "serving") {
                drop(i);
                what_.taken_over();
            } else {
                if (message.starts_with("cancel ")) {
                    const auto space = message.find(' ', 7);
                    if (space != std::string_view::npos)
                        what_.cancel(static_cast<std::uint32_t>(
                                         std::strtoul(std::string(message.substr(7, space - 7)).c_str(), nullptr, 10)),
                                     from_hex(message.substr(space + 1)));
                }
                drop(i);
            }
        }
        if (waiting[0].revents & POLLIN) {
            const int peer = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
            if (peer >= 0) waiting.push_back({peer, POLLIN, 0});
        }
    }
    while (waiting.size() > 2) drop(2);
}

void peer_socket::cancel_elsewhere(std::uint32_t pid, const std::string& key) const {
    if (socket_ < 0) return;
    const auto message = fmt::format("cancel {} {}", pid, to_hex(key));
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(directory_, error)) {
        const auto name = entry.path().filename().string();
        if (!name.starts_with("ringway-") || !name.ends_with(".sock") || entry.path() == path_) continue;
        const int peer = connect_to(entry.path().string());
        if (peer < 0) continue;
        [[maybe_unused]] const auto sent = ::send(peer, message.data(), message.size(), MSG_NOSIGNAL);
        ::close(peer);
    }
}

std::optional<fault> takeover::begin(const std::string& state_dir, takeover& out) {
    out.socket_ = connect_to(state_dir + "/ringway.sock");
    static constexpr std::string_view ask = "takeover";
    if (out.socket_ < 0 || ::send(out.socket_, ask.data(), ask.size(), MSG_NOSIGNAL) < 0 ||
        !receive_descriptors(out.socket_, out.descriptors))
        return fault{fault_kind::cannot_connect,
                     fmt::format("no running process answers at {}/ringway.sock", state_dir),
                     {},
                     "start without --takeover"};
    return std::nullopt;
}

void takeover::keep_only(const std::set<std::string>& names) {
    std::erase_if(descriptors, [&](const auto& entry) {
        if (names.count(entry.first)) return false;
        ::close(entry.second);
        return true;
    });
}

void takeover::finish() {
    if (socket_ < 0) return;
    static constexpr std::string_view serving = "serving";
    [[maybe_unused]] const auto sent = ::send(socket_, serving.data(), serving.size(), MSG_NOSIGNAL);
    ::close(socket_);
    socket_ = -1;
}

takeover::~takeover() {
    if (socket_ >= 0) ::close(socket_);
}

}  // namespace ringway::proxy
