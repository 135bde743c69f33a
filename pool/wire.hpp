#pragma once
// A TCP connection with optional TLS, for either side. It holds no buffer while nothing is under way: bytes are read
// into the worker's scratch space when the socket is ready, and only what the peer did not take is kept.

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/tls.hpp"

namespace ringway::pool {

using tcp_socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

class wire;

/// Told by a wire, on its worker, what happened. A wire may be closed inside any of these calls.
class wire_owner {
  public:
    virtual ~wire_owner() = default;
    virtual void wire_readable(
        wire& from) = 0;  ///< there may be bytes: call read() until it says would_block, or pause
    virtual void wire_drained(
        wire& from) = 0;  ///< what was kept for the peer has been taken, after congested() was true
    virtual void wire_broken(wire& from) = 0;  ///< a send failed; reading shows nothing further
    /// Keeps the owner alive while an operation is under way.
    virtual std::shared_ptr<void> wire_keep() = 0;
};

/// Not thread-safe: belongs to one worker at a time; release() and adopt() move it.
class wire {
  public:
    /// Bytes kept for a slow peer before congested() turns true, and the level at which wire_drained comes.
    static constexpr std::size_t high_mark = 256 * 1024;
    static constexpr std::size_t low_mark = high_mark / 2;

    wire() = default;
    wire(const wire&) = delete;
    wire& operator=(const wire&) = delete;
    ~wire();

    void open(tcp_socket socket, wire_owner* owner);
    void set_owner(wire_owner* owner) noexcept { owner_ = owner; }
    bool is_open() const noexcept { return socket_.has_value(); }
    void close() noexcept;
    /// Sends what is kept if the peer takes it at once, then closes.
    void close_after_write();

    /// Asks for one wire_readable. Idempotent until it came.
    void want_read();
    bool read_wanted() const noexcept { return reading_; }

    enum class got : std::uint8_t { bytes, would_block, end };
    /// Reads once, without waiting. `plain` is valid until the next read on this thread.
    got read(std::string_view& plain);

    /// Sends now as much as the peer takes and keeps the rest.
    void write(std::string_view plain);
    bool congested() const noexcept { return kept_.size() - kept_from_ >= high_mark; }
    bool broken() const noexcept { return broken_; }
    std::size_t kept() const noexcept { return kept_.size() - kept_from_; }

    /// From now on the connection is encrypted; the handshake has been done with `engine`. `early`: wire bytes read
    /// past its end.
    void start_tls(std::unique_ptr<protocol::tls_engine> engine);
    protocol::tls_engine* tls() const noexcept { return tls_.get(); }
    /// Sends bytes as they are, beneath TLS (handshake records).
    void write_raw(std::string_view bytes);

    /// Takes the socket off its worker: the descriptor is owned by the caller until adopt(). No operation may be
    /// awaited afterwards.
    int release();
    void adopt(boost::asio::io_context& on, int descriptor);
    int descriptor() const noexcept { return fd_; }
    /// True when the peer has closed or sent something unasked: looked at without waiting or reading.
    bool has_input_or_end() const noexcept;

    std::uint64_t bytes_in = 0, bytes_out = 0;

  private:
    void send_kept();
    void arm_write();

    std::optional<tcp_socket> socket_;
    wire_owner* owner_ = nullptr;
    std::unique_ptr<protocol::tls_engine> tls_;
    std::string kept_;
    std::size_t kept_from_ = 0;
    int fd_ = -1;
    std::uint32_t generation_ = 0;  ///< of the socket: an operation of an earlier one is ignored
    bool reading_ = false, writing_ = false, broken_ = false, was_congested_ = false;
};

/// This thread's space for bytes just read.
struct scratch_space {
    static constexpr std::size_t size = 64 * 1024;
    char raw[size];
    std::string plain;
};
scratch_space& scratch();

}  // namespace ringway::pool
