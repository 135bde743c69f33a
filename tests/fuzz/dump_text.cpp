// The input is a dump. Its statements and rows do not depend on the pieces that it comes in, and stand in it in order.
#include "router/dump/text.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/fuzz/require.hpp"

using namespace ringway::router::dump;
using ringway::fuzz::require;

namespace {

struct seen {
    item_kind kind;
    std::uint64_t line;
    std::string text;
    friend bool operator==(const seen&, const seen&) = default;
};

/// Rows count as one item however they come.
std::vector<seen> read(std::string_view text, std::size_t step, bool conforming) {
    std::vector<seen> out;
    splitter in;
    in.set_conforming_strings(conforming);
    for (std::size_t at = 0;;) {
        const auto found = in.next();
        if (found.kind == item_kind::more) {
            if (at < text.size())
                in.feed(std::string(text.substr(at, step)));
            else
                in.finish();
            at += step;
            continue;
        }
        if (found.kind == item_kind::rows && !out.empty() && out.back().kind == item_kind::rows)
            out.back().text += found.text;
        else
            out.push_back({found.kind, found.line, std::string(found.text)});
        if (found.kind == item_kind::end || found.kind == item_kind::broken) return out;
        if (found.kind == item_kind::statement && (found.text.front() | 0x20) == 'c') in.expect_rows();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    const bool conforming = (data[0] & 1) == 0;
    const auto whole = read(text, text.size() + 1, conforming);
    const auto parts = read(text, 1 + (data[0] >> 1) % 17, conforming);
    require(whole == parts, "the same items in pieces as in one");
    std::size_t at = 0;
    std::uint64_t line = 1;
    for (const auto& each : whole) {
        const auto found = text.find(each.text, at);
        require(found != text.npos, "items stand in the dump in order");
        at = found + each.text.size();
        require(each.line >= line, "lines go up");
        line = each.line;
    }
    return 0;
}
