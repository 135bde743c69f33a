// The input is SQL text. A shape's literals lie in the text, in order and apart, and their values can be taken.
#include "router/shape.hpp"

#include <cstddef>
#include <cstdint>

#include "tests/fuzz/require.hpp"

using namespace ringway::router;
using ringway::fuzz::inside;
using ringway::fuzz::require;

namespace {

void values(std::string_view text, const shape& what, bool standard_strings, std::string& scratch) {
    std::size_t end = 0;
    for (const auto& each : what.literals) {
        require(each.length > 0 && each.offset >= end, "literals are in order and apart");
        end = std::size_t{each.offset} + each.length;
        require(end <= text.size(), "a literal lies in its text");
        const auto value = literal_value(text, each, standard_strings);
        const auto view = literal_view(text, each, standard_strings, scratch);
        require(value == view, "both ways to take a value agree");
        require(inside(view, text) || inside(view, scratch), "a view points into the text or the scratch space");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static shape_lexer warm;  // what an earlier text left behind must not matter
    static std::string scratch;
    const std::string text(reinterpret_cast<const char*>(data), size);
    for (const bool standard_strings : {true, false}) {
        shape_lexer fresh;
        const auto first = fresh.scan(text, standard_strings);
        const auto again = warm.scan(text, standard_strings);
        require(first.hash == again.hash && first.normalized == again.normalized, "a shape depends on its text only");
        require(first.complete == again.complete && first.literals.size() == again.literals.size(), "and all of it");
        values(text, again, standard_strings, scratch);
    }
    return 0;
}
