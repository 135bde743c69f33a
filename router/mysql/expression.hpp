#pragma once
// What is remembered of an expression: as much as ties columns to values.

#include <string>
#include <vector>

#include "router/statement.hpp"

namespace ringway::router::mysql {

struct expression {
    enum class kind : std::uint8_t {
        other,
        column,
        value,  ///< a literal, a parameter, NULL, TRUE, FALSE
        row,    ///< (a, b)
        and_,
        or_,
        equal,
        same,  ///< <=>
        in,    ///< first of the rest
        plus,  ///< of two values
        minus,
        times,
        subquery  ///< the last child of the block
    } what = kind::other;
    column_ref column;
    value_source value;
    std::vector<expression> parts;
};

}  // namespace ringway::router::mysql
