#pragma once
// What real servers and clients said: the files of tests/golden/mysql (capture.py there).

#include <doctest/doctest.h>

#include <cstdint>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "protocol/mysql/packet.hpp"

namespace ringway::tests {

struct golden_exchange {
    std::string client, server;                   ///< raw packets
    std::map<std::string, std::string> expected;  ///< by name
};

struct golden_session {
    std::uint64_t capabilities = 0;
    std::vector<golden_exchange> exchanges;
};

inline std::string from_hex(const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        out.push_back(static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16)));
    return out;
}

/// The first exchange is the greeting, with nothing of the client before it.
inline golden_session read_golden(const std::string& name) {
    std::ifstream file(std::string(RINGWAY_SOURCE_DIR) + "/tests/golden/mysql/" + name + ".txt");
    REQUIRE(file);
    golden_session out;
    out.exchanges.emplace_back();
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        std::string kind, key, value;
        words >> kind;
        if (kind == "capabilities") {
            words >> std::hex >> out.capabilities;
        } else if (kind == "C") {
            words >> value;
            out.exchanges.emplace_back().client = from_hex(value);
        } else if (kind == "S") {
            words >> value;
            out.exchanges.back().server += from_hex(value);
        } else if (kind == "=") {
            while (words >> key >> value) out.exchanges.back().expected[key] = value;
        }
    }
    return out;
}

/// The messages of raw packets, joined.
inline std::vector<std::string> messages_of(std::string_view raw) {
    protocol::mysql::packet_decoder decoder;
    std::vector<std::string> out;
    while (const auto part = decoder.next(raw)) {
        if (part->first) out.emplace_back();
        out.back().append(part->bytes);
    }
    return out;
}

inline constexpr const char* golden_sessions[] = {"mariadb-10.11-plain", "mariadb-10.11-tracking",
                                                  "mariadb-10.11-modern", "mysql-5.6-plain"};

}  // namespace ringway::tests
