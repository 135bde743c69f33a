#pragma once
// The answer to an admin command: a table of texts with column types, ready for the wire, JSON or a terminal.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/fault.hpp"

namespace ringway::proxy::admin {

/// Types of columns, as PostgreSQL's OIDs (pg_type.dat).
enum class column_type : std::uint32_t {
    boolean = 16,
    int8 = 20,
    int4 = 23,
    text = 25,
    float8 = 701,
    timestamptz = 1184,
    numeric = 1700
};

/// One column. The name lives as long as the program, or as long as the command it came from.
struct column {
    std::string_view name;
    column_type type = column_type::text;
};

/// A value in PostgreSQL's text format; nullopt is NULL.
using cell = std::optional<std::string>;
using row = std::vector<cell>;
using row_list = std::vector<row>;

/// Every row is as wide as `columns`; no columns: a command without rows. `tag` is for CommandComplete.
struct table {
    std::vector<column> columns;
    row_list rows;
    std::string tag;
    std::vector<std::string> warnings{};  ///< told beside it
};

/// What a command gives: a table, or what the operator is told instead.
using result = std::variant<table, config::fault>;

/// Cells from values; whole numbers and truth values get PostgreSQL's text.
cell cell_of(std::uint64_t value);
cell cell_of(std::int64_t value);
cell cell_of(double value);
cell cell_of(bool value);
/// UTC, in microseconds: "2026-01-31 12:00:00.000001+00". The epoch itself stands for "never": NULL.
cell cell_of(std::chrono::system_clock::time_point value);
inline cell cell_of(std::uint32_t value) {
    return cell_of(std::uint64_t{value});
}
inline cell cell_of(std::uint16_t value) {
    return cell_of(std::uint64_t{value});
}
inline cell cell_of(std::chrono::milliseconds value) {
    return cell_of(std::int64_t{value.count()});
}
inline cell cell_of(std::string value) {
    return value;
}
inline cell cell_of(std::string_view value) {
    return std::string(value);
}
inline cell cell_of(const char* value) {
    return std::string(value);
}
inline cell cell_of(cell value) {
    return value;
}
/// NULL instead of an empty text.
cell or_null(std::string value);

/// One row from values of any of the types above, in the columns' order.
template <typename... Values>
row make_row(Values&&... values) {
    row made;
    made.reserve(sizeof...(values));
    (made.push_back(cell_of(std::forward<Values>(values))), ...);
    return made;
}

/// Microseconds since 2000-01-01 UTC of a text that cell_of(time_point) made: PostgreSQL's binary timestamptz.
std::int64_t postgres_microseconds(std::string_view text);

}  // namespace ringway::proxy::admin
