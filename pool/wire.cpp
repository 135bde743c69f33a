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

void wire::open(event_loop& on, tcp_socket socket, wire_owner* owner) {
    close();
    owner_ = owner;
    broken_ = was_congested_ = false;
    boost::system::error_code ignored;
    socket.non_blocking(true, ignored);
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    const int descriptor = socket.release(ignored);
    if (descriptor >= 0) attach(on, descriptor);
}

void wire::attach(event_loop& on, int descriptor) {
    loop_ = &on;
    table_ = on.table();
    ticket_ = table_->add(*this);
    fd_ = descriptor;
    readable_ = ended_ = false;
    if (on.watch(descriptor, ticket_)) return;  // what the socket can do by now is its first event
    broken_ = writing_ = true;
    on.again(ticket_);
}

void wire::detach() noexcept {
    table_->remove(ticket_);
    table_.reset();
    fd_ = -1;
    reading_ = writing_ = false;
}

void wire::close() noexcept {
    if (fd_ < 0) return;
    ::close(fd_);
    detach();
    tls_.reset();
    coat_.reset();
    std::string().swap(kept_);
    kept_from_ = 0;
}

void wire::close_after_write() {
    if (fd_ < 0) return;
    if (tls_ && !broken_) {
        std::string out;
        tls_->close_notify(out);
        write_raw(out);
    }
    ::shutdown(fd_, SHUT_WR);
    close();
}

// Each event handler ends with its call of the owner: after that the wire may be gone.

void wire::on_writable() {
    if (!writing_) return;
    writing_ = false;
    if (broken_) return owner_->wire_broken(*this);
    send_kept();
}

void wire::on_readable(bool ended) {
    readable_ = true;
    ended_ |= ended;
    if (!reading_) return;
    reading_ = false;
    owner_->wire_readable(*this);
}

void wire::on_again() {
    if (broken_ && writing_) return on_writable();
    if (readable_ || coat_waits()) on_readable(false);
}

void wire::want_read() {
    if (reading_ || fd_ < 0) return;
    reading_ = true;
    if (readable_ || coat_waits()) loop_->again(ticket_);
}

wire::got wire::read(std::string_view& plain) {
    if (!coat_) return read_within_tls(plain);
    for (;;) {
        while (coat_->waiting()) {
            if (!coat_->next(plain)) return got::end;
            if (!plain.empty()) return got::bytes;
        }
        std::string_view bytes;
        const auto what = read_within_tls(bytes);
        if (what != got::bytes) return what;
        coat_->feed(bytes);
    }
}

wire::got wire::read_within_tls(std::string_view& plain) {
    if (fd_ < 0) return got::end;
    auto& space = scratch();
    for (;;) {
        const ssize_t n = ::recv(fd_, space.raw, scratch_space::size, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            readable_ = false;
            return got::would_block;
        }
        if (n <= 0) return got::end;
        // Less than there was room for: the socket is empty, and what comes next is an event, but for an end seen
        // before.
        if (static_cast<std::size_t>(n) < scratch_space::size && !ended_) readable_ = false;
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
    if (coat_ && !plain.empty()) plain = coat_->seal(plain);
    if (!tls_) return write_raw(plain);
    std::string out;
    tls_->encrypt(plain, out);
    write_raw(out);
}

void wire::write_raw(std::string_view bytes) {
    if (fd_ < 0 || broken_ || bytes.empty()) return;
    if (kept_.empty()) {
        while (!bytes.empty()) {
            const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n >= 0) {
                bytes_out += static_cast<std::uint64_t>(n);
                bytes.remove_prefix(static_cast<std::size_t>(n));
            } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
                break;
            } else if (errno != EINTR) {
                broken_ = writing_ = true;
                loop_->again(ticket_);
                return;
            }
        }
        if (bytes.empty()) return;
    }
    kept_.append(bytes);
    if (congested()) was_congested_ = true;
    writing_ = true;
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
        writing_ = true;
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
    if (fd_ < 0) return -1;
    const int descriptor = fd_;
    loop_->unwatch(descriptor);
    detach();
    return descriptor;
}

void wire::adopt(event_loop& on, int descriptor) {
    attach(on, descriptor);
    if (kept() > 0) writing_ = true;
}

bool wire::has_input_or_end() const noexcept {
    char byte = 0;
    const ssize_t n = ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

}  // namespace ringway::pool
