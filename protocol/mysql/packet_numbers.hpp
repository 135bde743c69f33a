#pragma once
// Sequence numbers of the packets in a stream of bytes, which comes in any pieces.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ringway::protocol::mysql {

class packet_numbers {
  public:
    /// Passes over bytes; last() is then the number of the last packet whose header was whole.
    void follow(std::string_view bytes) noexcept;
    std::uint8_t last() const noexcept { return number_; }
    /// Numbers packets anew: the next one follows `before`.
    void go_on_from(std::uint8_t before) noexcept { number_ = before; }
    void write(std::string& bytes) noexcept;

  private:
    /// Calls `on_number` with the place of each number.
    template <class Call>
    void walk(std::string_view bytes, Call on_number) noexcept;

    std::uint32_t left_ = 0;    ///< payload of the packet under way
    std::uint32_t length_ = 0;  ///< as far as the header has told
    std::uint8_t at_ = 0;       ///< bytes of a header that have come
    std::uint8_t number_ = 0;
};

}  // namespace ringway::protocol::mysql
