#include "protocol/postgres/saslprep.hpp"

#include <stringprep.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace ringway::protocol::postgres {

std::string saslprep(std::string_view password) {
    if (std::all_of(password.begin(), password.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; })) return std::string(password);
    char* normalised = nullptr;
    const auto status = stringprep_profile(std::string(password).c_str(), &normalised, "SASLprep", static_cast<Stringprep_profile_flags>(0));
    const std::unique_ptr<char, decltype(&std::free)> owner(normalised, &std::free);
    if (status != STRINGPREP_OK || !normalised) return std::string(password);
    return normalised;
}

}  // namespace ringway::protocol::postgres
