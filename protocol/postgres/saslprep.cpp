#include "protocol/postgres/saslprep.hpp"

#include <stringprep.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace ringway::protocol::postgres {

std::string saslprep(std::string_view password) {
    const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
    const bool unchanged = std::all_of(password.begin(), password.end(), is_ascii);
    std::string raw(password);
    if (unchanged || password.find('\0') != std::string_view::npos) return raw;
    char* normalised = nullptr;
    const auto status = stringprep_profile(raw.c_str(), &normalised, "SASLprep", STRINGPREP_NO_UNASSIGNED);
    const std::unique_ptr<char, decltype(&std::free)> owner(normalised, &std::free);
    if (status != STRINGPREP_OK || !normalised || *normalised == '\0') return raw;
    return normalised;
}

}  // namespace ringway::protocol::postgres
