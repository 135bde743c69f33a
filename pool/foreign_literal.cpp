#include "pool/foreign_literal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "pool/session_settings.hpp"

namespace ringway::pool {

std::string foreign_literal(std::string_view text, std::string_view encoding) {
    const auto foreign = [](char c) { return static_cast<unsigned char>(c) >= 0x80; };
    const bool unsure = text.find('\\') != std::string_view::npos && std::any_of(text.begin(), text.end(), foreign);
    if (encoding.empty() || !unsure) return quote_literal(text);
    std::string hex;
    for (const char c : text) fmt::format_to(std::back_inserter(hex), "{:02x}", static_cast<unsigned char>(c));
    return fmt::format("pg_catalog.convert_from(pg_catalog.decode('{}', 'hex'), {})", hex, quote_literal(encoding));
}

std::string set_config_in(std::string_view encoding, std::string_view name, std::string_view value) {
    return fmt::format("SELECT pg_catalog.set_config({}, {}, false)", foreign_literal(name, encoding),
                       foreign_literal(value, encoding));
}

}  // namespace ringway::pool
