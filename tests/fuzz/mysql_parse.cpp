// The first byte chooses the modes, the rest is a text. Whatever it is: statements and values lie inside the text, in
// order; the same comes out again; its prefixes end as well.
#include "router/mysql/parse.hpp"

#include <cstddef>
#include <cstdint>

#include "router/mysql/need.hpp"
#include "router/mysql/shape.hpp"
#include "tests/fuzz/mysql_modes.hpp"
#include "tests/fuzz/require.hpp"

using namespace ringway::router;
using ringway::fuzz::require;

namespace {

void check_value(const value_source& value, std::size_t literals, const analysis& of) {
    if (value.what == value_source::from::literal) require(value.index < literals, "a literal of the shape");
    if (value.what == value_source::from::parameter) require(value.index < of.parameters, "a parameter of the text");
}

void check_block(const query_block& block, std::size_t literals, const analysis& of) {
    for (const auto& test : block.tests)
        for (const auto& value : test.values) check_value(value, literals, of);
    for (const auto& each : block.assignments) check_value(each.value, literals, of);
    if (block.insert)
        for (const auto& row : block.insert->rows)
            for (const auto& value : row) check_value(value, literals, of);
    for (const auto& child : block.children) check_block(child, literals, of);
}

void check(std::string_view text, const mysql_modes& modes, mysql_shape_lexer& lexer) {
    const auto literals = lexer.scan(text, modes).literals.size();
    const auto found = parse_mysql(text, modes);
    std::size_t at = 0;
    for (const auto& each : found.statements) {
        require(each.where.offset >= at, "statements follow each other");
        at = std::size_t{each.where.offset} + each.where.length;
        require(at <= text.size(), "a statement is inside the text");
        check_block(each.block, literals, found);
        for (const auto& effect : each.effects) {
            require(std::size_t{effect.body.offset} + effect.body.length <= text.size(), "a body is inside the text");
            require(std::size_t{effect.name_span.offset} + effect.name_span.length <= text.size(), "so is a name");
            for (const auto& value : effect.values) check_value(value, literals, found);
        }
        mysql::need_of(each, nullptr, "shop");
    }
    require(found.error.empty() || (!found.statements.empty() && found.statements.back().writes),
            "what cannot be read may do anything");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    static mysql_shape_lexer lexer;
    const auto modes = ringway::fuzz::modes_of(data[0]);
    const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
    check(text, modes, lexer);
    check(text.substr(0, text.size() / 2), modes, lexer);
    check(text.substr(0, text.size() - text.size() / 8), modes, lexer);
    return 0;
}
