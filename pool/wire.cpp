#include "pool/wire.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace ringway::pool {

namespace asio = boost::asio;

scratch_space& scratch() {
    thread_local const auto space = std::make_unique<scratch_space>();
    return *space;
}

wire::~wire() {
    close();
}

void wire::open(tcp_socket socket, wire_owner* owner) {
    close();
    owner_ = owner;
    broken_ = was_congested_ = false;
    boost::system::error_code ignored;
    socket.non_blocking(true, ignored);
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    fd_ = socket.native_handle();
    socket_.emplace(std::move(socket));
}

void wire::close() noexcept {
    if (!socket_) return;
    ++generation_;
    boost::system::error_code ignored;
    socket_->close(ignored);
    socket_.reset();
    tls_.reset();
    std::string().swap(kept_);
    kept_from_ = 0;
    fd_ = -1;
    reading_ = writing_ = false;
}

void wire::close_after_write() {
    if (!socket_) return;
    if (tls_ && !broken_) {
        std::string out;
        tls_->close_notify(out);
        write_raw(out);
    }
    ::shutdown(fd_, SHUT_WR);
    close();
}

void wire::want_read() {
    if (reading_ || !socket_) return;
    reading_ = true;
    socket_->async_wait(tcp_socket::wait_read,
                        [this, keep = owner_->wire_keep(), mine = generation_](const boost::system::error_code& error) {
                            if (mine != generation_) return;
                            reading_ = false;
                            if (!error) owner_->wire_readable(*this);
                        });
}

wire::got wire::read(std::string_view& plain) {
    if (!socket_) return got::end;
    auto& space = scratch();
    for (;;) {
        const ssize_t n = ::recv(fd_, space.raw, scratch_space::size, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return got::would_block;
        if (n <= 0) return got::end;
        bytes_in += static_cast<std::uint64_t>(n);
        const std::string_view raw(space.raw, static_cast<std::size_t>(n));
        if (!tls_) {
            plain = raw;
            return got::bytes;
        }
        space.plain.clear();
        std::string answer;
        const auto status = tls_->decrypt(raw, space.plain, answer);
        if (!answer.empty()) write_raw(answer);
        if (!space.plain.empty()) {
            plain = space.plain;
            return got::bytes;
        }
        if (status == protocol::tls_engine::status::closed || status == protocol::tls_engine::status::failed)
            return got::end;
    }
}

void wire::write(std::string_view plain) {
    if (!tls_) return write_raw(plain);
    std::string out;
    tls_->encrypt(plain, out);
    write_raw(out);
}

void wire::write_raw(std::string_view bytes) {
    if (!socket_ || broken_ || bytes.empty()) return;
    if (kept_.empty()) {
        while (!bytes.empty()) {
            const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n >= 0) {
                bytes_out += static_cast<std::uint64_t>(n);
                bytes.remove_prefix(static_cast<std::size_t>(n));
            } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
                break;
            } else if (errno != EINTR) {
                broken_ = true;
                arm_write();  // tells the owner from the event loop, never from inside its own call
                return;
            }
        }
        if (bytes.empty()) return;
    }
    kept_.append(bytes);
    if (congested()) was_congested_ = true;
    arm_write();
}

void wire::arm_write() {
    if (writing_ || !socket_) return;
    writing_ = true;
    socket_->async_wait(tcp_socket::wait_write,
                        [this, keep = owner_->wire_keep(), mine = generation_](const boost::system::error_code& error) {
                            if (mine != generation_) return;
                            writing_ = false;
                            if (error) broken_ = true;
                            if (broken_) return owner_->wire_broken(*this);
                            send_kept();
                        });
}

void wire::send_kept() {
    while (kept_from_ < kept_.size()) {
        const ssize_t n = ::send(fd_, kept_.data() + kept_from_, kept_.size() - kept_from_, MSG_NOSIGNAL);
        if (n >= 0) {
            bytes_out += static_cast<std::uint64_t>(n);
            kept_from_ += static_cast<std::size_t>(n);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            break;
        } else if (errno != EINTR) {
            broken_ = true;
            return owner_->wire_broken(*this);
        }
    }
    if (kept_from_ == kept_.size()) {
        std::string().swap(kept_);
        kept_from_ = 0;
    } else {
        if (kept_from_ > high_mark) {
            kept_.erase(0, kept_from_);
            kept_from_ = 0;
        }
        arm_write();
    }
    if (was_congested_ && kept() <= low_mark) {
        was_congested_ = false;
        owner_->wire_drained(*this);
    }
}

void wire::start_tls(std::unique_ptr<protocol::tls_engine> engine) {
    tls_ = std::move(engine);
}

int wire::release() {
    if (!socket_) return -1;
    ++generation_;
    reading_ = writing_ = false;
    boost::system::error_code error;
    const int descriptor = socket_->release(error);
    socket_.reset();
    fd_ = -1;
    return descriptor;
}

void wire::adopt(asio::io_context& on, int descriptor) {
    tcp_socket socket(on.get_executor());
    boost::system::error_code error;
    socket.assign(asio::ip::tcp::v4(), descriptor, error);
    if (error) {
        ::close(descriptor);
        return;
    }
    socket.non_blocking(true, error);
    fd_ = descriptor;
    socket_.emplace(std::move(socket));
    if (!kept_.empty()) arm_write();
}

bool wire::has_input_or_end() const noexcept {
    char byte = 0;
    const ssize_t n = ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

}  // namespace ringway::pool
