#include "protocol/mysql/packet.hpp"

#include <algorithm>

namespace ringway::protocol::mysql {

void write_little(std::string& to, std::uint64_t v, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) to.push_back(static_cast<char>(v >> (8 * i) & 0xff));
}

void write_header(std::string& to, std::uint32_t length, std::uint8_t sequence) {
    write_little(to, length, 3);
    to.push_back(static_cast<char>(sequence));
}

// ---- messages out of packets ----------------------------------------------------------------------------------------

std::optional<message_part> packet_decoder::next(std::string_view& bytes) noexcept {
    if (broken_) return std::nullopt;
    if (left_ == 0) {
        const auto wanted = std::min(header_size - held_, bytes.size());
        std::copy_n(bytes.begin(), wanted, start_.begin() + held_);
        held_ = static_cast<std::uint8_t>(held_ + wanted);
        bytes.remove_prefix(wanted);
        if (held_ < header_size) return std::nullopt;
        const auto expected = next_sequence();
        read_header({start_.data(), start_.size()}, header_);
        held_ = 0;
        if (inside_ && header_.sequence != expected) {
            broken_ = true;
            return std::nullopt;
        }
        first_ = !inside_;
        inside_ = true;
        left_ = header_.length;
    }
    if (bytes.empty() && left_ != 0) return std::nullopt;
    message_part out;
    out.bytes = bytes.substr(0, left_);
    bytes.remove_prefix(out.bytes.size());
    left_ -= static_cast<std::uint32_t>(out.bytes.size());
    out.first = first_;
    out.last = left_ == 0 && !header_.continued();
    out.sequence = header_.sequence;
    out.packet = header_.length;
    first_ = false;
    if (out.last) inside_ = false;
    return out;
}

message_gatherer::state message_gatherer::add(const message_part& part) {
    if (part.first && part.last && part.bytes.size() <= limit_) {
        message_ = part.bytes;
        return state::complete;
    }
    if (part.first) buffer_.clear();
    if (part.bytes.size() > limit_ - std::min(limit_, buffer_.size())) return state::too_long;
    buffer_.append(part.bytes);
    message_ = buffer_;
    return part.last ? state::complete : state::partial;
}

// ---- fields ---------------------------------------------------------------------------------------------------------

void reader::fail() noexcept {
    ok_ = false;
    rest_ = {};
}

std::string_view reader::bytes(std::uint64_t n) noexcept {
    if (n > rest_.size()) {
        fail();
        return {};
    }
    const auto out = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return out;
}

std::uint64_t reader::little(std::size_t n) noexcept {
    return load_little(bytes(n));
}

std::uint64_t reader::lenenc() noexcept {
    const auto first = u8();
    if (first < 0xfb) return first;
    switch (first) {
        case 0xfc:
            return little(2);
        case 0xfd:
            return little(3);
        case 0xfe:
            return little(8);
        default:
            fail();
            return 0;
    }
}

std::string_view reader::lenenc_text() noexcept {
    const auto size = lenenc();
    return bytes(size);
}

std::optional<std::string_view> reader::lenenc_value() noexcept {
    if (!rest_.empty() && static_cast<unsigned char>(rest_[0]) == 0xfb) {
        rest_.remove_prefix(1);
        return std::nullopt;
    }
    return lenenc_text();
}

std::string_view reader::text() noexcept {
    const auto end = rest_.find('\0');
    if (end == std::string_view::npos) {
        fail();
        return {};
    }
    const auto out = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return out;
}

std::string_view reader::text_or_end() noexcept {
    return rest_.find('\0') == std::string_view::npos ? all() : text();
}

std::string_view reader::all() noexcept {
    return bytes(rest_.size());
}

std::size_t lenenc_size(std::uint64_t v) noexcept {
    return v < 0xfb ? 1 : v <= 0xffff ? 3 : v <= 0xffffff ? 4 : 9;
}

void write_lenenc(std::string& to, std::uint64_t v) {
    const auto size = lenenc_size(v);
    if (size == 3) to.push_back('\xfc');
    if (size == 4) to.push_back('\xfd');
    if (size == 9) to.push_back('\xfe');
    write_little(to, v, size == 1 ? 1 : size - 1);
}

void write_lenenc_text(std::string& to, std::string_view v) {
    write_lenenc(to, v.size());
    to.append(v);
}

writer& writer::lenenc(std::uint64_t v) {
    write_lenenc(to_, v);
    return *this;
}

writer& writer::lenenc_text(std::string_view v) {
    write_lenenc_text(to_, v);
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

writer& writer::zeros(std::size_t n) {
    to_.append(n, '\0');
    return *this;
}

void writer::end() {
    if (ended_) return;
    ended_ = true;
    for (auto at = start_;;) {
        const auto left = to_.size() - at - header_size;
        const auto length = static_cast<std::uint32_t>(std::min<std::size_t>(left, max_payload));
        for (std::size_t i = 0; i < 3; ++i) to_[at + i] = static_cast<char>(length >> (8 * i) & 0xff);
        to_[at + 3] = static_cast<char>(sequence_++);
        if (length < max_payload) return;
        at += header_size + length;
        to_.insert(at, header_size, '\0');
    }
}

}  // namespace ringway::protocol::mysql
