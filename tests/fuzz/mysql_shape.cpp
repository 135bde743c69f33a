// The first byte chooses the modes, the rest is a text. Its literals lie in it, in order, and have values; the
// normalized text has no place for what was lifted out; a prefix does not make the lexer stumble.
#include "router/mysql/shape.hpp"

#include <cstddef>
#include <cstdint>

#include "tests/fuzz/mysql_modes.hpp"
#include "tests/fuzz/require.hpp"

using namespace ringway::router;
using ringway::fuzz::require;

namespace {

void check(std::string_view text, const mysql_modes& modes, mysql_shape_lexer& lexer) {
    const auto found = lexer.scan(text, modes);
    std::string scratch;
    std::size_t at = 0;
    for (const auto& each : found.literals) {
        require(each.offset >= at && each.length > 0, "literals follow each other");
        at = std::size_t{each.offset} + each.length;
        require(at <= text.size(), "a literal is inside the text");
        const auto value = mysql_literal_view(text, each, modes, scratch);
        require(value.size() <= each.length, "a value is not longer than it is written");
    }
    require(found.normalized.size() <= 4 * text.size() + 16, "no longer than there is room for");
    mysql_shape_lexer again;
    const auto same = again.scan(text, modes);
    require(same.normalized == found.normalized && same.hash == found.hash && same.complete == found.complete,
            "the same text has the same shape");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    static mysql_shape_lexer lexer;
    const auto modes = ringway::fuzz::modes_of(data[0]);
    const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
    check(text, modes, lexer);
    check(text.substr(0, text.size() / 2), modes, lexer);
    return 0;
}
