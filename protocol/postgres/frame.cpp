#include "protocol/postgres/frame.hpp"

namespace ringway::protocol::postgres {

std::string_view reader::bytes(std::size_t n) noexcept {
    if (n > rest_.size()) {
        ok_ = false;
        rest_ = {};
        return {};
    }
    const auto out = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return out;
}

std::uint8_t reader::u8() noexcept {
    const auto b = bytes(1);
    return b.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(b[0]);
}

std::int16_t reader::i16() noexcept {
    const auto b = bytes(2);
    return b.empty() ? std::int16_t{0} : static_cast<std::int16_t>(load16(b.data()));
}

std::int32_t reader::i32() noexcept {
    const auto b = bytes(4);
    return b.empty() ? 0 : static_cast<std::int32_t>(load32(b.data()));
}

std::string_view reader::text() noexcept {
    const auto end = rest_.find('\0');
    if (end == std::string_view::npos) {
        ok_ = false;
        rest_ = {};
        return {};
    }
    const auto out = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return out;
}

writer& writer::u8(std::uint8_t v) {
    to_.push_back(static_cast<char>(v));
    return *this;
}

writer& writer::i16(int v) {
    to_.push_back(static_cast<char>((v >> 8) & 0xff));
    to_.push_back(static_cast<char>(v & 0xff));
    return *this;
}

writer& writer::i32(std::int64_t v) {
    for (const int shift : {24, 16, 8, 0}) to_.push_back(static_cast<char>((v >> shift) & 0xff));
    return *this;
}

writer& writer::text(std::string_view v) {
    to_.append(v).push_back('\0');
    return *this;
}

writer& writer::bytes(std::string_view v) {
    to_.append(v);
    return *this;
}

void writer::end() noexcept {
    if (ended_) return;
    ended_ = true;
    const std::size_t at = start_ + (typed_ ? 1 : 0);
    const auto length = static_cast<std::uint32_t>(to_.size() - at);
    for (int i = 0; i < 4; ++i)
        to_[at + static_cast<std::size_t>(i)] = static_cast<char>((length >> (24 - 8 * i)) & 0xff);
}

}  // namespace ringway::protocol::postgres
