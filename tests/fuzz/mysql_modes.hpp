#pragma once
// Modes from one byte of a fuzzer's input.

#include <cstdint>

#include "router/mysql/modes.hpp"

namespace ringway::fuzz {

inline router::mysql_modes modes_of(std::uint8_t from) {
    router::mysql_modes out;
    out.ansi_quotes = (from & 1) != 0;
    out.pipes_as_concat = (from & 2) != 0;
    out.no_backslash_escapes = (from & 4) != 0;
    out.high_not_precedence = (from & 8) != 0;
    out.mariadb = (from & 16) == 0;
    out.version = out.mariadb ? 101106 : (from & 32) != 0 ? 80036 : 50651;
    out.charset = static_cast<router::mysql_charset>((from >> 5) % 6);
    out.folds_tables = (from & 64) != 0;
    return out;
}

}  // namespace ringway::fuzz
