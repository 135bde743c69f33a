#pragma once
// A TCP connection with optional TLS, for either side. It holds no buffer while nothing is under way: bytes are read
// into the worker's scratch space when the socket is ready, and only what the peer did not take is kept.

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "pool/event_loop.hpp"
#include "pool/wire_coat.hpp"
#include "protocol/tls.hpp"

namespace ringway::pool {

using tcp_socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

class wire;

/// Told by a wire, on its worker and never from inside a call of its own, what happened. A wire may be closed or
/// destroyed inside any of these calls; whoever owns the owner sees to it that it lives as long as its wire is open.
class wire_owner {
  public:
    virtual ~wire_owner() = default;
    /// There may be bytes: call read() until it says would_block, or pause.
    virtual void wire_readable(wire& from) = 0;
    /// What was kept for the peer has been taken, after congested() was true.
    virtual void wire_drained(wire& from) = 0;
    /// A send failed; reading shows nothing further.
    virtual void wire_broken(wire& from) = 0;
};

/// Not thread-safe: belongs to one worker at a time; release() and adopt() move it.
class wire final : private event_sink {
  public:
    /// Bytes kept for a slow peer before congested() turns true, and the level at which wire_drained comes.
    static constexpr std::size_t high_mark = 256 * 1024;
    static constexpr std::size_t low_mark = high_mark / 2;

    wire() = default;
    wire(const wire&) = delete;
    wire& operator=(const wire&) = delete;
    ~wire();

    /// Takes the socket out of its io_context: its events come from `on` from now on.
    void open(event_loop& on, tcp_socket socket, wire_owner* owner);
    void set_owner(wire_owner* owner) noexcept { owner_ = owner; }
    bool is_open() const noexcept { return fd_ >= 0; }
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
    /// The same, of bytes that begin a command: compression counts from there.
    void write_command(std::string_view plain) {
        if (coat_) coat_->command();
        write(plain);
    }
    bool congested() const noexcept { return kept_.size() - kept_from_ >= high_mark; }
    bool broken() const noexcept { return broken_; }
    std::size_t kept() const noexcept { return kept_.size() - kept_from_; }

    /// From now on the connection is encrypted; the handshake has been done with `engine`. `early`: wire bytes read
    /// past its end.
    void start_tls(std::unique_ptr<protocol::tls_engine> engine);
    protocol::tls_engine* tls() const noexcept { return tls_.get(); }
    /// From now on what is sent and read goes through this, within TLS.
    void put_on(std::unique_ptr<wire_coat> coat) { coat_ = std::move(coat); }
    /// Nothing is under way, for a while.
    void rest() {
        if (coat_) coat_->rest();
    }
    /// Sends bytes as they are, beneath TLS (handshake records).
    void write_raw(std::string_view bytes);

    /// Takes the socket off its loop: the descriptor is owned by the caller until adopt().
    int release();
    void adopt(event_loop& on, int descriptor);
    int descriptor() const noexcept { return fd_; }
    /// True when the peer has closed or sent something unasked: looked at without waiting or reading.
    bool has_input_or_end() const noexcept;

    std::uint64_t bytes_in = 0, bytes_out = 0;

  private:
    void on_writable() override;
    void on_readable(bool ended) override;
    void on_again() override;
    void attach(event_loop& on, int descriptor);
    void detach() noexcept;
    void send_kept();
    got read_within_tls(std::string_view& bytes);
    bool coat_waits() const noexcept { return coat_ && coat_->waiting(); }

    event_loop* loop_ = nullptr;
    std::shared_ptr<event_table> table_;
    event_table::ticket ticket_ = 0;
    wire_owner* owner_ = nullptr;
    std::unique_ptr<protocol::tls_engine> tls_;
    std::unique_ptr<wire_coat> coat_;
    std::string kept_;
    std::size_t kept_from_ = 0;
    int fd_ = -1;
    bool reading_ = false;   ///< the owner waits for wire_readable
    bool writing_ = false;   ///< something is kept, and the socket does not take it
    bool readable_ = false;  ///< the socket may have bytes: no event will tell of them again
    bool ended_ = false;     ///< the peer has closed: reading comes to an end
    bool broken_ = false, was_congested_ = false;
};

/// This thread's space for bytes just read.
struct scratch_space {
    static constexpr std::size_t size = 64 * 1024;
    char raw[size];
    std::string plain;
};
scratch_space& scratch();

}  // namespace ringway::pool
