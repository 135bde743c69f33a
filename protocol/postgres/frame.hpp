#pragma once
// Frames of PostgreSQL's protocol 3.0: one type byte, a 32-bit big-endian length that counts itself, the body.
// Source: https://www.postgresql.org/docs/15/protocol-message-formats.html

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ringway::protocol::postgres {

inline constexpr std::size_t header_size = 5;
/// The server's own limit for most messages is 1 GiB - 1 (MaxAllocSize).
inline constexpr std::uint32_t max_body = 0x3fffffff;

struct frame_header {
    char type = 0;
    std::uint32_t length = 0;  ///< as on the wire: body + 4
    std::uint32_t total() const { return length + 1; }
    std::uint32_t body() const { return length - 4; }
};

enum class header_state : std::uint8_t { ready, incomplete, malformed };

inline std::uint32_t load32(const char* p) noexcept {
    auto b = [p](int i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(p[i])); };
    return b(0) << 24 | b(1) << 16 | b(2) << 8 | b(3);
}
inline std::uint16_t load16(const char* p) noexcept {
    return static_cast<std::uint16_t>(static_cast<unsigned char>(p[0]) << 8 | static_cast<unsigned char>(p[1]));
}

/// Reads the header at the front of `bytes`. Malformed: a length below 4 or a body over max_body.
inline header_state read_header(std::string_view bytes, frame_header& out) noexcept {
    if (bytes.size() < header_size) return header_state::incomplete;
    out.type = bytes[0];
    out.length = load32(bytes.data() + 1);
    return out.length < 4 || out.body() > max_body ? header_state::malformed : header_state::ready;
}

/// Walks a body field by field. After a failed read `ok()` is false and all further reads give empty values.
class reader {
  public:
    explicit reader(std::string_view body) : rest_(body) {}
    std::uint8_t u8() noexcept;
    std::int16_t i16() noexcept;
    std::int32_t i32() noexcept;
    std::string_view bytes(std::size_t n) noexcept;
    std::string_view text() noexcept;  ///< up to a zero byte, which is passed
    std::string_view rest() const noexcept { return rest_; }
    bool at_end() const noexcept { return rest_.empty(); }
    bool ok() const noexcept { return ok_; }

  private:
    std::string_view rest_;
    bool ok_ = true;
};

/// Appends one frame to a string; the length is filled in by the destructor or end().
class writer {
  public:
    writer(std::string& to, char type) : to_(to), start_(to.size()), typed_(true) {
        to_.push_back(type);
        to_.append(4, '\0');
    }
    /// Startup-class packet without a type byte.
    explicit writer(std::string& to) : to_(to), start_(to.size()), typed_(false) { to_.append(4, '\0'); }
    ~writer() { end(); }
    writer(const writer&) = delete;
    writer& operator=(const writer&) = delete;
    writer& u8(std::uint8_t v);
    writer& i16(int v);
    writer& i32(std::int64_t v);
    writer& text(std::string_view v);  ///< with its zero byte
    writer& bytes(std::string_view v);
    void end() noexcept;

  private:
    std::string& to_;
    std::size_t start_;
    bool typed_, ended_ = false;
};

}  // namespace ringway::protocol::postgres
