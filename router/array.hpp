#pragma once
// The elements of an array value as canonical keys, for key = ANY($1) and key = ANY('{1,2}').

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "router/key.hpp"

namespace ringway::router {

/// The element type of an array type's oid (int4[] -> int4); oid::unspecified when it is none we know.
std::uint32_t element_type(std::uint32_t array_oid) noexcept;

/// Reads one array from front to back; arrays of several dimensions give all their elements, as ANY does. Views the
/// value it was made from. No allocation, except for elements with escapes or of more than 256 bytes.
class array_keys {
  public:
    enum class item : std::uint8_t {
        key,      ///< `out` is the next element
        null,     ///< the next element is NULL
        end,      ///< no more
        invalid,  ///< not an array, or an element that is not a value of the type; nothing follows
    };

    /// Of the text form: {1,2,"a b",NULL}. `element_oid`: the parameter's element type, if declared.
    static array_keys of_text(key_type type, std::string_view value, std::uint32_t element_oid = oid::unspecified);
    /// Of the binary form, which names its element type itself.
    static array_keys of_binary(key_type type, std::span<const std::byte> value);
    /// Of a bound parameter that is not NULL; `type_oid` is the array's type (0: not declared).
    static array_keys of_parameter(key_type type, std::uint32_t type_oid, bool binary, std::string_view bytes);

    item next(canonical_key& out);

  private:
    array_keys(key_type type, std::uint32_t element_oid, std::string_view rest, bool binary)
        : rest_(rest), type_(type), element_oid_(element_oid), binary_(binary) {}

    item next_binary(canonical_key& out);
    item next_text(canonical_key& out);
    item text_element(canonical_key& out);
    bool quoted_element(std::string_view& value);
    bool bare_element(std::string_view& value);
    void read_header();
    bool skip_dimensions();
    void skip_spaces();
    item fail();

    std::string_view rest_;
    std::string scratch_;
    std::int64_t left_ = 0;  ///< binary: elements not yet read
    std::size_t depth_ = 0;  ///< text: open braces
    key_type type_;
    std::uint32_t element_oid_;
    bool binary_;
    bool started_ = false, broken_ = false;
    bool after_value_ = false;  ///< text: an element or a closed brace came last
    bool after_comma_ = false;
};

}  // namespace ringway::router
