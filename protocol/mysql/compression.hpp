#pragma once
// The compressed protocol: after the login, the stream of ordinary packets goes in packets of its own, each with a
// length, a sequence number of its own, the length before compression (0: as it is), and a whole zlib stream or zstd
// frame. Their ends have nothing to do with those of the packets inside.
// Source: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_compression_packet.html and
// https://mariadb.com/docs/server/reference/clientserver-protocol/0-packet#compressed-packet

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "protocol/mysql/packet.hpp"

namespace ringway::protocol::mysql {

inline constexpr std::size_t compressed_header_size = 7;
enum class compression : std::uint8_t { zlib, zstd };

/// Both sides count these packets together, from 0 with each command: what one sends next follows what it received.
/// The numbers in the packets inside may jump where a server ends an answer, as it sets them to these.
class compressor {
  public:
    /// `level` 0: the method's own default.
    explicit compressor(compression method, int level = 0);
    ~compressor();
    compressor(compressor&&) noexcept;
    compressor& operator=(compressor&&) noexcept;
    /// Appends packets that hold `plain` to `to`. What is short or does not get shorter goes as it is.
    void write(std::string_view plain, std::string& to);
    void set_sequence(std::uint8_t next) noexcept { sequence_ = next; }
    std::uint8_t sequence() const noexcept { return sequence_; }

  private:
    struct state;
    std::size_t compressed(std::string_view plain, char* to, std::size_t room);
    compression method_;
    int level_;
    std::unique_ptr<state> state_;
    std::uint8_t sequence_ = 0;
};

class decompressor {
  public:
    explicit decompressor(compression method);
    ~decompressor();
    decompressor(decompressor&&) noexcept;
    decompressor& operator=(decompressor&&) noexcept;

    enum class next : std::uint8_t {
        input,  ///< all bytes are used up
        room,   ///< there is more than `room` bytes: call again
        broken  ///< not what was compressed, or not as long as was said
    };
    /// Takes bytes off the front of `wire` and appends at most `room` plain ones to `plain`: what the peer sends is
    /// never held at its full length, neither compressed nor plain.
    next take(std::string_view& wire, std::string& plain, std::size_t room);
    /// Sequence number of the packet that comes or goes next.
    std::uint8_t next_sequence() const noexcept { return static_cast<std::uint8_t>(sequence_ + 1); }
    /// Whether no packet is half read.
    bool between_packets() const noexcept { return held_ == 0 && !inside_; }

  private:
    struct state;
    bool begin_packet();
    next copy(std::string_view& wire, std::string& plain, std::size_t& room);
    next inflate(std::string_view& wire, std::string& plain, std::size_t& room);
    bool is_frame(std::string_view source);

    compression method_;
    std::unique_ptr<state> state_;
    std::array<char, compressed_header_size> header_{};
    std::uint8_t held_ = 0, sequence_ = 0;
    bool inside_ = false, broken_ = false;
    std::uint8_t magic_seen_ = 0;                   ///< bytes of a zstd frame's magic number that have come
    bool raw_ = false;                              ///< the packet under way is not compressed
    std::uint32_t wire_left_ = 0, plain_left_ = 0;  ///< of the packet under way
};

}  // namespace ringway::protocol::mysql
