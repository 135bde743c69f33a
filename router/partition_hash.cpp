#include "router/partition_hash.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <vector>

#include "router/key_parts.hpp"
#include "router/lexical.hpp"

namespace ringway::router {

namespace {

/// The seed of every partition's hash, and what joins the hashes of several columns.
constexpr std::uint64_t seed = 0x7A5B22367996DCFD, joint = 0x49a0f4dd15e5a8e3;

/// Bob Jenkins' lookup3, as the server runs it on little-endian machines, with a seed and a result of 64 bits.
class lookup3 {
  public:
    explicit lookup3(std::size_t size) {
        a_ = b_ = c_ = 0x9e3779b9u + static_cast<std::uint32_t>(size) + 3923095u;
        a_ += static_cast<std::uint32_t>(seed >> 32);
        b_ += static_cast<std::uint32_t>(seed);
        mix();
    }

    std::uint64_t of(std::uint32_t word) {
        a_ += word;
        return end();
    }

    std::uint64_t of(const unsigned char* bytes, std::size_t size) {
        for (; size >= 12; bytes += 12, size -= 12) {
            a_ += word_at(bytes);
            b_ += word_at(bytes + 4);
            c_ += word_at(bytes + 8);
            mix();
        }
        for (std::size_t i = 0; i < size; ++i) {  // the lowest byte of the third word is kept for the length
            const auto byte = static_cast<std::uint32_t>(bytes[i]);
            if (i < 4)
                a_ += byte << (8 * i);
            else if (i < 8)
                b_ += byte << (8 * (i - 4));
            else
                c_ += byte << (8 * (i - 7));
        }
        return end();
    }

  private:
    static std::uint32_t word_at(const unsigned char* at) {
        return static_cast<std::uint32_t>(at[0]) | static_cast<std::uint32_t>(at[1]) << 8 |
               static_cast<std::uint32_t>(at[2]) << 16 | static_cast<std::uint32_t>(at[3]) << 24;
    }

    static void turn(std::uint32_t& x, std::uint32_t& y, std::uint32_t& z, int by) {
        x -= z;
        x ^= std::rotl(z, by);
        z += y;
    }

    void mix() {
        turn(a_, b_, c_, 4);
        turn(b_, c_, a_, 6);
        turn(c_, a_, b_, 8);
        turn(a_, b_, c_, 16);
        turn(b_, c_, a_, 19);
        turn(c_, a_, b_, 4);
    }

    static void close(std::uint32_t& x, std::uint32_t y, int by) {
        x ^= y;
        x -= std::rotl(y, by);
    }

    std::uint64_t end() {
        close(c_, b_, 14);
        close(a_, c_, 11);
        close(b_, a_, 25);
        close(c_, b_, 16);
        close(a_, c_, 4);
        close(b_, a_, 14);
        close(c_, b_, 24);
        return static_cast<std::uint64_t>(b_) << 32 | c_;
    }

    std::uint32_t a_, b_, c_;
};

std::uint64_t hash_of_word(std::uint32_t value) {
    return lookup3(4).of(value);
}

/// Of whatever width: equal numbers have equal hashes.
std::uint64_t hash_of_integer(std::int64_t value) {
    const auto low = static_cast<std::uint32_t>(value), high = static_cast<std::uint32_t>(value >> 32);
    return hash_of_word(low ^ (value >= 0 ? high : ~high));
}

std::uint64_t hash_of_bytes(const void* bytes, std::size_t size) {
    return lookup3(size).of(static_cast<const unsigned char*>(bytes), size);
}

/// Digits of base 10,000, without zeros at either end.
std::uint64_t hash_of_numeric(std::string_view text) {
    constexpr std::size_t each = 4, most = 64;
    if (text == "NaN" || text.ends_with("Infinity")) return seed;
    if (text.starts_with('-')) text.remove_prefix(1);  // signs are not hashed
    const auto dot = text.find('.');
    const auto whole = text.substr(0, dot);
    const auto fraction = dot == text.npos ? std::string_view() : text.substr(dot + 1);
    const auto whole_groups = (whole.size() + each - 1) / each,
               groups = whole_groups + (fraction.size() + each - 1) / each;
    std::uint16_t small[most];
    std::vector<std::uint16_t> large;
    std::uint16_t* digits = small;
    if (groups > most) {
        large.resize(groups);
        digits = large.data();
    }
    for (std::size_t i = 0; i < groups; ++i) {
        unsigned value = 0;
        for (std::size_t j = 0; j < each; ++j) {
            char c = '0';
            if (i < whole_groups) {
                const auto missing = whole_groups * each - whole.size();
                if (const auto at = i * each + j; at >= missing) c = whole[at - missing];
            } else if (const auto at = (i - whole_groups) * each + j; at < fraction.size()) {
                c = fraction[at];
            }
            value = value * 10 + static_cast<unsigned>(c - '0');
        }
        digits[i] = static_cast<std::uint16_t>(value);
    }
    std::size_t first = 0, last = groups;
    while (first != last && digits[first] == 0) ++first;
    while (last != first && digits[last - 1] == 0) --last;
    if (first == last) return seed - 1;
    const auto weight = static_cast<std::int64_t>(whole_groups) - 1 - static_cast<std::int64_t>(first);
    return hash_of_bytes(digits + first, (last - first) * sizeof *digits) ^ static_cast<std::uint64_t>(weight);
}

/// uuid and bytea: pairs of hexadecimal digits.
std::uint64_t hash_of_hex(std::string_view text) {
    std::vector<unsigned char> large;
    unsigned char small[256];
    unsigned char* bytes = small;
    if (text.size() / 2 > sizeof small) {
        large.resize(text.size() / 2);
        bytes = large.data();
    }
    std::size_t size = 0;
    for (std::size_t i = 0; i + 1 < text.size();) {
        const int high = lexical::hex_value(text[i]), low = lexical::hex_value(text[i + 1]);
        if (high < 0) {  // a hyphen
            ++i;
            continue;
        }
        bytes[size++] = static_cast<unsigned char>(high * 16 + low);
        i += 2;
    }
    return hash_of_bytes(bytes, size);
}

std::optional<std::uint64_t> hash_of(const key_part& part) {
    const auto& text = part.text;
    switch (part.type) {
        case key_type::integer: {
            std::int64_t value = 0;
            const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
            if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
            return hash_of_integer(value);
        }
        case key_type::numeric:
            return hash_of_numeric(text);
        case key_type::text:
        case key_type::bpchar:
            return hash_of_bytes(text.data(), text.size());
        case key_type::uuid:
            return hash_of_hex(text);
        case key_type::bytea:
            return hash_of_hex(text.substr(std::min<std::size_t>(2, text.size())));
        case key_type::date: {
            const auto days = key_parts::days_of_date(text);
            if (!days) return std::nullopt;
            return hash_of_word(static_cast<std::uint32_t>(*days));
        }
        case key_type::timestamp:
        case key_type::timestamptz: {
            const auto when = key_parts::microseconds_of_timestamp(text, part.type == key_type::timestamptz);
            if (!when) return std::nullopt;
            return hash_of_integer(*when);
        }
        case key_type::boolean:
            return hash_of_word(text == "true" ? 1 : 0);
        case key_type::unsupported:
            break;
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> partition_hash(std::span<const key_part> key) {
    std::uint64_t all = 0;
    for (const auto& part : key) {
        const auto one = hash_of(part);
        if (!one) return std::nullopt;
        all ^= *one + joint + (all << 54) + (all >> 7);
    }
    return all;
}

}  // namespace ringway::router
