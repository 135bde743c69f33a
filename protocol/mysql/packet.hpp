#pragma once
// Packets of the MySQL protocol: a 24-bit little-endian length, a sequence number, the payload. A message of 2^24-1
// bytes or more goes in several packets; the last one is shorter than that, empty if need be.
// Source: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html and
// https://mariadb.com/docs/server/reference/clientserver-protocol/0-packet

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringway::protocol::mysql {

inline constexpr std::size_t header_size = 4;
/// Longest payload of one packet; a packet of this length is continued by the next.
inline constexpr std::uint32_t max_payload = 0xffffff;

/// Up to eight bytes as a little-endian number.
inline std::uint64_t load_little(std::string_view bytes) noexcept {
    std::uint64_t out = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i)
        out |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    return out;
}

struct packet_header {
    std::uint32_t length = 0;  ///< of the payload
    std::uint8_t sequence = 0;
    std::size_t total() const { return header_size + length; }
    bool continued() const { return length == max_payload; }
};

/// Reads the header at the front of `bytes`; false: fewer than four bytes.
inline bool read_header(std::string_view bytes, packet_header& out) noexcept {
    if (bytes.size() < header_size) return false;
    out.length = static_cast<std::uint32_t>(load_little(bytes.substr(0, 3)));
    out.sequence = static_cast<std::uint8_t>(bytes[3]);
    return true;
}
void write_header(std::string& to, std::uint32_t length, std::uint8_t sequence);

/// A run of bytes of one message, as far as they have come.
struct message_part {
    std::string_view bytes;     ///< payload, without headers; empty only with `last`
    bool first = false;         ///< the message begins with them
    bool last = false;          ///< the message ends with them
    std::uint8_t sequence = 0;  ///< of the packet they came in
    std::uint32_t packet = 0;   ///< length of that packet's payload
};

/// Cuts a stream of packets into messages without keeping any of their bytes: a message over 16 MiB is joined by
/// giving its parts one after the other.
class packet_decoder {
  public:
    /// Takes the next part off the front of `bytes`. nullopt: all of them are used up, or the stream is broken.
    std::optional<message_part> next(std::string_view& bytes) noexcept;
    /// A packet that continues a message had another sequence number than the one after its forerunner's (the server's
    /// error 1156, ER_NET_PACKETS_OUT_OF_ORDER). Nothing can be read any more.
    bool out_of_order() const noexcept { return broken_; }
    /// Whether no message is half read.
    bool between_messages() const noexcept { return held_ == 0 && !inside_; }
    /// Sequence number that the peer's or our next packet of this exchange has.
    std::uint8_t next_sequence() const noexcept { return static_cast<std::uint8_t>(header_.sequence + 1); }

  private:
    std::array<char, header_size> start_{};  ///< of a header that has come in part
    packet_header header_;
    std::uint32_t left_ = 0;  ///< payload of the packet under way that is still to come
    std::uint8_t held_ = 0;
    bool inside_ = false;  ///< a message is under way
    bool first_ = false;   ///< nothing of it was given yet
    bool broken_ = false;
};

/// Gathers the parts of one message, up to a bound.
class message_gatherer {
  public:
    explicit message_gatherer(std::size_t limit) : limit_(limit) {}
    enum class state : std::uint8_t { partial, complete, too_long };
    /// The complete message is `message()` until the next call; it points into `part` when that is all of it.
    state add(const message_part& part);
    std::string_view message() const noexcept { return message_; }

  private:
    std::size_t limit_;
    std::string buffer_;
    std::string_view message_;
};

/// Walks a payload field by field. After a failed read `ok()` is false and all further reads give empty values.
/// Source: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_data_types.html
class reader {
  public:
    explicit reader(std::string_view payload) : rest_(payload) {}
    std::uint8_t u8() noexcept { return static_cast<std::uint8_t>(little(1)); }
    std::uint16_t u16() noexcept { return static_cast<std::uint16_t>(little(2)); }
    std::uint32_t u24() noexcept { return static_cast<std::uint32_t>(little(3)); }
    std::uint32_t u32() noexcept { return static_cast<std::uint32_t>(little(4)); }
    std::uint64_t u64() noexcept { return little(8); }
    std::uint64_t lenenc() noexcept;                          ///< length-encoded integer; 0xfb and 0xff fail
    std::string_view lenenc_text() noexcept;                  ///< length-encoded string; NULL (0xfb) fails
    std::optional<std::string_view> lenenc_value() noexcept;  ///< the same, NULL is nullopt
    std::string_view bytes(std::uint64_t n) noexcept;
    std::string_view text() noexcept;         ///< up to a zero byte, which is passed
    std::string_view text_or_end() noexcept;  ///< up to a zero byte, which is passed, or the end of the payload
    std::string_view all() noexcept;          ///< what is left
    std::string_view rest() const noexcept { return rest_; }
    bool at_end() const noexcept { return rest_.empty(); }
    bool ok() const noexcept { return ok_; }
    void fail() noexcept;

  private:
    std::uint64_t little(std::size_t n) noexcept;
    std::string_view rest_;
    bool ok_ = true;
};

/// Bytes that a length-encoded integer takes.
std::size_t lenenc_size(std::uint64_t v) noexcept;
void write_little(std::string& to, std::uint64_t v, std::size_t bytes);
void write_lenenc(std::string& to, std::uint64_t v);
void write_lenenc_text(std::string& to, std::string_view v);

/// Appends one message to a string: its packets' headers are filled in by the destructor or end(), and the sequence
/// number is then the next packet's.
class writer {
  public:
    writer(std::string& to, std::uint8_t& sequence) : to_(to), sequence_(sequence), start_(to.size()) {
        to_.append(header_size, '\0');
    }
    ~writer() { end(); }
    writer(const writer&) = delete;
    writer& operator=(const writer&) = delete;
    writer& u8(std::uint8_t v) { return little(v, 1); }
    writer& u16(std::uint16_t v) { return little(v, 2); }
    writer& u24(std::uint32_t v) { return little(v, 3); }
    writer& u32(std::uint32_t v) { return little(v, 4); }
    writer& u64(std::uint64_t v) { return little(v, 8); }
    writer& lenenc(std::uint64_t v);
    writer& lenenc_text(std::string_view v);
    writer& text(std::string_view v);  ///< with its zero byte
    writer& bytes(std::string_view v);
    writer& zeros(std::size_t n);
    void end();

  private:
    writer& little(std::uint64_t v, std::size_t bytes) {
        write_little(to_, v, bytes);
        return *this;
    }
    std::string& to_;
    std::uint8_t& sequence_;
    std::size_t start_;
    bool ended_ = false;
};

}  // namespace ringway::protocol::mysql
