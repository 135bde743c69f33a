#pragma once
// What rows look like on the wire: their descriptions and formats, and numbers in network order. Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringway::proxy {

struct described_column {
    std::string_view name;
    std::uint32_t type = 0;
};

/// The columns of a RowDescription, with its header.
std::vector<described_column> columns_of(std::string_view description);

/// The first `shown` columns of a description, in the formats that rows are sent in: one, one for all, or none (text).
std::string shown_description(std::string_view description, std::size_t shown, std::string_view formats);

/// Names and types of a RowDescription's columns, without their formats, which belong to one Bind. `body`: without its
/// header. Never 0, nor 1, which stands for no rows.
std::uint64_t rows_hash(std::string_view body);

/// The result formats at the end of a Bind.
std::string formats_in(std::string_view bound);

void append16(std::string& to, std::size_t value);
void append32(std::string& to, std::uint64_t value);

}  // namespace ringway::proxy
