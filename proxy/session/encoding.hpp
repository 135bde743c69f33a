#pragma once
// What a client's client_encoding means for reading its texts. Pure.

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace ringway::proxy {

enum class text_encoding : std::uint8_t {
    utf8,
    bytes,   ///< each byte below 0x80 is that ASCII character: LATIN1, EUC_JP, SQL_ASCII and most others
    hidden,  ///< such a byte may be the second of a character: SJIS, BIG5, GBK, UHC, GB18030, JOHAB
};

/// By the name that servers report.
text_encoding encoding_of(std::string_view name) noexcept;

/// The same text in every encoding.
inline bool is_ascii(std::string_view text) noexcept {
    return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

}  // namespace ringway::proxy
