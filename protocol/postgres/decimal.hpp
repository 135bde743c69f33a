#pragma once
// Values of PostgreSQL's numeric type, as its text format has them ("-12.30", "NaN", "Infinity").
// https://www.postgresql.org/docs/15/datatype-numeric.html#DATATYPE-NUMERIC-DECIMAL

#include <optional>
#include <string>
#include <string_view>

namespace ringway::protocol::postgres {

/// The sum, exact, with the digits after the point of the one that has more. None: one of them is no such value.
std::optional<std::string> add_decimals(std::string_view a, std::string_view b);

/// numeric_send: digits to the base of 10,000. None: it is no such value.
std::optional<std::string> binary_decimal(std::string_view text);

}  // namespace ringway::protocol::postgres
