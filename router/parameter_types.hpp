#pragma once
// What is known of the types of parameters that no one has declared. A server takes such a one's type from where it
// meets it first; where it stands in several places, that need not be where a key is compared with it.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "router/keys.hpp"
#include "router/plan.hpp"
#include "router/shape.hpp"
#include "router/statement.hpp"

namespace ringway::router {

/// Marks all values of the parameters (value_source::unsure) that do not certainly have one type wherever they stand.
/// The parameters, sorted. One that stands once has the type of what it meets there.
std::vector<std::uint16_t> mark_unsure(statement& what, const table_finder& tables);

/// A type that the server finds out by itself.
bool is_undeclared(const parameter& what) noexcept;

/// Whether a parameter is undeclared and its type unsure.
bool has_unsure(const plan& what, const values& with) noexcept;

/// A number that is the same whatever type of number it is taken for, oid included: a few plain digits.
bool is_same_number(const parameter& what) noexcept;

/// How often $1, $2, ... up to $`parameters` stand in a text.
std::vector<std::uint32_t> parameter_counts(std::string_view text, std::span<const literal> literals,
                                            std::size_t parameters);

}  // namespace ringway::router
