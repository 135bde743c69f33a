#include "protocol/mysql/packet_numbers.hpp"

#include <algorithm>

#include "protocol/mysql/packet.hpp"

namespace ringway::protocol::mysql {

template <class Call>
void packet_numbers::walk(std::string_view bytes, Call on_number) noexcept {
    for (std::size_t i = 0; i < bytes.size();) {
        if (left_ > 0) {
            const auto passed = std::min<std::size_t>(left_, bytes.size() - i);
            left_ -= static_cast<std::uint32_t>(passed);
            i += passed;
            continue;
        }
        if (at_ < header_size - 1) {
            length_ |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes[i])) << (8 * at_++);
        } else {
            on_number(i);
            left_ = length_;
            length_ = at_ = 0;
        }
        ++i;
    }
}

void packet_numbers::follow(std::string_view bytes) noexcept {
    walk(bytes, [&](std::size_t at) { number_ = static_cast<std::uint8_t>(bytes[at]); });
}

void packet_numbers::write(std::string& bytes) noexcept {
    walk(bytes, [&](std::size_t at) { bytes[at] = static_cast<char>(++number_); });
}

}  // namespace ringway::protocol::mysql
